//! What an IV obeys and what it does not, with a VIS that is played: docs/vic.md sections 3, 4 and 6.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use support::script::{PlayedVis, Read, given, keepalive, list, members, no, vif};
use support::{ms, uuid, vnic};
use vic::message::{
    Answer, Body, Kind, ListDelete, ListSet, Message, Request, VifDelete, VifDisable, VifEnable,
    VifStatus,
};
use vic::session::Authentication;
use vic::session::iv::{IvEvent, VnicState};
use vic::{Authenticator, Code, Key, Refusal, VifId};

fn keyed() -> Authentication {
    Authentication::Key(Key::new(b"0123456789abcdef").unwrap())
}

const DONE: fn(Kind) -> Body = |kind| Body::Answer(Answer::Done(kind));

fn enable(n: u16) -> Request {
    Request::VifEnable(VifEnable { vif: vif(n) })
}

fn delete(n: u16, of: u8) -> Request {
    Request::VifDelete(VifDelete {
        vif: Some(vif(n)),
        uuid: Some(uuid(of)),
        code: Code::SUPERSEDED,
        sentence: None,
    })
}

fn set(n: u16, of: &[u16]) -> Request {
    Request::ListSet(ListSet {
        list: list(n),
        members: members(of),
    })
}

fn held(vis: &PlayedVis, of: u8) -> (Option<VifId>, VnicState) {
    let mut vnics = vis.iv.vnics();
    let (_, vif, state) = vnics.find(|(vnic, ..)| vnic.uuid == uuid(of)).unwrap();
    (vif, state.clone())
}

fn kinds(said: &[Message]) -> Vec<(Kind, u32)> {
    said.iter().map(|m| (m.kind(), m.transaction)).collect()
}

/// An IV with vNICs 1 and 2, VIFs 5 and 6, both enabled.
fn two_enabled() -> PlayedVis {
    let mut vis = PlayedVis::new(&keyed());
    (1..=2).for_each(|n| vis.iv.attach(vis.now, vnic(n, None)).unwrap());
    let said = vis.open();
    let asked = [
        (Kind::VifCreate, 1),
        (Kind::VifCreate, 2),
        (Kind::VifDelete, 3),
    ];
    assert_eq!(kinds(&said), asked);
    vis.give(1, 5);
    vis.give(2, 6);
    for n in [5, 6] {
        assert_eq!(vis.ask(enable(n)), DONE(Kind::VifEnable));
    }
    vis.events();
    vis
}

#[test]
fn a_refusal_without_the_key_is_a_hint_and_an_iv_that_has_one_keeps_trying() {
    for code in [Code::WRONG_KEY, Code::NOT_ALLOWED, Code::NO_AUTHENTICATION] {
        let mut vis = PlayedVis::new(&keyed());
        let nonce = vis.hear_open();
        let first = vis.now;
        let no = Body::Refused(Kind::Open, Refusal::new(code, "says who"));
        let frame = vis.opening(no, &Authenticator::crc());
        vis.iv.handle_message(vis.now, &frame);
        // People hear of it, and that nobody vouches for it.
        let events = vis.events();
        let [IvEvent::Refused(said)] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!((said.refusal.code, said.authenticated), (code, false));
        // Neither the nonce nor the time of the next Open is another.
        assert_eq!(vis.hear_open(), nonce, "the attempt goes on");
        assert_eq!(vis.now, first + ms(100));
        // And who has the key can still say yes to it, when he who has none has said his no.
        let yes = vis.opening(vis.yes(), &vis.pen.authenticator.clone());
        vis.iv.handle_message(vis.now, &yes);
        assert!(vis.iv.is_up());
    }
}

#[test]
fn a_yes_without_the_key_opens_nothing_at_an_iv_that_has_one() {
    let mut vis = PlayedVis::new(&keyed());
    vis.hear_open();
    let yes = vis.opening(vis.yes(), &Authenticator::crc());
    vis.iv.handle_message(vis.now, &yes);
    assert!(!vis.iv.is_up());
    assert_eq!(vis.events(), []);
    assert_eq!(vis.iv.statistics().unauthentic, 1);
}

#[test]
fn a_refusal_that_an_iv_believes_ends_the_attempt_for_a_second() {
    for authentication in [Authentication::Open, keyed()] {
        let mut vis = PlayedVis::new(&authentication);
        let nonce = vis.hear_open();
        let first = vis.now;
        let no = Body::Refused(Kind::Open, Refusal::new(Code::LINK_BUSY, ""));
        let frame = vis.opening(no, &vis.pen.authenticator.clone());
        vis.iv.handle_message(vis.now, &frame);
        assert_eq!(vis.events().len(), 1);
        assert_ne!(vis.hear_open(), nonce, "another attempt");
        assert_eq!(vis.now, first + ms(1000));
        // A yes to the attempt that is over is no yes.
        vis.pen.theirs = nonce;
        let late = vis.opening(vis.yes(), &vis.pen.authenticator.clone());
        vis.iv.handle_message(vis.now, &late);
        assert!(!vis.iv.is_up());
    }
}

#[test]
fn an_answer_to_open_with_a_nonce_of_zero_or_a_sequence_opens_nothing() {
    let mut vis = PlayedVis::new(&keyed());
    vis.hear_open();
    let own = vis.pen.own;
    vis.pen.own = vic::Nonce::NONE;
    let zero = vis.opening(vis.yes(), &vis.pen.authenticator.clone());
    vis.pen.own = own;
    let yes = Message {
        transaction: 0,
        body: vis.yes(),
    };
    let later = vis.pen.frame(&[yes]);
    for frame in [zero, later] {
        vis.iv.handle_message(vis.now, &frame);
        assert!(!vis.iv.is_up());
    }
}

#[test]
fn a_list_with_other_members_is_refused_and_stays_what_it_was() {
    let mut vis = two_enabled();
    assert_eq!(vis.ask(set(9, &[5, 6])), DONE(Kind::ListSet));
    assert_eq!(vis.events().len(), 1);
    for other in [&[5][..], &[5, 6, 7], &[]] {
        assert_eq!(
            no(&vis.ask(set(9, other))),
            Some(Code::LIST_EXISTS),
            "{other:?}"
        );
    }
    assert_eq!(
        vis.ask(set(9, &[5, 6])),
        DONE(Kind::ListSet),
        "the same again"
    );
    assert_eq!(vis.events(), [], "the data path hears of it once");
    let lists: Vec<_> = vis.iv.lists().map(|(id, m)| (id, m.clone())).collect();
    assert_eq!(lists, [(list(9), members(&[5, 6]))]);
    // In another session the id is another list's; and that one is not to be changed either.
    vis.silence();
    vis.open();
    vis.events();
    assert_eq!(vis.ask(set(9, &[6])), DONE(Kind::ListSet));
    let news = IvEvent::ListSet {
        list: list(9),
        members: members(&[6]),
    };
    assert_eq!(vis.events(), [news]);
    assert_eq!(no(&vis.ask(set(9, &[5, 6]))), Some(Code::LIST_EXISTS));
}

#[test]
fn a_list_set_again_in_a_new_session_survives_the_sweep_and_others_do_not() {
    let mut vis = two_enabled();
    vis.ask(set(8, &[5]));
    vis.ask(set(9, &[5, 6]));
    vis.silence();
    vis.open();
    vis.events();
    vis.ask(set(9, &[5, 6]));
    assert_eq!(
        vis.ask(Request::ListDelete(ListDelete { list: None })),
        DONE(Kind::ListDelete)
    );
    assert_eq!(vis.events(), [IvEvent::ListDeleted(list(8))]);
    // The same in the session in which all are current.
    vis.ask(Request::ListDelete(ListDelete { list: None }));
    assert_eq!(vis.events(), []);
}

#[test]
fn a_vif_leaves_every_list_when_it_is_deleted_and_the_rest_is_the_list() {
    let mut vis = two_enabled();
    vis.ask(set(9, &[5, 6]));
    vis.events();
    assert_eq!(vis.ask(delete(5, 1)), DONE(Kind::VifDelete));
    let lists: Vec<_> = vis.iv.lists().map(|(_, m)| m.clone()).collect();
    assert_eq!(lists, [members(&[6])]);
    assert_eq!(vis.ask(set(9, &[6])), DONE(Kind::ListSet));
    assert_eq!(no(&vis.ask(set(9, &[5, 6]))), Some(Code::LIST_EXISTS));
    vis.ask(delete(6, 2));
    assert_eq!(
        vis.iv.lists().count(),
        1,
        "a list without members is a list"
    );
}

#[test]
fn a_delete_that_overtakes_the_answer_to_create_voids_just_the_id_it_names() {
    for (deleted, given, void) in [(5, 5, true), (5, 6, false)] {
        let mut vis = PlayedVis::new(&keyed());
        vis.iv.attach(vis.now, vnic(1, None)).unwrap();
        vis.open();
        assert_eq!(vis.ask(delete(deleted, 1)), DONE(Kind::VifDelete));
        assert_eq!(vis.events()[1..], [IvEvent::VifForgotten(vif(deleted))]);
        vis.give(1, given);
        let events = vis.events();
        let state = held(&vis, 1);
        if void {
            let [IvEvent::Down { vif: None, why, .. }] = &events[..] else {
                panic!("{events:?}")
            };
            assert_eq!(why.code, Code::SUPERSEDED);
            assert_eq!(state, (None, VnicState::Down(why.clone())));
            assert_eq!(no(&vis.ask(enable(given))), Some(Code::UNKNOWN_VIF));
        } else {
            assert!(
                matches!(&events[..], [IvEvent::Created { .. }]),
                "{events:?}"
            );
            assert_eq!(state, (Some(vif(given)), VnicState::Created));
        }
    }
}

#[test]
fn a_delete_that_overtook_an_answer_is_forgotten_with_its_session() {
    let mut vis = PlayedVis::new(&keyed());
    vis.iv.attach(vis.now, vnic(1, None)).unwrap();
    vis.open();
    vis.ask(delete(5, 1));
    vis.silence();
    vis.open();
    vis.events();
    vis.give(1, 5);
    assert_eq!(held(&vis, 1), (Some(vif(5)), VnicState::Created));
}

#[test]
fn a_delete_that_overtakes_the_answer_of_a_vnic_on_its_way_out_ends_it() {
    let mut vis = PlayedVis::new(&keyed());
    vis.iv.attach(vis.now, vnic(1, None)).unwrap();
    vis.open();
    vis.iv.detach(vis.now, uuid(1)).unwrap();
    vis.ask(delete(5, 1));
    vis.events();
    assert_eq!(vis.give(1, 5), [], "there is nothing to give back");
    assert_eq!(vis.events(), [IvEvent::Detached { uuid: uuid(1) }]);
    assert_eq!(vis.iv.vnics().count(), 0);
}

#[test]
fn a_delete_of_an_id_that_another_vnic_has_takes_nothing_from_it() {
    let mut vis = two_enabled();
    assert_eq!(vis.ask(delete(5, 2)), DONE(Kind::VifDelete));
    assert_eq!(vis.events(), [], "it is not forgotten: vNIC 1 has it");
    assert_eq!(held(&vis, 1), (Some(vif(5)), VnicState::Enabled));
    assert_eq!(held(&vis, 2), (Some(vif(6)), VnicState::Enabled));
}

#[test]
fn an_id_of_an_old_session_is_unknown_until_create_is_answered() {
    let mut vis = two_enabled();
    vis.silence();
    let said = vis.open();
    assert_eq!(said.len(), 3);
    vis.events();
    let code = Code::SHUT;
    let status = VifStatus {
        vif: vif(5),
        up: false,
        code: Some(code),
        sentence: None,
    };
    let disable = VifDisable {
        vif: vif(5),
        code,
        sentence: None,
    };
    for request in [
        enable(5),
        Request::VifStatus(status),
        Request::VifDisable(disable),
    ] {
        assert_eq!(no(&vis.ask(request)), Some(Code::UNKNOWN_VIF));
    }
    assert_eq!(vis.events(), [], "and nothing is told of it");
    assert_eq!(
        held(&vis, 1),
        (Some(vif(5)), VnicState::Enabled),
        "it forwards meanwhile"
    );
    vis.give(1, 5);
    assert_eq!(held(&vis, 1), (Some(vif(5)), VnicState::Enabled));
    assert_eq!(vis.ask(enable(5)), DONE(Kind::VifEnable));
    assert_eq!(
        no(&vis.ask(enable(6))),
        Some(Code::UNKNOWN_VIF),
        "vNIC 2 still waits"
    );
    // Which is given another id: the old one is nobody's.
    vis.give(2, 7);
    assert_eq!(
        held(&vis, 2),
        (Some(vif(7)), VnicState::Created),
        "and has to be enabled"
    );
    assert_eq!(no(&vis.ask(enable(6))), Some(Code::UNKNOWN_VIF));
    assert_eq!(vis.ask(enable(7)), DONE(Kind::VifEnable));
}

#[test]
fn an_id_on_its_way_out_is_done_with_and_nothing_comes_of_it() {
    let mut vis = two_enabled();
    vis.iv.detach(vis.now, uuid(1)).unwrap();
    assert_eq!(kinds(&vis.said()), [(Kind::VifDelete, 4)]);
    assert_eq!(vis.ask(enable(5)), DONE(Kind::VifEnable));
    assert_eq!(vis.events(), []);
    assert_eq!(held(&vis, 1).1, VnicState::Detaching);
}

#[test]
fn an_id_that_is_given_to_another_vnic_is_taken_from_the_first() {
    let mut vis = two_enabled();
    vis.silence();
    vis.open();
    vis.events();
    // Both wait. vNIC 2 is answered first, with what vNIC 1 had.
    vis.give(2, 5);
    let events = vis.events();
    let [
        IvEvent::Down {
            uuid: first,
            vif: None,
            why,
        },
        IvEvent::Created {
            uuid: second, was, ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*first, *second, *was), (uuid(1), uuid(2), Some(vif(6))));
    assert_eq!(why.code, Code::SUPERSEDED);
    assert_eq!(held(&vis, 1).0, None);
    assert_eq!(vis.ask(enable(5)), DONE(Kind::VifEnable));
    let news = IvEvent::Enabled {
        uuid: uuid(2),
        vif: vif(5),
    };
    assert_eq!(vis.events(), [news]);
    // vNIC 1 has its question out, and asks no second.
    assert_eq!(vis.said(), []);
    vis.give(1, 6);
    assert_eq!(held(&vis, 1), (Some(vif(6)), VnicState::Created));
    assert_eq!(held(&vis, 2), (Some(vif(5)), VnicState::Enabled));
}

#[test]
fn a_vnic_that_lost_its_id_to_another_asks_for_one_when_it_has_no_question_out() {
    let mut vis = two_enabled();
    vis.silence();
    vis.open();
    vis.give(1, 5);
    vis.events();
    let said = vis.give(2, 5);
    assert_eq!(kinds(&said), [(Kind::VifCreate, 4)]);
    let Body::Request(Request::VifCreate(create)) = &said[0].body else {
        panic!()
    };
    assert_eq!(
        (create.uuid, create.vif),
        (uuid(1), None),
        "and does not offer what it lost"
    );
    assert_eq!(held(&vis, 2), (Some(vif(5)), VnicState::Created));
}

#[test]
fn a_frame_that_comes_again_is_acknowledged_again_and_executed_once() {
    let mut vis = two_enabled();
    let request = vis.pen.request(set(9, &[5]));
    let frame = vis.pen.frame(&[request]);
    let sequence = vis.pen.sequence as u16;
    for again in [false, true, true] {
        vis.iv.handle_message(vis.now, &frame);
        let reads = vis.reads();
        let acknowledged = reads.contains(&Read::Acknowledgement(sequence));
        assert!(acknowledged, "{again}: {reads:?}");
        assert_eq!(reads.len(), if again { 1 } else { 2 }, "{reads:?}");
        assert_eq!(vis.events().len(), usize::from(!again));
    }
    // What is older than is remembered is not.
    for _ in 0..128 {
        vis.say(&[keepalive()]);
    }
    vis.iv.handle_message(vis.now, &frame);
    assert_eq!(vis.reads(), []);
}

#[test]
fn an_answer_that_comes_again_means_nothing() {
    let mut vis = two_enabled();
    // The answers that were executed long ago, with other ids; and one to what is not asked.
    for (transaction, n) in [(1, 7), (2, 5), (3, 5), (4, 8), (0, 9)] {
        assert_eq!(vis.give(transaction, n), []);
    }
    assert_eq!(vis.events(), []);
    assert_eq!(held(&vis, 1), (Some(vif(5)), VnicState::Enabled));
    assert_eq!(held(&vis, 2), (Some(vif(6)), VnicState::Enabled));
    // Nor does an answer of another kind answer what is open.
    vis.iv.attach(vis.now, vnic(3, None)).unwrap();
    assert_eq!(kinds(&vis.said()), [(Kind::VifCreate, 4)]);
    vis.say(&[Message {
        transaction: 4,
        body: DONE(Kind::VifSet),
    }]);
    assert_eq!(held(&vis, 3), (None, VnicState::Creating));
    vis.say(&[given(4, 7)]);
    assert_eq!(held(&vis, 3), (Some(vif(7)), VnicState::Created));
}

#[test]
fn no_state_of_an_old_session_answers_for_the_new_one() {
    let mut vis = two_enabled();
    let old = vis.pen.clone();
    vis.silence();
    vis.open();
    vis.events();
    let before = support::state(&vis.iv);
    let mut old = old;
    for request in [enable(5), delete(5, 1), set(3, &[5])] {
        let message = old.request(request);
        let frame = old.frame(&[message]);
        vis.iv.handle_message(vis.now, &frame);
    }
    let frame = old.frame(&[given(1, 9)]);
    vis.iv.handle_message(vis.now, &frame);
    assert_eq!(support::state(&vis.iv), before);
    assert_eq!(vis.events(), []);
}
