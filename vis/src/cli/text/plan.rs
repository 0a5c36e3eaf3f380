//! `plan`

use super::counted;
use crate::control::plan::ShowPlan;
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowPlan) -> fmt::Result {
    writeln!(
        out,
        "{} would change, {} would not",
        counted(answer.interfaces.len() as u64, "interface"),
        answer.unchanged
    )?;
    for one in &answer.interfaces {
        let absent = "not there";
        let before = one.before.as_deref().unwrap_or(absent);
        let after = one.after.as_deref().unwrap_or(absent);
        if before == after {
            writeln!(out, "  {}: {after}, as now", one.interface)?;
        } else {
            writeln!(out, "  {}: now {before}, then {after}", one.interface)?;
        }
        for line in one.lines.iter().chain(&one.because) {
            writeln!(out, "    {line}")?;
        }
        if one.lines.is_empty() && one.because.is_empty() {
            writeln!(out, "    what its lines refer to changes")?;
        }
    }
    writeln!(
        out,
        "of {} that came lately, each of another flow, {} would be judged otherwise",
        counted(answer.judged as u64, "frame"),
        answer.differ
    )?;
    for one in &answer.frames {
        let from = one
            .from
            .map_or("nobody".to_owned(), |from| from.to_string());
        writeln!(out, "  {} from {from}, {} ms ago", one.what, one.ago_ms)?;
        writeln!(out, "    now {}", one.before)?;
        writeln!(out, "    then {}", one.after)?;
    }
    let more = answer.differ.saturating_sub(answer.frames.len());
    if more > 0 {
        writeln!(out, "  and {more} more")?;
    }
    Ok(())
}
