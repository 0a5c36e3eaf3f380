//! What a scenario needs of the machine, and whether it is there.

use crate::unpacked;
use std::env;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// One thing a scenario cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Real root: some judges change users, some limits bind everybody else.
    Root,
    /// A program in `PATH`, or unpacked in the build tree; `cargo lab setup` gets it.
    Tool(&'static str),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("needs root"),
            Self::Tool(name) => write!(f, "needs {name}: `cargo lab setup` gets it"),
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
/// program; failing that, where it was unpacked.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| fs::metadata(file).is_ok_and(|m| m.is_file()))
        .or_else(|| unpacked::find_program(name))
}

/// The program, wherever [`find_program`] finds it, with the libraries that were unpacked with it.
pub(crate) fn command(name: &str) -> Command {
    let file = find_program(name).unwrap_or_else(|| name.into());
    let mut command = Command::new(&file);
    unpacked::equip(&mut command);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_found_is_the_one_that_is_started() {
        assert_eq!(command("no-such-program").get_program(), "no-such-program");
        let found = find_program("sh").unwrap();
        assert!(found.is_absolute());
        assert_eq!(command("sh").get_program(), found);
    }
}
