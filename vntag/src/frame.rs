//! Reading a frame somebody else made: addresses, EtherType, the tag behind them, and what stands
//! behind the VLAN tags. Nothing here panics, whatever the octets are.

use crate::{ETHERTYPE_AT, ETagView, MAX_VLAN_TAGS, Truncated, VlanTag, VnTag, ethertype};

/// A frame that is known to have two addresses and an EtherType.
///
/// ```text
///  octet 0             6             12      14
///        +-------------+-------------+-------+---------
///        | destination | source      | type  | payload
///        +-------------+-------------+-------+---------
/// ```
///
/// The contract: once [`Frame::new`] has accepted the octets, no accessor fails or panics.
///
/// ```
/// use vntag::{Frame, ethertype};
///
/// let octets = [2, 0, 0, 0, 0, 0xB, 2, 0, 0, 0, 0, 0xA, 0x89, 0x26, 0, 0, 0, 5, 8, 0, 0x45];
/// let frame = Frame::new(&octets)?;
/// assert_eq!(frame.source(), [2, 0, 0, 0, 0, 0xA]);
/// assert_eq!(frame.ethertype(), ethertype::VNTAG);
/// # Ok::<(), vntag::Truncated>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    header: &'a [u8; Frame::MIN_LEN],
    octets: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Octets of the shortest frame there can be: two addresses and an EtherType.
    pub const MIN_LEN: usize = 14;

    /// Checks that the frame has a whole header.
    ///
    /// # Errors
    /// It has fewer than 14 octets.
    pub const fn new(octets: &'a [u8]) -> Result<Self, Truncated> {
        match octets.first_chunk() {
            Some(header) => Ok(Self { header, octets }),
            None => Err(Truncated {
                needed: Self::MIN_LEN,
                length: octets.len(),
            }),
        }
    }

    /// The whole frame, 14 octets or more.
    ///
    /// ```
    /// # use vntag::Frame;
    /// assert_eq!(Frame::new(&[7; 60])?.octets().len(), 60);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The destination address.
    ///
    /// ```
    /// # use vntag::Frame;
    /// assert_eq!(Frame::new(&[7; 60])?.destination(), [7; 6]);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub const fn destination(&self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = *self.header;
        [a, b, c, d, e, f]
    }

    /// The source address.
    ///
    /// ```
    /// # use vntag::Frame;
    /// assert_eq!(Frame::new(&[7; 60])?.source(), [7; 6]);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub const fn source(&self) -> [u8; 6] {
        let [.., a, b, c, d, e, f, _, _] = *self.header;
        [a, b, c, d, e, f]
    }

    /// The 16 bits after the addresses: an EtherType, or below 0x0600 an 802.3 length.
    ///
    /// ```
    /// # use vntag::Frame;
    /// assert_eq!(Frame::new(&[8; 60])?.ethertype(), 0x0808);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub const fn ethertype(&self) -> u16 {
        let [.., a, b] = *self.header;
        u16::from_be_bytes([a, b])
    }

    /// What follows the EtherType.
    ///
    /// ```
    /// # use vntag::Frame;
    /// assert_eq!(Frame::new(&[7; 60])?.payload(), [7; 46]);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub fn payload(&self) -> &'a [u8] {
        self.octets.get(Self::MIN_LEN..).unwrap_or_default()
    }

    /// The VNTag, when the frame's EtherType says that it has one.
    ///
    /// `Some(Err(_))` is a frame that announces a tag and ends before octet 20, where the EtherType
    /// behind the tag ends.
    ///
    /// ```
    /// # use vntag::Frame;
    /// let octets = [2, 0, 0, 0, 0, 0xB, 2, 0, 0, 0, 0, 0xA, 0x89, 0x26, 0, 0, 0, 5, 8, 0, 0x45];
    /// let tagged = Frame::new(&octets)?.vntag().transpose()?;
    /// assert_eq!(tagged.map(|t| t.tag().svif.get()), Some(5));
    /// assert_eq!(tagged.map(|t| t.inner_ethertype()), Some(0x0800));
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    #[inline]
    pub fn vntag(&self) -> Option<Result<VnTagView<'a>, Truncated>> {
        if self.ethertype() == ethertype::VNTAG {
            Some(VnTagView::new(self.octets))
        } else {
            None
        }
    }

    /// The E-TAG, when the frame's EtherType says that it has one.
    ///
    /// `Some(Err(_))` is a frame that announces a tag and ends before octet 22, where the EtherType
    /// behind the tag ends.
    ///
    /// ```
    /// # use vntag::Frame;
    /// let mut octets = [0; 60];
    /// octets[12..20].copy_from_slice(&[0x89, 0x3F, 0, 0, 0, 5, 0, 0]);
    /// let tagged = Frame::new(&octets)?.etag().transpose()?;
    /// assert_eq!(tagged.map(|t| t.tag().base.get()), Some(5));
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    #[inline]
    pub fn etag(&self) -> Option<Result<ETagView<'a>, Truncated>> {
        if self.ethertype() == ethertype::ETAG {
            Some(ETagView::new(self.octets))
        } else {
            None
        }
    }

    /// The VLAN tags that stand one behind the other from `ethertype_at` on, outermost first, at most
    /// [`MAX_VLAN_TAGS`] of them. To know what stands behind them, ask [`hidden_tag`].
    ///
    /// ```
    /// # use vntag::Frame;
    /// let mut octets = [0; 60];
    /// octets[12..18].copy_from_slice(&[0x81, 0x00, 0x60, 0x64, 0x08, 0x00]);
    /// let vids: Vec<u16> = Frame::new(&octets)?.vlans(12).map(|tag| tag.vid()).collect();
    /// assert_eq!(vids, [100]);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub fn vlans(&self, ethertype_at: usize) -> Vlans<'a> {
        Vlans {
            octets: self.octets.get(ethertype_at..).unwrap_or_default(),
            left: MAX_VLAN_TAGS,
        }
    }
}

/// A frame that is known to have a VNTag and, behind it, an EtherType.
///
/// ```text
///  octet 0             6             12      14          18      20
///        +-------------+-------------+-------+-----------+-------+---------
///        | destination | source      | 8926  | tag       | inner | payload
///        +-------------+-------------+-------+-----------+-------+---------
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VnTagView<'a> {
    header: &'a [u8; VnTagView::PAYLOAD_AT],
    octets: &'a [u8],
}

impl<'a> VnTagView<'a> {
    /// Where the EtherType behind the tag stands.
    pub const INNER_ETHERTYPE_AT: usize = ETHERTYPE_AT + VnTag::LEN;
    /// Where the octets behind that EtherType start.
    pub const PAYLOAD_AT: usize = Self::INNER_ETHERTYPE_AT + 2;

    /// The caller has seen the EtherType.
    fn new(octets: &'a [u8]) -> Result<Self, Truncated> {
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
    /// # use vntag::{Direction, Frame};
    /// let mut octets = [0; 60];
    /// octets[12..18].copy_from_slice(&[0x89, 0x26, 0x80, 0x05, 0x80, 0x06]);
    /// let tag = Frame::new(&octets)?.vntag().transpose()?.map(|tagged| tagged.tag());
    /// assert_eq!(tag.map(|t| (t.direction, t.dvif.get())), Some((Direction::FromBridge, 5)));
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    #[inline]
    pub const fn tag(&self) -> VnTag {
        let [.., a, b, c, d, _, _] = *self.header;
        VnTag::from_word(u32::from_be_bytes([a, b, c, d]))
    }

    /// The EtherType behind the tag, or below 0x0600 an 802.3 length.
    ///
    /// ```
    /// # use vntag::Frame;
    /// let mut octets = [8; 60];
    /// octets[12..14].copy_from_slice(&[0x89, 0x26]);
    /// let inner = Frame::new(&octets)?.vntag().transpose()?.map(|tagged| tagged.inner_ethertype());
    /// assert_eq!(inner, Some(0x0808));
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    #[inline]
    pub const fn inner_ethertype(&self) -> u16 {
        let [.., a, b] = *self.header;
        u16::from_be_bytes([a, b])
    }

    /// What follows that EtherType. Empty in a frame of 20 octets, which is a runt (design.md
    /// section 5.4).
    ///
    /// ```
    /// # use vntag::Frame;
    /// let mut octets = [7; 60];
    /// octets[12..14].copy_from_slice(&[0x89, 0x26]);
    /// let payload = Frame::new(&octets)?.vntag().transpose()?.map(|tagged| tagged.payload());
    /// assert_eq!(payload, Some([7; 40].as_slice()));
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub fn payload(&self) -> &'a [u8] {
        self.octets.get(Self::PAYLOAD_AT..).unwrap_or_default()
    }
}

/// The VLAN tags of a frame, outermost first: see [`Frame::vlans`].
///
/// ```
/// # use vntag::Frame;
/// let mut vlans = Frame::new(&[0; 60])?.vlans(12);
/// assert_eq!(vlans.next(), None);
/// # Ok::<(), vntag::Truncated>(())
/// ```
#[derive(Clone, Debug)]
pub struct Vlans<'a> {
    octets: &'a [u8],
    left: usize,
}

impl Iterator for Vlans<'_> {
    type Item = VlanTag;

    fn next(&mut self) -> Option<VlanTag> {
        let (octets, rest) = self.octets.split_first_chunk()?;
        let tag = VlanTag::from_bytes(*octets)?;
        self.left = self.left.checked_sub(1)?;
        self.octets = rest;
        Some(tag)
    }
}

/// What stands behind the VLAN tags of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// Something that is neither a VLAN tag nor a NIV tag.
    Plain {
        /// Its EtherType, or below 0x0600 an 802.3 length.
        ethertype: u16,
        /// Where the octets behind that EtherType start; may be the end of the frame.
        payload_at: usize,
        /// VLAN tags in the frame's octets in front of it, 0..=4.
        vlans: u8,
    },
    /// A VNTag (0x8926) or E-TAG (0x893F), whole or not.
    NivTag,
    /// More than [`MAX_VLAN_TAGS`] VLAN tags, those already seen included.
    TooManyTags,
    /// The frame ends before the EtherType asked for, or inside a VLAN tag.
    Truncated,
}

/// Looks behind up to [`MAX_VLAN_TAGS`] VLAN tags (802.1Q and 802.1ad) for a VNTag or E-TAG: a guest
/// or a plain neighbour must not be able to smuggle one in (design.md section 5.2).
///
/// `ethertype_at` is 12 in a frame as it was sent, 18 behind a VNTag. `tags_already` is how many VLAN
/// tags stood in front of those in the octets: a kernel that takes the outermost tag off a received
/// frame and hands it over beside the frame makes that 1.
///
/// Total: any octets, any offset, any count.
///
/// ```
/// use vntag::{Inner, hidden_tag};
///
/// let mut frame = [0; 60];
/// frame[12..18].copy_from_slice(&[0x81, 0x00, 0x00, 0x0A, 0x08, 0x00]);
/// assert_eq!(
///     hidden_tag(&frame, 12, 0),
///     Inner::Plain { ethertype: 0x0800, payload_at: 18, vlans: 1 }
/// );
/// frame[16..18].copy_from_slice(&[0x89, 0x26]);
/// assert_eq!(hidden_tag(&frame, 12, 0), Inner::NivTag);
/// assert_eq!(hidden_tag(&frame[..17], 12, 0), Inner::Truncated);
/// assert_eq!(hidden_tag(&frame, 12, 4), Inner::TooManyTags);
/// ```
#[inline]
pub fn hidden_tag(frame: &[u8], ethertype_at: usize, tags_already: usize) -> Inner {
    match read_u16(frame, ethertype_at) {
        // IPv4 and ARP, with no tag in front: every EtherType looked for is 0x8100 or more.
        Some(ethertype) if ethertype < ethertype::VLAN && tags_already <= MAX_VLAN_TAGS => {
            Inner::Plain {
                ethertype,
                payload_at: ethertype_at + 2,
                vlans: 0,
            }
        }
        _ => walk(frame, ethertype_at, tags_already),
    }
}

fn walk(frame: &[u8], ethertype_at: usize, tags_already: usize) -> Inner {
    let mut at = ethertype_at;
    let mut vlans = 0;
    while tags_already.saturating_add(usize::from(vlans)) <= MAX_VLAN_TAGS {
        let Some(ethertype) = read_u16(frame, at) else {
            return Inner::Truncated;
        };
        match ethertype {
            ethertype::VNTAG | ethertype::ETAG => return Inner::NivTag,
            ethertype::VLAN | ethertype::SERVICE_VLAN => {
                at += VlanTag::LEN;
                vlans += 1;
            }
            _ => {
                return Inner::Plain {
                    ethertype,
                    payload_at: at + 2,
                    vlans,
                };
            }
        }
    }
    Inner::TooManyTags
}

pub(crate) fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    let (bytes, _) = octets.get(at..)?.split_first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    extern crate std;
    use std::vec::Vec;

    /// Two addresses, then these EtherTypes with a TCI behind each VLAN's, then `rest`.
    fn frame(ethertypes: &[u16], rest: usize) -> Vec<u8> {
        let mut frame = std::vec![2; 12];
        for &ethertype in ethertypes {
            frame.extend(ethertype.to_be_bytes());
            if matches!(ethertype, ethertype::VLAN | ethertype::SERVICE_VLAN) {
                frame.extend([0x00, 0x0A]);
            }
        }
        frame.resize(frame.len() + rest, 0);
        frame
    }

    #[test]
    fn a_niv_tag_is_found_behind_up_to_four_vlan_tags() {
        for niv in [ethertype::VNTAG, ethertype::ETAG] {
            for in_metadata in 0..=5 {
                for in_octets in 0..=6 {
                    let mut types = std::vec![ethertype::VLAN; in_octets];
                    types.push(niv);
                    let expected = if in_metadata + in_octets <= 4 {
                        Inner::NivTag
                    } else {
                        Inner::TooManyTags
                    };
                    assert_eq!(hidden_tag(&frame(&types, 40), 12, in_metadata), expected);
                }
            }
        }
    }

    #[test]
    fn a_frame_without_a_niv_tag_is_plain_and_says_where_its_payload_is() {
        for ethertype in [0x0026, 0x0800, 0x0806, 0x86DD, 0x888E, 0x8925, 0x9100] {
            for tags in 0..=4 {
                let mut types = std::vec![ethertype::SERVICE_VLAN; tags];
                types.push(ethertype);
                let expected = Inner::Plain {
                    ethertype,
                    payload_at: 14 + 4 * tags,
                    vlans: tags as u8,
                };
                assert_eq!(hidden_tag(&frame(&types, 40), 12, 0), expected);
                assert_eq!(hidden_tag(&frame(&types, 0), 12, 0), expected);
            }
        }
    }

    #[test]
    fn a_frame_that_ends_inside_its_vlan_tags_is_truncated() {
        let whole = frame(&[ethertype::SERVICE_VLAN, ethertype::VLAN, 0x0800], 0);
        for length in 0..whole.len() {
            assert_eq!(hidden_tag(&whole[..length], 12, 0), Inner::Truncated);
        }
        assert!(matches!(hidden_tag(&whole, 12, 0), Inner::Plain { .. }));
    }

    #[test]
    fn a_niv_tag_cut_short_is_still_a_niv_tag() {
        let frame = frame(&[ethertype::VLAN, ethertype::VNTAG], 0);
        assert_eq!(hidden_tag(&frame, 12, 0), Inner::NivTag);
    }

    #[test]
    fn a_checked_frame_is_14_octets_or_more() {
        for length in 0..14 {
            let truncated = Truncated { needed: 14, length };
            assert_eq!(Frame::new(&[0; 14][..length]), Err(truncated));
        }
        assert!(Frame::new(&[0; 14]).is_ok());
    }

    #[test]
    fn a_vntag_needs_the_ethertype_behind_it() {
        let whole = frame(&[ethertype::VNTAG], 6);
        for length in 14..20 {
            let truncated = Truncated { needed: 20, length };
            let frame = Frame::new(&whole[..length]).unwrap();
            assert_eq!(frame.vntag(), Some(Err(truncated)));
        }
        assert!(Frame::new(&whole).unwrap().vntag().unwrap().is_ok());
    }

    proptest! {
        #[test]
        fn no_octets_offset_or_count_panics(
            octets in proptest::collection::vec(any::<u8>(), 0..64),
            at in prop_oneof![0usize..70, Just(usize::MAX), Just(usize::MAX - 1), any::<usize>()],
            tags in prop_oneof![0usize..7, Just(usize::MAX), any::<usize>()],
        ) {
            if let Inner::Plain { payload_at, .. } = hidden_tag(&octets, at, tags) {
                prop_assert!(payload_at <= octets.len());
            }
        }

        /// The walk agrees with the tags it says it has passed.
        #[test]
        fn plain_says_how_many_vlan_tags_there_are(
            kinds in proptest::collection::vec(
                prop_oneof![Just(0x8100u16), Just(0x88A8), Just(0x0800), Just(0x8926), any::<u16>()],
                1..7,
            ),
        ) {
            let octets = frame(&kinds, 4);
            let checked = Frame::new(&octets).unwrap();
            if let Inner::Plain { ethertype, payload_at, vlans } = hidden_tag(&octets, 12, 0) {
                prop_assert_eq!(checked.vlans(12).count(), usize::from(vlans));
                prop_assert_eq!(payload_at, 14 + 4 * usize::from(vlans));
                prop_assert_eq!(&octets[payload_at - 2..payload_at], ethertype.to_be_bytes());
            }
        }
    }
}
