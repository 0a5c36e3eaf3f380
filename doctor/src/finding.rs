//! What is reported.

use crate::Rule;
use control_socket::print;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::process::ExitCode;

/// The version of the JSON layout; it grows when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is as it should be.
    Ok,
    /// Worth knowing; frames pass.
    Note,
    /// It costs frames at times, or will.
    Warning,
    /// Frames do not pass.
    Broken,
}

impl Severity {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// The device, file or program.
    pub about: String,
    /// A sentence.
    pub says: String,
    /// The command that mends it, for a shell of this box; `None`: there is nothing to mend, or it is not mended by a
    /// command here, and the sentence says how.
    pub mend: Option<String>,
}

/// One thing that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// Which rule.
    pub rule: Rule,
    /// The device, file or program.
    pub about: String,
    /// Why not.
    pub why: String,
}

/// The whole of it in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing is broken, and everything was looked at.
    Well,
    /// Something is broken.
    Broken,
    /// Nothing is known to be broken, and something could not be looked at.
    Unseen,
}

impl Status {
    /// What the command exits with: 0, 1, 2.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Broken => 1,
            Self::Unseen => 2,
        }
    }
}

/// What `doctor` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`]
    pub schema: u32,
    /// `iv` or `vis`.
    pub program: String,
    /// Its release.
    pub release: String,
    /// In a word.
    pub status: Status,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub unseen: Vec<Unseen>,
}

impl Report {
    /// Prints it, for people or as JSON. How the program ends says it in a number (`docs/doctor.md`).
    pub fn tell(&self, json: bool) -> ExitCode {
        let text = match json {
            // It has no map whose keys are no strings.
            true => serde_json::to_string_pretty(self).unwrap_or_default() + "\n",
            false => self.to_string(),
        };
        print(&text);
        ExitCode::from(self.status.exit_code())
    }

    /// Sorts what was found, the worst first, else in the order it was found.
    pub fn new(
        program: &str,
        release: &str,
        mut findings: Vec<Finding>,
        unseen: Vec<Unseen>,
    ) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let broken = findings.iter().any(|f| f.severity == Severity::Broken);
        Self {
            schema: SCHEMA,
            program: program.to_owned(),
            release: release.to_owned(),
            status: match (broken, unseen.is_empty()) {
                (true, _) => Status::Broken,
                (false, true) => Status::Well,
                (false, false) => Status::Unseen,
            },
            findings,
            unseen,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let Finding { about, says, .. } = finding;
            writeln!(f, "{:<8} {about}: {says}", finding.severity.as_str())?;
            if let Some(mend) = &finding.mend {
                writeln!(f, "         mend it: {mend}")?;
            }
        }
        for Unseen { rule, about, why } in &self.unseen {
            writeln!(f, "unseen   {about}: {}: {why}", rule.name())?;
        }
        let count = |severity| {
            let found = self.findings.iter();
            found.filter(|f| f.severity == severity).count()
        };
        writeln!(
            f,
            "{} broken, {} warnings, {} notes, {} ok, {} not looked at",
            count(Severity::Broken),
            count(Severity::Warning),
            count(Severity::Note),
            count(Severity::Ok),
            self.unseen.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity) -> Finding {
        Finding {
            rule: Rule::Carrier,
            severity,
            about: "eth1".into(),
            says: "it has no link".into(),
            mend: Some("ip link set dev eth1 up".into()),
        }
    }

    #[test]
    fn the_worst_comes_first_and_decides_the_exit_code() {
        let all = [Severity::Ok, Severity::Broken, Severity::Note];
        let report = Report::new("iv", "1", all.map(finding).into(), Vec::new());
        assert_eq!(report.findings[0].severity, Severity::Broken);
        assert_eq!(report.status.exit_code(), 1);
        let note = vec![finding(Severity::Note), finding(Severity::Warning)];
        assert_eq!(
            Report::new("iv", "1", note, Vec::new()).status,
            Status::Well
        );
    }

    #[test]
    fn what_was_not_looked_at_is_said_and_is_not_well() {
        let unseen = Unseen {
            rule: Rule::Isolation,
            about: "eth1".into(),
            why: "needs CAP_NET_ADMIN".into(),
        };
        let report = Report::new("iv", "1", vec![finding(Severity::Ok)], vec![unseen]);
        assert_eq!(report.status.exit_code(), 2);
        assert!(report.to_string().contains("unseen   eth1: isolation"));
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
        assert!(json.contains("\"schema\":1") && json.contains("\"rule\":\"carrier\""));
    }
}
