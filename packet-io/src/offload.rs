//! Work a sender left undone: unfinished checksums and oversized frames (virtio 1.2 section 5.1.6).
//!
//! Whoever wrote the metadata may be hostile, so nothing here believes it: [`RxFrame::weight`] holds it
//! against the frame, and a frame that does not bear it out is dropped as `bad_offload`. A frame is judged
//! by policy before its checksum is filled in; the check therefore also makes sure that filling it in
//! changes nothing that policy reads: no tag, no address, no port.

mod checksum;
mod coalesce;
mod layout;
mod segment;
mod virtio;

pub use checksum::Sum;
pub use virtio::VIRTIO_HEADER;

pub(crate) use checksum::finish;
pub(crate) use coalesce::{Coalescing, Run};
pub(crate) use layout::Layout;
pub(crate) use segment::Segments;
#[cfg(test)]
pub(crate) use segment::tests as segment_tests;

use crate::{Offload, RxFrame, Segmentation};
use niv::{DropReason, Weight};

/// Octets of rewritten headers one outgoing frame has room for. Enough for 22 fresh octets, four VLAN
/// tags, the longest IPv4 and TCP headers, or IPv6 with 80 octets of extension headers.
pub(crate) const HEADER_ROOM: usize = 256;

/// Metadata that does not fit its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOffload {
    /// The frame ends before a header it must have.
    #[error("the frame ends inside its headers")]
    Short,
    /// More VLAN tags than are looked behind, or headers longer than 256 octets.
    #[error("the frame's headers are too long to be rewritten")]
    LongHeaders,
    /// Neither IPv4 nor IPv6, or not the one the metadata names.
    #[error("the frame is not of the network protocol its metadata names")]
    Network,
    /// Neither TCP nor UDP, or not the one the metadata names; or a fragment.
    #[error("the frame is not of the transport protocol its metadata names")]
    Transport,
    /// A length field of the frame contradicts its length.
    #[error("a length in the frame's headers contradicts the frame's length")]
    Length,
    /// The checksum would be written elsewhere than in a checksum field.
    #[error("the checksum to fill in does not lie where the frame's protocol has one")]
    Checksum,
    /// Segments too small, too many, or of an unknown kind.
    #[error("the frame cannot be cut as its metadata says")]
    Segmentation,
}

impl From<BadOffload> for DropReason {
    fn from(_: BadOffload) -> Self {
        Self::BadOffload
    }
}

impl RxFrame<'_> {
    /// The wire frames this frame stands for and their octets (design.md sections 4.7 and 4.10), and the
    /// check of its metadata: call it on every received frame, before any verdict.
    ///
    /// `uncounted` is how many octets of VNTag stand at octet 12: 0 or 6. A VLAN tag in metadata counts.
    ///
    /// # Errors
    /// The frame does not bear out its metadata.
    // Always: as all that is on the way of a frame.
    #[inline(always)]
    pub fn weight(&self, uncounted: u8) -> Result<Weight, BadOffload> {
        let vlan = if self.vlan.is_some() { 4 } else { 0 };
        let length = (self.original_length as usize + vlan).saturating_sub(usize::from(uncounted));
        if self.offload.is_none() {
            return Ok(Weight::one(length));
        }
        self.weight_of_unfinished(uncounted, length)
    }

    #[inline(never)]
    fn weight_of_unfinished(&self, uncounted: u8, length: usize) -> Result<Weight, BadOffload> {
        let layout = Layout::parse(self.bytes, 12 + usize::from(uncounted))?;
        layout.check(self.bytes, self.original_length as usize, &self.offload)?;
        Ok(layout.weight(self.original_length as usize, length, &self.offload))
    }
}

impl Layout {
    /// Weighs a frame that was [checked](Layout::check).
    ///
    /// `received` is the length of the frame the layout was read from, `counted` that of the frame to be
    /// weighed, less its VNTag: they differ by the tags that come or go.
    pub(crate) fn weight(&self, received: usize, counted: usize, offload: &Offload) -> Weight {
        let payload = received.saturating_sub(self.payload);
        weigh(
            counted.saturating_sub(payload),
            payload,
            offload.segmentation,
        )
    }
}

/// The wire frames that headers and a payload of so many octets stand for.
fn weigh(header: usize, payload: usize, segmentation: Option<Segmentation>) -> Weight {
    match segmentation {
        None => Weight::one(header + payload),
        Some(segmentation) => {
            let size = usize::from(segmentation.size).max(1);
            let full = payload.saturating_sub(1) / size;
            let last = Weight::one(header + payload - full * size);
            let each = Weight::one(header + size);
            Weight {
                frames: full as u32 + 1,
                octets: full as u32 * each.octets + last.octets,
            }
        }
    }
}
