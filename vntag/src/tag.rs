//! What the tags between a frame's addresses and its EtherType have in common.

use crate::{ETag, VlanTag, VnTag, ethertype};

/// A tag that stands straight behind a frame's addresses: [`VnTag`], [`ETag`] or [`VlanTag`]. Code
/// outside this crate cannot add another.
///
/// ```
/// use vntag::{ETag, Tag, VlanTag, VnTag};
///
/// fn octets_of<T: Tag>() -> usize {
///     T::LEN
/// }
/// assert_eq!(octets_of::<VnTag>(), 6);
/// assert_eq!(octets_of::<ETag>(), 8);
/// assert_eq!(octets_of::<VlanTag>(), 4);
/// ```
pub trait Tag: Copy + sealed::Wire {
    /// Octets on the wire, EtherType included.
    const LEN: usize;
}

pub(crate) mod sealed {
    /// How a tag is read and written.
    pub trait Wire: Sized {
        /// `[u8; LEN]`
        type Octets: AsRef<[u8]>;

        /// Whether `ethertype` announces a tag of this kind.
        fn is_announced_by(ethertype: u16) -> bool;

        /// The tag at the start of `octets`; `None` when there is another, or too few octets.
        fn read(octets: &[u8]) -> Option<Self>;

        /// The tag as it stands on the wire.
        fn octets(self) -> Self::Octets;
    }
}

macro_rules! tag {
    ($($name:ident: $ethertypes:pat),+) => {
        $(
            impl Tag for $name {
                const LEN: usize = $name::LEN;
            }

            impl sealed::Wire for $name {
                type Octets = [u8; $name::LEN];

                #[inline]
                fn is_announced_by(ethertype: u16) -> bool {
                    matches!(ethertype, $ethertypes)
                }

                #[inline]
                fn read(octets: &[u8]) -> Option<Self> {
                    Self::from_bytes(*octets.first_chunk()?)
                }

                #[inline]
                fn octets(self) -> Self::Octets {
                    self.to_bytes()
                }
            }
        )+
    };
}

tag!(
    VnTag: ethertype::VNTAG,
    ETag: ethertype::ETAG,
    VlanTag: ethertype::VLAN | ethertype::SERVICE_VLAN
);
