//! The switch, from received frames to what devices are handed.

mod judge;
mod menus;

use crate::device::Device;
use crate::input::{Input, Received};
use crate::marks::{is_looking, mark_counters, mark_variant};
use crate::naive;
use judge::Read;
use menus::{Chosen, vlan};
use niv::{Counters, Gather, Imbalance, PortId, Slot};
use packet_io::dispatch::Dispatcher;
use packet_io::{Capabilities, Edit, Outgoing, RxFrame};
use policy::err_disable::Cause;
use std::num::NonZeroU32;
use std::sync::Arc;
use vis::switch::{
    Explanation, GuardEvent, LinkKind, LinkPlan, ListPlan, PortPlan, PortState, Seed, Snapshot, Switch,
    TableParameters, Time, Topology, VlanPolicy, list_sets,
};

/// Devices 0 and 1 have interface virtualizers behind them, 2 and 3 ordinary Ethernet.
const NIV_DEVICES: u16 = 2;
const DEVICES: u16 = 4;
/// Bridge ports, at most.
const PORTS: usize = 16;

/// `data` is an octet about devices (by bit: which takes unfinished frames; the upper half: how often
/// they are full), one that says how many bridge ports there are, three for each port, and a sequence
/// of steps, an octet each with what belongs to it: time passes, another port takes a place and perhaps the lists change, a
/// port gets policies (`Chosen`), control does something, a frame is received.
///
/// # Panics
/// A frame goes where it must not, is not what it must be, or is not accounted for; or explaining it says something else.
pub fn vis_pipeline(data: &[u8]) {
    let mut input = Input::new(data);
    let Some([devices, count]) = input.array() else {
        return;
    };
    let mut topology = Topology {
        epoch: 1,
        links: (0..DEVICES).map(link).collect(),
        vlans: [1, 10, 20].into_iter().filter_map(vlan).collect(),
        inactive: [40, 200, 201].into_iter().filter_map(vlan).collect(),
        table: TableParameters {
            ageing_seconds: 30,
            hold_millis: 2_000,
        },
        ..Topology::default()
    };
    let mut chosen = [Chosen::default(); PORTS];
    for (index, place) in (0..u16::from(count % 16)).zip(&mut chosen) {
        let Some(said) = input.array() else { break };
        let plan = port(index, 0, said, place);
        if is_free(&topology, &plan) {
            topology.ports.push(plan);
        }
    }
    let switch = switch();
    let mut lab = Lab {
        topology,
        snapshot: None,
        chosen,
        most: [0; PORTS],
        total: switch.total(),
        switch,
        now: 0,
        dispatcher: Dispatcher::new(),
        devices,
    };
    while lab.step(&mut input).is_some() {}
    lab.no_port_has_too_many_secure_addresses();
    if is_looking() {
        mark_counters(&lab.switch.total());
    }
}

/// One that knows nothing. To make its table anew costs as much as the rest of an execution.
fn switch() -> Switch {
    // Small, so that it is full at times.
    const ADDRESSES: NonZeroU32 = NonZeroU32::MIN.saturating_add(7);
    const SECURE: u32 = 64;
    thread_local! {
        static NEW: Switch = Switch::new(ADDRESSES, Seed(3, 4)).with_room_for_secure(SECURE);
    }
    NEW.with(Switch::clone)
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
fn port(index: u16, generation: u16, [place, vlans, rest]: [u8; 3], chosen: &mut Chosen) -> PortPlan {
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
    // Priority is trusted, or not.
    *chosen = Chosen::new(0, rest & 16, 0);
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
        policy: chosen.policy(),
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

struct Lab {
    topology: Topology,
    /// Of the topology; `None`: it has changed since.
    snapshot: Option<Snapshot>,
    /// What the policies of the ports say, by slot index.
    chosen: [Chosen; PORTS],
    /// How many secure addresses each could have at most, ever: what a lower maximum gives up is there until a snapshot says so.
    most: [usize; PORTS],
    switch: Switch,
    /// What the switch has counted.
    total: Counters,
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
            32..48 => self.choose(u16::from(step % 16), input.array()?),
            48..64 => self.control(u16::from(step % 16), input.octet()?),
            _ => {
                let received = Received::read(input)?;
                // One device that is not there.
                self.receive(u16::from(step) % (DEVICES + 1), &received.frame())?;
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
        let plan = port(index, generation, said, self.chosen.get_mut(usize::from(index))?);
        if is_free(&self.topology, &plan) {
            self.topology.ports.push(plan);
        }
        // Lists for what was, or for what is now; for all sets, or for every other.
        let [.., rest] = said;
        if rest & 0x20 != 0 {
            let of = if rest & 0x40 != 0 { &before } else { &self.topology };
            let step = if rest & 0x80 != 0 { 2 } else { 1 };
            self.topology.lists = lists(of, step);
        }
        self.changed();
        Some(())
    }

    /// The port at `index` gets these policies: access lists; policers and marking; guards; VLANs and whether it takes part.
    fn choose(&mut self, index: u16, [lists, rates, guards, rest]: [u8; 4]) {
        let mut ports = self.topology.ports.iter_mut();
        let here = ports.find(|plan| plan.slot.index == index);
        let (Some(plan), Some(chosen)) = (here, self.chosen.get_mut(usize::from(index))) else {
            return;
        };
        *chosen = Chosen::new(lists, rates, guards);
        if let Some(most) = self.most.get_mut(usize::from(index)) {
            *most = chosen.most().max(*most);
        }
        plan.policy = chosen.policy();
        plan.state = menus::state(rest >> 4).unwrap_or(plan.state);
        if let Some(vlan) = menus::vlans(rest) {
            plan.vlan = vlan;
            if let VlanPolicy::Private(_) = plan.vlan
                && self.topology.private.is_none()
            {
                self.topology.private.clone_from(&menus::PRIVATE);
                let more = (100..104).filter_map(menus::vlan);
                more.for_each(|vlan| self.topology.vlans.insert(vlan));
            }
        }
        if rest & 0x80 != 0 {
            self.topology.lists = self::lists(&self.topology, 1);
        }
        self.changed();
    }

    /// What control does beside the policies.
    fn control(&mut self, index: u16, what: u8) {
        let now = Time::from_millis(self.now);
        let mut ports = self.topology.ports.iter_mut();
        let Some(plan) = ports.find(|plan| plan.slot.index == index) else {
            return;
        };
        let slot = plan.slot;
        match what % 5 {
            0 => self.follow_guards(),
            1 => {
                self.switch.open(slot);
                if plan.state == PortState::ErrDisabled {
                    plan.state = PortState::Forwarding;
                    self.changed();
                }
            }
            2 => self.switch.err_disable(slot, Cause::BridgedPorts, now),
            3 => self.switch.forget_addresses(|entry| entry.slot == slot, now),
            _ => {
                let _ = self.switch.take_told();
                self.switch.clear_hits(None);
            }
        }
    }

    /// What guards have shut is shut for all to see.
    fn follow_guards(&mut self) {
        for event in self
            .switch
            .guards_mut()
            .take_news()
            .into_iter()
            .flat_map(|news| news.events)
        {
            mark_variant("guards tell of", &event);
            let GuardEvent::Shut { slot, .. } = event else {
                continue;
            };
            for plan in self.topology.ports.iter_mut().filter(|plan| plan.slot == slot) {
                plan.state = PortState::ErrDisabled;
                self.snapshot = None;
            }
        }
        self.changed();
    }

    fn changed(&mut self) {
        self.topology.epoch += 1;
        self.snapshot = None;
    }

    fn receive(&mut self, device: u16, frame: &RxFrame<'_>) -> Option<()> {
        let snapshot = match self.snapshot.take() {
            Some(snapshot) => snapshot,
            None => compile(&self.topology)?,
        };
        let now = Time::from_millis(self.now);
        let mut copies = Vec::new();
        let device = PortId(device);
        let switch = &mut self.switch;
        switch.attend(&snapshot, now);
        let explained = switch.explain(&snapshot, now, device, frame);
        // The frame may shut its port itself, and its first segments leave.
        let ports = self.topology.ports.iter().map(|plan| plan.slot);
        let is_open = |slot: &Slot| {
            let state = switch.policy_state(*slot);
            state.is_some_and(|state| state.err_disabled.is_open())
        };
        let open: Vec<Slot> = ports.filter(is_open).collect();
        switch.receive(&snapshot, now, device, 0, frame, &mut copies);
        self.snapshot = Some(snapshot);
        let before = self.total.ingress.received.frames;
        self.total.merge(&explained.counters);
        assert_eq!(self.switch.total(), self.total, "{explained:?}");
        assert!(self.total.ingress.received.frames > before, "a frame nobody counted");
        said_what_is_done(&explained, frame, &copies);
        if copies.is_empty() {
            assert_eq!(self.total.imbalance(), Imbalance::default());
            return Some(());
        }
        let read = Read::new(&self.topology, &self.chosen, device, frame);
        assert!(read.is_some(), "nobody's frame was forwarded");
        if let Some(read) = read {
            read.judge(&self.topology, &self.chosen, &copies);
            let from = read.sender();
            let was_open = open.contains(&from.slot) || from.policy.guards.is_none();
            assert!(was_open, "a guard has shut the port");
        }
        copies.sort_by_key(|copy| copy.port);
        for copies in copies.chunk_by(|one, other| one.port == other.port) {
            self.send(frame, copies);
        }
        self.total = self.switch.total();
        assert_eq!(self.total.imbalance(), Imbalance::default());
        Some(())
    }

    fn no_port_has_too_many_secure_addresses(&self) {
        let held = self.switch.guards().secure_addresses(Time::from_millis(self.now));
        for (slot, addresses) in held {
            let most = self.most.get(usize::from(slot.index));
            assert!(most.is_some_and(|most| addresses.len() <= *most), "{addresses:?}");
        }
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

/// For all sets of `topology` that are worth a list, or for every so manieth.
fn lists(topology: &Topology, step: usize) -> Vec<ListPlan> {
    let numbered = (1u16..).zip(list_sets(topology)).step_by(step);
    let lists = numbered.filter_map(|(id, (device, members))| {
        let id = id.try_into().ok()?;
        Some(ListPlan { device, id, members })
    });
    lists.collect()
}

/// What a copy comes to.
fn essence<'f>(frame: &RxFrame<'f>, copy: &Outgoing) -> (PortId, u32, Gather, &'f [u8], u8, Edit) {
    let (gather, rest) = (copy.gather, copy.gather.rest(frame.bytes));
    (copy.port, copy.account, gather, rest, copy.uncounted, copy.edit)
}

fn said_what_is_done(explained: &Explanation, frame: &RxFrame<'_>, copies: &[Outgoing]) {
    let said = explained.copies.iter().flat_map(|copy| &copy.fate);
    let said = said.map(|copy| essence(frame, copy));
    assert!(
        said.eq(copies.iter().map(|copy| essence(frame, copy))),
        "{explained:?} and {copies:?}"
    );
}
