//! `explain frame`: a layout of our own.

use crate::config::{InterfaceId, Origin};
use crate::control::explain::{ExplainedCopy, Reason, ShowExplain, Stage};
use std::fmt::{self, Write};

/// Octets in one line.
const WIDTH: usize = 32;

pub(super) fn write(out: &mut String, answer: &ShowExplain) -> fmt::Result {
    let octets = answer.received.0.len() / 2;
    writeln!(
        out,
        "Frame of {octets} octets from {}, received on {}",
        answer.from, answer.received_on
    )?;
    writeln!(out, "  {} to {}", answer.source, answer.destination)?;
    if let Some(tag) = &answer.vntag {
        writeln!(
            out,
            "  VNTag: d={} p={} dvif={} l={} r={} ver={} svif={}",
            u8::from(tag.from_bridge),
            u8::from(tag.pointer),
            tag.dvif,
            u8::from(tag.looped),
            u8::from(tag.reserved),
            tag.version,
            tag.svif
        )?;
    }
    if let Some(tag) = &answer.vlan_tag {
        writeln!(
            out,
            "  VLAN tag: {:#06x}, VLAN {}, priority {}",
            tag.tpid, tag.vid, tag.priority
        )?;
    }
    write_stages(out, &answer.stages)?;
    let copies = answer.copies.len() + answer.more_copies;
    write!(out, "{}", answer.verdict.as_str())?;
    if copies > 0 {
        write!(
            out,
            ": {copies} {}",
            if copies == 1 { "copy" } else { "copies" }
        )?;
    }
    write_reason(out, answer.reason.as_ref())?;
    for (copy, number) in answer.copies.iter().zip(1..) {
        write_copy(out, copy, number)?;
    }
    if answer.more_copies > 0 {
        writeln!(out, "and {} more copies", answer.more_copies)?;
    }
    Ok(())
}

fn write_copy(out: &mut String, copy: &ExplainedCopy, number: usize) -> fmt::Result {
    let to: Vec<String> = copy.to.iter().map(InterfaceId::to_string).collect();
    writeln!(out, "Copy {number}, for {}", to.join(", "))?;
    write_stages(out, &copy.stages)?;
    match (&copy.octets, copy.sent_on) {
        (Some(octets), Some(link)) => {
            write!(out, "  written on {link}, {} octets", octets.0.len() / 2)?;
            match &copy.reason {
                None => writeln!(out, ":")?,
                Some(reason) => writeln!(out, ", but {}: {}", reason.name, reason.explanation)?,
            }
            let mut rest = octets.0.as_str();
            while !rest.is_empty() {
                let (line, next) = rest.split_at_checked(WIDTH * 2).unwrap_or((rest, ""));
                writeln!(out, "    {line}")?;
                rest = next;
            }
            Ok(())
        }
        _ => {
            write!(out, "  dropped")?;
            write_reason(out, copy.reason.as_ref())
        }
    }
}

fn write_reason(out: &mut String, reason: Option<&Reason>) -> fmt::Result {
    match reason {
        Some(reason) => writeln!(out, ": {}: {}", reason.name, reason.explanation),
        None => writeln!(out),
    }
}

fn write_stages(out: &mut String, stages: &[Stage]) -> fmt::Result {
    for stage in stages {
        let verdict = if stage.passes { "pass" } else { "drop" };
        writeln!(out, "  {:<10} {verdict}  {}", stage.stage, stage.says)?;
        for line in &stage.lines {
            match &line.origin {
                Origin::Default => writeln!(out, "{:19}`{}`, by default", "", line.line)?,
                origin => writeln!(out, "{:19}`{}` of {origin}", "", line.line)?,
            }
        }
    }
    Ok(())
}
