//! VNTag and IEEE 802.1BR E-TAG: the bits, and nothing else.
//!
//! - [`VnTag`], [`ETag`], [`VlanTag`]: the tags, owned. Every bit pattern is a value, so nothing that a
//!   neighbour can send is lost or refused here; what is allowed is decided elsewhere.
//! - [`Frame`]: a checked view over octets somebody else sent. [`hidden_tag`] looks behind VLAN tags.
//! - [`Gather`]: push, pop and rewrite without moving the payload. [`FrameMut`]: the same in place.
//!
//! No state, no allocation, no panic whatever the octets.
//!
//! ```
//! use vntag::{Frame, Gather, VnTagView};
//!
//! // A frame for VIF 5 comes down the link: it goes to the guest without its tag.
//! let mut octets = [0; 64];
//! octets[12..20].copy_from_slice(&[0x89, 0x26, 0x80, 0x05, 0x00, 0x00, 0x08, 0x00]);
//!
//! let frame = Frame::new(&octets)?;
//! let Some(tagged) = frame.vntag().transpose()? else {
//!     panic!("no tag");
//! };
//! assert_eq!(tagged.tag().to_string(), "vntag d=1 p=0 dvif=5 l=0 r=0 ver=0 svif=0");
//!
//! let pop = Gather::new(&octets, VnTagView::INNER_ETHERTYPE_AT as u16, None, None)?;
//! assert_eq!(pop.head.as_bytes().len() + pop.rest(&octets).len(), 58);
//! # Ok::<(), vntag::Truncated>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

mod edit;
mod etag;
mod field;
mod frame;
mod gather;
mod tag;
mod vlan;
mod vntag;

pub use edit::{EditError, FrameMut};
pub use etag::{ETag, ETagReserved, ETagView, EcidBase, Group, Pcp};
pub use field::OutOfRange;
pub use frame::{Frame, Inner, Vlans, VnTagView, hidden_tag};
pub use gather::{Gather, Head, Truncated};
pub use tag::Tag;
pub use vlan::{MAX_VLAN_TAGS, VlanTag};
pub use vntag::{Direction, Dvif, Svif, Version, VnTag};

/// Octets of the two addresses, and so where a frame's EtherType stands.
pub const ETHERTYPE_AT: usize = 12;

/// EtherType values this project reads or writes.
///
/// ```
/// use vntag::{Frame, ethertype};
///
/// let mut octets = [0; 60];
/// octets[12..14].copy_from_slice(&ethertype::LLDP.to_be_bytes());
/// assert_eq!(Frame::new(&octets)?.ethertype(), ethertype::LLDP);
/// # Ok::<(), vntag::Truncated>(())
/// ```
pub mod ethertype {
    /// VNTag (Wireshark packet-vntag.c).
    pub const VNTAG: u16 = 0x8926;
    /// E-TAG (IEEE 802.1BR).
    pub const ETAG: u16 = 0x893F;
    /// IEEE 802.1Q customer tag.
    pub const VLAN: u16 = 0x8100;
    /// IEEE 802.1ad service tag.
    pub const SERVICE_VLAN: u16 = 0x88A8;
    /// ECP as ratified in IEEE 802.1Qbg, which carries VIC.
    pub const ECP: u16 = 0x8940;
    /// LLDP (IEEE 802.1AB).
    pub const LLDP: u16 = 0x88CC;
}
