//! Devices that come and go under a running worker.
//!
//! A daemon names the devices it wants. Those that are there are prepared, opened and handed to the
//! worker at start; the others whenever they appear. A device that vanishes is taken from the worker. At a
//! clean exit every device gets back the settings it had.

mod balance;
mod meddled;
mod take;

pub use balance::Balance;
pub use take::{Taken, Taker};

use crate::afpacket::{OpenError, PacketOptions};
use crate::device::{DeviceError, Role};
use crate::former::{ClaimError, FormerError, Formers};
use crate::link::{LinkError, LinkEvent, Links};
use crate::mailbox::{Handle, WorkerGone};
use crate::port::Capabilities;
use crate::worker::{Forward, PortUse, Worker};
use niv::{Mac, PortId};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use thiserror::Error;
use tracing::{info, warn};

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
    /// It may get the largest MTU there is, where that costs nothing: where no hardware is behind it (veth).
    pub roomy: bool,
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
    /// A [`Taker`] is at it; whether it has vanished meanwhile.
    BeingTaken {
        gone: bool,
    },
    Refused(String),
    InUse(Box<Taken>),
}

struct Device {
    wanted: Wanted,
    state: State,
    /// What others have changed about it.
    meddled: Option<String>,
}

/// The devices of one worker.
pub struct Supervisor<F> {
    taker: Taker<F>,
    devices: BTreeMap<PortId, Device>,
    /// The kernel speaks of them by name.
    by_name: HashMap<String, PortId>,
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
        let mut this = Self {
            taker: Taker {
                links,
                worker,
                formers: Arc::new(formers),
                ring,
            },
            devices: BTreeMap::new(),
            by_name: HashMap::new(),
        };
        for wanted in &wanted {
            this.insert(wanted.clone(), State::Missing);
        }
        if let Err(error) = this.take_all(wanted).await {
            this.restore().await;
            return Err(error);
        }
        Ok(this)
    }

    fn insert(&mut self, wanted: Wanted, state: State) {
        self.by_name.insert(wanted.name.clone(), wanted.id);
        let meddled = None;
        let device = Device {
            wanted,
            state,
            meddled,
        };
        self.devices.insert(device.wanted.id, device);
    }

    /// Takes every device that is there; many at the same time, the first alone since the others are
    /// nothing without it.
    async fn take_all(&mut self, mut wanted: Vec<Wanted>) -> Result<(), SuperviseError> {
        let rest = wanted.split_off(wanted.len().min(1));
        let mut first = Ok(());
        for wanted in [wanted, rest] {
            if first.is_err() {
                break;
            }
            for (id, taken) in self.taker.take_many(wanted).await {
                match taken {
                    Ok(taken) => {
                        self.warn_if_missing(id, taken.is_some());
                        self.put(id, taken);
                    }
                    Err(error) if first.is_ok() => first = Err(error),
                    Err(_) => {}
                }
            }
        }
        first
    }

    fn warn_if_missing(&self, id: PortId, taken: bool) {
        if let Some(device) = self.devices.get(&id).filter(|_| !taken) {
            let name = &device.wanted.name;
            warn!(
                "there is no device {name} yet: waiting for it (`ip link` lists those there are)"
            );
        }
    }

    fn put(&mut self, id: PortId, taken: Option<Taken>) {
        if let Some(device) = self.devices.get_mut(&id) {
            device.meddled = None;
            device.state = taken.map_or(State::Missing, |taken| State::InUse(Box::new(taken)));
        }
    }

    /// Prepares, opens and attaches one device; false when it is missing.
    async fn take(&mut self, id: PortId) -> Result<bool, SuperviseError> {
        // One of that name was there before: its claim goes with it.
        self.put(id, None);
        let Some(device) = self.devices.get(&id) else {
            return Ok(false);
        };
        let taken = self.taker.take(&device.wanted).await?;
        let there = taken.is_some();
        self.put(id, taken);
        Ok(there)
    }

    /// What takes devices: for a daemon that goes on with other things meanwhile.
    pub fn taker(&self) -> Taker<F> {
        self.taker.clone()
    }

    /// One device more, which the caller lets a [`Taker`] take and then hands to [`Self::taken`].
    pub fn add(&mut self, wanted: Wanted) {
        self.insert(wanted, State::BeingTaken { gone: false });
    }

    /// What became of a device that was added. Not taken, it is waited for like any other.
    pub async fn taken(&mut self, id: PortId, taken: Result<Option<Taken>, String>) {
        let Some(device) = self.devices.get_mut(&id) else {
            return;
        };
        let gone = matches!(device.state, State::BeingTaken { gone: true });
        match taken {
            Ok(_) if gone => {
                let name = device.wanted.name.clone();
                device.state = State::Missing;
                self.let_go(id, &name).await;
            }
            Ok(taken) => self.put(id, taken),
            Err(why) => device.state = State::Refused(why),
        }
    }

    /// Lets go of a device and gives it back; it is not waited for any more.
    pub async fn remove(&mut self, id: PortId) {
        let Some(device) = self.devices.remove(&id) else {
            return;
        };
        let name = &device.wanted.name;
        if self.by_name.get(name) == Some(&id) {
            self.by_name.remove(name);
        }
        self.detach(id).await;
        if let State::InUse(used) = device.state {
            self.taker.give_back(used.prepared).await;
        }
    }

    /// Makes sure that a device in use takes frames of `mtu` octets.
    ///
    /// # Errors
    /// It is not in use, or the driver refuses; both numbers are in the error.
    pub async fn require_mtu(&mut self, id: PortId, mtu: u32) -> Result<(), SuperviseError> {
        let Some(device) = self.devices.get_mut(&id) else {
            return Ok(());
        };
        if let State::InUse(used) = &device.state {
            used.prepared.require_mtu(mtu).await?;
            self.taker
                .worker
                .answer(move |worker| worker.raise_mtu(id, mtu))
                .await?;
        }
        device.wanted.mtu = device.wanted.mtu.max(mtu);
        Ok(())
    }

    /// Takes a device that has appeared, lets go of one that has vanished, notes a carrier.
    pub async fn on_event(&mut self, event: &LinkEvent) -> Option<Change> {
        match event {
            LinkEvent::Gone { name, .. } => {
                let id = *self.by_name.get(name)?;
                let device = self.devices.get_mut(&id)?;
                match &mut device.state {
                    // Whoever is taking it has it in hand, and hears of it then.
                    State::BeingTaken { gone } => {
                        *gone = true;
                        return None;
                    }
                    State::InUse(_) => warn!("device {name} is gone: waiting for it"),
                    State::Missing | State::Refused(_) => {}
                }
                device.state = State::Missing;
                self.let_go(id, name).await;
                Some(Change::Carrier { id, up: false })
            }
            LinkEvent::Changed(info) => {
                let id = *self.by_name.get(&info.name)?;
                let device = self.devices.get_mut(&id)?;
                match &mut device.state {
                    State::InUse(used) if used.info.index == info.index => {
                        let changed = used.info.carrier != info.carrier;
                        used.info = info.clone();
                        self.look_for_meddling(id).await;
                        return changed.then_some(Change::Carrier {
                            id,
                            up: info.carrier,
                        });
                    }
                    State::BeingTaken { .. } => return None,
                    State::InUse(_) | State::Missing | State::Refused(_) => {}
                }
                // As it was when it was taken: the event may be older, and one that says the same is no change.
                let taken = self.try_to_take(id).await;
                let up = matches!(self.status(id), Some(Status::InUse { carrier: true, .. }));
                taken.then_some(Change::Carrier { id, up })
            }
        }
    }

    /// Of a device that is gone.
    async fn let_go(&self, id: PortId, name: &str) {
        self.detach(id).await;
        // Another device may get the name, and is then not ours to isolate.
        if let Err(error) = self.taker.links.isolation().release(name) {
            warn!("the isolation of {name}, which is gone, cannot be lifted: {error}");
        }
        if let Err(error) = self.taker.formers.forget(name) {
            warn!("{error}");
        }
    }

    /// Takes a device that has appeared or may be fit by now. Says why not once.
    async fn try_to_take(&mut self, id: PortId) -> bool {
        let result = self.take(id).await;
        let Some(device) = self.devices.get_mut(&id) else {
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
        let device = self.devices.get(&id)?;
        Some(match &device.state {
            State::Missing | State::BeingTaken { .. } => Status::Missing,
            State::Refused(why) => Status::Refused(why.clone()),
            State::InUse(used) => Status::InUse {
                carrier: used.info.carrier,
                mac: used.info.mac,
                capabilities: used.capabilities,
            },
        })
    }

    /// The MTU that a device in use has now, in octets, if that is not `known`.
    pub async fn mtu_if_not(&self, id: PortId, known: u32) -> Option<u32> {
        let State::InUse(used) = &self.devices.get(&id)?.state else {
            return None;
        };
        if used.info.mtu == known {
            return None;
        }
        // What was heard may be older than what is known: the kernel is asked.
        let now = self.taker.links.by_index(used.info.index).await.ok()??;
        (now.mtu != known).then_some(now.mtu)
    }

    /// Gives every device back the settings it had.
    pub async fn restore(mut self) {
        for (id, device) in std::mem::take(&mut self.devices) {
            if let State::InUse(used) = device.state {
                self.detach(id).await;
                self.taker.give_back(used.prepared).await;
            }
        }
    }

    /// Takes a port from the worker. It is closed on a thread of its own, since the kernel makes whoever
    /// closes it wait; several wait at the same time.
    async fn detach(&self, id: PortId) {
        // A worker that has ended holds no device.
        if let Ok(retired) = self
            .taker
            .worker
            .answer(move |worker| worker.detach(id))
            .await
        {
            tokio::task::spawn_blocking(|| drop(retired));
        }
    }

    /// Looks after the devices, now and then: isolates again whatever somebody else has opened to the host's
    /// stack, and tries again what was refused.
    ///
    /// # Errors
    /// The worker has ended: nothing is forwarded any more.
    pub async fn look_after(&mut self) -> Result<(), WorkerGone> {
        self.taker.worker.answer(|_| ()).await?;
        let refused = self.devices.iter().filter_map(|(&id, device)| {
            let refused = matches!(device.state, State::Refused(_));
            refused.then_some(id)
        });
        for id in refused.collect::<Vec<_>>() {
            self.try_to_take(id).await;
        }
        // Whatever keeps the kernel from answering is said of each device.
        let isolated = self.taker.links.isolation().isolated().unwrap_or_default();
        for device in self.devices.values() {
            let State::InUse(used) = &device.state else {
                continue;
            };
            if used.prepared.is_among(&isolated) {
                continue;
            }
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

#[cfg(test)]
mod tests;
