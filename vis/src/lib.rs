//! vis

pub mod config;
pub mod control;
