//! What the two ends say to each other (design.md section 6; docs/vic.md has it field by field).
//!
//! ```text
//!   octet 0      1      2          4                 8
//!       +------+------+----------+-----------------+---------
//!       | kind | role | length n |   transaction   | fields (n octets) ...
//!       +------+------+----------+-----------------+---------
//! ```
//!
//! Role 0 asks, 1 answers, 2 answers no (with code and sentence). A PDU holds a batch of messages, one
//! after the other.

mod catalogue;
pub mod field;
mod layout;
mod link;
mod list;
mod vif;

pub use catalogue::{Part, Profile, ProfileCatalogue};
pub use field::Padding;
pub use link::{Keepalive, Open, OpenAnswer, Probe, ProbeAnswer, Reason};
pub use list::{ListDelete, ListSet, ListUnknown, Members};
pub use vif::{
    Abort, Commit, Counters, Prepare, VifCounters, VifCreate, VifCreateAnswer, VifDelete,
    VifDisable, VifEnable, VifSet, VifStatus,
};

use crate::refusal::{Code, Refusal};
use layout::Layout;
use thiserror::Error;

/// Octets in front of a message's fields.
pub const MESSAGE_HEADER: usize = 8;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)+) => {
        /// What a message is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)+
        }

        impl Kind {
            /// Every kind this version knows.
            pub const ALL: &[Self] = &[$(Self::$name),+];
        }

        /// What asks. Open, Keepalive, Probe and Close stand outside transactions: theirs is 0.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Request {
            $($(#[$doc])* $name(kinds!(@type $name)),)+
        }

        impl Request {
            /// What it is about.
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$name(_) => Kind::$name,)+
                }
            }

            fn read(kind: Kind, octets: &[u8]) -> Result<Self, MessageError> {
                match kind {
                    $(Kind::$name => <kinds!(@type $name)>::read(octets).map(Self::$name),)+
                }
            }

            fn write(&self, to: &mut Vec<u8>) {
                match self {
                    $(Self::$name(body) => body.write(to),)+
                }
            }
        }
    };
    (@type Close) => { Reason };
    (@type $name:ident) => { $name };
}

kinds! {
    /// Opens a session.
    Open = 1,
    /// Says that one is there.
    Keepalive = 2,
    /// Asks whether a long frame arrives.
    Probe = 3,
    /// Ends the session.
    Close = 4,
    /// Makes a VIF.
    VifCreate = 16,
    /// Lets frames pass.
    VifEnable = 17,
    /// Lets no frames pass.
    VifDisable = 18,
    /// Changes address or MTU.
    VifSet = 19,
    /// Ends a VIF.
    VifDelete = 20,
    /// Says how the vEth is.
    VifStatus = 21,
    /// Makes a list.
    ListSet = 32,
    /// Ends a list.
    ListDelete = 33,
    /// Reports a list that is not known.
    ListUnknown = 34,
    /// Says which profiles there are.
    ProfileCatalogue = 48,
    /// Announces a move.
    Prepare = 64,
    /// Completes a move.
    Commit = 65,
    /// Calls a move off.
    Abort = 66,
    /// Says what passed.
    Counters = 80,
}

impl Kind {
    /// The kind of that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|&&kind| kind as u8 == number)
            .copied()
    }
}

/// An answer that says yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To Open.
    Open(OpenAnswer),
    /// To Probe.
    Probe(ProbeAnswer),
    /// To VifCreate.
    VifCreate(VifCreateAnswer),
    /// To any other: done. Without fields.
    Done(Kind),
}

impl Answer {
    /// What it answers.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Open(_) => Kind::Open,
            Self::Probe(_) => Kind::Probe,
            Self::VifCreate(_) => Kind::VifCreate,
            Self::Done(kind) => *kind,
        }
    }

    fn read(kind: Kind, octets: &[u8]) -> Result<Self, MessageError> {
        match kind {
            Kind::Open => OpenAnswer::read(octets).map(Self::Open),
            Kind::Probe => ProbeAnswer::read(octets).map(Self::Probe),
            Kind::VifCreate => VifCreateAnswer::read(octets).map(Self::VifCreate),
            Kind::Keepalive | Kind::Close => Err(MessageError::NoAnswer),
            // A body without fields, whatever it is called.
            kind => Keepalive::read(octets).map(|Keepalive {}| Self::Done(kind)),
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Open(body) => body.write(to),
            Self::Probe(body) => body.write(to),
            Self::VifCreate(body) => body.write(to),
            Self::Done(_) => {}
        }
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Asks or tells.
    Request(Request),
    /// Says yes.
    Answer(Answer),
    /// Says no.
    Refused(Kind, Refusal),
}

/// A message.
///
/// ```
/// use vic::message::{Body, Kind, Message, Request, VifEnable, batch};
/// use niv::VifId;
///
/// let vif = VifId::try_from(5)?;
/// let enable = Message { transaction: 9, body: Body::Request(Request::VifEnable(VifEnable { vif })) };
/// let octets = enable.to_bytes();
/// assert_eq!(octets, [17, 0, 0, 6, 0, 0, 0, 9, 0x80, 1, 0, 2, 0, 5]);
/// let read = batch(&octets)?;
/// assert_eq!(read[0].read()?, enable);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which request an answer belongs to: 1, 2, 3 in the order an end asks; 0 outside transactions.
    pub transaction: u32,
    /// What it says.
    pub body: Body,
}

impl Message {
    /// What it is about.
    pub const fn kind(&self) -> Kind {
        match &self.body {
            Body::Request(request) => request.kind(),
            Body::Answer(answer) => answer.kind(),
            Body::Refused(kind, _) => *kind,
        }
    }

    /// Appends the message to a batch.
    pub fn write(&self, to: &mut Vec<u8>) {
        let role = match &self.body {
            Body::Request(_) => Role::Request,
            Body::Answer(_) => Role::Answer,
            Body::Refused(..) => Role::Refusal,
        };
        write_message(
            to,
            self.kind() as u8,
            role,
            self.transaction,
            |to| match &self.body {
                Body::Request(request) => request.write(to),
                Body::Answer(answer) => answer.write(to),
                Body::Refused(_, refusal) => Reason::from(refusal.clone()).write(to),
            },
        );
    }

    /// The message alone.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        self.write(&mut octets);
        octets
    }
}

/// Refuses a request, also one of a kind that is not known here.
pub(crate) fn refuse(kind: u8, transaction: u32, refusal: &Refusal) -> Vec<u8> {
    let mut octets = Vec::new();
    write_message(&mut octets, kind, Role::Refusal, transaction, |to| {
        Reason::from(refusal.clone()).write(to);
    });
    octets
}

fn write_message(
    to: &mut Vec<u8>,
    kind: u8,
    role: Role,
    transaction: u32,
    fields: impl FnOnce(&mut Vec<u8>),
) {
    to.extend_from_slice(&[kind, role as u8]);
    let length_at = to.len();
    to.extend_from_slice(&[0; 2]);
    to.extend_from_slice(&transaction.to_be_bytes());
    fields(to);
    let length = (to.len() - length_at - 6) as u16;
    if let Some(place) = to.get_mut(length_at..length_at + 2) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Asks, answers, or answers no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Asks or tells.
    Request = 0,
    /// Answers.
    Answer = 1,
    /// Answers no.
    Refusal = 2,
}

/// A message whose header alone has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawMessage<'a> {
    /// Number of its kind, known or not.
    pub kind: u8,
    /// Whether it asks or answers.
    pub role: Role,
    /// Which request it is or belongs to.
    pub transaction: u32,
    /// Its fields.
    pub fields: &'a [u8],
}

impl RawMessage<'_> {
    /// Reads the fields.
    ///
    /// # Errors
    /// See [`MessageError`].
    pub fn read(&self) -> Result<Message, MessageError> {
        let kind = Kind::from_number(self.kind).ok_or(MessageError::UnknownKind(self.kind))?;
        let body = match self.role {
            Role::Request => Body::Request(Request::read(kind, self.fields)?),
            Role::Answer => Body::Answer(Answer::read(kind, self.fields)?),
            Role::Refusal => Body::Refused(kind, Reason::read(self.fields)?.into()),
        };
        Ok(Message {
            transaction: self.transaction,
            body,
        })
    }
}

/// Splits a batch. Either every message has its whole header and body, or none is taken.
///
/// # Errors
/// [`MessageError::Cut`] or [`MessageError::Role`].
pub fn batch(mut octets: &[u8]) -> Result<Vec<RawMessage<'_>>, MessageError> {
    let mut messages = Vec::new();
    while !octets.is_empty() {
        let header = octets.split_first_chunk().ok_or(MessageError::Cut)?;
        let (&[kind, role, a, b, c, d, e, f], rest) = header;
        let role = match role {
            0 => Role::Request,
            1 => Role::Answer,
            2 => Role::Refusal,
            role => return Err(MessageError::Role(role)),
        };
        let length = usize::from(u16::from_be_bytes([a, b]));
        let (fields, rest) = rest.split_at_checked(length).ok_or(MessageError::Cut)?;
        messages.push(RawMessage {
            kind,
            role,
            transaction: u32::from_be_bytes([c, d, e, f]),
            fields,
        });
        octets = rest;
    }
    Ok(messages)
}

/// Why a message was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// It ends too early.
    #[error("the message is cut short")]
    Cut,
    /// A role there is not.
    #[error("a message has role 0, 1 or 2, and this one has {0}")]
    Role(u8),
    /// A kind there is not in this version.
    #[error("messages of kind {0} are not known here")]
    UnknownKind(u8),
    /// A field that is not known and must be.
    #[error("field {0} is critical and not known here")]
    UnknownField(u16),
    /// A field's value is out of range.
    #[error("the value of field `{0}` is out of range")]
    Value(&'static str),
    /// A field that has to be there is not.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    /// A field stands twice.
    #[error("field `{0}` stands twice")]
    Twice(&'static str),
    /// An answer to what is not answered.
    #[error("messages of this kind have no answer")]
    NoAnswer,
}

impl MessageError {
    /// The code with which a request is refused for it.
    pub const fn code(self) -> Code {
        match self {
            Self::UnknownKind(_) | Self::UnknownField(_) => Code::UNSUPPORTED,
            _ => Code::MALFORMED,
        }
    }
}

impl From<MessageError> for Refusal {
    fn from(error: MessageError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
