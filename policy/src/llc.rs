//! Frames of IEEE 802.3, that say their length where others say their EtherType.

/// Below this an EtherType is a length (IEEE 802.3 clause 3.2.6).
pub(crate) const FIRST_ETHERTYPE: u16 = 0x0600;
/// Octets of the header that [`ethertype`] looks behind.
pub(crate) const SNAP_LEN: usize = 8;

/// The EtherType at the end of an RFC 1042 header, or of the same for bridges (IEEE 802.1H). `None`: `behind` the length is
/// another header.
#[cold]
pub(crate) const fn ethertype(behind: &[u8]) -> Option<u16> {
    match *behind {
        [0xAA, 0xAA, 0x03, 0, 0, 0 | 0xF8, high, low, ..] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}
