//! What an IV asks of the VIS.

use super::VisSession;
use super::event::{Ask, MoveStep, VisError, VisEvent};
use crate::identity::Uuid;
use crate::message::{Kind, MessageError, Request, VifCreate, VifDelete, VifSet};
use crate::refusal::{Code, Refusal};
use core::time::Duration;
use niv::VifId;

/// Octets of a VNTag.
const VNTAG: u32 = 6;

/// A question that the embedder is to answer.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Create { uuid: Uuid, offered: Option<VifId> },
    Other(Kind),
}

impl Asked {
    pub(super) fn uuid(&self) -> Option<Uuid> {
        match self {
            Self::Create { uuid, .. } => Some(*uuid),
            Self::Other(_) => None,
        }
    }
}

impl VisSession {
    /// Executes a request; answers it unless the embedder is to.
    pub(super) fn request(
        &mut self,
        now: Duration,
        transaction: u32,
        kind: u8,
        request: Result<Request, MessageError>,
    ) {
        let settled = match request {
            Ok(request) => self.execute(now, transaction, request),
            Err(error) => Some(Err(error.into())),
        };
        if let (Some(done), Some(conversation)) = (settled, &mut self.conversation) {
            conversation.settle(transaction, kind, done);
        }
    }

    /// `None`: the embedder answers.
    fn execute(
        &mut self,
        now: Duration,
        transaction: u32,
        request: Request,
    ) -> Option<Result<(), Refusal>> {
        match request {
            Request::VifCreate(create) => return self.create(transaction, create).err().map(Err),
            Request::VifSet(set) => return self.set(transaction, set).err().map(Err),
            Request::VifDelete(VifDelete { vif: None, .. }) => self.sweep(now),
            Request::VifDelete(VifDelete {
                vif: Some(vif),
                uuid,
                ..
            }) => {
                // An id of an earlier session may be another vNIC's by now: that is not who was detached.
                let holder = self.vifs.get(&vif).map(|record| record.uuid);
                if uuid.is_none_or(|uuid| holder == Some(uuid)) {
                    let why = Refusal::new(Code::DETACHED, "the IV detached the vNIC");
                    self.begin_going(now, vif, why);
                }
            }
            Request::ListUnknown(unknown) => self.list_unknown(unknown.list),
            Request::Counters(counters) => {
                if self.is_live(counters.vif) {
                    let (vif, counters) = (counters.vif, counters.counters);
                    self.end.tell(VisEvent::Counters { vif, counters });
                }
            }
            Request::Prepare(prepare) => {
                let step = MoveStep::Prepare(prepare.identity);
                return self.ask_move(transaction, Kind::Prepare, prepare.uuid, step);
            }
            Request::Commit(commit) => {
                return self.ask_move(transaction, Kind::Commit, commit.uuid, MoveStep::Commit);
            }
            Request::Abort(abort) => {
                return self.ask_move(transaction, Kind::Abort, abort.uuid, MoveStep::Abort);
            }
            other => {
                let sentence = format!("an IV does not ask a VIS for {:?}", other.kind());
                return Some(Err(Refusal::new(Code::UNSUPPORTED, sentence)));
            }
        }
        Some(Ok(()))
    }

    fn is_live(&self, vif: VifId) -> bool {
        let record = self.vifs.get(&vif);
        record.is_some_and(|record| record.is_live(self.session))
    }

    fn create(&mut self, transaction: u32, create: VifCreate) -> Result<(), Refusal> {
        self.check_mtu(create.mtu)?;
        let ask = self.ask(
            transaction,
            Asked::Create {
                uuid: create.uuid,
                offered: create.vif,
            },
        );
        let bound = self.by_uuid.get(&create.uuid).copied();
        self.end.tell(VisEvent::Create { ask, create, bound });
        Ok(())
    }

    /// design.md 5.8; VLAN tags of guests are for the embedder to think of, who knows the profile.
    fn check_mtu(&self, vnic: u16) -> Result<(), Refusal> {
        let link = self.peer().map_or(0, |peer| peer.mtu);
        if u32::from(vnic) + VNTAG <= link.into() {
            return Ok(());
        }
        let sentence = format!(
            "the vNIC's MTU is {vnic}, and the link's of {link} carries {} at most",
            u32::from(link).saturating_sub(VNTAG)
        );
        Err(Refusal::new(Code::MTU, sentence))
    }

    fn set(&mut self, transaction: u32, set: VifSet) -> Result<(), Refusal> {
        let VifSet { vif, mac, mtu } = set;
        if !self.is_live(vif) {
            let sentence = format!("VIF {vif} is not in use on this link");
            return Err(Refusal::new(Code::UNKNOWN_VIF, sentence));
        }
        mtu.map_or(Ok(()), |mtu| self.check_mtu(mtu))?;
        let ask = self.ask(transaction, Asked::Other(Kind::VifSet));
        self.end.tell(VisEvent::Set { ask, vif, mac, mtu });
        Ok(())
    }

    fn ask_move(
        &mut self,
        transaction: u32,
        kind: Kind,
        uuid: Uuid,
        step: MoveStep,
    ) -> Option<Result<(), Refusal>> {
        let ask = self.ask(transaction, Asked::Other(kind));
        self.end.tell(VisEvent::Move { ask, uuid, step });
        None
    }

    /// At most a window of them: the IV's next one is executed when its oldest has been answered.
    fn ask(&mut self, transaction: u32, asked: Asked) -> Ask {
        self.asked.insert(transaction, asked);
        Ask {
            session: self.session,
            transaction,
        }
    }

    pub(super) fn asked_for(&self, ask: Ask) -> Result<&Asked, VisError> {
        let asked = self.asked.get(&ask.transaction);
        asked
            .filter(|_| ask.session == self.session && self.is_up())
            .ok_or(VisError::NotAsked)
    }

    /// Answers a [`VisEvent::Move`] or [`VisEvent::Set`].
    ///
    /// # Errors
    /// [`VisError::NotAsked`].
    pub fn answer(
        &mut self,
        _now: Duration,
        ask: Ask,
        done: Result<(), Refusal>,
    ) -> Result<(), VisError> {
        let Asked::Other(kind) = *self.asked_for(ask)? else {
            return Err(VisError::NotAsked);
        };
        self.asked.remove(&ask.transaction);
        if let Some(conversation) = &mut self.conversation {
            conversation.settle(ask.transaction, kind as u8, done);
        }
        Ok(())
    }
}
