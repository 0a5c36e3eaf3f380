//! Who may do what: operators look, and choose from the catalogue of the port a host is behind.

use super::shell::Typist;
use super::vic::{DEVICE, attach_as, taken_at};
use crate::binaries::Binaries;
use crate::error::{Doing, Result, check};
use crate::lab::Lab;
use crate::report::Report;
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
    for guest in ["g1", "g2"] {
        lab.host(guest)?.silence(DEVICE)?;
    }

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
    lab.check_alive()
}
