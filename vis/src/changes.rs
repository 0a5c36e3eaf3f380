//! Who holds the configuration, and how it is changed: as typed, or as a candidate that is committed.
//!
//! Nothing here opens a file, a socket or a device, or reads a clock. The daemon hands every line that configures to
//! [`Changes::say`]. What comes back may propose another configuration; the daemon makes it the switch's, and then
//! says so ([`Changes::accept`]). One it cannot follow was never in force.
//!
//! No update is lost: a candidate knows which configuration it was made from. When that is no longer the running
//! one, its lines are said again on top of what runs now, its holder is told, and `commit` has to be said again.

mod candidate;
mod commit;
mod diff;
mod history;
mod notes;
mod refused;
#[cfg(test)]
mod tests;

pub use diff::diff;
pub use history::{How, MAX_HISTORY, Past};
pub use refused::Refused;

use crate::config::{
    Config, Confirm, Context, Diagnostic, Line, MAX_FILE, PortLine, ProfileName, Steps, Typed,
    VethId, Way,
};
use candidate::Candidates;
use commit::Awaiting;
use history::History;
use notes::Notes;
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
    /// Of what happened by itself, how much this shell has been told.
    #[serde(default)]
    pub told: u64,
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
    /// For the log: what came of it, if no configuration is proposed that would say so.
    pub log: Option<String>,
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

impl Proposed {
    /// Somebody takes a commit back that waits to be confirmed.
    pub fn is_abort(&self) -> bool {
        self.how == How::Aborted
    }
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
    notes: Notes,
}

impl Changes {
    /// From the configuration at start. Candidates are numbered from somewhere behind `first`, which is another one in
    /// each process: a shell that was there before finds its candidate gone, and not somebody else's.
    pub fn new(running: Arc<Config>, first: u32) -> Self {
        Self {
            running,
            revision: 0,
            history: History::default(),
            candidates: Candidates::default(),
            numbers: u64::from(first) << 20,
            awaiting: None,
            notes: Notes::default(),
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

    /// What happened by itself not long ago, and the shell that is at `at` has not been told; from now on it has.
    pub fn notes(&self, at: &mut At, now: Duration) -> Vec<String> {
        let notes = self.notes.since(at.told, now);
        at.told = self.notes.all();
        notes
    }

    /// Candidates whose holders are gone are given up: nobody can come back to them.
    pub fn give_up(&mut self, is_gone: impl Fn(&Who) -> bool) {
        self.candidates.give_up(is_gone);
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
            ..Said::default()
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
            Line::Exit | Line::End => self.leave(at, who, now),
            line => {
                let context = at.context.clone().ok_or(Refused::NotConfiguring)?;
                match at.candidate {
                    Some(number) => self.draft(at, number, context, line, text, who, now),
                    None => self.type_in(at, context, line, text, who, now),
                }
            }
        }
    }

    /// What `commit` would change of what runs now.
    ///
    /// # Errors
    /// There is none here; or a line of it does not fit what somebody else has changed since.
    pub fn candidate_diff(&self, at: &At, who: &Who) -> Result<Vec<String>, Refused> {
        Ok(diff(&self.running, &self.candidate(at, who)?))
    }

    /// What `commit` would put in force.
    ///
    /// # Errors
    /// As [`Changes::candidate_diff`].
    pub fn candidate(&self, at: &At, who: &Who) -> Result<Config, Refused> {
        let number = at.candidate.ok_or(Refused::NoCandidate)?;
        let mut candidate = self.candidates.look_at(number, who)?.clone();
        if !candidate.stands_on(self.revision) {
            let stood = candidate.stand_on(&self.running, self.revision);
            stood.map_err(|misfit| self.does_not_fit(misfit))?;
        }
        Ok(candidate.config)
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
                told: at.told,
                entry: self.numbers,
            },
            told,
            ..Said::default()
        })
    }

    /// Outside the configuration, without losing what was typed.
    fn leave(&mut self, at: &At, who: &Who, now: Now) -> Result<Said, Refused> {
        if let Some(number) = at.candidate
            // One that is gone is lost already.
            && let Ok(candidate) = self.candidates.own(number, who)
        {
            match candidate.open_lines() {
                0 => self.candidates.remove(number),
                lines => return Err(Refused::NotCommitted(lines)),
            }
            return Ok(Said {
                told: self.still_waits(number, now),
                ..Said::default()
            });
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
        self.refuse_while_awaiting(now)?;
        let mut config = (*self.running).clone();
        // Of a vEth that only its host has asked for nothing may be said yet.
        let inside = config.apply(&Context::Config, Line::Veth(veth))?;
        config.apply(&inside, Line::Port(PortLine::Inherit(Some(profile))))?;
        self.numbers += 1;
        Ok(Said {
            at: at.clone(),
            ..self.typed(config, text, who, self.numbers)?
        })
    }

    fn does_not_fit(&self, (line, conflict): (String, String)) -> Refused {
        Refused::DoesNotFit {
            who: self.history.last_who(),
            line,
            conflict,
        }
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
        Ok(Said {
            at: At {
                context: Some(next),
                ..at.clone()
            },
            ..self.typed(config, text, who, at.entry)?
        })
    }

    /// What came of `text`, without the place of the next line.
    fn typed(&self, config: Config, text: &str, who: &Who, entry: u64) -> Result<Said, Refused> {
        check(&config)?;
        fits_a_file(&config)?;
        let told = new_warnings(&self.running, &config);
        let proposed = (config != *self.running).then(|| Proposed {
            config: Arc::new(config),
            how: How::Typed,
            line: text.trim().to_owned(),
            who: who.clone(),
            entry,
            candidate: None,
            confirm: None,
        });
        Ok(Said {
            told,
            proposed,
            ..Said::default()
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
            ..Said::default()
        })
    }

    fn rollback(&mut self, at: &At, steps: Steps, who: &Who, now: Now) -> Result<Said, Refused> {
        self.refuse_while_awaiting(now)?;
        if at.candidate.is_some() {
            return Err(Refused::Configuring);
        }
        let config = self.history.before(steps.get().into());
        let config = config.ok_or_else(|| Refused::NotKept(self.history.iter().count()))?;
        if config == self.running {
            return Ok(Said {
                at: at.clone(),
                told: vec!["there is nothing to change".to_owned()],
                ..Said::default()
            });
        }
        Ok(Said {
            at: at.clone(),
            proposed: Some(Proposed {
                config,
                how: How::Rollback,
                line: format!("rollback {steps}"),
                who: who.clone(),
                entry: 0,
                candidate: None,
                confirm: None,
            }),
            ..Said::default()
        })
    }

    /// What was proposed is in force. The value says for the log who changed what.
    pub fn accept(&mut self, proposed: Proposed, now: Now) -> String {
        let before = std::mem::replace(&mut self.running, proposed.config);
        self.revision += 1;
        let changed = diff(&before, &self.running).join(" | ");
        // Nothing else is changed while a commit waits: this is its end, or its holder's next one.
        let waited = self.awaiting.take();
        let (who, how) = (&proposed.who, proposed.how);
        let log = match (how, &waited) {
            (How::Typed, _) => format!(
                "configuration changed by {who}, who typed `{}`: {changed}",
                proposed.line
            ),
            (How::NotConfirmed | How::Aborted, Some(waited)) => {
                let reason = match how {
                    How::Aborted => format!("was aborted by {who}"),
                    _ => "was not confirmed in time".to_owned(),
                };
                let number = waited.candidate;
                let kept =
                    number.is_some_and(|number| self.candidates.taken_back(number, self.revision));
                let kept = match kept {
                    true => "; its lines are in its candidate again",
                    false => "",
                };
                let note = format!(
                    "the commit by {} {reason}: the configuration is the one before it again{kept}",
                    waited.who
                );
                let log = format!("{note}: {changed}");
                self.notes.add(note, now.since_start);
                log
            }
            (how, None) => format!("configuration changed by {who} ({how}): {changed}"),
            (how, Some(waited)) => {
                if let Some(number) = waited.candidate {
                    self.candidates.confirmed(number);
                }
                format!(
                    "the commit by {} is confirmed by {who}, and the configuration changed ({how}): {changed}",
                    waited.who
                )
            }
        };
        match (proposed.candidate, proposed.confirm) {
            (Some(number), Some(_)) => self.candidates.waits(number, self.revision),
            (Some(number), None) => self.candidates.committed(number, self.revision),
            (None, _) => {}
        }
        if let Some(confirm) = proposed.confirm {
            self.awaiting = Some(Awaiting {
                who: proposed.who.clone(),
                before: before.clone(),
                candidate: proposed.candidate,
                due: now.since_start + Duration::from_secs(confirm.get().into()),
                aborted: None,
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

/// A switch has to be able to start with what it has saved.
fn fits_a_file(config: &Config) -> Result<(), Refused> {
    match config.running_config().len() {
        0..=MAX_FILE => Ok(()),
        octets => Err(Refused::TooLong(octets)),
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
