//! What is remembered and said of guests that bridge.

use super::*;
use niv::{Mac, VlanId};

fn veth(number: u32) -> InterfaceId {
    InterfaceId::Veth(number.try_into().unwrap())
}

fn bridge(id: u64, interfaces: [u32; 2]) -> Found {
    Found {
        interfaces: interfaces.map(veth),
        evidence: Evidence::BridgeId(id),
        blame: Blame::Nobody,
        at: Duration::ZERO,
    }
}

#[test]
fn nobody_can_have_what_others_do_forgotten() {
    let mut keeper = GuardKeeper::new(BTreeMap::new());
    keeper.remember(bridge(7, [1, 2]));
    // A guest with ten vNICs, with one id and with ids of its own.
    for n in 0..10_000u32 {
        let pair = [10 + n % 10, 10 + n / 10 % 10];
        keeper.remember(bridge(9, pair));
        keeper.remember(bridge(1_000 + u64::from(n), pair));
    }
    assert_eq!(keeper.found.len(), FOUND);
    let kept = keeper
        .found
        .iter()
        .any(|one| one.evidence == Evidence::BridgeId(7));
    assert!(kept);
    let of_one_id = |one: &&Found| one.evidence == Evidence::BridgeId(9);
    assert!(keeper.found.iter().filter(of_one_id).count() <= 1);
}

#[test]
fn a_pair_is_remembered_once_for_each_thing_it_is_blamed_for() {
    let mut keeper = GuardKeeper::new(BTreeMap::new());
    for n in 0..5 {
        keeper.remember(bridge(n, [1, 2]));
    }
    let echo = Found {
        evidence: Evidence::Echo(VlanId::DEFAULT, Mac([2; 6])),
        blame: Blame::Second,
        ..bridge(0, [1, 2])
    };
    keeper.remember(echo);
    let found: Vec<_> = keeper.found.iter().map(|one| one.evidence).collect();
    assert_eq!(found, [echo.evidence, Evidence::BridgeId(4)]);
}

#[test]
fn of_a_storm_of_things_found_few_are_said() {
    let mut keeper = GuardKeeper::new(BTreeMap::new());
    let mut said = 0;
    for n in 0..300_000u32 {
        let pair = [10 + n % 10, 10 + n / 10 % 10].map(veth);
        let now = Duration::from_micros(u64::from(n) * 17);
        said += u32::from(keeper.say_bridged(pair, now).is_some());
    }
    assert!((1..30).contains(&said), "{said}");
}
