//! VLAN rules: which VLAN a frame is in, and how it leaves (design.md section 5.6 and 5.7).

use super::PrivatePolicy;
use niv::{DropReason, VlanId, VlanSet, VlanTag};
use std::sync::Arc;
use vntag::ethertype;

/// What VLANs a bridge port uses, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VlanPolicy {
    /// One VLAN, untagged both ways. VID 0 (a priority tag) is taken as untagged.
    Access(VlanId),
    /// Several VLANs.
    Trunk {
        /// Those that may be tagged. Only those of them that are defined carry frames.
        allowed: Arc<VlanSet>,
        /// Untagged both ways, and a member whether or not it is in `allowed`; a frame *tagged* with it
        /// passes only when it is. `None`: untagged frames are dropped.
        native: Option<VlanId>,
    },
    /// A part in private VLANs.
    Private(Arc<PrivatePolicy>),
}

/// How frames of one VLAN leave by one bridge port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Membership {
    /// Not at all.
    No,
    /// Without a VLAN tag.
    Untagged,
    /// With an 802.1Q tag that says the VLAN.
    Tagged,
    /// With an 802.1Q tag that says another: the primary one of a private VLAN.
    TaggedAs(VlanId),
}

impl VlanPolicy {
    /// The VLAN of a frame that came in with `tag` outermost.
    ///
    /// # Errors
    /// `service_tag`: the tag is not an 802.1Q one. `vlan_not_allowed`: this port may not use that VLAN,
    /// or has none for untagged frames. `vlan_undefined`: it may, but the VLAN is not in `defined`.
    #[inline(always)]
    pub fn classify(&self, tag: Option<VlanTag>, defined: &VlanSet) -> Result<VlanId, DropReason> {
        let vid = match tag {
            None => 0,
            Some(tag) if tag.tpid == ethertype::VLAN => tag.vid(),
            Some(_) => return Err(DropReason::ServiceTag),
        };
        let vlan = match self {
            Self::Private(policy) => return policy.classify(tag, defined),
            Self::Access(vlan) if vid == 0 => Some(*vlan),
            Self::Access(_) => None,
            Self::Trunk { native, .. } if vid == 0 => *native,
            Self::Trunk { allowed, .. } => VlanId::try_from(vid)
                .ok()
                .filter(|&vlan| allowed.contains(vlan)),
        }
        .ok_or(DropReason::VlanNotAllowed)?;
        if defined.contains(vlan) {
            Ok(vlan)
        } else {
            Err(DropReason::VlanUndefined)
        }
    }

    /// How a frame of `vlan` leaves by this port.
    #[inline]
    pub fn membership(&self, vlan: VlanId) -> Membership {
        match self {
            Self::Access(own) if *own == vlan => Membership::Untagged,
            Self::Access(_) => Membership::No,
            Self::Trunk { native, .. } if *native == Some(vlan) => Membership::Untagged,
            Self::Trunk { allowed, .. } if allowed.contains(vlan) => Membership::Tagged,
            Self::Trunk { .. } => Membership::No,
            Self::Private(policy) => policy.membership(vlan),
        }
    }

    /// As it is where only the VLANs in `carrying` carry frames.
    pub(super) fn in_force(&self, carrying: &VlanSet) -> Self {
        match self {
            Self::Private(policy) => Self::Private(Arc::new(policy.in_force(carrying))),
            Self::Access(_) | Self::Trunk { .. } => self.clone(),
        }
    }

    /// Why no frame of `vlan` leaves by this port, which is not a member.
    pub(super) fn apart(&self, vlan: VlanId) -> DropReason {
        match self {
            Self::Private(policy) => policy.apart(vlan),
            Self::Access(_) | Self::Trunk { .. } => DropReason::NotMember,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vlan(vid: u16) -> VlanId {
        vid.try_into().unwrap()
    }

    fn tagged(vid: u16) -> Option<VlanTag> {
        Some(VlanTag {
            tpid: ethertype::VLAN,
            tci: 0xE000 | vid,
        })
    }

    fn trunk(allowed: &str, native: Option<u16>) -> VlanPolicy {
        VlanPolicy::Trunk {
            allowed: Arc::new(allowed.parse().unwrap()),
            native: native.map(vlan),
        }
    }

    #[test]
    fn access_takes_untagged_and_vid_0_and_drops_any_other_vid() {
        let port = VlanPolicy::Access(vlan(10));
        assert_eq!(port.classify(None, &VlanSet::ALL), Ok(vlan(10)));
        assert_eq!(port.classify(tagged(0), &VlanSet::ALL), Ok(vlan(10)));
        for vid in 1..=4095 {
            assert_eq!(
                port.classify(tagged(vid), &VlanSet::ALL),
                Err(DropReason::VlanNotAllowed)
            );
        }
    }

    #[test]
    fn native_is_untagged_both_ways_and_tagged_only_if_allowed() {
        let without = trunk("10", Some(20));
        let with = trunk("10,20", Some(20));
        for port in [&without, &with] {
            assert_eq!(port.classify(None, &VlanSet::ALL), Ok(vlan(20)));
            assert_eq!(port.classify(tagged(0), &VlanSet::ALL), Ok(vlan(20)));
            assert_eq!(port.membership(vlan(20)), Membership::Untagged);
            assert_eq!(port.membership(vlan(10)), Membership::Tagged);
            assert_eq!(port.membership(vlan(30)), Membership::No);
        }
        assert_eq!(
            without.classify(tagged(20), &VlanSet::ALL),
            Err(DropReason::VlanNotAllowed)
        );
        assert_eq!(with.classify(tagged(20), &VlanSet::ALL), Ok(vlan(20)));
    }

    #[test]
    fn a_trunk_without_native_takes_no_untagged_frame() {
        let port = trunk("10", None);
        for tag in [None, tagged(0)] {
            assert_eq!(
                port.classify(tag, &VlanSet::ALL),
                Err(DropReason::VlanNotAllowed)
            );
        }
    }

    #[test]
    fn vid_4095_is_no_vlan() {
        assert_eq!(
            trunk("all", Some(1)).classify(tagged(4095), &VlanSet::ALL),
            Err(DropReason::VlanNotAllowed)
        );
    }

    #[test]
    fn vlan_undefined() {
        let defined = VlanSet::from(vlan(1));
        for (port, tag) in [
            (VlanPolicy::Access(vlan(10)), None),
            (trunk("10", None), tagged(10)),
            (trunk("10", Some(20)), None),
        ] {
            assert_eq!(port.classify(tag, &defined), Err(DropReason::VlanUndefined));
        }
    }

    #[test]
    fn service_tag() {
        // 0x9100 is no 802.1ad tag, but a NIC that took it off left a tag all the same.
        for tpid in [ethertype::SERVICE_VLAN, 0x9100] {
            for vid in [0, 10, 20] {
                let tag = Some(VlanTag { tpid, tci: vid });
                for port in [VlanPolicy::Access(vlan(10)), trunk("all", Some(20))] {
                    assert_eq!(
                        port.classify(tag, &VlanSet::ALL),
                        Err(DropReason::ServiceTag)
                    );
                }
            }
        }
    }
}
