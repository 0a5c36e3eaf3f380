//! Ids of an earlier session, while VifCreate for them still waits behind the window of requests: they may be other
//! vNICs' by now.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use std::ops::RangeInclusive;
use support::script::{PlayedVis, given, no, vif};
use support::{Lab, ms, uuid, vnic};
use vic::message::{Answer, Body, Kind, Request, VifDelete, VifEnable};
use vic::session::Authentication;
use vic::session::iv::{IvEvent, VnicState};
use vic::session::vis::VisEvent;
use vic::{Code, Mac};

/// More than the window has ids of which the VIS knows nothing any more; the last of them, vNIC 65, has 1, which is the
/// first that the VIS gives away. Those of `without` never had one.
fn stale(without: RangeInclusive<u8>) -> Lab {
    let mut lab = Lab::new(1, &Authentication::Open);
    lab.lists = false;
    let had = (1..=64u8).map(|n| (n, vif(100 + u16::from(n))));
    for (n, vif) in had.chain([(65, vif(1))]) {
        lab.iv.attach(lab.now, vnic(n, Some(vif))).unwrap();
        lab.wanted.insert(n);
    }
    without.for_each(|n| lab.attach(n));
    while !lab.iv.is_up() {
        lab.run(ms(1) / 20);
    }
    lab
}

/// Those that are not enabled.
fn others(lab: &Lab) -> Vec<String> {
    let vnics = lab.iv.vnics();
    let others = vnics.filter(|(_, _, state)| **state != VnicState::Enabled);
    others
        .map(|(vnic, vif, state)| format!("{}: {vif:?} {state:?}", vnic.name))
        .collect()
}

fn gone(lab: &Lab) -> Vec<vic::Uuid> {
    let told = lab.vis_world.told.iter();
    told.filter_map(|event| match event {
        VisEvent::VifGone { uuid, .. } => Some(*uuid),
        _ => None,
    })
    .collect()
}

#[test]
fn vnics_with_stale_ids_all_come_up() {
    let mut lab = stale(66..=200);
    lab.run(ms(8000));
    assert_eq!(others(&lab), [""; 0]);
    assert_eq!(gone(&lab), []);
}

/// Whichever comes first, the answer that gives its id away or its turn: who has no id is gone.
#[test]
fn a_vnic_that_detaches_and_has_no_id_left_is_gone() {
    for last in [100, 140, 200] {
        let mut lab = stale(66..=last);
        lab.detach(65);
        lab.run(ms(8000));
        assert_eq!(others(&lab), [""; 0], "{last}");
        let told = lab.iv_world.told.iter();
        let detached = told.filter(|event| **event == IvEvent::Detached { uuid: uuid(65) });
        assert_eq!(detached.count(), 1, "{last}");
    }
}

#[test]
fn a_detached_vnic_may_come_again_whatever_became_of_its_old_id() {
    for wait in 0..40 {
        let mut lab = stale(66..=200);
        lab.detach(65);
        lab.run(ms(wait) / 4);
        lab.attach(65);
        lab.run(ms(8000));
        let there = lab.iv.vnics().any(|(vnic, ..)| vnic.uuid == uuid(65));
        assert_eq!(there, lab.wanted.contains(&65), "{wait}");
        assert_eq!(others(&lab), [""; 0], "{wait}");
    }
}

#[test]
fn a_detach_never_takes_another_vnics_vif() {
    let mut lab = stale(66..=100);
    lab.detach(65);
    lab.run(ms(8000));
    assert_eq!(gone(&lab), []);
    assert_eq!(others(&lab), [""; 0]);
    let now_has_it = lab.vis_world.bound[&vif(1)];
    assert_ne!(now_has_it, uuid(65));
}

#[test]
fn what_is_said_of_a_stale_id_is_not_taken_for_its_new_owners() {
    let mut lab = stale(66..=100);
    let old = Mac([2, 0, 0, 9, 9, 9]);
    lab.iv.set(lab.now, uuid(65), Some(old), None).unwrap();
    let vif = vif(1);
    let counters = vic::VifCounters {
        to_frames: 7,
        ..Default::default()
    };
    lab.iv.counters(lab.now, vif, counters);
    lab.run(ms(8000));
    assert_eq!(others(&lab), [""; 0]);
    let told = &lab.vis_world.told;
    let about = |event: &&VisEvent| match event {
        VisEvent::Set { vif: of, .. } | VisEvent::Counters { vif: of, .. } => *of == vif,
        _ => false,
    };
    assert_eq!(told.iter().find(about), None);
    let created = |event: &VisEvent| matches!(event, VisEvent::Create { create, .. } if create.uuid == uuid(65) && create.mac == old);
    assert!(told.iter().any(created), "VifCreate says it");
}

/// The VIS enables VIF 1 for another vNIC, and the answer that names it comes later.
#[test]
fn a_vnic_is_never_enabled_by_the_id_that_it_had() {
    for detach in [false, true] {
        let mut vis = PlayedVis::new(&Authentication::Open);
        for n in 1..=64u16 {
            let had = Some(vif(100 + n));
            vis.iv.attach(vis.now, vnic(n as u8, had)).unwrap();
        }
        vis.iv.attach(vis.now, vnic(65, Some(vif(1)))).unwrap();
        vis.open();
        if detach {
            vis.iv.detach(vis.now, uuid(65)).unwrap();
        }
        vis.events();
        let enable = || Request::VifEnable(VifEnable { vif: vif(1) });
        assert_eq!(no(&vis.ask(enable())), Some(Code::UNKNOWN_VIF), "{detach}");
        assert_eq!(vis.events(), []);
        vis.say(&[given(5, 1)]);
        let done = Body::Answer(Answer::Done(Kind::VifEnable));
        assert_eq!(vis.ask(enable()), done);
        let (uuid, vif) = (uuid(5), vif(1));
        assert!(vis.events().contains(&IvEvent::Enabled { uuid, vif }));
    }
}

#[test]
fn an_id_that_is_given_again_and_taken_away_before_the_answer_is_void() {
    let mut vis = PlayedVis::new(&Authentication::Open);
    vis.iv.attach(vis.now, vnic(1, Some(vif(5)))).unwrap();
    vis.open();
    let delete = Request::VifDelete(VifDelete {
        vif: Some(vif(5)),
        uuid: Some(uuid(1)),
        code: Code::DETACHED,
        sentence: None,
    });
    vis.ask(delete);
    vis.give(1, 5);
    let (_, vif, state) = vis.iv.vnics().next().unwrap();
    assert!(
        vif.is_none() && matches!(state, VnicState::Down(_)),
        "{vif:?} {state:?}"
    );
}
