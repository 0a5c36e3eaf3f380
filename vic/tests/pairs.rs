//! Both ends on a fake clock, over a wire that does what wires do at their worst.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use proptest::prelude::*;
use support::{Faults, Lab, To, ms, uuid};
use vic::session::Authentication;
use vic::session::iv::IvEvent;
use vic::session::vis::VisEvent;
use vic::{Code, Key, Profile, Refusal};

fn keyed() -> Authentication {
    Authentication::Key(Key::new(b"0123456789abcdef").unwrap())
}

#[test]
fn a_vnic_gets_its_port_over_a_good_wire() {
    for authentication in [Authentication::Open, keyed()] {
        let mut lab = Lab::new(1, &authentication);
        lab.attach(1);
        lab.attach(2);
        let took = lab.converge(ms(100));
        println!("two vNICs forward after {took:?}");
        lab.detach(1);
        lab.converge(ms(100));
        lab.run(ms(60_000));
        assert_eq!(lab.faults_left(), Vec::<String>::new());
        let statistics = lab.iv.statistics();
        assert_eq!(
            statistics.unauthentic + statistics.foreign + statistics.malformed,
            0
        );
    }
}

#[test]
fn five_keepalives_in_a_row_may_be_lost() {
    for seed in 0..16 {
        for (to, lost, up) in [
            (To::Iv, 5, true),
            (To::Vis, 5, true),
            (To::Iv, 7, false),
            (To::Vis, 7, false),
        ] {
            let mut lab = Lab::new(seed, &keyed());
            lab.converge(ms(100));
            lab.run(ms(5000));
            // No wire takes equally long each time.
            lab.faults.delay = ms(20);
            lab.lose = Some((to, lost));
            lab.run(ms(3000));
            assert_eq!(lab.lose, Some((to, 0)));
            let iv = |event: &IvEvent| matches!(event, IvEvent::Lost(_));
            let vis = |event: &VisEvent| matches!(event, VisEvent::Lost(_));
            let never = !lab.iv_world.told.iter().any(iv) && !lab.vis_world.told.iter().any(vis);
            assert_eq!(never, up, "{lost} to {to:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn both_ends_converge_after_any_faults_and_restarts(seed: u64, key: bool) {
        let authentication = if key { keyed() } else { Authentication::Open };
        let mut lab = Lab::new(seed, &authentication);
        lab.faults = Faults { loss: 30, twice: 10, flip: 10, delay: ms(40) };
        for _ in 0..40 {
            match lab.dice.roll(12) {
                0..=3 => {
                    let n = lab.dice.roll(12) as u8;
                    lab.attach(n);
                }
                4..=6 => {
                    let n = lab.dice.roll(12) as u8;
                    lab.detach(n);
                }
                7 => lab.restart_iv(),
                8 => {
                    let store = lab.dice.roll(2) == 0;
                    lab.restart_vis(store);
                }
                9 => lab.run(ms(1200)),
                _ => {}
            }
            let wait = lab.dice.roll(150);
            lab.run(ms(wait));
        }
        lab.faults = Faults::NONE;
        let took = lab.converge(ms(3000));
        println!("converged after {took:?}");
    }
}

#[test]
fn an_old_session_played_again_changes_nothing() {
    for authentication in [Authentication::Open, keyed()] {
        let mut lab = Lab::new(1, &authentication);
        lab.attach(1);
        lab.converge(ms(100));
        lab.detach(1);
        lab.converge(ms(100));
        let old = std::mem::take(&mut lab.record);
        lab.restart_iv();
        lab.attach(2);
        lab.converge(ms(3000));
        lab.run(ms(3000));
        let told = (lab.iv_world.told.len(), lab.vis_world.told.len());
        for _ in 0..2 {
            for (to, frame) in &old {
                lab.hand(*to, frame);
            }
        }
        let news = &lab.iv_world.told[told.0..];
        assert!(news.is_empty(), "{news:?}");
        // Somebody knocks; nobody comes in.
        let news = &lab.vis_world.told[told.1..];
        assert!(
            news.iter().all(|e| matches!(e, VisEvent::Admission(_))),
            "{news:?}"
        );
        assert_eq!(lab.faults_left(), Vec::<String>::new());
        lab.run(ms(2000));
        assert_eq!(lab.faults_left(), Vec::<String>::new());
        assert!(
            !lab.iv_world.told[told.0..]
                .iter()
                .any(|e| matches!(e, IvEvent::Lost(_)))
        );
    }
}

#[test]
fn a_refused_session_says_why_on_both_sides() {
    let other = Authentication::Key(Key::new(b"fedcba9876543210").unwrap());
    for (iv, vis, code) in [
        (keyed(), other, Code::WRONG_KEY),
        (Authentication::Open, keyed(), Code::KEY_REQUIRED),
        (keyed(), Authentication::Open, Code::KEY_NOT_WANTED),
        (
            Authentication::Open,
            Authentication::Unset,
            Code::NO_AUTHENTICATION,
        ),
        (keyed(), Authentication::Unset, Code::NO_AUTHENTICATION),
    ] {
        let mut lab = Lab::with(1, &iv, &vis);
        lab.attach(1);
        lab.run(ms(5000));
        assert!(!lab.iv.is_up() && !lab.vis.is_up());
        for refused in [&lab.iv_world.refused, &lab.vis_world.refused] {
            assert!(
                !refused.is_empty() && refused.len() <= 6,
                "{code}: {refused:?}"
            );
            assert!(
                refused.iter().all(|r| r.code == code),
                "{code}: {refused:?}"
            );
            assert!(!refused[0].sentence.as_str().is_empty());
        }
        println!("{}", lab.iv_world.refused[0]);
    }
}

#[test]
fn an_open_that_cannot_be_read_is_refused_by_the_name_of_the_field() {
    let mut lab = Lab::new(1, &keyed());
    let mut config = support::config("host1", support::IV_MAC, &keyed(), 9);
    config.parameters.hold = ms(50);
    lab.iv = vic::session::iv::IvSession::new(config, Default::default());
    lab.run(ms(3000));
    assert!(!lab.iv.is_up() && !lab.vis.is_up());
    for refused in [&lab.iv_world.refused, &lab.vis_world.refused] {
        let why = refused.first().unwrap().to_string();
        assert_eq!(why, "malformed: the value of field `hold` is out of range");
    }
}

#[test]
fn a_vif_that_is_bound_by_hand_at_the_iv_is_refused_on_both_sides() {
    let mut lab = Lab::new(1, &keyed());
    lab.iv.reserve(vic::VifId::try_from(1).unwrap());
    lab.attach(1);
    lab.run(ms(500));
    let why = lab.iv_world.down[&uuid(1)].to_string();
    assert!(
        why.starts_with("in_use: VIF 1 is bound by hand at the IV; "),
        "{why}"
    );
    assert_eq!(lab.vis_world.refused[0].to_string(), why);
    assert!(lab.iv_world.enabled.is_empty() && lab.vis_world.enabled.is_empty());
}

#[test]
fn a_refusal_by_the_embedder_reaches_the_iv_and_holds_until_it_changes_its_mind() {
    let mut lab = Lab::new(1, &keyed());
    lab.admit = Some(Refusal::new(
        Code::DUPLICATE_IDENTITY,
        "host1 is on ethernet 2 too",
    ));
    lab.run(ms(3000));
    let why = lab.iv_world.refused.first().unwrap();
    assert_eq!(
        why.to_string(),
        "duplicate_identity: host1 is on ethernet 2 too"
    );
    assert!(!lab.iv.is_up() && !lab.vis.is_up());
    lab.admit = None;
    lab.converge(ms(2000));
}

#[test]
fn an_iv_obeys_the_highest_term_it_has_seen() {
    let mut lab = Lab::new(1, &keyed());
    lab.vis_term = 5;
    lab.restart_vis(false);
    lab.converge(ms(2000));
    assert_eq!(lab.iv.term(), 5);
    lab.vis_term = 4;
    lab.restart_vis(false);
    lab.run(ms(5000));
    assert!(!lab.iv.is_up() && !lab.vis.is_up());
    for refused in [&lab.iv_world.refused, &lab.vis_world.refused] {
        assert!(
            refused.iter().all(|r| r.code == Code::STALE_TERM),
            "{refused:?}"
        );
        assert!(!refused.is_empty());
    }
}

#[test]
fn a_restarted_vis_gives_every_vnic_the_id_it_had() {
    for store in [true, false] {
        let mut lab = Lab::new(3, &keyed());
        (0..20).for_each(|n| lab.attach(n));
        lab.converge(ms(200));
        let before = lab.iv_world.bound.clone();
        let told = lab.iv_world.told.len();
        lab.restart_vis(store);
        lab.attach(21);
        let took = lab.converge(ms(3000));
        println!("forwarding as before {took:?} after the VIS was killed");
        assert!(
            before
                .iter()
                .all(|(uuid, vif)| lab.iv_world.bound.get(uuid) == Some(vif))
        );
        let news = &lab.iv_world.told[told..];
        assert!(
            !news.iter().any(|e| matches!(e, IvEvent::Down { .. })),
            "no carrier is lost"
        );
    }
}

#[test]
fn a_restarted_iv_has_its_vnics_with_the_same_ids() {
    let mut lab = Lab::new(3, &keyed());
    (0..20).for_each(|n| lab.attach(n));
    lab.converge(ms(200));
    let before = lab.iv_world.bound.clone();
    lab.restart_iv();
    lab.converge(ms(1000));
    assert_eq!(lab.iv_world.bound, before);
}

#[test]
fn a_vnic_that_is_not_created_again_is_gone() {
    let mut lab = Lab::new(3, &keyed());
    (0..4).for_each(|n| lab.attach(n));
    lab.converge(ms(200));
    lab.wanted.remove(&2);
    lab.restart_iv();
    lab.converge(ms(1000));
    assert_eq!(lab.vis_world.bound.len(), 3);
}

#[test]
fn ids_come_back_after_rest_and_the_oldest_first() {
    let mut lab = Lab::new(3, &keyed());
    lab.attach(1);
    lab.converge(ms(200));
    let first = lab.iv_world.bound[&uuid(1)];
    let free = lab.vis.free_ids().0;
    lab.detach(1);
    lab.run(ms(900));
    assert_eq!(lab.vis.free_ids().0, free, "it rests");
    lab.run(ms(300));
    assert_eq!(lab.vis.free_ids().0, free + 1);
    lab.attach(2);
    lab.converge(ms(200));
    assert_ne!(lab.iv_world.bound[&uuid(2)], first);
}

#[test]
fn when_ids_run_out_the_iv_is_told_and_served_later() {
    let mut lab = Lab::new(3, &keyed());
    lab.max_vifs = 2;
    lab.restart_vis(false);
    (1..=3).for_each(|n| lab.attach(n));
    lab.run(ms(500));
    assert_eq!(lab.iv_world.down[&uuid(3)].code, Code::NO_VIF_FREE);
    assert_eq!(lab.iv_world.enabled.len(), 2);
    lab.detach(1);
    lab.converge(ms(7000));
}

#[test]
fn a_list_the_iv_lost_is_not_used_and_set_again() {
    let mut lab = Lab::new(3, &keyed());
    lab.attach(1);
    lab.converge(ms(200));
    let list = *lab.vis_world.confirmed.first().unwrap();
    lab.iv.list_unknown(lab.now, list);
    let told = lab.vis_world.told.len();
    lab.run(ms(50));
    let news = &lab.vis_world.told[told..];
    assert_eq!(
        news,
        [VisEvent::ListLost(list), VisEvent::ListConfirmed(list)]
    );
}

#[test]
fn what_the_link_really_carries_is_found_out() {
    for carried in [1600, 1520] {
        let mut lab = Lab::new(3, &keyed());
        lab.carried = carried;
        lab.run(ms(6000));
        let found = lab.iv_world.told.iter().find_map(|event| match event {
            IvEvent::MtuProven { octets, wanted } => Some((*octets, *wanted)),
            _ => None,
        });
        let (octets, wanted) = found.unwrap();
        assert_eq!(wanted, 1600);
        assert!(
            octets <= carried && carried - octets < 8,
            "{octets} of {carried}"
        );
    }
}

#[test]
fn moves_counters_settings_and_the_catalogue_arrive() {
    let mut lab = Lab::new(3, &keyed());
    let profiles: Vec<Profile> = (0..200)
        .map(|n| Profile {
            name: format!("profile{n}").parse().unwrap(),
            description: "web servers".parse().unwrap(),
        })
        .collect();
    lab.vis.push_catalogue(lab.now, profiles.clone());
    lab.attach(1);
    lab.converge(ms(200));
    assert_eq!(lab.iv.catalogue(), profiles);
    let vif = lab.iv_world.bound[&uuid(1)];
    let counters = vic::VifCounters {
        to_frames: 5,
        ..Default::default()
    };
    lab.iv.counters(lab.now, vif, counters);
    let mac = Some(vic::Mac([2, 0, 0, 9, 9, 9]));
    lab.iv.set(lab.now, uuid(1), mac, Some(1400)).unwrap();
    lab.iv.prepare(lab.now, uuid(1), None);
    lab.run(ms(50));
    let told = &lab.vis_world.told;
    assert!(told.contains(&VisEvent::Counters { vif, counters }));
    let set = (vif, mac, Some(1400));
    assert!(told.iter().any(
        |event| matches!(event, VisEvent::Set { vif, mac, mtu, .. } if (*vif, *mac, *mtu) == set)
    ));
    let outcome = Err(Lab::refusal(Code::NOT_ALLOWED));
    assert!(lab.iv_world.told.contains(&IvEvent::Move {
        uuid: uuid(1),
        outcome
    }));
    lab.iv.set(lab.now, uuid(1), None, Some(1595)).unwrap();
    lab.vis
        .status(lab.now, vif, false, Some(Lab::refusal(Code::SHUT)))
        .unwrap();
    lab.run(ms(50));
    let why = Refusal::new(
        Code::MTU,
        "the vNIC's MTU is 1595, and the link's of 1600 carries 1594 at most",
    );
    assert!(
        lab.iv_world
            .told
            .contains(&IvEvent::SetRefused { uuid: uuid(1), why })
    );
    let why = Some(Lab::refusal(Code::SHUT));
    assert!(lab.iv_world.told.contains(&IvEvent::Status {
        uuid: uuid(1),
        up: false,
        why
    }));
}

#[test]
fn one_link_carries_all_its_vifs() {
    let mut lab = Lab::new(3, &keyed());
    lab.lists = false;
    for n in 0..4000u16 {
        let mut vnic = support::vnic(0, None);
        vnic.uuid.0[0..2].copy_from_slice(&n.to_be_bytes());
        lab.iv.attach(lab.now, vnic).unwrap();
    }
    while lab.vis_world.enabled.len() < 4000 {
        lab.run(ms(10));
        assert!(lab.now < ms(10_000), "{}", lab.vis_world.enabled.len());
    }
    println!(
        "4000 VIFs after {:?}, {} frames",
        lab.now,
        lab.iv.statistics().sent + lab.vis.statistics().sent
    );
}
