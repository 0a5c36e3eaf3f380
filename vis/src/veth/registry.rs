//! The registry: every vEth of the control protocol, and what changes it.

use super::command::Command;
use super::kept::Kept;
use super::link::LinkRecord;
use super::lists::Lists;
use super::notice::Notice;
use super::record::{Place, Record, Stage};
use crate::config::{Config, EthernetId, VethId};
use niv::{Counters, ListId, VifId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use vic::session::vis::VisSession;
use vic::{Code, Refusal, Uuid};

/// vEths that are kept after their IV let go of them: of the link that had the most, the one detached longest ago is forgotten
/// first.
pub const MAX_DETACHED: usize = 1024;

/// VIFs and lists that the switch does without, and that workers may still have in their hands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Departures {
    /// VIFs.
    pub vifs: Vec<(EthernetId, VifId)>,
    /// Lists.
    pub lists: Vec<(EthernetId, ListId)>,
    /// How often a session had been replaced by then: of ids of an earlier one nothing is to be said.
    replacements: u64,
}

impl Departures {
    /// Nothing departs.
    pub const fn is_empty(&self) -> bool {
        self.vifs.is_empty() && self.lists.is_empty()
    }
}

/// Every vEth of the control protocol. The module says how it is driven.
#[derive(Debug)]
pub struct Registry {
    pub(super) said: Arc<Config>,
    pub(super) records: BTreeMap<Uuid, Record>,
    pub(super) numbers: BTreeMap<VethId, Uuid>,
    /// Those that nobody has, by configuration or by the protocol.
    pub(super) free: BTreeSet<VethId>,
    pub(super) places: BTreeMap<Place, Uuid>,
    pub(super) links: BTreeMap<EthernetId, LinkRecord>,
    pub(super) lists: Lists,
    pub(super) commands: VecDeque<(EthernetId, Command)>,
    pub(super) notices: VecDeque<Notice>,
    pub(super) changed: BTreeSet<Uuid>,
    pub(super) forgotten: Vec<VethId>,
    pub(super) unsettled: bool,
    pub(super) departing: Vec<(EthernetId, VifId)>,
    replacements: u64,
}

impl Registry {
    /// What the store says, under this configuration. vEths that were somewhere wait there for their IV, for
    /// the grace time.
    pub fn new(
        said: Arc<Config>,
        kept: impl IntoIterator<Item = (Uuid, Kept)>,
        now: Duration,
    ) -> Self {
        let mut registry = Self {
            free: unsaid(&said),
            said,
            records: BTreeMap::new(),
            numbers: BTreeMap::new(),
            places: BTreeMap::new(),
            links: BTreeMap::new(),
            lists: Lists::default(),
            commands: VecDeque::new(),
            notices: VecDeque::new(),
            changed: BTreeSet::new(),
            forgotten: Vec::new(),
            unsettled: false,
            departing: Vec::new(),
            replacements: 0,
        };
        let deadline = now + registry.said.vic.grace();
        let records = kept
            .into_iter()
            .map(|(uuid, kept)| (uuid, kept.record(now, deadline)));
        let (keeping, yielding): (Vec<_>, Vec<_>) =
            records.partition(|(_, record)| !registry.is_by_hand(record.number));
        // Those that must have another number must not take one that is somebody's.
        for (uuid, record) in keeping.into_iter().chain(yielding) {
            registry.restore(uuid, record, deadline);
        }
        registry
    }

    fn is_by_hand(&self, number: VethId) -> bool {
        let veth = self.said.veths.get(&number);
        veth.is_some_and(|veth| veth.bind.is_some())
    }

    fn restore(&mut self, uuid: Uuid, mut record: Record, deadline: Duration) {
        let was = record.number;
        if self.is_by_hand(was) || self.numbers.contains_key(&was) {
            let Some(&is) = self.free.first() else { return };
            record.number = is;
            self.notices.push_back(Notice::Renumbered { was, is, uuid });
            self.changed.insert(uuid);
        }
        if let Some(place) = record.place {
            // The session gets it back only if nobody has it by hand or by a second entry.
            let taken = self.said.bound_to(place.binding()).is_some();
            if taken || self.places.contains_key(&place) {
                record.place = None;
                record.stage = Stage::Detached;
            } else {
                self.places.insert(place, uuid);
                let link = self.links.entry(place.link).or_default();
                link.deadline = Some(deadline);
            }
        }
        self.free.remove(&record.number);
        self.numbers.insert(record.number, uuid);
        self.records.insert(uuid, record);
    }

    /// What a session on this link has to know of before its first frame: VIFs bound by hand, and those of vEths
    /// that may come back.
    pub fn furnish(&self, link: EthernetId, session: &mut VisSession) {
        for bind in self.said.veths.values().filter_map(|veth| veth.bind) {
            if bind.ethernet == link {
                // Each is bound once.
                let _ = session.reserve(bind.channel);
            }
        }
        for (place, &uuid) in self.places.iter().filter(|(place, _)| place.link == link) {
            // Each has one place, and none that is bound by hand.
            let _ = session.restore(uuid, place.vif);
        }
    }

    /// There is a session on this link now, in which nobody has been heard yet.
    pub fn open(&mut self, now: Duration, link: EthernetId) {
        self.links.entry(link).or_default().since = now;
        let catalogue = self.catalogue(link);
        self.command(link, Command::Catalogue(catalogue));
    }

    /// The port has another device, with another address, and will have another session in place of the one it
    /// had. vEths wait for their IV; lists are made anew.
    pub fn replace(&mut self, now: Duration, link: EthernetId) {
        if self
            .links
            .get(&link)
            .is_some_and(|link| link.peer.is_some())
        {
            let why = Refusal::new(
                Code::REPLACED,
                "the port has another device, or other terms for sessions",
            );
            self.lost(now, link, why);
        }
        self.replacements += 1;
        self.links.entry(link).or_default().replaced = self.replacements;
        self.lists.forget(link);
        self.departing.retain(|(on, _)| *on != link);
        self.commands.retain(|(on, _)| *on != link);
        self.unsettled = true;
    }

    /// The port is no NIV port any more, or has no device: nobody on it can come back.
    pub fn close(&mut self, now: Duration, link: EthernetId) {
        self.replace(now, link);
        let here: Vec<(Place, Uuid)> = self
            .places
            .iter()
            .filter(|(place, _)| place.link == link)
            .map(|(&place, &uuid)| (place, uuid))
            .collect();
        for (place, uuid) in here {
            let why = Refusal::new(Code::GOING_AWAY, "the port is configured otherwise");
            self.vif_gone(now, link, place.vif, uuid, why);
        }
        self.departing.retain(|(on, _)| *on != link);
        if let Some(record) = self.links.get_mut(&link) {
            record.deadline = None;
        }
    }

    /// The configuration is another one. vEths whose profile may not be asked for any more where they are have their
    /// frames stopped, and may come back by another configuration; what else is another is the switch's matter
    /// ([`Registry::overlay`]).
    pub fn configure(&mut self, said: Arc<Config>) {
        self.free = unsaid(&said);
        self.free.retain(|id| !self.numbers.contains_key(id));
        self.said = said;
        let links: Vec<EthernetId> = self.links.keys().copied().collect();
        for link in links {
            let catalogue = self.catalogue(link);
            self.command(link, Command::Catalogue(catalogue));
        }
        self.unsettled = true;
    }

    /// Does what the time has come for.
    pub fn handle_timeout(&mut self, now: Duration) {
        let over = |record: &LinkRecord| record.deadline.is_some_and(|deadline| deadline <= now);
        let expired: Vec<EthernetId> = self
            .links
            .iter_mut()
            .filter(|(_, record)| over(record))
            .map(|(&link, record)| {
                record.deadline = None;
                link
            })
            .collect();
        for link in expired {
            if self.places.keys().any(|place| place.link == link) {
                self.notices.push_back(Notice::GraceOver(link));
            }
            self.command(link, Command::Expire);
        }
        // An IV that has a session and says nothing of what it had before.
        let why = Refusal::new(
            Code::DETACHED,
            "the interface virtualizer did not ask for it again",
        );
        for record in self.records.values_mut() {
            if let (Stage::Absent { deadline }, Some(place)) = (&record.stage, record.place)
                && *deadline <= now
                && self
                    .links
                    .get(&place.link)
                    .is_some_and(|l| l.peer.is_some())
            {
                record.stage = Stage::Disabled(why.clone());
                let delete = Command::Delete(place.vif, why.clone());
                self.commands.push_back((place.link, delete));
            }
        }
        self.tell_what_is_over(now);
        self.unsettled |= self.lists.timeout().is_some_and(|due| due <= now);
    }

    /// When [`Registry::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let links = self.links.values().filter_map(|record| record.deadline);
        let absent = self.records.values().filter_map(|record| {
            let Stage::Absent { deadline } = record.stage else {
                return None;
            };
            let link = self.links.get(&record.place?.link)?;
            link.peer.as_ref().map(|_| deadline)
        });
        let told = self.links.values();
        let told = told.flat_map(|link| [link.repeats.timeout(), link.others.timeout()]);
        let all = links.chain(absent).chain(told.flatten());
        all.chain(self.lists.timeout()).min()
    }

    /// The next thing a session is to do. In this order, link by link.
    pub fn poll_command(&mut self) -> Option<(EthernetId, Command)> {
        self.commands.pop_front()
    }

    /// The next thing people should know of.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// What the store is to say of these vNICs from now on; `None`: nothing.
    pub fn take_changes(&mut self) -> Vec<(Uuid, Option<Kept>)> {
        let kept = |uuid| (uuid, self.records.get(&uuid).map(Kept::of));
        std::mem::take(&mut self.changed)
            .into_iter()
            .map(kept)
            .collect()
    }

    /// What another account says these vEths have counted in earlier lives: it may be a later one than the store's.
    /// To be said before anything is counted in this life.
    pub fn recall(&mut self, totals: &BTreeMap<Uuid, Counters>) {
        for (uuid, record) in &mut self.records {
            let Some(total) = totals.get(uuid) else {
                continue;
            };
            let earlier = record.earlier.later(total);
            if record.earlier != earlier {
                record.earlier = earlier;
                self.changed.insert(*uuid);
            }
        }
    }

    /// What the switch has counted for a vEth in this life.
    pub fn counted(&mut self, uuid: Uuid, live: &Counters) {
        if let Some(record) = self.records.get_mut(&uuid)
            && record.live != *live
        {
            record.live = *live;
            self.changed.insert(uuid);
        }
    }

    /// Something happened that the switch has to follow.
    pub const fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// VIFs and lists that the switch that is published next does without. Say [`Registry::departed`] when
    /// every worker has loaded that.
    pub fn departures(&mut self) -> Departures {
        Departures {
            vifs: std::mem::take(&mut self.departing),
            lists: self.lists.depart(),
            replacements: self.replacements,
        }
    }

    /// No worker has them in its hands any more.
    pub fn departed(&mut self, mut departures: Departures) {
        let (links, then) = (&self.links, departures.replacements);
        let same = |link: &EthernetId| links.get(link).is_none_or(|link| link.replaced <= then);
        departures.vifs.retain(|(link, _)| same(link));
        departures.lists.retain(|(link, _)| same(link));
        for (link, vif) in departures.vifs {
            self.command(link, Command::Quiesced(vif));
        }
        for (link, list) in departures.lists {
            self.lists.departed(link, list);
            self.command(link, Command::ReleaseList(list));
        }
    }

    pub(super) fn command(&mut self, link: EthernetId, command: Command) {
        self.commands.push_back((link, command));
    }

    pub(super) fn change(
        &mut self,
        link: EthernetId,
        vif: VifId,
        change: impl FnOnce(&mut Record),
    ) {
        if let Some(&uuid) = self.places.get(&Place { link, vif })
            && let Some(record) = self.records.get_mut(&uuid)
        {
            change(record);
            self.changed.insert(uuid);
        }
    }

    pub(super) fn at(&mut self, link: EthernetId, vif: VifId) -> Option<&mut Record> {
        let uuid = self.places.get(&Place { link, vif })?;
        self.records.get_mut(uuid)
    }

    /// The vEths, by UUID.
    pub fn records(&self) -> impl Iterator<Item = (Uuid, &Record)> {
        self.records.iter().map(|(&uuid, record)| (uuid, record))
    }

    /// The vEth of this number.
    pub fn numbered(&self, number: VethId) -> Option<(Uuid, &Record)> {
        let uuid = self.numbers.get(&number)?;
        Some((*uuid, self.records.get(uuid)?))
    }

    /// The links with vEths that have a place there and take no part in the switch, because their IV has not asked for
    /// them again since the switch was started, or is on its way to.
    pub fn expecting(&self) -> BTreeSet<EthernetId> {
        let records = self.records.values();
        let awaited = records.filter(|record| record.is_awaited());
        awaited.filter_map(|record| record.home()).collect()
    }

    /// The links that have or had a session.
    pub fn links(&self) -> impl Iterator<Item = (EthernetId, &LinkRecord)> {
        self.links.iter().map(|(&link, record)| (link, record))
    }

    /// The lists.
    pub const fn lists(&self) -> &Lists {
        &self.lists
    }
}

/// The numbers that the configuration says nothing of.
fn unsaid(said: &Config) -> BTreeSet<VethId> {
    (1..)
        .map_while(|id| VethId::try_from(id).ok())
        .filter(|id| !said.veths.contains_key(id))
        .collect()
}
