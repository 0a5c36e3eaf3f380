//! What is made ready decides as what it is made from.

use super::churn::in_memory;
use crate::binaries::Binaries;
use crate::error::Result;
use crate::report::Report;

const FRAMES: u64 = 10_000_000;

/// Ten million frames while the policy changes.
pub(super) fn verdicts(binaries: &Binaries, report: &Report) -> Result<()> {
    in_memory(binaries, report, "verdicts", FRAMES)
}

/// Ten million frames, judged by compiled lists and line after line.
pub(super) fn access_lists(binaries: &Binaries, report: &Report) -> Result<()> {
    in_memory(binaries, report, "access_lists", FRAMES)
}
