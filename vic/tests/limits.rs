//! What a peer cannot make an end do: docs/vic.md sections 2, 3, 4, 5, 7 and 10.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use support::script::{PlayedIv, PlayedVis, Read, keepalive, list, members, no};
use support::{IV_MAC, VIS_MAC, ms, samples, uuid, vnic};
use vic::frame::{Addresses, acknowledgement};
use vic::message::{
    Answer, Body, Kind, ListDelete, ListSet, Message, OpenAnswer, Part, ProfileCatalogue, Request,
    VifCreate,
};
use vic::session::iv::IvEvent;
use vic::session::vis::VisLimits;
use vic::session::{Authentication, Statistics};
use vic::{Authenticator, Code, Mac, Nonce, Parameters, Profile};

fn keyed() -> Authentication {
    Authentication::Key(samples::key())
}

fn new_iv() -> PlayedIv {
    PlayedIv::new(&keyed(), VisLimits::default())
}

fn set(n: u16, of: &[u16]) -> Request {
    Request::ListSet(ListSet {
        list: list(n),
        members: members(of),
    })
}

fn entry(name: &str) -> Profile {
    Profile {
        name: name.parse().unwrap(),
        description: "".parse().unwrap(),
    }
}

fn part(generation: u32, index: u16, count: u16, names: &[&str]) -> Request {
    Request::ProfileCatalogue(ProfileCatalogue {
        generation,
        part: Part { index, count },
        profiles: names.iter().map(|name| entry(name)).collect(),
    })
}

fn names(profiles: &[Profile]) -> Vec<&str> {
    profiles.iter().map(|p| p.name.as_str()).collect()
}

fn catalogues(events: &[IvEvent]) -> Vec<Vec<&str>> {
    let told = events.iter().filter_map(|event| match event {
        IvEvent::Catalogue(profiles) => Some(names(profiles)),
        _ => None,
    });
    told.collect()
}

const TAKEN: Body = Body::Answer(Answer::Done(Kind::ProfileCatalogue));

#[test]
fn parts_of_two_editions_of_the_catalogue_are_never_one() {
    let mut vis = PlayedVis::new(&keyed());
    vis.open();
    vis.events();
    for (request, whole) in [
        (part(1, 0, 2, &["a"]), None),
        (part(2, 1, 2, &["d"]), None),
        (part(2, 0, 2, &["c"]), Some(vec!["c", "d"])),
        // The rest of the old one begins it anew, and the whole one holds.
        (part(1, 1, 2, &["b"]), None),
        (part(3, 0, 1, &[]), Some(vec![])),
    ] {
        assert_eq!(vis.ask(request), TAKEN);
        let events = vis.events();
        assert_eq!(catalogues(&events), Vec::from_iter(whole.clone()));
        if let Some(whole) = whole {
            assert_eq!(names(vis.iv.catalogue()), whole);
        }
    }
}

/// A switch that was started anew counts its editions anew.
#[test]
fn parts_of_the_catalogue_of_an_earlier_session_are_forgotten() {
    let mut vis = PlayedVis::new(&keyed());
    vis.open();
    assert_eq!(vis.ask(part(1, 1, 2, &["old"])), TAKEN);
    vis.silence();
    vis.open();
    vis.events();
    assert_eq!(vis.ask(part(1, 0, 2, &["a"])), TAKEN);
    assert_eq!(catalogues(&vis.events()), Vec::<Vec<&str>>::new());
    assert_eq!(vis.ask(part(1, 1, 2, &["b"])), TAKEN);
    assert_eq!(catalogues(&vis.events()), [["a", "b"]]);
}

#[test]
fn a_catalogue_has_at_most_4096_profiles_in_2048_parts() {
    let mut vis = PlayedVis::new(&keyed());
    vis.open();
    vis.events();
    assert_eq!(
        no(&vis.ask(part(1, 0, 2049, &["a"]))),
        Some(Code::MALFORMED)
    );
    for index in 0..2048 {
        assert_eq!(vis.ask(part(2, index, 2048, &["a", "b"])), TAKEN);
    }
    assert_eq!(vis.iv.catalogue().len(), 4096);
    vis.events();
    for index in 0..32 {
        assert_eq!(vis.ask(part(3, index, 33, &["a"; 128])), TAKEN);
    }
    assert_eq!(no(&vis.ask(part(3, 32, 33, &["b"]))), Some(Code::MALFORMED));
    assert_eq!(vis.events(), [], "the old one holds");
}

#[test]
fn an_iv_holds_as_many_lists_as_it_said_and_no_more() {
    let mut vis = PlayedVis::with(&keyed(), |_, limits| limits.max_lists = 2);
    vis.open();
    let done = Body::Answer(Answer::Done(Kind::ListSet));
    for n in [1, 2] {
        assert_eq!(vis.ask(set(n, &[1])), done);
    }
    vis.events();
    assert_eq!(no(&vis.ask(set(3, &[1]))), Some(Code::NO_LIST_FREE));
    assert_eq!(vis.events(), []);
    assert_eq!(vis.iv.lists().count(), 2);
    assert_eq!(vis.ask(set(2, &[1])), done, "that one it has");
    // In another session an id may have other members: the number stays the same.
    vis.silence();
    vis.open();
    assert_eq!(vis.ask(set(2, &[2])), done);
    assert_eq!(no(&vis.ask(set(3, &[1]))), Some(Code::NO_LIST_FREE));
    vis.ask(Request::ListDelete(ListDelete { list: None }));
    assert_eq!(vis.ask(set(3, &[1])), done);
}

fn excess(before: Statistics, after: Statistics) -> (u64, u64) {
    (after.taken - before.taken, after.excess - before.excess)
}

#[test]
fn an_iv_takes_4000_frames_a_second_and_acknowledges_no_more() {
    let mut vis = PlayedVis::new(&keyed());
    vis.open();
    let before = vis.iv.statistics();
    for _ in 0..4000 {
        let frame = vis.pen.frame(&[keepalive()]);
        vis.iv.handle_message(vis.now, &frame);
    }
    assert_eq!(excess(before, vis.iv.statistics()), (4000, 0));
    let request = vis.pen.request(set(1, &[1]));
    let frame = vis.pen.frame(&[request]);
    vis.iv.handle_message(vis.now, &frame);
    assert_eq!(excess(before, vis.iv.statistics()), (4000, 1));
    assert_eq!((vis.reads(), vis.iv.lists().count()), (vec![], 0));
    // The same again a moment later: it is new, and taken.
    vis.now += std::time::Duration::from_micros(250);
    vis.iv.handle_message(vis.now, &frame);
    assert_eq!(excess(before, vis.iv.statistics()), (4001, 1));
    let sequence = vis.pen.sequence as u16;
    assert!(vis.reads().contains(&Read::Acknowledgement(sequence)));
    assert_eq!(vis.iv.lists().count(), 1);
}

#[test]
fn a_vis_takes_4000_frames_a_second() {
    let mut iv = new_iv();
    iv.open();
    iv.now += ms(1);
    let before = iv.vis.statistics();
    for _ in 0..4001 {
        let frame = iv.pen.frame(&[keepalive()]);
        iv.vis.handle_message(iv.now, &frame);
    }
    assert_eq!(excess(before, iv.vis.statistics()), (4000, 1));
}

/// An Open of another IV, and whether it was answered.
fn answered(iv: &mut PlayedIv, nonce: u64, authenticator: &Authenticator) -> bool {
    iv.pen.own = Nonce(nonce);
    iv.pen.theirs = Nonce::NONE;
    let message = Message {
        transaction: 0,
        body: Body::Request(samples::open()),
    };
    let envelope = iv.pen.envelope(0);
    let frame = iv.pen.write(envelope, &message.to_bytes(), authenticator);
    iv.vis.handle_message(iv.now, &frame);
    let reads = iv.reads();
    for read in &reads {
        let Read::Pdu(envelope, messages) = read else {
            panic!("{read:?}")
        };
        assert_eq!(
            (envelope.sender, envelope.receiver),
            (Nonce::NONE, iv.pen.own)
        );
        assert_eq!(no(&messages[0].body), Some(Code::KEY_REQUIRED));
    }
    reads.len() == 1
}

#[test]
fn a_vis_sends_ten_refusals_a_second() {
    let mut iv = new_iv();
    let crc = Authenticator::crc();
    let mut nonce = 1..;
    let mut burst = |iv: &mut PlayedIv, many: usize| {
        let sent = (0..many).filter(|_| answered(iv, nonce.next().unwrap(), &crc));
        sent.count()
    };
    assert_eq!(burst(&mut iv, 30), 10);
    iv.now += ms(99);
    assert_eq!(burst(&mut iv, 30), 0);
    iv.now += ms(1);
    assert_eq!(burst(&mut iv, 30), 1);
    iv.now += ms(60_000);
    assert_eq!(burst(&mut iv, 30), 10);
    // Who has the key is heard all the same.
    assert!(!iv.vis.is_up());
    iv.open();
    assert!(iv.vis.is_up());
}

/// When the IV sends a Keepalive in a second in which the VIS is heard all the time.
fn keepalives(vis: &mut PlayedVis) -> Vec<u64> {
    let start = vis.now;
    let mut sent = Vec::new();
    for at in 0..1000 {
        vis.now = start + ms(at);
        if at % 20 == 0 {
            let frame = vis.pen.frame(&[keepalive()]);
            vis.iv.handle_message(vis.now, &frame);
        }
        vis.iv.handle_timeout(vis.now);
        for read in vis.reads() {
            if let Read::Pdu(_, messages) = read
                && messages.iter().any(|m| m.kind() == Kind::Keepalive)
            {
                sent.push(at);
            }
        }
    }
    sent
}

#[test]
fn keepalives_come_every_seventh_of_the_smaller_hold_time_and_an_end_waits_for_its_own() {
    for (own, theirs) in [(350, 900), (900, 350), (900, 60_000)] {
        let mut vis = PlayedVis::with(&keyed(), |config, _| config.parameters.hold = ms(own));
        vis.hear_open();
        let Body::Answer(Answer::Open(answer)) = vis.yes() else {
            panic!()
        };
        let yes = Body::Answer(Answer::Open(OpenAnswer {
            hold: theirs,
            ..answer
        }));
        let frame = vis.opening(yes, &vis.pen.authenticator.clone());
        vis.iv.handle_message(vis.now, &frame);
        vis.reads();
        let every = own.min(theirs.into()) / 7;
        let sent = keepalives(&mut vis);
        // Of milliseconds, so one more at most than a seventh that is none.
        let gaps: Vec<u64> = sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| gap - every <= 1), "{every}: {gaps:?}");
        assert!(!gaps.is_empty());
        // Last heard at 980 of the second.
        let heard = vis.now - ms(19);
        vis.iv.handle_timeout(heard + ms(own - 1));
        assert!(vis.iv.is_up());
        vis.iv.handle_timeout(heard + ms(own));
        assert!(!vis.iv.is_up());
    }
}

fn acknowledge(destination: Mac, source: Mac, sequence: u16) -> Vec<u8> {
    let addresses = Addresses {
        destination,
        source,
    };
    acknowledgement(&Parameters::default(), addresses, sequence)
}

const STRANGER: Mac = Mac([2, 0, 0, 0, 0, 0x66]);

#[test]
fn only_the_peers_acknowledgements_count_at_an_iv() {
    let mut vis = PlayedVis::new(&keyed());
    vis.open();
    let before = vis.iv.statistics().acknowledged;
    vis.iv.attach(vis.now, vnic(1, None)).unwrap();
    let frame = vis.iv.poll_transmit(vis.now).unwrap();
    let sequence = u16::from_be_bytes([frame[16], frame[17]]);
    for (source, sequence) in [(STRANGER, sequence), (VIS_MAC, sequence + 1)] {
        let not_his = acknowledge(IV_MAC, source, sequence);
        vis.iv.handle_message(vis.now, &not_his);
        assert_eq!(vis.iv.statistics().acknowledged, before);
    }
    vis.now += Parameters::default().ack_timer();
    assert_eq!(vis.iv.poll_transmit(vis.now), Some(frame), "it waits on");
    let his = acknowledge(IV_MAC, VIS_MAC, sequence);
    vis.iv.handle_message(vis.now, &his);
    assert_eq!(vis.iv.statistics().acknowledged, before + 1);
    vis.now += Parameters::default().ack_timer();
    assert_eq!(vis.said(), []);
}

#[test]
fn only_the_peers_acknowledgements_count_at_a_vis() {
    let mut iv = new_iv();
    iv.open();
    iv.reads();
    let create = Request::VifCreate(VifCreate {
        uuid: uuid(1),
        mac: Mac([2, 0, 0, 1, 0, 1]),
        name: "tap1".parse().unwrap(),
        profile: "default".parse().unwrap(),
        mtu: 1595,
        vif: None,
        owner_name: None,
        owner_uuid: None,
    });
    // Too long for the link: answered at once.
    let message = iv.pen.request(create);
    let frame = iv.pen.frame(&[message]);
    iv.vis.handle_message(iv.now, &frame);
    let before = iv.vis.statistics().acknowledged;
    let mut frames = std::iter::from_fn(|| iv.vis.poll_transmit(iv.now));
    let answer = frames.find(|frame| frame.len() > 60 && frame[15] == 0xF0);
    let answer = answer.unwrap();
    let sequence = u16::from_be_bytes([answer[16], answer[17]]);
    for (source, counts) in [(STRANGER, 0), (IV_MAC, 1)] {
        let frame = acknowledge(VIS_MAC, source, sequence);
        iv.vis.handle_message(iv.now, &frame);
        assert_eq!(iv.vis.statistics().acknowledged, before + counts);
    }
}
