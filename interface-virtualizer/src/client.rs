//! `iv show`: asks the running daemon.

use crate::args;
use control_socket::{Client, ClientError, PathError, Role, Stream, socket_path};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use thiserror::Error;

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

/// The daemon could not be asked.
#[derive(Debug, Error)]
pub enum ShowError {
    /// There is no place for its socket.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Where the daemon listens.
///
/// # Errors
/// There is no such place.
pub fn path(given: Option<&Path>) -> Result<PathBuf, PathError> {
    socket_path(PROGRAM, Role::Network, given)
}

/// Prints what the running daemon answers.
///
/// # Errors
/// It does not answer.
pub fn show(show: &args::Show) -> Result<ExitCode, ShowError> {
    let mut client = Client::connect(&path(show.socket.as_deref())?, PROGRAM, RELEASE)?;
    let status = client.call(&Request::Show { json: show.json }, |chunk| {
        match chunk.stream {
            Stream::Out => io::stdout().write_all(chunk.text.as_bytes()),
            Stream::Err => io::stderr().write_all(chunk.text.as_bytes()),
        }
    })?;
    Ok(ExitCode::from(status))
}
