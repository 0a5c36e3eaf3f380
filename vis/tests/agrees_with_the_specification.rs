//! The switch does what the specification says, on generated sequences of frames, changes of policy,
//! removals, moves and waits: the same octets on the same devices, the same counters, the same table.
//! What the switch sends to a list is handed to the virtualizers of the specification first: what they
//! deliver must be what unicast copies would have been.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect is to stop there"
)]

mod lab;
mod model;

use lab::{access, host, octets, promiscuous, promiscuous_trunk, trunk};
use model::{Leaving, Model, Whose, Wire, whose};
use niv::VlanSet;
use niv::{Counters, DropReason, Imbalance, PortId, VlanTag, Weight};
use packet_io::{Offload, RxFrame};
use policy::private_vlan::PrivateVlans;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use vis::switch::{ListPlan, Topology, VlanPolicy, list_sets};
use vis::switch::{PortPlan, PortState, Seed, Slots, Snapshot, Switch, TableParameters, Time};

const ADDRESSES: usize = 9;
const PORTS: usize = 8;

#[derive(Clone, Debug)]
enum Step {
    Frame(Frame),
    Wait(u64),
    Change(usize, Change),
    /// The VLANs that are defined.
    Vlans(&'static str),
    /// Of the sets that are worth a list by now those at set bits get one, and of the lists there are
    /// those at set bits go.
    Lists(u16, u16),
}

#[derive(Clone, Debug)]
enum Change {
    Policy(usize),
    State(PortState),
    Mtu(u32),
    Trust(bool),
    /// To another device, under another VIF if there is one.
    Move(u16, u16),
    /// Taken out, and put in again as another.
    Replace,
    /// Taken out, or put in.
    Toggle,
}

#[derive(Clone, Debug)]
struct Frame {
    device: u16,
    /// On a NIV port: the word of its tag; `None`: no tag.
    word: Option<u32>,
    destination: [u8; 6],
    source: [u8; 6],
    vlans: Vec<(bool, u16)>,
    ethertype: u16,
    payload: usize,
    /// The kernel puts the outer VLAN tag aside.
    aside: bool,
    /// Cut to so many octets, out of a hundred.
    cut: Option<usize>,
    /// Sent so short.
    short: Option<usize>,
}

fn policies() -> Vec<VlanPolicy> {
    // The same for ever, as a topology has one.
    static PRIVATE: LazyLock<Arc<PrivateVlans>> =
        LazyLock::new(|| lab::private_vlans(&model::PRIVATE));
    let vlans = &*PRIVATE;
    vec![
        access(10),
        access(10),
        access(20),
        access(30),
        trunk("10,20", None),
        trunk("10,30", Some(20)),
        trunk("1-4094", Some(10)),
        host(vlans, 101),
        host(vlans, 101),
        host(vlans, 102),
        host(vlans, 102),
        host(vlans, 103),
        host(vlans, 111),
        host(vlans, 20),
        promiscuous(vlans, 100, "101-103"),
        promiscuous(vlans, 100, "102"),
        promiscuous(vlans, 101, "102"),
        promiscuous_trunk(vlans, "10,100,110", None, "101-103,111"),
        promiscuous_trunk(vlans, "20,101", Some(100), "101"),
    ]
}

fn address() -> impl Strategy<Value = [u8; 6]> {
    prop_oneof![
        24 => (0u8..6).prop_map(lab::mac),
        4 => Just([0xFF; 6]),
        2 => Just([0x33, 0x33, 0, 0, 0, 1]),
        1 => (0u8..18).prop_map(|last| [1, 0x80, 0xC2, 0, 0, last]),
        1 => Just([0; 6]),
    ]
}

fn source() -> impl Strategy<Value = [u8; 6]> {
    prop_oneof![
        40 => (0u8..6).prop_map(lab::mac),
        1 => address(),
    ]
}

fn word() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![
        40 => (1u32..5).prop_map(Some),
        2 => (0u32..7, 0u32..32).prop_map(|(svif, bit)| Some(svif | 1 << bit)),
        1 => any::<u32>().prop_map(Some),
        1 => Just(None),
    ]
}

fn vid() -> impl Strategy<Value = u16> {
    let vid = prop_oneof![6 => Just(10u16), 4 => Just(20), 2 => Just(0), 2 => Just(30), 4 => 100u16..104, 1 => 110u16..112, 1 => Just(99), 1 => Just(4095)];
    (vid, 0u16..16).prop_map(|(vid, priority)| priority << 12 | vid)
}

fn vlans() -> impl Strategy<Value = Vec<(bool, u16)>> {
    let tag = || (prop::bool::weighted(0.1), vid());
    prop_oneof![
        12 => Just(Vec::new()),
        8 => prop::collection::vec(tag(), 1),
        1 => prop::collection::vec(tag(), 2..7),
    ]
}

prop_compose! {
    fn frame()(
        device in prop_oneof![8 => 0u16..2, 8 => 2u16..4, 1 => Just(4u16)],
        word in word(),
        addresses in (address(), source()),
        vlans in vlans(),
        ethertype in prop_oneof![
            30 => Just(0x0800u16), 1 => Just(0x8926u16), 1 => Just(0x893F), 1 => Just(0x8940),
            1 => Just(0x88CC), 2 => Just(0x9100), 2 => Just(46),
        ],
        payload in prop_oneof![8 => 40usize..70, 2 => 0usize..3, 2 => 90usize..110],
        aside in prop::bool::weighted(0.7),
        cut in prop::option::weighted(0.02, 1usize..100),
        short in prop::option::weighted(0.03, 0usize..40),
    ) -> Frame {
        let (destination, source) = addresses;
        Frame { device, word, destination, source, vlans, ethertype, payload, aside, cut, short }
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0..policies().len()).prop_map(Change::Policy),
        2 => prop_oneof![
            3 => Just(PortState::Forwarding),
            1 => Just(PortState::Opening),
            1 => Just(PortState::Shut),
            1 => Just(PortState::ErrDisabled),
            1 => Just(PortState::ProfileIncomplete),
        ].prop_map(Change::State),
        1 => prop_oneof![Just(64u32), Just(100), Just(1500)].prop_map(Change::Mtu),
        1 => any::<bool>().prop_map(Change::Trust),
        2 => (0u16..4, 1u16..5).prop_map(|(device, vif)| Change::Move(device, vif)),
        1 => Just(Change::Replace),
        2 => Just(Change::Toggle),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        200 => frame().prop_map(Step::Frame),
        8 => prop_oneof![6 => 0u64..400, 2 => 400u64..3_000, 1 => 3_000u64..9_000].prop_map(Step::Wait),
        8 => (0..PORTS, change()).prop_map(|(port, change)| Step::Change(port, change)),
        1 => prop::sample::select(vec![
            "10,20",
            "10,20,30,100-103,110-111",
            "20,100-103",
            "10,20,100,102-103",
        ]).prop_map(Step::Vlans),
        6 => (any::<u16>(), any::<u16>()).prop_map(|(new, old)| Step::Lists(new, old)),
    ]
}

/// The switch and its specification, side by side.
struct Both {
    topology: Topology,
    snapshot: Snapshot,
    switch: Switch,
    /// What outlives the switch.
    kept: lab::Kept,
    model: Model,
    /// Those taken out for now.
    parked: Vec<(usize, PortPlan)>,
    /// By port; who is at which place of the topology.
    slots: Slots<(usize, u32)>,
    holders: Vec<u32>,
    now: u64,
    frames: u64,
    /// How many lists there have been.
    named: u16,
}

impl Both {
    fn new() -> Self {
        let mut slots = Slots::new(PORTS as u16 + 2);
        let mut ports = vec![
            lab::veth(0, 0, 1),
            lab::veth(0, 0, 2),
            lab::veth(0, 0, 3),
            lab::veth(0, 1, 1),
            lab::veth(0, 1, 2),
            lab::veth(0, 1, 4),
            lab::plain(0, 2),
            lab::plain(0, 3),
        ];
        for (number, port) in ports.iter_mut().enumerate() {
            port.slot = slots.claim((number, 0)).unwrap();
            port.name = format!("{number}");
            port.mtu = 100;
            port.vlan = policies()[number % policies().len()].clone();
        }
        let mut topology = lab::Lab::new(ports).topology;
        topology.vlans = "10,20,100-103,110,111".parse().unwrap();
        topology.private = Some(lab::private_vlans(&model::PRIVATE));
        topology.table = TableParameters {
            ageing_seconds: 7,
            hold_millis: 2_500,
        };
        let snapshot = topology.compile().unwrap();
        let addresses = NonZeroU32::new(ADDRESSES as u32).unwrap();
        let mut switch = Switch::new(addresses, Seed(5, 6));
        switch.attend(&snapshot, Time::from_millis(10_000));
        Self {
            snapshot,
            topology,
            switch,
            kept: lab::Kept::default(),
            model: Model::new(ADDRESSES),
            parked: Vec::new(),
            slots,
            holders: vec![0; PORTS],
            now: 10_000,
            frames: 0,
            named: 0,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Frame(frame) => self.receive(&frame)?,
            Step::Wait(millis) => self.now += millis,
            Step::Vlans(vlans) => {
                let mut topology = self.topology.clone();
                topology.vlans = vlans.parse().unwrap();
                let known = "30,102,103".parse::<VlanSet>().unwrap();
                topology.inactive = known.difference(&topology.vlans);
                self.publish(topology);
            }
            Step::Change(port, change) => self.change(port, change),
            Step::Lists(new, old) => {
                let mut topology = self.topology.clone();
                let mut bits = (0..16).map(|bit| old >> bit & 1 == 1).cycle();
                topology.lists.retain(|_| bits.next() == Some(false));
                let sets = list_sets(&topology).into_iter().enumerate();
                for (_, (device, members)) in sets.filter(|(at, _)| new >> (at % 16) & 1 == 1) {
                    self.named += 1;
                    let id = self.named.try_into().unwrap();
                    topology.lists.push(ListPlan {
                        device,
                        id,
                        members,
                    });
                }
                self.publish(topology);
            }
        }
        Ok(())
    }

    /// What contradicts itself is refused, and then nothing has changed.
    fn publish(&mut self, mut topology: Topology) -> bool {
        topology.epoch = self.topology.epoch + 1;
        match topology.compile() {
            Ok(snapshot) => {
                (self.topology, self.snapshot) = (topology, snapshot);
                self.model.forget(&self.topology, self.now);
                self.switch
                    .attend(&self.snapshot, Time::from_millis(self.now));
                true
            }
            Err(_) => false,
        }
    }

    fn change(&mut self, number: usize, change: Change) {
        let mut topology = self.topology.clone();
        let name = number.to_string();
        let at = topology.ports.iter().position(|port| port.name == name);
        let Some(at) = at else {
            if let Change::Toggle | Change::Replace = change
                && let Some(parked) = self.parked.iter().position(|(parked, _)| *parked == number)
            {
                let mut port = self.parked[parked].1.clone();
                self.holders[number] += 1;
                port.slot = self.slots.claim((number, self.holders[number])).unwrap();
                topology.ports.push(port);
                if self.publish(topology) {
                    self.parked.remove(parked);
                } else {
                    self.slots.release(&(number, self.holders[number]));
                }
            }
            return;
        };
        let port = &mut topology.ports[at];
        match change {
            Change::Policy(policy) => port.vlan = policies()[policy].clone(),
            Change::State(state) => port.state = state,
            Change::Mtu(mtu) => port.mtu = mtu,
            Change::Trust(trust) => port.policy.rates = lab::trusted(trust),
            Change::Move(device, vif) => {
                port.device = PortId(device);
                port.vif = (device < 2).then(|| vif.try_into().unwrap());
            }
            Change::Replace => {
                self.slots.release(&(number, self.holders[number]));
                self.holders[number] += 1;
                port.slot = self.slots.claim((number, self.holders[number])).unwrap();
            }
            Change::Toggle => {
                self.slots.release(&(number, self.holders[number]));
                self.parked.push((number, topology.ports.remove(at)));
            }
        }
        self.publish(topology);
    }

    fn receive(&mut self, frame: &Frame) -> Result<(), TestCaseError> {
        self.frames += 1;
        let (whole, vlan) = build(frame);
        let kept = frame.cut.map_or(whole.len(), |of| whole.len() * of / 100);
        let received = RxFrame {
            bytes: &whole[..kept],
            vlan,
            offload: Offload::NONE,
            original_length: whole.len() as u32,
        };
        let mut out = Vec::new();
        let now = Time::from_millis(self.now);
        let device = PortId(frame.device);
        self.switch
            .receive(&self.snapshot, now, device, 3, &received, &mut out);

        let aside = vlan.map_or(Vec::new(), |tag| tag.to_bytes().to_vec());
        let split = kept.min(12);
        let wire = Wire {
            device: frame.device,
            octets: [&whole[..split], &aside, &whole[split..kept]].concat(),
            length: whole.len() + aside.len(),
        };
        let switch = &self.switch;
        let gone = |vlan: u16, mac: [u8; 6]| {
            let known = switch.addresses(now);
            !known
                .iter()
                .any(|entry| (entry.vlan.get(), entry.mac.0) == (vlan, mac))
        };
        let mut expected = self.model.receive(&self.topology, self.now, &wire, gone);
        let mut delivered = Vec::new();
        for (number, outgoing) in (self.frames..).zip(&out) {
            prop_assert_eq!(outgoing.frame, 3);
            let octets = octets(&received, outgoing);
            let counted = (octets.len() - usize::from(outgoing.uncounted)).max(60);
            let at = Leaving {
                device: outgoing.port.0,
                octets: &octets,
                counted,
            };
            let copies = model::deliver(&self.topology, &at);
            prop_assert!(!copies.is_empty(), "{:?} is for nobody", octets);
            // Now and then a device has no room.
            let account = outgoing.account;
            let weight = Weight::one(counted);
            let taken = !number.is_multiple_of(17);
            if taken {
                self.switch.sent(account, weight);
            } else {
                self.switch.drop_copy(account, DropReason::TxFull, weight);
            }
            self.model.met(&at, &copies, taken);
            delivered.extend(copies);
        }
        delivered.sort();
        expected.sort();
        prop_assert_eq!(&delivered, &expected, "{:?}", wire);
        let leaving = out.len() as u64;
        self.model.shared(expected.len() as u64 - leaving);
        if self.frames.is_multiple_of(3) {
            self.switch.keep(&mut self.kept);
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let now = Time::from_millis(self.now);
        self.model.forget(&self.topology, self.now);
        let mut known: Vec<_> = self
            .model
            .table
            .iter()
            .map(|known| (known.vlan, known.mac, known.owner))
            .collect();
        known.sort();
        let learned: Vec<_> = self
            .switch
            .addresses(now)
            .iter()
            .map(|e| {
                (
                    e.vlan.get(),
                    e.mac.0,
                    Whose::Port(e.slot.index, e.slot.generation),
                )
            })
            .collect();
        prop_assert_eq!(learned, known);

        self.switch.keep(&mut self.kept);
        for port in &self.topology.ports {
            let kept = self.kept.0.get(&(port.slot.index, port.slot.generation));
            let counted = self.switch.counters(port.slot).unwrap();
            prop_assert_eq!(kept.copied().unwrap_or_default(), counted, "what is kept");
        }
        let mut all = BTreeMap::new();
        for port in &self.topology.ports {
            all.extend(named(
                whose(port),
                &self.switch.counters(port.slot).unwrap(),
            ));
        }
        for device in 0..4 {
            let counters = self.switch.link_counters(PortId(device)).unwrap();
            all.extend(named(Whose::Device(device), counters));
        }
        let live = |whose: &Whose| match whose {
            Whose::Device(device) => *device < 4,
            Whose::Port(..) => self
                .topology
                .ports
                .iter()
                .any(|port| model::whose(port) == *whose),
        };
        let expected: BTreeMap<_, _> = self
            .model
            .counts
            .iter()
            .filter(|((whose, _), _)| live(whose))
            .map(|(key, &n)| (key.clone(), n))
            .collect();
        prop_assert_eq!(&all, &expected);

        // Those gone and those never named are in the sum.
        let mut sum = BTreeMap::<String, u64>::new();
        for ((_, what), n) in &self.model.counts {
            *sum.entry(what.clone()).or_default() += n;
        }
        let total: BTreeMap<_, _> = named(Whose::Device(0), &self.switch.total())
            .into_iter()
            .map(|((_, what), n)| (what, n))
            .collect();
        prop_assert_eq!(&total, &sum);
        prop_assert_eq!(self.switch.total().imbalance(), Imbalance::default());
        prop_assert_eq!(total.get("received").copied().unwrap_or(0), self.frames);
        Ok(())
    }
}

/// The frame, and the VLAN tag the kernel put aside.
fn build(frame: &Frame) -> (Vec<u8>, Option<VlanTag>) {
    let mut octets = [frame.destination, frame.source].concat();
    if frame.device < 2
        && let Some(word) = frame.word
    {
        octets.extend([0x89, 0x26]);
        octets.extend(word.to_be_bytes());
    }
    for &(service, tci) in &frame.vlans {
        let tpid = if service { 0x88A8 } else { 0x8100 };
        octets.extend(VlanTag { tpid, tci }.to_bytes());
    }
    octets.extend(frame.ethertype.to_be_bytes());
    octets.extend((0..frame.payload).map(|i| i as u8));
    if let Some(length) = frame.short {
        octets.truncate(length);
    }
    let tag = octets.get(12..16).and_then(|tag| {
        let [a, b, c, d] = tag.try_into().ok()?;
        VlanTag::from_bytes([a, b, c, d])
    });
    if frame.aside && tag.is_some() {
        octets.drain(12..16);
        (octets, tag)
    } else {
        (octets, None)
    }
}

fn named(whose: Whose, counters: &Counters) -> BTreeMap<(Whose, String), u64> {
    let Counters {
        ingress,
        egress,
        anomalies,
    } = counters;
    let mut all: Vec<(String, u64)> = vec![
        ("received".into(), ingress.received.frames),
        ("received octets".into(), ingress.received.octets),
        ("forwarded".into(), ingress.forwarded),
        ("flooded".into(), ingress.flooded),
        ("consumed".into(), ingress.consumed),
        ("copies".into(), ingress.copies),
        ("sent".into(), egress.sent.frames),
        ("sent octets".into(), egress.sent.octets),
        ("listed".into(), egress.listed.frames),
        ("listed octets".into(), egress.listed.octets),
        ("originated".into(), egress.originated),
        ("queued".into(), egress.queued),
    ];
    let dropped = |prefix: &str, dropped: &niv::Dropped| {
        dropped
            .iter()
            .map(|(reason, n)| (format!("{prefix}{reason}"), n))
            .collect::<Vec<_>>()
    };
    all.extend(dropped("", &ingress.dropped));
    all.extend(dropped("out:", &egress.dropped));
    all.extend(
        anomalies
            .iter()
            .map(|(anomaly, n)| (anomaly.to_string(), n)),
    );
    all.into_iter()
        .filter(|&(_, n)| n > 0)
        .map(|(what, n)| ((whose, what), n))
        .collect()
}

/// Everything these rules can say about a frame. What another part says is not in here.
const SAID: [&str; 43] = [
    "received",
    "forwarded",
    "flooded",
    "consumed",
    "copies",
    "sent",
    "untagged",
    "runt",
    "bad_version",
    "wrong_direction",
    "uplink_list",
    "uplink_looped",
    "vif_zero",
    "vif_not_owned",
    "nested_tag",
    "tag_on_plain_port",
    "too_many_tags",
    "truncated",
    "shut",
    "profile_incomplete",
    "group_source",
    "zero_source",
    "vlan_not_allowed",
    "vlan_undefined",
    "service_tag",
    "same_port",
    "no_member",
    "out:not_member",
    "out:private_vlan",
    "out:inner_tag",
    "vlan_inactive",
    "promiscuous_address",
    "out:destination_shut",
    "out:mtu_exceeded",
    "out:tx_full",
    "received octets",
    "sent octets",
    "listed",
    "listed octets",
    "reserved_bit",
    "uplink_destination",
    "move_damped",
    "table_full",
];

#[test]
fn the_switch_does_what_the_specification_says() {
    let config = ProptestConfig {
        cases: 280,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let seen = RefCell::new(BTreeMap::<String, u64>::new());
    let result = TestRunner::new(config).run(&prop::collection::vec(step(), 0..1000), |steps| {
        let mut both = Both::new();
        for (number, step) in steps.into_iter().enumerate() {
            both.step(step)?;
            if number % 16 == 0 {
                both.compare()?;
            }
        }
        both.compare()?;
        let mut seen = seen.borrow_mut();
        for ((_, what), n) in &both.model.counts {
            *seen.entry(what.clone()).or_default() += n;
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let seen = seen.into_inner();
    println!("{seen:#?}");
    assert!(seen["received"] > 100_000);
    let never: Vec<_> = SAID
        .iter()
        .filter(|said| !seen.contains_key(**said))
        .collect();
    assert!(never.is_empty(), "no frame met {never:?}");
}
