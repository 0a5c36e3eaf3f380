//! The configuration as lines that lead back to it.

use super::apply::Context;
use super::guard::Errdisable;
use super::model::{Allowed, Config, InterfaceId, PortLines, Vic, VicAuthentication, Vlan};
use super::name::ProfileName;
use niv::{VlanId, VlanSet};
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// Octets of VLAN list in one line, about; longer lists go on in further lines.
const LIST_WIDTH: usize = 100;

impl Config {
    /// The configuration in the language it is written in. Reading it gives the same configuration.
    pub fn running_config(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    /// What is said of one interface, profile or VLAN, as [`Config::running_config`] says it; `None`: nothing is.
    pub fn running_config_of(&self, part: &Context) -> Option<String> {
        let is_there = match part {
            Context::Config => return Some(self.running_config()),
            Context::Vlan(_) => true,
            Context::AccessList(_, name) => self.lists.get(name).is_some(),
            Context::Profile(name) => self.profiles.contains_key(name),
            Context::Interface(InterfaceId::Ethernet(id)) => self.ethernets.contains_key(id),
            Context::Interface(InterfaceId::Veth(id)) => self.veths.contains_key(id),
        };
        let only = Self {
            aging_time: None,
            tag_native: false,
            vic: Vic::default(),
            errdisable: Errdisable::default(),
            ..self.part(part)
        };
        is_there.then(|| only.running_config())
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        if let Some(name) = &self.hostname {
            writeln!(out, "hostname {name}")?;
        }
        if let Some(seconds) = self.aging_time {
            writeln!(out, "mac address-table aging-time {seconds}")?;
        }
        self.errdisable.write(out)?;
        if self.tag_native {
            writeln!(out, "vlan dot1q tag native")?;
        }
        if let Some(authentication) = &self.vic.authentication {
            write_authentication(out, "", authentication)?;
        }
        if let Some(seconds) = self.vic.grace {
            writeln!(out, "vic grace {seconds}")?;
        }
        if let Some(milliseconds) = self.vic.hold {
            writeln!(out, "vic hold {milliseconds}")?;
        }
        self.vic.write_numbers(out)?;
        let roles = [
            ("network", &self.roles.network),
            ("operator", &self.roles.operator),
        ];
        for (role, grantees) in roles {
            for grantee in grantees {
                writeln!(out, "role {role} {grantee}")?;
            }
        }
        let unnamed: VlanSet = self
            .vlans
            .iter()
            .filter(|(id, vlan)| **vlan == Vlan::default() && **id != VlanId::DEFAULT)
            .map(|(&id, _)| id)
            .collect();
        for list in lists(&unnamed) {
            writeln!(out, "vlan {list}")?;
        }
        for (id, vlan) in &self.vlans {
            if *vlan == Vlan::default() {
                continue;
            }
            writeln!(out, "vlan {id}")?;
            if let Some(name) = &vlan.name {
                writeln!(out, "  name {name}")?;
            }
            vlan.lines.write(out)?;
        }
        self.lists.write(out)?;
        for (name, lines) in &self.profiles {
            writeln!(out, "port-profile {name}")?;
            lines.write(out)?;
        }
        for (id, ethernet) in &self.ethernets {
            writeln!(out, "interface ethernet{id}")?;
            ethernet.lines.write(out)?;
            if let Some(authentication) = &ethernet.vic.authentication {
                write_authentication(out, "  ", authentication)?;
            }
            for names in ethernet.vic.allowed.iter().flat_map(name_lists) {
                writeln!(out, "  vic allowed port-profile {names}")?;
            }
            // Last: typed in this order, the device is taken as what it is to be, and not before.
            if let Some(device) = &ethernet.device {
                writeln!(out, "  device {device}")?;
            }
        }
        for (id, veth) in &self.veths {
            writeln!(out, "interface veth{id}")?;
            if let Some(bind) = veth.bind {
                writeln!(
                    out,
                    "  bind interface ethernet {} channel {}",
                    bind.ethernet, bind.channel
                )?;
            }
            veth.lines.write(out)?;
        }
        Ok(())
    }
}

impl Vic {
    fn write_numbers(&self, out: &mut String) -> fmt::Result {
        // In this order no line has the other subtype's number: the other one is never this one's default.
        if let Some(subtype) = self.unacknowledged_subtype {
            writeln!(out, "vic unacknowledged-subtype {subtype}")?;
        }
        if let Some(subtype) = self.subtype {
            writeln!(out, "vic subtype {subtype}")?;
        }
        if let Some(oui) = &self.oui {
            writeln!(out, "vic oui {oui}")?;
        }
        if let Some(rte) = self.rte {
            writeln!(out, "vic rte {rte}")?;
        }
        if let Some(retries) = self.retries {
            writeln!(out, "vic retries {retries}")?;
        }
        Ok(())
    }
}

impl PortLines {
    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        if let Some(text) = &self.description {
            writeln!(out, "  description {text}")?;
        }
        if let Some(mode) = self.mode {
            writeln!(out, "  switchport mode {}", mode.as_str())?;
        }
        if let Some(vlan) = self.access_vlan {
            writeln!(out, "  switchport access vlan {vlan}")?;
        }
        if let Some(vlan) = self.native_vlan {
            writeln!(out, "  switchport trunk native vlan {vlan}")?;
        }
        if let Some(allowed) = &self.allowed_vlans {
            write_allowed(out, allowed)?;
        }
        self.private_vlan.write(out)?;
        if let Some(mtu) = self.mtu {
            writeln!(out, "  mtu {mtu}")?;
        }
        self.filters.write(out)?;
        self.rates.write(out)?;
        self.guards.write(out)?;
        if let Some(profile) = &self.inherit {
            writeln!(out, "  inherit port-profile {profile}")?;
        }
        match self.shutdown {
            Some(true) => writeln!(out, "  shutdown"),
            Some(false) => writeln!(out, "  no shutdown"),
            None => Ok(()),
        }
    }
}

fn write_authentication(
    out: &mut String,
    indent: &str,
    authentication: &VicAuthentication,
) -> fmt::Result {
    match authentication {
        VicAuthentication::None => writeln!(out, "{indent}vic authentication none"),
        VicAuthentication::KeyFile(file) => {
            writeln!(out, "{indent}vic authentication key-file {file}")
        }
    }
}

/// The names, several to a line of bounded length.
fn name_lists(names: &BTreeSet<ProfileName>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut().filter(|line| line.len() < LIST_WIDTH) {
            Some(line) => {
                line.push(' ');
                line.push_str(name.as_str());
            }
            None => lines.push(name.to_string()),
        }
    }
    lines
}

fn write_allowed(out: &mut String, allowed: &Allowed) -> fmt::Result {
    const LINE: &str = "  switchport trunk allowed vlan";
    match allowed {
        Allowed::Exactly(vlans) if vlans.is_empty() => writeln!(out, "{LINE} none"),
        Allowed::Exactly(vlans) if **vlans == VlanSet::ALL => writeln!(out, "{LINE} all"),
        Allowed::Exactly(vlans) => {
            for (i, list) in lists(vlans).iter().enumerate() {
                let add = if i == 0 { "" } else { " add" };
                writeln!(out, "{LINE}{add} {list}")?;
            }
            Ok(())
        }
        Allowed::Changed { add, remove } => {
            for list in lists(add) {
                writeln!(out, "{LINE} add {list}")?;
            }
            for list in lists(remove) {
                writeln!(out, "{LINE} remove {list}")?;
            }
            Ok(())
        }
    }
}

/// The set as lists of bounded length; none when it is empty.
pub(super) fn lists(vlans: &VlanSet) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for (first, last) in vlans.ranges() {
        let range = VlanSet::range(first, last).to_string();
        match lists.last_mut().filter(|list| list.len() < LIST_WIDTH) {
            Some(list) => {
                list.push(',');
                list.push_str(&range);
            }
            None => lists.push(range),
        }
    }
    lists
}
