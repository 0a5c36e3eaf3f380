//! What becomes of the session and of each vNIC that the switch assigns a VIF to, as a function of what the
//! session said and when: whether the guest sees carrier (design.md section 5.9), and why not.

use crate::core::VnicError;
use niv::VifId;
use std::time::{Duration, Instant};
use vic::session::Peer;
use vic::session::iv::IvEvent;
use vic::{Name, Profile};

/// The session with the switch.
#[derive(Debug)]
pub struct Conversation {
    state: State,
    grace: Duration,
    /// When the grace ends, while it runs.
    deadline: Option<Instant>,
    /// It ran out, and no session has come since that confirmed a vNIC.
    over: bool,
    /// Why a session was refused when that was last tried.
    refusal: Option<String>,
    catalogue: Vec<Profile>,
}

#[derive(Debug)]
enum State {
    /// There has been none yet.
    Opening,
    Up(Box<Peer>),
    Lost(String),
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
            catalogue: Vec::new(),
        }
    }

    /// Takes what the session said of itself. Whether that is news for people: a refusal is, once.
    pub fn on_event(&mut self, event: &IvEvent, now: Instant) -> bool {
        match event {
            IvEvent::Up(peer) => {
                self.state = State::Up(Box::new(peer.clone()));
                self.deadline = None;
                self.refusal = None;
                true
            }
            IvEvent::Lost(why) => {
                self.state = State::Lost(why.to_string());
                self.over = false;
                self.deadline = Some(now + self.grace);
                true
            }
            IvEvent::Refused(said) => {
                let why = format!("{} ({})", said.refusal, said.mac);
                let news = self.refusal.as_ref() != Some(&why);
                self.refusal = Some(why);
                news
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
            State::Opening | State::Lost(_) => None,
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
            State::Lost(_) => "lost",
        }
    }

    /// Why there is no session.
    pub fn why(&self) -> Option<String> {
        let without = match &self.state {
            State::Up(_) => return None,
            State::Opening => "no switch has answered yet".to_owned(),
            State::Lost(why) => format!("the session was lost: {why}"),
        };
        Some(match &self.refusal {
            Some(refusal) => format!("{without}; refused: {refusal}"),
            None => without,
        })
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
    veth_down: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Not created yet.
    Waiting,
    Created,
    Enabled,
    Down(String),
    Detaching,
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

    /// Whether the switch has said yes or no.
    pub const fn is_settled(&self) -> bool {
        matches!(self.step, Step::Enabled | Step::Down(_))
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
                        self.step = Step::Down(format!(
                            "the switch gave it VIF {vif}, which cannot be: {error}; on the switch, bind that VIF \
                             by hand too, or not here"
                        ));
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
                self.step = Step::Down(why.to_string());
            }
            IvEvent::Status { up, why, .. } => {
                let without = || "the switch does not say why".to_owned();
                let why = || why.as_ref().map_or_else(without, ToString::to_string);
                self.veth_down = (!up).then(why);
            }
            _ => {}
        }
        self.told() != before && self.told().is_some()
    }

    /// What people are told without being asked.
    fn told(&self) -> Option<String> {
        match &self.step {
            Step::Down(why) => Some(why.clone()),
            _ => self.veth_down.clone(),
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
            Step::Down(_) => "down",
            Step::Detaching => "detaching",
        }
    }

    /// Why nothing passes, in a sentence.
    pub fn why(&self, session: &Conversation) -> Option<String> {
        match &self.step {
            Step::Detaching => Some("it is being detached".into()),
            Step::Down(why) => Some(why.clone()),
            Step::Enabled if self.veth_down.is_some() => {
                let why = self.veth_down.as_deref().unwrap_or_default();
                Some(format!("its vEth is down: {why}"))
            }
            Step::Enabled if self.carrier(session) => None,
            _ => session.why().or_else(|| {
                let waits = match self.step {
                    Step::Created => "the switch has given it a VIF and not yet enabled it",
                    _ => "the switch has not answered yet",
                };
                Some(waits.into())
            }),
        }
    }
}
