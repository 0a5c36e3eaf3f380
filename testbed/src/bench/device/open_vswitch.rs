//! Open vSwitch with its datapath in user space. Its normal switching never sends a frame back out of the port it
//! came in by, so each station has a rule that does.

use super::Running;
use crate::bench::bed::{Bed, DUT, DUT_CORE, pinned};
use crate::bench::shape::{GROUP, Turn, address};
use crate::binaries::said;
use crate::daemon::spawn_in;
use crate::error::{Doing, Result, check};
use crate::lab::Host;
use crate::need::{command, find_program};
use crate::sandbox;
use crate::unpacked;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a daemon, or its port, may take to come.
const WITHIN: Duration = Duration::from_secs(20);

/// How it reaches its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Port {
    /// Packet sockets; oversized frames pass whole (`userspace-tso-enable`).
    System,
    AfXdpGeneric,
    AfXdpNative,
    DpdkPacket,
    DpdkXdp,
}

impl Port {
    pub(super) const fn is_dpdk(self) -> bool {
        matches!(self, Self::DpdkPacket | Self::DpdkXdp)
    }

    /// Its daemon's file name.
    pub(super) const fn daemon(self) -> &'static str {
        if self.is_dpdk() {
            "ovs-vswitchd-dpdk"
        } else {
            "ovs-vswitchd"
        }
    }

    /// What `add-port` is told of it.
    fn options(self) -> Vec<String> {
        let device = DUT.1;
        let words: &[&str] = match self {
            Self::System => &[],
            Self::AfXdpGeneric => &["type=afxdp", "options:n_rxq=1", "options:xdp-mode=generic"],
            Self::AfXdpNative => &["type=afxdp", "options:n_rxq=1", "options:xdp-mode=native"],
            Self::DpdkPacket => &["type=dpdk"],
            Self::DpdkXdp => &["type=dpdk"],
        };
        let mut words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        match self {
            Self::DpdkPacket => words.push(format!(
                "options:dpdk-devargs=\"net_af_packet0,iface={device},blocksz=65536,framesz=2048,framecnt=4096,qdisc_bypass=1\""
            )),
            Self::DpdkXdp => words.push(format!(
                "options:dpdk-devargs=\"net_af_xdp0,iface={device},start_queue=0,queue_count=1\""
            )),
            _ => {}
        }
        words
    }
}

/// The daemon of that kind, which packages put beside programs and not among them.
pub(super) fn daemon(port: Port) -> Option<PathBuf> {
    let beside = find_program("ovs-vsctl")?;
    let usr = beside.parent()?.parent()?;
    let folder = if port.is_dpdk() {
        "openvswitch-switch-dpdk"
    } else {
        "openvswitch-switch"
    };
    let file = usr.join("lib").join(folder).join(port.daemon());
    file.is_file().then_some(file)
}

/// Its processes, ended when this is dropped: the switch first.
pub(in crate::bench) struct OpenVSwitch {
    children: Vec<Child>,
    folder: PathBuf,
}

impl Drop for OpenVSwitch {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            // Ended already, if it cannot be.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl OpenVSwitch {
    fn vsctl(&self, words: &[impl AsRef<OsStr>]) -> Result<String> {
        let mut command = command("ovs-vsctl");
        command.arg(format!("--db=unix:{}/db.sock", self.folder.display()));
        said(command.arg("--timeout=20").args(words))
    }

    fn set(&self, setting: &str, wait: bool) -> Result<()> {
        let wait: &[&str] = if wait { &[] } else { &["--no-wait"] };
        let words = [wait, &["set", "Open_vSwitch", ".", setting]].concat();
        self.vsctl(&words).map(|_| ())
    }

    fn spawn(&mut self, host: &Host, program: &mut Command, name: &str) -> Result<()> {
        let log = self.folder.join(format!("{name}.out"));
        let log = File::create(&log).doing("write a log")?;
        let folder = &self.folder;
        program
            .env("OVS_RUNDIR", folder)
            .env("OVS_LOGDIR", folder)
            .env("OVS_DBDIR", folder)
            .env("OVS_SYSCONFDIR", folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().doing("share a log")?)
            .stderr(log);
        self.children.push(spawn_in(&host.netns, program)?);
        Ok(())
    }

    fn wait_for(&self, file: &str) -> Result<()> {
        let end = Instant::now() + WITHIN;
        while !self.folder.join(file).exists() {
            check(Instant::now() < end, || {
                format!("Open vSwitch did not make {file}: {}", self.words())
            })?;
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The last lines it has said.
    fn words(&self) -> String {
        let text = fs::read_to_string(self.folder.join("vswitchd.out")).unwrap_or_default();
        let skip = text.lines().count().saturating_sub(12);
        text.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }
}

/// Starts it in the namespace of the device under test.
pub(super) fn start(bed: &Bed, port: Port, stations: u32) -> Result<Running> {
    let host = bed.device()?;
    let (mode, switch) = start_in(host, port, stations.max(GROUP), false)?;
    Ok(Running {
        mode,
        turn: Turn::Forwards,
        vifs: None,
        _guard: Box::new(switch),
    })
}

/// Starts it on a host; `tso`: oversized frames pass whole.
pub(in crate::bench) fn start_in(
    host: &Host,
    port: Port,
    stations: u32,
    tso: bool,
) -> Result<(String, OpenVSwitch)> {
    let folder = Path::new(sandbox::FOLDER).join("bench-ovs");
    let _was_there = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).doing("make a folder for Open vSwitch")?;
    let mut switch = OpenVSwitch {
        children: Vec::new(),
        folder: folder.clone(),
    };
    let binary = daemon(port).unwrap_or_else(|| port.daemon().into());
    let schema = binary
        .parent()
        .and_then(|folder| {
            Some(
                folder
                    .parent()?
                    .parent()?
                    .join("share/openvswitch/vswitch.ovsschema"),
            )
        })
        .unwrap_or_default();
    let database = folder.join("conf.db");
    said(
        command("ovsdb-tool")
            .arg("create")
            .arg(&database)
            .arg(schema),
    )?;
    let socket = format!("punix:{}/db.sock", folder.display());
    let mut server = command("ovsdb-server");
    server.arg(&database).arg("--remote").arg(&socket);
    server.arg(format!("--unixctl={}/db.ctl", folder.display()));
    switch.spawn(host, &mut server, "ovsdb")?;
    switch.wait_for("db.sock")?;
    switch.vsctl(&["--no-wait", "init"])?;
    let mask = format!("other_config:pmd-cpu-mask={:x}", 1 << DUT_CORE);
    switch.set(&mask, false)?;
    switch.set("other_config:max-idle=300000", false)?;
    if tso {
        switch.set("other_config:userspace-tso-enable=true", false)?;
    }
    if port.is_dpdk() {
        switch.set("other_config:dpdk-init=true", false)?;
        switch.set("other_config:dpdk-lcore-mask=1", false)?;
        switch.set("other_config:dpdk-socket-mem=512", false)?;
        let extra = format!(
            "--no-pci --no-telemetry --file-prefix=ovs {}",
            dpdk_options().join(" ")
        );
        switch.set(&format!("other_config:dpdk-extra=\"{extra}\""), false)?;
    }
    let mut vswitchd = Command::new(&binary);
    unpacked::equip(&mut vswitchd);
    vswitchd.arg(format!("unix:{}/db.sock", folder.display()));
    vswitchd.arg(format!("--unixctl={}/vswitchd.ctl", folder.display()));
    if port.is_dpdk() {
        switch.spawn(host, &mut vswitchd, "vswitchd")?;
    } else {
        pinned(DUT_CORE, || switch.spawn(host, &mut vswitchd, "vswitchd"))?;
    }
    switch.wait_for("vswitchd.ctl")?;
    let bridge = [
        "add-br",
        "br0",
        "--",
        "set",
        "bridge",
        "br0",
        "datapath_type=netdev",
        "--",
        "set-fail-mode",
        "br0",
        "secure",
    ];
    switch.vsctl(&bridge)?;
    let mut words: Vec<String> = ["add-port", "br0", DUT.1].map(str::to_owned).into();
    let options = port.options();
    if !options.is_empty() {
        words.extend(["--", "set", "interface", DUT.1].map(str::to_owned));
        words.extend(options);
    }
    switch.vsctl(&words)?;
    let error = switch.vsctl(&["get", "interface", DUT.1, "error"])?;
    check(error.trim() == "[]", || {
        format!(
            "Open vSwitch cannot use its port: {} {}",
            error.trim(),
            switch.words()
        )
    })?;
    let mut rules = String::new();
    for station in 0..stations {
        let [a, b, c, d, e, f] = address(station);
        // Writing to a String cannot fail.
        let _ = writeln!(
            rules,
            "priority=10,dl_dst={a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x},actions=in_port"
        );
    }
    let file = folder.join("rules");
    fs::write(&file, rules).doing("write rules for Open vSwitch")?;
    let management = format!("unix:{}/br0.mgmt", folder.display());
    switch.wait_for("br0.mgmt")?;
    said(
        command("ovs-ofctl")
            .args(["--bundle", "add-flows", &management])
            .arg(&file),
    )?;
    let version = said(command("ovs-vsctl").arg("--version"))?;
    let version = version.lines().next().unwrap_or_default();
    let version = version.rsplit(' ').next().unwrap_or_default().to_owned();
    let memory = if port.is_dpdk() { ", huge pages" } else { "" };
    let tso = if tso { ", userspace TSO" } else { "" };
    Ok((
        format!("Open vSwitch {version} {port:?}{memory}{tso}"),
        switch,
    ))
}

/// What DPDK is told: where its drivers are, if it is unpacked and not installed;
pub(super) fn dpdk_options() -> Vec<String> {
    let mut words = Vec::new();
    let Some(libraries) =
        find_program("dpdk-testpmd").and_then(|file| unpacked::library_path(&file))
    else {
        return words;
    };
    let drivers = ["bus_vdev", "mempool_ring", "net_af_packet", "net_af_xdp"];
    for driver in drivers {
        let name = format!("librte_{driver}.so");
        let found = std::env::split_paths(&libraries).map(|folder| folder.join(&name));
        if let Some(file) = found.into_iter().find(|file| file.exists()) {
            words.extend(["-d".to_owned(), file.display().to_string()]);
        }
    }
    words
}

/// Whether a host has it at all, for those that ask before a lab is up.
pub(in crate::bench) fn is_there(port: Port) -> bool {
    daemon(port).is_some()
}
