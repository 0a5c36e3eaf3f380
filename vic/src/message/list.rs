//! Messages about VIF lists, and the map of a list's members.

use crate::message::layout::body;
use core::fmt;
use niv::{ListId, VifId};

body! {
    /// VIS to IV: this list has these members, for good. Key: the list.
    pub struct ListSet {
        /// Which.
        pub list: ListId = LIST,
        /// Who.
        pub members: Members = MEMBERS,
    }
}

body! {
    /// VIS to IV: forget the list. Key: the list.
    pub struct ListDelete {
        /// Which. Absent: all that were not set in this session.
        pub list: Option<ListId> = LIST,
    }
}

body! {
    /// IV to VIS: a frame came for a list that is not known. Key: the list.
    pub struct ListUnknown {
        /// Which.
        pub list: ListId = LIST,
    }
}

/// A set of VIFs: a bit for each of 0..=4095, that of VIF 0 always clear.
///
/// ```
/// use vic::Members;
/// use niv::VifId;
///
/// let five = VifId::try_from(5)?;
/// let members: Members = [five].into_iter().collect();
/// assert!(members.contains(five));
/// assert_eq!(members.as_bytes()[0], 0b0000_0100);
/// # Ok::<(), niv::InvalidId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Members(Box<[u8; 512]>);

impl Default for Members {
    fn default() -> Self {
        Self(Box::new([0; 512]))
    }
}

impl Members {
    /// The map as it stands in ListSet.
    pub fn as_bytes(&self) -> &[u8; 512] {
        &self.0
    }

    /// Reads a map. `None` when it says that VIF 0 is a member.
    pub fn from_bytes(octets: &[u8; 512]) -> Option<Self> {
        let [first, ..] = octets;
        (first & 0x80 == 0).then(|| Self(Box::new(*octets)))
    }

    /// Whether `vif` is a member.
    pub fn contains(&self, vif: VifId) -> bool {
        let (at, bit) = place(vif);
        self.0.get(at).is_some_and(|octet| octet & bit != 0)
    }

    /// Makes `vif` a member.
    pub fn insert(&mut self, vif: VifId) {
        let (at, bit) = place(vif);
        if let Some(octet) = self.0.get_mut(at) {
            *octet |= bit;
        }
    }

    /// Makes `vif` no member. Says whether it was one.
    pub fn remove(&mut self, vif: VifId) -> bool {
        let was = self.contains(vif);
        let (at, bit) = place(vif);
        if let Some(octet) = self.0.get_mut(at) {
            *octet &= !bit;
        }
        was
    }

    /// The members, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = VifId> + '_ {
        (1..=VifId::MAX)
            .filter_map(|number| VifId::try_from(number).ok())
            .filter(|&vif| self.contains(vif))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|octet| octet.count_ones() as usize).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn place(vif: VifId) -> (usize, u8) {
    let number = vif.get();
    (usize::from(number / 8), 0x80 >> (number % 8))
}

impl FromIterator<VifId> for Members {
    fn from_iter<I: IntoIterator<Item = VifId>>(vifs: I) -> Self {
        let mut members = Self::default();
        vifs.into_iter().for_each(|vif| members.insert(vif));
        members
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(VifId::get)).finish()
    }
}
