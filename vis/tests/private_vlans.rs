//! Private VLANs (`docs/forwarding.md`, "Private VLANs"): the textbook matrix through the whole switch, on vEths and plain
//! ports alike, with lists and without. Tests are named after their rules.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect is to stop there"
)]

mod lab;

use lab::{Lab, access, broadcast, host, mac, plain, promiscuous, promiscuous_trunk, trunk, veth};
use niv::{Anomaly, DropReason, Mac};
use policy::private_vlan::PrivateVlans;
use std::collections::BTreeSet;
use std::sync::Arc;
use vis::switch::{ListPlan, Slots, list_sets};

/// Private VLAN 100: 101 is isolated, 102 and 103 are communities.
const DOMAINS: &[(u16, Option<u16>, &[u16])] = &[(100, Some(101), &[102, 103])];

/// Ports 0 to 7: a promiscuous vEth, two isolated ones, two of each community, on two hosts; and an isolated vEth and a
/// promiscuous trunk on plain ports.
const PROMISCUOUS: u16 = 0;
const ISOLATED: [u16; 2] = [1, 2];
const A: [u16; 2] = [3, 4];
const B: [u16; 2] = [5, 6];
const PLAIN: u16 = 7;
const TRUNK: u16 = 8;

fn lab() -> (Lab, Arc<PrivateVlans>) {
    let vlans = lab::private_vlans(DOMAINS);
    let mut lab = Lab::new(vec![
        veth(PROMISCUOUS, 0, 1),
        veth(ISOLATED[0], 0, 2),
        veth(ISOLATED[1], 1, 2),
        veth(A[0], 0, 3),
        veth(A[1], 1, 3),
        veth(B[0], 0, 4),
        veth(B[1], 0, 5),
        plain(PLAIN, 2),
        plain(TRUNK, 3),
    ]);
    lab.change(|topology| {
        topology.vlans = "10,100-103".parse().unwrap();
        topology.private = Some(Arc::clone(&vlans));
        let policies = [
            promiscuous(&vlans, 100, "101-103"),
            host(&vlans, 101),
            host(&vlans, 101),
            host(&vlans, 102),
            host(&vlans, 102),
            host(&vlans, 103),
            host(&vlans, 103),
            host(&vlans, 101),
            promiscuous_trunk(&vlans, "10,100", None, "101-103"),
        ];
        for (port, policy) in topology.ports.iter_mut().zip(policies) {
            port.vlan = policy;
        }
    });
    (lab, vlans)
}

/// Every set that is worth a list gets one.
fn with_lists(lab: &mut Lab) {
    lab.change(|topology| {
        let sets = list_sets(topology).into_iter().zip(1u16..);
        let lists = sets.map(|((device, members), id)| ListPlan {
            device,
            id: id.try_into().unwrap(),
            members,
        });
        topology.lists = lists.collect();
    });
}

/// Who is to hear of whom.
fn may(from: u16, to: u16) -> bool {
    let is_promiscuous = |port| port == PROMISCUOUS || port == TRUNK;
    let together = |members: [u16; 2]| members.contains(&from) && members.contains(&to);
    from != to && (is_promiscuous(from) || is_promiscuous(to) || together(A) || together(B))
}

/// As `port` sends it.
fn send(lab: &mut Lab, port: u16, frame: &[u8]) {
    let plan = &lab.topology.ports[usize::from(port)];
    let device = plan.device.0;
    match (plan.vif, port == TRUNK) {
        (Some(vif), _) => {
            let tag = [&[0x89, 0x26, 0, 0][..], &vif.get().to_be_bytes()].concat();
            lab.receive(device, &[&frame[..12], &tag, &frame[12..]].concat());
        }
        (None, true) => lab.receive_tagged(device, 0x8100, 100, frame),
        (None, false) => lab.receive(device, frame),
    }
}

/// How much each port has got so far.
fn got(lab: &Lab) -> Vec<u64> {
    let ports = 0..lab.topology.ports.len() as u16;
    ports
        .map(|port| lab.port(port).egress.output().frames)
        .collect()
}

/// Who got something of what `act` did.
fn heard(lab: &mut Lab, act: impl FnOnce(&mut Lab)) -> BTreeSet<u16> {
    let before = got(lab);
    lab.sent.clear();
    act(lab);
    let pairs = before.iter().zip(got(lab));
    let some = (0..)
        .zip(pairs)
        .filter(|(_, (before, after))| *before < after);
    some.map(|(port, (before, after))| {
        assert_eq!(before + 1, after, "port {port} got it twice");
        port
    })
    .collect()
}

#[test]
fn the_textbook_matrix_for_floods_with_lists_and_without() {
    for lists in [false, true] {
        let (mut lab, _) = lab();
        if lists {
            with_lists(&mut lab);
        }
        for from in 0..=TRUNK {
            let expected = (0..=TRUNK).filter(|&to| may(from, to)).collect();
            for destination in [[0xFF; 6], mac(99)] {
                let frame = lab::ethernet(destination, mac(from as u8), &[0x08, 0], 46);
                let heard = heard(&mut lab, |lab| send(lab, from, &frame));
                assert_eq!(heard, expected, "from {from}, lists {lists}");
            }
        }
        // A flood of promiscuous ports leaves once for all on a link of hosts.
        let frame = broadcast(TRUNK as u8);
        lab.sent.clear();
        send(&mut lab, TRUNK, &frame);
        assert_eq!(lab.sent.len(), if lists { 3 } else { 8 });
    }
}

#[test]
fn the_textbook_matrix_for_known_destinations() {
    let (mut lab, _) = lab();
    for port in 0..=TRUNK {
        send(&mut lab, port, &broadcast(port as u8));
    }
    for from in 0..=TRUNK {
        for to in (0..=TRUNK).filter(|&to| to != from) {
            let refused = lab.port(to).egress.dropped.get(DropReason::PrivateVlan);
            let frame = lab::ethernet(mac(to as u8), mac(from as u8), &[0x08, 0], 46);
            let heard = heard(&mut lab, |lab| send(lab, from, &frame));
            let expected: BTreeSet<_> = Some(to).filter(|&to| may(from, to)).into_iter().collect();
            assert_eq!(heard, expected, "{from} to {to}");
            let now = lab.port(to).egress.dropped.get(DropReason::PrivateVlan);
            assert_eq!(now - refused, u64::from(!may(from, to)), "{from} to {to}");
        }
    }
}

#[test]
fn a_promiscuous_trunk_says_and_sees_the_primary_vlan_and_no_secondary_one() {
    let (mut lab, _) = lab();
    send(&mut lab, A[0], &broadcast(3));
    let frame = broadcast(3);
    let tagged = [&frame[..12], &[0x81, 0, 0, 100], &frame[12..]].concat();
    assert!(lab.sent.contains(&(3, tagged)));
    for vid in 101..=103 {
        lab.sent.clear();
        lab.receive_tagged(3, 0x8100, vid, &broadcast(77));
        assert_eq!(lab.sent, [], "VLAN {vid}");
    }
    let dropped = lab.port(TRUNK).ingress.dropped;
    assert_eq!(dropped.get(DropReason::VlanNotAllowed), 3);
}

#[test]
fn a_promiscuous_port_gets_what_the_vlans_mapped_to_it_send_and_no_other() {
    let (mut lab, vlans) = lab();
    lab.change(|topology| {
        topology.ports[usize::from(PROMISCUOUS)].vlan = promiscuous(&vlans, 100, "102");
    });
    for (from, hears) in [
        (A[0], true),
        (B[0], false),
        (ISOLATED[0], false),
        (TRUNK, true),
    ] {
        let heard = heard(&mut lab, |lab| send(lab, from, &broadcast(from as u8)));
        assert_eq!(heard.contains(&PROMISCUOUS), hears, "from {from}");
    }
}

#[test]
fn one_filtering_id_for_the_whole_private_vlan() {
    let (mut lab, _) = lab();
    for port in 0..=TRUNK {
        send(&mut lab, port, &broadcast(port as u8));
    }
    let known = lab.addresses();
    assert_eq!(known.len(), 9);
    assert!(
        known.iter().all(|entry| entry.vlan.get() == 100),
        "{known:?}"
    );
}

#[test]
fn an_address_of_a_promiscuous_port_stays_there() {
    let (mut lab, vlans) = lab();
    send(&mut lab, PROMISCUOUS, &broadcast(50));
    for thief in [ISOLATED[0], A[0], PLAIN] {
        send(&mut lab, thief, &broadcast(50));
        assert_eq!(
            lab.addresses()[0].slot.index,
            PROMISCUOUS,
            "taken by {thief}"
        );
        assert_eq!(
            lab.port(thief).anomalies.get(Anomaly::PromiscuousAddress),
            1
        );
    }
    // It is the port's part that holds it: of a host it moves.
    lab.change(|topology| topology.ports[usize::from(PROMISCUOUS)].vlan = host(&vlans, 102));
    send(&mut lab, A[0], &broadcast(50));
    assert_eq!(lab.addresses()[0].slot.index, A[0]);
}

fn owner(lab: &Lab) -> u16 {
    let [known] = lab.addresses()[..] else {
        unreachable!("{:?}", lab.addresses())
    };
    known.slot.index
}

/// A gateway that takes over from another, at once and as often as an address may move.
#[test]
fn an_address_moves_between_promiscuous_ports_as_any() {
    let (mut lab, _) = lab();
    send(&mut lab, PROMISCUOUS, &broadcast(50));
    for holder in [TRUNK, PROMISCUOUS, TRUNK] {
        send(&mut lab, holder, &broadcast(50));
        assert_eq!(owner(&lab), holder);
        send(&mut lab, A[0], &broadcast(50));
        assert_eq!(owner(&lab), holder);
    }
    // The fourth move of a second: it is held where it was before the first.
    send(&mut lab, PROMISCUOUS, &broadcast(50));
    assert_eq!(owner(&lab), PROMISCUOUS);
    send(&mut lab, TRUNK, &broadcast(50));
    assert_eq!(owner(&lab), PROMISCUOUS);
    assert_eq!(lab.port(TRUNK).anomalies.get(Anomaly::MoveDamped), 1);
}

/// Hosts that had it before, and passed it to and fro until it was held, keep it no longer than until the gateway speaks.
#[test]
fn a_promiscuous_port_has_its_address_at_once_whatever_hosts_do() {
    for gateway in [PROMISCUOUS, TRUNK] {
        let (mut lab, _) = lab();
        for _ in 0..5 {
            for host in A {
                send(&mut lab, host, &broadcast(50));
            }
        }
        let damped = |host: &u16| lab.port(*host).anomalies.get(Anomaly::MoveDamped) > 0;
        assert!(A.iter().any(damped));
        send(&mut lab, gateway, &broadcast(50));
        assert_eq!(owner(&lab), gateway);
        for host in A {
            send(&mut lab, host, &broadcast(50));
            assert_eq!(owner(&lab), gateway);
        }
        let frame = lab::ethernet(mac(50), mac(60), &[0x08, 0], 46);
        let heard = heard(&mut lab, |lab| send(lab, B[0], &frame));
        assert_eq!(heard, BTreeSet::from([gateway]));
    }
}

/// What a trunk says is in the primary VLAN is from a promiscuous port of another switch.
#[test]
fn a_promiscuous_port_behind_another_switch_has_its_address_at_once() {
    let (mut lab, _) = lab();
    lab.change(|topology| topology.ports[usize::from(TRUNK)].vlan = trunk("100-103", None));
    send(&mut lab, A[0], &broadcast(50));
    send(&mut lab, TRUNK, &broadcast(50));
    assert_eq!(owner(&lab), TRUNK);
    // In a secondary one it is a host's.
    send(&mut lab, PROMISCUOUS, &broadcast(50));
    lab.receive_tagged(3, 0x8100, 102, &broadcast(50));
    assert_eq!(owner(&lab), PROMISCUOUS);
}

/// On a trunk there may be hosts, too; so it keeps its addresses by damping, and a host on it may take one as any may.
#[test]
fn a_gateway_behind_another_switch_is_held_there_once_a_host_took_its_address_too_often() {
    let (mut lab, _) = lab();
    lab.change(|topology| topology.ports[usize::from(TRUNK)].vlan = trunk("100-103", None));
    send(&mut lab, TRUNK, &broadcast(50));
    let mut taken = 0;
    for _ in 0..200 {
        lab.wait(2);
        send(&mut lab, ISOLATED[0], &broadcast(50));
        taken += u32::from(owner(&lab) != TRUNK);
        send(&mut lab, TRUNK, &broadcast(50));
        assert_eq!(owner(&lab), TRUNK);
    }
    assert_eq!(taken, 2);
    assert_eq!(
        lab.port(ISOLATED[0]).anomalies.get(Anomaly::MoveDamped),
        198
    );
}

#[test]
fn hosts_of_a_vlan_that_carries_nothing_get_nothing_of_the_others() {
    for lists in [false, true] {
        let (mut lab, _) = lab();
        for port in 0..=TRUNK {
            send(&mut lab, port, &broadcast(port as u8));
        }
        lab.change(|topology| {
            topology.vlans = "10,100,102-103".parse().unwrap();
            topology.inactive = "101".parse().unwrap();
        });
        if lists {
            with_lists(&mut lab);
        }
        let silent = [ISOLATED[0], ISOLATED[1], PLAIN];
        let others = (0..=TRUNK).filter(|port| !silent.contains(port));
        for from in [PROMISCUOUS, TRUNK] {
            let expected = others.clone().filter(|&to| to != from).collect();
            let flooded = heard(&mut lab, |lab| send(lab, from, &broadcast(from as u8)));
            assert_eq!(flooded, expected, "from {from}, lists {lists}");
            for to in silent {
                let frame = lab::ethernet(mac(to as u8), mac(from as u8), &[0x08, 0], 46);
                let before = lab.port(to).egress.dropped.get(DropReason::VlanInactive);
                assert_eq!(heard(&mut lab, |lab| send(lab, from, &frame)), [].into());
                let after = lab.port(to).egress.dropped.get(DropReason::VlanInactive);
                assert_eq!(after - before, 1, "{from} to {to}");
            }
        }
    }
}

#[test]
fn a_role_changes_live() {
    let (mut lab, vlans) = lab();
    with_lists(&mut lab);
    let to_b = |lab: &mut Lab| heard(lab, |lab| send(lab, A[0], &broadcast(3))).contains(&B[0]);
    assert!(!to_b(&mut lab));
    lab.change(|topology| topology.ports[usize::from(B[0])].vlan = host(&vlans, 102));
    assert!(to_b(&mut lab));
    lab.change(|topology| topology.ports[usize::from(B[0])].vlan = host(&vlans, 101));
    assert!(!to_b(&mut lab));
}

/// A trunk between switches carries the part in the tag, and so does ours.
#[test]
fn a_trunk_carries_the_vlan_a_frame_travels_in() {
    let (mut lab, _) = lab();
    lab.change(|topology| topology.ports[usize::from(TRUNK)].vlan = trunk("100-103", None));
    let frame = broadcast(3);
    send(&mut lab, A[0], &frame);
    let tagged = [&frame[..12], &[0x81, 0, 0, 102], &frame[12..]].concat();
    assert!(lab.sent.contains(&(3, tagged)));
    let heard = heard(&mut lab, |lab| {
        lab.receive_tagged(3, 0x8100, 101, &broadcast(9))
    });
    assert_eq!(heard, BTreeSet::from([PROMISCUOUS]));
}

#[test]
fn nobody_of_a_private_vlan_reaches_an_ordinary_one() {
    let (mut lab, _) = lab();
    lab.change(|topology| topology.ports[usize::from(PLAIN)].vlan = access(10));
    for from in [PROMISCUOUS, ISOLATED[0], A[0], TRUNK] {
        let heard = heard(&mut lab, |lab| send(lab, from, &broadcast(from as u8)));
        assert!(!heard.contains(&PLAIN), "from {from}");
    }
    let heard = heard(&mut lab, |lab| lab.receive(2, &broadcast(9)));
    assert_eq!(heard, BTreeSet::from([TRUNK]));
}

/// The frames of a host are known under the primary VLAN, whichever VLAN of the domain its line says.
#[test]
fn a_secure_address_may_be_said_in_any_vlan_of_the_domain() {
    for said in ["", " vlan 100", " vlan 101"] {
        let text = format!(
            "vlan 100\n  private-vlan primary\n  private-vlan association 101\nvlan 101\n  private-vlan isolated\n\
             interface ethernet 1\n  device eth0\n  switchport mode private-vlan host\n  \
             switchport private-vlan host-association 100 101\n  switchport port-security\n  \
             switchport port-security violation protect\n  \
             switchport port-security mac-address 0200.0000.0001{said}\n"
        );
        let (config, warnings) = vis::config::parse(&text, "t.conf").unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let mut slots = Slots::new(10);
        let mut lab = Lab::new(Vec::new());
        lab.change(|topology| {
            let epoch = topology.epoch;
            *topology = vis::daemon::topology(&config, epoch, &mut slots, |_| true).unwrap();
        });
        for source in [2, 1, 2] {
            lab.receive(0, &broadcast(source));
        }
        let learned: Vec<_> = lab.addresses().iter().map(|entry| entry.mac).collect();
        assert_eq!(learned, [Mac(mac(1))], "said{said}");
        let violations = lab.port(0).ingress.dropped.get(DropReason::PortSecurity);
        assert_eq!(violations, 2, "said{said}");
    }
}
