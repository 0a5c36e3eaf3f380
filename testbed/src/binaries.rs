//! Where the programs under test are: built here with cargo, or in a folder the user names.

use crate::error::{Doing, LabError, Result, check};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The variable that names the folder to the process inside the sandbox.
const BUILT: &str = "NIV_LAB_BUILT";

/// The programs under test.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Those of `folder`, or, when none is given, the ones in this workspace, built now if they are not
    /// up to date. The process inside the sandbox finds the ones chosen outside.
    ///
    /// # Errors
    /// They do not build.
    pub(crate) fn find(folder: Option<&Path>) -> Result<Self> {
        if let Some(folder) = env::var_os(BUILT) {
            return Ok(Self {
                folder: folder.into(),
            });
        }
        if let Some(folder) = folder {
            let folder = folder
                .canonicalize()
                .doing(format!("find {}", folder.display()))?;
            return Ok(Self { folder });
        }
        build_release(&[
            "iv",
            "vis",
            "round",
            "churn",
            "verdicts",
            "access_lists",
            "package",
        ])?;
        let testbed = crate::sandbox::this_program()?;
        let folder = testbed.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { folder })
    }

    /// Tells the processes started from now on by `command` which ones were chosen.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env(BUILT, &self.folder);
    }

    /// The folder they are in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of one of them.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The folder of the workspace's own `Cargo.toml`.
pub(crate) fn workspace() -> PathBuf {
    // Set by `cargo run`; without it, where this program was built.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map(Path::to_owned).unwrap_or(package)
}

/// The cargo that started us, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    // What `cargo run` sets for this package must not reach builds of others.
    for (name, _) in env::vars_os() {
        let is_ours = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST")
        });
        if is_ours {
            command.env_remove(name);
        }
    }
    command
}

/// Builds programs of this workspace as users run them. Programs are named and packages are not: cargo then
/// chooses features for the whole workspace, and no library is built twice.
///
/// # Errors
/// They do not build.
pub(crate) fn build_release(programs: &[&str]) -> Result<()> {
    let mut command = cargo();
    command.args(["build", "--release", "--quiet"]);
    for program in programs {
        command.args(["--bin", program]);
    }
    run(&mut command)
}

/// Runs a command whose output the user sees.
///
/// # Errors
/// It cannot be started, or says it failed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words = words.join(" ");
    let status = command
        .stdin(Stdio::null())
        .status()
        .doing(format!("run `{words}`"))?;
    if status.success() {
        Ok(())
    } else {
        Err(LabError::Command(words))
    }
}

/// What a program prints, on either output.
///
/// # Errors
/// It cannot be started, or says it failed.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .doing(format!("run {name}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    check(output.status.success(), || format!("{name} failed: {text}"))?;
    Ok(text)
}
