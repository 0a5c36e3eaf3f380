//! The NIV link: every frame says its VIF in a VNTag (design.md sections 5.5 and 5.7).

use super::opening::open;
use super::size::weigh;
use super::{Arrival, Attachment, Content, Oddities};
use crate::switch::Home;
use niv::{DropReason, ListId, PortId, VifId};
use packet_io::RxFrame;
use vntag::{Direction, Dvif, Frame, Svif, Version, VnTag, VnTagView, ethertype};

const NOBODY: u16 = u16::MAX;

/// Whose the VIFs of one link are: the spoofing check is one load from a dense array.
#[derive(Clone, Debug)]
pub struct VifMap(Box<[u16; VifMap::PLACES]>);

impl VifMap {
    const PLACES: usize = VifId::MAX as usize + 1;

    /// No VIF is enabled.
    pub fn new() -> Self {
        Self(Box::new([NOBODY; Self::PLACES]))
    }

    /// `vif` belongs to the bridge port at slot index `owner`, 0..=65534. Returns whom it belonged to
    /// before, and then nothing is changed.
    pub fn insert(&mut self, vif: VifId, owner: u16) -> Option<u16> {
        let holder = self.owner(vif);
        if holder.is_none()
            && let Some(place) = self.0.get_mut(usize::from(vif.get()))
        {
            *place = owner;
        }
        holder
    }

    /// Slot index of the bridge port `vif` belongs to.
    #[inline]
    pub fn owner(&self, vif: VifId) -> Option<u16> {
        let owner = self.0.get(usize::from(vif.get())).copied();
        owner.filter(|&owner| owner != NOBODY)
    }
}

impl Default for VifMap {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a frame from an interface virtualizer.
#[inline(always)]
pub(super) fn arrive<'a>(vifs: &VifMap, received: &RxFrame<'a>) -> Arrival<'a> {
    let mut odd = Oddities::default();
    let owner = if is_control(received) {
        Ok(None)
    } else {
        owner(vifs, received, &mut odd).map(Some)
    };
    let opened = match owner {
        Ok(Some(_)) => open(
            received,
            VnTagView::INNER_ETHERTYPE_AT,
            DropReason::NestedTag,
        ),
        Ok(None) => {
            return Arrival {
                owner: None,
                weight: weigh(received, 0),
                odd,
                content: Content::Control,
            };
        }
        Err(reason) => Err(reason),
    };
    let (weight, content) = match opened {
        Ok(frame) => (frame.weight, Content::Frame(frame)),
        Err(reason) => (
            weigh(received, mark_length(received)),
            Content::Refused(reason),
        ),
    };
    Arrival {
        owner: owner.ok().flatten(),
        weight,
        odd,
        content,
    }
}

/// The tag of a copy for `vif` on `device`.
#[inline]
pub(super) fn mark(vif: VifId, from: Home, device: PortId) -> VnTag {
    tag_for(Dvif::from(vif), false, from, device)
}

/// The tag of one copy for all members of `list` on `device`. If the frame came from there, its sender is
/// named, whether or not it is a member: who it names gets no copy.
#[inline]
pub(super) fn list_mark(list: ListId, from: Home, device: PortId) -> VnTag {
    tag_for(Dvif::from(list), true, from, device)
}

#[inline]
fn tag_for(dvif: Dvif, pointer: bool, from: Home, device: PortId) -> VnTag {
    let looped = match from.attachment {
        Attachment::Vif(source) if from.device == device => Some(source),
        Attachment::Vif(_) | Attachment::Plain => None,
    };
    VnTag {
        direction: Direction::FromBridge,
        pointer,
        dvif,
        looped: looped.is_some(),
        reserved: false,
        version: Version::ZERO,
        svif: looped.map_or(Svif::ZERO, Svif::from),
    }
}

/// Link control is taken only untagged, and no VLAN tag in metadata either.
fn is_control(received: &RxFrame<'_>) -> bool {
    received.vlan.is_none()
        && Frame::new(received.bytes)
            .is_ok_and(|frame| matches!(frame.ethertype(), ethertype::ECP | ethertype::LLDP))
}

/// Slot index of the bridge port the frame's VNTag rightly names.
fn owner(vifs: &VifMap, received: &RxFrame<'_>, odd: &mut Oddities) -> Result<u16, DropReason> {
    let tag = tag(received)?;
    if tag.version != Version::ZERO {
        return Err(DropReason::BadVersion);
    }
    if tag.direction != Direction::ToBridge {
        return Err(DropReason::WrongDirection);
    }
    odd.reserved_bit = tag.reserved;
    if tag.pointer {
        return Err(DropReason::UplinkList);
    }
    if tag.looped {
        return Err(DropReason::UplinkLooped);
    }
    let vif = VifId::try_from(tag.svif).map_err(|_| DropReason::VifZero)?;
    let owner = vifs.owner(vif).ok_or(DropReason::VifNotOwned)?;
    odd.uplink_destination = tag.dvif != Dvif::ZERO;
    Ok(owner)
}

fn tag(received: &RxFrame<'_>) -> Result<VnTag, DropReason> {
    let frame = Frame::new(received.bytes).map_err(|_| DropReason::Untagged)?;
    match frame.vntag() {
        _ if received.vlan.is_some() => Err(DropReason::Untagged),
        None => Err(DropReason::Untagged),
        Some(Ok(tagged)) if !tagged.payload().is_empty() => Ok(tagged.tag()),
        Some(_) => Err(DropReason::Runt),
    }
}

/// Octets of VNTag at the frame's start, whether or not it may be there.
fn mark_length(received: &RxFrame<'_>) -> u8 {
    let frame = Frame::new(received.bytes);
    if received.vlan.is_none() && frame.is_ok_and(|frame| frame.ethertype() == ethertype::VNTAG) {
        VnTag::LEN as u8
    } else {
        0
    }
}
