//! The daemon, and what it was told to do.

use super::Verdict;
use crate::Rule;
use crate::facts::{BadKey, Daemon, Facts, Role, Silent};

pub(super) fn judge(facts: &Facts, verdict: &mut Verdict) {
    let program = facts.program;
    if let Some(file) = &facts.config {
        for fault in &file.faults {
            match &file.check {
                Some(check) => verdict.amiss(Rule::ConfigFile, &file.path, fault, check),
                None => verdict.amiss_elsewhere(Rule::ConfigFile, &file.path, fault),
            }
        }
        for key in &file.keys {
            self::key(&file.path, key, verdict);
        }
        if file.faults.is_empty() && file.keys.is_empty() {
            verdict.well(Rule::ConfigFile, &file.path, "it has no fault");
        }
    }
    match &facts.daemon {
        Daemon::NotRunning { says } => match start(facts) {
            Some(start) => verdict.amiss(Rule::Daemon, program, says, start),
            None => verdict.amiss_elsewhere(Rule::Daemon, program, says),
        },
        Daemon::Silent(silent) => self::silent(facts, silent, verdict),
        Daemon::Unseen(why) => verdict.unseen(Rule::Daemon, program, why),
        Daemon::Running(running) => {
            let pid = running.pid;
            verdict.well(Rule::Daemon, program, format!("it runs as process {pid}"));
            if let Some(why) = &running.unasked {
                verdict.unseen(Rule::Daemon, program, why);
            }
            if running.release != facts.release {
                let says = format!(
                    "the daemon is of release {} and this command of {}: after an update the daemon goes on as it was until \
                     it is started again",
                    running.release, facts.release
                );
                match start(facts) {
                    Some(start) => {
                        let mend = format!("kill {pid} && {start}");
                        verdict.amiss(Rule::DaemonRelease, program, says, mend);
                    }
                    None => verdict.amiss_elsewhere(Rule::DaemonRelease, program, says),
                }
            }
            if running.here == Some(false) {
                verdict.amiss(
                    Rule::DaemonNamespace,
                    program,
                    "the daemon lives in another network namespace, so its devices are not the ones seen here",
                    format!("nsenter --net=/proc/{pid}/ns/net {program} doctor"),
                );
            }
            let rule = if program == "iv" {
                Rule::Vnic
            } else {
                Rule::Interface
            };
            for down in &running.down {
                let says = format!("frames do not pass: {}", down.why);
                match &down.mend {
                    Some(mend) => verdict.amiss(rule, &down.name, says, mend),
                    None => {
                        let closer = look_closer(program);
                        let says = format!("{says} (`{program} {closer}` says more)");
                        verdict.amiss_elsewhere(rule, &down.name, says);
                    }
                }
            }
        }
    }
    if facts.devices.is_empty() && matches!(facts.daemon, Daemon::Silent(_)) {
        let why = "the daemon knows them, and does not answer";
        verdict.unseen(Rule::Devices, program, why);
    } else if facts.devices.is_empty() && facts.daemon.running().is_none() {
        let named = match program {
            "iv" => "iv doctor --uplink DEVICE",
            _ => "vis doctor --niv DEVICE --plain DEVICE",
        };
        verdict.amiss_elsewhere(
            Rule::Devices,
            program,
            format!(
                "nobody has said which devices {program} is to use, so none was looked at: name them, as in `{named}`"
            ),
        );
    }
}

fn key(file: &str, key: &BadKey, verdict: &mut Verdict) {
    match (&key.fault, &key.mend) {
        (Ok(says), Some(mend)) => verdict.amiss(Rule::ConfigFile, file, says, mend),
        (Ok(says), None) => verdict.amiss_elsewhere(Rule::ConfigFile, file, says),
        (Err(why), _) => verdict.unseen(Rule::ConfigFile, &key.path, why),
    }
}

/// A daemon that hangs. The link's other end waits for it in vain, too.
fn silent(facts: &Facts, silent: &Silent, verdict: &mut Verdict) {
    let program = facts.program;
    let says = format!("it runs and does not answer on {}", silent.socket);
    let Some(pid) = silent.pid else {
        let says = format!(
            "{says}: find its process (`pgrep -a {program}`), look at its log, and start it again"
        );
        return verdict.amiss_elsewhere(Rule::Daemon, program, says);
    };
    if silent.stopped {
        let says = format!("{says}: process {pid} is stopped, by SIGSTOP or a debugger");
        return verdict.amiss(Rule::Daemon, program, says, format!("kill -CONT {pid}"));
    }
    if let Some(service) = &silent.service {
        let says = format!("{says}: process {pid} hangs; its log: `journalctl -u {service}`");
        let mend = format!("systemctl restart {service}");
        return verdict.amiss(Rule::Daemon, program, says, mend);
    }
    let says = format!(
        "{says}: process {pid} hangs; look at its log, which goes where its standard error does, and start it again"
    );
    match silent.started_by.clone().or_else(|| start(facts)) {
        // One that hangs does not hear SIGTERM; the next one takes over what it leaves behind.
        Some(start) => {
            let mend = format!("kill -KILL {pid} && sleep 1 && {start}");
            verdict.amiss(Rule::Daemon, program, says, mend);
        }
        None => verdict.amiss_elsewhere(Rule::Daemon, program, says),
    }
}

fn look_closer(program: &str) -> &'static str {
    match program {
        "iv" => "show",
        _ => "show interface",
    }
}

/// What starts the daemon with what is known; `None` where nobody said with which devices.
fn start(facts: &Facts) -> Option<String> {
    let program = facts.program;
    let mut command = format!("{program} run");
    match &facts.config {
        Some(file) => command += &format!(" --config {}", file.path),
        None if facts.devices.is_empty() => return None,
        None => {
            for device in &facts.devices {
                let option = match device.wanted.role {
                    Role::Uplink => "--uplink",
                    Role::Niv => "--niv",
                    Role::Plain => "--plain",
                };
                command += &format!(" {option} {}", device.wanted.device);
            }
        }
    }
    if let Some(socket) = &facts.socket {
        command += &format!(" --socket {socket}");
    }
    Some(command)
}
