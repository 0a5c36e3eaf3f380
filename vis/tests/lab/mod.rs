//! A switch on a bench: a topology, a clock, and what was sent where.
#![allow(dead_code, reason = "each test program uses its own part of it")]

use niv::{Counters, PortId, Slot, VlanId, VlanTag, Weight};
use packet_io::dispatch::Outgoing;
use packet_io::{Offload, RxFrame};
use policy::private_vlan::{Domain, PrivatePort, PrivateVlans, TrunkVlans};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use vis::switch::{
    Entry, Keep, LinkKind, LinkPlan, PortPlan, PortPolicy, PortState, PrivatePolicy, RatePolicy,
    Seed, Snapshot, Switch, Time, Topology, VlanPolicy,
};

pub(crate) struct Lab {
    pub(crate) topology: Topology,
    pub(crate) snapshot: Snapshot,
    pub(crate) switch: Switch,
    pub(crate) now: u64,
    /// Device and octets of each copy, by device in the order of sending.
    pub(crate) sent: Vec<(u16, Vec<u8>)>,
}

/// Where counters are kept at the end of a round.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) BTreeMap<(u16, u16), Counters>);

impl Keep for Kept {
    fn keep(&mut self, slot: Slot, counters: &Counters, troubled: bool) {
        let holder = (slot.index, slot.generation);
        let (before, now) = (self.0.entry(holder).or_default(), counters.to_words());
        let traffic = Counters::TRAFFIC_WORDS;
        let quiet = before.to_words()[traffic..] == now[traffic..];
        assert!(troubled || quiet, "trouble that was not said");
        assert_eq!(counters.later(before), *counters, "a counter went back");
        *before = *counters;
    }
}

impl Lab {
    /// Devices 0 and 1 are NIV ports, 2 and 3 plain; VLANs 1, 10 and 20 are defined.
    pub(crate) fn new(ports: Vec<PortPlan>) -> Self {
        Self::with_addresses(1000, ports)
    }

    pub(crate) fn with_addresses(addresses: u32, ports: Vec<PortPlan>) -> Self {
        let link = |device, kind| LinkPlan {
            device: PortId(device),
            name: format!("ethernet {}", device + 1),
            kind,
        };
        let topology = Topology {
            epoch: 1,
            links: vec![
                link(0, LinkKind::Niv),
                link(1, LinkKind::Niv),
                link(2, LinkKind::Plain),
                link(3, LinkKind::Plain),
            ],
            ports,
            vlans: "1,10,20".parse().unwrap(),
            ..Topology::default()
        };
        let mut lab = Self {
            snapshot: topology.compile().unwrap(),
            topology,
            switch: Switch::new(NonZeroU32::new(addresses).unwrap(), Seed(3, 4)),
            now: 5_000,
            sent: Vec::new(),
        };
        lab.switch.attend(&lab.snapshot, Time::from_millis(lab.now));
        lab
    }

    /// Publishes a changed topology.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Topology)) {
        change(&mut self.topology);
        self.topology.epoch += 1;
        self.snapshot = self.topology.compile().unwrap();
        self.switch.attend(&self.snapshot, self.time());
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += millis;
    }

    pub(crate) fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    pub(crate) fn receive(&mut self, device: u16, frame: &[u8]) {
        self.take(device, &whole(frame));
    }

    /// With an outer VLAN tag in metadata.
    pub(crate) fn receive_tagged(&mut self, device: u16, tpid: u16, tci: u16, frame: &[u8]) {
        let vlan = Some(VlanTag { tpid, tci });
        self.take(
            device,
            &RxFrame {
                vlan,
                ..whole(frame)
            },
        );
    }

    /// Cut short.
    pub(crate) fn receive_cut(&mut self, device: u16, frame: &[u8], original_length: u32) {
        let frame = RxFrame {
            original_length,
            ..whole(frame)
        };
        self.take(device, &frame);
    }

    pub(crate) fn receive_with(&mut self, device: u16, frame: &[u8], offload: Offload) {
        self.take(
            device,
            &RxFrame {
                offload,
                ..whole(frame)
            },
        );
    }

    /// Decides, sends all copies, and reports them sent.
    pub(crate) fn take(&mut self, device: u16, frame: &RxFrame<'_>) {
        let out = self.decide(device, frame);
        for outgoing in &out {
            self.switch.sent(outgoing.account, weight(frame, outgoing));
        }
        assert_eq!(self.switch.total().imbalance(), niv::Imbalance::default());
        self.record(frame, &out);
    }

    /// The same, but the first copy's fate is never reported.
    pub(crate) fn receive_and_lose_a_copy(&mut self, device: u16, frame: &[u8]) {
        let frame = whole(frame);
        for outgoing in &self.decide(device, &frame)[1..] {
            self.switch.sent(outgoing.account, weight(&frame, outgoing));
        }
    }

    fn decide(&mut self, device: u16, frame: &RxFrame<'_>) -> Vec<Outgoing> {
        let mut out = Vec::new();
        let now = self.time();
        self.switch
            .receive(&self.snapshot, now, PortId(device), 7, frame, &mut out);
        assert!(out.iter().all(|outgoing| outgoing.frame == 7));
        out
    }

    fn record(&mut self, frame: &RxFrame<'_>, out: &[Outgoing]) {
        let mut sent: Vec<_> = out
            .iter()
            .map(|outgoing| (outgoing.port.0, octets(frame, outgoing)))
            .collect();
        sent.sort_by_key(|(device, _)| *device);
        self.sent.extend(sent);
    }

    pub(crate) fn port(&self, index: u16) -> Counters {
        let slot = self.snapshot.port(index).unwrap().slot;
        self.switch.counters(slot).unwrap()
    }

    pub(crate) fn link(&self, device: u16) -> Counters {
        *self.switch.link_counters(PortId(device)).unwrap()
    }

    pub(crate) fn total(&self) -> Counters {
        self.switch.total()
    }

    pub(crate) fn addresses(&self) -> Vec<Entry> {
        self.switch.addresses(self.time())
    }
}

/// A copy as it stands on the wire.
pub(crate) fn octets(frame: &RxFrame<'_>, outgoing: &Outgoing) -> Vec<u8> {
    let gather = &outgoing.gather;
    let mut bytes = frame.bytes.to_vec();
    if let Some(rewrite) = outgoing.edit.rewrite {
        rewrite.apply(&mut bytes, 0).unwrap();
    }
    let rest = &bytes[usize::from(gather.skip)..];
    [gather.head.as_bytes(), rest].concat()
}

/// What a whole copy weighs; segments are weighed by who cuts them.
fn weight(frame: &RxFrame<'_>, outgoing: &Outgoing) -> Weight {
    let one = Weight::one(octets(frame, outgoing).len() - usize::from(outgoing.uncounted));
    match frame.offload.segmentation {
        None => one,
        Some(segmentation) => {
            let payload = frame.bytes.len() - 54;
            let all = payload.div_ceil(usize::from(segmentation.size)) as u32;
            let frames = outgoing.edit.segments.map_or(all, |some| some.get().into());
            Weight { frames, ..one }
        }
    }
}

pub(crate) fn whole(bytes: &[u8]) -> RxFrame<'_> {
    RxFrame {
        bytes,
        vlan: None,
        offload: Offload::NONE,
        original_length: bytes.len() as u32,
    }
}

pub(crate) fn veth(index: u16, device: u16, vif: u16) -> PortPlan {
    PortPlan {
        name: format!("veth{index}"),
        vif: Some(vif.try_into().unwrap()),
        ..plain(index, device)
    }
}

pub(crate) fn plain(index: u16, device: u16) -> PortPlan {
    PortPlan {
        slot: Slot {
            index,
            generation: 0,
        },
        name: format!("ethernet {}", device + 1),
        device: PortId(device),
        vif: None,
        vlan: access(10),
        state: PortState::Forwarding,
        mtu: 1500,
        policy: PortPolicy::default(),
    }
}

/// Priority is kept, or not.
pub(crate) fn trusted(trust: bool) -> Option<Arc<RatePolicy>> {
    trust.then(|| Arc::new(RatePolicy::keeping_priority()))
}

pub(crate) fn vlan(vid: u16) -> VlanId {
    vid.try_into().unwrap()
}

pub(crate) fn access(vid: u16) -> VlanPolicy {
    VlanPolicy::Access(vlan(vid))
}

pub(crate) fn trunk(allowed: &str, native: Option<u16>) -> VlanPolicy {
    VlanPolicy::Trunk {
        allowed: Arc::new(allowed.parse().unwrap()),
        native: native.map(vlan),
    }
}

/// The switch's private VLANs: primary, isolated and community ones.
pub(crate) fn private_vlans(domains: &[(u16, Option<u16>, &[u16])]) -> Arc<PrivateVlans> {
    let domains: Vec<_> = domains
        .iter()
        .map(|&(primary, isolated, communities)| Domain {
            primary: vlan(primary),
            isolated: isolated.map(vlan),
            communities: communities.iter().copied().map(vlan).collect(),
        })
        .collect();
    Arc::new(PrivateVlans::new(&domains).unwrap())
}

fn private(vlans: &Arc<PrivateVlans>, port: PrivatePort) -> VlanPolicy {
    let vlans = Arc::clone(vlans);
    VlanPolicy::Private(Arc::new(PrivatePolicy::new(port, vlans)))
}

pub(crate) fn host(vlans: &Arc<PrivateVlans>, secondary: u16) -> VlanPolicy {
    private(vlans, PrivatePort::Host(vlan(secondary)))
}

pub(crate) fn promiscuous(vlans: &Arc<PrivateVlans>, primary: u16, mapped: &str) -> VlanPolicy {
    let port = PrivatePort::Promiscuous {
        primary: vlan(primary),
        mapped: Arc::new(mapped.parse().unwrap()),
    };
    private(vlans, port)
}

pub(crate) fn promiscuous_trunk(
    vlans: &Arc<PrivateVlans>,
    allowed: &str,
    native: Option<u16>,
    mapped: &str,
) -> VlanPolicy {
    let port = PrivatePort::PromiscuousTrunk {
        vlans: TrunkVlans {
            allowed: Arc::new(allowed.parse().unwrap()),
            native: native.map(vlan),
        },
        mapped: Arc::new(mapped.parse().unwrap()),
    };
    private(vlans, port)
}

pub(crate) fn mac(last: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, last]
}

pub(crate) fn ethernet(
    destination: [u8; 6],
    source: [u8; 6],
    ethertype: &[u8; 2],
    payload: usize,
) -> Vec<u8> {
    let payload: Vec<u8> = (0..payload).map(|i| i as u8).collect();
    [&destination[..], &source, ethertype, &payload].concat()
}

pub(crate) fn broadcast(source: u8) -> Vec<u8> {
    ethernet([0xFF; 6], mac(source), &[0x08, 0x06], 46)
}
