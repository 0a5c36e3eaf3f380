//! A guest's interface that is lost comes back, and costs the others nothing.

use super::accounts::nothing_unexplained;
use crate::binaries::Binaries;
use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::error::{LabError, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use crate::sandbox::netns_path;
use serde_json::Value;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const GUESTS: [&str; 3] = ["g1", "g2", "g3"];
const DEVICE: &str = "eth0";

/// An interface comes back within the longest pause between two attempts; twice that is enough.
const BACK_WITHIN: Duration = Duration::from_secs(20);
/// Several attempts fit in here, and must be told of once.
const WITHOUT_NAMESPACE: Duration = Duration::from_secs(3);
/// How long the hostile guest goes on.
const HOSTILE_FOR: Duration = Duration::from_secs(10);
/// What it may get in that time: one at once, the others after pauses of 1, 2 and 4 seconds, and one more
/// for the clocks of two processes.
const HOSTILE_MAY_GET: usize = 4 + 1;

const PATIENCE: Patience = Patience {
    payload: 56,
    within: Duration::from_secs(5),
    linger: Duration::from_millis(50),
};

fn v4(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 10, number).into()
}

fn vis_configuration() -> String {
    let mut text =
        "vlan 10\ninterface ethernet 1\n  device niv1\n  switchport mode vntag\n".to_owned();
    for (vif, _) in (1..).zip(GUESTS) {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "interface veth {vif}\n  switchport mode access\n  switchport access vlan 10\n  \
             bind interface ethernet 1 channel {vif}\n"
        );
    }
    text
}

fn iv_configuration() -> String {
    let mut text = "uplink = \"eth1\"\n".to_owned();
    for (vif, guest) in (1..).zip(GUESTS) {
        let _ = write!(
            text,
            "\n[[vnic]]\nname = \"{guest}\"\nvif = {vif}\nnetns = \"{}\"\nifname = \"{DEVICE}\"\n\
             mac = \"02:00:00:00:00:{vif:02x}\"\n",
            netns_path(guest).display(),
        );
    }
    text
}

/// What `iv show` says of a guest's vNIC.
fn vnic(lab: &mut Lab, guest: &str) -> Result<Value> {
    let show = lab.daemon("h1")?.show_json(&[])?;
    let vnics = show.get("vnics").and_then(Value::as_array);
    let found = vnics.and_then(|vnics| {
        let of_guest = |vnic: &&Value| vnic.get("name").is_some_and(|name| name == guest);
        vnics.iter().find(of_guest).cloned()
    });
    found.ok_or_else(|| LabError::Check(format!("`iv show` has no vNIC {guest}: {show}")))
}

/// Waits until the guest has its interface, and gives it an address.
fn settle_in(lab: &Lab, guest: &str, number: u8) -> Result<()> {
    let host = lab.host(guest)?;
    let end = Instant::now() + BACK_WITHIN;
    while host.device(DEVICE).is_err() {
        check(Instant::now() < end, || {
            format!("{guest} never got its {DEVICE} back")
        })?;
        std::thread::sleep(Duration::from_millis(20));
    }
    host.up(DEVICE)?;
    host.address(DEVICE, v4(number))
}

/// Two guests ping each other through the switch.
fn they_talk(lab: &Lab, one: u8, other: u8) -> Result<()> {
    let netns = |number: u8| {
        let guest = GUESTS.get(usize::from(number) - 1).copied();
        Ok::<_, LabError>(&lab.host(guest.unwrap_or_default())?.netns)
    };
    let pairs = [(0, other), (1, one)].map(|(from, to)| Pair { from, to: v4(to) });
    let outcomes = ping_all(&[netns(one)?, netns(other)?], &pairs, PATIENCE)?;
    check(outcomes.values().all(|o| o.is_clean()), || {
        format!("guests {one} and {other} do not reach each other: {outcomes:?}")
    })
}

/// Starts before a guest's namespace is there; takes a guest's interface away, then its whole namespace; then a guest does nothing but delete its own.
pub(super) fn lost_interfaces(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    // The third guest is late.
    for name in ["vis", "h1", "g1", "g2"] {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    lab.start("vis", "vis", &vis_configuration())?;
    lab.start("h1", "iv", &iv_configuration())?;
    lab.add_host("g3")?;
    for (number, guest) in (1..).zip(GUESTS) {
        settle_in(&lab, guest, number)?;
    }
    they_talk(&lab, 1, 2)?;

    interface_deleted(&mut lab, report)?;
    namespace_made_again(&mut lab, report)?;
    hostile_guest(&mut lab, report)?;
    for host in ["vis", "h1"] {
        nothing_unexplained(&mut lab, host, report)?;
    }
    lab.check_alive()
}

fn interface_deleted(lab: &mut Lab, report: &Report) -> Result<()> {
    let before = vnic(lab, "g1")?;
    lab.host("g1")?.delete(DEVICE)?;
    settle_in(lab, "g1", 1)?;
    they_talk(lab, 1, 2)?;
    let after = vnic(lab, "g1")?;
    check(after.get("vif") == before.get("vif"), || {
        format!("another VIF than before: {after}")
    })?;
    for counter in ["received", "sent"] {
        let at = format!("/counters/{counter}");
        let of = |vnic: &Value| {
            vnic.pointer(&at)
                .and_then(Value::as_u64)
                .unwrap_or_default()
        };
        check(of(&before) > 0 && of(&after) > of(&before), || {
            format!("`{counter}` does not go on: {before}, then {after}")
        })?;
    }
    report.figure("an interface that its guest deleted", "is back");
    Ok(())
}

fn namespace_made_again(lab: &mut Lab, report: &Report) -> Result<()> {
    let path = netns_path("g1").display().to_string();
    lab.remove_host("g1")?;
    let end = Instant::now() + BACK_WITHIN;
    loop {
        let shown = vnic(lab, "g1")?;
        let state = shown.pointer("/device/state").and_then(Value::as_str);
        let state = state.unwrap_or_default();
        if state.contains(&path) {
            report.figure("`iv show` meanwhile", state);
            break;
        }
        check(Instant::now() < end, || {
            format!("`iv show` does not say that {path} is missing: {shown}")
        })?;
        std::thread::sleep(Duration::from_millis(50));
    }
    they_talk(lab, 2, 3)?;
    std::thread::sleep(WITHOUT_NAMESPACE);
    let log = lab.daemon("h1")?.read_log();
    let told = log.lines().filter(|line| line.contains(&path));
    let told = told.filter(|line| line.contains("WARN")).count();
    check(told == 1, || {
        format!("told {told} times that {path} is missing:\n{log}")
    })?;
    lab.add_host("g1")?;
    settle_in(lab, "g1", 1)?;
    they_talk(lab, 1, 2)?;
    report.figure("an interface whose namespace was made again", "is back");
    Ok(())
}

fn hostile_guest(lab: &mut Lab, report: &Report) -> Result<()> {
    let end = Instant::now() + HOSTILE_FOR;
    let mut got = 0;
    while Instant::now() < end {
        let host = lab.host("g3")?;
        if host.device(DEVICE).is_ok() {
            host.delete(DEVICE)?;
            got += 1;
        }
        they_talk(lab, 1, 2)?;
    }
    // The one it had to begin with is among them.
    check((2..=1 + HOSTILE_MAY_GET).contains(&got), || {
        format!("the guest deleted {got} interfaces in {HOSTILE_FOR:?}")
    })?;
    report.figure(
        "interfaces a guest deleted in 10 s, the others talking",
        got,
    );
    settle_in(lab, "g3", 3)?;
    they_talk(lab, 2, 3)?;
    report.figure("when it stops, its interface", "is back");
    Ok(())
}
