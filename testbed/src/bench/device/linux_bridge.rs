//! The kernel's bridge: one port, with hairpin.

use super::Running;
use crate::bench::bed::{Bed, DUT, in_host};
use crate::bench::shape::Turn;
use crate::error::Result;
use crate::lab::Host;

const BRIDGE: &str = "br0";
/// A second port, which shows what the bridge floods: the far end counts.
const WITNESS: (&str, &str) = ("nivbw", "nivbx");

pub(super) fn start(bed: &mut Bed, own_core: bool) -> Result<Running> {
    let host = bed.device()?;
    in_host(
        host,
        "ip",
        &[
            "link",
            "add",
            BRIDGE,
            "type",
            "bridge",
            "ageing_time",
            "30000",
            "mcast_snooping",
            "0",
            "stp_state",
            "0",
        ],
    )?;
    host.join(BRIDGE, DUT.1)?;
    host.up(BRIDGE)?;
    host.hairpin(DUT.1)?;
    let where_it_runs = if own_core {
        "threaded NAPI on the device's core"
    } else {
        "softirq on the generator's core"
    };
    Ok(Running {
        mode: format!("kernel, {where_it_runs}"),
        turn: Turn::Forwards,
        vifs: None,
        // The bridge goes with its namespace.
        _guard: Box::new(()),
    })
}

/// Makes what the bridge floods countable.
pub(in crate::bench) struct Learning<'a> {
    host: &'a Host,
}

impl<'a> Learning<'a> {
    /// Gives it a second port.
    pub(in crate::bench) fn start(bed: &'a Bed) -> Result<Self> {
        let host = bed.device()?;
        let (port, far) = WITNESS;
        if host.device(port).is_err() {
            in_host(
                host,
                "ip",
                &["link", "add", port, "type", "veth", "peer", "name", far],
            )?;
            host.silence(far)?;
            host.up(far)?;
            host.join(BRIDGE, port)?;
        }
        Ok(Self { host })
    }

    /// Frames flooded so far.
    pub(in crate::bench) fn flooded(&self) -> Result<u64> {
        Ok(self.host.stats(WITNESS.1)?.rx_packets)
    }
}
