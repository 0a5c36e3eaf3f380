//! What a vEth has counted stays, through everything that happens to its switch and to its vNIC.

use super::accounts::nothing_unexplained;
use crate::binaries::Binaries;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet};
use crate::error::{LabError, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use crate::sandbox::netns_path;
use niv::Mac;
use serde_json::Value;
use std::time::{Duration, Instant};

/// The guests, with the UUID of each one's vNIC.
const GUESTS: [(&str, &str); 2] = [
    ("g1", "6ba7b810-9dad-41d1-80b4-00c04fd430d1"),
    ("g2", "6ba7b810-9dad-41d1-80b4-00c04fd430d2"),
];
const DEVICE: &str = "eth0";
/// Frames each guest sends to the other at a time; and one to all.
const FRAMES: u64 = 500;
/// How long anything may take.
const WITHIN: Duration = Duration::from_secs(10);

const VIS: &str = "vic authentication none\nvlan 10\nport-profile web\n  switchport mode access\n  \
    switchport access vlan 10\ninterface ethernet 1\n  device niv1\n  switchport mode vntag\n\
    interface ethernet 2\n  device niv2\n  switchport mode vntag\n";
const IV: &str = "uplink = \"eth1\"\n";

/// What `vis show interface` says of a vEth.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    name: String,
    input: u64,
    output: u64,
}

fn account(lab: &mut Lab, uuid: &str) -> Result<Option<Account>> {
    let show = lab.daemon("vis")?.show_json(&["interface"])?;
    let interfaces = show.get("interfaces").and_then(Value::as_array);
    let of_vnic = |one: &&Value| one.pointer("/vnic/uuid").is_some_and(|found| found == uuid);
    let Some(one) = interfaces.and_then(|all| all.iter().find(of_vnic)) else {
        return Ok(None);
    };
    let number = |path: &str| one.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let up = one.get("oper_up").and_then(Value::as_bool) == Some(true);
    let name = one.get("name").and_then(Value::as_str);
    Ok(name.filter(|_| up).map(|name| Account {
        name: name.to_owned(),
        input: number("/counts/received/frames"),
        output: number("/counts/sent/frames") + number("/counts/listed/frames"),
    }))
}

/// The accounts of both guests, as soon as frames pass.
fn accounts(lab: &mut Lab) -> Result<[Account; 2]> {
    let end = Instant::now() + WITHIN;
    loop {
        let [one, two] = GUESTS;
        if let (Some(one), Some(two)) = (account(lab, one.1)?, account(lab, two.1)?) {
            return Ok([one, two]);
        }
        if Instant::now() > end {
            let show = lab.daemon("vis")?.show(&["interface"])?;
            return Err(LabError::Check(format!("a vEth does not come up: {show}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn attach(lab: &mut Lab, host: &str, (guest, uuid): (&str, &str)) -> Result<()> {
    let path = netns_path(guest).display().to_string();
    let words = [
        "attach",
        guest,
        "--profile",
        "web",
        "--uuid",
        uuid,
        "--netns",
        &path,
    ];
    lab.daemon(host)?.ask(&words)?;
    // Its kernel says nothing of its own, so what is counted is what is sent here.
    let host = lab.host(guest)?;
    host.silence(DEVICE)?;
    host.up(DEVICE)
}

/// Everybody sends; waits until the switch has counted that, and nothing else.
fn talk(lab: &mut Lab, expected: &mut [Account; 2]) -> Result<()> {
    let macs = [lab.host("g1")?.mac(DEVICE)?, lab.host("g2")?.mac(DEVICE)?];
    for ((guest, _), to) in GUESTS.into_iter().zip(macs.into_iter().rev()) {
        let mut source = Source::open(&lab.host(guest)?.netns, DEVICE)?;
        let mac = source.mac;
        source.send(&ethernet(Mac::BROADCAST, mac, EXPERIMENTAL, &[0; 46]))?;
        for _ in 0..FRAMES {
            source.send(&ethernet(to, mac, EXPERIMENTAL, &[0; 46]))?;
        }
    }
    for account in &mut *expected {
        account.input += 1 + FRAMES;
        account.output += 1 + FRAMES;
    }
    let end = Instant::now() + WITHIN;
    loop {
        let now = accounts(lab)?;
        if now == *expected {
            return Ok(());
        }
        check(Instant::now() < end, || {
            format!("sent were {expected:?}, and counted {now:?}")
        })?;
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Nothing was lost, nothing counted twice, and it goes on from there.
fn goes_on(lab: &mut Lab, expected: &mut [Account; 2], what: &str, report: &Report) -> Result<()> {
    let now = accounts(lab)?;
    check(now == *expected, || {
        format!("{what}: the accounts were {expected:?} and are {now:?}")
    })?;
    talk(lab, expected)?;
    let [one, _] = expected;
    let text = format!("{} as before, {} frames in by now", one.name, one.input);
    report.figure(what, text);
    Ok(())
}

/// Kills, a clean restart, and a move to another host.
pub(super) fn veth_counters(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "h2", "g1", "g2"] {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    lab.cable(("h2", "eth1"), ("vis", "niv2"))?;
    lab.start("vis", "vis", VIS)?;
    lab.start("h1", "iv", IV)?;
    lab.start("h2", "iv", IV)?;
    for guest in GUESTS {
        attach(&mut lab, "h1", guest)?;
    }
    let mut expected = accounts(&mut lab)?;
    check(expected.iter().all(|a| a.input == 0), || {
        format!("a new vEth has counted already: {expected:?}")
    })?;
    talk(&mut lab, &mut expected)?;

    lab.daemon("vis")?.kill()?;
    lab.daemon("vis")?.restart()?;
    goes_on(&mut lab, &mut expected, "the VIS killed", report)?;
    for _ in 0..3 {
        lab.daemon("vis")?.kill()?;
        lab.daemon("vis")?.restart()?;
    }
    goes_on(&mut lab, &mut expected, "and three times more", report)?;
    lab.daemon("vis")?.end()?;
    lab.daemon("vis")?.restart()?;
    goes_on(
        &mut lab,
        &mut expected,
        "the VIS stopped and started",
        report,
    )?;

    let [mover, _] = GUESTS;
    lab.daemon("h1")?.ask(&["detach", mover.0])?;
    let end = Instant::now() + WITHIN;
    while account(&mut lab, mover.1)?.is_some() || lab.host(mover.0)?.device(DEVICE).is_ok() {
        check(Instant::now() < end, || "g1 does not leave".to_owned())?;
        std::thread::sleep(Duration::from_millis(20));
    }
    attach(&mut lab, "h2", mover)?;
    goes_on(&mut lab, &mut expected, "moved to the other host", report)?;
    lab.daemon("vis")?.kill()?;
    lab.daemon("vis")?.restart()?;
    goes_on(&mut lab, &mut expected, "there, the VIS killed", report)?;
    nothing_unexplained(&mut lab, "vis", report)?;
    lab.check_alive()
}
