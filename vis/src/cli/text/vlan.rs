//! `show vlan`

use crate::control::show::ShowVlan;
use std::fmt::{self, Write};

/// Ports in one line.
const PORTS: usize = 4;

pub(super) fn write(out: &mut String, answer: &ShowVlan) -> fmt::Result {
    out.push_str(
        "VLAN Name                             Status    Ports\n\
         ---- -------------------------------- --------- -------------------------------\n",
    );
    for entry in &answer.vlans {
        let mut lines = entry.ports.chunks(PORTS).map(|ports| {
            let ports: Vec<String> = ports.iter().map(|port| format!("{port:#}")).collect();
            ports.join(", ")
        });
        let first = lines.next().unwrap_or_default();
        let line = format!(
            "{:<4} {:<32} {:<9} {first}",
            entry.vlan.get(),
            entry.name,
            entry.status
        );
        writeln!(out, "{}", line.trim_end())?;
        for line in lines {
            writeln!(out, "{:48}{line}", "")?;
        }
    }
    Ok(())
}
