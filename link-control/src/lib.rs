//! Link control: one thread that drives the sessions of all links, each over a socket of its own
//! (design.md section 4.12).
//!
//! ```text
//!            on_event (on this thread)
//!  daemon <------------------------------+
//!     |  with, tell: closures            |
//!     +----------> [ thread ] -- handle_message, handle_timeout --> session of link n
//!                      |  ^
//!              transmit|  |frames of EtherType 0x8940, untagged, picked out by the kernel
//!                      v  |
//!                  socket of link n
//! ```
//!
//! Data never passes here, so no rate of data costs a session. The thread sleeps until a frame, a timer or a
//! closure is there. What an event says is in force before the answer to the peer leaves: `on_event` is called
//! first.
//!
//! LLDP has a socket and a state of its own beside that ([`LinkControl::announce`]): what neighbours send there displaces
//! no frame of a session, and a link is announced whether or not it has a session.

mod discovery;
mod ends;
pub mod key;

pub use discovery::{Heard, announcement, frame_size};

use discovery::Discovery;
use niv::PortId;
use packet_io::afpacket::OpenError;
use packet_io::link_socket::LinkSocket;
use packet_io::mailbox::{Handle, Mailbox, WorkerGone, mailbox};
use packet_io::poll::Poller;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};
use vic::Name;

/// Frames taken from one link before the others have their turn.
const BURST: usize = 64;
/// Octets of the longest frame of link control: a probe of the largest MTU there is.
const LONGEST: usize = 14 + 65_535;

/// One end of a session, as `vic::session` has it. `now` is the time since the thread was started.
pub trait End: Send + 'static {
    /// What the session tells its embedder.
    type Event: Send;

    /// A frame came in on the link.
    fn handle_message(&mut self, now: Duration, frame: &[u8]);
    /// The time that [`End::poll_timeout`] named is reached.
    fn handle_timeout(&mut self, now: Duration);
    /// What the embedder has to know, until there is no more.
    fn poll_event(&mut self) -> Option<Self::Event>;
    /// What is to be sent, until there is no more.
    fn poll_transmit(&mut self, now: Duration) -> Option<Vec<u8>>;
    /// When time has to be told next.
    fn poll_timeout(&self) -> Option<Duration>;
}

/// The daemon's handle of the thread. Cheap to clone.
pub struct LinkControl<E: End> {
    thread: Handle<Sessions<E>>,
    started: Instant,
}

impl<E: End> Clone for LinkControl<E> {
    fn clone(&self) -> Self {
        Self {
            thread: self.thread.clone(),
            started: self.started,
        }
    }
}

impl<E: End> LinkControl<E> {
    /// Starts the thread. It calls `on_event` with what sessions say; the link is the one of [`LinkControl::open`].
    ///
    /// # Errors
    /// The system gives no more descriptors, or no thread.
    pub fn spawn(
        name: &str,
        on_event: impl FnMut(PortId, E::Event) + Send + 'static,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        let (thread, inbox) = mailbox(poller.waker());
        let started = Instant::now();
        let mut sessions = Sessions {
            started,
            poller,
            links: BTreeMap::new(),
            discoveries: BTreeMap::new(),
            on_event: Box::new(on_event),
            room: vec![0; LONGEST].into_boxed_slice(),
            stopping: false,
        };
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                if let Err(error) = sessions.run(&inbox) {
                    tracing::error!("link control has ended: {error}");
                }
            })?;
        Ok(Self { thread, started })
    }

    /// The time that sessions are told.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Opens a socket for a device, in the network namespace of the calling thread, without a session yet: its address
    /// and MTU are what the session needs to begin.
    ///
    /// # Errors
    /// No such device, no permission, or what the kernel says.
    pub fn socket(device: &str) -> Result<LinkSocket, OpenError> {
        LinkSocket::open(device, vic::parameters::ETHERTYPE)
    }

    /// Begins a session on a link, in place of the one it had.
    ///
    /// # Errors
    /// The thread has ended, or cannot watch the socket.
    pub async fn open(&self, link: PortId, socket: LinkSocket, end: E) -> io::Result<()> {
        self.thread
            .answer(move |sessions| sessions.open(link, socket, end))
            .await
            .map_err(io::Error::other)?
    }

    /// A device that came back: the session goes on over a new socket.
    ///
    /// # Errors
    /// The thread has ended, or cannot watch the socket.
    pub async fn replace_socket(&self, link: PortId, socket: LinkSocket) -> io::Result<()> {
        self.thread
            .answer(move |sessions| sessions.replace_socket(link, socket))
            .await
            .map_err(io::Error::other)?
    }

    /// Opens a socket for the LLDPDUs of a device, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// No such device, no permission, or what the kernel says.
    pub fn lldp_socket(device: &str) -> Result<LinkSocket, OpenError> {
        LinkSocket::open(device, lldp::ETHERTYPE)
    }

    /// Begins to announce a link, in place of what was announced there, and to log who is heard on it. `device` is what
    /// people know the link by.
    ///
    /// # Errors
    /// The thread has ended, or cannot watch the socket.
    pub async fn announce(
        &self,
        link: PortId,
        socket: LinkSocket,
        device: &str,
        says: lldp::Announcement,
    ) -> io::Result<()> {
        let device = device.to_owned();
        self.thread
            .answer(move |sessions| {
                sessions.poller.add(&socket, discovery::key(link))?;
                let begun = Discovery::new(sessions.now(), socket, device, says);
                sessions.discoveries.insert(link, begun);
                Ok(())
            })
            .await
            .map_err(io::Error::other)?
    }

    /// The device of a link has gained or lost its link.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn carrier(&self, link: PortId, up: bool) -> Result<(), WorkerGone> {
        self.thread.tell(move |sessions| {
            let now = sessions.now();
            if let Some(discovery) = sessions.discoveries.get_mut(&link) {
                discovery.set_link(now, up);
            }
        })
    }

    /// The MTU of the device of a link is another one.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn announce_frame_size(&self, link: PortId, octets: u16) -> Result<(), WorkerGone> {
        self.thread.tell(move |sessions| {
            let now = sessions.now();
            if let Some(discovery) = sessions.discoveries.get_mut(&link) {
                discovery.set_frame_size(now, octets);
            }
        })
    }

    /// This box is called otherwise now: all neighbours hear it by LLDP, and who opens a session by VIC.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn announce_name(&self, name: Name) -> Result<(), WorkerGone> {
        self.thread.tell(move |sessions| {
            let now = sessions.now();
            for discovery in sessions.discoveries.values_mut() {
                discovery.set_system_name(now, name.as_str());
            }
        })
    }

    /// What LLDP knows of a link; `None`: it is not announced, or the thread has ended.
    pub async fn heard(&self, link: PortId) -> Option<Heard> {
        let heard = self.thread.answer(move |sessions| {
            let now = sessions.now();
            Some(sessions.discoveries.get(&link)?.heard(now))
        });
        heard.await.ok().flatten()
    }

    /// Says goodbye by LLDP on all links: they are announced no more.
    pub async fn withdraw(&self) {
        let withdrawn = self.thread.answer(|sessions| sessions.discoveries.clear());
        // A thread that has ended has said so already.
        let _ = withdrawn.await;
    }

    /// Ends a session and forgets the link. What the session still has to say is sent first.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn close(&self, link: PortId) -> Result<(), WorkerGone> {
        self.thread.tell(move |sessions| {
            sessions.settle(link);
            sessions.links.remove(&link);
            sessions.discoveries.remove(&link);
        })
    }

    /// Ends the thread, after what it was told before: sessions that were told to close have said so.
    ///
    /// # Errors
    /// It has ended already.
    pub fn stop(&self) -> Result<(), WorkerGone> {
        self.thread.tell(|sessions| sessions.stopping = true)
    }

    /// Does something with a link's session, and returns what came of it; `None`: there is no such link, or the thread
    /// has ended.
    pub async fn with<R: Send + 'static>(
        &self,
        link: PortId,
        job: impl FnOnce(&mut E, Duration) -> R + Send + 'static,
    ) -> Option<R> {
        let answer = self.thread.answer(move |sessions| sessions.with(link, job));
        answer.await.ok().flatten()
    }

    /// The same, without waiting for it.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn tell(
        &self,
        link: PortId,
        job: impl FnOnce(&mut E, Duration) + Send + 'static,
    ) -> Result<(), WorkerGone> {
        self.thread.tell(move |sessions| {
            sessions.with(link, job);
        })
    }
}

/// A link, its socket and its session.
struct Link<E> {
    socket: LinkSocket,
    end: E,
}

/// The thread's own state.
struct Sessions<E: End> {
    started: Instant,
    poller: Poller,
    links: BTreeMap<PortId, Link<E>>,
    /// Links that are announced.
    discoveries: BTreeMap<PortId, Discovery>,
    on_event: Box<dyn FnMut(PortId, E::Event) + Send>,
    room: Box<[u8]>,
    stopping: bool,
}

impl<E: End> Sessions<E> {
    /// Until it is told to stop.
    fn run(&mut self, inbox: &Mailbox<Self>) -> io::Result<()> {
        let mut ready = Vec::new();
        while !self.stopping {
            let now = self.now();
            let sessions = self.links.values().filter_map(|l| l.end.poll_timeout());
            let discoveries = self.discoveries.values().filter_map(|d| d.poll_timeout());
            let next = sessions.chain(discoveries).min();
            let sleep = next.map(|due| due.saturating_sub(now));
            self.poller.wait(sleep, &mut ready)?;
            inbox.run_pending(self);
            for &key in &ready {
                match discovery::link_of(key) {
                    Some(link) => self.receive_lldp(link),
                    None => self.receive(PortId(key)),
                }
            }
            self.tell_time();
        }
        Ok(())
    }

    fn receive_lldp(&mut self, link: PortId) {
        let now = self.now();
        if let Some(discovery) = self.discoveries.get_mut(&link) {
            discovery.receive(now, BURST, &mut self.room);
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn open(&mut self, link: PortId, socket: LinkSocket, end: E) -> io::Result<()> {
        self.poller.add(&socket, link.0)?;
        // The old socket leaves the poller as it is closed.
        self.links.insert(link, Link { socket, end });
        self.settle(link);
        Ok(())
    }

    fn replace_socket(&mut self, link: PortId, socket: LinkSocket) -> io::Result<()> {
        if let Some(held) = self.links.get_mut(&link) {
            self.poller.add(&socket, link.0)?;
            held.socket = socket;
            self.settle(link);
        }
        Ok(())
    }

    fn with<R>(&mut self, link: PortId, job: impl FnOnce(&mut E, Duration) -> R) -> Option<R> {
        let now = self.now();
        let result = job(&mut self.links.get_mut(&link)?.end, now);
        self.settle(link);
        Some(result)
    }

    /// Takes what came in on a link, up to a burst.
    fn receive(&mut self, link: PortId) {
        for _ in 0..BURST {
            let now = self.now();
            let Some(Link { socket, end }) = self.links.get_mut(&link) else {
                return;
            };
            match socket.receive(&mut self.room) {
                Ok(Some(length)) => {
                    let frame = self.room.get(..length).unwrap_or_default();
                    end.handle_message(now, frame);
                }
                // A device that is down says so once; it may come up again.
                Ok(None) | Err(_) => return,
            }
            self.settle(link);
        }
    }

    /// Tells the time to those who wait for it.
    fn tell_time(&mut self) {
        let now = self.now();
        let is_due = |link: &Link<E>| link.end.poll_timeout().is_some_and(|due| due <= now);
        let due: Vec<PortId> = self
            .links
            .iter()
            .filter_map(|(&id, link)| is_due(link).then_some(id))
            .collect();
        for id in due {
            if let Some(link) = self.links.get_mut(&id) {
                link.end.handle_timeout(now);
            }
            self.settle(id);
        }
        let now = self.now();
        for discovery in self.discoveries.values_mut() {
            discovery.tell_time(now);
        }
    }

    /// First what the session says is put into force, then it is sent.
    fn settle(&mut self, id: PortId) {
        let now = self.now();
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        while let Some(event) = link.end.poll_event() {
            (self.on_event)(id, event);
        }
        while let Some(frame) = link.end.poll_transmit(now) {
            // What a device does not take is as lost as what a cable loses: the session sends it again.
            if let Err(error) = link.socket.send(&frame) {
                tracing::debug!("link control of port {}: {error}", id.0);
            }
        }
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "these tests drop no capability")]
#[path = "../../packet-io/src/privileged.rs"]
mod privileged;
#[cfg(test)]
mod tests;
