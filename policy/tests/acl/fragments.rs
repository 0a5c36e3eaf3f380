//! The rules about what cannot be read, each on a packet written out by hand.

use super::view;
use policy::acl::{AccessList, Action, By, Compiled, Network, Unreadable, View, first_match};

/// An IPv4 packet in a frame: protocol, offset in units of 8 octets, whether more follow, payload.
fn ipv4(protocol: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let total = 20 + payload.len() as u16;
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend(total.to_be_bytes());
    frame.extend([0, 1]);
    frame.extend((offset | u16::from(more) << 13).to_be_bytes());
    frame.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(payload);
    frame
}

/// An IPv6 packet in a frame.
fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xDD, 0x60, 0, 0, 0,
    ];
    frame.extend((payload.len() as u16).to_be_bytes());
    frame.extend([next, 64]);
    frame.extend([0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    frame.extend([0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    frame.extend(payload);
    frame
}

/// A TCP header from port 5555.
fn tcp(to: u16, flags: u8) -> Vec<u8> {
    let mut header = [5555_u16.to_be_bytes(), to.to_be_bytes()].concat();
    header.extend([0; 16]);
    header[12] = 0x50;
    header[13] = flags;
    header
}

fn udp(to: u16) -> Vec<u8> {
    [5555, to, 8, 0].map(u16::to_be_bytes).concat()
}

/// What an IPv4 list of these lines says, compiled or not.
fn says(family: &str, lines: &[&str], frame: &[u8]) -> (Action, By) {
    let text = format!("{family} access-list test\n{}", lines.join("\n"));
    let list: AccessList = text.parse().unwrap();
    let view = view(frame);
    let verdict = first_match(&list, &view);
    assert_eq!(Compiled::new(&list).judge(&view), verdict);
    let verdict = verdict.unwrap();
    (verdict.action, verdict.by)
}

fn passes(family: &str, lines: &[&str], frame: &[u8]) -> bool {
    says(family, lines, frame).0 == Action::Permit
}

fn unreadable(frame: &[u8]) -> Option<Unreadable> {
    match view(frame).network {
        Network::BadIpv4(why) | Network::BadIpv6(why) | Network::Hidden(why) => Some(why),
        _ => None,
    }
}

/// RFC 1858 section 3, RFC 3128.
#[test]
fn a_tiny_first_fragment_passes_no_line_that_asks_for_what_it_lacks() {
    let lines = ["permit tcp any any eq 80"];
    assert!(passes("ip", &lines, &ipv4(6, 0, true, &tcp(80, 0x10))));
    for length in 0..20 {
        let tiny = ipv4(6, 0, true, &tcp(80, 0x10)[..length]);
        assert!(!passes("ip", &lines, &tiny), "{length}");
        assert!(!passes("ip", &["permit tcp any any established"], &tiny));
        assert!(!passes(
            "ip",
            &["deny tcp any any eq 23", "permit ip any any"],
            &tiny
        ));
        assert!(
            passes("ip", &["permit tcp any any"], &tiny),
            "addresses and protocol are there"
        );
    }
}

/// RFC 1858 section 4.
#[test]
fn a_fragment_that_would_overwrite_flags_passes_no_line() {
    let lines = ["permit ip any any fragments", "permit ip any any"];
    let overwrites = ipv4(6, 1, true, &[0; 16]);
    let why = (Action::Deny, By::Unreadable(Unreadable::Fragment));
    assert_eq!(says("ip", &lines, &overwrites), why);
    assert!(passes("ip", &lines, &ipv4(6, 2, true, &[0; 16])));
    assert!(passes("ip", &lines, &ipv4(17, 1, true, &[0; 16])));
    // Of IPv6 the first fragment says what is carried, whatever later ones say (RFC 8200 section 4.5).
    let fragment = |offset: u8| {
        ipv6(
            44,
            &[
                17,
                0,
                0,
                offset << 3 | 1,
                0,
                0,
                0,
                1,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ],
        )
    };
    assert_eq!(says("ipv6", &["permit ipv6 any any"], &fragment(1)), why);
    assert!(passes("ipv6", &["permit ipv6 any any"], &fragment(2)));
}

#[test]
fn a_later_fragment_passes_only_a_line_that_asks_nothing_it_lacks() {
    let later = ipv4(17, 185, false, &[0; 64]);
    assert!(!passes("ip", &["permit udp any any eq 53"], &later));
    assert!(!passes(
        "ip",
        &["deny udp any any eq 161", "permit ip any any"],
        &later
    ));
    let by_its_own_line = ["permit udp any any fragments", "deny udp any any eq 161"];
    assert!(passes("ip", &by_its_own_line, &later));
    assert!(passes(
        "ip",
        &["deny tcp any any eq 23", "permit ip any any"],
        &later
    ));
    assert!(!passes(
        "ip",
        &["permit ip any any fragments"],
        &ipv4(17, 0, true, &udp(53))
    ));
    assert!(!passes(
        "ip",
        &["permit ip any any fragments"],
        &ipv4(17, 0, false, &udp(53))
    ));
}

#[test]
fn a_packet_that_ends_behind_octet_65535_is_unreadable() {
    let end = |offset| unreadable(&ipv4(17, offset, false, &[0; 15]));
    assert_eq!(end(8187), None);
    assert_eq!(end(8188), Some(Unreadable::Fragment));
}

#[test]
fn a_header_that_cannot_be_is_unreadable() {
    let whole = ipv4(17, 0, false, &udp(53));
    assert_eq!(unreadable(&whole), None);
    let with = |at: usize, octet: u8| {
        let mut frame = whole.clone();
        frame[at] = octet;
        unreadable(&frame)
    };
    assert_eq!(with(14, 0x55), Some(Unreadable::Version));
    assert_eq!(with(14, 0x44), Some(Unreadable::HeaderLength));
    assert_eq!(
        with(14, 0x4F),
        Some(Unreadable::HeaderLength),
        "longer than the packet"
    );
    assert_eq!(
        with(17, 19),
        Some(Unreadable::HeaderLength),
        "shorter than its header"
    );
    assert_eq!(with(17, 29), Some(Unreadable::Truncated));
    for length in 14..whole.len() {
        assert_eq!(unreadable(&whole[..length]), Some(Unreadable::Truncated));
    }
}

/// Octets behind the packet are no part of it: what pads a frame is not read for a header.
#[test]
fn padding_is_no_header() {
    let mut frame = ipv4(17, 0, false, &[]);
    frame.extend(udp(53));
    assert!(!passes("ip", &["permit udp any any eq 53"], &frame));
    assert!(passes("ip", &["permit udp any any"], &frame));
}

#[test]
fn options_move_the_ports() {
    let mut frame = ipv4(17, 0, false, &[[1; 8].as_slice(), &udp(53)].concat());
    frame[14] = 0x47;
    assert!(passes("ip", &["permit udp any any eq 53"], &frame));
    assert!(!passes("ip", &["permit udp any any eq 257"], &frame));
}

#[test]
fn ports_are_found_behind_extension_headers() {
    let lines = ["permit udp any any eq 53"];
    let behind = |chain: &[u8]| ipv6(chain[0], &[&chain[1..], &udp(53)].concat());
    assert!(passes("ipv6", &lines, &ipv6(17, &udp(53))));
    let options = [60, 17, 0, 1, 4, 0, 0, 0, 0];
    assert!(passes("ipv6", &lines, &behind(&options)));
    // Authentication counts in units of 4 octets.
    let authentication = [[51, 17, 1].as_slice(), &[0; 10]].concat();
    assert!(passes("ipv6", &lines, &behind(&authentication)));
    let atomic = [44, 17, 0, 0, 0, 0, 0, 0, 1];
    assert!(passes("ipv6", &lines, &behind(&atomic)));
    let twice = [44, 44, 0, 0, 0, 0, 0, 0, 1, 17, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(unreadable(&behind(&twice)), Some(Unreadable::Extensions));
    let late_hop_by_hop = [60, 0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0];
    assert_eq!(
        unreadable(&behind(&late_hop_by_hop)),
        Some(Unreadable::Extensions)
    );
    for count in [8, 9] {
        let mut chain = vec![60];
        for n in 1..=count {
            chain.extend([if n == count { 17 } else { 60 }, 0, 1, 4, 0, 0, 0, 0]);
        }
        let frame = behind(&chain);
        let expected = (count == 9).then_some(Unreadable::Extensions);
        assert_eq!(unreadable(&frame), expected, "{count} headers");
    }
    // RFC 7112: the whole chain is in the first fragment.
    let cut = ipv6(44, &[60, 0, 0, 0, 0, 0, 0, 1, 17, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(unreadable(&cut), Some(Unreadable::Truncated));
}

/// A first fragment with options before its TCP header, and a later one that would write other flags over that.
#[test]
fn no_fragment_has_an_extension_header_behind_that_which_says_so() {
    let lines = ["permit tcp any any established", "permit ipv6 any any"];
    let why = (Action::Deny, By::Unreadable(Unreadable::Extensions));
    let options = [6, 0, 1, 4, 0, 0, 0, 0];
    let fragment = |next: u8, field: u8, payload: &[u8]| {
        let header = [next, 0, 0, field, 0, 0, 0, 1];
        ipv6(44, &[&header, payload].concat())
    };
    let ack = tcp(80, 0x10);
    let hides_tcp = [&options[..], &ack].concat();
    assert_eq!(says("ipv6", &lines, &fragment(60, 1, &hides_tcp)), why);
    for next in [0, 43, 44, 51, 60, 135, 139, 140] {
        for offset in [1, 2, 3, 20] {
            let later = fragment(next, offset << 3 | 1, &tcp(22, 2));
            assert_eq!(says("ipv6", &lines, &later), why, "{next} at {offset}");
        }
    }
    // Whole (RFC 6946), and one whose TCP header is the first that is in fragments.
    assert!(passes("ipv6", &lines[..1], &fragment(60, 0, &hides_tcp)));
    assert!(passes("ipv6", &lines[..1], &fragment(6, 1, &ack)));
}

#[test]
fn a_packet_is_found_behind_vlan_tags_and_rfc_1042() {
    let plain = ipv4(17, 0, false, &udp(53));
    let with = |between: &[u8]| [&plain[..12], between, &plain[12..]].concat();
    let lines = ["permit udp any any eq 53"];
    let tag = [0x81, 0, 0, 10];
    for tags in 0..=4 {
        assert!(passes("ip", &lines, &with(&tag.repeat(tags))), "{tags}");
    }
    let many = with(&tag.repeat(5));
    let why = (Action::Deny, By::Unreadable(Unreadable::TooManyTags));
    assert_eq!(says("ip", &["permit ip any any"], &many), why);
    assert_eq!(says("mac", &["permit any any"], &many), why);
    for last in [0, 0xF8] {
        assert!(passes(
            "ip",
            &lines,
            &with(&[0, 36, 0xAA, 0xAA, 3, 0, 0, last])
        ));
    }
}

#[test]
fn a_list_judges_its_family_only() {
    let list =
        |family: &str| -> AccessList { format!("{family} access-list empty").parse().unwrap() };
    let judges = |family: &str, view: &View| first_match(&list(family), view).is_some();
    let mut arp = vec![2; 60];
    arp[12..14].copy_from_slice(&[8, 6]);
    for (frame, expected) in [
        (ipv4(17, 0, false, &udp(53)), [true, false, true]),
        (ipv6(17, &udp(53)), [false, true, true]),
        (arp, [false, false, true]),
    ] {
        let view = view(&frame);
        assert_eq!(
            ["ip", "ipv6", "mac"].map(|family| judges(family, &view)),
            expected
        );
    }
}

#[test]
fn established_is_any_segment_but_the_first() {
    let established = |flags| {
        passes(
            "ip",
            &["permit tcp any any established"],
            &ipv4(6, 0, false, &tcp(80, flags)),
        )
    };
    for flags in 0..=u8::MAX {
        assert_eq!(established(flags), flags & 0x14 != 0, "{flags:#x}");
    }
    assert!(!passes(
        "ip",
        &["permit tcp any any established"],
        &ipv4(17, 0, false, &tcp(80, 0x10))
    ));
}

#[test]
fn flags_that_are_not_named_do_not_matter() {
    let lines = ["permit tcp any any match-all +syn -ack"];
    for flags in 0..=u8::MAX {
        let frame = ipv4(6, 0, false, &tcp(80, flags));
        assert_eq!(
            passes("ip", &lines, &frame),
            flags & 0x12 == 0x02,
            "{flags:#x}"
        );
    }
}

#[test]
fn icmp_is_asked_by_type_and_code() {
    let frame = |protocol, kind, code| ipv4(protocol, 0, false, &[kind, code, 0, 0]);
    assert!(passes("ip", &["permit icmp any any echo"], &frame(1, 8, 3)));
    assert!(!passes(
        "ip",
        &["permit icmp any any echo"],
        &frame(1, 0, 8)
    ));
    assert!(passes(
        "ip",
        &["permit icmp any any port-unreachable"],
        &frame(1, 3, 3)
    ));
    assert!(!passes(
        "ip",
        &["permit icmp any any port-unreachable"],
        &frame(1, 3, 1)
    ));
    assert!(
        !passes("ip", &["permit icmp any any echo"], &frame(58, 8, 0)),
        "of the family only"
    );
    let cut = ipv4(1, 0, false, &[8, 0, 0]);
    assert!(!passes("ip", &["permit icmp any any echo"], &cut));
    assert!(!passes(
        "ip",
        &["deny icmp any any redirect", "permit ip any any"],
        &cut
    ));
}
