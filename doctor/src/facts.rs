//! What was seen, as plain data: what [`crate::judge`] judges, and what tests make by hand.

use crate::LinkHealth;
use std::collections::BTreeMap;

/// What was seen, or why it could not be.
pub type Look<T> = Result<T, String>;

/// What one run has seen.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `iv` or `vis`.
    pub program: &'static str,
    /// Its release.
    pub release: &'static str,
    /// Whether the program makes TAP devices.
    pub makes_taps: bool,
    /// The configuration file that was read, if there is one, and what is wrong with it.
    pub config: Option<ConfigFile>,
    /// Where the daemon was asked, if who asks has said so.
    pub socket: Option<String>,
    /// The daemon.
    pub daemon: Daemon,
    /// The machine.
    pub host: Host,
    /// The devices the program uses or is to use.
    pub devices: Vec<Device>,
}

/// A configuration file.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// Where.
    pub path: String,
    /// What is wrong with it; each says where.
    pub faults: Vec<String>,
    /// What reads it again and shows the place.
    pub check: Option<String>,
    /// What is wrong with the keys it names ([`crate::look::keys`]).
    pub keys: Vec<BadKey>,
}

/// A file with a key that cannot be used, which keeps the daemon from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadKey {
    /// Where.
    pub path: String,
    /// What is wrong with it; `Err`: this user may not look at it.
    pub fault: Look<String>,
    /// The command that mends it.
    pub mend: Option<String>,
}

/// What a device is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Of an IV, to its switch.
    Uplink,
    /// Of a switch, to an IV.
    Niv,
    /// Of a switch, to ordinary Ethernet.
    Plain,
}

impl Role {
    /// Whether tagged frames pass.
    pub const fn is_link(self) -> bool {
        matches!(self, Self::Uplink | Self::Niv)
    }
}

/// A device that is used, or is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub device: String,
    /// What it is for.
    pub role: Role,
    /// The least MTU it must have, in octets; 0: any, since nobody has said one.
    pub mtu: u32,
}

/// What there is under the name of a device that is wanted.
#[derive(Clone, Debug)]
pub struct Device {
    /// What is wanted.
    pub wanted: Wanted,
    /// What there is; `None`: nothing of that name.
    pub found: Look<Option<Found>>,
    /// If nothing: the namespace under `/run/netns` that has a device of that name.
    pub elsewhere: Option<String>,
}

/// A device that is there.
#[derive(Clone, Debug)]
pub struct Found {
    /// It carries Ethernet frames.
    pub ethernet: bool,
    /// Its kind (`veth`, `macvlan`); `None`: hardware.
    pub kind: Option<String>,
    /// Its driver, and its features that are on.
    pub driver: Look<Driver>,
    /// Octets behind the Ethernet header.
    pub mtu: u32,
    /// The most its driver takes, if it says so.
    pub max_mtu: Option<u32>,
    /// The administrator wants it up.
    pub up: bool,
    /// It has a link.
    pub carrier: bool,
    /// How many want it promiscuous.
    pub promiscuity: u32,
    /// The host speaks ARP on it.
    pub arp: bool,
    /// The host speaks IPv6 on it.
    pub ipv6: bool,
    /// The bridge or bond it belongs to.
    pub master: Option<String>,
    /// Its addresses with their prefixes, link-local IPv6 left out.
    pub addresses: Look<Vec<String>>,
    /// The host's own stack is kept off it.
    pub isolated: Look<bool>,
    /// Who has taken it.
    pub holder: Look<Option<Holder>>,
    /// NetworkManager has it in its hands.
    pub network_manager: bool,
    /// systemd-networkd has it in its hands.
    pub networkd: bool,
    /// The I/O mode obtained by a trial; `None`: not tried, since a daemon has it, or it is down.
    pub mode: Option<Look<String>>,
}

/// What a driver says of itself.
#[derive(Clone, Debug, Default)]
pub struct Driver {
    /// Its name.
    pub name: String,
    /// Its features (`rx-lro`), and whether they are on.
    pub features: BTreeMap<String, bool>,
}

/// A process that has taken a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number and name, where they can be seen.
    pub process: Option<(u32, String)>,
}

/// The daemon.
#[derive(Clone, Debug)]
pub enum Daemon {
    /// It answers.
    Running(Box<Running>),
    /// It does not run.
    NotRunning {
        /// A sentence that names the socket.
        says: String,
    },
    /// It listens, and has said nothing in all the time there is.
    Silent(Silent),
    /// It could not be asked.
    Unseen(String),
}

impl Daemon {
    /// What it said.
    pub fn running(&self) -> Option<&Running> {
        match self {
            Self::Running(running) => Some(running),
            Self::NotRunning { .. } | Self::Silent(_) | Self::Unseen(_) => None,
        }
    }
}

/// A daemon that listens and does not answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silent {
    /// Its socket.
    pub socket: String,
    /// Its process, where it can be seen.
    pub pid: Option<u32>,
    /// A signal or a debugger has stopped it.
    pub stopped: bool,
    /// The systemd service it is.
    pub service: Option<String>,
    /// The command it was started by, for a shell.
    pub started_by: Option<String>,
}

/// What a running daemon says.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// Its release.
    pub release: String,
    /// It is in the network namespace that is looked at.
    pub here: Option<bool>,
    /// Its devices, as it has them.
    pub links: Vec<Link>,
    /// Its vNICs or interfaces that do not pass frames: name, and why.
    pub down: Vec<Down>,
    /// TAPs that this host itself uses.
    pub taps: Vec<String>,
    /// What it could not be asked.
    pub unasked: Option<String>,
}

/// Ports that do not pass frames, named one by one (ours): the others are counted.
const MOST_DOWN: usize = 8;

/// A vNIC or interface that does not pass frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Down {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
    /// The command of this box that mends it, if one does.
    pub mend: Option<String>,
}

/// [`Running::down`] of all that are down, `kind` being `vNICs` or `vEths`.
pub fn down(kind: &str, mut all: impl Iterator<Item = Down>) -> Vec<Down> {
    let mut named: Vec<_> = all.by_ref().take(MOST_DOWN).collect();
    match all.count() {
        0 => {}
        others => named.push(Down {
            name: kind.to_owned(),
            why: format!("it is so with {others} more"),
            mend: None,
        }),
    }
    named
}

/// A device as the daemon has it.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Its name.
    pub device: String,
    /// The I/O mode it obtained.
    pub mode: Option<String>,
    /// Why it does not use the device.
    pub refused: Option<String>,
    /// The session, where link control runs.
    pub session: Option<Session>,
    /// The boxes heard by LLDP: name and port, and which end of a link each is.
    pub neighbours: Vec<(String, Option<String>)>,
    /// What is odd about them.
    pub advice: Option<String>,
}

/// A session.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The other end, while there is one.
    pub peer: Option<String>,
    /// Why there is none.
    pub why: Option<String>,
    /// How it goes.
    pub health: Option<LinkHealth>,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Host {
    /// The kernel's release: `6.18.5`.
    pub kernel: String,
    /// Seconds since 1970, by its clock.
    pub clock: u64,
    /// The user has CAP_NET_RAW.
    pub may_open_sockets: Look<bool>,
    /// The user has CAP_NET_ADMIN.
    pub may_change_devices: Look<bool>,
    /// Why `/dev/net/tun` does not open: `None` is well.
    pub tun: Option<NoTun>,
    /// Octets that may be locked; `None`: any number.
    pub locked_memory: Option<u64>,
    /// Bridges hand frames to iptables, and there is a bridge.
    pub bridge_filter: bool,
    /// Devices of this namespace with a strict reverse-path filter.
    pub strict_return_path: Vec<String>,
}

/// Why no TAP device can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTun {
    /// There is no `/dev/net/tun`, or no driver behind it.
    Missing,
    /// Its mode keeps this user out.
    Forbidden,
    /// The system keeps this container out, whatever its mode.
    Withheld,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_eight_are_named_and_the_others_counted() {
        let one = |n: usize| Down {
            name: format!("vm{n}"),
            ..Down::default()
        };
        assert!(down("vNICs", (0..0).map(one)).is_empty());
        assert_eq!(down("vNICs", (0..8).map(one)).len(), 8);
        let many = down("vNICs", (0..11).map(one));
        assert_eq!(many.len(), 9);
        assert_eq!(many[8].why, "it is so with 3 more");
    }
}
