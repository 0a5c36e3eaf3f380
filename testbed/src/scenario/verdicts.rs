//! What is kept made ready decides as what is made anew.

use super::churn::in_memory;
use crate::binaries::Binaries;
use crate::error::Result;
use crate::report::Report;

const FRAMES: u64 = 10_000_000;

/// Ten million frames while the policy changes.
pub(super) fn verdicts(binaries: &Binaries, report: &Report) -> Result<()> {
    in_memory(binaries, report, "verdicts", FRAMES)
}
