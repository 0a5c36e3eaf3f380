//! The VIS's end of one link.

mod event;

pub use event::{Ask, MoveStep, VisError, VisEvent};
