//! `show drops`: a layout of our own.

use crate::control::switch::ShowDrops;
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowDrops) -> fmt::Result {
    if answer.interfaces.is_empty() {
        return writeln!(out, "Nothing was dropped.");
    }
    writeln!(
        out,
        "{:<9} {:<3} {:>12} {:<20} Meaning",
        "Port", "Dir", "Frames", "Reason"
    )?;
    for one in &answer.interfaces {
        for drops in &one.drops {
            writeln!(
                out,
                "{:<9} {:<3} {:>12} {:<20} {}",
                format!("{:#}", one.interface),
                drops.direction,
                drops.frames,
                drops.reason,
                drops.explanation
            )?;
        }
    }
    Ok(())
}
