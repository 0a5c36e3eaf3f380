//! A switch with two NIV ports and a host behind each, on a fake clock: the registry of vEths and the sessions
//! of both ends, over a wire that takes 50 us.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what the tests stand on may fail loudly"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use vic::session::iv::{IvEvent, IvLimits, IvSession, Vnic, VnicState};
use vic::session::vis::{VisLimits, VisSession};
use vic::session::{Authentication, Capabilities, EndConfig};
use vic::{ListId, Mac, Members, Parameters, Refusal, Uuid, VifId};
use vis::config::{Config, EthernetId, State, VethId, parse};
use vis::veth::{Departures, Kept, Notice, Record, Registry, Verdict};

pub(crate) const CONFIG: &str = "
vlan 10
port-profile default
port-profile web
  description the web servers
  switchport access vlan 10
port-profile broken
  switchport access vlan 99
port-profile resting
  shutdown
port-profile trunk
  switchport mode trunk
interface ethernet 1
  device a
  switchport mode vntag
interface ethernet 2
  device b
  switchport mode vntag
  vic allowed port-profile default web
interface veth 2
  bind interface ethernet 1 channel 2
";

/// How long the embedder gathers, and how long workers take to load a snapshot.
const GATHER: Duration = Duration::from_millis(5);
const LOAD: Duration = Duration::from_millis(1);
const WIRE: Duration = Duration::from_micros(50);

pub(crate) fn uuid(n: u8) -> Uuid {
    let mut octets = [0xA0; 16];
    octets[15] = n;
    Uuid(octets)
}

pub(crate) fn veth(n: u32) -> VethId {
    n.try_into().unwrap()
}

pub(crate) fn vif(n: u16) -> VifId {
    n.try_into().unwrap()
}

pub(crate) struct Host {
    pub(crate) iv: IvSession,
    pub(crate) vis: VisSession,
    /// The cable is in.
    pub(crate) cable: bool,
    pub(crate) lists: BTreeMap<ListId, Members>,
    pub(crate) told: Vec<IvEvent>,
    wire: Vec<(Duration, bool, Vec<u8>)>,
}

#[derive(Default)]
pub(crate) struct Published {
    /// Those whose frames the switch takes.
    pub(crate) taken: BTreeSet<(EthernetId, VifId)>,
    pub(crate) carried: BTreeMap<VethId, (EthernetId, VifId)>,
    pub(crate) lists: BTreeSet<(EthernetId, Vec<VifId>, ListId)>,
}

pub(crate) struct Hosts {
    pub(crate) now: Duration,
    pub(crate) said: Arc<Config>,
    pub(crate) registry: Registry,
    pub(crate) hosts: BTreeMap<u32, Host>,
    pub(crate) stored: BTreeMap<Uuid, Kept>,
    pub(crate) published: Published,
    pub(crate) publications: usize,
    pub(crate) notices: Vec<Notice>,
    settle_at: Option<Duration>,
    loading: Vec<(Duration, Departures)>,
    boots: u8,
}

fn end(name: &str, mac: u8, boot: u8) -> EndConfig {
    EndConfig {
        parameters: Parameters::default(),
        mac: Mac([2, 0, 0, 0, 0, mac]),
        identity: Uuid([mac; 16]),
        name: name.parse().unwrap(),
        software: None,
        mtu: 1510,
        authentication: Authentication::Open,
        capabilities: Capabilities::default(),
        term: 0,
        entropy: [boot, mac].repeat(16).try_into().unwrap(),
    }
}

pub(crate) fn ethernet(n: u32) -> EthernetId {
    n.try_into().unwrap()
}

impl Hosts {
    pub(crate) fn new(config: &str) -> Self {
        let said = Arc::new(parse(config, "t").unwrap().0);
        let mut hosts = Self {
            now: Duration::from_secs(1),
            registry: Registry::new(said.clone(), [], Duration::from_secs(1)),
            said,
            hosts: BTreeMap::new(),
            stored: BTreeMap::new(),
            published: Published::default(),
            publications: 0,
            notices: Vec::new(),
            settle_at: None,
            loading: Vec::new(),
            boots: 0,
        };
        for n in [1, 2] {
            let iv = IvSession::new(end("host", n as u8, 0), IvLimits::default());
            let host = Host {
                iv,
                vis: hosts.vis_session(n),
                cable: true,
                lists: BTreeMap::new(),
                told: Vec::new(),
                wire: Vec::new(),
            };
            hosts.hosts.insert(n, host);
            hosts.registry.open(hosts.now, ethernet(n));
        }
        hosts
    }

    fn vis_session(&mut self, n: u32) -> VisSession {
        self.boots += 1;
        let config = end("rack", 100 + n as u8, self.boots);
        let mut session = VisSession::new(config, VisLimits::default());
        self.registry.furnish(ethernet(n), &mut session);
        session
    }

    pub(crate) fn attach(&mut self, host: u32, n: u8, profile: &str) {
        self.attach_long(host, n, profile, 1500);
    }

    pub(crate) fn attach_long(&mut self, host: u32, n: u8, profile: &str, mtu: u16) {
        self.attach_as(host, n, profile, mtu, Mac([2, 0, 0, 1, 0, n]));
    }

    pub(crate) fn attach_with(&mut self, host: u32, n: u8, profile: &str, mac: Mac) {
        self.attach_as(host, n, profile, 1500, mac);
    }

    fn attach_as(&mut self, host: u32, n: u8, profile: &str, mtu: u16, mac: Mac) {
        let vnic = Vnic {
            uuid: uuid(n),
            mac,
            name: format!("tap{n}").parse().unwrap(),
            profile: profile.parse().unwrap(),
            mtu,
            vif: None,
            owner_name: None,
            owner_uuid: None,
        };
        let iv = &mut self.hosts.get_mut(&host).unwrap().iv;
        iv.attach(self.now, vnic).unwrap();
    }

    pub(crate) fn configure(&mut self, text: &str) {
        self.said = Arc::new(parse(text, "t").unwrap().0);
        self.registry.configure(self.said.clone());
    }

    pub(crate) fn detach(&mut self, host: u32, n: u8) {
        let iv = &mut self.hosts.get_mut(&host).unwrap().iv;
        iv.detach(self.now, uuid(n)).unwrap();
    }

    /// kill -9 and start. What the IV's own file says is what it had.
    pub(crate) fn restart_iv(&mut self, host: u32) {
        let had: Vec<Vnic> = self.hosts[&host]
            .iv
            .vnics()
            .map(|(vnic, vif, _)| Vnic {
                vif,
                ..vnic.clone()
            })
            .collect();
        self.replace_iv(host, host as u8);
        let iv = &mut self.hosts.get_mut(&host).unwrap().iv;
        for vnic in had {
            iv.attach(self.now, vnic).unwrap();
        }
    }

    /// Another machine on the cable.
    pub(crate) fn replace_iv(&mut self, host: u32, identity: u8) {
        self.boots += 1;
        let config = end("host", identity, self.boots);
        let host = self.hosts.get_mut(&host).unwrap();
        host.iv = IvSession::new(config, IvLimits::default());
        host.lists.clear();
        host.told.clear();
    }

    /// kill -9 and start, with what the store says.
    pub(crate) fn restart_vis(&mut self) {
        let stored = std::mem::take(&mut self.stored);
        self.stored = stored.clone();
        self.registry = Registry::new(self.said.clone(), stored, self.now);
        self.published = Published::default();
        self.loading.clear();
        self.settle_at = None;
        let numbers: Vec<u32> = self.hosts.keys().copied().collect();
        for n in numbers {
            let session = self.vis_session(n);
            self.hosts.get_mut(&n).unwrap().vis = session;
            self.registry.open(self.now, ethernet(n));
        }
    }

    /// The port of the switch gets another device: the session begins from nothing.
    pub(crate) fn replace_port(&mut self, n: u32) {
        self.registry.replace(self.now, ethernet(n));
        let session = self.vis_session(n);
        self.hosts.get_mut(&n).unwrap().vis = session;
        self.registry.open(self.now, ethernet(n));
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let limit = self.now + span;
        let mut spins = 0;
        loop {
            self.settle_sessions();
            let mut next: Vec<Duration> = Vec::new();
            next.extend(self.registry.poll_timeout());
            next.extend(self.settle_at);
            next.extend(self.loading.iter().map(|(at, _)| *at));
            for host in self.hosts.values() {
                next.extend(host.iv.poll_timeout());
                next.extend(host.vis.poll_timeout());
                next.extend(host.wire.iter().map(|frame| frame.0));
            }
            let next = next.into_iter().min().unwrap_or(limit);
            if next > limit {
                self.now = limit;
                return;
            }
            spins = if next > self.now { 0 } else { spins + 1 };
            assert!(spins < 1000, "it does not stop at {next:?}");
            self.now = self.now.max(next);
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        for host in self.hosts.values_mut() {
            let due: Vec<_> = host.wire.extract_if(.., |frame| frame.0 <= now).collect();
            for (_, to_iv, frame) in due {
                match to_iv {
                    true => host.iv.handle_message(now, &frame),
                    false => host.vis.handle_message(now, &frame),
                }
            }
            host.iv.handle_timeout(now);
            host.vis.handle_timeout(now);
        }
        self.registry.handle_timeout(now);
        let loaded: Vec<_> = self.loading.extract_if(.., |l| l.0 <= now).collect();
        for (_, departures) in loaded {
            self.registry.departed(departures);
        }
        if self.settle_at.is_some_and(|at| at <= now) {
            self.settle_at = None;
            self.publish();
        }
    }

    fn settle_sessions(&mut self) {
        let now = self.now;
        loop {
            let mut busy = false;
            for (&n, host) in &mut self.hosts {
                while let Some(event) = host.vis.poll_event() {
                    self.registry.handle(now, ethernet(n), event);
                    busy = true;
                }
                while let Some(event) = host.iv.poll_event() {
                    match &event {
                        IvEvent::ListSet { list, members } => {
                            host.lists.insert(*list, members.clone());
                        }
                        IvEvent::ListDeleted(list) => drop(host.lists.remove(list)),
                        IvEvent::VifForgotten(vif) => {
                            for members in host.lists.values_mut() {
                                members.remove(*vif);
                            }
                        }
                        // Its guest may send at once.
                        IvEvent::Enabled { vif, .. } => {
                            let place = (ethernet(n), *vif);
                            assert!(self.published.taken.contains(&place), "{place:?}");
                        }
                        _ => {}
                    }
                    host.told.push(event);
                    busy = true;
                }
            }
            while let Some((link, command)) = self.registry.poll_command() {
                let host = self.hosts.get_mut(&u32::from(link)).unwrap();
                if let Some(report) = command.run(&mut host.vis, now) {
                    self.registry.report(now, link, report);
                }
                busy = true;
            }
            for host in self.hosts.values_mut() {
                while let Some(frame) = host.iv.poll_transmit(now) {
                    if host.cable {
                        host.wire.push((now + WIRE, false, frame));
                    }
                    busy = true;
                }
                while let Some(frame) = host.vis.poll_transmit(now) {
                    if host.cable {
                        host.wire.push((now + WIRE, true, frame));
                    }
                    busy = true;
                }
            }
            if !busy {
                break;
            }
        }
        for (uuid, kept) in self.registry.take_changes() {
            match kept {
                Some(kept) => drop(self.stored.insert(uuid, kept)),
                None => drop(self.stored.remove(&uuid)),
            }
        }
        while let Some(notice) = self.registry.poll_notice() {
            self.notices.push(notice);
        }
        if self.registry.is_unsettled() && self.settle_at.is_none() {
            self.settle_at = Some(now + GATHER);
        }
    }

    /// What a switch would be made of: one flood class on each link.
    fn members(
        &self,
        takes_part: impl Fn(VethId) -> bool,
    ) -> BTreeMap<VethId, (EthernetId, VifId)> {
        let config = self.registry.overlay(&self.said);
        let veths = config.veths.iter().filter(|(id, _)| takes_part(**id));
        veths
            .filter_map(|(&id, veth)| Some((id, veth.bind?)))
            .map(|(id, bind)| (id, (bind.ethernet, bind.channel)))
            .collect()
    }

    fn publish(&mut self) {
        self.publications += 1;
        let mut sets: BTreeMap<EthernetId, Vec<VifId>> = BTreeMap::new();
        for (link, vif) in self.members(|id| self.registry.is_coming(id)).into_values() {
            sets.entry(link).or_default().push(vif);
        }
        sets.values_mut().for_each(|vifs| vifs.sort_unstable());
        let sets = sets
            .into_iter()
            .filter(|(_, vifs)| vifs.len() > 1)
            .collect();
        let config = self.registry.overlay(&self.said);
        let verdicts: BTreeMap<VethId, Verdict> = config
            .veths
            .keys()
            .map(|&id| {
                let state = config.effective_veth(id).unwrap().state;
                let verdict = match state {
                    State::Forwarding => Ok(()),
                    State::Shut => Err(Refusal::new(vic::Code::SHUT, "it is shut")),
                    State::ProfileIncomplete { why } => {
                        Err(Refusal::new(vic::Code::PROFILE_INCOMPLETE, why.join("; ")))
                    }
                };
                (id, verdict)
            })
            .collect();
        self.registry.take_forgotten();
        self.registry.settle(self.now, sets, &verdicts);
        let departures = self.registry.departures();
        let carried = self.members(|id| self.registry.is_carried(id));
        let places: BTreeSet<_> = carried.values().collect();
        assert_eq!(places.len(), carried.len(), "two vEths in one place");
        for gone in &departures.vifs {
            assert!(!places.contains(gone), "{gone:?} departs and takes part");
        }
        let lists = self.registry.lists().usable();
        let lists: BTreeSet<_> = lists
            .map(|(link, list, members)| (link, members.to_vec(), list))
            .collect();
        for (link, members, list) in &lists {
            let host = &self.hosts[&u32::from(*link)];
            if host.iv.is_up() && host.vis.is_up() {
                let there: Vec<VifId> = host.lists[list].iter().collect();
                let going = there.iter().filter(|vif| !members.contains(vif));
                assert!(members.iter().all(|vif| there.contains(vif)), "{list}");
                assert!(going.count() < 2, "list {list} lags behind");
            }
        }
        let is_taken = |id| self.registry.is_carried(id) || self.registry.is_opening(id);
        let taken = self.members(is_taken).into_values().collect();
        self.published = Published {
            taken,
            carried,
            lists,
        };
        self.loading.push((self.now + LOAD, departures));
    }

    pub(crate) fn record(&self, n: u8) -> &Record {
        self.registry
            .records()
            .find(|(found, _)| *found == uuid(n))
            .unwrap()
            .1
    }

    /// The vNIC's vEth and VIF, when frames pass.
    pub(crate) fn passing(&self, host: u32, n: u8) -> Option<(VethId, VifId)> {
        let mut vnics = self.hosts[&host].iv.vnics();
        let (_, held, state) = vnics.find(|(vnic, ..)| vnic.uuid == uuid(n))?;
        let number = self.record(n).number;
        let (link, vif) = *self.published.carried.get(&number)?;
        let agreed = held == Some(vif) && link == ethernet(host);
        (agreed && *state == VnicState::Enabled).then_some((number, vif))
    }

    /// Why the IV was told that its vNIC gets nothing.
    pub(crate) fn refusal(&self, host: u32, n: u8) -> Option<Refusal> {
        let mut vnics = self.hosts[&host].iv.vnics();
        match vnics.find(|(vnic, ..)| vnic.uuid == uuid(n))?.2 {
            VnicState::Down(why) => Some(why.clone()),
            _ => None,
        }
    }
}
