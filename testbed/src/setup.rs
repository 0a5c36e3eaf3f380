//! What the judges need, and how it gets onto a machine. The only place that ever installs.

use crate::binaries::run;
use crate::error::{Result, check};
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
    Judge {
        package: "python3",
        program: "python3",
        used_by: "judge-tiny-iv: a second interface virtualizer, which shares no code with ours",
    },
    Judge {
        package: "lldpd",
        program: "lldpd",
        used_by: "judge-lldp: what we announce is what others hear",
    },
    Judge {
        package: "lldpd",
        program: "lldpcli",
        used_by: "judge-lldp: asks lldpd",
    },
    Judge {
        package: "valgrind",
        program: "valgrind",
        used_by: "instructions: what a frame costs, whatever else the machine does",
    },
];

/// Installs what is missing, as root on Debian or Ubuntu; elsewhere says what to install.
///
/// # Errors
/// The package manager fails, or what it installed does not bring the program.
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
    if let Some(advice) = System::here().advice(is_root, &packages) {
        println!("{advice}");
        return Ok(());
    }
    install(&packages)?;
    for judge in missing {
        check(find_program(judge.program).is_some(), || {
            format!(
                "the package {} is installed, and there is no {} in PATH: look with `dpkg -L {}`",
                judge.package, judge.program, judge.package
            )
        })?;
    }
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let update = || run(apt().args(["update", "--quiet"]));
    let install = || {
        run(apt()
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(packages))
    };
    // A fresh container image has no package lists at all; those of an old one name files that are gone.
    if !package_lists_are_there() {
        update()?;
    } else if install().is_ok() {
        return Ok(());
    } else {
        println!("once more, with new package lists");
        update()?;
    }
    install()
}

fn package_lists_are_there() -> bool {
    fs::read_dir(Path::new("/var/lib/apt/lists")).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
    })
}

/// The operating system, as far as installing goes.
#[derive(Debug, PartialEq, Eq)]
struct System {
    /// As it calls itself.
    name: String,
    /// Its packages are Debian's, or named like them, and `apt-get` installs them.
    has_apt: bool,
}

impl System {
    fn here() -> Self {
        let text = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|file| fs::read_to_string(file).ok());
        let told = Self::parse(&text.unwrap_or_default());
        Self {
            has_apt: told.has_apt && find_program("apt-get").is_some(),
            ..told
        }
    }

    /// Of the text of `os-release` (its manual page, os-release(5)).
    fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let of_key = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
            let value = text.lines().find_map(of_key)?;
            Some(value.trim().trim_matches(['"', '\'']).to_owned())
        };
        let ids = [value("ID"), value("ID_LIKE")].map(Option::unwrap_or_default);
        let mut ids = ids.iter().flat_map(|ids| ids.split_whitespace());
        Self {
            has_apt: ids.any(|id| ["debian", "ubuntu"].contains(&id)),
            name: value("PRETTY_NAME")
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| "this system".to_owned()),
        }
    }

    /// What to say in place of installing. `None`: install.
    fn advice(&self, is_root: bool, packages: &[&str]) -> Option<String> {
        let packages = packages.join(" ");
        match (self.has_apt, is_root) {
            (true, true) => None,
            (true, false) => Some(format!(
                "not root, so nothing is installed; root installs it with `apt-get install {packages}`"
            )),
            (false, _) => Some(format!(
                "setup installs on Debian and Ubuntu only, and not on {}: install these with its package \
                 manager (Debian's names): {packages}",
                self.name
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::need::Need;
    use crate::scenario::SCENARIOS;
    use std::collections::BTreeSet;

    /// The programs that scenarios say they need.
    fn needed() -> BTreeSet<&'static str> {
        let needs = SCENARIOS.iter().flat_map(|scenario| scenario.needs);
        let needs = needs.chain([&crate::instructions::VALGRIND]);
        needs
            .filter_map(|need| match need {
                Need::Tool(name) => Some(*name),
                Need::Root => None,
            })
            .collect()
    }

    #[test]
    fn setup_installs_what_scenarios_need_and_nothing_else() {
        let installed: BTreeSet<_> = JUDGES.iter().map(|judge| judge.program).collect();
        assert_eq!(installed, needed());
    }

    #[test]
    fn what_the_judges_call_is_what_they_say_they_need() {
        let sources = [
            include_str!("scenario/judges.rs"),
            include_str!("scenario/tiny_iv.rs"),
            include_str!("scenario/lldp.rs"),
            include_str!("instructions.rs"),
        ]
        .concat();
        let calls = ["Command::new(\"", "command(\""].map(|call| sources.split(call).skip(1));
        let calls = calls.into_iter().flatten();
        let called: BTreeSet<_> = calls.filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(called, needed());
    }

    #[test]
    fn only_root_of_debian_and_ubuntu_is_installed_for() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n";
        let ubuntu = "PRETTY_NAME=\"Ubuntu 24.04 LTS\"\nID=ubuntu\nID_LIKE=debian\n";
        let mint = "NAME='Linux Mint'\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        for text in [debian, ubuntu, mint] {
            assert_eq!(System::parse(text).advice(true, &["iperf3"]), None);
            let said = System::parse(text).advice(false, &["iperf3", "tshark"]);
            assert!(said.unwrap().contains("`apt-get install iperf3 tshark`"));
        }
        let fedora = "PRETTY_NAME=\"Fedora Linux 40\"\nID=fedora\nVERSION_ID=40\n";
        for (text, name) in [(fedora, "Fedora Linux 40"), ("", "this system")] {
            for is_root in [false, true] {
                let said = System::parse(text).advice(is_root, &["iperf3", "tshark"]);
                let said = said.unwrap();
                assert!(said.contains(name), "{said}");
                assert!(said.ends_with("iperf3 tshark"), "{said}");
            }
        }
    }
}
