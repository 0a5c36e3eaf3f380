//! `vis doctor`: what is wrong on this box, and which command mends it. What `vis` knows goes into the facts of the crate
//! `doctor`, which judges them.

use crate::cli::args::{LoadError, Run, load};
use crate::client::{PROGRAM, RELEASE};
use crate::config::{Config, DeviceName, parse};
use crate::control::niv::{NivLink, NivNeighbour, ShowNivLink};
use crate::control::{Format, Request};
use ::doctor::facts::{ConfigFile, Down, Link, Role, Running, Session, Wanted, down};
use ::doctor::judge::judge;
use ::doctor::look::{Answer, Question, keys, look, question};
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
        let socket = self.socket.clone();
        let ask = move |client: &mut Client| ask_all(client, &mut known, socket.as_deref());
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
            let mut bad_keys = Vec::new();
            let faults = match load(&path) {
                Ok((config, _)) => {
                    wanted = devices(&config);
                    bad_keys = keys(crate::daemon::key_files(&config));
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
                keys: bad_keys,
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

impl Interface {
    /// Why the daemon does not use the device. It comes last of the reasons, and is a sentence; a device in use, whatever
    /// else is amiss, has a mode.
    fn refused(&self) -> Option<&str> {
        let last = self.why_down.last()?;
        let refused = self.device.is_some() && self.io_mode.is_none() && last.contains(' ');
        refused.then_some(last)
    }

    /// What the configuration lacks, or what the daemon says of a vEth: all that is not said of the device.
    fn own_reasons(&self) -> Vec<&str> {
        let device = self.refused();
        let names_none = self.device.is_none() && !self.is_veth();
        let own = self.why_down.iter().map(String::as_str);
        let own = own.filter(|&why| match why {
            "no_device" => names_none,
            "no_link" => false,
            why => Some(why) != device,
        });
        own.collect()
    }

    fn is_veth(&self) -> bool {
        self.name.starts_with("Vethernet")
    }
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

fn ask_all(
    client: &mut Client,
    known: &mut Option<Known>,
    socket: Option<&Path>,
) -> Result<Answer, String> {
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
    Ok(answer(known, &links.links, socket))
}

/// What the running daemon says, as facts.
fn answer(known: &Known, niv: &[NivLink], socket: Option<&Path>) -> Answer {
    let interfaces = &known.interfaces.interfaces;
    let session = |name: &str| niv.iter().find(|link| link.link.to_string() == name);
    let links = interfaces.iter().filter_map(|interface| {
        let device = interface.device.clone()?;
        let refused = interface.refused().filter(|_| interface.admin_up);
        let niv = session(&interface.name);
        let neighbours = niv.map(|niv| niv.neighbours.as_slice());
        Some(Link {
            device,
            mode: interface.io_mode.clone(),
            refused: refused.map(str::to_owned),
            session: niv.map(of_link),
            neighbours: neighbours.unwrap_or_default().iter().map(named).collect(),
            advice: niv.and_then(|niv| niv.advice.clone()),
        })
    });
    Answer {
        wanted: known.wanted.clone(),
        running: Running {
            links: links.collect(),
            down: down(
                "interfaces",
                interfaces.iter().filter_map(|one| amiss(one, socket)),
            ),
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
            let refusal = refusal.map(|refusal| format!("; the last one was refused: {refusal}"));
            let refusal = refusal.unwrap_or_default();
            Some(format!("it is {state} for {} s: {why}{refusal}", link.since))
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

/// An interface that does not work for a reason of its own, and that one.
fn amiss(interface: &Interface, socket: Option<&Path>) -> Option<Down> {
    let own = interface.own_reasons();
    let amiss = interface.admin_up && !interface.oper_up && !own.is_empty();
    let number = interface.name.strip_prefix("Ethernet").unwrap_or_default();
    let why = match (interface.is_veth(), &own[..]) {
        (true, _) => interface.why_down.join("; "),
        (false, ["no_device"]) => format!(
            "nobody has said which device it is: `{}`, with its name for DEVICE, or `no interface ethernet {number}`",
            configure(
                &[
                    format!("interface ethernet {number}"),
                    "device DEVICE".into()
                ],
                socket
            )
        ),
        (false, own) => own.join("; "),
    };
    amiss.then(|| Down {
        name: interface.name.clone(),
        why,
        mend: own.iter().find_map(|why| mend(why, socket)),
    })
}

/// What is only missing is made by its own line: `VLAN 20`, `port-profile web`.
fn mend(why: &str, socket: Option<&Path>) -> Option<String> {
    let missing = why.strip_suffix(" does not exist")?;
    let line = match missing.strip_prefix("VLAN ") {
        Some(vlan) => format!("vlan {vlan}"),
        None => missing
            .starts_with("port-profile ")
            .then(|| missing.to_owned())?,
    };
    Some(configure(&[line], socket))
}

/// The command that says these lines to the daemon that was asked.
fn configure(lines: &[String], socket: Option<&Path>) -> String {
    let socket = socket.map(|path| format!(" --socket {}", path.display()));
    let lines: String = lines.iter().map(|line| format!(" \"{line}\"")).collect();
    format!("vis exec{} configure{lines}", socket.unwrap_or_default())
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
        let mend = |why| mend(why, None);
        let line = "vis exec configure \"vlan 20\"";
        assert_eq!(mend("VLAN 20 does not exist").as_deref(), Some(line));
        let line = "vis exec configure \"port-profile web\"";
        assert_eq!(
            mend("port-profile web does not exist").as_deref(),
            Some(line)
        );
        assert_eq!(mend("Ethernet3 does not exist"), None);
        assert_eq!(mend("profile_incomplete"), None);
        let there = super::mend("VLAN 20 does not exist", Some(Path::new("/tmp/vis.sock")));
        let line = "vis exec --socket /tmp/vis.sock configure \"vlan 20\"";
        assert_eq!(there.as_deref(), Some(line));
    }

    fn ethernet(device: Option<&str>, in_use: bool, why: &[&str]) -> Interface {
        Interface {
            name: "Ethernet3".into(),
            admin_up: true,
            oper_up: why.is_empty(),
            why_down: why.iter().copied().map(str::to_owned).collect(),
            device: device.map(str::to_owned),
            io_mode: in_use.then(|| "af_packet".to_owned()),
        }
    }

    #[test]
    fn what_the_configuration_of_an_ethernet_interface_lacks_is_not_the_devices_fault() {
        let incomplete = ["profile_incomplete", "VLAN 777 does not exist"];
        let used = ethernet(Some("p1"), true, &incomplete);
        assert_eq!(used.refused(), None);
        let down = amiss(&used, None).unwrap();
        assert!(down.why.contains("VLAN 777 does not exist"), "{}", down.why);
        let line = "vis exec configure \"vlan 777\"";
        assert_eq!(down.mend.as_deref(), Some(line));

        let both = [&incomplete[..], &["p1 belongs to br0: take it out"]].concat();
        let both = ethernet(Some("p1"), false, &both);
        assert_eq!(both.refused(), Some("p1 belongs to br0: take it out"));
        assert!(!amiss(&both, None).unwrap().why.contains("br0"));
        let missing = [&incomplete[..], &["no_device"]].concat();
        let missing = ethernet(Some("p1"), false, &missing);
        assert_eq!(missing.refused(), None);
        assert!(!amiss(&missing, None).unwrap().why.contains("no_device"));
    }

    #[test]
    fn what_is_wrong_with_a_device_is_not_said_of_its_interface_again() {
        let refused = ethernet(Some("p1"), false, &["p1 belongs to br0: take it out"]);
        assert_eq!(amiss(&refused, None), None);
        assert_eq!(amiss(&ethernet(Some("p1"), true, &["no_link"]), None), None);
        assert_eq!(
            amiss(&ethernet(Some("p1"), false, &["no_device"]), None),
            None
        );
        assert_eq!(amiss(&ethernet(Some("p1"), true, &[]), None), None);
    }

    #[test]
    fn an_ethernet_interface_without_a_device_is_told_how_it_gets_one() {
        let down = amiss(&ethernet(None, false, &["no_device"]), None).unwrap();
        let line = "vis exec configure \"interface ethernet 3\" \"device DEVICE\"";
        assert!(down.why.contains(line), "{}", down.why);
        assert_eq!(down.mend, None, "which device, only people know");
        let mut shut = ethernet(None, false, &["shutdown"]);
        shut.admin_up = false;
        assert_eq!(amiss(&shut, None), None);
    }

    #[test]
    fn a_key_that_is_missing_is_a_fault_of_the_file() {
        let file = std::env::temp_dir().join(format!("vis-doctor-key-{}.conf", std::process::id()));
        let text = "vic authentication key-file /nowhere/vis.key\ninterface ethernet 1\n  device eth1\n  \
            switchport mode vntag\n";
        std::fs::write(&file, text).unwrap();
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
        assert_eq!(key.path, "/nowhere/vis.key");
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
