//! The options of `vis`, and the configuration that devices named by options amount to: the same that a
//! file would have said.

use crate::config::{
    self, Binding, Config, Conflict, Context, DeviceName, Diagnostic, EthernetId, InterfaceId,
    Line, PortLine, PortMode, VethId, VicAuthentication, Warning,
};
use crate::startup;
use clap::{Args, Parser, Subcommand};
use niv::VifId;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The virtual interface switch.
#[derive(Debug, Parser)]
#[command(name = "vis", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the switch
    Run(Run),
    /// Ask the running switch, e.g. `vis show interface`, `vis show mac address-table`
    Show(Show),
    /// Say what the running switch would do with a frame, and why: `vis explain frame HEX from veth 3`
    Explain(Show),
    /// Type commands: `?` says what may stand where the cursor is
    Shell(Shell),
    /// Say commands and print the answers, e.g. `vis exec "show vlan"`, `vis exec configure "vlan 10"`
    Exec(Exec),
    /// Print `docs/cli.md`: every command
    #[command(hide = true)]
    Reference,
    /// Read a configuration file and say what is wrong with it
    Check(Check),
    /// Say what is wrong, and which command mends it; changes nothing
    Doctor(crate::doctor::Doctor),
}

/// `vis run`
#[derive(Debug, Default, Args)]
pub struct Run {
    /// Read the configuration from FILE
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A device with an interface virtualizer behind it
    #[arg(long, value_name = "DEV")]
    pub niv: Vec<DeviceName>,
    /// Give whoever is behind a NIV device the vEths it asks for: `vic authentication none`
    #[arg(long)]
    pub open: bool,
    /// A device with ordinary Ethernet behind it: access to VLAN 1
    #[arg(long, value_name = "DEV")]
    pub plain: Vec<DeviceName>,
    /// Make vEths for the channels (VIF ids) of a NIV device, e.g. eth1:1-16
    #[arg(long, value_name = "DEV:VIFS")]
    pub bind: Vec<Channels>,
    /// The control socket, in place of the usual one
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Keep vEths in this folder, in place of the usual one (/var/lib/niv; with --socket, the socket's)
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
}

/// `vis show`, `vis explain`
#[derive(Debug, Args)]
pub struct Show {
    /// What is asked; words may be shortened
    #[arg(required = true)]
    pub words: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The control socket, in place of the usual one
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// `vis shell`
#[derive(Debug, Args)]
pub struct Shell {
    /// The control socket, in place of the usual one
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// `vis exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// The commands, one each, said in this order until one is refused; `-` stands for the lines of standard input
    #[arg(required = true)]
    pub commands: Vec<String>,
    /// The control socket, in place of the usual one
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// `vis check`
#[derive(Debug, Args)]
pub struct Check {
    /// The file
    pub file: PathBuf,
}

/// Some channels of one device: `eth1:1-16,20`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels {
    /// The device.
    pub device: DeviceName,
    /// The VIF ids, as they were written.
    pub channels: Vec<VifId>,
}

/// Text that is no [`Channels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a device, a colon and VIF ids from 1 to 4095, such as eth1:1-16,20")]
pub struct InvalidChannels;

impl FromStr for Channels {
    type Err = InvalidChannels;

    fn from_str(text: &str) -> Result<Self, InvalidChannels> {
        // A colon cannot be in a device's name.
        let (device, list) = text.split_once(':').ok_or(InvalidChannels)?;
        let device = device.parse().map_err(|_| InvalidChannels)?;
        let mut channels = Vec::new();
        for part in list.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (vif(first)?, vif(last)?);
            if last < first {
                return Err(InvalidChannels);
            }
            channels.extend(
                (first.get()..=last.get()).filter_map(|channel| VifId::try_from(channel).ok()),
            );
            // More than there are can only be repetition.
            if channels.len() > usize::from(VifId::MAX) {
                return Err(InvalidChannels);
            }
        }
        Ok(Self { device, channels })
    }
}

fn vif(text: &str) -> Result<VifId, InvalidChannels> {
    Some(text)
        .filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))
        .and_then(|text| text.parse::<u16>().ok())
        .and_then(|channel| channel.try_into().ok())
        .ok_or(InvalidChannels)
}

/// Options and file do not make a configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No file to read.
    #[error(
        "cannot read the configuration {path}: name a file that exists and that this user may read"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is faulty.
    #[error("{path} is not taken: it has {}", shown(faults.len()))]
    Refused {
        /// The file.
        path: PathBuf,
        /// Each fault.
        faults: Vec<Diagnostic>,
    },
    /// An option contradicts the file or another option.
    #[error("{option} cannot be had: {source}")]
    Conflict {
        /// The option.
        option: String,
        /// Why not.
        source: Conflict,
    },
    /// Open or not.
    #[error(
        "--open contradicts {path}, which asks for a key: leave out --open, or say \
        `vic authentication none` there"
    )]
    OpenWithKey {
        /// The file.
        path: PathBuf,
    },
    /// No number is left.
    #[error("{option} cannot be had: every interface number is taken")]
    Full {
        /// The option.
        option: String,
    },
    /// A binding to something else.
    #[error("--bind {device}: no ethernet interface has that device: add --niv {device}")]
    NoSuchDevice {
        /// The device.
        device: DeviceName,
    },
}

/// `main` prints the faults themselves first.
fn shown(faults: usize) -> String {
    match faults {
        1 => "the fault shown above".to_owned(),
        several => format!("the {several} faults shown above"),
    }
}

/// Reads a configuration file.
///
/// # Errors
/// It cannot be read or is faulty.
pub fn load(path: &Path) -> Result<(Config, Vec<Warning>), LoadError> {
    let octets = startup::read(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    config::parse_bytes(&octets, &path.to_string_lossy()).map_err(|faults| LoadError::Refused {
        path: path.to_owned(),
        faults,
    })
}

impl Run {
    /// The configuration to start with: the file's, or the one without a file, and the devices named by
    /// options. `--niv` devices get the first free ethernet numbers, then `--plain` devices; `--bind` makes
    /// vEths with the first free numbers, which inherit the profile `default`.
    ///
    /// # Errors
    /// The file cannot be read or is faulty, or an option contradicts it.
    pub fn configuration(&self) -> Result<(Config, Vec<Warning>), LoadError> {
        let (mut config, mut warnings) = match &self.config {
            Some(path) => load(path)?,
            None => (Config::without_file(), Vec::new()),
        };
        // A running configuration that was saved has what options said before: they say it again.
        let saved = config.clone();
        let is_saved = |device: &DeviceName, mode| {
            let mut ethernets = saved.ethernets.values();
            ethernets.any(|ethernet| {
                let said = ethernet.lines.mode.unwrap_or(PortMode::Access);
                ethernet.device.as_ref() == Some(device) && said == mode
            })
        };
        let niv = |device: &&DeviceName| !is_saved(device, PortMode::Vntag);
        let plain = |device: &&DeviceName| !is_saved(device, PortMode::Access);
        for device in self.niv.iter().filter(niv) {
            add_device(&mut config, "--niv", device, PortMode::Vntag)?;
        }
        for device in self.plain.iter().filter(plain) {
            add_device(&mut config, "--plain", device, PortMode::Access)?;
        }
        if self.open {
            self.open_to_all(&mut config)?;
        }
        for channels in &self.bind {
            add_channels(&mut config, channels, &saved)?;
        }
        if self.config.is_none() {
            warnings = config.warnings();
        }
        Ok((config, warnings))
    }

    /// Ports for which the file says something of their own keep it.
    fn open_to_all(&self, config: &mut Config) -> Result<(), LoadError> {
        if let (Some(path), Some(VicAuthentication::KeyFile(_))) =
            (&self.config, &config.vic.authentication)
        {
            return Err(LoadError::OpenWithKey { path: path.clone() });
        }
        config.vic.authentication = Some(VicAuthentication::None);
        Ok(())
    }
}

fn add_device(
    config: &mut Config,
    option: &str,
    device: &DeviceName,
    mode: PortMode,
) -> Result<(), LoadError> {
    let option = format!("{option} {device}");
    let id = (1..)
        .map_while(|id| EthernetId::try_from(id).ok())
        .find(|id| !config.ethernets.contains_key(id))
        .ok_or_else(|| LoadError::Full {
            option: option.clone(),
        })?;
    let lines = [
        Line::Device(Some(device.clone())),
        Line::Port(PortLine::Mode(Some(mode))),
    ];
    say(config, &option, Line::Ethernet(id), lines)
}

fn add_channels(config: &mut Config, channels: &Channels, saved: &Config) -> Result<(), LoadError> {
    let ethernet = config
        .ethernets
        .iter()
        .find(|(_, ethernet)| ethernet.device.as_ref() == Some(&channels.device))
        .map(|(&id, _)| id)
        .ok_or_else(|| LoadError::NoSuchDevice {
            device: channels.device.clone(),
        })?;
    let mut numbers = (1..).map_while(|id| VethId::try_from(id).ok());
    for &channel in &channels.channels {
        if saved.bound_to(Binding { ethernet, channel }).is_some() {
            continue;
        }
        let option = format!("--bind {}:{channel}", channels.device);
        let id = numbers
            .find(|id| !config.veths.contains_key(id))
            .ok_or_else(|| LoadError::Full {
                option: option.clone(),
            })?;
        let lines = [
            Line::Bind(Some(Binding { ethernet, channel })),
            Line::Port(PortLine::Inherit("default".parse().ok())),
        ];
        say(config, &option, Line::Veth(id), lines)?;
    }
    Ok(())
}

/// The same lines a file would have.
fn say<const N: usize>(
    config: &mut Config,
    option: &str,
    enter: Line,
    lines: [Line; N],
) -> Result<(), LoadError> {
    let conflict = |source| LoadError::Conflict {
        option: option.to_owned(),
        source,
    };
    let context = config.apply(&Context::Config, enter).map_err(conflict)?;
    debug_assert!(matches!(
        context,
        Context::Interface(InterfaceId::Ethernet(_) | InterfaceId::Veth(_))
    ));
    for line in lines {
        config.apply(&context, line).map_err(conflict)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn run(options: &[&str]) -> Run {
        let words = ["vis", "run"].iter().chain(options);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(run) => run,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn options_say_what_a_file_would_have_said() {
        let run = run(&[
            "--plain",
            "eth2",
            "--niv",
            "eth1",
            "--bind",
            "eth1:7,9-10",
            "--niv",
            "eth3",
            "--open",
        ]);
        let (config, warnings) = run.configuration().unwrap();
        assert!(warnings.is_empty());
        let file = "vic authentication none\nport-profile default\n switchport mode access\n switchport access vlan 1\n\
            interface ethernet 1\n device eth1\n switchport mode vntag\n\
            interface ethernet 2\n device eth3\n switchport mode vntag\n\
            interface ethernet 3\n device eth2\n switchport mode access\n\
            interface veth 1\n bind interface ethernet 1 channel 7\n inherit port-profile default\n\
            interface veth 2\n bind interface ethernet 1 channel 9\n inherit port-profile default\n\
            interface veth 3\n bind interface ethernet 1 channel 10\n inherit port-profile default\n";
        assert_eq!(config, parse(file, "t").unwrap().0);
    }

    #[test]
    fn what_was_saved_is_no_contradiction_to_the_options_it_came_from() {
        let options = [
            "--niv", "eth1", "--plain", "eth2", "--bind", "eth1:7-8", "--open",
        ];
        let saved = run(&options).configuration().unwrap().0;
        let file = std::env::temp_dir().join(format!("vis-saved-{}.conf", std::process::id()));
        std::fs::write(&file, saved.running_config()).unwrap();
        let path = file.to_string_lossy();
        let again = [&options[..], &["--config", &path]].concat();
        let again = run(&again).configuration();
        let other = run(&["--plain", "eth1", "--config", &path]).configuration();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(again.unwrap().0, saved);
        assert!(other.unwrap_err().to_string().contains("already belongs"));
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for (options, error) in [
            (
                &["--niv", "a", "--plain", "a"][..],
                "--plain a cannot be had: device a already belongs to Ethernet1",
            ),
            (
                &["--niv", "a", "--bind", "a:1,1"],
                "--bind a:1 cannot be had: channel 1 of Ethernet1 already belongs to Vethernet1",
            ),
            (&["--bind", "b:1"], "add --niv b"),
            (
                &["--config", "/nonexistent/x"],
                "cannot read the configuration",
            ),
        ] {
            let found = run(options).configuration().unwrap_err().to_string();
            assert!(found.contains(error), "{found}");
        }
    }

    #[test]
    fn an_open_switch_is_asked_for_and_never_by_mistake() {
        let unsaid = run(&["--niv", "eth1"]).configuration().unwrap().0;
        assert_eq!(unsaid.vic.authentication, None);
        let file = std::env::temp_dir().join(format!("vis-open-{}.conf", std::process::id()));
        std::fs::write(&file, "vic authentication key-file /k\n").unwrap();
        let error = run(&["--open", "--config", &file.to_string_lossy()])
            .configuration()
            .unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert!(error.to_string().contains("asks for a key"), "{error}");
    }

    #[test]
    fn channels_are_a_device_and_vif_ids() {
        let channels: Channels = "eth1:1-3,4095".parse().unwrap();
        let numbers: Vec<u16> = channels.channels.iter().map(|c| c.get()).collect();
        assert_eq!(numbers, [1, 2, 3, 4095]);
        for bad in [
            "",
            "eth1",
            "eth1:",
            ":1",
            "eth1:0",
            "eth1:4096",
            "eth1:3-1",
            "eth1:1-",
            "e:1,,2",
            "a b:1",
            "eth1:+1",
            "e:1-4095,1-4095,1-4095",
        ] {
            assert!(bad.parse::<Channels>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_options_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
