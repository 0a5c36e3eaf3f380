//! Counters, and what has to be true of them (design.md section 4.7).
//!
//! A received frame ends in exactly one disposition; a copy made of it ends in exactly one fate. An
//! oversized frame (a super-frame a guest's offload made) counts as the wire frames it stands for.

use crate::{Anomaly, DropReason};

/// Wire frames and octets of one received frame or one copy.
///
/// Octets are `max(60, length without VNTag)` each, without FCS (design.md section 4.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// 1, or the number of segments of an oversized frame.
    pub frames: u32,
    /// Of all those frames together.
    pub octets: u32,
}

impl Weight {
    /// One frame of `length` octets, any VNTag not counted.
    pub const fn one(length: usize) -> Self {
        let octets = if length < 60 { 60 } else { length as u32 };
        Self { frames: 1, octets }
    }
}

/// Frames and octets that met one fate.
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
}

/// Frames dropped, by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped([u64; DropReason::COUNT]);

impl Default for Dropped {
    fn default() -> Self {
        Self([0; DropReason::COUNT])
    }
}

impl Dropped {
    /// Counts `weight` as dropped for `reason`.
    pub const fn add(&mut self, reason: DropReason, weight: Weight) {
        // The array has one place for each reason.
        #[expect(
            clippy::indexing_slicing,
            reason = "the array has one place for each reason"
        )]
        {
            self.0[reason as usize] += weight.frames as u64;
        }
    }

    /// Frames dropped for `reason`.
    pub const fn get(&self, reason: DropReason) -> u64 {
        #[expect(
            clippy::indexing_slicing,
            reason = "the array has one place for each reason"
        )]
        self.0[reason as usize]
    }

    /// Frames dropped for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that have been met, with their counts.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// Frames the daemon itself made.
    pub originated: u64,
    /// Handed to the kernel.
    pub sent: Total,
    /// Dropped after the copy was made.
    pub dropped: Dropped,
    /// Waiting to be sent.
    pub queued: u64,
}

/// Odd but harmless things, by kind. These are no dispositions: the frame counts elsewhere too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies([u64; Anomaly::COUNT]);

impl Anomalies {
    /// Counts one.
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
    pub const fn get(&self, anomaly: Anomaly) -> u64 {
        #[expect(
            clippy::indexing_slicing,
            reason = "the array has one place for each anomaly"
        )]
        self.0[anomaly as usize]
    }

    /// Those that have been seen, with their counts.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imbalance {
    /// received - (forwarded + flooded + consumed + dropped)
    pub ingress: i64,
    /// copies + originated - (sent + dropped + queued)
    pub egress: i64,
}

impl Counters {
    /// Counts a received frame that is dropped.
    pub const fn drop_received(&mut self, reason: DropReason, weight: Weight) {
        self.ingress.received.add(weight);
        self.ingress.dropped.add(reason, weight);
    }

    /// Counts a received frame that control took.
    pub const fn consume(&mut self, weight: Weight) {
        self.ingress.received.add(weight);
        self.ingress.consumed += weight.frames as u64;
    }

    /// Counts a received frame of which one copy goes on.
    pub const fn forward(&mut self, weight: Weight) {
        self.ingress.received.add(weight);
        self.ingress.forwarded += weight.frames as u64;
        self.ingress.copies += weight.frames as u64;
    }

    /// Counts a received frame of which `copies` copies go on.
    pub const fn flood(&mut self, weight: Weight, copies: u64) {
        self.ingress.received.add(weight);
        self.ingress.flooded += weight.frames as u64;
        self.ingress.copies += copies * weight.frames as u64;
    }

    /// Counts a copy handed to the kernel.
    pub const fn sent(&mut self, weight: Weight) {
        self.egress.sent.add(weight);
    }

    /// Counts a copy that was dropped.
    pub const fn drop_copy(&mut self, reason: DropReason, weight: Weight) {
        self.egress.dropped.add(reason, weight);
    }

    /// Adds another set of counters to this one.
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
        a.dropped.merge(&b.dropped);
        a.queued += b.queued;
        self.anomalies.merge(&other.anomalies);
    }

    /// What is not explained. Both parts are 0 or there is a bug. The egress part means something
    /// only for counters summed over a whole daemon: a copy is made at one port and sent at another.
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
