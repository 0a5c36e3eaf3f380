//! The stages a frame goes through, in the order of design.md sections 5.6 and 5.7. A stage is a
//! function that passes or names its reason not to; [`judge`] and [`admit`] are the order.

use super::filters;
use super::guard;
use super::rate;
use super::snapshot::{BridgePort, PortState, Snapshot};
use super::trail::{Step, Trail};
use super::{Learned, Membership, Time, private_vlan};
use niv::{Anomaly, DropReason, Mac, VlanId, VlanTag, Weight};
use packet_io::Edit;
use vntag::ethertype;

/// A received frame, whatever link dialect brought it: only what it carries, and nothing of how its
/// link marked it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// As received, mark and all: what copies are cut from.
    pub bytes: &'a [u8],
    /// To whom.
    pub destination: Mac,
    /// From whom.
    pub source: Mac,
    /// The outer VLAN tag, wherever it was found.
    pub tag: Option<VlanTag>,
    /// Where in `bytes` the EtherType behind link mark and outer VLAN tag stands, 12..=22.
    pub skip: u16,
    /// Octets behind that EtherType; of an oversized frame, in the longest segment.
    pub payload: u32,
    /// Wire frames it stands for, and their octets.
    pub weight: Weight,
    /// The upper four bits of the VLAN tag it leaves with, where it gets one: 0 unless marking says other.
    pub priority: u16,
    /// How it differs from what came, for all its copies.
    pub edit: Edit,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict<'a> {
    /// It ends here: nobody else is to see it.
    Consumed,
    /// To one bridge port.
    Forward(VlanId, &'a BridgePort),
    /// To everybody else in the VLAN.
    Flood(VlanId),
}

/// The ingress half.
#[inline(always)]
pub(super) fn judge<'a, T: Trail>(
    trail: &mut T,
    snapshot: &'a Snapshot,
    now: Time,
    from: &BridgePort,
    frame: &mut Frame<'_>,
) -> Result<Verdict<'a>, DropReason> {
    let standing = standing(from.state);
    trail.step(Step::Standing(standing));
    standing?;
    guard::standing(trail, from)?;
    let addresses = addresses(frame);
    trail.step(Step::Addresses(addresses));
    addresses?;
    guard::bpdu(trail, snapshot, now, from, frame)?;
    let is_link_local = frame.destination.is_link_local();
    trail.step(Step::LinkLocal(is_link_local));
    if is_link_local {
        return Ok(Verdict::Consumed);
    }
    let vlan = from.vlan.classify(frame.tag, snapshot.defined());
    let vlan = vlan.map_err(|reason| inactive(snapshot, from, frame, reason));
    trail.step(Step::Classify(vlan));
    let vlan = vlan?;
    let filtering_id = snapshot.filtering_id(vlan);
    if let Err(reason) = allow(trail, now, from, filtering_id, frame) {
        guard::dropped(trail, now, from, filtering_id, frame);
        return Err(reason);
    }
    learn(trail, snapshot, vlan, frame, from, now);
    let verdict = direct(
        trail,
        snapshot,
        (vlan, filtering_id),
        frame.destination,
        from,
        now,
    )?;
    guard::storm(trail, now, from, frame, &verdict)?;
    Ok(verdict)
}

/// What its policy allows a port to send: only that is learned from.
#[inline(always)]
fn allow(
    trail: &mut impl Trail,
    now: Time,
    from: &BridgePort,
    filtering_id: VlanId,
    frame: &mut Frame<'_>,
) -> Result<(), DropReason> {
    guard::source(trail, now, from, filtering_id, frame.source)?;
    filters::inward(trail, from, frame)?;
    rate::ingress(trail, now, from, frame)
}

/// The egress half for one copy: how it leaves by `to`.
#[inline(always)]
pub(super) fn admit(
    trail: &mut impl Trail,
    to: &BridgePort,
    vlan: VlanId,
    frame: &Frame<'_>,
) -> Result<Membership, DropReason> {
    let reachable = reachable(to.state);
    trail.step(Step::Reachable(reachable));
    reachable?;
    let membership = membership(to, vlan, frame);
    trail.step(Step::Member(membership));
    let membership = membership?;
    let fits = if fits(frame, to.mtu) {
        Ok(())
    } else {
        Err(DropReason::MtuExceeded)
    };
    trail.step(Step::Fits(fits));
    fits?;
    filters::outward(trail, to, frame)?;
    Ok(membership)
}

/// Whether `frame` is no longer than `mtu` allows. All that is left to ask of those who share a copy.
#[inline]
pub(super) const fn fits(frame: &Frame<'_>, mtu: u32) -> bool {
    frame.payload <= mtu
}

/// The 16 bits of a tag that says `vlan`, with the priority `frame` leaves with.
#[inline]
pub(super) const fn tag_control(frame: &Frame<'_>, vlan: VlanId) -> u16 {
    frame.priority | vlan.get()
}

const fn standing(state: PortState) -> Result<(), DropReason> {
    match state {
        PortState::Forwarding | PortState::Opening => Ok(()),
        PortState::Shut => Err(DropReason::Shut),
        PortState::ErrDisabled => Err(DropReason::ErrDisabled),
        PortState::ProfileIncomplete => Err(DropReason::ProfileIncomplete),
    }
}

const fn addresses(frame: &Frame<'_>) -> Result<(), DropReason> {
    if frame.source.is_group() {
        Err(DropReason::GroupSource)
    } else if frame.source.is_zero() {
        Err(DropReason::ZeroSource)
    } else {
        Ok(())
    }
}

#[inline(always)]
fn learn(
    trail: &mut impl Trail,
    snapshot: &Snapshot,
    vlan: VlanId,
    frame: &Frame<'_>,
    from: &BridgePort,
    now: Time,
) {
    let source = frame.source;
    let learned = match snapshot.private() {
        None => trail.learn(vlan, source, from.slot, now),
        Some(private) => private_vlan::learn(trail, snapshot, private, vlan, source, from, now),
    };
    trail.step(Step::Learn(learned));
    match learned {
        Learned::Known => {}
        learned => unusual(trail, snapshot, learned, vlan, frame, from, now),
    }
}

/// A source that was not known where it is.
#[cold]
fn unusual(
    trail: &mut impl Trail,
    snapshot: &Snapshot,
    learned: Learned,
    vlan: VlanId,
    frame: &Frame<'_>,
    from: &BridgePort,
    now: Time,
) {
    guard::learned(trail, snapshot, learned, vlan, frame, from, now);
    let odd = match learned {
        Learned::Held => Anomaly::MoveDamped,
        Learned::NewForAnother => Anomaly::TableFull,
        Learned::AtPromiscuous => Anomaly::PromiscuousAddress,
        Learned::Known | Learned::New | Learned::Moved | Learned::NotOpen => return,
    };
    trail.step(Step::Odd(odd));
    trail.troubled(from.slot.index).anomalies.add(odd);
}

#[inline(always)]
fn direct<'a>(
    trail: &mut impl Trail,
    snapshot: &'a Snapshot,
    (vlan, filtering_id): (VlanId, VlanId),
    destination: Mac,
    from: &BridgePort,
    now: Time,
) -> Result<Verdict<'a>, DropReason> {
    if destination.is_group() {
        trail.step(Step::Group);
        return Ok(Verdict::Flood(vlan));
    }
    let known = trail.lookup(filtering_id, destination, now);
    let holder = known.and_then(|slot| snapshot.holder(slot));
    trail.step(Step::Lookup(holder.map(|to| to.slot.index)));
    match holder {
        None => Ok(Verdict::Flood(vlan)),
        Some(to) if to.slot == from.slot => {
            trail.step(Step::SamePort);
            Err(DropReason::SamePort)
        }
        Some(to) => Ok(Verdict::Forward(vlan, to)),
    }
}

const fn reachable(state: PortState) -> Result<(), DropReason> {
    match state {
        PortState::Forwarding | PortState::Opening => Ok(()),
        PortState::Shut | PortState::ErrDisabled | PortState::ProfileIncomplete => {
            Err(DropReason::DestinationShut)
        }
    }
}

#[inline(always)]
fn membership(to: &BridgePort, vlan: VlanId, frame: &Frame<'_>) -> Result<Membership, DropReason> {
    match to.vlan.membership(vlan) {
        Membership::No => Err(to.vlan.apart(vlan)),
        membership if shows_inner_tag(frame, membership) => Err(DropReason::InnerTag),
        membership => Ok(membership),
    }
}

/// Whether `frame` would leave without a tag of ours in front of one of its own. Who gets it would take that one for its
/// VLAN, and so its sender would have chosen one that its port may not use: double tagging.
#[inline]
pub(super) fn shows_inner_tag(frame: &Frame<'_>, membership: Membership) -> bool {
    // What came without any tag has none behind it.
    frame.tag.is_some() && membership == Membership::Untagged && has_inner_tag(frame)
}

fn has_inner_tag(frame: &Frame<'_>) -> bool {
    let rest = frame.bytes.get(usize::from(frame.skip)..);
    let kind = rest.and_then(|rest| rest.first_chunk::<2>());
    kind.is_some_and(|&kind| {
        [ethertype::VLAN, ethertype::SERVICE_VLAN].contains(&u16::from_be_bytes(kind))
    })
}

/// A VLAN that carries nothing is one, all the same: it is defined.
#[cold]
fn inactive(
    snapshot: &Snapshot,
    from: &BridgePort,
    frame: &Frame<'_>,
    reason: DropReason,
) -> DropReason {
    let is_there = || from.vlan.classify(frame.tag, snapshot.all_vlans()).is_ok();
    if reason == DropReason::VlanUndefined && is_there() {
        DropReason::VlanInactive
    } else {
        reason
    }
}
