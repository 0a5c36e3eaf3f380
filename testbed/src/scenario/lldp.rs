//! LLDP between the daemons, judged by tshark and by lldpd.

use super::lldpd::Lldpd;
use super::shell::Typist;
use crate::binaries::Binaries;
use crate::endpoint::frame::write_pcap;
use crate::endpoint::watch::{Choice, Seen, Watch};
use crate::error::{Doing, LabError, Result, check};
use crate::lab::Lab;
use crate::need;
use crate::report::Report;
use crate::sandbox;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use vntag::ethertype;

/// Two LLDPDUs of a fast start, and time for a busy machine.
const WITHIN: Duration = Duration::from_secs(15);

const VIS: &str = "hostname switch1\nvic authentication none\nvlan 10\n\
    interface ethernet 1\n  device niv1\n  switchport mode vntag\n\
    interface ethernet 2\n  device niv2\n  switchport mode vntag\n";
const IV: &str = "uplink = \"eth1\"\n";

/// What tshark calls what we announce.
const FIELDS: [&str; 16] = [
    "eth.src",
    "eth.dst",
    "lldp.chassis.subtype",
    "lldp.chassis.id",
    "lldp.port.subtype",
    "lldp.port.id",
    "lldp.time_to_live",
    "lldp.port.desc",
    "lldp.tlv.system.name",
    "lldp.tlv.system.desc",
    "lldp.tlv.system_cap",
    "lldp.tlv.enable_system_cap",
    "lldp.ieee.802_3.max_frame_size",
    "lldp.orgtlv.oui",
    "lldp.unknown_subtype.content",
    "_ws.malformed",
];

/// Everything we announce, in the words of programs we did not write; and a stranger in ours.
pub(super) fn lldp(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "h2", "judge"] {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    lab.cable(("judge", "to-vis"), ("vis", "niv2"))?;
    lab.cable(("h2", "eth1"), ("judge", "to-iv"))?;
    let lldpd = Lldpd::start(&lab, "judge", &["to-vis", "to-iv"])?;
    let lldp = Choice::ReceivedType(ethertype::LLDP);
    let watches = [
        Watch::open(&lab.host("vis")?.netns, lldp)?,
        Watch::open(&lab.host("h1")?.netns, lldp)?,
    ];
    lab.start("vis", "vis", VIS)?;
    lab.start("h1", "iv", IV)?;
    lab.start("h2", "iv", IV)?;
    with_tshark(&lab, &watches, report)?;
    each_other(&mut lab, report)?;
    with_lldpd(&mut lab, &lldpd, report)?;
    lab.check_alive()
}

/// One LLDPDU of each end, field by field.
fn with_tshark(lab: &Lab, [at_vis, at_iv]: &[Watch; 2], report: &Report) -> Result<()> {
    let (host, switch) = (lab.host("h1")?, lab.host("vis")?);
    let macs = [host.mac("eth1")?, switch.mac("niv1")?];
    let mut frames = Vec::new();
    for (watch, from) in [at_vis, at_iv].into_iter().zip(macs) {
        let is_from = |seen: &&Seen| seen.bytes.get(6..12) == Some(&from.0);
        let seen = watch.gather(WITHIN, |seen| seen.iter().any(|s| is_from(&s)))?;
        let found = seen.into_iter().find(|s| is_from(&s));
        frames.push(found.ok_or_else(|| LabError::Check(format!("{from} announced nothing")))?);
    }
    let file = Path::new(sandbox::FOLDER).join("lldp.pcap");
    write_pcap(&file, frames)?;
    let mut command = need::command("tshark");
    command.arg("-r").arg(&file).args(["-T", "fields"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    command.env("HOME", sandbox::FOLDER).stdin(Stdio::null());
    let output = command.output().doing("run tshark")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows: Vec<Vec<&str>> = said.lines().map(|l| l.split('\t').collect()).collect();
    let name = fs::read_to_string("/proc/sys/kernel/hostname").doing("read the host's name")?;
    let expected = [
        (
            macs[0],
            "eth1",
            "uplink of an IV",
            name.trim(),
            "iv",
            "0x0001",
            "00",
        ),
        (
            macs[1],
            "niv1",
            "Ethernet1, NIV port",
            "switch1",
            "vis",
            "0x0004",
            "01",
        ),
    ];
    for (mac, port, description, system, program, capability, role) in expected {
        let mac = mac.to_string();
        let row = rows.iter().find(|row| row.first() == Some(&mac.as_str()));
        let row = row.ok_or_else(|| LabError::Check(format!("tshark misses {mac}: {said}")))?;
        let has = |field: &str, wanted: &dyn Fn(&str) -> bool| {
            let place = FIELDS.iter().position(|known| *known == field);
            let value = place
                .and_then(|at| row.get(at))
                .copied()
                .unwrap_or_default();
            check(wanted(value), || {
                format!("tshark reads {field} as {value:?} in {row:?}")
            })
        };
        let is = |field: &str, wanted: &str| has(field, &|value| value == wanted);
        is("eth.dst", "01:80:c2:00:00:0e")?;
        is("lldp.chassis.subtype", "7")?;
        // A UUID as text, whose octets tshark spells in hexadecimal: the hyphens are at their places.
        has("lldp.chassis.id", &|id| {
            let hyphens = [8, 13, 18, 23].map(|at| id.get(2 * at..2 * at + 2));
            id.len() == 72 && hyphens == [Some("2d"); 4]
        })?;
        is("lldp.port.subtype", "5")?;
        is("lldp.port.id", port)?;
        is("lldp.time_to_live", "121")?;
        is("lldp.port.desc", description)?;
        is("lldp.tlv.system.name", system)?;
        has("lldp.tlv.system.desc", &|text| text.starts_with(program))?;
        is("lldp.tlv.system_cap", capability)?;
        is("lldp.tlv.enable_system_cap", capability)?;
        let end = if program == "iv" {
            host.device("eth1")?
        } else {
            switch.device("niv1")?
        };
        is(
            "lldp.ieee.802_3.max_frame_size",
            // Its two octets cannot say more.
            &(end.mtu + 18).min(65_535).to_string(),
        )?;
        // IEEE 802.3's, and ours.
        is("lldp.orgtlv.oui", "4623,5130582")?;
        // Version 1, the role, no key, 0, ECP subtype 1008, VNTag.
        is(
            "lldp.unknown_subtype.content",
            &format!("01{role}000003f00001"),
        )?;
        is("_ws.malformed", "")?;
    }
    report.figure(
        "tshark reads of each end's LLDPDU",
        format!("{} fields", FIELDS.len()),
    );
    Ok(())
}

/// The two daemons name each other, by their own shows.
fn each_other(lab: &mut Lab, report: &Report) -> Result<()> {
    let port = |value: &Value, place: &str| {
        let neighbour = value.pointer(place).cloned().unwrap_or_default();
        let field = |name: &str| {
            neighbour
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Some((field("port")?, field("role")?))
    };
    for (host, words, place, wanted) in [
        (
            "vis",
            ["niv", "link"].as_slice(),
            "/links/0/neighbours/0",
            ("eth1", "iv"),
        ),
        ("h1", &[], "/neighbours/0", ("niv1", "vis")),
    ] {
        let wanted = (wanted.0.to_owned(), wanted.1.to_owned());
        let show = until(lab, host, words, |show| {
            port(show, place).as_ref() == Some(&wanted)
        })?;
        let odd = show.pointer("/advice").or(show.pointer("/links/0/advice"));
        check(odd.is_none_or(Value::is_null), || {
            format!("{host} finds something odd: {show}")
        })?;
        report.figure(
            &format!("{host} names"),
            format!("{} on port {}", wanted.1, wanted.0),
        );
    }
    Ok(())
}

/// lldpd shows both daemons, and both show it.
fn with_lldpd(lab: &mut Lab, lldpd: &Lldpd, report: &Report) -> Result<()> {
    lldpd.hurry()?;
    for (interface, port, program) in [("to-vis", "niv2", "vis "), ("to-iv", "eth1", "iv ")] {
        let named = format!("lldp.{interface}.port.ifname={port}");
        let described = format!("lldp.{interface}.chassis.descr={program}");
        lldpd_says(lldpd, &[named, described])?;
        report.figure(
            &format!("lldpd on {interface} names"),
            format!("{program}port {port}"),
        );
    }
    let binaries = lab.binaries.clone();
    let switch = Typist::of(&binaries, lab.daemon("vis")?.socket());
    let said = switch.exec(&["configure", "hostname switch9"])?;
    check(said.done, || format!("{said:?}"))?;
    let begun = Instant::now();
    lldpd_says(lldpd, &["lldp.to-vis.chassis.name=switch9".to_owned()])?;
    report.figure(
        "lldpd knows a new hostname after",
        format!("{:.1?}", begun.elapsed()),
    );
    for (host, words, places) in [
        (
            "vis",
            ["niv", "link"].as_slice(),
            ["/links/1/neighbours/0/port", "/links/1/advice"],
        ),
        ("h2", &[], ["/neighbours/0/port", "/advice"]),
    ] {
        let text = |show: &Value, place: &str| {
            show.pointer(place)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let [port, advice] = places;
        let show = until(lab, host, words, |show| !text(show, port).is_empty())?;
        let advice = text(&show, advice);
        check(advice.contains("does not speak VIC"), || {
            format!("{host} does not say that lldpd is no end of a link: {show}")
        })?;
        report.figure(&format!("{host} says"), advice);
    }
    Ok(())
}

/// Waits until each of `wanted` is the beginning of a line.
fn lldpd_says(lldpd: &Lldpd, wanted: &[String]) -> Result<()> {
    let end = Instant::now() + WITHIN;
    loop {
        let said = lldpd.neighbours()?;
        let is_there = |wanted: &String| said.lines().any(|line| line.starts_with(wanted));
        if wanted.iter().all(is_there) {
            return Ok(());
        }
        check(Instant::now() < end, || {
            let log = lldpd.read_log();
            format!("lldpd does not say {wanted:?}: {said}; it wrote: {log}")
        })?;
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn until(
    lab: &mut Lab,
    host: &str,
    words: &[&str],
    enough: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let end = Instant::now() + WITHIN;
    loop {
        let show = lab.daemon(host)?.show_json(words)?;
        if enough(&show) {
            return Ok(show);
        }
        check(Instant::now() < end, || {
            format!("{host} does not show it: {show}")
        })?;
        std::thread::sleep(Duration::from_millis(100));
    }
}
