//! What a stranger writes into a control socket.

use bytes::BytesMut;
use control_socket::frame::{
    Chunk, End, Frame, Hello, Kind, MAX_FROM_CLIENT, MAX_FROM_DAEMON, Refusal, parse, write,
};
use crate::marks::{mark, mark_variant};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// `data` is two octets and a stream. They say how long a frame may be (bit 7 of the first) and into
/// pieces of what sizes the stream is cut.
///
/// # Panics
/// The pieces make other frames than the whole, or what was read cannot be written and read again.
pub fn control_socket(data: &[u8]) {
    let Some((&[first, second], stream)) = data.split_first_chunk() else {
        return;
    };
    let limit = match first & 0x80 {
        0 => MAX_FROM_CLIENT,
        _ => MAX_FROM_DAEMON,
    };
    let whole = read([stream].into_iter(), limit);
    let sizes = [usize::from(first & 0x7F), usize::from(second)].map(|size| size + 1);
    let mut rest = stream;
    let pieces = sizes.into_iter().cycle().map_while(|size| {
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(read(pieces, limit), whole);
    mark_variant("end", &whole.end);
    for frame in &whole.frames {
        assert!(frame.body.len() < limit);
        mark_variant("frame", &frame.kind);
        match frame.kind {
            Kind::Hello => read_again::<Hello>(frame),
            Kind::Chunk => read_again::<Chunk>(frame),
            Kind::End => read_again::<End>(frame),
            Kind::Refusal => read_again::<Refusal>(frame),
            Kind::Request => {
                mark("Request of text", frame.read::<String>().is_ok());
            }
        }
    }
}

/// What came out of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    frames: Vec<Frame>,
    /// Why the stream cannot be followed any further, or what of it waits for more.
    end: Result<Vec<u8>, String>,
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, limit: usize) -> Heard {
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match parse(&mut buffer, limit) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    let end = Err(error.to_string());
                    return Heard { frames, end };
                }
            }
        }
    }
    Heard {
        frames,
        end: Ok(buffer.to_vec()),
    }
}

fn read_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(frame: &Frame) {
    let Ok(value) = frame.read::<T>() else { return };
    mark_variant("read", &value);
    let mut buffer = BytesMut::new();
    // Escapes may make it longer than it was.
    if write(&mut buffer, frame.kind, &value, 6 * MAX_FROM_DAEMON).is_ok() {
        let again = parse(&mut buffer, 6 * MAX_FROM_DAEMON).ok().flatten();
        let again = again.and_then(|frame| frame.read::<T>().ok());
        assert_eq!(again, Some(value));
    }
}
