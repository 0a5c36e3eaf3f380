//! Who has the most: bridge ports ordered by how many table entries they have, kept up to date in
//! constant time as entries come and go one by one.
#![expect(
    clippy::indexing_slicing,
    reason = "places are those `reserve` made; counts never pass the capacity the buckets were made for"
)]

const NONE: u16 = u16::MAX;

/// Each place's count, and for each count the places that have it, latest arrival first.
#[derive(Clone, Debug)]
pub(super) struct Ranking {
    places: Vec<Place>,
    /// By count; the head of a list. Places with nothing are in none.
    buckets: Box<[u16]>,
    most: u32,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    count: u32,
    before: u16,
    after: u16,
}

impl Ranking {
    /// No place has anything; together they will have `capacity` at most.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: Vec::new(),
            buckets: vec![NONE; capacity + 1].into(),
            most: 0,
        }
    }

    /// Makes room for places `0..=place`.
    pub(super) fn reserve(&mut self, place: u16) {
        let needed = usize::from(place) + 1;
        if self.places.len() < needed {
            self.places.resize(
                needed,
                Place {
                    count: 0,
                    before: NONE,
                    after: NONE,
                },
            );
        }
    }

    pub(super) fn count(&self, place: u16) -> u32 {
        self.places
            .get(usize::from(place))
            .map_or(0, |place| place.count)
    }

    /// One more for `place`.
    pub(super) fn grow(&mut self, place: u16) {
        let count = self.count(place) + 1;
        self.put(place, count);
    }

    /// One less for `place`.
    pub(super) fn shrink(&mut self, place: u16) {
        let count = self.count(place) - 1;
        self.put(place, count);
    }

    /// `place` has nothing any more. Looking for the next largest costs no more than the growth that
    /// came before it.
    pub(super) fn clear(&mut self, place: u16) {
        self.put(place, 0);
    }

    /// Who should give one up so that `asker` can have one: `asker` if nobody has more, else the one
    /// that has the most. `None`: nobody has any.
    pub(super) fn richest(&self, asker: u16) -> Option<u16> {
        if self.most == 0 {
            None
        } else if self.count(asker) == self.most {
            Some(asker)
        } else {
            Some(self.buckets[self.most as usize])
        }
    }

    fn put(&mut self, place: u16, count: u32) {
        let old = self.places[usize::from(place)];
        if old.count > 0 {
            match old.before {
                NONE => self.buckets[old.count as usize] = old.after,
                before => self.places[usize::from(before)].after = old.after,
            }
            if old.after != NONE {
                self.places[usize::from(old.after)].before = old.before;
            }
        }
        let mut after = NONE;
        if count > 0 {
            after = std::mem::replace(&mut self.buckets[count as usize], place);
            if after != NONE {
                self.places[usize::from(after)].before = place;
            }
        }
        self.places[usize::from(place)] = Place {
            count,
            before: NONE,
            after,
        };
        self.most = self.most.max(count);
        while self.most > 0 && self.buckets[self.most as usize] == NONE {
            self.most -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_richest_has_the_most(
            steps in proptest::collection::vec((0u16..6, 0u8..8), 0..200),
            asker in 0u16..6,
        ) {
            let mut ranking = Ranking::new(200);
            ranking.reserve(5);
            let mut counts = [0u32; 6];
            for (place, step) in steps {
                let count = &mut counts[usize::from(place)];
                match step {
                    0 => { ranking.clear(place); *count = 0; }
                    1..3 if *count > 0 => { ranking.shrink(place); *count -= 1; }
                    _ => { ranking.grow(place); *count += 1; }
                }
                prop_assert_eq!(ranking.count(place), *count);
                let most = *counts.iter().max().unwrap();
                match ranking.richest(asker) {
                    None => prop_assert_eq!(most, 0),
                    Some(place) => {
                        prop_assert_eq!(counts[usize::from(place)], most);
                        prop_assert!(place == asker || counts[usize::from(asker)] < most);
                    }
                }
            }
        }
    }
}
