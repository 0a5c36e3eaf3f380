//! Answers as text. Where a public template exists for the layout (ntc-templates, `cisco_nxos`), the text
//! follows it, so that programs which read such switches read this one; it is a layout only.

mod access_lists;
mod changes;
mod conservation;
mod drops;
mod explain;
mod guard;
mod interface;
mod interface_tables;
mod links;
mod mac_address_table;
mod module;
mod plan;
mod policer;
mod port_profile;
mod private_vlan;
mod tech_support;
mod version;
mod vlan;

use crate::control::Format;
use crate::control::show::Answer;
use std::collections::BTreeMap;

/// The answer as it is printed, final line end included.
///
/// # Errors
/// The answer cannot be written as JSON.
pub fn print(answer: &Answer, format: Format) -> Result<String, serde_json::Error> {
    match format {
        Format::Json => Ok(serde_json::to_string_pretty(answer)? + "\n"),
        Format::Text => Ok(text(answer)),
    }
}

fn text(answer: &Answer) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = match answer {
        Answer::AccessLists(answer) => access_lists::write(&mut out, answer),
        Answer::Conservation(answer) => conservation::write(&mut out, answer),
        Answer::Explain(answer) => explain::write(&mut out, answer),
        Answer::Interface(answer) => interface::write(&mut out, answer),
        Answer::Guard(answer) => guard::write(&mut out, answer),
        Answer::Drops(answer) => drops::write(&mut out, answer),
        Answer::InterfaceBrief(answer) => interface_tables::write_brief(&mut out, answer),
        Answer::InterfaceCounters(answer) => interface_tables::write_counters(&mut out, answer),
        Answer::InterfaceStatus(answer) => interface_tables::write_status(&mut out, answer),
        Answer::MacCount(answer) => mac_address_table::write_count(&mut out, answer),
        Answer::Module(answer) => module::write(&mut out, answer),
        Answer::Policer(answer) => policer::write(&mut out, answer),
        Answer::PortProfile(answer) => port_profile::write(&mut out, answer),
        Answer::TechSupport(answer) => tech_support::write(&mut out, answer),
        Answer::MacAddressTable(answer) => mac_address_table::write(&mut out, answer),
        Answer::NivLink(answer) => links::write_links(&mut out, answer),
        Answer::NivVif(answer) => links::write_vifs(&mut out, answer),
        Answer::NivList(answer) => links::write_lists(&mut out, answer),
        Answer::RunningConfig(answer) => {
            out.push_str(&answer.text);
            Ok(())
        }
        Answer::Diff(answer) => changes::write_diff(&mut out, answer),
        Answer::History(answer) => changes::write_history(&mut out, answer),
        Answer::Plan(answer) => plan::write(&mut out, answer),
        Answer::Version(answer) => version::write(&mut out, answer),
        Answer::PrivateVlan(answer) => private_vlan::write(&mut out, answer),
        Answer::Vlan(answer) => vlan::write(&mut out, answer),
    };
    out
}

/// `1 frame`, `2 frames`, `0 entries`
pub(crate) fn counted(n: impl TryInto<u64>, what: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    match (n, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{n} {stem}ies"),
        (_, None) => format!("{n} {what}s"),
    }
}

/// `runt 2, vif_not_owned 3`
fn by_name(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<String> = counts
        .iter()
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    counts.join(", ")
}

#[cfg(test)]
mod tests;
