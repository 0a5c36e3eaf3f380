//! Frames and messages of the control protocol.

use vic::frame::{Received, read};
use vic::message::{Body, Request, batch};
use vic::{Authenticator, Mac, Parameters};

/// `data` is a frame, and a batch of messages.
///
/// # Panics
/// A reader panics, or what was read and written is read as something else.
pub fn vic_message(data: &[u8]) {
    let own = data.first_chunk().map_or(Mac::default(), |&mac| Mac(mac));
    if let Ok(Received::Pdu(pdu)) = read(&Parameters::default(), own, data) {
        let messages = pdu.verify(&Authenticator::crc());
        assert!(messages.is_none_or(|messages| messages.len() < data.len()));
        messages.into_iter().for_each(messages_hold);
    }
    messages_hold(data);
}

fn messages_hold(octets: &[u8]) {
    let Ok(messages) = batch(octets) else { return };
    let length: usize = messages.iter().map(|raw| 8 + raw.fields.len()).sum();
    assert_eq!(length, octets.len(), "a batch is its messages and nothing else");
    for raw in messages {
        let Ok(message) = raw.read() else { continue };
        let written = message.to_bytes();
        let again = batch(&written).map(|batch| batch.first().map(|raw| raw.read()));
        assert_eq!(again, Ok(Some(Ok(message.clone()))));
        if let Body::Request(Request::ListSet(set)) = &message.body {
            assert_eq!(set.members.iter().count(), set.members.len());
            assert_eq!(set.members.iter().collect::<vic::Members>(), set.members);
        }
    }
}
