//! Access lists between real endpoints: two guests behind an interface virtualizer and a neighbour on a plain port.

use super::accounts::nothing_unexplained;
use super::shell::Typist;
use super::vic::{DEVICE, GUESTS, attach_guest, settle_in, taken, they_talk, two_boxes};
use crate::binaries::Binaries;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet};
use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Doing, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use niv::Mac;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The neighbour on the plain port, and its number.
const NEIGHBOUR: (&str, u8) = ("n1", 3);
/// Lines of the long list.
const LINES: u16 = 256;
/// The destination port of its first line.
const FIRST_PORT: u16 = 20_000;
/// Frames that must not come have this long to.
const SILENCE: Duration = Duration::from_millis(400);
/// Frames that must come have this long to.
const WITHIN: Duration = Duration::from_secs(3);

/// The lists, as people type them.
const LISTS: &str = "\
ip access-list noping
10 deny icmp any any echo log
20 permit ip any any
ip access-list answers
permit tcp any any established
permit icmp any any
permit udp any any
ipv6 access-list noping6
deny icmp any any echo-request
permit ipv6 any any
mac access-list odd
deny any any 0x88b5
permit any any
ip access-list ports
permit udp any any eq 5000
";

fn v4(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 10, number)
}

fn v6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xFD00, 0, 0, 10, 0, 0, 0, number.into())
}

/// The lab, and what is asked of it.
struct Asked {
    lab: Lab,
    typist: Typist,
    /// The vEths of the guests.
    veths: [u64; 2],
}

impl Asked {
    fn start(binaries: &Binaries) -> Result<Self> {
        let mut lab = two_boxes(binaries)?;
        let mut veths = [0; 2];
        for ((guest, number), veth) in GUESTS.into_iter().zip(1..).zip(&mut veths) {
            attach_guest(&mut lab, guest)?;
            *veth = taken(&mut lab, guest.0)?.1;
            settle_in(&lab, guest.0, number)?;
        }
        they_talk(&lab)?;
        lab.add_host(NEIGHBOUR.0)?;
        lab.cable((NEIGHBOUR.0, DEVICE), ("vis", "p1"))?;
        settle_in(&lab, NEIGHBOUR.0, NEIGHBOUR.1)?;
        let typist = Typist::of(binaries, lab.daemon("vis")?.socket());
        let asked = Self { lab, typist, veths };
        asked.say(&[
            "configure",
            "interface ethernet 2",
            "switchport access vlan 10",
            "device p1",
        ])?;
        let lines = std::iter::once("configure").chain(LISTS.lines());
        asked.say(&lines.collect::<Vec<_>>())?;
        for (host, number) in stations() {
            let host = asked.lab.host(host)?;
            host.address(DEVICE, v6(number).into())?;
            host.wait_for_detection(DEVICE)?;
        }
        Ok(asked)
    }

    fn say(&self, lines: &[&str]) -> Result<()> {
        let said = self.typist.exec(lines)?;
        check(said.done, || format!("{lines:?}: {said:?}"))
    }

    /// The line that leads to the port of a station.
    fn port(&self, station: u8) -> String {
        match station {
            1 => format!("interface vethernet {}", self.veths[0]),
            2 => format!("interface vethernet {}", self.veths[1]),
            _ => "interface ethernet 2".to_owned(),
        }
    }

    /// With a line at the port of a station, and without it again.
    fn with(&self, station: u8, line: &str, then: impl FnOnce() -> Result<()>) -> Result<()> {
        let port = self.port(station);
        self.say(&["configure", &port, line])?;
        then()?;
        self.say(&["configure", &port, &format!("no {line}")])
    }

    fn reaches(&self, from: u8, to: IpAddr) -> Result<bool> {
        let patience = Patience {
            payload: 56,
            within: Duration::from_millis(900),
            linger: Duration::from_millis(20),
        };
        let pair = Pair { from: 0, to };
        let outcomes = ping_all(&[&self.lab.host(name(from)?)?.netns], &[pair], patience)?;
        Ok(outcomes.values().all(|outcome| outcome.is_clean()))
    }

    /// Who reaches whom, of both families, is what is expected.
    fn pings(&self, expected: &[(u8, u8, bool, bool)]) -> Result<()> {
        for &(from, to, over_v4, over_v6) in expected {
            let got = (
                self.reaches(from, v4(to).into())?,
                self.reaches(from, v6(to).into())?,
            );
            check(got == (over_v4, over_v6), || {
                format!("from {from} to {to}: IPv4 and IPv6 {got:?}")
            })?;
        }
        Ok(())
    }

    fn connects(&self, from: u8, to: u8) -> Result<bool> {
        let there = SocketAddr::new(v4(to).into(), 0);
        let listener = self
            .lab
            .host(name(to)?)?
            .netns
            .run(|| TcpListener::bind(there));
        let listener = listener.doing("enter a namespace")?.doing("listen")?;
        let there = listener.local_addr().doing("learn the port")?;
        let call = || TcpStream::connect_timeout(&there, Duration::from_millis(700));
        let called = self.lab.host(name(from)?)?.netns.run(call);
        Ok(called.doing("enter a namespace")?.is_ok())
    }

    /// Whether a frame by hand gets from one station to another.
    fn passes(&self, from: u8, to: u8, make: impl Fn(Mac, Mac) -> Vec<u8>) -> Result<bool> {
        let (near, far) = (self.lab.host(name(from)?)?, self.lab.host(name(to)?)?);
        let interface = far.index(DEVICE)?.0;
        let watch = Watch::open(&far.netns, Choice::Received { interface })?;
        let mut source = Source::open(&near.netns, DEVICE)?;
        let frame = make(far.mac(DEVICE)?, source.mac);
        source.send(&frame)?;
        let is_it = |bytes: &[u8]| bytes.starts_with(&frame);
        let seen = watch.gather(SILENCE, |seen| seen.iter().any(|s| is_it(&s.bytes)))?;
        Ok(seen.iter().any(|s| is_it(&s.bytes)))
    }

    /// How often each line of a list has decided.
    fn hits(&mut self, list: &str) -> Result<Vec<u64>> {
        let shown = self.lab.daemon("vis")?.show_json(&["access-lists", list])?;
        let lines = shown.pointer("/lists/0/lines").and_then(Value::as_array);
        let hits = lines.into_iter().flatten();
        let hits = hits.filter_map(|line| line.get("matched")?.as_u64());
        Ok(hits.collect())
    }
}

fn stations() -> impl Iterator<Item = (&'static str, u8)> {
    GUESTS
        .iter()
        .map(|(guest, _)| *guest)
        .zip(1..)
        .chain([NEIGHBOUR])
}

fn name(station: u8) -> Result<&'static str> {
    let found = stations().find(|(_, number)| *number == station);
    found
        .map(|(name, _)| name)
        .ok_or_else(|| crate::error::LabError::Check(format!("there is no station {station}")))
}

/// UDP over IPv4 for a port, `offset` eights of octets into its packet.
fn udp(to: Mac, from: Mac, port: u16, offset: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    let [f0, f1] = offset.to_be_bytes();
    let mut packet = vec![
        0x45, 0, 0, 46, 0, 1, f0, f1, 64, 17, 0, 0, 10, 0, 10, 77, 10, 0, 10, 78,
    ];
    packet.extend([0x10, 0, high, low, 0, 26, 0, 0]);
    packet.resize(46, 0x5A);
    ethernet(to, from, 0x0800, &packet)
}

/// Permit and deny, both ways, on a vEth and on a plain port; IPv6, frames, connections, fragments; what is logged; 256
/// lines; edits while frames come.
pub(super) fn access_lists(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut asked = Asked::start(binaries)?;
    let all = [(1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)];
    asked.pings(&all.map(|(from, to)| (from, to, true, true)))?;

    report.part("in and out, on a vEth and on a plain port");
    // The same line decides the same for both kinds of ports.
    for station in [1, 3] {
        let other = 4 - station;
        asked.with(station, "ip access-group noping in", || {
            asked.pings(&[
                (station, 2, false, true),
                (station, other, false, true),
                (2, station, true, true),
                (other, 2, true, true),
            ])
        })?;
        asked.with(station, "ip access-group noping out", || {
            asked.pings(&[
                (2, station, false, true),
                (other, station, false, true),
                (station, 2, true, true),
                (2, other, true, true),
            ])
        })?;
        asked.with(station, "ipv6 access-group noping6 in", || {
            asked.pings(&[(station, 2, true, false), (2, station, true, true)])
        })?;
        let odd = |to, from| ethernet(to, from, EXPERIMENTAL, &[0x5A; 46]);
        check(asked.passes(station, 2, odd)?, || {
            "an odd frame is lost".to_owned()
        })?;
        asked.with(station, "mac access-group odd in", || {
            let passes = asked.passes(station, 2, odd)?;
            check(!passes, || format!("an odd frame of {station} passes"))?;
            asked.pings(&[(station, 2, true, true)])
        })?;
        asked.with(station, "ip access-group answers out", || {
            let (called, calls) = (asked.connects(2, station)?, asked.connects(station, 2)?);
            check((called, calls) == (false, true), || {
                format!("{station} is called: {called}, calls: {calls}")
            })
        })?;
        let first = |to, from| udp(to, from, 5000, 0x2000);
        let later = |to, from| udp(to, from, 5000, 3);
        asked.with(station, "ip access-group ports in", || {
            let passes = (
                asked.passes(station, 2, first)?,
                asked.passes(station, 2, later)?,
            );
            check(passes == (true, false), || {
                format!("of {station}, a first and a later fragment pass: {passes:?}")
            })?;
            asked.say(&[
                "configure",
                "ip access-list ports",
                "20 permit udp any any fragments",
            ])?;
            check(asked.passes(station, 2, later)?, || {
                format!("a later fragment of {station} is lost")
            })?;
            asked.say(&["configure", "ip access-list ports", "no 20"])
        })?;
        asked.pings(&[(station, 2, true, true), (2, station, true, true)])?;
    }
    report.figure(
        "pings, calls, odd frames and fragments",
        "as the lines say, on both kinds of ports",
    );

    logged(&mut asked, report)?;
    long_list(&mut asked, report)?;
    let shown = asked.lab.daemon("vis")?.show(&["drops"])?;
    for reason in ["acl_in", "acl_out"] {
        check(shown.contains(reason), || format!("no {reason}: {shown}"))?;
    }
    nothing_unexplained(&mut asked.lab, "vis", report)?;
    asked.lab.check_alive()
}

/// A flood of what a line logs: each port has few lines in the log, and the rest is summed.
fn logged(asked: &mut Asked, report: &Report) -> Result<()> {
    const FRAMES: usize = 300;
    report.part("log");
    let before = asked.lab.daemon("vis")?.read_log().len();
    let port = asked.port(3);
    asked.say(&["configure", &port, "ip access-group noping in"])?;
    let far = asked.lab.host("g2")?.mac(DEVICE)?;
    let mut source = Source::open(&asked.lab.host(NEIGHBOUR.0)?.netns, DEVICE)?;
    let mut packet = vec![
        0x45, 0, 0, 46, 0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 10, 3, 10, 0, 10, 2, 8, 0, 0, 0,
    ];
    packet.resize(46, 0);
    let frame = ethernet(far, source.mac, 0x0800, &packet);
    for _ in 0..FRAMES {
        source.send(&frame)?;
    }
    let end = Instant::now() + Duration::from_secs(10);
    let (told, summed) = loop {
        let log = asked.lab.daemon("vis")?.read_log();
        let new = log.get(before..).unwrap_or_default();
        let told = new.lines().filter(|line| {
            line.contains("Ethernet2 in: access-list noping line 10 denies ICMP type 8 10.0.10.3 to 10.0.10.2")
        });
        let summed = new
            .lines()
            .find(|line| line.contains("not logged, since there were too many"));
        if let Some(summed) = summed {
            break (told.count(), summed.to_owned());
        }
        check(Instant::now() < end, || format!("nothing is summed: {new}"))?;
        std::thread::sleep(Duration::from_millis(50));
    };
    report.figure(
        &format!("lines in the log for {FRAMES} frames that a line logs"),
        format!("{told}, and a sum of the others"),
    );
    report.say(&summed);
    check((1..=10).contains(&told), || {
        format!("{told} lines in the log")
    })?;
    asked.say(&["configure", &port, "no ip access-group noping in"])
}

/// 256 lines, each hit once, in order and out of order; edited while frames come.
fn long_list(asked: &mut Asked, report: &Report) -> Result<()> {
    report.part(&format!("a list of {LINES} lines"));
    let lines =
        (0..LINES).map(|n| format!("{} permit udp any any eq {}", 10 * (n + 1), FIRST_PORT + n));
    let mut typed = vec![
        "configure candidate".to_owned(),
        "ip access-list long".to_owned(),
    ];
    typed.extend(lines);
    typed.extend([
        asked.port(3),
        "ip access-group long in".to_owned(),
        "commit".to_owned(),
    ]);
    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
    let begun = Instant::now();
    asked.say(&typed)?;
    report.figure(
        "from typing them to their being in force",
        format!("{:.0?}", begun.elapsed()),
    );

    let far = asked.lab.host("g2")?;
    let interface = far.index(DEVICE)?.0;
    let watch = Watch::open(&far.netns, Choice::Received { interface })?;
    let to = far.mac(DEVICE)?;
    let mut source = Source::open(&asked.lab.host(NEIGHBOUR.0)?.netns, DEVICE)?;
    // An odd factor visits every one.
    for n in (0..LINES).map(|n| n.wrapping_mul(77) % LINES) {
        source.send(&udp(to, source.mac, FIRST_PORT + n, 0))?;
    }
    let begun = Instant::now();
    let hits = loop {
        let hits = asked.hits("long")?;
        if hits.iter().sum::<u64>() >= LINES.into() || begun.elapsed() > WITHIN {
            break hits;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let once = hits.iter().filter(|&&hits| hits == 1).count();
    report.figure(
        "lines hit exactly once by as many frames",
        format!("{once} of {}", hits.len()),
    );
    check(once == usize::from(LINES) && hits.len() == once, || {
        format!("not each line was hit once: {hits:?}")
    })?;
    let is_ours = |bytes: &[u8]| bytes.get(12..14) == Some(&[8, 0]) && bytes.get(23) == Some(&17);
    let count =
        |seen: &[crate::endpoint::watch::Seen]| seen.iter().filter(|s| is_ours(&s.bytes)).count();
    let seen = watch.gather(WITHIN, |seen| count(seen) >= usize::from(LINES))?;
    check(count(&seen) == usize::from(LINES), || {
        format!("{} frames arrived", count(&seen))
    })?;

    // A line that is taken away lets nothing pass from then on, and the others keep what they have counted.
    let send = |asked: &Asked| asked.passes(3, 2, |to, from| udp(to, from, FIRST_PORT, 0));
    asked.say(&["configure", "ip access-list long", "no 10"])?;
    check(!send(asked)?, || {
        "a line taken away still permits".to_owned()
    })?;
    asked.say(&[
        "configure",
        "ip access-list long",
        "10 permit udp any any eq 20000",
    ])?;
    check(send(asked)?, || {
        "a line that is back permits nothing".to_owned()
    })?;
    let hits = asked.hits("long")?;
    check(hits.iter().sum::<u64>() == u64::from(LINES), || {
        format!("after the edits: {hits:?}")
    })?;
    asked.say(&["clear access-list counters long"])?;
    let hits = asked.hits("long")?;
    check(hits.iter().sum::<u64>() == 0, || {
        format!("after clear: {hits:?}")
    })?;
    let shown = asked
        .typist
        .exec(&["show access-lists long | include \" (10|20) \""])?;
    report.block(&shown.out);
    let port = asked.port(3);
    asked.say(&["configure", &port, "no ip access-group long in"])
}
