//! What is said of one vNIC: in the file, by `iv attach`, and in the state file.

use niv::{Mac, VifId};
use packet_io::link::is_name;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use vic::{Name, OwnerName, Uuid};

/// The MTU of a vNIC that names none.
pub const DEFAULT_MTU: u32 = 1500;

/// One vNIC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "VnicSpec")]
pub struct VnicConfig {
    /// What people call it.
    pub name: String,
    /// How it gets its VIF.
    pub binding: Binding,
    /// Where the guest sees it.
    pub attachment: Attachment,
    /// The guest's address: where we make its interface it gets this one.
    pub mac: Option<Mac>,
    /// The guest's MTU, in octets.
    pub mtu: u32,
}

/// How a vNIC gets its VIF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// By hand: this one, and the switch is told the same.
    Vif(VifId),
    /// The switch assigns it (VIC).
    Profile(ByProfile),
}

/// A vNIC the switch knows by its UUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByProfile {
    /// The port profile it wants.
    pub profile: Name,
    /// Its UUID. Not given: one is drawn, and kept in the state file.
    pub uuid: Option<Uuid>,
    /// The virtual machine or container it belongs to, for people at the switch.
    pub owner: Option<OwnerName>,
    /// Its UUID.
    pub owner_uuid: Option<Uuid>,
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

impl Attachment {
    /// `tap`, `netns` or `device`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Tap(_) => "tap",
            Self::Netns { .. } => "netns",
            Self::Device(_) => "device",
        }
    }
}

impl VnicConfig {
    /// The VIF it is bound to by hand.
    pub const fn vif(&self) -> Option<VifId> {
        match self.binding {
            Binding::Vif(vif) => Some(vif),
            Binding::Profile(_) => None,
        }
    }
}

/// A vNIC as it is written down: what a [`VnicConfig`] is checked from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VnicSpec {
    /// What people call it. Bound by hand it may be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Bound by hand: its VIF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vif: Option<VifId>,
    /// By VIC: the port profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// By VIC: the vNIC's UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// By VIC: whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// By VIC: the UUID of whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_uuid: Option<String>,
    /// A TAP of this name. With a profile and no other device: one of the vNIC's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tap: Option<String>,
    /// A namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<PathBuf>,
    /// The interface's name in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ifname: Option<String>,
    /// Somebody else's interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The guest's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The guest's MTU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

impl From<&VnicConfig> for VnicSpec {
    fn from(vnic: &VnicConfig) -> Self {
        let mut spec = Self {
            name: Some(vnic.name.clone()),
            mac: vnic.mac,
            mtu: Some(vnic.mtu),
            ..Self::default()
        };
        match &vnic.binding {
            Binding::Vif(vif) => spec.vif = Some(*vif),
            Binding::Profile(by) => {
                spec.profile = Some(by.profile.to_string());
                spec.uuid = by.uuid.map(|uuid| uuid.to_string());
                spec.owner = by.owner.as_ref().map(ToString::to_string);
                spec.owner_uuid = by.owner_uuid.map(|uuid| uuid.to_string());
            }
        }
        match vnic.attachment.clone() {
            Attachment::Tap(name) => spec.tap = Some(name),
            Attachment::Device(name) => spec.device = Some(name),
            Attachment::Netns { path, ifname } => {
                spec.netns = Some(path);
                spec.ifname = Some(ifname);
            }
        }
        spec
    }
}

impl TryFrom<VnicSpec> for VnicConfig {
    type Error = String;

    fn try_from(spec: VnicSpec) -> Result<Self, String> {
        let called = match (&spec.name, spec.vif) {
            (Some(name), _) => name.clone(),
            (None, Some(vif)) => vif.to_string(),
            (None, None) => return Err("a vNIC with a `profile` needs a `name`".into()),
        };
        let wrong = |what: &str| Err(format!("vNIC {called}: {what}"));
        let attachment = match (spec.tap, spec.netns, spec.device) {
            (Some(tap), None, None) => Attachment::Tap(tap),
            (None, Some(path), None) => {
                let ifname = spec.ifname.clone().unwrap_or_else(|| "eth0".into());
                Attachment::Netns { path, ifname }
            }
            (None, None, Some(device)) => Attachment::Device(device),
            (None, None, None) if spec.profile.is_some() && is_name(&called) => {
                Attachment::Tap(called.clone())
            }
            (None, None, None) if spec.profile.is_some() => {
                return wrong(
                    "no TAP can be called that (1 to 15 characters, no space and no slash); \
                     give one of `tap`, `netns`, `device`",
                );
            }
            _ => return wrong("give exactly one of `tap`, `netns`, `device`"),
        };
        if spec.ifname.is_some() && !matches!(attachment, Attachment::Netns { .. }) {
            return wrong("`ifname` goes with `netns` only");
        }
        if spec.mac.is_some_and(|mac| mac.is_group() || mac.is_zero()) {
            return wrong("`mac` must be the address of one station");
        }
        let mtu = spec.mtu.unwrap_or(DEFAULT_MTU);
        if !(68..=65_535).contains(&mtu) {
            return wrong(&format!("`mtu` is 68 to 65535, not {mtu}"));
        }
        if spec.profile.is_none() && (spec.owner.is_some() || spec.owner_uuid.is_some()) {
            return wrong("`owner` and `owner-uuid` go with `profile` only");
        }
        let binding = match (spec.vif, spec.profile) {
            (Some(vif), None) if spec.uuid.is_none() => Binding::Vif(vif),
            (Some(_), None) => return wrong("`uuid` goes with `profile` only"),
            (None, Some(profile)) => {
                let name = spec.name.as_deref().unwrap_or_default();
                if let Err(error) = name.parse::<Name>() {
                    return wrong(&format!("its name will not do: {error}"));
                }
                let uuid = spec.uuid.map(|uuid| uuid.parse()).transpose();
                let owner = match spec.owner.map(|owner| owner.parse()).transpose() {
                    Ok(owner) => owner,
                    Err(error) => return wrong(&format!("`owner` will not do: {error}")),
                };
                let owner_uuid = match spec.owner_uuid.map(|uuid| uuid.parse()).transpose() {
                    Ok(owner_uuid) => owner_uuid,
                    Err(error) => return wrong(&format!("`owner-uuid` will not do: {error}")),
                };
                match (profile.parse(), uuid) {
                    (Ok(profile), Ok(uuid)) => Binding::Profile(ByProfile {
                        profile,
                        uuid,
                        owner,
                        owner_uuid,
                    }),
                    (Err(error), _) => return wrong(&format!("`profile` will not do: {error}")),
                    (_, Err(error)) => return wrong(&format!("`uuid` will not do: {error}")),
                }
            }
            _ => {
                return wrong(
                    "give either `vif`, to bind it by hand, or `profile`, for the switch to assign the VIF",
                );
            }
        };
        Ok(Self {
            name: spec.name.unwrap_or_else(|| format!("vnic{called}")),
            binding,
            attachment,
            mac: spec.mac,
            mtu,
        })
    }
}
