//! The forwarding table: (VLAN, address) -> slot, in one flat open-addressed array.
//!
//! Linear probing; a removal closes the gap it leaves, so no tombstones pile up. Positions depend on a
//! random seed, because the addresses are the attacker's choice. Every entry is in two lists, newest
//! first: that of all entries, whose end is the next to age out, and that of its owner, whose end the
//! owner gives up when the table is full and nobody has more. Every step a frame can cause costs the
//! same however full the table is (design.md section 4.6, 5.6).
#![expect(
    clippy::indexing_slicing,
    reason = "positions are masked to the array's length, or are links this module wrote; owners are \
              those `open` made room for"
)]

mod moves;
mod records;

pub(super) use moves::Away;

use super::Time;
use super::fairness::Ranking;
use super::placement::Placement;
use moves::Move;
use niv::{Mac, Slot, VlanId};
use policy::Seed;
use records::{EMPTY, Ends, NONE, Record, key};
use std::num::NonZeroU32;

/// What can be changed about the table while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableParameters {
    /// Seconds an address is kept after its last frame; 0: for ever.
    pub ageing_seconds: u32,
    /// Milliseconds for which an address that moved too often stays where it is.
    pub hold_millis: u32,
}

impl Default for TableParameters {
    /// 300 seconds (IEEE 802.1Q table 8-6) and a hold of 10 seconds (ours).
    fn default() -> Self {
        Self {
            ageing_seconds: 300,
            hold_millis: 10_000,
        }
    }
}

/// How an address came to be in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// From the source address of a frame.
    Dynamic,
}

impl Kind {
    /// The name listings use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
        }
    }
}

/// One line of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The filtering id.
    pub vlan: VlanId,
    /// The address.
    pub mac: Mac,
    /// Behind which bridge port.
    pub slot: Slot,
    /// Seconds since the address was last seen.
    pub age_seconds: u32,
    /// How it came here.
    pub kind: Kind,
}

/// What learning one source address did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It was known here.
    Known,
    /// It is new.
    New,
    /// It is new, and another entry had to be given up for it.
    NewForAnother,
    /// It moved here from another bridge port.
    Moved,
    /// It moved too often, and is another's: its home's, from before it began to.
    Held,
    /// It is a promiscuous port's of the same private VLAN, and stays there. The table does not say so itself.
    AtPromiscuous,
    /// The slot was never opened, or is closed.
    NotOpen,
}

/// What learning one source address would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foresight {
    /// As [`Table::learn`] would say.
    pub learned: Learned,
    /// The address that would be given up for it.
    pub given_up: Option<(VlanId, Mac)>,
    /// The bridge port that would have the address then.
    pub holder: Option<Slot>,
}

/// An owner's place: who holds it now, and its entries.
#[derive(Clone, Copy, Debug)]
struct Owner {
    slot: Option<Slot>,
    /// How many holders there have been. Where it begins anew nothing dead is left.
    tenure: u16,
    entries: Ends,
}

/// The forwarding table. One worker owns it.
#[derive(Clone, Debug)]
pub struct Table {
    records: Box<[Record]>,
    mask: usize,
    placement: Placement,
    parameters: TableParameters,
    capacity: usize,
    stored: usize,
    all: Ends,
    ownerless: Ends,
    owners: Vec<Owner>,
    ranking: Ranking,
    away: Away,
}

impl Table {
    /// An empty table for `capacity` addresses, at most 2^30 of them are allowed. 40 octets for each
    /// of 1.5 to 3 times as many places.
    pub fn new(capacity: NonZeroU32, seed: Seed) -> Self {
        let capacity = capacity.get().min(1 << 30) as usize;
        let places = (capacity + capacity / 2 + 1).next_power_of_two();
        Self {
            records: vec![EMPTY; places].into(),
            mask: places - 1,
            placement: Placement::new(seed),
            parameters: TableParameters::default(),
            capacity,
            stored: 0,
            all: Ends::EMPTY,
            ownerless: Ends::EMPTY,
            owners: Vec::new(),
            ranking: Ranking::new(capacity),
            away: Away::default(),
        }
    }

    /// Sets ageing and hold time, for what is in the table too.
    pub const fn set_parameters(&mut self, parameters: TableParameters) {
        self.parameters = parameters;
    }

    /// `slot` may learn from now on. An earlier holder of its place is forgotten, in constant time.
    pub fn open(&mut self, slot: Slot) {
        let place = usize::from(slot.index);
        if self.owners.len() <= place {
            self.owners.resize(
                place + 1,
                Owner {
                    slot: None,
                    tenure: 0,
                    entries: Ends::EMPTY,
                },
            );
            self.ranking.reserve(slot.index);
        }
        if self.owners[place].slot != Some(slot) {
            self.close(slot.index);
            self.owners[place].slot = Some(slot);
        }
    }

    /// Whoever holds place `index` is gone, and what it owned is dead at once; in constant time.
    pub fn close(&mut self, index: u16) {
        let Some(owner) = self.owners.get_mut(usize::from(index)) else {
            return;
        };
        if owner.slot.take().is_none() {
            return;
        }
        owner.tenure = owner.tenure.wrapping_add(1);
        let is_anew = owner.tenure == 0;
        let entries = std::mem::replace(&mut owner.entries, Ends::EMPTY);
        if entries.newest != NONE {
            self.bury(index, entries);
        }
        while is_anew && self.ownerless.oldest != NONE {
            self.remove(self.ownerless.oldest as usize);
        }
    }

    /// What `slot` owns is forgotten at once, in constant time; it may go on learning.
    pub fn forget_all_of(&mut self, slot: Slot) {
        if self.tenure_of(slot).is_some() {
            self.close(slot.index);
            self.open(slot);
        }
    }

    /// Places opened so far, closed again or not: 0..=65535.
    pub fn places(&self) -> u16 {
        self.owners.len() as u16
    }

    /// The bridge port behind which `mac` is.
    // Always: the way of a frame is compiled twice, to forward and to rehearse, and would call it instead.
    #[inline(always)]
    pub fn lookup(&self, vlan: VlanId, mac: Mac, now: Time) -> Option<Slot> {
        let record = &self.records[self.find(key(vlan, mac)).ok()?];
        if self.is_live(record, now) {
            self.owners[usize::from(record.owner)].slot
        } else {
            None
        }
    }

    /// `mac` has just sent from `slot`.
    // Always: the way of a frame is compiled twice, to forward and to rehearse, and would call it instead.
    #[inline(always)]
    pub fn learn(&mut self, vlan: VlanId, mac: Mac, slot: Slot, now: Time) -> Learned {
        if self.tenure_of(slot).is_none() {
            return Learned::NotOpen;
        }
        let key = key(vlan, mac);
        if let Ok(at) = self.find(key) {
            let record = &self.records[at];
            if self.is_live(record, now) {
                return if record.owner != slot.index {
                    self.move_to(at, slot.index, now)
                } else {
                    if record.seen != now.seconds() {
                        self.touch(at, slot.index, now);
                    }
                    Learned::Known
                };
            }
            self.remove(at);
        }
        self.insert(key, slot.index, now)
    }

    /// What [`Table::learn`] would do, without doing it.
    pub fn foresee(&self, vlan: VlanId, mac: Mac, slot: Slot, now: Time) -> Foresight {
        let certain = |learned, holder| Foresight {
            learned,
            given_up: None,
            holder,
        };
        if self.tenure_of(slot).is_none() {
            return certain(Learned::NotOpen, self.lookup(vlan, mac, now));
        }
        let here = Some(slot);
        if let Ok(at) = self.find(key(vlan, mac)) {
            let record = &self.records[at];
            let slot_of = |place: u16| self.owners[usize::from(place)].slot;
            return if !self.is_live(record, now) {
                certain(Learned::New, here)
            } else if record.owner == slot.index {
                certain(Learned::Known, here)
            } else {
                match self.judge_move(record, now) {
                    Move::Held => certain(Learned::Held, slot_of(record.owner)),
                    Move::OneTooMany => match self.home_of(record) {
                        home if home == slot.index => certain(Learned::Moved, here),
                        home => certain(Learned::Held, slot_of(home)),
                    },
                    Move::First | Move::Further => certain(Learned::Moved, here),
                }
            };
        }
        if self.stored < self.capacity || self.oldest_gone(now).is_some() {
            return certain(Learned::New, here);
        }
        let richest = self.ranking.richest(slot.index);
        let oldest = richest.map(|place| self.owners[usize::from(place)].entries.oldest as usize);
        let given_up = oldest.and_then(|at| self.entry(&self.records[at], now));
        Foresight {
            learned: Learned::NewForAnother,
            given_up: given_up.map(|entry| (entry.vlan, entry.mac)),
            holder: here,
        }
    }

    /// Clears away up to `budget` entries that are dead or have aged out. They count as gone before
    /// that; this only makes their places free.
    pub fn clear_away(&mut self, budget: usize, now: Time) {
        for _ in 0..budget {
            if !self.remove_one_gone(now) {
                break;
            }
        }
    }

    /// Forgets each entry that `which` picks. Costs a walk over the whole table: for commands.
    pub fn forget(&mut self, mut which: impl FnMut(&Entry) -> bool, now: Time) {
        let keys: Vec<u64> = self
            .records
            .iter()
            .filter(|record| self.is_live(record, now))
            .filter(|record| self.entry(record, now).is_some_and(|entry| which(&entry)))
            .map(|record| record.key)
            .collect();
        for key in keys {
            if let Ok(at) = self.find(key) {
                self.remove(at);
            }
        }
    }

    /// The addresses known now, in no order. Costs a walk over the whole table: for listings.
    pub fn entries(&self, now: Time) -> impl Iterator<Item = Entry> + '_ {
        self.records
            .iter()
            .filter(move |record| self.is_live(record, now))
            .filter_map(move |record| self.entry(record, now))
    }

    /// Places taken, by those not yet cleared away too.
    pub const fn len(&self) -> usize {
        self.stored
    }

    /// No place is taken.
    pub const fn is_empty(&self) -> bool {
        self.stored == 0
    }

    /// Addresses there is room for.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// `None` for an empty place and for a record whose owner is gone.
    fn entry(&self, record: &Record, now: Time) -> Option<Entry> {
        let [v, w, a, b, c, d, e, f] = record.key.to_be_bytes();
        Some(Entry {
            vlan: u16::from_be_bytes([v, w]).try_into().ok()?,
            mac: Mac([a, b, c, d, e, f]),
            slot: self.owners[usize::from(record.owner)].slot?,
            age_seconds: now.seconds().saturating_sub(record.seen),
            kind: Kind::Dynamic,
        })
    }

    #[inline(always)]
    fn is_live(&self, record: &Record, now: Time) -> bool {
        record.key != 0 && !self.is_aged(record, now) && self.has_owner(record)
    }

    fn is_aged(&self, record: &Record, now: Time) -> bool {
        let ageing = self.parameters.ageing_seconds;
        ageing != 0 && now.seconds().saturating_sub(record.seen) >= ageing
    }

    fn has_owner(&self, record: &Record) -> bool {
        self.owners[usize::from(record.owner)].tenure == record.tenure
    }

    /// How many holders its place had before `slot`; `None` unless it is open.
    #[inline(always)]
    fn tenure_of(&self, slot: Slot) -> Option<u16> {
        let owner = self.owners.get(usize::from(slot.index))?;
        (owner.slot == Some(slot)).then_some(owner.tenure)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
