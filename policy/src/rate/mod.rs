//! Policers: a plain rate, and the meters of RFC 2697 (srTCM) and RFC 2698 (trTCM).
//!
//! Octets are those of design.md section 4.10, so a rate includes Ethernet headers and padding, and no VNTag and FCS.
//! The RFCs count octets of IP packets; a switch polices what is no IP as well.
//!
//! **Oversized frames are judged segment by segment**, all at the same moment, and pass as their first so many
//! segments. Judged by their weight alone, those heavier than the bucket would never pass and a sender whose kernel
//! makes such frames got nothing; let through on credit, octets could exceed `CIR t + CBS`. By segments both
//! `0.99 CIR t <= octets` (from a CBS of two segments on) and `octets <= CIR t + CBS` hold whatever frames are made of, and a TCP stream loses
//! the end of a train instead of all of it. A frame has one colour: the worst of its segments that pass. Who cannot
//! cut frames judges [`Train::whole`], and needs a bucket of at least twice the heaviest frame.
//!
//! Arithmetic is exact: tokens are in units of 1 / 8,000,000,000 octet, of which one nanosecond at one bit per second
//! brings one. Nothing is rounded, so nothing drifts.

mod bucket;
mod burst;
mod policer;
mod single;
mod three_color;

pub use burst::{Burst, DEFAULT_BURST_MILLIS, InvalidBurst};
pub use policer::{AskedBurst, Configured, Policed, Policer, PolicerState};
pub use single::{Limit, LimitState};
pub use three_color::{
    Algorithm, Awareness, Color, InvalidMeter, Meter, MeterState, Metered, PerColor,
};

pub(crate) use bucket::{Bucket, Clock};

use niv::Weight;
use std::fmt;

/// Bits per second, 1 to 2^40 (1.1 Tb/s).
///
/// ```
/// use policy::rate::BitRate;
///
/// assert_eq!(BitRate::new(10_000_000)?.bits_per_second(), 10_000_000);
/// assert!(BitRate::new(0).is_err());
/// # Ok::<(), policy::rate::InvalidRate>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitRate(u64);

/// A number that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no rate: those are 1 to {max} bits per second; to let nothing pass, shut the port", max = BitRate::MAX)]
pub struct InvalidRate(pub u64);

impl BitRate {
    /// The largest rate.
    pub const MAX: u64 = 1 << 40;

    /// So many bits per second.
    ///
    /// # Errors
    /// It is 0, or more than [`BitRate::MAX`].
    pub const fn new(bits_per_second: u64) -> Result<Self, InvalidRate> {
        match bits_per_second {
            1..=Self::MAX => Ok(Self(bits_per_second)),
            other => Err(InvalidRate(other)),
        }
    }

    /// The number itself.
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bps", self.0)
    }
}

/// The wire frames one received frame stands for: all as long as each other but the last.
///
/// ```
/// use niv::Weight;
/// use policy::rate::Train;
///
/// // 4,000 octets of payload in segments of 1,448, behind 66 octets of headers.
/// let train = Train::of(Weight { frames: 3, octets: 2 * 1514 + 1170 }, 1514);
/// assert_eq!(train.segments(), 3);
/// assert_eq!(Train::of(Weight::one(64), 64), Train::whole(Weight::one(64)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Train {
    /// How many there are before the last.
    pub(crate) full: u32,
    /// Octets of each of those.
    pub(crate) each: u32,
    /// Octets of the last.
    pub(crate) last: u32,
}

impl Train {
    /// A received frame of `weight`, whose longest segment has `longest` octets (without VNTag). What does not fit
    /// together is one heavy segment.
    #[inline]
    pub const fn of(weight: Weight, longest: u32) -> Self {
        if weight.frames <= 1 {
            return Self::whole(weight);
        }
        let each = if longest < 60 { 60 } else { longest };
        let full = weight.frames - 1;
        match full as u64 * each as u64 {
            before if before < weight.octets as u64 => Self {
                full,
                each,
                last: weight.octets - before as u32,
            },
            _ => Self::whole(weight),
        }
    }

    /// One segment of all the octets: it passes as a whole or not at all.
    #[inline]
    pub const fn whole(weight: Weight) -> Self {
        Self {
            full: 0,
            each: 0,
            last: weight.octets,
        }
    }

    /// How many there are, 1 or more.
    #[inline]
    pub const fn segments(self) -> u32 {
        self.full.saturating_add(1)
    }

    /// Frames and octets of the first `segments` of them.
    pub const fn first(self, segments: u32) -> Weight {
        let full = if segments < self.full {
            segments
        } else {
            self.full
        };
        let before = full.saturating_mul(self.each);
        Weight {
            frames: if segments < self.segments() {
                segments
            } else {
                self.segments()
            },
            octets: if segments > self.full {
                before.saturating_add(self.last)
            } else {
                before
            },
        }
    }
}
