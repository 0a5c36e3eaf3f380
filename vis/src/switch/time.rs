//! Time, as the caller tells it once per burst.

/// Time since a moment the caller chose: nanoseconds for what policy measures, and what the table counts in. Never goes
/// back. What is kept beyond the life of a process needs a moment that outlives it, such as the machine's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    nanos: u64,
    /// The same twice more, so that it is divided once and not for each frame.
    millis: u64,
    seconds: u32,
}

impl Time {
    /// `nanoseconds` after the chosen moment, 136 years of them at most.
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        let millis = nanoseconds / 1_000_000;
        Self {
            nanos: nanoseconds,
            millis,
            seconds: (millis / 1000) as u32,
        }
    }

    /// `milliseconds` after the chosen moment, 136 years of them at most.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self::from_nanos(milliseconds.saturating_mul(1_000_000))
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

impl From<Time> for policy::Time {
    fn from(time: Time) -> Self {
        Self::from_nanos(time.nanos)
    }
}
