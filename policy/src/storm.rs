//! Storm control: how many broadcasts, multicasts and unknown unicasts a port may send, asked after lookup and before
//! replication (design.md section 5.6), so that a frame counts once however many copies it would become.
//!
//! Source of the rules: ours, after common practice. Frames that are known unicast pass unasked. Oversized frames are
//! judged segment by segment, as by policers. A level is a rate, held by a bucket of 100 ms of it.

use crate::Time;
use crate::err_disable::Cause;
use crate::rate::{BitRate, Burst, Limit, LimitState, Train};

/// What lookup made of a frame that goes to many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// To ff-ff-ff-ff-ff-ff.
    Broadcast,
    /// To any other group.
    Multicast,
    /// To somebody who is not known.
    UnknownUnicast,
}

impl Class {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Broadcast, Self::Multicast, Self::UnknownUnicast];

    /// That of a frame that is flooded.
    pub fn of(destination: niv::Mac) -> Self {
        if destination == niv::Mac::BROADCAST {
            Self::Broadcast
        } else if destination.is_group() {
            Self::Multicast
        } else {
            Self::UnknownUnicast
        }
    }

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
            Self::UnknownUnicast => "unknown_unicast",
        }
    }
}

/// How much of a class passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// So many bits per second, counted as policers count them.
    Bits(BitRate),
    /// So many wire frames per second; 0: none.
    Packets(u32),
}

/// What is done about more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// It is dropped.
    #[default]
    Drop,
    /// The port is shut ([`Cause::StormControl`]).
    Shut,
}

/// Octets a level lets pass at once, at least: a frame of any MTU in use.
const LEAST_OCTETS: u64 = 9_216 + 18;
/// Quiet for so long, and a storm is over.
const OVER: u64 = 5 * Time::SECOND;

/// The storm control of one port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StormControl {
    levels: [Option<(Limit, bool)>; 3],
    action: Action,
}

/// What it keeps from frame to frame. All 0 is a port that was quiet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StormState {
    classes: [LimitState; 3],
    /// When each class was last over its level; 0: never.
    over: [u64; 3],
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stormed {
    /// How many of its segments pass, the first so many.
    pub pass: u32,
    /// It is the first of a storm: to be told.
    pub begins: bool,
    /// The port is to be shut for this.
    pub shut: Option<Cause>,
}

impl StormControl {
    /// Nothing is limited, and `action` is what happens once something is.
    pub const fn new(action: Action) -> Self {
        Self {
            levels: [None; 3],
            action,
        }
    }

    /// `class` has this level.
    #[must_use]
    pub fn with(mut self, class: Class, level: Level) -> Self {
        let limit = match level {
            Level::Bits(rate) => {
                let octets = (rate.bits_per_second() / 80).clamp(LEAST_OCTETS, Burst::MAX.into());
                let burst = Burst::new(octets as u32).unwrap_or(Burst::ZERO);
                (Limit::of_bits(rate, burst), true)
            }
            Level::Packets(per_second) => (
                Limit::of_frames(per_second, per_second / 10),
                per_second > 0,
            ),
        };
        let [broadcast, multicast, unknown] = &mut self.levels;
        *match class {
            Class::Broadcast => broadcast,
            Class::Multicast => multicast,
            Class::UnknownUnicast => unknown,
        } = Some(limit);
        self
    }

    /// Nothing is limited.
    pub fn is_off(&self) -> bool {
        self.levels.iter().all(Option::is_none)
    }

    /// What becomes of a frame that is about to be flooded.
    #[inline]
    pub fn judge(&self, state: &mut StormState, now: Time, class: Class, train: Train) -> Stormed {
        let [level_b, level_m, level_u] = &self.levels;
        let [state_b, state_m, state_u] = &mut state.classes;
        let [over_b, over_m, over_u] = &mut state.over;
        let (level, state, over) = match class {
            Class::Broadcast => (level_b, state_b, over_b),
            Class::Multicast => (level_m, state_m, over_m),
            Class::UnknownUnicast => (level_u, state_u, over_u),
        };
        let pass = match level {
            None => train.segments(),
            Some((limit, true)) => limit.pass(state, now, train),
            Some((_, false)) => 0,
        };
        let mut judged = Stormed {
            pass,
            begins: false,
            shut: None,
        };
        if pass < train.segments() {
            let quiet = now.nanos_since(Time::from_nanos(*over));
            judged.begins = *over == 0 || quiet > OVER;
            *over = now.as_nanos().max(1);
            judged.shut = match self.action {
                Action::Drop => None,
                Action::Shut => Some(Cause::StormControl),
            };
        }
        judged
    }
}

impl StormState {
    /// Words in [`StormState::to_words`].
    pub const WORDS: usize = 9;

    /// The state as plain words.
    pub const fn to_words(self) -> [u64; Self::WORDS] {
        let [a, b, c] = self.classes;
        let ([a0, a1], [b0, b1], [c0, c1]) = (a.to_words(), b.to_words(), c.to_words());
        let [d, e, f] = self.over;
        [a0, a1, b0, b1, c0, c1, d, e, f]
    }

    /// What [`StormState::to_words`] was made of; any words are a state.
    pub const fn from_words([a0, a1, b0, b1, c0, c1, d, e, f]: [u64; Self::WORDS]) -> Self {
        Self {
            classes: [
                LimitState::from_words([a0, a1]),
                LimitState::from_words([b0, b1]),
                LimitState::from_words([c0, c1]),
            ],
            over: [d, e, f],
        }
    }

    /// `class` was over its level in the last seconds.
    pub const fn is_storming(&self, class: Class, now: Time) -> bool {
        let [broadcast, multicast, unknown] = self.over;
        let over = match class {
            Class::Broadcast => broadcast,
            Class::Multicast => multicast,
            Class::UnknownUnicast => unknown,
        };
        over != 0 && now.nanos_since(Time::from_nanos(over)) <= OVER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use niv::{Mac, Weight};
    use proptest::prelude::*;

    const NOW: Time = Time::from_secs(1_000);

    fn packets(class: Class, per_second: u32, action: Action) -> StormControl {
        StormControl::new(action).with(class, Level::Packets(per_second))
    }

    fn frame() -> Train {
        Train::whole(Weight::one(100))
    }

    #[test]
    fn a_class_is_what_lookup_found() {
        assert_eq!(Class::of(Mac::BROADCAST), Class::Broadcast);
        assert_eq!(Class::of(Mac([1, 0, 0x5E, 0, 0, 1])), Class::Multicast);
        assert_eq!(Class::of(Mac([2, 0, 0, 0, 0, 1])), Class::UnknownUnicast);
    }

    #[test]
    fn each_class_has_a_level_of_its_own() {
        for class in Class::ALL {
            let control = packets(class, 10, Action::Drop);
            let mut state = StormState::default();
            for other in Class::ALL {
                let passed: u32 = (0..5)
                    .map(|_| control.judge(&mut state, NOW, other, frame()).pass)
                    .sum();
                assert_eq!(passed, if other == class { 1 } else { 5 });
            }
        }
    }

    #[test]
    fn packets_per_second_are_held_over_seconds() {
        let control = packets(Class::Broadcast, 100, Action::Drop);
        let mut state = StormState::default();
        // 10,000 frames a second for 10 seconds.
        let passed: u32 = (0..100_000)
            .map(|n| {
                let now = NOW.plus_nanos(n * 100_000);
                control
                    .judge(&mut state, now, Class::Broadcast, frame())
                    .pass
            })
            .sum();
        assert!((1_000..=1_010).contains(&passed), "{passed}");
    }

    #[test]
    fn bits_per_second_count_octets_as_policers_do() {
        let rate = BitRate::new(8_000_000).unwrap();
        let control = StormControl::new(Action::Drop).with(Class::Multicast, Level::Bits(rate));
        let mut state = StormState::default();
        // A million octets a second, and 100 ms of them at once; offered: twice as many, for five seconds.
        let passed: u32 = (0..100_000)
            .map(|n| {
                let now = NOW.plus_nanos(n * 50_000);
                control
                    .judge(&mut state, now, Class::Multicast, frame())
                    .pass
            })
            .sum();
        assert!((50_900..=51_000).contains(&passed), "{passed}");
    }

    #[test]
    fn a_level_of_0_lets_nothing_pass() {
        let control = packets(Class::UnknownUnicast, 0, Action::Drop);
        let judged = control.judge(
            &mut StormState::default(),
            NOW,
            Class::UnknownUnicast,
            frame(),
        );
        assert_eq!(judged.pass, 0);
    }

    #[test]
    fn an_oversized_frame_counts_as_its_segments() {
        let control = packets(Class::Multicast, 30, Action::Drop);
        let train = Train::of(
            Weight {
                frames: 8,
                octets: 8 * 500,
            },
            500,
        );
        let mut state = StormState::default();
        assert_eq!(
            control.judge(&mut state, NOW, Class::Multicast, train).pass,
            3
        );
    }

    #[test]
    fn shut_asks_for_the_port_to_be_shut_and_drop_does_not() {
        for (action, expected) in [
            (Action::Shut, Some(Cause::StormControl)),
            (Action::Drop, None),
        ] {
            let control = packets(Class::Broadcast, 10, action);
            let mut state = StormState::default();
            assert_eq!(
                control
                    .judge(&mut state, NOW, Class::Broadcast, frame())
                    .shut,
                None
            );
            assert_eq!(
                control
                    .judge(&mut state, NOW, Class::Broadcast, frame())
                    .shut,
                expected
            );
        }
    }

    #[test]
    fn a_storm_is_told_once_until_it_is_over() {
        let control = packets(Class::Broadcast, 10, Action::Drop);
        let mut state = StormState::default();
        let begins = |state: &mut StormState, now: Time| {
            let judged = [(); 5].map(|()| control.judge(state, now, Class::Broadcast, frame()));
            judged.iter().filter(|judged| judged.begins).count()
        };
        assert!(!state.is_storming(Class::Broadcast, NOW));
        assert_eq!(begins(&mut state, NOW), 1);
        assert!(state.is_storming(Class::Broadcast, NOW));
        assert_eq!(begins(&mut state, NOW.plus_nanos(OVER)), 0);
        let later = NOW.plus_nanos(2 * OVER + 1);
        assert!(!state.is_storming(Class::Broadcast, later));
        assert_eq!(begins(&mut state, later), 1);
    }

    proptest! {
        #[test]
        fn state_survives_its_words(words: [u64; 9]) {
            prop_assert_eq!(StormState::from_words(words).to_words(), words);
        }
    }
}
