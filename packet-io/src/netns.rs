//! Network namespaces, held by file descriptor.
//!
//! A namespace lives as long as something holds it: a process, a name under `/run/netns`, or a file
//! descriptor. Labs hold theirs by descriptor alone: nothing to clean up, nothing to collide with, and no
//! mount, so that it works without root inside a user namespace.

#![expect(
    unsafe_code,
    reason = "unshare(2): rustix marks it unsafe because of CLONE_FILES"
)]

mod living;

pub use living::living;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The file system every namespace file belongs to (`NSFS_MAGIC` of `linux/magic.h`).
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// A network namespace, kept alive by a file descriptor.
#[derive(Debug)]
pub struct NetNs {
    fd: OwnedFd,
}

/// What cannot be done with a namespace, and what helps.
#[derive(Debug, thiserror::Error)]
pub enum NetNsError {
    /// No such name or file.
    #[error(
        "there is no network namespace at {}: {}",
        path.display(),
        mend_missing(path)
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The process is gone, or never was.
    #[error("there is no process {pid} to take the network namespace of")]
    NoProcess {
        /// The process asked for.
        pid: u32,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The file is something else: mostly a name that lost its namespace at a reboot.
    #[error(
        "{} is not a network namespace; if it is left over: `ip netns delete` and `ip netns add` it",
        path.display()
    )]
    NotANamespace {
        /// The file.
        path: PathBuf,
    },
    /// The process may not do this.
    #[error(
        "not permitted to {attempt} a network namespace: needs CAP_SYS_ADMIN in the user namespace that \
         owns it: run as root, or begin with `unshare -Urn`"
    )]
    NotPermitted {
        /// `create`, `open` or `enter`.
        attempt: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot {attempt} a network namespace")]
    Io {
        /// `create`, `open`, `enter` or `hold`.
        attempt: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl NetNsError {
    fn of(attempt: &'static str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted { attempt, source },
            _ => Self::Io { attempt, source },
        }
    }
}

impl From<NetNsError> for io::Error {
    fn from(error: NetNsError) -> Self {
        let kind = match &error {
            NetNsError::Missing { source, .. }
            | NetNsError::NoProcess { source, .. }
            | NetNsError::NotPermitted { source, .. }
            | NetNsError::Io { source, .. } => source.kind(),
            NetNsError::NotANamespace { .. } => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

fn mend_missing(path: &Path) -> String {
    let named = path
        .strip_prefix("/run/netns")
        .or_else(|_| path.strip_prefix("/var/run/netns"));
    match named {
        Ok(name) => format!("`ip netns add {}`", name.display()),
        Err(_) => "`ip netns list` prints the named ones".to_owned(),
    }
}

impl NetNs {
    /// The calling thread's namespace.
    ///
    /// # Errors
    /// `/proc` is not mounted, or no file descriptor is left.
    pub fn current() -> Result<Self, NetNsError> {
        let file = File::open("/proc/thread-self/ns/net")
            .map_err(|source| NetNsError::of("open", source))?;
        Ok(Self { fd: file.into() })
    }

    /// A namespace by its file: `/run/netns/NAME`, `/proc/PID/ns/net`, or a bind mount of one.
    ///
    /// # Errors
    /// No such file, not a namespace, or not permitted to look.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, NetNsError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => NetNsError::Missing {
                path: path.to_owned(),
                source,
            },
            _ => NetNsError::of("open", source),
        })?;
        // `ip netns add` mounts over an empty file; after a reboot the file may be all that is left.
        let at = rustix::fs::fstatfs(&file).map_err(|e| NetNsError::of("open", e.into()))?;
        if u64::try_from(at.f_type).ok() != Some(NSFS_MAGIC) {
            return Err(NetNsError::NotANamespace {
                path: path.to_owned(),
            });
        }
        Ok(Self { fd: file.into() })
    }

    /// A namespace by the name `ip netns add` gave it.
    ///
    /// # Errors
    /// As [`NetNs::open`].
    pub fn named(name: &str) -> Result<Self, NetNsError> {
        Self::open(Path::new("/run/netns").join(name))
    }

    /// The namespace a process lives in: a container's, by the pid its runtime states.
    ///
    /// # Errors
    /// No such process, or it belongs to somebody else.
    pub fn of_pid(pid: u32) -> Result<Self, NetNsError> {
        Self::open(format!("/proc/{pid}/ns/net")).map_err(|error| match error {
            NetNsError::Missing { source, .. } => NetNsError::NoProcess { pid, source },
            other => other,
        })
    }

    /// A new namespace without a name, holding a loopback device that is down. It is gone when the last
    /// descriptor, process and device socket in it are.
    ///
    /// # Errors
    /// Needs CAP_SYS_ADMIN in the caller's user namespace.
    pub fn create() -> Result<Self, NetNsError> {
        // A thread of its own: the caller stays where it is.
        on_fresh_thread("create", || {
            // SAFETY: only CLONE_NEWNET is asked for; the descriptor table stays shared.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
                .map_err(|e| NetNsError::of("create", e.into()))?;
            Self::current()
        })?
    }

    /// Runs `work` inside the namespace, on a thread of its own, and waits for it. Sockets opened there
    /// belong to the namespace for good, whoever uses them afterwards. A panic in `work` is passed on.
    ///
    /// # Errors
    /// Entering needs CAP_SYS_ADMIN in the user namespace that owns the namespace, and in the caller's;
    /// nothing if the caller is there already.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetNsError> {
        on_fresh_thread("enter", || {
            self.enter_thread()?;
            Ok(work())
        })?
    }

    /// Moves the calling thread into the namespace for good; threads it starts from now on begin there.
    ///
    /// # Errors
    /// As [`NetNs::run`].
    pub fn enter_thread(&self) -> Result<(), NetNsError> {
        // The kernel asks for privileges even of who is there already: a daemon with CAP_NET_ADMIN alone.
        if self.is_same(&Self::current()?)? {
            return Ok(());
        }
        move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|e| NetNsError::of("enter", e.into()))
    }

    /// Another holder of the same namespace.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn try_clone(&self) -> Result<Self, NetNsError> {
        let fd = self
            .fd
            .try_clone()
            .map_err(|source| NetNsError::of("hold", source))?;
        Ok(Self { fd })
    }

    /// Whether both hold one namespace.
    ///
    /// # Errors
    /// The kernel cannot tell.
    pub fn is_same(&self, other: &Self) -> Result<bool, NetNsError> {
        let stat =
            |ns: &Self| rustix::fs::fstat(&ns.fd).map_err(|e| NetNsError::of("compare", e.into()));
        let (mine, theirs) = (stat(self)?, stat(other)?);
        Ok((mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino))
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn on_fresh_thread<T: Send>(
    attempt: &'static str,
    work: impl FnOnce() -> T + Send,
) -> Result<T, NetNsError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|source| NetNsError::of(attempt, source))?;
        thread
            .join()
            .or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privileged::privileged;

    #[test]
    fn a_created_namespace_is_another_one_and_the_caller_stays() {
        privileged(|| {
            let before = NetNs::current().unwrap();
            let made = NetNs::create().unwrap();
            assert!(!made.is_same(&before).unwrap());
            assert!(NetNs::current().unwrap().is_same(&before).unwrap());
            assert!(made.try_clone().unwrap().is_same(&made).unwrap());
        });
    }

    #[test]
    fn work_runs_inside_and_the_caller_stays_outside() {
        privileged(|| {
            let before = NetNs::current().unwrap();
            let made = NetNs::create().unwrap();
            let inside = made.run(|| NetNs::current().unwrap()).unwrap();
            assert!(inside.is_same(&made).unwrap());
            assert!(NetNs::current().unwrap().is_same(&before).unwrap());
        });
    }

    #[test]
    fn a_thread_that_entered_begins_its_own_threads_there() {
        privileged(|| {
            let made = NetNs::create().unwrap();
            let seen = std::thread::scope(|scope| {
                scope
                    .spawn(|| {
                        made.enter_thread().unwrap();
                        std::thread::spawn(|| NetNs::current().unwrap())
                            .join()
                            .unwrap()
                    })
                    .join()
                    .unwrap()
            });
            assert!(seen.is_same(&made).unwrap());
        });
    }

    #[test]
    fn the_namespace_of_this_process_is_found_by_pid() {
        let mine = NetNs::current().unwrap();
        let found = NetNs::of_pid(std::process::id()).unwrap();
        assert!(found.is_same(&mine).unwrap());
    }

    #[test]
    fn a_missing_name_is_answered_with_the_command_that_adds_it() {
        let error = NetNs::named("t-dev-no-such-namespace").unwrap_err();
        assert!(matches!(error, NetNsError::Missing { .. }));
        assert!(
            error
                .to_string()
                .contains("`ip netns add t-dev-no-such-namespace`")
        );
    }

    #[test]
    fn an_ordinary_file_is_not_a_namespace() {
        let error = NetNs::open("/proc/self/status").unwrap_err();
        assert!(matches!(error, NetNsError::NotANamespace { .. }), "{error}");
    }

    #[test]
    fn a_process_that_is_gone_is_named() {
        // Above the highest pid the kernel ever gives (PID_MAX_LIMIT, 2^22).
        let error = NetNs::of_pid(5_000_000).unwrap_err();
        assert!(error.to_string().contains("process 5000000"), "{error}");
    }
}
