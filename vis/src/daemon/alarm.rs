//! What a network person must be told of without asking: when it begins, then ever more rarely, and when it is over.

use super::forward::Switching;
use crate::cli::text::counted;
use crate::config::{EthernetId, InterfaceId};
use crate::veth::{Repeats, Say};
use niv::{Anomaly, DropReason, PortId};
use packet_io::worker::Worker;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tracing::{info, warn};

/// What calls for an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    NotOwned(EthernetId),
    MovesDamped,
    TableFull,
}

/// How often each thing had happened at the last look.
#[derive(Debug)]
pub(super) struct Alarms {
    counted: BTreeMap<Trouble, u64>,
    /// Links that were waiting for vEths to be asked for again.
    expecting: BTreeSet<EthernetId>,
    repeats: Repeats<Trouble>,
}

/// How often each thing has happened by now.
pub(super) struct Seen(Vec<(Trouble, u64)>);

impl Seen {
    /// Looks at the worker, between two bursts.
    pub(super) fn of(worker: &Worker<Switching>, links: &[(EthernetId, PortId)]) -> Self {
        let switch = &worker.forward.switch;
        let not_owned = |&(id, port): &(EthernetId, PortId)| {
            let counters = switch.link_counters(port)?;
            let dropped = counters.ingress.dropped.get(DropReason::VifNotOwned);
            Some((Trouble::NotOwned(id), dropped))
        };
        let anomalies = switch.total().anomalies;
        let mut seen: Vec<_> = links.iter().filter_map(not_owned).collect();
        seen.push((Trouble::MovesDamped, anomalies.get(Anomaly::MoveDamped)));
        seen.push((Trouble::TableFull, anomalies.get(Anomaly::TableFull)));
        Self(seen)
    }
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            counted: BTreeMap::new(),
            expecting: BTreeSet::new(),
            // One for each link, and the others.
            repeats: Repeats::new(64 + 2),
        }
    }
}

impl Alarms {
    /// Raises an alarm for what has happened since the last look. `expecting`: the links whose vEths are known and
    /// have not all been asked for again since this switch started.
    pub(super) fn raise(&mut self, now: Duration, seen: Seen, expecting: BTreeSet<EthernetId>) {
        for alarm in self.news(now, seen, expecting) {
            warn!("{alarm}");
        }
        for (trouble, times) in self.repeats.quiet(now) {
            info!("{}", trouble.ended(times));
        }
    }

    fn news(&mut self, now: Duration, seen: Seen, expecting: BTreeSet<EthernetId>) -> Vec<String> {
        // An IV goes on forwarding while the switch is away, so its frames are here before it has said whose they
        // are. At the last look it may still have been so, and not now.
        let before = std::mem::replace(&mut self.expecting, expecting);
        let mut alarms = Vec::new();
        for (trouble, total) in seen.0 {
            let counted = self.counted.insert(trouble, total).unwrap_or(0);
            let new = total.saturating_sub(counted);
            let is_awaited = |id| before.contains(id) || self.expecting.contains(id);
            if new == 0 || matches!(&trouble, Trouble::NotOwned(id) if is_awaited(id)) {
                continue;
            }
            match self.repeats.happened(now, &trouble, new) {
                Say::First => alarms.push(trouble.sentence(new)),
                Say::Again(times) => alarms.push(format!(
                    "{}; so many since this was said last",
                    trouble.sentence(times)
                )),
                Say::Nothing | Say::Full => {}
            }
        }
        alarms
    }
}

impl Trouble {
    fn sentence(self, times: u64) -> String {
        match self {
            Self::NotOwned(id) => format!(
                "{}: {} from VIFs that are not its own dropped (vif_not_owned): is a vEth unbound, or somebody \
                spoofing? `bind interface` says which VIFs a link has",
                InterfaceId::Ethernet(id),
                counted(times, "frame"),
            ),
            Self::MovesDamped => format!(
                "an address was seen moving too often, {} (move_damped): is there a loop, or the same address \
                twice? `vis show mac address-table` says where it is held",
                counted(times, "time"),
            ),
            Self::TableFull => format!(
                "the address table is full: {} given up (table_full)",
                counted(times, "entry")
            ),
        }
    }

    fn ended(self, times: u64) -> String {
        match self {
            Self::NotOwned(id) => format!(
                "{}: no more frames from VIFs that are not its own; {times} in all",
                InterfaceId::Ethernet(id)
            ),
            Self::MovesDamped => {
                format!("no address moves too often any more; {times} moves in all")
            }
            Self::TableFull => format!("the address table has room again; {times} given up in all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_secs(2);

    fn link(n: u32) -> EthernetId {
        n.try_into().unwrap()
    }

    fn not_owned(total: u64) -> Seen {
        Seen(vec![(Trouble::NotOwned(link(1)), total)])
    }

    #[test]
    fn frames_of_veths_that_a_restarted_switch_knows_are_no_spoofing() {
        let mut alarms = Alarms::default();
        let awaited = || BTreeSet::from([link(1)]);
        assert!(alarms.news(LOOK, not_owned(0), awaited()).is_empty());
        assert!(alarms.news(LOOK * 2, not_owned(70), awaited()).is_empty());
        // The last ones came between the two looks.
        let none = BTreeSet::new;
        assert!(alarms.news(LOOK * 3, not_owned(90), none()).is_empty());
        let spoofed = alarms.news(LOOK * 4, not_owned(91), none());
        assert!(
            spoofed[0].starts_with("Ethernet1: 1 frame from VIFs"),
            "{spoofed:?}"
        );
        // Another link waits: that excuses nobody here.
        let mut alarms = Alarms::default();
        let spoofed = alarms.news(LOOK, not_owned(5), BTreeSet::from([link(2)]));
        assert_eq!(spoofed.len(), 1);
    }

    #[test]
    fn spoofing_that_goes_on_is_not_said_at_every_look() {
        let mut alarms = Alarms::default();
        let mut said = Vec::new();
        for look in 1..=1800 {
            said.extend(alarms.news(LOOK * look, not_owned(look.into()), BTreeSet::new()));
        }
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(
            said[1].contains("30 frames") && said[2].contains("300 frames"),
            "{said:?}"
        );
    }
}
