//! How long a frame the link really carries.

use crate::session::LinkMtu;
use crate::timers::{PROBE, PROBE_AGAIN};
use core::time::Duration;

/// How often a size is tried: loss is not taken for a limit.
const TRIES: u8 = 5;
/// How close the answer has to be.
const PRECISION: u16 = 8;
/// The smallest size that is tried.
const LEAST: u16 = 128;
/// Tried first when the announced size does not get through: what guests with an MTU of 1,500 need, with VNTag and a
/// VLAN tag of theirs. So it is known soon whether the link is of use at all (ours).
const ORDINARY: u16 = 1510;

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

    /// Looks again, where all is known. A search under way goes on, and one that fell short begins anew by itself.
    pub(crate) const fn renew(&mut self, now: Duration) {
        if self.at.is_none() {
            *self = Self::new(now, self.wanted);
        }
    }

    /// What is known by now.
    pub(crate) const fn known(&self) -> LinkMtu {
        LinkMtu {
            wanted: self.wanted,
            proven: self.proven,
            limit: self.limit,
            settled: self.resting || self.at.is_none(),
        }
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
            self.trying = if (least + 1..self.limit).contains(&ORDINARY) {
                ORDINARY
            } else {
                least + (self.limit - least).div_ceil(2)
            };
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
    use std::collections::BTreeSet;

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
    fn whether_ordinary_guests_fit_is_known_after_two_sizes() {
        for (carried, fits) in [(1509, false), (1510, true)] {
            let mut prober = Prober::new(Duration::ZERO, u16::MAX);
            let mut sizes = BTreeSet::new();
            while sizes.len() < 3 {
                let now = prober.timeout().unwrap();
                let Some(size) = prober.due(now) else {
                    continue;
                };
                sizes.insert(size);
                if size <= carried {
                    prober.answered(now, size);
                }
            }
            let known = prober.known();
            assert_eq!(known.proven >= 1510, fits, "{known:?}");
            assert_eq!(known.limit < 1510, !fits, "{known:?}");
        }
    }

    #[test]
    fn what_was_proven_is_forgotten_when_it_is_to_be_proven_anew() {
        let mut prober = Prober::new(Duration::ZERO, 9216);
        prober.due(Duration::ZERO);
        prober.answered(Duration::ZERO, 9216);
        assert!(prober.known().settled && prober.known().proven == 9216);
        let now = Duration::from_secs(60);
        prober.renew(now);
        assert!(!prober.known().settled && prober.known().proven == 0);
        assert_eq!(prober.due(now), Some(9216));
        // In the middle of a search nothing begins anew.
        prober.renew(now);
        assert_eq!(prober.due(now), None);
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
