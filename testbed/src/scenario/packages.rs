//! The Debian packages: built, judged by Debian's and systemd's own programs, unpacked, and run from there as their units
//! say, for a service manager that listens.

use crate::binaries::{Binaries, said, workspace};
use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::error::{Doing, LabError, Result, check};
use crate::lab::{Host, Lab};
use crate::need::command;
use crate::report::Report;
use crate::sandbox;
use rustix::mount::{MountFlags, mount};
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// In tenths, what `systemd-analyze security` may find at most: below this it says "OK".
const EXPOSURE: &str = "--threshold=40";
/// How often a daemon says that it lives is asked of it in this time.
const WATCHDOG: Duration = Duration::from_millis(600);
const WITHIN: Duration = Duration::from_secs(15);
const GUEST: &str = "10.0.0.2";
const NEIGHBOUR: &str = "10.0.0.3";

/// Builds both packages twice, takes them apart, and runs what is in them.
pub(super) fn packages(binaries: &Binaries, report: &Report) -> Result<()> {
    let folder = PathBuf::from("/mnt");
    let safe = MountFlags::NODEV;
    mount("packages", &folder, "tmpfs", safe, Some(c"mode=0755")).doing("make a folder")?;
    let [once, again] = ["once", "again"].map(|name| folder.join(name));
    let root = folder.join("root");
    for to in [&once, &again] {
        said(
            Command::new(binaries.path("package"))
                .args(["--built".as_ref(), binaries.folder()])
                .args(["--sources".as_ref(), workspace().as_path()])
                .args(["--to".as_ref(), to.as_path()])
                .env("SOURCE_DATE_EPOCH", "1700000000"),
        )?;
    }
    let mut files: Vec<_> = fs::read_dir(&once)
        .doing("list the packages")?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    files.sort();
    check(files.len() == 2, || format!("two packages, not {files:?}"))?;
    for file in &files {
        let read = |from: &Path| fs::read(from.join(file)).doing("read a package");
        check(read(&once)? == read(&again)?, || {
            format!("{} is another one when it is built again", file.display())
        })?;
        judge_package(&once.join(file), &root, report)?;
    }
    for program in ["iv", "vis"] {
        judge_unit(program, &root, report)?;
    }
    run_them(binaries, &root, report)
}

fn judge_package(file: &Path, root: &Path, report: &Report) -> Result<()> {
    let fields = said(command("dpkg-deb").arg("--info").arg(file))?;
    for field in [
        "Package: niv-",
        "Version: ",
        "Architecture: ",
        "Depends: libc6 (>= 2.",
    ] {
        check(fields.contains(field), || {
            format!("no `{field}` in {fields}")
        })?;
    }
    let list = said(command("dpkg-deb").arg("--contents").arg(file))?;
    let stranger = list.lines().find(|line| !line.contains(" root/root "));
    check(stranger.is_none(), || format!("not root's: {stranger:?}"))?;
    said(command("dpkg-deb").arg("--extract").args([file, root]))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    report.figure(&name, format!("{} files, all root's", list.lines().count()));
    Ok(())
}

fn unit_file(program: &str, root: &Path) -> PathBuf {
    root.join(format!("usr/lib/systemd/system/{program}.service"))
}

/// `verify` looks for the program where it says, and this one is not installed.
fn judge_unit(program: &str, root: &Path, report: &Report) -> Result<()> {
    let file = unit_file(program, root);
    let text = fs::read_to_string(&file).doing("read a unit")?;
    let here = root.join("usr/bin").join(program);
    let moved = text.replace(&format!("/usr/bin/{program}"), &here.display().to_string());
    let moved_file = root.join(format!("{program}.service"));
    fs::write(&moved_file, moved).doing("write a unit")?;
    let mut verify = command("systemd-analyze");
    let complaints = said(verify.args(["verify", "--man=no"]).arg(&moved_file))?;
    check(complaints.trim().is_empty(), || complaints)?;
    let mut security = command("systemd-analyze");
    let judged = said(
        security
            .args(["security", "--offline=yes", "--no-pager", EXPOSURE])
            .arg(&file),
    )?;
    let verdict = judged.lines().rfind(|line| line.contains("exposure level"));
    let verdict = verdict.and_then(|line| line.split_once(": "));
    let (_, verdict) = verdict.unwrap_or_default();
    report.figure(&format!("exposure of {program}.service"), verdict);
    Ok(())
}

/// What a unit says, by key.
fn unit(program: &str, root: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(unit_file(program, root)).doing("read a unit")?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect())
}

/// A daemon that runs as its unit says: these capabilities and no other, telling this socket.
struct Unit {
    program: &'static str,
    socket: UnixDatagram,
    child: Child,
    said: Vec<String>,
}

impl Unit {
    fn start(program: &'static str, root: &Path, host: &Host) -> Result<Self> {
        let unit = unit(program, root)?;
        let said = |key: &str| unit.get(key).cloned().unwrap_or_default();
        let notify = root.join(format!("{program}.notify"));
        let socket = UnixDatagram::bind(&notify).doing("listen as a service manager")?;
        let patience = socket.set_read_timeout(Some(Duration::from_millis(100)));
        patience.doing("listen as a service manager")?;
        check(said("Type") == "notify", || {
            format!("{program} is {}", said("Type"))
        })?;
        let bounds = said("CapabilityBoundingSet")
            .to_lowercase()
            .replace("cap_", "+");
        let bounds = format!("-all,{}", bounds.replace(' ', ","));
        let start = said("ExecStart");
        let words = start.split(' ').map(|word| match word.strip_prefix('/') {
            Some(inside) => root.join(inside).display().to_string(),
            None => word.to_owned(),
        });
        let mut command = command("setpriv");
        command
            .args(["--no-new-privs", "--inh-caps=-all"])
            .arg(format!("--bounding-set={bounds}"))
            .arg("--")
            .args(words)
            .env_clear()
            .env("NOTIFY_SOCKET", &notify)
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .stdin(Stdio::null());
        let log = fs::File::create(root.join(format!("{program}.log"))).doing("make a log")?;
        command.stderr(log);
        let child = crate::daemon::spawn_in(&host.netns, &mut command)?;
        Ok(Self {
            program,
            socket,
            child,
            said: Vec::new(),
        })
    }

    /// Listens until it has said that so often.
    fn hear(&mut self, what: &str, times: usize) -> Result<()> {
        let end = Instant::now() + WITHIN;
        let mut message = [0; 4096];
        loop {
            let heard = |line: &&String| line.starts_with(what);
            if self.said.iter().filter(heard).count() >= times {
                return Ok(());
            }
            if let Ok(length) = self.socket.recv(&mut message) {
                let text = String::from_utf8_lossy(message.get(..length).unwrap_or_default());
                self.said.extend(text.lines().map(str::to_owned));
            }
            check(Instant::now() < end, || {
                format!("{} never said {what}, only {:?}", self.program, self.said)
            })?;
        }
    }

    fn end(&mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).doing("end a daemon")?;
        self.hear("STOPPING=1", 1)?;
        let status = self.child.wait().doing("wait for a daemon")?;
        check(status.success(), || {
            format!("{} ended with {status}", self.program)
        })
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The unit's rights do not reach into a folder of somebody else's: it is said why nothing is saved, and the file stays.
fn not_saved_without_permission(root: &Path, etc: &Path, report: &Report) -> Result<()> {
    let file = etc.join("vis.conf");
    let before = fs::read(&file).doing("read a configuration")?;
    let nobody = Some(65_534);
    std::os::unix::fs::chown(etc, nobody, None).doing("give a folder away")?;
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(etc, open).doing("open a folder")?;
    let output = Command::new(root.join("usr/bin/vis"))
        .args(["exec", "copy running-config startup-config"])
        .output()
        .doing("run vis")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    check(
        !output.status.success() && said.contains("the switch may not write there"),
        || {
            format!(
                "a save without permission ends with {}: {said}",
                output.status
            )
        },
    )?;
    let after = fs::read(&file).doing("read a configuration")?;
    check(after == before, || {
        "a save without permission has changed the file".to_owned()
    })?;
    report.figure("a save without permission", said.trim());
    Ok(())
}

fn run_them(binaries: &Binaries, root: &Path, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["switch", "host", "guest", "neighbour"] {
        lab.add_host(name)?;
    }
    lab.cable(("host", "eth1"), ("switch", "eth1"))?;
    lab.cable(("neighbour", "trunk"), ("switch", "eth2"))?;
    let etc = root.join("etc/niv");
    let key = etc.join("vic.key");
    fs::write(&key, [7; 32]).doing("write a key")?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).doing("keep a key secret")?;
    // What the packages bring, as an administrator changes it.
    for (file, from, to) in [
        (
            "vis.conf",
            "/etc/niv/vic.key".to_owned(),
            key.display().to_string(),
        ),
        (
            "vis.conf",
            "mode trunk".to_owned(),
            "mode access\n  switchport access vlan 10".to_owned(),
        ),
        (
            "vis.conf",
            "  switchport trunk allowed vlan 10\n".to_owned(),
            String::new(),
        ),
        (
            "iv.toml",
            "#key-file = \"/etc/niv/vic.key\"".to_owned(),
            format!("key-file = \"{}\"", key.display()),
        ),
    ] {
        let file = etc.join(file);
        let text = fs::read_to_string(&file).doing("read a configuration")?;
        check(text.contains(&from), || {
            format!("no `{from}` in {}", file.display())
        })?;
        fs::write(&file, text.replace(&from, &to)).doing("change a configuration")?;
    }
    // `/var/lib` is the machine's: this one is gone with the sandbox.
    let state = Path::new("/var/lib");
    mount("state", state, "tmpfs", MountFlags::NODEV, None).doing("cover /var/lib")?;
    fs::create_dir_all("/run/niv").doing("make /run/niv")?;
    fs::create_dir_all("/var/lib/niv").doing("make /var/lib/niv")?;

    let mut vis = Unit::start("vis", root, lab.host("switch")?)?;
    vis.hear("READY=1", 1)?;
    let mut iv = Unit::start("iv", root, lab.host("host")?)?;
    iv.hear("READY=1", 1)?;
    for daemon in [&mut vis, &mut iv] {
        daemon.hear("WATCHDOG=1", 3)?;
        daemon.hear("STATUS=", 1)?;
    }
    report.figure(
        "told the service manager",
        "ready, and alive again and again",
    );

    let guest = sandbox::netns_path("guest");
    said(
        Command::new(root.join("usr/bin/iv"))
            .args(["attach", "guest", "--profile", "web", "--netns"])
            .arg(guest),
    )?;
    vis.hear("STATUS=2 ethernet interfaces, 1 vEth", 1)?;
    let station = |host: &str, device: &str, ip: &str| -> Result<IpAddr> {
        let ip: IpAddr = ip.parse().map_err(|_| LabError::Check(ip.to_owned()))?;
        lab.host(host)?.up(device)?;
        lab.host(host)?.address(device, ip)?;
        Ok(ip)
    };
    station("guest", "eth0", GUEST)?;
    let to = station("neighbour", "trunk", NEIGHBOUR)?;
    let patience = Patience {
        payload: 56,
        within: Duration::from_secs(5),
        linger: Duration::ZERO,
    };
    let talk = || -> Result<()> {
        let outcome = ping_all(
            &[&lab.host("guest")?.netns],
            &[Pair { from: 0, to }],
            patience,
        )?;
        check(outcome.values().all(|outcome| outcome.is_clean()), || {
            "the guest does not reach the neighbour".to_owned()
        })
    };
    talk()?;
    report.figure("with the unit's capabilities and no other", "a guest talks");
    not_saved_without_permission(root, &etc, report)?;
    talk()?;
    iv.end()?;
    vis.end()?;
    report.figure("told to end", "both said so, and ended well");
    Ok(())
}
