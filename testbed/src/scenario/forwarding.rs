//! Frames reach whom they should, whole, once.

use crate::endpoint::frame::{self, EXPERIMENTAL, Source, describe, echo, ethernet, untag};
use crate::endpoint::ping::{Outcome, Pair, Patience, ping_all};
use crate::endpoint::stream;
use crate::endpoint::watch::{Choice, Seen, Watch};
use crate::error::{Result, check};
use crate::report::Report;
use crate::two_boxes::{STATIONS, Station, TwoBoxes, UPLINK};
use niv::Mac;
use packet_io::netns::NetNs;
use std::collections::BTreeMap;
use std::time::Duration;
use vntag::{Direction, VnTag};

/// ICMP payload that fills an IPv4 packet of 1,500 octets; 20 less do for IPv6.
const FULL_V4: usize = 1500 - 20 - 8;
/// The frame such a packet makes, without FCS.
const FULL_FRAME: usize = 1514;

/// The pairs of stations of one VLAN, with the name of what lies between them.
fn neighbours() -> impl Iterator<Item = (usize, Station, &'static str)> {
    let all = || STATIONS.into_iter().enumerate();
    all().flat_map(move |(from, a)| {
        all()
            .filter(move |&(to, b)| from != to && a.vlan == b.vlan && a.host != b.host)
            .map(move |(_, b)| (from, b, way(a, b)))
    })
}

fn way(a: Station, b: Station) -> &'static str {
    match (a.host.split_once('-'), b.host.split_once('-')) {
        (Some((a, _)), Some((b, _))) if a == b => "hairpin",
        (Some(_), Some(_)) => "host to host",
        (None, None) => "plain to plain",
        _ => "vNIC and plain neighbour",
    }
}

fn netns_of_all(boxes: &TwoBoxes) -> Result<Vec<&NetNs>> {
    STATIONS
        .into_iter()
        .map(|station| Ok(&boxes.host(station)?.netns))
        .collect()
}

/// Pings along all of `ways` over IPv4 and IPv6 and prints the sums.
fn ping_everybody(boxes: &TwoBoxes, report: &Report, payload: usize) -> Result<()> {
    let mut names = BTreeMap::new();
    for (from, station, way) in neighbours() {
        for to in [station.v4(), station.v6()] {
            names.insert(Pair { from, to }, way);
        }
    }
    let pairs: Vec<_> = names.keys().copied().collect();
    let patience = Patience {
        payload,
        within: Duration::from_secs(5),
        linger: Duration::from_millis(200),
    };
    let outcomes = ping_all(&netns_of_all(boxes)?, &pairs, patience)?;
    let mut sums: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (pair, outcome) in &outcomes {
        let sum = sums
            .entry(names.get(pair).copied().unwrap_or(""))
            .or_default();
        sum.0 += u32::from(outcome.is_clean());
        sum.1 += 1;
    }
    for (way, (clean, of)) in &sums {
        report.figure(
            &format!("{way}, IPv4 and IPv6"),
            format!("{clean} of {of} pairs"),
        );
    }
    all_clean(&outcomes)
}

fn all_clean(outcomes: &BTreeMap<Pair, Outcome>) -> Result<()> {
    let bad: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| !outcome.is_clean())
        .map(|(pair, outcome)| {
            let from = STATIONS.get(pair.from).map_or("?", |s| s.host);
            format!("{from} to {}: {outcome:?}", pair.to)
        })
        .collect();
    check(bad.is_empty(), || {
        format!("{} pairs failed: {}", bad.len(), bad.join("; "))
    })
}

/// Everybody of a VLAN pings everybody.
pub(super) fn ping_matrix(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    ping_everybody(boxes, report, 56)
}

/// The same with packets that fill a frame, which must arrive in one piece.
pub(super) fn full_size(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    let mut watches = Vec::new();
    for station in STATIONS {
        let host = boxes.host(station)?;
        let interface = host.index(station.device)?.0;
        let watch = Watch::open(&host.netns, Choice::Received { interface })?;
        watches.push((station, watch));
    }
    ping_everybody(boxes, report, FULL_V4)?;
    for (station, watch) in watches {
        let frames = watch.drain()?;
        check(frames.iter().any(|f| f.bytes.len() == FULL_FRAME), || {
            format!("{} got no frame of {FULL_FRAME} octets", station.host)
        })?;
    }
    report.figure("frames of 1,514 octets arrived whole at", "everybody");
    Ok(())
}

/// TCP and UDP, three ways each.
pub(super) fn streams(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    const TCP_OCTETS: u64 = 16 << 20;
    const DATAGRAMS: usize = 1000;
    let [a, b, _, c, _, _, p1, p2, _] = STATIONS;
    for (from, to) in [(a, b), (a, c), (c, p1), (b, p2)] {
        let name = format!("{} and {} ({})", from.host, to.host, way(from, to));
        let (near, far) = (&boxes.host(from)?.netns, &boxes.host(to)?.netns);
        let tcp = stream::tcp(near, far, to.v4(), TCP_OCTETS)?;
        let rate = tcp.octets as f64 * 16.0 / tcp.took.as_secs_f64() / 1e6;
        report.figure(
            &format!("TCP {name}"),
            format!("{} MiB each way, {rate:.0} Mb/s in all", tcp.octets >> 20),
        );
        let tcp6 = stream::tcp(near, far, to.v6(), TCP_OCTETS / 8)?;
        report.figure(
            &format!("TCP over IPv6 {name}"),
            format!("{} MiB each way", tcp6.octets >> 20),
        );
        // Shorter ones could not be told apart.
        for length in [8, 512, FULL_V4] {
            stream::udp(near, far, to.v4(), DATAGRAMS, length)?;
        }
        report.figure(
            &format!("UDP {name}"),
            format!("{DATAGRAMS} datagrams each of 8, 512 and {FULL_V4} octets, there and back"),
        );
    }
    Ok(())
}

/// Everybody broadcasts; everybody counts.
pub(super) fn broadcast_once(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    const EACH: usize = 10;
    let mut watches = Vec::new();
    for station in STATIONS {
        let host = boxes.host(station)?;
        let interface = host.index(station.device)?.0;
        let watch = Watch::open(&host.netns, Choice::Received { interface })?;
        watches.push((station, watch));
    }
    let (mut delivered, mut expected_in_all) = (0, 0);
    for sender in STATIONS {
        let mut source = Source::open(&boxes.host(sender)?.netns, sender.device)?;
        let frames: Vec<_> = (0..EACH)
            .map(|i| {
                let at = (usize::from(sender.number) * EACH + i) * 64;
                let payload = stream::pattern(at as u64, 46 + i * 100);
                ethernet(Mac::BROADCAST, source.mac, EXPERIMENTAL, &payload)
            })
            .collect();
        for frame in &frames {
            source.send(frame)?;
        }
        for (receiver, watch) in &watches {
            let hears = receiver.vlan == sender.vlan && *receiver != sender;
            let expected = if hears { EACH } else { 0 };
            let is_ours = |seen: &Seen| frames.contains(&seen.bytes);
            let count = |seen: &[Seen]| seen.iter().filter(|s| is_ours(s)).count();
            let mut seen = watch.gather(Duration::from_secs(2), |seen| count(seen) >= expected)?;
            // A second copy, or one that must not come, has a moment to show up.
            std::thread::sleep(Duration::from_millis(20));
            seen.extend(watch.drain()?);
            for frame in &frames {
                let copies = seen.iter().filter(|s| s.bytes == *frame).count();
                check(copies == usize::from(hears), || {
                    format!(
                        "{} {} got {copies} copies of a broadcast by {} {}",
                        receiver.host, receiver.device, sender.host, sender.device
                    )
                })?;
            }
            delivered += count(&seen);
            expected_in_all += expected;
        }
    }
    report.figure(
        &format!("{} broadcasts", STATIONS.len() * EACH),
        format!("{delivered} copies of {expected_in_all}, none double, none to a sender"),
    );
    Ok(())
}

/// One ping between two vNICs of a host, both directions of the NIV link printed.
pub(super) fn hairpin_decoded(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    let frames = capture_hairpin(boxes)?;
    for frame in &frames {
        report.say(&describe(&frame.bytes));
    }
    let tags: Vec<_> = frames
        .iter()
        .filter_map(|frame| untag(&frame.bytes))
        .filter_map(|(tag, inner)| Some((tag, echo(&inner)?.0)))
        .collect();
    let (one, other) = (boxes.vif("h1", "v1")?, boxes.vif("h1", "v2")?);
    // Up: from the vNIC's VIF, no destination. Down: to the other VIF, looped, the source kept.
    let expected = |asks: bool, from: u16, to: u16| {
        let fits = |tag: &VnTag, up: bool| {
            let (way, dvif) = if up {
                (Direction::ToBridge, 0)
            } else {
                (Direction::FromBridge, to)
            };
            tag.direction == way
                && !tag.pointer
                && tag.dvif.get() == dvif
                && tag.looped != up
                && tag.svif.get() == from
        };
        [true, false].map(|up| {
            tags.iter()
                .filter(|(tag, a)| *a == asks && fits(tag, up))
                .count()
        })
    };
    check(
        expected(true, one, other) == [1, 1]
            && expected(false, other, one) == [1, 1]
            && tags.len() == 4,
        || "these are not the four frames of one hairpinned ping".to_owned(),
    )?;
    report.figure(
        "one ping, hairpinned",
        "4 tagged frames, every field as it must be",
    );
    Ok(())
}

/// The frames of one answered ping from the first to the second vNIC of h1, as they pass the NIV link.
pub(super) fn capture_hairpin(boxes: &TwoBoxes) -> Result<Vec<Seen>> {
    let [a, b, ..] = STATIONS;
    let netns = [&boxes.host(a)?.netns];
    let pair = Pair {
        from: 0,
        to: b.v4(),
    };
    let patience = |linger| Patience {
        payload: 56,
        within: Duration::from_secs(3),
        linger,
    };
    // The first ping makes the neighbours known to each other, so that the second is all there is.
    all_clean(&ping_all(
        &netns,
        &[pair],
        patience(Duration::from_millis(50)),
    )?)?;
    let (host, switch) = (boxes.lab.host("h1")?, boxes.lab.host("vis")?);
    let down = Choice::Received {
        interface: host.index(UPLINK)?.0,
    };
    let up = Choice::Received {
        interface: switch.index("niv1")?.0,
    };
    let watches = [
        Watch::open(&switch.netns, up)?,
        Watch::open(&host.netns, down)?,
    ];
    all_clean(&ping_all(
        &netns,
        &[pair],
        patience(Duration::from_millis(50)),
    )?)?;
    let mut frames = Vec::new();
    for watch in &watches {
        frames.extend(watch.drain()?);
    }
    frames
        .retain(|seen| frame::untag(&seen.bytes).is_some_and(|(_, inner)| echo(&inner).is_some()));
    // Both watches were read after the fact: the order is the way's, not the clock's.
    frames.sort_by_key(|seen| {
        let (tag, inner) = frame::untag(&seen.bytes).unzip();
        let answers = inner.and_then(|i| echo(&i)).is_some_and(|(asks, _)| !asks);
        (
            answers,
            tag.is_some_and(|t| t.direction == Direction::FromBridge),
        )
    });
    Ok(frames)
}
