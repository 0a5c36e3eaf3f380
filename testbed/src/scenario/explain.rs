//! What `vis explain` says will leave by the NIV link is what is seen there, octet by octet; and asking changes
//! nothing.

use super::accounts::settle_accounts;
use super::forwarding;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet};
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{LabError, Result, check};
use crate::report::Report;
use crate::two_boxes::{STATIONS, TwoBoxes, UPLINK, guests_of};
use niv::Mac;
use serde_json::Value;
use std::time::Duration;

/// What makes a frame ours.
const PAYLOAD: [u8; 60] = [0xA7; 60];

/// From the first guest of the first host: to a neighbour on the same host, and to everybody.
pub(super) fn agrees(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    // So that everybody is known.
    forwarding::ping_matrix(boxes, report)?;
    let [sender, ..] = STATIONS;
    let mac = |boxes: &TwoBoxes, station| boxes.host(station)?.mac(sender.device);
    let own = mac(boxes, sender)?;
    let mut others = guests_of("h1").map(|(_, guest)| guest);
    let other = others.find(|guest| guest.host != sender.host && guest.vlan == sender.vlan);
    let other = other.ok_or_else(|| LabError::Check("nobody else is in that VLAN".to_owned()))?;
    let other = mac(boxes, other)?;
    let shown = boxes.lab.daemon("vis")?.show_json(&["interface"])?;
    let interfaces = shown.get("interfaces").and_then(Value::as_array);
    let of_sender = |one: &&Value| one.pointer("/vnic/mac") == Some(&own.to_string().into());
    let veth = interfaces.and_then(|all| all.iter().find(of_sender));
    let veth = veth.and_then(|one| one.pointer("/interface/veth")?.as_u64());
    let veth = veth.ok_or_else(|| LabError::Check(format!("no vEth has {own}: {shown}")))?;

    let h1 = boxes.lab.host("h1")?;
    let interface = h1.index(UPLINK)?.0;
    let down = Watch::open(&h1.netns, Choice::Received { interface })?;
    let mut source = Source::open(&boxes.host(sender)?.netns, sender.device)?;
    for (to, verdict) in [(other, "forwarded"), (Mac::BROADCAST, "flooded")] {
        let frame = ethernet(to, own, EXPERIMENTAL, &PAYLOAD);
        let words = [
            "explain",
            "frame",
            &hex(&frame),
            "from",
            "veth",
            &veth.to_string(),
        ];
        let asked = boxes
            .lab
            .daemon("vis")?
            .ask(&[&words[..], &["--json"]].concat())?;
        let answer: Value = serde_json::from_str(&asked).map_err(|error| LabError::Answer {
            program: "vis explain".to_owned(),
            detail: error.to_string(),
        })?;
        check(answer.get("verdict") == Some(&verdict.into()), || {
            format!("not {verdict}: {answer}")
        })?;
        let copies = answer.get("copies").and_then(Value::as_array);
        let here = |copy: &&Value| copy.pointer("/sent_on/ethernet") == Some(&1.into());
        let said = copies.into_iter().flatten().filter(here);
        let said = said.filter_map(|copy| copy.get("octets")?.as_str().map(str::to_owned));
        let mut said: Vec<String> = said.collect();
        check(!said.is_empty(), || {
            format!("no copy for this link: {answer}")
        })?;

        source.send(&frame)?;
        let is_ours = |bytes: &[u8]| bytes.ends_with(&PAYLOAD);
        let seen = down.gather(Duration::from_secs(2), |seen| {
            seen.iter().filter(|one| is_ours(&one.bytes)).count() >= said.len()
        })?;
        let seen = seen.iter().filter(|one| is_ours(&one.bytes));
        let mut seen: Vec<String> = seen.map(|one| hex(&one.bytes)).collect();
        said.sort();
        seen.sort();
        check(said == seen, || {
            format!("explained {said:?}, and seen were {seen:?}")
        })?;
        report.figure(
            &format!("copies of a frame that is {verdict}, as explained"),
            said.len(),
        );
    }
    let text = boxes.lab.daemon("vis")?.ask(&[
        "explain",
        "frame",
        &hex(&ethernet(other, own, EXPERIMENTAL, &PAYLOAD)),
        "from",
        "veth",
        &veth.to_string(),
    ])?;
    report.block(&text);
    settle_accounts(boxes, report)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
