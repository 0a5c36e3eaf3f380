//! Frames and messages of the control protocol.

use crate::marks::{is_looking, mark, mark_variant, variant};
use vic::frame::{Received, read};
use vic::message::{Answer, Body, Request, batch};
use vic::{Authenticator, Mac, Parameters};

/// `data` is a frame, and a batch of messages.
///
/// # Panics
/// A reader panics, or what was read and written is read as something else.
pub fn vic_message(data: &[u8]) {
    let own = data.first_chunk().map_or(Mac::default(), |&mac| Mac(mac));
    let received = read(&Parameters::default(), own, data);
    match &received {
        Ok(received) => mark_variant("frame", received),
        Err(error) => mark_variant("frame", error),
    }
    if let Ok(Received::Pdu(pdu)) = received {
        let messages = pdu.verify(&Authenticator::crc());
        mark("authentic", messages.is_some());
        assert!(messages.is_none_or(|messages| messages.len() < data.len()));
        messages.into_iter().for_each(messages_hold);
    }
    messages_hold(data);
}

fn messages_hold(octets: &[u8]) {
    let messages = match batch(octets) {
        Ok(messages) => messages,
        Err(error) => return mark_variant("batch", &error),
    };
    let length: usize = messages.iter().map(|raw| 8 + raw.fields.len()).sum();
    assert_eq!(length, octets.len(), "a batch is its messages and nothing else");
    for raw in messages {
        let message = match raw.read() {
            Ok(message) => message,
            Err(error) => {
                mark_variant("message", &error);
                continue;
            }
        };
        if is_looking() {
            mark_body(&message.body);
        }
        let written = message.to_bytes();
        let again = batch(&written).map(|batch| batch.first().map(|raw| raw.read()));
        assert_eq!(again, Ok(Some(Ok(message.clone()))));
        if let Body::Request(Request::ListSet(set)) = &message.body {
            assert_eq!(set.members.iter().count(), set.members.len());
            assert_eq!(set.members.iter().collect::<vic::Members>(), set.members);
        }
    }
}

fn mark_body(body: &Body) {
    match body {
        Body::Request(request) => mark_variant("Request", &request.kind()),
        Body::Answer(Answer::Done(kind)) => mark_variant("Answer Done", kind),
        Body::Answer(answer) => mark("Answer", variant(answer)),
        Body::Refused(kind, _) => mark_variant("Refusal", kind),
    }
}
