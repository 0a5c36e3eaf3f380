//! What a person reads while a lab runs: plain lines, no colours, in the order things happen.

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
        println!("        {name:<44} {value}");
    }

    /// Text of several lines, as it is.
    pub(crate) fn block(&self, text: &str) {
        for line in text.lines() {
            println!("          {line}");
        }
    }
}
