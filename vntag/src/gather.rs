//! Push, pop and rewrite without moving the payload: a few fresh octets, then the rest of the frame
//! from where it was received (design.md section 4.2).

use crate::{ETHERTYPE_AT as ADDRESSES, ETag, Tag, VlanTag, VnTag};

/// The frame ends before the octets that are asked for.
///
/// ```
/// use vntag::Frame;
///
/// let cut = Frame::new(&[0; 13]).unwrap_err();
/// assert_eq!((cut.needed, cut.length), (14, 13));
/// assert_eq!(cut.to_string(), "a frame of 13 octets ends before octet 14");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated {
    /// Octets that were needed.
    pub needed: usize,
    /// Octets there were.
    pub length: usize,
}

impl core::fmt::Display for Truncated {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "a frame of {} octets ends before octet {}",
            self.length, self.needed
        )
    }
}

impl core::error::Error for Truncated {}

/// The fresh octets a frame starts with: addresses, VNTag or E-TAG, VLAN tag, as many as it has.
///
/// ```
/// use vntag::{Gather, VnTag};
///
/// let gather = Gather::new(&[7; 60], 12, Some(VnTag::from_word(5)), None)?;
/// assert_eq!(gather.head.as_bytes(), [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0x89, 0x26, 0, 0, 0, 5]);
/// # Ok::<(), vntag::Truncated>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    octets: [u8; Head::CAPACITY],
    length: u8,
}

impl Head {
    /// Two addresses, the longest NIV tag, one VLAN tag. With a VNTag 22 octets are in use.
    pub const CAPACITY: usize = ADDRESSES + ETag::LEN + VlanTag::LEN;

    /// The octets.
    ///
    /// ```
    /// # use vntag::Gather;
    /// assert_eq!(Gather::new(&[7; 60], 12, None, None)?.head.as_bytes(), [7; 12]);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        self.octets
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

/// An outgoing frame: `head`, then the received frame from octet `skip` on.
///
/// ```
/// use vntag::{Gather, VnTag, VnTagView};
///
/// // A hairpin: the VNTag that came gives way to the one that goes.
/// let mut received = [0; 60];
/// received[12..18].copy_from_slice(&VnTag::from_word(5).to_bytes());
/// let behind_tag = VnTagView::INNER_ETHERTYPE_AT as u16;
/// let gather = Gather::new(&received, behind_tag, Some(VnTag::from_word(0x8006_8005)), None)?;
///
/// let mut sent = gather.head.as_bytes().to_vec();
/// sent.extend(gather.rest(&received));
/// assert_eq!(sent.len(), 60);
/// assert_eq!(sent[12..18], [0x89, 0x26, 0x80, 0x06, 0x80, 0x05]);
/// # Ok::<(), vntag::Truncated>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Fresh octets.
    pub head: Head,
    /// How much of the received frame `head` stands in for, 12..=65535.
    pub skip: u16,
}

impl Gather {
    /// The frame's addresses, then `vntag` and `vlan` where given, then the frame from `skip` on.
    ///
    /// Push: `skip` is 12. Pop and rewrite: `skip` is past the tag that goes.
    ///
    /// ```
    /// # use vntag::Gather;
    /// let pop = Gather::new(&[7; 60], 18, None, None)?;
    /// assert_eq!(pop.growth(), -6);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    ///
    /// # Errors
    /// The frame ends before its addresses do, or before `skip`.
    #[inline]
    pub fn new(
        frame: &[u8],
        skip: u16,
        vntag: Option<VnTag>,
        vlan: Option<VlanTag>,
    ) -> Result<Self, Truncated> {
        Self::with_tag(frame, skip, vntag, vlan)
    }

    /// [`Gather::new`] for any kind of tag.
    ///
    /// ```
    /// # use vntag::{ETag, Gather};
    /// let push = Gather::with_tag(&[7; 60], 12, Some(ETag::from_body([0, 0, 0, 5, 0, 0])), None)?;
    /// assert_eq!(push.growth(), 8);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    ///
    /// # Errors
    /// The frame ends before its addresses do, or before `skip`.
    #[inline]
    pub fn with_tag<T: Tag>(
        frame: &[u8],
        skip: u16,
        tag: Option<T>,
        vlan: Option<VlanTag>,
    ) -> Result<Self, Truncated> {
        let skip = skip.max(ADDRESSES as u16);
        let truncated = Truncated {
            needed: usize::from(skip),
            length: frame.len(),
        };
        let addresses: &[u8; ADDRESSES] = frame.first_chunk().ok_or(truncated)?;
        if frame.len() < usize::from(skip) {
            return Err(truncated);
        }
        let mut octets = [0; Head::CAPACITY];
        let mut rest = octets.as_mut_slice();
        let mut length = 0;
        let mut put = |bytes: &[u8]| {
            if let Some((space, tail)) =
                core::mem::take(&mut rest).split_at_mut_checked(bytes.len())
            {
                space.copy_from_slice(bytes);
                rest = tail;
                length += bytes.len() as u8;
            }
        };
        put(addresses);
        if let Some(tag) = tag {
            put(tag.octets().as_ref());
        }
        if let Some(tag) = vlan {
            put(&tag.to_bytes());
        }
        Ok(Self {
            head: Head { octets, length },
            skip,
        })
    }

    /// By how many octets the frame grows; negative when it shrinks. Exact for any `skip` up to
    /// 32767, as every real one is.
    ///
    /// ```
    /// # use vntag::{Gather, VnTag};
    /// assert_eq!(Gather::new(&[7; 60], 12, Some(VnTag::from_word(5)), None)?.growth(), 6);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub fn growth(&self) -> i16 {
        i16::from(self.head.length) - self.skip.min(i16::MAX as u16) as i16
    }

    /// What of the received frame goes out behind `head`: all of it from `skip` on.
    ///
    /// ```
    /// # use vntag::Gather;
    /// assert_eq!(Gather::new(&[7; 60], 18, None, None)?.rest(&[7; 60]).len(), 42);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    #[inline]
    pub fn rest<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(usize::from(self.skip)..).unwrap_or_default()
    }

    /// Writes the outgoing frame to the start of `out`, which is the one copy there is, and returns
    /// how many octets it has; `None` when `out` is too small.
    ///
    /// ```
    /// # use vntag::{Gather, VnTag};
    /// let received = [7; 60];
    /// let gather = Gather::new(&received, 12, Some(VnTag::from_word(5)), None)?;
    /// let mut out = [0; 2048];
    /// assert_eq!(gather.write_to(&received, &mut out), Some(66));
    /// assert_eq!(gather.write_to(&received, &mut out[..65]), None);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    #[inline]
    pub fn write_to(&self, frame: &[u8], out: &mut [u8]) -> Option<usize> {
        let head = self.head.as_bytes();
        let rest = self.rest(frame);
        let length = head.len() + rest.len();
        let (front, back) = out.get_mut(..length)?.split_at_mut_checked(head.len())?;
        front.copy_from_slice(head);
        back.copy_from_slice(rest);
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direction, Dvif, Svif, Version};

    const TAG: VnTag = VnTag {
        direction: Direction::ToBridge,
        pointer: false,
        dvif: Dvif::ZERO,
        looped: false,
        reserved: false,
        version: Version::ZERO,
        svif: Svif::MAX,
    };

    #[test]
    fn push_writes_22_octets_with_a_vntag_and_a_vlan_tag() {
        let frame = [7; 14];
        let vlan = VlanTag {
            tpid: 0x8100,
            tci: 0x6064,
        };
        let gather = Gather::new(&frame, 12, Some(TAG), Some(vlan)).unwrap();
        assert_eq!(gather.head.as_bytes()[..12], [7; 12]);
        assert_eq!(
            gather.head.as_bytes()[12..],
            [0x89, 0x26, 0, 0, 0x0F, 0xFF, 0x81, 0, 0x60, 0x64]
        );
        assert_eq!(gather.growth(), 10);
    }

    #[test]
    fn the_head_has_room_for_an_etag_and_a_vlan_tag() {
        let vlan = VlanTag {
            tpid: 0x8100,
            tci: 0x6064,
        };
        let etag = ETag::from_body([1, 2, 3, 4, 5, 6]);
        let gather = Gather::with_tag(&[7; 14], 12, Some(etag), Some(vlan)).unwrap();
        assert_eq!(gather.growth(), 12);
        assert_eq!(gather.head.as_bytes()[20..], [0x81, 0, 0x60, 0x64]);
    }

    #[test]
    fn a_frame_that_ends_too_soon_is_refused() {
        for length in 0..18 {
            let frame = [0; 18];
            assert!(Gather::new(&frame[..length], 18, None, None).is_err());
        }
        assert_eq!(Gather::new(&[0; 18], 18, None, None).unwrap().growth(), -6);
    }
}
