//! How many a second.

use core::time::Duration;

/// A token bucket: `rate` a second on average, `burst` at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// In how long one token comes.
    each: Duration,
    depth: Duration,
    /// What was taken and has not come back, at `at`.
    owed: Duration,
    at: Duration,
}

impl Bucket {
    pub(crate) fn new(rate: u32, burst: u32) -> Self {
        let each = Duration::from_secs(1) / rate.max(1);
        Self {
            each,
            depth: each * burst,
            owed: Duration::ZERO,
            at: Duration::ZERO,
        }
    }

    /// Whether there is a token.
    pub(crate) fn has(&self, now: Duration) -> bool {
        self.owed(now) + self.each <= self.depth
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let there = self.has(now);
        self.owed = self.owed(now);
        self.at = self.at.max(now);
        if there {
            self.owed += self.each;
        }
        there
    }

    fn owed(&self, now: Duration) -> Duration {
        self.owed.saturating_sub(now.saturating_sub(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = Bucket::new(10, 3);
        let now = Duration::ZERO;
        assert_eq!(
            [(); 4].map(|()| bucket.take(now)),
            [true, true, true, false]
        );
        let later = Duration::from_millis(100);
        assert_eq!([now, later].map(|at| bucket.has(at)), [false, true]);
        assert_eq!([(); 2].map(|()| bucket.take(later)), [true, false]);
        let passed = (1..=1000).filter(|&ms| bucket.take(later + Duration::from_millis(ms)));
        assert_eq!(passed.count(), 10);
        let much_later = Duration::from_secs(60);
        assert_eq!(
            [(); 4].map(|()| bucket.take(much_later)),
            [true, true, true, false]
        );
    }
}
