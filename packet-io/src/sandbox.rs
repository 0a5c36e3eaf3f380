//! Leaving the machine's own namespaces behind: what a lab, or any test that must not touch the
//! machine, does first.

#![expect(
    unsafe_code,
    reason = "unshare(2): rustix marks it unsafe because of CLONE_FILES"
)]

use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::io;

/// Makes new namespaces: the pid namespace begins with the next child, the user namespace, if asked
/// for, at once. The new user namespace has no ids yet: write `/proc/self/uid_map` and its like next.
///
/// # Errors
/// `EINVAL`: `user` is set and the process has other threads. `EPERM` or `ENOSPC`: the kernel or its
/// administrator forbids user namespaces, or without `user` the process is not root.
pub fn leave_processes(user: bool) -> io::Result<()> {
    let user = if user {
        UnshareFlags::NEWUSER
    } else {
        UnshareFlags::empty()
    };
    // SAFETY: CLONE_FILES is not asked for; the descriptor table stays shared.
    unsafe { unshare_unsafe(user | UnshareFlags::NEWPID) }.map_err(io::Error::from)
}

/// Moves the calling thread into a new mount and a new network namespace.
///
/// # Errors
/// The process is not root in its user namespace.
pub fn leave_mounts_and_network() -> io::Result<()> {
    // SAFETY: CLONE_FILES is not asked for; the descriptor table stays shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET) }.map_err(io::Error::from)
}
