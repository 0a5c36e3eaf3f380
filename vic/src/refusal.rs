//! Why something was refused or ended: a code for programs and a sentence for people.

use crate::text::Sentence;
use core::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal $text:literal,)+) => {
        /// Why, as a number. Numbers this version does not know are kept as they are.
        ///
        /// ```
        /// use vic::Code;
        ///
        /// assert_eq!(Code::IN_USE.to_string(), "in_use");
        /// assert_eq!(Code(4711).to_string(), "code_4711");
        /// ```
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct Code(pub u16);

        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($value);)+

            /// Every code this version knows, with its name.
            pub const ALL: &[(Self, &str)] = &[$((Self($value), $text)),+];
        }
    };
}

codes! {
    /// A message cannot be read.
    MALFORMED = 1 "malformed",
    /// A message or a critical field is not known here.
    UNSUPPORTED = 2 "unsupported",
    /// The authenticator does not match: the keys differ.
    WRONG_KEY = 3 "wrong_key",
    /// This end has a key, and the other sent none.
    KEY_REQUIRED = 4 "key_required",
    /// This end has no key and cannot check the other's.
    KEY_NOT_WANTED = 5 "key_not_wanted",
    /// The VIS has neither a key nor the order to do without.
    NO_AUTHENTICATION = 6 "no_authentication",
    /// Another version of the protocol.
    VERSION = 7 "version",
    /// An IV of the same identity is on another link.
    DUPLICATE_IDENTITY = 8 "duplicate_identity",
    /// Another IV has a session on this link.
    LINK_BUSY = 9 "link_busy",
    /// A VIS of a higher term has been seen.
    STALE_TERM = 10 "stale_term",
    /// The vNIC lives elsewhere.
    IN_USE = 11 "in_use",
    /// There is no profile of that name.
    UNKNOWN_PROFILE = 12 "unknown_profile",
    /// The IV may not ask for that profile on this port.
    PROFILE_NOT_ALLOWED = 13 "profile_not_allowed",
    /// The profile refers to something that does not exist or is not in force.
    PROFILE_INCOMPLETE = 14 "profile_incomplete",
    /// The link's MTU is too small.
    MTU = 15 "mtu",
    /// No VIF id is free.
    NO_VIF_FREE = 16 "no_vif_free",
    /// No list id is free, or the IV holds as many lists as it can.
    NO_LIST_FREE = 17 "no_list_free",
    /// There is no such VIF.
    UNKNOWN_VIF = 18 "unknown_vif",
    /// There is no such list.
    UNKNOWN_LIST = 19 "unknown_list",
    /// The list exists with other members, and a list never changes.
    LIST_EXISTS = 20 "list_exists",
    /// No move of this vNIC was prepared.
    NOT_PREPARED = 21 "not_prepared",
    /// An administrator shut it.
    SHUT = 22 "shut",
    /// The program ends.
    GOING_AWAY = 23 "going_away",
    /// Nothing valid was heard for the hold time.
    HOLD_TIME = 24 "hold_time",
    /// The other end started a new session.
    REPLACED = 25 "replaced",
    /// The vNIC was detached, or was not created again in a new session.
    DETACHED = 26 "detached",
    /// A newer request took its place.
    SUPERSEDED = 27 "superseded",
    /// Policy says no.
    NOT_ALLOWED = 28 "not_allowed",
    /// Something in the box failed.
    FAILED = 29 "failed",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::ALL.iter().find(|(code, _)| code == self) {
            Some((_, name)) => f.pad(name),
            None => write!(f, "code_{}", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why something was refused or ended.
///
/// ```
/// use vic::{Code, Refusal};
///
/// let refusal = Refusal::new(Code::UNKNOWN_PROFILE, "there is no port-profile `web`");
/// assert_eq!(refusal.to_string(), "unknown_profile: there is no port-profile `web`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// For people; both ends print it. May be empty.
    pub sentence: Sentence,
}

impl Refusal {
    /// A refusal. A sentence that is too long is cut.
    pub fn new(code: Code, sentence: impl AsRef<str>) -> Self {
        Self {
            code,
            sentence: Sentence::clipped(sentence.as_ref()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if self.sentence.as_str().is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.sentence)
    }
}
