//! What belongs to a vNIC that is away: the secure addresses of a vEth that is detached, of which nothing is configured.

use super::guard_lab::{WITHIN, came, drops, frame, station, until, watch};
use super::vic::{DEVICE, GUESTS, attach_as, settle_in, taken_at, they_talk};
use crate::binaries::Binaries;
use crate::endpoint::frame::Source;
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use niv::Mac;
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;

/// Each guest on a host of its own. The first one's profile is secured.
const VIS: &str = "\
vic authentication none
vlan 10
port-profile web
  switchport access vlan 10
port-profile own
  switchport access vlan 10
  switchport port-security maximum 2
  switchport port-security violation restrict
  switchport port-security mac-address sticky
  switchport port-security
interface ethernet 1
  device niv1
  switchport mode vntag
interface ethernet 2
  device niv2
  switchport mode vntag
interface ethernet 3
  device p3
  switchport access vlan 10
";
/// What the thieves send.
const TRIES: u64 = 10;

pub(super) fn secure_away(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "h2", "g1", "g2", "n1"] {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    lab.cable(("h2", "eth1"), ("vis", "niv2"))?;
    lab.cable(("n1", DEVICE), ("vis", "p3"))?;
    lab.start("vis", "vis", VIS)?;
    let mut veths = Vec::new();
    for ((host, guest), (profile, number)) in ["h1", "h2"]
        .into_iter()
        .zip(GUESTS)
        .zip([("own", 1), ("web", 2)])
    {
        lab.start(host, "iv", "uplink = \"eth1\"\n")?;
        attach_as(&mut lab, host, guest, profile)?;
        veths.push(taken_at(&mut lab, host, guest.0)?.1);
        settle_in(&lab, guest.0, number)?;
    }
    they_talk(&lab)?;
    let veth = json!({"veth": veths.first()});
    let own = lab.host("g1")?.device(DEVICE)?.mac.unwrap_or_default();
    check(listed(&mut lab, &veth)?.contains(&own), || {
        format!("{own} is not secure at {veth}")
    })?;
    // It is written within half a second.
    thread::sleep(Duration::from_secs(1));

    lab.daemon("h1")?.ask(&["detach", "g1"])?;
    stays_its_own(&mut lab, (&veth, own), report, "away")?;

    // And in the next life of the switch.
    lab.daemon("vis")?.kill()?;
    lab.daemon("vis")?.restart()?;
    until("the other guest is heard again", WITHIN, || {
        Ok(sends(&lab, ("g2", "n1"), station(2), 1)? == 1)
    })?;
    stays_its_own(&mut lab, (&veth, own), report, "away, after a restart")?;

    let [first, ..] = GUESTS;
    attach_as(&mut lab, "h1", first, "own")?;
    taken_at(&mut lab, "h1", "g1")?;
    settle_in(&lab, "g1", 1)?;
    they_talk(&lab)?;
    report.figure("its owner, once it is back", "is heard");
    lab.check_alive()
}

/// It is listed, and neither another guest nor a plain neighbour may send from it.
fn stays_its_own(
    lab: &mut Lab,
    (veth, own): (&Value, Mac),
    report: &Report,
    when: &str,
) -> Result<()> {
    check(listed(lab, veth)?.contains(&own), || {
        format!("`show port-security address` has no {own} of {veth}")
    })?;
    for (thief, hears) in [("g2", "n1"), ("n1", "g2")] {
        let before = drops(lab, "port_security")?;
        let came = sends(lab, (thief, hears), own, TRIES)?;
        let dropped = drops(lab, "port_security")? - before;
        report.figure(
            &format!("its address while it is {when}, sent by {thief}"),
            format!("{dropped} of {TRIES} dropped, {came} heard by {hears}"),
        );
        check(dropped == TRIES && came == 0, || {
            format!("{thief} sends from the address of a vNIC that is {when}")
        })?;
    }
    Ok(())
}

/// Broadcasts of that source by one; how many another hears.
fn sends(lab: &Lab, (one, other): (&str, &str), from: Mac, times: u64) -> Result<usize> {
    let heard = watch(lab, other)?;
    let mut source = Source::open(&lab.host(one)?.netns, DEVICE)?;
    for _ in 0..times {
        source.send(&frame(Mac::BROADCAST, from, 60))?;
    }
    came(&heard, from)
}

/// The secure addresses of an interface.
fn listed(lab: &mut Lab, interface: &Value) -> Result<Vec<Mac>> {
    let shown = lab
        .daemon("vis")?
        .show_json(&["port-security", "address"])?;
    let all = shown.get("addresses").and_then(Value::as_array);
    let of_it = |one: &&Value| one.get("interface") == Some(interface);
    let macs = all.into_iter().flatten().filter(of_it);
    let macs = macs.filter_map(|one| one.get("mac")?.as_str()?.parse().ok());
    Ok(macs.collect())
}
