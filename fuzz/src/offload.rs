//! Work senders left undone, from the metadata to the frames a device is handed.

use crate::device::{Device, Handed};
use crate::input::{Input, Received};
use crate::marks::{mark, mark_variant};
use crate::naive::{self, Packet};
use niv::{DropReason, Gather, PortId, VlanTag, Weight};
use packet_io::dispatch::Dispatcher;
use packet_io::{Capabilities, Outgoing, RxFrame, Segmentation, SegmentationKind};
use vntag::VnTag;

/// `data` is an octet about the device (1: takes unfinished frames, 2: wants padding, 4 and 8: its MTU,
/// 16 and 32: how many copies, less one), one that says how often it is full, two for each copy (of
/// which frame, and with which edit) and the frames of a burst.
///
/// # Panics
/// A device is handed what it cannot take, a wire frame is not what the metadata stands for, or the
/// weights do not add up.
pub fn offload(data: &[u8]) {
    let mut input = Input::new(data);
    let Some([how, refused_every]) = input.array() else {
        return;
    };
    let capabilities = Capabilities {
        mode: "memory",
        mtu: match how >> 2 & 3 {
            0 => 1500,
            1 => 100,
            2 => 9000,
            _ => 65_535,
        },
        offload: how & 1 != 0,
        long: 0,
    };
    let pad = how & 2 != 0;
    let wanted: Vec<[u8; 2]> = (0..=how >> 4 & 3).map_while(|_| input.array()).collect();
    let received: Vec<Received> = (0..4).map_while(|_| Received::read(&mut input)).collect();
    let burst: Vec<RxFrame<'_>> = received.iter().map(Received::frame).collect();
    for frame in &burst {
        let _ = frame.weight(0).is_ok_and(|weight| weight.frames > 0);
    }
    let copies: Vec<Copy<'_>> = (0..)
        .zip(wanted)
        .filter_map(|(number, [which, edit])| Copy::new(&burst, number, which, edit))
        .collect();

    let mut device = Device::new(refused_every);
    let mut fates: Vec<(u32, Weight, Result<(), DropReason>)> = Vec::new();
    let outgoing: Vec<Outgoing> = copies.iter().map(|copy| copy.outgoing).collect();
    Dispatcher::new().send(
        &mut device,
        &capabilities,
        pad,
        &burst,
        &outgoing,
        &mut |copy, weight, fate| fates.push((copy.account, weight, fate)),
    );

    // The device is never anything but full, and a copy that is not planned never meets it.
    let met = |fate: &Result<(), DropReason>| matches!(fate, Ok(()) | Err(DropReason::TxFull));
    let mut handed = device.handed.iter();
    let mut whose: Vec<(u32, Weight, &Handed)> = Vec::new();
    for (account, weight, fate) in &fates {
        if met(fate) {
            let frame = handed.next();
            assert!(frame.is_some_and(|frame| frame.taken == fate.is_ok()));
            whose.extend(frame.map(|frame| (*account, *weight, frame)));
        }
    }
    assert!(handed.next().is_none(), "a frame was sent and not told of");
    for copy in &copies {
        let account = copy.outgoing.account;
        let mine = |of: &u32| *of == account;
        let pieces: Vec<_> = whose.iter().filter(|(of, ..)| mine(of)).collect();
        let refused: Vec<_> = fates
            .iter()
            .filter(|(of, _, fate)| mine(of) && !met(fate))
            .collect();
        for (.., fate) in &refused {
            if let Err(why) = fate {
                mark("refused", why);
            }
        }
        let frames: u32 = fates
            .iter()
            .filter(|(of, ..)| mine(of))
            .map(|(_, weight, _)| weight.frames)
            .sum();
        assert!(refused.len() <= 1 && refused.is_empty() != pieces.is_empty());
        match copy.frame.weight(copy.stripped) {
            Ok(weight) => assert_eq!(frames, weight.frames, "weights do not add up"),
            Err(_) => {
                let bad = (Err(DropReason::BadOffload), 1);
                let got = refused.first().map(|(_, weight, fate)| (*fate, weight.frames));
                assert_eq!(got, Some(bad));
            }
        }
        let pieces: Vec<_> = pieces
            .iter()
            .map(|(_, weight, frame)| (*weight, *frame))
            .collect();
        if !pieces.is_empty() {
            copy.judge(&capabilities, pad, &pieces);
        }
    }
}

struct Copy<'a> {
    frame: &'a RxFrame<'a>,
    outgoing: Outgoing,
    /// Octets of VNTag that are taken off.
    stripped: u8,
}

impl<'a> Copy<'a> {
    /// `edit`: 1 puts a VNTag on, 2 the VLAN tag in metadata, 4 takes a VNTag off, 8 the VLAN tag
    /// behind the addresses. `None`: it does not fit the frame.
    fn new(burst: &'a [RxFrame<'a>], number: u16, which: u8, edit: u8) -> Option<Self> {
        let index = usize::from(which) % burst.len().max(1);
        let frame = burst.get(index)?;
        // Whoever decides drops these first.
        if frame.original_length as usize != frame.bytes.len() {
            return None;
        }
        let stripped = if edit & 4 != 0 { 6 } else { 0 };
        let mut skip = 12 + usize::from(stripped);
        if edit & 8 != 0 {
            [0x8100, 0x88A8]
                .contains(&naive::word(frame.bytes, skip)?)
                .then_some(())?;
            skip += 4;
        }
        let vntag = (edit & 1 != 0).then(|| VnTag::from_word(0x8006_0000));
        // Another tag than these in metadata is dropped by who decides, too.
        let metadata = frame.vlan.filter(|tag| [0x8100, 0x88A8].contains(&tag.tpid));
        let metadata = metadata.unwrap_or(VlanTag {
            tpid: 0x8100,
            tci: 7,
        });
        let vlan = (edit & 2 != 0).then_some(metadata);
        let gather = Gather::new(frame.bytes, skip as u16, vntag, vlan).ok()?;
        Some(Self {
            frame,
            outgoing: Outgoing {
                port: PortId(0),
                account: number.into(),
                frame: index as u16,
                gather,
                uncounted: if vntag.is_some() { 6 } else { 0 },
                edit: packet_io::Edit::NONE,
            },
            stripped,
        })
    }

    /// The copy as its gather says, nothing done yet.
    fn octets(&self) -> Vec<u8> {
        let gather = &self.outgoing.gather;
        [gather.head.as_bytes(), gather.rest(self.frame.bytes)].concat()
    }

    fn judge(&self, capabilities: &Capabilities, pad: bool, pieces: &[(Weight, &Handed)]) {
        let whole = self.octets();
        let cut = self.frame.offload.segmentation;
        let stays = capabilities.offload && self.outgoing.uncounted == 0;
        for (weight, piece) in pieces {
            assert!(capabilities.offload || piece.offload.is_none());
            if let Some(checksum) = piece.offload.checksum {
                let at = usize::from(checksum.start) + usize::from(checksum.offset);
                assert!(at + 2 <= piece.bytes.len());
            }
            if !(stays && cut.is_some()) {
                let counted = piece.bytes.len() - usize::from(self.outgoing.uncounted);
                assert_eq!(*weight, Weight::one(counted));
            }
            assert!(!pad || piece.bytes.len() >= 60);
        }
        mark("padded", pad && pieces.iter().any(|(_, piece)| piece.bytes.len() == 60));
        mark("handed over unfinished", pieces.iter().any(|(_, piece)| !piece.offload.is_none()));
        match (cut, pieces) {
            (Some(cut), pieces) if !stays => self.segments(cut, &whole, pieces),
            (_, [(_, piece)]) => self.one(&whole, piece),
            _ => assert_eq!(pieces.len(), 1, "a whole frame left in pieces"),
        }
    }

    /// Nothing has changed but what was left to do.
    fn one(&self, whole: &[u8], piece: &Handed) {
        let mut expected = whole.to_vec();
        let growth = self.outgoing.gather.growth();
        mark("whole, sum to do", self.frame.offload.checksum.is_some());
        match self.frame.offload.checksum {
            Some(checksum) if piece.offload.is_none() => {
                let start = usize::from(checksum.start);
                let summed = self.frame.bytes.get(start..).unwrap_or_default();
                let sum = match naive::checksum(&[summed]) {
                    0 => 0xFFFF,
                    sum => sum,
                };
                let at = (start + usize::from(checksum.offset)).wrapping_add_signed(growth.into());
                let place = expected.get_mut(at..at + 2);
                assert!(place.is_some(), "a checksum beyond the frame");
                if let Some(place) = place {
                    place.copy_from_slice(&sum.to_be_bytes());
                }
            }
            // It was complete, and a device that cuts wants it unfinished.
            None if self.frame.offload.segmentation.is_some() => {
                assert_eq!(piece.offload.segmentation, self.frame.offload.segmentation);
                let bytes = filled_in(piece);
                return assert_eq!(bytes, expected);
            }
            _ => assert_eq!(piece.offload, self.frame.offload.shifted(growth)),
        }
        let (octets, padding) = piece.bytes.split_at(expected.len().min(piece.bytes.len()));
        assert_eq!(octets, expected);
        assert!(padding.iter().all(|&octet| octet == 0));
    }

    /// Each is a packet of its own, and together they are the oversized one.
    fn segments(&self, cut: Segmentation, whole: &[u8], pieces: &[(Weight, &Handed)]) {
        let at = 12 + usize::from(self.outgoing.uncounted);
        let before = naive::packet(whole, at);
        assert!(before.is_some(), "cut, and no packet");
        let Some(before) = before else { return };
        let mut sent = Vec::new();
        for (number, (_, piece)) in (0..).zip(pieces) {
            let last = number + 1 == pieces.len();
            let bytes = finished(piece);
            let after = naive::packet(&bytes, at);
            assert!(after.is_some(), "a segment is no packet");
            let Some(after) = after else { return };
            assert_eq!(Packet { end: 0, ..after }, Packet { end: 0, ..before });
            assert_eq!(after.is_sound(&bytes), Some(true), "a checksum is wrong");
            let (packet, padding) = bytes.split_at(after.end.min(bytes.len()));
            assert_eq!(packet.len(), after.end);
            assert!(padding.is_empty() || bytes.len() == 60);
            let payload = packet.get(after.payload..).unwrap_or_default();
            let size = usize::from(cut.size);
            assert!(if last { payload.len() <= size } else { payload.len() == size });
            self.header(cut.kind, whole, &before, packet, sent.len(), last);
            if cut.kind != SegmentationKind::Udp && !before.ipv6 {
                let id = |bytes| naive::word(bytes, before.network + 4);
                let expected = id(whole).map(|id| id.wrapping_add(number as u16));
                assert_eq!(id(packet), expected);
            }
            sent.extend_from_slice(payload);
        }
        assert_eq!(Some(&sent[..]), whole.get(before.payload..));
    }

    /// What a segment's own headers say; `sent` octets of payload were in those before it.
    fn header(
        &self,
        kind: SegmentationKind,
        whole: &[u8],
        before: &Packet,
        packet: &[u8],
        sent: usize,
        last: bool,
    ) {
        mark_variant("cut", &kind);
        let t = before.transport;
        assert_eq!(packet.get(..before.network), whole.get(..before.network));
        assert_eq!(packet.get(t..t + 4), whole.get(t..t + 4), "other ports");
        if kind == SegmentationKind::Udp {
            let length = naive::word(packet, t + 4).map(usize::from);
            assert_eq!(length, Some(packet.len() - t));
            return;
        }
        let double = |bytes: &[u8], at: usize| {
            let (high, low) = (naive::word(bytes, at)?, naive::word(bytes, at + 2)?);
            Some(u32::from(high) << 16 | u32::from(low))
        };
        let sequence = double(whole, t + 4).map(|first| first.wrapping_add(sent as u32));
        assert_eq!(double(packet, t + 4), sequence);
        // FIN and PSH on the last, CWR on the first.
        let elsewhere = if last { 0 } else { 0x09 } | if sent == 0 { 0 } else { 0x80 };
        let flags = whole.get(t + 13).map(|flags| flags & !elsewhere);
        assert_eq!(packet.get(t + 13).copied(), flags);
        let options = t + 20..before.payload;
        assert_eq!(packet.get(options.clone()), whole.get(options));
    }
}

/// As the wire sees it: a checksum left to the device is filled in.
fn finished(piece: &Handed) -> Vec<u8> {
    assert!(piece.offload.segmentation.is_none(), "cut, and still oversized");
    filled_in(piece)
}

/// With the checksum that was left to the device.
fn filled_in(piece: &Handed) -> Vec<u8> {
    let mut bytes = piece.bytes.clone();
    if let Some(checksum) = piece.offload.checksum {
        let start = usize::from(checksum.start);
        let at = start + usize::from(checksum.offset);
        let sum = match naive::checksum(&[bytes.get(start..).unwrap_or_default()]) {
            0 => 0xFFFF,
            sum => sum,
        };
        if let Some(place) = bytes.get_mut(at..at + 2) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
    }
    bytes
}
