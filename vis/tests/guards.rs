//! Guards, rule by rule: storm control, BPDU guard, port security, guests that bridge, and ports that a guard has shut.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect is to stop there"
)]

mod lab;

use lab::{Lab, broadcast, ethernet, mac, plain, veth, vlan};
use niv::{DropReason, Mac, PortId};
use packet_io::{Checksum, Offload, RxFrame, Segmentation, SegmentationKind};
use policy::bridge_guard::{Blame, BpduGuard, Bridging, Evidence};
use policy::err_disable::Cause;
use policy::rate::{Awareness, BitRate, Burst, Configured, PerColor, Policer};
use policy::security::{Ageing, Kind, Mode, PortSecurity, Why};
use policy::storm::{Action, Class, Level, StormControl};
use std::num::NonZeroU32;
use std::sync::Arc;
use vis::switch::{
    AwayPlan, Declared, GuardEvent, GuardPolicy, PortPlan, PortState, RatePolicy, Recalled,
    SecurePlan, Seed, Switch, VlanPolicy,
};

/// Two vEths on one link, one on another, and two plain ports, all in VLAN 10.
fn ports() -> Vec<PortPlan> {
    vec![
        veth(0, 0, 5),
        veth(1, 0, 6),
        veth(2, 1, 5),
        plain(3, 2),
        plain(4, 3),
    ]
}

/// The first vEth and the first plain port: what holds for one holds for the other.
const BOTH: [u16; 2] = [0, 3];

fn guarded(at: u16, guards: GuardPolicy) -> Lab {
    let mut ports = ports();
    ports[usize::from(at)].policy.guards = Some(Arc::new(guards));
    Lab::new(ports)
}

/// `frame` comes in by the port at `at`.
fn send(lab: &mut Lab, at: u16, frame: &[u8]) {
    let word = |vif: u32| {
        [
            &frame[..12],
            &[0x89, 0x26],
            &vif.to_be_bytes(),
            &frame[12..],
        ]
        .concat()
    };
    match at {
        0 => lab.receive(0, &word(5)),
        1 => lab.receive(0, &word(6)),
        2 => lab.receive(1, &word(5)),
        3 => lab.receive(2, frame),
        _ => lab.receive(3, frame),
    }
}

fn dropped(lab: &Lab, at: u16, reason: DropReason) -> u64 {
    lab.port(at).ingress.dropped.get(reason)
}

fn flooded(lab: &Lab, at: u16) -> u64 {
    lab.port(at).ingress.flooded
}

fn events(lab: &mut Lab) -> Vec<GuardEvent> {
    let news = lab.switch.guards_mut().take_news();
    news.map(|news| news.events).unwrap_or_default()
}

fn is_shut(lab: &mut Lab, at: u16, cause: Cause) -> bool {
    let slot = lab.snapshot.port(at).unwrap().slot;
    events(lab).contains(&GuardEvent::Shut { slot, cause })
}

fn storm(class: Class, per_second: u32, action: Action) -> GuardPolicy {
    GuardPolicy {
        storm: StormControl::new(action).with(class, Level::Packets(per_second)),
        ..GuardPolicy::default()
    }
}

const GROUP: [u8; 6] = [1, 0, 0x5E, 0, 0, 1];
const NOBODY: [u8; 6] = [2, 0, 0, 0, 0, 0x77];

fn of(class: Class, source: u8) -> Vec<u8> {
    let to = match class {
        Class::Broadcast => [0xFF; 6],
        Class::Multicast => GROUP,
        Class::UnknownUnicast => NOBODY,
    };
    ethernet(to, mac(source), &[0x88, 0xB5], 46)
}

#[test]
fn storm_control() {
    for at in BOTH {
        for class in Class::ALL {
            let mut lab = guarded(at, storm(class, 100, Action::Drop));
            for _ in 0..30 {
                for each in Class::ALL {
                    send(&mut lab, at, &of(each, 1));
                }
            }
            // 100 ms of the level pass at once, and of the other classes all.
            assert_eq!(flooded(&lab, at), 10 + 60);
            assert_eq!(dropped(&lab, at, DropReason::StormControl), 20);
            // Known unicast is asked nothing.
            let other = if at == 0 { 1 } else { 4 };
            send(
                &mut lab,
                other,
                &ethernet(mac(1), mac(2), &[0x88, 0xB5], 46),
            );
            send(&mut lab, at, &ethernet(mac(2), mac(1), &[0x88, 0xB5], 46));
            assert_eq!(lab.port(at).ingress.forwarded, 1);
            lab.wait(1_000);
            send(&mut lab, at, &of(class, 1));
            assert_eq!(flooded(&lab, at), 71);
            // Others are under no such rule.
            for _ in 0..30 {
                send(&mut lab, other, &of(class, 2));
            }
            assert_eq!(flooded(&lab, other), 30);
            let slot = lab.snapshot.port(at).unwrap().slot;
            assert_eq!(events(&mut lab), [GuardEvent::Storm { slot, class }]);
        }
    }
}

/// IPv4 and TCP to an address that nobody has, in segments of 500 octets.
fn oversized(segments: u16) -> (Vec<u8>, Offload) {
    let mut bytes = ethernet(NOBODY, mac(1), &[8, 0], 40 + 500 * usize::from(segments));
    bytes[14..54].fill(0);
    bytes[14] = 0x45;
    bytes[16..18].copy_from_slice(&(40 + 500 * segments).to_be_bytes());
    bytes[23] = 6;
    bytes[46] = 0x50;
    let offload = Offload {
        checksum: Some(Checksum {
            start: 34,
            offset: 16,
        }),
        segmentation: (segments > 1).then_some(Segmentation {
            kind: SegmentationKind::Tcp4,
            size: 500,
            ecn: false,
        }),
    };
    (bytes, offload)
}

/// What its sender's offload makes of a storm is all the same.
#[test]
fn of_an_oversized_flood_as_many_segments_pass_as_would_one_by_one() {
    for together in [1, 5] {
        let mut lab = guarded(3, storm(Class::UnknownUnicast, 30, Action::Drop));
        let (bytes, offload) = oversized(together);
        for _ in 0..10 / together {
            lab.receive_with(2, &bytes, offload);
        }
        assert_eq!(flooded(&lab, 3), 3);
        assert_eq!(dropped(&lab, 3, DropReason::StormControl), 7);
        let copies = lab.port(4).egress.sent;
        assert_eq!(copies.frames, 3, "{together} together");
        lab.wait(1_000);
        lab.receive_with(2, &bytes, offload);
        assert_eq!(flooded(&lab, 3), 3 + u64::from(together.min(3)));
    }
}

#[test]
fn what_a_policer_left_of_an_oversized_flood_is_what_storm_control_judges() {
    let mut lab = guarded(3, storm(Class::UnknownUnicast, 30, Action::Drop));
    lab.change(|topology| {
        let configured = Configured::Plain {
            rate: BitRate::new(8_000).unwrap(),
            burst: Some(Burst::new(4 * 554).unwrap()),
        };
        let policer = Policer::new(configured, Awareness::Blind, PerColor::DROP_RED);
        let rates = RatePolicy {
            police_in: Some(policer.unwrap()),
            ..RatePolicy::default()
        };
        topology.ports[3].policy.rates = Some(Arc::new(rates));
    });
    let (bytes, offload) = oversized(5);
    lab.receive_with(2, &bytes, offload);
    assert_eq!(flooded(&lab, 3), 3);
    assert_eq!(dropped(&lab, 3, DropReason::StormControl), 1);
    assert_eq!(dropped(&lab, 3, DropReason::PolicerIn), 1);
}

#[test]
fn a_storm_shuts_the_port_where_that_is_asked() {
    for at in BOTH {
        let mut lab = guarded(at, storm(Class::Broadcast, 10, Action::Shut));
        send(&mut lab, at, &broadcast(1));
        send(&mut lab, at, &broadcast(1));
        assert_eq!(dropped(&lab, at, DropReason::StormControl), 1);
        send(&mut lab, at, &of(Class::Multicast, 1));
        assert_eq!(dropped(&lab, at, DropReason::ErrDisabled), 1);
        assert!(is_shut(&mut lab, at, Cause::StormControl));
    }
}

#[test]
fn err_disabled() {
    for at in BOTH {
        let mut lab = Lab::new(ports());
        send(&mut lab, at, &broadcast(1));
        lab.sent.clear();
        lab.change(|all| all.ports[usize::from(at)].state = PortState::ErrDisabled);
        send(&mut lab, at, &broadcast(1));
        assert_eq!(dropped(&lab, at, DropReason::ErrDisabled), 1);
        assert!(lab.sent.is_empty());
        // It gets nothing, neither floods nor what was for it: that is flooded.
        assert!(!lab.snapshot.members(vlan(10)).contains(&at));
        assert_eq!(lab.addresses(), []);
        let other = if at == 0 { 1 } else { 4 };
        send(
            &mut lab,
            other,
            &ethernet(mac(1), mac(2), &[0x88, 0xB5], 46),
        );
        assert_eq!(flooded(&lab, other), 1);
    }
}

#[test]
fn a_port_that_a_guard_shuts_has_no_addresses_from_that_frame_on() {
    for at in BOTH {
        let mut lab = guarded(at, storm(Class::Broadcast, 10, Action::Shut));
        for _ in 0..2 {
            send(&mut lab, at, &broadcast(1));
        }
        assert!(is_shut(&mut lab, at, Cause::StormControl));
        assert_eq!(lab.addresses(), []);
    }
}

#[test]
fn a_port_that_was_shut_is_open_again_when_control_says_so() {
    let mut lab = guarded(0, storm(Class::Broadcast, 10, Action::Shut));
    for _ in 0..3 {
        send(&mut lab, 0, &broadcast(1));
    }
    assert_eq!(dropped(&lab, 0, DropReason::ErrDisabled), 1);
    let slot = lab.snapshot.port(0).unwrap().slot;
    assert!(is_shut(&mut lab, 0, Cause::StormControl));
    lab.switch.open(slot);
    lab.wait(1_000);
    send(&mut lab, 0, &broadcast(1));
    assert_eq!(flooded(&lab, 0), 2);
    // It is told once for each time.
    for _ in 0..3 {
        send(&mut lab, 0, &broadcast(1));
    }
    assert_eq!(
        events(&mut lab)
            .iter()
            .filter(|event| matches!(event, GuardEvent::Shut { .. }))
            .count(),
        1
    );
}

fn bpdu(bridge: u8) -> Vec<u8> {
    let mut frame = vec![1, 0x80, 0xC2, 0, 0, 0];
    frame.extend(mac(bridge));
    frame.extend([0, 38, 0x42, 0x42, 3, 0, 0, 2, 2, 0]);
    frame.extend([
        0x80, 0, 2, 0, 0, 0, 0, 9, 0, 0, 0, 4, 0x80, 0, 2, 0, 0, 0, 0,
    ]);
    frame.push(bridge);
    frame.extend([0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0]);
    frame.resize(60, 0);
    frame
}

#[test]
fn bpdu_guard() {
    let guard = || GuardPolicy {
        bpdu: BpduGuard::Shut,
        ..GuardPolicy::default()
    };
    let pvst = [
        &[1u8, 0, 0x0C, 0xCC, 0xCC, 0xCD][..],
        &mac(1),
        &[0, 50, 0xAA, 0xAA, 3, 0, 0, 0x0C, 1, 0x0B, 0, 0, 2, 2],
        &[0; 40],
    ]
    .concat();
    for at in BOTH {
        for frame in [bpdu(1), pvst.clone()] {
            let mut lab = guarded(at, guard());
            send(&mut lab, at, &broadcast(1));
            send(&mut lab, at, &frame);
            assert_eq!(dropped(&lab, at, DropReason::BpduGuard), 1);
            send(&mut lab, at, &broadcast(1));
            assert_eq!(dropped(&lab, at, DropReason::ErrDisabled), 1);
            assert!(is_shut(&mut lab, at, Cause::BpduGuard));
        }
        // Without the guard it ends here as all link-local frames do.
        let mut lab = Lab::new(ports());
        send(&mut lab, at, &bpdu(1));
        assert_eq!(lab.port(at).ingress.consumed, 1);
    }
}

fn secured(rule: PortSecurity, addresses: &[u8], recalled: &[u8]) -> GuardPolicy {
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

fn rule(maximum: u32, violation: Mode) -> PortSecurity {
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
            send(&mut lab, gateway, &broadcast(9));
            assert_eq!(flooded(&lab, gateway), 2);
            // Once it was not heard of for the table's ageing time it is anybody's.
            if violation == Mode::Restrict {
                lab.wait(300_000);
                send(&mut lab, at, &broadcast(9));
                assert_eq!(flooded(&lab, at), 1);
            }
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

#[test]
fn explaining_shuts_nothing_learns_nothing_and_tells_nothing() {
    let mut guards = secured(rule(1, Mode::Shutdown), &[], &[]);
    guards.storm = StormControl::new(Action::Shut).with(Class::Broadcast, Level::Packets(0));
    let mut lab = guarded(3, guards);
    for source in 1..5 {
        let bytes = broadcast(source);
        let frame = RxFrame {
            bytes: &bytes,
            vlan: None,
            offload: Offload::NONE,
            original_length: bytes.len() as u32,
        };
        let explained = lab
            .switch
            .explain(&lab.snapshot, lab.time(), PortId(2), &frame);
        let why = explained
            .counters
            .ingress
            .dropped
            .get(DropReason::StormControl);
        assert_eq!(why, 1);
    }
    assert_eq!(events(&mut lab), []);
    let held = lab.switch.guards().secure_addresses(lab.time());
    assert!(held[0].1.is_empty());
}

#[test]
fn what_is_told_is_bounded_and_no_port_that_was_shut_is_lost() {
    let ports = (0..400).map(|n| veth(n, 0, n + 1));
    let ports = ports.map(|mut port| {
        port.policy.guards = Some(Arc::new(storm(Class::Broadcast, 0, Action::Shut)));
        port
    });
    let mut lab = Lab::new(ports.collect());
    for n in 0..400u16 {
        let word = u32::from(n + 1).to_be_bytes();
        let [high, low] = n.to_be_bytes();
        let frame = ethernet([0xFF; 6], [2, 1, 0, 0, high, low], &[8, 6], 46);
        lab.receive(
            0,
            &[&frame[..12], &[0x89, 0x26], &word, &frame[12..]].concat(),
        );
    }
    let news = lab.switch.guards_mut().take_news().unwrap();
    let shut = |event: &&GuardEvent| matches!(event, GuardEvent::Shut { .. });
    assert_eq!(news.events.iter().filter(shut).count(), 400);
    assert_eq!(news.events.len() as u64 - 400 + news.lost, 400);
    assert!(news.lost > 0);
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
