//! Cutting an oversized frame into the frames it stands for.

use super::checksum::Sum;
use super::layout::{Layout, Network, word};
use super::weigh;
use super::{BadOffload, HEADER_ROOM};
use crate::long::LONGEST_PLAIN;
use crate::{Checksum, Segmentation, SegmentationKind};
use niv::{Rewrite, Weight};
use std::num::NonZeroU16;

pub(super) const FIN: u8 = 0x01;
pub(super) const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// One wire frame of an oversized one: its headers were written into the room given, its payload stays
/// where it was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    /// Octets of headers in the room.
    pub(crate) header: usize,
    /// What follows them.
    pub(crate) payload: &'a [u8],
    /// The checksum, if it was left unfinished.
    pub(crate) checksum: Option<Checksum>,
    /// It stands for several itself, to be cut so.
    pub(crate) segmentation: Option<Segmentation>,
}

impl Segment<'_> {
    /// Of `counted` octets in all, headers included: the frames it stands for.
    pub(crate) fn weight(&self, counted: usize) -> Weight {
        let payload = self.payload.len();
        weigh(counted.saturating_sub(payload), payload, self.segmentation)
    }
}

/// The wire frames of one oversized frame, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments<'a> {
    /// Fresh octets each starts with.
    head: &'a [u8],
    /// The received headers behind those octets, up to the payload.
    rest: &'a [u8],
    payload: &'a [u8],
    /// Offsets in `head` and `rest` together.
    network: usize,
    transport: usize,
    network_kind: Network,
    segmentation: Segmentation,
    /// Octets of payload in a piece that stands for several; 0: each is one segment.
    several: usize,
    finish: bool,
    /// Of the addresses and the protocol number.
    pseudo: Sum,
    identification: u16,
    sequence: u32,
    flags: u8,
    /// What differs of the IP header.
    rewrite: Option<Rewrite>,
    /// Where `rest` begins in the received frame.
    skip: usize,
    done: usize,
    over: bool,
}

impl<'a> Segments<'a> {
    /// Prepares to cut `frame` (`layout` read from it and checked), whose first `skip` octets `head`
    /// stands in for. With `finish` unset the transport checksums are left to the device.
    pub(crate) fn new(
        frame: &'a [u8],
        layout: &Layout,
        segmentation: Segmentation,
        head: &'a [u8],
        skip: usize,
        finish: bool,
    ) -> Result<Self, BadOffload> {
        let rest = frame.get(skip..layout.payload).ok_or(BadOffload::Short)?;
        let payload = frame.get(layout.payload..).ok_or(BadOffload::Short)?;
        if head.len() + rest.len() > HEADER_ROOM {
            return Err(BadOffload::LongHeaders);
        }
        let udp = is_udp(segmentation);
        let t = layout.transport;
        Ok(Self {
            head,
            rest,
            payload,
            network: layout.network + head.len() - skip.min(layout.network),
            transport: t + head.len() - skip.min(t),
            network_kind: layout.network_kind,
            segmentation,
            several: 0,
            finish,
            pseudo: layout.pseudo(frame)?,
            identification: word(frame, layout.network + 4)?,
            sequence: if udp {
                0
            } else {
                u32::from(word(frame, t + 4)?) << 16 | u32::from(word(frame, t + 6)?)
            },
            flags: if udp { 0 } else { word(frame, t + 12)? as u8 },
            rewrite: None,
            skip,
            done: 0,
            over: false,
        })
    }

    /// The first so many of them; the others are not sent. Flags that belong to the last of all are not sent either.
    pub(crate) fn first(mut self, segments: Option<NonZeroU16>) -> Self {
        if let Some(segments) = segments {
            let one = usize::from(self.segmentation.size).max(1);
            let octets = usize::from(segments.get()).saturating_mul(one);
            if let Some(part) = self.payload.get(..octets)
                && octets < self.payload.len()
            {
                self.payload = part;
                self.flags &= !(FIN | PSH);
            }
        }
        self
    }

    /// With other octets in the IP header of each.
    pub(crate) fn marked(self, rewrite: Option<Rewrite>) -> Self {
        Self { rewrite, ..self }
    }

    /// Cut into pieces that stand for as many segments as fit into a long frame of `longest` octets, without
    /// its trailer (see [`crate::long`]).
    pub(crate) fn into_pieces(self, longest: usize) -> Self {
        let one = usize::from(self.segmentation.size).max(1);
        let room = longest.saturating_sub(self.head.len() + self.rest.len());
        let several = if room < 2 * one { 0 } else { room / one * one };
        Self { several, ..self }
    }

    /// Octets of payload in the next piece: one segment, or as many as a long frame holds.
    fn next_size(&self, left: usize) -> usize {
        let one = usize::from(self.segmentation.size).max(1);
        let several = self.several.min(left);
        // A shorter one has no trailer to say that it stands for several.
        if several > one && self.head.len() + self.rest.len() + several > LONGEST_PLAIN {
            several
        } else {
            one.min(left)
        }
    }

    /// Whether every segment was taken.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Writes the headers of the next segment into `room`; `None` when there are no more.
    pub(crate) fn next(&mut self, room: &mut [u8; HEADER_ROOM]) -> Option<Segment<'a>> {
        if self.over {
            return None;
        }
        let left = self.payload.get(self.done..)?;
        let payload = left.get(..self.next_size(left.len()))?;
        let one = usize::from(self.segmentation.size).max(1);
        let first = self.done == 0;
        let last = payload.len() == left.len();

        let header = self.head.len() + self.rest.len();
        let room = room.get_mut(..header)?;
        let (head, rest) = room.split_at_mut(self.head.len());
        head.copy_from_slice(self.head);
        rest.copy_from_slice(self.rest);
        if let Some(rewrite) = &self.rewrite {
            // The checksum is made anew below.
            rewrite.apply(rest, self.skip)?;
        }

        let (before, transport) = room.split_at_mut_checked(self.transport)?;
        let network = before.get_mut(self.network..)?;
        let length = transport.len() + payload.len();
        self.write_network(network, network.len() + length)?;
        let udp = is_udp(self.segmentation);
        if udp {
            put(transport, 4, (length as u16).to_be_bytes())?;
        } else {
            let sequence = self.sequence.wrapping_add(self.done as u32);
            put(transport, 4, sequence.to_be_bytes())?;
            let mut flags = self.flags;
            if !last {
                flags &= !(FIN | PSH);
            }
            if !first {
                flags &= !CWR;
            }
            put(transport, 13, [flags])?;
        }
        let offset = if udp { 6 } else { 16 };
        let pseudo = self.pseudo.word(length as u16);
        let checksum = if self.finish {
            put(transport, offset, [0, 0])?;
            let sum = pseudo.plus(Sum::of(transport)).plus(Sum::of(payload));
            put(transport, offset, sum.nonzero_checksum())?;
            None
        } else {
            put(transport, offset, pseudo.folded())?;
            Some(Checksum {
                start: self.transport as u16,
                offset: offset as u16,
            })
        };

        self.done += payload.len();
        let segments = if payload.len() <= one {
            1
        } else {
            payload.len().div_ceil(one)
        };
        self.identification = self.identification.wrapping_add(segments as u16);
        self.over = last;
        Some(Segment {
            header,
            payload,
            checksum,
            segmentation: (segments > 1).then_some(self.segmentation),
        })
    }

    fn write_network(&self, network: &mut [u8], length: usize) -> Option<()> {
        match self.network_kind {
            Network::Ipv4 => {
                put(network, 2, (length as u16).to_be_bytes())?;
                put(network, 4, self.identification.to_be_bytes())?;
                put(network, 10, [0, 0])?;
                let sum = Sum::of(network).checksum();
                put(network, 10, sum)
            }
            Network::Ipv6 => put(network, 4, (length as u16).wrapping_sub(40).to_be_bytes()),
        }
    }
}

fn is_udp(segmentation: Segmentation) -> bool {
    segmentation.kind == SegmentationKind::Udp
}

pub(super) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) -> Option<()> {
    bytes.get_mut(at..at + N)?.copy_from_slice(&value);
    Some(())
}

#[cfg(test)]
#[path = "segment_tests.rs"]
pub(crate) mod tests;
