//! Storm control, BPDU guard and a guest that bridges its two vNICs, with real guests and neighbours.

use super::accounts::nothing_unexplained;
use super::guard_lab::{
    Hand, came, drops, frame, guard_lab, milliseconds, pace, shut, source_of, station, until, watch,
};
use crate::binaries::Binaries;
use crate::endpoint::frame::Source;
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use niv::Mac;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that follows by itself.
const WITHIN: Duration = Duration::from_secs(5);
/// How long each class storms.
const STORM: Duration = Duration::from_secs(2);
/// Frames of a storm in a second.
const OFFERED: u32 = 2_000;
/// Octets of a frame of the storm that is measured in bits.
const LONG: usize = 1_000;
/// Frames a second of those who bridge nothing.
const OTHERS: u32 = 10_000;
/// What they keep of their rate, in per cent.
const KEPT: f64 = 90.0;
/// Until a guest that bridges is named.
const NAMED_MS: f64 = 1_000.0;

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

fn open_by_hand(hand: &Hand, interface: &str) -> Result<()> {
    let interface = format!("interface {interface}");
    hand.types(&["configure", &interface, "shutdown", "no shutdown"])
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

/// Guests g1 and g2 talk all the time. What arrives of that in a second, in per cent of what is sent.
fn others(lab: &Lab, stop: &AtomicBool, share: &mut Vec<f64>) -> Result<()> {
    let (one, other) = (station(0x101), station(0x102));
    let mut source = Source::open(&lab.host("g1")?.netns, "eth0")?;
    let talk = frame(other, one, 60);
    let heard = watch(lab, "g2")?;
    let (received, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let listening = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                while let Some(seen) = heard.try_next()? {
                    let is_theirs = source_of(&seen.bytes) == Some(one);
                    received.fetch_add(u64::from(is_theirs), Ordering::Relaxed);
                }
                thread::sleep(Duration::from_micros(500));
            }
            Ok(())
        });
        let mut speak = || -> Result<()> {
            let mut before = 0;
            while !stop.load(Ordering::Relaxed) {
                let sent = pace(&mut source, &talk, OTHERS, Duration::from_millis(500))?;
                let now = received.load(Ordering::Relaxed);
                share.push((now - before) as f64 * 100.0 / sent.max(1) as f64);
                before = now;
            }
            Ok(())
        };
        let talked = speak();
        over.store(true, Ordering::Relaxed);
        let listened = listening.join();
        talked.and(listened.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn bridging(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    report.part("a guest bridges its two vNICs; a neighbour broadcasts, and all others talk");
    hand.types(&[
        "configure",
        "port-profile guest",
        "bridge-guard shutdown",
        "errdisable recovery cause bridge-guard",
    ])?;
    for (host, number) in [("g1", 0x101), ("g2", 0x102)] {
        let mut source = Source::open(&lab.host(host)?.netns, "eth0")?;
        source.send(&frame(Mac::BROADCAST, station(number), 60))?;
    }
    thread::sleep(Duration::from_millis(200));
    let (stop, mut share) = (AtomicBool::new(false), Vec::new());
    let asker = lab.daemon("vis")?.asker();
    let lab_ref: &Lab = lab;
    let (named, talked) = thread::scope(|scope| {
        let talking = scope.spawn(|| others(lab_ref, &stop, &mut share));
        let speaking = scope.spawn(|| -> Result<()> {
            let mut source = Source::open(&lab_ref.host("n1")?.netns, "eth0")?;
            let hello = frame(Mac::BROADCAST, station(0x201), 60);
            while !stop.load(Ordering::Relaxed) {
                source.send(&hello)?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        });
        let named = || -> Result<Duration> {
            thread::sleep(Duration::from_secs(2));
            lab_ref.host("g3")?.bridge("br0", &["eth0", "eth1"])?;
            let begun = Instant::now();
            until("the guest is named", WITHIN, || {
                let answer = asker(&["show", "bridge-guard", "--json"])?;
                let found: Value = serde_json::from_str(&answer).unwrap_or_default();
                let found = found
                    .pointer("/found/0/interfaces")
                    .cloned()
                    .unwrap_or_default();
                Ok(found == serde_json::json!([{"veth": 3}, {"veth": 4}]))
            })?;
            let took = begun.elapsed();
            thread::sleep(Duration::from_secs(2));
            Ok(took)
        };
        let named = named();
        stop.store(true, Ordering::Relaxed);
        let join = |thread: thread::ScopedJoinHandle<'_, Result<()>>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let talked = join(talking).and(join(speaking));
        (named, talked)
    });
    talked?;
    let took = named?;
    report.block(&lab.daemon("vis")?.show(&["bridge-guard"])?);
    report.figure("from the bridge to its being named", milliseconds(took));
    report.limit(took.as_secs_f64() * 1_000.0, NAMED_MS, "ms")?;
    let causes = shut(lab)?;
    check(causes == ["bridged_ports", "bridged_ports"], || {
        format!("shut: {causes:?}")
    })?;
    let least = share.iter().copied().fold(f64::INFINITY, f64::min);
    let shown: Vec<_> = share.iter().map(|share| format!("{share:.0}")).collect();
    report.figure(
        "what the others got, per cent of each half second",
        shown.join(" "),
    );
    report.goal(least, KEPT, "per cent of their rate kept")?;
    for interface in ["veth 3", "veth 4"] {
        open_by_hand(hand, interface)?;
    }
    lab.host("g3")?.delete("br0")
}
