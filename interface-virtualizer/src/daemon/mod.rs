//! The edge of `iv`: devices, threads, signals and the control socket around the sans-IO core.

mod answer;
mod attach;
mod carrier;
mod come;
mod device;
mod forward;
mod go;
mod guest;
mod identity;
mod lost;
#[cfg(test)]
mod pair_tests;
mod run;
mod session;
mod state;
mod turns;
mod view;
mod vnic;

pub use run::{RunError, run};
pub use state::{Kept, KeptVnic, UnreadState};

pub(crate) use forward::Link;
