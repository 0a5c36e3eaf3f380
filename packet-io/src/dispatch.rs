//! From verdicts to devices: the last step both daemons share.

use niv::{Gather, PortId};

/// One copy of a received frame, on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// The device it leaves by.
    pub port: PortId,
    /// Whose egress counters it counts in: an index the daemon chose.
    pub account: u16,
    /// Which frame of the burst it is a copy of.
    pub frame: u16,
    /// How its first octets differ from the received frame's.
    pub gather: Gather,
    /// Octets of VNTag in it, which never count (design.md section 4.10): 0 or 6.
    pub uncounted: u8,
}
