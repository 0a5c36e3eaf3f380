//! Another configuration under a running switch: checked as a whole first, then followed.
//!
//! What cannot be followed is refused before anything has changed. A device that is not there or not fit is no reason
//! to refuse: as at any other time it is waited for, and its interface says why it is down.

use super::compile;
use super::run::Daemon;
use crate::config::{Config, EthernetId, InterfaceId};
use crate::switch::{NoSlotLeft, Topology, TopologyError};
use crate::veth::Stage;
use link_control::key::KeyError;
use niv::VifId;
use packet_io::mailbox::WorkerGone;
use packet_io::supervise::{SuperviseError, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};
use vic::session::Authentication;

/// A switch that is compiled faster than this follows every line at once; another one gathers lines.
const QUICK: Duration = Duration::from_millis(20);

/// A configuration cannot be followed. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfollowed {
    #[error(transparent)]
    Slots(#[from] NoSlotLeft),
    #[error(transparent)]
    Topology(#[from] TopologyError),
    #[error(transparent)]
    Worker(#[from] WorkerGone),
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Of the device whose MTU has to grow.
    #[error(transparent)]
    Device(#[from] SuperviseError),
    #[error(
        "{0} is the port of a vNIC that was attached by the control protocol: expected a number without one \
        (`show niv vif` lists them)"
    )]
    NumberTaken(InterfaceId),
    #[error(
        "channel {vif} of {link} was given to {holder} by the control protocol: expected a channel without a vEth \
        (`show niv vif` lists them)"
    )]
    ChannelTaken {
        vif: VifId,
        link: InterfaceId,
        holder: InterfaceId,
    },
}

impl Daemon {
    /// Has the switch follow `new`, and says what people should know of that.
    pub(super) async fn reconfigure(
        &mut self,
        new: Arc<Config>,
    ) -> Result<Vec<String>, Unfollowed> {
        let overlaid = self.registry.overlay(&new);
        let (checked, keys) = self.check(&new, &overlaid)?;
        // What access lists were made into is there to be used again.
        self.checked = checked;
        let old = self.said.clone();
        let (before, after) = (compile::wanted(&old), compile::wanted(&new));
        for wanted in &after {
            let same = before.iter().find(|other| is_same_device(other, wanted));
            if same.is_some_and(|other| other.mtu < wanted.mtu) {
                self.supervisor.require_mtu(wanted.id, wanted.mtu).await?;
            }
        }

        let now = self.now();
        let mut told = Vec::new();
        let leaving: BTreeSet<EthernetId> = self.sessions.reconfigure(&old, &new, keys).await;
        for &link in &leaving {
            if compile::has_niv_port(&new, link) {
                self.registry.replace(now, link);
            } else {
                self.registry.close(now, link);
            }
        }
        for gone in &before {
            if !after.iter().any(|wanted| is_same_device(gone, wanted)) {
                info!("device {} is let go", gone.name);
                self.supervisor.remove(gone.id).await;
            }
        }
        for wanted in after {
            if !before.iter().any(|other| is_same_device(other, &wanted)) {
                told.extend(self.take_device(wanted).await);
            }
        }

        self.open_what_is_shut_by_hand(&overlaid)?;
        self.registry.configure(new.clone());
        self.sessions.follow_bindings(&old, &new);
        self.said = new;
        self.drop_overruled_choices();
        self.let_go_of_slots(&old);
        let wait = if self.settling < QUICK {
            Duration::ZERO
        } else {
            self.settling
        };
        self.settle_at = Some(Instant::now() + wait);
        Ok(told)
    }

    /// Whether the switch could follow `new`, which is `overlaid` with the vEths of the control protocol, as far as that can
    /// be known without following it.
    pub(super) fn check(
        &self,
        new: &Config,
        overlaid: &Config,
    ) -> Result<(Topology, BTreeMap<EthernetId, Authentication>), Unfollowed> {
        let checked = compile::topology(overlaid, 0, &mut self.slots.clone(), |_| true)?;
        checked.compile()?;
        self.check_bindings(new)?;
        Ok((checked, super::sessions::authentications(new)?))
    }

    async fn take_device(&mut self, wanted: Wanted) -> Option<String> {
        let (id, name) = (wanted.id, wanted.name.clone());
        self.supervisor.add(wanted.clone());
        let taken = self.supervisor.taker().take(&wanted).await;
        let told = match &taken {
            Ok(Some(_)) => {
                info!("device {name} is in use");
                None
            }
            Ok(None) => Some(format!(
                "warning: there is no device {name} yet: it is waited for (`ip link` lists those there are)"
            )),
            Err(error) => Some(format!("warning: {name} is not in use: {error}")),
        };
        if let Some(told) = &told {
            warn!("{told}");
        }
        let taken = taken.map_err(|error| error.to_string());
        self.supervisor.taken(id, taken).await;
        told
    }

    /// What is bound by hand must not be what the protocol has given away.
    fn check_bindings(&self, new: &Config) -> Result<(), Unfollowed> {
        for (&id, veth) in &new.veths {
            let Some(bind) = veth.bind else { continue };
            if self
                .said
                .veths
                .get(&id)
                .is_some_and(|old| old.bind == veth.bind)
            {
                continue;
            }
            let number = self.registry.numbered(id);
            if number.is_some_and(|(_, record)| record.stage != Stage::Detached) {
                return Err(Unfollowed::NumberTaken(InterfaceId::Veth(id)));
            }
            let holder = self
                .registry
                .records()
                .find(|(_, record)| record.place.is_some_and(|place| place.binding() == bind));
            if let Some((_, record)) = holder {
                return Err(Unfollowed::ChannelTaken {
                    vif: bind.channel,
                    link: InterfaceId::Ethernet(bind.ethernet),
                    holder: InterfaceId::Veth(record.number),
                });
            }
        }
        Ok(())
    }

    /// Of interfaces that are no more. What they counted goes with them.
    fn let_go_of_slots(&mut self, old: &Config) {
        for &id in old.veths.keys() {
            if !self.said.veths.contains_key(&id) && self.registry.numbered(id).is_none() {
                self.slots.release(&InterfaceId::Veth(id));
                self.guards.forget(InterfaceId::Veth(id));
            }
        }
        for &id in old.ethernets.keys() {
            if !self.said.ethernets.contains_key(&id) {
                self.slots.release(&InterfaceId::Ethernet(id));
                self.guards.forget(InterfaceId::Ethernet(id));
            }
        }
    }
}

/// It is used in the same way. A larger MTU needs no other use.
fn is_same_device(one: &Wanted, other: &Wanted) -> bool {
    one.id == other.id
        && one.name == other.name
        && one.role == other.role
        && one.roomy == other.roomy
        && one.usage == other.usage
}
