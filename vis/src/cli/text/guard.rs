//! `show port-security`, `show interface status err-disabled`, `show errdisable recovery` and `show bridge-guard`; the
//! first three laid out as nxos does.

use crate::control::guard::{SecuredInterface, ShowGuard, ShutInterface};
use std::fmt::{self, Write};

const RULE: &str =
    "--------------------------------------------------------------------------------";

pub(super) fn write(out: &mut String, answer: &ShowGuard) -> fmt::Result {
    match answer {
        ShowGuard::Bridges(answer) => {
            if answer.found.is_empty() {
                return writeln!(out, "no guest was found to bridge two ports");
            }
            writeln!(out, "{:<12} {:<12} {:>8}  Why", "Port", "And", "Ago")?;
            for one in &answer.found {
                let [first, second] = one.interfaces;
                writeln!(
                    out,
                    "{:<12} {:<12} {:>7}s  {}",
                    format!("{first:#}"),
                    format!("{second:#}"),
                    one.ago_ms / 1000,
                    one.says
                )?;
            }
            Ok(())
        }
        ShowGuard::Recovery(answer) => {
            writeln!(out, "{:<28} Timer Status", "ErrDisable Reason")?;
            writeln!(out, "{:<28} ------------", "-----------------")?;
            for one in &answer.causes {
                let status = if one.enabled { "enabled" } else { "disabled" };
                writeln!(out, "{:<28} {status}", one.cause)?;
            }
            writeln!(out, "\nTimer interval: {} seconds", answer.interval)
        }
        ShowGuard::Shut(answer) => {
            writeln!(out, "{RULE}")?;
            writeln!(out, "{:<13} {:<18} {:<10} Reason", "Port", "Name", "Status")?;
            writeln!(out, "{RULE}")?;
            for one in &answer.interfaces {
                write_shut(out, one)?;
            }
            Ok(())
        }
        ShowGuard::Security(answer) => {
            writeln!(
                out,
                "Total Secured Mac Addresses in System: {}\nMax Addresses limit in System: {}\n",
                answer.addresses, answer.room
            )?;
            writeln!(out, "{RULE}")?;
            writeln!(
                out,
                "Secure Port  MaxSecureAddr  CurrentAddr  SecurityViolation  Security Action\n\
                 {:<16} {:<14} {:<14} (Count)",
                "", "(Count)", "(Count)"
            )?;
            writeln!(out, "{RULE}")?;
            for one in &answer.interfaces {
                writeln!(
                    out,
                    "{:<12} {:>13}  {:>11}  {:>17}  {}",
                    one.interface.to_string(),
                    one.maximum,
                    one.current,
                    one.violations,
                    capital(&one.violation)
                )?;
            }
            writeln!(out, "{}", RULE.replace('-', "="))
        }
        ShowGuard::Addresses(answer) => {
            writeln!(
                out,
                "{RULE}\n                Secure Mac Address Table\n{RULE}"
            )?;
            writeln!(
                out,
                "Vlan    Mac Address       Type          Ports         Remaining age\n{:<54}(seconds)",
                ""
            )?;
            writeln!(
                out,
                "----    -----------       ----          -----         -------------"
            )?;
            for one in &answer.addresses {
                let left = one
                    .left
                    .map_or_else(|| "-".to_owned(), |left| left.to_string());
                writeln!(
                    out,
                    "{:>4}    {:<17} {:<13} {:<13} {left}",
                    one.vlan.get(),
                    one.mac.dotted().to_string(),
                    one.kind.to_uppercase(),
                    one.interface.to_string(),
                )?;
            }
            Ok(())
        }
        ShowGuard::SecurityOf(answer) => match &answer.interface {
            None => writeln!(out, "Port Security              : Disabled"),
            Some(one) => write_security(out, one),
        },
    }
}

fn write_shut(out: &mut String, one: &ShutInterface) -> fmt::Result {
    let reason = match one.left {
        Some(left) => format!("{}, comes back in {left} s", one.cause),
        None => format!("{}, until `shutdown` and `no shutdown`", one.cause),
    };
    writeln!(
        out,
        "{:<13} {:<18} {:<10} {reason}",
        format!("{:#}", one.interface),
        super::interface_tables::cut(one.name.as_deref().unwrap_or("--")),
        "errDisabl",
    )
}

fn write_security(out: &mut String, one: &SecuredInterface) -> fmt::Result {
    let status = match one.status.as_str() {
        "up" => "Secure Up",
        "no_room" => "No Room",
        _ => "Secure Shutdown",
    };
    let lines = [
        ("Port Security", "Enabled".to_owned()),
        ("Port Status", status.to_owned()),
        ("Violation Mode", capital(&one.violation)),
        ("Aging Time", format!("{} mins", one.aging_minutes)),
        ("Aging Type", capital(&one.aging_type)),
        ("Maximum MAC Addresses", one.maximum.to_string()),
        ("Total MAC Addresses", one.current.to_string()),
        ("Configured MAC Addresses", one.configured.to_string()),
        ("Sticky MAC Addresses", one.sticky.to_string()),
        ("Security violation count", one.violations.to_string()),
    ];
    for (what, value) in lines {
        writeln!(out, "{what:<26} : {value}")?;
    }
    Ok(())
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
