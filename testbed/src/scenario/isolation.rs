//! Frames do not reach whom they must not.

use super::accounts::nothing_unexplained;
use super::host_path::HostPath;
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

/// What two vNICs of h1 and one of h2 ask of each other when all is well.
fn usual_pairs() -> Vec<Pair> {
    let [a, b, _, far, ..] = STATIONS;
    let asks = |from, to: Station| [to.v4(), to.v6()].map(|to| Pair { from, to });
    [asks(0, b), asks(1, a), asks(0, far)].concat()
}

/// Asks; all must answer.
fn all_answer(boxes: &TwoBoxes, when: &str) -> Result<()> {
    let outcomes = ping_all(&netns_of_both(boxes)?, &usual_pairs(), ANSWER)?;
    check(outcomes.values().all(|o| o.is_clean()), || {
        format!("{when} not all pings are answered: {outcomes:?}")
    })
}

/// Asks, by the switch and by the host itself; nobody must answer.
fn nobody_answers(boxes: &TwoBoxes, when: &str) -> Result<()> {
    let pairs = [usual_pairs(), HostPath::pairs()].concat();
    let outcomes = ping_all(&netns_of_both(boxes)?, &pairs, SILENCE)?;
    check(outcomes.values().all(|o| o.answered == 0), || {
        format!("{when} pings are answered: {outcomes:?}")
    })
}

/// The first two guests of h1.
fn netns_of_both(boxes: &TwoBoxes) -> Result<[&NetNs; 2]> {
    let [a, b, ..] = STATIONS;
    Ok([&boxes.host(a)?.netns, &boxes.host(b)?.netns])
}

/// With nothing else of h1's `iv` left than its isolation, lifts that for a moment: only then does the host
/// answer its guests and route between them. So silence, elsewhere, is no accident.
fn only_isolation_holds(boxes: &TwoBoxes, path: &HostPath, report: &Report) -> Result<()> {
    path.open(&boxes.lab)?;
    nobody_answers(boxes, "with the `iv` of h1 killed")?;
    path.lift_isolation(&boxes.lab)?;
    let outcomes = ping_all(&netns_of_both(boxes)?, &HostPath::pairs(), ANSWER)?;
    check(outcomes.values().all(|o| o.is_clean()), || {
        format!("without isolation h1 should route between its guests, and does not: {outcomes:?}")
    })?;
    path.put_isolation_back(&boxes.lab)?;
    nobody_answers(boxes, "with isolation back in place")?;
    report.figure(
        "`iv` of h1 killed: h1 answers and routes",
        format!(
            "0 pings of {1}; isolation lifted, {0} of {0}; put back, 0 of {1}",
            outcomes.len(),
            outcomes.len() + usual_pairs().len()
        ),
    );
    Ok(())
}

/// Cuts the cable of h1, whose host routes between its guests if it can, and listens.
pub(super) fn cable_cut(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    all_answer(boxes, "before the cut")?;
    let path = HostPath::lay(boxes)?;
    // Its account ends with it.
    nothing_unexplained(&mut boxes.lab, "h1", report)?;
    boxes.lab.daemon("h1")?.kill()?;
    only_isolation_holds(boxes, &path, report)?;
    boxes.lab.daemon("h1")?.restart()?;
    all_answer(boxes, "with the `iv` of h1 started again")?;

    // For its guests' carrier the `iv` waits a moment after a cut: until then their devices are up, and
    // the host's routes stand.
    path.open(&boxes.lab)?;
    let switch = boxes.lab.host("vis")?;
    switch.down("niv1")?;
    nobody_answers(boxes, "with the cable cut")?;
    report.figure(
        "cable cut, h1 has routes to both",
        "0 answers between its vNICs, or from it",
    );
    switch.up("niv1")?;
    all_answer(boxes, "with the cable back")?;
    report.figure("cable back", "all answers again");
    Ok(())
}

/// Kills each daemon without warning, listens, and starts it again.
pub(super) fn daemons_killed(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    all_answer(boxes, "before anything is killed")?;
    let path = HostPath::lay(boxes)?;
    for name in ["h1", "vis"] {
        boxes.lab.daemon(name)?.kill()?;
        if name == "h1" {
            only_isolation_holds(boxes, &path, report)?;
        } else {
            path.open(&boxes.lab)?;
            nobody_answers(boxes, "with the `vis` killed")?;
        }
        report.figure(
            &format!("daemon of {name} killed, h1 has routes to both"),
            "0 answers between its vNICs, or from it",
        );
        boxes.lab.daemon(name)?.restart()?;
        all_answer(boxes, &format!("with the daemon of {name} started again"))?;
        report.figure(
            &format!("daemon of {name} started again"),
            "all answers again",
        );
    }
    Ok(())
}
