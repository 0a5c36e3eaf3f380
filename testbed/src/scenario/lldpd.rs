//! A running lldpd, installed or unpacked, that leaves no trace on the machine.

use crate::daemon::spawn_in;
use crate::error::{Doing, Result, check};
use crate::lab::Lab;
use crate::need;
use crate::sandbox;
use rustix::mount::mount_bind;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// The user and the group that its half without privileges becomes. Fixed when it is built, as is its folder.
const ACCOUNT: &str = "_lldpd";
/// Where that half locks itself up. `/run` is the lab's own.
const JAIL: &str = "/run/lldpd";
/// Numbers that may become the account's, if nobody has them.
const NUMBERS: std::ops::Range<u32> = 300..1000;

/// It has a socket of its own, and ends with this.
pub(super) struct Lldpd {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Lldpd {
    /// Starts it on a host's devices.
    ///
    /// # Errors
    /// It is not there, or has no place to live.
    pub(super) fn start(lab: &Lab, host: &str, devices: &[&str]) -> Result<Self> {
        lend_account()?;
        fs::create_dir_all(JAIL).doing("make a folder for lldpd")?;
        let folder = Path::new(sandbox::FOLDER);
        let (socket, log) = (folder.join("lldpd.sock"), folder.join("lldpd.log"));
        let output = File::create(&log).doing(format!("write {}", log.display()))?;
        let mut command = need::command("lldpd");
        command
            .args(["-d", "-I", &devices.join(",")])
            // No file of the machine's.
            .args(["-O", "/run/lab/no-lldpd.conf"])
            .arg("-L")
            .arg(need::find_program("lldpcli").unwrap_or_default())
            .arg("-u")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(output.try_clone().doing("share a log")?)
            .stderr(output);
        let child = spawn_in(&lab.host(host)?.netns, &mut command)?;
        Ok(Self { child, socket, log })
    }

    /// Has it speak every second: its interval of 30 s is too long to wait for.
    pub(super) fn hurry(&self) -> Result<()> {
        self.ask(&["configure", "lldp", "tx-interval", "1"])
            .map(drop)
    }

    /// Who it has heard, a line for each thing it knows.
    pub(super) fn neighbours(&self) -> Result<String> {
        self.ask(&["-f", "keyvalue", "show", "neighbors"])
    }

    /// What it wrote while it ran.
    pub(super) fn read_log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn ask(&self, words: &[&str]) -> Result<String> {
        let mut command = need::command("lldpcli");
        command.arg("-u").arg(&self.socket).args(words);
        let output = command.stdin(Stdio::null()).output().doing("run lldpcli")?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }
}

impl Drop for Lldpd {
    fn drop(&mut self) {
        // Its helper ends with it, and the sandbox's end would end both.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the machine knows no such user or group, the lab does: copies of the files with one line more lie over
/// them, in the lab's mount namespace alone.
fn lend_account() -> Result<()> {
    let read = |file: &str| fs::read_to_string(file).doing(format!("read {file}"));
    let (users, groups) = (read("/etc/passwd")?, read("/etc/group")?);
    let Some(number) = free_number([&users, &groups]) else {
        return check(false, || format!("no number is free for {ACCOUNT}"));
    };
    let user = format!("x:{number}:{number}::{JAIL}:/usr/sbin/nologin");
    let group = format!("x:{number}:");
    for (file, name, text, rest) in [
        ("/etc/passwd", "passwd", users, user),
        ("/etc/group", "group", groups, group),
    ] {
        let Some(text) = with_account(&text, &rest) else {
            continue;
        };
        let ours = Path::new(sandbox::FOLDER).join(name);
        fs::write(&ours, text).doing(format!("write {}", ours.display()))?;
        mount_bind(&ours, file).doing(format!("lay {} over {file}", ours.display()))?;
    }
    Ok(())
}

/// A number that is in the third column of neither file.
fn free_number(files: [&str; 2]) -> Option<u32> {
    let taken = |number: &u32| {
        let number = number.to_string();
        let mut lines = files.iter().flat_map(|text| text.lines());
        lines.any(|line| line.split(':').nth(2) == Some(&number))
    };
    NUMBERS.rev().find(|number| !taken(number))
}

/// The file with a line for the account, unless it has one: `None`.
fn with_account(text: &str, rest: &str) -> Option<String> {
    let has_it = text
        .lines()
        .any(|line| line.split(':').next() == Some(ACCOUNT));
    (!has_it).then(|| format!("{}\n{ACCOUNT}:{rest}\n", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_lent_only_where_there_is_none() {
        let root = "root:x:0:0:root:/root:/bin/bash";
        for text in [root.to_owned(), format!("{root}\n")] {
            let lent = with_account(&text, "x:999:").unwrap();
            assert_eq!(lent, format!("{root}\n_lldpd:x:999:\n"));
            assert_eq!(with_account(&lent, "x:998:"), None);
        }
        assert!(with_account("_lldpd2:x:5:\n", "x:999:").is_some());
    }

    #[test]
    fn the_number_of_an_account_is_nobodys() {
        let users = "a:x:999:999::/:/bin/sh\n+nis\n";
        assert_eq!(free_number([users, "b:x:998:\nc:x:9:997\n"]), Some(997));
        assert_eq!(free_number(["", ""]), Some(999));
        let full: String = NUMBERS.map(|n| format!("u:x:{n}:\n")).collect();
        assert_eq!(free_number([&full, ""]), None);
    }
}
