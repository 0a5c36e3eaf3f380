//! Long frames: what a sender left uncut, carried whole over a link whose two ends have agreed to (docs/vic.md).
//!
//! To cut 64 KiB of TCP into 45 frames, carry each through two kernels and a switch, and put them together again
//! is what a hairpin costs most. On a link that both ends gave room for, the frame stays whole: its checksum is
//! finished, as everything's on a link, and how it may be cut stands in a trailer. The rule is one for all frames, so
//! that nothing has to be guessed:
//!
//! ```text
//!  a frame of up to 2048 octets     +----------------------------------+
//!                                   | the frame                        |
//!                                   +----------------------------------+
//!  a longer one                     +----------------------------------+------+------+------+------+
//!                                   | the frame                        | kind |   0  |    size     |
//!                                   +----------------------------------+------+------+------+------+
//!  kind: 0 not to be cut (size 0), 1 TCP over IPv4, 4 TCP over IPv6, 5 UDP (virtio's numbers), 0x80 added: ECN
//!  size: octets of payload in each segment but the last, high octet first
//! ```

use crate::{Offload, RxFrame, Segmentation, SegmentationKind};

/// The longest frame without a trailer, in octets.
pub const LONGEST_PLAIN: usize = 2048;
/// Octets of the trailer.
pub const TRAILER: usize = 4;

const ETHERNET_HEADER: u32 = 14;
const TCP4: u8 = 1;
const TCP6: u8 = 4;
const UDP: u8 = 5;
const ECN: u8 = 0x80;

/// What is agreed for long frames on one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LongFrames {
    /// Frames longer than [`LONGEST_PLAIN`] come with a trailer.
    pub accepted: bool,
    /// The longest frame that may be sent, its trailer included, in octets; 0: none with a trailer.
    pub longest: u32,
}

impl LongFrames {
    /// Both ends have a session, and in opening it `agreed` on long frames or did not. How long is not known yet.
    #[must_use]
    pub const fn opened(agreed: bool) -> Self {
        Self {
            accepted: agreed,
            longest: 0,
        }
    }

    /// A frame of `octets` behind its Ethernet header got through.
    #[must_use]
    pub fn proven(self, octets: u16) -> Self {
        let longest = u32::from(octets) + ETHERNET_HEADER;
        Self {
            longest: if self.accepted { longest } else { 0 },
            ..self
        }
    }

    /// The session is lost: the other end may be another one soon. It may not know yet, so its long frames are taken.
    #[must_use]
    pub const fn lost(self) -> Self {
        Self { longest: 0, ..self }
    }
}

/// The trailer of a frame that may be cut so.
pub(crate) fn trailer(offload: &Offload) -> [u8; TRAILER] {
    let (kind, size) = match offload.segmentation {
        None => (0, 0),
        Some(Segmentation { kind, size, ecn }) => {
            let number = match kind {
                SegmentationKind::Tcp4 => TCP4,
                SegmentationKind::Tcp6 => TCP6,
                SegmentationKind::Udp => UDP,
            };
            (if ecn { number | ECN } else { number }, size)
        }
    };
    let [high, low] = size.to_be_bytes();
    [kind, 0, high, low]
}

/// What a trailer says; `None` if it is none.
fn read(trailer: [u8; TRAILER]) -> Option<Option<Segmentation>> {
    let [kind, zero, high, low] = trailer;
    let size = u16::from_be_bytes([high, low]);
    let number = kind & !ECN;
    let ecn = kind & ECN != 0;
    let kind = match (number, zero) {
        (0, 0) if size == 0 && !ecn => return Some(None),
        (TCP4, 0) => SegmentationKind::Tcp4,
        (TCP6, 0) => SegmentationKind::Tcp6,
        (UDP, 0) => SegmentationKind::Udp,
        _ => return None,
    };
    Some(Some(Segmentation { kind, size, ecn }))
}

/// No frame bears this out: [`RxFrame::weight`] refuses it.
const UNBEARABLE: Offload = Offload {
    checksum: None,
    segmentation: Some(Segmentation {
        kind: SegmentationKind::Tcp4,
        size: 0,
        ecn: false,
    }),
};

/// Reads the trailer of a frame that came in on a link, and takes it off. Only a trailer may say that a frame
/// stands for several: what the kernel says of it was not agreed on. Whatever is wrong makes the frame
/// one that [`RxFrame::weight`] refuses.
#[inline]
pub fn admit(frame: &mut RxFrame<'_>, accepted: bool) {
    if frame.offload.segmentation.is_some() {
        frame.offload = UNBEARABLE;
    } else if accepted && frame.original_length as usize > LONGEST_PLAIN {
        take_off(frame);
    }
}

#[inline(never)]
fn take_off(frame: &mut RxFrame<'_>) {
    let said = frame
        .bytes
        .split_last_chunk()
        .filter(|(rest, _)| rest.len() > LONGEST_PLAIN)
        // Cut short, the end is not its end.
        .filter(|_| frame.bytes.len() == frame.original_length as usize)
        .and_then(|(rest, &trailer)| Some((rest, read(trailer)?)));
    match said {
        Some((rest, None)) => {
            frame.bytes = rest;
            frame.original_length = rest.len() as u32;
        }
        // Its checksum is finished.
        Some((rest, segmentation)) if frame.offload.checksum.is_none() => {
            frame.bytes = rest;
            frame.original_length = rest.len() as u32;
            frame.offload.segmentation = segmentation;
        }
        _ => frame.offload = UNBEARABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn received(bytes: &[u8]) -> RxFrame<'_> {
        RxFrame {
            bytes,
            vlan: None,
            offload: Offload::NONE,
            original_length: bytes.len() as u32,
        }
    }

    fn segmentation() -> impl Strategy<Value = Option<Segmentation>> {
        let kinds = vec![
            SegmentationKind::Tcp4,
            SegmentationKind::Tcp6,
            SegmentationKind::Udp,
        ];
        let some = (prop::sample::select(kinds), 1u16.., any::<bool>());
        prop::option::of(some.prop_map(|(kind, size, ecn)| Segmentation { kind, size, ecn }))
    }

    proptest! {
        #[test]
        fn what_a_trailer_says_is_what_was_meant(segmentation in segmentation()) {
            let offload = Offload { checksum: None, segmentation };
            prop_assert_eq!(read(trailer(&offload)), Some(segmentation));
        }

        #[test]
        fn a_trailer_says_one_thing_only(octets: [u8; TRAILER]) {
            if let Some(segmentation) = read(octets) {
                let offload = Offload { checksum: None, segmentation };
                prop_assert_eq!(trailer(&offload), octets);
            }
        }
    }

    #[test]
    fn frames_of_2048_octets_have_no_trailer_and_longer_ones_do() {
        let mut bytes = vec![0; LONGEST_PLAIN];
        let mut frame = received(&bytes);
        admit(&mut frame, true);
        assert_eq!((frame.bytes.len(), frame.offload), (2048, Offload::NONE));
        // Neither with nor without a trailer can a frame be so long.
        bytes.extend([0; TRAILER]);
        let mut frame = received(&bytes);
        admit(&mut frame, true);
        assert_eq!(frame.offload, UNBEARABLE);
        bytes.push(0);
        let mut frame = received(&bytes);
        admit(&mut frame, true);
        assert_eq!((frame.bytes.len(), frame.offload), (2049, Offload::NONE));
        assert_eq!(frame.original_length, 2049);
    }

    #[test]
    fn a_link_without_agreement_has_no_trailers() {
        let bytes = [vec![0; 3000], vec![1, 0, 5, 180]].concat();
        let mut frame = received(&bytes);
        admit(&mut frame, false);
        assert_eq!((frame.bytes.len(), frame.offload), (3004, Offload::NONE));
        admit(&mut frame, true);
        let agreed = frame.offload.segmentation.unwrap();
        assert_eq!((frame.bytes.len(), agreed.size), (3000, 1460));
    }

    #[test]
    fn what_the_kernel_says_of_a_links_frames_is_not_believed() {
        let bytes = [vec![0; 3000], vec![1, 0, 5, 180]].concat();
        for accepted in [false, true] {
            let mut frame = received(&bytes);
            frame.offload.segmentation = Some(Segmentation {
                kind: SegmentationKind::Tcp4,
                size: 1460,
                ecn: false,
            });
            admit(&mut frame, accepted);
            assert!(frame.weight(0).is_err());
        }
    }

    #[test]
    fn a_frame_that_was_cut_short_has_lost_its_trailer() {
        let bytes = vec![0; 4000];
        let mut frame = received(&bytes);
        frame.original_length = 5000;
        admit(&mut frame, true);
        assert_eq!(frame.offload, UNBEARABLE);
    }
}
