//! vis
pub mod edge;
pub mod switch;

pub mod cli;
pub mod config;
pub mod control;
