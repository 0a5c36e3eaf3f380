//! A guest that bridges its two vNICs, in five ways, while all others talk and broadcast.

use super::guard_lab::{
    Hand, WITHIN, frame, milliseconds, open_by_hand, pace, shut, station, until, watch,
};
use crate::endpoint::frame::Source;
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use niv::Mac;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Frames a second of those who bridge nothing.
const OTHERS: u32 = 10_000;
/// What they keep of their rate, in per cent.
const KEPT: f64 = 90.0;
/// Until a guest that bridges is named.
const NAMED_MS: f64 = 1_000.0;
/// Everybody broadcasts once in this time.
const BROADCASTS: Duration = Duration::from_millis(100);
/// After this a pair that nobody is to be shut for is told again.
const TOLD_AGAIN: Duration = Duration::from_secs(10);
/// Those who talk, and the neighbours.
const TALKERS: [u32; 2] = [0x101, 0x102];
const NEIGHBOURS: [(&str, u32); 2] = [("n1", 0x201), ("n2", 0x202)];
/// The guest's own.
const BRIDGE: u32 = 0x301;

/// How it bridges.
struct Way {
    what: &'static str,
    /// What may name it: whichever is seen first.
    evidence: &'static [&'static str],
    /// Neighbours who broadcast.
    neighbours: usize,
    /// The guest's bridge broadcasts once, itself.
    speaks: bool,
    /// Ports that are shut for it: so many at least, and none where none is.
    shut: usize,
    /// Said of both vNICs while it does.
    lines: &'static [&'static str],
}

const WAYS: [Way; 5] = [
    Way {
        what: "a guest bridges its two vNICs; a neighbour and all others broadcast",
        // A bridge speaks of itself when it comes up, so an echo of that may be first.
        evidence: &["address", "echo"],
        neighbours: 1,
        speaks: false,
        shut: 1,
        lines: &[],
    },
    Way {
        what: "port security drops what comes back",
        evidence: &["address"],
        neighbours: 1,
        speaks: false,
        shut: 0,
        lines: &[
            "switchport port-security violation protect",
            "switchport port-security",
        ],
    },
    Way {
        what: "an access list drops what comes back",
        evidence: &["address"],
        neighbours: 1,
        speaks: false,
        shut: 0,
        lines: &["mac access-group nothing in"],
    },
    Way {
        what: "the bridge itself broadcasts once",
        evidence: &["echo"],
        neighbours: 0,
        speaks: true,
        shut: 1,
        lines: &[],
    },
    Way {
        what: "the two vNICs are in two VLANs; a neighbour in each broadcasts",
        evidence: &["vlans"],
        neighbours: 2,
        speaks: false,
        shut: 0,
        lines: &[],
    },
];

pub(super) fn bridging(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    hand.types(&[
        "configure",
        "vlan 20",
        "exit",
        "mac access-list nothing",
        "deny any any",
        "exit",
        "port-profile guest",
        "bridge-guard shutdown",
        "errdisable recovery cause bridge-guard",
    ])?;
    for way in &WAYS {
        report.part(way.what);
        if way.evidence == ["vlans"] {
            let line = "switchport access vlan 20";
            hand.types(&["configure", "interface veth 4", line])?;
            hand.types(&["configure", "interface ethernet 3", line])?;
        }
        on_both(hand, "", way.lines)?;
        if !way.lines.is_empty() {
            thread::sleep(TOLD_AGAIN);
        }
        in_this_way(lab, way, report)?;
        if way.speaks {
            again(lab, hand, report)?;
        }
        lab.host("g3")?.delete("br0")?;
        open_both(lab, hand)?;
        on_both(hand, "no ", way.lines)?;
    }
    Ok(())
}

const BOTH: [&str; 2] = ["veth 3", "veth 4"];

fn on_both(hand: &Hand, negation: &str, lines: &[&str]) -> Result<()> {
    for vnic in BOTH {
        for line in lines {
            let (interface, line) = (format!("interface {vnic}"), format!("{negation}{line}"));
            hand.types(&["configure", &interface, &line])?;
        }
    }
    Ok(())
}

fn open_both(lab: &mut Lab, hand: &Hand) -> Result<()> {
    for interface in BOTH {
        open_by_hand(hand, interface)?;
    }
    until("they are open", WITHIN, || Ok(shut(lab)?.is_empty()))?;
    Ok(())
}

/// What has been told lately is acted upon again.
fn again(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    open_both(lab, hand)?;
    let mut source = Source::open(&lab.host("g3")?.netns, "br0")?;
    source.send(&frame(Mac::BROADCAST, station(BRIDGE), 60))?;
    let took = until(
        "a port is shut again",
        WITHIN,
        || Ok(!shut(lab)?.is_empty()),
    )?;
    report.figure(
        "opened by hand, it goes on at once; shut again after",
        milliseconds(took),
    );
    Ok(())
}

fn in_this_way(lab: &mut Lab, way: &Way, report: &Report) -> Result<()> {
    let (stop, mut share) = (AtomicBool::new(false), Vec::new());
    let asker = lab.daemon("vis")?.asker();
    let lab_ref: &Lab = lab;
    let (named, talked) = thread::scope(|scope| {
        let talking = scope.spawn(|| talk(lab_ref, way, &stop, &mut share));
        let speaking = scope.spawn(|| broadcast(lab_ref, way, &stop));
        let named = || -> Result<Duration> {
            thread::sleep(Duration::from_secs(2));
            let g3 = lab_ref.host("g3")?;
            let begun = Instant::now();
            g3.bridge("br0", &["eth0", "eth1"])?;
            if way.speaks {
                let mut source = Source::open(&g3.netns, "br0")?;
                source.send(&frame(Mac::BROADCAST, station(BRIDGE), 60))?;
            }
            until("the guest is named", WITHIN, || {
                let answer = asker(&["show", "bridge-guard", "--json"])?;
                let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
                let found = answer.get("found").and_then(Value::as_array);
                let mut found = found.into_iter().flatten();
                Ok(found.any(|one| is_it(one, way, begun.elapsed())))
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
        (named, join(talking).and(join(speaking)))
    });
    talked?;
    report.block(&lab.daemon("vis")?.show(&["bridge-guard"])?);
    let took = named?;
    report.figure("from the bridge to its being named", milliseconds(took));
    report.limit(took.as_secs_f64() * 1_000.0, NAMED_MS, "ms")?;
    let causes = shut(lab)?;
    let as_said = causes.iter().all(|cause| *cause == "bridged_ports");
    let enough = causes.len() >= way.shut && (way.shut > 0 || causes.is_empty());
    report.figure("ports shut for it", causes.len());
    check(as_said && enough, || format!("shut: {causes:?}"))?;
    let least = share.iter().copied().fold(f64::INFINITY, f64::min);
    let shown: Vec<_> = share.iter().map(|share| format!("{share:.0}")).collect();
    report.figure(
        "what the others got, per cent of each half second",
        shown.join(" "),
    );
    report.goal(least, KEPT, "per cent of their rate kept")
}

/// Whether it was found in that time, and in this way.
fn is_it(found: &Value, way: &Way, lately: Duration) -> bool {
    let ago = found.get("ago_ms").and_then(Value::as_u64);
    if ago.is_none_or(|ago| u128::from(ago) > lately.as_millis()) {
        return false;
    }
    let has = |of: Value| {
        let interfaces = found.get("interfaces").and_then(Value::as_array);
        interfaces.is_some_and(|interfaces| interfaces.contains(&of))
    };
    has(json!({"veth": 3}))
        && has(json!({"veth": 4}))
        && found
            .get("evidence")
            .and_then(Value::as_str)
            .is_some_and(|evidence| way.evidence.contains(&evidence))
}

/// The guests g1 and g2 and the neighbours broadcast, so a loop has all their addresses.
fn broadcast(lab: &Lab, way: &Way, stop: &AtomicBool) -> Result<()> {
    // What the guest's own frame does is to be seen alone.
    let guests = ["g1", "g2"].into_iter().zip(TALKERS);
    let guests = guests.take(if way.speaks { 0 } else { 2 });
    let neighbours = NEIGHBOURS.into_iter().take(way.neighbours);
    let mut all = Vec::new();
    for (host, number) in guests.chain(neighbours) {
        let source = Source::open(&lab.host(host)?.netns, "eth0")?;
        all.push((source, frame(Mac::BROADCAST, station(number), 60)));
    }
    while !stop.load(Ordering::Relaxed) {
        for (source, hello) in &mut all {
            source.send(hello)?;
        }
        thread::sleep(BROADCASTS);
    }
    Ok(())
}

/// Guest g1 talks to g2 all the time. What arrives of that, in per cent of what is sent in each half second.
fn talk(lab: &Lab, way: &Way, stop: &AtomicBool, share: &mut Vec<f64>) -> Result<()> {
    let [one, other] = TALKERS.map(station);
    let mut source = Source::open(&lab.host("g1")?.netns, "eth0")?;
    let mut answers = Source::open(&lab.host("g2")?.netns, "eth0")?;
    if way.speaks {
        source.send(&frame(Mac::BROADCAST, one, 60))?;
        answers.send(&frame(Mac::BROADCAST, other, 60))?;
    }
    thread::sleep(2 * BROADCASTS);
    let talk = frame(other, one, 60);
    let heard = watch(lab, "g2")?;
    let (received, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let listening = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                while let Some(seen) = heard.try_next()? {
                    let is_theirs = seen.bytes.get(..12) == talk.get(..12);
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
