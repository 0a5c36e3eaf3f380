//! The E-TAG of IEEE 802.1BR: the owned form, and the view of a frame that has one.

use crate::field::field;
use crate::{ETHERTYPE_AT, Truncated, ethertype};
use core::fmt;

field!(
    /// `E-PCP`: 3 bits, the priority of a frame that may have no 802.1Q tag to say it.
    Pcp,
    u8,
    3
);
field!(
    /// `E-CID_base` and `Ingress_E-CID_base`: 12 bits.
    EcidBase,
    u16,
    12
);
field!(
    /// `GRP`: 2 bits; 0 is point-to-point, 1 to 3 are point-to-multipoint.
    Group,
    u8,
    2
);
field!(
    /// The 2 bits between the ingress base and `GRP`: ignored, sent as 0.
    ETagReserved,
    u8,
    2
);

/// An E-TAG, every field of it. Total: each of the 2^48 values of its six octets is one value of this
/// type.
///
/// ```text
///  octet  0      1     2               3      4               5      6          7
///       +------+------+---+-+------------+--+---+--------------+----------+---------+
///       | 0x89   0x3F |PCP|D|Ingress base|RS|GRP|  E-CID base  |Ingr. ext |E-CID ext|
///       +-------------+---+-+------------+--+---+--------------+----------+---------+
///            16         3  1     12       2  2        12            8          8
/// ```
///
/// An E-CID stays the three fields it is on the wire (`group`, `base`, `ext`): no public source
/// confirms their order inside one 22-bit number, and nothing here needs one.
///
/// It prints as one line, in the order of the bits:
///
/// ```
/// use vntag::ETag;
///
/// let tag = ETag::from_body([0x60, 0x00, 0x00, 0x05, 0x00, 0x00]);
/// assert_eq!(
///     tag.to_string(),
///     "etag e_pcp=3 e_dei=0 ingress_ecid_base=0x000 resv=0 grp=0 ecid_base=0x005 \
///      ingress_ecid_ext=0x00 ecid_ext=0x00"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ETag {
    /// E-PCP
    pub priority: Pcp,
    /// E-DEI: may be dropped before others.
    pub drop_eligible: bool,
    /// `Ingress_E-CID_base`: who sent the frame, when it returns to the port it came from.
    pub ingress_base: EcidBase,
    /// Ignored, sent as 0.
    pub reserved: ETagReserved,
    /// GRP
    pub group: Group,
    /// `E-CID_base`
    pub base: EcidBase,
    /// `Ingress_E-CID_ext`: 0 in base extenders.
    pub ingress_ext: u8,
    /// `E-CID_ext`: 0 in base extenders.
    pub ext: u8,
}

impl ETag {
    /// Octets on the wire, EtherType included.
    pub const LEN: usize = 8;

    /// Reads the six octets that follow the EtherType.
    ///
    /// ```
    /// # use vntag::ETag;
    /// let tag = ETag::from_body([0x00, 0x05, 0x10, 0x10, 0x00, 0x00]);
    /// assert_eq!((tag.ingress_base.get(), tag.group.get(), tag.base.get()), (5, 1, 0x010));
    /// ```
    pub const fn from_body([a, b, c, d, e, f]: [u8; 6]) -> Self {
        let first = u16::from_be_bytes([a, b]);
        let second = u16::from_be_bytes([c, d]);
        Self {
            priority: Pcp::truncate((first >> 13) as u8),
            drop_eligible: first >> 12 & 1 == 1,
            ingress_base: EcidBase::truncate(first),
            reserved: ETagReserved::truncate((second >> 14) as u8),
            group: Group::truncate((second >> 12) as u8),
            base: EcidBase::truncate(second),
            ingress_ext: e,
            ext: f,
        }
    }

    /// The six octets that follow the EtherType.
    ///
    /// ```
    /// # use vntag::ETag;
    /// assert_eq!(ETag::from_body([1, 2, 3, 4, 5, 6]).to_body(), [1, 2, 3, 4, 5, 6]);
    /// ```
    pub const fn to_body(self) -> [u8; 6] {
        let first = (self.priority.get() as u16) << 13
            | (self.drop_eligible as u16) << 12
            | self.ingress_base.get();
        let second =
            (self.reserved.get() as u16) << 14 | (self.group.get() as u16) << 12 | self.base.get();
        let [a, b] = first.to_be_bytes();
        let [c, d] = second.to_be_bytes();
        [a, b, c, d, self.ingress_ext, self.ext]
    }

    /// Reads a tag as it stands on the wire; `None` when the EtherType is not 0x893F.
    ///
    /// ```
    /// # use vntag::ETag;
    /// let tag = ETag::from_bytes([0x89, 0x3F, 0, 0, 0, 5, 0, 0]);
    /// assert_eq!(tag.map(|tag| tag.base.get()), Some(5));
    /// assert_eq!(ETag::from_bytes([0x89, 0x26, 0, 0, 0, 5, 0, 0]), None);
    /// ```
    pub const fn from_bytes([t, y, a, b, c, d, e, f]: [u8; Self::LEN]) -> Option<Self> {
        match u16::from_be_bytes([t, y]) {
            ethertype::ETAG => Some(Self::from_body([a, b, c, d, e, f])),
            _ => None,
        }
    }

    /// The tag as it stands on the wire.
    ///
    /// ```
    /// # use vntag::ETag;
    /// let tag = ETag::from_body([0, 0, 0, 5, 0, 0]);
    /// assert_eq!(tag.to_bytes(), [0x89, 0x3F, 0, 0, 0, 5, 0, 0]);
    /// ```
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let [t, y] = ethertype::ETAG.to_be_bytes();
        let [a, b, c, d, e, f] = self.to_body();
        [t, y, a, b, c, d, e, f]
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "etag e_pcp={} e_dei={} ingress_ecid_base=0x{:03x} resv={} grp={} ecid_base=0x{:03x} \
             ingress_ecid_ext=0x{:02x} ecid_ext=0x{:02x}",
            self.priority.get(),
            u8::from(self.drop_eligible),
            self.ingress_base.get(),
            self.reserved.get(),
            self.group.get(),
            self.base.get(),
            self.ingress_ext,
            self.ext,
        )
    }
}

/// A frame that is known to have an E-TAG and, behind it, an EtherType.
///
/// ```text
///  octet 0             6             12      14          20      22
///        +-------------+-------------+-------+-----------+-------+---------
///        | destination | source      | 893F  | tag       | inner | payload
///        +-------------+-------------+-------+-----------+-------+---------
/// ```
///
/// ```
/// use vntag::Frame;
///
/// let mut octets = [0; 60];
/// octets[12..22].copy_from_slice(&[0x89, 0x3F, 0, 0, 0, 5, 0, 0, 0x08, 0x06]);
/// let tagged = Frame::new(&octets)?.etag().transpose()?;
/// assert_eq!(tagged.map(|t| t.tag().base.get()), Some(5));
/// # Ok::<(), vntag::Truncated>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETagView<'a> {
    header: &'a [u8; ETagView::PAYLOAD_AT],
    octets: &'a [u8],
}

impl<'a> ETagView<'a> {
    /// Where the EtherType behind the tag stands.
    pub const INNER_ETHERTYPE_AT: usize = ETHERTYPE_AT + ETag::LEN;
    /// Where the octets behind that EtherType start.
    pub const PAYLOAD_AT: usize = Self::INNER_ETHERTYPE_AT + 2;

    /// The caller has seen the EtherType.
    pub(crate) fn new(octets: &'a [u8]) -> Result<Self, Truncated> {
        match octets.first_chunk() {
            Some(header) => Ok(Self { header, octets }),
            None => Err(Truncated {
                needed: Self::PAYLOAD_AT,
                length: octets.len(),
            }),
        }
    }

    /// The tag, decoded.
    ///
    /// ```
    /// # use vntag::Frame;
    /// let mut octets = [0; 60];
    /// octets[12..20].copy_from_slice(&[0x89, 0x3F, 0x60, 0, 0, 5, 0, 0]);
    /// let tag = Frame::new(&octets)?.etag().transpose()?.map(|tagged| tagged.tag());
    /// assert_eq!(tag.map(|t| t.priority.get()), Some(3));
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub const fn tag(&self) -> ETag {
        let [.., a, b, c, d, e, f, _, _] = *self.header;
        ETag::from_body([a, b, c, d, e, f])
    }

    /// The EtherType behind the tag, or below 0x0600 an 802.3 length.
    ///
    /// ```
    /// # use vntag::Frame;
    /// let mut octets = [8; 60];
    /// octets[12..14].copy_from_slice(&[0x89, 0x3F]);
    /// let inner = Frame::new(&octets)?.etag().transpose()?.map(|tagged| tagged.inner_ethertype());
    /// assert_eq!(inner, Some(0x0808));
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub const fn inner_ethertype(&self) -> u16 {
        let [.., a, b] = *self.header;
        u16::from_be_bytes([a, b])
    }

    /// What follows that EtherType; may be empty.
    ///
    /// ```
    /// # use vntag::Frame;
    /// let mut octets = [7; 60];
    /// octets[12..14].copy_from_slice(&[0x89, 0x3F]);
    /// let payload = Frame::new(&octets)?.etag().transpose()?.map(|tagged| tagged.payload());
    /// assert_eq!(payload, Some([7; 38].as_slice()));
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub fn payload(&self) -> &'a [u8] {
        self.octets.get(Self::PAYLOAD_AT..).unwrap_or_default()
    }
}
