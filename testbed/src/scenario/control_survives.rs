//! Link control survives what data does to the link it shares.

use super::accounts::{nothing_unexplained, numbers};
use super::vic::{DEVICE, GUESTS, attach_guest, settle_in, taken, they_talk, two_boxes};
use crate::binaries::Binaries;
use crate::endpoint::flood::Flood;
use crate::endpoint::frame::{EXPERIMENTAL, ethernet, tagged};
use crate::error::{LabError, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use packet_io::BURST;
use serde_json::Value;
use std::time::{Duration, Instant};
use vntag::{Direction, Dvif, Svif, Version, VnTag};

/// How long each overload lasts: eleven hold times.
const LASTS: Duration = Duration::from_secs(10);
/// How often both ends are asked meanwhile.
const LOOK: Duration = Duration::from_millis(500);
/// Offered, of what is forwarded: at least.
const TIMES: f64 = 2.0;
/// Octets of a frame before its VNTag, without FCS.
const LENGTH: usize = 60;

/// Overloads by the guests, and then on the NIV link itself, out of the IV's uplink.
pub(super) fn control_survives(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = two_boxes(binaries)?;
    let mut vifs = Vec::new();
    for (guest, number) in GUESTS.into_iter().zip(1..) {
        attach_guest(&mut lab, guest)?;
        let (vif, _, _) = taken(&mut lab, guest.0)?;
        vifs.push(vif as u16);
        settle_in(&lab, guest.0, number)?;
    }
    they_talk(&lab)?;
    let [g1, g2] = [lab.host("g1")?.mac(DEVICE)?, lab.host("g2")?.mac(DEVICE)?];
    let frame = |to, from| ethernet(to, from, EXPERIMENTAL, &[0x5A; LENGTH - 14]);
    let (one, other) = (frame(g2, g1), frame(g1, g2));

    let floods = [
        Flood::start(lab.host("g1")?, DEVICE, one.clone())?,
        Flood::start(lab.host("g2")?, DEVICE, other.clone())?,
    ];
    let (offered, forwarded) = overload(&mut lab, &floods)?;
    stop(floods);
    report.figure("guests offered, frames per second", format!("{offered:.0}"));
    report.figure("the switch forwarded", format!("{forwarded:.0}"));
    for host in ["vis", "h1"] {
        nothing_unexplained(&mut lab, host, report)?;
    }
    lost(&mut lab, report)?;

    let up = |frame: &[u8], vif: u16| {
        let tag = VnTag {
            direction: Direction::ToBridge,
            pointer: false,
            dvif: Dvif::truncate(0),
            looped: false,
            reserved: false,
            version: Version::ZERO,
            svif: Svif::truncate(vif),
        };
        tagged(frame, tag)
    };
    let host = lab.host("h1")?;
    let vif = |n: usize| vifs.get(n).copied().unwrap_or_default();
    // Half of it to be forwarded, by vNICs that are there; half of it in the name of nobody.
    let floods = [
        Flood::start(host, "eth1", up(&one, vif(0)))?,
        Flood::start(host, "eth1", up(&other, 4095))?,
    ];
    let (offered, forwarded) = overload(&mut lab, &floods)?;
    let injected = stop(floods);
    report.figure(
        "on the NIV link, offered, frames per second",
        format!("{offered:.0}"),
    );
    report.figure("the switch forwarded", format!("{forwarded:.0}"));
    nothing_unexplained(&mut lab, "vis", report)?;
    let show = lab.daemon("h1")?.show_json(&[])?;
    // What another program sent by the IV's device is all that the IV cannot explain. A flood that is ended may leave
    // its last burst unsent in a queue of its own.
    let strange = numbers(&show, "unexplained_sent");
    let missing = strange.iter().map(|n| n.unsigned_abs()).sum::<u64>();
    check(
        (injected - (BURST as u64).min(injected)..=injected).contains(&missing),
        || format!("{injected} frames were sent beside the IV, and it misses {strange:?}"),
    )?;
    lost(&mut lab, report)?;
    report.figure("sessions lost", 0);
    they_talk(&lab)?;
    report.goal(
        offered / forwarded,
        TIMES,
        "times what is forwarded was offered",
    )?;
    lab.check_alive()
}

fn stop(floods: [Flood; 2]) -> u64 {
    floods.into_iter().map(Flood::stop).sum()
}

/// Looks at both ends while floods go on; what was offered and what was forwarded, in frames per second.
fn overload(lab: &mut Lab, floods: &[Flood; 2]) -> Result<(f64, f64)> {
    let offered = || floods.iter().map(Flood::taken).sum::<u64>();
    let (first, forwarded, begun) = (offered(), forwarded(lab)?, Instant::now());
    while begun.elapsed() < LASTS {
        std::thread::sleep(LOOK);
        session_holds(lab)?;
    }
    let took = begun.elapsed().as_secs_f64();
    let (sent, passed) = (offered() - first, self::forwarded(lab)? - forwarded);
    Ok((sent as f64 / took, passed as f64 / took))
}

/// The one session there ever was is up, by both ends' word.
fn session_holds(lab: &mut Lab) -> Result<()> {
    let vis = lab.daemon("vis")?.show_json(&["niv", "link"])?;
    let link = vis.pointer("/links/0").cloned().unwrap_or_default();
    let field = |name: &str| link.get(name).cloned().unwrap_or_default();
    let holds = field("state") == "up" && field("sessions") == 1 && field("lost").is_null();
    check(holds, || format!("the switch lost the session: {link}"))?;
    let iv = lab.daemon("h1")?.show_json(&[])?;
    let state = iv.pointer("/session/state").cloned().unwrap_or_default();
    check(state == "up", || format!("the IV's session is {state}"))?;
    for host in ["vis", "h1"] {
        let log = lab.daemon(host)?.read_log();
        let lost = log.lines().find(|line| line.contains("is lost"));
        check(lost.is_none(), || format!("{host} says: {lost:?}"))?;
    }
    Ok(())
}

fn forwarded(lab: &mut Lab) -> Result<u64> {
    let sum = lab.daemon("vis")?.show_json(&["conservation"])?;
    sum.pointer("/sum/forwarded")
        .and_then(Value::as_u64)
        .ok_or_else(|| LabError::Answer {
            program: "the switch".to_owned(),
            detail: sum.to_string(),
        })
}

/// Where the rest went.
fn lost(lab: &mut Lab, report: &Report) -> Result<()> {
    session_holds(lab)?;
    let sum = lab.daemon("vis")?.show_json(&["conservation"])?;
    let count = |name: &str| {
        sum.pointer(&format!("/interfaces/0/kernel/{name}"))
            .and_then(Value::as_u64)
            .unwrap_or_default()
    };
    let (received, taken, dropped) = (count("rx_packets"), count("taken"), count("ring_dropped"));
    check(received > 0 && received == taken + dropped, || {
        format!("the link received {received}; {taken} were taken and {dropped} dropped: {sum}")
    })?;
    report.figure(
        "of the link's frames so far, the ring discarded",
        format!("{dropped} of {received}"),
    );
    Ok(())
}
