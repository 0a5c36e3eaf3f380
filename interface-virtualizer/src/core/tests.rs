//! The rules of design.md sections 5.2 to 5.4, one test each, named after the rule or its drop reason.

use super::{Account, UPLINK, Virtualizer, VnicId};
use niv::{Anomaly, Counters, DropReason, ListId, VifId, VlanTag, Weight};
use packet_io::{Checksum, Offload, Outgoing, RxFrame, Segmentation, SegmentationKind};
use proptest::prelude::*;

const A: u16 = 5;
const B: u16 = 6;
const C: u16 = 4095;

fn vif(id: u16) -> VifId {
    VifId::try_from(id).unwrap()
}

/// Three enabled vNICs, VIFs 5, 6 and 4095, and list 16 of all three.
fn virtualizer() -> Virtualizer {
    let mut iv = Virtualizer::default();
    for id in [A, B, C] {
        let vnic = iv.add(vif(id)).unwrap();
        iv.enable(vnic, true);
    }
    iv.set_list(ListId::try_from(16).unwrap(), vec![vif(A), vif(B), vif(C)]);
    iv
}

fn rx(bytes: &[u8]) -> RxFrame<'_> {
    RxFrame {
        bytes,
        vlan: None,
        offload: Offload::NONE,
        original_length: bytes.len() as u32,
    }
}

/// 60 octets from 02:..:0a to 02:..:0b, with `inner` from octet 12 on.
fn frame(inner: &[u8]) -> Vec<u8> {
    let mut octets = vec![2, 0, 0, 0, 0, 0xB, 2, 0, 0, 0, 0, 0xA];
    octets.extend_from_slice(inner);
    octets.resize(octets.len().max(60), 0);
    octets
}

/// A downlink frame with an IPv4 type behind the tag.
fn down(word: u32) -> Vec<u8> {
    let mut inner = vec![0x89, 0x26];
    inner.extend(word.to_be_bytes());
    inner.extend([8, 0, 0x45]);
    frame(&inner)
}

const DOWN: u32 = 1 << 31;
const LIST: u32 = 1 << 30;
const LOOPED: u32 = 1 << 15;

const fn to(dvif: u16) -> u32 {
    (dvif as u32) << 16
}

/// Where the copies went, and their octets.
fn give(iv: &mut Virtualizer, port: Account, frame: &RxFrame<'_>) -> Vec<(Account, Vec<u8>)> {
    let mut out = Vec::new();
    iv.receive(port.port(), 0, frame, &mut out);
    out.iter()
        .map(|copy: &Outgoing| {
            let mut octets = copy.gather.head.as_bytes().to_vec();
            octets.extend_from_slice(&frame.bytes[usize::from(copy.gather.skip)..]);
            assert_eq!(u32::from(copy.port.0), copy.account);
            (Account::of(copy.port), octets)
        })
        .collect()
}

fn vnic(index: u16) -> Account {
    Account::Vnic(VnicId(index))
}

/// Nothing comes out, and the one frame is counted under `reason`.
fn dropped(iv: &mut Virtualizer, port: Account, frame: &RxFrame<'_>, reason: DropReason) {
    let before = iv.counters(port).ingress.dropped.get(reason);
    assert_eq!(give(iv, port, frame), [], "{reason}");
    assert_eq!(
        iv.counters(port).ingress.dropped.get(reason),
        before + 1,
        "{reason}"
    );
    assert_eq!(iv.total().imbalance().ingress, 0);
}

#[test]
fn a_vnic_frame_leaves_by_the_uplink_with_its_vif_and_all_else_zero() {
    let mut iv = virtualizer();
    let bytes = frame(&[8, 0, 0x45]);
    let out = give(&mut iv, vnic(1), &rx(&bytes));
    let mut expected = bytes[..12].to_vec();
    expected.extend([0x89, 0x26, 0, 0, 0, B as u8]);
    expected.extend(&bytes[12..]);
    assert_eq!(out, [(Account::Uplink, expected)]);
}

#[test]
fn the_guests_own_vlan_tag_goes_inside_the_vntag() {
    let mut iv = virtualizer();
    let bytes = frame(&[8, 0, 0x45]);
    let vlan = Some(VlanTag {
        tpid: 0x8100,
        tci: 0x6064,
    });
    let out = give(&mut iv, vnic(0), &RxFrame { vlan, ..rx(&bytes) });
    assert_eq!(
        out[0].1[12..24],
        [0x89, 0x26, 0, 0, 0, A as u8, 0x81, 0, 0x60, 0x64, 8, 0]
    );
    let inline = frame(&[0x81, 0, 0x60, 0x64, 8, 0]);
    let out = give(&mut iv, vnic(0), &rx(&inline));
    assert_eq!(
        out[0].1[12..24],
        [0x89, 0x26, 0, 0, 0, A as u8, 0x81, 0, 0x60, 0x64, 8, 0]
    );
}

#[test]
fn vif_disabled() {
    let mut iv = virtualizer();
    iv.enable(VnicId(0), false);
    let bytes = frame(&[8, 0]);
    dropped(&mut iv, vnic(0), &rx(&bytes), DropReason::VifDisabled);
    let never_added = Account::Vnic(VnicId(77));
    dropped(&mut iv, never_added, &rx(&bytes), DropReason::VifDisabled);
}

#[test]
fn guest_tag() {
    let mut iv = virtualizer();
    for tag in [[0x89, 0x26], [0x89, 0x3F]] {
        for tags in 0..=4 {
            let mut inner = [0x81, 0, 0, 1].repeat(tags);
            inner.extend(tag);
            inner.extend([0; 12]);
            dropped(&mut iv, vnic(0), &rx(&frame(&inner)), DropReason::GuestTag);
        }
        let mut inner = [0x88, 0xA8, 0, 1].repeat(3);
        inner.extend(tag);
        inner.extend([0; 12]);
        let vlan = Some(VlanTag {
            tpid: 0x8100,
            tci: 1,
        });
        let bytes = frame(&inner);
        dropped(
            &mut iv,
            vnic(0),
            &RxFrame { vlan, ..rx(&bytes) },
            DropReason::GuestTag,
        );
    }
    let bytes = frame(&[8, 0, 0x45]);
    for tpid in [0x8926, 0x893F] {
        let vlan = Some(VlanTag { tpid, tci: 0 });
        let tagged = RxFrame { vlan, ..rx(&bytes) };
        dropped(&mut iv, vnic(0), &tagged, DropReason::GuestTag);
    }
}

#[test]
fn too_many_tags() {
    let mut iv = virtualizer();
    let mut inner = [0x81, 0, 0, 1].repeat(5);
    inner.extend([8, 0]);
    dropped(
        &mut iv,
        vnic(0),
        &rx(&frame(&inner)),
        DropReason::TooManyTags,
    );
    let mut behind = down(DOWN | to(A))[12..18].to_vec();
    behind.extend(&inner);
    dropped(
        &mut iv,
        Account::Uplink,
        &rx(&frame(&behind)),
        DropReason::TooManyTags,
    );
}

#[test]
fn bad_offload() {
    let mut iv = virtualizer();
    let bytes = frame(&[0x88, 0xB5, 0x45]);
    let segmentation = Some(Segmentation {
        kind: SegmentationKind::Tcp4,
        size: 100,
        ecn: false,
    });
    let checksum = Some(Checksum {
        start: 34,
        offset: 16,
    });
    let offload = Offload {
        checksum,
        segmentation,
    };
    dropped(
        &mut iv,
        vnic(0),
        &RxFrame {
            offload,
            ..rx(&bytes)
        },
        DropReason::BadOffload,
    );
    let bytes = down(DOWN | to(A));
    dropped(
        &mut iv,
        Account::Uplink,
        &RxFrame {
            offload,
            ..rx(&bytes)
        },
        DropReason::BadOffload,
    );
}

#[test]
fn truncated() {
    let mut iv = virtualizer();
    let bytes = frame(&[8, 0]);
    let cut = RxFrame {
        original_length: 61,
        ..rx(&bytes)
    };
    dropped(&mut iv, vnic(0), &cut, DropReason::Truncated);
    let bytes = down(DOWN | to(A));
    let cut = RxFrame {
        original_length: 61,
        ..rx(&bytes)
    };
    dropped(&mut iv, Account::Uplink, &cut, DropReason::Truncated);
}

#[test]
fn a_downlink_frame_reaches_the_vnic_it_names_without_its_tag() {
    let mut iv = virtualizer();
    let bytes = down(DOWN | to(B) | LOOPED | u32::from(A));
    let mut expected = bytes[..12].to_vec();
    expected.extend(&bytes[18..]);
    assert_eq!(
        give(&mut iv, Account::Uplink, &rx(&bytes)),
        [(vnic(1), expected)]
    );
}

#[test]
fn control_is_consumed_whatever_its_length() {
    let mut iv = virtualizer();
    for control in [[0x89, 0x40], [0x88, 0xCC]] {
        for length in 14..=60 {
            let bytes = &frame(&control)[..length];
            assert_eq!(give(&mut iv, Account::Uplink, &rx(bytes)), []);
        }
    }
    assert_eq!(iv.counters(Account::Uplink).ingress.consumed, 2 * 47);
}

#[test]
fn control_behind_a_vlan_tag_is_untagged_data() {
    let mut iv = virtualizer();
    let vlan = Some(VlanTag {
        tpid: 0x8100,
        tci: 1,
    });
    let bytes = frame(&[0x89, 0x40]);
    dropped(
        &mut iv,
        Account::Uplink,
        &RxFrame { vlan, ..rx(&bytes) },
        DropReason::Untagged,
    );
}

#[test]
fn untagged() {
    let mut iv = virtualizer();
    dropped(
        &mut iv,
        Account::Uplink,
        &rx(&frame(&[8, 0])),
        DropReason::Untagged,
    );
    dropped(
        &mut iv,
        Account::Uplink,
        &rx(&frame(&[0x89, 0x3F])),
        DropReason::Untagged,
    );
    let mut behind = vec![0x81, 0, 0, 1];
    behind.extend(&down(DOWN | to(A))[12..]);
    dropped(
        &mut iv,
        Account::Uplink,
        &rx(&frame(&behind)),
        DropReason::Untagged,
    );
    let vlan = Some(VlanTag {
        tpid: 0x8100,
        tci: 1,
    });
    let bytes = down(DOWN | to(A));
    dropped(
        &mut iv,
        Account::Uplink,
        &RxFrame { vlan, ..rx(&bytes) },
        DropReason::Untagged,
    );
}

#[test]
fn runt() {
    let mut iv = virtualizer();
    let bytes = down(DOWN | to(A));
    for length in 14..=20 {
        dropped(
            &mut iv,
            Account::Uplink,
            &rx(&bytes[..length]),
            DropReason::Runt,
        );
    }
    assert_eq!(give(&mut iv, Account::Uplink, &rx(&bytes[..21])).len(), 1);
    for length in 0..14 {
        dropped(&mut iv, vnic(0), &rx(&bytes[..length]), DropReason::Runt);
        dropped(
            &mut iv,
            Account::Uplink,
            &rx(&bytes[..length]),
            DropReason::Runt,
        );
    }
}

#[test]
fn bad_version() {
    let mut iv = virtualizer();
    for version in 1..=3 {
        let bytes = down(DOWN | to(A) | version << 12);
        dropped(
            &mut iv,
            Account::Uplink,
            &rx(&bytes),
            DropReason::BadVersion,
        );
    }
    // Before the direction.
    dropped(
        &mut iv,
        Account::Uplink,
        &rx(&down(1 << 12)),
        DropReason::BadVersion,
    );
}

#[test]
fn wrong_direction() {
    let mut iv = virtualizer();
    dropped(
        &mut iv,
        Account::Uplink,
        &rx(&down(to(A))),
        DropReason::WrongDirection,
    );
}

#[test]
fn the_reserved_bit_is_ignored_and_counted() {
    let mut iv = virtualizer();
    let bytes = down(DOWN | to(A) | 1 << 14);
    assert_eq!(give(&mut iv, Account::Uplink, &rx(&bytes)).len(), 1);
    assert_eq!(
        iv.counters(Account::Uplink)
            .anomalies
            .get(Anomaly::ReservedBit),
        1
    );
}

#[test]
fn unknown_vif() {
    let mut iv = virtualizer();
    iv.enable(VnicId(1), false);
    for dvif in (0..=0x3FFF).filter(|id| ![A, C].contains(id)) {
        dropped(
            &mut iv,
            Account::Uplink,
            &rx(&down(DOWN | to(dvif))),
            DropReason::UnknownVif,
        );
    }
}

#[test]
fn self_delivery() {
    let mut iv = virtualizer();
    let bytes = down(DOWN | to(A) | LOOPED | u32::from(A));
    dropped(
        &mut iv,
        Account::Uplink,
        &rx(&bytes),
        DropReason::SelfDelivery,
    );
}

#[test]
fn without_the_looped_bit_the_source_is_not_read() {
    let mut iv = virtualizer();
    let bytes = down(DOWN | to(A) | u32::from(A));
    assert_eq!(give(&mut iv, Account::Uplink, &rx(&bytes)).len(), 1);
    let bytes = down(DOWN | LIST | to(16) | u32::from(A));
    assert_eq!(give(&mut iv, Account::Uplink, &rx(&bytes)).len(), 3);
}

#[test]
fn a_list_reaches_each_member_but_the_looped_sender() {
    let mut iv = virtualizer();
    let bytes = down(DOWN | LIST | to(16) | LOOPED | u32::from(B));
    let reached: Vec<Account> = give(&mut iv, Account::Uplink, &rx(&bytes))
        .into_iter()
        .map(|(to, _)| to)
        .collect();
    assert_eq!(reached, [vnic(0), vnic(2)]);
    let uplink = iv.counters(Account::Uplink).ingress;
    assert_eq!((uplink.flooded, uplink.copies), (1, 2));
}

#[test]
fn unknown_list() {
    let mut iv = virtualizer();
    for list in [0, 1, 15, 17, A, 0x3FFF] {
        let bytes = down(DOWN | LIST | to(list));
        dropped(
            &mut iv,
            Account::Uplink,
            &rx(&bytes),
            DropReason::UnknownList,
        );
    }
}

#[test]
fn no_member() {
    let mut iv = virtualizer();
    iv.set_list(ListId::try_from(17).unwrap(), vec![vif(A)]);
    iv.set_list(ListId::try_from(18).unwrap(), vec![]);
    let alone = down(DOWN | LIST | to(17) | LOOPED | u32::from(A));
    dropped(&mut iv, Account::Uplink, &rx(&alone), DropReason::NoMember);
    dropped(
        &mut iv,
        Account::Uplink,
        &rx(&down(DOWN | LIST | to(18))),
        DropReason::NoMember,
    );
}

#[test]
fn nested_tag() {
    let mut iv = virtualizer();
    for tags in 0..=4 {
        for tag in [[0x89, 0x26], [0x89, 0x3F]] {
            let mut inner = down(DOWN | to(A))[12..18].to_vec();
            inner.extend([0x81, 0, 0, 1].repeat(tags));
            inner.extend(tag);
            dropped(
                &mut iv,
                Account::Uplink,
                &rx(&frame(&inner)),
                DropReason::NestedTag,
            );
        }
    }
}

#[test]
fn the_virtualizer_never_switches_between_its_own_vnics() {
    let mut iv = virtualizer();
    // 02:..:0b was heard from vNIC 1; a frame to it from vNIC 0 goes up all the same.
    let mut from_b = frame(&[8, 0]);
    from_b[5] = 0xA;
    from_b[11] = 0xB;
    give(&mut iv, vnic(1), &rx(&from_b));
    let out = give(&mut iv, vnic(0), &rx(&frame(&[8, 0])));
    assert_eq!(
        out.iter().map(|(to, _)| *to).collect::<Vec<_>>(),
        [Account::Uplink]
    );
}

#[test]
fn two_vnics_of_one_link_never_share_a_vif() {
    let mut iv = virtualizer();
    assert!(iv.add(vif(A)).is_err());
}

#[test]
fn a_planted_uncounted_drop_is_seen() {
    let mut iv = virtualizer();
    let bytes = frame(&[8, 0]);
    let mut out = Vec::new();
    iv.receive(vnic(0).port(), 0, &rx(&bytes), &mut out);
    assert_eq!(iv.total().imbalance().egress, 1);
    iv.fate(&out[0], Weight::one(60), Ok(()));
    assert_eq!(iv.total().imbalance(), Default::default());
}

proptest! {
    /// Any octets on any port: no panic, one disposition, and every copy goes where it may.
    #[test]
    fn every_frame_is_accounted_for(
        frames in proptest::collection::vec(
            (0u16..5, proptest::collection::vec(any::<u8>(), 0..80), any::<u32>(), 0..4u8),
            1..50,
        ),
    ) {
        let mut iv = virtualizer();
        for (port, mut bytes, word, shape) in frames {
            if shape > 0 && bytes.len() >= 18 {
                bytes[12..14].copy_from_slice(&[0x89, 0x26]);
                bytes[14..18].copy_from_slice(&(word & !(shape as u32 & 1) << 12).to_be_bytes());
            }
            let port = niv::PortId(port);
            let mut out = Vec::new();
            iv.receive(port, 0, &rx(&bytes), &mut out);
            for copy in &out {
                prop_assert_ne!(copy.port, port);
                prop_assert!(port == UPLINK || copy.port == UPLINK);
                iv.fate(copy, Weight::one(60), Ok(()));
            }
        }
        let total: Counters = iv.total();
        prop_assert_eq!(total.imbalance(), Default::default());
    }
}
