//! What a person reads while a lab runs: plain lines, no colours, in the order things happen.

use crate::error::{Result, check};
use std::fmt::Display;
use std::time::Instant;

/// Prints lines as things happen.
#[derive(Debug)]
pub(crate) struct Report {
    started: Instant,
}

impl Report {
    /// Time counts from now.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// A new part begins.
    pub(crate) fn part(&self, title: &str) {
        println!("\n{:5.1}s  {title}", self.started.elapsed().as_secs_f64());
    }

    /// What is being done.
    pub(crate) fn say(&self, line: &str) {
        println!("        {line}");
    }

    /// Something measured or proven.
    pub(crate) fn figure(&self, name: &str, value: impl Display) {
        println!("        {name:<54} {value}");
    }

    /// A speed beside the one that is to be reached.
    ///
    /// # Errors
    /// It is less than that.
    pub(crate) fn goal(&self, measured: f64, goal: f64, unit: &str) -> Result<()> {
        let verdict = if measured >= goal {
            "reached"
        } else {
            "MISSED"
        };
        self.figure("goal", format!("{goal} {unit} or more: {verdict}"));
        check(measured >= goal, || {
            format!("{measured:.2} {unit} is less than {goal}")
        })
    }

    /// Something beside the most it may be.
    ///
    /// # Errors
    /// It is more than that.
    pub(crate) fn limit(&self, measured: f64, most: f64, unit: &str) -> Result<()> {
        let verdict = if measured <= most { "kept" } else { "EXCEEDED" };
        self.figure("limit", format!("{most} {unit} or less: {verdict}"));
        check(measured <= most, || {
            format!("{measured:.2} {unit} is more than {most}")
        })
    }

    /// Text of several lines, as it is.
    pub(crate) fn block(&self, text: &str) {
        for line in text.lines() {
            println!("          {line}");
        }
    }
}
