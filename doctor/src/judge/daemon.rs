//! The daemon, and what it was told to do.

use super::Verdict;
use crate::Rule;
use crate::facts::{Daemon, Facts, Role};

pub(super) fn judge(facts: &Facts, verdict: &mut Verdict) {
    let program = facts.program;
    if let Some(file) = &facts.config {
        for fault in &file.faults {
            match &file.check {
                Some(check) => verdict.amiss(Rule::ConfigFile, &file.path, fault, check),
                None => verdict.amiss_elsewhere(Rule::ConfigFile, &file.path, fault),
            }
        }
        if file.faults.is_empty() {
            verdict.well(Rule::ConfigFile, &file.path, "it has no fault");
        }
    }
    match &facts.daemon {
        Daemon::NotRunning { says } => {
            verdict.amiss(Rule::Daemon, program, says, start(facts));
        }
        Daemon::Unseen(why) => verdict.unseen(Rule::Daemon, program, why),
        Daemon::Running(running) => {
            let pid = running.pid;
            verdict.well(Rule::Daemon, program, format!("it runs as process {pid}"));
            if let Some(why) = &running.unasked {
                verdict.unseen(Rule::Daemon, program, why);
            }
            if running.release != facts.release {
                verdict.amiss(
                    Rule::DaemonRelease,
                    program,
                    format!(
                        "the daemon is of release {} and this command of {}: after an update the daemon goes on as it was \
                         until it is started again",
                        running.release, facts.release
                    ),
                    format!("kill {pid} && {}", start(facts)),
                );
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
    if facts.devices.is_empty() && facts.daemon.running().is_none() {
        verdict.amiss(
            Rule::Devices,
            program,
            format!("nobody has said which devices {program} is to use, so none was looked at"),
            match program {
                "iv" => "iv doctor --uplink DEVICE",
                _ => "vis doctor --niv DEVICE --plain DEVICE",
            },
        );
    }
}

fn look_closer(program: &str) -> &'static str {
    match program {
        "iv" => "show",
        _ => "show interface",
    }
}

/// What starts the daemon with what is known.
fn start(facts: &Facts) -> String {
    let program = facts.program;
    if let Some(file) = &facts.config {
        return format!("{program} run --config {}", file.path);
    }
    let mut command = format!("{program} run");
    if facts.devices.is_empty() {
        command += match program {
            "iv" => " --uplink DEVICE",
            _ => " --niv DEVICE",
        };
    }
    for device in &facts.devices {
        let option = match device.wanted.role {
            Role::Uplink => "--uplink",
            Role::Niv => "--niv",
            Role::Plain => "--plain",
        };
        command += &format!(" {option} {}", device.wanted.device);
    }
    command
}
