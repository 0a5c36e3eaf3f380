//! `show port-security`, `show interface status err-disabled`, `show errdisable recovery` and `show bridge-guard`.

use crate::config::InterfaceId;
use niv::{Mac, VlanId};
use serde::{Deserialize, Serialize};

/// What of guards is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardRequest {
    /// `show bridge-guard`
    Bridges,
    /// `show errdisable recovery`
    Recovery,
    /// `show interface status err-disabled`
    Shut,
    /// `show port-security`
    Security,
    /// `show port-security address`
    Addresses,
    /// `show port-security interface ...`
    SecurityOf(InterfaceId),
}

/// What is answered. As JSON an answer is the value inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ShowGuard {
    /// To [`GuardRequest::Bridges`].
    Bridges(ShowBridges),
    /// To [`GuardRequest::Recovery`].
    Recovery(ShowRecovery),
    /// To [`GuardRequest::Shut`].
    Shut(ShowShut),
    /// To [`GuardRequest::Security`].
    Security(ShowSecurity),
    /// To [`GuardRequest::Addresses`].
    Addresses(ShowSecureAddresses),
    /// To [`GuardRequest::SecurityOf`].
    SecurityOf(ShowSecurityOf),
}

/// `show bridge-guard`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowBridges {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// The last one first.
    pub found: Vec<Bridged>,
}

/// Two interfaces that something is behind of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridged {
    /// Both.
    pub interfaces: [InterfaceId; 2],
    /// What says so: `address`, `echo`, `bridge_id`, `conflict` or `vlans`.
    pub evidence: String,
    /// The same as a sentence.
    pub says: String,
    /// Milliseconds ago.
    pub ago_ms: u64,
}

/// `show errdisable recovery`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowRecovery {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// Each cause.
    pub causes: Vec<Recovers>,
    /// After how many seconds.
    pub interval: u32,
}

/// One cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovers {
    /// As it is typed.
    pub cause: String,
    /// Ports that were shut for it come back.
    pub enabled: bool,
}

/// `show interface status err-disabled`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowShut {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// Ethernets first, by number.
    pub interfaces: Vec<ShutInterface>,
}

/// One interface that a guard has shut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutInterface {
    /// Which.
    pub interface: InterfaceId,
    /// Its description.
    pub name: Option<String>,
    /// `storm_control`, `bpdu_guard`, `port_security` or `bridged_ports`.
    pub cause: String,
    /// Seconds it has been shut.
    pub seconds: u64,
    /// Seconds until it comes back; `None`: not by itself.
    pub left: Option<u64>,
}

/// `show port-security`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowSecurity {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// Those that are secured, ethernets first, by number.
    pub interfaces: Vec<SecuredInterface>,
    /// Secure addresses in all.
    pub addresses: usize,
    /// Those there is room for.
    pub room: u32,
}

/// `show port-security interface ...`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowSecurityOf {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// The interface; `None`: it is not secured.
    pub interface: Option<SecuredInterface>,
}

/// One interface that is secured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecuredInterface {
    /// Which.
    pub interface: InterfaceId,
    /// `up`; `shutdown`: a guard has shut it; `no_room`: there is no room for its addresses, and nothing passes.
    pub status: String,
    /// `protect`, `restrict` or `shutdown`.
    pub violation: String,
    /// Minutes after which learned addresses are forgotten; 0: never.
    pub aging_minutes: u32,
    /// `absolute` or `inactivity`.
    pub aging_type: String,
    /// Addresses it may have.
    pub maximum: u32,
    /// Addresses it has.
    pub current: usize,
    /// Of these: configured.
    pub configured: usize,
    /// Of these: sticky.
    pub sticky: usize,
    /// Frames that violated since it was secured.
    pub violations: u64,
}

/// `show port-security address`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowSecureAddresses {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// By interface, then VLAN and address.
    pub addresses: Vec<SecureEntry>,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecureEntry {
    /// In which VLAN.
    pub vlan: VlanId,
    /// The address.
    pub mac: Mac,
    /// `static`, `dynamic` or `sticky`.
    pub kind: String,
    /// Where it may be.
    pub interface: InterfaceId,
    /// Seconds until it is forgotten; `None`: it is not.
    pub left: Option<u64>,
}
