//! Namespaces for tests, and frames to send through them.
#![allow(dead_code, reason = "each test binary uses what it needs of this")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as it must be"
)]

#[path = "../../src/privileged.rs"]
mod privileged;

use arrayvec::ArrayVec;
use packet_io::link::{BlockingLinks, LinkInfo, Links, VethEnd};
use packet_io::netns::NetNs;
use packet_io::{Offload, Port, PortError, RxFrame, TxFrame};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use privileged::privileged;

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A network namespace nobody else sees, and the devices in it.
pub(crate) struct Namespace {
    netns: NetNs,
    links: BlockingLinks,
}

impl Namespace {
    /// Without IPv6, which would speak up by itself. Only in [`privileged`].
    pub(crate) fn new() -> Self {
        let netns = NetNs::create().unwrap();
        let links = BlockingLinks::open_in(&netns).unwrap();
        let namespace = Self { netns, links };
        namespace.ask(async |links| {
            // A kernel without IPv6 is as good.
            let _ = links.write_sysctl("ipv6/conf/default/disable_ipv6", "1");
        });
        namespace
    }

    /// Runs `job` inside and returns what it returns.
    pub(crate) fn run<R: Send>(&self, job: impl FnOnce() -> R + Send) -> R {
        self.netns.run(job).unwrap()
    }

    /// Asks something of the devices, or changes them.
    pub(crate) fn ask<R>(&self, work: impl AsyncFnOnce(&Links) -> R) -> R {
        self.links.run(work)
    }

    /// What is known of a device.
    pub(crate) fn shown(&self, name: &str) -> Option<LinkInfo> {
        self.ask(async |links| links.get(name).await.unwrap())
    }

    /// A veth pair of that MTU, both ends down.
    pub(crate) fn add_veth(&self, one: &str, other: &str, mtu: u32) {
        let [one, other] = [one, other].map(|name| VethEnd::new(name).mtu(mtu));
        self.ask(async |links| links.add_veth(one, other).await.unwrap());
    }

    /// A veth to `there`, both ends down.
    pub(crate) fn add_veth_to(&self, there: &Self, here: &str, name_there: &str) {
        let there = VethEnd::new(name_there).in_ns(&there.netns);
        self.ask(async |links| links.add_veth(VethEnd::new(here), there).await.unwrap());
    }

    pub(crate) fn set_up(&self, name: &str, up: bool) {
        self.ask(async |links| {
            let index = links.require(name).await.unwrap().index;
            links.set_up(index, up).await.unwrap();
        });
    }

    pub(crate) fn delete(&self, name: &str) {
        self.ask(async |links| {
            let index = links.require(name).await.unwrap().index;
            links.delete(index).await.unwrap();
        });
    }

    /// Gives the device the address 10.0.0.`last`/24.
    pub(crate) fn add_address(&self, name: &str, last: u8) {
        self.ask(async |links| {
            let index = links.require(name).await.unwrap().index;
            let address = [10, 0, 0, last].into();
            links.add_address(index, address, 24).await.unwrap();
        });
    }
}

/// Whether the test must end here, having said why: being root of a user namespace does not open what is
/// root's alone.
pub(crate) fn no_tap() -> bool {
    let tun = "/dev/net/tun";
    let opened = std::fs::File::options().read(true).write(true).open(tun);
    if let Err(error) = &opened {
        println!("skipped: cannot open {tun}: {error}");
    }
    opened.is_err()
}

/// A frame as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    pub(crate) vlan: Option<niv::VlanTag>,
    pub(crate) offload: Offload,
    pub(crate) original_length: u32,
}

impl From<&RxFrame<'_>> for Seen {
    fn from(frame: &RxFrame<'_>) -> Self {
        Self {
            bytes: frame.bytes.to_vec(),
            vlan: frame.vlan,
            offload: frame.offload,
            original_length: frame.original_length,
        }
    }
}

/// One burst.
pub(crate) fn receive(port: &mut Port) -> Result<Vec<Seen>, PortError> {
    let mut burst = ArrayVec::new();
    port.rx.receive(&mut burst)?;
    Ok(burst.iter().map(Seen::from).collect())
}

/// Receives until `count` frames are there, or fails.
pub(crate) fn receive_exactly(port: &mut Port, count: usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    wait_for("frames", || {
        seen.extend(receive(port).unwrap());
        seen.len() >= count
    });
    assert_eq!(seen.len(), count);
    seen
}

/// Sends one whole frame.
pub(crate) fn send(port: &mut Port, bytes: &[u8]) -> Result<(), packet_io::Refusal> {
    let frame = TxFrame::whole(bytes);
    let mut result = Ok(());
    port.tx.send(&[frame], &mut |_, why| result = Err(why));
    result
}

/// A test frame: broadcast, an experimental EtherType, `fill` behind it.
pub(crate) fn frame(length: usize, fill: u8) -> Vec<u8> {
    let mut bytes = vec![fill; length];
    bytes[..14].copy_from_slice(&[255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x88, 0xB5]);
    bytes
}

/// Asks until the answer is yes.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::yield_now();
    }
}
