//! What a frame gets, without sockets, threads or clocks: push on the way up, pop on the way down
//! (design.md sections 5.2 to 5.4). The virtualizer never switches between its own vNICs.

mod lists;
mod virtualizer;
mod vnic;

#[cfg(test)]
mod come_and_go_tests;
#[cfg(test)]
mod tests;

pub use lists::{Lists, VifSet};
pub use virtualizer::{Account, UPLINK, Virtualizer};
pub use vnic::{Vnic, VnicError, VnicId};
