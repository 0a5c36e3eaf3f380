//! The whole loop of a worker, waiting for ports to sending, on devices in memory: per frame it allocates nothing and calls
//! the kernel for nothing; per round it calls the kernel once, to wait (design.md section 4.2).
//!
//! System calls are not counted but forbidden: a thread that makes another one than those it may is killed, and the
//! program with it. So each such test runs itself once more, as a program of its own.

#![expect(
    clippy::unwrap_used,
    reason = "functions of a test fail it as its body does"
)]

use allocation_counter::measure;
use benches::{
    Exchange, FAR, FAR_STATIONS, Host, NEAR, PLAIN, burst, down, down_to_list, ethernet, mac,
    tagged, traffic, up,
};
use interface_virtualizer::core::{Account, UPLINK, VnicId};
use niv::Mac;
use packet_io::BURST;
use packet_io::worker::{Forward, PortUse, Worker};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use std::env;
use std::hint::spin_loop;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Rounds that are looked at; before them, so many in which everything that grows has grown.
const ROUNDS: u32 = 200;
/// Set for a test that is to do its work and not to start itself once more.
const INSIDE: &str = "NIV_FORWARDING_LOOP";

const GUEST: PortUse = PortUse {
    pad: false,
    offload: true,
};
const LINK: PortUse = PortUse {
    pad: true,
    offload: false,
};

/// Rounds of a worker; the first ones are over.
fn rounds<F: Forward>(mut worker: Worker<F>) -> impl FnMut(u32) {
    let mut ready = Vec::with_capacity(BURST);
    let mut rounds = move |count| {
        for _ in 0..count {
            worker
                .round(Duration::from_millis(100), &mut ready, |_| ())
                .unwrap();
            assert!(!ready.is_empty(), "no port was ready");
        }
    };
    rounds(ROUNDS);
    rounds
}

/// An interface virtualizer: vNICs that send, and a switch that sends to vNICs and to all of them.
fn host() -> impl FnMut(u32) {
    let mut worker = Worker::new(Host::new(16)).unwrap();
    for number in 0..16 {
        let frames = burst(|_| ethernet(mac(2), mac(1), 60));
        let port = Account::Vnic(VnicId(number)).port();
        worker
            .attach(port, traffic(frames, true).unwrap(), GUEST)
            .unwrap();
    }
    let frames = burst(|n| {
        let word = if n % 8 == 0 {
            down_to_list(1)
        } else {
            down(1 + n % 16)
        };
        tagged(word, &ethernet(mac(2), mac(1), 60))
    });
    worker
        .attach(UPLINK, traffic(frames, false).unwrap(), LINK)
        .unwrap();
    rounds(worker)
}

/// A switch: hairpins, frames between hosts and to the plain port, floods to 64 vEths, and new addresses all the time.
fn switch() -> impl FnMut(u32) {
    let mut worker = Worker::new(Exchange::new(64, 64, 1 << 10)).unwrap();
    let frames = burst(|n| {
        let to = match n % 4 {
            0 => mac(u32::from((n + 2) % 64) + 1),
            1 => mac(FAR_STATIONS + u32::from(n) + 1),
            2 => mac(0),
            _ => Mac::BROADCAST,
        };
        tagged(up(n + 1), &ethernet(to, mac(u32::from(n) + 1), 60))
    });
    worker
        .attach(NEAR, traffic(frames, false).unwrap(), LINK)
        .unwrap();
    let frames = burst(|n| {
        tagged(
            up(n + 1),
            &ethernet(mac(1), mac(500_000 + u32::from(n)), 60),
        )
    });
    worker
        .attach(FAR, traffic(frames, false).unwrap(), LINK)
        .unwrap();
    let frames = burst(|n| ethernet(mac(u32::from(n) + 1), mac(0), 60));
    worker
        .attach(PLAIN, traffic(frames, false).unwrap(), GUEST)
        .unwrap();
    rounds(worker)
}

#[test]
fn the_loop_of_a_host_allocates_nothing() {
    let mut rounds = host();
    assert_eq!(measure(|| rounds(ROUNDS)).count_total, 0);
}

#[test]
fn the_loop_of_a_switch_allocates_nothing() {
    let mut rounds = switch();
    assert_eq!(measure(|| rounds(ROUNDS)).count_total, 0);
}

/// From now on this thread may do nothing but wait for ports.
fn forbid_system_calls() {
    // A clock that the kernel does not lend to programs has to be asked: once a round.
    let allowed = [
        libc::SYS_epoll_wait,
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_pwait2,
        libc::SYS_clock_gettime,
    ];
    let filter = SeccompFilter::new(
        allowed.into_iter().map(|call| (call, Vec::new())).collect(),
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}

/// Does `work` on a thread that may not call the kernel, if this is the program for it.
fn without_system_calls<W: FnMut(u32) + 'static>(ready: fn() -> W, more: fn()) {
    static DONE: AtomicBool = AtomicBool::new(false);
    thread::spawn(move || {
        let mut rounds = ready();
        forbid_system_calls();
        rounds(ROUNDS);
        more();
        DONE.store(true, Ordering::Release);
        // To end would be a system call.
        loop {
            spin_loop();
        }
    });
    while !DONE.load(Ordering::Acquire) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs the test `name` as a program of its own. Returns the signal that ended it.
fn alone(name: &str) -> Option<i32> {
    let program = env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--exact", name])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let ended = output.status.signal();
    assert!(ended.is_some() || output.status.success(), "{said}");
    assert!(ended.is_some() || said.contains("1 passed"), "{said}");
    ended
}

fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

#[test]
fn the_loop_of_a_host_calls_the_kernel_to_wait_and_for_nothing_else() {
    if is_inside() {
        return without_system_calls(host, || ());
    }
    let name = "the_loop_of_a_host_calls_the_kernel_to_wait_and_for_nothing_else";
    assert_eq!(alone(name), None, "killed by a system call");
}

#[test]
fn the_loop_of_a_switch_calls_the_kernel_to_wait_and_for_nothing_else() {
    if is_inside() {
        return without_system_calls(switch, || ());
    }
    let name = "the_loop_of_a_switch_calls_the_kernel_to_wait_and_for_nothing_else";
    assert_eq!(alone(name), None, "killed by a system call");
}

#[test]
fn a_loop_that_calls_the_kernel_for_something_else_is_killed() {
    if is_inside() {
        return without_system_calls(host, || drop(env::current_dir()));
    }
    let name = "a_loop_that_calls_the_kernel_for_something_else_is_killed";
    assert_eq!(alone(name), Some(libc::SIGSYS));
}
