//! `iv show`: asks the running daemon.

use crate::args;
use control_socket::{CommandError, command};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// The program's name on the control socket.
pub const PROGRAM: &str = "iv";
/// The program's version.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// What may be asked of a running `iv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Everything, as a table or as JSON.
    Show {
        /// As JSON.
        json: bool,
    },
}

/// Prints what the running daemon answers.
///
/// # Errors
/// It does not answer.
pub fn show(show: &args::Show) -> Result<ExitCode, CommandError> {
    let request = Request::Show { json: show.json };
    command(PROGRAM, RELEASE, show.socket.as_deref(), &request).map(ExitCode::from)
}
