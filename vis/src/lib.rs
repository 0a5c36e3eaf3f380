//! vis
pub mod edge;
pub mod switch;
