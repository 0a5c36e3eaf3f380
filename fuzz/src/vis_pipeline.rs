//! The switch, from received frames to what devices are handed.

use crate::device::Device;
use crate::input::{Input, Received};
use crate::marks::{is_looking, mark, mark_counters};
use crate::naive::{self, Tag};
use niv::{Imbalance, PortId, Slot, VlanId, VlanTag};
use packet_io::dispatch::Dispatcher;
use packet_io::{Capabilities, Outgoing, RxFrame};
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use vis::switch::{
    LinkKind, LinkPlan, ListPlan, PortPlan, PortPolicy, PortState, RatePolicy, Seed, Snapshot, Switch, TableParameters,
    Time, Topology, VlanPolicy, list_sets,
};

/// Devices 0 and 1 have interface virtualizers behind them, 2 and 3 ordinary Ethernet.
const NIV_DEVICES: u16 = 2;
const DEVICES: u16 = 4;

/// `data` is an octet about devices (by bit: which takes unfinished frames; the upper half: how often
/// they are full), one that says how many bridge ports there are, three for each port, and a sequence
/// of steps, an octet each with what belongs to it: time passes, a port changes and perhaps the lists, a
/// frame is received.
///
/// # Panics
/// A frame goes where it must not, is not what it must be, or is not accounted for.
pub fn vis_pipeline(data: &[u8]) {
    let mut input = Input::new(data);
    let Some([devices, count]) = input.array() else {
        return;
    };
    let mut topology = Topology {
        epoch: 1,
        links: (0..DEVICES).map(link).collect(),
        vlans: [1, 10, 20].into_iter().filter_map(vlan).collect(),
        table: TableParameters {
            ageing_seconds: 30,
            hold_millis: 2_000,
        },
        ..Topology::default()
    };
    for index in 0..u16::from(count % 16) {
        let Some(said) = input.array() else { break };
        let plan = port(index, 0, said);
        if is_free(&topology, &plan) {
            topology.ports.push(plan);
        }
    }
    let Some(snapshot) = compile(&topology) else {
        return;
    };
    let mut lab = Lab {
        topology,
        snapshot,
        switch: switch(),
        now: 0,
        dispatcher: Dispatcher::new(),
        devices,
    };
    while lab.step(&mut input).is_some() {}
    if is_looking() {
        mark_counters(&lab.switch.total());
    }
}

/// One that knows nothing. To make its table anew costs as much as the rest of an execution.
fn switch() -> Switch {
    // Small, so that it is full at times.
    const ADDRESSES: NonZeroU32 = NonZeroU32::MIN.saturating_add(7);
    thread_local! {
        static NEW: Switch = Switch::new(ADDRESSES, Seed(3, 4));
    }
    NEW.with(Switch::clone)
}

fn vlan(vid: u16) -> Option<VlanId> {
    VlanId::try_from(vid).ok()
}

fn link(device: u16) -> LinkPlan {
    LinkPlan {
        device: PortId(device),
        name: format!("ethernet {device}"),
        kind: if device < NIV_DEVICES {
            LinkKind::Niv
        } else {
            LinkKind::Plain
        },
    }
}

/// A port from three octets: device and VIF; VLANs; state, trust and MTU.
fn port(index: u16, generation: u16, [place, vlans, rest]: [u8; 3]) -> PortPlan {
    let device = u16::from(place) % DEVICES;
    let vif = vif(1 + u16::from(place >> 2) % 16).filter(|_| device < NIV_DEVICES);
    // VLAN 30 is not defined.
    let one = match vlans & 3 {
        0 => 1,
        more => u16::from(more) * 10,
    };
    let allowed = [1, 10, 20, 30].into_iter().enumerate();
    let allowed = allowed.filter(|(bit, _)| vlans >> (4 + bit) & 1 != 0);
    let vlan_policy = match (vlans & 4 != 0, vlan(one)) {
        (false, Some(vlan)) => VlanPolicy::Access(vlan),
        (_, one) => VlanPolicy::Trunk {
            allowed: Arc::new(allowed.filter_map(|(_, vid)| vlan(vid)).collect()),
            native: one.filter(|_| vlans & 8 != 0),
        },
    };
    PortPlan {
        slot: Slot { index, generation },
        name: format!("port {index}"),
        device: PortId(device),
        vif,
        vlan: vlan_policy,
        state: match rest & 7 {
            6 => PortState::Shut,
            7 => PortState::ProfileIncomplete,
            _ => PortState::Forwarding,
        },
        mtu: if rest & 8 != 0 { 68 } else { 1500 },
        policy: PortPolicy {
            rates: (rest & 16 != 0).then(|| Arc::new(RatePolicy::keeping_priority())),
            ..PortPolicy::default()
        },
    }
}

fn vif(id: u16) -> Option<niv::VifId> {
    id.try_into().ok()
}

/// No other port is in the place of `plan`.
fn is_free(topology: &Topology, plan: &PortPlan) -> bool {
    topology
        .ports
        .iter()
        .all(|other| (other.device, other.vif) != (plan.device, plan.vif))
}

fn compile(topology: &Topology) -> Option<Snapshot> {
    let snapshot = topology.compile();
    assert!(snapshot.is_ok(), "{:?}", snapshot.err());
    snapshot.ok()
}

fn mark_vlans(to: &VlanPolicy) {
    let port = match to {
        VlanPolicy::Access(_) => "an access port",
        VlanPolicy::Trunk { .. } => "a trunk",
        VlanPolicy::Private(_) => "a part in private VLANs",
    };
    mark("to", port);
}

struct Lab {
    topology: Topology,
    snapshot: Snapshot,
    switch: Switch,
    now: u64,
    dispatcher: Dispatcher,
    devices: u8,
}

impl Lab {
    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        let step = input.octet()?;
        match step {
            0..16 => self.now += u64::from(input.word()?) * u64::from(step),
            16..32 => self.change(u16::from(step % 16), input.array()?)?,
            _ => {
                let received = Received::read(input)?;
                // One device that is not there.
                self.receive(u16::from(step) % (DEVICES + 1), &received.frame());
            }
        }
        Some(())
    }

    /// The port at `index` goes, and perhaps one comes in its place.
    fn change(&mut self, index: u16, said: [u8; 3]) -> Option<()> {
        let here = |plan: &PortPlan| plan.slot.index == index;
        let before = self.topology.clone();
        let holder = before.ports.iter().find(|plan| here(plan));
        let generation = holder.map_or(1, |plan| plan.slot.generation + 1);
        self.topology.ports.retain(|plan| !here(plan));
        let plan = port(index, generation, said);
        if is_free(&self.topology, &plan) {
            self.topology.ports.push(plan);
        }
        // Lists for what was, or for what is now; for all sets, or for every other.
        let [.., rest] = said;
        if rest & 0x20 != 0 {
            let sets = if rest & 0x40 != 0 {
                list_sets(&before)
            } else {
                list_sets(&self.topology)
            };
            let step = if rest & 0x80 != 0 { 2 } else { 1 };
            let numbered = (1u16..).zip(sets).step_by(step);
            let lists = numbered.filter_map(|(id, (device, members))| {
                let id = id.try_into().ok()?;
                Some(ListPlan {
                    device,
                    id,
                    members,
                })
            });
            self.topology.lists = lists.collect();
        }
        self.topology.epoch += 1;
        self.snapshot = compile(&self.topology)?;
        Some(())
    }

    fn receive(&mut self, device: u16, frame: &RxFrame<'_>) {
        let now = Time::from_millis(self.now);
        let mut copies = Vec::new();
        let device = PortId(device);
        self.switch
            .receive(&self.snapshot, now, device, 0, frame, &mut copies);
        if !copies.is_empty() {
            let read = Read::new(&self.topology, device, frame);
            assert!(read.is_some(), "nobody's frame was forwarded");
            if let Some(read) = read {
                read.judge(&self.topology, &copies);
            }
        }
        copies.sort_by_key(|copy| copy.port);
        for copies in copies.chunk_by(|one, other| one.port == other.port) {
            self.send(frame, copies);
        }
        assert_eq!(self.switch.total().imbalance(), Imbalance::default());
    }

    /// Sends copies that leave by one port.
    fn send(&mut self, frame: &RxFrame<'_>, copies: &[Outgoing]) {
        let Some(port) = copies.first().map(|copy| copy.port) else {
            return;
        };
        let capabilities = Capabilities {
            mode: "memory",
            mtu: 1510,
            offload: self.devices >> (port.0 % DEVICES) & 1 != 0,
            long: 0,
        };
        let mut device = Device::new(self.devices >> 4);
        let switch = &mut self.switch;
        let plain = port.0 >= NIV_DEVICES;
        self.dispatcher.send(
            &mut device,
            &capabilities,
            plain,
            &[*frame],
            copies,
            &mut |copy, weight, fate| match fate {
                Ok(()) => switch.sent(copy.account, weight),
                Err(reason) => switch.drop_copy(copy.account, reason, weight),
            },
        );
        for handed in &device.handed {
            assert!(capabilities.offload || handed.offload.is_none());
            assert_eq!(naive::hides_a_tag(&handed.bytes, 12), !plain);
        }
    }
}

/// A frame that may be forwarded, read naively.
struct Read<'a> {
    frame: &'a RxFrame<'a>,
    from: &'a PortPlan,
    vlan: u16,
    priority: u16,
    /// The EtherType behind link mark and outer VLAN tag, and all that follows.
    rest: &'a [u8],
}

impl<'a> Read<'a> {
    fn new(topology: &'a Topology, device: PortId, frame: &'a RxFrame<'a>) -> Option<Self> {
        let tag = naive::tag(frame.bytes);
        let (owner, mut at) = match (device.0 < NIV_DEVICES, tag) {
            (false, None) => (None, 12),
            (true, Some(tag)) if frame.vlan.is_none() => {
                assert!(!tag.d && !tag.p && !tag.l && tag.ver == 0, "{tag:?}");
                (Some(vif(tag.svif)?), 18)
            }
            _ => return None,
        };
        let mut ports = topology.ports.iter();
        let from = ports.find(|plan| (plan.device, plan.vif) == (device, owner))?;
        assert!(!naive::hides_a_tag(frame.bytes, at), "a hidden NIV tag");
        let inline = [0x8100, 0x88A8].contains(&naive::word(frame.bytes, at)?);
        let outer = match frame.vlan {
            Some(tag) => Some(tag),
            None if inline => {
                let tag = VlanTag {
                    tpid: naive::word(frame.bytes, at)?,
                    tci: naive::word(frame.bytes, at + 2)?,
                };
                at += 4;
                Some(tag)
            }
            None => None,
        };
        let vid = outer.map_or(0, |tag| tag.tci & 0xFFF);
        assert!(outer.is_none_or(|tag| tag.tpid == 0x8100), "a service tag");
        let vlan = match &from.vlan {
            VlanPolicy::Access(own) => (vid == 0).then_some(own.get()),
            VlanPolicy::Trunk { native, .. } if vid == 0 => native.map(VlanId::get),
            VlanPolicy::Trunk { allowed, .. } => {
                let allowed: Vec<u16> = allowed.iter().map(VlanId::get).collect();
                allowed.contains(&vid).then_some(vid)
            }
            // None is made here: the specification of `vis` has them.
            VlanPolicy::Private(_) => None,
        }?;
        let trusted = outer.filter(|_| from.policy.rates.is_some());
        Some(Self {
            frame,
            from,
            vlan,
            priority: trusted.map_or(0, |tag| tag.tci & 0xF000),
            rest: frame.bytes.get(at..)?,
        })
    }

    fn judge(&self, topology: &Topology, copies: &[Outgoing]) {
        assert_eq!(self.from.state, PortState::Forwarding);
        assert!([1, 10, 20].contains(&self.vlan), "an undefined VLAN");
        let source = self.frame.bytes.get(6).copied().unwrap_or(1);
        assert_eq!(source & 1, 0, "a group as source");
        let destination = self.frame.bytes.get(..6).unwrap_or_default();
        assert_ne!(
            destination
                .split_last()
                .map(|(last, rest)| (last >> 4, rest)),
            Some((0, &[1, 0x80, 0xC2, 0, 0][..])),
            "link-local, and forwarded"
        );
        let mut reached = BTreeSet::new();
        for copy in copies {
            let gather = &copy.gather;
            let wire = [gather.head.as_bytes(), gather.rest(self.frame.bytes)].concat();
            for to in self.receivers(topology, copy, &wire) {
                assert_ne!(to.slot, self.from.slot, "back to its sender");
                assert!(reached.insert(to.slot), "a port got it twice");
                self.judge_copy(to, copy, &wire);
            }
        }
    }

    /// Who gets `copy`, as its device and its tag say.
    fn receivers<'t>(
        &self,
        topology: &'t Topology,
        copy: &Outgoing,
        wire: &[u8],
    ) -> Vec<&'t PortPlan> {
        let at = |vif| {
            let mut ports = topology.ports.iter();
            let to = ports.find(|plan| (plan.device, plan.vif) == (copy.port, vif));
            assert!(to.is_some(), "for nobody");
            to
        };
        if copy.port.0 >= NIV_DEVICES {
            mark("plain", "egress");
            assert_eq!(copy.uncounted, 0);
            return at(None).into_iter().collect();
        }
        assert_eq!(copy.uncounted, 6);
        let hairpin = self.from.vif.filter(|_| self.from.device == copy.port);
        let tag = naive::tag(wire);
        let said = tag.map(|tag| (tag.p, tag.dvif)).unwrap_or_default();
        let expected = Tag {
            d: true,
            p: said.0,
            dvif: said.1,
            l: hairpin.is_some(),
            r: false,
            ver: 0,
            svif: hairpin.map_or(0, |source| source.get()),
        };
        assert_eq!(tag, Some(expected));
        let way = if hairpin.is_some() {
            "hairpin"
        } else {
            "across"
        };
        mark(way, if said.0 { "to a list" } else { "to a VIF" });
        if !said.0 {
            assert_eq!(
                copy.account,
                u32::from(at(vif(said.1)).map_or(0, |to| to.slot.index))
            );
            return at(vif(said.1)).into_iter().collect();
        }
        let mut lists = topology.lists.iter();
        let list = lists.find(|list| (list.device, list.id.get()) == (copy.port, said.1));
        assert!(list.is_some(), "a list nobody confirmed");
        let members = list.into_iter().flat_map(|list| &list.members);
        let others = members.filter(|&&member| Some(member) != hairpin);
        others.filter_map(|&member| at(Some(member))).collect()
    }

    fn judge_copy(&self, to: &PortPlan, copy: &Outgoing, wire: &[u8]) {
        assert_eq!(to.state, PortState::Forwarding);
        assert_eq!(wire.get(..12), self.frame.bytes.get(..12));
        let at = 12 + usize::from(copy.uncounted);
        assert!(!naive::hides_a_tag(wire, at), "a tag leaked");
        mark("VLAN tag in metadata", self.frame.vlan.is_some());
        mark_vlans(&to.vlan);
        let untagged = match &to.vlan {
            VlanPolicy::Access(own) => {
                assert_eq!(own.get(), self.vlan, "out of its VLAN");
                true
            }
            VlanPolicy::Trunk { allowed, native } => {
                let native = native.is_some_and(|native| native.get() == self.vlan);
                assert!(native || allowed.iter().any(|one| one.get() == self.vlan));
                native
            }
            VlanPolicy::Private(_) => false,
        };
        let inner = naive::word(self.rest, 0).unwrap_or_default();
        let shows_a_tag = untagged && [0x8100, 0x88A8].contains(&inner);
        assert!(!shows_a_tag, "a tag that was inside is outermost");
        let tag = (self.priority | self.vlan).to_be_bytes();
        let tag = [&[0x81, 0x00], &tag[..]].concat();
        let tag = if untagged { &[][..] } else { &tag };
        let inside = wire.get(at..).unwrap_or_default();
        assert_eq!(inside, [tag, self.rest].concat());
        if self.frame.offload.segmentation.is_none() {
            assert!(self.rest.len() <= to.mtu as usize + 2, "too long");
        }
    }
}
