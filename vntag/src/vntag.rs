//! The VNTag, owned form.

/// A value that does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// What was given.
    pub value: u16,
    /// The largest value the field can hold.
    pub max: u16,
}

macro_rules! field {
    ($(#[$doc:meta])* $name:ident, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u16);

        impl $name {
            /// No interface.
            pub const ZERO: Self = Self(0);
            /// The largest value.
            pub const MAX: Self = Self($max);

            /// The low bits of `word`; the others are not looked at.
            pub const fn truncate(word: u16) -> Self {
                Self(word & $max)
            }

            /// The value.
            pub const fn get(self) -> u16 {
                self.0
            }
        }

        impl TryFrom<u16> for $name {
            type Error = OutOfRange;

            fn try_from(value: u16) -> Result<Self, OutOfRange> {
                if value <= $max { Ok(Self(value)) } else { Err(OutOfRange { value, max: $max }) }
            }
        }
    };
}

field!(
    /// `svif_id`: 12 bits, 0 means none.
    Svif,
    0x0FFF
);
field!(
    /// `dvif_id`: 14 bits; a VIF when p=0, a VIF list when p=1; 0 means none.
    Dvif,
    0x3FFF
);

/// The `d` bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// d=0: from the interface virtualizer to the switch.
    ToBridge,
    /// d=1: from the switch to the interface virtualizer.
    FromBridge,
}

/// `ver`: 2 bits. Only 0 is understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Version(u8);

impl Version {
    /// The only version there is.
    pub const ZERO: Self = Self(0);

    /// The low two bits of `word`.
    pub const fn truncate(word: u8) -> Self {
        Self(word & 3)
    }

    /// The value, 0..=3.
    pub const fn get(self) -> u8 {
        self.0
    }
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
}
