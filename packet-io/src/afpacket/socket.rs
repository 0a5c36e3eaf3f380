//! Packet sockets: the system calls no library wraps.
#![expect(
    unsafe_code,
    reason = "options and addresses of packet sockets have no safe wrapper"
)]

use crate::interface;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A packet socket, raw: it sees frames from their first octet on.
#[derive(Debug)]
pub(crate) struct PacketSocket(OwnedFd);

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What became of a device that a socket was bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceState {
    Up,
    Down,
    Gone,
}

impl PacketSocket {
    /// A socket that receives nothing yet.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(Self(socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            flags,
            None,
        )?))
    }

    pub(crate) fn index_of(&self, device: &str) -> io::Result<u32> {
        Ok(netdevice::name_to_index(&self.0, device)?)
    }

    /// Frames this machine sends by the device are not received.
    pub(crate) fn set_ignore_outgoing(&self) -> io::Result<()> {
        self.set(libc::PACKET_IGNORE_OUTGOING, &1i32)
    }

    /// Frames that are for neither this machine nor a group of it are not received: what is behind a VLAN tag, in a socket
    /// bound to one EtherType, is among them.
    pub(crate) fn refuse_frames_for_others(&self) -> io::Result<()> {
        const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
        const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
        let packet_type = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;
        let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
        let mut filter = [
            step(LOAD_BYTE, 0, packet_type),
            step(JUMP_IF_EQUAL, 1, u32::from(libc::PACKET_OTHERHOST)),
            step(RETURN, 0, 0),
            step(RETURN, 0, u32::MAX),
        ];
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        self.set_at(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// A virtio-net header stands before each frame, both ways.
    pub(crate) fn set_virtio_header(&self, on: bool) -> io::Result<()> {
        self.set(libc::PACKET_VNET_HDR, &i32::from(on))
    }

    /// Frames too long for a slot are put into the socket's queue as well, whole.
    pub(crate) fn set_copy_long_frames(&self) -> io::Result<()> {
        // Any number but 0 means yes.
        self.set(libc::PACKET_COPY_THRESH, &1i32)
    }

    /// Whether frames go to the device without queueing discipline. At any time.
    pub(crate) fn set_qdisc_bypass(&self, on: bool) -> io::Result<()> {
        self.set(libc::PACKET_QDISC_BYPASS, &i32::from(on))
    }

    /// Another holder of the same socket.
    pub(crate) fn share(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// As large as the kernel allows: with CAP_NET_ADMIN beyond its limit, else up to it.
    pub(crate) fn set_receive_buffer(&self, octets: usize) {
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&self.0, octets).is_err() {
            // The kernel cuts the request down to its limit; there is nothing to be done about less.
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&self.0, octets);
        }
    }

    /// As large as the kernel allows.
    pub(crate) fn set_send_buffer(&self, octets: usize) {
        let forced = octets as i32;
        if self
            .set_at(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &forced)
            .is_err()
        {
            // As above.
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(&self.0, octets);
        }
    }

    /// Makes the receive ring that `request` describes.
    pub(crate) fn set_receive_ring(&self, request: &libc::tpacket_req) -> io::Result<()> {
        let version = libc::tpacket_versions::TPACKET_V2 as i32;
        self.set(libc::PACKET_VERSION, &version)?;
        self.set(libc::PACKET_RX_RING, request)
    }

    /// Buffers received and buffers dropped since the last call.
    pub(crate) fn take_statistics(&self) -> io::Result<(u32, u32)> {
        let mut statistics = libc::tpacket_stats {
            tp_packets: 0,
            tp_drops: 0,
        };
        let mut length = size_of::<libc::tpacket_stats>() as libc::socklen_t;
        // SAFETY: both pointers are to live, writable values, and `length` is the size of the first.
        let result = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut length,
            )
        };
        check(result)?;
        // The kernel's first figure includes its second.
        let received = statistics.tp_packets.wrapping_sub(statistics.tp_drops);
        Ok((received, statistics.tp_drops))
    }

    /// Binds to one device. Protocol 0 receives nothing.
    pub(crate) fn bind(&self, index: u32, protocol: u16) -> io::Result<()> {
        // SAFETY: all zero is a valid value of this plain structure.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = index as i32;
        // SAFETY: the pointer is to a live value of the length given.
        check(unsafe {
            libc::bind(
                self.0.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        })
    }

    /// Whether the device is there and up, in the namespace the socket was made in.
    pub(crate) fn device_state(&self, index: u32) -> io::Result<DeviceState> {
        let name = match netdevice::index_to_name(&self.0, index) {
            Ok(name) => name,
            Err(rustix::io::Errno::NODEV | rustix::io::Errno::NXIO) => {
                return Ok(DeviceState::Gone);
            }
            Err(other) => return Err(other.into()),
        };
        match interface::is_up(&self.0, &name) {
            Ok(true) => Ok(DeviceState::Up),
            Ok(false) => Ok(DeviceState::Down),
            // It went between the two questions.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(DeviceState::Gone),
            Err(error) => Err(error),
        }
    }

    /// Whether there is something at the device's other end.
    pub(crate) fn has_link(&self, index: u32) -> io::Result<bool> {
        let name = netdevice::index_to_name(&self.0, index)?;
        interface::has_carrier(&self.0, &name)
    }

    /// The error the kernel left on the socket, taking it away.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        rustix::net::sockopt::socket_error(&self.0)??;
        Ok(())
    }

    fn set<T: Copy>(&self, option: i32, value: &T) -> io::Result<()> {
        self.set_at(libc::SOL_PACKET, option, value)
    }

    fn set_at<T: Copy>(&self, level: i32, option: i32, value: &T) -> io::Result<()> {
        // SAFETY: the pointer is to a live value of the length given, which the kernel only reads.
        check(unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                level,
                option,
                (&raw const *value).cast(),
                size_of::<T>() as libc::socklen_t,
            )
        })
    }
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
