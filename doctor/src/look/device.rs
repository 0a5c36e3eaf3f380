//! The devices of this network namespace.

use super::host::{self, knows_processes};
use crate::facts::{Device, Driver, Found, Holder, Look, Wanted};
use packet_io::afpacket::{self, OpenError, PacketOptions};
use packet_io::driver;
use packet_io::link::{BlockingLinks, LinkError, LinkIndex, LinkInfo};
use packet_io::netns::NetNs;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// Named namespaces that are looked into (ours): each costs some milliseconds.
const MOST_NAMESPACES: usize = 32;

/// Looks at each of them; `daemon` is the process that may have them.
pub(super) fn look(wanted: &[Wanted], daemon: Option<u32>) -> Vec<Device> {
    let links = BlockingLinks::open();
    let each = wanted.iter().map(|wanted| match &links {
        Ok(links) => one(links, wanted, daemon),
        Err(error) => Device {
            wanted: wanted.clone(),
            found: Err(error.to_string()),
            elsewhere: None,
        },
    });
    each.collect()
}

fn one(links: &BlockingLinks, wanted: &Wanted, daemon: Option<u32>) -> Device {
    let name = wanted.device.as_str();
    let info = links.run(async |links| links.get(name).await);
    let found = match info {
        Ok(Some(info)) => Ok(Some(found(links, &info, daemon))),
        Ok(None) => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let elsewhere = matches!(found, Ok(None)).then(|| elsewhere(name)).flatten();
    Device {
        wanted: wanted.clone(),
        found,
        elsewhere,
    }
}

fn found(links: &BlockingLinks, info: &LinkInfo, daemon: Option<u32>) -> Found {
    let name = info.name.as_str();
    let text = |error: LinkError| error.to_string();
    let addresses = links.run(async |links| links.addresses(info.index).await);
    let addresses = addresses.map_err(text).map(|all| {
        let of_ours = all.iter().filter(
            |a| !matches!(a.address, IpAddr::V6(address) if address.is_unicast_link_local()),
        );
        of_ours.map(ToString::to_string).collect()
    });
    let master = info.master.map(|index| {
        let master = links.run(async |links| links.by_index(index).await);
        let named = master.ok().flatten().map(|master| master.name);
        named.unwrap_or_else(|| index.to_string())
    });
    let isolated = links.run(async |links| links.isolation().is_isolated(name));
    let holder = holder(name, daemon);
    let free = matches!(holder, Ok(None)) && info.mac.is_some() && info.up;
    let managed = is_first_namespace();
    Found {
        ethernet: info.mac.is_some(),
        kind: info.kind.clone(),
        driver: driver_of(name),
        mtu: info.mtu,
        max_mtu: info.max_mtu,
        up: info.up,
        carrier: info.carrier,
        promiscuity: info.promiscuity,
        arp: info.arp,
        ipv6: info.ipv6 == Some(true),
        master,
        addresses,
        isolated: isolated.map_err(|error| error.to_string()),
        holder,
        network_manager: managed && network_manager_has(info.index),
        networkd: managed && networkd_has(info.index),
        mode: free.then(|| mode(name)).flatten(),
    }
}

fn driver_of(device: &str) -> Look<Driver> {
    let asked = driver::Driver::of(device);
    let driver = asked.map_err(|error| format!("its driver cannot be asked: {error}"))?;
    let features = driver.features.into_iter();
    Ok(Driver {
        name: driver.name,
        features: features.map(|(name, feature)| (name, feature.on)).collect(),
    })
}

/// Opens the device as a daemon would, for a moment; `None`: this user may not, which is said elsewhere.
fn mode(device: &str) -> Option<Look<String>> {
    let small = PacketOptions {
        slots: 128,
        ..PacketOptions::default()
    };
    match afpacket::open(device, small) {
        Ok(port) => Some(Ok(port.capabilities.mode.to_owned())),
        Err(OpenError::NotPermitted { .. }) => None,
        Err(error) => Some(Err(error.to_string())),
    }
}

/// Who has taken a device: a claim is a socket with a name of its own (`packet_io::former::Claim`).
fn holder(device: &str, daemon: Option<u32>) -> Look<Option<Holder>> {
    let unseen = |error| format!("/proc/net/unix cannot be read: {error}");
    let sockets = fs::read_to_string("/proc/thread-self/net/unix").map_err(unseen)?;
    let Some(inode) = claimed(&sockets, device) else {
        return Ok(None);
    };
    let process = knows_processes()
        .then(|| process_with_socket(inode, daemon))
        .flatten();
    Ok(Some(Holder { process }))
}

/// The inode of the socket that claims a device.
fn claimed(sockets: &str, device: &str) -> Option<u64> {
    let name = format!("@niv/device/{device}");
    sockets.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(6);
        let inode = words.next()?.parse().ok()?;
        (words.next()? == name).then_some(inode)
    })
}

fn process_with_socket(inode: u64, first: Option<u32>) -> Option<(u32, String)> {
    let socket = format!("socket:[{inode}]");
    let has = |pid: u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let mut links = open.flatten().flat_map(|entry| fs::read_link(entry.path()));
        links.any(|to| to == Path::new(&socket)).then_some(pid)
    };
    let all = fs::read_dir("/proc").ok()?.flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let pid = first.into_iter().chain(all).find_map(has)?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some((pid, name.trim().to_owned()))
}

/// The namespace under `/run/netns` with a device of that name, of those this user may look into.
fn elsewhere(device: &str) -> Option<String> {
    let folder = fs::read_dir("/run/netns").ok()?.flatten();
    folder.take(MOST_NAMESPACES).find_map(|entry| {
        let ns = NetNs::open(entry.path()).ok()?;
        let links = BlockingLinks::open_in(&ns).ok()?;
        let info = links.run(async |links| links.get(device).await);
        info.ok()??;
        entry.file_name().into_string().ok()
    })
}

/// NetworkManager and systemd-networkd have their files for the first namespace: the numbers in them mean nothing in
/// another one.
fn is_first_namespace() -> bool {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/net"));
    // A plain user may not see it, and is mostly there.
    of("1").map_or(true, |first| {
        of("thread-self").is_ok_and(|own| own == first)
    })
}

fn network_manager_has(index: LinkIndex) -> bool {
    let says = fs::read_to_string(format!("/run/NetworkManager/devices/{}", index.0));
    says.is_ok_and(|says| network_manager_says_so(&says))
}

fn network_manager_says_so(file: &str) -> bool {
    file.lines()
        .any(|line| matches!(line.trim(), "managed=true" | "managed=full"))
}

fn networkd_has(index: LinkIndex) -> bool {
    let says = fs::read_to_string(format!("/run/systemd/netif/links/{}", index.0));
    says.is_ok_and(|says| networkd_says_so(&says))
}

fn networkd_says_so(file: &str) -> bool {
    let mut states = file.lines().filter_map(|l| l.strip_prefix("ADMIN_STATE="));
    states.any(|state| {
        !matches!(
            state.trim(),
            "unmanaged" | "pending" | "initialized" | "linger"
        )
    })
}

/// Devices with a strict reverse-path filter, and whether bridges hand frames to iptables.
pub(super) fn settings() -> (Vec<String>, bool) {
    let conf = Path::new("/proc/sys/net/ipv4/conf");
    let value = |name: &str| host::number(&conf.join(name).join("rp_filter"));
    let all = value("all").unwrap_or(0);
    // The larger of the two is in force; 2 is loose.
    let strict = |name: &String| value(name).is_some_and(|own| own.max(all) == 1);
    let names = fs::read_dir(conf).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let strict = names.filter(strict).collect();
    let filter = host::number(Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables"));
    let filters = filter == Some(1) && has_bridge();
    (strict, filters)
}

fn has_bridge() -> bool {
    let Ok(links) = BlockingLinks::open() else {
        return false;
    };
    let all = links.run(async |links| links.list().await);
    all.is_ok_and(|all| all.iter().any(|one| one.kind.as_deref() == Some("bridge")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_found_by_the_whole_name() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00000000 0002 01 4711 @niv/device/eth10\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 4712 /run/niv/iv.sock\n\
            0000000000000000: 00000002 00000000 00000000 0002 01 4713 @niv/device/eth1\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 4714\n";
        assert_eq!(claimed(table, "eth1"), Some(4713));
        assert_eq!(claimed(table, "eth2"), None);
    }

    #[test]
    fn a_claim_of_this_process_is_found() {
        let device = format!("t-doc{}", std::process::id());
        assert_eq!(holder(&device, None), Ok(None));
        let claim = packet_io::former::Claim::take(&device).unwrap();
        let holder = holder(&device, None).unwrap().unwrap();
        if let Some((pid, _)) = holder.process {
            assert_eq!(pid, std::process::id());
        }
        drop(claim);
    }

    #[test]
    fn what_manages_a_device_is_read_in_its_own_words() {
        assert!(network_manager_says_so("[device]\nmanaged=true\n"));
        assert!(!network_manager_says_so("[device]\nmanaged=false\n"));
        assert!(networkd_says_so(
            "ADMIN_STATE=configured\nOPER_STATE=routable\n"
        ));
        assert!(networkd_says_so("ADMIN_STATE=configuring\n"));
        assert!(!networkd_says_so("ADMIN_STATE=unmanaged\n"));
        assert!(!networkd_says_so(""));
    }
}
