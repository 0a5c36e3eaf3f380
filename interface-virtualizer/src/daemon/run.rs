//! `iv run`: from configuration to forwarding, and back.

use super::answer::{Answers, Ask};
use super::attach::AttachError;
use super::carrier::Carrier;
use super::device::{Made, Maker};
use super::session::{Note, Vic};
use super::state::{self, StateError, StateFile};
use super::turns::Turns;
use super::vnic::{Vnic, ring};
use super::{Link, identity};
use crate::args;
use crate::client::{PROGRAM, RELEASE};
use crate::config::{Config, ConfigError};
use crate::core::{UPLINK, VnicError, VnicId};
use crate::life::Conversation;
use control_socket::{
    Limits, ListenError, Listener, PathError, Role as SocketRole, Service, socket_path,
    state_folder,
};
use link_control::key::KeyError;
use packet_io::former::{FormerError, Formers};
use packet_io::link::{LinkError, LinkEvent, Links};
use packet_io::mailbox::{Handle, WorkerGone};
use packet_io::supervise::{Change, Status, SuperviseError, Supervisor};
use packet_io::tap::TapError;
use packet_io::worker::Worker;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

/// `iv run` could not start, or had to end.
#[derive(Debug, Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
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
    /// The vNICs cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
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
    identity::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(config, path))
}

/// How often the devices are looked after: somebody may have flushed the host's rules. The switch is told
/// the counters as often.
const CARE: Duration = Duration::from_secs(5);

/// Notes that are taken up together.
const NOTES: usize = 256;

pub(super) struct Daemon {
    pub(super) config: Config,
    pub(super) links: Links,
    pub(super) worker: Handle<Worker<Link>>,
    pub(super) supervisor: Supervisor<Link>,
    pub(super) vnics: BTreeMap<VnicId, Vnic>,
    /// When the interfaces that are not there are to be made.
    pub(super) turns: Turns,
    /// The uplink's, as guests see it.
    pub(super) carrier: Carrier,
    pub(super) session: Conversation,
    /// Link control; `None`: everything is bound by hand.
    pub(super) vic: Option<Vic>,
    /// Devices that are being made for vNICs that come at run time.
    pub(super) making: JoinSet<(VnicId, Result<Made, RunError>)>,
    pub(super) file: StateFile,
    /// When what changed has to be kept.
    pub(super) keep_at: Option<Instant>,
    /// Until when guests that had a link before the start keep it while the switch is asked.
    pub(super) kept_until: Option<Instant>,
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
    let folder = state_folder(&path);
    let swept = folder.clone();
    tokio::task::spawn_blocking(move || state::sweep(&swept));
    let formers = Formers::in_folder(&folder, links.namespace())?;
    let (notes, mut noted) = mpsc::unbounded_channel::<Note>();
    let mut daemon = Daemon::start(config, links, formers, &folder, notes).await?;
    info!("ready: {}", daemon.summary());
    let mut service = Service::here();
    service.ready(daemon.summary());

    let mut care = tokio::time::interval(service.turn(CARE));
    let mut notes = Vec::with_capacity(NOTES);
    let result = loop {
        let turn = daemon.turns.next();
        let turn_due = at(turn.map(|(_, when)| when));
        tokio::select! {
            _ = interrupt.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            _ = hangup.recv() => break Ok(()),
            event = watch.next() => match event {
                Ok(event) => daemon.on_link_event(&event).await,
                Err(error) => break Err(error.into()),
            },
            count = noted.recv_many(&mut notes, NOTES), if daemon.vic.is_some() => {
                if count == 0 {
                    break Err(io::Error::other("link control has ended").into());
                }
                for note in notes.drain(..) {
                    daemon.on_note(note).await;
                }
            }
            Some(made) = daemon.making.join_next() => match made {
                Ok((id, made)) => daemon.on_made(id, made).await,
                Err(error) => warn!("a device could not be made: {error}"),
            },
            () = at(daemon.carrier.deadline()) => {
                if let Some(up) = daemon.carrier.timeout(Instant::now()) {
                    daemon.on_uplink(up).await;
                }
            }
            () = at(daemon.session.deadline()) => {
                if daemon.session.timeout(Instant::now()) {
                    if daemon.carrier.shown() {
                        warn!(
                            "no session on {} for {} s: guests see no link until it is back",
                            daemon.config.uplink,
                            daemon.config.grace().as_secs()
                        );
                    }
                    daemon.show_carriers().await;
                }
            }
            () = at(daemon.kept_until) => daemon.end_kept().await,
            () = at(daemon.keep_at) => daemon.keep_and_warn(),
            () = turn_due => {
                if let Some((id, _)) = turn {
                    daemon.remake(id).await;
                }
            }
            _ = care.tick() => {
                if let Err(gone) = daemon.supervisor.look_after().await {
                    break Err(gone.into());
                }
                daemon.report_counters().await;
                service.alive(daemon.summary());
            }
            Some(ask) = asked.recv() => daemon.on_ask(ask).await,
            ended = &mut control => {
                break Err(ended.map_or_else(io::Error::other, |r| r.err().unwrap_or_else(|| {
                    io::Error::other("the control socket is closed")
                })).into());
            }
        }
    };
    info!("stopping");
    service.stopping();
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
    /// What it is, in a line.
    fn summary(&self) -> String {
        format!("{} vNICs behind {}", self.vnics.len(), self.config.uplink)
    }

    async fn on_link_event(&mut self, event: &LinkEvent) {
        let begun = Instant::now();
        let change = self.supervisor.on_event(event).await;
        self.on_lost_interface(event, begun);
        self.on_uplink_event(event).await;
        match change {
            Some(Change::Carrier { id: UPLINK, up }) => {
                if let Some(vic) = &self.vic {
                    vic.on_carrier(up);
                }
                if let Some(up) = self.carrier.uplink(up, Instant::now()) {
                    self.on_uplink(up).await;
                }
            }
            // A vNIC that has just been taken up must see what the others see.
            Some(Change::Carrier { id, up: true }) => self.on_taken_up(id).await,
            _ => self.on_tap_event(event).await,
        }
    }

    async fn on_uplink(&mut self, up: bool) {
        let uplink = &self.config.uplink;
        match up {
            true => info!(
                "the uplink {uplink} has a link again; guests see theirs where the switch lets them"
            ),
            false => warn!("the uplink {uplink} has no link: guests see none"),
        }
        self.show_carriers().await;
    }

    /// Whether the uplink has a link; `None`: it is not in use.
    pub(super) fn uplink_carrier(&self) -> Option<bool> {
        match self.supervisor.status(UPLINK) {
            Some(Status::InUse { carrier, .. }) => Some(carrier),
            _ => None,
        }
    }

    /// What makes devices for the next vNIC.
    pub(super) fn maker(&self) -> Maker {
        Maker {
            links: self.links.clone(),
            worker: self.worker.clone(),
            taker: self.supervisor.taker().with_ring(ring(self.vnics.len())),
        }
    }

    pub(super) async fn stop(mut self) {
        self.keep_and_warn();
        if let Some(vic) = self.vic.take() {
            vic.close().await;
        }
        self.supervisor.restore().await;
        let _ = self.worker.answer(Worker::stop).await;
    }
}
