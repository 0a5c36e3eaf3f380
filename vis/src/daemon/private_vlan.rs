//! Private VLANs as the switch takes them and as people see them: from configuration to policy, `show vlan private-vlan`,
//! and the words of `explain`.

use super::run::Daemon;
use crate::config::{Config, InterfaceId, Membership, PrivateMembership, PrivateVlanType};
use crate::control::private_vlan::{PrivateVlanEntry, ShowPrivateVlan};
use crate::control::show::SCHEMA;
use crate::switch::{PrivatePolicy, Topology, VlanPolicy};
use niv::{VlanId, VlanSet};
use policy::private_vlan::{PrivatePort, PrivateVlans, TrunkVlans};
use std::sync::Arc;

/// Which VLANs carry frames, and the private ones among them.
pub(super) fn vlans(config: &Config, topology: &mut Topology) {
    topology.vlans = config.carrying_vlans();
    topology.inactive = config.defined_vlans().difference(&topology.vlans);
    // No VLAN has two parts in what is whole, so there is nothing to refuse; without private VLANs the ports that name one
    // carry nothing.
    let whole = PrivateVlans::new(&config.private_vlans()).ok();
    topology.private = whole.filter(|vlans| !vlans.is_empty()).map(Arc::new);
}

/// What a port does that has a part in private VLANs.
pub(super) fn policy(
    membership: &PrivateMembership,
    tag_native: bool,
    vlans: Option<&Arc<PrivateVlans>>,
) -> VlanPolicy {
    let port = match membership {
        PrivateMembership::Host(Some(association)) => PrivatePort::Host(association.secondary),
        PrivateMembership::Promiscuous(Some(mapping)) => PrivatePort::Promiscuous {
            primary: mapping.primary,
            mapped: Arc::new((*mapping.secondaries).clone()),
        },
        PrivateMembership::Trunk {
            allowed,
            native,
            mappings,
        } => {
            let mut carried = (**allowed).clone();
            let mut mapped = VlanSet::EMPTY;
            for mapping in mappings {
                carried.insert(mapping.primary);
                mapped = mapped.union(&mapping.secondaries);
            }
            PrivatePort::PromiscuousTrunk {
                vlans: match native {
                    Some(native) => trunk_vlans(*native, carried, tag_native),
                    None => TrunkVlans {
                        allowed: Arc::new(carried),
                        native: None,
                    },
                },
                mapped: Arc::new(mapped),
            }
        }
        PrivateMembership::Host(None) | PrivateMembership::Promiscuous(None) => return nothing(),
    };
    match vlans {
        Some(vlans) => VlanPolicy::Private(Arc::new(PrivatePolicy::new(port, Arc::clone(vlans)))),
        None => nothing(),
    }
}

/// Held down by its configuration, and in no VLAN.
pub(super) fn nothing() -> VlanPolicy {
    VlanPolicy::Trunk {
        allowed: Arc::new(VlanSet::EMPTY),
        native: None,
    }
}

/// An ordinary trunk.
pub(super) fn trunk(native: VlanId, allowed: &VlanSet, tag_native: bool) -> VlanPolicy {
    let TrunkVlans { allowed, native } = trunk_vlans(native, allowed.clone(), tag_native);
    VlanPolicy::Trunk { allowed, native }
}

/// With `vlan dot1q tag native` a trunk tags its native VLAN as any other, and takes nothing untagged.
fn trunk_vlans(native: VlanId, mut allowed: VlanSet, tag_native: bool) -> TrunkVlans {
    if tag_native {
        allowed.insert(native);
    }
    TrunkVlans {
        allowed: Arc::new(allowed),
        native: (!tag_native).then_some(native),
    }
}

/// Whether a port is listed in `vlan`: where its untagged frames go, or that it allows it.
pub(super) fn is_listed(membership: &PrivateMembership, vlan: VlanId) -> bool {
    match membership {
        PrivateMembership::Host(host) => host.is_some_and(|host| host.secondary == vlan),
        PrivateMembership::Promiscuous(mapping) => mapping
            .as_ref()
            .is_some_and(|mapping| mapping.primary == vlan),
        PrivateMembership::Trunk {
            allowed,
            native,
            mappings,
        } => {
            let mapped = mappings.iter().any(|mapping| mapping.primary == vlan);
            mapped || *native == Some(vlan) || allowed.contains(vlan)
        }
    }
}

impl Daemon {
    pub(super) fn private_vlans(&self) -> ShowPrivateVlan {
        let config = &self.config;
        let carries = config.carrying_vlans();
        let mut vlans = Vec::new();
        let mut whole = VlanSet::EMPTY;
        for domain in config.private_vlans() {
            let primary = domain.primary;
            whole.insert(primary);
            let isolated = domain
                .isolated
                .iter()
                .map(|&vlan| (vlan, PrivateVlanType::Isolated));
            let communities = domain.communities.iter();
            let communities = communities.map(|&vlan| (vlan, PrivateVlanType::Community));
            let mut secondaries: Vec<_> = isolated.chain(communities).collect();
            secondaries.sort_unstable();
            if secondaries.is_empty() {
                vlans.push(PrivateVlanEntry {
                    primary: Some(primary),
                    secondary: None,
                    r#type: PrivateVlanType::Primary,
                    operational: carries.contains(primary),
                    ports: Vec::new(),
                });
            }
            for (secondary, r#type) in secondaries {
                whole.insert(secondary);
                vlans.push(PrivateVlanEntry {
                    primary: Some(primary),
                    secondary: Some(secondary),
                    r#type,
                    operational: carries.contains(secondary),
                    ports: self.ports_of(secondary),
                });
            }
        }
        // What has a part and no whole.
        for (&vlan, said) in &config.vlans {
            if let Some(r#type) = said.lines.private
                && !whole.contains(vlan)
            {
                vlans.push(PrivateVlanEntry {
                    primary: None,
                    secondary: Some(vlan),
                    r#type,
                    operational: false,
                    ports: self.ports_of(vlan),
                });
            }
        }
        ShowPrivateVlan {
            schema: SCHEMA,
            vlans,
        }
    }

    /// The hosts of a secondary VLAN, and the promiscuous ports it is mapped to.
    fn ports_of(&self, secondary: VlanId) -> Vec<InterfaceId> {
        let is_in = |interface: &InterfaceId| {
            let effective = self.effective(*interface);
            match effective.map(|effective| effective.membership) {
                Some(Membership::Private(PrivateMembership::Host(host))) => {
                    host.is_some_and(|host| host.secondary == secondary)
                }
                Some(Membership::Private(PrivateMembership::Promiscuous(mapping))) => {
                    mapping.is_some_and(|mapping| mapping.secondaries.contains(secondary))
                }
                Some(Membership::Private(PrivateMembership::Trunk { mappings, .. })) => mappings
                    .iter()
                    .any(|mapping| mapping.secondaries.contains(secondary)),
                _ => false,
            }
        };
        let interfaces = self.interfaces().into_iter();
        interfaces.filter(is_in).collect()
    }
}

/// The VLAN that a frame with the VID `vid` is in behind a port, if any.
pub(super) fn vlan_of(membership: &Membership, vid: u16) -> Option<VlanId> {
    if vid != 0 {
        return VlanId::try_from(vid).ok();
    }
    match membership {
        Membership::Vntag => None,
        Membership::Access { vlan } => Some(*vlan),
        Membership::Trunk { native, .. } => Some(*native),
        Membership::Private(PrivateMembership::Host(host)) => host.map(|host| host.secondary),
        Membership::Private(PrivateMembership::Promiscuous(mapping)) => {
            mapping.as_ref().map(|mapping| mapping.primary)
        }
        Membership::Private(PrivateMembership::Trunk { native, .. }) => *native,
    }
}

/// `VLAN 101, isolated, of private VLAN 100`; of an ordinary VLAN its number only.
pub(super) fn vlan_words(config: &Config, vlan: VlanId) -> String {
    let part = config.private_vlans().into_iter().find_map(|domain| {
        let primary = domain.primary;
        if vlan == primary {
            Some(format!(
                "VLAN {vlan}, primary: it is from a promiscuous port"
            ))
        } else if domain.isolated == Some(vlan) {
            Some(format!("VLAN {vlan}, isolated, of private VLAN {primary}"))
        } else if domain.communities.contains(&vlan) {
            Some(format!(
                "VLAN {vlan}, a community of private VLAN {primary}"
            ))
        } else {
            None
        }
    });
    part.unwrap_or_else(|| format!("VLAN {vlan}"))
}

/// What a port is in private VLANs, as the end of a sentence; `None`: nothing.
pub(super) fn role_words(membership: &Membership) -> Option<String> {
    let Membership::Private(membership) = membership else {
        return None;
    };
    Some(match membership {
        PrivateMembership::Host(None) | PrivateMembership::Promiscuous(None) => return None,
        PrivateMembership::Host(Some(host)) => {
            format!(
                "a host of VLAN {} in private VLAN {}",
                host.secondary, host.primary
            )
        }
        PrivateMembership::Promiscuous(Some(mapping)) => format!(
            "promiscuous in private VLAN {} for hosts of {}",
            mapping.primary, mapping.secondaries
        ),
        PrivateMembership::Trunk { mappings, .. } => {
            let each = mappings
                .iter()
                .map(|mapping| format!("{} for hosts of {}", mapping.primary, mapping.secondaries));
            let each: Vec<String> = each.collect();
            format!("a promiscuous trunk in private VLAN {}", each.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::daemon::compile;
    use crate::switch::{Membership, Slots};

    #[test]
    fn with_tag_native_every_trunk_tags_its_native_vlan_and_takes_nothing_untagged() {
        let text = "vlan 7\nvlan 101\n  private-vlan isolated\nvlan 100\n  private-vlan primary\n  \
            private-vlan association 101\ninterface ethernet 1\n  device a\n  \
            switchport mode private-vlan trunk promiscuous\n  \
            switchport private-vlan mapping trunk 100 101\n  \
            switchport private-vlan trunk native vlan 7\ninterface ethernet 2\n  device b\n  \
            switchport mode trunk\n  switchport trunk native vlan 7\n";
        let native = VlanId::try_from(7).unwrap();
        for (before, takes_untagged, leaves) in [
            ("", true, Membership::Untagged),
            ("vlan dot1q tag native\n", false, Membership::Tagged),
        ] {
            let (config, _) = parse(&[before, text].concat(), "t").unwrap();
            let topology = compile::topology(&config, 0, &mut Slots::new(9), |_| true).unwrap();
            assert_eq!(topology.ports.len(), 2);
            for port in &topology.ports {
                let untagged = port.vlan.classify(None, &topology.vlans);
                assert_eq!(untagged.is_ok(), takes_untagged, "{}", port.name);
                assert_eq!(port.vlan.membership(native), leaves, "{}", port.name);
            }
        }
    }
}
