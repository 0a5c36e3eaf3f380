//! What an end of a NIV link says of itself: a TLV of our own.

use core::fmt;
use vic::Parameters;

/// The subtype of the TLV, under the OUI of VIC.
const SUBTYPE: u8 = 1;

/// Which end of a link a box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An interface virtualizer.
    Iv,
    /// A virtual interface switch.
    Vis,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iv => "iv",
            Self::Vis => "vis",
        })
    }
}

/// How an end knows its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPolicy {
    /// It has no key and takes whoever is there.
    Open,
    /// It has a key, and takes nobody without it.
    Key,
    /// It was told neither, and takes nobody.
    Unset,
}

/// The tags an end can carry on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialects(pub u16);

impl Dialects {
    /// VNTag, EtherType 0x8926.
    pub const VNTAG: Self = Self(1);
    /// E-TAG of IEEE 802.1BR, EtherType 0x893F.
    pub const ETAG: Self = Self(1 << 1);

    /// Whether both have one of them.
    ///
    /// ```
    /// use lldp::Dialects;
    ///
    /// assert!(Dialects(3).meets(Dialects::ETAG));
    /// assert!(!Dialects::VNTAG.meets(Dialects::ETAG));
    /// ```
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// An end of a NIV link, as it announces itself.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 3 | OUI of VIC |
/// | 3 | 1 | 1 |
/// | 4 | 1 | version of VIC |
/// | 5 | 1 | role: 0 IV, 1 VIS |
/// | 6 | 1 | key: 0 open, 1 a key is wanted, 2 every session is refused |
/// | 7 | 1 | 0 |
/// | 8 | 2 | ECP subtype of VIC's acknowledged PDUs |
/// | 10 | 2 | dialects: bit 0 VNTag, bit 1 E-TAG |
///
/// What follows is for later versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NivEnd {
    /// The version of VIC it speaks.
    pub version: u8,
    /// Which end it is.
    pub role: Role,
    /// How it knows its peer.
    pub key: KeyPolicy,
    /// The ECP subtype of its PDUs that are acknowledged.
    pub subtype: u16,
    /// The tags it can carry.
    pub dialects: Dialects,
}

impl NivEnd {
    /// An end of this version, with VNTag.
    pub const fn new(role: Role, key: KeyPolicy, parameters: &Parameters) -> Self {
        Self {
            version: vic::parameters::VERSION,
            role,
            key,
            subtype: parameters.subtype,
            dialects: Dialects::VNTAG,
        }
    }

    pub(crate) fn to_bytes(self, oui: [u8; 3]) -> [u8; 12] {
        let [a, b, c] = oui;
        let role = match self.role {
            Role::Iv => 0,
            Role::Vis => 1,
        };
        let key = match self.key {
            KeyPolicy::Open => 0,
            KeyPolicy::Key => 1,
            KeyPolicy::Unset => 2,
        };
        let [s, t] = self.subtype.to_be_bytes();
        let [d, e] = self.dialects.0.to_be_bytes();
        [a, b, c, SUBTYPE, self.version, role, key, 0, s, t, d, e]
    }

    /// Of the value of an organisation's TLV; `None`: it is another one, or says what is not known here.
    pub(crate) fn read(oui: [u8; 3], value: &[u8]) -> Option<Self> {
        let &[a, b, c, SUBTYPE, version, role, key, _, s, t, d, e] = value.first_chunk::<12>()?
        else {
            return None;
        };
        let role = match role {
            0 => Role::Iv,
            1 => Role::Vis,
            _ => return None,
        };
        let key = match key {
            0 => KeyPolicy::Open,
            1 => KeyPolicy::Key,
            2 => KeyPolicy::Unset,
            _ => return None,
        };
        ([a, b, c] == oui).then_some(Self {
            version,
            role,
            key,
            subtype: u16::from_be_bytes([s, t]),
            dialects: Dialects(u16::from_be_bytes([d, e])),
        })
    }
}
