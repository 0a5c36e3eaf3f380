//! Policers and marking (`docs/forwarding.md`, "Rate and priority"): one test for each rule, named after it, on a vEth and
//! on a plain port alike.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect is to stop there"
)]

mod lab;

use lab::{Lab, broadcast, mac, plain, trunk, veth};
use niv::{DropReason, PortId};
use packet_io::{Checksum, Offload, RxFrame, Segmentation, SegmentationKind};
use policy::marking::{CosRule, DscpRule, Markdown, Marking};
use policy::rate::{AskedBurst, Awareness, BitRate, Burst, Configured, PerColor, Policer};
use std::num::NonZeroU16;
use std::sync::Arc;
use vis::switch::{ListPlan, RatePolicy, Topology, list_sets};

/// Devices 0 and 1 are NIV ports with VIFs 5 and 6 each, 2 and 3 plain ports; all access in VLAN 10.
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

/// A vEth and a plain port: slot, device, and how its frames arrive there.
const PARITY: [(u16, u16, Option<u16>); 2] = [(0, 0, Some(5)), (4, 2, None)];

fn arriving(vif: Option<u16>, frame: &[u8]) -> Vec<u8> {
    match vif {
        None => frame.to_vec(),
        Some(vif) => {
            let [a, b] = vif.to_be_bytes();
            [&frame[..12], &[0x89, 0x26, 0, 0, a, b], &frame[12..]].concat()
        }
    }
}

/// An octet in a millisecond, `burst` at once.
fn policer(burst: u32) -> Policer {
    let configured = Configured::Plain {
        rate: BitRate::new(8_000).unwrap(),
        burst: Some(Burst::new(burst).unwrap()),
    };
    Policer::new(configured, Awareness::Blind, PerColor::DROP_RED).unwrap()
}

fn set(topology: &mut Topology, slot: u16, rates: RatePolicy) {
    topology.ports[usize::from(slot)].policy.rates = Some(Arc::new(rates));
}

fn input(burst: u32) -> RatePolicy {
    RatePolicy {
        police_in: Some(policer(burst)),
        ..RatePolicy::default()
    }
}

fn output(burst: u32) -> RatePolicy {
    RatePolicy {
        police_out: Some(policer(burst)),
        ..RatePolicy::default()
    }
}

fn marking(marking: Marking) -> RatePolicy {
    RatePolicy {
        marking: Some(marking),
        ..RatePolicy::default()
    }
}

#[test]
fn policer_in() {
    for (slot, device, vif) in PARITY {
        let mut lab = lab();
        lab.change(|topology| set(topology, slot, input(130)));
        let frame = arriving(vif, &broadcast(1));
        for _ in 0..3 {
            lab.receive(device, &frame);
        }
        assert_eq!(lab.port(slot).ingress.flooded, 2);
        assert_eq!(lab.port(slot).ingress.dropped.get(DropReason::PolicerIn), 1);
        assert_eq!(lab.sent.len(), 2 * 5);
        // 10 of the 130 were left, and 50 ms bring the rest of a frame.
        lab.wait(49);
        lab.receive(device, &frame);
        assert_eq!(lab.port(slot).ingress.flooded, 2);
        lab.wait(1);
        lab.receive(device, &frame);
        assert_eq!(lab.port(slot).ingress.flooded, 3);
    }
}

#[test]
fn what_is_beyond_the_rate_is_not_learned_from() {
    let mut lab = lab();
    lab.change(|topology| set(topology, 4, input(60)));
    for source in [1, 2] {
        lab.receive(2, &broadcast(source));
    }
    assert_eq!(lab.addresses().len(), 1);
}

#[test]
fn policer_out() {
    for (slot, device, vif) in PARITY {
        let mut lab = lab();
        lab.receive(device, &arriving(vif, &broadcast(9)));
        lab.change(|topology| set(topology, slot, output(130)));
        lab.sent.clear();
        for _ in 0..3 {
            lab.receive(3, &lab::ethernet(mac(9), mac(8), &[8, 0], 46));
        }
        assert_eq!(lab.sent.len(), 2);
        let port = lab.port(slot);
        assert_eq!(port.egress.dropped.get(DropReason::PolicerOut), 1);
        assert_eq!(lab.port(5).ingress.forwarded, 3);
    }
}

#[test]
fn octets_on_the_way_out_are_those_that_leave() {
    // With a VLAN tag a frame of 100 octets has 104, and without its own 96.
    for (vlan, burst, passes) in [("10", 208, 2), ("10", 207, 1), ("", 192, 2), ("", 191, 1)] {
        let mut lab = lab();
        lab.receive(2, &broadcast(9));
        lab.change(|topology| {
            set(topology, 4, output(burst));
            topology.ports[5].vlan = trunk("10", Some(10));
            if !vlan.is_empty() {
                topology.ports[4].vlan = trunk(vlan, None);
            }
        });
        lab.sent.clear();
        for _ in 0..3 {
            let frame = lab::ethernet(mac(9), mac(8), &[8, 0], 82);
            if vlan.is_empty() {
                lab.receive_tagged(3, 0x8100, 10, &lab::ethernet(mac(9), mac(8), &[8, 0], 82));
            } else {
                lab.receive(3, &[&frame[..], &[0; 4]].concat());
            }
        }
        assert_eq!(lab.sent.len(), passes, "{burst}");
    }
}

/// The tag of a primary VLAN too, whatever secondary one a frame travels in.
#[test]
fn a_promiscuous_trunk_is_policed_by_the_octets_that_leave() {
    let vlans = lab::private_vlans(&[(100, Some(101), &[])]);
    for (burst, passes) in [(208, 2), (207, 1)] {
        let mut lab = lab();
        lab.change(|topology| {
            topology.vlans = "100,101".parse().unwrap();
            topology.private = Some(Arc::clone(&vlans));
            topology.ports[5].vlan = lab::host(&vlans, 101);
            topology.ports[4].vlan = lab::promiscuous_trunk(&vlans, "100", None, "101");
            set(topology, 4, output(burst));
        });
        for _ in 0..3 {
            lab.receive(3, &lab::ethernet(mac(9), mac(8), &[8, 0], 86));
        }
        assert_eq!(lab.sent.len(), passes, "{burst}");
        assert!(lab.sent.iter().all(|(_, octets)| octets.len() == 104));
    }
}

#[test]
fn who_is_policed_on_the_way_out_is_in_no_list() {
    let mut lab = lab();
    let lists = |topology: &Topology| -> Vec<ListPlan> {
        let sets = list_sets(topology).into_iter().zip(1u16..);
        let plan = |((device, members), id): ((PortId, Vec<_>), u16)| ListPlan {
            device,
            id: id.try_into().unwrap(),
            members,
        };
        sets.map(plan).collect()
    };
    lab.change(|topology| {
        topology.lists = lists(topology);
        assert_eq!(topology.lists.len(), 2);
    });
    lab.receive(2, &broadcast(1));
    assert_eq!(lab.sent.len(), 3, "two lists and a plain port");
    // A list of before, which still names it, is not used for it any more.
    lab.change(|topology| set(topology, 0, output(60)));
    lab.sent.clear();
    for _ in 0..2 {
        lab.receive(2, &broadcast(1));
    }
    assert_eq!(lab.sent.len(), (2 + 1 + 1) + (1 + 1 + 1));
    assert_eq!(lab.port(0).egress.dropped.get(DropReason::PolicerOut), 1);
    lab.change(|topology| topology.lists = lists(topology));
    assert_eq!(lab.topology.lists.len(), 1);
    // Of what it sends itself, a list's copy leaves nobody out.
    lab.sent.clear();
    lab.receive(0, &arriving(Some(5), &broadcast(1)));
    let octets: u64 = (1..6)
        .map(|slot| lab.port(slot).egress.output().frames)
        .sum();
    assert!(octets > 0);
    assert_eq!(lab.port(0).egress.dropped.get(DropReason::PolicerOut), 1);
}

/// IPv4 and TCP: 54 octets of headers.
fn tcp(destination: u8, payload: usize) -> Vec<u8> {
    let mut bytes = lab::ethernet(mac(destination), mac(8), &[8, 0], 40 + payload);
    bytes[14..54].fill(0);
    bytes[14] = 0x45;
    bytes[16..18].copy_from_slice(&(40 + payload as u16).to_be_bytes());
    bytes[23] = 6;
    bytes[46] = 0x50;
    bytes
}

const fn in_segments_of(size: u16) -> Offload {
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
fn of_an_oversized_frame_the_first_segments_pass() {
    let burst = 2 * 1054 + 500;
    for (slot, policy) in [(5, input(burst)), (4, output(burst))] {
        let mut lab = lab();
        lab.receive(2, &broadcast(9));
        lab.change(|topology| set(topology, slot, policy));
        // Four segments, the last of 154 octets.
        let bytes = tcp(9, 3_100);
        let frame = RxFrame {
            bytes: &bytes,
            vlan: None,
            offload: in_segments_of(1_000),
            original_length: bytes.len() as u32,
        };
        let mut out = Vec::new();
        let now = lab.time();
        let switch = &mut lab.switch;
        switch.receive(&lab.snapshot, now, PortId(3), 0, &frame, &mut out);
        let [copy] = out[..] else {
            unreachable!("{out:?}")
        };
        assert_eq!(copy.edit.segments, NonZeroU16::new(2));
        switch.sent(
            copy.account,
            niv::Weight {
                frames: 2,
                octets: 2 * 1054,
            },
        );
        assert!(lab.total().imbalance().is_zero());
        let (from, to) = (lab.port(5), lab.port(4));
        let dropped = (
            from.ingress.dropped.get(DropReason::PolicerIn),
            to.egress.dropped.get(DropReason::PolicerOut),
        );
        assert_eq!(dropped, if slot == 5 { (2, 0) } else { (0, 2) });
        assert_eq!(from.ingress.received.frames, 4);
        assert_eq!(from.ingress.forwarded, if slot == 5 { 2 } else { 4 });
    }
}

#[test]
fn a_changed_rate_is_in_force_at_once_and_grants_no_second_burst() {
    let mut lab = lab();
    lab.change(|topology| set(topology, 4, input(600)));
    for _ in 0..10 {
        lab.receive(2, &broadcast(1));
    }
    assert_eq!(lab.port(4).ingress.flooded, 10);
    // The bucket was empty, and is.
    lab.change(|topology| set(topology, 4, input(6_000)));
    lab.receive(2, &broadcast(1));
    assert_eq!(lab.port(4).ingress.flooded, 10);
    lab.wait(6_000);
    lab.change(|topology| set(topology, 4, input(60)));
    for _ in 0..2 {
        lab.receive(2, &broadcast(1));
    }
    assert_eq!(lab.port(4).ingress.flooded, 11);
    lab.change(|topology| topology.ports[4].policy.rates = None);
    for _ in 0..20 {
        lab.receive(2, &broadcast(1));
    }
    assert_eq!(lab.port(4).ingress.flooded, 31);
}

/// An IPv4 packet with this DSCP, its header checksum right.
fn ipv4(destination: u8, dscp: u8) -> Vec<u8> {
    let mut bytes = lab::ethernet(mac(destination), mac(8), &[8, 0], 46);
    bytes[14..34].copy_from_slice(&[
        0x45, 0, 0, 46, 0, 7, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ]);
    bytes[15] = dscp << 2 | 1;
    let sum = checksum(&bytes[14..34]).to_be_bytes();
    bytes[24..26].copy_from_slice(&sum);
    bytes
}

fn checksum(header: &[u8]) -> u16 {
    let words = header
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

/// From each kind of port to each kind, unicast, flood and list.
#[test]
fn a_dscp_is_rewritten_in_every_copy_and_its_checksum_follows() {
    let ef = Marking {
        dscp: DscpRule::Set(46u8.try_into().unwrap()),
        ..Marking::default()
    };
    for (slot, device, vif) in PARITY {
        for destination in [77, 9] {
            let mut lab = lab();
            lab.receive(3, &broadcast(9));
            lab.change(|topology| {
                set(topology, slot, marking(ef.clone()));
                topology.lists = vec![ListPlan {
                    device: PortId(1),
                    id: 3u16.try_into().unwrap(),
                    members: vec![5u16.try_into().unwrap(), 6u16.try_into().unwrap()],
                }];
            });
            lab.sent.clear();
            lab.receive(device, &arriving(vif, &ipv4(destination, 0)));
            let expected = ipv4(destination, 46);
            assert!(!lab.sent.is_empty());
            for (device, octets) in &lab.sent {
                let behind = if *device < 2 { 18 } else { 12 };
                assert_eq!(octets[behind..], expected[12..], "device {device}");
            }
        }
    }
}

#[test]
fn cos_is_kept_set_or_follows_the_dscp() {
    let cos = |number: u8| policy::Cos::try_from(number).unwrap();
    let cases = [
        (Marking::default(), 0),
        (Marking::trusting_cos(), 5),
        (Marking::trusting_dscp(), 2),
        (Marking::untrusted(), 0),
        (
            Marking {
                cos: CosRule::Set(cos(3)),
                ..Marking::trusting_cos()
            },
            3,
        ),
    ];
    for (slot, device, vif) in PARITY {
        for (rule, expected) in &cases {
            let mut lab = lab();
            lab.change(|topology| {
                topology.ports[usize::from(slot)].vlan = trunk("10", None);
                topology.ports[5].vlan = trunk("10", None);
                set(topology, slot, marking(rule.clone()));
            });
            let frame = ipv4(77, 18);
            let tagged = [&frame[..12], &[0x81, 0, 0xA0, 10], &frame[12..]].concat();
            lab.receive(device, &arriving(vif, &tagged));
            let (_, octets) = lab.sent.iter().find(|(device, _)| *device == 3).unwrap();
            assert_eq!(octets[12..16], [0x81, 0, expected << 5, 10], "{rule:?}");
        }
    }
}

#[test]
fn what_exceeds_the_committed_rate_is_marked_down() {
    let configured = Configured::SingleRate {
        committed: BitRate::new(8_000).unwrap(),
        burst: AskedBurst::Of(Burst::new(60).unwrap()),
        excess: AskedBurst::Of(Burst::new(60).unwrap()),
    };
    let policer = Policer::new(configured, Awareness::Blind, PerColor::DROP_RED).unwrap();
    let mut lab = lab();
    lab.change(|topology| {
        topology.ports[5].vlan = trunk("10", None);
        let rates = RatePolicy {
            police_in: Some(policer),
            marking: Some(Marking {
                markdown: Some(Markdown::default()),
                ..Marking::default()
            }),
            police_out: None,
        };
        set(topology, 4, rates);
    });
    for _ in 0..3 {
        // AF11, then as AF12 and drop eligible, then dropped.
        lab.receive(2, &ipv4(77, 10));
    }
    let sent = lab.sent.iter().filter(|(device, _)| *device == 3);
    let sent: Vec<_> = sent
        .map(|(_, octets)| (octets[14] >> 4, octets[19] >> 2))
        .collect();
    assert_eq!(sent, [(0, 10), (1, 12)]);
    assert_eq!(lab.port(4).ingress.dropped.get(DropReason::PolicerIn), 1);
}

/// A meter that believes frames takes for yellow what was marked so on the way in, and for green what was marked so.
#[test]
fn colours_on_the_way_out_are_those_that_leave() {
    let believing = {
        let configured = Configured::SingleRate {
            committed: BitRate::new(8_000_000).unwrap(),
            burst: AskedBurst::Default,
            excess: AskedBurst::Default,
        };
        let drops = PerColor {
            yellow: false,
            ..PerColor::DROP_RED
        };
        Policer::new(configured, Awareness::Aware, drops).unwrap()
    };
    let spent = {
        let configured = Configured::SingleRate {
            committed: BitRate::new(8).unwrap(),
            burst: AskedBurst::Zero,
            excess: AskedBurst::Of(Burst::new(1_000).unwrap()),
        };
        Policer::new(configured, Awareness::Blind, PerColor::DROP_RED).unwrap()
    };
    let marked_down = RatePolicy {
        police_in: Some(spent),
        marking: Some(Marking {
            markdown: Some(Markdown::default()),
            ..Marking::default()
        }),
        police_out: None,
    };
    let af11 = marking(Marking {
        dscp: DscpRule::Set(10u8.try_into().unwrap()),
        ..Marking::default()
    });
    // AF11 and best effort marked down, AF12 made AF11, and AF12 as it came.
    for (inward, dscp, passes) in [
        (marked_down.clone(), 10, false),
        (marked_down, 0, false),
        (af11, 12, true),
        (RatePolicy::default(), 12, false),
    ] {
        for (slot, device, vif) in PARITY {
            let mut lab = lab();
            lab.receive(3, &broadcast(9));
            lab.change(|topology| {
                set(topology, slot, inward.clone());
                let police_out = Some(believing);
                set(
                    topology,
                    5,
                    RatePolicy {
                        police_out,
                        ..RatePolicy::default()
                    },
                );
            });
            lab.sent.clear();
            lab.receive(device, &arriving(vif, &ipv4(9, dscp)));
            assert_eq!(lab.sent.len(), usize::from(passes), "{inward:?} {dscp}");
        }
    }
}

#[test]
fn each_block_of_the_document_is_taken_as_it_stands() {
    let text = include_str!("../../docs/profiles/rate.md");
    let blocks = text.split("```").skip(1).step_by(2);
    let mut taken = 0;
    for block in blocks.filter(|block| block.trim_start().starts_with("port-profile")) {
        let read = vis::config::parse(block, "rate.md").map(|(config, _)| config.profiles.len());
        assert!(read.is_ok_and(|profiles| profiles > 0), "{block}");
        taken += 1;
    }
    assert_eq!(taken, 3);
}
