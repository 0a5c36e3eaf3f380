//! What a scenario needs of the machine, and whether it is there.

use std::env;
use std::fmt;
use std::fs;
use std::path::PathBuf;

/// One thing a scenario cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Real root: some judges change users, some limits bind everybody else.
    Root,
    /// A program in `PATH`; `cargo lab setup` installs it.
    Tool(&'static str),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("needs root"),
            Self::Tool(name) => write!(f, "needs {name}: `cargo lab setup` installs it"),
        }
    }
}

impl Need {
    /// Whether the machine has it.
    pub(crate) fn is_met(self) -> bool {
        match self {
            Self::Root => rustix::process::geteuid().is_root(),
            Self::Tool(name) => find_program(name).is_some(),
        }
    }
}

/// Where `PATH`, or one of the folders for administrators that a user's `PATH` often lacks, has the
/// program.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| fs::metadata(file).is_ok_and(|m| m.is_file()))
}
