use super::*;
use niv::Weight;
use proptest::prelude::*;

fn rate(bits: u64) -> BitRate {
    BitRate::new(bits).unwrap()
}

fn burst(octets: u32) -> Burst {
    Burst::new(octets).unwrap()
}

/// An octet in a millisecond.
fn single(cbs: Option<u32>, ebs: Option<u32>, awareness: Awareness) -> Meter {
    let algorithm = Algorithm::SingleRate {
        committed: rate(8_000),
        burst: cbs.map(burst),
        excess: ebs.map(burst),
    };
    Meter::new(algorithm, awareness).unwrap()
}

/// Committed an octet in a millisecond, peak two.
fn two(cbs: u32, pbs: u32, awareness: Awareness) -> Meter {
    let algorithm = Algorithm::TwoRate {
        committed: rate(8_000),
        burst: burst(cbs),
        peak: rate(16_000),
        peak_burst: burst(pbs),
    };
    Meter::new(algorithm, awareness).unwrap()
}

fn one(octets: usize) -> Train {
    Train::whole(Weight::one(octets))
}

const START: Time = Time::from_secs(1_000_000);

fn colors(
    meter: &Meter,
    state: &mut MeterState,
    now: Time,
    came: Color,
    count: usize,
) -> Vec<Color> {
    (0..count)
        .map(|_| meter.meter(state, now, one(100), came).color(1))
        .collect()
}

use Color::{Green, Red, Yellow};

#[test]
fn rfc_2697_section_3_buckets_start_full_and_c_goes_before_e() {
    let meter = single(Some(200), Some(300), Awareness::Blind);
    let mut state = MeterState::default();
    assert_eq!(
        colors(&meter, &mut state, START, Red, 6),
        [Green, Green, Yellow, Yellow, Yellow, Red]
    );
}

/// At the first moments of the clock too, and with buckets that the rate would take centuries to fill.
#[test]
fn rfc_2697_and_2698_section_3_both_buckets_start_full_whatever_the_time_is() {
    let meters = |octets| {
        let single = single(Some(octets), Some(octets), Awareness::Blind);
        (single, two(octets, octets, Awareness::Blind))
    };
    for nanos in [0, 1, 3_600 * Time::SECOND, u64::MAX] {
        let now = Time::from_nanos(nanos);
        for octets in [100, Burst::MAX] {
            let whole = Train::whole(Weight { frames: 1, octets });
            let (single, two) = meters(octets);
            for (meter, expected) in [(single, [Green, Yellow, Red]), (two, [Green, Red, Red])] {
                let mut state = MeterState::default();
                let colors = [(); 3].map(|()| meter.meter(&mut state, now, whole, Red).color(1));
                assert_eq!(colors, expected, "{octets} octets at {nanos}");
            }
        }
    }
}

#[test]
fn rfc_2697_section_3_tokens_go_to_e_only_when_c_is_full() {
    let meter = single(Some(200), Some(300), Awareness::Blind);
    let mut state = MeterState::default();
    colors(&meter, &mut state, START, Green, 6);
    // 250 octets: 200 fill C, 50 are left for E.
    let later = START.plus_nanos(250_000_000);
    assert_eq!(
        colors(&meter, &mut state, later, Green, 3),
        [Green, Green, Red]
    );
    let tokens = [later.as_nanos(), 0, 50 * OCTET];
    assert_eq!(state.to_words(), tokens);
}

#[test]
fn rfc_2697_section_3_colour_aware_never_improves_a_colour_and_red_takes_nothing() {
    let meter = single(Some(200), Some(200), Awareness::Aware);
    let mut state = MeterState::default();
    assert_eq!(colors(&meter, &mut state, START, Red, 1), [Red]);
    assert_eq!(colors(&meter, &mut state, START, Yellow, 1), [Yellow]);
    let left = [START.as_nanos(), 200 * OCTET, 100 * OCTET];
    assert_eq!(state.to_words(), left);
    assert_eq!(
        colors(&meter, &mut state, START, Green, 4),
        [Green, Green, Yellow, Red]
    );
}

#[test]
fn rfc_2697_section_1_either_burst_may_be_0_and_not_both() {
    let mut state = MeterState::default();
    let no_excess = single(Some(100), None, Awareness::Blind);
    assert_eq!(
        colors(&no_excess, &mut state, START, Green, 2),
        [Green, Red]
    );
    let mut state = MeterState::default();
    let no_committed = single(None, Some(100), Awareness::Blind);
    assert_eq!(
        colors(&no_committed, &mut state, START, Green, 2),
        [Yellow, Red]
    );
    let neither = Algorithm::SingleRate {
        committed: rate(1),
        burst: None,
        excess: None,
    };
    assert_eq!(
        Meter::new(neither, Awareness::Blind),
        Err(InvalidMeter::NoBurst)
    );
}

#[test]
fn rfc_2698_section_3_p_is_tested_first_and_yellow_takes_from_p_only() {
    let meter = two(200, 500, Awareness::Blind);
    let mut state = MeterState::default();
    assert_eq!(
        colors(&meter, &mut state, START, Red, 6),
        [Green, Green, Yellow, Yellow, Yellow, Red]
    );
    // A peak bucket of less than the committed one: the peak is what counts.
    let meter = two(500, 100, Awareness::Blind);
    let mut state = MeterState::default();
    assert_eq!(colors(&meter, &mut state, START, Green, 2), [Green, Red]);
    assert_eq!(state.to_words()[1], 400 * OCTET);
}

#[test]
fn rfc_2698_section_3_each_bucket_fills_at_its_own_rate() {
    let meter = two(1_000, 1_000, Awareness::Blind);
    let mut state = MeterState::from_words([START.as_nanos(), 0, 0]);
    let later = START.plus_nanos(100_000_000);
    assert_eq!(
        colors(&meter, &mut state, later, Green, 3),
        [Green, Yellow, Red]
    );
}

#[test]
fn rfc_2698_section_3_colour_aware_never_improves_a_colour_and_red_takes_nothing() {
    let meter = two(200, 300, Awareness::Aware);
    let mut state = MeterState::default();
    assert_eq!(colors(&meter, &mut state, START, Red, 1), [Red]);
    assert_eq!(colors(&meter, &mut state, START, Yellow, 1), [Yellow]);
    let left = [START.as_nanos(), 200 * OCTET, 200 * OCTET];
    assert_eq!(state.to_words(), left);
    assert_eq!(
        colors(&meter, &mut state, START, Green, 3),
        [Green, Green, Red]
    );
}

#[test]
fn rfc_2698_section_1_the_peak_rate_is_at_least_the_committed_one() {
    let algorithm = |peak| Algorithm::TwoRate {
        committed: rate(1_000),
        burst: burst(100),
        peak: rate(peak),
        peak_burst: burst(100),
    };
    assert!(Meter::new(algorithm(1_000), Awareness::Blind).is_ok());
    let refused = Meter::new(algorithm(999), Awareness::Blind).unwrap_err();
    assert!(refused.to_string().contains("raise pir or lower cir"));
}

#[test]
fn a_frame_that_is_cut_has_the_worst_colour_of_what_is_left() {
    let metered = Metered {
        green: 3,
        yellow: 2,
        red: 4,
    };
    let drop_red = PerColor {
        green: true,
        yellow: true,
        red: false,
    };
    assert_eq!(metered.pass(drop_red), 5);
    assert_eq!(metered.color(5), Yellow);
    let drop_yellow = PerColor {
        yellow: false,
        red: true,
        ..drop_red
    };
    // What is behind a dropped segment goes too: a frame is cut once.
    assert_eq!(metered.pass(drop_yellow), 3);
    assert_eq!(metered.color(3), Green);
    let all = PerColor {
        red: true,
        ..drop_red
    };
    assert_eq!(metered.pass(all), 9);
    assert_eq!(metered.color(9), Red);
}

fn meter() -> impl Strategy<Value = Meter> {
    let octets = || 60u32..100_000;
    let rates = || 1u64..10_000_000_000;
    let aware = prop_oneof![Just(Awareness::Blind), Just(Awareness::Aware)];
    (octets(), octets(), rates(), rates(), aware, any::<bool>()).prop_map(
        |(first, second, slow, fast, awareness, two)| {
            let algorithm = if two {
                Algorithm::TwoRate {
                    committed: rate(slow.min(fast)),
                    burst: burst(first),
                    peak: rate(slow.max(fast)),
                    peak_burst: burst(second),
                }
            } else {
                Algorithm::SingleRate {
                    committed: rate(slow),
                    burst: Some(burst(first)),
                    excess: Some(burst(second)),
                }
            };
            Meter::new(algorithm, awareness).unwrap()
        },
    )
}

fn color() -> impl Strategy<Value = Color> {
    prop_oneof![Just(Green), Just(Yellow), Just(Red)]
}

proptest! {
    /// The closed form for a train against one segment after the other.
    #[test]
    fn equal_segments_are_coloured_as_one_by_one(
        meter in meter(),
        first: u64,
        second: u64,
        each in 60u32..9_000,
        full in 1u32..60,
        came in color(),
    ) {
        let train = Train { full, each, last: each };
        let mut state = MeterState::from_words([5, first, second]);
        let mut single = state;
        let now = Time::from_nanos(5);
        let mut expected = Metered::default();
        for _ in 0..=full {
            match meter.meter(&mut single, now, one(each as usize), came).color(1) {
                Green => expected.green += 1,
                Yellow => expected.yellow += 1,
                Red => expected.red += 1,
            }
        }
        prop_assert_eq!(meter.meter(&mut state, now, train, came), expected);
        prop_assert_eq!(state, single);
    }

    /// Green octets never exceed the committed rate and burst, and all that is not red never exceeds the other bound.
    #[test]
    fn what_is_not_red_stays_within_its_bound(
        meter in meter(),
        asks in prop::collection::vec((0u64..3_000_000, 60u32..9_000, 0u32..40, 60u32..9_000, color()), 1..120),
    ) {
        let mut state = MeterState::default();
        let start = 1u64 << 40;
        let mut now = start;
        let (mut green, mut not_red) = (0u128, 0u128);
        for (gap, each, full, last, came) in asks {
            now += gap;
            let train = Train { full, each, last: last.min(each) };
            let metered = meter.meter(&mut state, Time::from_nanos(now), train, came);
            prop_assert_eq!(metered.green + metered.yellow + metered.red, train.segments());
            green += u128::from(train.first(metered.green).octets);
            not_red += u128::from(train.first(metered.green + metered.yellow).octets);
            let t = now - start;
            let came = |bucket: &Bucket| u128::from(bucket.depth()) + u128::from(bucket.brought(t));
            prop_assert!(green * u128::from(OCTET) <= came(&meter.first));
            let bound = match meter.kind {
                Kind::TwoRate => came(&meter.second),
                Kind::SingleRate => came(&meter.first) + u128::from(meter.second.depth()),
            };
            prop_assert!(not_red * u128::from(OCTET) <= bound);
        }
    }

    #[test]
    fn state_survives_its_words(words: [u64; 3]) {
        prop_assert_eq!(MeterState::from_words(words).to_words(), words);
    }
}
