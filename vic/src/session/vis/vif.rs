//! The VIFs of a link: given, enabled, taken away, rested.

use super::event::{Ask, VisError, VisEvent};
use super::request::Asked;
use super::{Task, VisSession};
use crate::identity::Uuid;
use crate::message::{Answer, Kind, VifCreateAnswer};
use crate::refusal::{Code, Refusal};
use crate::text::Name;
use crate::timers::TELL_AGAIN;
use core::time::Duration;
use niv::VifId;

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) uuid: Uuid,
    /// In which session the IV created it; 0: in none, it comes from the store.
    session: u32,
    /// What the embedder said last: enable, or disable and why.
    pub(super) wanted: Option<Result<(), Refusal>>,
    /// The IV lets frames pass.
    enabled: bool,
    pub(super) status: Option<(bool, Option<Refusal>)>,
    /// On its way out.
    pub(super) going: Option<Going>,
}

#[derive(Clone, Debug)]
pub(super) struct Going {
    pub(super) why: Refusal,
    /// The IV holds it no more.
    pub(super) forgotten: bool,
    /// No worker holds it any more.
    quiesced: bool,
}

impl Record {
    /// In use, and created in this session.
    pub(super) const fn is_live(&self, session: u32) -> bool {
        self.going.is_none() && self.session == session
    }
}

/// Where a VIF is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VifState {
    /// It is a vNIC's, which its IV has not created (again) in this session.
    Bound,
    /// Created, not enabled.
    Created,
    /// The IV lets frames pass.
    Enabled,
    /// On its way out: nobody has it, and it cannot be given yet.
    Going,
}

impl VisSession {
    /// Remembers from the store that a vNIC has this id. Before the first frame.
    ///
    /// # Errors
    /// [`VisError::Taken`].
    pub fn restore(&mut self, uuid: Uuid, vif: VifId) -> Result<(), VisError> {
        if self.by_uuid.contains_key(&uuid) || !self.vif_ids.take_this(vif.get()) {
            return Err(VisError::Taken(vif));
        }
        self.give(uuid, vif, 0);
        Ok(())
    }

    /// Keeps an id from ever being given: it is bound by hand.
    ///
    /// # Errors
    /// [`VisError::Taken`].
    pub fn reserve(&mut self, vif: VifId) -> Result<(), VisError> {
        match self.vif_ids.take_this(vif.get()) {
            true => Ok(()),
            false => Err(VisError::Taken(vif)),
        }
    }

    /// Lets an id be given again that was reserved and that no worker uses any more. It rests first.
    pub fn unreserve(&mut self, now: Duration, vif: VifId) {
        if !self.vifs.contains_key(&vif) && !self.vif_ids.is_free_or_rests(vif.get()) {
            let at = now + self.end.config.parameters.rest;
            self.vif_ids.rest(at, vif.get());
        }
    }

    fn give(&mut self, uuid: Uuid, vif: VifId, session: u32) {
        self.by_uuid.insert(uuid, vif);
        let record = Record {
            uuid,
            session,
            wanted: None,
            enabled: false,
            status: None,
            going: None,
        };
        self.vifs.insert(vif, record);
    }

    /// Gives the vNIC of a [`VisEvent::Create`] its id: the one it has, or the one it offers if that is
    /// free, or another. Say `enable` or `disable` afterwards.
    ///
    /// # Errors
    /// [`VisError::NotAsked`], or [`VisError::NoVifFree`]: then the IV was told so.
    pub fn accept(
        &mut self,
        now: Duration,
        ask: Ask,
        veth: u32,
        veth_name: Option<Name>,
    ) -> Result<VifId, VisError> {
        self.wake(now);
        let (uuid, offered) = match self.asked_for(ask)? {
            &Asked::Create { uuid, offered } => (uuid, offered),
            Asked::Other(_) => return Err(VisError::NotAsked),
        };
        let vif = match self.by_uuid.get(&uuid) {
            Some(&vif) => vif,
            None => match self.pick(offered) {
                Some(vif) => vif,
                None => {
                    let sentence = "every VIF id of this link is taken";
                    self.refuse(now, ask, Refusal::new(Code::NO_VIF_FREE, sentence))?;
                    return Err(VisError::NoVifFree);
                }
            },
        };
        match self.vifs.get_mut(&vif) {
            Some(record) => record.session = self.session,
            None => self.give(uuid, vif, self.session),
        }
        let answer = VifCreateAnswer {
            vif,
            veth,
            veth_name,
        };
        self.asked.remove(&ask.transaction);
        if let Some(conversation) = &mut self.conversation {
            conversation.answer(ask.transaction, Answer::VifCreate(answer));
        }
        Ok(vif)
    }

    fn pick(&mut self, offered: Option<VifId>) -> Option<VifId> {
        let most = self.peer().map_or(0, |peer| peer.max_vifs);
        if self.by_uuid.len() >= most.into() {
            return None;
        }
        match offered.filter(|vif| self.vif_ids.take_this(vif.get())) {
            Some(vif) => Some(vif),
            None => self.vif_ids.take()?.try_into().ok(),
        }
    }

    /// Refuses the vNIC of a [`VisEvent::Create`]. If it has an id, that is taken away.
    ///
    /// # Errors
    /// [`VisError::NotAsked`].
    pub fn refuse(&mut self, now: Duration, ask: Ask, why: Refusal) -> Result<(), VisError> {
        let Asked::Create { uuid, .. } = *self.asked_for(ask)? else {
            return Err(VisError::NotAsked);
        };
        self.asked.remove(&ask.transaction);
        if let Some(conversation) = &mut self.conversation {
            conversation.settle(ask.transaction, Kind::VifCreate as u8, Err(why.clone()));
        }
        if let Some(&vif) = self.by_uuid.get(&uuid) {
            self.begin_going(now, vif, why);
        }
        Ok(())
    }

    fn live(&mut self, vif: VifId) -> Result<&mut Record, VisError> {
        let record = self.vifs.get_mut(&vif).filter(|r| r.going.is_none());
        record.ok_or(VisError::UnknownVif(vif))
    }

    /// Has the IV let frames of this VIF pass. Take its frames before you say so: they may be here before the answer.
    /// [`VisEvent::Enabled`] follows, at once if it does already.
    /// A VIF of an earlier session is enabled after the IV has created it again and it was accepted.
    ///
    /// # Errors
    /// [`VisError::UnknownVif`].
    pub fn enable(&mut self, _now: Duration, vif: VifId) -> Result<(), VisError> {
        self.live(vif)?.wanted = Some(Ok(()));
        self.work.push(Task::Apply(vif));
        Ok(())
    }

    /// Has the IV let no frame of this VIF pass. Stop sending to it before, and take what it sends until
    /// [`VisEvent::Disabled`] follows.
    ///
    /// # Errors
    /// [`VisError::UnknownVif`].
    pub fn disable(&mut self, _now: Duration, vif: VifId, why: Refusal) -> Result<(), VisError> {
        self.live(vif)?.wanted = Some(Err(why));
        self.work.push(Task::Apply(vif));
        Ok(())
    }

    /// Tells the IV how the vEth is: the guest's carrier follows.
    ///
    /// # Errors
    /// [`VisError::UnknownVif`].
    pub fn status(
        &mut self,
        _now: Duration,
        vif: VifId,
        up: bool,
        why: Option<Refusal>,
    ) -> Result<(), VisError> {
        self.live(vif)?.status = Some((up, why));
        self.work.push(Task::Status(vif));
        Ok(())
    }

    /// Takes a VIF away. [`VisEvent::VifGone`] follows.
    ///
    /// # Errors
    /// [`VisError::UnknownVif`].
    pub fn delete(&mut self, now: Duration, vif: VifId, why: Refusal) -> Result<(), VisError> {
        self.live(vif)?;
        self.begin_going(now, vif, why);
        Ok(())
    }

    /// No worker can have frames for this VIF in its hands any more: once, after [`VisEvent::VifGone`].
    ///
    /// # Errors
    /// [`VisError::UnknownVif`].
    pub fn vif_quiesced(&mut self, now: Duration, vif: VifId) -> Result<(), VisError> {
        let record = self.vifs.get_mut(&vif);
        let going = record.and_then(|record| record.going.as_mut());
        going.ok_or(VisError::UnknownVif(vif))?.quiesced = true;
        self.rest_if_done(now, vif);
        Ok(())
    }

    /// The IV is taken for gone (its grace is over): its VIFs come as [`VisEvent::VifGone`], its lists are
    /// lost, and nobody waits for its word any more. Ignored while there is a session.
    pub fn expire(&mut self, now: Duration) {
        if self.is_up() {
            return;
        }
        let why = Refusal::new(Code::HOLD_TIME, "the IV did not come back in time");
        let all: Vec<VifId> = self.vifs.keys().copied().collect();
        for vif in all {
            self.begin_going(now, vif, why.clone());
            self.forgotten(now, vif);
        }
        self.expire_lists(now);
    }

    /// From here on nobody has the VIF. Its id is free when the IV and all workers have let it go and it
    /// has rested.
    pub(super) fn begin_going(&mut self, _now: Duration, vif: VifId, why: Refusal) {
        let Some(record) = self.vifs.get_mut(&vif).filter(|r| r.going.is_none()) else {
            return;
        };
        record.going = Some(Going {
            why: why.clone(),
            forgotten: false,
            quiesced: false,
        });
        let uuid = record.uuid;
        self.by_uuid.remove(&uuid);
        self.strip(vif);
        self.end.tell(VisEvent::VifGone { vif, uuid, why });
        if self.is_up() {
            self.work.push(Task::Delete(vif));
        }
    }

    /// VIFs that the IV did not create again in this session are gone.
    pub(super) fn sweep(&mut self, now: Duration) {
        let session = self.session;
        // Those the embedder still thinks about were created again.
        let asked: Vec<Uuid> = self.asked.values().filter_map(Asked::uuid).collect();
        let old = self.vifs.iter().filter(|(_, record)| {
            record.session != session && record.going.is_none() && !asked.contains(&record.uuid)
        });
        let old: Vec<VifId> = old.map(|(&vif, _)| vif).collect();
        let why = Refusal::new(Code::DETACHED, "the IV has no such vNIC any more");
        old.into_iter()
            .for_each(|vif| self.begin_going(now, vif, why.clone()));
    }

    /// The IV holds the id no more.
    pub(super) fn forgotten(&mut self, now: Duration, vif: VifId) {
        let record = self.vifs.get_mut(&vif);
        if let Some(going) = record.and_then(|record| record.going.as_mut()) {
            going.forgotten = true;
            self.rest_if_done(now, vif);
        }
    }

    fn rest_if_done(&mut self, now: Duration, vif: VifId) {
        let record = self.vifs.get(&vif);
        let going = record.and_then(|record| record.going.as_ref());
        if going.is_some_and(|going| going.forgotten && going.quiesced) {
            self.vifs.remove(&vif);
            let at = now + self.end.config.parameters.rest;
            self.vif_ids.rest(at, vif.get());
        }
    }

    pub(super) fn enable_answered(
        &mut self,
        now: Duration,
        vif: VifId,
        answer: Result<(), Refusal>,
    ) {
        let session = self.session;
        let Some(record) = self.vifs.get_mut(&vif).filter(|r| r.is_live(session)) else {
            return;
        };
        match answer {
            Ok(()) => {
                record.enabled = true;
                self.end.tell(VisEvent::Enabled(vif));
            }
            Err(why) if why.code == Code::UNKNOWN_VIF => {
                self.work.push_later(now + TELL_AGAIN, Task::Apply(vif));
            }
            Err(why) => {
                record.enabled = false;
                self.end.tell(VisEvent::EnableRefused { vif, why });
            }
        }
    }

    pub(super) fn disable_answered(
        &mut self,
        now: Duration,
        vif: VifId,
        answer: Result<(), Refusal>,
    ) {
        let session = self.session;
        let Some(record) = self.vifs.get_mut(&vif).filter(|r| r.is_live(session)) else {
            return;
        };
        if answer.is_err_and(|why| why.code == Code::UNKNOWN_VIF) {
            self.work.push_later(now + TELL_AGAIN, Task::Apply(vif));
        } else {
            record.enabled = false;
            self.end.tell(VisEvent::Disabled(vif));
        }
    }

    /// The VIFs, whose each is, and where it is on its way. What is in use is worth keeping in the store, for
    /// [`Self::restore`].
    pub fn vifs(&self) -> impl Iterator<Item = (VifId, Uuid, VifState)> {
        self.vifs.iter().map(|(&vif, record)| {
            let state = match record {
                Record { going: Some(_), .. } => VifState::Going,
                record if record.session != self.session => VifState::Bound,
                Record { enabled: true, .. } => VifState::Enabled,
                _ => VifState::Created,
            };
            (vif, record.uuid, state)
        })
    }
}
