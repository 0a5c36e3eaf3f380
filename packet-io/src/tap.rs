//! TAP: an Ethernet device whose other side is this process.
//!
//! The kernel hands frames over one at a time, so that there is one system call per frame, both ways: the one
//! exception to moving frames in bursts (design.md section 4.3).
//!
//! A TAP that is administratively down is quiet, not in error; sending to it is refused. VLAN tags are in the frame's
//! octets, never in metadata.

mod control;
mod port;

pub use control::{Step, TapControl, TapError, remove};

use crate::{Capabilities, Port, interface};
use port::{TapReceive, TapTransmit};

/// A TAP, opened.
pub struct Tap {
    /// For a worker.
    pub port: Port,
    /// For control: carrier, and whether the device stays.
    pub control: TapControl,
}

/// Opens the TAP `name` in the current network namespace: adopts it if it is there, else makes it. It
/// stays when the process ends, until [`remove`] or [`TapControl::remove_when_closed`].
///
/// # Errors
/// See [`TapError`]; each says what mends it.
pub fn open(name: &str) -> Result<Tap, TapError> {
    let (control, offload) = TapControl::open(name)?;
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::DGRAM,
        None,
    );
    let mtu = socket
        .map_err(std::io::Error::from)
        .and_then(|socket| interface::mtu(socket, name))
        .map_err(|source| control.failed(Step::Mtu, source))?;
    Ok(Tap {
        port: Port {
            rx: Box::new(TapReceive::new(control.descriptor())),
            tx: Box::new(TapTransmit::new(control.descriptor())),
            capabilities: Capabilities {
                mode: "tap",
                mtu,
                offload,
                long: 0,
            },
        },
        control,
    })
}
