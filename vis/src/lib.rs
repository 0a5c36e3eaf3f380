//! The virtual interface switch: treats each vNIC behind an interface virtualizer as a port of its own,
//! switches between those and plain ports, and enforces all policy.

pub mod changes;
pub mod cli;
pub mod client;
pub mod config;
pub mod control;
pub mod daemon;
pub mod doctor;
pub mod edge;
pub mod shell;
pub mod startup;
pub mod store;
pub mod switch;
pub mod veth;
