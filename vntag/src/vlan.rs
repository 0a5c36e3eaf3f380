//! IEEE 802.1Q and 802.1ad tags, as far as a VNTag has to see past them.

use crate::ethertype;

/// A tag is looked for behind at most this many VLAN tags (design.md section 5.2, ours).
pub const MAX_VLAN_TAGS: usize = 4;

/// One VLAN tag: the type that announced it and its 16 bits of control information.
///
/// ```text
///  octet  0      1      2                      3
///       +------+------+-----+-+----------------+
///       |     TPID    | PCP |D|   VID (12)     |
///       +-------------+-----+-+----------------+
///         16 bits        3   1       12
/// ```
///
/// ```
/// use vntag::VlanTag;
///
/// let tag = VlanTag { tpid: 0x8100, tci: 0xBFFE };
/// assert_eq!((tag.pcp(), tag.vid()), (5, 4094));
/// assert_eq!(tag.to_string(), "vlan tpid=0x8100 pcp=5 dei=1 vid=4094");
/// ```
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
    ///
    /// ```
    /// # use vntag::VlanTag;
    /// assert_eq!(VlanTag { tpid: 0x8100, tci: 0x6064 }.vid(), 100);
    /// ```
    pub const fn vid(self) -> u16 {
        self.tci & 0x0FFF
    }

    /// The priority code point, 0..=7.
    ///
    /// ```
    /// # use vntag::VlanTag;
    /// assert_eq!(VlanTag { tpid: 0x8100, tci: 0x6064 }.pcp(), 3);
    /// ```
    pub const fn pcp(self) -> u8 {
        (self.tci >> 13) as u8
    }

    /// Drop eligible: DEI in a service tag, CFI in old customer tags.
    ///
    /// ```
    /// # use vntag::VlanTag;
    /// assert!(VlanTag { tpid: 0x88A8, tci: 0x1064 }.drop_eligible());
    /// ```
    pub const fn drop_eligible(self) -> bool {
        self.tci >> 12 & 1 == 1
    }

    /// The tag as it stands on the wire.
    ///
    /// ```
    /// # use vntag::VlanTag;
    /// assert_eq!(VlanTag { tpid: 0x88A8, tci: 200 }.to_bytes(), [0x88, 0xA8, 0, 200]);
    /// ```
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let [a, b] = self.tpid.to_be_bytes();
        let [c, d] = self.tci.to_be_bytes();
        [a, b, c, d]
    }
}

impl core::fmt::Display for VlanTag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "vlan tpid=0x{:04x} pcp={} dei={} vid={}",
            self.tpid,
            self.pcp(),
            u8::from(self.drop_eligible()),
            self.vid()
        )
    }
}
