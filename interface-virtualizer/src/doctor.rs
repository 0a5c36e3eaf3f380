//! `iv doctor`: what is wrong on this host, and which command mends it. What `iv` knows goes into the facts of the crate
//! `doctor`, which judges them.

use crate::client::{PROGRAM, RELEASE, Request};
use crate::config::{Config, with_tags};
use crate::show::{Show, Vnic};
use ::doctor::facts::{ConfigFile, Down, Link, Role, Running, Session, Wanted, down};
use ::doctor::judge::judge;
use ::doctor::look::{Answer, Question, keys, look, question};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where a configuration is if nobody says where (`docs/deployment.md`).
const USUAL_FILE: &str = "/etc/niv/iv.toml";

/// `iv doctor`
#[derive(Debug, Default, Args)]
pub struct Doctor {
    /// The device that leads to the switch. Not said: the one of the running `iv`, or of the file.
    #[arg(long, value_name = "DEVICE")]
    pub uplink: Option<String>,
    /// The TOML file that `iv run` is given. Not said: /etc/niv/iv.toml, if it is there.
    #[arg(long, value_name = "FILE", conflicts_with = "uplink")]
    pub config: Option<PathBuf>,
    /// One JSON document, for programs.
    #[arg(long)]
    pub json: bool,
    /// Where the running `iv` listens.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

impl Doctor {
    /// Looks, judges and prints. 0: all is well; 1: something is broken; 2: nothing is known to be, and something could
    /// not be looked at.
    pub fn run(self) -> ExitCode {
        let json = self.json;
        judge(&look(self.question(), ask_all)).tell(json)
    }

    fn question(self) -> Question {
        let usual = Path::new(USUAL_FILE);
        let guessed = self.config.is_none() && self.uplink.is_none();
        let usual = (guessed && usual.exists()).then(|| usual.to_owned());
        let file = self.config.or(usual);
        let mut wanted = Vec::new();
        let config = file.map(|path| {
            let mut bad_keys = Vec::new();
            let faults = match Config::load(&path) {
                Ok(config) => {
                    let mtu = config.uplink_mtu();
                    if config.runs_vic() {
                        bad_keys = keys(&config.key_file);
                    }
                    wanted.push(uplink(config.uplink, mtu));
                    Vec::new()
                }
                Err(error) => vec![error.to_string()],
            };
            ConfigFile {
                path: path.display().to_string(),
                faults,
                check: None,
                keys: bad_keys,
            }
        });
        if let Some(device) = self.uplink {
            wanted.push(uplink(device, Config::default().uplink_mtu()));
        }
        Question {
            program: PROGRAM,
            release: RELEASE,
            makes_taps: true,
            config,
            wanted,
            guessed,
            socket: self.socket,
        }
    }
}

fn uplink(device: String, mtu: u32) -> Wanted {
    Wanted {
        device,
        role: Role::Uplink,
        mtu,
    }
}

fn ask_all(client: &mut control_socket::Client) -> Result<Answer, String> {
    question(client, &Request::Show { json: true }).map(answer)
}

/// What the running daemon says, as facts.
fn answer(show: Show) -> Answer {
    let device = show.uplink.device;
    let refused = match device.state.as_str() {
        "up" | "missing" | "without a link" => None,
        why => Some(why.to_owned()),
    };
    let session = show.session.map(|session| {
        let up = session.state == "up";
        let name = session.peer.unwrap_or_else(|| "an unnamed switch".into());
        Session {
            peer: up.then_some(name),
            why: session.why.filter(|_| !up),
            health: session.health.filter(|_| up),
        }
    });
    // What is said of the uplink need not be said of each vNIC again.
    let works = device.state == "up" && session.as_ref().is_none_or(|s| s.peer.is_some());
    let amiss = |vnic: &Vnic| {
        Some(Down {
            name: vnic.name.clone(),
            why: vnic.why.clone()?,
            mend: None,
        })
    };
    let down = match works {
        true => down("vNICs", show.vnics.iter().filter_map(amiss)),
        false => Vec::new(),
    };
    let taps = show.vnics.iter().filter(|vnic| vnic.kind == "tap");
    let neighbours = show.neighbours.iter();
    let neighbours = neighbours.map(|one| (one.to_string(), one.role.clone()));
    let link = Link {
        device: device.name.clone(),
        mode: device.mode,
        refused,
        session,
        neighbours: neighbours.collect(),
        advice: show.advice,
    };
    Answer {
        wanted: vec![uplink(device.name, device.mtu.max(with_tags(0)))],
        running: Running {
            links: vec![link],
            down,
            taps: taps.map(|vnic| vnic.device.name.clone()).collect(),
            ..Running::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faulty_file_is_said_with_the_place_of_the_fault() {
        let file = std::env::temp_dir().join(format!("iv-doctor-{}.toml", std::process::id()));
        std::fs::write(&file, "uplink = \"eth1\"\nuplnk = 3\n").unwrap();
        let doctor = Doctor {
            config: Some(file.clone()),
            ..Doctor::default()
        };
        let question = doctor.question();
        std::fs::remove_file(&file).unwrap();
        let [fault] = &question.config.unwrap().faults[..] else {
            panic!("one fault");
        };
        assert!(
            fault.contains(".toml:2:1:") && fault.contains("uplnk"),
            "{fault}"
        );
        assert!(question.wanted.is_empty());
    }

    #[test]
    fn a_key_that_is_missing_is_a_fault_of_the_file() {
        let file = std::env::temp_dir().join(format!("iv-doctor-key-{}.toml", std::process::id()));
        std::fs::write(&file, "uplink = \"eth1\"\nkey-file = \"/nowhere/iv.key\"\n").unwrap();
        let doctor = Doctor {
            config: Some(file.clone()),
            ..Doctor::default()
        };
        let config = doctor.question().config.unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(config.faults.is_empty(), "{:?}", config.faults);
        let [key] = &config.keys[..] else {
            panic!("one key: {:?}", config.keys);
        };
        assert_eq!(key.path, "/nowhere/iv.key");
    }

    #[test]
    fn the_uplink_needs_room_for_tags() {
        let doctor = Doctor {
            uplink: Some("eth1".into()),
            ..Doctor::default()
        };
        let question = doctor.question();
        assert_eq!(question.wanted, [uplink("eth1".into(), 1510)]);
        assert!(!question.guessed);
    }
}
