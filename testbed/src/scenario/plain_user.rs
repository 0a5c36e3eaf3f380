//! The demo for a user who has nothing, and what it leaves behind when it is interrupted.

use crate::binaries::Binaries;
use crate::error::{Doing, LabError, Result, check};
use crate::report::Report;
use crate::sandbox;
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `nobody`, on all systems we know.
const NOBODY: u32 = 65_534;
/// What the demo may take, programs built.
const DEMO_WITHIN: Duration = Duration::from_secs(120);
/// How long the kernel may take to end what lived in a pid namespace.
const GONE_WITHIN: Duration = Duration::from_secs(3);

/// The demo as `nobody`, with no environment at all, and so no `PATH`; once to its end, once
/// interrupted, once killed.
pub(super) fn plain_user(binaries: &Binaries, report: &Report) -> Result<()> {
    // The user's own lab covers /run. Everything here is gone with this scenario's mounts.
    let folder = PathBuf::from("/mnt");
    let safe = MountFlags::NOSUID | MountFlags::NODEV;
    mount("programs", &folder, "tmpfs", safe, Some(c"mode=0755")).doing("make a folder")?;
    let testbed = sandbox::this_program()?;
    for (from, name) in [
        (testbed, "testbed"),
        (binaries.path("iv"), "iv"),
        (binaries.path("vis"), "vis"),
    ] {
        let to = folder.join(name);
        fs::copy(&from, &to).doing(format!("copy {}", from.display()))?;
        fs::set_permissions(&to, Permissions::from_mode(0o755)).doing("let others run it")?;
    }

    let started = Instant::now();
    let log = folder.join("whole");
    let mut demo = start(&folder, &log)?;
    while demo.try_wait().doing("wait for the demo")?.is_none() {
        if started.elapsed() > DEMO_WITHIN {
            // The check below says so.
            let _ = demo.kill();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let status = demo.wait().doing("wait for the demo")?;
    let said = fs::read_to_string(&log).unwrap_or_default();
    check(status.success(), || {
        format!("the demo ended with {status}:\n{said}")
    })?;
    report.figure(
        "the demo as `nobody`, without PATH",
        format!("{:.1} s", started.elapsed().as_secs_f64()),
    );
    check_gone("its end", report)?;

    for (signal, name) in [(Signal::INT, "Ctrl-C"), (Signal::KILL, "kill -9")] {
        let log = folder.join(name);
        let mut demo = start(&folder, &log)?;
        wait_until_daemons_run(&log)?;
        let pid = i32::try_from(demo.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| LabError::Check("a process without a number".to_owned()))?;
        kill_process(pid, signal).doing("interrupt the demo")?;
        demo.wait().doing("wait for the demo")?;
        check_gone(name, report)?;
    }
    Ok(())
}

fn start(folder: &Path, log: &Path) -> Result<Child> {
    let file = File::create(log).doing("make a log")?;
    Command::new(folder.join("testbed"))
        .arg("demo")
        .arg("--built")
        .arg(folder)
        .env_clear()
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(file.try_clone().doing("share a log")?)
        .stdout(file)
        .spawn()
        .doing("start the demo as another user")
}

/// The demo is in the middle of its proofs when the first figure is out.
fn wait_until_daemons_run(log: &Path) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let said = fs::read_to_string(log).unwrap_or_default();
        if said.contains("ping-matrix") {
            return Ok(());
        }
        check(Instant::now() < end, || {
            format!("the demo did not begin:\n{said}")
        })?;
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Every process of that user is gone: with the last one of a namespace go its devices and mounts.
fn check_gone(after: &str, report: &Report) -> Result<()> {
    let end = Instant::now() + GONE_WITHIN;
    loop {
        let left: Vec<_> = fs::read_dir("/proc")
            .doing("list processes")?
            .flatten()
            .filter(|entry| entry.metadata().is_ok_and(|m| m.uid() == NOBODY))
            .filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
            // A zombie is gone, and waits for the scenario, the first process here, to notice.
            .filter(|status| !status.contains("\nState:\tZ"))
            .filter_map(|status| status.lines().next().map(str::to_owned))
            .collect();
        if left.is_empty() {
            report.figure(&format!("processes left behind after {after}"), 0);
            return Ok(());
        }
        check(Instant::now() < end, || {
            format!("left behind after {after}: {left:?}")
        })?;
        std::thread::sleep(Duration::from_millis(20));
    }
}
