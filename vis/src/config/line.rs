//! What one line means, once it has been matched.

use super::guard::{ErrdisableLine, GuardLine};
use super::model::{
    AgingTime, Binding, Direction, EthernetId, Grace, Grantee, Hold, InterfaceId, Mtu, PortMode,
    Privilege, Retries, Rte, Subtype, VethId, VicAuthentication,
};
use super::model::{Confirm, PageLength, Steps};
use super::name::{Description, DeviceName, Hostname, Oui, Pattern, ProfileName, VlanName};
use super::private_vlan::PrivateVlanLine;
use super::rate::RateLine;
use super::vlan_lines::VlanLine;
use crate::control::show::ShowRequest;
use niv::{Mac, VlanId, VlanSet};
use policy::acl::{Entry, Family, ListName, Sequence};
use std::collections::BTreeSet;
use std::num::NonZeroU32;

/// A whole line. Where the value is optional, `None` is the line with `no` in front: it takes the line
/// away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// `hostname NAME`
    Hostname(Option<Hostname>),
    /// `mac address-table aging-time N`
    AgingTime(Option<AgingTime>),
    /// `errdisable ...`
    Errdisable(ErrdisableLine),
    /// `vlan LIST`: makes them, and what follows is about them.
    Vlan(Box<VlanSet>),
    /// `no vlan LIST`
    NoVlan(Box<VlanSet>),
    /// `name X`, about VLANs.
    VlanName(Option<VlanName>),
    /// Another line about VLANs.
    OfVlan(VlanLine),
    /// `vlan dot1q tag native`
    TagNative(bool),
    /// `port-profile NAME`: makes it, and what follows is about it.
    Profile(ProfileName),
    /// `no port-profile NAME`
    NoProfile(ProfileName),
    /// `interface ethernet N`: makes it, and what follows is about it.
    Ethernet(EthernetId),
    /// `no interface ethernet N`
    NoEthernet(EthernetId),
    /// `interface veth N`: makes it, and what follows is about it.
    Veth(VethId),
    /// `no interface veth N`
    NoVeth(VethId),
    /// `device NAME`
    Device(Option<DeviceName>),
    /// `bind interface ethernet N channel V`
    Bind(Option<Binding>),
    /// `vic authentication none|key-file PATH`, of a port or of all.
    VicAuthentication(Option<VicAuthentication>),
    /// `vic grace SECONDS`
    VicGrace(Option<Grace>),
    /// `vic hold MILLISECONDS`
    VicHold(Option<Hold>),
    /// `vic subtype N`
    VicSubtype(Option<Subtype>),
    /// `vic unacknowledged-subtype N`
    VicUnacknowledgedSubtype(Option<Subtype>),
    /// `vic oui X`
    VicOui(Option<Oui>),
    /// `vic rte N`
    VicRte(Option<Rte>),
    /// `vic retries N`
    VicRetries(Option<Retries>),
    /// `vic allowed port-profile NAME...`: these too.
    VicAllowed(Option<BTreeSet<ProfileName>>),
    /// `no vic allowed port-profile NAME...`: these no more.
    VicNotAllowed(BTreeSet<ProfileName>),
    /// Access lists, and lines of them.
    List(ListLine),
    /// What profiles and interfaces have in common.
    Port(PortLine),
    /// `exit`: back to what is about the switch as a whole.
    Exit,
    /// `end`: nothing more to configure.
    End,
    /// `role network|operator user|group NAME`; false: with `no` in front.
    Role(Privilege, Grantee, bool),
    /// `no` with what it takes away: the line that says it, and the line that takes away whatever is said of that.
    Unsay(Box<(Line, Line)>),
    /// `show ...`
    Show(ShowRequest),
    /// Typed, and never in a file.
    Typed(Typed),
    /// What follows `|`.
    Pipe(Pipe),
}

impl Line {
    /// It only shows something, so that a pipe may follow.
    pub const fn shows(&self) -> bool {
        matches!(self, Self::Show(_) | Self::Typed(Typed::Diff | Typed::Plan))
    }
}

/// A line for the shell and the daemon behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// `attach interface vethernet N port-profile NAME`
    Attach(VethId, ProfileName),
    /// `configure [terminal|candidate]`
    Configure(Way),
    /// `commit [confirmed SECONDS]`
    Commit(Option<Confirm>),
    /// `abort`
    Abort,
    /// `show diff`
    Diff,
    /// `plan`
    Plan,
    /// `rollback N`
    Rollback(Steps),
    /// `copy running-config startup-config`, `write memory`
    Save,
    /// `clear access-list counters [NAME]`
    ClearHits(Option<ListName>),
    /// `clear port-security [dynamic|sticky] [interface NAME] [address H.H.H]`
    ClearSecurity(ClearSecurity),
    /// `terminal length N`
    Length(PageLength),
}

/// Secure addresses to be forgotten: all that were learned, as far as nothing narrower is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClearSecurity {
    /// `sticky`, and else `dynamic`.
    pub sticky: Option<bool>,
    /// `interface NAME`
    pub interface: Option<InterfaceId>,
    /// `address H.H.H`
    pub mac: Option<Mac>,
}

/// When a line that is typed gets in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// At once.
    AsTyped,
    /// With the others, by `commit`.
    Candidate,
}

/// What is to become of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pipe {
    /// Lines that match.
    Include(Pattern),
    /// Lines that do not.
    Exclude(Pattern),
    /// From the first line that matches.
    Begin(Pattern),
    /// The number of lines.
    Count,
    /// JSON.
    Json,
}

/// A line about an access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListLine {
    /// `ip|ipv6|mac access-list NAME`: makes it, and what follows is about it.
    Enter(Family, ListName),
    /// `no ip|ipv6|mac access-list NAME`
    Remove(Family, ListName),
    /// `resequence ip|ipv6|mac access-list NAME FIRST STEP`
    Resequence(Family, ListName, Sequence, NonZeroU32),
    /// `[N] permit|deny|remark ...`
    Add(policy::acl::Line),
    /// `no N`
    Drop(Sequence),
    /// `no permit|deny|remark ...`
    DropEntry(Entry),
}

/// A line about access lists of a profile or an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterLine {
    /// `ip|ipv6|mac access-group NAME in|out`
    Group(Family, Direction, Option<ListName>),
}

/// A line about a profile or an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortLine {
    /// `description TEXT`
    Description(Option<Description>),
    /// `inherit port-profile NAME`
    Inherit(Option<ProfileName>),
    /// `switchport mode MODE`
    Mode(Option<PortMode>),
    /// `switchport access vlan N`
    AccessVlan(Option<VlanId>),
    /// `switchport trunk native vlan N`
    NativeVlan(Option<VlanId>),
    /// `switchport trunk allowed vlan ...`
    AllowedVlans(Option<Allow>),
    /// `switchport private-vlan ...`
    PrivateVlan(PrivateVlanLine),
    /// `mtu N`
    Mtu(Option<Mtu>),
    /// Access lists.
    Filter(FilterLine),
    /// `police ...`, `qos ...`
    Rate(RateLine),
    /// Those of guards.
    Guard(GuardLine),
    /// `shutdown`: true; `no shutdown`: false.
    Shutdown(bool),
}

/// What follows `switchport trunk allowed vlan`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// `LIST`, `all`, `none`, `except LIST`: exactly these.
    Exactly(Box<VlanSet>),
    /// `add LIST`: these too.
    Add(Box<VlanSet>),
    /// `remove LIST`: not these.
    Remove(Box<VlanSet>),
}
