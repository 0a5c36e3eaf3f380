//! How long a frame the link really carries.

use crate::timers::{PROBE, PROBE_AGAIN};
use core::time::Duration;

/// How often a size is tried: loss is not taken for a limit.
const TRIES: u8 = 5;
/// How close the answer has to be.
const PRECISION: u16 = 8;
/// The smallest size that is tried.
const LEAST: u16 = 128;

/// Looks for the largest frame that is answered, from the announced size downwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prober {
    wanted: u16,
    /// Got through; 0 when none did yet.
    proven: u16,
    /// Above this nothing got through.
    limit: u16,
    trying: u16,
    tries: u8,
    /// When to send or to give up; `None` when all is known.
    at: Option<Duration>,
    /// The search fell short, and `at` is when the next begins.
    resting: bool,
    found: Option<u16>,
}

impl Prober {
    pub(crate) const fn new(now: Duration, wanted: u16) -> Self {
        Self {
            wanted,
            proven: 0,
            limit: wanted,
            trying: wanted,
            tries: 0,
            at: Some(now),
            resting: false,
            found: None,
        }
    }

    pub(crate) const fn wanted(&self) -> u16 {
        self.wanted
    }

    /// The size to try now, if one is due.
    pub(crate) fn due(&mut self, now: Duration) -> Option<u16> {
        if self.at.is_none_or(|at| at > now) {
            return None;
        }
        if self.resting {
            *self = Self::new(now, self.wanted);
        }
        if self.tries == TRIES {
            self.limit = self.trying.saturating_sub(1).max(self.proven);
            self.go_on(now);
            if self.resting {
                return None;
            }
        }
        self.tries += 1;
        self.at = Some(now + PROBE);
        Some(self.trying)
    }

    /// An answer came.
    pub(crate) fn answered(&mut self, now: Duration, size: u16) {
        if size <= self.wanted && size > self.proven && self.at.is_some() && !self.resting {
            self.proven = size;
            self.limit = self.limit.max(size);
            self.go_on(now);
        }
    }

    fn go_on(&mut self, now: Duration) {
        self.tries = 0;
        if self.proven == self.wanted {
            self.at = None;
            self.found = Some(self.proven);
        } else if self.limit - self.proven < PRECISION || self.limit < LEAST {
            self.resting = true;
            self.at = Some(now + PROBE_AGAIN);
            self.found = Some(self.proven);
        } else {
            let least = self.proven.max(LEAST);
            self.trying = least + (self.limit - least).div_ceil(2);
            self.at = Some(now);
        }
    }

    /// What gets through, once for each search that ends.
    pub(crate) const fn take_found(&mut self) -> Option<u16> {
        self.found.take()
    }

    pub(crate) const fn timeout(&self) -> Option<Duration> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(wanted: u16, carried: u16) -> (u16, usize) {
        let mut prober = Prober::new(Duration::ZERO, wanted);
        let mut sent = 0;
        while let Some(now) = prober.timeout() {
            if let Some(size) = prober.due(now) {
                sent += 1;
                assert!(size <= wanted);
                if size <= carried {
                    prober.answered(now, size);
                }
            }
            if let Some(proven) = prober.take_found() {
                return (proven, sent);
            }
        }
        unreachable!()
    }

    #[test]
    fn a_link_that_carries_what_was_announced_is_known_after_one_probe() {
        assert_eq!(found(9216, 9216), (9216, 1));
    }

    #[test]
    fn the_limit_of_a_link_is_found_to_within_eight_octets() {
        for carried in [128, 1280, 1499, 1500, 4000, 9208, 9209, 9215] {
            let (proven, sent) = found(9216, carried);
            assert!(
                proven <= carried && carried - proven < PRECISION,
                "{carried}: {proven}"
            );
            assert!(sent < 100);
        }
        assert_eq!(found(9216, 100).0, 0);
    }

    #[test]
    fn a_search_that_fell_short_begins_anew() {
        let mut prober = Prober::new(Duration::ZERO, 9216);
        let mut found = Vec::new();
        while let Some(now) = prober.timeout() {
            let carried = if now < Duration::from_secs(20) {
                1500
            } else {
                9216
            };
            if let Some(size) = prober.due(now).filter(|&size| size <= carried) {
                prober.answered(now, size);
            }
            found.extend(prober.take_found());
        }
        assert_eq!(found.last(), Some(&9216));
        assert!(found.len() > 1 && found[..found.len() - 1].iter().all(|&size| size > 1490));
    }
}
