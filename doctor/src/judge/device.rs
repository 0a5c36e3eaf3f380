//! One device: whether it is there, is free, and can carry what it is to carry.

use super::Verdict;
use crate::facts::{Daemon, Device, Driver, Facts, Found, Role};
use crate::{Rule, Severity};

/// What frames of guests and of other boxes have, if nobody says otherwise, in octets behind the Ethernet header.
const ORDINARY: u32 = 1500;

pub(super) fn judge(facts: &Facts, device: &Device, verdict: &mut Verdict) {
    let name = device.wanted.device.as_str();
    let Some(found) = verdict.seen(Rule::Device, name, &device.found) else {
        return;
    };
    let Some(found) = found else {
        return missing(device, verdict);
    };
    if !found.ethernet {
        return verdict.amiss_elsewhere(
            Rule::Ethernet,
            name,
            "it is no Ethernet device, so no frames can be carried over it: use another one (`ip -brief link` lists them)",
        );
    }
    let one = One {
        name,
        device,
        found,
        daemon: has(&facts.daemon, found),
    };
    one.is_there(verdict);
    one.is_free(facts, verdict);
    one.carries(verdict);
    if one.daemon {
        one.is_prepared(verdict);
    } else {
        one.is_left_alone(verdict);
    }
    if let Some(driver) = verdict.seen(Rule::Driver, name, &found.driver) {
        one.offloads(driver, verdict);
    }
    one.mode(facts, verdict);
}

/// Whether the daemon runs here and has prepared the device.
fn has(daemon: &Daemon, found: &Found) -> bool {
    match daemon {
        // What a daemon elsewhere does to its devices does not show here.
        Daemon::Running(running) => running.here != Some(false),
        Daemon::Silent(silent) => match &found.holder {
            Ok(Some(holder)) => {
                let pids = holder.process.as_ref().map(|(pid, _)| *pid).zip(silent.pid);
                pids.is_none_or(|(holder, daemon)| holder == daemon)
            }
            Ok(None) | Err(_) => false,
        },
        Daemon::NotRunning { .. } | Daemon::Unseen(_) => false,
    }
}

fn missing(device: &Device, verdict: &mut Verdict) {
    let name = device.wanted.device.as_str();
    match &device.elsewhere {
        Some(namespace) => verdict.amiss(
            Rule::Device,
            name,
            format!("it is not here but in the network namespace {namespace}"),
            format!("ip -n {namespace} link set dev {name} netns $$"),
        ),
        None => verdict.amiss_elsewhere(
            Rule::Device,
            name,
            "there is no device of that name here: name one of those there are (`ip -brief link` lists them)",
        ),
    }
}

struct One<'a> {
    name: &'a str,
    device: &'a Device,
    found: &'a Found,
    /// Our daemon runs here, and has prepared its devices.
    daemon: bool,
}

impl One<'_> {
    fn is_there(&self, verdict: &mut Verdict) {
        let kind = self.found.kind.as_deref().unwrap_or("hardware");
        let driver = self
            .found
            .driver
            .as_ref()
            .map(|driver| driver.name.as_str());
        let says = match driver {
            Ok(driver) if !driver.is_empty() => format!("it is there ({kind}, driver {driver})"),
            _ => format!("it is there ({kind})"),
        };
        verdict.well(Rule::Device, self.name, says);
    }

    fn is_free(&self, facts: &Facts, verdict: &mut Verdict) {
        let Self { name, found, .. } = self;
        if let Some(addresses) = verdict.seen(Rule::Addresses, name, &found.addresses)
            && !addresses.is_empty()
        {
            let mut command = format!("ip address flush dev {name}");
            if addresses.iter().any(|address| address.contains(':')) {
                // Where a router announces the network the address would come back.
                command += &format!(" && sysctl -w net.ipv6.conf.{name}.disable_ipv6=1");
            }
            verdict.amiss(
                Rule::Addresses,
                name,
                format!(
                    "it has the address {}, so this host uses it itself",
                    addresses.join(", ")
                ),
                command,
            );
        }
        if let Some(master) = &found.master {
            verdict.amiss(
                Rule::Master,
                name,
                format!("it belongs to {master}, which takes its frames"),
                format!("ip link set dev {name} nomaster"),
            );
        }
        if found.network_manager {
            verdict.amiss(
                Rule::NetworkManager,
                name,
                "NetworkManager has it in its hands, and will give it addresses and take it down as it likes",
                format!("nmcli device set {name} managed no"),
            );
        }
        if found.networkd {
            verdict.amiss(
                Rule::Networkd,
                name,
                "systemd-networkd has it in its hands, and will give it addresses and take it down as it likes",
                format!(
                    "printf '[Match]\\nName={name}\\n[Link]\\nUnmanaged=yes\\n' >/etc/systemd/network/05-{name}.network && \
                     networkctl reload"
                ),
            );
        }
        self.holder(facts, verdict);
    }

    fn holder(&self, facts: &Facts, verdict: &mut Verdict) {
        let Self { name, found, .. } = self;
        let Some(Some(holder)) = verdict.seen(Rule::Holder, name, &found.holder) else {
            return;
        };
        match (&facts.daemon, &holder.process) {
            (Daemon::Running(running), Some((pid, _))) if *pid == running.pid => {}
            (Daemon::Silent(_), _) if self.daemon => {}
            // Whose it is cannot be seen, and a daemon that uses it runs here.
            (Daemon::Running(_), None) if self.daemon => {}
            (_, Some((pid, program))) => verdict.amiss(
                Rule::Holder,
                name,
                format!(
                    "process {pid} ({program}) has taken it, and is not the daemon asked here: name that one's socket with \
                     --socket PATH, or end it"
                ),
                format!("kill {pid}"),
            ),
            (_, None) => verdict.amiss_elsewhere(
                Rule::Holder,
                name,
                "another iv or vis has taken it, which does not answer on the socket asked here: name its socket with \
                 --socket PATH, or end it (`pgrep -a 'iv|vis'` lists them)",
            ),
        }
    }

    /// MTU and link.
    fn carries(&self, verdict: &mut Verdict) {
        let Self { name, found, .. } = self;
        let needed = self.device.wanted.mtu;
        match found.max_mtu {
            Some(most) if most < needed => verdict.amiss_elsewhere(
                Rule::MtuLimit,
                name,
                format!(
                    "its driver takes an MTU of {most} at most, and {needed} is needed: give the vNICs a smaller MTU, by {} \
                     octets or more, or use another device",
                    needed - most
                ),
            ),
            _ if needed == 0 && self.device.wanted.role == Role::Plain && found.mtu < ORDINARY => {
                self.narrow(verdict);
            }
            _ if found.mtu >= needed => {
                verdict.well(Rule::Mtu, name, format!("its MTU is {}", found.mtu));
            }
            _ if self.daemon => verdict.amiss(
                Rule::Mtu,
                name,
                format!("its MTU is {}, and {needed} is needed: full-size frames get lost", found.mtu),
                format!("ip link set dev {name} mtu {needed}"),
            ),
            // Raised at the start.
            _ => verdict.well(
                Rule::Mtu,
                name,
                format!("its MTU is {}; it will be raised to {needed} at the start", found.mtu),
            ),
        }
        if !found.up {
            let says = "it is down";
            if self.daemon {
                verdict.amiss(Rule::Up, name, says, format!("ip link set dev {name} up"));
            } else {
                verdict.well(
                    Rule::Up,
                    name,
                    format!("{says}; it will be taken up at the start"),
                );
            }
        } else if found.carrier {
            verdict.well(Rule::Carrier, name, "it has a link");
        } else {
            verdict.amiss_elsewhere(
                Rule::Carrier,
                name,
                "it has no link: plug in the cable at both ends, and take up the device at the other end \
                 (`ip link set dev DEVICE up` there)",
            );
        }
    }

    /// Of a plain port for which nobody has said an MTU.
    fn narrow(&self, verdict: &mut Verdict) {
        let Self { name, found, .. } = self;
        let says = format!(
            "its MTU is {}, and no `mtu` line of its interface says that this is meant: frames may have {ORDINARY} octets, and \
             longer ones than it takes are not sent here",
            found.mtu
        );
        match found.max_mtu {
            Some(most) if most < ORDINARY => {
                let says =
                    format!("{says}; its driver takes {most} at most: say `mtu {most}` there");
                verdict.amiss_elsewhere(Rule::PlainMtu, name, says);
            }
            _ => {
                let mend = format!("ip link set dev {name} mtu {ORDINARY}");
                verdict.amiss(Rule::PlainMtu, name, says, mend);
            }
        }
    }

    /// What the daemon did to it still holds.
    fn is_prepared(&self, verdict: &mut Verdict) {
        let Self { name, found, .. } = self;
        if found.promiscuity == 0 {
            verdict.amiss(
                Rule::Promiscuity,
                name,
                "it is not promiscuous, so frames to addresses of guests are not taken",
                format!("ip link set dev {name} promisc on"),
            );
        } else {
            verdict.well(Rule::Promiscuity, name, "it is promiscuous");
        }
        if found.ipv6 {
            verdict.amiss(
                Rule::Ipv6,
                name,
                "the host speaks IPv6 on it, which is noise on the cable and may give it an address",
                format!("sysctl -w net.ipv6.conf.{name}.disable_ipv6=1"),
            );
        }
        if found.arp {
            verdict.amiss(
                Rule::Arp,
                name,
                "the host speaks ARP on it",
                format!("ip link set dev {name} arp off"),
            );
        }
        match verdict.seen(Rule::Isolation, name, &found.isolated) {
            Some(false) => verdict.amiss_elsewhere(
                Rule::Isolation,
                name,
                "the nftables hook that keeps the host's own stack off it is gone; the daemon puts it back within 2 \
                 seconds: if this stays, find out who removes it (`nft monitor`)",
            ),
            Some(true) => {
                verdict.well(Rule::Isolation, name, "the host's own stack is kept off it");
            }
            None => {}
        }
    }

    /// No daemon runs: nothing of ours should be there.
    fn is_left_alone(&self, verdict: &mut Verdict) {
        let name = self.name;
        // Who may not see it may not run the daemon either, which is said elsewhere.
        let taken = matches!(self.found.holder, Ok(Some(_)));
        if self.found.isolated == Ok(true) && !taken {
            verdict.amiss(
                Rule::LeftIsolation,
                name,
                "the nftables hook of a process that was killed still keeps the host's own stack off it: the next start \
                 takes it over; if there is to be none",
                format!("nft delete table netdev niv-{name}"),
            );
        }
    }

    fn offloads(&self, driver: &Driver, verdict: &mut Verdict) {
        let name = self.name;
        let on = |feature: &str| driver.features.get(feature).copied().unwrap_or(false);
        if on("rx-lro") {
            verdict.amiss(
                Rule::Lro,
                name,
                "its driver merges received frames (LRO), and what it merged cannot be cut as it was",
                format!("ethtool -K {name} lro off"),
            );
        }
        if on("rx-gro-hw") {
            verdict.amiss(
                Rule::GroHardware,
                name,
                "the NIC merges received frames (hardware GRO): if long frames get lost, switch it off",
                format!("ethtool -K {name} rx-gro-hw off"),
            );
        }
        // Of a device of the kernel's own nobody looks behind a tag.
        let moves = on("rx-vlan-hw-parse") || on("tx-vlan-hw-insert");
        if moves && self.device.wanted.role.is_link() && self.found.kind.is_none() {
            verdict.amiss(
                Rule::VlanStripping,
                name,
                "the NIC takes VLAN tags out of frames and puts them in: if VLAN tags of guests get lost, it looks behind \
                 the VNTag for them",
                format!("ethtool -K {name} rxvlan off txvlan off"),
            );
        }
    }

    fn mode(&self, facts: &Facts, verdict: &mut Verdict) {
        let name = self.name;
        let obtained = facts.daemon.running().and_then(|running| {
            let link = running.links.iter().find(|link| link.device == name)?;
            link.mode.clone()
        });
        let mode = match (&obtained, &self.found.mode) {
            (Some(mode), _) => mode,
            (None, Some(Ok(mode))) => mode,
            (None, Some(Err(why))) => return verdict.unseen(Rule::IoMode, name, why),
            (None, None) => return,
        };
        if mode == "af_packet+af_xdp" {
            verdict.well(Rule::IoMode, name, format!("frames are moved by {mode}"));
            return;
        }
        let little = facts
            .host
            .locked_memory
            .is_some_and(|most| most < 256 << 10);
        let says = format!(
            "frames are moved by {mode} alone, so sending costs twice what it costs by AF_XDP: the kernel granted none"
        );
        if little {
            verdict.amiss(
                Rule::IoMode,
                name,
                says + ", because too little memory may be locked",
                "ulimit -l unlimited",
            );
        } else {
            verdict.say(Rule::IoMode, Severity::Note, name, says, None);
        }
    }
}
