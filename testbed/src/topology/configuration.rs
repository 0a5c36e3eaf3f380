//! What an `iv` of a lab is told: what the file says, and the guests that say they are its.

use crate::error::{LabError, Result};
use crate::sandbox::netns_path;
use ::topology::{HostName, Topology};
use serde::Serialize;

#[derive(Serialize)]
struct Tables<'t> {
    vnic: Vec<Table<'t>>,
}

/// One `[[vnic]]` of its file.
#[derive(Serialize)]
struct Table<'t> {
    name: &'t str,
    profile: &'t str,
    netns: String,
    ifname: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
}

/// The text, with a `[[vnic]]` for each guest.
///
/// # Errors
/// It cannot be written as TOML.
pub(super) fn with_guests(topology: &Topology, host: &HostName, own: &str) -> Result<String> {
    let mut vnic = Vec::new();
    for (guest, its) in &topology.hosts {
        for of_guest in its.vnics.iter().filter(|vnic| vnic.on == *host) {
            vnic.push(Table {
                name: &of_guest.name,
                profile: &of_guest.profile,
                netns: netns_path(guest.as_str()).display().to_string(),
                ifname: of_guest.device.as_str(),
                mac: of_guest.mac.map(|mac| mac.to_string()),
                mtu: of_guest.mtu,
            });
        }
    }
    if vnic.is_empty() {
        return Ok(own.to_owned());
    }
    let tables = toml::to_string(&Tables { vnic }).map_err(|error| LabError::Link {
        doing: format!("write the configuration of {host}"),
        source: Box::new(error),
    })?;
    Ok(format!("{own}\n\n{tables}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iv_gets_the_guests_that_name_it() {
        let text = r#"
            [host.h1]
            iv = 'uplink = "eth1"'
            [host.g]
            vnics = [{ on = "h1", profile = 'a "b"', mac = "02:00:00:00:00:01", mtu = 9000 }]
        "#;
        let topology = topology::parse(text).unwrap();
        let written = with_guests(&topology, &"h1".parse().unwrap(), "uplink = \"eth1\"").unwrap();
        let read: toml::Table = toml::from_str(&written).unwrap();
        assert_eq!(read["uplink"].as_str(), Some("eth1"));
        let vnic = &read["vnic"].as_array().unwrap()[0];
        assert_eq!(vnic["profile"].as_str(), Some("a \"b\""));
        assert_eq!(vnic["netns"].as_str(), Some("/run/netns/g"));
        assert_eq!(vnic["mac"].as_str(), Some("02:00:00:00:00:01"));
        assert_eq!(vnic["mtu"].as_integer(), Some(9000));
    }
}
