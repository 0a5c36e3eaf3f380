//! `show niv`: links, the VIFs on them, and the lists that interface virtualizers hold.

use crate::config::{EthernetId, InterfaceId};
use doctor::LinkHealth;
use niv::{ListId, Mac, VifId};
use serde::{Deserialize, Serialize};

/// `show niv link`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowNivLink {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// By number.
    pub links: Vec<NivLink>,
}

/// One NIV port, and the session on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NivLink {
    /// The port.
    pub link: InterfaceId,
    /// `up`, `waiting` for the first session, `lost` (in the grace time), `away` (after it), or `no_device`.
    pub state: String,
    /// Seconds since it is so.
    pub since: u64,
    /// How its IV proves who it is: `key`, `none`, or `unset`: then every session is refused.
    pub authentication: String,
    /// The IV, while there is a session.
    pub peer: Option<NivPeer>,
    /// Sessions there were.
    pub sessions: u64,
    /// Why the last one ended.
    pub lost: Option<String>,
    /// Sessions refused.
    pub refused: u64,
    /// Why the last one was, and by whom.
    pub last_refusal: Option<String>,
    /// vNICs refused.
    pub vnics_refused: u64,
    /// Lists that could not be had: floods went out once for each member.
    pub lists_refused: u64,
    /// Octets after the EtherType that got through.
    pub mtu_proven: Option<u16>,
    /// How the session goes. Whoever asks has the MTU proven anew: ask again to see what came of it.
    #[serde(default)]
    pub health: Option<LinkHealth>,
    /// VIFs in use by the protocol, and ids that are free.
    pub vifs: Used,
    /// Lists the IV holds, and ids that are free.
    pub lists: Used,
    /// What its end did with frames.
    pub frames: Option<NivFrames>,
    /// Who is there by LLDP; more than one says that something is in between.
    pub neighbours: Vec<NivNeighbour>,
    /// What is odd about them, in a sentence.
    pub advice: Option<String>,
}

/// A port of another box, as it says of itself by LLDP. Nothing of it is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NivNeighbour {
    /// What the box is called.
    pub system: Option<String>,
    /// What the box is.
    pub description: Option<String>,
    /// Which box.
    pub chassis: String,
    /// Which port of it.
    pub port: String,
    /// The address its LLDPDUs come from.
    pub mac: Mac,
    /// Which end of a NIV link it is: `iv` or `vis`; `None`: it does not speak VIC.
    pub role: Option<String>,
    /// The longest frame it takes, in octets with header and FCS.
    pub frame_size: Option<u16>,
    /// For so many seconds it has been there.
    pub since: u64,
    /// In so many seconds it is forgotten, unless it is heard again.
    pub expires: u64,
}

/// An interface virtualizer, as it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NivPeer {
    /// What its box is called.
    pub name: String,
    /// Who it is.
    pub identity: String,
    /// Its address.
    pub mac: Mac,
    /// Program and version.
    pub software: Option<String>,
    /// It proved that it has the key.
    pub authenticated: bool,
    /// The smaller MTU of both ends.
    pub mtu: u16,
    /// Milliseconds of silence after which it gives us up.
    pub hold: u64,
    /// VIFs it can hold.
    pub max_vifs: u16,
    /// Lists it can hold.
    pub max_lists: u16,
}

/// How many of something there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// In use.
    pub used: usize,
    /// Not in use.
    pub free: usize,
}

/// Frames of link control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NivFrames {
    /// Sent.
    pub sent: u64,
    /// Taken.
    pub taken: u64,
    /// Taken before, or dropped for any reason.
    pub not_taken: u64,
    /// Of those, not authentic.
    pub unauthentic: u64,
}

/// `show niv vif`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowNivVif {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// By link and VIF; last those that are nowhere.
    pub vifs: Vec<NivVif>,
}

/// One VIF, or a vEth without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NivVif {
    /// The link it is on.
    pub link: Option<InterfaceId>,
    /// Its id there.
    pub vif: Option<VifId>,
    /// Its vEth.
    pub veth: InterfaceId,
    /// `by_hand`, or a stage of the protocol: `creating`, `waiting_for_lists`, `enabling`, `enabled`, `disabling`,
    /// `disabled`, `absent`, `away`, `detached`.
    pub state: String,
    /// Seconds since it is so.
    pub since: Option<u64>,
    /// Why frames do not pass.
    pub why_down: Option<String>,
    /// The port profile in force, which may be another one than its vNIC asked for; `None`: none.
    pub port_profile: Option<String>,
    /// Its vNIC, where the protocol made it known.
    pub vnic: Option<Vnic>,
}

/// A vNIC, as its interface virtualizer says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vnic {
    /// Who it is.
    pub uuid: String,
    /// What the IV calls it.
    pub name: String,
    /// Whose it is.
    pub owner: Option<String>,
    /// Whose it is.
    pub owner_uuid: Option<String>,
    /// Its address.
    pub mac: Mac,
    /// What the guest may send.
    pub mtu: u16,
    /// The port profile it asked for.
    pub port_profile: String,
    /// What passed it, by the IV's account.
    pub counters: VnicCounters,
}

/// What passed a vNIC, by the IV's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VnicCounters {
    /// Frames handed to it.
    pub to_frames: u64,
    /// Frames of it that went up the link.
    pub from_frames: u64,
    /// Of the frames handed to it, copies by a list.
    pub list_copies: u64,
    /// Frames dropped at the IV.
    pub dropped: u64,
}

/// `show niv list`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowNivList {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// By link and id.
    pub lists: Vec<NivList>,
}

/// One list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NivList {
    /// The link.
    pub link: InterfaceId,
    /// Its id there.
    pub list: ListId,
    /// `confirmed`: floods may use it; `asked`: its IV has not said that it has it; `released`: it is on its way
    /// out.
    pub state: String,
    /// Its members, ascending.
    pub members: Vec<VifId>,
}

/// What of `show niv` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NivRequest {
    /// `show niv link`
    Link,
    /// `show niv vif [interface ethernet N]`: of this link; `None`: of all.
    Vif(Option<EthernetId>),
    /// `show niv list [interface ethernet N]`
    List(Option<EthernetId>),
}
