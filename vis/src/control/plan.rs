//! The answer to `plan`.

use crate::config::InterfaceId;
use serde::{Deserialize, Serialize};

/// Frames described, at most.
pub const MAX_FRAMES: usize = 64;

/// `plan`: what `commit` would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowPlan {
    /// [`SCHEMA`](super::show::SCHEMA).
    pub schema: u32,
    /// Interfaces that would change, by name.
    pub interfaces: Vec<PlannedInterface>,
    /// Interfaces that would not.
    pub unchanged: usize,
    /// Frames that came lately, one of a flow and 1,024 at most, which were judged by both configurations.
    pub judged: usize,
    /// So many of them would be judged otherwise, or leave with another priority.
    pub differ: usize,
    /// The first of those.
    pub frames: Vec<PlannedFrame>,
}

/// An interface that would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedInterface {
    /// Which.
    pub interface: InterfaceId,
    /// Whether it carries frames, and why not; `None`: it is not there.
    pub before: Option<String>,
    /// The same after.
    pub after: Option<String>,
    /// Lines in force on it that come and go, with `+` and `-` in front and where they stand.
    pub lines: Vec<String>,
    /// What else changes it, as sentences. Neither this nor a line: what a line refers to changes.
    pub because: Vec<String>,
}

/// A frame that would be judged otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFrame {
    /// The interface it came from; `None`: that of no interface.
    pub from: Option<InterfaceId>,
    /// What it is, for people.
    pub what: String,
    /// How long ago one came, in milliseconds.
    pub ago_ms: u64,
    /// What becomes of it now.
    pub before: String,
    /// What would.
    pub after: String,
}
