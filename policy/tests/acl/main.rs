//! Access lists on generated lists and frames: what is compiled says what the lines say, and text is read back as written.
//!
//! `ACL_FRAMES` is how many frames are judged in each of the two tests of equality, 400,000 if it is not set; the
//! scenario `access-lists-naive` judges ten million.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "functions of a test fail it as its body does"
)]

mod fragments;
mod generate;
mod text;

use generate::{Dice, FAMILIES, compare, frame, list, view, whole};
use niv::Mac;
use policy::acl::{
    AccessList, By, Compiled, Family, Filter, Line, Network, Subject, View, first_match,
};
use std::sync::Arc;

fn frames() -> u64 {
    match std::env::var("ACL_FRAMES") {
        Ok(count) => count.parse().expect("ACL_FRAMES is a number"),
        Err(_) => 400_000,
    }
}

#[test]
fn what_is_compiled_says_what_the_lines_say() {
    let met = compare(1, frames());
    println!("{met:?}");
    let least = frames() / 200;
    for (kind, count) in met.frames() {
        assert!(count > least, "{kind}: {count} of {}", frames());
    }
}

/// Each line is hit by a frame of its own, in lists of the lengths at which tables change their shape.
#[test]
fn every_line_of_a_long_list_is_found() {
    for rules in [1_u16, 64, 65, 256, 257, 1024] {
        let lines = (0..rules).map(|n| {
            format!(
                "permit udp any host 10.0.{}.{} eq {}\n",
                n >> 8,
                n & 0xFF,
                1000 + n
            )
        });
        let text = format!("ip access-list long\n{}", lines.collect::<String>());
        let list: AccessList = text.parse().unwrap();
        let compiled = Compiled::new(&list);
        assert_eq!(compiled.rules(), usize::from(rules));
        for n in 0..rules {
            let [high, low] = n.to_be_bytes();
            let [p0, p1] = (1000 + n).to_be_bytes();
            let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
            bytes.extend([
                0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 9, 9, 10, 0, high, low,
            ]);
            bytes.extend([0, 1, p0, p1, 0, 8, 0, 0]);
            let verdict = compiled.judge(&view(&bytes)).unwrap();
            assert_eq!(verdict.by, By::Line(n));
            assert_eq!(compiled.sequence(n).unwrap().get(), 10 * (u32::from(n) + 1));
        }
    }
}

#[test]
fn what_is_written_is_read_back_as_the_same() {
    let mut dice = Dice(2);
    for round in 0..3_000 {
        let family = FAMILIES[round % 3];
        let list = list(&mut dice, family, 30);
        let text = list.to_string();
        assert_eq!(text.parse(), Ok(list), "{text}");
        for line in text.lines().skip(1) {
            let line = line.trim();
            assert_eq!(Line::parse(family, line).unwrap().to_string(), line);
        }
    }
}

/// Whatever is cut off the end of a permitted packet, or changed in it, the lists do not panic and agree.
#[test]
fn no_octets_panic() {
    let mut dice = Dice(3);
    for round in 0..frames() / 4 {
        let family = FAMILIES[round as usize % 3];
        let mut bytes = frame(&mut dice, family);
        for _ in 0..dice.below(4) {
            if let Some(last) = bytes.len().checked_sub(1) {
                bytes[dice.below(last as u64 + 1) as usize] = dice.next() as u8;
            }
        }
        let at = if dice.once_in(64) {
            dice.next() as usize
        } else {
            12
        };
        let subject = Subject {
            destination: Mac([2; 6]),
            source: Mac([4; 6]),
            bytes: &bytes,
            ethertype_at: at,
        };
        let _ = std::hint::black_box(View::of(&subject));
    }
}

/// Judges from elsewhere are asked of such frames.
#[test]
fn a_frame_that_everybody_reads_the_same_is_readable() {
    let mut dice = Dice(6);
    for family in FAMILIES {
        let list = list(&mut dice, family, 500);
        for rule in list.rules() {
            let bytes = whole(&mut dice, rule);
            let network = view(&bytes).network;
            let is_readable = !matches!(
                network,
                Network::BadIpv4(_) | Network::BadIpv6(_) | Network::Hidden(_)
            );
            assert!(is_readable, "{network:?}: {bytes:02x?}");
        }
    }
}

/// The bounds that the documentation of [`Compiled`] states.
#[test]
fn memory_has_the_stated_bound_whatever_the_lines_say() {
    let mut dice = Dice(4);
    // A port of its own in every high octet, for as many as there are.
    let scattered = (0..1024_u32).map(|n| {
        let (a, b) = (n * 257 % 65536, n * 509 % 65536);
        format!("permit tcp any eq {a} any neq {b}\n")
    });
    let text = format!(
        "ipv6 access-list scattered\n{}",
        scattered.collect::<String>()
    );
    let scattered: AccessList = text.parse().unwrap();
    for (rules, bound) in [
        (1, 150_000),
        (128, 450_000),
        (256, 650_000),
        (1024, 2_600_000),
    ] {
        for list in [
            list(&mut dice, Family::Ipv6, rules),
            list(&mut dice, Family::Ipv4, rules),
            first_lines(&scattered, rules),
        ] {
            let octets = Compiled::new(&list).octets();
            println!("{} {rules}: {octets}", list.family().as_str());
            assert!(octets <= bound, "{rules} lines: {octets}");
        }
    }
}

fn first_lines(list: &AccessList, count: usize) -> AccessList {
    let mut shorter = AccessList::new(list.family(), list.name().clone());
    for (sequence, entry) in list.lines().take(count) {
        let line = Line {
            sequence: Some(sequence),
            entry: entry.clone(),
        };
        shorter.add(line).unwrap();
    }
    shorter
}

#[test]
fn a_frame_passes_a_port_if_every_list_permits_it_that_judges_it() {
    let mut dice = Dice(5);
    for _ in 0..100 {
        let lists = FAMILIES.map(|family| {
            let rules = dice.below(20) as usize;
            dice.once_in(2).then(|| list(&mut dice, family, rules))
        });
        let ready =
            |list: &Option<AccessList>| list.as_ref().map(|list| Arc::new(Compiled::new(list)));
        let filter = Filter {
            ipv4: ready(&lists[0]),
            ipv6: ready(&lists[1]),
            mac: ready(&lists[2]),
        };
        for _ in 0..500 {
            let family = dice.of(&FAMILIES);
            let view = view(&frame(&mut dice, family));
            let verdicts = lists
                .iter()
                .flatten()
                .filter_map(|list| first_match(list, &view));
            let all = verdicts.map(|verdict| verdict.action);
            let permitted = all
                .into_iter()
                .all(|action| action == policy::acl::Action::Permit);
            assert_eq!(filter.judge_view(&view).permits(), permitted);
        }
    }
}
