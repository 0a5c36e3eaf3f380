//! A switch that is configured anew under live sessions: what is told at once, and what nobody notices.

use super::shell::Typist;
use super::tiny_iv::key_file;
use super::vic::{DEVICE, GUESTS, attach_guest, settle_in, taken, they_talk, two_boxes};
use crate::binaries::Binaries;
use crate::error::{Doing, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// How long anything may take that follows from a line.
const WITHIN: Duration = Duration::from_secs(5);
/// A user with the role operator: `nobody`.
const NOBODY: u32 = 65534;

/// Profiles, keys and links change; vNICs, their ids and their carriers stay.
pub(super) fn reconfigured(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = two_boxes(binaries)?;
    let mut ids = Vec::new();
    for (guest, number) in GUESTS.into_iter().zip(1..) {
        attach_guest(&mut lab, guest)?;
        let (vif, veth, _) = taken(&mut lab, guest.0)?;
        settle_in(&lab, guest.0, number)?;
        ids.push((vif, veth));
    }
    they_talk(&lab)?;
    let before = carriers(&lab)?;
    let typist = Typist::of(binaries, lab.daemon("vis")?.socket());
    let say = |lines: &[&str]| -> Result<()> {
        let said = typist.exec(lines)?;
        check(said.done, || format!("{lines:?}: {said:?}"))
    };

    // A new profile is in the catalogue of the IV at once.
    say(&[
        "configure",
        "vlan 20",
        "port-profile db",
        "switchport access vlan 20",
    ])?;
    let took = until(&mut lab, "the IV knows the new profile", |lab| {
        Ok(lab.daemon("h1")?.ask(&["profiles"])?.contains("db"))
    })?;
    report.figure("a new profile is in the IV's catalogue after", shown(took));

    // Another profile moves a guest to another VLAN, there and back.
    let attach = |(_, veth): &(u64, u64), profile: &str| {
        format!("attach interface veth {veth} port-profile {profile}")
    };
    let [first, second] = ids.as_slice() else {
        return Ok(());
    };
    say(&[&attach(second, "db")])?;
    they_are_apart(&lab)?;
    say(&[&attach(first, "db")])?;
    they_talk(&lab)?;
    report.figure("guests given another profile", "are in its VLAN");

    // An operator does the same, within the catalogue of the link.
    if let Some(folder) = lab.daemon("vis")?.socket().parent() {
        let open = Permissions::from_mode(0o755);
        fs::set_permissions(folder, open).doing("open the folder of the socket")?;
    }
    say(&["configure", "role operator user 65534"])?;
    for line in [attach(second, "web"), attach(second, "db")] {
        let said = typist.exec_as(NOBODY, &[&line])?;
        check(said.done, || {
            format!("an operator may not `{line}`: {said:?}")
        })?;
    }
    they_talk(&lab)?;
    say(&[
        "configure",
        "interface ethernet 1",
        "vic allowed port-profile web",
    ])?;
    for (line, why) in [
        (attach(second, "db"), "not in the catalogue"),
        (attach(second, "wbe"), "not in the catalogue"),
        (attach(&(0, 4000), "web"), "there is no Vethernet4000"),
    ] {
        let said = typist.exec_as(NOBODY, &[&line])?;
        check(!said.done && said.err.contains(why), || {
            format!("an operator may `{line}`: {said:?}")
        })?;
    }
    say(&[
        "configure",
        "interface ethernet 1",
        "no vic allowed port-profile",
    ])?;
    report.figure(
        "an operator",
        "attaches what the catalogue has, and no more",
    );

    // A profile that is edited changes its vEths, and no session.
    say(&["configure", "port-profile db", "switchport access vlan 10"])?;
    they_talk(&lab)?;
    same(&mut lab, &ids)?;
    let link = |lab: &mut Lab, field: &str| -> Result<Value> {
        let links = lab.daemon("vis")?.show_json(&["niv", "link"])?;
        let value = links.pointer(&format!("/links/0/{field}"));
        Ok(value.cloned().unwrap_or_default())
    };
    let sessions = link(&mut lab, "sessions")?;
    check(sessions == 1, || {
        format!("profiles were changed, and there were {sessions} sessions")
    })?;
    report.figure("sessions while profiles changed", sessions);
    unmoved(&lab, &before)?;

    // A key that the IV has not got ends the session, with its reason on both sides; without, all is as it was.
    let key = key_file("vic.key", 0x40)?;
    let keyed = format!("vic authentication key-file {}", key.display());
    say(&["configure", &keyed])?;
    until(&mut lab, "the session is refused", |lab| {
        Ok(link(lab, "last_refusal")?.is_string())
    })?;
    let refusal = link(&mut lab, "last_refusal")?;
    report.figure("with a key on one side only, the switch says", refusal);
    let theirs = lab.daemon("h1")?.show(&[])?;
    check(theirs.contains("key"), || {
        format!("the IV does not say that a key is missing:\n{theirs}")
    })?;
    say(&["configure", "vic authentication none"])?;
    let took = until(&mut lab, "the session is back", |lab| {
        Ok(link(lab, "state")? == "up")
    })?;
    report.figure("without it, the session is back after", shown(took));
    same(&mut lab, &ids)?;
    they_talk(&lab)?;
    unmoved(&lab, &before)?;
    report.figure("ids and carriers", "the same all the time");
    lab.check_alive()?;

    // While its host is away a vEth is in the catalogue of the link it was on.
    say(&[
        "configure",
        "interface ethernet 1",
        "vic allowed port-profile web",
    ])?;
    lab.daemon("h1")?.kill()?;
    until(&mut lab, "the session is over", |lab| {
        Ok(link(lab, "state")? != "up")
    })?;
    let said = typist.exec_as(NOBODY, &[&attach(second, "web")])?;
    check(said.done, || {
        format!("an operator may not choose for a host that is away: {said:?}")
    })?;
    let said = typist.exec_as(NOBODY, &[&attach(second, "db")])?;
    check(
        !said.done && said.err.contains("not in the catalogue"),
        || format!("an operator chooses what a host that is away may not have: {said:?}"),
    )
}

fn carriers(lab: &Lab) -> Result<Vec<u32>> {
    let changes = |(guest, _)| Ok(lab.host(guest)?.device(DEVICE)?.carrier_changes);
    GUESTS.into_iter().map(changes).collect()
}

fn unmoved(lab: &Lab, before: &[u32]) -> Result<()> {
    let now = carriers(lab)?;
    check(now == before, || {
        format!("a guest lost its carrier: changes were {before:?} and are {now:?}")
    })
}

fn same(lab: &mut Lab, ids: &[(u64, u64)]) -> Result<()> {
    for ((guest, _), before) in GUESTS.into_iter().zip(ids) {
        let (vif, veth, _) = taken(lab, guest)?;
        check((vif, veth) == *before, || {
            format!("{guest} had {before:?} and has {:?}", (vif, veth))
        })?;
    }
    Ok(())
}

fn they_are_apart(lab: &Lab) -> Result<()> {
    match they_talk(lab) {
        Err(_) => Ok(()),
        Ok(()) => check(false, || "guests of two VLANs reach each other".to_owned()),
    }
}

fn until(
    lab: &mut Lab,
    what: &str,
    mut holds: impl FnMut(&mut Lab) -> Result<bool>,
) -> Result<Duration> {
    let begun = Instant::now();
    while !holds(lab)? {
        check(begun.elapsed() < WITHIN, || format!("never: {what}"))?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(begun.elapsed())
}

fn shown(took: Duration) -> String {
    format!("{} ms", took.as_millis())
}
