//! The conversation with the daemon: one line there, one answer back.

use crate::changes::At;
use crate::client::{PROGRAM, RELEASE};
use crate::control::{Format, LineReply, Request};
use control_socket::{Client, ClientError, CommandError, Stream, soon};
use std::path::{Path, PathBuf};

/// No answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The daemon does not answer.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// What it answers means nothing.
    #[error("the daemon's answer cannot be read: are both of the same release?")]
    Answer(#[from] serde_json::Error),
}

/// A daemon that lines are said to.
pub struct Daemon {
    socket: Option<PathBuf>,
    client: Option<Client>,
    /// Where the next line is said.
    pub at: At,
    /// Its name, as its last answer said.
    pub hostname: String,
}

impl Daemon {
    /// Connects, and asks for the prompt.
    ///
    /// # Errors
    /// It does not run, or this user may not ask it.
    pub fn connect(socket: Option<&Path>) -> Result<(Self, LineReply), AskError> {
        let mut daemon = Self {
            socket: socket.map(Path::to_owned),
            client: None,
            at: At::default(),
            hostname: String::new(),
        };
        let hello = daemon.say("")?;
        Ok((daemon, hello))
    }

    /// Says one line.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn say(&mut self, line: &str) -> Result<LineReply, AskError> {
        let request = Request {
            command: line.to_owned(),
            format: Format::Text,
            at: Some(self.at.clone()),
        };
        let reply: LineReply = serde_json::from_str(&self.ask(&request)?)?;
        self.at = reply.at.clone();
        if !reply.hostname.is_empty() {
            self.hostname.clone_from(&reply.hostname);
        }
        Ok(reply)
    }

    /// A daemon lets go of a shell that says nothing for long. It is asked again then, for the shell knows where it is.
    fn ask(&mut self, request: &Request) -> Result<String, CommandError> {
        if let Some(client) = &mut self.client {
            match call(client, request) {
                // It has closed the connection, and a line that it took would have had an answer: it was let go before.
                Err(ClientError::Lost { .. }) => {}
                Err(silent @ ClientError::Silent { .. }) => {
                    // What comes late is an answer to this, and to nothing said later.
                    self.client = None;
                    return Err(silent.into());
                }
                other => return Ok(other?),
            }
        }
        let client = self.client.insert(connect(self.socket.as_deref())?);
        Ok(call(client, request)?)
    }
}

/// Asks one thing.
pub(super) fn call(client: &mut Client, request: &Request) -> Result<String, ClientError> {
    let mut text = String::new();
    client.call(request, |chunk| {
        if chunk.stream == Stream::Out {
            text.push_str(&chunk.text);
        }
        Ok(())
    })?;
    Ok(text)
}

/// Connects to the daemon's own socket, or, where this user may not, to the one for users with a role. A daemon that does
/// not run is waited for, for a second: it may have been started a moment ago.
///
/// # Errors
/// Neither answers; then it is said of the first.
pub fn connect(socket: Option<&Path>) -> Result<Client, CommandError> {
    soon(|| Client::of(PROGRAM, RELEASE, socket))
}
