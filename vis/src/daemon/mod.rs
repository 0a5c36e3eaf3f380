//! The edge of `vis`: devices, threads, signals and the control socket around the sans-IO switch.

mod alarm;
mod answer;
mod choices;
mod compile;
mod configure;
mod count;
mod doors;
mod explain;
mod follow;
mod forward;
mod guard_view;
mod guards;
mod inbox;
mod language;
mod lists;
mod niv_view;
mod plan;
mod private_vlan;
mod rates;
mod roles;
mod run;
mod secure;
mod sessions;
mod survey;
mod told;
mod view;

pub use compile::topology;
pub(crate) use compile::wanted;
pub use link_control::key::KeyError;
pub use run::{RunError, run};
pub use sessions::{SessionsError, key_files};
