//! Programs we did not write judge what we send.

use super::accounts::numbers;
use super::forwarding::capture_hairpin;
use crate::binaries::Binaries;
use crate::daemon::spawn_in;
use crate::endpoint::frame::{
    EXPERIMENTAL, Source, checksum_is_right, ethernet, untag, write_pcap,
};
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Doing, Result, check};
use crate::iperf3::Iperf3;
use crate::lab::{Host, Lab};
use crate::need;
use crate::report::Report;
use crate::sandbox;
use crate::two_boxes::{NIV_LINKS, STATIONS, Station, TwoBoxes, UPLINK};
use niv::Mac;
use packet_io::netns::NetNs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use vntag::{Direction, VnTag};

/// What a hairpinned TCP stream is to reach, in Gb/s.
const GOAL: f64 = 2.0;
/// Streams that are measured; the slowest has to reach it.
const STREAMS: usize = 3;

/// tshark reads what passed the NIV link: a hairpinned ping, and a broadcast to a list.
pub(super) fn tshark(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    let mut frames = capture_hairpin(boxes)?;
    let pings = frames.len();
    let [sender, ..] = STATIONS;
    let host = boxes.lab.host("h1")?;
    let interface = host.index(UPLINK)?.0;
    let down = Watch::open(&host.netns, Choice::Received { interface })?;
    let mut source = Source::open(&boxes.host(sender)?.netns, sender.device)?;
    source.send(&ethernet(
        Mac::BROADCAST,
        source.mac,
        EXPERIMENTAL,
        &[0x5A; 100],
    ))?;
    let is_ours = |bytes: &[u8]| {
        untag(bytes).is_some_and(|(_, inner)| inner.get(12..15) == Some(&[0x88, 0xB5, 0x5A]))
    };
    let seen = down.gather(Duration::from_secs(2), |seen| {
        seen.iter().any(|s| is_ours(&s.bytes))
    })?;
    frames.extend(seen.into_iter().filter(|s| is_ours(&s.bytes)));
    check(frames.len() > pings, || {
        "the broadcast did not come down".to_owned()
    })?;
    let file = Path::new(sandbox::FOLDER).join("niv1.pcap");
    write_pcap(&file, frames.clone())?;

    let fields = ["dir", "ptr", "dst", "looped", "r", "version", "src"];
    let mut command = Command::new("tshark");
    command.arg("-r").arg(&file).args(["-T", "fields"]);
    for field in fields {
        command.arg("-e").arg(format!("vntag.{field}"));
    }
    command
        .args(["-e", "icmp.type"])
        .env("HOME", sandbox::FOLDER);
    let output = command.stdin(Stdio::null()).output().doing("run tshark")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let read: Vec<Vec<&str>> = said.lines().map(|l| l.split('\t').collect()).collect();
    check(read.len() == frames.len(), || {
        format!(
            "tshark reads {} frames of {}: {said}{}",
            read.len(),
            frames.len(),
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    // The file is in order of time, and so may differ from ours: every reading must be among ours.
    let mut ours: Vec<_> = frames.iter().filter_map(|f| untag(&f.bytes)).collect();
    for row in &read {
        let tag = row.get(..fields.len()).unwrap_or_default();
        let place = ours.iter().position(|(own, _)| spelled(own) == *tag);
        check(place.is_some(), || {
            format!("tshark reads {row:?}, which we did not send")
        })?;
        if let Some(place) = place {
            ours.remove(place);
        }
    }
    // The ping from VIF 1 to VIF 2, in tshark's words alone.
    let has = |expected: [&str; 8]| read.iter().any(|row| *row == expected);
    let up = has(["0", "0", "0", "0", "0", "0", "1", "8"]);
    let down = has(["1", "0", "2", "1", "0", "0", "1", "8"]);
    check(up && down, || {
        format!("tshark does not see the hairpin: {said}")
    })?;
    report.figure(
        &format!("{} frames of the NIV link, 7 fields each", read.len()),
        "tshark reads what we wrote",
    );
    report.figure("svif=1 up, dvif=2 with looped down", "in tshark's words");
    Ok(())
}

fn spelled(tag: &VnTag) -> [String; 7] {
    let bit = |b: bool| u16::from(b);
    [
        bit(tag.direction == Direction::FromBridge),
        bit(tag.pointer),
        tag.dvif.get(),
        bit(tag.looped),
        bit(tag.reserved),
        tag.version.get().into(),
        tag.svif.get(),
    ]
    .map(|n| n.to_string())
}

/// iperf3 between two vNICs of a host, beside the same through a Linux bridge.
pub(super) fn iperf3(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    checksums_are_right(boxes, report)?;
    let bridge = through_a_bridge(&boxes.lab.binaries)?;
    report.figure(
        "iperf3 through a Linux bridge, macvlan VEPA",
        format!("{:.2} Gb/s", bridge / 1e9),
    );
    report.goal(slowest_stream(boxes, report)?, GOAL, "Gb/s")
}

/// The same on a link without VIC, where nobody has agreed on long frames: 45 frames for each of theirs.
pub(super) fn iperf3_cut(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    checksums_are_right(boxes, report)?;
    slowest_stream(boxes, report).map(|_| ())
}

/// In Gb/s.
fn slowest_stream(boxes: &TwoBoxes, report: &Report) -> Result<f64> {
    let [a, b, ..] = STATIONS;
    let (near, far) = (&boxes.host(a)?.netns, &boxes.host(b)?.netns);
    let mut slowest = f64::INFINITY;
    for _ in 0..STREAMS {
        let rate = measure(near, far, b.v4(), 3)? / 1e9;
        report.figure("iperf3 through hairpin", format!("{rate:.2} Gb/s"));
        slowest = slowest.min(rate);
    }
    Ok(slowest)
}

/// With the guests' offloads on, every checksum on the link is right, and nothing is too long for anybody.
fn checksums_are_right(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    let [a, b, ..] = STATIONS;
    for station in [a, b] {
        offloads_are_on(boxes.host(station)?, station, report)?;
    }
    let (host, switch) = (boxes.lab.host("h1")?, boxes.lab.host("vis")?);
    let mut watches = Vec::new();
    for (end, device) in [(host, UPLINK), (switch, NIV_LINKS[0].1)] {
        let interface = end.index(device)?.0;
        watches.push(Watch::open(&end.netns, Choice::Received { interface })?);
    }
    let (near, far) = (&boxes.host(a)?.netns, &boxes.host(b)?.netns);
    measure(near, far, b.v4(), 1)?;
    let (mut right, mut wrong) = (0, 0);
    for watch in &watches {
        for seen in watch.drain()? {
            let inner = untag(&seen.bytes).map(|(_, inner)| inner);
            match inner.as_deref().and_then(checksum_is_right) {
                Some(true) => right += 1,
                Some(false) => wrong += 1,
                None => {}
            }
        }
    }
    report.figure(
        "TCP checksums on the NIV link, of a sample",
        format!("{right} right, {wrong} wrong"),
    );
    check(right > 100 && wrong == 0, || {
        format!(
            "of the checksums on the NIV link {wrong} are wrong, and only {right} were seen to be right"
        )
    })?;
    let mut too_big = 0;
    for host in ["vis", "h1"] {
        let words: &[&str] = if host == "vis" { &["interface"] } else { &[] };
        let answer = boxes.lab.daemon(host)?.show_json(words)?;
        too_big += numbers(&answer, "mtu_exceeded").iter().sum::<i64>();
    }
    report.figure("frames too big for somebody", too_big);
    check(too_big == 0, || format!("{too_big} frames were too big"))
}

/// Shows that nobody has switched the guest's offloads off.
fn offloads_are_on(host: &Host, station: Station, report: &Report) -> Result<()> {
    // An administrator's program: not in every user's PATH.
    let mut command = need::command("ethtool");
    command
        .args(["-k", station.device])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let output = spawn_in(&host.netns, &mut command)?
        .wait_with_output()
        .doing("read what ethtool says")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = ["tx-checksumming", "tcp-segmentation-offload"];
    for name in names {
        let on = said
            .lines()
            .any(|line| line.trim() == format!("{name}: on"));
        check(on, || {
            format!("{name} is not on in {}:\n{said}", station.host)
        })?;
    }
    report.figure(&format!("{} has on", station.host), names.join(", "));
    Ok(())
}

/// So many seconds of iperf3; the rate the receiver saw, in bits per second.
fn measure(near: &NetNs, far: &NetNs, at: IpAddr, seconds: u32) -> Result<f64> {
    let iperf3 = Iperf3 {
        seconds,
        streams: 1,
        omit: 0,
    };
    Ok(iperf3.measure(near, far, at)?.rate)
}

/// The rate between two guests on macvlans in VEPA mode, hairpinned by a Linux bridge.
fn through_a_bridge(binaries: &Binaries) -> Result<f64> {
    let mut lab = Lab::new(binaries);
    for name in ["vepa-bridge", "vepa-host", "vepa-a", "vepa-b"] {
        lab.add_host(name)?;
    }
    lab.cable(("vepa-host", UPLINK), ("vepa-bridge", "port"))?;
    let bridge = lab.host("vepa-bridge")?;
    bridge.bridge("br", &["port"])?;
    bridge.hairpin("port")?;
    let address = |n| IpAddr::from(Ipv4Addr::new(10, 0, 10, n));
    for (name, n) in [("vepa-a", 1), ("vepa-b", 2)] {
        let guest = lab.host(name)?;
        let device = format!("v{n}");
        lab.host("vepa-host")?.vepa(&device, UPLINK, guest)?;
        guest.up(&device)?;
        guest.address(&device, address(n))?;
    }
    measure(
        &lab.host("vepa-a")?.netns,
        &lab.host("vepa-b")?.netns,
        address(2),
        3,
    )
}
