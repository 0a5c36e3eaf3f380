//! What of a frame may leave and where, by a reader that shares nothing with the switch but the topology.

use super::menus::{Chosen, vlan};
use super::{NIV_DEVICES, vif};
use crate::marks::mark;
use crate::naive::{self, Tag};
use niv::{Mac, PortId, VlanId, VlanTag};
use packet_io::{Outgoing, RxFrame};
use policy::acl::{Subject, View};
use policy::private_vlan::{PrivatePort, TrunkVlans};
use std::collections::BTreeSet;
use vis::switch::{PortPlan, PortState, Topology, VlanPolicy};

/// A frame that may be forwarded, read naively.
pub(super) struct Read<'a> {
    frame: &'a RxFrame<'a>,
    from: &'a PortPlan,
    chosen: Chosen,
    /// In which it travels.
    vlan: u16,
    /// The upper four bits of the tag it leaves with, where the judge knows them.
    priority: Option<u16>,
    view: View,
    /// The EtherType behind link mark and outer VLAN tag, and all that follows.
    rest: &'a [u8],
}

impl<'a> Read<'a> {
    pub(super) fn new(
        topology: &'a Topology,
        chosen: &[Chosen],
        device: PortId,
        frame: &'a RxFrame<'a>,
    ) -> Option<Self> {
        let tag = naive::tag(frame.bytes);
        let (owner, mut at) = match (device.0 < NIV_DEVICES, tag) {
            (false, None) => (None, 12),
            (true, Some(tag)) if frame.vlan.is_none() => {
                assert!(!tag.d && !tag.p && !tag.l && tag.ver == 0, "{tag:?}");
                (Some(vif(tag.svif)?), 18)
            }
            _ => return None,
        };
        let mut ports = topology.ports.iter();
        let from = ports.find(|plan| (plan.device, plan.vif) == (device, owner))?;
        assert!(!naive::hides_a_tag(frame.bytes, at), "a hidden NIV tag");
        let inline = [0x8100, 0x88A8].contains(&naive::word(frame.bytes, at)?);
        let outer = match frame.vlan {
            Some(tag) => Some(tag),
            None if inline => {
                let tag = VlanTag {
                    tpid: naive::word(frame.bytes, at)?,
                    tci: naive::word(frame.bytes, at + 2)?,
                };
                at += 4;
                Some(tag)
            }
            None => None,
        };
        let vid = outer.map_or(0, |tag| tag.tci & 0xFFF);
        assert!(outer.is_none_or(|tag| tag.tpid == 0x8100), "a service tag");
        let vlan = match &from.vlan {
            VlanPolicy::Access(own) => (vid == 0).then_some(own.get()),
            VlanPolicy::Trunk { allowed, native } => {
                let (allowed, native) = (allowed.clone(), *native);
                taken(&TrunkVlans { allowed, native }, vid)
            }
            VlanPolicy::Private(part) => match &part.port {
                PrivatePort::Host(own) => (vid == 0 && SECONDARY.contains(&own.get())).then_some(own.get()),
                PrivatePort::Promiscuous { primary, .. } => (vid == 0).then_some(primary.get()),
                PrivatePort::PromiscuousTrunk { vlans, .. } => taken(vlans, vid).filter(|vid| !SECONDARY.contains(vid)),
                PrivatePort::SwitchTrunk(vlans) => taken(vlans, vid),
            },
        }?;
        let chosen = chosen_for(chosen, from);
        let mac = |at: usize| frame.bytes.get(at..at + 6)?.try_into().ok().map(Mac);
        let view = View::of(&Subject {
            destination: mac(0)?,
            source: mac(6)?,
            bytes: frame.bytes,
            ethertype_at: at,
        });
        Some(Self {
            frame,
            from,
            chosen,
            vlan,
            priority: chosen.priority(outer.map(|tag| tag.tci)),
            view,
            rest: frame.bytes.get(at..)?,
        })
    }

    pub(super) const fn sender(&self) -> &'a PortPlan {
        self.from
    }

    pub(super) fn judge(&self, topology: &Topology, chosen: &[Chosen], copies: &[Outgoing]) {
        assert!(is_open(self.from), "a port that is shut");
        let is_defined = vlan(self.vlan).is_some_and(|vlan| topology.vlans.contains(vlan));
        assert!(is_defined, "a VLAN that carries nothing");
        assert!(self.chosen.lets_in(&self.view), "{:?}", self.view);
        self.judge_source(topology, chosen);
        let source = self.frame.bytes.get(6).copied().unwrap_or(1);
        assert_eq!(source & 1, 0, "a group as source");
        let destination = self.frame.bytes.get(..6).unwrap_or_default();
        assert_ne!(
            destination.split_last().map(|(last, rest)| (last >> 4, rest)),
            Some((0, &[1, 0x80, 0xC2, 0, 0][..])),
            "link-local, and forwarded"
        );
        let mut reached = BTreeSet::new();
        for copy in copies {
            let gather = &copy.gather;
            let wire = [gather.head.as_bytes(), gather.rest(self.frame.bytes)].concat();
            let view = self.leaving(copy);
            for to in self.receivers(topology, copy, &wire) {
                assert_ne!(to.slot, self.from.slot, "back to its sender");
                assert!(reached.insert(to.slot), "a port got it twice");
                assert!(chosen_for(chosen, to).lets_out(&view), "{view:?}");
                self.judge_copy(to, copy, &wire);
            }
        }
    }

    /// What lists for the way out are to be asked: the frame with what marking wrote into it.
    fn leaving(&self, copy: &Outgoing) -> View {
        let Some(rewrite) = copy.edit.rewrite else {
            return self.view;
        };
        let mut bytes = self.frame.bytes.to_vec();
        assert_eq!(rewrite.apply(&mut bytes, 0), Some(()), "written behind the frame");
        View::of(&Subject {
            destination: self.view.destination,
            source: self.view.source,
            bytes: &bytes,
            ethertype_at: bytes.len() - self.rest.len(),
        })
    }

    /// Who gets `copy`, as its device and its tag say.
    fn receivers<'t>(&self, topology: &'t Topology, copy: &Outgoing, wire: &[u8]) -> Vec<&'t PortPlan> {
        let at = |vif| {
            let mut ports = topology.ports.iter();
            let to = ports.find(|plan| (plan.device, plan.vif) == (copy.port, vif));
            assert!(to.is_some(), "for nobody");
            to
        };
        if copy.port.0 >= NIV_DEVICES {
            mark("plain", "egress");
            assert_eq!(copy.uncounted, 0);
            return at(None).into_iter().collect();
        }
        assert_eq!(copy.uncounted, 6);
        let hairpin = self.from.vif.filter(|_| self.from.device == copy.port);
        let tag = naive::tag(wire);
        let said = tag.map(|tag| (tag.p, tag.dvif)).unwrap_or_default();
        let expected = Tag {
            d: true,
            p: said.0,
            dvif: said.1,
            l: hairpin.is_some(),
            r: false,
            ver: 0,
            svif: hairpin.map_or(0, |source| source.get()),
        };
        assert_eq!(tag, Some(expected));
        let way = if hairpin.is_some() { "hairpin" } else { "across" };
        mark(way, if said.0 { "to a list" } else { "to a VIF" });
        if !said.0 {
            assert_eq!(copy.account, u32::from(at(vif(said.1)).map_or(0, |to| to.slot.index)));
            return at(vif(said.1)).into_iter().collect();
        }
        let mut lists = topology.lists.iter();
        let list = lists.find(|list| (list.device, list.id.get()) == (copy.port, said.1));
        assert!(list.is_some(), "a list nobody confirmed");
        let members = list.into_iter().flat_map(|list| &list.members);
        let others = members.filter(|&&member| Some(member) != hairpin);
        others.filter_map(|&member| at(Some(member))).collect()
    }

    /// Nobody but the one port that has it sends from a static secure address.
    fn judge_source(&self, topology: &Topology, chosen: &[Chosen]) {
        let known_in = if SECONDARY.contains(&self.vlan) {
            PRIMARY
        } else {
            self.vlan
        };
        let has_it = |plan: &&PortPlan| {
            let mut statics = chosen_for(chosen, plan).statics();
            statics.any(|(vlan, mac)| (vlan.get(), mac) == (known_in, self.view.source))
        };
        let mut owners = topology.ports.iter().filter(has_it);
        if let (Some(owner), None) = (owners.next(), owners.next()) {
            assert_eq!(owner.slot, self.from.slot, "a secure address of another port");
        }
    }

    fn judge_copy(&self, to: &PortPlan, copy: &Outgoing, wire: &[u8]) {
        assert!(is_open(to), "to a port that is shut");
        assert_eq!(wire.get(..12), self.frame.bytes.get(..12));
        assert!(copy.edit.rewrite.is_none() || self.chosen.rewrites());
        let at = 12 + usize::from(copy.uncounted);
        assert!(!naive::hides_a_tag(wire, at), "a tag leaked");
        mark("VLAN tag in metadata", self.frame.vlan.is_some());
        mark_vlans(&to.vlan);
        let leaves = leaves(&to.vlan, self.vlan);
        assert!(leaves.is_some(), "from VLAN {} to {:?}", self.vlan, to.vlan);
        let inside = wire.get(at..).unwrap_or_default();
        let Some(vid) = leaves.flatten() else {
            let inner = naive::word(self.rest, 0).unwrap_or_default();
            assert!(![0x8100, 0x88A8].contains(&inner), "a tag that was inside is outermost");
            assert_eq!(inside, self.rest);
            return self.judge_length(to);
        };
        let tag = inside.get(2..4).and_then(|tci| naive::word(tci, 0)).unwrap_or_default();
        assert_eq!(tag & 0xFFF, vid);
        assert!(self.priority.is_none_or(|priority| tag & 0xF000 == priority));
        assert_eq!(inside.get(..2), Some(&[0x81, 0][..]));
        assert_eq!(inside.get(4..), Some(self.rest));
        self.judge_length(to);
    }

    fn judge_length(&self, to: &PortPlan) {
        if self.frame.offload.segmentation.is_none() {
            assert!(self.rest.len() <= to.mtu as usize + 2, "too long");
        }
    }
}

/// The private VLAN that carries frames, its isolated VLAN, and all its VLANs of hosts.
const PRIMARY: u16 = 100;
const ISOLATED: u16 = 101;
const SECONDARY: [u16; 3] = [ISOLATED, 102, 103];

fn chosen_for(chosen: &[Chosen], plan: &PortPlan) -> Chosen {
    chosen.get(usize::from(plan.slot.index)).copied().unwrap_or_default()
}

fn is_open(plan: &PortPlan) -> bool {
    matches!(plan.state, PortState::Forwarding | PortState::Opening)
}

/// The VLAN of what comes tagged with `vid` by such a trunk.
fn taken(vlans: &TrunkVlans, vid: u16) -> Option<u16> {
    match vid {
        0 => vlans.native.map(VlanId::get),
        _ => vlans.allowed.iter().map(VlanId::get).find(|allowed| *allowed == vid),
    }
}

/// With which tag, if any, a frame that travels in `vlan` leaves by a port; `None`: it does not.
fn leaves(to: &VlanPolicy, vlan: u16) -> Option<Option<u16>> {
    let by_trunk = |vlans: &TrunkVlans, vlan: u16| {
        let native = vlans.native.is_some_and(|native| native.get() == vlan);
        let allowed = vlans.allowed.iter().any(|allowed| allowed.get() == vlan);
        (native || allowed).then_some((!native).then_some(vlan))
    };
    let untagged = |reaches: bool| reaches.then_some(None);
    let part = match to {
        VlanPolicy::Access(own) => return untagged(own.get() == vlan),
        VlanPolicy::Trunk { allowed, native } => {
            let (allowed, native) = (allowed.clone(), *native);
            return by_trunk(&TrunkVlans { allowed, native }, vlan);
        }
        VlanPolicy::Private(part) => part,
    };
    let from_host = SECONDARY.contains(&vlan);
    match &part.port {
        PrivatePort::Host(own) => {
            let own = own.get();
            let from_promiscuous = vlan == PRIMARY && SECONDARY.contains(&own);
            let from_its_community = vlan == own && from_host && own != ISOLATED;
            untagged(from_promiscuous || from_its_community)
        }
        PrivatePort::Promiscuous { primary, mapped } => {
            let mapped = from_host && mapped.iter().any(|one| one.get() == vlan);
            untagged(primary.get() == PRIMARY && (vlan == PRIMARY || mapped))
        }
        PrivatePort::PromiscuousTrunk { vlans, mapped } if from_host => {
            let mapped = mapped.iter().any(|one| one.get() == vlan);
            by_trunk(vlans, PRIMARY).filter(|_| mapped)
        }
        PrivatePort::PromiscuousTrunk { vlans, .. } | PrivatePort::SwitchTrunk(vlans) => by_trunk(vlans, vlan),
    }
}

fn mark_vlans(to: &VlanPolicy) {
    let port = match to {
        VlanPolicy::Access(_) => "an access port",
        VlanPolicy::Trunk { .. } => "a trunk",
        VlanPolicy::Private(part) => match &part.port {
            PrivatePort::Host(_) => "a host of a private VLAN",
            PrivatePort::Promiscuous { .. } => "a promiscuous port",
            PrivatePort::PromiscuousTrunk { .. } => "a promiscuous trunk",
            PrivatePort::SwitchTrunk(_) => "a trunk between switches",
        },
    };
    mark("to", port);
}
