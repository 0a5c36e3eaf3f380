//! How many wire frames a received frame stands for, and how long they are.

use niv::{VlanTag, Weight};
use packet_io::{RxFrame, Segmentation, SegmentationKind};

/// The size of a received frame as it would be on a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Wire frames and octets, link marks not counted.
    pub(super) weight: Weight,
    /// Octets of the longest of those frames, counted as the received frame stands in its buffer.
    pub(super) longest: usize,
}

impl Size {
    /// `None`: the work the sender left undone does not fit the frame (virtio 1.2 section 5.1.6).
    /// `uncounted` is how many octets of link mark are in it.
    #[inline]
    pub(super) fn of(received: &RxFrame<'_>, uncounted: usize) -> Option<Self> {
        let length = received.bytes.len();
        let Some(checksum) = received.offload.checksum else {
            return received.offload.segmentation.is_none().then(|| Self {
                weight: one(received, length, uncounted),
                longest: length,
            });
        };
        let start = usize::from(checksum.start);
        if start + usize::from(checksum.offset) + 2 > length {
            return None;
        }
        let Some(segmentation) = received.offload.segmentation else {
            return Some(Self {
                weight: one(received, length, uncounted),
                longest: length,
            });
        };
        segments(received, segmentation, start, uncounted)
    }
}

/// What a frame weighs that is refused: as one frame where the truth cannot be told.
pub(super) fn weigh(received: &RxFrame<'_>, uncounted: usize) -> Weight {
    let length = received.bytes.len().max(received.original_length as usize);
    match Size::of(received, uncounted) {
        Some(size) if length == received.bytes.len() => size.weight,
        _ => one(received, length, uncounted),
    }
}

fn one(received: &RxFrame<'_>, length: usize, uncounted: usize) -> Weight {
    Weight::one(on_the_wire(received, length, uncounted))
}

fn on_the_wire(received: &RxFrame<'_>, length: usize, uncounted: usize) -> usize {
    let taken_out = if received.vlan.is_some() {
        VlanTag::LEN
    } else {
        0
    };
    (length + taken_out).saturating_sub(uncounted)
}

fn segments(
    received: &RxFrame<'_>,
    Segmentation { kind, size, .. }: Segmentation,
    transport: usize,
    uncounted: usize,
) -> Option<Size> {
    let headers = transport
        + match kind {
            SegmentationKind::Udp => 8,
            SegmentationKind::Tcp4 | SegmentationKind::Tcp6 => {
                let offset = received.bytes.get(transport + 12)?;
                usize::from(offset >> 4) * 4
            }
        };
    let payload = received.bytes.len().checked_sub(headers)?;
    let size = usize::from(size);
    let full = payload.checked_div(size)?;
    let rest = payload % size;
    let weight = |payload| one(received, headers + payload, uncounted);
    let (mut frames, mut octets) = (full, full * weight(size).octets as usize);
    if rest > 0 || full == 0 {
        frames += 1;
        octets += weight(rest).octets as usize;
    }
    Some(Size {
        weight: Weight {
            frames: frames as u32,
            octets: octets as u32,
        },
        longest: headers + payload.min(size),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use packet_io::{Checksum, Offload};

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
        bytes[46] = 0x50;
        bytes
    }

    #[test]
    fn an_oversized_frame_weighs_what_its_segments_weigh() {
        let bytes = tcp(3001);
        let size = Size::of(&received(&bytes, Some(1000)), 0).unwrap();
        assert_eq!(size.longest, 1054);
        assert_eq!(size.weight.frames, 4);
        // The last is padded to 60.
        assert_eq!(size.weight.octets, 3 * 1054 + 60);
    }

    #[test]
    fn link_marks_do_not_count_and_a_vlan_tag_in_metadata_does() {
        let bytes = tcp(100);
        let mut frame = received(&bytes, None);
        assert_eq!(Size::of(&frame, 6).unwrap().weight.octets, 148);
        frame.vlan = Some(VlanTag {
            tpid: 0x8100,
            tci: 10,
        });
        assert_eq!(Size::of(&frame, 6).unwrap().weight.octets, 152);
    }

    #[test]
    fn an_oversized_frame_that_fits_one_segment_is_one_frame() {
        let bytes = tcp(0);
        for segment in [1, 1000] {
            let size = Size::of(&received(&bytes, Some(segment)), 0).unwrap();
            assert_eq!((size.weight.frames, size.longest), (1, 54));
        }
    }

    #[test]
    fn work_that_does_not_fit_the_frame_has_no_size() {
        let whole = tcp(100);
        assert_eq!(Size::of(&received(&whole, Some(0)), 0), None);
        for length in 0..54 {
            assert_eq!(Size::of(&received(&whole[..length], Some(1000)), 0), None);
        }
        let mut without_checksum = received(&whole, Some(1000));
        without_checksum.offload.checksum = None;
        assert_eq!(Size::of(&without_checksum, 0), None);
    }
}
