//! `plan`: what a candidate would change, of interfaces and of frames that came lately. Frames are judged by the switch's
//! own code, once by what is in force and once by what would be.

mod aftermath;
mod outcome;

use super::compile;
use super::forward::Switching;
use super::run::Daemon;
use super::secure::Claims;
use crate::config::{Config, Effective, InterfaceId, OriginatedLine, State};
use crate::control::interfaces::ERR_DISABLED;
use crate::control::plan::{MAX_FRAMES, PlannedFrame, PlannedInterface, ShowPlan};
use crate::control::show::SCHEMA;
use crate::switch::{Guards, PortPlan, Recent, Slots, Snapshot, Time, Topology};
use aftermath::Aftermath;
use niv::VlanSet;
pub(super) use outcome::what;
use outcome::{Names, Outcome};
use packet_io::mailbox::WorkerGone;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Frames judged between two bursts: more would hold up those that come meanwhile.
const AT_ONCE: usize = 16;

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
        self.check(candidate, &config)
            .map_err(|error| impossible(&error))?;
        let aftermath = self.aftermath(candidate);
        let mut slots = self.slots.clone();
        let coming = |number| self.registry.is_coming(number) && !aftermath.stops(number);
        let mut coming = compile::topology(&config, self.topology.epoch, &mut slots, coming)
            .map_err(|error| impossible(&error))?;
        let claims = Claims::new(candidate, &self.registry, &coming, &slots);
        self.guards.mark(&mut coming, &mut slots, claims);
        let after = self.carried(coming, &config);
        let snapshot = after.compile().map_err(|error| impossible(&error))?;

        let (interfaces, unchanged) = self.planned_interfaces(&config, &after, &aftermath);
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
        aftermath: &Aftermath,
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
            let plan = plans.get(name.as_str()).copied();
            let new_plan = new_plans.get(name.as_str()).copied();
            let same_plan = match (plan, new_plan) {
                (Some(old), Some(new)) => old.is_like(new),
                (None, None) => true,
                _ => false,
            };
            let (is, would_be) = (
                self.standing(&self.config, interface, &Aftermath::default()),
                self.standing(config, interface, aftermath),
            );
            let mut because: Vec<String> = aftermath.words(interface).into_iter().collect();
            because.extend(device_words(&self.config, config, interface));
            if let (Some(old), Some(new)) = (plan, new_plan) {
                because.extend(vlan_words((&self.topology, old), (after, new)));
            }
            if old == new && same_plan && is == would_be && because.is_empty() {
                unchanged += 1;
                continue;
            }
            let origins = |config: &Config| config.origins(interface);
            planned.push(PlannedInterface {
                interface,
                before: is,
                after: would_be,
                lines: come_and_go(&origins(&self.config), &origins(config)),
                because,
            });
        }
        (planned, unchanged)
    }

    /// Whether frames of `interface` pass, and why not, under `config` and what comes with it; `None`: it is not there.
    fn standing(
        &self,
        config: &Config,
        interface: InterfaceId,
        aftermath: &Aftermath,
    ) -> Option<String> {
        let words = standing(config, interface)?;
        if words != FORWARDING {
            return Some(words);
        }
        if let Some(held) = self.guards.shut.get(&interface) {
            return Some(format!("{ERR_DISABLED} ({})", held.cause.as_str()));
        }
        let InterfaceId::Veth(id) = interface else {
            return Some(words);
        };
        let why_down = aftermath.why_down(id);
        let record = self.registry.numbered(id).map(|(_, record)| record);
        let now = record.and_then(|record| record.why_down());
        Some(match (why_down, now) {
            (Some(why), _) => why,
            (None, Some(now)) if !aftermath.opens(id) => now,
            _ => words,
        })
    }

    /// How many frames were judged, and those that would be judged otherwise.
    async fn planned_frames(
        &self,
        after: Arc<Snapshot>,
        slots: &Slots<InterfaceId>,
    ) -> Result<(usize, Vec<PlannedFrame>), WorkerGone> {
        let snapshot = Arc::clone(&after);
        let sample = move |worker: &mut packet_io::worker::Worker<Switching>| {
            worker.forward.sample(&snapshot)
        };
        let (frames, guards, now): (Vec<Recent>, Guards, Time) = self.worker.answer(sample).await?;
        let guards = Arc::new(guards);
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
            let guards = Arc::clone(&guards);
            let judge = move |worker: &mut packet_io::worker::Worker<Switching>| {
                let rest = asked.get(first..).unwrap_or_default();
                let some = rest.get(..AT_ONCE).unwrap_or(rest);
                worker.forward.compare(some, (&snapshot, &guards))
            };
            let judged = self.worker.answer(judge).await?;
            for (frame, (before, after)) in frames.iter().skip(first).zip(judged) {
                let (is, would_be) = (Outcome::of(&before), Outcome::of(&after));
                if is == would_be {
                    continue;
                }
                let with_mark = is.mark != would_be.mark;
                differ.push(PlannedFrame {
                    from: names.owner(&before),
                    what: what(&frame.view),
                    ago_ms: now.as_millis().saturating_sub(frame.at.as_millis()),
                    before: names.words(&is, &would_be, with_mark),
                    after: names.words(&would_be, &is, with_mark),
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

const FORWARDING: &str = "forwarding";

fn state(state: &State) -> String {
    match state {
        State::Forwarding => FORWARDING.to_owned(),
        State::Shut => "shut".to_owned(),
        State::ProfileIncomplete { why } => format!("profile_incomplete ({})", why.join("; ")),
    }
}

/// As far as configuration says: its own state, and behind that the state of the port a vEth is on.
fn standing(config: &Config, interface: InterfaceId) -> Option<String> {
    let own = effective(config, interface)?.state;
    if own != State::Forwarding {
        return Some(state(&own));
    }
    let behind = match interface {
        InterfaceId::Ethernet(id) => {
            let has_device = config.ethernets.get(&id)?.device.is_some();
            return Some(
                if has_device {
                    FORWARDING
                } else {
                    "without a device"
                }
                .to_owned(),
            );
        }
        InterfaceId::Veth(id) => config.veths.get(&id)?.bind,
    };
    let Some(bind) = behind else {
        return Some("behind no port".to_owned());
    };
    let link = InterfaceId::Ethernet(bind.ethernet);
    Some(match standing(config, link) {
        Some(words) if words != FORWARDING => format!("down, as {link} is {words}"),
        _ => FORWARDING.to_owned(),
    })
}

fn device_words(old: &Config, new: &Config, interface: InterfaceId) -> Option<String> {
    let InterfaceId::Ethernet(id) = interface else {
        return None;
    };
    let device = |config: &Config| config.ethernets.get(&id)?.device.clone();
    let (old, new) = (device(old)?, device(new)?);
    (old != new).then(|| format!("its device is {new}, and {old} is let go"))
}

/// Of VLANs that begin and end to carry frames, and of those that a port begins and ends to be in.
fn vlan_words(old: (&Topology, &PortPlan), new: (&Topology, &PortPlan)) -> Option<String> {
    let same_vlans = old.0.vlans == new.0.vlans && old.0.private == new.0.private;
    if same_vlans && old.1.vlan == new.1.vlan {
        return None;
    }
    let (old, new) = (old.0.vlans_of(old.1), new.0.vlans_of(new.1));
    let (gone, come) = (old.difference(&new), new.difference(&old));
    let part = |vlans: &VlanSet, words| (!vlans.is_empty()).then(|| format!("{words} {vlans}"));
    let parts = [
        part(&come, "frames of VLAN"),
        part(&gone, "no frames any more of VLAN"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("it carries {}", parts.join(", and ")))
}

fn come_and_go(before: &[OriginatedLine], after: &[OriginatedLine]) -> Vec<String> {
    let says = |sign: char, line: &OriginatedLine| format!("{sign}{} ({})", line.line, line.origin);
    let gone = before.iter().filter(|line| !after.contains(line));
    let come = after.iter().filter(|line| !before.contains(line));
    gone.map(|line| says('-', line))
        .chain(come.map(|line| says('+', line)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const TEXT: &str = "vlan 10,20\ninterface ethernet 1\n device niv1\n switchport mode vntag\n\
        interface ethernet 2\n device p2\n switchport mode trunk\n\
        interface veth 1\n bind interface ethernet 1 channel 1\n switchport access vlan 10\n";

    fn config(text: &str) -> Config {
        parse(text, "t").unwrap().0
    }

    fn veth(config: &Config) -> String {
        standing(config, InterfaceId::Veth(1u32.try_into().unwrap())).unwrap()
    }

    #[test]
    fn a_veth_stands_as_its_port_does() {
        assert_eq!(veth(&config(TEXT)), "forwarding");
        let shut = TEXT.replace("mode vntag\n", "mode vntag\n shutdown\n");
        assert_eq!(veth(&config(&shut)), "down, as Ethernet1 is shut");
        let gone = TEXT.replace(" device niv1\n", "");
        assert_eq!(
            veth(&config(&gone)),
            "down, as Ethernet1 is without a device"
        );
        let policed = TEXT.replace("mode vntag\n", "mode vntag\n police input rate 1 mbps\n");
        assert!(veth(&config(&policed)).contains("Ethernet1 is profile_incomplete"));
        let own = format!("{TEXT} shutdown\n");
        assert_eq!(veth(&config(&own)), "shut");
    }

    fn words_of(old: &str, new: &str, interface: &str) -> Option<String> {
        let mut slots = Slots::new(100);
        let mut topology =
            |text: &str| compile::topology(&config(text), 0, &mut slots, |_| true).unwrap();
        let (old, new) = (topology(old), topology(new));
        let plan = |topology: &Topology| {
            let mut ports = topology.ports.iter();
            ports.find(|port| port.name == interface).unwrap().clone()
        };
        vlan_words((&old, &plan(&old)), (&new, &plan(&new)))
    }

    #[test]
    fn a_port_changes_with_the_vlans_it_is_in() {
        assert_eq!(words_of(TEXT, TEXT, "Ethernet2"), None);
        for (gone, whose) in [
            ("no vlan 10\n", "Ethernet2"),
            ("vlan 10\n state suspend\n", "Vethernet1"),
        ] {
            let without = format!("{TEXT}{gone}");
            let words = words_of(TEXT, &without, whose);
            assert_eq!(
                words.as_deref(),
                Some("it carries no frames any more of VLAN 10")
            );
            let words = words_of(&without, TEXT, whose);
            assert_eq!(words.as_deref(), Some("it carries frames of VLAN 10"));
        }
    }

    #[test]
    fn a_host_changes_with_the_state_of_its_private_vlan() {
        let text = "vlan 100\n private-vlan primary\n private-vlan association 101\nvlan 101\n private-vlan isolated\n\
            interface ethernet 2\n device p2\n switchport mode private-vlan host\n \
            switchport private-vlan host-association 100 101\n";
        let suspended = format!("{text}vlan 101\n state suspend\n");
        let words = words_of(text, &suspended, "Ethernet2");
        assert!(words.is_some_and(|words| words.contains("101")));
    }
}
