//! Guests that bridge.

use super::{bpdu, events, lab, ports, rule, secured, send};
use lab::{Lab, broadcast, mac, vlan};
use niv::Mac;
use policy::bridge_guard::{Blame, Bridging, Evidence};
use policy::err_disable::Cause;
use policy::rate::{Awareness, BitRate, Configured, PerColor, Policer};
use policy::security::Mode;
use std::sync::Arc;
use vis::switch::{Declared, FilterList, Filters, GuardEvent, PortPolicy, RatePolicy};

#[test]
fn a_guest_that_bridges_is_named_by_addresses_that_come_back() {
    let mut lab = Lab::new(ports());
    let mut told = Vec::new();
    for _ in 0..5 {
        // The neighbour speaks, and its frame comes back by both vEths of the guest.
        for at in [3, 0, 1, 0, 1] {
            send(&mut lab, at, &broadcast(9));
            lab.wait(5);
        }
        told.extend(found(&mut lab));
    }
    assert_eq!(told[0].ports, (0, 1));
    assert_eq!(told[0].evidence, Evidence::Address(vlan(10), Mac(mac(9))));
    assert_eq!(told[0].blame, Blame::Both);
    // The loop goes on, and the neighbour can be reached all the same.
    let home = |lab: &Lab| {
        lab.addresses()
            .iter()
            .find(|one| one.mac == Mac(mac(9)))
            .map(|one| one.slot.index)
    };
    assert_eq!(home(&lab), Some(3));
    // So it can when its address moved last to a port that is shut then.
    let mut lab = Lab::new(ports());
    for at in [3, 0, 1, 0] {
        send(&mut lab, at, &broadcast(9));
    }
    assert_eq!(home(&lab), Some(0));
    let slot = lab.snapshot.port(0).unwrap().slot;
    lab.switch
        .err_disable(slot, Cause::BridgedPorts, lab.time());
    assert_eq!(home(&lab), None);
}

/// Policies under which frames of others that a guest sends are dropped before they are learned from.
fn policies_that_drop() -> [PortPolicy; 3] {
    let mine =
        "mac access-list mine\n permit host 0200.0000.0001 any\n permit host 0200.0000.0002 any\n";
    let list = FilterList::new(mine.parse().unwrap());
    let rate = Configured::Plain {
        rate: BitRate::new(8_000).unwrap(),
        burst: None,
    };
    let nothing = PerColor {
        green: false,
        ..PerColor::DROP_RED
    };
    let none = Policer::new(rate, Awareness::Blind, nothing).unwrap();
    [
        PortPolicy {
            guards: Some(Arc::new(secured(rule(1, Mode::Protect), &[], &[]))),
            ..PortPolicy::default()
        },
        PortPolicy {
            filters: Filters::new([list], []),
            ..PortPolicy::default()
        },
        PortPolicy {
            rates: Some(Arc::new(RatePolicy {
                police_in: Some(none),
                ..RatePolicy::default()
            })),
            ..PortPolicy::default()
        },
    ]
}

#[test]
fn a_guest_that_bridges_is_named_by_what_policy_drops_of_it() {
    for policy in policies_that_drop() {
        let mut ports = ports();
        for at in [0, 1] {
            ports[at].policy = policy.clone();
        }
        let mut lab = Lab::new(ports);
        send(&mut lab, 0, &broadcast(1));
        send(&mut lab, 1, &broadcast(2));
        // One broadcast is enough.
        for at in [3, 0, 1] {
            send(&mut lab, at, &broadcast(9));
            lab.wait(5);
        }
        let told = found(&mut lab);
        assert_eq!(told.len(), 1, "{policy:?}");
        assert_eq!((told[0].ports, told[0].blame), ((0, 1), Blame::Nobody));
        assert_eq!(told[0].evidence, Evidence::Address(vlan(10), Mac(mac(9))));
        // It stays where it is.
        let addresses = lab.addresses();
        let neighbour = addresses.iter().find(|one| one.mac == Mac(mac(9)));
        assert_eq!(neighbour.unwrap().slot.index, 3);
    }
}

#[test]
fn a_guest_that_joins_two_vlans_is_told_by_what_policy_drops_of_it() {
    for policy in policies_that_drop() {
        let mut ports = ports();
        for at in [1, 4] {
            ports[at].vlan = lab::access(20);
        }
        for at in [0, 1] {
            ports[at].policy = policy.clone();
        }
        let mut lab = Lab::new(ports);
        for (at, station) in [(0, 1), (1, 2), (3, 8), (4, 9), (1, 8), (0, 9)] {
            send(&mut lab, at, &broadcast(station));
        }
        let found = found(&mut lab);
        assert_eq!(found.len(), 1, "{policy:?}");
        assert_eq!(found[0].evidence, Evidence::Vlans(vlan(10), vlan(20)));
    }
}

#[test]
fn by_what_policy_drops_nobody_has_others_shut() {
    for policy in policies_that_drop() {
        for declares in [false, true] {
            let mut ports = ports();
            ports[0].policy = policy.clone();
            let mut lab = Lab::new(ports);
            lab.change(|all| {
                let declared = Declared {
                    vlan: vlan(10),
                    mac: Mac(mac(9)),
                    slot: all.ports[0].slot,
                };
                all.declared = Some(declared).filter(|_| declares).into_iter().collect();
            });
            send(&mut lab, 0, &broadcast(1));
            // The neighbour's address, whether or not the guest says it is its own.
            for _ in 0..300 {
                send(&mut lab, 3, &broadcast(9));
                send(&mut lab, 0, &broadcast(9));
                lab.wait(1);
            }
            let named = found(&mut lab);
            assert!(
                named.iter().all(|one| one.blame == Blame::Nobody),
                "{named:?}"
            );
        }
    }
}

fn found(lab: &mut Lab) -> Vec<Bridging> {
    let found = |event| match event {
        GuardEvent::Bridging(found) => Some(found),
        _ => None,
    };
    events(lab).into_iter().filter_map(found).collect()
}

#[test]
fn a_guest_whose_own_frame_goes_round_is_named_and_the_port_that_is_not_its_home_is_blamed() {
    for (home, declares, expected) in [
        (0, true, ((0, 1), Blame::Second)),
        (1, true, ((1, 0), Blame::Second)),
        (0, false, ((0, 1), Blame::Nobody)),
    ] {
        let mut lab = Lab::new(ports());
        lab.change(|all| {
            let declared = Declared {
                vlan: vlan(10),
                mac: Mac(mac(9)),
                slot: all.ports[home].slot,
            };
            all.declared = Some(declared).filter(|_| declares).into_iter().collect();
        });
        for n in 0..40 {
            send(&mut lab, n % 2, &broadcast(9));
        }
        let found = found(&mut lab);
        assert_eq!((found[0].ports, found[0].blame), expected);
        assert_eq!(found[0].evidence, Evidence::Echo(vlan(10), Mac(mac(9))));
    }
}

#[test]
fn a_guest_that_joins_two_vlans_is_told_and_not_blamed() {
    let mut ports = ports();
    for at in [1, 4] {
        ports[at].vlan = lab::access(20);
    }
    let mut lab = Lab::new(ports);
    // Neighbours in both, and the guest behind 0 and 1.
    send(&mut lab, 3, &broadcast(1));
    send(&mut lab, 4, &broadcast(2));
    lab.wait(100_000);
    send(&mut lab, 1, &broadcast(1));
    send(&mut lab, 0, &broadcast(2));
    let found = found(&mut lab);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].ports, found[0].blame), ((0, 1), Blame::Nobody));
    assert_eq!(found[0].evidence, Evidence::Vlans(vlan(10), vlan(20)));
}

#[test]
fn a_guest_that_bridges_in_a_private_vlan_is_named_by_a_promiscuous_ports_frames() {
    let vlans = lab::private_vlans(&[(100, Some(102), &[101])]);
    let mut ports = ports();
    ports[0].vlan = lab::host(&vlans, 101);
    ports[1].vlan = lab::host(&vlans, 102);
    ports[3].vlan = lab::promiscuous(&vlans, 100, "101-102");
    let mut lab = Lab::new(ports);
    lab.change(|all| {
        all.vlans = "100-102".parse().unwrap();
        all.private = Some(vlans);
    });
    let mut told = Vec::new();
    for _ in 0..3 {
        for at in [3, 0, 1] {
            send(&mut lab, at, &broadcast(9));
        }
        lab.wait(100);
        told.extend(found(&mut lab));
    }
    assert_eq!(told[0].ports, (0, 1));
    assert_eq!(told[0].evidence, Evidence::Address(vlan(100), Mac(mac(9))));
}

#[test]
fn a_guest_that_bridges_is_named_by_its_bpdus() {
    let mut lab = Lab::new(ports());
    send(&mut lab, 0, &bpdu(4));
    send(&mut lab, 3, &bpdu(4));
    let told = found(&mut lab);
    let named = |found: &Bridging| {
        found.ports == (0, 3)
            && found.blame == Blame::Nobody
            && matches!(found.evidence, Evidence::BridgeId(_))
    };
    assert!(told.iter().any(named), "{told:?}");
    // Another VLAN is another tree.
    lab.change(|all| all.ports[4].vlan = lab::access(20));
    send(&mut lab, 4, &bpdu(4));
    assert_eq!(found(&mut lab), []);
}
