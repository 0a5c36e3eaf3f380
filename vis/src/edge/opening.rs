//! What both dialects look for in a frame once they know whose it is.

use super::size::Size;
use crate::switch::Frame;
use niv::{DropReason, Mac, VlanTag};
use packet_io::{Edit, RxFrame};
use vntag::{ETHERTYPE_AT, Inner, hidden_tag};

/// Reads a frame whose first EtherType, link marks apart, stands at `at`. `hidden` is the reason given
/// when it carries a NIV tag there or behind its VLAN tags (design.md section 5.2).
// Always: as all that is on the way of a frame.
#[inline(always)]
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
    let addresses = vntag::Frame::new(bytes).map_err(|_| DropReason::Runt)?;
    let uncounted = at.saturating_sub(ETHERTYPE_AT);
    let size = Size::of(received, uncounted as u8)?;
    // Addresses, outer VLAN tag wherever it was found, EtherType.
    let header = ETHERTYPE_AT + if tag.is_some() { VlanTag::LEN } else { 0 } + 2;
    Ok(Frame {
        bytes,
        destination: Mac(addresses.destination()),
        source: Mac(addresses.source()),
        tag,
        skip: skip as u16,
        payload: size.longest.saturating_sub(header) as u32,
        weight: size.weight,
        priority: 0,
        edit: Edit::NONE,
    })
}

fn tag_at(bytes: &[u8], at: usize) -> Option<VlanTag> {
    let octets = bytes.get(at..)?.first_chunk()?;
    VlanTag::from_bytes(*octets)
}
