//! Either end of a control session, with a peer that says anything and proves that it is the peer.

mod peer;

use crate::input::Input;
use crate::marks::{is_looking, mark, mark_variant};
use peer::Listened;
use std::collections::BTreeSet;
use std::time::Duration;
use vic::ecp::{Header, Operation};
use vic::frame::{Addresses, Direction, Envelope, write};
use vic::message::{Answer, Body, Message, Open, OpenAnswer, Request};
use vic::session::iv::{IvEvent, IvLimits, IvSession, Vnic};
use vic::session::vis::{VifState, VisEvent, VisLimits, VisSession};
use vic::session::{Authentication, Capabilities, EndConfig, Statistics};
use vic::{Authenticator, Code, Mac, Name, Nonce, Parameters, Refusal, Uuid, VifId};

const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);
const MAX_VIFS: u16 = 8;
const MAX_LISTS: u16 = 8;

/// `data` is an octet (even: an IV, odd: a VIS) and a sequence of steps, an octet each with what belongs to
/// it: a frame as it is, messages in a frame of the session, time that passes, a command, or what a peer says that has
/// listened (`peer.rs`).
///
/// # Panics
/// More is kept than the limits allow, an id has two holders, or the end never comes to rest.
pub fn vic_session(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(which) = input.octet() else { return };
    let mut lab = Lab {
        end: match which % 2 {
            0 => End::Iv(Box::new(IvSession::new(config(), limits()))),
            _ => End::Vis(Box::new(vis())),
        },
        now: Duration::ZERO,
        theirs: Nonce::NONE,
        sequence: 0,
        bound: BTreeSet::new(),
        listened: Listened::default(),
    };
    lab.open();
    assert!(lab.is_up());
    while lab.step(&mut input).is_some() {
        lab.check();
    }
}

const fn limits() -> IvLimits {
    IvLimits {
        max_vifs: MAX_VIFS,
        max_lists: MAX_LISTS,
    }
}

fn vis() -> VisSession {
    let limits = VisLimits {
        max_vifs: MAX_VIFS,
        max_lists: MAX_LISTS,
    };
    VisSession::new(config(), limits)
}

fn config() -> EndConfig {
    EndConfig {
        parameters: Parameters::default(),
        mac: OWN,
        identity: Uuid([1; 16]),
        name: Name::clipped("end"),
        software: None,
        mtu: 1600,
        authentication: Authentication::Open,
        capabilities: Capabilities::default(),
        term: 0,
        entropy: [7; 32],
    }
}

enum End {
    Iv(Box<IvSession>),
    Vis(Box<VisSession>),
}

struct Lab {
    end: End,
    now: Duration,
    /// The end's nonce.
    theirs: Nonce,
    sequence: u64,
    bound: BTreeSet<VifId>,
    listened: Listened,
}

impl Lab {
    fn is_up(&self) -> bool {
        match &self.end {
            End::Iv(iv) => iv.is_up(),
            End::Vis(vis) => vis.is_up(),
        }
    }

    fn open(&mut self) {
        self.sequence = 0;
        self.listened = Listened::default();
        if let End::Vis(_) = self.end {
            self.theirs = Nonce::NONE;
        }
        let name = Name::clipped("peer");
        let body = match &self.end {
            End::Iv(_) => {
                self.settle();
                Body::Answer(Answer::Open(OpenAnswer {
                    identity: Uuid([2; 16]),
                    name,
                    term: 0,
                    mtu: 1600,
                    hold: 900,
                    capabilities: None,
                    software: None,
                }))
            }
            End::Vis(_) => Body::Request(Request::Open(Open {
                identity: Uuid([2; 16]),
                name,
                term: 0,
                mtu: 1600,
                hold: 900,
                max_vifs: MAX_VIFS,
                max_lists: MAX_LISTS,
                capabilities: None,
                software: None,
            })),
        };
        let message = Message {
            transaction: 0,
            body,
        };
        self.say(&message.to_bytes());
        self.say(&[]);
    }

    /// A frame of the session.
    fn say(&mut self, messages: &[u8]) {
        let direction = match self.end {
            End::Iv(_) => Direction::Down,
            End::Vis(_) => Direction::Up,
        };
        let header = Header {
            operation: Operation::Request,
            subtype: 1008,
            sequence: self.sequence as u16,
        };
        let envelope = Envelope {
            direction,
            sender: Nonce(5),
            receiver: self.theirs,
            sequence: self.sequence,
        };
        let addresses = Addresses {
            destination: OWN,
            source: PEER,
        };
        let parameters = Parameters::default();
        let crc = Authenticator::crc();
        let frame = write(&parameters, addresses, header, envelope, messages, &crc);
        self.sequence += 1;
        self.hear(&frame);
        self.listened.last = frame;
    }

    fn hear(&mut self, frame: &[u8]) {
        match &mut self.end {
            End::Iv(iv) => iv.handle_message(self.now, frame),
            End::Vis(vis) => vis.handle_message(self.now, frame),
        }
        self.settle();
    }

    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        let step = input.octet()?;
        match step % 4 {
            0 => {
                let length = input.word()?;
                self.hear(input.take(length.into()));
            }
            1 => {
                let length = input.word()? % 1400;
                self.say(input.take(length.into()));
            }
            2 => {
                self.now += Duration::from_millis(input.word()?.into());
                self.settle();
                if !self.is_up() {
                    self.open();
                }
            }
            // 195, 199, 203 to 255.
            _ if step >= 192 => self.peer(step >> 2, input.octet()?),
            _ => self.command(step >> 2, input.octet()?),
        }
        Some(())
    }

    fn command(&mut self, command: u8, argument: u8) {
        let now = self.now;
        let uuid = Uuid([argument % 16; 16]);
        let vif = VifId::try_from(u16::from(argument % 16) + 1);
        let why = Refusal::new(Code::SHUT, "");
        match &mut self.end {
            End::Iv(iv) => {
                let vnic = Vnic {
                    uuid,
                    mac: Mac([2, 0, 0, 0, 1, argument]),
                    name: Name::clipped("vnic"),
                    profile: Name::clipped("default"),
                    mtu: 1500,
                    vif: vif.ok(),
                    owner_name: None,
                    owner_uuid: None,
                };
                // What cannot be done is refused, and that is fine.
                let _ = match command % 4 {
                    0 => iv.attach(now, vnic),
                    1 => iv.detach(now, uuid),
                    2 => iv.set(now, uuid, None, Some(1400)),
                    _ => return iv.prepare(now, uuid, None),
                };
            }
            End::Vis(vis) => {
                let Ok(vif) = vif else { return };
                let list = u16::from(argument % 16 + 1).try_into();
                let _ = match (command % 6, list) {
                    (0, _) => vis.enable(now, vif),
                    (1, _) => vis.disable(now, vif, why),
                    (2, _) => vis.delete(now, vif, why),
                    (3, Ok(list)) => vis.release_list(now, list),
                    (4, _) => vis.status(now, vif, false, Some(why)),
                    _ => vis.set_list(now, [vif].into_iter().collect()).map(|_| ()),
                };
            }
        }
        self.settle();
    }

    /// Events and frames until there are none.
    fn settle(&mut self) {
        let now = self.now;
        for round in 0.. {
            assert!(round < 1000, "it does not come to rest");
            let mut busy = false;
            let frame = match &mut self.end {
                End::Iv(iv) => {
                    iv.handle_timeout(now);
                    while let Some(event) = iv.poll_event() {
                        busy = true;
                        mark_variant("IV event", &event);
                        iv_event(iv, &event);
                    }
                    iv.poll_transmit(now)
                }
                End::Vis(vis) => {
                    vis.handle_timeout(now);
                    while let Some(event) = vis.poll_event() {
                        busy = true;
                        mark_variant("VIS event", &event);
                        vis_event(vis, now, &mut self.bound, event);
                    }
                    vis.poll_transmit(now)
                }
            };
            let Some(frame) = frame else {
                if busy {
                    continue;
                }
                return;
            };
            assert!(frame.len() <= 14 + 1600);
            self.listened.note(&frame);
            // Open and its answer say which nonce the end has.
            let (nonce, sequence) = (frame.get(26..34), frame.get(42..50));
            if let (Some(nonce), Some([0, 0, 0, 0, 0, 0, 0, 0])) = (nonce, sequence) {
                let octets = nonce.try_into().unwrap_or_default();
                self.theirs = Nonce(u64::from_be_bytes(octets));
                self.sequence = self.sequence.min(u64::from(matches!(self.end, End::Vis(_))));
            }
        }
    }

    fn check(&self) {
        match &self.end {
            End::Iv(iv) => {
                if is_looking() {
                    mark_statistics("IV", iv.is_up(), &iv.statistics());
                    iv.vnics().for_each(|(.., state)| mark_variant("vNIC", state));
                }
                let vifs: Vec<VifId> = iv.vnics().filter_map(|(_, vif, _)| vif).collect();
                assert_eq!(BTreeSet::from_iter(&vifs).len(), vifs.len(), "one id, two vNICs");
                assert!(iv.vnics().count() <= MAX_VIFS.into());
                assert!(iv.lists().count() <= MAX_LISTS.into());
            }
            End::Vis(vis) => {
                let vifs: Vec<_> = vis.vifs().collect();
                if is_looking() {
                    mark_statistics("VIS", vis.is_up(), &vis.statistics());
                    vifs.iter().for_each(|(.., state)| mark_variant("VIF", state));
                    vis.lists().for_each(|(.., confirmed)| mark("list confirmed", confirmed));
                }
                let live = vifs.iter().filter(|(_, _, state)| *state != VifState::Going);
                let uuids: Vec<Uuid> = live.map(|&(_, uuid, _)| uuid).collect();
                assert_eq!(BTreeSet::from_iter(&uuids).len(), uuids.len(), "one vNIC, two ids");
                let (free_vifs, free_lists) = vis.free_ids();
                assert!(vifs.len() + free_vifs <= MAX_VIFS.into());
                assert!(vis.lists().count() + free_lists <= MAX_LISTS.into());
            }
        }
    }
}

/// Which of its counters an end has used.
fn mark_statistics(end: &str, is_up: bool, statistics: &Statistics) {
    mark(end, if is_up { "up" } else { "down" });
    let counts = [
        ("taken", statistics.taken),
        ("repeated", statistics.repeated),
        ("acknowledged", statistics.acknowledged),
        ("given up", statistics.given_up),
        ("not ours", statistics.not_ours),
        ("version", statistics.version),
        ("malformed", statistics.malformed),
        ("unauthentic", statistics.unauthentic),
        ("foreign", statistics.foreign),
        ("excess", statistics.excess),
    ];
    for (name, _) in counts.iter().filter(|(_, count)| *count > 0) {
        mark(end, name);
    }
}

/// What comes into force is so.
fn iv_event(iv: &IvSession, event: &IvEvent) {
    match event {
        IvEvent::ListSet { members, .. } => assert!(members.len() <= 4095),
        IvEvent::Detached { uuid } => {
            assert!(iv.vnics().all(|(vnic, ..)| vnic.uuid != *uuid), "{uuid} is still there");
        }
        _ => {}
    }
}

fn vis_event(vis: &mut VisSession, now: Duration, bound: &mut BTreeSet<VifId>, event: VisEvent) {
    match event {
        VisEvent::Admission(_) => vis.admit(now),
        VisEvent::Create {
            ask,
            bound: already,
            ..
        } => {
            if let Ok(vif) = vis.accept(now, ask, 1, None) {
                let new = bound.insert(vif);
                assert!(new || already == Some(vif), "{vif} was given twice");
            }
        }
        VisEvent::VifGone { vif, .. } => {
            assert!(bound.remove(&vif), "{vif} was nobody's");
            assert!(vis.vif_quiesced(now, vif).is_ok());
        }
        VisEvent::Move { ask, .. } => assert!(vis.answer(now, ask, Ok(())).is_ok()),
        _ => {}
    }
}
