//! vNICs of an IV that change or leave while a question about them is out, and how it comes back after a session:
//! docs/vic.md sections 3, 4 and 6, with a VIS that is played.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use support::script::{PlayedVis, given, vif};
use support::{ms, samples, uuid, vnic};
use vic::message::{
    Answer, Body, Kind, Message, Reason, Request, VifCreate, VifDelete, VifEnable, VifSet,
};
use vic::session::Authentication;
use vic::session::iv::{IvEvent, VnicError, VnicState};
use vic::{Code, Mac, Refusal};

fn new() -> PlayedVis {
    PlayedVis::new(&Authentication::Key(samples::key()))
}

/// A session in which VifCreate for vNIC 1, request 1, waits for its answer.
fn asking() -> PlayedVis {
    let mut vis = new();
    vis.iv.attach(vis.now, vnic(1, None)).unwrap();
    let said = vis.open();
    assert_eq!(kinds(&said), [(Kind::VifCreate, 1), (Kind::VifDelete, 2)]);
    vis.events();
    vis
}

/// vNIC 1 has VIF 5 and is enabled.
fn enabled() -> PlayedVis {
    let mut vis = asking();
    vis.give(1, 5);
    vis.ask(Request::VifEnable(VifEnable { vif: vif(5) }));
    vis.events();
    vis
}

fn kinds(said: &[Message]) -> Vec<(Kind, u32)> {
    said.iter().map(|m| (m.kind(), m.transaction)).collect()
}

fn refused(transaction: u32, kind: Kind, code: Code) -> Message {
    Message {
        transaction,
        body: Body::Refused(kind, Refusal::new(code, "says who")),
    }
}

fn set(said: &[Message]) -> Vec<VifSet> {
    let sets = said.iter().filter_map(|message| match &message.body {
        Body::Request(Request::VifSet(set)) => Some(set.clone()),
        _ => None,
    });
    sets.collect()
}

fn created(said: &[Message]) -> Vec<VifCreate> {
    let created = said.iter().filter_map(|message| match &message.body {
        Body::Request(Request::VifCreate(create)) => Some(create.clone()),
        _ => None,
    });
    created.collect()
}

const OTHER: Mac = Mac([2, 0, 0, 9, 0, 9]);

#[test]
fn a_vnic_on_its_way_out_that_is_refused_is_gone() {
    let mut vis = asking();
    vis.iv.detach(vis.now, uuid(1)).unwrap();
    let said = vis.say(&[refused(1, Kind::VifCreate, Code::UNKNOWN_PROFILE)]);
    assert_eq!(said, [], "there is nothing to give back");
    assert_eq!(vis.events(), [IvEvent::Detached { uuid: uuid(1) }]);
    assert_eq!(vis.iv.vnics().count(), 0);
    assert_eq!(vis.iv.attach(vis.now, vnic(1, None)), Ok(()));
}

#[test]
fn a_vnic_that_was_refused_is_asked_for_again_after_5_s() {
    let mut vis = asking();
    vis.say(&[refused(1, Kind::VifCreate, Code::UNKNOWN_PROFILE)]);
    let start = vis.now;
    while vis.now < start + ms(4999) {
        vis.now = (vis.now + ms(500)).min(start + ms(4999));
        assert_eq!(created(&vis.say(&[support::script::keepalive()])), []);
        vis.iv.handle_timeout(vis.now);
        assert_eq!(created(&vis.said()), [], "{:?}", vis.now);
    }
    vis.now += ms(1);
    vis.iv.handle_timeout(vis.now);
    assert_eq!(created(&vis.said()).len(), 1);
    vis.say(&[given(3, 5)]);
    assert_eq!(vis.iv.vnics().next().unwrap().1, Some(vif(5)));
}

#[test]
fn a_new_address_or_mtu_that_comes_while_vif_create_is_out_is_sent_after_it() {
    let mut vis = asking();
    vis.iv.set(vis.now, uuid(1), Some(OTHER), None).unwrap();
    vis.iv.set(vis.now, uuid(1), None, Some(1400)).unwrap();
    assert_eq!(vis.said(), [], "it has no id to say it of");
    let said = vis.give(1, 5);
    let both = VifSet {
        vif: vif(5),
        mac: Some(OTHER),
        mtu: Some(1400),
    };
    assert_eq!(set(&said), [both]);
    // Once, and not what VifCreate says anyhow.
    vis.silence();
    let said = vis.open();
    assert_eq!(created(&said)[0].mac, OTHER);
    assert_eq!(created(&said)[0].mtu, 1400);
    assert_eq!(set(&vis.give(1, 5)), []);
}

#[test]
fn what_is_set_without_a_session_is_what_vif_create_says() {
    let mut vis = enabled();
    vis.silence();
    vis.iv.set(vis.now, uuid(1), Some(OTHER), None).unwrap();
    let said = vis.open();
    assert_eq!(created(&said)[0].mac, OTHER);
    assert_eq!(set(&said), []);
    assert_eq!(set(&vis.give(1, 5)), []);
}

#[test]
fn a_vnic_that_goes_while_vif_create_is_out_is_given_back_when_its_id_is_known() {
    let mut vis = asking();
    vis.iv.detach(vis.now, uuid(1)).unwrap();
    assert_eq!(vis.said(), [], "no VifDelete before the answer");
    assert_eq!(vis.events(), []);
    assert_eq!(
        vis.iv.attach(vis.now, vnic(1, None)),
        Err(VnicError::Detaching(uuid(1)))
    );
    let said = vis.give(1, 5);
    let Body::Request(Request::VifDelete(delete)) = &said[0].body else {
        panic!("{said:?}")
    };
    assert_eq!(
        (delete.vif, delete.uuid, delete.code),
        (Some(vif(5)), Some(uuid(1)), Code::DETACHED)
    );
    assert_eq!(vis.events(), [], "it is not created first");
    let done = Body::Answer(Answer::Done(Kind::VifDelete));
    vis.say(&[Message {
        transaction: said[0].transaction,
        body: done,
    }]);
    assert_eq!(vis.events(), [IvEvent::Detached { uuid: uuid(1) }]);
}

/// The id that is offered in a later session is not the vNIC's yet: the answer may give another.
#[test]
fn a_vnic_that_goes_while_its_old_id_is_offered_gives_back_what_it_gets() {
    let mut vis = enabled();
    vis.silence();
    vis.open();
    vis.iv.detach(vis.now, uuid(1)).unwrap();
    assert_eq!(vis.said(), []);
    let said = vis.give(1, 7);
    let Body::Request(Request::VifDelete(delete)) = &said[0].body else {
        panic!("{said:?}")
    };
    assert_eq!(delete.vif, Some(vif(7)));
}

#[test]
fn a_vnic_without_an_id_goes_at_once() {
    // One that was refused, and one that is attached and gone before anything was sent.
    let mut vis = asking();
    vis.say(&[refused(1, Kind::VifCreate, Code::UNKNOWN_PROFILE)]);
    vis.iv.attach(vis.now, vnic(2, None)).unwrap();
    vis.events();
    for n in [1, 2] {
        vis.iv.detach(vis.now, uuid(n)).unwrap();
        assert_eq!(vis.events(), [IvEvent::Detached { uuid: uuid(n) }]);
    }
    assert_eq!(vis.said(), []);
    assert_eq!(vis.iv.vnics().count(), 0);
    // Without a session too, with an id or not: the next one sweeps it.
    let mut vis = enabled();
    vis.silence();
    vis.events();
    vis.iv.detach(vis.now, uuid(1)).unwrap();
    assert_eq!(vis.events(), [IvEvent::Detached { uuid: uuid(1) }]);
    assert_eq!(kinds(&vis.open()), [(Kind::VifDelete, 1)]);
}

/// Both ends had the same thought, and the IV's word was not out yet.
#[test]
fn a_vnic_that_loses_its_id_on_its_way_out_is_gone() {
    let mut vis = enabled();
    vis.iv.detach(vis.now, uuid(1)).unwrap();
    let delete = vis.pen.request(Request::VifDelete(VifDelete {
        vif: Some(vif(5)),
        uuid: Some(uuid(1)),
        code: Code::SUPERSEDED,
        sentence: None,
    }));
    let said = vis.say(&[delete]);
    let done = Body::Answer(Answer::Done(Kind::VifDelete));
    assert_eq!(said.iter().map(|m| &m.body).collect::<Vec<_>>(), [&done]);
    let gone = [
        IvEvent::VifForgotten(vif(5)),
        IvEvent::Detached { uuid: uuid(1) },
    ];
    assert_eq!(vis.events(), gone);
    assert_eq!(vis.iv.attach(vis.now, vnic(1, None)), Ok(()));
}

#[test]
fn an_iv_that_was_told_to_go_opens_another_session_after_a_second() {
    for (code, wait) in [
        (Code::GOING_AWAY, 1000),
        (Code::NOT_ALLOWED, 1000),
        (Code::REPLACED, 0),
    ] {
        let mut vis = enabled();
        let close = Request::Close(Reason {
            code,
            sentence: None,
        });
        let at = vis.now;
        let body = Body::Request(close);
        vis.say(&[Message {
            transaction: 0,
            body,
        }]);
        assert!(!vis.iv.is_up());
        assert!(matches!(&vis.events()[..], [IvEvent::Lost(why)] if why.code == code));
        let state = vis.iv.vnics().next().unwrap().2.clone();
        assert_eq!(state, VnicState::Enabled, "it forwards meanwhile");
        vis.hear_open();
        assert_eq!(vis.now, at + ms(wait), "{code:?}");
    }
    let mut vis = enabled();
    vis.silence();
    let at = vis.now;
    vis.hear_open();
    assert_eq!(vis.now, at, "at once after silence");
}

#[test]
fn an_iv_that_nobody_answers_asks_less_often_after_two_seconds() {
    let mut vis = new();
    let times: Vec<_> = (0..23)
        .map(|_| {
            vis.hear_open();
            vis.now.as_millis()
        })
        .collect();
    let eager: Vec<_> = (0..20).map(|n| n * 100).collect();
    assert_eq!(times[..20], eager);
    assert_eq!(times[20..], [2400, 2900, 3400]);
}
