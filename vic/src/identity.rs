//! Who somebody is: UUIDs of vNICs and owners, identities of boxes, nonces of sessions.

use core::fmt;
use core::str::FromStr;
use thiserror::Error;

/// A UUID, of a vNIC or of its owner; also the identity of an IV or VIS (its machine id).
///
/// ```
/// use vic::Uuid;
///
/// let uuid: Uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse()?;
/// assert_eq!(uuid.to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
/// # Ok::<(), vic::InvalidUuid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

/// Text that is no UUID.
///
/// ```
/// use vic::{InvalidUuid, Uuid};
///
/// assert_eq!("67e55044".parse::<Uuid>(), Err(InvalidUuid));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a UUID is 32 hexadecimal digits, such as 67e55044-10b1-426f-9247-bb680e5fe0c8")]
pub struct InvalidUuid;

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = InvalidUuid;

    /// Reads the usual spelling, and the one of `/etc/machine-id` without hyphens.
    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        let hyphens = text.match_indices('-').map(|(at, _)| at);
        if !(text.len() == 32 || text.len() == 36 && hyphens.eq([8, 13, 18, 23])) {
            return Err(InvalidUuid);
        }
        let mut octets = [0; 16];
        let mut digits = text.chars().filter(|&c| c != '-');
        for octet in &mut octets {
            for _ in 0..2 {
                let digit = digits.next().and_then(|c| c.to_digit(16));
                *octet = *octet << 4 | digit.ok_or(InvalidUuid)? as u8;
            }
        }
        match digits.next() {
            None => Ok(Self(octets)),
            Some(_) => Err(InvalidUuid),
        }
    }
}

/// A random number of 64 bits that makes one end's session unlike all its others. 0 is none.
///
/// ```
/// use vic::Nonce;
///
/// assert_eq!(Nonce::NONE.to_string(), "0000000000000000");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(pub u64);

impl Nonce {
    /// In place of the VIS's nonce, in Open only.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_hyphens_in_four_places_or_nowhere() {
        let uuid: Uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap();
        assert_eq!("67e5504410b1426f9247bb680e5fe0c8".parse(), Ok(uuid));
        for text in [
            "",
            "67e5504410b1426f9247bb680e5fe0c",
            "67e5504410b1426f9247bb680e5fe0cg",
            "67e550441-0b1-426f-9247-bb680e5fe0c8",
            "67e55044-10b1-426f-9247-bb680e5fe0-8",
            "----67e5504410b1426f9247bb680e5fe0c8",
        ] {
            assert_eq!(text.parse::<Uuid>(), Err(InvalidUuid), "{text}");
        }
    }
}
