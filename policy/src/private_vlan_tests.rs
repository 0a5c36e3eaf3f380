use super::*;
use proptest::prelude::*;

const PRIMARY: u16 = 100;
const ISOLATED: u16 = 101;
const A: u16 = 102;
const B: u16 = 103;

fn vlan(vid: u16) -> VlanId {
    vid.try_into().unwrap()
}

/// One domain, and another beside it.
fn vlans() -> PrivateVlans {
    let domain = |first: u16| Domain {
        primary: vlan(first),
        isolated: Some(vlan(first + 1)),
        communities: vec![vlan(first + 2), vlan(first + 3)],
    };
    PrivateVlans::new(&[domain(PRIMARY), domain(200)]).unwrap()
}

fn trunk(allowed: &str, native: Option<u16>) -> TrunkVlans {
    TrunkVlans {
        allowed: Arc::new(allowed.parse().unwrap()),
        native: native.map(vlan),
    }
}

fn tagged(vid: u16) -> Option<VlanTag> {
    Some(VlanTag {
        tpid: ethertype::VLAN,
        tci: vid,
    })
}

fn promiscuous() -> PrivatePort {
    promiscuous_of(PRIMARY)
}

/// With all secondary VLANs mapped.
fn promiscuous_of(primary: u16) -> PrivatePort {
    PrivatePort::Promiscuous {
        primary: vlan(primary),
        mapped: Arc::new(VlanSet::ALL),
    }
}

fn promiscuous_trunk_of(allowed: &str, native: Option<u16>) -> PrivatePort {
    PrivatePort::PromiscuousTrunk {
        vlans: trunk(allowed, native),
        mapped: Arc::new(VlanSet::ALL),
    }
}

fn host(vid: u16) -> PrivatePort {
    PrivatePort::Host(vlan(vid))
}

fn promiscuous_trunk() -> PrivatePort {
    promiscuous_trunk_of("100,200,7", None)
}

fn switch_trunk() -> PrivatePort {
    PrivatePort::SwitchTrunk(trunk("100-103,200-203,7", None))
}

/// What `to` gets of what `from` sends.
fn sent(from: &PrivatePort, tag: Option<VlanTag>, to: &PrivatePort) -> Leave {
    let vlans = vlans();
    let travels = vlans.classify(from, tag, &VlanSet::ALL).unwrap();
    vlans.leave(to, travels)
}

#[test]
fn the_textbook_matrix() {
    use Leave::{No, Tagged, Untagged};
    let senders = [
        (promiscuous(), None),
        (host(A), None),
        (host(B), None),
        (host(ISOLATED), None),
        (promiscuous_trunk(), tagged(PRIMARY)),
        (switch_trunk(), tagged(PRIMARY)),
        (switch_trunk(), tagged(A)),
        (switch_trunk(), tagged(ISOLATED)),
    ];
    let receivers = [
        promiscuous(),
        host(A),
        host(B),
        host(ISOLATED),
        promiscuous_trunk(),
        switch_trunk(),
    ];
    let to_primary = Tagged(vlan(PRIMARY));
    let by_promiscuous = [
        Untagged, Untagged, Untagged, Untagged, to_primary, to_primary,
    ];
    let by_a = [Untagged, Untagged, No, No, to_primary, Tagged(vlan(A))];
    let by_b = [Untagged, No, Untagged, No, to_primary, Tagged(vlan(B))];
    let by_isolated = [Untagged, No, No, No, to_primary, Tagged(vlan(ISOLATED))];
    let expected = [
        by_promiscuous,
        by_a,
        by_b,
        by_isolated,
        by_promiscuous,
        by_promiscuous,
        by_a,
        by_isolated,
    ];
    for ((from, tag), expected) in senders.iter().zip(expected) {
        let got = receivers.each_ref().map(|to| sent(from, *tag, to));
        assert_eq!(got, expected, "{from:?} {tag:?}");
    }
}

#[test]
fn nobody_reaches_another_domain_or_an_ordinary_vlan() {
    let others = [
        promiscuous_of(200),
        host(201),
        host(202),
        promiscuous_trunk_of("200,7", None),
        PrivatePort::SwitchTrunk(trunk("200-203,7", None)),
    ];
    for from in [promiscuous(), host(ISOLATED), host(A)] {
        for to in &others {
            assert_eq!(sent(&from, None, to), Leave::No, "{from:?} {to:?}");
        }
    }
    for to in [promiscuous(), host(ISOLATED), host(A)] {
        assert_eq!(sent(&switch_trunk(), tagged(7), &to), Leave::No);
    }
    let ordinary = sent(&switch_trunk(), tagged(7), &promiscuous_trunk());
    assert_eq!(ordinary, Leave::Tagged(vlan(7)));
}

#[test]
fn a_domain_shares_one_filtering_id() {
    let vlans = vlans();
    for vid in [PRIMARY, ISOLATED, A, B] {
        assert_eq!(vlans.filtering_id(vlan(vid)), vlan(PRIMARY));
    }
    assert_eq!(vlans.filtering_id(vlan(7)), vlan(7));
}

#[test]
fn hosts_and_promiscuous_ports_take_untagged_frames_and_vid_0_only() {
    let vlans = vlans();
    for (port, travels) in [(host(A), A), (promiscuous(), PRIMARY)] {
        for tag in [None, tagged(0)] {
            let vlan = vlans.classify(&port, tag, &VlanSet::ALL);
            assert_eq!(vlan.map(VlanId::get), Ok(travels));
        }
        for vid in [PRIMARY, A, ISOLATED, 7, 4095] {
            assert_eq!(
                vlans.classify(&port, tagged(vid), &VlanSet::ALL),
                Err(DropReason::VlanNotAllowed)
            );
        }
    }
}

#[test]
fn a_secondary_vlan_on_a_promiscuous_trunk_is_dropped_even_if_allowed() {
    let vlans = vlans();
    let port = promiscuous_trunk_of("all", Some(A));
    for tag in [None, tagged(A), tagged(ISOLATED), tagged(203)] {
        assert_eq!(
            vlans.classify(&port, tag, &VlanSet::ALL),
            Err(DropReason::VlanNotAllowed)
        );
    }
    let native = promiscuous_trunk_of("200", Some(PRIMARY));
    assert_eq!(sent(&host(A), None, &native), Leave::Untagged);
    assert_eq!(sent(&native, None, &host(ISOLATED)), Leave::Untagged);
}

#[test]
fn a_promiscuous_port_gets_what_the_vlans_mapped_to_it_send_and_reaches_all() {
    let mapped = Arc::new(vlan(A).into());
    let port = PrivatePort::Promiscuous {
        primary: vlan(PRIMARY),
        mapped: Arc::clone(&mapped),
    };
    let over = PrivatePort::PromiscuousTrunk {
        vlans: trunk("100", None),
        mapped,
    };
    assert_eq!(sent(&host(A), None, &port), Leave::Untagged);
    assert_eq!(sent(&host(A), None, &over), Leave::Tagged(vlan(PRIMARY)));
    for other in [host(B), host(ISOLATED)] {
        assert_eq!(sent(&other, None, &port), Leave::No);
        assert_eq!(sent(&other, None, &over), Leave::No);
        assert_eq!(sent(&port, None, &other), Leave::Untagged);
        assert_eq!(sent(&over, tagged(PRIMARY), &other), Leave::Untagged);
    }
    assert_eq!(sent(&promiscuous(), None, &port), Leave::Untagged);
    let vlans = vlans();
    assert!(vlans.is_of_domain(&port, vlan(B)) && vlans.is_of_domain(&host(B), vlan(A)));
    assert!(!vlans.is_of_domain(&host(201), vlan(A)) && !vlans.is_of_domain(&port, vlan(7)));
}

#[test]
fn each_leave_is_every_leave() {
    let vlans = vlans();
    let among: VlanSet = "7,100-102,200-203".parse().unwrap();
    for port in [
        promiscuous(),
        host(A),
        host(7),
        host(ISOLATED),
        promiscuous_trunk(),
        switch_trunk(),
    ] {
        let mut found = Vec::new();
        vlans.each_leave(&port, &among, |vlan, leave| found.push((vlan, leave)));
        let every = among.iter().map(|vlan| (vlan, vlans.leave(&port, vlan)));
        let every: Vec<_> = every.filter(|(_, leave)| *leave != Leave::No).collect();
        assert_eq!(found, every, "{port:?}");
    }
}

#[test]
fn service_tag() {
    let tag = Some(VlanTag {
        tpid: ethertype::SERVICE_VLAN,
        tci: PRIMARY,
    });
    for port in [host(A), promiscuous(), promiscuous_trunk(), switch_trunk()] {
        assert_eq!(
            vlans().classify(&port, tag, &VlanSet::ALL),
            Err(DropReason::ServiceTag)
        );
    }
}

#[test]
fn a_vlan_that_has_not_the_part_its_port_takes_it_for_carries_nothing() {
    let vlans = vlans();
    let undefined = Err(DropReason::VlanUndefined);
    for port in [host(PRIMARY), host(7), promiscuous_of(A), promiscuous_of(7)] {
        assert_eq!(vlans.classify(&port, None, &VlanSet::ALL), undefined);
        // Nor does it get anything.
        for travels in [PRIMARY, ISOLATED, A, B, 7] {
            assert_eq!(vlans.leave(&port, vlan(travels)), Leave::No, "{port:?}");
        }
    }
    // Without its primary VLAN a secondary one is undefined too.
    let without = VlanSet::ALL.difference(&VlanSet::from(vlan(PRIMARY)));
    assert_eq!(vlans.classify(&host(A), None, &without), undefined);
    let without = VlanSet::ALL.difference(&VlanSet::from(vlan(A)));
    assert_eq!(vlans.classify(&host(A), None, &without), undefined);
}

#[test]
fn a_vlan_has_one_part_to_play() {
    let domain = |primary, isolated, community| Domain {
        primary: vlan(primary),
        isolated: Some(vlan(isolated)),
        communities: vec![vlan(community)],
    };
    for domains in [
        vec![domain(10, 11, 11)],
        vec![domain(10, 10, 12)],
        vec![domain(10, 11, 12), domain(20, 21, 12)],
        vec![domain(10, 11, 12), domain(11, 21, 22)],
    ] {
        assert!(PrivateVlans::new(&domains).is_err(), "{domains:?}");
    }
}

#[test]
fn what_is_learned_on_promiscuous_ports_stays_there() {
    let vlans = vlans();
    assert!(vlans.holds_addresses(&promiscuous(), vlan(PRIMARY)));
    assert!(vlans.holds_addresses(&promiscuous_trunk(), vlan(PRIMARY)));
    assert!(!vlans.holds_addresses(&promiscuous_trunk(), vlan(7)));
    assert!(!vlans.holds_addresses(&host(A), vlan(A)));
    assert!(!vlans.holds_addresses(&switch_trunk(), vlan(PRIMARY)));
}

#[test]
fn floods_split_into_classes_of_equal_octets_by_link() {
    let vlans = vlans();
    let ports = [
        (1, 'p', promiscuous()),
        (1, 'a', host(A)),
        (1, 'b', host(B)),
        (1, 'i', host(ISOLATED)),
        (1, 'c', host(A)),
        (2, 'j', host(ISOLATED)),
        (3, 't', promiscuous_trunk()),
        (4, 's', switch_trunk()),
    ];
    let classes = |travels: u16| {
        let ports = ports.iter().map(|(link, name, port)| (*link, *name, port));
        let classes = vlans.classes(vlan(travels), ports).into_iter();
        let class =
            |class: Class<i32, char>| (class.link, class.leave, String::from_iter(class.members));
        classes.map(class).collect::<Vec<_>>()
    };
    let untagged = |link, members: &str| (link, Leave::Untagged, members.to_owned());
    let tagged = |link, vid, members: &str| (link, Leave::Tagged(vlan(vid)), members.to_owned());
    assert_eq!(
        classes(PRIMARY),
        [
            untagged(1, "pabic"),
            untagged(2, "j"),
            tagged(3, PRIMARY, "t"),
            tagged(4, PRIMARY, "s")
        ]
    );
    assert_eq!(
        classes(A),
        [
            untagged(1, "pac"),
            tagged(3, PRIMARY, "t"),
            tagged(4, A, "s")
        ]
    );
    assert_eq!(
        classes(ISOLATED),
        [
            untagged(1, "p"),
            tagged(3, PRIMARY, "t"),
            tagged(4, ISOLATED, "s")
        ]
    );
}

fn port() -> impl Strategy<Value = PrivatePort> {
    prop_oneof![
        Just(promiscuous()),
        prop_oneof![Just(ISOLATED), Just(A), Just(B), Just(201), Just(202)].prop_map(host),
        Just(promiscuous_of(200)),
    ]
}

proptest! {
    /// Two switches with a trunk between them are one switch.
    #[test]
    fn a_trunk_between_switches_carries_the_role(from in port(), to in port()) {
        let vlans = vlans();
        let direct = sent(&from, None, &to);
        let across = match sent(&from, None, &switch_trunk()) {
            Leave::Tagged(vlan) => sent(&switch_trunk(), tagged(vlan.get()), &to),
            other => panic!("{other:?} between switches"),
        };
        prop_assert_eq!(direct, across);
        // The matrix is symmetric where no trunk is.
        prop_assert_eq!(direct, sent(&to, None, &from));
        // Who may talk looks addresses up under one id.
        if direct != Leave::No {
            let id = |port| vlans.filtering_id(vlans.classify(port, None, &VlanSet::ALL).unwrap());
            prop_assert_eq!(id(&from), id(&to));
        }
    }
}
