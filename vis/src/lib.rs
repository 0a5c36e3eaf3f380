//! vis
pub mod edge;
pub mod switch;

pub mod config;
pub mod control;
