//! Who sends LLDPDUs: a chassis, and a port of it.

use crate::text;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use niv::Mac;
use vic::Uuid;

/// Octets of an id, at most (IEEE 802.1AB, 8.5.2.3 and 8.5.3.3).
const MOST: usize = 255;

/// A subtype and 1 to 255 octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Id {
    subtype: u8,
    octets: Box<[u8]>,
}

impl Id {
    fn new(subtype: u8, octets: &[u8]) -> Option<Self> {
        (1..=MOST).contains(&octets.len()).then(|| Self {
            subtype,
            octets: octets.into(),
        })
    }

    fn read(value: &[u8]) -> Option<Self> {
        let (&subtype, octets) = value.split_first()?;
        Self::new(subtype, octets)
    }

    fn hexadecimal(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.subtype)?;
        self.octets.iter().try_for_each(|o| write!(f, "{o:02x}"))
    }

    /// As its subtype says it is to be read; what is not as it says, in hexadecimal.
    fn show(&self, subtypes: &Subtypes, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = || match text::cleaned(&self.octets) {
            words if words.is_empty() => None,
            words => Some(words),
        };
        let shown = match self.subtype {
            s if s == subtypes.mac => <[u8; 6]>::try_from(&*self.octets)
                .ok()
                .map(|octets| Mac(octets).to_string()),
            s if s == subtypes.network => network(&self.octets),
            s if subtypes.words.contains(&s) => words(),
            _ => None,
        };
        match shown {
            Some(shown) => f.write_str(&shown),
            None => self.hexadecimal(f),
        }
    }
}

/// Which subtype means what.
struct Subtypes {
    mac: u8,
    network: u8,
    words: &'static [u8],
}

/// IEEE 802.1AB, table 8-2.
const CHASSIS: Subtypes = Subtypes {
    mac: 4,
    network: 5,
    words: &[1, 2, 3, 6, 7],
};

/// IEEE 802.1AB, table 8-3.
const PORT: Subtypes = Subtypes {
    mac: 3,
    network: 4,
    words: &[1, 2, 5, 7],
};

/// An address with IANA's number of its family in front.
fn network(octets: &[u8]) -> Option<String> {
    match octets.split_first()? {
        (1, address) => Some(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).to_string()),
        (2, address) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).to_string()),
        _ => None,
    }
}

/// Which box: the same behind all its ports.
///
/// ```
/// use lldp::ChassisId;
/// use vic::Uuid;
///
/// let id = ChassisId::identity(Uuid([7; 16]));
/// assert_eq!(id.to_string(), "07070707-0707-0707-0707-070707070707");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChassisId(Id);

impl ChassisId {
    /// The identity that VIC knows a box by, as text: subtype 7, locally assigned.
    pub fn identity(identity: Uuid) -> Self {
        Self(Id {
            subtype: 7,
            octets: identity.to_string().as_bytes().into(),
        })
    }

    /// Of the value of a TLV: the subtype and 1 to 255 octets.
    pub fn read(value: &[u8]) -> Option<Self> {
        Id::read(value).map(Self)
    }

    /// Its subtype, and its octets.
    pub fn parts(&self) -> (u8, &[u8]) {
        (self.0.subtype, &self.0.octets)
    }
}

/// Which port of a box.
///
/// ```
/// use lldp::PortName;
///
/// assert_eq!(PortName::interface("eth1").to_string(), "eth1");
/// assert_eq!(PortName::read(&[3, 2, 0, 0, 0, 0, 1]).unwrap().to_string(), "02:00:00:00:00:01");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortName(Id);

impl PortName {
    /// The name of an interface, 1 to 255 octets: subtype 5. What is too long is cut.
    pub fn interface(name: &str) -> Self {
        Self(Id {
            subtype: 5,
            octets: match text::clipped(name) {
                "" => "-".as_bytes().into(),
                name => name.as_bytes().into(),
            },
        })
    }

    /// Of the value of a TLV: the subtype and 1 to 255 octets.
    pub fn read(value: &[u8]) -> Option<Self> {
        Id::read(value).map(Self)
    }

    /// Its subtype, and its octets.
    pub fn parts(&self) -> (u8, &[u8]) {
        (self.0.subtype, &self.0.octets)
    }
}

/// A port of a box: what IEEE 802.1AB calls an MSAP identifier, and tells neighbours apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Station {
    /// The box.
    pub chassis: ChassisId,
    /// Its port.
    pub port: PortName,
}

impl fmt::Display for ChassisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(&CHASSIS, f)
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(&PORT, f)
    }
}

impl fmt::Debug for ChassisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hexadecimal(f)
    }
}

impl fmt::Debug for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hexadecimal(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_as_its_subtype_says_or_in_hexadecimal() {
        let chassis = |value: &[u8]| ChassisId::read(value).unwrap().to_string();
        assert_eq!(chassis(&[4, 2, 0, 0, 0, 0, 0x0A]), "02:00:00:00:00:0a");
        assert_eq!(chassis(&[4, 2, 0, 0]), "4:020000");
        assert_eq!(chassis(&[5, 1, 192, 0, 2, 1]), "192.0.2.1");
        assert_eq!(chassis(&[5, 1, 192]), "5:01c0");
        assert_eq!(chassis(b"\x07a\x1bb"), "a b");
        assert_eq!(chassis(&[7, 0, 0]), "7:0000");
        assert_eq!(chassis(&[0, 1]), "0:01");
        let port = PortName::read(&[
            4, 2, 0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        ]);
        assert_eq!(port.unwrap().to_string(), "2001:db8::1");
    }

    #[test]
    fn an_id_has_1_to_255_octets() {
        assert!(ChassisId::read(&[]).is_none());
        assert!(ChassisId::read(&[7]).is_none());
        assert!(ChassisId::read(&[7; 256]).is_some());
        assert!(PortName::read(&[7; 257]).is_none());
        assert_eq!(PortName::interface("").to_string(), "-");
    }
}
