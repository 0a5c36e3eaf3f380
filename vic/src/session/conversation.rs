//! A session that is up, the same for both ends: frames in, frames out, liveness, questions and answers.

use super::end::End;
use super::prober::Prober;
use super::replay::{ReplayWindow, Seen};
use super::transaction::{Came, Inbox, Outbox, is_transaction};
use super::{Health, Peer, bucket::Bucket};
use crate::ecp::{self, Operation};
use crate::frame::{self, Addresses, Direction, Envelope, Pdu};
use crate::identity::Nonce;
use crate::message::field::Padding;
use crate::message::{
    self, Answer, Body, Keepalive, Kind, Message, MessageError, Probe, ProbeAnswer, RawMessage,
    Reason, Request, Role, batch,
};
use crate::parameters::keepalive_every;
use crate::refusal::Refusal;
use core::time::Duration;
use std::collections::VecDeque;

/// Acknowledgements and answers to probes that wait to be sent.
const MOST_REPLIES: usize = 64;

/// Octets of a Probe's frame after the EtherType, besides its padding and authenticator.
const PROBE_OVERHEAD: usize = frame::HEADER - 14 + 8 + 6 + 4;

/// `C` is what the end has to know of a question when its answer comes.
#[derive(Debug)]
pub(crate) struct Conversation<C> {
    pub(crate) peer: Peer,
    direction: Direction,
    own: Nonce,
    pub(crate) theirs: Nonce,
    sequence: u64,
    unacknowledged: u16,
    came: ReplayWindow,
    /// Of frames that are new.
    rate: Bucket,
    /// Of frames that came already: apart, so that who plays them again cannot keep new ones out.
    repeats: Bucket,
    heard: Duration,
    keepalive_at: Duration,
    keepalive_every: Duration,
    ecp: ecp::Sender,
    acknowledgements: VecDeque<u16>,
    probe_answers: VecDeque<u16>,
    prober: Prober,
    outbox: Outbox<C>,
    inbox: Inbox,
}

/// What a frame brought.
#[derive(Debug)]
pub(crate) enum Heard<C> {
    /// The peer asks, in order.
    Request(u32, u8, Result<Request, MessageError>),
    /// The peer answers.
    Answer(C, Result<Answer, Refusal>),
    /// The peer ends the session.
    Closed(Refusal),
}

impl<C> Conversation<C> {
    pub(crate) fn new<E>(
        end: &End<E>,
        now: Duration,
        peer: Peer,
        own: Nonce,
        theirs: Nonce,
    ) -> Self {
        let parameters = &end.config.parameters;
        let hold = parameters.hold.min(peer.hold);
        let direction = end.direction();
        Self {
            prober: Prober::new(now, peer.mtu),
            peer,
            direction,
            own,
            theirs,
            sequence: 0,
            unacknowledged: 0,
            came: ReplayWindow::default(),
            rate: Bucket::new(parameters.rate, parameters.rate),
            repeats: Bucket::new(parameters.rate, parameters.rate),
            heard: now,
            keepalive_at: now,
            keepalive_every: keepalive_every(hold),
            ecp: ecp::Sender::new(parameters.ack_timer(), parameters.retries),
            acknowledgements: VecDeque::new(),
            probe_answers: VecDeque::new(),
            outbox: Outbox::new(),
            inbox: Inbox::new(),
        }
    }

    /// Whether a PDU belongs to this conversation.
    pub(crate) fn is_of(&self, envelope: &Envelope) -> bool {
        envelope.sender == self.theirs && envelope.receiver == self.own
    }

    pub(crate) fn acknowledged(&mut self, sequence: u16) -> bool {
        self.ecp.acknowledge(sequence)
    }

    pub(crate) const fn given_up(&self) -> u64 {
        self.ecp.given_up()
    }

    /// Whether a PDU of this conversation is worth the look at its authenticator. That costs, and who plays a frame again
    /// pays nothing. It changes nothing yet: a token is paid by [`Self::take`], so that no forged frame uses one up.
    pub(crate) fn would_take<E>(&self, end: &mut End<E>, now: Duration, pdu: &Pdu<'_>) -> bool {
        let bucket = match self.came.look(pdu.envelope.sequence) {
            Seen::TooOld => {
                end.statistics.foreign += 1;
                return false;
            }
            Seen::Again => &self.repeats,
            Seen::New => &self.rate,
        };
        let there = bucket.has(now);
        end.statistics.excess += u64::from(!there);
        there
    }

    /// Takes a PDU of this conversation that [`Self::would_take`], and whose authenticator holds.
    pub(crate) fn take<E>(
        &mut self,
        end: &mut End<E>,
        now: Duration,
        pdu: &Pdu<'_>,
        messages: &[u8],
    ) -> Vec<Heard<C>> {
        let sequence = pdu.envelope.sequence;
        match self.came.look(sequence) {
            Seen::TooOld => {
                end.statistics.foreign += 1;
                return Vec::new();
            }
            Seen::Again if self.repeats.take(now) => {
                end.statistics.repeated += 1;
                self.acknowledge(end, pdu);
                return Vec::new();
            }
            Seen::New if self.rate.take(now) => {}
            Seen::Again | Seen::New => {
                end.statistics.excess += 1;
                return Vec::new();
            }
        }
        self.came.note(sequence);
        self.heard = now;
        end.statistics.taken += 1;
        self.acknowledge(end, pdu);
        match batch(messages) {
            Ok(messages) => messages
                .iter()
                .flat_map(|message| self.message(now, message))
                .collect(),
            Err(_) => {
                end.statistics.malformed += 1;
                Vec::new()
            }
        }
    }

    fn acknowledge<E>(&mut self, end: &End<E>, pdu: &Pdu<'_>) {
        let wanted = pdu.ecp.subtype == end.config.parameters.subtype;
        if wanted && self.acknowledgements.len() < MOST_REPLIES {
            self.acknowledgements.push_back(pdu.ecp.sequence);
        }
    }

    fn message(&mut self, now: Duration, raw: &RawMessage<'_>) -> Vec<Heard<C>> {
        if !is_transaction(raw.kind) {
            return self.aside(now, raw).into_iter().collect();
        }
        if raw.role != Role::Request {
            let context = self.outbox.answered(raw.transaction, raw.kind);
            let answer = || match raw.read().map(|message| message.body) {
                Ok(Body::Answer(answer)) => Ok(answer),
                Ok(Body::Refused(_, refusal)) => Err(refusal),
                // Not reached: the role says that it answers.
                Ok(Body::Request(_)) => Err(MessageError::NoAnswer.into()),
                Err(error) => Err(error.into()),
            };
            let heard = context.map(|context| Heard::Answer(context, answer()));
            return heard.into_iter().collect();
        }
        self.inbox.take(Came {
            kind: raw.kind,
            transaction: raw.transaction,
            fields: raw.fields.to_vec(),
        });
        core::iter::from_fn(|| self.inbox.ready())
            .map(|came| {
                let raw = RawMessage {
                    kind: came.kind,
                    role: Role::Request,
                    transaction: came.transaction,
                    fields: &came.fields,
                };
                let request = raw.read().and_then(|message| match message.body {
                    Body::Request(request) => Ok(request),
                    _ => Err(MessageError::NoAnswer),
                });
                Heard::Request(came.transaction, came.kind, request)
            })
            .collect()
    }

    /// Messages outside transactions.
    fn aside(&mut self, now: Duration, raw: &RawMessage<'_>) -> Option<Heard<C>> {
        match raw.read().ok()?.body {
            Body::Request(Request::Probe(probe)) => {
                if self.probe_answers.len() < MOST_REPLIES {
                    self.probe_answers.push_back(probe.size);
                }
                None
            }
            Body::Answer(Answer::Probe(answer)) => {
                self.prober.answered(now, answer.size);
                None
            }
            Body::Request(Request::Close(reason)) => Some(Heard::Closed(reason.into())),
            _ => None,
        }
    }

    /// Whether one more question may be asked.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    pub(crate) fn ask(&mut self, request: Request, context: C) {
        let message = Message {
            transaction: self.outbox.next(),
            body: Body::Request(request),
        };
        self.outbox.ask(message.kind(), message.to_bytes(), context);
    }

    /// Answers a question. `false` when it was not asked or is answered.
    pub(crate) fn answer(&mut self, transaction: u32, answer: Answer) -> bool {
        let body = Body::Answer(answer);
        let message = Message { transaction, body };
        self.inbox.answer(transaction, message.to_bytes())
    }

    /// Says yes without more, or no, to a question of any kind.
    pub(crate) fn settle(&mut self, transaction: u32, kind: u8, done: Result<(), Refusal>) -> bool {
        match (done, Kind::from_number(kind)) {
            (Ok(()), Some(kind)) => self.answer(transaction, Answer::Done(kind)),
            // Not reached: nobody says yes to what he does not know.
            (Ok(()), None) => false,
            (Err(why), _) => self
                .inbox
                .answer(transaction, message::refuse(kind, transaction, &why)),
        }
    }

    /// What the link carries, once for each search that ends: what gets through, and what should.
    pub(crate) fn take_mtu(&mut self) -> Option<(u16, u16)> {
        let found = self.prober.take_found()?;
        Some((found, self.prober.wanted()))
    }

    /// How the conversation goes.
    pub(crate) const fn health(&self, now: Duration) -> Health {
        Health {
            silent: now.saturating_sub(self.heard),
            mtu: self.prober.known(),
        }
    }

    /// Has the MTU proven anew.
    pub(crate) const fn prove_mtu(&mut self, now: Duration) {
        self.prober.renew(now);
    }

    /// Whether the peer was not heard for too long.
    pub(crate) fn is_silent<E>(&self, end: &End<E>, now: Duration) -> bool {
        self.heard + end.config.parameters.hold <= now
    }

    pub(crate) fn timeout<E>(&self, end: &End<E>) -> Duration {
        if !(self.acknowledgements.is_empty() && self.probe_answers.is_empty()) {
            return Duration::ZERO;
        }
        let questions = match (self.ecp.timeout(), self.inbox.has_answers()) {
            (Some(again), _) => Some(again),
            (None, true) => Some(Duration::ZERO),
            (None, false) => self.outbox.timeout(),
        };
        let hold = self.heard + end.config.parameters.hold;
        let others = [questions, self.prober.timeout()];
        let earliest = others.into_iter().flatten().min().unwrap_or(hold);
        earliest.min(hold).min(self.keepalive_at)
    }

    /// The next frame to send at `now`.
    pub(crate) fn poll_transmit<E>(&mut self, end: &mut End<E>, now: Duration) -> Option<Vec<u8>> {
        let frame = self.next_frame(end, now);
        end.statistics.sent += u64::from(frame.is_some());
        frame
    }

    fn next_frame<E>(&mut self, end: &End<E>, now: Duration) -> Option<Vec<u8>> {
        let parameters = &end.config.parameters;
        if let Some(sequence) = self.acknowledgements.pop_front() {
            let addresses = self.addresses(end);
            return Some(frame::acknowledgement(parameters, addresses, sequence));
        }
        if let Some(size) = self.probe_answers.pop_front() {
            let answer = Body::Answer(Answer::Probe(ProbeAnswer { size }));
            return Some(self.aside_frame(end, answer));
        }
        if self.keepalive_at <= now {
            self.keepalive_at = now + self.keepalive_every;
            let keepalive = Body::Request(Request::Keepalive(Keepalive {}));
            return Some(self.aside_frame(end, keepalive));
        }
        if let Some(size) = self.prober.due(now) {
            let overhead = PROBE_OVERHEAD + end.authenticator.kind().length();
            let padding = usize::from(size).saturating_sub(overhead) as u16;
            let padding = Some(Padding(padding));
            let probe = Body::Request(Request::Probe(Probe { size, padding }));
            return Some(self.aside_frame(end, probe));
        }
        if let Some(again) = self.ecp.due(now) {
            return Some(again.to_vec());
        }
        if !self.ecp.is_idle() {
            return None;
        }
        let room = frame::room(self.peer.mtu, end.authenticator.kind());
        let mut batch = Vec::new();
        self.inbox.collect(room, &mut batch);
        self.outbox.collect(now, room, &mut batch);
        if batch.is_empty() {
            return None;
        }
        let header = ecp::Header {
            operation: Operation::Request,
            subtype: parameters.subtype,
            sequence: self.ecp.next_sequence(),
        };
        let frame = self.frame(end, header, &batch);
        self.ecp.send(now, frame.clone());
        Some(frame)
    }

    /// Ends the conversation: the frame that says why.
    pub(crate) fn close<E>(&mut self, end: &End<E>, why: &Refusal) -> Vec<u8> {
        let close = Request::Close(Reason::from(why.clone()));
        self.aside_frame(end, Body::Request(close))
    }

    fn aside_frame<E>(&mut self, end: &End<E>, body: Body) -> Vec<u8> {
        self.unacknowledged = self.unacknowledged.checked_add(1).unwrap_or(1);
        let header = ecp::Header {
            operation: Operation::Request,
            subtype: end.config.parameters.unacknowledged_subtype,
            sequence: self.unacknowledged,
        };
        let message = Message {
            transaction: 0,
            body,
        };
        self.frame(end, header, &message.to_bytes())
    }

    fn frame<E>(&mut self, end: &End<E>, header: ecp::Header, messages: &[u8]) -> Vec<u8> {
        self.sequence += 1;
        let envelope = Envelope {
            direction: self.direction,
            sender: self.own,
            receiver: self.theirs,
            sequence: self.sequence,
        };
        let addresses = self.addresses(end);
        let parameters = &end.config.parameters;
        frame::write(
            parameters,
            addresses,
            header,
            envelope,
            messages,
            &end.authenticator,
        )
    }

    fn addresses<E>(&self, end: &End<E>) -> Addresses {
        Addresses {
            destination: self.peer.mac,
            source: end.config.mac,
        }
    }
}
