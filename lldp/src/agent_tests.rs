use super::*;
use crate::niv_end::{KeyPolicy, Role};
use crate::station::{ChassisId, PortName};
use crate::table::MOST_NEIGHBOURS;
use vic::{Parameters, Uuid};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn says(number: u8, role: Role, key: KeyPolicy) -> Announcement {
    let parameters = Parameters::default();
    Announcement {
        mac: Mac([2, 0, 0, 0, 0, number]),
        station: Station {
            chassis: ChassisId::identity(Uuid([number; 16])),
            port: PortName::interface("eth1"),
        },
        port_description: "uplink".into(),
        system_name: format!("host{number}"),
        system_description: "iv".into(),
        capability: Capability::OTHER,
        frame_size: 1518,
        niv: NivEnd::new(role, key, &parameters),
        oui: parameters.oui,
    }
}

fn iv() -> Agent {
    Agent::new(Duration::ZERO, says(1, Role::Iv, KeyPolicy::Open))
}

/// What it says in the time up to `until`, and when.
fn run(agent: &mut Agent, until: Duration) -> Vec<(Duration, Lldpdu)> {
    let mut said = Vec::new();
    while let Some(due) = agent.poll_timeout().filter(|&due| due <= until) {
        agent.handle_timeout(due);
        while let Some(frame) = agent.poll_transmit(due) {
            let (_, unit) = Lldpdu::read(&frame, *b"NIV").unwrap();
            said.push((due, unit));
        }
    }
    said
}

fn events(agent: &mut Agent) -> Vec<Event> {
    core::iter::from_fn(|| agent.poll_event()).collect()
}

/// What another says first.
fn hello(says: Announcement) -> Vec<u8> {
    let mut agent = Agent::new(Duration::ZERO, says);
    agent.handle_timeout(Duration::ZERO);
    agent.poll_transmit(Duration::ZERO).unwrap()
}

fn vis(number: u8, key: KeyPolicy) -> Vec<u8> {
    hello(says(number, Role::Vis, key))
}

#[test]
fn it_speaks_four_times_fast_and_then_every_thirty_seconds() {
    let times: Vec<u64> = run(&mut iv(), seconds(100))
        .iter()
        .map(|(at, unit)| {
            assert_eq!((unit.ttl, unit.frame_size), (121, Some(1518)));
            at.as_secs()
        })
        .collect();
    assert_eq!(times, [0, 1, 2, 3, 33, 63, 93]);
}

#[test]
fn what_changes_is_said_at_once_and_what_does_not_is_not() {
    let mut agent = iv();
    run(&mut agent, seconds(50));
    agent.set_frame_size(seconds(50), 1518);
    agent.set_system_name(seconds(50), "host1");
    assert!(run(&mut agent, seconds(60)).is_empty());
    agent.set_frame_size(seconds(60), 9018);
    agent.set_system_name(seconds(60), "spine");
    let said = run(&mut agent, seconds(61));
    let [(at, unit)] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!((*at, unit.frame_size), (seconds(60), Some(9018)));
    assert_eq!(unit.system_name.as_deref(), Some("spine"));
}

#[test]
fn a_new_neighbour_is_greeted_fast_and_a_known_one_is_not() {
    let mut agent = iv();
    run(&mut agent, seconds(40));
    agent.handle_frame(seconds(40), &vis(2, KeyPolicy::Open));
    agent.handle_frame(seconds(50), &vis(2, KeyPolicy::Open));
    let times: Vec<u64> = run(&mut agent, seconds(80))
        .iter()
        .map(|(at, _)| at.as_secs())
        .collect();
    assert_eq!(times, [40, 41, 42, 43, 73]);
    assert!(matches!(
        events(&mut agent).as_slice(),
        [Event::Appeared(_)]
    ));
    assert_eq!(agent.advice(), None);
}

#[test]
fn whatever_neighbours_do_it_speaks_at_most_once_a_second() {
    let mut agent = iv();
    let mut sent = Vec::new();
    for tenth in 0..100 {
        let now = Duration::from_millis(tenth * 100);
        agent.handle_frame(now, &vis(2 + tenth as u8, KeyPolicy::Open));
        let gone = Lldpdu::new(says(2 + tenth as u8, Role::Vis, KeyPolicy::Open).station, 0);
        agent.handle_frame(now, &gone.to_frame(Mac([2, 0, 0, 0, 0, 9]), *b"NIV"));
        sent.extend(run(&mut agent, now).into_iter().map(|(at, _)| at));
    }
    // More than the four of the start: new neighbours are greeted.
    assert!(sent.len() > 4);
    assert!(sent.windows(2).all(|pair| pair[1] - pair[0] >= FAST));
    assert!(events(&mut agent).len() <= 16 + 10);
}

#[test]
fn a_silent_neighbour_is_forgotten_and_one_that_says_goodbye_at_once() {
    let mut agent = iv();
    agent.handle_frame(seconds(1), &vis(2, KeyPolicy::Open));
    run(&mut agent, seconds(121));
    assert_eq!(agent.neighbours().len(), 1);
    run(&mut agent, seconds(122));
    assert_eq!(agent.neighbours().len(), 0);
    let mut other = Agent::new(Duration::ZERO, says(3, Role::Vis, KeyPolicy::Open));
    agent.handle_frame(seconds(122), &vis(3, KeyPolicy::Open));
    other.close();
    let goodbye = other.poll_transmit(seconds(123)).unwrap();
    assert_eq!(other.poll_timeout(), None);
    agent.handle_frame(seconds(123), &goodbye);
    assert_eq!(agent.neighbours().len(), 0);
    let why: Vec<_> = events(&mut agent)
        .into_iter()
        .filter_map(|event| match event {
            Event::Left(_, why) => Some(why),
            _ => None,
        })
        .collect();
    assert_eq!(why, [Departure::Silence, Departure::Goodbye]);
}

#[test]
fn a_link_that_blinks_keeps_its_neighbours_without_a_word() {
    let mut agent = iv();
    agent.handle_frame(seconds(1), &vis(2, KeyPolicy::Open));
    while agent.poll_event().is_some() {}
    for blink in 0..20 {
        agent.set_link(seconds(2 + 6 * blink), false);
        agent.handle_timeout(seconds(6 + 6 * blink));
        agent.set_link(seconds(6 + 6 * blink), true);
        agent.handle_frame(seconds(7 + 6 * blink), &vis(2, KeyPolicy::Open));
        assert_eq!(agent.neighbours().len(), 1);
    }
    assert_eq!(agent.poll_event(), None);
    agent.set_link(seconds(200), false);
    agent.handle_timeout(seconds(205));
    assert!(matches!(
        agent.poll_event(),
        Some(Event::Left(_, Departure::LinkDown))
    ));
}

#[test]
fn without_a_link_nobody_is_there_and_nothing_is_said() {
    let mut agent = iv();
    agent.handle_frame(seconds(1), &vis(2, KeyPolicy::Open));
    agent.set_link(seconds(2), false);
    assert_eq!(agent.poll_timeout(), Some(seconds(7)));
    agent.handle_timeout(seconds(7));
    assert_eq!((agent.neighbours().len(), agent.poll_timeout()), (0, None));
    agent.set_link(seconds(9), true);
    let times: Vec<u64> = run(&mut agent, seconds(39))
        .iter()
        .map(|(at, _)| at.as_secs())
        .collect();
    assert_eq!(times, [9, 10, 11, 12]);
}

#[test]
fn no_more_neighbours_are_kept_than_there_is_room_for() {
    let mut agent = iv();
    for number in 0..20 {
        agent.handle_frame(seconds(number), &vis(10 + number as u8, KeyPolicy::Open));
    }
    assert_eq!(agent.neighbours().len(), MOST_NEIGHBOURS);
    assert_eq!(agent.statistics().no_room, 12);
}

#[test]
fn what_comes_too_fast_is_not_looked_at() {
    let mut agent = iv();
    for _ in 0..100 {
        agent.handle_frame(seconds(1), &vis(2, KeyPolicy::Open));
    }
    let statistics = agent.statistics();
    assert_eq!((statistics.taken, statistics.excess), (20, 80));
}

/// The advice of an end that hears these.
fn advice_of(own: Announcement, heard: &[Vec<u8>]) -> String {
    let mut agent = Agent::new(Duration::ZERO, own);
    for frame in heard {
        agent.handle_frame(seconds(1), frame);
    }
    let told = events(&mut agent).into_iter().rev().find_map(|e| match e {
        Event::Advice(advice) => advice,
        _ => None,
    });
    assert_eq!(told.as_deref(), agent.advice());
    told.unwrap_or_default()
}

#[test]
fn what_keeps_a_session_from_coming_up_is_said() {
    use KeyPolicy::{Key, Open, Unset};
    let iv = |key| says(1, Role::Iv, key);
    let said = |own: Announcement, heard: &[Vec<u8>], part: &str| {
        let advice = advice_of(own, heard);
        assert!(advice.contains(part), "{part:?} is not in {advice:?}");
    };
    assert_eq!(advice_of(iv(Open), &[vis(2, Open)]), "");
    assert_eq!(advice_of(iv(Key), &[vis(2, Key)]), "");
    said(
        iv(Open),
        &[vis(2, Key)],
        "host2 (port eth1, 02:00:00:00:00:02) wants a key, and there is none here",
    );
    said(
        iv(Key),
        &[vis(2, Open)],
        "has no key, and this end wants one",
    );
    said(iv(Open), &[vis(2, Unset)], "refuses every session");
    let same = hello(says(3, Role::Iv, Open));
    said(
        iv(Open),
        &[same],
        "both ends of this cable are an iv: host3",
    );
    said(
        says(1, Role::Vis, Open),
        &[vis(2, Open)],
        "both ends of this cable are a vis",
    );
    said(
        iv(Open),
        &[vis(2, Open), vis(3, Open)],
        "2 neighbours are on this link",
    );
    said(iv(Open), &[hello(iv(Open))], "hears itself");
    let other = |change: &dyn Fn(&mut NivEnd)| {
        let mut says = says(2, Role::Vis, Open);
        change(&mut says.niv);
        [hello(says)]
    };
    said(
        iv(Open),
        &other(&|niv| niv.version = 7),
        "speaks version 7 of VIC",
    );
    said(
        iv(Open),
        &other(&|niv| niv.subtype = 7),
        "under the ECP subtype 7",
    );
    said(
        iv(Open),
        &other(&|niv| niv.dialects.0 = 2),
        "no tag in common",
    );
    let bridge = Lldpdu {
        capabilities: Some((Capability::BRIDGE, Capability::BRIDGE)),
        ..Lldpdu::new(says(5, Role::Vis, Open).station, 120)
    };
    let bridge = bridge.to_frame(Mac([2, 0, 0, 0, 0, 5]), *b"NIV");
    said(
        iv(Open),
        &[bridge],
        "does not speak VIC, and is a bridge: the other end of this cable should be a vis",
    );
}
