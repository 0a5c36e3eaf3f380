//! Who holds the configuration, and how it is changed: as typed, or as a candidate that is committed.
//!
//! Nothing here opens a file, a socket or a device, or reads a clock. The daemon hands every line that configures to
//! [`Changes::say`]. What comes back may propose another configuration; the daemon makes it the switch's, and then
//! says so ([`Changes::accept`]). One it cannot follow was never in force.
//!
//! No update is lost: a candidate knows which configuration it was made from. When that is no longer the running
//! one, its lines are said again on top of what runs now, its holder is told, and `commit` has to be said again.

mod candidate;
mod diff;
mod history;
mod refused;
#[cfg(test)]
mod tests;

pub use diff::diff;
pub use history::{How, MAX_HISTORY, Past};
pub use refused::Refused;

use crate::config::{
    Config, Confirm, Context, Diagnostic, InterfaceId, Line, PortLine, ProfileName, Steps, Typed,
    VethId, Way,
};
use candidate::Candidates;
use history::History;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Candidates at once (ours): the people of one switch.
pub const MAX_CANDIDATES: usize = 16;
/// Lines of one candidate, at most: those of the longest file, about.
pub const MAX_CANDIDATE_LINES: usize = 100_000;
/// A candidate that nobody touches is given up after this time (ours).
pub const CANDIDATE_IDLE: Duration = Duration::from_secs(3600);

/// Where in the language somebody is. The shell holds it and says it with every line; a daemon trusts none of it
/// further than it would trust the lines that lead there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// What the lines are about; `None`: outside the configuration.
    pub context: Option<Context>,
    /// Of a candidate, its number; `None`: lines are in force as typed.
    pub candidate: Option<u64>,
    /// Which `configure` led here: what is typed after one of them is one change to take back.
    pub entry: u64,
}

/// Who changes something, as the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// User.
    pub uid: u32,
    /// That user's name, if there is one.
    pub name: Option<String>,
    /// The process.
    pub pid: Option<i32>,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (uid {}", self.uid)?,
            None => write!(f, "uid {} (", self.uid)?,
        }
        match (self.pid, &self.name) {
            (Some(pid), Some(_)) => write!(f, ", process {pid})"),
            (Some(pid), None) => write!(f, "process {pid})"),
            (None, Some(_)) => f.write_str(")"),
            (None, None) => f.write_str("another machine's)"),
        }
    }
}

/// The time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Since the daemon was started.
    pub since_start: Duration,
    /// For people.
    pub clock: SystemTime,
}

/// What came of a line.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Where the next line is said.
    pub at: At,
    /// For whoever said it.
    pub told: Vec<String>,
    /// What is to be in force.
    pub proposed: Option<Proposed>,
}

/// A configuration that is to be in force.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// It.
    pub config: Arc<Config>,
    how: How,
    line: String,
    who: Who,
    entry: u64,
    candidate: Option<u64>,
    confirm: Option<Confirm>,
}

#[derive(Clone, Debug)]
struct Awaiting {
    who: Who,
    before: Arc<Config>,
    due: Duration,
}

/// The configuration in force, those before it, and those to be.
#[derive(Debug)]
pub struct Changes {
    running: Arc<Config>,
    revision: u64,
    history: History,
    candidates: Candidates,
    numbers: u64,
    awaiting: Option<Awaiting>,
    /// What happened by itself, for the next shell.
    notes: Vec<String>,
}

impl Changes {
    /// From the configuration at start.
    pub fn new(running: Arc<Config>) -> Self {
        Self {
            running,
            revision: 0,
            history: History::default(),
            candidates: Candidates::default(),
            numbers: 0,
            awaiting: None,
            notes: Vec::new(),
        }
    }

    /// In force.
    pub const fn running(&self) -> &Arc<Config> {
        &self.running
    }

    /// The last change first.
    pub fn history(&self) -> impl Iterator<Item = &Past> {
        self.history.iter()
    }

    /// What happened by itself since a shell was last told.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Which commit waits, and how long it still does.
    pub fn awaiting(&self, now: Duration) -> Option<(&Who, Duration)> {
        let awaiting = self.awaiting.as_ref()?;
        Some((&awaiting.who, awaiting.due.saturating_sub(now)))
    }

    /// When [`Changes::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.awaiting.as_ref().map(|awaiting| awaiting.due)
    }

    /// A commit that was not confirmed in time is proposed to be taken back.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Proposed> {
        let awaiting = self.awaiting.take_if(|awaiting| awaiting.due <= now)?;
        let note = format!(
            "the commit by {} was not confirmed in time: the configuration is the one before it again",
            awaiting.who
        );
        // As many as a screen holds: nobody may ever come to read them.
        if self.notes.len() < 20 {
            self.notes.push(note);
        }
        Some(Proposed {
            config: awaiting.before,
            how: How::NotConfirmed,
            line: String::new(),
            who: awaiting.who,
            entry: 0,
            candidate: None,
            confirm: None,
        })
    }

    /// Takes a line, which is `text`, said by `who` at `at`.
    ///
    /// # Errors
    /// Why nothing is changed; where the next line is said is then where this one was, but that of a candidate may
    /// stand on another configuration now ([`Refused::Rebased`]).
    pub fn say(
        &mut self,
        at: &At,
        line: Line,
        text: &str,
        who: &Who,
        now: Now,
    ) -> Result<Said, Refused> {
        self.candidates.give_up_idle(now.since_start);
        let stay = |told: Vec<String>| Said {
            at: at.clone(),
            told,
            proposed: None,
        };
        match line {
            Line::Typed(Typed::Configure(way)) => self.configure(at, way, who, now),
            Line::Typed(Typed::Commit(confirm)) => self.commit(at, confirm, who, now),
            Line::Typed(Typed::Abort) => self.abort(at, who, now),
            Line::Typed(Typed::Rollback(steps)) => self.rollback(at, steps, who, now),
            Line::Typed(Typed::Attach(veth, profile)) => {
                self.attach(at, veth, profile, text, who, now)
            }
            Line::Exit | Line::End if at.context.is_none() => Ok(stay(Vec::new())),
            Line::Exit if at.context != Some(Context::Config) => Ok(Said {
                at: At {
                    context: Some(Context::Config),
                    ..at.clone()
                },
                ..Said::default()
            }),
            Line::Exit | Line::End => self.leave(at, who),
            line => {
                let context = at.context.clone().ok_or(Refused::NotConfiguring)?;
                match at.candidate {
                    Some(number) => self.draft(at, number, context, line, text, who, now),
                    None => self.type_in(at, context, line, text, who, now),
                }
            }
        }
    }

    /// What a candidate would change.
    ///
    /// # Errors
    /// There is none here.
    pub fn candidate_diff(&self, at: &At, who: &Who) -> Result<Vec<String>, Refused> {
        let number = at.candidate.ok_or(Refused::NoCandidate)?;
        let candidate = self.candidates.look_at(number, who)?;
        Ok(diff(&self.running, &candidate.config))
    }

    fn configure(&mut self, at: &At, way: Way, who: &Who, now: Now) -> Result<Said, Refused> {
        if at.context.is_some() {
            return Err(Refused::Configuring);
        }
        self.numbers += 1;
        let (candidate, told) = match way {
            Way::AsTyped => (None, Vec::new()),
            Way::Candidate => {
                let (running, since_start) = (&self.running, now.since_start);
                let opened =
                    (self.candidates).open(self.numbers, who, running, self.revision, since_start);
                (Some(self.numbers), opened?)
            }
        };
        Ok(Said {
            at: At {
                context: Some(Context::Config),
                candidate,
                entry: self.numbers,
            },
            told,
            proposed: None,
        })
    }

    /// Outside the configuration, without losing what was typed.
    fn leave(&mut self, at: &At, who: &Who) -> Result<Said, Refused> {
        if let Some(number) = at.candidate
            // One that is gone is lost already.
            && let Ok(candidate) = self.candidates.own(number, who)
        {
            match candidate.open_lines() {
                0 => self.candidates.remove(number),
                lines => return Err(Refused::NotCommitted(lines)),
            }
        }
        Ok(Said::default())
    }

    /// As `inherit port-profile` of that vEth, without `configure`: one change to take back.
    fn attach(
        &mut self,
        at: &At,
        veth: VethId,
        profile: ProfileName,
        text: &str,
        who: &Who,
        now: Now,
    ) -> Result<Said, Refused> {
        if !self.running.profiles.contains_key(&profile) {
            return Err(Refused::NoSuchProfile(profile));
        }
        self.numbers += 1;
        let inside = At {
            entry: self.numbers,
            ..At::default()
        };
        let line = Line::Port(PortLine::Inherit(Some(profile)));
        let said = self.type_in(
            &inside,
            Context::Interface(InterfaceId::Veth(veth)),
            line,
            text,
            who,
            now,
        )?;
        Ok(Said {
            at: at.clone(),
            ..said
        })
    }

    fn refuse_while_awaiting(&self, now: Now) -> Result<(), Refused> {
        match self.awaiting(now.since_start) {
            None => Ok(()),
            Some((who, left)) => Err(Refused::Awaiting {
                who: who.to_string(),
                seconds: left.as_secs() + 1,
            }),
        }
    }

    fn type_in(
        &mut self,
        at: &At,
        context: Context,
        line: Line,
        text: &str,
        who: &Who,
        now: Now,
    ) -> Result<Said, Refused> {
        self.refuse_while_awaiting(now)?;
        let mut config = (*self.running).clone();
        let next = config.apply(&context, line)?;
        check(&config)?;
        let told = new_warnings(&self.running, &config);
        let proposed = (config != *self.running).then(|| Proposed {
            config: Arc::new(config),
            how: How::Typed,
            line: text.trim().to_owned(),
            who: who.clone(),
            entry: at.entry,
            candidate: None,
            confirm: None,
        });
        Ok(Said {
            at: At {
                context: Some(next),
                ..at.clone()
            },
            told,
            proposed,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "all of a line, once")]
    fn draft(
        &mut self,
        at: &At,
        number: u64,
        context: Context,
        line: Line,
        text: &str,
        who: &Who,
        now: Now,
    ) -> Result<Said, Refused> {
        let candidate = self.candidates.own(number, who)?;
        candidate.touch(now.since_start);
        let (next, told) = candidate.add(context, line, text)?;
        Ok(Said {
            at: At {
                context: Some(next),
                ..at.clone()
            },
            told,
            proposed: None,
        })
    }

    fn commit(
        &mut self,
        at: &At,
        confirm: Option<Confirm>,
        who: &Who,
        now: Now,
    ) -> Result<Said, Refused> {
        let stay = |told: &str| Said {
            at: at.clone(),
            told: vec![told.to_owned()],
            proposed: None,
        };
        let Some(number) = at.candidate else {
            if confirm.is_some() {
                return Err(Refused::NoCandidate);
            }
            self.awaiting.take().ok_or(Refused::NothingToCommit)?;
            return Ok(stay("confirmed"));
        };
        if self.candidates.own(number, who)?.open_lines() == 0 && confirm.is_none() {
            // Of the shell that said `commit confirmed`.
            self.awaiting.take().ok_or(Refused::NothingToCommit)?;
            return Ok(stay("confirmed"));
        }
        self.refuse_while_awaiting(now)?;
        let (revision, running) = (self.revision, self.running.clone());
        let changer = self.history.last_who();
        let candidate = self.candidates.own(number, who)?;
        candidate.touch(now.since_start);
        if !candidate.stands_on(revision) {
            let stood = candidate.stand_on(&running, revision);
            return Err(match stood {
                Ok(()) => Refused::Rebased(changer),
                Err((line, conflict)) => Refused::DoesNotFit {
                    who: changer,
                    line,
                    conflict,
                },
            });
        }
        if candidate.config == *running {
            candidate.committed(revision);
            return Ok(stay("there is nothing to change"));
        }
        Ok(Said {
            at: at.clone(),
            told: Vec::new(),
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

    fn abort(&mut self, at: &At, who: &Who, now: Now) -> Result<Said, Refused> {
        if let Some(number) = at.candidate {
            // One that is gone is given up already.
            if self.candidates.own(number, who).is_ok() {
                self.candidates.remove(number);
            }
            return Ok(Said::default());
        }
        let Some(awaiting) = self.awaiting.as_mut() else {
            return Err(Refused::NothingToAbort);
        };
        awaiting.due = now.since_start;
        Ok(Said {
            at: at.clone(),
            told: vec!["the commit is taken back".to_owned()],
            proposed: None,
        })
    }

    fn rollback(&mut self, at: &At, steps: Steps, who: &Who, now: Now) -> Result<Said, Refused> {
        self.refuse_while_awaiting(now)?;
        if at.candidate.is_some() {
            return Err(Refused::Configuring);
        }
        let config = self.history.before(steps.get().into());
        let config = config.ok_or_else(|| Refused::NotKept(self.history.iter().count()))?;
        Ok(Said {
            at: at.clone(),
            told: Vec::new(),
            proposed: Some(Proposed {
                config,
                how: How::Rollback,
                line: format!("rollback {steps}"),
                who: who.clone(),
                entry: 0,
                candidate: None,
                confirm: None,
            }),
        })
    }

    /// What was proposed is in force. The value says for the log who changed what.
    pub fn accept(&mut self, proposed: Proposed, now: Now) -> String {
        let before = std::mem::replace(&mut self.running, proposed.config);
        self.revision += 1;
        let changed = diff(&before, &self.running);
        let log = match proposed.how {
            How::Typed => format!(
                "configuration changed by {}, who typed `{}`: {}",
                proposed.who,
                proposed.line,
                changed.join(" | ")
            ),
            how => format!(
                "configuration changed by {} ({how}): {}",
                proposed.who,
                changed.join(" | ")
            ),
        };
        if let Some(number) = proposed.candidate {
            self.candidates.committed(number, self.revision);
        }
        if let Some(confirm) = proposed.confirm {
            self.awaiting = Some(Awaiting {
                who: proposed.who.clone(),
                before: before.clone(),
                due: now.since_start + Duration::from_secs(confirm.get().into()),
            });
        }
        self.history.add(
            before,
            &self.running,
            proposed.how,
            proposed.who,
            proposed.entry,
            now.clock,
        );
        log
    }
}

fn check(config: &Config) -> Result<(), Refused> {
    match config.inheritance_faults().into_iter().next() {
        None => Ok(()),
        Some((name, fault)) => Err(Refused::Inheritance(name, fault)),
    }
}

/// What is warned about now, and was not before.
fn new_warnings(before: &Config, after: &Config) -> Vec<String> {
    let sentence = |warning: &Diagnostic| match &warning.help {
        Some(help) => format!("warning: {}; {help}", warning.message),
        None => format!("warning: {}", warning.message),
    };
    let known: Vec<String> = before.warnings().iter().map(sentence).collect();
    let mut new: Vec<String> = after.warnings().iter().map(sentence).collect();
    new.retain(|warning| !known.contains(warning));
    new
}
