//! The command line of `iv`.

use crate::config::{Attachment, Binding, Config, ConfigError, DEFAULT_MTU, VnicConfig, VnicSpec};
use clap::{Args, Parser, Subcommand};
use niv::{Mac, VifId};
use std::collections::HashSet;
use std::path::PathBuf;

/// The interface virtualizer: gives every guest of this host a vNIC, whose frames a virtual interface
/// switch on another box forwards.
#[derive(Debug, Parser)]
#[command(name = "iv", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How `iv attach` ends: [`crate::client::REFUSED`], [`crate::client::WAITING`].
const ATTACH_ENDS: &str = "\
Exit status:
  0  the vNIC is enabled (with --no-wait: its device is there)
  1  nothing was attached; the message says why
  2  the command line is wrong
  3  the switch refuses the vNIC or this host; the message says why and what to do
  4  no switch has said yes or no within 5 seconds
After 3 and 4 the vNIC is kept and comes up as soon as the switch takes it; `iv detach NAME` takes it away.";

/// What `iv` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Forward frames until stopped, in the foreground.
    Run(Run),
    /// Give a guest a vNIC: the switch assigns its VIF, by the port profile.
    #[command(after_help = ATTACH_ENDS)]
    Attach(Attach),
    /// Take a guest's vNIC away.
    Detach(Detach),
    /// Print the port profiles that the switch offers.
    Profiles(Show),
    /// Print what the running `iv` sees: uplink, session, vNICs, counters.
    Show(Show),
    /// Say what is wrong, and which command mends it. Changes nothing.
    Doctor(crate::doctor::Doctor),
}

/// `iv run`
#[derive(Debug, Args)]
pub struct Run {
    /// The device that leads to the switch.
    #[arg(long, value_name = "DEVICE", required_unless_present = "config")]
    pub uplink: Option<String>,
    /// A TOML file with uplink, vNICs and lists, in place of the flags.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["uplink", "taps", "netns", "devices", "key_file"])]
    pub config: Option<PathBuf>,
    /// A vNIC on a TAP device, made if it is not there; `=VIF` says which VIF it is.
    #[arg(long = "tap", value_name = "NAME[=VIF]")]
    pub taps: Vec<Numbered>,
    /// A vNIC inside a network namespace (`/run/netns/NAME` or `/proc/PID/ns/net`).
    #[arg(long, value_name = "PATH[=VIF]")]
    pub netns: Vec<Numbered>,
    /// What the interface is called in there, for each --netns in turn.
    #[arg(long, value_name = "NAME", requires = "netns")]
    pub ifname: Vec<String>,
    /// A vNIC on an interface somebody else made, a virtual machine's TAP for instance.
    #[arg(long = "device", value_name = "NAME[=VIF]")]
    pub devices: Vec<Numbered>,
    /// A file with the key that the switch has too: 32 octets or more, or their hexadecimal digits. Without
    /// one any switch is taken.
    #[arg(long, value_name = "PATH")]
    pub key_file: Option<PathBuf>,
    /// Where to listen for `iv show`.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// `iv attach`
#[derive(Debug, Args)]
pub struct Attach {
    /// What it is to be called. Without --tap, --netns and --device a TAP of that name is made for it.
    pub name: String,
    /// The port profile it wants; `iv profiles` lists those there are.
    #[arg(long)]
    pub profile: String,
    /// Its UUID, by which the switch knows it again. One is drawn if none is given.
    #[arg(long)]
    pub uuid: Option<String>,
    /// The virtual machine or container it belongs to, for people at the switch.
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// The UUID of that.
    #[arg(long, value_name = "UUID")]
    pub owner_uuid: Option<String>,
    /// On a TAP device, made if it is not there.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["netns", "device"])]
    pub tap: Option<String>,
    /// Inside a network namespace (`/run/netns/NAME` or `/proc/PID/ns/net`).
    #[arg(long, value_name = "PATH", conflicts_with = "device")]
    pub netns: Option<PathBuf>,
    /// What the interface is called in there: eth0 if nothing is said.
    #[arg(long, value_name = "NAME", requires = "netns")]
    pub ifname: Option<String>,
    /// On an interface somebody else made, a virtual machine's TAP for instance.
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// The guest's address.
    #[arg(long, value_parser = mac)]
    pub mac: Option<Mac>,
    /// The guest's MTU, in octets.
    #[arg(long)]
    pub mtu: Option<u32>,
    /// Do not wait for the switch: it is enough that the device is there.
    #[arg(long)]
    pub no_wait: bool,
    /// Where the running `iv` listens.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

fn mac(text: &str) -> Result<Mac, String> {
    text.parse().map_err(|error| format!("{error}"))
}

impl Attach {
    /// What the daemon is asked for. Paths are made absolute: it has another folder.
    pub fn spec(&self) -> VnicSpec {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        VnicSpec {
            name: Some(self.name.clone()),
            vif: None,
            profile: Some(self.profile.clone()),
            uuid: self.uuid.clone(),
            owner: self.owner.clone(),
            owner_uuid: self.owner_uuid.clone(),
            tap: self.tap.clone(),
            netns: self.netns.as_ref().map(absolute),
            ifname: self.ifname.clone(),
            device: self.device.clone(),
            mac: self.mac,
            mtu: self.mtu,
        }
    }
}

/// `iv detach`
#[derive(Debug, Args)]
pub struct Detach {
    /// Which vNIC.
    pub name: String,
    /// Where the running `iv` listens.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// `iv show`, `iv profiles`
#[derive(Debug, Args)]
pub struct Show {
    /// One JSON document, for programs.
    #[arg(long)]
    pub json: bool,
    /// Where the running `iv` listens.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// A name with or without the VIF it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    name: String,
    vif: Option<VifId>,
}

impl std::str::FromStr for Numbered {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, vif) = match text.rsplit_once('=') {
            None => (text, None),
            Some((name, vif)) => {
                let number: u16 = vif.parse().map_err(|_| format!("`{vif}` is no VIF id"))?;
                (
                    name,
                    Some(VifId::try_from(number).map_err(|e| e.to_string())?),
                )
            }
        };
        if name.is_empty() {
            return Err("the name is empty".into());
        }
        Ok(Self {
            name: name.into(),
            vif,
        })
    }
}

impl Run {
    /// The same as a file would say. vNICs without a VIF get the lowest free ones, in the order TAPs,
    /// namespaces, devices.
    ///
    /// # Errors
    /// The file's, or flags that contradict each other.
    pub fn into_config(self) -> Result<Config, ConfigError> {
        if let Some(path) = self.config {
            return Config::load(&path);
        }
        let uplink = self.uplink.unwrap_or_default();
        if self.ifname.len() > self.netns.len() {
            return Err(ConfigError::Flags(
                "there are more --ifname than --netns".into(),
            ));
        }
        let mut ifnames = self.ifname.into_iter();
        let taps = self
            .taps
            .into_iter()
            .map(|n| (n.vif, Attachment::Tap(n.name)));
        let netns = self.netns.into_iter().map(|n| {
            let ifname = ifnames.next().unwrap_or_else(|| "eth0".into());
            (
                n.vif,
                Attachment::Netns {
                    path: n.name.into(),
                    ifname,
                },
            )
        });
        let devices = self
            .devices
            .into_iter()
            .map(|n| (n.vif, Attachment::Device(n.name)));
        let wanted: Vec<_> = taps.chain(netns).chain(devices).collect();
        let taken: HashSet<VifId> = wanted.iter().filter_map(|(vif, _)| *vif).collect();
        let mut free = (1..=VifId::MAX)
            .flat_map(VifId::try_from)
            .filter(|vif| !taken.contains(vif));
        let mut vnics = Vec::with_capacity(wanted.len());
        for (vif, attachment) in wanted {
            let Some(vif) = vif.or_else(|| free.next()) else {
                return Err(ConfigError::Flags("a link has room for 4095 vNICs".into()));
            };
            let name = format!("vnic{vif}");
            vnics.push(VnicConfig {
                name,
                binding: Binding::Vif(vif),
                attachment,
                mac: None,
                mtu: DEFAULT_MTU,
            });
        }
        let config = Config {
            uplink,
            key_file: self.key_file,
            by_flags: true,
            vnics,
            ..Config::default()
        };
        config.check()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(line: &str) -> Result<Config, String> {
        let words = ["iv", "run"].into_iter().chain(line.split(' '));
        let cli = Cli::try_parse_from(words).map_err(|e| e.to_string())?;
        let Command::Run(run) = cli.command else {
            return Err("not run".into());
        };
        run.into_config().map_err(|e| e.to_string())
    }

    #[test]
    fn vnics_without_a_vif_get_the_lowest_free_one() {
        let config =
            config("--uplink eth1 --tap a --tap b=1 --netns /n --ifname net0 --device d=3")
                .unwrap();
        let vifs = config.vnics.iter().filter_map(|vnic| vnic.vif());
        assert!(vifs.map(VifId::get).eq([2, 1, 4, 3]));
        assert!(!config.runs_vic());
        let netns = Attachment::Netns {
            path: "/n".into(),
            ifname: "net0".into(),
        };
        assert_eq!(config.vnics[2].attachment, netns);
    }

    #[test]
    fn an_uplink_is_all_that_has_to_be_said() {
        let config = config("--uplink eth1").unwrap();
        assert!(config.runs_vic() && config.vnics.is_empty());
    }

    #[test]
    fn a_vnic_is_attached_by_its_profile() {
        let words = "iv attach web1 --profile web --netns ns/web1 --mac 02:00:00:00:00:01";
        let cli = Cli::try_parse_from(words.split(' ')).unwrap();
        let Command::Attach(attach) = cli.command else {
            panic!("not attach");
        };
        let vnic = VnicConfig::try_from(attach.spec()).unwrap();
        let Attachment::Netns { path, ifname } = vnic.attachment else {
            panic!("not in a namespace");
        };
        assert!(path.is_absolute() && path.ends_with("ns/web1"));
        assert_eq!((ifname.as_str(), vnic.mtu), ("eth0", 1500));
        assert!(vnic.mac.is_some() && vnic.binding != Binding::Vif(VifId::try_from(1).unwrap()));
    }

    #[test]
    fn wrong_flags_are_refused() {
        for (line, says) in [
            ("--tap a", "--uplink <DEVICE>"),
            ("--uplink e --tap a=0", "0 is not a VIF id"),
            ("--uplink e --tap a=9999", "9999 is not a VIF id"),
            ("--uplink e --tap a=x", "`x` is no VIF id"),
            ("--uplink e --tap =4", "the name is empty"),
            ("--uplink e --tap a=4 --tap b=4", "VIF 4 is given twice"),
            ("--uplink e --config f", "cannot be used with"),
            (
                "--uplink e --netns n --ifname a --ifname b",
                "more --ifname than --netns",
            ),
        ] {
            let error = config(line).unwrap_err();
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}
