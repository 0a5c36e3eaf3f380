//! What policy costs a frame: each attribute by itself, and all of them.
//!
//! The frames are the same in all cases, UDP over IPv4, so that what one attribute costs is what its case takes more than
//! `policy/none`.

use crate::access_lists::{list, port};
use crate::cases::{Case, case, leak};
use crate::{Exchange, NEAR, VLAN, burst, mac, tagged, topology, up};
use niv::{Mac, VlanId};
use packet_io::BURST;
use policy::acl::Family;
use policy::bridge_guard::BpduGuard;
use policy::marking::Marking;
use policy::private_vlan::{Domain, PrivatePort, PrivateVlans};
use policy::rate::{AskedBurst, Awareness, BitRate, Configured, PerColor, Policer};
use policy::security::{Mode, PortSecurity};
use policy::storm::{Action, Class, Level, StormControl};
use std::hint::black_box;
use std::sync::Arc;
use vis::switch::{
    Filters, GuardPolicy, PortPlan, PortPolicy, PrivatePolicy, RatePolicy, SecurePlan, Topology,
    VlanPolicy,
};

/// Lines of each access list.
const LINES: u16 = 256;
/// vEths of a flood, its sender left out.
const MEMBERS: u16 = 16;

/// Timed, and counted in instructions for the regression gate.
pub(crate) const POLICIES: &[Case] = &[
    case("policy/none", BURST as u32, || hairpin(|_| ())),
    case("policy/access list in", BURST as u32, || {
        hairpin(|topology| {
            let list = list(Family::Ipv4, LINES);
            each(topology, |policy| {
                policy.filters = Filters::new([list.clone()], []);
            });
        })
    }),
    case("policy/access list out", BURST as u32, || {
        hairpin(|topology| {
            let list = list(Family::Ipv4, LINES);
            each(topology, |policy| {
                policy.filters = Filters::new([], [list.clone()]);
            });
        })
    }),
    case("policy/plain rate in", BURST as u32, || {
        hairpin(|topology| {
            rates(topology, |rates| rates.police_in = policer(plain()));
        })
    }),
    case("policy/srTCM in", BURST as u32, || {
        hairpin(|topology| {
            rates(topology, |rates| rates.police_in = policer(single_rate()));
        })
    }),
    case("policy/trTCM in", BURST as u32, || {
        hairpin(|topology| {
            rates(topology, |rates| rates.police_in = policer(two_rates()));
        })
    }),
    case("policy/trTCM out, colour-aware", BURST as u32, || {
        hairpin(|topology| {
            rates(topology, |rates| rates.police_out = aware(two_rates()));
        })
    }),
    case("policy/CoS and DSCP rewritten", BURST as u32, || {
        hairpin(|topology| {
            rates(topology, |rates| rates.marking = Some(Marking::untrusted()));
        })
    }),
    case("policy/BPDU guard", BURST as u32, || {
        hairpin(|topology| guards(topology, |guards| guards.bpdu = BpduGuard::Shut))
    }),
    case("policy/port security", BURST as u32, || {
        hairpin(|topology| guards(topology, |guards| guards.security = Some(secure())))
    }),
    case("policy/none, others secured", BURST as u32, || {
        hairpin(|topology| {
            let secured = topology.ports.iter_mut().rev().take(1);
            secured.for_each(|port| {
                let guards = GuardPolicy {
                    security: Some(secure()),
                    ..GuardPolicy::default()
                };
                port.policy.guards = Some(Arc::new(guards));
            });
        })
    }),
    case("policy/private VLAN", BURST as u32, || hairpin(private)),
    case("policy/all", BURST as u32, || hairpin(all)),
    case("policy/none, a flood, each copy", MEMBERS as u32, || {
        flood(|_| ())
    }),
    case(
        "policy/storm control, a flood, each copy",
        MEMBERS as u32,
        || flood(|topology| guards(topology, |guards| guards.storm = calm())),
    ),
    case("policy/all, a flood, each copy", MEMBERS as u32, || {
        flood(all)
    }),
    case("policy/storm control, each dropped", BURST as u32, storm),
];

/// Every attribute there is, on every vEth.
fn all(topology: &mut Topology) {
    let list = list(Family::Ipv4, LINES);
    each(topology, |policy| {
        policy.filters = Filters::new([list.clone()], [list.clone()]);
    });
    rates(topology, |rates| {
        rates.police_in = policer(two_rates());
        rates.police_out = aware(two_rates());
        rates.marking = Some(Marking::untrusted());
    });
    guards(topology, |guards| {
        guards.storm = calm();
        guards.bpdu = BpduGuard::Shut;
        guards.security = Some(secure());
    });
    private(topology);
}

fn veths(topology: &mut Topology) -> impl Iterator<Item = &mut PortPlan> {
    topology.ports.iter_mut().filter(|port| port.vif.is_some())
}

fn each(topology: &mut Topology, mut with: impl FnMut(&mut PortPolicy)) {
    veths(topology).for_each(|port| with(&mut port.policy));
}

fn rates(topology: &mut Topology, with: impl FnOnce(&mut RatePolicy)) {
    let mut rates = RatePolicy::default();
    with(&mut rates);
    let rates = Arc::new(rates);
    each(topology, |policy| policy.rates = Some(Arc::clone(&rates)));
}

fn guards(topology: &mut Topology, with: impl FnOnce(&mut GuardPolicy)) {
    let mut guards = GuardPolicy::default();
    with(&mut guards);
    let guards = Arc::new(guards);
    each(topology, |policy| policy.guards = Some(Arc::clone(&guards)));
}

/// All are hosts of one community.
pub(crate) fn private(topology: &mut Topology) {
    let primary = VlanId::try_from(VLAN.get() + 1).unwrap();
    let domain = Domain {
        primary,
        isolated: None,
        communities: vec![VLAN],
    };
    let vlans = Arc::new(PrivateVlans::new(&[domain]).unwrap());
    for port in &mut topology.ports {
        port.vlan = VlanPolicy::Private(Arc::new(PrivatePolicy::new(
            PrivatePort::Host(VLAN),
            Arc::clone(&vlans),
        )));
    }
    topology.vlans.insert(primary);
    topology.private = Some(vlans);
}

fn rate(bits_per_second: u64) -> BitRate {
    BitRate::new(bits_per_second).unwrap()
}

fn plain() -> Configured {
    Configured::Plain {
        rate: rate(1_000_000_000),
        burst: None,
    }
}

fn single_rate() -> Configured {
    Configured::SingleRate {
        committed: rate(1_000_000_000),
        burst: AskedBurst::Default,
        excess: AskedBurst::Default,
    }
}

fn two_rates() -> Configured {
    Configured::TwoRate {
        committed: rate(1_000_000_000),
        burst: None,
        peak: rate(2_000_000_000),
        peak_burst: None,
    }
}

const ALL_PASS: PerColor<bool> = PerColor {
    green: true,
    yellow: true,
    red: true,
};

/// Meters, and lets everything pass.
fn policer(configured: Configured) -> Option<Policer> {
    Policer::new(configured, Awareness::Blind, ALL_PASS).ok()
}

fn aware(configured: Configured) -> Option<Policer> {
    Policer::new(configured, Awareness::Aware, ALL_PASS).ok()
}

/// Every frame's source is a secure address of its port.
fn secure() -> SecurePlan {
    SecurePlan {
        rule: PortSecurity {
            maximum: 4,
            violation: Mode::Restrict,
            ..PortSecurity::default()
        },
        addresses: Vec::new(),
        recalled: vis::switch::Recalled::default(),
    }
}

/// A level that no round reaches.
fn calm() -> StormControl {
    StormControl::new(Action::Drop).with(Class::Broadcast, Level::Packets(u32::MAX))
}

/// From 64 vEths to 64 on the same link, frame `n` by line `4 n` of a list.
fn hairpin(with: fn(&mut Topology)) -> Box<dyn FnMut()> {
    let mut topology = topology(64, 0);
    with(&mut topology);
    let mut switch = Exchange::with(&topology, 64, 0, 1 << 16);
    let frames = leak(burst(|n| {
        let (to, from) = (mac(u32::from((n + 1) % 64) + 1), mac(u32::from(n) + 1));
        tagged(up(n + 1), &datagram(to, from, port(n * 4)))
    }));
    Box::new(move || {
        assert_eq!(switch.pass(NEAR, black_box(frames)), BURST);
    })
}

/// A broadcast to everybody but its sender, and to the plain port.
fn flood(with: fn(&mut Topology)) -> Box<dyn FnMut()> {
    let mut topology = topology(MEMBERS, 0);
    with(&mut topology);
    let mut switch = Exchange::with(&topology, MEMBERS, 0, 1 << 16);
    let frames = leak(vec![tagged(
        up(1),
        &datagram(Mac::BROADCAST, mac(1), port(0)),
    )]);
    Box::new(move || {
        switch.wait();
        assert_eq!(switch.pass(NEAR, black_box(frames)), usize::from(MEMBERS));
    })
}

/// All of it is dropped: what a flood is spared costs this.
fn storm() -> Box<dyn FnMut()> {
    let none = StormControl::new(Action::Drop).with(Class::Broadcast, Level::Packets(0));
    let mut topology = topology(MEMBERS, 0);
    guards(&mut topology, |guards| guards.storm = none);
    let mut switch = Exchange::with(&topology, MEMBERS, 0, 1 << 16);
    let frame = tagged(up(1), &datagram(Mac::BROADCAST, mac(1), port(0)));
    let frames = leak(vec![frame; BURST]);
    Box::new(move || {
        assert_eq!(switch.pass(NEAR, black_box(frames)), 0);
    })
}

/// 60 octets of UDP over IPv4, DSCP 46.
pub(crate) fn datagram(to: Mac, from: Mac, port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    let mut frame = [&to.0[..], &from.0, &[8, 0]].concat();
    frame.extend([0x45, 46 << 2, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2, 0, 9, high, low, 0, 8, 0, 0]);
    frame.resize(60, 0);
    frame
}
