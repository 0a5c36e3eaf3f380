//! `vis show`: asks the running daemon.

use crate::cli::args;
use crate::control::{Format, Request};
use control_socket::{CommandError, command};
use std::process::ExitCode;

/// The program's name on the control socket.
pub const PROGRAM: &str = "vis";
/// The program's version.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Prints what the running daemon answers.
///
/// # Errors
/// It does not answer.
pub fn show(show: &args::Show) -> Result<ExitCode, CommandError> {
    let request = Request {
        command: format!("show {}", show.words.join(" ")),
        format: if show.json {
            Format::Json
        } else {
            Format::Text
        },
    };
    command(PROGRAM, RELEASE, show.socket.as_deref(), &request).map(ExitCode::from)
}
