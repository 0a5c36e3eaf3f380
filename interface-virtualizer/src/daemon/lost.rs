//! Interfaces of guests that are not there: lost, or not to be had yet.
//!
//! The other end of a pair is in the guest's hands: it may delete it, or end with its namespace, and with
//! that end goes ours. The vNIC stays, with its VIF and its counters, and gets a new pair as soon as its
//! turn comes ([`super::turns`]). A TAP that somebody removed is made again at once.

use super::attach::veth;
use super::device::Plan;
use super::run::{Daemon, RunError};
use crate::config::Attachment;
use crate::core::VnicId;
use packet_io::link::LinkEvent;
use std::time::Instant;
use tracing::warn;

impl Daemon {
    /// Notes that a pair is gone, if the event says so.
    pub(super) fn on_lost_interface(&mut self, event: &LinkEvent, begun: Instant) {
        let LinkEvent::Gone { name, .. } = event else {
            return;
        };
        let lost = self.vnics.values().find(|vnic| {
            matches!(vnic.config.attachment, Attachment::Netns { .. }) && vnic.device == *name
        });
        if let Some(id) = lost.map(|vnic| vnic.id) {
            let now = Instant::now();
            self.turns.worked(begun, now);
            self.turns.lost(id, now);
        }
    }

    /// Tries to make a lost pair again, and takes it into use. Says why not once.
    pub(super) async fn remake(&mut self, id: VnicId) {
        let begun = Instant::now();
        let result = self.make_and_take(id).await;
        let now = Instant::now();
        self.turns.worked(begun, now);
        let Some(vnic) = self.vnics.get_mut(&id) else {
            return self.turns.forget(id);
        };
        match result {
            Ok(()) => {
                vnic.why_not = None;
                self.turns.made(id, now);
            }
            Err(error) => {
                let why = error.to_string();
                if vnic.why_not.as_ref() != Some(&why) {
                    warn!("{why}; trying again until it can be made");
                }
                vnic.why_not = Some(why);
                self.turns.failed(id, now);
            }
        }
    }

    async fn make_and_take(&mut self, id: VnicId) -> Result<(), RunError> {
        let Some(vnic) = self.vnics.get_mut(&id) else {
            return Ok(());
        };
        let pair = veth(&self.links, &vnic.device, &vnic.config).await?;
        vnic.shown = None;
        if let Some(vic) = &mut vnic.vic {
            vic.mac = pair.mac.or(vic.mac);
            vic.made |= pair.made;
        }
        // The kernel will tell of it too. Here so that its cost is part of this attempt's.
        if let Some(made) = self.links.get(&vnic.device).await? {
            self.supervisor.on_event(&LinkEvent::Changed(made)).await;
        }
        self.declare(id).await;
        // It must see what the others see.
        self.show_carrier_to(id).await;
        Ok(())
    }

    /// A TAP that somebody removed is let go of, and made again: its guest is to find it.
    pub(super) async fn on_tap_event(&mut self, event: &LinkEvent) {
        let LinkEvent::Gone { name, index } = event else {
            return;
        };
        let Some(vnic) = self.vnics.values_mut().find(|vnic| vnic.is_tap(name)) else {
            return;
        };
        // One of that name was detached before this one was attached.
        if vnic.tap_index.is_some_and(|ours| ours != *index) {
            return;
        }
        // On its way out it is removed by us.
        if vnic.tap.take().is_none() || vnic.vic.as_ref().is_some_and(|vic| vic.life.is_detaching())
        {
            return;
        }
        vnic.shown = None;
        let (id, port, plan) = (vnic.id, vnic.port(), Plan::from(&*vnic));
        warn!(
            "vNIC {}: {name} was removed; making it again",
            vnic.config.name
        );
        // A worker that has ended is noticed elsewhere.
        let _ = self.worker.answer(move |worker| worker.detach(port)).await;
        match self.maker().make(&plan).await {
            Ok(made) => {
                if let Some(vnic) = self.vnics.get_mut(&id) {
                    vnic.tap = made.tap;
                    vnic.tap_index = made.tap_index;
                    if let Some(vic) = &mut vnic.vic {
                        vic.mac = made.mac.or(vic.mac);
                    }
                }
                self.declare(id).await;
                self.show_carrier_to(id).await;
            }
            Err(error) => warn!("{error}"),
        }
    }
}
