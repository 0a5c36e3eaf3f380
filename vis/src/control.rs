//! What the daemon is asked, and what it answers.

pub mod show;
