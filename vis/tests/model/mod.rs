//! The executable specification of forwarding: small, pure, slow, and written without a look at how the
//! switch does it. Frames are whole octet strings, tables are lists, tags are strings of bits.

use niv::{VlanId, VlanSet};
use policy::private_vlan::PrivatePort;
use std::collections::BTreeMap;
use vis::switch::{LinkKind, PortPlan, PortState, Topology, VlanPolicy};

/// The private VLANs of the specification: one of three, and one with a community only.
pub(crate) const PRIVATE: [(u16, Option<u16>, &[u16]); 2] =
    [(100, Some(101), &[102, 103]), (110, None, &[111])];

/// A frame as it was on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) device: u16,
    /// The VLAN tag a kernel may have put aside is in here.
    pub(crate) octets: Vec<u8>,
    /// How long it was before it was cut to `octets`.
    pub(crate) length: usize,
}

/// Whether frames pass at all.
fn open(state: PortState) -> bool {
    matches!(state, PortState::Forwarding | PortState::Opening)
}

/// What a port is in a private VLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Host,
    Promiscuous,
}

/// Whose counters: a bridge port, by the slot it has, or a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    Port(u16, u16),
    Device(u16),
}

/// A copy on its way out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Copy {
    pub(crate) device: u16,
    pub(crate) to: Whose,
    pub(crate) octets: Vec<u8>,
    /// What it counts for.
    pub(crate) counted: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) vlan: u16,
    pub(crate) mac: [u8; 6],
    pub(crate) owner: Whose,
    second: u64,
    window: Option<(u64, u32)>,
    /// Who had it before the first move of the window.
    home: Option<Whose>,
    held_until: u64,
}

pub(crate) struct Model {
    /// Longest unseen first.
    pub(crate) table: Vec<Known>,
    pub(crate) capacity: usize,
    pub(crate) counts: BTreeMap<(Whose, String), u64>,
    /// Whose frame was copied last.
    source: Option<Whose>,
}

type Verdict = Result<(), &'static str>;

const NIV_TAGS: [u16; 2] = [0x8926, 0x893F];
const VLAN_TAGS: [u16; 2] = [0x8100, 0x88A8];

impl Model {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            table: Vec::new(),
            capacity,
            counts: BTreeMap::new(),
            source: None,
        }
    }

    pub(crate) fn count(&mut self, whose: Whose, what: &str, by: u64) {
        if by > 0 {
            *self.counts.entry((whose, what.to_owned())).or_default() += by;
        }
    }

    /// What the switch is to send for `wire`. Where the rules leave open who gives up a table entry,
    /// `gone` says which one did.
    pub(crate) fn receive(
        &mut self,
        topology: &Topology,
        now: u64,
        wire: &Wire,
        gone: impl Fn(u16, [u8; 6]) -> bool,
    ) -> Vec<Copy> {
        self.forget(topology, now);
        let device = Whose::Device(wire.device);
        let link = topology
            .links
            .iter()
            .find(|link| link.device.0 == wire.device);
        let plain = topology
            .ports
            .iter()
            .find(|port| port.device.0 == wire.device && port.vif.is_none());
        match (link.map(|link| link.kind), plain) {
            (Some(LinkKind::Niv), _) => {
                let mark = if ethertype(&wire.octets, 12) == Some(0x8926) {
                    6
                } else {
                    0
                };
                let length = wire.length.saturating_sub(mark);
                match self.niv_link(topology, wire) {
                    Ok(None) => self.end(device, length, "consumed"),
                    Err(reason) => self.end(device, length, reason),
                    Ok(Some((port, odd))) => {
                        for odd in odd {
                            self.count(whose(port), odd, 1);
                        }
                        let inner = [&wire.octets[..12], &wire.octets[18..]].concat();
                        return self.bridge_port(
                            topology,
                            now,
                            port,
                            &inner,
                            length,
                            "nested_tag",
                            gone,
                        );
                    }
                }
            }
            (Some(LinkKind::Plain), Some(port)) => {
                let (octets, length) = (&wire.octets, wire.length);
                let reason = "tag_on_plain_port";
                return self.bridge_port(topology, now, port, octets, length, reason, gone);
            }
            (Some(LinkKind::Plain), None) | (None, _) => self.end(device, wire.length, "shut"),
        }
        Vec::new()
    }

    /// Section 5.5. `None` is control; else whose frame it is, and what is odd about it.
    fn niv_link<'a>(
        &self,
        topology: &'a Topology,
        wire: &Wire,
    ) -> Result<Option<(&'a PortPlan, Vec<&'static str>)>, &'static str> {
        let octets = &wire.octets;
        match ethertype(octets, 12) {
            Some(0x8940 | 0x88CC) => return Ok(None),
            Some(0x8926) => {}
            _ => return Err("untagged"),
        }
        if octets.len() <= 20 {
            return Err("runt");
        }
        let bits: String = octets[14..18]
            .iter()
            .map(|octet| format!("{octet:08b}"))
            .collect();
        let field = |from: usize, length: usize| {
            u16::from_str_radix(&bits[from..from + length], 2).unwrap()
        };
        let (d, p, dvif) = (field(0, 1), field(1, 1), field(2, 14));
        let (l, r, ver, svif) = (field(16, 1), field(17, 1), field(18, 2), field(20, 12));
        let port = topology
            .ports
            .iter()
            .find(|port| port.device.0 == wire.device && port.vif.map(u16::from) == Some(svif));
        let refusals = [
            (ver != 0, "bad_version"),
            (d == 1, "wrong_direction"),
            (p == 1, "uplink_list"),
            (l == 1, "uplink_looped"),
            (svif == 0, "vif_zero"),
            (port.is_none(), "vif_not_owned"),
        ];
        if let Some((_, reason)) = refusals.iter().find(|(refused, _)| *refused) {
            // From here on the reserved bit was seen.
            return Err(match (*reason, r) {
                ("uplink_list", 1) => "reserved_bit+uplink_list",
                ("uplink_looped", 1) => "reserved_bit+uplink_looped",
                ("vif_zero", 1) => "reserved_bit+vif_zero",
                ("vif_not_owned", 1) => "reserved_bit+vif_not_owned",
                (reason, _) => reason,
            });
        }
        let odd = [(r == 1, "reserved_bit"), (dvif != 0, "uplink_destination")];
        let odd = odd
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, odd)| *odd)
            .collect();
        Ok(port.map(|port| (port, odd)))
    }

    /// Sections 5.2, 5.6 and 5.7.
    #[expect(clippy::too_many_arguments, reason = "everything the rules speak of")]
    fn bridge_port(
        &mut self,
        topology: &Topology,
        now: u64,
        from: &PortPlan,
        octets: &[u8],
        length: usize,
        hidden: &'static str,
        gone: impl Fn(u16, [u8; 6]) -> bool,
    ) -> Vec<Copy> {
        let source = whose(from);
        let standing = match from.state {
            PortState::Forwarding | PortState::Opening => Ok(()),
            PortState::Shut => Err("shut"),
            PortState::ErrDisabled => Err("err_disabled"),
            PortState::ProfileIncomplete => Err("profile_incomplete"),
        };
        let checked = whole(octets, length)
            .and_then(|()| no_hidden_tag(octets, hidden))
            .and(standing)
            .and_then(|()| sane(octets));
        if let Err(reason) = checked {
            self.end(source, length, reason);
            return Vec::new();
        }
        if octets[..5] == [1, 0x80, 0xC2, 0, 0] && octets[5] < 16 {
            self.end(source, length, "consumed");
            return Vec::new();
        }
        let (tag, rest) = match ethertype(octets, 12) {
            Some(kind) if VLAN_TAGS.contains(&kind) => {
                (Some((kind, ethertype(octets, 14).unwrap())), &octets[16..])
            }
            _ => (None, &octets[12..]),
        };
        let vlan = match classify(topology, &from.vlan, tag) {
            Ok(vlan) => vlan,
            Err(reason) => {
                self.end(source, length, reason);
                return Vec::new();
            }
        };
        let whole = domain(vlan).unwrap_or(vlan);
        let address: [u8; 6] = octets[6..12].try_into().unwrap();
        let is_whole = domain(vlan) == Some(vlan);
        let part = self.part_of_holder(topology, vlan, address, source);
        if !is_whole && part == Some(Part::Promiscuous) {
            self.count(source, "promiscuous_address", 1);
        } else {
            if is_whole && part == Some(Part::Host) {
                self.claim(now, whole, address, source);
            } else {
                self.learn(topology, now, whole, address, source, gone);
            }
        }

        let destination: [u8; 6] = octets[..6].try_into().unwrap();
        let known = self
            .table
            .iter()
            .find(|known| (known.vlan, known.mac) == (whole, destination))
            .map(|known| known.owner);
        let to: Vec<&PortPlan> = match known {
            Some(owner) if owner == source => {
                self.end(source, length, "same_port");
                return Vec::new();
            }
            Some(owner) => {
                self.end(source, length, "forwarded");
                topology
                    .ports
                    .iter()
                    .filter(|port| whose(port) == owner)
                    .collect()
            }
            None => {
                let members: Vec<_> = topology
                    .ports
                    .iter()
                    .filter(|port| port.state == PortState::Forwarding)
                    .filter(|port| leaves(&port.vlan, vlan).is_some() && !is_silent(topology, port))
                    .filter(|port| whose(port) != source)
                    .collect();
                let reason = if members.is_empty() {
                    "no_member"
                } else {
                    "flooded"
                };
                self.end(source, length, reason);
                members
            }
        };
        self.count(source, "copies", to.len() as u64);
        self.source = Some(source);
        let mut copies = Vec::new();
        for to in to {
            let silent = is_silent(topology, to);
            let leave = leaves(&to.vlan, vlan).filter(|_| !silent);
            let apart = leave.is_none() && is_of_domain(&to.vlan, vlan);
            let doubled = tag.is_some() && VLAN_TAGS.contains(&ethertype(rest, 0).unwrap());
            let refusals = [
                (!open(to.state), "out:destination_shut"),
                (apart && silent, "out:vlan_inactive"),
                (apart, "out:private_vlan"),
                (leave.is_none(), "out:not_member"),
                (doubled && leave == Some(None), "out:inner_tag"),
                (rest.len() - 2 > to.mtu as usize, "out:mtu_exceeded"),
            ];
            if let Some((_, reason)) = refusals.iter().find(|(refused, _)| *refused) {
                self.count(whose(to), reason, 1);
                continue;
            }
            copies.push(copy(from, to, vlan, tag, &octets[..12], rest));
        }
        copies
    }

    /// What the port is, other than `from`, that has an address in the private VLAN of `vlan`; `None`: nothing in it.
    fn part_of_holder(
        &self,
        topology: &Topology,
        vlan: u16,
        mac: [u8; 6],
        from: Whose,
    ) -> Option<Part> {
        let whole = domain(vlan)?;
        let known = self
            .table
            .iter()
            .find(|known| (known.vlan, known.mac) == (whole, mac));
        let holder = known.filter(|known| known.owner != from)?;
        let mut ports = topology.ports.iter();
        let port = ports.find(|port| whose(port) == holder.owner)?;
        match &port.vlan {
            VlanPolicy::Private(policy) => Some(match policy.port {
                PrivatePort::Host(_) => Part::Host,
                _ => Part::Promiscuous,
            }),
            _ => None,
        }
    }

    /// Of the copies last decided so many were not made, because several were one.
    pub(crate) fn shared(&mut self, fewer: u64) {
        if let Some(source) = self.source
            && let Some(copies) = self.counts.get_mut(&(source, "copies".to_owned()))
        {
            *copies -= fewer;
        }
    }

    /// A frame left, or its device had no room: what is counted. Whoever it stood for in a list has it
    /// as listed; the frame is its device's.
    pub(crate) fn met(&mut self, leaving: &Leaving<'_>, copies: &[Copy], taken: bool) {
        let listed = leaving.tag().is_some_and(|tag| tag.p);
        let whose = if listed {
            Whose::Device(leaving.device)
        } else {
            copies[0].to
        };
        if !taken {
            self.count(whose, "out:tx_full", 1);
            return;
        }
        let octets = leaving.counted as u64;
        self.count(whose, "sent", 1);
        self.count(whose, "sent octets", octets);
        for copy in copies.iter().filter(|_| listed) {
            self.count(copy.to, "listed", 1);
            self.count(copy.to, "listed octets", octets);
        }
    }

    /// Counts a received frame and what became of it.
    fn end(&mut self, whose: Whose, length: usize, what: &str) {
        self.count(whose, "received", 1);
        self.count(whose, "received octets", length.max(60) as u64);
        match what.split_once('+') {
            Some((odd, what)) => {
                self.count(whose, odd, 1);
                self.count(whose, what, 1);
            }
            None => self.count(whose, what, 1),
        }
    }

    /// Takes out what has aged and what belongs to nobody any more.
    pub(crate) fn forget(&mut self, topology: &Topology, now: u64) {
        let ageing = u64::from(topology.table.ageing_seconds);
        let has_addresses = |owner| {
            let mut ports = topology.ports.iter();
            let port = ports.find(|port| whose(port) == owner);
            port.is_some_and(|port| !matches!(port.state, PortState::Shut | PortState::ErrDisabled))
        };
        self.table.retain(|known| {
            has_addresses(known.owner) && (ageing == 0 || now / 1000 - known.second < ageing)
        });
        for known in &mut self.table {
            known.home = known.home.filter(|home| has_addresses(*home));
        }
    }

    fn learn(
        &mut self,
        topology: &Topology,
        now: u64,
        vlan: u16,
        mac: [u8; 6],
        owner: Whose,
        gone: impl Fn(u16, [u8; 6]) -> bool,
    ) {
        let second = now / 1000;
        let at = self
            .table
            .iter()
            .position(|known| (known.vlan, known.mac) == (vlan, mac));
        let Some(at) = at else {
            if self.table.len() == self.capacity {
                self.count(owner, "table_full", 1);
                let victim = self.victim(owner, gone);
                self.table.remove(victim);
            }
            self.table.push(Known {
                vlan,
                mac,
                owner,
                second,
                window: None,
                home: None,
                held_until: 0,
            });
            return;
        };
        let mut known = self.table.remove(at);
        let stays_where_it_is = known.second == second && known.owner == owner;
        if known.owner != owner {
            if now < known.held_until {
                self.count(owner, "move_damped", 1);
                self.table.insert(at, known);
                return;
            }
            known.window = match known.window {
                Some((start, moves)) if now - start < 1000 => Some((start, moves + 1)),
                _ => {
                    known.home = Some(known.owner);
                    Some((now, 1))
                }
            };
            if known.window.is_some_and(|(_, moves)| moves > 3) {
                known.window = None;
                known.held_until = now + u64::from(topology.table.hold_millis);
                let home = known.home.unwrap_or(known.owner);
                if home != owner {
                    self.count(owner, "move_damped", 1);
                }
                if home == known.owner {
                    self.table.insert(at, known);
                    return;
                }
                known.owner = home;
            } else {
                known.owner = owner;
            }
        }
        known.second = second;
        let at = if stays_where_it_is {
            at
        } else {
            self.table.len()
        };
        self.table.insert(at, known);
    }

    /// A promiscuous port has its address from whatever host has it. That counts as a move, as the third of its second at most.
    fn claim(&mut self, now: u64, vlan: u16, mac: [u8; 6], owner: Whose) {
        let is_it = |known: &Known| (known.vlan, known.mac) == (vlan, mac);
        let at = self.table.iter().position(is_it).unwrap();
        let mut known = self.table.remove(at);
        known.window = Some(match known.window {
            _ if now < known.held_until => (now, 3),
            Some((start, moves)) if now - start < 1000 => (start, (moves + 1).min(3)),
            _ => (now, 1),
        });
        known.held_until = 0;
        (known.owner, known.home) = (owner, Some(owner));
        known.second = now / 1000;
        self.table.push(known);
    }

    /// The oldest entry of a bridge port that has the most; the learner's own, if it has as many.
    fn victim(&self, learner: Whose, gone: impl Fn(u16, [u8; 6]) -> bool) -> usize {
        let count = |owner| {
            self.table
                .iter()
                .filter(|known| known.owner == owner)
                .count()
        };
        let most = self
            .table
            .iter()
            .map(|known| count(known.owner))
            .max()
            .unwrap();
        let oldest = |owner| {
            self.table
                .iter()
                .position(|known| known.owner == owner)
                .unwrap()
        };
        if count(learner) == most {
            return oldest(learner);
        }
        let mut candidates = (0..self.table.len()).filter(|&at| {
            let owner = self.table[at].owner;
            count(owner) == most && at == oldest(owner)
        });
        candidates
            .find(|&at| gone(self.table[at].vlan, self.table[at].mac))
            .expect("none of those with the most gave up its oldest entry")
    }
}

/// A frame as it leaves the switch.
pub(crate) struct Leaving<'a> {
    pub(crate) device: u16,
    pub(crate) octets: &'a [u8],
    /// What it counts for.
    pub(crate) counted: usize,
}

/// What the tag of a frame that leaves says.
pub(crate) struct Tag {
    d: bool,
    p: bool,
    dvif: u16,
    l: bool,
    rest: bool,
    svif: u16,
}

impl Leaving<'_> {
    fn tag(&self) -> Option<Tag> {
        if ethertype(self.octets, 12) != Some(0x8926) {
            return None;
        }
        let bits: String = self.octets[14..18]
            .iter()
            .map(|octet| format!("{octet:08b}"))
            .collect();
        let number = |of: &str| u16::from_str_radix(of, 2).unwrap();
        Some(Tag {
            d: &bits[..1] == "1",
            p: &bits[1..2] == "1",
            dvif: number(&bits[2..16]),
            l: &bits[16..17] == "1",
            rest: &bits[17..20] != "000",
            svif: number(&bits[20..]),
        })
    }
}

/// Section 5.4: what the guests get of a frame that leaves, each as if by a unicast copy. The virtualizers
/// hold the lists of `topology`. Who is no bridge port gets it under a name that is nobody's.
pub(crate) fn deliver(topology: &Topology, leaving: &Leaving<'_>) -> Vec<Copy> {
    let to = |vif: Option<u16>| {
        let mut ports = topology.ports.iter();
        let port =
            ports.find(|port| (port.device.0, port.vif.map(u16::from)) == (leaving.device, vif));
        port.map_or(Whose::Device(u16::MAX), whose)
    };
    let copy = |to: Whose, octets: Vec<u8>| Copy {
        device: leaving.device,
        to,
        octets,
        counted: leaving.counted,
    };
    let Some(tag) = leaving.tag() else {
        return vec![copy(to(None), leaving.octets.to_vec())];
    };
    assert!(tag.d && !tag.rest);
    if !tag.p {
        return vec![copy(to(Some(tag.dvif)), leaving.octets.to_vec())];
    }
    let list = topology
        .lists
        .iter()
        .find(|list| (list.device.0, list.id.get()) == (leaving.device, tag.dvif))
        .expect("a list that nobody confirmed");
    let members = list.members.iter().map(|member| member.get());
    members
        .filter(|&member| !(tag.l && member == tag.svif))
        .map(|member| {
            let first = 0x8000 | member;
            let octets = [
                &leaving.octets[..14],
                &first.to_be_bytes(),
                &leaving.octets[16..],
            ];
            copy(to(Some(member)), octets.concat())
        })
        .collect()
}

pub(crate) fn whose(port: &PortPlan) -> Whose {
    Whose::Port(port.slot.index, port.slot.generation)
}

fn ethertype(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]))
}

fn whole(octets: &[u8], length: usize) -> Verdict {
    // `length` counts the frame without its VNTag, and so do `octets`.
    if octets.len() < length {
        Err("truncated")
    } else {
        Ok(())
    }
}

fn no_hidden_tag(octets: &[u8], hidden: &'static str) -> Verdict {
    let mut at = 12;
    for tags in 0.. {
        match ethertype(octets, at) {
            _ if tags > 4 => return Err("too_many_tags"),
            None => return Err("runt"),
            Some(kind) if NIV_TAGS.contains(&kind) => return Err(hidden),
            Some(kind) if VLAN_TAGS.contains(&kind) => at += 4,
            Some(_) if octets.len() == at + 2 => return Err("runt"),
            Some(_) => break,
        }
    }
    Ok(())
}

fn sane(octets: &[u8]) -> Verdict {
    if octets[6] % 2 == 1 {
        Err("group_source")
    } else if octets[6..12] == [0; 6] {
        Err("zero_source")
    } else {
        Ok(())
    }
}

fn classify(
    topology: &Topology,
    policy: &VlanPolicy,
    tag: Option<(u16, u16)>,
) -> Result<u16, &'static str> {
    if tag.is_some_and(|(kind, _)| kind == 0x88A8) {
        return Err("service_tag");
    }
    let vid = tag.map_or(0, |(_, control)| control & 0xFFF);
    let is_secondary = |vlan: u16| domain(vlan).is_some_and(|primary| primary != vlan);
    let vlan = match policy {
        VlanPolicy::Private(policy) => match &policy.port {
            PrivatePort::Host(own) => (vid == 0).then_some(own.get()),
            PrivatePort::Promiscuous { primary, .. } => (vid == 0).then_some(primary.get()),
            PrivatePort::PromiscuousTrunk { vlans, .. } if vid == 0 => vlans
                .native
                .map(u16::from)
                .filter(|&vlan| !is_secondary(vlan)),
            PrivatePort::PromiscuousTrunk { vlans, .. } => {
                let mut allowed = vlans.allowed.iter().map(u16::from);
                allowed.find(|&vlan| vlan == vid && !is_secondary(vlan))
            }
            PrivatePort::SwitchTrunk(_) => panic!("not made here"),
        },
        VlanPolicy::Access(own) => (vid == 0).then_some(own.get()),
        VlanPolicy::Trunk { native, .. } if vid == 0 => native.map(u16::from),
        VlanPolicy::Trunk { allowed, .. } => {
            allowed.iter().map(u16::from).find(|&vlan| vlan == vid)
        }
    };
    let vlan = vlan.ok_or("vlan_not_allowed")?;
    // A port that takes a VLAN for what it is not is in none.
    let takes_for = match policy {
        VlanPolicy::Private(policy) => match &policy.port {
            PrivatePort::Host(_) => is_secondary(vlan),
            PrivatePort::Promiscuous { .. } => domain(vlan) == Some(vlan),
            _ => true,
        },
        _ => true,
    };
    if !takes_for {
        return Err("vlan_undefined");
    }
    let carries = |vlan: u16| topology.vlans.iter().any(|defined| defined.get() == vlan);
    let needed = match policy {
        VlanPolicy::Private(_) => vec![vlan, domain(vlan).unwrap_or(vlan)],
        _ => vec![vlan],
    };
    if needed.iter().all(|&vlan| carries(vlan)) {
        return Ok(vlan);
    }
    let exists = |vlan: u16| carries(vlan) || topology.inactive.iter().any(|one| one.get() == vlan);
    if needed.iter().all(|&vlan| exists(vlan)) {
        Err("vlan_inactive")
    } else {
        Err("vlan_undefined")
    }
}

/// The primary VLAN of the private VLAN that `vlan` is of.
fn domain(vlan: u16) -> Option<u16> {
    let mut domains = PRIVATE.iter();
    let (primary, ..) = domains.find(|(primary, isolated, communities)| {
        *primary == vlan || *isolated == Some(vlan) || communities.contains(&vlan)
    })?;
    Some(*primary)
}

/// Who sends in `vlan` reaches the hosts of `to`, both of one private VLAN.
fn hosts_hear(vlan: u16, to: u16) -> bool {
    let is_community = PRIVATE
        .iter()
        .any(|(.., communities)| communities.contains(&vlan));
    domain(vlan) == domain(to) && (domain(vlan) == Some(vlan) || (is_community && vlan == to))
}

/// Whether a port with `policy` has a part in the private VLAN of `vlan`.
fn is_of_domain(policy: &VlanPolicy, vlan: u16) -> bool {
    let (VlanPolicy::Private(policy), Some(whole)) = (policy, domain(vlan)) else {
        return false;
    };
    match &policy.port {
        PrivatePort::Host(own) => domain(own.get()) == Some(whole),
        PrivatePort::Promiscuous { primary, .. } => primary.get() == whole,
        PrivatePort::PromiscuousTrunk { vlans, .. } => {
            vlans.native.map(u16::from) == Some(whole)
                || vlans.allowed.iter().any(|one| one.get() == whole)
        }
        PrivatePort::SwitchTrunk(_) => panic!("not made here"),
    }
}

/// It is a host of a VLAN that carries nothing.
fn is_silent(topology: &Topology, port: &PortPlan) -> bool {
    let VlanPolicy::Private(policy) = &port.vlan else {
        return false;
    };
    let carries = |own: VlanId| topology.vlans.iter().any(|vlan| vlan == own);
    matches!(policy.port, PrivatePort::Host(own) if !carries(own))
}

/// Whether frames of `vlan` leave by a port with `policy`, and if so with which tag.
fn leaves(policy: &VlanPolicy, vlan: u16) -> Option<Option<u16>> {
    let trunk = |allowed: &VlanSet, native: Option<VlanId>, vlan: u16| {
        if native.map(u16::from) == Some(vlan) {
            Some(None)
        } else {
            let is_allowed = allowed.iter().any(|allowed| allowed.get() == vlan);
            is_allowed.then_some(Some(vlan))
        }
    };
    match policy {
        VlanPolicy::Access(own) => (own.get() == vlan).then_some(None),
        VlanPolicy::Trunk { allowed, native } => trunk(allowed, *native, vlan),
        VlanPolicy::Private(policy) => {
            let from_host = domain(vlan).is_some_and(|primary| primary != vlan);
            let maps = |mapped: &VlanSet| !from_host || mapped.iter().any(|one| one.get() == vlan);
            match &policy.port {
                PrivatePort::Host(own) => {
                    let is_host = domain(own.get()).is_some_and(|primary| primary != own.get());
                    (is_host && hosts_hear(vlan, own.get())).then_some(None)
                }
                PrivatePort::Promiscuous { primary, mapped } => {
                    let own = domain(vlan) == Some(primary.get());
                    (own && maps(mapped)).then_some(None)
                }
                PrivatePort::PromiscuousTrunk { vlans, mapped } if maps(mapped) => {
                    trunk(&vlans.allowed, vlans.native, domain(vlan).unwrap_or(vlan))
                }
                PrivatePort::PromiscuousTrunk { .. } => None,
                PrivatePort::SwitchTrunk(_) => panic!("not made here"),
            }
        }
    }
}

fn copy(
    from: &PortPlan,
    to: &PortPlan,
    vlan: u16,
    tag: Option<(u16, u16)>,
    addresses: &[u8],
    rest: &[u8],
) -> Copy {
    let mut body = Vec::new();
    if let Some(Some(vlan)) = leaves(&to.vlan, vlan) {
        let priority = match tag {
            Some((_, control)) if from.policy.rates.is_some() => control / 0x1000,
            _ => 0,
        };
        body.extend([0x81, 0x00]);
        body.extend((priority * 0x1000 + vlan).to_be_bytes());
    }
    body.extend(rest);
    let counted = (12 + body.len()).max(60);
    let mark = match to.vif {
        None => Vec::new(),
        Some(vif) => {
            let (l, svif) = match from.vif {
                Some(source) if from.device == to.device => (1, source.get()),
                _ => (0, 0),
            };
            let bits = format!("10{:014b}{l}000{svif:012b}", vif.get());
            let word = u32::from_str_radix(&bits, 2).unwrap();
            [&[0x89, 0x26][..], &word.to_be_bytes()].concat()
        }
    };
    Copy {
        device: to.device.0,
        to: whose(to),
        octets: [addresses, &mark, &body].concat(),
        counted,
    }
}
