//! A line that is typed: what it means at the place it is said.

use crate::config::grammar::{Mode, PIPES};
use crate::config::tree::{Mismatch, walk, walk_any};
use crate::config::{
    Diagnostic, Line, MAX_COMMAND, MAX_LINE, Pipe, belongs_elsewhere, is_printable, nearest,
    sentence,
};
use serde::{Deserialize, Serialize};

/// Pipes behind each other, at most.
pub const MAX_PIPES: usize = 8;

/// A line with what is to become of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Understood {
    /// The line.
    pub line: Line,
    /// In this order.
    pub pipes: Vec<Pipe>,
}

/// What is wrong with a line, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What is wrong, and what was expected.
    pub message: String,
    /// How to mend it, where that can be guessed.
    pub help: Option<String>,
    /// Octets from the start of the line to the fault; `None`: it is about the line as a whole.
    pub start: Option<usize>,
    /// Octets of it.
    pub length: usize,
}

impl Fault {
    /// Of the line as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            start: None,
            length: 0,
        }
    }

    /// With its place in `line`, which is the `number`th of the text called `name`.
    pub fn diagnostic(&self, name: &str, number: usize, line: &str) -> Diagnostic {
        let span = match self.start {
            Some(start) => (start, self.length),
            None => (line.len() - line.trim_start().len(), line.trim().len()),
        };
        let (message, help) = (self.message.clone(), self.help.clone());
        Diagnostic::in_line(message, help, name, number, line, span)
    }
}

/// Reads `text`, typed in `mode`. `None`: nothing is said, as in an empty line or a remark.
///
/// # Errors
/// It means nothing here.
pub fn understand(mode: Mode, text: &str) -> Result<Option<Understood>, Fault> {
    let content = text.trim_matches(BLANKS);
    if content.is_empty() || content.starts_with(['!', '#']) {
        return Ok(None);
    }
    within(text, MAX_COMMAND)?;
    if let Some((start, character)) = untypable(text) {
        let message = format!(
            "the character {} cannot be typed: expected printable text",
            character.escape_unicode()
        );
        return Err(at(message, None, start, character.len_utf8()));
    }
    if let Some((body, pipes)) = split_pipes(mode, text) {
        let line = read(mode, body)?;
        let mut read = Vec::new();
        for (start, pipe) in pipes {
            if read.len() >= MAX_PIPES {
                let message = format!("one `|` too many: expected {MAX_PIPES} at most");
                return Err(at(message, None, start, pipe.len()));
            }
            match walk(PIPES, pipe) {
                Ok(Line::Pipe(pipe)) => read.push(pipe),
                Ok(_) => {}
                Err(mismatch) => return Err(fault(pipe, &mismatch, start, None)),
            }
        }
        return Ok(Some(Understood { line, pipes: read }));
    }
    let line = read(mode, text)?;
    // A frame to be explained is long; what can stand in a file is not.
    if !matches!(line, Line::Show(_)) {
        within(text, MAX_LINE)?;
    }
    Ok(Some(Understood {
        line,
        pipes: Vec::new(),
    }))
}

/// The first character that nobody can have typed, and where it is.
pub(super) fn untypable(text: &str) -> Option<(usize, char)> {
    text.char_indices()
        .find(|&(_, c)| c != '\t' && !is_printable(c))
}

const BLANKS: [char; 2] = [' ', '\t'];

fn within(text: &str, most: usize) -> Result<(), Fault> {
    if text.len() <= most {
        return Ok(());
    }
    let message = format!(
        "the line has {} octets: expected {most} at most",
        text.len()
    );
    Err(at(message, None, most, 0))
}

fn read(mode: Mode, text: &str) -> Result<Line, Fault> {
    walk_any(mode.typed(), text).map_err(|mismatch| {
        let lost = mismatch.is_of_the_first_word(text);
        let help = lost.then(|| match mode {
            Mode::Exec => walk_anywhere(text).then(|| "`configure` leads there".to_owned()),
            mode => belongs_elsewhere(mode, text),
        });
        fault(text, &mismatch, 0, help.flatten())
    })
}

fn walk_anywhere(text: &str) -> bool {
    Mode::CONFIGURATION
        .into_iter()
        .any(|mode| walk(mode.commands(), text).is_ok())
}

/// The line in front of the first `|` that shows something, and what stands behind it, with places. A remark of a
/// `description` may have a `|` in it, so only what shows something has pipes.
pub(super) fn split_pipes(mode: Mode, text: &str) -> Option<(&str, Vec<(usize, &str)>)> {
    let (body, _) = text.split_once('|')?;
    if !walk_any(mode.typed(), body).is_ok_and(|line| line.shows()) {
        return None;
    }
    let mut pipes = Vec::new();
    let mut rest = text.get(body.len() + 1..)?;
    loop {
        let start = text.len() - rest.len();
        // A pattern may have `|` in it: only one that is a word of its own ends it.
        let last = || rest.strip_suffix(" |").map(str::len);
        let Some(end) = rest.find(" | ").or_else(last) else {
            pipes.push((start, rest));
            return Some((body, pipes));
        };
        pipes.push((start, rest.get(..end)?));
        rest = rest.get(end + 2..)?;
    }
}

fn fault(text: &str, mismatch: &Mismatch, offset: usize, help: Option<String>) -> Fault {
    let message = sentence(text, mismatch);
    let help = nearest(mismatch).or(help);
    at(message, help, offset + mismatch.at, mismatch.length)
}

fn at(message: String, help: Option<String>, start: usize, length: usize) -> Fault {
    Fault {
        message,
        help,
        start: Some(start),
        length,
    }
}
