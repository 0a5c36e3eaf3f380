//! Taking one device: prepare it, open it, hand it to the worker.
//!
//! The kernel makes whoever opens a packet ring wait until nobody looks at its lists any more (some 10 ms), so
//! rings are opened on threads of their own, several at the same time.
//!
//! It tells every packet socket of the namespace of everything that happens to any device there. Each device
//! prepared beside sockets that are open costs more than the one before (4,000 in a row: 29 ms each), so of many
//! devices all are prepared before the first is opened: [`Taker::take_many`].

use super::{SuperviseError, Wanted};
use crate::afpacket::{self, PacketOptions};
use crate::device::{CheckedDevice, Former, PreparedDevice};
use crate::former::{Claim, Formers};
use crate::link::{LinkInfo, LinkStats, Links};
use crate::mailbox::Handle;
use crate::port::{Capabilities, Receive};
use crate::worker::{Forward, Worker};
use futures_util::StreamExt;
use futures_util::stream;
use niv::{Mac, PortId};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tracing::warn;

/// Devices that are taken at the same time (ours): most of the time each waits for the kernel.
const AT_ONCE: usize = 64;

/// A busy device is never at rest: then the last reading stands.
const BASELINE_READINGS: usize = 8;
const BASELINE_PAUSE: Duration = Duration::from_millis(1);

/// Takes devices, as many at the same time as it is asked to. Cheap to clone.
pub struct Taker<F> {
    pub(super) links: Links,
    pub(super) worker: Handle<Worker<F>>,
    pub(super) formers: Arc<Formers>,
    pub(super) ring: PacketOptions,
}

impl<F> Clone for Taker<F> {
    fn clone(&self) -> Self {
        Self {
            links: self.links.clone(),
            worker: self.worker.clone(),
            formers: self.formers.clone(),
            ring: self.ring,
        }
    }
}

/// A device that is in use: for [`super::Supervisor::taken`].
pub struct Taken {
    /// Held, not read.
    pub(super) _claim: Claim,
    pub(super) prepared: PreparedDevice,
    pub(super) info: LinkInfo,
    /// The address it had when it was taken.
    pub(super) mac: Option<Mac>,
    pub(super) capabilities: Capabilities,
    pub(super) baseline: LinkStats,
    /// What others of this process hand to the device.
    pub(super) others: Vec<Arc<AtomicU64>>,
}

fn is_veth(info: &LinkInfo) -> bool {
    info.kind.as_deref() == Some("veth")
}

impl Taken {
    /// Whether it was up when it was taken.
    pub fn is_up(&self) -> bool {
        self.info.up
    }
}

/// A device that may be taken.
struct Checked {
    claim: Claim,
    device: CheckedDevice,
    wanted: Wanted,
}

/// A device that is ready to be opened.
struct Prepared {
    claim: Claim,
    device: PreparedDevice,
    wanted: Wanted,
}

/// Does the same with all of them, [`AT_ONCE`] at the same time.
async fn at_once<T, R, W: Future<Output = R>>(items: Vec<T>, work: impl Fn(T) -> W) -> Vec<R> {
    let each = stream::iter(items).map(work);
    each.buffer_unordered(AT_ONCE).collect().await
}

impl<F: Forward + Send + 'static> Taker<F> {
    /// With rings of another size.
    #[must_use]
    pub fn with_ring(self, ring: PacketOptions) -> Self {
        Self { ring, ..self }
    }

    /// Prepares, opens and attaches one device; `None` when it is missing.
    ///
    /// # Errors
    /// It is there and cannot be taken. It has been put back as it was.
    pub async fn take(&self, wanted: &Wanted) -> Result<Option<Taken>, SuperviseError> {
        let Some(checked) = self.check(wanted).await? else {
            return Ok(None);
        };
        let prepared = self.prepare(checked).await?;
        self.open(prepared).await.map(Some)
    }

    /// Takes many devices, in the same time for each however many there are. What became of each, in any order.
    pub async fn take_many(
        &self,
        wanted: Vec<Wanted>,
    ) -> Vec<(PortId, Result<Option<Taken>, SuperviseError>)> {
        let mut done = Vec::with_capacity(wanted.len());
        let checked = at_once(wanted, |wanted| async move {
            let checked = self.check(&wanted).await;
            (wanted.id, checked)
        });
        let mut next = Vec::with_capacity(done.capacity());
        for (id, checked) in checked.await {
            match checked {
                Ok(Some(checked)) => next.push(checked),
                Ok(None) => done.push((id, Ok(None))),
                Err(error) => done.push((id, Err(error))),
            }
        }
        CheckedDevice::isolate_ahead(next.iter().map(|checked| &checked.device));
        let prepared = at_once(next, |checked| async move {
            let id = checked.wanted.id;
            (id, self.prepare(checked).await)
        });
        let mut next = Vec::with_capacity(done.capacity());
        for (id, prepared) in prepared.await {
            match prepared {
                Ok(prepared) => next.push(prepared),
                Err(error) => done.push((id, Err(error))),
            }
        }
        let opened = at_once(next, |prepared| async move {
            let id = prepared.wanted.id;
            (id, self.open(prepared).await.map(Some))
        });
        done.extend(opened.await);
        done
    }

    async fn check(&self, wanted: &Wanted) -> Result<Option<Checked>, SuperviseError> {
        let Some(info) = self.links.get(&wanted.name).await? else {
            return Ok(None);
        };
        let most = info.max_mtu.filter(|_| wanted.roomy && is_veth(&info));
        let mtu = wanted.mtu.max(most.unwrap_or(0));
        let claim = Claim::take(&wanted.name)?;
        let saved = self.formers.get(&wanted.name);
        let former = Former::of(&self.links, &wanted.name, saved).await?;
        let device = CheckedDevice::check(&self.links, former, wanted.role, mtu).await?;
        Ok(Some(Checked {
            claim,
            device,
            wanted: wanted.clone(),
        }))
    }

    async fn prepare(&self, checked: Checked) -> Result<Prepared, SuperviseError> {
        let Checked {
            claim,
            device,
            wanted,
        } = checked;
        self.formers.keep(device.former())?;
        match device.prepare().await {
            Ok(device) => Ok(Prepared {
                claim,
                device,
                wanted,
            }),
            Err(error) => {
                self.formers.forget(&wanted.name)?;
                Err(error.into())
            }
        }
    }

    async fn open(&self, prepared: Prepared) -> Result<Taken, SuperviseError> {
        let Prepared {
            claim,
            device,
            wanted,
        } = prepared;
        match self.attach(&wanted).await {
            Ok((capabilities, info, baseline)) => Ok(Taken {
                _claim: claim,
                prepared: device,
                mac: info.mac,
                info,
                capabilities,
                baseline,
                others: Vec::new(),
            }),
            Err(error) => {
                self.give_back(device).await;
                Err(error)
            }
        }
    }

    async fn attach(
        &self,
        wanted: &Wanted,
    ) -> Result<(Capabilities, LinkInfo, LinkStats), SuperviseError> {
        let (name, ring) = (wanted.name.clone(), self.ring);
        // Its thread is of the caller's network namespace, since the caller's thread starts it.
        let opened = tokio::task::spawn_blocking(move || afpacket::open(&name, ring)).await;
        let mut port =
            opened.map_err(|error| SuperviseError::Attach(io::Error::other(error)))??;
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

    pub(super) async fn give_back(&self, prepared: PreparedDevice) {
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
}
