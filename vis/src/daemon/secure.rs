//! Secure addresses, on the control loop's side: which ports have room for theirs, whose addresses stay their own while they
//! are away, and that sticky ones are kept.

use super::forward::Switching;
use super::guards::policy;
use super::run::Daemon;
use crate::config::{ClearSecurity, Config, Effective, InterfaceId, Membership, State};
use crate::switch::{
    AwayPlan, Declared, GuardPolicy, MAX_SECURE, PortState, Recalled, SecureList, SecurePlan,
    Slots, Topology,
};
use crate::veth::Registry;
use niv::{Mac, Slot, VlanId};
use packet_io::mailbox::WorkerGone;
use packet_io::worker::Worker;
use policy::private_vlan::PrivateVlans;
use policy::security::{Ageing, Kind, Mode, PortSecurity};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Sticky addresses that were just learned are kept after so long (ours), all together.
pub(super) const GATHER: Duration = Duration::from_millis(200);
/// Sticky addresses that their port has no more are given up after so long (ours): whoever types a profile anew, or takes a
/// commit back, finds them again.
const LAPSE: Duration = Duration::from_secs(60);

/// Room that is set aside, by interface.
pub(super) type Granted = BTreeMap<InterfaceId, u32>;

/// What control knows of secure addresses.
pub(super) struct SecureKeeper {
    /// Sticky addresses, as they are in the store.
    sticky: BTreeMap<InterfaceId, SecureList>,
    /// Those of them that their ports have no more, and since when.
    lapsing: BTreeMap<(InterfaceId, VlanId, Mac), Duration>,
    /// When the worker is asked for them again.
    pub(super) due: Option<Duration>,
    /// Of the switch in force.
    pub(super) granted: Granted,
}

/// Whose addresses are whose, beside what bridge ports are asked.
#[derive(Default)]
pub(super) struct Claims {
    /// Interfaces that are no bridge ports now, and those whose profile is not whole; `None`: nothing is said of their
    /// port security, because it is not whole.
    absent: Vec<(InterfaceId, Option<Arc<GuardPolicy>>)>,
    /// Addresses that vNICs say are theirs, each with the filtering id of untagged frames.
    declared: Vec<(InterfaceId, VlanId, Mac)>,
}

impl Claims {
    /// Of the switch that `topology` is, made from `said`.
    pub(super) fn new(
        said: &Config,
        registry: &Registry,
        topology: &Topology,
        slots: &Slots<InterfaceId>,
    ) -> Self {
        let whole = topology.ports.iter();
        let whole = whole.filter(|port| port.state != PortState::ProfileIncomplete);
        let whole: BTreeSet<Slot> = whole.map(|port| port.slot).collect();
        let is_whole = |interface| {
            let slot = slots.get(&interface);
            slot.is_some_and(|slot| whole.contains(&slot))
        };
        let private = topology.private.as_deref();
        let mut claims = Self::default();
        for &id in said.ethernets.keys() {
            let interface = InterfaceId::Ethernet(id);
            if !is_whole(interface)
                && let Some(effective) = said.effective_ethernet(id)
            {
                claims.is_absent(interface, &effective, private);
            }
        }
        let numbers = registry.records().map(|(_, record)| record.number);
        let numbers: BTreeSet<_> = numbers.chain(said.veths.keys().copied()).collect();
        for number in numbers {
            let interface = InterfaceId::Veth(number);
            let record = registry.numbered(number).map(|(_, record)| record);
            let record =
                record.filter(|_| said.veths.get(&number).is_none_or(|one| one.bind.is_none()));
            let lives = record.filter(|record| record.home().is_some());
            if is_whole(interface) && lives.is_none() {
                continue;
            }
            let lines = said.veths.get(&number).map(|veth| veth.lines.clone());
            let mut lines = lines.unwrap_or_default();
            if let Some(record) = record {
                lines.inherit.get_or_insert_with(|| record.profile.clone());
            }
            let effective = said.effective_of(&lines);
            if let Some(record) = lives
                && let Some(vlan) = untagged(&effective.membership)
            {
                let vlan = private.map_or(vlan, |private| private.filtering_id(vlan));
                claims.declared.push((interface, vlan, record.mac));
            }
            if !is_whole(interface) {
                claims.is_absent(interface, &effective, private);
            }
        }
        claims
    }

    fn is_absent(
        &mut self,
        interface: InterfaceId,
        effective: &Effective,
        private: Option<&PrivateVlans>,
    ) {
        if effective.membership == Membership::Vntag {
            return;
        }
        let guards = policy(effective, private).filter(|guards| guards.security.is_some());
        let is_whole = !matches!(effective.state, State::ProfileIncomplete { .. });
        if guards.is_some() || !is_whole {
            self.absent.push((interface, guards));
        }
    }
}

fn untagged(membership: &Membership) -> Option<VlanId> {
    match membership {
        Membership::Access { vlan } => Some(*vlan),
        Membership::Trunk { native, .. } => Some(*native),
        Membership::Private(membership) => membership.untagged(),
        Membership::Vntag => None,
    }
}

impl SecureKeeper {
    /// With the sticky addresses of another life.
    pub(super) const fn new(sticky: BTreeMap<InterfaceId, SecureList>) -> Self {
        Self {
            sticky,
            lapsing: BTreeMap::new(),
            due: None,
            granted: Granted::new(),
        }
    }

    /// Of an interface that is no more. The store is told when the worker has let go of them.
    pub(super) fn forget(&mut self, interface: InterfaceId) {
        if self.sticky.contains_key(&interface) {
            self.due = Some(Duration::ZERO);
        }
    }

    /// Notes in a switch that is to come what is known of secure addresses, and which ports have no room for theirs: those
    /// do not take part. Whoever has room keeps it. Returns who has it then.
    pub(super) fn mark(
        &self,
        topology: &mut Topology,
        slots: &mut Slots<InterfaceId>,
        mut claims: Claims,
    ) -> Granted {
        let interfaces: BTreeMap<Slot, InterfaceId> =
            slots.iter().map(|(&one, slot)| (slot, one)).collect();
        for (interface, vlan, mac) in claims.declared {
            if let Ok(slot) = slots.claim(interface) {
                topology.declared.push(Declared { vlan, mac, slot });
            }
        }
        let mut room = MAX_SECURE;
        let mut hold =
            |topology: &mut Topology, room: &mut u32, interface, guards: Option<&GuardPolicy>| {
                let Some(guards) = self.held(interface, guards) else {
                    return;
                };
                let wanted = guards.security.as_ref().map_or(0, |plan| plan.rule.maximum);
                let (Some(left), Ok(slot)) = (room.checked_sub(wanted), slots.claim(interface))
                else {
                    return;
                };
                *room = left;
                let guards = Arc::new(guards);
                topology.away.push(AwayPlan { slot, guards });
            };
        let mut wanted = Vec::new();
        for (at, port) in topology.ports.iter_mut().enumerate() {
            let Some(&interface) = interfaces.get(&port.slot) else {
                continue;
            };
            let Some(guards) = &mut port.policy.guards else {
                continue;
            };
            let Some(maximum) = guards.security.as_ref().map(|plan| plan.rule.maximum) else {
                continue;
            };
            // What it asks itself it keeps itself.
            claims.absent.retain(|(one, _)| *one != interface);
            if let Some(known) = self.sticky.get(&interface)
                && let Some(plan) = &mut Arc::make_mut(guards).security
            {
                plan.recalled = Recalled(known.as_slice().into());
            }
            let has = self.granted.get(&interface).copied().unwrap_or(0);
            wanted.push((has < maximum, at, interface, maximum));
        }
        for (interface, guards) in &claims.absent {
            hold(topology, &mut room, *interface, guards.as_deref());
        }
        wanted.sort_by_key(|&(is_new, at, ..)| (is_new, at));
        let mut granted = Granted::new();
        let mut refused = Vec::new();
        for (_, at, interface, maximum) in wanted {
            match room.checked_sub(maximum) {
                Some(left) => {
                    room = left;
                    granted.insert(interface, maximum);
                }
                None => refused.push((at, interface)),
            }
        }
        for (at, interface) in refused {
            let Some(port) = topology.ports.get_mut(at) else {
                continue;
            };
            if let PortState::Forwarding | PortState::Opening = port.state {
                port.state = PortState::ProfileIncomplete;
            }
            let guards = port.policy.guards.take();
            hold(topology, &mut room, interface, guards.as_deref());
        }
        granted
    }

    /// What keeps an interface's static and sticky addresses its own; `None`: it has none.
    fn held(&self, interface: InterfaceId, guards: Option<&GuardPolicy>) -> Option<GuardPolicy> {
        let plan = guards.and_then(|guards| guards.security.as_ref());
        let is_sticky = plan.is_none_or(|plan| plan.rule.sticky);
        let known = self.sticky.get(&interface).filter(|_| is_sticky);
        let recalled = known.map_or(&[][..], Vec::as_slice);
        let addresses = plan.map(|plan| plan.addresses.clone()).unwrap_or_default();
        let count = addresses.len() + recalled.len();
        (count > 0).then(|| GuardPolicy {
            security: Some(SecurePlan {
                rule: PortSecurity {
                    maximum: count as u32,
                    violation: Mode::Protect,
                    ageing: Ageing::Never,
                    sticky: is_sticky,
                },
                addresses,
                recalled: Recalled(recalled.into()),
            }),
            ..GuardPolicy::default()
        })
    }
}

impl Daemon {
    /// Has the store know what is sticky now. What a port has that takes no part just now is as it was.
    pub(super) async fn keep_sticky(&mut self) -> Result<(), WorkerGone> {
        let ask = |worker: &mut Worker<Switching>| {
            let Switching { switch, .. } = &worker.forward;
            switch.guards().secure_addresses(worker.forward.now())
        };
        let held: BTreeMap<Slot, _> = self.worker.answer(ask).await?.into_iter().collect();
        let mut have: BTreeMap<InterfaceId, SecureList> = BTreeMap::new();
        let placed: BTreeMap<InterfaceId, Slot> =
            self.slots.iter().map(|(&one, slot)| (one, slot)).collect();
        let all: BTreeSet<_> = placed
            .keys()
            .chain(self.guards.secure.sticky.keys())
            .collect();
        for &interface in all {
            let known = self.guards.secure.sticky.get(&interface);
            let known = known.cloned().unwrap_or_default();
            let slot = placed.get(&interface);
            let kept = match slot.and_then(|slot| held.get(slot)) {
                Some(addresses) => {
                    let sticky = addresses.iter().filter(|one| one.kind == Kind::Sticky);
                    sticky.map(|one| (one.vlan, one.mac)).collect()
                }
                // Nobody has said what is to become of them.
                None if self.is_sticky(interface) != Some(false) => known,
                None => Vec::new(),
            };
            let is_there = slot.is_some() || self.is_known(interface);
            if is_there {
                have.insert(interface, kept);
            }
        }
        let now = self.now();
        // Nothing is given up that a commit may yet bring back.
        let is_open = self.changes.awaiting(now).is_some();
        for (interface, sticky) in self.guards.secure.keep(have, now, is_open) {
            self.store.keep_secure(interface, sticky);
        }
        Ok(())
    }

    /// Forgets secure addresses, but for those that are configured; how many. Who speaks next may be anywhere.
    ///
    /// # Errors
    /// The worker has ended.
    pub(super) async fn clear_security(
        &mut self,
        what: ClearSecurity,
    ) -> Result<usize, WorkerGone> {
        let only = what.interface.map(|interface| self.slots.get(&interface));
        let is_meant = move |kind: Kind, mac: Mac| {
            what.sticky
                .is_none_or(|sticky| sticky == (kind == Kind::Sticky))
                && what.mac.is_none_or(|only| only == mac)
        };
        let clear = move |worker: &mut Worker<Switching>| {
            let now = worker.forward.now();
            let which =
                |slot, kind, mac| only.is_none_or(|only| only == Some(slot)) && is_meant(kind, mac);
            worker.forward.switch.clear_secure(which, now)
        };
        let cleared = self.worker.answer(clear).await?;
        let secure = &mut self.guards.secure;
        for (&interface, sticky) in &mut secure.sticky {
            if what.interface.is_none_or(|only| only == interface) {
                sticky.retain(|&(_, mac)| !is_meant(Kind::Sticky, mac));
                self.store.keep_secure(
                    interface,
                    Some(sticky.clone()).filter(|all| !all.is_empty()),
                );
            }
        }
        secure.sticky.retain(|_, sticky| !sticky.is_empty());
        Ok(cleared)
    }

    /// It is configured, or some vNIC's.
    pub(super) fn is_known(&self, interface: InterfaceId) -> bool {
        let is_of_a_vnic = match interface {
            InterfaceId::Veth(id) => self.registry.numbered(id).is_some(),
            InterfaceId::Ethernet(_) => false,
        };
        is_of_a_vnic || self.effective(interface).is_some()
    }

    /// Whether what it learns is sticky; `None`: there is no such interface now, or its profile is not whole and does not say.
    fn is_sticky(&self, interface: InterfaceId) -> Option<bool> {
        let Effective { guards, state, .. } = self.effective(interface)?;
        match guards.security {
            None if matches!(state, State::ProfileIncomplete { .. }) => None,
            security => Some(security.is_some_and(|secured| secured.rule.sticky)),
        }
    }
}

impl SecureKeeper {
    /// Takes in what ports have at `now`. What they have no more is kept for a while. Returns what the store is to be told.
    fn keep(
        &mut self,
        mut have: BTreeMap<InterfaceId, SecureList>,
        now: Duration,
        is_open: bool,
    ) -> Vec<(InterfaceId, Option<SecureList>)> {
        let mut lapsing = BTreeMap::new();
        for (&interface, kept) in &mut have {
            let known = self.sticky.get(&interface);
            for &(vlan, mac) in known.map_or(&[][..], Vec::as_slice) {
                if kept.contains(&(vlan, mac)) {
                    continue;
                }
                let place = (interface, vlan, mac);
                let since = self.lapsing.get(&place).copied().unwrap_or(now);
                if is_open || now < since + LAPSE {
                    kept.push((vlan, mac));
                    lapsing.insert(place, since);
                }
            }
            kept.sort_unstable();
        }
        let due = lapsing
            .values()
            .map(|&since| (since + LAPSE).max(now + GATHER));
        let due = due.min();
        self.due = self.due.into_iter().chain(due).min();
        self.lapsing = lapsing;
        have.retain(|_, sticky| !sticky.is_empty());
        let before = std::mem::replace(&mut self.sticky, have);
        let gone = before.keys().filter(|one| !self.sticky.contains_key(one));
        let gone = gone.map(|&interface| (interface, None));
        let changed = self.sticky.iter();
        let changed = changed.filter(|(interface, sticky)| before.get(interface) != Some(sticky));
        let changed = changed.map(|(&interface, sticky)| (interface, Some(sticky.clone())));
        gone.chain(changed).collect()
    }
}

#[cfg(test)]
#[path = "secure_tests.rs"]
mod tests;
