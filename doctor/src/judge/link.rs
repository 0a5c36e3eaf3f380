//! What is between this box and the other end of the cable.

use super::Verdict;
use crate::LinkHealth;
use crate::facts::{Facts, Link, Session};
use crate::{Rule, Severity};

/// Longer than between two control frames (a third of the hold time of 900 ms) and a busy machine's delay.
const OFTEN: u64 = 600;

pub(super) fn judge(facts: &Facts, verdict: &mut Verdict) {
    let Some(running) = facts.daemon.running() else {
        return;
    };
    for link in &running.links {
        let name = link.device.as_str();
        let device = facts.devices.iter().find(|d| d.wanted.device == name);
        let needed = device.map_or(0, |device| device.wanted.mtu);
        let missing = device.is_some_and(|device| matches!(device.found, Ok(None)));
        if let Some(why) = link.refused.as_ref().filter(|_| !missing) {
            verdict.amiss_elsewhere(
                Rule::Refused,
                name,
                format!("the daemon does not use it: {why}"),
            );
        }
        if let Some(session) = &link.session {
            self::session(name, session, verdict);
            // A device here that is too small has been named, and no Probe knows more.
            let found = device.and_then(|device| device.found.as_ref().ok()?.as_ref());
            let small = found.is_some_and(|found| found.mtu < needed);
            if let Some(health) = session.health.as_ref().filter(|_| !small) {
                path_mtu(name, health, needed, verdict);
            }
        }
        neighbours(link, verdict);
    }
}

fn session(name: &str, session: &Session, verdict: &mut Verdict) {
    match (&session.peer, &session.why) {
        (Some(peer), None) => {
            verdict.well(
                Rule::Session,
                name,
                format!("there is a session with {peer}"),
            );
        }
        (_, why) => verdict.amiss_elsewhere(
            Rule::Session,
            name,
            format!(
                "there is no session with the other end: {}",
                why.as_deref().unwrap_or("nobody has answered yet")
            ),
        ),
    }
    let Some(health) = &session.health else {
        return;
    };
    let silent = health.silent_ms;
    if silent > OFTEN {
        verdict.amiss_elsewhere(
            Rule::ControlFrames,
            name,
            format!(
                "the last control frame came {silent} ms ago, and one should every 300: the link loses frames, or the other \
                 box is too busy"
            ),
        );
    } else {
        let says = format!("the last control frame came {silent} ms ago");
        verdict.well(Rule::ControlFrames, name, says);
    }
}

fn path_mtu(name: &str, health: &LinkHealth, needed: u32, verdict: &mut Verdict) {
    let LinkHealth {
        mtu_wanted: wanted,
        mtu_proven: proven,
        mtu_limit: limit,
        ..
    } = *health;
    match health.carries(needed) {
        Some(true) => verdict.well(
            Rule::PathMtu,
            name,
            format!("frames of {proven} octets get to the other end, as Probes find"),
        ),
        Some(false) if u32::from(wanted) < needed => verdict.amiss_elsewhere(
            Rule::PathMtu,
            name,
            format!(
                "both ends have an MTU of {wanted} only, and {needed} is needed: raise it at the end that is smaller \
                 (`ip link set dev DEVICE mtu {needed}` there), and start that end again"
            ),
        ),
        Some(false) => verdict.amiss_elsewhere(
            Rule::PathMtu,
            name,
            format!(
                "both ends take frames of {wanted} octets, and none longer than {limit} gets through, where {needed} is \
                 needed: something between them has too small an MTU: raise it there (`ip link set dev DEVICE mtu {needed}` \
                 on both of its ports), or cable the two boxes to each other"
            ),
        ),
        None => verdict.unseen(Rule::PathMtu, name, "Probes are still on their way: ask again"),
    }
}

fn neighbours(link: &Link, verdict: &mut Verdict) {
    let name = link.device.as_str();
    let stranger = link.neighbours.iter().any(|(_, role)| role.is_none());
    match &link.advice {
        Some(advice) if link.neighbours.len() > 1 || stranger => {
            verdict.amiss_elsewhere(Rule::Middle, name, advice);
        }
        Some(advice) => verdict.amiss_elsewhere(Rule::FarEnd, name, advice),
        None => {
            for (neighbour, _) in &link.neighbours {
                let says = format!("the neighbour by LLDP is {neighbour}");
                verdict.say(Rule::FarEnd, Severity::Ok, name, says, None);
            }
        }
    }
}
