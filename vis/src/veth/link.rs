//! What is known of one link.

use super::repeats::Repeats;
use crate::config::VethId;
use niv::Mac;
use std::time::Duration;
use vic::session::Peer;
use vic::{Code, Name, Refusal, Uuid};

/// A NIV port, and the session on it.
#[derive(Clone, Debug, Default)]
pub struct LinkRecord {
    /// The IV, while there is a session.
    pub peer: Option<Peer>,
    /// Since when it is as it is.
    pub since: Duration,
    /// Sessions there were.
    pub sessions: u64,
    /// Why the last session ended.
    pub lost: Option<Refusal>,
    /// Sessions refused.
    pub refused: u64,
    /// The last refusal.
    pub last_refusal: Option<LastRefusal>,
    /// vNICs refused.
    pub vnics_refused: u64,
    /// Lists that could not be had.
    pub lists_refused: u64,
    /// Octets that got through, and octets that should.
    pub mtu_proven: Option<(u16, u16)>,
    /// Which replacement of a session on any link was the last one here; 0: none was.
    pub(super) replaced: u64,
    /// The IV of the last session.
    pub(super) identity: Option<Uuid>,
    /// Until when vEths are kept without a session.
    pub(super) deadline: Option<Duration>,
    /// What people are told of again and again.
    pub(super) repeats: Repeats<Subject>,
    /// And what there is no room for in it, as one thing.
    pub(super) others: Repeats<()>,
}

/// What people are told of again and again, on one link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An IV of this address is refused a session, or refuses one.
    Session(Mac, Code),
    /// A vNIC is refused its vEth.
    Vnic(Uuid, Name, Code),
    /// A vEth's frames do not pass.
    NotEnabled(VethId, Code),
    /// A list cannot be had.
    List(Code),
    /// Only so many octets get through.
    Mtu(u16),
}

impl LinkRecord {
    /// There is no session, and vEths are kept for one.
    pub const fn in_grace(&self) -> bool {
        self.peer.is_none() && self.deadline.is_some()
    }
}

/// A refused session.
#[derive(Clone, Debug)]
pub struct LastRefusal {
    /// When.
    pub at: Duration,
    /// Why, and by whom.
    pub said: vic::session::SessionRefused,
}
