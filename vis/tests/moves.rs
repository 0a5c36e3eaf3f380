//! Moves of a vNIC to another host: docs/vic.md section 7.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod hosts;

use hosts::{CONFIG, Hosts, uuid};
use std::time::Duration;
use vic::session::iv::IvEvent;
use vic::{Code, Uuid};

const SOON: Duration = Duration::from_secs(3);

/// vNIC 1 is behind host 1.
fn one() -> Hosts {
    let mut hosts = Hosts::new(CONFIG);
    hosts.attach(1, 1, "default");
    hosts.run(SOON);
    hosts
}

#[derive(Clone, Copy)]
enum Step {
    Prepare(Option<Uuid>),
    Commit,
    Abort,
}

/// What the switch says to a host about a step.
fn step(hosts: &mut Hosts, host: u32, step: Step) -> Result<(), Code> {
    let now = hosts.now;
    let iv = &mut hosts.hosts.get_mut(&host).unwrap().iv;
    match step {
        Step::Prepare(to) => iv.prepare(now, uuid(1), to),
        Step::Commit => iv.commit(now, uuid(1)),
        Step::Abort => iv.abort(now, uuid(1)),
    }
    hosts.run(SOON);
    let told = &hosts.hosts[&host].told;
    let outcome = told.iter().rev().find_map(|event| match event {
        IvEvent::Move { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    outcome.unwrap().map_err(|why| why.code)
}

#[test]
fn only_the_host_that_has_a_vnic_may_prepare_its_move() {
    let mut hosts = one();
    let (prepare, not_allowed) = (Step::Prepare(None), Err(Code::NOT_ALLOWED));
    assert_eq!(step(&mut hosts, 2, prepare), not_allowed);
    assert_eq!(step(&mut hosts, 1, prepare), Ok(()));
    hosts.attach(2, 1, "default");
    hosts.run(SOON);
    assert!(hosts.passing(2, 1).is_some());
    assert_eq!(step(&mut hosts, 1, prepare), not_allowed, "it moved away");
}

#[test]
fn a_move_is_committed_once_by_the_host_to_which_the_vnic_came() {
    let mut hosts = one();
    let not_prepared = Err(Code::NOT_PREPARED);
    assert_eq!(step(&mut hosts, 1, Step::Commit), not_prepared);
    assert_eq!(step(&mut hosts, 1, Step::Prepare(None)), Ok(()));
    assert_eq!(step(&mut hosts, 1, Step::Commit), not_prepared, "not yet");
    hosts.attach(2, 1, "default");
    hosts.run(SOON);
    assert_eq!(step(&mut hosts, 2, Step::Abort), not_prepared, "too late");
    assert_eq!(step(&mut hosts, 1, Step::Commit), not_prepared);
    assert_eq!(step(&mut hosts, 2, Step::Commit), Ok(()));
    assert_eq!(step(&mut hosts, 2, Step::Commit), not_prepared);
    assert!(hosts.passing(2, 1).is_some());
}

#[test]
fn a_move_that_was_called_off_does_not_take_place() {
    let mut hosts = one();
    let not_prepared = Err(Code::NOT_PREPARED);
    assert_eq!(step(&mut hosts, 1, Step::Abort), not_prepared);
    assert_eq!(step(&mut hosts, 1, Step::Prepare(None)), Ok(()));
    assert_eq!(step(&mut hosts, 2, Step::Abort), not_prepared, "not his");
    assert_eq!(step(&mut hosts, 1, Step::Abort), Ok(()));
    assert_eq!(step(&mut hosts, 1, Step::Abort), not_prepared);
    hosts.attach(2, 1, "default");
    hosts.run(SOON);
    assert_eq!(hosts.refusal(2, 1).unwrap().code, Code::IN_USE);
    assert!(hosts.passing(1, 1).is_some());
}

#[test]
fn a_move_that_was_prepared_for_one_host_is_not_anothers() {
    let mut hosts = one();
    let elsewhere = Step::Prepare(Some(Uuid([77; 16])));
    assert_eq!(step(&mut hosts, 1, elsewhere), Ok(()));
    hosts.attach(2, 1, "default");
    hosts.run(SOON);
    assert_eq!(hosts.refusal(2, 1).unwrap().code, Code::IN_USE);
}
