//! Namespaces of our own around everything a lab does, so that nothing of it can be left behind.
//!
//! A command that needs them calls [`enter`] first. The process that the user started makes a pid
//! namespace (and, not being root, a user namespace) and starts this program anew as its first process;
//! that one makes the mount and network namespaces and goes on. When the outer process ends, however it
//! ends, the kernel kills the inner one (`PR_SET_PDEATHSIG`), with it every process of the pid
//! namespace, and with them go the interfaces, the mounts and the files.

use crate::binaries::Binaries;
use crate::error::{Doing, LabError, Result};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Signal, getegid, geteuid, set_parent_process_death_signal};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;

/// Set, to anything, for the process that is the first of the pid namespace.
const STAGE: &str = "NIV_LAB_INSIDE";

/// The folder for sockets and files of the lab, on a file system of its own in memory.
pub(crate) const FOLDER: &str = "/run/lab";

/// Whether this process is the one the user started, or the one that lives in the lab.
pub(crate) enum Place {
    /// In the lab: go on.
    Inside,
    /// The inner process has ended, with this code.
    Outside(ExitCode),
}

/// Sees to it that what follows runs in namespaces of its own.
///
/// # Errors
/// The kernel forbids them.
pub(crate) fn enter(binaries: &Binaries) -> Result<Place> {
    if is_inside() {
        settle()?;
        return Ok(Place::Inside);
    }
    let mut inner = start(env::args_os().skip(1), binaries)?;
    // The write end of the lifeline is held until the inner process has ended.
    let lifeline = inner.stdin.take();
    let status = inner.wait().doing("wait for the lab")?;
    drop(lifeline);
    let code = status.code().or(status.signal().map(|s| 128 + s));
    let code = code.and_then(|c| u8::try_from(c).ok()).unwrap_or(1);
    Ok(Place::Outside(ExitCode::from(code)))
}

/// Starts this program anew with `arguments`, as the first process of a pid namespace. It lives while
/// its standard input, a pipe, stays open, and no longer than the calling thread.
///
/// # Errors
/// The kernel forbids namespaces, or the program has become unreadable.
pub(crate) fn start(
    arguments: impl IntoIterator<Item = OsString>,
    binaries: &Binaries,
) -> Result<Child> {
    let root = geteuid().is_root();
    let forbidden = |detail, source| no_namespaces(root, detail, source);
    let ids = (geteuid().as_raw(), getegid().as_raw());
    packet_io::sandbox::leave_processes(!root).map_err(|e| forbidden("unshare", e))?;
    if !root {
        map_ids(ids).map_err(|e| forbidden("uid_map", e))?;
    }
    let mut first = Command::new(this_program()?);
    first.args(arguments).env(STAGE, "1").stdin(Stdio::piped());
    binaries.tell(&mut first);
    first.spawn().map_err(|e| forbidden("the first process", e))
}

/// Whether this process lives in the lab.
pub(crate) fn is_inside() -> bool {
    env::var_os(STAGE).is_some()
}

/// This program's own file.
pub(crate) fn this_program() -> Result<PathBuf> {
    env::current_exe().doing("find this program's own file")
}

/// Ends this process when the one that started it does.
pub(crate) fn end_with_parent() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).doing("follow the parent process")
}

/// Makes the caller root in its new user namespace, and nobody else anything.
fn map_ids((uid, gid): (u32, u32)) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// The first process of the pid namespace furnishes it.
///
/// # Errors
/// Something of it is forbidden here.
pub(crate) fn settle() -> Result<()> {
    end_with_parent()?;
    // The parent may have ended before the line above; then the pipe is closed already.
    thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(|| {
            let mut nothing = [0; 16];
            while matches!(io::stdin().read(&mut nothing), Ok(1..)) {}
            std::process::exit(130);
        })
        .doing("watch the outer process")?;
    let root = is_root_outside();
    let forbidden = |detail| move |source| no_namespaces(root, detail, source);
    packet_io::sandbox::leave_mounts_and_network().map_err(forbidden("mounts and network"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(|e| forbidden("private mounts")(e.into()))?;
    let safe = MountFlags::NOSUID | MountFlags::NODEV;
    mount("lab", "/run", "tmpfs", safe, Some(c"mode=0755"))
        .map_err(|e| forbidden("a file system in memory")(e.into()))?;
    // A container may forbid a /proc of our own. The old one still knows every process of the lab, by
    // its outer number; nothing here goes by number.
    let _outer_proc_stays = mount("proc", "/proc", "proc", safe | MountFlags::NOEXEC, None);
    for folder in [FOLDER, "/run/netns"] {
        fs::create_dir_all(folder).doing(format!("make {folder}"))?;
    }
    Ok(())
}

/// Whether the root that this process is inside is root outside too.
fn is_root_outside() -> bool {
    // Its numbers inside, outside, and how many.
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(1) == Some("0")
}

fn no_namespaces(root: bool, detail: &'static str, source: io::Error) -> LabError {
    let setting = |name: &str| {
        let value = fs::read_to_string(Path::new("/proc/sys").join(name.replace('.', "/")));
        value.ok().map(|value| value.trim().to_owned())
    };
    LabError::NoNamespaces {
        user: if root { "root" } else { "a plain user" },
        detail,
        mend: mend(root, &source, setting),
        source,
    }
}

/// What lets the user have namespaces, guessed from the kernel's answer and its settings.
fn mend(root: bool, refusal: &io::Error, setting: impl Fn(&str) -> Option<String>) -> String {
    let switches = [
        // Debian's kernels had it until 5.10.
        ("kernel.unprivileged_userns_clone", "0", "1"),
        // Ubuntu, from 23.10 on.
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    let limits = ["user", "pid", "mnt", "net"].map(|kind| format!("user.max_{kind}_namespaces"));
    let switched = switches
        .iter()
        .find(|(name, bad, _)| !root && setting(name).as_deref() == Some(bad))
        .map(|(name, _, good)| format!("{name}={good}"));
    let limited = limits
        .iter()
        .find(|name| setting(name).as_deref() == Some("0"))
        .map(|name| format!("{name}=10000"))
        // A limit further out cannot be read from here.
        .or_else(|| {
            (refusal.kind() == io::ErrorKind::StorageFull)
                .then(|| "user.max_user_namespaces=10000".to_owned())
        });
    match (limited.or(switched), root) {
        (Some(assignment), true) => format!("`sysctl -w {assignment}`"),
        (Some(assignment), false) => {
            format!("run it as root, or let root allow it: `sysctl -w {assignment}`")
        }
        (None, true) => "a container keeps them from it: start that with `--privileged`".to_owned(),
        (None, false) => {
            "run it as root; if a container keeps them from its users, start that with \
             `--privileged`"
                .to_owned()
        }
    }
}

/// Where a named network namespace of the lab can be opened.
pub(crate) fn netns_path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn mend_with(settings: &[(&str, &str)], root: bool, refusal: Errno) -> String {
        mend(root, &refusal.into(), |asked| {
            let found = settings.iter().find(|(name, _)| *name == asked);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_to_be_mended_is_the_setting_that_forbids() {
        let debian = ("kernel.unprivileged_userns_clone", "0");
        let ubuntu = ("kernel.apparmor_restrict_unprivileged_userns", "1");
        let limit = ("user.max_net_namespaces", "0");
        for (settings, refusal, command) in [
            (
                &[debian][..],
                Errno::PERM,
                "kernel.unprivileged_userns_clone=1",
            ),
            (
                &[ubuntu],
                Errno::ACCESS,
                "kernel.apparmor_restrict_unprivileged_userns=0",
            ),
            (&[limit], Errno::NOSPC, "user.max_net_namespaces=10000"),
            (&[], Errno::NOSPC, "user.max_user_namespaces=10000"),
        ] {
            let said = mend_with(settings, false, refusal);
            assert!(said.starts_with("run it as root, or"), "{said}");
            assert!(said.contains(&format!("`sysctl -w {command}`")), "{said}");
        }
    }

    #[test]
    fn root_is_not_told_to_be_root() {
        let ubuntu = ("kernel.apparmor_restrict_unprivileged_userns", "1");
        for refusal in [Errno::PERM, Errno::NOSPC] {
            let said = mend_with(&[ubuntu], true, refusal);
            assert!(!said.contains("root"), "{said}");
            assert!(!said.contains("apparmor"), "{said}");
        }
        assert!(mend_with(&[], true, Errno::PERM).contains("--privileged"));
    }
}
