//! A policer as a profile names it: a plain rate or a meter, what becomes of each colour, and what it counted.

use super::{
    Algorithm, Awareness, BitRate, Burst, Color, InvalidMeter, Meter, MeterState, Metered,
    PerColor, Train,
};
use crate::Time;
use niv::Total;
use std::fmt;

/// What somebody configured. A burst that is `None` is [`Burst::default_for`] its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Configured {
    /// One rate; what is beyond it is dropped.
    Plain {
        /// The rate.
        rate: BitRate,
        /// The burst.
        burst: Option<Burst>,
    },
    /// srTCM.
    SingleRate {
        /// CIR.
        committed: BitRate,
        /// CBS.
        burst: AskedBurst,
        /// EBS.
        excess: AskedBurst,
    },
    /// trTCM.
    TwoRate {
        /// CIR.
        committed: BitRate,
        /// CBS.
        burst: Option<Burst>,
        /// PIR.
        peak: BitRate,
        /// PBS.
        peak_burst: Option<Burst>,
    },
}

/// A burst of an srTCM, as somebody configured it. RFC 2697 section 1 lets one of the two be 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AskedBurst {
    /// Not given: [`Burst::default_for`] the rate.
    #[default]
    Default,
    /// 0: nothing ever fits.
    Zero,
    /// This one.
    Of(Burst),
}

impl AskedBurst {
    /// In octets; `None` is 0.
    const fn in_force(self, rate: BitRate) -> Option<Burst> {
        match self {
            Self::Default => Some(Burst::default_for(rate)),
            Self::Zero => None,
            Self::Of(burst) => Some(burst),
        }
    }
}

impl From<Option<Burst>> for AskedBurst {
    fn from(burst: Option<Burst>) -> Self {
        burst.map_or(Self::Default, Self::Of)
    }
}

/// A policer in force. Printed, it says the bursts in force.
///
/// ```
/// use policy::rate::{Awareness, BitRate, Configured, PerColor, Policer};
///
/// let rate = BitRate::new(10_000_000)?;
/// let policer = Policer::new(Configured::Plain { rate, burst: None }, Awareness::Blind, PerColor::DROP_RED)?;
/// assert_eq!(policer.to_string(), "cir 10000000 bps bc 312500 bytes (default)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policer {
    configured: Configured,
    awareness: Awareness,
    meter: Meter,
    may_pass: PerColor<bool>,
}

impl PerColor<bool> {
    /// Green and yellow pass, red is dropped.
    pub const DROP_RED: Self = Self {
        green: true,
        yellow: true,
        red: false,
    };
}

/// What a policer keeps from frame to frame, and what it counted: wire frames and octets by the colour they were metered,
/// and those of them that it dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicerState {
    meter: MeterState,
    /// Metered, by colour, whatever became of them.
    pub metered: PerColor<Total>,
    /// Of those, dropped: by their colour, or behind a segment that was.
    pub dropped: Total,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policed {
    /// How many of its segments pass, the first so many.
    pub pass: u32,
    /// With what colour: for marking.
    pub color: Color,
}

impl Policer {
    /// The policer for this configuration; `may_pass` says which colours go on.
    ///
    /// # Errors
    /// The parameters are no meter.
    pub fn new(
        configured: Configured,
        awareness: Awareness,
        may_pass: PerColor<bool>,
    ) -> Result<Self, InvalidMeter> {
        let algorithm = match configured {
            Configured::Plain { rate, burst } => Algorithm::SingleRate {
                committed: rate,
                burst: Some(burst.unwrap_or(Burst::default_for(rate))),
                excess: None,
            },
            Configured::SingleRate {
                committed,
                burst,
                excess,
            } => Algorithm::SingleRate {
                committed,
                burst: burst.in_force(committed),
                excess: excess.in_force(committed),
            },
            Configured::TwoRate {
                committed,
                burst,
                peak,
                peak_burst,
            } => Algorithm::TwoRate {
                committed,
                burst: burst.unwrap_or(Burst::default_for(committed)),
                peak,
                peak_burst: peak_burst.unwrap_or(Burst::default_for(peak)),
            },
        };
        Ok(Self {
            configured,
            awareness,
            meter: Meter::new(algorithm, awareness)?,
            may_pass,
        })
    }

    /// Whether the colour a frame came with matters.
    pub const fn is_color_aware(&self) -> bool {
        matches!(self.awareness, Awareness::Aware)
    }

    /// What it was made of.
    pub const fn configured(&self) -> Configured {
        self.configured
    }

    /// What becomes of a frame that came with the colour `came`.
    #[inline]
    pub fn police(
        &self,
        state: &mut PolicerState,
        now: Time,
        train: Train,
        came: Color,
    ) -> Policed {
        let metered = self.meter.meter(&mut state.meter, now, train, came);
        self.account(state, train, metered)
    }

    /// What [`Policer::police`] would say, without doing it.
    pub fn foresee(&self, state: &PolicerState, now: Time, train: Train, came: Color) -> Policed {
        let mut state = *state;
        self.police(&mut state, now, train, came)
    }

    #[inline]
    fn account(&self, state: &mut PolicerState, train: Train, metered: Metered) -> Policed {
        let pass = metered.pass(self.may_pass);
        let color = metered.color(pass);
        let up_to = |segments| Total::from(train.first(segments));
        let (green, yellow) = (metered.green, metered.green + metered.yellow);
        let all = train.segments();
        if green > 0 {
            state.metered.green = state.metered.green.plus(up_to(green));
        }
        if yellow > green {
            let more = up_to(yellow).minus(up_to(green));
            state.metered.yellow = state.metered.yellow.plus(more);
        }
        if all > yellow {
            let more = up_to(all).minus(up_to(yellow));
            state.metered.red = state.metered.red.plus(more);
        }
        if pass < all {
            let rest = up_to(all).minus(up_to(pass));
            state.dropped = state.dropped.plus(rest);
        }
        Policed { pass, color }
    }
}

impl fmt::Display for Policer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.configured {
            Configured::Plain { rate, burst } => {
                write!(f, "cir {rate} bc {}", InForce(burst.into(), rate))?;
            }
            Configured::SingleRate {
                committed,
                burst,
                excess,
            } => write!(
                f,
                "cir {committed} bc {} be {}",
                InForce(burst, committed),
                InForce(excess, committed)
            )?,
            Configured::TwoRate {
                committed,
                burst,
                peak,
                peak_burst,
            } => write!(
                f,
                "cir {committed} bc {} pir {peak} be {}",
                InForce(burst.into(), committed),
                InForce(peak_burst.into(), peak)
            )?,
        }
        match self.awareness {
            Awareness::Blind => Ok(()),
            Awareness::Aware => f.write_str(" color-aware"),
        }
    }
}

/// A burst, and whether anybody asked for it.
struct InForce(AskedBurst, BitRate);

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            AskedBurst::Of(burst) => burst.fmt(f),
            AskedBurst::Zero => Burst::ZERO.fmt(f),
            AskedBurst::Default => write!(f, "{} (default)", Burst::default_for(self.1)),
        }
    }
}

impl PolicerState {
    /// Words in [`PolicerState::to_words`].
    pub const WORDS: usize = MeterState::WORDS + 8;

    /// The state as plain words.
    pub const fn to_words(self) -> [u64; Self::WORDS] {
        let [clock, first, second] = self.meter.to_words();
        let PerColor { green, yellow, red } = self.metered;
        [
            clock,
            first,
            second,
            green.frames,
            green.octets,
            yellow.frames,
            yellow.octets,
            red.frames,
            red.octets,
            self.dropped.frames,
            self.dropped.octets,
        ]
    }

    /// What [`PolicerState::to_words`] was made of; any words are a state.
    pub const fn from_words(words: [u64; Self::WORDS]) -> Self {
        let [clock, first, second, a, b, c, d, e, f, g, h] = words;
        const fn total(frames: u64, octets: u64) -> Total {
            Total { frames, octets }
        }
        Self {
            meter: MeterState::from_words([clock, first, second]),
            metered: PerColor {
                green: total(a, b),
                yellow: total(c, d),
                red: total(e, f),
            },
            dropped: total(g, h),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::{Limit, LimitState};
    use niv::Weight;
    use proptest::prelude::*;

    fn rate(bits: u64) -> BitRate {
        BitRate::new(bits).unwrap()
    }

    fn policer(configured: Configured, may_pass: PerColor<bool>) -> Policer {
        Policer::new(configured, Awareness::Blind, may_pass).unwrap()
    }

    const TWO_RATE: Configured = Configured::TwoRate {
        committed: match BitRate::new(8_000) {
            Ok(rate) => rate,
            Err(_) => panic!("no rate"),
        },
        burst: None,
        peak: match BitRate::new(8_000_000_000) {
            Ok(rate) => rate,
            Err(_) => panic!("no rate"),
        },
        peak_burst: None,
    };

    #[test]
    fn show_policer_prints_the_burst_in_force_and_whether_it_was_asked_for() {
        let shown = |configured| policer(configured, PerColor::DROP_RED).to_string();
        let plain = |burst| Configured::Plain {
            rate: rate(100_000_000),
            burst,
        };
        assert_eq!(
            shown(plain(None)),
            "cir 100000000 bps bc 3125000 bytes (default)"
        );
        let given = Some(Burst::new(20_000).unwrap());
        assert_eq!(shown(plain(given)), "cir 100000000 bps bc 20000 bytes");
        assert_eq!(
            shown(TWO_RATE),
            "cir 8000 bps bc 139288 bytes (default) pir 8000000000 bps be 250000000 bytes (default)"
        );
    }

    #[test]
    fn each_frame_is_counted_by_the_colour_it_was_metered_and_besides_if_it_was_dropped() {
        let frame = Train::whole(Weight::one(1000));
        let now = Time::from_secs(9);
        let counts = |may_pass| {
            let policer = policer(TWO_RATE, may_pass);
            let mut state = PolicerState::default();
            for _ in 0..200 {
                let foreseen = policer.foresee(&state, now, frame, Color::Green);
                assert_eq!(
                    policer.police(&mut state, now, frame, Color::Green),
                    foreseen
                );
            }
            let PerColor { green, yellow, red } = state.metered;
            [green, yellow, red, state.dropped].map(|total| (total.frames, total.octets))
        };
        let none = (0, 0);
        assert_eq!(
            counts(PerColor::DROP_RED),
            [(139, 139_000), (61, 61_000), none, none]
        );
        let strict = PerColor {
            yellow: false,
            ..PerColor::DROP_RED
        };
        assert_eq!(
            counts(strict),
            [(139, 139_000), (61, 61_000), none, (61, 61_000)]
        );
        let plain = Configured::Plain {
            rate: rate(8_000),
            burst: Some(Burst::new(1_000).unwrap()),
        };
        let policer = policer(plain, PerColor::DROP_RED);
        let mut state = PolicerState::default();
        // Of three segments the first passes.
        let train = Train::of(
            Weight {
                frames: 3,
                octets: 3_000,
            },
            1_000,
        );
        policer.police(&mut state, now, train, Color::Green);
        let PerColor { green, yellow, red } = state.metered;
        assert_eq!((green.frames, yellow.frames, red.octets), (1, 0, 2_000));
        assert_eq!(state.dropped, red);
    }

    proptest! {
        /// A policer of one rate is a limit.
        #[test]
        fn a_plain_policer_lets_pass_what_its_rate_does(
            bits in 1u64..1_000_000_000,
            burst in 60u32..100_000,
            asks in prop::collection::vec((0u64..2_000_000, 1u32..50, 60u32..2_000), 1..60),
        ) {
            let burst = Burst::new(burst).unwrap();
            let limit = Limit::of_bits(rate(bits), burst);
            let policer = policer(
                Configured::Plain { rate: rate(bits), burst: Some(burst) },
                PerColor::DROP_RED,
            );
            let (mut one, mut other) = (LimitState::default(), PolicerState::default());
            let mut now = Time::from_secs(1);
            let mut offered = Total::default();
            for (gap, frames, each) in asks {
                now = now.plus_nanos(gap);
                let weight = Weight { frames, octets: frames * each };
                let train = Train::of(weight, each);
                offered = offered.plus(weight.into());
                let passed = limit.pass(&mut one, now, train);
                let policed = policer.police(&mut other, now, train, Color::Red);
                prop_assert_eq!(policed, Policed { pass: passed, color: Color::Green });
            }
            prop_assert_eq!(other.metered.green.plus(other.dropped), offered);
            prop_assert_eq!(other.metered.red, other.dropped);
        }

        #[test]
        fn state_survives_its_words(words: [u64; 11]) {
            prop_assert_eq!(PolicerState::from_words(words).to_words(), words);
        }
    }
}
