use super::*;
use proptest::prelude::*;

const ALL_COS: std::ops::Range<u8> = 0..8;

fn tag(pcp: u16, dei: bool) -> Option<VlanTag> {
    Some(VlanTag {
        tpid: 0x8100,
        tci: pcp << 13 | u16::from(dei) << 12 | 10,
    })
}

/// The complement sum of whole words: what a valid header has none left of.
fn sum(words: &[u8]) -> u16 {
    let mut sum: u32 = words
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

/// Addresses, `tags` inline VLAN tags, an IPv4 header of `header` octets with a right checksum, `payload`.
fn ipv4(tags: usize, tos: u8, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    for _ in 0..tags {
        frame.extend([0x81, 0, 0, 10]);
    }
    frame.extend([8, 0]);
    let at = frame.len();
    frame.extend(header);
    frame[at] = 0x40 | (header.len() / 4) as u8;
    frame[at + 1] = tos;
    frame[at + 10] = 0;
    frame[at + 11] = 0;
    let checksum = sum(&frame[at..]).to_be_bytes();
    frame[at + 10..at + 12].copy_from_slice(&checksum);
    frame.extend(payload);
    frame
}

fn ipv6(class: u8, flow: u32) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([0x86, 0xDD]);
    frame.extend((6u32 << 28 | u32::from(class) << 20 | flow & 0xF_FFFF).to_be_bytes());
    frame.extend([0; 36]);
    frame.extend([7; 20]);
    frame
}

fn set(dscp: u8) -> Marking {
    Marking {
        dscp: DscpRule::Set(dscp.try_into().unwrap()),
        ..Marking::default()
    }
}

fn rewritten(marking: &Marking, tag: Option<VlanTag>, frame: &[u8], skip: u16) -> Vec<u8> {
    let mut out = frame.to_vec();
    if let Some(rewrite) = marking.mark(tag, frame, skip, Color::Green).rewrite {
        rewrite.apply(&mut out, 0).unwrap();
    }
    out
}

#[test]
fn untrusted_cos_becomes_0_and_dscp_stays_when_nothing_is_said() {
    let frame = ipv4(0, 46 << 2, &[0; 20], &[]);
    let marked = Marking::default().mark(tag(5, true), &frame, 12, Color::Green);
    assert_eq!(marked.tag_bits(), 0);
    assert_eq!(marked.rewrite, None);
}

#[test]
fn trusted_cos_is_kept_with_its_drop_bit_and_dscp_follows_by_the_table() {
    for cos in ALL_COS {
        let frame = ipv4(0, 1, &[0; 20], &[]);
        let marked = Marking::trusting_cos().mark(tag(cos.into(), true), &frame, 12, Color::Green);
        assert_eq!(marked.tag_bits(), u16::from(cos) << 13 | 0x1000);
        let out = rewritten(&Marking::trusting_cos(), tag(cos.into(), true), &frame, 12);
        assert_eq!(out[15], cos << 5 | 1);
    }
}

#[test]
fn trusted_dscp_is_kept_and_cos_follows_by_the_table() {
    for dscp in 0..64 {
        for frame in [ipv4(0, dscp << 2, &[0; 20], &[]), ipv6(dscp << 2, 7)] {
            let marked = Marking::trusting_dscp().mark(tag(1, true), &frame, 12, Color::Green);
            assert_eq!(marked.cos.get(), dscp >> 3);
            assert_eq!((marked.drop_eligible, marked.rewrite), (false, None));
        }
    }
}

#[test]
fn what_has_neither_tag_nor_ip_has_the_ports_cos() {
    let port_cos = Cos::try_from(3).unwrap();
    let arp = [&[2; 12][..], &[8, 6], &[0; 46]].concat();
    for base in [Marking::trusting_cos(), Marking::trusting_dscp()] {
        let marking = Marking { port_cos, ..base };
        let marked = marking.mark(None, &arp, 12, Color::Green);
        assert_eq!((marked.cos, marked.rewrite), (port_cos, None));
    }
    let marking = Marking {
        port_cos,
        ..Marking::trusting_cos()
    };
    let frame = ipv4(0, 0, &[0; 20], &[]);
    assert_eq!(rewritten(&marking, None, &frame, 12)[15], 24 << 2);
}

#[test]
fn tables_can_be_changed_entry_by_entry() {
    let (five, ef) = (Cos::try_from(5).unwrap(), Dscp::try_from(46).unwrap());
    let mut marking = Marking::trusting_cos();
    marking.cos_to_dscp.set(five, ef);
    let frame = ipv4(0, 0, &[0; 20], &[]);
    assert_eq!(rewritten(&marking, tag(5, false), &frame, 12)[15], 46 << 2);
    assert_eq!(rewritten(&marking, tag(4, false), &frame, 12)[15], 32 << 2);
    let mut marking = Marking::trusting_dscp();
    marking.dscp_to_cos.set(ef, Cos::try_from(7).unwrap());
    let frame = ipv6(46 << 2, 0);
    assert_eq!(marking.mark(None, &frame, 12, Color::Green).cos.get(), 7);
}

#[test]
fn yellow_frames_are_marked_down_by_rfc_2597_and_drop_eligible() {
    let marking = Marking {
        cos: CosRule::Trust,
        markdown: Some(Markdown::default()),
        ..Marking::default()
    };
    // AF11, AF12, AF13, AF41, EF, default.
    for (came, leaves) in [(10, 12), (12, 14), (14, 14), (34, 36), (46, 46), (0, 0)] {
        let frame = ipv4(0, came << 2, &[0; 20], &[]);
        let green = marking.mark(tag(2, false), &frame, 12, Color::Green);
        assert_eq!((green.tag_bits(), green.rewrite), (0x4000, None));
        let yellow = marking.mark(tag(2, false), &frame, 12, Color::Yellow);
        assert_eq!(yellow.tag_bits(), 0x5000);
        let mut out = frame.clone();
        if let Some(rewrite) = yellow.rewrite {
            rewrite.apply(&mut out, 0).unwrap();
        }
        assert_eq!(out[15] >> 2, leaves);
        assert_eq!(sum(&out[14..34]), 0);
    }
}

#[test]
fn colours_come_from_drop_precedence_and_then_from_the_drop_bit() {
    for (dscp, color) in [
        (10, Color::Green),
        (12, Color::Yellow),
        (38, Color::Red),
        (46, Color::Green),
    ] {
        assert_eq!(color_of(tag(0, false), &ipv6(dscp << 2, 0), 12), color);
    }
    let plain = ipv4(0, 0, &[0; 20], &[]);
    assert_eq!(color_of(tag(0, true), &plain, 12), Color::Yellow);
    assert_eq!(color_of(tag(0, true), &ipv6(10 << 2, 0), 12), Color::Green);
}

#[test]
fn on_the_way_out_the_colour_is_that_of_what_leaves() {
    let (af11, af12, other) = (ipv6(10 << 2, 0), ipv6(12 << 2, 0), ipv6(46 << 2, 0));
    let rewrite = |frame: &[u8], dscp| set(dscp).mark(None, frame, 12, Color::Green).rewrite;
    for (frame, dscp, color) in [
        (&af11, 12, Color::Yellow),
        (&af11, 14, Color::Red),
        (&af12, 10, Color::Green),
        (&af12, 0, Color::Green),
        (&other, 12, Color::Yellow),
    ] {
        let rewrite = rewrite(frame, dscp);
        assert!(rewrite.is_some());
        assert_eq!(color_leaving(false, frame, 12, rewrite, false), color);
    }
    assert_eq!(color_leaving(false, &other, 12, None, true), Color::Yellow);
    assert_eq!(color_leaving(false, &other, 12, None, false), Color::Green);
}

#[test]
fn a_header_that_is_cut_short_or_of_another_version_is_left_alone() {
    let whole = ipv4(0, 0, &[0; 20], &[]);
    for length in 0..whole.len() {
        let marked = set(46).mark(None, &whole[..length], 12, Color::Green);
        assert_eq!(marked.rewrite, None, "{length}");
    }
    for first in [0x44, 0x65, 0x05] {
        let mut frame = whole.clone();
        frame[14] = first;
        assert_eq!(set(46).mark(None, &frame, 12, Color::Green).rewrite, None);
    }
    let six = ipv6(0, 0);
    for length in 0..54 {
        let marked = set(46).mark(None, &six[..length], 12, Color::Green);
        assert_eq!(marked.rewrite, None, "{length}");
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert!(Cos::try_from(8).is_err());
    let refused = Dscp::try_from(64).unwrap_err();
    assert_eq!(refused.to_string(), "64 is no DSCP: those are 0 to 63");
}

proptest! {
    /// Partial checksums and oversized frames as well: nothing behind the IP header is read or written.
    #[test]
    fn rfc_1624_the_ipv4_checksum_stays_right_and_nothing_else_changes(
        words in 5usize..=15,
        octets in prop::collection::vec(any::<u8>(), 60),
        tos: u8,
        dscp in 0u8..64,
        tags in 0usize..4,
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let frame = ipv4(tags, tos, &octets[..words * 4], &payload);
        let at = 14 + tags * 4;
        let out = rewritten(&set(dscp), None, &frame, 12);
        prop_assert_eq!(out[at + 1], dscp << 2 | tos & 3);
        prop_assert_eq!(sum(&out[at..at + words * 4]), 0);
        for (n, (before, after)) in frame.iter().zip(&out).enumerate() {
            prop_assert!(before == after || [at + 1, at + 10, at + 11].contains(&n));
        }
    }

    #[test]
    fn a_checksum_that_was_wrong_stays_wrong(tos: u8, dscp in 0u8..64, flip in 1u16..0xFFFF) {
        let mut frame = ipv4(0, tos, &[0x33; 20], &[]);
        let wrong = u16::from_be_bytes([frame[24], frame[25]]) ^ flip;
        frame[24..26].copy_from_slice(&wrong.to_be_bytes());
        prop_assume!(sum(&frame[14..34]) != 0);
        let out = rewritten(&set(dscp), None, &frame, 12);
        prop_assert_ne!(sum(&out[14..34]), 0);
    }

    #[test]
    fn ipv6_keeps_version_ecn_and_flow_label(class: u8, flow in 0u32..1 << 20, dscp in 0u8..64) {
        let out = rewritten(&set(dscp), None, &ipv6(class, flow), 12);
        prop_assert_eq!(out, ipv6(dscp << 2 | class & 3, flow));
    }

    #[test]
    fn no_octets_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), skip: u16, dscp in 0u8..64, from: usize) {
        let marked = set(dscp).mark(None, &bytes, skip % 90, Color::Yellow);
        if let Some(rewrite) = marked.rewrite {
            let mut copy = bytes.clone();
            let _ = rewrite.apply(&mut copy, from);
        }
        color_of(tag(1, true), &bytes, skip % 90);
    }
}

#[test]
fn a_packet_behind_an_rfc_1042_header_is_marked_as_any() {
    for tags in 0..3 {
        for frame in [ipv4(tags, 1, &[0; 20], &[7; 9]), ipv6(1, 5)] {
            let at = if frame[12] == 0x81 { 12 + 4 * tags } else { 12 };
            let (head, packet) = frame.split_at(at);
            let snap = [0, 60, 0xAA, 0xAA, 3, 0, 0, 0];
            let behind = |frame: &[u8]| [head, &snap, &frame[at..]].concat();
            let marked = rewritten(&set(46), None, &frame, 12);
            assert_ne!(marked, frame);
            let long = behind(&frame);
            assert_eq!(rewritten(&set(46), None, &long, 12), behind(&marked));
            assert_eq!(
                color_of(None, &long, 12),
                color_of(None, &frame, 12),
                "{packet:?}"
            );
            // Another header, and one that is cut short, are none.
            for (place, octet) in [(at + 2, 0x42), (at + 7, 1)] {
                let mut other = long.clone();
                other[place] = octet;
                assert_eq!(rewritten(&set(46), None, &other, 12), other);
            }
            let short = &long[..at + 9];
            assert_eq!(rewritten(&set(46), None, short, 12), short);
        }
    }
}
