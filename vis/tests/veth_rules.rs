//! Rules of `docs/vic.md` that the registry of vEths holds, one by one: what sessions say is made here, in orders
//! that two whole ends come to but rarely.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets what it does not expect is to stop there"
)]

mod hosts;

use hosts::{CONFIG, Hosts, ethernet, veth, vif};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use vic::message::VifCreate;
use vic::session::vis::{Ask, MoveStep, VisEvent};
use vic::session::{Capabilities, Peer};
use vic::{Code, ListId, Mac, Refusal, Uuid};
use vis::veth::{Command, MAX_DETACHED, Notice, Record, Registry, Report, SetOfVifs, Stage};

/// The registry alone, and time.
struct Alone {
    registry: Registry,
    now: Duration,
    asks: [Ask; 2],
}

fn uuid(n: u32) -> Uuid {
    Uuid((0xA000 + u128::from(n)).to_be_bytes())
}

fn identity(n: u8) -> Uuid {
    Uuid([n; 16])
}

fn why(code: Code) -> Refusal {
    Refusal::new(code, "so it is")
}

fn list(id: u16) -> ListId {
    id.try_into().unwrap()
}

fn set(link: u32, vifs: &[u16]) -> SetOfVifs {
    (ethernet(link), vifs.iter().map(|&n| vif(n)).collect())
}

/// Questions of a real session: nobody else can ask any.
fn asks() -> [Ask; 2] {
    let mut hosts = Hosts::new(CONFIG);
    hosts.attach(1, 1, "default");
    hosts.attach(1, 2, "default");
    let host = hosts.hosts.get_mut(&1).unwrap();
    let mut now = hosts.now;
    let mut asks = Vec::new();
    while asks.len() < 2 {
        now += Duration::from_millis(10);
        assert!(now < Duration::from_secs(60), "nobody asks");
        host.iv.handle_timeout(now);
        host.vis.handle_timeout(now);
        while let Some(frame) = host.iv.poll_transmit(now) {
            host.vis.handle_message(now, &frame);
        }
        while let Some(event) = host.vis.poll_event() {
            match event {
                VisEvent::Admission(_) => host.vis.admit(now),
                VisEvent::Create { ask, .. } => asks.push(ask),
                _ => {}
            }
        }
        while let Some(frame) = host.vis.poll_transmit(now) {
            host.iv.handle_message(now, &frame);
        }
    }
    asks.try_into().unwrap()
}

impl Alone {
    /// Hosts 1 and 2, each on the link of its number, have a session.
    fn new() -> Self {
        let now = Duration::from_secs(1);
        let said = Arc::new(vis::config::parse(CONFIG, "t").unwrap().0);
        let mut alone = Self {
            registry: Registry::new(said, [], now),
            now,
            asks: asks(),
        };
        alone.up(1, 1);
        alone.up(2, 2);
        alone
    }

    fn configure(&mut self, text: &str) {
        let said = vis::config::parse(text, "t").unwrap().0;
        self.registry.configure(Arc::new(said));
    }

    fn hear(&mut self, link: u32, event: VisEvent) {
        self.now += Duration::from_millis(1);
        self.registry.handle(self.now, ethernet(link), event);
    }

    fn up(&mut self, link: u32, host: u8) {
        let peer = Peer {
            mac: Mac([2, 0, 0, 0, 0, host]),
            identity: identity(host),
            name: "host".parse().unwrap(),
            software: None,
            term: 0,
            mtu: 1510,
            capabilities: Capabilities::default(),
            hold: Duration::from_secs(3),
            max_vifs: 100,
            max_lists: 100,
            authenticated: false,
        };
        self.hear(link, VisEvent::Up(peer));
    }

    fn lost(&mut self, link: u32) {
        self.hear(link, VisEvent::Lost(why(Code::HOLD_TIME)));
    }

    fn gone(&mut self, link: u32, n: u32, channel: u16, code: Code) {
        let gone = VisEvent::VifGone {
            vif: vif(channel),
            uuid: uuid(n),
            why: why(code),
        };
        self.hear(link, gone);
    }

    /// Everything that sessions are to do by now.
    fn commands(&mut self) -> Vec<(u32, Command)> {
        let mut commands = Vec::new();
        while let Some((link, command)) = self.registry.poll_command() {
            commands.push((link.into(), command));
        }
        commands
    }

    /// A vNIC asks, with an address; whether it gets a vEth, or why not.
    fn create_with(&mut self, link: u32, n: u32, profile: &str, mac: Mac) -> Result<(), Code> {
        self.commands();
        let create = VifCreate {
            uuid: uuid(n),
            mac,
            name: "tap".parse().unwrap(),
            profile: profile.parse().unwrap(),
            mtu: 1500,
            vif: None,
            owner_name: None,
            owner_uuid: None,
        };
        let event = VisEvent::Create {
            ask: self.asks[0],
            create,
            bound: None,
        };
        self.hear(link, event);
        let last = self.last_command();
        assert_eq!(last.0, link);
        match last.1 {
            Command::Accept { .. } => Ok(()),
            Command::Refuse { why, .. } => Err(why.code),
            other => panic!("{other:?}"),
        }
    }

    fn last_command(&mut self) -> (u32, Command) {
        self.commands().pop().unwrap()
    }

    fn create(&mut self, link: u32, n: u32) -> Result<(), Code> {
        let [.., a, b] = n.to_be_bytes();
        self.create_with(link, n, "web", Mac([2, 0, 0, 1, a, b]))
    }

    fn accepted(&mut self, link: u32, n: u32, channel: u16) {
        let report = Report::Accepted {
            ask: self.asks[0],
            uuid: uuid(n),
            vif: Ok(vif(channel)),
        };
        self.registry.report(self.now, ethernet(link), report);
    }

    /// Settles it with every vEth up, and says what sessions are to do.
    fn settle(&mut self, sets: &[&SetOfVifs]) -> Vec<(u32, Command)> {
        let numbers = self.registry.records().map(|(_, record)| record.number);
        let verdicts = numbers.map(|number| (number, Ok(()))).collect();
        let sets: BTreeSet<SetOfVifs> = sets.iter().copied().cloned().collect();
        self.registry.settle(self.now, sets, &verdicts);
        self.commands()
    }

    /// From the question on until frames pass.
    fn attach(&mut self, link: u32, n: u32, channel: u16) {
        self.create(link, n).unwrap();
        self.accepted(link, n, channel);
        let said = self.settle(&[]);
        assert!(said.contains(&(link, Command::Enable(vif(channel)))));
        self.hear(link, VisEvent::Enabled(vif(channel)));
        self.settle(&[]);
        assert!(self.carries(n));
    }

    fn list_made(&mut self, set: &SetOfVifs, id: u16) {
        let report = Report::ListMade {
            members: set.1.clone(),
            list: Ok(list(id)),
        };
        self.registry.report(self.now, set.0, report);
    }

    fn usable(&self) -> Vec<(SetOfVifs, ListId)> {
        let usable = self.registry.lists().usable();
        usable
            .map(|(link, list, members)| ((link, members.to_vec()), list))
            .collect()
    }

    fn record(&self, n: u32) -> &Record {
        let mut records = self.registry.records();
        records.find(|(found, _)| *found == uuid(n)).unwrap().1
    }

    fn carries(&self, n: u32) -> bool {
        self.registry.is_carried(self.record(n).number)
    }

    fn step(&mut self, link: u32, n: u32, step: MoveStep) -> Result<(), Code> {
        let event = VisEvent::Move {
            ask: self.asks[1],
            uuid: uuid(n),
            step,
        };
        self.hear(link, event);
        match self.last_command() {
            (_, Command::Answer { done, .. }) => done.map_err(|why| why.code),
            other => panic!("{other:?}"),
        }
    }
}

fn statuses(said: &[(u32, Command)], channel: u16) -> usize {
    let up = Command::Status {
        vif: vif(channel),
        down: None,
    };
    said.iter().filter(|(_, command)| *command == up).count()
}

#[test]
fn frames_of_the_host_before_pass_no_more_as_soon_as_another_is_on_the_cable() {
    let mut alone = Alone::new();
    alone.attach(1, 1, 1);
    alone.lost(1);
    assert!(alone.carries(1), "in grace");
    alone.up(1, 1);
    assert!(alone.carries(1), "the same host is back");
    alone.lost(1);
    alone.settle(&[]);
    alone.up(1, 77);
    assert!(!alone.carries(1), "it has no right to it");
    assert!(alone.registry.is_unsettled(), "the switch is to follow");
    // Nor has the next one, nor does it come back by itself.
    alone.lost(1);
    alone.up(1, 1);
    assert!(!alone.carries(1));
}

#[test]
fn an_enabled_that_crosses_a_disable_lets_nothing_pass() {
    let mut alone = Alone::new();
    alone.attach(2, 1, 1);
    alone.configure(&CONFIG.replace("port-profile default web", "port-profile default"));
    let said = alone.settle(&[]);
    let disable = |(_, command): &(u32, Command)| matches!(command, Command::Disable(..));
    assert_eq!(said.iter().filter(|said| disable(said)).count(), 1);
    assert!(!alone.carries(1));
    let refused = VisEvent::EnableRefused {
        vif: vif(1),
        why: why(Code::FAILED),
    };
    for late in [VisEvent::Enabled(vif(1)), refused] {
        alone.hear(2, late);
        assert!(!alone.carries(1));
        let stage = &alone.record(1).stage;
        assert!(matches!(stage, Stage::Disabling(_)), "{stage:?}");
    }
    alone.hear(2, VisEvent::Disabled(vif(1)));
    assert!(matches!(&alone.record(1).stage, Stage::Disabled(_)));
    assert!(!alone.carries(1));
}

#[test]
fn an_address_that_nobody_asked_for_again_is_in_nobodys_way_at_the_same_iv() {
    let mut alone = Alone::new();
    alone.attach(1, 1, 1);
    let mac = alone.record(1).mac;
    assert_eq!(alone.create_with(1, 2, "web", mac), Err(Code::IN_USE));
    alone.lost(1);
    alone.up(1, 1);
    // Behind another host it is: there the first one may be there still.
    assert_eq!(alone.create_with(2, 3, "web", mac), Err(Code::IN_USE));
    assert_eq!(alone.create_with(1, 2, "web", mac), Ok(()));
    // Now it is the other one's.
    assert_eq!(alone.create_with(1, 1, "web", mac), Err(Code::IN_USE));
}

#[test]
fn a_detached_vnic_and_one_that_is_given_up_have_no_address() {
    for code in [Code::DETACHED, Code::HOLD_TIME] {
        let mut alone = Alone::new();
        alone.attach(1, 1, 1);
        let mac = alone.record(1).mac;
        assert_eq!(alone.create_with(2, 2, "web", mac), Err(Code::IN_USE));
        alone.gone(1, 1, 1, code);
        assert_eq!(alone.create_with(2, 2, "web", mac), Ok(()), "{code:?}");
    }
}

#[test]
fn a_list_that_the_iv_refuses_is_used_no_more_and_tried_again_later() {
    let mut alone = Alone::new();
    alone.attach(1, 1, 1);
    alone.attach(1, 2, 3);
    let both = set(1, &[1, 3]);
    let make = (1, Command::SetList(both.1.clone()));
    assert_eq!(alone.settle(&[&both]), std::slice::from_ref(&make));
    alone.list_made(&both, 7);
    alone.hear(1, VisEvent::ListConfirmed(list(7)));
    assert_eq!(alone.usable(), [(both.clone(), list(7))]);
    while alone.registry.poll_notice().is_some() {}
    let refused = VisEvent::ListRefused {
        list: list(7),
        why: why(Code::NO_LIST_FREE),
    };
    alone.hear(1, refused);
    let then = alone.now;
    assert_eq!(alone.usable(), []);
    assert!(alone.registry.is_unsettled());
    let told = alone.registry.poll_notice();
    assert!(matches!(told, Some(Notice::NoList(..))), "{told:?}");
    assert_eq!(alone.settle(&[&both]), []);
    alone.now = then + Duration::from_secs(5);
    assert_eq!(alone.settle(&[&both]), [make]);
    alone.list_made(&both, 8);
    // What is said of the one before says nothing of the new one.
    alone.hear(1, VisEvent::ListConfirmed(list(7)));
    assert_eq!(alone.usable(), []);
    alone.hear(1, VisEvent::ListConfirmed(list(8)));
    assert_eq!(alone.usable(), [(both, list(8))]);
    let departures = alone.registry.departures();
    assert_eq!(departures.lists, [(ethernet(1), list(7))]);
    alone.registry.departed(departures);
    let release = (1, Command::ReleaseList(list(7)));
    assert_eq!(alone.commands(), [release]);
}

#[test]
fn a_vnic_that_gets_another_vif_has_nothing_at_the_one_before() {
    let mut alone = Alone::new();
    alone.attach(1, 1, 1);
    for channel in [1, 5] {
        alone.lost(1);
        alone.up(1, 1);
        alone.create(1, 1).unwrap();
        assert!(alone.carries(1), "until it is known which VIF it has");
        alone.accepted(1, 1, channel);
        assert_eq!(alone.carries(1), channel == 1, "the same VIF passes on");
    }
    alone.hear(1, VisEvent::Enabled(vif(1)));
    assert!(!alone.carries(1), "VIF 1 is not its VIF");
    alone.gone(1, 1, 1, Code::DETACHED);
    let place = alone.record(1).place.unwrap();
    assert_eq!(place.vif, vif(5), "VIF 1 went, not the vEth");
    let said = alone.settle(&[]);
    assert!(said.contains(&(1, Command::Enable(vif(5)))));
    alone.hear(1, VisEvent::Enabled(vif(5)));
    assert!(alone.carries(1));
}

#[test]
fn how_a_veth_is_is_told_once_in_a_session_and_again_in_the_next() {
    let mut alone = Alone::new();
    for _ in 0..2 {
        alone.create(1, 1).unwrap();
        alone.accepted(1, 1, 1);
        assert_eq!(statuses(&alone.settle(&[]), 1), 1);
        alone.hear(1, VisEvent::Enabled(vif(1)));
        assert_eq!(statuses(&alone.settle(&[]), 1), 0);
        assert_eq!(statuses(&alone.settle(&[]), 1), 0);
        alone.lost(1);
        alone.up(1, 1);
    }
}

#[test]
fn how_a_veth_is_is_told_again_when_its_frames_may_pass_again() {
    let mut alone = Alone::new();
    alone.attach(2, 1, 1);
    alone.configure(&CONFIG.replace("port-profile default web", "port-profile default"));
    alone.settle(&[]);
    alone.hear(2, VisEvent::Disabled(vif(1)));
    alone.configure(CONFIG);
    alone.settle(&[]);
    let said = alone.settle(&[]);
    assert!(said.contains(&(2, Command::Enable(vif(1)))));
    assert_eq!(statuses(&said, 1), 1);
}

#[test]
fn a_prepared_vnic_goes_to_the_iv_that_was_named_and_to_no_other() {
    let mut alone = Alone::new();
    alone.attach(1, 1, 1);
    // Only where it lives can it be prepared.
    let elsewhere = alone.step(2, 1, MoveStep::Prepare(None));
    assert_eq!(elsewhere, Err(Code::NOT_ALLOWED));
    assert_eq!(alone.create(2, 1), Err(Code::IN_USE));
    assert_eq!(
        alone.step(1, 1, MoveStep::Prepare(Some(identity(3)))),
        Ok(())
    );
    assert_eq!(alone.create(2, 1), Err(Code::IN_USE), "it goes to host 3");
    assert_eq!(
        alone.step(1, 1, MoveStep::Prepare(Some(identity(2)))),
        Ok(())
    );
    assert_eq!(alone.step(1, 1, MoveStep::Abort), Ok(()));
    assert_eq!(alone.create(2, 1), Err(Code::IN_USE), "it stays");
    assert!(alone.carries(1), "where it lives nothing changed");
    assert_eq!(
        alone.step(1, 1, MoveStep::Prepare(Some(identity(2)))),
        Ok(())
    );
    assert_eq!(alone.create(2, 1), Ok(()));
    assert_eq!(alone.record(1).home(), Some(ethernet(2)));
}

#[test]
fn a_vnic_whose_session_ends_before_it_has_a_vif_may_go_anywhere_at_once() {
    let mut alone = Alone::new();
    alone.create(1, 1).unwrap();
    assert_eq!(alone.create(2, 1), Err(Code::IN_USE));
    alone.lost(2);
    assert_eq!(alone.record(1).home(), Some(ethernet(1)), "not its session");
    alone.up(2, 2);
    alone.lost(1);
    assert!(matches!(&alone.record(1).stage, Stage::Away(_)));
    // An answer to the question of that session means nothing any more.
    alone.accepted(1, 1, 1);
    assert_eq!(alone.record(1).place, None);
    assert_eq!(alone.create(2, 1), Ok(()));
}

#[test]
fn a_link_without_a_session_keeps_its_lists_and_gets_no_new_ones() {
    let mut alone = Alone::new();
    alone.attach(1, 1, 1);
    alone.attach(1, 2, 3);
    alone.attach(1, 3, 4);
    let (kept, new) = (set(1, &[1, 3]), set(1, &[1, 3, 4]));
    alone.settle(&[&kept]);
    alone.list_made(&kept, 7);
    alone.hear(1, VisEvent::ListConfirmed(list(7)));
    alone.lost(1);
    assert_eq!(alone.settle(&[&kept, &new]), []);
    assert_eq!(alone.usable(), [(kept.clone(), list(7))]);
    alone.up(1, 1);
    let make = (1, Command::SetList(new.1.clone()));
    assert_eq!(alone.settle(&[&kept, &new]), [make]);
}

#[test]
fn who_detaches_very_many_has_none_forgotten_but_those_of_that_link() {
    let mut alone = Alone::new();
    let attach_and_detach = |alone: &mut Alone, link, n: u32| {
        alone.create(link, n).unwrap();
        alone.accepted(link, n, 1);
        alone.gone(link, n, 1, Code::DETACHED);
        alone.record(n).number
    };
    let other = attach_and_detach(&mut alone, 2, 1);
    let most = u32::try_from(MAX_DETACHED).unwrap();
    for n in 2..=most + 20 {
        attach_and_detach(&mut alone, 1, n);
    }
    assert_eq!(alone.record(1).number, other);
    assert_eq!(alone.registry.records().count(), MAX_DETACHED);
}

#[test]
fn a_number_that_the_configuration_speaks_of_is_given_to_nobody_when_its_vnic_is_forgotten() {
    let mut alone = Alone::new();
    let attach_and_detach = |alone: &mut Alone, n: u32| {
        alone.create(1, n).unwrap();
        alone.accepted(1, n, 1);
        alone.gone(1, n, 1, Code::DETACHED);
        alone.record(n).number
    };
    // vEth 2 is bound by hand.
    assert_eq!(attach_and_detach(&mut alone, 1), veth(1));
    assert_eq!(attach_and_detach(&mut alone, 2), veth(3));
    let more = format!("{CONFIG}interface veth 1\n  bind interface ethernet 1 channel 9\n");
    alone.configure(&more);
    let most = u32::try_from(MAX_DETACHED).unwrap();
    for n in 3..=most + 2 {
        let number = attach_and_detach(&mut alone, n);
        assert_ne!(number, veth(1), "the configuration has it bound");
    }
    let forgotten = alone.registry.take_forgotten();
    assert_eq!(forgotten, [veth(1), veth(3)], "longest ago first");
    // 3 is anybody's again, and 1 is not.
    alone.create(1, most + 3).unwrap();
    assert_eq!(alone.record(most + 3).number, veth(3));
}
