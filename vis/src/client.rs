//! `vis show` and `vis explain`: ask the running daemon.

use crate::cli::args;
use crate::config::{Diagnostic, parse_show};
use crate::control::explain::{ExplainRequest, FrameOctets, InvalidFrame};
use crate::control::show::ShowRequest;
use crate::control::{Format, Request};
use crate::shell::ask::connect;
use control_socket::{CommandError, print_chunk};
use std::process::ExitCode;

/// The program's name on the control socket.
pub const PROGRAM: &str = "vis";
/// The program's version.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// No such thing to show.
    #[error("{0}")]
    Words(Diagnostic),
    /// What was typed is no frame.
    #[error(transparent)]
    Frame(#[from] InvalidFrame),
    /// The daemon does not answer.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Prints what the running daemon answers.
///
/// The words are read here first, as the daemon will read them: a misspelled one is named even when no
/// daemon runs.
///
/// # Errors
/// The words ask for nothing there is, or the daemon does not answer.
pub fn show(show: &args::Show) -> Result<ExitCode, ShowError> {
    look("show", show)
}

/// Prints what would become of a frame, as the running daemon answers.
///
/// # Errors
/// As [`show`].
pub fn explain(explain: &args::Show) -> Result<ExitCode, ShowError> {
    look("explain", explain)
}

fn look(verb: &str, show: &args::Show) -> Result<ExitCode, ShowError> {
    let command = format!("{verb} {}", show.words.join(" "));
    let asked = parse_show(&command).map_err(ShowError::Words)?;
    if let ShowRequest::Explain(ExplainRequest { frame, .. }) = &asked {
        frame.parse::<FrameOctets>()?;
    }
    let request = Request {
        command,
        format: if show.json {
            Format::Json
        } else {
            Format::Text
        },
        at: None,
    };
    let mut client = connect(show.socket.as_deref())?;
    let status = client.call(&request, print_chunk);
    Ok(status.map(ExitCode::from).map_err(CommandError::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(words: &[&str]) -> ShowError {
        let asked = args::Show {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            json: false,
            socket: Some("/nonexistent/socket".into()),
        };
        show(&asked).unwrap_err()
    }

    #[test]
    fn a_misspelled_word_is_named_before_a_daemon_is_looked_for() {
        let error = error_of(&["intreface"]);
        assert!(matches!(error, ShowError::Words(_)), "{error}");
        assert!(error.to_string().contains("`intreface`"), "{error}");
        assert!(error.to_string().contains("`interface`"), "{error}");
    }

    #[test]
    fn good_words_reach_for_the_daemon() {
        let error = error_of(&["interface"]);
        assert!(error.to_string().contains("not running"), "{error}");
    }
}
