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
    /// Octets of its value, at least and at most.
    pub size: (u16, u16),
    /// The numbers it may hold, at least and at most; [`ANY`] also where it holds none.
    pub range: (u64, u64),
}

/// Every number that fits.
pub const ANY: (u64, u64) = (0, u64::MAX);

impl Field {
    /// Whether its size, and its number if it is one, are in range. What else a value has to be is its type's.
    fn allows(&self, octets: &[u8]) -> bool {
        let (least, most) = self.size;
        let fits = usize::from(least) <= octets.len() && octets.len() <= usize::from(most);
        fits && (self.range == ANY || {
            let number = octets
                .iter()
                .fold(0, |n: u64, &octet| n << 8 | u64::from(octet));
            self.range.0 <= number && number <= self.range.1
        })
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal $critical:literal $size:expr, $range:expr;)+) => {
        $($(#[$doc])* pub const $name: Field = Field {
            number: $number,
            name: $text,
            critical: $critical,
            size: $size,
            range: $range,
        };)+

        /// Every field this version knows.
        pub const FIELDS: &[Field] = &[$($name),+];
    };
}

fields! {
    /// VIF id, 1..=4095 (2 octets).
    VIF = 1 "vif" true (2, 2), (1, 4095);
    /// List id.
    LIST = 2 "list" true (2, 2), (1, 16_383);
    /// UUID of a vNIC.
    UUID = 3 "uuid" true (16, 16), ANY;
    /// MAC address of a vNIC.
    MAC = 4 "mac" true (6, 6), ANY;
    /// Name of a vNIC, or of the box that speaks.
    NAME = 5 "name" true (0, 64), ANY;
    /// Name of a port profile.
    PROFILE = 6 "profile" true (0, 64), ANY;
    /// Name of the VM or container that a vNIC belongs to.
    OWNER_NAME = 7 "owner_name" false (0, 128), ANY;
    /// Its UUID.
    OWNER_UUID = 8 "owner_uuid" false (16, 16), ANY;
    /// MTU in octets after the EtherType.
    MTU = 9 "mtu" true (2, 2), (68, 65_535);
    /// Members of a list: bit 7-n%8 of octet n/8 is VIF n; bit of VIF 0 is 0.
    MEMBERS = 10 "members" true (512, 512), ANY;
    /// Why, for programs.
    CODE = 11 "code" true (2, 2), ANY;
    /// Why, for people.
    SENTENCE = 12 "sentence" false (0, 240), ANY;
    /// Who a box is: its machine id.
    IDENTITY = 13 "identity" true (16, 16), ANY;
    /// Term of a VIS, or the highest an IV has seen.
    TERM = 14 "term" true (8, 8), ANY;
    /// How many VIFs an IV can hold.
    MAX_VIFS = 15 "max_vifs" true (2, 2), (1, 4095);
    /// How many lists an IV can hold.
    MAX_LISTS = 16 "max_lists" true (2, 2), (0, 16_383);
    /// Bit 0: this end carries long frames.
    CAPABILITIES = 17 "capabilities" false (4, 4), ANY;
    /// Hold time in milliseconds.
    HOLD = 18 "hold" true (4, 4), (100, 60_000);
    /// Number of a vEth.
    VETH = 19 "veth" true (4, 4), ANY;
    /// Name of a vEth as the VIS shows it.
    VETH_NAME = 20 "veth_name" false (0, 64), ANY;
    /// 1: the vEth is up and the guest should see carrier; 0: not.
    UP = 21 "up" true (1, 1), (0, 1);
    /// Which edition of the catalogue.
    GENERATION = 22 "generation" true (4, 4), ANY;
    /// Which part of how many: index from 0 (2) and count.
    PART = 23 "part" true (4, 4), ANY;
    /// A profile: length of its name (1), name, description. May stand many times.
    PROFILE_ENTRY = 24 "profile_entry" true (1, 305), ANY;
    /// Frames and octets to the vNIC, frames and octets from it, copies made of lists, drops.
    COUNTERS = 25 "counters" true (48, 48), ANY;
    /// Octets of the frame after the EtherType.
    SIZE = 26 "size" true (2, 2), ANY;
    /// Nothing, to make a frame long.
    PADDING = 27 "padding" false (0, 65_535), ANY;
    /// Program and version, for people.
    SOFTWARE = 28 "software" false (0, 64), ANY;
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
        *read = Some(value(field, octets)?);
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
        read.push(value(field, octets)?);
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

fn value<T: Value>(field: Field, octets: &[u8]) -> Result<T, MessageError> {
    let allowed = Some(octets).filter(|octets| field.allows(octets));
    allowed
        .and_then(T::read)
        .ok_or(MessageError::Value(field.name))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Body, Kind, RawMessage, Role};

    fn mtu_of_vif_set(mtu: u16) -> Result<Option<u16>, MessageError> {
        let mut fields = vec![0x80, 1, 0, 2, 0, 5, 0x80, 9, 0, 2];
        fields.extend_from_slice(&mtu.to_be_bytes());
        let raw = RawMessage {
            kind: Kind::VifSet as u8,
            role: Role::Request,
            transaction: 1,
            fields: &fields,
        };
        Ok(match raw.read()?.body {
            Body::Request(crate::message::Request::VifSet(set)) => set.mtu,
            _ => None,
        })
    }

    #[test]
    fn a_number_out_of_its_fields_range_is_malformed() {
        assert_eq!(mtu_of_vif_set(68), Ok(Some(68)));
        assert_eq!(mtu_of_vif_set(67), Err(MessageError::Value("mtu")));
        for field in FIELDS.iter().filter(|field| field.range != ANY) {
            let size = usize::from(field.size.1);
            let octets = |number: u64| number.to_be_bytes()[8 - size..].to_vec();
            let (least, most) = field.range;
            assert!(field.allows(&octets(least)) && field.allows(&octets(most)));
            assert!(
                least == 0 || !field.allows(&octets(least - 1)),
                "{}",
                field.name
            );
            let limit = 1 << (8 * size);
            assert!(
                most + 1 == limit || !field.allows(&octets(most + 1)),
                "{}",
                field.name
            );
            assert!(!field.allows(&[0; 9]) && !field.allows(&[]));
        }
    }
}
