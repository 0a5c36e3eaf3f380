//! Devices that come, go, and change.

use super::{LinkError, LinkIndex, LinkInfo, Links};
use futures_util::{Stream, StreamExt};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{MulticastGroup, new_multicast_connection};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
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

type Messages = Pin<Box<dyn Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Send>>;

/// The devices of a namespace, as they change. First come those that are there.
pub struct Watch {
    links: Links,
    messages: Messages,
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
        Ok(Watch {
            links: self.clone(),
            messages: Box::pin(messages.map(|(message, _)| message)),
            known: BTreeMap::new(),
            pending: VecDeque::new(),
            stale: true,
            listing: None,
        })
    }
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
            let Some(message) = self.messages.next().await else {
                return Err(LinkError::Ended(rtnetlink::Error::RequestFailed));
            };
            match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
                    self.changed(&message);
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message)) => {
                    self.gone(&message);
                }
                // More happened than the socket holds; something was lost.
                NetlinkPayload::Overrun(_) => self.stale = true,
                _ => {}
            }
        }
    }

    fn changed(&mut self, message: &LinkMessage) {
        if !is_about_a_device(message) {
            return;
        }
        if let Some(info) = LinkInfo::parse(message) {
            self.present(info);
        }
    }

    fn gone(&mut self, message: &LinkMessage) {
        if !is_about_a_device(message) {
            return;
        }
        let index = LinkIndex(message.header.index);
        if let Some(name) = self.known.remove(&index) {
            self.pending.push_back(LinkEvent::Gone { index, name });
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

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}
