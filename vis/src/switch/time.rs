//! Time, as the caller tells it once per burst.

/// Milliseconds since a moment the caller chose. Never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    millis: u64,
    /// The same, so that it is divided once and not for each frame.
    seconds: u32,
}

impl Time {
    /// `milliseconds` after the chosen moment, 136 years of them at most.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self {
            millis: milliseconds,
            seconds: (milliseconds / 1000) as u32,
        }
    }

    /// Milliseconds after the chosen moment.
    pub const fn as_millis(self) -> u64 {
        self.millis
    }

    /// Whole seconds after it: what ageing counts in.
    pub(crate) const fn seconds(self) -> u32 {
        self.seconds
    }

    /// The low 32 bits: enough to tell spans of less than 49 days, which move damping does.
    pub(crate) const fn low_millis(self) -> u32 {
        self.millis as u32
    }
}
