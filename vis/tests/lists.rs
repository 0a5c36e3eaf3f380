//! Floods by VIF lists (`docs/forwarding.md`, "Floods by lists"): what leaves, and that it reaches whom unicast
//! copies would have reached. Rule tests are named after their rules.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it does not expect is to stop there"
)]

mod lab;
#[allow(dead_code, reason = "only its virtualizers are used")]
mod model;

use lab::{Lab, access, broadcast, mac, plain, trunk, veth};
use model::{Copy, Leaving};
use niv::{DropReason, ListId, PortId, VifId, Weight};
use packet_io::{Offload, RxFrame};
use proptest::prelude::*;
use std::collections::BTreeSet;
use vis::switch::{ListPlan, PortPlan, PortState, Topology, VlanPolicy, list_sets};

/// VIFs 1, 2 and 3 on link 0, 1 and 2 on link 1, and a plain port, all access in VLAN 10.
fn ports() -> Vec<PortPlan> {
    vec![
        veth(0, 0, 1),
        veth(1, 0, 2),
        veth(2, 0, 3),
        veth(3, 1, 1),
        veth(4, 1, 2),
        plain(5, 2),
    ]
}

/// List 7 on link 0 and list 8 on link 1 hold exactly everybody in VLAN 10.
fn lab() -> Lab {
    let mut lab = Lab::new(ports());
    lab.change(|topology| topology.lists = vec![list(0, 7, &[1, 2, 3]), list(1, 8, &[1, 2])]);
    lab
}

fn list(device: u16, id: u16, members: &[u16]) -> ListPlan {
    ListPlan {
        device: PortId(device),
        id: id.try_into().unwrap(),
        members: members.iter().map(|&vif| vif.try_into().unwrap()).collect(),
    }
}

/// A frame as an interface virtualizer sends it.
fn from(vif: u16, frame: &[u8]) -> Vec<u8> {
    marked(u32::from(vif), frame)
}

fn marked(word: u32, frame: &[u8]) -> Vec<u8> {
    let word = word.to_be_bytes();
    [&frame[..12], &[0x89, 0x26], &word, &frame[12..]].concat()
}

/// What the switch sends for the members of a list: p=1, and l=1 with its source's VIF, or neither.
fn to_list(id: u16, looped: Option<u16>, frame: &[u8]) -> Vec<u8> {
    let l = looped.map_or(0, |svif| 0x8000 | u32::from(svif));
    marked(0xC000_0000 | u32::from(id) << 16 | l, frame)
}

fn to_vif(vif: u16, looped: Option<u16>, frame: &[u8]) -> Vec<u8> {
    let l = looped.map_or(0, |svif| 0x8000 | u32::from(svif));
    marked(0x8000_0000 | u32::from(vif) << 16 | l, frame)
}

fn output(lab: &Lab) -> Vec<u64> {
    (0..lab.topology.ports.len() as u16)
        .map(|index| lab.port(index).egress.output().frames)
        .collect()
}

#[test]
fn a_flood_leaves_once_per_link_and_names_its_sender_where_it_came_from() {
    for (destination, what) in [
        ([0xFF; 6], "broadcast"),
        ([0x33, 0x33, 0, 0, 0, 1], "multicast"),
        (mac(99), "unknown unicast"),
    ] {
        let mut lab = lab();
        let frame = lab::ethernet(destination, mac(1), &[0x08, 0x00], 46);
        lab.receive(0, &from(2, &frame));
        let expected = [
            (0, to_list(7, Some(2), &frame)),
            (1, to_list(8, None, &frame)),
            (2, frame),
        ];
        assert_eq!(lab.sent, expected, "{what}");
    }
}

#[test]
fn from_a_plain_port_no_list_copy_names_a_sender() {
    let mut lab = lab();
    lab.receive(2, &broadcast(1));
    let expected = [
        (0, to_list(7, None, &broadcast(1))),
        (1, to_list(8, None, &broadcast(1))),
    ];
    assert_eq!(lab.sent, expected);
}

#[test]
fn a_list_that_is_not_confirmed_is_not_used() {
    let mut lab = Lab::new(ports());
    lab.receive(0, &from(2, &broadcast(1)));
    let expected = [
        (0, to_vif(1, Some(2), &broadcast(1))),
        (0, to_vif(3, Some(2), &broadcast(1))),
        (1, to_vif(1, None, &broadcast(1))),
        (1, to_vif(2, None, &broadcast(1))),
        (2, broadcast(1)),
    ];
    assert_eq!(lab.sent, expected);
}

#[test]
fn a_list_that_differs_by_one_member_is_not_used() {
    let wrong: [&[u16]; 5] = [&[1, 2], &[1, 2, 4], &[1, 2, 3, 4], &[1, 2, 3, 4095], &[]];
    for members in wrong {
        let mut lab = Lab::new(ports());
        lab.change(|topology| topology.lists = vec![list(0, 7, members)]);
        lab.receive(1, &from(1, &broadcast(1)));
        let to_0 = [1, 2, 3].map(|vif| (0, to_vif(vif, None, &broadcast(1))));
        assert_eq!(lab.sent[..3], to_0, "{members:?}");
    }
}

#[test]
fn a_list_of_one_link_is_not_used_on_another() {
    let mut lab = Lab::new(ports());
    lab.change(|topology| topology.lists = vec![list(0, 8, &[1, 2]), list(2, 8, &[1, 2])]);
    lab.receive(0, &from(1, &broadcast(1)));
    assert!(lab.sent.contains(&(1, to_vif(1, None, &broadcast(1)))));
    assert!(lab.sent.contains(&(1, to_vif(2, None, &broadcast(1)))));
}

#[test]
fn a_number_that_means_two_sets_is_not_used() {
    let mut lab = Lab::new(ports());
    lab.change(|topology| topology.lists = vec![list(0, 7, &[1, 2, 3]), list(0, 7, &[1, 2])]);
    lab.receive(1, &from(1, &broadcast(1)));
    assert_eq!(lab.sent[0], (0, to_vif(1, None, &broadcast(1))));
    // Said twice in the same words it is no contradiction.
    lab.change(|topology| topology.lists = vec![list(0, 7, &[1, 2, 3]), list(0, 7, &[3, 2, 1])]);
    lab.sent.clear();
    lab.receive(1, &from(1, &broadcast(1)));
    assert_eq!(lab.sent[0], (0, to_list(7, None, &broadcast(1))));
}

#[test]
fn of_two_numbers_for_one_set_the_smaller_is_used() {
    let mut lab = Lab::new(ports());
    lab.change(|topology| topology.lists = vec![list(0, 9, &[1, 2, 3]), list(0, 7, &[1, 2, 3])]);
    lab.receive(1, &from(1, &broadcast(1)));
    assert_eq!(lab.sent[0], (0, to_list(7, None, &broadcast(1))));
}

#[test]
fn a_member_that_shuts_leaves_moves_or_changes_its_vlan_ends_the_use_of_its_list() {
    type Change = fn(&mut Vec<PortPlan>);
    let changes: [Change; 5] = [
        |ports| ports[2].state = PortState::Shut,
        |ports| ports[2].state = PortState::ProfileIncomplete,
        |ports| ports[2].vlan = access(20),
        |ports| ports[2].vlan = trunk("10", None),
        |ports| {
            ports.remove(2);
        },
    ];
    for change in changes {
        let mut lab = lab();
        lab.change(|topology| change(&mut topology.ports));
        lab.receive(1, &from(1, &broadcast(1)));
        assert_eq!(lab.sent[0], (0, to_vif(1, None, &broadcast(1))));
        assert_eq!(lab.sent[1], (0, to_vif(2, None, &broadcast(1))));
        let other = (1, to_list(8, Some(1), &broadcast(1)));
        assert!(lab.sent.contains(&other));
    }
}

#[test]
fn tagged_and_untagged_members_are_classes_of_their_own() {
    let mut ports = ports();
    ports.extend([veth(6, 0, 4), veth(7, 0, 5)]);
    for port in &mut ports[6..] {
        port.vlan = trunk("10", None);
    }
    let mut lab = Lab::new(ports);
    lab.change(|topology| {
        topology.lists = vec![
            list(0, 7, &[1, 2, 3]),
            list(0, 6, &[4, 5]),
            list(0, 5, &[1, 2, 3, 4, 5]),
        ];
    });
    let tagged = [&broadcast(1)[..12], &[0x81, 0, 0, 10], &broadcast(1)[12..]].concat();
    // From an untagged member: its own class leaves it out, and no other has it.
    lab.receive(0, &from(2, &broadcast(1)));
    assert!(lab.sent.contains(&(0, to_list(7, Some(2), &broadcast(1)))));
    assert!(lab.sent.contains(&(0, to_list(6, Some(2), &tagged))));
    assert_eq!(
        lab.sent.iter().filter(|(device, _)| *device == 0).count(),
        2
    );
    assert_eq!(output(&lab), [1, 0, 1, 1, 1, 1, 1, 1]);
    // From a tagged one.
    lab.sent.clear();
    lab.receive(0, &from(5, &tagged));
    assert!(lab.sent.contains(&(0, to_list(7, Some(5), &broadcast(1)))));
    assert!(lab.sent.contains(&(0, to_list(6, Some(5), &tagged))));
    assert_eq!(output(&lab), [2, 1, 2, 2, 2, 2, 2, 1]);
}

#[test]
fn a_frame_too_long_for_a_member_goes_by_unicast_copies() {
    let mut lab = lab();
    lab.change(|topology| topology.ports[2].mtu = 100);
    let frame = |payload| lab::ethernet([0xFF; 6], mac(1), &[0x08, 0x00], payload);
    lab.receive(1, &from(1, &frame(100)));
    assert_eq!(lab.sent[0], (0, to_list(7, None, &frame(100))));
    lab.sent.clear();

    lab.receive(1, &from(1, &frame(101)));
    let expected = [
        (0, to_vif(1, None, &frame(101))),
        (0, to_vif(2, None, &frame(101))),
        (1, to_list(8, Some(1), &frame(101))),
        (2, frame(101)),
    ];
    assert_eq!(lab.sent, expected);
    assert_eq!(lab.port(2).egress.dropped.get(DropReason::MtuExceeded), 1);
    assert_eq!(output(&lab), [2, 2, 1, 0, 2, 2]);
}

#[test]
fn one_member_is_no_list() {
    let mut lab = Lab::new(vec![veth(0, 0, 1), veth(1, 1, 1)]);
    lab.change(|topology| topology.lists = vec![list(0, 7, &[1]), list(1, 8, &[1])]);
    assert_eq!(list_sets(&lab.topology), BTreeSet::new());
    lab.receive(0, &from(1, &broadcast(1)));
    assert_eq!(lab.sent, [(1, to_vif(1, None, &broadcast(1)))]);
}

#[test]
fn a_set_is_named_once_whatever_vlans_share_it() {
    let mut ports = ports();
    for port in &mut ports[..2] {
        port.vlan = trunk("1,10,20", Some(1));
    }
    ports[4].state = PortState::Shut;
    let lab = Lab::new(ports);
    let vifs =
        |vifs: &[u16]| -> Vec<VifId> { vifs.iter().map(|&vif| vif.try_into().unwrap()).collect() };
    // VLAN 1 untagged, 10 and 20 tagged; VIF 3 is alone in its class, and so is VIF 1 on link 1.
    assert_eq!(
        list_sets(&lab.topology),
        BTreeSet::from([(PortId(0), vifs(&[1, 2]))])
    );
}

#[test]
fn a_list_copy_is_sent_once_and_is_every_members_output() {
    let mut lab = lab();
    lab.receive(0, &from(2, &broadcast(1)));
    lab.receive(1, &from(1, &broadcast(2)));
    assert_eq!(output(&lab), [2, 1, 2, 1, 2, 2]);
    for (index, octets) in (0..).zip([120, 60, 120, 60, 120]) {
        let egress = lab.port(index).egress;
        assert_eq!(egress.sent.frames, 0);
        assert_eq!(egress.listed.octets, octets);
    }
    // On the wire it is one frame, and the source of three copies made three.
    assert_eq!(lab.link(0).egress.sent.frames, 2);
    assert_eq!(lab.link(1).egress.sent.frames, 2);
    assert_eq!(lab.port(1).ingress.copies, 3);
    assert_eq!(lab.total().egress.sent.frames, 6);
    assert_eq!(lab.total().egress.listed.frames, 8);

    // A change of policy changes nothing that was counted; a new holder of a place begins at 0.
    lab.change(|topology| topology.lists.clear());
    assert_eq!(output(&lab), [2, 1, 2, 1, 2, 2]);
    lab.change(|topology| topology.ports[0].slot.generation = 1);
    assert_eq!(output(&lab), [0, 1, 2, 1, 2, 2]);
    assert_eq!(lab.total().egress.listed.frames, 8);
}

#[test]
fn a_list_copy_that_is_dropped_is_dropped_once_at_its_link() {
    let mut lab = lab();
    let frame = from(1, &broadcast(1));
    let received = RxFrame {
        bytes: &frame,
        vlan: None,
        offload: Offload::NONE,
        original_length: frame.len() as u32,
    };
    let mut out = Vec::new();
    let now = lab.time();
    lab.switch
        .receive(&lab.snapshot, now, PortId(1), 0, &received, &mut out);
    assert_eq!(out.len(), 3);
    for copy in &out {
        lab.switch
            .drop_copy(copy.account, DropReason::TxFull, Weight::one(60));
    }
    assert!(lab.total().imbalance().is_zero());
    assert_eq!(lab.link(0).egress.dropped.get(DropReason::TxFull), 1);
    assert_eq!(lab.link(1).egress.dropped.get(DropReason::TxFull), 1);
    assert_eq!(lab.total().egress.dropped.total(), 3);
    assert_eq!(output(&lab), [0; 6]);
}

#[test]
fn a_broadcast_to_4000_members_on_one_link_is_one_frame() {
    let mut lab = Lab::new((0..4000).map(|index| veth(index, 0, index + 1)).collect());
    let sets = list_sets(&lab.topology);
    assert_eq!(sets.len(), 1);
    let (device, members) = sets.into_iter().next().unwrap();
    let id = ListId::try_from(ListId::MAX).unwrap();
    lab.change(|topology| {
        topology.lists.push(ListPlan {
            device,
            id,
            members,
        });
    });
    lab.receive(0, &from(4000, &broadcast(1)));
    assert_eq!(
        lab.sent,
        [(0, to_list(ListId::MAX, Some(4000), &broadcast(1)))]
    );
    assert_eq!(lab.total().egress.listed.frames, 3999);
}

fn policy() -> impl Strategy<Value = VlanPolicy> {
    prop_oneof![
        5 => Just(access(10)),
        1 => Just(access(20)),
        2 => Just(trunk("10,20", None)),
        2 => Just(trunk("1-4094", Some(10))),
        1 => Just(trunk("10", Some(20))),
    ]
}

fn state() -> impl Strategy<Value = PortState> {
    prop_oneof![
        9 => Just(PortState::Forwarding),
        1 => Just(PortState::Opening),
        1 => Just(PortState::Shut)
    ]
}

/// Devices 0 and 1 have an interface virtualizer each, 2 and 3 are plain ports, in VLANs 10 and 20.
fn generated() -> impl Strategy<Value = Vec<PortPlan>> {
    let port = (
        0u16..2,
        policy(),
        state(),
        prop_oneof![9 => Just(1500u32), 1 => Just(100)],
    );
    prop::collection::vec(port, 2..40).prop_map(|ports| {
        let veths = (1u16..)
            .zip(ports)
            .map(|(number, (device, vlan, state, mtu))| PortPlan {
                vlan,
                state,
                mtu,
                // Not in the order of the slots.
                ..veth(number + 1, device, 4000 - number * 37 % 101)
            });
        [plain(0, 2), plain(1, 3)]
            .into_iter()
            .chain(veths)
            .collect()
    })
}

/// Who gets what of all that `lab` sent.
fn delivered(lab: &Lab) -> Vec<Copy> {
    let copies = lab.sent.iter().flat_map(|(device, octets)| {
        let leaving = Leaving {
            device: *device,
            octets,
            counted: 0,
        };
        model::deliver(&lab.topology, &leaving)
    });
    let mut copies: Vec<_> = copies.collect();
    copies.sort();
    copies
}

/// A list for each of `sets` that `chosen` says yes to.
fn confirmed(topology: &Topology, chosen: &[bool]) -> Vec<ListPlan> {
    let sets = list_sets(topology).into_iter().zip(chosen.iter().cycle());
    let chosen = sets.filter(|(_, chosen)| **chosen).map(|(set, _)| set);
    (1u16..)
        .zip(chosen)
        .map(|(id, (device, members))| ListPlan {
            device,
            id: id.try_into().unwrap(),
            members,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever lists there are, of now or of a policy that has changed since.
    #[test]
    fn a_flood_by_lists_reaches_exactly_whom_unicast_copies_reach(
        ports in generated(),
        chosen in prop::collection::vec(any::<bool>(), 1..9),
        changes in prop::collection::vec((any::<prop::sample::Index>(), policy(), state()), 0..3),
        frames in prop::collection::vec((any::<prop::sample::Index>(), 0u16..3, 46usize..140), 1..12),
    ) {
        let mut unicast = Lab::new(ports);
        let lists = confirmed(&unicast.topology, &chosen);
        for (which, vlan, state) in changes {
            unicast.change(|topology| {
                let port = which.index(topology.ports.len());
                topology.ports[port].vlan = vlan;
                topology.ports[port].state = state;
            });
        }
        let mut listed = Lab::new(unicast.topology.ports.clone());
        listed.change(|topology| topology.lists = lists);
        for (which, vlan, payload) in frames {
            let port = which.get(&unicast.topology.ports).clone();
            let mut frame = lab::ethernet([0xFF; 6], mac(1), &[0x08, 0x00], payload);
            if vlan > 0 {
                frame.splice(12..12, [0x81, 0x00, 0, vlan as u8 * 10]);
            }
            if let Some(vif) = port.vif {
                frame = from(vif.get(), &frame);
            }
            for lab in [&mut unicast, &mut listed] {
                lab.sent.clear();
                lab.receive(port.device.0, &frame);
            }
            prop_assert_eq!(delivered(&listed), delivered(&unicast));
        }
        for index in 0..unicast.topology.ports.len() as u16 {
            let (one, other) = (unicast.port(index), listed.port(index));
            prop_assert_eq!(one.egress.output(), other.egress.output());
            prop_assert_eq!(one.egress.dropped, other.egress.dropped);
        }
    }

    #[test]
    fn with_all_sets_confirmed_a_flood_leaves_once_per_link_and_class(
        ports in generated(),
        which in any::<prop::sample::Index>(),
    ) {
        let mut lab = Lab::new(ports);
        lab.change(|topology| topology.lists = confirmed(topology, &[true]));
        let port = which.get(&lab.topology.ports).clone();
        let frame = broadcast(1);
        match port.vif {
            Some(vif) => lab.receive(port.device.0, &from(vif.get(), &frame)),
            None => lab.receive(port.device.0, &frame),
        }
        // With or without an 802.1Q tag behind the VNTag.
        let classes: BTreeSet<_> = lab.sent.iter().map(|(device, octets)| (*device, octets[18..20] == [0x81, 0x00])).collect();
        prop_assert_eq!(classes.len(), lab.sent.len());
    }
}
