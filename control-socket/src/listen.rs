//! Taking a socket's place in the file system: one daemon at a time, whatever the last one left behind.

use crate::path::Role;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Connections the kernel holds for a daemon that is busy.
const BACKLOG: i32 = 16;

/// A socket that is ours. Dropping it takes it out of the file system; a process that is killed leaves it
/// there, and the next one clears it away.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: UnixListener,
    pub(crate) program: String,
    pub(crate) release: String,
    path: PathBuf,
    // Held, not read: the kernel lets go of the lock when the process ends, however it ends.
    _lock: File,
}

/// The socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A daemon answers there.
    #[error(
        "{program} is already running (pid {pid}) on {path}: `{program} --help` lists how to talk to it; stop it \
         first, or give this one a place of its own with --socket PATH"
    )]
    AlreadyRunning {
        /// The daemon.
        program: String,
        /// Its process.
        pid: u32,
        /// The socket.
        path: PathBuf,
    },
    /// A daemon holds the place and does not answer yet.
    #[error("another {program} is just starting or stopping on {path}: try again")]
    Busy {
        /// The daemon.
        program: String,
        /// The socket.
        path: PathBuf,
    },
    /// Something else is in the way, and it is not ours to remove.
    #[error(
        "{path} exists and is no socket: move it away, or give another place with --socket PATH"
    )]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system says no.
    #[error("cannot {doing} {path}: name a place this user may write to with --socket PATH")]
    System {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Listener {
    /// Takes the place `path` for the daemon `program` of this `release`, with the mode of `role`.
    ///
    /// Makes the directory when it is missing: 0755 under `/run`, else 0700. A socket that a killed daemon
    /// left behind is replaced.
    ///
    /// # Errors
    /// A daemon has the place, or the system refuses.
    pub fn bind(
        path: &Path,
        role: Role,
        program: &str,
        release: &str,
    ) -> Result<Self, ListenError> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| ListenError::System {
                doing,
                path,
                source,
            }
        };
        if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            let mode = if directory.starts_with("/run/niv") {
                0o755
            } else {
                0o700
            };
            DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(directory)
                .map_err(failed("make the directory", directory))?;
        }

        let lock = take_lock(path, program)?;
        clear_away(path)?;

        // Mode before listen: until then a connection is refused, so nobody slips in.
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)
            .map_err(failed("make a socket for", path))?;
        let address = SockAddr::unix(path).map_err(failed("name a socket", path))?;
        socket.bind(&address).map_err(failed("bind", path))?;
        std::fs::set_permissions(path, Permissions::from_mode(role.mode()))
            .map_err(failed("set the mode of", path))?;
        socket.listen(BACKLOG).map_err(failed("listen on", path))?;
        socket
            .set_nonblocking(true)
            .map_err(failed("listen on", path))?;

        Ok(Self {
            socket: socket.into(),
            program: program.to_owned(),
            release: release.to_owned(),
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Nothing can be done about a failure: the next daemon clears it away.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Two daemons that start at once would both find a stale socket and each remove the other's: so a lock,
/// beside the socket, that dies with its process.
fn take_lock(path: &Path, program: &str) -> Result<File, ListenError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let failed = |doing| {
        let path = lock_path.clone();
        move |source| ListenError::System {
            doing,
            path,
            source,
        }
    };
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock_path)
        .map_err(failed("open"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let (program, path) = (program.to_owned(), path.to_owned());
            Err(match owner(&path) {
                Some(pid) => ListenError::AlreadyRunning { program, pid, path },
                None => ListenError::Busy { program, path },
            })
        }
        Err(TryLockError::Error(source)) => Err(failed("lock")(source)),
    }
}

/// The process that listens on `path`.
fn owner(path: &Path) -> Option<u32> {
    let stream = UnixStream::connect(path).ok()?;
    let credentials = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    u32::try_from(credentials.pid.as_raw_nonzero().get()).ok()
}

fn clear_away(path: &Path) -> Result<(), ListenError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            std::fs::remove_file(path).map_err(|source| ListenError::System {
                doing: "remove the stale socket",
                path: path.to_owned(),
                source,
            })
        }
        Ok(_) => Err(ListenError::NotASocket {
            path: path.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}
