//! The answer to `show policer`.

use crate::config::InterfaceId;
use serde::{Deserialize, Serialize};

/// `show policer`: the policers in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowPolicer {
    /// [`SCHEMA`](super::show::SCHEMA).
    pub schema: u32,
    /// Ethernets first, then vEths, by number; of each the input first.
    pub policers: Vec<PolicerShown>,
}

/// One policer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicerShown {
    /// Whose.
    pub interface: InterfaceId,
    /// `input` or `output`, as the interface sees it.
    pub direction: String,
    /// As it is said in the configuration, behind the direction.
    pub configured: String,
    /// Rates in bits per second, and every burst in force, those that nobody asked for too.
    pub in_force: String,
    /// Within the committed rate: green.
    pub conformed: PolicerCounts,
    /// Beyond it, within what is tolerated: yellow.
    pub exceeded: PolicerCounts,
    /// Beyond that: red.
    pub violated: PolicerCounts,
    /// Of all those, dropped.
    pub dropped: PolicerCounts,
}

/// Wire frames and octets, since the interface has been in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicerCounts {
    /// Frames; each segment of an oversized one.
    pub frames: u64,
    /// Octets: 60 at least for each, no VNTag, no FCS.
    pub octets: u64,
}
