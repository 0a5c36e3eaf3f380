//! Judges that run from a folder of the build tree, because their packages do more than bring a program: Debian's
//! lldpd makes a user, and starts a daemon that speaks on the machine's own interfaces.
//!
//! `judges/PACKAGE/root` of the build tree is what the package would put below `/`, with the packages it needs that
//! the machine lacks. Nothing of theirs is installed, and no script of theirs runs.

use crate::binaries::{run, said, workspace};
use crate::error::{Doing, Result, check};
use crate::need;
use crate::sandbox::this_program;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where packages put programs.
const PROGRAMS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];
/// Where packages put libraries: here, and in a folder named after the architecture.
const LIBRARIES: [&str; 2] = ["usr/lib", "lib"];

/// The program, if one of the unpacked packages brings it.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let packages = fs::read_dir(folder()).ok()?.flatten();
    packages
        .flat_map(|package| PROGRAMS.map(|at| package.path().join("root").join(at).join(name)))
        .find(|file| file.is_file())
}

/// Lets a command find what was unpacked with its program: libraries, and the programs that libxdp hands to the kernel.
pub(crate) fn equip(command: &mut Command) {
    let Some(path) = library_path(Path::new(command.get_program())) else {
        return;
    };
    let mut objects = env::split_paths(&path).map(|at| at.join("bpf"));
    if let Some(objects) = objects.find(|at| at.is_dir()) {
        command.env("LIBXDP_OBJECT_PATH", objects);
    }
    command.env("LD_LIBRARY_PATH", path);
}

/// The `LD_LIBRARY_PATH` with which an unpacked program finds its libraries. `None`: the program is not one of ours.
pub(crate) fn library_path(program: &Path) -> Option<OsString> {
    let inside = program.strip_prefix(folder()).ok()?;
    let root = folder().join(inside.components().next()?).join("root");
    let places = LIBRARIES.map(|at| root.join(at));
    let of_architectures = places.iter().filter_map(|at| fs::read_dir(at).ok());
    let of_architectures = of_architectures
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|at| at.to_string_lossy().contains("-linux-"));
    let told = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let told: Vec<_> = env::split_paths(&told).collect();
    env::join_paths(of_architectures.chain(places.iter().cloned()).chain(told)).ok()
}

/// Fetches a package, or several that belong together, by names and patterns with spaces between them, and what they
/// need that is not installed, and unpacks them into a folder named after the first. What was there of it is replaced.
///
/// # Errors
/// The package lists do not know it, it cannot be fetched, or the disk is full.
pub(crate) fn unpack(package: &str) -> Result<()> {
    let mut plan = Command::new("apt-get");
    plan.args(["install", "--simulate", "--no-install-recommends"]);
    plan.args(package.split_whitespace());
    let package = package.split_whitespace().next().unwrap_or(package);
    let plan = said(plan.env("LC_ALL", "C"))?;
    let names = to_be_installed(&plan);
    check(!names.is_empty(), || {
        format!(
            "the package {package} is installed, and its programs are not in PATH or do not run: look with \
             `dpkg -L {package}`"
        )
    })?;
    let folder = folder().join(package);
    let doing = || format!("make {} anew", folder.display());
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).doing(doing()),
        _ => fs::create_dir_all(&folder).doing(doing())?,
    }
    run(Command::new("apt-get")
        .args(["download", "--quiet"])
        .args(names)
        .current_dir(&folder))?;
    let unfinished = folder.join("unfinished");
    let files: Vec<_> = fs::read_dir(&folder).doing(doing())?.flatten().collect();
    for file in files {
        run(Command::new("dpkg-deb")
            .arg("--extract")
            .arg(file.path())
            .arg(&unfinished))?;
        fs::remove_file(file.path()).doing(doing())?;
    }
    // Only now its programs can be found: what was broken off is no judge.
    fs::rename(&unfinished, folder.join("root")).doing(doing())
}

/// Fetches a package of Python's index, and what it needs. What was there of it is replaced.
///
/// # Errors
/// There is no `pip`, or the package cannot be fetched.
pub(crate) fn from_python_index(package: &str, version: &str) -> Result<()> {
    let folder = folder().join(package);
    let doing = || format!("make {} anew", folder.display());
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).doing(doing()),
        _ => fs::create_dir_all(&folder).doing(doing())?,
    }
    let unfinished = folder.join("unfinished");
    run(need::command("python3")
        .args(["-m", "pip", "install", "--quiet", "--target"])
        .arg(&unfinished)
        .arg(format!("{package}=={version}")))?;
    fs::rename(&unfinished, folder.join("root")).doing(doing())
}

/// The packages that `apt-get install --simulate` would install: `Inst NAME (VERSION ...)`.
fn to_be_installed(plan: &str) -> Vec<&str> {
    let lines = plan.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines
        .filter_map(|rest| rest.split_whitespace().next())
        .collect()
}

/// `judges` of the build tree that this program is in: cargo marks the tree's top with a file.
fn folder() -> PathBuf {
    let program = this_program().unwrap_or_default();
    let mut above = program.ancestors();
    let tree = above.find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let tree = tree.map_or_else(|| workspace().join("target"), Path::to_owned);
    tree.join("judges")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_is_what_would_be_installed() {
        let plan = "Suggested packages:\n  snmpd\n\
                    Inst libsnmp40 (5.9.3 Debian:12 [amd64])\n\
                    Inst libxml2 [2.9.14] (2.9.15 Debian:12 [amd64])\n\
                    Inst lldpd (1.0.16-1 Debian:12 [amd64])\n\
                    Conf libsnmp40 (5.9.3 Debian:12 [amd64])\n";
        assert_eq!(to_be_installed(plan), ["libsnmp40", "libxml2", "lldpd"]);
    }

    #[test]
    fn only_an_unpacked_program_gets_other_libraries() {
        assert_eq!(library_path(Path::new("/usr/sbin/lldpd")), None);
        let root = folder().join("some/root");
        let path = library_path(&root.join("usr/sbin/judge")).unwrap();
        assert!(env::split_paths(&path).any(|at| at == root.join("usr/lib")));
    }
}
