//! What becomes of the session and of each vNIC that the switch assigns a VIF to, as a function of what the
//! session said and when: whether the guest sees carrier (design.md section 5.9), and why not.

use crate::core::VnicError;
use crate::mend::{mend, mend_by_flags};
use niv::{Mac, VifId};
use std::time::{Duration, Instant};
use vic::session::Peer;
use vic::session::iv::IvEvent;
use vic::{Code, Name, Profile, Refusal};

/// A session is asked for every second, and a refusal told as often: a switch that has not said it again for so long says
/// nothing any more (ours).
const ANSWERS: Duration = Duration::from_secs(5);

/// The session with the switch.
#[derive(Debug)]
pub struct Conversation {
    state: State,
    grace: Duration,
    /// When the grace ends, while it runs.
    deadline: Option<Instant>,
    /// It ran out, and no session has come since that confirmed a vNIC.
    over: bool,
    /// Why a session was refused when that was last answered, by whom, and when.
    refusal: Option<(Refusal, Mac, Instant)>,
    /// What gets through to the switch and what should, in octets, while that is less.
    narrow: Option<(u16, u16)>,
    catalogue: Vec<Profile>,
    /// What to do about a refusal.
    mend: fn(Code) -> Option<&'static str>,
}

#[derive(Debug)]
enum State {
    /// There has been none yet.
    Opening,
    Up(Box<Peer>),
    Lost {
        why: String,
        at: Instant,
    },
}

impl Conversation {
    /// No session yet; `grace` is how long guests keep their carrier when one is lost.
    pub const fn new(grace: Duration) -> Self {
        Self {
            state: State::Opening,
            grace,
            deadline: None,
            over: true,
            refusal: None,
            narrow: None,
            catalogue: Vec::new(),
            mend,
        }
    }

    /// Everything was said on the command line, and no file is there to be mended.
    #[must_use]
    pub fn by_flags(self, by_flags: bool) -> Self {
        let mend = if by_flags { mend_by_flags } else { mend };
        Self { mend, ..self }
    }

    /// Takes what the session said of itself. Whether that is news for people: a refusal is, once.
    pub fn on_event(&mut self, event: &IvEvent, now: Instant) -> bool {
        match event {
            IvEvent::Up(peer) => {
                self.state = State::Up(Box::new(peer.clone()));
                self.deadline = None;
                self.refusal = None;
                self.narrow = None;
                true
            }
            IvEvent::Lost(why) => {
                self.state = State::Lost {
                    why: why.to_string(),
                    at: now,
                };
                self.narrow = None;
                self.over = false;
                self.deadline = Some(now + self.grace);
                true
            }
            IvEvent::Refused(said) => {
                let known = self.refusal.as_ref();
                let known =
                    known.filter(|(refusal, mac, _)| (refusal, mac) == (&said.refusal, &said.mac));
                let news = known.is_none();
                self.refusal = Some((said.refusal.clone(), said.mac, now));
                news
            }
            IvEvent::MtuProven { octets, wanted } => {
                self.narrow = (octets < wanted).then_some((*octets, *wanted));
                false
            }
            IvEvent::Catalogue(profiles) => {
                self.catalogue.clone_from(profiles);
                false
            }
            _ => false,
        }
    }

    /// When [`Self::timeout`] is due.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The grace is over, if it is: whether carriers may have changed.
    pub fn timeout(&mut self, now: Instant) -> bool {
        let due = self.deadline.is_some_and(|deadline| now >= deadline);
        if due {
            self.deadline = None;
            self.over = true;
        }
        due
    }

    /// The switch, while there is a session.
    pub const fn peer(&self) -> Option<&Peer> {
        match &self.state {
            State::Up(peer) => Some(peer),
            State::Opening | State::Lost { .. } => None,
        }
    }

    /// The profiles that may be asked for, as last told.
    pub fn catalogue(&self) -> &[Profile] {
        &self.catalogue
    }

    /// `up`, `opening` or `lost`.
    pub const fn word(&self) -> &'static str {
        match self.state {
            State::Opening => "opening",
            State::Up(_) => "up",
            State::Lost { .. } => "lost",
        }
    }

    /// Why there is no session, since when, and what that means for guests. `linked`: the uplink has a link, without
    /// which guests have none either.
    pub fn why(&self, now: Instant, linked: bool) -> Option<String> {
        let refused = self.refusal.as_ref().map(|(refusal, mac, at)| {
            let ago = now.saturating_duration_since(*at);
            if ago > ANSWERS {
                let ago = ago.as_secs();
                return format!(
                    "no switch answers any more: the last one that did ({mac}) refused {ago} s ago ({refusal})"
                );
            }
            let mend =
                (self.mend)(refusal.code).map_or_else(String::new, |mend| format!("; {mend}"));
            format!("refused: {refusal} ({mac}){mend}")
        });
        match &self.state {
            State::Up(_) => None,
            State::Opening if !linked => Some("the uplink has no link".to_owned()),
            State::Opening => Some(refused.unwrap_or_else(|| {
                "no switch has answered yet: is a `vis` at the other end, with its port in `switchport mode vntag`?".to_owned()
            })),
            State::Lost { why, at } => {
                let ago = now.saturating_duration_since(*at).as_secs();
                let guests = match self.grace_left(now) {
                    _ if !linked => "the uplink has no link, and so guests have none".to_owned(),
                    Some(left) => format!("guests keep their link for {left} s more"),
                    None => "the grace is over: guests have no link until it is back".to_owned(),
                };
                let refused = refused.map_or_else(String::new, |why| format!("; since then {why}"));
                Some(format!("{why}, {ago} s ago; {guests}{refused}"))
            }
        }
    }

    /// For how many seconds guests keep their carrier without a session, begun ones counted.
    pub fn grace_left(&self, now: Instant) -> Option<u64> {
        let left = self.deadline?.saturating_duration_since(now);
        Some(left.as_millis().div_ceil(1000) as u64)
    }

    /// For how many seconds the session has been lost.
    pub fn lost_for(&self, now: Instant) -> Option<u64> {
        match &self.state {
            State::Lost { at, .. } => Some(now.saturating_duration_since(*at).as_secs()),
            State::Opening | State::Up(_) => None,
        }
    }

    /// Why there is no session, if one was refused when that was last tried.
    pub fn refused(&self, now: Instant) -> Option<Code> {
        let (refusal, _, at) = self.refusal.as_ref()?;
        (now.saturating_duration_since(*at) <= ANSWERS).then_some(refusal.code)
    }

    /// What gets through to the switch and what should, in octets, if that is less.
    pub const fn narrow(&self) -> Option<(u16, u16)> {
        self.narrow
    }
}

/// The switch-side port of a vNIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Veth {
    /// Its number.
    pub number: u32,
    /// What the switch calls it.
    pub name: Option<Name>,
}

/// One vNIC's way to its VIF.
#[derive(Debug)]
pub struct Life {
    vif: Option<VifId>,
    veth: Option<Veth>,
    step: Step,
    /// Created in this session.
    confirmed: bool,
    /// The vEth is down: why.
    veth_down: Option<Refusal>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Not created yet.
    Waiting,
    Created,
    Enabled,
    Down {
        why: String,
        /// As the switch said it; `None`: it was not the switch.
        code: Option<Code>,
    },
    Detaching,
}

/// What the switch has made of a vNIC so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has said neither yes nor no.
    Waiting,
    /// Frames may pass.
    Enabled,
    /// It said no, or has taken its vEth down.
    Refused,
}

impl Life {
    /// A vNIC that had this VIF when it was last known, and offers it.
    pub const fn new(vif: Option<VifId>) -> Self {
        Self {
            vif,
            veth: None,
            step: Step::Waiting,
            confirmed: false,
            veth_down: None,
        }
    }

    /// The VIF it has, or had and offers.
    pub const fn vif(&self) -> Option<VifId> {
        self.vif
    }

    /// Its vEth.
    pub const fn veth(&self) -> Option<&Veth> {
        self.veth.as_ref()
    }

    /// It is on its way out.
    pub fn detach(&mut self) {
        self.step = Step::Detaching;
    }

    /// Whether it is on its way out.
    pub fn is_detaching(&self) -> bool {
        self.step == Step::Detaching
    }

    /// What the switch has made of it.
    pub const fn verdict(&self) -> Verdict {
        match self.step {
            Step::Enabled if self.veth_down.is_none() => Verdict::Enabled,
            Step::Enabled | Step::Down { .. } => Verdict::Refused,
            Step::Waiting | Step::Created | Step::Detaching => Verdict::Waiting,
        }
    }

    /// What to do about the switch's no.
    pub fn mend(&self) -> Option<&'static str> {
        match &self.step {
            Step::Down { code, .. } => mend((*code)?),
            Step::Enabled => mend(self.veth_down.as_ref()?.code),
            Step::Waiting | Step::Created | Step::Detaching => None,
        }
    }

    /// Takes what the session said of this vNIC, or of itself, and how the data path took it. Whether
    /// people should know: why it is down is news, once.
    pub fn on_event(&mut self, event: &IvEvent, applied: Result<(), VnicError>) -> bool {
        if let IvEvent::Lost(_) = event {
            self.confirmed = false;
            if self.step == Step::Created {
                self.step = Step::Waiting;
            }
            return false;
        }
        if self.is_detaching() {
            return false;
        }
        let before = self.told();
        match event {
            IvEvent::Created {
                vif,
                veth,
                veth_name,
                ..
            } => {
                self.veth = Some(Veth {
                    number: *veth,
                    name: veth_name.clone(),
                });
                self.confirmed = true;
                let goes_on = self.step == Step::Enabled && self.vif == Some(*vif);
                self.vif = Some(*vif);
                match applied {
                    Err(error) => {
                        self.vif = None;
                        let why = format!(
                            "the switch gave it VIF {vif}, which cannot be: {error}; on the switch, bind that VIF \
                             by hand too, or not here"
                        );
                        self.step = Step::Down { why, code: None };
                    }
                    Ok(()) if goes_on => {}
                    Ok(()) => {
                        self.step = Step::Created;
                        self.veth_down = None;
                    }
                }
            }
            // A VIF that another vNIC has by hand was not given after all.
            IvEvent::Enabled { vif, .. } if self.vif == Some(*vif) => self.step = Step::Enabled,
            IvEvent::Down { vif, why, .. } => {
                self.vif = *vif;
                self.step = Step::Down {
                    why: why.to_string(),
                    code: Some(why.code),
                };
            }
            IvEvent::Status { up, why, .. } => {
                let without = || Refusal::new(Code::FAILED, "the switch does not say why");
                self.veth_down = (!up).then(|| why.clone().unwrap_or_else(without));
            }
            _ => {}
        }
        self.told() != before && self.told().is_some()
    }

    /// What people are told without being asked.
    fn told(&self) -> Option<String> {
        match &self.step {
            Step::Down { why, .. } => Some(why.clone()),
            _ => self.veth_down.as_ref().map(ToString::to_string),
        }
    }

    /// Whether the guest sees a link, as far as the session goes.
    pub fn carrier(&self, session: &Conversation) -> bool {
        self.step == Step::Enabled && self.veth_down.is_none() && (self.confirmed || !session.over)
    }

    /// Where it is on its way, in a word.
    pub fn word(&self) -> &'static str {
        match &self.step {
            Step::Waiting => "waiting",
            Step::Created => "created",
            Step::Enabled if self.veth_down.is_some() => "down",
            Step::Enabled => "enabled",
            Step::Down { .. } => "down",
            Step::Detaching => "detaching",
        }
    }

    /// Why nothing passes, in a sentence. The uplink has a link.
    pub fn why(&self, session: &Conversation, now: Instant) -> Option<String> {
        match (&self.step, &self.veth_down) {
            (Step::Detaching, _) => Some("it is being detached".into()),
            (Step::Down { why, .. }, _) => Some(why.clone()),
            (Step::Enabled, Some(why)) => Some(format!("its vEth is down: {why}")),
            (Step::Enabled, None) if self.carrier(session) => None,
            _ => Some(match (session.why(now, true), session.lost_for(now)) {
                (Some(why), Some(_)) => format!("the session was lost: {why}"),
                (Some(why), None) => why,
                (None, _) if self.step == Step::Created => {
                    "the switch has given it a VIF and not yet enabled it".into()
                }
                (None, _) => "the switch has not answered yet".into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vic::frame::Direction;
    use vic::session::SessionRefused;

    const SECOND: Duration = Duration::from_secs(1);

    fn lost(at: Instant) -> Conversation {
        let mut session = Conversation::new(30 * SECOND);
        let why = Refusal::new(Code::HOLD_TIME, "nothing was heard for 900 ms");
        session.on_event(&IvEvent::Lost(why), at);
        session
    }

    #[test]
    fn a_lost_session_says_why_since_when_and_how_long_guests_keep_their_link() {
        let begun = Instant::now();
        let mut session = lost(begun);
        let why = session.why(begun + 7 * SECOND, true).unwrap();
        let says = "hold_time: nothing was heard for 900 ms, 7 s ago; guests keep their link for 23 s more";
        assert_eq!(why, says);
        assert_eq!(session.grace_left(begun + 7 * SECOND), Some(23));
        let why = session.why(begun + 7 * SECOND, false).unwrap();
        assert!(!why.contains("keep their link"), "{why}");
        session.timeout(begun + 30 * SECOND);
        let why = session.why(begun + 40 * SECOND, true).unwrap();
        assert!(why.contains("40 s ago; the grace is over"), "{why}");
    }

    #[test]
    fn a_switch_that_refuses_has_answered() {
        let mut session = Conversation::new(SECOND);
        let now = Instant::now();
        assert!(
            session
                .why(now, true)
                .unwrap()
                .contains("no switch has answered")
        );
        session.on_event(
            &IvEvent::Refused(SessionRefused {
                mac: Mac([2, 0, 0, 0, 0, 9]),
                by: Direction::Down,
                refusal: Refusal::new(Code::KEY_REQUIRED, "a key is required"),
                authenticated: false,
            }),
            now,
        );
        let why = session.why(now, true).unwrap();
        assert!(
            why.starts_with("refused: key_required: a key is required"),
            "{why}"
        );
        assert!(
            why.contains("`key-file` here") && !why.contains("answered"),
            "{why}"
        );
        assert_eq!(session.refused(now + 2 * SECOND), Some(Code::KEY_REQUIRED));

        // It has gone: what it said is no news any more.
        let later = now + 8 * SECOND;
        let why = session.why(later, true).unwrap();
        assert!(
            why.starts_with("no switch answers any more") && why.contains("refused 8 s ago"),
            "{why}"
        );
        assert!(!why.contains("`key-file`"), "{why}");
        assert_eq!(session.refused(later), None);
        let why = session.by_flags(true).why(now, true).unwrap();
        assert!(why.contains("`--key-file` here"), "{why}");
    }
}
