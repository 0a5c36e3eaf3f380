use super::*;
use crate::Refusal;
use crate::offload::segment_tests::{Shape, judged, naive, oversized};
use crate::wire::{Wire, WireOptions};
use niv::VlanTag;
use proptest::prelude::*;
use vntag::VnTag;

/// A device that keeps what it is given and refuses what it is told to.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) frames: Vec<(Vec<u8>, Offload)>,
    seen: usize,
    refuse: Option<fn(usize) -> Option<Refusal>>,
}

impl Transmit for Recorder {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        for (index, frame) in frames.iter().enumerate() {
            match self.refuse.and_then(|refuse| refuse(self.seen)) {
                Some(refusal) => refused(index, refusal),
                None => self
                    .frames
                    .push((frame.pieces().flatten().copied().collect(), frame.offload)),
            }
            self.seen += 1;
        }
    }
}

pub(super) const WITH_OFFLOAD: Capabilities = Capabilities {
    mode: "test",
    mtu: 1500,
    offload: true,
    long: 0,
};
pub(super) const WITHOUT_OFFLOAD: Capabilities = Capabilities {
    offload: false,
    ..WITH_OFFLOAD
};

pub(super) fn copy(frame: u16, gather: Gather) -> Outgoing {
    Outgoing {
        port: PortId(0),
        account: 0,
        frame,
        gather,
        uncounted: 0,
        edit: crate::Edit::NONE,
    }
}

pub(super) fn whole(bytes: &[u8]) -> RxFrame<'_> {
    RxFrame {
        bytes,
        vlan: None,
        offload: Offload::NONE,
        original_length: bytes.len() as u32,
    }
}

pub(super) type Fates = Vec<(u16, Weight, Result<(), DropReason>)>;

pub(super) fn send(
    port: &mut dyn Transmit,
    capabilities: &Capabilities,
    pad: bool,
    burst: &[RxFrame<'_>],
    copies: &[Outgoing],
) -> Fates {
    let mut fates = Vec::new();
    Dispatcher::new().send(
        port,
        capabilities,
        pad,
        burst,
        copies,
        &mut |copy, weight, fate| fates.push((copy.frame, weight, fate)),
    );
    fates
}

pub(super) fn plain(bytes: &[u8]) -> Gather {
    Gather::new(bytes, 12, None, None).unwrap()
}

#[test]
fn a_whole_frame_leaves_as_its_gather_says() {
    let bytes: Vec<u8> = (0..100).collect();
    let vlan = VlanTag {
        tpid: 0x8100,
        tci: 7,
    };
    let gather = Gather::new(&bytes, 12, None, Some(vlan)).unwrap();
    let mut port = Recorder::default();
    let fates = send(
        &mut port,
        &WITH_OFFLOAD,
        true,
        &[whole(&bytes)],
        &[copy(0, gather)],
    );
    let expected = [&bytes[..12], &[0x81, 0, 0, 7], &bytes[12..]].concat();
    assert_eq!(port.frames, [(expected, Offload::NONE)]);
    assert_eq!(fates, [(0, Weight::one(104), Ok(()))]);
}

#[test]
fn a_short_frame_is_padded_with_zeros_where_asked() {
    let bytes = [5; 20];
    for (pad, length) in [(false, 20), (true, 60)] {
        let mut port = Recorder::default();
        let fates = send(
            &mut port,
            &WITH_OFFLOAD,
            pad,
            &[whole(&bytes)],
            &[copy(0, plain(&bytes))],
        );
        let mut expected = vec![5; 20];
        expected.resize(length, 0);
        assert_eq!(port.frames[0].0, expected);
        assert_eq!(fates[0].1.octets, 60);
    }
}

#[test]
fn more_copies_than_a_burst_all_leave_in_order() {
    let bytes = [[1; 60], [2; 60]];
    let burst = [whole(&bytes[0]), whole(&bytes[1])];
    let copies: Vec<_> = (0..200)
        .map(|n| copy(n % 2, plain(&bytes[usize::from(n % 2)])))
        .collect();
    let mut port = Recorder::default();
    let fates = send(&mut port, &WITH_OFFLOAD, false, &burst, &copies);
    assert_eq!(fates.len(), 200);
    for (n, (frame, _)) in port.frames.iter().enumerate() {
        assert_eq!(frame[0], 1 + (n % 2) as u8);
    }
}

#[test]
fn each_refusal_is_told_of_its_own_copy() {
    let bytes = [1; 60];
    let burst = [whole(&bytes); 3];
    let copies: Vec<_> = (0..3).map(|n| copy(n, plain(&bytes))).collect();
    let mut port = Recorder {
        refuse: Some(|n| (n == 1).then_some(Refusal::Full)),
        ..Recorder::default()
    };
    let fates = send(&mut port, &WITH_OFFLOAD, false, &burst, &copies);
    let fates: Vec<_> = fates
        .iter()
        .map(|(frame, _, fate)| (*frame, *fate))
        .collect();
    assert_eq!(
        fates,
        [(0, Ok(())), (1, Err(DropReason::TxFull)), (2, Ok(()))]
    );
}

#[test]
fn a_copy_of_no_frame_is_counted_as_an_error() {
    let bytes = [1; 60];
    let copies = [
        copy(9, plain(&bytes)),
        copy(0, Gather::new(&bytes, 50, None, None).unwrap()),
    ];
    let mut port = Recorder::default();
    let fates = send(
        &mut port,
        &WITH_OFFLOAD,
        false,
        &[whole(&bytes[..20])],
        &copies,
    );
    assert!(port.frames.is_empty());
    assert_eq!(fates.len(), 2);
    assert!(fates.iter().all(|fate| fate.2 == Err(DropReason::TxError)));
}

fn shape() -> impl Strategy<Value = Shape> {
    (any::<bool>(), any::<bool>(), 0usize..=2, 600u16..1400).prop_map(|(ipv6, udp, vlans, size)| {
        Shape {
            ipv6,
            udp,
            vlans,
            size,
        }
    })
}

fn total(fates: &Fates) -> Weight {
    fates.iter().fold(
        Weight {
            frames: 0,
            octets: 0,
        },
        |sum, (_, weight, _)| Weight {
            frames: sum.frames + weight.frames,
            octets: sum.octets + weight.octets,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_oversized_frame_is_cut_for_a_port_without_offload_and_its_weights_add_up(
        shape in shape(),
        length in 0usize..60_000,
        refuse_some in any::<bool>(),
    ) {
        let frame = oversized(shape, (0..length).map(|n| n as u8).collect());
        let received = frame.frame();
        let mut port = Recorder {
            refuse: refuse_some.then_some(|n| (n % 3 == 0).then_some(Refusal::Full)),
            ..Recorder::default()
        };
        let copies = [copy(0, plain(&frame.bytes))];
        let fates = send(&mut port, &WITHOUT_OFFLOAD, true, &[received], &copies);
        prop_assert_eq!(total(&fates), received.weight(0).unwrap());
        let sent: Fates = fates.iter().filter(|fate| fate.2.is_ok()).copied().collect();
        prop_assert_eq!(total(&sent).frames as usize, port.frames.len());
        let payload: Vec<u8> = port.frames.iter().flat_map(|(frame, offload)| {
            assert!(offload.is_none());
            judged(frame)
        }).collect();
        if !refuse_some {
            prop_assert_eq!(payload, frame.payload);
        }
    }

    #[test]
    fn behind_a_vntag_a_frame_is_cut_and_its_checksums_stay_unfinished(
        shape in shape(),
        length in 0usize..10_000,
    ) {
        let frame = oversized(shape, vec![7; length]);
        let copies = [Outgoing { uncounted: 6, ..copy(0, tagged(&frame.bytes)) }];
        let mut port = Recorder::default();
        let fates = send(&mut port, &WITH_OFFLOAD, false, &[frame.frame()], &copies);
        prop_assert_eq!(total(&fates), frame.frame().weight(0).unwrap());
        for (bytes, offload) in port.frames {
            prop_assert_eq!(offload.segmentation, None);
            let mut bytes = bytes;
            let (at, sum) = finish(&bytes, offload.checksum.unwrap()).unwrap();
            bytes[at..at + 2].copy_from_slice(&sum);
            prop_assert_eq!(&bytes[12..14], &[0x89, 0x26][..]);
            bytes.drain(12..18);
            judged(&bytes);
        }
    }

    #[test]
    fn an_unfinished_checksum_is_finished_for_a_port_without_offload(
        shape in shape(),
        length in 0usize..1400,
    ) {
        let mut frame = oversized(shape, vec![7; length]);
        frame.offload.segmentation = None;
        let at = frame.offload.checksum.unwrap();
        let at = usize::from(at.start + at.offset);
        // What a kernel leaves is the sum of the pseudo-header: what a right checksum makes up for.
        let start = usize::from(frame.offload.checksum.unwrap().start);
        let pseudo = naive(&frame.bytes[start..]);
        frame.bytes[at..at + 2].copy_from_slice(&pseudo.to_be_bytes());
        let mut port = Recorder::default();
        let copies = [copy(0, plain(&frame.bytes)), copy(0, plain(&frame.bytes))];
        let fates = send(&mut port, &WITHOUT_OFFLOAD, true, &[frame.frame()], &copies);
        prop_assert_eq!(fates.len(), 2);
        for (bytes, offload) in &port.frames {
            prop_assert!(offload.is_none());
            prop_assert_eq!(judged(&bytes[..frame.bytes.len()]), frame.payload.clone());
        }
    }
}

fn tagged(bytes: &[u8]) -> Gather {
    Gather::new(bytes, 12, Some(VnTag::from_word(5)), None).unwrap()
}

#[test]
fn an_oversized_frame_leaves_whole_by_a_port_with_offload() {
    let shape = Shape {
        ipv6: false,
        udp: false,
        vlans: 0,
        size: 1400,
    };
    let frame = oversized(shape, vec![1; 40_000]);
    let vlan = VlanTag {
        tpid: 0x8100,
        tci: 7,
    };
    let gather = Gather::new(&frame.bytes, 12, None, Some(vlan)).unwrap();
    let mut wire = Wire::new(WireOptions::default()).unwrap();
    let fates = send(
        &mut *wire.a.tx,
        &wire.a.capabilities,
        true,
        &[frame.frame()],
        &[copy(0, gather)],
    );
    assert_eq!(fates.len(), 1);
    let mut burst = ArrayVec::new();
    wire.b.rx.receive(&mut burst).unwrap();
    let [received] = &burst[..] else { panic!() };
    assert_eq!(received.bytes, frame.bytes);
    assert_eq!(received.offload, frame.offload);
    assert_eq!(received.weight(0).unwrap(), fates[0].1);
}

#[test]
fn segments_longer_than_the_device_takes_are_refused_whole() {
    let shape = Shape {
        ipv6: false,
        udp: false,
        vlans: 0,
        size: 1460,
    };
    let frame = oversized(shape, vec![1; 40_000]);
    let mut port = Recorder::default();
    let copies = [copy(0, plain(&frame.bytes))];
    let fates = send(&mut port, &WITH_OFFLOAD, true, &[frame.frame()], &copies);
    let weight = frame.frame().weight(0).unwrap();
    assert_eq!(fates, [(0, weight, Err(DropReason::MtuExceeded))]);
}

#[test]
fn metadata_that_lies_is_never_passed_on() {
    let shape = Shape {
        ipv6: false,
        udp: true,
        vlans: 0,
        size: 1000,
    };
    let mut frame = oversized(shape, vec![1; 100]);
    frame.offload = Offload {
        checksum: Some(crate::Checksum {
            start: 8,
            offset: 0,
        }),
        segmentation: None,
    };
    let copies = [copy(0, plain(&frame.bytes))];
    for capabilities in [WITH_OFFLOAD, WITHOUT_OFFLOAD] {
        let mut port = Recorder::default();
        let fates = send(&mut port, &capabilities, false, &[frame.frame()], &copies);
        assert!(port.frames.is_empty());
        assert_eq!(fates[0].2, Err(DropReason::BadOffload));
    }
}

/// What marking makes of a frame: other octets at the start of its IP header, and the checksum that goes with them.
fn marked(bytes: &[u8], shape: Shape, class: u8) -> (Vec<u8>, niv::Rewrite) {
    let at = 14 + 4 * shape.vlans;
    let mut out = bytes.to_vec();
    let checksum = if shape.ipv6 {
        out[at] = 0x60 | class >> 4;
        out[at + 1] = class << 4 | out[at + 1] & 0xF;
        None
    } else {
        out[at + 1] = class;
        out[at + 10..at + 12].fill(0);
        let sum = naive(&out[at..at + 20]).to_be_bytes();
        out[at + 10..at + 12].copy_from_slice(&sum);
        Some(sum)
    };
    let start = [out[at], out[at + 1]];
    let at = at as u16;
    let rewrite = niv::Rewrite {
        at,
        start,
        checksum,
    };
    (out, rewrite)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Complete, with an unfinished checksum, or oversized; to a guest, to a wire, or behind a VNTag.
    #[test]
    fn a_marked_copy_leaves_as_if_the_frame_had_come_so(
        shape in shape(),
        length in 1usize..9_000,
        class: u8,
        undone in 0u8..3,
        way in 0u8..3,
    ) {
        let mut frame = oversized(shape, vec![7; if undone == 2 { length } else { length % 1200 }]);
        if undone < 2 {
            frame.offload.segmentation = None;
        }
        if undone == 0 {
            frame.offload = Offload::NONE;
        }
        let (other, rewrite) = marked(&frame.bytes, shape, class);
        let (capabilities, gather, uncounted): (_, fn(&[u8]) -> Gather, _) = match way {
            0 => (WITH_OFFLOAD, plain, 0),
            1 => (WITHOUT_OFFLOAD, plain, 0),
            _ => (WITH_OFFLOAD, tagged, 6),
        };
        let leave = |bytes: &[u8], edit| {
            let received = RxFrame { bytes, ..frame.frame() };
            let copies = [Outgoing { uncounted, edit, ..copy(0, gather(bytes)) }];
            let mut port = Recorder::default();
            let fates = send(&mut port, &capabilities, true, &[received], &copies);
            (port.frames, fates)
        };
        let edit = crate::Edit { rewrite: Some(rewrite), segments: None };
        prop_assert_eq!(leave(&frame.bytes, edit), leave(&other, crate::Edit::NONE));
    }

    #[test]
    fn of_an_oversized_frame_the_first_so_many_segments_leave(
        shape in shape(),
        length in 2_000usize..30_000,
        first in 1u16..30,
        offload: bool,
    ) {
        let frame = oversized(shape, (0..length).map(|n| n as u8).collect());
        let leave = |capabilities: &Capabilities, segments| {
            let edit = crate::Edit { rewrite: None, segments };
            let copies = [Outgoing { edit, ..copy(0, plain(&frame.bytes)) }];
            let mut port = Recorder::default();
            let fates = send(&mut port, capabilities, false, &[frame.frame()], &copies);
            (port.frames, total(&fates))
        };
        let (all, _) = leave(&WITHOUT_OFFLOAD, None);
        prop_assume!(usize::from(first) < all.len());
        let capabilities = if offload { WITH_OFFLOAD } else { WITHOUT_OFFLOAD };
        let (some, weight) = leave(&capabilities, std::num::NonZeroU16::new(first));
        let octets: usize = all.iter().take(first.into()).map(|(bytes, _)| bytes.len().max(60)).sum();
        prop_assert_eq!(weight, Weight { frames: first.into(), octets: octets as u32 });
        for ((bytes, left), (expected, _)) in some.into_iter().zip(all) {
            let mut bytes = bytes;
            if let Some(checksum) = left.checksum {
                let (at, sum) = finish(&bytes, checksum).unwrap();
                bytes[at..at + 2].copy_from_slice(&sum);
            }
            prop_assert_eq!(bytes, expected);
        }
    }
}

#[test]
fn a_mark_for_another_frame_than_it_was_made_for_is_an_error() {
    let bytes = [7; 60];
    for at in [0, 11, 49, 58, 4_000] {
        let rewrite = Some(niv::Rewrite {
            at,
            start: [0x45, 0],
            checksum: Some([0, 0]),
        });
        let edit = crate::Edit {
            rewrite,
            segments: None,
        };
        let mut port = Recorder::default();
        let copies = [Outgoing {
            edit,
            ..copy(0, plain(&bytes))
        }];
        let fates = send(
            &mut port,
            &WITHOUT_OFFLOAD,
            false,
            &[whole(&bytes)],
            &copies,
        );
        assert_eq!(
            fates,
            [(0, Weight::one(60), Err(DropReason::TxError))],
            "{at}"
        );
        assert!(port.frames.is_empty());
    }
}
