//! Kernel threads that belong to a device under test, kept on its core.
//!
//! A port whose receiving is threaded has a kernel thread named after it. Kernel threads live in the machine's own pid
//! namespace, and the bench in one of its own: so the process outside, which the user started, looks for them.

use super::bed::{DUT, DUT_CORE};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(100);

/// Begins, until the process ends. To be called outside the sandbox, before that is entered.
pub(crate) fn keep_kernel_threads_on_their_core() {
    // Without it the bridge's thread runs wherever the kernel puts it, which is mostly the idle core.
    let _not_vital = thread::Builder::new().name("threads".to_owned()).spawn(|| {
        let mut known = BTreeSet::new();
        loop {
            let now = pids();
            for &pid in now.difference(&known) {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                if is_of_the_device(name.trim_end()) {
                    let mut cores = CpuSet::new();
                    cores.set(DUT_CORE);
                    // It may be gone by now.
                    let _ = sched_setaffinity(Pid::from_raw(pid), &cores);
                }
            }
            known = now;
            thread::sleep(EVERY);
        }
    });
}

fn pids() -> BTreeSet<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// `napi/DEVICE-NUMBER`, cut to 15 characters.
fn is_of_the_device(name: &str) -> bool {
    let rest = name
        .strip_prefix("napi/")
        .and_then(|rest| rest.strip_prefix(DUT.1));
    rest.is_some_and(|rest| rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_peoples_threads_are_let_alone() {
        assert!(is_of_the_device("napi/nivbd-8193"));
        for other in [
            "napi/eth0-8193",
            "napi/nivbdx-8193",
            "nivbd-1",
            "kworker/0:1",
        ] {
            assert!(!is_of_the_device(other));
        }
    }
}
