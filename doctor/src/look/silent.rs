//! A daemon that listens and does not answer: which process it is, and how that is.

use crate::facts::{Daemon, Silent};
use control_socket::{Role, socket_path};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::fs;
use std::path::Path;

/// Looks at the process behind the socket.
pub(super) fn look(program: &str, socket: Option<&Path>) -> Daemon {
    let path = match socket_path(program, Role::Network, socket) {
        Ok(path) => path,
        Err(error) => return Daemon::Unseen(error.to_string()),
    };
    let silent = Silent {
        socket: path.display().to_string(),
        ..Silent::default()
    };
    Daemon::Silent(match listener(&path) {
        Some(pid) => of_process(pid, silent),
        None => silent,
    })
}

/// Who listens there: the kernel knows it without the help of that process.
fn listener(path: &Path) -> Option<u32> {
    // Too many may be waiting there already: not one more.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
    connect(&socket, &SocketAddrUnix::new(path).ok()?).ok()?;
    let pid = socket_peercred(&socket).ok()?.pid.as_raw_nonzero().get();
    u32::try_from(pid).ok()
}

fn of_process(pid: u32, silent: Silent) -> Silent {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    Silent {
        pid: Some(pid),
        stopped: is_stopped(&read("stat")),
        service: service(&read("cgroup")),
        started_by: command(&read("cmdline")),
        ..silent
    }
}

/// By its state in `/proc/PID/stat` (proc(5)), behind its name, which is in brackets and may have any.
fn is_stopped(stat: &str) -> bool {
    let behind = stat.rsplit_once(") ").map(|(_, behind)| behind);
    behind.is_some_and(|state| state.starts_with(['T', 't']))
}

/// The service of the system in `/proc/PID/cgroup`: `0::/system.slice/vis.service`.
fn service(cgroup: &str) -> Option<String> {
    let unified = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let unit = unified.strip_prefix("/system.slice/")?.split('/').next()?;
    Some(unit.strip_suffix(".service")?.to_owned())
}

/// `/proc/PID/cmdline` as a command, if no word of it needs quoting.
fn command(words: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    let words: Vec<&str> = words.trim_end_matches('\0').split('\0').collect();
    let is_plain = |word: &&str| !word.is_empty() && word.chars().all(plain);
    words.iter().all(is_plain).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_kernel_knows_who_listens() {
        let path = std::env::temp_dir().join(format!("doctor-silent-{}.sock", std::process::id()));
        let listening = UnixListener::bind(&path).unwrap();
        let Daemon::Silent(silent) = look("iv", Some(&path)) else {
            panic!("it listens and is silent");
        };
        drop(listening);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(silent.pid, Some(std::process::id()));
        assert!(!silent.stopped);
    }

    #[test]
    fn what_the_kernel_says_of_a_process_is_understood() {
        assert!(is_stopped("7 (a) R) T 1 7 7"));
        assert!(is_stopped("7 (iv) t 1 7 7"));
        assert!(!is_stopped("7 (T) ) S 1 7 7"));
        assert!(!is_stopped(""));
        let unit = service("0::/system.slice/vis.service\n");
        assert_eq!(unit.as_deref(), Some("vis"));
        assert_eq!(
            service("0::/user.slice/user-1000.slice/session-1.scope\n"),
            None
        );
        let started = command("vis\0run\0--niv\0eth1\0");
        assert_eq!(started.as_deref(), Some("vis run --niv eth1"));
        assert_eq!(command("vis\0run\0--config\0/a b\0"), None);
        assert_eq!(command(""), None);
    }
}
