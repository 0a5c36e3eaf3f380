//! The devices under test: ours, our peers, and the limits of this machine.

mod bare;
mod kernel_lookup;
mod linux_bridge;
mod open_vswitch;
mod test_pmd;
mod vis;

pub(super) use bare::{Fault, turn};
pub(super) use linux_bridge::Learning;
pub(super) use open_vswitch::{Port as OvsPort, is_there as ovs_is_there, start_in as start_ovs};
pub(super) use vis::find as find_mode;

use super::bed::Bed;
use super::shape::Turn;
use crate::error::Result;
use crate::need::find_program;
use crate::setup;
use std::any::Any;
use std::time::Duration;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// Our switch; `xdp`: it sends by AF_XDP.
    Vis { xdp: bool },
    /// The kernel's bridge, its port's receiving on a core of its own, or all of it on the generator's.
    Bridge { own_core: bool },
    /// Open vSwitch's switch in user space.
    Ovs(open_vswitch::Port),
    /// DPDK's reflector, by these drivers.
    TestPmd(test_pmd::Driver),
    /// Two lookups and a rewritten tag in an XDP program: what the kernel can do at best.
    KernelLookup,
    /// Our packet I/O, and nothing but exchanged addresses: what user space can do at best.
    Bare,
}

/// A device at work, until this is dropped.
pub(super) struct Running {
    /// How it moves frames, and its version, in its own words.
    pub(super) mode: String,
    /// What it does with addresses.
    pub(super) turn: Turn,
    /// VIFs, if its frames carry VNTags.
    pub(super) vifs: Option<u32>,
    _guard: Box<dyn Any>,
}

impl Running {
    /// A forwarder of our own that exchanges addresses.
    pub(super) fn reflector(mode: String, guard: impl Any) -> Self {
        Self {
            mode,
            turn: Turn::Exchanges,
            vifs: None,
            _guard: Box::new(guard),
        }
    }
}

/// All of them, in the order they are measured in.
pub(super) const DEVICES: &[(&str, &str, Device)] = &[
    (
        "vis",
        "our switch, AF_PACKET ring in, AF_XDP out",
        Device::Vis { xdp: true },
    ),
    (
        "vis-packet",
        "our switch, AF_PACKET in and out (a user without CAP_IPC_LOCK)",
        Device::Vis { xdp: false },
    ),
    (
        "bridge",
        "Linux bridge with hairpin, its port on a core of its own",
        Device::Bridge { own_core: true },
    ),
    (
        "bridge-one-core",
        "Linux bridge with hairpin, on the generator's core",
        Device::Bridge { own_core: false },
    ),
    (
        "ovs-afxdp-generic",
        "Open vSwitch in user space, AF_XDP by the kernel's generic path",
        Device::Ovs(open_vswitch::Port::AfXdpGeneric),
    ),
    (
        "ovs-afxdp-native",
        "Open vSwitch in user space, AF_XDP by the driver",
        Device::Ovs(open_vswitch::Port::AfXdpNative),
    ),
    (
        "ovs-dpdk-packet",
        "Open vSwitch with DPDK, net_af_packet",
        Device::Ovs(open_vswitch::Port::DpdkPacket),
    ),
    (
        "ovs-dpdk-xdp",
        "Open vSwitch with DPDK, net_af_xdp",
        Device::Ovs(open_vswitch::Port::DpdkXdp),
    ),
    (
        "testpmd-packet",
        "DPDK testpmd macswap, net_af_packet (a reflector, no switch)",
        Device::TestPmd(test_pmd::Driver::Packet),
    ),
    (
        "testpmd-xdp",
        "DPDK testpmd macswap, net_af_xdp (a reflector, no switch)",
        Device::TestPmd(test_pmd::Driver::Xdp),
    ),
    (
        "kernel-lookup",
        "limit: XDP program, two lookups and a rewrite, on the generator's core",
        Device::KernelLookup,
    ),
    (
        "bare",
        "limit: receive, exchange addresses, send, in user space",
        Device::Bare,
    ),
];

/// How long a device may take to give back what it had.
const LET_GO: Duration = Duration::from_secs(10);

impl Device {
    /// What the machine lacks for it. `None`: it can be measured.
    pub(super) fn missing(self) -> Option<String> {
        let programs: &[&str] = match self {
            Self::Vis { xdp: true } | Self::KernelLookup | Self::Bare => &["ip", "ethtool"],
            Self::Vis { xdp: false } => &["ip", "ethtool", "prlimit", "setpriv"],
            Self::Bridge { .. } => &["ip", "ethtool", "bridge"],
            Self::Ovs(_) => &[
                "ip",
                "ethtool",
                "ovsdb-tool",
                "ovsdb-server",
                "ovs-vsctl",
                "ovs-ofctl",
            ],
            Self::TestPmd(_) => &["ip", "ethtool", "dpdk-testpmd"],
        };
        let missing = programs.iter().find(|name| find_program(name).is_none());
        let missing = missing.map(|name| (*name).to_owned());
        let missing = missing.or_else(|| match self {
            Self::Ovs(port) => open_vswitch::daemon(port)
                .is_none()
                .then(|| port.daemon().to_owned()),
            _ => None,
        });
        let missing =
            missing.map(|name| format!("{name} is missing: `cargo lab setup --bench` gets it"));
        missing.or_else(|| {
            let is_dpdk = match self {
                Self::Ovs(port) => port.is_dpdk(),
                Self::TestPmd(_) => true,
                _ => false,
            };
            // The device before may have had them, and gives them back in its own time.
            (is_dpdk && !setup::has_huge_pages_within(LET_GO)).then(|| {
                format!(
                    "{} huge pages are wanted and {} free: `cargo lab setup --bench` sets them aside until the next start",
                    setup::HUGE_PAGES,
                    setup::huge_pages()
                )
            })
        })
    }

    /// Whether it learns where stations are. The others are told, or do not care.
    pub(super) const fn learns(self) -> bool {
        matches!(self, Self::Vis { .. } | Self::Bridge { .. })
    }

    /// Whether it knows what a broadcast is.
    pub(super) const fn floods(self) -> bool {
        self.learns()
    }

    /// Whether its port's receiving is done by a kernel thread.
    pub(super) const fn is_threaded(self) -> bool {
        matches!(self, Self::Bridge { own_core: true })
    }

    /// Starts it for so many stations, with so many VIFs if it uses such.
    pub(super) fn start(self, bed: &mut Bed, stations: u32, vifs: u32) -> Result<Running> {
        match self {
            Self::Vis { xdp } => vis::start(bed, xdp, vifs),
            Self::Bridge { own_core } => linux_bridge::start(bed, own_core),
            Self::Ovs(port) => open_vswitch::start(bed, port, stations),
            Self::TestPmd(driver) => test_pmd::start(bed, driver),
            Self::KernelLookup => kernel_lookup::start(bed, stations, vifs),
            Self::Bare => bare::start(bed),
        }
    }
}
