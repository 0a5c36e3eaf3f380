//! Configurations that are to be: lines that are typed, and in force only when they are committed.

use super::{
    CANDIDATE_IDLE, MAX_CANDIDATE_LINES, MAX_CANDIDATES, Refused, Who, check, new_warnings,
};
use crate::config::{Config, Context, Line};
use std::collections::BTreeMap;
use std::time::Duration;

/// A line, with what is needed to say it again.
#[derive(Clone, Debug)]
struct Spoken {
    context: Context,
    line: Line,
    text: String,
}

#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) config: Config,
    who: Who,
    base: u64,
    lines: Vec<Spoken>,
    /// So many of them, the first ones, are in force and wait to be confirmed.
    waiting: usize,
    touched: Duration,
}

impl Candidate {
    /// Lines that are not committed.
    pub(super) fn open_lines(&self) -> usize {
        self.lines.len().saturating_sub(self.waiting)
    }

    pub(super) fn touch(&mut self, now: Duration) {
        self.touched = now;
    }

    /// One more line. Where the next one is said, and what whoever said it should know.
    pub(super) fn add(
        &mut self,
        context: Context,
        line: Line,
        text: &str,
    ) -> Result<(Context, Vec<String>), Refused> {
        if self.lines.len() >= MAX_CANDIDATE_LINES {
            return Err(Refused::TooManyLines);
        }
        let mut config = self.config.clone();
        let next = config.apply(&context, line.clone())?;
        check(&config)?;
        let told = new_warnings(&self.config, &config);
        // Going where one can be already is nothing to commit.
        let goes = matches!(
            line,
            Line::Vlan(_) | Line::Profile(_) | Line::Ethernet(_) | Line::Veth(_)
        );
        if goes && config == self.config {
            return Ok((next, told));
        }
        self.config = config;
        self.lines.push(Spoken {
            context,
            line,
            text: text.trim().to_owned(),
        });
        Ok((next, told))
    }

    /// It was made from this revision.
    pub(super) const fn stands_on(&self, revision: u64) -> bool {
        self.base == revision
    }

    /// Says its lines again on top of another configuration; else which does not fit, and why.
    pub(super) fn stand_on(
        &mut self,
        running: &Config,
        revision: u64,
    ) -> Result<(), (String, String)> {
        let mut config = running.clone();
        for spoken in self.lines.iter().skip(self.waiting) {
            config
                .apply(&spoken.context, spoken.line.clone())
                .map_err(|conflict| (spoken.text.clone(), conflict.to_string()))?;
        }
        if let Some((name, fault)) = config.inheritance_faults().into_iter().next() {
            return Err((format!("port-profile {name}"), fault));
        }
        self.config = config;
        self.base = revision;
        Ok(())
    }

    /// Nothing is left to commit: `revision` has it all.
    pub(super) fn committed(&mut self, revision: u64) {
        self.lines.clear();
        self.waiting = 0;
        self.base = revision;
    }

    /// Nothing is left to commit, but what `revision` has may be taken back.
    fn waits(&mut self, revision: u64) {
        self.waiting = self.lines.len();
        self.base = revision;
    }

    /// What waited stays in force.
    pub(super) fn confirmed(&mut self) {
        self.lines.drain(..self.waiting.min(self.lines.len()));
        self.waiting = 0;
    }

    /// What waited is not in force any more, and is left to be committed as before. Nothing else is changed while a
    /// commit waits, so `revision` is what the candidate was made from.
    fn taken_back(&mut self, revision: u64) {
        self.waiting = 0;
        self.base = revision;
    }
}

/// All there are, by number.
#[derive(Debug, Default)]
pub(super) struct Candidates(BTreeMap<u64, Candidate>);

impl Candidates {
    pub(super) fn give_up_idle(&mut self, now: Duration) {
        let in_use = |candidate: &Candidate| now.saturating_sub(candidate.touched) < CANDIDATE_IDLE;
        self.0.retain(|_, candidate| in_use(candidate));
    }

    pub(super) fn give_up(&mut self, is_gone: impl Fn(&Who) -> bool) {
        self.0.retain(|_, candidate| !is_gone(&candidate.who));
    }

    /// One more, made from `running`. The value says who has one too.
    pub(super) fn open(
        &mut self,
        number: u64,
        who: &Who,
        running: &Config,
        revision: u64,
        now: Duration,
    ) -> Result<Vec<String>, Refused> {
        let holders = self.0.values().map(|candidate| candidate.who.to_string());
        if self.0.len() >= MAX_CANDIDATES {
            let holders: Vec<String> = holders.collect();
            return Err(Refused::TooManyCandidates(holders.join(", ")));
        }
        let told = holders
            .map(|holder| format!("{holder} has a candidate too"))
            .collect();
        let candidate = Candidate {
            config: running.clone(),
            who: who.clone(),
            base: revision,
            lines: Vec::new(),
            waiting: 0,
            touched: now,
        };
        self.0.insert(number, candidate);
        Ok(told)
    }

    /// That of this number, if it is `who`'s.
    pub(super) fn own(&mut self, number: u64, who: &Who) -> Result<&mut Candidate, Refused> {
        let candidate = self.0.get_mut(&number);
        candidate
            .filter(|candidate| candidate.who.uid == who.uid)
            .ok_or(Refused::NoSuchCandidate)
    }

    pub(super) fn look_at(&self, number: u64, who: &Who) -> Result<&Candidate, Refused> {
        let candidate = self.0.get(&number);
        candidate
            .filter(|candidate| candidate.who.uid == who.uid)
            .ok_or(Refused::NoSuchCandidate)
    }

    /// It is in force.
    pub(super) fn committed(&mut self, number: u64, revision: u64) {
        if let Some(candidate) = self.0.get_mut(&number) {
            candidate.committed(revision);
        }
    }

    /// It is in force, and waits to be confirmed.
    pub(super) fn waits(&mut self, number: u64, revision: u64) {
        if let Some(candidate) = self.0.get_mut(&number) {
            candidate.waits(revision);
        }
    }

    /// What waited of it stays in force.
    pub(super) fn confirmed(&mut self, number: u64) {
        if let Some(candidate) = self.0.get_mut(&number) {
            candidate.confirmed();
        }
    }

    /// What waited of it is not in force any more; whether it is there to have its lines back.
    pub(super) fn taken_back(&mut self, number: u64, revision: u64) -> bool {
        let candidate = self.0.get_mut(&number);
        candidate
            .map(|candidate| candidate.taken_back(revision))
            .is_some()
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.0.remove(&number);
    }
}
