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

use super::Time;
use super::fairness::Ranking;
use super::placement::Placement;
use niv::{Mac, Slot, VlanId};
use policy::Seed;
use std::num::NonZeroU32;

const NONE: u32 = u32::MAX;
/// Moves of one address that are taken within a second (design.md section 5.6).
const MOVES_A_SECOND: u8 = 3;
/// In place of the number of moves: the address is being held where it is.
const HELD: u8 = u8::MAX;

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

/// Where an address was when it was last seen elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Away {
    /// Slot index of where it was then.
    pub held_by: u16,
    /// Seconds since its last frame there.
    pub idle_seconds: u32,
}

/// What a move of an address comes to.
enum Move {
    /// It is being held where it is.
    Held,
    /// It moves, and a new second of moves begins.
    First,
    /// It moves, and had moved before in that second.
    Further,
    /// It is held from now on: at home.
    OneTooMany,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// VLAN in the top 16 bits, address below; 0: the position is empty (there is no VLAN 0).
    key: u64,
    all: Link,
    owned: Link,
    /// Second of the last frame.
    seen: u32,
    /// When the first of `moves`, or the hold, began.
    since: u32,
    /// Of the owner; once the place has another, the record is dead.
    tenure: u16,
    owner: u16,
    /// Who had it before the first of `moves`, and the lower half of that one's tenure: asked for within a second, in which no
    /// place has 256 holders.
    home: u16,
    home_tenure: u8,
    moves: u8,
}

const _: () = assert!(size_of::<Record>() == 40);

const EMPTY: Record = Record {
    key: 0,
    all: Link::ALONE,
    owned: Link::ALONE,
    seen: 0,
    since: 0,
    tenure: 0,
    owner: 0,
    home: 0,
    home_tenure: 0,
    moves: 0,
};

#[derive(Clone, Copy, Debug)]
struct Link {
    newer: u32,
    older: u32,
}

impl Link {
    const ALONE: Self = Self {
        newer: NONE,
        older: NONE,
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

/// An owner's place: who holds it now, and its entries.
#[derive(Clone, Copy, Debug)]
struct Owner {
    slot: Option<Slot>,
    /// How many holders there have been. Where it begins anew nothing dead is left.
    tenure: u16,
    entries: Ends,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    All,
    Of(u16),
    /// Those whose owner is gone: dead, waiting to be cleared away.
    Dead,
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

    fn bury(&mut self, index: u16, entries: Ends) {
        self.ranking.clear(index);
        // In front of the dead there are already.
        let first = self.ownerless.newest;
        self.records[entries.oldest as usize].owned.older = first;
        if first == NONE {
            self.ownerless.oldest = entries.oldest;
        } else {
            self.records[first as usize].owned.newer = entries.oldest;
        }
        self.ownerless.newest = entries.newest;
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

    /// As [`Table::learn`] for a slot whose the address is: it moves there even if it is held elsewhere, and is at home there. The move
    /// counts as any, so that who takes it away again and again is damped.
    pub fn claim(&mut self, vlan: VlanId, mac: Mac, slot: Slot, now: Time) -> Learned {
        if let (Some(tenure), Ok(at)) = (self.tenure_of(slot), self.find(key(vlan, mac))) {
            let record = self.records[at];
            if self.is_live(&record, now) && record.owner != slot.index {
                let judged = self.judge_move(&record, now);
                self.left(&record, now);
                let record = &mut self.records[at];
                if matches!(judged, Move::First | Move::Held) {
                    record.since = now.low_millis();
                }
                record.moves = match judged {
                    Move::First => 1,
                    Move::Further => record.moves + 1,
                    Move::Held | Move::OneTooMany => MOVES_A_SECOND,
                };
                record.home = slot.index;
                record.home_tenure = tenure as u8;
                self.give(at, slot.index, now);
                return Learned::Moved;
            }
        }
        self.learn(vlan, mac, slot, now)
    }

    /// Where the address was that [`Table::learn`] last said of that it moved or is held.
    pub const fn away(&self) -> Away {
        self.away
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

    fn owner_list(&self, record: &Record) -> List {
        if self.has_owner(record) {
            List::Of(record.owner)
        } else {
            List::Dead
        }
    }

    fn judge_move(&self, record: &Record, now: Time) -> Move {
        let elapsed = now.low_millis().wrapping_sub(record.since);
        match record.moves {
            HELD if elapsed < self.parameters.hold_millis => Move::Held,
            moves if moves == 0 || moves == HELD || elapsed >= 1000 => Move::First,
            moves if moves < MOVES_A_SECOND => Move::Further,
            _ => Move::OneTooMany,
        }
    }

    fn move_to(&mut self, at: usize, to: u16, now: Time) -> Learned {
        let judged = self.judge_move(&self.records[at], now);
        let record = self.records[at];
        self.left(&record, now);
        let home = self.home_of(&record);
        let record = &mut self.records[at];
        let holder = match judged {
            Move::Held => return Learned::Held,
            Move::First => {
                record.moves = 1;
                record.since = now.low_millis();
                record.home = record.owner;
                record.home_tenure = record.tenure as u8;
                to
            }
            Move::Further => {
                record.moves += 1;
                to
            }
            Move::OneTooMany => {
                record.moves = HELD;
                record.since = now.low_millis();
                home
            }
        };
        if holder != record.owner {
            self.give(at, holder, now);
        }
        if holder == to {
            Learned::Moved
        } else {
            Learned::Held
        }
    }

    /// Keeps where an address was, for [`Table::away`].
    fn left(&mut self, record: &Record, now: Time) {
        self.away = Away {
            held_by: record.owner,
            idle_seconds: now.seconds().saturating_sub(record.seen),
        };
    }

    /// Who had it before it began to move; if that one is gone, who has it.
    fn home_of(&self, record: &Record) -> u16 {
        let home = &self.owners[usize::from(record.home)];
        if home.slot.is_some() && home.tenure as u8 == record.home_tenure {
            record.home
        } else {
            record.owner
        }
    }

    fn give(&mut self, at: usize, to: u16, now: Time) {
        let record = &mut self.records[at];
        let from = std::mem::replace(&mut record.owner, to);
        record.tenure = self.owners[usize::from(to)].tenure;
        record.seen = now.seconds();
        self.unlink(at, List::All);
        self.unlink(at, List::Of(from));
        self.ranking.shrink(from);
        self.link(at, List::All);
        self.link(at, List::Of(to));
        self.ranking.grow(to);
    }

    fn touch(&mut self, at: usize, owner: u16, now: Time) {
        self.records[at].seen = now.seconds();
        for list in [List::All, List::Of(owner)] {
            self.unlink(at, list);
            self.link(at, list);
        }
    }

    fn insert(&mut self, key: u64, owner: u16, now: Time) -> Learned {
        let mut learned = Learned::New;
        if self.stored == self.capacity && !self.remove_one_gone(now) {
            if let Some(richest) = self.ranking.richest(owner) {
                self.remove(self.owners[usize::from(richest)].entries.oldest as usize);
            }
            learned = Learned::NewForAnother;
        }
        let (Ok(at) | Err(at)) = self.find(key);
        self.records[at] = Record {
            key,
            owner,
            tenure: self.owners[usize::from(owner)].tenure,
            seen: now.seconds(),
            ..EMPTY
        };
        self.stored += 1;
        self.link(at, List::All);
        self.link(at, List::Of(owner));
        self.ranking.grow(owner);
        learned
    }

    fn remove_one_gone(&mut self, now: Time) -> bool {
        match self.oldest_gone(now) {
            Some(at) => {
                self.remove(at);
                true
            }
            None => false,
        }
    }

    /// Where a record is that is dead or has aged out.
    fn oldest_gone(&self, now: Time) -> Option<usize> {
        if self.ownerless.oldest != NONE {
            Some(self.ownerless.oldest as usize)
        } else if self.all.oldest != NONE
            && self.is_aged(&self.records[self.all.oldest as usize], now)
        {
            Some(self.all.oldest as usize)
        } else {
            None
        }
    }

    fn remove(&mut self, at: usize) {
        let record = self.records[at];
        let list = self.owner_list(&record);
        self.unlink(at, List::All);
        self.unlink(at, list);
        if let List::Of(owner) = list {
            self.ranking.shrink(owner);
        }
        self.stored -= 1;
        self.close_gap(at);
    }

    /// Moves later records of the run back to where a search that stops at a gap still finds them.
    fn close_gap(&mut self, mut gap: usize) {
        let mut at = gap;
        loop {
            at = (at + 1) & self.mask;
            let record = self.records[at];
            if record.key == 0 {
                break;
            }
            let home = self.home(record.key);
            if at.wrapping_sub(home) & self.mask >= at.wrapping_sub(gap) & self.mask {
                self.records[gap] = record;
                self.relink(gap, &record);
                gap = at;
            }
        }
        self.records[gap] = EMPTY;
    }

    /// The record now stands at `at`: tells its neighbours in both lists.
    fn relink(&mut self, at: usize, record: &Record) {
        for (list, link) in [
            (List::All, record.all),
            (self.owner_list(record), record.owned),
        ] {
            match link.newer {
                NONE => self.ends(list).newest = at as u32,
                newer => self.link_of(newer, list).older = at as u32,
            }
            match link.older {
                NONE => self.ends(list).oldest = at as u32,
                older => self.link_of(older, list).newer = at as u32,
            }
        }
    }

    /// Makes the record at `at` the newest of `list`.
    fn link(&mut self, at: usize, list: List) {
        let ends = self.ends(list);
        let older = std::mem::replace(&mut ends.newest, at as u32);
        if older == NONE {
            ends.oldest = at as u32;
        } else {
            self.link_of(older, list).newer = at as u32;
        }
        *self.link_of(at as u32, list) = Link { newer: NONE, older };
    }

    fn unlink(&mut self, at: usize, list: List) {
        let Link { newer, older } = *self.link_of(at as u32, list);
        match newer {
            NONE => self.ends(list).newest = older,
            newer => self.link_of(newer, list).older = older,
        }
        match older {
            NONE => self.ends(list).oldest = newer,
            older => self.link_of(older, list).newer = newer,
        }
    }

    fn link_of(&mut self, at: u32, list: List) -> &mut Link {
        let record = &mut self.records[at as usize];
        match list {
            List::All => &mut record.all,
            List::Of(_) | List::Dead => &mut record.owned,
        }
    }

    fn ends(&mut self, list: List) -> &mut Ends {
        match list {
            List::All => &mut self.all,
            List::Of(owner) => &mut self.owners[usize::from(owner)].entries,
            List::Dead => &mut self.ownerless,
        }
    }

    /// Where the key is, or the gap where the search for it ended. There always is a gap: the array is
    /// longer than the capacity.
    // Always: it would else be called, for the way of a frame is compiled twice.
    #[inline(always)]
    fn find(&self, key: u64) -> Result<usize, usize> {
        let mut at = self.home(key);
        loop {
            match self.records[at].key {
                found if found == key => return Ok(at),
                0 => return Err(at),
                _ => at = (at + 1) & self.mask,
            }
        }
    }

    #[inline]
    fn home(&self, key: u64) -> usize {
        self.placement.of(key) as usize & self.mask
    }
}

fn key(vlan: VlanId, mac: Mac) -> u64 {
    u64::from(vlan.get()) << 48 | mac.to_u64()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
