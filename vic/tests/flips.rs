//! Every single bit of every kind of frame, changed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use std::collections::BTreeSet;
use support::script::{Pen, PlayedIv, PlayedVis, given};
use support::{Lab, To, ms, samples, state, uuid, vnic};
use vic::message::{Body, Kind, Message, Request};
use vic::session::Authentication;
use vic::session::iv::{IvEvent, VnicState};
use vic::session::vis::{VisEvent, VisLimits};

const FEW: VisLimits = VisLimits {
    max_vifs: 40,
    max_lists: 8,
};

fn both() -> [Authentication; 2] {
    [Authentication::Open, Authentication::Key(samples::key())]
}

fn state_of(lab: &Lab, to: To) -> String {
    match to {
        To::Iv => state(&lab.iv),
        To::Vis => state(&lab.vis),
    }
}

/// A good run, frame by frame; before each frame, the same with every single bit changed.
#[test]
fn no_single_flipped_bit_changes_state() {
    for authentication in both() {
        let mut lab = Lab::new(1, &authentication);
        (lab.max_vifs, lab.max_lists) = (8, 8);
        lab.restart_vis(false);
        lab.attach(1);
        let (mut handed, mut flipped) = (0, 0);
        while lab.now < ms(12) || !lab.faults_left().is_empty() {
            lab.iv.handle_timeout(lab.now);
            lab.vis.handle_timeout(lab.now);
            lab.settle();
            for (to, frame) in std::mem::take(&mut lab.record) {
                let bits = 0..frame.len() * 8;
                let mut before = state_of(&lab, to);
                let opening = frame.len() > 50 && frame[42..50] == [0; 8];
                for bit in bits {
                    let mut bad = frame.clone();
                    bad[bit / 8] ^= 1 << (bit % 8);
                    flipped += 1;
                    match to {
                        To::Iv => lab.iv.handle_message(lab.now, &bad),
                        To::Vis => lab.vis.handle_message(lab.now, &bad),
                    }
                    // Who has a key, or is offered a version he does not speak, says no to an Open,
                    // and that is all he does.
                    let (up, vifs) = (lab.vis.is_up(), lab.vis.vifs().count());
                    // What a flip changes stays, so one look for each octet is enough.
                    if !opening && bit % 8 != 7 {
                        continue;
                    }
                    let after = state_of(&lab, to);
                    if opening && after != before {
                        while let Some(event) = lab.vis.poll_event() {
                            assert!(
                                matches!(event, VisEvent::Refused(_)),
                                "bit {bit}: {event:?}"
                            );
                        }
                        while let Some(event) = lab.iv.poll_event() {
                            assert!(matches!(event, IvEvent::Refused(_)), "bit {bit}: {event:?}");
                        }
                        while !lab.vis.is_up() && lab.vis.poll_transmit(lab.now).is_some() {}
                        assert_eq!((lab.vis.is_up(), lab.vis.vifs().count()), (up, vifs));
                        before = state_of(&lab, to);
                        continue;
                    }
                    assert!(
                        before == after,
                        "bit {bit} of {frame:02x?} changes {before:?} to {after:?}"
                    );
                }
                lab.hand(to, &frame);
                handed += 1;
            }
            lab.drop_wire();
            lab.now += ms(1);
            assert!(lab.now < ms(2000), "{:?}", lab.faults_left());
        }
        println!("{flipped} flipped bits in {handed} frames");
        assert!(handed > 10 && flipped > 10_000);
    }
}

/// An IV with two vNICs in a session: the first is enabled, the second has its question out.
fn played_vis(authentication: &Authentication) -> PlayedVis {
    let mut vis = PlayedVis::new(authentication);
    (1..=2).for_each(|n| vis.iv.attach(vis.now, vnic(n, None)).unwrap());
    vis.open();
    vis.give(1, 5);
    vis.events();
    vis
}

/// A VIS with a session and a VIF.
fn played_iv(authentication: &Authentication) -> PlayedIv {
    let mut iv = PlayedIv::new(authentication, FEW);
    let said = iv.open();
    iv.obey(said);
    iv.ask(samples::create());
    embed(&mut iv);
    let said = iv.said();
    iv.obey(said);
    iv.events();
    iv
}

/// What an embedder without a will of its own does.
fn embed(iv: &mut PlayedIv) {
    for event in iv.events() {
        match event {
            VisEvent::Create { ask, .. } => {
                let vif = iv.vis.accept(iv.now, ask, 7, None);
                vif.into_iter()
                    .for_each(|vif| iv.vis.enable(iv.now, vif).unwrap());
            }
            VisEvent::Set { ask, .. } | VisEvent::Move { ask, .. } => {
                iv.vis.answer(iv.now, ask, Ok(())).unwrap();
            }
            VisEvent::VifGone { vif, .. } => iv.vis.vif_quiesced(iv.now, vif).unwrap(),
            _ => {}
        }
    }
}

/// Every message there is, as the next of a session: also those that this end has no business to say.
fn next(pen: &mut Pen, open: u32, message: Message) -> Message {
    match message.body {
        Body::Request(request) if message.transaction != 0 => pen.request(request),
        body if message.transaction != 0 => Message {
            transaction: open,
            body,
        },
        _ => message,
    }
}

fn is_close(message: &Message) -> bool {
    message.kind() == Kind::Close
}

#[test]
fn no_flipped_bit_of_any_kind_of_message_changes_an_iv_and_the_whole_frame_is_taken() {
    for authentication in both() {
        let mut seen = BTreeSet::new();
        for (_, message) in samples::messages() {
            let mut vis = played_vis(&authentication);
            let message = next(&mut vis.pen, 2, message);
            seen.insert(message.kind() as u8);
            let frame = vis.pen.frame(std::slice::from_ref(&message));
            let before = state(&vis.iv);
            for bit in 0..frame.len() * 8 {
                let mut bad = frame.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                vis.iv.handle_message(vis.now, &bad);
                let octet = bit % 8 == 7;
                assert!(
                    !octet || state(&vis.iv) == before,
                    "up to bit {bit} of {message:?}"
                );
            }
            let taken = vis.iv.statistics().taken;
            vis.iv.handle_message(vis.now, &frame);
            assert_eq!(vis.iv.statistics().taken, taken + 1, "{message:?}");
            assert_eq!(vis.iv.is_up(), !is_close(&message));
        }
        assert_eq!(seen.len(), Kind::ALL.len());
    }
}

#[test]
fn no_flipped_bit_of_any_kind_of_message_changes_a_vis_and_the_whole_frame_is_taken() {
    for authentication in both() {
        let mut seen = BTreeSet::new();
        for (_, message) in samples::messages() {
            let mut iv = played_iv(&authentication);
            iv.vis.set_list(iv.now, Default::default()).unwrap();
            let asked = iv.said();
            let message = next(&mut iv.pen, asked[0].transaction, message);
            seen.insert(message.kind() as u8);
            let frame = iv.pen.frame(std::slice::from_ref(&message));
            let before = state(&iv.vis);
            for bit in 0..frame.len() * 8 {
                let mut bad = frame.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                iv.vis.handle_message(iv.now, &bad);
                let octet = bit % 8 == 7;
                assert!(
                    !octet || state(&iv.vis) == before,
                    "up to bit {bit} of {message:?}"
                );
            }
            let taken = iv.vis.statistics().taken;
            iv.vis.handle_message(iv.now, &frame);
            assert_eq!(iv.vis.statistics().taken, taken + 1, "{message:?}");
            assert_eq!(iv.vis.is_up(), !is_close(&message));
        }
        assert_eq!(seen.len(), Kind::ALL.len());
    }
}

/// Without a key whoever is on the cable can mend the checksum. What comes then is another message, and has to be a
/// valid one to be obeyed.
#[test]
fn a_flipped_bit_whose_checksum_was_mended_gives_no_id_twice_and_a_new_session_mends_an_iv() {
    let mut vis = played_vis(&Authentication::Open);
    for (_, message) in samples::messages() {
        let bits = next(&mut vis.pen.clone(), 0, message.clone())
            .to_bytes()
            .len()
            * 8;
        for bit in 0..bits {
            if !vis.iv.is_up() {
                vis.now += ms(1000);
                vis.open();
            }
            vis.now += ms(1);
            let mut octets = next(&mut vis.pen, 1, message.clone()).to_bytes();
            octets[bit / 8] ^= 1 << (bit % 8);
            vis.pen.sequence += 1;
            let envelope = vis.pen.envelope(vis.pen.sequence);
            let frame = vis.pen.write(envelope, &octets, &vis.pen.authenticator);
            vis.iv.handle_message(vis.now, &frame);
            vis.events();
            vis.reads();
            let held: Vec<_> = vis.iv.vnics().filter_map(|(_, vif, _)| vif).collect();
            let once: BTreeSet<_> = held.iter().collect();
            assert_eq!(once.len(), held.len(), "bit {bit} of {message:?}: {held:?}");
        }
    }
    if vis.iv.is_up() {
        vis.silence();
    }
    vis.events();
    let asked = vis.open();
    for (transaction, n) in [(1, 11), (2, 12)] {
        vis.say(&[given(transaction, n)]);
        let enable = vic::message::VifEnable {
            vif: samples::vif(n),
        };
        vis.ask(Request::VifEnable(enable));
    }
    assert_eq!(asked.len(), 3);
    assert!(
        vis.iv
            .vnics()
            .all(|(_, vif, state)| vif.is_some() && *state == VnicState::Enabled)
    );
}

#[test]
fn a_flipped_bit_whose_checksum_was_mended_gives_no_id_twice_and_a_new_session_mends_a_vis() {
    let mut iv = played_iv(&Authentication::Open);
    for (_, message) in samples::messages() {
        let bits = next(&mut iv.pen.clone(), 0, message.clone())
            .to_bytes()
            .len()
            * 8;
        for bit in 0..bits {
            if !iv.vis.is_up() {
                iv.now += ms(1000);
                iv.events();
                iv.open();
            }
            iv.now += ms(1);
            let mut octets = next(&mut iv.pen, 1, message.clone()).to_bytes();
            octets[bit / 8] ^= 1 << (bit % 8);
            iv.pen.sequence += 1;
            let envelope = iv.pen.envelope(iv.pen.sequence);
            let frame = iv.pen.write(envelope, &octets, &iv.pen.authenticator);
            iv.vis.handle_message(iv.now, &frame);
            embed(&mut iv);
            let said = iv.said();
            if iv.vis.is_up() {
                iv.obey(said);
                embed(&mut iv);
            }
            let held: Vec<_> = iv.vis.vifs().map(|(vif, ..)| vif).collect();
            let live = iv
                .vis
                .vifs()
                .filter(|v| v.2 != vic::session::vis::VifState::Going);
            let live: Vec<_> = live.map(|(_, uuid, _)| uuid).collect();
            let once: BTreeSet<_> = live.iter().collect();
            assert_eq!(once.len(), live.len(), "bit {bit} of {message:?}: {live:?}");
            assert!(held.len() + iv.vis.free_ids().0 <= FEW.max_vifs.into());
        }
    }
    iv.now += ms(1000);
    iv.events();
    let said = iv.open();
    iv.obey(said);
    iv.ask(samples::create());
    embed(&mut iv);
    let rest = vic::message::VifDelete {
        vif: None,
        uuid: None,
        code: vic::Code::DETACHED,
        sentence: None,
    };
    let (_, said) = iv.ask(Request::VifDelete(rest));
    embed(&mut iv);
    iv.obey(said);
    let said = iv.said();
    iv.obey(said);
    iv.vis.handle_timeout(iv.now + ms(1000));
    let left: Vec<_> = iv.vis.vifs().map(|(_, uuid, _)| uuid).collect();
    assert_eq!(left, [uuid(1)]);
    assert_eq!(
        iv.vis.free_ids().0,
        usize::from(FEW.max_vifs) - 1,
        "every other id is free"
    );
}
