//! What a network person must be told of without asking, at most once in each look.

use super::forward::Switching;
use crate::config::{EthernetId, InterfaceId};
use niv::{Anomaly, DropReason, PortId};
use packet_io::worker::Worker;
use std::collections::BTreeMap;
use tracing::warn;

/// How often each thing had happened at the last look.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    not_owned: BTreeMap<EthernetId, u64>,
    moves_damped: u64,
    table_full: u64,
}

/// How often each thing has happened by now.
pub(super) struct Seen {
    not_owned: Vec<(EthernetId, u64)>,
    moves_damped: u64,
    table_full: u64,
}

impl Seen {
    /// Looks at the worker, between two bursts.
    pub(super) fn of(worker: &Worker<Switching>, links: &[(EthernetId, PortId)]) -> Self {
        let switch = &worker.forward.switch;
        let not_owned = |&(id, port): &(EthernetId, PortId)| {
            let counters = switch.link_counters(port)?;
            Some((id, counters.ingress.dropped.get(DropReason::VifNotOwned)))
        };
        let total = switch.total();
        Self {
            not_owned: links.iter().filter_map(not_owned).collect(),
            moves_damped: total.anomalies.get(Anomaly::MoveDamped),
            table_full: total.anomalies.get(Anomaly::TableFull),
        }
    }
}

impl Alarms {
    /// Raises an alarm for everything that has happened since the last look.
    pub(super) fn raise(&mut self, seen: Seen) {
        for (id, now) in seen.not_owned {
            let new = now - self.not_owned.insert(id, now).unwrap_or(0);
            if new > 0 {
                let link = InterfaceId::Ethernet(id);
                warn!(
                    "{link}: {new} frames from VIFs that are not its own were dropped (vif_not_owned): \
                    is a vEth unbound, or somebody spoofing? `bind interface` says which VIFs a link has"
                );
            }
        }
        let moves =
            seen.moves_damped - std::mem::replace(&mut self.moves_damped, seen.moves_damped);
        if moves > 0 {
            warn!(
                "{moves} times an address was seen moving too often (move_damped): is there a loop, or \
                the same address twice? `vis show mac address-table` says where it is held"
            );
        }
        let full = seen.table_full - std::mem::replace(&mut self.table_full, seen.table_full);
        if full > 0 {
            warn!("{full} addresses were given up because the address table is full (table_full)");
        }
    }
}
