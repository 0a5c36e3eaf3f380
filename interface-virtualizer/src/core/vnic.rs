//! The vNICs of one link, and which VIF each of them is, if any.

use niv::VifId;
use std::collections::VecDeque;
use thiserror::Error;

/// Which vNIC: an index. That of a removed vNIC is given again, the longest unused first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VnicId(pub u16);

/// One vNIC as the data path knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vnic {
    /// Its name on the link, when it has one.
    pub vif: Option<VifId>,
    /// Frames may pass, both ways. Never without a VIF.
    pub enabled: bool,
}

/// A vNIC that cannot be attached, or not have that VIF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VnicError {
    /// Two vNICs on one link with the same VIF.
    #[error("VIF {0} is taken by another vNIC of this link")]
    VifTaken(VifId),
    /// As many as there are VIFs.
    #[error(
        "a link has room for {} vNICs, and there are as many; detach one first",
        VifId::MAX
    )]
    Full,
    /// It was removed, or never added.
    #[error("there is no such vNIC any more")]
    Gone,
}

/// So many others are removed before an id is given again, while there are fresh ones (ours).
const REST: usize = 64;

/// Dense, and found by VIF without a search.
#[derive(Debug)]
pub(super) struct Vnics {
    all: Vec<Option<Vnic>>,
    free: VecDeque<VnicId>,
    by_vif: Box<[Option<VnicId>]>,
}

impl Vnics {
    pub(super) fn new() -> Self {
        Self {
            all: Vec::new(),
            free: VecDeque::new(),
            by_vif: vec![None; usize::from(VifId::MAX) + 1].into(),
        }
    }

    pub(super) fn add(&mut self) -> Result<VnicId, VnicError> {
        let fresh = u16::try_from(self.all.len()).ok();
        let fresh = fresh.filter(|&index| index < VifId::MAX).map(VnicId);
        let rested = match fresh {
            Some(_) if self.free.len() <= REST => None,
            _ => self.free.pop_front(),
        };
        let id = rested.or(fresh).ok_or(VnicError::Full)?;
        let index = usize::from(id.0);
        if self.all.len() <= index {
            self.all.resize(index + 1, None);
        }
        if let Some(place) = self.all.get_mut(index) {
            *place = Some(Vnic {
                vif: None,
                enabled: false,
            });
        }
        Ok(id)
    }

    /// Takes the vNIC away. Its VIF, if it had one.
    pub(super) fn remove(&mut self, id: VnicId) -> Option<VifId> {
        let vif = self.unbind(id);
        let place = self.all.get_mut(usize::from(id.0));
        if place.is_some_and(|place| place.take().is_some()) {
            self.free.push_back(id);
        }
        vif
    }

    /// Gives the vNIC a VIF. With another one than it had it is not enabled.
    pub(super) fn bind(&mut self, id: VnicId, vif: VifId) -> Result<(), VnicError> {
        let had = self.get(id).ok_or(VnicError::Gone)?.vif;
        match self.by_vif.get(usize::from(vif.get())) {
            Some(None) => {}
            Some(Some(holder)) if *holder == id => return Ok(()),
            _ => return Err(VnicError::VifTaken(vif)),
        }
        if had.is_some() {
            self.unbind(id);
        }
        if let Some(place) = self.by_vif.get_mut(usize::from(vif.get())) {
            *place = Some(id);
        }
        if let Some(vnic) = self.get_mut(id) {
            vnic.vif = Some(vif);
        }
        Ok(())
    }

    /// Takes the vNIC's VIF away, and says which it was.
    pub(super) fn unbind(&mut self, id: VnicId) -> Option<VifId> {
        let vnic = self.get_mut(id)?;
        vnic.enabled = false;
        let vif = vnic.vif.take()?;
        if let Some(place) = self.by_vif.get_mut(usize::from(vif.get())) {
            *place = None;
        }
        Some(vif)
    }

    pub(super) fn enable(&mut self, id: VnicId, enabled: bool) {
        if let Some(vnic) = self.get_mut(id) {
            vnic.enabled = enabled && vnic.vif.is_some();
        }
    }

    pub(super) fn get(&self, id: VnicId) -> Option<&Vnic> {
        self.all.get(usize::from(id.0))?.as_ref()
    }

    fn get_mut(&mut self, id: VnicId) -> Option<&mut Vnic> {
        self.all.get_mut(usize::from(id.0))?.as_mut()
    }

    /// Whose VIF it is.
    pub(super) fn holder(&self, vif: VifId) -> Option<VnicId> {
        *self.by_vif.get(usize::from(vif.get()))?
    }

    /// The enabled vNIC that is `vif`.
    pub(super) fn enabled(&self, vif: VifId) -> Option<VnicId> {
        let id = self.holder(vif)?;
        self.get(id)?.enabled.then_some(id)
    }
}
