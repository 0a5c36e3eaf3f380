//! What a frame says of its priority: the numbers that access lists ask for and that marking writes.

/// A number that is no CoS or no DSCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value} is no {kind}: those are 0 to {max}")]
pub struct InvalidPriority {
    kind: &'static str,
    value: u8,
    max: u8,
}

/// A priority code point, 0 to 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cos(pub(crate) u8);

/// A differentiated services code point, 0 to 63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dscp(pub(crate) u8);

impl Cos {
    /// The number, 0 to 7.
    pub const fn get(self) -> u8 {
        self.0
    }

    pub(crate) const fn truncate(value: u8) -> Self {
        Self(value & 7)
    }
}

impl Dscp {
    /// The number, 0 to 63.
    pub const fn get(self) -> u8 {
        self.0
    }

    pub(crate) const fn truncate(value: u8) -> Self {
        Self(value & 63)
    }

    /// Its class of assured forwarding and drop precedence 1 to 3 (RFC 2597 section 6).
    pub(crate) const fn assured(self) -> Option<(u8, u8)> {
        match (self.0 >> 3, self.0 & 7) {
            (class @ 1..=4, bits @ (2 | 4 | 6)) => Some((class, bits / 2)),
            _ => None,
        }
    }
}

impl TryFrom<u8> for Cos {
    type Error = InvalidPriority;

    fn try_from(value: u8) -> Result<Self, InvalidPriority> {
        match value {
            0..=7 => Ok(Self(value)),
            _ => Err(InvalidPriority {
                kind: "CoS",
                value,
                max: 7,
            }),
        }
    }
}

impl TryFrom<u8> for Dscp {
    type Error = InvalidPriority;

    fn try_from(value: u8) -> Result<Self, InvalidPriority> {
        match value {
            0..=63 => Ok(Self(value)),
            _ => Err(InvalidPriority {
                kind: "DSCP",
                value,
                max: 63,
            }),
        }
    }
}
