//! What the embedders of the lab do with what they are told, and what they check of it.

use super::{Lab, ms};
use vic::message::Members;
use vic::session::iv::IvEvent;
use vic::session::vis::{VisError, VisEvent};
use vic::{Code, ListId};

impl Lab {
    pub(super) fn iv_event(&mut self, event: IvEvent) {
        let world = &mut self.iv_world;
        match event.clone() {
            IvEvent::Created { uuid, vif, was, .. } => {
                let before = world.bound.insert(uuid, vif);
                if before != Some(vif) {
                    world.enabled.remove(&uuid);
                }
                assert!(was.is_none() || was != Some(vif));
                world.down.remove(&uuid);
                let holders = world.bound.values().filter(|&&held| held == vif);
                assert_eq!(holders.count(), 1, "two vNICs with VIF {vif}");
            }
            IvEvent::Enabled { uuid, vif } => {
                assert_eq!(world.bound.get(&uuid), Some(&vif));
                world.enabled.insert(uuid);
                world.down.remove(&uuid);
            }
            IvEvent::Down { uuid, vif, why } => {
                world.enabled.remove(&uuid);
                world.down.insert(uuid, why);
                if vif.is_none() {
                    world.bound.remove(&uuid);
                }
            }
            IvEvent::Detached { uuid } => {
                world.bound.remove(&uuid);
                world.enabled.remove(&uuid);
            }
            IvEvent::VifForgotten(vif) => {
                world.lists.values_mut().for_each(|members| {
                    members.remove(vif);
                });
                assert!(!world.bound.values().any(|&held| held == vif));
            }
            IvEvent::ListSet { list, members } => {
                world.lists.insert(list, members);
            }
            IvEvent::ListDeleted(list) => {
                world.lists.remove(&list);
            }
            IvEvent::Refused(said) => world.refused.push(said.refusal),
            _ => {}
        }
        world.told.push(event);
    }

    pub(super) fn vis_event(&mut self, event: VisEvent) {
        let world = &mut self.vis_world;
        world.told.push(event.clone());
        match event {
            VisEvent::Admission(_) => match &self.admit {
                None => self.vis.admit(self.now),
                Some(why) => self.vis.refuse_session(self.now, why.clone()),
            },
            VisEvent::Move { ask, .. } => {
                let no = Err(Self::refusal(Code::NOT_ALLOWED));
                self.vis.answer(self.now, ask, no).unwrap();
            }
            VisEvent::Set { ask, .. } => self.vis.answer(self.now, ask, Ok(())).unwrap(),
            VisEvent::Create { ask, create, bound } => {
                let vif = match self.vis.accept(self.now, ask, 7, None) {
                    Ok(vif) => vif,
                    Err(error) => {
                        assert_eq!((error, self.vis.free_ids().0), (VisError::NoVifFree, 0));
                        return;
                    }
                };
                let holder = world.bound.insert(vif, create.uuid);
                assert!(
                    holder.is_none_or(|holder| holder == create.uuid),
                    "{vif} given twice"
                );
                assert!(bound.is_none_or(|bound| bound == vif));
                assert!(!world.quiescing.iter().any(|&(_, going)| going == vif));
                if holder.is_none()
                    && let Some(at) = world.let_go.get(&vif)
                {
                    assert!(*at + ms(1000) <= self.now, "{vif} did not rest");
                    for (list, members) in &self.iv_world.lists {
                        assert!(
                            !members.contains(vif),
                            "list {list} at the IV still has {vif}"
                        );
                    }
                    let bound = self.iv_world.bound.iter().find(|(_, held)| **held == vif);
                    assert!(bound.is_none_or(|(uuid, _)| *uuid == create.uuid));
                }
                self.vis.enable(self.now, vif).unwrap();
            }
            VisEvent::Enabled(vif) => {
                assert!(world.bound.contains_key(&vif));
                world.enabled.insert(vif);
            }
            VisEvent::VifGone { vif, uuid, .. } => {
                assert_eq!(world.bound.remove(&vif), Some(uuid));
                world.enabled.remove(&vif);
                world.made.values_mut().for_each(|members| {
                    members.remove(vif);
                });
                world.quiescing.push((self.now + ms(3), vif));
            }
            VisEvent::Disabled(vif) => {
                world.enabled.remove(&vif);
            }
            VisEvent::ListConfirmed(list) => {
                assert!(world.made.contains_key(&list));
                world.confirmed.insert(list);
            }
            VisEvent::ListLost(list) => {
                world.confirmed.remove(&list);
            }
            VisEvent::Refused(said) => world.refused.push(said.refusal),
            VisEvent::EnableRefused { why, .. } if why.code == Code::IN_USE => {
                world.refused.push(why);
            }
            VisEvent::EnableRefused { vif, why } => panic!("VIF {vif} refused: {why}"),
            VisEvent::ListRefused { list, why } => panic!("list {list} refused: {why}"),
            _ => {}
        }
    }

    /// One list of all, as a flood would want; a new one whenever they change.
    pub(super) fn make_lists(&mut self) {
        if !self.vis.is_up() || !self.lists {
            return;
        }
        let all: Members = self.vis_world.bound.keys().copied().collect();
        let same = |members: &Members| *members == all;
        if !self.vis_world.made.values().any(same) {
            let list = self.vis.set_list(self.now, all.clone()).unwrap();
            let before = self.vis_world.made.insert(list, all.clone());
            assert_eq!(before, None, "list {list} given twice");
            if let Some(at) = self.vis_world.lists_let_go.get(&list) {
                assert!(*at + ms(1000) <= self.now, "list {list} did not rest");
            }
        }
        let confirmed = &self.vis_world.confirmed;
        let current = self
            .vis_world
            .made
            .iter()
            .find(|(l, m)| confirmed.contains(*l) && **m == all);
        let Some((&current, _)) = current else { return };
        let old: Vec<ListId> = self
            .vis_world
            .made
            .keys()
            .copied()
            .filter(|&l| l != current)
            .collect();
        for list in old {
            self.vis_world.made.remove(&list);
            self.vis_world.confirmed.remove(&list);
            self.vis_world.lists_let_go.insert(list, self.now);
            self.vis.release_list(self.now, list).unwrap();
        }
    }
}
