//! How a VIF and a list of a VIS go from state to state: docs/vic.md section 7, with an IV that is played.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use support::script::{PlayedIv, done, members, vif};
use support::{ms, samples};
use vic::message::{Body, Counters, Kind, Message, Reason, Request, VifCounters};
use vic::session::Authentication;
use vic::session::vis::{VifState, VisEvent, VisLimits};
use vic::{Code, Refusal};

/// vNIC 1 has VIF 5, which is enabled.
fn enabled() -> PlayedIv {
    let key = Authentication::Key(samples::key());
    let mut iv = PlayedIv::new(&key, VisLimits::default());
    let said = iv.open();
    iv.obey(said);
    iv.ask(samples::create());
    accept(&mut iv);
    iv.vis.enable(iv.now, vif(5)).unwrap();
    let said = iv.said();
    iv.obey(said);
    assert_eq!(state(&iv), VifState::Enabled);
    iv.events();
    iv
}

fn accept(iv: &mut PlayedIv) {
    let ask = iv.events().into_iter().find_map(|event| match event {
        VisEvent::Create { ask, .. } => Some(ask),
        _ => None,
    });
    assert_eq!(iv.vis.accept(iv.now, ask.unwrap(), 7, None), Ok(vif(5)));
}

fn state(iv: &PlayedIv) -> VifState {
    iv.vis.vifs().next().unwrap().2
}

fn why(code: Code) -> Refusal {
    Refusal::new(code, "")
}

fn no(request: &Message, code: Code) -> Message {
    Message {
        transaction: request.transaction,
        body: Body::Refused(request.kind(), why(code)),
    }
}

fn silence(iv: &mut PlayedIv) {
    iv.now += ms(900);
    iv.vis.handle_timeout(iv.now);
    assert!(!iv.vis.is_up());
    iv.events();
}

#[test]
fn a_vif_whose_enable_is_refused_or_whose_disable_is_answered_is_created() {
    let mut iv = enabled();
    iv.vis.enable(iv.now, vif(5)).unwrap();
    let said = iv.said();
    iv.say(&[no(&said[0], Code::IN_USE)]);
    assert_eq!(state(&iv), VifState::Created);
    let refused = VisEvent::EnableRefused {
        vif: vif(5),
        why: why(Code::IN_USE),
    };
    assert_eq!(iv.events(), [refused]);
    let mut iv = enabled();
    iv.vis.disable(iv.now, vif(5), why(Code::SHUT)).unwrap();
    let said = iv.said();
    iv.obey(said);
    assert_eq!(state(&iv), VifState::Created);
    assert_eq!(iv.events(), [VisEvent::Disabled(vif(5))]);
}

#[test]
fn disable_and_status_that_the_iv_does_not_know_are_said_again_after_50_ms() {
    for kind in [Kind::VifDisable, Kind::VifStatus] {
        let mut iv = enabled();
        match kind {
            Kind::VifDisable => iv.vis.disable(iv.now, vif(5), why(Code::SHUT)),
            _ => iv.vis.status(iv.now, vif(5), true, None),
        }
        .unwrap();
        let said = iv.said();
        assert_eq!(said[0].kind(), kind);
        assert_eq!(iv.say(&[no(&said[0], Code::UNKNOWN_VIF)]), []);
        assert_eq!(iv.events(), [], "it is not disabled");
        iv.now += ms(49);
        iv.vis.handle_timeout(iv.now);
        assert_eq!(iv.said(), []);
        iv.now += ms(1);
        iv.vis.handle_timeout(iv.now);
        let again = iv.said();
        assert_eq!((again.len(), &again[0].kind()), (1, &kind));
    }
}

#[test]
fn a_vif_on_its_way_out_is_deleted_again_in_the_next_session() {
    let mut iv = enabled();
    iv.vis.delete(iv.now, vif(5), why(Code::SHUT)).unwrap();
    assert_eq!(iv.said()[0].kind(), Kind::VifDelete);
    let said = iv.open();
    assert_eq!(said[0].kind(), Kind::VifDelete);
    let rest: Vec<Kind> = said.iter().map(Message::kind).collect();
    assert!(rest.contains(&Kind::ListDelete), "{rest:?}");
}

#[test]
fn what_an_iv_that_does_not_come_back_held_waits_for_nobodys_word() {
    let mut iv = enabled();
    let kept = iv.vis.set_list(iv.now, members(&[5])).unwrap();
    let gone = iv.vis.set_list(iv.now, members(&[])).unwrap();
    let said = iv.said();
    iv.obey(said);
    let (vifs, lists) = iv.vis.free_ids();
    silence(&mut iv);
    iv.vis.release_list(iv.now, gone).unwrap();
    assert_eq!(iv.said(), [], "there is nobody to tell");
    iv.vis.expire(iv.now);
    let events = iv.events();
    assert!(
        matches!(&events[..], [VisEvent::VifGone { why, .. }, VisEvent::ListLost(list)]
            if why.code == Code::HOLD_TIME && *list == kept),
        "{events:?}"
    );
    iv.vis.vif_quiesced(iv.now, vif(5)).unwrap();
    iv.vis.handle_timeout(iv.now + ms(1000));
    assert_eq!(iv.vis.free_ids(), (vifs + 1, lists + 1));
}

#[test]
fn counters_count_for_a_vif_of_this_session_only() {
    let mut iv = enabled();
    let counters = || {
        Request::Counters(Counters {
            vif: vif(5),
            counters: VifCounters::default(),
        })
    };
    iv.ask(counters());
    assert_eq!(iv.events().len(), 1);
    iv.open();
    iv.events();
    let (transaction, said) = iv.ask(counters());
    assert_eq!(
        said,
        [done(&Message {
            transaction,
            body: Body::Request(counters())
        })]
    );
    assert_eq!(iv.events(), []);
}

#[test]
fn a_list_that_is_refused_is_told_and_a_close_ends_the_session() {
    let mut iv = enabled();
    let list = iv.vis.set_list(iv.now, members(&[5])).unwrap();
    let said = iv.said();
    iv.say(&[no(&said[0], Code::NO_LIST_FREE)]);
    let refused = VisEvent::ListRefused {
        list,
        why: why(Code::NO_LIST_FREE),
    };
    assert_eq!(iv.events(), [refused]);
    let close = Request::Close(Reason {
        code: Code::GOING_AWAY,
        sentence: None,
    });
    let body = Body::Request(close);
    iv.say(&[Message {
        transaction: 0,
        body,
    }]);
    assert_eq!(iv.events(), [VisEvent::Lost(why(Code::GOING_AWAY))]);
    assert!(!iv.vis.is_up());
}
