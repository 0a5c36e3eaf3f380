//! Every message once, with every field, as frames.

use super::{IV_MAC, VIS_MAC, uuid};
use vic::ecp::{Header, Operation};
use vic::frame::{Addresses, Direction, Envelope, GROUP, acknowledgement, write};
use vic::message::{
    Abort, Answer, Body, Commit, Counters, Keepalive, Kind, ListDelete, ListSet, ListUnknown,
    Message, Open, OpenAnswer, Padding, Part, Prepare, Probe, ProbeAnswer, ProfileCatalogue,
    Reason, Request, VifCreate, VifCreateAnswer, VifDelete, VifDisable, VifEnable, VifSet,
    VifStatus,
};
use vic::{
    Authenticator, Code, Key, ListId, Mac, Nonce, Parameters, Profile, Refusal, Uuid, VifCounters,
    VifId,
};

pub fn key() -> Key {
    Key::new(b"0123456789abcdef").unwrap()
}

pub fn vif(n: u16) -> VifId {
    n.try_into().unwrap()
}

fn list(n: u16) -> ListId {
    n.try_into().unwrap()
}

pub fn open() -> Request {
    Request::Open(Open {
        identity: Uuid([1; 16]),
        name: "host1".parse().unwrap(),
        term: 0,
        mtu: 1600,
        hold: 900,
        max_vifs: 4095,
        max_lists: 4096,
        capabilities: Some(0),
        software: None,
    })
}

pub fn create() -> Request {
    Request::VifCreate(VifCreate {
        uuid: uuid(1),
        mac: Mac([2, 0, 0, 1, 0, 1]),
        name: "tap1".parse().unwrap(),
        profile: "default".parse().unwrap(),
        mtu: 1500,
        vif: Some(vif(5)),
        owner_name: None,
        owner_uuid: None,
    })
}

/// What is said, by whom, and under which transaction.
pub fn messages() -> Vec<(Direction, Message)> {
    use Direction::{Down, Up};
    let sentence = Some("because".parse().unwrap());
    let code = Code::SHUT;
    let full_create = match create() {
        Request::VifCreate(create) => Request::VifCreate(VifCreate {
            owner_name: Some("vm one".parse().unwrap()),
            owner_uuid: Some(Uuid([0xB0; 16])),
            ..create
        }),
        other => other,
    };
    let profile = |n: u8| Profile {
        name: format!("profile{n}").parse().unwrap(),
        description: "web servers".parse().unwrap(),
    };
    let counters = VifCounters {
        to_frames: 1,
        to_octets: 60,
        from_frames: 2,
        from_octets: 120,
        list_copies: 1,
        dropped: 3,
    };
    let requests = [
        (Up, open()),
        (Up, Request::Keepalive(Keepalive {})),
        (
            Down,
            Request::Probe(Probe {
                size: 200,
                padding: Some(Padding(110)),
            }),
        ),
        (
            Up,
            Request::Close(Reason {
                code: Code::GOING_AWAY,
                sentence: sentence.clone(),
            }),
        ),
        (Up, full_create),
        (Down, Request::VifEnable(VifEnable { vif: vif(5) })),
        (
            Down,
            Request::VifDisable(VifDisable {
                vif: vif(5),
                code,
                sentence: sentence.clone(),
            }),
        ),
        (
            Up,
            Request::VifSet(VifSet {
                vif: vif(5),
                mac: Some(Mac([2; 6])),
                mtu: Some(1400),
            }),
        ),
        (
            Down,
            Request::VifDelete(VifDelete {
                vif: Some(vif(5)),
                uuid: Some(uuid(1)),
                code,
                sentence: sentence.clone(),
            }),
        ),
        (
            Down,
            Request::VifStatus(VifStatus {
                vif: vif(5),
                up: false,
                code: Some(code),
                sentence,
            }),
        ),
        (
            Down,
            Request::ListSet(ListSet {
                list: list(9),
                members: [vif(1), vif(5), vif(4095)].into_iter().collect(),
            }),
        ),
        (
            Down,
            Request::ListDelete(ListDelete {
                list: Some(list(9)),
            }),
        ),
        (Up, Request::ListUnknown(ListUnknown { list: list(9) })),
        (
            Down,
            Request::ProfileCatalogue(ProfileCatalogue {
                generation: 3,
                part: Part { index: 0, count: 1 },
                profiles: vec![profile(1), profile(2)],
            }),
        ),
        (
            Up,
            Request::Prepare(Prepare {
                uuid: uuid(1),
                identity: Some(Uuid([3; 16])),
            }),
        ),
        (Up, Request::Commit(Commit { uuid: uuid(1) })),
        (Up, Request::Abort(Abort { uuid: uuid(1) })),
        (
            Up,
            Request::Counters(Counters {
                vif: vif(5),
                counters,
            }),
        ),
    ];
    let mut all: Vec<(Direction, Body)> = requests.map(|(way, r)| (way, Body::Request(r))).into();
    let answer = OpenAnswer {
        identity: Uuid([2; 16]),
        name: "rack1".parse().unwrap(),
        term: 4,
        mtu: 1600,
        hold: 900,
        capabilities: Some(1),
        software: Some("vis 0.1.0".parse().unwrap()),
    };
    let veth = VifCreateAnswer {
        vif: vif(5),
        veth: 77,
        veth_name: Some("veth77".parse().unwrap()),
    };
    all.push((Down, Body::Answer(Answer::Open(answer))));
    all.push((Up, Body::Answer(Answer::Probe(ProbeAnswer { size: 200 }))));
    all.push((Down, Body::Answer(Answer::VifCreate(veth))));
    all.push((Up, Body::Answer(Answer::Done(Kind::ListSet))));
    all.push((
        Down,
        Body::Refused(Kind::VifCreate, Refusal::new(Code::IN_USE, "elsewhere")),
    ));
    let transaction = |body: &Body| match body {
        Body::Request(
            Request::Open(_) | Request::Keepalive(_) | Request::Probe(_) | Request::Close(_),
        ) => 0,
        Body::Answer(Answer::Open(_) | Answer::Probe(_)) => 0,
        _ => 7,
    };
    let message = |(way, body)| {
        (
            way,
            Message {
                transaction: transaction(&body),
                body,
            },
        )
    };
    all.into_iter().map(message).collect()
}

/// A frame with these messages.
pub fn frame(way: Direction, messages: &[Message], sequence: u64, key: Option<&Key>) -> Vec<u8> {
    let parameters = Parameters::default();
    let aside = messages.iter().all(|message| message.transaction == 0);
    let opening = messages
        .iter()
        .any(|m| matches!(&m.body, Body::Request(Request::Open(_))));
    let subtype = if aside {
        parameters.unacknowledged_subtype
    } else {
        parameters.subtype
    };
    let (own, peer, addresses) = match way {
        Direction::Up => (
            Nonce(0x1111_1111_1111_1111),
            Nonce(0x2222_2222_2222_2222),
            Addresses {
                destination: VIS_MAC,
                source: IV_MAC,
            },
        ),
        Direction::Down => (
            Nonce(0x2222_2222_2222_2222),
            Nonce(0x1111_1111_1111_1111),
            Addresses {
                destination: IV_MAC,
                source: VIS_MAC,
            },
        ),
    };
    let envelope = Envelope {
        direction: way,
        sender: own,
        receiver: if opening { Nonce::NONE } else { peer },
        sequence: if opening { 0 } else { sequence },
    };
    let addresses = match opening {
        true => Addresses {
            destination: GROUP,
            ..addresses
        },
        false => addresses,
    };
    let header = Header {
        operation: Operation::Request,
        subtype,
        sequence: 1,
    };
    let mut octets = Vec::new();
    messages
        .iter()
        .for_each(|message| message.write(&mut octets));
    write(
        &parameters,
        addresses,
        header,
        envelope,
        &octets,
        &Authenticator::of(key),
    )
}

/// A frame for each message, one with them all that fit, and an acknowledgement.
pub fn frames() -> Vec<Vec<u8>> {
    let key = key();
    let mut frames: Vec<Vec<u8>> = messages()
        .into_iter()
        .zip(1..)
        .map(|((way, message), sequence)| {
            let key = (sequence % 2 == 0).then_some(&key);
            frame(way, &[message], sequence, key)
        })
        .collect();
    let down = messages()
        .into_iter()
        .filter(|(way, m)| *way == Direction::Down && m.transaction == 7);
    let batch: Vec<Message> = down.map(|(_, message)| message).collect();
    frames.push(frame(Direction::Down, &batch, 99, Some(&key)));
    let addresses = Addresses {
        destination: VIS_MAC,
        source: IV_MAC,
    };
    frames.push(acknowledgement(&Parameters::default(), addresses, 1));
    frames
}
