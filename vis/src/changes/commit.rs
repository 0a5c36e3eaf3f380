//! A candidate becomes the configuration: `commit`, for good or to be confirmed, and `abort`.

use super::history::How;
use super::{At, Changes, Now, Proposed, Refused, Said, Who, fits_a_file};
use crate::config::{Config, Confirm};
use std::sync::Arc;
use std::time::Duration;

/// Until what could not be taken back is tried again (ours).
const AGAIN: Duration = Duration::from_secs(10);

/// A commit that waits to be confirmed.
#[derive(Clone, Debug)]
pub(super) struct Awaiting {
    pub(super) who: Who,
    pub(super) before: Arc<Config>,
    /// Whose lines they are.
    pub(super) candidate: Option<u64>,
    pub(super) due: Duration,
    /// Who takes it back before that.
    pub(super) aborted: Option<Who>,
}

impl Changes {
    /// Which commit waits, and how long it still does.
    pub fn awaiting(&self, now: Duration) -> Option<(&Who, Duration)> {
        let awaiting = self.awaiting.as_ref()?;
        Some((&awaiting.who, awaiting.due.saturating_sub(now)))
    }

    /// When [`Changes::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.awaiting.as_ref().map(|awaiting| awaiting.due)
    }

    /// A commit that was not confirmed in time is proposed to be taken back. It waits on until that is accepted.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Proposed> {
        let awaiting = self.awaiting.as_ref()?;
        let (how, who) = match &awaiting.aborted {
            Some(who) => (How::Aborted, who),
            None => (How::NotConfirmed, &awaiting.who),
        };
        (awaiting.due <= now).then(|| Proposed {
            config: awaiting.before.clone(),
            how,
            line: String::new(),
            who: who.clone(),
            entry: 0,
            candidate: None,
            confirm: None,
        })
    }

    /// What was proposed to take a commit back cannot be followed: it is proposed again in a while.
    pub fn cannot_take_back(&mut self, why: &str, now: Duration) {
        if let Some(awaiting) = &mut self.awaiting {
            awaiting.due = now + AGAIN;
            let reason = match &awaiting.aborted {
                Some(who) => format!("was aborted by {who}"),
                None => "was not confirmed in time".to_owned(),
            };
            let note = format!(
                "the commit by {} {reason} and cannot be taken back: {why}; that is tried again every {} s, and `commit` \
                confirms it",
                awaiting.who,
                AGAIN.as_secs()
            );
            self.notes.add(note, now);
        }
    }

    pub(super) fn commit(
        &mut self,
        at: &At,
        confirm: Option<Confirm>,
        who: &Who,
        now: Now,
    ) -> Result<Said, Refused> {
        let Some(number) = at.candidate else {
            return match confirm {
                Some(_) => Err(Refused::NoCandidate),
                None => self.confirm(at, who),
            };
        };
        let open_lines = self.candidates.own(number, who)?.open_lines();
        let confirms = self.waits_from(number);
        if confirms && open_lines == 0 && confirm.is_none() {
            return self.confirm(at, who);
        }
        if !confirms || open_lines == 0 {
            self.refuse_while_others_wait(number, now)?;
        }
        if open_lines == 0 {
            return Err(Refused::NoLines);
        }
        let (revision, running) = (self.revision, self.running.clone());
        let changer = self.history.last_who();
        let candidate = self.candidates.own(number, who)?;
        candidate.touch(now.since_start);
        if !candidate.stands_on(revision) {
            let stood = candidate.stand_on(&running, revision);
            return Err(match stood {
                Ok(()) => Refused::Rebased(changer),
                Err(misfit) => self.does_not_fit(misfit),
            });
        }
        if candidate.config == *running {
            let nothing = "there is nothing to change".to_owned();
            let mut said = match confirms {
                true => self.confirm(at, who)?,
                false => Said {
                    at: at.clone(),
                    ..Said::default()
                },
            };
            self.candidates.committed(number, revision);
            said.told.push(nothing);
            return Ok(said);
        }
        fits_a_file(&candidate.config)?;
        // What waits is confirmed when what stands on it is in force, so that a refusal has changed nothing.
        let told = match confirms {
            true => vec![
                "the commit before is confirmed".to_owned(),
                format!("{} since then: committed", lines(open_lines)),
            ],
            false => Vec::new(),
        };
        Ok(Said {
            at: at.clone(),
            told,
            log: None,
            proposed: Some(Proposed {
                config: Arc::new(candidate.config.clone()),
                how: How::Commit,
                line: String::new(),
                who: who.clone(),
                entry: at.entry,
                candidate: Some(number),
                confirm,
            }),
        })
    }

    /// What waits stays, whoever committed it.
    fn confirm(&mut self, at: &At, who: &Who) -> Result<Said, Refused> {
        let awaiting = self.awaiting.take().ok_or(Refused::NothingToCommit)?;
        if let Some(number) = awaiting.candidate {
            self.candidates.confirmed(number);
        }
        let whose = match awaiting.who == *who {
            true => "confirmed".to_owned(),
            false => format!("confirmed: the commit by {}", awaiting.who),
        };
        Ok(Said {
            at: at.clone(),
            told: vec![whose],
            log: Some(format!(
                "the commit by {} is confirmed by {who}",
                awaiting.who
            )),
            proposed: None,
        })
    }

    /// With words for whoever has a candidate, in which `commit` and `abort` are about that.
    fn refuse_while_others_wait(&self, number: u64, now: Now) -> Result<(), Refused> {
        match self.refuse_while_awaiting(now) {
            Err(Refused::Awaiting { who, seconds }) if !self.waits_from(number) => {
                Err(Refused::AwaitingOthers { who, seconds })
            }
            outcome => outcome,
        }
    }

    /// Gives up the lines of a candidate; where there is none, takes back the commit that waits.
    pub(super) fn abort(&mut self, at: &At, who: &Who, now: Now) -> Result<Said, Refused> {
        let Some(number) = at.candidate else {
            return self.take_back(at, who, now, "the commit is taken back");
        };
        let Ok(candidate) = self.candidates.own(number, who) else {
            return Ok(Said {
                told: vec!["the candidate was gone already".to_owned()],
                ..Said::default()
            });
        };
        candidate.touch(now.since_start);
        let open_lines = candidate.open_lines();
        if open_lines == 0 && self.waits_from(number) {
            let told = "the commit is taken back: its lines are in the candidate again, and `abort` gives them up";
            return self.take_back(at, who, now, told);
        }
        self.candidates.remove(number);
        let mut told = vec![match open_lines {
            0 => "the candidate is given up: it had no lines".to_owned(),
            open_lines => format!("the candidate is given up, with {}", lines(open_lines)),
        }];
        told.extend(self.still_waits(number, now));
        Ok(Said {
            told,
            ..Said::default()
        })
    }

    fn take_back(&mut self, at: &At, who: &Who, now: Now, told: &str) -> Result<Said, Refused> {
        let Some(awaiting) = self.awaiting.as_mut() else {
            return Err(Refused::NothingToAbort);
        };
        awaiting.due = now.since_start;
        awaiting.aborted = Some(who.clone());
        Ok(Said {
            at: at.clone(),
            told: vec![told.to_owned()],
            ..Said::default()
        })
    }

    /// Of whoever leaves a candidate from which a commit waits.
    pub(super) fn still_waits(&self, number: u64, now: Now) -> Vec<String> {
        let waiting = self.awaiting(now.since_start);
        let waiting = waiting.filter(|_| self.waits_from(number));
        let sentence = |(_, left): (&Who, Duration)| {
            format!(
                "what was committed still waits {} s to be confirmed: `commit` confirms it, `abort` takes it back",
                left.as_secs() + 1
            )
        };
        waiting.map(sentence).into_iter().collect()
    }

    /// What waits was committed from this candidate.
    fn waits_from(&self, number: u64) -> bool {
        (self.awaiting.as_ref()).is_some_and(|awaiting| awaiting.candidate == Some(number))
    }
}

/// So many, in words.
fn lines(number: usize) -> String {
    match number {
        1 => "1 line".to_owned(),
        number => format!("{number} lines"),
    }
}
