//! Policers and marking as stages (design.md sections 5.6 and 5.7): on the way in behind the access list and before the
//! address is learned, on the way out behind the access list and before the VLAN tag is written.
//!
//! An oversized frame is judged as the segments it stands for, and goes on as its first so many; the others are dropped and
//! counted like frames of their own.

use super::account::Account;
use super::pipeline::Frame;
use super::snapshot::BridgePort;
use super::trail::{Step, Trail};
use super::{Membership, Time};
use niv::{DropReason, VlanTag, Weight};
use policy::marking::{CosRule, Marked, Marking, color_leaving, color_of};
use policy::rate::{Color, Policed, Policer, PolicerState, Train};
use std::num::NonZeroU16;

/// What is asked about the rate and the priority of one bridge port's frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RatePolicy {
    /// For what it sends.
    pub police_in: Option<Policer>,
    /// For what it gets.
    pub police_out: Option<Policer>,
    /// With what priority its frames go on; `None`: CoS 0, and the DSCP they came with.
    pub marking: Option<Marking>,
}

impl RatePolicy {
    /// Priority and drop eligibility of VLAN tags are kept, and DSCP is not touched.
    pub fn keeping_priority() -> Self {
        Self {
            marking: Some(Marking {
                cos: CosRule::Trust,
                ..Marking::default()
            }),
            ..Self::default()
        }
    }
}

/// Which of a port's two policers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Frames it sends.
    In,
    /// Frames it gets.
    Out,
}

/// What was asked about rate and priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateStep {
    /// Is it within the rate.
    Policed {
        /// Which policer.
        way: Way,
        /// What it says.
        policed: Policed,
        /// Of how many segments; 1 for a frame that is not oversized.
        segments: u32,
        /// Octets of all of them.
        octets: u32,
    },
    /// With what priority it goes on.
    Marked(Marked),
}

impl RateStep {
    /// Why the frame or copy ends here; `None`: it does not.
    pub const fn refusal(&self) -> Option<DropReason> {
        match self {
            Self::Policed { way, policed, .. } if policed.pass == 0 => Some(match way {
                Way::In => DropReason::PolicerIn,
                Way::Out => DropReason::PolicerOut,
            }),
            _ => None,
        }
    }
}

/// Addresses and EtherType.
const HEADER: u32 = 14;

/// In the upper four bits of a VLAN tag: drop eligible (IEEE 802.1Q clause 9.6).
const DROP_ELIGIBLE: u16 = 0x1000;

impl Frame<'_> {
    /// The wire frames it stands for, as they came.
    #[inline]
    pub(super) fn arrived(&self) -> Train {
        self.train(self.tag.is_some())
    }

    /// What marking has made of it so far.
    fn color_leaving(&self) -> Color {
        let drop_eligible = self.priority & DROP_ELIGIBLE != 0;
        let has_tag = self.tag.is_some();
        color_leaving(
            has_tag,
            self.bytes,
            self.skip,
            self.edit.rewrite,
            drop_eligible,
        )
    }

    /// The wire frames it stands for, as long as they are with or without an outer VLAN tag.
    #[inline]
    fn train(&self, tagged: bool) -> Train {
        let tag = |tagged| if tagged { VlanTag::LEN as u32 } else { 0 };
        let (came, leaves) = (HEADER + tag(self.tag.is_some()), HEADER + tag(tagged));
        let longest = self.payload.saturating_add(leaves);
        if self.weight.frames <= 1 {
            return Train::whole(Weight::one(longest as usize));
        }
        let full = self.weight.frames - 1;
        let before = full.saturating_mul(self.payload.saturating_add(came).max(60));
        let last = self.weight.octets.saturating_sub(before) + leaves - came.min(leaves);
        let last = last.saturating_sub(came.saturating_sub(leaves)).max(60);
        let octets = full.saturating_mul(longest.max(60)).saturating_add(last);
        let frames = self.weight.frames;
        Train::of(Weight { frames, octets }, longest)
    }
}

/// What goes on of `train` when `pass` of its segments do: all, the first so many, or nothing.
#[inline]
fn first(train: Train, pass: u32) -> Option<Option<NonZeroU16>> {
    if pass >= train.segments() {
        return Some(None);
    }
    // There are fewer than 2^16: a frame has no more octets.
    let pass = u16::try_from(pass).ok()?;
    NonZeroU16::new(pass).map(Some)
}

#[inline]
fn police(
    policer: &Policer,
    state: &mut PolicerState,
    now: Time,
    train: Train,
    color: impl FnOnce() -> Color,
) -> Policed {
    let came = if policer.is_color_aware() {
        color()
    } else {
        Color::Green
    };
    policer.police(state, now.into(), train, came)
}

/// Of an oversized frame the first `pass` segments go on, and the others end here for `reason`: `frame` says so from here on.
#[inline]
pub(super) fn shorten(
    trail: &mut impl Trail,
    from: &BridgePort,
    frame: &mut Frame<'_>,
    (train, pass): (Train, u32),
    reason: DropReason,
) -> Result<(), DropReason> {
    let segments = first(train, pass).ok_or(reason)?;
    if segments.is_some() {
        let passed = train.first(pass);
        let rest = Weight {
            frames: frame.weight.frames.saturating_sub(passed.frames),
            octets: frame.weight.octets.saturating_sub(passed.octets),
        };
        let counters = trail.troubled(from.slot.index);
        counters.drop_received(reason, rest);
        frame.weight = passed;
        frame.edit.segments = segments;
    }
    Ok(())
}

#[inline]
fn policed(way: Way, policed: Policed, train: Train) -> Step {
    let segments = train.segments();
    let octets = train.first(segments).octets;
    Step::Rate(RateStep::Policed {
        way,
        policed,
        segments,
        octets,
    })
}

/// The stages on the way in. What goes on of an oversized frame is less than came: `frame` says so from here on.
#[inline(always)]
pub(super) fn ingress(
    trail: &mut impl Trail,
    now: Time,
    from: &BridgePort,
    frame: &mut Frame<'_>,
) -> Result<(), DropReason> {
    match &from.policy.rates {
        None => Ok(()),
        Some(rates) => arriving(trail, now, from, rates, frame),
    }
}

#[inline(never)]
fn arriving(
    trail: &mut impl Trail,
    now: Time,
    from: &BridgePort,
    rates: &RatePolicy,
    frame: &mut Frame<'_>,
) -> Result<(), DropReason> {
    let mut color = Color::Green;
    if let Some(policer) = &rates.police_in {
        let train = frame.arrived();
        let state = &mut trail.kept(from.slot.index).police_in;
        let came = || color_of(frame.tag, frame.bytes, frame.skip);
        let verdict = police(policer, state, now, train, came);
        trail.step(policed(Way::In, verdict, train));
        let passing = (train, verdict.pass);
        shorten(trail, from, frame, passing, DropReason::PolicerIn)?;
        color = verdict.color;
    }
    if let Some(marking) = &rates.marking {
        let marked = marking.mark(frame.tag, frame.bytes, frame.skip, color);
        frame.priority = marked.tag_bits();
        frame.edit.rewrite = marked.rewrite;
        trail.step(Step::Rate(RateStep::Marked(marked)));
    }
    Ok(())
}

/// The stage on the way out, for one copy: how many segments of it leave; `None`: all.
#[inline(always)]
pub(super) fn egress(
    trail: &mut impl Trail,
    now: Time,
    to: &BridgePort,
    membership: Membership,
    frame: &Frame<'_>,
) -> Result<Option<NonZeroU16>, DropReason> {
    let policer = to.policy.rates.as_ref();
    match policer.and_then(|rates| rates.police_out.as_ref()) {
        None => Ok(frame.edit.segments),
        Some(policer) => leaving(trail, now, to, policer, membership, frame),
    }
}

#[inline(never)]
fn leaving(
    trail: &mut impl Trail,
    now: Time,
    to: &BridgePort,
    policer: &Policer,
    membership: Membership,
    frame: &Frame<'_>,
) -> Result<Option<NonZeroU16>, DropReason> {
    let tagged = matches!(membership, Membership::Tagged | Membership::TaggedAs(_));
    let train = frame.train(tagged);
    let state = &mut trail.kept(to.slot.index).police_out;
    let verdict = police(policer, state, now, train, || frame.color_leaving());
    trail.step(policed(Way::Out, verdict, train));
    let segments = first(train, verdict.pass).ok_or(DropReason::PolicerOut)?;
    if segments.is_none() {
        return Ok(frame.edit.segments);
    }
    let (all, passed) = (train.first(train.segments()), train.first(verdict.pass));
    let rest = Weight {
        frames: all.frames - passed.frames,
        octets: all.octets - passed.octets,
    };
    trail.drop_copy(Account::Port(to.slot.index), DropReason::PolicerOut, rest);
    Ok(segments)
}
