//! What following a candidate does to sessions, and to vEths whatever their own lines say.

use crate::config::{Config, EthernetId, InterfaceId, VethId};
use crate::daemon::compile;
use crate::daemon::run::Daemon;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Aftermath {
    /// Ports whose sessions end; true: to begin anew.
    sessions: BTreeMap<EthernetId, bool>,
    /// The vEths behind them.
    asked_anew: BTreeMap<VethId, EthernetId>,
    /// vEths whose frames are stopped, and why.
    stopped: BTreeMap<VethId, String>,
    /// vEths whose frames pass again.
    again: BTreeSet<VethId>,
}

impl Daemon {
    pub(super) fn aftermath(&self, candidate: &Config) -> Aftermath {
        let ending = self.sessions.ending(&self.said, candidate).into_iter();
        let sessions = ending.map(|link| (link, compile::has_niv_port(candidate, link)));
        let sessions: BTreeMap<EthernetId, bool> = sessions.collect();
        let (refused, again) = self.registry.permissions(candidate);
        let refused = refused.into_iter();
        let mut stopped: BTreeMap<VethId, String> = refused
            .map(|(veth, why)| (veth, format!("disabled: {why}")))
            .collect();
        let mut asked_anew = BTreeMap::new();
        for (_, record) in self.registry.records() {
            let Some(link) = record.place.map(|place| place.link) else {
                continue;
            };
            match sessions.get(&link) {
                Some(true) => {
                    asked_anew.insert(record.number, link);
                }
                Some(false) => {
                    let link = InterfaceId::Ethernet(link);
                    let why = format!("away: {link} has no session any more");
                    stopped.insert(record.number, why);
                }
                None => {}
            }
        }
        Aftermath {
            sessions,
            asked_anew,
            stopped,
            again,
        }
    }
}

impl Aftermath {
    /// Whether frames of `veth` are stopped.
    pub(super) fn stops(&self, veth: VethId) -> bool {
        self.stopped.contains_key(&veth)
    }

    /// Why they are.
    pub(super) fn why_down(&self, veth: VethId) -> Option<String> {
        self.stopped.get(&veth).cloned()
    }

    /// Whether they pass again.
    pub(super) fn opens(&self, veth: VethId) -> bool {
        self.again.contains(&veth)
    }

    /// Of `interface`, as sentences.
    pub(super) fn words(&self, interface: InterfaceId) -> Option<String> {
        match interface {
            InterfaceId::Ethernet(id) => self.sessions.get(&id).map(|begins_anew| match begins_anew {
                true => "its session begins anew, on other terms: a host that does not know them gets none".to_owned(),
                false => "its session ends".to_owned(),
            }),
            InterfaceId::Veth(id) => self.asked_anew.get(&id).map(|&link| {
                let link = InterfaceId::Ethernet(link);
                format!("its host has to ask for it again, as the session of {link} begins anew")
            }),
        }
    }
}
