//! The worker's forwarding state: the virtualizer, and which of its vNICs the session means.

use crate::core::{Virtualizer, VnicError, VnicId};
use niv::{DropReason, ListId, PortId, VifId, Weight};
use packet_io::worker::Forward;
use packet_io::{Outgoing, RxFrame};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use vic::Uuid;
use vic::session::iv::IvEvent;

/// Lists the switch addresses and we do not know are told so often at most (ours).
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// The worker's forwarding state.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) iv: Virtualizer,
    /// The vNICs whose VIF the switch assigns.
    by_uuid: BTreeMap<Uuid, VnicId>,
    by_hand: BTreeSet<VifId>,
    report: Option<Report>,
}

struct Report {
    to: UnboundedSender<Vec<ListId>>,
    next: Option<Instant>,
}

impl Link {
    /// Adds a vNIC bound by hand, not yet enabled.
    pub(crate) fn add_by_hand(&mut self, vif: VifId) -> Result<VnicId, VnicError> {
        let id = self.iv.add(vif)?;
        self.by_hand.insert(vif);
        Ok(id)
    }

    /// Adds a vNIC that waits for its VIF.
    pub(crate) fn add_by_uuid(&mut self, uuid: Uuid) -> Result<VnicId, VnicError> {
        let id = self.iv.add_unbound()?;
        self.by_uuid.insert(uuid, id);
        Ok(id)
    }

    /// Removes a vNIC that was added by its UUID.
    pub(crate) fn remove(&mut self, uuid: Uuid) {
        if let Some(id) = self.by_uuid.remove(&uuid) {
            self.iv.remove(id);
        }
    }

    /// Where unknown lists are reported to.
    pub(crate) fn report_to(&mut self, to: UnboundedSender<Vec<ListId>>) {
        self.report = Some(Report { to, next: None });
    }

    /// Puts into force what the session says.
    ///
    /// # Errors
    /// A vNIC was given a VIF that another one has by hand. It has none then.
    pub(crate) fn apply(&mut self, event: &IvEvent) -> Result<(), VnicError> {
        let id = |uuid: &Uuid| self.by_uuid.get(uuid).copied();
        match event {
            IvEvent::Created { uuid, vif, .. } => {
                if let Some(id) = id(uuid) {
                    let bound = self.iv.bind(id, *vif);
                    if bound.is_err() {
                        self.iv.unbind(id);
                    }
                    return bound;
                }
            }
            IvEvent::Enabled { uuid, vif } => {
                let has = |id: &VnicId| self.iv.holder(*vif) == Some(*id);
                if let Some(id) = id(uuid).filter(has) {
                    self.iv.enable(id, true);
                }
            }
            IvEvent::Down { uuid, vif, .. } => {
                if let Some(id) = id(uuid) {
                    match vif {
                        Some(_) => self.iv.enable(id, false),
                        None => self.iv.unbind(id),
                    }
                }
            }
            IvEvent::Detached { uuid } => {
                if let Some(id) = id(uuid) {
                    self.iv.unbind(id);
                }
            }
            // A vNIC bound by hand is not the session's to unbind.
            IvEvent::VifForgotten(vif) if self.by_hand.contains(vif) => self.iv.strip(*vif),
            IvEvent::VifForgotten(vif) => self.iv.forget(*vif),
            IvEvent::ListSet { list, members } => self.iv.set_list(*list, members.iter()),
            IvEvent::ListDeleted(list) => self.iv.delete_list(*list),
            _ => {}
        }
        Ok(())
    }
}

impl Forward for Link {
    fn begin(&mut self, now: Instant) {
        if !self.iv.has_unknown_lists() {
            return;
        }
        if let Some(report) = &mut self.report
            && report.next.is_none_or(|next| now >= next)
        {
            report.next = Some(now + REPORT_EVERY);
            // Control is gone only when this thread is about to end.
            let _ = report.to.send(self.iv.take_unknown_lists());
        }
    }

    fn frame(&mut self, port: PortId, index: u16, frame: &RxFrame<'_>, out: &mut Vec<Outgoing>) {
        self.iv.receive(port, index, frame, out);
    }

    fn fate(&mut self, copy: &Outgoing, weight: Weight, fate: Result<(), DropReason>) {
        self.iv.fate(copy, weight, fate);
    }
}
