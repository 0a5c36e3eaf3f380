//! What is known of one vEth.

use crate::config::{Binding, EthernetId, ProfileName, VethId};
use niv::{Counters, Mac, VifId};
use std::time::Duration;
use vic::session::vis::Ask;
use vic::{Name, OwnerName, Refusal, Uuid, VifCounters};

/// A vEth of the control protocol.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its label on this switch.
    pub number: VethId,
    /// The port profile its vNIC asked for.
    pub profile: ProfileName,
    /// What the IV calls the vNIC.
    pub name: Name,
    /// Whose it is.
    pub owner_name: Option<OwnerName>,
    /// Whose it is.
    pub owner_uuid: Option<Uuid>,
    /// The vNIC's address.
    pub mac: Mac,
    /// What the guest may send, in octets after the EtherType and any VLAN tags.
    pub mtu: u16,
    /// Where it is, or was when it was last seen while it may come back there.
    pub place: Option<Place>,
    /// Where it was last, for people.
    pub last: Option<Place>,
    /// Where it is on its way.
    pub stage: Stage,
    /// When the stage was reached.
    pub since: Duration,
    /// What passed it, by the IV's account.
    pub counters: VifCounters,
    /// What its vEth counted in the switch's earlier lives.
    pub earlier: Counters,
    /// What it had counted in this life when the switch was asked last.
    pub(super) live: Counters,
    /// It takes part in the switch.
    pub(super) carried: bool,
    /// Where it is on a move that its IV prepared.
    pub(super) moving: Option<Move>,
    /// What its IV was told of it.
    pub(super) told: Option<Option<Refusal>>,
}

/// A move of a vNIC, until it is committed or called off (docs/vic.md section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// It may go to the IV of that identity, if it is said, else to any.
    Prepared(Option<Uuid>),
    /// It came from where that was said.
    Arrived,
}

/// A link, and a VIF on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The link.
    pub link: EthernetId,
    /// The VIF.
    pub vif: VifId,
}

/// Where a vEth is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its IV asked for it on this link, and it gets its VIF.
    Creating {
        /// Where.
        link: EthernetId,
        /// By which question: an answer to an earlier one means nothing any more.
        ask: Ask,
    },
    /// It has its VIF and waits until the lists that are to have it are made.
    WaitingForLists,
    /// Its IV was asked to let its frames pass.
    Enabling,
    /// Frames pass.
    Enabled,
    /// Its IV was told to let none of its frames pass any more.
    Disabling(Refusal),
    /// Its IV would not let frames pass, or does not any more.
    Disabled(Refusal),
    /// Its IV is not heard, and has until then to come back and ask for it again.
    Absent {
        /// Until when the place is kept.
        deadline: Duration,
    },
    /// Its IV did not come back, or was told to let go of it.
    Away(Refusal),
    /// Its IV let go of it. The vEth is kept, so that it is the same when the vNIC comes back.
    Detached,
}

impl Stage {
    /// The stable word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Creating { .. } => "creating",
            Self::WaitingForLists => "waiting_for_lists",
            Self::Enabling => "enabling",
            Self::Enabled => "enabled",
            Self::Disabling(_) => "disabling",
            Self::Disabled(_) => "disabled",
            Self::Absent { .. } => "absent",
            Self::Away(_) => "away",
            Self::Detached => "detached",
        }
    }
}

impl Place {
    /// As the configuration says it.
    pub const fn binding(self) -> Binding {
        Binding {
            ethernet: self.link,
            channel: self.vif,
        }
    }
}

impl Record {
    /// Where it lives: nobody else may have it there. `None`: it is free to go anywhere.
    pub fn home(&self) -> Option<EthernetId> {
        match self.stage {
            Stage::Creating { link, .. } => Some(link),
            Stage::Away(_) | Stage::Detached => None,
            _ => self.place.map(|place| place.link),
        }
    }

    /// What the vEth had counted over all lives when the switch was asked last.
    pub fn counted(&self) -> Counters {
        self.earlier.saturating_add(&self.live)
    }

    /// It takes part in the switch, or will as soon as its IV says so.
    pub(super) fn is_coming(&self) -> bool {
        let coming = matches!(self.stage, Stage::WaitingForLists | Stage::Enabling);
        self.place.is_some() && (self.carried || coming)
    }

    /// Its IV is being told to let its frames pass or to stop them, and has not said that it does: they may come.
    pub(super) fn is_opening(&self) -> bool {
        let between = matches!(self.stage, Stage::Enabling | Stage::Disabling(_));
        self.place.is_some() && !self.carried && between
    }

    /// Its IV may be forwarding for it already, by what a switch told it before.
    pub(super) fn is_awaited(&self) -> bool {
        let on_its_way = matches!(
            self.stage,
            Stage::Absent { .. } | Stage::Creating { .. } | Stage::WaitingForLists
        );
        self.place.is_some() && !self.carried && on_its_way
    }

    pub(super) fn enter(&mut self, now: Duration, stage: Stage) {
        self.stage = stage;
        self.since = now;
    }

    /// Frames for it have nowhere to go any more.
    pub(super) fn lose_place(&mut self, now: Duration, stage: Stage) {
        self.last = self.place.take().or(self.last);
        self.carried = false;
        self.told = None;
        self.enter(now, stage);
    }

    /// Why frames do not pass, for people; `None`: as far as its IV is concerned, they do.
    pub fn why_down(&self) -> Option<String> {
        match &self.stage {
            Stage::Enabled => None,
            Stage::Absent { .. } if self.carried => None,
            Stage::Creating { .. } | Stage::WaitingForLists | Stage::Enabling if self.carried => {
                None
            }
            Stage::Creating { .. } => Some("creating: it gets its channel".into()),
            Stage::WaitingForLists => {
                Some("waiting_for_lists: the lists it is to be in are made".into())
            }
            Stage::Enabling => {
                Some("enabling: its interface virtualizer is to let frames pass".into())
            }
            Stage::Disabling(why) => Some(format!("disabling: {why}")),
            Stage::Disabled(why) => Some(format!("disabled: {why}")),
            Stage::Absent { .. } => {
                Some("absent: its interface virtualizer has not asked for it again".into())
            }
            Stage::Away(why) => Some(format!("away: {why}")),
            Stage::Detached => Some("detached: its interface virtualizer let go of it".into()),
        }
    }
}
