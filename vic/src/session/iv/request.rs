//! What the VIS asks of an IV, and what its answers mean for a vNIC.

use super::vnics::Record;
use super::{Held, IvEvent, IvSession, Phase, Task, VnicState};
use crate::identity::Uuid;
use crate::message::{
    ListSet, MessageError, Profile, ProfileCatalogue, Request, VifCreateAnswer, VifDelete,
};
use crate::refusal::{Code, Refusal};
use crate::timers::CREATE_AGAIN;
use core::time::Duration;
use niv::{ListId, VifId};
use std::collections::BTreeMap;

/// Parts and profiles of a catalogue, at most.
const MOST_PARTS: u16 = 2048;
const MOST_PROFILES: usize = 4096;

impl IvSession {
    /// Executes a request and answers it.
    pub(super) fn request(
        &mut self,
        transaction: u32,
        kind: u8,
        request: Result<Request, MessageError>,
    ) {
        let done = match request {
            Ok(request) => self.execute(request),
            Err(error) => Err(error.into()),
        };
        if let Phase::Up(conversation) = &mut self.phase {
            conversation.settle(transaction, kind, done);
        }
    }

    fn execute(&mut self, request: Request) -> Result<(), Refusal> {
        match request {
            Request::VifEnable(enable) => {
                let vif = enable.vif;
                if self.by_hand.contains(&vif) {
                    return Err(bound_by_hand(vif));
                }
                if let Some(record) = self.settled(vif)? {
                    let uuid = record.vnic.uuid;
                    record.state = VnicState::Enabled;
                    self.end.tell(IvEvent::Enabled { uuid, vif });
                }
            }
            Request::VifDisable(disable) => {
                let vif = disable.vif;
                if let Some(record) = self.settled(vif)? {
                    let why = refusal(disable.code, disable.sentence);
                    let uuid = record.vnic.uuid;
                    record.state = VnicState::Down(why.clone());
                    let vif = Some(vif);
                    self.end.tell(IvEvent::Down { uuid, vif, why });
                }
            }
            Request::VifStatus(status) => {
                let vif = status.vif;
                if let Some(record) = self.settled(vif)? {
                    let uuid = record.vnic.uuid;
                    let why = status.code.map(|code| refusal(code, status.sentence));
                    let up = status.up;
                    self.end.tell(IvEvent::Status { uuid, up, why });
                }
            }
            Request::VifDelete(delete) => self.deleted(delete)?,
            Request::ListSet(set) => self.list_set(set)?,
            Request::ListDelete(delete) => self.list_deleted(delete.list),
            Request::ProfileCatalogue(part) => {
                if let Some(profiles) = self.catalogue.take(part)? {
                    self.end.tell(IvEvent::Catalogue(profiles));
                }
            }
            other => {
                let sentence = format!("a VIS does not ask an IV for {:?}", other.kind());
                return Err(Refusal::new(Code::UNSUPPORTED, sentence));
            }
        }
        Ok(())
    }

    /// Whose this VIF is; `None`: of one on its way out, which is past caring. An id that was not given in this session
    /// is one of an earlier session, and may be another's by now.
    fn settled(&mut self, vif: VifId) -> Result<Option<&mut Record>, Refusal> {
        let record = self.vnics.by_vif(vif).ok_or_else(|| unknown_vif(vif))?;
        match record.state {
            _ if !record.given => Err(unknown_vif(vif)),
            VnicState::Detaching => Ok(None),
            _ => Ok(Some(record)),
        }
    }

    fn deleted(&mut self, delete: VifDelete) -> Result<(), Refusal> {
        let (Some(vif), Some(uuid)) = (delete.vif, delete.uuid) else {
            let error = MessageError::Missing(if delete.vif.is_none() { "vif" } else { "uuid" });
            return Err(error.into());
        };
        let had_it = self.vnics.holder(vif) == Some(uuid);
        if had_it {
            self.vnics.unbind(uuid);
            let why = refusal(delete.code, delete.sentence);
            if let Some(record) = self.vnics.get_mut(uuid) {
                if record.asked {
                    // It may be the very id that the answer will give.
                    record.revoked = Some(vif);
                }
                if record.state != VnicState::Detaching {
                    record.state = match record.asked {
                        true => VnicState::Creating,
                        false => VnicState::Down(why.clone()),
                    };
                    let vif = None;
                    self.end.tell(IvEvent::Down { uuid, vif, why });
                }
            }
        } else if let Some(record) = self.vnics.get_mut(uuid).filter(|record| record.asked) {
            record.revoked = Some(vif);
        }
        for held in self.lists.values_mut() {
            held.members.remove(vif);
        }
        self.counters.remove(&vif);
        if self.vnics.holder(vif).is_none() {
            self.end.tell(IvEvent::VifForgotten(vif));
        }
        if had_it {
            // Both ends may have had the same thought.
            self.gone_without_id(uuid);
        }
        Ok(())
    }

    fn list_set(&mut self, set: ListSet) -> Result<(), Refusal> {
        let room = self.lists.len() < self.limits.max_lists.into();
        match self.lists.get_mut(&set.list) {
            Some(held) if held.members == set.members => {
                held.current = true;
                return Ok(());
            }
            Some(held) if held.current => {
                let sentence = format!(
                    "list {} has other members, and lists never change",
                    set.list
                );
                return Err(Refusal::new(Code::LIST_EXISTS, sentence));
            }
            None if !room => {
                let sentence = format!("the IV holds {} lists and no more", self.limits.max_lists);
                return Err(Refusal::new(Code::NO_LIST_FREE, sentence));
            }
            Some(_) | None => {}
        }
        let held = Held {
            members: set.members.clone(),
            current: true,
        };
        self.lists.insert(set.list, held);
        let ListSet { list, members } = set;
        self.end.tell(IvEvent::ListSet { list, members });
        Ok(())
    }

    fn list_deleted(&mut self, list: Option<ListId>) {
        let gone: Vec<ListId> = match list {
            Some(list) => vec![list],
            None => {
                let held = self.lists.iter().filter(|(_, held)| !held.current);
                held.map(|(&list, _)| list).collect()
            }
        };
        for list in gone {
            if self.lists.remove(&list).is_some() {
                self.end.tell(IvEvent::ListDeleted(list));
            }
        }
    }

    /// The VIS gave a vNIC its id.
    pub(super) fn created(&mut self, uuid: Uuid, answer: VifCreateAnswer) {
        let vif = answer.vif;
        let Some(record) = self.vnics.get_mut(uuid) else {
            return;
        };
        record.asked = false;
        record.refused = false;
        if record.revoked.take() == Some(vif) {
            // Given, and taken away before the answer was here.
            if record.state == VnicState::Detaching {
                return self.detached(uuid);
            }
            let why = Refusal::new(Code::SUPERSEDED, "the VIS deleted the VIF again at once");
            record.state = VnicState::Down(why.clone());
            let was = self.vnics.unbind(uuid);
            let vif = None;
            self.end.tell(IvEvent::Down { uuid, vif, why });
            if let Some(was) = was {
                self.end.tell(IvEvent::VifForgotten(was));
            }
            return;
        }
        let detaching = record.state == VnicState::Detaching;
        let was = record.vif.filter(|&was| was != vif);
        if !detaching && (record.vif != Some(vif) || record.state != VnicState::Enabled) {
            record.state = VnicState::Created;
        }
        if record.set != (None, None) {
            self.work.push(Task::Set(uuid));
        }
        if let Some(other) = self.vnics.holder(vif).filter(|&other| other != uuid) {
            self.dispossess(other);
        }
        self.vnics.bind(uuid, vif);
        if detaching {
            self.work.push(Task::Delete(uuid));
            return;
        }
        if self.by_hand.contains(&vif) {
            let why = bound_by_hand(vif);
            if let Some(record) = self.vnics.get_mut(uuid) {
                record.state = VnicState::Down(why.clone());
            }
            let vif = None;
            return self.end.tell(IvEvent::Down { uuid, vif, why });
        }
        self.end.tell(IvEvent::Created {
            uuid,
            vif,
            was,
            veth: answer.veth,
            veth_name: answer.veth_name,
        });
    }

    /// A vNIC's id from an earlier session is another's now.
    fn dispossess(&mut self, uuid: Uuid) {
        self.vnics.unbind(uuid);
        let why = Refusal::new(Code::SUPERSEDED, "the VIS gave the id to another vNIC");
        let staying = |record: &&mut Record| record.state != VnicState::Detaching;
        if let Some(record) = self.vnics.get_mut(uuid).filter(staying) {
            record.state = VnicState::Down(why.clone());
            if !record.asked {
                self.work.push(Task::Create(uuid));
            }
        }
        let vif = None;
        self.end.tell(IvEvent::Down { uuid, vif, why });
        self.gone_without_id(uuid);
    }

    /// A vNIC has lost its id: if it detaches, and no answer of the VIS is still to come, it is gone.
    fn gone_without_id(&mut self, uuid: Uuid) {
        let waits = |record: &Record| record.asked || record.deleting;
        let detaching = |record: &&Record| record.state == VnicState::Detaching;
        let record = self.vnics.get(uuid).filter(detaching);
        if record.is_some_and(|record| !waits(record)) {
            self.detached(uuid);
        }
    }

    /// The VIS refused a vNIC.
    pub(super) fn create_refused(&mut self, now: Duration, uuid: Uuid, why: Refusal) {
        let Some(record) = self.vnics.get_mut(uuid) else {
            return;
        };
        record.asked = false;
        if record.state == VnicState::Detaching {
            return self.detached(uuid);
        }
        record.refused = true;
        record.state = VnicState::Down(why.clone());
        self.ask_again_at.get_or_insert(now + CREATE_AGAIN);
        self.vnics.unbind(uuid);
        let vif = None;
        self.end.tell(IvEvent::Down { uuid, vif, why });
    }

    /// A vNIC is gone.
    pub(super) fn detached(&mut self, uuid: Uuid) {
        self.vnics.remove(uuid);
        self.end.tell(IvEvent::Detached { uuid });
    }
}

fn bound_by_hand(vif: VifId) -> Refusal {
    let sentence = format!(
        "VIF {vif} is bound by hand at the IV; bind it by hand at the switch too, or leave it out of the IV's configuration"
    );
    Refusal::new(Code::IN_USE, sentence)
}

fn unknown_vif(vif: VifId) -> Refusal {
    Refusal::new(Code::UNKNOWN_VIF, format!("no vNIC here has VIF {vif}"))
}

fn refusal(code: Code, sentence: Option<crate::text::Sentence>) -> Refusal {
    crate::message::Reason { code, sentence }.into()
}

/// A catalogue that comes in parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalogue {
    generation: u32,
    parts: BTreeMap<u16, Vec<Profile>>,
    whole: Vec<Profile>,
}

impl Catalogue {
    pub(super) fn profiles(&self) -> &[Profile] {
        &self.whole
    }

    /// A session begins: parts of an earlier one are no parts of what comes, whatever its generation. Until that is whole
    /// the old catalogue holds.
    pub(super) fn begin(&mut self) {
        self.parts.clear();
    }

    /// Takes a part. The whole, when this was the last one that was missing.
    fn take(&mut self, part: ProfileCatalogue) -> Result<Option<Vec<Profile>>, Refusal> {
        if part.generation != self.generation {
            self.parts.clear();
            self.generation = part.generation;
        }
        let many = self.parts.values().map(Vec::len).sum::<usize>() + part.profiles.len();
        if part.part.count > MOST_PARTS || many > MOST_PROFILES {
            let sentence = format!("a catalogue has at most {MOST_PROFILES} profiles");
            return Err(Refusal::new(Code::MALFORMED, sentence));
        }
        self.parts.insert(part.part.index, part.profiles);
        if self.parts.len() < part.part.count.into() {
            return Ok(None);
        }
        self.whole = core::mem::take(&mut self.parts)
            .into_values()
            .flatten()
            .collect();
        Ok(Some(self.whole.clone()))
    }
}
