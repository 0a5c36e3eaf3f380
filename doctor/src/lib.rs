//! What is wrong between this box and the one at the other end of the cable, in sentences, each with the command that
//! mends it: `iv doctor` and `vis doctor`.
//!
//! ```text
//! the machine, the devices --- look ---+
//!                                      +--> Facts --- judge ---> Report: text, or JSON
//! the daemon, by its control socket ---+
//! ```
//!
//! [`look`] gathers facts and judges nothing; [`judge`] is a function of the facts and looks at nothing. What could not be
//! looked at is said. Nothing is changed on the machine, ever: the one thing sent is the Probe that a running daemon
//! sends in its session.
#![forbid(unsafe_code)]

pub mod facts;
mod finding;
mod health;
pub mod judge;
pub mod look;
mod rule;

pub use finding::{Finding, Report, SCHEMA, Severity, Status, Unseen};
pub use health::LinkHealth;
pub use rule::Rule;
