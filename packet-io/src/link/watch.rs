//! Devices that come, go, and change.

use super::{LinkError, LinkIndex, LinkInfo, Links};
use futures_util::{Stream, StreamExt};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{MulticastGroup, new_multicast_connection};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Something happened to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// It is there, and this is its state now. The kernel says so at any change; several changes may come
    /// as one, one change as several.
    Changed(LinkInfo),
    /// It is gone from this namespace.
    Gone {
        /// The number it had.
        index: LinkIndex,
        /// The name it had.
        name: String,
    },
}

/// The devices of a namespace, as they change. First come those that are there.
pub struct Watch {
    links: Links,
    heard: Arc<Heard>,
    listener: JoinHandle<()>,
    /// The devices reported as present, so that one that vanished unseen can be reported gone.
    known: BTreeMap<LinkIndex, String>,
    pending: VecDeque<LinkEvent>,
    /// What was reported may be out of date: compare with the whole list.
    stale: bool,
    /// The whole list, under way. A task of its own: a listing given up in the middle would leave the
    /// kernel busy with it.
    listing: Option<JoinHandle<Result<Vec<LinkInfo>, LinkError>>>,
}

impl Links {
    /// Watches the devices of the namespace. To be called on the tokio runtime.
    ///
    /// # Errors
    /// The kernel gives no netlink socket.
    pub fn watch(&self) -> Result<Watch, LinkError> {
        let runtime = tokio::runtime::Handle::current();
        let (connection, _, messages) = self.ns.run(|| {
            let _on = runtime.enter();
            new_multicast_connection(&[MulticastGroup::Link]).map_err(LinkError::Socket)
        })??;
        tokio::spawn(connection);
        let heard = Arc::<Heard>::default();
        let listener = tokio::spawn(listen(messages.map(|(message, _)| message), heard.clone()));
        Ok(Watch {
            links: self.clone(),
            heard,
            listener,
            known: BTreeMap::new(),
            pending: VecDeque::new(),
            stale: true,
            listing: None,
        })
    }
}

/// What the kernel said and nobody has asked for yet.
///
/// A daemon that starts makes thousands of devices before it first asks, the kernel says ten things of each, and a
/// message taken apart takes more than 10 KB. So only what is of use is kept of it, and of each device only the
/// last.
#[derive(Default)]
struct Heard {
    queue: Mutex<Queue>,
    more: Notify,
}

#[derive(Default)]
struct Queue {
    news: VecDeque<News>,
    /// How many have left the queue.
    taken: u64,
    /// Which of all there ever were says the last of a device.
    last: HashMap<LinkIndex, u64>,
}

enum News {
    Changed(LinkInfo),
    Gone(LinkIndex),
    /// More happened than the socket holds.
    Overrun,
    /// The socket has ended.
    End,
}

impl Heard {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it holds the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, news: News) {
        self.queue().push(news);
        self.more.notify_one();
    }

    async fn next(&self) -> News {
        loop {
            if let Some(news) = self.queue().pop() {
                return news;
            }
            // One that came since then has left a permit.
            self.more.notified().await;
        }
    }
}

impl Queue {
    fn push(&mut self, news: News) {
        let number = self.taken + self.news.len() as u64;
        match &news {
            News::Changed(info) => {
                let waiting = self.last.get(&info.index);
                // What has left the queue has no place in it any more.
                let place = waiting.and_then(|waiting| waiting.checked_sub(self.taken));
                let place = place.and_then(|place| usize::try_from(place).ok());
                let waiting = place.and_then(|place| self.news.get_mut(place));
                if let Some(News::Changed(before)) = waiting {
                    before.clone_from(info);
                    return;
                }
                self.last.insert(info.index, number);
            }
            News::Gone(index) => drop(self.last.remove(index)),
            News::Overrun | News::End => {}
        }
        self.news.push_back(news);
    }

    fn pop(&mut self) -> Option<News> {
        let news = self.news.pop_front()?;
        self.taken += 1;
        Some(news)
    }
}

async fn listen(
    messages: impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>>,
    heard: Arc<Heard>,
) {
    let mut messages = pin!(messages);
    while let Some(message) = messages.next().await {
        match message.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
                if is_about_a_device(&message)
                    && let Some(info) = LinkInfo::parse(&message)
                {
                    heard.push(News::Changed(info));
                }
            }
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message))
                if is_about_a_device(&message) =>
            {
                heard.push(News::Gone(LinkIndex(message.header.index)));
            }
            NetlinkPayload::Overrun(_) => heard.push(News::Overrun),
            _ => {}
        }
    }
    heard.push(News::End);
}

impl Watch {
    /// The next event. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The socket ended, or the list of devices cannot be read.
    pub async fn next(&mut self) -> Result<LinkEvent, LinkError> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            if self.stale {
                let links = self.links.clone();
                let listing = self
                    .listing
                    .get_or_insert_with(|| tokio::spawn(async move { links.list().await }));
                let listed = listing.await;
                self.listing = None;
                // The runtime is ending, if the task did not.
                let present =
                    listed.map_err(|_| LinkError::Ended(rtnetlink::Error::RequestFailed))??;
                self.stale = false;
                self.compare(present);
                continue;
            }
            match self.heard.next().await {
                News::Changed(info) => self.present(info),
                News::Gone(index) => {
                    if let Some(name) = self.known.remove(&index) {
                        self.pending.push_back(LinkEvent::Gone { index, name });
                    }
                }
                News::Overrun => self.stale = true,
                News::End => {
                    // It stays ended.
                    self.heard.push(News::End);
                    return Err(LinkError::Ended(rtnetlink::Error::RequestFailed));
                }
            }
        }
    }

    fn present(&mut self, info: LinkInfo) {
        self.known.insert(info.index, info.name.clone());
        self.pending.push_back(LinkEvent::Changed(info));
    }

    fn compare(&mut self, present: Vec<LinkInfo>) {
        let mut before = std::mem::take(&mut self.known);
        for info in &present {
            before.remove(&info.index);
        }
        let gone = before
            .into_iter()
            .map(|(index, name)| LinkEvent::Gone { index, name });
        self.pending.extend(gone);
        for info in present {
            self.present(info);
        }
    }
}

/// A bridge reports its ports under the same message types with its own family: a port that leaves the
/// bridge is not a device that is gone.
fn is_about_a_device(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Unspec
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(index: u32, mtu: u32) -> LinkInfo {
        let mut message = LinkMessage::default();
        message.header.index = index;
        let name = rtnetlink::packet_route::link::LinkAttribute::IfName(format!("d{index}"));
        message.attributes.push(name);
        LinkInfo {
            mtu,
            ..LinkInfo::parse(&message).unwrap()
        }
    }

    /// What waits, as `(index, mtu)`, and 0 for a device that is gone.
    fn waiting(queue: &mut Queue) -> Vec<(u32, u32)> {
        std::iter::from_fn(|| queue.pop())
            .map(|news| match news {
                News::Changed(info) => (info.index.0, info.mtu),
                News::Gone(index) => (index.0, 0),
                News::Overrun | News::End => unreachable!("none was put in"),
            })
            .collect()
    }

    #[test]
    fn of_what_waits_only_the_last_of_each_device_is_kept() {
        let mut queue = Queue::default();
        for mtu in 1..=1000 {
            queue.push(News::Changed(info(7, mtu)));
            queue.push(News::Changed(info(8, mtu)));
        }
        assert_eq!(waiting(&mut queue), [(7, 1000), (8, 1000)]);
        queue.push(News::Changed(info(7, 1)));
        assert_eq!(waiting(&mut queue), [(7, 1)]);
    }

    #[test]
    fn a_device_that_went_and_came_back_did_both() {
        let mut queue = Queue::default();
        queue.push(News::Changed(info(7, 1)));
        queue.push(News::Gone(LinkIndex(7)));
        queue.push(News::Changed(info(7, 2)));
        queue.push(News::Changed(info(7, 3)));
        assert_eq!(waiting(&mut queue), [(7, 1), (7, 0), (7, 3)]);
    }
}
