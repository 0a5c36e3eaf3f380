//! The VIF lists of a link: made once, confirmed, used, released, rested.

use super::event::{VisError, VisEvent};
use super::{Task, VisSession};
use crate::message::Members;
use crate::refusal::Refusal;
use core::time::Duration;
use niv::{ListId, VifId};

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) members: Members,
    confirmed: bool,
    /// Nobody uses it any more; it waits for the IV's word.
    pub(super) released: bool,
}

impl VisSession {
    /// Makes a list of these members, who never change: another set is another list. Members that are on
    /// their way out are left out. [`VisEvent::ListConfirmed`] follows; until then frames go as unicast
    /// copies.
    ///
    /// # Errors
    /// [`VisError::NoListFree`]: unicast copies, and worth an alarm.
    pub fn set_list(&mut self, now: Duration, mut members: Members) -> Result<ListId, VisError> {
        self.wake(now);
        let most = self.peer().map_or(self.limits.max_lists, |p| p.max_lists);
        if self.lists.len() >= most.into() {
            return Err(VisError::NoListFree);
        }
        let list = self.list_ids.take().and_then(|id| id.try_into().ok());
        let list: ListId = list.ok_or(VisError::NoListFree)?;
        for (&vif, _) in self.vifs.iter().filter(|(_, vif)| vif.going.is_some()) {
            members.remove(vif);
        }
        let record = Record {
            members,
            confirmed: false,
            released: false,
        };
        self.lists.insert(list, record);
        if self.is_up() {
            self.work.push(Task::ListSet(list));
        }
        Ok(list)
    }

    /// Gives a list back. No snapshot and no worker uses it any more: the switch has another one or makes
    /// unicast copies, and its workers have come to rest since.
    ///
    /// # Errors
    /// [`VisError::UnknownList`].
    pub fn release_list(&mut self, _now: Duration, list: ListId) -> Result<(), VisError> {
        let record = self.lists.get_mut(&list).filter(|r| !r.released);
        record.ok_or(VisError::UnknownList(list))?.released = true;
        if self.is_up() {
            self.work.push(Task::ListDelete(list));
        }
        Ok(())
    }

    /// The lists in use, their members, and whether the IV has them.
    pub fn lists(&self) -> impl Iterator<Item = (ListId, &Members, bool)> {
        let lists = self.lists.iter().filter(|(_, record)| !record.released);
        lists.map(|(&list, record)| (list, &record.members, record.confirmed))
    }

    /// A VIF leaves every list at once. The IV strips its own when it is told that the VIF is deleted, so
    /// nothing need be set anew.
    pub(super) fn strip(&mut self, vif: VifId) {
        for record in self.lists.values_mut() {
            record.members.remove(vif);
        }
    }

    /// A session begins: whether the IV still has its lists is not known, so they are set anew and not used
    /// until that is confirmed.
    pub(super) fn queue_lists(&mut self) {
        for (&list, record) in &mut self.lists {
            if record.released {
                self.work.push(Task::ListDelete(list));
                continue;
            }
            if core::mem::take(&mut record.confirmed) {
                self.end.tell(VisEvent::ListLost(list));
            }
            self.work.push(Task::ListSet(list));
        }
        self.work.push(Task::ListDeleteRest);
    }

    pub(super) fn expire_lists(&mut self, now: Duration) {
        for (&list, record) in &mut self.lists {
            if core::mem::take(&mut record.confirmed) && !record.released {
                self.end.tell(VisEvent::ListLost(list));
            }
        }
        let released = self.lists.iter().filter(|(_, record)| record.released);
        let released: Vec<ListId> = released.map(|(&list, _)| list).collect();
        released
            .into_iter()
            .for_each(|list| self.list_forgotten(now, list));
    }

    pub(super) fn list_answered(&mut self, list: ListId, answer: Result<(), Refusal>) {
        let Some(record) = self.lists.get_mut(&list).filter(|r| !r.released) else {
            return;
        };
        match answer {
            Ok(()) if record.confirmed => {}
            Ok(()) => {
                record.confirmed = true;
                self.end.tell(VisEvent::ListConfirmed(list));
            }
            Err(why) => self.end.tell(VisEvent::ListRefused { list, why }),
        }
    }

    /// The IV holds the list no more.
    pub(super) fn list_forgotten(&mut self, now: Duration, list: ListId) {
        if self.lists.get(&list).is_some_and(|record| record.released) {
            self.lists.remove(&list);
            let at = now + self.end.config.parameters.rest;
            self.list_ids.rest(at, list.get());
        }
    }

    /// The IV met a frame for a list it does not have.
    pub(super) fn list_unknown(&mut self, list: ListId) {
        if let Some(record) = self.lists.get_mut(&list)
            && !record.released
            && core::mem::take(&mut record.confirmed)
        {
            self.end.tell(VisEvent::ListLost(list));
            self.work.push(Task::ListSet(list));
        }
    }
}
