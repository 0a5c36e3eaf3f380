//! Ids. Each is a type of its own, and none can hold a value that is not an id.

use core::fmt;
use core::num::NonZeroU16;
use vntag::{Dvif, Svif};

/// A number that is not an id of the kind asked for.
///
/// ```
/// use niv::VifId;
///
/// let refused = VifId::try_from(4096).unwrap_err();
/// assert_eq!(refused.to_string(), "4096 is not a VIF id: those are 1 to 4095");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId {
    kind: &'static str,
    value: u16,
    max: u16,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not a {}: those are 1 to {}",
            self.value, self.kind, self.max
        )
    }
}

impl core::error::Error for InvalidId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal) => {
        $(#[$doc])*
        ///
        /// ```
        #[doc = concat!("use niv::", stringify!($name), ";")]
        ///
        #[doc = concat!("assert_eq!(", stringify!($name), "::try_from(", $max, ").map(u16::from), Ok(", $max, "));")]
        #[doc = concat!("assert!(", stringify!($name), "::try_from(0).is_err());")]
        #[doc = concat!("assert!(", stringify!($name), "::try_from(", $max, " + 1).is_err());")]
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(try_from = "u16", into = "u16"))]
        pub struct $name(NonZeroU16);

        impl $name {
            /// The largest id.
            pub const MAX: u16 = $max;

            /// The number itself, never 0.
            ///
            /// ```
            #[doc = concat!("# use niv::", stringify!($name), ";")]
            #[doc = concat!("assert_eq!(", stringify!($name), "::try_from(7).map(", stringify!($name), "::get), Ok(7));")]
            /// ```
            pub const fn get(self) -> u16 {
                self.0.get()
            }
        }

        impl TryFrom<u16> for $name {
            type Error = InvalidId;

            fn try_from(value: u16) -> Result<Self, InvalidId> {
                match NonZeroU16::new(value) {
                    Some(id) if value <= $max => Ok(Self(id)),
                    _ => Err(InvalidId { kind: $kind, value, max: $max }),
                }
            }
        }

        impl From<$name> for u16 {
            fn from(id: $name) -> u16 {
                id.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.get().fmt(f)
            }
        }
    };
}

id!(
    /// Names a vNIC on one link: 1..=4095 (design.md section 2).
    VifId,
    "VIF id",
    4095
);
id!(
    /// Names a set of VIFs on one link: 1..=16383, a number space of its own.
    ListId,
    "VIF list id",
    16383
);
id!(
    /// A VLAN that frames can be in: 1..=4094 (IEEE 802.1Q, 4095 and 0 are reserved).
    VlanId,
    "VLAN",
    4094
);

impl VlanId {
    /// VLAN 1, which always exists and is what a port is in when nothing else is said.
    pub const DEFAULT: Self = Self(NonZeroU16::MIN);
}

impl TryFrom<Svif> for VifId {
    type Error = InvalidId;

    fn try_from(svif: Svif) -> Result<Self, InvalidId> {
        svif.get().try_into()
    }
}

impl TryFrom<Dvif> for VifId {
    type Error = InvalidId;

    fn try_from(dvif: Dvif) -> Result<Self, InvalidId> {
        dvif.get().try_into()
    }
}

impl TryFrom<Dvif> for ListId {
    type Error = InvalidId;

    fn try_from(dvif: Dvif) -> Result<Self, InvalidId> {
        dvif.get().try_into()
    }
}

impl From<VifId> for Svif {
    fn from(vif: VifId) -> Self {
        Self::truncate(vif.get())
    }
}

impl From<VifId> for Dvif {
    fn from(vif: VifId) -> Self {
        Self::truncate(vif.get())
    }
}

impl From<ListId> for Dvif {
    fn from(list: ListId) -> Self {
        Self::truncate(list.get())
    }
}

/// Which of a daemon's devices: an index, dense from 0.
///
/// ```
/// use niv::PortId;
///
/// let mtus = [1506, 9006];
/// assert_eq!(mtus.get(usize::from(PortId(1).0)), Some(&9006));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u16);

/// A bridge port's place in the switch. The generation tells a place's present holder from an
/// earlier one, so that a table entry can outlive its port without meaning another.
///
/// ```
/// use niv::Slot;
///
/// let learned = Slot { index: 3, generation: 1 };
/// assert_ne!(learned, learned.next());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Dense from 0.
    pub index: u16,
    /// Grows by one, wrapping, each time the place gets a new holder.
    pub generation: u16,
}

impl Slot {
    /// The same place, for its next holder.
    ///
    /// ```
    /// # use niv::Slot;
    /// let last = Slot { index: 3, generation: u16::MAX };
    /// assert_eq!(last.next(), Slot { index: 3, generation: 0 });
    /// ```
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            index: self.index,
            generation: self.generation.wrapping_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number, every kind of id: held when it is in range, and unchanged on the wire and back.
    #[test]
    fn an_id_holds_its_range_and_nothing_else() {
        for n in 0..=u16::MAX {
            let (vif, list, vlan) = (VifId::try_from(n), ListId::try_from(n), VlanId::try_from(n));
            assert_eq!(vif.is_ok(), (1..=4095).contains(&n), "{n}");
            assert_eq!(list.is_ok(), (1..=16383).contains(&n), "{n}");
            assert_eq!(vlan.is_ok(), (1..=4094).contains(&n), "{n}");
            assert!(
                [vif.map(u16::from), list.map(u16::from), vlan.map(u16::from)]
                    .iter()
                    .flatten()
                    .all(|&held| held == n)
            );
        }
    }

    #[test]
    fn ids_survive_the_tag_and_a_tag_field_out_of_range_is_no_id() {
        for n in 1..=VifId::MAX {
            let vif = VifId::try_from(n).unwrap();
            assert_eq!(VifId::try_from(Svif::from(vif)), Ok(vif));
            assert_eq!(VifId::try_from(Dvif::from(vif)), Ok(vif));
        }
        for n in 1..=ListId::MAX {
            let list = ListId::try_from(n).unwrap();
            assert_eq!(ListId::try_from(Dvif::from(list)), Ok(list));
        }
        assert!(VifId::try_from(Svif::ZERO).is_err());
        assert!(VifId::try_from(Dvif::truncate(4096)).is_err());
        assert!(ListId::try_from(Dvif::ZERO).is_err());
    }
}
