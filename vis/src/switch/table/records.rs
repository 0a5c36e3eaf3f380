//! Where records are: the array, and the two lists each of them is in.

use super::{Learned, Table};
use crate::switch::Time;
use niv::{Mac, VlanId};

pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// VLAN in the top 16 bits, address below; 0: the position is empty (there is no VLAN 0).
    pub(super) key: u64,
    pub(super) all: Link,
    pub(super) owned: Link,
    /// Second of the last frame.
    pub(super) seen: u32,
    /// When the first of `moves`, or the hold, began.
    pub(super) since: u32,
    /// Of the owner; once the place has another, the record is dead.
    pub(super) tenure: u16,
    pub(super) owner: u16,
    /// Who had it before the first of `moves`, and the lower half of that one's tenure: asked for within a second, in which no
    /// place has 256 holders.
    pub(super) home: u16,
    pub(super) home_tenure: u8,
    pub(super) moves: u8,
}

const _: () = assert!(size_of::<Record>() == 40);

pub(super) const EMPTY: Record = Record {
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
pub(super) struct Link {
    pub(super) newer: u32,
    pub(super) older: u32,
}

impl Link {
    pub(super) const ALONE: Self = Self {
        newer: NONE,
        older: NONE,
    };
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) newest: u32,
    pub(super) oldest: u32,
}

impl Ends {
    pub(super) const EMPTY: Self = Self {
        newest: NONE,
        oldest: NONE,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    All,
    Of(u16),
    /// Those whose owner is gone: dead, waiting to be cleared away.
    Dead,
}

impl Table {
    pub(super) fn owner_list(&self, record: &Record) -> List {
        if self.has_owner(record) {
            List::Of(record.owner)
        } else {
            List::Dead
        }
    }

    pub(super) fn give(&mut self, at: usize, to: u16, now: Time) {
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

    pub(super) fn touch(&mut self, at: usize, owner: u16, now: Time) {
        self.records[at].seen = now.seconds();
        for list in [List::All, List::Of(owner)] {
            self.unlink(at, list);
            self.link(at, list);
        }
    }

    pub(super) fn insert(&mut self, key: u64, owner: u16, now: Time) -> Learned {
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

    pub(super) fn remove_one_gone(&mut self, now: Time) -> bool {
        match self.oldest_gone(now) {
            Some(at) => {
                self.remove(at);
                true
            }
            None => false,
        }
    }

    /// Where a record is that is dead or has aged out.
    pub(super) fn oldest_gone(&self, now: Time) -> Option<usize> {
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

    pub(super) fn remove(&mut self, at: usize) {
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

    pub(super) fn bury(&mut self, index: u16, entries: Ends) {
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

    /// Moves later records of the run back to where a search that stops at a gap still finds them.
    pub(super) fn close_gap(&mut self, mut gap: usize) {
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
    pub(super) fn relink(&mut self, at: usize, record: &Record) {
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
    pub(super) fn link(&mut self, at: usize, list: List) {
        let ends = self.ends(list);
        let older = std::mem::replace(&mut ends.newest, at as u32);
        if older == NONE {
            ends.oldest = at as u32;
        } else {
            self.link_of(older, list).newer = at as u32;
        }
        *self.link_of(at as u32, list) = Link { newer: NONE, older };
    }

    pub(super) fn unlink(&mut self, at: usize, list: List) {
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

    pub(super) fn link_of(&mut self, at: u32, list: List) -> &mut Link {
        let record = &mut self.records[at as usize];
        match list {
            List::All => &mut record.all,
            List::Of(_) | List::Dead => &mut record.owned,
        }
    }

    pub(super) fn ends(&mut self, list: List) -> &mut Ends {
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
    pub(super) fn find(&self, key: u64) -> Result<usize, usize> {
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
    pub(super) fn home(&self, key: u64) -> usize {
        self.placement.of(key) as usize & self.mask
    }
}

pub(super) fn key(vlan: VlanId, mac: Mac) -> u64 {
    u64::from(vlan.get()) << 48 | mac.to_u64()
}
