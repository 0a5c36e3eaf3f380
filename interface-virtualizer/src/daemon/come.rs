//! vNICs come: those of the configuration and those kept from before at the start, others by `iv attach`.

use super::carrier::Carrier;
use super::device::{Made, Maker, Plan};
use super::run::{Daemon, RunError};
use super::session::{Note, Vic};
use super::state::{Kept, KeptVnic, StateFile};
use super::turns::Turns;
use super::vnic::{Assigned, Vnic, ring};
use super::{Link, identity};
use crate::config::{Attachment, Binding, ByProfile, Config, VnicConfig, VnicSpec, with_tags};
use crate::core::{Account, UPLINK, VnicId};
use crate::life::Conversation;
use futures_util::stream::{self, StreamExt};
use niv::{ListId, VifId};
use packet_io::afpacket::PacketOptions;
use packet_io::device::Role;
use packet_io::former::Formers;
use packet_io::link::Links;
use packet_io::supervise::{Supervisor, Wanted};
use packet_io::worker::{PortUse, Worker};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::warn;
use vic::Uuid;

/// Devices that are made at the same time at the start (ours): most of the time each waits for the kernel.
const AT_ONCE: usize = 64;

/// A guest that had a link before the start keeps it for so long while the switch is asked (ours): sessions are there
/// within a second, and a guest with a second NIC is not to wait for long.
const RETURN: Duration = Duration::from_secs(5);

/// A vNIC that is to be there from the start.
struct Wish {
    config: VnicConfig,
    /// Where the switch assigns the VIF.
    by: Option<(Uuid, Option<VifId>)>,
    configured: bool,
    made: bool,
}

/// What is to be there: what the configuration says, with the UUIDs and VIFs it had before, and what was
/// attached before.
fn wishes(config: &Config, kept: Kept) -> io::Result<Vec<Wish>> {
    let mut before: HashMap<String, KeptVnic> = HashMap::new();
    let mut attached = Vec::new();
    for vnic in kept.vnics {
        let name = vnic.spec.name.clone().unwrap_or_default();
        match vnic.configured {
            true => drop(before.insert(name, vnic)),
            false => attached.push(vnic),
        }
    }
    let mut wishes = Vec::with_capacity(config.vnics.len() + attached.len());
    for vnic in &config.vnics {
        let mut vnic = vnic.clone();
        let mut kept = None;
        let mut by = None;
        if let Binding::Profile(ByProfile { uuid, .. }) = &mut vnic.binding {
            kept = before.remove(&vnic.name);
            let spec = kept.as_ref().and_then(|kept| kept.spec.uuid.as_deref());
            let had: Option<Uuid> = spec.and_then(|uuid| uuid.parse().ok());
            let known = uuid.or(had).map_or_else(identity::new_uuid, Ok)?;
            // A VIF belongs to the UUID.
            let vif = kept.as_ref().filter(|_| had == Some(known));
            by = Some((known, vif.and_then(|kept| kept.vif)));
            *uuid = Some(known);
        }
        wishes.push(Wish {
            config: vnic,
            by,
            configured: true,
            made: kept.is_some_and(|kept| kept.made),
        });
    }
    for kept in attached {
        let name = kept.spec.name.clone().unwrap_or_default();
        match VnicConfig::try_from(kept.spec) {
            Ok(vnic) => {
                let Binding::Profile(ByProfile {
                    uuid: Some(uuid), ..
                }) = vnic.binding
                else {
                    continue;
                };
                wishes.push(Wish {
                    by: Some((uuid, kept.vif)),
                    configured: false,
                    made: kept.made,
                    config: vnic,
                });
            }
            Err(why) => warn!("vNIC {name} was attached before and cannot be again: {why}"),
        }
    }
    Ok(wishes)
}

impl Daemon {
    pub(super) async fn start(
        config: Config,
        links: Links,
        formers: Formers,
        folder: &Path,
        notes: UnboundedSender<Note>,
    ) -> Result<Self, RunError> {
        let namespace = File::from(links.namespace().as_fd().try_clone_to_owned()?);
        let file = StateFile::new(folder, namespace.metadata()?.ino(), &config.uplink);
        let kept = match config.runs_vic() {
            true => file.load(),
            false => Kept::default(),
        };
        let term = kept.term;
        let mut link = Link::default();
        let mut vnics: BTreeMap<VnicId, Vnic> = BTreeMap::new();
        for wish in wishes(&config, kept)? {
            let twice = vnics.values().find_map(|vnic| vnic.shares(&wish.config));
            if let Some(what) = twice.filter(|_| !wish.configured) {
                warn!(
                    "vNIC {} was attached before and is not any more: {what} is another's now",
                    wish.config.name
                );
                continue;
            }
            let id = match (wish.config.vif(), wish.by) {
                (Some(vif), _) => link.add_by_hand(vif)?,
                (None, Some((uuid, _))) => link.add_by_uuid(uuid)?,
                (None, None) => continue,
            };
            let vic = wish
                .by
                .map(|(uuid, vif)| Assigned::new(uuid, vif, wish.configured, wish.made));
            vnics.insert(id, Vnic::new(id, &config.uplink, wish.config, vic));
        }
        for list in &config.lists {
            link.iv.set_list(list.id, list.members.iter().copied());
        }

        let (unknown, mut met) = unbounded_channel::<Vec<ListId>>();
        link.report_to(unknown);
        let worker = Worker::spawn("iv-worker", link)?;
        let vic = match config.runs_vic() {
            true => Some(Vic::start(&config, worker.clone(), notes.clone(), term)?),
            false => None,
        };
        tokio::spawn(async move {
            while let Some(lists) = met.recv().await {
                if notes.send(Note::UnknownLists(lists)).is_err() {
                    return;
                }
            }
        });
        let largest = vnics.values().map(|vnic| vnic.config.mtu).max();
        let uplink = Wanted {
            id: UPLINK,
            name: config.uplink.clone(),
            role: Role::Uplink,
            mtu: config.uplink_mtu().max(largest.map_or(0, with_tags)),
            roomy: config.runs_vic() && config.long_frames(),
            // What a link carries unfinished is agreed on in its session.
            usage: PortUse {
                pad: true,
                offload: false,
            },
        };
        let ring = PacketOptions::default();
        let supervisor =
            Supervisor::start(links.clone(), worker.clone(), vec![uplink], ring, formers).await?;
        let mut daemon = Self {
            session: Conversation::new(config.grace()).by_flags(config.by_flags),
            config,
            links,
            worker,
            supervisor,
            vnics,
            turns: Turns::default(),
            carrier: Carrier::new(),
            vic,
            making: JoinSet::new(),
            file,
            keep_at: None,
            kept_until: None,
        };
        match daemon.make_all().await {
            Ok(()) => Ok(daemon),
            Err(error) => {
                daemon.stop().await;
                Err(error)
            }
        }
    }

    /// Makes the devices of all vNICs, many at the same time, and opens the session.
    async fn make_all(&mut self) -> Result<(), RunError> {
        let maker = Maker {
            taker: self.supervisor.taker().with_ring(ring(self.vnics.len())),
            ..self.maker()
        };
        let mut by_hand = Vec::new();
        let mut plans = Vec::with_capacity(self.vnics.len());
        for vnic in self.vnics.values() {
            if let Some(wanted) = vnic.wanted() {
                self.supervisor.add(wanted);
            }
            match (&vnic.vic, &mut self.vic) {
                (Some(assigned), Some(vic)) => {
                    vic.by_uuid.insert(assigned.uuid, vnic.id);
                }
                _ => by_hand.push(vnic.id),
            }
            plans.push((vnic.id, Plan::from(vnic)));
        }
        let found = stream::iter(plans)
            .map(|(id, plan)| {
                let maker = &maker;
                async move { (id, maker.find(&plan).await, plan.wanted) }
            })
            .buffer_unordered(AT_ONCE);
        let found: Vec<_> = found.collect().await;
        let mut all = BTreeMap::new();
        let mut wanted = Vec::with_capacity(found.len());
        for (id, made, device) in found {
            wanted.extend(device.filter(|_| made.as_ref().is_ok_and(|m| m.why_not.is_none())));
            all.insert(id, made);
        }
        for (port, taken) in maker.taker.take_many(wanted).await {
            if let Account::Vnic(id) = Account::of(port)
                && let Some(made) = all.get_mut(&id)
            {
                match (taken, made.as_mut()) {
                    (Ok(taken), Ok(made)) => made.taken = taken,
                    (Err(error), _) => *made = Err(error.into()),
                    (Ok(_), Err(_)) => {}
                }
            }
        }
        let mut first = Ok(());
        for (id, made) in all {
            let configured = self.vnics.get(&id).is_some_and(|vnic| {
                let vic = vnic.vic.as_ref();
                vic.is_none_or(|vic| vic.configured)
            });
            match made {
                Err(error) if configured && first.is_ok() => first = Err(error),
                made => self.put(id, made).await,
            }
        }
        first?;
        let enable = move |worker: &mut Worker<Link>| {
            for id in by_hand {
                worker.forward.iv.enable(id, true);
            }
        };
        self.worker.answer(enable).await?;
        if let Some(up) = self.uplink_carrier() {
            self.carrier.uplink(up, Instant::now());
            self.open_link().await;
        } else {
            self.carrier.uplink(false, Instant::now());
        }
        self.keep()?;
        self.show_carriers().await;
        Ok(())
    }

    /// Notes what became of a vNIC's device.
    async fn put(&mut self, id: VnicId, made: Result<Made, RunError>) {
        let Some(vnic) = self.vnics.get_mut(&id) else {
            return;
        };
        let port = vnic.port();
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                let why = error.to_string();
                warn!("vNIC {}: {why}", vnic.config.name);
                vnic.why_not = Some(why.clone());
                return self.supervisor.taken(port, Err(why)).await;
            }
        };
        if let Some(why) = &made.why_not {
            warn!("{why}; trying again until it can be made");
            self.turns.failed(id, Instant::now());
        }
        vnic.why_not = made.why_not;
        let there = made.tap.is_some() || made.taken.is_some();
        // A TAP's carrier has just been set, and a pair's end shows what it showed before.
        vnic.shown = match &made.taken {
            Some(taken) => Some(taken.is_up()),
            None => made.tap.is_some().then_some(true),
        };
        // An IV that was killed left the guest with a link: it need not see that another one goes on.
        let goes_on = vnic.shown == Some(true) && made.taken.is_some() && !made.made;
        let known = |vic: &Assigned| vic.life.vif().is_some();
        if goes_on && vnic.vic.as_ref().is_some_and(known) {
            vnic.keeps_link = true;
            self.kept_until = Some(Instant::now() + RETURN);
        }
        vnic.tap = made.tap;
        vnic.tap_index = made.tap_index;
        if let Attachment::Device(name) = &vnic.config.attachment
            && !there
        {
            warn!(
                "there is no device {name} yet: waiting for it (`ip link` lists those there are)"
            );
        }
        if let Some(vic) = &mut vnic.vic {
            vic.mac = made.mac.filter(|_| there);
            vic.made |= made.made;
        }
        self.supervisor.taken(port, Ok(made.taken)).await;
    }

    /// A vNIC's device that was not there: what is the guest's address?
    pub(super) async fn find_address(&mut self, id: VnicId) {
        let Some(vnic) = self.vnics.get_mut(&id) else {
            return;
        };
        if let (Attachment::Device(name), Some(vic)) = (&vnic.config.attachment, &mut vnic.vic)
            && vic.mac.is_none()
        {
            vic.mac = match vnic.config.mac {
                Some(mac) => Some(mac),
                None => self
                    .links
                    .get(name)
                    .await
                    .ok()
                    .flatten()
                    .and_then(|i| i.mac),
            };
        }
    }

    /// `iv attach`: the answer comes when the device is there.
    pub(super) async fn attach(
        &mut self,
        spec: VnicSpec,
        reply: oneshot::Sender<Result<(), String>>,
    ) {
        match self.begin(spec).await {
            Ok(id) => match self.vnics.get_mut(&id).and_then(|v| v.vic.as_mut()) {
                Some(vic) => vic.attached = Some(reply),
                None => drop(reply),
            },
            // The client may be gone by now.
            Err(why) => drop(reply.send(Err(why))),
        }
    }

    async fn begin(&mut self, spec: VnicSpec) -> Result<VnicId, String> {
        let uplink = self.config.uplink.clone();
        if self.vic.is_none() {
            return Err(
                "every vNIC of this `iv` is bound by hand, and it does not ask the switch; \
                 say `vic = true` in its file, or start it without --tap, --netns and --device"
                    .into(),
            );
        }
        let mut config = VnicConfig::try_from(spec)?;
        let Binding::Profile(ByProfile { uuid, .. }) = &mut config.binding else {
            return Err("give a profile".into());
        };
        let known = match *uuid {
            Some(uuid) => uuid,
            None => identity::new_uuid().map_err(|error| error.to_string())?,
        };
        *uuid = Some(known);
        let other = self
            .vnics
            .values()
            .find_map(|vnic| Some((vnic.shares(&config)?, &vnic.config.name)));
        if let Some((what, other)) = other {
            return Err(format!(
                "{what} belongs to vNIC {other} already; give another one, or take that vNIC away first: \
                 `iv detach {other}`"
            ));
        }
        match &config.attachment {
            Attachment::Tap(name) | Attachment::Device(name) if *name == uplink => {
                return Err(format!("{name} is the uplink"));
            }
            Attachment::Tap(name)
            | Attachment::Device(name)
            | Attachment::Netns { ifname: name, .. } => {
                crate::config::device_name(name).map_err(|error| error.to_string())?;
            }
        }
        // Both numbers are in the error (design.md section 5.8).
        self.supervisor
            .require_mtu(UPLINK, with_tags(config.mtu))
            .await
            .map_err(|error| error.to_string())?;
        let add = move |worker: &mut Worker<Link>| worker.forward.add_by_uuid(known);
        let id = match self.worker.answer(add).await {
            Ok(Ok(id)) => id,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(error) => return Err(error.to_string()),
        };
        let vic = Assigned::new(known, None, false, false);
        let vnic = Vnic::new(id, &uplink, config, Some(vic));
        if let Some(wanted) = vnic.wanted() {
            self.supervisor.add(wanted);
        }
        if let Some(vic) = &mut self.vic {
            vic.by_uuid.insert(known, id);
        }
        let (maker, plan) = (self.maker(), Plan::from(&vnic));
        self.vnics.insert(id, vnic);
        self.making
            .spawn(async move { (id, maker.make(&plan).await) });
        Ok(id)
    }

    /// The device of a vNIC that was attached is there, or cannot be.
    pub(super) async fn on_made(&mut self, id: VnicId, made: Result<Made, RunError>) {
        let Some(vnic) = self.vnics.get_mut(&id) else {
            return;
        };
        let reply = vnic.vic.as_mut().and_then(|vic| vic.attached.take());
        let refused = match &made {
            Err(error) => Some(error.to_string()),
            Ok(made) if made.why_not.is_some() => made.why_not.clone(),
            Ok(made) if made.tap.is_none() && made.taken.is_none() => Some(format!(
                "there is no device {}; `ip link` lists those there are",
                vnic.device
            )),
            Ok(_) => None,
        };
        self.put(id, made).await;
        let result = match refused {
            Some(why) => {
                self.remove(id).await;
                Err(why)
            }
            None => match self.keep() {
                Ok(()) => {
                    self.declare(id).await;
                    self.show_carrier_to(id).await;
                    Ok(())
                }
                Err(error) => {
                    self.remove(id).await;
                    Err(error.to_string())
                }
            },
        };
        // The client may be gone by now; the vNIC stays.
        let _ = reply.map(|reply| reply.send(result));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str, uuid: u8, vif: u16, configured: bool) -> KeptVnic {
        KeptVnic {
            spec: VnicSpec {
                name: Some(name.into()),
                profile: Some("web".into()),
                uuid: Some(Uuid([uuid; 16]).to_string()),
                ..VnicSpec::default()
            },
            vif: VifId::try_from(vif).ok(),
            configured,
            made: true,
        }
    }

    #[test]
    fn a_vnic_comes_back_with_the_uuid_and_vif_it_had() {
        let file = r#"
            uplink = "e"
            [[vnic]]
            name = "a"
            profile = "web"
            [[vnic]]
            name = "b"
            profile = "web"
            uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8"
            [[vnic]]
            name = "new"
            profile = "web"
        "#;
        let config = Config::parse(file).unwrap();
        let before = vec![
            kept("a", 1, 11, true),
            kept("b", 2, 12, true),
            kept("no more", 3, 13, true),
            kept("c", 4, 14, false),
        ];
        let wishes = wishes(&config, Kept::new(0, before)).unwrap();
        let got: Vec<_> = wishes
            .iter()
            .map(|w| (w.config.name.as_str(), w.by.map(|by| by.1.map(VifId::get))))
            .collect();
        let (some, other) = (Some(Some(11)), Some(Some(14)));
        let none = Some(None);
        // The UUID of b was changed in the file, so the VIF is not its own.
        assert_eq!(got, [("a", some), ("b", none), ("new", none), ("c", other)]);
        assert_eq!(wishes[0].by.unwrap().0, Uuid([1; 16]));
        assert_eq!(wishes[3].by.unwrap().0, Uuid([4; 16]));
        assert!(wishes.iter().all(|wish| match &wish.config.binding {
            Binding::Profile(by) => by.uuid == wish.by.map(|by| by.0),
            Binding::Vif(_) => false,
        }));
    }
}
