//! Port security: which addresses a port may send from.

use super::{BOTH, arriving, dropped, events, flooded, guarded, lab, ports, send};
use lab::{Lab, broadcast, mac, veth, vlan};
use niv::{DropReason, Mac, PortId};
use packet_io::{Offload, RxFrame};
use policy::security::{Ageing, Kind, Mode, PortSecurity, Why};
use std::num::NonZeroU32;
use std::sync::Arc;
use vis::switch::{
    AwayPlan, Declared, GuardEvent, GuardPolicy, PortPlan, PortState, Recalled, SecurePlan, Seed,
    Switch, VlanPolicy,
};

pub(crate) fn secured(rule: PortSecurity, addresses: &[u8], recalled: &[u8]) -> GuardPolicy {
    let list = |all: &[u8]| -> Vec<_> { all.iter().map(|&n| (vlan(10), Mac(mac(n)))).collect() };
    GuardPolicy {
        security: Some(SecurePlan {
            rule,
            addresses: list(addresses),
            recalled: Recalled(list(recalled).into()),
        }),
        ..GuardPolicy::default()
    }
}

pub(crate) fn rule(maximum: u32, violation: Mode) -> PortSecurity {
    PortSecurity {
        maximum,
        violation,
        ..PortSecurity::default()
    }
}

#[test]
fn port_security() {
    for at in BOTH {
        for violation in [Mode::Protect, Mode::Restrict, Mode::Shutdown] {
            let mut lab = guarded(at, secured(rule(2, violation), &[1], &[]));
            // The static one, one that is learned, and one too many.
            for source in [1, 2, 3, 2, 1] {
                send(&mut lab, at, &broadcast(source));
            }
            let shuts = violation == Mode::Shutdown;
            assert_eq!(flooded(&lab, at), if shuts { 2 } else { 4 });
            assert_eq!(dropped(&lab, at, DropReason::PortSecurity), 1);
            let after = dropped(&lab, at, DropReason::ErrDisabled);
            assert_eq!(after, if shuts { 2 } else { 0 });
            let told = events(&mut lab);
            let violated = told.iter().any(|event| {
                matches!(event, GuardEvent::Violation { mac: from, why: Why::Maximum, .. } if *from == Mac(mac(3)))
            });
            assert_eq!(violated, violation != Mode::Protect, "{told:?}");
            // What violates is not learned from.
            assert!(lab.addresses().iter().all(|entry| entry.mac != Mac(mac(3))));
        }
    }
}

#[test]
fn a_secure_address_seen_elsewhere_is_a_violation_and_never_moves() {
    for at in BOTH {
        let mut lab = guarded(at, secured(rule(1, Mode::Shutdown), &[], &[]));
        send(&mut lab, at, &broadcast(1));
        // On a port without rules it is dropped, and the port is not shut for what it cannot know.
        for _ in 0..5 {
            send(&mut lab, 2, &broadcast(1));
        }
        assert_eq!(dropped(&lab, 2, DropReason::PortSecurity), 5);
        let entry = lab
            .addresses()
            .into_iter()
            .find(|one| one.mac == Mac(mac(1)));
        assert_eq!(entry.unwrap().slot.index, at);
        let told = events(&mut lab);
        assert!(
            matches!(told[..], [GuardEvent::Violation { why: Why::Elsewhere(port), .. }] if port == at),
            "{told:?}"
        );
        send(&mut lab, 2, &broadcast(2));
        assert_eq!(flooded(&lab, 2), 1);
    }
}

#[test]
fn an_address_that_a_neighbour_uses_does_not_become_secure() {
    for at in BOTH {
        for violation in [Mode::Restrict, Mode::Shutdown] {
            let mut lab = guarded(at, secured(rule(4, violation), &[], &[]));
            let gateway = if at == 0 { 4 } else { 2 };
            send(&mut lab, gateway, &broadcast(9));
            send(&mut lab, at, &broadcast(9));
            assert_eq!(dropped(&lab, at, DropReason::PortSecurity), 1);
            let told = events(&mut lab);
            let named = |event: &GuardEvent| matches!(event, GuardEvent::Violation { why: Why::InUse(port), .. } if *port == gateway);
            assert!(told.iter().any(named), "{told:?}");
            let shut = |event: &GuardEvent| matches!(event, GuardEvent::Shut { .. });
            assert!(!told.iter().any(shut), "{told:?}");
            send(&mut lab, gateway, &broadcast(9));
            assert_eq!(flooded(&lab, gateway), 2);
            // Once it was not heard of for the table's ageing time it is anybody's.
            lab.wait(300_000);
            send(&mut lab, at, &broadcast(9));
            assert_eq!(flooded(&lab, at), 1);
        }
    }
}

/// Ports 0 and 1 are secured, and the vNIC of port 1 says that `mac(2)` is its own.
fn declared() -> Lab {
    let mut ports = ports();
    for port in &mut ports[..2] {
        let guards = secured(rule(2, Mode::Protect), &[], &[]);
        port.policy.guards = Some(Arc::new(guards));
    }
    let mut lab = Lab::new(ports);
    lab.change(|all| {
        all.declared = vec![Declared {
            vlan: vlan(10),
            mac: Mac(mac(2)),
            slot: all.ports[1].slot,
        }];
    });
    lab
}

/// What `plan` says is what happens once it is committed.
#[test]
fn what_a_candidate_secures_is_foreseen_as_it_will_be() {
    let one = || secured(rule(1, Mode::Protect), &[], &[]);
    let fixed = || secured(rule(1, Mode::Protect), &[7], &[]);
    // Secured now, and then; whether a frame of 7 passes at port 0, which has sent from 7, or if secured from 8.
    type Case = (Option<GuardPolicy>, [Option<GuardPolicy>; 2], bool);
    let cases: [Case; 4] = [
        (None, [Some(one()), None], true),
        (Some(one()), [None, None], true),
        (
            Some(one()),
            [Some(secured(rule(2, Mode::Protect), &[], &[])), None],
            true,
        ),
        (None, [None, Some(fixed())], false),
    ];
    for (now, [here, there], passes) in cases {
        let first = if now.is_some() { 8 } else { 7 };
        let mut lab = guarded(0, now.unwrap_or_default());
        send(&mut lab, 0, &broadcast(first));
        let mut coming = lab.topology.clone();
        coming.epoch += 1;
        coming.ports[0].policy.guards = here.map(Arc::new);
        coming.ports[3].policy.guards = there.map(Arc::new);
        let snapshot = coming.compile().unwrap();
        let guards = lab.switch.guards_by(&snapshot, lab.time());
        let (device, bytes) = arriving(0, &broadcast(7));
        let frame = RxFrame {
            bytes: &bytes,
            vlan: None,
            offload: Offload::NONE,
            original_length: bytes.len() as u32,
        };
        let foreseen = lab
            .switch
            .rehearse(&guards, &snapshot, lab.time(), PortId(device), &frame);
        let dropped = foreseen.counters.ingress.dropped;
        assert_eq!(dropped.get(DropReason::PortSecurity), u64::from(!passes));
        lab.change(|all| all.ports = coming.ports);
        let before = flooded(&lab, 0);
        send(&mut lab, 0, &broadcast(7));
        assert_eq!(flooded(&lab, 0) - before, u64::from(passes));
    }
}

#[test]
fn an_address_that_a_vnic_declares_becomes_secure_there_and_nowhere_else() {
    let mut lab = declared();
    // Before its owner has said a word.
    send(&mut lab, 0, &broadcast(2));
    assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 1);
    // It was elsewhere a moment ago, behind a port that is not secured.
    send(&mut lab, 4, &broadcast(2));
    send(&mut lab, 1, &broadcast(2));
    assert_eq!(flooded(&lab, 1), 1);
    send(&mut lab, 4, &broadcast(2));
    assert_eq!(dropped(&lab, 4, DropReason::PortSecurity), 1);
}

#[test]
fn a_maximum_that_is_lowered_is_in_force_at_once() {
    let mut lab = guarded(0, secured(rule(5, Mode::Protect), &[], &[]));
    for source in 1..=5 {
        send(&mut lab, 0, &broadcast(source));
        lab.wait(10);
    }
    lab.change(|all| {
        let guards = secured(rule(1, Mode::Protect), &[], &[]);
        all.ports[0].policy.guards = Some(Arc::new(guards));
    });
    for source in (1..=5).rev() {
        send(&mut lab, 0, &broadcast(source));
    }
    // What was learned first is left.
    assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 4);
    assert_eq!(flooded(&lab, 0), 6);
}

#[test]
fn a_port_that_goes_to_another_vlan_forgets_the_addresses_of_the_one_before() {
    for sticky in [false, true] {
        let rule = PortSecurity {
            sticky,
            ..rule(1, Mode::Shutdown)
        };
        let mut lab = guarded(0, secured(rule, &[], &[7]));
        let source = if sticky { 7 } else { 1 };
        send(&mut lab, 0, &broadcast(source));
        // As long as its profile is not whole nobody knows where it goes.
        lab.change(|all| {
            all.ports[0].state = PortState::ProfileIncomplete;
            all.ports[0].vlan = VlanPolicy::Access(vlan(1));
        });
        let held = lab.switch.guards().secure_addresses(lab.time());
        assert_eq!(held[0].1.len(), 1);
        lab.change(|all| {
            all.ports[0].state = PortState::Forwarding;
            all.ports[0].vlan = VlanPolicy::Access(vlan(20));
        });
        send(&mut lab, 0, &broadcast(source));
        assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 0);
        let held = lab.switch.guards().secure_addresses(lab.time());
        let held: Vec<_> = held[0].1.iter().map(|one| one.vlan).collect();
        assert_eq!(held, [vlan(20)]);
    }
}

/// The port at `at` is gone, and its interface keeps what is its own.
fn goes_away(lab: &mut Lab, at: u16, statics: &[u8], sticky: &[u8]) -> PortPlan {
    let mut gone = None;
    lab.change(|all| {
        let port = all.ports.remove(usize::from(at));
        let count = statics.len() + sticky.len();
        let rule = PortSecurity {
            sticky: true,
            ..rule(count as u32, Mode::Protect)
        };
        all.away.push(AwayPlan {
            slot: port.slot,
            guards: Arc::new(secured(rule, statics, sticky)),
        });
        gone = Some(port);
    });
    gone.unwrap()
}

#[test]
fn static_and_sticky_addresses_of_an_interface_that_is_away_are_nobody_elses() {
    let mut all = ports();
    let sticky = PortSecurity {
        sticky: true,
        ..rule(3, Mode::Shutdown)
    };
    all[0].policy.guards = Some(Arc::new(secured(sticky, &[1], &[])));
    all[2].policy.guards = Some(Arc::new(secured(rule(5, Mode::Protect), &[], &[])));
    let mut lab = Lab::new(all);
    send(&mut lab, 0, &broadcast(5));
    let port = goes_away(&mut lab, 0, &[1], &[]);
    // What control has not heard of yet is kept all the same.
    for (thief, secures) in [(2, true), (3, false)] {
        for source in [1, 5] {
            send(&mut lab, thief, &broadcast(source));
        }
        let dropped = dropped(&lab, thief, DropReason::PortSecurity);
        assert_eq!(dropped, 2, "secured: {secures}");
    }
    lab.change(|all| {
        all.away.clear();
        all.ports.insert(0, port);
    });
    let before = flooded(&lab, 0);
    for source in [1, 5] {
        send(&mut lab, 0, &broadcast(source));
    }
    assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 0);
    assert_eq!(flooded(&lab, 0) - before, 2);
}

#[test]
fn sticky_addresses_of_an_interface_that_was_away_when_the_switch_began_are_nobody_elses() {
    let mut all = ports();
    all[2].policy.guards = Some(Arc::new(secured(rule(5, Mode::Protect), &[], &[])));
    let mut lab = Lab::new(all);
    goes_away(&mut lab, 0, &[1], &[5]);
    for source in [1, 5] {
        send(&mut lab, 2, &broadcast(source));
    }
    assert_eq!(dropped(&lab, 2, DropReason::PortSecurity), 2);
    // And what was learned of it meanwhile is not kept for it.
    let held = lab.switch.guards().secure_addresses(lab.time());
    assert_eq!(held[0].1.len(), 2);
}

#[test]
fn what_was_learned_is_sticky_from_when_that_is_said() {
    let mut lab = guarded(0, secured(rule(2, Mode::Protect), &[], &[]));
    send(&mut lab, 0, &broadcast(1));
    lab.switch.guards_mut().take_news();
    lab.change(|all| {
        let sticky = PortSecurity {
            sticky: true,
            ..rule(2, Mode::Protect)
        };
        all.ports[0].policy.guards = Some(Arc::new(secured(sticky, &[], &[])));
    });
    assert!(lab.switch.guards_mut().take_news().unwrap().sticky);
    let held = lab.switch.guards().secure_addresses(lab.time());
    assert_eq!(held[0].1[0].kind, Kind::Sticky);
}

#[test]
fn room_that_one_port_gives_up_is_anothers_in_the_same_change_and_later() {
    let secures = |lab: &mut Lab, maxima: [u32; 2]| {
        lab.change(|all| {
            for (port, maximum) in all.ports.iter_mut().zip(maxima) {
                let guards = secured(rule(maximum, Mode::Protect), &[], &[]);
                port.policy.guards = Some(Arc::new(guards)).filter(|_| maximum > 0);
            }
        });
    };
    let mut lab = Lab::new(ports());
    lab.switch = Switch::new(NonZeroU32::new(1000).unwrap(), Seed(3, 4)).with_room_for_secure(10);
    secures(&mut lab, [4, 6]);
    secures(&mut lab, [6, 4]);
    for source in 1..=7 {
        send(&mut lab, 0, &broadcast(source));
    }
    assert_eq!(flooded(&lab, 0), 6);
    // The first asks for more than there is: it keeps what it has.
    secures(&mut lab, [7, 4]);
    send(&mut lab, 0, &broadcast(8));
    assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 2);
    secures(&mut lab, [7, 0]);
    send(&mut lab, 0, &broadcast(8));
    assert_eq!(flooded(&lab, 0), 7);
}

#[test]
fn addresses_that_are_cleared_may_be_learned_anywhere() {
    let mut lab = declared();
    send(&mut lab, 0, &broadcast(1));
    send(&mut lab, 1, &broadcast(1));
    assert_eq!(dropped(&lab, 1, DropReason::PortSecurity), 1);
    let now = lab.time();
    let cleared = lab.switch.clear_secure(|slot, _, _| slot.index == 1, now);
    assert_eq!(cleared, 0);
    let cleared = lab
        .switch
        .clear_secure(|_, kind, _| kind == Kind::Dynamic, now);
    assert_eq!(cleared, 1);
    send(&mut lab, 1, &broadcast(1));
    assert_eq!(flooded(&lab, 1), 1);
}

#[test]
fn a_static_address_is_taken_from_who_learned_it() {
    let mut ports = ports();
    ports[0].policy.guards = Some(Arc::new(secured(rule(2, Mode::Protect), &[], &[])));
    ports[1].policy.guards = Some(Arc::new(secured(rule(1, Mode::Protect), &[], &[])));
    let mut lab = Lab::new(ports);
    send(&mut lab, 0, &broadcast(1));
    lab.change(|all| {
        let guards = secured(rule(1, Mode::Protect), &[1], &[]);
        all.ports[1].policy.guards = Some(Arc::new(guards));
    });
    send(&mut lab, 0, &broadcast(1));
    assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 1);
    send(&mut lab, 1, &broadcast(1));
    assert_eq!(flooded(&lab, 1), 1);
}

#[test]
fn a_static_address_goes_to_another_port_in_one_change() {
    for (from, to) in [(0, 1), (1, 0)] {
        let mut lab = Lab::new(ports());
        let mut secure = |statics: [&[u8]; 2]| {
            lab.change(|all| {
                for (port, statics) in all.ports.iter_mut().zip(statics) {
                    let guards = secured(rule(1, Mode::Protect), statics, &[]);
                    port.policy.guards = Some(Arc::new(guards));
                }
            });
        };
        let mut statics: [&[u8]; 2] = [&[]; 2];
        statics[usize::from(from)] = &[1];
        secure(statics);
        statics.reverse();
        secure(statics);
        send(&mut lab, from, &broadcast(1));
        assert_eq!(dropped(&lab, from, DropReason::PortSecurity), 1);
        send(&mut lab, to, &broadcast(1));
        assert_eq!(flooded(&lab, to), 1);
    }
}

#[test]
fn a_static_address_of_two_ports_is_the_second_ones_once_the_first_lets_go_of_it() {
    let mut ports = ports();
    for port in &mut ports[..2] {
        let guards = secured(rule(1, Mode::Protect), &[1], &[]);
        port.policy.guards = Some(Arc::new(guards));
    }
    let mut lab = Lab::new(ports);
    send(&mut lab, 1, &broadcast(1));
    assert_eq!(dropped(&lab, 1, DropReason::PortSecurity), 1);
    lab.change(|all| all.ports[0].policy.guards = None);
    send(&mut lab, 0, &broadcast(1));
    assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 1);
    send(&mut lab, 1, &broadcast(1));
    assert_eq!(flooded(&lab, 1), 1);
}

#[test]
fn sticky_addresses_are_told_and_come_back_with_the_port() {
    let sticky = PortSecurity {
        sticky: true,
        ..rule(2, Mode::Protect)
    };
    let mut lab = guarded(0, secured(sticky, &[], &[7]));
    let news = lab.switch.guards_mut().take_news();
    assert!(news.unwrap().sticky);
    for source in [1, 2, 7] {
        send(&mut lab, 0, &broadcast(source));
    }
    // One was known from before, so of the other two there was room for one.
    assert_eq!(flooded(&lab, 0), 2);
    assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 1);
    let news = lab.switch.guards_mut().take_news();
    assert!(news.unwrap().sticky);
    let held = lab.switch.guards().secure_addresses(lab.time());
    let kinds: Vec<_> = held[0].1.iter().map(|one| (one.mac, one.kind)).collect();
    let expected = [1, 7].map(|n| (Mac(mac(n)), Kind::Sticky));
    assert_eq!(kinds, expected);
    // No longer sticky: they are forgotten.
    lab.change(|all| {
        let guards = secured(rule(2, Mode::Protect), &[], &[]);
        all.ports[0].policy.guards = Some(Arc::new(guards));
    });
    let held = lab.switch.guards().secure_addresses(lab.time());
    assert!(held[0].1.is_empty());
}

#[test]
fn a_dynamic_secure_address_ages_and_makes_room() {
    let ages = PortSecurity {
        ageing: Ageing::Inactivity(60),
        ..rule(1, Mode::Protect)
    };
    let mut lab = guarded(0, secured(ages, &[], &[]));
    send(&mut lab, 0, &broadcast(1));
    lab.wait(59_000);
    send(&mut lab, 0, &broadcast(2));
    assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 1);
    lab.wait(1_000);
    send(&mut lab, 0, &broadcast(2));
    assert_eq!(flooded(&lab, 0), 2);
}

#[test]
fn where_a_rule_cannot_be_had_nothing_passes() {
    let ports = (0..70).map(|n| veth(n, 0, n + 1));
    let ports = ports.map(|mut port| {
        port.policy.guards = Some(Arc::new(secured(rule(1025, Mode::Protect), &[], &[])));
        port
    });
    let mut lab = Lab::new(ports.collect());
    let mut passed = 0;
    for n in 0..70u16 {
        let word = u32::from(n + 1).to_be_bytes();
        let frame = broadcast(n as u8);
        lab.receive(
            0,
            &[&frame[..12], &[0x89, 0x26], &word, &frame[12..]].concat(),
        );
        passed += flooded(&lab, n);
        assert_eq!(
            flooded(&lab, n) + dropped(&lab, n, DropReason::PortSecurity),
            1
        );
    }
    assert_eq!(passed, 65_536 / 1025);
}

#[test]
fn the_next_holder_of_a_place_has_none_of_its_secure_addresses() {
    let mut lab = guarded(0, secured(rule(1, Mode::Protect), &[], &[]));
    send(&mut lab, 0, &broadcast(1));
    lab.change(|all| all.ports[0].slot.generation += 1);
    send(&mut lab, 0, &broadcast(2));
    assert_eq!(flooded(&lab, 0), 1);
    // And taken off the port, the rule is forgotten with them.
    lab.change(|all| all.ports[0].policy.guards = None);
    for source in [3, 2] {
        send(&mut lab, 2, &broadcast(source));
    }
    assert_eq!(flooded(&lab, 2), 2);
}

#[test]
fn a_port_that_is_secured_anew_starts_with_nothing() {
    let mut lab = guarded(0, secured(rule(2, Mode::Protect), &[1], &[]));
    lab.change(|all| {
        let other = secured(rule(1, Mode::Protect), &[], &[]);
        all.ports[2].policy.guards = Some(Arc::new(other));
    });
    send(&mut lab, 2, &broadcast(0x40));
    for source in [2, 1, 3, 2] {
        send(&mut lab, 0, &broadcast(source));
    }
    assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 1);
    lab.change(|all| all.ports[0].policy.guards = None);
    lab.change(|all| {
        let guards = secured(rule(2, Mode::Restrict), &[0x21], &[]);
        all.ports[0].policy.guards = Some(Arc::new(guards));
    });
    for source in [0x22, 0x21, 0x23, 0x22] {
        send(&mut lab, 0, &broadcast(source));
    }
    assert_eq!(dropped(&lab, 0, DropReason::PortSecurity), 2);
}
