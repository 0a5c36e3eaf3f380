//! What is wrong with a text, and where.

use super::excerpt::{Excerpts, MARKED};
use miette::{LabeledSpan, Severity, SourceCode};
use std::fmt;
use std::sync::Arc;

/// Something kept, and not in force.
pub type Warning = Diagnostic;

/// Something wrong with a configuration text. Prints as `FILE:LINE:COLUMN: what is wrong`; as a
/// [`miette::Diagnostic`] it shows the line too.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// It is refused, or only warned about.
    pub severity: Severity,
    /// What is wrong, and what was expected.
    pub message: String,
    /// How to mend it, where that can be guessed.
    pub help: Option<String>,
    /// Where. `None` for what no text said, such as options of the command line.
    pub place: Option<Place>,
}

/// A place in a text.
#[derive(Clone, Debug)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    source: Arc<Excerpts>,
    start: usize,
    length: usize,
}

/// A text with its name and the places where its lines start, so that a place is found without reading
/// the text again.
#[derive(Clone, Debug)]
pub(super) struct Source {
    text: Arc<Excerpts>,
    lines: Vec<usize>,
}

impl Source {
    pub(super) fn new(text: &str, name: &str) -> Self {
        let ends = text
            .bytes()
            .enumerate()
            .filter(|&(_, octet)| octet == b'\n');
        Self {
            text: Arc::new(Excerpts::new(name, text)),
            lines: std::iter::once(0)
                .chain(ends.map(|(at, _)| at + 1))
                .collect(),
        }
    }

    /// The `length` octets that start at octet `start`; what lies outside the text is cut off.
    pub(super) fn place(&self, start: usize, length: usize) -> Place {
        let text = self.text.text.as_str();
        let start = text.floor_char_boundary(start.min(text.len()));
        let end = text.ceil_char_boundary(start.saturating_add(length).min(text.len()));
        let line = self.lines.partition_point(|&line| line <= start);
        let line_start = self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let before = text.get(line_start..start).unwrap_or_default();
        Place {
            line,
            column: before.chars().count() + 1,
            source: Arc::clone(&self.text),
            start,
            length: end - start,
        }
    }
}

impl Place {
    /// The name of the text: a file's path.
    pub fn file(&self) -> &str {
        &self.source.name
    }
}

impl Diagnostic {
    /// An error in one line of a text, of which only that line is at hand: the `number`th, from 1. `span` is where in
    /// it, and how long, in octets.
    pub fn in_line(
        message: String,
        help: Option<String>,
        name: &str,
        number: usize,
        line: &str,
        span: (usize, usize),
    ) -> Self {
        // Lines before it, so that its number is shown.
        let above = number.saturating_sub(1);
        let text = "\n".repeat(above) + line;
        let place = Source::new(&text, name).place(above + span.0, span.1);
        Self {
            severity: Severity::Error,
            message,
            help,
            place: Some(place),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:{}:{}: ", place.file(), place.line, place.column)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place
            .as_ref()
            .map(|place| &*place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        let text = &place.source.text;
        let end = text.floor_char_boundary(place.start + place.length.min(MARKED));
        let label = LabeledSpan::new(Some("here".to_owned()), place.start, end - place.start);
        Some(Box::new(std::iter::once(label)))
    }
}
