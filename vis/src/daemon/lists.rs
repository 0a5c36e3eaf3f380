//! `show access-lists`, and beginning to count anew.

use super::run::Daemon;
use super::view::LookError;
use crate::config::Direction;
use crate::control::access_lists::{ShowAccessLists, ShownLine, ShownList};
use crate::control::show::SCHEMA;
use packet_io::mailbox::WorkerGone;
use packet_io::supervise::SuperviseError;
use policy::acl::{AccessList, Entry, Hits, ListName};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Daemon {
    pub(super) async fn access_lists(
        &self,
        one: Option<ListName>,
    ) -> Result<ShowAccessLists, LookError> {
        if let Some(name) = &one
            && self.config.lists.get(name).is_none()
        {
            return Err(LookError::NoList(name.clone()));
        }
        let only = one.clone();
        let counted = self.worker.answer(move |worker| {
            let lists = worker.forward.switch.hits();
            let wanted = lists.filter(|(list, _)| only.as_ref().is_none_or(|o| o == list.name()));
            let wanted = wanted.map(|(list, hits)| (Arc::clone(list), hits.clone()));
            wanted.collect::<Vec<(Arc<AccessList>, Hits)>>()
        });
        let counted = counted.await.map_err(SuperviseError::from)?;
        let ports = self.ports_by_list();
        let lists = self.config.lists.iter();
        let wanted = lists.filter(|list| one.as_ref().is_none_or(|one| one == list.name()));
        let lists = wanted.map(|list| {
            let mut counted = counted.iter();
            let counted = counted.find(|(old, _)| old.name() == list.name());
            let hits =
                counted.map_or_else(|| Hits::new(list), |(old, hits)| hits.after_edit(old, list));
            let [ports_in, ports_out] = ports.get(list.name()).copied().unwrap_or_default();
            shown(list, &hits, ports_in, ports_out)
        });
        Ok(ShowAccessLists {
            schema: SCHEMA,
            lists: lists.collect(),
        })
    }

    /// How many ports ask each list, of frames from them and to them.
    fn ports_by_list(&self) -> BTreeMap<ListName, [usize; 2]> {
        let mut ports: BTreeMap<ListName, [usize; 2]> = BTreeMap::new();
        for interface in self.interfaces() {
            let Some(effective) = self.effective(interface) else {
                continue;
            };
            for (_, direction, name) in effective.filters.named() {
                let [inward, outward] = ports.entry(name.clone()).or_default();
                match direction {
                    Direction::In => *inward += 1,
                    Direction::Out => *outward += 1,
                }
            }
        }
        ports
    }

    /// Begins to count anew; `None`: at all lists.
    ///
    /// # Errors
    /// The outer one: the worker has ended. The inner one: there is no such list.
    pub(super) async fn clear_hits(
        &self,
        one: Option<ListName>,
    ) -> Result<Result<(), LookError>, WorkerGone> {
        if let Some(name) = &one
            && self.config.lists.get(name).is_none()
        {
            return Ok(Err(LookError::NoList(name.clone())));
        }
        let clear = move |worker: &mut packet_io::worker::Worker<super::forward::Switching>| {
            worker.forward.switch.clear_hits(one.as_ref());
        };
        self.worker.answer(clear).await.map(Ok)
    }
}

fn shown(list: &AccessList, hits: &Hits, ports_in: usize, ports_out: usize) -> ShownList {
    let mut index = 0;
    let lines = list.lines().map(|(sequence, entry)| ShownLine {
        sequence: sequence.get(),
        line: entry.to_string(),
        matched: match entry {
            Entry::Remark(_) => None,
            Entry::Rule(_) => {
                index += 1;
                Some(hits.line(index - 1))
            }
        },
    });
    ShownList {
        name: list.name().clone(),
        family: list.family(),
        lines: lines.collect(),
        matched_none: hits.end(),
        unreadable: hits.unreadable(),
        ports_in,
        ports_out,
    }
}
