//! What both ends have besides a conversation: who they are, what waits to be sent or told, the rules by
//! which frames are believed.

use super::{Authentication, EndConfig, SessionRefused, Statistics};
use crate::authenticator::{Authenticator, Entropy};
use crate::ecp::{self, Operation};
use crate::frame::{self, Addresses, Direction, Envelope, FrameError, Pdu, Received};
use crate::identity::Nonce;
use crate::message::{Body, Kind, Message};
use crate::parameters::VERSION;
use crate::refusal::{Code, Refusal};
use crate::session::bucket::Bucket;
use core::time::Duration;
use niv::Mac;
use std::collections::VecDeque;

/// Events kept before frames are dropped: the peer sends them again, so an embedder that is slow to take
/// events slows the peer down and no more.
const MOST_EVENTS: usize = 1024;

/// Frames that wait outside a conversation.
const MOST_FRAMES: usize = 16;

/// How often an end is told of the same refusal.
const TELL_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct End<E> {
    pub(crate) config: EndConfig,
    pub(crate) authenticator: Authenticator,
    pub(crate) entropy: Entropy,
    pub(crate) statistics: Statistics,
    direction: Direction,
    events: VecDeque<E>,
    frames: VecDeque<Vec<u8>>,
    told: Option<(Duration, Code)>,
    /// Answers to frames that nobody vouches for.
    courtesy: Bucket,
    ecp_sequence: u16,
}

impl<E> End<E> {
    /// `direction` is that of the frames this end sends.
    pub(crate) fn new(config: EndConfig, direction: Direction) -> Self {
        let key = match &config.authentication {
            Authentication::Key(key) => Some(key),
            Authentication::Open | Authentication::Unset => None,
        };
        Self {
            authenticator: Authenticator::of(key),
            entropy: Entropy::new(&config.entropy),
            statistics: Statistics::default(),
            direction,
            events: VecDeque::new(),
            frames: VecDeque::new(),
            told: None,
            courtesy: Bucket::new(10, 10),
            ecp_sequence: 0,
            config,
        }
    }

    /// Of the frames this end sends.
    pub(crate) const fn direction(&self) -> Direction {
        self.direction
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) const fn has_key(&self) -> bool {
        matches!(self.config.authentication, Authentication::Key(_))
    }

    pub(crate) fn tell(&mut self, event: E) {
        self.events.push_back(event);
    }

    pub(crate) fn poll_event(&mut self) -> Option<E> {
        self.events.pop_front()
    }

    pub(crate) fn poll_frame(&mut self) -> Option<Vec<u8>> {
        self.frames.pop_front()
    }

    pub(crate) fn has_frames(&self) -> bool {
        !self.frames.is_empty()
    }

    /// Whether nothing was said about this for a while.
    fn may_tell(&mut self, now: Duration, code: Code) -> bool {
        let told = self.told.filter(|(_, told)| *told == code);
        let may = told.is_none_or(|(at, _)| at + TELL_EVERY <= now);
        if may {
            self.told = Some((now, code));
        }
        may && self.events.len() < MOST_EVENTS
    }

    /// Tells of a refused session, though not of the same all the time.
    pub(crate) fn tell_refused(
        &mut self,
        now: Duration,
        said: SessionRefused,
        event: impl FnOnce(SessionRefused) -> E,
    ) {
        if self.may_tell(now, said.refusal.code) {
            self.tell(event(said));
        }
    }

    /// Reads a frame and counts what is wrong with it. What comes back is well formed and goes this way;
    /// nothing vouches for it yet.
    pub(crate) fn read<'a>(&mut self, frame: &'a [u8]) -> Result<Received<'a>, Option<FrameError>> {
        if self.events.len() >= MOST_EVENTS {
            self.statistics.excess += 1;
            return Err(None);
        }
        let read = frame::read(&self.config.parameters, self.config.mac, frame);
        let error = match read {
            Ok(Received::Pdu(pdu)) if pdu.envelope.direction == self.direction => {
                self.statistics.foreign += 1;
                return Err(None);
            }
            Ok(received) => return Ok(received),
            Err(error) => error,
        };
        match error {
            FrameError::NotOurs => self.statistics.not_ours += 1,
            FrameError::Version { .. } => self.statistics.version += 1,
            FrameError::Malformed => self.statistics.malformed += 1,
        }
        Err(Some(error))
    }

    /// The messages of a PDU that this end can believe.
    pub(crate) fn verify<'a>(&mut self, pdu: &Pdu<'a>) -> Option<&'a [u8]> {
        let messages = pdu.verify(&self.authenticator);
        if messages.is_none() {
            self.statistics.unauthentic += 1;
        }
        messages
    }

    /// Queues a frame that belongs to no conversation.
    pub(crate) fn send(
        &mut self,
        destination: Mac,
        envelope: Envelope,
        message: &Message,
        authenticator: &Authenticator,
    ) {
        if self.frames.len() >= MOST_FRAMES {
            return;
        }
        let parameters = &self.config.parameters;
        self.ecp_sequence = self.ecp_sequence.checked_add(1).unwrap_or(1);
        // No acknowledgement is waited for: who opens repeats, who answers answers again.
        let header = ecp::Header {
            operation: Operation::Request,
            subtype: parameters.unacknowledged_subtype,
            sequence: self.ecp_sequence,
        };
        let addresses = Addresses {
            destination,
            source: self.config.mac,
        };
        let octets = message.to_bytes();
        let frame = frame::write(
            parameters,
            addresses,
            header,
            envelope,
            &octets,
            authenticator,
        );
        self.frames.push_back(frame);
    }

    /// Queues a frame that is complete.
    pub(crate) fn send_raw(&mut self, frame: Vec<u8>) {
        if self.frames.len() < MOST_FRAMES {
            self.frames.push_back(frame);
        }
    }

    /// Says no to who opened a session with `nonce`; with this end's own authenticator only when it is
    /// one the other can check.
    pub(crate) fn say_no(
        &mut self,
        now: Duration,
        to: Mac,
        nonce: Nonce,
        refusal: &Refusal,
        authenticated: bool,
    ) {
        if !self.courtesy.take(now) {
            return;
        }
        let envelope = Envelope {
            direction: self.direction,
            sender: Nonce::NONE,
            receiver: nonce,
            sequence: 0,
        };
        let message = Message {
            transaction: 0,
            body: Body::Refused(Kind::Open, refusal.clone()),
        };
        let authenticator = match authenticated {
            true => self.authenticator.clone(),
            false => Authenticator::crc(),
        };
        self.send(to, envelope, &message, &authenticator);
    }
}

/// Another version came.
pub(crate) fn version_refusal(version: u8) -> Refusal {
    Refusal::new(
        Code::VERSION,
        format!("version {version} of VIC was offered, and only version {VERSION} is spoken here"),
    )
}
