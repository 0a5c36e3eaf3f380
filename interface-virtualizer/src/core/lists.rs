//! VIF lists: the sets of VIFs the switch may address with one frame (p=1).

use niv::{ListId, VifId};

/// A set of VIFs, each once and in ascending order: a frame for a list costs what its members cost, not what
/// the longest list would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VifSet(Box<[VifId]>);

impl VifSet {
    /// The members, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = VifId> + '_ {
        self.0.iter().copied()
    }

    fn remove(&mut self, vif: VifId) {
        if self.0.binary_search(&vif).is_ok() {
            self.0 = self.iter().filter(|&member| member != vif).collect();
        }
    }
}

impl FromIterator<VifId> for VifSet {
    fn from_iter<I: IntoIterator<Item = VifId>>(vifs: I) -> Self {
        let mut members: Vec<VifId> = vifs.into_iter().collect();
        members.sort_unstable();
        members.dedup();
        Self(members.into())
    }
}

/// The lists installed on this link. An id that is not installed holds nobody at all, which is not the
/// same as a list without members.
#[derive(Debug, Default)]
pub struct Lists {
    by_id: Vec<Option<VifSet>>,
}

impl Lists {
    /// Installs a list, or replaces it whole.
    pub fn set(&mut self, list: ListId, members: VifSet) {
        let index = usize::from(list.get());
        if self.by_id.len() <= index {
            self.by_id.resize_with(index + 1, || None);
        }
        if let Some(place) = self.by_id.get_mut(index) {
            *place = Some(members);
        }
    }

    /// Forgets a list.
    pub fn delete(&mut self, list: ListId) {
        if let Some(place) = self.by_id.get_mut(usize::from(list.get())) {
            *place = None;
        }
    }

    /// Forgets all lists.
    pub fn clear(&mut self) {
        self.by_id.clear();
    }

    /// Takes a VIF out of every list.
    pub fn strip(&mut self, vif: VifId) {
        let installed = self.by_id.iter_mut().flatten();
        installed.for_each(|members| members.remove(vif));
    }

    /// The members of `list`, if it is installed.
    pub fn get(&self, list: ListId) -> Option<&VifSet> {
        self.by_id.get(usize::from(list.get()))?.as_ref()
    }

    /// How many are installed.
    pub fn len(&self) -> usize {
        self.by_id.iter().flatten().count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Lists that frames came for and that are not installed, each once until they are taken.
#[derive(Debug)]
pub(super) struct UnknownLists {
    met: Box<[u64]>,
    any: bool,
}

impl UnknownLists {
    pub(super) fn new() -> Self {
        Self {
            met: vec![0; usize::from(ListId::MAX) / 64 + 1].into(),
            any: false,
        }
    }

    /// Per frame: allocates nothing.
    pub(super) fn note(&mut self, list: ListId) {
        if let Some(bits) = self.met.get_mut(usize::from(list.get() / 64)) {
            *bits |= 1 << (list.get() % 64);
            self.any = true;
        }
    }

    pub(super) const fn any(&self) -> bool {
        self.any
    }

    pub(super) fn take(&mut self) -> Vec<ListId> {
        self.any = false;
        let mut lists = Vec::new();
        for (word, bits) in (0u16..).zip(&mut self.met) {
            let met = core::mem::take(bits);
            let numbers = (0..64).filter(|bit| met >> bit & 1 == 1);
            lists.extend(numbers.filter_map(|bit| ListId::try_from(word * 64 + bit).ok()));
        }
        lists
    }
}
