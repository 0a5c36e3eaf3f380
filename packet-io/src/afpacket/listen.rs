//! Listening to a device: what a capture is made of. Nothing is taken away from anybody and nothing is sent.

use super::ring::{Ring, Shape};
use super::socket::{DeviceState, PacketSocket};
use super::{OpenError, RECEIVE_BUFFER, open_error};
use crate::PortError;
use niv::VlanTag;
use std::os::fd::{AsFd, BorrowedFd};

/// Slots of the largest size: what is longer, no device hands over.
const SLOTS: u32 = 128;
const SLOT_SIZE: u32 = 64 * 1024;

/// A device that is listened to.
#[derive(Debug)]
pub struct Listener {
    // Before the socket: the mapping goes first.
    ring: Ring,
    socket: PacketSocket,
    index: u32,
    lent: bool,
}

/// A frame that went by.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// From the destination address on, without FCS, and without `vlan`.
    pub bytes: &'a [u8],
    /// The outermost VLAN tag, where the kernel took it out.
    pub vlan: Option<VlanTag>,
    /// Octets the frame has, of which `bytes` may be the beginning; without `vlan`.
    pub original_length: u32,
    /// This machine sent it.
    pub outgoing: bool,
    /// When it went by: nanoseconds since 1970, by the kernel's clock.
    pub time: u64,
}

impl Listener {
    /// Begins to listen to a device of the current network namespace, up or down: to what it receives, and with
    /// `outgoing` to what the machine's own stack sends by it. What packet sockets send past the queueing discipline, and
    /// AF_XDP sockets, passes unheard: the other end of the cable hears it.
    ///
    /// # Errors
    /// See [`OpenError`]; each says what mends it.
    pub fn open(device: &str, outgoing: bool) -> Result<Self, OpenError> {
        let failed = |step: &'static str| move |source| open_error(device, step, source);
        let socket = PacketSocket::new().map_err(failed("a packet socket"))?;
        let index = socket
            .index_of(device)
            .map_err(failed("to look the interface up"))?;
        if !outgoing {
            socket
                .set_ignore_outgoing()
                .map_err(failed("PACKET_IGNORE_OUTGOING (Linux 4.20 has it)"))?;
        }
        socket.set_receive_buffer(RECEIVE_BUFFER);
        let shape = Shape::new(SLOTS, SLOT_SIZE);
        let ring = Ring::new(&socket, shape).map_err(failed("a receive ring"))?;
        socket
            .bind(index, libc::ETH_P_ALL as u16)
            .map_err(failed("to bind the socket"))?;
        Ok(Self {
            ring,
            socket,
            index,
            lent: false,
        })
    }

    /// The next frame that waits.
    ///
    /// # Errors
    /// The device is gone, or cannot be read. One that is down is silent, no more.
    pub fn hear(&mut self) -> Result<Option<Heard<'_>>, PortError> {
        if std::mem::take(&mut self.lent) {
            self.ring.give_back(1);
        }
        let (Some(slot), Some(stamp)) = (self.ring.slot(0), self.ring.stamp(0)) else {
            // A device that goes down leaves an error, which says no more than its state.
            let _ = self.socket.take_error();
            return match self.socket.device_state(self.index) {
                Ok(DeviceState::Gone) => Err(PortError::Gone),
                Ok(DeviceState::Up | DeviceState::Down) => Ok(None),
                Err(error) => Err(PortError::Io(error)),
            };
        };
        self.lent = true;
        Ok(Some(Heard {
            bytes: slot.bytes,
            vlan: slot.vlan,
            original_length: slot.original_length,
            outgoing: stamp.outgoing,
            time: stamp.time,
        }))
    }

    /// How many frames came for which there was no room, since this was asked last.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn take_missed(&self) -> std::io::Result<u32> {
        self.socket.take_statistics().map(|(_, missed)| missed)
    }

    /// Readable when frames may be waiting.
    pub fn readiness(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
