//! Complete frames, sent through an AF_XDP socket (Documentation/networking/af_xdp.rst).
//!
//! The socket sends only: no program is attached to the device, and nothing is received by it. In copy mode,
//! which every device has, a frame costs the kernel half of what it costs a packet socket (veth, 60 octets:
//! 0.6 us against 1.2).
//!
//! ```text
//!  free chunks --> filled --> transmit ring --> kernel copies, sends --> completion ring --> free chunks
//! ```

mod memory;

use crate::{BURST, Refusal, TxFrame};
use arrayvec::ArrayVec;
use memory::{Chunks, Ring};
use rustix::io::Errno;
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, XDP_PGOFF_TX_RING, XDP_UMEM_PGOFF_COMPLETION_RING, XdpDesc,
    XdpDescOptions,
};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sockopt};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Octets of a chunk, and so of the longest frame. A power of two, a page at most.
const CHUNK: u32 = 2048;
/// Frames that may be with the device at once: a burst, and one that a slow device has not finished.
const CHUNKS: u32 = 2 * BURST as u32;
/// How often a device that takes nothing is asked again before this way of sending is given up: at line rate a queue
/// moves within a few.
const RETRIES: usize = 1000;

/// The sending half of a device, for complete frames.
#[derive(Debug)]
pub(super) struct XdpTransmit {
    transmit: Ring<XdpDesc>,
    completion: Ring<u64>,
    socket: OwnedFd,
    // After the socket: the kernel reads it until that is closed.
    chunks: Chunks,
    free: ArrayVec<u32, { CHUNKS as usize }>,
    /// Descriptors the kernel took. Its own counter may lag behind: it publishes it when a frame was sent, and not
    /// when the device dropped one.
    taken: u32,
    longest: usize,
}

/// The device takes nothing, and the kernel knows of descriptors that it must not send later: the socket has to be
/// closed.
#[derive(Debug)]
pub(super) struct Lost;

impl XdpTransmit {
    /// Opens the first queue of the device with this index, whose frames have `longest` octets at most.
    ///
    /// # Errors
    /// The kernel has no AF_XDP, or the process may not lock so much memory (`RLIMIT_MEMLOCK`), or another
    /// socket has the queue.
    pub(super) fn open(index: u32, longest: usize) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::XDP, SocketType::RAW, flags, None)?;
        let chunks = Chunks::new(CHUNK, CHUNKS)?;
        sockopt::set_xdp_umem_reg(&socket, chunks.registration())?;
        // The kernel insists on a ring for receiving buffers, and nothing is ever in it.
        sockopt::set_xdp_umem_fill_ring_size(&socket, 1)?;
        sockopt::set_xdp_umem_completion_ring_size(&socket, CHUNKS)?;
        sockopt::set_xdp_tx_ring_size(&socket, CHUNKS)?;
        let offsets = sockopt::xdp_mmap_offsets(&socket)?;
        let fd = socket.as_fd();
        let transmit = Ring::new(fd, XDP_PGOFF_TX_RING, &offsets.tx, CHUNKS)?;
        let completion = Ring::new(fd, XDP_UMEM_PGOFF_COMPLETION_RING, &offsets.cr, CHUNKS)?;
        let address = SocketAddrXdp::new(SocketAddrXdpFlags::XDP_COPY, index, 0);
        rustix::net::bind(&socket, &address)?;
        Ok(Self {
            transmit,
            completion,
            socket,
            chunks,
            free: (0..CHUNKS).collect(),
            taken: 0,
            longest: longest.min(CHUNK as usize),
        })
    }

    /// Whether a frame may be sent here: it is complete, and no longer than the device takes.
    #[inline]
    pub(super) fn takes(&self, frame: &TxFrame<'_>) -> bool {
        frame.offload.is_none() && frame.len() <= self.longest
    }

    /// As [`crate::Transmit::send`], of frames that it takes.
    ///
    /// # Errors
    /// Some were refused, and this is of no further use.
    pub(super) fn send(
        &mut self,
        frames: &[TxFrame<'_>],
        refused: &mut dyn FnMut(usize, Refusal),
    ) -> Result<(), Lost> {
        let mut next = 0;
        while let Some(left @ [_, ..]) = frames.get(next..) {
            self.take_back_completed();
            let count = self.fill(left);
            if count == 0 {
                // The device has not finished what it has.
                (next..frames.len()).for_each(|index| refused(index, Refusal::Full));
                return Ok(());
            }
            match self.push(count, &mut |index, why| refused(next + index, why)) {
                Pushed::All => next += count,
                Pushed::Nothing(why) => {
                    (next..frames.len()).for_each(|index| refused(index, why));
                    return Ok(());
                }
                Pushed::Some(why) => {
                    (next + count..frames.len()).for_each(|index| refused(index, why));
                    return Err(Lost);
                }
            }
        }
        Ok(())
    }

    fn take_back_completed(&mut self) {
        while let Some(address) = self.completion.take() {
            // The kernel gives back what it was given: there is always room.
            let _ = self.free.try_push((address / u64::from(CHUNK)) as u32);
        }
    }

    /// Puts the first of `frames` into the transmit ring, as many as there are chunks for; returns how many. The ring
    /// is empty before, and has a place for each chunk.
    fn fill(&mut self, frames: &[TxFrame<'_>]) -> usize {
        let mut count = 0;
        for frame in frames {
            let Some(chunk) = self.free.pop() else { break };
            let length = self.chunks.fill(chunk, frame.pieces());
            self.transmit.put(XdpDesc {
                addr: u64::from(chunk) * u64::from(CHUNK),
                len: length as u32,
                options: XdpDescOptions::empty(),
            });
            count += 1;
        }
        count
    }

    /// Has the kernel send the `count` descriptors in the ring.
    fn push(&mut self, count: usize, refused: &mut dyn FnMut(usize, Refusal)) -> Pushed {
        let end = self.transmit.publish();
        let mut called = 0;
        let mut retries = RETRIES;
        loop {
            let result = rustix::net::send(&self.socket, &[], SendFlags::DONTWAIT);
            called += 1;
            let before = self.taken;
            let published = self.transmit.taken();
            if end.wrapping_sub(published) < end.wrapping_sub(before) {
                self.taken = published;
            }
            let why = match result {
                // The kernel sends 32 at a time and says "again" when there are more.
                Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => Refusal::Full,
                Err(Errno::BUSY) => {
                    // It took a frame that the device then dropped, and stopped there.
                    if self.taken == before {
                        self.taken = before.wrapping_add(1);
                    }
                    let left = end.wrapping_sub(self.taken) as usize;
                    if let Some(index) = count.checked_sub(left + 1) {
                        refused(index, Refusal::Full);
                    }
                    Refusal::Full
                }
                // It has not even looked: what it never saw can be taken back.
                Err(Errno::NETDOWN) if called == 1 => {
                    for descriptor in self.transmit.take_back(count as u32) {
                        let _ = self
                            .free
                            .try_push((descriptor.addr / u64::from(CHUNK)) as u32);
                    }
                    return Pushed::Nothing(Refusal::Down);
                }
                Err(Errno::NETDOWN | Errno::NXIO | Errno::NODEV) => {
                    retries = 0;
                    Refusal::Down
                }
                Err(_) => {
                    retries = 0;
                    Refusal::Error
                }
            };
            let left = end.wrapping_sub(self.taken) as usize;
            if left == 0 {
                return Pushed::All;
            }
            if self.taken != before {
                continue;
            }
            if retries == 0 {
                (count.saturating_sub(left)..count).for_each(|index| refused(index, why));
                return Pushed::Some(why);
            }
            retries -= 1;
        }
    }
}

/// What the kernel took of the descriptors in the ring.
enum Pushed {
    All,
    /// And what is left was refused, but the kernel knows of it.
    Some(Refusal),
    /// And the ring is as it was.
    Nothing(Refusal),
}
