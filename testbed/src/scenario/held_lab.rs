//! A lab that stays, when a daemon in it dies.

use crate::binaries::Binaries;
use crate::error::{Doing, LabError, Result, check};
use crate::report::Report;
use crate::sandbox;
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long each step may take; the keeper looks after its daemons every second.
const WITHIN: Duration = Duration::from_secs(15);

/// The commands of a user whose runtime folder is this one.
pub(super) struct User {
    pub(super) runtime: PathBuf,
    built: PathBuf,
}

impl User {
    /// One who has nothing yet. Inside the sandbox only.
    pub(super) fn new(binaries: &Binaries) -> Result<Self> {
        // The lab covers /run. This is gone with the scenario's mounts.
        let runtime = PathBuf::from("/mnt");
        let safe = MountFlags::NOSUID | MountFlags::NODEV;
        mount("runtime", &runtime, "tmpfs", safe, Some(c"mode=0700")).doing("make a folder")?;
        Ok(Self {
            runtime,
            built: binaries.folder().to_owned(),
        })
    }

    pub(super) fn command(&self, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(sandbox::this_program()?);
        command
            .arg("--built")
            .arg(&self.built)
            .args(words)
            .env_clear()
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .stdin(Stdio::null());
        Ok(command)
    }

    pub(super) fn run(&self, words: &[&str]) -> Result<Output> {
        let said = self.command(words)?.output();
        said.doing(format!("run `cargo lab {}`", words.join(" ")))
    }

    /// Runs what must succeed; what it prints.
    pub(super) fn good(&self, words: &[&str]) -> Result<String> {
        let output = self.run(words)?;
        check(output.status.success(), || {
            format!("`cargo lab {}`: {}", words.join(" "), errors(&output))
        })?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it again until its end is to the liking.
    pub(super) fn until(&self, words: &[&str], good: impl Fn(&Output) -> bool) -> Result<Output> {
        let end = Instant::now() + WITHIN;
        loop {
            let output = self.run(words)?;
            if good(&output) {
                return Ok(output);
            }
            check(Instant::now() < end, || {
                format!("`cargo lab {}`: {output:?}", words.join(" "))
            })?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

pub(super) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Kills a daemon of a lab that is up: the lab stays, its log and every command say so with a command that
/// starts it again, until that was done. `down` leaves no file.
pub(super) fn held_lab(binaries: &Binaries, report: &Report) -> Result<()> {
    let user = User::new(binaries)?;
    let runtime = user.runtime.clone();
    let look = ["exec", "vis", "show", "interface"];

    let up = user.run(&["up"])?;
    check(up.status.success(), || format!("`up`: {}", errors(&up)))?;
    let before = user.run(&look)?;
    check(before.status.success() && before.stderr.is_empty(), || {
        format!("all is well, and `exec` says {}", errors(&before))
    })?;

    kill_process(the_iv_of_h1()?, Signal::KILL).doing("kill an `iv`")?;
    let told = user.until(&look, |output| !output.stderr.is_empty())?;
    let sentence = errors(&told);
    let again = "iv run --config /run/lab/h1/iv.conf";
    let expected =
        format!("iv of h1 has ended (signal 9); start it again with: cargo lab exec h1 {again}\n");
    check(told.status.success() && sentence == expected, || {
        format!(
            "with an `iv` dead, `exec` ends with {} and says {sentence}",
            told.status
        )
    })?;
    let log =
        fs::read_to_string(runtime.join("niv-lab/two-boxes/log")).doing("read the lab's log")?;
    check(log.contains(&expected), || format!("the log says {log}"))?;
    let up = user.run(&["up"])?;
    check(errors(&up).starts_with(&expected), || {
        format!("with a lab up, `up` says {}", errors(&up))
    })?;
    report.figure(
        "an `iv` that died",
        "the lab stays, log, exec and up say so",
    );

    // As it was said, without the words `cargo lab`.
    let words: Vec<_> = ["exec", "h1"].into_iter().chain(again.split(' ')).collect();
    let mut revived = user.command(&words)?;
    let revived = revived.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut revived = revived.doing("start the `iv` again")?;
    user.until(&["exec", "h1", "iv", "show"], |output| {
        output.status.success()
    })?;
    let after = user.run(&look)?;
    check(after.stderr.is_empty(), || {
        format!("the `iv` is back, and `exec` says {}", errors(&after))
    })?;
    report.figure(
        "started again with the command it names",
        "nothing more is said",
    );

    let down = user.run(&["down"])?;
    check(down.status.success(), || {
        format!("`down`: {}", errors(&down))
    })?;
    // It was in the lab, and went with it.
    revived.wait().doing("wait for the `iv`")?;
    let left = fs::read_dir(&runtime)
        .doing("list the runtime folder")?
        .count();
    check(left == 0, || format!("`down` left {left} files or folders"))?;
    report.figure("files left behind by `down`", left);
    Ok(())
}

/// Its number here: the lab of `up` is inside this scenario's, and nobody else has one in here.
fn the_iv_of_h1() -> Result<Pid> {
    let is_it = |folder: &Path| {
        let line = fs::read_to_string(folder.join("cmdline")).unwrap_or_default();
        line.contains("/run/lab/h1/iv.conf")
    };
    fs::read_dir("/proc")
        .doing("list processes")?
        .flatten()
        .filter(|entry| is_it(&entry.path()))
        .find_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .ok_or_else(|| LabError::Check("no `iv` runs on h1".to_owned()))
}
