//! vis
