//! vEths' counters in memory that outlives the process, and how they are never counted twice or lost.
//!
//! Two places keep a vEth's counters, by the UUID of its vNIC:
//!
//! - a **block** of a mapped file (`packet_io::counter_file`) under `/run`: who it is, what it had counted
//!   before this process (`earlier`), and what it has counted since (`live`). The worker stores `live`
//!   once in a millisecond, and before it sleeps for longer. A kill loses no more than that; the end of the machine
//!   loses the file;
//! - the **store**, which is synced to disk: the total, written once a minute, when the vEth changes, and at a
//!   clean end.
//!
//! Neither holds a difference that somebody has to add exactly once. Both hold *totals over all lives*, and a
//! total only grows. So of several accounts of one vEth the larger, word by word, is the later and the right one
//! ([`Counters::later`]), however often that is asked, and the places need no transaction between them. At each point where
//! a process can be killed:
//!
//! | killed | the next start finds |
//! | --- | --- |
//! | while a record is stored | the record before or the one after, by the file's two banks |
//! | while a block gets an owner | no owner: nothing was counted in it yet, and `earlier` came from the store |
//! | after frames, before the store hears of them | the store's total is smaller: the block's counts |
//! | after the store has the total, with the block still there | both the same: it counts once |
//! | at start, after reading blocks and before the store has them | the old file: it is replaced only after that |
//! | at start, after that, or between new file and old name | the store's totals, and either file's, no larger |
//! | at a clean end, between the store's last write and the file's removal | both the same |
//!
//! A block's owner is written by the worker too, between two rounds, so a block is never one vEth's by name and
//! another one's by count: before the switch that has the new vEth in it is published, the block is its.
//!
//! Ports that have no UUID (plain ports, vEths bound by hand) have no block: they count from the daemon's start.

use crate::switch::Keep;
use niv::{Counters, Slot};
use packet_io::counter_file::{Block, CounterFile, Layout, digest};
use std::collections::BTreeMap;
use std::sync::Arc;
use vic::Uuid;

/// Whose the block is (two words; none: 0), and what it had counted before.
const OWNER: usize = 0;
/// Everything counted since, as it was when there was trouble last.
const LIVE: usize = 1;
/// The words of traffic since: as they are.
const TRAFFIC: usize = 2;

const RECORDS: &[u16] = &[
    2 + Counters::WORDS as u16,
    Counters::WORDS as u16,
    Counters::TRAFFIC_WORDS as u16,
];

/// The layout of the file of the switch `identity` with room for `blocks` vEths.
pub fn layout(identity: Uuid, blocks: u16) -> Layout {
    let names = Counters::word_names().flat_map(|(part, name)| [part.as_bytes(), name.as_bytes()]);
    Layout {
        owner: identity.0,
        meaning: digest(names),
        records: RECORDS,
        blocks,
    }
}

/// What these blocks say that each vNIC's vEth has counted, over all lives.
pub fn totals(blocks: &[Block]) -> BTreeMap<Uuid, Counters> {
    let mut totals = BTreeMap::new();
    for (uuid, counters) in blocks.iter().filter_map(total) {
        let known = totals.entry(uuid).or_insert_with(Counters::default);
        *known = known.later(&counters);
    }
    totals
}

fn total(block: &Block) -> Option<(Uuid, Counters)> {
    let record = |number: usize| block.get(number).and_then(Option::as_deref);
    let ([high, low], earlier) = record(OWNER)?.split_first_chunk()?;
    let uuid = u128::from(*high) << 64 | u128::from(*low);
    let earlier = counters(earlier)?;
    let mut live = record(LIVE).map_or(Some(Counters::default()), counters)?;
    if let Some(traffic) = record(TRAFFIC) {
        let mut words = [0; Counters::WORDS];
        words.get_mut(..traffic.len())?.copy_from_slice(traffic);
        live = live.later(&counters(&words)?);
    }
    (uuid != 0).then(|| (Uuid(uuid.to_be_bytes()), earlier.saturating_add(&live)))
}

fn counters(words: &[u64]) -> Option<Counters> {
    let words: &[u64; Counters::WORDS] = words.try_into().ok()?;
    let sane = words.iter().all(|word| *word <= Counters::MOST);
    sane.then(|| Counters::from_words(words))
}

/// The worker's hand on the blocks. The block of a bridge port has its slot's index.
#[derive(Debug)]
pub struct Blocks {
    file: Arc<CounterFile>,
    /// Whose blocks are whose.
    holders: Vec<Option<Slot>>,
}

impl Blocks {
    /// None is anybody's yet.
    pub const fn new(file: Arc<CounterFile>) -> Self {
        Self {
            file,
            holders: Vec::new(),
        }
    }

    /// From now on the block of `slot` is that of the vNIC's vEth, which counted `earlier` in other lives and
    /// nothing in this one. The file must have room for it.
    pub fn assign(&mut self, slot: Slot, uuid: Uuid, earlier: &Counters) {
        self.release(slot.index);
        let at = usize::from(slot.index);
        if self.holders.len() <= at {
            self.holders.resize(at + 1, None);
        }
        let number = u128::from_be_bytes(uuid.0);
        let mut owner = [0; 2 + Counters::WORDS];
        let words = [(number >> 64) as u64, number as u64];
        let words = words.into_iter().chain(earlier.to_words());
        owner
            .iter_mut()
            .zip(words)
            .for_each(|(at, word)| *at = word);
        let stored = self.file.store(at, LIVE, &[0; Counters::WORDS])
            && self.file.store(at, TRAFFIC, &[0; Counters::TRAFFIC_WORDS])
            // Last: until then it is nobody's.
            && self.file.store(at, OWNER, &owner);
        if let Some(holder) = self.holders.get_mut(at) {
            *holder = stored.then_some(slot);
        }
    }

    /// The block at this slot index is nobody's.
    pub fn release(&mut self, index: u16) {
        let at = usize::from(index);
        if let Some(holder) = self.holders.get_mut(at) {
            *holder = None;
        }
        self.file.store(at, OWNER, &[0; 2 + Counters::WORDS]);
    }
}

impl Keep for Blocks {
    #[inline]
    fn keep(&mut self, slot: Slot, counters: &Counters, troubled: bool) {
        let at = usize::from(slot.index);
        if self.holders.get(at) != Some(&Some(slot)) {
            return;
        }
        // One record, so that what it says belongs together.
        if troubled {
            self.file.store(at, LIVE, &counters.to_words());
        } else {
            self.file.store(at, TRAFFIC, &counters.traffic_words());
        }
    }
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
