//! `vis run`: from configuration to forwarding, and back.

use super::alarm::{Alarms, Seen};
use super::answer::{Answers, Asked};
use super::choices::{Choices, Recalled, recall};
use super::compile;
use super::count::Counting;
use super::doors::OperatorDoor;
use super::forward::Switching;
use super::guards::GuardKeeper;
use super::inbox::Inbox;
use super::roles::Turns;
use super::secure::Claims;
use super::sessions::{Sessions, SessionsError};
use super::told::Telling;
use crate::changes::Changes;
use crate::cli::text::counted;
use crate::client::{PROGRAM, RELEASE};
use crate::config::{Config, EthernetId, InterfaceId};
use crate::store::blocks::Blocks;
use crate::store::{Store, StoreError};
use crate::switch::{NoSlotLeft, Seed, Slots, Snapshot, Switch, Topology, TopologyError};
use crate::veth::Registry;
use arc_swap::ArcSwap;
use control_socket::{
    Limits, ListenError, Listener, PathError, Role, Service, socket_path, state_folder,
};
use niv::PortId;
use packet_io::afpacket::PacketOptions;
use packet_io::counter_file::CounterFileError;
use packet_io::former::{FormerError, Formers};
use packet_io::link::{LinkError, Links};
use packet_io::mailbox::{Handle, WorkerGone};
use packet_io::supervise::{SuperviseError, Supervisor};
use packet_io::worker::Worker;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::info;
use vic::Uuid;

/// How often devices and alarms are looked after.
const CARE: Duration = Duration::from_secs(2);

/// Addresses the forwarding table has room for.
pub(super) const ADDRESSES: NonZeroU32 = NonZeroU32::new(65_536).unwrap();

/// Bridge ports a switch has room for: all vEths and all ethernets.
const MAX_PORTS: u16 = 4096 + 64;

/// `vis run` could not start, or had to end.
#[derive(Debug, Error)]
pub enum RunError {
    /// There is no place for the control socket.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The control socket cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Devices cannot be listed.
    #[error(transparent)]
    Links(#[from] LinkError),
    /// The configuration contradicts itself.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// More interfaces than there is room for.
    #[error(transparent)]
    Slots(#[from] NoSlotLeft),
    /// A device cannot be taken.
    #[error(transparent)]
    Device(#[from] SuperviseError),
    /// The devices' settings cannot be kept.
    #[error(transparent)]
    Former(#[from] FormerError),
    /// Link control cannot be had.
    #[error(transparent)]
    Sessions(#[from] SessionsError),
    /// What was kept of vEths cannot be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What vEths count cannot be kept.
    #[error(transparent)]
    Counters(#[from] CounterFileError),
    /// The worker ended by itself.
    #[error(transparent)]
    Worker(#[from] WorkerGone),
    /// The system gives no thread, runtime, signal or random numbers.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs until a signal. `startup` is the file `config` was read from, to which it can be saved.
///
/// # Errors
/// It cannot start; whatever was changed has been put back.
pub fn run(
    config: Config,
    startup: Option<&Path>,
    socket: Option<&Path>,
    state: Option<&Path>,
) -> Result<(), RunError> {
    let path = socket_path(PROGRAM, Role::Network, socket)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let store = match state {
        Some(folder) => folder.join("vis.redb"),
        None => store_path(&path),
    };
    runtime.block_on(serve(config, startup, &path, &store))
}

/// Everything the control thread owns.
pub(super) struct Daemon {
    /// What was said: always that of `changes`.
    pub(super) said: Arc<Config>,
    /// Who holds the configuration.
    pub(super) changes: Changes,
    /// Where it is saved.
    pub(super) startup: Option<PathBuf>,
    /// Copies taken, to be saved there.
    pub(super) copies: u64,
    /// What is in force and not there.
    pub(super) choices: Choices,
    /// The changes that operators may still make.
    pub(super) turns: Turns,
    /// That, with the vEths of the control protocol among those bound by hand.
    pub(super) config: Config,
    pub(super) registry: Registry,
    pub(super) sessions: Sessions,
    pub(super) inbox: Inbox,
    pub(super) store: Store,
    pub(super) counting: Counting,
    pub(super) published: Arc<ArcSwap<Snapshot>>,
    /// What is published, but for its epoch.
    pub(super) topology: Topology,
    /// What was found to be possible last.
    pub(super) checked: Topology,
    /// What access lists tell of frames.
    pub(super) telling: Telling,
    /// When what has happened since is published.
    pub(super) settle_at: Option<Instant>,
    /// How long that took.
    pub(super) settling: Duration,
    pub(super) worker: Handle<Worker<Switching>>,
    pub(super) supervisor: Supervisor<Switching>,
    pub(super) slots: Slots<InterfaceId>,
    pub(super) started: Instant,
    alarms: Alarms,
    pub(super) guards: GuardKeeper,
}

/// Across boots for the usual daemon of root; beside its socket for any other, so that several never share one.
fn store_path(socket: &Path) -> PathBuf {
    if socket == Path::new("/run/niv/vis.sock") {
        PathBuf::from("/var/lib/niv/vis.redb")
    } else {
        socket.with_extension("redb")
    }
}

async fn serve(
    config: Config,
    startup: Option<&Path>,
    path: &Path,
    store: &Path,
) -> Result<(), RunError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let listener = Listener::bind(path, Role::Network, PROGRAM, RELEASE)?;
    let links = Links::open()?;
    let mut watch = links.watch()?;
    let (ask, mut asked) = mpsc::channel::<Asked>(16);
    let answers = Answers {
        ask,
        saved: Arc::default(),
    };
    let mut control = tokio::spawn(control_socket::serve(
        listener,
        Limits::default(),
        answers.clone(),
    ));
    let mut operators = OperatorDoor::new(path, answers);

    let mut daemon = Daemon::start(config, startup, links, path, store).await?;
    info!("ready: {}", daemon.summary());
    let mut service = Service::here();
    service.ready(daemon.summary());

    let mut care = tokio::time::interval(service.turn(CARE));
    let result = loop {
        operators.follow(&daemon.said.roles);
        tokio::select! {
            _ = interrupt.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            _ = hangup.recv() => break Ok(()),
            event = watch.next() => match event {
                // A plain or NIV port that lost its link keeps its place: frames for it are dropped by name.
                Ok(event) => drop(daemon.supervisor.on_event(&event).await),
                Err(error) => break Err(error.into()),
            },
            _ = care.tick() => match daemon.look_after().await {
                Ok(()) => service.alive(daemon.summary()),
                Err(gone) => break Err(gone.into()),
            },
            () = daemon.inbox.wait() => {}
            () = tokio::time::sleep_until(daemon.next_turn().into()) => {
                // What went wrong is logged, and said to the next shells.
                let _ = daemon.take_back_unconfirmed().await;
            }
            Some(ask) = asked.recv() => daemon.answer(ask).await,
            ended = &mut control => {
                let closed = || io::Error::other("the control socket is closed");
                let error = ended.map_or_else(io::Error::other, |r| r.err().unwrap_or_else(closed));
                break Err(error.into());
            }
        }
        if let Err(gone) = daemon.follow().await {
            break Err(gone.into());
        }
    };
    info!("stopping");
    service.stopping();
    daemon.stop().await;
    result
}

impl Daemon {
    async fn start(
        config: Config,
        startup: Option<&Path>,
        links: Links,
        socket: &Path,
        store: &Path,
    ) -> Result<Self, RunError> {
        // What contradicts itself is refused before anything is made.
        compile::topology(&config, 1, &mut Slots::new(MAX_PORTS), |_| true)?.compile()?;
        let Seed(high, low) = random_seed()?;
        let (store, contents) = Store::open(store, random_uuid(high, low))?;
        let Recalled {
            config,
            choices,
            over,
        } = recall(&config, &contents);
        for veth in over {
            store.keep_choice(veth, None);
        }
        let mut slots = Slots::new(MAX_PORTS);
        let mut topology = compile::topology(&config, 1, &mut slots, |_| true)?;
        let mut guards = GuardKeeper::new(contents.secure);
        let said = Arc::new(config);
        let mut registry = Registry::new(said.clone(), contents.veths, Duration::ZERO);
        let claims = Claims::new(&said, &registry, &topology, &slots);
        guards.secure.granted = guards.mark(&mut topology, &mut slots, claims);
        let published = Arc::new(ArcSwap::from_pointee(topology.compile()?));
        let folder = state_folder(socket);
        let counting =
            Counting::start(&folder, contents.identity, MAX_PORTS, &mut registry, &store)?;
        let inbox = Inbox::default();
        let switch = Switch::new(ADDRESSES, random_seed()?);
        let blocks = Blocks::new(counting.file());
        let switching = Switching::new(
            switch,
            blocks,
            published.clone(),
            since_boot(),
            inbox.clone(),
        );
        let worker = Worker::spawn("vis-worker", switching)?;
        let sessions = Sessions::start(&said, contents.identity, inbox.clone(), worker.clone())?;

        let formers = Formers::in_folder(&folder, links.namespace())?;
        let wanted = compile::wanted(&said);
        let ring = PacketOptions::default();
        let supervisor = Supervisor::start(links, worker.clone(), wanted, ring, formers).await?;
        let config = registry.overlay(&said);
        let mut telling = Telling::default();
        telling.follow(&published.load());
        let mut daemon = Self {
            changes: Changes::new(said.clone(), (high ^ low) as u32),
            startup: startup.map(Path::to_owned),
            copies: 0,
            choices,
            turns: Turns::default(),
            said,
            config,
            registry,
            sessions,
            inbox,
            store,
            counting,
            published,
            topology,
            checked: Topology::default(),
            telling,
            settle_at: None,
            settling: Duration::ZERO,
            worker,
            supervisor,
            slots,
            started: Instant::now(),
            alarms: Alarms::default(),
            guards,
        };
        daemon.follow().await?;
        Ok(daemon)
    }

    /// What it is, in a line.
    fn summary(&self) -> String {
        let (ethernets, veths) = (self.config.ethernets.len(), self.config.veths.len());
        let ethernets = counted(ethernets, "ethernet interface");
        format!("{ethernets}, {}", counted(veths, "vEth"))
    }

    /// Devices that need care, and what people must be told of.
    async fn look_after(&mut self) -> Result<(), WorkerGone> {
        self.supervisor.look_after().await?;
        let links: Vec<(EthernetId, PortId)> = self
            .config
            .ethernets
            .keys()
            .map(|&id| (id, compile::port_id(id)))
            .collect();
        let seen = self
            .worker
            .answer(move |worker| Seen::of(worker, &links))
            .await?;
        let expecting = self.registry.expecting();
        self.alarms.raise(self.now(), seen, expecting);
        self.tell_counts().await
    }

    async fn stop(self) {
        self.sessions.stop().await;
        self.supervisor.restore().await;
        let Self {
            counting,
            mut registry,
            slots,
            worker,
            store,
            ..
        } = self;
        counting.close(&mut registry, &slots, &worker, &store).await;
        // A worker that has ended needs no telling.
        let _ = worker.answer(Worker::stop).await;
    }
}

/// Addresses are an attacker's choice, so where they fall in the table must not be.
fn random_seed() -> io::Result<Seed> {
    let mut octets = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut octets)?;
    let number = u128::from_ne_bytes(octets);
    Ok(Seed(number as u64, (number >> 64) as u64))
}

/// Nanoseconds since the machine started, those it slept too: what policy keeps is timed by a clock that outlives the
/// process.
fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds
        .saturating_mul(policy::Time::SECOND)
        .saturating_add(nanos)
}

/// A UUID of version 4 (RFC 9562) of these random numbers.
fn random_uuid(high: u64, low: u64) -> Uuid {
    let number = u128::from(high) << 64 | u128::from(low);
    let number = number & !(0xF << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    Uuid(number.to_be_bytes())
}
