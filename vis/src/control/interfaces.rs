//! `show interface status|brief|counters`: all interfaces, a line each.

use super::counts::{Counts, Total};
use super::show::{Interface, SCHEMA, ShowInterface};
use crate::config::{InterfaceId, Membership, PrivateMembership};
use serde::{Deserialize, Serialize};

/// What [`Interface::why_down`] begins with where a guard has shut it.
pub const ERR_DISABLED: &str = "err_disabled";

/// Which table of `show interface` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceTable {
    /// `show interface brief`
    Brief,
    /// `show interface counters`
    Counters,
    /// `show interface status`
    Status,
}

/// `show interface status`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowInterfaceStatus {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Ethernets first, by number.
    pub interfaces: Vec<InterfaceStatus>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Which.
    pub interface: InterfaceId,
    /// Its description.
    pub name: Option<String>,
    /// Whether it carries frames.
    pub status: LinkStatus,
    /// Its VLAN, `trunk`, or `--` where VNTags say whose a frame is.
    pub vlan: String,
    /// How its frames are moved; `virtual` of a vEth.
    pub kind: Option<String>,
}

/// Whether an interface carries frames, in the words of such switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkStatus {
    /// It does.
    Connected,
    /// It does not.
    Notconnec,
    /// It is shut.
    Disabled,
    /// A guard has shut it.
    ErrDisabled,
}

impl LinkStatus {
    /// As JSON names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Notconnec => "notconnec",
            Self::Disabled => "disabled",
            Self::ErrDisabled => "errDisabl",
        }
    }
}

/// `show interface brief`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowInterfaceBrief {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Ethernets first, by number.
    pub interfaces: Vec<InterfaceBrief>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceBrief {
    /// Which.
    pub interface: InterfaceId,
    /// Its VLAN (a trunk's native one), or `--` where VNTags say whose a frame is.
    pub vlan: String,
    /// `eth` or `virt`.
    pub kind: String,
    /// `access`, `trunk`, `pvlan` or `vntag`.
    pub mode: String,
    /// It carries frames.
    pub up: bool,
    /// Why not, in two or three words; `none` when it does.
    pub reason: String,
}

/// `show interface counters`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowInterfaceCounters {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Ethernets first, by number.
    pub interfaces: Vec<InterfaceCounters>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceCounters {
    /// Which.
    pub interface: InterfaceId,
    /// All that came in.
    pub input: Total,
    /// All that left, by itself or in a list's copy.
    pub output: Total,
    /// Of the frames that came in.
    pub input_drops: u64,
    /// Of the copies for it.
    pub output_drops: u64,
}

impl ShowInterface {
    /// The same, a line each.
    pub fn status(&self) -> ShowInterfaceStatus {
        let one = |one: &Interface| InterfaceStatus {
            interface: one.interface,
            name: one.description.clone(),
            status: match (one.admin_up, one.oper_up) {
                (false, _) => LinkStatus::Disabled,
                (true, false) if is_shut_by_guard(one) => LinkStatus::ErrDisabled,
                (true, true) => LinkStatus::Connected,
                (true, false) => LinkStatus::Notconnec,
            },
            vlan: match &one.membership {
                Membership::Vntag => "--".to_owned(),
                Membership::Access { vlan } => vlan.to_string(),
                Membership::Trunk { .. } => "trunk".to_owned(),
                Membership::Private(membership) => private_vlan(membership),
            },
            kind: match one.interface {
                InterfaceId::Ethernet(_) => one.io_mode.clone(),
                InterfaceId::Veth(_) => Some("virtual".to_owned()),
            },
        };
        ShowInterfaceStatus {
            schema: SCHEMA,
            interfaces: self.interfaces.iter().map(one).collect(),
        }
    }

    /// The same, a line each.
    pub fn brief(&self) -> ShowInterfaceBrief {
        let one = |one: &Interface| {
            let (vlan, mode) = match &one.membership {
                Membership::Vntag => ("--".to_owned(), "vntag"),
                Membership::Access { vlan } => (vlan.to_string(), "access"),
                Membership::Trunk { native, .. } => (native.to_string(), "trunk"),
                Membership::Private(membership) => (private_vlan(membership), "pvlan"),
            };
            let kind = match one.interface {
                InterfaceId::Ethernet(_) => "eth",
                InterfaceId::Veth(_) => "virt",
            };
            InterfaceBrief {
                interface: one.interface,
                vlan,
                kind: kind.to_owned(),
                mode: mode.to_owned(),
                up: one.oper_up,
                reason: reason(one).to_owned(),
            }
        };
        ShowInterfaceBrief {
            schema: SCHEMA,
            interfaces: self.interfaces.iter().map(one).collect(),
        }
    }

    /// The same, a line each.
    pub fn counters(&self) -> ShowInterfaceCounters {
        let one = |one: &Interface| {
            let counts: &Counts = &one.counts;
            InterfaceCounters {
                interface: one.interface,
                input: counts.received,
                output: Total {
                    frames: counts.sent.frames + counts.listed.frames,
                    octets: counts.sent.octets + counts.listed.octets,
                },
                input_drops: counts.dropped.values().sum(),
                output_drops: counts.egress_dropped.values().sum(),
            }
        };
        ShowInterfaceCounters {
            schema: SCHEMA,
            interfaces: self.interfaces.iter().map(one).collect(),
        }
    }
}

fn is_shut_by_guard(interface: &Interface) -> bool {
    let mut why = interface.why_down.iter();
    why.any(|why| why.starts_with(ERR_DISABLED))
}

/// The VLAN it sends in untagged.
fn private_vlan(membership: &PrivateMembership) -> String {
    let vlan = match membership {
        PrivateMembership::Host(host) => host.map(|host| host.secondary),
        PrivateMembership::Promiscuous(mapping) => mapping.as_ref().map(|mapping| mapping.primary),
        PrivateMembership::Trunk { .. } => return "trunk".to_owned(),
    };
    vlan.map_or_else(|| "--".to_owned(), |vlan| vlan.to_string())
}

/// Letters and blanks only, as templates expect.
fn reason(interface: &Interface) -> &'static str {
    let first = interface.why_down.first().map(String::as_str);
    match first {
        _ if interface.oper_up => "none",
        _ if !interface.admin_up => "Administratively down",
        Some("profile_incomplete") => "Profile incomplete",
        Some(_) if is_shut_by_guard(interface) => "ErrDisabled",
        Some("no_device") => "No device",
        Some("no_link") => "Link not connected",
        Some("no_channel") => "Not bound",
        _ if interface.vnic.is_some() => "vNIC not ready",
        _ => "Device refused",
    }
}
