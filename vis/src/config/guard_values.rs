//! The values that lines of guards hold ([`super::guard`]).

use niv::{Mac, VlanId};
use policy::rate::BitRate;
use policy::security::Mode;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A number that is none of those asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value} will not do: {range}")]
pub struct NotInRange {
    value: u32,
    range: &'static str,
}

macro_rules! number {
    ($(#[$doc:meta])* $type:ident, $valid:pat, $range:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $type(u32);

        impl $type {
            /// The number itself.
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<u32> for $type {
            type Error = NotInRange;

            fn try_from(value: u32) -> Result<Self, NotInRange> {
                match value {
                    $valid => Ok(Self(value)),
                    _ => Err(NotInRange { value, range: $range }),
                }
            }
        }

        impl From<$type> for u32 {
            fn from(number: $type) -> u32 {
                number.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Frames per second of a class; 0: none.
    StormPackets,
    0..=100_000_000,
    "those are 0 to 100000000"
);
number!(
    /// Secure addresses of a port, at most.
    SecureMaximum,
    1..=1025,
    "those are 1 to 1025"
);
number!(
    /// Minutes after which a secure address is forgotten; 0: never.
    SecureAging,
    0..=1440,
    "those are 0 (never) to 1440"
);
number!(
    /// Seconds that a guard keeps a port shut.
    RecoveryInterval,
    1..=65_535,
    "those are 1 to 65535"
);

impl RecoveryInterval {
    /// When nothing is said.
    pub const DEFAULT: Self = Self(300);
}

/// Bits per second of a class: a number, which may end in `k`, `m` or `g`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StormBits(pub(super) u64);

impl StormBits {
    /// What such a text looks like.
    pub const RULE: &'static str =
        "bits per second: 1 to 1099511627776, such as 500000, 64k, 10m or 1g";
    const UNITS: [(char, u64); 3] = [('g', 1_000_000_000), ('m', 1_000_000), ('k', 1_000)];
}

impl FromStr for StormBits {
    type Err = super::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unit =
            |&(letter, _): &(char, u64)| text.ends_with([letter, letter.to_ascii_uppercase()]);
        let (digits, factor) = match Self::UNITS.iter().find(|one| unit(one)) {
            Some(&(_, factor)) => (text.get(..text.len() - 1).unwrap_or_default(), factor),
            None => (text, 1),
        };
        let is_number = digits.bytes().all(|octet| octet.is_ascii_digit());
        let number: Option<u64> = Some(digits)
            .filter(|_| is_number)
            .and_then(|one| one.parse().ok());
        number
            .and_then(|number| number.checked_mul(factor))
            .filter(|&bits| BitRate::new(bits).is_ok())
            .map(Self)
            .ok_or(super::InvalidName { rule: Self::RULE })
    }
}

impl TryFrom<String> for StormBits {
    type Error = super::InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StormBits> for String {
    fn from(bits: StormBits) -> Self {
        bits.to_string()
    }
}

impl fmt::Display for StormBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = Self::UNITS
            .iter()
            .find(|(_, unit)| self.0.is_multiple_of(*unit));
        match unit {
            Some((letter, unit)) => write!(f, "{}{letter}", self.0 / unit),
            None => self.0.fmt(f),
        }
    }
}

/// How much of a class passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StormLevel {
    /// `level pps N`
    Packets(StormPackets),
    /// `level bps N`
    Bits(StormBits),
    /// `disable`: all of it, whatever a profile says.
    Off,
}

impl fmt::Display for StormLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packets(packets) => write!(f, "level pps {packets}"),
            Self::Bits(bits) => write!(f, "level bps {bits}"),
            Self::Off => f.write_str("disable"),
        }
    }
}

/// What is done about more of a class than passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StormAction {
    /// It is dropped.
    Drop,
    /// The port is shut.
    Shutdown,
}

impl StormAction {
    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What is done about a guest that bridges two ports. It is named in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeGuard {
    /// No more.
    Alarm,
    /// The port is shut.
    Shutdown,
}

impl BridgeGuard {
    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What is done about a source address that may not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecureViolation {
    /// The frame is dropped.
    Protect,
    /// And it is told.
    Restrict,
    /// And the port is shut.
    Shutdown,
}

impl SecureViolation {
    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protect => "protect",
            Self::Restrict => "restrict",
            Self::Shutdown => "shutdown",
        }
    }

    pub(super) const fn mode(self) -> Mode {
        match self {
            Self::Protect => Mode::Protect,
            Self::Restrict => Mode::Restrict,
            Self::Shutdown => Mode::Shutdown,
        }
    }
}

/// From when the age of a secure address counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecureAgingType {
    /// From when it was learned.
    Absolute,
    /// From its last frame.
    Inactivity,
}

impl SecureAgingType {
    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Inactivity => "inactivity",
        }
    }
}

/// The address of one station: not all zero, and no group's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StationMac(pub Mac);

impl StationMac {
    /// What such a text looks like.
    pub const RULE: &'static str =
        "the address of one station, such as 0200.0000.0001 or 02:00:00:00:00:01";
}

impl FromStr for StationMac {
    type Err = super::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mac = text.parse().ok();
        mac.filter(|mac: &Mac| !mac.is_group() && !mac.is_zero())
            .map(Self)
            .ok_or(super::InvalidName { rule: Self::RULE })
    }
}

/// A secure address that is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecureMac {
    /// The address.
    pub mac: Mac,
    /// `vlan N`; `None`: that of the port's untagged frames.
    pub vlan: Option<VlanId>,
}

impl SecureMac {
    /// Both can be of one VLAN.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.mac == other.mac
            && (self.vlan == other.vlan || self.vlan.is_none() || other.vlan.is_none())
    }
}
