//! The memory-mapped receive ring (Documentation/networking/packet_mmap.rst, TPACKET_V2).
//!
//! ```text
//!  slot  0            32         tp_mac-10   tp_mac                tp_mac+tp_snaplen
//!       +------------+----------+-----------+---------------------+------+
//!       | tpacket2   | address  | virtio    | frame               |      |
//!       +------------+----------+-----------+---------------------+------+
//! ```
#![expect(
    unsafe_code,
    reason = "the ring is memory shared with the kernel, handed back and forth by a word in each slot"
)]

use super::socket::PacketSocket;
use crate::offload::VIRTIO_HEADER;
use niv::VlanTag;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Slots of one ring, laid out without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) slots: u32,
    /// A power of two.
    pub(crate) slot_size: u32,
    block_size: u32,
}

impl Shape {
    /// At least `slots` slots of `slot_size` octets, a power of two.
    pub(crate) fn new(slots: u32, slot_size: u32) -> Self {
        // Blocks are what the kernel allocates at once; 64 KiB is easily had.
        let block_size = slot_size.max(64 * 1024);
        let per_block = block_size / slot_size;
        Self {
            slots: slots.div_ceil(per_block) * per_block,
            slot_size,
            block_size,
        }
    }

    fn octets(self) -> usize {
        self.slots as usize * self.slot_size as usize
    }
}

/// A frame in a slot that the kernel has handed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot<'a> {
    pub(crate) bytes: &'a [u8],
    /// Octets the frame has, of which `bytes` may be the beginning.
    pub(crate) original_length: u32,
    /// The header before the frame; only meaningful where virtio headers were asked for.
    pub(crate) virtio: &'a [u8; VIRTIO_HEADER],
    pub(crate) vlan: Option<VlanTag>,
    /// The whole frame is also the next in the socket's queue.
    pub(crate) queued: bool,
}

/// What else the kernel says of a frame in a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// This machine sent it.
    pub(crate) outgoing: bool,
}

/// The ring. Slots are taken in order, and given back in order.
#[derive(Debug)]
pub(crate) struct Ring {
    memory: NonNull<u8>,
    shape: Shape,
    /// The oldest slot not given back.
    first: u32,
}

// SAFETY: the mapping belongs to this value alone, and nothing about it is tied to a thread.
unsafe impl Send for Ring {}

impl Ring {
    /// Makes the ring of `socket` and maps it.
    pub(crate) fn new(socket: &PacketSocket, shape: Shape) -> io::Result<Self> {
        socket.set_receive_ring(&libc::tpacket_req {
            tp_block_size: shape.block_size,
            tp_block_nr: (shape.octets() / shape.block_size as usize) as u32,
            tp_frame_size: shape.slot_size,
            tp_frame_nr: shape.slots,
        })?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
        let memory = unsafe {
            mmap(
                std::ptr::null_mut(),
                shape.octets(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
                socket.as_fd(),
                0,
            )?
        };
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            memory,
            shape,
            first: 0,
        })
    }

    /// The slot `ahead` of the oldest, if the kernel has handed it over. `ahead` is below the number of slots.
    #[inline]
    pub(crate) fn slot(&self, ahead: u32) -> Option<Slot<'_>> {
        let (status, header, slot) = self.parts(ahead)?;
        let mac = usize::from(header.tp_mac);
        let bytes = slot
            .get(mac..mac + header.tp_snaplen as usize)
            .unwrap_or_default();
        let virtio = slot
            .get(..mac)
            .and_then(|before| before.last_chunk())
            .unwrap_or(&[0; VIRTIO_HEADER]);
        let vlan = (status & libc::TP_STATUS_VLAN_VALID != 0).then_some(VlanTag {
            tpid: if status & libc::TP_STATUS_VLAN_TPID_VALID != 0 {
                header.tp_vlan_tpid
            } else {
                libc::ETH_P_8021Q as u16
            },
            tci: header.tp_vlan_tci,
        });
        Some(Slot {
            bytes,
            original_length: header.tp_len,
            virtio,
            vlan,
            queued: status & libc::TP_STATUS_COPY != 0,
        })
    }

    /// When the frame in the slot `ahead` of the oldest went by, and which way, if the kernel has handed it over.
    pub(crate) fn stamp(&self, ahead: u32) -> Option<Stamp> {
        /// Of `sll_pkttype` in a slot: behind the header, which is aligned, in a `sockaddr_ll`.
        const PACKET_TYPE: usize = size_of::<libc::tpacket2_hdr>()
            .next_multiple_of(libc::TPACKET_ALIGNMENT)
            + std::mem::offset_of!(libc::sockaddr_ll, sll_pkttype);
        let (_, header, slot) = self.parts(ahead)?;
        let (seconds, nanoseconds) = (u64::from(header.tp_sec), u64::from(header.tp_nsec));
        Some(Stamp {
            time: seconds * 1_000_000_000 + nanoseconds,
            outgoing: slot.get(PACKET_TYPE) == Some(&libc::PACKET_OUTGOING),
        })
    }

    /// The status, the header and all of the slot `ahead` of the oldest, if the kernel has handed it over.
    #[inline]
    fn parts(&self, ahead: u32) -> Option<(u32, &libc::tpacket2_hdr, &[u8])> {
        let status = self.status(ahead).load(Ordering::Acquire);
        if status & libc::TP_STATUS_USER == 0 {
            return None;
        }
        let size = self.shape.slot_size as usize;
        let start = self.start(ahead);
        // SAFETY: the slot lies inside the mapping (see `start`). The kernel set TP_STATUS_USER, and the
        // load above acquired what it wrote before: until `give_back`, which needs `&mut self` and so
        // ends every borrow made here, it writes to this slot no more. The header stands at the slot's
        // start, which is aligned to more than it needs.
        let (header, slot) = unsafe {
            (
                start.cast::<libc::tpacket2_hdr>().as_ref(),
                std::slice::from_raw_parts(start.as_ptr(), size),
            )
        };
        Some((status, header, slot))
    }

    /// Gives the oldest `count` slots back to the kernel.
    #[inline]
    pub(crate) fn give_back(&mut self, count: u32) {
        for ahead in 0..count {
            self.status(ahead)
                .store(libc::TP_STATUS_KERNEL, Ordering::Release);
        }
        self.first = self.index(count);
    }

    fn index(&self, ahead: u32) -> u32 {
        let index = self.first + ahead;
        if index >= self.shape.slots {
            index - self.shape.slots
        } else {
            index
        }
    }

    fn start(&self, ahead: u32) -> NonNull<u8> {
        // `first` is below the number of slots, and so is the remainder.
        let index = self.index(ahead) % self.shape.slots;
        let offset = index as usize * self.shape.slot_size as usize;
        // SAFETY: the offset of a slot whose index is below `slots` lies inside the mapping.
        unsafe { self.memory.add(offset) }
    }

    fn status(&self, ahead: u32) -> &AtomicU32 {
        let start = self.start(ahead);
        // SAFETY: a slot's first word is its status; it is aligned, inside the mapping, which lives as
        // long as `self`, and both sides touch it with atomic accesses only.
        unsafe { start.cast::<AtomicU32>().as_ref() }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new` with this length; no borrow of it outlives `self`.
        let _ = unsafe { munmap(self.memory.as_ptr().cast(), self.shape.octets()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_filled_with_slots() {
        for (slots, slot_size) in [(1, 512), (128, 2048), (1000, 2048), (130, 65536)] {
            let shape = Shape::new(slots, slot_size);
            assert!(shape.slots >= slots);
            assert_eq!(shape.octets() % shape.block_size as usize, 0);
            assert_eq!(shape.block_size % 4096, 0);
        }
    }
}
