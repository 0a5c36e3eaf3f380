//! MAC addresses.

use core::fmt;
use core::str::FromStr;

/// A 48-bit MAC address.
///
/// ```
/// use niv::Mac;
///
/// let mac: Mac = "02:00:00:00:00:0a".parse()?;
/// assert_eq!(mac, Mac([2, 0, 0, 0, 0, 0xA]));
/// assert_eq!(mac.to_string(), "02:00:00:00:00:0a");
/// # Ok::<(), niv::InvalidMac>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "std::string::String", into = "std::string::String")
)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// ff:ff:ff:ff:ff:ff
    pub const BROADCAST: Self = Self([0xFF; 6]);

    /// The group bit: broadcast and multicast.
    ///
    /// ```
    /// # use niv::Mac;
    /// assert!(Mac([0x33, 0x33, 0, 0, 0, 1]).is_group());
    /// assert!(!Mac([2, 0, 0, 0, 0, 1]).is_group());
    /// ```
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// All zero, which is nobody's address.
    ///
    /// ```
    /// # use niv::Mac;
    /// assert!(Mac([0; 6]).is_zero());
    /// ```
    pub const fn is_zero(self) -> bool {
        self.to_u64() == 0
    }

    /// 01-80-C2-00-00-00 to 0F: a bridge never forwards these (IEEE 802.1Q clause 8.6.3).
    ///
    /// ```
    /// # use niv::Mac;
    /// assert!(Mac([0x01, 0x80, 0xC2, 0, 0, 0x03]).is_link_local());
    /// ```
    pub const fn is_link_local(self) -> bool {
        self.to_u64() & !0xF == 0x0180_C200_0000
    }

    /// The address as a number, first octet most significant.
    ///
    /// ```
    /// # use niv::Mac;
    /// assert_eq!(Mac([2, 0, 0, 0, 0, 0xA]).to_u64(), 0x0200_0000_000A);
    /// ```
    pub const fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The way switches print it: `0200.0000.000a`.
    ///
    /// ```
    /// # use niv::Mac;
    /// assert_eq!(Mac([2, 0, 0, 0, 0, 0xA]).dotted().to_string(), "0200.0000.000a");
    /// ```
    pub const fn dotted(self) -> Dotted {
        Dotted(self)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Prints a [`Mac`] as `0200.0000.000a`.
///
/// ```
/// use niv::Mac;
///
/// assert_eq!(format!("{}", Mac::BROADCAST.dotted()), "ffff.ffff.ffff");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dotted(Mac);

impl fmt::Display for Dotted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0.0;
        write!(f, "{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{g:02x}")
    }
}

/// Text that is no MAC address.
///
/// ```
/// use niv::{InvalidMac, Mac};
///
/// assert_eq!("02:00:00".parse::<Mac>(), Err(InvalidMac));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMac;

impl fmt::Display for InvalidMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a MAC address is written 02:00:00:00:00:0a, 02-00-00-00-00-0a or 0200.0000.000a",
        )
    }
}

impl core::error::Error for InvalidMac {}

impl FromStr for Mac {
    type Err = InvalidMac;

    /// Reads the three common spellings.
    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let (separator, group) = match text.len() {
            17 if text.contains(':') => (':', 2),
            17 => ('-', 2),
            14 => ('.', 4),
            _ => return Err(InvalidMac),
        };
        let mut octets = [0; 6];
        let mut nibbles = 0;
        for part in text.split(separator) {
            if part.len() != group {
                return Err(InvalidMac);
            }
            for digit in part.chars() {
                let value = digit.to_digit(16).ok_or(InvalidMac)? as u8;
                let octet = octets.get_mut(nibbles / 2).ok_or(InvalidMac)?;
                *octet = *octet << 4 | value;
                nibbles += 1;
            }
        }
        if nibbles == 12 {
            Ok(Self(octets))
        } else {
            Err(InvalidMac)
        }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<std::string::String> for Mac {
    type Error = InvalidMac;

    fn try_from(text: std::string::String) -> Result<Self, InvalidMac> {
        text.parse()
    }
}

#[cfg(feature = "serde")]
impl From<Mac> for std::string::String {
    fn from(mac: Mac) -> Self {
        std::format!("{mac}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    #[test]
    fn three_spellings_are_one_address() {
        let mac = Mac([2, 0, 0, 0, 0xAB, 0xC]);
        for text in ["02:00:00:00:ab:0c", "02-00-00-00-AB-0C", "0200.0000.ab0c"] {
            assert_eq!(text.parse(), Ok(mac));
        }
        for text in [
            "",
            "02:00:00:00:ab",
            "02:00:00:00:ab:0g",
            "0200.0000.ab0c0",
            "02:00-00:00:ab:0c",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(InvalidMac), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_survives_every_spelling(octets: [u8; 6]) {
            let mac = Mac(octets);
            for text in [mac.to_string(), mac.dotted().to_string(), mac.to_string().replace(':', "-")] {
                prop_assert_eq!(text.to_uppercase().parse(), Ok(mac));
                prop_assert_eq!(text.parse(), Ok(mac));
            }
        }

        #[test]
        fn no_text_panics(text in "[0-9a-fA-F:.é-]{0,18}") {
            if let Ok(mac) = text.parse::<Mac>() {
                prop_assert_eq!(mac.to_string().len(), 17);
            }
        }
    }

    #[test]
    fn link_local_is_sixteen_addresses() {
        for last in 0..=0xFF {
            let mac = Mac([0x01, 0x80, 0xC2, 0, 0, last]);
            assert_eq!(mac.is_link_local(), last < 0x10);
        }
    }
}
