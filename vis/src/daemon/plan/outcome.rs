//! What becomes of a frame, in few enough words to compare.

use crate::config::InterfaceId;
use crate::daemon::explain;
use crate::switch::{Explanation, Membership, RateStep, Step};
use niv::DropReason;
use policy::acl::{Network, Transport, View};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Receivers named of one frame.
const NAMED: usize = 3;

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Why it ends where it came in.
    dropped: Option<DropReason>,
    consumed: bool,
    /// By slot index: who gets it, and why not.
    copies: BTreeMap<u16, Result<(), DropReason>>,
    /// The priority that those who get it see.
    pub(super) mark: Mark,
}

/// What marking makes of the priority of a frame that somebody gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// `None`: as it came.
    dscp: Option<u8>,
    /// CoS and drop eligibility, of a frame that leaves with a VLAN tag.
    cos: Option<(u8, bool)>,
}

impl Mark {
    fn of(explanation: &Explanation) -> Self {
        let sent = || explanation.copies.iter().filter(|copy| copy.fate.is_ok());
        if sent().next().is_none() {
            return Self::default();
        }
        let marked = explanation.steps.iter().find_map(|step| match step {
            Step::Rate(RateStep::Marked(marked)) => Some(*marked),
            _ => None,
        });
        let is_tagged = |step: &Step| {
            matches!(
                step,
                Step::Member(Ok(Membership::Tagged | Membership::TaggedAs(_)))
            )
        };
        let is_tagged = sent().any(|copy| copy.steps.iter().any(is_tagged));
        // Without marking the CoS is 0.
        let cos = marked.map_or((0, false), |marked| {
            (marked.cos.get(), marked.drop_eligible)
        });
        Self {
            dscp: marked.and_then(|marked| marked.rewrite).map(explain::dscp),
            cos: is_tagged.then_some(cos),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dscp {
            Some(dscp) => write!(f, "DSCP {dscp}")?,
            None => f.write_str("its own DSCP")?,
        }
        match self.cos {
            Some((cos, true)) => write!(f, ", CoS {cos}, drop eligible"),
            Some((cos, false)) => write!(f, ", CoS {cos}"),
            None => Ok(()),
        }
    }
}

impl Outcome {
    pub(super) fn of(explanation: &Explanation) -> Self {
        let counts = &explanation.counters.ingress;
        let copies = explanation.copies.iter().flat_map(|copy| {
            let fate = copy.fate.as_ref().map(|_| ()).map_err(|reason| *reason);
            copy.to.iter().map(move |&to| (to, fate))
        });
        // Of an oversized frame a part may be dropped, and the rest go on.
        let goes_on = counts.forwarded + counts.flooded > 0;
        let mut reasons = counts.dropped.iter().filter(|_| !goes_on);
        Self {
            dropped: reasons.next().map(|(reason, _)| reason),
            consumed: counts.consumed > 0,
            copies: copies.collect(),
            mark: Mark::of(explanation),
        }
    }
}

/// Interfaces by slot index.
pub(super) struct Names(pub(super) BTreeMap<u16, InterfaceId>);

impl Names {
    pub(super) fn owner(&self, explanation: &Explanation) -> Option<InterfaceId> {
        let mut steps = explanation.steps.iter();
        let owner = steps.find_map(|step| match step {
            Step::Arrival(owner, _) => *owner,
            _ => None,
        });
        self.0.get(&owner?).copied()
    }

    /// Those first whose fate is not the same by `other`: not all are named.
    pub(super) fn words(&self, outcome: &Outcome, other: &Outcome, with_mark: bool) -> String {
        if let Some(reason) = outcome.dropped {
            return format!("dropped: {reason}");
        }
        if outcome.consumed {
            return "consumed".to_owned();
        }
        let with = |wanted: Option<DropReason>| {
            let copies = outcome.copies.iter();
            let some = copies.filter(move |(_, fate)| fate.err() == wanted);
            let mut some: Vec<u16> = some.map(|(to, _)| *to).collect();
            some.sort_by_key(|to| outcome.copies.get(to) == other.copies.get(to));
            some
        };
        let mut words = match with(None) {
            to if to.is_empty() => "sent to nobody".to_owned(),
            to if with_mark => format!("sent to {} with {}", self.list(&to), outcome.mark),
            to => format!("sent to {}", self.list(&to)),
        };
        let reasons: BTreeSet<_> = outcome.copies.values().filter_map(|f| f.err()).collect();
        for reason in reasons {
            let to = with(Some(reason));
            words.push_str(&format!("; dropped before {}: {reason}", self.list(&to)));
        }
        words
    }

    fn list(&self, ports: &[u16]) -> String {
        let named = ports.iter().take(NAMED).map(|at| match self.0.get(at) {
            Some(interface) => interface.to_string(),
            None => "a port".to_owned(),
        });
        let named: Vec<_> = named.collect();
        match ports.len().saturating_sub(NAMED) {
            0 => named.join(", "),
            more => format!("{} and {more} more", named.join(", ")),
        }
    }
}

/// `tcp 10.0.0.1 port 4000 to 10.0.0.2 port 80`
pub(in crate::daemon) fn what(view: &View) -> String {
    match &view.network {
        Network::Ipv4(packet) => packet_words(
            packet.protocol,
            packet.transport,
            Ipv4Addr::from(packet.source),
            Ipv4Addr::from(packet.destination),
        ),
        Network::Ipv6(packet) => packet_words(
            packet.protocol,
            packet.transport,
            Ipv6Addr::from(packet.source),
            Ipv6Addr::from(packet.destination),
        ),
        _ => frame_words(view),
    }
}

fn frame_words(view: &View) -> String {
    format!(
        "EtherType {:#06x} from {} to {}",
        view.ethertype, view.source, view.destination
    )
}

fn packet_words(
    protocol: u8,
    transport: Transport,
    from: impl fmt::Display,
    to: impl fmt::Display,
) -> String {
    match transport {
        Transport::Tcp {
            source,
            destination,
            ..
        } => format!("TCP {from} port {source} to {to} port {destination}"),
        Transport::Ports {
            source,
            destination,
        } => format!("IP protocol {protocol} {from} port {source} to {to} port {destination}"),
        Transport::Icmp { kind, .. } => format!("ICMP type {kind} {from} to {to}"),
        Transport::Other | Transport::Unknown => format!("IP protocol {protocol} {from} to {to}"),
    }
}
