//! Answers longer than the terminal, page by page.

use rustix::termios::{self, LocalModes, OptionalActions};
use std::io::Write;

/// Lines of a terminal that does not say how many it has.
const USUAL: u16 = 24;

/// How many lines are shown at a time.
#[derive(Clone, Copy, Debug)]
pub struct Pager {
    /// `None`: as many as the terminal has. 0: everything at once.
    length: Option<u16>,
}

/// What somebody wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Page,
    Line,
    Enough,
}

impl Pager {
    /// As many lines as the terminal has.
    pub const fn of_the_terminal() -> Self {
        Self { length: None }
    }

    /// `terminal length`
    pub const fn set_length(&mut self, lines: u16) {
        self.length = Some(lines);
    }

    /// Shows a text.
    pub fn show(self, text: &str) {
        let size = termios::tcgetwinsize(std::io::stdout());
        let rows = size.map_or(USUAL, |size| size.ws_row);
        let page = match usize::from(self.length.unwrap_or(rows)) {
            0 => 0,
            // One line is for the question.
            lines => (lines - 1).max(1),
        };
        let mut out = std::io::stdout().lock();
        pages(text, page, &mut out, ask);
    }
}

/// Passes the lines on, and asks after each page. `page` 0: everything at once.
fn pages(
    text: &str,
    page: usize,
    out: &mut impl Write,
    mut ask: impl FnMut(&mut dyn Write) -> Next,
) {
    let mut left = if page == 0 { usize::MAX } else { page };
    for line in text.split_inclusive('\n') {
        if left == 0 {
            left = match ask(out) {
                Next::Page => page,
                Next::Line => 1,
                Next::Enough => return,
            };
        }
        // A terminal that is gone ends the shell at its next line.
        let _ = out.write_all(line.as_bytes());
        left -= 1;
    }
    let _ = out.flush();
}

/// One key, without return.
fn ask(out: &mut dyn Write) -> Next {
    let _ = out.write_all(b"--More--");
    let _ = out.flush();
    let key = one_key();
    let _ = out.write_all(b"\r        \r");
    match key {
        Some(b' ') => Next::Page,
        Some(b'\n' | b'\r') => Next::Line,
        _ => Next::Enough,
    }
}

fn one_key() -> Option<u8> {
    let input = std::io::stdin();
    let usual = termios::tcgetattr(&input).ok()?;
    let mut raw = usual.clone();
    raw.local_modes
        // Ctrl-C is a key like any other: it ends the answer, not the shell.
        .remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
    termios::tcsetattr(&input, OptionalActions::Now, &raw).ok()?;
    let mut key = [0];
    // Not by the buffer of the standard library: what is typed ahead is for the next line.
    let read = rustix::io::read(&input, &mut key);
    // It was taken a moment before.
    let _ = termios::tcsetattr(&input, OptionalActions::Now, &usual);
    (read.ok()? == 1).then_some(key[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(page: usize, answers: &[Next]) -> (String, usize) {
        let mut out = Vec::new();
        let mut asked = 0;
        let text = "1\n2\n3\n4\n5\n";
        pages(text, page, &mut out, |_| {
            asked += 1;
            answers[asked - 1]
        });
        (String::from_utf8(out).unwrap(), asked)
    }

    #[test]
    fn a_page_is_as_long_as_it_was_said() {
        let all = "1\n2\n3\n4\n5\n".to_owned();
        assert_eq!(shown(0, &[]), (all.clone(), 0));
        assert_eq!(shown(5, &[]), (all.clone(), 0));
        assert_eq!(shown(2, &[Next::Page, Next::Page]), (all.clone(), 2));
        assert_eq!(
            shown(2, &[Next::Line, Next::Enough]),
            ("1\n2\n3\n".into(), 2)
        );
    }
}
