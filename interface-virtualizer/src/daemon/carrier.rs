//! The guests' carrier follows the uplink's (design.md section 5.9): down after a debounce, up at once.

use std::time::{Duration, Instant};

/// A link that blinks for less than this keeps its guests' carrier (ours).
pub(crate) const DEBOUNCE: Duration = Duration::from_millis(300);

/// What the guests see, as a function of what the uplink did and when.
#[derive(Debug)]
pub(crate) struct Carrier {
    shown: bool,
    down_since: Option<Instant>,
}

impl Carrier {
    /// The guests are to see a link.
    pub(crate) const fn new() -> Self {
        Self {
            shown: true,
            down_since: None,
        }
    }

    /// The uplink came or went. What the guests must now be shown, if that changed.
    pub(crate) fn uplink(&mut self, up: bool, now: Instant) -> Option<bool> {
        if up {
            self.down_since = None;
            return self.show(true);
        }
        if self.shown {
            self.down_since.get_or_insert(now);
        }
        None
    }

    /// What the guests see now.
    pub(crate) const fn shown(&self) -> bool {
        self.shown
    }

    /// When [`Carrier::timeout`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.down_since.map(|since| since + DEBOUNCE)
    }

    /// The deadline has passed. What the guests must now be shown, if that changed.
    pub(crate) fn timeout(&mut self, now: Instant) -> Option<bool> {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.down_since = None;
            return self.show(false);
        }
        None
    }

    fn show(&mut self, up: bool) -> Option<bool> {
        let changed = self.shown != up;
        self.shown = up;
        changed.then_some(up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blink_of_the_link_is_not_shown_to_guests() {
        let start = Instant::now();
        let mut carrier = Carrier::new();
        assert_eq!(carrier.uplink(true, start), None);
        assert_eq!(carrier.uplink(false, start), None);
        assert_eq!(carrier.timeout(start + DEBOUNCE / 2), None);
        assert_eq!(carrier.uplink(true, start + DEBOUNCE / 2), None);
        assert_eq!(carrier.deadline(), None);
        assert_eq!(carrier.timeout(start + DEBOUNCE * 2), None);
    }

    #[test]
    fn a_link_that_stays_down_is_shown_after_the_debounce() {
        let start = Instant::now();
        let mut carrier = Carrier::new();
        carrier.uplink(true, start);
        carrier.uplink(false, start);
        // Told again: the debounce still runs from the first time.
        carrier.uplink(false, start + DEBOUNCE / 2);
        assert_eq!(carrier.deadline(), Some(start + DEBOUNCE));
        assert_eq!(carrier.timeout(start + DEBOUNCE), Some(false));
        assert_eq!(carrier.uplink(true, start + DEBOUNCE), Some(true));
    }
}
