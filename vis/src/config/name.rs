//! Names and texts. Each is a type of its own, and none can hold text that would not survive being
//! printed and read again.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Text that is not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct InvalidName {
    /// What is asked for.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $valid:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Box<str>);

        impl $type {
            /// What such a text looks like.
            pub const RULE: &'static str = $rule;

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(InvalidName { rule: $rule }) }
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.into()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// Names a port profile.
    ProfileName,
    |text| is_word(text, 80),
    "a name of 1 to 80 letters, digits and any of . _ - : / @ +"
);
name!(
    /// Names a VLAN.
    VlanName,
    |text| is_word(text, 32),
    "a name of 1 to 32 letters, digits and any of . _ - : / @ +"
);
name!(
    /// Names the switch.
    Hostname,
    |text| text.len() <= 63 && text.split('.').all(is_label),
    "a host name of 1 to 63 letters, digits, - and ."
);
name!(
    /// Names a network device of the machine, as `ip link` prints it.
    DeviceName,
    is_device,
    "a device name of 1 to 15 characters as `ip link` prints it"
);
name!(
    /// Names a file with a key.
    KeyFile,
    is_absolute_path,
    "an absolute path of 1 to 255 characters without spaces"
);
name!(
    /// What a payload of the control protocol starts with: three octets.
    Oui,
    |text| oui_octets(text).is_some(),
    "three pairs of hexadecimal digits such as 4e:49:56"
);
name!(
    /// Names a user or a group of the machine, or is its number.
    Account,
    |text| is_word(text, 32) && !text.contains([':', '/']),
    "a name or number of 1 to 32 letters, digits and any of . _ - @ +"
);
name!(
    /// Picks lines out of an answer.
    Pattern,
    is_pattern,
    "a regular expression of 1 to 200 octets"
);
name!(
    /// A remark for people.
    Description,
    |text| (1..=254).contains(&text.len())
        && text.trim_matches([' ', '\t']) == text
        && text.chars().all(is_printable),
    "a text of 1 to 254 octets without control characters"
);

impl Oui {
    /// The octets.
    pub fn octets(&self) -> [u8; 3] {
        oui_octets(self.as_str()).unwrap_or_default()
    }
}

fn oui_octets(text: &str) -> Option<[u8; 3]> {
    let pair = |pair: &str| {
        // `from_str_radix` takes a sign.
        let is_pair = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    };
    let octets: Option<Vec<u8>> = text.split([':', '-']).map(pair).collect();
    octets?.try_into().ok()
}

fn is_word(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"._-:/@+".contains(&octet))
}

/// RFC 1123 section 2.1.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

/// The kernel's own rule (`dev_valid_name`), and ASCII only.
fn is_device(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text != "."
        && text != ".."
        && text
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && octet != b'/' && octet != b':')
}

/// Its size once compiled is bounded too: whoever may look on may send one.
fn is_pattern(text: &str) -> bool {
    (1..=200).contains(&text.len()) && compiled(text).is_ok()
}

fn compiled(text: &str) -> Result<regex::Regex, regex::Error> {
    // Quotes around all of it are no part of it, as on nxos.
    let inside = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    regex::RegexBuilder::new(inside.unwrap_or(text))
        .size_limit(256 * 1024)
        .dfa_size_limit(256 * 1024)
        .build()
}

impl Pattern {
    /// Which lines it picks.
    ///
    /// # Errors
    /// None: it was compiled before.
    pub fn compile(&self) -> Result<regex::Regex, regex::Error> {
        compiled(&self.0)
    }
}

/// A daemon is started from anywhere, so a path from there would mean nothing.
fn is_absolute_path(text: &str) -> bool {
    (2..=255).contains(&text.len())
        && text.starts_with('/')
        && text
            .chars()
            .all(|character| is_printable(character) && !character.is_whitespace())
}

/// Not a control character, and none of those that turn the reading direction of a terminal.
pub(crate) fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_name_is_what_the_kernel_takes() {
        for good in ["eth0", "enp3s0f1", "veth@x", "a", "123456789012345"] {
            assert!(good.parse::<DeviceName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "1234567890123456", "é"] {
            assert!(bad.parse::<DeviceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_description_cannot_reach_a_terminal_as_a_command() {
        for bad in [
            "",
            " a",
            "a ",
            "a\u{1b}[2J",
            "a\nb",
            "\u{202E}a",
            "\u{9b}2J",
        ] {
            assert!(bad.parse::<Description>().is_err(), "{bad:?}");
        }
        assert!(
            "rack 4, ünder ! the # stairs"
                .parse::<Description>()
                .is_ok()
        );
    }

    #[test]
    fn a_host_name_is_labels_and_dots() {
        for good in ["vis", "vis-1.lab.example", "7"] {
            assert!(good.parse::<Hostname>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", "-a", "a-", "a_b", "a..b"] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad}");
        }
    }
}
