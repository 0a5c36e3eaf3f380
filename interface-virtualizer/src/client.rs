//! What the command line asks of the running daemon.

use crate::args;
use crate::config::VnicSpec;
use control_socket::{CommandError, command};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::ExitCode;

/// The program's name on the control socket.
pub const PROGRAM: &str = "iv";
/// The program's version.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// What `iv attach` exits with when the vNIC is there and the switch refuses it, or this host.
pub const REFUSED: u8 = 3;
/// What it exits with when the vNIC is there and no switch has answered in time.
pub const WAITING: u8 = 4;

/// What may be asked of a running `iv`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Everything, as a table or as JSON.
    Show {
        /// As JSON.
        json: bool,
    },
    /// The profiles that the switch offers.
    Profiles {
        /// As JSON.
        json: bool,
    },
    /// One vNIC more.
    Attach {
        /// Which.
        spec: Box<VnicSpec>,
        /// Until the switch has said yes or no, up to a bound.
        wait: bool,
    },
    /// One vNIC less.
    Detach {
        /// What it is called.
        name: String,
    },
}

/// `iv show`
///
/// # Errors
/// The daemon does not answer.
pub fn show(show: &args::Show) -> Result<ExitCode, CommandError> {
    ask(show.socket.as_deref(), &Request::Show { json: show.json })
}

/// `iv profiles`
///
/// # Errors
/// The daemon does not answer.
pub fn profiles(show: &args::Show) -> Result<ExitCode, CommandError> {
    let request = Request::Profiles { json: show.json };
    ask(show.socket.as_deref(), &request)
}

/// `iv attach`
///
/// # Errors
/// The daemon does not answer.
pub fn attach(attach: &args::Attach) -> Result<ExitCode, CommandError> {
    ask(
        attach.socket.as_deref(),
        &Request::Attach {
            spec: attach.spec().into(),
            wait: !attach.no_wait,
        },
    )
}

/// `iv detach`
///
/// # Errors
/// The daemon does not answer.
pub fn detach(detach: &args::Detach) -> Result<ExitCode, CommandError> {
    let name = detach.name.clone();
    ask(detach.socket.as_deref(), &Request::Detach { name })
}

/// Prints what the running daemon answers.
fn ask(socket: Option<&Path>, request: &Request) -> Result<ExitCode, CommandError> {
    command(PROGRAM, RELEASE, socket, request).map(ExitCode::from)
}
