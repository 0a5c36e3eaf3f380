//! One real end, and the other written frame by frame: for what a whole peer says too seldom, or never.

use super::{IV_MAC, VIS_MAC, config, ms, samples};
use std::time::Duration;
use vic::ecp::{Header, Operation};
use vic::frame::{self, Addresses, Direction, Envelope, GROUP, Received, acknowledgement};
use vic::message::{
    Answer, Body, Keepalive, Kind, Members, Message, OpenAnswer, Request, VifCreateAnswer, batch,
};
use vic::session::iv::{IvEvent, IvLimits, IvSession};
use vic::session::vis::{VisEvent, VisLimits, VisSession};
use vic::session::{Authentication, EndConfig};
use vic::{Authenticator, Code, ListId, Mac, Nonce, Parameters, Refusal, Uuid, VifId};

/// What writes the frames of one end.
#[derive(Clone)]
pub struct Pen {
    pub way: Direction,
    pub own: Nonce,
    pub theirs: Nonce,
    pub authenticator: Authenticator,
    /// Of the last frame of the session.
    pub sequence: u64,
    /// Of the last request.
    pub asked: u32,
}

/// What came of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    Acknowledgement(u16),
    Pdu(Envelope, Vec<Message>),
}

impl Pen {
    fn new(way: Direction, authentication: &Authentication, own: u64) -> Self {
        let key = match authentication {
            Authentication::Key(key) => Some(key),
            Authentication::Open | Authentication::Unset => None,
        };
        Self {
            way,
            own: Nonce(own),
            theirs: Nonce::NONE,
            authenticator: Authenticator::of(key),
            sequence: 0,
            asked: 0,
        }
    }

    fn macs(&self) -> (Mac, Mac) {
        match self.way {
            Direction::Up => (IV_MAC, VIS_MAC),
            Direction::Down => (VIS_MAC, IV_MAC),
        }
    }

    /// A frame with this envelope. Its ECP sequence is that of the envelope.
    pub fn write(
        &self,
        envelope: Envelope,
        octets: &[u8],
        authenticator: &Authenticator,
    ) -> Vec<u8> {
        let parameters = Parameters::default();
        let (source, peer) = self.macs();
        let group = envelope.receiver == Nonce::NONE;
        let destination = if group { GROUP } else { peer };
        let aside = octets
            .first()
            .is_none_or(|&kind| kind < Kind::VifCreate as u8);
        let subtype = match aside {
            true => parameters.unacknowledged_subtype,
            false => parameters.subtype,
        };
        let header = Header {
            operation: Operation::Request,
            subtype,
            sequence: envelope.sequence as u16,
        };
        let addresses = Addresses {
            destination,
            source,
        };
        frame::write(
            &parameters,
            addresses,
            header,
            envelope,
            octets,
            authenticator,
        )
    }

    /// The next frame of the session.
    pub fn frame(&mut self, messages: &[Message]) -> Vec<u8> {
        self.sequence += 1;
        let octets: Vec<u8> = messages.iter().flat_map(Message::to_bytes).collect();
        self.write(self.envelope(self.sequence), &octets, &self.authenticator)
    }

    pub fn envelope(&self, sequence: u64) -> Envelope {
        Envelope {
            direction: self.way,
            sender: self.own,
            receiver: self.theirs,
            sequence,
        }
    }

    /// The next request.
    pub fn request(&mut self, request: Request) -> Message {
        self.asked += 1;
        Message {
            transaction: self.asked,
            body: Body::Request(request),
        }
    }

    /// What the other end sent.
    pub fn read(&self, octets: &[u8]) -> Read {
        let parameters = Parameters::default();
        match frame::read(&parameters, self.macs().0, octets).unwrap() {
            Received::Acknowledgement { sequence, .. } => Read::Acknowledgement(sequence),
            Received::Pdu(pdu) => {
                let own = pdu.verify(&self.authenticator);
                let messages = own.or_else(|| pdu.verify(&Authenticator::crc())).unwrap();
                let messages = batch(messages).unwrap();
                // A no to what nobody knows has a kind that nobody knows.
                let messages = messages.iter().filter_map(|raw| raw.read().ok()).collect();
                Read::Pdu(pdu.envelope, messages)
            }
        }
    }

    fn acknowledge(&self, octets: &[u8]) -> Option<Vec<u8>> {
        let header = Header::from_bytes(octets[14..18].try_into().unwrap()).unwrap();
        let parameters = Parameters::default();
        let (source, destination) = self.macs();
        let wanted = header.operation == Operation::Request && header.subtype == parameters.subtype;
        let addresses = Addresses {
            destination,
            source,
        };
        wanted.then(|| acknowledgement(&parameters, addresses, header.sequence))
    }
}

/// Messages without keepalives and probes.
fn plain(reads: Vec<Read>) -> Vec<Message> {
    let messages = reads.into_iter().flat_map(|read| match read {
        Read::Acknowledgement(_) => Vec::new(),
        Read::Pdu(_, messages) => messages,
    });
    messages
        .filter(|message| !matches!(message.kind(), Kind::Keepalive | Kind::Probe))
        .collect()
}

fn end(name: &str, mac: Mac, authentication: &Authentication) -> EndConfig {
    config(name, mac, authentication, 1)
}

/// A real IV, and a VIS that a test plays.
pub struct PlayedVis {
    pub iv: IvSession,
    pub now: Duration,
    pub pen: Pen,
    pub term: u64,
    opened: u64,
}

impl PlayedVis {
    pub fn new(authentication: &Authentication) -> Self {
        Self::with(authentication, |_, _| ())
    }

    /// With an IV that is set up in another way.
    pub fn with(
        authentication: &Authentication,
        change: impl FnOnce(&mut EndConfig, &mut IvLimits),
    ) -> Self {
        let mut config = end("host1", IV_MAC, authentication);
        let mut limits = IvLimits::default();
        change(&mut config, &mut limits);
        Self {
            iv: IvSession::new(config, limits),
            now: ms(0),
            pen: Pen::new(Direction::Down, authentication, 0xB0),
            term: 0,
            opened: 0,
        }
    }

    /// What the IV sends now; each PDU is acknowledged.
    pub fn reads(&mut self) -> Vec<Read> {
        let mut reads = Vec::new();
        while let Some(octets) = self.iv.poll_transmit(self.now) {
            if let Some(acknowledgement) = self.pen.acknowledge(&octets) {
                self.iv.handle_message(self.now, &acknowledgement);
            }
            reads.push(self.pen.read(&octets));
        }
        reads
    }

    /// What the IV says now, but for keepalives and probes.
    pub fn said(&mut self) -> Vec<Message> {
        plain(self.reads())
    }

    pub fn events(&mut self) -> Vec<IvEvent> {
        std::iter::from_fn(|| self.iv.poll_event()).collect()
    }

    /// Waits for the Open that is due, and takes its nonce.
    pub fn hear_open(&mut self) -> Nonce {
        self.now = self.now.max(self.iv.poll_timeout().unwrap());
        self.iv.handle_timeout(self.now);
        let mut reads = self.reads();
        match reads.pop() {
            Some(Read::Pdu(envelope, messages)) => {
                assert!(matches!(messages[0].body, Body::Request(Request::Open(_))));
                self.pen.theirs = envelope.sender;
                envelope.sender
            }
            other => panic!("{other:?}"),
        }
    }

    /// The frame that says yes to the Open heard last, or no, as `body` says.
    pub fn opening(&mut self, body: Body, authenticator: &Authenticator) -> Vec<u8> {
        let message = Message {
            transaction: 0,
            body,
        };
        let envelope = self.pen.envelope(0);
        self.pen.write(envelope, &message.to_bytes(), authenticator)
    }

    pub fn yes(&self) -> Body {
        Body::Answer(Answer::Open(OpenAnswer {
            identity: Uuid([2; 16]),
            name: "rack1".parse().unwrap(),
            term: self.term,
            mtu: 1600,
            hold: 900,
            capabilities: None,
            software: None,
        }))
    }

    /// Opens a session, the next one; what the IV says at its beginning.
    pub fn open(&mut self) -> Vec<Message> {
        self.hear_open();
        self.opened += 1;
        self.pen.own = Nonce(0xB0 + self.opened);
        (self.pen.sequence, self.pen.asked) = (0, 0);
        let authenticator = self.pen.authenticator.clone();
        let frame = self.opening(self.yes(), &authenticator);
        self.iv.handle_message(self.now, &frame);
        assert!(self.iv.is_up());
        self.said()
    }

    /// The VIS is killed: the IV hears nothing for its hold time.
    pub fn silence(&mut self) {
        self.now += ms(900);
        self.iv.handle_timeout(self.now);
        assert!(!self.iv.is_up());
    }

    /// Says something; what the IV says then.
    pub fn say(&mut self, messages: &[Message]) -> Vec<Message> {
        let frame = self.pen.frame(messages);
        self.iv.handle_message(self.now, &frame);
        self.said()
    }

    /// Asks one thing; the answer to it.
    pub fn ask(&mut self, request: Request) -> Body {
        let message = self.pen.request(request);
        let answers = self.say(std::slice::from_ref(&message));
        let mut answers = answers.into_iter();
        let answer = answers.find(|a| {
            (a.transaction, a.kind()) == (message.transaction, message.kind())
                && !matches!(a.body, Body::Request(_))
        });
        answer.unwrap().body
    }

    /// Answers VifCreate with this id.
    pub fn give(&mut self, transaction: u32, n: u16) -> Vec<Message> {
        self.say(&[given(transaction, n)])
    }
}

/// The answer to VifCreate.
pub fn given(transaction: u32, n: u16) -> Message {
    let answer = VifCreateAnswer {
        vif: samples::vif(n),
        veth: n.into(),
        veth_name: None,
    };
    Message {
        transaction,
        body: Body::Answer(Answer::VifCreate(answer)),
    }
}

/// A real VIS, and an IV that a test plays.
pub struct PlayedIv {
    pub vis: VisSession,
    pub now: Duration,
    pub pen: Pen,
    opened: u64,
}

impl PlayedIv {
    pub fn new(authentication: &Authentication, limits: VisLimits) -> Self {
        Self {
            vis: VisSession::new(end("rack1", VIS_MAC, authentication), limits),
            now: ms(0),
            pen: Pen::new(Direction::Up, authentication, 0xA0),
            opened: 0,
        }
    }

    /// What the VIS sends now; each PDU is acknowledged.
    pub fn reads(&mut self) -> Vec<Read> {
        let mut reads = Vec::new();
        while let Some(octets) = self.vis.poll_transmit(self.now) {
            if let Some(acknowledgement) = self.pen.acknowledge(&octets) {
                self.vis.handle_message(self.now, &acknowledgement);
            }
            reads.push(self.pen.read(&octets));
        }
        reads
    }

    pub fn said(&mut self) -> Vec<Message> {
        plain(self.reads())
    }

    pub fn events(&mut self) -> Vec<VisEvent> {
        std::iter::from_fn(|| self.vis.poll_event()).collect()
    }

    /// Opens a session, the next one; what the VIS says at its beginning.
    pub fn open(&mut self) -> Vec<Message> {
        self.opened += 1;
        self.pen.own = Nonce(0xA0 + self.opened);
        self.pen.theirs = Nonce::NONE;
        (self.pen.sequence, self.pen.asked) = (0, 0);
        let message = Message {
            transaction: 0,
            body: Body::Request(samples::open().clone()),
        };
        let envelope = self.pen.envelope(0);
        let frame = self
            .pen
            .write(envelope, &message.to_bytes(), &self.pen.authenticator);
        self.now += ms(250);
        self.vis.handle_message(self.now, &frame);
        self.vis.admit(self.now);
        self.pen.theirs = self.hear_yes();
        self.say(&[keepalive()])
    }

    /// The nonce in the answer to Open.
    pub fn hear_yes(&mut self) -> Nonce {
        let opening = self.reads().into_iter().find_map(|read| match read {
            Read::Pdu(envelope, _) if envelope.sequence == 0 => Some(envelope.sender),
            _ => None,
        });
        opening.unwrap()
    }

    pub fn say(&mut self, messages: &[Message]) -> Vec<Message> {
        let frame = self.pen.frame(messages);
        self.vis.handle_message(self.now, &frame);
        self.said()
    }

    /// Asks, and gives the number of the question.
    pub fn ask(&mut self, request: Request) -> (u32, Vec<Message>) {
        let message = self.pen.request(request);
        let said = self.say(std::slice::from_ref(&message));
        (message.transaction, said)
    }

    /// Says yes to what the VIS asks, and to what it asks then.
    pub fn obey(&mut self, said: Vec<Message>) {
        let mut said = said;
        while said.iter().any(|m| matches!(m.body, Body::Request(_))) {
            let asked = said.iter().filter(|m| matches!(m.body, Body::Request(_)));
            let yes: Vec<Message> = asked.map(done).collect();
            said = self.say(&yes);
        }
    }
}

pub fn keepalive() -> Message {
    Message {
        transaction: 0,
        body: Body::Request(Request::Keepalive(Keepalive {})),
    }
}

/// Yes, to that.
pub fn done(request: &Message) -> Message {
    Message {
        transaction: request.transaction,
        body: Body::Answer(Answer::Done(request.kind())),
    }
}

/// The code of a no.
pub fn no(body: &Body) -> Option<Code> {
    match body {
        Body::Refused(_, Refusal { code, .. }) => Some(*code),
        Body::Request(_) | Body::Answer(_) => None,
    }
}

pub fn members(numbers: &[u16]) -> Members {
    numbers
        .iter()
        .map(|&n| samples::vif(n))
        .collect::<Members>()
}

pub fn list(n: u16) -> ListId {
    n.try_into().unwrap()
}

pub fn vif(n: u16) -> VifId {
    samples::vif(n)
}
