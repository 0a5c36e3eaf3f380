//! Interfaces in guests' namespaces that are not there: lost, or not to be had yet.
//!
//! The other end of the pair is in the guest's hands: it may delete it, or end with its namespace, and with
//! that end goes ours. The vNIC stays, with its VIF and its counters, and gets a new pair as soon as its
//! turn comes ([`super::turns`]).

use super::attach::{AttachError, veth};
use super::run::{Daemon, RunError};
use crate::config::{Attachment, VnicConfig};
use packet_io::link::{LinkEvent, Links};
use std::time::Instant;
use tracing::warn;

/// Makes a guest's pair at the start, or says why that has to wait.
///
/// # Errors
/// It cannot be made, and nothing the guest does would change that.
pub(super) async fn make_if_possible(
    links: &Links,
    uplink: &str,
    vnic: &VnicConfig,
) -> Result<Option<String>, AttachError> {
    match veth(links, uplink, vnic).await {
        Ok(_) => Ok(None),
        Err(error) if error.is_the_guests() => {
            warn!("{error}; trying again until it can be made");
            Ok(Some(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

impl Daemon {
    /// Notes that a pair is gone, if the event says so.
    pub(super) fn on_lost_interface(&mut self, event: &LinkEvent, begun: Instant) {
        let LinkEvent::Gone { name, .. } = event else {
            return;
        };
        let lost = self.vnics.iter().position(|vnic| {
            matches!(vnic.config.attachment, Attachment::Netns { .. }) && vnic.device == *name
        });
        if let Some(index) = lost {
            let now = Instant::now();
            self.turns.worked(begun, now);
            self.turns.lost(index, now);
        }
    }

    /// Tries to make a lost pair again, and takes it into use. Says why not once.
    pub(super) async fn remake(&mut self, index: usize, carrier: bool) {
        let begun = Instant::now();
        let result = self.make_and_take(index, carrier).await;
        let now = Instant::now();
        self.turns.worked(begun, now);
        let Some(vnic) = self.vnics.get_mut(index) else {
            return;
        };
        match result {
            Ok(()) => {
                vnic.why_not = None;
                self.turns.made(index, now);
            }
            Err(error) => {
                let why = error.to_string();
                if vnic.why_not.as_ref() != Some(&why) {
                    warn!("{why}; trying again until it can be made");
                }
                vnic.why_not = Some(why);
                self.turns.failed(index, now);
            }
        }
    }

    async fn make_and_take(&mut self, index: usize, carrier: bool) -> Result<(), RunError> {
        let Some(vnic) = self.vnics.get(index) else {
            return Ok(());
        };
        let device = veth(&self.links, &self.config.uplink, &vnic.config).await?;
        // The kernel will tell of it too. Here so that its cost is part of this attempt's.
        if let Some(made) = self.links.get(&device).await? {
            self.supervisor.on_event(&LinkEvent::Changed(made)).await;
        }
        // It must see what the others see.
        if !carrier && let Some(vnic) = self.vnics.get(index) {
            self.show_carrier_to(vnic, false).await;
        }
        Ok(())
    }
}
