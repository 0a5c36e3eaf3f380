//! IEEE 802.1Q and 802.1ad tags, as far as a VNTag has to see past them.

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
