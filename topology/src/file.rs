//! The shape of the file, and what is left of it once it is checked.

use crate::check;
use crate::name::{Address, DeviceName, HostName, NotAName};
use crate::place::{Fault, FileError};
use niv::Mac;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use toml::Spanned;

/// Octets of a file, at most (ours): a lab of 256 hosts takes a tenth of it.
pub const MAX_FILE: usize = 256 * 1024;

/// A lab. What it names is there, and nothing is there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// What it is, in a line.
    pub about: String,
    /// Its hosts, each a network namespace.
    pub hosts: BTreeMap<HostName, Host>,
    /// Its cables, by their ends.
    pub cables: Vec<[End; 2]>,
    /// Stations by the name of the group in which each is to reach each.
    pub reach: BTreeMap<String, Vec<End>>,
}

/// One network namespace: a box with a daemon, a guest, a neighbour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The daemon it runs, with the text of its configuration.
    pub program: Option<(Program, String)>,
    /// Its interfaces that are vNICs of an `iv`.
    pub vnics: Vec<Vnic>,
    /// It sits on a trunk.
    pub trunk: Option<Trunk>,
    /// The addresses of its devices.
    pub addresses: BTreeMap<DeviceName, Vec<Address>>,
}

/// A daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The switch.
    Vis,
    /// The interface virtualizer.
    Iv,
}

impl Program {
    /// What its file is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vis => "vis",
            Self::Iv => "iv",
        }
    }
}

/// A vNIC: made by the `iv` of another host, or of the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vnic {
    /// The host whose `iv` has it.
    pub on: HostName,
    /// What that calls it.
    pub name: String,
    /// The port profile it asks for.
    pub profile: String,
    /// What the guest calls it.
    pub device: DeviceName,
    /// The guest's address.
    pub mac: Option<Mac>,
    /// The guest's MTU, in octets.
    pub mtu: Option<u32>,
}

/// A device with a cable on which every frame has a VLAN tag; the host has a device `vlanN` for each VLAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Where the cable is.
    pub device: DeviceName,
    /// 1 to 4094, each once.
    pub vlans: Vec<u16>,
}

/// A device of a host: `HOST:DEVICE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// The host.
    pub host: HostName,
    /// Its device.
    pub device: DeviceName,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.device)
    }
}

/// Reads a lab's file. Total: any text gives a topology or an error.
///
/// # Errors
/// It is too long, no TOML, not of this shape, or contradicts itself; with the place.
pub fn parse(text: &str) -> Result<Topology, FileError> {
    if text.len() > MAX_FILE {
        let what = format!(
            "the file has {} octets: expected at most {MAX_FILE}",
            text.len()
        );
        return Err(Fault::in_span(0..0, what).placed(text));
    }
    let written = toml::from_str::<Written>(text).map_err(Fault::from);
    let checked = written.and_then(check::check);
    checked.map_err(|fault| fault.placed(text))
}

/// The file as it is written. What stands in an array is text here: the parser knows the place of a fault in one only as
/// the array's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    #[serde(default)]
    pub(crate) about: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) cables: Vec<[Spanned<String>; 2]>,
    #[serde(default)]
    pub(crate) host: BTreeMap<Spanned<HostName>, WrittenHost>,
    #[serde(default)]
    pub(crate) reach: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
}

/// `[host.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenHost {
    #[serde(default)]
    pub(crate) vis: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) iv: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) vnics: Vec<Spanned<WrittenVnic>>,
    #[serde(default)]
    pub(crate) trunk: Option<WrittenTrunk>,
    #[serde(default)]
    pub(crate) addresses: BTreeMap<Spanned<DeviceName>, Vec<Spanned<String>>>,
}

/// One of `vnics`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenVnic {
    pub(crate) on: Spanned<String>,
    pub(crate) profile: Spanned<String>,
    #[serde(default)]
    pub(crate) name: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) device: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) mac: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) mtu: Option<Spanned<u32>>,
}

/// `trunk`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenTrunk {
    pub(crate) device: Spanned<DeviceName>,
    pub(crate) vlans: Vec<Spanned<u16>>,
}

/// `HOST:DEVICE`; in a group `HOST` alone will do, where it has one device with addresses.
pub(crate) struct WrittenEnd {
    pub(crate) host: HostName,
    pub(crate) device: Option<DeviceName>,
}

impl FromStr for WrittenEnd {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let (host, device) = match text.split_once(':') {
            Some((host, device)) => (host, Some(device.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            host: host.parse()?,
            device,
        })
    }
}
