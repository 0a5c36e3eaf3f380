//! The vectors: whole frames whose fields an outside decoder (tshark) has confirmed, and frames cut
//! short. Columns: name, hex, field values, confirmed, note.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use vntag::{EditError, Frame, FrameMut, Inner, Tag, Truncated, hidden_tag};

const VNTAG: &str = include_str!("../vectors/vntag.tsv");
const ETAG: &str = include_str!("../vectors/etag.tsv");

struct Row {
    name: &'static str,
    frame: Vec<u8>,
    fields: &'static str,
    whole: bool,
}

impl Row {
    /// The value of a `key=value` in the field column.
    fn value(&self, key: &str) -> Option<&'static str> {
        self.fields
            .split(' ')
            .filter_map(|field| field.split_once('='))
            .find_map(|(name, value)| (name == key).then_some(value))
    }
}

fn rows(table: &'static str) -> Vec<Row> {
    table
        .lines()
        .skip(1)
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [name, hex, fields, confirmed, _note] => Row {
                name,
                frame: octets(hex),
                fields,
                whole: confirmed == "yes",
            },
            _ => panic!("five columns: {line}"),
        })
        .collect()
}

fn octets(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// What the field column says about the octets behind the tag.
fn assert_inner(row: &Row, frame: &[u8], ethertype: u16, ethertype_at: usize) {
    match row.value("inner").unwrap() {
        "802.3-length" => assert!(ethertype < 0x0600, "{}", row.name),
        hex => assert_eq!(format!("{ethertype:#x}"), hex, "{}", row.name),
    }
    let vlans: Vec<_> = Frame::new(frame).unwrap().vlans(ethertype_at).collect();
    let mut expected: Vec<String> = row.value("vid").map(str::to_owned).into_iter().collect();
    if let Some(pair) = row.value("svid/cvid") {
        expected.extend(pair.split('/').map(str::to_owned));
    }
    let vids: Vec<_> = vlans.iter().map(|vlan| vlan.vid().to_string()).collect();
    assert_eq!(vids, expected, "{}", row.name);
    if let Some(pcp) = row.value("pcp") {
        assert_eq!(vlans[0].pcp().to_string(), pcp, "{}", row.name);
    }
    let behind = hidden_tag(frame, ethertype_at, 0);
    assert!(
        matches!(behind, Inner::Plain { vlans, .. } if usize::from(vlans) == expected.len()),
        "{}: {behind:?}",
        row.name
    );
}

/// Popping the tag and pushing it again restores the frame.
fn assert_round_trip<T: Tag + std::fmt::Debug + PartialEq>(row: &Row, tag: T) {
    let mut buffer = row.frame.clone();
    let mut frame = FrameMut::new(&mut buffer, 0).unwrap();
    assert_eq!(frame.pop(), Ok(tag), "{}", row.name);
    assert_eq!(frame.octets().len(), row.frame.len() - T::LEN);
    assert_eq!(frame.octets()[..12], row.frame[..12], "{}", row.name);
    assert_eq!(frame.octets()[12..], row.frame[12 + T::LEN..]);
    assert_eq!(frame.push(tag), Ok(()), "{}", row.name);
    assert_eq!(frame.octets(), row.frame, "{}", row.name);
}

#[test]
fn every_whole_vntag_row_decodes_to_the_confirmed_fields() {
    let mut seen = 0;
    for row in rows(VNTAG).into_iter().filter(|row| row.whole) {
        seen += 1;
        let view = Frame::new(&row.frame).unwrap().vntag().unwrap().unwrap();
        let (fields, _) = row.fields.split_once(" inner=").unwrap();
        assert_eq!(view.tag().to_string(), format!("vntag {fields}"));
        assert_eq!(view.payload(), &row.frame[20..], "{}", row.name);
        assert_inner(&row, &row.frame, view.inner_ethertype(), 18);
        assert_eq!(hidden_tag(&row.frame, 12, 0), Inner::NivTag);
        assert_round_trip(&row, view.tag());
    }
    assert_eq!(seen, 22);
}

#[test]
fn every_whole_etag_row_decodes_to_the_confirmed_fields() {
    let mut seen = 0;
    for row in rows(ETAG).into_iter().filter(|row| row.whole) {
        seen += 1;
        let view = Frame::new(&row.frame).unwrap().etag().unwrap().unwrap();
        let (fields, _) = row.fields.split_once(" inner=").unwrap();
        assert_eq!(view.tag().to_string(), format!("etag {fields}"));
        assert_eq!(view.payload(), &row.frame[22..], "{}", row.name);
        assert_inner(&row, &row.frame, view.inner_ethertype(), 20);
        assert_eq!(hidden_tag(&row.frame, 12, 0), Inner::NivTag);
        assert_round_trip(&row, view.tag());
    }
    assert_eq!(seen, 11);
}

#[test]
fn every_row_cut_short_says_where_it_ends() {
    let mut seen = 0;
    for (table, needed) in [(VNTAG, 20), (ETAG, 22)] {
        for row in rows(table).into_iter().filter(|row| !row.whole) {
            seen += 1;
            let length = row.frame.len();
            assert_eq!(row.value("length"), Some(length.to_string().as_str()));
            let frame = Frame::new(&row.frame).unwrap();
            let announced = [
                frame
                    .vntag()
                    .map(|view| view.map(|view| view.payload().len())),
                frame
                    .etag()
                    .map(|view| view.map(|view| view.payload().len())),
            ];
            // A frame of exactly the header is whole as far as the codec goes: it has no payload.
            let expected = if length < needed {
                Err(Truncated { needed, length })
            } else {
                Ok(0)
            };
            assert_eq!(announced[usize::from(needed == 22)], Some(expected));
            assert_eq!(announced[usize::from(needed == 20)], None);
            assert_eq!(hidden_tag(&row.frame, 12, 0), Inner::NivTag);
        }
    }
    assert_eq!(seen, 8);
}

/// Every prefix of every row, through every function that takes octets.
#[test]
fn every_truncation_of_every_row_is_refused_or_read_but_never_panics() {
    for (table, needed) in [(VNTAG, 20), (ETAG, 22)] {
        for row in rows(table) {
            for length in 0..=row.frame.len() {
                truncated(&row.frame[..length], needed);
            }
        }
    }
}

fn truncated(octets: &[u8], needed: usize) {
    let length = octets.len();
    let Ok(frame) = Frame::new(octets) else {
        assert!(length < 14);
        assert_eq!(
            FrameMut::new(&mut octets.to_vec(), 0),
            Err(Truncated { needed: 14, length })
        );
        assert_eq!(hidden_tag(octets, 12, 0), Inner::Truncated);
        return;
    };
    let views = [
        frame.vntag().map(|view| view.is_ok()),
        frame.etag().map(|view| view.is_ok()),
    ];
    assert!(views.contains(&Some(length >= needed)));
    let inner = hidden_tag(octets, needed - 2, 0);
    assert_eq!(inner == Inner::Truncated, inner_is_cut(octets, needed - 2));

    let mut buffer = octets.to_vec();
    let mut edited = FrameMut::new(&mut buffer, 0).unwrap();
    let popped = match needed {
        20 => edited.pop::<vntag::VnTag>().map(|_| ()),
        _ => edited.pop::<vntag::ETag>().map(|_| ()),
    };
    if length < needed {
        let cut = Truncated { needed, length };
        assert_eq!(popped, Err(EditError::Truncated(cut)));
        assert_eq!(edited.octets(), octets);
    } else {
        assert_eq!(popped, Ok(()));
    }
}

/// Whether a chain of VLAN tags from `at` on ends before the EtherType behind it, told the slow way.
fn inner_is_cut(octets: &[u8], at: usize) -> bool {
    match octets.get(at..at + 2) {
        None => true,
        Some([0x81, 0x00] | [0x88, 0xA8]) => inner_is_cut(octets, at + 4),
        Some(_) => false,
    }
}
