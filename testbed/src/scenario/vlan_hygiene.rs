//! VLANs that nobody gets into who may not: double tagging, native VLANs that are tagged, VLANs that are suspended.

use super::accounts::{nothing_unexplained, numbers};
use super::shell::Typist;
use super::vic::{DEVICE, attach_as, taken_at};
use crate::binaries::Binaries;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet};
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use niv::{Mac, VlanTag};
use std::time::{Duration, Instant};
use vntag::ethertype;

/// The attackers are in VLAN 10, which is the native one of both trunks; the victims are in VLAN 20.
const VIS: &str = "\
vic authentication none
vlan 10,20
port-profile ten
  switchport access vlan 10
port-profile twenty
  switchport access vlan 20
interface ethernet 1
  device niv1
  switchport mode vntag
interface ethernet 2
  device p2
  inherit port-profile ten
interface ethernet 3
  device p3
  inherit port-profile twenty
interface ethernet 4
  device p4
  switchport mode trunk
  switchport trunk native vlan 10
  switchport trunk allowed vlan 10,20
interface ethernet 5
  device p5
  switchport mode trunk
  switchport trunk native vlan 10
  switchport trunk allowed vlan 10,20
";

/// A guest and a plain neighbour in VLAN 10; a guest and a plain neighbour in VLAN 20; two switches on trunks.
const NAMES: [&str; 6] = ["vm10", "p10", "vm20", "p20", "sw1", "sw2"];

/// What is still under way after this is not coming.
const QUIET: Duration = Duration::from_millis(300);
const WITHIN: Duration = Duration::from_secs(5);

/// Sends frames with any tags, and hears what comes, by the VID in front of it.
struct Endpoint {
    name: &'static str,
    source: Source,
    /// Untagged, in VLAN 10, in VLAN 20; and with the inner tag in front: what a hop would look like.
    watches: [(u16, Watch); 3],
}

impl Endpoint {
    fn open(lab: &Lab, name: &'static str) -> Result<Self> {
        let netns = &lab.host(name)?.netns;
        let watch = |vid| -> Result<(u16, Watch)> {
            let ethertype = EXPERIMENTAL;
            let watch = Watch::open(netns, Choice::ReceivedTypeIn { ethertype, vid })?;
            Ok((vid, watch))
        };
        Ok(Self {
            name,
            source: Source::open(netns, DEVICE)?,
            watches: [watch(0)?, watch(10)?, watch(20)?],
        })
    }

    fn send(&mut self, vids: &[u16]) -> Result<()> {
        let frame = ethernet(Mac::BROADCAST, self.source.mac, EXPERIMENTAL, &[0x5A; 60]);
        let (addresses, rest) = frame.split_at(frame.len().min(12));
        let tags = vids.iter().flat_map(|&tci| {
            let tpid = ethertype::VLAN;
            VlanTag { tpid, tci }.to_bytes()
        });
        let tags: Vec<u8> = tags.collect();
        self.source.send(&[addresses, &tags, rest].concat())
    }

    /// The VIDs of what came, 0 for none.
    fn heard(&self) -> Result<Vec<u16>> {
        let mut heard = Vec::new();
        for (vid, watch) in &self.watches {
            heard.extend(watch.drain()?.iter().map(|_| *vid));
        }
        Ok(heard)
    }
}

/// What everybody heard of what one of them sent with these VIDs, in the order of [`NAMES`].
fn sent(all: &mut [Endpoint], from: &str, vids: &[u16]) -> Result<Vec<Vec<u16>>> {
    for one in all.iter_mut().filter(|one| one.name == from) {
        one.send(vids)?;
    }
    std::thread::sleep(QUIET);
    all.iter().map(Endpoint::heard).collect()
}

fn expect(all: &mut [Endpoint], from: &str, vids: &[u16], expected: [&[u16]; 6]) -> Result<()> {
    let heard = sent(all, from, vids)?;
    check(heard == expected, || {
        format!("{from} sent VIDs {vids:?}, and {NAMES:?} heard {heard:?} in place of {expected:?}")
    })
}

/// Two tags, one tag, none; from a guest, a plain neighbour and a trunk.
pub(super) fn hygiene(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    lab.add_host("vis")?;
    lab.add_host("h1")?;
    for name in NAMES {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    for (name, port) in [("p10", "p2"), ("p20", "p3"), ("sw1", "p4"), ("sw2", "p5")] {
        lab.cable((name, DEVICE), ("vis", port))?;
        lab.host(name)?.silence(DEVICE)?;
        lab.host(name)?.up(DEVICE)?;
    }
    lab.start("vis", "vis", VIS)?;
    lab.start("h1", "iv", "uplink = \"eth1\"\n")?;
    let begun = Instant::now();
    while !lab
        .daemon("h1")?
        .ask(&["profiles"])
        .unwrap_or_default()
        .contains("twenty")
    {
        check(begun.elapsed() < WITHIN, || {
            "the IV knows no profile".to_owned()
        })?;
        std::thread::sleep(Duration::from_millis(10));
    }
    for (name, uuid, profile) in [
        ("vm10", "6ba7b810-9dad-41d1-80b4-00c04fd430d1", "ten"),
        ("vm20", "6ba7b810-9dad-41d1-80b4-00c04fd430d2", "twenty"),
    ] {
        attach_as(&mut lab, "h1", (name, uuid), profile)?;
        taken_at(&mut lab, "h1", name)?;
        lab.host(name)?.silence(DEVICE)?;
        lab.host(name)?.up(DEVICE)?;
    }
    let opened = NAMES.into_iter().map(|name| Endpoint::open(&lab, name));
    let mut all = opened.collect::<Result<Vec<_>>>()?;
    let typist = Typist::of(binaries, lab.daemon("vis")?.socket());
    let say = |lines: &[&str]| -> Result<()> {
        let said = typist.exec(lines)?;
        check(said.done, || format!("{lines:?}: {said:?}"))
    };
    const NOBODY: [&[u16]; 6] = [&[]; 6];

    report.part("double tagging");
    // What is right: untagged is VLAN 10, native on both trunks.
    expect(&mut all, "vm10", &[], [&[], &[0], &[], &[], &[0], &[0]])?;
    expect(&mut all, "p10", &[0], [&[0], &[], &[], &[], &[0], &[0]])?;
    expect(&mut all, "sw1", &[20], [&[], &[], &[0], &[0], &[], &[20]])?;
    let attacks: [&[u16]; 5] = [&[10, 20], &[20], &[0, 20], &[0, 10], &[20, 20]];
    for attacker in ["vm10", "p10"] {
        for vids in attacks {
            expect(&mut all, attacker, vids, NOBODY)?;
        }
    }
    // From a trunk: the native VLAN, tagged, with another behind; untagged by the other trunk it would be in that one.
    expect(&mut all, "sw1", &[10, 20], NOBODY)?;
    // Behind the tag of a VLAN that is tagged on the other side too the inner tag is payload, and access ports do not get it.
    let heard = sent(&mut all, "sw1", &[20, 10])?;
    check(heard.iter().take(5).all(Vec::is_empty), || {
        format!("{heard:?}")
    })?;
    report.figure("ways of two tags tried", attacks.len() * 2 + 2);
    report.figure("frames in another VLAN than their sender's", 0);
    let dropped = |lab: &mut Lab, reason: &str| -> Result<i64> {
        let answer = lab.daemon("vis")?.show_json(&["conservation"])?;
        let sum = answer.get("sum").map(|sum| numbers(sum, reason));
        Ok(sum.iter().flatten().sum())
    };
    let inner = dropped(&mut lab, "inner_tag")?;
    report.figure("copies dropped for the tag inside (inner_tag)", inner);
    check(inner > 0, || "no copy was dropped as inner_tag".to_owned())?;

    report.part("the native VLAN tagged");
    say(&["configure", "vlan dot1q tag native"])?;
    expect(&mut all, "vm10", &[], [&[], &[0], &[], &[], &[10], &[10]])?;
    expect(&mut all, "sw1", &[10], [&[0], &[0], &[], &[], &[], &[10]])?;
    expect(&mut all, "sw1", &[], NOBODY)?;
    expect(&mut all, "sw1", &[0], NOBODY)?;
    report.figure("untagged frames that a trunk took", 0);
    say(&["configure", "no vlan dot1q tag native"])?;
    expect(&mut all, "sw1", &[], [&[0], &[0], &[], &[], &[], &[0]])?;

    report.part("a VLAN that is suspended or shut");
    for (line, back) in [
        ("state suspend", "state active"),
        ("shutdown", "no shutdown"),
    ] {
        say(&["configure", "vlan 20", line])?;
        for from in ["vm20", "p20"] {
            expect(&mut all, from, &[], NOBODY)?;
        }
        expect(&mut all, "sw1", &[20], NOBODY)?;
        expect(&mut all, "vm10", &[], [&[], &[0], &[], &[], &[0], &[0]])?;
        let listing = typist.exec(&["show vlan"])?.out;
        report.block(&listing);
        say(&["configure", "vlan 20", back])?;
        expect(&mut all, "vm20", &[], [&[], &[], &[], &[0], &[20], &[20]])?;
    }
    let inactive = dropped(&mut lab, "vlan_inactive")?;
    report.figure("frames dropped as vlan_inactive", inactive);
    check(inactive == 6, || {
        format!("6 frames were sent into it, and {inactive} dropped")
    })?;

    let said = typist.exec(&["show vlan id 99"])?;
    check(
        !said.done && said.err.contains("there is no VLAN 99"),
        || format!("{said:?}"),
    )?;
    nothing_unexplained(&mut lab, "vis", report)?;
    lab.check_alive()
}
