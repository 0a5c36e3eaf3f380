//! How much may come at once, and how much that is when nobody says.

use super::BitRate;
use std::fmt;

/// Octets that may come at once: 1 to 2^31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Burst(u32);

/// A number that is no burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no burst: those are 1 to {max} octets", max = Burst::MAX)]
pub struct InvalidBurst(pub u64);

/// For how long the default burst lets a port send at its rate. The reason is at [`Burst::default_for`].
pub const DEFAULT_BURST_MILLIS: u64 = 250;

/// The smallest default: two of the heaviest TCP frames a sender's kernel makes, 46 segments of 1,514 octets each.
const TWO_OVERSIZED: u64 = 2 * 46 * 1514;

impl Burst {
    /// The largest burst.
    pub const MAX: u32 = 1 << 31;
    /// No burst: only where the RFC allows it.
    pub(crate) const ZERO: Self = Self(0);

    /// So many octets.
    ///
    /// # Errors
    /// It is 0 or more than [`Burst::MAX`].
    pub const fn new(octets: u32) -> Result<Self, InvalidBurst> {
        match octets {
            1..=Self::MAX => Ok(Self(octets)),
            other => Err(InvalidBurst(other as u64)),
        }
    }

    /// The burst of a rate for which none was given: what the rate brings in 250 ms, and at least two oversized
    /// frames (139,288 octets).
    ///
    /// A policer has no queue, so what a TCP sender on a short path sends too early is lost, whole windows of it. It
    /// then waits for its retransmission timer, 200 ms at least on Linux, and the rate is only kept if the bucket goes
    /// on filling meanwhile: it must hold 200 ms of the rate, and 50 ms are for the timer's own slack. Measured with
    /// one CUBIC stream over a veth pair for 5 seconds (of which a burst of 250 ms is 5 percent), through a token bucket
    /// that counts segments, in percent of the rate:
    ///
    /// | bucket holds | 10 Mb/s | 100 Mb/s | 1,000 Mb/s |
    /// | --- | --- | --- | --- |
    /// | 128 KiB | 53 | 18 | 14 |
    /// | 20 ms | 31 | 27 | 30 |
    /// | 100 ms | 62 | 55 | 60 |
    /// | 250 ms | 104 | 102 | 102 |
    ///
    /// Switches whose manuals derive a default from the rate take more: 1.2 seconds of it (SLX-OS `police cir`).
    ///
    /// ```
    /// use policy::rate::{BitRate, Burst};
    ///
    /// let default = |bits| BitRate::new(bits).map(|rate| Burst::default_for(rate).octets());
    /// assert_eq!(default(1_000_000), Ok(139_288));
    /// assert_eq!(default(10_000_000), Ok(312_500));
    /// assert_eq!(default(1_000_000_000), Ok(31_250_000));
    /// ```
    pub const fn default_for(rate: BitRate) -> Self {
        let octets = rate.bits_per_second() / 8 * DEFAULT_BURST_MILLIS / 1000;
        match octets {
            ..TWO_OVERSIZED => Self(TWO_OVERSIZED as u32),
            TWO_OVERSIZED..=MAX => Self(octets as u32),
            _ => Self(Self::MAX),
        }
    }

    /// The number itself.
    pub const fn octets(self) -> u32 {
        self.0
    }
}

const MAX: u64 = Burst::MAX as u64;

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;
    use crate::rate::{Limit, LimitState, Train};
    use niv::Weight;

    const SEGMENT: u64 = 1514;
    const ROUND_TRIP: u64 = 100_000;
    const TIMEOUT: u64 = 200 * 1_000_000;
    /// Between segments, on a line of 10 Gb/s.
    const SPACING: u64 = SEGMENT * 8 / 10;
    const WINDOW: u64 = 2_000;

    /// Octets per second of a TCP sender after RFC 5681 and RFC 6298 that has always more to send: slow start, half a
    /// window after a loss, and a timer that runs out when something sent again is lost again.
    fn goodput(limit: Limit, seconds: u64) -> u64 {
        let mut state = LimitState::default();
        let start = Time::from_secs(1_000);
        let mut now = start;
        let (mut window, mut threshold, mut timeout) = (10u64, WINDOW, TIMEOUT);
        let (mut lost, mut passed) = (0u64, 0u64);
        while now.nanos_since(start) < seconds * Time::SECOND {
            let again = lost.min(window);
            let mut dropped_again = 0;
            let mut dropped = 0;
            for n in 0..window {
                let sent = now.plus_nanos(n * SPACING);
                let segment = Train::whole(Weight::one(SEGMENT as usize));
                if limit.pass(&mut state, sent, segment) == 1 {
                    passed += 1;
                } else if n < again {
                    dropped_again += 1;
                } else {
                    dropped += 1;
                }
            }
            lost = lost - again + dropped_again + dropped;
            now = now.plus_nanos(ROUND_TRIP.max(window * SPACING));
            if dropped_again > 0 || dropped == window {
                threshold = (window / 2).max(2);
                window = 1;
                now = now.plus_nanos(timeout);
                timeout *= 2;
                continue;
            }
            timeout = TIMEOUT;
            if dropped > 0 {
                threshold = (window / 2).max(2);
                window = threshold;
            } else if window < threshold {
                window = (window * 2).min(WINDOW);
            } else {
                window = (window + 1).min(WINDOW);
            }
        }
        passed * SEGMENT / seconds
    }

    /// In percent of the rate. Over a minute, so that the first burst counts for less than a percent.
    fn percent(bits: u64, burst: Option<u32>) -> u64 {
        let rate = BitRate::new(bits).unwrap();
        let burst = burst.map_or(Burst::default_for(rate), |octets| {
            Burst::new(octets).unwrap()
        });
        goodput(Limit::of_bits(rate, burst), 60) * 800 / bits
    }

    #[test]
    fn one_tcp_stream_reaches_90_percent_of_the_rate_with_the_default_burst() {
        for megabits in [10, 100, 1_000] {
            let reached = percent(megabits * 1_000_000, None);
            assert!(
                (90..=101).contains(&reached),
                "{megabits} Mb/s: {reached} %"
            );
        }
    }

    /// What the default is not: 20 ms, or ten frames.
    #[test]
    fn a_small_burst_ruins_tcp() {
        for (megabits, burst) in [
            (10, 25_000),
            (100, 250_000),
            (1_000, 2_500_000),
            (10, 15_140),
            (100, 15_140),
        ] {
            let reached = percent(megabits * 1_000_000, Some(burst));
            assert!(reached < 50, "{megabits} Mb/s, {burst} octets: {reached} %");
        }
    }
}
