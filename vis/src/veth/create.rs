//! A vNIC asks for its vEth.

use super::command::Command;
use super::link::Subject;
use super::notice::Notice;
use super::record::{Move, Place, Record, Stage};
use super::registry::{MAX_DETACHED, Registry};
use crate::config::{EthernetId, InterfaceId, Membership, PrivateMembership, ProfileName, VethId};
use niv::{Counters, Mac, VifId, VlanSet};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vic::message::VifCreate;
use vic::session::vis::Ask;
use vic::{Code, Name, Profile, Refusal, Sentence, Uuid, VifCounters};

/// Octets of a VNTag and of one VLAN tag (design.md section 5.8).
const TAGS: u32 = (vntag::VnTag::LEN + vntag::VlanTag::LEN) as u32;

impl Registry {
    pub(super) fn create(&mut self, now: Duration, link: EthernetId, ask: Ask, create: VifCreate) {
        let uuid = create.uuid;
        let decided = self
            .judge(link, &create)
            .and_then(|profile| Ok((profile, self.number_for(uuid)?)));
        let (profile, number) = match decided {
            Ok(decided) => decided,
            Err(why) => {
                self.tell_refused(now, link, create.name, uuid, why.clone());
                return self.command(link, Command::Refuse { ask, why });
            }
        };
        let arrived = self.leave_elsewhere(now, link, uuid);
        let before = self.records.remove(&uuid);
        let record = Record {
            number,
            profile,
            name: create.name,
            owner_name: create.owner_name,
            owner_uuid: create.owner_uuid,
            mac: create.mac,
            mtu: create.mtu,
            place: before.as_ref().and_then(|before| before.place),
            last: before.as_ref().and_then(|before| before.last),
            stage: Stage::Creating { link, ask },
            since: now,
            counters: before
                .as_ref()
                .map_or_else(VifCounters::default, |before| before.counters),
            earlier: before
                .as_ref()
                .map_or_else(Counters::default, |before| before.earlier),
            live: before
                .as_ref()
                .map_or_else(Counters::default, |before| before.live),
            carried: before.is_some_and(|before| before.carried),
            moving: arrived.then_some(Move::Arrived),
            told: None,
        };
        self.free.remove(&number);
        self.numbers.insert(number, uuid);
        self.records.insert(uuid, record);
        self.changed.insert(uuid);
        self.unsettled = true;
        self.command(link, Command::Accept { ask, uuid, number });
    }

    /// Whether a vNIC may have what it asks for, here.
    fn judge(&self, link: EthernetId, create: &VifCreate) -> Result<ProfileName, Refusal> {
        let refuse = |code, sentence: String| Err(Refusal::new(code, sentence));
        let (asked, port) = (&create.profile, InterfaceId::Ethernet(link));
        let allowed = self
            .said
            .ethernets
            .get(&link)
            .is_some_and(|ethernet| ethernet.vic.allows(asked.as_str()));
        if !allowed {
            let sentence = format!("{port} may not ask for the port-profile `{asked}`");
            return refuse(Code::PROFILE_NOT_ALLOWED, sentence);
        }
        let profile: Option<ProfileName> = asked.as_str().parse().ok();
        let Some(profile) = profile.filter(|name| self.said.profiles.contains_key(name)) else {
            let sentence = format!("there is no port-profile `{asked}`");
            return refuse(Code::UNKNOWN_PROFILE, sentence);
        };
        self.room_for_tags(link, &profile, create.mtu)?;
        self.address_is_free(link, create.uuid, &profile, create.mac)?;
        let peer = self.links.get(&link).and_then(|link| link.peer.as_ref());
        let record = self.records.get(&create.uuid);
        let elsewhere = record.and_then(Record::home).filter(|home| *home != link);
        if let (Some(record), Some(home)) = (record, elsewhere) {
            let here = peer.map(|peer| peer.identity);
            let prepared = match record.moving {
                Some(Move::Prepared(to)) => to.is_none() || to == here,
                Some(Move::Arrived) | None => false,
            };
            if !prepared {
                let (number, home) = (record.number, InterfaceId::Ethernet(home));
                let sentence = format!(
                    "it is {} on {home}; detach it there, or wait until that host is given up",
                    InterfaceId::Veth(number)
                );
                return refuse(Code::IN_USE, sentence);
            }
        }
        Ok(profile)
    }

    /// Sessions ask this for the VNTag; only here is it known who sends VLAN tags too.
    fn room_for_tags(
        &self,
        link: EthernetId,
        profile: &ProfileName,
        vnic: u16,
    ) -> Result<(), Refusal> {
        let peer = self.links.get(&link).and_then(|link| link.peer.as_ref());
        let mtu = peer.map_or(0, |peer| peer.mtu);
        let tagged = matches!(
            self.said.effective_profile(profile),
            Some(Membership::Trunk { .. } | Membership::Private(PrivateMembership::Trunk { .. }))
        );
        if !tagged || u32::from(vnic) + TAGS <= mtu.into() {
            return Ok(());
        }
        let sentence = format!(
            "the vNIC's MTU is {vnic}, and the link's of {mtu} carries {} at most behind a VLAN tag",
            u32::from(mtu).saturating_sub(TAGS)
        );
        Err(Refusal::new(Code::MTU, sentence))
    }

    /// An address that another vNIC has in one of the same VLANs would take that one's frames away (docs/vic.md
    /// section 7). A vNIC of the same IV that it has not asked for again is not in the way: it is that IV's to
    /// say whether it is there at all.
    fn address_is_free(
        &self,
        link: EthernetId,
        uuid: Uuid,
        profile: &ProfileName,
        mac: Mac,
    ) -> Result<(), Refusal> {
        let number = |uuid| self.records.get(&uuid).map(|record| record.number);
        let mut own = None;
        for (&other, record) in &self.records {
            let home = record.home();
            let is_forgotten = home == Some(link) && matches!(record.stage, Stage::Absent { .. });
            if other == uuid || record.mac != mac || home.is_none() || is_forgotten {
                continue;
            }
            let own = own.get_or_insert_with(|| self.vlans(number(uuid), profile));
            let theirs = self.vlans(Some(record.number), &record.profile);
            if let Some(vlan) = theirs.intersection(own).iter().next() {
                let other = InterfaceId::Veth(record.number);
                let sentence = format!("{other} has the address {mac}, in VLAN {vlan} too");
                return Err(Refusal::new(Code::IN_USE, sentence));
            }
        }
        Ok(())
    }

    /// Every VLAN that the vEth is or would be in, defined or not.
    fn vlans(&self, number: Option<VethId>, profile: &ProfileName) -> VlanSet {
        let said = number.and_then(|number| self.said.veths.get(&number));
        let mut lines = said.map(|veth| veth.lines.clone()).unwrap_or_default();
        lines.inherit.get_or_insert_with(|| profile.clone());
        match self.said.membership(&lines) {
            Membership::Vntag => VlanSet::EMPTY,
            Membership::Access { vlan } => VlanSet::range(vlan, vlan),
            Membership::Trunk { native, allowed } => {
                let mut vlans = *allowed;
                vlans.insert(native);
                vlans
            }
            Membership::Private(membership) => membership.filtering_ids(),
        }
    }

    /// Whether a vNIC may have another address or MTU.
    pub(super) fn may_change(
        &self,
        link: EthernetId,
        vif: VifId,
        mac: Option<Mac>,
        mtu: Option<u16>,
    ) -> Result<(), Refusal> {
        let uuid = self.places.get(&Place { link, vif });
        let found = uuid.and_then(|&uuid| Some((uuid, self.records.get(&uuid)?)));
        let Some((uuid, record)) = found else {
            let sentence = format!("VIF {vif} is no vEth's");
            return Err(Refusal::new(Code::UNKNOWN_VIF, sentence));
        };
        if let Some(mtu) = mtu {
            self.room_for_tags(link, &record.profile, mtu)?;
        }
        match mac {
            Some(mac) => self.address_is_free(link, uuid, &record.profile, mac),
            None => Ok(()),
        }
    }

    /// The number it has, or the lowest that nobody has, by configuration or by the protocol.
    fn number_for(&mut self, uuid: Uuid) -> Result<VethId, Refusal> {
        if let Some(record) = self.records.get(&uuid) {
            return Ok(record.number);
        }
        if self.free.is_empty() {
            self.forget_one_that_is_gone();
        }
        self.free.first().copied().ok_or_else(|| {
            let sentence = "every number of a vEth is taken on this switch; detach vNICs";
            Refusal::new(Code::FAILED, sentence)
        })
    }

    /// A prepared vNIC that goes elsewhere leaves the place it had: whether that is so.
    fn leave_elsewhere(&mut self, now: Duration, link: EthernetId, uuid: Uuid) -> bool {
        let Some(record) = self.records.get_mut(&uuid) else {
            return false;
        };
        let Some(place) = record.place.filter(|place| place.link != link) else {
            return false;
        };
        let prepared = matches!(record.moving, Some(Move::Prepared(_)));
        let to = InterfaceId::Ethernet(link);
        let why = Refusal::new(Code::DETACHED, format!("it moved to {to}"));
        record.lose_place(now, Stage::Detached);
        self.places.remove(&place);
        self.command(place.link, Command::Delete(place.vif, why));
        prepared
    }

    /// Beyond the limit, of the link that had the most of them, the one detached longest ago: so no host makes the switch
    /// forget those of others.
    pub(super) fn forget_long_detached(&mut self) {
        let detached = |record: &Record| record.stage == Stage::Detached;
        let mut beyond = self.records.values().filter(|one| detached(one)).count();
        beyond = beyond.saturating_sub(MAX_DETACHED);
        if beyond == 0 {
            return;
        }
        let mut by_link: BTreeMap<_, BTreeSet<(Duration, Uuid)>> = BTreeMap::new();
        for (&uuid, record) in self.records.iter().filter(|(_, one)| detached(one)) {
            let link = record.last.map(|place| place.link);
            by_link
                .entry(link)
                .or_default()
                .insert((record.since, uuid));
        }
        for _ in 0..beyond {
            let most = by_link.values_mut().max_by_key(|those| those.len());
            if let Some((_, uuid)) = most.and_then(BTreeSet::pop_first) {
                self.forget(uuid);
            }
        }
    }

    /// First who was detached, then who is away, longest ago first.
    fn forget_one_that_is_gone(&mut self) {
        let gone = self.records.iter().filter_map(|(&uuid, record)| {
            let order = match record.stage {
                Stage::Detached => 0,
                Stage::Away(_) => 1,
                _ => return None,
            };
            Some((order, record.since, uuid))
        });
        if let Some((_, _, uuid)) = gone.min() {
            self.forget(uuid);
        }
    }

    fn forget(&mut self, uuid: Uuid) {
        if let Some(record) = self.records.remove(&uuid) {
            self.numbers.remove(&record.number);
            if !self.said.veths.contains_key(&record.number) {
                self.free.insert(record.number);
            }
            self.forgotten.push(record.number);
            self.changed.insert(uuid);
            self.unsettled = true;
        }
    }

    /// Counts, and tells people: IVs ask again every 5 s.
    pub(super) fn tell_refused(
        &mut self,
        now: Duration,
        link: EthernetId,
        name: Name,
        uuid: Uuid,
        why: Refusal,
    ) {
        self.links.entry(link).or_default().vnics_refused += 1;
        let subject = Subject::Vnic(uuid, name.clone(), why.code);
        let notice = Notice::VnicRefused {
            link,
            name,
            uuid,
            why,
        };
        self.tell(now, link, subject, notice);
    }

    /// The profiles that may be asked for on this link. Those whose names do not fit a message are left out.
    pub(super) fn catalogue(&self, link: EthernetId) -> Vec<Profile> {
        let Some(ethernet) = self.said.ethernets.get(&link) else {
            return Vec::new();
        };
        let profiles = self.said.profiles.iter();
        let allowed = profiles.filter(|(name, _)| ethernet.vic.allows(name.as_str()));
        allowed
            .filter_map(|(name, lines)| {
                let description = lines.description.as_ref();
                Some(Profile {
                    name: name.as_str().parse().ok()?,
                    description: Sentence::clipped(description.map_or("", |text| text.as_str())),
                })
            })
            .collect()
    }
}
