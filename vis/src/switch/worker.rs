//! One worker's switch: the table, the counters, and the way of a frame through them.

use super::account::Account;
use super::balance::{Balance, Keep};
use super::decided::{Decided, Decisions, Tale};
use super::flood::List;
use super::guard::Noticed;
use super::guarded::{GuardEvent, Guards};
use super::kept::Kept;
use super::pipeline::{self, Frame, Verdict};
use super::rate;
use super::rehearsal::{Explanation, rehearse};
use super::snapshot::{BridgePort, PortState, Snapshot};
use super::trail::{Step, Trail};
use super::{Entry, Learned, Membership, Seed, Table, Time};
use crate::edge::{self, Content, Departure};
use niv::{Counters, DropReason, Mac, PortId, Slot, VlanId, VlanTag, Weight};
use packet_io::dispatch::Outgoing;
use packet_io::{Edit, RxFrame};
use policy::acl::{AccessList, Hits, ListName};
use policy::err_disable::Cause;
use policy::security::Admission;
use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use vntag::ethertype;

/// Entries cleared away in one go, as many as one burst can bring.
const CLEARED_AT_ONCE: usize = packet_io::BURST;

/// Everything that changes while frames are forwarded. Owned by one worker.
#[derive(Clone, Debug)]
pub struct Switch {
    table: Table,
    balance: Balance,
    /// What policy keeps of each bridge port, by slot index.
    kept: Kept,
    /// What access lists have decided.
    decisions: Decisions,
    guards: Guards,
    epoch: Option<u64>,
    now: Time,
}

impl Switch {
    /// A switch that knows nothing yet, with room for `addresses` in its table.
    pub fn new(addresses: NonZeroU32, seed: Seed) -> Self {
        Self {
            table: Table::new(addresses, seed),
            balance: Balance::default(),
            kept: Kept::default(),
            decisions: Decisions::default(),
            guards: Guards::new(seed),
            epoch: None,
            now: Time::default(),
        }
    }

    /// With room for so many secure addresses, in place of [`MAX_SECURE`](super::MAX_SECURE).
    #[must_use]
    pub fn with_room_for_secure(mut self, addresses: u32) -> Self {
        self.guards.set_room(addresses);
        self
    }

    /// Receives one frame: counts it, learns from it, and appends its copies to `out`.
    ///
    /// `device` is the device it came in on and `index` its place in the burst; both only for `out`.
    /// Every copy is owed a fate: [`Switch::sent`] or [`Switch::drop_copy`] of [`Outgoing::account`],
    /// before a snapshot of another epoch is used.
    pub fn receive(
        &mut self,
        snapshot: &Snapshot,
        now: Time,
        device: PortId,
        index: u16,
        frame: &RxFrame<'_>,
        out: &mut Vec<Outgoing>,
    ) {
        self.attend(snapshot, now);
        pass(self, snapshot, now, device, index, frame, out);
    }

    /// What [`Switch::receive`] would do with a frame, and why. Nothing is learned or counted. The switch has
    /// to have [attended](Switch::attend) to `snapshot`.
    pub fn explain(
        &self,
        snapshot: &Snapshot,
        now: Time,
        device: PortId,
        frame: &RxFrame<'_>,
    ) -> Explanation {
        self.rehearse(&self.guards, snapshot, now, device, frame)
    }

    /// What guards would know of all ports once the switch has taken up `snapshot`.
    pub fn guards_by(&self, snapshot: &Snapshot, now: Time) -> Guards {
        let mut guards = self.guards.clone();
        guards.adopt(snapshot, now);
        guards
    }

    /// As [`Switch::explain`], of a snapshot that the switch has not taken up, by what [`Switch::guards_by`] says of it.
    pub fn rehearse(
        &self,
        guards: &Guards,
        snapshot: &Snapshot,
        now: Time,
        device: PortId,
        frame: &RxFrame<'_>,
    ) -> Explanation {
        let kept = (&self.kept, guards);
        rehearse(&self.table, kept, snapshot, now, device, frame)
    }

    /// Takes up a new snapshot and clears away what has aged. [`Switch::receive`] does it by itself; for
    /// when nothing is received.
    #[inline]
    pub fn attend(&mut self, snapshot: &Snapshot, now: Time) {
        if self.epoch != Some(snapshot.epoch()) {
            self.adopt(snapshot, now);
        }
        if self.now.as_millis() != now.as_millis() {
            self.begin(now);
        }
    }

    /// The device took a copy of `account`'s, `weight` as it left. A list's copy counts once as sent, at its
    /// device, and as listed at each member it is for.
    pub fn sent(&mut self, account: u32, weight: Weight) {
        self.balance.sent(account.into(), weight);
    }

    /// A copy of `account`'s was dropped after all: at its bridge port, or if it was a list's, at its device.
    pub fn drop_copy(&mut self, account: u32, reason: DropReason, weight: Weight) {
        self.balance.drop_copy(account.into(), reason, weight);
    }

    /// Has the counters of all bridge ports kept that have changed since the last time: at the end of a round.
    pub fn keep(&mut self, kept: &mut impl Keep) {
        self.balance.keep(kept);
    }

    /// A bridge port's counters; `None`: it has received no snapshot's attention yet.
    pub fn counters(&self, slot: Slot) -> Option<Counters> {
        self.balance.port(slot)
    }

    /// What policy keeps of a bridge port; `None`: it has received no snapshot's attention yet.
    pub fn policy_state(&self, slot: Slot) -> Option<policy::PortState> {
        self.balance.port(slot).map(|_| self.kept.copy(slot.index))
    }

    /// A device's frames that did not say whose they are, and its lists' copies.
    pub fn link_counters(&self, device: PortId) -> Option<&Counters> {
        self.balance.link(device)
    }

    /// The sum over all bridge ports, those gone too, and all links. Its imbalance is 0 whenever every
    /// copy has met its fate.
    pub fn total(&self) -> Counters {
        self.balance.total()
    }

    /// The addresses known at `now`, by VLAN and address.
    pub fn addresses(&self, now: Time) -> Vec<Entry> {
        let mut entries: Vec<_> = self.table.entries(now).collect();
        entries.sort_unstable_by_key(|entry| (entry.vlan, entry.mac));
        entries
    }

    /// The access lists that ports are asked by, and how often each line has decided since the list was applied first.
    pub fn hits(&self) -> impl Iterator<Item = (&Arc<AccessList>, &Hits)> {
        self.decisions.hits()
    }

    /// Begins to count anew what lines decide; `None`: of all lists.
    pub fn clear_hits(&mut self, only: Option<&ListName>) {
        self.decisions.clear(only);
    }

    /// Frames that lines with `log` have decided since this was asked last.
    pub fn take_told(&mut self) -> Tale {
        self.decisions.take()
    }

    /// Forgets the addresses `which` picks: `clear mac address-table`.
    pub fn forget_addresses(&mut self, which: impl FnMut(&Entry) -> bool, now: Time) {
        self.table.forget(which, now);
    }

    /// Forgets the secure addresses `which` picks, but for those that are configured, and where they are: `clear
    /// port-security`. Returns how many.
    pub fn clear_secure(
        &mut self,
        mut which: impl FnMut(Slot, policy::security::Kind, Mac) -> bool,
        now: Time,
    ) -> usize {
        let mut cleared = BTreeSet::new();
        self.guards.clear(|slot, one| {
            let goes = which(slot, one.kind, one.mac);
            if goes {
                cleared.insert((one.vlan, one.mac));
            }
            goes
        });
        if !cleared.is_empty() {
            let is_cleared = |entry: &Entry| cleared.contains(&(entry.vlan, entry.mac));
            self.table.forget(is_cleared, now);
        }
        cleared.len()
    }

    #[cold]
    fn begin(&mut self, now: Time) {
        self.now = now;
        self.table.clear_away(CLEARED_AT_ONCE, now);
    }

    /// What guards know of all ports together.
    pub const fn guards(&self) -> &Guards {
        &self.guards
    }

    /// The same, for what they have to tell.
    pub const fn guards_mut(&mut self) -> &mut Guards {
        &mut self.guards
    }

    /// A guard that is not asked for each frame shuts a bridge port.
    pub fn err_disable(&mut self, slot: Slot, cause: Cause, now: Time) {
        if self.kept.is_of(slot) {
            let state = &mut self.kept.of(slot.index).err_disabled;
            state.shut(cause, now.into());
            self.table.forget_all_of(slot);
        }
    }

    /// A bridge port that a guard has shut is open again.
    pub fn open(&mut self, slot: Slot) {
        if self.kept.is_of(slot) {
            self.kept.of(slot.index).err_disabled.open();
        }
    }

    #[cold]
    fn adopt(&mut self, snapshot: &Snapshot, now: Time) {
        self.epoch = Some(snapshot.epoch());
        self.balance.adopt(snapshot);
        self.kept.adopt(snapshot);
        self.decisions.adopt(snapshot);
        self.guards.adopt(snapshot, now);
        self.table.set_parameters(snapshot.table());
        // A port that is shut has no addresses: a loop may have left others' there, and who is looked for is elsewhere or
        // nowhere.
        let is_shut =
            |port: &BridgePort| matches!(port.state, PortState::Shut | PortState::ErrDisabled);
        for index in 0..self.table.places() {
            if snapshot.port(index).is_none_or(is_shut) {
                self.table.close(index);
            }
        }
        for port in snapshot.ports().filter(|port| !is_shut(port)) {
            self.table.open(port.slot);
        }
    }
}

/// On the data path: the worker's own table and counters, and nobody who asks.
impl Trail for Switch {
    #[inline(always)]
    fn learn(&mut self, vlan: VlanId, mac: Mac, slot: Slot, now: Time) -> Learned {
        self.table.learn(vlan, mac, slot, now)
    }

    #[cold]
    fn claim(&mut self, vlan: VlanId, mac: Mac, slot: Slot, now: Time) -> Learned {
        self.table.claim(vlan, mac, slot, now)
    }

    #[inline(always)]
    fn lookup(&self, vlan: VlanId, mac: Mac, now: Time) -> Option<Slot> {
        self.table.lookup(vlan, mac, now)
    }

    #[inline(always)]
    fn passing(&mut self, index: u16) -> &mut Counters {
        self.balance.port_mut(index)
    }

    #[inline(always)]
    fn troubled(&mut self, index: u16) -> &mut Counters {
        self.balance.troubled_mut(index)
    }

    #[inline(always)]
    fn link(&mut self, device: PortId) -> &mut Counters {
        self.balance.link_mut(device)
    }

    #[inline(always)]
    fn drop_copy(&mut self, account: Account, reason: DropReason, weight: Weight) {
        self.balance.drop_copy(account, reason, weight);
    }

    #[inline(always)]
    fn secures(&self) -> bool {
        self.guards.secures()
    }

    #[inline(always)]
    fn admit(&mut self, index: u16, vlan: VlanId, mac: Mac, now: Time) -> Admission {
        self.guards.admit(index, vlan, mac, now, &self.table)
    }

    #[cold]
    fn notice(&mut self, noticed: Noticed, now: Time) {
        self.guards.notice(noticed, &self.table, now);
        if let Noticed::Event(GuardEvent::Shut { slot, .. }) = noticed {
            self.table.forget_all_of(slot);
        }
    }

    #[inline(always)]
    fn kept(&mut self, index: u16) -> &mut policy::PortState {
        self.kept.of(index)
    }

    #[inline]
    fn decided(&mut self, decided: &Decided<'_>) {
        self.decisions.count(decided, self.now);
    }

    #[inline(always)]
    fn step(&mut self, _step: Step) {}
}

/// The way of one frame: whose it is, what becomes of it, and its copies.
#[inline]
pub(super) fn pass<T: Trail>(
    trail: &mut T,
    snapshot: &Snapshot,
    now: Time,
    device: PortId,
    index: u16,
    frame: &RxFrame<'_>,
    out: &mut Vec<Outgoing>,
) {
    let mut arrival = edge::arrive(snapshot.link(device), frame);
    let from = arrival.owner.and_then(|owner| snapshot.port(owner));
    for anomaly in arrival.odd.iter() {
        trail.step(Step::Odd(anomaly));
        counters_of(trail, device, from).anomalies.add(anomaly);
    }
    match (&mut arrival.content, from) {
        (Content::Frame(frame), Some(from)) => {
            trail.step(Step::Arrival(arrival.owner, Ok(())));
            forward(trail, snapshot, now, from, index, frame, out);
        }
        (content, from) => {
            let refused = match content {
                Content::Frame(_) => DropReason::Shut,
                Content::Refused(reason) => *reason,
                Content::Control => {
                    trail.step(Step::Control);
                    counters_of(trail, device, from).consume(arrival.weight);
                    return;
                }
            };
            trail.step(Step::Arrival(arrival.owner, Err(refused)));
            counters_of(trail, device, from).drop_received(refused, arrival.weight);
        }
    }
}

fn counters_of<'t>(
    trail: &'t mut impl Trail,
    device: PortId,
    from: Option<&BridgePort>,
) -> &'t mut Counters {
    match from {
        Some(from) => trail.troubled(from.slot.index),
        None => trail.link(device),
    }
}

#[inline(always)]
fn forward<T: Trail>(
    trail: &mut T,
    snapshot: &Snapshot,
    now: Time,
    from: &BridgePort,
    index: u16,
    frame: &mut Frame<'_>,
    out: &mut Vec<Outgoing>,
) {
    let verdict = pipeline::judge(trail, snapshot, now, from, frame);
    let mut copies = Copies {
        trail,
        now,
        from,
        index,
        frame,
        out,
    };
    match verdict {
        Ok(Verdict::Forward(vlan, to)) => {
            copies.counters().forward(frame.weight);
            copies.copy(to, vlan);
        }
        Ok(Verdict::Flood(vlan)) => copies.flood(snapshot, vlan),
        Ok(Verdict::Consumed) => copies.counters().consume(frame.weight),
        Err(reason) => copies.drop_received(reason),
    }
}

/// The copies of one frame.
struct Copies<'a, T> {
    trail: &'a mut T,
    now: Time,
    from: &'a BridgePort,
    index: u16,
    frame: &'a Frame<'a>,
    out: &'a mut Vec<Outgoing>,
}

impl<T: Trail> Copies<'_, T> {
    fn counters(&mut self) -> &mut Counters {
        self.trail.passing(self.from.slot.index)
    }

    fn drop_received(&mut self, reason: DropReason) {
        let counters = self.trail.troubled(self.from.slot.index);
        counters.drop_received(reason, self.frame.weight);
    }

    fn flood(&mut self, snapshot: &Snapshot, vlan: VlanId) {
        let mut copies = 0;
        if let Some(flood) = snapshot.flood(vlan) {
            copies += self.copy_each(snapshot, &flood.single, vlan);
            for &(place, membership) in &flood.listed {
                let Some(list) = snapshot.list(place) else {
                    continue;
                };
                let takes_all = pipeline::fits(self.frame, list.mtu)
                    && !pipeline::shows_inner_tag(self.frame, membership);
                copies += if takes_all {
                    self.copy_to_list(place, list, vlan, membership);
                    1
                } else {
                    self.trail.step(Step::ListTooSmall(place));
                    self.copy_each(snapshot, &list.members, vlan)
                };
            }
        }
        let weight = self.frame.weight;
        if copies == 0 {
            self.drop_received(DropReason::NoMember);
        } else {
            self.counters().flood(weight, copies);
        }
    }

    /// One copy for each of `members` but the sender. Returns how many that were.
    fn copy_each(&mut self, snapshot: &Snapshot, members: &[u16], vlan: VlanId) -> u64 {
        let mut copies = 0;
        for &member in members {
            if member != self.from.slot.index
                && let Some(to) = snapshot.port(member)
            {
                self.copy(to, vlan);
                copies += 1;
            }
        }
        copies
    }

    /// One copy for `to`: sent on its way, or dropped and counted there.
    #[inline(always)]
    fn copy(&mut self, to: &BridgePort, vlan: VlanId) {
        self.trail.step(Step::CopyFor(to.slot.index));
        let outgoing = self.outgoing(to, vlan);
        self.push(Account::Port(to.slot.index), outgoing);
    }

    /// One copy for all in `list` but the sender.
    fn copy_to_list(&mut self, place: u16, list: &List, vlan: VlanId, membership: Membership) {
        // Who is on that link and in that VLAN, tags it alike and gets floods at all, is in the list.
        let from = self.from;
        let is_member = from.home.device == list.device
            && from.state == PortState::Forwarding
            && !from.policy.judges_copies()
            && from.vlan.membership(vlan) == membership;
        let left_out = is_member.then_some(self.from.slot.index);
        self.trail.step(Step::CopyForList(place, left_out));
        let account = Account::List { place, left_out };
        let tag = self.tag(membership, vlan);
        let outgoing = edge::depart_to_list(self.frame, self.from.home, list.device, list.id, tag)
            .map(|departure| {
                self.leaving(list.device, account, departure, self.frame.edit.segments)
            })
            .map_err(|_| DropReason::Truncated);
        self.push(account, outgoing);
    }

    #[inline]
    fn push(&mut self, account: Account, outgoing: Result<Outgoing, DropReason>) {
        match outgoing {
            Ok(outgoing) => self.out.push(outgoing),
            Err(reason) => self.trail.drop_copy(account, reason, self.frame.weight),
        }
    }

    #[inline(always)]
    fn outgoing(&mut self, to: &BridgePort, vlan: VlanId) -> Result<Outgoing, DropReason> {
        let membership = pipeline::admit(self.trail, to, vlan, self.frame)?;
        let segments = rate::egress(self.trail, self.now, to, membership, self.frame)?;
        let tag = self.tag(membership, vlan);
        let departure = edge::depart(self.frame, self.from.home, to.home, tag)
            .map_err(|_| DropReason::Truncated)?;
        let account = Account::Port(to.slot.index);
        Ok(self.leaving(to.home.device, account, departure, segments))
    }

    #[inline]
    fn tag(&self, membership: Membership, vlan: VlanId) -> Option<VlanTag> {
        match membership {
            Membership::Tagged => Some(self.tag_of(vlan)),
            Membership::TaggedAs(primary) => Some(self.tag_of(primary)),
            Membership::Untagged | Membership::No => None,
        }
    }

    #[inline]
    fn tag_of(&self, vlan: VlanId) -> VlanTag {
        VlanTag {
            tpid: ethertype::VLAN,
            tci: pipeline::tag_control(self.frame, vlan),
        }
    }

    #[inline]
    fn leaving(
        &self,
        port: PortId,
        account: Account,
        departure: Departure,
        segments: Option<NonZeroU16>,
    ) -> Outgoing {
        Outgoing {
            port,
            account: account.into(),
            frame: self.index,
            gather: departure.gather,
            uncounted: departure.uncounted,
            edit: Edit {
                rewrite: self.frame.edit.rewrite,
                segments,
            },
        }
    }
}
