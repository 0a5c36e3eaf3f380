//! The token bucket, in exact integers.
//!
//! A token is what a rate of one unit per second brings in a nanosecond. 2^31 octets are 1.7e19 tokens and fit 64
//! bits; what would be more saturates, and a full bucket is what more would be cut to anyway.

use super::{BitRate, Burst};
use crate::Time;

/// Tokens of one octet at a rate in bits.
pub(crate) const OCTET: u64 = 8 * Time::SECOND;
/// Tokens of one frame at a rate in frames.
const FRAME: u64 = Time::SECOND;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    per_nano: u64,
    depth: u64,
}

impl Bucket {
    pub(crate) const fn of_bits(rate: BitRate, burst: Burst) -> Self {
        Self {
            per_nano: rate.bits_per_second(),
            depth: burst.octets() as u64 * OCTET,
        }
    }

    /// Never fills by itself: for what overflows from another.
    pub(crate) const fn of_overflow(burst: Burst) -> Self {
        Self {
            per_nano: 0,
            depth: burst.octets() as u64 * OCTET,
        }
    }

    pub(crate) const fn of_frames(per_second: u32, burst: u32) -> Self {
        Self {
            per_nano: per_second as u64,
            depth: burst as u64 * FRAME,
        }
    }

    /// What a full bucket holds.
    #[inline]
    pub(crate) const fn depth(&self) -> u64 {
        self.depth
    }

    /// What comes in `nanos`.
    #[inline]
    pub(crate) const fn brought(&self, nanos: u64) -> u64 {
        self.per_nano.saturating_mul(nanos)
    }

    /// What is in it `nanos` later.
    #[inline]
    pub(crate) const fn later(&self, tokens: u64, nanos: u64) -> u64 {
        self.filled(tokens, self.brought(nanos))
    }

    /// What is in it with `more`.
    #[inline]
    pub(crate) const fn filled(&self, tokens: u64, more: u64) -> u64 {
        let sum = tokens.saturating_add(more);
        if sum < self.depth { sum } else { self.depth }
    }

    /// What is in it `nanos` later, and what it then could not hold.
    #[inline]
    pub(crate) const fn later_and_over(&self, tokens: u64, nanos: u64) -> (u64, u64) {
        let sum = tokens.saturating_add(self.brought(nanos));
        if sum < self.depth {
            (sum, 0)
        } else {
            (self.depth, sum - self.depth)
        }
    }
}

/// When a bucket was last filled; 0: never, and who asks then is to take it for full. So a state of all 0 is full whatever
/// the first moment is, as RFC 2697 section 3 and RFC 2698 section 3 begin. What the time since 0 brought would not
/// do: soon after 0 that is little, and to buckets that do not fill by themselves it is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock(pub(crate) u64);

impl Clock {
    /// Beyond this, time did not step back but began anew: another boot, another choice of its beginning.
    const STEP: u64 = Time::SECOND;

    /// The nanoseconds since last time, each counted once; `None` the first time. A step back brings none and is waited
    /// out, so that no moment counts twice; a clock that began anew is followed. The moment 0 is taken for 1.
    #[inline]
    pub(crate) const fn advance(&mut self, now: Time) -> Option<u64> {
        let now = match now.as_nanos() {
            0 => 1,
            nanos => nanos,
        };
        let last = self.0;
        if last == 0 {
            self.0 = now;
            return None;
        }
        if now >= last {
            self.0 = now;
            return Some(now - last);
        }
        if last - now > Self::STEP {
            self.0 = now;
        }
        Some(0)
    }
}

/// How many of `count` things of `each` tokens there are tokens for.
#[inline]
pub(crate) const fn affordable(tokens: u64, each: u64, count: u32) -> u32 {
    match tokens.checked_div(each) {
        Some(many) if many < count as u64 => many as u32,
        _ => count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_of_idling_at_the_highest_rate_fills_the_deepest_bucket_and_no_more() {
        let rate = BitRate::new(BitRate::MAX).unwrap();
        let bucket = Bucket::of_bits(rate, Burst::new(Burst::MAX).unwrap());
        let year = 365 * 86_400 * Time::SECOND;
        assert_eq!(bucket.later(0, year), bucket.depth());
        assert_eq!(bucket.later(u64::MAX, u64::MAX), bucket.depth());
        assert_eq!(bucket.depth(), Burst::MAX as u64 * 8_000_000_000);
    }

    #[test]
    fn a_step_back_counts_no_moment_twice() {
        let mut clock = Clock(100);
        let mut sum = 0;
        for now in [1_000, 900, 950, 1_000, 1_100] {
            sum += clock.advance(Time::from_nanos(now)).unwrap();
        }
        assert_eq!(sum, 1_000);
    }

    #[test]
    fn a_clock_that_began_anew_is_followed() {
        let mut clock = Clock(Time::from_secs(1_000_000).as_nanos());
        assert_eq!(clock.advance(Time::from_secs(5)), Some(0));
        assert_eq!(clock.advance(Time::from_secs(6)), Some(Time::SECOND));
    }

    #[test]
    fn only_the_first_time_is_the_first_one() {
        for began_anew in [Clock(0), Clock(u64::MAX)] {
            let mut clock = began_anew;
            let first = clock.advance(Time::from_nanos(0));
            assert_eq!(first, (began_anew != Clock(0)).then_some(0));
            assert_eq!(clock.advance(Time::from_nanos(0)), Some(0));
            assert_eq!(clock.advance(Time::from_nanos(9)), Some(8));
        }
    }
}
