//! What `show niv` sees: links, VIFs and lists.

use super::run::Daemon;
use super::sessions::Account;
use crate::config::{EthernetId, InterfaceId, Membership, VethId};
use crate::control::niv::{
    NivFrames, NivLink, NivList, NivNeighbour, NivPeer, NivRequest, NivVif, ShowNivLink,
    ShowNivList, ShowNivVif, Used, Vnic, VnicCounters,
};
use crate::control::show::{Answer, SCHEMA};
use crate::veth::{LinkRecord, Record};
use link_control::Heard;
use packet_io::supervise::Status;
use std::time::Duration;
use vic::Uuid;
use vic::session::Peer;

impl Daemon {
    pub(super) async fn niv(&self, request: NivRequest) -> Answer {
        match request {
            NivRequest::Link => Answer::NivLink(self.niv_links().await),
            NivRequest::Vif(link) => Answer::NivVif(self.niv_vifs(link)),
            NivRequest::List(link) => Answer::NivList(self.niv_lists(link)),
        }
    }

    fn niv_ports(&self) -> impl Iterator<Item = EthernetId> {
        self.said.ethernets.keys().copied().filter(|&id| {
            let effective = self.said.effective_ethernet(id);
            effective.is_some_and(|effective| effective.membership == Membership::Vntag)
        })
    }

    pub(super) async fn niv_links(&self) -> ShowNivLink {
        let mut links = Vec::new();
        for id in self.niv_ports() {
            let account = self.sessions.account(id).await;
            let heard = self.sessions.heard(id).await;
            links.push(NivLink {
                neighbours: heard.as_ref().map(neighbours).unwrap_or_default(),
                advice: heard.and_then(|heard| heard.advice),
                ..self.niv_link(id, account)
            });
        }
        ShowNivLink {
            schema: SCHEMA,
            links,
        }
    }

    fn niv_link(&self, id: EthernetId, account: Option<Account>) -> NivLink {
        let unknown = LinkRecord::default();
        let found = self.registry.links().find(|(link, _)| *link == id);
        let record = found.map_or(&unknown, |(_, record)| record);
        let status = self.supervisor.status(super::compile::port_id(id));
        let in_use = matches!(status, Some(Status::InUse { .. }));
        let state = match (&record.peer, record.in_grace()) {
            _ if !in_use => "no_device",
            (Some(_), _) => "up",
            (None, true) => "lost",
            (None, false) if record.sessions == 0 => "waiting",
            (None, false) => "away",
        };
        let on_it = |record: &&Record| record.place.is_some_and(|place| place.link == id);
        let records = self.registry.records().map(|(_, record)| record);
        let lists = self.registry.lists().views();
        NivLink {
            link: InterfaceId::Ethernet(id),
            state: state.into(),
            since: self.seconds_since(record.since),
            authentication: self.sessions.authentication(id).into(),
            peer: record.peer.as_ref().map(peer),
            sessions: record.sessions,
            lost: record.lost.as_ref().map(ToString::to_string),
            refused: record.refused,
            last_refusal: record.last_refusal.as_ref().map(|refusal| {
                let by = match refusal.said.by {
                    vic::frame::Direction::Up => "by the host",
                    vic::frame::Direction::Down => "by us",
                };
                let ago = self.seconds_since(refusal.at);
                format!(
                    "{} {by}, {ago} s ago: {}",
                    refusal.said.mac, refusal.said.refusal
                )
            }),
            vnics_refused: record.vnics_refused,
            lists_refused: record.lists_refused,
            mtu_proven: record.mtu_proven.map(|(octets, _)| octets),
            health: account.and_then(|account| account.health).map(Into::into),
            vifs: Used {
                used: records.filter(on_it).count(),
                free: account.map_or(0, |account| account.free_vifs),
            },
            lists: Used {
                used: lists.iter().filter(|list| list.link == id).count(),
                free: account.map_or(0, |account| account.free_lists),
            },
            frames: account.map(|account| {
                let s = account.statistics;
                NivFrames {
                    sent: s.sent,
                    taken: s.taken,
                    not_taken: s.repeated
                        + s.not_ours
                        + s.version
                        + s.malformed
                        + s.unauthentic
                        + s.foreign
                        + s.excess,
                    unauthentic: s.unauthentic,
                }
            }),
            neighbours: Vec::new(),
            advice: None,
        }
    }

    fn niv_vifs(&self, link: Option<EthernetId>) -> ShowNivVif {
        let mut vifs: Vec<NivVif> = self
            .registry
            .records()
            .map(|(uuid, record)| NivVif {
                link: record.place.map(|place| InterfaceId::Ethernet(place.link)),
                vif: record.place.map(|place| place.vif),
                veth: InterfaceId::Veth(record.number),
                state: record.stage.as_str().into(),
                since: Some(self.seconds_since(record.since)),
                why_down: record.why_down(),
                port_profile: self.port_profile(record.number),
                vnic: Some(vnic(uuid, record)),
            })
            .collect();
        for (&id, veth) in &self.said.veths {
            if let Some(bind) = veth.bind {
                vifs.push(NivVif {
                    link: Some(InterfaceId::Ethernet(bind.ethernet)),
                    vif: Some(bind.channel),
                    veth: InterfaceId::Veth(id),
                    state: "by_hand".into(),
                    since: None,
                    why_down: None,
                    port_profile: self.port_profile(id),
                    vnic: None,
                });
            }
        }
        if let Some(link) = link.map(InterfaceId::Ethernet) {
            vifs.retain(|vif| vif.link == Some(link));
        }
        vifs.sort_by_key(|vif| (vif.link.is_none(), vif.link, vif.vif, vif.veth));
        ShowNivVif {
            schema: SCHEMA,
            vifs,
        }
    }

    fn port_profile(&self, veth: VethId) -> Option<String> {
        let said = self.config.veths.get(&veth)?;
        said.lines.inherit.as_ref().map(ToString::to_string)
    }

    fn niv_lists(&self, link: Option<EthernetId>) -> ShowNivList {
        let lists = self.registry.lists().views().into_iter();
        let lists = lists.filter(|list| link.is_none_or(|link| link == list.link));
        ShowNivList {
            schema: SCHEMA,
            lists: lists
                .map(|list| NivList {
                    link: InterfaceId::Ethernet(list.link),
                    list: list.list,
                    state: match (list.released, list.confirmed) {
                        (true, _) => "released",
                        (false, true) => "confirmed",
                        (false, false) => "asked",
                    }
                    .into(),
                    members: list.members,
                })
                .collect(),
        }
    }

    fn seconds_since(&self, then: Duration) -> u64 {
        self.now().saturating_sub(then).as_secs()
    }
}

/// A vNIC for people and programs.
pub(super) fn vnic(uuid: Uuid, record: &Record) -> Vnic {
    let counters = record.counters;
    Vnic {
        uuid: uuid.to_string(),
        name: record.name.to_string(),
        owner: record.owner_name.as_ref().map(ToString::to_string),
        owner_uuid: record.owner_uuid.map(|uuid| uuid.to_string()),
        mac: record.mac,
        mtu: record.mtu,
        port_profile: record.profile.to_string(),
        counters: VnicCounters {
            to_frames: counters.to_frames,
            from_frames: counters.from_frames,
            list_copies: counters.list_copies,
            dropped: counters.dropped,
        },
    }
}

fn neighbours(heard: &Heard) -> Vec<NivNeighbour> {
    let neighbours = heard.neighbours.iter();
    neighbours
        .map(|neighbour| NivNeighbour {
            system: neighbour.said.system_name.clone(),
            description: neighbour.said.system_description.clone(),
            chassis: neighbour.said.station.chassis.to_string(),
            port: neighbour.said.station.port.to_string(),
            mac: neighbour.mac,
            role: neighbour.said.niv.map(|niv| niv.role.to_string()),
            frame_size: neighbour.said.frame_size,
            since: heard.now.saturating_sub(neighbour.since).as_secs(),
            expires: neighbour.until.saturating_sub(heard.now).as_secs(),
        })
        .collect()
}

fn peer(peer: &Peer) -> NivPeer {
    NivPeer {
        name: peer.name.to_string(),
        identity: peer.identity.to_string(),
        mac: peer.mac,
        software: peer.software.as_ref().map(ToString::to_string),
        authenticated: peer.authenticated,
        mtu: peer.mtu,
        hold: peer.hold.as_millis() as u64,
        max_vifs: peer.max_vifs,
        max_lists: peer.max_lists,
    }
}
