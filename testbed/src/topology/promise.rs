//! Holds a lab to what its file promises: who shares a group reaches each other, and nobody else.

use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::error::{Result, check};
use crate::lab::Lab;
use ::topology::{Ask, Topology};
use std::time::Duration;

/// How long the first answer may take: addresses have to be found.
const ANSWERED: Patience = Patience {
    payload: 56,
    within: Duration::from_secs(8),
    linger: Duration::from_millis(50),
};
/// How long it is waited for an answer that must not come.
const UNANSWERED: Patience = Patience {
    payload: 56,
    within: Duration::from_millis(1_200),
    linger: Duration::from_millis(200),
};

/// What was asked in a lab that kept its promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Addresses that answered.
    pub(crate) answered: usize,
    /// Addresses that were asked for, and did not answer, as they must.
    pub(crate) unanswered: usize,
}

impl Kept {
    /// Asks everybody everything.
    ///
    /// # Errors
    /// An answer did not come, or one came that must not.
    pub(crate) fn by(lab: &Lab, topology: &Topology) -> Result<Self> {
        let questions = topology.questions();
        let (to_answer, others): (Vec<_>, Vec<_>) = questions.iter().partition(|ask| ask.answered);
        for (ask, (_, answered)) in to_answer.iter().zip(ask_all(lab, &to_answer, ANSWERED)?) {
            check(answered, || {
                format!("{} does not reach {} ({})", ask.from, ask.to, ask.address)
            })?;
        }
        for (ask, (sent, answered)) in others.iter().zip(ask_all(lab, &others, UNANSWERED)?) {
            check(!answered, || {
                format!("{} reaches {} ({})", ask.from, ask.to, ask.address)
            })?;
            check(sent, || {
                format!(
                    "the kernel of {} did not even ask for {}",
                    ask.from, ask.address
                )
            })?;
        }
        Ok(Self {
            answered: to_answer.len(),
            unanswered: others.len(),
        })
    }
}

/// Of each question, whether it was sent and whether it was answered.
fn ask_all(lab: &Lab, questions: &[&Ask], patience: Patience) -> Result<Vec<(bool, bool)>> {
    let mut askers = Vec::new();
    let mut pairs = Vec::new();
    for ask in questions {
        let name = ask.from.host.as_str();
        let from = match askers.iter().position(|known| *known == name) {
            Some(from) => from,
            None => {
                askers.push(name);
                askers.len() - 1
            }
        };
        pairs.push(Pair {
            from,
            to: ask.address,
        });
    }
    let namespaces = askers.iter().map(|name| Ok(&lab.host(name)?.netns));
    let namespaces = namespaces.collect::<Result<Vec<_>>>()?;
    let outcomes = ping_all(&namespaces, &pairs, patience)?;
    let of_pair = |pair| {
        let outcome = outcomes.get(pair).copied().unwrap_or_default();
        (outcome.sent > 0, outcome.is_clean())
    };
    Ok(pairs.iter().map(of_pair).collect())
}
