//! Port security: which source addresses a port may send from (design.md section 5.6).
//!
//! Source of the rules: ours, after common practice (`switchport port-security`). A secure address belongs to one port
//! and one filtering id. It is static (configured), dynamic (learned, ages) or sticky (learned, kept over restarts). A
//! frame violates when its source is new and the port has its maximum or somebody else uses it, or when its source is secure
//! on another port, whether or not the port it came by is secured itself.
//!
//! No port can push out another's addresses: room for every port's maximum is set aside when it is configured, and
//! refused when there is none. What one frame can cause is of constant work, in a hash table whose seed the caller
//! draws, because addresses are the attacker's choice.

mod table;

pub use table::SecureTable;

use crate::Time;
use crate::err_disable::Cause;
use niv::{Mac, VlanId};

/// The port security of one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortSecurity {
    /// Addresses it may have, of all kinds together; 1 or more, or nothing passes.
    pub maximum: u32,
    /// What is done about a violation.
    pub violation: Mode,
    /// When dynamic addresses are forgotten.
    pub ageing: Ageing,
    /// What is learned is sticky, and else dynamic.
    pub sticky: bool,
}

impl Default for PortSecurity {
    /// One dynamic address that does not age, and a port that is shut when it sees another.
    fn default() -> Self {
        Self {
            maximum: 1,
            violation: Mode::Shutdown,
            ageing: Ageing::Never,
            sticky: false,
        }
    }
}

/// What is done about a violation. The frame is dropped in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No more.
    Protect,
    /// It is told, once a second at most.
    Restrict,
    /// The port is shut ([`Cause::PortSecurity`]).
    Shutdown,
}

impl Mode {
    /// For what somebody else may have brought about.
    pub(super) const fn without_shutting(self) -> Self {
        match self {
            Self::Protect => Self::Protect,
            Self::Restrict | Self::Shutdown => Self::Restrict,
        }
    }
}

/// When dynamic addresses are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ageing {
    /// Not at all.
    Never,
    /// So many seconds after they were learned.
    Absolute(u32),
    /// So many seconds after they were last seen.
    Inactivity(u32),
}

/// How an address came to be secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Configured.
    Static = 1,
    /// Learned.
    Dynamic = 2,
    /// Learned, and kept until it is taken away.
    Sticky = 3,
}

impl Kind {
    /// The name listings use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dynamic => "dynamic",
            Self::Sticky => "sticky",
        }
    }
}

/// A secure address, as listings show it and as it is kept over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecureAddress {
    /// The filtering id.
    pub vlan: VlanId,
    /// The address.
    pub mac: Mac,
    /// How it came here.
    pub kind: Kind,
    /// When it was configured or learned.
    pub since: Time,
    /// When it was last seen, to a second.
    pub seen: Time,
}

impl SecureAddress {
    /// Words in [`SecureAddress::to_words`].
    pub const WORDS: usize = 4;

    /// The address as plain words.
    pub const fn to_words(&self) -> [u64; Self::WORDS] {
        [
            key(self.vlan, self.mac),
            self.kind as u64,
            self.since.as_nanos(),
            self.seen.as_nanos(),
        ]
    }

    /// What [`SecureAddress::to_words`] was made of; `None`: these words are nothing of the kind.
    pub fn from_words([key, kind, since, seen]: [u64; Self::WORDS]) -> Option<Self> {
        let (vlan, mac) = parts(key)?;
        let kind = match kind {
            1 => Kind::Static,
            2 => Kind::Dynamic,
            3 => Kind::Sticky,
            _ => return None,
        };
        Some(Self {
            vlan,
            mac,
            kind,
            since: Time::from_nanos(since),
            seen: Time::from_nanos(seen),
        })
    }
}

/// Another port that uses an address without its being secure there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It says that the address is its own.
    Declared(u16),
    /// The address was seen behind it lately, which whoever is there can bring about.
    Seen(u16),
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The port is not secured, and nobody else has the address.
    NotSecured,
    /// It is the port's.
    Known,
    /// It is the port's from now on.
    Learned(Kind),
    /// It is dropped.
    Violation(Violation),
}

/// A source address that may not be where it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Why.
    pub why: Why,
    /// What is done about it.
    pub mode: Mode,
    /// It is to be told: a second has passed since the last time.
    pub tell: bool,
}

/// Why an address may not be where it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The port has as many as it may have.
    Maximum,
    /// It is secure on this port.
    Elsewhere(u16),
    /// This port, on which it is not secure, uses it, or says that it is its own. Else one frame could take a neighbour's
    /// address.
    InUse(u16),
}

impl Violation {
    /// The port is to be shut for this.
    pub const fn shut(&self) -> Option<Cause> {
        match self.mode {
            Mode::Shutdown => Some(Cause::PortSecurity),
            Mode::Protect | Mode::Restrict => None,
        }
    }
}

/// What cannot be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no room for another port's maximum.
    #[error(
        "{wanted} secure addresses do not fit: {left} of the switch's {capacity} are not set aside for other \
         ports yet; lower a port's maximum"
    )]
    NoRoom {
        /// How many were asked for.
        wanted: u32,
        /// How many there are.
        left: u32,
        /// How many there are in all.
        capacity: u32,
    },
    /// The port has as many as it may have.
    #[error("the port has its maximum of {maximum} secure addresses; raise it or clear one")]
    Maximum {
        /// How many that is.
        maximum: u32,
    },
    /// The address is secure on another port.
    #[error("{mac} is a secure address of another port in VLAN {vlan}; clear it there first")]
    Elsewhere {
        /// The filtering id.
        vlan: VlanId,
        /// The address.
        mac: Mac,
        /// The port.
        port: u16,
    },
    /// The port is not secured.
    #[error("the port has no port security; turn it on first")]
    NotSecured,
}

const fn key(vlan: VlanId, mac: Mac) -> u64 {
    (vlan.get() as u64) << 48 | mac.to_u64()
}

fn parts(key: u64) -> Option<(VlanId, Mac)> {
    let [v, w, a, b, c, d, e, f] = key.to_be_bytes();
    let vlan = u16::from_be_bytes([v, w]).try_into().ok()?;
    Some((vlan, Mac([a, b, c, d, e, f])))
}
