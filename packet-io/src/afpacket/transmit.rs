//! The sending half: up to 64 frames in one system call.
//!
//! A TPACKET send ring was measured beside this (veth, 64 and 1514 octets, core time for each frame): no
//! gain, since what costs is the kernel's path of each frame; and it would copy twice, into the ring and out of it.
//! The virtio header in front costs nothing that shows.
#![expect(
    unsafe_code,
    reason = "sendmmsg takes arrays of raw pointers, kept from call to call"
)]

use super::socket::PacketSocket;
use crate::offload::VIRTIO_HEADER;
use crate::{BURST, Refusal, Transmit, TxFrame};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// A virtio header and three parts.
const PARTS: usize = 4;
/// How often a full device is asked again before a frame is given up.
const RETRIES: usize = 2;

pub(super) struct PacketTransmit {
    /// Past the queueing discipline, where the kernel drops what it would have to segment.
    whole: PacketSocket,
    /// Through it, where the kernel segments what the device cannot.
    oversized: PacketSocket,
    virtio: bool,
    call: Box<Call>,
}

/// The arguments of one `sendmmsg`.
struct Call {
    headers: [[u8; VIRTIO_HEADER]; BURST],
    parts: [[libc::iovec; PARTS]; BURST],
    messages: [libc::mmsghdr; BURST],
}

// SAFETY: the pointers inside are written by `send_run` before each use, and never read after it.
unsafe impl Send for Call {}

impl PacketTransmit {
    pub(super) fn new(whole: PacketSocket, oversized: PacketSocket, virtio: bool) -> Self {
        // SAFETY: all zero is a valid value of these plain structures: null pointers, lengths of 0.
        let call = unsafe { Box::<Call>::new_zeroed().assume_init() };
        Self {
            whole,
            oversized,
            virtio,
            call,
        }
    }
}

impl Transmit for PacketTransmit {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        let mut sent = 0;
        // Runs of frames for the same socket; mostly one.
        for run in frames.chunk_by(|a, b| is_oversized(a) == is_oversized(b)) {
            let socket = match run.first() {
                Some(frame) if is_oversized(frame) => &self.oversized,
                _ => &self.whole,
            };
            for chunk in run.chunks(BURST) {
                let first = sent;
                let count = self.call.fill(chunk, self.virtio);
                self.call.send(socket.as_fd(), count, &mut |index, why| {
                    refused(first + index, why);
                });
                sent += chunk.len();
            }
        }
    }
}

fn is_oversized(frame: &TxFrame<'_>) -> bool {
    frame.offload.segmentation.is_some()
}

impl Call {
    /// Points the messages at `frames`, 64 at most; returns how many.
    #[inline]
    fn fill(&mut self, frames: &[TxFrame<'_>], virtio: bool) -> usize {
        let places = self
            .headers
            .iter_mut()
            .zip(&mut self.parts)
            .zip(&mut self.messages);
        for (frame, ((header, parts), message)) in frames.iter().zip(places) {
            let mut count = 0;
            let mut add = |bytes: &[u8]| {
                if let Some(part) = parts.get_mut(count)
                    && !bytes.is_empty()
                {
                    part.iov_base = bytes.as_ptr().cast_mut().cast();
                    part.iov_len = bytes.len();
                    count += 1;
                }
            };
            if virtio {
                *header = frame.offload.to_virtio();
                add(&*header);
            }
            frame.parts.iter().for_each(|part| add(part));
            message.msg_hdr.msg_iov = parts.as_mut_ptr();
            message.msg_hdr.msg_iovlen = count;
        }
        frames.len().min(BURST)
    }

    /// Sends the first `count` messages. The kernel stops at the first it refuses, and is then called
    /// again for those behind it.
    fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        count: usize,
        refused: &mut dyn FnMut(usize, Refusal),
    ) {
        let mut next = 0;
        let mut retries = RETRIES;
        while let Some(messages @ [_, ..]) = self.messages.get_mut(next..count) {
            // SAFETY: each message points at as many parts as it says, and each part at a live header
            // or slice of the frames that `fill` was given in the same call of `Transmit::send`; the
            // kernel only reads them, and writes the length sent into each message.
            let result = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    messages.as_mut_ptr(),
                    messages.len() as u32,
                    libc::MSG_DONTWAIT,
                )
            };
            if result > 0 {
                next += result as usize;
                continue;
            }
            let why = match io::Error::last_os_error().raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::ENOBUFS | libc::EAGAIN) if retries > 0 => {
                    retries -= 1;
                    continue;
                }
                Some(libc::ENOBUFS | libc::EAGAIN) => Refusal::Full,
                Some(libc::EMSGSIZE) => Refusal::TooBig,
                Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV) => {
                    (next..count).for_each(|index| refused(index, Refusal::Down));
                    return;
                }
                _ => Refusal::Error,
            };
            refused(next, why);
            next += 1;
        }
    }
}
