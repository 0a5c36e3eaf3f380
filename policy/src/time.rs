//! Time, as the caller tells it once per burst.

/// Nanoseconds since a moment the caller chose; 584 years of them. What is kept beyond the life of a process needs a
/// clock that goes on beyond it, as the time since boot does.
///
/// ```
/// use policy::Time;
///
/// let (then, now) = (Time::from_millis(2), Time::from_nanos(3_000_000));
/// assert_eq!(now.nanos_since(then), 1_000_000);
/// assert_eq!(then.nanos_since(now), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// `nanos` after the chosen moment.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `millis` after the chosen moment.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// `seconds` after the chosen moment.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(Self::SECOND))
    }

    /// Nanoseconds after the chosen moment.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Nanoseconds from `earlier` to this; 0 when time went back.
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `nanos` later.
    #[must_use]
    pub const fn plus_nanos(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds in a second.
    pub const SECOND: u64 = 1_000_000_000;
}
