//! What both dialects look for in a frame once they know whose it is.

use super::size::Size;
use crate::switch::Frame;
use niv::{DropReason, Mac, VlanTag};
use packet_io::RxFrame;
use vntag::{Inner, hidden_tag};

/// Reads a frame whose first EtherType, link marks apart, stands at `at`. `hidden` is the reason given
/// when it carries a NIV tag there or behind its VLAN tags (design.md section 5.2).
#[inline]
pub(super) fn open<'a>(
    received: &RxFrame<'a>,
    at: usize,
    hidden: DropReason,
) -> Result<Frame<'a>, DropReason> {
    let bytes = received.bytes;
    if received.original_length as usize > bytes.len() {
        return Err(DropReason::Truncated);
    }
    let tags_in_metadata = usize::from(received.vlan.is_some());
    let inline_tags = match hidden_tag(bytes, at, tags_in_metadata) {
        Inner::Plain {
            payload_at, vlans, ..
        } if payload_at < bytes.len() => vlans,
        Inner::Plain { .. } | Inner::Truncated => return Err(DropReason::Runt),
        Inner::NivTag => return Err(hidden),
        Inner::TooManyTags => return Err(DropReason::TooManyTags),
    };
    let (tag, skip) = match received.vlan {
        None if inline_tags > 0 => (tag_at(bytes, at), at + VlanTag::LEN),
        tag => (tag, at),
    };
    let header = vntag::Frame::new(bytes).map_err(|_| DropReason::Runt)?;
    let size = Size::of(received, at - 12).ok_or(DropReason::BadOffload)?;
    Ok(Frame {
        bytes,
        destination: Mac(header.destination()),
        source: Mac(header.source()),
        tag,
        skip: skip as u16,
        payload: size.longest.saturating_sub(skip + 2) as u32,
        weight: size.weight,
    })
}

fn tag_at(bytes: &[u8], at: usize) -> Option<VlanTag> {
    let octets = bytes.get(at..)?.first_chunk()?;
    VlanTag::from_bytes(*octets)
}
