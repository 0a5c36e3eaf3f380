//! From configuration to what the worker forwards by, and to the devices that takes.

use super::private_vlan;
use super::rates;
use crate::config::{
    Config, Effective, EthernetId, InterfaceId, ListNames, Membership, State, VethId,
};
use crate::switch::{
    FilterList, Filters, LinkKind, LinkPlan, NoSlotLeft, PortPlan, PortPolicy, PortState, Slots,
    TableParameters, Topology, VlanPolicy,
};
use niv::PortId;
use packet_io::device::Role;
use packet_io::supervise::Wanted;
use packet_io::worker::PortUse;
use policy::acl::Family;
use policy::private_vlan::PrivateVlans;
use std::sync::Arc;

/// The MTU of a guest that nobody names another for, in octets.
const GUEST_MTU: u32 = 1500;

/// What a VNTag and one VLAN tag of a guest take of a link's MTU (design.md section 5.8).
const TAGS: u32 = (vntag::VnTag::LEN + vntag::VlanTag::LEN) as u32;

/// The worker's number for the device of an ethernet interface.
pub(crate) fn port_id(ethernet: EthernetId) -> PortId {
    PortId(ethernet.get() - 1)
}

/// The topology a configuration describes. Interfaces without a device, vEths bound to nothing, and those
/// that do not take part have no place in it.
///
/// # Errors
/// More interfaces than there are slots.
pub fn topology(
    config: &Config,
    epoch: u64,
    slots: &mut Slots<InterfaceId>,
    takes_part: impl Fn(VethId) -> bool,
) -> Result<Topology, NoSlotLeft> {
    let mut topology = Topology {
        epoch,
        table: TableParameters {
            ageing_seconds: config.aging().map_or(0, |aging| aging.as_secs() as u32),
            ..TableParameters::default()
        },
        ..Topology::default()
    };
    private_vlan::vlans(config, &mut topology);
    let private = topology.private.clone();
    let policy = |effective: &Effective| policy(config, effective, private.as_ref());
    let port_policy = |effective: &Effective| port_policy(config, effective, private.as_deref());
    for (&id, ethernet) in &config.ethernets {
        let (Some(_), Some(effective)) = (&ethernet.device, config.effective_ethernet(id)) else {
            continue;
        };
        let interface = InterfaceId::Ethernet(id);
        let niv = effective.membership == Membership::Vntag;
        topology.links.push(LinkPlan {
            device: port_id(id),
            name: interface.to_string(),
            kind: if niv { LinkKind::Niv } else { LinkKind::Plain },
        });
        if !niv {
            let slot = slots.claim(interface)?;
            topology.ports.push(PortPlan {
                slot,
                name: interface.to_string(),
                device: port_id(id),
                vif: None,
                vlan: policy(&effective),
                state: state(&effective.state),
                mtu: mtu(&effective),
                policy: port_policy(&effective),
            });
        }
    }
    for (&id, veth) in &config.veths {
        let Some(effective) = config.effective_veth(id) else {
            continue;
        };
        let Some(bind) = veth.bind.filter(|_| takes_part(id)) else {
            continue;
        };
        // Where the link is missing or is not one, the vEth is incomplete, and nothing leads to it.
        let link = config.effective_ethernet(bind.ethernet).filter(|link| {
            let device = config
                .ethernets
                .get(&bind.ethernet)
                .and_then(|e| e.device.as_ref());
            device.is_some() && link.membership == Membership::Vntag
        });
        let Some(link) = link else { continue };
        let interface = InterfaceId::Veth(id);
        let own = state(&effective.state);
        topology.ports.push(PortPlan {
            slot: slots.claim(interface)?,
            name: interface.to_string(),
            device: port_id(bind.ethernet),
            vif: Some(bind.channel),
            vlan: policy(&effective),
            // A link that is shut carries nobody.
            state: if own == PortState::Forwarding {
                state(&link.state)
            } else {
                own
            },
            mtu: mtu(&effective),
            policy: port_policy(&effective),
        });
    }
    Ok(topology)
}

/// The devices a configuration takes. One that is shut is left alone.
pub(crate) fn wanted(config: &Config) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (&id, ethernet) in &config.ethernets {
        let (Some(device), Some(effective)) = (&ethernet.device, config.effective_ethernet(id))
        else {
            continue;
        };
        if effective.state == State::Shut {
            continue;
        }
        let niv = effective.membership == Membership::Vntag;
        let own = effective.mtu.map(|mtu| u32::from(mtu.get()));
        let mtu = if niv {
            let guests = config
                .veths
                .iter()
                .filter(|(_, veth)| veth.bind.is_some_and(|bind| bind.ethernet == id));
            let by_hand = guests.filter_map(|(&id, _)| config.effective_veth(id)?.mtu);
            // Any vNIC may come, with any profile that it may ask for here.
            let may_come = config
                .profiles
                .iter()
                .filter(|(name, _)| ethernet.vic.allows(name.as_str()))
                .filter_map(|(_, lines)| lines.mtu);
            let guest = by_hand
                .chain(may_come)
                .map(|mtu| u32::from(mtu.get()))
                .chain([GUEST_MTU])
                .max();
            own.unwrap_or(0).max(guest.unwrap_or(GUEST_MTU) + TAGS)
        } else {
            own.unwrap_or(0)
        };
        wanted.push(Wanted {
            id: port_id(id),
            name: device.to_string(),
            role: if niv { Role::Niv } else { Role::Plain },
            mtu,
            roomy: niv && config.vic_authentication(id).is_some(),
            // What a link carries unfinished is agreed on in its session.
            usage: PortUse {
                pad: true,
                offload: !niv,
            },
        });
    }
    wanted
}

/// Whether an interface virtualizer is behind this port, and a device in it.
pub(crate) fn has_niv_port(config: &Config, id: EthernetId) -> bool {
    let mut niv = wanted(config).into_iter().filter(|w| w.role == Role::Niv);
    niv.any(|wanted| wanted.id == port_id(id))
}

fn policy(
    config: &Config,
    effective: &Effective,
    private: Option<&Arc<PrivateVlans>>,
) -> VlanPolicy {
    match &effective.membership {
        Membership::Access { vlan } => VlanPolicy::Access(*vlan),
        Membership::Trunk { native, allowed } => {
            private_vlan::trunk(*native, allowed, config.tag_native)
        }
        Membership::Private(membership) => {
            private_vlan::policy(membership, config.tag_native, private)
        }
        // Refused by the configuration for a vEth, and no bridge port for an ethernet.
        Membership::Vntag => private_vlan::nothing(),
    }
}

/// What is asked of frames beyond VLANs and length. What is not there to be asked holds the port down.
fn port_policy(
    config: &Config,
    effective: &Effective,
    private: Option<&PrivateVlans>,
) -> PortPolicy {
    PortPolicy {
        filters: Filters::new(
            filter_lists(config, &effective.filters.inward),
            filter_lists(config, &effective.filters.outward),
        ),
        rates: rates::policy(&effective.rates),
        guards: super::guards::policy(effective, private),
    }
}

fn filter_lists(config: &Config, names: &ListNames) -> impl Iterator<Item = FilterList> {
    Family::ALL.into_iter().filter_map(|family| {
        let (list, compiled) = config.lists.compiled(names.get(family)?)?;
        (list.family() == family).then_some(FilterList { list, compiled })
    })
}

fn state(state: &State) -> PortState {
    match state {
        State::Forwarding => PortState::Forwarding,
        State::Shut => PortState::Shut,
        State::ProfileIncomplete { .. } => PortState::ProfileIncomplete,
    }
}

/// Without a line, what the device takes: it says itself what is too long.
fn mtu(effective: &Effective) -> u32 {
    effective.mtu.map_or(u32::MAX, |mtu| u32::from(mtu.get()))
}
