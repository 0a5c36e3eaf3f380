//! The documents' own commands, run as they stand there: the README's quick start, and the steps of docs/deployment.md.

use crate::binaries::{Binaries, workspace};
use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::error::{Doing, LabError, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use crate::sandbox;
use packet_io::netns::NetNs;
use rustix::mount::{MountFlags, mount, mount_bind};
use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a daemon may take until it answers.
const WITHIN: Duration = Duration::from_secs(15);
/// What the README promises: two boxes are up in a minute.
const MINUTE: f64 = 60.0;

/// The commands of a document, with the line that says where they are typed.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    place: String,
    commands: String,
}

/// What answers to the name of `ping` on a machine that has none: whoever is asked says where it is (ARP), on the way there
/// and back through the switch. The address comes last.
const PING: &str = "#!/bin/bash\nto=${!#}\nfor i in 1 2 3 4 5 6 7 8 9 10; do\n  \
    echo x >/dev/udp/$to/9; sleep 0.3; ip neigh show $to | grep -q lladdr && exit 0\ndone\nexit 1\n";

impl Step {
    fn on_the_machine(commands: &str) -> Self {
        Self {
            place: String::new(),
            commands: commands.to_owned(),
        }
    }
}

/// The `sh` blocks below a heading, each with the last line of text before it.
fn steps(document: &str, heading: &str) -> Vec<Step> {
    let below = document.split_once(heading).map_or("", |(_, below)| below);
    let section = below.split("\n## ").next().unwrap_or_default();
    let mut steps = Vec::new();
    let mut place = "";
    let mut block: Option<String> = None;
    for line in section.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(commands), "```") => {
                steps.push(Step {
                    place: place.to_owned(),
                    commands: std::mem::take(commands),
                });
                block = None;
            }
            (Some(commands), line) => {
                commands.push_str(line);
                commands.push('\n');
            }
            (None, line) if !line.is_empty() => place = line,
            (None, _) => {}
        }
    }
    steps
}

fn document(name: &str) -> Result<String> {
    let path = workspace().join(name);
    fs::read_to_string(&path).doing(format!("read {}", path.display()))
}

/// A user's own folder, with a `cargo` in the path that knows `lab` only.
struct User {
    folder: PathBuf,
    path: String,
    has_ping: bool,
}

impl User {
    fn new(binaries: &Binaries) -> Result<Self> {
        let folder = PathBuf::from("/mnt");
        mount(
            "user",
            &folder,
            "tmpfs",
            MountFlags::NODEV,
            Some(c"mode=0700"),
        )
        .doing("make a folder")?;
        let testbed = sandbox::this_program()?;
        let (testbed, built) = (testbed.display(), binaries.folder().display());
        let script = format!("#!/bin/sh\nshift\nexec {testbed} --built {built} \"$@\"\n");
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{built}:{path}:/usr/sbin:/sbin", folder.display());
        let has_ping = std::env::split_paths(&path).any(|folder| folder.join("ping").is_file());
        let this = Self {
            folder,
            path,
            has_ping,
        };
        this.has_command("cargo", &script)?;
        if !has_ping {
            this.has_command("ping", PING)?;
        }
        Ok(this)
    }

    /// A command of the user's own.
    fn has_command(&self, name: &str, script: &str) -> Result<()> {
        let file = self.folder.join(name);
        fs::write(&file, script).doing(format!("write `{name}`"))?;
        fs::set_permissions(&file, Permissions::from_mode(0o755)).doing("let it run")
    }

    /// Types the commands of a step, on a box or on the machine; the first that fails ends it. What it leaves running goes
    /// with the sandbox.
    fn types(&self, step: &Step, netns: Option<&NetNs>) -> Result<String> {
        let log = self.folder.join("log");
        let out = fs::File::create(&log).doing("make a log")?;
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-e", "-c", &step.commands])
            .env_clear()
            .env("PATH", &self.path)
            .env("XDG_RUNTIME_DIR", &self.folder)
            .stdin(Stdio::null())
            .stderr(out.try_clone().doing("share a log")?)
            .stdout(out);
        let mut child = match netns {
            Some(netns) => crate::daemon::spawn_in(netns, &mut shell)?,
            None => shell.spawn().doing("start a shell")?,
        };
        let status = child.wait().doing("wait for a shell")?;
        let said = fs::read_to_string(&log).unwrap_or_default();
        check(status.success(), || {
            format!("{status}:\n{}it said:\n{said}", step.commands)
        })?;
        Ok(said)
    }
}

/// Waits until somebody answers at that socket.
fn answers(socket: &Path) -> Result<()> {
    let end = Instant::now() + WITHIN;
    while UnixStream::connect(socket).is_err() {
        check(Instant::now() < end, || {
            format!("nobody answers at {}", socket.display())
        })?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Exactly what the README says, with a person's pauses: a daemon is left time to start.
pub(super) fn readme(binaries: &Binaries, report: &Report) -> Result<()> {
    let user = User::new(binaries)?;
    let steps = steps(&document("README.md")?, "\n## Two boxes in a minute\n");
    let started = Instant::now();
    if !user.has_ping {
        report.say("no ping is installed: a question for the neighbour's address stands in for it");
    }
    let (mut boxes, mut broken, mut pings) = ([0, 0], 0, 0);
    for step in &steps {
        for line in step.commands.lines() {
            let one = Step {
                place: step.place.clone(),
                commands: line.to_owned(),
            };
            match asks_the_doctor(line) {
                None => user.types(&one, None).map(drop)?,
                Some(sentence) => {
                    the_doctor_says(&user, &one, sentence)?;
                    if let Some(sentence) = sentence {
                        report.figure("broken, and the doctor says", sentence);
                        broken += 1;
                    }
                }
            }
            for (count, place) in boxes.iter_mut().zip(["**On the switch", "**On the host"]) {
                *count += usize::from(step.place.starts_with(place));
            }
            if line.contains(" ping ") {
                report.figure("from guest to neighbour", line);
                pings += 1;
            }
            if let Some(program) = daemon_of(line) {
                let words = ["exec", "switch", "vis", "show", "version"];
                let words = match program {
                    "iv" => ["exec", "host", "iv", "show", "--json"],
                    _ => words,
                };
                until(&user, &words)?;
            }
        }
    }
    let took = started.elapsed().as_secs_f64();
    check(boxes == [2, 2], || {
        format!("two commands per box, not {boxes:?}: {steps:?}")
    })?;
    check(pings == 1, || format!("nobody is reached: {steps:?}"))?;
    check(broken > 3, || format!("too little is broken: {steps:?}"))?;
    report.figure("commands per box", "2");
    report.figure(
        "two boxes by the README, guest to neighbour, three things broken and mended",
        format!("{took:.1} s"),
    );
    report.limit(took, MINUTE, "s")
}

/// Whether a line asks the doctor, and what it says by the remark behind it; without one, all is well.
fn asks_the_doctor(line: &str) -> Option<Option<&str>> {
    let (command, remark) = match line.split_once(" # ") {
        Some((command, remark)) => (command, Some(remark.trim())),
        None => (line, None),
    };
    command.trim_end().ends_with(" doctor").then_some(remark)
}

/// Asks until the doctor has that sentence and ends as one who found something; or finds nothing.
fn the_doctor_says(user: &User, asks: &Step, sentence: Option<&str>) -> Result<()> {
    let commands = match sentence {
        // 1: something is broken; what is only a warning is no failure.
        Some(said) if said.starts_with("broken") => {
            format!(
                "{} || test $? = 1",
                asks.commands.split(" # ").next().unwrap_or_default()
            )
        }
        _ => asks.commands.clone(),
    };
    let asks = Step::on_the_machine(&commands);
    let end = Instant::now() + WITHIN;
    loop {
        let said = user.types(&asks, None);
        match (said, sentence) {
            (Ok(said), Some(sentence)) if said.lines().any(|line| line.starts_with(sentence)) => {
                return Ok(());
            }
            (Ok(said), None) if !said.contains("broken ") && !said.contains("warning ") => {
                return Ok(());
            }
            (said, _) if Instant::now() > end => {
                return Err(LabError::Check(format!(
                    "{commands}: not `{sentence:?}`: {said:?}"
                )));
            }
            _ => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// The daemon that a line leaves running.
fn daemon_of(line: &str) -> Option<&'static str> {
    let is_left = line.trim_end().ends_with('&');
    let runs = |program: &str| line.contains(&format!("{program} run "));
    ["iv", "vis"]
        .into_iter()
        .find(|program| is_left && runs(program))
}

fn until(user: &User, words: &[&str]) -> Result<()> {
    let end = Instant::now() + WITHIN;
    let step = Step::on_the_machine(&format!("cargo lab {}", words.join(" ")));
    loop {
        match user.types(&step, None) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// The steps of docs/deployment.md, each on the box that it names, and a guest that talks at the end of them.
pub(super) fn deployment(binaries: &Binaries, report: &Report) -> Result<()> {
    let user = User::new(binaries)?;
    own_etc(&user)?;
    let mut lab = Lab::new(binaries);
    for name in ["switch", "host", "neighbour"] {
        lab.add_host(name)?;
    }
    lab.cable(("host", "eth1"), ("switch", "eth1"))?;
    lab.cable(("neighbour", "eth0"), ("switch", "eth2"))?;
    let to: IpAddr = [10, 0, 0, 3].into();
    lab.host("neighbour")?.address("eth0", to)?;

    let steps = steps(&document("docs/deployment.md")?, "\n## Step by step\n");
    check(steps.len() > 4, || format!("too few steps: {steps:?}"))?;
    for step in &steps {
        let place = match &*step.place {
            place if place.starts_with("**On the switch") => "switch",
            place if place.starts_with("**On the host") => "host",
            place => return Err(LabError::Check(format!("on which box? {place}"))),
        };
        user.types(step, Some(&lab.host(place)?.netns))?;
        if let Some(program) = step.commands.lines().find_map(daemon_of) {
            answers(&Path::new("/run/niv").join(format!("{program}.sock")))?;
        }
        let first = step.commands.lines().next().unwrap_or_default();
        report.say(&format!("{place:<7} {first}"));
        if step.commands.contains("ip -n guest link set") {
            the_guest_talks(to)?;
            report.say("guest   reaches the neighbour");
        }
    }
    report.figure(
        "steps of docs/deployment.md, each as it stands there",
        steps.len(),
    );
    Ok(())
}

fn the_guest_talks(to: IpAddr) -> Result<()> {
    let guest = NetNs::named("guest").doing("find the guest")?;
    let patience = Patience {
        payload: 56,
        within: Duration::from_secs(5),
        linger: Duration::ZERO,
    };
    let outcome = ping_all(&[&guest], &[Pair { from: 0, to }], patience)?;
    check(outcome.values().all(|outcome| outcome.is_clean()), || {
        format!("the guest does not reach {to}")
    })
}

/// `/etc` with what it has, to write to: gone with the sandbox. And `/var/lib`, empty.
fn own_etc(user: &User) -> Result<()> {
    let copy = user.folder.join("etc");
    fs::create_dir(&copy).doing("make a folder")?;
    for name in ["passwd", "group", "nsswitch.conf", "hosts"] {
        // A machine may do without.
        let _ = fs::copy(Path::new("/etc").join(name), copy.join(name));
    }
    mount_bind(&copy, "/etc").doing("cover /etc")?;
    mount("state", "/var/lib", "tmpfs", MountFlags::NODEV, None).doing("cover /var/lib")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read_with_the_line_that_says_where() {
        let text = "# A\n## B\n\n**On x**, first:\n\n```sh\na\nb &\n```\n\n```toml\nno\n```\n## C\n```sh\nc\n```\n";
        let expected = Step {
            place: "**On x**, first:".to_owned(),
            commands: "a\nb &\n".to_owned(),
        };
        assert_eq!(steps(text, "\n## B\n"), [expected]);
        assert!(steps(text, "\n## D\n").is_empty());
    }

    #[test]
    fn a_remark_behind_the_doctor_is_what_it_is_to_say() {
        let line = "cargo lab exec switch vis doctor     # broken   eth1: it is down";
        assert_eq!(
            asks_the_doctor(line),
            Some(Some("broken   eth1: it is down"))
        );
        assert_eq!(asks_the_doctor("cargo lab exec host iv doctor"), Some(None));
        assert_eq!(
            asks_the_doctor("cargo lab exec host iv show # doctor"),
            None
        );
    }

    #[test]
    fn every_step_of_a_document_says_on_which_box() {
        for (name, heading) in [
            ("README.md", "\n## Two boxes in a minute\n"),
            ("docs/deployment.md", "\n## Step by step\n"),
        ] {
            let steps = steps(&document(name).unwrap(), heading);
            assert!(!steps.is_empty(), "{name}");
            for step in steps {
                assert!(step.place.starts_with("**On "), "{name}: {step:?}");
            }
        }
    }
}
