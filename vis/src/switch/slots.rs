//! Places for bridge ports: each port keeps its place for as long as it lives.

use niv::Slot;
use std::collections::{BTreeMap, VecDeque};

/// Every place is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no room for another bridge port: there are {0} already; remove one with `no interface NAME`"
)]
pub struct NoSlotLeft(pub u16);

/// Gives each key a slot, and keeps it until the key lets go. Control's, never a worker's.
///
/// A place given up is the last to be taken again, under the next generation, so that what was learned
/// of its former holder means nobody.
#[derive(Clone, Debug)]
pub struct Slots<K> {
    held: BTreeMap<K, Slot>,
    free: VecDeque<Slot>,
    next: u16,
    limit: u16,
}

impl<K: Ord> Slots<K> {
    /// No key has a slot yet; at most `limit` will at a time, 1..=65535.
    pub const fn new(limit: u16) -> Self {
        Self {
            held: BTreeMap::new(),
            free: VecDeque::new(),
            next: 0,
            limit,
        }
    }

    /// The key's slot: the one it has, or a new one.
    ///
    /// # Errors
    /// As many keys as the limit allows have one.
    pub fn claim(&mut self, key: K) -> Result<Slot, NoSlotLeft> {
        if let Some(&slot) = self.held.get(&key) {
            return Ok(slot);
        }
        // A place never used keeps the old ones idle for longer.
        let slot = if self.next < self.limit {
            let index = self.next;
            self.next += 1;
            Slot {
                index,
                generation: 0,
            }
        } else {
            let slot = self.free.pop_front().ok_or(NoSlotLeft(self.limit))?;
            Slot {
                generation: slot.generation.wrapping_add(1),
                ..slot
            }
        };
        self.held.insert(key, slot);
        Ok(slot)
    }

    /// The key's slot, if it has one.
    pub fn get(&self, key: &K) -> Option<Slot> {
        self.held.get(key).copied()
    }

    /// The key gives its slot up. Returns it, if there was one.
    pub fn release(&mut self, key: &K) -> Option<Slot> {
        let slot = self.held.remove(key)?;
        self.free.push_back(slot);
        Some(slot)
    }

    /// Keys and their slots, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, Slot)> {
        self.held.iter().map(|(key, &slot)| (key, slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_slot_and_a_reused_place_has_a_new_generation() {
        let mut slots = Slots::new(2);
        let a = slots.claim("a").unwrap();
        let b = slots.claim("b").unwrap();
        assert_eq!(slots.claim("a"), Ok(a));
        assert_ne!(a.index, b.index);
        assert_eq!(slots.claim("c"), Err(NoSlotLeft(2)));
        assert_eq!(slots.release(&"a"), Some(a));
        assert_eq!(slots.get(&"a"), None);
        let c = slots.claim("c").unwrap();
        assert_eq!((c.index, c.generation), (a.index, a.generation + 1));
    }
}
