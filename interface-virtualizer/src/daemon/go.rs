//! vNICs go, by `iv detach`; and what is kept of those that stay.

use super::Link;
use super::run::Daemon;
use super::state::{Kept, KeptVnic, StateError};
use crate::config::{Attachment, VnicSpec};
use crate::core::VnicId;
use packet_io::worker::Worker;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use vic::Uuid;

/// VIFs that were given are kept together after so long (ours): many come at once.
const TOGETHER: Duration = Duration::from_millis(200);

impl Daemon {
    /// `iv detach`: nothing passes any more, then the switch is told, then the device goes.
    pub(super) async fn detach(
        &mut self,
        name: &str,
        reply: oneshot::Sender<Result<Uuid, String>>,
    ) {
        match self.end(name).await {
            Ok(id) => {
                if let Some(vic) = self.vnics.get_mut(&id).and_then(|vnic| vnic.vic.as_mut()) {
                    vic.detached = Some(reply);
                }
                if !self.give_back(id).await {
                    self.gone(id).await;
                }
            }
            // The client may be gone by now.
            Err(why) => drop(reply.send(Err(why))),
        }
    }

    async fn end(&mut self, name: &str) -> Result<VnicId, String> {
        let mut vnics = self.vnics.values_mut();
        let Some(vnic) = vnics.find(|vnic| vnic.config.name == name) else {
            return Err(format!(
                "there is no vNIC {name}; `iv show` lists those there are"
            ));
        };
        let Some(vic) = &mut vnic.vic else {
            return Err(format!(
                "vNIC {name} is bound by hand: take it out of what `iv run` was told"
            ));
        };
        if vic.life.is_detaching() || vic.attached.is_some() {
            return Err(format!("vNIC {name} is being attached or detached"));
        }
        vic.life.detach();
        let id = vnic.id;
        self.worker
            .answer(move |worker| worker.forward.iv.enable(id, false))
            .await
            .map_err(|error| error.to_string())?;
        self.show_carrier_to(id).await;
        Ok(id)
    }

    /// Tells the session. `false`: it knows nothing of the vNIC.
    async fn give_back(&self, id: VnicId) -> bool {
        let assigned = self.vnics.get(&id).and_then(|vnic| vnic.vic.as_ref());
        match (assigned, &self.vic) {
            (Some(assigned), Some(vic)) if assigned.declared.is_some() => {
                vic.detach(assigned.uuid).await
            }
            _ => false,
        }
    }

    /// The switch knows that the vNIC is gone.
    pub(super) async fn gone(&mut self, id: VnicId) {
        let vnic = self.vnics.get_mut(&id);
        let Some(vic) = vnic.and_then(|vnic| vnic.vic.as_mut()) else {
            return;
        };
        let reply = vic.detached.take();
        let uuid = vic.uuid;
        let closed = self.remove(id).await;
        let kept = self.keep().map_err(|error| error.to_string());
        let answer = async move {
            // Until it is closed its name cannot be had again. A thread that panicked has closed it too.
            if let Some(closed) = closed {
                let _ = closed.await;
            }
            // The client may be gone by now.
            let _ = reply.map(|reply| reply.send(kept.map(|()| uuid)));
        };
        tokio::spawn(answer);
    }

    /// Takes a vNIC out of everything. A TAP is then being closed: what is returned ends when its name is free.
    pub(super) async fn remove(&mut self, id: VnicId) -> Option<JoinHandle<()>> {
        let vnic = self.vnics.remove(&id)?;
        self.turns.forget(id);
        let port = vnic.port();
        self.supervisor.remove(port).await;
        let vic = vnic.vic.as_ref()?;
        if let Some(tap) = &vnic.tap
            && vic.made
            && let Err(error) = tap.remove_when_closed()
        {
            warn!("vNIC {}: {error}", vnic.config.name);
        }
        let pair = matches!(vnic.config.attachment, Attachment::Netns { .. });
        if pair && vic.made {
            self.delete(&vnic.device).await;
        }
        let uuid = vic.uuid;
        let remove = move |worker: &mut Worker<Link>| {
            let port = worker.detach(port);
            worker.forward.remove(uuid);
            port
        };
        // A worker that has ended holds nothing.
        let port = self.worker.answer(remove).await;
        let tap = vnic.tap;
        let is_tap = tap.is_some();
        let closed = tokio::task::spawn_blocking(|| drop((port, tap)));
        if let Some(vic) = &mut self.vic {
            vic.by_uuid.remove(&uuid);
        }
        info!("vNIC {} is gone", vnic.config.name);
        is_tap.then_some(closed)
    }

    async fn delete(&self, device: &str) {
        let delete = async {
            match self.links.get(device).await? {
                Some(info) => self.links.delete(info.index).await,
                None => Ok(()),
            }
        };
        if let Err(error) = delete.await {
            warn!("{device} cannot be removed: {error}");
        }
    }

    /// Keeps the vNICs on disk, for an IV that comes after a kill.
    pub(super) fn keep(&mut self) -> Result<(), StateError> {
        self.keep_at = None;
        let Some(vic) = &self.vic else { return Ok(()) };
        let assigned = self
            .vnics
            .values()
            .filter_map(|vnic| Some((vnic, vnic.vic.as_ref()?)))
            // What is going, or was never there, does not come back.
            .filter(|(_, vic)| !vic.life.is_detaching() && vic.attached.is_none());
        let vnics = assigned.map(|(vnic, vic)| KeptVnic {
            spec: VnicSpec::from(&vnic.config),
            vif: vic.life.vif(),
            configured: vic.configured,
            made: vic.made,
        });
        self.file.save(&Kept::new(vic.term, vnics.collect()))
    }

    pub(super) fn keep_and_warn(&mut self) {
        if let Err(error) = self.keep() {
            warn!("{error}");
        }
    }

    /// Keeps them before long.
    pub(super) fn keep_soon(&mut self) {
        self.keep_at
            .get_or_insert_with(|| Instant::now() + TOGETHER);
    }
}
