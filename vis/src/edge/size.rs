//! How many wire frames a received frame stands for, and how long they are.

use niv::{VlanTag, Weight};
use packet_io::RxFrame;
use packet_io::offload::BadOffload;

/// The size of a received frame as it would be on a wire, link marks not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Wire frames and octets.
    pub(super) weight: Weight,
    /// Octets of the longest of those frames.
    pub(super) longest: usize,
}

impl Size {
    /// `uncounted` is how many octets of link mark are in the frame.
    ///
    /// # Errors
    /// The work the sender left undone does not fit the frame.
    #[inline(always)]
    pub(super) fn of(received: &RxFrame<'_>, uncounted: u8) -> Result<Self, BadOffload> {
        let weight = received.weight(uncounted)?;
        let length = on_the_wire(received, received.bytes.len(), uncounted);
        Ok(Self {
            weight,
            longest: longest(received, weight, length),
        })
    }
}

/// What a frame weighs that is refused: as one frame where the truth cannot be told.
pub(super) fn weigh(received: &RxFrame<'_>, uncounted: u8) -> Weight {
    received.weight(uncounted).unwrap_or_else(|_| {
        let length = received.original_length as usize;
        Weight::one(on_the_wire(received, length, uncounted))
    })
}

fn on_the_wire(received: &RxFrame<'_>, length: usize, uncounted: u8) -> usize {
    let taken_out = if received.vlan.is_some() {
        VlanTag::LEN
    } else {
        0
    };
    (length + taken_out).saturating_sub(usize::from(uncounted))
}

/// All segments but the last are as long as each other, and what is left for the last is known.
fn longest(received: &RxFrame<'_>, weight: Weight, length: usize) -> usize {
    let Some(segmentation) = received.offload.segmentation else {
        return length;
    };
    let full = weight.frames.saturating_sub(1) as usize;
    let last = Weight::one(length.saturating_sub(full * usize::from(segmentation.size)));
    let octets = weight.octets.saturating_sub(last.octets) as usize;
    octets.checked_div(full).unwrap_or(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use packet_io::{Checksum, Offload, Segmentation, SegmentationKind};

    fn received(bytes: &[u8], segment: Option<u16>) -> RxFrame<'_> {
        RxFrame {
            bytes,
            vlan: None,
            offload: Offload {
                checksum: Some(Checksum {
                    start: 34,
                    offset: 16,
                }),
                segmentation: segment.map(|size| Segmentation {
                    kind: SegmentationKind::Tcp4,
                    size,
                    ecn: false,
                }),
            },
            original_length: bytes.len() as u32,
        }
    }

    /// 54 octets of headers, then `payload`.
    fn tcp(payload: usize) -> Vec<u8> {
        let mut bytes = vec![0; 54 + payload];
        bytes[12] = 0x08;
        bytes[14] = 0x45;
        bytes[16..18].copy_from_slice(&(40 + payload as u16).to_be_bytes());
        bytes[23] = 6;
        bytes[46] = 0x50;
        bytes
    }

    #[test]
    fn an_oversized_frame_weighs_what_its_segments_weigh() {
        // The last is padded to 60, is not, and is as long as the others.
        for (payload, frames, last) in [(3001, 4, 60), (3100, 4, 154), (3000, 3, 1054)] {
            let bytes = tcp(payload);
            let size = Size::of(&received(&bytes, Some(1000)), 0).unwrap();
            assert_eq!(size.longest, 1054);
            assert_eq!(size.weight.frames, frames);
            assert_eq!(size.weight.octets, (frames - 1) * 1054 + last);
        }
    }

    #[test]
    fn link_marks_do_not_count_and_a_vlan_tag_in_metadata_does() {
        let mut bytes = tcp(100);
        bytes.splice(12..12, [0x89, 0x26, 0, 0, 0, 5]);
        let mut frame = received(&bytes, None);
        frame.offload = Offload::NONE;
        let size = Size::of(&frame, 6).unwrap();
        assert_eq!((size.weight.octets, size.longest), (154, 154));
        frame.vlan = Some(VlanTag {
            tpid: 0x8100,
            tci: 10,
        });
        let size = Size::of(&frame, 6).unwrap();
        assert_eq!((size.weight.octets, size.longest), (158, 158));
    }

    #[test]
    fn an_oversized_frame_that_fits_one_segment_is_one_frame() {
        let bytes = tcp(500);
        let size = Size::of(&received(&bytes, Some(1000)), 0).unwrap();
        assert_eq!((size.weight.frames, size.longest), (1, 554));
    }

    #[test]
    fn work_that_does_not_fit_the_frame_has_no_size() {
        let whole = tcp(100);
        assert!(Size::of(&received(&whole, Some(1000)), 0).is_ok());
        assert!(Size::of(&received(&whole, Some(0)), 0).is_err());
        for length in 0..whole.len() {
            assert!(Size::of(&received(&whole[..length], Some(1000)), 0).is_err());
        }
        // Filling this one in would rewrite an address.
        let mut frame = received(&whole, None);
        frame.offload.checksum = Some(Checksum {
            start: 0,
            offset: 6,
        });
        assert!(Size::of(&frame, 0).is_err());
    }
}
