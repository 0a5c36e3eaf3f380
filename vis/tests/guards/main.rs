//! Guards, rule by rule: storm control, BPDU guard, port security, guests that bridge, and ports that a guard has shut.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect is to stop there"
)]

mod bridging;
#[path = "../lab/mod.rs"]
mod lab;
mod port_security;

use lab::{Lab, broadcast, ethernet, mac, plain, veth, vlan};
use niv::{DropReason, PortId};
use packet_io::{Checksum, Offload, RxFrame, Segmentation, SegmentationKind};
use policy::bridge_guard::BpduGuard;
use policy::err_disable::Cause;
use policy::rate::{Awareness, BitRate, Burst, Configured, PerColor, Policer};
use policy::security::Mode;
use policy::storm::{Action, Class, Level, StormControl};
use port_security::{rule, secured};
use std::sync::Arc;
use vis::switch::{GuardEvent, GuardPolicy, PortPlan, PortState, RatePolicy};

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

/// By which device `frame` comes in from the port at `at`, and as what.
fn arriving(at: u16, frame: &[u8]) -> (u16, Vec<u8>) {
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
        0 => (0, word(5)),
        1 => (0, word(6)),
        2 => (1, word(5)),
        3 => (2, frame.to_vec()),
        _ => (3, frame.to_vec()),
    }
}

/// `frame` comes in by the port at `at`.
fn send(lab: &mut Lab, at: u16, frame: &[u8]) {
    let (device, frame) = arriving(at, frame);
    lab.receive(device, &frame);
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
