//! How many instructions a frame costs, held against the committed baseline: time is noise on most machines,
//! instructions are not.
//!
//! `valgrind --tool=callgrind` counts a program that does so many rounds of a case, and one that does twice as
//! many; the difference is what the rounds cost, without the start.

use crate::acl_stage;
use crate::binaries::{build_release, said, workspace};
use crate::error::{Doing, LabError, Result, check};
use crate::need::{Need, command};
use crate::sandbox::this_program;
use crate::skips::Skip;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::{fs, thread};

/// The tool.
pub(crate) const VALGRIND: Need = Need::Tool("valgrind");
/// What a case may cost more than its baseline.
const GROWTH: f64 = 0.03;
/// Rounds of the shorter run.
const ROUNDS: u32 = 50;

/// The baseline: with which compiler it was measured, and of each case the instructions and why they are what they are.
#[derive(Debug, Default, PartialEq)]
struct Baseline {
    compiler: String,
    cases: BTreeMap<String, (f64, String)>,
}

/// Whether a case got dearer.
#[derive(Debug, PartialEq)]
enum Verdict {
    Kept,
    Cheaper,
    Dearer,
    New,
}

/// What the check came to: what it says, or why it says nothing.
pub(crate) enum Outcome {
    /// The table, and whether all of it holds.
    Measured(String, bool),
    /// Not measured.
    Skipped(Skip),
}

/// Measures all cases and holds them against the baseline.
///
/// # Errors
/// The cases do not build, or valgrind fails.
pub(crate) fn check_instructions() -> Result<Outcome> {
    let skip = |name: &str, reason: String| {
        let name = format!("instructions::{name}");
        Ok(Outcome::Skipped(Skip { name, reason }))
    };
    if !VALGRIND.is_met() {
        return skip("tool", VALGRIND.to_string());
    }
    let baseline = Baseline::read()?;
    let compiler = compiler()?;
    if compiler != baseline.compiler {
        let reason = format!(
            "the baseline is of {}, and this is {compiler}: measure it anew with `cargo lab instructions --write REASON`",
            baseline.compiler
        );
        return skip("compiler", reason);
    }
    let measured = measure()?;
    let mut text = String::new();
    let mut holds = true;
    for (name, &now) in &measured {
        let before = baseline.cases.get(name).map(|(before, _)| *before);
        let verdict = judge(before, now);
        holds &= matches!(verdict, Verdict::Kept | Verdict::Cheaper);
        let note = match verdict {
            Verdict::Kept => "",
            Verdict::Cheaper => "cheaper: write it down",
            Verdict::Dearer => "DEARER",
            Verdict::New => "NOT IN THE BASELINE",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{name:<42} {now:9.1} instructions, baseline {:9.1}  {note}",
            before.unwrap_or_default()
        );
    }
    let (stage, keeps) = acl_stage::judged(&measured);
    text.push_str(&stage);
    holds &= keeps;
    if !holds {
        text.push_str(
            "make it cheaper; or, with a reason, `cargo lab instructions --write REASON` in the same commit\n",
        );
    }
    Ok(Outcome::Measured(text, holds))
}

/// Whether this compiler is not the one the baseline was measured with.
pub(crate) fn is_other_compiler() -> bool {
    let baseline = Baseline::read().map(|baseline| baseline.compiler);
    matches!((baseline, compiler()), (Ok(theirs), Ok(ours)) if theirs != ours)
}

/// Measures all cases and writes the baseline; cases that changed get `reason`.
///
/// # Errors
/// The cases do not build, valgrind fails, or the file cannot be written.
pub(crate) fn write(reason: &str) -> Result<()> {
    check(VALGRIND.is_met(), || VALGRIND.to_string())?;
    let old = Baseline::read().unwrap_or_default();
    let compiler = compiler()?;
    let same_compiler = compiler == old.compiler;
    let mut new = Baseline {
        compiler,
        ..Baseline::default()
    };
    for (name, now) in measure()? {
        let kept = old.cases.get(&name).filter(|(before, _)| {
            same_compiler && matches!(judge(Some(*before), now), Verdict::Kept)
        });
        let line = kept
            .cloned()
            .unwrap_or((now, reason.replace(['\t', '\n'], " ")));
        new.cases.insert(name, line);
    }
    fs::write(Baseline::file(), new.to_text()).doing("write the baseline")
}

fn judge(before: Option<f64>, now: f64) -> Verdict {
    match before {
        None => Verdict::New,
        Some(before) if now > before * (1.0 + GROWTH) => Verdict::Dearer,
        Some(before) if now < before * (1.0 - GROWTH) => Verdict::Cheaper,
        Some(_) => Verdict::Kept,
    }
}

impl Baseline {
    fn file() -> PathBuf {
        workspace().join("benches/instructions.tsv")
    }

    fn read() -> Result<Self> {
        let file = Self::file();
        let text = fs::read_to_string(&file).doing(format!("read {}", file.display()))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let compiler = text.lines().find_map(|line| line.strip_prefix("# "));
        let cases = text.lines().filter_map(|line| {
            let mut columns = line.split('\t');
            let instructions = columns.next()?.parse().ok()?;
            let name = columns.next()?.to_owned();
            Some((name, (instructions, columns.next()?.to_owned())))
        });
        Self {
            compiler: compiler.unwrap_or_default().to_owned(),
            cases: cases.collect(),
        }
    }

    fn to_text(&self) -> String {
        let mut text = format!("# {}\n", self.compiler);
        for (name, (instructions, reason)) in &self.cases {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{instructions:.1}\t{name}\t{reason}");
        }
        text
    }
}

/// The compiler that cargo uses here.
fn compiler() -> Result<String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(program);
    command.arg("--version").current_dir(workspace());
    Ok(said(&mut command)?.trim().to_owned())
}

/// Instructions of each case.
fn measure() -> Result<BTreeMap<String, f64>> {
    build_release(&["round"])?;
    let program = this_program()?.with_file_name("round");
    let list = said(&mut Command::new(&program))?;
    let cases: Vec<(f64, String)> = list
        .lines()
        .filter_map(|line| {
            let (each, name) = line.split_once('\t')?;
            Some((each.parse().ok()?, name.to_owned()))
        })
        .collect();
    check(!cases.is_empty(), || {
        format!("{} lists no cases", program.display())
    })?;
    let cost = |name: &str, rounds: u32| -> Result<u64> {
        let mut valgrind = command("valgrind");
        valgrind
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(&program)
            .args([name, &rounds.to_string()])
            // Of the C library's variants of memcpy, the one that every machine has.
            .env(
                "GLIBC_TUNABLES",
                "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS",
            );
        collected(&said(&mut valgrind)?)
    };
    // Two at a time: counting disturbs nobody's count.
    let half = cases.len().div_ceil(2);
    let measure_some = |cases: &[(f64, String)]| -> Result<Vec<(String, f64)>> {
        cases
            .iter()
            .map(|(each, name)| {
                let rounds = cost(name, 2 * ROUNDS)?.saturating_sub(cost(name, ROUNDS)?);
                Ok((name.clone(), rounds as f64 / f64::from(ROUNDS) / each))
            })
            .collect()
    };
    let (first, second) = cases.split_at(half);
    let (first, second) = thread::scope(|scope| {
        let other = scope.spawn(|| measure_some(second));
        (measure_some(first), other.join())
    });
    let second = second.map_err(|_| LabError::Check("counting ended early".to_owned()))?;
    Ok(first?.into_iter().chain(second?).collect())
}

/// `Collected : N` of callgrind's summary.
fn collected(text: &str) -> Result<u64> {
    let number = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.trim().parse().ok());
    number.ok_or_else(|| LabError::Answer {
        program: "valgrind".to_owned(),
        detail: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts_in_a_hundred_more_fail() {
        assert_eq!(judge(Some(100.0), 102.9), Verdict::Kept);
        assert_eq!(judge(Some(100.0), 103.1), Verdict::Dearer);
        assert_eq!(judge(Some(100.0), 96.9), Verdict::Cheaper);
        assert_eq!(judge(None, 1.0), Verdict::New);
    }

    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        let mut baseline = Baseline {
            compiler: "rustc 1.2.3 (abc)".to_owned(),
            ..Baseline::default()
        };
        baseline.cases.insert(
            "vis/hairpin".to_owned(),
            (758.4, "a second lookup".to_owned()),
        );
        assert_eq!(Baseline::parse(&baseline.to_text()), baseline);
    }

    #[test]
    fn the_count_is_read_from_callgrinds_summary() {
        let text = "==9== Events    : Ir\n==9== Collected : 16016352\n==9==\n";
        assert_eq!(collected(text).unwrap(), 16_016_352);
        assert!(collected("==9== nothing").is_err());
    }
}
