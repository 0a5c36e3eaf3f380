//! What policy keeps of each bridge port from frame to frame.

use super::Snapshot;
use niv::Slot;
use policy::PortState;

/// By slot index. A place's new holder starts with nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    ports: Vec<(Option<Slot>, PortState)>,
    /// Of places that no snapshot has named.
    stray: PortState,
}

impl Kept {
    /// Makes room for what `snapshot` names.
    pub(super) fn adopt(&mut self, snapshot: &Snapshot) {
        for port in snapshot.ports() {
            let at = usize::from(port.slot.index);
            if self.ports.len() <= at {
                self.ports.resize_with(at + 1, Default::default);
            }
            if let Some(place) = self.ports.get_mut(at)
                && place.0 != Some(port.slot)
            {
                *place = (Some(port.slot), PortState::default());
            }
        }
    }

    /// That of the bridge port at place `index`.
    #[inline]
    pub(super) fn of(&mut self, index: u16) -> &mut PortState {
        match self.ports.get_mut(usize::from(index)) {
            Some((_, state)) => state,
            None => &mut self.stray,
        }
    }

    /// Whether its place is this one's.
    pub(super) fn is_of(&self, slot: Slot) -> bool {
        let place = self.ports.get(usize::from(slot.index));
        place.is_some_and(|(holder, _)| *holder == Some(slot))
    }

    /// A copy of it.
    pub(super) fn copy(&self, index: u16) -> PortState {
        let place = self.ports.get(usize::from(index));
        place.map_or(self.stray, |(_, state)| *state)
    }
}
