//! Where the headers of a frame lie, and whether metadata agrees with them.

use super::checksum::{Sum, unfinish};
use super::{BadOffload, HEADER_ROOM};
use crate::{Checksum, Offload, Segmentation, SegmentationKind};

/// Tags looked behind: four VLAN tags (design.md section 5.2).
const MAX_VLAN_TAGS: usize = 4;
/// The smallest TCP segment Linux makes (`TCP_MIN_GSO_SIZE`): room for 40 octets of options in an MSS of 48.
pub(super) const MIN_TCP_SEGMENT: u16 = 8;
/// The most datagrams Linux makes of one (`UDP_MAX_SEGMENTS`).
const MAX_UDP_SEGMENTS: usize = 128;

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86DD;
pub(super) const ETHERTYPE_VLAN: u16 = 0x8100;
pub(super) const ETHERTYPE_SERVICE_VLAN: u16 = 0x88A8;

pub(super) const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// IPv4, IPv6 and GRE inside IP: the unfinished checksum may be that of an inner packet.
const TUNNELS: [u8; 3] = [4, 41, 47];
/// DHCP and DHCPv6: guards read behind the UDP header.
const DHCP: [u16; 4] = [67, 68, 546, 547];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Ipv4,
    Ipv6,
}

/// The offsets of a TCP or UDP (or other IP) frame's headers, all inside the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(super) network_kind: Network,
    /// Where the IP header starts.
    pub(super) network: usize,
    /// Its protocol number.
    pub(super) protocol: u8,
    /// Where the IP header and its extensions end.
    pub(super) transport: usize,
    /// Where the TCP or UDP header ends; same as `transport` for other protocols.
    pub(super) payload: usize,
    /// Octets the IP header says there are from `network` on.
    stated: usize,
    fragment: bool,
    /// An IPv6 routing header: the address in the pseudo-header may be another than the destination.
    routed: bool,
}

fn octet(bytes: &[u8], at: usize) -> Result<u8, BadOffload> {
    bytes.get(at).copied().ok_or(BadOffload::Short)
}

pub(super) fn word(bytes: &[u8], at: usize) -> Result<u16, BadOffload> {
    match bytes.get(at..at + 2) {
        Some(&[a, b]) => Ok(u16::from_be_bytes([a, b])),
        _ => Err(BadOffload::Short),
    }
}

impl Layout {
    /// Reads the headers of `bytes`, whose EtherType, or first VLAN tag, stands at `ethertype_at`.
    pub(crate) fn parse(bytes: &[u8], ethertype_at: usize) -> Result<Self, BadOffload> {
        let mut at = ethertype_at;
        let mut tags = 0;
        let ethertype = loop {
            match word(bytes, at)? {
                ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN if tags < MAX_VLAN_TAGS => {
                    tags += 1;
                    at += 4;
                }
                other => break other,
            }
        };
        let network = at + 2;
        let mut layout = match ethertype {
            ETHERTYPE_IPV4 => Self::parse_ipv4(bytes, network)?,
            ETHERTYPE_IPV6 => Self::parse_ipv6(bytes, network)?,
            ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN => return Err(BadOffload::LongHeaders),
            _ => return Err(BadOffload::Network),
        };
        layout.payload = layout.transport
            + match layout.protocol {
                TCP => {
                    let words = octet(bytes, layout.transport + 12)? >> 4;
                    if words < 5 {
                        return Err(BadOffload::Length);
                    }
                    usize::from(words) * 4
                }
                UDP => 8,
                _ => 0,
            };
        if layout.payload > bytes.len() {
            return Err(BadOffload::Short);
        }
        // 22 fresh octets may take the place of the first 12.
        if layout.payload + 10 > HEADER_ROOM {
            return Err(BadOffload::LongHeaders);
        }
        Ok(layout)
    }

    /// Where the TCP or UDP payload starts.
    pub(crate) fn payload(&self) -> usize {
        self.payload
    }

    /// The sum of the pseudo-header, but for its length (RFC 9293 section 3.1, RFC 8200 section 8.1).
    pub(super) fn pseudo(&self, bytes: &[u8]) -> Result<Sum, BadOffload> {
        let addresses = match self.network_kind {
            Network::Ipv4 => self.network + 12..self.network + 20,
            Network::Ipv6 => self.network + 8..self.network + 40,
        };
        let addresses = bytes.get(addresses).ok_or(BadOffload::Short)?;
        Ok(Sum::of(addresses).word(u16::from(self.protocol)))
    }

    /// What a device is told of a complete frame to be cut: where its checksum is, and what stands there while it is
    /// unfinished. `frame` was [checked](Self::check).
    pub(crate) fn unfinished(&self, frame: &[u8]) -> Result<(Checksum, [u8; 2]), BadOffload> {
        let checksum = Checksum {
            start: self.transport as u16,
            offset: if self.protocol == UDP { 6 } else { 16 },
        };
        let length = frame.len().saturating_sub(self.transport) as u16;
        let pseudo = self.pseudo(frame)?.word(length);
        Ok((checksum, unfinish(frame, checksum, pseudo)?))
    }

    fn parse_ipv4(bytes: &[u8], network: usize) -> Result<Self, BadOffload> {
        let first = octet(bytes, network)?;
        let length = usize::from(first & 0xF) * 4;
        if first >> 4 != 4 {
            return Err(BadOffload::Network);
        }
        if length < 20 {
            return Err(BadOffload::Length);
        }
        Ok(Self {
            network_kind: Network::Ipv4,
            network,
            protocol: octet(bytes, network + 9)?,
            transport: network + length,
            payload: 0,
            stated: usize::from(word(bytes, network + 2)?),
            // Everything but "don't fragment": more fragments, or not the first.
            fragment: word(bytes, network + 6)? & 0x3FFF != 0,
            routed: false,
        })
    }

    /// Hop-by-hop, routing and destination options are passed over; a fragment, authentication or
    /// unknown header is taken for the transport protocol, which no metadata names.
    fn parse_ipv6(bytes: &[u8], network: usize) -> Result<Self, BadOffload> {
        const ROUTING: u8 = 43;
        const PASSED_OVER: [u8; 3] = [0, ROUTING, 60];
        if octet(bytes, network)? >> 4 != 6 {
            return Err(BadOffload::Network);
        }
        let mut protocol = octet(bytes, network + 6)?;
        let mut at = network + 40;
        let mut routed = false;
        while PASSED_OVER.contains(&protocol) {
            routed |= protocol == ROUTING;
            protocol = octet(bytes, at)?;
            at += 8 + usize::from(octet(bytes, at + 1)?) * 8;
        }
        Ok(Self {
            network_kind: Network::Ipv6,
            network,
            protocol,
            transport: at,
            payload: 0,
            stated: 40 + usize::from(word(bytes, network + 4)?),
            fragment: false,
            routed,
        })
    }

    /// Whether the frame bears `offload` out. `length` is the frame's own length, of which `bytes` may
    /// be only the beginning.
    pub(crate) fn check(
        &self,
        bytes: &[u8],
        length: usize,
        offload: &Offload,
    ) -> Result<(), BadOffload> {
        if self.fragment {
            return Err(BadOffload::Transport);
        }
        if let Some(checksum) = offload.checksum {
            self.check_checksum(bytes, length, checksum)?;
        }
        match offload.segmentation {
            Some(segmentation) => self.check_segmentation(length, offload, segmentation),
            None => Ok(()),
        }
    }

    fn check_checksum(
        &self,
        bytes: &[u8],
        length: usize,
        checksum: Checksum,
    ) -> Result<(), BadOffload> {
        let start = usize::from(checksum.start);
        let at = start + usize::from(checksum.offset);
        if at + 2 > length {
            return Err(BadOffload::Checksum);
        }
        let own = match self.protocol {
            TCP => Some(16),
            UDP => Some(6),
            ICMPV6 => Some(2),
            _ => None,
        };
        let tunnelled = match self.protocol {
            UDP => {
                let source = word(bytes, self.transport)?;
                let destination = word(bytes, self.transport + 2)?;
                start >= self.payload && !DHCP.contains(&source) && !DHCP.contains(&destination)
            }
            other => TUNNELS.contains(&other) && start >= self.transport,
        };
        if tunnelled || (start == self.transport && own == Some(checksum.offset)) {
            Ok(())
        } else {
            Err(BadOffload::Checksum)
        }
    }

    fn check_segmentation(
        &self,
        length: usize,
        offload: &Offload,
        segmentation: Segmentation,
    ) -> Result<(), BadOffload> {
        let Segmentation { kind, size, .. } = segmentation;
        let (network, protocol) = match kind {
            SegmentationKind::Tcp4 => (Some(Network::Ipv4), TCP),
            SegmentationKind::Tcp6 => (Some(Network::Ipv6), TCP),
            SegmentationKind::Udp => (None, UDP),
        };
        if network.is_some_and(|network| network != self.network_kind) {
            return Err(BadOffload::Network);
        }
        if protocol != self.protocol || self.routed {
            return Err(BadOffload::Transport);
        }
        // The checksum that each segment gets is the transport's own: one of an inner packet cannot
        // be cut.
        if offload
            .checksum
            .is_some_and(|checksum| usize::from(checksum.start) != self.transport)
        {
            return Err(BadOffload::Checksum);
        }
        if self.stated != length.saturating_sub(self.network) {
            return Err(BadOffload::Length);
        }
        let payload = length.saturating_sub(self.payload);
        let possible = match kind {
            SegmentationKind::Udp => {
                size > 0 && payload.div_ceil(usize::from(size)) <= MAX_UDP_SEGMENTS
            }
            _ => size >= MIN_TCP_SEGMENT,
        };
        if possible {
            Ok(())
        } else {
            Err(BadOffload::Segmentation)
        }
    }
}
