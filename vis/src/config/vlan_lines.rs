//! What is said below `vlan LIST` but for the name: whether the VLAN carries frames, and its part in private VLANs.

use super::apply::Conflict;
use super::line::{Allow, Line};
use super::model::Vlan;
use super::render::lists;
use super::tree::{Build, Node, value, word};
use super::value::Kind;
use niv::{VlanId, VlanSet};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// State and private VLAN of one VLAN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VlanLines {
    /// `state suspend`
    pub suspended: bool,
    /// `shutdown`
    pub shutdown: bool,
    /// `private-vlan primary|isolated|community`
    pub private: Option<PrivateVlanType>,
    /// `private-vlan association LIST`: of a primary VLAN, its secondary ones.
    pub association: Option<Box<VlanSet>>,
}

/// A part in private VLANs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivateVlanType {
    /// Promiscuous ports send in it; it names the private VLAN.
    Primary,
    /// Its hosts reach promiscuous ports only.
    Isolated,
    /// Its hosts reach promiscuous ports and each other.
    Community,
}

impl PrivateVlanType {
    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Isolated => "isolated",
            Self::Community => "community",
        }
    }
}

/// A line below `vlan LIST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VlanLine {
    /// `state suspend`: true; `state active`, or `no state`: false.
    Suspend(bool),
    /// `shutdown`
    Shutdown(bool),
    /// `private-vlan TYPE`
    Private(Option<PrivateVlanType>),
    /// `private-vlan association [add|remove] LIST`
    Association(Option<Allow>),
}

impl VlanLines {
    /// Whether the VLAN is to carry frames.
    pub const fn is_active(&self) -> bool {
        !self.suspended && !self.shutdown
    }

    /// As listings name it.
    pub const fn state(&self) -> &'static str {
        match (self.suspended, self.shutdown) {
            (true, _) => "suspended",
            (false, true) => "act/lshut",
            (false, false) => "active",
        }
    }

    /// The secondary VLANs said to be its own.
    pub fn associated(&self) -> impl Iterator<Item = VlanId> + '_ {
        self.association.iter().flat_map(|vlans| vlans.iter())
    }

    /// The line that says its part, if one does.
    pub fn private_line(&self) -> Option<String> {
        Some(format!("private-vlan {}", self.private?.as_str()))
    }

    fn apply(&mut self, line: VlanLine) {
        match line {
            VlanLine::Suspend(suspended) => self.suspended = suspended,
            VlanLine::Shutdown(shutdown) => self.shutdown = shutdown,
            VlanLine::Private(private) => self.private = private,
            VlanLine::Association(None) => self.association = None,
            VlanLine::Association(Some(allow)) => {
                self.association = allowed(self.association.take(), allow);
            }
        }
    }

    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        if self.suspended {
            writeln!(out, "  state suspend")?;
        }
        if self.shutdown {
            writeln!(out, "  shutdown")?;
        }
        if let Some(line) = self.private_line() {
            writeln!(out, "  {line}")?;
        }
        let association = self.association.iter().flat_map(|vlans| lists(vlans));
        for (list, add) in association.zip(first("", " add")) {
            writeln!(out, "  private-vlan association{add} {list}")?;
        }
        Ok(())
    }
}

/// One thing, and then another for ever.
pub(super) fn first(one: &'static str, other: &'static str) -> impl Iterator<Item = &'static str> {
    std::iter::once(one).chain(std::iter::repeat(other))
}

/// What a list of VLANs comes to; `None`: to none.
pub(super) fn allowed(before: Option<Box<VlanSet>>, allow: Allow) -> Option<Box<VlanSet>> {
    let before = before.unwrap_or_default();
    let vlans = match allow {
        Allow::Exactly(vlans) => vlans,
        Allow::Add(vlans) => Box::new(before.union(&vlans)),
        Allow::Remove(vlans) => Box::new(before.difference(&vlans)),
    };
    Some(vlans).filter(|vlans| !vlans.is_empty())
}

/// What contradicts what VLANs are.
pub(super) fn check(vlans: &VlanSet, line: &VlanLine) -> Result<(), Conflict> {
    let takes_away = matches!(
        line,
        VlanLine::Suspend(false)
            | VlanLine::Shutdown(false)
            | VlanLine::Private(None)
            | VlanLine::Association(None)
    );
    if takes_away {
        return Ok(());
    }
    if vlans.contains(VlanId::DEFAULT) {
        return Err(Conflict::OrdinaryVlan1);
    }
    if matches!(line, VlanLine::Association(_)) && vlans.len() > 1 {
        return Err(Conflict::OneAssociationForSeveral(Box::new(vlans.clone())));
    }
    if let VlanLine::Association(Some(Allow::Exactly(others) | Allow::Add(others))) = line
        && let Some(own) = others.intersection(vlans).iter().next()
    {
        return Err(Conflict::AssociatedWithItself(own));
    }
    Ok(())
}

/// Said of each of `vlans`.
pub(super) fn apply<'a>(vlans: impl Iterator<Item = &'a mut Vlan>, line: &VlanLine) {
    for vlan in vlans {
        vlan.lines.apply(line.clone());
    }
}

const fn line(line: VlanLine) -> Option<Line> {
    Some(Line::OfVlan(line))
}

const NO_PRIVATE: Build = |_| line(VlanLine::Private(None));
const NO_ASSOCIATION: Build = |_| line(VlanLine::Association(None));

pub(super) const PRIVATE_VLAN: Node = word("private-vlan", "Its part in private VLANs")
    .no(NO_PRIVATE)
    .then(&[
        word("association", "The secondary VLANs of this primary one")
            .no(NO_ASSOCIATION)
            .then(&[
                word("add", "These too").then(&[value(Kind::Vlans, "Which")
                    .line(|values| line(VlanLine::Association(Some(Allow::Add(values.take()?)))))]),
                word("remove", "Not these").then(&[value(Kind::Vlans, "Which").line(|values| {
                    line(VlanLine::Association(Some(Allow::Remove(values.take()?))))
                })]),
                value(Kind::Vlans, "Exactly these").line(|values| {
                    line(VlanLine::Association(Some(Allow::Exactly(values.take()?))))
                }),
            ]),
        word(
            "community",
            "Its hosts reach promiscuous ports and each other",
        )
        .line(|_| line(VlanLine::Private(Some(PrivateVlanType::Community))))
        .no(NO_PRIVATE),
        word("isolated", "Its hosts reach promiscuous ports only")
            .line(|_| line(VlanLine::Private(Some(PrivateVlanType::Isolated))))
            .no(NO_PRIVATE),
        word("primary", "That of promiscuous ports")
            .line(|_| line(VlanLine::Private(Some(PrivateVlanType::Primary))))
            .no(NO_PRIVATE),
    ]);

const NO_STATE: Build = |_| line(VlanLine::Suspend(false));
pub(super) const STATE: Node = word("state", "Whether the VLAN carries frames")
    .no(NO_STATE)
    .then(&[
        word("active", "It does").line(NO_STATE).no(NO_STATE),
        word("suspend", "It does not")
            .line(|_| line(VlanLine::Suspend(true)))
            .no(NO_STATE),
    ]);

pub(super) const SHUTDOWN: Node = word("shutdown", "Carry nothing")
    .line(|_| line(VlanLine::Shutdown(true)))
    .no(|_| line(VlanLine::Shutdown(false)));

/// Of the switch as a whole.
pub(super) const DOT1Q: Node =
    word("dot1q", "VLAN tags").then(&[word("tag", "Where there is one").then(&[word(
        "native",
        "Trunks tag the native VLAN too, and take nothing untagged",
    )
    .line(|_| Some(Line::TagNative(true)))
    .no(|_| Some(Line::TagNative(false)))])]);
