//! `show interface status|brief|counters`

use crate::control::interfaces::{ShowInterfaceBrief, ShowInterfaceCounters, ShowInterfaceStatus};
use std::fmt::{self, Write};

const RULE: &str =
    "--------------------------------------------------------------------------------";

/// Characters of a name in `show interface status`.
const NAME: usize = 18;

pub(super) fn write_status(out: &mut String, answer: &ShowInterfaceStatus) -> fmt::Result {
    writeln!(out, "{RULE}")?;
    writeln!(
        out,
        "{:<13} {:<18} {:<9} {:<9} {:<7} {:<7} Type",
        "Port", "Name", "Status", "Vlan", "Duplex", "Speed"
    )?;
    writeln!(out, "{RULE}")?;
    for one in &answer.interfaces {
        let line = format!(
            "{:<13} {:<18} {:<9} {:<9} {:<7} {:<7} {}",
            format!("{:#}", one.interface),
            cut(one.name.as_deref().unwrap_or("--")),
            one.status.as_str(),
            one.vlan,
            // What a device has agreed on with its neighbour is the kernel's affair.
            "auto",
            "auto",
            one.kind.as_deref().unwrap_or("--"),
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// To the width of its column, as nxos does; JSON has it whole.
pub(super) fn cut(name: &str) -> &str {
    let end = name.char_indices().nth(NAME).map(|(at, _)| at);
    end.and_then(|end| name.get(..end))
        .unwrap_or(name)
        .trim_end()
}

pub(super) fn write_brief(out: &mut String, answer: &ShowInterfaceBrief) -> fmt::Result {
    writeln!(out, "{RULE}")?;
    writeln!(
        out,
        "{:<15} {:<7} {:<4} {:<6} {:<7} {:<24} {:<9} Port",
        "Ethernet", "VLAN", "Type", "Mode", "Status", "Reason", "Speed"
    )?;
    writeln!(out, "{:<77} Ch #", "Interface")?;
    writeln!(out, "{RULE}")?;
    for one in &answer.interfaces {
        writeln!(
            out,
            "{:<15} {:<7} {:<4} {:<6} {:<7} {:<24} {:<9} --",
            format!("{:#}", one.interface),
            one.vlan,
            one.kind,
            one.mode,
            if one.up { "up" } else { "down" },
            one.reason,
            "auto(D)",
        )?;
    }
    Ok(())
}

pub(super) fn write_counters(out: &mut String, answer: &ShowInterfaceCounters) -> fmt::Result {
    writeln!(
        out,
        "{:<9} {:>14} {:>17} {:>10} {:>14} {:>17} {:>10}",
        "Port", "InFrames", "InOctets", "InDrops", "OutFrames", "OutOctets", "OutDrops"
    )?;
    for one in &answer.interfaces {
        writeln!(
            out,
            "{:<9} {:>14} {:>17} {:>10} {:>14} {:>17} {:>10}",
            format!("{:#}", one.interface),
            one.input.frames,
            one.input.octets,
            one.input_drops,
            one.output.frames,
            one.output.octets,
            one.output_drops,
        )?;
    }
    Ok(())
}
