//! What all soaks together have run, in a file: a line a target.

use super::run::Outcome;
use crate::error::{Doing, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

/// Executions, seconds, crashes and hangs of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Total {
    executions: u64,
    seconds: f64,
    crashes: u64,
    hangs: u64,
}

/// By target.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Totals(BTreeMap<String, Total>);

/// How often a target is to have run.
pub(super) fn goal(target: &str) -> u64 {
    match target {
        "vntag_codec" => 1_000_000_000,
        _ => 10_000_000,
    }
}

impl Totals {
    /// Nothing, if there is no file.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(file: &Path) -> Result<Self> {
        match fs::read_to_string(file) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).doing(format!("read {}", file.display())),
        }
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        // At once, or not at all.
        let new = file.with_added_extension("new");
        fs::write(&new, self.to_text())
            .and_then(|()| fs::rename(&new, file))
            .doing(format!("write {}", file.display()))
    }

    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split('\t');
            let name = words.next()?.to_owned();
            let total = Total {
                executions: words.next()?.parse().ok()?,
                seconds: words.next()?.parse().ok()?,
                crashes: words.next()?.parse().ok()?,
                hangs: words.next()?.parse().ok()?,
            };
            Some((name, total))
        };
        Self(text.lines().filter_map(line).collect())
    }

    fn to_text(&self) -> String {
        let lines = self.0.iter().map(|(name, total)| {
            let Total {
                executions,
                seconds,
                crashes,
                hangs,
            } = total;
            format!("{name}\t{executions}\t{seconds:.1}\t{crashes}\t{hangs}\n")
        });
        lines.collect()
    }

    pub(super) fn add(&mut self, target: &str, outcome: &Outcome) {
        let total = self.0.entry(target.to_owned()).or_default();
        total.executions += outcome.executions;
        total.seconds += outcome.seconds;
        total.crashes += outcome.crashes.len() as u64;
        total.hangs += outcome.hangs.len() as u64;
    }

    pub(super) fn executions(&self, target: &str) -> u64 {
        self.0.get(target).map_or(0, |total| total.executions)
    }

    /// Executions to the goal.
    pub(super) fn lacks(&self, target: &str) -> u64 {
        goal(target).saturating_sub(self.executions(target))
    }

    /// How long that takes at the speed it had so far; of one that never ran, somewhat less than most need.
    pub(super) fn seconds_lacking(&self, target: &str) -> f64 {
        let ran = self.0.get(target).filter(|total| total.executions > 0);
        let each = ran.map_or(0.00001, |total| total.seconds / total.executions as f64);
        self.lacks(target) as f64 * each
    }

    /// One sentence about all of it.
    pub(super) fn summary(&self) -> String {
        let sum = |what: fn(&Total) -> u64| self.0.values().map(what).sum::<u64>();
        let to_go: f64 = self.0.keys().map(|name| self.seconds_lacking(name)).sum();
        format!(
            "since ever: {} executions, {} crashes, {} hangs; {:.0} minutes to all goals, one at a time",
            sum(|total| total.executions),
            sum(|total| total.crashes),
            sum(|total| total.hangs),
            to_go / 60.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soaks_add_up() {
        let outcome = Outcome {
            executions: 4_000_000,
            seconds: 40.0,
            ..Outcome::default()
        };
        let mut totals = Totals::default();
        totals.add("iv_core", &outcome);
        let mut again = Totals::parse(&totals.to_text());
        assert_eq!(again, totals);
        again.add("iv_core", &outcome);
        assert_eq!(
            (again.executions("iv_core"), again.lacks("iv_core")),
            (8_000_000, 2_000_000)
        );
        assert!(
            again
                .summary()
                .contains("8000000 executions, 0 crashes, 0 hangs; 0 minutes")
        );
        assert_eq!(again.seconds_lacking("iv_core"), 20.0);
        again.add("iv_core", &outcome);
        assert_eq!(again.lacks("iv_core"), 0);
        assert_eq!(again.lacks("vntag_codec"), 1_000_000_000);
    }
}
