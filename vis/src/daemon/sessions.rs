//! Link control on every NIV port: a socket and a session each, on a thread of their own (design.md section 4.12).

use super::compile::port_id;
use super::forward::Switching;
use super::inbox::{Inbox, News};
use crate::config::{Config, EthernetId, InterfaceId, Membership, State, Vic, VicAuthentication};
use crate::veth::{Command, Registry};
use link_control::key::{self, KeyError};
use link_control::{Heard, LinkControl, announcement, frame_size};
use lldp::Role;
use niv::Mac;
use packet_io::long::LongFrames;
use packet_io::mailbox::Handle;
use packet_io::supervise::{Status, Supervisor};
use packet_io::worker::Worker;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::{info, warn};
use vic::session::vis::{VisEvent, VisLimits, VisSession};
use vic::session::{Authentication, Capabilities, EndConfig, Health, Statistics};
use vic::{Code, Name, Refusal, Uuid};

/// The sessions of all NIV ports.
pub(super) struct Sessions {
    control: LinkControl<VisSession>,
    inbox: Inbox,
    identity: Uuid,
    name: Name,
    authentications: BTreeMap<EthernetId, Authentication>,
    open: BTreeMap<EthernetId, Open>,
}

/// A port whose session has a socket.
struct Open {
    /// Of the device the socket is of.
    mac: Option<Mac>,
    /// The device is gone, and the socket with it.
    stale: bool,
    carrier: bool,
    /// Of the device, as its session was told last.
    mtu: u32,
}

/// As the session has it.
fn clipped(mtu: u32) -> u16 {
    u16::try_from(mtu).unwrap_or(u16::MAX)
}

/// What a session has to say of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    pub(super) statistics: Statistics,
    pub(super) free_vifs: usize,
    pub(super) free_lists: usize,
    pub(super) health: Option<Health>,
}

impl Sessions {
    /// Reads the keys and starts the thread.
    ///
    /// # Errors
    /// A key cannot be used, or there is no thread.
    pub(super) fn start(
        config: &Config,
        identity: Uuid,
        inbox: Inbox,
        worker: Handle<Worker<Switching>>,
    ) -> Result<Self, SessionsError> {
        let authentications = authentications(config)?;
        let events = inbox.clone();
        let control = LinkControl::spawn("vis-link", move |port, event| {
            // In force before the answer leaves: the IV may send the first long frame then.
            let agreed = match &event {
                VisEvent::Up(peer) => Some(LongFrames::opened(peer.capabilities.long_frames)),
                VisEvent::MtuProven { octets, .. } => {
                    let long = worker.ask(move |worker| worker.long_frames(port)).ok();
                    long.map(|long| long.proven(*octets))
                }
                VisEvent::Lost(_) => {
                    let long = worker.ask(move |worker| worker.long_frames(port)).ok();
                    long.map(LongFrames::lost)
                }
                _ => None,
            };
            if let Some(agreed) = agreed {
                // Without a worker nothing is forwarded.
                let _ = worker.ask(move |worker| worker.set_long_frames(port, agreed));
            }
            if let Some(link) = ethernet(port) {
                events.put(News::Event(link, event));
            }
        })?;
        Ok(Self {
            control,
            inbox,
            identity,
            name: own_name(config),
            authentications,
            open: BTreeMap::new(),
        })
    }

    /// Follows devices that came, went or came back, and what changed about them.
    pub(super) async fn follow(
        &mut self,
        config: &Config,
        supervisor: &mut Supervisor<Switching>,
        registry: &mut Registry,
        now: Duration,
    ) {
        for (&id, device) in niv_ports(config) {
            let Some(device) = device else { continue };
            let in_use = match supervisor.status(port_id(id)) {
                Some(Status::InUse { mac, carrier, .. }) => Some((mac, carrier)),
                _ => None,
            };
            match (in_use, self.open.get_mut(&id)) {
                (None, Some(open)) => open.stale = true,
                (Some((mac, carrier)), Some(open)) if open.mac == mac && !open.stale => {
                    if open.carrier != carrier {
                        open.carrier = carrier;
                        // Without its thread nothing is announced.
                        let _ = self.control.carrier(port_id(id), carrier);
                    }
                    if let Some(mtu) = supervisor.mtu_if_not(port_id(id), open.mtu).await {
                        info!("{device}: its MTU is {mtu} now: the session is opened anew");
                        open.mtu = mtu;
                        Self::tell_mtu(&self.control, id, clipped(mtu));
                    }
                }
                (Some((mac, carrier)), before) => {
                    // A session is known by its address: with another one it is another session.
                    let again = before.as_ref().is_some_and(|open| open.mac == mac);
                    if before.is_some() && !again {
                        registry.replace(now, id);
                    }
                    let opened = self
                        .open(id, device, again, config, supervisor, registry, now)
                        .await;
                    match opened {
                        Ok(mtu) => {
                            let _ = self.control.carrier(port_id(id), carrier);
                            let open = Open {
                                mac,
                                stale: false,
                                carrier,
                                mtu,
                            };
                            self.open.insert(id, open);
                        }
                        Err(error) => warn!("{device}: no control protocol: {error}"),
                    }
                }
                (None, None) => {}
            }
        }
    }

    /// The ports whose sessions another configuration would have begun otherwise.
    pub(super) fn ending(&self, old: &Config, new: &Config) -> BTreeSet<EthernetId> {
        let terms = |config: &Config, id| {
            let niv = niv_ports(config).find(|(port, _)| **port == id);
            let device = niv.and_then(|(_, device)| device.map(str::to_owned))?;
            let vic = Vic {
                authentication: config.vic_authentication(id).cloned(),
                grace: None,
                ..config.vic.clone()
            };
            let shut = config.effective_ethernet(id)?.state == State::Shut;
            Some((device, vic, shut))
        };
        let open = self.open.keys().copied();
        open.filter(|&id| terms(old, id) != terms(new, id))
            .collect()
    }

    /// Ends them, so that they are begun anew, and says which those are. IVs keep their vEths for the grace time.
    pub(super) async fn reconfigure(
        &mut self,
        old: &Config,
        new: &Config,
        authentications: BTreeMap<EthernetId, Authentication>,
    ) -> BTreeSet<EthernetId> {
        let over = self.ending(old, new);
        for &id in &over {
            let why = Refusal::new(Code::GOING_AWAY, "the switch is configured anew");
            let goodbye = |session: &mut VisSession, now| session.close(now, why);
            self.control.with(port_id(id), goodbye).await;
            // Without its thread there is nothing to close.
            let _ = self.control.close(port_id(id));
            self.open.remove(&id);
        }
        self.authentications = authentications;
        if old.hostname != new.hostname {
            self.name = own_name(new);
            // Without its thread there is nobody to tell. Sessions that go on have the old name until they are opened anew.
            let _ = self.control.announce_name(self.name.clone());
        }
        over
    }

    /// VIFs that were bound by hand since, and those that were let go, in sessions that go on.
    pub(super) fn follow_bindings(&self, old: &Config, new: &Config) {
        let bound = |config: &Config| -> BTreeSet<_> {
            config.veths.values().filter_map(|veth| veth.bind).collect()
        };
        let (old, new) = (bound(old), bound(new));
        // Without its thread there is no session left to tell. What a new session has to know, it is told at first.
        for bind in new.difference(&old) {
            let vif = bind.channel;
            // One that the protocol has is not given out by hand (`check_bindings`).
            let reserve = move |session: &mut VisSession, _| {
                let _ = session.reserve(vif);
            };
            let _ = self.control.tell(port_id(bind.ethernet), reserve);
        }
        for bind in old.difference(&new) {
            let vif = bind.channel;
            let unreserve = move |session: &mut VisSession, now| session.unreserve(now, vif);
            let _ = self.control.tell(port_id(bind.ethernet), unreserve);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the whole daemon takes part, once"
    )]
    async fn open(
        &self,
        id: EthernetId,
        device: &str,
        again: bool,
        config: &Config,
        supervisor: &mut Supervisor<Switching>,
        registry: &mut Registry,
        now: Duration,
    ) -> Result<u32, Box<dyn std::error::Error>> {
        let port = port_id(id);
        let socket = LinkControl::<VisSession>::socket(device)?;
        let of_device = socket.mtu();
        let mtu = clipped(of_device);
        supervisor.count_in(port, socket.sent());
        let unset = Authentication::Unset;
        let authentication = self.authentications.get(&id).unwrap_or(&unset).clone();
        let end = EndConfig {
            parameters: config.vic.parameters(),
            mac: socket.mac(),
            identity: self.identity,
            name: self.name.clone(),
            software: format!("vis {}", crate::client::RELEASE).parse().ok(),
            mtu,
            authentication,
            capabilities: Capabilities { long_frames: true },
            term: 1,
            entropy: entropy()?,
        };
        if let Err(error) = self.announce(id, device, &end, supervisor).await {
            // A session needs none.
            warn!("{device}: no LLDP: {error}");
        }
        if again {
            self.control.replace_socket(port, socket).await?;
            self.control
                .tell(port, move |session, now| session.set_mtu(now, mtu))?;
            return Ok(of_device);
        }
        if matches!(end.authentication, Authentication::Unset) {
            info!(
                "{device}: vNICs cannot be attached here: say `vic authentication key-file PATH`, or \
                 `vic authentication none` (--open) if whoever is on the cable may have them"
            );
        }
        let mut session = VisSession::new(end, VisLimits::default());
        registry.furnish(id, &mut session);
        self.control.open(port, socket, session).await?;
        registry.open(now, id);
        Ok(of_device)
    }

    /// The device of a link takes longer or shorter frames than before: the other end must not go by what it took.
    fn tell_mtu(control: &LinkControl<VisSession>, id: EthernetId, mtu: u16) {
        // Without its thread there is no session left to tell, and nobody who hears.
        let _ = control.announce_frame_size(port_id(id), frame_size(mtu));
        let _ = control.tell(port_id(id), move |session, now| session.set_mtu(now, mtu));
    }

    async fn announce(
        &self,
        id: EthernetId,
        device: &str,
        end: &EndConfig,
        supervisor: &mut Supervisor<Switching>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let port = port_id(id);
        let socket = LinkControl::<VisSession>::lldp_socket(device)?;
        supervisor.count_in(port, socket.sent());
        let description = format!("{}, NIV port", InterfaceId::Ethernet(id));
        let says = announcement(Role::Vis, end, device, &description);
        Ok(self.control.announce(port, socket, device, says).await?)
    }

    /// Who is heard on a port by LLDP; `None`: it is not announced.
    pub(super) async fn heard(&self, link: EthernetId) -> Option<Heard> {
        self.control.heard(port_id(link)).await
    }

    /// Has a session do something. What comes of it goes to the inbox.
    pub(super) fn tell(&self, link: EthernetId, command: Command) {
        let inbox = self.inbox.clone();
        // Without its thread there is no session left to tell.
        let _ = self.control.tell(port_id(link), move |session, now| {
            if let Some(report) = command.run(session, now) {
                inbox.put(News::Report(link, report));
            }
        });
    }

    /// What the session of a port says of itself; `None`: there is none. Its MTU is proven anew.
    pub(super) async fn account(&self, link: EthernetId) -> Option<Account> {
        let look = |session: &mut VisSession, now| {
            let (free_vifs, free_lists) = session.free_ids();
            let health = session.health(now);
            session.prove_mtu(now);
            Account {
                statistics: session.statistics(),
                free_vifs,
                free_lists,
                health,
            }
        };
        self.control.with(port_id(link), look).await
    }

    /// How a port knows its IV.
    pub(super) fn authentication(&self, link: EthernetId) -> &'static str {
        match self.authentications.get(&link) {
            Some(Authentication::Key(_)) => "key",
            Some(Authentication::Open) => "none",
            Some(Authentication::Unset) | None => "unset",
        }
    }

    /// Says goodbye on all links. vEths are kept by IVs for their grace time.
    pub(super) async fn stop(&self) {
        for &id in self.open.keys() {
            let why = Refusal::new(Code::GOING_AWAY, "the switch ends");
            let goodbye = |session: &mut VisSession, now| session.close(now, why);
            self.control.with(port_id(id), goodbye).await;
        }
        self.control.withdraw().await;
        // Already ended: nothing to stop.
        let _ = self.control.stop();
    }
}

/// Link control cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No thread.
    #[error("link control cannot start: {0}")]
    Thread(#[from] io::Error),
}

/// How each NIV port knows its IV.
///
/// # Errors
/// A key cannot be used.
pub(super) fn authentications(
    config: &Config,
) -> Result<BTreeMap<EthernetId, Authentication>, KeyError> {
    let mut authentications = BTreeMap::new();
    for (&id, _) in niv_ports(config) {
        let authentication = match config.vic_authentication(id) {
            None => Authentication::Unset,
            Some(VicAuthentication::None) => Authentication::Open,
            Some(VicAuthentication::KeyFile(file)) => {
                Authentication::Key(key::load(Path::new(file.as_str()))?)
            }
        };
        authentications.insert(id, authentication);
    }
    Ok(authentications)
}

/// The key files that a start with this configuration reads.
pub fn key_files(config: &Config) -> BTreeSet<PathBuf> {
    let files = niv_ports(config).filter_map(|(&id, _)| match config.vic_authentication(id)? {
        VicAuthentication::KeyFile(file) => Some(PathBuf::from(file.as_str())),
        VicAuthentication::None => None,
    });
    files.collect()
}

fn own_name(config: &Config) -> Name {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = config.hostname.as_ref().map(ToString::to_string);
    Name::clipped(name.as_deref().unwrap_or(host.trim()))
}

/// Ports with an IV behind them, and their devices.
fn niv_ports(config: &Config) -> impl Iterator<Item = (&EthernetId, Option<&str>)> {
    config.ethernets.iter().filter_map(|(id, ethernet)| {
        let effective = config.effective_ethernet(*id)?;
        let niv = effective.membership == Membership::Vntag;
        niv.then(|| (id, ethernet.device.as_ref().map(|device| device.as_str())))
    })
}

fn ethernet(port: niv::PortId) -> Option<EthernetId> {
    EthernetId::try_from(u32::from(port.0) + 1).ok()
}

fn entropy() -> io::Result<[u8; 32]> {
    let mut octets = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut octets)?;
    Ok(octets)
}
