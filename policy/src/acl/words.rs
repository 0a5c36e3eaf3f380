//! The words of a line, and what is wrong with one.

use std::fmt;
use thiserror::Error;

/// Characters of a line that are read, at most.
pub(super) const LONGEST_LINE: usize = 512;

/// The line may end.
pub(super) const END: &str = "<end of line>";

/// Why text is no line, for people and for the one who offers them what comes next.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct ParseError {
    /// Where, in characters from 0.
    pub column: usize,
    /// What stands there; `None`: the line ends.
    pub found: Option<String>,
    /// Why that is not enough.
    pub problem: Problem,
}

/// What is wrong with a word.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// One of these should stand there: words, or in angle brackets what kind of value.
    Expected(Vec<&'static str>),
    /// It could be each of these words.
    Ambiguous(Vec<&'static str>),
    /// A sentence of its own.
    Invalid(&'static str),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "column {}: '{found}': ", self.column + 1)?,
            None => write!(f, "column {}: the line ends here: ", self.column + 1)?,
        }
        match &self.problem {
            Problem::Expected(words) => write!(f, "expected {}", words.join(", ")),
            Problem::Ambiguous(words) => write!(f, "ambiguous: {}", words.join(", ")),
            Problem::Invalid(why) => f.write_str(why),
        }
    }
}

/// Words that have not been read yet.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    line: &'a str,
    /// In octets.
    at: usize,
    /// What may also stand at a place, but was not there.
    offered: (usize, Vec<&'static str>),
}

impl<'a> Words<'a> {
    pub(super) const fn new(line: &'a str) -> Self {
        Self {
            line,
            at: 0,
            offered: (0, Vec::new()),
        }
    }

    /// What is left of the line, without space at its ends.
    pub(super) fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default().trim()
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.rest().split_whitespace().next()
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.at = self.start() + word.len();
        Some(word)
    }

    /// Where the next word begins, in octets; at the end of the line, where one would.
    fn start(&self) -> usize {
        let left = self.line.get(self.at..).unwrap_or_default();
        match left.trim_start() {
            "" => self.line.trim_end().len().max(self.at),
            rest => self.line.len() - rest.len(),
        }
    }

    /// The next word is not what should be there.
    pub(super) fn error(&self, problem: Problem) -> ParseError {
        let before = self.line.get(..self.start()).unwrap_or_default();
        ParseError {
            column: before.chars().count(),
            found: self.peek().map(shortened),
            problem,
        }
    }

    /// The next word is neither one of `words` nor of what was offered here.
    pub(super) fn expected(&self, words: impl IntoIterator<Item = &'static str>) -> ParseError {
        let offered = match &self.offered {
            (at, offered) if *at == self.at => offered.as_slice(),
            _ => &[],
        };
        let all = offered.iter().copied().chain(words);
        self.error(Problem::Expected(all.collect()))
    }

    /// `words` may stand here, and need not.
    pub(super) fn offer(&mut self, words: impl IntoIterator<Item = &'static str>) {
        if self.offered.0 != self.at {
            self.offered = (self.at, Vec::new());
        }
        self.offered.1.extend(words);
    }

    /// Reads the next word if `read` can.
    pub(super) fn try_read<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = read(self.peek()?)?;
        self.next();
        Some(value)
    }

    /// Reads one of `words`, in any case of letters; a beginning will do that no other has.
    pub(super) fn keyword<T: Copy>(
        &mut self,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, ParseError> {
        let Some(typed) = self.peek() else {
            return Ok(None);
        };
        let begins = |word: &str| {
            let beginning = word.get(..typed.len());
            beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(typed))
        };
        let exact = words
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(typed));
        let mut candidates = words.iter().filter(|(word, _)| begins(word));
        let found = match (exact, candidates.next(), candidates.next()) {
            (Some(found), ..) | (None, Some(found), None) => found,
            (None, None, _) => return Ok(None),
            (None, Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(candidates);
                let all = all.map(|(word, _)| *word).collect();
                return Err(self.error(Problem::Ambiguous(all)));
            }
        };
        self.next();
        Ok(Some(found.1))
    }
}

fn shortened(word: &str) -> String {
    word.chars().take(40).collect()
}
