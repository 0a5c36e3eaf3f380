//! What a VIS is told about a link.

use crate::identity::Uuid;
use crate::message::{VifCounters, VifCreate};
use crate::refusal::Refusal;
use crate::session::{Peer, SessionRefused};
use niv::{ListId, Mac, VifId};
use thiserror::Error;

/// A question of the IV that waits for `answer`, `accept` or `refuse`. It means nothing in a later session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask {
    pub(crate) session: u32,
    pub(crate) transaction: u32,
}

/// A step of a move that the IV asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveStep {
    /// The vNIC will go to another IV, whose identity may be known.
    Prepare(Option<Uuid>),
    /// It lives here now.
    Commit,
    /// It stays where it was.
    Abort,
}

/// What a VIS has to do or to know. Put it into force before the next `poll_transmit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VisEvent {
    /// An IV wants a session: `admit` or `refuse_session`. Only here can it be known whether another link
    /// has an IV of the same identity. It may be an old frame, played again: decide, but change nothing.
    Admission(Peer),
    /// There is a session, and the IV is here now. VIFs of an earlier session stay as they are until the IV
    /// creates them again; what it does not create again comes as `VifGone`.
    Up(Peer),
    /// There is none any more. Grace (design.md section 5.9) begins.
    Lost(Refusal),
    /// A session was refused.
    Refused(SessionRefused),
    /// A vNIC wants a VIF: `accept` or `refuse`. `bound` is the id it has already, when it is created again.
    Create {
        /// To answer.
        ask: Ask,
        /// What the IV says of it.
        create: VifCreate,
        /// The id it has on this link already.
        bound: Option<VifId>,
    },
    /// The IV lets frames of this VIF pass.
    Enabled(VifId),
    /// The IV refused or undid: let no frame pass.
    EnableRefused {
        /// Which VIF.
        vif: VifId,
        /// Why.
        why: Refusal,
    },
    /// The IV lets no frame of this VIF pass any more.
    Disabled(VifId),
    /// Stop using this VIF at once: take it out of the data path, then call `vif_quiesced` when no worker
    /// can have frames for it in its hands. It is out of all lists already; those that had it stay as
    /// they are otherwise.
    VifGone {
        /// Which VIF.
        vif: VifId,
        /// Whose it was.
        uuid: Uuid,
        /// Why.
        why: Refusal,
    },
    /// The vNIC would have another address or MTU, which the link carries: `answer` it.
    Set {
        /// To answer.
        ask: Ask,
        /// Which VIF.
        vif: VifId,
        /// Its new address.
        mac: Option<Mac>,
        /// Its new MTU.
        mtu: Option<u16>,
    },
    /// A step of a move: `answer` it.
    Move {
        /// To answer.
        ask: Ask,
        /// Which vNIC.
        uuid: Uuid,
        /// Which step.
        step: MoveStep,
    },
    /// The IV has this list: the switch may use it.
    ListConfirmed(ListId),
    /// The IV does not have this list (any more): unicast copies, until it is confirmed again.
    ListLost(ListId),
    /// The IV refuses this list for good: unicast copies; `release_list` it.
    ListRefused {
        /// Which.
        list: ListId,
        /// Why.
        why: Refusal,
    },
    /// What passed a vNIC, by the IV's account.
    Counters {
        /// Which VIF.
        vif: VifId,
        /// Totals.
        counters: VifCounters,
    },
    /// Frames of so many octets after the EtherType get through; `wanted` is what both ends announced.
    MtuProven {
        /// What gets through.
        octets: u16,
        /// What should.
        wanted: u16,
    },
}

/// A command that cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VisError {
    /// Nothing was asked, or it was answered, or the session in which it was asked is over.
    #[error("the question was answered already, or its session is over")]
    NotAsked,
    /// Every id is taken or rests. The IV was told.
    #[error("no VIF id is free on this link")]
    NoVifFree,
    /// Every id is taken or rests, or the IV holds as many lists as it can.
    #[error("no list id is free on this link")]
    NoListFree,
    /// There is no such VIF, or it is on its way out.
    #[error("VIF {0} is not in use on this link")]
    UnknownVif(VifId),
    /// There is no such list, or it is on its way out.
    #[error("list {0} is not in use on this link")]
    UnknownList(ListId),
    /// Somebody else has the id.
    #[error("VIF id {0} is taken on this link")]
    Taken(VifId),
}
