//! Port security, with real guests and neighbours: how many addresses a port may have, which, for how long, and what becomes of others.

use super::accounts::nothing_unexplained;
use super::guard_lab::{
    Hand, came, drops, frame, guard_lab, milliseconds, shut, source_of, station, until, watch,
};
use crate::binaries::Binaries;
use crate::endpoint::frame::Source;
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use niv::Mac;
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(5);
/// Sources of the flood.
const SOURCES: u32 = 1_000_000;
/// Stations behind a neighbour, none of which may be forgotten.
const STATIONS: u32 = 100;
/// Shortest ageing there is.
const AGES: Duration = Duration::from_secs(60);

pub(super) fn port_security(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = guard_lab(binaries, "")?;
    let hand = Hand::of(binaries, &mut lab)?;
    let aged = age_begins(&lab, &hand)?;
    modes(&mut lab, &hand, report)?;
    elsewhere(&mut lab, &hand, report)?;
    neighbours(&mut lab, &hand, report)?;
    foreseen(&lab, &hand, report)?;
    changes(&mut lab, &hand, report)?;
    away(&mut lab, &hand, report)?;
    sticky(&mut lab, &hand, report)?;
    flood(&mut lab, report)?;
    age_ends(&mut lab, aged, report)?;
    report.block(&lab.daemon("vis")?.show(&["port-security"])?);
    report.block(&lab.daemon("vis")?.show(&["port-security", "address"])?);
    nothing_unexplained(&mut lab, "vis", report)?;
    lab.check_alive()
}

fn says(lab: &Lab, host: &str, device: &str, from: Mac) -> Result<()> {
    let mut source = Source::open(&lab.host(host)?.netns, device)?;
    source.send(&frame(Mac::BROADCAST, from, 60))
}

/// How many of so many frames from there port security drops.
fn dropped_of(lab: &mut Lab, frames: u32, host: &str, from: Mac) -> Result<u64> {
    let before = drops(lab, "port_security")?;
    for _ in 0..frames {
        says(lab, host, "eth0", from)?;
    }
    thread::sleep(Duration::from_millis(100));
    Ok(drops(lab, "port_security")? - before)
}

/// Whether a broadcast of that source reaches n1.
fn passes(lab: &Lab, host: &str, device: &str, from: Mac) -> Result<bool> {
    let heard = watch(lab, "n1")?;
    says(lab, host, device, from)?;
    Ok(came(&heard, from)? == 1)
}

/// A static address, one that is learned, and one too many: by mode, on a vEth and a plain port alike.
fn modes(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    report.part("two addresses of three, one of them configured");
    hand.types(&[
        "configure",
        "errdisable recovery cause psecure-violation",
        "errdisable recovery interval 2",
    ])?;
    for (host, interface) in [("g1", "veth 1"), ("n2", "ethernet 3")] {
        for (mode, number) in [("protect", 0x10), ("restrict", 0x20), ("shutdown", 0x30)] {
            let line = format!("interface {interface}");
            let [fixed, learned, third] =
                [1, 2, 3].map(|one| station(number + one + if host == "g1" { 0 } else { 0x1000 }));
            let address = format!("switchport port-security mac-address {}", fixed.dotted());
            hand.types(&[
                "configure",
                &line,
                "switchport port-security maximum 2",
                &format!("switchport port-security violation {mode}"),
                &address,
                "switchport port-security",
            ])?;
            let before = drops(lab, "port_security")?;
            let passed = [learned, fixed, third, learned]
                .into_iter()
                .map(|from| passes(lab, host, "eth0", from))
                .collect::<Result<Vec<_>>>()?;
            let shuts = mode == "shutdown";
            let expected = [true, true, false, !shuts];
            check(passed == expected, || {
                format!("{interface}, {mode}: what passed is {passed:?}, not {expected:?}")
            })?;
            let dropped = drops(lab, "port_security")? - before;
            check(dropped == 1, || {
                format!("{dropped} frames were dropped, not 1")
            })?;
            let mut words = format!("{dropped} frame dropped, the others pass");
            if shuts {
                until("it is shut", WITHIN, || Ok(shut(lab)? == ["port_security"]))?;
                let took = until("it comes back", WITHIN, || Ok(shut(lab)?.is_empty()))?;
                check(passes(lab, host, "eth0", learned)?, || {
                    "it is not back".to_owned()
                })?;
                words = format!(
                    "1 frame dropped, shut, and back after {} more",
                    milliseconds(took)
                );
            }
            report.figure(&format!("{interface}, violation {mode}"), words);
            hand.types(&[
                "configure",
                &line,
                "no switchport port-security",
                &format!("no {address}"),
                "no switchport port-security violation",
                "no switchport port-security maximum",
            ])?;
            thread::sleep(Duration::from_millis(100));
        }
    }
    let log = lab.daemon("vis")?.read_log();
    check(log.contains("port_security"), || {
        "no word of it in the log".to_owned()
    })
}

/// A secure address of a neighbour, sent by a guest.
fn elsewhere(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    let owner = station(0x77);
    let line = format!("switchport port-security mac-address {}", owner.dotted());
    hand.types(&[
        "configure",
        "interface ethernet 3",
        "switchport port-security",
        &line,
    ])?;
    check(passes(lab, "n2", "eth0", owner)?, || {
        "its owner may not send".to_owned()
    })?;
    let dropped = dropped_of(lab, 10, "g2", owner)?;
    let table =
        lab.daemon("vis")?
            .show_json(&["mac", "address-table", "address", &owner.to_string()])?;
    let place = table
        .pointer("/entries/0/interface/ethernet")
        .and_then(Value::as_u64);
    report.figure(
        "a secure address sent by another: frames dropped, and where it stays",
        format!("{dropped} of 10, ethernet {}", place.unwrap_or_default()),
    );
    check(dropped == 10 && place == Some(3), || {
        format!("{dropped} dropped, {table}")
    })?;
    hand.types(&[
        "configure",
        "interface ethernet 3",
        "no switchport port-security",
        &format!("no {line}"),
    ])
}

/// A guest that is secured sends from the address of a gateway that is not.
fn neighbours(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    report.part("rules that change, addresses of others");
    let gateway = station(0x700);
    hand.types(&[
        "configure",
        "interface veth 1",
        "switchport port-security maximum 3",
        "switchport port-security violation restrict",
        "switchport port-security",
    ])?;
    check(passes(lab, "n2", "eth0", gateway)?, || {
        "the gateway may not send".to_owned()
    })?;
    let dropped = dropped_of(lab, 5, "g1", gateway)?;
    let passed = passes(lab, "n2", "eth0", gateway)?;
    report.figure(
        "a gateway's address sent by a secured guest",
        format!("{dropped} of 5 dropped; the gateway's own {}", word(passed)),
    );
    check(dropped == 5 && passed, || {
        format!("{dropped} dropped, and the gateway {}", word(passed))
    })
}

/// `plan` says whose frames a candidate's secure addresses would drop, and nothing is secured by that.
fn foreseen(lab: &Lab, hand: &Hand, report: &Report) -> Result<()> {
    let [kept, dropped] = [0x7A1, 0x7A2].map(station);
    for from in [kept, dropped] {
        check(passes(lab, "g4", "eth0", from)?, || {
            format!("{from} may not send")
        })?;
    }
    let line = format!("switchport port-security mac-address {}", kept.dotted());
    let secured = ["interface veth 5", &line, "switchport port-security"];
    let plan = hand.asks(&[&["configure candidate"], &secured[..], &["plan", "abort"]].concat())?;
    report.block(&plan);
    let names = |from: Mac| plan.contains(&format!("from {from} "));
    let is_foreseen = plan.contains("then dropped: port_security");
    check(is_foreseen && names(dropped) && !names(kept), || {
        format!("of {dropped} only the frames are to be dropped:\n{plan}")
    })?;
    for from in [kept, dropped] {
        check(passes(lab, "g4", "eth0", from)?, || {
            format!("{from} may not send after a plan")
        })?;
    }
    report.figure("whose frames a plan to secure a port would drop", dropped);
    Ok(())
}

/// The maximum of a port that has three addresses is lowered; and a port goes to another VLAN.
fn changes(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    let stations = [0x711, 0x712, 0x713].map(station);
    for from in stations {
        check(passes(lab, "g1", "eth0", from)?, || {
            format!("{from} may not send")
        })?;
    }
    hand.types(&[
        "configure",
        "interface veth 1",
        "switchport port-security maximum 1",
    ])?;
    thread::sleep(Duration::from_millis(100));
    let passed = stations.map(|from| passes(lab, "g1", "eth0", from));
    let passed = passed.into_iter().collect::<Result<Vec<_>>>()?;
    report.figure(
        "of three addresses after `maximum 1`",
        format!("{passed:?} pass"),
    );
    check(passed == [true, false, false], || {
        format!("of three addresses {passed:?} pass")
    })?;
    let vlan = |hand: &Hand, number: &str| {
        let line = format!("switchport access vlan {number}");
        hand.types(&[
            "configure",
            "vlan 20",
            "interface veth 1",
            "switchport port-security violation shutdown",
            &line,
            "interface ethernet 2",
            &line,
        ])
    };
    for number in ["20", "10"] {
        vlan(hand, number)?;
        thread::sleep(Duration::from_millis(100));
        let [from, ..] = stations;
        check(passes(lab, "g1", "eth0", from)?, || {
            format!("it may not send in VLAN {number}")
        })?;
    }
    let shut = shut(lab)?;
    report.figure(
        "shut by going to another VLAN and back",
        shut.len().to_string(),
    );
    check(shut.is_empty(), || format!("{shut:?}"))?;
    hand.types(&[
        "configure",
        "interface veth 1",
        "no switchport port-security",
        "no switchport port-security violation",
        "no switchport port-security maximum",
        "no switchport access vlan",
    ])
}

/// A vEth is away, and others send from its sticky address.
fn away(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    hand.types(&[
        "configure",
        "interface veth 2",
        "switchport port-security mac-address sticky",
        "switchport port-security",
        "interface veth 1",
        "switchport port-security violation protect",
        "switchport port-security maximum 5",
        "switchport port-security",
    ])?;
    let own = station(0x721);
    check(passes(lab, "g2", "eth0", own)?, || {
        "its own address may not send".to_owned()
    })?;
    // It is written within half a second.
    thread::sleep(Duration::from_secs(1));
    hand.types(&["configure", "interface veth 2", "no bind"])?;
    thread::sleep(Duration::from_millis(200));
    let thieves = [("g1", "eth0"), ("g4", "eth0"), ("n2", "eth0")];
    let stolen = thieves.map(|(host, device)| passes(lab, host, device, own));
    let stolen = stolen.into_iter().collect::<Result<Vec<_>>>()?;
    hand.types(&[
        "configure",
        "interface veth 2",
        "bind interface ethernet 1 channel 2",
    ])?;
    thread::sleep(Duration::from_millis(200));
    let back = passes(lab, "g2", "eth0", own)?;
    report.figure(
        "the sticky address of a vEth that is away, sent by a secured guest, another one and a neighbour",
        format!("{stolen:?} pass; its owner's, once back, {}", word(back)),
    );
    check(!stolen.contains(&true) && back, || {
        format!("{stolen:?}, and its owner's {}", word(back))
    })?;
    hand.types(&[
        "configure",
        "interface veth 1",
        "no switchport port-security",
        "no switchport port-security violation",
        "no switchport port-security maximum",
        "interface veth 2",
        "no switchport port-security",
        "no switchport port-security mac-address sticky",
        "end",
        "clear port-security sticky",
    ])
}

/// What is learned is the same after the switch was killed and started again.
fn sticky(lab: &mut Lab, hand: &Hand, report: &Report) -> Result<()> {
    report.part("sticky addresses, and a switch that is killed");
    hand.types(&[
        "configure",
        "interface veth 2",
        "switchport port-security mac-address sticky",
        "switchport port-security violation restrict",
        "switchport port-security",
        "end",
        "copy running-config startup-config",
    ])?;
    let [first, other] = [station(0x501), station(0x502)];
    check(passes(lab, "g2", "eth0", first)?, || {
        "its first address may not send".to_owned()
    })?;
    check(!passes(lab, "g2", "eth0", other)?, || {
        "a second address may send".to_owned()
    })?;
    // It is written within half a second.
    thread::sleep(Duration::from_secs(1));
    lab.daemon("vis")?.kill()?;
    lab.daemon("vis")?.restart()?;
    thread::sleep(Duration::from_millis(500));
    let shown = lab
        .daemon("vis")?
        .show_json(&["port-security", "address"])?;
    let kept = shown.pointer("/addresses").and_then(Value::as_array);
    let kept: Vec<_> = kept
        .into_iter()
        .flatten()
        .filter(|one| one.get("kind") == Some(&"sticky".into()))
        .collect();
    check(kept.len() == 1, || format!("sticky are {kept:?}"))?;
    check(!passes(lab, "g2", "eth0", other)?, || {
        "another address took its place".to_owned()
    })?;
    check(passes(lab, "g2", "eth0", first)?, || {
        "its own address may not send".to_owned()
    })?;
    report.figure(
        "after the restart",
        format!(
            "{} of 1 sticky address kept, another still dropped",
            kept.len()
        ),
    );
    hand.types(&[
        "configure",
        "interface veth 2",
        "no switchport port-security",
        "no switchport port-security mac-address sticky",
        "no switchport port-security violation",
    ])
}

/// One guest sends from a million addresses. Nobody else is forgotten, so the guest sees nothing that is for others.
fn flood(lab: &mut Lab, report: &Report) -> Result<()> {
    report.part(&format!("{SOURCES} sources from one vEth"));
    let mut neighbour = Source::open(&lab.host("n1")?.netns, "eth0")?;
    for number in 0..STATIONS {
        neighbour.send(&frame(Mac::BROADCAST, station(0x9000 + number), 60))?;
    }
    thread::sleep(Duration::from_millis(200));
    let known = |lab: &mut Lab| -> Result<usize> {
        let words = ["mac", "address-table", "interface", "ethernet", "2"];
        let table = lab.daemon("vis")?.show_json(&words)?;
        Ok(table
            .get("entries")
            .and_then(Value::as_array)
            .map_or(0, Vec::len))
    };
    let before = known(lab)?;
    let heard = watch(lab, "g4")?;
    let mut attacker = Source::open(&lab.host("g4")?.netns, "eth0")?;
    let mut victim = Source::open(&lab.host("g1")?.netns, "eth0")?;
    let begun = Instant::now();
    let (mut foreign, mut talked) = (0, 0u32);
    for number in 0..SOURCES {
        let from = Mac([
            0x06,
            0,
            (number >> 24) as u8,
            (number >> 16) as u8,
            (number >> 8) as u8,
            number as u8,
        ]);
        attacker.send(&frame(station(0x9000), from, 60))?;
        if number % 1_000 == 0 {
            let to = station(0x9000 + talked % STATIONS);
            victim.send(&frame(to, station(0x42), 60))?;
            talked += 1;
            let seen = heard.drain()?;
            foreign += seen
                .iter()
                .filter(|one| source_of(&one.bytes) == Some(station(0x42)))
                .count();
        }
    }
    foreign += came(&heard, station(0x42))?;
    let took = begun.elapsed();
    let after = known(lab)?;
    report.figure("sent in", milliseconds(took));
    report.figure(
        "entries of a neighbour before and after",
        format!("{before} and {after}"),
    );
    report.figure(
        "frames between others that the attacker saw",
        format!("{foreign} of {talked}"),
    );
    let count = lab
        .daemon("vis")?
        .show(&["mac", "address-table", "count"])?;
    report.block(&count);
    check(before >= STATIONS as usize && after >= before, || {
        format!("of {before} entries of another {after} are left")
    })?;
    check(foreign == 0, || {
        format!("the attacker saw {foreign} frames of others")
    })
}

/// A vEth whose one address ages; when that was last heard of.
fn age_begins(lab: &Lab, hand: &Hand) -> Result<Instant> {
    hand.types(&[
        "configure",
        "interface veth 3",
        "switchport port-security aging time 1",
        "switchport port-security aging type inactivity",
        "switchport port-security violation protect",
        "switchport port-security",
        "end",
        "copy running-config startup-config",
    ])?;
    says(lab, "g3", "eth0", station(0x601))?;
    Ok(Instant::now())
}

fn age_ends(lab: &mut Lab, begun: Instant, report: &Report) -> Result<()> {
    report.part("an address that ages after a minute in silence");
    // Dynamic addresses are of this process: it was started anew meanwhile.
    let begun = if passes(lab, "g3", "eth0", station(0x601))? {
        Instant::now()
    } else {
        begun
    };
    let mut early = passes(lab, "g3", "eth0", station(0x602))?;
    while begun.elapsed() < AGES.mul_f64(0.9) {
        thread::sleep(Duration::from_secs(2));
        early |= passes(lab, "g3", "eth0", station(0x602))?;
    }
    thread::sleep((AGES + Duration::from_secs(2)).saturating_sub(begun.elapsed()));
    let late = passes(lab, "g3", "eth0", station(0x602))?;
    report.figure(
        "another address before and after that minute",
        format!("{} and {}", word(early), word(late)),
    );
    check(!early && late, || "ageing is not as configured".to_owned())
}

const fn word(passes: bool) -> &'static str {
    if passes { "passes" } else { "is dropped" }
}
