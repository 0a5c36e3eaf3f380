//! Many links, many vNICs: how long they take, and what they hold.

use crate::binaries::Binaries;
use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::memory::Memory;
use crate::report::Report;
use crate::sandbox::netns_path;
use serde_json::Value;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

/// Links of the first scenario, and vNICs behind each.
const LINKS: usize = 64;
const VNICS: usize = 16;
/// vNICs of the second, behind one link.
const MANY: usize = 4000;

/// From started IVs to the last vEth forwarding: the goal, and when we give up.
const UP_WITHIN: f64 = 10.0;
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(120);
/// What they may hold beside their rings.
const VIS_HOLDS: f64 = 64.0;
const IV_HOLDS: f64 = 16.0;

const PATIENCE: Patience = Patience {
    payload: 56,
    within: Duration::from_secs(10),
    linger: Duration::from_millis(100),
};

/// What every VIS of these labs has.
const VIS: &str = "vic authentication none\nvlan 10\nport-profile web\n  switchport mode access\n  \
    switchport access vlan 10\n";

fn vis_configuration(links: usize) -> String {
    let mut text = VIS.to_owned();
    for link in 1..=links {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "interface ethernet {link}\n  device niv{link}\n  switchport mode vntag\n"
        );
    }
    text
}

fn vnic(text: &mut String, number: usize, guest: &str) {
    let netns = netns_path(guest);
    let _ = write!(
        text,
        "\n[[vnic]]\nname = \"v{number}\"\nprofile = \"web\"\nnetns = \"{}\"\nifname = \"e{number}\"\n",
        netns.display()
    );
}

const NO_VNIC: &str = "uplink = \"eth1\"\nvic = true\n";

fn v4(number: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 10, number as u8).into()
}

/// vEths that the switch has enabled.
fn enabled(lab: &mut Lab) -> Result<usize> {
    let show = lab.daemon("vis")?.show_json(&["niv", "vif"])?;
    let vifs = show.get("vifs").and_then(Value::as_array);
    let is_enabled = |vif: &&Value| vif.get("state").is_some_and(|state| state == "enabled");
    Ok(vifs.map_or(0, |vifs| vifs.iter().filter(is_enabled).count()))
}

/// Waits until so many vEths forward; how long that was after `begun`.
fn all_enabled(lab: &mut Lab, count: usize, begun: Instant) -> Result<Duration> {
    loop {
        let now = enabled(lab)?;
        if now == count {
            return Ok(begun.elapsed());
        }
        lab.check_alive()?;
        check(begun.elapsed() < PATIENCE_FOR_ALL, || {
            format!("of {count} vEths {now} forward")
        })?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Gives a guest's interface an address.
fn settle_in(lab: &Lab, guest: &str, device: &str, number: usize) -> Result<()> {
    let host = lab.host(guest)?;
    host.up(device)?;
    host.address(device, v4(number))
}

/// Every pair of guests, by their addresses' last parts from 1 on, reaches each other.
fn they_talk(lab: &Lab, guests: &[String], pairs: &[(usize, usize)]) -> Result<()> {
    let netns = guests.iter().map(|guest| Ok(&lab.host(guest)?.netns));
    let netns = netns.collect::<Result<Vec<_>>>()?;
    let pairs: Vec<Pair> = pairs
        .iter()
        .map(|&(from, to)| Pair {
            from,
            to: v4(to + 1),
        })
        .collect();
    let outcomes = ping_all(&netns, &pairs, PATIENCE)?;
    let silent: Vec<_> = outcomes.iter().filter(|(_, o)| !o.is_clean()).collect();
    check(silent.is_empty(), || {
        format!(
            "{} of {} pairs do not reach each other: {silent:?}",
            silent.len(),
            pairs.len()
        )
    })
}

fn memory(lab: &mut Lab, host: &str) -> Result<Memory> {
    Memory::of(&lab.daemon(host)?.process())
}

fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}

/// What a daemon holds beside its rings, as so much and so much for each of `count` more things.
fn formula(before: Memory, after: Memory, count: usize, what: &str) -> String {
    let (before, after) = (before.beside_rings(), after.beside_rings());
    let each = after.saturating_sub(before) as f64 / count as f64;
    format!("{after} KiB = {before} KiB + {count} {what} x {each:.2} KiB")
}

fn mebibytes(memory: Memory) -> f64 {
    memory.beside_rings() as f64 / 1024.0
}

/// The IV of a host, started without vNICs: what it holds then.
fn iv_alone(lab: &mut Lab, host: &str) -> Result<Memory> {
    lab.start(host, "iv", NO_VNIC)?;
    let memory = memory(lab, host)?;
    lab.daemon(host)?.stop(Duration::from_secs(10))?;
    Ok(memory)
}

/// 64 links with 16 vNICs each.
pub(super) fn links(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    lab.add_host("vis")?;
    let mut configurations = Vec::with_capacity(LINKS);
    for link in 1..=LINKS {
        let host = format!("h{link}");
        lab.add_host(&host)?;
        lab.cable_for_daemons((&host, "eth1"), ("vis", &format!("niv{link}")))?;
        let mut text = "uplink = \"eth1\"\n".to_owned();
        for part in ["a", "b"] {
            lab.add_host(&format!("{host}-{part}"))?;
        }
        for number in 1..=VNICS {
            // Each of the two guests has half of them, and an address on one.
            let part = if number <= VNICS / 2 { "a" } else { "b" };
            vnic(&mut text, number, &format!("{host}-{part}"));
        }
        configurations.push((host, text));
    }
    lab.start("vis", "vis", &vis_configuration(LINKS))?;
    let vis_before = memory(&mut lab, "vis")?;
    let iv_before = iv_alone(&mut lab, "h1")?;
    report.part(&format!(
        "{LINKS} links, {VNICS} vNICs each, each IV in a namespace of its own"
    ));

    let begun = Instant::now();
    lab.begin_all("iv", &configurations)?;
    report.figure("all IV processes started after", seconds(begun.elapsed()));
    let took = all_enabled(&mut lab, LINKS * VNICS, begun)?;
    report.figure(
        &format!("from the first IV's start to {} vEths", LINKS * VNICS),
        seconds(took),
    );
    let up = report.limit(took.as_secs_f64(), UP_WITHIN, "s");

    let mut guests = Vec::with_capacity(2 * LINKS);
    for link in 0..LINKS {
        // Another vNIC on each link.
        let first = 1 + link % (VNICS / 2);
        for (part, number) in [("a", first), ("b", first + VNICS / 2)] {
            let guest = format!("h{}-{part}", link + 1);
            settle_in(&lab, &guest, &format!("e{number}"), guests.len() + 1)?;
            guests.push(guest);
        }
    }
    let hairpin = (0..LINKS).map(|link| (2 * link, 2 * link + 1));
    let across = (0..LINKS).map(|link| (2 * link, 2 * ((link + 1) % LINKS) + 1));
    let pairs: Vec<_> = hairpin.chain(across).collect();
    they_talk(&lab, &guests, &pairs)?;
    report.figure(
        &format!("pairs that answer: {LINKS} hairpin, {LINKS} host to host"),
        format!("{} of {}", pairs.len(), pairs.len()),
    );

    let vis = memory(&mut lab, "vis")?;
    let mut largest = Memory::default();
    for (host, _) in &configurations {
        let iv = memory(&mut lab, host)?;
        if iv.beside_rings() > largest.beside_rings() {
            largest = iv;
        }
    }
    report.figure("VIS holds", vis);
    let of_vis = formula(vis_before, vis, LINKS * VNICS, "vEths");
    report.figure("VIS beside rings", of_vis);
    let vis_fits = report.limit(mebibytes(vis), VIS_HOLDS, "MiB");
    report.figure("the largest IV holds", largest);
    let of_iv = formula(iv_before, largest, VNICS, "vNICs");
    report.figure("the largest IV beside rings", of_iv);
    let iv_fits = report.limit(mebibytes(largest), IV_HOLDS, "MiB");
    up.and(vis_fits).and(iv_fits)?;
    lab.check_alive()
}

/// One link with 4,000 VIFs.
pub(super) fn vifs(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "g1", "g2", "g3"] {
        lab.add_host(name)?;
    }
    lab.cable_for_daemons(("h1", "eth1"), ("vis", "niv1"))?;
    lab.start("vis", "vis", &vis_configuration(1))?;
    let vis_before = memory(&mut lab, "vis")?;
    let iv_before = iv_alone(&mut lab, "h1")?;
    let mut text = "uplink = \"eth1\"\n".to_owned();
    for number in 1..=MANY {
        // Two of them are to ping each other.
        let guest = match number {
            1 => "g1",
            MANY => "g2",
            _ => "g3",
        };
        vnic(&mut text, number, guest);
    }
    report.part(&format!("one link, {MANY} vNICs"));
    let begun = Instant::now();
    lab.begin_all("iv", &[("h1".to_owned(), text)])?;
    lab.daemon("h1")?.ready(PATIENCE_FOR_ALL)?;
    let ready = begun.elapsed();
    report.figure(
        "devices made and opened after",
        format!(
            "{}, {:.2} ms each",
            seconds(ready),
            ready.as_secs_f64() * 1e3 / MANY as f64
        ),
    );
    let took = all_enabled(&mut lab, MANY, begun)?;
    report.figure("all enabled after", seconds(took));

    settle_in(&lab, "g1", "e1", 1)?;
    settle_in(&lab, "g2", &format!("e{MANY}"), 2)?;
    let guests = ["g1".to_owned(), "g2".to_owned()];
    they_talk(&lab, &guests, &[(0, 1), (1, 0)])?;
    report.figure("the first and the last vNIC", "reach each other");
    let (vis, iv) = (memory(&mut lab, "vis")?, memory(&mut lab, "h1")?);
    report.figure("IV holds", iv);
    report.figure("IV beside rings", formula(iv_before, iv, MANY, "vNICs"));
    let rings = iv.rings.saturating_sub(iv_before.rings) as f64 / MANY as f64;
    report.figure("rings of each vNIC", format!("{rings:.0} KiB"));
    report.figure("VIS holds", vis);
    report.figure("VIS beside rings", formula(vis_before, vis, MANY, "vEths"));
    let begun = Instant::now();
    lab.daemon("h1")?.stop(PATIENCE_FOR_ALL)?;
    report.figure("all given back, IV ended after", seconds(begun.elapsed()));
    lab.daemon("vis")?.check_alive()
}
