//! From what is written to a topology that contradicts itself nowhere.

use crate::file::{
    End, Host, Program, Topology, Trunk, Vnic, Written, WrittenEnd, WrittenHost, WrittenVnic,
};
use crate::name::{Address, DeviceName, HostName, cut};
use crate::place::Fault;
use niv::Mac;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;
use toml::Spanned;

/// Bounds of one lab (ours). Each host takes a namespace, each cable a veth pair, each daemon a process.
const MAX_HOSTS: usize = 256;
const MAX_CABLES: usize = 1024;
const MAX_VNICS: usize = 1024;
/// Of one device.
const MAX_ADDRESSES: usize = 16;
/// Of one trunk: each takes a device and a socket.
const MAX_VLANS: usize = 64;
const MAX_GROUPS: usize = 64;
/// Of one group: each asks each.
const MAX_MEMBERS: usize = 256;
/// Octets of `about`, of a group's name, of a profile's and of a vNIC's.
const MAX_ABOUT: usize = 200;
const MAX_WORD: usize = 64;
/// What a guest's interface is called of which nothing is said.
const FIRST_DEVICE: &str = "eth0";

type Result<T> = std::result::Result<T, Fault>;

pub(crate) fn check(written: Written) -> Result<Topology> {
    bound("hosts", written.host.keys(), MAX_HOSTS)?;
    bound("cables", written.cables.iter().map(|[a, _]| a), MAX_CABLES)?;
    let vnics = written.host.values().flat_map(|host| &host.vnics);
    bound("vNICs", vnics, MAX_VNICS)?;
    bound("groups", written.reach.keys(), MAX_GROUPS)?;

    let about = match &written.about {
        Some(about) => line("`about`", about, MAX_ABOUT)?,
        None => String::new(),
    };
    let mut taken = Taken::default();
    let cables = cables(&written, &mut taken)?;
    let mut hosts = BTreeMap::new();
    for (name, host) in &written.host {
        let checked = check_host(&written, name, host, &mut taken)?;
        hosts.insert(name.get_ref().clone(), checked);
    }
    addresses_have_devices(&written, &taken)?;
    let reach = reach(&written, &hosts)?;
    Ok(Topology {
        about,
        hosts,
        cables,
        reach,
    })
}

/// Devices that something else in the file makes.
#[derive(Default)]
struct Taken(BTreeSet<End>);

impl Taken {
    fn take<T>(&mut self, place: &Spanned<T>, host: &HostName, device: &DeviceName) -> Result<()> {
        let end = End {
            host: host.clone(),
            device: device.clone(),
        };
        let what = format!("{end} is there already: expected a device with no other use");
        match self.0.insert(end) {
            true => Ok(()),
            false => Err(Fault::at(place, what)),
        }
    }

    fn has(&self, host: &HostName, device: &DeviceName) -> bool {
        self.0
            .iter()
            .any(|end| end.host == *host && end.device == *device)
    }
}

fn cables(written: &Written, taken: &mut Taken) -> Result<Vec<[End; 2]>> {
    let mut end = |place: &Spanned<String>| -> Result<End> {
        let WrittenEnd { host, device } = read(place)?;
        host_named(written, place, &host)?;
        let device = device.ok_or_else(|| {
            let what = format!("`{host}` names no device: expected HOST:DEVICE");
            Fault::at(place, what)
        })?;
        taken.take(place, &host, &device)?;
        Ok(End { host, device })
    };
    let ends = |[a, b]: &[Spanned<String>; 2]| Ok([end(a)?, end(b)?]);
    written.cables.iter().map(ends).collect()
}

fn check_host(
    written: &Written,
    name: &Spanned<HostName>,
    host: &WrittenHost,
    taken: &mut Taken,
) -> Result<Host> {
    let program = match (&host.vis, &host.iv) {
        (Some(_), Some(iv)) => {
            let what = format!("{} has `vis` too: expected one daemon", name.get_ref());
            return Err(Fault::at(iv, what));
        }
        (Some(vis), None) => Some((Program::Vis, vis.get_ref().clone())),
        (None, Some(iv)) => Some((Program::Iv, iv.get_ref().clone())),
        (None, None) => None,
    };
    let trunk = match &host.trunk {
        Some(trunk) => {
            let place = &trunk.device;
            if !taken.has(name.get_ref(), place.get_ref()) {
                let end = format!("{}:{}", name.get_ref(), place.get_ref());
                let what = format!("no cable ends at {end}: expected one in `cables`");
                return Err(Fault::at(place, what));
            }
            if program.is_some() {
                let what = format!(
                    "{} runs a daemon, which has trunks of its own: expected a neighbour",
                    name.get_ref()
                );
                return Err(Fault::at(place, what));
            }
            let vlans = vlans(name.get_ref(), &trunk.vlans, taken)?;
            let device = place.get_ref().clone();
            Some(Trunk { device, vlans })
        }
        None => None,
    };
    let mut vnics = Vec::new();
    for vnic in &host.vnics {
        vnics.push(check_vnic(written, name.get_ref(), vnic, taken)?);
    }
    let mut addresses = BTreeMap::new();
    for (device, of_device) in &host.addresses {
        bound("addresses of one device", of_device.iter(), MAX_ADDRESSES)?;
        let of_device = read_addresses(of_device)?;
        addresses.insert(device.get_ref().clone(), of_device);
    }
    Ok(Host {
        program,
        vnics,
        trunk,
        addresses,
    })
}

fn read_addresses(written: &[Spanned<String>]) -> Result<Vec<Address>> {
    let mut seen = BTreeSet::new();
    let mut addresses = Vec::new();
    for place in written {
        let address: Address = read(place)?;
        if !seen.insert(address.ip) {
            let what = format!("{} is said twice: expected it once", address.ip);
            return Err(Fault::at(place, what));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn vlans(host: &HostName, vlans: &[Spanned<u16>], taken: &mut Taken) -> Result<Vec<u16>> {
    bound("VLANs of one trunk", vlans.iter(), MAX_VLANS)?;
    for vlan in vlans {
        let number = *vlan.get_ref();
        let device = format!("vlan{number}").parse();
        match device {
            Ok(device) if (1..=4094).contains(&number) => taken.take(vlan, host, &device)?,
            _ => {
                let what = format!("{number} is no VLAN: expected 1 to 4094");
                return Err(Fault::at(vlan, what));
            }
        }
    }
    Ok(vlans.iter().map(|vlan| *vlan.get_ref()).collect())
}

fn check_vnic(
    written: &Written,
    guest: &HostName,
    place: &Spanned<WrittenVnic>,
    taken: &mut Taken,
) -> Result<Vnic> {
    let vnic = place.get_ref();
    let on: HostName = read(&vnic.on)?;
    let host = host_named(written, &vnic.on, &on)?;
    if host.iv.is_none() {
        let what = format!("{on} runs no `iv`: expected a host that does");
        return Err(Fault::at(&vnic.on, what));
    }
    let device: DeviceName = match &vnic.device {
        Some(device) => read(device)?,
        None => read_at(place, FIRST_DEVICE)?,
    };
    match &vnic.device {
        Some(said) => taken.take(said, guest, &device)?,
        None => taken.take(place, guest, &device)?,
    }
    let mac: Option<Mac> = vnic.mac.as_ref().map(read).transpose()?;
    if let (Some(place), Some(mac)) = (&vnic.mac, mac)
        && (mac.is_group() || mac.is_zero())
    {
        let what = format!("{mac} is no station's: expected the address of one");
        return Err(Fault::at(place, what));
    }
    if let Some(mtu) = &vnic.mtu
        && !(68..=65_535).contains(mtu.get_ref())
    {
        let what = format!("an MTU of {}: expected 68 to 65535", mtu.get_ref());
        return Err(Fault::at(mtu, what));
    }
    let name = match &vnic.name {
        Some(name) => line("a vNIC's name", name, MAX_WORD)?,
        None => guest.to_string(),
    };
    Ok(Vnic {
        on,
        name,
        profile: line("a profile's name", &vnic.profile, MAX_WORD)?,
        device,
        mac,
        mtu: vnic.mtu.as_ref().map(|mtu| *mtu.get_ref()),
    })
}

/// A host with a daemon may have devices that only the daemon's configuration knows of.
fn addresses_have_devices(written: &Written, taken: &Taken) -> Result<()> {
    for (name, host) in &written.host {
        let makes_its_own = host.vis.is_some() || host.iv.is_some();
        let carrier = host.trunk.as_ref().map(|trunk| trunk.device.get_ref());
        for device in host.addresses.keys() {
            let is_there = taken.has(name.get_ref(), device.get_ref());
            if !is_there && !makes_its_own {
                let what = format!(
                    "{} has no {}: expected the end of a cable, a vNIC, or a VLAN of its trunk",
                    name.get_ref(),
                    device.get_ref()
                );
                return Err(Fault::at(device, what));
            }
            if carrier == Some(device.get_ref()) {
                let what = format!(
                    "{} is a trunk: expected one of its VLANs, such as `vlan10`",
                    device.get_ref()
                );
                return Err(Fault::at(device, what));
            }
        }
    }
    Ok(())
}

fn reach(
    written: &Written,
    hosts: &BTreeMap<HostName, Host>,
) -> Result<BTreeMap<String, Vec<End>>> {
    let mut groups = BTreeMap::new();
    for (name, members) in &written.reach {
        bound("members of one group", members.iter(), MAX_MEMBERS)?;
        let group = line("a group's name", name, MAX_WORD)?;
        let mut stations = Vec::new();
        for member in members {
            let station = station(written, hosts, member)?;
            if stations.contains(&station) {
                let what = format!("{station} is in this group already: expected it once");
                return Err(Fault::at(member, what));
            }
            stations.push(station);
        }
        groups.insert(group, stations);
    }
    Ok(groups)
}

fn station(
    written: &Written,
    hosts: &BTreeMap<HostName, Host>,
    place: &Spanned<String>,
) -> Result<End> {
    let WrittenEnd { host, device } = read(place)?;
    host_named(written, place, &host)?;
    let addresses = hosts.get(&host).map(|host| &host.addresses);
    let mut with_some = addresses.into_iter().flatten();
    let mut with_some = with_some.by_ref().filter(|(_, some)| !some.is_empty());
    let device = match device {
        Some(device) => with_some
            .any(|(name, _)| *name == device)
            .then(|| device.clone())
            .ok_or_else(|| format!("{host}:{device} has no address: expected one in `addresses`")),
        None => match (with_some.next(), with_some.next()) {
            (Some((device, _)), None) => Ok(device.clone()),
            (None, _) => Err(format!(
                "{host} has no address: expected one in `addresses`"
            )),
            (Some(_), Some(_)) => Err(format!(
                "{host} has several devices with addresses: expected HOST:DEVICE"
            )),
        },
    };
    let device = device.map_err(|what| Fault::at(place, what))?;
    Ok(End { host, device })
}

/// What the text at that place says.
fn read<T: FromStr<Err: Display>>(place: &Spanned<String>) -> Result<T> {
    read_at(place, place.get_ref())
}

fn read_at<T: FromStr<Err: Display>, P>(place: &Spanned<P>, text: &str) -> Result<T> {
    text.parse()
        .map_err(|error: T::Err| Fault::at(place, error.to_string()))
}

fn host_named<'w, T>(
    written: &'w Written,
    place: &Spanned<T>,
    name: &HostName,
) -> Result<&'w WrittenHost> {
    let mut hosts = written.host.iter();
    let found = hosts.find(|(host, _)| host.get_ref() == name);
    found.map(|(_, host)| host).ok_or_else(|| {
        let what = format!("there is no host {name}: expected one that has a table [host.{name}]");
        Fault::at(place, what)
    })
}

/// Text for people, and for the daemons' files.
fn line(what: &str, text: &Spanned<String>, most: usize) -> Result<String> {
    let said = text.get_ref();
    if said.is_empty() || said.len() > most || said.chars().any(char::is_control) {
        let what = format!(
            "{what} is `{}`: expected 1 to {most} octets, on one line",
            cut(&said.escape_default().to_string())
        );
        return Err(Fault::at(text, what));
    }
    Ok(said.clone())
}

/// Refuses the first that is too many.
fn bound<'w, T: 'w>(
    what: &str,
    all: impl Iterator<Item = &'w Spanned<T>>,
    most: usize,
) -> Result<()> {
    let mut all = all.skip(most);
    all.next().map_or(Ok(()), |first| {
        let what = format!("too many {what}: expected at most {most}");
        Err(Fault::at(first, what))
    })
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
