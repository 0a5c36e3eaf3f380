//! What the judges need, and how it gets onto a machine. The only place that ever installs.

use crate::binaries::run;
use crate::error::Result;
use crate::need::find_program;
use std::fs;
use std::path::Path;
use std::process::Command;

/// One program that is not ours.
struct Judge {
    /// Its Debian and Ubuntu package.
    package: &'static str,
    /// The file that shows it is there.
    program: &'static str,
    /// Who asks for it.
    used_by: &'static str,
}

/// All of them. A new judge is one more line.
const JUDGES: &[Judge] = &[
    Judge {
        package: "tshark",
        program: "tshark",
        used_by: "judge-tshark: our bits mean what others think they mean",
    },
    Judge {
        package: "iperf3",
        program: "iperf3",
        used_by: "judge-iperf3: TCP with offloads, beside a Linux bridge",
    },
    Judge {
        package: "ethtool",
        program: "ethtool",
        used_by: "judge-iperf3: the guests' offloads are on",
    },
];

/// Installs what is missing, as root on Debian or Ubuntu; elsewhere says what to install.
///
/// # Errors
/// The package manager fails.
pub(crate) fn setup() -> Result<()> {
    let missing: Vec<_> = JUDGES
        .iter()
        .filter(|judge| find_program(judge.program).is_none())
        .collect();
    for judge in JUDGES {
        let there = find_program(judge.program);
        let state = there.map_or("missing".to_owned(), |path| path.display().to_string());
        println!("{:<12} {state:<24} {}", judge.program, judge.used_by);
    }
    if missing.is_empty() {
        println!("nothing to install");
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|judge| judge.package).collect();
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || find_program("apt-get").is_none() {
        println!(
            "install these with the system's package manager (names of Debian): {}",
            packages.join(" ")
        );
        return Ok(());
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    if !package_lists_are_there() {
        run(apt().args(["update", "--quiet"]))?;
    }
    run(apt()
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(&packages))
}

/// A fresh container image has no package lists at all.
fn package_lists_are_there() -> bool {
    fs::read_dir(Path::new("/var/lib/apt/lists")).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
    })
}
