//! Who may do what: operators look, and choose from the catalogue of the port a host is behind.

use super::shell::Typist;
use super::vic::{attach_as, settle_in, taken_at, they_talk};
use crate::binaries::Binaries;
use crate::error::{Doing, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// Two hosts, and each port has a catalogue of its own.
const VIS: &str = "\
vic authentication none
vlan 10,20
port-profile web
  switchport access vlan 10
port-profile db
  switchport access vlan 20
interface ethernet 1
  device niv1
  switchport mode vntag
  vic allowed port-profile web
interface ethernet 2
  device niv2
  switchport mode vntag
  vic allowed port-profile db web
role operator user 65534
";

/// A user with the role operator: `nobody`; and one without a role.
const NOBODY: u32 = 65534;
const NO_ROLE: u32 = 65533;

const WITHIN: Duration = Duration::from_secs(5);

/// What an operator may look at.
const LOOKS: &[&str] = &[
    "show conservation",
    "show drops",
    "show interface",
    "show interface brief",
    "show interface counters",
    "show interface status",
    "show mac address-table",
    "show module",
    "show niv link",
    "show niv list",
    "show niv vif",
    "show port-profile",
    "show port-profile web expand",
    "show running-config",
    "show tech-support",
    "show version",
    "show vlan",
    "show vlan private-vlan",
    "show configuration history",
];

/// What an operator may not say.
const CHANGES: &[&[&str]] = &[
    &["configure"],
    &["configure terminal"],
    &["configure candidate"],
    &["configure", "vlan 30"],
    &["configure", "no vlan 20"],
    &["configure", "vlan 10", "state suspend"],
    &["configure", "vlan 10", "private-vlan primary"],
    &["configure", "vlan dot1q tag native"],
    &["configure", "port-profile web", "switchport access vlan 20"],
    &["configure", "port-profile mine"],
    &[
        "configure",
        "interface ethernet 1",
        "no vic allowed port-profile",
    ],
    &["configure", "interface ethernet 1", "shutdown"],
    &["configure", "interface veth 1", "inherit port-profile db"],
    &["configure", "no interface veth 1"],
    &["configure", "role network user 65534"],
    &["configure", "vic authentication none"],
    &["configure", "hostname mine"],
    &["abort"],
    &["commit"],
    &["copy running-config startup-config"],
    &["rollback 1"],
    &["write"],
    &["write memory"],
];

/// Everything that changes something is refused, everything that shows something is not, and hosts get what their port allows.
pub(super) fn roles(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "h2", "g1", "g2"] {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    lab.cable(("h2", "eth1"), ("vis", "niv2"))?;
    lab.start("vis", "vis", VIS)?;
    for (host, catalogue) in [("h1", ["web"].as_slice()), ("h2", &["db", "web"])] {
        lab.start(host, "iv", "uplink = \"eth1\"\n")?;
        let begun = Instant::now();
        let known = loop {
            let known = lab.daemon(host)?.ask(&["profiles"]).unwrap_or_default();
            if catalogue.iter().all(|name| known.contains(name)) {
                break known;
            }
            check(begun.elapsed() < WITHIN, || format!("{host} knows {known}"))?;
            std::thread::sleep(Duration::from_millis(10));
        };
        check(host != "h1" || !known.contains("db"), || {
            format!("{host} knows a profile that it may not ask for:\n{known}")
        })?;
    }

    // A host asks for what its port does not allow.
    let uuids = [
        "6ba7b810-9dad-41d1-80b4-00c04fd430e1",
        "6ba7b810-9dad-41d1-80b4-00c04fd430e2",
    ];
    let refused = attach_as(&mut lab, "h1", ("g1", uuids[0]), "db");
    let why = match &refused {
        Err(error) => error.to_string(),
        Ok(()) => String::new(),
    };
    check(why.contains("db"), || {
        format!("a host got a profile its port does not allow: {why}")
    })?;
    report.figure(
        "a host that asks for what its port does not allow",
        "is refused",
    );
    // It is still asked for, until it is taken away.
    lab.daemon("h1")?.ask(&["detach", "g1"])?;
    attach_as(&mut lab, "h1", ("g1", uuids[0]), "web")?;
    let (_, first, _) = taken_at(&mut lab, "h1", "g1")?;
    attach_as(&mut lab, "h2", ("g2", uuids[1]), "db")?;
    let (_, second, _) = taken_at(&mut lab, "h2", "g2")?;

    let socket = lab.daemon("vis")?.socket().to_owned();
    if let Some(folder) = socket.parent() {
        fs::set_permissions(folder, Permissions::from_mode(0o755))
            .doing("open the folder of the socket")?;
    }
    let typist = Typist::of(binaries, &socket);
    let before = typist.exec(&["show running-config"])?.out;
    for line in LOOKS {
        let said = typist.exec_as(NOBODY, &[line])?;
        check(said.done, || {
            format!("an operator may not `{line}`: {said:?}")
        })?;
        let said = typist.exec_as(NO_ROLE, &[line])?;
        check(!said.done && said.err.contains("no role"), || {
            format!("somebody without a role may `{line}`: {said:?}")
        })?;
    }
    report.figure(
        "shows that an operator sees, and nobody without a role",
        LOOKS.len(),
    );
    for lines in CHANGES {
        let said = typist.exec_as(NOBODY, lines)?;
        check(!said.done && said.err.contains("role operator"), || {
            format!("an operator may {lines:?}: {said:?}")
        })?;
    }
    let after = typist.exec(&["show running-config"])?.out;
    check(before == after, || {
        format!("an operator changed something:\n{before}\n{after}")
    })?;
    report.figure("changes refused to an operator", CHANGES.len());

    // The catalogue of the port a vEth is behind, and no other.
    let attach =
        |veth: u64, profile: &str| format!("attach interface veth {veth} port-profile {profile}");
    for (veth, profile, may) in [
        (first, "web", true),
        (first, "db", false),
        (second, "web", true),
        (second, "db", true),
        (second, "other", false),
    ] {
        let line = attach(veth, profile);
        let said = typist.exec_as(NOBODY, &[&line])?;
        check(said.done == may, || {
            format!("`{line}` by an operator: {said:?}")
        })?;
    }
    report.figure(
        "an operator's choices by the catalogue of each port",
        "5 of 5 as it says",
    );
    foreseen(&typist, first, second)?;
    report.figure(
        "what `plan` says of VLANs, ports, catalogues and keys",
        "as it says",
    );
    for (guest, number) in [("g1", 1), ("g2", 2)] {
        settle_in(&lab, guest, number)?;
    }
    choice_holds(&mut lab, &typist, second)?;
    report.figure(
        "an operator's choice after kill -9 of the switch",
        "in force",
    );
    held_down(&lab, &typist)?;
    report.figure(
        "a NIV port that is asked to police",
        "down, and up without it",
    );
    lab.check_alive()
}

/// What the plan of these lines says of a vEth: what it would be, and why else it changes.
fn planned(typist: &Typist, lines: &[&str], veth: u64) -> Result<String> {
    let mut all = vec!["configure candidate"];
    all.extend_from_slice(lines);
    all.extend(["plan | json", "abort"]);
    let said = typist.exec(&all)?;
    check(said.done, || format!("{lines:?}: {said:?}"))?;
    let plan: Value = serde_json::from_str(&said.out).doing("read a plan")?;
    let interfaces = plan.get("interfaces").and_then(Value::as_array);
    let mut interfaces = interfaces.into_iter().flatten();
    let of_it = |one: &&Value| one.pointer("/interface/veth").and_then(Value::as_u64) == Some(veth);
    let found = interfaces.find(of_it);
    Ok(found.map(ToString::to_string).unwrap_or_default())
}

/// What changes vEths and is not said in a line of theirs.
fn foreseen(typist: &Typist, first: u64, second: u64) -> Result<()> {
    let narrow = &["interface ethernet 2", "no vic allowed port-profile db"];
    let cases: [(&[&str], u64, &str); 6] = [
        (narrow, second, "profile_not_allowed"),
        (narrow, first, ""),
        (
            &["vlan 20", "state suspend"],
            second,
            "no frames any more of VLAN 20",
        ),
        (
            &["interface ethernet 1", "shutdown"],
            first,
            "Ethernet1 is shut",
        ),
        (
            &["interface ethernet 1", "police input rate 1 mbps"],
            first,
            "profile_incomplete",
        ),
        (&["vic hold 5000"], first, "ask for it again"),
    ];
    for (lines, veth, says) in cases {
        let plan = planned(typist, lines, veth)?;
        check(
            plan.contains(says) && plan.is_empty() == says.is_empty(),
            || format!("the plan of {lines:?} says of vEth {veth}: {plan}"),
        )?;
    }
    let key = "vic authentication key-file /nonexistent/key";
    let said = typist.exec(&["configure candidate", key, "plan"])?;
    check(
        !said.done && said.err.contains("cannot be put in force"),
        || format!("`plan` would commit without its key: {said:?}"),
    )
}

/// The second guest asked for `db`, and an operator gave it `web`, as the first one has.
fn choice_holds(lab: &mut Lab, typist: &Typist, second: u64) -> Result<()> {
    let line = format!("attach interface veth {second} port-profile web");
    let said = typist.exec_as(NOBODY, &[&line])?;
    check(said.done, || format!("`{line}` by an operator: {said:?}"))?;
    they_talk(lab)?;
    // The store is written ten times a second.
    std::thread::sleep(Duration::from_secs(1));
    lab.daemon("vis")?.kill()?;
    std::thread::sleep(Duration::from_millis(500));
    lab.daemon("vis")?.restart()?;
    for (host, guest) in [("h1", "g1"), ("h2", "g2")] {
        taken_at(lab, host, guest)?;
    }
    they_talk(lab)?;
    let vifs = typist.exec(&["show niv vif"])?.out;
    let shown = vifs
        .lines()
        .any(|vif| vif.contains(&format!("Veth{second} ")) && vif.contains("web (db)"));
    check(shown, || {
        format!("`show niv vif` has not what is in force and what was asked for:\n{vifs}")
    })?;
    // What is said otherwise is over.
    let number = format!("interface veth {second}");
    let said = typist.exec(&["configure", &number, "no inherit port-profile"])?;
    check(said.done, || format!("{said:?}"))?;
    std::thread::sleep(Duration::from_secs(1));
    lab.daemon("vis")?.kill()?;
    lab.daemon("vis")?.restart()?;
    taken_at(lab, "h2", "g2")?;
    let running = typist.exec(&["show running-config"])?.out;
    check(
        !running.contains(&format!("interface veth{second}\n")),
        || format!("a choice that was taken back is in force again:\n{running}"),
    )?;
    let said = typist.exec(&[&line])?;
    check(said.done, || format!("`{line}`: {said:?}"))?;
    taken_at(lab, "h1", "g1")?;
    they_talk(lab)
}

/// What a NIV port cannot be asked is not passed over: nothing passes it until the line is gone.
fn held_down(lab: &Lab, typist: &Typist) -> Result<()> {
    let said = typist.exec(&[
        "configure",
        "interface ethernet 1",
        "police input rate 1 mbps",
    ])?;
    check(
        said.done && said.err.contains("as long as it is said"),
        || format!("a policer on a NIV port: {said:?}"),
    )?;
    let policers = typist.exec(&["show policer"])?.out;
    check(policers.contains("No rate is policed"), || {
        format!("`show policer` has one on a NIV port:\n{policers}")
    })?;
    check(they_talk(lab).is_err(), || {
        "frames pass a port that is not as it is said to be".to_owned()
    })?;
    let said = typist.exec(&["configure", "interface ethernet 1", "no police input"])?;
    check(said.done, || format!("{said:?}"))?;
    they_talk(lab)
}
