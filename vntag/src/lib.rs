//! VNTag and IEEE 802.1BR E-TAG: the bits, and nothing else.
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
