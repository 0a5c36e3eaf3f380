//! From facts to findings. Sans-IO: nothing is looked at here.

mod daemon;
mod device;
mod host;
mod link;
#[cfg(test)]
mod tests;

use crate::facts::{Facts, Look};
use crate::{Finding, Report, Rule, Severity, Unseen};

/// Judges what was seen.
pub fn judge(facts: &Facts) -> Report {
    let mut verdict = Verdict::default();
    daemon::judge(facts, &mut verdict);
    // The daemon's devices are not the ones seen here: what is wrong with these is nothing to it.
    let elsewhere = facts.daemon.running().and_then(|running| running.here) == Some(false);
    if !elsewhere {
        for device in &facts.devices {
            device::judge(facts, device, &mut verdict);
        }
    }
    link::judge(facts, &mut verdict);
    host::judge(facts, &mut verdict);
    Report::new(
        facts.program,
        facts.release,
        verdict.findings,
        verdict.unseen,
    )
}

/// What is found as the rules are gone through.
#[derive(Default)]
struct Verdict {
    findings: Vec<Finding>,
    unseen: Vec<Unseen>,
}

impl Verdict {
    /// It is as it should be.
    fn well(&mut self, rule: Rule, about: &str, says: impl Into<String>) {
        self.say(rule, Severity::Ok, about, says.into(), None);
    }

    /// It is not, and a command here mends it.
    fn amiss(&mut self, rule: Rule, about: &str, says: impl Into<String>, mend: impl Into<String>) {
        let mend = Some(mend.into());
        self.say(rule, rule.severity(), about, says.into(), mend);
    }

    /// It is not, and the sentence says what mends it: it is no command of this box.
    fn amiss_elsewhere(&mut self, rule: Rule, about: &str, says: impl Into<String>) {
        self.say(rule, rule.severity(), about, says.into(), None);
    }

    fn say(
        &mut self,
        rule: Rule,
        severity: Severity,
        about: &str,
        says: String,
        mend: Option<String>,
    ) {
        self.findings.push(Finding {
            rule,
            severity,
            about: about.to_owned(),
            says,
            mend,
        });
    }

    /// It could not be looked at.
    fn unseen(&mut self, rule: Rule, about: &str, why: impl Into<String>) {
        self.unseen.push(Unseen {
            rule,
            about: about.to_owned(),
            why: why.into(),
        });
    }

    /// What was seen, if it was.
    fn seen<'a, T>(&mut self, rule: Rule, about: &str, look: &'a Look<T>) -> Option<&'a T> {
        match look {
            Ok(seen) => Some(seen),
            Err(why) => {
                self.unseen(rule, about, why.as_str());
                None
            }
        }
    }
}
