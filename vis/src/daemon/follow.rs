//! The control loop's turn: what happened elsewhere is taken in, gathered, and made into the next switch.

use super::compile;
use super::inbox::News;
use super::run::Daemon;
use super::secure::Claims;
use crate::config::{Config, EthernetId, InterfaceId, State, VethId};
use crate::switch::{AwayPlan, ListPlan, PortPlan, PortState, Topology, list_sets};
use crate::veth::Verdict;
use niv::{PortId, Slot};
use packet_io::mailbox::WorkerGone;
use packet_io::worker::Forward;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};
use vic::{Code, Refusal};

/// What happens within this time is published together, so that 1,024 vNICs at once need few compiles. A
/// switch that takes long to compile gathers for longer: at most half of the time goes into it.
const GATHER: Duration = Duration::from_millis(5);

/// Nothing is due for so long.
const IDLE: Duration = Duration::from_secs(3600);

impl Daemon {
    /// The time that the registry is told.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// When [`Daemon::follow`] has something to do, even if nothing happens.
    pub(super) fn next_turn(&self) -> Instant {
        let due = self.registry.poll_timeout().map(|due| self.started + due);
        let confirm = self.changes.poll_timeout().map(|due| self.started + due);
        let told = self.telling.due();
        let guards = self.guards.poll_timeout().map(|due| self.started + due);
        let timers = due.into_iter().chain(confirm).chain(guards).chain(told);
        let soonest = self.settle_at.into_iter().chain(timers).min();
        soonest.unwrap_or_else(|| Instant::now() + IDLE)
    }

    /// Takes in what happened, does what is due, and has sessions do what follows from it.
    ///
    /// # Errors
    /// The worker has ended.
    pub(super) async fn follow(&mut self) -> Result<(), WorkerGone> {
        let now = self.now();
        self.sessions
            .follow(&self.said, &mut self.supervisor, &mut self.registry, now)
            .await;
        for news in self.inbox.take() {
            match news {
                News::Event(link, event) => self.registry.handle(now, link, event),
                News::Report(link, report) => self.registry.report(now, link, report),
                News::Departed(departures) => self.registry.departed(departures),
                News::Guards(news) => self.guarded(news)?,
            }
        }
        self.attend_guards().await?;
        if self.registry.poll_timeout().is_some_and(|due| due <= now) {
            self.registry.handle_timeout(now);
        }
        self.pass_on();
        let at = Instant::now();
        if self.settle_at.is_some_and(|due| due <= at) {
            self.settle_at = None;
            self.settle()?;
            self.settling = at.elapsed();
            self.pass_on();
        }
        self.tell_of_frames().await?;
        if self.registry.is_unsettled() && self.settle_at.is_none() {
            self.settle_at = Some(Instant::now() + GATHER.max(self.settling));
        }
        Ok(())
    }

    /// Commands to sessions, notices to people, changes to the store.
    fn pass_on(&mut self) {
        while let Some((link, command)) = self.registry.poll_command() {
            self.sessions.tell(link, command);
        }
        while let Some(notice) = self.registry.poll_notice() {
            match notice.is_alarm() {
                true => warn!("{notice}"),
                false => info!("{notice}"),
            }
        }
        self.store.keep(self.registry.take_changes());
    }

    /// Makes what has happened the switch's.
    fn settle(&mut self) -> Result<(), WorkerGone> {
        for number in self.registry.take_forgotten() {
            self.slots.release(&InterfaceId::Veth(number));
            self.guards.forget(InterfaceId::Veth(number));
        }
        self.config = self.registry.overlay(&self.said);
        let coming = |number| self.registry.is_coming(number);
        let coming = match compile::topology(&self.config, 0, &mut self.slots, coming) {
            Ok(mut topology) => {
                let claims = Claims::new(&self.said, &self.registry, &topology, &self.slots);
                let granted = self.guards.mark(&mut topology, &mut self.slots, claims);
                self.guards.secure.granted = granted;
                topology
            }
            // The switch stays as it is, and nothing departs.
            Err(error) => {
                error!("the switch cannot follow: {error}");
                return Ok(());
            }
        };
        self.give_blocks()?;
        let sets = list_sets(&coming)
            .into_iter()
            .filter_map(|(device, members)| Some((ethernet(device)?, members)))
            .collect();
        let verdicts = self.verdicts();
        self.registry.settle(self.now(), sets, &verdicts);

        self.publish(self.carried(coming, &self.config))
    }

    /// What of a switch that is to come is carried now, with the lists there are for its floods.
    pub(super) fn carried(&self, coming: Topology, config: &Config) -> Topology {
        let part = |number| match self.registry.is_carried(number) {
            true => Part::Whole,
            false if self.registry.is_opening(number) => Part::Opening,
            false => Part::None,
        };
        let lists = self.registry.lists().usable();
        let lists = lists.map(|(link, id, members)| ListPlan {
            device: compile::port_id(link),
            id,
            members: members.to_vec(),
        });
        let ports = in_force(&coming, config, part);
        // Who is left out keeps its secure addresses.
        let here: BTreeSet<Slot> = ports.iter().map(|port| port.slot).collect();
        let left_out = coming
            .ports
            .iter()
            .filter(|port| !here.contains(&port.slot));
        let left_out = left_out.filter_map(|port| {
            let guards = port.policy.guards.as_ref()?;
            guards.security.as_ref()?;
            let (slot, guards) = (port.slot, Arc::clone(guards));
            Some(AwayPlan { slot, guards })
        });
        let away = coming.away.iter().cloned().chain(left_out).collect();
        Topology {
            ports,
            lists: lists.collect(),
            away,
            ..coming
        }
    }

    /// Why vEths are down, as far as the configuration says.
    fn verdicts(&self) -> BTreeMap<VethId, Verdict> {
        // Nothing passes a port that is not as it is said to be.
        let ethernets = self.config.ethernets.keys();
        let incomplete = ethernets.filter_map(|&id| {
            let state = self.config.effective_ethernet(id)?.state;
            match state {
                State::ProfileIncomplete { why } => Some((id, why.join("; "))),
                State::Forwarding | State::Shut => None,
            }
        });
        let incomplete: BTreeMap<EthernetId, String> = incomplete.collect();
        let verdict = |id| {
            let refusal = |code, sentence: String| Err(Refusal::new(code, sentence));
            let name = InterfaceId::Veth(id);
            match self.config.effective_veth(id)?.state {
                State::Forwarding => {
                    let bind = self.config.veths.get(&id)?.bind;
                    let why = bind.and_then(|bind| incomplete.get(&bind.ethernet));
                    Some(match why {
                        Some(why) => refusal(Code::PROFILE_INCOMPLETE, why.clone()),
                        None => Ok(()),
                    })
                }
                State::Shut => Some(refusal(Code::SHUT, format!("{name} is shut"))),
                State::ProfileIncomplete { why } => {
                    Some(refusal(Code::PROFILE_INCOMPLETE, why.join("; ")))
                }
            }
        };
        let numbers = self.registry.records().map(|(_, record)| record.number);
        numbers.filter_map(|id| Some((id, verdict(id)?))).collect()
    }

    /// Has the worker forward by `topology`, and what is not in it let go of once it does.
    fn publish(&mut self, mut topology: Topology) -> Result<(), WorkerGone> {
        topology.epoch = self.topology.epoch;
        if topology != self.topology {
            topology.epoch += 1;
            match topology.compile() {
                Ok(snapshot) => {
                    self.telling.follow(&snapshot);
                    self.published.store(Arc::new(snapshot));
                    // What policy keeps, such as secure addresses, follows without a frame, too.
                    self.worker
                        .tell(|worker| worker.forward.begin(Instant::now()))?;
                }
                Err(error) => {
                    error!("the switch cannot follow: {error}");
                    return Ok(());
                }
            }
            self.topology = topology;
        }
        let departures = self.registry.departures();
        if departures.is_empty() {
            return Ok(());
        }
        let inbox = self.inbox.clone();
        // Runs between two bursts, and every burst from there on loads what was published.
        self.worker
            .tell(move |_| inbox.put(News::Departed(departures)))
    }
}

/// How far a vEth takes part in the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    None,
    Opening,
    Whole,
}

/// The ports of a switch that is to come, less those whose frames do not pass yet. A guest may send as soon as its
/// interface virtualizer has got VifEnable, so its port is open from before that is sent: commands to sessions are
/// passed on after this is published.
fn in_force(coming: &Topology, config: &Config, part: impl Fn(VethId) -> Part) -> Vec<PortPlan> {
    let parts: BTreeMap<_, _> = config
        .veths
        .iter()
        .filter_map(|(&id, veth)| Some((veth.bind?, part(id))))
        .map(|(bind, part)| ((compile::port_id(bind.ethernet), Some(bind.channel)), part))
        .collect();
    let ports = coming.ports.iter().cloned();
    ports
        .filter_map(|mut port| {
            match parts.get(&(port.device, port.vif)) {
                Some(Part::None) => return None,
                Some(Part::Opening) if port.state == PortState::Forwarding => {
                    port.state = PortState::Opening;
                }
                _ => {}
            }
            Some(port)
        })
        .collect()
}

fn ethernet(device: PortId) -> Option<EthernetId> {
    EthernetId::try_from(u32::from(device.0) + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::switch::Slots;

    #[test]
    fn a_guest_that_is_being_enabled_can_send_and_gets_no_flood() {
        let text = "vlan 10\nport-profile web\n  switchport access vlan 10\ninterface ethernet 1\n  device a\n  \
            switchport mode vntag\n";
        let veth = |n| {
            format!(
                "interface veth {n}\n  inherit port-profile web\n  bind interface ethernet 1 channel {n}\n"
            )
        };
        let text = [
            text.to_owned(),
            veth(1),
            veth(2),
            veth(3),
            veth(4) + "  shutdown\n",
        ]
        .concat();
        let config = parse(&text, "t").unwrap().0;
        let coming = compile::topology(&config, 0, &mut Slots::new(100), |_| true).unwrap();
        let part = |id: VethId| match id.get() {
            1 => Part::Whole,
            2 | 4 => Part::Opening,
            _ => Part::None,
        };
        let topology = Topology {
            ports: in_force(&coming, &config, part),
            ..coming
        };
        let states: Vec<_> = topology
            .ports
            .iter()
            .map(|port| (port.vif.unwrap().get(), port.state))
            .collect();
        let expected = [
            (1, PortState::Forwarding),
            (2, PortState::Opening),
            (4, PortState::Shut),
        ];
        assert_eq!(states, expected);
        let snapshot = topology.compile().unwrap();
        let flooded = snapshot.members(10.try_into().unwrap());
        assert_eq!(flooded, [topology.ports[0].slot.index]);
    }
}
