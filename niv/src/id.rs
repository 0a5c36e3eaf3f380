//! Ids. Each is a type of its own, and none can hold a value that is not an id.

use core::fmt;
use core::num::NonZeroU16;
use vntag::{Dvif, Svif};

/// A number that is not an id of the kind asked for.
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
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(try_from = "u16", into = "u16"))]
        pub struct $name(NonZeroU16);

        impl $name {
            /// The largest id.
            pub const MAX: u16 = $max;

            /// The number itself, never 0.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u16);

/// A bridge port's place in the switch. The generation tells a place's present holder from an
/// earlier one, so that a table entry can outlive its port without meaning another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Dense from 0.
    pub index: u16,
    /// Grows by one, wrapping, each time the place gets a new holder.
    pub generation: u16,
}
