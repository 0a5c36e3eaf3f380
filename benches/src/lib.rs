//! What the benches and the allocation tests stand on: both ends with their guests, frames, and a
//! device that takes everything and does nothing.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that meets what it does not expect is to stop there"
)]

mod access_lists;
pub mod cases;
mod policies;
mod traffic;

pub use traffic::traffic;

use interface_virtualizer::core::{Account, UPLINK, Virtualizer};
use niv::{Counters, DropReason, ListId, Mac, PortId, Slot, VifId, VlanId, Weight};
use packet_io::counter_file::Leftover;
use packet_io::dispatch::Dispatcher;
use packet_io::worker::Forward;
use packet_io::{
    BURST, Capabilities, Checksum, Offload, Outgoing, Refusal, RxFrame, Segmentation,
    SegmentationKind, Transmit, TxFrame,
};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use vic::Uuid;
use vis::store::blocks::{Blocks, layout};
use vis::switch::{
    FilterList, Filters, LinkKind, LinkPlan, ListPlan, PortPlan, PortPolicy, PortState, Seed,
    Snapshot, Switch, Time, Topology, VlanPolicy, list_sets,
};

/// The first device of a [`Exchange`]: a NIV port.
pub const NEAR: PortId = PortId(0);
/// Its second: another NIV port.
pub const FAR: PortId = PortId(1);
/// Its third: a plain port.
pub const PLAIN: PortId = PortId(2);

/// A device that takes unfinished frames.
pub const WITH_OFFLOAD: Capabilities = Capabilities {
    mode: "none",
    mtu: 9000,
    offload: true,
    long: 0,
};

/// A device that takes wire frames only.
pub const WITHOUT_OFFLOAD: Capabilities = Capabilities {
    offload: false,
    ..WITH_OFFLOAD
};

/// VIF `number`, 1..=4095.
pub fn vif(number: u16) -> VifId {
    number.try_into().unwrap()
}

/// The only VLAN.
pub const VLAN: VlanId = VlanId::DEFAULT;

/// The address of station `number`.
pub const fn mac(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([2, 0, a, b, c, d])
}

/// An IPv4 frame of `length` octets.
pub fn ethernet(to: Mac, from: Mac, length: usize) -> Vec<u8> {
    let mut frame = [&to.0[..], &from.0, &[0x08, 0x00, 0x45]].concat();
    frame.resize(length, 0);
    frame
}

/// `frame` behind the VNTag `word`.
pub fn tagged(word: u32, frame: &[u8]) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, &[0x89, 0x26], &word.to_be_bytes(), rest].concat()
}

/// The VNTag of a frame from `vif`.
pub const fn up(vif: u16) -> u32 {
    vif as u32
}

/// The VNTag of a frame for `vif`.
pub const fn down(vif: u16) -> u32 {
    1 << 31 | (vif as u32) << 16
}

/// The VNTag of a frame for the members of `list`.
pub const fn down_to_list(list: u16) -> u32 {
    3 << 30 | (list as u32) << 16
}

/// A whole frame, as a device lends it.
pub const fn received(bytes: &[u8]) -> RxFrame<'_> {
    RxFrame {
        bytes,
        vlan: None,
        offload: Offload::NONE,
        original_length: bytes.len() as u32,
    }
}

/// An oversized TCP frame over IPv4, 65,535 octets behind its Ethernet header, to be cut into segments
/// of 1,448 octets; and how many those are.
pub fn oversized() -> (Vec<u8>, Offload, u32) {
    const TCP: usize = 34;
    const HEADERS: usize = TCP + 20;
    let mut frame = ethernet(mac(2), mac(1), 14 + 65_535);
    let mut put = |at: usize, octets: &[u8]| {
        let place = frame.get_mut(at..at + octets.len());
        place.unwrap().copy_from_slice(octets);
    };
    put(14, &[0x45, 0, 0xFF, 0xFF]);
    put(23, &[6]);
    put(26, &[10, 0, 0, 1, 10, 0, 0, 2]);
    put(TCP + 12, &[0x50, 0x18]);
    let size = 1448;
    let offload = Offload {
        checksum: Some(Checksum {
            start: TCP as u16,
            offset: 16,
        }),
        segmentation: Some(Segmentation {
            kind: SegmentationKind::Tcp4,
            size,
            ecn: false,
        }),
    };
    let segments = (frame.len() - HEADERS).div_ceil(usize::from(size));
    (frame, offload, segments as u32)
}

/// Takes every frame.
pub struct Nowhere;

impl Transmit for Nowhere {
    fn send(&mut self, frames: &[TxFrame<'_>], _: &mut dyn FnMut(usize, Refusal)) {
        std::hint::black_box(frames);
    }
}

/// A host: an interface virtualizer with vNICs of VIF 1 to `vnics`, all in list 1.
pub struct Host {
    iv: Virtualizer,
    out: Vec<Outgoing>,
}

impl Host {
    /// With so many vNICs.
    pub fn new(vnics: u16) -> Self {
        let mut iv = Virtualizer::default();
        for number in 1..=vnics {
            let id = iv.add(vif(number)).unwrap();
            iv.enable(id, true);
        }
        iv.set_list(ListId::try_from(1).unwrap(), (1..=vnics).map(vif));
        Self {
            iv,
            out: Vec::new(),
        }
    }

    /// Receives `frames` from the port of `account`, as one burst.
    pub fn receive(&mut self, account: Account, frames: &[RxFrame<'_>]) -> &[Outgoing] {
        self.out.clear();
        for (index, frame) in (0..).zip(frames) {
            self.iv.receive(account.port(), index, frame, &mut self.out);
        }
        &self.out
    }

    /// The same, and sends the copies; all of them leave by the uplink.
    pub fn pass_up(
        &mut self,
        account: Account,
        frames: &[RxFrame<'_>],
        dispatcher: &mut Dispatcher,
    ) {
        self.receive(account, frames);
        assert!(self.out.iter().all(|copy| copy.port == UPLINK));
        let iv = &mut self.iv;
        dispatcher.send(
            &mut Nowhere,
            &WITHOUT_OFFLOAD,
            true,
            frames,
            &self.out,
            &mut |copy, weight, fate| iv.fate(copy, weight, fate),
        );
    }
}

impl Forward for Host {
    fn begin(&mut self, _now: Instant) {}

    fn frame(&mut self, port: PortId, index: u16, frame: &RxFrame<'_>, out: &mut Vec<Outgoing>) {
        self.iv.receive(port, index, frame, out);
    }

    fn fate(&mut self, copy: &Outgoing, weight: Weight, fate: Result<(), DropReason>) {
        assert_eq!(fate, Ok(()));
        self.iv.fate(copy, weight, fate);
    }
}

/// What an [`Exchange`] is made from.
pub fn topology(near: u16, far: u16) -> Topology {
    let link = |device: PortId, kind| LinkPlan {
        device,
        name: format!("ethernet {}", device.0 + 1),
        kind,
    };
    let veths = (1..=near)
        .map(|number| (NEAR, Some(vif(number))))
        .chain((1..=far).map(|number| (FAR, Some(vif(number)))));
    let ports = (0..).zip(veths.chain([(PLAIN, None)]));
    Topology {
        epoch: 1,
        links: vec![
            link(NEAR, LinkKind::Niv),
            link(FAR, LinkKind::Niv),
            link(PLAIN, LinkKind::Plain),
        ],
        ports: ports
            .map(|(index, (device, vif))| PortPlan {
                slot: Slot {
                    index,
                    generation: 0,
                },
                name: format!("port {index}"),
                device,
                vif,
                vlan: VlanPolicy::Access(VLAN),
                state: PortState::Forwarding,
                mtu: 1500,
                policy: PortPolicy::default(),
            })
            .collect(),
        vlans: VLAN.into(),
        ..Topology::default()
    }
}

/// The same, with every list that is worth having.
pub fn topology_with_lists(near: u16, far: u16) -> Topology {
    let mut topology = topology(near, far);
    let sets = list_sets(&topology);
    topology.lists = (1u16..)
        .zip(sets)
        .map(|(id, (device, members))| ListPlan {
            device,
            id: id.try_into().unwrap(),
            members,
        })
        .collect();
    topology
}

/// A switch with vEths on [`NEAR`] (VIF 1, 2, ...), on [`FAR`] (VIF 1, 2, ...) and one
/// [`PLAIN`] port, all in one VLAN; every vEth's address is known. Station `n` is the `n`th vEth on
/// [`NEAR`], station 1,000,000 + `n` that on [`FAR`], station 0 is behind [`PLAIN`].
pub struct Exchange {
    switch: Switch,
    /// Where counters are kept at the end of each round.
    blocks: Blocks,
    snapshot: Snapshot,
    now: Time,
    out: Vec<Outgoing>,
}

/// What is added to a number for the address of a station on [`FAR`].
pub const FAR_STATIONS: u32 = 1_000_000;

impl Exchange {
    /// With so many vEths on each NIV port, and room for so many addresses. Floods are unicast copies.
    pub fn new(near: u16, far: u16, addresses: u32) -> Self {
        Self::with(&topology(near, far), near, far, addresses)
    }

    /// The same, and floods go by lists.
    pub fn with_lists(near: u16, far: u16, addresses: u32) -> Self {
        Self::with(&topology_with_lists(near, far), near, far, addresses)
    }

    /// As [`Exchange::new`], and an access list is asked of each frame from a vEth.
    pub fn with_access_list(near: u16, far: u16, addresses: u32, list: &FilterList) -> Self {
        let mut topology = topology(near, far);
        for port in topology.ports.iter_mut().filter(|port| port.vif.is_some()) {
            port.policy.filters = Filters::new([list.clone()], []);
        }
        Self::with(&topology, near, far, addresses)
    }

    /// With those of `topology`.
    pub fn with(topology: &Topology, near: u16, far: u16, addresses: u32) -> Self {
        let mut made = Self {
            switch: Switch::new(NonZeroU32::new(addresses).unwrap(), Seed(1, 2)),
            blocks: blocks(topology),
            snapshot: topology.compile().unwrap(),
            now: Time::from_millis(1_000),
            out: Vec::new(),
        };
        for number in 1..=near {
            made.announce(NEAR, number, mac(number.into()));
        }
        for number in 1..=far {
            made.announce(FAR, number, mac(FAR_STATIONS + u32::from(number)));
        }
        let plain = ethernet(Mac::BROADCAST, mac(0), 60);
        made.pass(PLAIN, &[received(&plain)]);
        made
    }

    fn announce(&mut self, device: PortId, vif: u16, mac: Mac) {
        // No IP, so that no IP list judges it.
        let mut frame = ethernet(Mac::BROADCAST, mac, 60);
        if let Some(kind) = frame.get_mut(12..14) {
            kind.copy_from_slice(&[0x88, 0xB5]);
        }
        let frame = tagged(up(vif), &frame);
        self.pass(device, &[received(&frame)]);
    }

    /// Receives `frames` from `device` as one burst, and reports every copy sent. Returns how many
    /// copies there were.
    pub fn pass(&mut self, device: PortId, frames: &[RxFrame<'_>]) -> usize {
        self.out.clear();
        for (index, frame) in (0..).zip(frames) {
            self.switch.receive(
                &self.snapshot,
                self.now,
                device,
                index,
                frame,
                &mut self.out,
            );
        }
        for copy in &self.out {
            self.switch.sent(copy.account, Weight::one(60));
        }
        self.out.len()
    }

    /// A millisecond passes.
    pub fn wait(&mut self) {
        self.now = Time::from_millis(self.now.as_millis() + 1);
    }

    /// Has what changed kept, as at the end of a round.
    pub fn keep(&mut self) {
        self.switch.keep(&mut self.blocks);
    }
}

impl Forward for Exchange {
    fn begin(&mut self, _now: Instant) {
        self.switch.attend(&self.snapshot, self.now);
    }

    fn frame(&mut self, port: PortId, index: u16, frame: &RxFrame<'_>, out: &mut Vec<Outgoing>) {
        self.switch
            .receive(&self.snapshot, self.now, port, index, frame, out);
    }

    fn fate(&mut self, copy: &Outgoing, weight: Weight, fate: Result<(), DropReason>) {
        assert_eq!(fate, Ok(()));
        self.switch.sent(copy.account, weight);
    }

    fn end(&mut self) -> Duration {
        self.keep();
        Duration::from_millis(1)
    }
}

/// A file of counters that nobody else sees, with a block for every bridge port.
fn blocks(topology: &Topology) -> Blocks {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("exchange-{}-{number}.counters", std::process::id());
    let path = std::env::temp_dir().join(name);
    let ports = topology.ports.len() as u16;
    let left = Leftover::read(&path, layout(Uuid([1; 16]), ports)).unwrap();
    let file = left.begin().unwrap();
    file.grow(ports.into()).unwrap();
    file.remove().unwrap();
    let mut blocks = Blocks::new(Arc::new(file));
    for port in &topology.ports {
        let uuid = Uuid((1 + u128::from(port.slot.index)).to_be_bytes());
        blocks.assign(port.slot, uuid, &Counters::default());
    }
    blocks
}

/// A burst of frames made by `frame`, told its number, from 0.
pub fn burst(frame: impl FnMut(u16) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..BURST as u16).map(frame).collect()
}

/// The same frames as a device lends them.
pub fn lent(frames: &[Vec<u8>]) -> Vec<RxFrame<'_>> {
    frames.iter().map(|frame| received(frame)).collect()
}
