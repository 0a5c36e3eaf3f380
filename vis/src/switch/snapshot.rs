//! What a worker forwards by: immutable, published by control, loaded once per burst.

use super::filters::FilterList;
use super::flood::{Flood, Floods, List};
use super::topology::{AwayPlan, Declared};
use super::{PortPolicy, TableParameters, VlanPolicy};
use crate::edge::{Attachment, Link};
use niv::{PortId, Slot, VlanId, VlanSet};
use policy::private_vlan::PrivateVlans;
use std::sync::Arc;

/// One cut of the switch's policy. Made by [`super::Topology::compile`].
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) epoch: u64,
    /// By slot index.
    pub(super) ports: Box<[Option<BridgePort>]>,
    /// By device.
    pub(super) links: Box<[Link]>,
    pub(super) floods: Floods,
    /// The access lists that ports are asked by, by name.
    pub(super) filters: Box<[FilterList]>,
    pub(super) all_vlans: VlanSet,
    pub(super) private: Option<Arc<PrivateVlans>>,
    pub(super) table: TableParameters,
    pub(super) away: Box<[AwayPlan]>,
    /// Ascending.
    pub(super) declared: Arc<[Declared]>,
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
        &self.floods.defined
    }

    /// The VLANs that are there, those that carry nothing too.
    pub(super) const fn all_vlans(&self) -> &VlanSet {
        &self.all_vlans
    }

    /// The private VLANs; `None`: there are none.
    #[inline]
    pub(super) fn private(&self) -> Option<&PrivateVlans> {
        self.private.as_deref()
    }

    /// Under what the addresses of frames of `vlan` are learned and looked up.
    #[inline]
    pub fn filtering_id(&self, vlan: VlanId) -> VlanId {
        match &self.private {
            None => vlan,
            Some(private) => private.filtering_id(vlan),
        }
    }

    /// Who gets what is flooded in `vlan`: indices of the forwarding members, ascending.
    #[inline]
    pub fn members(&self, vlan: VlanId) -> &[u16] {
        self.floods.flood(vlan).map_or(&[], |flood| &flood.members)
    }

    /// How they get it.
    #[inline]
    pub(super) fn flood(&self, vlan: VlanId) -> Option<&Flood> {
        self.floods.flood(vlan)
    }

    /// The list at `place`.
    #[inline]
    pub(super) fn list(&self, place: u16) -> Option<&List> {
        self.floods.list(place)
    }

    /// The lists that are used.
    pub(super) fn lists(&self) -> &[List] {
        self.floods.lists()
    }

    /// The access lists that ports are asked by, ascending by name.
    pub fn filters(&self) -> &[FilterList] {
        &self.filters
    }

    /// Interfaces that keep secure addresses and are no bridge ports just now.
    pub(super) const fn away(&self) -> &[AwayPlan] {
        &self.away
    }

    /// The addresses that vNICs say are theirs, ascending by filtering id and address.
    pub(super) fn declared(&self) -> Arc<[Declared]> {
        Arc::clone(&self.declared)
    }

    /// How the table ages and holds.
    pub const fn table(&self) -> TableParameters {
        self.table
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
    /// What else its profile asks of frames.
    pub policy: PortPolicy,
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
    /// Its interface virtualizer is being told to let its frames pass: what it sends is taken, and who it spoke to
    /// can answer; floods leave it out until its interface virtualizer has said that it does.
    Opening,
    /// It was shut by hand.
    Shut,
    /// A guard shut it.
    ErrDisabled,
    /// Part of its profile is not in force.
    ProfileIncomplete,
}
