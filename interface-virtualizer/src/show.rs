//! What `iv show` prints: one versioned document, as JSON or as a table.

use niv::{Counters, VifId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// The version of this document's layout; it grows when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// The whole state of a running `iv`, taken between two bursts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Show {
    /// [`SCHEMA`]
    pub schema: u32,
    /// The program's version.
    pub version: String,
    /// The link to the switch.
    pub uplink: Uplink,
    /// The vNICs, in order of attachment.
    pub vnics: Vec<Vnic>,
    /// All counters together, and what they fail to explain.
    pub conservation: Conservation,
}

/// The link to the switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uplink {
    /// The device.
    pub device: Device,
    /// Frames the switch sent, and frames sent to it.
    pub counters: Flow,
}

/// One vNIC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vnic {
    /// What people call it.
    pub name: String,
    /// Its VIF on the link.
    pub vif: VifId,
    /// Frames may pass.
    pub enabled: bool,
    /// How it meets its guest: `tap`, `netns` or `device`.
    pub kind: String,
    /// The device this end of it is.
    pub device: Device,
    /// Frames the guest sent, and frames handed to it.
    pub counters: Flow,
}

/// A device and what was obtained from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// `up`, or why not.
    pub state: String,
    /// The I/O mode obtained.
    pub mode: Option<String>,
    /// The least MTU it must have, in octets.
    pub mtu: u32,
    /// Buffers the kernel queued for us.
    pub kernel_buffers: u64,
    /// Buffers the kernel had no room for.
    pub kernel_drops: u64,
    /// Buffers the driver counted as received, and we did not.
    pub unexplained_received: i64,
    /// Buffers we handed over, and the driver did not count.
    pub unexplained_sent: i64,
}

/// Counters of one port, in wire frames and in octets without VNTag.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Frames that came in.
    pub received: u64,
    /// Their octets.
    pub received_octets: u64,
    /// Of these, sent to one destination.
    pub forwarded: u64,
    /// Of these, sent to several.
    pub flooded: u64,
    /// Of these, taken by control.
    pub consumed: u64,
    /// Of these, dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Copies made of them.
    pub copies: u64,
    /// Frames handed to the kernel here.
    pub sent: u64,
    /// Their octets.
    pub sent_octets: u64,
    /// Copies bound for here that were dropped, by reason.
    pub dropped_copies: BTreeMap<String, u64>,
    /// Oddities, by kind.
    pub anomalies: BTreeMap<String, u64>,
}

/// The balance of everything received and everything sent (docs/architecture.md, invariant 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conservation {
    /// The sum over the uplink and all vNICs.
    pub total: Flow,
    /// received - forwarded - flooded - consumed - dropped
    pub unexplained_received: i64,
    /// copies - sent - dropped copies
    pub unexplained_copies: i64,
}

impl From<&Counters> for Flow {
    fn from(counters: &Counters) -> Self {
        let named = |items: &mut dyn Iterator<Item = (&'static str, u64)>| {
            items.map(|(name, n)| (name.to_owned(), n)).collect()
        };
        let (i, e) = (&counters.ingress, &counters.egress);
        Self {
            received: i.received.frames,
            received_octets: i.received.octets,
            forwarded: i.forwarded,
            flooded: i.flooded,
            consumed: i.consumed,
            dropped: named(&mut i.dropped.iter().map(|(reason, n)| (reason.as_str(), n))),
            copies: i.copies,
            sent: e.sent.frames,
            sent_octets: e.sent.octets,
            dropped_copies: named(&mut e.dropped.iter().map(|(reason, n)| (reason.as_str(), n))),
            anomalies: named(
                &mut counters
                    .anomalies
                    .iter()
                    .map(|(kind, n)| (kind.as_str(), n)),
            ),
        }
    }
}

impl From<&Counters> for Conservation {
    fn from(total: &Counters) -> Self {
        let imbalance = total.imbalance();
        Self {
            total: total.into(),
            unexplained_received: imbalance.ingress,
            unexplained_copies: imbalance.egress,
        }
    }
}

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "iv {}", self.version)?;
        writeln!(
            f,
            "\n{:<16} {:>5} {:<7} {:<16} {:<10} {:>5} {:>12} {:>12} {:>10} {:>10}",
            "Name",
            "VIF",
            "Kind",
            "Device",
            "Mode",
            "MTU",
            "Received",
            "Sent",
            "Dropped",
            "Ring drops"
        )?;
        let mut row = |name: &str, vif: &str, kind: &str, device: &Device, flow: &Flow| {
            let dropped: u64 = flow
                .dropped
                .values()
                .chain(flow.dropped_copies.values())
                .sum();
            writeln!(
                f,
                "{name:<16} {vif:>5} {kind:<7} {:<16} {:<10} {:>5} {:>12} {:>12} {dropped:>10} {:>10}",
                device.name,
                device.mode.as_deref().unwrap_or("-"),
                device.mtu,
                flow.received,
                flow.sent,
                device.kernel_drops,
            )
        };
        row(
            "(uplink)",
            "-",
            "uplink",
            &self.uplink.device,
            &self.uplink.counters,
        )?;
        for vnic in &self.vnics {
            row(
                &vnic.name,
                &vnic.vif.to_string(),
                &vnic.kind,
                &vnic.device,
                &vnic.counters,
            )?;
        }
        let states = std::iter::once(("uplink", &self.uplink.device)).chain(
            self.vnics
                .iter()
                .map(|vnic| (vnic.name.as_str(), &vnic.device)),
        );
        for (name, device) in states.filter(|(_, device)| device.state != "up") {
            writeln!(f, "{name}: {} is {}", device.name, device.state)?;
        }
        let total = &self.conservation.total;
        writeln!(f, "\nConservation (wire frames)")?;
        writeln!(
            f,
            "  received {} = forwarded {} + flooded {} + consumed {} + dropped {}; unexplained {}",
            total.received,
            total.forwarded,
            total.flooded,
            total.consumed,
            total.dropped.values().sum::<u64>(),
            self.conservation.unexplained_received
        )?;
        writeln!(
            f,
            "  copies {} = sent {} + dropped {}; unexplained {}",
            total.copies,
            total.sent,
            total.dropped_copies.values().sum::<u64>(),
            self.conservation.unexplained_copies
        )?;
        let devices =
            std::iter::once(&self.uplink.device).chain(self.vnics.iter().map(|v| &v.device));
        let (received, sent) = devices.fold((0, 0), |(received, sent), device| {
            (
                received + device.unexplained_received,
                sent + device.unexplained_sent,
            )
        });
        writeln!(
            f,
            "  against the kernel's counts: unexplained received {received}, sent {sent}"
        )?;
        for (title, counts) in [
            ("Dropped on arrival", &total.dropped),
            ("Dropped copies", &total.dropped_copies),
            ("Anomalies", &total.anomalies),
        ] {
            if !counts.is_empty() {
                let mut line = String::new();
                for (name, n) in counts {
                    write!(line, " {name} {n}")?;
                }
                writeln!(f, "  {title}:{line}")?;
            }
        }
        Ok(())
    }
}
