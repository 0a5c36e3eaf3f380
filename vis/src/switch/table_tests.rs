use super::records::List;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const SEED: Seed = Seed(1, 2);

fn table(capacity: u32) -> Table {
    let mut table = Table::new(NonZeroU32::new(capacity).unwrap(), SEED);
    for index in 0..8 {
        table.open(slot(index));
    }
    table
}

fn slot(index: u16) -> Slot {
    Slot {
        index,
        generation: 0,
    }
}

fn vlan() -> VlanId {
    VlanId::try_from(10).unwrap()
}

fn mac(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([2, 0, a, b, c, d])
}

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1000)
}

#[test]
fn addresses_are_learned_per_vlan() {
    let mut table = table(16);
    let other = VlanId::try_from(11).unwrap();
    assert_eq!(table.learn(vlan(), mac(1), slot(3), at(0)), Learned::New);
    assert_eq!(table.learn(vlan(), mac(1), slot(3), at(0)), Learned::Known);
    assert_eq!(table.lookup(vlan(), mac(1), at(0)), Some(slot(3)));
    assert_eq!(table.lookup(other, mac(1), at(0)), None);
}

#[test]
fn an_address_ages_out_unless_it_is_seen() {
    let mut table = table(16);
    table.learn(vlan(), mac(1), slot(0), at(0));
    table.learn(vlan(), mac(2), slot(0), at(0));
    table.learn(vlan(), mac(1), slot(0), at(200));
    assert_eq!(table.lookup(vlan(), mac(2), at(299)), Some(slot(0)));
    assert_eq!(table.lookup(vlan(), mac(2), at(300)), None);
    assert_eq!(table.lookup(vlan(), mac(1), at(499)), Some(slot(0)));
    table.clear_away(100, at(300));
    assert_eq!(table.len(), 1);
    assert_eq!(table.lookup(vlan(), mac(1), at(500)), None);
}

#[test]
fn ageing_0_keeps_addresses_for_ever() {
    let mut table = table(16);
    table.set_parameters(TableParameters {
        ageing_seconds: 0,
        ..TableParameters::default()
    });
    table.learn(vlan(), mac(1), slot(0), at(0));
    assert_eq!(
        table.lookup(vlan(), mac(1), at(u64::from(u32::MAX))),
        Some(slot(0))
    );
}

#[test]
fn three_moves_a_second_are_taken_and_then_the_owner_keeps_the_address_for_the_hold_time() {
    let mut table = table(16);
    let learn = |table: &mut Table, index, millis| {
        table.learn(vlan(), mac(1), slot(index), Time::from_millis(millis))
    };
    assert_eq!(learn(&mut table, 0, 0), Learned::New);
    for (index, millis) in [(1, 100), (0, 200), (1, 300)] {
        assert_eq!(learn(&mut table, index, millis), Learned::Moved);
    }
    // The fourth move is home, by who is there.
    assert_eq!(learn(&mut table, 0, 1099), Learned::Moved);
    assert_eq!(learn(&mut table, 0, 1100), Learned::Known);
    assert_eq!(learn(&mut table, 1, 11_098), Learned::Held);
    assert_eq!(learn(&mut table, 1, 11_099), Learned::Moved);
}

#[test]
fn what_is_held_is_held_at_its_home_and_not_where_it_moved_last() {
    let mut table = table(16);
    let learn = |table: &mut Table, index, millis| {
        let now = Time::from_millis(millis);
        let foreseen = table.foresee(vlan(), mac(1), slot(index), now);
        let learned = table.learn(vlan(), mac(1), slot(index), now);
        assert_eq!(foreseen.learned, learned);
        assert_eq!(foreseen.holder, table.lookup(vlan(), mac(1), now));
        check_lists(table);
        learned
    };
    for round in 0..3 {
        let begin = round * 11_000;
        learn(&mut table, 7, begin);
        // A loop between two others.
        for index in [3, 4, 3] {
            assert_eq!(learn(&mut table, index, begin + 1), Learned::Moved);
        }
        assert_eq!(learn(&mut table, 4, begin + 2), Learned::Held);
        for index in [3, 4] {
            assert_eq!(learn(&mut table, index, begin + 3), Learned::Held);
        }
        assert_eq!(learn(&mut table, 7, begin + 4), Learned::Known);
    }
}

#[test]
fn a_home_that_is_gone_is_none() {
    for reopened in [false, true] {
        let mut table = table(16);
        let now = Time::from_millis(5);
        for index in [7, 3, 4, 3] {
            table.learn(vlan(), mac(1), slot(index), now);
        }
        table.close(7);
        if reopened {
            table.open(slot(7));
        }
        assert_eq!(table.learn(vlan(), mac(1), slot(4), now), Learned::Held);
        assert_eq!(table.lookup(vlan(), mac(1), now), Some(slot(3)));
        check_lists(&table);
    }
}

#[test]
fn all_of_a_port_is_forgotten_at_once_and_nothing_of_it_comes_back() {
    let mut table = table(16);
    for n in 0..4 {
        table.learn(vlan(), mac(n), slot(n as u16 % 2), at(0));
    }
    table.forget_all_of(slot(0));
    let left: Vec<_> = table.entries(at(0)).map(|entry| entry.mac).collect();
    assert_eq!(left.len(), 2);
    assert!(left.contains(&mac(1)) && left.contains(&mac(3)));
    // What was held there is not any more.
    assert_eq!(table.learn(vlan(), mac(0), slot(5), at(0)), Learned::New);
    assert_eq!(table.learn(vlan(), mac(2), slot(0), at(0)), Learned::New);
    // Also when a place has had as many holders as are counted.
    for _ in 0..=u16::MAX {
        table.forget_all_of(slot(0));
    }
    assert_eq!(table.lookup(vlan(), mac(2), at(0)), None);
    check_lists(&table);
}

#[test]
fn an_address_may_move_three_times_every_second() {
    let mut table = table(16);
    table.learn(vlan(), mac(1), slot(0), at(0));
    for step in 1..30 {
        let now = Time::from_millis(step * 334);
        let learned = table.learn(vlan(), mac(1), slot(step as u16 % 2), now);
        assert_eq!(learned, Learned::Moved, "{step}");
    }
}

#[test]
fn nobody_can_push_others_out() {
    let mut table = table(100);
    for n in 0..20 {
        assert_eq!(table.learn(vlan(), mac(n), slot(1), at(0)), Learned::New);
    }
    for n in 1000..50_000 {
        table.learn(vlan(), mac(n), slot(2), at(1));
    }
    for n in 0..20 {
        assert_eq!(table.lookup(vlan(), mac(n), at(1)), Some(slot(1)));
    }
    // Somebody new gets a place at the expense of the one that has the most.
    assert_eq!(
        table.learn(vlan(), mac(99), slot(3), at(1)),
        Learned::NewForAnother
    );
    let owned = |index| {
        table
            .entries(at(1))
            .filter(|e| e.slot.index == index)
            .count()
    };
    assert_eq!((owned(1), owned(2), owned(3)), (20, 79, 1));
}

#[test]
fn what_aged_out_makes_room_before_anybody_gives_one_up() {
    let mut table = table(2);
    table.learn(vlan(), mac(1), slot(0), at(0));
    table.learn(vlan(), mac(2), slot(1), at(200));
    assert_eq!(table.learn(vlan(), mac(3), slot(2), at(300)), Learned::New);
    assert_eq!(table.lookup(vlan(), mac(2), at(300)), Some(slot(1)));
}

#[test]
fn entries_of_a_removed_or_reused_slot_are_dead() {
    let mut table = table(16);
    for n in 0..5 {
        table.learn(vlan(), mac(n), slot(0), at(0));
    }
    table.learn(vlan(), mac(9), slot(1), at(0));
    table.close(0);
    assert_eq!(table.lookup(vlan(), mac(1), at(0)), None);
    assert_eq!(
        table.learn(vlan(), mac(1), slot(0), at(0)),
        Learned::NotOpen
    );
    // Even when the place is taken again under the same number.
    for generation in [0, 1] {
        table.open(Slot {
            index: 0,
            generation,
        });
        assert_eq!(table.lookup(vlan(), mac(1), at(0)), None);
    }
    assert_eq!(table.entries(at(0)).count(), 1);
    assert_eq!(table.len(), 6);
    table.clear_away(100, at(0));
    assert_eq!(table.len(), 1);
}

#[test]
fn forget_by_slot() {
    let mut table = table(64);
    for n in 0..20 {
        table.learn(vlan(), mac(n), slot(n as u16 % 2), at(0));
    }
    table.forget(|entry| entry.slot == slot(0), at(0));
    assert_eq!(table.len(), 10);
    assert!(table.entries(at(0)).all(|entry| entry.slot == slot(1)));
}

#[test]
fn a_seed_moves_every_address() {
    let places = |seed| {
        let table = Table::new(NonZeroU32::new(65_536).unwrap(), seed);
        (0..100)
            .map(|n| table.home(key(vlan(), mac(n))))
            .collect::<Vec<_>>()
    };
    let same = places(Seed(1, 2))
        .iter()
        .zip(places(Seed(1, 3)))
        .filter(|(a, b)| **a == *b)
        .count();
    assert!(same < 3, "{same} of 100 addresses land in the same place");
}

/// Runs of neighbours stay short however the table came to be full.
#[test]
fn removals_leave_nothing_behind_that_searches_must_pass() {
    let mut table = table(4096);
    for n in 0..200_000 {
        table.learn(vlan(), mac(n), slot(n as u16 % 8), at(0));
    }
    let longest = table
        .records
        .split(|record| record.key == 0)
        .map(<[Record]>::len)
        .max();
    assert_eq!(table.len(), 4096);
    assert_eq!(table.records.iter().filter(|r| r.key != 0).count(), 4096);
    assert!(longest < Some(200), "{longest:?}");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Learn(u32, u16),
    Wait(u64),
    Close(u16),
    Open(u16, u16),
    Clear(usize),
    Forget(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => (0u32..40, 0u16..4).prop_map(|(mac, slot)| Step::Learn(mac, slot)),
        4 => prop_oneof![1u64..400, 400u64..12_000].prop_map(Step::Wait),
        1 => (0u16..4).prop_map(Step::Close),
        2 => (0u16..4, 0u16..2).prop_map(|(slot, generation)| Step::Open(slot, generation)),
        1 => (0usize..4).prop_map(Step::Clear),
        1 => (0u16..4).prop_map(Step::Forget),
    ];
    proptest::collection::vec(step, 0..300)
}

/// What a table is, as a map and nothing else. Eviction is left out: the table here is large enough.
#[derive(Default)]
struct Plain {
    owners: BTreeMap<u16, Slot>,
    entries: BTreeMap<u32, (Slot, u32)>,
}

fn check_lists(table: &Table) {
    let walk = |list: List| {
        let ends = match list {
            List::All => table.all,
            List::Of(owner) => table.owners[usize::from(owner)].entries,
            List::Dead => table.ownerless,
        };
        let mut length = 0;
        let (mut at, mut before) = (ends.newest, NONE);
        while at != NONE {
            let record = &table.records[at as usize];
            let link = if list == List::All {
                record.all
            } else {
                record.owned
            };
            assert_ne!(record.key, 0);
            assert_eq!(link.newer, before);
            if list != List::All {
                assert_eq!(table.owner_list(record), list);
            }
            (before, at) = (at, link.older);
            length += 1;
        }
        assert_eq!(ends.oldest, before);
        length
    };
    let owned: usize = (0..table.owners.len() as u16)
        .map(|owner| {
            let length = walk(List::Of(owner));
            assert_eq!(length, table.ranking.count(owner) as usize);
            length
        })
        .sum();
    assert_eq!(walk(List::All), table.stored);
    assert_eq!(owned + walk(List::Dead), table.stored);
    for record in table.records.iter().filter(|record| record.key != 0) {
        assert!(table.find(record.key).is_ok());
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map(steps in steps(), seed: (u64, u64)) {
        let mut table = Table::new(NonZeroU32::new(64).unwrap(), Seed(seed.0, seed.1));
        table.set_parameters(TableParameters { ageing_seconds: 20, hold_millis: 0 });
        let mut plain = Plain::default();
        let mut now = 0;
        for step in steps {
            let time = Time::from_millis(now);
            let second = time.seconds();
            plain.entries.retain(|_, (_, seen)| second - *seen < 20);
            match step {
                Step::Learn(number, index) => {
                    let Some(&slot) = plain.owners.get(&index) else { continue };
                    let foreseen = table.foresee(vlan(), mac(number), slot, time);
                    let learned = table.learn(vlan(), mac(number), slot, time);
                    let holder = table.lookup(vlan(), mac(number), time);
                    prop_assert_eq!(foreseen, Foresight { learned, given_up: None, holder });
                    let known = plain.entries.get(&number).map(|(owner, _)| *owner == slot);
                    match (known, learned) {
                        (None, Learned::New)
                        | (Some(true), Learned::Known)
                        | (Some(false), Learned::Moved) => {
                            plain.entries.insert(number, (slot, second));
                        }
                        (Some(false), Learned::Held) => {
                            // It stays where it is, or is given back to its home.
                            let holder = holder.filter(|holder| *holder != slot).unwrap();
                            let entry = plain.entries.get_mut(&number).unwrap();
                            if entry.0 != holder {
                                *entry = (holder, second);
                            }
                        }
                        other => prop_assert!(false, "{other:?}"),
                    }
                }
                Step::Wait(millis) => now += millis,
                Step::Close(index) => {
                    table.close(index);
                    plain.owners.remove(&index);
                    plain.entries.retain(|_, (slot, _)| slot.index != index);
                }
                Step::Open(index, generation) => {
                    let slot = Slot { index, generation };
                    table.open(slot);
                    if plain.owners.insert(index, slot) != Some(slot) {
                        plain.entries.retain(|_, (slot, _)| slot.index != index);
                    }
                }
                Step::Clear(budget) => table.clear_away(budget, time),
                Step::Forget(index) => {
                    table.forget(|entry| entry.slot.index == index, time);
                    plain.entries.retain(|_, (slot, _)| slot.index != index);
                }
            }
            check_lists(&table);
        }
        let time = Time::from_millis(now);
        plain.entries.retain(|_, (_, seen)| time.seconds() - *seen < 20);
        for number in 0..40 {
            prop_assert_eq!(
                table.lookup(vlan(), mac(number), time),
                plain.entries.get(&number).map(|(slot, _)| *slot)
            );
        }
        prop_assert_eq!(table.entries(time).count(), plain.entries.len());
    }

    #[test]
    fn a_full_table_stays_consistent_and_full(
        frames in proptest::collection::vec((0u32..60, 0u16..6, 0u64..3), 0..400),
    ) {
        let mut table = table(16);
        let mut now = 0;
        for (number, index, wait) in frames {
            now += wait;
            let before = table.len();
            let known: Vec<_> = table.entries(at(now)).collect();
            let foreseen = table.foresee(vlan(), mac(number), slot(index), at(now));
            let learned = table.learn(vlan(), mac(number), slot(index), at(now));
            check_lists(&table);
            let mut gone = known.iter().filter(|e| table.lookup(e.vlan, e.mac, at(now)).is_none());
            let given_up = gone.next().map(|entry| (entry.vlan, entry.mac));
            let holder = table.lookup(vlan(), mac(number), at(now));
            prop_assert_eq!(foreseen, Foresight { learned, given_up, holder });
            match learned {
                Learned::New => prop_assert!(table.len() == before + 1),
                Learned::NewForAnother => prop_assert!(before == 16 && table.len() == 16),
                _ => prop_assert_eq!(table.len(), before),
            }
        }
    }
}
