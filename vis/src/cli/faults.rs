//! Faults as people see them: the sentence, the line, and a mark below the place.

use crate::config::Diagnostic;
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::io::{IsTerminal, Write};

/// Prints them to standard error, without colours where nobody can see them.
pub fn print(faults: &[Diagnostic]) {
    let theme = if std::io::stderr().is_terminal() {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::none()
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
