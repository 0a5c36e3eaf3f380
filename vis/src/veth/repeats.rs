//! What people are told again, and how often: a thing that goes on is said when it begins, then at growing intervals.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long nothing more is said of a thing, from one saying to the next; the last one goes on (ours).
const INTERVALS: [Duration; 3] = [
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3600),
];

/// A thing that did not happen for so long is over (ours): longer than any retry of an IV, which are 5 s at most.
pub const QUIET: Duration = Duration::from_secs(90);

/// Things that go on, by what tells one from the other.
#[derive(Clone, Debug)]
pub struct Repeats<K> {
    /// How many are remembered, at most.
    bound: usize,
    known: BTreeMap<K, Going>,
}

#[derive(Clone, Copy, Debug)]
struct Going {
    /// In all.
    times: u64,
    /// Since it was said last.
    untold: u64,
    told: Duration,
    tellings: usize,
    last: Duration,
}

/// What to say of a thing that just happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// It begins.
    First,
    /// It goes on, and happened so often since it was said last.
    Again(u64),
    /// Nothing: it was said.
    Nothing,
    /// Nothing can be said of it: too many others go on, and it is not remembered.
    Full,
}

/// Of what a link's host can make happen: no more names than people read (ours).
impl<K: Ord + Clone> Default for Repeats<K> {
    fn default() -> Self {
        Self::new(64)
    }
}

impl<K: Ord + Clone> Repeats<K> {
    /// Remembers at most `bound` things at a time.
    pub const fn new(bound: usize) -> Self {
        Self {
            bound,
            known: BTreeMap::new(),
        }
    }

    /// It happened `times` times more.
    pub fn happened(&mut self, now: Duration, what: &K, times: u64) -> Say {
        let Some(going) = self.known.get_mut(what) else {
            if self.known.len() >= self.bound {
                return Say::Full;
            }
            let going = Going {
                times,
                untold: 0,
                told: now,
                tellings: 0,
                last: now,
            };
            self.known.insert(what.clone(), going);
            return Say::First;
        };
        going.times = going.times.saturating_add(times);
        going.untold = going.untold.saturating_add(times);
        going.last = now;
        let [.., longest] = INTERVALS;
        let interval = INTERVALS.get(going.tellings).unwrap_or(&longest);
        if now < going.told + *interval {
            return Say::Nothing;
        }
        going.told = now;
        going.tellings += 1;
        Say::Again(std::mem::take(&mut going.untold))
    }

    /// Those that have not happened for [`QUIET`] are over: each with how often it happened in all.
    pub fn quiet(&mut self, now: Duration) -> Vec<(K, u64)> {
        let over = self
            .known
            .extract_if(.., |_, going| going.last + QUIET <= now);
        over.map(|(what, going)| (what, going.times)).collect()
    }

    /// When [`Repeats::quiet`] has something to say, if nothing happens until then.
    pub fn timeout(&self) -> Option<Duration> {
        self.known.values().map(|going| going.last + QUIET).min()
    }

    /// Forgets these: something else was said of them.
    pub fn forget(&mut self, is_one: impl Fn(&K) -> bool) {
        self.known.retain(|what, _| !is_one(what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_said_once_then_ever_more_rarely_with_how_often_it_happened() {
        let mut repeats = Repeats::new(8);
        let mut said = Vec::new();
        for second in (0..4 * 3600).step_by(5) {
            match repeats.happened(Duration::from_secs(second), &"a", 1) {
                Say::Nothing => {}
                say => said.push((second, say)),
            }
        }
        let expected = [
            (0, Say::First),
            (60, Say::Again(12)),
            (660, Say::Again(120)),
            (4260, Say::Again(720)),
            (7860, Say::Again(720)),
            (11460, Say::Again(720)),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_does_not_happen_for_a_while_is_over_and_begins_anew() {
        let mut repeats = Repeats::new(8);
        let second = Duration::from_secs;
        repeats.happened(second(0), &"a", 3);
        repeats.happened(second(5), &"a", 4);
        repeats.happened(second(50), &"b", 1);
        assert_eq!(repeats.timeout(), Some(second(5) + QUIET));
        assert!(repeats.quiet(second(94)).is_empty());
        assert_eq!(repeats.quiet(second(95)), [("a", 7)]);
        assert_eq!(repeats.happened(second(96), &"a", 1), Say::First);
    }

    #[test]
    fn no_more_are_remembered_than_the_bound_and_each_is_said_by_itself() {
        let mut repeats = Repeats::new(2);
        let now = Duration::ZERO;
        assert_eq!(repeats.happened(now, &1, 1), Say::First);
        assert_eq!(repeats.happened(now, &2, 1), Say::First);
        assert_eq!(repeats.happened(now, &3, 1), Say::Full);
        assert_eq!(repeats.happened(now, &1, 1), Say::Nothing);
        repeats.forget(|what| *what == 1);
        assert_eq!(repeats.happened(now, &3, 1), Say::First);
    }
}
