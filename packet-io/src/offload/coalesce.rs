//! Making one oversized frame of successive TCP segments of a flow: what a device's receive offload does.
//!
//! The rules are those of the kernel's GRO, and stricter where that keeps a promise: cutting the merged frame again
//! gives back the frames it was made of. A checksum is the one thing not kept but computed anew, so each is verified
//! first, and a segment with a wrong one leaves as it came.
//!
//! Only successive copies merge: a sender's segments arrive next to each other, cut from one oversized frame.

use super::HEADER_ROOM;
use super::checksum::Sum;
use super::layout::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_SERVICE_VLAN, ETHERTYPE_VLAN, MIN_TCP_SEGMENT, TCP,
};
use super::segment::{FIN, PSH, put};
use crate::{Capabilities, Checksum, Offload, Outgoing, RxFrame, Segmentation, SegmentationKind};
use niv::Rewrite;
use std::{mem, slice};

const ACK: u8 = 0x10;
const ADDRESSES: usize = 12;
const ETHERNET_HEADER: usize = 14;
const VLAN_TAG: usize = 4;
/// Where in a TCP header the checksum stands.
const TCP_CHECKSUM: u16 = 16;
/// The longest frame that devices take (`GSO_LEGACY_MAX_SIZE`): a longer one the kernel would cut itself.
const LONGEST: usize = 65_535;

/// Of the octets of a header, those that are the same in all segments of a run.
const F: u8 = 0xFF;
/// All but length, identification and checksum.
const SAME_IPV4: [u8; 20] = [F, F, 0, 0, 0, 0, F, F, F, F, 0, 0, F, F, F, F, F, F, F, F];
/// All but the length.
const SAME_IPV6: [u8; 40] = [
    F, F, F, F, 0, 0, F, F, F, F, F, F, F, F, F, F, F, F, F, F, //
    F, F, F, F, F, F, F, F, F, F, F, F, F, F, F, F, F, F, F, F,
];
/// All but sequence number, flags and checksum.
const SAME_TCP: [u8; 20] = [F, F, F, F, 0, 0, 0, 0, F, F, F, F, F, 0, F, F, 0, 0, F, F];

#[inline]
fn same<const N: usize>(a: &[u8; N], b: &[u8; N], mask: &[u8; N]) -> bool {
    let pairs = a.iter().zip(b).zip(mask);
    pairs.fold(0, |differing, ((a, b), mask)| differing | ((a ^ b) & mask)) == 0
}

/// Looks for runs of copies, made of the frames of one burst and bound for one port, that may become one frame.
pub(crate) struct Coalescing<'a> {
    burst: &'a [RxFrame<'a>],
    /// Whether the port takes oversized frames at all.
    offload: bool,
    mtu: usize,
    /// What the last search found out about the copy that is now the first.
    ahead: Option<Option<Candidate<'a>>>,
}

/// Copies that become one frame: two or more.
pub(crate) struct Run<'a, 'b> {
    /// Those it is made of.
    pub(crate) copies: &'a [Outgoing],
    /// The payload of each.
    pub(crate) payloads: &'b [&'a [u8]],
    first: Candidate<'a>,
    last: Candidate<'a>,
}

/// A copy that is a complete TCP segment with payload. Its octets: `head`, `link`, IP header, `segment`.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    account: u32,
    /// What differs of its IP header; the checksum is made anew in a run.
    rewrite: Option<Rewrite>,
    /// The gather's fresh octets.
    head: &'a [u8],
    /// The EtherType and, if the received frame had one in its octets, the VLAN tag.
    link: &'a [u8],
    network: Network<'a>,
    tcp: &'a [u8; 20],
    options: &'a [u8],
    payload: &'a [u8],
    /// TCP header, options and payload.
    segment: &'a [u8],
}

#[derive(Clone, Copy)]
enum Network<'a> {
    Ipv4(&'a [u8; 20]),
    Ipv6(&'a [u8; 40]),
}

impl<'a> Coalescing<'a> {
    pub(crate) fn new(burst: &'a [RxFrame<'a>], capabilities: &Capabilities) -> Self {
        Self {
            burst,
            offload: capabilities.offload,
            mtu: capabilities.mtu as usize,
            ahead: None,
        }
    }

    /// Takes the longest run that `copies` start with off them, as far as there is room for its payloads. If there is
    /// none, the next call supposes that one copy was taken.
    #[inline]
    pub(crate) fn next<'b>(
        &mut self,
        copies: &mut slice::Iter<'a, Outgoing>,
        room: &mut &'b mut [&'a [u8]],
    ) -> Option<Run<'a, 'b>> {
        if !self.offload {
            return None;
        }
        let first = match self.ahead.take() {
            Some(known) => known?,
            None => self.candidate(copies.as_slice().first()?)?,
        };
        self.run(first, copies, room)
    }

    fn run<'b>(
        &mut self,
        first: Candidate<'a>,
        copies: &mut slice::Iter<'a, Outgoing>,
        room: &mut &'b mut [&'a [u8]],
    ) -> Option<Run<'a, 'b>> {
        let all = copies.as_slice();
        let mut last = first;
        let mut octets = first.octets();
        let mut length = 1;
        for copy in all.iter().take(room.len()).skip(1) {
            let next = self.candidate(copy);
            self.ahead = Some(next);
            let Some(next) = next else { break };
            octets += next.payload.len();
            let fits = octets <= LONGEST && next.follows(&last, &first);
            if !fits || !next.is_intact() || (length == 1 && !first.is_intact()) {
                break;
            }
            if let Some(place) = room.get_mut(length) {
                *place = next.payload;
            }
            self.ahead = None;
            last = next;
            length += 1;
        }
        if length < 2 {
            return None;
        }
        let (run, rest) = all.split_at_checked(length)?;
        *copies = rest.iter();
        let (payloads, left) = mem::take(room).split_at_mut_checked(length)?;
        *room = left;
        if let Some(place) = payloads.first_mut() {
            *place = first.payload;
        }
        Some(Run {
            copies: run,
            payloads,
            first,
            last,
        })
    }

    /// What a copy is, if it may be part of a run.
    #[inline]
    fn candidate(&self, copy: &'a Outgoing) -> Option<Candidate<'a>> {
        let frame = self.burst.get(usize::from(copy.frame))?;
        let body = frame.bytes.get(usize::from(copy.gather.skip)..)?;
        let (link, protocol) = match *body.first_chunk::<6>()? {
            [a, b, _, _, c, d] => match (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])) {
                (ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN, inner) => (2 + VLAN_TAG, inner),
                (outer, _) => (2, outer),
            },
        };
        let (link, packet) = body.split_at_checked(link)?;
        let (network, segment) = match protocol {
            ETHERTYPE_IPV4 => ipv4(packet)?,
            ETHERTYPE_IPV6 => ipv6(packet)?,
            _ => return None,
        };
        let head = copy.gather.head.as_bytes();
        let tcp = segment.first_chunk::<20>()?;
        let header = usize::from(tcp[12] >> 4) * 4;
        let (_, options) = segment.get(..header)?.split_first_chunk::<20>()?;
        let payload = segment.get(header..)?;
        let plain = tcp[12] & 0xF == 0 && tcp[13] & !(FIN | PSH) == ACK && !payload.is_empty();
        let whole = frame.offload.is_none() && frame.original_length as usize == frame.bytes.len();
        let tags = head.len().saturating_sub(ADDRESSES) + link.len() - 2;
        // Behind a VNTag the kernel segments nothing; behind two VLAN tags not every device does.
        let plain = plain && copy.uncounted == 0 && head.len() >= ADDRESSES && tags <= VLAN_TAG;
        let fits = head.len() + body.len() <= self.mtu + ETHERNET_HEADER + tags;
        (plain && whole && fits).then_some(Candidate {
            account: copy.account,
            rewrite: copy.edit.rewrite,
            head,
            link,
            network,
            tcp,
            options,
            payload,
            segment,
        })
    }
}

/// An IPv4 header without options, of a packet that is no fragment and as long as it says; and what is behind it.
#[inline]
fn ipv4(packet: &[u8]) -> Option<(Network<'_>, &[u8])> {
    let (header, segment) = packet.split_first_chunk::<20>()?;
    let &[version, _, a, b, _, _, c, d, _, protocol, ..] = header;
    let length = usize::from(u16::from_be_bytes([a, b]));
    // Everything but "don't fragment".
    let fragment = u16::from_be_bytes([c, d]) & 0xBFFF != 0;
    let plain = version == 0x45 && protocol == TCP && !fragment && length == packet.len();
    plain.then_some((Network::Ipv4(header), segment))
}

/// An IPv6 header without extensions, of a packet as long as it says; and what is behind it.
#[inline]
fn ipv6(packet: &[u8]) -> Option<(Network<'_>, &[u8])> {
    let (header, segment) = packet.split_first_chunk::<40>()?;
    let &[version, _, _, _, a, b, protocol, ..] = header;
    let length = usize::from(u16::from_be_bytes([a, b]));
    let plain = version >> 4 == 6 && protocol == TCP && length == segment.len();
    plain.then_some((Network::Ipv6(header), segment))
}

impl Network<'_> {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Ipv4(header) => *header,
            Self::Ipv6(header) => *header,
        }
    }

    /// The sum of the pseudo-header for a TCP segment of `length` octets.
    fn pseudo(&self, length: usize) -> Sum {
        let addresses = match self {
            Self::Ipv4([.., a, b, c, d, e, f, g, h]) => Sum::of(&[*a, *b, *c, *d, *e, *f, *g, *h]),
            Self::Ipv6([_, _, _, _, _, _, _, _, addresses @ ..]) => Sum::of(addresses),
        };
        addresses.word(u16::from(TCP)).word(length as u16)
    }

    /// Whether a segment with this header may follow one with the header `last`.
    #[inline]
    fn follows(&self, last: &Self) -> bool {
        match (self, last) {
            (Self::Ipv4(header), Self::Ipv4(last)) => {
                // Whoever cuts the merged frame counts on from its first identification.
                let identification = |h: &[u8; 20]| u16::from_be_bytes([h[4], h[5]]);
                same(header, last, &SAME_IPV4)
                    && identification(header) == identification(last).wrapping_add(1)
            }
            (Self::Ipv6(header), Self::Ipv6(last)) => same(header, last, &SAME_IPV6),
            _ => false,
        }
    }
}

impl Candidate<'_> {
    /// Octets of headers.
    fn headers(&self) -> usize {
        let network = self.network.octets().len();
        self.head.len() + self.link.len() + network + self.tcp.len() + self.options.len()
    }

    fn octets(&self) -> usize {
        self.headers() + self.payload.len()
    }

    fn sequence(&self) -> u32 {
        let &[_, _, _, _, a, b, c, d, ..] = self.tcp;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Whether it continues the run from `first` to `last`.
    #[inline]
    fn follows(&self, last: &Self, first: &Self) -> bool {
        let size = first.payload.len();
        let next = last.sequence().wrapping_add(last.payload.len() as u32);
        self.sequence() == next
            // The last one may be shorter and carry PSH or FIN: one that does is the last.
            && last.payload.len() == size
            && self.payload.len() <= size
            && size >= usize::from(MIN_TCP_SEGMENT)
            && last.tcp[13] == ACK
            && same(self.tcp, last.tcp, &SAME_TCP)
            && self.network.follows(&last.network)
            && self.options == last.options
            && self.head == last.head
            && self.link == last.link
            && self.account == last.account
            && self.start() == last.start()
    }

    /// How its IP header is to begin, if not as it came.
    #[inline]
    fn start(&self) -> Option<[u8; 2]> {
        self.rewrite.map(|rewrite| rewrite.start)
    }

    /// Whether its checksums are right.
    #[inline]
    fn is_intact(&self) -> bool {
        const RIGHT: [u8; 2] = [0xFF; 2];
        let header = match self.network {
            Network::Ipv4(header) => Sum::of(header).folded() == RIGHT,
            Network::Ipv6(_) => true,
        };
        let pseudo = self.network.pseudo(self.segment.len());
        header && pseudo.plus(Sum::of(self.segment)).folded() == RIGHT
    }
}

impl Run<'_, '_> {
    /// Writes the headers of the merged frame into `room`: returns how many octets they are, and what is left to the
    /// device.
    pub(crate) fn headers(&self, room: &mut [u8; HEADER_ROOM]) -> Option<(usize, Offload)> {
        let Self { first, last, .. } = self;
        let pieces = [
            first.head,
            first.link,
            first.network.octets(),
            first.tcp,
            first.options,
        ];
        let mut length = 0;
        for piece in pieces {
            room.get_mut(length..length + piece.len())?
                .copy_from_slice(piece);
            length += piece.len();
        }
        let payload: usize = self.payloads.iter().map(|payload| payload.len()).sum();
        let segment = first.tcp.len() + first.options.len() + payload;

        let at = first.head.len() + first.link.len();
        let start = at + first.network.octets().len();
        let network = room.get_mut(at..start)?;
        if let Some(begins) = first.start() {
            put(network, 0, begins)?;
        }
        let kind = match first.network {
            Network::Ipv4(_) => {
                put(network, 2, ((20 + segment) as u16).to_be_bytes())?;
                put(network, 10, [0, 0])?;
                let sum = Sum::of(network).checksum();
                put(network, 10, sum)?;
                SegmentationKind::Tcp4
            }
            Network::Ipv6(_) => {
                put(network, 4, (segment as u16).to_be_bytes())?;
                SegmentationKind::Tcp6
            }
        };
        let tcp = room.get_mut(start..)?;
        put(tcp, 13, [last.tcp[13]])?;
        put(
            tcp,
            usize::from(TCP_CHECKSUM),
            first.network.pseudo(segment).folded(),
        )?;
        let offload = Offload {
            checksum: Some(Checksum {
                start: start as u16,
                offset: TCP_CHECKSUM,
            }),
            segmentation: Some(Segmentation {
                kind,
                size: first.payload.len() as u16,
                ecn: false,
            }),
        };
        Some((length, offload))
    }
}

#[cfg(test)]
#[path = "coalesce_tests.rs"]
mod tests;
