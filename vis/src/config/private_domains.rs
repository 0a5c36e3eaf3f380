//! What the private VLANs come to: which VLANs make a whole, which carry frames, and what a port that names one can be.
//!
//! Nothing is refused when it is typed, since lines come in any order. A VLAN whose part contradicts another's has none,
//! and a port that names it is held down until that is mended.

use super::effective::nearest;
use super::model::{Config, PortLines, PortMode, Vlan};
use super::origin::{About, Origin, OriginatedLine};
use super::private_vlan::{
    HOST, HostAssociation, MAPPING, Mapping, PrivateMembership, TRUNK_ALLOWED, TRUNK_NATIVE,
};
use super::vlan_lines::PrivateVlanType;
use niv::{VlanId, VlanSet};
use policy::private_vlan::Domain;
use std::collections::BTreeMap;
use std::fmt;

/// Why a port has no part in private VLANs, and the line of its own that says it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PrivateFault {
    /// How that line begins.
    pub(super) line: &'static str,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Why {
    NoLine(&'static str),
    Undefined(VlanId),
    NotPrimary(VlanId),
    NotSecondary(VlanId),
    NotAssociated(VlanId, VlanId),
    /// With these two primary VLANs.
    Twice(VlanId, VlanId, VlanId),
    /// The primary VLAN, and the two.
    TwoIsolated(VlanId, VlanId, VlanId),
    NotOrdinary(VlanId),
}

impl fmt::Display for PrivateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::NoLine(line) => write!(f, "`{line}` is missing"),
            Why::Undefined(vlan) => write!(f, "VLAN {vlan} does not exist"),
            Why::NotPrimary(vlan) => write!(
                f,
                "VLAN {vlan} is no primary VLAN (`private-vlan primary` below `vlan {vlan}`)"
            ),
            Why::NotSecondary(vlan) => write!(
                f,
                "VLAN {vlan} is neither isolated nor a community (`private-vlan isolated` below `vlan {vlan}`)"
            ),
            Why::NotAssociated(primary, vlan) => write!(
                f,
                "VLAN {vlan} is not associated with VLAN {primary} (`private-vlan association add {vlan}` below \
                 `vlan {primary}`)"
            ),
            Why::Twice(vlan, one, other) => write!(
                f,
                "VLAN {vlan} is associated with both VLAN {one} and VLAN {other} (`private-vlan association remove \
                 {vlan}` below one of them)"
            ),
            Why::TwoIsolated(primary, one, other) => write!(
                f,
                "VLANs {one} and {other} are both isolated and both associated with VLAN {primary}, which can have one"
            ),
            Why::NotOrdinary(vlan) => write!(
                f,
                "VLAN {vlan} is a private VLAN, which only ports in `switchport mode private-vlan` and trunks are in"
            ),
        }
    }
}

pub(super) const MODE: &str = "switchport mode";
pub(super) const ACCESS: &str = "switchport access vlan";

impl Config {
    /// The private VLANs that are whole, by primary VLAN.
    pub fn private_vlans(&self) -> Vec<Domain> {
        let primaries = self.vlans.iter();
        let primaries = primaries.filter(|(_, vlan)| is(vlan, PrivateVlanType::Primary));
        let domains = primaries.map(|(&primary, vlan)| {
            let mut domain = Domain {
                primary,
                isolated: None,
                communities: Vec::new(),
            };
            for secondary in vlan.lines.associated() {
                match self.role(primary, secondary) {
                    Ok(PrivateVlanType::Isolated) => domain.isolated = Some(secondary),
                    Ok(PrivateVlanType::Community) => domain.communities.push(secondary),
                    Ok(PrivateVlanType::Primary) | Err(_) => {}
                }
            }
            domain
        });
        domains.collect()
    }

    /// The VLANs that carry frames: active, and of a private VLAN what is whole, its primary VLAN active too.
    pub fn carrying_vlans(&self) -> VlanSet {
        let is_active = |vlan: &VlanId| {
            let said = self.vlans.get(vlan);
            said.is_none_or(|vlan| vlan.lines.is_active())
        };
        let mut whole = VlanSet::EMPTY;
        for domain in self.private_vlans() {
            if is_active(&domain.primary) {
                whole.insert(domain.primary);
                for &secondary in domain.isolated.iter().chain(&domain.communities) {
                    whole.insert(secondary);
                }
            }
        }
        let carries = |vlan: &VlanId| {
            let said = self.vlans.get(vlan);
            let private = said.is_some_and(|vlan| vlan.lines.private.is_some());
            is_active(vlan) && (!private || whole.contains(*vlan))
        };
        self.defined_vlans().iter().filter(carries).collect()
    }

    /// The lines of VLANs that decide about frames of `vlan`, and about ports in it: its state, and its part in private
    /// VLANs.
    pub fn vlan_origins(&self, vlan: VlanId) -> Vec<OriginatedLine> {
        let mut lines = Vec::new();
        let mut push = |of: VlanId, line: String| {
            lines.push(OriginatedLine {
                about: About::PrivateVlan,
                line,
                origin: Origin::Vlan(of),
            });
        };
        let mut own = |of: VlanId, said: &Vlan| {
            if said.lines.suspended {
                push(of, "state suspend".to_owned());
            }
            if said.lines.shutdown {
                push(of, "shutdown".to_owned());
            }
            if let Some(line) = said.lines.private_line() {
                push(of, line);
            }
            if let Some(association) = &said.lines.association
                && is(said, PrivateVlanType::Primary)
            {
                push(of, format!("private-vlan association {association}"));
            }
        };
        let Some(said) = self.vlans.get(&vlan) else {
            return lines;
        };
        own(vlan, said);
        if matches!(
            said.lines.private,
            Some(PrivateVlanType::Isolated | PrivateVlanType::Community)
        ) {
            for (primary, other) in self.associating(vlan) {
                own(primary, other);
            }
        }
        lines
    }

    /// `vlan dot1q tag native`, if it is said.
    pub fn tag_native_origin(&self) -> Option<OriginatedLine> {
        self.tag_native.then(|| OriginatedLine {
            about: About::NativeVlan,
            line: "vlan dot1q tag native".to_owned(),
            origin: Origin::Switch,
        })
    }

    /// What of a profile's or interface's own lines about private VLANs is not in force, whatever it inherits.
    pub(super) fn private_concerns(&self, lines: &PortLines) -> Vec<PrivateFault> {
        let said = &lines.private_vlan;
        let host = said.host.and_then(|host| {
            let part = self.role(host.primary, host.secondary);
            Some((HOST, part.err()?))
        });
        let mut faults: Vec<_> = host.into_iter().collect();
        faults.extend(said.mapping.iter().flat_map(|one| self.unmapped(one)));
        for (&primary, secondaries) in &said.trunk_mappings {
            faults.extend(self.unmapped(&Mapping {
                primary,
                secondaries: secondaries.clone(),
            }));
        }
        if matches!(lines.mode, None | Some(PortMode::Access)) {
            let access = lines.access_vlan;
            faults.extend(access.and_then(|vlan| Some((ACCESS, self.ordinary(vlan).err()?))));
        }
        let faults = faults.into_iter();
        faults
            .map(|(line, why)| PrivateFault { line, why })
            .collect()
    }

    /// The primary VLANs that `secondary` is said to be associated with, ascending.
    fn associating(&self, secondary: VlanId) -> impl Iterator<Item = (VlanId, &Vlan)> {
        let primaries = self.vlans.iter().map(|(&primary, vlan)| (primary, vlan));
        primaries.filter(move |(_, vlan)| {
            let association = vlan.lines.association.as_ref();
            is(vlan, PrivateVlanType::Primary)
                && association.is_some_and(|vlans| vlans.contains(secondary))
        })
    }

    /// What `secondary` is in the private VLAN of `primary`: isolated or a community.
    fn role(&self, primary: VlanId, secondary: VlanId) -> Result<PrivateVlanType, Why> {
        let whole = self.primary(primary)?;
        let kind = match self.vlans.get(&secondary).map(|vlan| vlan.lines.private) {
            None => return Err(Why::Undefined(secondary)),
            Some(Some(kind @ (PrivateVlanType::Isolated | PrivateVlanType::Community))) => kind,
            Some(Some(PrivateVlanType::Primary) | None) => {
                return Err(Why::NotSecondary(secondary));
            }
        };
        if !whole.lines.associated().any(|vlan| vlan == secondary) {
            return Err(Why::NotAssociated(primary, secondary));
        }
        let mut primaries = self.associating(secondary).map(|(primary, _)| primary);
        if let (Some(one), Some(other)) = (primaries.next(), primaries.next()) {
            return Err(Why::Twice(secondary, one, other));
        }
        if kind == PrivateVlanType::Isolated {
            let is_isolated = |vlan: &VlanId| {
                let said = self.vlans.get(vlan);
                said.is_some_and(|vlan| is(vlan, PrivateVlanType::Isolated))
            };
            let mut isolated = whole.lines.associated().filter(is_isolated);
            if let (Some(one), Some(other)) = (isolated.next(), isolated.next()) {
                return Err(Why::TwoIsolated(primary, one, other));
            }
        }
        Ok(kind)
    }

    fn primary(&self, primary: VlanId) -> Result<&Vlan, Why> {
        let vlan = self.vlans.get(&primary).ok_or(Why::Undefined(primary))?;
        Some(vlan)
            .filter(|vlan| is(vlan, PrivateVlanType::Primary))
            .ok_or(Why::NotPrimary(primary))
    }

    fn ordinary(&self, vlan: VlanId) -> Result<(), Why> {
        match self.vlans.get(&vlan) {
            Some(said) if said.lines.private.is_some() => Err(Why::NotOrdinary(vlan)),
            _ => Ok(()),
        }
    }

    /// Why no access port can be in `vlan`, which exists.
    pub(super) fn no_access(&self, vlan: VlanId) -> Option<PrivateFault> {
        let why = self.ordinary(vlan).err()?;
        Some(PrivateFault { line: ACCESS, why })
    }

    /// What a port is whose mode is one of private VLANs, and why it is not in force.
    pub(super) fn private_membership(
        &self,
        mode: PortMode,
        levels: &[&PortLines],
    ) -> (PrivateMembership, Vec<PrivateFault>) {
        let mut faults = Vec::new();
        let membership = match mode {
            PortMode::PrivateHost => {
                let host = nearest(levels, |lines| lines.private_vlan.host);
                match host {
                    None => faults.push((MODE, Why::NoLine(HOST))),
                    Some(HostAssociation { primary, secondary }) => {
                        let part = self.role(primary, secondary);
                        faults.extend(part.err().map(|why| (HOST, why)));
                    }
                }
                PrivateMembership::Host(host)
            }
            PortMode::PrivateTrunk => {
                let (membership, found) = self.private_trunk(levels);
                faults.extend(found);
                membership
            }
            _ => {
                let mapping = nearest(levels, |lines| lines.private_vlan.mapping.as_ref());
                match mapping {
                    None => faults.push((MODE, Why::NoLine(MAPPING))),
                    Some(mapping) => faults.extend(self.unmapped(mapping)),
                }
                PrivateMembership::Promiscuous(mapping.cloned())
            }
        };
        let faults = faults.into_iter();
        let faults = faults.map(|(line, why)| PrivateFault { line, why });
        (membership, faults.collect())
    }

    fn private_trunk(
        &self,
        levels: &[&PortLines],
    ) -> (PrivateMembership, Vec<(&'static str, Why)>) {
        // Nearest wins, of each primary VLAN.
        let mut mappings = BTreeMap::new();
        for lines in levels {
            for (&primary, secondaries) in &lines.private_vlan.trunk_mappings {
                mappings.entry(primary).or_insert(secondaries);
            }
        }
        let mappings = mappings.into_iter().map(|(primary, secondaries)| Mapping {
            primary,
            secondaries: secondaries.clone(),
        });
        let mappings: Vec<Mapping> = mappings.collect();
        let allowed = nearest(levels, |lines| lines.private_vlan.trunk_allowed.as_ref());
        let native = nearest(levels, |lines| lines.private_vlan.trunk_native);
        let mut faults = Vec::new();
        if mappings.is_empty() {
            faults.push((MODE, Why::NoLine("switchport private-vlan mapping trunk")));
        }
        faults.extend(mappings.iter().flat_map(|mapping| self.unmapped(mapping)));
        let is_mapped = |vlan: VlanId| mappings.iter().any(|mapping| mapping.primary == vlan);
        let ordinary = |vlan: VlanId| {
            if is_mapped(vlan) {
                Ok(())
            } else {
                self.ordinary(vlan)
            }
        };
        for vlan in allowed.iter().flat_map(|vlans| vlans.iter()) {
            faults.extend(ordinary(vlan).err().map(|why| (TRUNK_ALLOWED, why)));
        }
        if let Some(vlan) = native {
            let defined = if self.is_defined(vlan) {
                Ok(())
            } else {
                Err(Why::Undefined(vlan))
            };
            let fit = defined.and_then(|()| ordinary(vlan));
            faults.extend(fit.err().map(|why| (TRUNK_NATIVE, why)));
        }
        let membership = PrivateMembership::Trunk {
            allowed: allowed.cloned().unwrap_or_default(),
            native,
            mappings,
        };
        (membership, faults)
    }

    fn unmapped(&self, mapping: &Mapping) -> Vec<(&'static str, Why)> {
        if let Err(why) = self.primary(mapping.primary) {
            return vec![(MAPPING, why)];
        }
        let secondaries = mapping.secondaries.iter();
        let faults = secondaries.filter_map(|vlan| self.role(mapping.primary, vlan).err());
        faults.map(|why| (MAPPING, why)).collect()
    }
}

fn is(vlan: &Vlan, kind: PrivateVlanType) -> bool {
    vlan.lines.private == Some(kind)
}

#[cfg(test)]
#[path = "private_domains_tests.rs"]
mod tests;
