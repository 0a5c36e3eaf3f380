//! One line's conditions, and what happens to a frame that meets them.

use super::pattern::{Ipv4Pattern, Ipv6Pattern, MacPattern};
use crate::Dscp;

/// Which frames a list judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Family {
    /// IPv4 packets.
    Ipv4,
    /// IPv6 packets.
    Ipv6,
    /// Every frame.
    Mac,
}

impl Family {
    /// All of them, in the order in which a port's lists are asked and named.
    pub const ALL: [Self; 3] = [Self::Ipv4, Self::Ipv6, Self::Mac];

    /// The word a list of this family begins with: `ip`, `ipv6`, `mac`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ipv6",
            Self::Mac => "mac",
        }
    }
}

/// What becomes of a frame that a line matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It goes on.
    Permit,
    /// It is dropped.
    Deny,
}

/// One line that decides, in the terms of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Of an IPv4 list.
    Ipv4(IpRule<Ipv4Pattern>),
    /// Of an IPv6 list.
    Ipv6(IpRule<Ipv6Pattern>),
    /// Of a MAC list.
    Mac(MacRule),
}

impl Rule {
    /// In which lists it can stand.
    pub const fn family(&self) -> Family {
        match self {
            Self::Ipv4(_) => Family::Ipv4,
            Self::Ipv6(_) => Family::Ipv6,
            Self::Mac(_) => Family::Mac,
        }
    }

    /// What becomes of a frame it matches.
    pub const fn action(&self) -> Action {
        match self {
            Self::Ipv4(rule) => rule.action,
            Self::Ipv6(rule) => rule.action,
            Self::Mac(rule) => rule.action,
        }
    }

    /// The same with another effect.
    #[must_use]
    pub const fn with_action(mut self, action: Action) -> Self {
        match &mut self {
            Self::Ipv4(rule) => rule.action = action,
            Self::Ipv6(rule) => rule.action = action,
            Self::Mac(rule) => rule.action = action,
        }
        self
    }

    /// Whether a frame it matches is to be logged.
    pub const fn log(&self) -> bool {
        match self {
            Self::Ipv4(rule) => rule.log,
            Self::Ipv6(rule) => rule.log,
            Self::Mac(rule) => rule.log,
        }
    }
}

/// What a line asks of an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpRule<A> {
    /// What becomes of it.
    pub action: Action,
    /// From whom.
    pub source: A,
    /// To whom.
    pub destination: A,
    /// What it carries.
    pub upper: Upper,
    /// Its differentiated services code point; `None`: any.
    pub dscp: Option<Dscp>,
    /// Whether it is to be logged.
    pub log: bool,
}

/// What a line asks of a frame's own header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacRule {
    /// What becomes of it.
    pub action: Action,
    /// From whom.
    pub source: MacPattern,
    /// To whom.
    pub destination: MacPattern,
    /// The EtherType behind its VLAN tags; of an IEEE 802.3 frame its length, or what its RFC 1042 header says. `None`:
    /// any.
    pub ethertype: Option<u16>,
    /// Whether it is to be logged.
    pub log: bool,
}

/// What a line asks of the octets behind the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Upper {
    /// No more than the protocol.
    Any {
        /// An IANA protocol number; of IPv6 that of the header behind all extension headers. `None`: any.
        protocol: Option<u8>,
        /// Only fragments other than the first.
        fragments: bool,
    },
    /// TCP.
    Tcp {
        /// The source port.
        source: Ports,
        /// The destination port.
        destination: Ports,
        /// The flags.
        flags: Flags,
    },
    /// UDP.
    Udp {
        /// The source port.
        source: Ports,
        /// The destination port.
        destination: Ports,
    },
    /// SCTP.
    Sctp {
        /// The source port.
        source: Ports,
        /// The destination port.
        destination: Ports,
    },
    /// ICMP in an IPv4 list, ICMPv6 in an IPv6 list.
    Icmp {
        /// The type.
        kind: u8,
        /// The code; `None`: any.
        code: Option<u8>,
    },
}

impl Upper {
    /// Every packet, as `ip` and `ipv6` say.
    pub const ALL: Self = Self::Any {
        protocol: None,
        fragments: false,
    };

    /// The same with ports and flags that ask nothing left out: the one form in which text is read and written.
    pub fn simplest(self) -> Self {
        let protocol = match self {
            Self::Tcp {
                source: Ports::Any,
                destination: Ports::Any,
                flags: Flags::Any,
            } => protocol::TCP,
            Self::Udp {
                source: Ports::Any,
                destination: Ports::Any,
            } => protocol::UDP,
            Self::Sctp {
                source: Ports::Any,
                destination: Ports::Any,
            } => protocol::SCTP,
            other => return other,
        };
        Self::Any {
            protocol: Some(protocol),
            fragments: false,
        }
    }
}

/// IANA protocol numbers whose headers lists ask about.
pub(super) mod protocol {
    pub(in super::super) const ICMP: u8 = 1;
    pub(in super::super) const TCP: u8 = 6;
    pub(in super::super) const UDP: u8 = 17;
    pub(in super::super) const ICMPV6: u8 = 58;
    pub(in super::super) const SCTP: u8 = 132;
}

/// What a line asks of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ports {
    /// Nothing.
    Any,
    /// This one.
    Eq(u16),
    /// Any but this one.
    Neq(u16),
    /// Less than this; `lt 0` is none.
    Lt(u16),
    /// Greater than this; `gt 65535` is none.
    Gt(u16),
    /// One of these.
    Range(PortRange),
}

impl Ports {
    /// Whether `port` is among them.
    pub const fn contains(self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Eq(one) => port == one,
            Self::Neq(one) => port != one,
            Self::Lt(end) => port < end,
            Self::Gt(end) => port > end,
            Self::Range(range) => range.first <= port && port <= range.last,
        }
    }
}

/// Ports from a first to a last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// `None` when `first` is greater than `last`.
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first <= last {
            Some(Self { first, last })
        } else {
            None
        }
    }

    /// The lowest port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(self) -> u16 {
        self.last
    }
}

/// Bits of the TCP flags (RFC 9293 section 3.1) that lines can name.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment field counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// All that lines can name.
    pub const ALL: u8 = 0x3F;
}

/// What a line asks of the TCP flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flags {
    /// Nothing.
    Any,
    /// ACK or RST is set: any segment but the first of a connection.
    Established,
    /// All of `set` are set, and none of `clear`. Made by [`Flags::all`].
    All {
        /// Bits of [`flag`].
        set: u8,
        /// Bits of [`flag`].
        clear: u8,
    },
}

impl Flags {
    /// Segments with all of `set` and none of `clear`; bits other than those in [`flag`] are not asked about. `None`
    /// when a flag would have to be both.
    pub const fn all(set: u8, clear: u8) -> Option<Self> {
        let (set, clear) = (set & flag::ALL, clear & flag::ALL);
        if set & clear != 0 {
            None
        } else if set | clear == 0 {
            Some(Self::Any)
        } else {
            Some(Self::All { set, clear })
        }
    }

    /// Whether a segment with these flags is meant.
    pub const fn matches(self, flags: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Established => flags & (flag::ACK | flag::RST) != 0,
            Self::All { set, clear } => flags & set == set && flags & clear == 0,
        }
    }
}
