//! The plain rate: one bucket, and what does not fit is dropped.

use super::bucket::{OCTET, affordable};
use super::{BitRate, Bucket, Burst, Clock, Train};
use crate::Time;

/// A plain rate in force: bits per second with a burst, or frames per second with one.
///
/// Source: the bucket C of RFC 2697 section 3 with EBS 0, and nothing yellow.
///
/// ```
/// use niv::Weight;
/// use policy::Time;
/// use policy::rate::{BitRate, Burst, Limit, LimitState, Train};
///
/// let rate = BitRate::new(8_000)?; // an octet in a millisecond
/// let limit = Limit::of_bits(rate, Burst::new(100)?);
/// let mut state = LimitState::default();
/// let frame = Train::whole(Weight::one(60));
/// assert_eq!(limit.pass(&mut state, Time::from_millis(1_000), frame), 1);
/// assert_eq!(limit.pass(&mut state, Time::from_millis(1_019), frame), 0);
/// assert_eq!(limit.pass(&mut state, Time::from_millis(1_020), frame), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    bucket: Bucket,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Octets,
    Frames,
}

/// What a [`Limit`] keeps from frame to frame. All 0 is a full bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitState {
    clock: Clock,
    tokens: u64,
}

impl Limit {
    /// So many bits per second.
    pub const fn of_bits(rate: BitRate, burst: Burst) -> Self {
        Self {
            bucket: Bucket::of_bits(rate, burst),
            counts: Counts::Octets,
        }
    }

    /// So many wire frames per second, `burst` of them at once (1 at least). A rate of 0 lets the first ones pass
    /// and no more.
    pub const fn of_frames(per_second: u32, burst: u32) -> Self {
        Self {
            bucket: Bucket::of_frames(per_second, if burst == 0 { 1 } else { burst }),
            counts: Counts::Frames,
        }
    }

    /// How many segments of `train` pass, the first so many: 0 to all of them.
    #[inline]
    pub const fn pass(&self, state: &mut LimitState, now: Time, train: Train) -> u32 {
        state.tokens = self.tokens_at(state, now);
        let (each, last) = match self.counts {
            Counts::Octets => (train.each as u64 * OCTET, train.last as u64 * OCTET),
            Counts::Frames => (Time::SECOND, Time::SECOND),
        };
        let full = if train.full == 0 {
            0
        } else {
            let full = affordable(state.tokens, each, train.full);
            state.tokens -= full as u64 * each;
            full
        };
        if full == train.full && last <= state.tokens {
            state.tokens -= last;
            full.saturating_add(1)
        } else {
            full
        }
    }

    /// What the bucket would let pass at `now`, in octets or frames.
    pub const fn available(&self, mut state: LimitState, now: Time) -> u64 {
        let unit = match self.counts {
            Counts::Octets => OCTET,
            Counts::Frames => Time::SECOND,
        };
        self.tokens_at(&mut state, now) / unit
    }

    /// What is in the bucket at `now`, which is noted as when it was filled.
    #[inline]
    const fn tokens_at(&self, state: &mut LimitState, now: Time) -> u64 {
        match state.clock.advance(now) {
            Some(nanos) => self.bucket.later(state.tokens, nanos),
            None => self.bucket.depth(),
        }
    }
}

impl LimitState {
    /// Words in [`LimitState::to_words`].
    pub const WORDS: usize = 2;

    /// The state as plain words.
    pub const fn to_words(self) -> [u64; Self::WORDS] {
        [self.clock.0, self.tokens]
    }

    /// What [`LimitState::to_words`] was made of; any words are a state, and no more than a full bucket.
    pub const fn from_words([clock, tokens]: [u64; Self::WORDS]) -> Self {
        Self {
            clock: Clock(clock),
            tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use niv::Weight;
    use proptest::prelude::*;

    fn limit(bits: u64, octets: u32) -> Limit {
        Limit::of_bits(BitRate::new(bits).unwrap(), Burst::new(octets).unwrap())
    }

    fn one(length: usize) -> Train {
        Train::whole(Weight::one(length))
    }

    #[test]
    fn a_new_port_starts_with_a_full_bucket_whatever_the_time_is() {
        let octets = limit(8_000, 1_000);
        // Nothing ever brings more.
        let frames = Limit::of_frames(0, 10);
        for limit in [octets, frames] {
            for nanos in [0, 1, Time::SECOND, u64::MAX] {
                let mut state = LimitState::default();
                let now = Time::from_nanos(nanos);
                let passed: u32 = (0..20).map(|_| limit.pass(&mut state, now, one(100))).sum();
                assert_eq!(passed, 10, "{limit:?} at {nanos}");
            }
        }
    }

    /// For frame lengths, rates and bursts from tiny to large, offered at twice the rate. A bucket of less than two
    /// frames is full, and spills, between one frame and the next.
    #[test]
    fn octets_lie_between_99_percent_of_the_rate_and_the_rate_and_a_burst() {
        for bits in [1_000_000, 10_000_000, 999_999_937, 100_000_000_000] {
            for (length, burst) in [
                (60, 120),
                (60, 10_000),
                (1514, 3_028),
                (1514, 131_072),
                (9014, 18_028),
            ] {
                let limit = limit(bits, burst);
                let mut state = LimitState::default();
                let start = Time::from_secs(500);
                // At twice the rate, for 5,000 frames' time at least.
                let gap = (length as u64 * 8 * Time::SECOND / bits / 2).max(1);
                let frames = 20_000u64;
                let mut octets = 0u64;
                for n in 0..=frames {
                    let now = start.plus_nanos(n * gap);
                    octets += u64::from(limit.pass(&mut state, now, one(length))) * length as u64;
                }
                let t = frames * gap;
                let rate = u128::from(bits) * u128::from(t) / u128::from(OCTET);
                let (octets, burst) = (u128::from(octets), u128::from(burst));
                assert!(
                    octets <= rate + burst,
                    "{bits} {length} {burst}: {octets} > {rate}"
                );
                assert!(
                    octets * 100 >= rate * 99,
                    "{bits} {length} {burst}: {octets} < {rate}"
                );
            }
        }
    }

    #[test]
    fn nothing_drifts_over_days() {
        // 7 bits a second: a frame of 60 octets each 68.57 seconds, asked for at odd moments over 100 days.
        let limit = limit(7, 60);
        let mut state = LimitState::from_words([1, 0]);
        let end = 100 * 86_400 * Time::SECOND;
        let (mut now, mut passed) = (1u64, 0u64);
        while now < end {
            now += 999_999_937;
            passed += u64::from(limit.pass(&mut state, Time::from_nanos(now), one(60)));
        }
        // A bucket of one frame may be full for less than the second between two tries.
        assert!(
            (end / 69_571_428_508..=end / 68_571_428_571 + 1).contains(&passed),
            "{passed}"
        );
    }

    #[test]
    fn idle_for_a_year_is_one_burst() {
        let limit = limit(BitRate::MAX, 3_028);
        let mut state = LimitState::from_words([Time::SECOND, 0]);
        let now = Time::from_secs(365 * 86_400);
        let passed: u32 = (0..9).map(|_| limit.pass(&mut state, now, one(1514))).sum();
        assert_eq!(passed, 2);
    }

    #[test]
    fn an_oversized_frame_passes_as_its_first_segments() {
        let limit = limit(8_000, 4_000);
        let mut state = LimitState::default();
        let now = Time::from_secs(9);
        let train = Train::of(
            Weight {
                frames: 45,
                octets: 44 * 1514 + 100,
            },
            1514,
        );
        assert_eq!(limit.pass(&mut state, now, train), 2);
        assert_eq!(limit.available(state, now), 4_000 - 3_028);
    }

    #[test]
    fn frames_per_second_count_segments() {
        let limit = Limit::of_frames(10, 5);
        let mut state = LimitState::default();
        let train = Train::of(
            Weight {
                frames: 4,
                octets: 4 * 1000,
            },
            1000,
        );
        let now = Time::from_secs(3);
        assert_eq!(limit.pass(&mut state, now, train), 4);
        assert_eq!(limit.pass(&mut state, now, train), 1);
        assert_eq!(
            limit.pass(&mut state, now.plus_nanos(Time::SECOND / 5), train),
            2
        );
    }

    #[test]
    fn a_changed_burst_never_leaves_more_than_it_allows() {
        let mut state = LimitState::default();
        let now = Time::from_secs(9);
        limit(8_000, 100_000).pass(&mut state, now, one(60));
        let passed: u32 = (0..9)
            .map(|_| limit(8_000, 120).pass(&mut state, now, one(60)))
            .sum();
        assert_eq!(passed, 2);
    }

    fn train() -> impl Strategy<Value = Train> {
        (0u32..50, 60u32..9_000, 60u32..9_000).prop_map(|(full, each, last)| Train {
            full,
            each,
            last: last.min(each),
        })
    }

    proptest! {
        /// Whatever is asked and whenever, time going back too.
        #[test]
        fn octets_never_exceed_the_rate_and_a_burst(
            bits in 1u64..=BitRate::MAX,
            burst in 1u32..10_000_000,
            asks in prop::collection::vec((0u64..2_000_000, 0u64..300_000, train()), 1..200),
        ) {
            let limit = limit(bits, burst);
            let mut state = LimitState::default();
            let start = 1 << 40;
            let (mut latest, mut now) = (start, start);
            let mut octets = 0u128;
            for (on, back, train) in asks {
                now = (now + on).saturating_sub(back);
                latest = latest.max(now);
                let passed = limit.pass(&mut state, Time::from_nanos(now), train);
                octets += u128::from(train.first(passed).octets);
                let allowed = u128::from(bits) * u128::from(latest - start) / u128::from(OCTET);
                prop_assert!(octets <= allowed + u128::from(burst));
            }
        }

        /// In one go is what one by one is, as far as all before it passed.
        #[test]
        fn a_train_is_judged_as_its_segments_are(
            bits in 1u64..1_000_000_000_000,
            burst in 60u32..200_000,
            tokens: u64,
            train in train(),
        ) {
            let limit = limit(bits, burst);
            let now = Time::from_nanos(77);
            let mut state = LimitState::from_words([77, tokens]);
            let mut single = state;
            let mut expected = 0;
            for length in std::iter::repeat_n(train.each, train.full as usize).chain([train.last]) {
                if limit.pass(&mut single, now, one(length as usize)) == 0 {
                    break;
                }
                expected += 1;
            }
            prop_assert_eq!(limit.pass(&mut state, now, train), expected);
            prop_assert_eq!(state, single);
        }

        #[test]
        fn state_survives_its_words_and_no_words_are_worth_more_than_a_burst(words: [u64; 2], now: u64) {
            let limit = limit(1_000, 500);
            let mut state = LimitState::from_words(words);
            prop_assert_eq!(state.to_words(), words);
            let now = Time::from_nanos(now);
            let passed: u32 = (0..20).map(|_| limit.pass(&mut state, now, one(100))).sum();
            prop_assert!(passed <= 5);
        }
    }
}
