//! `cargo lab test`: every test there is, one after the other, and one line at the end that sums up.

use crate::binaries::{Binaries, cargo};
use crate::error::{Doing, Result};
use crate::sandbox::this_program;
use crate::scenario::SCENARIOS;
use crate::setup;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Instant;

/// The skips that are no failure, and under which circumstances.
const ALLOWED: &str = include_str!("../allowed-skips.txt");

/// How much of a failed step's output is shown.
const LAST_LINES: usize = 60;

/// One test that did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Skip {
    name: String,
    reason: String,
}

/// What a step came to.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skips: Vec<Skip>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skips.extend(other.skips);
    }
}

/// The circumstances under which a skip may be allowed.
#[derive(Clone, Copy, Debug)]
struct Circumstances {
    without_setup: bool,
    without_root: bool,
}

/// Runs everything. Exit code 1 if anything failed or was skipped that must not be.
///
/// # Errors
/// A step cannot even be started.
pub(crate) fn test(with_setup: bool, built: Option<&Path>) -> Result<ExitCode> {
    let is_root = rustix::process::geteuid().is_root();
    let circumstances = Circumstances {
        without_setup: !with_setup,
        without_root: !is_root,
    };
    let mut all = Tally::default();
    if with_setup {
        heading("setup");
        setup::setup()?;
    }
    all.add(step("format", cargo().args(["fmt", "--all", "--check"]))?);
    all.add(step(
        "lints",
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]),
    )?);
    all.add(unit_tests()?);
    all.add(step(
        "documents",
        cargo()
            .args([
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
                "--quiet",
            ])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?);
    all.add(scenarios(built)?);

    println!();
    let mut forbidden = 0;
    for skip in &all.skips {
        let allowed = is_allowed(&skip.name, circumstances, ALLOWED);
        forbidden += usize::from(!allowed);
        let note = if allowed {
            ""
        } else {
            " (not allowed here: counts as failed)"
        };
        println!("skipped {}: {}{note}", skip.name, skip.reason);
    }
    let failed = all.failed + forbidden;
    let skipped = all.skips.len() - forbidden;
    println!("{} passed, {failed} failed, {skipped} skipped", all.passed);
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn heading(name: &str) {
    println!("== {name}");
}

/// A step that passes or fails as a whole; its output is shown when it fails.
fn step(name: &str, command: &mut Command) -> Result<Tally> {
    heading(name);
    let started = Instant::now();
    let output = output_of(command, name)?;
    let passed = output.status.success();
    if !passed {
        println!("{}", last_lines(&text_of(&output)));
    }
    print_result(name, passed, started);
    Ok(Tally {
        passed: usize::from(passed),
        failed: usize::from(!passed),
        skips: Vec::new(),
    })
}

fn output_of(command: &mut Command, name: &str) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .env("CARGO_TERM_COLOR", "never")
        .output()
        .doing(format!("run the step `{name}`"))
}

fn text_of(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn print_result(name: &str, passed: bool, started: Instant) {
    let word = if passed { "passed" } else { "FAILED" };
    println!(
        "   {word} {name} in {:.1} s",
        started.elapsed().as_secs_f64()
    );
}

fn last_lines(text: &str) -> String {
    let skip = text.lines().count().saturating_sub(LAST_LINES);
    text.lines().skip(skip).collect::<Vec<_>>().join("\n")
}

/// `cargo test`: unit tests, properties, corpus replay and the examples in the documents.
fn unit_tests() -> Result<Tally> {
    heading("unit and property tests");
    let started = Instant::now();
    // Without --show-output the words of a test that says it cannot run are thrown away.
    let mut command = cargo();
    command.args([
        "test",
        "--workspace",
        "--no-fail-fast",
        "--",
        "--show-output",
    ]);
    let output = output_of(&mut command, "unit tests")?;
    let text = text_of(&output);
    let mut tally = read_test_output(&text);
    let passed = output.status.success();
    if !passed {
        // A test program that does not build or crashes has no line of its own.
        tally.failed = tally.failed.max(1);
        println!("{}", failures(&text));
    }
    println!(
        "   {} passed, {} failed, {} skipped",
        tally.passed,
        tally.failed,
        tally.skips.len()
    );
    print_result("unit and property tests", passed, started);
    Ok(tally)
}

/// What the test harness prints, summed up over all test programs. A test that prints `skipped: REASON`
/// counts as skipped, not as passed.
fn read_test_output(text: &str) -> Tally {
    let mut tally = Tally::default();
    let mut test = String::new();
    let mut said_so = 0;
    for line in text.lines() {
        if let Some(name) = between(line, "---- ", " stdout ----") {
            test = name.to_owned();
        } else if let Some(reason) = line.trim_start().strip_prefix("skipped: ") {
            let skip = Skip {
                name: test.clone(),
                reason: reason.to_owned(),
            };
            // A failing test's output is printed twice.
            if !test.is_empty() && !tally.skips.contains(&skip) {
                tally.skips.push(skip);
                said_so += 1;
            }
        } else if let Some(name) = between(line, "test ", " ... ignored") {
            tally.skips.push(Skip {
                name: name.to_owned(),
                reason: "marked #[ignore]".to_owned(),
            });
        } else if line.starts_with("test result: ") {
            let number = |word: &str| {
                let before = line.split(word).next().unwrap_or_default();
                let digits = before.split_whitespace().next_back();
                digits.and_then(|d| d.parse::<usize>().ok()).unwrap_or(0)
            };
            tally.passed += number(" passed");
            tally.failed += number(" failed");
        }
    }
    // The harness counts them as passed, in a line that comes after theirs.
    tally.passed = tally.passed.saturating_sub(said_so);
    tally
}

fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (name, _) = line.strip_prefix(start)?.split_once(end)?;
    Some(name)
}

/// Of the output of a failed `cargo test`, the part that says why.
fn failures(text: &str) -> String {
    let interesting: Vec<_> = text
        .lines()
        .skip_while(|line| !line.starts_with("failures:") && !line.starts_with("error"))
        .take(4 * LAST_LINES)
        .collect();
    if interesting.is_empty() {
        last_lines(text)
    } else {
        interesting.join("\n")
    }
}

/// Every scenario in a process and a sandbox of its own.
fn scenarios(built: Option<&Path>) -> Result<Tally> {
    let mut tally = Tally::default();
    heading("scenarios and judges");
    let binaries = match Binaries::find(built) {
        Ok(binaries) => binaries,
        Err(error) => {
            println!("   FAILED to build what is to be tested: {error}");
            tally.failed += 1;
            return Ok(tally);
        }
    };
    for scenario in SCENARIOS {
        if let Some(need) = scenario.unmet() {
            println!("-- {}: skipped: {need}", scenario.name);
            tally.skips.push(Skip {
                name: scenario.name.to_owned(),
                reason: need.to_string(),
            });
            continue;
        }
        println!("-- {}: {}", scenario.name, scenario.about);
        let started = Instant::now();
        let mut command = Command::new(this_program()?);
        command
            .args(["scenario", scenario.name])
            .stdin(Stdio::null());
        binaries.tell(&mut command);
        let status = command.status().doing("start a scenario")?;
        match status.code() {
            Some(0) => tally.passed += 1,
            Some(code) if code == i32::from(crate::SKIPPED) => tally.skips.push(Skip {
                name: scenario.name.to_owned(),
                reason: "the scenario said so".to_owned(),
            }),
            _ => tally.failed += 1,
        }
        print_result(scenario.name, status.success(), started);
    }
    Ok(tally)
}

/// Whether the committed list allows a skip. Its lines: a name (`*` at its end stands for anything), then
/// `without-setup`, `without-root`, or both with a comma: one that holds is enough.
fn is_allowed(name: &str, now: Circumstances, list: &str) -> bool {
    list.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .filter_map(|line| line.trim().split_once(char::is_whitespace))
        .filter(|(pattern, _)| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *pattern,
        })
        .flat_map(|(_, when)| when.split(','))
        .any(|when| match when.trim() {
            "without-setup" => now.without_setup,
            "without-root" => now.without_root,
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING_MISSING: Circumstances = Circumstances {
        without_setup: false,
        without_root: false,
    };

    #[test]
    fn a_test_that_says_it_was_skipped_does_not_count_as_passed() {
        let tally = read_test_output(
            "test a::works ... ok\n\
             test a::needs_root ... ok\n\
             test a::slow ... ignored, takes a day\n\
             ---- a::needs_root stdout ----\n\
             skipped: no root\n\
             test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
             test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!((tally.passed, tally.failed), (4, 1));
        assert_eq!(tally.skips[0].name, "a::slow");
        assert_eq!(tally.skips[1].name, "a::needs_root");
    }

    #[test]
    fn only_listed_skips_are_allowed_and_only_when_something_is_missing() {
        let list = "# comment\njudge-x  without-setup\npart::*  without-root, without-setup\n";
        let without_setup = Circumstances {
            without_setup: true,
            ..NOTHING_MISSING
        };
        let without_root = Circumstances {
            without_root: true,
            ..NOTHING_MISSING
        };
        assert!(is_allowed("judge-x", without_setup, list));
        assert!(!is_allowed("judge-x", without_root, list));
        assert!(is_allowed("part::some_test", without_root, list));
        assert!(!is_allowed("other", without_setup, list));
        for name in ["judge-x", "part::some_test", "other"] {
            assert!(!is_allowed(name, NOTHING_MISSING, list));
        }
    }

    #[test]
    fn every_line_of_the_committed_list_can_match() {
        for line in ALLOWED.lines() {
            let line = line.split('#').next().unwrap().trim();
            if line.is_empty() {
                continue;
            }
            let (_, when) = line.split_once(char::is_whitespace).unwrap();
            for when in when.split(',') {
                assert!(
                    ["without-setup", "without-root"].contains(&when.trim()),
                    "{line}"
                );
            }
        }
    }
}
