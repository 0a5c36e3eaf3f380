//! Whose frames were counted where, so that the sum over everything always balances (design.md
//! section 4.7).

use super::Snapshot;
use niv::{Counters, PortId, Slot};

/// The counters of everything a worker has seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Balance {
    ports: Vec<Account>,
    /// By device: frames that did not say which bridge port they belong to.
    links: Vec<Counters>,
    /// Of bridge ports that are gone and whose place has another holder.
    gone: Counters,
    /// Frames of devices, and copies for bridge ports, that no snapshot has named.
    stray: Counters,
}

#[derive(Clone, Debug, Default)]
struct Account {
    slot: Option<Slot>,
    counters: Counters,
}

impl Balance {
    /// Makes room for what `snapshot` names. A place's new holder starts at 0.
    pub(super) fn adopt(&mut self, snapshot: &Snapshot) {
        if self.links.len() < snapshot.devices() {
            self.links
                .resize_with(snapshot.devices(), Counters::default);
        }
        for port in snapshot.ports() {
            let at = usize::from(port.slot.index);
            if self.ports.len() <= at {
                self.ports.resize_with(at + 1, Account::default);
            }
            if let Some(account) = self.ports.get_mut(at)
                && account.slot != Some(port.slot)
            {
                self.gone.merge(&account.counters);
                *account = Account {
                    slot: Some(port.slot),
                    counters: Counters::default(),
                };
            }
        }
    }

    #[inline]
    pub(super) fn port_mut(&mut self, index: u16) -> &mut Counters {
        match self.ports.get_mut(usize::from(index)) {
            Some(account) => &mut account.counters,
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

    pub(super) fn port(&self, slot: Slot) -> Option<&Counters> {
        let account = self.ports.get(usize::from(slot.index))?;
        (account.slot == Some(slot)).then_some(&account.counters)
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
            .chain(self.ports.iter().map(|account| &account.counters))
        {
            total.merge(counters);
        }
        total
    }
}
