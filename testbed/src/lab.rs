//! Hosts, cables and daemons: what every lab is put together from. To be used inside the sandbox only.

use crate::binaries::Binaries;
use crate::daemon::Daemon;
use crate::error::{Doing, LabError, Result, check};
use crate::sandbox;
use niv::Mac;
use packet_io::link::{
    BlockingLinks, LinkAddress, LinkError, LinkIndex, LinkInfo, LinkStats, VethEnd,
};
use packet_io::netns::NetNs;
use rustix::mount::UnmountFlags;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take to find that nobody else has an IPv6 address.
const DAD_WITHIN: Duration = Duration::from_secs(6);

/// One namespace: a host with an IV, a switch, a guest or a neighbour.
#[derive(Debug)]
pub(crate) struct Host {
    /// Its name, also under `/run/netns`.
    pub(crate) name: String,
    /// The namespace.
    pub(crate) netns: NetNs,
    links: BlockingLinks,
}

impl Host {
    fn create(name: &str) -> Result<Self> {
        let netns = NetNs::create().doing(format!("make the namespace of {name}"))?;
        // A name, so that daemons, `ip netns exec` and `cargo lab exec` find it.
        let path = sandbox::netns_path(name);
        fs::write(&path, "").doing(format!("make {}", path.display()))?;
        let own = format!("/proc/self/fd/{}", netns.as_fd().as_raw_fd());
        rustix::mount::mount_bind(&own, &path).doing(format!("name the namespace of {name}"))?;
        let links = BlockingLinks::open_in(&netns).map_err(link(format!("reach {name}")))?;
        let host = Self {
            name: name.to_owned(),
            netns,
            links,
        };
        // Linux marks its own address questions (RFC 7527) and so forgives a switch that sends them back.
        // Many guests do not: in a lab nobody does.
        for scope in ["all", "default"] {
            host.sysctl(&format!("ipv6/conf/{scope}/enhanced_dad"), "0")?;
        }
        host.up("lo")?;
        Ok(host)
    }

    /// What the kernel says of a device.
    pub(crate) fn device(&self, device: &str) -> Result<LinkInfo> {
        self.links
            .run(async |links| links.require(device).await)
            .map_err(link(format!("find {device} of {}", self.name)))
    }

    /// The device's number in this namespace.
    pub(crate) fn index(&self, device: &str) -> Result<LinkIndex> {
        Ok(self.device(device)?.index)
    }

    /// How many devices it has.
    pub(crate) fn devices(&self) -> Result<usize> {
        let all = self.links.run(async |links| links.list().await);
        Ok(all
            .map_err(link(format!("list the devices of {}", self.name)))?
            .len())
    }

    /// The kernel's counts of a device.
    pub(crate) fn stats(&self, device: &str) -> Result<LinkStats> {
        Ok(self.device(device)?.stats)
    }

    /// The device's own address.
    pub(crate) fn mac(&self, device: &str) -> Result<Mac> {
        Ok(self.device(device)?.mac.unwrap_or_default())
    }

    /// Takes a device up.
    pub(crate) fn up(&self, device: &str) -> Result<()> {
        self.set_up(device, true)
    }

    /// Takes a device down: for a cable's end, the cable is cut.
    pub(crate) fn down(&self, device: &str) -> Result<()> {
        self.set_up(device, false)
    }

    fn set_up(&self, device: &str, up: bool) -> Result<()> {
        let index = self.index(device)?;
        let way = if up { "up" } else { "down" };
        self.links
            .run(async |links| links.set_up(index, up).await)
            .map_err(link(format!("take {device} of {} {way}", self.name)))
    }

    /// Removes a device; with one end of a pair goes the other.
    pub(crate) fn delete(&self, device: &str) -> Result<()> {
        let index = self.index(device)?;
        self.links
            .run(async |links| links.delete(index).await)
            .map_err(link(format!("delete {device} of {}", self.name)))
    }

    /// Makes a device carry nothing but what a scenario sends by hand: no IPv6, no ARP.
    pub(crate) fn silence(&self, device: &str) -> Result<()> {
        let info = self.device(device)?;
        self.links
            .run(async |links| {
                links.set_ipv6(&info, false)?;
                links.set_arp(info.index, false).await
            })
            .map_err(link(format!("silence {device} of {}", self.name)))
    }

    /// Gives a device an address; IPv6 with duplicate-address detection.
    pub(crate) fn address(&self, device: &str, address: IpAddr) -> Result<()> {
        let prefix = if address.is_ipv4() { 24 } else { 64 };
        self.address_in(device, address, prefix)
    }

    /// The same, in a network of that size.
    pub(crate) fn address_in(&self, device: &str, address: IpAddr, prefix: u8) -> Result<()> {
        let index = self.index(device)?;
        self.links
            .run(async |links| links.add_address(index, address, prefix).await)
            .map_err(link(format!("give {device} of {} {address}", self.name)))
    }

    /// Gives a device an address without asking whether somebody has it, and without a network around it.
    pub(crate) fn address_unasked(&self, device: &str, address: IpAddr, prefix: u8) -> Result<()> {
        let index = self.index(device)?;
        self.links
            .run(async |links| links.add_address_unasked(index, address, prefix).await)
            .map_err(link(format!("give {device} of {} {address}", self.name)))
    }

    /// Sends what is for `destination`/`prefix` to `gateway`.
    pub(crate) fn route_by(&self, destination: IpAddr, prefix: u8, gateway: IpAddr) -> Result<()> {
        self.links
            .run(async |links| links.add_route(destination, prefix, gateway).await)
            .map_err(link(format!("route {destination} on {}", self.name)))
    }

    /// Sends what is for one address out of a device, which needs none itself. Fine if that is so already.
    pub(crate) fn route_onto(&self, device: &str, destination: IpAddr) -> Result<()> {
        let index = self.index(device)?;
        let whole = if destination.is_ipv4() { 32 } else { 128 };
        let added = self
            .links
            .run(async |links| links.add_device_route(index, destination, whole).await);
        match added {
            Err(LinkError::Exists { .. }) => Ok(()),
            other => other.map_err(link(format!("route {destination} on {}", self.name))),
        }
    }

    /// Writes down for good whose `address` is, so that nobody asks.
    pub(crate) fn neighbour(&self, device: &str, address: IpAddr, mac: Mac) -> Result<()> {
        let index = self.index(device)?;
        self.links
            .run(async |links| links.set_neighbour(index, address, mac).await)
            .map_err(link(format!("tell {} who {address} is", self.name)))
    }

    /// Lets the kernel take part in IPv6 on a device, and never begin: no address of its own to announce,
    /// no group of routers to join there. Forwarding goes by the setting for all devices.
    pub(crate) fn listen_to_ipv6(&self, device: &str) -> Result<()> {
        for (name, value) in [
            ("addr_gen_mode", "1"),
            ("forwarding", "0"),
            ("disable_ipv6", "0"),
        ] {
            self.sysctl(&format!("ipv6/conf/{device}/{name}"), value)?;
        }
        Ok(())
    }

    fn addresses(&self, device: &str) -> Result<Vec<LinkAddress>> {
        let index = self.index(device)?;
        self.links
            .run(async |links| links.addresses(index).await)
            .map_err(link(format!("list addresses of {}", self.name)))
    }

    /// Waits until duplicate-address detection has ended on a device, well: nobody had the address, and
    /// no switch sent the question back.
    pub(crate) fn wait_for_detection(&self, device: &str) -> Result<()> {
        let end = Instant::now() + DAD_WITHIN;
        loop {
            let addresses = self.addresses(device)?;
            if let Some(taken) = addresses.iter().find(|a| a.dad_failed) {
                return Err(LabError::Check(format!(
                    "{device} of {} was told that somebody else has {taken}: its own question came back",
                    self.name
                )));
            }
            let asks = addresses.iter().any(|a| a.tentative);
            let has_one = addresses.iter().any(|a| a.address.is_ipv6());
            if has_one && !asks {
                return Ok(());
            }
            check(Instant::now() < end, || {
                format!(
                    "{device} of {} never finished asking for its address",
                    self.name
                )
            })?;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sets one of the settings under `/proc/sys/net`.
    pub(crate) fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        self.links
            .run(async |links| links.write_sysctl(name, value))
            .map_err(link(format!("set {name} of {}", self.name)))
    }

    /// Sets the largest payload of a device.
    pub(crate) fn mtu(&self, device: &str, mtu: u32) -> Result<()> {
        let index = self.index(device)?;
        self.links
            .run(async |links| links.set_mtu(index, mtu).await)
            .map_err(link(format!("set the MTU of {device} of {}", self.name)))
    }

    /// Makes a bridge of the kernel's, up, with these devices as ports.
    pub(crate) fn bridge(&self, name: &str, ports: &[&str]) -> Result<()> {
        self.links
            .run(async |links| {
                links.add_bridge(name).await?;
                let bridge = links.require(name).await?.index;
                links.set_up(bridge, true).await
            })
            .map_err(link(format!("make the bridge {name}")))?;
        ports.iter().try_for_each(|port| self.join(name, port))
    }

    /// Makes a device, up, a port of a bridge of this host.
    pub(crate) fn join(&self, bridge: &str, port: &str) -> Result<()> {
        self.links
            .run(async |links| {
                let bridge = links.require(bridge).await?.index;
                let port = links.require(port).await?.index;
                links.set_master(port, Some(bridge)).await?;
                links.set_up(port, true).await
            })
            .map_err(link(format!("make {port} a port of {bridge}")))
    }

    /// Whether a bridge port sends frames back out of itself.
    pub(crate) fn hairpin(&self, port: &str) -> Result<()> {
        let port = self.index(port)?;
        self.links
            .run(async |links| links.set_hairpin(port, true).await)
            .map_err(link("set hairpin".to_owned()))
    }

    /// Makes a macvlan in VEPA mode on a device, for a guest.
    pub(crate) fn vepa(&self, name: &str, parent: &str, guest: &Self) -> Result<()> {
        let parent = self.index(parent)?;
        self.links
            .run(async |links| links.add_vepa(name, parent, Some(&guest.netns)).await)
            .map_err(link(format!("make the macvlan {name}")))
    }
}

fn link(doing: String) -> impl FnOnce(LinkError) -> LabError {
    |error| LabError::Link {
        doing,
        source: Box::new(error),
    }
}

/// Hosts, cables and daemons.
pub(crate) struct Lab {
    /// The programs under test.
    pub(crate) binaries: Binaries,
    // Ended before the hosts they run in are let go of.
    daemons: BTreeMap<String, Daemon>,
    hosts: BTreeMap<String, Host>,
}

impl Drop for Lab {
    /// The kernel takes its time over each socket of a process that ends: all daemons end at the same time.
    fn drop(&mut self) {
        self.daemons.values_mut().for_each(Daemon::begin_to_kill);
    }
}

impl Lab {
    /// A lab with nothing in it.
    pub(crate) fn new(binaries: &Binaries) -> Self {
        Self {
            binaries: binaries.clone(),
            daemons: BTreeMap::new(),
            hosts: BTreeMap::new(),
        }
    }

    /// Adds a host with nothing but a loopback device.
    pub(crate) fn add_host(&mut self, name: &str) -> Result<&Host> {
        let host = Host::create(name)?;
        Ok(self.hosts.entry(name.to_owned()).or_insert(host))
    }

    /// Takes a host away, with its name under `/run/netns`. The kernel takes its devices away when nobody
    /// holds its namespace any more.
    pub(crate) fn remove_host(&mut self, name: &str) -> Result<()> {
        drop(self.daemons.remove(name));
        drop(self.hosts.remove(name));
        let path = sandbox::netns_path(name);
        let doing = || format!("remove {}", path.display());
        rustix::mount::unmount(&path, UnmountFlags::DETACH).doing(doing())?;
        fs::remove_file(&path).doing(doing())
    }

    /// A host of the lab.
    pub(crate) fn host(&self, name: &str) -> Result<&Host> {
        self.hosts.get(name).ok_or_else(|| LabError::Unknown {
            kind: "host",
            name: name.to_owned(),
            known: self.hosts.keys().cloned().collect::<Vec<_>>().join(" "),
        })
    }

    /// A cable between two hosts, both ends up.
    pub(crate) fn cable(&self, a: (&str, &str), b: (&str, &str)) -> Result<()> {
        self.cable_for_daemons(a, b)?;
        self.host(a.0)?.up(a.1)?;
        self.host(b.0)?.up(b.1)
    }

    /// The same, both ends down: no kernel says a word on it before the daemons at its ends take it up.
    pub(crate) fn cable_for_daemons(
        &self,
        (a, at_a): (&str, &str),
        (b, at_b): (&str, &str),
    ) -> Result<()> {
        let (a, b) = (self.host(a)?, self.host(b)?);
        a.links
            .run(async |links| {
                let other = VethEnd::new(at_b).in_ns(&b.netns);
                links.add_veth(VethEnd::new(at_a), other).await
            })
            .map_err(link(format!("lay a cable from {} to {}", a.name, b.name)))
    }

    /// Starts `vis` or `iv` on a host with this configuration.
    pub(crate) fn start(&mut self, host: &str, program: &str, configuration: &str) -> Result<()> {
        let (file, folder) = self.write(host, program, configuration)?;
        let path = self.binaries.path(program);
        let netns = &self.host(host)?.netns;
        let daemon = Daemon::start(host, &path, netns, &file, &folder)?;
        self.daemons.insert(host.to_owned(), daemon);
        Ok(())
    }

    /// Starts the same program on many hosts at the same time; none is waited for.
    pub(crate) fn begin_all(
        &mut self,
        program: &str,
        configurations: &[(String, String)],
    ) -> Result<()> {
        for (host, configuration) in configurations {
            let (file, folder) = self.write(host, program, configuration)?;
            let path = self.binaries.path(program);
            let netns = &self.host(host)?.netns;
            let daemon = Daemon::begin(host, &path, netns, &file, &folder)?;
            self.daemons.insert(host.clone(), daemon);
        }
        Ok(())
    }

    fn write(&self, host: &str, program: &str, configuration: &str) -> Result<(PathBuf, PathBuf)> {
        let folder = Path::new(sandbox::FOLDER).join(host);
        fs::create_dir_all(&folder).doing(format!("make {}", folder.display()))?;
        let file = folder.join(format!("{program}.conf"));
        fs::write(&file, configuration).doing(format!("write {}", file.display()))?;
        Ok((file, folder))
    }

    /// The daemon of a host.
    pub(crate) fn daemon(&mut self, host: &str) -> Result<&mut Daemon> {
        let known = self.daemons.keys().cloned().collect::<Vec<_>>().join(" ");
        self.daemons.get_mut(host).ok_or(LabError::Unknown {
            kind: "daemon on",
            name: host.to_owned(),
            known,
        })
    }

    /// All daemons, with the names of their hosts.
    pub(crate) fn daemons(&mut self) -> impl Iterator<Item = (&str, &mut Daemon)> {
        let all = self.daemons.iter_mut();
        all.map(|(host, daemon)| (host.as_str(), daemon))
    }

    /// Fails if any daemon has ended by itself.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        self.daemons.values_mut().try_for_each(Daemon::check_alive)
    }
}
