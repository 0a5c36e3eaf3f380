//! What policy a bridge port may have: small menus, so that few octets say much. What is costly to make is made once.

use niv::{Mac, VlanId, VlanSet};
use policy::acl::{AccessList, View, first_match};
use policy::bridge_guard::BpduGuard;
use policy::marking::{CosRule, DscpRule, Markdown, Marking};
use policy::private_vlan::{Domain, PrivatePort, PrivateVlans, TrunkVlans};
use policy::rate::{Awareness, BitRate, Burst, Configured, PerColor, Policer};
use policy::security::{Ageing, Mode, PortSecurity};
use policy::storm::{Action, Class, Level, StormControl};
use policy::{Cos, Dscp};
use std::sync::{Arc, LazyLock};
use vis::switch::{
    FilterList, Filters, GuardPolicy, PortPolicy, PortState, PrivatePolicy, RatePolicy, Recalled, SecurePlan,
    VlanPolicy,
};

/// The octets that say a port's policies: access lists, policers and marking, guards, VLANs and standing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chosen {
    lists: u8,
    rates: u8,
    guards: u8,
}

impl Chosen {
    pub(super) const fn new(lists: u8, rates: u8, guards: u8) -> Self {
        Self { lists, rates, guards }
    }

    pub(super) fn policy(self) -> PortPolicy {
        PortPolicy {
            filters: Filters::new(menu(self.lists & 7).cloned(), menu(self.lists >> 4).cloned()),
            rates: rates(self.rates),
            guards: match self.guards {
                0 => None,
                said => GUARDS.get(usize::from(said)).cloned(),
            },
        }
    }

    /// Whether every list for frames from the port lets one pass, line after line.
    pub(super) fn lets_in(self, view: &View) -> bool {
        menu(self.lists & 7).all(|list| permits(list, view))
    }

    /// Whether every list for frames to the port does.
    pub(super) fn lets_out(self, view: &View) -> bool {
        menu(self.lists >> 4).all(|list| permits(list, view))
    }

    /// The priority bits of the tag that a frame from the port gets, which came with `tci`; `None`: who knows.
    pub(super) const fn priority(self, tci: Option<u16>) -> Option<u16> {
        match (self.rates >> 4 & 7, tci) {
            (0 | 4, _) | (1 | 2, None) => Some(0),
            (1 | 2, Some(tci)) => Some(tci & 0xF000),
            (5, _) => Some(5 << 13),
            _ => None,
        }
    }

    /// Whether the IP header of a frame from the port may say another priority than it came with.
    pub(super) const fn rewrites(self) -> bool {
        !matches!(self.rates >> 4 & 7, 0 | 1 | 3)
    }

    /// Its secure static addresses.
    pub(super) fn statics(self) -> impl Iterator<Item = (VlanId, Mac)> {
        let all = [(1, 10, 1), (2, 10, 2), (2, 100, 2)];
        let is_secured = self.guards >> 3 & 3 != 0;
        let here = all
            .into_iter()
            .filter(move |(bits, ..)| is_secured && self.guards >> 6 & bits != 0);
        here.filter_map(|(_, vid, last)| Some((vlan(vid)?, Mac([2, 0, 0, 0, 0, last]))))
    }

    /// How many secure addresses it may have.
    pub(super) fn most(self) -> usize {
        self.statics().count() + 1
    }
}

fn permits(list: &FilterList, view: &View) -> bool {
    first_match(&list.list, view).is_none_or(|verdict| verdict.action == policy::acl::Action::Permit)
}

pub(super) fn vlan(vid: u16) -> Option<VlanId> {
    VlanId::try_from(vid).ok()
}

/// The lists of an entry: those of several families are asked together.
fn menu(entry: u8) -> impl Iterator<Item = &'static FilterList> {
    let which: &[usize] = match entry & 7 {
        0 => &[],
        1 => &[0],
        2 => &[1],
        3 => &[2],
        4 => &[0, 1, 2],
        5 => &[3],
        6 => &[4],
        _ => &[1, 4],
    };
    which.iter().filter_map(|at| LISTS.get(*at))
}

static LISTS: LazyLock<Vec<FilterList>> = LazyLock::new(|| {
    let texts = [
        "mac access-list m\n10 deny host 0200.0000.0003 any log\n20 deny any any 0x88B5\n30 permit any any\n",
        "ip access-list v4\n10 permit tcp any any established\n20 deny udp any any eq 53\n30 permit udp any range 1 99 any\n\
         40 deny icmp any any echo log\n50 permit ip 10.0.0.0/8 any dscp ef\n60 permit udp any any fragments\n",
        "ipv6 access-list v6\n10 permit udp any 2001:db8::/32 eq 53\n20 deny icmp any any nd-na\n\
         30 permit ipv6 host 2001:db8::1 any log\n",
        "ip access-list none\n10 deny ip any any log\n",
        "mac access-list odd\n10 permit any any 0x0806\n20 permit any any 0x0800\n",
    ];
    let lists = texts.into_iter().map(|text| {
        let list = text.parse::<AccessList>();
        assert!(list.is_ok(), "{:?}", list.err());
        list
    });
    lists.flatten().map(FilterList::new).collect()
});

/// A few hundred octets at once, and so many in a second.
fn policer(entry: u8) -> Option<Policer> {
    let committed = BitRate::new(8_000).ok()?;
    let burst = Some(Burst::new(200).ok()?);
    let (configured, awareness) = match entry & 3 {
        0 => return None,
        1 => (Configured::Plain { rate: committed, burst }, Awareness::Blind),
        2 => (
            Configured::SingleRate {
                committed,
                burst: burst.into(),
                excess: burst.into(),
            },
            Awareness::Aware,
        ),
        _ => {
            let (peak, peak_burst) = (BitRate::new(16_000).ok()?, Some(Burst::new(400).ok()?));
            (
                Configured::TwoRate {
                    committed,
                    burst,
                    peak,
                    peak_burst,
                },
                Awareness::Aware,
            )
        }
    };
    let policer = Policer::new(configured, awareness, PerColor::DROP_RED);
    assert!(policer.is_ok(), "{:?}", policer.err());
    policer.ok()
}

fn rates(said: u8) -> Option<Arc<RatePolicy>> {
    if said == 0 {
        return None;
    }
    let marking = match said >> 4 & 7 {
        0 => None,
        1 => RatePolicy::keeping_priority().marking,
        2 => Some(Marking::trusting_cos()),
        3 => Some(Marking::trusting_dscp()),
        4 => Some(Marking::untrusted()),
        5 => Some(Marking {
            cos: CosRule::Set(Cos::try_from(5).unwrap_or_default()),
            dscp: DscpRule::Set(Dscp::try_from(46).unwrap_or_default()),
            ..Marking::default()
        }),
        6 => Some(Marking {
            markdown: Some(Markdown::default()),
            ..Marking::trusting_cos()
        }),
        _ => Some(Marking {
            cos: CosRule::FromDscp,
            dscp: DscpRule::FromCos,
            markdown: Some(Markdown::default()),
            ..Marking::default()
        }),
    };
    Some(Arc::new(RatePolicy {
        police_in: policer(said),
        police_out: policer(said >> 2),
        marking,
    }))
}

/// By the octet that says it.
static GUARDS: LazyLock<Vec<Arc<GuardPolicy>>> =
    LazyLock::new(|| (0..=u8::MAX).map(|said| Arc::new(guards(said))).collect());

fn guards(said: u8) -> GuardPolicy {
    let all = |action, level| {
        let none = StormControl::new(action);
        Class::ALL
            .into_iter()
            .fold(none, |storm, class| storm.with(class, level))
    };
    let storm = match said & 3 {
        0 => StormControl::default(),
        // Two at once.
        1 => all(Action::Drop, Level::Packets(20)),
        2 => all(Action::Shut, Level::Packets(20)),
        _ => {
            let nobody = StormControl::new(Action::Drop).with(Class::UnknownUnicast, Level::Packets(0));
            let bits = BitRate::new(1_000).map(Level::Bits);
            bits.map_or(nobody, |bits| nobody.with(Class::Broadcast, bits))
        }
    };
    let chosen = Chosen::new(0, 0, said);
    let sticky = said & 0x20 != 0;
    let violation = match said >> 3 & 3 {
        0 => None,
        1 => Some(Mode::Protect),
        2 => Some(Mode::Restrict),
        _ => Some(Mode::Shutdown),
    };
    let recalled = vlan(10).map(|vlan| (vlan, Mac([2, 0, 0, 0, 0, 7])));
    GuardPolicy {
        storm,
        bpdu: if said & 4 != 0 { BpduGuard::Shut } else { BpduGuard::Off },
        security: violation.map(|violation| SecurePlan {
            rule: PortSecurity {
                maximum: chosen.most() as u32,
                violation,
                ageing: if sticky { Ageing::Never } else { Ageing::Inactivity(3) },
                sticky,
            },
            addresses: chosen.statics().collect(),
            recalled: Recalled(recalled.into_iter().filter(|_| sticky).collect()),
        }),
    }
}

/// The VLANs of private VLAN 100: 101 is isolated, 102 and 103 are communities. 200 and 201 are another and carry nothing.
pub(super) static PRIVATE: LazyLock<Option<Arc<PrivateVlans>>> = LazyLock::new(|| {
    let domain = |primary, isolated, communities: &[u16]| {
        Some(Domain {
            primary: vlan(primary)?,
            isolated: vlan(isolated),
            communities: communities.iter().copied().filter_map(vlan).collect(),
        })
    };
    let domains = [domain(100, 101, &[102, 103]), domain(200, 201, &[])];
    let domains: Vec<_> = domains.into_iter().flatten().collect();
    PrivateVlans::new(&domains).ok().map(Arc::new)
});

fn set(vids: &[u16]) -> Arc<VlanSet> {
    Arc::new(vids.iter().copied().filter_map(vlan).collect())
}

fn trunk(allowed: &[u16], native: u16) -> TrunkVlans {
    TrunkVlans {
        allowed: set(allowed),
        native: vlan(native),
    }
}

/// The VLANs of a port; `None`: as they were.
pub(super) fn vlans(entry: u8) -> Option<VlanPolicy> {
    let access = |vid| vlan(vid).map(VlanPolicy::Access);
    let ordinary = |TrunkVlans { allowed, native }| Some(VlanPolicy::Trunk { allowed, native });
    let port = match entry & 15 {
        0 => return None,
        1 => return access(10),
        // It carries nothing.
        2 => return access(40),
        3 => return ordinary(trunk(&[1, 10, 20, 30, 40, 100, 101, 102, 103], 0)),
        4 => return ordinary(trunk(&[10, 20, 40], 10)),
        5 => PrivatePort::Host(vlan(101)?),
        6 => PrivatePort::Host(vlan(102)?),
        7 => PrivatePort::Host(vlan(103)?),
        8 => promiscuous(100, &[101, 102, 103])?,
        9 => promiscuous(100, &[102])?,
        10 => PrivatePort::PromiscuousTrunk {
            vlans: trunk(&[10, 100], 20),
            mapped: set(&[101, 102, 103]),
        },
        11 => PrivatePort::PromiscuousTrunk {
            vlans: trunk(&[10], 100),
            mapped: set(&[101]),
        },
        12 => PrivatePort::SwitchTrunk(trunk(&[10, 100, 101, 102], 0)),
        // It is no VLAN of hosts.
        13 => PrivatePort::Host(vlan(10)?),
        14 => PrivatePort::Host(vlan(201)?),
        _ => return access(20),
    };
    let vlans = PRIVATE.clone()?;
    Some(VlanPolicy::Private(Arc::new(PrivatePolicy::new(port, vlans))))
}

fn promiscuous(primary: u16, mapped: &[u16]) -> Option<PrivatePort> {
    Some(PrivatePort::Promiscuous {
        primary: vlan(primary)?,
        mapped: set(mapped),
    })
}

/// Whether a port forwards; `None`: as it did.
pub(super) const fn state(entry: u8) -> Option<PortState> {
    match entry & 7 {
        1 => Some(PortState::Forwarding),
        2 => Some(PortState::Opening),
        3 => Some(PortState::Shut),
        4 => Some(PortState::ErrDisabled),
        5 => Some(PortState::ProfileIncomplete),
        _ => None,
    }
}
