//! Sequences of edits in place, beside a model that splices a vector.

use crate::marks::{is_looking, mark, variant};
use vntag::{ETag, EditError, FrameMut, Gather, Tag, VlanTag, VnTag};

/// `data` is the headroom (one octet), how many edits there are (one octet, 0..=7 of it), nine octets
/// for each edit (what to do, then the tag to do it with), and the frame.
///
/// # Panics
/// An edit and its model disagree: about the octets, the headroom, or whether it can be done at all.
pub fn frame_edit(data: &[u8]) {
    let Some((&[headroom, count], rest)) = data.split_first_chunk() else {
        return;
    };
    let (headroom, count) = (usize::from(headroom), usize::from(count % 8));
    let Some((edits, frame)) = rest.split_at_checked(count * 9) else {
        return;
    };
    let mut buffer = vec![0xEE; headroom];
    buffer.extend(frame);
    let mut edited = match FrameMut::new(&mut buffer, headroom) {
        Ok(edited) => edited,
        Err(cut) => {
            assert!(frame.len() < 14 && cut.length == frame.len());
            return;
        }
    };
    for edit in edits.as_chunks().0 {
        let [what, a, b, c, d, e, f, _, _]: [u8; 9] = *edit;
        let what_to_do = what % 3;
        match what / 3 % 3 {
            0 => one(
                what_to_do,
                VnTag::from_word(u32::from_be_bytes([a, b, c, d])),
                &mut edited,
            ),
            1 => one(what_to_do, ETag::from_body([a, b, c, d, e, f]), &mut edited),
            _ => {
                let tpid = if a & 1 == 0 { 0x8100 } else { 0x88A8 };
                let tci = u16::from_be_bytes([b, c]);
                one(what_to_do, VlanTag { tpid, tci }, &mut edited);
            }
        }
    }
}

/// One edit, checked against its model. The model is made by the same edit as a gather, and the
/// gather by splicing.
fn one<T: Tag + PartialEq + std::fmt::Debug>(
    what_to_do: u8,
    tag: T,
    edited: &mut FrameMut<'_>,
) {
    let before = edited.octets().to_vec();
    let headroom = edited.headroom();
    let (removed, inserted, done) = match what_to_do {
        0 => (0, Some(tag), edited.push(tag)),
        1 => (T::LEN, None, edited.pop::<T>().map(|_| ())),
        _ => (T::LEN, Some(tag), edited.rewrite(tag).map(|_| ())),
    };
    if is_looking() {
        let edit = ["push", "pop", "rewrite"].get(usize::from(what_to_do)).copied();
        let fate = done.as_ref().map_or_else(variant, |()| "done".into());
        mark(edit.unwrap_or_default(), format_args!("{} {fate}", variant(&tag)));
    }
    match done {
        Ok(()) => {
            let expected = gathered(&before, 12 + removed, inserted);
            assert_eq!(edited.octets(), expected);
            assert!(edited.octets().len() >= 14, "less than a frame is left");
            assert_eq!(edited.octets().len() + edited.headroom(), before.len() + headroom);
            if inserted.is_some() {
                assert_eq!(edited.rewrite(tag), Ok(tag));
                assert_eq!(edited.octets(), expected);
            }
        }
        Err(refused) => {
            assert_eq!(edited.octets(), before);
            assert_eq!(edited.headroom(), headroom);
            match refused {
                EditError::NoHeadroom { needed, .. } => assert!(needed > headroom),
                EditError::OtherEtherType { ethertype } => {
                    let stands_there = before.get(12..14);
                    assert_eq!(stands_there, Some(ethertype.to_be_bytes().as_slice()));
                }
                EditError::Truncated(cut) => {
                    assert!(before.len() < cut.needed && cut.length == before.len());
                }
            }
        }
    }
}

/// `frame` with its octets 12..`skip` replaced by `tag`, as a gather and by splicing.
fn gathered<T: Tag>(frame: &[u8], skip: usize, tag: Option<T>) -> Vec<u8> {
    let mut out = vec![0; frame.len() + 8];
    let gather = Gather::with_tag(frame, skip as u16, tag, None);
    let written = gather.ok().and_then(|gather| {
        let mut spliced = frame.to_vec();
        let tag = gather.head.as_bytes().get(12..).unwrap_or_default();
        spliced.splice(12..skip, tag.iter().copied());
        let length = gather.write_to(frame, &mut out)?;
        out.truncate(length);
        assert_eq!(out, spliced);
        Some(())
    });
    assert!(written.is_some(), "an edit in place was done, and is refused as a gather");
    out
}
