//! The edge of `iv`: devices, threads, signals and the control socket around the sans-IO core.

mod answer;
mod attach;
mod carrier;
mod lost;
mod run;
mod turns;

pub use run::{RunError, run};

use crate::core::Virtualizer;
use niv::{DropReason, PortId, Weight};
use packet_io::worker::Forward;
use packet_io::{Outgoing, RxFrame};
use std::time::Instant;

/// The worker's forwarding state.
pub(crate) struct Link(pub(crate) Virtualizer);

impl Forward for Link {
    // Nothing here ages.
    fn begin(&mut self, _now: Instant) {}

    fn frame(&mut self, port: PortId, index: u16, frame: &RxFrame<'_>, out: &mut Vec<Outgoing>) {
        self.0.receive(port, index, frame, out);
    }

    fn fate(&mut self, copy: &Outgoing, weight: Weight, fate: Result<(), DropReason>) {
        self.0.fate(copy, weight, fate);
    }
}
