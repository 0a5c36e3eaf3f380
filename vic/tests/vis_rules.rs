//! What a VIS obeys and what it does not, with an IV that is played: docs/vic.md sections 4 and 7.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use support::script::{PlayedIv, Read, done, keepalive, list, members, vif};
use support::{ms, samples, uuid};
use vic::message::{
    Answer, Body, Kind, ListSet, ListUnknown, Message, Reason, Request, VifCreate, VifDelete,
    VifEnable, VifSet,
};
use vic::session::Authentication;
use vic::session::vis::{Ask, VifState, VisError, VisEvent, VisLimits};
use vic::{Code, Refusal, VifId};

fn create(n: u8, offered: Option<VifId>) -> Request {
    match samples::create() {
        Request::VifCreate(create) => Request::VifCreate(VifCreate {
            uuid: uuid(n),
            vif: offered,
            ..create
        }),
        other => other,
    }
}

fn delete(vif: Option<VifId>) -> Request {
    Request::VifDelete(VifDelete {
        vif,
        uuid: None,
        code: Code::DETACHED,
        sentence: None,
    })
}

fn new(limits: VisLimits) -> PlayedIv {
    PlayedIv::new(&Authentication::Key(samples::key()), limits)
}

fn asks(events: Vec<VisEvent>) -> Vec<Ask> {
    let asks = events.into_iter().filter_map(|event| match event {
        VisEvent::Create { ask, .. } | VisEvent::Set { ask, .. } => Some(ask),
        _ => None,
    });
    asks.collect()
}

/// vNICs 1 to `many` are created and enabled.
fn with(many: u8) -> PlayedIv {
    let mut iv = new(VisLimits::default());
    let said = iv.open();
    iv.obey(said);
    for n in 1..=many {
        iv.ask(create(n, None));
        let ask = asks(iv.events())[0];
        let vif = iv.vis.accept(iv.now, ask, 7, None).unwrap();
        iv.vis.enable(iv.now, vif).unwrap();
        let said = iv.said();
        iv.obey(said);
    }
    assert!(
        iv.vis
            .vifs()
            .all(|(_, _, state)| state == VifState::Enabled)
    );
    iv.events();
    iv
}

fn gone(events: &[VisEvent]) -> Vec<VifId> {
    let gone = events.iter().filter_map(|event| match event {
        VisEvent::VifGone { vif, .. } => Some(*vif),
        _ => None,
    });
    gone.collect()
}

fn requests(said: &[Message]) -> Vec<Kind> {
    let asked = said.iter().filter(|m| matches!(m.body, Body::Request(_)));
    asked.map(Message::kind).collect()
}

#[test]
fn a_vnic_that_is_asked_for_again_and_not_yet_answered_is_not_swept() {
    let mut iv = with(2);
    iv.open();
    // vNIC 1 is asked for again, vNIC 2 is not; the embedder takes its time.
    iv.ask(create(1, Some(vif(1))));
    iv.ask(delete(None));
    let events = iv.events();
    assert_eq!(gone(&events), [vif(2)]);
    let ask = asks(events)[0];
    assert_eq!(iv.vis.accept(iv.now, ask, 7, None), Ok(vif(1)));
    // What was created in this session is not swept by a second sweep either.
    iv.ask(delete(None));
    assert_eq!(gone(&iv.events()), []);
    let states: Vec<_> = iv.vis.vifs().map(|(vif, _, state)| (vif, state)).collect();
    assert_eq!(
        states,
        [(vif(1), VifState::Enabled), (vif(2), VifState::Going)]
    );
}

#[test]
fn a_vnic_refused_after_the_sweep_is_gone() {
    let mut iv = with(1);
    iv.open();
    iv.ask(create(1, Some(vif(1))));
    iv.ask(delete(None));
    let ask = asks(iv.events())[0];
    iv.vis
        .refuse(iv.now, ask, Refusal::new(Code::IN_USE, ""))
        .unwrap();
    assert_eq!(gone(&iv.events()), [vif(1)]);
    assert_eq!(requests(&iv.said()), [Kind::VifDelete]);
}

#[test]
fn a_member_on_its_way_out_is_in_no_list_that_is_made() {
    let mut iv = with(3);
    iv.vis
        .delete(iv.now, vif(2), Refusal::new(Code::SHUT, ""))
        .unwrap();
    let made = iv.vis.set_list(iv.now, members(&[1, 2, 3])).unwrap();
    let said = iv.said();
    assert_eq!(requests(&said), [Kind::VifDelete, Kind::ListSet]);
    let Body::Request(Request::ListSet(ListSet { list, members: set })) = &said[1].body else {
        panic!()
    };
    assert_eq!((*list, set), (made, &members(&[1, 3])));
}

#[test]
fn a_member_that_leaves_while_its_list_is_on_its_way_is_taken_out_after_it() {
    let mut iv = with(2);
    let made = iv.vis.set_list(iv.now, members(&[1, 2])).unwrap();
    let set = iv.said();
    assert_eq!(requests(&set), [Kind::ListSet]);
    iv.vis
        .delete(iv.now, vif(2), Refusal::new(Code::SHUT, ""))
        .unwrap();
    let now = |iv: &PlayedIv| {
        iv.vis
            .lists()
            .map(|(_, m, _)| m.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(now(&iv), [members(&[1])], "at once");
    let deleted = iv.said();
    assert_eq!(requests(&deleted), [Kind::VifDelete]);
    // In the order of their numbers: the list first, so that the IV strips it.
    assert!(set[0].transaction < deleted[0].transaction);
    iv.events();
    iv.say(&[done(&set[0])]);
    assert_eq!(iv.events(), [VisEvent::ListConfirmed(made)]);
    // And what is set anew in a later session is without it.
    let said = iv.open();
    let set = said.iter().find_map(|m| match &m.body {
        Body::Request(Request::ListSet(set)) => Some(set.members.clone()),
        _ => None,
    });
    assert_eq!(set, Some(members(&[1])));
}

#[test]
fn a_list_released_while_it_is_on_its_way_is_never_confirmed() {
    let mut iv = with(1);
    let made = iv.vis.set_list(iv.now, members(&[1])).unwrap();
    let set = iv.said();
    iv.vis.release_list(iv.now, made).unwrap();
    assert_eq!(
        iv.vis.release_list(iv.now, made),
        Err(VisError::UnknownList(made))
    );
    iv.say(&[done(&set[0])]);
    assert_eq!(iv.events(), []);
    assert_eq!(iv.vis.lists().count(), 0);
}

#[test]
fn a_list_that_is_confirmed_twice_is_told_once_and_lost_once() {
    let mut iv = with(1);
    let made = iv.vis.set_list(iv.now, members(&[1])).unwrap();
    let said = iv.said();
    iv.obey(said);
    assert_eq!(iv.events(), [VisEvent::ListConfirmed(made)]);
    // Two reports of the same gap: one ListSet.
    let unknown = Request::ListUnknown(ListUnknown { list: made });
    let (_, first) = iv.ask(unknown.clone());
    let (_, second) = iv.ask(unknown);
    assert_eq!(requests(&first), [Kind::ListSet]);
    assert_eq!(requests(&second), []);
    assert_eq!(iv.events(), [VisEvent::ListLost(made)]);
    iv.obey(first);
    assert_eq!(iv.events(), [VisEvent::ListConfirmed(made)]);
    // And of one that is nobody's: nothing.
    let (_, said) = iv.ask(Request::ListUnknown(ListUnknown { list: list(99) }));
    assert_eq!((requests(&said), iv.events()), (vec![], vec![]));
}

#[test]
fn a_list_id_rests_after_the_iv_has_forgotten_it() {
    let mut iv = new(VisLimits {
        max_lists: 1,
        ..VisLimits::default()
    });
    iv.open();
    let made = iv.vis.set_list(iv.now, members(&[])).unwrap();
    let said = iv.said();
    iv.obey(said);
    iv.vis.release_list(iv.now, made).unwrap();
    let said = iv.said();
    iv.now += ms(5000);
    assert_eq!(
        iv.vis.set_list(iv.now, members(&[])),
        Err(VisError::NoListFree)
    );
    iv.obey(said);
    iv.now += ms(999);
    assert_eq!(
        iv.vis.set_list(iv.now, members(&[])),
        Err(VisError::NoListFree)
    );
    iv.now += ms(1);
    assert_eq!(iv.vis.set_list(iv.now, members(&[])), Ok(made));
}

#[test]
fn an_id_is_free_only_when_the_iv_and_all_workers_have_let_it_go_and_a_second_later() {
    for iv_first in [true, false] {
        let mut iv = with(1);
        let free = iv.vis.free_ids().0;
        let (_, said) = iv.ask(delete(Some(vif(1))));
        assert_eq!(
            requests(&said),
            [Kind::VifDelete],
            "also when the IV asked for it"
        );
        let quiesced = |iv: &mut PlayedIv| iv.vis.vif_quiesced(iv.now, vif(1)).unwrap();
        match iv_first {
            true => iv.obey(said.clone()),
            false => quiesced(&mut iv),
        }
        iv.now += ms(500);
        match iv_first {
            true => quiesced(&mut iv),
            false => iv.obey(said),
        }
        iv.vis.handle_timeout(iv.now + ms(999));
        assert_eq!(iv.vis.free_ids().0, free);
        iv.vis.handle_timeout(iv.now + ms(1000));
        assert_eq!(iv.vis.free_ids().0, free + 1);
    }
}

#[test]
fn a_vnic_deleted_twice_goes_once_and_a_vif_of_nobody_is_done() {
    let mut iv = with(1);
    iv.ask(delete(Some(vif(1))));
    assert_eq!(gone(&iv.events()), [vif(1)]);
    for n in [1, 77] {
        let (transaction, said) = iv.ask(delete(Some(vif(n))));
        let yes = Body::Answer(Answer::Done(Kind::VifDelete));
        assert_eq!(
            said,
            [Message {
                transaction,
                body: yes
            }]
        );
    }
    assert_eq!(iv.events(), []);
    assert_eq!(
        iv.vis.delete(iv.now, vif(1), Refusal::new(Code::SHUT, "")),
        Err(VisError::UnknownVif(vif(1)))
    );
}

#[test]
fn an_id_that_is_offered_is_given_if_it_is_free_and_never_another_vnics() {
    let mut iv = with(1);
    let mut given = Vec::new();
    for (n, offered) in [
        (2, Some(vif(1))),
        (3, Some(vif(50))),
        (4, Some(vif(50))),
        (5, None),
    ] {
        iv.ask(create(n, offered));
        let ask = asks(iv.events())[0];
        given.push(iv.vis.accept(iv.now, ask, 7, None).unwrap());
    }
    assert_eq!(given, [vif(2), vif(50), vif(3), vif(4)]);
    // The same vNIC again has what it has, whatever it offers.
    iv.ask(create(2, Some(vif(60))));
    let ask = asks(iv.events())[0];
    assert_eq!(iv.vis.accept(iv.now, ask, 7, None), Ok(vif(2)));
    assert_eq!(iv.vis.accept(iv.now, ask, 7, None), Err(VisError::NotAsked));
}

#[test]
fn a_question_of_an_old_session_is_answered_by_nobody() {
    let mut iv = with(0);
    iv.ask(create(1, None));
    let old = asks(iv.events())[0];
    iv.open();
    iv.ask(create(2, None));
    let ask = asks(iv.events())[0];
    let why = || Refusal::new(Code::SHUT, "");
    assert_eq!(iv.vis.accept(iv.now, old, 7, None), Err(VisError::NotAsked));
    assert_eq!(iv.vis.refuse(iv.now, old, why()), Err(VisError::NotAsked));
    assert_eq!(iv.vis.answer(iv.now, old, Ok(())), Err(VisError::NotAsked));
    assert_eq!(iv.said(), []);
    assert_eq!(
        iv.vis.answer(iv.now, ask, Ok(())),
        Err(VisError::NotAsked),
        "wants a VIF"
    );
    assert_eq!(iv.vis.accept(iv.now, ask, 7, None), Ok(vif(1)));
}

#[test]
fn the_answer_to_enable_of_a_vif_that_goes_or_is_of_an_old_session_enables_nothing() {
    let mut iv = with(1);
    iv.ask(create(2, None));
    let ask = asks(iv.events())[0];
    let second = iv.vis.accept(iv.now, ask, 7, None).unwrap();
    iv.vis.enable(iv.now, second).unwrap();
    let said = iv.said();
    assert_eq!(requests(&said), [Kind::VifEnable]);
    iv.vis
        .delete(iv.now, second, Refusal::new(Code::SHUT, ""))
        .unwrap();
    iv.events();
    let enable = said.iter().find(|m| m.kind() == Kind::VifEnable).unwrap();
    iv.say(&[done(enable)]);
    assert_eq!(iv.events(), []);
    let enable = |iv: &mut PlayedIv| iv.vis.enable(iv.now, second);
    assert_eq!(enable(&mut iv), Err(VisError::UnknownVif(second)));
    // vNIC 1 is not created in the next session yet: its enabling waits until it is.
    iv.open();
    iv.vis.enable(iv.now, vif(1)).unwrap();
    assert_eq!(requests(&iv.said()), []);
    assert_eq!(iv.vis.vifs().next().unwrap().2, VifState::Bound);
}

#[test]
fn an_enable_the_iv_does_not_know_is_said_again_after_50_ms() {
    let mut iv = with(0);
    iv.ask(create(1, None));
    let ask = asks(iv.events())[0];
    iv.vis.accept(iv.now, ask, 7, None).unwrap();
    iv.vis.enable(iv.now, vif(1)).unwrap();
    let said = iv.said();
    let enable = said.iter().find(|m| m.kind() == Kind::VifEnable).unwrap();
    let refuse = |code| Message {
        transaction: enable.transaction,
        body: Body::Refused(Kind::VifEnable, Refusal::new(code, "")),
    };
    assert_eq!(iv.say(&[refuse(Code::UNKNOWN_VIF)]), []);
    assert_eq!(iv.events(), []);
    iv.now += ms(49);
    iv.vis.handle_timeout(iv.now);
    assert_eq!(iv.said(), []);
    iv.now += ms(1);
    iv.vis.handle_timeout(iv.now);
    let again = iv.said();
    let want = Body::Request(Request::VifEnable(VifEnable { vif: vif(1) }));
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].body, want);
    iv.obey(again);
    assert_eq!(iv.events(), [VisEvent::Enabled(vif(1))]);
}

#[test]
fn settings_of_a_vif_that_is_not_created_in_this_session_are_refused() {
    let mut iv = with(1);
    iv.open();
    let set = |n| VifSet {
        vif: vif(n),
        mac: None,
        mtu: Some(1400),
    };
    for n in [1, 2] {
        let (_, said) = iv.ask(Request::VifSet(set(n)));
        let Body::Refused(Kind::VifSet, why) = &said[0].body else {
            panic!("{said:?}")
        };
        assert_eq!(why.code, Code::UNKNOWN_VIF);
    }
    assert!(asks(iv.events()).is_empty());
}

#[test]
fn a_frame_that_comes_again_is_acknowledged_again_and_executed_once() {
    let mut iv = with(1);
    let request = iv.pen.request(create(2, None));
    let frame = iv.pen.frame(&[request]);
    let sequence = iv.pen.sequence as u16;
    for again in [false, true, true] {
        iv.vis.handle_message(iv.now, &frame);
        assert_eq!(iv.reads(), [Read::Acknowledgement(sequence)], "{again}");
        assert_eq!(asks(iv.events()).len(), usize::from(!again));
    }
    for _ in 0..128 {
        iv.say(&[keepalive()]);
    }
    iv.vis.handle_message(iv.now, &frame);
    assert_eq!(iv.reads(), []);
}

#[test]
fn a_request_that_comes_again_in_another_frame_gets_its_answer_again() {
    let mut iv = with(0);
    let request = iv.pen.request(create(1, None));
    iv.say(std::slice::from_ref(&request));
    let ask = asks(iv.events())[0];
    assert_eq!(
        iv.say(std::slice::from_ref(&request)),
        [],
        "there is no answer yet"
    );
    iv.vis.accept(iv.now, ask, 7, None).unwrap();
    let answer = iv.said();
    assert_eq!(answer.len(), 1);
    assert_eq!(iv.say(std::slice::from_ref(&request)), answer);
    assert_eq!(iv.events(), []);
}

#[test]
fn an_iv_that_changes_its_mind_before_its_first_frame_leaves_the_old_session_alone() {
    let mut iv = with(1);
    let live = iv.pen.clone();
    // An Open, answered; and in place of the first frame a Close.
    iv.pen.own = vic::Nonce(0xAF);
    iv.pen.theirs = vic::Nonce::NONE;
    iv.pen.sequence = 0;
    let open = Message {
        transaction: 0,
        body: Body::Request(samples::open()),
    };
    let envelope = iv.pen.envelope(0);
    let frame = iv
        .pen
        .write(envelope, &open.to_bytes(), &iv.pen.authenticator);
    iv.now += ms(250);
    iv.vis.handle_message(iv.now, &frame);
    iv.vis.admit(iv.now);
    iv.pen.theirs = iv.hear_yes();
    iv.events();
    let reason = Reason {
        code: Code::STALE_TERM,
        sentence: None,
    };
    let close = Message {
        transaction: 0,
        body: Body::Request(Request::Close(reason)),
    };
    let frame = iv.pen.frame(&[close]);
    iv.vis.handle_message(iv.now, &frame);
    let events = iv.events();
    assert!(matches!(&events[..], [VisEvent::Refused(_)]), "{events:?}");
    assert!(iv.vis.is_up());
    iv.pen = live;
    iv.say(&[keepalive()]);
    assert_eq!(
        iv.ask(delete(Some(vif(1)))).1.len(),
        2,
        "the session goes on"
    );
}
