//! The vNICs of an IV, and which VIF each has.

use super::event::{Vnic, VnicState};
use crate::identity::Uuid;
use niv::{Mac, VifId};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) vnic: Vnic,
    /// The id it has, or had in the last session.
    pub(crate) vif: Option<VifId>,
    /// The VIS gave that id in this session. Until then it may be another vNIC's.
    pub(crate) given: bool,
    pub(crate) state: VnicState,
    /// A VifCreate waits for its answer.
    pub(crate) asked: bool,
    /// A VifDelete waits for its answer.
    pub(crate) deleting: bool,
    /// The VIS deleted this id before the answer that gives it came.
    pub(crate) revoked: Option<VifId>,
    /// A VifCreate was refused: worth another try.
    pub(crate) refused: bool,
    /// What VifSet has to say.
    pub(crate) set: (Option<Mac>, Option<u16>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Vnics {
    records: BTreeMap<Uuid, Record>,
    by_vif: BTreeMap<VifId, Uuid>,
}

impl Vnics {
    pub(crate) fn insert(&mut self, mut vnic: Vnic) {
        // An id that another vNIC holds is not offered.
        let vif = vnic.vif.take().filter(|vif| !self.by_vif.contains_key(vif));
        let uuid = vnic.uuid;
        if let Some(vif) = vif {
            self.by_vif.insert(vif, uuid);
        }
        let record = Record {
            vnic,
            vif,
            given: false,
            state: VnicState::Waiting,
            asked: false,
            deleting: false,
            revoked: None,
            refused: false,
            set: (None, None),
        };
        self.records.insert(uuid, record);
    }

    pub(crate) fn remove(&mut self, uuid: Uuid) {
        self.unbind(uuid);
        self.records.remove(&uuid);
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn get(&self, uuid: Uuid) -> Option<&Record> {
        self.records.get(&uuid)
    }

    pub(crate) fn get_mut(&mut self, uuid: Uuid) -> Option<&mut Record> {
        self.records.get_mut(&uuid)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.records.values_mut()
    }

    pub(crate) fn holder(&self, vif: VifId) -> Option<Uuid> {
        self.by_vif.get(&vif).copied()
    }

    pub(crate) fn by_vif(&mut self, vif: VifId) -> Option<&mut Record> {
        let uuid = self.by_vif.get(&vif)?;
        self.records.get_mut(uuid)
    }

    /// Takes a vNIC's id away, and says which it was.
    pub(crate) fn unbind(&mut self, uuid: Uuid) -> Option<VifId> {
        let record = self.records.get_mut(&uuid)?;
        record.given = false;
        let vif = record.vif.take()?;
        self.by_vif.remove(&vif);
        Some(vif)
    }

    /// Gives a vNIC an id that nobody holds, as the VIS said.
    pub(crate) fn bind(&mut self, uuid: Uuid, vif: VifId) {
        self.unbind(uuid);
        if let Some(record) = self.records.get_mut(&uuid) {
            record.vif = Some(vif);
            record.given = true;
            self.by_vif.insert(vif, uuid);
        }
    }

    /// Those with an id first, so that nobody else is given it before them.
    pub(crate) fn in_order(&self) -> Vec<Uuid> {
        let (with, without): (Vec<&Record>, Vec<&Record>) = self
            .records
            .values()
            .partition(|record| record.vif.is_some());
        let all = with.into_iter().chain(without);
        all.map(|record| record.vnic.uuid).collect()
    }
}
