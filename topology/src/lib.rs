//! The file that a lab is put together from (docs/lab.md): hosts, cables, daemons with their configuration, guests,
//! addresses, and who is to reach whom.
//!
//! Text in, a [`Topology`] out: nothing is opened or made here. A topology that exists contradicts itself nowhere, so
//! that whoever builds it fails only where the machine does.

#![forbid(unsafe_code)]

mod check;
mod file;
mod name;
mod place;
mod reach;

pub use file::{End, Host, MAX_FILE, Program, Topology, Trunk, Vnic, parse};
pub use name::{Address, DeviceName, HostName, NotAName, NotAnAddress};
pub use place::FileError;
pub use reach::Ask;
