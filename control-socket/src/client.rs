//! The command line's end. Blocking: a command asks one thing and prints the answer.

use crate::frame::{self, Chunk, End, Frame, FrameError, Hello, Kind, Refusal, Stream};
use crate::path::{PathError, Role, shared_path, socket_path};
use bytes::BytesMut;
use serde::Serialize;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a daemon may be silent.
const PATIENCE: Duration = match cfg!(test) {
    true => Duration::from_millis(200),
    false => Duration::from_secs(30),
};

/// How long a daemon may take from its start until it listens (ours).
const STARTING: Duration = Duration::from_secs(1);

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
    input: BytesMut,
    daemon: Hello,
}

/// Why a daemon cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "{program} is not running: nothing answers on {path}; start it with `{program} run`, or name its \
         socket with --socket PATH"
    )]
    NotRunning {
        /// The daemon.
        program: String,
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody listens, and this user may not ask.
    #[error(
        "this user may not use {path}: its owner and mode say who may; ask with sudo, or as a member of the \
         socket's group"
    )]
    NotAllowed {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon said no.
    #[error("{reason}")]
    Refused {
        /// Its own sentence.
        reason: String,
    },
    /// Somebody else's socket.
    #[error(
        "{path} is the socket of {found}, not of {program}: name the socket of {program} with --socket PATH"
    )]
    OtherDaemon {
        /// The daemon asked for.
        program: String,
        /// The one that answered.
        found: String,
        /// The socket.
        path: PathBuf,
    },
    /// The other end speaks something else.
    #[error("what answers on {path} does not speak this protocol: is it a control socket?")]
    Protocol {
        /// The socket.
        path: PathBuf,
        /// What was wrong.
        source: FrameError,
    },
    /// A frame came out of turn.
    #[error(
        "the daemon on {path} sent a {kind:?} frame out of turn: are both of the same release?"
    )]
    OutOfTurn {
        /// The socket.
        path: PathBuf,
        /// What came.
        kind: Kind,
    },
    /// The request is longer than the protocol takes.
    #[error("the request cannot be sent: is the command longer than 64 KiB?")]
    Request {
        /// What is wrong with it.
        source: FrameError,
    },
    /// The connection ended in the middle.
    #[error("the daemon on {path} went away before it had answered: look at its log")]
    Lost {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds the connection and says nothing.
    #[error(
        "the daemon on {path} has not answered for {} s: what it was asked may have been done all the same; see with \
        `show`, and look at its log",
        PATIENCE.as_secs()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// The output cannot be written.
    #[error("the answer cannot be written")]
    Output {
        /// What the system said.
        source: io::Error,
    },
}

/// A command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no place for the daemon's socket.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The daemon does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Asks the daemon `program` one thing and prints its answer as it comes, to standard output and standard
/// error. The value is the command's exit status. `socket` is what `--socket` said.
///
/// # Errors
/// The daemon does not answer.
pub fn command<T: Serialize>(
    program: &str,
    release: &str,
    socket: Option<&Path>,
    request: &T,
) -> Result<u8, CommandError> {
    let path = socket_path(program, Role::Network, socket)?;
    let mut client = soon(|| Ok(Client::connect(&path, program, release)?))?;
    Ok(client.call(request, print_chunk)?)
}

/// Connects to a daemon that may have been started a moment ago: `iv run & iv attach` is one line in a script. While none
/// runs, `connect` is called again for a second.
///
/// # Errors
/// What `connect` says at last.
pub fn soon<T>(connect: impl Fn() -> Result<T, CommandError>) -> Result<T, CommandError> {
    let end = Instant::now() + STARTING;
    loop {
        match connect() {
            Err(CommandError::Client(ClientError::NotRunning { .. })) if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

/// Prints a piece of an answer, to standard output or standard error.
///
/// # Errors
/// It cannot be written. A reader that has seen enough (`| head`) is no error.
pub fn print_chunk(chunk: Chunk) -> io::Result<()> {
    let text = chunk.text.as_bytes();
    let written = match chunk.stream {
        Stream::Out => io::stdout().write_all(text),
        Stream::Err => io::stderr().write_all(text),
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

impl Client {
    /// Connects to the daemon `program` by its own socket, or, where this user may not, by the one for users with a role.
    ///
    /// # Errors
    /// Neither answers; then it is said of the first. Or the second refuses.
    pub fn of(program: &str, release: &str, socket: Option<&Path>) -> Result<Self, CommandError> {
        let own = socket_path(program, Role::Network, socket);
        let first = match own {
            Ok(path) => match Self::connect(&path, program, release) {
                Ok(client) => return Ok(client),
                Err(error @ (ClientError::NotAllowed { .. } | ClientError::NotRunning { .. })) => {
                    CommandError::from(error)
                }
                Err(error) => return Err(error.into()),
            },
            Err(error) => error.into(),
        };
        let shared =
            shared_path(program, socket).map(|path| Self::connect(&path, program, release));
        match shared {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(refused @ ClientError::Refused { .. })) => Err(refused.into()),
            Ok(Err(_)) | Err(_) => Err(first),
        }
    }

    /// Connects to the daemon `program` on `path`.
    ///
    /// # Errors
    /// It is not running, not to be asked, or something else.
    pub fn connect(path: &Path, program: &str, release: &str) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(|source| {
            let path = path.to_owned();
            if source.kind() == io::ErrorKind::PermissionDenied {
                ClientError::NotAllowed { path, source }
            } else {
                ClientError::NotRunning {
                    program: program.to_owned(),
                    path,
                    source,
                }
            }
        })?;
        let lost = |source| ClientError::Lost {
            path: path.to_owned(),
            source,
        };
        stream.set_read_timeout(Some(PATIENCE)).map_err(lost)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(lost)?;
        let mut client = Self {
            stream,
            path: path.to_owned(),
            input: BytesMut::new(),
            daemon: Hello::of(program, release),
        };
        client.send(Kind::Hello, &Hello::of(program, release))?;
        let answer = client.receive()?;
        client.daemon = client.expect(Kind::Hello, &answer)?;
        if client.daemon.program != program {
            return Err(ClientError::OtherDaemon {
                program: program.to_owned(),
                found: client.daemon.program,
                path: client.path,
            });
        }
        Ok(client)
    }

    /// What the daemon said of itself.
    pub fn daemon(&self) -> &Hello {
        &self.daemon
    }

    /// Sends `request`; `print` gets each piece of the answer as it comes. The value is the exit status.
    ///
    /// # Errors
    /// The daemon refuses, goes away or breaks the protocol, or `print` fails.
    pub fn call<T: Serialize>(
        &mut self,
        request: &T,
        mut print: impl FnMut(Chunk) -> io::Result<()>,
    ) -> Result<u8, ClientError> {
        self.send(Kind::Request, request)?;
        loop {
            let frame = self.receive()?;
            if frame.kind == Kind::Chunk {
                print(self.expect(Kind::Chunk, &frame)?)
                    .map_err(|source| ClientError::Output { source })?;
            } else {
                let end: End = self.expect(Kind::End, &frame)?;
                return Ok(end.status);
            }
        }
    }

    fn send<T: Serialize>(&mut self, kind: Kind, body: &T) -> Result<(), ClientError> {
        let mut buffer = BytesMut::new();
        frame::write(&mut buffer, kind, body, frame::MAX_FROM_CLIENT)
            .map_err(|source| ClientError::Request { source })?;
        match self.stream.write_all(&buffer) {
            // A daemon that refuses says why before it closes: that is waiting to be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|source| self.lost(source)),
        }
    }

    fn receive(&mut self) -> Result<Frame, ClientError> {
        let mut space = [0; 4096];
        loop {
            let parsed =
                frame::parse(&mut self.input, frame::MAX_FROM_DAEMON).map_err(|source| {
                    ClientError::Protocol {
                        path: self.path.clone(),
                        source,
                    }
                })?;
            if let Some(frame) = parsed {
                return Ok(frame);
            }
            match self.stream.read(&mut space) {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(n) => self
                    .input
                    .extend_from_slice(space.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Err(ClientError::Silent {
                        path: self.path.clone(),
                    });
                }
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    fn expect<T: serde::de::DeserializeOwned>(
        &self,
        kind: Kind,
        frame: &Frame,
    ) -> Result<T, ClientError> {
        let protocol = |source| ClientError::Protocol {
            path: self.path.clone(),
            source,
        };
        if frame.kind == Kind::Refusal {
            let refusal: Refusal = frame.read().map_err(protocol)?;
            return Err(ClientError::Refused {
                reason: refusal.reason,
            });
        }
        if frame.kind != kind {
            return Err(ClientError::OutOfTurn {
                path: self.path.clone(),
                kind: frame.kind,
            });
        }
        frame.read().map_err(protocol)
    }

    fn lost(&self, source: io::Error) -> ClientError {
        ClientError::Lost {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_daemon_that_says_nothing_is_not_one_that_has_closed() {
        let path = std::env::temp_dir().join(format!("silent-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut hello = BytesMut::new();
            let own = Hello::of("vis", "1");
            frame::write(&mut hello, Kind::Hello, &own, frame::MAX_FROM_DAEMON).unwrap();
            stream.write_all(&hello).unwrap();
            // Until the client lets go.
            let mut asked = Vec::new();
            let _ = stream.read_to_end(&mut asked);
        });
        let mut client = Client::connect(&path, "vis", "1").unwrap();
        let silent = client.call(&"rollback 1", |_| Ok(())).unwrap_err();
        assert!(matches!(silent, ClientError::Silent { .. }), "{silent}");
        drop(client);
        daemon.join().unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
