//! A port that a guard has shut, and when it comes back: one idea for storm control, BPDU guard, port security and
//! bridging guests.
//!
//! Source of the rules: ours, after common practice (`errdisable recovery`, 300 seconds). The first cause stays until
//! the port recovers: what comes later found a shut port. How long a cause keeps its port shut is asked anew each
//! time, so that a changed interval holds for ports that are shut already.

use crate::Time;

/// Why a guard shut a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Cause {
    /// More broadcasts, multicasts or unknown unicasts than it may send.
    StormControl = 1,
    /// It sent a spanning tree BPDU.
    BpduGuard = 2,
    /// It sent from an address it may not use.
    PortSecurity = 3,
    /// The guest behind it bridges it with another port.
    BridgedPorts = 4,
}

impl Cause {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::StormControl,
        Self::BpduGuard,
        Self::PortSecurity,
        Self::BridgedPorts,
    ];

    /// The stable name: in commands, listings and logs.
    ///
    /// ```
    /// # use policy::err_disable::Cause;
    /// assert_eq!(Cause::BpduGuard.as_str(), "bpdu_guard");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StormControl => "storm_control",
            Self::BpduGuard => "bpdu_guard",
            Self::PortSecurity => "port_security",
            Self::BridgedPorts => "bridged_ports",
        }
    }

    const fn from_word(word: u64) -> Option<Self> {
        match word {
            1 => Some(Self::StormControl),
            2 => Some(Self::BpduGuard),
            3 => Some(Self::PortSecurity),
            4 => Some(Self::BridgedPorts),
            _ => None,
        }
    }
}

/// How long each cause keeps a port shut. One for the whole switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    seconds: [Option<u32>; Cause::ALL.len()],
}

impl Default for Recovery {
    /// 300 seconds for each cause.
    fn default() -> Self {
        Self {
            seconds: [Some(300); Cause::ALL.len()],
        }
    }
}

impl Recovery {
    /// `cause` keeps a port shut for so many seconds; `None`: until somebody opens it by hand.
    #[must_use]
    pub const fn with(mut self, cause: Cause, seconds: Option<u32>) -> Self {
        match cause {
            Cause::StormControl => self.seconds[0] = seconds,
            Cause::BpduGuard => self.seconds[1] = seconds,
            Cause::PortSecurity => self.seconds[2] = seconds,
            Cause::BridgedPorts => self.seconds[3] = seconds,
        }
        self
    }

    /// How long `cause` keeps a port shut.
    pub const fn seconds(&self, cause: Cause) -> Option<u32> {
        match cause {
            Cause::StormControl => self.seconds[0],
            Cause::BpduGuard => self.seconds[1],
            Cause::PortSecurity => self.seconds[2],
            Cause::BridgedPorts => self.seconds[3],
        }
    }
}

/// Whether a guard has shut the port. One for each port; its words outlive the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrDisabled {
    shut: Option<(Cause, Time)>,
}

/// What became of a shut port when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No guard has shut it.
    Open,
    /// It is shut, and comes back then; `None`: not by itself.
    Shut(Cause, Option<Time>),
    /// It was shut, and is open from now on: to be told once.
    Recovered(Cause),
}

impl ErrDisabled {
    /// Words in [`ErrDisabled::to_words`].
    pub const WORDS: usize = 2;

    /// A guard shuts the port. `false`: it was shut already, and the first cause stays.
    pub const fn shut(&mut self, cause: Cause, now: Time) -> bool {
        if self.shut.is_some() {
            return false;
        }
        self.shut = Some((cause, now));
        true
    }

    /// Somebody opens the port by hand. Returns why it was shut.
    pub const fn open(&mut self) -> Option<Cause> {
        match self.shut.take() {
            Some((cause, _)) => Some(cause),
            None => None,
        }
    }

    /// Whether frames pass, without opening what is due: what is asked for each frame.
    #[inline]
    pub const fn is_open(&self) -> bool {
        self.shut.is_none()
    }

    /// Opens the port when it is time to: to be asked about once a second, and when [`Standing::Shut`] says.
    pub fn attend(&mut self, recovery: &Recovery, now: Time) -> Standing {
        let Some((cause, since)) = self.shut else {
            return Standing::Open;
        };
        // A clock that began anew: counted from now, so that nothing stays shut for the age of the old one.
        let since = since.min(now);
        self.shut = Some((cause, since));
        match recovery.seconds(cause) {
            None => Standing::Shut(cause, None),
            Some(seconds) => {
                let due = since.plus_nanos(u64::from(seconds) * Time::SECOND);
                if due <= now {
                    self.shut = None;
                    Standing::Recovered(cause)
                } else {
                    Standing::Shut(cause, Some(due))
                }
            }
        }
    }

    /// The state as plain words, all 0 for an open port.
    pub const fn to_words(self) -> [u64; Self::WORDS] {
        match self.shut {
            None => [0; Self::WORDS],
            Some((cause, since)) => [cause as u64, since.as_nanos()],
        }
    }

    /// What [`ErrDisabled::to_words`] was made of. Words that say no cause are an open port: what they were nobody knows.
    pub const fn from_words([cause, since]: [u64; Self::WORDS]) -> Self {
        Self {
            shut: match Cause::from_word(cause) {
                Some(cause) => Some((cause, Time::from_nanos(since))),
                None => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = Time::SECOND;

    #[test]
    fn a_port_comes_back_after_its_causes_interval_and_says_so_once() {
        let recovery = Recovery::default().with(Cause::BpduGuard, Some(30));
        let mut port = ErrDisabled::default();
        assert!(port.shut(Cause::BpduGuard, Time::from_secs(100)));
        assert!(!port.is_open());
        let due = Some(Time::from_secs(130));
        let just_before = Time::from_nanos(130 * SECOND - 1);
        assert_eq!(
            port.attend(&recovery, just_before),
            Standing::Shut(Cause::BpduGuard, due)
        );
        assert_eq!(
            port.attend(&recovery, Time::from_secs(130)),
            Standing::Recovered(Cause::BpduGuard)
        );
        assert!(port.is_open());
        assert_eq!(port.attend(&recovery, Time::from_secs(131)), Standing::Open);
    }

    #[test]
    fn without_an_interval_a_port_stays_shut_until_it_is_opened_by_hand() {
        let recovery = Recovery::default().with(Cause::PortSecurity, None);
        let mut port = ErrDisabled::default();
        port.shut(Cause::PortSecurity, Time::from_secs(1));
        let years = Time::from_secs(10 * 365 * 86_400);
        assert_eq!(
            port.attend(&recovery, years),
            Standing::Shut(Cause::PortSecurity, None)
        );
        assert_eq!(port.open(), Some(Cause::PortSecurity));
        assert!(port.is_open());
        assert_eq!(port.open(), None);
    }

    #[test]
    fn the_first_cause_stays() {
        let mut port = ErrDisabled::default();
        assert!(port.shut(Cause::StormControl, Time::from_secs(1)));
        assert!(!port.shut(Cause::BpduGuard, Time::from_secs(200)));
        assert_eq!(
            port.attend(&Recovery::default(), Time::from_secs(301)),
            Standing::Recovered(Cause::StormControl)
        );
    }

    #[test]
    fn a_changed_interval_holds_for_ports_that_are_shut() {
        let mut port = ErrDisabled::default();
        port.shut(Cause::StormControl, Time::from_secs(0));
        let shorter = Recovery::default().with(Cause::StormControl, Some(10));
        assert_eq!(
            port.attend(&shorter, Time::from_secs(10)),
            Standing::Recovered(Cause::StormControl)
        );
    }

    #[test]
    fn a_clock_that_began_anew_does_not_keep_a_port_shut_for_longer_than_its_interval() {
        let mut port = ErrDisabled::default();
        port.shut(Cause::StormControl, Time::from_secs(1_000_000));
        let shut = port.attend(&Recovery::default(), Time::from_secs(5));
        assert_eq!(
            shut,
            Standing::Shut(Cause::StormControl, Some(Time::from_secs(305)))
        );
        assert_eq!(
            port.attend(&Recovery::default(), Time::from_secs(305)),
            Standing::Recovered(Cause::StormControl)
        );
    }

    #[test]
    fn each_cause_has_an_interval_of_its_own() {
        for cause in Cause::ALL {
            let recovery = Recovery::default().with(cause, Some(7));
            for other in Cause::ALL {
                let expected = if other == cause { 7 } else { 300 };
                assert_eq!(recovery.seconds(other), Some(expected));
            }
        }
    }

    proptest! {
        #[test]
        fn state_survives_its_words_and_any_words_are_a_state(words: [u64; 2], cause in 0u64..6) {
            let _ = ErrDisabled::from_words(words);
            let port = ErrDisabled::from_words([cause, words[1]]);
            prop_assert_eq!(port.is_open(), !(1..=4).contains(&cause));
            prop_assert_eq!(ErrDisabled::from_words(port.to_words()), port);
        }
    }
}
