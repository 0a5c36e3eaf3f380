//! The virtio-net header: how a kernel hands metadata over with a frame (virtio 1.2 section 5.1.6.1).
//!
//! ```text
//!  octet 0      1         2        4         6            8             10
//!       +------+---------+--------+---------+------------+-------------+
//!       |flags |gso_type |hdr_len |gso_size |csum_start  |csum_offset  |
//!       +------+---------+--------+---------+------------+-------------+
//! ```
//!
//! Numbers are in the machine's byte order: AF_PACKET and TAP use the legacy form of the header.

use crate::{Checksum, Offload, Segmentation, SegmentationKind};

/// Octets of the header.
pub const VIRTIO_HEADER: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCP4: u8 = 1;
const GSO_TCP6: u8 = 4;
const GSO_UDP: u8 = 5;
const GSO_ECN: u8 = 0x80;

impl Offload {
    /// Reads a header. Total: a kind of segmentation that is not known becomes one with segments of
    /// no octets, which [`RxFrame::weight`](crate::RxFrame::weight) refuses.
    #[inline]
    pub fn from_virtio(header: &[u8; VIRTIO_HEADER]) -> Self {
        // Nearly every frame brings ten zeros, or says only that its checksum is good.
        let [flags, gso, _, _, s0, s1, c0, c1, o0, o1] = *header;
        if flags & NEEDS_CHECKSUM == 0 && gso == GSO_NONE {
            return Self::NONE;
        }
        let checksum = (flags & NEEDS_CHECKSUM != 0).then(|| Checksum {
            start: u16::from_ne_bytes([c0, c1]),
            offset: u16::from_ne_bytes([o0, o1]),
        });
        let kind = match gso & !GSO_ECN {
            GSO_TCP4 => Some(SegmentationKind::Tcp4),
            GSO_TCP6 => Some(SegmentationKind::Tcp6),
            GSO_UDP => Some(SegmentationKind::Udp),
            _ => None,
        };
        let segmentation = (gso != GSO_NONE).then(|| Segmentation {
            kind: kind.unwrap_or(SegmentationKind::Tcp4),
            size: kind.map_or(0, |_| u16::from_ne_bytes([s0, s1])),
            ecn: gso & GSO_ECN != 0,
        });
        Self {
            checksum,
            segmentation,
        }
    }

    /// Writes a header. The length of the headers is a hint that kernels work out anew; it is left 0.
    #[inline]
    pub fn to_virtio(self) -> [u8; VIRTIO_HEADER] {
        if self.is_none() {
            return [0; VIRTIO_HEADER];
        }
        let (flags, [c0, c1], [o0, o1]) = match self.checksum {
            Some(Checksum { start, offset }) => {
                (NEEDS_CHECKSUM, start.to_ne_bytes(), offset.to_ne_bytes())
            }
            None => (0, [0; 2], [0; 2]),
        };
        let (gso, [s0, s1]) = match self.segmentation {
            Some(Segmentation { kind, size, ecn }) => {
                let kind = match kind {
                    SegmentationKind::Tcp4 => GSO_TCP4,
                    SegmentationKind::Tcp6 => GSO_TCP6,
                    SegmentationKind::Udp => GSO_UDP,
                };
                (kind | if ecn { GSO_ECN } else { 0 }, size.to_ne_bytes())
            }
            None => (GSO_NONE, [0; 2]),
        };
        [flags, gso, 0, 0, s0, s1, c0, c1, o0, o1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            checksum in proptest::option::of((any::<u16>(), any::<u16>())),
            segmentation in proptest::option::of((0usize..3, 1u16.., any::<bool>())),
        ) {
            let kinds = [SegmentationKind::Tcp4, SegmentationKind::Tcp6, SegmentationKind::Udp];
            let offload = Offload {
                checksum: checksum.map(|(start, offset)| Checksum { start, offset }),
                segmentation: segmentation.map(|(kind, size, ecn)| Segmentation { kind: kinds[kind], size, ecn }),
            };
            prop_assert_eq!(Offload::from_virtio(&offload.to_virtio()), offload);
        }

        #[test]
        fn an_unknown_kind_is_never_taken_for_a_whole_frame(gso in 1u8.., rest in any::<[u8; 8]>()) {
            let mut header = [0; VIRTIO_HEADER];
            header[1] = gso;
            header[2..].copy_from_slice(&rest);
            let offload = Offload::from_virtio(&header);
            prop_assert!(offload.segmentation.is_some());
        }
    }
}
