//! Time, as the caller tells it once per burst.

/// Milliseconds since a moment the caller chose. Never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// `milliseconds` after the chosen moment.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds after the chosen moment.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds after it: what ageing counts in. 136 years of them fit.
    pub(crate) const fn seconds(self) -> u32 {
        (self.0 / 1000) as u32
    }

    /// The low 32 bits: enough to tell spans of less than 49 days, which move damping does.
    pub(crate) const fn low_millis(self) -> u32 {
        self.0 as u32
    }
}
