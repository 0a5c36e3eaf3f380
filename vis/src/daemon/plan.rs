//! `plan`: what a candidate would change, of interfaces and of frames that came lately. Frames are judged by the switch's
//! own code, once by what is in force and once by what would be.

use super::compile;
use super::forward::Switching;
use super::run::Daemon;
use super::secure::Claims;
use crate::config::{Config, Effective, InterfaceId, OriginatedLine, State};
use crate::control::plan::{MAX_FRAMES, PlannedFrame, PlannedInterface, ShowPlan};
use crate::control::show::SCHEMA;
use crate::switch::{Explanation, PortPlan, Recent, Slots, Snapshot, Step, Time, Topology};
use niv::DropReason;
use packet_io::mailbox::WorkerGone;
use policy::acl::{Network, Transport, View};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Frames judged between two bursts: more would hold up those that come meanwhile.
const AT_ONCE: usize = 16;
/// Receivers named of one frame.
const NAMED: usize = 3;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    /// It would not be put in force either.
    #[error("the candidate cannot be put in force: {0}")]
    Impossible(String),
    /// No worker to ask.
    #[error(transparent)]
    Worker(#[from] WorkerGone),
}

impl Daemon {
    /// What `candidate` would change of what is in force.
    pub(super) async fn plan(&self, candidate: &Config) -> Result<ShowPlan, PlanError> {
        let impossible = |error: &dyn fmt::Display| PlanError::Impossible(error.to_string());
        let config = self.registry.overlay(candidate);
        let mut slots = self.slots.clone();
        let coming = |number| self.registry.is_coming(number);
        let mut coming = compile::topology(&config, self.topology.epoch, &mut slots, coming)
            .map_err(|error| impossible(&error))?;
        let claims = Claims::new(candidate, &self.registry, &coming, &slots);
        self.guards.mark(&mut coming, &mut slots, claims);
        let after = self.carried(coming, &config);
        let snapshot = after.compile().map_err(|error| impossible(&error))?;

        let (interfaces, unchanged) = self.planned_interfaces(&config, &after);
        let (judged, mut frames) = self.planned_frames(Arc::new(snapshot), &slots).await?;
        let differ = frames.len();
        frames.sort_by_key(|frame| frame.ago_ms);
        frames.truncate(MAX_FRAMES);
        Ok(ShowPlan {
            schema: SCHEMA,
            interfaces,
            unchanged,
            judged,
            differ,
            frames,
        })
    }

    fn planned_interfaces(
        &self,
        config: &Config,
        after: &Topology,
    ) -> (Vec<PlannedInterface>, usize) {
        let mut planned = Vec::new();
        let mut unchanged = 0;
        let (plans, new_plans) = (by_name(&self.topology), by_name(after));
        let all: BTreeSet<_> = [&self.config, config]
            .into_iter()
            .flat_map(interfaces)
            .collect();
        for interface in all {
            let (old, new) = (
                effective(&self.config, interface),
                effective(config, interface),
            );
            let name = interface.to_string();
            let same_plan = match (plans.get(name.as_str()), new_plans.get(name.as_str())) {
                (Some(old), Some(new)) => (*old).is_like(new),
                (None, None) => true,
                _ => false,
            };
            if old == new && same_plan {
                unchanged += 1;
                continue;
            }
            let origins = |config: &Config| config.origins(interface);
            planned.push(PlannedInterface {
                interface,
                before: old.map(|old| state(&old.state)),
                after: new.map(|new| state(&new.state)),
                lines: come_and_go(&origins(&self.config), &origins(config)),
            });
        }
        (planned, unchanged)
    }

    /// How many frames were judged, and those that would be judged otherwise.
    async fn planned_frames(
        &self,
        after: Arc<Snapshot>,
        slots: &Slots<InterfaceId>,
    ) -> Result<(usize, Vec<PlannedFrame>), WorkerGone> {
        let sample = |worker: &mut packet_io::worker::Worker<Switching>| worker.forward.sample();
        let (frames, now): (Vec<Recent>, Time) = self.worker.answer(sample).await?;
        let frames: Arc<[Recent]> = frames.into();
        let names = Names(
            interfaces(&self.config)
                .chain(interfaces(&self.said))
                .filter_map(|one| Some((slots.get(&one)?.index, one)))
                .collect(),
        );
        let mut differ = Vec::new();
        for first in (0..frames.len()).step_by(AT_ONCE) {
            let (asked, snapshot) = (Arc::clone(&frames), Arc::clone(&after));
            let judge = move |worker: &mut packet_io::worker::Worker<Switching>| {
                let some = asked.iter().skip(first).take(AT_ONCE);
                let each = some.map(|frame| worker.forward.compare(frame, &snapshot));
                each.collect::<Vec<_>>()
            };
            let judged = self.worker.answer(judge).await?;
            for (frame, (before, after)) in frames.iter().skip(first).zip(judged) {
                let (is, would_be) = (Outcome::of(&before), Outcome::of(&after));
                if is == would_be {
                    continue;
                }
                differ.push(PlannedFrame {
                    from: names.owner(&before),
                    what: what(&frame.view),
                    ago_ms: now.as_millis().saturating_sub(frame.at.as_millis()),
                    before: names.words(&is),
                    after: names.words(&would_be),
                });
            }
        }
        Ok((frames.len(), differ))
    }
}

fn interfaces(config: &Config) -> impl Iterator<Item = InterfaceId> {
    let ethernets = config.ethernets.keys().copied().map(InterfaceId::Ethernet);
    ethernets.chain(config.veths.keys().copied().map(InterfaceId::Veth))
}

fn effective(config: &Config, interface: InterfaceId) -> Option<Effective> {
    match interface {
        InterfaceId::Ethernet(id) => config.effective_ethernet(id),
        InterfaceId::Veth(id) => config.effective_veth(id),
    }
}

fn by_name(topology: &Topology) -> BTreeMap<&str, &PortPlan> {
    let ports = topology.ports.iter();
    ports.map(|port| (port.name.as_str(), port)).collect()
}

fn state(state: &State) -> String {
    match state {
        State::Forwarding => "forwarding".to_owned(),
        State::Shut => "shut".to_owned(),
        State::ProfileIncomplete { why } => format!("profile_incomplete ({})", why.join("; ")),
    }
}

fn come_and_go(before: &[OriginatedLine], after: &[OriginatedLine]) -> Vec<String> {
    let says = |sign: char, line: &OriginatedLine| format!("{sign}{} ({})", line.line, line.origin);
    let gone = before.iter().filter(|line| !after.contains(line));
    let come = after.iter().filter(|line| !before.contains(line));
    gone.map(|line| says('-', line))
        .chain(come.map(|line| says('+', line)))
        .collect()
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Why it ends where it came in.
    dropped: Option<DropReason>,
    consumed: bool,
    /// By slot index: who gets it, and why not.
    copies: BTreeMap<u16, Result<(), DropReason>>,
}

impl Outcome {
    fn of(explanation: &Explanation) -> Self {
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
        }
    }
}

/// Interfaces by slot index.
struct Names(BTreeMap<u16, InterfaceId>);

impl Names {
    fn owner(&self, explanation: &Explanation) -> Option<InterfaceId> {
        let mut steps = explanation.steps.iter();
        let owner = steps.find_map(|step| match step {
            Step::Arrival(owner, _) => *owner,
            _ => None,
        });
        self.0.get(&owner?).copied()
    }

    fn words(&self, outcome: &Outcome) -> String {
        if let Some(reason) = outcome.dropped {
            return format!("dropped: {reason}");
        }
        if outcome.consumed {
            return "consumed".to_owned();
        }
        let with = |wanted: Option<DropReason>| {
            let copies = outcome.copies.iter();
            let some = copies.filter(move |(_, fate)| fate.err() == wanted);
            some.map(|(to, _)| *to).collect::<Vec<u16>>()
        };
        let mut words = match with(None) {
            to if to.is_empty() => "sent to nobody".to_owned(),
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
pub(super) fn what(view: &View) -> String {
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
