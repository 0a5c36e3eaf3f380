//! Which frames of a session have come already.

/// The highest sequence that came, and which of the 127 below it. What is older counts as come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplayWindow {
    highest: u64,
    /// Bit n: `highest - n` has come.
    come: u128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    New,
    Again,
    TooOld,
}

impl ReplayWindow {
    /// Looks, and changes nothing.
    pub(crate) fn look(&self, sequence: u64) -> Seen {
        match self.highest.checked_sub(sequence) {
            None => Seen::New,
            // Sequence 0 belongs to the opening, not to the session.
            Some(_) if sequence == 0 => Seen::TooOld,
            Some(behind @ 0..128) => match self.come >> behind & 1 {
                0 => Seen::New,
                _ => Seen::Again,
            },
            Some(_) => Seen::TooOld,
        }
    }

    /// Notes that a frame has come that [`Self::look`] called new.
    pub(crate) fn note(&mut self, sequence: u64) {
        match self.highest.checked_sub(sequence) {
            Some(behind @ 0..128) => self.come |= 1 << behind,
            Some(_) => {}
            None => {
                let ahead = sequence - self.highest;
                self.come = u32::try_from(ahead)
                    .ok()
                    .and_then(|ahead| self.come.checked_shl(ahead))
                    .unwrap_or(0)
                    | 1;
                self.highest = sequence;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_sequence_is_new_once_in_any_order(sequences in proptest::collection::vec(0u64..400, 0..400)) {
            let mut window = ReplayWindow::default();
            let mut taken = BTreeSet::new();
            for sequence in sequences {
                let highest = taken.last().copied().unwrap_or(0);
                let expected = match sequence {
                    0 => Seen::TooOld,
                    _ if sequence + 128 <= highest => Seen::TooOld,
                    _ if taken.contains(&sequence) => Seen::Again,
                    _ => Seen::New,
                };
                prop_assert_eq!(window.look(sequence), expected);
                if expected == Seen::New {
                    window.note(sequence);
                    taken.insert(sequence);
                }
            }
        }
    }

    #[test]
    fn a_leap_of_any_length_forgets_what_is_behind() {
        let mut window = ReplayWindow::default();
        for sequence in [1, 1 << 40, u64::MAX] {
            assert_eq!(window.look(sequence), Seen::New);
            window.note(sequence);
            assert_eq!(window.look(sequence), Seen::Again);
        }
        assert_eq!(window.look(1), Seen::TooOld);
        assert_eq!(window.look(u64::MAX - 1), Seen::New);
    }
}
