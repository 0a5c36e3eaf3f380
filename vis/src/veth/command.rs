//! What a session is to do, and what came of it.

use crate::config::VethId;
use niv::{ListId, VifId};
use std::time::Duration;
use vic::session::vis::{Ask, VisError, VisSession};
use vic::{Members, Profile, Refusal, Uuid};

/// What the session of one link is to do. [`Command::run`] does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Let the IV have its session.
    Admit,
    /// Refuse it one.
    RefuseSession(Refusal),
    /// Give a vNIC its VIF.
    Accept {
        /// Whose question it was.
        ask: Ask,
        /// Which vNIC.
        uuid: Uuid,
        /// Its vEth.
        number: VethId,
    },
    /// Refuse it one, and take away the one it has.
    Refuse {
        /// Whose question it was.
        ask: Ask,
        /// Why.
        why: Refusal,
    },
    /// Answer a step of a move.
    Answer {
        /// Whose question it was.
        ask: Ask,
        /// Done, or why not.
        done: Result<(), Refusal>,
    },
    /// Have frames of this VIF pass.
    Enable(VifId),
    /// Have none of them pass any more.
    Disable(VifId, Refusal),
    /// Take this VIF away.
    Delete(VifId, Refusal),
    /// Say how its vEth is.
    Status {
        /// Which.
        vif: VifId,
        /// Why it is down; `None`: it is up.
        down: Option<Refusal>,
    },
    /// No worker has frames for it in its hands any more.
    Quiesced(VifId),
    /// Make a list of these members.
    SetList(Vec<VifId>),
    /// No worker uses this list any more.
    ReleaseList(ListId),
    /// Say which profiles may be asked for.
    Catalogue(Vec<Profile>),
    /// The grace is over.
    Expire,
}

/// What came of a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Of [`Command::Accept`].
    Accepted {
        /// Whose question it was.
        ask: Ask,
        /// Which vNIC.
        uuid: Uuid,
        /// Its VIF.
        vif: Result<VifId, VisError>,
    },
    /// Of [`Command::SetList`].
    ListMade {
        /// Its members.
        members: Vec<VifId>,
        /// Its id.
        list: Result<ListId, VisError>,
    },
}

impl Command {
    /// Does it.
    ///
    /// A VIF or list that the session does not know (any more) is no fault: the event that says so is on
    /// its way to the registry.
    pub fn run(self, session: &mut VisSession, now: Duration) -> Option<Report> {
        match self {
            Self::Admit => session.admit(now),
            Self::RefuseSession(why) => session.refuse_session(now, why),
            Self::Accept { ask, uuid, number } => {
                let name = format!("Vethernet{number}").parse().ok();
                let vif = session.accept(now, ask, number.get().into(), name);
                return Some(Report::Accepted { ask, uuid, vif });
            }
            Self::Refuse { ask, why } => drop(session.refuse(now, ask, why)),
            Self::Answer { ask, done } => drop(session.answer(now, ask, done)),
            Self::Enable(vif) => drop(session.enable(now, vif)),
            Self::Disable(vif, why) => drop(session.disable(now, vif, why)),
            Self::Delete(vif, why) => drop(session.delete(now, vif, why)),
            Self::Status { vif, down } => drop(session.status(now, vif, down.is_none(), down)),
            Self::Quiesced(vif) => drop(session.vif_quiesced(now, vif)),
            Self::SetList(members) => {
                let list = session.set_list(now, members.iter().copied().collect::<Members>());
                return Some(Report::ListMade { members, list });
            }
            Self::ReleaseList(list) => drop(session.release_list(now, list)),
            Self::Catalogue(profiles) => session.push_catalogue(now, profiles),
            Self::Expire => session.expire(now),
        }
        None
    }
}
