//! Private VLANs (RFC 5517): ports of one subnet that are kept apart.
//!
//! A domain is one primary VLAN with at most one isolated VLAN and any number of community VLANs. Inside the switch a
//! frame *travels* in one of them, and that alone says who sent it: in the primary VLAN from a promiscuous port, in a
//! secondary VLAN from one of its hosts. So who gets what is flooded is a set for each VLAN a frame can travel in, as
//! for any VLAN, and a trunk between switches carries the role in the tag. Addresses are learned and looked up under
//! one filtering id for the whole domain, its primary VLAN: an answer travels in another VLAN than its question.
//!
//! | from \ to | promiscuous | community A | community B | isolated | trunk between switches |
//! | --- | --- | --- | --- | --- | --- |
//! | promiscuous | yes | yes | yes | yes | tagged with the primary VLAN |
//! | community A | yes | yes | no | no | tagged with A |
//! | isolated | yes | no | no | no | tagged with the isolated VLAN |
//!
//! A promiscuous port gets what the secondary VLANs mapped to it send. A promiscuous trunk is a promiscuous port for each
//! domain whose primary VLAN it allows, and says primary VLANs only: a secondary one is dropped there, so that nobody
//! outside poses as a host. A mapping is about what the port gets: what it sends travels in the primary VLAN, as any
//! promiscuous port's does, and reaches every host of the domain.

use niv::{DropReason, VlanId, VlanSet, VlanTag};
use std::collections::BTreeMap;
use std::sync::Arc;
use vntag::ethertype;

/// One private VLAN domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The primary VLAN, which names the domain.
    pub primary: VlanId,
    /// The VLAN of hosts that reach promiscuous ports only.
    pub isolated: Option<VlanId>,
    /// The VLANs of hosts that reach each other too.
    pub communities: Vec<VlanId>,
}

/// Domains that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "VLAN {vlan} is in the private VLANs {first} and {second}, or twice in one; take it out of one with `no \
     private-vlan association`"
)]
pub struct VlanTwice {
    /// The VLAN.
    pub vlan: VlanId,
    /// The primary VLAN of the domain it is in.
    pub first: VlanId,
    /// The primary VLAN of the other, or of the same.
    pub second: VlanId,
}

/// Who a frame is from, or a port is, in its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reaches all.
    Promiscuous,
    /// Reaches promiscuous ports.
    Isolated,
    /// Reaches promiscuous ports and its own community.
    Community(VlanId),
}

/// Whether a frame from one may reach the other, both in one domain (RFC 5517 section 3).
///
/// ```
/// use niv::VlanId;
/// use policy::private_vlan::{Role, may};
///
/// let (a, b) = (VlanId::try_from(101)?, VlanId::try_from(102)?);
/// assert!(may(Role::Community(a), Role::Community(a)));
/// assert!(!may(Role::Community(a), Role::Community(b)));
/// assert!(!may(Role::Isolated, Role::Isolated));
/// # Ok::<(), niv::InvalidId>(())
/// ```
pub const fn may(from: Role, to: Role) -> bool {
    match (from, to) {
        (Role::Promiscuous, _) | (_, Role::Promiscuous) => true,
        (Role::Community(from), Role::Community(to)) => from.get() == to.get(),
        (Role::Isolated, _) | (_, Role::Isolated) => false,
    }
}

/// A port that knows of private VLANs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PrivatePort {
    /// A host of this secondary VLAN; untagged.
    Host(VlanId),
    /// A promiscuous port of the domain with this primary VLAN; untagged.
    Promiscuous {
        /// The primary VLAN.
        primary: VlanId,
        /// The secondary VLANs whose hosts reach it.
        mapped: Arc<VlanSet>,
    },
    /// A promiscuous port of several domains, and of ordinary VLANs; tagged.
    PromiscuousTrunk {
        /// Primary and ordinary VLANs.
        vlans: TrunkVlans,
        /// The secondary VLANs whose hosts reach it.
        mapped: Arc<VlanSet>,
    },
    /// To another switch that knows the same domains; tagged with the VLAN a frame travels in.
    SwitchTrunk(TrunkVlans),
}

/// The VLANs of a trunk, as for ordinary ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrunkVlans {
    /// Those that may be tagged.
    pub allowed: Arc<VlanSet>,
    /// Untagged both ways. `None`: untagged frames are dropped.
    pub native: Option<VlanId>,
}

impl TrunkVlans {
    fn vlan(&self, vid: u16) -> Option<VlanId> {
        if vid == 0 {
            return self.native;
        }
        let vlan = VlanId::try_from(vid).ok()?;
        self.allowed.contains(vlan).then_some(vlan)
    }

    fn leave(&self, vlan: VlanId) -> Leave {
        if self.native == Some(vlan) {
            Leave::Untagged
        } else if self.allowed.contains(vlan) {
            Leave::Tagged(vlan)
        } else {
            Leave::No
        }
    }
}

/// How a frame leaves by a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leave {
    /// Not at all.
    No,
    /// Without a tag.
    Untagged,
    /// With a tag that says this VLAN.
    Tagged(VlanId),
}

/// Members on one link that get equal octets of a flood: those that can share a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class<L, M> {
    /// The link.
    pub link: L,
    /// With which tag; never [`Leave::No`].
    pub leave: Leave,
    /// In the order they were given.
    pub members: Vec<M>,
}

/// What each VLAN is, by VID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateVlans {
    of: Box<[Option<(VlanId, Role)>]>,
    /// By primary VLAN: all VLANs of the domain, ascending.
    domains: BTreeMap<VlanId, Vec<VlanId>>,
}

impl PrivateVlans {
    /// The switch's domains.
    ///
    /// # Errors
    /// A VLAN has two parts to play.
    pub fn new(domains: &[Domain]) -> Result<Self, VlanTwice> {
        let mut of = vec![None; usize::from(VlanId::MAX) + 1];
        let mut members: BTreeMap<VlanId, Vec<VlanId>> = BTreeMap::new();
        for domain in domains {
            let isolated = domain.isolated.iter().map(|&vlan| (vlan, Role::Isolated));
            let communities = domain
                .communities
                .iter()
                .map(|&vlan| (vlan, Role::Community(vlan)));
            let primary = [(domain.primary, Role::Promiscuous)];
            for (vlan, role) in primary.into_iter().chain(isolated).chain(communities) {
                let Some(place) = of.get_mut(usize::from(vlan.get())) else {
                    continue;
                };
                if let Some((first, _)) = place.replace((domain.primary, role)) {
                    return Err(VlanTwice {
                        vlan,
                        first,
                        second: domain.primary,
                    });
                }
                members.entry(domain.primary).or_default().push(vlan);
            }
        }
        for members in members.values_mut() {
            members.sort_unstable();
        }
        Ok(Self {
            of: of.into(),
            domains: members,
        })
    }

    /// There is no domain: every VLAN is an ordinary one.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// The domain `vlan` is in, by its primary VLAN, and who sends in it; `None`: it is an ordinary VLAN.
    #[inline]
    pub fn part(&self, vlan: VlanId) -> Option<(VlanId, Role)> {
        self.of.get(usize::from(vlan.get())).copied().flatten()
    }

    /// Under what addresses are learned and looked up for frames that travel in `vlan`.
    #[inline]
    pub fn filtering_id(&self, vlan: VlanId) -> VlanId {
        self.part(vlan).map_or(vlan, |(primary, _)| primary)
    }

    /// The VLAN a frame travels in that came by `port` with `tag` outermost.
    ///
    /// # Errors
    /// As for ordinary VLANs: `service_tag`, `vlan_not_allowed`, and `vlan_undefined` when the VLAN or its domain's
    /// primary VLAN is not in `defined`, or when it has not the part in a domain that the port takes it for.
    #[inline]
    pub fn classify(
        &self,
        port: &PrivatePort,
        tag: Option<VlanTag>,
        defined: &VlanSet,
    ) -> Result<VlanId, DropReason> {
        let vid = match tag {
            None => 0,
            Some(tag) if tag.tpid == ethertype::VLAN => tag.vid(),
            Some(_) => return Err(DropReason::ServiceTag),
        };
        let vlan = match port {
            PrivatePort::Host(vlan) if vid == 0 => Some(*vlan),
            PrivatePort::Promiscuous { primary, .. } if vid == 0 => Some(*primary),
            PrivatePort::Host(_) | PrivatePort::Promiscuous { .. } => None,
            PrivatePort::PromiscuousTrunk { vlans, .. } => {
                vlans.vlan(vid).filter(|&vlan| !self.is_secondary(vlan))
            }
            PrivatePort::SwitchTrunk(vlans) => vlans.vlan(vid),
        }
        .ok_or(DropReason::VlanNotAllowed)?;
        let is_what_it_is_taken_for = match port {
            PrivatePort::Host(_) => self.is_secondary(vlan),
            PrivatePort::Promiscuous { .. } => self.is_primary(vlan),
            PrivatePort::PromiscuousTrunk { .. } | PrivatePort::SwitchTrunk(_) => true,
        };
        let is_defined = defined.contains(vlan) && defined.contains(self.filtering_id(vlan));
        if is_what_it_is_taken_for && is_defined {
            Ok(vlan)
        } else {
            Err(DropReason::VlanUndefined)
        }
    }

    /// How a frame that travels in `vlan` leaves by `port`.
    #[inline]
    pub fn leave(&self, port: &PrivatePort, vlan: VlanId) -> Leave {
        let untagged_if = |reaches| if reaches { Leave::Untagged } else { Leave::No };
        match (port, self.part(vlan)) {
            (PrivatePort::SwitchTrunk(vlans), _) => vlans.leave(vlan),
            (PrivatePort::PromiscuousTrunk { vlans, mapped }, part) => match part {
                Some((_, from)) if from != Role::Promiscuous && !mapped.contains(vlan) => Leave::No,
                Some((primary, _)) => vlans.leave(primary),
                None => vlans.leave(vlan),
            },
            (PrivatePort::Host(own), Some((primary, from))) => {
                let reaches = self.part(*own).is_some_and(|(domain, to)| {
                    domain == primary && to != Role::Promiscuous && may(from, to)
                });
                untagged_if(reaches)
            }
            (PrivatePort::Promiscuous { primary, mapped }, Some((domain, from))) => {
                let reaches = from == Role::Promiscuous || mapped.contains(vlan);
                untagged_if(*primary == domain && reaches)
            }
            (PrivatePort::Host(_) | PrivatePort::Promiscuous { .. }, None) => Leave::No,
        }
    }

    /// Each VLAN of `among` whose frames leave by `port`, ascending, and how; never [`Leave::No`].
    pub fn each_leave(
        &self,
        port: &PrivatePort,
        among: &VlanSet,
        mut each: impl FnMut(VlanId, Leave),
    ) {
        let mut ask = |vlan| match self.leave(port, vlan) {
            Leave::No => {}
            leave => each(vlan, leave),
        };
        let one = match port {
            PrivatePort::Host(vlan) => self.part(*vlan).map(|(primary, _)| primary),
            PrivatePort::Promiscuous { primary, .. } => Some(*primary),
            PrivatePort::PromiscuousTrunk { .. } | PrivatePort::SwitchTrunk(_) => {
                return among.iter().for_each(ask);
            }
        };
        let domain = one.and_then(|primary| self.domains.get(&primary));
        for &vlan in domain.into_iter().flatten() {
            if among.contains(vlan) {
                ask(vlan);
            }
        }
    }

    /// Whether `port` is of the domain that `vlan` is in: who gets nothing of it is kept apart by private VLANs.
    pub fn is_of_domain(&self, port: &PrivatePort, vlan: VlanId) -> bool {
        let Some((domain, _)) = self.part(vlan) else {
            return false;
        };
        match port {
            PrivatePort::Host(own) => self.filtering_id(*own) == domain,
            PrivatePort::Promiscuous { primary, .. } => *primary == domain,
            PrivatePort::PromiscuousTrunk { vlans, .. } | PrivatePort::SwitchTrunk(vlans) => {
                vlans.leave(domain) != Leave::No
            }
        }
    }

    /// Addresses learned on `port` in the domain of `vlan` stay there (design.md section 5.6): no host takes the
    /// gateway's.
    pub fn holds_addresses(&self, port: &PrivatePort, vlan: VlanId) -> bool {
        match port {
            PrivatePort::Promiscuous { .. } => true,
            PrivatePort::PromiscuousTrunk { .. } => self.part(vlan).is_some(),
            PrivatePort::Host(_) | PrivatePort::SwitchTrunk(_) => false,
        }
    }

    /// Who shares copies of what is flooded in the VLAN it travels in: members of one link that get equal octets.
    /// Ascending by link. The sender is among them where it is a member, and is left out of its copy as for any VLAN.
    ///
    /// A domain with `n` communities has `n + 2` VLANs to travel in and so no more sets than that on a link of hosts.
    pub fn classes<'p, L: Ord + Copy, M>(
        &self,
        vlan: VlanId,
        ports: impl IntoIterator<Item = (L, M, &'p PrivatePort)>,
    ) -> Vec<Class<L, M>> {
        let mut classes: Vec<Class<L, M>> = Vec::new();
        for (link, member, port) in ports {
            let leave = self.leave(port, vlan);
            if leave == Leave::No {
                continue;
            }
            match classes.binary_search_by_key(&(link, leave), |class| (class.link, class.leave)) {
                Ok(at) => {
                    if let Some(class) = classes.get_mut(at) {
                        class.members.push(member);
                    }
                }
                Err(at) => classes.insert(
                    at,
                    Class {
                        link,
                        leave,
                        members: vec![member],
                    },
                ),
            }
        }
        classes
    }

    fn is_secondary(&self, vlan: VlanId) -> bool {
        matches!(
            self.part(vlan),
            Some((_, Role::Isolated | Role::Community(_)))
        )
    }

    fn is_primary(&self, vlan: VlanId) -> bool {
        matches!(self.part(vlan), Some((_, Role::Promiscuous)))
    }
}

#[cfg(test)]
#[path = "private_vlan_tests.rs"]
mod tests;
