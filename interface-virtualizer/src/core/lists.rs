//! VIF lists: the sets of VIFs the switch may address with one frame (p=1).

use niv::{ListId, VifId};

/// Words of a set of VIFs.
const WORDS: usize = (VifId::MAX as usize + 1) / 64;

/// A set of VIFs: a bit for each, 512 octets however many are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VifSet(Box<[u64; WORDS]>);

impl VifSet {
    /// The members, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = VifId> + '_ {
        (0u16..).zip(self.0.iter()).flat_map(|(word, &bits)| {
            let mut left = bits;
            core::iter::from_fn(move || {
                let bit = left.trailing_zeros() as u16;
                // Clears the lowest bit; none left, none to clear.
                left &= left.checked_sub(1)?;
                VifId::try_from(word * 64 + bit).ok()
            })
        })
    }

    fn place(vif: VifId) -> (usize, u64) {
        (usize::from(vif.get() / 64), 1 << (vif.get() % 64))
    }

    fn remove(&mut self, vif: VifId) {
        let (word, bit) = Self::place(vif);
        if let Some(bits) = self.0.get_mut(word) {
            *bits &= !bit;
        }
    }
}

impl FromIterator<VifId> for VifSet {
    fn from_iter<I: IntoIterator<Item = VifId>>(vifs: I) -> Self {
        let mut set = Self(Box::new([0; WORDS]));
        for vif in vifs {
            let (word, bit) = Self::place(vif);
            if let Some(bits) = set.0.get_mut(word) {
                *bits |= bit;
            }
        }
        set
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
