//! Long frames from guest to guest: pushed and sent on one link, perhaps passed on by another, delivered.

use super::tests::{Fates, Recorder, WITH_OFFLOAD, WITHOUT_OFFLOAD, copy, plain, send, whole};
use super::*;
use crate::long::admit;
use crate::offload::segment_tests::{judged, oversized, shapes};
use niv::Gather;
use proptest::prelude::*;
use vntag::VnTag;

/// A link of which so much is agreed.
fn link(longest: u32) -> Capabilities {
    Capabilities {
        long: longest,
        ..WITHOUT_OFFLOAD
    }
}

/// A guest's device, of an MTU above all segments here.
const GUEST: Capabilities = Capabilities {
    mtu: 9_000,
    ..WITH_OFFLOAD
};

fn tagged(frame: &RxFrame<'_>, skip: u16) -> Outgoing {
    let tag = Some(VnTag::from_word(0x8000_0000));
    Outgoing {
        uncounted: 6,
        ..copy(0, Gather::new(frame.bytes, skip, tag, None).unwrap())
    }
}

/// What leaves when one frame is sent as `copy` says.
fn sent(
    to: &Capabilities,
    frame: &RxFrame<'_>,
    copy: Outgoing,
) -> (Vec<(Vec<u8>, Offload)>, Fates) {
    let mut port = Recorder::default();
    let fates = send(&mut port, to, false, &[*frame], &[copy]);
    (port.frames, fates)
}

fn total(fates: &Fates) -> (u32, u32) {
    fates.iter().fold((0, 0), |(frames, octets), fate| {
        assert_eq!(fate.2, Ok(()));
        (frames + fate.1.frames, octets + fate.1.octets)
    })
}

/// Received from a link that carries long frames.
fn admitted(bytes: &[u8]) -> RxFrame<'_> {
    let mut frame = whole(bytes);
    admit(&mut frame, true);
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_links_carry_long_frames_guests_get_the_same(
        shape in shapes(),
        payload in proptest::collection::vec(any::<u8>(), 0..40_000),
        // The link to the switch, and the one from it: what they carry, if they carry long frames at all.
        up in prop_oneof![Just(0), 2_300u32..70_000],
        down in prop_oneof![Just(0), 2_300u32..70_000],
    ) {
        let guest = oversized(shape, payload);
        prop_assume!(guest.frame().weight(0).is_ok());
        let cut = sent(&WITHOUT_OFFLOAD, &guest.frame(), copy(0, plain(&guest.bytes)));
        let wire: Vec<_> = cut.0.into_iter().map(|(bytes, _)| bytes).collect();

        let (first, fates) = sent(&link(up), &guest.frame(), tagged(&guest.frame(), 12));
        prop_assert_eq!(total(&fates), total(&cut.1));
        let mut arrived = Vec::new();
        for (bytes, offload) in &first {
            prop_assert!(offload.is_none() && bytes.len() <= up.max(2300) as usize);
            prop_assert!(up > 0 || bytes.len() <= 2300);
            let at_switch = if up > 0 { admitted(bytes) } else { whole(bytes) };
            let (second, fates) = sent(&link(down), &at_switch, tagged(&at_switch, 18));
            let weight = at_switch.weight(6).unwrap();
            prop_assert_eq!(total(&fates), (weight.frames, weight.octets));
            arrived.extend(second.into_iter().map(|(bytes, _)| bytes));
        }
        // A guest whose device takes wire frames only gets what would have been cut at once.
        let mut got = Vec::new();
        let mut merged = Vec::new();
        for bytes in &arrived {
            let frame = if down > 0 { admitted(bytes) } else { whole(bytes) };
            let gather = || Gather::new(frame.bytes, 18, None, None).unwrap();
            let cut = sent(&WITHOUT_OFFLOAD, &frame, copy(0, gather())).0;
            got.extend(cut.into_iter().map(|(bytes, _)| bytes));
            // One whose device takes all gets unfinished frames that stand for the same.
            for (mut bytes, offload) in sent(&GUEST, &frame, copy(0, gather())).0 {
                prop_assert_eq!(offload.segmentation.is_some(), offload.checksum.is_some());
                if let Some(checksum) = offload.checksum {
                    let (at, sum) = finish(&bytes, checksum).unwrap();
                    bytes[at..at + 2].copy_from_slice(&sum);
                }
                merged.extend(judged(&bytes));
            }
        }
        prop_assert_eq!(&got, &wire);
        prop_assert_eq!(&merged, &guest.payload);
    }

    #[test]
    fn a_long_frame_with_a_wrong_checksum_reaches_no_guest_as_right(
        shape in shapes(),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let guest = oversized(shape, vec![7; 9_000]);
        prop_assume!(guest.frame().weight(0).is_ok());
        let (frames, _) = sent(&link(20_000), &guest.frame(), tagged(&guest.frame(), 12));
        let [(long, _)] = frames.as_slice() else { return Err(TestCaseError::reject("it was cut")) };
        let mut long = long.clone();
        // Within the payload.
        let place = long.len() - TRAILER - 1 - at.index(8_000);
        long[place] ^= 1 << bit;
        let frame = admitted(&long);
        let gather = Gather::new(frame.bytes, 18, None, None).unwrap();
        let (delivered, fates) = sent(&GUEST, &frame, copy(0, gather));
        prop_assert!(delivered.is_empty());
        prop_assert_eq!(fates[0].2, Err(DropReason::BadOffload));
    }
}

#[test]
fn a_jumbo_frame_crosses_a_link_of_long_frames_as_it_is() {
    let bytes = vec![3; 5_000];
    let frame = whole(&bytes);
    let (frames, _) = sent(&link(9_000), &frame, tagged(&frame, 12));
    assert_eq!(frames[0].0.len(), 5_000 + 6 + TRAILER);
    let frame = admitted(&frames[0].0);
    assert_eq!(frame.bytes.len(), 5_006);
    assert!(frame.offload.is_none());
}
