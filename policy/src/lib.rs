//! What a port profile can hold, as stages that a frame passes (design.md sections 5.6 and 5.7).
//!
//! A stage is a function of compiled policy, the port's own state, the time and a view of the frame; it allocates
//! nothing, reads no clock and cannot panic. What changes from frame to frame is plain words that outlive the process.
//!
//! What calls it today:
//!
//! | modules | callers, but for the crate's own tests |
//! | --- | --- |
//! | [`acl`] | `vis` (access lists of ports; what a frame is, for `plan` and the log), `fuzz` (target `access_list`) |
//! | [`rate`], [`marking`] | `vis` (`switch/rate.rs`) |
//! | [`private_vlan`] | `vis`, for every frame of a private VLAN |
//! | all others | `examples/cost.rs`, which counts what each costs a frame |
#![forbid(unsafe_code)]

pub mod acl;
pub mod bridge_guard;
pub mod err_disable;
pub mod marking;
pub mod private_vlan;
pub mod rate;
pub mod security;
pub mod storm;

mod port_state;
mod priority;
mod seed;
mod time;

pub use port_state::PortState;
pub use priority::{Cos, Dscp, InvalidPriority};
pub use seed::Seed;
pub use time::Time;
