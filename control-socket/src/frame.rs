//! Frames: the bytes on the socket, and nothing else. Sans-IO.
//!
//! ```text
//!   octet  0        1        2        3        4        5 ...
//!         +--------+--------+--------+--------+--------+-------------------+
//!         |  length of kind and body, MSB first| kind   | body: JSON        |
//!         +--------+--------+--------+--------+--------+-------------------+
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The name both ends open with.
pub const PROTOCOL: &str = "niv-control";

/// The protocol version spoken here. Ends of different versions refuse each other.
pub const VERSION: u32 = 1;

/// Octets of length in front of every frame.
const PREFIX: usize = 4;

/// The longest frame a client may send, kind and body: a request is a command line.
pub const MAX_FROM_CLIENT: usize = 64 * 1024;

/// The longest frame a daemon may send. Longer output is cut into several chunks.
pub const MAX_FROM_DAEMON: usize = 1024 * 1024;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Both ways, first.
    Hello,
    /// From the client.
    Request,
    /// From the daemon, after a request.
    Chunk,
    /// From the daemon: the answer is complete.
    End,
    /// From the daemon: a sentence that says why it will not go on; then it closes.
    Refusal,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Hello => 1,
            Self::Request => 2,
            Self::Chunk => 3,
            Self::End => 4,
            Self::Refusal => 5,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Hello,
            2 => Self::Request,
            3 => Self::Chunk,
            4 => Self::End,
            5 => Self::Refusal,
            _ => return None,
        })
    }
}

/// The first frame each way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: String,
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The program at this end: `vis`, `iv`.
    pub program: String,
    /// Its release.
    pub release: String,
    /// Its process id.
    pub pid: u32,
}

impl Hello {
    /// Of this process.
    pub fn of(program: &str, release: &str) -> Self {
        Self {
            protocol: PROTOCOL.to_owned(),
            version: VERSION,
            program: program.to_owned(),
            release: release.to_owned(),
            pid: std::process::id(),
        }
    }
}

/// Where a piece of output belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Where it belongs.
    pub stream: Stream,
    /// Printed as it stands.
    pub text: String,
}

/// The last frame of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// What the command line exits with.
    pub status: u8,
}

/// Why the other end will not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A sentence for the user.
    pub reason: String,
}

/// A frame whose body has not been read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// JSON, so it says.
    pub body: Bytes,
}

impl Frame {
    /// The body as a `T`.
    ///
    /// # Errors
    /// It is not one.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        serde_json::from_slice(&self.body).map_err(|source| FrameError::Body {
            kind: self.kind,
            source,
        })
    }
}

/// Octets that are no frame, or a value that fits none.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is 0 or more than the limit.
    #[error("a frame of {length} octets: this end takes 1 to {limit}")]
    Length {
        /// What the prefix says.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// No such kind.
    #[error("frame kind {0} is not part of the protocol")]
    UnknownKind(u8),
    /// The body is not what the kind says.
    #[error("the body of a {kind:?} frame cannot be read")]
    Body {
        /// What the frame claims to be.
        kind: Kind,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The value cannot be written.
    #[error("the body of a {kind:?} frame cannot be written")]
    Write {
        /// What the frame was to be.
        kind: Kind,
        /// Why not.
        source: serde_json::Error,
    },
}

/// Takes the first whole frame out of `buffer`; `None` until there is one.
///
/// # Errors
/// The prefix breaks `limit` or the kind is unknown: the stream cannot be followed any further.
pub fn parse(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frame>, FrameError> {
    let Some(prefix) = buffer.first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*prefix) as usize;
    if length == 0 || length > limit {
        return Err(FrameError::Length { length, limit });
    }
    if buffer.len() < PREFIX + length {
        return Ok(None);
    }
    buffer.advance(PREFIX);
    let mut body = buffer.split_to(length).freeze();
    let code = body.get_u8();
    let kind = Kind::from_code(code).ok_or(FrameError::UnknownKind(code))?;
    Ok(Some(Frame { kind, body }))
}

/// Appends a frame to `buffer`.
///
/// # Errors
/// `body` is no JSON, or the frame would be longer than `limit`; `buffer` is as it was.
pub fn write<T: Serialize>(
    buffer: &mut BytesMut,
    kind: Kind,
    body: &T,
    limit: usize,
) -> Result<(), FrameError> {
    let body = serde_json::to_vec(body).map_err(|source| FrameError::Write { kind, source })?;
    let length = body.len() + 1;
    if length > limit {
        return Err(FrameError::Length { length, limit });
    }
    buffer.reserve(PREFIX + length);
    // `limit` is far below 2^32.
    buffer.put_u32(length as u32);
    buffer.put_u8(kind.code());
    buffer.put_slice(&body);
    Ok(())
}

/// Text cut so that each piece fits a chunk frame, whatever it looks like once escaped.
pub(crate) fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    // JSON writes an octet as 6 at most (\u00XX).
    const PIECE: usize = (MAX_FROM_DAEMON - 256) / 6;
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let at = text.floor_char_boundary(PIECE.min(text.len()));
        let (piece, rest) = text.split_at_checked(at)?;
        text = rest;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_comes_out_whole_or_not_at_all() {
        let mut whole = BytesMut::new();
        write(&mut whole, Kind::End, &End { status: 3 }, 100).unwrap();
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..cut]);
            assert_eq!(parse(&mut part, 100).unwrap(), None);
            assert_eq!(part.len(), cut, "nothing is taken before it is whole");
        }
        let frame = parse(&mut whole, 100).unwrap().unwrap();
        assert_eq!(frame.read::<End>().unwrap(), End { status: 3 });
        assert!(whole.is_empty());
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_stored() {
        let mut buffer = BytesMut::from(&[0xFF, 0xFF, 0xFF, 0xFF][..]);
        assert!(matches!(
            parse(&mut buffer, 100),
            Err(FrameError::Length { limit: 100, .. })
        ));
        let mut buffer = BytesMut::from(&[0, 0, 0, 0][..]);
        assert!(parse(&mut buffer, 100).is_err());
    }

    #[test]
    fn long_output_is_cut_where_a_frame_holds_it() {
        let text = "\u{1}\u{20ac}".repeat(400_000);
        let mut together = String::new();
        for piece in pieces(&text) {
            let chunk = Chunk {
                stream: Stream::Out,
                text: piece.to_owned(),
            };
            write(&mut BytesMut::new(), Kind::Chunk, &chunk, MAX_FROM_DAEMON).unwrap();
            together.push_str(piece);
        }
        assert_eq!(together, text);
    }

    proptest! {
        #[test]
        fn parsing_is_total(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(&octets[..]);
            while let Ok(Some(frame)) = parse(&mut buffer, 200) {
                let _ = frame.read::<Hello>();
            }
        }

        #[test]
        fn what_is_written_is_read(status in any::<u8>(), text in ".{0,80}") {
            let mut buffer = BytesMut::new();
            let chunk = Chunk { stream: Stream::Err, text };
            write(&mut buffer, Kind::Chunk, &chunk, MAX_FROM_DAEMON).unwrap();
            write(&mut buffer, Kind::End, &End { status }, MAX_FROM_DAEMON).unwrap();
            let first = parse(&mut buffer, MAX_FROM_DAEMON).unwrap().unwrap();
            prop_assert_eq!(first.kind, Kind::Chunk);
            prop_assert_eq!(first.read::<Chunk>().unwrap(), chunk);
            let second = parse(&mut buffer, MAX_FROM_DAEMON).unwrap().unwrap();
            prop_assert_eq!(second.read::<End>().unwrap(), End { status });
        }
    }
}
