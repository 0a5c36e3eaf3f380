//! What is shown of a text when something is wrong in it.

use super::name::is_printable;
use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// A text as it is shown: what a terminal would obey is a mark of the same length, and of long lines only what is near is
/// there.
#[derive(Debug)]
pub(super) struct Excerpts {
    pub(super) name: String,
    pub(super) text: String,
}

/// Octets of a line, to each side of what is wrong in it, that are shown (ours).
const NEAR: usize = 100;
/// Octets of what is wrong that are marked, at most (ours).
pub(super) const MARKED: usize = 60;

impl Excerpts {
    pub(super) fn new(name: &str, text: &str) -> Self {
        // None of those has four octets.
        let harmless = |c: char| match c {
            '\n' | '\t' => c,
            '\r' => ' ',
            _ if is_printable(c) => c,
            _ => match c.len_utf8() {
                1 => '?',
                2 => '\u{bf}',
                _ => char::REPLACEMENT_CHARACTER,
            },
        };
        Self {
            name: name.to_owned(),
            text: text.chars().map(harmless).collect(),
        }
    }
}

impl SourceCode for Excerpts {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.text.read_span(span, before, after)?;
        let (data, whole, lines) = (contents.data(), *contents.span(), contents.line_count());
        let named = |data, span, line, column, lines| {
            let name = self.name.clone();
            Box::new(MietteSpanContents::new_named(
                name, data, span, line, column, lines,
            ))
        };
        if data.len() <= 3 * NEAR + MARKED {
            let (line, column) = (contents.line(), contents.column());
            return Ok(named(data, whole, line, column, lines));
        }
        let (from, to) = (span.offset(), span.offset() + span.len());
        let left = self.text.get(..from).unwrap_or_default();
        let line_start = left.rfind('\n').map_or(0, |end| end + 1);
        let start = self
            .text
            .ceil_char_boundary(line_start.max(from.saturating_sub(NEAR)));
        let right = self.text.get(to..).unwrap_or_default();
        let line_end = to + right.find('\n').unwrap_or(right.len());
        let end = self.text.floor_char_boundary(line_end.min(to + NEAR));
        let data = self.text.get(start..end).unwrap_or_default().as_bytes();
        let line = left.matches('\n').count();
        let column = self.text.get(line_start..start).unwrap_or_default();
        let span = SourceSpan::from((start, end - start));
        Ok(named(data, span, line, column.chars().count(), 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, from: usize, length: usize) -> (String, usize, usize) {
        let excerpts = Excerpts::new("vis.conf", text);
        let span = SourceSpan::from((from, length));
        let contents = excerpts.read_span(&span, 1, 1).unwrap();
        let text = String::from_utf8(contents.data().to_vec()).unwrap();
        assert!(contents.span().offset() <= from);
        (text, contents.line(), contents.column())
    }

    #[test]
    fn what_a_terminal_would_obey_is_a_mark_of_the_same_length() {
        let (text, ..) = shown("vlan 1\u{1b}[2J\u{9b}1m\u{202e}x\r\n", 5, 1);
        assert_eq!(text, "vlan 1?[2J\u{bf}1m\u{fffd}x \n");
    }

    #[test]
    fn of_a_long_line_only_what_is_near_is_shown() {
        let long = "x".repeat(1 << 20);
        let text = format!("vlan 10\n{long} here {long}\nvlan 20\n");
        let at = text.find("here").unwrap();
        let (near, line, column) = shown(&text, at, 4);
        assert_eq!((near.len(), line), (2 * NEAR + 4, 1));
        assert_eq!(column, (1 << 20) + 1 - NEAR);
        // A character is shown whole or not at all.
        let (near, ..) = shown(&"\u{fc}".repeat(1000), 1000, 2);
        assert!(near.chars().all(|c| c == '\u{fc}'), "{near}");
    }

    #[test]
    fn short_lines_have_those_around_them() {
        let (text, line, _) = shown("a\nvlan 1\nb\nc\n", 2, 4);
        assert_eq!((text.as_str(), line), ("a\nvlan 1\nb\n", 0));
    }
}
