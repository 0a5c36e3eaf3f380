//! The port trait: what every way of moving frames looks like to a worker.
//!
//! Life of a burst: [`Receive::receive`] lends up to [`BURST`] frames; the worker decides; one or more
//! [`Transmit::send`] hand gathers of fresh header octets and slices of the lent frames to devices; the
//! next `receive` takes the lent buffers back. Nothing is allocated and no lock is taken on the way.

use arrayvec::ArrayVec;
use niv::VlanTag;
use std::fmt;
use std::os::fd::BorrowedFd;

/// Frames in one burst, at most (design.md section 4.3).
pub const BURST: usize = 64;

/// One device queue.
pub struct Port {
    /// The receiving half.
    pub rx: Box<dyn Receive>,
    /// The sending half.
    pub tx: Box<dyn Transmit>,
    /// What was obtained from the device.
    pub capabilities: Capabilities,
}

/// What a port turned out to be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The I/O mode obtained, as `show interface` prints it: `af_packet`, `tap`, `memory`.
    pub mode: &'static str,
    /// The largest payload behind the 14 octets of Ethernet header, as the device states it.
    pub mtu: u32,
    /// Frames may be received, and may be sent, with an unfinished checksum or oversized.
    pub offload: bool,
    /// The longest frame that may be sent whole with a trailer ([`crate::long`]), the trailer included; 0: none.
    pub long: u32,
}

/// A received frame, lent until the next [`Receive::receive`] of the same port.
#[derive(Clone, Copy, Debug)]
pub struct RxFrame<'a> {
    /// The frame as the device handed it over, without FCS. An outer VLAN tag that the kernel took out
    /// stands in `vlan` and not here.
    pub bytes: &'a [u8],
    /// The outer VLAN tag the kernel moved into metadata; it belongs at octet 12.
    pub vlan: Option<VlanTag>,
    /// Work the sender left undone.
    pub offload: Offload,
    /// Octets the frame had before it was cut short; equal to `bytes.len()` for a whole frame.
    pub original_length: u32,
}

/// Work left to whoever puts the frame on a wire. Offsets count from octet 0 of the frame they travel
/// with, and move with every octet inserted before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// A checksum still to be filled in.
    pub checksum: Option<Checksum>,
    /// The frame is oversized and stands for several.
    pub segmentation: Option<Segmentation>,
}

impl Offload {
    /// The frame is complete.
    pub const NONE: Self = Self {
        checksum: None,
        segmentation: None,
    };

    /// The same, for the frame with `inserted` octets more (or, negative, fewer) before the network
    /// header.
    pub fn shifted(self, inserted: i16) -> Self {
        Self {
            checksum: self.checksum.map(|c| Checksum {
                start: c.start.wrapping_add_signed(inserted),
                ..c
            }),
            ..self
        }
    }

    /// Nothing is left to do.
    #[inline]
    pub const fn is_none(&self) -> bool {
        self.checksum.is_none() && self.segmentation.is_none()
    }
}

/// Sum from `start` to the end of the frame; store at `start + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// Where the transport header starts.
    pub start: u16,
    /// Where in the transport header the checksum stands.
    pub offset: u16,
}

/// How to cut an oversized frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// By which protocol's rules.
    pub kind: SegmentationKind,
    /// Payload octets in each segment but the last.
    pub size: u16,
    /// The TCP segments carry ECN CWR on the first only (`VIRTIO_NET_HDR_GSO_ECN`).
    pub ecn: bool,
}

/// The segmentation rules in use (virtio 1.2 section 5.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentationKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over either, datagram by datagram.
    Udp,
}

/// A frame to send: its octets are the parts in order, then those of `more`.
#[derive(Clone, Copy, Debug)]
pub struct TxFrame<'a> {
    /// Fresh header octets (22 at most for push, pop and rewrite), then slices of received frames.
    pub parts: [&'a [u8]; 3],
    /// What follows the parts: the payloads of several received frames, [`BURST`] at most. Nearly always empty.
    pub more: &'a [&'a [u8]],
    /// Work left undone; only to ports whose [`Capabilities::offload`] says so.
    pub offload: Offload,
}

impl<'a> TxFrame<'a> {
    /// A frame that lies in one piece and is complete.
    pub const fn whole(bytes: &'a [u8]) -> Self {
        Self {
            parts: [bytes, &[], &[]],
            more: &[],
            offload: Offload::NONE,
        }
    }

    /// Its octets, piece by piece; pieces may be empty.
    pub fn pieces(&self) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.parts.into_iter().chain(self.more.iter().copied())
    }

    /// Octets in all.
    pub fn len(&self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
    }

    /// No octets at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The receiving half of a port.
pub trait Receive: Send {
    /// Takes back what was lent before, then lends frames until there are no more or `burst` is full.
    /// Never blocks. An empty burst means nothing is waiting.
    ///
    /// # Errors
    /// The device is down or gone. The port stays usable: a device that comes up again delivers again.
    fn receive<'a>(&'a mut self, burst: &mut ArrayVec<RxFrame<'a>, BURST>)
    -> Result<(), PortError>;

    /// Readable when frames may be waiting. `None`: ask by calling `receive`.
    fn readiness(&self) -> Option<BorrowedFd<'_>>;

    /// The kernel's own account of this queue since it was opened. A system call: not per burst.
    fn stats(&mut self) -> RxStats;
}

/// What the kernel says about a receiving queue, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxStats {
    /// Buffers the kernel put into the queue: an oversized frame is one.
    pub buffers: u64,
    /// Buffers it had no room for.
    pub dropped: u64,
}

/// The sending half of a port.
pub trait Transmit: Send {
    /// Hands `frames` to the device in order, without blocking. `refused` is called with the index of
    /// each frame the device did not take; all others were taken.
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal));
}

/// Why a device did not take a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No room, now.
    Full,
    /// Longer than the device takes.
    TooBig,
    /// No link, or no device.
    Down,
    /// Anything else.
    Error,
}

impl From<Refusal> for niv::DropReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::TxFull,
            Refusal::TooBig => Self::MtuExceeded,
            Refusal::Down => Self::PortDown,
            Refusal::Error => Self::TxError,
        }
    }
}

/// A port that cannot deliver now.
#[derive(Debug)]
pub enum PortError {
    /// The interface is administratively down.
    Down,
    /// The interface no longer exists.
    Gone,
    /// The kernel said something else.
    Io(std::io::Error),
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("the device is down"),
            Self::Gone => f.write_str("the device is gone"),
            Self::Io(_) => f.write_str("the device cannot be read"),
        }
    }
}

impl std::error::Error for PortError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
