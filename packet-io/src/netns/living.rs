//! Which network namespaces there are, as far as that can be known.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// The first namespaces have fixed numbers (the kernel's `PROC_PID_INIT_INO`, `PROC_USER_INIT_INO`).
const FIRST: [(&str, &str); 2] = [
    ("/proc/self/ns/pid", "pid:[4026531836]"),
    ("/proc/self/ns/user", "user:[4026531837]"),
];

/// The inodes of all network namespaces that a thread is in, a descriptor names, or something is mounted of.
/// `None`: not all of that can be seen from here, in a container or without root for instance.
///
/// What only a socket keeps alive is not among them: nobody can enter such a namespace by a path, and no device of it
/// can be asked for any more.
pub fn living() -> Option<BTreeSet<u64>> {
    let first = |(path, number): (&str, &str)| {
        fs::read_link(path).is_ok_and(|link| link.as_os_str() == number)
    };
    if !rustix::process::geteuid().is_root() || !FIRST.into_iter().all(first) {
        return None;
    }
    look().ok()
}

fn look() -> io::Result<BTreeSet<u64>> {
    let mut living = BTreeSet::new();
    let mut mounts = BTreeSet::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let name = process.file_name();
        if !name.to_string_lossy().bytes().all(|c| c.is_ascii_digit()) {
            continue;
        }
        look_at_process(&process.path(), &mut living, &mut mounts)?;
    }
    Ok(living)
}

fn look_at_process(
    process: &Path,
    living: &mut BTreeSet<u64>,
    mounts: &mut BTreeSet<u64>,
) -> io::Result<()> {
    for task in there(fs::read_dir(process.join("task")))?
        .into_iter()
        .flatten()
    {
        if let Some(task) = there(task)? {
            look_at_task(&task.path(), living, mounts)?;
        }
    }
    Ok(())
}

fn look_at_task(
    task: &Path,
    living: &mut BTreeSet<u64>,
    mounts: &mut BTreeSet<u64>,
) -> io::Result<()> {
    let number = |link: &Path, kind: &str| number(&link.to_string_lossy(), kind);
    if let Some(link) = there(fs::read_link(task.join("ns/net")))? {
        living.extend(number(&link, "net"));
    }
    for descriptor in there(fs::read_dir(task.join("fd")))?.into_iter().flatten() {
        let Some(descriptor) = there(descriptor)? else {
            continue;
        };
        if let Some(link) = there(fs::read_link(descriptor.path()))? {
            living.extend(number(&link, "net"));
        }
    }
    // Most threads see the same mounts.
    let Some(link) = there(fs::read_link(task.join("ns/mnt")))? else {
        return Ok(());
    };
    if number(&link, "mnt").is_none_or(|mnt| mounts.insert(mnt))
        && let Some(text) = there(fs::read_to_string(task.join("mountinfo")))?
    {
        let roots = text.lines().filter_map(|line| line.split(' ').nth(3));
        living.extend(roots.filter_map(|root| self::number(root, "net")));
    }
    Ok(())
}

/// `None`: it has ended meanwhile.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.raw_os_error() {
            // EINVAL: of a thread that has ended, its mounts.
            Some(libc::ENOENT | libc::ESRCH | libc::EINVAL) => Ok(None),
            _ => Err(error),
        },
    }
}

/// The number in `net:[4026531840]`.
fn number(text: &str, kind: &str) -> Option<u64> {
    let rest = text.strip_prefix(kind)?.strip_prefix(":[")?;
    rest.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::NetNs;
    use crate::privileged::privileged;
    use std::os::fd::AsFd;

    /// Those this process holds: not every machine lets a test look at all others.
    fn held_here() -> BTreeSet<u64> {
        let (mut living, mut mounts) = (BTreeSet::new(), BTreeSet::new());
        look_at_process(Path::new("/proc/self"), &mut living, &mut mounts).unwrap();
        living
    }

    #[test]
    fn a_namespace_lives_as_long_as_something_holds_it() {
        privileged(|| {
            let ns = NetNs::create().unwrap();
            let inode = rustix::fs::fstat(ns.as_fd()).unwrap().st_ino;
            assert!(held_here().contains(&inode), "a descriptor");
            let held = ns.as_fd().try_clone_to_owned().unwrap();
            drop(ns);
            assert!(held_here().contains(&inode), "another descriptor");
            drop(held);
            // Numbers are given again at once, to another test's namespace for instance, which does not stay.
            let gone = || {
                std::thread::sleep(std::time::Duration::from_millis(20));
                !held_here().contains(&inode)
            };
            assert!((0..1000).any(|_| gone()), "nothing");
        });
    }

    #[test]
    fn what_cannot_be_seen_whole_is_not_known() {
        // Root of the first namespaces, which may look at everybody, knows at least its own.
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        let own = number(&own.to_string_lossy(), "net").unwrap();
        assert!(living().is_none_or(|living| living.contains(&own)));
    }

    #[test]
    fn numbers_are_read_from_what_the_kernel_calls_them() {
        assert_eq!(number("net:[4026531840]", "net"), Some(4_026_531_840));
        for other in [
            "mnt:[4026531840]",
            "net:[]",
            "net:[1",
            "/net:[1]",
            "socket:[7]",
        ] {
            assert_eq!(number(other, "net"), None);
        }
    }
}
