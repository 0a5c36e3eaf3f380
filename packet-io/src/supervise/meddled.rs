//! What somebody else did to a device in use. It is said once; what frames cannot do without is put back.

use super::take::Taken;
use super::{State, Supervisor, Wanted};
use crate::link::{LinkInfo, Links};
use niv::{Mac, PortId};
use tracing::{info, warn};

/// What is not as it was left when the device was taken, in sentences; `None`: nothing that matters.
fn odd(wanted: &Wanted, mac: Option<Mac>, now: &LinkInfo) -> Option<String> {
    let (name, least) = (&wanted.name, wanted.mtu);
    let mut odd = Vec::new();
    if now.mtu < least {
        odd.push(format!(
            "its MTU was lowered to {}, and frames of {least} octets no longer fit: `ip link set dev {name} mtu {least}`",
            now.mtu
        ));
    }
    if let (Some(before), Some(after)) = (mac, now.mac)
        && before != after
    {
        odd.push(format!(
            "its address was changed from {before} to {after}: `ip link set dev {name} address {before}` puts it back"
        ));
    }
    (!odd.is_empty()).then(|| odd.join("; "))
}

/// Promiscuous again if somebody switched that off; without it frames to most addresses do not come in.
async fn keep_promiscuous(links: &Links, name: &str, now: &LinkInfo) {
    if now.promiscuous {
        return;
    }
    match links.set_promiscuous(now.index, true).await {
        Ok(()) => {
            warn!("{name} was no longer promiscuous, and is again: somebody else had changed it")
        }
        Err(error) if error.is_missing() => {}
        Err(error) => warn!("{name} is no longer promiscuous, so frames get lost: {error}"),
    }
}

impl<F: Send + 'static> Supervisor<F> {
    /// A device in use is different from before, by an event that may be older than our own last change.
    pub(super) async fn look_for_meddling(&mut self, id: PortId) {
        let Some(device) = self.devices.get_mut(&id) else {
            return;
        };
        let State::InUse(used) = &device.state else {
            return;
        };
        let Taken { info, mac, .. } = &**used;
        let said = device.meddled.is_some();
        if info.promiscuous && !said && odd(&device.wanted, *mac, info).is_none() {
            return;
        }
        let Ok(Some(now)) = self.taker.links.by_index(info.index).await else {
            return;
        };
        let name = &device.wanted.name;
        keep_promiscuous(&self.taker.links, name, &now).await;
        let odd = odd(&device.wanted, *mac, &now);
        match &odd {
            Some(odd) if device.meddled.as_ref() != Some(odd) => warn!("{name}: {odd}"),
            None if said => info!("{name} is as it was again"),
            _ => {}
        }
        device.meddled = odd;
    }

    /// What others have changed about a device in use so that frames may get lost, in sentences.
    pub fn meddled(&self, id: PortId) -> Option<&str> {
        let device = self.devices.get(&id)?;
        matches!(device.state, State::InUse(_)).then_some(device.meddled.as_deref())?
    }
}
