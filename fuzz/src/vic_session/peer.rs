//! What a peer says that has listened: acknowledgements and answers that match what the end sent, and requests in
//! their order. Octets that a fuzzer makes up are hardly ever that.

use super::{End, Lab, OWN, PEER};
use crate::marks::mark;
use std::collections::VecDeque;
use vic::frame::{Addresses, Received, acknowledgement, read};
use vic::message::{
    Answer, Body, Counters, ListDelete, ListSet, ListUnknown, Message, Part, Prepare,
    ProbeAnswer, ProfileCatalogue, Reason, Request, VifCreate, VifCreateAnswer, VifDelete,
    VifDisable, VifEnable, VifSet, VifStatus, batch,
};
use vic::{Code, ListId, Mac, Name, Parameters, Profile, Refusal, Sentence, Uuid, VifCounters, VifId};

/// Requests of the end that are remembered: as many as may be open.
const WINDOW: usize = 64;

/// What the end said in this session.
#[derive(Default)]
pub(super) struct Listened {
    /// Its requests that were not answered.
    open: VecDeque<(u32, Request)>,
    /// The ECP sequence of its last PDU that wants an acknowledgement.
    pdu: Option<u16>,
    /// The size of its last Probe.
    probe: Option<u16>,
    /// How much the peer has asked.
    asked: u32,
    /// What the peer said last.
    pub(super) last: Vec<u8>,
}

impl Listened {
    /// The end sent this.
    pub(super) fn note(&mut self, frame: &[u8]) {
        let parameters = Parameters::default();
        let Ok(Received::Pdu(pdu)) = read(&parameters, PEER, frame) else {
            return;
        };
        if pdu.ecp.subtype == parameters.subtype {
            self.pdu = Some(pdu.ecp.sequence);
        }
        let crc = vic::Authenticator::crc();
        let messages = pdu.verify(&crc).and_then(|octets| batch(octets).ok());
        for message in messages.iter().flatten().filter_map(|raw| raw.read().ok()) {
            match message.body {
                Body::Request(Request::Probe(probe)) => self.probe = Some(probe.size),
                Body::Request(request) if message.transaction != 0 => {
                    self.open.retain(|(open, _)| *open != message.transaction);
                    if self.open.len() == WINDOW {
                        self.open.pop_front();
                    }
                    self.open.push_back((message.transaction, request));
                }
                _ => {}
            }
        }
    }

    /// One of the requests that wait, and no longer does.
    fn take(&mut self, which: u8) -> Option<(u32, Request)> {
        let many = self.open.len();
        self.open.remove(usize::from(which).checked_rem(many)?)
    }

    fn request(&mut self, request: Request) -> Message {
        self.asked = self.asked.wrapping_add(1);
        Message {
            transaction: self.asked,
            body: Body::Request(request),
        }
    }
}

impl Lab {
    /// A step of the peer. `argument` is a number of a vNIC, VIF, list or code, or which request is meant.
    pub(super) fn peer(&mut self, step: u8, argument: u8) {
        match step % 16 {
            0 => self.acknowledge(),
            1 => self.answer(argument, None),
            2 => {
                let code = Code(u16::from(argument) + 1);
                self.answer(0, Some(Refusal::new(code, "no")));
            }
            3 => {
                let last = std::mem::take(&mut self.listened.last);
                self.hear(&last);
                self.listened.last = last;
            }
            4 => {
                if let Some(size) = self.listened.probe.take() {
                    let answer = Answer::Probe(ProbeAnswer { size });
                    self.aside(Body::Answer(answer));
                }
            }
            5 => {
                let code = Code(u16::from(argument) + 1);
                self.aside(Body::Request(Request::Close(Reason {
                    code,
                    sentence: None,
                })));
            }
            request => {
                let request = match self.end {
                    End::Iv(_) => of_a_vis(request - 6, argument),
                    End::Vis(_) => of_an_iv(request - 6, argument),
                };
                if let Some(request) = request {
                    let message = self.listened.request(request);
                    self.say(&message.to_bytes());
                }
            }
        }
    }

    fn aside(&mut self, body: Body) {
        let transaction = 0;
        let message = Message { transaction, body };
        self.say(&message.to_bytes());
    }

    fn acknowledge(&mut self) {
        let Some(sequence) = self.listened.pdu.take() else {
            return;
        };
        let addresses = Addresses {
            destination: OWN,
            source: PEER,
        };
        let frame = acknowledgement(&Parameters::default(), addresses, sequence);
        self.hear(&frame);
    }

    /// Says yes, or no, to a request of the end.
    fn answer(&mut self, argument: u8, no: Option<Refusal>) {
        let Some((transaction, request)) = self.listened.take(argument) else {
            return;
        };
        let kind = request.kind();
        mark("answered", format_args!("{kind:?}"));
        let body = match (no, request) {
            (Some(why), _) => Body::Refused(kind, why),
            (None, Request::VifCreate(create)) => {
                // The one that is offered, or one that may be somebody's.
                let other = VifId::try_from(u16::from(argument % 16) + 1).ok();
                let Some(vif) = create.vif.filter(|_| argument < 128).or(other) else {
                    return;
                };
                Body::Answer(Answer::VifCreate(VifCreateAnswer {
                    vif,
                    veth: 1,
                    veth_name: None,
                }))
            }
            (None, _) => Body::Answer(Answer::Done(kind)),
        };
        let message = Message { transaction, body };
        self.say(&message.to_bytes());
    }
}

fn vif(argument: u8) -> Option<VifId> {
    VifId::try_from(u16::from(argument % 16) + 1).ok()
}

fn list(argument: u8) -> Option<ListId> {
    ListId::try_from(u16::from(argument % 16) + 1).ok()
}

/// Who is meant: the low half of the octet names a VIF, the high one a vNIC or another VIF.
const fn uuid(argument: u8) -> Uuid {
    Uuid([argument >> 4; 16])
}

fn of_a_vis(request: u8, argument: u8) -> Option<Request> {
    let named = vif(argument)?;
    let (code, sentence) = (Code::SHUT, None);
    Some(match request {
        0 => Request::VifEnable(VifEnable { vif: named }),
        1 => Request::VifDisable(VifDisable {
            vif: named,
            code,
            sentence,
        }),
        2 => Request::VifDelete(VifDelete {
            vif: Some(named),
            uuid: Some(uuid(argument)),
            code,
            sentence,
        }),
        3 => Request::VifStatus(VifStatus {
            vif: named,
            up: argument & 16 == 0,
            code: None,
            sentence,
        }),
        4 | 5 => Request::ListSet(ListSet {
            list: list(argument)?,
            members: [vif(argument)?, vif(argument >> 4)?].into_iter().collect(),
        }),
        6 => Request::ListDelete(ListDelete {
            list: list(argument),
        }),
        7 => Request::ListDelete(ListDelete { list: None }),
        _ => Request::ProfileCatalogue(ProfileCatalogue {
            generation: u32::from(argument >> 4),
            part: Part {
                index: u16::from(argument & 1),
                count: 2,
            },
            profiles: vec![Profile {
                name: Name::clipped("default"),
                description: Sentence::clipped(""),
            }],
        }),
    })
}

fn of_an_iv(request: u8, argument: u8) -> Option<Request> {
    let named = vif(argument)?;
    Some(match request {
        0 | 1 => Request::VifCreate(VifCreate {
            uuid: uuid(argument),
            mac: Mac([2, 0, 0, 0, 1, argument]),
            name: Name::clipped("vnic"),
            profile: Name::clipped("default"),
            mtu: 1500,
            vif: Some(named).filter(|_| request == 1),
            owner_name: None,
            owner_uuid: None,
        }),
        2 => Request::VifDelete(VifDelete {
            vif: Some(named),
            uuid: None,
            code: Code::DETACHED,
            sentence: None,
        }),
        3 => Request::VifDelete(VifDelete {
            vif: None,
            uuid: None,
            code: Code::DETACHED,
            sentence: None,
        }),
        4 => Request::VifSet(VifSet {
            vif: named,
            mac: None,
            mtu: Some(1300 + u16::from(argument)),
        }),
        5 => Request::ListUnknown(ListUnknown {
            list: list(argument)?,
        }),
        6 => Request::Counters(Counters {
            vif: named,
            counters: VifCounters::default(),
        }),
        _ => Request::Prepare(Prepare {
            uuid: uuid(argument),
            identity: None,
        }),
    })
}
