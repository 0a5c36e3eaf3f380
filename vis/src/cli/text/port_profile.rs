//! `show port-profile`: a layout of our own.

use crate::config::{InterfaceId, ProfileName};
use crate::control::switch::{PortProfile, ShowPortProfile};
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowPortProfile) -> fmt::Result {
    for (i, profile) in answer.profiles.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        write_one(out, profile)?;
    }
    Ok(())
}

fn write_one(out: &mut String, profile: &PortProfile) -> fmt::Result {
    writeln!(out, "port-profile {}", profile.name)?;
    if let Some(description) = &profile.description {
        writeln!(out, "  description: {description}")?;
    }
    writeln!(out, "  inherits: {}", names(&profile.ancestors))?;
    writeln!(out, "  own lines:")?;
    for line in &profile.lines {
        writeln!(out, "    {line}")?;
    }
    if let Some(expanded) = &profile.expanded {
        writeln!(out, "  lines in force:")?;
        for line in expanded {
            writeln!(out, "    {:<40} {}", line.line, line.origin)?;
        }
    }
    writeln!(out, "  inherited by: {}", names(&profile.inherited_by))?;
    writeln!(out, "  assigned interfaces:")?;
    for interface in &profile.assigned_to {
        let interface: &InterfaceId = interface;
        writeln!(out, "    {interface}")?;
    }
    Ok(())
}

fn names(names: &[ProfileName]) -> String {
    match names {
        [] => "none".to_owned(),
        names => {
            let names: Vec<&str> = names.iter().map(ProfileName::as_str).collect();
            names.join(", ")
        }
    }
}
