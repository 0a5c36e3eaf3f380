//! Whole exchanges, and at each of their steps the worst: an end is killed, or frames overtake each other.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use std::collections::BTreeSet;
use support::script::{PlayedVis, given, list, members, no, vif};
use support::{Killed, Lab, ms, samples, uuid, vnic};
use vic::message::{Kind, ListSet, Message, Request, VifEnable, batch};
use vic::session::Authentication;
use vic::session::iv::{IvEvent, VnicState};
use vic::{Authenticator, Code, Parameters, Profile, VifCounters};

fn keyed() -> Authentication {
    Authentication::Key(samples::key())
}

/// One of everything. What an end that was just started does not know is not asked of it.
fn exchange(lab: &mut Lab) {
    let profile = Profile {
        name: "default".parse().unwrap(),
        description: "all".parse().unwrap(),
    };
    lab.vis.push_catalogue(lab.now, vec![profile]);
    lab.attach(1);
    lab.run(ms(20));
    lab.attach(2);
    lab.run(ms(40));
    let held = |lab: &Lab, n| lab.iv_world.bound.get(&uuid(n)).copied();
    if let Some(vif) = held(lab, 1) {
        lab.iv.counters(lab.now, vif, VifCounters::default());
        let shut = || Lab::refusal(Code::SHUT);
        let _ = lab.vis.status(lab.now, vif, false, Some(shut()));
        let _ = lab.vis.disable(lab.now, vif, shut());
        lab.run(ms(20));
        let _ = lab.vis.enable(lab.now, vif);
    }
    let _ = lab.iv.set(lab.now, uuid(2), None, Some(1400));
    lab.iv.prepare(lab.now, uuid(2), None);
    lab.iv.commit(lab.now, uuid(2));
    lab.iv.abort(lab.now, uuid(2));
    if let Some(&list) = lab.iv_world.lists.keys().next() {
        lab.iv.list_unknown(lab.now, list);
    }
    lab.run(ms(300));
    lab.detach(1);
    lab.run(ms(30));
    lab.attach(3);
    lab.run(ms(30));
    lab.iv.close(lab.now, Lab::refusal(Code::GOING_AWAY));
    lab.run(ms(10));
    lab.restart_iv();
    lab.run(ms(30));
}

#[test]
fn an_end_that_restarts_at_any_step_of_an_exchange_gets_everything_back() {
    let mut whole = Lab::new(1, &keyed());
    exchange(&mut whole);
    let steps = whole.delivered;
    let mut kinds = BTreeSet::new();
    for (_, octets) in &whole.record {
        let read = vic::frame::read(
            &Parameters::default(),
            vic::Mac(octets[0..6].try_into().unwrap()),
            octets,
        );
        if let Ok(vic::frame::Received::Pdu(pdu)) = read {
            let messages = pdu.verify(&Authenticator::hmac(&samples::key())).unwrap();
            kinds.extend(batch(messages).unwrap().iter().map(|raw| raw.kind));
        }
    }
    assert_eq!(kinds.len(), Kind::ALL.len(), "it has every kind: {kinds:?}");
    let mut longest = ms(0);
    for authentication in [keyed(), Authentication::Open] {
        let open = matches!(authentication, Authentication::Open);
        for killed in [Killed::Iv, Killed::Vis, Killed::Both, Killed::BothAndStore] {
            // A key makes no difference to who knows what; one kind of end is enough without.
            if open && killed != Killed::Vis {
                continue;
            }
            for step in 1..=steps {
                let mut lab = Lab::new(1, &authentication);
                lab.kill = Some((step, killed));
                exchange(&mut lab);
                assert_eq!(lab.kill, None, "step {step} of {killed:?}");
                let had = lab.iv_world.bound.clone();
                longest = longest.max(lab.converge(ms(3000)));
                let keeps = had
                    .iter()
                    .all(|(uuid, vif)| lab.iv_world.bound.get(uuid) == Some(vif));
                assert!(
                    keeps,
                    "step {step} of {killed:?}: {had:?}, {:?}",
                    lab.iv_world.bound
                );
                // Two vNICs are left, and two ids are taken when what was given up has rested.
                lab.run(ms(1100));
                let free = lab.vis.free_ids().0;
                assert_eq!(free, 4095 - 2, "step {step} of {killed:?}");
                assert_eq!(lab.faults_left(), Vec::<String>::new());
            }
        }
    }
    println!("{steps} steps; all well after {longest:?} at the latest");
    assert!(steps > 60);
}

/// Every choice of which frame comes next, `depth` times; then all have to be well. How many orders, and how many frames
/// there were to choose from.
fn orders(depth: usize, mut start: impl FnMut() -> Lab) -> (usize, usize) {
    let (mut choices, mut count, mut most) = (Vec::new(), 0, 0);
    loop {
        let mut lab = start();
        let mut of = Vec::new();
        while of.len() < depth {
            lab.settle();
            if lab.in_flight() == 0 {
                let next = [lab.iv.poll_timeout(), lab.vis.poll_timeout()];
                lab.now = lab.now.max(next.into_iter().flatten().min().unwrap());
                lab.iv.handle_timeout(lab.now);
                lab.vis.handle_timeout(lab.now);
                continue;
            }
            let chosen = choices.get(of.len()).copied().unwrap_or(0);
            of.push((chosen, lab.in_flight()));
            lab.overtake(chosen);
        }
        most = of
            .iter()
            .map(|&(_, among)| among)
            .max()
            .max(Some(most))
            .unwrap();
        lab.converge(ms(3000));
        count += 1;
        // The next in order: the last choice that has another.
        while of
            .last()
            .is_some_and(|&(chosen, among)| chosen + 1 == among)
        {
            of.pop();
        }
        let Some((last, _)) = of.last_mut() else {
            return (count, most);
        };
        *last += 1;
        choices = of.into_iter().map(|(chosen, _)| chosen).collect();
    }
}

#[test]
fn two_vnics_get_their_ports_in_whatever_order_frames_arrive() {
    let (count, most) = orders(7, || {
        let mut lab = Lab::new(1, &keyed());
        lab.attach(1);
        lab.attach(2);
        lab
    });
    println!("{count} orders from the first Open on, of up to {most} frames at once");
    assert!(count > 100 && most >= 4);
    let (count, most) = orders(12, || {
        let mut lab = Lab::new(1, &keyed());
        lab.converge(ms(1000));
        lab.run(ms(120));
        lab.attach(1);
        lab.settle();
        lab.attach(2);
        lab
    });
    println!("{count} orders in a session, of up to {most} frames at once");
    assert!(count > 100 && most >= 2);
}

fn permutations(of: usize) -> Vec<Vec<usize>> {
    (0..of).fold(vec![vec![]], |all, n| {
        let place = |order: &Vec<usize>| {
            let order = order.clone();
            (0..=order.len()).map(move |at| {
                let mut with = order.clone();
                with.insert(at, n);
                with
            })
        };
        all.iter().flat_map(place).collect()
    })
}

/// Answers to VifCreate, ListSet and VifEnable, each in a frame of its own.
#[test]
fn answers_and_requests_of_a_vis_arrive_in_any_order_and_come_to_the_same() {
    let all = permutations(5);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 120);
    for order in all {
        let mut vis = PlayedVis::new(&keyed());
        (1..=2).for_each(|n| vis.iv.attach(vis.now, vnic(n, None)).unwrap());
        vis.open();
        vis.events();
        let enable = |n| Request::VifEnable(VifEnable { vif: vif(n) });
        let set = ListSet {
            list: list(9),
            members: members(&[5, 6]),
        };
        let said: Vec<Message> = vec![
            given(1, 5),
            given(2, 6),
            vis.pen.request(Request::ListSet(set)),
            vis.pen.request(enable(5)),
            vis.pen.request(enable(6)),
        ];
        let frames: Vec<_> = said
            .iter()
            .map(|m| vis.pen.frame(std::slice::from_ref(m)))
            .collect();
        let mut unknown = 0;
        for &n in &order {
            vis.iv.handle_message(vis.now, &frames[n]);
            for answer in vis.said() {
                unknown += usize::from(no(&answer.body) == Some(Code::UNKNOWN_VIF));
            }
        }
        // What was too early is said again, as a VIS does.
        for n in [5, 6] {
            let state = |vis: &PlayedVis| {
                let mut vnics = vis.iv.vnics();
                vnics.find(|v| v.1 == Some(vif(n))).map(|v| v.2.clone())
            };
            if state(&vis) == Some(VnicState::Created) {
                unknown -= 1;
                vis.ask(enable(n));
            }
            assert_eq!(state(&vis), Some(VnicState::Enabled), "{order:?}");
        }
        assert_eq!(unknown, 0, "{order:?}");
        let events = vis.events();
        let count = |what: fn(&IvEvent) -> bool| events.iter().filter(|e| what(e)).count();
        assert_eq!(count(|e| matches!(e, IvEvent::Created { .. })), 2);
        assert_eq!(count(|e| matches!(e, IvEvent::Enabled { .. })), 2);
        assert_eq!(count(|e| matches!(e, IvEvent::ListSet { .. })), 1);
        assert_eq!(events.len(), 5, "{order:?}: {events:?}");
    }
}
