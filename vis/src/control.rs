//! What the daemon is asked, and what it answers.

pub mod access_lists;
pub mod counts;
pub mod explain;
pub mod guard;
pub mod interfaces;
pub mod niv;
pub mod plan;
pub mod private_vlan;
pub mod rates;
pub mod show;
pub mod switch;

use crate::changes::At;
use crate::shell::Fault;
use serde::{Deserialize, Serialize};

/// What a command line sends (the request of `control-socket`). The words are not yet understood: the
/// command tree is the daemon's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// A command such as `show interface veth 3`.
    pub command: String,
    /// How to answer.
    pub format: Format,
    /// Of a shell, where the line is said; then the answer is one [`LineReply`], as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

/// What became of a line of a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineReply {
    /// Where the next line is said.
    pub at: At,
    /// For the prompt.
    pub hostname: String,
    /// What it shows.
    pub out: String,
    /// What whoever said it should know: warnings, for the most part.
    pub told: Vec<String>,
    /// What happened by itself since somebody was last told.
    pub notes: Vec<String>,
    /// Why nothing was done.
    pub fault: Option<Fault>,
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
