//! What every device under test stands on: two namespaces, one cable, two cores.
//!
//! ```text
//!   namespace gen, core 0                     namespace dut, core 1
//!  [ generator ] --> nivbg ==== veth ==== nivbd <--> [ device under test ]
//!  [ sink: XDP ] <--'                                  sends back out of nivbd
//! ```

use crate::binaries::{Binaries, said};
use crate::daemon::spawn_in;
use crate::error::{Doing, LabError, Result, check};
use crate::lab::{Host, Lab};
use crate::need::command;
use crate::sandbox;
use packet_io::Port;
use rustix::mount::{UnmountFlags, unmount};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The generator's namespace and its end of the cable.
pub(super) const GEN: (&str, &str) = ("gen", "nivbg");
/// The device's.
pub(super) const DUT: (&str, &str) = ("dut", "nivbd");
/// The generator's core.
pub(super) const GEN_CORE: usize = 0;
/// The device's core.
pub(super) const DUT_CORE: usize = 1;
/// Room for 1518 octets, a VNTag and some.
const MTU: u32 = 1600;

/// The two ends, and what runs in them.
pub(super) struct Bed {
    /// Its hosts and daemons.
    pub(super) lab: Lab,
}

impl Bed {
    /// Lays the cable. `threaded`: the device's receiving is done by a kernel thread of its own.
    pub(super) fn new(binaries: &Binaries, threaded: bool) -> Result<Self> {
        let mut lab = Lab::new(binaries);
        for (name, _) in [GEN, DUT] {
            let host = add_host(&mut lab, name)?;
            host.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
        }
        lab.cable_for_daemons(GEN, DUT)?;
        for (name, device) in [GEN, DUT] {
            let host = lab.host(name)?;
            host.mtu(device, MTU)?;
            host.silence(device)?;
            ethtool(
                host,
                &[
                    "-K", device, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "sg",
                    "off", "gro", "on",
                ],
            )?;
            in_host(host, "ip", &["link", "set", device, "promisc", "on"])?;
        }
        let dut = lab.host(DUT.0)?;
        dut.up(DUT.1)?;
        lab.host(GEN.0)?.up(GEN.1)?;
        if threaded {
            let file = format!("/sys/class/net/{}/threaded", DUT.1);
            // Of the device's own namespace: `ip netns exec` mounts a /sys that shows it.
            let write = format!("echo 1 > {file}");
            in_host(dut, "ip", &["netns", "exec", DUT.0, "sh", "-c", &write])?;
        }
        let bed = Self { lab };
        bed.wait_for_link()?;
        Ok(bed)
    }

    fn wait_for_link(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(3);
        loop {
            let up = [GEN, DUT]
                .into_iter()
                .try_fold(true, |all, (host, device)| {
                    let host = self.lab.host(host)?;
                    Ok::<_, LabError>(all && host.device(device)?.carrier)
                })?;
            if up {
                return Ok(());
            }
            check(Instant::now() < end, || "the cable has no link".to_owned())?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The generator's host.
    pub(super) fn generator(&self) -> Result<&Host> {
        self.lab.host(GEN.0)
    }

    /// The device's host.
    pub(super) fn device(&self) -> Result<&Host> {
        self.lab.host(DUT.0)
    }

    /// The generator's end, opened for sending by AF_XDP and receiving by a ring.
    pub(super) fn open_generator(&self) -> Result<Port> {
        let port = crate::endpoint::trunk::open(self.generator()?, GEN.1)?;
        check(port.capabilities.mode == "af_packet+af_xdp", || {
            format!(
                "the generator got no AF_XDP socket (mode {}): this kernel has none, or memory may not be locked",
                port.capabilities.mode
            )
        })?;
        Ok(port)
    }

    /// The number of the generator's device.
    pub(super) fn generator_index(&self) -> Result<u32> {
        Ok(self.generator()?.index(GEN.1)?.0)
    }
}

/// Adds a host, of whose name another bed may have had one: names outlive what they stand for.
pub(super) fn add_host<'a>(lab: &'a mut Lab, name: &str) -> Result<&'a Host> {
    let path = sandbox::netns_path(name);
    if path.exists() {
        unmount(&path, UnmountFlags::DETACH).doing(format!("let go of {}", path.display()))?;
        fs::remove_file(&path).doing(format!("remove {}", path.display()))?;
    }
    lab.add_host(name)
}

/// Runs a program in a host's namespace and gives what it prints.
pub(super) fn in_host(host: &Host, program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = command(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = spawn_in(&host.netns, &mut command)?
        .wait_with_output()
        .doing(format!("read what {program} says"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    check(output.status.success(), || {
        format!("`{program} {}` failed: {text}", arguments.join(" "))
    })?;
    Ok(text)
}

/// Sets a device's features; some do not exist on some kernels, and `ethtool` complains of them in vain.
pub(super) fn ethtool(host: &Host, arguments: &[&str]) -> Result<()> {
    let _what_it_could_not_set = in_host(host, "ethtool", arguments);
    Ok(())
}

/// Binds the calling thread to one core, if the machine has it; threads and processes it starts begin there.
pub(super) fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).doing(format!("stay on core {core}"))
}

/// Does `work` bound to one core, and goes back to where it was.
pub(super) fn pinned<T>(core: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = sched_getaffinity(None).doing("ask which cores are ours")?;
    pin(core)?;
    let result = work();
    sched_setaffinity(None, &before).doing("go back to all cores")?;
    result
}

/// Time each core has spent on tasks and on interrupts during them, in nanoseconds, exactly; and whether it is that,
/// or only what the clock's ticks saw.
pub(super) fn busy() -> (Vec<u64>, &'static str) {
    for file in [
        "/sys/fs/cgroup/cpuacct/cpuacct.usage_percpu",
        "/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage_percpu",
    ] {
        if let Ok(text) = fs::read_to_string(file) {
            let cores = text.split_whitespace().filter_map(|n| n.parse().ok());
            return (cores.collect(), "cpuacct");
        }
    }
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let cores = cores_of(&text).map(|ticks| {
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        let all: u64 = ticks.iter().take(7).sum();
        (all - idle) * 10_000_000
    });
    (cores.collect(), "ticks")
}

/// A test that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meanwhile {
    began: Instant,
    stolen: u64,
}

impl Meanwhile {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            stolen: stolen(),
        }
    }

    /// Milliseconds it took, and that the hypervisor took from all cores.
    pub(super) fn end(self) -> (u64, u64) {
        let took = self.began.elapsed().as_millis().try_into();
        (took.unwrap_or(u64::MAX), stolen() - self.stolen)
    }
}

/// Time the hypervisor took away from all cores, in milliseconds.
pub(super) fn stolen() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let stolen = cores_of(&text).filter_map(|ticks| ticks.get(7).copied());
    stolen.sum::<u64>() * 10
}

/// The numbers of each line `cpuN ...` of `/proc/stat`, in hundredths of a second (proc_stat(5)).
fn cores_of(text: &str) -> impl Iterator<Item = Vec<u64>> {
    text.lines().filter_map(|line| {
        let rest = line.strip_prefix("cpu")?;
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if line.starts_with("cpu ") {
            return None;
        }
        Some(
            rest.split_whitespace()
                .filter_map(|n| n.parse().ok())
                .collect(),
        )
    })
}

/// What identifies the machine a result belongs to.
pub(super) fn machine() -> Vec<(String, String)> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned());
    let cores = cpu
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let memory = read("/proc/meminfo");
    let memory = memory.lines().next().unwrap_or_default().to_owned();
    let memory = memory.trim_start_matches("MemTotal:").trim().to_owned();
    let hypervisor = cpu.contains(" hypervisor");
    let version = said(Command::new("uname").args(["-srvm"])).unwrap_or_default();
    let release = read("/etc/os-release");
    let release = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or("unknown")
        .trim_matches('"')
        .to_owned();
    [
        ("processor", model),
        ("cores", cores.to_string()),
        ("memory", memory),
        ("virtual machine", hypervisor.to_string()),
        ("kernel", version.trim().to_owned()),
        ("system", release),
        ("generator's core", GEN_CORE.to_string()),
        ("device's core", DUT_CORE.to_string()),
        ("core time from", busy().1.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_cores_are_read_and_the_sum_is_not() {
        let text = "cpu  9 9 9\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 1 0 0 0 0 0 0 2 0 0\nintr 5\n";
        let stolen: Vec<_> = cores_of(text).map(|ticks| ticks[7]).collect();
        assert_eq!(stolen, [8, 2]);
    }
}
