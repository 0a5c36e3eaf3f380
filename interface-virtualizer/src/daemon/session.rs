//! Link control: the session with the switch, and what it says.

use super::run::{Daemon, RunError};
use super::vnic::Vnic;
use super::{Link, identity};
use crate::client::RELEASE;
use crate::config::{Binding, Config};
use crate::core::{UPLINK, VnicError, VnicId};
use doctor::LinkHealth;
use link_control::{Heard, LinkControl, announcement, frame_size, key};
use lldp::Role;
use niv::{ListId, Mac};
use packet_io::link::LinkEvent;
use packet_io::long::LongFrames;
use packet_io::mailbox::Handle;
use packet_io::worker::Worker;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, info, warn};
use vic::session::iv::{IvEvent, IvLimits, IvSession};
use vic::session::{Authentication, Capabilities, EndConfig};
use vic::{Code, Name, Parameters, Refusal, Uuid, VifCounters};

/// What link control or the worker tells the control loop.
pub(super) enum Note {
    /// The session said so, and it is in force, or why it cannot be.
    Session(IvEvent, Result<(), VnicError>),
    /// Frames came for lists that are not known.
    UnknownLists(Vec<ListId>),
}

/// Link control and what it needs.
pub(super) struct Vic {
    control: LinkControl<IvSession>,
    authentication: Authentication,
    parameters: Parameters,
    long_frames: bool,
    /// The highest term of a switch so far.
    pub(super) term: u64,
    pub(super) by_uuid: BTreeMap<Uuid, VnicId>,
    /// The device's address and MTU the session was opened with; `None`: it is not open.
    opened: Option<(Mac, u16)>,
    /// The uplink is gone, and the socket with it.
    stale: bool,
}

impl Vic {
    /// Starts link control, without a session yet.
    pub(super) fn start(
        config: &Config,
        worker: Handle<Worker<Link>>,
        notes: UnboundedSender<Note>,
        term: u64,
    ) -> Result<Self, RunError> {
        let authentication = match &config.key_file {
            Some(path) => Authentication::Key(key::load(path)?),
            None => Authentication::Open,
        };
        // On link control's thread: what it says is in force before the answer leaves.
        let on_event = move |_, event: IvEvent| {
            let applied = worker.ask(move |worker| {
                let long = worker.long_frames(UPLINK);
                match &event {
                    IvEvent::Up(peer) => worker
                        .set_long_frames(UPLINK, LongFrames::opened(peer.capabilities.long_frames)),
                    IvEvent::MtuProven { octets, .. } => {
                        worker.set_long_frames(UPLINK, long.proven(*octets));
                    }
                    IvEvent::Lost(_) => worker.set_long_frames(UPLINK, long.lost()),
                    _ => {}
                }
                let applied = worker.forward.apply(&event);
                (event, applied)
            });
            if let Ok((event, applied)) = applied {
                // Control is gone only when this thread is about to end.
                let _ = notes.send(Note::Session(event, applied));
            }
        };
        Ok(Self {
            control: LinkControl::spawn("iv-link", on_event)?,
            authentication,
            parameters: config.vic_numbers.parameters()?,
            long_frames: config.long_frames(),
            term,
            by_uuid: BTreeMap::new(),
            opened: None,
            stale: false,
        })
    }

    fn end(&self, mac: Mac, mtu: u16) -> std::io::Result<EndConfig> {
        Ok(EndConfig {
            parameters: self.parameters,
            mac,
            identity: identity::identity(mac),
            name: identity::host_name(),
            software: Some(Name::clipped(&format!("iv {RELEASE}"))),
            mtu,
            authentication: self.authentication.clone(),
            capabilities: Capabilities {
                long_frames: self.long_frames,
            },
            term: self.term,
            // Drawn anew: nonces are made of it, and those of a session before must not come again.
            entropy: identity::entropy()?,
        })
    }

    /// Who is heard on the uplink by LLDP; `None`: it is not announced.
    pub(super) async fn heard(&self) -> Option<Heard> {
        self.control.heard(UPLINK).await
    }

    /// How the session goes; the link's MTU is proven anew.
    pub(super) async fn examine(&self) -> Option<LinkHealth> {
        let look = |session: &mut IvSession, now| {
            let health = session.health(now);
            session.prove_mtu(now);
            health
        };
        let health = self.control.with(UPLINK, look).await.flatten()?;
        Some(health.into())
    }

    /// The uplink has gained or lost its link.
    pub(super) fn on_carrier(&self, up: bool) {
        // Without its thread nothing is announced.
        let _ = self.control.carrier(UPLINK, up);
    }

    /// Says goodbye, and ends link control.
    pub(super) async fn close(self) {
        let why = Refusal::new(Code::GOING_AWAY, "the IV is stopped");
        self.control
            .with(UPLINK, |session, now| session.close(now, why))
            .await;
        self.control.withdraw().await;
        // It has ended already if these fail.
        let _ = self.control.close(UPLINK);
        let _ = self.control.stop();
    }

    /// The session gives a vNIC back. `false`: it knows none, so nothing will follow.
    pub(super) async fn detach(&self, uuid: Uuid) -> bool {
        let detach = move |session: &mut IvSession, now| session.detach(now, uuid);
        matches!(self.control.with(UPLINK, detach).await, Some(Ok(())))
    }
}

/// A vNIC as the session is told of it.
fn told(vnic: &Vnic) -> Option<(Mac, vic::session::iv::Vnic)> {
    let assigned = vnic.vic.as_ref()?;
    let Binding::Profile(by) = &vnic.config.binding else {
        return None;
    };
    let mac = assigned.mac?;
    let told = vic::session::iv::Vnic {
        uuid: assigned.uuid,
        mac,
        name: Name::clipped(&vnic.config.name),
        profile: by.profile.clone(),
        mtu: u16::try_from(vnic.config.mtu).unwrap_or(u16::MAX),
        vif: assigned.life.vif(),
        owner_name: by.owner.clone(),
        owner_uuid: by.owner_uuid,
    };
    Some((mac, told))
}

impl Daemon {
    /// Opens the session if the uplink is there, or gives it a new socket if the uplink has come back.
    pub(super) async fn open_link(&mut self) {
        let Some(vic) = &mut self.vic else { return };
        if vic.opened.is_some() && !vic.stale {
            return;
        }
        let socket = match LinkControl::<IvSession>::socket(&self.config.uplink) {
            Ok(socket) => socket,
            Err(error) => return warn!("no session with the switch: {error}"),
        };
        let (mac, mtu) = (
            socket.mac(),
            u16::try_from(socket.mtu()).unwrap_or(u16::MAX),
        );
        // Its frames are our own too, in the account of the uplink.
        self.supervisor.count_in(UPLINK, socket.sent());
        let end = match vic.end(mac, mtu) {
            Ok(end) => end,
            Err(error) => return warn!("no session with the switch: {error}"),
        };
        let announced = match LinkControl::<IvSession>::lldp_socket(&self.config.uplink) {
            Ok(socket) => {
                self.supervisor.count_in(UPLINK, socket.sent());
                let uplink = &self.config.uplink;
                let says = announcement(Role::Iv, &end, uplink, "uplink of an IV");
                let announced = vic.control.announce(UPLINK, socket, uplink, says).await;
                announced.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = announced {
            // A session needs none.
            warn!("no LLDP: {error}");
        }
        let done = match vic.opened {
            // The same port: the session goes on where it was.
            Some((before, _)) if before == mac => {
                let done = vic.control.replace_socket(UPLINK, socket).await;
                let set = vic
                    .control
                    .tell(UPLINK, move |session, now| session.set_mtu(now, mtu));
                done.and(set.map_err(std::io::Error::other))
            }
            _ => {
                if let Authentication::Open = vic.authentication {
                    let key_file = match self.config.by_flags {
                        true => "--key-file PATH",
                        false => "key-file = \"PATH\"",
                    };
                    info!(
                        "there is no key: any switch on {} is taken (`{key_file}` changes that)",
                        self.config.uplink
                    );
                }
                let mut session = IvSession::new(end, IvLimits::default());
                // Lists of an earlier session mean nothing to this one; those of the configuration stay.
                let by_hand: Vec<_> = self.config.lists.clone();
                let lists = move |worker: &mut Worker<Link>| {
                    worker.forward.iv.clear_lists();
                    for list in by_hand {
                        worker.forward.iv.set_list(list.id, list.members);
                    }
                };
                let cleared = self.worker.answer(lists).await;
                for vnic in self.vnics.values_mut() {
                    if let Some(vif) = vnic.config.vif() {
                        session.reserve(vif);
                    }
                    let Some((mac, told)) = told(vnic) else {
                        continue;
                    };
                    let attached = session.attach(Duration::ZERO, told);
                    if let Some(vic) = &mut vnic.vic {
                        vic.declared = attached.is_ok().then_some(mac);
                    }
                    if let Err(error) = attached {
                        warn!("vNIC {}: {error}", vnic.config.name);
                    }
                }
                let opened = vic.control.open(UPLINK, socket, session).await;
                opened.and(cleared.map_err(std::io::Error::other))
            }
        };
        match done {
            Ok(()) => {
                vic.opened = Some((mac, mtu));
                vic.stale = false;
            }
            Err(error) => warn!("no session with the switch: {error}"),
        }
    }

    /// The uplink came, went or has another MTU.
    pub(super) async fn on_uplink_event(&mut self, event: &LinkEvent) {
        let in_use = self.uplink_carrier().is_some();
        let Some(vic) = &mut self.vic else { return };
        match event {
            LinkEvent::Gone { name, .. } if *name == self.config.uplink => vic.stale = true,
            LinkEvent::Changed(info) if info.name == self.config.uplink && in_use => {
                // As it is now: the event may be older than the session.
                let now = self.links.get(&info.name).await.ok().flatten();
                let mtu = now.and_then(|now| u16::try_from(now.mtu).ok());
                if let (Some((_, told)), Some(mtu)) = (&mut vic.opened, mtu)
                    && *told != mtu
                    && !vic.stale
                {
                    *told = mtu;
                    let _ = vic.control.announce_frame_size(UPLINK, frame_size(mtu));
                    // Without the thread there is no session to tell.
                    let _ = vic
                        .control
                        .tell(UPLINK, move |session, now| session.set_mtu(now, mtu));
                }
                self.open_link().await;
            }
            _ => {}
        }
    }

    /// Tells the session of a vNIC whose device is there, or that its address is another one.
    pub(super) async fn declare(&mut self, id: VnicId) {
        let (Some(vic), Some(vnic)) = (&self.vic, self.vnics.get_mut(&id)) else {
            return;
        };
        let Some((mac, told)) = told(vnic).filter(|_| vic.opened.is_some()) else {
            return;
        };
        let Some(assigned) = &mut vnic.vic else {
            return;
        };
        let uuid = assigned.uuid;
        let done = match assigned.declared {
            _ if assigned.life.is_detaching() => return,
            Some(before) if before == mac => return,
            Some(_) => {
                let set =
                    move |session: &mut IvSession, now| session.set(now, uuid, Some(mac), None);
                vic.control.with(UPLINK, set).await
            }
            None => {
                let attach = move |session: &mut IvSession, now| session.attach(now, told);
                vic.control.with(UPLINK, attach).await
            }
        };
        match done {
            Some(Ok(())) => assigned.declared = Some(mac),
            Some(Err(error)) => warn!("vNIC {}: {error}", vnic.config.name),
            // There is no session; it hears of the vNIC when it is opened.
            None => {}
        }
    }

    /// What link control or the worker has to say.
    pub(super) async fn on_note(&mut self, note: Note) {
        match note {
            Note::Session(event, applied) => self.on_session(event, applied).await,
            Note::UnknownLists(lists) => {
                if let Some(vic) = &self.vic {
                    // Without the thread nobody can be told.
                    let _ = vic.control.tell(UPLINK, move |session, now| {
                        lists
                            .into_iter()
                            .for_each(|list| session.list_unknown(now, list));
                    });
                }
            }
        }
    }

    async fn on_session(&mut self, event: IvEvent, applied: Result<(), VnicError>) {
        if self.session.on_event(&event, Instant::now()) {
            self.log(&event);
        }
        match &event {
            IvEvent::Up(peer) => {
                if let Some(vic) = &mut self.vic
                    && peer.term > vic.term
                {
                    vic.term = peer.term;
                    self.keep_soon();
                }
            }
            IvEvent::Lost(_) => {
                let each = self.vnics.values_mut().filter_map(|vnic| vnic.vic.as_mut());
                for vic in each {
                    vic.life.on_event(&event, Ok(()));
                }
                self.show_carriers().await;
            }
            IvEvent::MtuProven { octets, wanted } if octets < wanted => warn!(
                "frames of {octets} octets get through to the switch and none of {wanted}, as both ends have it: \
                 look at the MTU of what is between them"
            ),
            _ => {}
        }
        let Some(id) = subject(&event).and_then(|uuid| self.holder(uuid)) else {
            return;
        };
        if let IvEvent::Detached { .. } = event {
            return self.gone(id).await;
        }
        let Some(vnic) = self.vnics.get_mut(&id) else {
            return;
        };
        let name = &vnic.config.name;
        if let IvEvent::SetRefused { why, .. } = &event {
            warn!("vNIC {name}: the switch does not take its new address: {why}");
        }
        let Some(vic) = &mut vnic.vic else { return };
        let (vif, before) = (vic.life.vif(), vic.life.word());
        let news = vic.life.on_event(&event, applied);
        if news && let Some(why) = vic.life.why(&self.session, Instant::now()) {
            warn!("vNIC {name}: {why}");
        }
        match &event {
            IvEvent::Created { vif, veth, .. } => {
                debug!("vNIC {name}: VIF {vif}, vEth {veth}");
            }
            IvEvent::Enabled { vif, .. } if vic.life.word() != before => {
                info!("vNIC {name}: VIF {vif} is enabled");
            }
            _ => {}
        }
        if vic.life.vif() != vif {
            self.keep_soon();
        }
        self.show_carrier_to(id).await;
    }

    fn holder(&self, uuid: Uuid) -> Option<VnicId> {
        self.vic.as_ref()?.by_uuid.get(&uuid).copied()
    }

    fn log(&self, event: &IvEvent) {
        let uplink = &self.config.uplink;
        match event {
            IvEvent::Up(peer) => info!(
                "a session with the switch {} ({}) on {uplink}{}",
                peer.name,
                peer.mac,
                match peer.authenticated {
                    true => "",
                    false => ", which has proven nothing",
                }
            ),
            // That its link is gone has been said, or is about to be.
            IvEvent::Lost(_) if self.uplink_carrier() != Some(true) => {
                info!("the session on {uplink} is lost with its link");
            }
            IvEvent::Lost(why) => warn!(
                "the session on {uplink} is lost: {why}; guests keep their link for {} s",
                self.config.grace().as_secs()
            ),
            IvEvent::Refused(said) => {
                warn!("no session with {} on {uplink}: {}", said.mac, said.refusal)
            }
            _ => {}
        }
    }

    /// Tells the switch what passed each vNIC.
    pub(super) async fn report_counters(&mut self) {
        let Some(vic) = &self.vic else { return };
        if self.session.peer().is_none() {
            return;
        }
        let ids: Vec<VnicId> = vic.by_uuid.values().copied().collect();
        let count = move |worker: &mut Worker<Link>| -> Vec<_> {
            let iv = &worker.forward.iv;
            ids.into_iter()
                .filter_map(|id| Some((iv.vnic(id)?.vif?, counted(iv, id))))
                .collect()
        };
        // A worker that has ended is noticed elsewhere.
        let Ok(counts) = self.worker.answer(count).await else {
            return;
        };
        let _ = vic.control.tell(UPLINK, move |session, now| {
            for (vif, counters) in counts {
                session.counters(now, vif, counters);
            }
        });
    }
}

fn counted(iv: &crate::core::Virtualizer, id: VnicId) -> VifCounters {
    let counters = iv.counters(crate::core::Account::Vnic(id));
    let (from, to) = (&counters.ingress, &counters.egress);
    let dropped = from.dropped.iter().chain(to.dropped.iter());
    VifCounters {
        to_frames: to.sent.frames,
        to_octets: to.sent.octets,
        from_frames: from.forwarded,
        from_octets: from.received.octets,
        list_copies: iv.list_copies(id),
        dropped: dropped.map(|(_, count)| count).sum(),
    }
}

/// Which vNIC an event is about.
fn subject(event: &IvEvent) -> Option<Uuid> {
    match event {
        IvEvent::Created { uuid, .. }
        | IvEvent::Enabled { uuid, .. }
        | IvEvent::Down { uuid, .. }
        | IvEvent::Status { uuid, .. }
        | IvEvent::Detached { uuid }
        | IvEvent::Move { uuid, .. }
        | IvEvent::SetRefused { uuid, .. } => Some(*uuid),
        _ => None,
    }
}
