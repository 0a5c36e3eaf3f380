//! What guests see of the link: their carrier (design.md section 5.9).

use super::run::{Daemon, RunError};
use super::vnic::Assigned;
use crate::config::Attachment;
use crate::core::{Account, VnicId};
use crate::life::Verdict;
use niv::PortId;
use tracing::warn;

impl Daemon {
    /// Lets all guests whose interface we hold see whether there is a link.
    pub(super) async fn show_carriers(&mut self) {
        let ids: Vec<VnicId> = self.vnics.keys().copied().collect();
        for id in ids {
            self.show_carrier_to(id).await;
        }
    }

    /// A device of a vNIC is in use, again perhaps: the kernel shows its guest a link.
    pub(super) async fn on_taken_up(&mut self, port: PortId) {
        let Account::Vnic(id) = Account::of(port) else {
            return;
        };
        if let Some(vnic) = self.vnics.get_mut(&id)
            // Our own taking it up is an event too.
            && vnic.shown != Some(true)
        {
            vnic.shown = None;
        }
        self.find_address(id).await;
        self.declare(id).await;
        self.show_carrier_to(id).await;
    }

    /// Whether a guest is to see a link.
    pub(super) fn carrier_of(&self, id: VnicId) -> bool {
        let session = &self.session;
        let vnic = self.vnics.get(&id);
        let vic = vnic.and_then(|vnic| vnic.vic.as_ref());
        let keeps = |vic: &Assigned| {
            vic.life.verdict() == Verdict::Waiting && vnic.is_some_and(|vnic| vnic.keeps_link)
        };
        self.carrier.shown() && vic.is_none_or(|vic| vic.life.carrier(session) || keeps(vic))
    }

    /// Guests that had a link before the start see from now on what the switch says.
    pub(super) async fn end_kept(&mut self) {
        self.kept_until = None;
        for vnic in self.vnics.values_mut() {
            vnic.keeps_link = false;
        }
        self.show_carriers().await;
    }

    /// Lets a guest see whether there is a link, if that has changed.
    pub(super) async fn show_carrier_to(&mut self, id: VnicId) {
        let up = self.carrier_of(id);
        let Some(vnic) = self.vnics.get_mut(&id) else {
            return;
        };
        if vnic.shown == Some(up) {
            return;
        }
        let done = match (&vnic.config.attachment, &vnic.tap) {
            (Attachment::Netns { .. }, _) => match self.links.get(&vnic.device).await {
                Ok(Some(info)) => self
                    .links
                    .set_up(info.index, up)
                    .await
                    .map_err(RunError::from),
                Ok(None) => return,
                Err(error) => Err(error.into()),
            },
            (_, Some(tap)) => tap.set_carrier(up).map_err(RunError::from),
            // Its device is not there, or somebody else's.
            _ => return,
        };
        match done {
            Ok(()) => vnic.shown = Some(up),
            Err(error) => warn!(
                "vNIC {}: its carrier cannot be set: {error}",
                vnic.config.name
            ),
        }
    }
}
