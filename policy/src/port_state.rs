//! All that policy keeps of one port from frame to frame: one value, plain words, for the memory that outlives the
//! process (design.md section 4.11). What tables keep for all ports together, such as secure addresses, is not in it.

use crate::err_disable::ErrDisabled;
use crate::rate::PolicerState;
use crate::storm::StormState;

/// The state of one port. All 0 is a port that has seen no frame.
///
/// ```
/// use policy::{PortState, Time, err_disable::Cause};
///
/// let mut port = PortState::default();
/// port.err_disabled.shut(Cause::BpduGuard, Time::from_secs(7));
/// let after_a_restart = PortState::from_words(&port.to_words());
/// assert!(!after_a_restart.err_disabled.is_open());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortState {
    /// Of the policer for what it sends.
    pub police_in: PolicerState,
    /// Of the policer for what it gets.
    pub police_out: PolicerState,
    /// Of its storm control.
    pub storm: StormState,
    /// Whether a guard has shut it.
    pub err_disabled: ErrDisabled,
}

impl PortState {
    /// Words in [`PortState::to_words`]. Another number of them, or another order, is another version of the memory.
    pub const WORDS: usize = 2 * PolicerState::WORDS + StormState::WORDS + ErrDisabled::WORDS;

    /// The state as plain words.
    pub fn to_words(&self) -> [u64; Self::WORDS] {
        let mut words = [0; Self::WORDS];
        let parts = self.police_in.to_words().into_iter();
        let parts = parts
            .chain(self.police_out.to_words())
            .chain(self.storm.to_words())
            .chain(self.err_disabled.to_words());
        for (word, part) in words.iter_mut().zip(parts) {
            *word = part;
        }
        words
    }

    /// What [`PortState::to_words`] was made of; any words are a state that allows no more than its policy.
    pub fn from_words(words: &[u64; Self::WORDS]) -> Self {
        let mut rest = words.iter().copied();
        Self {
            police_in: PolicerState::from_words(take(&mut rest)),
            police_out: PolicerState::from_words(take(&mut rest)),
            storm: StormState::from_words(take(&mut rest)),
            err_disabled: ErrDisabled::from_words(take(&mut rest)),
        }
    }
}

fn take<const N: usize>(words: &mut impl Iterator<Item = u64>) -> [u64; N] {
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Each word has one place, and none is left out.
        #[test]
        fn state_survives_its_words(words in prop::collection::vec(any::<u64>(), PortState::WORDS), cause in 1u64..=4) {
            let mut words: [u64; PortState::WORDS] = words.try_into().unwrap();
            words[PortState::WORDS - 2] = cause;
            prop_assert_eq!(PortState::from_words(&words).to_words(), words);
        }
    }

    #[test]
    fn a_port_that_has_seen_no_frame_is_all_0() {
        let words = [0; PortState::WORDS];
        assert_eq!(PortState::default().to_words(), words);
        assert_eq!(PortState::from_words(&words), PortState::default());
    }
}
