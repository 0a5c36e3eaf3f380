//! `show conservation`: a layout of our own.

use super::by_name;
use crate::control::counts::{Counts, Unexplained};
use crate::control::show::ShowConservation;
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowConservation) -> fmt::Result {
    for interface in &answer.interfaces {
        writeln!(out, "{}", interface.name)?;
        write_received(out, &interface.counts)?;
        write_sent(out, &interface.counts)?;
        if let Some(kernel) = interface.kernel {
            writeln!(
                out,
                "  kernel: received {} packets = taken {} + ring drops {}; sent {} packets, handed {}",
                kernel.rx_packets,
                kernel.taken,
                kernel.ring_dropped,
                kernel.tx_packets,
                kernel.handed,
            )?;
        }
        write_unexplained(out, interface.unexplained)?;
    }
    writeln!(out, "Sum")?;
    write_received(out, &answer.sum)?;
    let sum = &answer.sum;
    let dropped: u64 = sum.egress_dropped.values().sum();
    writeln!(
        out,
        "  copies {} + originated {} = sent {} + dropped {dropped} + queued {}",
        sum.copies, sum.originated, sum.sent.frames, sum.queued
    )?;
    write_reasons(out, &sum.egress_dropped)?;
    write_unexplained(out, answer.unexplained)?;
    writeln!(out, "unexplained: {}", answer.unexplained.total())
}

fn write_received(out: &mut String, counts: &Counts) -> fmt::Result {
    let dropped: u64 = counts.dropped.values().sum();
    writeln!(
        out,
        "  received {} = forwarded {} + flooded {} + consumed {} + dropped {dropped}",
        counts.received.frames, counts.forwarded, counts.flooded, counts.consumed
    )?;
    write_reasons(out, &counts.dropped)
}

fn write_sent(out: &mut String, counts: &Counts) -> fmt::Result {
    let dropped: u64 = counts.egress_dropped.values().sum();
    writeln!(
        out,
        "  made {} copies, originated {}; sent {}, dropped {dropped}, queued {}",
        counts.copies, counts.originated, counts.sent.frames, counts.queued
    )?;
    if counts.listed.frames > 0 {
        writeln!(out, "    listed: {}", counts.listed.frames)?;
    }
    write_reasons(out, &counts.egress_dropped)
}

fn write_reasons(
    out: &mut String,
    dropped: &std::collections::BTreeMap<String, u64>,
) -> fmt::Result {
    if dropped.is_empty() {
        return Ok(());
    }
    writeln!(out, "    dropped: {}", by_name(dropped))
}

/// Nothing when there is nothing to say.
fn write_unexplained(out: &mut String, unexplained: Unexplained) -> fmt::Result {
    if unexplained.total() == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "  UNEXPLAINED: received {}, copies {}; against the kernel's counts: received {}, sent {}",
        unexplained.ingress,
        unexplained.egress,
        unexplained.kernel_received,
        unexplained.kernel_sent
    )
}
