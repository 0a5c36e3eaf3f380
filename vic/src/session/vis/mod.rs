//! The VIS's end of one link.

mod admission;
mod event;
mod ids;
mod list;
mod request;
mod vif;

pub use event::{Ask, MoveStep, VisError, VisEvent};
pub use vif::VifState;

use super::conversation::{Conversation, Heard};
use super::end::{End, version_refusal};
use super::work::Work;
use super::{EndConfig, Health, Peer, SessionRefused, Statistics};
use crate::frame::{Direction, FrameError, Pdu, Received};
use crate::identity::Nonce;
use crate::message::{
    Answer, ListDelete, ListSet, Part, Profile, ProfileCatalogue, Request, VifDelete, VifDisable,
    VifEnable, VifStatus,
};
use crate::refusal::{Code, Refusal};
use crate::timers::TELL_AGAIN;
use admission::Pending;
use core::time::Duration;
use ids::Ids;
use niv::{ListId, VifId};
use request::Asked;
use std::collections::BTreeMap;

/// Octets of profiles in one message, so that one fits any link.
const PART_OCTETS: usize = 1000;
/// Profiles of a catalogue, at most.
const MOST_PROFILES: usize = 4096;

/// How much a VIS gives one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisLimits {
    /// VIF ids 1 to this: at most 4095.
    pub max_vifs: u16,
    /// List ids 1 to this: at most 16383. Each list takes 600 octets.
    pub max_lists: u16,
}

impl Default for VisLimits {
    /// All VIFs there can be, and 4,096 lists.
    fn default() -> Self {
        Self {
            max_vifs: VifId::MAX,
            max_lists: 4096,
        }
    }
}

/// The VIS's end of a link. [`crate::session`] says how it is driven.
///
/// ```
/// use core::time::Duration;
/// use vic::session::vis::{VisLimits, VisSession};
/// use vic::session::{Authentication, Capabilities, EndConfig};
/// use vic::{Mac, Parameters, Uuid};
///
/// let config = EndConfig {
///     parameters: Parameters::default(),
///     mac: Mac([2, 0, 0, 0, 0, 2]),
///     identity: Uuid([8; 16]),
///     name: "rack1".parse()?,
///     software: None,
///     mtu: 1600,
///     authentication: Authentication::Open,
///     capabilities: Capabilities::default(),
///     term: 1,
///     entropy: [9; 32],
/// };
/// let mut vis = VisSession::new(config, VisLimits::default());
/// assert!(vis.poll_transmit(Duration::ZERO).is_none(), "the IV speaks first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VisSession {
    end: End<VisEvent>,
    limits: VisLimits,
    pending: Option<Pending>,
    conversation: Option<Box<Conversation<Task>>>,
    /// Counts sessions: 0 before the first.
    session: u32,
    closed: bool,
    vif_ids: Ids,
    vifs: BTreeMap<VifId, vif::Record>,
    by_uuid: BTreeMap<crate::identity::Uuid, VifId>,
    list_ids: Ids,
    lists: BTreeMap<ListId, list::Record>,
    asked: BTreeMap<u32, Asked>,
    generation: u32,
    catalogue: Vec<Vec<Profile>>,
    work: Work<Task>,
    given_up: u64,
}

/// What is to be asked, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// Enable or disable, as is wanted when it is sent.
    Apply(VifId),
    /// What `Apply` became.
    Enable(VifId),
    /// What `Apply` became.
    Disable(VifId),
    Status(VifId),
    Delete(VifId),
    ListSet(ListId),
    ListDelete(ListId),
    /// Of all lists that were not set in this session.
    ListDeleteRest,
    /// Generation and part.
    Catalogue(u32, u16),
}

impl VisSession {
    /// A VIS's end of a link on which nobody has been heard yet.
    pub fn new(config: EndConfig, limits: VisLimits) -> Self {
        Self {
            end: End::new(config, Direction::Down),
            pending: None,
            conversation: None,
            session: 0,
            closed: false,
            vif_ids: Ids::new(limits.max_vifs.min(VifId::MAX)),
            vifs: BTreeMap::new(),
            by_uuid: BTreeMap::new(),
            list_ids: Ids::new(limits.max_lists.min(ListId::MAX)),
            lists: BTreeMap::new(),
            asked: BTreeMap::new(),
            generation: 0,
            catalogue: Vec::new(),
            work: Work::new(),
            given_up: 0,
            limits,
        }
    }

    /// Takes a frame: whole, without FCS, untagged.
    pub fn handle_message(&mut self, now: Duration, frame: &[u8]) {
        self.wake(now);
        if self.closed {
            return;
        }
        match self.end.read(frame) {
            Ok(Received::Acknowledgement { source, sequence }) => {
                if let Some(conversation) = &mut self.conversation
                    && conversation.peer.mac == source
                    && conversation.acknowledged(sequence)
                {
                    self.end.statistics.acknowledged += 1;
                }
            }
            Ok(Received::Pdu(pdu)) => self.pdu(now, &pdu),
            Err(Some(FrameError::Version {
                version,
                address,
                sender,
                receiver,
                ..
            })) if self.conversation.is_none() && receiver == Nonce::NONE => {
                let refusal = version_refusal(version);
                self.end.say_no(now, address, sender, &refusal, false);
                let said = SessionRefused {
                    mac: address,
                    by: Direction::Down,
                    refusal,
                    authenticated: false,
                };
                self.end.tell_refused(now, said, VisEvent::Refused);
            }
            Err(_) => {}
        }
    }

    fn pdu(&mut self, now: Duration, pdu: &Pdu<'_>) {
        let envelope = &pdu.envelope;
        let conversation = self.conversation.as_deref();
        if let Some(conversation) = conversation.filter(|c| c.is_of(envelope)) {
            if conversation.would_take(&mut self.end, now, pdu)
                && let Some(messages) = self.end.verify(pdu)
            {
                self.take(now, pdu, messages);
            }
        } else if envelope.receiver.0 == 0 && envelope.sequence == 0 {
            self.opening_pdu(now, pdu);
        } else if self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.is_of(envelope))
        {
            self.confirming_pdu(now, pdu);
        } else {
            self.end.statistics.foreign += 1;
        }
    }

    /// Takes a PDU of the session whose authenticator holds.
    fn take(&mut self, now: Duration, pdu: &Pdu<'_>, messages: &[u8]) {
        let Some(conversation) = &mut self.conversation else {
            return;
        };
        for heard in conversation.take(&mut self.end, now, pdu, messages) {
            match heard {
                Heard::Request(transaction, kind, request) => {
                    self.request(now, transaction, kind, request);
                }
                Heard::Answer(task, answer) => self.answered(now, task, answer),
                Heard::Closed(why) => return self.lost(why),
            }
        }
        self.tell_mtu();
    }

    /// Does what the time has come for.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.wake(now);
        let silent = |c: &Conversation<Task>| c.is_silent(&self.end, now);
        if self.conversation.as_deref().is_some_and(silent) {
            let hold = self.end.config.parameters.hold.as_millis();
            let sentence = format!("nothing was heard of the IV for {hold} ms");
            self.lost(Refusal::new(Code::HOLD_TIME, sentence));
        }
        self.tell_mtu();
    }

    fn wake(&mut self, now: Duration) {
        self.vif_ids.wake(now);
        self.list_ids.wake(now);
        self.work.wake(now);
    }

    fn tell_mtu(&mut self) {
        let conversation = self.conversation.as_deref_mut();
        if let Some((octets, wanted)) = conversation.and_then(Conversation::take_mtu) {
            self.end.tell(VisEvent::MtuProven { octets, wanted });
        }
    }

    /// When [`Self::handle_timeout`] wants to be called, or something waits to be sent or told. May lie in
    /// the past: at once. `None`: nothing is to be done until something happens.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.end.has_frames() || self.end.has_events() {
            return Some(Duration::ZERO);
        }
        let conversation = self.conversation.as_deref().map(|conversation| {
            if !self.work.is_empty() && conversation.has_room() {
                return Duration::ZERO;
            }
            conversation.timeout(&self.end)
        });
        let others = [
            conversation,
            self.vif_ids.timeout(),
            self.list_ids.timeout(),
            self.work.timeout(),
        ];
        others.into_iter().flatten().min()
    }

    /// The next frame to send. Call it until there is none.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        if let Some(frame) = self.end.poll_frame() {
            self.end.statistics.sent += 1;
            return Some(frame);
        }
        while self.conversation.as_deref()?.has_room()
            && let Some(task) = self.work.pop()
        {
            if let Some((request, task)) = self.request_for(task) {
                self.conversation.as_deref_mut()?.ask(request, task);
            }
        }
        self.conversation
            .as_deref_mut()?
            .poll_transmit(&mut self.end, now)
    }

    /// The next event. Call it until there is none, and put it into force before anything is sent.
    pub fn poll_event(&mut self) -> Option<VisEvent> {
        self.end.poll_event()
    }

    /// What is to be said of a task, from how things are now. `None` when it is done with.
    fn request_for(&mut self, task: Task) -> Option<(Request, Task)> {
        let session = self.session;
        let request = match task {
            Task::Apply(vif) => {
                let record = self.vifs.get(&vif).filter(|r| r.is_live(session))?;
                match record.wanted.clone()? {
                    Ok(()) => {
                        return Some((Request::VifEnable(VifEnable { vif }), Task::Enable(vif)));
                    }
                    Err(why) => {
                        let (code, sentence) = (why.code, Some(why.sentence));
                        let disable = VifDisable {
                            vif,
                            code,
                            sentence,
                        };
                        return Some((Request::VifDisable(disable), Task::Disable(vif)));
                    }
                }
            }
            // These two are made of `Apply` only.
            Task::Enable(_) | Task::Disable(_) => return None,
            Task::Status(vif) => {
                let record = self.vifs.get(&vif).filter(|r| r.is_live(session))?;
                let (up, why) = record.status.clone()?;
                Request::VifStatus(VifStatus {
                    vif,
                    up,
                    code: why.as_ref().map(|why| why.code),
                    sentence: why.map(|why| why.sentence),
                })
            }
            Task::Delete(vif) => {
                let record = self.vifs.get(&vif)?;
                let going = record.going.as_ref().filter(|going| !going.forgotten)?;
                Request::VifDelete(VifDelete {
                    vif: Some(vif),
                    uuid: Some(record.uuid),
                    code: going.why.code,
                    sentence: Some(going.why.sentence.clone()),
                })
            }
            Task::ListSet(list) => {
                let record = self.lists.get_mut(&list).filter(|r| !r.released)?;
                let members = record.members.clone();
                Request::ListSet(ListSet { list, members })
            }
            Task::ListDelete(list) => {
                self.lists.get(&list).filter(|r| r.released)?;
                Request::ListDelete(ListDelete { list: Some(list) })
            }
            Task::ListDeleteRest => Request::ListDelete(ListDelete { list: None }),
            Task::Catalogue(generation, index) => {
                let profiles = self.catalogue.get(usize::from(index));
                Request::ProfileCatalogue(ProfileCatalogue {
                    generation,
                    part: Part {
                        index,
                        count: self.catalogue.len() as u16,
                    },
                    profiles: profiles.filter(|_| generation == self.generation)?.clone(),
                })
            }
        };
        Some((request, task))
    }

    fn answered(&mut self, now: Duration, task: Task, answer: Result<Answer, Refusal>) {
        match (task, answer) {
            (Task::Enable(vif), answer) => self.enable_answered(now, vif, answer.map(|_| ())),
            (Task::Disable(vif), answer) => self.disable_answered(now, vif, answer.map(|_| ())),
            (Task::Status(vif), Err(why)) if why.code == Code::UNKNOWN_VIF => {
                self.work.push_later(now + TELL_AGAIN, Task::Status(vif));
            }
            // Yes or no, the IV holds the id no more.
            (Task::Delete(vif), _) => self.forgotten(now, vif),
            (Task::ListSet(list), answer) => self.list_answered(list, answer.map(|_| ())),
            (Task::ListDelete(list), _) => self.list_forgotten(now, list),
            (Task::Apply(_) | Task::Status(_), _) => {}
            (Task::ListDeleteRest | Task::Catalogue(..), _) => {}
        }
    }

    /// Tells the IV which profiles it may ask for, in this and in every later session. At most 4,096;
    /// what is beyond them is left out.
    pub fn push_catalogue(&mut self, _now: Duration, profiles: Vec<Profile>) {
        self.generation = self.generation.wrapping_add(1);
        self.catalogue = vec![Vec::new()];
        let mut octets = 0;
        for profile in profiles.into_iter().take(MOST_PROFILES) {
            let length = 5 + profile.name.as_str().len() + profile.description.as_str().len();
            if octets + length > PART_OCTETS {
                self.catalogue.push(Vec::new());
                octets = 0;
            }
            octets += length;
            if let Some(part) = self.catalogue.last_mut() {
                part.push(profile);
            }
        }
        if self.conversation.is_some() {
            self.queue_catalogue();
        }
    }

    fn queue_catalogue(&mut self) {
        for index in 0..self.catalogue.len() as u16 {
            self.work.push(Task::Catalogue(self.generation, index));
        }
    }

    /// A session begins: the IV is told everything anew.
    fn begin(&mut self) {
        self.session = self.session.wrapping_add(1).max(1);
        self.work.clear();
        self.asked.clear();
        for (&vif, record) in &self.vifs {
            if record.going.as_ref().is_some_and(|going| !going.forgotten) {
                self.work.push(Task::Delete(vif));
            }
        }
        self.queue_lists();
        self.queue_catalogue();
    }

    /// The session is over. VIFs and lists stay as they are: the grace of design.md 5.9 is the embedder's.
    fn lost(&mut self, why: Refusal) {
        if let Some(conversation) = self.conversation.take() {
            self.given_up += conversation.given_up();
            self.end.tell(VisEvent::Lost(why));
        }
        self.work.clear();
        self.asked.clear();
    }

    /// Ends the session for good and says why. Send what [`Self::poll_transmit`] gives; nothing more comes.
    pub fn close(&mut self, _now: Duration, why: Refusal) {
        self.say_goodbye(&why);
        self.conversation = None;
        self.pending = None;
        self.closed = true;
        self.work.clear();
    }

    /// Ends the session and says why; the IV may open another.
    pub fn disconnect(&mut self, _now: Duration, why: Refusal) {
        self.say_goodbye(&why);
        self.pending = None;
        self.lost(why);
    }

    /// The port has another MTU: the session is opened anew, because it was opened with the old one.
    pub fn set_mtu(&mut self, now: Duration, mtu: u16) {
        if mtu != self.end.config.mtu {
            self.end.config.mtu = mtu;
            let sentence = format!("the VIS's port has MTU {mtu} now");
            self.disconnect(now, Refusal::new(Code::REPLACED, sentence));
        }
    }

    fn say_goodbye(&mut self, why: &Refusal) {
        if let Some(conversation) = &mut self.conversation {
            let close = conversation.close(&self.end, why);
            (0..3).for_each(|_| self.end.send_raw(close.clone()));
        }
    }

    /// Whether there is a session.
    pub const fn is_up(&self) -> bool {
        self.conversation.is_some()
    }

    /// The IV, while there is a session.
    pub fn peer(&self) -> Option<&Peer> {
        let conversation = self.conversation.as_deref();
        conversation.map(|conversation| &conversation.peer)
    }

    /// How many VIF ids and list ids are free.
    pub fn free_ids(&self) -> (usize, usize) {
        (self.vif_ids.free(), self.list_ids.free())
    }

    /// How the session goes, while there is one.
    pub fn health(&self, now: Duration) -> Option<Health> {
        Some(self.conversation.as_deref()?.health(now))
    }

    /// Has the link's MTU proven anew, if that is not being done: [`VisSession::health`] says what comes of it.
    pub fn prove_mtu(&mut self, now: Duration) {
        if let Some(conversation) = self.conversation.as_deref_mut() {
            conversation.prove_mtu(now);
        }
    }

    /// What became of frames so far.
    pub fn statistics(&self) -> Statistics {
        let conversation = self.conversation.as_deref();
        let given_up = conversation.map_or(0, Conversation::given_up);
        Statistics {
            given_up: self.given_up + given_up,
            ..self.end.statistics
        }
    }
}
