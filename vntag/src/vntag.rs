//! The VNTag, owned form.

use crate::ethertype;
use crate::field::field;
use core::fmt;

field!(
    /// `svif_id`: 12 bits, 0 means none.
    Svif,
    u16,
    12
);
field!(
    /// `dvif_id`: 14 bits; a VIF when p=0, a VIF list when p=1; 0 means none.
    Dvif,
    u16,
    14
);
field!(
    /// `ver`: 2 bits. Only 0 is understood.
    Version,
    u8,
    2
);

/// The `d` bit.
///
/// ```
/// use vntag::{Direction, VnTag};
///
/// assert_eq!(VnTag::from_word(0).direction, Direction::ToBridge);
/// assert_eq!(VnTag::from_word(1 << 31).direction, Direction::FromBridge);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// d=0: from the interface virtualizer to the switch.
    ToBridge,
    /// d=1: from the switch to the interface virtualizer.
    FromBridge,
}

/// A VNTag, every field of it. Total: each of the 2^32 words is one value of this type.
///
/// ```text
///  octet  0      1      2                3      4                5
///       +------+------+-+-+-----------------+-+-+---+--------------+
///       |  0x89  0x26 |d|p|   dvif_id (14)  |l|r|ver|  svif_id (12)|
///       +-------------+-+-+-----------------+-+-+---+--------------+
///         16 bits      1 1        14         1 1  2        12
/// ```
///
/// It prints as one line, in the order of the bits:
///
/// ```
/// use vntag::VnTag;
///
/// let tag = VnTag::from_word(0x8005_8006);
/// assert_eq!(tag.to_string(), "vntag d=1 p=0 dvif=5 l=1 r=0 ver=0 svif=6");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VnTag {
    /// d
    pub direction: Direction,
    /// p: `dvif` names a VIF list rather than one VIF.
    pub pointer: bool,
    /// `dvif_id`
    pub dvif: Dvif,
    /// l: the frame goes back to the link it came from.
    pub looped: bool,
    /// r: ignored, sent as 0.
    pub reserved: bool,
    /// ver
    pub version: Version,
    /// `svif_id`
    pub svif: Svif,
}

impl VnTag {
    /// Octets on the wire, EtherType included.
    pub const LEN: usize = 6;

    /// Reads the 32 bits that follow the EtherType.
    ///
    /// ```
    /// # use vntag::VnTag;
    /// let tag = VnTag::from_word(0x0000_0005);
    /// assert_eq!((tag.dvif.get(), tag.svif.get()), (0, 5));
    /// ```
    pub const fn from_word(word: u32) -> Self {
        Self {
            direction: if word >> 31 == 0 {
                Direction::ToBridge
            } else {
                Direction::FromBridge
            },
            pointer: word >> 30 & 1 == 1,
            dvif: Dvif::truncate((word >> 16) as u16),
            looped: word >> 15 & 1 == 1,
            reserved: word >> 14 & 1 == 1,
            version: Version::truncate((word >> 12) as u8),
            svif: Svif::truncate(word as u16),
        }
    }

    /// The 32 bits that follow the EtherType.
    ///
    /// ```
    /// # use vntag::VnTag;
    /// assert_eq!(VnTag::from_word(0xC010_8005).to_word(), 0xC010_8005);
    /// ```
    pub const fn to_word(self) -> u32 {
        (match self.direction {
            Direction::ToBridge => 0,
            Direction::FromBridge => 1,
        }) << 31
            | (self.pointer as u32) << 30
            | (self.dvif.get() as u32) << 16
            | (self.looped as u32) << 15
            | (self.reserved as u32) << 14
            | (self.version.get() as u32) << 12
            | self.svif.get() as u32
    }

    /// Reads a tag as it stands on the wire; `None` when the EtherType is not 0x8926.
    ///
    /// ```
    /// # use vntag::VnTag;
    /// let tag = VnTag::from_bytes([0x89, 0x26, 0x00, 0x00, 0x00, 0x05]);
    /// assert_eq!(tag.map(|tag| tag.svif.get()), Some(5));
    /// assert_eq!(VnTag::from_bytes([0x08, 0x00, 0x45, 0x00, 0x00, 0x05]), None);
    /// ```
    pub const fn from_bytes([t, y, a, b, c, d]: [u8; Self::LEN]) -> Option<Self> {
        match u16::from_be_bytes([t, y]) {
            ethertype::VNTAG => Some(Self::from_word(u32::from_be_bytes([a, b, c, d]))),
            _ => None,
        }
    }

    /// The tag as it stands on the wire.
    ///
    /// ```
    /// # use vntag::VnTag;
    /// assert_eq!(VnTag::from_word(5).to_bytes(), [0x89, 0x26, 0, 0, 0, 5]);
    /// ```
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let [t, y] = ethertype::VNTAG.to_be_bytes();
        let [a, b, c, d] = self.to_word().to_be_bytes();
        [t, y, a, b, c, d]
    }
}

impl fmt::Display for VnTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "vntag d={} p={} dvif={} l={} r={} ver={} svif={}",
            self.to_word() >> 31,
            u8::from(self.pointer),
            self.dvif.get(),
            u8::from(self.looped),
            u8::from(self.reserved),
            self.version.get(),
            self.svif.get(),
        )
    }
}
