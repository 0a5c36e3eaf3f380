//! `show mac address-table`

use crate::control::show::{MacKind, ShowMacAddressTable};
use crate::control::switch::ShowMacCount;
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowMacAddressTable) -> fmt::Result {
    out.push_str(
        "   VLAN     MAC Address      Type      age     Secure NTFY Ports\n\
         ---------+-----------------+--------+---------+------+----+------------------\n",
    );
    for entry in &answer.entries {
        let kind = match entry.kind {
            MacKind::Dynamic => "dynamic",
            MacKind::Static => "static",
        };
        let age = entry
            .age
            .map_or_else(|| "-".to_owned(), |age| age.to_string());
        let secure = if entry.secure { "T" } else { "F" };
        // Notification does not exist here: never.
        let notify = "F";
        writeln!(
            out,
            "* {:>4}     {:<16} {kind:<8} {age:<9} {secure:<6} {notify:<4} {:#}",
            entry.vlan.get(),
            entry.mac.dotted().to_string(),
            entry.interface,
        )?;
    }
    Ok(())
}

pub(super) fn write_count(out: &mut String, answer: &ShowMacCount) -> fmt::Result {
    let ShowMacCount {
        dynamic,
        r#static,
        room,
        ..
    } = answer;
    writeln!(out, "Dynamic addresses: {dynamic}")?;
    writeln!(out, "Static addresses:  {}", r#static)?;
    writeln!(out, "Room for:          {room}")
}
