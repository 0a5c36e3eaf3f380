//! `show niv`: a layout of our own.

use super::counted;
use crate::config::InterfaceId;
use crate::control::niv::{NivLink, ShowNivLink, ShowNivList, ShowNivVif};
use niv::VifId;
use std::fmt::{self, Write};

pub(super) fn write_links(out: &mut String, answer: &ShowNivLink) -> fmt::Result {
    for (i, link) in answer.links.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        write_link(out, link)?;
    }
    Ok(())
}

fn write_link(out: &mut String, link: &NivLink) -> fmt::Result {
    write!(out, "{} is {} for {} s", link.link, link.state, link.since)?;
    writeln!(out, ", authentication {}", link.authentication)?;
    if let Some(peer) = &link.peer {
        writeln!(
            out,
            "  Host {}, {}, {}",
            peer.name,
            peer.mac,
            peer.software.as_deref().unwrap_or("no program named")
        )?;
        let proven = match link.mtu_proven {
            Some(octets) => format!("{octets} octets proven"),
            None => "not yet proven".to_owned(),
        };
        let proof = if peer.authenticated {
            "has"
        } else {
            "showed no"
        };
        writeln!(
            out,
            "  Identity {}, {proof} key, MTU {} ({proven}), hold {} ms",
            peer.identity, peer.mtu, peer.hold
        )?;
    }
    writeln!(
        out,
        "  {}, {} free; {} refused; {}, {} free, {} not had",
        counted(link.vifs.used, "VIF"),
        counted(link.vifs.free, "id"),
        counted(link.vnics_refused, "vNIC"),
        counted(link.lists.used, "list"),
        counted(link.lists.free, "id"),
        link.lists_refused
    )?;
    writeln!(
        out,
        "  {}, {} refused",
        counted(link.sessions, "session"),
        link.refused
    )?;
    if let Some(why) = &link.last_refusal {
        writeln!(out, "  Last refused: {why}")?;
    }
    if let Some(why) = &link.lost {
        writeln!(out, "  Last lost: {why}")?;
    }
    if let Some(frames) = &link.frames {
        writeln!(
            out,
            "  Link control: {} sent, {} taken, {} not taken, of those {} not authentic",
            counted(frames.sent, "frame"),
            frames.taken,
            frames.not_taken,
            frames.unauthentic
        )?;
    }
    for neighbour in &link.neighbours {
        let system = neighbour.system.as_deref().unwrap_or(&neighbour.chassis);
        let role = match &neighbour.role {
            Some(role) => format!("{role} with VIC"),
            None => "without VIC".to_owned(),
        };
        writeln!(
            out,
            "  Neighbour by LLDP: {system}, port {}, {}, {role}",
            neighbour.port, neighbour.mac
        )?;
    }
    if let Some(advice) = &link.advice {
        writeln!(out, "  Look: {advice}")?;
    }
    Ok(())
}

pub(super) fn write_vifs(out: &mut String, answer: &ShowNivVif) -> fmt::Result {
    writeln!(
        out,
        "{:<6} {:>5} {:<9} {:<17} {:<16} {:<20} {:<36} Owner",
        "Link", "VIF", "vEth", "State", "vNIC", "Profile (asked for)", "UUID"
    )?;
    for vif in &answer.vifs {
        let link = vif.link.map(|link| format!("{link:#}"));
        let number = vif.vif.map(|vif| vif.to_string());
        let (name, asked, uuid) = match &vif.vnic {
            Some(vnic) => (&*vnic.name, Some(&*vnic.port_profile), &*vnic.uuid),
            None => ("-", None, "-"),
        };
        let profile = vif.port_profile.as_deref();
        let profile = match asked.filter(|&asked| profile != Some(asked)) {
            Some(asked) => format!("{} ({asked})", profile.unwrap_or("-")),
            None => profile.unwrap_or("-").to_owned(),
        };
        let line = format!(
            "{:<6} {:>5} {:<9} {:<17} {name:<16} {profile:<20} {uuid:<36}",
            link.as_deref().unwrap_or("-"),
            number.as_deref().unwrap_or("-"),
            format!("{:#}", vif.veth),
            vif.state,
        );
        let owner = vif.vnic.as_ref().and_then(|vnic| vnic.owner.as_deref());
        let line = format!("{line} {}", owner.unwrap_or_default());
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

pub(super) fn write_lists(out: &mut String, answer: &ShowNivList) -> fmt::Result {
    writeln!(out, "{:<6} {:>5} {:<10} Members", "Link", "List", "State")?;
    for list in &answer.lists {
        let link: &InterfaceId = &list.link;
        writeln!(
            out,
            "{:<6} {:>5} {:<10} {}",
            format!("{link:#}"),
            list.list.get(),
            list.state,
            ranges(&list.members)
        )?;
    }
    Ok(())
}

/// `1-3,7`
fn ranges(vifs: &[VifId]) -> String {
    let numbers: Vec<u16> = vifs.iter().map(|vif| vif.get()).collect();
    let runs = numbers.chunk_by(|before, next| before + 1 == *next);
    let runs = runs.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        other => other.iter().map(ToString::to_string).collect(),
    });
    runs.collect::<Vec<_>>().join(",")
}
