//! A switch that is configured while it runs: from a shell, from scripts, and by nobody without the right to.

use crate::binaries::Binaries;
use crate::daemon::Daemon;
use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::error::{Doing, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use crate::sandbox;
use rustix::mount::{MountFlags, mount, mount_remount};
use std::fs::{self, Permissions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// One port; the other one is typed.
const VIS: &str = "hostname vis-1\ninterface ethernet 1\n  device p1\n";
const TYPED: &str = "configure terminal\nvlan 10\ninterface ethernet 1\n  sw access vlan 10\n\
    interface ethernet 2\n  switchport access vlan 10\n  device p2\nend\nshow vlan | include ^10\n";
/// Seconds in which nobody confirms.
const CONFIRM: u64 = 3;
/// A user without an account's rights: `nobody`.
const NOBODY: u32 = 65534;

/// Somebody types at the switch.
pub(super) struct Typist {
    program: PathBuf,
    socket: PathBuf,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) out: String,
    pub(super) err: String,
    pub(super) done: bool,
}

impl Typist {
    pub(super) fn of(binaries: &Binaries, socket: &Path) -> Self {
        Self {
            program: binaries.path("vis"),
            socket: socket.to_owned(),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).arg("--socket").arg(&self.socket);
        command
    }

    fn say(mut command: Command, input: &str) -> Result<Said> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().doing("start vis")?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends early does not read all of it.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().doing("wait for vis")?;
        let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        Ok(Said {
            out: text(output.stdout),
            err: text(output.stderr),
            done: output.status.success(),
        })
    }

    pub(super) fn shell(&self, input: &str) -> Result<Said> {
        Self::say(self.command(&["shell"]), input)
    }

    pub(super) fn exec(&self, lines: &[&str]) -> Result<Said> {
        let mut words = vec!["exec"];
        words.extend_from_slice(lines);
        Self::say(self.command(&words), "")
    }

    pub(super) fn exec_as(&self, uid: u32, lines: &[&str]) -> Result<Said> {
        let mut words = vec!["exec"];
        words.extend_from_slice(lines);
        let mut command = self.command(&words);
        command.uid(uid).gid(uid);
        Self::say(command, "")
    }
}

fn v4(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 10, number).into()
}

fn reaches(lab: &Lab, within: Duration) -> Result<bool> {
    let pair = Pair { from: 0, to: v4(2) };
    let patience = Patience {
        payload: 56,
        within,
        linger: Duration::from_millis(50),
    };
    let outcomes = ping_all(&[&lab.host("a")?.netns], &[pair], patience)?;
    Ok(outcomes.values().all(|outcome| outcome.is_clean()))
}

/// Types, commits, waits, and asks for what is not its to have.
pub(super) fn shell(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "a", "b"] {
        lab.add_host(name)?;
    }
    lab.cable(("a", "eth0"), ("vis", "p1"))?;
    lab.cable(("b", "eth0"), ("vis", "p2"))?;
    for (host, number) in [("a", 1), ("b", 2)] {
        lab.host(host)?.up("eth0")?;
        lab.host(host)?.address("eth0", v4(number))?;
    }
    lab.start("vis", "vis", VIS)?;
    let typist = Typist::of(binaries, lab.daemon("vis")?.socket());
    let within = Duration::from_secs(5);

    check(!reaches(&lab, Duration::from_millis(500))?, || {
        "frames pass a port that nobody has configured".into()
    })?;
    let said = typist.shell(TYPED)?;
    check(said.done && said.out.contains("Eth1, Eth2"), || {
        format!("{said:?}")
    })?;
    check(reaches(&lab, within)?, || {
        format!("no frame passes after it was typed: {said:?}")
    })?;
    report.figure("typed into `vis shell`", "frames pass");

    // A faulty line ends a script, and changes nothing.
    let before = typist.exec(&["show running-config"])?.out;
    let said = typist.shell("configure\nvlan 5000\nno interface ethernet 2\n")?;
    check(!said.done && said.err.contains("stdin:2:6"), || {
        format!("{said:?}")
    })?;
    let after = typist.exec(&["show running-config"])?.out;
    check(before == after, || format!("{before}\nis now\n{after}"))?;

    // A commit that cuts its own ground away comes back by itself.
    let confirmed = format!("commit confirmed {CONFIRM}");
    let lines = [
        "configure candidate",
        "interface ethernet 2",
        "shutdown",
        "show diff",
        &confirmed,
    ];
    let said = typist.exec(&lines)?;
    let diff = " interface ethernet2\n+  shutdown\n";
    check(said.done && said.out.contains(diff), || format!("{said:?}"))?;
    let begun = Instant::now();
    check(!reaches(&lab, Duration::from_millis(500))?, || {
        "frames pass a port that is shut".into()
    })?;
    check(
        reaches(&lab, Duration::from_secs(CONFIRM) + within)?,
        || "a commit that nobody confirmed stays".into(),
    )?;
    report.figure(
        "a commit nobody confirmed, taken back after",
        format!("{:.1?}", begun.elapsed()),
    );
    let said = typist.exec(&["show running-config"])?;
    check(said.out == after && said.err.is_empty(), || {
        format!("a script that looks on is told what it did not ask: {said:?}")
    })?;
    let said = typist.exec(&["configure", "end"])?;
    check(said.done && said.err.contains("not confirmed"), || {
        format!("the next one who configures is not told: {said:?}")
    })?;

    roles(&typist)?;
    a_disk_that_takes_nothing(&lab, &typist, report)?;
    let said = typist.exec(&[
        "copy running-config startup-config",
        "show running-config diff",
    ])?;
    check(said.done && said.out.is_empty(), || {
        format!("what is saved is another: {said:?}")
    })?;
    lab.daemon("vis")?.kill()?;
    let said = thread::scope(|scope| {
        let asked = scope.spawn(|| typist.exec(&["show version"]));
        // Until nobody answers it.
        thread::sleep(Duration::from_millis(100));
        let started = lab.daemon("vis").and_then(Daemon::restart);
        started.and(asked.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    check(said.done, || {
        format!("`vis exec` does not wait for a switch just started: {said:?}")
    })?;
    check(reaches(&lab, within)?, || {
        "what was saved is not what starts".into()
    })?;
    lab.check_alive()
}

/// The startup configuration cannot be written: it is told why, the file stays, and frames pass.
fn a_disk_that_takes_nothing(lab: &Lab, typist: &Typist, report: &Report) -> Result<()> {
    let disk = Path::new("/mnt");
    let safe = MountFlags::NOSUID | MountFlags::NODEV;
    mount("disk", disk, "tmpfs", safe, Some(c"size=64k,mode=0700")).doing("make a small disk")?;
    let file = Path::new(sandbox::FOLDER).join("vis/vis.conf");
    let there = disk.join("vis.conf");
    let before = fs::read(&file).doing("read the startup configuration")?;
    fs::write(&there, &before).doing("move the startup configuration")?;
    fs::remove_file(&file).doing("move the startup configuration")?;
    symlink(&there, &file).doing("move the startup configuration")?;

    let refused = |why: &str| -> Result<()> {
        let said = typist.exec(&["copy running-config startup-config"])?;
        check(!said.done && said.err.contains(why), || {
            format!("a disk takes nothing, and it is not said that {why}: {said:?}")
        })?;
        let now = fs::read(&there).doing("read the startup configuration")?;
        check(now == before, || {
            "a save that failed left another file".into()
        })?;
        check(reaches(lab, Duration::from_secs(5))?, || {
            "no frame passes after a save that failed".into()
        })?;
        report.figure("a save that fails", said.err.trim());
        Ok(())
    };
    let filler = disk.join("filler");
    let full = fs::write(&filler, vec![0; 1 << 20]);
    check(full.is_err(), || "the small disk never got full".into())?;
    refused("the disk is full: make room there")?;
    fs::remove_file(&filler).doing("make room")?;
    mount_remount(disk, safe | MountFlags::RDONLY, "").doing("make the disk read-only")?;
    refused("its file system is read-only")?;
    mount_remount(disk, safe, "").doing("make the disk writable")
}

/// Who has no role is told so; an operator looks and does not change.
fn roles(typist: &Typist) -> Result<()> {
    if let Some(folder) = typist.socket.parent() {
        let open = Permissions::from_mode(0o755);
        fs::set_permissions(folder, open).doing("open the folder of the socket")?;
    }
    let said = typist.exec(&["configure", "role operator user 4242"])?;
    check(said.done, || format!("{said:?}"))?;
    let said = typist.exec_as(NOBODY, &["show vlan"])?;
    check(!said.done && said.err.contains("no role"), || {
        format!("{said:?}")
    })?;
    let said = typist.exec(&["configure", "role operator user 65534"])?;
    check(said.done, || format!("{said:?}"))?;
    let said = typist.exec_as(NOBODY, &["show vlan"])?;
    check(said.done && said.out.contains("Eth1, Eth2"), || {
        format!("{said:?}")
    })?;
    for refused in [
        "configure",
        "copy running-config startup-config",
        "rollback 1",
    ] {
        let said = typist.exec_as(NOBODY, &[refused])?;
        check(!said.done && said.err.contains("role operator"), || {
            format!("an operator may `{refused}`: {said:?}")
        })?;
    }
    Ok(())
}
