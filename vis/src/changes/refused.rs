//! Why a line changes nothing.

use super::{MAX_CANDIDATE_LINES, MAX_CANDIDATES};
use crate::config::{Conflict, MAX_FILE, ProfileName};

impl Refused {
    /// The mode it was said in is about what is no more: it leads back to the configuration as a whole.
    pub const fn leads_back(&self) -> bool {
        matches!(self, Self::Conflict(Conflict::Gone(_)))
    }
}

/// A line that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It contradicts the configuration.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// Profiles would inherit from themselves, or through too many levels.
    #[error("{1}")]
    Inheritance(ProfileName, String),
    /// It is for the configuration.
    #[error("this line is for the configuration: say `configure` first")]
    NotConfiguring,
    /// Already there.
    #[error("you are configuring already: `end` leaves it")]
    Configuring,
    /// No more fit.
    #[error(
        "there are {MAX_CANDIDATES} candidates, which is the limit: `commit` or `abort` one of them, held by {0}"
    )]
    TooManyCandidates(String),
    /// Too long.
    #[error("the candidate has {MAX_CANDIDATE_LINES} lines, which is the limit: `commit` it")]
    TooManyLines,
    /// No file may be so long.
    #[error(
        "nothing is changed: the configuration would have {0} octets, and a file that a switch starts with has {MAX_FILE} \
        at most: let interfaces inherit what they have in common from a port-profile"
    )]
    TooLong(usize),
    /// Not there, or somebody else's.
    #[error(
        "the candidate is gone: it was given up, or not touched for an hour; `end`, then `configure candidate` \
        starts another"
    )]
    NoSuchCandidate,
    /// There is none.
    #[error("there is no candidate here: `configure candidate` starts one")]
    NoCandidate,
    /// Leaving would lose it.
    #[error("{}: `commit` puts that in force, `abort` gives it up", not_committed(*.0))]
    NotCommitted(usize),
    /// Others' lines wait.
    #[error(
        "a commit by {who} waits to be confirmed for {seconds} s: `commit` confirms it, `abort` takes it back"
    )]
    Awaiting {
        /// Whose.
        who: String,
        /// How long it still waits.
        seconds: u64,
    },
    /// Somebody else's commit waits, and the candidate here with it.
    #[error(
        "nothing is committed: a commit by {who} waits to be confirmed for {seconds} s, and nothing else is changed until \
        then; your candidate is kept: `commit` again after that (outside of a candidate, `commit` confirms theirs and \
        `abort` takes it back)"
    )]
    AwaitingOthers {
        /// Whose.
        who: String,
        /// How long it still waits.
        seconds: u64,
    },
    /// The candidate is what runs.
    #[error(
        "there is nothing to commit: the candidate has no lines, and no commit from it waits to be confirmed"
    )]
    NoLines,
    /// Nothing waits.
    #[error(
        "nothing waits to be confirmed: lines after `configure terminal` are in force as typed"
    )]
    NothingToCommit,
    /// Nothing to give up.
    #[error("there is nothing to give up: no candidate here, and no commit waits to be confirmed")]
    NothingToAbort,
    /// The candidate was made from another configuration.
    #[error(
        "nothing is changed: {0} has changed the configuration since; your lines now stand on top of that: look \
        at `show diff`, and `commit` again"
    )]
    Rebased(String),
    /// The candidate does not fit what runs.
    #[error(
        "nothing is changed: {who} has changed the configuration since, and your line `{line}` does not fit it: \
        {conflict}; `abort`, and start from what runs now"
    )]
    DoesNotFit {
        /// Who changed it.
        who: String,
        /// Which line.
        line: String,
        /// Why.
        conflict: String,
    },
    /// There is none of that name to attach.
    #[error("there is no port-profile `{0}`: `show port-profile` lists those there are")]
    NoSuchProfile(ProfileName),
    /// That far back nothing is known.
    #[error("only {0} changes are kept: `show configuration history` lists them")]
    NotKept(usize),
}

fn not_committed(lines: usize) -> String {
    match lines {
        1 => "1 line is not committed".to_owned(),
        lines => format!("{lines} lines are not committed"),
    }
}
