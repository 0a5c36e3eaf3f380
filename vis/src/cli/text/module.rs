//! `show module`

use crate::control::switch::ShowModule;
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowModule) -> fmt::Result {
    writeln!(
        out,
        "Mod Ports Module-Type                         Model        Status"
    )?;
    writeln!(
        out,
        "--- ----- ----------------------------------- ------------ ----------"
    )?;
    for one in &answer.modules {
        writeln!(
            out,
            "{:<3} {:<5} {:<35} {:<12} {}",
            one.module, one.ports, one.kind, one.model, one.status
        )?;
    }
    writeln!(out)?;
    writeln!(out, "Mod Link   Software     Host             Identity")?;
    writeln!(
        out,
        "--- ------ ------------ ---------------- ------------------------------------"
    )?;
    for one in &answer.modules {
        let link = one.link.map(|link| format!("{link:#}"));
        let line = format!(
            "{:<3} {:<6} {:<12} {:<16} {}",
            one.module,
            link.as_deref().unwrap_or("-"),
            one.software.as_deref().unwrap_or("-"),
            one.host.as_deref().unwrap_or("-"),
            one.identity.as_deref().unwrap_or("-"),
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
