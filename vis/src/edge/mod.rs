//! Link dialects: from a received frame to the bridge port it belongs to, and back. Only here is it
//! known how a link tells bridge ports apart.

mod niv_link;
mod opening;
mod plain;
mod size;

pub use niv_link::VifMap;

use crate::switch::{Frame, Home};
use niv::{Anomaly, DropReason, Gather, ListId, PortId, VifId, VlanTag, Weight};
use packet_io::RxFrame;
use size::weigh;
use vntag::{Truncated, VnTag};

/// What stands behind a device.
#[derive(Clone, Debug)]
pub enum Link {
    /// Nothing that is known.
    Unused,
    /// An interface virtualizer, and whose its VIFs are.
    Niv(VifMap),
    /// Ordinary Ethernet, and the slot index of the bridge port it is.
    Plain(Option<u16>),
}

/// What tells a bridge port from others on its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// It is the only one.
    Plain,
    /// The VIF it is.
    Vif(VifId),
}

/// A received frame, read as its link's dialect says.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Slot index of the bridge port it belongs to; `None`: it does not say, or lies.
    pub owner: Option<u16>,
    /// Wire frames it stands for, and their octets.
    pub weight: Weight,
    /// What was odd about it.
    pub odd: Oddities,
    /// What it is.
    pub content: Content<'a>,
}

/// What a received frame is.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Somebody's traffic.
    Frame(Frame<'a>),
    /// Link control's.
    Control,
    /// Nothing that may go on.
    Refused(DropReason),
}

/// What a link's mark can be odd about without the frame being refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// [`Anomaly::ReservedBit`]
    pub reserved_bit: bool,
    /// [`Anomaly::UplinkDestination`]
    pub uplink_destination: bool,
}

impl Oddities {
    /// Those that were seen.
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        [
            (self.reserved_bit, Anomaly::ReservedBit),
            (self.uplink_destination, Anomaly::UplinkDestination),
        ]
        .into_iter()
        .filter_map(|(seen, anomaly)| seen.then_some(anomaly))
    }
}

/// How a copy leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Its first octets.
    pub gather: Gather,
    /// Octets of link mark in it, which never count.
    pub uncounted: u8,
}

/// Reads a frame received from `link`; `None` is a device that is not known.
// Always: the way of a frame is compiled twice, to forward and to rehearse, and would call it instead.
#[inline(always)]
pub fn arrive<'a>(link: Option<&Link>, received: &RxFrame<'a>) -> Arrival<'a> {
    match link {
        Some(Link::Niv(vifs)) => niv_link::arrive(vifs, received),
        Some(Link::Plain(Some(owner))) => plain::arrive(*owner, received),
        Some(Link::Plain(None) | Link::Unused) | None => Arrival {
            owner: None,
            weight: weigh(received, 0),
            odd: Oddities::default(),
            content: Content::Refused(DropReason::Shut),
        },
    }
}

/// Writes a copy of `frame`, from one bridge port to another, with this VLAN tag or none.
///
/// # Errors
/// The frame is shorter than its own addresses, which [`arrive`] has ruled out.
#[inline(always)]
pub fn depart(
    frame: &Frame<'_>,
    from: Home,
    to: Home,
    tag: Option<VlanTag>,
) -> Result<Departure, Truncated> {
    let mark = match to.attachment {
        Attachment::Plain => None,
        Attachment::Vif(vif) => Some(niv_link::mark(vif, from, to.device)),
    };
    write(frame, mark, tag)
}

/// Writes one copy of `frame` for all members of `list` on `device` but its sender, with this VLAN tag or
/// none.
///
/// # Errors
/// As [`depart`].
#[inline]
pub fn depart_to_list(
    frame: &Frame<'_>,
    from: Home,
    device: PortId,
    list: ListId,
    tag: Option<VlanTag>,
) -> Result<Departure, Truncated> {
    write(frame, Some(niv_link::list_mark(list, from, device)), tag)
}

#[inline(always)]
fn write(
    frame: &Frame<'_>,
    mark: Option<VnTag>,
    tag: Option<VlanTag>,
) -> Result<Departure, Truncated> {
    Ok(Departure {
        gather: Gather::new(frame.bytes, frame.skip, mark, tag)?,
        uncounted: if mark.is_some() { VnTag::LEN as u8 } else { 0 },
    })
}
