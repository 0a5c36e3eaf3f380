//! What a rule asks, octet by octet: the form that tables are filled from.
//!
//! Of each octet of a [`Key`] a rule asks for one of a set of values, and of each port for one of a few ranges; it matches
//! when every octet and port is what it asks for. That a permit needs proof and a deny only doubt is an octet too: the
//! one of the flags says also that the header behind IP is not known.

use super::pattern::Pattern;
use super::rule::{Action, Flags, IpRule, MacRule, Ports, Upper, protocol};
use super::view::{Packet, Transport, View};

/// Bit of the class octet: a later fragment. Below it stands the code point.
const LATER_FRAGMENT: u8 = 0x40;
/// Value of the flags octet: what stands behind IP is not known.
const UNKNOWN: u8 = 0x80;
/// Bits of the flags octet that are flags.
const FLAGS: u8 = super::rule::flag::ALL;

/// What is looked up of a frame: `N` octets to an address, and `R` others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<const N: usize, const R: usize> {
    pub(super) source: [u8; N],
    pub(super) destination: [u8; N],
    pub(super) rest: [u8; R],
    /// Of ICMP code and type. `None`: it has none, or they are not known.
    pub(super) ports: Option<[u16; 2]>,
}

/// Of an IP packet the rest is protocol, class and flags.
pub(super) type IpKey<const N: usize> = Key<N, 3>;
/// Of a frame the rest is the EtherType.
pub(super) type MacKey = Key<6, 2>;

impl<const N: usize> IpKey<N> {
    #[inline]
    pub(super) fn of(packet: &Packet<N>) -> Self {
        let (flags, ports) = match packet.transport {
            Transport::Other => (0, None),
            Transport::Unknown => (UNKNOWN, None),
            Transport::Tcp {
                source,
                destination,
                flags,
            } => (flags & FLAGS, Some([source, destination])),
            Transport::Ports {
                source,
                destination,
            } => (0, Some([source, destination])),
            Transport::Icmp { kind, code } => (0, Some([u16::from(code), u16::from(kind)])),
        };
        let later = if packet.later_fragment {
            LATER_FRAGMENT
        } else {
            0
        };
        Self {
            source: packet.source,
            destination: packet.destination,
            rest: [packet.protocol, packet.dscp | later, flags],
            ports,
        }
    }
}

impl MacKey {
    #[inline]
    pub(super) fn of(view: &View) -> Self {
        Self {
            source: view.source.0,
            destination: view.destination.0,
            rest: view.ethertype.to_be_bytes(),
            ports: None,
        }
    }
}

/// What a rule asks of a [`Key`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<const N: usize, const R: usize> {
    pub(super) source: Pattern<N>,
    pub(super) destination: Pattern<N>,
    pub(super) rest: [OctetSet; R],
    pub(super) ports: [Ports; 2],
}

impl<const N: usize> Ask<N, 3> {
    /// `icmp` is the family's protocol number for ICMP.
    pub(super) fn of_ip(rule: &IpRule<Pattern<N>>, icmp: u8) -> Self {
        let protocol;
        let mut fragments = false;
        let mut flags = Flags::Any;
        let mut ports = [Ports::Any; 2];
        match rule.upper.simplest() {
            Upper::Any {
                protocol: number,
                fragments: only,
            } => (protocol, fragments) = (number, only),
            Upper::Tcp {
                source,
                destination,
                flags: asked,
            } => {
                protocol = Some(protocol::TCP);
                ports = [source, destination];
                flags = asked;
            }
            Upper::Udp {
                source,
                destination,
            } => (protocol, ports) = (Some(protocol::UDP), [source, destination]),
            Upper::Sctp {
                source,
                destination,
            } => (protocol, ports) = (Some(protocol::SCTP), [source, destination]),
            Upper::Icmp { kind, code } => {
                protocol = Some(icmp);
                let code = code.map_or(Ports::Any, |code| Ports::Eq(u16::from(code)));
                ports = [code, Ports::Eq(u16::from(kind))];
            }
        }
        let asks_behind = flags != Flags::Any || ports != [Ports::Any; 2];
        let doubt_suffices = rule.action == Action::Deny || !asks_behind;
        Self {
            source: rule.source,
            destination: rule.destination,
            rest: [
                OctetSet::of(|octet| protocol.is_none_or(|protocol| protocol == octet)),
                OctetSet::of(|octet| {
                    let class = rule.dscp.is_none_or(|dscp| dscp.get() == octet & 0x3F);
                    class && (!fragments || octet & LATER_FRAGMENT != 0)
                }),
                OctetSet::of(|octet| {
                    if octet == UNKNOWN {
                        doubt_suffices
                    } else {
                        flags.matches(octet)
                    }
                }),
            ],
            ports,
        }
    }
}

impl Ask<6, 2> {
    pub(super) fn of_frame(rule: &MacRule) -> Self {
        let [high, low] = [8, 0].map(|shift| {
            let asked = rule.ethertype.map(|kind| (kind >> shift) as u8);
            OctetSet::of(|octet| asked.is_none_or(|asked| asked == octet))
        });
        Self {
            source: rule.source,
            destination: rule.destination,
            rest: [high, low],
            ports: [Ports::Any; 2],
        }
    }
}

/// Values of one octet.
#[derive(Clone, Copy, Debug)]
pub(super) struct OctetSet([u64; 4]);

impl OctetSet {
    pub(super) fn of(contains: impl Fn(u8) -> bool) -> Self {
        let mut words = [0; 4];
        for octet in 0..=u8::MAX {
            if let Some(word) = words.get_mut(usize::from(octet / 64)) {
                *word |= u64::from(contains(octet)) << (octet % 64);
            }
        }
        Self(words)
    }

    pub(super) fn contains(&self, octet: u8) -> bool {
        let word = self.0.get(usize::from(octet / 64));
        word.is_some_and(|word| word >> (octet % 64) & 1 == 1)
    }
}
