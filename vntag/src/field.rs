//! Fields narrower than the integers that carry them: a type each, which cannot hold too much.

/// A value that does not fit its field.
///
/// ```
/// use vntag::{OutOfRange, Svif};
///
/// assert_eq!(Svif::try_from(4096), Err(OutOfRange { value: 4096, max: 4095 }));
/// assert_eq!(Svif::try_from(4096).unwrap_err().to_string(), "4096 does not fit: at most 4095");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// What was given.
    pub value: u16,
    /// The largest value the field can hold.
    pub max: u16,
}

impl core::fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} does not fit: at most {}", self.value, self.max)
    }
}

impl core::error::Error for OutOfRange {}

/// `field!(docs, Name, integer, bits)`
macro_rules! field {
    ($(#[$doc:meta])* $name:ident, $integer:ty, $bits:literal) => {
        $(#[$doc])*
        ///
        /// ```
        #[doc = concat!("use vntag::", stringify!($name), ";")]
        ///
        #[doc = concat!("assert_eq!(", stringify!($name), "::MAX.get(), (1 << ", $bits, ") - 1);")]
        #[doc = concat!("assert_eq!(", stringify!($name), "::try_from(1).map(", stringify!($name), "::get), Ok(1));")]
        #[doc = concat!("assert!(", stringify!($name), "::try_from(1 << ", $bits, ").is_err());")]
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($integer);

        impl $name {
            /// All bits 0.
            pub const ZERO: Self = Self(0);
            /// All bits 1.
            pub const MAX: Self = Self((1 << $bits) - 1);

            /// The low bits of `word`; the others are not looked at.
            ///
            /// ```
            #[doc = concat!("# use vntag::", stringify!($name), ";")]
            #[doc = concat!("assert_eq!(", stringify!($name), "::truncate((1 << ", $bits, ") | 1).get(), 1);")]
            /// ```
            pub const fn truncate(word: $integer) -> Self {
                Self(word & Self::MAX.0)
            }

            /// The value.
            ///
            /// ```
            #[doc = concat!("# use vntag::", stringify!($name), ";")]
            #[doc = concat!("assert_eq!(", stringify!($name), "::ZERO.get(), 0);")]
            /// ```
            pub const fn get(self) -> $integer {
                self.0
            }
        }

        impl TryFrom<$integer> for $name {
            type Error = $crate::OutOfRange;

            fn try_from(value: $integer) -> Result<Self, $crate::OutOfRange> {
                if value <= Self::MAX.0 {
                    Ok(Self(value))
                } else {
                    Err($crate::OutOfRange { value: value.into(), max: Self::MAX.0.into() })
                }
            }
        }
    };
}
pub(crate) use field;
