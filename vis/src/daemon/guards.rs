//! Guards, on the control loop's side: what the worker has to tell of them is told to people, ports that a guard has shut
//! stay so until it is time, and sticky addresses are kept.

use super::forward::Switching;
use super::run::Daemon;
use super::secure::{Claims, GATHER, Granted, SecureKeeper};
use crate::config::{Config, Effective, InterfaceId, State};
use crate::switch::{
    GuardEvent, GuardNews, GuardPolicy, PortState, Recalled, SecureList, SecurePlan, Slots,
    Topology,
};
use crate::veth::{Repeats, Say};
use niv::Slot;
use packet_io::mailbox::WorkerGone;
use packet_io::worker::Worker;
use policy::bridge_guard::{Blame, Bridging, Evidence};
use policy::err_disable::{Cause, Recovery};
use policy::private_vlan::PrivateVlans;
use policy::security::Why;
use policy::storm::Class;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Guests found to bridge that are remembered (ours).
const FOUND: usize = 32;
/// A switch that takes longer to make than this follows several shut ports at a time.
const QUICK: Duration = Duration::from_millis(20);

/// What control knows of guards.
pub(super) struct GuardKeeper {
    /// Ports that a guard has shut.
    pub(super) shut: BTreeMap<InterfaceId, Held>,
    /// Guests found to bridge, the last one first.
    pub(super) found: VecDeque<Found>,
    /// What is known of secure addresses.
    pub(super) secure: SecureKeeper,
    recovery: Recovery,
    repeats: Repeats<(InterfaceId, Told)>,
    bridges: Repeats<InterfaceId>,
}

/// A port that a guard has shut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    slot: Slot,
    pub(super) cause: Cause,
    pub(super) since: Duration,
}

/// Two ports that something is behind of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) interfaces: [InterfaceId; 2],
    pub(super) evidence: Evidence,
    pub(super) blame: Blame,
    pub(super) at: Duration,
}

/// What is told of a port, ever more rarely while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Storm(Class),
    Violation,
}

impl GuardKeeper {
    /// With the sticky addresses of another life.
    pub(super) fn new(sticky: BTreeMap<InterfaceId, SecureList>) -> Self {
        Self {
            shut: BTreeMap::new(),
            found: VecDeque::new(),
            secure: SecureKeeper::new(sticky),
            recovery: Recovery::default(),
            repeats: Repeats::default(),
            bridges: Repeats::default(),
        }
    }

    /// Remembers what was found: of one address or bridge, and of one pair of interfaces, the last time. Where there is no
    /// room it takes the place of something of the same interfaces, so that one guest cannot have what others do forgotten.
    fn remember(&mut self, found: Found) {
        let is_same = |one: &Found| {
            one.evidence == found.evidence
                || one.interfaces == found.interfaces && one.blame == found.blame
        };
        self.found.retain(|one| !is_same(one));
        if self.found.len() >= FOUND {
            let shares = |one: &Found| {
                found
                    .interfaces
                    .iter()
                    .any(|of| one.interfaces.contains(of))
            };
            let oldest = self.found.iter().rposition(shares);
            self.found.remove(oldest.unwrap_or(FOUND - 1));
        }
        self.found.push_front(found);
    }

    /// What to say of interfaces that something is behind of: whatever is behind how many, of each at first and then ever
    /// more rarely.
    fn say_bridged(&mut self, interfaces: [InterfaceId; 2], now: Duration) -> Option<u64> {
        let said = interfaces.map(|one| self.bridges.happened(now, &one, 1));
        let times = |say: &Say| match *say {
            Say::First => Some(0),
            Say::Again(times) => Some(times),
            Say::Nothing | Say::Full => None,
        };
        said.iter().filter_map(times).max()
    }

    /// When [`Daemon::attend_guards`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        let due = self.shut.values().filter_map(|held| self.due(held));
        due.chain(self.secure.due).min()
    }

    /// When a port comes back; `None`: not by itself.
    pub(super) fn due(&self, held: &Held) -> Option<Duration> {
        let seconds = self.recovery.seconds(held.cause)?;
        Some(held.since + Duration::from_secs(seconds.into()))
    }

    /// Of an interface that is no more.
    pub(super) fn forget(&mut self, interface: InterfaceId) {
        self.shut.remove(&interface);
        self.secure.forget(interface);
    }

    /// Notes in a switch that is to come which ports guards have shut, and what is known of secure addresses. Returns for
    /// whose there is room.
    pub(super) fn mark(
        &self,
        topology: &mut Topology,
        slots: &mut Slots<InterfaceId>,
        claims: Claims,
    ) -> Granted {
        let granted = self.secure.mark(topology, slots, claims);
        let interfaces: BTreeMap<Slot, InterfaceId> =
            slots.iter().map(|(&one, slot)| (slot, one)).collect();
        for port in &mut topology.ports {
            let interface = interfaces.get(&port.slot);
            let held = interface.and_then(|interface| self.shut.get(interface));
            let takes_part = matches!(port.state, PortState::Forwarding | PortState::Opening);
            if takes_part && held.is_some_and(|held| held.slot == port.slot) {
                port.state = PortState::ErrDisabled;
            }
        }
        granted
    }
}

/// What is asked of a port, for the switch.
pub(super) fn policy(
    effective: &Effective,
    private: Option<&PrivateVlans>,
) -> Option<Arc<GuardPolicy>> {
    let guards = &effective.guards;
    if guards.is_off() {
        return None;
    }
    let filtering_id = |vlan| private.map_or(vlan, |private| private.filtering_id(vlan));
    let security = guards.security.as_ref().map(|secured| {
        // A line may say any VLAN of a private one, and of the same address several.
        let addresses = secured.addresses.iter();
        let addresses = addresses.map(|&(vlan, mac)| (filtering_id(vlan), mac));
        let addresses: BTreeSet<_> = addresses.collect();
        SecurePlan {
            rule: secured.rule,
            addresses: addresses.into_iter().collect(),
            recalled: Recalled::default(),
        }
    });
    Some(Arc::new(GuardPolicy {
        storm: guards.storm,
        bpdu: guards.bpdu,
        security,
    }))
}

impl Daemon {
    /// Takes in what the worker has to tell.
    ///
    /// # Errors
    /// The worker has ended.
    pub(super) fn guarded(&mut self, news: GuardNews) -> Result<(), WorkerGone> {
        let now = self.now();
        let interfaces: BTreeMap<u16, (Slot, InterfaceId)> = self
            .slots
            .iter()
            .map(|(&one, slot)| (slot.index, (slot, one)))
            .collect();
        let of = |slot: Slot| {
            let held = interfaces.get(&slot.index);
            held.filter(|(holder, _)| *holder == slot)
                .map(|(_, one)| *one)
        };
        for event in news.events {
            match event {
                GuardEvent::Shut { slot, cause } => {
                    if let Some(interface) = of(slot) {
                        self.hold_shut(interface, slot, cause, now);
                    }
                }
                GuardEvent::Storm { slot, class } => {
                    if let Some(interface) = of(slot) {
                        let words = storm_words(class);
                        let says = format!(
                            "{interface}: more {words} than `storm-control` lets pass are dropped (storm_control)"
                        );
                        self.tell_of(interface, Told::Storm(class), &says, now);
                    }
                }
                GuardEvent::Violation {
                    slot,
                    vlan,
                    mac,
                    why,
                } => {
                    if let Some(interface) = of(slot) {
                        let why = match why {
                            Why::Maximum => "it has as many secure addresses as it may".to_owned(),
                            Why::Elsewhere(at) => match interfaces.get(&at) {
                                Some((_, other)) => format!("that is a secure address of {other}"),
                                None => "that is a secure address of another port".to_owned(),
                            },
                            Why::InUse(at) => match interfaces.get(&at) {
                                Some((_, other)) => format!("{other} uses that address"),
                                None => "another port uses that address".to_owned(),
                            },
                        };
                        let says = format!(
                            "{interface}: frames from {mac} in VLAN {vlan} are dropped (port_security): {why}"
                        );
                        self.tell_of(interface, Told::Violation, &says, now);
                    }
                }
                GuardEvent::Bridging(found) => {
                    let ports = found.ports;
                    let both = (interfaces.get(&ports.0), interfaces.get(&ports.1));
                    if let (Some(&first), Some(&second)) = both {
                        self.bridged([first, second], found, now)?;
                    }
                }
            }
        }
        if news.lost > 0 {
            warn!("guards had {} things more to tell", news.lost);
        }
        if news.sticky {
            let due = &mut self.guards.secure.due;
            *due = Some(due.map_or(now + GATHER, |due| due.min(now + GATHER)));
        }
        Ok(())
    }

    fn tell_of(&mut self, interface: InterfaceId, told: Told, says: &str, now: Duration) {
        match self.guards.repeats.happened(now, &(interface, told), 1) {
            Say::First => warn!("{says}"),
            Say::Again(times) => warn!("{says}; {times} times since this was said last"),
            Say::Nothing | Say::Full => {}
        }
    }

    /// Names the guest, and shuts those of its ports that may be shut for it and are to be.
    fn bridged(
        &mut self,
        ports: [(Slot, InterfaceId); 2],
        Bridging {
            evidence, blame, ..
        }: Bridging,
        now: Duration,
    ) -> Result<(), WorkerGone> {
        let found = Found {
            interfaces: ports.map(|(_, interface)| interface),
            evidence,
            blame,
            at: now,
        };
        self.guards.remember(found);
        match self.guards.say_bridged(found.interfaces, now) {
            Some(0) => warn!("{}", found.words()),
            Some(times) => warn!(
                "{}; {times} more such things were found since",
                found.words()
            ),
            None => {}
        }
        let blamed = match blame {
            Blame::Both => ports.get(..),
            Blame::Second => ports.get(1..),
            Blame::Nobody => None,
        };
        for &(slot, interface) in blamed.unwrap_or_default() {
            let effective = self.effective(interface);
            if effective.is_some_and(|effective| effective.guards.shuts_bridges) {
                let cause = Cause::BridgedPorts;
                self.worker.tell(move |worker: &mut Worker<Switching>| {
                    let now = worker.forward.now();
                    worker.forward.switch.err_disable(slot, cause, now);
                })?;
                self.hold_shut(interface, slot, cause, now);
            }
        }
        Ok(())
    }

    fn hold_shut(&mut self, interface: InterfaceId, slot: Slot, cause: Cause, now: Duration) {
        let held = Held {
            slot,
            cause,
            since: now,
        };
        if self.guards.shut.contains_key(&interface) {
            return;
        }
        self.guards.shut.insert(interface, held);
        let back = match self.guards.recovery.seconds(cause) {
            Some(seconds) => format!("it comes back in {seconds} seconds"),
            None => "`shutdown` and `no shutdown` open it".to_owned(),
        };
        warn!(
            "{interface} is shut by a guard (err_disabled): {}; {back}",
            cause.as_str()
        );
        self.settle_soon();
    }

    fn settle_soon(&mut self) {
        let wait = if self.settling < QUICK {
            Duration::ZERO
        } else {
            self.settling
        };
        let soon = Instant::now() + wait;
        self.settle_at = Some(self.settle_at.map_or(soon, |due| due.min(soon)));
    }

    fn open_guarded(&mut self, interface: InterfaceId) -> Result<(), WorkerGone> {
        let Some(held) = self.guards.shut.remove(&interface) else {
            return Ok(());
        };
        // Before the switch in which the port takes part.
        self.worker.tell(move |worker: &mut Worker<Switching>| {
            worker.forward.switch.open(held.slot);
        })?;
        self.settle_soon();
        Ok(())
    }

    /// What is shut by hand in `config` is no longer shut by a guard, so `no shutdown` opens it.
    ///
    /// # Errors
    /// The worker has ended.
    pub(super) fn open_what_is_shut_by_hand(&mut self, config: &Config) -> Result<(), WorkerGone> {
        let is_shut = |interface: &InterfaceId| {
            let effective = match *interface {
                InterfaceId::Ethernet(id) => config.effective_ethernet(id),
                InterfaceId::Veth(id) => config.effective_veth(id),
            };
            effective.is_some_and(|effective| effective.state == State::Shut)
        };
        let shut: Vec<_> = self.guards.shut.keys().copied().filter(is_shut).collect();
        for interface in shut {
            info!("{interface} is shut by hand, and by no guard any more");
            self.open_guarded(interface)?;
        }
        Ok(())
    }

    /// Opens ports whose time it is, and has sticky addresses kept.
    ///
    /// # Errors
    /// The worker has ended.
    pub(super) async fn attend_guards(&mut self) -> Result<(), WorkerGone> {
        let now = self.now();
        self.guards.recovery = self.said.errdisable.recovery();
        let shut = self.guards.shut.iter();
        let due = shut.filter(|(_, held)| self.guards.due(held).is_some_and(|due| due <= now));
        let due: Vec<InterfaceId> = due.map(|(&interface, _)| interface).collect();
        for interface in due {
            info!("{interface} comes back: its time to be shut by a guard is over");
            self.open_guarded(interface)?;
        }
        for ((interface, _), times) in self.guards.repeats.quiet(now) {
            info!("{interface}: its guards had nothing more to drop; told of {times} times in all");
        }
        for (interface, times) in self.guards.bridges.quiet(now) {
            info!("{interface}: nothing more is found behind it and another; {times} times in all");
        }
        if self.guards.secure.due.is_some_and(|due| due <= now) {
            self.guards.secure.due = None;
            self.keep_sticky().await?;
        }
        Ok(())
    }
}

impl Found {
    /// What it is, as a sentence.
    pub(super) fn words(&self) -> String {
        let [first, second] = self.interfaces;
        match self.evidence {
            Evidence::Address(vlan, mac) => format!(
                "a guest bridges {first} and {second}: frames of {mac} in VLAN {vlan}, which is elsewhere, come back by both"
            ),
            Evidence::Echo(vlan, mac) => format!(
                "a guest bridges {first} and {second}: the same frame of {mac} in VLAN {vlan}, which is behind {first}, comes \
                 by {second} again and again"
            ),
            Evidence::BridgeId(bridge) => format!(
                "a guest bridges {first} and {second}: spanning tree BPDUs of bridge {bridge:016x} come by {second} too"
            ),
            Evidence::Conflict(vlan, mac) => format!(
                "{first} and {second} both send from {mac} in VLAN {vlan}: two guests with one address, a forger, or a bridge"
            ),
            Evidence::Vlans(one, other) => format!(
                "{first} and {second} join VLANs {one} and {other}: addresses of each come by them into the other; a guest \
                 that bridges, or two with a leg in both"
            ),
        }
    }
}

const fn storm_words(class: Class) -> &'static str {
    match class {
        Class::Broadcast => "broadcasts",
        Class::Multicast => "multicasts",
        Class::UnknownUnicast => "unicasts to whom nobody knows",
    }
}

#[cfg(test)]
#[path = "guards_tests.rs"]
mod tests;
