//! The vNICs of one link, and which VIF each of them is.

use niv::VifId;
use thiserror::Error;

/// Which vNIC: an index, dense from 0 in order of attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VnicId(pub u16);

/// One vNIC as the data path knows it.
#[derive(Clone, Copy, Debug)]
pub struct Vnic {
    /// Its name on the link.
    pub vif: VifId,
    /// Frames may pass, both ways.
    pub enabled: bool,
}

/// A vNIC that cannot be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VnicError {
    /// Two vNICs on one link with the same VIF.
    #[error("VIF {0} is taken by another vNIC of this link")]
    VifTaken(VifId),
}

/// Dense, and found by VIF without a search.
#[derive(Debug)]
pub(super) struct Vnics {
    all: Vec<Vnic>,
    by_vif: Box<[Option<VnicId>]>,
}

impl Vnics {
    pub(super) fn new() -> Self {
        Self {
            all: Vec::new(),
            by_vif: vec![None; usize::from(VifId::MAX) + 1].into(),
        }
    }

    pub(super) fn add(&mut self, vif: VifId) -> Result<VnicId, VnicError> {
        // There are fewer VIFs than a u16 counts, and none is given twice.
        let id = VnicId(self.all.len() as u16);
        match self.by_vif.get_mut(usize::from(vif.get())) {
            Some(place @ None) => *place = Some(id),
            _ => return Err(VnicError::VifTaken(vif)),
        }
        self.all.push(Vnic {
            vif,
            enabled: false,
        });
        Ok(id)
    }

    pub(super) fn get(&self, id: VnicId) -> Option<&Vnic> {
        self.all.get(usize::from(id.0))
    }

    pub(super) fn get_mut(&mut self, id: VnicId) -> Option<&mut Vnic> {
        self.all.get_mut(usize::from(id.0))
    }

    /// The enabled vNIC that is `vif`.
    pub(super) fn enabled(&self, vif: VifId) -> Option<VnicId> {
        let id = (*self.by_vif.get(usize::from(vif.get()))?)?;
        self.get(id)?.enabled.then_some(id)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}
