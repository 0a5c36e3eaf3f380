//! Who gets a session.
//!
//! An Open may be an old one, played again: it proves nothing but that somebody had the key once. So it
//! only makes a pending session with a nonce of ours; the session begins with the first frame that
//! carries both nonces, and until then the one before it stays as it is.

use super::{VisEvent, VisSession};
use crate::authenticator::Kind;
use crate::frame::{Direction, Envelope, Pdu};
use crate::identity::Nonce;
use crate::message::{
    self, Answer, Body, Message, MessageError, Open, OpenAnswer, Request, Role, batch,
};
use crate::parameters::MIN_MTU;
use crate::refusal::{Code, Refusal};
use crate::session::conversation::Conversation;
use crate::session::{Authentication, Capabilities, Peer, SessionRefused};
use crate::timers::PENDING;
use core::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct Pending {
    theirs: Nonce,
    own: Nonce,
    peer: Peer,
    at: Duration,
    /// What the embedder said.
    verdict: Option<Result<(), Refusal>>,
}

impl Pending {
    pub(super) fn is_of(&self, envelope: &Envelope) -> bool {
        envelope.sender == self.theirs && envelope.receiver == self.own
    }
}

impl VisSession {
    /// A PDU with sequence 0 and without our nonce came: an Open, or nothing of ours.
    pub(super) fn opening_pdu(&mut self, now: Duration, pdu: &Pdu<'_>) {
        if pdu.envelope.sender.0 == 0 {
            return self.end.statistics.malformed += 1;
        }
        let refusal = match (&self.end.config.authentication, pdu.kind) {
            (Authentication::Unset, _) => Refusal::new(
                Code::NO_AUTHENTICATION,
                "this VIS has no key for the port; give it one, or say `vic authentication none`",
            ),
            (Authentication::Key(_), Kind::Crc) => Refusal::new(
                Code::KEY_REQUIRED,
                "this VIS has a key for the port; give the IV the same",
            ),
            (Authentication::Open, Kind::Hmac) => Refusal::new(
                Code::KEY_NOT_WANTED,
                "the IV has a key and this VIS has none; give both the same, or neither one",
            ),
            (Authentication::Key(_), Kind::Hmac) | (Authentication::Open, Kind::Crc) => {
                let Some(messages) = self.end.verify(pdu) else {
                    if self.end.has_key() {
                        let sentence = "the key of the IV is another than that of the VIS";
                        self.turn_away(now, pdu, Refusal::new(Code::WRONG_KEY, sentence), false);
                    }
                    return;
                };
                match read_open(messages) {
                    Some(Ok(open)) => self.opened(now, pdu, open),
                    // It is who it says, and should hear what is wrong with its Open.
                    Some(Err(error)) => {
                        self.end.statistics.malformed += 1;
                        self.turn_away(now, pdu, error.into(), true);
                    }
                    None => self.end.statistics.malformed += 1,
                }
                return;
            }
        };
        self.end.statistics.unauthentic += 1;
        self.turn_away(now, pdu, refusal, false);
    }

    fn turn_away(&mut self, now: Duration, pdu: &Pdu<'_>, refusal: Refusal, authenticated: bool) {
        let nonce = pdu.envelope.sender;
        self.end
            .say_no(now, pdu.source, nonce, &refusal, authenticated);
        let said = SessionRefused {
            mac: pdu.source,
            by: Direction::Down,
            refusal,
            authenticated: authenticated && self.end.has_key(),
        };
        self.end.tell_refused(now, said, VisEvent::Refused);
    }

    fn opened(&mut self, now: Duration, pdu: &Pdu<'_>, open: Open) {
        let nonce = pdu.envelope.sender;
        if let Some(pending) = &self.pending {
            if pending.theirs == nonce {
                // It came again: so does the answer.
                return match pending.verdict.clone() {
                    None => {}
                    Some(Ok(())) => self.answer_open(),
                    Some(Err(refusal)) => self.end.say_no(now, pdu.source, nonce, &refusal, true),
                };
            }
            if now < pending.at + PENDING {
                return self.end.statistics.excess += 1;
            }
        }
        if let Some(conversation) = &self.conversation {
            if conversation.theirs == nonce {
                // Left over from when the session was opened.
                return self.end.statistics.repeated += 1;
            }
            let peer = &conversation.peer;
            if peer.identity != open.identity {
                let sentence = format!("the IV `{}` ({}) has a session here", peer.name, peer.mac);
                let refusal = Refusal::new(Code::LINK_BUSY, sentence);
                return self.turn_away(now, pdu, refusal, true);
            }
        }
        let config = &self.end.config;
        let mtu = open.mtu.min(config.mtu);
        if mtu < MIN_MTU {
            let sentence = format!("the link's MTU is {mtu}, and VIC needs {MIN_MTU}");
            return self.turn_away(now, pdu, Refusal::new(Code::MTU, sentence), true);
        }
        let capabilities = Capabilities::from_bits(open.capabilities.unwrap_or(0));
        let peer = Peer {
            mac: pdu.source,
            identity: open.identity,
            name: open.name,
            software: open.software,
            term: open.term,
            mtu,
            capabilities: capabilities.and(config.capabilities),
            hold: Duration::from_millis(open.hold.into()),
            max_vifs: open.max_vifs,
            max_lists: open.max_lists,
            authenticated: self.end.has_key(),
        };
        self.pending = Some(Pending {
            theirs: nonce,
            own: Nonce(self.end.entropy.draw()),
            peer: peer.clone(),
            at: now,
            verdict: None,
        });
        self.end.tell(VisEvent::Admission(peer));
    }

    /// Lets the IV of the last [`VisEvent::Admission`] have a session.
    pub fn admit(&mut self, _now: Duration) {
        if let Some(pending) = self.pending.as_mut().filter(|p| p.verdict.is_none()) {
            pending.verdict = Some(Ok(()));
            self.answer_open();
        }
    }

    /// Refuses the IV of the last [`VisEvent::Admission`]. It may ask again.
    pub fn refuse_session(&mut self, now: Duration, refusal: Refusal) {
        if let Some(pending) = self.pending.as_mut().filter(|p| p.verdict.is_none()) {
            pending.verdict = Some(Err(refusal.clone()));
            let (mac, nonce) = (pending.peer.mac, pending.theirs);
            self.end.say_no(now, mac, nonce, &refusal, true);
        }
    }

    fn answer_open(&mut self) {
        let Some(pending) = &self.pending else { return };
        let config = &self.end.config;
        let envelope = Envelope {
            direction: Direction::Down,
            sender: pending.own,
            receiver: pending.theirs,
            sequence: 0,
        };
        let answer = OpenAnswer {
            identity: config.identity,
            name: config.name.clone(),
            term: config.term,
            mtu: config.mtu,
            hold: config.parameters.hold.as_millis() as u32,
            capabilities: Some(config.capabilities.bits()),
            software: config.software.clone(),
        };
        let message = Message {
            transaction: 0,
            body: Body::Answer(Answer::Open(answer)),
        };
        let (to, authenticator) = (pending.peer.mac, self.end.authenticator.clone());
        self.end.send(to, envelope, &message, &authenticator);
    }

    /// A PDU came that carries both nonces of the pending session: the IV is here, now.
    pub(super) fn confirming_pdu(&mut self, now: Duration, pdu: &Pdu<'_>) {
        let Some(messages) = self.end.verify(pdu) else {
            return;
        };
        let Some(pending) = self.pending.take_if(|p| p.verdict == Some(Ok(()))) else {
            return self.end.statistics.foreign += 1;
        };
        if let Some(refusal) = closes(messages) {
            let said = SessionRefused {
                mac: pdu.source,
                by: Direction::Up,
                refusal,
                authenticated: self.end.has_key(),
            };
            return self.end.tell_refused(now, said, VisEvent::Refused);
        }
        let sentence = "the IV opened a new session";
        self.lost(Refusal::new(Code::REPLACED, sentence));
        let Pending {
            theirs, own, peer, ..
        } = pending;
        let conversation = Conversation::new(&self.end, now, peer.clone(), own, theirs);
        self.conversation = Some(Box::new(conversation));
        self.end.tell(VisEvent::Up(peer));
        self.begin();
        self.take(now, pdu, messages);
    }
}

/// `None`: something else.
fn read_open(messages: &[u8]) -> Option<Result<Open, MessageError>> {
    let [raw] = batch(messages).ok()?.try_into().ok()?;
    if (raw.kind, raw.role) != (message::Kind::Open as u8, Role::Request) {
        return None;
    }
    match raw.read().map(|message| message.body) {
        Ok(Body::Request(Request::Open(open))) => Some(Ok(open)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }
}

fn closes(messages: &[u8]) -> Option<Refusal> {
    let messages = batch(messages).ok()?;
    let raw = messages
        .iter()
        .find(|raw| raw.kind == message::Kind::Close as u8)?;
    match raw.read().ok()?.body {
        Body::Request(Request::Close(reason)) => Some(reason.into()),
        _ => None,
    }
}
