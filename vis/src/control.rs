//! What the daemon is asked, and what it answers.

pub mod counts;
pub mod explain;
pub mod interfaces;
pub mod niv;
pub mod show;
pub mod switch;

use serde::{Deserialize, Serialize};

/// What a command line sends (the request of `control-socket`). The words are not yet understood: the
/// command tree is the daemon's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// A command such as `show interface veth 3`.
    pub command: String,
    /// How to answer.
    pub format: Format,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value with a `schema` number.
    Json,
}
