//! What sessions say, and what becomes of vEths by it.

use super::command::{Command, Report};
use super::link::{LastRefusal, Subject};
use super::notice::Notice;
use super::record::{Move, Place, Record, Stage};
use super::registry::Registry;
use super::repeats::Say;
use crate::config::{EthernetId, InterfaceId};
use niv::VifId;
use std::collections::BTreeMap;
use std::time::Duration;
use vic::session::Peer;
use vic::session::vis::{Ask, MoveStep, VisError, VisEvent};
use vic::{Code, Refusal, Uuid};

impl Registry {
    /// What a session on `link` said.
    pub fn handle(&mut self, now: Duration, link: EthernetId, event: VisEvent) {
        match event {
            VisEvent::Admission(peer) => self.admission(link, &peer),
            VisEvent::Up(peer) => self.up(now, link, peer),
            VisEvent::Lost(why) => self.lost(now, link, why),
            VisEvent::Refused(said) => {
                let record = self.links.entry(link).or_default();
                record.refused += 1;
                record.last_refusal = Some(LastRefusal {
                    at: now,
                    said: said.clone(),
                });
                let subject = Subject::Session(said.mac, said.refusal.code);
                self.tell(now, link, subject, Notice::SessionRefused(link, said));
            }
            VisEvent::Create { ask, create, .. } => self.create(now, link, ask, create),
            VisEvent::Enabled(vif) => self.enabled(now, link, vif, Ok(())),
            VisEvent::EnableRefused { vif, why } => self.enabled(now, link, vif, Err(why)),
            VisEvent::Disabled(vif) => self.disabled(now, link, vif),
            VisEvent::VifGone { vif, uuid, why } => self.vif_gone(now, link, vif, uuid, why),
            VisEvent::Set { ask, vif, mac, mtu } => {
                let done = self.may_change(link, vif, mac, mtu);
                if done.is_ok() {
                    self.change(link, vif, |record| {
                        record.mac = mac.unwrap_or(record.mac);
                        record.mtu = mtu.unwrap_or(record.mtu);
                    });
                }
                self.command(link, Command::Answer { ask, done });
            }
            VisEvent::Move { ask, uuid, step } => self.step(link, ask, uuid, step),
            VisEvent::ListConfirmed(list) => {
                self.unsettled |= self.lists.confirm(link, list, true);
            }
            VisEvent::ListLost(list) => {
                self.unsettled |= self.lists.confirm(link, list, false);
            }
            VisEvent::ListRefused { list, why } => {
                self.lists.refused(now, link, list);
                self.tell_no_list(now, link, why);
                self.unsettled = true;
            }
            VisEvent::Counters { vif, counters } => {
                if let Some(record) = self.at(link, vif) {
                    record.counters = counters;
                }
            }
            VisEvent::MtuProven { octets, wanted } => {
                self.links.entry(link).or_default().mtu_proven = Some((octets, wanted));
                if octets < wanted {
                    let small = Notice::SmallMtu {
                        link,
                        octets,
                        wanted,
                    };
                    self.tell(now, link, Subject::Mtu(octets), small);
                }
            }
        }
    }

    /// What came of a command.
    pub fn report(&mut self, now: Duration, link: EthernetId, report: Report) {
        match report {
            Report::Accepted { ask, uuid, vif } => self.accepted(now, link, ask, uuid, vif),
            Report::ListMade { members, list } => {
                if let Err(error) = &list {
                    let why = Refusal::new(Code::NO_LIST_FREE, error.to_string());
                    self.tell_no_list(now, link, why);
                }
                self.lists.made(now, link, members, list);
                self.unsettled |= self.lists.has_unused();
            }
        }
    }

    /// Not for every list: it is the link that is out of them.
    fn tell_no_list(&mut self, now: Duration, link: EthernetId, why: Refusal) {
        self.links.entry(link).or_default().lists_refused += 1;
        let subject = Subject::List(why.code);
        self.tell(now, link, subject, Notice::NoList(link, why));
    }

    /// Says what goes on, though not all the time.
    pub(super) fn tell(
        &mut self,
        now: Duration,
        link: EthernetId,
        subject: Subject,
        notice: Notice,
    ) {
        let record = self.links.entry(link).or_default();
        let notice = match record.repeats.happened(now, &subject, 1) {
            Say::First => notice,
            Say::Again(times) => Notice::Again(Box::new(notice), times),
            Say::Nothing => return,
            Say::Full => match record.others.happened(now, &(), 1) {
                Say::First => Notice::Others(link, 1),
                Say::Again(times) => Notice::Others(link, times),
                Say::Nothing | Say::Full => return,
            },
        };
        self.notices.push_back(notice);
    }

    /// Says what has not happened for a while.
    pub(super) fn tell_what_is_over(&mut self, now: Duration) {
        for (&link, record) in &mut self.links {
            let over = record.repeats.quiet(now).into_iter();
            self.notices
                .extend(over.map(|(subject, times)| Notice::Over(link, subject, times)));
            record.others.quiet(now);
        }
    }

    /// Only here can it be known whether another link has an IV of the same identity.
    fn admission(&mut self, link: EthernetId, peer: &Peer) {
        let other = self.links.iter().find(|(other, record)| {
            let same = |there: &Peer| there.identity == peer.identity;
            **other != link && record.peer.as_ref().is_some_and(same)
        });
        let command = match other {
            None => Command::Admit,
            Some((&other, _)) => {
                let other = InterfaceId::Ethernet(other);
                let sentence = format!(
                    "an IV of the identity {} has a session on {other}",
                    peer.identity
                );
                Command::RefuseSession(Refusal::new(Code::DUPLICATE_IDENTITY, sentence))
            }
        };
        self.command(link, command);
    }

    fn up(&mut self, now: Duration, link: EthernetId, peer: Peer) {
        let deadline = now + self.said.vic.grace();
        let record = self.links.entry(link).or_default();
        let stranger = record.identity.replace(peer.identity) != Some(peer.identity);
        record.deadline = None;
        record.since = now;
        record.sessions += 1;
        record
            .repeats
            .forget(|subject| matches!(subject, Subject::Session(..)));
        record.peer = Some(peer.clone());
        for record in on_link(&mut self.records, link) {
            // Another host has no right to the vEths of the one before.
            self.unsettled |= stranger && std::mem::take(&mut record.carried);
            record.told = None;
            record.enter(now, Stage::Absent { deadline });
        }
        self.notices
            .push_back(Notice::SessionUp(link, Box::new(peer)));
    }

    pub(super) fn lost(&mut self, now: Duration, link: EthernetId, why: Refusal) {
        let deadline = now + self.said.vic.grace();
        let record = self.links.entry(link).or_default();
        record.peer = None;
        record.since = now;
        record.deadline = Some(deadline);
        record.lost = Some(why.clone());
        for record in self.records.values_mut() {
            let asked_here = matches!(record.stage, Stage::Creating { link: on, .. } if on == link);
            if asked_here && record.place.is_none() {
                record.lose_place(now, Stage::Away(why.clone()));
            }
        }
        for record in on_link(&mut self.records, link) {
            record.enter(now, Stage::Absent { deadline });
        }
        self.notices.push_back(Notice::SessionLost(link, why));
    }

    fn accepted(
        &mut self,
        now: Duration,
        link: EthernetId,
        ask: Ask,
        uuid: Uuid,
        vif: Result<VifId, VisError>,
    ) {
        let Some(record) = self.records.get_mut(&uuid) else {
            return;
        };
        if record.stage != (Stage::Creating { link, ask }) {
            return;
        }
        match vif {
            Ok(vif) => {
                let place = Place { link, vif };
                if let Some(old) = record.place.replace(place).filter(|old| *old != place) {
                    record.carried = false;
                    self.places.remove(&old);
                }
                record.told = None;
                record.enter(now, Stage::WaitingForLists);
                let (number, name) = (record.number, record.name.clone());
                if let Some(link) = self.links.get_mut(&link) {
                    let of_it =
                        |subject: &Subject| matches!(subject, Subject::Vnic(of, ..) if *of == uuid);
                    link.repeats.forget(of_it);
                }
                self.places.insert(place, uuid);
                self.changed.insert(uuid);
                self.notices.push_back(Notice::Attached {
                    number,
                    link,
                    name,
                    uuid,
                });
            }
            // It asks again in its next session.
            Err(VisError::NotAsked) if record.place.is_some() => {
                let deadline = now + self.said.vic.grace();
                record.enter(now, Stage::Absent { deadline });
            }
            Err(error) => {
                let code = match error {
                    VisError::NoVifFree => Code::NO_VIF_FREE,
                    _ => Code::SUPERSEDED,
                };
                let why = Refusal::new(code, error.to_string());
                let place = record.place;
                record.lose_place(now, Stage::Away(why.clone()));
                let name = record.name.clone();
                place.map(|place| self.places.remove(&place));
                if error == VisError::NoVifFree {
                    self.tell_refused(now, link, name, uuid, why);
                }
            }
        }
        self.unsettled = true;
    }

    fn enabled(
        &mut self,
        now: Duration,
        link: EthernetId,
        vif: VifId,
        outcome: Result<(), Refusal>,
    ) {
        let Some(record) = self.at(link, vif) else {
            return;
        };
        if matches!(record.stage, Stage::Disabling(_)) {
            // An answer to what was asked before: VifDisable is on its way.
            return;
        }
        let before = std::mem::replace(&mut record.carried, outcome.is_ok());
        let changed = before != record.carried;
        let number = record.number;
        match outcome {
            Ok(()) => record.enter(now, Stage::Enabled),
            Err(why) => {
                record.enter(now, Stage::Disabled(why.clone()));
                let subject = Subject::NotEnabled(number, why.code);
                self.tell(now, link, subject, Notice::NotEnabled(number, why));
            }
        }
        self.unsettled |= changed;
    }

    /// The IV lets no more of its frames pass, as it was told.
    fn disabled(&mut self, now: Duration, link: EthernetId, vif: VifId) {
        if let Some(record) = self.at(link, vif)
            && let Stage::Disabling(why) = &record.stage
        {
            let why = why.clone();
            record.enter(now, Stage::Disabled(why));
            self.unsettled = true;
        }
    }

    pub(super) fn vif_gone(
        &mut self,
        now: Duration,
        link: EthernetId,
        vif: VifId,
        uuid: Uuid,
        why: Refusal,
    ) {
        self.departing.push((link, vif));
        self.lists.vif_gone(link, vif);
        self.unsettled = true;
        let place = Place { link, vif };
        if self.places.get(&place) != Some(&uuid) {
            return;
        }
        self.places.remove(&place);
        let Some(record) = self.records.get_mut(&uuid) else {
            return;
        };
        let stage = match &record.stage {
            // It is asked for anew already.
            asked @ Stage::Creating { .. } => asked.clone(),
            _ if why.code == Code::DETACHED => Stage::Detached,
            _ => Stage::Away(why.clone()),
        };
        record.lose_place(now, stage);
        let number = record.number;
        self.changed.insert(uuid);
        self.notices.push_back(Notice::Gone(number, why));
        self.forget_long_detached();
    }

    /// A move is prepared or called off by the IV that has the vNIC, and committed by the one to which it came; that one
    /// simply asks for it in between.
    fn step(&mut self, link: EthernetId, ask: Ask, uuid: Uuid, step: MoveStep) {
        let lives_here = |record: &&mut Record| record.home() == Some(link);
        let port = InterfaceId::Ethernet(link);
        let refuse = |code, sentence: String| Err(Refusal::new(code, sentence));
        let done = match (self.records.get_mut(&uuid).filter(lives_here), step) {
            (Some(record), MoveStep::Prepare(to)) => {
                record.moving = Some(Move::Prepared(to));
                Ok(())
            }
            (None, MoveStep::Prepare(_)) => {
                let sentence =
                    format!("vNIC {uuid} does not live on {port}: it is not for this host to move");
                refuse(Code::NOT_ALLOWED, sentence)
            }
            (Some(Record { moving, .. }), MoveStep::Commit) if *moving == Some(Move::Arrived) => {
                *moving = None;
                Ok(())
            }
            (
                Some(Record {
                    moving: moving @ Some(Move::Prepared(_)),
                    ..
                }),
                MoveStep::Abort,
            ) => {
                *moving = None;
                Ok(())
            }
            (_, MoveStep::Commit) => {
                let sentence =
                    format!("vNIC {uuid} did not come to {port} by a move that was prepared");
                refuse(Code::NOT_PREPARED, sentence)
            }
            (_, MoveStep::Abort) => {
                let sentence = format!("no move of vNIC {uuid} away from {port} is prepared");
                refuse(Code::NOT_PREPARED, sentence)
            }
        };
        self.command(link, Command::Answer { ask, done });
    }
}

/// The vEths that have a place on this link.
fn on_link(
    records: &mut BTreeMap<Uuid, Record>,
    link: EthernetId,
) -> impl Iterator<Item = &mut Record> {
    records
        .values_mut()
        .filter(move |record| record.place.is_some_and(|place| place.link == link))
}
