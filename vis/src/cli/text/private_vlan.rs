//! `show vlan private-vlan`

use crate::control::private_vlan::ShowPrivateVlan;
use std::fmt::{self, Write};

/// Ports in one line.
const PORTS: usize = 4;

pub(super) fn write(out: &mut String, answer: &ShowPrivateVlan) -> fmt::Result {
    out.push_str(
        "Primary  Secondary  Type             Ports\n\
         -------  ---------  ---------------  -------------------------------------------\n",
    );
    for entry in &answer.vlans {
        let vlan = |vlan: Option<niv::VlanId>| vlan.map(|vlan| vlan.to_string());
        let kind = match entry.operational {
            true => entry.r#type.as_str(),
            false => "non-operational",
        };
        let mut lines = entry.ports.chunks(PORTS).map(|ports| {
            let ports: Vec<String> = ports.iter().map(|port| format!("{port:#}")).collect();
            ports.join(", ")
        });
        let line = format!(
            "{:<7}  {:<9}  {kind:<15}  {}",
            vlan(entry.primary).unwrap_or_default(),
            vlan(entry.secondary).unwrap_or_default(),
            lines.next().unwrap_or_default(),
        );
        writeln!(out, "{}", line.trim_end())?;
        for line in lines {
            writeln!(out, "{:37}{line}", "")?;
        }
    }
    Ok(())
}
