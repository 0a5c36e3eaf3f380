//! The lists that IVs hold for this switch: which sets there are, and which may be used.
//!
//! A list never changes, but one: a VIF that goes leaves every list at once, at both ends (design.md section 5.7).
//! So the set that a list is of shrinks with it, and the list stays in use.

use crate::config::EthernetId;
use niv::{ListId, VifId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vic::session::vis::VisError;

/// A link, and VIFs on it, ascending.
pub type SetOfVifs = (EthernetId, Vec<VifId>);

/// How long after a list was refused or could not be had it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// The lists of all links.
#[derive(Debug, Default)]
pub struct Lists {
    /// By set, so that no set has two lists.
    sets: BTreeMap<SetOfVifs, Stage>,
    /// What each list is of, as long as it is not released.
    members: BTreeMap<(EthernetId, ListId), Vec<VifId>>,
    /// In no set any more: to be released.
    unused: BTreeSet<(EthernetId, ListId)>,
    /// As `unused`, and the switch that is published does without.
    departing: BTreeSet<(EthernetId, ListId)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The session was told to make it.
    Asked,
    /// It has an id, and the IV has it or has not.
    Made { list: ListId, confirmed: bool },
    /// There is none, until then.
    Without { until: Duration },
}

/// A list, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListView {
    /// Its link.
    pub link: EthernetId,
    /// Its id there.
    pub list: ListId,
    /// Its members, ascending.
    pub members: Vec<VifId>,
    /// The IV has it, and floods may use it.
    pub confirmed: bool,
    /// No set needs it; it is on its way out.
    pub released: bool,
}

impl Lists {
    /// These sets are worth a list; returns those to be made. What is not among them is let go of.
    pub(super) fn want(&mut self, now: Duration, wanted: &BTreeSet<SetOfVifs>) -> Vec<SetOfVifs> {
        let gone: Vec<SetOfVifs> = self
            .sets
            .keys()
            .filter(|set| !wanted.contains(*set))
            .cloned()
            .collect();
        for set in gone {
            // One that is just being made is let go of when its id is known.
            if self.sets.get(&set) != Some(&Stage::Asked)
                && let Some(Stage::Made { list, .. }) = self.sets.remove(&set)
            {
                self.unused.insert((set.0, list));
            }
        }
        let mut missing = Vec::new();
        for set in wanted {
            let due = match self.sets.get(set) {
                None => true,
                Some(Stage::Without { until }) => *until <= now,
                Some(_) => false,
            };
            if due {
                self.sets.insert(set.clone(), Stage::Asked);
                missing.push(set.clone());
            }
        }
        missing
    }

    /// The session made a list, or could not.
    pub(super) fn made(
        &mut self,
        now: Duration,
        link: EthernetId,
        members: Vec<VifId>,
        list: Result<ListId, VisError>,
    ) {
        let set = (link, members);
        let asked = self.sets.get(&set) == Some(&Stage::Asked);
        match list {
            Ok(list) if asked => {
                self.members.insert((link, list), set.1.clone());
                let confirmed = false;
                self.sets.insert(set, Stage::Made { list, confirmed });
            }
            // A member went meanwhile, and with it the set.
            Ok(list) => {
                self.members.insert((link, list), set.1);
                self.unused.insert((link, list));
            }
            Err(_) if asked => self.without(now, set),
            Err(_) => {}
        }
    }

    /// The IV has the list, or has it no more. Returns whether that changes anything.
    pub(super) fn confirm(&mut self, link: EthernetId, list: ListId, has: bool) -> bool {
        let set = self.members.get(&(link, list));
        let set = set.map(|members| (link, members.clone()));
        match set.and_then(|set| self.sets.get_mut(&set)) {
            Some(Stage::Made {
                list: made,
                confirmed,
            }) if *made == list => std::mem::replace(confirmed, has) != has,
            _ => false,
        }
    }

    /// The IV refuses the list.
    pub(super) fn refused(&mut self, now: Duration, link: EthernetId, list: ListId) {
        if let Some(members) = self.members.get(&(link, list)) {
            self.without(now, (link, members.clone()));
        }
        self.unused.insert((link, list));
    }

    fn without(&mut self, now: Duration, set: SetOfVifs) {
        let until = now + TRY_AGAIN;
        self.sets.insert(set, Stage::Without { until });
    }

    /// A VIF is gone, and in no list any more.
    pub(super) fn vif_gone(&mut self, link: EthernetId, vif: VifId) {
        let had: Vec<SetOfVifs> = self
            .sets
            .keys()
            .filter(|(on, members)| *on == link && members.binary_search(&vif).is_ok())
            .cloned()
            .collect();
        for set in had {
            let Some(stage) = self.sets.remove(&set) else {
                continue;
            };
            let Stage::Made { list, .. } = stage else {
                continue;
            };
            let (_, mut members) = set;
            members.retain(|&member| member != vif);
            self.members.insert((link, list), members.clone());
            // Fewer than two need no list, and one list is enough for a set.
            if members.len() < 2 || self.sets.contains_key(&(link, members.clone())) {
                self.unused.insert((link, list));
            } else {
                self.sets.insert((link, members), stage);
            }
        }
    }

    /// Those that floods may use.
    pub fn usable(&self) -> impl Iterator<Item = (EthernetId, ListId, &[VifId])> {
        self.sets
            .iter()
            .filter_map(|((link, members), stage)| match stage {
                Stage::Made {
                    list,
                    confirmed: true,
                } => Some((*link, *list, members.as_slice())),
                _ => None,
            })
    }

    /// Lists that the switch published next does without.
    pub(super) fn depart(&mut self) -> Vec<(EthernetId, ListId)> {
        let departing = std::mem::take(&mut self.unused);
        self.departing.extend(&departing);
        departing.into_iter().collect()
    }

    /// They may be given to others.
    pub(super) fn departed(&mut self, link: EthernetId, list: ListId) {
        self.departing.remove(&(link, list));
        self.members.remove(&(link, list));
    }

    pub(super) fn has_unused(&self) -> bool {
        !self.unused.is_empty()
    }

    /// The session that made them is no more, and the IV is told so by the next one.
    pub(super) fn forget(&mut self, link: EthernetId) {
        self.sets.retain(|(on, _), _| *on != link);
        self.members.retain(|(on, _), _| *on != link);
        self.unused.retain(|(on, _)| *on != link);
        self.departing.retain(|(on, _)| *on != link);
    }

    /// When a list that could not be had is tried again.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let waiting = self.sets.values().filter_map(|stage| match stage {
            Stage::Without { until } => Some(*until),
            _ => None,
        });
        waiting.min()
    }

    /// Every list, by link and id.
    pub fn views(&self) -> Vec<ListView> {
        let usable: BTreeSet<(EthernetId, ListId)> =
            self.usable().map(|(link, list, _)| (link, list)).collect();
        self.members
            .iter()
            .map(|(&(link, list), members)| ListView {
                link,
                list,
                members: members.clone(),
                confirmed: usable.contains(&(link, list)),
                released: self.unused.contains(&(link, list))
                    || self.departing.contains(&(link, list)),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(vifs: &[u16]) -> SetOfVifs {
        let vifs = vifs.iter().map(|&vif| vif.try_into().unwrap()).collect();
        (1.try_into().unwrap(), vifs)
    }

    fn list(id: u16) -> ListId {
        id.try_into().unwrap()
    }

    fn usable(lists: &Lists) -> Vec<(u16, Vec<u16>)> {
        let number = |(_, list, members): (_, ListId, &[VifId])| {
            (list.get(), members.iter().map(|vif| vif.get()).collect())
        };
        lists.usable().map(number).collect()
    }

    #[test]
    fn a_set_shrinks_with_its_members_and_keeps_its_list() {
        let (mut lists, now) = (Lists::default(), Duration::ZERO);
        let (link, members) = set(&[1, 2, 3]);
        assert_eq!(lists.want(now, &[set(&[1, 2, 3])].into()).len(), 1);
        assert!(lists.want(now, &[set(&[1, 2, 3])].into()).is_empty());
        lists.made(now, link, members, Ok(list(7)));
        assert!(usable(&lists).is_empty());
        assert!(lists.confirm(link, list(7), true));
        lists.vif_gone(link, 2.try_into().unwrap());
        assert_eq!(usable(&lists), [(7, vec![1, 3])]);
        assert!(lists.want(now, &[set(&[1, 3])].into()).is_empty());
        lists.vif_gone(link, 3.try_into().unwrap());
        assert!(usable(&lists).is_empty());
        assert_eq!(lists.depart(), [(link, list(7))]);
        lists.departed(link, list(7));
        assert!(lists.views().is_empty());
    }

    #[test]
    fn a_set_that_is_not_wanted_any_more_while_its_list_is_made_leaves_nothing() {
        let (mut lists, now) = (Lists::default(), Duration::ZERO);
        let (link, members) = set(&[1, 2]);
        lists.want(now, &[set(&[1, 2])].into());
        lists.vif_gone(link, 1.try_into().unwrap());
        lists.made(now, link, members, Ok(list(1)));
        assert!(!lists.confirm(link, list(1), true));
        assert_eq!(lists.depart(), [(link, list(1))]);
    }

    #[test]
    fn a_list_that_cannot_be_had_is_tried_again_later() {
        let mut lists = Lists::default();
        let (link, members) = set(&[1, 2]);
        let wanted = [set(&[1, 2])].into();
        lists.want(Duration::ZERO, &wanted);
        lists.made(Duration::ZERO, link, members, Err(VisError::NoListFree));
        assert!(lists.want(Duration::from_secs(1), &wanted).is_empty());
        assert_eq!(lists.timeout(), Some(TRY_AGAIN));
        assert_eq!(lists.want(TRY_AGAIN, &wanted).len(), 1);
    }
}
