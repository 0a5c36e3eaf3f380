//! What `iv show` and `iv profiles` are told.

use super::Link;
use super::run::Daemon;
use super::vnic::Vnic;
use crate::client::RELEASE;
use crate::config::{Binding, with_tags};
use crate::core::{Account, UPLINK, VnicId};
use crate::life::Verdict;
use crate::show::{self, Look, Profiles, SCHEMA, Show};
use doctor::LinkHealth;
use link_control::Heard;
use niv::{Counters, PortId};
use packet_io::supervise::{Balance, Status, SuperviseError};
use packet_io::worker::{Passed, Worker};
use std::collections::HashMap;
use std::time::Instant;

impl Daemon {
    pub(super) async fn show(&self) -> Result<Show, SuperviseError> {
        let ids: Vec<PortId> = std::iter::once(UPLINK)
            .chain(self.vnics.values().map(Vnic::port))
            .collect();
        let account = move |worker: &mut Worker<Link>| {
            let each: Vec<PortView> = ids.into_iter().map(|id| PortView::of(worker, id)).collect();
            (each, worker.forward.iv.total())
        };
        let ((views, total), balances) = self.supervisor.balance(account).await?;
        let balances: HashMap<PortId, Balance> = balances.into_iter().collect();
        let balance = |id: PortId| balances.get(&id).copied();
        let heard = match &self.vic {
            Some(vic) => vic.heard().await,
            None => None,
        };
        let health = match &self.vic {
            Some(vic) => vic.examine().await,
            None => None,
        };
        let mut views = views.into_iter();
        let uplink = views.next().unwrap_or_default();
        let largest = self.vnics.values().map(|vnic| vnic.config.mtu).max();
        let uplink_mtu = self.config.uplink_mtu().max(largest.map_or(0, with_tags));
        Ok(Show {
            schema: SCHEMA,
            version: RELEASE.into(),
            uplink: show::Uplink {
                device: self.device(
                    &self.config.uplink,
                    UPLINK,
                    uplink_mtu,
                    &uplink,
                    balance(UPLINK),
                ),
                counters: (&uplink.counters).into(),
            },
            session: self.vic.as_ref().map(|_| self.session_view(health)),
            neighbours: heard.as_ref().map(neighbours).unwrap_or_default(),
            advice: heard.and_then(|heard| heard.advice),
            vnics: self
                .vnics
                .values()
                .zip(views)
                .map(|(vnic, view)| self.vnic(vnic, &view, balance(vnic.port())))
                .collect(),
            conservation: (&total).into(),
        })
    }

    fn session_view(&self, health: Option<LinkHealth>) -> show::Session {
        let (peer, now) = (self.session.peer(), Instant::now());
        show::Session {
            state: self.session.word().into(),
            why: self.session.why(now, self.uplink_carrier() == Some(true)),
            refused: self.session.refused(now).map(|code| code.to_string()),
            lost_for: self.session.lost_for(now),
            grace_left: self.session.grace_left(now),
            peer: peer.map(|peer| peer.name.to_string()),
            software: peer.and_then(|peer| Some(peer.software.as_ref()?.to_string())),
            identity: peer.map(|peer| peer.identity.to_string()),
            mac: peer.map(|peer| peer.mac),
            authenticated: peer.map(|peer| peer.authenticated),
            term: peer.map(|peer| peer.term),
            mtu: peer.map(|peer| peer.mtu),
            health,
            mtu_proven: self.session.narrow().map(|(octets, _)| octets),
        }
    }

    fn vnic(&self, vnic: &Vnic, view: &PortView, balance: Option<Balance>) -> show::Vnic {
        let mtu = vnic.config.mtu;
        let mut device = self.device(&vnic.device, vnic.port(), mtu, view, balance);
        if let Some(why) = &vnic.why_not {
            device.state = format!("missing: {why}");
        }
        let vic = vnic.vic.as_ref();
        let veth = vic.and_then(|vic| vic.life.veth());
        let (state, why) = self.state(vnic);
        show::Vnic {
            name: vnic.config.name.clone(),
            vif: vic.map_or(vnic.config.vif(), |vic| vic.life.vif()),
            uuid: vic.map(|vic| vic.uuid.to_string()),
            profile: match &vnic.config.binding {
                Binding::Profile(by) => Some(by.profile.to_string()),
                Binding::Vif(_) => None,
            },
            veth: veth.map(|veth| veth.number),
            veth_name: veth.and_then(|veth| Some(veth.name.as_ref()?.to_string())),
            enabled: view.enabled,
            state,
            why,
            carrier: self.carrier_of(vnic.id),
            kind: vnic.config.attachment.kind().into(),
            device,
            counters: (&view.counters).into(),
            list_copies: view.list_copies,
        }
    }

    /// Where a vNIC is on its way, and why nothing passes.
    fn state(&self, vnic: &Vnic) -> (String, Option<String>) {
        let why_not = || match self.supervisor.status(vnic.port()) {
            _ if vnic.why_not.is_some() => vnic.why_not.clone(),
            Some(Status::Refused(why)) => Some(why),
            Some(Status::Missing) => Some(format!("there is no device {}", vnic.device)),
            None if vnic.tap.is_none() => Some(format!("there is no TAP {}", vnic.device)),
            Some(Status::InUse { .. }) | None => None,
        };
        let uplink = || {
            let down = format!("the uplink {} has no link", self.config.uplink);
            (!self.carrier.shown()).then_some(down)
        };
        let Some(vic) = &vnic.vic else {
            let why = why_not().or_else(uplink);
            let word = if why.is_some() { "down" } else { "enabled" };
            return (word.into(), why);
        };
        let why = why_not()
            .or_else(uplink)
            .or_else(|| vic.life.why(&self.session, Instant::now()));
        let word = match vic.life.word() {
            // By the switch; here nothing passes all the same.
            "enabled" if why.is_some() => "down",
            word => word,
        };
        (word.into(), why)
    }

    pub(super) fn look(&self, name: &str) -> Result<Look, String> {
        let mut vnics = self.vnics.values();
        let vnic = vnics
            .find(|vnic| vnic.config.name == name)
            .ok_or_else(|| format!("there is no vNIC {name}"))?;
        let (state, why) = self.state(vnic);
        let vic = vnic.vic.as_ref();
        Ok(Look {
            name: name.into(),
            verdict: vic.map_or(Verdict::Enabled, |vic| vic.life.verdict()),
            session_refused: self.session.peer().is_none()
                && self.session.refused(Instant::now()).is_some(),
            mend: vic.and_then(|vic| vic.life.mend()),
            uuid: vic.map(|vic| vic.uuid.to_string()),
            vif: vic.and_then(|vic| vic.life.vif()),
            veth: vic.and_then(|vic| Some(vic.life.veth()?.number)),
            state,
            why,
        })
    }

    pub(super) fn profiles(&self) -> Result<Profiles, String> {
        if self.vic.is_none() {
            return Err("every vNIC is bound by hand, and the switch is not asked".into());
        }
        let catalogue = self.session.catalogue();
        let linked = self.uplink_carrier() == Some(true);
        let why = self.session.why(Instant::now(), linked);
        if let (true, Some(why)) = (catalogue.is_empty(), why) {
            return Err(format!("no switch has told its profiles: {why}"));
        }
        let profile = |profile: &vic::Profile| show::Profile {
            name: profile.name.to_string(),
            description: profile.description.to_string(),
        };
        Ok(Profiles {
            schema: SCHEMA,
            profiles: catalogue.iter().map(profile).collect(),
        })
    }

    fn device(
        &self,
        name: &str,
        id: PortId,
        mtu: u32,
        view: &PortView,
        balance: Option<Balance>,
    ) -> show::Device {
        let state = match self.supervisor.status(id) {
            Some(Status::Missing) => "missing".into(),
            Some(Status::Refused(why)) => why,
            Some(Status::InUse { carrier: false, .. }) => "without a link".into(),
            // A TAP, which we hold ourselves, is not the supervisor's.
            None if view.mode.is_none() => "missing".into(),
            Some(Status::InUse { .. }) | None => "up".into(),
        };
        let carrier = match self.supervisor.status(id) {
            Some(Status::InUse { carrier, .. }) => Some(carrier),
            _ => None,
        };
        let queue = view.passed.unwrap_or_default().queue;
        let balance = balance.unwrap_or_default();
        show::Device {
            name: name.into(),
            state,
            carrier,
            meddled: self.supervisor.meddled(id).map(str::to_owned),
            mode: view.mode.map(str::to_owned),
            mtu,
            kernel_buffers: queue.buffers,
            kernel_drops: queue.dropped,
            unexplained_received: balance.unexplained_received,
            unexplained_sent: balance.unexplained_sent,
        }
    }
}

fn neighbours(heard: &Heard) -> Vec<show::Neighbour> {
    let neighbours = heard.neighbours.iter();
    neighbours
        .map(|neighbour| show::Neighbour {
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

/// What the worker says of one port.
#[derive(Default)]
struct PortView {
    counters: Counters,
    enabled: bool,
    list_copies: u64,
    mode: Option<&'static str>,
    passed: Option<Passed>,
}

impl PortView {
    fn of(worker: &mut Worker<Link>, id: PortId) -> Self {
        let account = Account::of(id);
        let iv = &worker.forward.iv;
        let enabled = |vnic: VnicId| iv.vnic(vnic).is_some_and(|vnic| vnic.enabled);
        let (enabled, list_copies) = match account {
            Account::Uplink => (true, 0),
            Account::Vnic(vnic) => (enabled(vnic), iv.list_copies(vnic)),
        };
        Self {
            counters: iv.counters(account),
            enabled,
            list_copies,
            mode: worker
                .capabilities(id)
                .map(|capabilities| capabilities.mode),
            passed: worker.passed(id),
        }
    }
}
