//! What the switch makes of the registry, and what IVs are told of it.

use super::command::Command;
use super::lists::SetOfVifs;
use super::record::{Record, Stage};
use super::registry::Registry;
use crate::config::{Config, EthernetId, InterfaceId, VethId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vic::{Code, Refusal};

/// Whether a vEth forwards, as far as configuration says; else why not.
pub type Verdict = Result<(), Refusal>;

impl Registry {
    /// The configuration of the switch with the vEths of the protocol among those bound by hand. What the
    /// configuration says of a number holds for the vEth that has it; the profile asked for is inherited
    /// where nothing else is.
    pub fn overlay(&self, said: &Config) -> Config {
        let mut config = said.clone();
        for record in self.records.values() {
            if record.stage == Stage::Detached {
                continue;
            }
            let veth = config.veths.entry(record.number).or_default();
            veth.bind = record.place.map(|place| place.binding());
            let inherit = &mut veth.lines.inherit;
            inherit.get_or_insert_with(|| record.profile.clone());
        }
        config
    }

    /// Whether this vEth takes part in the switch: its IV lets its frames pass.
    pub fn is_carried(&self, number: VethId) -> bool {
        self.numbered(number)
            .is_none_or(|(_, record)| record.carried)
    }

    /// Whether this vEth's IV is being told to let its frames pass: from then on they come, before the IV has said
    /// that it does.
    pub fn is_opening(&self, number: VethId) -> bool {
        self.numbered(number)
            .is_some_and(|(_, record)| record.is_opening())
    }

    /// Whether this vEth takes part, or will as soon as its IV says so.
    pub fn is_coming(&self, number: VethId) -> bool {
        self.numbered(number)
            .is_none_or(|(_, record)| record.is_coming())
    }

    /// Numbers that the vNICs they were of have no more: what the switch counted for them is of the past.
    pub fn take_forgotten(&mut self) -> Vec<VethId> {
        std::mem::take(&mut self.forgotten)
    }

    /// Makes the lists for `sets`, those of the switch as it will be ([`Registry::is_coming`]); then has
    /// vNICs enabled that waited for them; and tells IVs how their vEths are.
    pub fn settle(
        &mut self,
        now: Duration,
        sets: BTreeSet<SetOfVifs>,
        verdicts: &BTreeMap<VethId, Verdict>,
    ) {
        self.unsettled = false;
        // A link without a session makes no new lists, and goes on with those it has.
        let up: BTreeSet<EthernetId> = self
            .links()
            .filter_map(|(id, link)| link.peer.as_ref().map(|_| id))
            .collect();
        let existing: BTreeSet<SetOfVifs> = self
            .lists
            .usable()
            .map(|(link, _, members)| (link, members.to_vec()))
            .collect();
        let wanted = sets
            .into_iter()
            .filter(|set| up.contains(&set.0) || existing.contains(set))
            .collect();
        for (link, members) in self.lists.want(now, &wanted) {
            self.command(link, Command::SetList(members));
        }
        for record in self.records.values_mut() {
            let Some(place) = record.place else { continue };
            if record.stage == Stage::WaitingForLists {
                record.enter(now, Stage::Enabling);
                self.commands
                    .push_back((place.link, Command::Enable(place.vif)));
            }
            let created = matches!(record.stage, Stage::Enabling | Stage::Enabled);
            if let Some(verdict) = verdicts.get(&record.number).filter(|_| created) {
                let down = verdict.clone().err();
                if record.told.as_ref() != Some(&down) {
                    record.told = Some(down.clone());
                    let status = Command::Status {
                        vif: place.vif,
                        down,
                    };
                    self.commands.push_back((place.link, status));
                }
            }
        }
        self.obey_permissions(now);
    }

    /// The vEths whose frames would be stopped if `said` were said, with why; and those whose frames would pass again.
    pub fn permissions(&self, said: &Config) -> (BTreeMap<VethId, Refusal>, BTreeSet<VethId>) {
        let (mut stopped, mut again) = (BTreeMap::new(), BTreeSet::new());
        for record in self.records.values() {
            match may_stay(said, record) {
                Some(Permission::Stopped(why)) => {
                    stopped.insert(record.number, why);
                }
                Some(Permission::Again) => {
                    again.insert(record.number);
                }
                None => {}
            }
        }
        (stopped, again)
    }

    /// Has frames of vEths stopped that may not be where they are any more, and those let pass that may again. The
    /// lists without and with them are made when it is settled next.
    fn obey_permissions(&mut self, now: Duration) {
        for record in self.records.values_mut() {
            let Some(place) = record.place else { continue };
            match may_stay(&self.said, record) {
                Some(Permission::Stopped(why)) => {
                    record.carried = false;
                    record.told = None;
                    record.enter(now, Stage::Disabling(why.clone()));
                    let disable = Command::Disable(place.vif, why);
                    self.commands.push_back((place.link, disable));
                    self.unsettled = true;
                }
                Some(Permission::Again) => {
                    record.enter(now, Stage::WaitingForLists);
                    self.unsettled = true;
                }
                None => {}
            }
        }
    }
}

/// What a port's permissions change about a vEth behind it.
enum Permission {
    /// Its frames are stopped.
    Stopped(Refusal),
    /// They were, for that, and pass again.
    Again,
}

fn may_stay(said: &Config, record: &Record) -> Option<Permission> {
    let link = record.place?.link;
    let port = said.ethernets.get(&link);
    let allowed = port.is_some_and(|port| port.vic.allows(record.profile.as_str()));
    match &record.stage {
        Stage::Enabling | Stage::Enabled if !allowed => {
            let (link, profile) = (InterfaceId::Ethernet(link), &record.profile);
            let sentence = format!("{link} may not ask for the port-profile `{profile}`");
            let why = Refusal::new(Code::PROFILE_NOT_ALLOWED, sentence);
            Some(Permission::Stopped(why))
        }
        Stage::Disabled(why) if allowed && why.code == Code::PROFILE_NOT_ALLOWED => {
            Some(Permission::Again)
        }
        _ => None,
    }
}
