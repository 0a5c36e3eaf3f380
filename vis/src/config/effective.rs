//! What an interface has to do, once inheritance is resolved: plain values.
//!
//! Nearest wins: the interface's own line, then its profile's, then that one's parent's. What nobody says
//! is what network people expect of a switch port: access, VLAN 1; a trunk's native VLAN is 1 and it
//! carries every VLAN that is defined.
//!
//! Fail closed (design.md section 4.9): as long as anything said is not in force, nothing is forwarded.

use super::filters::{FilterLines, NoList, line};
use super::guard::{self, AddressFault, Guards};
use super::model::{Config, EthernetId, InterfaceId, Mtu, PortLines, PortMode, VethId};
use super::name::ProfileName;
use super::origin::{About, OriginatedLine, about_frames};
use super::private_domains::PrivateFault;
use super::private_vlan::PrivateMembership;
use super::rate::RateLines;
use niv::{VlanId, VlanSet};
use policy::acl::{Family, ListName};
use serde::Serialize;

/// Port profiles above each other, at most (design.md section 7).
pub const MAX_LEVELS: usize = 8;

/// What an interface has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// Whether it carries frames.
    pub state: State,
    /// Which frames, and with which tags.
    pub membership: Membership,
    /// The most octets behind the Ethernet header; `None`: whatever the device takes.
    pub mtu: Option<Mtu>,
    /// The access lists it is asked by, whether they exist or not.
    pub filters: FilterLines,
    /// Rates and priority.
    pub rates: RateLines,
    /// What guards ask.
    #[serde(skip)]
    pub guards: Guards,
}

/// Whether a port carries frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It does.
    Forwarding,
    /// `shutdown`
    Shut,
    /// Part of what is said is not in force.
    ProfileIncomplete {
        /// Each part, as a sentence.
        why: Vec<String>,
    },
}

/// Which VLANs a port is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// VNTags: the vEths behind it are the ports.
    Vntag,
    /// One, untagged.
    Access {
        /// The VLAN.
        vlan: VlanId,
    },
    /// Many, tagged.
    Trunk {
        /// The VLAN of untagged frames.
        native: VlanId,
        /// The VLANs allowed, whether they are defined or not ([`Config::defined_vlans`]).
        allowed: Box<VlanSet>,
    },
    /// A part in private VLANs.
    Private(PrivateMembership),
}

/// Something said that is not in force, and by which line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Missing {
    Profile(ProfileName),
    Levels,
    AccessVlan(VlanId),
    Private(PrivateFault),
    NativeVlan(VlanId),
    /// The line, and the list it names.
    AccessList(String, Family, ListName, NoList),
    Addresses(AddressFault),
    /// The line, which is about frames, and those of a port that carries VNTags are the vEths'.
    NotOnLink(About, String),
    VntagOnVeth,
    Link(EthernetId),
    LinkMode(EthernetId),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Profile(name) => write!(f, "port-profile {name} does not exist"),
            Self::Levels => write!(
                f,
                "more than {MAX_LEVELS} port profiles inherit from each other"
            ),
            Self::AccessVlan(vlan) | Self::NativeVlan(vlan) => {
                write!(f, "VLAN {vlan} does not exist")
            }
            Self::AccessList(_, _, name, NoList::Absent) => {
                write!(f, "access-list {name} does not exist")
            }
            Self::AccessList(line, _, name, NoList::Other(family)) => {
                let family = family.as_str();
                write!(
                    f,
                    "`{line}` names `{family} access-list {name}`, which is of another family"
                )
            }
            Self::NotOnLink(_, line) => {
                write!(
                    f,
                    "`{line}` is for the ports of vNICs, not for a port that carries VNTags"
                )
            }
            Self::Addresses(why) => why.fmt(f),
            Self::Private(fault) => fault.fmt(f),
            Self::VntagOnVeth => f.write_str("`switchport mode vntag` is for ethernet interfaces"),
            Self::Link(id) => write!(f, "{} does not exist", InterfaceId::Ethernet(*id)),
            Self::LinkMode(id) => {
                let link = InterfaceId::Ethernet(*id);
                write!(f, "{link} is not in `switchport mode vntag`")
            }
        }
    }
}

impl Config {
    /// What vEth `id` has to do; `None` when there is no such vEth.
    pub fn effective_veth(&self, id: VethId) -> Option<Effective> {
        Some(self.resolve_veth(id)?.effective())
    }

    /// What ethernet interface `id` has to do; `None` when there is no such interface.
    pub fn effective_ethernet(&self, id: EthernetId) -> Option<Effective> {
        Some(self.resolve(&self.ethernets.get(&id)?.lines).effective())
    }

    /// What is said on an interface and is not in force.
    pub(super) fn missing(&self, interface: InterfaceId) -> Vec<Missing> {
        let resolved = match interface {
            InterfaceId::Ethernet(id) => {
                self.ethernets.get(&id).map(|one| self.resolve(&one.lines))
            }
            InterfaceId::Veth(id) => self.resolve_veth(id),
        };
        resolved
            .map(|resolved| resolved.missing)
            .unwrap_or_default()
    }

    fn resolve_veth(&self, id: VethId) -> Option<Resolved> {
        let veth = self.veths.get(&id)?;
        let mut resolved = self.resolve(&veth.lines);
        if resolved.mode == PortMode::Vntag {
            resolved.missing.push(Missing::VntagOnVeth);
        }
        if let Some(bind) = veth.bind {
            match self.effective_ethernet(bind.ethernet) {
                None => resolved.missing.push(Missing::Link(bind.ethernet)),
                Some(link) if link.membership != Membership::Vntag => {
                    resolved.missing.push(Missing::LinkMode(bind.ethernet));
                }
                Some(_) => {}
            }
        }
        Some(resolved)
    }

    /// Which VLANs a port is in that inherits this profile and says nothing itself; `None` when there is no such
    /// profile.
    pub fn effective_profile(&self, name: &ProfileName) -> Option<Membership> {
        Some(self.resolve(self.profiles.get(name)?).membership)
    }

    /// What an interface has to do that says these lines.
    pub fn effective_of(&self, lines: &PortLines) -> Effective {
        self.resolve(lines).effective()
    }

    /// Which VLANs a port is in that says these lines.
    pub fn membership(&self, lines: &PortLines) -> Membership {
        self.resolve(lines).membership
    }

    fn resolve(&self, own: &PortLines) -> Resolved {
        let mut missing = Vec::new();
        let mut levels = vec![own];
        let mut parent = own.inherit.as_ref();
        while let Some(name) = parent {
            match self.profiles.get(name) {
                Some(_) if levels.len() > MAX_LEVELS => {
                    missing.push(Missing::Levels);
                    break;
                }
                Some(profile) => {
                    levels.push(profile);
                    parent = profile.inherit.as_ref();
                }
                None => {
                    missing.push(Missing::Profile(name.clone()));
                    break;
                }
            }
        }

        let mode = nearest(&levels, |lines| lines.mode).unwrap_or(PortMode::Access);
        let membership = match mode {
            PortMode::Vntag => Membership::Vntag,
            PortMode::Access => {
                let vlan = nearest(&levels, |lines| lines.access_vlan).unwrap_or(VlanId::DEFAULT);
                if !self.is_defined(vlan) {
                    missing.push(Missing::AccessVlan(vlan));
                }
                missing.extend(self.no_access(vlan).map(Missing::Private));
                Membership::Access { vlan }
            }
            PortMode::PrivateHost | PortMode::PrivatePromiscuous | PortMode::PrivateTrunk => {
                let (membership, faults) = self.private_membership(mode, &levels);
                missing.extend(faults.into_iter().map(Missing::Private));
                Membership::Private(membership)
            }
            PortMode::Trunk => {
                let native = nearest(&levels, |lines| lines.native_vlan).unwrap_or(VlanId::DEFAULT);
                if !self.is_defined(native) {
                    missing.push(Missing::NativeVlan(native));
                }
                let allowed = levels
                    .iter()
                    .rev()
                    .filter_map(|lines| lines.allowed_vlans.as_ref())
                    .fold(VlanSet::ALL, |inherited, allowed| allowed.over(&inherited));
                Membership::Trunk {
                    native,
                    allowed: Box::new(allowed),
                }
            }
        };
        if mode == PortMode::Vntag {
            let not_here = |said: OriginatedLine| Missing::NotOnLink(said.about, said.line);
            missing.extend(about_frames(&levels).into_iter().map(not_here));
            return Resolved {
                mode,
                membership,
                missing,
                guards: Guards::default(),
                mtu: nearest(&levels, |lines| lines.mtu),
                filters: FilterLines::default(),
                rates: RateLines::default(),
                shut: is_shut(&levels),
            };
        }
        let filters = FilterLines::nearest(&levels);
        for (family, direction, name) in filters.named() {
            if let Some(wrong) = self.no_list(family, name) {
                let said = line(family, direction, name);
                missing.push(Missing::AccessList(said, family, name.clone(), wrong));
            }
        }
        let untagged = match &membership {
            Membership::Access { vlan } => *vlan,
            Membership::Trunk { native, .. } => *native,
            Membership::Private(membership) => membership.untagged().unwrap_or(VlanId::DEFAULT),
            Membership::Vntag => VlanId::DEFAULT,
        };
        let may_use = |vlan| match &membership {
            Membership::Access { vlan: own } => *own == vlan,
            Membership::Trunk { native, allowed } => *native == vlan || allowed.contains(vlan),
            // Any VLAN of a domain will do, and the domains are not known here.
            Membership::Private(_) | Membership::Vntag => true,
        };
        let (guards, wrong) = guard::resolve(&levels, untagged, may_use);
        missing.extend(wrong.map(Missing::Addresses));
        Resolved {
            mode,
            membership,
            missing,
            guards,
            mtu: nearest(&levels, |lines| lines.mtu),
            filters,
            rates: RateLines::nearest(&levels),
            shut: is_shut(&levels),
        }
    }

    pub(super) fn is_defined(&self, vlan: VlanId) -> bool {
        vlan == VlanId::DEFAULT || self.vlans.contains_key(&vlan)
    }
}

fn is_shut(levels: &[&PortLines]) -> bool {
    nearest(levels, |lines| lines.shutdown).unwrap_or(false)
}

struct Resolved {
    mode: PortMode,
    membership: Membership,
    missing: Vec<Missing>,
    guards: Guards,
    mtu: Option<Mtu>,
    filters: FilterLines,
    rates: RateLines,
    shut: bool,
}

impl Resolved {
    fn effective(self) -> Effective {
        Effective {
            state: state(self.shut, &self.missing),
            membership: self.membership,
            mtu: self.mtu,
            filters: self.filters,
            rates: self.rates,
            guards: self.guards,
        }
    }
}

pub(super) fn nearest<'a, T>(
    levels: &[&'a PortLines],
    line: impl Fn(&'a PortLines) -> Option<T>,
) -> Option<T> {
    levels.iter().find_map(|lines| line(lines))
}

fn state(shut: bool, missing: &[Missing]) -> State {
    if shut {
        State::Shut
    } else if missing.is_empty() {
        State::Forwarding
    } else {
        State::ProfileIncomplete {
            why: missing.iter().map(Missing::to_string).collect(),
        }
    }
}
