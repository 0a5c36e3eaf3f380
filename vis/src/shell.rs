//! The shell: what is typed, what may be typed next, and the conversation with the daemon.
//!
//! The daemon holds the configuration and decides; the shell sends it each line with the place it is said at
//! ([`crate::changes::At`]), and prints what comes back. Both read lines with [`understand()`], from the one command
//! tree, so help and completion need no daemon.

pub mod ask;
pub mod editor;
pub mod exec;
mod names;
pub mod offer;
pub mod pager;
pub mod pipe;
pub mod reference;
pub mod say;
pub mod understand;

pub use offer::{Offer, complete, help};
pub use understand::{Fault, Understood, understand};

use crate::changes::At;
use crate::config::grammar::Mode;

#[cfg(test)]
mod tests;

/// The mode somebody is in.
pub fn mode(at: &At) -> Mode {
    at.context
        .as_ref()
        .map_or(Mode::Exec, |context| context.mode())
}

/// What stands before the cursor: `vis-1(config-if)# `. A candidate shows by a star, since nothing typed there is in
/// force.
pub fn prompt(hostname: &str, at: &At) -> String {
    let star = if at.candidate.is_some() { "*" } else { "" };
    format!("{hostname}{}{star}# ", mode(at).prompt())
}
