//! The configurations there were.

use super::Who;
use super::diff;
use crate::config::Config;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Changes that are kept (ours): the oldest is forgotten first.
pub const MAX_HISTORY: usize = 50;

/// How a change was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Line by line.
    Typed,
    /// A candidate.
    Commit,
    /// By `rollback`.
    Rollback,
    /// By itself: a commit was not confirmed.
    NotConfirmed,
    /// By `abort` of a commit that waited to be confirmed.
    Aborted,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Typed => "typed",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::NotConfirmed => "not confirmed",
            Self::Aborted => "aborted",
        })
    }
}

/// A change.
#[derive(Clone, Debug)]
pub struct Past {
    /// Who made it.
    pub who: Who,
    /// When, at last.
    pub clock: SystemTime,
    /// How.
    pub how: How,
    before: Arc<Config>,
    after: Arc<Config>,
    entry: u64,
}

impl Past {
    /// What it changed.
    pub fn lines(&self) -> Vec<String> {
        diff(&self.before, &self.after)
    }
}

/// The last change first, and who changed something last.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Past>, Option<Who>);

impl History {
    /// What is typed after one `configure` is one change, unless somebody else came between.
    pub(super) fn add(
        &mut self,
        before: Arc<Config>,
        after: &Arc<Config>,
        how: How,
        who: Who,
        entry: u64,
        clock: SystemTime,
    ) {
        self.1 = Some(who.clone());
        let same = |last: &&mut Past| {
            how == How::Typed && last.how == how && last.entry == entry && last.who == who
        };
        if let Some(last) = self.0.front_mut().filter(same) {
            last.after = after.clone();
            last.clock = clock;
            if last.before == last.after {
                // Typed, and taken away again: there is nothing to go back over.
                self.0.pop_front();
            }
            return;
        }
        self.0.push_front(Past {
            who,
            clock,
            how,
            before,
            after: after.clone(),
            entry,
        });
        self.0.truncate(MAX_HISTORY);
    }

    /// The last one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Past> {
        self.0.iter()
    }

    /// The configuration before the last `steps` changes.
    pub(super) fn before(&self, steps: usize) -> Option<Arc<Config>> {
        let past = self.0.get(steps.checked_sub(1)?)?;
        Some(past.before.clone())
    }

    pub(super) fn last_who(&self) -> String {
        let last = self.1.as_ref();
        last.map_or_else(|| "somebody".to_owned(), ToString::to_string)
    }
}
