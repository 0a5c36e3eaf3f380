//! What guards know of all bridge ports together: secure addresses, addresses on the move, and what control is to hear.

use super::Membership;
use super::Time;
use super::guard::{GuardPolicy, Noticed, SecurePlan};
use super::snapshot::{BridgePort, PortState, Snapshot};
use super::table::{Away, Table};
use super::topology::Declared;
use niv::{Mac, Slot, VlanId, VlanSet};
use policy::Seed;
use policy::bridge_guard::{Bridging, Detector, Sighting};
use policy::err_disable::Cause;
use policy::security::{
    Admission, Kind, PortSecurity, Refused, SecureAddress, SecureTable, Use, Why,
};
use policy::storm::Class;
use std::sync::Arc;

/// Secure addresses that a switch has room for (ours): as many as its forwarding table.
pub const MAX_SECURE: u32 = 65_536;

/// Things to tell that wait for control, at most; more are counted. Each is told at most once in a second for a port, and
/// control comes by every round.
const WAITING: usize = 256;

/// Something that people, or control, must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardEvent {
    /// A guard shut a port. Never lost: a port is told once until control has opened it.
    Shut {
        /// The port.
        slot: Slot,
        /// Why.
        cause: Cause,
    },
    /// A class is over its level, and was not in the last seconds.
    Storm {
        /// The port.
        slot: Slot,
        /// Of what there is too much.
        class: Class,
    },
    /// A source address that may not be where it was seen.
    Violation {
        /// The port.
        slot: Slot,
        /// The filtering id.
        vlan: VlanId,
        /// The address.
        mac: Mac,
        /// Why it may not.
        why: Why,
    },
    /// Something is behind two ports.
    Bridging(Bridging),
}

/// What guards have to tell since they were asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardNews {
    /// In the order in which it happened, ports that were shut first.
    pub events: Vec<GuardEvent>,
    /// What there was no room for.
    pub lost: u64,
    /// Sticky addresses came or went.
    pub sticky: bool,
}

/// Owned by one worker.
#[derive(Clone, Debug)]
pub struct Guards {
    seed: Seed,
    /// For how many secure addresses there is room once a port is secured.
    room: u32,
    secure: SecureTable,
    detector: Detector,
    /// By slot index: whose place it is, and by which policy its addresses are judged.
    applied: Vec<Option<Applied>>,
    declared: Arc<[Declared]>,
    shut: Vec<GuardEvent>,
    events: Vec<GuardEvent>,
    lost: u64,
    sticky: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Applied {
    slot: Slot,
    policy: Arc<GuardPolicy>,
    /// Its interface is away, and only keeps what is its own.
    is_away: bool,
}

impl Applied {
    fn security(&self) -> Option<&SecurePlan> {
        self.policy.security.as_ref()
    }
}

impl Guards {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            room: MAX_SECURE,
            // Room is made where a port is secured.
            secure: SecureTable::new(0, seed),
            detector: Detector::new(seed),
            applied: Vec::new(),
            declared: Arc::default(),
            shut: Vec::new(),
            events: Vec::with_capacity(WAITING),
            lost: 0,
            sticky: false,
        }
    }

    pub(super) const fn set_room(&mut self, addresses: u32) {
        self.room = addresses;
    }

    /// Secures the ports that `snapshot` says, and no others.
    pub(super) fn adopt(&mut self, snapshot: &Snapshot, now: Time) {
        let mut coming: Vec<Option<Applied>> = Vec::new();
        let mut put = |slot: Slot, policy: &Arc<GuardPolicy>, is_away| {
            let at = usize::from(slot.index);
            if coming.len() <= at {
                coming.resize(at + 1, None);
            }
            if let Some(place) = coming.get_mut(at) {
                *place = Some(Applied {
                    slot,
                    policy: Arc::clone(policy),
                    is_away,
                });
            }
        };
        for away in snapshot.away() {
            put(away.slot, &away.guards, true);
        }
        let ports = snapshot.ports();
        let ports = ports.filter_map(|port| Some((port.slot, port.policy.guards.as_ref()?)));
        // What a port is asked itself comes first.
        for (slot, policy) in ports.filter(|(_, policy)| policy.security.is_some()) {
            put(slot, policy, false);
        }
        // What is told of a port that was shut is never lost.
        self.shut.reserve(snapshot.ports().count());
        self.declared = snapshot.declared();
        let before = std::mem::take(&mut self.applied);
        self.release(&before, &coming);
        let mut wanted = Vec::new();
        let mut waiting = Vec::new();
        for (index, applied) in (0..).zip(&coming) {
            let Some(applied) = applied.as_ref() else {
                continue;
            };
            let Some(plan) = applied.security() else {
                continue;
            };
            self.let_go(index, plan, applied.is_away, snapshot);
            if self.secure.rule(index) != Some(&self.rule(index, applied, plan)) {
                waiting.push((index, applied, plan));
            }
            wanted.extend(plan.addresses.iter().map(|&address| (index, address)));
        }
        // The second time there is the room that others have given up.
        waiting.retain(|&(index, applied, plan)| !self.secure_port(index, applied, plan));
        waiting.retain(|&(index, applied, plan)| !self.secure_port(index, applied, plan));
        // An address may go from one port to another: only now has each port let go of what it has no more.
        for (index, address) in wanted {
            self.give(index, Kind::Static, address, now);
        }
        for (index, applied) in (0..).zip(&coming) {
            if let Some(plan) = applied.as_ref().and_then(Applied::security) {
                self.recall(index, plan, snapshot, now);
            }
        }
        self.applied = coming;
    }

    /// Forgets the addresses of ports that are secured no more, or are others.
    fn release(&mut self, before: &[Option<Applied>], coming: &[Option<Applied>]) {
        for (index, old) in (0..).zip(before) {
            let after = coming.get(usize::from(index)).and_then(Option::as_ref);
            let slot = |applied: &Applied| applied.slot;
            if let Some(old) = old
                && after.map(slot) != Some(old.slot)
            {
                self.sticky |= self.secure.held(index) > 0;
                // Taking away is never refused.
                let _ = self.secure.configure(index, None);
            }
        }
    }

    /// Forgets what the port is not to have any more.
    fn let_go(&mut self, index: u16, plan: &SecurePlan, is_away: bool, snapshot: &Snapshot) {
        let port = snapshot.port(index);
        // Of a port that is not whole nobody knows yet which VLANs it is to use.
        let port = port.filter(|port| !is_away && port.state != PortState::ProfileIncomplete);
        let mut uses = Uses::new(port, snapshot);
        let mut sticky = false;
        self.secure.forget(index, |one| {
            let goes = match one.kind {
                Kind::Static => !plan.addresses.contains(&(one.vlan, one.mac)),
                Kind::Dynamic => is_away || !uses.has(one.vlan),
                Kind::Sticky => !plan.rule.sticky || !uses.has(one.vlan),
            };
            sticky |= goes && one.kind == Kind::Sticky;
            goes
        });
        self.sticky |= sticky;
    }

    /// What is to be in force: who is away loses nothing.
    fn rule(&self, index: u16, applied: &Applied, plan: &SecurePlan) -> PortSecurity {
        let mut rule = plan.rule;
        if applied.is_away {
            rule.maximum = rule.maximum.max(self.secure.held(index));
        }
        rule
    }

    /// Puts the rule in force; whether it is. Where it is refused, for want of room, the one before stays, and where there
    /// was none nothing the port sends passes.
    fn secure_port(&mut self, index: u16, applied: &Applied, plan: &SecurePlan) -> bool {
        if self.secure.is_idle() && self.secure.is_empty() {
            self.secure = SecureTable::new(self.room, self.seed);
        }
        let rule = self.rule(index, applied, plan);
        let held = self.secure.held(index);
        if self.secure.configure(index, Some(rule)).is_err() {
            return false;
        }
        if rule.sticky {
            self.secure.stick(index);
        }
        self.sticky |= rule.sticky || self.secure.held(index) < held;
        true
    }

    /// Gives a port the sticky addresses it had, as far as it has none in their place.
    fn recall(&mut self, index: u16, plan: &SecurePlan, snapshot: &Snapshot, now: Time) {
        if !plan.rule.sticky || plan.recalled.0.is_empty() {
            return;
        }
        let port = snapshot.port(index);
        let port = port.filter(|port| port.state != PortState::ProfileIncomplete);
        let mut uses = Uses::new(port, snapshot);
        for &address in plan.recalled.0.iter() {
            let is_full = self.secure.held(index) >= plan.rule.maximum;
            if !is_full && uses.has(address.0) {
                self.give(index, Kind::Sticky, address, now);
            }
        }
    }

    /// What is configured is taken from whoever learned it, and from the port's own learned addresses where there is no
    /// room; what was sticky before is taken from who has it for a while only.
    fn give(&mut self, index: u16, kind: Kind, (vlan, mac): (VlanId, Mac), now: Time) {
        match self.secure.owner(vlan, mac) {
            Some((port, has)) if port == index && (has == kind || kind == Kind::Sticky) => return,
            _ => {}
        }
        let now = policy::Time::from(now);
        let address = SecureAddress {
            vlan,
            mac,
            kind,
            since: now,
            seen: now,
        };
        // It may be in the way elsewhere, and then here.
        for _ in 0..3 {
            match self.secure.add(index, address) {
                Err(Refused::Elsewhere { port, .. }) => {
                    let gives = |other: Kind| match kind {
                        Kind::Static => other != Kind::Static,
                        Kind::Sticky | Kind::Dynamic => other == Kind::Dynamic,
                    };
                    let same = |one: &SecureAddress| (one.vlan, one.mac) == (vlan, mac);
                    // Where two ports say the same address, the first has it for as long as it says so.
                    self.secure.forget(port, |one| same(one) && gives(one.kind));
                }
                Err(Refused::Maximum { .. }) if kind == Kind::Static => {
                    let mut given_up = false;
                    self.secure.forget(index, |one| {
                        let learned = one.kind != Kind::Static && !given_up;
                        given_up |= learned;
                        learned
                    });
                }
                Ok(()) | Err(_) => break,
            }
            self.sticky = true;
        }
    }

    /// Whether any port is secured.
    #[inline(always)]
    pub(super) const fn secures(&self) -> bool {
        !self.secure.is_idle()
    }

    #[inline(always)]
    pub(super) fn admit(
        &mut self,
        index: u16,
        vlan: VlanId,
        mac: Mac,
        now: Time,
        table: &Table,
    ) -> Admission {
        let declared = &self.declared;
        let in_use = || in_use(declared, table, index, (vlan, mac), now);
        let admission = self.secure.admit(index, vlan, mac, now.into(), in_use);
        if admission == Admission::Learned(Kind::Sticky) {
            self.sticky = true;
        }
        admission
    }

    pub(super) fn foresee(
        &self,
        index: u16,
        vlan: VlanId,
        mac: Mac,
        now: Time,
        table: &Table,
    ) -> Admission {
        let in_use = || in_use(&self.declared, table, index, (vlan, mac), now);
        self.secure.foresee(index, vlan, mac, now.into(), in_use)
    }

    /// Forgets the secure addresses that `which` picks, but for those that are configured.
    pub(super) fn clear(&mut self, mut which: impl FnMut(Slot, &SecureAddress) -> bool) {
        let mut cleared = false;
        for applied in self.applied.iter().flatten() {
            self.secure.forget(applied.slot.index, |one| {
                let goes = one.kind != Kind::Static && which(applied.slot, one);
                cleared |= goes;
                goes
            });
        }
        self.sticky |= cleared;
    }

    pub(super) fn notice(&mut self, noticed: Noticed, table: &Table, now: Time) {
        let seen = policy::Time::from(now);
        let found = match noticed {
            Noticed::Elsewhere {
                vlan,
                mac,
                slot,
                keeper,
                flooded,
            } => {
                let Away {
                    held_by,
                    idle_seconds,
                } = match keeper {
                    Some(keeper) => Away {
                        held_by: keeper.index,
                        idle_seconds: 0,
                    },
                    None => table.away(),
                };
                let sighting = Sighting {
                    vlan,
                    mac,
                    held_by,
                    idle_seconds,
                    seen_at: slot.index,
                    declared_at: declared_at(&self.declared, (vlan, mac)),
                    flooded,
                };
                self.detector.sighted(sighting, seen)
            }
            Noticed::New { vlan, mac, slot } => {
                let holder = |vlan, mac| Some(table.lookup(vlan, mac, now)?.index);
                self.detector.arrived((vlan, mac), slot.index, seen, holder)
            }
            Noticed::Dropped(dropped) => {
                let holder = |vlan, mac| Some(table.lookup(vlan, mac, now)?.index);
                self.detector.dropped(dropped, seen, holder)
            }
            Noticed::Bridge(bridge, vlan, slot) => {
                self.detector.bpdu(vlan, bridge, slot.index, seen)
            }
            Noticed::Event(event) => {
                self.tell(event);
                None
            }
        };
        if let Some(found) = found {
            self.tell(GuardEvent::Bridging(found));
        }
    }

    fn tell(&mut self, event: GuardEvent) {
        if let GuardEvent::Shut { .. } = event {
            self.shut.push(event);
        } else if self.events.len() < WAITING {
            self.events.push(event);
        } else {
            self.lost += 1;
        }
    }

    /// What there is to tell; `None`: nothing.
    #[inline]
    pub fn take_news(&mut self) -> Option<GuardNews> {
        if self.shut.is_empty() && self.events.is_empty() && !self.sticky {
            return None;
        }
        Some(self.news())
    }

    #[cold]
    fn news(&mut self) -> GuardNews {
        GuardNews {
            events: self.shut.drain(..).chain(self.events.drain(..)).collect(),
            lost: std::mem::take(&mut self.lost),
            sticky: std::mem::take(&mut self.sticky),
        }
    }

    /// The secure addresses of each port whose rule is in force, by slot index.
    pub fn secure_addresses(&self, now: Time) -> Vec<(Slot, Vec<SecureAddress>)> {
        let in_force = self.applied.iter().flatten();
        let in_force = in_force.filter(|one| self.secure.rule(one.slot.index).is_some());
        let ports = in_force.map(|applied| {
            let held = self.secure.addresses(applied.slot.index, now.into());
            let mut addresses: Vec<_> = held.collect();
            addresses.sort_unstable_by_key(|one| (one.vlan, one.mac));
            (applied.slot, addresses)
        });
        ports.collect()
    }

    /// Frames that violated at a port since it was secured.
    pub fn violations(&self, slot: Slot) -> u64 {
        self.secure.violations(slot.index)
    }
}

/// In which VLANs, by filtering id, a port may have addresses; `None`: in any.
struct Uses<'a> {
    port: Option<&'a BridgePort>,
    snapshot: &'a Snapshot,
    /// Many are of one VLAN.
    last: Option<(VlanId, bool)>,
}

impl<'a> Uses<'a> {
    const fn new(port: Option<&'a BridgePort>, snapshot: &'a Snapshot) -> Self {
        Self {
            port,
            snapshot,
            last: None,
        }
    }

    fn has(&mut self, id: VlanId) -> bool {
        let Some(port) = self.port else { return true };
        match self.last {
            Some((last, has)) if last == id => has,
            _ => {
                let is_of = |vlan| port.vlan.membership(vlan) != Membership::No;
                let is_so = |vlan| self.snapshot.filtering_id(vlan) == id && is_of(vlan);
                let has = is_of(id) || VlanSet::ALL.iter().any(is_so);
                self.last = Some((id, has));
                has
            }
        }
    }
}

/// The place of another that uses the address: that says it is its own, or that it was seen behind lately. Asked once for
/// an address.
#[cold]
fn in_use(
    declared: &[Declared],
    table: &Table,
    index: u16,
    (vlan, mac): (VlanId, Mac),
    now: Time,
) -> Option<Use> {
    let mut owners = who_declares(declared, (vlan, mac));
    match owners.next() {
        Some(first) if first == index || owners.any(|one| one == index) => None,
        Some(first) => Some(Use::Declared(first)),
        None => {
            let seen = table.lookup(vlan, mac, now);
            let elsewhere = seen.filter(|slot| slot.index != index);
            elsewhere.map(|slot| Use::Seen(slot.index))
        }
    }
}

/// The place of the only one that says the address is its own.
fn declared_at(declared: &[Declared], address: (VlanId, Mac)) -> Option<u16> {
    let mut owners = who_declares(declared, address);
    owners.next().filter(|_| owners.next().is_none())
}

fn who_declares(
    declared: &[Declared],
    (vlan, mac): (VlanId, Mac),
) -> impl Iterator<Item = u16> + '_ {
    let first = declared.partition_point(|one| (one.vlan, one.mac) < (vlan, mac));
    let said = declared.get(first..).unwrap_or_default().iter();
    let said = said.take_while(move |one| (one.vlan, one.mac) == (vlan, mac));
    said.map(|one| one.slot.index)
}
