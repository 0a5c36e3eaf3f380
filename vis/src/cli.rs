//! The command line: its options, and answers as text.

pub mod args;
pub mod faults;
pub mod text;
