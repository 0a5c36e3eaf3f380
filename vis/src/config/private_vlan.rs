//! `switchport private-vlan ...`: what a profile or interface says of its part in private VLANs.

use super::line::{Allow, Line, PortLine};
use super::model::PortMode;
use super::render::lists;
use super::tree::{Build, Node, Values, value, word};
use super::value::Kind;
use super::vlan_lines::{allowed, first};
use niv::{VlanId, VlanSet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// The lines of one profile or interface. Each is of use in its own mode only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateVlanLines {
    /// `switchport private-vlan host-association PRIMARY SECONDARY`
    pub host: Option<HostAssociation>,
    /// `switchport private-vlan mapping PRIMARY LIST`
    pub mapping: Option<Mapping>,
    /// `switchport private-vlan mapping trunk PRIMARY LIST`, by primary VLAN.
    pub trunk_mappings: BTreeMap<VlanId, Box<VlanSet>>,
    /// `switchport private-vlan trunk allowed vlan LIST`: ordinary VLANs; `none` is no VLAN.
    pub trunk_allowed: Option<Box<VlanSet>>,
    /// `switchport private-vlan trunk native vlan N`
    pub trunk_native: Option<VlanId>,
}

/// Of which private VLAN a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostAssociation {
    /// The primary VLAN.
    pub primary: VlanId,
    /// The isolated or community VLAN that it sends in.
    pub secondary: VlanId,
}

/// Which hosts reach a promiscuous port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The primary VLAN, in which it sends.
    pub primary: VlanId,
    /// Those of these VLANs.
    pub secondaries: Box<VlanSet>,
}

/// What a port is in private VLANs, once inheritance is resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivateMembership {
    /// A host; `None`: nothing says where.
    Host(Option<HostAssociation>),
    /// A promiscuous port; `None`: nothing says where.
    Promiscuous(Option<Mapping>),
    /// A promiscuous port of several private VLANs, tagged with the primary ones.
    Trunk {
        /// Ordinary VLANs, tagged too.
        allowed: Box<VlanSet>,
        /// That of untagged frames; `None`: they are dropped.
        native: Option<VlanId>,
        /// One for each private VLAN.
        mappings: Vec<Mapping>,
    },
}

impl PrivateMembership {
    /// Under which VLAN the addresses of untagged frames are known.
    pub fn untagged(&self) -> Option<VlanId> {
        match self {
            Self::Host(host) => host.map(|host| host.primary),
            Self::Promiscuous(mapping) => mapping.as_ref().map(|mapping| mapping.primary),
            Self::Trunk { native, .. } => *native,
        }
    }

    /// The VLANs under which addresses behind the port are known: a private VLAN has one for all of it.
    pub fn filtering_ids(&self) -> VlanSet {
        match self {
            Self::Host(host) => host.iter().map(|host| host.primary).collect(),
            Self::Promiscuous(mapping) => mapping.iter().map(|mapping| mapping.primary).collect(),
            Self::Trunk {
                allowed,
                native,
                mappings,
            } => {
                let mapped = mappings.iter().map(|mapping| mapping.primary);
                let native = native.iter().copied();
                allowed.iter().chain(native).chain(mapped).collect()
            }
        }
    }
}

/// A line that begins with `switchport private-vlan`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateVlanLine {
    /// `host-association PRIMARY SECONDARY`
    Host(Option<HostAssociation>),
    /// `mapping PRIMARY [add|remove] LIST`
    Mapping(Option<(VlanId, Allow)>),
    /// `mapping trunk PRIMARY [add|remove] LIST`
    TrunkMapping(VlanId, Option<Allow>),
    /// `no ... mapping trunk`: of no private VLAN.
    NoTrunkMapping,
    /// `trunk allowed vlan [add|remove] LIST|none`
    TrunkAllowed(Option<Allow>),
    /// `trunk native vlan N`
    TrunkNative(Option<VlanId>),
}

impl PrivateVlanLine {
    /// How a line begins that names private VLANs.
    pub(super) const fn words(&self) -> Option<&'static str> {
        match self {
            Self::Host(Some(_)) => Some(HOST),
            Self::Mapping(Some(_)) | Self::TrunkMapping(_, Some(_)) => Some(MAPPING),
            Self::TrunkAllowed(Some(_)) => Some(TRUNK_ALLOWED),
            Self::TrunkNative(Some(_)) => Some(TRUNK_NATIVE),
            _ => None,
        }
    }
}

/// How the line of a host begins.
pub(super) const HOST: &str = "switchport private-vlan host-association";
pub(super) const TRUNK_ALLOWED: &str = "switchport private-vlan trunk allowed vlan";
pub(super) const TRUNK_NATIVE: &str = "switchport private-vlan trunk native vlan";
/// How the lines of promiscuous ports begin.
pub(super) const MAPPING: &str = "switchport private-vlan mapping";

impl PrivateVlanLines {
    pub(super) fn apply(&mut self, line: PrivateVlanLine) {
        match line {
            PrivateVlanLine::Host(association) => self.host = association,
            PrivateVlanLine::Mapping(None) => self.mapping = None,
            PrivateVlanLine::Mapping(Some((primary, allow))) => {
                // Of another private VLAN there is nothing to add to.
                let before = self.mapping.take().filter(|old| old.primary == primary);
                let secondaries = allowed(before.map(|old| old.secondaries), allow);
                self.mapping = secondaries.map(|secondaries| Mapping {
                    primary,
                    secondaries,
                });
            }
            PrivateVlanLine::TrunkMapping(primary, allow) => {
                let before = self.trunk_mappings.remove(&primary);
                if let Some(after) = allow.and_then(|allow| allowed(before, allow)) {
                    self.trunk_mappings.insert(primary, after);
                }
            }
            PrivateVlanLine::NoTrunkMapping => self.trunk_mappings.clear(),
            PrivateVlanLine::TrunkAllowed(allow) => {
                // `none` is a line too: it keeps what a profile allows away.
                let before = self.trunk_allowed.take();
                self.trunk_allowed = allow.map(|allow| allowed(before, allow).unwrap_or_default());
            }
            PrivateVlanLine::TrunkNative(vlan) => self.trunk_native = vlan,
        }
    }

    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        const LINE: &str = "  switchport private-vlan";
        if let Some(HostAssociation { primary, secondary }) = self.host {
            writeln!(out, "{LINE} host-association {primary} {secondary}")?;
        }
        if let Some(mapping) = &self.mapping {
            let lists = lists(&mapping.secondaries).into_iter();
            for (list, add) in lists.zip(first("", " add")) {
                writeln!(out, "{LINE} mapping {}{add} {list}", mapping.primary)?;
            }
        }
        for (primary, secondaries) in &self.trunk_mappings {
            let lists = lists(secondaries).into_iter();
            for (list, add) in lists.zip(first("", " add")) {
                writeln!(out, "{LINE} mapping trunk {primary}{add} {list}")?;
            }
        }
        match &self.trunk_allowed {
            None => {}
            Some(vlans) if vlans.is_empty() => writeln!(out, "{LINE} trunk allowed vlan none")?,
            Some(vlans) => {
                for (list, add) in lists(vlans).into_iter().zip(first("", " add")) {
                    writeln!(out, "{LINE} trunk allowed vlan{add} {list}")?;
                }
            }
        }
        if let Some(vlan) = self.trunk_native {
            writeln!(out, "{LINE} trunk native vlan {vlan}")?;
        }
        Ok(())
    }
}

const fn private(line: PrivateVlanLine) -> Option<Line> {
    Some(Line::Port(PortLine::PrivateVlan(line)))
}

const fn mode_line(mode: Option<PortMode>) -> Option<Line> {
    Some(Line::Port(PortLine::Mode(mode)))
}

const NO_MODE: Build = |_| mode_line(None);

/// Below `switchport mode`.
pub(super) const MODE: Node = word("private-vlan", "A part in private VLANs").then(&[
    word("host", "A host of one secondary VLAN, untagged")
        .line(|_| mode_line(Some(PortMode::PrivateHost)))
        .no(NO_MODE),
    word(
        "promiscuous",
        "Reaches every host of one private VLAN, untagged",
    )
    .line(|_| mode_line(Some(PortMode::PrivatePromiscuous)))
    .no(NO_MODE),
    word("trunk", "Tagged").then(&[word(
        "promiscuous",
        "Reaches every host of several private VLANs",
    )
    .line(|_| mode_line(Some(PortMode::PrivateTrunk)))
    .no(NO_MODE)]),
]);

const NO_HOST: Build = |_| private(PrivateVlanLine::Host(None));
const NO_MAPPING: Build = |_| private(PrivateVlanLine::Mapping(None));
const NO_NATIVE: Build = |_| private(PrivateVlanLine::TrunkNative(None));

/// Below `switchport`.
pub(super) const SWITCHPORT: Node = word("private-vlan", "Which private VLANs").then(&[
    word("host-association", "Of a host")
        .no(NO_HOST)
        .then(&[value(Kind::Vlan, "The primary VLAN").then(&[value(
            Kind::Vlan,
            "The isolated or community VLAN",
        )
        .line(|values| {
            private(PrivateVlanLine::Host(Some(HostAssociation {
                primary: values.take()?,
                secondary: values.take()?,
            })))
        })
        .no(NO_HOST)])]),
    word("mapping", "Of a promiscuous port")
        .no(NO_MAPPING)
        .then(&[
            word("trunk", "Of one that is tagged")
                .no(|_| private(PrivateVlanLine::NoTrunkMapping))
                .then(&[value(Kind::Vlan, "A primary VLAN")
                    .no(|values| private(PrivateVlanLine::TrunkMapping(values.take()?, None)))
                    .then(&[
                        word("add", "Hosts of these reach it too").then(&[value(
                            Kind::Vlans,
                            "Which",
                        )
                        .line(|values| trunk_mapping(values, Allow::Add))]),
                        word("remove", "Hosts of these do not").then(&[value(
                            Kind::Vlans,
                            "Which",
                        )
                        .line(|values| trunk_mapping(values, Allow::Remove))]),
                        value(Kind::Vlans, "Hosts of exactly these reach it")
                            .line(|values| trunk_mapping(values, Allow::Exactly)),
                    ])]),
            value(Kind::Vlan, "The primary VLAN").no(NO_MAPPING).then(&[
                word("add", "Hosts of these reach it too").then(&[
                    value(Kind::Vlans, "Which").line(|values| mapping(values, Allow::Add))
                ]),
                word("remove", "Hosts of these do not").then(&[
                    value(Kind::Vlans, "Which").line(|values| mapping(values, Allow::Remove))
                ]),
                value(Kind::Vlans, "Hosts of exactly these reach it")
                    .line(|values| mapping(values, Allow::Exactly)),
            ]),
        ]),
    word("trunk", "Of a promiscuous port that is tagged").then(&[
        word("allowed", "The ordinary VLANs it carries").then(&[word("vlan", "Which")
            .no(|_| private(PrivateVlanLine::TrunkAllowed(None)))
            .then(&[
                word("add", "These too").then(&[value(Kind::Vlans, "Which")
                    .line(|values| trunk_allowed(Allow::Add(values.take()?)))]),
                word("none", "None")
                    .line(|_| trunk_allowed(Allow::Exactly(Box::new(VlanSet::EMPTY)))),
                word("remove", "Not these").then(&[value(Kind::Vlans, "Which")
                    .line(|values| trunk_allowed(Allow::Remove(values.take()?)))]),
                value(Kind::Vlans, "Exactly these")
                    .line(|values| trunk_allowed(Allow::Exactly(values.take()?))),
            ])]),
        word("native", "The VLAN of untagged frames").then(&[word("vlan", "Which")
            .no(NO_NATIVE)
            .then(&[value(Kind::Vlan, "The VLAN")
                .line(|values| private(PrivateVlanLine::TrunkNative(Some(values.take()?))))
                .no(NO_NATIVE)])]),
    ]),
]);

const fn trunk_allowed(allow: Allow) -> Option<Line> {
    private(PrivateVlanLine::TrunkAllowed(Some(allow)))
}

fn mapping(values: &mut Values, allow: fn(Box<VlanSet>) -> Allow) -> Option<Line> {
    let primary = values.take()?;
    private(PrivateVlanLine::Mapping(Some((
        primary,
        allow(values.take()?),
    ))))
}

fn trunk_mapping(values: &mut Values, allow: fn(Box<VlanSet>) -> Allow) -> Option<Line> {
    let primary = values.take()?;
    let allow = allow(values.take()?);
    private(PrivateVlanLine::TrunkMapping(primary, Some(allow)))
}
