//! vNICs come and go, and nothing is left of them.

use super::accounts::nothing_unexplained;
use crate::binaries::Binaries;
use crate::error::{Doing, Result, check};
use crate::lab::Lab;
use crate::memory::{Memory, descriptors};
use crate::report::Report;
use crate::sandbox::netns_path;
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

/// Cycles on devices in memory, and on veth.
const IN_MEMORY: u32 = 100_000;
const ON_VETH: usize = 1000;
/// On veth, so many at the same time: each mostly waits for the kernel.
const TOGETHER: usize = 8;

/// Ids are given again after a second.
const DRAIN: Duration = Duration::from_secs(3);
/// What an allocator may hold more at the end than after a quarter, in KiB.
const NOISE: u64 = 512;

const VIS: &str = "vic authentication none\nvlan 10\nport-profile web\n  switchport mode access\n  \
    switchport access vlan 10\ninterface ethernet 1\n  device niv1\n  switchport mode vntag\n";
const IV: &str = "uplink = \"eth1\"\n";

/// What both ends hold while no vNIC is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    descriptors: [usize; 2],
    free_vifs: u64,
    free_lists: u64,
    vnics: usize,
    devices: usize,
}

const ENDS: [&str; 2] = ["vis", "h1"];

fn held(lab: &mut Lab) -> Result<(Held, [Memory; 2])> {
    std::thread::sleep(DRAIN);
    // Before anything is asked: an answer is a descriptor too, for a moment.
    let mut open = [0; 2];
    let mut memory = [Memory::default(); 2];
    for ((open, memory), host) in open.iter_mut().zip(&mut memory).zip(ENDS) {
        let process = lab.daemon(host)?.process();
        *open = descriptors(&process)?;
        *memory = Memory::of(&process)?;
    }
    let show = lab.daemon("vis")?.show_json(&["niv", "link"])?;
    let free = |kind: &str| {
        let at = format!("/links/0/{kind}/free");
        show.pointer(&at)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    };
    let vnics = lab.daemon("h1")?.show_json(&[])?;
    let vnics = vnics.get("vnics").and_then(Value::as_array).map(Vec::len);
    let held = Held {
        descriptors: open,
        free_vifs: free("vifs"),
        free_lists: free("lists"),
        vnics: vnics.unwrap_or_default(),
        devices: lab.host("h1")?.devices()?,
    };
    Ok((held, memory))
}

/// A program of `benches` does something so many times, without a kernel, and prints what came of it.
pub(super) fn in_memory(
    binaries: &Binaries,
    report: &Report,
    program: &str,
    times: u64,
) -> Result<()> {
    let program = binaries.path(program);
    let output = Command::new(&program)
        .arg(times.to_string())
        .output()
        .doing(format!(
            "run {} (`cargo build --release --package benches` makes it)",
            program.display()
        ))?;
    report.block(&String::from_utf8_lossy(&output.stdout));
    check(output.status.success(), || {
        String::from_utf8_lossy(&output.stderr).into_owned()
    })
}

/// In memory, then on veth.
pub(super) fn churn(binaries: &Binaries, report: &Report) -> Result<()> {
    report.part(&format!("{IN_MEMORY} times on devices in memory"));
    in_memory(binaries, report, "churn", IN_MEMORY.into())?;
    on_veth(binaries, report)
}

fn on_veth(binaries: &Binaries, report: &Report) -> Result<()> {
    report.part(&format!("{ON_VETH} times on veth, {TOGETHER} at a time"));
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "g1"] {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    lab.start("vis", "vis", VIS)?;
    lab.start("h1", "iv", IV)?;
    // What is made once is made.
    cycles(&mut lab, TOGETHER)?;
    let (before, _) = held(&mut lab)?;
    let begun = Instant::now();
    cycles(&mut lab, ON_VETH / 4)?;
    let mut took = begun.elapsed();
    let (at_quarter, first) = held(&mut lab)?;
    let begun = Instant::now();
    cycles(&mut lab, ON_VETH - ON_VETH / 4)?;
    took += begun.elapsed();
    let (at_end, last) = held(&mut lab)?;
    report.figure(
        "attached and detached",
        format!("{:.1} ms each", took.as_secs_f64() * 1e3 / ON_VETH as f64),
    );
    for (what, held) in [
        ("before", before),
        ("a quarter", at_quarter),
        ("the end", at_end),
    ] {
        report.figure(&format!("held at {what}"), format!("{held:?}"));
    }
    check(before == at_quarter && before == at_end, || {
        "something is left behind".to_owned()
    })?;
    for ((host, first), last) in ENDS.into_iter().zip(first).zip(last) {
        let (first, last) = (first.beside_rings(), last.beside_rings());
        report.figure(
            &format!("resident memory of {host}, after a quarter and at the end"),
            format!("{first} KiB, {last} KiB"),
        );
        check(last <= first + NOISE, || {
            format!("{host} grew from {first} to {last} KiB")
        })?;
    }
    for host in ENDS {
        nothing_unexplained(&mut lab, host, report)?;
    }
    lab.check_alive()
}

/// So many vNICs are attached and detached, several at the same time.
fn cycles(lab: &mut Lab, count: usize) -> Result<()> {
    let path = netns_path("g1").display().to_string();
    let ask = lab.daemon("h1")?.asker();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..TOGETHER)
            .map(|index| {
                let (ask, path) = (&ask, &path);
                scope.spawn(move || -> Result<()> {
                    let (name, device) = (format!("v{index}"), format!("e{index}"));
                    // The same vNIC again and again: the switch remembers those it has seen, up to 1,024.
                    let uuid = format!("6ba7b810-9dad-41d1-80b4-00c04fd43{index:03x}");
                    for _ in 0..count / TOGETHER {
                        let attach = ["attach", &name, "--profile", "web", "--uuid", &uuid];
                        let guest = ["--netns", path, "--ifname", &device];
                        ask(&[&attach[..], &guest[..]].concat())?;
                        ask(&["detach", &name])?;
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(())
    })
}
