use super::*;
use crate::err_disable::Cause;
use proptest::prelude::*;

const A: u16 = 3;
const B: u16 = 9;

fn vlan() -> VlanId {
    VlanId::DEFAULT
}

fn mac(n: u32) -> Mac {
    let [a, b, c, d] = n.to_be_bytes();
    Mac([2, 0, a, b, c, d])
}

fn at(seconds: u64) -> Time {
    Time::from_secs(1_000_000 + seconds)
}

fn rule(maximum: u32) -> PortSecurity {
    PortSecurity {
        maximum,
        violation: Mode::Restrict,
        ..PortSecurity::default()
    }
}

fn table(ports: &[(u16, PortSecurity)]) -> SecureTable {
    let mut table = SecureTable::new(1_000, Seed(1, 2));
    for &(port, rule) in ports {
        table.configure(port, Some(rule)).unwrap();
    }
    table
}

fn fixed(mac: Mac, kind: Kind) -> SecureAddress {
    SecureAddress {
        vlan: vlan(),
        mac,
        kind,
        since: at(0),
        seen: at(0),
    }
}

fn why(admission: Admission) -> Option<Why> {
    match admission {
        Admission::Violation(violation) => Some(violation.why),
        _ => None,
    }
}

#[test]
fn a_port_learns_up_to_its_maximum_and_then_violates() {
    let mut table = table(&[(A, rule(2))]);
    for n in 0..2 {
        let learned = table.admit(A, vlan(), mac(n), at(0), || None);
        assert_eq!(learned, Admission::Learned(Kind::Dynamic));
        assert_eq!(
            table.admit(A, vlan(), mac(n), at(0), || None),
            Admission::Known
        );
    }
    assert_eq!(
        why(table.admit(A, vlan(), mac(2), at(0), || None)),
        Some(Why::Maximum)
    );
    assert_eq!(table.violations(A), 1);
}

#[test]
fn a_static_address_counts_towards_the_maximum() {
    let mut table = table(&[(A, rule(1))]);
    table.add(A, fixed(mac(1), Kind::Static)).unwrap();
    assert_eq!(
        table.admit(A, vlan(), mac(1), at(0), || None),
        Admission::Known
    );
    assert_eq!(
        why(table.admit(A, vlan(), mac(2), at(0), || None)),
        Some(Why::Maximum)
    );
    let refused = table.add(A, fixed(mac(2), Kind::Static));
    assert_eq!(refused, Err(Refused::Maximum { maximum: 1 }));
}

#[test]
fn a_secure_address_seen_elsewhere_is_a_violation_on_secured_and_other_ports() {
    let mut table = table(&[(A, rule(2)), (B, PortSecurity::default())]);
    table.admit(A, vlan(), mac(1), at(0), || None);
    for (port, mode) in [(B, Mode::Shutdown), (77, Mode::Restrict)] {
        let Admission::Violation(violation) = table.admit(port, vlan(), mac(1), at(0), || None)
        else {
            panic!("{port} may use another's address");
        };
        assert_eq!((violation.why, violation.mode), (Why::Elsewhere(A), mode));
        assert_eq!(table.violations(port), 1);
    }
    assert_eq!(
        table.admit(A, vlan(), mac(1), at(0), || None),
        Admission::Known
    );
    // In another VLAN it is another.
    let other = VlanId::try_from(2).unwrap();
    assert_eq!(
        table.admit(77, other, mac(1), at(0), || None),
        Admission::NotSecured
    );
    let refused = table.add(B, fixed(mac(1), Kind::Static)).unwrap_err();
    assert!(matches!(refused, Refused::Elsewhere { port: A, .. }));
}

#[test]
fn protect_is_silent_restrict_tells_once_a_second_and_shutdown_shuts() {
    for (mode, tells, shut) in [
        (Mode::Protect, [false, false, false], None),
        (Mode::Restrict, [true, false, true], None),
        (
            Mode::Shutdown,
            [true, false, true],
            Some(Cause::PortSecurity),
        ),
    ] {
        let violation = mode;
        let mut table = table(&[(
            A,
            PortSecurity {
                violation,
                ..rule(1)
            },
        )]);
        table.admit(A, vlan(), mac(0), at(0), || None);
        for (now, tell) in [at(1), at(1), at(2)].into_iter().zip(tells) {
            let expected = Violation {
                why: Why::Maximum,
                mode,
                tell,
            };
            let admission = Admission::Violation(expected);
            assert_eq!(table.foresee(A, vlan(), mac(1), now, || None), admission);
            assert_eq!(table.admit(A, vlan(), mac(1), now, || None), admission);
            assert_eq!(expected.shut(), shut);
        }
        assert_eq!(table.violations(A), 3);
    }
}

#[test]
fn sticky_addresses_survive_a_restart_and_do_not_age() {
    let sticky = PortSecurity {
        sticky: true,
        ageing: Ageing::Absolute(60),
        ..rule(2)
    };
    let mut before = table(&[(A, sticky)]);
    assert_eq!(
        before.admit(A, vlan(), mac(1), at(0), || None),
        Admission::Learned(Kind::Sticky)
    );
    let kept: Vec<_> = before
        .addresses(A, at(0))
        .map(|address| address.to_words())
        .collect();
    let mut after = table(&[(A, sticky), (B, rule(1))]);
    for words in kept {
        let address = SecureAddress::from_words(words).unwrap();
        after.add(A, address).unwrap();
    }
    assert_eq!(
        after.admit(A, vlan(), mac(1), at(1_000), || None),
        Admission::Known
    );
    assert_eq!(
        why(after.admit(B, vlan(), mac(1), at(1_000), || None)),
        Some(Why::Elsewhere(A))
    );
}

#[test]
fn absolute_ageing_counts_from_when_an_address_was_learned() {
    let mut table = table(&[(
        A,
        PortSecurity {
            ageing: Ageing::Absolute(60),
            ..rule(1)
        },
    )]);
    table.admit(A, vlan(), mac(1), at(0), || None);
    assert_eq!(
        table.admit(A, vlan(), mac(1), at(59), || None),
        Admission::Known
    );
    assert_eq!(
        why(table.admit(A, vlan(), mac(2), at(59), || None)),
        Some(Why::Maximum)
    );
    let learned = Admission::Learned(Kind::Dynamic);
    assert_eq!(table.admit(A, vlan(), mac(2), at(60), || None), learned);
    assert_eq!(table.len(), 1);
}

#[test]
fn inactivity_ageing_counts_from_when_an_address_was_last_seen() {
    let mut table = table(&[(
        A,
        PortSecurity {
            ageing: Ageing::Inactivity(60),
            ..rule(2)
        },
    )]);
    table.admit(A, vlan(), mac(1), at(0), || None);
    table.admit(A, vlan(), mac(2), at(1), || None);
    table.admit(A, vlan(), mac(1), at(59), || None);
    // The one that was learned later was seen earlier.
    let learned = Admission::Learned(Kind::Dynamic);
    assert_eq!(table.admit(A, vlan(), mac(3), at(61), || None), learned);
    assert_eq!(
        table.admit(A, vlan(), mac(1), at(61), || None),
        Admission::Known
    );
    assert_eq!(
        why(table.admit(A, vlan(), mac(2), at(61), || None)),
        Some(Why::Maximum)
    );
}

#[test]
fn an_aged_address_may_be_learned_by_another_port() {
    let ages = PortSecurity {
        ageing: Ageing::Inactivity(60),
        ..rule(1)
    };
    let mut table = table(&[(A, ages), (B, rule(1))]);
    table.admit(A, vlan(), mac(1), at(0), || None);
    let learned = Admission::Learned(Kind::Dynamic);
    assert_eq!(table.admit(B, vlan(), mac(1), at(60), || None), learned);
    assert_eq!(
        why(table.admit(A, vlan(), mac(1), at(60), || None)),
        Some(Why::Elsewhere(B))
    );
    assert_eq!(table.len(), 1);
}

#[test]
fn a_million_sources_from_one_port_evict_no_entry_of_another() {
    let mut table = SecureTable::new(64, Seed(5, 6));
    table.configure(A, Some(rule(10))).unwrap();
    table.configure(B, Some(rule(54))).unwrap();
    for n in 0..10 {
        table.admit(A, vlan(), mac(n), at(0), || None);
    }
    let mut learned = 0;
    for n in 0..1_000_000 {
        let admission = table.admit(B, vlan(), mac(1_000 + n), at(1), || None);
        learned += u32::from(admission == Admission::Learned(Kind::Dynamic));
    }
    assert_eq!((learned, table.len()), (54, 64));
    for n in 0..10 {
        assert_eq!(
            table.admit(A, vlan(), mac(n), at(2), || None),
            Admission::Known
        );
    }
}

#[test]
fn room_for_every_ports_maximum_is_set_aside() {
    let mut table = SecureTable::new(10, Seed(5, 6));
    table.configure(A, Some(rule(7))).unwrap();
    let refused = table.configure(B, Some(rule(4)));
    assert_eq!(
        refused,
        Err(Refused::NoRoom {
            wanted: 4,
            left: 3,
            capacity: 10
        })
    );
    table.configure(B, Some(rule(3))).unwrap();
    table.configure(A, None).unwrap();
    table.configure(B, Some(rule(10))).unwrap();
}

#[test]
fn a_lowered_maximum_gives_up_what_was_learned_last_and_static_ones_at_the_end() {
    let mut table = SecureTable::new(10, Seed(5, 6));
    table.configure(A, Some(rule(6))).unwrap();
    for n in 0..4 {
        table.admit(A, vlan(), mac(n), at(n.into()), || None);
    }
    for n in [8, 9] {
        let late = SecureAddress {
            since: at(100),
            ..fixed(mac(n), Kind::Static)
        };
        table.add(A, late).unwrap();
    }
    table.configure(A, Some(rule(4))).unwrap();
    for (n, is_left) in [
        (0, true),
        (1, true),
        (2, false),
        (3, false),
        (8, true),
        (9, true),
    ] {
        let admission = table.admit(A, vlan(), mac(n), at(100), || None);
        let expected = (!is_left).then_some(Why::Maximum);
        assert_eq!(why(admission), expected, "{n}");
    }
    // The room of what was given up is another's.
    table.configure(B, Some(rule(6))).unwrap();
    table.configure(A, Some(rule(1))).unwrap();
    assert_eq!(table.len(), 1);
    assert_eq!(
        table.addresses(A, at(100)).next().unwrap().kind,
        Kind::Static
    );
}

/// Who sends from a neighbour's address where no port security is must not have that one shut, nor silenced.
#[test]
fn an_address_that_was_only_seen_elsewhere_shuts_no_port_and_takes_nothing_that_was_its_own() {
    let aging = PortSecurity {
        violation: Mode::Shutdown,
        ageing: Ageing::Absolute(60),
        ..rule(2)
    };
    let mut table = table(&[(A, aging)]);
    let seen = || Some(Use::Seen(B));
    let shuts = |admission| match admission {
        Admission::Violation(violation) => violation.shut().is_some(),
        _ => false,
    };
    let stranger = table.admit(A, vlan(), mac(1), at(0), seen);
    assert_eq!(
        (why(stranger), shuts(stranger)),
        (Some(Why::InUse(B)), false)
    );
    let declared = || Some(Use::Declared(B));
    let declared = table.admit(A, vlan(), mac(1), at(0), declared);
    assert_eq!(
        (why(declared), shuts(declared)),
        (Some(Why::InUse(B)), true)
    );
    let learned = Admission::Learned(Kind::Dynamic);
    assert_eq!(table.admit(A, vlan(), mac(2), at(0), || None), learned);
    assert_eq!(table.admit(A, vlan(), mac(2), at(60), seen), learned);
}

#[test]
fn an_address_that_somebody_uses_is_not_learned_and_one_that_is_known_is_not_asked_about() {
    let mut table = table(&[(A, rule(1))]);
    let taken = || Some(Use::Seen(B));
    for _ in 0..2 {
        let foreseen = table.foresee(A, vlan(), mac(1), at(0), taken);
        assert_eq!(why(foreseen), Some(Why::InUse(B)));
        let admission = table.admit(A, vlan(), mac(1), at(0), taken);
        assert_eq!(why(admission), Some(Why::InUse(B)));
    }
    assert_eq!((table.violations(A), table.len()), (2, 0));
    let learned = Admission::Learned(Kind::Dynamic);
    assert_eq!(table.admit(A, vlan(), mac(1), at(0), || None), learned);
    let unasked = || panic!("it is known");
    assert_eq!(
        table.admit(A, vlan(), mac(1), at(0), unasked),
        Admission::Known
    );
    // One too many is no question of who uses it.
    assert_eq!(
        why(table.admit(A, vlan(), mac(2), at(0), unasked)),
        Some(Why::Maximum)
    );
}

#[test]
fn what_was_learned_becomes_sticky_and_ages_no_more() {
    let ages = PortSecurity {
        ageing: Ageing::Absolute(60),
        ..rule(2)
    };
    let mut table = table(&[(A, ages)]);
    table.admit(A, vlan(), mac(1), at(0), || None);
    table.stick(A);
    let kinds: Vec<_> = table.addresses(A, at(100)).map(|one| one.kind).collect();
    assert_eq!(kinds, [Kind::Sticky]);
    let learned = Admission::Learned(Kind::Dynamic);
    assert_eq!(table.admit(A, vlan(), mac(2), at(100), || None), learned);
    assert_eq!(table.admit(A, vlan(), mac(3), at(160), || None), learned);
    assert_eq!(
        table.admit(A, vlan(), mac(1), at(160), || None),
        Admission::Known
    );
}

#[test]
fn a_port_that_is_gone_leaves_nothing() {
    let mut table = table(&[(A, rule(2))]);
    table.admit(A, vlan(), mac(1), at(0), || None);
    table.configure(A, None).unwrap();
    assert!(table.is_empty());
    assert_eq!(
        table.admit(A, vlan(), mac(1), at(0), || None),
        Admission::NotSecured
    );
}

/// The same rules, slow and plain.
#[derive(Default)]
struct Model(Vec<(u16, u32, Time, Time)>);

impl Model {
    fn admit(&mut self, rules: &[PortSecurity], port: u16, n: u32, now: Time) -> Admission {
        self.0.retain(
            |&(owner, _, since, seen)| match rules[usize::from(owner)].ageing {
                Ageing::Never => true,
                Ageing::Absolute(s) => now.nanos_since(since) < u64::from(s) * Time::SECOND,
                Ageing::Inactivity(s) => now.nanos_since(seen) < u64::from(s) * Time::SECOND,
            },
        );
        let rule = rules[usize::from(port)];
        let violation = |why| {
            Admission::Violation(Violation {
                why,
                mode: rule.violation,
                tell: false,
            })
        };
        if let Some(known) = self.0.iter_mut().find(|known| known.1 == n) {
            if known.0 != port {
                return violation(Why::Elsewhere(known.0));
            }
            known.3 = now;
            return Admission::Known;
        }
        if self.0.iter().filter(|known| known.0 == port).count() as u32 >= rule.maximum {
            return violation(Why::Maximum);
        }
        self.0.push((port, n, now, now));
        Admission::Learned(Kind::Dynamic)
    }
}

fn ageing() -> impl Strategy<Value = Ageing> {
    prop_oneof![
        Just(Ageing::Never),
        (1u32..9).prop_map(Ageing::Absolute),
        (1u32..9).prop_map(Ageing::Inactivity)
    ]
}

proptest! {
    #[test]
    fn the_table_says_what_a_plain_list_says(
        ageings in prop::collection::vec(ageing(), 3),
        maxima in prop::collection::vec(1u32..5, 3),
        frames in prop::collection::vec((0u16..3, 0u32..9, 0u64..4), 1..200),
    ) {
        let rules: Vec<_> = ageings.iter().zip(&maxima).map(|(&ageing, &maximum)| PortSecurity {
            maximum,
            ageing,
            violation: Mode::Protect,
            sticky: false,
        }).collect();
        let mut table = SecureTable::new(maxima.iter().sum(), Seed(3, 4));
        for (port, &rule) in (0..).zip(&rules) {
            table.configure(port, Some(rule)).unwrap();
        }
        let mut model = Model::default();
        let mut now = at(0);
        for (port, n, gap) in frames {
            now = now.plus_nanos(gap * Time::SECOND);
            let expected = model.admit(&rules, port, n, now);
            prop_assert_eq!(table.foresee(port, vlan(), mac(n), now, || None), expected);
            prop_assert_eq!(table.admit(port, vlan(), mac(n), now, || None), expected);
            let listed: usize = (0..3).map(|port| table.addresses(port, now).count()).sum();
            prop_assert_eq!(listed, model.0.len());
        }
    }

    #[test]
    fn an_address_survives_its_words_and_no_words_panic(words: [u64; 4], n: u32, since: u64, seen: u64) {
        let _ = SecureAddress::from_words(words);
        let address = SecureAddress {
            since: Time::from_nanos(since),
            seen: Time::from_nanos(seen),
            ..fixed(mac(n), Kind::Sticky)
        };
        prop_assert_eq!(SecureAddress::from_words(address.to_words()), Some(address));
    }
}
