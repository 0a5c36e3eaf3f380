//! The receiving half.

use super::ring::{Ring, Slot};
use super::socket::{DeviceState, PacketSocket};
use crate::offload::VIRTIO_HEADER;
use crate::{BURST, Offload, PortError, Receive, RxFrame, RxStats};
use arrayvec::ArrayVec;
use rustix::net::RecvFlags;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};

/// Room for frames longer than a slot, for one burst: four of the longest common kind, and little enough
/// to stay in cache.
const LONG_FRAMES: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct PacketReceive {
    // Before the socket: the mapping goes first.
    ring: Ring,
    socket: PacketSocket,
    index: u32,
    virtio: bool,
    /// Empty until the first long frame comes: of thousands of guests many never send one.
    long: Box<[u8]>,
    /// Slots lent out.
    lent: u32,
    down: bool,
    stats: RxStats,
}

impl PacketReceive {
    pub(super) fn new(socket: PacketSocket, ring: Ring, index: u32, virtio: bool) -> Self {
        Self {
            ring,
            socket,
            index,
            virtio,
            long: Box::default(),
            lent: 0,
            down: false,
            stats: RxStats::default(),
        }
    }

    /// Nothing waits: because nothing came, or because nothing can come?
    #[cold]
    fn why_empty(&mut self) -> Result<(), PortError> {
        match self.socket.take_error() {
            Ok(()) if !self.down => return Ok(()),
            Ok(()) => {}
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENETDOWN | libc::ENODEV)) => {
                self.down = true;
            }
            Err(error) => return Err(PortError::Io(error)),
        }
        match self
            .socket
            .device_state(self.index)
            .map_err(PortError::Io)?
        {
            DeviceState::Up => {
                self.down = false;
                Ok(())
            }
            DeviceState::Down => Err(PortError::Down),
            DeviceState::Gone => Err(PortError::Gone),
        }
    }
}

impl Receive for PacketReceive {
    fn receive<'a>(
        &'a mut self,
        burst: &mut ArrayVec<RxFrame<'a>, BURST>,
    ) -> Result<(), PortError> {
        self.ring.give_back(mem::take(&mut self.lent));
        let Some(first) = self.ring.slot(0) else {
            return self.why_empty();
        };
        // A long frame further behind waits for the next burst.
        if first.queued && self.long.is_empty() {
            self.long = vec![0; LONG_FRAMES].into_boxed_slice();
        }
        self.down = false;

        let mut room = &mut *self.long;
        while !burst.is_full() {
            let Some(slot) = self.ring.slot(self.lent) else {
                break;
            };
            let frame = if slot.queued {
                let needed = slot.original_length as usize + VIRTIO_HEADER;
                if needed > room.len() && !burst.is_empty() {
                    break;
                }
                long_frame(&self.socket, self.virtio, slot, &mut room)
            } else {
                let offload = if self.virtio {
                    Offload::from_virtio(slot.virtio)
                } else {
                    Offload::NONE
                };
                RxFrame {
                    bytes: slot.bytes,
                    vlan: slot.vlan,
                    offload,
                    original_length: slot.original_length,
                }
            };
            burst.push(frame);
            self.lent += 1;
        }
        Ok(())
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn stats(&mut self) -> RxStats {
        // A device that is gone still answers this; anything else would show as no news.
        if let Ok((buffers, dropped)) = self.socket.take_statistics() {
            self.stats.buffers += u64::from(buffers);
            self.stats.dropped += u64::from(dropped);
        }
        self.stats
    }
}

/// Takes a frame from the socket's queue into `room`, which shrinks by it. The kernel queues frames in the order of
/// their slots, under one lock. If the frame is not there after all, what is in the slot has to do.
#[cold]
fn long_frame<'a>(
    socket: &PacketSocket,
    virtio: bool,
    slot: Slot<'a>,
    room: &mut &'a mut [u8],
) -> RxFrame<'a> {
    let header = if virtio { VIRTIO_HEADER } else { 0 };
    let cut = RxFrame {
        bytes: slot.bytes,
        vlan: slot.vlan,
        offload: Offload::NONE,
        original_length: slot.original_length,
    };
    let space = mem::take(room);
    let flags = RecvFlags::DONTWAIT;
    // The first call returns an error the device left behind, if there is one, and the second the frame.
    let received = rustix::net::recv(socket, &mut *space, flags)
        .or_else(|_| rustix::net::recv(socket, &mut *space, flags));
    let Ok((length, _)) = received else {
        *room = space;
        return cut;
    };
    let (taken, rest) = space.split_at_mut(length.min(space.len()));
    *room = rest;
    let taken: &'a [u8] = taken;
    let Some((before, bytes)) = taken.split_at_checked(header) else {
        return cut;
    };
    RxFrame {
        bytes,
        vlan: slot.vlan,
        offload: before
            .first_chunk()
            .map_or(Offload::NONE, Offload::from_virtio),
        original_length: slot.original_length,
    }
}
