//! How an IV opens a session.

use super::{IvEvent, IvSession, Phase, Task, VnicState};
use crate::authenticator::{Authenticator, Kind};
use crate::frame::{Direction, Envelope, GROUP, Pdu};
use crate::identity::Nonce;
use crate::message::{self, Answer, Body, Message, Open, OpenAnswer, batch};
use crate::parameters::MIN_MTU;
use crate::refusal::{Code, Refusal};
use crate::session::conversation::Conversation;
use crate::session::{Capabilities, Peer, SessionRefused};
use crate::timers::{OPEN, OPEN_SLOWLY, REFUSED};
use core::time::Duration;

/// After so many of them an Open is repeated less often.
const EAGER: u32 = 20;

/// An IV that has no session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) nonce: Nonce,
    pub(super) at: Duration,
    sent: u32,
}

impl Opening {
    pub(super) const fn new(at: Duration, nonce: Nonce) -> Self {
        Self { nonce, at, sent: 0 }
    }
}

impl IvSession {
    /// Sends Open when it is due.
    pub(super) fn open(&mut self, now: Duration) {
        let Phase::Opening(opening) = &mut self.phase else {
            return;
        };
        if opening.at > now {
            return;
        }
        opening.sent = opening.sent.saturating_add(1);
        opening.at = now
            + if opening.sent < EAGER {
                OPEN
            } else {
                OPEN_SLOWLY
            };
        let envelope = Envelope {
            direction: Direction::Up,
            sender: opening.nonce,
            receiver: Nonce::NONE,
            sequence: 0,
        };
        let config = &self.end.config;
        let open = Open {
            identity: config.identity,
            name: config.name.clone(),
            term: self.term,
            mtu: config.mtu,
            hold: config.parameters.hold.as_millis() as u32,
            max_vifs: self.limits.max_vifs,
            max_lists: self.limits.max_lists,
            capabilities: Some(config.capabilities.bits()),
            software: config.software.clone(),
        };
        let message = Message {
            transaction: 0,
            body: Body::Request(message::Request::Open(open)),
        };
        let authenticator = self.end.authenticator.clone();
        self.end.send(GROUP, envelope, &message, &authenticator);
    }

    /// A PDU came before there is a session: the answer to Open, or nothing of ours.
    pub(super) fn opening_pdu(&mut self, now: Duration, pdu: &Pdu<'_>) {
        let Phase::Opening(opening) = self.phase else {
            return;
        };
        if pdu.envelope.receiver != opening.nonce || pdu.envelope.sequence != 0 {
            self.end.statistics.foreign += 1;
            return;
        }
        // Who does not share our key cannot say so with it: what only a checksum covers is a hint.
        let hint = self.end.has_key() && pdu.kind == Kind::Crc;
        let messages = match hint {
            true => pdu.verify(&Authenticator::crc()),
            false => self.end.verify(pdu),
        };
        let Some(messages) = messages else { return };
        let body = match batch(messages).as_deref() {
            Ok([raw]) => raw.read().map(|message| message.body),
            Ok(_) => return self.end.statistics.malformed += 1,
            Err(error) => Err(*error),
        };
        match body {
            Ok(Body::Refused(message::Kind::Open, refusal)) => {
                self.refused(now, pdu, refusal, !hint && self.end.has_key());
                if !hint {
                    self.open_later(now);
                }
            }
            Ok(Body::Answer(Answer::Open(answer))) if !hint && pdu.envelope.sender.0 != 0 => {
                self.opened(now, pdu, opening.nonce, answer);
            }
            Ok(_) if hint => self.end.statistics.unauthentic += 1,
            Ok(_) | Err(_) => self.end.statistics.malformed += 1,
        }
    }

    /// Another attempt, with another nonce: the VIS decides anew.
    fn open_later(&mut self, now: Duration) {
        let nonce = Nonce(self.end.entropy.draw());
        self.phase = Phase::Opening(Opening::new(now + REFUSED, nonce));
    }

    fn refused(&mut self, now: Duration, pdu: &Pdu<'_>, refusal: Refusal, authenticated: bool) {
        let said = SessionRefused {
            mac: pdu.source,
            by: Direction::Down,
            refusal,
            authenticated,
        };
        self.end.tell_refused(now, said, IvEvent::Refused);
    }

    fn opened(&mut self, now: Duration, pdu: &Pdu<'_>, own: Nonce, answer: OpenAnswer) {
        let config = &self.end.config;
        let capabilities = Capabilities::from_bits(answer.capabilities.unwrap_or(0));
        let peer = Peer {
            mac: pdu.source,
            identity: answer.identity,
            name: answer.name,
            software: answer.software,
            term: answer.term,
            mtu: answer.mtu.min(config.mtu),
            capabilities: capabilities.and(config.capabilities),
            hold: Duration::from_millis(answer.hold.into()),
            max_vifs: 0,
            max_lists: 0,
            authenticated: self.end.has_key(),
        };
        let refusal = if answer.term < self.term {
            let sentence = format!(
                "the VIS has term {}, and one of term {} has been seen",
                answer.term, self.term
            );
            Some(Refusal::new(Code::STALE_TERM, sentence))
        } else if peer.mtu < MIN_MTU {
            let sentence = format!("the link's MTU is {}, and VIC needs {MIN_MTU}", peer.mtu);
            Some(Refusal::new(Code::MTU, sentence))
        } else {
            None
        };
        let theirs = pdu.envelope.sender;
        let mut conversation = Conversation::new(&self.end, now, peer.clone(), own, theirs);
        if let Some(refusal) = refusal {
            let close = conversation.close(&self.end, &refusal);
            self.end.send_raw(close);
            self.open_later(now);
            let said = SessionRefused {
                mac: peer.mac,
                by: Direction::Up,
                refusal,
                authenticated: peer.authenticated,
            };
            return self.end.tell_refused(now, said, IvEvent::Refused);
        }
        self.term = answer.term;
        self.phase = Phase::Up(Box::new(conversation));
        self.end.tell(IvEvent::Up(peer));
        self.begin();
    }

    /// A session begins: everything is asked for anew, and what the VIS does not set anew it will delete.
    fn begin(&mut self) {
        self.work.clear();
        for uuid in self.vnics.in_order() {
            self.work.push(Task::Create(uuid));
        }
        self.work.push(Task::DeleteRest);
        self.catalogue.begin();
        for held in self.lists.values_mut() {
            held.current = false;
        }
        for record in self.vnics.iter_mut() {
            record.asked = false;
            record.given = false;
            record.refused = false;
            if let VnicState::Down(_) = record.state {
                record.state = VnicState::Waiting;
            }
        }
    }
}
