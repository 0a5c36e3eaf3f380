//! A line of a profile, typed under load: when it reaches every vEth that inherits it, and that it reaches them all at
//! once.

use super::accounts::nothing_unexplained;
use super::shell::Typist;
use crate::binaries::Binaries;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet, tagged};
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Doing, Result, check};
use crate::lab::{Host, Lab};
use crate::report::Report;
use niv::Mac;
use serde_json::Value;
use std::fmt::Write as _;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use vntag::{Direction, Dvif, Svif, Version, VnTag};

/// vEths on one link, each with frames under way all the time.
const VETHS: u16 = 1024;
/// Chains of profiles above one root: with it 512 profiles, 8 above each other.
const CHAINS: u16 = 73;
const LEVELS: u16 = 7;
/// Every vEth sends one frame in this time.
const ROUND: Duration = Duration::from_millis(20);
/// Lines typed, one after the other, each taking back the one before.
const EDITS: usize = 10;
/// From one line to the next.
const PAUSE: Duration = Duration::from_millis(300);
/// From the start of the program that types the line to the last vEth.
const WITHIN_MS: f64 = 100.0;

/// The address of both sinks.
const SINK: Mac = Mac([0x02, 0xAC, 0, 0, 0, 1]);

fn configuration() -> String {
    let mut text = "vlan 10,20\ninterface ethernet 1\n  device niv1\n  switchport mode vntag\n\
        interface ethernet 2\n  device p10\n  switchport access vlan 10\n\
        interface ethernet 3\n  device p20\n  switchport access vlan 20\n\
        port-profile root\n  switchport access vlan 10\n"
        .to_owned();
    for chain in 0..CHAINS {
        for level in 1..=LEVELS {
            let parent = match level {
                1 => "root".to_owned(),
                _ => format!("p{chain}-{}", level - 1),
            };
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "port-profile p{chain}-{level}\n  inherit port-profile {parent}\n"
            );
        }
    }
    for veth in 1..=VETHS {
        let chain = veth % CHAINS;
        let _ = write!(
            text,
            "interface veth {veth}\n  bind interface ethernet 1 channel {veth}\n  \
             inherit port-profile p{chain}-{LEVELS}\n"
        );
    }
    text
}

/// A frame of vEth `veth`; its number among all frames stands behind its header.
fn frame(to: Mac, veth: u16) -> Vec<u8> {
    let [high, low] = veth.to_be_bytes();
    let from = Mac([0x02, 0xAB, 0, 0, high, low]);
    let tag = VnTag {
        direction: Direction::ToBridge,
        pointer: false,
        dvif: Dvif::ZERO,
        looped: false,
        reserved: false,
        version: Version::ZERO,
        svif: Svif::truncate(veth),
    };
    tagged(&ethernet(to, from, EXPERIMENTAL, &[0; 46]), tag)
}

/// Where the number is: behind the addresses, the VNTag and the EtherType.
const NUMBER: Range<usize> = 20..28;
/// The same in what the switch has sent on, which has no VNTag.
const NUMBER_OUT: Range<usize> = 14..22;

/// Sends from every vEth in turn until told to stop; how many frames.
fn send(host: &Host, to: Mac, stop: &AtomicBool) -> Result<u64> {
    let mut source = Source::open(&host.netns, "eth1")?;
    let mut frames: Vec<_> = (1..=VETHS).map(|veth| frame(to, veth)).collect();
    let mut number: u64 = 0;
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        for frame in &mut frames {
            if let Some(place) = frame.get_mut(NUMBER) {
                place.copy_from_slice(&number.to_be_bytes());
            }
            source.send(frame)?;
            number += 1;
        }
        next += ROUND;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(number)
}

/// A frame that arrived.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    number: u64,
    /// The VLAN of the sink that has it.
    vlan: u16,
    /// When it was read.
    at: SystemTime,
}

/// What arrives, until told to stop and nothing is left.
fn receive(watches: &[(u16, Watch)], stop: &AtomicBool) -> Result<Vec<Arrived>> {
    let mut all = Vec::new();
    loop {
        let over = stop.load(Ordering::Relaxed);
        for (vlan, watch) in watches {
            while let Some(seen) = watch.try_next()? {
                let number = seen.bytes.get(NUMBER_OUT).unwrap_or_default();
                if let Ok(number) = number.try_into() {
                    all.push(Arrived {
                        number: u64::from_be_bytes(number),
                        vlan: *vlan,
                        at: seen.at,
                    });
                }
            }
        }
        if over {
            return Ok(all);
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// Frames of all vEths that arrived in one VLAN, and nothing between them in the other.
#[derive(Debug)]
struct Stretch {
    vlan: u16,
    numbers: Range<u64>,
    first: SystemTime,
}

/// By number, whoever got them.
fn stretches(arrived: &[Arrived]) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for &Arrived { number, vlan, at } in arrived {
        match all.last_mut() {
            Some(stretch) if stretch.vlan == vlan => stretch.numbers.end = number + 1,
            _ => all.push(Stretch {
                vlan,
                numbers: number..number + 1,
                first: at,
            }),
        }
    }
    all
}

/// 1,024 vEths send; the root of their profiles moves them to another VLAN and back. In both there is a sink with the address
/// they send to.
pub(super) fn live_change(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "sender", "sink10", "sink20"] {
        lab.add_host(name)?;
    }
    lab.cable(("sender", "eth1"), ("vis", "niv1"))?;
    lab.cable(("sink10", "eth0"), ("vis", "p10"))?;
    lab.cable(("sink20", "eth0"), ("vis", "p20"))?;
    lab.host("sender")?.mtu("eth1", 1510)?;
    for (host, device) in [("sender", "eth1"), ("sink10", "eth0"), ("sink20", "eth0")] {
        lab.host(host)?.silence(device)?;
    }
    lab.start("vis", "vis", &configuration())?;
    let typist = Typist::of(binaries, lab.daemon("vis")?.socket());
    for sink in ["sink10", "sink20"] {
        let mut known = Source::open(&lab.host(sink)?.netns, "eth0")?;
        known.send(&ethernet(Mac::BROADCAST, SINK, EXPERIMENTAL, &[0; 46]))?;
    }
    thread::sleep(Duration::from_millis(100));
    let watch = |sink| Watch::open(&lab.host(sink)?.netns, Choice::ReceivedType(EXPERIMENTAL));
    let watches = [(10, watch("sink10")?), (20, watch("sink20")?)];
    report.part(&format!(
        "{VETHS} vEths send, {} profiles of 8 levels, {EDITS} lines in the root",
        CHAINS * LEVELS + 1
    ));

    let sender = lab.host("sender")?;
    let stop = AtomicBool::new(false);
    let (typed, sent, arrived, attached) = thread::scope(|scope| {
        let attaching = scope.spawn(|| attach(&typist, &stop));
        let sending = scope.spawn(|| send(sender, SINK, &stop));
        let receiving = scope.spawn(|| receive(&watches, &stop));
        let typed = plan(&typist, report).and_then(|()| edit(&typist));
        stop.store(true, Ordering::Relaxed);
        let sent = sending.join().unwrap_or_else(|panic| resume_unwind(panic));
        let arrived = receiving.join();
        let attached = attaching.join();
        (
            typed,
            sent,
            arrived.unwrap_or_else(|panic| resume_unwind(panic)),
            attached.unwrap_or_else(|panic| resume_unwind(panic)),
        )
    });
    let (typed, sent) = (typed?, sent?);
    report.figure("vEths given another profile meanwhile", attached?);
    let mut arrived = arrived?;
    thread::sleep(Duration::from_millis(200));
    arrived.extend(receive(&watches, &AtomicBool::new(true))?);

    judge(arrived, &typed, sent, report)?;
    nothing_unexplained(&mut lab, "vis", report)?;
    lab.check_alive()
}

/// Gives one vEth after the other another profile of the same root, until told to stop; how many.
fn attach(typist: &Typist, stop: &AtomicBool) -> Result<usize> {
    let mut attached = 0;
    for veth in (1..=VETHS).cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let chain = (veth + 1) % CHAINS;
        let line = format!("attach interface vethernet {veth} port-profile p{chain}-{LEVELS}");
        let said = typist.exec(&[&line])?;
        check(said.done, || format!("{line}: {said:?}"))?;
        attached += 1;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(attached)
}

/// What would change is said before, of every vEth and of what each has sent lately; nothing does.
fn plan(typist: &Typist, report: &Report) -> Result<()> {
    // Until most of them are in the sample.
    thread::sleep(Duration::from_secs(3));
    let begun = Instant::now();
    let said = typist.exec(&[
        "configure candidate",
        "port-profile root",
        "switchport access vlan 20",
        "plan | json",
        "abort",
    ])?;
    check(said.done, || format!("{said:?}"))?;
    let took = begun.elapsed();
    let plan: Value = serde_json::from_str(&said.out).doing("read a plan")?;
    let number = |field: &str| plan.get(field).and_then(Value::as_u64).unwrap_or_default();
    let interfaces = plan.get("interfaces").and_then(Value::as_array);
    let interfaces = interfaces.map_or(0, Vec::len);
    report.figure(
        "what `plan` says would change",
        format!(
            "{interfaces} interfaces, {} of {} frames, in {took:.1?}",
            number("differ"),
            number("judged")
        ),
    );
    check(interfaces == usize::from(VETHS), || {
        format!("`plan` names {interfaces} interfaces")
    })?;
    // What the sink has sent goes where it went.
    let differ = number("differ");
    check(
        differ + 1 >= number("judged") && differ >= u64::from(VETHS) / 16,
        || format!("`plan` has few frames, or others: {plan}"),
    )
}

/// Types the lines; when each was begun.
fn edit(typist: &Typist) -> Result<Vec<SystemTime>> {
    let mut typed = Vec::with_capacity(EDITS);
    for vlan in [20, 10].into_iter().cycle().take(EDITS) {
        thread::sleep(PAUSE);
        typed.push(SystemTime::now());
        let line = format!("switchport access vlan {vlan}");
        let said = typist.exec(&["configure", "port-profile root", &line])?;
        check(said.done, || format!("{line}: {said:?}"))?;
    }
    thread::sleep(PAUSE);
    Ok(typed)
}

/// No frame arrived twice, and they arrived in stretches by VLAN: as many as lines were typed, and one. So none is judged by
/// a mix, and each line has one instant for all vEths.
fn judge(
    mut arrived: Vec<Arrived>,
    typed: &[SystemTime],
    sent: u64,
    report: &Report,
) -> Result<()> {
    arrived.sort_by_key(|one| one.number);
    let twice = arrived.windows(2).find(|pair| match pair {
        [one, next] => one.number == next.number,
        _ => false,
    });
    check(twice.is_none(), || {
        format!("a frame arrived twice: {twice:?}")
    })?;
    let stretches = stretches(&arrived);
    let shown = || {
        let one = |stretch: &Stretch| format!("{:?} in {}", stretch.numbers, stretch.vlan);
        stretches.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let missing = sent - arrived.len() as u64;
    report.figure("frames sent", sent);
    report.figure("frames that no sink had room for", missing);
    report.figure("frames that arrived, by VLAN", shown());
    check(stretches.len() == EDITS + 1, || {
        format!(
            "{EDITS} lines cut the frames in {}: {}",
            stretches.len(),
            shown()
        )
    })?;
    // A queue on the way may be full for a moment; what is counted is counted by `nothing_unexplained`.
    check(missing * 100 <= sent, || {
        format!("{missing} of {sent} frames are missing: {}", shown())
    })?;
    let after = stretches.iter().skip(1).map(|stretch| stretch.first);
    let each = typed.iter().zip(after);
    let each = each.map(|(line, first)| first.duration_since(*line).unwrap_or_default());
    let latest = each.max().unwrap_or_default();
    report.figure(
        "from typing a line to the first frame by it, at most",
        format!("{latest:.1?}"),
    );
    report.limit(latest.as_secs_f64() * 1000.0, WITHIN_MS, "ms")
}
