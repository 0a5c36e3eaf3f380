//! Names and sentences that travel: bounded, and safe to print on a terminal.

use core::fmt;
use core::str::FromStr;
use thiserror::Error;

/// Text of at most `MAX` octets of UTF-8 without control characters: what a peer sends can be printed.
///
/// ```
/// use vic::Name;
///
/// let name: Name = "webservers".parse()?;
/// assert_eq!(name.as_str(), "webservers");
/// assert!("bell\u{7}".parse::<Name>().is_err());
/// # Ok::<(), vic::InvalidText>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(Box<str>);

/// A name of a vNIC, profile, vEth or box: at most 64 octets.
pub type Name = Text<64>;

/// The name of a VM or container: at most 128 octets.
pub type OwnerName = Text<128>;

/// What is said to people: at most 240 octets.
pub type Sentence = Text<240>;

/// Text that cannot travel.
///
/// ```
/// use vic::{InvalidText, Name};
///
/// let long = "x".repeat(65);
/// assert_eq!(long.parse::<Name>(), Err(InvalidText::TooLong { length: 65, max: 64 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidText {
    /// Too many octets.
    #[error("{length} octets of text, and at most {max} are allowed")]
    TooLong {
        /// Octets there are.
        length: usize,
        /// Octets allowed.
        max: usize,
    },
    /// A control character, which could do harm on a terminal.
    #[error("control characters are not allowed in text")]
    Control,
    /// Not UTF-8.
    #[error("text is UTF-8, and this is not")]
    NotUtf8,
}

impl<const MAX: usize> Text<MAX> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As much of `text` as fits, control characters replaced by spaces.
    ///
    /// ```
    /// use vic::Sentence;
    ///
    /// assert_eq!(Sentence::clipped("one\ntwo").as_str(), "one two");
    /// assert_eq!(Sentence::clipped(&"x".repeat(300)).as_str().len(), 240);
    /// ```
    pub fn clipped(text: &str) -> Self {
        let mut kept = String::new();
        for c in text.chars() {
            let c = if c.is_control() { ' ' } else { c };
            if kept.len() + c.len_utf8() > MAX {
                break;
            }
            kept.push(c);
        }
        Self(kept.into())
    }

    pub(crate) fn read(octets: &[u8]) -> Result<Self, InvalidText> {
        core::str::from_utf8(octets)
            .map_err(|_| InvalidText::NotUtf8)?
            .parse()
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        if text.len() > MAX {
            return Err(InvalidText::TooLong {
                length: text.len(),
                max: MAX,
            });
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidText::Control);
        }
        Ok(Self(text.into()))
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
