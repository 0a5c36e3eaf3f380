//! Private VLANs on the way of a frame (design.md sections 5.6 and 5.7; the rules are [`policy::private_vlan`]'s).
//!
//! A frame travels in the VLAN of its sender: in the primary one from a promiscuous port, in a secondary one from a host.
//! So membership and floods are by VLAN as everywhere; what differs is that a whole domain has one filtering id, and that
//! a promiscuous port keeps its addresses.

use super::snapshot::{BridgePort, Snapshot};
use super::trail::Trail;
use super::{Learned, Membership, Time, VlanPolicy};
use niv::{DropReason, Mac, VlanId, VlanSet, VlanTag};
use policy::private_vlan::{Leave, PrivatePort, PrivateVlans, Role};
use std::sync::Arc;

/// What a bridge port is in private VLANs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivatePolicy {
    /// Its part.
    pub port: PrivatePort,
    /// The switch's domains: those of [`super::Topology::private`].
    pub vlans: Arc<PrivateVlans>,
    /// It is a host of a VLAN that carries nothing.
    is_silent: bool,
}

impl PrivatePolicy {
    /// Of a port with that part.
    pub const fn new(port: PrivatePort, vlans: Arc<PrivateVlans>) -> Self {
        Self {
            port,
            vlans,
            is_silent: false,
        }
    }

    /// As it is where only the VLANs in `carrying` carry frames: whose own VLAN does not gets nothing, in whichever VLAN it travels.
    pub(super) fn in_force(&self, carrying: &VlanSet) -> Self {
        Self {
            is_silent: self.is_silent_among(carrying),
            ..self.clone()
        }
    }

    fn is_silent_among(&self, carrying: &VlanSet) -> bool {
        matches!(self.port, PrivatePort::Host(own) if !carrying.contains(own))
    }

    pub(super) fn classify(
        &self,
        tag: Option<VlanTag>,
        defined: &VlanSet,
    ) -> Result<VlanId, DropReason> {
        self.vlans.classify(&self.port, tag, defined)
    }

    pub(super) fn membership(&self, vlan: VlanId) -> Membership {
        if self.is_silent {
            return Membership::No;
        }
        membership(self.vlans.leave(&self.port, vlan), vlan)
    }

    pub(super) fn each_use(&self, defined: &VlanSet, mut each: impl FnMut(VlanId, Membership)) {
        if self.is_silent_among(defined) {
            return;
        }
        self.vlans.each_leave(&self.port, defined, |vlan, leave| {
            each(vlan, membership(leave, vlan));
        });
    }

    /// Why no frame of `vlan` leaves by this port, which is not a member.
    pub(super) fn apart(&self, vlan: VlanId) -> DropReason {
        match (self.vlans.is_of_domain(&self.port, vlan), self.is_silent) {
            (false, _) => DropReason::NotMember,
            (true, false) => DropReason::PrivateVlan,
            (true, true) => DropReason::VlanInactive,
        }
    }

    fn holds_addresses(&self, vlan: VlanId) -> bool {
        self.vlans.holds_addresses(&self.port, vlan)
    }

    const fn is_host(&self) -> bool {
        matches!(self.port, PrivatePort::Host(_))
    }
}

fn membership(leave: Leave, vlan: VlanId) -> Membership {
    match leave {
        Leave::No => Membership::No,
        Leave::Untagged => Membership::Untagged,
        Leave::Tagged(tag) if tag == vlan => Membership::Tagged,
        Leave::Tagged(tag) => Membership::TaggedAs(tag),
    }
}

/// Learns under the domain's filtering id. A promiscuous port's address stays there when a host sends from it, or a host could
/// take the gateway's; and a host's is a promiscuous port's as soon as that sends from it, whatever hosts did to keep it. Between
/// promiscuous ports it moves as any, so that one gateway can follow another.
pub(super) fn learn(
    trail: &mut impl Trail,
    snapshot: &Snapshot,
    private: &PrivateVlans,
    vlan: VlanId,
    source: Mac,
    from: &BridgePort,
    now: Time,
) -> Learned {
    let Some((primary, role)) = private.part(vlan) else {
        return trail.learn(vlan, source, from.slot, now);
    };
    let holder = trail.lookup(primary, source, now);
    let holder = holder.filter(|&slot| slot != from.slot);
    let holder = match holder.and_then(|slot| snapshot.holder(slot)) {
        Some(port) => match &port.vlan {
            VlanPolicy::Private(policy) => Some(policy),
            VlanPolicy::Access(_) | VlanPolicy::Trunk { .. } => None,
        },
        None => None,
    };
    match (role, holder) {
        (Role::Promiscuous, Some(holder)) if holder.is_host() => {
            trail.claim(primary, source, from.slot, now)
        }
        (Role::Isolated | Role::Community(_), Some(holder)) if holder.holds_addresses(vlan) => {
            Learned::AtPromiscuous
        }
        _ => trail.learn(primary, source, from.slot, now),
    }
}
