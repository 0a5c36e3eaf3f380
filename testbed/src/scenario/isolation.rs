//! Frames do not reach whom they must not.

use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::error::{LabError, Result, check};
use crate::report::Report;
use crate::two_boxes::{STATIONS, Station, TwoBoxes};
use packet_io::netns::NetNs;
use std::net::IpAddr;
use std::time::Duration;

/// How long silence has to last to be believed. An answer takes far less than a millisecond.
const SILENCE: Patience = Patience {
    payload: 56,
    within: Duration::from_millis(1200),
    linger: Duration::from_millis(300),
};
const ANSWER: Patience = Patience {
    payload: 56,
    within: Duration::from_secs(5),
    linger: Duration::from_millis(50),
};

/// Guests of VLAN 20 have second addresses in the subnet of VLAN 10: on the same link they would answer.
pub(super) fn vlan_isolation(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    // The neighbour on the trunk is in both VLANs and so proves nothing here.
    let one: Vec<_> = among(|s| s.vlan == 10 && s.host != "p2").collect();
    let other: Vec<_> = among(|s| s.vlan == 20 && s.host != "p2").collect();
    let netns = |stations: &[Station]| {
        stations
            .iter()
            .map(|&s| Ok(&boxes.host(s)?.netns))
            .collect::<Result<Vec<&NetNs>>>()
    };
    let every = |from: usize, to: Vec<IpAddr>| {
        (0..from).flat_map(move |from| to.clone().into_iter().map(move |to| Pair { from, to }))
    };
    let to_other: Vec<_> = other.iter().flat_map(|s| s.foreign()).collect();
    let to_one: Vec<_> = one.iter().flat_map(|s| [s.v4(), s.v6()]).collect();
    let there: Vec<_> = every(one.len(), to_other).collect();
    let back: Vec<_> = every(other.len(), to_one).collect();
    let mut asked = 0;
    for (askers, pairs) in [(&one, there), (&other, back)] {
        let outcomes = ping_all(&netns(askers)?, &pairs, SILENCE)?;
        let answered: Vec<_> = outcomes.iter().filter(|(_, o)| o.answered > 0).collect();
        check(answered.is_empty(), || {
            format!("pings crossed from one VLAN into the other: {answered:?}")
        })?;
        asked += pairs.len();
    }
    report.figure(
        "pings into the other VLAN",
        format!("0 answered of {asked}"),
    );
    Ok(())
}

fn among(choice: impl Fn(&Station) -> bool) -> impl Iterator<Item = Station> {
    STATIONS.into_iter().filter(move |s| choice(s))
}

/// All stations' addresses passed detection when the lab came up. Here one is taken on purpose.
pub(super) fn duplicate_addresses(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    for station in STATIONS {
        boxes.host(station)?.wait_for_detection(station.device)?;
    }
    report.figure(
        "addresses that passed detection",
        format!("all, on {} devices", STATIONS.len()),
    );
    let [owner, thief, ..] = STATIONS;
    let host = boxes.host(thief)?;
    host.address(thief.device, owner.v6())?;
    match host.wait_for_detection(thief.device) {
        Err(LabError::Check(_)) => {
            report.figure("an address taken by two vNICs of a host", "detected");
            Ok(())
        }
        Err(other) => Err(other),
        Ok(()) => Err(LabError::Check(format!(
            "{} took the address of {} and was not told",
            thief.host, owner.host
        ))),
    }
}

/// Cuts the cable of h1, lets the host forward IP, and listens.
pub(super) fn cable_cut(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    let [a, b, _, far, ..] = STATIONS;
    let guests = [&boxes.host(a)?.netns, &boxes.host(b)?.netns];
    let pairs = [
        Pair {
            from: 0,
            to: b.v4(),
        },
        Pair {
            from: 0,
            to: b.v6(),
        },
        Pair {
            from: 1,
            to: a.v4(),
        },
        Pair {
            from: 1,
            to: a.v6(),
        },
        Pair {
            from: 0,
            to: far.v4(),
        },
    ];
    let before = ping_all(&guests, &pairs, ANSWER)?;
    check(before.values().all(|o| o.is_clean()), || {
        format!("not even before the cut: {before:?}")
    })?;
    let host = boxes.lab.host("h1")?;
    host.sysctl("ipv4/ip_forward", "1")?;
    host.sysctl("ipv6/conf/all/forwarding", "1")?;
    let switch = boxes.lab.host("vis")?;
    switch.down("niv1")?;
    let during = ping_all(&guests, &pairs, SILENCE)?;
    check(during.values().all(|o| o.answered == 0), || {
        format!("answers with the cable cut: {during:?}")
    })?;
    report.figure(
        "cable cut, the host forwards IP",
        "0 answers between its vNICs",
    );
    switch.up("niv1")?;
    let after = ping_all(&guests, &pairs, ANSWER)?;
    check(after.values().all(|o| o.is_clean()), || {
        format!("the cable is back, the pings are not: {after:?}")
    })?;
    report.figure("cable back", "all answers again");
    Ok(())
}

/// Kills each daemon without warning, listens, and starts it again.
pub(super) fn daemons_killed(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    let [a, b, ..] = STATIONS;
    let pairs = [
        Pair {
            from: 0,
            to: b.v4(),
        },
        Pair {
            from: 0,
            to: b.v6(),
        },
    ];
    for name in ["h1", "vis"] {
        let host = boxes.lab.host(name)?;
        host.sysctl("ipv4/ip_forward", "1")?;
        host.sysctl("ipv6/conf/all/forwarding", "1")?;
        boxes.lab.daemon(name)?.kill()?;
        let guests = [&boxes.host(a)?.netns];
        let during = ping_all(&guests, &pairs, SILENCE)?;
        check(during.values().all(|o| o.answered == 0), || {
            format!("answers with the daemon of {name} killed: {during:?}")
        })?;
        report.figure(
            &format!("daemon of {name} killed"),
            "0 answers between vNICs",
        );
        boxes.lab.daemon(name)?.restart()?;
        let guests = [&boxes.host(a)?.netns];
        let after = ping_all(&guests, &pairs, ANSWER)?;
        check(after.values().all(|o| o.is_clean()), || {
            format!("the daemon of {name} is back, the pings are not: {after:?}")
        })?;
        report.figure(
            &format!("daemon of {name} started again"),
            "all answers again",
        );
    }
    Ok(())
}
