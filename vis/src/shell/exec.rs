//! `vis exec`, and a shell that is not typed into: lines from arguments or standard input, until one is refused.

use super::ask::{AskError, Daemon};
use super::say::{Outcome, say};
use crate::cli::faults;
use control_socket::print;
use std::io::{self, BufRead};
use std::path::Path;
use std::process::ExitCode;

/// Octets of one line of standard input, at most; the language takes fewer, and says so.
const MAX_INPUT_LINE: u64 = 64 * 1024;

/// Why lines cannot be said.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The daemon does not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// No more input.
    #[error("standard input cannot be read")]
    Input(#[source] io::Error),
}

/// Says each of `commands` in turn; `-` stands for the lines of standard input. Ends at the first line that is refused:
/// those after it were meant for what it did.
///
/// # Errors
/// The daemon does not answer.
pub fn exec(socket: Option<&Path>, commands: &[String]) -> Result<ExitCode, ExecError> {
    let (mut daemon, hello) = Daemon::connect(socket)?;
    if let Some(fault) = &hello.fault {
        eprintln!("vis: {}", fault.message);
        return Ok(ExitCode::FAILURE);
    }
    let mut news = hello.notes;
    for command in commands {
        let status = if command == "-" {
            input(&mut daemon, &mut news)?
        } else {
            let mut status = Status::GoOn;
            for line in command.lines() {
                status = one(&mut daemon, &mut news, "command", 1, line)?;
                if status != Status::GoOn {
                    break;
                }
            }
            status
        };
        match status {
            Status::GoOn => {}
            Status::Left => break,
            Status::Refused => return end(&mut daemon, ExitCode::FAILURE),
        }
    }
    end(&mut daemon, ExitCode::SUCCESS)
}

/// A shell whose input is no terminal.
///
/// # Errors
/// As [`exec`].
pub fn piped(socket: Option<&Path>) -> Result<ExitCode, ExecError> {
    exec(socket, &["-".to_owned()])
}

#[derive(PartialEq, Eq)]
enum Status {
    GoOn,
    Left,
    Refused,
}

fn input(daemon: &mut Daemon, news: &mut Vec<String>) -> Result<Status, ExecError> {
    use io::Read;
    let mut input = io::stdin().lock();
    for number in 1.. {
        let mut octets = Vec::new();
        let read = input
            .by_ref()
            .take(MAX_INPUT_LINE)
            .read_until(b'\n', &mut octets);
        if read.map_err(ExecError::Input)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&octets);
        let line = text.trim_end_matches(['\n', '\r']);
        match one(daemon, news, "stdin", number, line)? {
            Status::GoOn => {}
            other => return Ok(other),
        }
    }
    Ok(Status::GoOn)
}

/// `news` is what had happened before, for who configures: a script that looks on would hear it each time it runs.
fn one(
    daemon: &mut Daemon,
    news: &mut Vec<String>,
    name: &str,
    number: usize,
    line: &str,
) -> Result<Status, ExecError> {
    let outcome = say(daemon, line)?;
    if daemon.at.context.is_some() {
        remark(&std::mem::take(news));
    }
    match outcome {
        Outcome::Nothing | Outcome::Length(_) => {}
        Outcome::Leave => return Ok(Status::Left),
        Outcome::Shown { out, told, notes } => {
            remark(&notes);
            print(&out);
            remark(&told);
        }
        Outcome::Refused(fault, notes) => {
            remark(&notes);
            faults::print(&[fault.diagnostic(name, number, line)]);
            return Ok(Status::Refused);
        }
    }
    Ok(Status::GoOn)
}

/// Remarks are no part of an answer.
fn remark(lines: &[String]) {
    for line in lines {
        eprintln!("{line}");
    }
}

/// A candidate ends with its shell.
fn end(daemon: &mut Daemon, status: ExitCode) -> Result<ExitCode, ExecError> {
    if daemon.at.candidate.is_none() {
        return Ok(status);
    }
    // Refused while lines are not committed. `abort` without such lines would take back a commit that waits.
    say(daemon, "end")?;
    if daemon.at.candidate.is_none() {
        return Ok(status);
    }
    let none = matches!(say(daemon, "show diff")?, Outcome::Shown { out, .. } if out.is_empty());
    say(daemon, "abort")?;
    if !none {
        eprintln!("the candidate was not committed and is given up: end with `commit`");
        return Ok(ExitCode::FAILURE);
    }
    Ok(status)
}
