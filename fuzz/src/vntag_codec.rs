//! Reading any octets as a frame.

use crate::marks::{mark, mark_variant};
use vntag::{ETag, Frame, Inner, MAX_VLAN_TAGS, VlanTag, VnTag, hidden_tag};

/// `data` is a frame as a neighbour might send it.
///
/// # Panics
/// A reader panics, reads past the end, or does not agree with another.
pub fn vntag_codec(data: &[u8]) {
    words(data);
    for ethertype_at in [0, 12, 18, 20, data.len(), usize::MAX] {
        for tags_already in [0, 1, 4, 5, usize::MAX] {
            walk(data, ethertype_at, tags_already);
        }
    }
    match Frame::new(data) {
        Ok(frame) => checked(frame),
        Err(cut) => {
            mark("frame", "cut");
            assert!(data.len() < 14 && cut.length == data.len() && cut.needed == 14);
        },
    }
}

/// Every four, six or eight octets are a tag, and no information is lost in reading them.
fn words(data: &[u8]) {
    for octets in data.windows(8).take(64).filter_map(<[u8]>::first_chunk) {
        let [a, b, c, d, e, f, _, _] = *octets;
        let word = u32::from_be_bytes([a, b, c, d]);
        let tag = VnTag::from_word(word);
        assert_eq!(tag.to_word(), word, "{tag}");
        assert_eq!(VnTag::from_bytes(tag.to_bytes()), Some(tag));
        let body = [a, b, c, d, e, f];
        let tag = ETag::from_body(body);
        assert_eq!(tag.to_body(), body, "{tag}");
        assert_eq!(ETag::from_bytes(tag.to_bytes()), Some(tag));
        if let Some(tag) = VlanTag::from_bytes([a, b, c, d]) {
            assert_eq!(tag.to_bytes(), [a, b, c, d], "{tag}");
        }
    }
}

fn walk(data: &[u8], ethertype_at: usize, tags_already: usize) {
    let inner = hidden_tag(data, ethertype_at, tags_already);
    mark_variant("inside", &inner);
    if tags_already > MAX_VLAN_TAGS {
        assert_eq!(inner, Inner::TooManyTags);
    }
    if let Inner::Plain {
        ethertype,
        payload_at,
        vlans,
    } = inner
    {
        assert!(usize::from(vlans) + tags_already <= MAX_VLAN_TAGS);
        assert_eq!(payload_at, ethertype_at + 4 * usize::from(vlans) + 2);
        let stands_there = data.get(payload_at - 2..payload_at);
        assert_eq!(stands_there, Some(ethertype.to_be_bytes().as_slice()));
        assert!(![0x8926, 0x893F, 0x8100, 0x88A8].contains(&ethertype));
    }
}

fn checked(frame: Frame<'_>) {
    let parts = [&frame.destination()[..], &frame.source()];
    let joined = [
        &parts.concat()[..],
        &frame.ethertype().to_be_bytes(),
        frame.payload(),
    ];
    assert_eq!(joined.concat(), frame.octets());
    assert!(frame.vlans(12).count() <= MAX_VLAN_TAGS);
    mark("VLAN tags", frame.vlans(12).count());
    if let Some(view) = frame.vntag() {
        mark_variant("VNTag", &view);
        assert_eq!(view.is_ok(), frame.octets().len() >= 20);
        if let Ok(view) = view {
            let tag = view.tag().to_bytes();
            let inner = view.inner_ethertype().to_be_bytes();
            let joined = [&parts.concat()[..], &tag, &inner, view.payload()];
            assert_eq!(joined.concat(), frame.octets());
        }
    }
    if let Some(view) = frame.etag() {
        mark_variant("E-TAG", &view);
        assert_eq!(view.is_ok(), frame.octets().len() >= 22);
        if let Ok(view) = view {
            let tag = view.tag().to_bytes();
            let inner = view.inner_ethertype().to_be_bytes();
            let joined = [&parts.concat()[..], &tag, &inner, view.payload()];
            assert_eq!(joined.concat(), frame.octets());
        }
    }
}
