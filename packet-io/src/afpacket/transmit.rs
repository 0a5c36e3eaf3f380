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
use super::xdp::{Lost, XdpTransmit};
use crate::offload::VIRTIO_HEADER;
use crate::{BURST, Refusal, Transmit, TxFrame};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::{io, mem};

/// Pieces one call has room for: a virtio header and three parts for each of 64 frames, or fewer frames of more
/// pieces, but always one of the most there may be.
const PIECES: usize = (1 + 3) * BURST;
/// How often a full device is asked again before a frame is given up.
const RETRIES: usize = 2;

pub(super) struct PacketTransmit {
    /// The cheapest way, for complete frames, where the kernel grants it.
    complete: Option<Box<XdpTransmit>>,
    /// The receiving half's too.
    socket: PacketSocket,
    /// Frames go past the queueing discipline, where the kernel drops what it would have to segment; oversized ones
    /// go through it, where the kernel segments what the device cannot.
    bypass: bool,
    virtio: bool,
    /// The device's.
    index: u32,
    call: Box<Call>,
}

/// The arguments of one `sendmmsg`.
struct Call {
    headers: [[u8; VIRTIO_HEADER]; BURST],
    pieces: [libc::iovec; PIECES],
    messages: [libc::mmsghdr; BURST],
}

// SAFETY: the pointers inside are written by `send_run` before each use, and never read after it.
unsafe impl Send for Call {}

impl PacketTransmit {
    /// `socket` has a queueing discipline before the device.
    pub(super) fn new(
        complete: Option<Box<XdpTransmit>>,
        socket: PacketSocket,
        virtio: bool,
        index: u32,
    ) -> Self {
        // SAFETY: all zero is a valid value of these plain structures: null pointers, lengths of 0.
        let call = unsafe { Box::<Call>::new_zeroed().assume_init() };
        Self {
            complete,
            socket,
            bypass: false,
            virtio,
            index,
            call,
        }
    }
}

impl Transmit for PacketTransmit {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        // The kernel says the same of a device that has no room and of one that has no link.
        let (socket, index) = (&self.socket, self.index);
        let mut has_link = None;
        let mut refused = |frame, why| {
            let no_link = why == Refusal::Full
                && !*has_link.get_or_insert_with(|| socket.has_link(index).unwrap_or(true));
            refused(frame, if no_link { Refusal::Down } else { why });
        };
        // One socket for all, so that no frame of a flow overtakes another one of this burst.
        if let Some(xdp) = &mut self.complete
            && frames.iter().all(|frame| xdp.takes(frame))
        {
            if let Err(Lost) = xdp.send(frames, &mut refused) {
                self.complete = None;
            }
            return;
        }
        let bypass = !frames.iter().any(is_oversized);
        // Where it cannot be set, frames pass the queueing discipline: dearer, and no frame is lost by it.
        if bypass != self.bypass && socket.set_qdisc_bypass(bypass).is_ok() {
            self.bypass = bypass;
        }
        let mut first = 0;
        while let Some(left @ [_, ..]) = frames.get(first..) {
            let count = self.call.fill(left, self.virtio);
            if count == 0 {
                refused(first, Refusal::TooBig);
            }
            self.call
                .send(self.socket.as_fd(), count, &mut |index, why| {
                    refused(first + index, why);
                });
            first += count.max(1);
        }
    }
}

fn is_oversized(frame: &TxFrame<'_>) -> bool {
    frame.offload.segmentation.is_some()
}

impl Call {
    /// Points the messages at the first of `frames`, as many as there is room for; returns how many. None if the
    /// first has more pieces than a frame may have.
    #[inline]
    fn fill(&mut self, frames: &[TxFrame<'_>], virtio: bool) -> usize {
        let places = self.headers.iter_mut().zip(&mut self.messages);
        let mut room = self.pieces.as_mut_slice();
        let mut filled = 0;
        for (frame, (header, message)) in frames.iter().zip(places) {
            let most = 1 + frame.parts.len() + frame.more.len();
            let Some((space, rest)) = mem::take(&mut room).split_at_mut_checked(most) else {
                break;
            };
            let mut count = 0;
            let mut add = |bytes: &[u8]| {
                if !bytes.is_empty()
                    && let Some(piece) = space.get_mut(count)
                {
                    piece.iov_base = bytes.as_ptr().cast_mut().cast();
                    piece.iov_len = bytes.len();
                    count += 1;
                }
            };
            if virtio {
                *header = frame.offload.to_virtio();
                add(&*header);
            }
            frame.pieces().for_each(&mut add);
            message.msg_hdr.msg_iov = space.as_mut_ptr();
            message.msg_hdr.msg_iovlen = count;
            room = rest;
            filled += 1;
        }
        filled
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
            // SAFETY: each message points at as many pieces as it says, and each piece at a live header
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
