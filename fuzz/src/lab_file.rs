//! The file of a lab.

use crate::marks::{is_looking, mark};
use std::collections::BTreeSet;
use topology::{MAX_FILE, Topology, parse};

/// `data` is the file; what is no UTF-8 is refused before it gets here.
///
/// # Panics
/// A topology is taken that names what is not there, or a fault has no place.
pub fn lab_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match parse(text) {
        Ok(topology) => {
            assert!(text.len() <= MAX_FILE);
            if is_looking() {
                accepted(&topology);
            }
            holds_together(&topology);
        }
        Err(error) => {
            mark("fault", known(&error.what));
            let lines: Vec<&str> = text.split('\n').collect();
            let line = lines.get(error.line.wrapping_sub(1));
            assert!(line.is_some(), "{error}");
            let length = line.map_or(0, |line| line.chars().count());
            assert!((1..=length + 1).contains(&error.column), "{error}");
            assert!(!error.what.is_empty() && !error.what.contains('\n'), "{error}");
        }
    }
}

/// What is named is there, and nothing is made twice.
fn holds_together(topology: &Topology) {
    let mut devices = BTreeSet::new();
    for end in topology.cables.iter().flatten() {
        assert!(topology.hosts.contains_key(&end.host), "{end}");
        assert!(devices.insert((end.host.clone(), end.device.clone())), "{end}");
    }
    for (name, host) in &topology.hosts {
        for vnic in &host.vnics {
            let on = topology.hosts.get(&vnic.on);
            assert!(on.is_some_and(|on| on.program.is_some()), "{}", vnic.on);
            assert!(devices.insert((name.clone(), vnic.device.clone())), "{name}");
        }
        if let Some(trunk) = &host.trunk {
            assert!(devices.contains(&(name.clone(), trunk.device.clone())), "{name}");
        }
    }
    // Of each station the groups it is in; not too many to ask.
    let members: usize = topology.reach.values().map(Vec::len).sum();
    if members <= 32 {
        for ask in topology.questions() {
            assert_ne!(ask.from.host, ask.to.host);
            let to = topology.hosts.get(&ask.to.host);
            let has = to.and_then(|to| to.addresses.get(&ask.to.device));
            assert!(has.is_some_and(|has| has.iter().any(|address| address.ip == ask.address)));
        }
    }
}

/// The kind of a fault: what stands behind what was found.
fn known(what: &str) -> &'static str {
    const KINDS: &[&str] = &[
        "no other use",
        "that has a table",
        "no name",
        "no device's name",
        "no address with its network",
        "said twice",
        "runs no `iv`",
        "one daemon",
        "no cable ends",
        "no VLAN",
        "is a trunk",
        "in this group already",
        "has no address",
        "several devices",
        "HOST:DEVICE",
        "on one line",
        "MTU",
        "no station's",
        "too many",
        "unknown field",
        "missing field",
        "invalid type",
    ];
    KINDS.iter().find(|kind| what.contains(**kind)).unwrap_or(&"else")
}

fn accepted(topology: &Topology) {
    let hosts = || topology.hosts.values();
    let said = [
        ("about", !topology.about.is_empty()),
        ("cables", !topology.cables.is_empty()),
        ("no host", topology.hosts.is_empty()),
        ("a daemon", hosts().any(|host| host.program.is_some())),
        ("a vNIC", hosts().any(|host| !host.vnics.is_empty())),
        ("a trunk", hosts().any(|host| host.trunk.is_some())),
        ("addresses", hosts().any(|host| !host.addresses.is_empty())),
        ("a group", !topology.reach.is_empty()),
        ("a question", !topology.questions().is_empty()),
    ];
    for (name, _) in said.iter().filter(|(_, there)| *there) {
        mark("accepted", name);
    }
}
