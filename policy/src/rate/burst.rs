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
    /// one CUBIC stream over a veth pair, through a token bucket that counts segments, in percent of the rate:
    ///
    /// | bucket holds | 10 Mb/s | 100 Mb/s | 1,000 Mb/s |
    /// | --- | --- | --- | --- |
    /// | 128 KiB | 53 | 18 | 14 |
    /// | 20 ms | 31 | 27 | 30 |
    /// | 100 ms | 62 | 55 | 60 |
    /// | 250 ms | 104 | 102 | 102 |
    ///
    /// Routers whose documents name their default say the same: rate / 32 octets.
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
