//! vNICs, VIFs and lists that come and go while frames pass.

use super::{Account, UPLINK, Virtualizer, VnicError, VnicId};
use niv::{DropReason, ListId, VifId, Weight};
use packet_io::{Offload, Outgoing, RxFrame};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn vif(id: u16) -> VifId {
    VifId::try_from(id).unwrap()
}

fn list(id: u16) -> ListId {
    ListId::try_from(id).unwrap()
}

/// 60 octets without a tag.
fn up() -> Vec<u8> {
    let mut octets = vec![2, 0, 0, 0, 0, 0xB, 2, 0, 0, 0, 0, 0xA, 8, 0];
    octets.resize(60, 0);
    octets
}

/// The same from the switch, to a VIF or a list.
fn down(pointer: bool, dvif: u16) -> Vec<u8> {
    let word = 1u32 << 31 | u32::from(pointer) << 30 | u32::from(dvif) << 16;
    let mut octets = up();
    octets.splice(12..12, [0x89, 0x26].into_iter().chain(word.to_be_bytes()));
    octets
}

/// The ports that get a copy, which all get rid of it.
fn give(iv: &mut Virtualizer, port: Account, bytes: &[u8]) -> Vec<Account> {
    let mut out = Vec::<Outgoing>::new();
    let frame = RxFrame {
        bytes,
        vlan: None,
        offload: Offload::NONE,
        original_length: bytes.len() as u32,
    };
    iv.receive(port.port(), 0, &frame, &mut out);
    out.iter()
        .for_each(|copy| iv.fate(copy, Weight::one(60), Ok(())));
    out.iter().map(|copy| Account::of(copy.port)).collect()
}

fn drops(iv: &Virtualizer, port: Account, reason: DropReason) -> u64 {
    iv.counters(port).ingress.dropped.get(reason)
}

#[test]
fn nothing_passes_a_vnic_before_it_has_a_vif_and_is_enabled() {
    let mut iv = Virtualizer::default();
    let id = iv.add_unbound().unwrap();
    let port = Account::Vnic(id);
    iv.enable(id, true);
    assert_eq!(give(&mut iv, port, &up()), []);
    iv.bind(id, vif(9)).unwrap();
    assert_eq!(give(&mut iv, port, &up()), []);
    assert_eq!(give(&mut iv, Account::Uplink, &down(false, 9)), []);
    assert_eq!(drops(&iv, port, DropReason::VifDisabled), 2);
    assert_eq!(drops(&iv, Account::Uplink, DropReason::UnknownVif), 1);
    iv.enable(id, true);
    assert_eq!(give(&mut iv, port, &up()), [Account::Uplink]);
    assert_eq!(give(&mut iv, Account::Uplink, &down(false, 9)), [port]);
}

#[test]
fn a_vnic_that_gets_the_vif_it_has_goes_on() {
    let mut iv = Virtualizer::default();
    let id = iv.add(vif(9)).unwrap();
    iv.enable(id, true);
    iv.bind(id, vif(9)).unwrap();
    assert_eq!(
        give(&mut iv, Account::Uplink, &down(false, 9)),
        [Account::Vnic(id)]
    );
    iv.bind(id, vif(10)).unwrap();
    assert_eq!(give(&mut iv, Account::Vnic(id), &up()), []);
    assert_eq!(iv.holder(vif(9)), None);
}

#[test]
fn a_deleted_vif_is_stripped_from_all_lists_at_once() {
    let mut iv = Virtualizer::default();
    let ids: Vec<VnicId> = (1..=3).map(|n| iv.add(vif(n)).unwrap()).collect();
    ids.iter().for_each(|&id| iv.enable(id, true));
    for number in [1, 7, 16_383] {
        iv.set_list(list(number), (1..=3).map(vif));
    }
    iv.forget(vif(2));
    // Another vNIC with that VIF is in none of them.
    let other = iv.add(vif(2)).unwrap();
    iv.enable(other, true);
    for number in [1, 7, 16_383] {
        let reached = give(&mut iv, Account::Uplink, &down(true, number));
        assert_eq!(reached, [Account::Vnic(ids[0]), Account::Vnic(ids[2])]);
    }
    assert_eq!(iv.list_copies(ids[0]), 3);
    assert_eq!(iv.list_copies(other), 0);
}

#[test]
fn an_unknown_list_is_reported_once_and_a_number_that_is_no_list_never() {
    let mut iv = Virtualizer::default();
    iv.set_list(list(3), []);
    for number in [0, 3, 4, 4, 16_383] {
        assert_eq!(give(&mut iv, Account::Uplink, &down(true, number)), []);
    }
    assert!(iv.has_unknown_lists());
    assert_eq!(iv.take_unknown_lists(), [list(4), list(16_383)]);
    assert!(!iv.has_unknown_lists());
    assert_eq!(drops(&iv, Account::Uplink, DropReason::UnknownList), 4);
    iv.delete_list(list(3));
    give(&mut iv, Account::Uplink, &down(true, 3));
    assert_eq!(iv.take_unknown_lists(), [list(3)]);
}

#[test]
fn an_id_rests_before_it_is_given_again_and_starts_at_zero() {
    let mut iv = Virtualizer::default();
    let first = iv.add_unbound().unwrap();
    give(&mut iv, Account::Vnic(first), &up());
    iv.remove(first);
    assert_eq!(iv.vnic(first), None);
    let mut others = Vec::new();
    while let Ok(id) = iv.add_unbound() {
        others.push(id);
    }
    assert_eq!(
        others.last(),
        Some(&first),
        "the longer it rests the better"
    );
    others.sort_unstable();
    others.dedup();
    assert_eq!(others.len(), 4095, "as many as there are VIFs, each once");
    assert_eq!(iv.add_unbound(), Err(VnicError::Full));
    assert_eq!(iv.counters(Account::Vnic(first)), Default::default());
    assert_eq!(iv.total().ingress.received.frames, 1, "and nothing is lost");
    assert_eq!(iv.bind(VnicId(5000), vif(1)), Err(VnicError::Gone));
}

#[test]
fn vnics_that_come_and_go_for_ever_need_no_more_room() {
    let mut iv = Virtualizer::default();
    let mut highest = 0;
    for n in 0..100_000u32 {
        let id = iv.add(vif((n % 4095) as u16 + 1)).unwrap();
        highest = highest.max(id.0);
        iv.set_list(list((n % 16_383) as u16 + 1), [vif(1)]);
        iv.delete_list(list((n % 16_383) as u16 + 1));
        iv.remove(id);
    }
    assert!(highest < 100, "{highest}");
    assert!(iv.lists().is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Add,
    Bind(usize, u16),
    Unbind(usize),
    Enable(usize, bool),
    Remove(usize),
    Forget(u16),
    Set(u16, BTreeSet<u16>),
    Delete(u16),
    Up(usize),
    Down(bool, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let (which, number) = (0usize..6, 1u16..6);
    let members = proptest::collection::btree_set(1u16..6, 0..5);
    prop_oneof![
        Just(Step::Add),
        (which.clone(), number.clone()).prop_map(|(n, vif)| Step::Bind(n, vif)),
        which.clone().prop_map(Step::Unbind),
        (which.clone(), any::<bool>()).prop_map(|(n, on)| Step::Enable(n, on)),
        which.clone().prop_map(Step::Remove),
        number.clone().prop_map(Step::Forget),
        (number.clone(), members).prop_map(|(n, members)| Step::Set(n, members)),
        number.clone().prop_map(Step::Delete),
        which.prop_map(Step::Up),
        (any::<bool>(), number).prop_map(|(list, n)| Step::Down(list, n)),
    ]
}

/// What the virtualizer must know, in maps.
#[derive(Default)]
struct Model {
    vnics: BTreeMap<VnicId, (Option<u16>, bool)>,
    lists: BTreeMap<u16, BTreeSet<u16>>,
}

impl Model {
    fn nth(&self, n: usize) -> Option<VnicId> {
        self.vnics.keys().nth(n).copied()
    }

    fn holder(&self, vif: u16) -> Option<VnicId> {
        let mut all = self.vnics.iter();
        all.find(|(_, (has, _))| *has == Some(vif))
            .map(|(&id, _)| id)
    }

    fn strip(&mut self, vif: u16) {
        self.lists.values_mut().for_each(|members| {
            members.remove(&vif);
        });
    }

    fn unbind(&mut self, id: VnicId) {
        if let Some((Some(vif), _)) = self.vnics.insert(id, (None, false)) {
            self.strip(vif);
        }
    }

    fn takes(&self, vif: u16) -> Option<Account> {
        let id = self.holder(vif)?;
        self.vnics[&id].1.then_some(Account::Vnic(id))
    }
}

proptest! {
    /// Any sequence: frames go where a plain model says, and every frame is accounted for.
    #[test]
    fn frames_follow_what_was_last_said(steps in proptest::collection::vec(step(), 1..120)) {
        let mut iv = Virtualizer::default();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Add => {
                    let id = iv.add_unbound().unwrap();
                    prop_assert!(model.vnics.insert(id, (None, false)).is_none());
                }
                Step::Bind(n, number) => if let Some(id) = model.nth(n) {
                    let holder = model.holder(number);
                    let bound = iv.bind(id, vif(number));
                    prop_assert_eq!(bound.is_ok(), holder.is_none_or(|other| other == id));
                    if holder.is_none() {
                        model.unbind(id);
                        model.vnics.insert(id, (Some(number), false));
                    }
                },
                Step::Unbind(n) => if let Some(id) = model.nth(n) {
                    iv.unbind(id);
                    model.unbind(id);
                },
                Step::Enable(n, on) => if let Some(id) = model.nth(n) {
                    iv.enable(id, on);
                    let vnic = model.vnics.get_mut(&id).unwrap();
                    vnic.1 = on && vnic.0.is_some();
                },
                Step::Remove(n) => if let Some(id) = model.nth(n) {
                    iv.remove(id);
                    model.unbind(id);
                    model.vnics.remove(&id);
                },
                Step::Forget(number) => {
                    iv.forget(vif(number));
                    if let Some(id) = model.holder(number) {
                        model.unbind(id);
                    }
                    model.strip(number);
                }
                Step::Set(number, members) => {
                    iv.set_list(list(number), members.iter().map(|&n| vif(n)));
                    model.lists.insert(number, members);
                }
                Step::Delete(number) => {
                    iv.delete_list(list(number));
                    model.lists.remove(&number);
                }
                Step::Up(n) => if let Some(id) = model.nth(n) {
                    let expected: &[Account] = match model.vnics[&id].1 {
                        true => &[Account::Uplink],
                        false => &[],
                    };
                    prop_assert_eq!(give(&mut iv, Account::Vnic(id), &up()), expected);
                },
                Step::Down(true, number) => {
                    let members = model.lists.get(&number).into_iter().flatten();
                    let expected: Vec<Account> =
                        members.filter_map(|&vif| model.takes(vif)).collect();
                    prop_assert_eq!(give(&mut iv, Account::Uplink, &down(true, number)), expected);
                    let unknown = iv.take_unknown_lists();
                    prop_assert_eq!(unknown.is_empty(), model.lists.contains_key(&number));
                }
                Step::Down(false, number) => {
                    let expected: Vec<Account> = model.takes(number).into_iter().collect();
                    prop_assert_eq!(give(&mut iv, Account::Uplink, &down(false, number)), expected);
                }
            }
            prop_assert_eq!(iv.total().imbalance(), Default::default());
            prop_assert!(iv.vnic(VnicId(UPLINK.0 + 4094)).is_none());
        }
    }
}
