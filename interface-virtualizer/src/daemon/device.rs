//! Making, finding and opening the device behind a vNIC. Much of it is waiting for the kernel, so control goes
//! on with other things, and with other vNICs, meanwhile.

use super::Link;
use super::attach::{told, veth};
use super::run::RunError;
use super::vnic::{VNIC, Vnic};
use crate::config::{Attachment, VnicConfig};
use niv::{Mac, PortId};
use packet_io::link::{LinkIndex, Links};
use packet_io::mailbox::Handle;
use packet_io::supervise::{Taken, Taker, Wanted};
use packet_io::tap::{self, TapControl};
use packet_io::worker::Worker;
use tracing::info;

/// What is needed to make devices. Cheap to clone.
#[derive(Clone)]
pub(super) struct Maker {
    pub(super) links: Links,
    pub(super) worker: Handle<Worker<Link>>,
    pub(super) taker: Taker<Link>,
}

/// What is to be made.
pub(super) struct Plan {
    pub(super) port: PortId,
    config: VnicConfig,
    device: String,
    pub(super) wanted: Option<Wanted>,
}

impl From<&Vnic> for Plan {
    fn from(vnic: &Vnic) -> Self {
        Self {
            port: vnic.port(),
            config: vnic.config.clone(),
            device: vnic.device.clone(),
            wanted: vnic.wanted(),
        }
    }
}

/// What came of it.
#[derive(Default)]
pub(super) struct Made {
    /// The guest's address, as far as it is known.
    pub(super) mac: Option<Mac>,
    pub(super) tap: Option<TapControl>,
    pub(super) tap_index: Option<LinkIndex>,
    /// For the supervisor: `None`, it is not there (yet).
    pub(super) taken: Option<Taken>,
    /// It was not there before.
    pub(super) made: bool,
    /// The guest is not there yet: why.
    pub(super) why_not: Option<String>,
}

impl Maker {
    /// Makes or finds the device, opens it and hands it to the worker.
    pub(super) async fn make(&self, plan: &Plan) -> Result<Made, RunError> {
        let mut made = self.find(plan).await?;
        if let Some(wanted) = plan.wanted.as_ref().filter(|_| made.why_not.is_none()) {
            made.taken = self.taker.take(wanted).await?;
        }
        Ok(made)
    }

    /// Makes or finds the device. A TAP is then ready; another is still to be taken, if its guest is there.
    pub(super) async fn find(&self, plan: &Plan) -> Result<Made, RunError> {
        let mut made = Made::default();
        match &plan.config.attachment {
            Attachment::Tap(_) => return self.tap(plan).await,
            Attachment::Netns { .. } => match veth(&self.links, &plan.device, &plan.config).await {
                Ok(pair) => (made.mac, made.made) = (pair.mac, pair.made),
                Err(error) if error.is_the_guests() => {
                    made.why_not = Some(error.to_string());
                    return Ok(made);
                }
                Err(error) => return Err(error.into()),
            },
            Attachment::Device(name) => {
                let own = || async { Ok(self.links.get(name).await?.and_then(|info| info.mac)) };
                made.mac = match plan.config.mac {
                    Some(mac) => Some(mac),
                    None => own().await.map_err(RunError::Links)?,
                };
            }
        }
        Ok(made)
    }

    async fn tap(&self, plan: &Plan) -> Result<Made, RunError> {
        let vnic = &plan.config;
        let before = self.links.get(&plan.device).await?;
        let tap::Tap { mut port, control } = tap::open(&plan.device)?;
        let mut mac = None;
        let mut index = None;
        if let Some(info) = self.links.get(&plan.device).await? {
            if info.mtu != vnic.mtu {
                self.links.set_mtu(info.index, vnic.mtu).await?;
            }
            if let Some(mac) = vnic.mac.filter(|mac| info.mac != Some(*mac)) {
                self.links.set_mac(info.index, mac).await?;
            }
            mac = vnic.mac.or(info.mac);
            index = Some(info.index);
        }
        port.capabilities.mtu = vnic.mtu;
        let id = plan.port;
        self.worker
            .answer(move |worker| worker.attach(id, port, VNIC))
            .await??;
        info!(
            "vNIC {}: {}, TAP {}",
            vnic.name,
            told(&vnic.binding),
            plan.device
        );
        Ok(Made {
            mac,
            tap: Some(control),
            tap_index: index,
            made: before.is_none(),
            ..Made::default()
        })
    }
}
