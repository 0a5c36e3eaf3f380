//! VIF lists: the sets of VIFs the switch may address with one frame (p=1).

use niv::{ListId, VifId};

/// The lists installed on this link. An id that was never installed holds nobody at all, which is not
/// the same as a list without members.
#[derive(Debug, Default)]
pub struct Lists {
    by_id: Vec<Option<Box<[VifId]>>>,
}

impl Lists {
    /// Installs a list, or replaces it whole.
    pub fn set(&mut self, list: ListId, mut members: Vec<VifId>) {
        members.sort_unstable();
        members.dedup();
        let index = usize::from(list.get());
        if self.by_id.len() <= index {
            self.by_id.resize_with(index + 1, || None);
        }
        if let Some(place) = self.by_id.get_mut(index) {
            *place = Some(members.into_boxed_slice());
        }
    }

    /// The members of `list`, in ascending order, if it is installed.
    pub fn get(&self, list: ListId) -> Option<&[VifId]> {
        self.by_id.get(usize::from(list.get()))?.as_deref()
    }
}
