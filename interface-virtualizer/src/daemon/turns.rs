//! Whose interface is made again next, and when: a function of what happened and when, nothing else.
//!
//! A guest may lose its interface by accident, and then wants it back at once; or delete it over and over,
//! since each time costs the host far more than the guest. So the pauses of a guest double while it goes on
//! losing what it gets; and whatever all guests do together, control rests after each piece of this work
//! for a multiple of the time it took. Those who wait are served in the order they became due.

use crate::core::VnicId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The pause after an attempt that failed (ours).
const RETRY: Duration = Duration::from_secs(1);
/// The shortest and the longest time from making an interface to making it again (ours).
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));
/// An interface that lived so long was not made in vain: its guest's next loss is a first one (ours).
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Control rests so many times as long as it worked: a quarter of it at most goes into this (ours).
const REST: u32 = 3;

/// The turns of the vNICs that ever lost something.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    each: BTreeMap<VnicId, Turn>,
    resting_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    made: Option<Instant>,
    pause: Duration,
    due: Option<Instant>,
}

impl Turns {
    /// The interface is gone.
    pub(crate) fn lost(&mut self, id: VnicId, now: Instant) {
        let turn = self.each.entry(id).or_default();
        let in_vain = turn.made.filter(|&made| now < made + FORGIVEN_AFTER);
        turn.due = Some(match in_vain {
            None => {
                turn.pause = Duration::ZERO;
                now
            }
            Some(made) => {
                turn.pause = (turn.pause * 2).clamp(PAUSES.0, PAUSES.1);
                now.max(made + turn.pause)
            }
        });
    }

    /// The interface could not be made.
    pub(crate) fn failed(&mut self, id: VnicId, now: Instant) {
        self.each.entry(id).or_default().due = Some(now + RETRY);
    }

    /// The vNIC is gone for good.
    pub(crate) fn forget(&mut self, id: VnicId) {
        self.each.remove(&id);
    }

    /// The interface is there again.
    pub(crate) fn made(&mut self, id: VnicId, now: Instant) {
        let turn = self.each.entry(id).or_default();
        turn.made = Some(now);
        turn.due = None;
    }

    /// Control was busy with somebody's loss or gain, from then till now.
    pub(crate) fn worked(&mut self, from: Instant, till: Instant) {
        let rest = till.saturating_duration_since(from) * REST;
        let begin = self.resting_until.map_or(till, |until| until.max(till));
        self.resting_until = Some(begin + rest);
    }

    /// Whose turn is next, and when.
    pub(crate) fn next(&self) -> Option<(VnicId, Instant)> {
        let waiting = self.each.iter();
        let (id, due) = waiting
            .filter_map(|(&id, turn)| Some((id, turn.due?)))
            .min_by_key(|&(_, due)| due)?;
        let when = self.resting_until.map_or(due, |until| until.max(due));
        Some((id, when))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: VnicId = VnicId(1);
    const SECOND: Duration = Duration::from_secs(1);

    /// Guests that delete whatever they get at once, for so long: how often each got an interface, and how
    /// long control worked, each loss and gain taking `cost`.
    fn hostile(guests: usize, cost: Duration, lasting: Duration) -> (Vec<u32>, Duration) {
        let start = Instant::now();
        let mut turns = Turns::default();
        let (mut now, mut worked) = (start, Duration::ZERO);
        let mut got = vec![0; guests];
        (0..guests).for_each(|guest| turns.lost(VnicId(guest as u16), start));
        while let Some((guest, when)) = turns.next() {
            now = now.max(when);
            if now > start + lasting {
                break;
            }
            let begun = now;
            now += cost;
            turns.made(guest, now);
            turns.lost(guest, now);
            turns.worked(begun, now);
            worked += cost;
            got[usize::from(guest.0)] += 1;
        }
        (got, worked)
    }

    #[test]
    fn an_interface_lost_once_is_made_again_at_once() {
        let start = Instant::now();
        let mut turns = Turns::default();
        assert_eq!(turns.next(), None);
        turns.lost(ONE, start);
        assert_eq!(turns.next(), Some((ONE, start)));
        turns.made(ONE, start);
        assert_eq!(turns.next(), None);
        let later = start + FORGIVEN_AFTER;
        turns.lost(ONE, later);
        assert_eq!(turns.next(), Some((ONE, later)));
    }

    #[test]
    fn a_guest_that_deletes_its_interface_over_and_over_waits_longer_each_time() {
        // At 0, 1, 3, 7 and then every 8 seconds.
        for (seconds, times) in [(0, 1), (2, 2), (6, 3), (14, 4), (15, 5), (3615, 455)] {
            let (got, _) = hostile(1, Duration::ZERO, seconds * SECOND);
            assert_eq!(got, [times], "in {seconds} s");
        }
    }

    #[test]
    fn a_failed_attempt_is_made_again_every_second() {
        let start = Instant::now();
        let mut turns = Turns::default();
        turns.lost(ONE, start);
        for second in 1..100 {
            let (_, when) = turns.next().unwrap();
            turns.failed(ONE, when);
            assert_eq!(turns.next(), Some((ONE, start + second * SECOND)));
        }
    }

    #[test]
    fn guests_together_take_no_more_than_a_quarter_of_controls_time() {
        let lasting = 600 * SECOND;
        let (got, worked) = hostile(4000, Duration::from_millis(40), lasting);
        assert!(worked <= lasting / 4 + SECOND, "{worked:?}");
        // Nor are they stopped altogether, nor one at another's cost.
        assert!(worked >= lasting / 5, "{worked:?}");
        let (least, most) = (got.iter().min().unwrap(), got.iter().max().unwrap());
        assert!(*most - *least <= 1, "{least} and {most}");
    }
}
