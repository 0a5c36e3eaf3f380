//! Counters as they are shown, and the sums that show whether every frame is accounted for (design.md
//! section 4.7).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Frames and octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Wire frames.
    pub frames: u64,
    /// `max(60, length without VNTag)` each, without FCS.
    pub octets: u64,
}

/// The counters of one interface, or of several together. Names of drops and anomalies are the stable
/// ones of `niv`; those that have not been met are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Every frame that came in, once, whatever became of it: also those that were dropped then.
    pub received: Total,
    /// Sent to one destination.
    pub forwarded: u64,
    /// Sent to several.
    pub flooded: u64,
    /// Taken by control.
    pub consumed: u64,
    /// Dropped before any copy was made.
    pub dropped: BTreeMap<String, u64>,
    /// Copies made of the frames received.
    pub copies: u64,
    /// Frames the daemon itself made.
    pub originated: u64,
    /// Handed to the kernel.
    pub sent: Total,
    /// Also left for this interface, as a member of lists: each was one frame for several, sent by its link.
    #[serde(default)]
    pub listed: Total,
    /// Dropped after the copy was made.
    pub egress_dropped: BTreeMap<String, u64>,
    /// Waiting to be sent.
    pub queued: u64,
    /// Odd but harmless; these frames count elsewhere too.
    pub anomalies: BTreeMap<String, u64>,
}

impl From<&niv::Counters> for Counts {
    fn from(counters: &niv::Counters) -> Self {
        let total = |total: niv::Total| Total {
            frames: total.frames,
            octets: total.octets,
        };
        let drops = |dropped: &niv::Dropped| {
            dropped
                .iter()
                .map(|(reason, n)| (reason.to_string(), n))
                .collect()
        };
        Self {
            received: total(counters.ingress.received),
            forwarded: counters.ingress.forwarded,
            flooded: counters.ingress.flooded,
            consumed: counters.ingress.consumed,
            dropped: drops(&counters.ingress.dropped),
            copies: counters.ingress.copies,
            originated: counters.egress.originated,
            sent: total(counters.egress.sent),
            listed: total(counters.egress.listed),
            egress_dropped: drops(&counters.egress.dropped),
            queued: counters.egress.queued,
            anomalies: counters
                .anomalies
                .iter()
                .map(|(anomaly, n)| (anomaly.to_string(), n))
                .collect(),
        }
    }
}

/// What the kernel says about a device, and what passed between it and us, since the daemon opened it. All
/// in buffers: an oversized frame is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelCounts {
    /// Packets the interface received.
    pub rx_packets: u64,
    /// Packets the interface received and dropped.
    pub rx_dropped: u64,
    /// Packets the interface sent.
    pub tx_packets: u64,
    /// Packets the interface was to send and dropped.
    pub tx_dropped: u64,
    /// Buffers we took out of our queue.
    pub taken: u64,
    /// Buffers our queue had no room for.
    pub ring_dropped: u64,
    /// Buffers we handed to the interface.
    pub handed: u64,
}

/// Frames nobody can explain. All are 0, or there is a bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexplained {
    /// received - (forwarded + flooded + consumed + dropped)
    pub ingress: i64,
    /// copies + originated - (sent + dropped + queued), of the whole daemon.
    pub egress: i64,
    /// Buffers the driver counted as received and we did not take; negative the other way round.
    pub kernel_received: i64,
    /// Buffers we handed over and the driver did not count as sent; negative the other way round.
    pub kernel_sent: i64,
}

impl Unexplained {
    /// Frames unexplained in all.
    pub const fn total(&self) -> u64 {
        self.ingress.unsigned_abs()
            + self.egress.unsigned_abs()
            + self.kernel_received.unsigned_abs()
            + self.kernel_sent.unsigned_abs()
    }
}
