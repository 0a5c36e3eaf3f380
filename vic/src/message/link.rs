//! Messages about the link: open, keep alive, probe, close.

use crate::identity::Uuid;
use crate::message::field::Padding;
use crate::message::layout::body;
use crate::refusal::{Code, Refusal};
use crate::text::{Name, Sentence};

body! {
    /// IV to VIS: the first message of a session.
    pub struct Open {
        /// Who the IV is.
        pub identity: Uuid = IDENTITY,
        /// What its box is called.
        pub name: Name = NAME,
        /// The highest term it has seen; 0 at first.
        pub term: u64 = TERM,
        /// Of its end of the link, at least [`crate::parameters::MIN_MTU`].
        pub mtu: u16 = MTU,
        /// Its hold time in milliseconds.
        pub hold: u32 = HOLD,
        /// How many VIFs it can hold.
        pub max_vifs: u16 = MAX_VIFS,
        /// How many lists it can hold.
        pub max_lists: u16 = MAX_LISTS,
        /// What it can do.
        pub capabilities: Option<u32> = CAPABILITIES,
        /// Program and version.
        pub software: Option<Name> = SOFTWARE,
    }
}

body! {
    /// VIS to IV: yes.
    pub struct OpenAnswer {
        /// Who the VIS is.
        pub identity: Uuid = IDENTITY,
        /// What its box is called.
        pub name: Name = NAME,
        /// Its term.
        pub term: u64 = TERM,
        /// Of its end of the link.
        pub mtu: u16 = MTU,
        /// Its hold time in milliseconds.
        pub hold: u32 = HOLD,
        /// What it can do.
        pub capabilities: Option<u32> = CAPABILITIES,
        /// Program and version.
        pub software: Option<Name> = SOFTWARE,
    }
}

body! {
    /// Either end, unacknowledged: I am here.
    pub struct Keepalive {}
}

body! {
    /// Either end, unacknowledged: does a frame of this size arrive?
    pub struct Probe {
        /// Octets of this frame after the EtherType.
        pub size: u16 = SIZE,
        /// What makes it so long.
        pub padding: Option<Padding> = PADDING,
    }
}

body! {
    /// To a Probe, unacknowledged: it did.
    pub struct ProbeAnswer {
        /// As in the Probe.
        pub size: u16 = SIZE,
    }
}

body! {
    /// Either end, unacknowledged, sent three times: the session is over. Also the body of every answer
    /// that says no.
    pub struct Reason {
        /// For programs.
        pub code: Code = CODE,
        /// For people.
        pub sentence: Option<Sentence> = SENTENCE,
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code,
            sentence: reason.sentence.unwrap_or_else(|| Sentence::clipped("")),
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code,
            sentence: Some(refusal.sentence).filter(|text| !text.as_str().is_empty()),
        }
    }
}
