//! How a struct becomes a sequence of fields.

/// A body: declares the struct, and reads and writes it by the fields named beside its members.
macro_rules! body {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$member_doc:meta])* pub $member:ident: $type:ty = $field:ident,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$member_doc])* pub $member: $type,)*
        }

        impl $crate::message::layout::Layout for $name {
            fn read(mut octets: &[u8]) -> Result<Self, $crate::message::MessageError> {
                use $crate::message::field;
                $(let mut $member = <<$type as field::Carried>::Read>::default();)*
                while let Some(raw) = field::next_field(&mut octets)? {
                    match raw.number {
                        $(number if number == field::$field.number => {
                            <$type as field::Carried>::take(&mut $member, field::$field, raw.octets)?;
                        })*
                        number if raw.critical => {
                            return Err($crate::message::MessageError::UnknownField(number));
                        }
                        _ => {}
                    }
                }
                Ok(Self {
                    $($member: <$type as field::Carried>::finish($member, field::$field)?,)*
                })
            }

            #[allow(unused_variables, reason = "a body may have no fields")]
            fn write(&self, to: &mut Vec<u8>) {
                $($crate::message::field::Carried::put(
                    &self.$member,
                    $crate::message::field::$field,
                    to,
                );)*
            }
        }
    };
}

pub(crate) use body;

use crate::message::MessageError;

/// A body that can be read and written.
pub(crate) trait Layout: Sized {
    fn read(octets: &[u8]) -> Result<Self, MessageError>;
    fn write(&self, to: &mut Vec<u8>);
}
