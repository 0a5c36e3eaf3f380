//! One line, wherever it comes from: what the shell does itself, what the daemon is asked, and how the answer looks.

use super::ask::{AskError, Daemon};
use super::{Fault, mode, understand};
use crate::config::{Line, PageLength, Typed};

/// What became of a line.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing is to be done.
    Nothing,
    /// Text to show.
    Shown {
        /// The answer.
        out: String,
        /// Remarks.
        told: Vec<String>,
        /// What happened by itself.
        notes: Vec<String>,
    },
    /// It was refused; and what happened by itself.
    Refused(Fault, Vec<String>),
    /// Pages have so many lines.
    Length(PageLength),
    /// The shell ends.
    Leave,
}

/// Says one line.
///
/// # Errors
/// The daemon does not answer.
pub fn say(daemon: &mut Daemon, line: &str) -> Result<Outcome, AskError> {
    let understood = match understand(mode(&daemon.at), line) {
        Ok(None) => return Ok(Outcome::Nothing),
        Ok(Some(understood)) => understood,
        Err(fault) => return Ok(Outcome::Refused(fault, Vec::new())),
    };
    match understood.line {
        Line::Exit if daemon.at.context.is_none() => return Ok(Outcome::Leave),
        Line::Typed(Typed::Length(length)) => return Ok(Outcome::Length(length)),
        _ => {}
    }
    let reply = daemon.say(line)?;
    Ok(match reply.fault {
        Some(fault) => Outcome::Refused(fault, reply.notes),
        None => Outcome::Shown {
            out: reply.out,
            told: reply.told,
            notes: reply.notes,
        },
    })
}
