//! Labs that stay up to look around in: `up`, `list`, `exec`, `shell`, `capture`, `down`. Several may be up side by side.
//!
//! `up` starts this program once more, detached; that one keeps the lab until it is killed. Its process
//! ids stand in a file only the user can write, which the others read. A daemon that ends does not
//! end the lab, whose owner may want to know why: it is said in the log, and by every command until the
//! daemon answers again.

mod capture;
mod inside;
mod state;

pub(crate) use capture::Capture;
pub(crate) use inside::{exec, shell};

use crate::binaries::Binaries;
use crate::error::{Doing, LabError, Result};
use crate::report::Report;
use crate::sandbox;
use crate::topology::{Built, SHIPPED, Source};
use ::topology::{HostName, Topology};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use state::{FILE, Folder, LOG, Process, State, switches};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How long a lab may take to come up.
const UP_WITHIN: Duration = Duration::from_secs(120);
/// How long the kernel may take to end one.
const DOWN_WITHIN: Duration = Duration::from_secs(10);
/// The end of the name of a file that says how a daemon ended, beside its socket.
const ENDED: &str = "ended";
/// What the keeper prints when the lab is up.
const UP: &str = "the lab is up";

/// The lab that is meant: the one named, else the only one that is up.
fn chosen(name: Option<&HostName>) -> Result<(Folder, State)> {
    let none = |what: String| Err(LabError::Held(what));
    if let Some(name) = name {
        let folder = Folder::of(name);
        return match folder.running()? {
            Some(state) => Ok((folder, state)),
            None => none(format!(
                "no lab {name} is up: `cargo lab list` says which are"
            )),
        };
    }
    let mut running = Vec::new();
    for folder in Folder::all()? {
        if let Some(state) = folder.running()? {
            running.push((folder, state));
        }
    }
    match (running.pop(), running.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => none("no lab is up: `cargo lab up`".to_owned()),
        (Some(last), false) => {
            let names = running
                .iter()
                .chain([&last])
                .map(|(folder, _)| &folder.name);
            let names: Vec<_> = names.map(HostName::as_str).collect();
            none(format!(
                "several labs are up: say which, `--lab NAME`; there are: {}",
                names.join(" ")
            ))
        }
    }
}

/// Starts a lab that stays, and says how to look around.
///
/// # Errors
/// The file is wrong, a lab of that name is up, or this one does not come up.
pub(crate) fn up(
    what: &str,
    called: Option<&HostName>,
    built: impl FnOnce() -> Result<Binaries>,
) -> Result<()> {
    let source = Source::find(what, called)?;
    let folder = Folder::of(&source.name);
    if let Some(state) = folder.running()? {
        // It may be about to end.
        if inside::enter(state.inside).is_ok() {
            inside::say_who_ended();
        }
        let name = &source.name;
        return Err(LabError::Held(format!(
            "a lab {name} is up already: `cargo lab down {name}` ends it, `--name NAME` calls this one something else"
        )));
    }
    let binaries = built()?;
    folder.make()?;
    folder.write(FILE, &source.text)?;
    let log = folder.file(LOG);
    let file = File::create(&log).doing(format!("write {}", log.display()))?;
    let mut keeper = Command::new(sandbox::this_program()?);
    keeper
        .arg("keep")
        .arg(&folder.path)
        .stdin(Stdio::null())
        .stdout(file.try_clone().doing("share a log")?)
        .stderr(file)
        // A group of its own: Ctrl-C in this terminal is not meant for it.
        .process_group(0);
    binaries.tell(&mut keeper);
    let mut keeper = keeper.spawn().doing("start the keeper of the lab")?;
    let end = Instant::now() + UP_WITHIN;
    while !folder.log().lines().any(|line| line == UP) {
        let ended = keeper.try_wait().doing("look after the lab")?.is_some();
        if ended || Instant::now() > end {
            // Whatever is left of it goes with it.
            let _ = keeper.kill();
            let _ = keeper.wait();
            let log = folder.log();
            let _ = folder.remove();
            return Err(LabError::Daemon {
                name: format!("the lab {}", source.name),
                what: "did not come up".to_owned(),
                log,
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let report = Report::new();
    for line in folder
        .log()
        .lines()
        .filter(|line| line.contains(" is not enabled: "))
    {
        report.say(line);
    }
    report.block(&ways_to_look(&source.name, &source.topology));
    Ok(())
}

/// The ways to look around in the lab of the demo.
pub(crate) fn print_ways_to_look(report: &Report) {
    if let Ok(source) = Source::find(crate::DEFAULT_LAB, None) {
        report.block("cargo lab up                                  the same lab, to stay");
        report.block(&ways_to_look(&source.name, &source.topology));
    }
}

/// What to type in a lab that is up.
fn ways_to_look(name: &HostName, topology: &Topology) -> String {
    let mut text = String::new();
    let mut way = |command: String, what: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<45} {what}", format!("cargo lab {command}"));
    };
    if let [switch] = switches(topology).as_slice() {
        for (show, what) in [
            ("interface", "the switch's ports and vEths"),
            ("mac address-table", "who is where"),
            ("conservation", "what became of every frame"),
        ] {
            way(format!("exec vis show {show}"), what);
        }
        let ends = topology.cables.iter().flatten();
        if let Some(port) = ends.clone().find(|end| end.host == **switch) {
            let (host, device) = (&port.host, &port.device);
            way(
                format!("capture {host} {device}"),
                "what goes over that link",
            );
        }
    }
    let ivs = topology.hosts.iter().filter(|(_, host)| {
        let program = host.program.as_ref().map(|(program, _)| *program);
        program == Some(topology::Program::Iv)
    });
    if let Some((iv, _)) = ivs.clone().next() {
        way(format!("exec {iv} iv show"), "a host's vNICs");
    }
    if let Some(ask) = topology.questions().iter().find(|ask| ask.answered) {
        let (host, address) = (&ask.from.host, ask.address);
        way(
            format!("exec {host} ping {address}"),
            "from one to another, if you have `ping`",
        );
        way(format!("shell {host}"), "a shell there");
    }
    way(format!("down {name}"), "the end of it, its log included");
    let hosts: Vec<_> = topology.hosts.keys().map(HostName::as_str).collect();
    let _ = write!(text, "hosts: {}", hosts.join(" "));
    text
}

/// Outside the sandbox: starts the inner process, writes the state file, and waits.
///
/// # Errors
/// The kernel forbids namespaces, or the state file cannot be written.
pub(crate) fn keep(binaries: &Binaries, folder: &Path) -> Result<ExitCode> {
    let folder = at(folder)?;
    let arguments: [OsString; 2] = ["keep".into(), folder.path.clone().into()];
    let mut inner = sandbox::start(arguments, binaries)?;
    let lifeline = inner.stdin.take();
    if let (Some(keeper), Some(inside)) = (Process::of(std::process::id()), Process::of(inner.id()))
    {
        folder.write_state(&State {
            keeper,
            inside,
            built: binaries.folder().to_owned(),
        })?;
    }
    inner.wait().doing("wait for the lab")?;
    drop(lifeline);
    folder.remove_state();
    Ok(ExitCode::SUCCESS)
}

fn at(path: &Path) -> Result<Folder> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name
        .parse()
        .map_err(|error| LabError::Held(format!("{error}")))?;
    let path = path.to_owned();
    Ok(Folder { name, path })
}

/// Inside the sandbox: brings the lab up and keeps it, whatever becomes of the daemons.
///
/// # Errors
/// The lab does not come up.
pub(crate) fn keep_inside(binaries: &Binaries, folder: &Path) -> Result<ExitCode> {
    // The sandbox may cover the folder.
    let topology = at(folder)?.topology()?;
    sandbox::settle()?;
    let mut built = Built::start(binaries, &topology, &mut |line| println!("{line}"))?;
    for sentence in &built.not_taken {
        println!("{sentence}");
    }
    println!("{UP}");
    let mut told = BTreeSet::new();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        for (host, daemon) in built.lab.daemons() {
            if told.contains(host) {
                continue;
            }
            if let Some(sentence) = daemon.obituary()? {
                println!("{sentence}");
                let file = daemon.socket().with_extension(ENDED);
                fs::write(&file, sentence).doing(format!("write {}", file.display()))?;
                told.insert(host.to_owned());
            }
        }
    }
}

/// Prints the labs that are up, what is left of others, and those that come with this program.
///
/// # Errors
/// Somebody else has a hand in what is written down of them.
pub(crate) fn list() -> Result<()> {
    let folders = Folder::all()?;
    let mut text = String::new();
    if folders.is_empty() {
        text.push_str("no lab is up\n");
    }
    // Writing to a String cannot fail.
    for folder in &folders {
        let topology = folder.topology().ok();
        let hosts = topology.as_ref().map_or(0, |topology| topology.hosts.len());
        let about = topology.map(|topology| topology.about).unwrap_or_default();
        let name = folder.name.as_str();
        let is_up = || folder.log().lines().any(|line| line == UP);
        let _ = match folder.running()? {
            None => writeln!(
                text,
                "{name:<20} ended   `cargo lab down {name}` removes what it left"
            ),
            Some(_) if is_up() => writeln!(text, "{name:<20} up      {hosts} hosts: {about}"),
            Some(_) => writeln!(text, "{name:<20} coming  {hosts} hosts: {about}"),
        };
    }
    text.push_str("to bring up by name:\n");
    for (name, file) in SHIPPED {
        let about = topology::parse(file).map(|topology| topology.about);
        let _ = writeln!(text, "  {name:<18} {}", about.unwrap_or_default());
    }
    // Whoever reads no further has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// Ends labs, and removes their files: the one named, all, or the only one there is.
///
/// # Errors
/// There is none, or several and none is named.
pub(crate) fn down(name: Option<&HostName>, all: bool) -> Result<()> {
    let mut folders = Folder::all()?;
    if let Some(name) = name {
        folders.retain(|folder| folder.name == *name);
        if folders.is_empty() {
            return Err(LabError::Held(format!(
                "no lab {name} is up: `cargo lab list` says which are"
            )));
        }
    }
    if folders.is_empty() {
        return Err(LabError::Held("no lab is up: `cargo lab up`".to_owned()));
    }
    if folders.len() > 1 && !all {
        let names: Vec<_> = folders.iter().map(|folder| folder.name.as_str()).collect();
        return Err(LabError::Held(format!(
            "several labs are there: `cargo lab down NAME`, or `--all`; there are: {}",
            names.join(" ")
        )));
    }
    folders.iter().try_for_each(end)
}

fn end(folder: &Folder) -> Result<()> {
    let name = &folder.name;
    let Some(state) = folder.state()?.filter(State::is_dying) else {
        // One that was killed has left some.
        println!("the lab {name} had ended; what it left is removed");
        return folder.remove();
    };
    // Either one ends the other, unless it is stuck.
    for process in [state.keeper, state.inside] {
        let Some(pid) = Pid::from_raw(process.pid) else {
            continue;
        };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        // Asked when the number can no longer pass to another process.
        if process.is_alive() {
            pidfd_send_signal(&handle, Signal::KILL).doing("end the lab")?;
        }
    }
    let end = Instant::now() + DOWN_WITHIN;
    while state.is_dying() {
        if Instant::now() > end {
            return Err(LabError::Held(format!(
                "the lab {name} does not end: `cargo lab down {name}` again"
            )));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    folder.remove()
}
