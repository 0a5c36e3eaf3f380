//! Commands inside a lab that is up: `exec` and `shell`.

use super::state::{Folder, Process, State, switches};
use super::{ENDED, chosen};
use crate::error::{Doing, LabError, Result};
use crate::sandbox;
use ::topology::{HostName, Topology};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use signal_hook::consts::SIGINT;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Words after which `vis` is the program and not a host of that name.
const OF_VIS: [&str; 6] = ["show", "exec", "shell", "explain", "doctor", "check"];

/// Runs a command in a lab that is up: `[HOST] COMMAND...`. `vis` and `iv` find the host's daemon.
///
/// # Errors
/// No lab is up, or there is no such host.
pub(crate) fn exec(lab: Option<&HostName>, words: &[OsString]) -> Result<ExitCode> {
    let (folder, state) = chosen(lab)?;
    let topology = folder.topology()?;
    let (host, command) = split_host(&topology, words)?;
    run(&folder, &state, &host, &command)
}

/// Runs the user's shell on a host.
///
/// # Errors
/// No lab is up, or there is no such host.
pub(crate) fn shell(lab: Option<&HostName>, host: &str) -> Result<ExitCode> {
    let (folder, state) = chosen(lab)?;
    let host = host_of(&folder.topology()?, host)?;
    eprintln!("on {host} of the lab {}; `exit` leaves", folder.name);
    let shell = env::var_os("SHELL").filter(|shell| Path::new(shell).is_file());
    run(
        &folder,
        &state,
        &host,
        &[shell.unwrap_or_else(|| "/bin/sh".into())],
    )
}

fn run(folder: &Folder, state: &State, host: &HostName, command: &[OsString]) -> Result<ExitCode> {
    enter(state.inside)?;
    enter_host(host)?;
    let Some((program, arguments)) = command.split_first() else {
        return Err(LabError::Held(
            "say what to run: `cargo lab exec [HOST] COMMAND...`".to_owned(),
        ));
    };
    let is_ours = program == "iv" || program == "vis";
    // Whoever starts a daemon knows.
    if !(is_ours && arguments.iter().any(|word| word == "run")) {
        say_who_ended();
    }
    let file = match is_ours {
        true => state.built.join(program),
        false => PathBuf::from(program),
    };
    let socket = |of: &str| {
        let folder = Path::new(sandbox::FOLDER).join(host.as_str());
        // A lab may come up without daemons, and have one later.
        let _ = fs::create_dir_all(&folder);
        folder.join(format!("{of}.sock"))
    };
    // What is typed at a keyboard is for the command, which may go on after Ctrl-C.
    signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)))
        .doing("leave Ctrl-C to the command")?;
    let status = Command::new(file)
        .args(arguments)
        .env("PATH", path_with(&state.built))
        .env("IV_SOCKET", socket("iv"))
        .env("VIS_SOCKET", socket("vis"))
        .env("NIV_LAB", folder.name.as_str())
        .env("PS1", format!("{host}# "))
        .status()
        .doing(format!("run {}", program.display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// `iv` and `vis` are found first.
fn path_with(built: &Path) -> OsString {
    let told = env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    let all = std::iter::once(built.to_owned()).chain(env::split_paths(&told));
    env::join_paths(all).unwrap_or(told)
}

/// The host named first, or the only switch's. `vis show ...` needs no host; `vis` before anything else may be one.
fn split_host(topology: &Topology, words: &[OsString]) -> Result<(HostName, Vec<OsString>)> {
    let text = |i: usize| words.get(i).and_then(|word: &OsString| word.to_str());
    let first = text(0).unwrap_or_default();
    let is_command = first == "vis" && text(1).is_some_and(|second| OF_VIS.contains(&second));
    let named = host_of(topology, first);
    match (switches(topology).as_slice(), named) {
        (_, Ok(host)) if !is_command => Ok((host, words.get(1..).unwrap_or_default().to_vec())),
        ([switch], Err(unknown)) if !is_command => {
            // A word that nothing can run was meant to be a host.
            if words.len() > 1 && !can_be_run(first) {
                return Err(unknown);
            }
            Ok(((*switch).clone(), words.to_vec()))
        }
        ([switch], _) => Ok(((*switch).clone(), words.to_vec())),
        (_, Ok(host)) => Ok((host, words.to_vec())),
        (_, Err(unknown)) => Err(unknown),
    }
}

fn can_be_run(word: &str) -> bool {
    word.contains('/') || ["iv", "vis"].contains(&word) || crate::need::find_program(word).is_some()
}

pub(super) fn host_of(topology: &Topology, name: &str) -> Result<HostName> {
    let known = topology.hosts.keys();
    let found = known.clone().find(|host| host.as_str() == name);
    found.cloned().ok_or_else(|| LabError::Unknown {
        kind: "host",
        name: name.to_owned(),
        known: known.map(HostName::as_str).collect::<Vec<_>>().join(" "),
    })
}

/// Inside the lab: moves this thread to a host.
fn enter_host(host: &HostName) -> Result<()> {
    let netns = sandbox::netns_path(host.as_str());
    let netns = File::open(&netns).doing(format!("open {}", netns.display()))?;
    move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
        .doing(format!("enter {host}"))
}

/// Inside the lab: says which daemons have ended and do not answer again, for whoever started them.
pub(super) fn say_who_ended() {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut sentences: Vec<_> = entries(Path::new(sandbox::FOLDER))
        .flat_map(|host| entries(&host.path()))
        .map(|file| file.path())
        .filter(|file| file.extension() == Some(OsStr::new(ENDED)))
        .filter(|file| UnixStream::connect(file.with_extension("sock")).is_err())
        .filter_map(|file| fs::read_to_string(file).ok())
        .collect();
    sentences.sort();
    for sentence in sentences {
        eprintln!("{sentence}");
    }
}

/// Lets this process open the lab's namespaces: nothing but a user's own user namespace is entered.
pub(super) fn enter_as_user(inside: Process) -> Result<()> {
    enter_kinds(inside, &[])
}

/// Where this process sees the lab's files.
pub(super) fn root_of(inside: Process) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root", inside.pid))
}

/// Moves this process into a lab. What it starts from now on is a process of the lab and ends with it; it can start no
/// more threads.
pub(super) fn enter(inside: Process) -> Result<()> {
    let kinds = [
        ("mnt", LinkNameSpaceType::Mount),
        ("pid", LinkNameSpaceType::ProcessID),
        ("net", LinkNameSpaceType::Network),
    ];
    enter_kinds(inside, &kinds)
}

fn enter_kinds(inside: Process, kinds: &[(&str, LinkNameSpaceType)]) -> Result<()> {
    let open = |kind: &str| {
        let path = format!("/proc/{}/ns/{kind}", inside.pid);
        let link = fs::read_link(&path).ok();
        let file = File::open(&path).doing(format!("open {path}"))?;
        Ok::<_, LabError>((file, link))
    };
    // Opened before any is entered: afterwards /proc is another one.
    let (user, user_link) = open("user")?;
    let mut others = Vec::new();
    for (name, kind) in kinds {
        others.push((open(name)?.0, *kind));
    }
    // As root the lab has no user namespace of its own, and the kernel refuses entering one's own.
    if user_link != fs::read_link("/proc/self/ns/user").ok() {
        move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))
            .doing("enter the lab")?;
    }
    for (file, kind) in &others {
        move_into_link_name_space(file.as_fd(), Some(*kind)).doing("enter the lab")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(file: &str, words: &str) -> std::result::Result<(String, String), String> {
        let topology = topology::parse(file).unwrap();
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let (host, rest) = split_host(&topology, &words).map_err(|error| error.to_string())?;
        let rest: Vec<_> = rest.iter().map(|word| word.to_string_lossy()).collect();
        Ok((host.to_string(), rest.join(" ")))
    }

    #[test]
    fn the_first_word_is_a_host_if_there_is_one_of_that_name() {
        let lab = "[host.vis]\nvis = ''\n[host.h1]\n";
        for (words, host, rest) in [
            ("h1 iv show", "h1", "iv show"),
            ("vis show interface", "vis", "vis show interface"),
            ("vis vis show interface", "vis", "vis show interface"),
            ("vis ls -l", "vis", "ls -l"),
            ("ls -l", "vis", "ls -l"),
            ("sh", "vis", "sh"),
        ] {
            let found = split(lab, words).unwrap();
            assert_eq!((&*found.0, &*found.1), (host, rest), "{words}");
        }
        let said = split(lab, "h3 ls").unwrap_err();
        assert_eq!(said, "there is no host h3; there are: h1 vis");
    }

    #[test]
    fn without_a_switch_of_that_name_the_only_one_is_meant() {
        let lab = "[host.sw]\nvis = ''\n[host.h1]\n";
        let found = split(lab, "vis show interface").unwrap();
        assert_eq!(found, ("sw".to_owned(), "vis show interface".to_owned()));
        let two = "[host.a]\nvis = ''\n[host.b]\nvis = ''\n";
        assert!(split(two, "vis show interface").is_err());
        assert!(split(two, "b vis show interface").is_ok());
    }
}
