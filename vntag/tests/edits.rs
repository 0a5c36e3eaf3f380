//! One edit, three ways: as a gather, in place, and by splicing a copy. They give the same octets.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use vntag::{
    ETag, EditError, Frame, FrameMut, Gather, Tag, Truncated, VlanTag, VnTag, VnTagView, hidden_tag,
};

fn vntag() -> impl Strategy<Value = VnTag> {
    any::<u32>().prop_map(VnTag::from_word)
}

fn etag() -> impl Strategy<Value = ETag> {
    any::<[u8; 6]>().prop_map(ETag::from_body)
}

fn vlan() -> impl Strategy<Value = VlanTag> {
    (prop_oneof![Just(0x8100), Just(0x88A8)], any::<u16>())
        .prop_map(|(tpid, tci)| VlanTag { tpid, tci })
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 14..200)
}

/// `frame` with its octets 12..12+`removed` replaced by `inserted`.
fn spliced(frame: &[u8], removed: usize, inserted: &[u8]) -> Vec<u8> {
    let mut octets = frame.to_vec();
    octets.splice(12..12 + removed, inserted.iter().copied());
    octets
}

fn gathered<T: Tag>(frame: &[u8], skip: usize, tag: Option<T>, vlan: Option<VlanTag>) -> Vec<u8> {
    let gather = Gather::with_tag(frame, skip as u16, tag, vlan).unwrap();
    let mut out = vec![0xEE; 512];
    let length = gather.write_to(frame, &mut out).unwrap();
    out.truncate(length);
    assert_eq!(
        frame.len() as isize + isize::from(gather.growth()),
        length as isize
    );
    out
}

/// The frame in a buffer with `headroom` octets in front, edited by `edit`.
fn in_place(frame: &[u8], headroom: usize, edit: impl Fn(&mut FrameMut<'_>)) -> Vec<u8> {
    let mut buffer = vec![0xEE; headroom];
    buffer.extend(frame);
    let mut editable = FrameMut::new(&mut buffer, headroom).unwrap();
    edit(&mut editable);
    editable.octets().to_vec()
}

/// Push, rewrite and pop of one kind of tag.
fn three_ways<T>(frame: &[u8], octets_of: impl Fn(T) -> Vec<u8>, old: T, new: T)
where
    T: Tag + std::fmt::Debug + PartialEq,
{
    let tagged = spliced(frame, 0, &octets_of(old));
    assert_eq!(gathered(frame, 12, Some(old), None), tagged);
    assert_eq!(in_place(frame, T::LEN, |f| f.push(old).unwrap()), tagged);

    let rewritten = spliced(&tagged, T::LEN, &octets_of(new));
    assert_eq!(gathered(&tagged, 12 + T::LEN, Some(new), None), rewritten);
    let edit = |f: &mut FrameMut<'_>| assert_eq!(f.rewrite(new), Ok(old));
    assert_eq!(in_place(&tagged, 0, edit), rewritten);

    assert_eq!(gathered(&tagged, 12 + T::LEN, None::<T>, None), frame);
    let edit = |f: &mut FrameMut<'_>| assert_eq!(f.pop(), Ok(old));
    assert_eq!(in_place(&tagged, 3, edit), frame);
}

proptest! {
    #[test]
    fn a_vntag_edit_is_the_same_three_ways(frame in frame(), old in vntag(), new in vntag()) {
        three_ways(&frame, |tag: VnTag| tag.to_bytes().to_vec(), old, new);
    }

    #[test]
    fn an_etag_edit_is_the_same_three_ways(frame in frame(), old in etag(), new in etag()) {
        three_ways(&frame, |tag: ETag| tag.to_bytes().to_vec(), old, new);
    }

    #[test]
    fn a_vlan_tag_edit_is_the_same_three_ways(frame in frame(), old in vlan(), new in vlan()) {
        let tagged = spliced(&frame, 0, &old.to_bytes());
        let gather = gathered(&frame, 12, None::<VnTag>, Some(old));
        prop_assert_eq!(gather, tagged.clone());
        prop_assert_eq!(in_place(&frame, 4, |f| f.push(old).unwrap()), tagged.clone());
        let edit = |f: &mut FrameMut<'_>| {
            assert_eq!(f.rewrite(new), Ok(old));
            assert_eq!(f.pop(), Ok(new));
        };
        prop_assert_eq!(in_place(&tagged, 0, edit), frame);
    }

    /// The kernel hands the guest's VLAN tag over beside the frame; it goes back behind the VNTag.
    #[test]
    fn a_vlan_tag_from_metadata_goes_back_behind_the_vntag(
        frame in frame(), tag in vntag(), vlan in vlan(),
    ) {
        let expected = spliced(&frame, 0, &[&tag.to_bytes()[..], &vlan.to_bytes()].concat());
        prop_assert_eq!(gathered(&frame, 12, Some(tag), Some(vlan)), expected.clone());
        let edit = |f: &mut FrameMut<'_>| {
            f.push(vlan).unwrap();
            f.push(tag).unwrap();
        };
        prop_assert_eq!(in_place(&frame, 10, edit), expected);
    }

    #[test]
    fn what_is_pushed_is_what_a_view_reads(frame in frame(), tag in vntag()) {
        let tagged = gathered(&frame, 12, Some(tag), None);
        let view = Frame::new(&tagged).unwrap().vntag().unwrap().unwrap();
        prop_assert_eq!(view.tag(), tag);
        let plain = Frame::new(&frame).unwrap();
        prop_assert_eq!(view.inner_ethertype(), plain.ethertype());
        prop_assert_eq!(view.payload(), plain.payload());
        let at = VnTagView::INNER_ETHERTYPE_AT;
        let (outside, inside) = (hidden_tag(&frame, 12, 0), hidden_tag(&tagged, at, 0));
        prop_assert_eq!(format!("{outside:?}").contains("Plain"), format!("{inside:?}").contains("Plain"));
    }

    #[test]
    fn every_word_and_body_survives_the_way_there_and_back(tag in vntag(), other in etag()) {
        prop_assert_eq!(VnTag::from_bytes(tag.to_bytes()), Some(tag));
        prop_assert_eq!(ETag::from_bytes(other.to_bytes()), Some(other));
    }

    /// An edit that is refused changes nothing.
    #[test]
    fn a_refused_edit_leaves_the_frame_alone(
        octets in proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(0x89), 1 => Just(0x26)], 14..24),
        headroom in 0usize..8,
        tag in vntag(),
    ) {
        let mut buffer = vec![0xEE; headroom];
        buffer.extend(&octets);
        let mut frame = FrameMut::new(&mut buffer, headroom).unwrap();
        if let Err(refused) = frame.rewrite(tag) {
            let announced = octets[12..14] == [0x89, 0x26];
            let cut = EditError::Truncated(Truncated { needed: 20, length: octets.len() });
            prop_assert_eq!(refused == cut, announced);
            prop_assert_eq!(frame.pop::<VnTag>(), Err(refused));
            prop_assert_eq!(frame.octets(), &octets);
            prop_assert_eq!(frame.headroom(), headroom);
        }
        let before = frame.octets().to_vec();
        let pushed = frame.push(tag);
        prop_assert_eq!(pushed.is_ok(), headroom >= 6);
        if pushed.is_err() {
            prop_assert_eq!(pushed, Err(EditError::NoHeadroom { needed: 6, headroom }));
            prop_assert_eq!(frame.octets(), before);
        }
    }

    /// Any octets, any `skip`: a gather is refused or never longer than the frame and its head.
    #[test]
    fn a_gather_of_any_octets_does_not_panic(
        octets in proptest::collection::vec(any::<u8>(), 0..64),
        skip in prop_oneof![0u16..70, any::<u16>()],
        tag in proptest::option::of(etag()),
        vlan in proptest::option::of(vlan()),
    ) {
        match Gather::with_tag(&octets, skip, tag, vlan) {
            Ok(gather) => {
                prop_assert!(octets.len() >= usize::from(skip));
                prop_assert_eq!(&gather.head.as_bytes()[..12], &octets[..12]);
                prop_assert!(gather.write_to(&octets, &mut [0; 512]).is_some());
            }
            Err(cut) => {
                prop_assert_eq!(cut.length, octets.len());
                prop_assert!(octets.len() < cut.needed);
            }
        }
    }
}
