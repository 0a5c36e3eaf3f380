//! Guards: stages that ask whether a bridge port behaves as its profile says. Storm control, BPDU guard, port security,
//! and guests that bridge two ports; the rules are [`policy`]'s.
//!
//! A guard that shuts a port does so with the very frame: from then on what the port sends is dropped here. Control hears
//! of it within a round of the worker and publishes a snapshot in which the port is
//! [`PortState::ErrDisabled`](super::PortState). What the port still gets in those milliseconds is what it got before, which
//! harms nobody.

use super::guarded::GuardEvent;
use super::pipeline::{Frame, Verdict};
use super::rate::shorten;
use super::snapshot::{BridgePort, Snapshot};
use super::trail::{Step, Trail};
use super::{Learned, Time};
use niv::{DropReason, Mac, Slot, VlanId, VlanTag};
use policy::bridge_guard::{Bpdu, BpduGuard, Dropped, Fingerprint, Guarded};
use policy::err_disable::Cause;
use policy::security::{Admission, PortSecurity, Violation};
use policy::storm::{Class, StormControl};
use std::sync::Arc;

/// What guards ask of one bridge port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardPolicy {
    /// How much it may flood.
    pub storm: StormControl,
    /// What becomes of spanning tree BPDUs it sends.
    pub bpdu: BpduGuard,
    /// The addresses it may send from; `None`: any that is nobody else's.
    pub security: Option<SecurePlan>,
}

/// The port security of one bridge port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurePlan {
    /// The rule.
    pub rule: PortSecurity,
    /// Its static addresses.
    pub addresses: SecureList,
    /// The sticky addresses it has from before, when it begins to be secured.
    pub recalled: Recalled,
}

/// Filtering ids and addresses.
pub type SecureList = Vec<(VlanId, Mac)>;

/// What is known from before. It matters where a port begins to be secured and nowhere else, so for a plan's being another
/// one it does not count: learning an address would else be a change of policy.
#[derive(Clone, Debug, Default)]
pub struct Recalled(pub Arc<[(VlanId, Mac)]>);

impl PartialEq for Recalled {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Recalled {}

/// What a guard was asked about a frame, and the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardStep {
    /// Is the port open.
    Standing(Result<(), DropReason>),
    /// A spanning tree BPDU.
    Bpdu(Result<(), DropReason>),
    /// May its source be behind this port.
    Source(Admission, Result<(), DropReason>),
    /// May it be flooded.
    Storm(Class, Result<(), DropReason>),
}

/// Something about a frame that concerns more than this frame.
#[derive(Clone, Copy, Debug)]
pub(super) enum Noticed {
    /// Its source was elsewhere.
    Elsewhere {
        /// The filtering id.
        vlan: VlanId,
        /// The source.
        mac: Mac,
        /// Where it was seen now.
        slot: Slot,
        /// The promiscuous port that keeps it; `None`: the table moved it, or held it back.
        keeper: Option<Slot>,
        /// Of a frame to a group.
        flooded: Option<Fingerprint>,
    },
    /// Its source is new in its VLAN.
    New {
        /// The filtering id.
        vlan: VlanId,
        /// The source.
        mac: Mac,
        /// Where it was seen.
        slot: Slot,
    },
    /// Policy dropped the frame before it was learned from, and its source is not known at its port.
    Dropped(Dropped),
    /// It is a BPDU of this bridge, in the VLAN of that filtering id, if it is in one.
    Bridge(u64, Option<VlanId>, Slot),
    /// A guard has something to tell.
    Event(GuardEvent),
}

/// Whether a guard has shut the port.
#[inline(always)]
pub(super) fn standing(trail: &mut impl Trail, from: &BridgePort) -> Result<(), DropReason> {
    if from.policy.guards.is_none() {
        return Ok(());
    }
    let result = if trail.kept(from.slot.index).err_disabled.is_open() {
        Ok(())
    } else {
        Err(DropReason::ErrDisabled)
    };
    trail.step(Step::Guard(GuardStep::Standing(result)));
    result
}

/// Whether the frame is a BPDU that may not come from there.
#[inline(always)]
pub(super) fn bpdu(
    trail: &mut impl Trail,
    snapshot: &Snapshot,
    now: Time,
    from: &BridgePort,
    frame: &Frame<'_>,
) -> Result<(), DropReason> {
    let has_tag = frame.tag.is_some();
    match Bpdu::find(frame.destination, frame.bytes, frame.skip, has_tag) {
        None => Ok(()),
        Some(bpdu) => judge_bpdu(trail, snapshot, now, from, frame.tag, bpdu),
    }
}

#[cold]
fn judge_bpdu(
    trail: &mut impl Trail,
    snapshot: &Snapshot,
    now: Time,
    from: &BridgePort,
    tag: Option<VlanTag>,
    bpdu: Bpdu,
) -> Result<(), DropReason> {
    if let Some(bridge) = bpdu.bridge {
        let vlan = from.vlan.classify(tag, snapshot.defined()).ok();
        let vlan = vlan.map(|vlan| snapshot.filtering_id(vlan));
        trail.notice(Noticed::Bridge(bridge, vlan, from.slot), now);
    }
    let guard = from.policy.guards.as_ref();
    let guard = guard.map_or(BpduGuard::Off, |guards| guards.bpdu);
    let result = match guard.judge() {
        Guarded::Passes => Ok(()),
        Guarded::Dropped(cause) => {
            if let Some(cause) = cause {
                shut(trail, from, cause, now);
            }
            Err(DropReason::BpduGuard)
        }
    };
    trail.step(Step::Guard(GuardStep::Bpdu(result)));
    result
}

/// What was learned of a source that was not known where it is.
pub(super) fn learned(
    trail: &mut impl Trail,
    snapshot: &Snapshot,
    learned: Learned,
    vlan: VlanId,
    frame: &Frame<'_>,
    from: &BridgePort,
    now: Time,
) {
    let vlan = snapshot.filtering_id(vlan);
    let (mac, slot) = (frame.source, from.slot);
    let noticed = match learned {
        Learned::Known | Learned::NotOpen => return,
        Learned::New | Learned::NewForAnother => Noticed::New { vlan, mac, slot },
        Learned::Moved | Learned::Held | Learned::AtPromiscuous => {
            let stays = learned == Learned::AtPromiscuous;
            let keeper = stays.then(|| trail.lookup(vlan, mac, now)).flatten();
            Noticed::Elsewhere {
                vlan,
                mac,
                slot,
                keeper,
                flooded: flooded(frame),
            }
        }
    };
    trail.notice(noticed, now);
}

/// By what a frame to a group is known again.
fn flooded(frame: &Frame<'_>) -> Option<Fingerprint> {
    let rest = frame.bytes.get(usize::from(frame.skip)..);
    let is_group = frame.destination.is_group();
    rest.filter(|_| is_group).map(Fingerprint::of)
}

/// A frame was dropped before it was learned from: a guest that bridges is found by it all the same.
#[cold]
pub(super) fn dropped(
    trail: &mut impl Trail,
    now: Time,
    from: &BridgePort,
    vlan: VlanId,
    frame: &Frame<'_>,
) {
    let holder = trail.lookup(vlan, frame.source, now);
    if holder != Some(from.slot) {
        let dropped = Dropped {
            vlan,
            mac: frame.source,
            seen_at: from.slot.index,
            is_elsewhere: holder.is_some(),
            flooded: flooded(frame),
        };
        trail.notice(Noticed::Dropped(dropped), now);
    }
}

/// Whether the port may send from this address.
#[inline(always)]
pub(super) fn source(
    trail: &mut impl Trail,
    now: Time,
    from: &BridgePort,
    vlan: VlanId,
    mac: Mac,
) -> Result<(), DropReason> {
    let guards = from.policy.guards.as_ref();
    let secured = guards.is_some_and(|guards| guards.security.is_some());
    if trail.secures() || secured {
        judge_source(trail, now, from, (vlan, mac), secured)
    } else {
        Ok(())
    }
}

#[inline(never)]
fn judge_source(
    trail: &mut impl Trail,
    now: Time,
    from: &BridgePort,
    (vlan, mac): (VlanId, Mac),
    secured: bool,
) -> Result<(), DropReason> {
    let admission = trail.admit(from.slot.index, vlan, mac, now);
    let result = match admission {
        Admission::NotSecured if !secured => return Ok(()),
        Admission::Known | Admission::Learned(_) => Ok(()),
        // Its rule is not in force.
        Admission::NotSecured => Err(DropReason::PortSecurity),
        Admission::Violation(violation) => {
            violated(trail, now, from, (vlan, mac), violation);
            Err(DropReason::PortSecurity)
        }
    };
    trail.step(Step::Guard(GuardStep::Source(admission, result)));
    result
}

#[cold]
fn violated(
    trail: &mut impl Trail,
    now: Time,
    from: &BridgePort,
    (vlan, mac): (VlanId, Mac),
    violation: Violation,
) {
    if violation.tell {
        let event = GuardEvent::Violation {
            slot: from.slot,
            vlan,
            mac,
            why: violation.why,
        };
        trail.notice(Noticed::Event(event), now);
    }
    if let Some(cause) = violation.shut() {
        shut(trail, from, cause, now);
    }
}

/// Whether the frame, if it is to be flooded, still may be.
#[inline(always)]
pub(super) fn storm(
    trail: &mut impl Trail,
    now: Time,
    from: &BridgePort,
    frame: &mut Frame<'_>,
    verdict: &Verdict<'_>,
) -> Result<(), DropReason> {
    match (&from.policy.guards, verdict) {
        (Some(guards), Verdict::Flood(_)) if !guards.storm.is_off() => {
            judge_flood(trail, now, from, frame, &guards.storm)
        }
        _ => Ok(()),
    }
}

/// Of an oversized frame the first so many segments pass, as they would have if they had come one by one.
fn judge_flood(
    trail: &mut impl Trail,
    now: Time,
    from: &BridgePort,
    frame: &mut Frame<'_>,
    control: &StormControl,
) -> Result<(), DropReason> {
    let class = Class::of(frame.destination);
    let train = frame.arrived();
    let state = &mut trail.kept(from.slot.index).storm;
    let judged = control.judge(state, now.into(), class, train);
    let passing = (train, judged.pass);
    let result = shorten(trail, from, frame, passing, DropReason::StormControl);
    if judged.begins {
        let slot = from.slot;
        let event = GuardEvent::Storm { slot, class };
        trail.notice(Noticed::Event(event), now);
    }
    if let Some(cause) = judged.shut {
        shut(trail, from, cause, now);
    }
    trail.step(Step::Guard(GuardStep::Storm(class, result)));
    result
}

/// From here on nothing the port sends goes further.
#[cold]
fn shut(trail: &mut impl Trail, from: &BridgePort, cause: Cause, now: Time) {
    let state = &mut trail.kept(from.slot.index).err_disabled;
    if state.shut(cause, now.into()) {
        let slot = from.slot;
        let event = GuardEvent::Shut { slot, cause };
        trail.notice(Noticed::Event(event), now);
    }
}
