//! What a port profile can hold, as stages that a frame passes (design.md sections 5.6 and 5.7).
//!
//! A stage is a function of compiled policy, the port's own state, the time and a view of the frame; it allocates
//! nothing, reads no clock and cannot panic. What changes from frame to frame is plain words that outlive the process.
//!
//! `vis::switch` calls them, each where design.md says: `filters` [`acl`], `rate` [`rate`] and [`marking`], `guard` [`bridge_guard`],
//! [`err_disable`], [`security`] and [`storm`], `private_vlan` [`private_vlan`].
#![forbid(unsafe_code)]

pub mod acl;
pub mod bridge_guard;
pub mod err_disable;
pub mod marking;
pub mod private_vlan;
pub mod rate;
pub mod security;
pub mod storm;

mod llc;
mod port_state;
mod priority;
mod seed;
mod time;

pub use port_state::PortState;
pub use priority::{Cos, Dscp, InvalidPriority};
pub use seed::Seed;
pub use time::Time;
