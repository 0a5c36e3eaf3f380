//! The command line of `iv`.

use crate::config::{Attachment, Config, ConfigError, DEFAULT_MTU, VnicConfig};
use clap::{Args, Parser, Subcommand};
use niv::VifId;
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

/// What `iv` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Forward frames until stopped, in the foreground.
    Run(Run),
    /// Print what the running `iv` sees: uplink, vNICs, counters.
    Show(Show),
}

/// `iv run`
#[derive(Debug, Args)]
pub struct Run {
    /// The device that leads to the switch.
    #[arg(long, value_name = "DEVICE", required_unless_present = "config")]
    pub uplink: Option<String>,
    /// A TOML file with uplink, vNICs and lists, in place of the flags.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["uplink", "taps", "netns", "devices"])]
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
    /// Where to listen for `iv show`.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// `iv show`
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
                vif,
                attachment,
                mac: None,
                mtu: DEFAULT_MTU,
            });
        }
        let config = Config {
            uplink,
            vnics,
            lists: Vec::new(),
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
        let vifs: Vec<u16> = config.vnics.iter().map(|vnic| vnic.vif.get()).collect();
        assert_eq!(vifs, [2, 1, 4, 3]);
        let netns = Attachment::Netns {
            path: "/n".into(),
            ifname: "net0".into(),
        };
        assert_eq!(config.vnics[2].attachment, netns);
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
