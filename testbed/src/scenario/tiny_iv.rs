//! A second interface virtualizer, written from `docs/vic.md` alone and sharing no code with ours, is taken by the switch.

use super::accounts::numbers;
use crate::binaries::Binaries;
use crate::daemon::spawn_in;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet, untag};
use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Doing, LabError, Result, check};
use crate::lab::Lab;
use crate::need;
use crate::report::Report;
use crate::sandbox;
use niv::Mac;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The interface virtualizer, and the protocol it speaks.
const SCRIPTS: [(&str, &str); 2] = [
    ("tiny_iv.py", include_str!("../../judges/tiny_iv.py")),
    ("tiny_vic.py", include_str!("../../judges/tiny_vic.py")),
];

/// The guests, with the UUID of each one's vNIC. The host's end of each guest's cable has the guest's name.
const GUESTS: [(&str, &str); 2] = [
    ("g1", "6ba7b810-9dad-41d1-80b4-00c04fd430c1"),
    ("g2", "6ba7b810-9dad-41d1-80b4-00c04fd430c2"),
];
/// Who the virtualizer says it is.
const IDENTITY: &str = "6ba7b810-9dad-41d1-80b4-00c04fd430ff";
const DEVICE: &str = "eth0";

/// A plain port beside the NIV link: floods from there are for both guests.
const NEIGHBOUR: &str = "n1";

/// How long anything may take that the protocol does.
const WITHIN: Duration = Duration::from_secs(10);
/// How long nothing more may come after what was to come.
const LINGER: Duration = Duration::from_millis(300);

const PATIENCE: Patience = Patience {
    payload: 56,
    within: Duration::from_secs(5),
    linger: Duration::from_millis(50),
};

/// What makes a flood ours.
const MARK: u8 = 0x5C;

fn v4(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 10, number).into()
}

/// The virtualizer, running, and what it said.
struct Tiny {
    child: Child,
    log: PathBuf,
}

impl Tiny {
    fn start(lab: &Lab, name: &str, key: &Path) -> Result<Self> {
        let folder = Path::new(sandbox::FOLDER);
        for (script, text) in SCRIPTS {
            let file = folder.join(script);
            fs::write(&file, text).doing(format!("write {}", file.display()))?;
        }
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).doing(format!("write {}", log.display()))?;
        let mut command = need::command("python3");
        command
            .arg(folder.join("tiny_iv.py"))
            .args(["--uplink", "eth1", "--identity", IDENTITY])
            .arg("--key-file")
            .arg(key)
            .arg("--state")
            .arg(folder.join(format!("{name}.json")))
            .stdin(Stdio::null())
            .stdout(output.try_clone().doing("share a log")?)
            .stderr(output);
        for (guest, uuid) in GUESTS {
            command.args(["--vnic", &format!("{guest}:web:{uuid}:{guest}")]);
        }
        let child = spawn_in(&lab.host("h1")?.netns, &mut command)?;
        Ok(Self { child, log })
    }

    /// What it said, line by line.
    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until it says, behind the first `from` lines, one that `is_it`.
    fn says(&mut self, from: usize, is_it: impl Fn(&str) -> bool) -> Result<String> {
        let end = Instant::now() + WITHIN;
        loop {
            let lines = self.lines();
            if let Some(line) = lines.iter().skip(from).find(|line| is_it(line)) {
                return Ok(line.clone());
            }
            let ended = self.child.try_wait().doing("look after python3")?;
            check(ended.is_none() && Instant::now() < end, || {
                format!("the virtualizer does not say so: {}", lines.join("\n"))
            })?;
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until both vNICs are enabled, as it says behind the first `from` lines; their VIFs.
    fn enabled(&mut self, from: usize) -> Result<Vec<u16>> {
        let vif = |(guest, _): (&str, &str)| {
            let words = |line: &str| -> Option<u16> {
                let rest = line.strip_prefix("vif ")?.strip_prefix(guest)?;
                rest.strip_suffix(" enabled")?.trim().parse().ok()
            };
            let line = self.says(from, |line| words(line).is_some())?;
            Ok(words(&line).unwrap_or_default())
        };
        GUESTS.into_iter().map(vif).collect()
    }

    /// Ends it as a person would, and gives all it said.
    fn end(mut self) -> Result<Vec<String>> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(std::io::Error::from)
            .doing("end python3")?;
        let status = self.child.wait().doing("wait for python3")?;
        check(status.success(), || {
            format!(
                "the virtualizer ended with {status}: {}",
                self.lines().join("\n")
            )
        })?;
        Ok(self.lines())
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn key_file(name: &str, octet: u8) -> Result<PathBuf> {
    let path = Path::new(sandbox::FOLDER).join(name);
    let doing = || format!("write {}", path.display());
    // A line feed is an octet of a key like any other.
    let key: Vec<u8> = (0..31).map(|n| octet ^ n).chain([b'\n']).collect();
    fs::write(&path, key).doing(doing())?;
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).doing(doing())?;
    Ok(path)
}

fn lab(binaries: &Binaries, key: &Path) -> Result<Lab> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "g1", "g2", NEIGHBOUR] {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    // As docs/vic.md has it: what a guest may send, and a VNTag, and a VLAN tag.
    lab.host("h1")?.mtu("eth1", 1510)?;
    lab.cable((NEIGHBOUR, DEVICE), ("vis", "plain1"))?;
    lab.host(NEIGHBOUR)?.address(DEVICE, v4(3))?;
    for ((guest, _), number) in GUESTS.into_iter().zip(1..) {
        lab.cable((guest, DEVICE), ("h1", guest))?;
        lab.host(guest)?.address(DEVICE, v4(number))?;
    }
    let config = format!(
        "vic authentication key-file {}\nvlan 10\nport-profile web\n  switchport mode access\n  \
         switchport access vlan 10\ninterface ethernet 1\n  device niv1\n  switchport mode vntag\n\
         interface ethernet 2\n  device plain1\n  switchport access vlan 10\n",
        key.display()
    );
    lab.start("vis", "vis", &config)?;
    Ok(lab)
}

/// Everybody reaches everybody; and a flood is one frame on the link, for each of those it is for.
fn they_talk(lab: &mut Lab) -> Result<()> {
    let hosts = ["g1", "g2", NEIGHBOUR];
    let netns: Vec<_> = hosts
        .iter()
        .map(|host| Ok(&lab.host(host)?.netns))
        .collect::<Result<_>>()?;
    let pairs: Vec<_> = (0..3_usize)
        .flat_map(|from| (1..=3_u8).map(move |to| (from, to)))
        .filter(|&(from, to)| from + 1 != usize::from(to))
        .map(|(from, to)| Pair { from, to: v4(to) })
        .collect();
    let outcomes = ping_all(&netns, &pairs, PATIENCE)?;
    check(outcomes.values().all(|o| o.is_clean()), || {
        format!("they do not all reach each other: {outcomes:?}")
    })?;
    flood(lab, NEIGHBOUR, [1, 1])?;
    flood(lab, "g1", [0, 1])
}

/// A broadcast of `from` comes down the link once, as a list's, and reaches each guest so often.
fn flood(lab: &mut Lab, from: &str, expected: [usize; 2]) -> Result<()> {
    let watch = |host: &str, device: &str| {
        let host = lab.host(host)?;
        let interface = host.index(device)?.0;
        Watch::open(&host.netns, Choice::Received { interface })
    };
    let (down, g1, g2) = (
        watch("h1", "eth1")?,
        watch("g1", DEVICE)?,
        watch("g2", DEVICE)?,
    );
    let mut source = Source::open(&lab.host(from)?.netns, DEVICE)?;
    source.send(&ethernet(
        Mac::BROADCAST,
        source.mac,
        EXPERIMENTAL,
        &[MARK; 100],
    ))?;
    std::thread::sleep(LINGER);
    let is_ours = |bytes: &[u8]| bytes.get(12..15) == Some(&[0x88, 0xB5, MARK]);
    let tags: Vec<_> = down
        .drain()?
        .into_iter()
        .filter_map(|seen| untag(&seen.bytes))
        .filter(|(_, inner)| is_ours(inner))
        .map(|(tag, _)| tag)
        .collect();
    check(matches!(&*tags, [tag] if tag.pointer), || {
        format!("a flood of {from} is not one frame for a list on the link: {tags:?}")
    })?;
    for (watch, expected) in [g1, g2].iter().zip(expected) {
        let came = watch.drain()?;
        let came = came.iter().filter(|seen| is_ours(&seen.bytes)).count();
        check(came == expected, || {
            format!("a flood of {from} came {came} times to a guest, and not {expected}")
        })?;
    }
    Ok(())
}

/// What the switch says of the link.
fn link(lab: &mut Lab) -> Result<serde_json::Value> {
    let answer = lab.daemon("vis")?.show_json(&["niv", "link"])?;
    answer
        .pointer("/links/0")
        .cloned()
        .ok_or_else(|| LabError::Answer {
            program: "vis show niv link".to_owned(),
            detail: answer.to_string(),
        })
}

/// With another key neither end takes the other, and both say why.
fn a_wrong_key(lab: &mut Lab, report: &Report) -> Result<()> {
    let wrong = key_file("wrong.key", 0xA0)?;
    let mut tiny = Tiny::start(lab, "tiny-wrong", &wrong)?;
    let there = tiny.says(0, |line| line.starts_with("refused wrong_key "))?;
    let here = link(lab)?;
    let here = here.get("last_refusal").and_then(|why| why.as_str());
    let here = here.unwrap_or_default().to_owned();
    check(here.contains("wrong_key"), || {
        format!("the switch does not say why it refuses: {here}")
    })?;
    let lines = tiny.lines();
    check(!lines.iter().any(|line| line.starts_with("up ")), || {
        format!("a wrong key opened a session: {}", lines.join("\n"))
    })?;
    report.figure("with a wrong key the virtualizer hears", there);
    report.figure("and the switch says", here);
    Ok(())
}

/// Joins with a key, attaches two vNICs, installs lists, passes unicast and floods, and stays itself when the switch is
/// started again, politely or not.
pub(super) fn joins(binaries: &Binaries, report: &Report) -> Result<()> {
    let key = key_file("vic.key", 0x40)?;
    let mut lab = lab(binaries, &key)?;
    a_wrong_key(&mut lab, report)?;
    let mut tiny = Tiny::start(&lab, "tiny", &key)?;
    let before = tiny.enabled(0)?;
    check(before.len() == 2 && !before.contains(&0), || {
        format!("two vNICs have VIFs {before:?}")
    })?;
    tiny.says(0, |line| {
        line.starts_with("list ") && line.ends_with("confirmed")
    })?;
    they_talk(&mut lab)?;
    report.figure(
        "two vNICs with a key",
        format!("VIFs {before:?}; unicast and floods pass"),
    );

    for (way, kill) in [("told to end", false), ("killed", true)] {
        let said = tiny.lines().len();
        match kill {
            true => lab.daemon("vis")?.kill()?,
            false => lab.daemon("vis")?.end()?,
        }
        tiny.says(said, |line| line == "lost")?;
        lab.daemon("vis")?.restart()?;
        let begun = Instant::now();
        let after = tiny.enabled(said)?;
        check(after == before, || {
            format!("VIFs were {before:?}, and are {after:?} after the switch was {way}")
        })?;
        they_talk(&mut lab)?;
        report.figure(
            &format!("the switch was {way} and started again"),
            format!(
                "same VIFs, all talk after {} ms",
                begun.elapsed().as_millis()
            ),
        );
    }
    // Nobody had to be told twice: what the switch did not take, and why.
    let sessions = link(&mut lab)?;
    check(numbers(&sessions, "unauthentic") == [0], || {
        format!("frames were not authentic: {sessions}")
    })?;
    let said = tiny.lines().len();
    std::thread::sleep(Duration::from_secs(2));
    let more: Vec<String> = tiny.lines().split_off(said);
    check(!more.iter().any(|line| line == "lost"), || {
        format!("the session does not last: {}", more.join("\n"))
    })?;
    let end = tiny.end()?;
    let drops = end.iter().rev().find(|line| line.starts_with("drops"));
    report.figure(
        "the virtualizer dropped",
        drops.map_or("", |drops| &drops[5..]),
    );
    lab.check_alive()
}
