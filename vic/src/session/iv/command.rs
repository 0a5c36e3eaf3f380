//! What an IV's embedder can ask for.

use super::opening::Opening;
use super::{IvEvent, IvSession, Phase, Task, Vnic, VnicError, VnicState};
use crate::identity::{Nonce, Uuid};
use crate::message::VifCounters;
use crate::refusal::{Code, Refusal};
use core::time::Duration;
use niv::{ListId, Mac, VifId};

impl IvSession {
    /// Asks for a VIF for a vNIC, now or when there is a session, and in every later session.
    ///
    /// # Errors
    /// See [`VnicError`].
    pub fn attach(&mut self, _now: Duration, vnic: Vnic) -> Result<(), VnicError> {
        let uuid = vnic.uuid;
        check(vnic.mac)?;
        match self.vnics.get(uuid).map(|record| &record.state) {
            Some(VnicState::Detaching) => return Err(VnicError::Detaching(uuid)),
            Some(_) => return Err(VnicError::Attached(uuid)),
            None => {}
        }
        if self.vnics.len() >= self.limits.max_vifs.into() {
            return Err(VnicError::Full(self.limits.max_vifs));
        }
        self.vnics.insert(vnic);
        if self.is_up() {
            self.work.push(Task::Create(uuid));
        }
        Ok(())
    }

    /// A VIF that is bound by hand here: it is no vNIC's of the session, even if the VIS gives it to one.
    pub fn reserve(&mut self, vif: VifId) {
        self.by_hand.insert(vif);
    }

    /// Gives a vNIC's VIF back. The data path lets none of its frames pass any more when this is called.
    /// [`IvEvent::Detached`] follows.
    ///
    /// # Errors
    /// See [`VnicError`].
    pub fn detach(&mut self, _now: Duration, uuid: Uuid) -> Result<(), VnicError> {
        let up = self.is_up();
        let record = self.vnics.get_mut(uuid).ok_or(VnicError::Unknown(uuid))?;
        if record.state == VnicState::Detaching {
            return Err(VnicError::Detaching(uuid));
        }
        if !up || !record.asked && record.vif.is_none() {
            self.detached(uuid);
            return Ok(());
        }
        record.state = VnicState::Detaching;
        // When the VIS was asked for an id, its answer says which one is to be given back.
        if !record.asked {
            self.work.push(Task::Delete(uuid));
        }
        Ok(())
    }

    /// A vNIC has another address or MTU.
    ///
    /// # Errors
    /// See [`VnicError`].
    pub fn set(
        &mut self,
        _now: Duration,
        uuid: Uuid,
        mac: Option<Mac>,
        mtu: Option<u16>,
    ) -> Result<(), VnicError> {
        mac.map_or(Ok(()), check)?;
        let up = self.is_up();
        let record = self.vnics.get_mut(uuid).ok_or(VnicError::Unknown(uuid))?;
        record.vnic.mac = mac.unwrap_or(record.vnic.mac);
        record.vnic.mtu = mtu.unwrap_or(record.vnic.mtu);
        record.set = (mac.or(record.set.0), mtu.or(record.set.1));
        if up && record.given {
            // Else VifCreate says it.
            self.work.push(Task::Set(uuid));
        }
        Ok(())
    }

    /// What passed the vNIC with this VIF. Only the latest word is sent. Ignored without a session, and
    /// when no vNIC was given the VIF in it.
    pub fn counters(&mut self, _now: Duration, vif: VifId, counters: VifCounters) {
        if self.is_up() && self.vnics.by_vif(vif).is_some_and(|record| record.given) {
            self.counters.insert(vif, counters);
            self.work.push(Task::Counters(vif));
        }
    }

    /// The data path met a frame for a list it does not know. Tell it at most some times a second; the
    /// same list is reported once at a time.
    pub fn list_unknown(&mut self, _now: Duration, list: ListId) {
        if self.is_up() {
            self.work.push(Task::Unknown(list));
        }
    }

    /// A vNIC is about to move to the IV of that identity, if known. [`IvEvent::Move`] follows, unless the
    /// session is lost first.
    pub fn prepare(&mut self, _now: Duration, uuid: Uuid, to: Option<Uuid>) {
        self.work_if_up(Task::Prepare(uuid, to));
    }

    /// A vNIC that came from another IV by a prepared move lives here now. [`IvEvent::Move`] follows.
    pub fn commit(&mut self, _now: Duration, uuid: Uuid) {
        self.work_if_up(Task::Commit(uuid));
    }

    /// A vNIC does not move after all. [`IvEvent::Move`] follows.
    pub fn abort(&mut self, _now: Duration, uuid: Uuid) {
        self.work_if_up(Task::Abort(uuid));
    }

    fn work_if_up(&mut self, task: Task) {
        match (self.is_up(), task) {
            (true, task) => self.work.push(task),
            (false, Task::Prepare(uuid, _) | Task::Commit(uuid) | Task::Abort(uuid)) => {
                let why = Refusal::new(Code::FAILED, "there is no session with the VIS");
                let outcome = Err(why);
                self.end.tell(IvEvent::Move { uuid, outcome });
            }
            (false, _) => {}
        }
    }

    /// Ends the session for good and says why. Send what [`Self::poll_transmit`] gives; nothing more comes.
    pub fn close(&mut self, _now: Duration, why: Refusal) {
        self.say_goodbye(&why);
        self.phase = Phase::Closed;
        self.work.clear();
    }

    /// The port has another MTU: the session is opened anew, because it was opened with the old one.
    pub fn set_mtu(&mut self, now: Duration, mtu: u16) {
        if mtu == self.end.config.mtu {
            return;
        }
        self.end.config.mtu = mtu;
        let why = Refusal::new(Code::REPLACED, format!("the IV's port has MTU {mtu} now"));
        match self.phase {
            Phase::Up(_) => {
                self.say_goodbye(&why);
                self.lost(now, why);
            }
            Phase::Opening(_) => {
                let nonce = Nonce(self.end.entropy.draw());
                self.phase = Phase::Opening(Opening::new(now, nonce));
            }
            Phase::Closed => {}
        }
    }

    fn say_goodbye(&mut self, why: &Refusal) {
        if let Phase::Up(conversation) = &mut self.phase {
            let close = conversation.close(&self.end, why);
            (0..3).for_each(|_| self.end.send_raw(close.clone()));
        }
    }
}

fn check(mac: Mac) -> Result<(), VnicError> {
    match mac.is_group() || mac.is_zero() {
        true => Err(VnicError::Mac(mac)),
        false => Ok(()),
    }
}
