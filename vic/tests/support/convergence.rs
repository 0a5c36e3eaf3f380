//! When all is well between two ends, and how long that takes.

use super::{Lab, ms, uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vic::session::iv::VnicState;
use vic::session::vis::VifState;
use vic::{Uuid, VifId};

impl Lab {
    /// What is not as it should be when all is well.
    pub fn faults_left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let mut check = |right: bool, text: String| {
            if !right {
                left.push(text);
            }
        };
        check(self.iv.is_up(), "the IV is not up".into());
        check(self.vis.is_up(), "the VIS is not up".into());
        let wanted: BTreeSet<Uuid> = self.wanted.iter().map(|&n| uuid(n)).collect();
        let iv = &self.iv_world;
        let bound: BTreeSet<Uuid> = iv.bound.keys().copied().collect();
        check(
            bound == wanted,
            format!("the IV has {bound:?} and wants {wanted:?}"),
        );
        check(
            iv.enabled == wanted,
            format!("the IV passes {:?} and wants {wanted:?}", iv.enabled),
        );
        let vis = &self.vis_world;
        let turned: BTreeMap<Uuid, VifId> =
            vis.bound.iter().map(|(vif, uuid)| (*uuid, *vif)).collect();
        check(
            turned == iv.bound,
            format!("bound at the VIS {turned:?}, at the IV {:?}", iv.bound),
        );
        let bound: BTreeSet<VifId> = vis.bound.keys().copied().collect();
        check(
            vis.enabled == bound,
            format!("enabled {:?} of {bound:?}", vis.enabled),
        );
        let confirmed: BTreeMap<_, _> = vis.made.clone();
        check(
            confirmed == iv.lists,
            format!("lists at the VIS {confirmed:?}, at the IV {:?}", iv.lists),
        );
        check(vis.made.len() == 1, "more than one list is left".into());
        check(
            vis.made.keys().copied().collect::<BTreeSet<_>>() == vis.confirmed,
            "lists not confirmed".into(),
        );
        let states: BTreeMap<Uuid, bool> = self
            .iv
            .vnics()
            .map(|(v, _, s)| (v.uuid, *s == VnicState::Enabled))
            .collect();
        check(
            states.values().all(|&enabled| enabled) && states.len() == wanted.len(),
            format!("states {states:?}"),
        );
        let ends: Vec<_> = self.vis.vifs().filter(|v| v.2 != VifState::Going).collect();
        check(
            ends.iter().all(|v| v.2 == VifState::Enabled),
            format!("states {ends:?}"),
        );
        left
    }

    /// Runs until all is well, at most for `limit`.
    pub fn converge(&mut self, limit: Duration) -> Duration {
        let start = self.now;
        while !self.faults_left().is_empty() {
            assert!(
                self.now < start + limit,
                "after {limit:?}: {:#?}\n{:?}\n{:?}",
                self.faults_left(),
                self.iv.statistics(),
                self.vis.statistics(),
            );
            self.run(ms(5));
        }
        self.now - start
    }
}
