//! Storm control, BPDU guard and a guest that bridges its two vNICs, with real guests and neighbours.

use super::accounts::nothing_unexplained;
use super::bridging::bridging;
use super::guard_lab::{
    Hand, WITHIN, came, drops, frame, guard_lab, milliseconds, open_by_hand, pace, shut, station,
    until, watch,
};
use crate::binaries::Binaries;
use crate::endpoint::frame::Source;
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use niv::Mac;
use std::thread;
use std::time::Duration;

/// How long each class storms.
const STORM: Duration = Duration::from_secs(2);
/// Frames of a storm in a second.
const OFFERED: u32 = 2_000;
/// Octets of a frame of the storm that is measured in bits.
const LONG: usize = 1_000;

const GROUP: Mac = Mac([0x01, 0x00, 0x5E, 0x01, 0x02, 0x03]);
const NOBODY: Mac = Mac([0x02, 0xDD, 0, 0, 0, 1]);

pub(super) fn guards(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = guard_lab(binaries, "")?;
    let hand = Hand::of(binaries, &mut lab)?;
    storms(&mut lab, &hand, report)?;
    storm_shuts(&mut lab, &hand, report)?;
    bpdu(&mut lab, &hand, report)?;
    bridging(&mut lab, &hand, report)?;
    nothing_unexplained(&mut lab, "vis", report)?;
    lab.check_alive()
}

/// Each class of a vEth and of a plain port is held to its level, and no other frame is touched.
fn storms(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    report.part(&format!(
        "storms of {OFFERED} frames a second, for {} s each",
        STORM.as_secs()
    ));
    let levels = [
        ("broadcast", "pps 100", Mac::BROADCAST, 60, 100.0),
        // 400,000 bits a second in frames of 1,000 octets.
        ("multicast", "bps 400k", GROUP, LONG, 50.0),
        ("unicast", "pps 200", NOBODY, 60, 200.0),
    ];
    let heard = watch(lab, "n1")?;
    let ports = [("g1", "veth 1", 1), ("n2", "ethernet 3", 2)];
    for (host, interface, number) in ports {
        let from = station(number);
        let mut source = Source::open(&lab.host(host)?.netns, "eth0")?;
        for (class, level, to, octets, per_second) in levels {
            let line = format!("storm-control {class} level {level}");
            hand.types(&["configure", &format!("interface {interface}"), &line])?;
            came(&heard, from)?;
            let dropped = drops(lab, "storm_control")?;
            let sent = pace(&mut source, &frame(to, from, octets), OFFERED, STORM)?;
            let passed = came(&heard, from)?;
            let dropped = drops(lab, "storm_control")? - dropped;
            let seconds = STORM.as_secs_f64();
            report.figure(
                &format!("{interface}, {line}: of {sent} frames passed and were dropped"),
                format!(
                    "{passed} ({:.0} a second) and {dropped}",
                    passed as f64 / seconds
                ),
            );
            // At once 100 ms of the level pass, of octets at least the longest frame there is.
            let burst = (per_second / 10.0_f64).max(if octets == LONG { 9.3 } else { 1.0 });
            let most = per_second * (seconds + 0.1) + burst + 1.0;
            let least = per_second * seconds * 0.95;
            check((least..=most).contains(&(passed as f64)), || {
                format!("{passed} passed, and {least:.0} to {most:.0} may")
            })?;
            check(passed as u64 + dropped == sent, || {
                format!("{sent} were sent, {passed} passed and {dropped} were dropped")
            })?;
            hand.types(&[
                "configure",
                &format!("interface {interface}"),
                &format!("no {line}"),
            ])?;
        }
    }
    Ok(())
}

/// The port is shut, said to be, and comes back by itself or by hand.
fn storm_shuts(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    report.part("storm-control action shutdown");
    hand.types(&[
        "configure",
        "errdisable recovery cause storm-control",
        "errdisable recovery interval 3",
        "port-profile guest",
        "storm-control broadcast level pps 100",
        "storm-control action shutdown",
    ])?;
    let heard = watch(lab, "n1")?;
    let from = station(1);
    let mut source = Source::open(&lab.host("g1")?.netns, "eth0")?;
    let storm = frame(Mac::BROADCAST, from, 60);
    let sent = pace(&mut source, &storm, OFFERED, Duration::from_millis(500))?;
    let took = until("the port is shown as shut", WITHIN, || {
        Ok(shut(lab)? == ["storm_control"])
    })?;
    let passed = came(&heard, from)?;
    report.figure(
        "frames of the storm that passed before it was shut",
        format!("{passed} of {sent}"),
    );
    check(passed <= 12, || format!("{passed} frames passed"))?;
    report.figure(
        "shown as err-disabled, behind the storm",
        milliseconds(took),
    );
    report.block(
        &lab.daemon("vis")?
            .show(&["interface", "status", "err-disabled"])?,
    );
    let took = until("the port comes back", WITHIN, || Ok(shut(lab)?.is_empty()))?;
    report.figure("an interval of 3 s later it is back", milliseconds(took));
    source.send(&storm)?;
    check(came(&heard, from)? == 1, || {
        "it is back, and no frame passes".to_owned()
    })?;

    // Without recovery it stays shut until it is opened by hand.
    hand.types(&["configure", "no errdisable recovery cause storm-control"])?;
    pace(&mut source, &storm, OFFERED, Duration::from_millis(200))?;
    until("it is shut again", WITHIN, || Ok(!shut(lab)?.is_empty()))?;
    thread::sleep(Duration::from_secs(4));
    check(!shut(lab)?.is_empty(), || {
        "it came back by itself".to_owned()
    })?;
    open_by_hand(hand, "veth 1")?;
    until("it is open", WITHIN, || Ok(shut(lab)?.is_empty()))?;
    came(&heard, from)?;
    thread::sleep(Duration::from_millis(200));
    source.send(&storm)?;
    check(came(&heard, from)? == 1, || {
        "it was opened, and no frame passes".to_owned()
    })?;
    report.figure("without recovery, `shutdown` and `no shutdown`", "open it");
    hand.types(&[
        "configure",
        "port-profile guest",
        "no storm-control broadcast",
        "no storm-control action",
    ])
}

/// A rapid spanning tree BPDU, of a bridge.
fn bpdu_of(bridge: u8) -> Vec<u8> {
    let mut frame = vec![0x01, 0x80, 0xC2, 0, 0, 0];
    frame.extend([0x02, 0xBB, 0, 0, 0, bridge]);
    frame.extend([0, 39, 0x42, 0x42, 3, 0, 0, 2, 2, 0x7C]);
    frame.extend([0x80, 0, 0x02, 0xBB, 0, 0, 0, bridge, 0, 0, 0, 0]);
    frame.extend([0x80, 0, 0x02, 0xBB, 0, 0, 0, bridge, 0x80, 1]);
    frame.extend([0, 0, 20, 0, 2, 0, 15, 0, 0]);
    frame.resize(60, 0);
    frame
}

fn bpdu(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    report.part("spanning-tree bpduguard enable");
    for (host, interface) in [("g2", "veth 2"), ("n2", "ethernet 3")] {
        let line = format!("interface {interface}");
        hand.types(&["configure", &line, "spanning-tree bpduguard enable"])?;
        let mut source = Source::open(&lab.host(host)?.netns, "eth0")?;
        source.send(&bpdu_of(1))?;
        let took = until("the port is shut", WITHIN, || {
            Ok(shut(lab)? == ["bpdu_guard"])
        })?;
        report.figure(
            &format!("{interface}: from its BPDU to err-disabled"),
            milliseconds(took),
        );
        hand.types(&["configure", &line, "no spanning-tree bpduguard"])?;
        open_by_hand(hand, interface)?;
        until("it is open", WITHIN, || Ok(shut(lab)?.is_empty()))?;
    }
    let dropped = drops(lab, "bpdu_guard")?;
    check(dropped == 2, || {
        format!("{dropped} BPDUs were dropped, of 2")
    })
}
