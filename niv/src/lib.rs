//! The vocabulary both ends of Network Interface Virtualization share: ids, addresses, slots, drop
//! reasons, and counters that balance.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "serde"))]
extern crate std;

mod counter_words;
mod counters;
mod id;
mod mac;
mod reason;
mod rewrite;
mod vlan_set;

pub use counters::{Anomalies, Counters, Dropped, Egress, Imbalance, Ingress, Total, Weight};
pub use id::{InvalidId, ListId, PortId, Slot, VifId, VlanId};
pub use mac::{Dotted, InvalidMac, Mac};
pub use reason::{Anomaly, DropReason};
pub use rewrite::Rewrite;
pub use vlan_set::{InvalidVlanList, VlanSet};
pub use vntag::{Gather, Head, VlanTag};
