//! Push, pop and rewrite without moving the payload: a few fresh octets, then the rest of the frame
//! from where it was received (design.md section 4.2).

use crate::{ETHERTYPE_AT as ADDRESSES, VlanTag, VnTag, ethertype};

/// The frame ends before the octets that are asked for.
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

/// The fresh octets a frame starts with: addresses, VNTag, VLAN tag, as many of them as it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    octets: [u8; Head::CAPACITY],
    length: u8,
}

impl Head {
    /// Two addresses, one VNTag, one VLAN tag.
    pub const CAPACITY: usize = ADDRESSES + VnTag::LEN + VlanTag::LEN;

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

/// An outgoing frame: `head`, then the received frame from octet `skip` on.
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
    /// # Errors
    /// The frame ends before its addresses do, or before `skip`.
    pub fn new(
        frame: &[u8],
        skip: u16,
        vntag: Option<VnTag>,
        vlan: Option<VlanTag>,
    ) -> Result<Self, Truncated> {
        let needed = ADDRESSES.max(usize::from(skip));
        let truncated = Truncated {
            needed,
            length: frame.len(),
        };
        let addresses: &[u8; ADDRESSES] = frame.first_chunk().ok_or(truncated)?;
        if frame.len() < needed {
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
        if let Some(tag) = vntag {
            put(&ethertype::VNTAG.to_be_bytes());
            put(&tag.to_word().to_be_bytes());
        }
        if let Some(tag) = vlan {
            put(&tag.to_bytes());
        }
        Ok(Self {
            head: Head { octets, length },
            skip: skip.max(ADDRESSES as u16),
        })
    }

    /// By how many octets the frame grows; negative when it shrinks.
    pub fn growth(&self) -> i16 {
        i16::from(self.head.length) - self.skip.min(i16::MAX as u16) as i16
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
    fn push_writes_22_octets_at_most() {
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
    fn a_frame_that_ends_too_soon_is_refused() {
        for length in 0..18 {
            let frame = [0; 18];
            assert!(Gather::new(&frame[..length], 18, None, None).is_err());
        }
        assert_eq!(Gather::new(&[0; 18], 18, None, None).unwrap().growth(), -6);
    }
}
