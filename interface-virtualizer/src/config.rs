//! What `iv run` is to do: from a TOML file, or from the command line, which says the same in flags.

use niv::{ListId, Mac, VifId};
use packet_io::link::is_name;
use serde::Deserialize;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The largest file that is read, in octets (ours): 4,095 vNICs fit many times over.
const MAX_FILE: u64 = 4 << 20;

/// One uplink and the vNICs behind it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The device that leads to the switch.
    pub uplink: String,
    /// The vNICs to make or take at start.
    #[serde(default, rename = "vnic")]
    pub vnics: Vec<VnicConfig>,
    /// VIF lists installed by hand, for a switch that sends p=1 frames.
    #[serde(default, rename = "list")]
    pub lists: Vec<ListConfig>,
}

/// One vNIC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawVnic")]
pub struct VnicConfig {
    /// What people call it.
    pub name: String,
    /// Its VIF on the link.
    pub vif: VifId,
    /// Where the guest sees it.
    pub attachment: Attachment,
    /// The guest's address, where we make its interface.
    pub mac: Option<Mac>,
    /// The guest's MTU, in octets.
    pub mtu: u32,
}

/// How a vNIC meets its guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// A TAP device of this name, whose descriptor we hold.
    Tap(String),
    /// A veth pair whose far end is made inside the namespace under the given name.
    Netns {
        /// A file that names the namespace.
        path: PathBuf,
        /// The interface's name in there.
        ifname: String,
    },
    /// Somebody else's interface, read by a raw socket.
    Device(String),
}

/// A VIF list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListConfig {
    /// Its id.
    pub id: ListId,
    /// Its members.
    pub members: Vec<VifId>,
}

/// The MTU of a vNIC that names none.
pub const DEFAULT_MTU: u32 = 1500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVnic {
    name: Option<String>,
    vif: VifId,
    tap: Option<String>,
    netns: Option<PathBuf>,
    ifname: Option<String>,
    device: Option<String>,
    mac: Option<Mac>,
    mtu: Option<u32>,
}

impl TryFrom<RawVnic> for VnicConfig {
    type Error = String;

    fn try_from(raw: RawVnic) -> Result<Self, String> {
        let attachment = match (raw.tap, raw.netns, raw.device) {
            (Some(tap), None, None) => Attachment::Tap(tap),
            (None, Some(path), None) => {
                let ifname = raw.ifname.clone().unwrap_or_else(|| "eth0".into());
                Attachment::Netns { path, ifname }
            }
            (None, None, Some(device)) => Attachment::Device(device),
            _ => {
                return Err(format!(
                    "vNIC {}: give exactly one of `tap`, `netns`, `device`",
                    raw.vif
                ));
            }
        };
        if raw.ifname.is_some() && !matches!(attachment, Attachment::Netns { .. }) {
            return Err(format!("vNIC {}: `ifname` goes with `netns` only", raw.vif));
        }
        if raw.mac.is_some_and(|mac| mac.is_group() || mac.is_zero()) {
            return Err(format!(
                "vNIC {}: `mac` must be the address of one station",
                raw.vif
            ));
        }
        let mtu = raw.mtu.unwrap_or(DEFAULT_MTU);
        if !(68..=65_535).contains(&mtu) {
            return Err(format!("vNIC {}: `mtu` is 68 to 65535, not {mtu}", raw.vif));
        }
        let name = raw.name.unwrap_or_else(|| format!("vnic{}", raw.vif));
        Ok(Self {
            name,
            vif: raw.vif,
            attachment,
            mac: raw.mac,
            mtu,
        })
    }
}

/// A configuration that cannot be used. Nothing was changed.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; check the path, or start without a file: `iv run --uplink eth1 --tap tap1`", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than any real one.
    #[error("{} is larger than {MAX_FILE} octets, which no configuration needs; check the path", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The file is not what we read.
    #[error("{}: {source}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What and where.
        source: Box<toml::de::Error>,
    },
    /// No device can be called that.
    #[error(
        "`{0}` is no device's name: those have 1 to 15 characters, no space and no slash; `ip link` lists those there are"
    )]
    Name(String),
    /// Two things with one name.
    #[error("{what} is given twice; each vNIC needs its own")]
    Twice {
        /// The repeated thing, with its value.
        what: String,
    },
    /// The flags do not fit each other.
    #[error("{0}")]
    Flags(String),
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is no valid TOML of this shape, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.into(),
            source,
        };
        let mut text = String::new();
        // One octet more than is taken: enough to see that it is too long, whatever kind of file it is.
        let mut file = File::open(path).map_err(unreadable)?.take(MAX_FILE + 1);
        file.read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_FILE {
            return Err(ConfigError::TooLarge { path: path.into() });
        }
        Self::parse(&text).map_err(|error| match error {
            ParseError::Toml(source) => ConfigError::Invalid {
                path: path.into(),
                source,
            },
            ParseError::Other(error) => error,
        })
    }

    /// Reads a text. Total: any text gives a configuration or an error.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let config: Self = toml::from_str(text).map_err(|e| ParseError::Toml(Box::new(e)))?;
        config.check().map_err(ParseError::Other)?;
        Ok(config)
    }

    /// Refuses what two vNICs cannot share.
    ///
    /// # Errors
    /// Names what is given twice.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut seen = HashSet::new();
        let mut once = |what: String| {
            if seen.insert(what.clone()) {
                Ok(())
            } else {
                Err(ConfigError::Twice { what })
            }
        };
        device_name(&self.uplink)?;
        once(format!("device {}", self.uplink))?;
        for vnic in &self.vnics {
            once(format!("VIF {}", vnic.vif))?;
            once(format!("the name {}", vnic.name))?;
            match &vnic.attachment {
                Attachment::Tap(name) | Attachment::Device(name) => device_name(name)?,
                Attachment::Netns { ifname, .. } => device_name(ifname)?,
            }
            once(match &vnic.attachment {
                Attachment::Tap(name) | Attachment::Device(name) => format!("device {name}"),
                Attachment::Netns { path, ifname } => {
                    format!("interface {ifname} in {}", path.display())
                }
            })?;
        }
        for list in &self.lists {
            once(format!("list {}", list.id))?;
        }
        Ok(())
    }

    /// The MTU the uplink needs: the largest vNIC's, the VNTag, and one VLAN tag a guest may send
    /// (design.md section 5.8).
    pub fn uplink_mtu(&self) -> u32 {
        let vnic = self
            .vnics
            .iter()
            .map(|vnic| vnic.mtu)
            .max()
            .unwrap_or(DEFAULT_MTU);
        vnic + vntag::VnTag::LEN as u32 + vntag::VlanTag::LEN as u32
    }
}

fn device_name(name: &str) -> Result<(), ConfigError> {
    if is_name(name) {
        Ok(())
    } else {
        Err(ConfigError::Name(name.into()))
    }
}

/// Why a text is no configuration.
#[derive(Debug, Error)]
pub enum ParseError {
    /// Not TOML of this shape; the message points at line and column.
    #[error(transparent)]
    Toml(Box<toml::de::Error>),
    /// It contradicts itself.
    #[error(transparent)]
    Other(ConfigError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        uplink = "eth1"
        [[vnic]]
        name = "web1"
        vif = 17
        tap = "tap-web1"
        [[vnic]]
        vif = 18
        netns = "/run/netns/db"
        mac = "02:00:00:00:00:12"
        mtu = 9000
        [[list]]
        id = 4097
        members = [17, 18]
    "#;

    #[test]
    fn a_file_says_all_there_is_to_say() {
        let config = Config::parse(FILE).unwrap();
        assert_eq!(config.uplink, "eth1");
        assert_eq!(
            config.vnics[0].attachment,
            Attachment::Tap("tap-web1".into())
        );
        assert_eq!(config.vnics[1].name, "vnic18");
        let netns = Attachment::Netns {
            path: "/run/netns/db".into(),
            ifname: "eth0".into(),
        };
        assert_eq!(config.vnics[1].attachment, netns);
        assert_eq!(config.uplink_mtu(), 9010);
    }

    #[test]
    fn a_bad_file_is_refused_with_the_reason() {
        for (change, by, says) in [
            ("vif = 17", "vif = 0", "0 is not a VIF id"),
            ("vif = 17", "vif = 4096", "4096 is not a VIF id"),
            ("vif = 17", "vif = 18", "VIF 18 is given twice"),
            (
                "tap = \"tap-web1\"",
                "tap = \"a\"\ndevice = \"b\"",
                "exactly one of",
            ),
            ("tap = \"tap-web1\"", "", "exactly one of"),
            (
                "tap = \"tap-web1\"",
                "tap = \"eth1\"",
                "device eth1 is given twice",
            ),
            ("mtu = 9000", "mtu = 9", "68 to 65535"),
            ("02:00:00:00:00:12", "03:00:00:00:00:12", "one station"),
            ("\"eth1\"", "\"a/b\"", "`a/b` is no device's name"),
            ("uplink =", "uplnk =", "unknown field `uplnk`"),
            ("id = 4097", "id = 16384", "16384 is not a VIF list id"),
        ] {
            let error = Config::parse(&FILE.replacen(change, by, 1))
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{by}: {error}");
        }
    }
}
