//! The IV's end.

mod event;

pub use event::{IvEvent, Vnic, VnicError, VnicState};
