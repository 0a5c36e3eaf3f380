//! `vis doctor`: what is wrong on this box, and which command mends it. What `vis` knows goes into the facts of the crate
//! `doctor`, which judges them.

use crate::cli::args::{LoadError, Run, load};
use crate::client::{PROGRAM, RELEASE};
use crate::config::{Config, DeviceName, parse};
use crate::control::niv::{NivLink, NivNeighbour, ShowNivLink};
use crate::control::{Format, Request};
use ::doctor::facts::{ConfigFile, Down, Link, Role, Running, Session, Wanted, down};
use ::doctor::judge::judge;
use ::doctor::look::{Answer, Question, look, question};
use clap::Args;
use control_socket::Client;
use packet_io::device;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where a configuration is if nobody says where (`docs/deployment.md`).
const USUAL_FILE: &str = "/etc/niv/vis.conf";

/// `vis doctor`
#[derive(Debug, Default, Args)]
pub struct Doctor {
    /// A device with an interface virtualizer behind it. None said: those of the running `vis`, or of the file
    #[arg(long, value_name = "DEV")]
    pub niv: Vec<DeviceName>,
    /// A device with ordinary Ethernet behind it
    #[arg(long, value_name = "DEV")]
    pub plain: Vec<DeviceName>,
    /// The file that `vis run` is given. Not said: /etc/niv/vis.conf, if it is there
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The control socket, in place of the usual one
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

impl Doctor {
    /// Looks, judges and prints. 0: all is well; 1: something is broken; 2: nothing is known to be, and something could
    /// not be looked at.
    pub fn run(self) -> ExitCode {
        let json = self.json;
        let mut known = None;
        let ask = move |client: &mut Client| ask_all(client, &mut known);
        judge(&look(self.question(), ask)).tell(json)
    }

    fn question(self) -> Question {
        let usual = Path::new(USUAL_FILE);
        let named = !self.niv.is_empty() || !self.plain.is_empty();
        let guessed = self.config.is_none() && !named;
        let usual = (guessed && usual.exists()).then(|| usual.to_owned());
        let file = self.config.or(usual);
        let mut wanted = Vec::new();
        let config = file.map(|path| {
            let faults = match load(&path) {
                Ok((config, _)) => {
                    wanted = devices(&config);
                    Vec::new()
                }
                Err(LoadError::Refused { faults, .. }) => {
                    faults.iter().map(ToString::to_string).collect()
                }
                Err(error) => vec![error.to_string()],
            };
            let path = path.display().to_string();
            ConfigFile {
                check: Some(format!("vis check {path}")),
                path,
                faults,
            }
        });
        let options = Run {
            niv: self.niv,
            plain: self.plain,
            ..Run::default()
        };
        // Options that contradict each other are for `vis run` to refuse.
        if let Ok((config, _)) = options.configuration() {
            wanted.extend(devices(&config));
        }
        Question {
            program: PROGRAM,
            release: RELEASE,
            makes_taps: false,
            config,
            wanted,
            guessed,
            socket: self.socket,
        }
    }
}

/// The devices a configuration takes, and what each needs.
fn devices(config: &Config) -> Vec<Wanted> {
    let wanted = crate::daemon::wanted(config).into_iter();
    let each = wanted.map(|wanted| Wanted {
        device: wanted.name,
        role: match wanted.role {
            device::Role::Niv => Role::Niv,
            _ => Role::Plain,
        },
        mtu: wanted.mtu,
    });
    each.collect()
}

/// Of `show running-config`, the part that is read.
#[derive(Deserialize)]
struct RunningConfig {
    text: String,
}

/// Of `show interface`, the part that is read.
#[derive(Clone, Deserialize)]
struct Interfaces {
    interfaces: Vec<Interface>,
}

#[derive(Clone, Deserialize)]
struct Interface {
    name: String,
    admin_up: bool,
    oper_up: bool,
    why_down: Vec<String>,
    device: Option<String>,
    io_mode: Option<String>,
}

/// What need be asked once only.
#[derive(Clone)]
struct Known {
    wanted: Vec<Wanted>,
    interfaces: Interfaces,
}

fn ask<T: DeserializeOwned>(client: &mut Client, command: &str) -> Result<T, String> {
    let request = Request {
        command: command.to_owned(),
        format: Format::Json,
        at: None,
    };
    question(client, &request)
}

fn ask_all(client: &mut Client, known: &mut Option<Known>) -> Result<Answer, String> {
    let links: ShowNivLink = ask(client, "show niv link")?;
    let known = match known {
        Some(known) => known,
        None => {
            let running: RunningConfig = ask(client, "show running-config")?;
            let config = parse(&running.text, "running-config");
            let config = config.map_err(|_| {
                "its configuration is not understood: are both of one release?".to_owned()
            })?;
            known.insert(Known {
                wanted: devices(&config.0),
                interfaces: ask(client, "show interface")?,
            })
        }
    };
    Ok(answer(known, &links.links))
}

/// What the running daemon says, as facts.
fn answer(known: &Known, niv: &[NivLink]) -> Answer {
    let interfaces = &known.interfaces.interfaces;
    let session = |name: &str| niv.iter().find(|link| link.link.to_string() == name);
    let links = interfaces.iter().filter_map(|interface| {
        let device = interface.device.clone()?;
        // Reasons of other kinds are single words.
        let mut refused = interface.why_down.iter().filter(|why| why.contains(' '));
        let niv = session(&interface.name);
        let neighbours = niv.map(|niv| niv.neighbours.as_slice());
        Some(Link {
            device,
            mode: interface.io_mode.clone(),
            refused: refused.next().filter(|_| interface.admin_up).cloned(),
            session: niv.map(of_link),
            neighbours: neighbours.unwrap_or_default().iter().map(named).collect(),
            advice: niv.and_then(|niv| niv.advice.clone()),
        })
    });
    Answer {
        wanted: known.wanted.clone(),
        running: Running {
            links: links.collect(),
            down: down("vEths", interfaces.iter().filter_map(amiss)),
            ..Running::default()
        },
    }
}

fn of_link(link: &NivLink) -> Session {
    let peer = link.peer.as_ref().map(|peer| peer.name.clone());
    let refusal = link.last_refusal.as_ref();
    let why = match link.state.as_str() {
        "up" => None,
        "no_device" => Some("there is no device".to_owned()),
        "waiting" => Some(match (refusal, link.authentication.as_str()) {
            (_, "unset") => "nothing says how hosts prove who they are here: `vic authentication key-file PATH`, or \
                             `vic authentication none` (--open)"
                .to_owned(),
            (Some(refusal), _) => refusal.clone(),
            (None, _) => "no host has opened one: start `iv run --uplink DEVICE` there".to_owned(),
        }),
        state => {
            let why = link.lost.as_deref().unwrap_or("the host is silent");
            Some(format!("it is {state} for {} s: {why}", link.since))
        }
    };
    Session {
        peer,
        why,
        health: link.health,
    }
}

fn named(neighbour: &NivNeighbour) -> (String, Option<String>) {
    let system = neighbour.system.as_ref().unwrap_or(&neighbour.chassis);
    let text = format!("{system}, port {}, {}", neighbour.port, neighbour.mac);
    (text, neighbour.role.clone())
}

/// A vEth that does not work for a reason of its own, and that one.
fn amiss(interface: &Interface) -> Option<Down> {
    let of_link = ["no_link", "no_device"];
    let mut why = interface.why_down.iter();
    let own = why.any(|why| !of_link.contains(&why.as_str()));
    let is_veth = interface.name.starts_with("Vethernet");
    let amiss = is_veth && interface.admin_up && !interface.oper_up && own;
    amiss.then(|| Down {
        name: interface.name.clone(),
        why: interface.why_down.join("; "),
        mend: interface.why_down.iter().find_map(|why| mend(why)),
    })
}

/// What is only missing is made by its own line: `VLAN 20`, `port-profile web`.
fn mend(why: &str) -> Option<String> {
    let missing = why.strip_suffix(" does not exist")?;
    let line = match missing.strip_prefix("VLAN ") {
        Some(vlan) => format!("vlan {vlan}"),
        None => missing
            .starts_with("port-profile ")
            .then(|| missing.to_owned())?,
    };
    Some(format!("vis exec configure \"{line}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faulty_file_is_said_with_the_place_of_each_fault() {
        let file = std::env::temp_dir().join(format!("vis-doctor-{}.conf", std::process::id()));
        std::fs::write(&file, "vlan 10\nvlna 20\n").unwrap();
        let doctor = Doctor {
            config: Some(file.clone()),
            ..Doctor::default()
        };
        let config = doctor.question().config.unwrap();
        std::fs::remove_file(&file).unwrap();
        let [fault] = &config.faults[..] else {
            panic!("one fault: {:?}", config.faults);
        };
        assert!(fault.contains(":2:1:") && fault.contains("vlna"), "{fault}");
        assert!(config.check.unwrap().starts_with("vis check /"));
    }

    #[test]
    fn what_is_only_missing_is_made_by_its_own_line() {
        let line = "vis exec configure \"vlan 20\"";
        assert_eq!(mend("VLAN 20 does not exist").as_deref(), Some(line));
        let line = "vis exec configure \"port-profile web\"";
        assert_eq!(
            mend("port-profile web does not exist").as_deref(),
            Some(line)
        );
        assert_eq!(mend("Ethernet3 does not exist"), None);
        assert_eq!(mend("profile_incomplete"), None);
    }

    #[test]
    fn a_niv_port_needs_room_for_tags() {
        let doctor = Doctor {
            niv: vec!["eth1".parse().unwrap()],
            plain: vec!["eth2".parse().unwrap()],
            ..Doctor::default()
        };
        let wanted = doctor.question().wanted;
        let one = |device: &str, role, mtu| Wanted {
            device: device.into(),
            role,
            mtu,
        };
        assert_eq!(
            wanted,
            [one("eth1", Role::Niv, 1510), one("eth2", Role::Plain, 0)]
        );
    }
}
