//! The two halves of a TAP's port.

use crate::offload::VIRTIO_HEADER;
use crate::{BURST, Offload, PortError, Receive, Refusal, RxFrame, RxStats, Transmit, TxFrame};
use arrayvec::ArrayVec;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// The longest frame a guest can make: 64 KiB of IP, an Ethernet header, tags; with its virtio header. A read with
/// less room would cut it without a word.
const LONGEST: usize = VIRTIO_HEADER + 64 * 1024 + 64;
/// Room for a burst of frames of common size, or four of the longest.
const ROOM: usize = 4 * LONGEST;

/// A virtio header, and what a frame is made of at most.
const PIECES: usize = 1 + 3 + BURST;

pub(super) struct TapReceive {
    file: Arc<OwnedFd>,
    /// Never grows. What was not read into takes no memory.
    room: Vec<u8>,
    stats: RxStats,
}

impl TapReceive {
    pub(super) fn new(file: Arc<OwnedFd>) -> Self {
        Self {
            file,
            room: Vec::with_capacity(ROOM),
            stats: RxStats::default(),
        }
    }
}

impl Receive for TapReceive {
    fn receive<'a>(
        &'a mut self,
        burst: &mut ArrayVec<RxFrame<'a>, BURST>,
    ) -> Result<(), PortError> {
        self.room.clear();
        let mut ends = ArrayVec::<usize, BURST>::new();
        while !ends.is_full() && self.room.capacity() - self.room.len() >= LONGEST {
            match rustix::io::read(&*self.file, spare_capacity(&mut self.room)) {
                Ok(_) => {}
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                // What was read before is delivered first; the error comes again.
                Err(_) if !ends.is_empty() => break,
                Err(Errno::BADFD) => return Err(PortError::Gone),
                Err(error) => return Err(PortError::Io(error.into())),
            }
            self.stats.buffers += 1;
            ends.push(self.room.len());
        }
        let mut begin = 0;
        for end in ends {
            let taken = self.room.get(begin..end).unwrap_or_default();
            begin = end;
            let Some((header, bytes)) = taken.split_first_chunk() else {
                continue;
            };
            burst.push(RxFrame {
                bytes,
                vlan: None,
                offload: Offload::from_virtio(header),
                original_length: bytes.len() as u32,
            });
        }
        Ok(())
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    /// What a TAP has no room for, its own device counts as dropped on transmit (`ip -s link`): `dropped` stays 0.
    fn stats(&mut self) -> RxStats {
        self.stats
    }
}

pub(super) struct TapTransmit {
    file: Arc<OwnedFd>,
}

impl TapTransmit {
    pub(super) fn new(file: Arc<OwnedFd>) -> Self {
        Self { file }
    }
}

impl Transmit for TapTransmit {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        for (index, frame) in frames.iter().enumerate() {
            let header = frame.offload.to_virtio();
            let mut pieces = ArrayVec::<_, PIECES>::new();
            pieces.push(IoSlice::new(&header));
            let parts = frame.pieces().filter(|piece| !piece.is_empty());
            pieces.extend(parts.take(PIECES - 1).map(IoSlice::new));
            let result = if frame.more.len() > BURST {
                Err(Errno::MSGSIZE)
            } else {
                rustix::io::retry_on_intr(|| rustix::io::writev(&*self.file, &pieces))
            };
            let why = match result {
                Ok(_) => continue,
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => Refusal::Full,
                Err(Errno::MSGSIZE) => Refusal::TooBig,
                Err(Errno::IO | Errno::BADFD | Errno::NETDOWN) => Refusal::Down,
                Err(_) => Refusal::Error,
            };
            refused(index, why);
        }
    }
}
