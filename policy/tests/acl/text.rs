//! Lines as people type them, and what they are told.

use policy::acl::{
    AccessList, By, Family, Hits, Line, ListError, ListParseError, MAX_LINES, Problem, Sequence,
    Shown, Unreadable, Verdict,
};
use proptest::prelude::*;
use std::num::NonZeroU32;

fn written(family: Family, typed: &str) -> String {
    Line::parse(family, typed)
        .unwrap_or_else(|why| panic!("{typed}: {why}"))
        .to_string()
}

#[test]
fn what_people_type_is_written_in_one_form() {
    let ipv4 = |typed: &str| written(Family::Ipv4, typed);
    for same in [
        "10 permit tcp any host 10.0.0.1 range 80 90 established log",
        "20 remark web servers of  the shop",
        "deny udp 10.0.0.0/8 neq 53 any gt 1023 dscp ef",
        "permit ip 10.0.0.0 0.255.0.255 any fragments",
        "permit icmp any any 3 7",
        "permit icmp any any echo-reply dscp 3 log",
        "permit tcp any any syn ack",
        "permit tcp any any match-all +syn -ack",
        "permit 200 any any",
        "permit gre any host 192.0.2.1",
        "permit icmp any any",
    ] {
        assert_eq!(ipv4(same), same);
    }
    assert_eq!(
        ipv4("PERM TC an ho 10.0.0.1 eq www EST"),
        "permit tcp any host 10.0.0.1 eq 80 established"
    );
    assert_eq!(
        ipv4("permit 6 10.1.2.3/8 0.0.0.0 255.255.255.255"),
        "permit tcp 10.0.0.0/8 any"
    );
    assert_eq!(
        ipv4("permit ip any 10.0.0.9 0.0.0.0"),
        "permit ip any host 10.0.0.9"
    );
    assert_eq!(
        ipv4("permit tcp any any log dscp 46 fin syn"),
        "permit tcp any any fin syn dscp ef log"
    );
    let ipv6 = |typed: &str| written(Family::Ipv6, typed);
    assert_eq!(
        ipv6("5 deny icmp 2001:DB8:0:0::/32 any nd-na"),
        "5 deny icmp 2001:db8::/32 any nd-na"
    );
    assert_eq!(ipv6("permit ipv6 any host ::1"), "permit ipv6 any host ::1");
    let mac = |typed: &str| written(Family::Mac, typed);
    assert_eq!(
        mac("permit any host 02:00:00:00:00:0a arp log"),
        "permit any host 0200.0000.000a 0x0806 log"
    );
    assert_eq!(
        mac("deny 0200.0000.0001 0000.0000.00ff any"),
        "deny 0200.0000.0000 0000.0000.00ff any"
    );
}

/// A line that asked for it would decide nothing.
#[test]
fn what_is_always_looked_behind_is_no_protocol() {
    for number in ["0", "43", "44", "51", "60", "135", "139", "140", "ahp"] {
        let line = format!("deny {number} any any");
        assert!(Line::parse(Family::Ipv6, &line).is_err(), "{line}");
        assert!(Line::parse(Family::Ipv4, &line).is_ok(), "{line}");
    }
    for tag in ["0x8100", "0x88A8"] {
        let line = format!("deny any any {tag}");
        assert!(Line::parse(Family::Mac, &line).is_err(), "{line}");
    }
}

/// Column, and one of the words that should stand there.
#[test]
fn an_error_says_where_and_what_was_expected() {
    for (typed, column, expected) in [
        ("", 0, "permit"),
        ("10 ", 2, "remark"),
        ("allow ip any any", 0, "deny"),
        ("10 permit", 9, "tcp"),
        ("permit tpc any any", 7, "<protocol 0-255>"),
        ("permit tcp any hots 10.0.0.1", 15, "host"),
        ("permit tcp any host", 19, "<A.B.C.D>"),
        ("permit tcp 10.0.0.1 any", 20, "<wildcard A.B.C.D>"),
        ("permit tcp 10.0.0.0/33 any", 11, "any"),
        ("permit tcp any any eq", 21, "<port 0-65535>"),
        ("permit tcp any any eq 65536", 22, "<port 0-65535>"),
        ("permit udp any any established", 19, "dscp"),
        ("permit ip any eq 80 any", 14, "any"),
        ("permit tcp any any eq 80 fragments", 25, "established"),
        ("permit tcp any any fragments syn", 29, "dscp"),
        ("permit ip any any dscp 64", 23, "<code point 0-63>"),
        ("permit ip any any log log", 22, "<end of line>"),
        ("permit icmp any any eccho", 20, "<ICMP type 0-255>"),
        ("0 permit ip any any", 0, "<line number 1-4294967295>"),
        ("remark", 6, "<text>"),
        ("permit tcp any any match-all syn", 29, "<+flag>"),
    ] {
        let error = Line::parse(Family::Ipv4, typed).unwrap_err();
        assert_eq!(error.column, column, "{typed}: {error}");
        match &error.problem {
            Problem::Expected(words) => assert!(words.contains(&expected), "{typed}: {error}"),
            other => panic!("{typed}: {other:?}"),
        }
    }
    let problem = |typed| Line::parse(Family::Ipv4, typed).unwrap_err().problem;
    assert!(matches!(
        problem("permit tcp any range 9 8 any"),
        Problem::Invalid(_)
    ));
    assert!(matches!(
        problem("permit tcp any lt 0 any"),
        Problem::Invalid(_)
    ));
    assert!(matches!(
        problem("permit tcp any gt 65535 any"),
        Problem::Invalid(_)
    ));
    assert!(matches!(
        problem("permit tcp any any match-all +syn -syn"),
        Problem::Invalid(_)
    ));
    assert!(
        matches!(problem("permit e any any"), Problem::Ambiguous(words) if words == ["esp", "eigrp"])
    );
    let error = Line::parse(Family::Ipv4, "permit tcp any hots 10.0.0.1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "column 16: 'hots': expected eq, neq, lt, gt, range, any, host, <A.B.C.D/length>, <A.B.C.D> <wildcard>"
    );
}

#[test]
fn what_may_follow_is_said_at_every_place() {
    let follows = |text: &str| Line::what_follows(Family::Ipv4, text).unwrap();
    assert_eq!(follows("10"), ["permit", "deny", "remark"]);
    assert!(follows("permit ").contains(&"tcp"));
    let source = follows("permit tcp any");
    assert!(
        source.contains(&"eq") && source.contains(&"host"),
        "{source:?}"
    );
    assert!(!follows("permit ip any").contains(&"eq"));
    let destination = follows("permit tcp any any");
    for word in ["range", "established", "log", "<end of line>"] {
        assert!(destination.contains(&word), "{destination:?}");
    }
    assert!(!follows("permit tcp any any eq 80").contains(&"eq"));
    assert_eq!(
        follows("permit tcp any any eq"),
        ["<port 0-65535>", "<service name>"]
    );
    let message = follows("permit icmp any any");
    assert!(
        message.contains(&"echo") && message.contains(&"<end of line>"),
        "{message:?}"
    );
    assert!(follows("permit icmp any any 3").contains(&"<ICMP code 0-255>"));
    assert!(!follows("permit icmp any any echo").contains(&"echo"));
    assert_eq!(
        follows("permit ip any any dscp ef log fragments"),
        ["<end of line>"]
    );
    assert_eq!(follows("remark"), ["<text>"]);
    let mac = Line::what_follows(Family::Mac, "deny any host 0200.0000.0001").unwrap();
    assert!(
        mac.contains(&"arp") && mac.contains(&"<end of line>"),
        "{mac:?}"
    );
    assert!(Line::what_follows(Family::Ipv4, "permit tpc").is_err());
}

fn line(family: Family, text: &str) -> Line {
    Line::parse(family, text).unwrap()
}

#[test]
fn lines_get_numbers_ten_apart_and_keep_their_order() {
    let mut list: AccessList =
        "ip access-list 500\n permit tcp any any\n 5 deny udp any any\n\n permit ip any any"
            .parse()
            .unwrap();
    assert!(list.name().is_number());
    assert_eq!(
        list.to_string(),
        "ip access-list 500\n  5 deny udp any any\n  10 permit tcp any any\n  20 permit ip any any\n"
    );
    let step = NonZeroU32::new(100).unwrap();
    list.resequence(Sequence::new(1).unwrap(), step).unwrap();
    let numbers: Vec<u32> = list.lines().map(|(sequence, _)| sequence.get()).collect();
    assert_eq!(numbers, [1, 101, 201]);
    let largest = Sequence::new(u32::MAX).unwrap();
    let before = list.clone();
    assert_eq!(
        list.resequence(largest, step),
        Err(ListError::NoNumberLeft(largest))
    );
    assert_eq!(list, before);
    let removed = list.remove_entry(&line(Family::Ipv4, "permit tcp any any").entry);
    assert_eq!(removed, Sequence::new(101));
    assert_eq!(list.lines().count(), 2);
}

#[test]
fn a_number_is_given_once() {
    let mut list: AccessList = "ip access-list a\n10 permit tcp any any".parse().unwrap();
    let ten = Sequence::new(10).unwrap();
    assert_eq!(
        list.add(line(Family::Ipv4, "10 permit tcp any any")),
        Ok(ten)
    );
    assert_eq!(
        list.add(line(Family::Ipv4, "10 deny tcp any any")),
        Err(ListError::Taken(ten))
    );
    let other = line(Family::Mac, "permit any any");
    assert_eq!(
        list.add(other),
        Err(ListError::OtherFamily(Family::Mac, Family::Ipv4))
    );
    let largest = Sequence::new(u32::MAX).unwrap();
    list.add(line(Family::Ipv4, "4294967295 permit udp any any"))
        .unwrap();
    let next = list.add(line(Family::Ipv4, "permit ip any any"));
    assert_eq!(next, Err(ListError::NoNumberLeft(largest)));
}

#[test]
fn a_list_has_an_end() {
    let lines = "permit ip any any\n".repeat(MAX_LINES);
    let full: AccessList = format!("ip access-list full\n{lines}").parse().unwrap();
    assert_eq!(full.lines().count(), MAX_LINES);
    let error = format!("ip access-list full\n{lines}remark one more").parse::<AccessList>();
    let error = error.unwrap_err();
    assert_eq!(error.line, MAX_LINES + 2);
    assert_eq!(error.problem, ListParseError::List(ListError::Full));
}

#[test]
fn a_list_without_a_head_is_none() {
    for text in [
        "",
        "permit ip any any",
        "ip access-list",
        "ip access-list two words",
        "arp access-list a",
    ] {
        assert!(text.parse::<AccessList>().is_err(), "{text}");
    }
}

const WORDS: &str = "(permit|deny|remark|tcp|udp|icmp|ip|ipv6|any|host|10\\.0\\.0\\.1|10\\.0\\.0\\.0/8|0\\.0\\.0\\.255|::1|2001:db8::/32|0200\\.0000\\.0001|eq|neq|lt|gt|range|80|www|established|syn|match-all|\\+syn|-ack|dscp|ef|fragments|log|0x0800|é|7)";

#[test]
fn hits_are_kept_by_lines_that_stay() {
    let old: AccessList =
        "ip access-list web\nremark first\npermit tcp any any eq 80\ndeny udp any any"
            .parse()
            .unwrap();
    let mut hits = Hits::new(&old);
    let verdict = |by| Verdict { by, ..Verdict::END };
    hits.count(&verdict(By::Line(0)), 3);
    hits.count(&verdict(By::Line(1)), 4);
    hits.count(&verdict(By::Line(2)), 1);
    hits.count(&verdict(By::End), 5);
    hits.count(&verdict(By::Unreadable(Unreadable::Version)), 6);
    assert_eq!((hits.end(), hits.unreadable()), (5, 6));
    let (list, before) = (&old, &hits);
    assert_eq!(
        Shown { list, hits: before }.to_string(),
        "IP access list web\n        statistics per-entry\n        10 remark first\n        \
         20 permit tcp any any eq 80 [match=3]\n        30 deny udp any any [match=4]\n"
    );
    let new = "ip access-list web\n5 permit icmp any any\n20 permit tcp any any eq 80\n30 deny tcp any any";
    let new: AccessList = new.parse().unwrap();
    let after = hits.after_edit(&old, &new);
    assert_eq!([0, 1, 2, 3].map(|place| after.line(place)), [0, 3, 0, 0]);
    assert_eq!((after.end(), after.unreadable()), (5, 6));
}

fn line_of_words() -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("(permit|deny|9 permit)( {WORDS}){{1,9}}")).unwrap()
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        for family in [Family::Ipv4, Family::Ipv6, Family::Mac] {
            let _ = Line::parse(family, &text);
        }
        let _ = text.parse::<AccessList>();
    }

    /// Any words that make a line make one that is read back as the same.
    #[test]
    fn what_is_read_is_written_so_that_it_is_read_again(text in line_of_words()) {
        for family in [Family::Ipv4, Family::Ipv6, Family::Mac] {
            match Line::parse(family, &text) {
                Ok(line) => prop_assert_eq!(Line::parse(family, &line.to_string()), Ok(line)),
                Err(error) => prop_assert!(error.column <= text.chars().count()),
            }
        }
    }
}
