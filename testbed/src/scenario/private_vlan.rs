//! Private VLANs with real endpoints: the textbook matrix, cell by cell.

use super::accounts::nothing_unexplained;
use super::shell::Typist;
use super::vic::{DEVICE, attach_as, taken_at};
use crate::binaries::Binaries;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet};
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use niv::{Mac, VlanTag};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Private VLAN 100 of an isolated VLAN and two communities.
const VIS: &str = "\
vic authentication none
vlan 101
  name alone
  private-vlan isolated
vlan 102
  private-vlan community
vlan 103
  private-vlan community
vlan 100
  private-vlan primary
  private-vlan association 101-103
port-profile gateway
  switchport mode private-vlan promiscuous
  switchport private-vlan mapping 100 101-103
port-profile alone
  switchport mode private-vlan host
  switchport private-vlan host-association 100 101
port-profile a
  switchport mode private-vlan host
  switchport private-vlan host-association 100 102
port-profile b
  switchport mode private-vlan host
  switchport private-vlan host-association 100 103
interface ethernet 1
  device niv1
  switchport mode vntag
interface ethernet 2
  device niv2
  switchport mode vntag
interface ethernet 3
  device p3
  inherit port-profile gateway
interface ethernet 4
  device p4
  inherit port-profile alone
interface ethernet 5
  device p5
  switchport mode private-vlan trunk promiscuous
  switchport private-vlan mapping trunk 100 101-103
interface ethernet 6
  device p6
  switchport mode trunk
  switchport trunk allowed vlan 100-103
";

/// The primary VLAN, and all of the private VLAN.
const PRIMARY: u16 = 100;
const VLANS: [u16; 4] = [PRIMARY, 101, 102, 103];

/// A part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Promiscuous,
    Isolated,
    Community(char),
}

/// Name, host, part. Who is at no host is on a plain port.
const ENDPOINTS: [(&str, Option<&str>, Part); 10] = [
    ("pr", Some("h1"), Part::Promiscuous),
    ("i1", Some("h1"), Part::Isolated),
    ("i2", Some("h2"), Part::Isolated),
    ("i3", Some("h1"), Part::Isolated),
    ("a1", Some("h1"), Part::Community('a')),
    ("a2", Some("h2"), Part::Community('a')),
    ("b1", Some("h1"), Part::Community('b')),
    ("b2", Some("h1"), Part::Community('b')),
    ("gw", None, Part::Promiscuous),
    ("ip", None, Part::Isolated),
];
/// On a promiscuous trunk.
const TRUNK: &str = "tr";
/// On an ordinary trunk, which is for another switch: stations behind that, by the VLAN their frames travel in.
const SWITCH: &str = "sw";
const BEHIND_SWITCH: [(&str, u16, Part); 4] = [
    ("sw-pr", PRIMARY, Part::Promiscuous),
    ("sw-i", 101, Part::Isolated),
    ("sw-a", 102, Part::Community('a')),
    ("sw-b", 103, Part::Community('b')),
];

/// An address that nobody has.
const NOBODY: Mac = Mac([0x02, 0xEE, 0, 0, 0, 1]);
/// What is still under way after this is not coming.
const QUIET: Duration = Duration::from_millis(400);
/// How long lists may take until they are in use.
const WITHIN: Duration = Duration::from_secs(5);

fn may(from: Part, to: Part) -> bool {
    match (from, to) {
        (Part::Promiscuous, _) | (_, Part::Promiscuous) => true,
        (Part::Community(from), Part::Community(to)) => from == to,
        _ => false,
    }
}

/// The VLAN that frames of a part travel in: what a trunk between switches says.
const fn travels_in(part: Part) -> u16 {
    match part {
        Part::Promiscuous => PRIMARY,
        Part::Isolated => 101,
        Part::Community('a') => 102,
        Part::Community(_) => 103,
    }
}

/// One who sends and listens.
struct Endpoint {
    name: &'static str,
    part: Part,
    /// It is behind the other switch, and hears what that trunk says of its VLAN.
    behind_switch: bool,
    /// Its VLAN carries nothing.
    suspended: bool,
    source: Source,
    /// What it says the VLAN is; `None`: nothing.
    tag: Option<u16>,
    /// By the VID of what arrives; 0: untagged.
    watches: Vec<(u16, Watch)>,
}

impl Endpoint {
    fn open(lab: &Lab, name: &'static str, part: Part, tag: Option<u16>) -> Result<Self> {
        let netns = &lab.host(name)?.netns;
        let mut watches = Vec::new();
        for vid in [0].into_iter().chain(VLANS) {
            let ethertype = EXPERIMENTAL;
            watches.push((
                vid,
                Watch::open(netns, Choice::ReceivedTypeIn { ethertype, vid })?,
            ));
        }
        Ok(Self {
            name,
            part,
            behind_switch: false,
            suspended: false,
            source: Source::open(netns, DEVICE)?,
            tag,
            watches,
        })
    }

    /// One of several behind the other switch, each with an address of its own.
    fn behind_switch(lab: &Lab, name: &'static str, part: Part, vid: u16) -> Result<Self> {
        let mut one = Self::open(lab, SWITCH, part, Some(vid))?;
        let [high, low] = vid.to_be_bytes();
        one.source.mac = Mac([0x02, 0xEE, 0, 1, high, low]);
        // What the trunk carries in other VLANs is for others behind it; without a tag it is for nobody.
        one.watches.retain(|&(seen, _)| seen == vid || seen == 0);
        Ok(Self {
            name,
            behind_switch: true,
            ..one
        })
    }

    /// Whether it is to have what `from` sends to all.
    fn hears(&self, from: &Self) -> bool {
        if self.suspended || from.suspended {
            return false;
        }
        match (from.behind_switch, self.behind_switch) {
            (true, true) => false,
            (false, true) => self.tag == Some(travels_in(from.part)),
            (_, false) => from.name != self.name && may(from.part, self.part),
        }
    }

    fn send(&mut self, to: Mac, number: u32) -> Result<()> {
        let mut payload = [0; 46];
        if let Some(place) = payload.first_chunk_mut() {
            *place = number.to_be_bytes();
        }
        let frame = ethernet(to, self.source.mac, EXPERIMENTAL, &payload);
        let tag = self.tag.map(|vid| {
            let tpid = vntag::ethertype::VLAN;
            VlanTag { tpid, tci: vid }.to_bytes()
        });
        let (addresses, rest) = frame.split_at(frame.len().min(12));
        let frame = [
            addresses,
            tag.as_ref().map_or(&[][..], |tag| &tag[..]),
            rest,
        ]
        .concat();
        self.source.send(&frame)
    }

    /// The numbers of the frames that arrived, each with the VID it had.
    fn arrived(&self) -> Result<Vec<(u32, u16)>> {
        let mut arrived = Vec::new();
        for (vid, watch) in &self.watches {
            for seen in watch.drain()? {
                if let Some(number) = seen
                    .bytes
                    .get(14..18)
                    .and_then(|octets| octets.first_chunk())
                {
                    arrived.push((u32::from_be_bytes(*number), *vid));
                }
            }
        }
        Ok(arrived)
    }
}

/// Frames sent, and who is to have each.
struct Round<'a> {
    all: &'a mut [Endpoint],
    /// By number: what it was, and who is to have it.
    sent: BTreeMap<u32, (String, BTreeSet<&'static str>)>,
    next: u32,
}

impl<'a> Round<'a> {
    fn new(all: &'a mut [Endpoint], first: u32) -> Self {
        Self {
            all,
            sent: BTreeMap::new(),
            next: first,
        }
    }

    /// From everybody to `to`; everybody who may hear the sender is to have it.
    fn flood(&mut self, to: Mac) -> Result<()> {
        for from in 0..self.all.len() {
            let others = |sender: &Endpoint| {
                let all = self.all.iter().filter(|one| one.hears(sender));
                all.map(|one| one.name).collect()
            };
            let expected = self.all.get(from).map(others).unwrap_or_default();
            self.send(from, to, expected)?;
        }
        Ok(())
    }

    /// From everybody to everybody else, by address.
    fn known(&mut self) -> Result<()> {
        let all = self.all.len();
        for (from, to) in (0..all).flat_map(|from| (0..all).map(move |to| (from, to))) {
            let (Some(sender), Some(one)) = (self.all.get(from), self.all.get(to)) else {
                continue;
            };
            if sender.name == one.name {
                continue;
            }
            // A frame for anybody behind the other switch goes there in the VLAN it travels in.
            let by_trunk = |other: &&Endpoint| {
                let same = other.behind_switch && one.behind_switch;
                (same || other.name == one.name) && other.hears(sender)
            };
            let expected = self.all.iter().filter(by_trunk);
            let expected = expected.map(|one| one.name).collect();
            self.send(from, one.source.mac, expected)?;
        }
        Ok(())
    }

    fn send(&mut self, from: usize, to: Mac, expected: BTreeSet<&'static str>) -> Result<()> {
        let number = self.next;
        self.next += 1;
        if let Some(sender) = self.all.get_mut(from) {
            sender.send(to, number)?;
            let what = format!("what {} sent to {to}", sender.name);
            self.sent.insert(number, (what, expected));
        }
        Ok(())
    }

    /// Who has what, once it is quiet; how many cells were checked, and the next number.
    fn check(self) -> Result<(usize, u32)> {
        std::thread::sleep(QUIET);
        let mut had: BTreeMap<u32, BTreeSet<&'static str>> = BTreeMap::new();
        for one in self.all.iter() {
            for (number, vid) in one.arrived()? {
                let expected = one.tag.unwrap_or(0);
                check(vid == expected, || {
                    format!(
                        "{} got a frame with VID {vid}, and not {expected}",
                        one.name
                    )
                })?;
                let first = had.entry(number).or_default().insert(one.name);
                check(first || !self.sent.contains_key(&number), || {
                    format!("{} got frame {number} twice", one.name)
                })?;
            }
        }
        for (number, (what, expected)) in &self.sent {
            let had = had.remove(number).unwrap_or_default();
            check(had == *expected, || {
                format!("{what} was to reach {expected:?}, and reached {had:?}")
            })?;
        }
        let cells = self.sent.len() * (self.all.len() - 1);
        Ok((cells, self.next))
    }
}

/// Everybody to everybody, by broadcast, to an unknown address and by address; hairpin and across; then parts change live.
pub(super) fn matrix(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "h2", TRUNK, SWITCH] {
        lab.add_host(name)?;
    }
    for (name, ..) in ENDPOINTS {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    lab.cable(("h2", "eth1"), ("vis", "niv2"))?;
    let plain = [("gw", "p3"), ("ip", "p4"), (TRUNK, "p5"), (SWITCH, "p6")];
    for (endpoint, port) in plain {
        lab.cable((endpoint, DEVICE), ("vis", port))?;
        lab.host(endpoint)?.silence(DEVICE)?;
        lab.host(endpoint)?.up(DEVICE)?;
    }
    lab.start("vis", "vis", VIS)?;
    for host in ["h1", "h2"] {
        lab.start(host, "iv", "uplink = \"eth1\"\n")?;
    }
    let mut veths = BTreeMap::new();
    for ((name, host, part), number) in ENDPOINTS.into_iter().zip(1..) {
        let Some(host) = host else { continue };
        let profile = match part {
            Part::Promiscuous => "gateway",
            Part::Isolated => "alone",
            Part::Community('a') => "a",
            Part::Community(_) => "b",
        };
        let uuid = format!("6ba7b810-9dad-41d1-80b4-00c04fd43{number:03}");
        until(&mut lab, "the catalogue is known", |lab| {
            let profiles = lab.daemon(host)?.ask(&["profiles"]);
            Ok(profiles.unwrap_or_default().contains(profile))
        })?;
        attach_as(&mut lab, host, (name, &uuid), profile)?;
        let (_, veth, _) = taken_at(&mut lab, host, name)?;
        veths.insert(name, veth);
        lab.host(name)?.silence(DEVICE)?;
        lab.host(name)?.up(DEVICE)?;
    }
    let mut all = Vec::new();
    for (name, _, part) in ENDPOINTS {
        all.push(Endpoint::open(&lab, name, part, None)?);
    }
    all.push(Endpoint::open(
        &lab,
        TRUNK,
        Part::Promiscuous,
        Some(PRIMARY),
    )?);
    for (name, vid, part) in BEHIND_SWITCH {
        all.push(Endpoint::behind_switch(&lab, name, part, vid)?);
    }

    let mut first = 1;
    until(&mut lab, "floods go by lists", |lab| {
        let lists = lab.daemon("vis")?.show_json(&["niv", "list"])?;
        let lists = lists
            .get("lists")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        Ok(lists >= 3)
    })?;
    for (what, round) in [
        ("broadcasts", Sent::To(Mac::BROADCAST)),
        ("frames to an unknown address", Sent::To(NOBODY)),
        ("frames to known addresses", Sent::Known),
    ] {
        let cells = run(&mut all, &mut first, round)?;
        report.figure(&format!("cells of the matrix, {what}"), cells);
    }
    let interfaces = lab.daemon("vis")?.show_json(&["interface"])?;
    let listed = |name: &str| {
        let all = interfaces.get("interfaces").and_then(Value::as_array);
        let of = all.into_iter().flatten().filter(|one| {
            let number = veths.get(name).map(|veth| format!("Vethernet{veth}"));
            one.get("name").and_then(Value::as_str) == number.as_deref()
        });
        let frames = of.filter_map(|one| one.pointer("/counts/listed/frames")?.as_u64());
        frames.sum::<u64>()
    };
    report.figure(
        "frames that a host of a community got by a list",
        listed("b1"),
    );
    check(listed("b1") > 0 && listed("i1") > 0, || {
        format!("floods did not go by lists: {interfaces}")
    })?;

    live(binaries, &mut lab, &mut all, &veths, &mut first, report)?;
    nothing_unexplained(&mut lab, "vis", report)?;
    lab.check_alive()
}

/// What a round sends.
#[derive(Clone, Copy)]
enum Sent {
    To(Mac),
    Known,
}

fn run(all: &mut [Endpoint], first: &mut u32, sent: Sent) -> Result<usize> {
    let mut round = Round::new(all, *first);
    match sent {
        Sent::To(mac) => round.flood(mac)?,
        Sent::Known => round.known()?,
    }
    let (cells, next) = round.check()?;
    *first = next;
    Ok(cells)
}

/// A host changes its part, by its profile and by a line of the profile; what is incomplete carries nothing; explain says why.
fn live(
    binaries: &Binaries,
    lab: &mut Lab,
    all: &mut [Endpoint],
    veths: &BTreeMap<&str, u64>,
    first: &mut u32,
    report: &Report,
) -> Result<()> {
    let typist = Typist::of(binaries, lab.daemon("vis")?.socket());
    let say = |lines: &[&str]| -> Result<String> {
        let said = typist.exec(lines)?;
        check(said.done, || format!("{lines:?}: {said:?}"))?;
        Ok(said.out)
    };
    let number = |name: &str| veths.get(name).copied().unwrap_or_default();
    let broadcast = Sent::To(Mac::BROADCAST);

    // One host, to another community.
    say(&[&format!(
        "attach interface veth {} port-profile a",
        number("b1")
    )])?;
    part(all, &["b1"], Part::Community('a'));
    let mut cells = run(all, first, broadcast)?;
    // All of a profile, to the isolated VLAN; and back.
    let b = "interface veth";
    say(&[
        "configure",
        "port-profile b",
        "switchport private-vlan host-association 100 101",
    ])?;
    part(all, &["b2"], Part::Isolated);
    cells += run(all, first, broadcast)?;
    cells += run(all, first, Sent::Known)?;
    say(&[
        "configure",
        "port-profile b",
        "switchport private-vlan host-association 100 103",
    ])?;
    say(&[&format!("attach {b} {} port-profile b", number("b1"))])?;
    part(all, &["b1", "b2"], Part::Community('b'));
    cells += run(all, first, broadcast)?;
    report.figure("cells after parts changed live", cells);

    // A community carries nothing, and all others what they did; and back.
    let mut cells = 0;
    for (state, suspended) in [("suspend", true), ("active", false)] {
        say(&["configure", "vlan 102", &format!("state {state}")])?;
        let of_it = |one: &&mut Endpoint| one.part == Part::Community('a');
        all.iter_mut()
            .filter(of_it)
            .for_each(|one| one.suspended = suspended);
        cells += run(all, first, broadcast)?;
    }
    report.figure("cells with a community suspended, and active again", cells);

    // Why not, and by which lines.
    let mac = |name: &str| {
        all.iter()
            .find(|one| one.name == name)
            .map(|one| one.source.mac)
    };
    let (Some(from), Some(to)) = (mac("i1"), mac("i2")) else {
        return Ok(());
    };
    let frame = format!("{to}{from}0800").replace(':', "") + &"00".repeat(46);
    let said = say(&[&format!("explain frame {frame} from veth {}", number("i1"))])?;
    report.block(&said);
    for words in [
        "private_vlan",
        "VLAN 101, isolated, of private VLAN 100",
        "switchport private-vlan host-association 100 101` of port-profile alone",
        "private-vlan isolated` of vlan 101",
    ] {
        check(said.contains(words), || {
            format!("`explain` does not say `{words}`:\n{said}")
        })?;
    }

    // An address of the gateway stays with the gateway, whatever a host sends; and with the one that sent last.
    let gateway = mac("gw").unwrap_or(NOBODY);
    let vethernet = format!("Veth{}", number("pr"));
    for (sender, holder) in [
        ("i1", "Eth3"),
        ("pr", vethernet.as_str()),
        ("i1", vethernet.as_str()),
        ("sw-i", vethernet.as_str()),
        ("gw", "Eth3"),
    ] {
        if let Some(one) = all.iter_mut().find(|one| one.name == sender) {
            let own = std::mem::replace(&mut one.source.mac, gateway);
            one.send(Mac::BROADCAST, 0)?;
            one.source.mac = own;
        }
        std::thread::sleep(QUIET);
        let table = say(&["show mac address-table"])?;
        let is_there = table.lines().any(|line| {
            let dotted = gateway.to_string().replace(':', "");
            line.replace('.', "").contains(&dotted) && line.contains(holder)
        });
        check(is_there, || {
            format!(
                "{sender} sent from the address of the gateway, and it is not at {holder}:\n{table}"
            )
        })?;
    }
    report.figure(
        "the address of the gateway, sent by hosts",
        "stays where it is",
    );
    report.figure(
        "the address of the gateway, sent by another promiscuous port",
        "is there at once",
    );
    drain(all)?;

    // What is not whole carries nothing, and says why.
    say(&[
        "configure",
        "vlan 100",
        "private-vlan association remove 103",
    ])?;
    let why = say(&[&format!("show interface veth {}", number("b1"))])?;
    check(
        why.contains("VLAN 103 is not associated with VLAN 100"),
        || why.clone(),
    )?;
    let listing = say(&["show vlan private-vlan"])?;
    report.block(&listing);
    check(listing.contains("non-operational"), || listing.clone())?;
    let mut round = Round::new(all, *first);
    for (at, (name, ..)) in ENDPOINTS.into_iter().enumerate() {
        if name == "b1" || name == "b2" {
            round.send(at, Mac::BROADCAST, BTreeSet::new())?;
        }
    }
    *first = round.check()?.1;
    say(&["configure", "vlan 100", "private-vlan association add 103"])?;
    // Virtualizers enable their VIFs again.
    std::thread::sleep(QUIET);
    run(all, first, broadcast)?;
    report.figure(
        "a community that is not associated",
        "carries nothing, and says so",
    );
    let listing = say(&["show vlan private-vlan"])?;
    report.block(&listing);
    Ok(())
}

fn part(all: &mut [Endpoint], names: &[&str], part: Part) {
    for one in all.iter_mut().filter(|one| names.contains(&one.name)) {
        one.part = part;
    }
}

fn drain(all: &[Endpoint]) -> Result<()> {
    for one in all {
        one.arrived()?;
    }
    Ok(())
}

fn until(lab: &mut Lab, what: &str, mut holds: impl FnMut(&mut Lab) -> Result<bool>) -> Result<()> {
    let end = Instant::now() + WITHIN;
    while !holds(lab)? {
        check(Instant::now() < end, || format!("never: {what}"))?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
