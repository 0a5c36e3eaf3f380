//! Access lists of which each line is hit by a frame of its own.

use niv::Mac;
use policy::acl::{AccessList, By, Compiled, Family, Subject, View};
use std::fmt::Write as _;

/// A list, and for each of its lines a frame that hits it.
pub struct Hit {
    /// As written.
    pub list: AccessList,
    /// Made ready.
    pub compiled: Compiled,
    /// By line.
    pub frames: Vec<Vec<u8>>,
}

/// What lists are asked about a frame that no link has put anything before.
pub fn subject(bytes: &[u8]) -> Subject<'_> {
    let mac = |at: usize| match bytes.get(at..at + 6) {
        Some(&[a, b, c, d, e, f]) => Mac([a, b, c, d, e, f]),
        _ => Mac::default(),
    };
    Subject {
        destination: mac(0),
        source: mac(6),
        bytes,
        ethertype_at: 12,
    }
}

/// A list of so many lines of eight forms, each for a destination of its own.
///
/// # Panics
/// It is not the case that each frame hits its line, so that nothing would be measured.
pub fn hit(family: Family, lines: u16) -> Hit {
    let name = match family {
        Family::Ipv4 => "ip",
        Family::Ipv6 => "ipv6",
        Family::Mac => "mac",
    };
    let mut text = format!("{name} access-list measured\n");
    let mut frames = Vec::new();
    for n in 0..lines {
        let line = line(family, n);
        let _ = writeln!(text, "{line}");
        frames.push(frame(family, n));
    }
    let list: AccessList = match text.parse() {
        Ok(list) => list,
        Err(why) => unreachable!("the list is no list: {why}"),
    };
    let compiled = Compiled::new(&list);
    for (n, frame) in (0..).zip(&frames) {
        let verdict = compiled.judge(&View::of(&subject(frame)));
        assert_eq!(
            verdict.map(|verdict| verdict.by),
            Some(By::Line(n)),
            "{list}"
        );
    }
    Hit {
        list,
        compiled,
        frames,
    }
}

fn port(n: u16) -> u16 {
    1024 + n * 7
}

fn line(family: Family, n: u16) -> String {
    let [high, low] = n.to_be_bytes();
    let (port, more) = (port(n), port(n) + 9);
    let (to, from) = match family {
        Family::Ipv4 => (format!("host 10.1.{high}.{low}"), "10.2.0.0/16"),
        Family::Ipv6 => (format!("host 2001:db8:1::{n:x}"), "2001:db8:2::/48"),
        Family::Mac => {
            let to = format!("host 0200.0001.{n:04x}");
            return match n % 2 {
                0 => format!("permit any {to}"),
                _ => format!("deny 0200.0002.0000 0000.0000.ffff {to} ip"),
            };
        }
    };
    match n % 8 {
        0 => format!("permit tcp any {to} eq {port}"),
        1 => format!("permit udp {from} {to} range {port} {more}"),
        2 => format!("deny tcp any {to} gt 1023 established"),
        3 => format!("permit icmp any {to} 8"),
        4 => format!("deny udp any neq {port} {to}"),
        5 => format!("permit tcp {from} {to} syn dscp ef"),
        6 => format!("permit {} {from} {to}", family.as_str()),
        _ => format!("permit tcp any gt 1023 {to} lt {more} log"),
    }
}

fn frame(family: Family, n: u16) -> Vec<u8> {
    let [high, low] = n.to_be_bytes();
    let protocol = match (n % 8, family) {
        (1 | 4, _) => 17,
        (3, Family::Ipv6) => 58,
        (3, _) => 1,
        _ => 6,
    };
    let mut payload = [port(n) + 1, port(n)].map(u16::to_be_bytes).concat();
    payload.resize(20, 0);
    match (protocol, payload.as_mut_slice()) {
        (1 | 58, [kind, code, ..]) => (*kind, *code) = (8, 0),
        (6, [_, _, _, _, _, _, _, _, _, _, _, _, offset, flags, ..]) => {
            (*offset, *flags) = (0x50, if n % 8 == 5 { 0x02 } else { 0x10 });
        }
        _ => {}
    }
    let mut frame = vec![2, 0, 0, 1, high, low, 2, 0, 0, 2, 0, 9];
    match family {
        Family::Ipv4 | Family::Mac => {
            frame.extend([8, 0, 0x45, 0xB8, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0]);
            frame.extend([10, 2, 0, 9, 10, 1, high, low]);
        }
        Family::Ipv6 => {
            frame.extend([0x86, 0xDD, 0x6B, 0x80, 0, 0, 0, 20, protocol, 64]);
            frame.extend([0x20, 0x01, 0x0D, 0xB8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
            frame.extend([
                0x20, 0x01, 0x0D, 0xB8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, high, low,
            ]);
        }
    }
    frame.extend(payload);
    frame.resize(frame.len().max(60), 0);
    frame
}
