//! Taking one device: prepare it, open it, hand it to the worker.
//!
//! The kernel makes whoever opens a packet ring wait until nobody looks at its lists any more (some 10 ms), so
//! rings are opened on threads of their own, several at the same time.

use super::{SuperviseError, Wanted};
use crate::afpacket::{self, PacketOptions};
use crate::device::{Former, PreparedDevice};
use crate::former::{Claim, Formers};
use crate::link::{LinkInfo, LinkStats, Links};
use crate::mailbox::Handle;
use crate::port::{Capabilities, Receive};
use crate::worker::{Forward, Worker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tracing::warn;

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
    pub(super) capabilities: Capabilities,
    pub(super) baseline: LinkStats,
    /// What others of this process hand to the device.
    pub(super) others: Vec<Arc<AtomicU64>>,
}

fn is_veth(info: &LinkInfo) -> bool {
    info.kind.as_deref() == Some("veth")
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
        let Some(info) = self.links.get(&wanted.name).await? else {
            return Ok(None);
        };
        let most = info.max_mtu.filter(|_| wanted.roomy && is_veth(&info));
        let mtu = wanted.mtu.max(most.unwrap_or(0));
        let claim = Claim::take(&wanted.name)?;
        let saved = self.formers.get(&wanted.name);
        let former = Former::of(&self.links, &wanted.name, saved).await?;
        self.formers.keep(&former)?;
        let prepared = PreparedDevice::prepare(&self.links, former, wanted.role, mtu).await;
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.formers.forget(&wanted.name)?;
                return Err(error.into());
            }
        };
        match self.open(wanted).await {
            Ok((capabilities, info, baseline)) => Ok(Some(Taken {
                _claim: claim,
                prepared,
                info,
                capabilities,
                baseline,
                others: Vec::new(),
            })),
            Err(error) => {
                self.give_back(prepared).await;
                Err(error)
            }
        }
    }

    async fn open(
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
