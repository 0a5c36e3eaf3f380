//! Moving frames between devices and a worker.
//!
//! A [`Port`] is one queue of one device, owned by one worker: a receiving half and a sending half, so
//! that a frame can leave by the port it came in on while it is still lent out by the receiving half.

// `privileged` is also part of the tests in `tests`, where the crate has this name.
#[cfg(test)]
extern crate self as packet_io;

pub mod afpacket;
pub mod bpf;
pub mod capture;
pub mod counter_file;
pub mod device;
pub mod dispatch;
pub mod driver;
pub mod faults;
pub mod former;
mod interface;
pub mod isolation;
pub mod link;
pub mod link_socket;
pub mod long;
pub mod mailbox;
pub mod netns;
pub mod offload;
pub mod poll;
pub mod port;
#[cfg(test)]
mod privileged;
pub mod sandbox;
pub mod supervise;
pub mod tap;
pub mod whole_file;
pub mod wire;
pub mod worker;

pub use dispatch::{Edit, Outgoing};
pub use port::{
    BURST, Capabilities, Checksum, Offload, Port, PortError, Receive, Refusal, RxFrame, RxStats,
    Segmentation, SegmentationKind, Transmit, TxFrame,
};
