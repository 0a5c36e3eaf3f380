//! `show interface`, laid out so that every line is one the public template knows.

use super::by_name;
use crate::config::{InterfaceId, Membership, PrivateMembership};
use crate::control::counts::Total;
use crate::control::show::{Interface, ShowInterface};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowInterface) -> fmt::Result {
    for (i, interface) in answer.interfaces.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        write_one(out, interface)?;
    }
    Ok(())
}

fn write_one(out: &mut String, interface: &Interface) -> fmt::Result {
    let up = |up| if up { "up" } else { "down" };
    write!(out, "{} is {}", interface.name, up(interface.oper_up))?;
    if !interface.why_down.is_empty() {
        write!(out, " ({})", interface.why_down.join("; "))?;
    }
    let kind = match interface.binding.is_some() || interface.vnic.is_some() {
        true => "virtual interface",
        false => "dedicated interface",
    };
    writeln!(out, "\nadmin state is {}, {kind}", up(interface.admin_up))?;

    let hardware = match (&interface.io_mode, &interface.device) {
        (Some(mode), Some(device)) => format!("{mode} on {device}"),
        (None, Some(device)) => format!("none on {device}"),
        _ => "virtual".to_owned(),
    };
    match interface.mac {
        Some(mac) => writeln!(out, "  Hardware: {hardware}, address: {}", mac.dotted())?,
        None => writeln!(out, "  Hardware: {hardware}")?,
    }
    if let Some(description) = &interface.description {
        writeln!(out, "  Description: {description}")?;
    }
    if let Some(binding) = interface.binding {
        let link = InterfaceId::Ethernet(binding.ethernet);
        writeln!(out, "  Belongs to {link} channel {}", binding.channel)?;
    }
    if let Some(vnic) = &interface.vnic {
        let owner = vnic.owner.as_ref().map(|owner| format!(" of {owner}"));
        writeln!(
            out,
            "  Belongs to vNIC {}{} ({})",
            vnic.name,
            owner.unwrap_or_default(),
            vnic.uuid
        )?;
    }
    if let Some(profile) = &interface.port_profile {
        writeln!(out, "  Belongs to port-profile {profile}")?;
    }
    if let Some(mtu) = interface.mtu {
        writeln!(out, "  MTU {mtu} bytes")?;
    }
    match &interface.membership {
        Membership::Vntag => writeln!(out, "  Port mode is vntag")?,
        Membership::Access { vlan } => writeln!(out, "  Port mode is access (VLAN {vlan})")?,
        Membership::Trunk { native, allowed } => writeln!(
            out,
            "  Port mode is trunk (native VLAN {native}, allowed {allowed})"
        )?,
        Membership::Private(membership) => write_private(out, membership)?,
    }

    let counts = &interface.counts;
    writeln!(out, "  RX")?;
    let Total { frames, octets } = counts.received;
    writeln!(out, "    {frames} input packets {octets} bytes")?;
    write!(
        out,
        "    {frames} frames input, {octets} bytes: {} forwarded, {} flooded, {} consumed",
        counts.forwarded, counts.flooded, counts.consumed
    )?;
    if !counts.anomalies.is_empty() {
        write!(out, "; odd: {}", by_name(&counts.anomalies))?;
    }
    writeln!(out)?;
    let mut lost = counts.dropped.clone();
    // Before any frame was seen, so in no sum of frames; lost all the same.
    if let Some(ring) = interface
        .kernel
        .map(|kernel| kernel.ring_dropped)
        .filter(|&n| n > 0)
    {
        lost.insert("ring_full".to_owned(), ring);
    }
    // On a line of its own the template would not know it.
    let kernel = interface.kernel.map(|kernel| {
        format!(
            "kernel: {} packets received, {} buffers taken, {} dropped by the ring",
            kernel.rx_packets, kernel.taken, kernel.ring_dropped,
        )
    });
    write_discards(out, &lost, kernel)?;
    writeln!(out, "  TX")?;
    let frames = counts.sent.frames + counts.listed.frames;
    let octets = counts.sent.octets + counts.listed.octets;
    writeln!(out, "    {frames} output packets {octets} bytes")?;
    writeln!(
        out,
        "    {frames} frames output, {octets} bytes: {} originated here, {} queued",
        counts.originated, counts.queued
    )?;
    let kernel = interface.kernel.map(|kernel| {
        format!(
            "kernel: {} packets sent, {} buffers handed over, {} dropped by the interface",
            kernel.tx_packets, kernel.handed, kernel.tx_dropped
        )
    });
    write_discards(out, &counts.egress_dropped, kernel)
}

fn write_discards(
    out: &mut String,
    dropped: &BTreeMap<String, u64>,
    kernel: Option<String>,
) -> fmt::Result {
    let total: u64 = dropped.values().sum();
    write!(out, "    {total} discards, 0 errors")?;
    if !dropped.is_empty() {
        write!(out, ": {}", by_name(dropped))?;
    }
    match kernel {
        Some(kernel) => writeln!(out, "; {kernel}"),
        None => writeln!(out),
    }
}

fn write_private(out: &mut String, membership: &PrivateMembership) -> fmt::Result {
    match membership {
        PrivateMembership::Host(None) => writeln!(out, "  Port mode is private-vlan host"),
        PrivateMembership::Host(Some(host)) => writeln!(
            out,
            "  Port mode is private-vlan host (VLAN {} of private VLAN {})",
            host.secondary, host.primary
        ),
        PrivateMembership::Promiscuous(None) => {
            writeln!(out, "  Port mode is private-vlan promiscuous")
        }
        PrivateMembership::Promiscuous(Some(mapping)) => writeln!(
            out,
            "  Port mode is private-vlan promiscuous (private VLAN {}, hosts of {})",
            mapping.primary, mapping.secondaries
        ),
        PrivateMembership::Trunk {
            allowed,
            native,
            mappings,
        } => {
            let each = mappings.iter().map(|mapping| {
                format!(
                    "private VLAN {}, hosts of {}",
                    mapping.primary, mapping.secondaries
                )
            });
            let mut said: Vec<String> = each.collect();
            if !allowed.is_empty() {
                said.push(format!("allowed {allowed}"));
            }
            if let Some(native) = native {
                said.push(format!("native VLAN {native}"));
            }
            writeln!(
                out,
                "  Port mode is private-vlan trunk promiscuous ({})",
                said.join("; ")
            )
        }
    }
}
