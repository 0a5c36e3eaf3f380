//! One test for each rule of `docs/forwarding.md`, named after it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect is to stop there"
)]

mod lab;

use lab::{Lab, access, broadcast, mac, plain, trunk, veth, vlan};
use niv::{Anomaly, DropReason, VlanTag, Weight};
use packet_io::{Checksum, Offload, Segmentation, SegmentationKind};
use vis::switch::{PortState, TableParameters, VlanPolicy};

/// Two NIV links (devices 0 and 1) with two vEths each (VIFs 5, 6 and 5, 6), two plain ports (devices
/// 2 and 3), all access in VLAN 10.
fn lab() -> Lab {
    Lab::new(vec![
        veth(0, 0, 5),
        veth(1, 0, 6),
        veth(2, 1, 5),
        veth(3, 1, 6),
        plain(4, 2),
        plain(5, 3),
    ])
}

/// Ethernet from `source` to `destination`, IPv4, `payload` octets long.
fn ethernet(destination: u8, source: u8, payload: usize) -> Vec<u8> {
    lab::ethernet(mac(destination), mac(source), &[0x08, 0x00], payload)
}

/// The same with `tag` put in after the addresses.
fn insert(frame: &[u8], tag: &[u8]) -> Vec<u8> {
    [&frame[..12], tag, &frame[12..]].concat()
}

/// As an interface virtualizer sends it.
fn uplink(vif: u16, frame: &[u8]) -> Vec<u8> {
    let [a, b] = vif.to_be_bytes();
    insert(frame, &[0x89, 0x26, 0, 0, a, b])
}

/// The reason the only frame received was dropped for at port `index`, nothing having been sent.
fn refused(lab: &Lab, index: u16, reason: DropReason) {
    assert_eq!(lab.sent, [], "{reason}");
    assert_eq!(
        lab.port(index).ingress.dropped.iter().collect::<Vec<_>>(),
        [(reason, 1)]
    );
}

fn refused_at_link(lab: &Lab, device: u16, reason: DropReason) {
    assert_eq!(lab.sent, [], "{reason}");
    let dropped = &lab.link(device).ingress.dropped;
    assert_eq!(dropped.iter().collect::<Vec<_>>(), [(reason, 1)]);
}

#[test]
fn a_frame_to_a_vif_on_another_link_is_tagged_for_that_vif_alone() {
    let mut lab = lab();
    lab.receive(1, &uplink(6, &broadcast(3)));
    lab.sent.clear();
    lab.receive(0, &uplink(5, &ethernet(3, 1, 50)));
    let tag = [0x89, 0x26, 0x80, 6, 0, 0];
    assert_eq!(lab.sent, [(1, insert(&ethernet(3, 1, 50), &tag))]);
}

#[test]
fn a_hairpin_says_looped_and_names_its_source() {
    let mut lab = lab();
    lab.receive(0, &uplink(6, &broadcast(2)));
    lab.sent.clear();
    lab.receive(0, &uplink(5, &ethernet(2, 1, 50)));
    let tag = [0x89, 0x26, 0x80, 6, 0x80, 5];
    assert_eq!(lab.sent, [(0, insert(&ethernet(2, 1, 50), &tag))]);
}

#[test]
fn a_vntag_never_leaves_by_a_plain_port() {
    let mut lab = lab();
    lab.receive(2, &broadcast(9));
    lab.sent.clear();
    lab.receive(0, &uplink(5, &ethernet(9, 1, 50)));
    assert_eq!(lab.sent, [(2, ethernet(9, 1, 50))]);
}

#[test]
fn a_broadcast_goes_exactly_once_to_each_member_but_the_sender() {
    let mut lab = lab();
    lab.change(|topology| topology.ports[3].vlan = access(20));
    let frame = broadcast(1);
    lab.receive(0, &uplink(5, &frame));
    let down = |dvif, svif: [u8; 2]| insert(&frame, &[0x89, 0x26, 0x80, dvif, svif[0], svif[1]]);
    assert_eq!(
        lab.sent,
        [
            (0, down(6, [0x80, 5])),
            (1, down(5, [0, 0])),
            (2, frame.clone()),
            (3, frame.clone()),
        ]
    );
    assert_eq!(lab.port(0).ingress.flooded, 1);
    assert_eq!(lab.port(0).ingress.copies, 4);
}

#[test]
fn an_unknown_destination_is_flooded_and_a_known_one_is_not() {
    let mut lab = lab();
    lab.receive(2, &ethernet(3, 9, 50));
    assert_eq!(lab.sent.len(), 5);
    lab.sent.clear();
    lab.receive(3, &ethernet(9, 8, 50));
    assert_eq!(lab.sent, [(2, ethernet(9, 8, 50))]);
    assert_eq!(lab.port(5).ingress.forwarded, 1);
}

#[test]
fn same_port_a_frame_never_returns_to_its_bridge_port() {
    for (device, wrap) in [
        (0, (|f| uplink(5, f)) as fn(&[u8]) -> Vec<u8>),
        (2, <[u8]>::to_vec),
    ] {
        let mut lab = lab();
        lab.receive(device, &wrap(&broadcast(1)));
        lab.sent.clear();
        lab.receive(device, &wrap(&ethernet(1, 2, 50)));
        let index = if device == 0 { 0 } else { 4 };
        refused(&lab, index, DropReason::SamePort);
    }
}

#[test]
fn all_4096_svif_values_from_a_link_that_owns_16() {
    let mut ports: Vec<_> = (0..16).map(|i| veth(i, 0, 100 + i)).collect();
    ports.push(plain(16, 2));
    let mut lab = Lab::new(ports);
    for svif in 0..4096u16 {
        let [a, b] = svif.to_be_bytes();
        let source = [2, 0xAA, 0, 0, a, b];
        let frame = lab::ethernet([0xFF; 6], source, &[8, 0], 46);
        let before = lab.sent.len();
        lab.receive(0, &uplink(svif, &frame));
        let owned = (100..116).contains(&svif);
        assert_eq!(
            lab.sent.len() - before,
            if owned { 16 } else { 0 },
            "{svif}"
        );
        lab.sent.truncate(before);
    }
    let dropped = lab.link(0).ingress.dropped;
    assert_eq!(
        dropped.iter().collect::<Vec<_>>(),
        [(DropReason::VifZero, 1), (DropReason::VifNotOwned, 4079)]
    );
    assert_eq!(
        (0..16).map(|i| lab.port(i).ingress.flooded).sum::<u64>(),
        16
    );
    let learned: Vec<_> = lab
        .addresses()
        .iter()
        .map(|e| (e.mac.0[5], e.slot.index))
        .collect();
    assert_eq!(
        learned,
        (0..16).map(|i| (100 + i as u8, i)).collect::<Vec<_>>()
    );
}

#[test]
fn a_vif_means_nothing_on_another_link() {
    let mut lab = Lab::new(vec![veth(0, 0, 5), veth(1, 1, 6)]);
    lab.receive(1, &uplink(5, &broadcast(1)));
    refused_at_link(&lab, 1, DropReason::VifNotOwned);
}

#[test]
fn control_is_taken_only_untagged() {
    for ethertype in [[0x89, 0x40], [0x88, 0xCC]] {
        let frame = lab::ethernet([1, 0x80, 0xC2, 0, 0, 0], mac(1), &ethertype, 46);
        let mut here = lab();
        // Whatever its length.
        here.receive(0, &frame);
        here.receive(0, &frame[..14]);
        assert_eq!(here.link(0).ingress.consumed, 2);

        let mut here = lab();
        here.receive_tagged(0, 0x8100, 0, &frame);
        refused_at_link(&here, 0, DropReason::Untagged);

        // Inside a VNTag it is a guest's.
        let mut here = lab();
        here.receive(0, &uplink(5, &frame));
        assert_eq!(here.link(0).ingress.consumed, 0);
        assert_eq!(here.port(0).ingress.consumed, 1);
        let mut group = frame.clone();
        group[..6].copy_from_slice(&[0xFF; 6]);
        here.receive(0, &uplink(5, &group));
        assert_eq!(here.sent.len(), 5);
    }
}

#[test]
fn untagged() {
    let plain = ethernet(2, 1, 50);
    let behind_a_vlan_tag = insert(&uplink(5, &plain), &[0x81, 0, 0, 10]);
    let etag = insert(&plain, &[0x89, 0x3F, 0, 0, 0, 5, 0, 0]);
    for frame in [&plain[..], &behind_a_vlan_tag, &etag, &plain[..13], &[]] {
        let mut lab = lab();
        lab.receive(0, frame);
        refused_at_link(&lab, 0, DropReason::Untagged);
    }
    let mut lab = lab();
    lab.receive_tagged(0, 0x8100, 10, &uplink(5, &plain));
    refused_at_link(&lab, 0, DropReason::Untagged);
}

#[test]
fn runt() {
    let frame = uplink(5, &ethernet(2, 1, 50));
    for length in 14..=20 {
        let mut lab = lab();
        lab.receive(0, &frame[..length]);
        refused_at_link(&lab, 0, DropReason::Runt);
    }
    let mut here = lab();
    here.receive(0, &frame[..21]);
    assert_eq!(here.link(0).ingress.dropped.total(), 0);
    assert_eq!(here.sent.len(), 5);

    // A frame that ends with its VLAN tags is as empty.
    let tagged = insert(&ethernet(2, 1, 50), &[0x81, 0, 0, 10]);
    for length in 0..=18 {
        let mut lab = lab();
        lab.receive(2, &tagged[..length]);
        refused(&lab, 4, DropReason::Runt);
    }
    for length in 15..=18 {
        let mut lab = lab();
        lab.receive(0, &uplink(5, &tagged[..length]));
        refused(&lab, 0, DropReason::Runt);
    }
}

/// Receives one frame whose tag is `word`, and expects it to be dropped at the link.
fn bad_word(word: u32, reason: DropReason) {
    let mut lab = lab();
    let tag = [&[0x89, 0x26][..], &word.to_be_bytes()].concat();
    lab.receive(0, &insert(&ethernet(2, 1, 50), &tag));
    refused_at_link(&lab, 0, reason);
}

#[test]
fn bad_version() {
    for version in 1..4 {
        bad_word(version << 12 | 5, DropReason::BadVersion);
        // The version is looked at first: the rest may mean something else.
        bad_word(0xC000_8000 | version << 12, DropReason::BadVersion);
    }
}

#[test]
fn wrong_direction() {
    bad_word(0x8000_0005, DropReason::WrongDirection);
    bad_word(0xC000_8000, DropReason::WrongDirection);
}

#[test]
fn uplink_list() {
    bad_word(0x4000_0005, DropReason::UplinkList);
    bad_word(0x4000_8000, DropReason::UplinkList);
}

#[test]
fn uplink_looped() {
    bad_word(0x0000_8005, DropReason::UplinkLooped);
    bad_word(0x0000_8000, DropReason::UplinkLooped);
}

#[test]
fn vif_zero() {
    bad_word(0, DropReason::VifZero);
}

#[test]
fn vif_not_owned() {
    bad_word(7, DropReason::VifNotOwned);
}

#[test]
fn reserved_bit_and_uplink_destination_are_ignored_and_counted() {
    let mut lab = lab();
    for word in [0x0000_4005u32, 0x0007_0005] {
        let tag = [&[0x89, 0x26][..], &word.to_be_bytes()].concat();
        lab.receive(0, &insert(&broadcast(1), &tag));
    }
    assert_eq!(lab.sent.len(), 10);
    let anomalies: Vec<_> = lab.port(0).anomalies.iter().collect();
    assert_eq!(
        anomalies,
        [(Anomaly::ReservedBit, 1), (Anomaly::UplinkDestination, 1)]
    );
}

const NIV_TAGS: [&[u8]; 2] = [&[0x89, 0x26, 0, 0, 0, 6], &[0x89, 0x3F, 0, 0, 0, 6, 0, 0]];

#[test]
fn nested_tag() {
    for tag in NIV_TAGS {
        for vlans in 0..=4 {
            let mut frame = insert(&broadcast(1), tag);
            for _ in 0..vlans {
                frame = insert(&frame, &[0x81, 0, 0, 10]);
            }
            let mut lab = lab();
            lab.receive(0, &uplink(5, &frame));
            refused(&lab, 0, DropReason::NestedTag);
        }
    }
}

#[test]
fn tag_on_plain_port() {
    for tag in NIV_TAGS {
        for vlans in 0..=4 {
            let mut frame = insert(&broadcast(1), tag);
            for _ in 0..vlans {
                frame = insert(&frame, &[0x88, 0xA8, 0, 10]);
            }
            let mut here = lab();
            here.receive(2, &frame);
            refused(&here, 4, DropReason::TagOnPlainPort);
            if vlans < 4 {
                let mut here = lab();
                here.receive_tagged(2, 0x8100, 10, &frame);
                refused(&here, 4, DropReason::TagOnPlainPort);
            }
        }
    }
}

#[test]
fn too_many_tags() {
    let mut frame = broadcast(1);
    for _ in 0..5 {
        frame = insert(&frame, &[0x81, 0, 0, 10]);
    }
    let mut here = lab();
    here.receive(2, &frame);
    refused(&here, 4, DropReason::TooManyTags);
    let mut here = lab();
    here.receive(0, &uplink(5, &frame));
    refused(&here, 0, DropReason::TooManyTags);
    let mut here = lab();
    here.receive_tagged(2, 0x8100, 10, &[&frame[..12], &frame[16..]].concat());
    refused(&here, 4, DropReason::TooManyTags);
}

#[test]
fn truncated() {
    for (device, frame) in [(0, uplink(5, &broadcast(1))), (2, broadcast(1))] {
        let mut lab = lab();
        lab.receive_cut(device, &frame, 1500);
        let index = if device == 0 { 0 } else { 4 };
        refused(&lab, index, DropReason::Truncated);
        let octets = if device == 0 { 1494 } else { 1500 };
        assert_eq!(lab.port(index).ingress.received.octets, octets);
    }
}

#[test]
fn bad_offload() {
    for (device, frame) in [(0, uplink(5, &broadcast(1))), (2, broadcast(1))] {
        let mut lab = lab();
        let offload = Offload {
            checksum: Some(Checksum {
                start: 34,
                offset: 500,
            }),
            segmentation: None,
        };
        lab.receive_with(device, &frame, offload);
        refused(
            &lab,
            if device == 0 { 0 } else { 4 },
            DropReason::BadOffload,
        );
    }
}

#[test]
fn shut_and_profile_incomplete() {
    for (state, reason) in [
        (PortState::Shut, DropReason::Shut),
        (PortState::ProfileIncomplete, DropReason::ProfileIncomplete),
    ] {
        let mut lab = lab();
        lab.change(|topology| topology.ports[0].state = state);
        lab.receive(0, &uplink(5, &broadcast(1)));
        refused(&lab, 0, reason);
        assert_eq!(lab.addresses(), []);
        // And nothing is flooded to it.
        lab.receive(2, &broadcast(9));
        assert_eq!(lab.sent.len(), 4);
        assert!(
            lab.sent
                .iter()
                .all(|(device, frame)| *device != 0 || frame[15] != 5)
        );
    }
}

#[test]
fn a_device_that_is_nobodys_port_is_shut() {
    let mut lab = Lab::new(vec![veth(0, 0, 5), veth(1, 0, 6)]);
    for device in [1, 2, 7] {
        lab.receive(device, &broadcast(1));
    }
    assert_eq!(lab.sent, []);
    // Device 1 is a NIV port without VIFs; 2 a plain port without a bridge port; 7 is not known.
    assert_eq!(lab.link(1).ingress.dropped.get(DropReason::Untagged), 1);
    assert_eq!(lab.link(2).ingress.dropped.get(DropReason::Shut), 1);
    assert_eq!(lab.total().ingress.dropped.get(DropReason::Shut), 2);
}

#[test]
fn group_source() {
    let mut lab = lab();
    let source = [3, 0, 0, 0, 0, 1];
    lab.receive(2, &lab::ethernet([0xFF; 6], source, &[8, 0], 46));
    refused(&lab, 4, DropReason::GroupSource);
    assert_eq!(lab.addresses(), []);
}

#[test]
fn zero_source() {
    let mut lab = lab();
    lab.receive(2, &lab::ethernet([0xFF; 6], [0; 6], &[8, 0], 46));
    refused(&lab, 4, DropReason::ZeroSource);
    assert_eq!(lab.addresses(), []);
}

#[test]
fn link_local_is_consumed_and_never_forwarded() {
    let mut lab = lab();
    for last in 0..16 {
        let destination = [1, 0x80, 0xC2, 0, 0, last];
        let frame = lab::ethernet(destination, mac(1), &[0x88, 0x8E], 46);
        lab.receive(0, &uplink(5, &frame));
        lab.receive(2, &frame);
        // A VLAN the port may not use makes no difference.
        lab.receive_tagged(3, 0x8100, 99, &frame);
    }
    assert_eq!(lab.sent, []);
    for index in [0, 4, 5] {
        assert_eq!(lab.port(index).ingress.consumed, 16);
    }
    assert_eq!(lab.addresses(), []);
    lab.receive(
        2,
        &lab::ethernet([1, 0x80, 0xC2, 0, 0, 16], mac(1), &[8, 0], 46),
    );
    assert_eq!(lab.sent.len(), 5);
}

#[test]
fn vlan_not_allowed() {
    for vid in [10, 20, 4095] {
        let mut here = lab();
        here.receive_tagged(2, 0x8100, vid, &broadcast(1));
        refused(&here, 4, DropReason::VlanNotAllowed);
        let mut here = lab();
        let [a, b] = vid.to_be_bytes();
        here.receive(0, &uplink(5, &insert(&broadcast(1), &[0x81, 0, a, b])));
        refused(&here, 0, DropReason::VlanNotAllowed);
        assert_eq!(here.addresses(), []);
    }
}

#[test]
fn vlan_undefined() {
    let mut lab = lab();
    lab.change(|topology| topology.ports[4].vlan = trunk("10,99", None));
    lab.receive_tagged(2, 0x8100, 99, &broadcast(1));
    refused(&lab, 4, DropReason::VlanUndefined);
}

#[test]
fn vlan_inactive() {
    for policy in [access(30), trunk("30", None)] {
        let mut lab = lab();
        lab.change(|topology| {
            topology.inactive = "30".parse().unwrap();
            topology.ports[4].vlan = policy.clone();
        });
        match policy {
            VlanPolicy::Access(_) => lab.receive(2, &broadcast(1)),
            _ => lab.receive_tagged(2, 0x8100, 30, &broadcast(1)),
        }
        refused(&lab, 4, DropReason::VlanInactive);
    }
}

/// Double tagging: the outer tag is the native VLAN of a trunk, or none at all (VID 0), and the inner one that of whom the
/// sender may not reach.
#[test]
fn inner_tag() {
    let inner = [0x81, 0x00, 0x00, 20];
    for outer in [0, 10] {
        let mut lab = lab();
        lab.change(|topology| {
            topology.ports[4].vlan = trunk("10", Some(10));
            topology.ports[5].vlan = trunk("20", Some(10));
        });
        lab.receive(3, &broadcast(9));
        lab.sent.clear();
        let frame = insert(&ethernet(9, 1, 50), &inner);
        lab.receive_tagged(2, 0x8100, outer, &frame);
        assert_eq!(lab.sent, [], "{outer}");
        let dropped: Vec<_> = lab.port(5).egress.dropped.iter().collect();
        assert_eq!(dropped, [(DropReason::InnerTag, 1)], "{outer}");
    }
    // Behind a tag of ours it is payload.
    let mut lab = lab();
    lab.change(|topology| topology.ports[5].vlan = trunk("10", None));
    lab.receive_tagged(3, 0x8100, 10, &broadcast(9));
    lab.sent.clear();
    let frame = insert(&ethernet(9, 1, 50), &inner);
    lab.receive_tagged(2, 0x8100, 0, &frame);
    let sent = insert(&frame, &[0x81, 0x00, 0x00, 10]);
    assert_eq!(lab.sent, [(3, sent)]);
}

#[test]
fn service_tag() {
    for policy in [access(10), trunk("10", Some(20))] {
        let mut lab = lab();
        lab.change(|topology| topology.ports[4].vlan = policy.clone());
        lab.receive_tagged(2, 0x88A8, 10, &broadcast(1));
        refused(&lab, 4, DropReason::ServiceTag);
    }
}

#[test]
fn no_member() {
    let mut lab = lab();
    lab.change(|topology| topology.ports[0].vlan = access(20));
    lab.receive(0, &uplink(5, &broadcast(1)));
    refused(&lab, 0, DropReason::NoMember);
}

#[test]
fn not_member() {
    let mut lab = lab();
    lab.receive(2, &broadcast(9));
    lab.sent.clear();
    lab.change(|topology| topology.ports[4].vlan = access(20));
    lab.receive(3, &ethernet(9, 1, 50));
    dropped_on_the_way_out(&lab, 4, DropReason::NotMember);
}

#[test]
fn destination_shut() {
    let mut lab = lab();
    lab.receive(2, &broadcast(9));
    lab.sent.clear();
    lab.change(|topology| topology.ports[4].state = PortState::ProfileIncomplete);
    lab.receive(3, &ethernet(9, 1, 50));
    dropped_on_the_way_out(&lab, 4, DropReason::DestinationShut);
}

#[test]
fn a_port_that_is_shut_has_no_addresses() {
    for state in [PortState::Shut, PortState::ErrDisabled] {
        let mut lab = lab();
        lab.receive(2, &broadcast(9));
        lab.change(|topology| topology.ports[4].state = state);
        assert_eq!(lab.addresses(), []);
        // Whoever is looked for there may be elsewhere by now.
        lab.receive(3, &ethernet(9, 1, 50));
        assert_eq!(lab.port(5).ingress.flooded, 1);
        // And it learns again when it is open.
        lab.change(|topology| topology.ports[4].state = PortState::Forwarding);
        lab.receive(2, &broadcast(9));
        assert_eq!(lab.addresses().len(), 2);
    }
}

/// One frame was forwarded by the port with index 5 and dropped at `index`.
fn dropped_on_the_way_out(lab: &Lab, index: u16, reason: DropReason) {
    assert_eq!(lab.sent, [], "{reason}");
    assert_eq!(lab.port(5).ingress.forwarded, 1);
    let dropped: Vec<_> = lab.port(index).egress.dropped.iter().collect();
    assert_eq!(dropped, [(reason, 1)]);
}

#[test]
fn mtu_exceeded() {
    let mut lab = lab();
    lab.change(|topology| topology.ports[5].vlan = trunk("10", None));
    lab.receive(2, &broadcast(9));
    lab.sent.clear();
    // 1500 octets pass, whatever the outer tag takes.
    lab.receive_tagged(3, 0x8100, 10, &ethernet(9, 1, 1500));
    assert_eq!(lab.sent.len(), 1);
    lab.sent.clear();
    lab.receive_tagged(3, 0x8100, 10, &ethernet(9, 1, 1501));
    assert_eq!(lab.sent, []);
    let dropped = lab.port(4).egress.dropped;
    assert_eq!(dropped.get(DropReason::MtuExceeded), 1);
    // A second tag is payload.
    let inner = insert(&ethernet(9, 1, 1497), &[0x81, 0, 0, 7]);
    lab.receive_tagged(3, 0x8100, 10, &inner);
    assert_eq!(lab.sent, []);
}

#[test]
fn the_mtu_of_an_oversized_frame_is_that_of_its_segments() {
    for (segment, fits) in [(1460, true), (1461, false)] {
        let mut lab = lab();
        lab.receive(2, &broadcast(9));
        lab.sent.clear();
        let mut frame = ethernet(9, 1, 4000);
        frame[14] = 0x45;
        frame[16..18].copy_from_slice(&4000u16.to_be_bytes());
        frame[20..24].copy_from_slice(&[0, 0, 64, 6]);
        frame[46] = 0x50;
        lab.receive_with(3, &frame, tcp4(segment));
        assert_eq!(lab.sent.len(), usize::from(fits));
        let (sent, dropped) = (lab.port(4).egress.sent.frames, lab.port(4).egress.dropped);
        let expected = if fits { (3, 0) } else { (0, 3) };
        assert_eq!((sent, dropped.get(DropReason::MtuExceeded)), expected);
        assert_eq!(lab.port(5).ingress.forwarded, 3);
    }
}

fn tcp4(size: u16) -> Offload {
    Offload {
        checksum: Some(Checksum {
            start: 34,
            offset: 16,
        }),
        segmentation: Some(Segmentation {
            kind: SegmentationKind::Tcp4,
            size,
            ecn: false,
        }),
    }
}

#[test]
fn octets_leave_the_vntag_out_and_are_60_at_least() {
    let mut lab = lab();
    lab.receive(0, &uplink(5, &ethernet(2, 1, 100)));
    assert_eq!(lab.port(0).ingress.received.octets, 114);
    lab.receive(0, &uplink(6, &ethernet(1, 2, 5)));
    assert_eq!(lab.port(1).ingress.received.octets, 60);
    assert_eq!(lab.port(0).egress.sent.octets, 60);
    lab.receive_tagged(2, 0x8100, 0, &ethernet(1, 9, 100));
    assert_eq!(lab.port(4).ingress.received.octets, 118);
    assert_eq!(lab.port(0).egress.sent.octets, 60 + 114);
}

#[test]
fn the_vlan_tag_is_written_for_each_destination_anew() {
    let mut lab = lab();
    lab.change(|topology| {
        topology.ports[1].vlan = trunk("10", None);
        topology.ports[4].vlan = trunk("10,20", Some(20));
        topology.ports[5].vlan = trunk("20", Some(10));
    });
    let frame = broadcast(1);
    lab.receive_tagged(2, 0x8100, 10, &frame);
    let tagged = insert(&frame, &[0x81, 0, 0, 10]);
    assert_eq!(
        lab.sent,
        [
            (0, insert(&frame, &[0x89, 0x26, 0x80, 5, 0, 0])),
            (0, insert(&tagged, &[0x89, 0x26, 0x80, 6, 0, 0])),
            (1, insert(&frame, &[0x89, 0x26, 0x80, 5, 0, 0])),
            (1, insert(&frame, &[0x89, 0x26, 0x80, 6, 0, 0])),
            (3, frame.clone()),
        ]
    );
    // The inner tag of two is payload behind one of ours, and else stays here.
    lab.sent.clear();
    let inner = insert(&frame, &[0x81, 0, 0, 7]);
    lab.receive(0, &uplink(6, &insert(&inner, &[0x81, 0, 0, 10])));
    assert!(lab.sent.contains(&(2, insert(&inner, &[0x81, 0, 0, 10]))));
    assert_eq!(lab.sent.len(), 1);
}

#[test]
fn priority_survives_a_pop_only_where_trusted() {
    for (trust, first) in [(true, 0xB0), (false, 0)] {
        for vid in [0, 10] {
            let mut lab = lab();
            lab.change(|topology| {
                topology.ports[4].vlan = trunk("10", Some(10));
                topology.ports[4].policy.rates = lab::trusted(trust);
                topology.ports[5].vlan = trunk("10", None);
            });
            lab.receive_tagged(2, 0x8100, 0xB000 | vid, &broadcast(1));
            let copies: Vec<_> = lab.sent.iter().filter(|(device, _)| *device == 3).collect();
            assert_eq!(copies, [&(3, insert(&broadcast(1), &[0x81, 0, first, 10]))]);
        }
    }
}

#[test]
fn an_address_is_learned_in_the_frames_inner_vlan() {
    let mut lab = lab();
    lab.change(|topology| topology.ports[0].vlan = trunk("10,20", None));
    for vid in [10, 20] {
        lab.receive(0, &uplink(5, &insert(&broadcast(1), &[0x81, 0, 0, vid])));
    }
    let vlans: Vec<_> = lab.addresses().iter().map(|entry| entry.vlan).collect();
    assert_eq!(vlans, [vlan(10), vlan(20)]);
}

#[test]
fn only_frames_that_passed_policy_are_learned_from() {
    let mut lab = lab();
    lab.receive_tagged(2, 0x8100, 20, &broadcast(1));
    lab.receive(2, &insert(&broadcast(2), NIV_TAGS[0]));
    lab.receive_cut(2, &broadcast(3), 1500);
    assert_eq!(lab.addresses(), []);
}

#[test]
fn an_address_that_moves_too_often_stays_and_is_counted() {
    let mut lab = lab();
    for device in [2, 3, 2, 3, 2, 3] {
        lab.receive(device, &broadcast(9));
    }
    // At home.
    assert_eq!(lab.addresses()[0].slot.index, 4);
    assert_eq!(lab.port(5).anomalies.get(Anomaly::MoveDamped), 1);
    // The frame goes its way all the same.
    assert_eq!(lab.port(5).ingress.flooded, 3);
}

#[test]
fn a_full_table_is_counted_and_the_one_with_the_most_gives_one_up() {
    let mut lab = Lab::with_addresses(4, lab().topology.ports);
    for source in 1..=4 {
        lab.receive(2, &broadcast(source));
    }
    lab.receive(3, &broadcast(5));
    assert_eq!(lab.port(5).anomalies.get(Anomaly::TableFull), 1);
    let learned: Vec<_> = lab.addresses().iter().map(|e| e.mac.0[5]).collect();
    assert_eq!(learned, [2, 3, 4, 5]);
}

#[test]
fn ageing_forgets_and_the_next_frame_is_flooded() {
    let mut lab = lab();
    lab.change(|topology| {
        topology.table = TableParameters {
            ageing_seconds: 10,
            ..TableParameters::default()
        };
    });
    lab.receive(2, &broadcast(9));
    lab.wait(9_999);
    lab.sent.clear();
    lab.receive(3, &ethernet(9, 1, 50));
    assert_eq!(lab.sent.len(), 1);
    lab.wait(1);
    lab.receive(3, &ethernet(9, 1, 50));
    assert_eq!(lab.sent.len(), 1 + 5);
}

#[test]
fn the_next_holder_of_a_slot_gets_nothing_meant_for_the_one_before() {
    let mut lab = lab();
    lab.receive(2, &broadcast(9));
    lab.change(|topology| {
        topology.ports[4].slot.generation += 1;
        topology.ports[4].name = "another".into();
    });
    assert_eq!(lab.addresses(), []);
    assert_eq!(lab.port(4).ingress.received.frames, 0);
    lab.sent.clear();
    lab.receive(3, &ethernet(9, 1, 50));
    assert_eq!(lab.port(5).ingress.flooded, 1);
    // Nothing counted for the former holder is lost.
    assert_eq!(lab.total().ingress.received.frames, 2);
    assert_eq!(lab.total().imbalance(), niv::Imbalance::default());
}

#[test]
fn a_drop_that_nobody_counts_is_seen() {
    let mut lab = lab();
    lab.receive(2, &broadcast(9));
    assert_eq!(lab.total().imbalance(), niv::Imbalance::default());
    lab.receive_and_lose_a_copy(2, &broadcast(9));
    let imbalance = lab.total().imbalance();
    assert_eq!((imbalance.ingress, imbalance.egress), (0, 1));
    lab.switch.drop_copy(5, DropReason::TxFull, Weight::one(60));
    assert_eq!(lab.total().imbalance(), niv::Imbalance::default());
}

#[test]
fn a_vlan_tag_in_metadata_is_as_good_as_one_in_the_frame() {
    for vid in [0, 10, 20, 99, 4095] {
        let mut inline = lab();
        let mut metadata = lab();
        for lab in [&mut inline, &mut metadata] {
            lab.change(|topology| topology.ports[4].vlan = trunk("10,99", Some(20)));
        }
        let tag = VlanTag {
            tpid: 0x8100,
            tci: vid,
        };
        inline.receive(2, &insert(&broadcast(1), &tag.to_bytes()));
        metadata.receive_tagged(2, 0x8100, vid, &broadcast(1));
        assert_eq!(inline.sent, metadata.sent);
        assert_eq!(inline.port(4), metadata.port(4));
    }
}
