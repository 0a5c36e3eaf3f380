//! `iv doctor` and `vis doctor`: each thing is broken, found by the right sentence, mended by the command that the finding
//! names, and then not found any more.

use crate::binaries::Binaries;
use crate::daemon::spawn_in;
use crate::endpoint::frame::{Source, ethernet};
use crate::endpoint::relay::{Pace, Relay};
use crate::error::{Doing, LabError, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use crate::sandbox;
use niv::Mac;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use vntag::ethertype;

/// How long a mended thing may take to be seen so: daemons look after their devices every two seconds.
const WITHIN: Duration = Duration::from_secs(12);
/// How long the doctor may take, on a busy machine too.
const QUICK: Duration = Duration::from_secs(4);

const VIS: &str = "hostname switch1\nvic authentication none\nvlan 10\nport-profile web\n  switchport mode access\n  \
    switchport access vlan 10\ninterface ethernet 1\n  device niv1\n  switchport mode vntag\n";
const IV: &str = "uplink = \"eth1\"\n";

/// A host, a switch, and a box in the middle of the cable that passes everything on.
struct Ward<'a> {
    lab: Lab,
    relay: Option<Relay>,
    report: &'a Report,
}

/// How a thing is mended.
enum Mend {
    /// By the command of the finding, on the box where it was found.
    AsItSays,
    /// The finding is about another box: by this, there.
    There(&'static str, &'static str),
}

/// One thing to break.
struct Break {
    /// Where, and by what.
    on: &'static str,
    command: &'static str,
    /// Who finds it: `h1` or `vis`.
    found_on: &'static str,
    rule: &'static str,
    severity: &'static str,
    says: &'static str,
    mend: Mend,
}

const fn on_host(
    command: &'static str,
    rule: &'static str,
    severity: &'static str,
    says: &'static str,
) -> Break {
    Break {
        on: "h1",
        command,
        found_on: "h1",
        rule,
        severity,
        says,
        mend: Mend::AsItSays,
    }
}

/// What is broken while both daemons run.
const BREAKS: &[Break] = &[
    on_host("ip link set dev eth1 arp on", "arp", "warning", "ARP"),
    on_host(
        "sysctl -qw net.ipv6.conf.eth1.disable_ipv6=0",
        "ipv6",
        "warning",
        "IPv6",
    ),
    on_host(
        "ip address add 192.0.2.1/24 dev eth1",
        "addresses",
        "broken",
        "192.0.2.1/24",
    ),
    on_host(
        "ip link set dev eth1 mtu 1400",
        "mtu",
        "broken",
        "1400, and 1510 is needed",
    ),
    on_host(
        "ip link add br0 type bridge && ip link set dev eth1 master br0",
        "master",
        "broken",
        "belongs to br0",
    ),
    // The other end's own, not that of a box in between.
    Break {
        on: "vis",
        command: "ip link set dev niv1 mtu 1400",
        found_on: "h1",
        rule: "path_mtu",
        severity: "broken",
        says: "one end has an MTU of 1400 only, and 1510 is needed",
        mend: Mend::There("vis", "ip link set dev niv1 mtu 1510"),
    },
    on_host("ip link set dev eth1 down", "up", "broken", "it is down"),
    Break {
        on: "mid",
        command: "ip link set dev to-h1 down",
        found_on: "h1",
        rule: "carrier",
        severity: "broken",
        says: "no link",
        mend: Mend::There("mid", "ip link set dev to-h1 up"),
    },
    Break {
        on: "mid",
        command: "ip link set dev to-h1 mtu 1400",
        found_on: "h1",
        rule: "path_mtu",
        severity: "broken",
        says: "something between them",
        mend: Mend::There("mid", "ip link set dev to-h1 mtu 1510"),
    },
    Break {
        on: "mid",
        command: "ip link set dev to-vis mtu 1400",
        found_on: "vis",
        rule: "path_mtu",
        severity: "broken",
        says: "something between them",
        mend: Mend::There("mid", "ip link set dev to-vis mtu 1510"),
    },
    Break {
        on: "vis",
        command: "ip link set dev niv1 down",
        found_on: "vis",
        rule: "up",
        severity: "broken",
        says: "it is down",
        mend: Mend::AsItSays,
    },
    on_host(
        "ip link set dev eth1 netns mid",
        "device",
        "broken",
        "in the network namespace mid",
    ),
];

/// See the module.
pub(super) fn doctor(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut ward = Ward::furnish(binaries, report)?;
    ward.before_they_run()?;
    ward.lab.start("vis", "vis", VIS)?;
    ward.lab.start("h1", "iv", IV)?;
    for host in ["h1", "vis"] {
        ward.until_well(host)?;
    }
    for one in BREAKS {
        ward.break_and_mend(one)?;
    }
    ward.until_well("vis")?;
    ward.daemons_stay_promiscuous()?;
    for host in ["h1", "vis"] {
        ward.a_daemon_that_hangs(host)?;
    }
    ward.a_plain_port()?;
    ward.an_offload_that_is_on()?;
    ward.a_link_that_loses_frames()?;
    ward.a_stranger_on_the_cable()?;
    ward.a_vnic_that_is_refused()?;
    ward.a_tap_that_filters()?;
    ward.a_daemon_elsewhere()?;
    ward.a_refusal_of_a_switch_that_is_gone()?;
    ward.daemons_that_end()?;
    ward.lab.check_alive()
}

impl<'a> Ward<'a> {
    fn furnish(binaries: &Binaries, report: &'a Report) -> Result<Self> {
        let mut lab = Lab::new(binaries);
        for name in ["vis", "h1", "mid"] {
            lab.add_host(name)?;
        }
        lab.cable(("h1", "eth1"), ("mid", "to-h1"))?;
        lab.cable(("vis", "niv1"), ("mid", "to-vis"))?;
        lab.cable(("vis", "p1"), ("mid", "plain"))?;
        let mid = lab.host("mid")?;
        for port in ["to-h1", "to-vis"] {
            mid.mtu(port, 9000)?;
            mid.silence(port)?;
        }
        let relay = Some(Relay::start(&mid.netns, ["to-h1", "to-vis"])?);
        Ok(Self { lab, relay, report })
    }

    fn shell(&self, host: &str, command: &str) -> Result<Output> {
        let path = std::env::var("PATH").unwrap_or_default();
        let built = self.lab.binaries.folder().display();
        let mut shell = Command::new("sh");
        // The findings' commands call `iv` and `vis` by name.
        shell
            .args(["-c", command])
            .env("PATH", format!("{built}:{path}"));
        self.run(host, shell)
    }

    fn run(&self, host: &str, mut command: Command) -> Result<Output> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = spawn_in(&self.lab.host(host)?.netns, &mut command)?;
        child.wait_with_output().doing("wait for a command")
    }

    fn must(&self, host: &str, command: &str) -> Result<()> {
        let output = self.shell(host, command)?;
        check(output.status.success(), || {
            format!("`{command}` on {host}: {output:?}")
        })
    }

    /// What the doctor says on a host, with its exit code.
    fn ask(&self, host: &str, words: &[&str]) -> Result<(Value, i32)> {
        let program = program(host);
        let path = self.lab.binaries.path(program);
        let mut command = Command::new(&path);
        command.args(["doctor", "--json"]).args(words);
        if !words.contains(&"--socket") {
            command.arg("--socket").arg(socket(host));
        }
        let begun = Instant::now();
        let output = self.run(host, command)?;
        check(begun.elapsed() < QUICK, || {
            format!("{program} doctor took {:?}", begun.elapsed())
        })?;
        let said = serde_json::from_slice(&output.stdout).map_err(|error| LabError::Answer {
            program: format!("{} doctor", path.display()),
            detail: format!("{error}: {output:?}"),
        })?;
        Ok((said, output.status.code().unwrap_or(-1)))
    }

    fn until_well(&self, host: &str) -> Result<()> {
        let end = Instant::now() + WITHIN;
        loop {
            let (said, code) = self.ask(host, &[])?;
            let amiss = amiss(&said);
            if code == 0 && amiss.is_empty() {
                self.report
                    .figure(&format!("{host} is"), "well, and everything was seen");
                return Ok(());
            }
            check(Instant::now() < end, || {
                format!("{host} is not well, exit code {code}: {said:#}")
            })?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks until there is such a finding.
    fn until_found(&self, host: &str, words: &[&str], rule: &str) -> Result<(Value, i32)> {
        let end = Instant::now() + WITHIN;
        loop {
            let (said, code) = self.ask(host, words)?;
            let found = amiss(&said)
                .into_iter()
                .find(|one| text(one, "rule") == rule);
            if let Some(found) = found {
                return Ok((found.clone(), code));
            }
            check(Instant::now() < end, || {
                format!("{host} does not find {rule}: {said:#}")
            })?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn until_gone(&self, host: &str, words: &[&str], rule: &str) -> Result<()> {
        let end = Instant::now() + WITHIN;
        loop {
            let (said, _) = self.ask(host, words)?;
            if amiss(&said).iter().all(|one| text(one, "rule") != rule) {
                return Ok(());
            }
            check(Instant::now() < end, || {
                format!("{rule} was mended, and {host} still finds it: {said:#}")
            })?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// This the daemons mend by themselves; the doctor may find it until they have.
    fn daemons_stay_promiscuous(&self) -> Result<()> {
        for (host, device) in [("h1", "eth1"), ("vis", "niv1")] {
            self.must(host, &format!("ip link set dev {device} promisc off"))?;
            let is_back = format!("ip -d link show dev {device} | grep -q 'promiscuity [1-9]'");
            let end = Instant::now() + WITHIN;
            while !self.shell(host, &is_back)?.status.success() {
                check(Instant::now() < end, || {
                    format!("{device} on {host} does not get promiscuous again")
                })?;
                std::thread::sleep(Duration::from_millis(100));
            }
            self.until_well(host)?;
        }
        Ok(())
    }

    fn break_and_mend(&self, one: &Break) -> Result<()> {
        self.must(one.on, one.command)?;
        let (found, code) = self.until_found(one.found_on, &[], one.rule)?;
        let (says, severity) = (text(&found, "says"), text(&found, "severity"));
        check(says.contains(one.says) && severity == one.severity, || {
            format!("after `{}`: {found}", one.command)
        })?;
        check(severity != "broken" || code == 1, || {
            format!("after `{}` the exit code is {code}", one.command)
        })?;
        let (host, command) = match one.mend {
            Mend::AsItSays => (one.found_on, text(&found, "mend")),
            Mend::There(host, command) => (host, command),
        };
        self.must(host, command)?;
        self.until_gone(one.found_on, &[], one.rule)?;
        self.report
            .figure(&format!("{}: {says}", one.rule), command);
        self.until_well(one.found_on)
    }

    /// Without daemons; with faulty files; without a name.
    fn before_they_run(&self) -> Result<()> {
        for (host, option, device) in [("h1", "--uplink", "eth1"), ("vis", "--niv", "niv1")] {
            let (found, code) = self.until_found(host, &[option, device], "daemon")?;
            let socket = socket(host).display().to_string();
            let start = format!("{} run {option} {device} --socket {socket}", program(host));
            check(code == 1 && text(&found, "mend") == start, || {
                format!("before a daemon runs, code {code}: {found}")
            })?;
            self.report.figure(text(&found, "says"), start);
            self.until_found(host, &[], "devices")?;
            self.without_rights(host, option, device)?;
            let (found, _) = self.until_found(host, &[option, "eth9"], "device")?;
            check(text(&found, "about") == "eth9", || format!("eth9: {found}"))?;
            let file = PathBuf::from(sandbox::FOLDER).join("faulty");
            fs::write(&file, "hostname = 3\n\nbananas\n").doing("write a faulty file")?;
            let name = file.display().to_string();
            let words = ["--config", &name];
            let (found, _) = self.until_found(host, &words, "config_file")?;
            let says = text(&found, "says");
            check(says.contains(&name), || {
                format!("of a faulty file: {found}")
            })?;
            self.report
                .figure("a faulty file", says.lines().next().unwrap_or_default());
            let good = if host == "h1" { IV } else { VIS };
            fs::write(&file, good).doing("mend the file")?;
            self.until_gone(host, &words, "config_file")?;
            self.a_key_that_will_not_do(host, good)?;
        }
        Ok(())
    }

    /// Without it the daemon does not start: it is missing, and then others may read it.
    fn a_key_that_will_not_do(&self, host: &str, good: &str) -> Result<()> {
        let folder = Path::new(sandbox::FOLDER);
        let key = folder.join(format!("{host}.key"));
        let key = key.display();
        let names_it = match program(host) {
            "vis" => good.replace(
                "authentication none",
                &format!("authentication key-file {key}"),
            ),
            _ => format!("{good}key-file = \"{key}\"\n"),
        };
        let file = folder.join(format!("{host}-with-key"));
        fs::write(&file, names_it).doing("write a file that names a key")?;
        let name = file.display().to_string();
        let words = ["--config", &name];
        for (breaks, says) in [
            ("true".to_owned(), "cannot read the key"),
            (format!("chmod 644 {key}"), "is no secret"),
        ] {
            self.must(host, &breaks)?;
            let (found, code) = self.until_found(host, &words, "config_file")?;
            check(code == 1 && text_has(&found, says), || {
                format!("after `{breaks}`, code {code}: {found}")
            })?;
            self.must(host, text(&found, "mend"))?;
            self.until_gone(host, &words, "config_file")?;
            self.report
                .figure(&format!("config_file: {says}"), text(&found, "mend"));
        }
        Ok(())
    }

    /// SIGSTOP: it listens, has its devices, and does nothing. Then nobody puts back what is changed about them.
    fn a_daemon_that_hangs(&mut self, host: &str) -> Result<()> {
        let process = self.lab.daemon(host)?.process();
        let pid = process.file_name().unwrap_or_default().to_string_lossy();
        let device = if host == "h1" { "eth1" } else { "niv1" };
        let option = if host == "h1" { "--uplink" } else { "--niv" };
        self.must(host, &format!("kill -STOP {pid}"))?;
        let (found, code) = self.until_found(host, &[], "daemon")?;
        let mend = text(&found, "mend");
        check(
            code == 1
                && text(&found, "severity") == "broken"
                && text_has(&found, "does not answer on")
                && mend == format!("kill -CONT {pid}"),
            || format!("{host} hangs, code {code}: {found}"),
        )?;
        let (said, _) = self.ask(host, &[])?;
        check(amiss(&said).len() == 1, || {
            format!("{host} hangs, and more is found: {said:#}")
        })?;

        self.must(host, &format!("ip link set dev {device} promisc off"))?;
        let words = [option, device];
        let (found, _) = self.until_found(host, &words, "promiscuity")?;
        check(
            text_has(
                &found,
                "it is not promiscuous, so frames to addresses of guests are not taken",
            ),
            || format!("{device} is not promiscuous: {found}"),
        )?;
        self.must(host, text(&found, "mend"))?;
        self.until_gone(host, &words, "promiscuity")?;
        self.report.figure("promiscuity", text(&found, "mend"));

        self.must(host, mend)?;
        self.until_gone(host, &[], "daemon")?;
        self.report.figure("daemon: it hangs", mend);
        self.until_well("h1")?;
        self.until_well("vis")
    }

    /// Interfaces of the switch that lack something; the device of one that lacks a VLAN is in use all the same.
    fn a_plain_port(&self) -> Result<()> {
        let exec = format!("vis exec --socket {} configure", socket("vis").display());
        let port = "\"interface ethernet 3\"";
        for (lines, about, says) in [
            (
                format!("{port} \"device p1\" \"switchport access vlan 777\""),
                "Ethernet3",
                "VLAN 777 does not exist",
            ),
            (
                format!("{port} \"inherit port-profile ghost\""),
                "Ethernet3",
                "port-profile ghost does not exist",
            ),
            (
                "\"interface ethernet 9\"".to_owned(),
                "Ethernet9",
                "nobody has said which device it is",
            ),
        ] {
            self.must("vis", &format!("{exec} {lines}"))?;
            let (found, _) = self.until_found("vis", &[], "interface")?;
            let (said, _) = self.ask("vis", &[])?;
            let others = amiss(&said).len() - 1;
            check(
                text(&found, "about") == about && text_has(&found, says) && others == 0,
                || format!("after `{lines}`: {said:#}"),
            )?;
            let take_away = format!("{exec} \"no interface ethernet 9\"");
            let mend = match text(&found, "mend") {
                "" => &take_away,
                mend => mend,
            };
            self.must("vis", mend)?;
            self.until_gone("vis", &[], "interface")?;
            self.report.figure(&format!("interface: {says}"), mend);
            self.until_well("vis")?;
        }
        self.must("vis", "ip link set dev p1 mtu 1400")?;
        let (found, _) = self.until_found("vis", &[], "plain_mtu")?;
        self.must("vis", text(&found, "mend"))?;
        self.until_gone("vis", &[], "plain_mtu")?;
        self.report.figure("plain_mtu", text(&found, "mend"));
        self.must("vis", &format!("{exec} \"no interface ethernet 3\""))?;
        self.until_well("vis")
    }

    /// Needs a device that merges frames when it is told to. A bond does, and few kernels for machines in a machine have it.
    fn an_offload_that_is_on(&self) -> Result<()> {
        let on = "ip link add off0 type bond && ethtool -K off0 lro on && \
                  ethtool -k off0 | grep -q 'large-receive-offload: on$'";
        let output = self.shell("h1", on)?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            let why = why.lines().next().unwrap_or("it stays off");
            self.report.say(&format!(
                "lro is left out: no device of this kernel can be told to merge frames ({why})"
            ));
            return self.must("h1", "ip link del off0 2>/dev/null || true");
        }
        let words = ["--uplink", "off0"];
        let (found, _) = self.until_found("h1", &words, "lro")?;
        check(text_has(&found, "merges received frames (LRO)"), || {
            format!("off0 merges frames: {found}")
        })?;
        self.must("h1", text(&found, "mend"))?;
        self.until_gone("h1", &words, "lro")?;
        self.report.figure("lro", text(&found, "mend"));
        self.must("h1", "ip link del off0")
    }

    /// What it said is not said for ever.
    fn a_refusal_of_a_switch_that_is_gone(&mut self) -> Result<()> {
        let exec = format!("vis exec --socket {} configure", socket("vis").display());
        self.must("vis", &format!("{exec} \"no vic authentication\""))?;
        self.until_session_says("since then refused: no_authentication")?;
        self.lab.daemon("vis")?.end()?;
        self.until_session_says("since then no switch answers any more")?;
        // As its file has it: `vic authentication none`.
        self.lab.daemon("vis")?.restart()?;
        self.until_gone("h1", &[], "session")?;
        self.until_well("h1")?;
        self.until_well("vis")
    }

    fn until_session_says(&self, sentence: &str) -> Result<()> {
        let end = Instant::now() + WITHIN;
        loop {
            let (found, _) = self.until_found("h1", &[], "session")?;
            if text_has(&found, sentence) {
                self.report.figure("session", text(&found, "says"));
                return Ok(());
            }
            check(Instant::now() < end, || {
                format!("not `{sentence}`: {found}")
            })?;
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Somebody who may open no sockets and change no devices.
    fn without_rights(&self, host: &str, option: &str, device: &str) -> Result<()> {
        let program = self.lab.binaries.path(program(host));
        let command = |taken: &str| {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--bounding-set={taken}"))
                .args(["--inh-caps=-all", "--", "prlimit", "--memlock=65536"])
                .arg(&program)
                .args(["doctor", "--json", option, device]);
            command
        };
        for (taken, rule, says, mend) in [
            ("-all", "packet_sockets", "CAP_NET_RAW", "setcap"),
            ("-all", "device_rights", "CAP_NET_ADMIN", "setcap"),
            (
                "-ipc_lock",
                "locked_memory",
                "65536 octets",
                "ulimit -l unlimited",
            ),
            (
                "-ipc_lock",
                "io_mode",
                "too little memory may be locked",
                "ulimit -l unlimited",
            ),
        ] {
            let output = self.run(host, command(taken))?;
            let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let found = findings(&said).find(|one| text(one, "rule") == rule);
            let right = found.is_some_and(|one| {
                text(one, "says").contains(says) && text(one, "mend").contains(mend)
            });
            check(right, || {
                format!("without rights ({taken}) there is no {rule}: {output:?}")
            })?;
        }
        self.report
            .figure("without rights", "each that is missing is named");
        Ok(())
    }

    /// Most control frames are lost, and just enough come for the session to live (0.9 s).
    fn a_link_that_loses_frames(&self) -> Result<()> {
        let Some(relay) = &self.relay else {
            return check(false, || "the cable has no middle".to_owned());
        };
        relay.set_pace(Some(Pace {
            open: Duration::from_millis(140),
            every: Duration::from_millis(840),
        }));
        let (found, _) = self.until_found("h1", &[], "control_frames")?;
        let says = text(&found, "says");
        check(says.contains("the link loses frames"), || {
            format!("of a link that loses frames: {found}")
        })?;
        relay.set_pace(None);
        self.until_gone("h1", &[], "control_frames")?;
        self.report
            .figure(&format!("control_frames: {says}"), "it loses none any more");
        self.until_well("h1")?;
        self.until_well("vis")
    }

    /// A switch in the middle says who it is, and then that it goes.
    fn a_stranger_on_the_cable(&self) -> Result<()> {
        let mut port = Source::open(&self.lab.host("mid")?.netns, "to-h1")?;
        let announcement = lldpdu(port.mac, 120);
        port.send(&announcement)?;
        let (found, _) = self.until_found("h1", &[], "middle")?;
        let says = text(&found, "says");
        check(
            says.contains("something in between") && says.contains("sw9"),
            || format!("a stranger is on the cable: {found}"),
        )?;
        self.report
            .figure(&format!("middle: {says}"), "it was taken away");
        let goodbye = lldpdu(port.mac, 0);
        port.send(&goodbye)?;
        self.until_gone("h1", &[], "middle")?;
        self.until_well("h1")
    }

    fn a_vnic_that_is_refused(&mut self) -> Result<()> {
        self.lab.add_host("g1")?;
        let netns = sandbox::netns_path("g1").display().to_string();
        let attach = [
            "attach",
            "web1",
            "--no-wait",
            "--profile",
            "no-such",
            "--netns",
            &netns,
        ];
        self.lab.daemon("h1")?.ask(&attach)?;
        let (found, _) = self.until_found("h1", &[], "vnic")?;
        let says = text(&found, "says");
        check(
            says.contains("no-such") && says.contains("iv show") && text(&found, "about") == "web1",
            || format!("a vNIC is refused: {found}"),
        )?;
        self.lab.daemon("h1")?.ask(&["detach", "web1"])?;
        self.until_gone("h1", &[], "vnic")?;
        self.report
            .figure(&format!("vnic: {says}"), "iv detach web1");
        Ok(())
    }

    fn a_tap_that_filters(&mut self) -> Result<()> {
        let tun = fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/net/tun");
        if let Err(error) = tun {
            self.report.say(&format!(
                "return_path is left out: no TAP can be made ({error})"
            ));
            return Ok(());
        }
        let attach = ["attach", "web1", "--profile", "web", "--tap", "tap1"];
        self.lab.daemon("h1")?.ask(&attach)?;
        self.must("h1", "sysctl -qw net.ipv4.conf.tap1.rp_filter=1")?;
        let (found, _) = self.until_found("h1", &[], "return_path")?;
        self.must("h1", text(&found, "mend"))?;
        self.until_gone("h1", &[], "return_path")?;
        self.report.figure("return_path", text(&found, "mend"));
        self.lab.daemon("h1")?.ask(&["detach", "web1"]).map(drop)
    }

    /// Somebody else's daemon has the device.
    fn a_daemon_elsewhere(&self) -> Result<()> {
        let other = ["--uplink", "eth1", "--socket", "/run/lab/none.sock"];
        let (found, code) = self.until_found("h1", &other, "holder")?;
        check(
            code == 1 && text(&found, "says").contains("--socket PATH"),
            || format!("the device is taken: {found}"),
        )?;
        self.until_gone("h1", &[], "holder")?;
        self.report.figure("holder", text(&found, "says"));
        Ok(())
    }

    /// The other end, and then this one.
    fn daemons_that_end(&mut self) -> Result<()> {
        self.lab.daemon("vis")?.end()?;
        let (found, code) = self.until_found("h1", &[], "session")?;
        check(code == 1, || format!("no session: {found}"))?;
        self.report.figure("session", text(&found, "says"));
        self.until_found("vis", &[], "daemon")?;
        self.lab.daemon("vis")?.restart()?;
        self.until_gone("h1", &[], "session")?;
        self.until_well("vis")?;

        self.lab.daemon("h1")?.kill()?;
        let words = ["--uplink", "eth1"];
        let (found, _) = self.until_found("h1", &words, "left_isolation")?;
        self.must("h1", text(&found, "mend"))?;
        self.until_gone("h1", &words, "left_isolation")?;
        self.report.figure("left_isolation", text(&found, "mend"));
        let (found, _) = self.until_found("vis", &[], "session")?;
        self.report.figure("session", text(&found, "says"));
        self.lab.daemon("h1")?.restart()?;
        for host in ["h1", "vis"] {
            self.until_well(host)?;
        }
        // The cable is taken out of the middle, which then carries nothing.
        drop(self.relay.take());
        self.until_found("vis", &[], "session").map(drop)
    }
}

fn program(host: &str) -> &'static str {
    if host == "vis" { "vis" } else { "iv" }
}

fn socket(host: &str) -> PathBuf {
    let folder = Path::new(sandbox::FOLDER).join(host);
    folder.join(format!("{}.sock", program(host)))
}

fn text<'a>(finding: &'a Value, field: &str) -> &'a str {
    finding
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn text_has(finding: &Value, sentence: &str) -> bool {
    text(finding, "says").contains(sentence)
}

fn findings(said: &Value) -> impl Iterator<Item = &Value> {
    let all = said.get("findings").and_then(Value::as_array);
    all.into_iter().flatten()
}

/// Findings that are not well; of those that depend on the machine and not on the lab none.
fn amiss(said: &Value) -> Vec<&Value> {
    let of_machine = ["io_mode", "locked_memory", "bridge_filter", "tap_devices"];
    findings(said)
        .filter(|one| text(one, "severity") != "ok" && !of_machine.contains(&text(one, "rule")))
        .collect()
}

/// What a bridge called sw9 says of itself (IEEE Std 802.1AB, clause 8).
fn lldpdu(mac: Mac, seconds: u8) -> Vec<u8> {
    let mut says = Vec::new();
    let mut tlv = |kind: u8, value: &[u8]| {
        says.extend([kind << 1, value.len() as u8]);
        says.extend(value);
    };
    let chassis = [&[4], &mac.0[..]].concat();
    tlv(1, &chassis);
    tlv(2, b"\x05p4");
    tlv(3, &[0, seconds]);
    // A goodbye says no more.
    if seconds > 0 {
        tlv(5, b"sw9");
    }
    tlv(0, &[]);
    let nearest_bridge = Mac([0x01, 0x80, 0xC2, 0x00, 0x00, 0x0E]);
    ethernet(nearest_bridge, mac, ethertype::LLDP, &says)
}
