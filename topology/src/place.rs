//! Where in a file something is wrong, and what.

use std::ops::Range;
use toml::Spanned;

/// What is wrong with a lab's file. Nothing was built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {what}")]
pub struct FileError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What was found, and what was expected. One line.
    pub what: String,
}

/// A fault before its line is known.
#[derive(Debug)]
pub(crate) struct Fault {
    octet: usize,
    what: String,
}

impl Fault {
    pub(crate) fn at<T>(place: &Spanned<T>, what: impl Into<String>) -> Self {
        Self::in_span(place.span(), what)
    }

    pub(crate) fn in_span(span: Range<usize>, what: impl Into<String>) -> Self {
        Self {
            octet: span.start,
            what: what.into(),
        }
    }

    /// In the text it is about.
    pub(crate) fn placed(self, text: &str) -> FileError {
        // The parser may point behind the end, or into a character that is none.
        let end = text.floor_char_boundary(self.octet);
        let before = text.get(..end).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        FileError {
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
            what: self.what,
        }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        let lines: Vec<_> = error.message().lines().map(str::trim).collect();
        Self::in_span(error.span().unwrap_or_default(), lines.join(", "))
    }
}
