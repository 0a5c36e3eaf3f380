//! The IV's end.

mod command;
mod event;
mod opening;
mod request;
mod vnics;

pub use event::{IvEvent, Vnic, VnicError, VnicState};

use super::conversation::{Conversation, Heard};
use super::end::{End, version_refusal};
use super::work::Work;
use super::{EndConfig, Health, Peer, SessionRefused, Statistics};
use crate::frame::{Direction, FrameError, Pdu, Received};
use crate::identity::{Nonce, Uuid};
use crate::message::{
    Answer, Counters, ListUnknown, Members, Profile, Request, VifCounters, VifCreate, VifDelete,
    VifSet,
};
use crate::refusal::{Code, Refusal};
use core::time::Duration;
use niv::{ListId, VifId};
use opening::Opening;
use std::collections::{BTreeMap, BTreeSet};
use vnics::Vnics;

/// How much an IV can hold; the VIS is told and keeps to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IvLimits {
    /// vNICs: 1..=4095.
    pub max_vifs: u16,
    /// Lists: 0..=16383. Each takes 600 octets.
    pub max_lists: u16,
}

impl Default for IvLimits {
    /// All VIFs there can be, and 4,096 lists.
    fn default() -> Self {
        Self {
            max_vifs: VifId::MAX,
            max_lists: 4096,
        }
    }
}

/// The IV's end of a link. [`crate::session`] says how it is driven.
///
/// ```
/// use core::time::Duration;
/// use vic::session::iv::{IvLimits, IvSession};
/// use vic::session::{Authentication, Capabilities, EndConfig};
/// use vic::{Mac, Parameters, Uuid};
///
/// let config = EndConfig {
///     parameters: Parameters::default(),
///     mac: Mac([2, 0, 0, 0, 0, 1]),
///     identity: Uuid([7; 16]),
///     name: "host1".parse()?,
///     software: None,
///     mtu: 1600,
///     authentication: Authentication::Open,
///     capabilities: Capabilities::default(),
///     term: 0,
///     entropy: [9; 32],
/// };
/// let mut iv = IvSession::new(config, IvLimits::default());
/// let now = Duration::ZERO;
/// assert_eq!(iv.poll_timeout(), Some(now));
/// iv.handle_timeout(now);
/// let open = iv.poll_transmit(now).ok_or("nothing to send")?;
/// assert_eq!(open[12..14], [0x89, 0x40]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct IvSession {
    end: End<IvEvent>,
    limits: IvLimits,
    term: u64,
    phase: Phase,
    vnics: Vnics,
    by_hand: BTreeSet<VifId>,
    lists: BTreeMap<ListId, Held>,
    counters: BTreeMap<VifId, VifCounters>,
    work: Work<Task>,
    ask_again_at: Option<Duration>,
    catalogue: request::Catalogue,
    given_up: u64,
}

#[derive(Debug)]
enum Phase {
    Opening(Opening),
    Up(Box<Conversation<Task>>),
    Closed,
}

#[derive(Debug)]
struct Held {
    members: Members,
    /// Set in this session.
    current: bool,
}

/// What is to be asked, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Create(Uuid),
    Delete(Uuid),
    /// Of all VIFs that were not created in this session.
    DeleteRest,
    Set(Uuid),
    Counters(VifId),
    Unknown(ListId),
    Prepare(Uuid, Option<Uuid>),
    Commit(Uuid),
    Abort(Uuid),
}

impl IvSession {
    /// An IV without vNICs that is about to open a session.
    pub fn new(config: EndConfig, limits: IvLimits) -> Self {
        let term = config.term;
        let mut end = End::new(config, Direction::Up);
        let nonce = Nonce(end.entropy.draw());
        Self {
            end,
            limits,
            term,
            phase: Phase::Opening(Opening::new(Duration::ZERO, nonce)),
            vnics: Vnics::default(),
            by_hand: BTreeSet::new(),
            lists: BTreeMap::new(),
            counters: BTreeMap::new(),
            work: Work::new(),
            ask_again_at: None,
            catalogue: request::Catalogue::default(),
            given_up: 0,
        }
    }

    /// Takes a frame: whole, without FCS, untagged.
    pub fn handle_message(&mut self, now: Duration, frame: &[u8]) {
        match self.end.read(frame) {
            Ok(Received::Acknowledgement { source, sequence }) => {
                if let Phase::Up(conversation) = &mut self.phase
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
                receiver,
                direction: Direction::Down,
                ..
            })) if self.opens_with(receiver) => {
                let said = SessionRefused {
                    mac: address,
                    by: Direction::Up,
                    refusal: version_refusal(version),
                    authenticated: false,
                };
                self.end.tell_refused(now, said, IvEvent::Refused);
            }
            Err(_) => {}
        }
    }

    /// Whether there is no session, and this is the nonce of the one that is being opened.
    fn opens_with(&self, nonce: Nonce) -> bool {
        matches!(&self.phase, Phase::Opening(opening) if opening.nonce == nonce)
    }

    fn pdu(&mut self, now: Duration, pdu: &Pdu<'_>) {
        let conversation = match &mut self.phase {
            Phase::Opening(_) => return self.opening_pdu(now, pdu),
            Phase::Up(conversation) if conversation.is_of(&pdu.envelope) => conversation,
            Phase::Up(_) | Phase::Closed => {
                self.end.statistics.foreign += 1;
                return;
            }
        };
        if !conversation.would_take(&mut self.end, now, pdu) {
            return;
        }
        let Some(messages) = self.end.verify(pdu) else {
            return;
        };
        for heard in conversation.take(&mut self.end, now, pdu, messages) {
            match heard {
                Heard::Request(transaction, kind, request) => {
                    self.request(transaction, kind, request);
                }
                Heard::Answer(task, answer) => self.answered(now, task, answer),
                Heard::Closed(why) => return self.lost(now, why),
            }
        }
        self.tell_mtu();
    }

    /// Does what the time has come for.
    pub fn handle_timeout(&mut self, now: Duration) {
        match &mut self.phase {
            Phase::Opening(_) => self.open(now),
            Phase::Up(conversation) if conversation.is_silent(&self.end, now) => {
                let hold = self.end.config.parameters.hold.as_millis();
                let sentence = format!("nothing was heard of the VIS for {hold} ms");
                self.lost(now, Refusal::new(Code::HOLD_TIME, sentence));
            }
            Phase::Up(_) => {
                if self.ask_again_at.is_some_and(|at| at <= now) {
                    self.ask_again_at = None;
                    let refused = self.vnics.iter().filter(|record| record.refused);
                    refused.for_each(|record| self.work.push(Task::Create(record.vnic.uuid)));
                }
                self.tell_mtu();
            }
            Phase::Closed => {}
        }
    }

    /// When [`Self::handle_timeout`] wants to be called, or something waits to be sent or told. May lie in
    /// the past: at once. `None` after [`Self::close`].
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.end.has_frames() || self.end.has_events() {
            return Some(Duration::ZERO);
        }
        match &self.phase {
            Phase::Opening(opening) => Some(opening.at),
            Phase::Up(conversation) => {
                if !self.work.is_empty() && conversation.has_room() {
                    return Some(Duration::ZERO);
                }
                let timeout = conversation.timeout(&self.end);
                Some(self.ask_again_at.map_or(timeout, |at| at.min(timeout)))
            }
            Phase::Closed => None,
        }
    }

    /// The next frame to send. Call it until there is none.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        if let Some(frame) = self.end.poll_frame() {
            self.end.statistics.sent += 1;
            return Some(frame);
        }
        while let Phase::Up(conversation) = &mut self.phase
            && conversation.has_room()
            && let Some(task) = self.work.pop()
        {
            if let Some(request) = self.request_for(task)
                && let Phase::Up(conversation) = &mut self.phase
            {
                conversation.ask(request, task);
            }
        }
        match &mut self.phase {
            Phase::Up(conversation) => conversation.poll_transmit(&mut self.end, now),
            Phase::Opening(_) | Phase::Closed => None,
        }
    }

    /// The next event. Call it until there is none, and put it into force before anything is sent.
    pub fn poll_event(&mut self) -> Option<IvEvent> {
        self.end.poll_event()
    }

    /// What is to be said of a task, from how things are now. `None` when it is done with.
    fn request_for(&mut self, task: Task) -> Option<Request> {
        Some(match task {
            Task::Create(uuid) => {
                let record = self.vnics.get_mut(uuid)?;
                if record.asked || record.state == VnicState::Detaching {
                    return None;
                }
                record.asked = true;
                record.revoked = None;
                record.set = (None, None);
                if record.state != VnicState::Enabled {
                    record.state = VnicState::Creating;
                }
                let vnic = record.vnic.clone();
                Request::VifCreate(VifCreate {
                    uuid,
                    mac: vnic.mac,
                    name: vnic.name,
                    profile: vnic.profile,
                    mtu: vnic.mtu,
                    vif: record.vif,
                    owner_name: vnic.owner_name,
                    owner_uuid: vnic.owner_uuid,
                })
            }
            Task::Delete(uuid) => {
                let record = self.vnics.get_mut(uuid)?;
                if record.state != VnicState::Detaching || record.asked || record.deleting {
                    return None;
                }
                let Some(vif) = record.vif else {
                    // It was taken away meanwhile: there is nothing to give back.
                    self.detached(uuid);
                    return None;
                };
                record.deleting = true;
                Request::VifDelete(VifDelete {
                    vif: Some(vif),
                    uuid: Some(uuid),
                    code: Code::DETACHED,
                    sentence: None,
                })
            }
            Task::DeleteRest => Request::VifDelete(VifDelete {
                vif: None,
                uuid: None,
                code: Code::DETACHED,
                sentence: None,
            }),
            Task::Set(uuid) => {
                let record = self.vnics.get_mut(uuid)?;
                let (mac, mtu) = core::mem::take(&mut record.set);
                let given = record.vif.filter(|_| record.given);
                let vif = given.filter(|_| mac.is_some() || mtu.is_some())?;
                Request::VifSet(VifSet { vif, mac, mtu })
            }
            Task::Counters(vif) => Request::Counters(Counters {
                vif,
                counters: self.counters.remove(&vif)?,
            }),
            Task::Unknown(list) => Request::ListUnknown(ListUnknown { list }),
            Task::Prepare(uuid, identity) => {
                Request::Prepare(crate::message::Prepare { uuid, identity })
            }
            Task::Commit(uuid) => Request::Commit(crate::message::Commit { uuid }),
            Task::Abort(uuid) => Request::Abort(crate::message::Abort { uuid }),
        })
    }

    fn answered(&mut self, now: Duration, task: Task, answer: Result<Answer, Refusal>) {
        match (task, answer) {
            (Task::Create(uuid), Ok(Answer::VifCreate(answer))) => self.created(uuid, answer),
            (Task::Create(uuid), Err(why)) => self.create_refused(now, uuid, why),
            (Task::Delete(uuid), _) => self.detached(uuid),
            (Task::Set(uuid), Err(why)) => self.end.tell(IvEvent::SetRefused { uuid, why }),
            (Task::Prepare(uuid, _) | Task::Commit(uuid) | Task::Abort(uuid), answer) => {
                let outcome = answer.map(|_| ());
                self.end.tell(IvEvent::Move { uuid, outcome });
            }
            (Task::Create(_) | Task::DeleteRest | Task::Set(_), _) => {}
            (Task::Counters(_) | Task::Unknown(_), _) => {}
        }
    }

    /// The session is over: what forwards goes on, and another session is opened.
    fn lost(&mut self, now: Duration, why: Refusal) {
        if let Phase::Up(conversation) = &self.phase {
            self.given_up += conversation.given_up();
        }
        let nonce = Nonce(self.end.entropy.draw());
        // One who was told to go does not come back at once.
        let wait = match why.code {
            Code::HOLD_TIME | Code::REPLACED => Duration::ZERO,
            _ => crate::timers::REFUSED,
        };
        self.phase = Phase::Opening(Opening::new(now + wait, nonce));
        self.work.clear();
        self.ask_again_at = None;
        self.end.tell(IvEvent::Lost(why));
        let mut detached = Vec::new();
        for record in self.vnics.iter_mut() {
            record.asked = false;
            record.deleting = false;
            match record.state {
                VnicState::Detaching => detached.push(record.vnic.uuid),
                VnicState::Creating | VnicState::Created => record.state = VnicState::Waiting,
                VnicState::Waiting | VnicState::Enabled | VnicState::Down(_) => {}
            }
        }
        // What is not created again is gone: nobody need be asked.
        detached.into_iter().for_each(|uuid| self.detached(uuid));
    }

    fn tell_mtu(&mut self) {
        if let Phase::Up(conversation) = &mut self.phase
            && let Some((octets, wanted)) = conversation.take_mtu()
        {
            self.end.tell(IvEvent::MtuProven { octets, wanted });
        }
    }

    /// Whether there is a session.
    pub const fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up(_))
    }

    /// The VIS, while there is a session.
    pub fn peer(&self) -> Option<&Peer> {
        match &self.phase {
            Phase::Up(conversation) => Some(&conversation.peer),
            Phase::Opening(_) | Phase::Closed => None,
        }
    }

    /// How the session goes, while there is one.
    pub fn health(&self, now: Duration) -> Option<Health> {
        match &self.phase {
            Phase::Up(conversation) => Some(conversation.health(now)),
            Phase::Opening(_) | Phase::Closed => None,
        }
    }

    /// Has the link's MTU proven anew, if that is not being done: [`IvSession::health`] says what comes of it.
    pub fn prove_mtu(&mut self, now: Duration) {
        if let Phase::Up(conversation) = &mut self.phase {
            conversation.prove_mtu(now);
        }
    }

    /// The highest term of a VIS so far. Keep it, and give it to the next [`IvSession::new`].
    pub const fn term(&self) -> u64 {
        self.term
    }

    /// The vNICs, with their ids and where they are on their way. The ids are worth keeping: they are
    /// what a restarted IV offers ([`Vnic::vif`]).
    pub fn vnics(&self) -> impl Iterator<Item = (&Vnic, Option<VifId>, &VnicState)> {
        let records = self.vnics.iter();
        records.map(|record| (&record.vnic, record.vif, &record.state))
    }

    /// The lists the VIS made.
    pub fn lists(&self) -> impl Iterator<Item = (ListId, &Members)> {
        self.lists.iter().map(|(&list, held)| (list, &held.members))
    }

    /// The profiles that may be asked for, as last told.
    pub fn catalogue(&self) -> &[Profile] {
        self.catalogue.profiles()
    }

    /// What became of frames so far.
    pub fn statistics(&self) -> Statistics {
        let given_up = match &self.phase {
            Phase::Up(conversation) => conversation.given_up(),
            Phase::Opening(_) | Phase::Closed => 0,
        };
        Statistics {
            given_up: self.given_up + given_up,
            ..self.end.statistics
        }
    }
}
