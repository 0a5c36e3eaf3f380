//! VLANs with the same members that tag them alike. There can be 4,094 VLANs of a thousand members each,
//! and mostly a handful of policies: what is worked out once for all alike makes a snapshot cheap.

use super::{Membership, VlanPolicy};
use niv::{PortId, VifId, VlanId, VlanSet};
use policy::private_vlan::{PrivatePort, PrivateVlans};
use std::collections::HashMap;
use std::sync::Arc;

/// A forwarding bridge port, as far as VLANs and floods are concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct User<'a> {
    pub(super) index: u16,
    pub(super) device: PortId,
    /// `None` also where copies for it are judged: it shares none.
    pub(super) vif: Option<VifId>,
    pub(super) policy: &'a VlanPolicy,
    pub(super) mtu: u32,
}

/// A bridge port that frames of certain VLANs leave by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Its slot's.
    pub(super) index: u16,
    pub(super) device: PortId,
    pub(super) vif: Option<VifId>,
    /// Octets behind the Ethernet header and the outer VLAN tag, at most.
    pub(super) mtu: u32,
    /// Never [`Membership::No`].
    pub(super) membership: Membership,
}

/// Which VLANs have whom.
#[derive(Debug)]
pub(super) struct Sharing {
    /// By VID, 0..=4094: a place in `groups`, or one beyond the last.
    pub(super) of: Box<[u16]>,
    /// Ascending by slot index, at least one in each.
    pub(super) groups: Vec<Vec<Member>>,
}

const NO_GROUP: u16 = u16::MAX;

impl Sharing {
    /// `users` come in ascending order of their slots; only VLANs in `defined` have members.
    pub(super) fn new(users: &[User<'_>], defined: &VlanSet) -> Self {
        let policies = policies(users);
        let uses = Uses::new(&policies, defined);
        let mut of = vec![NO_GROUP; usize::from(VlanId::MAX) + 1];
        let mut groups = Vec::new();
        let mut known: HashMap<&[Use], u16> = HashMap::new();
        let mut last: (&[Use], u16) = (&[], NO_GROUP);
        for vlan in defined.iter() {
            let vid = usize::from(vlan.get());
            let uses = uses.of(vid);
            let Some(place) = of.get_mut(vid).filter(|_| !uses.is_empty()) else {
                continue;
            };
            // Neighbours are mostly alike.
            if uses != last.0 {
                let group = *known.entry(uses).or_insert_with(|| {
                    groups.push(members(users, &policies, uses));
                    groups.len() as u16 - 1
                });
                last = (uses, group);
            }
            *place = last.1;
        }
        Self {
            of: of.into(),
            groups,
        }
    }
}

/// A policy, and who has it: places in the list of users, ascending.
type Holders<'a> = (&'a VlanPolicy, Vec<u16>);

/// The policies there are, each once.
fn policies<'a>(users: &[User<'a>]) -> Vec<Holders<'a>> {
    let mut policies: Vec<Holders<'a>> = Vec::new();
    let mut access: HashMap<VlanId, usize> = HashMap::new();
    let mut trunks: HashMap<(Option<VlanId>, &VlanSet), usize> = HashMap::new();
    let mut private: HashMap<(&PrivatePort, *const PrivateVlans), usize> = HashMap::new();
    let mut last = 0;
    for (user, User { policy, .. }) in (0..).zip(users) {
        // A hash of 512 octets costs more than a look at what the one before had.
        if !policies.get(last).is_some_and(|(same, _)| same == policy) {
            let next = policies.len();
            last = match policy {
                VlanPolicy::Access(vlan) => *access.entry(*vlan).or_insert(next),
                VlanPolicy::Trunk { allowed, native } => {
                    *trunks.entry((*native, allowed)).or_insert(next)
                }
                VlanPolicy::Private(policy) => {
                    let key = (&policy.port, Arc::as_ptr(&policy.vlans));
                    *private.entry(key).or_insert(next)
                }
            };
            if last == next {
                policies.push((policy, Vec::new()));
            }
        }
        if let Some((_, holders)) = policies.get_mut(last) {
            holders.push(user);
        }
    }
    policies
}

/// A VLAN is used by those that have the policy at this place, in this way.
type Use = (u16, Membership);

/// By VID: the policies that use it, ascending.
struct Uses {
    /// Where the uses of each VID end.
    ends: Vec<u32>,
    all: Vec<Use>,
}

impl Uses {
    #[expect(
        clippy::indexing_slicing,
        reason = "a VID is less than 4,095, and there are as many places as were counted"
    )]
    fn new(policies: &[Holders<'_>], defined: &VlanSet) -> Self {
        let mut ends = vec![0; usize::from(VlanId::MAX) + 1];
        for (policy, _) in policies {
            each_use(policy, defined, |vlan, _| {
                ends[usize::from(vlan.get())] += 1;
            });
        }
        // First where each begins; filling moves that to where it ends.
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum - *end;
        }
        let mut all = vec![(0, Membership::No); sum as usize];
        for (place, (policy, _)) in (0..).zip(policies) {
            each_use(policy, defined, |vlan, membership| {
                let end = &mut ends[usize::from(vlan.get())];
                all[*end as usize] = (place, membership);
                *end += 1;
            });
        }
        Self { ends, all }
    }

    fn of(&self, vid: usize) -> &[Use] {
        let end = |vid: usize| self.ends.get(vid).map_or(0, |&end| end as usize);
        let start = vid.checked_sub(1).map_or(0, end);
        self.all.get(start..end(vid)).unwrap_or_default()
    }
}

/// The VLANs of `defined` whose frames a port with this policy gets, and how.
pub(super) fn each_use(
    policy: &VlanPolicy,
    defined: &VlanSet,
    mut each: impl FnMut(VlanId, Membership),
) {
    match policy {
        VlanPolicy::Access(vlan) => {
            if defined.contains(*vlan) {
                each(*vlan, Membership::Untagged);
            }
        }
        VlanPolicy::Trunk { allowed, native } => {
            let native = native.filter(|&native| defined.contains(native));
            if let Some(native) = native {
                each(native, Membership::Untagged);
            }
            for vlan in allowed.intersection(defined).iter() {
                if Some(vlan) != native {
                    each(vlan, Membership::Tagged);
                }
            }
        }
        VlanPolicy::Private(policy) => policy.each_use(defined, each),
    }
}

fn members(users: &[User<'_>], policies: &[Holders<'_>], uses: &[Use]) -> Vec<Member> {
    let mut members = Vec::new();
    for &(policy, membership) in uses {
        let holders = policies.get(usize::from(policy));
        for &user in holders.map_or(&[][..], |(_, holders)| holders) {
            let Some(user) = users.get(usize::from(user)) else {
                continue;
            };
            members.push(Member {
                index: user.index,
                device: user.device,
                vif: user.vif,
                mtu: user.mtu,
                membership,
            });
        }
    }
    // Of several ascending runs.
    members.sort_by_key(|member| member.index);
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::PrivatePolicy;
    use policy::private_vlan::{Domain, TrunkVlans};
    use proptest::prelude::*;

    fn vid() -> impl Strategy<Value = VlanId> {
        prop_oneof![1u16..8, 60u16..70, 4090u16..=4094].prop_map(|vid| vid.try_into().unwrap())
    }

    fn set() -> impl Strategy<Value = VlanSet> {
        prop_oneof![
            1 => Just(VlanSet::ALL),
            3 => prop::collection::vec(vid(), 0..6).prop_map(|vids| vids.into_iter().collect()),
        ]
    }

    /// 1 with 2 and 3, 60 with 61; 4 is not of them.
    fn private() -> impl Strategy<Value = VlanPolicy> {
        let domain = |primary: u16, isolated: u16, communities: &[u16]| Domain {
            primary: primary.try_into().unwrap(),
            isolated: Some(isolated.try_into().unwrap()),
            communities: communities
                .iter()
                .map(|&vid| vid.try_into().unwrap())
                .collect(),
        };
        let domains = [domain(1, 2, &[3, 4]), domain(60, 61, &[])];
        let vlans = Arc::new(PrivateVlans::new(&domains).unwrap());
        let port = prop_oneof![
            vid().prop_map(PrivatePort::Host),
            (vid(), set()).prop_map(|(primary, mapped)| PrivatePort::Promiscuous {
                primary,
                mapped: Arc::new(mapped),
            }),
            (set(), prop::option::of(vid()), set()).prop_map(|(allowed, native, mapped)| {
                PrivatePort::PromiscuousTrunk {
                    vlans: TrunkVlans {
                        allowed: Arc::new(allowed),
                        native,
                    },
                    mapped: Arc::new(mapped),
                }
            }),
        ];
        port.prop_map(move |port| {
            let vlans = Arc::clone(&vlans);
            VlanPolicy::Private(Arc::new(PrivatePolicy::new(port, vlans)))
        })
    }

    fn policy() -> impl Strategy<Value = VlanPolicy> {
        prop_oneof![
            private(),
            vid().prop_map(VlanPolicy::Access),
            (set(), prop::option::of(vid())).prop_map(|(allowed, native)| VlanPolicy::Trunk {
                allowed: Arc::new(allowed),
                native,
            }),
        ]
    }

    proptest! {
        #[test]
        fn each_vlan_has_those_whose_policy_says_so(
            policies in prop::collection::vec(policy(), 1..4),
            choices in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
            defined in set(),
        ) {
            let users: Vec<_> = (0..)
                .zip(&choices)
                .map(|(index, choice)| User {
                    index,
                    device: PortId(0),
                    vif: None,
                    policy: choice.get(&policies),
                    mtu: 1500,
                })
                .collect();
            let sharing = Sharing::new(&users, &defined);
            for vid in 0..=VlanId::MAX {
                let expected: Vec<_> = users
                    .iter()
                    .filter_map(|user| {
                        let vlan = VlanId::try_from(vid).ok().filter(|&vlan| defined.contains(vlan))?;
                        // Hosts of a VLAN that carries nothing are members of none.
                        let membership = user.policy.in_force(&defined).membership(vlan);
                        (membership != Membership::No).then_some((user.index, membership))
                    })
                    .collect();
                let group = sharing.groups.get(usize::from(sharing.of[usize::from(vid)]));
                let members: Vec<_> = group
                    .into_iter()
                    .flatten()
                    .map(|member| (member.index, member.membership))
                    .collect();
                prop_assert_eq!(members, expected);
            }
        }

        /// What a snapshot costs grows with what differs, not with how many VLANs there are.
        #[test]
        fn vlans_that_are_alike_are_worked_out_once(native in prop::option::of(vid()), ports in 1u16..9) {
            let policy = VlanPolicy::Trunk { allowed: Arc::new(VlanSet::ALL), native };
            let users: Vec<_> = (0..ports)
                .map(|index| User { index, device: PortId(0), vif: None, policy: &policy, mtu: 1500 })
                .collect();
            let sharing = Sharing::new(&users, &VlanSet::ALL);
            prop_assert_eq!(sharing.groups.len(), 1 + usize::from(native.is_some()));
        }
    }
}
