//! Every source VIF there can be, from a link that owns 16 of them.

use super::accounts::{nothing_unexplained, numbers};
use crate::binaries::Binaries;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet, tagged};
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use niv::Mac;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use vntag::{Direction, Dvif, Svif, Version, VnTag};

/// VIFs 1 to 16 are bound to the link.
const OWNED: u16 = 16;
/// Frames sent between two pauses: the switch's ring is larger.
const BURST: u16 = 64;

/// The address the frame with that source VIF carries.
fn station(svif: u16) -> Mac {
    let [high, low] = svif.to_be_bytes();
    Mac([0x02, 0xAA, 0, 0, high, low])
}

fn configuration() -> String {
    let mut text = "vlan 10\n\
        interface ethernet 1\n  device niv1\n  switchport mode vntag\n\
        interface ethernet 2\n  device p1\n  switchport mode access\n  switchport access vlan 10\n"
        .to_owned();
    for vif in 1..=OWNED {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "interface veth {vif}\n  switchport mode access\n  switchport access vlan 10\n  \
             bind interface ethernet 1 channel {vif}\n"
        );
    }
    text
}

/// 4,096 frames by hand on the NIV link, no IV there.
pub(super) fn svif_space(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "sender", "sink"] {
        lab.add_host(name)?;
    }
    lab.cable(("sender", "eth1"), ("vis", "niv1"))?;
    lab.cable(("sink", "eth0"), ("vis", "p1"))?;
    lab.host("sender")?.mtu("eth1", 1510)?;
    for (host, device) in [("sender", "eth1"), ("sink", "eth0")] {
        lab.host(host)?.silence(device)?;
    }
    lab.start("vis", "vis", &configuration())?;

    // The sink makes itself known, so that frames to it are not flooded.
    let sink = lab.host("sink")?;
    let mut known = Source::open(&sink.netns, "eth0")?;
    known.send(&ethernet(Mac::BROADCAST, known.mac, EXPERIMENTAL, &[0; 46]))?;
    std::thread::sleep(Duration::from_millis(100));
    let watch = Watch::open(&sink.netns, Choice::ReceivedType(EXPERIMENTAL))?;

    let mut source = Source::open(&lab.host("sender")?.netns, "eth1")?;
    for svif in 0..=Svif::MAX.get() {
        let tag = VnTag {
            direction: Direction::ToBridge,
            pointer: false,
            dvif: Dvif::ZERO,
            looped: false,
            reserved: false,
            version: Version::ZERO,
            svif: Svif::truncate(svif),
        };
        let frame = ethernet(known.mac, station(svif), EXPERIMENTAL, &[0xA5; 46]);
        source.send(&tagged(&frame, tag))?;
        if svif % BURST == BURST - 1 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let mut seen = watch.gather(Duration::from_secs(3), |s| s.len() >= OWNED.into())?;
    std::thread::sleep(Duration::from_millis(200));
    seen.extend(watch.drain()?);

    let mut delivered: BTreeMap<&[u8], usize> = BTreeMap::new();
    for frame in &seen {
        *delivered
            .entry(frame.bytes.get(6..12).unwrap_or_default())
            .or_default() += 1;
    }
    let owned: Vec<_> = (1..=OWNED).map(station).collect();
    let right = owned
        .iter()
        .all(|mac| delivered.get(&mac.0[..]) == Some(&1));
    report.figure(
        "delivered, one each from the owned VIFs",
        format!("{} frames", seen.len()),
    );
    check(right && delivered.len() == owned.len(), || {
        format!("delivered were {delivered:?}")
    })?;

    let answer = nothing_unexplained(&mut lab, "vis", report)?;
    for (reason, expected) in [
        ("vif_not_owned", 4096 - 1 - i64::from(OWNED)),
        ("vif_zero", 1),
    ] {
        let counted = numbers(&answer, reason);
        report.figure(reason, format!("{counted:?}"));
        check(
            !counted.is_empty() && counted.iter().all(|&n| n == expected),
            || format!("{reason} is {counted:?} and not {expected}: {answer}"),
        )?;
    }

    let table = lab.daemon("vis")?.show_json(&["mac", "address-table"])?;
    let mut learned = Vec::new();
    for entry in table
        .get("entries")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        learned.extend(
            entry
                .get("mac")
                .and_then(Value::as_str)
                .map(str::to_lowercase),
        );
    }
    learned.retain(|mac| mac.starts_with("02:aa:"));
    learned.sort();
    let expected: Vec<_> = owned.iter().map(Mac::to_string).collect();
    report.figure("addresses learned from tagged frames", learned.len());
    check(learned == expected, || format!("the table is {table}"))?;
    lab.check_alive()
}
