//! What is still to be asked. Only its names are kept: the request is made when it can be sent, from how
//! things are then, so a queue takes little room and nothing outdated is asked.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

/// A queue that holds each thing at most once.
#[derive(Clone, Debug)]
pub(crate) struct Work<W> {
    queue: VecDeque<W>,
    queued: BTreeSet<W>,
    later: VecDeque<(Duration, W)>,
}

impl<W: Copy + Ord> Work<W> {
    pub(crate) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            queued: BTreeSet::new(),
            later: VecDeque::new(),
        }
    }

    /// Queues `work`, if it is not.
    pub(crate) fn push(&mut self, work: W) {
        if self.queued.insert(work) {
            self.queue.push_back(work);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<W> {
        let work = self.queue.pop_front()?;
        self.queued.remove(&work);
        Some(work)
    }

    /// Queues `work` at `at`, which is never before that of an earlier call.
    pub(crate) fn push_later(&mut self, at: Duration, work: W) {
        if !self.later.iter().any(|(_, waiting)| *waiting == work) {
            self.later.push_back((at, work));
        }
    }

    /// Queues what was to be queued later and is due.
    pub(crate) fn wake(&mut self, now: Duration) {
        while let Some(&(at, work)) = self.later.front()
            && at <= now
        {
            self.later.pop_front();
            self.push(work);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.later.front().map(|&(at, _)| at)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }
}
