//! Who gets what is flooded, worked out when a snapshot is made (design.md section 5.7). Members of a
//! VLAN on one NIV link that get equal octets are a class; a class that is exactly a list the
//! interface virtualizer has confirmed gets one copy for all. Everybody else gets one of their own.

use super::sharing::{Member, Sharing, User};
use super::{Membership, PortState, Topology};
use niv::{ListId, PortId, VifId, VlanId, VlanSet};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A list that an interface virtualizer has confirmed and not been told to forget. It is used where a
/// flood is for exactly its members, and nowhere else: one that fits nothing is no contradiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPlan {
    /// The link.
    pub device: PortId,
    /// Its number there. If the link has another of this number with other members, neither is used.
    pub id: ListId,
    /// In any order.
    pub members: Vec<VifId>,
}

/// The sets of VIFs that are worth a list, each with its link and ascending, at least two in each: with
/// all of them confirmed, every flood leaves once per link and class.
///
/// A set is there once, however many VLANs it serves, and whether they are tagged or not.
pub fn list_sets(topology: &Topology) -> BTreeSet<(PortId, Vec<VifId>)> {
    let mut ports: Vec<_> = topology
        .ports
        .iter()
        .filter(|port| port.state == PortState::Forwarding)
        .collect();
    ports.sort_unstable_by_key(|port| port.slot.index);
    let users: Vec<_> = ports
        .into_iter()
        .map(|port| User {
            index: port.slot.index,
            device: port.device,
            vif: port.vif.filter(|_| !port.policy.judges_copies()),
            policy: &port.vlan,
            mtu: port.mtu,
        })
        .collect();
    let sharing = Sharing::new(&users, &topology.vlans);
    let classes = sharing.groups.iter().flat_map(|group| classes(group));
    classes.map(|class| (class.device, class.vifs)).collect()
}

/// The VLANs, and who gets what is flooded in each.
#[derive(Clone, Debug)]
pub(super) struct Floods {
    pub(super) defined: VlanSet,
    /// By VID, 0..=4094: a place in `floods`, or one beyond the last.
    of: Box<[u16]>,
    floods: Box<[Flood]>,
    /// The lists that are used.
    lists: Box<[List]>,
}

/// Who gets what is flooded. Nobody is in it twice.
#[derive(Clone, Debug)]
pub(super) struct Flood {
    /// All of them: slot indices, ascending.
    pub(super) members: Box<[u16]>,
    /// Those that get a copy of their own, ascending.
    pub(super) single: Box<[u16]>,
    /// All others, by the lists they are in: places of lists, and whether those copies are tagged.
    pub(super) listed: Box<[(u16, Membership)]>,
}

/// A list in use.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) device: PortId,
    pub(super) id: ListId,
    /// Slot indices, ascending.
    pub(super) members: Arc<[u16]>,
    /// The smallest MTU of a member.
    pub(super) mtu: u32,
}

/// Lists used at a time, at most: as many as [`super::account`] has numbers for.
const LISTS: usize = u16::MAX as usize;

impl Floods {
    /// `users` come in ascending order of their slots.
    pub(super) fn new(users: &[User<'_>], defined: VlanSet, plans: &[ListPlan]) -> Self {
        let sharing = Sharing::new(users, &defined);
        let mut lists = Lists::new(plans);
        let floods = sharing
            .groups
            .iter()
            .map(|group| Flood::new(group, &mut lists))
            .collect();
        Self {
            defined,
            of: sharing.of,
            floods,
            lists: lists.used.into(),
        }
    }

    #[inline]
    pub(super) fn flood(&self, vlan: VlanId) -> Option<&Flood> {
        let place = *self.of.get(usize::from(vlan.get()))?;
        self.floods.get(usize::from(place))
    }

    #[inline]
    pub(super) fn list(&self, place: u16) -> Option<&List> {
        self.lists.get(usize::from(place))
    }

    pub(super) fn lists(&self) -> &[List] {
        &self.lists
    }
}

impl Flood {
    fn new(group: &[Member], lists: &mut Lists) -> Self {
        let mut by_list = Vec::new();
        let mut listed = Vec::new();
        if !lists.confirmed.is_empty() {
            for class in classes(group) {
                let membership = class.membership;
                if let Some((place, members)) = lists.of(class) {
                    listed.push((place, membership));
                    by_list.extend_from_slice(members);
                }
            }
            by_list.sort_unstable();
        }
        let members: Box<[u16]> = group.iter().map(|member| member.index).collect();
        let single = |index: &u16| by_list.binary_search(index).is_err();
        Self {
            single: members.iter().copied().filter(single).collect(),
            members,
            listed: listed.into(),
        }
    }
}

/// Members on one link that get equal octets.
struct Class {
    device: PortId,
    membership: Membership,
    /// Ascending; two at least.
    vifs: Vec<VifId>,
    /// The same bridge ports, by slot index.
    indices: Vec<u16>,
    mtu: u32,
}

fn classes(group: &[Member]) -> Vec<Class> {
    let key = |member: &Member| (member.device, member.membership);
    let mut members: Vec<_> = group
        .iter()
        .filter_map(|member| Some((key(member), member.vif?, member)))
        .collect();
    members.sort_by_key(|&(key, vif, _)| (key, vif));
    let chunks = members.chunk_by(|(one, ..), (other, ..)| one == other);
    chunks
        .filter_map(|chunk| {
            let [(_, _, first), _, ..] = chunk else {
                return None;
            };
            Some(Class {
                device: first.device,
                membership: first.membership,
                vifs: chunk.iter().map(|&(_, vif, _)| vif).collect(),
                indices: chunk.iter().map(|(.., member)| member.index).collect(),
                mtu: chunk.iter().map(|(.., member)| member.mtu).min()?,
            })
        })
        .collect()
}

/// The confirmed lists by what they hold, and those taken into use so far.
struct Lists {
    confirmed: BTreeMap<(PortId, Vec<VifId>), ListId>,
    used: Vec<List>,
    places: BTreeMap<(PortId, ListId), u16>,
}

impl Lists {
    fn new(plans: &[ListPlan]) -> Self {
        let mut by_id: BTreeMap<(PortId, ListId), Option<Vec<VifId>>> = BTreeMap::new();
        for plan in plans {
            let mut members = plan.members.clone();
            members.sort_unstable();
            members.dedup();
            by_id
                .entry((plan.device, plan.id))
                .and_modify(|known| {
                    known.take_if(|known| *known != members);
                })
                .or_insert(Some(members));
        }
        // Of several with the same members the one with the smallest number is used.
        let confirmed = by_id
            .into_iter()
            .rev()
            .filter_map(|((device, id), members)| Some(((device, members?), id)))
            .collect();
        Self {
            confirmed,
            used: Vec::new(),
            places: BTreeMap::new(),
        }
    }

    /// The place of the list that holds exactly `class`, and whom it holds.
    fn of(&mut self, class: Class) -> Option<(u16, &[u16])> {
        let device = class.device;
        let id = *self.confirmed.get(&(device, class.vifs))?;
        let next = self.used.len();
        let place = match self.places.get(&(device, id)) {
            Some(&place) => place,
            None if next < LISTS => {
                let mut members = class.indices;
                members.sort_unstable();
                self.used.push(List {
                    device,
                    id,
                    members: members.into(),
                    mtu: class.mtu,
                });
                self.places.insert((device, id), next as u16);
                next as u16
            }
            None => return None,
        };
        Some((place, &self.used.get(usize::from(place))?.members))
    }
}
