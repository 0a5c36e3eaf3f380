//! What there is to switch between, in plain data; and its check.

use super::filters::Places;
use super::flood::{Floods, ListPlan};
use super::guard::GuardPolicy;
use super::sharing::{User, each_use};
use super::snapshot::{BridgePort, Home, PortState, Snapshot};
use super::{Membership, PortPolicy, TableParameters, VlanPolicy};
use crate::edge::{Attachment, Link, VifMap};
use niv::{Mac, PortId, Slot, VifId, VlanId, VlanSet};
use policy::private_vlan::PrivateVlans;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything a [`Snapshot`] is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Larger than that of any snapshot before.
    pub epoch: u64,
    /// The devices.
    pub links: Vec<LinkPlan>,
    /// The bridge ports. A vEth that is on no link, or whose VIF is not enabled, is left out.
    pub ports: Vec<PortPlan>,
    /// The VLANs that carry frames.
    pub vlans: VlanSet,
    /// VLANs that are defined too, and carry nothing: suspended, or a private VLAN that is not whole.
    pub inactive: VlanSet,
    /// The private VLANs; `None`: there are none.
    pub private: Option<Arc<PrivateVlans>>,
    /// The lists that floods may leave by.
    pub lists: Vec<ListPlan>,
    /// Interfaces that keep secure addresses and are no bridge ports just now.
    pub away: Vec<AwayPlan>,
    /// The addresses that vNICs say are theirs.
    pub declared: Vec<Declared>,
    /// How the table ages and holds.
    pub table: TableParameters,
}

/// An interface that is away, or whose profile is not whole: its static and sticky addresses stay its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwayPlan {
    /// Its place, which it keeps.
    pub slot: Slot,
    /// Its port security; the rest of the policy does not matter.
    pub guards: Arc<GuardPolicy>,
}

/// An address that a vNIC says is its own (VifCreate): nobody else may learn it as a secure one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Declared {
    /// The filtering id of its untagged frames.
    pub vlan: VlanId,
    /// The address.
    pub mac: Mac,
    /// The vNIC's place.
    pub slot: Slot,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPlan {
    /// Dense from 0.
    pub device: PortId,
    /// As network people call it: `ethernet 1`.
    pub name: String,
    /// What is behind it.
    pub kind: LinkKind,
}

/// What is behind a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// An interface virtualizer.
    Niv,
    /// Ordinary Ethernet.
    Plain,
}

/// One bridge port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPlan {
    /// From [`super::Slots`]; index 0..=65534.
    pub slot: Slot,
    /// As network people call it: `veth1`.
    pub name: String,
    /// The device it is reached by.
    pub device: PortId,
    /// Its VIF there: given for a vEth, and only for a vEth.
    pub vif: Option<VifId>,
    /// Which VLANs it uses.
    pub vlan: VlanPolicy,
    /// Whether it forwards.
    pub state: PortState,
    /// Octets behind the Ethernet header and the outer VLAN tag, at most.
    pub mtu: u32,
    /// What else its profile asks of frames.
    pub policy: PortPolicy,
}

impl PortPlan {
    /// Whether it is the same but for its place.
    pub fn is_like(&self, other: &Self) -> bool {
        let slot = self.slot;
        let moved = Self {
            slot,
            ..other.clone()
        };
        *self == moved
    }
}

impl Topology {
    /// The VLANs whose frames `port` gets, and that in which it sends untagged ones.
    pub fn vlans_of(&self, port: &PortPlan) -> VlanSet {
        let mut vlans = VlanSet::EMPTY;
        each_use(&port.vlan, &self.vlans, |vlan, membership| {
            if membership != Membership::No {
                vlans.insert(vlan);
            }
        });
        // A host of a private VLAN sends in another VLAN than it gets.
        if let Ok(vlan) = port.vlan.classify(None, &self.vlans) {
            vlans.insert(vlan);
        }
        vlans
    }
}

/// Why a topology makes no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// Two devices have one number.
    #[error("`{second}` and `{first}` are one device; name it once, with `no interface {second}`")]
    DeviceTwice {
        /// The one that stands first.
        first: String,
        /// The other.
        second: String,
    },
    /// A bridge port is on a device that is not in the topology.
    #[error("`{port}` is on device {}, which is not there; bind it to a port that is, with `bind interface`", device.0)]
    NoSuchDevice {
        /// The bridge port.
        port: String,
        /// Where it is said to be.
        device: PortId,
    },
    /// Two bridge ports have one place.
    #[error(
        "`{second}` and `{first}` have one slot, {index}; remove one with `no interface {second}`"
    )]
    SlotTwice {
        /// The one that stands first.
        first: String,
        /// The other.
        second: String,
        /// The place.
        index: u16,
    },
    /// A place beyond the last.
    #[error(
        "`{port}` has slot 65535, and the last is 65534; remove ports with `no interface NAME`"
    )]
    SlotOutOfRange {
        /// The bridge port.
        port: String,
    },
    /// Two vEths have one VIF.
    #[error(
        "`{second}` and `{first}` are both on {link} channel {vif}; give `{second}` another with `bind interface {link} channel N`"
    )]
    VifTwice {
        /// The one that stands first.
        first: String,
        /// The other.
        second: String,
        /// The link.
        link: String,
        /// The VIF both claim.
        vif: VifId,
    },
    /// A bridge port on a NIV port says no VIF.
    #[error(
        "`{port}` is on {link}, which has an interface virtualizer behind it, and names no channel; give one with `bind interface {link} channel N`"
    )]
    NoVif {
        /// The bridge port.
        port: String,
        /// The link.
        link: String,
    },
    /// A bridge port on a plain port says a VIF.
    #[error(
        "`{port}` names channel {vif} of {link}, which has no interface virtualizer behind it; make it one with `switchport mode vntag` on {link}"
    )]
    VifOnPlain {
        /// The bridge port.
        port: String,
        /// The link.
        link: String,
        /// The VIF.
        vif: VifId,
    },
    /// Two bridge ports are one plain port.
    #[error(
        "`{second}` and `{first}` are both the plain port {link}; remove one with `no interface {second}`"
    )]
    PlainTwice {
        /// The one that stands first.
        first: String,
        /// The other.
        second: String,
        /// The link.
        link: String,
    },
}

impl Topology {
    /// Checks the topology and makes the snapshot of it.
    ///
    /// # Errors
    /// Two parts contradict each other. Nothing is guessed: control keeps the snapshot it had.
    pub fn compile(&self) -> Result<Snapshot, TopologyError> {
        let (mut links, names) = self.links()?;
        let mut ports: Vec<Option<BridgePort>> = Vec::new();
        let filters = Places::new(self.ports.iter().map(|plan| &plan.policy.filters));
        for plan in &self.ports {
            let attachment = self.attach(plan, &mut links, &names)?;
            let port = BridgePort {
                slot: plan.slot,
                home: Home {
                    device: plan.device,
                    attachment,
                },
                vlan: plan.vlan.in_force(&self.vlans),
                state: plan.state,
                mtu: plan.mtu,
                policy: plan.policy.placed(&filters),
                name: plan.name.as_str().into(),
            };
            place(&mut ports, port)?;
        }
        let mut declared = self.declared.clone();
        declared.sort_unstable_by_key(|one| (one.vlan, one.mac, one.slot.index));
        Ok(Snapshot {
            epoch: self.epoch,
            floods: self.floods(&ports),
            filters: filters.lists().collect(),
            all_vlans: self.vlans.union(&self.inactive),
            private: self.private.clone(),
            ports: ports.into(),
            links: links.into(),
            table: self.table,
            away: self.away.clone().into(),
            declared: declared.into(),
        })
    }

    fn floods(&self, ports: &[Option<BridgePort>]) -> Floods {
        let forwarding = ports
            .iter()
            .flatten()
            .filter(|port| port.state == PortState::Forwarding);
        let users: Vec<_> = forwarding
            .map(|port| User {
                index: port.slot.index,
                device: port.home.device,
                vif: match port.home.attachment {
                    Attachment::Vif(_) if port.policy.judges_copies() => None,
                    Attachment::Vif(vif) => Some(vif),
                    Attachment::Plain => None,
                },
                policy: &port.vlan,
                mtu: port.mtu,
            })
            .collect();
        Floods::new(&users, self.vlans.clone(), &self.lists)
    }

    fn links(&self) -> Result<(Vec<Link>, BTreeMap<PortId, &str>), TopologyError> {
        let mut links = Vec::new();
        let mut names = BTreeMap::new();
        for plan in &self.links {
            if let Some(first) = names.insert(plan.device, plan.name.as_str()) {
                return Err(TopologyError::DeviceTwice {
                    first: first.to_owned(),
                    second: plan.name.clone(),
                });
            }
            let at = usize::from(plan.device.0);
            if links.len() <= at {
                links.resize_with(at + 1, || Link::Unused);
            }
            if let Some(link) = links.get_mut(at) {
                *link = match plan.kind {
                    LinkKind::Niv => Link::Niv(VifMap::new()),
                    LinkKind::Plain => Link::Plain(None),
                };
            }
        }
        Ok((links, names))
    }

    /// Enters the port in its link, under its VIF if it has one.
    fn attach(
        &self,
        plan: &PortPlan,
        links: &mut [Link],
        names: &BTreeMap<PortId, &str>,
    ) -> Result<Attachment, TopologyError> {
        let port = || plan.name.clone();
        let link = || {
            let name = names.get(&plan.device).copied();
            name.unwrap_or_default().to_owned()
        };
        let first = |index| {
            let holder = self.ports.iter().find(|other| other.slot.index == index);
            holder.map(|other| other.name.clone()).unwrap_or_default()
        };
        let index = plan.slot.index;
        match (links.get_mut(usize::from(plan.device.0)), plan.vif) {
            (None | Some(Link::Unused), _) => Err(TopologyError::NoSuchDevice {
                port: port(),
                device: plan.device,
            }),
            (Some(Link::Niv(vifs)), Some(vif)) => match vifs.insert(vif, index) {
                None => Ok(Attachment::Vif(vif)),
                Some(other) => Err(TopologyError::VifTwice {
                    first: first(other),
                    second: port(),
                    link: link(),
                    vif,
                }),
            },
            (Some(Link::Niv(_)), None) => Err(TopologyError::NoVif {
                port: port(),
                link: link(),
            }),
            (Some(Link::Plain(_)), Some(vif)) => Err(TopologyError::VifOnPlain {
                port: port(),
                link: link(),
                vif,
            }),
            (Some(Link::Plain(holder)), None) => match holder.replace(index) {
                None => Ok(Attachment::Plain),
                Some(other) => Err(TopologyError::PlainTwice {
                    first: first(other),
                    second: port(),
                    link: link(),
                }),
            },
        }
    }
}

fn place(ports: &mut Vec<Option<BridgePort>>, port: BridgePort) -> Result<(), TopologyError> {
    let index = port.slot.index;
    if index == u16::MAX {
        return Err(TopologyError::SlotOutOfRange {
            port: port.name.as_ref().into(),
        });
    }
    let at = usize::from(index);
    if ports.len() <= at {
        ports.resize_with(at + 1, || None);
    }
    match ports.get_mut(at) {
        Some(place @ None) => *place = Some(port),
        holder => {
            let first = holder.and_then(|holder| holder.as_ref());
            return Err(TopologyError::SlotTwice {
                first: first
                    .map(|port| port.name.as_ref().into())
                    .unwrap_or_default(),
                second: port.name.as_ref().into(),
                index,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        Topology {
            links: vec![
                link(0, "ethernet 1", LinkKind::Niv),
                link(1, "ethernet 2", LinkKind::Plain),
            ],
            ports: vec![
                port(0, "veth1", 0, Some(17)),
                port(1, "veth2", 0, Some(18)),
                port(2, "ethernet 2", 1, None),
            ],
            vlans: "1,10".parse().unwrap(),
            ..Topology::default()
        }
    }

    fn link(device: u16, name: &str, kind: LinkKind) -> LinkPlan {
        LinkPlan {
            device: PortId(device),
            name: name.into(),
            kind,
        }
    }

    fn port(index: u16, name: &str, device: u16, vif: Option<u16>) -> PortPlan {
        PortPlan {
            slot: Slot {
                index,
                generation: 0,
            },
            name: name.into(),
            device: PortId(device),
            vif: vif.map(|vif| vif.try_into().unwrap()),
            vlan: VlanPolicy::Access(10.try_into().unwrap()),
            state: PortState::Forwarding,
            mtu: 1500,
            policy: PortPolicy::default(),
        }
    }

    #[test]
    fn members_are_the_forwarding_ports_of_a_defined_vlan() {
        let mut topology = topology();
        topology.ports[1].vlan = VlanPolicy::Trunk {
            allowed: std::sync::Arc::new("1,99".parse().unwrap()),
            native: Some(10.try_into().unwrap()),
        };
        topology.ports[2].state = PortState::Shut;
        let snapshot = topology.compile().unwrap();
        let members = |vid: u16| snapshot.members(vid.try_into().unwrap());
        assert_eq!(members(10), [0, 1]);
        assert_eq!(members(1), [1]);
        assert!(members(99).is_empty());
    }

    #[test]
    fn contradictions_are_refused_by_name() {
        type Change = fn(&mut Topology);
        let cases: [(Change, &str); 8] = [
            (
                |t| t.links.push(link(1, "eth9", LinkKind::Niv)),
                "`eth9` and `ethernet 2` are one device",
            ),
            (
                |t| t.ports.push(port(3, "veth3", 7, None)),
                "`veth3` is on device 7",
            ),
            (
                |t| t.ports.push(port(1, "veth3", 0, Some(3))),
                "`veth3` and `veth2` have one slot, 1",
            ),
            (
                |t| t.ports.push(port(u16::MAX, "veth3", 0, Some(3))),
                "`veth3` has slot 65535",
            ),
            (
                |t| t.ports.push(port(3, "veth3", 0, Some(18))),
                "`veth3` and `veth2` are both on ethernet 1 channel 18",
            ),
            (
                |t| t.ports.push(port(3, "veth3", 0, None)),
                "`veth3` is on ethernet 1, which has an interface virtualizer",
            ),
            (
                |t| t.ports.push(port(3, "veth3", 1, Some(5))),
                "`veth3` names channel 5 of ethernet 2",
            ),
            (
                |t| t.ports.push(port(3, "ethernet 9", 1, None)),
                "`ethernet 9` and `ethernet 2` are both the plain port",
            ),
        ];
        for (change, message) in cases {
            let mut topology = topology();
            change(&mut topology);
            let error = topology.compile().map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
