//! What the judges need, and how it gets onto a machine. The only place that ever installs.

use crate::binaries::{run, said};
use crate::error::{Result, check};
use crate::need::{command, find_program};
use crate::unpacked;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// One program that is not ours.
struct Judge {
    /// Its Debian and Ubuntu package.
    package: &'static str,
    /// The file that shows it is there.
    program: &'static str,
    /// Who asks for it.
    used_by: &'static str,
    way: Way,
}

/// What `cargo lab bench` measures us against. Open vSwitch and DPDK make users and start daemons: they are unpacked.
const PEERS: &[Judge] = &[
    Judge {
        package: "iproute2",
        program: "ip",
        used_by: "bench: lays cables, makes bridges",
        way: Way::Install,
    },
    Judge {
        package: "iproute2",
        program: "bridge",
        used_by: "bench: the Linux bridge",
        way: Way::Install,
    },
    Judge {
        package: "util-linux",
        program: "setpriv",
        used_by: "bench: our switch as a user who may lock no memory",
        way: Way::Install,
    },
    Judge {
        package: OPEN_VSWITCH,
        program: "ovs-vsctl",
        used_by: "bench: Open vSwitch in user space",
        way: Way::Unpack,
    },
    Judge {
        package: OPEN_VSWITCH,
        program: "dpdk-testpmd",
        used_by: "bench: DPDK's reflector",
        way: Way::Unpack,
    },
];

/// Open vSwitch with and without DPDK, testpmd, and the drivers in use: one tree, since they share libraries. Names
/// with the version in them are found by pattern.
const OPEN_VSWITCH: &str = "openvswitch-switch-dpdk dpdk-dev ^librte-net-af-packet[0-9]+$ ^librte-net-af-xdp[0-9]+$ \
                            ^librte-mempool-ring[0-9]+$ ^librte-bus-vdev[0-9]+$";

/// How its package gets here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Installed, for it brings programs and nothing that runs by itself.
    Install,
    /// Unpacked in the build tree, not installed: see [`unpacked`].
    Unpack,
    /// A package of Python's own index, in this version, with what it needs, put into the build tree.
    Python(&'static str),
}

impl Judge {
    /// Where it is, if it is there; and runs, if it is one that may be unpacked: a library it needs may have gone
    /// since.
    fn find(&self) -> Option<PathBuf> {
        let found = find_program(self.program)?;
        let is_good = match self.way {
            Way::Install => true,
            Way::Unpack => ["-v", "--version", "--help"]
                .iter()
                .any(|word| said(command(self.program).arg(word)).is_ok()),
            Way::Python(_) => true,
        };
        is_good.then_some(found)
    }
}

/// All of them. A new judge is one more line.
const JUDGES: &[Judge] = &[
    Judge {
        package: "tshark",
        program: "tshark",
        used_by: "judge-tshark: our bits mean what others think they mean",
        way: Way::Install,
    },
    Judge {
        package: "iperf3",
        program: "iperf3",
        used_by: "judge-iperf3: TCP with offloads, beside a Linux bridge",
        way: Way::Install,
    },
    Judge {
        package: "ethtool",
        program: "ethtool",
        used_by: "judge-iperf3: the guests' offloads are on",
        way: Way::Install,
    },
    Judge {
        package: "iproute2",
        program: "ip",
        used_by: "doctor: the commands that findings name",
        way: Way::Install,
    },
    Judge {
        package: "nftables",
        program: "nft",
        used_by: "judge-nftables: access lists; doctor: the commands that findings name",
        way: Way::Install,
    },
    Judge {
        package: "procps",
        program: "sysctl",
        used_by: "doctor: the commands that findings name",
        way: Way::Install,
    },
    Judge {
        package: "python3",
        program: "python3",
        used_by: "judge-tiny-iv: a second interface virtualizer, which shares no code with ours",
        way: Way::Install,
    },
    Judge {
        package: "lldpd",
        program: "lldpd",
        used_by: "judge-lldp: what we announce is what others hear",
        way: Way::Unpack,
    },
    Judge {
        package: "lldpd",
        program: "lldpcli",
        used_by: "judge-lldp: asks lldpd",
        way: Way::Unpack,
    },
    Judge {
        package: "ntc-templates",
        program: "textfsm",
        used_by: "judge-ntc-templates: shows are read by programs that read such switches",
        way: Way::Python("9.3.0"),
    },
    Judge {
        package: "dpkg",
        program: "dpkg-deb",
        used_by: "packages: takes them apart",
        way: Way::Install,
    },
    Judge {
        package: "systemd",
        program: "systemd-analyze",
        used_by: "packages: judges the units",
        way: Way::Install,
    },
    Judge {
        package: "util-linux",
        program: "setpriv",
        used_by: "packages: runs what a unit says with its capabilities",
        way: Way::Install,
    },
    Judge {
        package: "valgrind",
        program: "valgrind",
        used_by: "instructions: what a frame costs, whatever else the machine does",
        way: Way::Install,
    },
];

/// Gets what is missing, with `bench` also what that needs, as root on Debian or Ubuntu; elsewhere says what to install.
///
/// # Errors
/// The package manager fails, or what it brought does not hold the program.
pub(crate) fn setup(bench: bool) -> Result<()> {
    let mut missing = Vec::new();
    let peers = if bench { PEERS } else { &[] };
    for judge in JUDGES.iter().chain(peers) {
        let there = judge.find();
        let state = there.as_ref().map(|path| path.display().to_string());
        let state = state.unwrap_or_else(|| "missing".to_owned());
        println!("{:<12} {state:<24} {}", judge.program, judge.used_by);
        if there.is_none() {
            missing.push(judge);
        }
    }
    if bench {
        set_huge_pages_aside();
    }
    if missing.is_empty() {
        println!("nothing to install");
        return Ok(());
    }
    // Of any system, and of anybody: it is the build tree that they are put into.
    for judge in &missing {
        if let Way::Python(version) = judge.way {
            unpacked::from_python_index(judge.package, version)?;
        }
    }
    missing.retain(|judge| judge.find().is_none());
    if missing.is_empty() {
        return Ok(());
    }
    let [to_install, to_unpack] = [Way::Install, Way::Unpack].map(|way| packages(&missing, way));
    let is_root = rustix::process::geteuid().is_root();
    if let Some(advice) = System::here().advice(is_root, &to_install, &to_unpack) {
        println!("{advice}");
        return Ok(());
    }
    with_package_lists(|| {
        if !to_install.is_empty() {
            install(&to_install)?;
        }
        to_unpack
            .iter()
            .try_for_each(|package| unpacked::unpack(package))
    })?;
    for judge in missing {
        check(judge.find().is_some(), || {
            format!(
                "the package {} is here, and there is no {} in it that runs: look with `dpkg -L {}`",
                judge.package, judge.program, judge.package
            )
        })?;
    }
    Ok(())
}

/// Pages of memory that DPDK wants for itself, of 2 MiB each.
pub(crate) const HUGE_PAGES: u64 = 600;

/// How many of them are free.
pub(crate) fn huge_pages() -> u64 {
    memory("HugePages_Free:")
}

fn memory(what: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(what));
    line.and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// Sets them aside, until the machine is started anew; without them DPDK is not measured, and is named as missing.
/// Whether enough are free, now or soon. Where there are not so many at all, nobody is waited for.
pub(crate) fn has_huge_pages_within(patience: Duration) -> bool {
    let end = Instant::now() + patience;
    loop {
        if huge_pages() >= HUGE_PAGES {
            return true;
        }
        if memory("HugePages_Total:") < HUGE_PAGES || Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn set_huge_pages_aside() {
    if huge_pages() < HUGE_PAGES {
        let set = fs::write("/proc/sys/vm/nr_hugepages", HUGE_PAGES.to_string());
        if let Err(error) = set {
            println!("huge pages for DPDK cannot be set aside: {error}");
        }
    }
    println!(
        "huge pages   {} free                  bench: DPDK; given back with `sysctl -w vm.nr_hugepages=0`",
        huge_pages()
    );
}

/// The packages of those that come this way, each once.
fn packages(judges: &[&Judge], way: Way) -> Vec<&'static str> {
    let of_way = judges.iter().filter(|judge| judge.way == way);
    let mut packages: Vec<_> = of_way.map(|judge| judge.package).collect();
    packages.dedup();
    packages
}

/// Does what needs package lists, with new ones if there are none, or old ones do not do.
fn with_package_lists(get: impl Fn() -> Result<()>) -> Result<()> {
    let update = || run(apt().args(["update", "--quiet"]));
    // A fresh container image has no package lists at all; those of an old one name files that are gone.
    if !package_lists_are_there() {
        update()?;
    } else if let Err(error) = get() {
        println!("{error}; once more, with new package lists");
        update()?;
    } else {
        return Ok(());
    }
    get()
}

fn install(packages: &[&str]) -> Result<()> {
    run(apt()
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(packages))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
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

    /// What to say in place of getting the packages. `None`: get them.
    fn advice(&self, is_root: bool, to_install: &[&str], to_unpack: &[&str]) -> Option<String> {
        let all = [to_install, to_unpack].concat().join(" ");
        match (self.has_apt, is_root) {
            (true, true) => None,
            (true, false) => {
                let install = format!(
                    "installs it with `apt-get install {}`",
                    to_install.join(" ")
                );
                let unpack = format!("unpacks {} with `cargo lab setup`", to_unpack.join(" "));
                let ways = [(to_install, install), (to_unpack, unpack)];
                let ways = ways
                    .into_iter()
                    .filter(|(packages, _)| !packages.is_empty());
                let ways: Vec<_> = ways.map(|(_, way)| way).collect();
                let ways = ways.join(", and ");
                Some(format!("not root, so nothing is installed; root {ways}"))
            }
            (false, _) => Some(format!(
                "setup installs on Debian and Ubuntu only, and not on {}: install these with its package \
                 manager (Debian's names): {all}",
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
    fn setup_gets_what_scenarios_need_and_nothing_else() {
        let installed: BTreeSet<_> = JUDGES.iter().map(|judge| judge.program).collect();
        assert_eq!(installed, needed());
    }

    #[test]
    fn what_the_judges_call_is_what_they_say_they_need() {
        let sources = [
            include_str!("scenario/judges.rs"),
            include_str!("iperf3.rs"),
            include_str!("scenario/templates.rs"),
            include_str!("scenario/tiny_iv.rs"),
            include_str!("scenario/lldp.rs"),
            include_str!("scenario/lldpd.rs"),
            include_str!("scenario/packages.rs"),
            include_str!("scenario/nftables.rs"),
            include_str!("instructions.rs"),
        ]
        .concat();
        let calls = ["Command::new(\"", "command(\""].map(|call| sources.split(call).skip(1));
        let calls = calls.into_iter().flatten();
        let mut called: BTreeSet<_> = calls.filter_map(|rest| rest.split('"').next()).collect();
        // What findings name is run by a shell.
        let findings = [
            include_str!("scenario/doctor.rs"),
            include_str!("../../doctor/src/judge/device.rs"),
        ]
        .concat();
        let mends = ["ip", "nft", "sysctl"];
        called.extend(
            mends
                .iter()
                .filter(|mend| findings.contains(&format!("\"{mend} "))),
        );
        assert_eq!(called, needed());
    }

    #[test]
    fn only_root_of_debian_and_ubuntu_is_installed_for() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n";
        let ubuntu = "PRETTY_NAME=\"Ubuntu 24.04 LTS\"\nID=ubuntu\nID_LIKE=debian\n";
        let mint = "NAME='Linux Mint'\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        for text in [debian, ubuntu, mint] {
            assert_eq!(System::parse(text).advice(true, &["iperf3"], &[]), None);
            let said = System::parse(text).advice(false, &["iperf3", "tshark"], &[]);
            let said = said.unwrap();
            assert!(said.ends_with("root installs it with `apt-get install iperf3 tshark`"));
            let said = System::parse(text).advice(false, &[], &["lldpd"]);
            assert!(
                said.unwrap()
                    .ends_with("root unpacks lldpd with `cargo lab setup`")
            );
        }
        let fedora = "PRETTY_NAME=\"Fedora Linux 40\"\nID=fedora\nVERSION_ID=40\n";
        for (text, name) in [(fedora, "Fedora Linux 40"), ("", "this system")] {
            for is_root in [false, true] {
                let said = System::parse(text).advice(is_root, &["iperf3", "tshark"], &["lldpd"]);
                let said = said.unwrap();
                assert!(said.contains(name), "{said}");
                assert!(said.ends_with("iperf3 tshark lldpd"), "{said}");
            }
        }
    }
}
