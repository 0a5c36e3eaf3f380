//! How targets read their input: octets taken from the front, and received frames among them.

use niv::VlanTag;
use packet_io::offload::VIRTIO_HEADER;
use packet_io::{Offload, RxFrame};

/// What is left of an input.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// The next octet; `None` at the end.
    pub(crate) fn octet(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// The next two octets, most significant first.
    pub(crate) fn word(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next `N` octets.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (&first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(first)
    }

    /// The next `length` octets, or all there are.
    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (first, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        first
    }
}

/// A frame as a device lends it.
///
/// ```text
///   octet  0      flags: 1 a VLAN tag in metadata, 2 a virtio-net header, 4 cut short, 8 filled up
///          1..2   length of the octets that follow last
///          then   as the flags say: tag (4), header (10), octets that were cut off (2), octets of
///                 0x5A to fill it up with (2)
///          then   the frame
/// ```
pub(crate) struct Received {
    bytes: Vec<u8>,
    vlan: Option<VlanTag>,
    offload: Offload,
    cut: u16,
}

impl Received {
    /// `None` at the end of the input.
    pub(crate) fn read(input: &mut Input<'_>) -> Option<Self> {
        let flags = input.octet()?;
        let length = input.word()?;
        let vlan = match flags & 1 {
            0 => None,
            _ => input.array().map(|[a, b, c, d]| VlanTag {
                tpid: u16::from_be_bytes([a, b]),
                tci: u16::from_be_bytes([c, d]),
            }),
        };
        let offload = match flags & 2 {
            0 => Offload::NONE,
            _ => input
                .array::<VIRTIO_HEADER>()
                .map_or(Offload::NONE, |header| Offload::from_virtio(&header)),
        };
        let cut = if flags & 4 == 0 { 0 } else { input.word()? };
        let fill = if flags & 8 == 0 { 0 } else { input.word()? };
        let mut bytes = input.take(usize::from(length)).to_vec();
        bytes.resize(bytes.len() + usize::from(fill), 0x5A);
        Some(Self {
            bytes,
            vlan,
            offload,
            cut,
        })
    }

    pub(crate) fn frame(&self) -> RxFrame<'_> {
        RxFrame {
            bytes: &self.bytes,
            vlan: self.vlan,
            offload: self.offload,
            original_length: self.bytes.len() as u32 + u32::from(self.cut),
        }
    }
}
