//! A socket for link control: the untagged frames of one EtherType, and nothing else.
//!
//! The kernel picks them out, so no flood of data fills this socket's queue, and it stays apart from the rings
//! (design.md section 4.12). The hook of [`crate::isolation`] lets link control pass on uplinks and NIV ports.

use crate::afpacket::{OpenError, PacketSocket, open_error};
use crate::interface;
use niv::Mac;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the kernel may queue, in octets: some thousand control frames.
const RECEIVE_BUFFER: usize = 2 << 20;

/// Frames of one EtherType, by one device.
#[derive(Debug)]
pub struct LinkSocket {
    socket: PacketSocket,
    mac: Mac,
    mtu: u32,
    sent: Arc<AtomicU64>,
}

impl LinkSocket {
    /// Opens a device of the current network namespace, up or down.
    ///
    /// # Errors
    /// No such device, no permission, or what the kernel says.
    pub fn open(device: &str, ethertype: u16) -> Result<Self, OpenError> {
        let failed = |step: &'static str| move |source| open_error(device, step, source);
        let socket = PacketSocket::new().map_err(failed("a packet socket"))?;
        let index = socket
            .index_of(device)
            .map_err(failed("to look the interface up"))?;
        let mac = interface::address(&socket, device).map_err(failed("to say its address"))?;
        let mtu = interface::mtu(&socket, device).map_err(failed("to state its MTU"))?;
        socket
            .set_ignore_outgoing()
            .map_err(failed("PACKET_IGNORE_OUTGOING (Linux 4.20 has it)"))?;
        // A frame behind a VLAN tag is shown here as one for another host; so is one to another address.
        socket
            .refuse_frames_for_others()
            .map_err(failed("a filter"))?;
        // The queueing discipline of a device without a link swallows frames and calls them sent.
        socket
            .set_qdisc_bypass(true)
            .map_err(failed("PACKET_QDISC_BYPASS"))?;
        socket.set_receive_buffer(RECEIVE_BUFFER);
        socket
            .bind(index, ethertype)
            .map_err(failed("to bind the socket"))?;
        Ok(Self {
            socket,
            mac,
            mtu,
            sent: Arc::default(),
        })
    }

    /// The device's address when it was opened.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Octets behind the Ethernet header that it took when it was opened.
    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// Takes the next frame into `room`, cut to it: returns its length. `None`: none is there.
    ///
    /// # Errors
    /// The device is down or gone, said once each time, or what the kernel says.
    pub fn receive(&self, room: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::net::recv(&self.socket, room, RecvFlags::DONTWAIT) {
            Ok((length, _)) => Ok(Some(length)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands a whole frame to the device, without waiting.
    ///
    /// # Errors
    /// It did not take it.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        rustix::net::send(&self.socket, frame, SendFlags::DONTWAIT)?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Frames the device took: counted on, for [`crate::supervise::Supervisor::count_in`].
    pub fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }
}

impl AsFd for LinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
