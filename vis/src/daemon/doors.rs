//! The second socket, for users the configuration gives a role. It is there while somebody has one.
//!
//! Anybody can open it, so that who has no role is told so; its few places are its own, so that nobody there takes one
//! from those who use the daemon's own socket.

use super::answer::Answers;
use crate::client::{PROGRAM, RELEASE};
use crate::config::Roles;
use control_socket::{Limits, Listener, Role, socket_path};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// What a user who may be hostile can hold.
const LIMITS: Limits = Limits {
    connections: 16,
    per_user: 4,
    frame: Duration::from_secs(5),
    idle: Duration::from_secs(60),
};

pub(super) struct OperatorDoor {
    beside: PathBuf,
    answers: Answers,
    open: Option<JoinHandle<std::io::Result<()>>>,
    refused: bool,
}

impl OperatorDoor {
    /// Closed, beside the daemon's own socket.
    pub(super) fn new(beside: &Path, answers: Answers) -> Self {
        Self {
            beside: beside.to_owned(),
            answers,
            open: None,
            refused: false,
        }
    }

    /// Opens or closes as the configuration says.
    pub(super) fn follow(&mut self, roles: &Roles) {
        let wanted = !roles.network.is_empty() || !roles.operator.is_empty();
        if !wanted {
            self.refused = false;
            if let Some(open) = self.open.take() {
                open.abort();
            }
            return;
        }
        if self.open.as_ref().is_some_and(|open| !open.is_finished()) || self.refused {
            return;
        }
        let bound = socket_path(PROGRAM, Role::Operator, Some(&self.beside))
            .map_err(|error| error.to_string())
            .and_then(|path| {
                Listener::bind(&path, Role::Operator, PROGRAM, RELEASE)
                    .map_err(|error| error.to_string())
            });
        match bound {
            Ok(listener) => {
                info!("users with a role ask at {}", listener.path().display());
                let serve = control_socket::serve(listener, LIMITS, self.answers.clone());
                self.open = Some(tokio::spawn(serve));
            }
            Err(error) => {
                self.refused = true;
                warn!("users with a role cannot ask: {error}");
            }
        }
    }
}

impl Drop for OperatorDoor {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
        }
    }
}
