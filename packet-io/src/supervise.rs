//! Devices that come and go under a running worker.
//!
//! A daemon names the devices it wants. Those that are there are prepared, opened and handed to the
//! worker at start; the others whenever they appear. A device that vanishes is taken from the worker. At a
//! clean exit every device gets back the settings it had.

use crate::afpacket::{self, OpenError, PacketOptions};
use crate::device::{DeviceError, Former, PreparedDevice, Role};
use crate::former::{Claim, ClaimError, FormerError, Formers};
use crate::link::{LinkError, LinkEvent, LinkInfo, LinkStats, Links};
use crate::mailbox::{Handle, WorkerGone};
use crate::port::{Capabilities, Receive};
use crate::worker::{Forward, Passed, PortUse, Worker};
use niv::{Mac, PortId};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;
use tracing::{info, warn};

/// The kernel has counted a frame before we can have it; after this long we must have it.
const SETTLE: Duration = Duration::from_millis(30);

/// A busy device is never at rest: then the last reading stands.
const BASELINE_READINGS: usize = 8;
const BASELINE_PAUSE: Duration = Duration::from_millis(1);

/// A device a daemon wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The worker's number for it.
    pub id: PortId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The least MTU it must have, in octets.
    pub mtu: u32,
    /// How the worker uses it.
    pub usage: PortUse,
}

/// What happened to a wanted device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Frames can pass, or can no longer, because the link came or went.
    Carrier {
        /// Which device.
        id: PortId,
        /// There is a link.
        up: bool,
    },
}

/// A device could not be taken at start. Whatever was changed before has been put back.
#[derive(Debug, Error)]
pub enum SuperviseError {
    /// The device is not fit.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Its queue cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its settings cannot be kept.
    #[error(transparent)]
    Former(#[from] FormerError),
    /// Another of our programs has it.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The kernel's list of devices cannot be read.
    #[error(transparent)]
    Links(#[from] LinkError),
    /// The worker cannot watch it.
    #[error("the kernel cannot watch the device: {0}")]
    Attach(#[source] io::Error),
    /// The worker has ended.
    #[error(transparent)]
    Worker(#[from] WorkerGone),
}

/// How a wanted device is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// There is no such device now.
    Missing,
    /// It is there and cannot be used; the sentence says why and what to do.
    Refused(String),
    /// It is in use.
    InUse {
        /// There is a link.
        carrier: bool,
        /// Its own address.
        mac: Option<Mac>,
        /// What was obtained from it.
        capabilities: Capabilities,
    },
}

enum State {
    Missing,
    Refused(String),
    InUse(Box<InUse>),
}

struct InUse {
    /// Held, not read.
    _claim: Claim,
    prepared: PreparedDevice,
    info: LinkInfo,
    capabilities: Capabilities,
    baseline: LinkStats,
    /// What others of this process hand to the device.
    others: Vec<Arc<AtomicU64>>,
}

struct Device {
    wanted: Wanted,
    state: State,
}

/// A port's account against the kernel's, since the port was opened. Buffers: an oversized frame is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What the driver counted, since our queue was opened.
    pub kernel: LinkStats,
    /// What passed between the device and us.
    pub passed: Passed,
    /// Frames the driver counted and we did not, or (negative) the other way round.
    pub unexplained_received: i64,
    /// Frames we handed over and the driver did not count, or (negative) the other way round.
    pub unexplained_sent: i64,
}

/// The devices of one worker.
pub struct Supervisor<F> {
    links: Links,
    worker: Handle<Worker<F>>,
    devices: Vec<Device>,
    ring: PacketOptions,
    formers: Formers,
}

impl<F: Forward + Send + 'static> Supervisor<F> {
    /// Takes every wanted device that is there. One that is missing is taken when it appears.
    ///
    /// # Errors
    /// A device is there and cannot be taken; all others have been put back.
    pub async fn start(
        links: Links,
        worker: Handle<Worker<F>>,
        wanted: Vec<Wanted>,
        ring: PacketOptions,
        formers: Formers,
    ) -> Result<Self, SuperviseError> {
        let devices = wanted.into_iter().map(|wanted| Device {
            wanted,
            state: State::Missing,
        });
        let mut this = Self {
            links,
            worker,
            devices: devices.collect(),
            ring,
            formers,
        };
        for index in 0..this.devices.len() {
            let result = this.take(index).await;
            match result {
                Ok(true) => {}
                Ok(false) => {
                    if let Some(device) = this.devices.get(index) {
                        let name = &device.wanted.name;
                        warn!(
                            "there is no device {name} yet: waiting for it (`ip link` lists those there are)"
                        );
                    }
                }
                Err(error) => {
                    this.restore().await;
                    return Err(error);
                }
            }
        }
        Ok(this)
    }

    /// Prepares, opens and attaches one device; false when it is missing.
    async fn take(&mut self, index: usize) -> Result<bool, SuperviseError> {
        let Some(device) = self.devices.get(index) else {
            return Ok(false);
        };
        let wanted = device.wanted.clone();
        if self.links.get(&wanted.name).await?.is_none() {
            return Ok(false);
        }
        if let Some(device) = self.devices.get_mut(index) {
            // One of that name was there before: its claim goes with it.
            device.state = State::Missing;
        }
        let claim = Claim::take(&wanted.name)?;
        let saved = self.formers.get(&wanted.name);
        let former = Former::of(&self.links, &wanted.name, saved).await?;
        self.formers.keep(&former)?;
        let prepared = PreparedDevice::prepare(&self.links, former, wanted.role, wanted.mtu).await;
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.formers.forget(&wanted.name)?;
                return Err(error.into());
            }
        };
        let (capabilities, info, baseline) = match self.open(&wanted).await {
            Ok(opened) => opened,
            Err(error) => {
                self.give_back(prepared).await;
                return Err(error);
            }
        };
        if let Some(device) = self.devices.get_mut(index) {
            device.state = State::InUse(Box::new(InUse {
                _claim: claim,
                prepared,
                info,
                capabilities,
                baseline,
                others: Vec::new(),
            }));
        }
        Ok(true)
    }

    async fn open(
        &self,
        wanted: &Wanted,
    ) -> Result<(Capabilities, LinkInfo, LinkStats), SuperviseError> {
        let mut port = afpacket::open(&wanted.name, self.ring)?;
        let (info, baseline) = self.baseline(&wanted.name, &mut *port.rx).await?;
        let capabilities = port.capabilities;
        let (id, usage) = (wanted.id, wanted.usage);
        let attached = self
            .worker
            .answer(move |worker| worker.attach(id, port, usage))
            .await?;
        attached.map_err(SuperviseError::Attach)?;
        Ok((capabilities, info, baseline))
    }

    /// The driver's counts at the moment our queue was opened: what it counts now, less what has come into
    /// the queue since. Read until two readings agree, so that no frame falls between them.
    async fn baseline(
        &self,
        name: &str,
        queue: &mut dyn Receive,
    ) -> Result<(LinkInfo, LinkStats), SuperviseError> {
        let mut last = None;
        for _ in 0..BASELINE_READINGS {
            let info = self.links.require(name).await?;
            let queued = queue.stats();
            if last.replace((info.stats, queued)) == Some((info.stats, queued)) {
                break;
            }
            tokio::time::sleep(BASELINE_PAUSE).await;
        }
        let info = self.links.require(name).await?;
        let queued = queue.stats();
        let rx_packets = info
            .stats
            .rx_packets
            .saturating_sub(queued.buffers + queued.dropped);
        let baseline = LinkStats {
            rx_packets,
            ..info.stats
        };
        Ok((info, baseline))
    }

    /// Takes a device that has appeared, lets go of one that has vanished, notes a carrier.
    pub async fn on_event(&mut self, event: &LinkEvent) -> Option<Change> {
        match event {
            LinkEvent::Gone { name, .. } => {
                let device = self
                    .devices
                    .iter_mut()
                    .find(|device| device.wanted.name == *name)?;
                if matches!(device.state, State::InUse(_)) {
                    warn!("device {name} is gone: waiting for it");
                }
                device.state = State::Missing;
                let id = device.wanted.id;
                self.detach(id).await;
                // Another device may get the name, and is then not ours to isolate.
                if let Err(error) = self.links.isolation().release(name) {
                    warn!("the isolation of {name}, which is gone, cannot be lifted: {error}");
                }
                if let Err(error) = self.formers.forget(name) {
                    warn!("{error}");
                }
                Some(Change::Carrier { id, up: false })
            }
            LinkEvent::Changed(info) => {
                let index = self
                    .devices
                    .iter()
                    .position(|d| d.wanted.name == info.name)?;
                let device = self.devices.get_mut(index)?;
                let id = device.wanted.id;
                match &mut device.state {
                    State::InUse(used) if used.info.index == info.index => {
                        let changed = used.info.carrier != info.carrier;
                        used.info = info.clone();
                        return changed.then_some(Change::Carrier {
                            id,
                            up: info.carrier,
                        });
                    }
                    State::InUse(_) | State::Missing | State::Refused(_) => {}
                }
                self.try_to_take(index).await.then_some(Change::Carrier {
                    id,
                    up: info.carrier,
                })
            }
        }
    }

    /// Takes a device that has appeared or may be fit by now. Says why not once.
    async fn try_to_take(&mut self, index: usize) -> bool {
        let result = self.take(index).await;
        let Some(device) = self.devices.get_mut(index) else {
            return false;
        };
        let name = &device.wanted.name;
        match result {
            Ok(true) => {
                info!("device {name} is in use");
                true
            }
            Ok(false) => {
                device.state = State::Missing;
                false
            }
            Err(error) => {
                let why = error.to_string();
                if !matches!(&device.state, State::Refused(before) if *before == why) {
                    warn!("{why}");
                }
                device.state = State::Refused(why);
                false
            }
        }
    }

    /// How a device is.
    pub fn status(&self, id: PortId) -> Option<Status> {
        let device = self.devices.iter().find(|device| device.wanted.id == id)?;
        Some(match &device.state {
            State::Missing => Status::Missing,
            State::Refused(why) => Status::Refused(why.clone()),
            State::InUse(used) => Status::InUse {
                carrier: used.info.carrier,
                mac: used.info.mac,
                capabilities: used.capabilities,
            },
        })
    }

    /// Holds our counts against the kernel's, for every device in use, and in the same moment asks the
    /// worker for its own account.
    ///
    /// A frame counts as unexplained when the driver had counted it a while before we looked and we had
    /// not, or when we had counted it and the driver has not even afterwards. So traffic that goes on
    /// meanwhile is no error, and at rest the sums must be equal.
    ///
    /// # Errors
    /// The worker or the kernel does not answer.
    pub async fn balance<R: Send + 'static>(
        &self,
        account: impl FnOnce(&mut Worker<F>) -> R + Send + 'static,
    ) -> Result<(R, Vec<(PortId, Balance)>), SuperviseError> {
        let before = self.kernel_stats().await?;
        tokio::time::sleep(SETTLE).await;
        let ids: Vec<PortId> = before.iter().map(|&(id, _)| id).collect();
        let (account, passed) = self
            .worker
            .answer(move |worker| {
                let passed: Vec<Option<Passed>> = ids.iter().map(|&id| worker.passed(id)).collect();
                (account(worker), passed)
            })
            .await?;
        let others = self.handed_by_others();
        let after = self.kernel_stats().await?;
        let mut balances = Vec::with_capacity(before.len());
        for ((id, before), passed) in before.into_iter().zip(passed) {
            let after = after
                .iter()
                .find(|(other, _)| *other == id)
                .map_or(before, |&(_, s)| s);
            let Some(mut passed) = passed else { continue };
            passed.handed += others.get(&id).copied().unwrap_or_default();
            let received = passed.taken + passed.queue.dropped;
            balances.push((
                id,
                Balance {
                    kernel: after,
                    passed,
                    unexplained_received: outside(received, before.rx_packets, after.rx_packets),
                    unexplained_sent: -outside(passed.handed, before.tx_packets, after.tx_packets),
                },
            ));
        }
        Ok((account, balances))
    }

    /// Has frames that another part of this process hands to a device counted as ours: `sent` counts them from the
    /// opening of its socket on, which belongs after the taking of the device.
    pub fn count_in(&mut self, id: PortId, sent: Arc<AtomicU64>) {
        let device = self.devices.iter_mut().find(|d| d.wanted.id == id);
        if let Some(State::InUse(used)) = device.map(|device| &mut device.state) {
            used.others.push(sent);
        }
    }

    fn handed_by_others(&self) -> BTreeMap<PortId, u64> {
        let in_use = self
            .devices
            .iter()
            .filter_map(|device| match &device.state {
                State::InUse(used) => Some((device.wanted.id, used)),
                _ => None,
            });
        in_use
            .map(|(id, used)| {
                (
                    id,
                    used.others.iter().map(|o| o.load(Ordering::Relaxed)).sum(),
                )
            })
            .collect()
    }

    /// The kernel's counts of every device in use, since it was taken.
    async fn kernel_stats(&self) -> Result<Vec<(PortId, LinkStats)>, SuperviseError> {
        let mut stats = Vec::with_capacity(self.devices.len());
        for device in &self.devices {
            let State::InUse(used) = &device.state else {
                continue;
            };
            let Some(now) = self.links.by_index(used.info.index).await? else {
                continue;
            };
            let base = used.baseline;
            let since = LinkStats {
                rx_packets: now.stats.rx_packets.saturating_sub(base.rx_packets),
                rx_dropped: now.stats.rx_dropped.saturating_sub(base.rx_dropped),
                tx_packets: now.stats.tx_packets.saturating_sub(base.tx_packets),
                tx_dropped: now.stats.tx_dropped.saturating_sub(base.tx_dropped),
                ..now.stats
            };
            stats.push((device.wanted.id, since));
        }
        Ok(stats)
    }

    /// Gives every device back the settings it had.
    pub async fn restore(mut self) {
        for device in std::mem::take(&mut self.devices) {
            let id = device.wanted.id;
            if let State::InUse(used) = device.state {
                self.detach(id).await;
                self.give_back(used.prepared).await;
            }
        }
    }

    /// Takes a port from the worker. It is closed on a thread of its own, since the kernel makes whoever
    /// closes it wait; several wait at the same time.
    async fn detach(&self, id: PortId) {
        // A worker that has ended holds no device.
        if let Ok(retired) = self.worker.answer(move |worker| worker.detach(id)).await {
            tokio::task::spawn_blocking(|| drop(retired));
        }
    }

    async fn give_back(&mut self, prepared: PreparedDevice) {
        let name = prepared.name().to_owned();
        match prepared.restore().await {
            Ok(()) => {
                if let Err(error) = self.formers.forget(&name) {
                    warn!("{error}");
                }
            }
            Err(error) => warn!("{name} is not quite as it was: {error}"),
        }
    }

    /// Looks after the devices, now and then: isolates again whatever somebody else has opened to the host's
    /// stack, and tries again what was refused.
    ///
    /// # Errors
    /// The worker has ended: nothing is forwarded any more.
    pub async fn look_after(&mut self) -> Result<(), WorkerGone> {
        self.worker.answer(|_| ()).await?;
        for index in 0..self.devices.len() {
            if matches!(
                self.devices.get(index),
                Some(Device {
                    state: State::Refused(_),
                    ..
                })
            ) {
                self.try_to_take(index).await;
            }
        }
        for device in &self.devices {
            let State::InUse(used) = &device.state else {
                continue;
            };
            let name = &device.wanted.name;
            match used.prepared.keep_isolated().await {
                Ok(false) => {}
                Ok(true) => {
                    warn!("{name} was open to this host's own stack, and is isolated again")
                }
                Err(error) => warn!("{name} may be open to this host's own stack: {error}"),
            }
        }
        Ok(())
    }
}

/// By how much the kernel's count, which lay between `before` and `after`, exceeds ours.
fn outside(ours: u64, before: u64, after: u64) -> i64 {
    if ours < before {
        (before - ours) as i64
    } else if ours > after {
        -((ours - after) as i64)
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
