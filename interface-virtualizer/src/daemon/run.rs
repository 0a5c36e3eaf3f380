//! `iv run`: from configuration to forwarding, and back.

use super::answer::{Answers, Ask};
use super::attach::{AttachError, host_end};
use super::carrier::Carrier;
use super::turns::Turns;
use super::{Link, lost};
use crate::args;
use crate::client::{PROGRAM, RELEASE};
use crate::config::{Attachment, Config, ConfigError, VnicConfig};
use crate::core::{Account, UPLINK, Virtualizer, VnicError, VnicId};
use crate::show::{self, SCHEMA, Show};
use control_socket::{
    Limits, ListenError, Listener, PathError, Role as SocketRole, socket_path, state_folder,
};
use niv::{Counters, PortId};
use packet_io::afpacket::PacketOptions;
use packet_io::device::Role;
use packet_io::former::{FormerError, Formers};
use packet_io::link::{LinkError, LinkEvent, Links};
use packet_io::mailbox::{Handle, WorkerGone};
use packet_io::supervise::{Balance, Change, Status, SuperviseError, Supervisor, Wanted};
use packet_io::tap::{self, TapControl, TapError};
use packet_io::worker::{Passed, PortUse, Worker};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{info, warn};

/// `iv run` could not start, or had to end.
#[derive(Debug, Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no place for the control socket.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The control socket cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Devices cannot be listed.
    #[error(transparent)]
    Links(#[from] LinkError),
    /// A vNIC's device cannot be made.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// Two vNICs contradict each other.
    #[error(transparent)]
    Vnic(#[from] VnicError),
    /// A device cannot be taken.
    #[error(transparent)]
    Device(#[from] SuperviseError),
    /// A TAP cannot be opened.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// The devices' settings cannot be kept.
    #[error(transparent)]
    Former(#[from] FormerError),
    /// The worker ended by itself.
    #[error(transparent)]
    Worker(#[from] WorkerGone),
    /// The system gives no thread, runtime or signal.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs until a signal.
///
/// # Errors
/// It cannot start; whatever was changed has been put back.
pub fn run(args: args::Run) -> Result<(), RunError> {
    let path = socket_path(PROGRAM, SocketRole::Network, args.socket.as_deref())?;
    let config = args.into_config()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(config, path))
}

/// How often the devices are looked after: somebody may have flushed the host's rules.
const CARE: Duration = Duration::from_secs(5);

/// A vNIC and what is outside the worker about it.
pub(super) struct Vnic {
    pub(super) config: VnicConfig,
    id: VnicId,
    /// The device this end of it is.
    pub(super) device: String,
    /// Why its interface could not be made when that was last tried.
    pub(super) why_not: Option<String>,
    /// Where we hold the descriptor; `None` for other kinds, and for a TAP that cannot be opened again.
    tap: Option<TapControl>,
}

pub(super) struct Daemon {
    pub(super) config: Config,
    pub(super) links: Links,
    worker: Handle<Worker<Link>>,
    pub(super) supervisor: Supervisor<Link>,
    pub(super) vnics: Vec<Vnic>,
    /// When the interfaces that are not there are to be made.
    pub(super) turns: Turns,
}

async fn serve(config: Config, path: PathBuf) -> Result<(), RunError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let listener = Listener::bind(&path, SocketRole::Network, PROGRAM, RELEASE)?;
    let links = Links::open()?;
    let mut watch = links.watch()?;

    let (ask, mut asked) = mpsc::channel::<Ask>(16);
    let mut control = tokio::spawn(control_socket::serve(
        listener,
        Limits::default(),
        Answers { ask },
    ));
    let formers = Formers::in_folder(&state_folder(&path), links.namespace())?;
    let mut daemon = Daemon::start(config, links, formers).await?;
    info!(
        "ready: {} vNICs behind {}",
        daemon.vnics.len(),
        daemon.config.uplink
    );

    let mut carrier = Carrier::new();
    let up = matches!(
        daemon.supervisor.status(UPLINK),
        Some(Status::InUse { carrier: true, .. })
    );
    carrier.uplink(up, Instant::now());
    let mut care = tokio::time::interval(CARE);
    let result = loop {
        let due = at(carrier.deadline());
        let turn = daemon.turns.next();
        let turn_due = at(turn.map(|(_, when)| when));
        let shown = tokio::select! {
            _ = interrupt.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            _ = hangup.recv() => break Ok(()),
            event = watch.next() => match event {
                Ok(event) => {
                    let begun = Instant::now();
                    let change = daemon.supervisor.on_event(&event).await;
                    daemon.on_lost_interface(&event, begun);
                    match change {
                        Some(Change::Carrier { id: UPLINK, up }) => carrier.uplink(up, Instant::now()),
                        // A vNIC that has just been taken up must see what the others see.
                        Some(Change::Carrier { up: true, .. }) if !carrier.shown() => Some(false),
                        _ => daemon.on_tap_event(&event, carrier.shown()).await,
                    }
                }
                Err(error) => break Err(error.into()),
            },
            () = due => carrier.timeout(Instant::now()),
            () = turn_due => {
                if let Some((index, _)) = turn {
                    daemon.remake(index, carrier.shown()).await;
                }
                None
            }
            _ = care.tick() => match daemon.supervisor.look_after().await {
                Ok(()) => None,
                Err(gone) => break Err(gone.into()),
            },
            Some(reply) = asked.recv() => {
                // The client may be gone by now.
                let _ = reply.send(daemon.show().await.map_err(|error| error.to_string()));
                None
            }
            ended = &mut control => {
                break Err(ended.map_or_else(io::Error::other, |r| r.err().unwrap_or_else(|| {
                    io::Error::other("the control socket is closed")
                })).into());
            }
        };
        if let Some(up) = shown {
            daemon.show_carrier(up).await;
        }
    };
    info!("stopping");
    daemon.stop().await;
    result
}

/// Ends at that time; without one, never.
async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

impl Daemon {
    async fn start(config: Config, links: Links, formers: Formers) -> Result<Self, RunError> {
        let mut core = Virtualizer::default();
        let mut vnics = Vec::with_capacity(config.vnics.len());
        let mut turns = Turns::new(config.vnics.len());
        for (index, vnic) in config.vnics.iter().enumerate() {
            let id = core.add(vnic.vif)?;
            let mut why_not = None;
            let device = match &vnic.attachment {
                Attachment::Tap(name) | Attachment::Device(name) => name.clone(),
                Attachment::Netns { .. } => {
                    why_not = lost::make_if_possible(&links, &config.uplink, vnic).await?;
                    if why_not.is_some() {
                        turns.failed(index, Instant::now());
                    }
                    host_end(&config.uplink, vnic.vif)
                }
            };
            vnics.push(Vnic {
                config: vnic.clone(),
                id,
                device,
                why_not,
                tap: None,
            });
        }
        for list in &config.lists {
            core.set_list(list.id, list.members.clone());
        }

        let worker = Worker::spawn("iv-worker", Link(core))?;
        let uplink = Wanted {
            id: UPLINK,
            name: config.uplink.clone(),
            role: Role::Uplink,
            mtu: config.uplink_mtu(),
            // Nobody announced that the link carries unfinished frames (design.md section 5.3).
            usage: PortUse {
                pad: true,
                offload: false,
            },
        };
        let behind = vnics
            .iter()
            .filter(|vnic| !matches!(vnic.config.attachment, Attachment::Tap(_)));
        let behind = behind.map(|vnic| Wanted {
            id: Account::Vnic(vnic.id).port(),
            name: vnic.device.clone(),
            role: Role::Vnic,
            mtu: vnic.config.mtu,
            usage: VNIC,
        });
        let wanted = std::iter::once(uplink).chain(behind).collect();
        let supervisor = Supervisor::start(
            links.clone(),
            worker.clone(),
            wanted,
            PacketOptions::default(),
            formers,
        )
        .await?;
        let mut daemon = Self {
            config,
            links,
            worker,
            supervisor,
            vnics,
            turns,
        };
        if let Err(error) = daemon.open_taps().await {
            daemon.stop().await;
            return Err(error);
        }
        let ids: Vec<VnicId> = daemon.vnics.iter().map(|vnic| vnic.id).collect();
        let enable = move |worker: &mut Worker<Link>| {
            for id in ids {
                worker.forward.0.enable(id, true);
            }
        };
        daemon.worker.answer(enable).await?;
        Ok(daemon)
    }

    async fn open_taps(&mut self) -> Result<(), RunError> {
        for index in 0..self.vnics.len() {
            self.open_tap(index).await?;
        }
        Ok(())
    }

    /// A TAP that somebody removed is let go of, and made again: its guest is to find it.
    async fn on_tap_event(&mut self, event: &LinkEvent, carrier: bool) -> Option<bool> {
        let LinkEvent::Gone { name, .. } = event else {
            return None;
        };
        let index = self.vnics.iter().position(
            |vnic| matches!(&vnic.config.attachment, Attachment::Tap(tap) if tap == name),
        )?;
        let vnic = self.vnics.get_mut(index)?;
        vnic.tap = None;
        let port = Account::Vnic(vnic.id).port();
        warn!(
            "vNIC {}: {name} was removed; making it again",
            vnic.config.name
        );
        // A worker that has ended is noticed elsewhere.
        let _ = self.worker.answer(move |worker| worker.detach(port)).await;
        if let Err(error) = self.open_tap(index).await {
            warn!("vNIC {}: {error}", self.vnics.get(index)?.config.name);
        }
        (!carrier).then_some(false)
    }

    async fn open_tap(&mut self, index: usize) -> Result<(), RunError> {
        if let Some(vnic) = self.vnics.get_mut(index)
            && matches!(vnic.config.attachment, Attachment::Tap(_))
        {
            let tap::Tap { mut port, control } = tap::open(&vnic.device)?;
            if let Some(info) = self.links.get(&vnic.device).await? {
                if info.mtu != vnic.config.mtu {
                    self.links.set_mtu(info.index, vnic.config.mtu).await?;
                }
                if let Some(mac) = vnic.config.mac.filter(|mac| info.mac != Some(*mac)) {
                    self.links.set_mac(info.index, mac).await?;
                }
            }
            port.capabilities.mtu = vnic.config.mtu;
            let id = Account::Vnic(vnic.id).port();
            self.worker
                .answer(move |worker| worker.attach(id, port, VNIC))
                .await??;
            info!(
                "vNIC {}: VIF {}, TAP {}",
                vnic.config.name, vnic.config.vif, vnic.device
            );
            vnic.tap = Some(control);
        }
        Ok(())
    }

    /// Lets the guests whose interface we hold see whether there is a link.
    async fn show_carrier(&self, up: bool) {
        info!(
            "the uplink is {}: so are the vNICs",
            if up { "up" } else { "down" }
        );
        for vnic in &self.vnics {
            self.show_carrier_to(vnic, up).await;
        }
    }

    pub(super) async fn show_carrier_to(&self, vnic: &Vnic, up: bool) {
        let done = match (&vnic.config.attachment, &vnic.tap) {
            (Attachment::Netns { .. }, _) => match self.links.get(&vnic.device).await {
                Ok(Some(info)) => self
                    .links
                    .set_up(info.index, up)
                    .await
                    .map_err(RunError::from),
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            },
            (_, Some(tap)) => tap.set_carrier(up).map_err(RunError::from),
            _ => Ok(()),
        };
        if let Err(error) = done {
            warn!(
                "vNIC {}: its carrier cannot be set: {error}",
                vnic.config.name
            );
        }
    }

    async fn show(&self) -> Result<Show, SuperviseError> {
        let ids: Vec<PortId> = std::iter::once(UPLINK)
            .chain(self.vnics.iter().map(|vnic| Account::Vnic(vnic.id).port()))
            .collect();
        let account = move |worker: &mut Worker<Link>| {
            let each: Vec<PortView> = ids.into_iter().map(|id| PortView::of(worker, id)).collect();
            (each, worker.forward.0.total())
        };
        let ((views, total), balances) = self.supervisor.balance(account).await?;
        let balance = |id: PortId| {
            balances
                .iter()
                .find(|(other, _)| *other == id)
                .map(|(_, balance)| *balance)
        };
        let mut views = views.into_iter();
        let uplink = views.next().unwrap_or_default();
        let uplink_mtu = self.config.uplink_mtu();
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
            vnics: self
                .vnics
                .iter()
                .zip(views)
                .map(|(vnic, view)| {
                    let port = Account::Vnic(vnic.id).port();
                    let mtu = vnic.config.mtu;
                    let mut device = self.device(&vnic.device, port, mtu, &view, balance(port));
                    if let Some(why) = &vnic.why_not {
                        device.state = format!("missing: {why}");
                    }
                    show::Vnic {
                        name: vnic.config.name.clone(),
                        vif: vnic.config.vif,
                        enabled: view.enabled,
                        kind: match vnic.config.attachment {
                            Attachment::Tap(_) => "tap",
                            Attachment::Netns { .. } => "netns",
                            Attachment::Device(_) => "device",
                        }
                        .into(),
                        device,
                        counters: (&view.counters).into(),
                    }
                })
                .collect(),
            conservation: (&total).into(),
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
        let queue = view.passed.unwrap_or_default().queue;
        let balance = balance.unwrap_or_default();
        show::Device {
            name: name.into(),
            state,
            mode: view.mode.map(str::to_owned),
            mtu,
            kernel_buffers: queue.buffers,
            kernel_drops: queue.dropped,
            unexplained_received: balance.unexplained_received,
            unexplained_sent: balance.unexplained_sent,
        }
    }

    async fn stop(self) {
        self.supervisor.restore().await;
        let _ = self.worker.answer(Worker::stop).await;
    }
}

/// A vNIC's port: guests take and give unfinished frames, and need no padding.
const VNIC: PortUse = PortUse {
    pad: false,
    offload: true,
};

/// What the worker says of one port.
#[derive(Default)]
struct PortView {
    counters: Counters,
    enabled: bool,
    mode: Option<&'static str>,
    passed: Option<Passed>,
}

impl PortView {
    fn of(worker: &mut Worker<Link>, id: PortId) -> Self {
        let account = Account::of(id);
        let enabled = match account {
            Account::Uplink => true,
            Account::Vnic(vnic) => worker.forward.0.vnic(vnic).is_some_and(|vnic| vnic.enabled),
        };
        Self {
            counters: worker.forward.0.counters(account),
            enabled,
            mode: worker
                .capabilities(id)
                .map(|capabilities| capabilities.mode),
            passed: worker.passed(id),
        }
    }
}
