//! Forwarding between bridge ports, as a function of state, time and frame.
//!
//! A [`Topology`] says what there is; it compiles to a [`Snapshot`], which never changes and which
//! control publishes. A worker owns one [`Switch`] (the forwarding [`Table`] and the counters) and hands
//! it every received frame together with the snapshot it loaded for the burst. What comes back is a
//! list of copies to send. Nothing here knows how a frame says which bridge port it belongs to: that is
//! [`crate::edge`]'s.

mod account;
mod balance;
mod decided;
mod fairness;
mod filters;
mod flood;
mod guard;
mod guarded;
mod kept;
mod pipeline;
mod placement;
mod port_policy;
mod private_vlan;
mod rate;
mod recent;
mod rehearsal;
mod sharing;
mod slots;
mod snapshot;
mod table;
mod time;
mod topology;
mod trail;
mod vlan;
mod worker;

pub use balance::Keep;
pub use decided::{Tale, Told};
pub use filters::{FilterList, FilterStep, Filters};
pub use flood::{ListPlan, list_sets};
pub use guard::{GuardPolicy, GuardStep, Recalled, SecureList, SecurePlan};
pub use guarded::{GuardEvent, GuardNews, Guards, MAX_SECURE};
pub use pipeline::Frame;
pub use policy::Seed;
pub use port_policy::PortPolicy;
pub use private_vlan::PrivatePolicy;
pub use rate::{RatePolicy, RateStep, Way};
pub use recent::{FLOWS, Recent, Sample};
pub use rehearsal::{Copy, Explanation};
pub use slots::{NoSlotLeft, Slots};
pub use snapshot::{BridgePort, Home, PortState, Snapshot};
pub use table::{Entry, Foresight, Kind, Learned, Table, TableParameters};
pub use time::Time;
pub use topology::{AwayPlan, Declared, LinkKind, LinkPlan, PortPlan, Topology, TopologyError};
pub use trail::Step;
pub use vlan::{Membership, VlanPolicy};
pub use worker::Switch;
