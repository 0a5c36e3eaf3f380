//! From a lab's file to namespaces, cables and daemons. Inside the sandbox only.

use super::configuration::with_guests;
use crate::binaries::Binaries;
use crate::daemon::READY_WITHIN;
use crate::endpoint::trunk::Trunk;
use crate::error::{Doing, Result};
use crate::lab::Lab;
use crate::sandbox;
use ::topology::{End, Host, HostName, Program, Topology};
use serde_json::Value;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// How long vNICs may take until the switch has taken them all.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// Where daemons keep what their successors must find.
const STATE: &str = "/run/niv";

/// A lab that is up.
pub(crate) struct Built {
    /// Its hosts and daemons.
    pub(crate) lab: Lab,
    /// The vNICs that no switch has taken, each with what `iv` says of it.
    pub(crate) not_taken: Vec<String>,
    trunks: Vec<Trunk>,
}

impl Built {
    /// Brings it up, saying what it does, until every address is usable; or, where a vNIC is taken by no switch, until
    /// that is known.
    ///
    /// # Errors
    /// Anything that is refused on the way, with the daemons' own words.
    pub(crate) fn start(
        binaries: &Binaries,
        topology: &Topology,
        say: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let mut lab = Lab::new(binaries);
        say(&format!(
            "makes {} namespaces and lays {} cables",
            topology.hosts.len(),
            topology.cables.len()
        ));
        for (name, host) in &topology.hosts {
            lab.add_host(name.as_str())?;
            if host.trunk.is_some() {
                lab.add_host(&nic_of(name))?;
            }
        }
        for [a, b] in &topology.cables {
            lay(&lab, topology, a, b)?;
        }
        let mut trunks = Vec::new();
        for (name, host) in &topology.hosts {
            if let Some(trunk) = &host.trunk {
                let nic = nic_of(name);
                let at = (&*nic, trunk.device.as_str());
                trunks.push(Trunk::start(&lab, at, name.as_str(), &trunk.vlans)?);
            }
        }
        // The switches first: so nobody waits for one.
        for program in [Program::Vis, Program::Iv] {
            start_all(&mut lab, topology, program, say)?;
        }
        let not_taken = wait_until_taken(&mut lab, topology)?;
        say("gives everybody their addresses");
        let settled = not_taken.is_empty();
        give_addresses(&lab, topology, settled)?;
        Ok(Self {
            lab,
            not_taken,
            trunks,
        })
    }

    /// Takes it down again, for another lab to come up in the same sandbox.
    ///
    /// # Errors
    /// Something of it stays.
    pub(crate) fn end(self, topology: &Topology) -> Result<()> {
        let Self {
            mut lab, trunks, ..
        } = self;
        for (name, host) in &topology.hosts {
            if host.program.is_some() {
                lab.daemon(name.as_str())?.end()?;
            }
        }
        drop(trunks);
        for (name, host) in &topology.hosts {
            lab.remove_host(name.as_str())?;
            if host.trunk.is_some() {
                lab.remove_host(&nic_of(name))?;
            }
        }
        for folder in [sandbox::FOLDER, STATE] {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.doing(format!("remove {folder}"))?,
            }
        }
        Ok(())
    }
}

/// The namespace in which the VLAN tags of a neighbour are put on and taken off. No host can be called that.
fn nic_of(host: &HostName) -> String {
    format!("{host}.nic")
}

fn lay(lab: &Lab, topology: &Topology, a: &End, b: &End) -> Result<()> {
    let place = |end: &End| {
        let host = topology.hosts.get(&end.host);
        let trunk = host.and_then(|host| host.trunk.as_ref());
        match trunk {
            Some(trunk) if trunk.device == end.device => nic_of(&end.host),
            _ => end.host.to_string(),
        }
    };
    let (host_a, host_b) = (place(a), place(b));
    let ends = [(&*host_a, a.device.as_str()), (&*host_b, b.device.as_str())];
    let [at_a, at_b] = ends;
    lab.cable_for_daemons(at_a, at_b)?;
    for (end, (host, device)) in [a, b].into_iter().zip(ends) {
        let has_daemon = topology.hosts.get(&end.host).is_some_and(runs_a_daemon);
        // Until a daemon takes its end up, no kernel says a word on it.
        if !has_daemon {
            lab.host(host)?.up(device)?;
        }
    }
    Ok(())
}

fn runs_a_daemon(host: &Host) -> bool {
    host.program.is_some()
}

fn start_all(
    lab: &mut Lab,
    topology: &Topology,
    program: Program,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let mut configurations = Vec::new();
    for (name, host) in &topology.hosts {
        let text = match &host.program {
            Some((Program::Vis, text)) if program == Program::Vis => text.clone(),
            Some((Program::Iv, text)) if program == Program::Iv => {
                with_guests(topology, name, text)?
            }
            _ => continue,
        };
        configurations.push((name.to_string(), text));
    }
    if configurations.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = configurations.iter().map(|(name, _)| &**name).collect();
    say(&format!(
        "starts `{}` on {}",
        program.name(),
        names.join(", ")
    ));
    lab.begin_all(program.name(), &configurations)?;
    for (name, _) in &configurations {
        lab.daemon(name)?.ready(READY_WITHIN)?;
    }
    Ok(())
}

/// Waits until all vNICs may send; those that may not in time, and why.
fn wait_until_taken(lab: &mut Lab, topology: &Topology) -> Result<Vec<String>> {
    let end = Instant::now() + TAKEN_WITHIN;
    let with_iv = topology.hosts.iter().filter(|(_, host)| {
        let program = host.program.as_ref().map(|(program, _)| *program);
        program == Some(Program::Iv)
    });
    let mut left = Vec::new();
    for (name, _) in with_iv {
        loop {
            let shown = lab.daemon(name.as_str())?.show_json(&[])?;
            let vnics = shown.get("vnics").and_then(Value::as_array);
            let is_enabled = |vnic: &&Value| vnic.get("enabled") == Some(&Value::Bool(true));
            let mut waiting = vnics.into_iter().flatten().filter(|vnic| !is_enabled(vnic));
            let first = waiting.next();
            if first.is_none() {
                break;
            }
            if Instant::now() > end {
                left.extend(first.into_iter().chain(waiting).map(|vnic| {
                    let text = |key| vnic.get(key).and_then(Value::as_str).unwrap_or_default();
                    format!("{} of {name} is not enabled: {}", text("name"), text("why"))
                }));
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(left)
}

fn give_addresses(lab: &Lab, topology: &Topology, settled: bool) -> Result<()> {
    let devices = topology.hosts.iter().flat_map(|(name, host)| {
        let of_host = host.addresses.iter();
        of_host.map(move |(device, addresses)| (name.as_str(), device.as_str(), addresses))
    });
    for (name, device, addresses) in devices.clone() {
        let host = lab.host(name)?;
        host.up(device)?;
        for address in addresses {
            host.address_in(device, address.ip, address.prefix)?;
        }
    }
    // Without a carrier the kernel does not ask whether somebody has an address.
    if settled {
        for (name, device, addresses) in devices {
            if addresses.iter().any(|address| address.ip.is_ipv6()) {
                lab.host(name)?.wait_for_detection(device)?;
            }
        }
    }
    Ok(())
}
