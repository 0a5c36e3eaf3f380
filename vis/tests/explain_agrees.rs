//! What `explain` says of a frame is what the switch then does with it: the same disposition, the same copies,
//! the same octets, the same counts; and explaining changes nothing. On a million frames, mixed with changes of
//! policy, of lists and of time, with a table so small that addresses are given up for others.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect is to stop there"
)]

mod lab;

use lab::{access, plain, trunk, veth};
use niv::{Counters, DropReason, Gather, Mac, PortId};
use packet_io::{Edit, Offload, Outgoing, RxFrame};
use policy::bridge_guard::BpduGuard;
use policy::marking::Marking;
use policy::rate::{Awareness, BitRate, Burst, Configured, PerColor, Policer};
use policy::security::{Ageing, Mode, PortSecurity};
use policy::storm::{Action, Class, Level, StormControl};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use vis::switch::{
    Explanation, FilterList, Filters, GuardPolicy, GuardStep, ListPlan, PortState, RatePolicy,
    Recalled, SecurePlan, Seed, Snapshot, Step, Switch, TableParameters, Time, Topology, list_sets,
};

const FRAMES: u32 = 1_000_000;
const ADDRESSES: u32 = 9;

/// Numbers that look random and are the same every time: SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn address(&mut self) -> [u8; 6] {
        match self.below(24) {
            0..17 => lab::mac(self.below(6) as u8),
            17 => lab::mac(self.below(20) as u8),
            18..21 => [0xFF; 6],
            21 => [0x33, 0x33, 0, 0, 0, 1],
            22 => [1, 0x80, 0xC2, 0, 0, self.below(18) as u8],
            _ => [0; 6],
        }
    }

    /// A device and what is received there.
    fn frame(&mut self) -> (u16, Vec<u8>) {
        let device = if self.one_in(50) {
            4
        } else {
            self.below(4) as u16
        };
        let destination = self.address();
        let source = if self.one_in(40) {
            self.address()
        } else {
            lab::mac(self.below(6) as u8)
        };
        let mut frame = [destination, source].concat();
        if device < 2 && !self.one_in(60) || self.one_in(100) {
            let mut word = if self.one_in(60) {
                0
            } else {
                1 + self.below(5) as u32
            };
            if self.one_in(20) {
                word |= 1 << self.below(32);
            }
            frame.extend([0x89, 0x26]);
            frame.extend(word.to_be_bytes());
        }
        while self.below(10) < 4 {
            let tpid: u16 = if self.one_in(12) { 0x88A8 } else { 0x8100 };
            let vid = [0, 10, 10, 10, 20, 20, 30, 4095][self.below(8) as usize];
            frame.extend(tpid.to_be_bytes());
            frame.extend((vid | (self.below(16) as u16) << 12).to_be_bytes());
        }
        let ethertype = [
            0x0800, 0x0800, 0x0800, 0x86DD, 0x8926, 0x893F, 0x8940, 0x88CC,
        ];
        let ethertype: u16 = if self.one_in(12) {
            ethertype[self.below(8) as usize]
        } else {
            0x0800
        };
        frame.extend(ethertype.to_be_bytes());
        let payload = if self.one_in(8) { self.below(120) } else { 46 };
        frame.extend((0..payload).map(|octet| octet as u8));
        if self.one_in(40) {
            frame.truncate(self.below(40) as usize);
        }
        (device, frame)
    }

    /// A few octets a second, either way, and every rule of marking.
    fn rates(&mut self) -> Option<Arc<RatePolicy>> {
        let mut policer = |bits| {
            let configured = Configured::Plain {
                rate: BitRate::new(bits).unwrap(),
                burst: Some(Burst::new(150).unwrap()),
            };
            let policer = Policer::new(configured, Awareness::Aware, PerColor::DROP_RED).unwrap();
            self.one_in(2).then_some(policer)
        };
        let (police_in, police_out) = (policer(100), policer(50));
        let marking = match self.below(4) {
            0 => None,
            1 => Some(Marking::trusting_cos()),
            2 => Some(Marking::trusting_dscp()),
            _ => Some(Marking::untrusted()),
        };
        Some(Arc::new(RatePolicy {
            police_in,
            police_out,
            marking,
        }))
    }

    fn guards(&mut self) -> Option<GuardPolicy> {
        let action = [Action::Drop, Action::Shut][self.below(2) as usize];
        let mut guards = GuardPolicy {
            storm: StormControl::new(action),
            ..GuardPolicy::default()
        };
        for class in Class::ALL {
            if self.one_in(2) {
                let level = Level::Packets(self.below(30) as u32);
                guards.storm = guards.storm.with(class, level);
            }
        }
        if self.one_in(3) {
            guards.bpdu = BpduGuard::Shut;
        }
        // Few: a secure address never moves, and moves are what much else here needs.
        if self.one_in(5) {
            let violation = [Mode::Protect, Mode::Restrict, Mode::Shutdown];
            let ageing = [Ageing::Never, Ageing::Absolute(5), Ageing::Inactivity(3)];
            let rule = PortSecurity {
                maximum: 1 + self.below(3) as u32,
                violation: violation[self.below(3) as usize],
                ageing: ageing[self.below(3) as usize],
                sticky: self.one_in(4),
            };
            guards.security = Some(SecurePlan {
                rule,
                addresses: vec![(lab::vlan(10), Mac(lab::mac(self.below(6) as u8)))],
                recalled: Recalled::default(),
            });
        }
        Some(guards)
    }

    fn change(&mut self, topology: &mut Topology) {
        let at = self.below(topology.ports.len() as u64) as usize;
        let port = &mut topology.ports[at];
        match self.below(10) {
            0 => {
                port.state = [
                    PortState::Forwarding,
                    PortState::Opening,
                    PortState::Shut,
                    PortState::ErrDisabled,
                    PortState::ProfileIncomplete,
                ][self.below(5) as usize];
            }
            1 => port.state = PortState::Forwarding,
            2 => port.mtu = [64, 100, 1500][self.below(3) as usize],
            3 => port.policy.rates = lab::trusted(self.one_in(2)),
            4 => port.slot.generation += 1,
            5 => {
                port.policy.filters = match self.below(4) {
                    0 => Filters::new([list()], []),
                    1 => Filters::new([], [list()]),
                    _ => Filters::default(),
                };
            }
            6 => port.policy.rates = self.rates(),
            7 => port.policy.guards = self.guards().map(Arc::new),
            8 => port.policy.guards = None,
            _ => {
                port.vlan = match self.below(5) {
                    0 | 1 => access(10),
                    2 => access(20),
                    3 => trunk("10,20", None),
                    _ => trunk("1-4094", Some(10)),
                };
            }
        }
        let sets = list_sets(topology).into_iter().zip(1u16..);
        let lists = sets
            .filter(|_| self.one_in(2))
            .map(|((device, members), id)| ListPlan {
                device,
                id: id.try_into().unwrap(),
                members,
            });
        topology.lists = lists.collect();
        topology.epoch += 1;
    }
}

/// Of frames, which are mostly no IP worth the name.
fn list() -> FilterList {
    let text = "mac access-list some\n10 deny host 0200.0000.0003 any log\n20 permit any any log\n";
    FilterList::new(text.parse().unwrap())
}

fn topology() -> Topology {
    let mut ports = vec![
        veth(0, 0, 1),
        veth(1, 0, 2),
        veth(2, 0, 3),
        veth(3, 1, 1),
        veth(4, 1, 2),
        veth(5, 1, 4),
        plain(6, 2),
        plain(7, 3),
    ];
    for port in &mut ports {
        port.vlan = access(10);
        port.mtu = 100;
    }
    let mut topology = lab::Lab::new(ports).topology;
    topology.vlans = "10,20".parse().unwrap();
    topology.table = TableParameters {
        ageing_seconds: 7,
        hold_millis: 2_500,
    };
    topology
}

const fn complete(bytes: &[u8]) -> RxFrame<'_> {
    RxFrame {
        bytes,
        vlan: None,
        offload: Offload::NONE,
        original_length: bytes.len() as u32,
    }
}

/// What a copy comes to, but for its place in the burst.
fn essence<'f>(frame: &RxFrame<'f>, copy: &Outgoing) -> (PortId, u32, Gather, &'f [u8], u8, Edit) {
    let gather = copy.gather;
    let rest = gather.rest(frame.bytes);
    (
        copy.port,
        copy.account,
        gather,
        rest,
        copy.uncounted,
        copy.edit,
    )
}

fn agree(frame: &RxFrame<'_>, explained: &Explanation, out: &[Outgoing]) {
    let said: Vec<_> = explained
        .copies
        .iter()
        .flat_map(|copy| &copy.fate)
        .collect();
    let said: Vec<_> = said.iter().map(|copy| essence(frame, copy)).collect();
    let done: Vec<_> = out.iter().map(|copy| essence(frame, copy)).collect();
    assert_eq!(said, done, "{explained:?}");
    for copy in &explained.copies {
        assert!(!copy.to.is_empty() || copy.list.is_some(), "for nobody");
        // What is said last about a copy that is dropped is why.
        if let Err(reason) = copy.fate {
            let last = copy.steps.last().copied();
            assert!(refusal(last) == Some(reason), "{last:?} and {reason}");
        }
    }
    let dropped = explained.counters.ingress.dropped.iter().next();
    if let Some((reason, _)) = dropped.filter(|(reason, _)| *reason != DropReason::NoMember) {
        let last = explained.steps.last().copied();
        assert_eq!(refusal(last), Some(reason), "{explained:?}");
    }
}

/// The reason a step gives for going no further.
fn refusal(step: Option<Step>) -> Option<DropReason> {
    match step? {
        Step::Arrival(_, result)
        | Step::Standing(result)
        | Step::Addresses(result)
        | Step::Reachable(result)
        | Step::Fits(result) => result.err(),
        Step::Classify(result) => result.err(),
        Step::Member(result) => result.err(),
        Step::Rate(step) => step.refusal(),
        Step::Guard(
            GuardStep::Standing(result)
            | GuardStep::Bpdu(result)
            | GuardStep::Source(_, result)
            | GuardStep::Storm(_, result),
        ) => result.err(),
        Step::SamePort => Some(DropReason::SamePort),
        Step::Filter(step) if step.decision.permits() => None,
        Step::Filter(step) if step.outward => Some(DropReason::AclOut),
        Step::Filter(_) => Some(DropReason::AclIn),
        _ => None,
    }
}

#[test]
fn what_is_explained_is_what_is_done() {
    let mut numbers = Numbers(2026);
    let mut topology = topology();
    let mut snapshot: Snapshot = topology.compile().unwrap();
    let mut switch = Switch::new(NonZeroU32::new(ADDRESSES).unwrap(), Seed(5, 6));
    let mut now = 10_000;
    let mut seen = BTreeMap::<String, u64>::new();
    let mut out = Vec::new();
    // What all that was explained comes to.
    let mut expected = Counters::default();
    for number in 0..FRAMES {
        if numbers.one_in(100) {
            now += numbers.below(3_000);
        }
        if numbers.one_in(200) {
            numbers.change(&mut topology);
            snapshot = topology.compile().unwrap();
            // What guards have shut is open again.
            snapshot.ports().for_each(|port| switch.open(port.slot));
        }
        let time = Time::from_millis(now);
        let (device, bytes) = numbers.frame();
        let (device, frame) = (PortId(device), complete(&bytes));
        switch.attend(&snapshot, time);
        let looked_at = number.is_multiple_of(64);
        let known = looked_at.then(|| (switch.addresses(time), switch.total()));
        let explained = switch.explain(&snapshot, time, device, &frame);
        if let Some((known, total)) = known {
            let after = (switch.addresses(time), switch.total());
            assert_eq!(after, (known, total), "explaining changed something");
            assert_eq!(
                total, expected,
                "what was explained is not what was counted"
            );
        }
        out.clear();
        switch.receive(&snapshot, time, device, 0, &frame, &mut out);
        agree(&frame, &explained, &out);
        expected.merge(&explained.counters);
        for copy in &out {
            let weight = niv::Weight::one(60);
            switch.drop_copy(copy.account, DropReason::TxFull, weight);
            expected.drop_copy(DropReason::TxFull, weight);
        }
        // Words are costly, and everything is met early.
        if number > FRAMES / 2 {
            continue;
        }
        for copy in &explained.copies {
            let how = match (&copy.fate, copy.list) {
                (Ok(_), None) => "copy".to_owned(),
                (Ok(_), Some(_)) => "copy for a list".to_owned(),
                (Err(reason), _) => format!("out:{reason}"),
            };
            *seen.entry(how).or_default() += 1;
        }
        for step in &explained.steps {
            let kind = match step {
                // What is met is to be told apart; whom it was met with is not.
                Step::Arrival(_, Err(reason)) => reason.to_string(),
                Step::Arrival(_, Ok(())) => "arrival".to_owned(),
                Step::Lookup(at) => format!("lookup {}", at.is_some()),
                Step::Classify(Ok(_)) => "vlan".to_owned(),
                Step::Filter(step) => format!("acl_in {}", step.decision.permits()),
                other => format!("{other:?}"),
            };
            *seen.entry(kind).or_default() += 1;
        }
    }
    let never: Vec<_> = MET.iter().filter(|met| !seen.contains_key(**met)).collect();
    assert!(never.is_empty(), "no frame met {never:?}: {seen:#?}");
}

/// Without one of these the test would say nothing about it.
const MET: [&str; 49] = [
    "acl_in true",
    "acl_in false",
    "out:acl_out",
    "copy",
    "copy for a list",
    "out:not_member",
    "out:destination_shut",
    "out:mtu_exceeded",
    "arrival",
    "Control",
    "Odd(ReservedBit)",
    "Odd(UplinkDestination)",
    "Odd(MoveDamped)",
    "Odd(TableFull)",
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
    "shut",
    "Standing(Err(Shut))",
    "Standing(Err(ProfileIncomplete))",
    "Standing(Err(ErrDisabled))",
    "Guard(Standing(Err(ErrDisabled)))",
    "Guard(Bpdu(Err(BpduGuard)))",
    "Guard(Storm(Broadcast, Err(StormControl)))",
    "Guard(Source(Known, Ok(())))",
    "Guard(Source(Violation(Violation { why: Maximum, mode: Protect, tell: false }), Err(PortSecurity)))",
    "Addresses(Err(GroupSource))",
    "Addresses(Err(ZeroSource))",
    "LinkLocal(true)",
    "Classify(Err(VlanNotAllowed))",
    "Classify(Err(VlanUndefined))",
    "Classify(Err(ServiceTag))",
    "Learn(Known)",
    "Learn(New)",
    "Learn(NewForAnother)",
    "Learn(Moved)",
    "Learn(Held)",
    "Group",
    "lookup true",
    "lookup false",
    "SamePort",
];
