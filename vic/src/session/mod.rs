//! The two ends of a session, and what they share.
//!
//! Both are driven alike. `now` is any monotonic time that never goes back, from any origin, the same one
//! in every call:
//!
//! 1. after a frame of EtherType 0x8940 came in on the link: `handle_message(now, frame)`, the whole
//!    Ethernet frame without FCS, untagged (a frame behind a VLAN tag is not link control);
//! 2. when the time that `poll_timeout` names is reached: `handle_timeout(now)`;
//! 3. after either, and after any command: take `poll_event` until it is empty **and put into force what
//!    it says**, then send what `poll_transmit(now)` gives until it is empty. The answers among those
//!    frames tell the peer that what it asked for is in force, so the order matters;
//! 4. ask `poll_timeout` again.

mod bucket;
mod conversation;
mod end;
pub mod iv;
mod prober;
mod replay;
mod transaction;
pub mod vis;
mod work;

use crate::authenticator::Key;
use crate::frame::Direction;
use crate::identity::Uuid;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::text::Name;
use core::time::Duration;
use niv::Mac;

/// What an end can do. Both have to be able for it to be done on the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Every frame longer than 2,048 octets ends with a trailer that says how it may be cut (docs/vic.md, long
    /// frames).
    pub long_frames: bool,
}

impl Capabilities {
    pub(crate) const fn bits(self) -> u32 {
        self.long_frames as u32
    }

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self {
            long_frames: bits & 1 == 1,
        }
    }

    /// What both can do.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            long_frames: self.long_frames && other.long_frames,
        }
    }
}

/// How an end knows its peer.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Both have this key.
    Key(Key),
    /// Whoever is at the other end of the cable is the peer. A VIS has to be told so
    /// (`vic authentication none`, `--open`); an IV without a key does it and logs that it did.
    Open,
    /// A VIS that was told nothing: it refuses every session, and says why.
    Unset,
}

/// What an end says of itself, and how it behaves.
#[derive(Clone, Debug)]
pub struct EndConfig {
    /// Numbers of the protocol.
    pub parameters: Parameters,
    /// The address its frames come from: the port's own.
    pub mac: Mac,
    /// Who the box is: its machine id.
    pub identity: Uuid,
    /// What the box is called: its host name.
    pub name: Name,
    /// Program and version, for people.
    pub software: Option<Name>,
    /// Of the port, in octets after the EtherType.
    pub mtu: u16,
    /// How it knows its peer.
    pub authentication: Authentication,
    /// What it can do.
    pub capabilities: Capabilities,
    /// A VIS's term, or the highest that an IV has seen (keep it).
    pub term: u64,
    /// 32 octets of the system's randomness, drawn anew each time the program starts: nonces are made
    /// of them. Never the same twice, or old sessions could be replayed.
    pub entropy: [u8; 32],
}

/// The other end, as it said of itself when the session was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub mac: Mac,
    /// Who it is.
    pub identity: Uuid,
    /// What its box is called.
    pub name: Name,
    /// Program and version.
    pub software: Option<Name>,
    /// Its term (of a VIS), or the highest it has seen (an IV).
    pub term: u64,
    /// The link's MTU: the smaller one of both ends.
    pub mtu: u16,
    /// What both ends can do.
    pub capabilities: Capabilities,
    /// How long it goes without hearing us before it gives us up.
    pub hold: Duration,
    /// VIFs an IV can hold. 0 for a VIS.
    pub max_vifs: u16,
    /// Lists an IV can hold. 0 for a VIS.
    pub max_lists: u16,
    /// Whether it proved that it has the key. `false` on a link without one: worth a line in the log.
    pub authenticated: bool,
}

/// A session was refused. Both ends get to know; an end gets it at most once a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRefused {
    /// The other end's address.
    pub mac: Mac,
    /// Which end said no: `Up` the IV, `Down` the VIS.
    pub by: Direction,
    /// Why.
    pub refusal: Refusal,
    /// Whether it is proven that the peer said it. A refusal for want of the right key cannot be: take it
    /// as a hint for people.
    pub authenticated: bool,
}

/// How a session goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// So long ago the last frame of the peer was taken.
    pub silent: Duration,
    /// What the link carries.
    pub mtu: LinkMtu,
}

/// What Probes found of a link, in octets behind the Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkMtu {
    /// The MTU that both ends have.
    pub wanted: u16,
    /// So much was answered; 0: nothing yet.
    pub proven: u16,
    /// Nothing longer was answered, however often it was tried.
    pub limit: u16,
    /// No search is under way.
    pub settled: bool,
}

/// What an end did with frames, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// PDUs and acknowledgements sent.
    pub sent: u64,
    /// PDUs taken: authenticated, of the session, new.
    pub taken: u64,
    /// PDUs of the session that came again.
    pub repeated: u64,
    /// Acknowledgements received.
    pub acknowledged: u64,
    /// PDUs that ECP gave up. What they carried is sent again until it is answered.
    pub given_up: u64,
    /// Dropped: of another protocol, subtype or OUI, or for another address.
    pub not_ours: u64,
    /// Dropped: of another version.
    pub version: u64,
    /// Dropped: cannot be read.
    pub malformed: u64,
    /// Dropped: the authenticator is wrong.
    pub unauthentic: u64,
    /// Dropped: sent by our own end, or of another session.
    pub foreign: u64,
    /// Dropped: too many a second, or more than is kept.
    pub excess: u64,
}
