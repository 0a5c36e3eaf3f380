//! Ids, and the rest they take before they are given again.

use core::time::Duration;
use std::collections::VecDeque;

/// The free ids of one kind, in the order in which they are given: those used longest ago first.
#[derive(Clone, Debug)]
pub(super) struct Ids {
    free: VecDeque<u16>,
    resting: VecDeque<(Duration, u16)>,
}

impl Ids {
    pub(super) fn new(max: u16) -> Self {
        Self {
            free: (1..=max).collect(),
            resting: VecDeque::new(),
        }
    }

    pub(super) fn take(&mut self) -> Option<u16> {
        self.free.pop_front()
    }

    /// Takes this id, if it is free.
    pub(super) fn take_this(&mut self, id: u16) -> bool {
        let at = self.free.iter().position(|&free| free == id);
        at.and_then(|at| self.free.remove(at)).is_some()
    }

    /// Gives an id back, to be free at `at`, which is never before that of an earlier call.
    pub(super) fn rest(&mut self, at: Duration, id: u16) {
        self.resting.push_back((at, id));
    }

    /// Frees what has rested.
    pub(super) fn wake(&mut self, now: Duration) {
        while let Some(&(at, id)) = self.resting.front()
            && at <= now
        {
            self.resting.pop_front();
            self.free.push_back(id);
        }
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.resting.front().map(|&(at, _)| at)
    }

    pub(super) fn is_free_or_rests(&self, id: u16) -> bool {
        self.free.contains(&id) || self.resting.iter().any(|&(_, resting)| resting == id)
    }

    pub(super) fn free(&self) -> usize {
        self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_id_rests_and_then_goes_to_the_end_of_the_queue() {
        let mut ids = Ids::new(3);
        assert_eq!([ids.take(), ids.take()], [Some(1), Some(2)]);
        ids.rest(Duration::from_secs(5), 1);
        ids.wake(Duration::from_millis(4999));
        assert!(!ids.take_this(1));
        assert_eq!(ids.timeout(), Some(Duration::from_secs(5)));
        ids.wake(Duration::from_secs(5));
        assert_eq!(
            [ids.take(), ids.take(), ids.take()],
            [Some(3), Some(1), None]
        );
        assert!(!ids.take_this(2), "it is not free");
        assert!(!Ids::new(3).take_this(4) && !Ids::new(3).take_this(0));
    }
}
