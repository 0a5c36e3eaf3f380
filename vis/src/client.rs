//! `vis show`: asks the running daemon.

use crate::cli::args;
use crate::control::{Format, Request};
use control_socket::{Client, ClientError, PathError, Role, Stream, socket_path};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use thiserror::Error;

/// The program's name on the control socket.
pub const PROGRAM: &str = "vis";
/// The program's version.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

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
    let request = Request {
        command: format!("show {}", show.words.join(" ")),
        format: if show.json {
            Format::Json
        } else {
            Format::Text
        },
    };
    let status = client.call(&request, |chunk| match chunk.stream {
        Stream::Out => io::stdout().write_all(chunk.text.as_bytes()),
        Stream::Err => io::stderr().write_all(chunk.text.as_bytes()),
    })?;
    Ok(ExitCode::from(status))
}
