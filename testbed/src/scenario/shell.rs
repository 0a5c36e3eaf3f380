//! A switch that is configured while it runs: from a shell, from scripts, and by nobody without the right to.

use crate::binaries::Binaries;
use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::error::{Doing, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use std::fs::{self, Permissions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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

    fn shell(&self, input: &str) -> Result<Said> {
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
    check(
        said.out == after && said.err.contains("not confirmed"),
        || format!("the next one who asks is not told: {said:?}"),
    )?;

    roles(&typist)?;
    let said = typist.exec(&[
        "copy running-config startup-config",
        "show running-config diff",
    ])?;
    check(said.done && said.out.is_empty(), || {
        format!("what is saved is another: {said:?}")
    })?;
    lab.daemon("vis")?.kill()?;
    lab.daemon("vis")?.restart()?;
    check(reaches(&lab, within)?, || {
        "what was saved is not what starts".into()
    })?;
    lab.check_alive()
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
