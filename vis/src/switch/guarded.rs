//! What guards know of all bridge ports together: secure addresses, addresses on the move, and what control is to hear.

use super::Time;
use super::guard::{GuardPolicy, Noticed, SecurePlan};
use super::snapshot::Snapshot;
use super::table::{Away, Table};
use niv::{Mac, Slot, VlanId};
use policy::Seed;
use policy::bridge_guard::{Bridging, Detector, Sighting};
use policy::err_disable::Cause;
use policy::security::{Admission, Kind, Refused, SecureAddress, SecureTable, Why};
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
    /// Static addresses that are not their ports', because others have them: by slot index.
    refused: Vec<(u16, (VlanId, Mac))>,
    shut: Vec<GuardEvent>,
    events: Vec<GuardEvent>,
    lost: u64,
    sticky: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Applied {
    slot: Slot,
    policy: Arc<GuardPolicy>,
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
            refused: Vec::new(),
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
        for port in snapshot.ports() {
            let at = usize::from(port.slot.index);
            if coming.len() <= at {
                coming.resize(at + 1, None);
            }
            if let (Some(place), Some(policy)) = (coming.get_mut(at), &port.policy.guards) {
                *place = Some(Applied {
                    slot: port.slot,
                    policy: Arc::clone(policy),
                });
            }
        }
        // What is told of a port that was shut is never lost.
        self.shut.reserve(coming.len());
        let before = std::mem::take(&mut self.applied);
        self.release(&before, &coming);
        // Static addresses that another port had, and those of ports that begin or change.
        let mut wanted = std::mem::take(&mut self.refused);
        wanted.retain(|(index, address)| {
            let applied = coming.get(usize::from(*index)).and_then(Option::as_ref);
            let plan = applied.and_then(Applied::security);
            plan.is_some_and(|plan| plan.addresses.contains(address))
        });
        let mut began = Vec::new();
        for (index, applied) in (0..).zip(&coming) {
            let Some(plan) = applied.as_ref().and_then(Applied::security) else {
                continue;
            };
            let old = before.get(usize::from(index)).and_then(Option::as_ref);
            let old = old.filter(|old| Some(old.slot) == applied.as_ref().map(|new| new.slot));
            let old = old.and_then(Applied::security);
            if old != Some(plan) && self.secure_port(index, old, plan) {
                wanted.extend(plan.addresses.iter().map(|&address| (index, address)));
                if plan.rule.sticky && old.is_none_or(|old| !old.rule.sticky) {
                    began.push((index, &plan.recalled));
                }
            }
        }
        // An address may go from one port to another: only now has each port let go of what it has no more.
        for (index, address) in wanted {
            self.give(index, Kind::Static, address, now);
        }
        for (index, recalled) in began {
            for &address in recalled.0.iter() {
                self.give(index, Kind::Sticky, address, now);
            }
            self.sticky = true;
        }
        self.applied = coming;
    }

    /// Forgets the addresses of ports that are secured no more, or are others.
    fn release(&mut self, before: &[Option<Applied>], coming: &[Option<Applied>]) {
        let secured = |applied: &Option<Applied>| {
            let secured = applied.as_ref().filter(|one| one.security().is_some());
            secured.map(|applied| applied.slot)
        };
        let after = |at: usize| coming.get(at).and_then(secured);
        let gone: Vec<bool> = (0..)
            .zip(before)
            .map(|(at, old)| secured(old).is_some_and(|slot| after(at) != Some(slot)))
            .collect();
        let is_gone = |port: u16| gone.get(usize::from(port)).copied().unwrap_or(false);
        if !gone.contains(&true) {
            return;
        }
        let mut sticky = false;
        self.secure.forget_each(|port, address| {
            let gone = is_gone(port);
            sticky |= gone && address.kind == Kind::Sticky;
            gone
        });
        self.sticky |= sticky;
        for port in (0..).take(gone.len()).filter(|&port| is_gone(port)) {
            // Taking away is never refused.
            let _ = self.secure.configure(port, None);
        }
    }

    /// Puts the rule in force, and lets go of what the port has no more. Where the rule is refused, for want of room, the
    /// port has none in force, and nothing it sends passes.
    fn secure_port(&mut self, index: u16, old: Option<&SecurePlan>, plan: &SecurePlan) -> bool {
        if self.secure.is_idle() && self.secure.is_empty() {
            self.secure = SecureTable::new(self.room, self.seed);
        }
        if self.secure.configure(index, Some(plan.rule)).is_err() {
            return false;
        }
        if let Some(old) = old {
            if old.rule.sticky && !plan.rule.sticky {
                self.secure.forget(index, |one| one.kind == Kind::Sticky);
                self.sticky = true;
            }
            if old.addresses != plan.addresses {
                let kept = |one: &SecureAddress| plan.addresses.contains(&(one.vlan, one.mac));
                let gone = |one: &SecureAddress| one.kind == Kind::Static && !kept(one);
                self.secure.forget(index, gone);
            }
        }
        true
    }

    /// What is configured is taken from whoever learned it, and from the port's own learned addresses where there is no
    /// room; what was learned before is not.
    fn give(&mut self, index: u16, kind: Kind, (vlan, mac): (VlanId, Mac), now: Time) {
        let now = policy::Time::from(now);
        let address = SecureAddress {
            vlan,
            mac,
            kind,
            since: now,
            seen: now,
        };
        let refused = match self.secure.add(index, address) {
            Ok(()) => return,
            Err(refused) => refused,
        };
        match refused {
            _ if kind != Kind::Static => return,
            Refused::Elsewhere { port, .. } => {
                let same = |one: &SecureAddress| (one.vlan, one.mac) == (vlan, mac);
                self.secure
                    .forget(port, |one| same(one) && one.kind != Kind::Static);
                self.sticky = true;
            }
            Refused::Maximum { .. } => {
                let mut given_up = false;
                self.secure.forget(index, |one| {
                    let learned = one.kind != Kind::Static && !given_up;
                    given_up |= learned;
                    learned
                });
                self.sticky = true;
            }
            Refused::NoRoom { .. } | Refused::NotSecured => return,
        }
        // Still refused where another port has it by configuration, for as long as it does.
        if self.secure.add(index, address).is_err() {
            self.refused.push((index, (vlan, mac)));
        }
    }

    #[inline(always)]
    pub(super) fn admit(&mut self, index: u16, vlan: VlanId, mac: Mac, now: Time) -> Admission {
        if self.secure.is_idle() {
            return Admission::NotSecured;
        }
        let admission = self.secure.admit(index, vlan, mac, now.into());
        if admission == Admission::Learned(Kind::Sticky) {
            self.sticky = true;
        }
        admission
    }

    pub(super) fn foresee(&self, index: u16, vlan: VlanId, mac: Mac, now: Time) -> Admission {
        if self.secure.is_idle() {
            return Admission::NotSecured;
        }
        self.secure.foresee(index, vlan, mac, now.into())
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
                    flooded,
                };
                self.detector.sighted(sighting, seen)
            }
            Noticed::New { vlan, mac, slot } => {
                let holder = |vlan, mac| Some(table.lookup(vlan, mac, now)?.index);
                self.detector.arrived((vlan, mac), slot.index, seen, holder)
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

    /// The secure addresses of each port that is secured, by slot index.
    pub fn secure_addresses(&self, now: Time) -> Vec<(Slot, Vec<SecureAddress>)> {
        let mut ports: Vec<Option<(Slot, Vec<SecureAddress>)>> = self
            .applied
            .iter()
            .map(|applied| {
                let secured = applied.as_ref().filter(|one| one.security().is_some());
                secured.map(|applied| (applied.slot, Vec::new()))
            })
            .collect();
        for (port, address) in self.secure.all(now.into()) {
            if let Some(Some((_, addresses))) = ports.get_mut(usize::from(port)) {
                addresses.push(address);
            }
        }
        let mut ports: Vec<_> = ports.into_iter().flatten().collect();
        for (_, addresses) in &mut ports {
            addresses.sort_unstable_by_key(|one| (one.vlan, one.mac));
        }
        ports
    }

    /// Frames that violated at a port since it was secured.
    pub fn violations(&self, slot: Slot) -> u64 {
        self.secure.violations(slot.index)
    }
}
