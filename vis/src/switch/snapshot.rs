//! What a worker forwards by: immutable, published by control, loaded once per burst.

use super::{Membership, TableParameters, VlanPolicy};
use crate::edge::{Attachment, Link};
use niv::{PortId, Slot, VlanId, VlanSet};
use std::sync::Arc;

/// One cut of the switch's policy. Made by [`super::Topology::compile`].
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) epoch: u64,
    /// By slot index.
    pub(super) ports: Box<[Option<BridgePort>]>,
    /// By device.
    pub(super) links: Box<[Link]>,
    pub(super) vlans: Vlans,
    pub(super) table: TableParameters,
}

impl Snapshot {
    /// Grows with every snapshot that control publishes.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The bridge port at place `index`.
    #[inline]
    pub fn port(&self, index: u16) -> Option<&BridgePort> {
        self.ports.get(usize::from(index))?.as_ref()
    }

    /// The bridge port `slot` means; `None` also when its place has another holder by now.
    #[inline]
    pub fn holder(&self, slot: Slot) -> Option<&BridgePort> {
        self.port(slot.index).filter(|port| port.slot == slot)
    }

    /// Every bridge port, ascending by slot index.
    pub fn ports(&self) -> impl Iterator<Item = &BridgePort> {
        self.ports.iter().flatten()
    }

    /// What stands at a device; `None`: this snapshot knows no such device.
    #[inline]
    pub fn link(&self, device: PortId) -> Option<&Link> {
        self.links.get(usize::from(device.0))
    }

    /// How many devices there are room for: one more than the largest [`PortId`].
    pub const fn devices(&self) -> usize {
        self.links.len()
    }

    /// The VLANs that carry frames.
    #[inline]
    pub const fn defined(&self) -> &VlanSet {
        &self.vlans.defined
    }

    /// Who gets what is flooded in `vlan`: indices of the forwarding members, ascending.
    #[inline]
    pub fn members(&self, vlan: VlanId) -> &[u16] {
        self.vlans
            .members
            .get(usize::from(vlan.get()))
            .map_or(&[], |members| members)
    }

    /// How the table ages and holds.
    pub const fn table(&self) -> TableParameters {
        self.table
    }
}

/// The VLANs and who is in them.
#[derive(Clone, Debug)]
pub(super) struct Vlans {
    defined: VlanSet,
    /// By VID, 0..=4094.
    members: Box<[Box<[u16]>]>,
}

impl Vlans {
    pub(super) fn new(defined: VlanSet, ports: &[Option<BridgePort>]) -> Self {
        let mut members = vec![Vec::new(); usize::from(VlanId::MAX) + 1];
        for port in ports.iter().flatten() {
            if port.state != PortState::Forwarding {
                continue;
            }
            let used = match &port.vlan {
                VlanPolicy::Access(vlan) => VlanSet::from(*vlan),
                VlanPolicy::Trunk { allowed, native } => {
                    let native = native.map_or(VlanSet::EMPTY, VlanSet::from);
                    allowed.union(&native)
                }
            };
            for vlan in used.intersection(&defined).iter() {
                debug_assert_ne!(port.vlan.membership(vlan), Membership::No);
                if let Some(members) = members.get_mut(usize::from(vlan.get())) {
                    members.push(port.slot.index);
                }
            }
        }
        Self {
            defined,
            members: members.into_iter().map(Vec::into_boxed_slice).collect(),
        }
    }
}

/// A vEth or plain port, as far as forwarding is concerned.
#[derive(Clone, Debug)]
pub struct BridgePort {
    /// Its place, and which holder of it.
    pub slot: Slot,
    /// Where it is.
    pub home: Home,
    /// Which VLANs it uses.
    pub vlan: VlanPolicy,
    /// Whether it forwards.
    pub state: PortState,
    /// Octets behind the Ethernet header and the outer VLAN tag, at most.
    pub mtu: u32,
    /// The priority and drop bits of VLAN tags that come in here are kept; else they are cleared.
    pub trust_priority: bool,
    /// As network people call it.
    pub name: Arc<str>,
}

/// Which device a bridge port is reached by, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// The device.
    pub device: PortId,
    /// What tells the port from others on that device.
    pub attachment: Attachment,
}

/// Whether a bridge port forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// It does.
    Forwarding,
    /// It was shut by hand, or by a guard.
    Shut,
    /// Part of its profile is not in force.
    ProfileIncomplete,
}
