//! What lists ask of a frame, read from it once.

use super::rule::protocol;
use crate::llc;
use niv::{Mac, Rewrite};
use vntag::{MAX_VLAN_TAGS, ethertype};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
/// IPv6 extension headers in one packet, at most (ours; RFC 8200 section 4.1 orders at most 8).
const MAX_EXTENSIONS: usize = 8;

/// A frame, as a list is asked about it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// To whom.
    pub destination: Mac,
    /// From whom.
    pub source: Mac,
    /// The frame, with whatever its link put before its EtherType.
    pub bytes: &'a [u8],
    /// Where in `bytes` its EtherType stands.
    pub ethertype_at: usize,
}

/// What lists ask of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// To whom.
    pub destination: Mac,
    /// From whom.
    pub source: Mac,
    /// The EtherType behind all VLAN tags; of an IEEE 802.3 frame its length, or what its RFC 1042 header says; 0 of a
    /// frame that ends before it.
    pub ethertype: u16,
    /// The packet inside.
    pub network: Network,
}

/// The packet inside a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// None that IP lists judge.
    Other,
    /// IPv4.
    Ipv4(Packet<4>),
    /// IPv6.
    Ipv6(Packet<16>),
    /// IPv4 that cannot be.
    BadIpv4(Unreadable),
    /// IPv6 that cannot be.
    BadIpv6(Unreadable),
    /// What it is cannot be told: every list denies it.
    Hidden(Unreadable),
}

/// An IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<const N: usize> {
    /// From whom.
    pub source: [u8; N],
    /// To whom.
    pub destination: [u8; N],
    /// The protocol number; of IPv6 that of the header behind all extension headers.
    pub protocol: u8,
    /// Differentiated services code point, 0..=63.
    pub dscp: u8,
    /// A fragment other than the first.
    pub later_fragment: bool,
    /// What stands behind the IP header.
    pub transport: Transport,
}

/// What stands behind an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A header that lists ask nothing of.
    Other,
    /// None, or not all of it: a later fragment, or one that is too short.
    Unknown,
    /// TCP, its flags with all eight bits.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// As in [`flag`](super::flag).
        flags: u8,
    },
    /// UDP or SCTP.
    Ports {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// ICMP in IPv4, ICMPv6 in IPv6.
    Icmp {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
    },
}

/// Why a packet cannot be judged by what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// The frame ends before its packet does, or within its headers.
    Truncated,
    /// The IP header says another version than the EtherType does.
    Version,
    /// A header says it is shorter than it can be.
    HeaderLength,
    /// A fragment that would overwrite the flags of the first one, or end behind octet 65,535.
    Fragment,
    /// More IPv6 extension headers than are looked behind, or one where it cannot be, or in the part of a packet that is
    /// in fragments.
    Extensions,
    /// More VLAN tags than are looked behind.
    TooManyTags,
}

impl Unreadable {
    /// In words that follow "the packet cannot be read:".
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Truncated => "the frame ends too early",
            Self::Version => "its IP version is not what its EtherType says",
            Self::HeaderLength => "a header is shorter than it can be",
            Self::Fragment => "a fragment that would overwrite headers or end behind octet 65,535",
            Self::Extensions => "its IPv6 extension headers are too many or out of place",
            Self::TooManyTags => "it has too many VLAN tags",
        }
    }
}

impl View {
    /// Reads what lists ask of a frame.
    #[inline]
    pub fn of(subject: &Subject<'_>) -> Self {
        let (ethertype, payload) = behind_tags(subject.bytes, subject.ethertype_at);
        let network = match (ethertype, payload) {
            (_, Err(why)) => Network::Hidden(why),
            (IPV4, Ok(payload)) => match ipv4(payload) {
                Ok(packet) => Network::Ipv4(packet),
                Err(why) => Network::BadIpv4(why),
            },
            (IPV6, Ok(payload)) => match ipv6(payload) {
                Ok(packet) => Network::Ipv6(packet),
                Err(why) => Network::BadIpv6(why),
            },
            _ => Network::Other,
        };
        Self {
            destination: subject.destination,
            source: subject.source,
            ethertype,
            network,
        }
    }

    /// As the frame is with `rewrite` written: what lists for the way out are asked about.
    ///
    /// ```
    /// use policy::acl::{Network, Subject, View};
    ///
    /// let mut bytes = [0; 34];
    /// bytes[12..18].copy_from_slice(&[0x08, 0x00, 0x45, 0, 0, 20]);
    /// let destination = niv::Mac::BROADCAST;
    /// let view = View::of(&Subject { destination, source: destination, bytes: &bytes, ethertype_at: 12 });
    /// let ef = niv::Rewrite { at: 14, start: [0x45, 46 << 2], checksum: None };
    /// assert!(matches!(view.rewritten(ef).network, Network::Ipv4(packet) if packet.dscp == 46));
    /// ```
    #[must_use]
    pub const fn rewritten(mut self, rewrite: Rewrite) -> Self {
        let [first, second] = rewrite.start;
        match &mut self.network {
            Network::Ipv4(packet) => packet.dscp = dscp_of_ipv4(second),
            Network::Ipv6(packet) => packet.dscp = dscp_of_ipv6(first, second),
            Network::Other | Network::BadIpv4(_) | Network::BadIpv6(_) | Network::Hidden(_) => {}
        }
        self
    }
}

/// Where an IPv4 header has it: its second octet.
#[inline]
const fn dscp_of_ipv4(second: u8) -> u8 {
    second >> 2
}

/// Where an IPv6 header has it: its first two octets.
#[inline]
const fn dscp_of_ipv6(first: u8, second: u8) -> u8 {
    (first << 2 | second >> 6) & 0x3F
}

/// The EtherType that counts, and what is behind it.
#[inline]
fn behind_tags(bytes: &[u8], at: usize) -> (u16, Result<&[u8], Unreadable>) {
    let mut rest = bytes.get(at..).unwrap_or_default();
    for _ in 0..=MAX_VLAN_TAGS {
        let Some((kind, behind)) = rest.split_first_chunk() else {
            return (0, Err(Unreadable::Truncated));
        };
        match u16::from_be_bytes(*kind) {
            ethertype::VLAN | ethertype::SERVICE_VLAN => match behind.split_first_chunk::<2>() {
                Some((_, behind)) => rest = behind,
                None => return (0, Err(Unreadable::Truncated)),
            },
            length if length < llc::FIRST_ETHERTYPE => return behind_llc(length, behind),
            kind => return (kind, Ok(behind)),
        }
    }
    (ethertype::VLAN, Err(Unreadable::TooManyTags))
}

/// Of a frame that says its length in place of an EtherType.
#[cold]
fn behind_llc(length: u16, behind: &[u8]) -> (u16, Result<&[u8], Unreadable>) {
    let inner = llc::ethertype(behind).zip(behind.get(llc::SNAP_LEN..));
    let (kind, inner) = inner.unwrap_or((length, behind));
    (kind, Ok(inner))
}

#[inline]
fn ipv4(packet: &[u8]) -> Result<Packet<4>, Unreadable> {
    let (fixed, _) = packet
        .split_first_chunk::<20>()
        .ok_or(Unreadable::Truncated)?;
    // Version and length, services, total length, identification, fragment, lifetime, protocol, sum, addresses.
    let [
        first,
        services,
        l0,
        l1,
        _,
        _,
        f0,
        f1,
        _,
        carried,
        _,
        _,
        addresses @ ..,
    ] = *fixed;
    let (source, destination) = halves(&addresses)?;
    if first >> 4 != 4 {
        return Err(Unreadable::Version);
    }
    let header = usize::from(first & 0xF) * 4;
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    if header < 20 || total < header {
        return Err(Unreadable::HeaderLength);
    }
    let payload = packet.get(header..total).ok_or(Unreadable::Truncated)?;
    let offset = u16::from_be_bytes([f0, f1]) & 0x1FFF;
    if offset != 0 {
        later_fragment(offset, payload.len() + header, carried == protocol::TCP)?;
    }
    let transport = if offset == 0 {
        transport(carried, protocol::ICMP, payload)
    } else {
        Transport::Unknown
    };
    Ok(Packet {
        source,
        destination,
        protocol: carried,
        dscp: dscp_of_ipv4(services),
        later_fragment: offset != 0,
        transport,
    })
}

/// Source and destination, one behind the other.
#[inline]
fn halves<const N: usize>(addresses: &[u8]) -> Result<([u8; N], [u8; N]), Unreadable> {
    let source = addresses.first_chunk().ok_or(Unreadable::Truncated)?;
    let destination = addresses.last_chunk().ok_or(Unreadable::Truncated)?;
    Ok((*source, *destination))
}

/// Whether a fragment of `length` octets may stand at `offset`, in units of 8 octets.
fn later_fragment(offset: u16, length: usize, may_overwrite: bool) -> Result<(), Unreadable> {
    let end = usize::from(offset) * 8 + length;
    if (offset == 1 && may_overwrite) || end > usize::from(u16::MAX) {
        Err(Unreadable::Fragment)
    } else {
        Ok(())
    }
}

#[inline]
fn ipv6(packet: &[u8]) -> Result<Packet<16>, Unreadable> {
    let (fixed, _) = packet
        .split_first_chunk::<40>()
        .ok_or(Unreadable::Truncated)?;
    let [v0, v1, _, _, l0, l1, next, _, addresses @ ..] = fixed;
    if v0 >> 4 != 6 {
        return Err(Unreadable::Version);
    }
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    let payload = packet.get(40..40 + length).ok_or(Unreadable::Truncated)?;
    let (source, destination) = halves(addresses)?;
    let behind = behind_extensions(*next, payload)?;
    let transport = if behind.later_fragment {
        Transport::Unknown
    } else {
        transport(behind.protocol, protocol::ICMPV6, behind.payload)
    };
    Ok(Packet {
        source,
        destination,
        protocol: behind.protocol,
        dscp: dscp_of_ipv6(*v0, *v1),
        later_fragment: behind.later_fragment,
        transport,
    })
}

struct Behind<'a> {
    protocol: u8,
    later_fragment: bool,
    payload: &'a [u8],
}

/// IANA numbers of IPv6 extension headers (RFC 8200 section 4, RFC 4302, RFC 6275, RFC 7401, RFC 5533).
mod extension {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const MOBILITY: u8 = 135;
    pub(super) const HOST_IDENTITY: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
}

/// Whether `next` stands for an extension header.
#[inline]
pub(super) const fn is_extension(next: u8) -> bool {
    matches!(
        next,
        extension::HOP_BY_HOP
            | extension::ROUTING
            | extension::FRAGMENT
            | extension::AUTHENTICATION
            | extension::DESTINATION
            | extension::MOBILITY
            | extension::HOST_IDENTITY
            | extension::SHIM6
    )
}

#[inline]
fn behind_extensions(next: u8, payload: &[u8]) -> Result<Behind<'_>, Unreadable> {
    if is_extension(next) {
        chain(next, payload)
    } else {
        Ok(Behind {
            protocol: next,
            later_fragment: false,
            payload,
        })
    }
}

/// Follows the extension headers. The whole chain has to be in the first fragment (RFC 7112).
fn chain(first: u8, whole: &[u8]) -> Result<Behind<'_>, Unreadable> {
    let mut next = first;
    let mut payload = whole;
    let mut fragmented = false;
    for place in 0..=MAX_EXTENSIONS {
        if !is_extension(next) {
            return Ok(Behind {
                protocol: next,
                later_fragment: false,
                payload,
            });
        }
        let [follows, length, f0, f1, ..] = *payload else {
            return Err(Unreadable::Truncated);
        };
        let octets = match next {
            extension::FRAGMENT if fragmented => return Err(Unreadable::Extensions),
            extension::FRAGMENT => 8,
            extension::AUTHENTICATION => (usize::from(length) + 2) * 4,
            extension::HOP_BY_HOP if place != 0 => return Err(Unreadable::Extensions),
            _ => (usize::from(length) + 1) * 8,
        };
        let behind = payload.get(octets..).ok_or(Unreadable::Truncated)?;
        if next == extension::FRAGMENT {
            fragmented = true;
            let field = u16::from_be_bytes([f0, f1]);
            let (offset, more) = (field >> 3, field & 1 == 1);
            // What lists ask of would stand deeper in the packet that is put together than any offset says, where another
            // fragment can overwrite it.
            if is_extension(follows) && (offset != 0 || more) {
                return Err(Unreadable::Extensions);
            }
            if offset != 0 {
                later_fragment(offset, behind.len(), true)?;
                return Ok(Behind {
                    protocol: follows,
                    later_fragment: true,
                    payload: behind,
                });
            }
        }
        payload = behind;
        next = follows;
    }
    Err(Unreadable::Extensions)
}

/// The header behind IP, if all of it is there.
#[inline]
fn transport(carried: u8, icmp: u8, payload: &[u8]) -> Transport {
    match carried {
        protocol::TCP => match *payload {
            [
                s0,
                s1,
                d0,
                d1,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                offset,
                flags,
                _,
                _,
                _,
                _,
                _,
                _,
                ..,
            ] if offset >> 4 >= 5 => Transport::Tcp {
                source: u16::from_be_bytes([s0, s1]),
                destination: u16::from_be_bytes([d0, d1]),
                flags,
            },
            _ => Transport::Unknown,
        },
        protocol::UDP => ports(payload, 8),
        protocol::SCTP => ports(payload, 12),
        _ if carried == icmp => match *payload {
            [kind, code, _, _, ..] => Transport::Icmp { kind, code },
            _ => Transport::Unknown,
        },
        _ => Transport::Other,
    }
}

/// The ports of a header of `least` octets.
#[inline]
fn ports(payload: &[u8], least: usize) -> Transport {
    match *payload {
        [s0, s1, d0, d1, ..] if payload.len() >= least => Transport::Ports {
            source: u16::from_be_bytes([s0, s1]),
            destination: u16::from_be_bytes([d0, d1]),
        },
        _ => Transport::Unknown,
    }
}
