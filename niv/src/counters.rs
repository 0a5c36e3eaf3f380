//! Counters, and what has to be true of them (design.md section 4.7).
//!
//! A received frame ends in exactly one disposition; a copy made of it ends in exactly one fate. An
//! oversized frame (a super-frame a guest's offload made) counts as the wire frames it stands for.

use crate::{Anomaly, DropReason};

/// Wire frames and octets of one received frame or one copy.
///
/// Octets are `max(60, length without VNTag)` each, without FCS (design.md section 4.10).
///
/// ```
/// use niv::Weight;
///
/// // Twenty segments of 1514 octets, in one oversized frame.
/// let weight = Weight { frames: 20, octets: 20 * 1514 };
/// assert_eq!(weight.octets / weight.frames, Weight::one(1514).octets);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// 1, or the number of segments of an oversized frame.
    pub frames: u32,
    /// Of all those frames together.
    pub octets: u32,
}

impl Weight {
    /// One frame of `length` octets, any VNTag not counted.
    ///
    /// ```
    /// # use niv::Weight;
    /// assert_eq!(Weight::one(42), Weight { frames: 1, octets: 60 });
    /// assert_eq!(Weight::one(1514).octets, 1514);
    /// ```
    pub const fn one(length: usize) -> Self {
        let octets = if length < 60 { 60 } else { length as u32 };
        Self { frames: 1, octets }
    }
}

/// Frames and octets that met one fate.
///
/// ```
/// use niv::{Counters, Weight};
///
/// let mut counters = Counters::default();
/// counters.sent(Weight::one(100));
/// assert_eq!((counters.egress.sent.frames, counters.egress.sent.octets), (1, 100));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Wire frames.
    pub frames: u64,
    /// Octets of them.
    pub octets: u64,
}

impl Total {
    const fn add(&mut self, weight: Weight) {
        self.frames += weight.frames as u64;
        self.octets += weight.octets as u64;
    }

    const fn merge(&mut self, other: &Self) {
        self.frames += other.frames;
        self.octets += other.octets;
    }

    /// Both together.
    ///
    /// ```
    /// # use niv::Total;
    /// let one = Total { frames: 1, octets: 60 };
    /// assert_eq!(one.plus(one), Total { frames: 2, octets: 120 });
    /// ```
    #[must_use]
    pub const fn plus(mut self, other: Self) -> Self {
        self.merge(&other);
        self
    }

    /// The smaller of both: of frames, and of octets.
    ///
    /// ```
    /// # use niv::Total;
    /// let (a, b) = (Total { frames: 1, octets: 600 }, Total { frames: 2, octets: 120 });
    /// assert_eq!(a.least(b), Total { frames: 1, octets: 120 });
    /// ```
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        Self {
            frames: self.frames.min(other.frames),
            octets: self.octets.min(other.octets),
        }
    }

    /// What is left without `other`, which is part of it.
    ///
    /// ```
    /// # use niv::Total;
    /// let one = Total { frames: 1, octets: 60 };
    /// assert_eq!(one.plus(one).minus(one), one);
    /// ```
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            frames: self.frames - other.frames,
            octets: self.octets - other.octets,
        }
    }
}

impl From<Weight> for Total {
    fn from(weight: Weight) -> Self {
        Self {
            frames: weight.frames.into(),
            octets: weight.octets.into(),
        }
    }
}

/// Frames dropped, by reason.
///
/// ```
/// use niv::{DropReason, Dropped, Weight};
///
/// let mut dropped = Dropped::default();
/// dropped.add(DropReason::Shut, Weight::one(60));
/// for (reason, frames) in dropped.iter() {
///     println!("{frames} {reason}: {}", reason.explain());
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped(pub(crate) [u64; DropReason::COUNT]);

impl Default for Dropped {
    fn default() -> Self {
        Self([0; DropReason::COUNT])
    }
}

impl Dropped {
    /// Counts `weight` as dropped for `reason`.
    ///
    /// ```
    /// # use niv::{DropReason, Dropped, Weight};
    /// let mut dropped = Dropped::default();
    /// dropped.add(DropReason::Shut, Weight { frames: 3, octets: 4542 });
    /// assert_eq!(dropped.get(DropReason::Shut), 3);
    /// ```
    pub const fn add(&mut self, reason: DropReason, weight: Weight) {
        #[expect(
            clippy::indexing_slicing,
            reason = "the array has one place for each reason"
        )]
        {
            self.0[reason as usize] += weight.frames as u64;
        }
    }

    /// Frames dropped for `reason`.
    ///
    /// ```
    /// # use niv::{DropReason, Dropped};
    /// assert_eq!(Dropped::default().get(DropReason::Shut), 0);
    /// ```
    pub const fn get(&self, reason: DropReason) -> u64 {
        #[expect(
            clippy::indexing_slicing,
            reason = "the array has one place for each reason"
        )]
        self.0[reason as usize]
    }

    /// Frames dropped for any reason.
    ///
    /// ```
    /// # use niv::Dropped;
    /// assert_eq!(Dropped::default().total(), 0);
    /// ```
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that have been met, with their counts.
    ///
    /// ```
    /// # use niv::{DropReason, Dropped, Weight};
    /// let mut dropped = Dropped::default();
    /// dropped.add(DropReason::Runt, Weight::one(20));
    /// assert!(dropped.iter().eq([(DropReason::Runt, 1)]));
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .iter()
            .map(|&reason| (reason, self.get(reason)))
            .filter(|&(_, n)| n > 0)
    }

    fn merge(&mut self, other: &Self) {
        for (sum, n) in self.0.iter_mut().zip(other.0) {
            *sum += n;
        }
    }
}

/// What became of the frames received on one port, vNIC or vEth.
///
/// `received = forwarded + flooded + consumed + dropped`
///
/// ```
/// use niv::{Counters, Weight};
///
/// let mut counters = Counters::default();
/// counters.consume(Weight::one(60));
/// assert_eq!(counters.ingress.received.frames, counters.ingress.consumed);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingress {
    /// Every frame, once.
    pub received: Total,
    /// Sent to one destination.
    pub forwarded: u64,
    /// Sent to several.
    pub flooded: u64,
    /// Taken by control.
    pub consumed: u64,
    /// Dropped before any copy was made.
    pub dropped: Dropped,
    /// Copies that forwarding and flooding made of the frames received here.
    pub copies: u64,
}

/// What became of the copies bound for one port, vNIC or vEth.
///
/// Summed over a daemon: `copies + originated = sent + dropped + queued`
///
/// ```
/// use niv::{Counters, Weight};
///
/// let mut counters = Counters::default();
/// counters.originate(Weight::one(60));
/// counters.egress.queued += 1;
/// assert!(counters.imbalance().is_zero());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// Frames the daemon itself made.
    pub originated: u64,
    /// Handed to the kernel.
    pub sent: Total,
    /// Also left for this port: in a frame that was one for all members of a list. That frame counts as
    /// sent once, at its link, so these are outside the balance.
    pub listed: Total,
    /// Dropped after the copy was made.
    pub dropped: Dropped,
    /// Waiting to be sent.
    pub queued: u64,
}

impl Egress {
    /// All that left for one port, by itself or as a member of a list. Means something only for a
    /// single port: of several that are in one list each has its share in the one frame.
    ///
    /// ```
    /// # use niv::{Counters, Total, Weight};
    /// let mut port = Counters::default();
    /// port.sent(Weight::one(100));
    /// port.list(Total { frames: 2, octets: 120 });
    /// assert_eq!(port.egress.output(), Total { frames: 3, octets: 220 });
    /// ```
    pub const fn output(&self) -> Total {
        self.sent.plus(self.listed)
    }
}

/// Odd but harmless things, by kind. These are no dispositions: the frame counts elsewhere too.
///
/// ```
/// use niv::{Anomalies, Anomaly};
///
/// let mut anomalies = Anomalies::default();
/// anomalies.add(Anomaly::MoveDamped);
/// assert_eq!(anomalies.iter().count(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(pub(crate) [u64; Anomaly::COUNT]);

impl Anomalies {
    /// Counts one.
    ///
    /// ```
    /// # use niv::{Anomalies, Anomaly};
    /// let mut anomalies = Anomalies::default();
    /// anomalies.add(Anomaly::ReservedBit);
    /// assert_eq!(anomalies.get(Anomaly::ReservedBit), 1);
    /// ```
    pub const fn add(&mut self, anomaly: Anomaly) {
        #[expect(
            clippy::indexing_slicing,
            reason = "the array has one place for each anomaly"
        )]
        {
            self.0[anomaly as usize] += 1;
        }
    }

    /// How often `anomaly` was seen.
    ///
    /// ```
    /// # use niv::{Anomalies, Anomaly};
    /// assert_eq!(Anomalies::default().get(Anomaly::ReservedBit), 0);
    /// ```
    pub const fn get(&self, anomaly: Anomaly) -> u64 {
        #[expect(
            clippy::indexing_slicing,
            reason = "the array has one place for each anomaly"
        )]
        self.0[anomaly as usize]
    }

    /// Those that have been seen, with their counts.
    ///
    /// ```
    /// # use niv::{Anomalies, Anomaly};
    /// let mut anomalies = Anomalies::default();
    /// anomalies.add(Anomaly::TableFull);
    /// assert!(anomalies.iter().eq([(Anomaly::TableFull, 1)]));
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (Anomaly, u64)> + '_ {
        Anomaly::ALL
            .iter()
            .map(|&anomaly| (anomaly, self.get(anomaly)))
            .filter(|&(_, n)| n > 0)
    }

    fn merge(&mut self, other: &Self) {
        for (sum, n) in self.0.iter_mut().zip(other.0) {
            *sum += n;
        }
    }
}

/// Everything counted for one port, vNIC or vEth, or the sum over many.
///
/// ```
/// use niv::{Counters, DropReason, Weight};
///
/// let mut port = Counters::default();
/// port.flood(Weight::one(60), 2);
/// port.sent(Weight::one(60));
/// port.drop_copy(DropReason::TxFull, Weight::one(60));
/// assert!(port.imbalance().is_zero());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that came in here.
    pub ingress: Ingress,
    /// Copies that were to go out here.
    pub egress: Egress,
    /// Oddities.
    pub anomalies: Anomalies,
}

/// The frames a set of counters fails to explain.
///
/// ```
/// use niv::{Counters, Weight};
///
/// let mut counters = Counters::default();
/// counters.forward(Weight::one(60)); // and the copy is still on its way
/// assert_eq!(counters.imbalance().egress, 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imbalance {
    /// received - (forwarded + flooded + consumed + dropped)
    pub ingress: i64,
    /// copies + originated - (sent + dropped + queued)
    pub egress: i64,
}

impl Imbalance {
    /// Everything is explained.
    ///
    /// ```
    /// # use niv::Imbalance;
    /// assert!(Imbalance::default().is_zero());
    /// assert!(!Imbalance { ingress: 0, egress: -1 }.is_zero());
    /// ```
    pub const fn is_zero(&self) -> bool {
        self.ingress == 0 && self.egress == 0
    }
}

impl Counters {
    /// Counts a received frame that is dropped.
    ///
    /// ```
    /// # use niv::{Counters, DropReason, Weight};
    /// let mut counters = Counters::default();
    /// counters.drop_received(DropReason::GuestTag, Weight::one(60));
    /// assert_eq!(counters.ingress.received.frames, 1);
    /// assert_eq!(counters.ingress.dropped.get(DropReason::GuestTag), 1);
    /// ```
    pub const fn drop_received(&mut self, reason: DropReason, weight: Weight) {
        self.ingress.received.add(weight);
        self.ingress.dropped.add(reason, weight);
    }

    /// Counts a received frame that control took.
    ///
    /// ```
    /// # use niv::{Counters, DropReason, Weight};
    /// let mut counters = Counters::default();
    /// counters.consume(Weight::one(60));
    /// assert_eq!(counters.ingress.consumed, 1);
    /// ```
    pub const fn consume(&mut self, weight: Weight) {
        self.ingress.received.add(weight);
        self.ingress.consumed += weight.frames as u64;
    }

    /// Counts a received frame of which one copy goes on.
    ///
    /// ```
    /// # use niv::{Counters, DropReason, Weight};
    /// let mut counters = Counters::default();
    /// counters.forward(Weight::one(60));
    /// counters.sent(Weight::one(60));
    /// assert_eq!(counters.imbalance(), Default::default());
    /// ```
    pub const fn forward(&mut self, weight: Weight) {
        self.ingress.received.add(weight);
        self.ingress.forwarded += weight.frames as u64;
        self.ingress.copies += weight.frames as u64;
    }

    /// Counts a received frame of which `copies` copies go on.
    ///
    /// ```
    /// # use niv::{Counters, DropReason, Weight};
    /// let mut counters = Counters::default();
    /// counters.flood(Weight::one(60), 3);
    /// assert_eq!((counters.ingress.flooded, counters.ingress.copies), (1, 3));
    /// assert_eq!(counters.imbalance().egress, 3);
    /// ```
    pub const fn flood(&mut self, weight: Weight, copies: u64) {
        self.ingress.received.add(weight);
        self.ingress.flooded += weight.frames as u64;
        self.ingress.copies += copies * weight.frames as u64;
    }

    /// Counts a frame that the daemon itself made and is about to send.
    ///
    /// ```
    /// # use niv::{Counters, Weight};
    /// let mut counters = Counters::default();
    /// counters.originate(Weight::one(60));
    /// counters.sent(Weight::one(60));
    /// assert_eq!(counters.imbalance(), Default::default());
    /// ```
    pub const fn originate(&mut self, weight: Weight) {
        self.egress.originated += weight.frames as u64;
    }

    /// Counts a copy handed to the kernel.
    ///
    /// ```
    /// # use niv::{Counters, DropReason, Weight};
    /// let mut counters = Counters::default();
    /// counters.sent(Weight::one(1514));
    /// assert_eq!(counters.egress.sent.octets, 1514);
    /// ```
    pub const fn sent(&mut self, weight: Weight) {
        self.egress.sent.add(weight);
    }

    /// Counts a copy that was dropped.
    ///
    /// ```
    /// # use niv::{Counters, DropReason, Weight};
    /// let mut counters = Counters::default();
    /// counters.drop_copy(DropReason::TxFull, Weight::one(60));
    /// assert_eq!(counters.egress.dropped.total(), 1);
    /// ```
    pub const fn drop_copy(&mut self, reason: DropReason, weight: Weight) {
        self.egress.dropped.add(reason, weight);
    }

    /// Counts what left for this port as a member of lists.
    ///
    /// ```
    /// # use niv::{Counters, Total, Weight};
    /// let (mut link, mut members) = (Counters::default(), [Counters::default(); 2]);
    /// link.flood(Weight::one(60), 1);
    /// link.sent(Weight::one(60));
    /// for member in &mut members {
    ///     member.list(Total { frames: 1, octets: 60 });
    ///     assert_eq!((member.egress.sent.frames, member.egress.output().frames), (0, 1));
    ///     link.merge(member);
    /// }
    /// assert!(link.imbalance().is_zero());
    /// ```
    pub const fn list(&mut self, total: Total) {
        self.egress.listed.merge(&total);
    }

    /// Adds another set of counters to this one.
    ///
    /// ```
    /// # use niv::{Counters, DropReason, Weight};
    /// let (mut both, mut other) = (Counters::default(), Counters::default());
    /// both.forward(Weight::one(60));
    /// other.sent(Weight::one(60));
    /// both.merge(&other);
    /// assert_eq!(both.imbalance(), Default::default());
    /// ```
    pub fn merge(&mut self, other: &Self) {
        let (a, b) = (&mut self.ingress, &other.ingress);
        a.received.merge(&b.received);
        a.forwarded += b.forwarded;
        a.flooded += b.flooded;
        a.consumed += b.consumed;
        a.dropped.merge(&b.dropped);
        a.copies += b.copies;
        let (a, b) = (&mut self.egress, &other.egress);
        a.originated += b.originated;
        a.sent.merge(&b.sent);
        a.listed.merge(&b.listed);
        a.dropped.merge(&b.dropped);
        a.queued += b.queued;
        self.anomalies.merge(&other.anomalies);
    }

    /// What is not explained. Both parts are 0 or there is a bug. The egress part means something
    /// only for counters summed over a whole daemon: a copy is made at one port and sent at another.
    ///
    /// ```
    /// # use niv::{Counters, DropReason, Weight};
    /// let mut counters = Counters::default();
    /// counters.ingress.received.frames += 1; // received, and then forgotten
    /// assert_eq!(counters.imbalance().ingress, 1);
    /// ```
    pub fn imbalance(&self) -> Imbalance {
        let i = &self.ingress;
        let e = &self.egress;
        Imbalance {
            ingress: i.received.frames as i64
                - (i.forwarded + i.flooded + i.consumed + i.dropped.total()) as i64,
            egress: (i.copies + e.originated) as i64
                - (e.sent.frames + e.dropped.total() + e.queued) as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a worker does with one received frame.
    #[derive(Clone, Debug)]
    enum Step {
        Drop(DropReason, Weight),
        Consume(Weight),
        /// One fate for each copy; one copy is a forward, others are floods.
        Copy(Weight, std::vec::Vec<Fate>),
        Originate(Weight, Fate),
    }

    #[derive(Clone, Copy, Debug)]
    enum Fate {
        Sent,
        Dropped(DropReason),
        Queued,
    }

    fn reason() -> impl Strategy<Value = DropReason> {
        proptest::sample::select(DropReason::ALL)
    }

    fn weight() -> impl Strategy<Value = Weight> {
        (1u32..50, 60u32..70_000).prop_map(|(frames, octets)| Weight { frames, octets })
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![
            Just(Fate::Sent),
            reason().prop_map(Fate::Dropped),
            Just(Fate::Queued)
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (reason(), weight()).prop_map(|(reason, weight)| Step::Drop(reason, weight)),
            weight().prop_map(Step::Consume),
            (weight(), proptest::collection::vec(fate(), 1..5))
                .prop_map(|(weight, fates)| Step::Copy(weight, fates)),
            (weight(), fate()).prop_map(|(weight, fate)| Step::Originate(weight, fate)),
        ]
    }

    fn meet(counters: &mut Counters, weight: Weight, fate: Fate) {
        match fate {
            Fate::Sent => counters.sent(weight),
            Fate::Dropped(reason) => counters.drop_copy(reason, weight),
            Fate::Queued => counters.egress.queued += u64::from(weight.frames),
        }
    }

    /// Frames are received by `here`; copies leave by `there`.
    fn take(step: &Step, here: &mut Counters, there: &mut Counters) {
        match step {
            Step::Drop(reason, weight) => here.drop_received(*reason, *weight),
            Step::Consume(weight) => here.consume(*weight),
            Step::Copy(weight, fates) => {
                match fates.len() {
                    1 => here.forward(*weight),
                    copies => here.flood(*weight, copies as u64),
                }
                for fate in fates {
                    meet(there, *weight, *fate);
                }
            }
            Step::Originate(weight, fate) => {
                there.originate(*weight);
                meet(there, *weight, *fate);
            }
        }
    }

    fn taken(steps: &[Step]) -> (Counters, Counters) {
        let (mut here, mut there) = (Counters::default(), Counters::default());
        for step in steps {
            take(step, &mut here, &mut there);
        }
        (here, there)
    }

    proptest! {
        #[test]
        fn every_received_frame_and_every_copy_is_explained(
            steps in proptest::collection::vec(step(), 0..40),
        ) {
            let (here, there) = taken(&steps);
            // The ingress part balances at each port, the egress part only in the sum.
            prop_assert_eq!(here.imbalance().ingress, 0);
            prop_assert_eq!(there.imbalance().ingress, 0);
            let mut sum = here;
            sum.merge(&there);
            prop_assert!(sum.imbalance().is_zero());
        }

        #[test]
        fn a_frame_that_goes_uncounted_shows(
            steps in proptest::collection::vec(step(), 1..40), lost in weight(),
        ) {
            let (mut sum, there) = taken(&steps);
            sum.merge(&there);
            let frames = i64::from(lost.frames);

            let mut forgotten = sum;
            forgotten.ingress.received.add(lost);
            prop_assert_eq!(forgotten.imbalance(), Imbalance { ingress: frames, egress: 0 });

            let mut vanished = sum;
            vanished.forward(lost);
            prop_assert_eq!(vanished.imbalance(), Imbalance { ingress: 0, egress: frames });

            let mut twice = sum;
            twice.sent(lost);
            prop_assert_eq!(twice.imbalance(), Imbalance { ingress: 0, egress: -frames });
        }

        /// The order in which workers and ports are added up does not matter.
        #[test]
        fn sums_do_not_depend_on_order(
            a in proptest::collection::vec(step(), 0..10),
            b in proptest::collection::vec(step(), 0..10),
        ) {
            let (a, b) = (taken(&a).0, taken(&b).0);
            let (mut left, mut right) = (a, b);
            left.merge(&b);
            right.merge(&a);
            prop_assert_eq!(left, right);
            prop_assert_eq!(left.ingress.received.octets, a.ingress.received.octets + b.ingress.received.octets);
            prop_assert_eq!(left.ingress.dropped.total(), left.ingress.dropped.iter().map(|(_, n)| n).sum::<u64>());
        }
    }
}
