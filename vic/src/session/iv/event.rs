//! What an IV is told, and what it says of a vNIC.

use crate::identity::Uuid;
use crate::message::{Members, Profile};
use crate::refusal::Refusal;
use crate::session::{Peer, SessionRefused};
use crate::text::{Name, OwnerName};
use niv::{ListId, Mac, VifId};
use thiserror::Error;

/// A vNIC that is to have a VIF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vnic {
    /// Names it for good.
    pub uuid: Uuid,
    /// Its address: no group's, not zero.
    pub mac: Mac,
    /// What the IV calls it.
    pub name: Name,
    /// Which port profile it wants.
    pub profile: Name,
    /// What the guest may send, in octets after the EtherType and any VLAN tags.
    pub mtu: u16,
    /// The id it had before the IV was started anew, to have it again.
    pub vif: Option<VifId>,
    /// Whose it is.
    pub owner_name: Option<OwnerName>,
    /// Whose it is.
    pub owner_uuid: Option<Uuid>,
}

/// A command that cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VnicError {
    /// Another vNIC has this UUID.
    #[error("vNIC {0} is attached already; detach it first")]
    Attached(Uuid),
    /// It is on its way out.
    #[error("vNIC {0} is still being detached; wait until that is done")]
    Detaching(Uuid),
    /// There is none of this UUID.
    #[error("no vNIC {0} is attached")]
    Unknown(Uuid),
    /// A group's address, or zero.
    #[error("{0} is no address of a vNIC: it is a group's, or zero")]
    Mac(Mac),
    /// As many as the IV said it could hold.
    #[error("{0} vNICs are attached, and that is the limit (`max_vifs`)")]
    Full(u16),
}

/// Where a vNIC is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VnicState {
    /// No session, or not asked yet. It keeps the id it had, if any.
    Waiting,
    /// The VIS was asked.
    Creating,
    /// It has an id and waits to be enabled.
    Created,
    /// Frames may pass.
    Enabled,
    /// The VIS said no, took the id away, or disabled it.
    Down(Refusal),
    /// On its way out.
    Detaching,
}

/// What an IV has to do or to know. Put it into force before the next `poll_transmit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IvEvent {
    /// There is a session. vNICs that forward go on doing so.
    Up(Peer),
    /// There is none any more. Grace (design.md section 5.9) begins.
    Lost(Refusal),
    /// A VIS refused, or was refused.
    Refused(SessionRefused),
    /// A vNIC has its id. If it had that already it goes on as it is; else tell the data path, and let no
    /// frame pass before `Enabled`. `was` is the id it had until now, if another: that means nothing any more.
    Created {
        /// Which vNIC.
        uuid: Uuid,
        /// Its id.
        vif: VifId,
        /// Its id until now, if it had another one.
        was: Option<VifId>,
        /// Number of its vEth.
        veth: u32,
        /// Name of its vEth.
        veth_name: Option<Name>,
    },
    /// Let frames pass.
    Enabled {
        /// Which vNIC.
        uuid: Uuid,
        /// Its id.
        vif: VifId,
    },
    /// Let no frame pass; carrier down. It has no id any more if `vif` is `None`.
    Down {
        /// Which vNIC.
        uuid: Uuid,
        /// Its id, if it keeps one.
        vif: Option<VifId>,
        /// Why.
        why: Refusal,
    },
    /// The vEth went up or down: the guest's carrier follows.
    Status {
        /// Which vNIC.
        uuid: Uuid,
        /// Whether the guest should see carrier.
        up: bool,
        /// Why not.
        why: Option<Refusal>,
    },
    /// The VIS knows that the vNIC is gone.
    Detached {
        /// Which vNIC.
        uuid: Uuid,
    },
    /// Take this id out of every list, and know it no more unless a vNIC has been given it anew.
    VifForgotten(VifId),
    /// This list has these members.
    ListSet {
        /// Which.
        list: ListId,
        /// Who.
        members: Members,
    },
    /// Forget this list.
    ListDeleted(ListId),
    /// The profiles that may be asked for.
    Catalogue(Vec<Profile>),
    /// What became of `prepare`, `commit` or `abort`.
    Move {
        /// Which vNIC.
        uuid: Uuid,
        /// Done, or why not.
        outcome: Result<(), Refusal>,
    },
    /// The VIS did not take a new address or MTU.
    SetRefused {
        /// Which vNIC.
        uuid: Uuid,
        /// Why.
        why: Refusal,
    },
    /// Frames of so many octets after the EtherType get through; `wanted` is what both ends announced.
    MtuProven {
        /// What gets through.
        octets: u16,
        /// What should.
        wanted: u16,
    },
}
