//! `show module`, `show port-profile`, `show drops`, `show mac address-table count` and `show tech-support`.

use super::show::Answer;
use crate::config::{InterfaceId, OriginatedLine, ProfileName, VlanName};
use niv::{Mac, VlanId, VlanSet};
use serde::{Deserialize, Serialize};

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MacFilter {
    /// `show mac address-table`
    #[default]
    All,
    /// `dynamic`
    Dynamic,
    /// `static`
    Static,
    /// `address A`
    Address(Mac),
    /// `vlan V`
    Vlan(VlanId),
    /// `interface ethernet N|veth N`
    Interface(InterfaceId),
}

/// Which VLANs are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VlanFilter {
    /// `show vlan [brief]`
    #[default]
    All,
    /// `id LIST`
    Ids(Box<VlanSet>),
    /// `name X`
    Name(VlanName),
}

/// `show mac address-table count`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowMacCount {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// Learned from frames.
    pub dynamic: usize,
    /// Said by configuration or by the IV.
    pub r#static: usize,
    /// Addresses there is room for.
    pub room: usize,
}

/// `show module`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowModule {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// Slot 1 is the switch; the interface virtualizer behind ethernet N is in slot N + 2.
    pub modules: Vec<Module>,
}

/// The switch, or an interface virtualizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// 1, or 3 to 66.
    pub module: u16,
    /// Ethernet interfaces of the switch; VIFs in use at the interface virtualizer.
    pub ports: usize,
    /// What it is.
    pub kind: String,
    /// Its program; `-`: none has said so yet.
    pub model: String,
    /// `active *` of the switch; `ok`, or `powered-dn` while there is no session.
    pub status: String,
    /// The release of its program.
    pub software: Option<String>,
    /// What its box is called.
    pub host: Option<String>,
    /// Who it is.
    pub identity: Option<String>,
    /// The link it is on.
    pub link: Option<InterfaceId>,
}

/// `show port-profile [NAME [expand]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowPortProfile {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// By name.
    pub profiles: Vec<PortProfile>,
}

/// One port profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortProfile {
    /// Its name.
    pub name: ProfileName,
    /// Its description.
    pub description: Option<String>,
    /// What it inherits: its parent, that one's parent, and so on.
    pub ancestors: Vec<ProfileName>,
    /// Its own lines.
    pub lines: Vec<String>,
    /// The lines in force on a port that inherits it, and where each stands. Only with `expand`.
    pub expanded: Option<Vec<OriginatedLine>>,
    /// Profiles that inherit it, themselves.
    pub inherited_by: Vec<ProfileName>,
    /// Interfaces that inherit it, themselves.
    pub assigned_to: Vec<InterfaceId>,
}

/// `show drops`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowDrops {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// Those that lost something.
    pub interfaces: Vec<InterfaceDrops>,
}

/// What one interface lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceDrops {
    /// Which.
    pub interface: InterfaceId,
    /// By reason.
    pub drops: Vec<Drops>,
}

/// Frames dropped for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// `in`: frames that came in. `out`: copies for it.
    pub direction: String,
    /// The stable name.
    pub reason: String,
    /// How many.
    pub frames: u64,
    /// What it means.
    pub explanation: String,
}

/// `show tech-support`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShowTechSupport {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// Every show.
    pub parts: Vec<TechPart>,
}

/// One show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TechPart {
    /// The command.
    pub command: String,
    /// Its answer, with [`MAX_ROWS`] rows at most.
    pub answer: Answer,
    /// Rows left out.
    pub left_out: usize,
}

/// Rows of one answer in `show tech-support`, at most.
pub const MAX_ROWS: usize = 512;
