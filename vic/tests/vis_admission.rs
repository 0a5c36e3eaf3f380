//! Who gets a session of a VIS, and what is left of one that is over: docs/vic.md sections 3, 4 and 7, with an IV
//! that is played.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use support::script::{PlayedIv, Read, done, keepalive, members, no, vif};
use support::{ms, samples, uuid};
use vic::message::{Body, Kind, Message, Open, Request, VifCreate};
use vic::session::Authentication;
use vic::session::vis::{VisError, VisEvent, VisLimits};
use vic::{Code, Nonce, Refusal, Uuid};

fn new() -> PlayedIv {
    let key = Authentication::Key(samples::key());
    PlayedIv::new(&key, VisLimits::default())
}

/// An Open with this nonce; what the VIS sends then.
fn open(iv: &mut PlayedIv, nonce: u64, change: impl FnOnce(&mut Open)) -> Vec<(Nonce, Message)> {
    let Request::Open(mut open) = samples::open() else {
        panic!()
    };
    change(&mut open);
    let message = Message {
        transaction: 0,
        body: Body::Request(Request::Open(open)),
    };
    let live = iv.pen.clone();
    (iv.pen.own, iv.pen.theirs) = (Nonce(nonce), Nonce::NONE);
    let envelope = iv.pen.envelope(0);
    let frame = iv
        .pen
        .write(envelope, &message.to_bytes(), &iv.pen.authenticator);
    iv.pen = live;
    iv.vis.handle_message(iv.now, &frame);
    sent(iv)
}

fn sent(iv: &mut PlayedIv) -> Vec<(Nonce, Message)> {
    let reads = iv.reads().into_iter().filter_map(|read| match read {
        Read::Pdu(envelope, messages) if envelope.sequence == 0 => {
            Some((envelope.sender, messages[0].clone()))
        }
        _ => None,
    });
    reads.collect()
}

fn refused(sent: &[(Nonce, Message)]) -> Option<Code> {
    let [(Nonce::NONE, message)] = sent else {
        return None;
    };
    no(&message.body)
}

#[test]
fn another_iv_is_told_that_the_link_is_busy_and_the_session_goes_on() {
    let mut iv = new();
    iv.open();
    iv.events();
    iv.now += ms(300);
    let answer = open(&mut iv, 7, |open| open.identity = Uuid([9; 16]));
    assert_eq!(refused(&answer), Some(Code::LINK_BUSY));
    assert!(matches!(&iv.events()[..], [VisEvent::Refused(_)]));
    iv.say(&[keepalive()]);
    assert!(iv.vis.is_up());
}

#[test]
fn a_link_below_1280_is_refused_and_a_link_has_the_smaller_mtu() {
    let mut iv = new();
    assert_eq!(
        refused(&open(&mut iv, 7, |open| open.mtu = 1279)),
        Some(Code::MTU)
    );
    iv.events();
    assert_eq!(open(&mut iv, 8, |open| open.mtu = 9000), []);
    let events = iv.events();
    let [VisEvent::Admission(peer)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(peer.mtu, 1600);
    // Long frames: only if both ends carry them.
    iv.now += ms(250);
    open(&mut iv, 9, |open| open.capabilities = Some(1));
    let events = iv.events();
    assert!(matches!(&events[..], [VisEvent::Admission(peer)] if !peer.capabilities.long_frames));
}

#[test]
fn an_open_that_is_being_decided_keeps_its_place_for_250_ms() {
    let mut iv = new();
    open(&mut iv, 7, |_| ());
    iv.events();
    iv.now += ms(249);
    assert_eq!(open(&mut iv, 8, |_| ()), []);
    assert_eq!(iv.events(), []);
    iv.now += ms(1);
    open(&mut iv, 8, |_| ());
    assert!(matches!(&iv.events()[..], [VisEvent::Admission(_)]));
}

#[test]
fn the_same_open_gets_the_same_answer_again() {
    let mut iv = new();
    assert_eq!(open(&mut iv, 7, |_| ()), []);
    assert_eq!(open(&mut iv, 7, |_| ()), [], "it is being decided");
    iv.vis
        .refuse_session(iv.now, Refusal::new(Code::NOT_ALLOWED, "no"));
    assert_eq!(refused(&sent(&mut iv)), Some(Code::NOT_ALLOWED));
    let again = open(&mut iv, 7, |_| ());
    assert_eq!(refused(&again), Some(Code::NOT_ALLOWED));
    // And cannot be admitted afterwards.
    iv.vis.admit(iv.now);
    assert_eq!(sent(&mut iv), []);
    iv.now += ms(250);
    open(&mut iv, 8, |_| ());
    iv.vis.admit(iv.now);
    let yes = sent(&mut iv);
    assert_eq!(yes.len(), 1);
    assert_eq!(open(&mut iv, 8, |_| ()), yes);
    assert_eq!(iv.events().len(), 2, "it was asked twice who may");
}

#[test]
fn the_open_of_the_session_that_comes_again_is_nothing() {
    let mut iv = new();
    iv.open();
    iv.events();
    let nonce = iv.pen.own.0;
    iv.now += ms(300);
    assert_eq!(open(&mut iv, nonce, |_| ()), []);
    assert_eq!(iv.events(), []);
    assert_eq!(open(&mut iv, 0, |_| ()), [], "no nonce is 0");
    assert_eq!(iv.events(), []);
}

#[test]
fn a_session_that_is_replaced_is_lost_first_and_the_first_frame_of_the_next_is_taken() {
    let mut iv = new();
    iv.open();
    iv.events();
    iv.open();
    let events = iv.events();
    let [VisEvent::Admission(_), VisEvent::Lost(why), VisEvent::Up(_)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(why.code, Code::REPLACED);
    // Each was opened by its first frame, which counts.
    assert_eq!(iv.vis.statistics().taken, 2);
}

#[test]
fn a_vis_that_is_closed_says_so_three_times_and_is_deaf() {
    let mut iv = new();
    iv.open();
    iv.events();
    iv.vis
        .close(iv.now, Refusal::new(Code::GOING_AWAY, "it ends"));
    let closes: Vec<Kind> = iv.said().iter().map(Message::kind).collect();
    assert_eq!(closes, [Kind::Close; 3]);
    iv.now += ms(1000);
    assert_eq!(open(&mut iv, 7, |_| ()), []);
    assert_eq!(iv.events(), []);
}

#[test]
fn lists_are_lost_with_a_new_session_and_released_ones_deleted_again() {
    let mut iv = new();
    iv.open();
    let kept = iv.vis.set_list(iv.now, members(&[1])).unwrap();
    let given_back = iv.vis.set_list(iv.now, members(&[2])).unwrap();
    for message in iv.said() {
        iv.say(&[done(&message)]);
    }
    iv.events();
    // The session ends before the IV has answered ListDelete.
    iv.vis.release_list(iv.now, given_back).unwrap();
    iv.said();
    let said = iv.open();
    assert!(iv.events().contains(&VisEvent::ListLost(kept)));
    let lists: Vec<&Body> = said.iter().map(|m| &m.body).collect();
    let deleted = lists.iter().any(|body| {
        matches!(body, Body::Request(Request::ListDelete(delete)) if delete.list == Some(given_back))
    });
    assert!(deleted, "{lists:?}");
}

#[test]
fn a_vis_gives_no_more_vifs_and_lists_than_the_iv_holds() {
    let mut iv = new();
    open(&mut iv, 7, |open| (open.max_vifs, open.max_lists) = (1, 1));
    iv.vis.admit(iv.now);
    let (theirs, _) = sent(&mut iv)[0].clone();
    (iv.pen.own, iv.pen.theirs) = (Nonce(7), theirs);
    iv.say(&[keepalive()]);
    iv.events();
    let Request::VifCreate(create) = samples::create() else {
        panic!()
    };
    for (n, given) in [(1, Ok(vif(5))), (2, Err(VisError::NoVifFree))] {
        iv.ask(Request::VifCreate(VifCreate {
            uuid: uuid(n),
            ..create.clone()
        }));
        let events = iv.events();
        let [VisEvent::Create { ask, .. }] = events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(iv.vis.accept(iv.now, ask, 7, None), given);
    }
    assert!(iv.vis.set_list(iv.now, members(&[])).is_ok());
    assert_eq!(
        iv.vis.set_list(iv.now, members(&[])),
        Err(VisError::NoListFree)
    );
}

#[test]
fn a_vnic_of_the_store_has_one_id_and_an_id_is_free_once() {
    let mut iv = new();
    iv.vis.restore(uuid(1), vif(5)).unwrap();
    assert_eq!(
        iv.vis.restore(uuid(1), vif(6)),
        Err(VisError::Taken(vif(6)))
    );
    let free = iv.vis.free_ids().0;
    iv.vis.reserve(vif(9)).unwrap();
    for _ in 0..2 {
        iv.vis.unreserve(iv.now, vif(9));
        iv.vis.unreserve(iv.now, vif(5));
    }
    iv.vis.handle_timeout(iv.now + ms(999));
    assert_eq!(iv.vis.free_ids().0, free - 1);
    iv.vis.handle_timeout(iv.now + ms(1000));
    assert_eq!(iv.vis.free_ids().0, free);
    // While there is a session nobody's grace is over.
    iv.open();
    iv.events();
    iv.vis.expire(iv.now);
    assert_eq!(iv.events(), []);
}
