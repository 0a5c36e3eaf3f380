//! IEEE 802.1Q and 802.1ad tags, as far as a VNTag has to see past them.

use crate::ethertype;

/// A tag is looked for behind at most this many VLAN tags (design.md section 5.2, ours).
pub const MAX_VLAN_TAGS: usize = 4;

/// One VLAN tag: the type that announced it and its 16 bits of control information.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VlanTag {
    /// 0x8100 or 0x88A8 (a NIC may strip others; they are kept as they came).
    pub tpid: u16,
    /// PCP in bits 15..13, DEI in bit 12, VID in bits 11..0.
    pub tci: u16,
}

impl VlanTag {
    /// Octets on the wire.
    pub const LEN: usize = 4;

    /// Reads the four octets of a tag; `None` when their type is neither 0x8100 nor 0x88A8.
    ///
    /// ```
    /// # use vntag::VlanTag;
    /// assert_eq!(VlanTag::from_bytes([0x81, 0, 0x60, 0x64]).map(|tag| tag.vid()), Some(100));
    /// assert_eq!(VlanTag::from_bytes([0x08, 0, 0x45, 0]), None);
    /// ```
    pub const fn from_bytes([a, b, c, d]: [u8; Self::LEN]) -> Option<Self> {
        let tpid = u16::from_be_bytes([a, b]);
        match tpid {
            ethertype::VLAN | ethertype::SERVICE_VLAN => Some(Self {
                tpid,
                tci: u16::from_be_bytes([c, d]),
            }),
            _ => None,
        }
    }

    /// The VLAN identifier, 0..=4095.
    pub const fn vid(self) -> u16 {
        self.tci & 0x0FFF
    }

    /// The priority code point, 0..=7.
    pub const fn pcp(self) -> u8 {
        (self.tci >> 13) as u8
    }

    /// The tag as it stands on the wire.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let [a, b] = self.tpid.to_be_bytes();
        let [c, d] = self.tci.to_be_bytes();
        [a, b, c, d]
    }
}
