//! Faults as people see them: the sentence, the line, and a mark below the place.

use crate::config::Diagnostic;
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::io::{IsTerminal, Write};

/// Whether colours are seen there, and wanted (<https://no-color.org>).
pub(crate) fn has_colours(out: &impl IsTerminal) -> bool {
    out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints them to standard error, without colours where nobody can see them.
pub fn print(faults: &[Diagnostic]) {
    let stderr = std::io::stderr();
    let theme = match (has_colours(&stderr), stderr.is_terminal()) {
        (true, _) => GraphicalTheme::unicode(),
        (false, true) => GraphicalTheme::unicode_nocolor(),
        (false, false) => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme);
    for fault in faults {
        let mut text = String::new();
        if handler.render_report(&mut text, fault).is_ok() {
            // A reader that has seen enough is no error.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}
