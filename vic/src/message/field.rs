//! Fields: every body is a sequence of them, in any order.
//!
//! ```text
//!   octet 0          2        4
//!       +-+---------+--------+----------
//!       |c| number  | length | value ...
//!       +-+---------+--------+----------
//!        1    15        16
//! ```
//!
//! A field that is not known is skipped, unless its critical bit `c` is set: then the message is refused
//! as `unsupported`. One that may stand once and stands twice makes the message `malformed`.

use crate::identity::Uuid;
use crate::message::{Members, MessageError, Part, Profile, VifCounters};
use crate::refusal::Code;
use crate::text::Text;
use niv::{ListId, Mac, VifId};

/// What a field is called and how it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// 1..=32767.
    pub number: u16,
    /// As in docs/vic.md and the Wireshark dissector.
    pub name: &'static str,
    /// Whether a receiver that does not know the field has to refuse the message.
    pub critical: bool,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal $critical:literal,)+) => {
        $($(#[$doc])* pub const $name: Field = Field { number: $number, name: $text, critical: $critical };)+

        /// Every field this version knows.
        pub const FIELDS: &[Field] = &[$($name),+];
    };
}

fields! {
    /// VIF id, 1..=4095 (2 octets).
    VIF = 1 "vif" true,
    /// List id, 1..=16383 (2).
    LIST = 2 "list" true,
    /// UUID of a vNIC (16).
    UUID = 3 "uuid" true,
    /// MAC address of a vNIC (6).
    MAC = 4 "mac" true,
    /// Name of a vNIC, or of the box that speaks (1 to 64).
    NAME = 5 "name" true,
    /// Name of a port profile (1 to 64).
    PROFILE = 6 "profile" true,
    /// Name of the VM or container that a vNIC belongs to (1 to 128).
    OWNER_NAME = 7 "owner_name" false,
    /// Its UUID (16).
    OWNER_UUID = 8 "owner_uuid" false,
    /// MTU in octets after the EtherType (2).
    MTU = 9 "mtu" true,
    /// Members of a list: bit 7-n%8 of octet n/8 is VIF n; bit of VIF 0 is 0 (512).
    MEMBERS = 10 "members" true,
    /// Why, for programs (2).
    CODE = 11 "code" true,
    /// Why, for people (0 to 240).
    SENTENCE = 12 "sentence" false,
    /// Who a box is: its machine id (16).
    IDENTITY = 13 "identity" true,
    /// Term of a VIS, or the highest an IV has seen (8).
    TERM = 14 "term" true,
    /// How many VIFs an IV can hold (2).
    MAX_VIFS = 15 "max_vifs" true,
    /// How many lists an IV can hold (2).
    MAX_LISTS = 16 "max_lists" true,
    /// Bit 0: this end carries long frames (4).
    CAPABILITIES = 17 "capabilities" false,
    /// Hold time in milliseconds (4).
    HOLD = 18 "hold" true,
    /// Number of a vEth (4).
    VETH = 19 "veth" true,
    /// Name of a vEth as the VIS shows it (1 to 64).
    VETH_NAME = 20 "veth_name" false,
    /// 1: the vEth is up and the guest should see carrier; 0: not (1).
    UP = 21 "up" true,
    /// Which edition of the catalogue (4).
    GENERATION = 22 "generation" true,
    /// Which part of how many: index from 0 (2) and count (2).
    PART = 23 "part" true,
    /// A profile: length of its name (1), name, description. May stand many times (2 to 305).
    PROFILE_ENTRY = 24 "profile_entry" true,
    /// Frames and octets to the vNIC, frames and octets from it, copies made of lists, drops (8 each, 48).
    COUNTERS = 25 "counters" true,
    /// Octets of the frame after the EtherType (2).
    SIZE = 26 "size" true,
    /// Nothing, to make a frame long (any length).
    PADDING = 27 "padding" false,
    /// Program and version, for people (1 to 64).
    SOFTWARE = 28 "software" false,
}

/// A field's value on the wire.
pub(crate) trait Value: Sized {
    /// `None` when the octets are no such value.
    fn read(octets: &[u8]) -> Option<Self>;
    fn write(&self, to: &mut Vec<u8>);
}

/// How often a field stands: `T` once, `Option<T>` at most once, `Vec<T>` any number of times.
pub(crate) trait Carried: Sized {
    type Read: Default;
    fn take(read: &mut Self::Read, field: Field, octets: &[u8]) -> Result<(), MessageError>;
    fn finish(read: Self::Read, field: Field) -> Result<Self, MessageError>;
    fn put(&self, field: Field, to: &mut Vec<u8>);
}

impl<T: Value> Carried for T {
    type Read = Option<T>;

    fn take(read: &mut Option<T>, field: Field, octets: &[u8]) -> Result<(), MessageError> {
        if read.is_some() {
            return Err(MessageError::Twice(field.name));
        }
        *read = Some(T::read(octets).ok_or(MessageError::Value(field.name))?);
        Ok(())
    }

    fn finish(read: Option<T>, field: Field) -> Result<T, MessageError> {
        read.ok_or(MessageError::Missing(field.name))
    }

    fn put(&self, field: Field, to: &mut Vec<u8>) {
        let critical = u16::from(field.critical) << 15;
        to.extend_from_slice(&(field.number | critical).to_be_bytes());
        let length_at = to.len();
        to.extend_from_slice(&[0; 2]);
        self.write(to);
        let length = (to.len() - length_at - 2) as u16;
        if let Some(place) = to.get_mut(length_at..length_at + 2) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }
}

impl<T: Value> Carried for Option<T> {
    type Read = Option<T>;

    fn take(read: &mut Option<T>, field: Field, octets: &[u8]) -> Result<(), MessageError> {
        <T as Carried>::take(read, field, octets)
    }

    fn finish(read: Option<T>, _: Field) -> Result<Self, MessageError> {
        Ok(read)
    }

    fn put(&self, field: Field, to: &mut Vec<u8>) {
        if let Some(value) = self {
            value.put(field, to);
        }
    }
}

impl<T: Value> Carried for Vec<T> {
    type Read = Self;

    fn take(read: &mut Self, field: Field, octets: &[u8]) -> Result<(), MessageError> {
        read.push(T::read(octets).ok_or(MessageError::Value(field.name))?);
        Ok(())
    }

    fn finish(read: Self, _: Field) -> Result<Self, MessageError> {
        Ok(read)
    }

    fn put(&self, field: Field, to: &mut Vec<u8>) {
        for value in self {
            value.put(field, to);
        }
    }
}

/// One field: its number, whether it is critical, its value.
pub(crate) struct RawField<'a> {
    pub(crate) number: u16,
    pub(crate) critical: bool,
    pub(crate) octets: &'a [u8],
}

/// Takes the next field from the front of `body`. `None` at its end.
pub(crate) fn next_field<'a>(body: &mut &'a [u8]) -> Result<Option<RawField<'a>>, MessageError> {
    if body.is_empty() {
        return Ok(None);
    }
    let (&[a, b, c, d], rest) = body.split_first_chunk().ok_or(MessageError::Cut)?;
    let tag = u16::from_be_bytes([a, b]);
    let length = usize::from(u16::from_be_bytes([c, d]));
    let (octets, rest) = rest.split_at_checked(length).ok_or(MessageError::Cut)?;
    *body = rest;
    Ok(Some(RawField {
        number: tag & 0x7FFF,
        critical: tag >> 15 == 1,
        octets,
    }))
}

macro_rules! numbers {
    ($($type:ty,)+) => {$(
        impl Value for $type {
            fn read(octets: &[u8]) -> Option<Self> {
                octets.try_into().ok().map(Self::from_be_bytes)
            }

            fn write(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_be_bytes());
            }
        }
    )+};
}

numbers! { u16, u32, u64, }

macro_rules! ids {
    ($($type:ty,)+) => {$(
        impl Value for $type {
            fn read(octets: &[u8]) -> Option<Self> {
                u16::read(octets)?.try_into().ok()
            }

            fn write(&self, to: &mut Vec<u8>) {
                self.get().write(to);
            }
        }
    )+};
}

ids! { VifId, ListId, }

impl Value for bool {
    fn read(octets: &[u8]) -> Option<Self> {
        match octets {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }
}

impl Value for Uuid {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.0);
    }
}

/// An address of one vNIC: never a group's, never zero.
impl Value for Mac {
    fn read(octets: &[u8]) -> Option<Self> {
        let mac = octets.try_into().ok().map(Self)?;
        (!mac.is_group() && !mac.is_zero()).then_some(mac)
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.0);
    }
}

impl Value for Code {
    fn read(octets: &[u8]) -> Option<Self> {
        u16::read(octets).map(Self)
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
    }
}

impl<const MAX: usize> Value for Text<MAX> {
    fn read(octets: &[u8]) -> Option<Self> {
        Self::read(octets).ok()
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.as_str().as_bytes());
    }
}

impl Value for Members {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().and_then(Self::from_bytes)
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.as_bytes());
    }
}

impl Value for Part {
    fn read(octets: &[u8]) -> Option<Self> {
        let &[a, b, c, d] = octets else { return None };
        let part = Self {
            index: u16::from_be_bytes([a, b]),
            count: u16::from_be_bytes([c, d]),
        };
        (part.index < part.count).then_some(part)
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.index.write(to);
        self.count.write(to);
    }
}

impl Value for Profile {
    fn read(octets: &[u8]) -> Option<Self> {
        let (&length, rest) = octets.split_first()?;
        let (name, description) = rest.split_at_checked(length.into())?;
        Some(Self {
            name: Text::read(name).ok()?,
            description: Text::read(description).ok()?,
        })
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.push(self.name.as_str().len() as u8);
        self.name.write(to);
        self.description.write(to);
    }
}

impl Value for VifCounters {
    fn read(octets: &[u8]) -> Option<Self> {
        let (numbers, rest) = octets.as_chunks();
        let &[a, b, c, d, e, f] = numbers else {
            return None;
        };
        rest.is_empty().then_some(Self {
            to_frames: u64::from_be_bytes(a),
            to_octets: u64::from_be_bytes(b),
            from_frames: u64::from_be_bytes(c),
            from_octets: u64::from_be_bytes(d),
            list_copies: u64::from_be_bytes(e),
            dropped: u64::from_be_bytes(f),
        })
    }

    fn write(&self, to: &mut Vec<u8>) {
        for number in [
            self.to_frames,
            self.to_octets,
            self.from_frames,
            self.from_octets,
            self.list_copies,
            self.dropped,
        ] {
            number.write(to);
        }
    }
}

/// Octets that mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding(
    /// How many.
    pub u16,
);

impl Value for Padding {
    fn read(octets: &[u8]) -> Option<Self> {
        u16::try_from(octets.len()).ok().map(Self)
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.resize(to.len() + usize::from(self.0), 0);
    }
}
