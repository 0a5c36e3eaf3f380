//! The three-colour meters: srTCM (RFC 2697) and trTCM (RFC 2698), colour-blind and colour-aware.

use super::bucket::{OCTET, affordable};
use super::{BitRate, Bucket, Burst, Clock, Train};
use crate::Time;

/// What a meter says of a frame, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Color {
    /// Within what is committed.
    #[default]
    Green,
    /// Beyond that, within what is tolerated.
    Yellow,
    /// Beyond both.
    Red,
}

/// Whether the colour a frame came with matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Awareness {
    /// All frames are taken for green.
    #[default]
    Blind,
    /// A frame never leaves better than it came.
    Aware,
}

/// Which of the two, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// srTCM, RFC 2697: one rate, and an excess bucket that fills when the committed one is full.
    SingleRate {
        /// CIR.
        committed: BitRate,
        /// CBS; `None` is 0.
        burst: Option<Burst>,
        /// EBS; `None` is 0.
        excess: Option<Burst>,
    },
    /// trTCM, RFC 2698: two rates, each with a bucket.
    TwoRate {
        /// CIR.
        committed: BitRate,
        /// CBS.
        burst: Burst,
        /// PIR, at least CIR.
        peak: BitRate,
        /// PBS.
        peak_burst: Burst,
    },
}

/// Parameters that are no meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMeter {
    /// RFC 2697 section 1: at least one of CBS and EBS is larger than 0.
    #[error("both bursts are 0, so no frame would ever pass: give bc or be")]
    NoBurst,
    /// RFC 2698 section 1: PIR is at least CIR.
    #[error(
        "the peak rate of {peak} is less than the committed rate of {committed}: raise pir or lower cir"
    )]
    PeakBelowCommitted {
        /// PIR.
        peak: BitRate,
        /// CIR.
        committed: BitRate,
    },
}

/// A meter in force.
///
/// ```
/// use niv::Weight;
/// use policy::Time;
/// use policy::rate::{Algorithm, Awareness, BitRate, Burst, Color, Meter, MeterState, Train};
///
/// let meter = Meter::new(
///     Algorithm::SingleRate {
///         committed: BitRate::new(8_000)?,
///         burst: Some(Burst::new(100)?),
///         excess: Some(Burst::new(60)?),
///     },
///     Awareness::Blind,
/// )?;
/// let mut state = MeterState::default();
/// let frame = Train::whole(Weight::one(60));
/// let mut color = || meter.meter(&mut state, Time::from_secs(1), frame, Color::Green).color(1);
/// assert_eq!([color(), color(), color()], [Color::Green, Color::Yellow, Color::Red]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    first: Bucket,
    second: Bucket,
    kind: Kind,
    awareness: Awareness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `first` is C, `second` is E.
    SingleRate,
    /// `first` is C, `second` is P.
    TwoRate,
}

/// What a [`Meter`] keeps from frame to frame. All 0 is two full buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterState {
    clock: Clock,
    first: u64,
    second: u64,
}

/// How many segments of a frame have which colour, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// The first so many.
    pub green: u32,
    /// The next so many.
    pub yellow: u32,
    /// The rest.
    pub red: u32,
}

/// One of something for each colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerColor<T> {
    /// Conform action.
    pub green: T,
    /// Exceed action.
    pub yellow: T,
    /// Violate action.
    pub red: T,
}

impl<T: Copy> PerColor<T> {
    /// That of `color`.
    #[inline]
    pub const fn of(&self, color: Color) -> T {
        match color {
            Color::Green => self.green,
            Color::Yellow => self.yellow,
            Color::Red => self.red,
        }
    }
}

impl Metered {
    /// How many segments pass, the first so many, when colours pass as `may` says. A segment behind one that is
    /// dropped is dropped too.
    #[inline]
    pub const fn pass(self, may: PerColor<bool>) -> u32 {
        let mut pass = 0;
        if self.green > 0 {
            if !may.green {
                return pass;
            }
            pass += self.green;
        }
        if self.yellow > 0 {
            if !may.yellow {
                return pass;
            }
            pass += self.yellow;
        }
        if self.red > 0 && may.red {
            pass += self.red;
        }
        pass
    }

    /// The worst colour among the first `segments`: that of a frame that passes as those. Green when there are none.
    #[inline]
    pub const fn color(self, segments: u32) -> Color {
        if segments <= self.green {
            Color::Green
        } else if segments - self.green <= self.yellow {
            Color::Yellow
        } else {
            Color::Red
        }
    }

    const fn one(color: Color) -> Self {
        let none = Self {
            green: 0,
            yellow: 0,
            red: 0,
        };
        match color {
            Color::Green => Self { green: 1, ..none },
            Color::Yellow => Self { yellow: 1, ..none },
            Color::Red => Self { red: 1, ..none },
        }
    }
}

impl Meter {
    /// The meter for these parameters.
    ///
    /// # Errors
    /// They are no meter.
    pub const fn new(algorithm: Algorithm, awareness: Awareness) -> Result<Self, InvalidMeter> {
        let (first, second, kind) = match algorithm {
            Algorithm::SingleRate {
                burst: None,
                excess: None,
                ..
            } => return Err(InvalidMeter::NoBurst),
            Algorithm::SingleRate {
                committed,
                burst,
                excess,
            } => {
                let burst = match burst {
                    Some(burst) => burst,
                    None => Burst::ZERO,
                };
                let excess = match excess {
                    Some(excess) => excess,
                    None => Burst::ZERO,
                };
                (
                    Bucket::of_bits(committed, burst),
                    Bucket::of_overflow(excess),
                    Kind::SingleRate,
                )
            }
            Algorithm::TwoRate {
                committed, peak, ..
            } if peak.bits_per_second() < committed.bits_per_second() => {
                return Err(InvalidMeter::PeakBelowCommitted { peak, committed });
            }
            Algorithm::TwoRate {
                committed,
                burst,
                peak,
                peak_burst,
            } => (
                Bucket::of_bits(committed, burst),
                Bucket::of_bits(peak, peak_burst),
                Kind::TwoRate,
            ),
        };
        Ok(Self {
            first,
            second,
            kind,
            awareness,
        })
    }

    /// The colours of a frame's segments that came with the colour `came`.
    #[inline]
    pub const fn meter(
        &self,
        state: &mut MeterState,
        now: Time,
        train: Train,
        came: Color,
    ) -> Metered {
        let came = match self.awareness {
            Awareness::Blind => Color::Green,
            Awareness::Aware => came,
        };
        self.fill(state, now);
        if train.full == 0 {
            return Metered::one(self.one(state, train.last, came));
        }
        let mut metered = self.several(state, train.each, train.full, came);
        // The last is shorter, and might get through where one before it did not: the order is kept.
        let last = match metered {
            Metered { red: 1.., .. } => Color::Red,
            Metered { yellow: 1.., .. } => self.one(state, train.last, Color::Yellow),
            _ => self.one(state, train.last, came),
        };
        match last {
            Color::Green => metered.green += 1,
            Color::Yellow => metered.yellow += 1,
            Color::Red => metered.red += 1,
        }
        metered
    }

    #[inline]
    const fn fill(&self, state: &mut MeterState, now: Time) {
        let Some(nanos) = state.clock.advance(now) else {
            state.first = self.first.depth();
            state.second = self.second.depth();
            return;
        };
        match self.kind {
            // RFC 2697 section 3: C first; what it cannot hold goes to E.
            Kind::SingleRate => {
                let (first, over) = self.first.later_and_over(state.first, nanos);
                state.first = first;
                state.second = self.second.filled(state.second, over);
            }
            // RFC 2698 section 3: each at its own rate.
            Kind::TwoRate => {
                state.first = self.first.later(state.first, nanos);
                state.second = self.second.later(state.second, nanos);
            }
        }
    }

    #[inline]
    const fn one(&self, state: &mut MeterState, octets: u32, came: Color) -> Color {
        let tokens = octets as u64 * OCTET;
        match self.kind {
            Kind::SingleRate => {
                if matches!(came, Color::Green) && tokens <= state.first {
                    state.first -= tokens;
                    Color::Green
                } else if !matches!(came, Color::Red) && tokens <= state.second {
                    state.second -= tokens;
                    Color::Yellow
                } else {
                    Color::Red
                }
            }
            Kind::TwoRate => {
                if matches!(came, Color::Red) || tokens > state.second {
                    return Color::Red;
                }
                state.second -= tokens;
                if matches!(came, Color::Yellow) || tokens > state.first {
                    return Color::Yellow;
                }
                state.first -= tokens;
                Color::Green
            }
        }
    }

    /// `count` segments of the same length, as [`Meter::one`] says of one after the other.
    const fn several(&self, state: &mut MeterState, each: u32, count: u32, came: Color) -> Metered {
        let each = each as u64 * OCTET;
        let may_be_green = matches!(came, Color::Green);
        let may_be_yellow = !matches!(came, Color::Red);
        let (green, yellow) = match self.kind {
            Kind::SingleRate => {
                let green = if may_be_green {
                    affordable(state.first, each, count)
                } else {
                    0
                };
                let yellow = if may_be_yellow {
                    affordable(state.second, each, count - green)
                } else {
                    0
                };
                state.first -= green as u64 * each;
                state.second -= yellow as u64 * each;
                (green, yellow)
            }
            Kind::TwoRate => {
                let either = if may_be_yellow {
                    affordable(state.second, each, count)
                } else {
                    0
                };
                let green = if may_be_green {
                    affordable(state.first, each, either)
                } else {
                    0
                };
                state.second -= either as u64 * each;
                state.first -= green as u64 * each;
                (green, either - green)
            }
        };
        Metered {
            green,
            yellow,
            red: count - green - yellow,
        }
    }
}

impl MeterState {
    /// Words in [`MeterState::to_words`].
    pub const WORDS: usize = 3;

    /// The state as plain words.
    pub const fn to_words(self) -> [u64; Self::WORDS] {
        [self.clock.0, self.first, self.second]
    }

    /// What [`MeterState::to_words`] was made of; any words are a state, and no more than full buckets.
    pub const fn from_words([clock, first, second]: [u64; Self::WORDS]) -> Self {
        Self {
            clock: Clock(clock),
            first,
            second,
        }
    }
}

#[cfg(test)]
#[path = "three_color_tests.rs"]
mod tests;
