//! All secure addresses of a switch: chained hashing over a fixed array, and for each port two lists: its dynamic
//! addresses in the order in which they age, and the others.
#![expect(
    clippy::indexing_slicing,
    reason = "places are masked to an array's length, or are links this module wrote"
)]

use super::{
    Admission, Ageing, Kind, Mode, PortSecurity, Refused, SecureAddress, Use, Violation, Why, key,
    parts,
};
use crate::{Seed, Time};
use niv::{Mac, VlanId};
use std::cmp::Reverse;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Record {
    /// 0: free, and `next` is the next that is.
    key: u64,
    next: u32,
    /// In one of its port's lists.
    newer: u32,
    older: u32,
    port: u16,
    kind: Kind,
    since: Time,
    seen: Time,
}

#[derive(Clone, Copy, Debug)]
struct Port {
    rule: Option<PortSecurity>,
    held: u32,
    /// Its dynamic addresses, and its static and sticky ones.
    lists: [Ends; 2],
    violations: u64,
    told: Option<Time>,
}

impl Port {
    const UNSECURED: Self = Self {
        rule: None,
        held: 0,
        lists: [Ends::EMPTY; 2],
        violations: 0,
        told: None,
    };
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    newest: u32,
    oldest: u32,
}

impl Ends {
    const EMPTY: Self = Self {
        newest: NONE,
        oldest: NONE,
    };
}

/// Which of its port's lists an address of that kind is in.
const fn list(kind: Kind) -> usize {
    match kind {
        Kind::Dynamic => 0,
        Kind::Static | Kind::Sticky => 1,
    }
}

/// What a frame comes to, before anything is changed.
enum Finding {
    NotSecured,
    Known(u32),
    /// To be learned, in the place of an address of the same port that has aged.
    New(Kind, Option<u32>),
    Violation(Why, Mode),
}

/// The secure addresses of a switch. One worker owns it.
#[derive(Clone, Debug)]
pub struct SecureTable {
    seed: Seed,
    /// By hash: the first of a chain.
    heads: Box<[u32]>,
    records: Box<[Record]>,
    free: u32,
    ports: Vec<Port>,
    stored: u32,
    set_aside: u32,
}

impl SecureTable {
    /// An empty table with room for `capacity` addresses (2^24 at most), 52 to 56 octets each.
    pub fn new(capacity: u32, seed: Seed) -> Self {
        let capacity = capacity.min(1 << 24);
        let record = |next| Record {
            key: 0,
            next,
            newer: NONE,
            older: NONE,
            port: 0,
            kind: Kind::Dynamic,
            since: Time::default(),
            seen: Time::default(),
        };
        let links = (1..capacity).chain([NONE]).take(capacity as usize);
        Self {
            seed,
            heads: vec![NONE; (capacity as usize).next_power_of_two()].into(),
            records: links.map(record).collect(),
            free: if capacity == 0 { NONE } else { 0 },
            ports: Vec::new(),
            stored: 0,
            set_aside: 0,
        }
    }

    /// The port at slot index `port` has this rule from now on; `None`: it is not secured, or gone, and its addresses are
    /// forgotten. What is more than a lowered maximum is forgotten: first what was learned last, static ones at the end.
    ///
    /// # Errors
    /// [`Refused::NoRoom`]; nothing is changed.
    pub fn configure(&mut self, port: u16, rule: Option<PortSecurity>) -> Result<(), Refused> {
        let place = usize::from(port);
        if self.ports.len() <= place {
            if rule.is_none() {
                return Ok(());
            }
            self.ports.resize(place + 1, Port::UNSECURED);
        }
        let aside = |rule: Option<PortSecurity>| rule.map_or(0, |rule| rule.maximum);
        let others = self.set_aside - aside(self.ports[place].rule);
        let wanted = aside(rule);
        let capacity = self.records.len() as u32;
        if wanted > capacity - others {
            return Err(Refused::NoRoom {
                wanted,
                left: capacity - others,
                capacity,
            });
        }
        let Some(rule) = rule else {
            self.forget(port, |_| true);
            self.set_aside = others;
            self.ports[place] = Port::UNSECURED;
            return Ok(());
        };
        self.give_up(port, rule.maximum);
        self.set_aside = others + wanted;
        self.ports[place].rule = Some(rule);
        self.order(port, rule.ageing);
        Ok(())
    }

    /// The rule that is in force on the port.
    pub fn rule(&self, port: u16) -> Option<&PortSecurity> {
        self.ports.get(usize::from(port))?.rule.as_ref()
    }

    /// The port that has the address, and how, whether or not it has aged.
    pub fn owner(&self, vlan: VlanId, mac: Mac) -> Option<(u16, Kind)> {
        let record = &self.records[self.find(key(vlan, mac))? as usize];
        Some((record.port, record.kind))
    }

    /// How many addresses the port has, those that have aged too.
    pub fn held(&self, port: u16) -> u32 {
        self.ports.get(usize::from(port)).map_or(0, |own| own.held)
    }

    /// Forgets what is more than `maximum`.
    fn give_up(&mut self, port: u16, maximum: u32) {
        let excess = self.held(port).saturating_sub(maximum) as usize;
        if excess == 0 {
            return;
        }
        let mut places = self.places(port);
        places.sort_by_key(|&at| {
            let record = &self.records[at as usize];
            (record.kind == Kind::Static, Reverse(record.since))
        });
        for at in places.into_iter().take(excess) {
            self.remove(at);
        }
    }

    /// The port's dynamic addresses are sticky from now on.
    pub fn stick(&mut self, port: u16) {
        for at in self.places(port) {
            if self.records[at as usize].kind == Kind::Dynamic {
                self.unlink(at);
                self.records[at as usize].kind = Kind::Sticky;
                self.link_newest(at);
            }
        }
    }

    /// Where the port's addresses are, in no order.
    fn places(&self, port: u16) -> Vec<u32> {
        let lists = self.ports.get(usize::from(port)).map(|own| own.lists);
        let newest = lists.into_iter().flatten().map(|ends| ends.newest);
        newest.flat_map(|at| self.chain(at)).collect()
    }

    /// From there to the end of a port's list.
    fn chain(&self, newest: u32) -> impl Iterator<Item = u32> + '_ {
        let place = |at: u32| Some(at).filter(|&at| at != NONE);
        std::iter::successors(place(newest), move |&at| {
            place(self.records[at as usize].older)
        })
    }

    /// Makes `address` the port's: a static one, or one kept over a restart.
    ///
    /// # Errors
    /// [`Refused::NotSecured`], [`Refused::Maximum`] and [`Refused::Elsewhere`].
    pub fn add(&mut self, port: u16, address: SecureAddress) -> Result<(), Refused> {
        let (vlan, mac) = (address.vlan, address.mac);
        let key = key(vlan, mac);
        let Some(Port {
            rule: Some(rule),
            held,
            ..
        }) = self.ports.get(usize::from(port)).copied()
        else {
            return Err(Refused::NotSecured);
        };
        match self.find(key) {
            Some(at) if self.records[at as usize].port == port => self.remove(at),
            Some(at) => {
                let port = self.records[at as usize].port;
                return Err(Refused::Elsewhere { vlan, mac, port });
            }
            None if held >= rule.maximum => {
                return Err(Refused::Maximum {
                    maximum: rule.maximum,
                });
            }
            None => {}
        }
        self.insert(key, port, address.kind, address.since, address.seen);
        Ok(())
    }

    /// Forgets those of the port's addresses that `which` picks. Costs a walk over them: for commands.
    pub fn forget(&mut self, port: u16, mut which: impl FnMut(&SecureAddress) -> bool) {
        for at in self.places(port) {
            if address(&self.records[at as usize]).is_some_and(|address| which(&address)) {
                self.remove(at);
            }
        }
    }

    /// Every port's addresses, each with its port's slot index, in no order. Costs a walk over the whole table: for
    /// listings and for what is kept.
    pub fn all(&self, now: Time) -> impl Iterator<Item = (u16, SecureAddress)> + '_ {
        let records = self.records.iter();
        let held = records.filter(move |record| record.key != 0 && !self.is_aged(record, now));
        held.filter_map(|record| Some((record.port, address(record)?)))
    }

    /// No port is secured, so nothing is asked of any frame.
    #[inline]
    pub const fn is_idle(&self) -> bool {
        self.set_aside == 0
    }

    /// The port's addresses, in no order. Costs a walk over them: for listings and for what is kept.
    pub fn addresses(&self, port: u16, now: Time) -> impl Iterator<Item = SecureAddress> + '_ {
        let lists = self.ports.get(usize::from(port)).map(|own| own.lists);
        let newest = lists.into_iter().flatten().map(|ends| ends.newest);
        let records = newest.flat_map(move |at| self.chain(at));
        let records = records.map(move |at| &self.records[at as usize]);
        let held = records.filter(move |record| !self.is_aged(record, now));
        held.filter_map(address)
    }

    /// How many frames violated on the port since it was secured.
    pub fn violations(&self, port: u16) -> u64 {
        self.ports
            .get(usize::from(port))
            .map_or(0, |port| port.violations)
    }

    /// Addresses stored, those that have aged and were not come across since too.
    pub const fn len(&self) -> u32 {
        self.stored
    }

    /// No address is stored.
    pub const fn is_empty(&self) -> bool {
        self.stored == 0
    }

    /// What [`SecureTable::admit`] would say, without doing it.
    pub fn foresee(
        &self,
        port: u16,
        vlan: VlanId,
        mac: Mac,
        now: Time,
        in_use: impl FnOnce() -> Option<Use>,
    ) -> Admission {
        match self.look(port, key(vlan, mac), now, in_use) {
            Finding::NotSecured => Admission::NotSecured,
            Finding::Known(_) => Admission::Known,
            Finding::New(kind, _) => Admission::Learned(kind),
            Finding::Violation(why, mode) => Admission::Violation(Violation {
                why,
                mode,
                tell: self.is_to_be_told(port, mode, now),
            }),
        }
    }

    /// `mac` has just sent from `port` in the filtering id `vlan`. Before it is learned `in_use` is asked for another port
    /// that uses the address without its being secure there: it is not learned then.
    #[inline]
    pub fn admit(
        &mut self,
        port: u16,
        vlan: VlanId,
        mac: Mac,
        now: Time,
        in_use: impl FnOnce() -> Option<Use>,
    ) -> Admission {
        if self.set_aside == 0 {
            return Admission::NotSecured;
        }
        let key = key(vlan, mac);
        match self.look(port, key, now, in_use) {
            Finding::NotSecured => Admission::NotSecured,
            Finding::Known(at) => {
                if now.nanos_since(self.records[at as usize].seen) >= Time::SECOND {
                    self.touch(at, now);
                }
                Admission::Known
            }
            Finding::New(kind, aged) => {
                // Its own record may be one that has aged, here or at another port.
                if let Some(at) = self.find(key) {
                    self.remove(at);
                }
                if let Some(at) = aged
                    && self.records[at as usize].key != 0
                {
                    self.remove(at);
                }
                self.insert(key, port, kind, now, now);
                Admission::Learned(kind)
            }
            Finding::Violation(why, mode) => {
                Admission::Violation(self.violate(port, why, mode, now))
            }
        }
    }

    #[cold]
    fn violate(&mut self, port: u16, why: Why, mode: Mode, now: Time) -> Violation {
        let tell = self.is_to_be_told(port, mode, now);
        let place = usize::from(port);
        if self.ports.len() <= place {
            self.ports.resize(place + 1, Port::UNSECURED);
        }
        let state = &mut self.ports[place];
        state.violations += 1;
        if tell {
            state.told = Some(now);
        }
        Violation { why, mode, tell }
    }

    fn is_to_be_told(&self, port: u16, mode: Mode, now: Time) -> bool {
        let told = self.ports.get(usize::from(port)).and_then(|port| port.told);
        mode != Mode::Protect && told.is_none_or(|told| now.nanos_since(told) >= Time::SECOND)
    }

    #[inline]
    fn look(
        &self,
        port: u16,
        key: u64,
        now: Time,
        in_use: impl FnOnce() -> Option<Use>,
    ) -> Finding {
        let own = self.ports.get(usize::from(port));
        let rule = own.and_then(|own| own.rule);
        let found = self.find(key);
        if let Some(at) = found {
            let record = &self.records[at as usize];
            if !self.is_aged(record, now) {
                return if record.port == port {
                    Finding::Known(at)
                } else {
                    // An unsecured port is not shut for what it cannot know.
                    let mode = rule.map_or(Mode::Restrict, |rule| rule.violation);
                    Finding::Violation(Why::Elsewhere(record.port), mode)
                };
            }
        }
        let (Some(own), Some(rule)) = (own, rule) else {
            return Finding::NotSecured;
        };
        let kind = if rule.sticky {
            Kind::Sticky
        } else {
            Kind::Dynamic
        };
        let gives_up_own = found.is_some_and(|at| self.records[at as usize].port == port);
        let aged = if own.held < rule.maximum || gives_up_own {
            None
        } else {
            let oldest = own.lists[list(Kind::Dynamic)].oldest;
            match self.records.get(oldest as usize) {
                Some(record) if self.is_aged(record, now) => Some(oldest),
                _ => return Finding::Violation(Why::Maximum, rule.violation),
            }
        };
        match in_use() {
            Some(Use::Declared(other)) => Finding::Violation(Why::InUse(other), rule.violation),
            // Somebody else may have sent from it so that its owner is shut. What was the port's own until it aged is its own.
            Some(Use::Seen(other)) if !gives_up_own => {
                Finding::Violation(Why::InUse(other), rule.violation.without_shutting())
            }
            Some(Use::Seen(_)) | None => Finding::New(kind, aged),
        }
    }

    fn is_aged(&self, record: &Record, now: Time) -> bool {
        let rule = self.ports.get(usize::from(record.port));
        let ageing = rule
            .and_then(|port| port.rule)
            .map_or(Ageing::Never, |rule| rule.ageing);
        let nanos = |seconds: u32| u64::from(seconds) * Time::SECOND;
        record.kind == Kind::Dynamic
            && match ageing {
                Ageing::Never => false,
                Ageing::Absolute(seconds) => now.nanos_since(record.since) >= nanos(seconds),
                Ageing::Inactivity(seconds) => now.nanos_since(record.seen) >= nanos(seconds),
            }
    }

    #[inline]
    fn head(&self, key: u64) -> usize {
        self.seed.scatter(key) as usize & (self.heads.len() - 1)
    }

    #[inline]
    fn find(&self, key: u64) -> Option<u32> {
        let mut at = self.heads[self.head(key)];
        while at != NONE {
            let record = &self.records[at as usize];
            if record.key == key {
                return Some(at);
            }
            at = record.next;
        }
        None
    }

    /// There is room: [`SecureTable::configure`] has set it aside.
    fn insert(&mut self, key: u64, port: u16, kind: Kind, since: Time, seen: Time) {
        let at = self.free;
        if at == NONE {
            return;
        }
        let head = self.head(key);
        let record = &mut self.records[at as usize];
        self.free = record.next;
        *record = Record {
            key,
            next: self.heads[head],
            newer: NONE,
            older: NONE,
            port,
            kind,
            since,
            seen,
        };
        self.heads[head] = at;
        self.stored += 1;
        self.ports[usize::from(port)].held += 1;
        self.link_newest(at);
    }

    fn remove(&mut self, at: u32) {
        let record = self.records[at as usize];
        let head = self.head(record.key);
        if self.heads[head] == at {
            self.heads[head] = record.next;
        } else {
            let mut before = self.heads[head];
            while self.records[before as usize].next != at {
                before = self.records[before as usize].next;
            }
            self.records[before as usize].next = record.next;
        }
        self.unlink(at);
        let record = &mut self.records[at as usize];
        self.ports[usize::from(record.port)].held -= 1;
        record.key = 0;
        record.next = self.free;
        self.free = at;
        self.stored -= 1;
    }

    fn touch(&mut self, at: u32, now: Time) {
        let record = &mut self.records[at as usize];
        record.seen = now;
        let (kind, port) = (record.kind, usize::from(record.port));
        let rule = self.ports[port].rule;
        if kind == Kind::Dynamic
            && matches!(rule.map(|rule| rule.ageing), Some(Ageing::Inactivity(_)))
        {
            self.unlink(at);
            self.link_newest(at);
        }
    }

    fn link_newest(&mut self, at: u32) {
        let ends = self.ends(at);
        let before = std::mem::replace(&mut ends.newest, at);
        if before == NONE {
            ends.oldest = at;
        } else {
            self.records[before as usize].newer = at;
        }
        let record = &mut self.records[at as usize];
        record.newer = NONE;
        record.older = before;
    }

    fn unlink(&mut self, at: u32) {
        let Record { newer, older, .. } = self.records[at as usize];
        if newer == NONE {
            self.ends(at).newest = older;
        } else {
            self.records[newer as usize].older = older;
        }
        if older == NONE {
            self.ends(at).oldest = newer;
        } else {
            self.records[older as usize].newer = newer;
        }
    }

    /// Of the list that the record is in.
    fn ends(&mut self, at: u32) -> &mut Ends {
        let Record { port, kind, .. } = self.records[at as usize];
        &mut self.ports[usize::from(port)].lists[list(kind)]
    }

    /// Puts the port's dynamic addresses into the order in which they age by this rule.
    fn order(&mut self, port: u16, ageing: Ageing) {
        let dynamic = self.ports[usize::from(port)].lists[list(Kind::Dynamic)];
        let mut places: Vec<_> = self.chain(dynamic.newest).collect();
        places.sort_by_key(|&at| {
            let record = &self.records[at as usize];
            match ageing {
                Ageing::Inactivity(_) => record.seen,
                Ageing::Never | Ageing::Absolute(_) => record.since,
            }
        });
        for at in places {
            self.unlink(at);
            self.link_newest(at);
        }
    }
}

fn address(record: &Record) -> Option<SecureAddress> {
    let (vlan, mac) = parts(record.key)?;
    Some(SecureAddress {
        vlan,
        mac,
        kind: record.kind,
        since: record.since,
        seen: record.seen,
    })
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
