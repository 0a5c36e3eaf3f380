//! Whose frames were counted where, so that the sum over everything always balances (design.md
//! section 4.7).

use super::Snapshot;
use super::account::Account;
use niv::{Counters, DropReason, PortId, Slot, Total, Weight};
use std::sync::Arc;

/// The counters of everything a worker has seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Balance {
    ports: Vec<Port>,
    /// By device: frames that did not say which bridge port they belong to, and lists' copies.
    links: Vec<Counters>,
    /// By place in the snapshot taken up last.
    lists: Vec<List>,
    /// Of bridge ports that are gone and whose place has another holder.
    gone: Counters,
    /// Frames of devices, and copies for bridge ports, that no snapshot has named.
    stray: Counters,
    /// Whose counters have changed since [`Balance::keep`], by slot index; with room for all.
    changed: Vec<u16>,
    /// Which lists have been used since then, by place; with room for all.
    used: Vec<u16>,
}

/// Where bridge ports' counters go now and then, so that they outlive the process.
pub trait Keep {
    /// These are the counters of `slot` by now. Not `troubled`: since they were kept last no frame was
    /// dropped and nothing odd was seen, so only traffic has changed.
    fn keep(&mut self, slot: Slot, counters: &Counters, troubled: bool);
}

/// What of a port's counters has changed since they were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    #[default]
    Nothing,
    /// Frames passed.
    Traffic,
    /// Anything.
    Trouble,
}

#[derive(Clone, Debug, Default)]
struct Port {
    slot: Option<Slot>,
    /// Without what is in `lists`.
    counters: Counters,
    /// What is in `lists` and did not leave for this port, because it came from it.
    left_out: Total,
    change: Change,
}

/// What a list's copies come to for each member. A copy costs one addition here, not one for each.
#[derive(Clone, Debug)]
struct List {
    device: PortId,
    /// Slot indices, ascending.
    members: Arc<[u16]>,
    /// Since its members were given their share.
    sent: Total,
}

impl Balance {
    /// Makes room for what `snapshot` names. A place's new holder starts at 0.
    pub(super) fn adopt(&mut self, snapshot: &Snapshot) {
        // While its members are still who they were.
        self.share_out();
        self.lists.clear();
        self.lists.extend(snapshot.lists().iter().map(|list| List {
            device: list.device,
            members: Arc::clone(&list.members),
            sent: Total::default(),
        }));
        if self.links.len() < snapshot.devices() {
            self.links
                .resize_with(snapshot.devices(), Counters::default);
        }
        for port in snapshot.ports() {
            let at = usize::from(port.slot.index);
            if self.ports.len() <= at {
                self.ports.resize_with(at + 1, Port::default);
            }
            if let Some(place) = self.ports.get_mut(at)
                && place.slot != Some(port.slot)
            {
                self.gone.merge(&place.counters);
                *place = Port {
                    slot: Some(port.slot),
                    // What is in `changed` stays there once.
                    change: place.change,
                    ..Port::default()
                };
            }
        }
        // None is in there twice, so nothing is allocated while frames pass.
        self.changed
            .reserve(self.ports.len().saturating_sub(self.changed.len()));
        self.used.reserve(self.lists.len());
    }

    /// Gives every member what its lists' copies come to.
    fn share_out(&mut self) {
        let mut used = std::mem::take(&mut self.used);
        for place in used.drain(..) {
            let Some(list) = self.lists.get_mut(usize::from(place)) else {
                continue;
            };
            let (sent, members) = (std::mem::take(&mut list.sent), Arc::clone(&list.members));
            for &member in &*members {
                let Some(port) = self.ports.get_mut(usize::from(member)) else {
                    continue;
                };
                // A port in several lists may have been left out of another one.
                let left_out = port.left_out.least(sent);
                port.left_out = port.left_out.minus(left_out);
                port.counters.list(sent.minus(left_out));
                if port.change == Change::Nothing {
                    first_change(&mut port.change, &mut self.changed, member);
                }
            }
        }
        self.used = used;
    }

    /// Has all counters that have changed kept.
    pub(super) fn keep(&mut self, kept: &mut impl Keep) {
        self.share_out();
        for index in self.changed.drain(..) {
            if let Some(port) = self.ports.get_mut(usize::from(index)) {
                let change = std::mem::take(&mut port.change);
                if let Some(slot) = port.slot {
                    kept.keep(slot, &port.counters, change == Change::Trouble);
                }
            }
        }
    }

    /// By slot index: what left in lists' copies and is not in the port's counters yet.
    fn all_listed(&self) -> Vec<Total> {
        let mut all = vec![Total::default(); self.ports.len()];
        for list in self.lists.iter().filter(|list| list.sent.frames > 0) {
            for &member in &*list.members {
                if let Some(total) = all.get_mut(usize::from(member)) {
                    *total = total.plus(list.sent);
                }
            }
        }
        for (total, port) in all.iter_mut().zip(&self.ports) {
            *total = total.minus(port.left_out);
        }
        all
    }

    /// The device took a copy.
    #[inline]
    pub(super) fn sent(&mut self, account: Account, weight: Weight) {
        match account {
            Account::Port(index) => match self.ports.get_mut(usize::from(index)) {
                Some(port) => {
                    port.counters.sent(weight);
                    // At the end, so that no register has to be kept for after it.
                    if port.change == Change::Nothing {
                        first_change(&mut port.change, &mut self.changed, index);
                    }
                }
                None => self.stray.sent(weight),
            },
            Account::List { place, left_out } => self.list_sent(place, left_out, weight),
        }
    }

    #[inline(never)]
    fn list_sent(&mut self, place: u16, left_out: Option<u16>, weight: Weight) {
        let Some(list) = self.lists.get_mut(usize::from(place)) else {
            self.stray.sent(weight);
            return;
        };
        let total = Total::from(weight);
        if list.sent.frames == 0 {
            self.used.push(place);
        }
        list.sent = list.sent.plus(total);
        let device = list.device;
        self.link_mut(device).sent(weight);
        if let Some(index) = left_out
            && let Some(port) = self.ports.get_mut(usize::from(index))
        {
            port.left_out = port.left_out.plus(total);
        }
    }

    /// A copy went no further.
    #[inline]
    pub(super) fn drop_copy(&mut self, account: Account, reason: DropReason, weight: Weight) {
        let counters = match account {
            Account::Port(index) => self.troubled_mut(index),
            Account::List { place, .. } => match self.lists.get(usize::from(place)) {
                Some(list) => {
                    let device = list.device;
                    self.link_mut(device)
                }
                None => &mut self.stray,
            },
        };
        counters.drop_copy(reason, weight);
    }

    /// For frames that pass: received and not dropped, or sent.
    #[inline]
    pub(super) fn port_mut(&mut self, index: u16) -> &mut Counters {
        match self.ports.get_mut(usize::from(index)) {
            Some(port) => {
                if port.change == Change::Nothing {
                    first_change(&mut port.change, &mut self.changed, index);
                }
                &mut port.counters
            }
            None => &mut self.stray,
        }
    }

    /// For anything.
    #[inline(never)]
    pub(super) fn troubled_mut(&mut self, index: u16) -> &mut Counters {
        match self.ports.get_mut(usize::from(index)) {
            Some(port) => {
                if port.change == Change::Nothing {
                    self.changed.push(index);
                }
                port.change = Change::Trouble;
                &mut port.counters
            }
            None => &mut self.stray,
        }
    }

    #[inline]
    pub(super) fn link_mut(&mut self, device: PortId) -> &mut Counters {
        match self.links.get_mut(usize::from(device.0)) {
            Some(counters) => counters,
            None => &mut self.stray,
        }
    }

    pub(super) fn port(&self, slot: Slot) -> Option<Counters> {
        let port = self.ports.get(usize::from(slot.index))?;
        if port.slot != Some(slot) {
            return None;
        }
        let lists = self
            .lists
            .iter()
            .filter(|list| list.sent.frames > 0 && list.members.binary_search(&slot.index).is_ok());
        let listed = lists.fold(Total::default(), |total, list| total.plus(list.sent));
        let mut counters = port.counters;
        counters.list(listed.minus(port.left_out));
        Some(counters)
    }

    pub(super) fn link(&self, device: PortId) -> Option<&Counters> {
        self.links.get(usize::from(device.0))
    }

    pub(super) fn total(&self) -> Counters {
        let mut total = self.gone;
        total.merge(&self.stray);
        for counters in self
            .links
            .iter()
            .chain(self.ports.iter().map(|port| &port.counters))
        {
            total.merge(counters);
        }
        for listed in self.all_listed() {
            total.list(listed);
        }
        total
    }
}

/// The first since counters were kept. Once a round: what is done for each frame stays short without it.
#[cold]
#[inline(never)]
fn first_change(change: &mut Change, changed: &mut Vec<u16>, index: u16) {
    *change = Change::Traffic;
    changed.push(index);
}
