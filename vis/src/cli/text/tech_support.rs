//! `show tech-support`

use crate::control::switch::ShowTechSupport;
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowTechSupport) -> fmt::Result {
    for part in &answer.parts {
        writeln!(out, "`{}`", part.command)?;
        out.push_str(&super::text(&part.answer));
        if part.left_out > 0 {
            writeln!(out, "({} rows more are left out here)", part.left_out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
