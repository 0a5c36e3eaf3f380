//! A lab that stays up to look around in: `up`, `exec`, `down`.
//!
//! `up` starts this program once more, detached; that one keeps the lab until it is killed. Its process
//! ids stand in a file only the user can write, which `exec` and `down` read. A daemon that ends does not
//! end the lab, whose owner may want to know why: it is said in the log, and by every command until the
//! daemon answers again.

use crate::binaries::Binaries;
use crate::error::{Doing, LabError, Result};
use crate::report::Report;
use crate::sandbox;
use crate::two_boxes::{Binding, TwoBoxes};
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open, pidfd_send_signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How long a lab may take to come up.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// The files of [`folder`].
const STATE: &str = "state.json";
const LOG: &str = "log";
/// The end of the name of a file that says how a daemon ended, beside its socket.
const ENDED: &str = "ended";
/// What every command but `up` says without a lab.
const NONE_IS_UP: LabError = LabError::Held("no lab is up: `cargo lab up`");
/// What the keeper prints when the lab is up.
const UP: &str = "the lab is up";

/// A process, told from a later one with the same number by when it started.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Process {
    pid: i32,
    /// Clock ticks since the machine started (`/proc/PID/stat`, field 22).
    started: u64,
}

impl Process {
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may contain anything.
        let (_, fields) = stat.rsplit_once(')')?;
        Some(Self {
            pid: i32::try_from(pid).ok()?,
            started: fields.split_whitespace().nth(19)?.parse().ok()?,
        })
    }

    fn is_alive(self) -> bool {
        u32::try_from(self.pid)
            .ok()
            .and_then(Self::of)
            .is_some_and(|now| now.started == self.started)
    }
}

/// The lab that is up.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// The process outside the namespaces: killing it ends everything.
    keeper: Process,
    /// The first process inside: its namespaces are the lab's.
    inside: Process,
    /// Where the programs under test are.
    built: PathBuf,
}

/// The folder of the state file and the log: the user's own, and nobody else's to write. It is there
/// while a lab is.
fn folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if Path::new(&folder).is_dir() => Path::new(&folder).join("niv-lab"),
        _ => PathBuf::from(format!("/tmp/niv-lab-{}", geteuid().as_raw())),
    }
}

/// Fails if somebody else has a hand in the folder. In /tmp anybody may have been first, with a folder or a
/// link of that name.
fn require_ours(folder: &Path) -> Result<()> {
    let found = fs::symlink_metadata(folder).doing(format!("look at {}", folder.display()))?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(LabError::NotOurs(folder.to_owned()));
    }
    Ok(())
}

fn make_folder() -> Result<PathBuf> {
    let folder = folder();
    match fs::create_dir(&folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        made => {
            made.doing(format!("make {}", folder.display()))?;
            fs::set_permissions(&folder, Permissions::from_mode(0o700))
                .doing("keep others out of it")?;
        }
    }
    require_ours(&folder)?;
    Ok(folder)
}

/// Removes the folder with what we put there, and nothing else.
fn remove_folder() -> Result<()> {
    let folder = folder();
    if fs::symlink_metadata(&folder).is_err() {
        return Ok(());
    }
    require_ours(&folder)?;
    for file in [STATE, LOG] {
        match fs::remove_file(folder.join(file)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            removed => removed.doing(format!("remove {file} of {}", folder.display()))?,
        }
    }
    fs::remove_dir(&folder).doing(format!("remove {}", folder.display()))
}

/// The lab that is up, if one is.
fn state() -> Result<Option<State>> {
    let folder = folder();
    let Ok(text) = fs::read_to_string(folder.join(STATE)) else {
        return Ok(None);
    };
    require_ours(&folder)?;
    let state: Option<State> = serde_json::from_str(&text).ok();
    Ok(state.filter(|s| s.keeper.is_alive() && s.inside.is_alive()))
}

fn require() -> Result<State> {
    state()?.ok_or(NONE_IS_UP)
}

/// Fails if a lab is up: there is one for each user.
///
/// # Errors
/// One is up.
pub(crate) fn require_none() -> Result<()> {
    match state()? {
        None => Ok(()),
        Some(state) => {
            // It may be about to end.
            if enter(state.inside).is_ok() {
                say_who_ended();
            }
            Err(LabError::Held(
                "a lab is up already: `cargo lab down` ends it",
            ))
        }
    }
}

/// Starts a lab that stays, and says how to look around.
///
/// # Errors
/// The lab does not come up.
pub(crate) fn up(binaries: &Binaries) -> Result<()> {
    let log = make_folder()?.join(LOG);
    let file = File::create(&log).doing(format!("write {}", log.display()))?;
    let mut keeper = Command::new(sandbox::this_program()?);
    keeper
        .arg("keep")
        .stdin(Stdio::null())
        .stdout(file.try_clone().doing("share a log")?)
        .stderr(file)
        // A group of its own: Ctrl-C in this terminal is not meant for it.
        .process_group(0);
    binaries.tell(&mut keeper);
    let mut keeper = keeper.spawn().doing("start the keeper of the lab")?;
    let end = Instant::now() + UP_WITHIN;
    loop {
        let said = fs::read_to_string(&log).unwrap_or_default();
        if said.lines().any(|line| line == UP) {
            break;
        }
        let ended = keeper.try_wait().doing("look after the lab")?.is_some();
        if ended || Instant::now() > end {
            // Whatever is left of it goes with it.
            let _ = keeper.kill();
            let _ = keeper.wait();
            let _ = remove_folder();
            return Err(LabError::Daemon {
                name: "the lab".to_owned(),
                what: "did not come up".to_owned(),
                log: said,
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    print_ways_to_look(&Report::new());
    Ok(())
}

/// The ways to look around in a lab that is up.
pub(crate) fn print_ways_to_look(report: &Report) {
    report.block(
        "cargo lab up                                  the same lab, to stay\n\
         cargo lab exec vis show interface             the switch's ports and vEths\n\
         cargo lab exec vis show mac address-table     who is where\n\
         cargo lab exec vis show conservation          what became of every frame\n\
         cargo lab exec h1 iv show                     a host's vNICs\n\
         cargo lab exec h1-v1 ping 10.0.10.2           from a guest, if you have `ping`\n\
         cargo lab exec vis tcpdump -i niv1 -e         the NIV link, if you have `tcpdump`\n\
         cargo lab down                                the end of it, its log included\n\
         hosts: vis h1 h2 h1-v1 h1-v2 h1-v3 h2-v1 h2-v2 h2-v3 p1 p2",
    );
}

/// Outside the sandbox: starts the inner process, writes the state file, and waits.
///
/// # Errors
/// The kernel forbids namespaces, or the state file cannot be written.
pub(crate) fn keep(binaries: &Binaries) -> Result<ExitCode> {
    let file = make_folder()?.join(STATE);
    let mut inner = sandbox::start(["keep".into()], binaries)?;
    let lifeline = inner.stdin.take();
    if let (Some(keeper), Some(inside)) = (Process::of(std::process::id()), Process::of(inner.id()))
    {
        let state = State {
            keeper,
            inside,
            built: binaries.folder().to_owned(),
        };
        let text = serde_json::to_string_pretty(&state).unwrap_or_default();
        fs::write(&file, text).doing(format!("write {}", file.display()))?;
    }
    inner.wait().doing("wait for the lab")?;
    drop(lifeline);
    // The next `up` would see that it is stale; a clean end leaves none.
    let _ = fs::remove_file(&file);
    Ok(ExitCode::SUCCESS)
}

/// Inside the sandbox: brings the lab up and keeps it, whatever becomes of the daemons.
///
/// # Errors
/// The lab does not come up.
pub(crate) fn keep_inside(binaries: &Binaries) -> Result<ExitCode> {
    let say = &mut |line: &str| println!("{line}");
    // Nobody is there to read what a vigil would gather.
    let (mut boxes, _) = TwoBoxes::start(binaries, Binding::Vic, say)?;
    println!("{UP}");
    let mut told = BTreeSet::new();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        for (host, daemon) in boxes.lab.daemons() {
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

/// Inside the lab: says which daemons have ended and do not answer again, for whoever started them.
fn say_who_ended() {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut sentences: Vec<_> = entries(Path::new(sandbox::FOLDER))
        .flat_map(|host| entries(&host.path()))
        .map(|file| file.path())
        .filter(|file| file.extension().is_some_and(|end| end == ENDED))
        .filter(|file| UnixStream::connect(file.with_extension("sock")).is_err())
        .filter_map(|file| fs::read_to_string(file).ok())
        .collect();
    sentences.sort();
    for sentence in sentences {
        eprintln!("{sentence}");
    }
}

/// Ends the lab that is up, and removes its files.
///
/// # Errors
/// None is up.
pub(crate) fn down() -> Result<()> {
    let Some(state) = state()? else {
        // One that was killed has left some.
        remove_folder()?;
        return Err(NONE_IS_UP);
    };
    let gone = || LabError::Held("the lab has just ended by itself");
    let pid = Pid::from_raw(state.keeper.pid).ok_or_else(gone)?;
    let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
    if !state.keeper.is_alive() {
        return Err(gone());
    }
    pidfd_send_signal(&process, Signal::KILL).doing("end the lab")?;
    let end = Instant::now() + Duration::from_secs(10);
    while (state.keeper.is_alive() || state.inside.is_alive()) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    remove_folder()
}

/// Runs a command in the lab that is up: `[HOST] COMMAND...`. `vis` and `iv` find their daemon's socket.
///
/// # Errors
/// No lab is up, or there is no such host.
pub(crate) fn exec(words: &[OsString]) -> Result<ExitCode> {
    let state = require()?;
    enter(state.inside)?;
    let (host, mut command) = split_host(words)?;
    let netns = sandbox::netns_path(&host);
    let netns = File::open(&netns).doing(format!("open {}", netns.display()))?;
    move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
        .doing(format!("enter {host}"))?;
    let Some((program, arguments)) = command.split_first() else {
        return Err(LabError::Held(
            "say what to run: `cargo lab exec [HOST] COMMAND...`",
        ));
    };
    let program = program.to_string_lossy().into_owned();
    let mut arguments = arguments.to_vec();
    let is_ours = program == "iv" || program == "vis";
    // Whoever starts a daemon knows.
    if !(is_ours && arguments.iter().any(|word| word == "run")) {
        say_who_ended();
    }
    if is_ours && !arguments.iter().any(|word| word == "--socket") {
        let socket = Path::new(sandbox::FOLDER)
            .join(&host)
            .join(format!("{program}.sock"));
        arguments.extend(["--socket".into(), socket.into()]);
    }
    command.clear();
    let file = if is_ours {
        state.built.join(&program)
    } else {
        PathBuf::from(&program)
    };
    let status = Command::new(file)
        .args(arguments)
        .status()
        .doing(format!("run {program}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// The host named first, or the switch's. `vis show ...` needs no host; `vis` before anything else is one.
fn split_host(words: &[OsString]) -> Result<(String, Vec<OsString>)> {
    let hosts = hosts()?;
    let text = |i: usize| words.get(i).map(|w| w.to_string_lossy().into_owned());
    let first = text(0).unwrap_or_default();
    let is_command = first == "vis"
        && text(1).is_some_and(|second| ["show", "exec", "shell"].contains(&second.as_str()));
    if is_command {
        return Ok(("vis".to_owned(), words.to_vec()));
    }
    if hosts.contains(&first) {
        return Ok((first, words.get(1..).unwrap_or_default().to_vec()));
    }
    if words.len() > 1 && first.contains("-v") {
        return Err(LabError::Unknown {
            kind: "host",
            name: first,
            known: hosts.join(" "),
        });
    }
    Ok(("vis".to_owned(), words.to_vec()))
}

fn hosts() -> Result<Vec<String>> {
    let mut hosts: Vec<_> = fs::read_dir("/run/netns")
        .doing("list the hosts of the lab")?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    hosts.sort();
    Ok(hosts)
}

/// Moves this process into the namespaces of another.
fn enter(inside: Process) -> Result<()> {
    let ours = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).ok();
    let open = |kind: &str| {
        let path = format!("/proc/{}/ns/{kind}", inside.pid);
        let link = fs::read_link(&path).ok();
        let file = File::open(&path).doing(format!("open {path}"))?;
        Ok::<_, LabError>((file, link))
    };
    // Opened before any is entered: afterwards /proc is another one.
    let (user, user_link) = open("user")?;
    let others = [
        (open("mnt")?.0, LinkNameSpaceType::Mount),
        (open("pid")?.0, LinkNameSpaceType::ProcessID),
        (open("net")?.0, LinkNameSpaceType::Network),
    ];
    // As root the lab has no user namespace of its own, and the kernel refuses entering one's own.
    if user_link != ours("user") {
        move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))
            .doing("enter the lab")?;
    }
    for (file, kind) in &others {
        move_into_link_name_space(file.as_fd(), Some(*kind)).doing("enter the lab")?;
    }
    Ok(())
}
