//! A set of VLANs: one bit each, 512 octets.

use crate::VlanId;
use core::fmt;
use core::str::FromStr;

const WORDS: usize = 64;

/// Any set of the VLANs 1 to 4094.
///
/// Written as network people write it: `1,10-19,30`, ascending, no spaces; `none` when empty.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "std::string::String", into = "std::string::String")
)]
pub struct VlanSet([u64; WORDS]);

impl VlanSet {
    /// No VLAN.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Every VLAN, 1 to 4094. 0 and 4095 are no VLANs (IEEE 802.1Q).
    pub const ALL: Self = {
        let mut words = [u64::MAX; WORDS];
        words[0] = !1;
        words[WORDS - 1] = u64::MAX >> 1;
        Self(words)
    };

    /// The VLANs `first` to `last`, both included; empty when `first` is the larger.
    pub fn range(first: VlanId, last: VlanId) -> Self {
        let mut set = Self::EMPTY;
        for vid in first.get()..=last.get() {
            set.put(vid, true);
        }
        set
    }

    /// `vlan` is in the set.
    pub fn contains(&self, vlan: VlanId) -> bool {
        self.has(vlan.get())
    }

    /// Puts `vlan` in.
    pub fn insert(&mut self, vlan: VlanId) {
        self.put(vlan.get(), true);
    }

    /// Takes `vlan` out.
    pub fn remove(&mut self, vlan: VlanId) {
        self.put(vlan.get(), false);
    }

    /// No VLAN is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// How many VLANs are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// In this set, in the other, or in both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// In both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// In this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// The VLANs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = VlanId> + '_ {
        // By word and bit: most sets hold few of the 4,094.
        (0u16..).zip(self.0).flat_map(|(at, mut word)| {
            core::iter::from_fn(move || {
                let bit = word.trailing_zeros() as u16;
                word &= word.checked_sub(1)?;
                VlanId::try_from(at * 64 + bit).ok()
            })
        })
    }

    /// The VLANs as runs of neighbours, first and last of each, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = (VlanId, VlanId)> + '_ {
        let mut vlans = self.iter().peekable();
        core::iter::from_fn(move || {
            let first = vlans.next()?;
            let mut last = first;
            while let Some(next) = vlans.next_if(|next| next.get() == last.get() + 1) {
                last = next;
            }
            Some((first, last))
        })
    }

    fn has(&self, vid: u16) -> bool {
        self.0
            .get(usize::from(vid / 64))
            .is_some_and(|word| word >> (vid % 64) & 1 == 1)
    }

    fn put(&mut self, vid: u16, value: bool) {
        if let Some(word) = self.0.get_mut(usize::from(vid / 64)) {
            let bit = 1 << (vid % 64);
            if value {
                *word |= bit;
            } else {
                *word &= !bit;
            }
        }
    }

    fn zip(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        let mut words = self.0;
        for (a, &b) in words.iter_mut().zip(&other.0) {
            *a = f(*a, b);
        }
        Self(words)
    }
}

impl Default for VlanSet {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl From<VlanId> for VlanSet {
    fn from(vlan: VlanId) -> Self {
        Self::range(vlan, vlan)
    }
}

impl FromIterator<VlanId> for VlanSet {
    fn from_iter<T: IntoIterator<Item = VlanId>>(vlans: T) -> Self {
        let mut set = Self::EMPTY;
        for vlan in vlans {
            set.insert(vlan);
        }
        set
    }
}

impl fmt::Display for VlanSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let mut separator = "";
        for (first, last) in self.ranges() {
            if first == last {
                write!(f, "{separator}{first}")?;
            } else {
                write!(f, "{separator}{first}-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for VlanSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VlanSet({self})")
    }
}

/// Text that is no list of VLANs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidVlanList {
    /// What stands at octet `at` is no number from 1 to 4094.
    NotAVlan {
        /// Octets from the start of the text.
        at: usize,
    },
    /// The range that starts at octet `at` ends before it begins.
    Backwards {
        /// Octets from the start of the text.
        at: usize,
    },
}

impl InvalidVlanList {
    /// Where in the text the fault is: octets from its start.
    pub const fn at(self) -> usize {
        match self {
            Self::NotAVlan { at } | Self::Backwards { at } => at,
        }
    }
}

impl fmt::Display for InvalidVlanList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAVlan { .. } => {
                "a list of VLANs is written 1,10-19,30, with numbers from 1 to 4094"
            }
            Self::Backwards { .. } => "the range ends before it begins",
        })
    }
}

impl core::error::Error for InvalidVlanList {}

impl FromStr for VlanSet {
    type Err = InvalidVlanList;

    /// Reads `1,10-19,30`, in any order, with overlaps; also `none` and `all`.
    fn from_str(text: &str) -> Result<Self, InvalidVlanList> {
        match text {
            "none" => return Ok(Self::EMPTY),
            "all" => return Ok(Self::ALL),
            _ => {}
        }
        let mut set = Self::EMPTY;
        let mut at = 0;
        for part in text.split(',') {
            match part.split_once('-') {
                None => set.insert(vlan(part, at)?),
                Some((first, last)) => {
                    let first_vlan = vlan(first, at)?;
                    let last_vlan = vlan(last, at + first.len() + 1)?;
                    if last_vlan < first_vlan {
                        return Err(InvalidVlanList::Backwards { at });
                    }
                    set = set.union(&Self::range(first_vlan, last_vlan));
                }
            }
            at += part.len() + 1;
        }
        Ok(set)
    }
}

fn vlan(text: &str, at: usize) -> Result<VlanId, InvalidVlanList> {
    // `u16::from_str` takes a sign; a VLAN has none.
    Some(text)
        .filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))
        .and_then(|text| text.parse::<u16>().ok())
        .and_then(|vid| vid.try_into().ok())
        .ok_or(InvalidVlanList::NotAVlan { at })
}

#[cfg(feature = "serde")]
impl TryFrom<std::string::String> for VlanSet {
    type Error = InvalidVlanList;

    fn try_from(text: std::string::String) -> Result<Self, InvalidVlanList> {
        text.parse()
    }
}

#[cfg(feature = "serde")]
impl From<VlanSet> for std::string::String {
    fn from(set: VlanSet) -> Self {
        std::format!("{set}")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::string::ToString;

    #[test]
    fn all_is_4094_vlans() {
        assert_eq!(VlanSet::ALL.len(), 4094);
        assert_eq!(VlanSet::ALL.to_string(), "1-4094");
        assert_eq!("all".parse(), Ok(VlanSet::ALL));
        assert_eq!("none".parse(), Ok(VlanSet::EMPTY));
    }

    #[test]
    fn a_fault_is_shown_where_it_stands() {
        for (text, at) in [
            ("", 0),
            ("0", 0),
            ("1,4095", 2),
            ("1,2,x", 4),
            ("10-", 3),
            ("-5", 0),
            ("1,9-3", 2),
            ("+5", 0),
            ("1, 2", 2),
            ("1-2-3", 2),
            ("65537", 0),
        ] {
            assert_eq!(
                text.parse::<VlanSet>().map_err(|e| e.at()),
                Err(at),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_tree_of_numbers(
            a in proptest::collection::btree_set(1u16..=4094, 0..200),
            b in proptest::collection::btree_set(1u16..=4094, 0..200),
        ) {
            let set = |of: &BTreeSet<u16>| -> VlanSet {
                of.iter().map(|&vid| VlanId::try_from(vid).unwrap()).collect()
            };
            let numbers = |of: &VlanSet| of.iter().map(VlanId::get).collect::<BTreeSet<u16>>();
            prop_assert_eq!(numbers(&set(&a)), a.clone());
            prop_assert_eq!(set(&a).len(), a.len());
            prop_assert_eq!(numbers(&set(&a).union(&set(&b))), &a | &b);
            prop_assert_eq!(numbers(&set(&a).intersection(&set(&b))), &a & &b);
            prop_assert_eq!(numbers(&set(&a).difference(&set(&b))), &a - &b);
            prop_assert_eq!(set(&a).to_string().parse(), Ok(set(&a)));
        }

        #[test]
        fn parsing_is_total(text in "[0-9,\\-a-z ]{0,24}") {
            if let Ok(set) = text.parse::<VlanSet>() {
                prop_assert_eq!(set.to_string().parse(), Ok(set));
            }
        }
    }
}
