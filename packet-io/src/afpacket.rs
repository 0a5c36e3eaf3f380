//! AF_PACKET: frames of any Ethernet device, through a memory-mapped receive ring; sent by AF_XDP or `sendmmsg`.
//!
//! The ring is TPACKET_V2: each frame is handed over when it arrives. V3 hands blocks over, which costs a
//! millisecond at low rate. Frames are read where the kernel put them, and the one copy there is, the
//! kernel makes when they are sent.
//!
//! Complete frames are sent by an AF_XDP socket that does nothing else, where the kernel grants one; all others, and
//! elsewhere all, by packet sockets.
//!
//! Frames longer than a slot (oversized ones, mostly) come whole by way of the socket's own queue.
//! Every frame comes and goes with a virtio-net header, so that unfinished checksums and oversized
//! frames pass through untouched. Frames the machine itself sends by the device are not seen, and
//! promiscuity is not set here.

mod listen;
mod receive;
mod ring;
mod socket;
mod transmit;
mod xdp;

use crate::interface;
use crate::offload::VIRTIO_HEADER;
use crate::{BURST, Capabilities, Port};
pub use listen::{Heard, Listener};
use receive::PacketReceive;
use ring::{Ring, Shape};
pub(crate) use socket::PacketSocket;
use std::io;
use transmit::PacketTransmit;
use xdp::XdpTransmit;

/// Octets a slot spends before the frame: the ring's header, the virtio header and alignment.
const SLOT_OVERHEAD: usize = 96;
const ETHERNET_HEADER: usize = 14;
/// Tags that may come on top of the MTU in a slot of the default size.
const TAGS: usize = ETHERNET_HEADER + 6 + 4 * 4;
/// Slots do not grow beyond this by themselves: what is longer comes by the socket's queue.
const LARGEST_DEFAULT_SLOT: usize = 16 * 1024;
/// Nor are they smaller.
const SMALLEST_DEFAULT_SLOT: u32 = 2048;
/// What the kernel may queue beside the ring, in octets: some 100 frames of 64 KiB.
const RECEIVE_BUFFER: usize = 8 << 20;
/// What the kernel may hold of frames on their way out, in octets.
const SEND_BUFFER: usize = 8 << 20;

/// How to open a device.
#[derive(Clone, Copy, Debug)]
pub struct PacketOptions {
    /// Frames the ring holds: at least 128, rounded up to whole blocks of memory.
    pub slots: u32,
    /// Octets of one slot, a power of two from 512 to 65536; `None` chooses by the device's MTU, 2048 at least.
    pub slot_size: Option<u32>,
    /// Ask for metadata about unfinished checksums and oversized frames. Without it the device must
    /// not be given any work to leave undone (`ethtool -K DEVICE tx off gro off`, on both ends of a veth).
    pub offload: bool,
    /// Send complete frames by an AF_XDP socket, where the kernel grants one: half the cost. The mode that was
    /// obtained is in [`Capabilities::mode`]: `af_packet+af_xdp`, or `af_packet` alone.
    pub xdp: bool,
}

impl Default for PacketOptions {
    fn default() -> Self {
        Self {
            slots: 1024,
            slot_size: None,
            offload: true,
            xdp: true,
        }
    }
}

/// A device that could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No interface has this name, in this network namespace.
    #[error(
        "{device}: no such interface here; see `ip link` for those there are, or make it: `ip link add {device} ...`"
    )]
    NoDevice {
        /// The name.
        device: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The process may not open packet sockets.
    #[error(
        "{device}: a packet socket needs CAP_NET_RAW; run as root, or once: `setcap cap_net_raw,cap_net_admin+ep PROGRAM`"
    )]
    NotPermitted {
        /// The device.
        device: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The interface carries something else than Ethernet frames.
    #[error("{device}: not an Ethernet interface (its ARP hardware type is {kind}, Ethernet is 1)")]
    NotEthernet {
        /// The device.
        device: String,
        /// ARPHRD number.
        kind: u16,
    },
    /// The options do not describe a ring.
    #[error(
        "{device}: a slot of {slot_size} octets will not do; it is a power of two from 512 to 65536"
    )]
    SlotSize {
        /// The device.
        device: String,
        /// What was asked for.
        slot_size: u32,
    },
    /// The kernel has no memory for the ring.
    #[error(
        "{device}: no memory for a receive ring of {slots} slots of {slot_size} octets; ask for fewer slots"
    )]
    NoMemory {
        /// The device.
        device: String,
        /// What was asked for.
        slots: u32,
        /// What was asked for.
        slot_size: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused a step for another reason.
    #[error("{device}: the kernel refused {step}")]
    Refused {
        /// The device.
        device: String,
        /// Which step.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Opens a device of the current network namespace, up or down.
///
/// # Errors
/// See [`OpenError`]; each says what mends it.
pub fn open(device: &str, options: PacketOptions) -> Result<Port, OpenError> {
    let failed = |step: &'static str| move |source| open_error(device, step, source);
    let receiver = PacketSocket::new().map_err(failed("a packet socket"))?;
    let index = receiver
        .index_of(device)
        .map_err(failed("to look the interface up"))?;
    let kind = interface::hardware_type(&receiver, device)
        .map_err(failed("to say what the interface is"))?;
    if kind != libc::ARPHRD_ETHER {
        return Err(OpenError::NotEthernet {
            device: device.to_owned(),
            kind,
        });
    }
    let mtu = interface::mtu(&receiver, device).map_err(failed("to state its MTU"))?;
    let shape = shape(device, options, mtu)?;

    receiver
        .set_ignore_outgoing()
        .map_err(failed("PACKET_IGNORE_OUTGOING (Linux 4.20 has it)"))?;
    receiver
        .set_virtio_header(options.offload)
        .map_err(failed("PACKET_VNET_HDR"))?;
    receiver.set_receive_buffer(RECEIVE_BUFFER);
    receiver
        .set_copy_long_frames()
        .map_err(failed("PACKET_COPY_THRESH"))?;
    let ring = Ring::new(&receiver, shape).map_err(|source| match source.raw_os_error() {
        Some(libc::ENOMEM) => OpenError::NoMemory {
            device: device.to_owned(),
            slots: shape.slots,
            slot_size: shape.slot_size,
            source,
        },
        _ => failed("a receive ring")(source),
    })?;
    receiver
        .bind(index, libc::ETH_P_ALL as u16)
        .map_err(failed("to bind the receiving socket"))?;

    // One socket for both ways: the kernel tells every packet socket of all that happens to any device, has a list of
    // them that each new one is put at the end of, and makes whoever closes one wait. With thousands of guests these
    // are what their devices cost.
    receiver.set_send_buffer(SEND_BUFFER);
    let sender = receiver.share().map_err(failed("a second descriptor"))?;
    // Not every kernel has it, and not everybody may lock memory: packet sockets do the same at twice the cost.
    let xdp = options.xdp.then(|| {
        XdpTransmit::open(index, mtu as usize + ETHERNET_HEADER)
            .inspect_err(|error| tracing::debug!("{device}: no AF_XDP socket to send by: {error}"))
    });
    let complete = xdp.and_then(Result::ok).map(Box::new);
    let mode = match complete {
        Some(_) => "af_packet+af_xdp",
        None => "af_packet",
    };
    Ok(Port {
        rx: Box::new(PacketReceive::new(receiver, ring, index, options.offload)),
        tx: Box::new(PacketTransmit::new(
            complete,
            sender,
            options.offload,
            index,
        )),
        capabilities: Capabilities {
            mode,
            mtu,
            offload: options.offload,
            long: 0,
        },
    })
}

fn shape(device: &str, options: PacketOptions, mtu: u32) -> Result<Shape, OpenError> {
    let slot_size = match options.slot_size {
        Some(size) if size.is_power_of_two() && (512..=65536).contains(&size) => size,
        Some(slot_size) => {
            return Err(OpenError::SlotSize {
                device: device.to_owned(),
                slot_size,
            });
        }
        None => {
            let needed = mtu as usize + TAGS + VIRTIO_HEADER + SLOT_OVERHEAD;
            if needed > LARGEST_DEFAULT_SLOT {
                // Most of its frames are short.
                SMALLEST_DEFAULT_SLOT
            } else {
                (needed as u32)
                    .max(SMALLEST_DEFAULT_SLOT)
                    .next_power_of_two()
            }
        }
    };
    Ok(Shape::new(options.slots.max(2 * BURST as u32), slot_size))
}

/// What the kernel's refusal of a step means for whoever wanted the device.
pub(crate) fn open_error(device: &str, step: &'static str, source: io::Error) -> OpenError {
    let device = device.to_owned();
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => OpenError::NotPermitted { device, source },
        Some(libc::ENODEV) => OpenError::NoDevice { device, source },
        _ => OpenError::Refused {
            device,
            step,
            source,
        },
    }
}
