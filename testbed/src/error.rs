//! What can go wrong in a lab.

use crate::need::Need;
use std::io;
use std::path::PathBuf;

/// Why a lab, a scenario or a step did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LabError {
    /// The kernel forbids what every lab begins with.
    #[error("this kernel gives {user} no namespaces of its own ({detail}): {mend}")]
    NoNamespaces {
        /// Who asked.
        user: &'static str,
        /// Which step was refused.
        detail: &'static str,
        /// What lets them have some.
        mend: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A system call failed.
    #[error("cannot {doing}")]
    Io {
        /// What was tried, as it follows "cannot".
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// An interface could not be made or set.
    #[error("cannot {doing}")]
    Link {
        /// What was tried, as it follows "cannot".
        doing: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// One of the daemons did not do its part; its own last words follow.
    #[error("{name} {what}; it said:\n{log}")]
    Daemon {
        /// Which one.
        name: String,
        /// What it did or failed to do.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// A program gave an answer that is no JSON, or lacks what was looked for.
    #[error("{program} answered with something else than expected: {detail}")]
    Answer {
        /// Which program, with its arguments.
        program: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A check found something else than it must.
    #[error("{0}")]
    Check(String),
    /// The scenario cannot run here.
    #[error("{0}")]
    Skip(Need),
    /// No scenario, host or file of that name.
    #[error("there is no {kind} {name}; there are: {known}")]
    Unknown {
        /// `scenario` or `host`.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The lab that `up` leaves behind is not there, or is there already.
    #[error("{0}")]
    Held(String),
    /// A lab's file is wrong.
    #[error("{file}:{fault}")]
    File {
        /// Which file.
        file: String,
        /// What and where.
        fault: topology::FileError,
    },
    /// The state file belongs to somebody else.
    #[error("{} belongs to another user, or others may write to it: remove it", .0.display())]
    NotOurs(PathBuf),
    /// A program ended with an error.
    #[error("`{0}` failed")]
    Command(String),
}

/// The result of anything done in a lab.
pub(crate) type Result<T> = std::result::Result<T, LabError>;

/// Says what was being done when the system said no.
pub(crate) trait Doing<T> {
    /// `doing` follows the word "cannot".
    fn doing(self, doing: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl Into<String>) -> Result<T> {
        self.map_err(|source| LabError::Io {
            doing: doing.into(),
            source: source.into(),
        })
    }
}

/// Fails with a sentence unless `holds`.
pub(crate) fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(LabError::Check(otherwise()))
    }
}
