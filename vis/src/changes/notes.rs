//! What happened to the configuration by itself, for the shells there are and the next ones.

use std::collections::VecDeque;
use std::time::Duration;

/// As many as a screen holds (ours): nobody may ever come to read them.
const MOST: usize = 20;
/// Older ones are no news (ours).
const NEWS: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
pub(super) struct Notes {
    latest: VecDeque<(u64, Duration, String)>,
    all: u64,
}

impl Notes {
    pub(super) fn add(&mut self, note: String, now: Duration) {
        self.all += 1;
        self.latest.push_back((self.all, now, note));
        if self.latest.len() > MOST {
            self.latest.pop_front();
        }
    }

    /// How many there were.
    pub(super) const fn all(&self) -> u64 {
        self.all
    }

    /// Those behind the first `told`.
    pub(super) fn since(&self, told: u64, now: Duration) -> Vec<String> {
        let new = self.latest.iter().filter(|(number, at, _)| {
            // A number of another process is no number of this one.
            (*number > told || told > self.all) && now.saturating_sub(*at) < NEWS
        });
        new.map(|(_, _, note)| note.clone()).collect()
    }
}
