//! What a port profile asks of frames, beyond VLANs and MTU: made ready when a snapshot is made, one value for each bridge
//! port, vEth or plain alike.

use super::filters::{Filters, Places};
use super::guard::GuardPolicy;
use super::rate::RatePolicy;
use std::sync::Arc;

/// What is asked of frames of one bridge port. Without any of it, nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortPolicy {
    /// Access lists.
    pub filters: Filters,
    /// Of their rate and their priority.
    pub rates: Option<Arc<RatePolicy>>,
    /// Of what it floods, of BPDUs, and of the addresses it sends from.
    pub guards: Option<Arc<GuardPolicy>>,
}

impl PortPolicy {
    /// The same, with each access list's place in a snapshot.
    pub(super) fn placed(&self, places: &Places<'_>) -> Self {
        let mut placed = self.clone();
        placed.filters = self.filters.placed(places);
        placed
    }

    /// Whether it has a verdict of its own on copies to the port, so that the port shares none with others (design.md
    /// section 5.7).
    #[inline]
    pub fn judges_copies(&self) -> bool {
        let rates = self.rates.as_ref();
        self.filters.has_outward() || rates.is_some_and(|rates| rates.police_out.is_some())
    }
}
