//! How often each line decided.

use super::compiled::{By, Verdict};
use super::list::{AccessList, Entry, Sequence};
use super::rule::Rule;
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

/// Frames that a list judged, by what decided. The owner is whoever judges; nothing is allocated after it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// By the place of the line, as in [`By::Line`].
    lines: Box<[u64]>,
    end: u64,
    unreadable: u64,
}

impl Hits {
    /// None yet, for the lines of `list`.
    pub fn new(list: &AccessList) -> Self {
        Self {
            lines: list.rules().map(|_| 0).collect(),
            end: 0,
            unreadable: 0,
        }
    }

    /// Counts so many wire frames.
    #[inline]
    pub fn count(&mut self, verdict: &Verdict, frames: u64) {
        let counter = match verdict.by {
            By::Line(index) => self.lines.get_mut(usize::from(index)),
            By::End => Some(&mut self.end),
            By::Unreadable(_) => Some(&mut self.unreadable),
        };
        if let Some(counter) = counter {
            *counter = counter.wrapping_add(frames);
        }
    }

    /// Of the line at place `index`.
    pub fn line(&self, index: u16) -> u64 {
        self.lines.get(usize::from(index)).copied().unwrap_or(0)
    }

    /// What no line matched.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// What could not be read.
    pub const fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// What is left of them when list `old` becomes `new`: a line keeps its count as long as it has the same number and
    /// says the same.
    pub fn after_edit(&self, old: &AccessList, new: &AccessList) -> Self {
        let kept: HashMap<(Sequence, &Rule), u64> =
            numbered(old).zip(self.lines.iter().copied()).collect();
        let hits = numbered(new).map(|line| kept.get(&line).copied().unwrap_or(0));
        Self {
            lines: hits.collect(),
            end: self.end,
            unreadable: self.unreadable,
        }
    }
}

fn numbered(list: &AccessList) -> impl Iterator<Item = (Sequence, &Rule)> {
    list.lines().filter_map(|(sequence, entry)| match entry {
        Entry::Rule(rule) => Some((sequence, rule)),
        Entry::Remark(_) => None,
    })
}

/// Prints a list with its hits, laid out as NX-OS prints `show access-lists`.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The list.
    pub list: &'a AccessList,
    /// Made for it.
    pub hits: &'a Hits,
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let family = self
            .list
            .family()
            .as_str()
            .replace("ip", "IP")
            .replace("mac", "MAC");
        writeln!(f, "{family} access list {}", self.list.name())?;
        writeln!(f, "        statistics per-entry")?;
        let mut hits = self.hits.lines.iter();
        for (sequence, entry) in self.list.lines() {
            write!(f, "        {sequence} {entry}")?;
            match entry {
                Entry::Remark(_) => writeln!(f)?,
                Entry::Rule(_) => writeln!(f, " [match={}]", hits.next().copied().unwrap_or(0))?,
            }
        }
        Ok(())
    }
}
