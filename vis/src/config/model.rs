//! What the configuration says: plain data.
//!
//! An absent value means that the line is absent: what holds then is said by the profile inherited, or
//! by the language (see [`super::Effective`]).

use super::filters::FilterLines;
use super::guard::{Errdisable, GuardLines};
use super::lists::AccessLists;
use super::name::{
    Account, Description, DeviceName, Hostname, KeyFile, Oui, ProfileName, VlanName,
};
use super::private_vlan::PrivateVlanLines;
use super::rate::RateLines;
use super::vlan_lines::VlanLines;
use niv::{VifId, VlanId, VlanSet};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use vic::Parameters;

/// Port profiles, at most.
pub const MAX_PROFILES: usize = 1024;

/// Users and groups of one role, at most.
pub const MAX_GRANTEES: usize = 64;

/// Everything that is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `hostname NAME`
    pub hostname: Option<Hostname>,
    /// `mac address-table aging-time N`
    pub aging_time: Option<AgingTime>,
    /// `vlan dot1q tag native`
    pub tag_native: bool,
    /// `vic ...`, about the switch as a whole.
    pub vic: Vic,
    /// `role ...`
    pub roles: Roles,
    /// `errdisable ...`
    #[serde(default)]
    pub errdisable: Errdisable,
    /// The VLANs that are defined. VLAN 1 always is.
    pub vlans: BTreeMap<VlanId, Vlan>,
    /// `ip|ipv6|mac access-list NAME`
    pub lists: AccessLists,
    /// `port-profile NAME`
    pub profiles: BTreeMap<ProfileName, PortLines>,
    /// `interface ethernet N`
    pub ethernets: BTreeMap<EthernetId, Ethernet>,
    /// `interface veth N`
    pub veths: BTreeMap<VethId, Veth>,
}

impl Config {
    /// Of a file without a line in it: VLAN 1 and nothing else.
    pub fn empty() -> Self {
        Self {
            hostname: None,
            aging_time: None,
            tag_native: false,
            vic: Vic::default(),
            roles: Roles::default(),
            errdisable: Errdisable::default(),
            vlans: BTreeMap::from([(VlanId::DEFAULT, Vlan::default())]),
            lists: AccessLists::default(),
            profiles: BTreeMap::new(),
            ethernets: BTreeMap::new(),
            veths: BTreeMap::new(),
        }
    }

    /// Without a file: one profile, `default`, access to VLAN 1 (design.md section 3).
    pub fn without_file() -> Self {
        let mut config = Self::empty();
        if let Ok(name) = "default".parse() {
            let lines = PortLines {
                mode: Some(PortMode::Access),
                access_vlan: Some(VlanId::DEFAULT),
                ..PortLines::default()
            };
            config.profiles.insert(name, lines);
        }
        config
    }

    /// The VLANs that exist.
    pub fn defined_vlans(&self) -> VlanSet {
        let mut vlans: VlanSet = self.vlans.keys().copied().collect();
        vlans.insert(VlanId::DEFAULT);
        vlans
    }

    /// How long an address that is not heard from is kept; `None`: for ever.
    pub fn aging(&self) -> Option<Duration> {
        let seconds = self.aging_time.unwrap_or(AgingTime::DEFAULT).0;
        (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
    }

    /// How interface virtualizers behind an ethernet interface prove who they are; `None`: nothing is said, so
    /// no session is had there.
    pub fn vic_authentication(&self, id: EthernetId) -> Option<&VicAuthentication> {
        let own = self.ethernets.get(&id)?.vic.authentication.as_ref();
        own.or(self.vic.authentication.as_ref())
    }

    /// The vEth bound to a channel of an ethernet interface.
    pub fn bound_to(&self, binding: Binding) -> Option<VethId> {
        self.veths
            .iter()
            .find(|(_, veth)| veth.bind == Some(binding))
            .map(|(&id, _)| id)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::without_file()
    }
}

/// The control protocol, VIC, on every NIV port (design.md section 6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vic {
    /// `vic authentication ...`. Without the line every session is refused, unless a port says other.
    pub authentication: Option<VicAuthentication>,
    /// `vic grace SECONDS`
    pub grace: Option<Grace>,
    /// `vic hold MILLISECONDS`
    pub hold: Option<Hold>,
    /// `vic subtype N`
    pub subtype: Option<Subtype>,
    /// `vic unacknowledged-subtype N`. Never the same as the other one.
    pub unacknowledged_subtype: Option<Subtype>,
    /// `vic oui X`
    pub oui: Option<Oui>,
    /// `vic rte N`
    pub rte: Option<Rte>,
    /// `vic retries N`
    pub retries: Option<Retries>,
}

impl Vic {
    /// How long the vEths of an interface virtualizer that is away are kept.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace.unwrap_or(Grace::DEFAULT).0.into())
    }

    /// How long a session lasts in silence.
    pub fn hold(&self) -> Duration {
        self.parameters().hold
    }

    /// The protocol's numbers: what no line says is as [`Parameters::default`] has it.
    pub fn parameters(&self) -> Parameters {
        let mut all = Parameters::default();
        all.subtype = self.subtype.map_or(all.subtype, Subtype::get);
        all.unacknowledged_subtype = self
            .unacknowledged_subtype
            .map_or(all.unacknowledged_subtype, Subtype::get);
        all.oui = self.oui.as_ref().map_or(all.oui, Oui::octets);
        all.rte = self.rte.map_or(all.rte, Rte::get);
        all.retries = self.retries.map_or(all.retries, Retries::get);
        all.hold = self
            .hold
            .map_or(all.hold, |hold| Duration::from_millis(hold.0.into()));
        all
    }
}

/// How an interface virtualizer proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VicAuthentication {
    /// Not at all: whoever is at the other end of the cable may have vEths.
    None,
    /// It has the key in this file.
    KeyFile(KeyFile),
}

/// The control protocol on one NIV port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VicPort {
    /// `vic authentication ...`; without the line, what is said for the switch as a whole.
    pub authentication: Option<VicAuthentication>,
    /// `vic allowed port-profile NAME...`; `None`: every profile may be asked for here.
    pub allowed: Option<BTreeSet<ProfileName>>,
}

impl VicPort {
    /// Whether a vNIC behind this port may ask for `profile`.
    pub fn allows(&self, profile: &str) -> bool {
        let named = |names: &BTreeSet<ProfileName>| names.iter().any(|n| n.as_str() == profile);
        self.allowed.as_ref().is_none_or(named)
    }
}

/// Who may do what on the control socket. Root and the daemon's own user may do everything, whatever is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// `role network ...`
    pub network: BTreeSet<Grantee>,
    /// `role operator ...`
    pub operator: BTreeSet<Grantee>,
}

/// Somebody with an account on the machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grantee {
    /// `group NAME`
    Group(Account),
    /// `user NAME`
    User(Account),
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "group {name}"),
            Self::User(name) => write!(f, "user {name}"),
        }
    }
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    /// Look on.
    Operator,
    /// Everything.
    Network,
}

impl Privilege {
    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Network => "network",
        }
    }
}

/// A VLAN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vlan {
    /// `name X`
    pub name: Option<VlanName>,
    /// State and private VLAN.
    pub lines: VlanLines,
}

impl Vlan {
    /// As VLAN 1 is called.
    pub const DEFAULT_NAME: &str = "default";

    /// What it is called, as the VLAN with that number: where it was given no name, as nxos calls it.
    pub fn called(&self, vlan: VlanId) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None if vlan == VlanId::DEFAULT => Self::DEFAULT_NAME.to_owned(),
            None => format!("VLAN{:04}", vlan.get()),
        }
    }

    /// Which VLAN is called so where it was given no name.
    pub fn named_by_default(name: &str) -> Option<VlanId> {
        let number = || -> Option<u16> {
            let digits = name.strip_prefix("VLAN").filter(|digits| digits.len() == 4);
            digits?.parse().ok()
        };
        let vlan = match name {
            Self::DEFAULT_NAME => VlanId::DEFAULT,
            _ => VlanId::try_from(number()?).ok()?,
        };
        (Self::default().called(vlan) == name).then_some(vlan)
    }
}

/// The lines that port profiles and interfaces have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortLines {
    /// `description TEXT`. Of this profile or interface: it is not inherited.
    pub description: Option<Description>,
    /// `inherit port-profile NAME`
    pub inherit: Option<ProfileName>,
    /// `switchport mode ...`
    pub mode: Option<PortMode>,
    /// `switchport access vlan N`
    pub access_vlan: Option<VlanId>,
    /// `switchport trunk native vlan N`
    pub native_vlan: Option<VlanId>,
    /// `switchport trunk allowed vlan ...`
    pub allowed_vlans: Option<Allowed>,
    /// `switchport private-vlan ...`
    pub private_vlan: PrivateVlanLines,
    /// `mtu N`
    pub mtu: Option<Mtu>,
    /// `ip|ipv6|mac access-group NAME in|out`
    pub filters: FilterLines,
    /// `police ...`, `qos ...`
    pub rates: RateLines,
    /// Those of guards.
    #[serde(default)]
    pub guards: GuardLines,
    /// `shutdown`, or `no shutdown` said in so many words.
    pub shutdown: Option<bool>,
}

/// An interface with a device of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ethernet {
    /// `device NAME`. Without one the interface is there and carries nothing.
    pub device: Option<DeviceName>,
    /// `vic ...`, about this port. Of use on a NIV port only.
    pub vic: VicPort,
    /// The other lines.
    pub lines: PortLines,
}

/// The switch's port of one vNIC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Veth {
    /// `bind interface ethernet N channel V`
    pub bind: Option<Binding>,
    /// The other lines.
    pub lines: PortLines,
}

/// Where the vNIC of a vEth is, said by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The link.
    pub ethernet: EthernetId,
    /// The VIF id on it.
    pub channel: VifId,
}

/// What a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortMode {
    /// One VLAN, untagged.
    Access,
    /// Many VLANs, tagged, and one untagged.
    Trunk,
    /// A host of a secondary VLAN, untagged.
    PrivateHost,
    /// A promiscuous port of one private VLAN, untagged.
    PrivatePromiscuous,
    /// A promiscuous port of several private VLANs and in ordinary VLANs, tagged.
    PrivateTrunk,
    /// VNTags: an interface virtualizer is at the other end. Ethernet interfaces only.
    Vntag,
}

impl PortMode {
    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Trunk => "trunk",
            Self::PrivateHost => "private-vlan host",
            Self::PrivatePromiscuous => "private-vlan promiscuous",
            Self::PrivateTrunk => "private-vlan trunk promiscuous",
            Self::Vntag => "vntag",
        }
    }
}

/// The VLANs a trunk carries, as the lines of one profile or interface say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowed {
    /// These, whatever is inherited.
    Exactly(Box<VlanSet>),
    /// What is inherited, with and without these. The two sets have no VLAN in common.
    Changed {
        /// `add LIST`
        add: Box<VlanSet>,
        /// `remove LIST`
        remove: Box<VlanSet>,
    },
}

impl Allowed {
    /// The VLANs, given what is inherited.
    pub fn over(&self, inherited: &VlanSet) -> VlanSet {
        match self {
            Self::Exactly(vlans) => (**vlans).clone(),
            Self::Changed { add, remove } => inherited.union(add).difference(remove),
        }
    }
}

/// Which way frames go, as the port sees it: in is towards the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the guest or neighbour.
    In,
    /// To the guest or neighbour.
    Out,
}

impl Direction {
    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// A number outside its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value} is not a {what}: {range}")]
pub struct OutOfRange {
    value: u32,
    what: &'static str,
    range: &'static str,
}

macro_rules! number {
    ($(#[$doc:meta])* $type:ident($int:ty), $valid:pat, $what:literal, $range:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $type($int);

        impl $type {
            /// The number itself.
            pub const fn get(self) -> $int {
                self.0
            }
        }

        impl TryFrom<u32> for $type {
            type Error = OutOfRange;

            fn try_from(value: u32) -> Result<Self, OutOfRange> {
                match value {
                    $valid => Ok(Self(value as $int)),
                    _ => Err(OutOfRange { value, what: $what, range: $range }),
                }
            }
        }

        impl From<$type> for u32 {
            fn from(number: $type) -> u32 {
                u32::from(number.0)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Numbers an ethernet interface.
    EthernetId(u16),
    1..=64,
    "number of an ethernet interface",
    "those are 1 to 64"
);
number!(
    /// Numbers a vEth: a label of this switch, no more (design.md section 2).
    VethId(u16),
    1..=4096,
    "number of a vEth",
    "those are 1 to 4096"
);
number!(
    /// The most octets behind the 14 of the Ethernet header, a guest's VLAN tag not counted.
    Mtu(u16),
    68..=9216,
    "MTU",
    "those are 68 to 9216"
);
number!(
    /// Seconds that an address not heard from is kept; 0: for ever.
    AgingTime(u32),
    0 | 10..=1_000_000,
    "aging time",
    "those are 0 (never) and 10 to 1000000 seconds"
);

number!(
    /// Seconds that the vEths of an interface virtualizer are kept while it is away.
    Grace(u32),
    1..=86_400,
    "grace time",
    "those are 1 to 86400 seconds"
);
number!(
    /// Milliseconds after which a silent interface virtualizer is taken for gone.
    Hold(u32),
    100..=60_000,
    "hold time",
    "those are 100 to 60000 milliseconds"
);

number!(
    /// A subtype of ECP. 1 and 2 are other protocols' (VDP, PE-CSP).
    Subtype(u16),
    3..=1023,
    "subtype of ECP",
    "those are 3 to 1023"
);
number!(
    /// ECP waits `10 us * 2^rte` for an acknowledgement.
    Rte(u8),
    0..=20,
    "RTE",
    "those are 0 to 20"
);
number!(
    /// How often ECP repeats what is not acknowledged.
    Retries(u8),
    0..=255,
    "number of repetitions",
    "those are 0 to 255"
);
number!(
    /// Seconds within which a commit is to be confirmed.
    Confirm(u32),
    1..=86_400,
    "time to confirm a commit",
    "those are 1 to 86400 seconds"
);
number!(
    /// Changes of the configuration to take back.
    Steps(u16),
    1..=50,
    "number of changes to take back",
    "those are 1 to 50"
);
number!(
    /// Lines of a page; 0: no pages.
    PageLength(u16),
    0..=511,
    "number of lines of a page",
    "those are 0 (no pages) to 511"
);

impl Grace {
    /// When nothing is said (design.md section 5.9).
    pub const DEFAULT: Self = Self(30);
}

impl AgingTime {
    /// When nothing is said (IEEE 802.1Q table 8-6).
    pub const DEFAULT: Self = Self(300);
}

/// An interface of the switch. Prints as `Ethernet1` or `Vethernet3`; with `{:#}` as `Eth1` or `Veth3`,
/// for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceId {
    /// A device of the machine.
    Ethernet(EthernetId),
    /// The port of one vNIC.
    Veth(VethId),
}

impl fmt::Display for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, f.alternate()) {
            (Self::Ethernet(id), false) => write!(f, "Ethernet{}", id.0),
            (Self::Ethernet(id), true) => write!(f, "Eth{}", id.0),
            (Self::Veth(id), false) => write!(f, "Vethernet{}", id.0),
            (Self::Veth(id), true) => write!(f, "Veth{}", id.0),
        }
    }
}
