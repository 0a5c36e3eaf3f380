//! `cargo lab test`: every test there is, one after the other, and one line at the end that sums up.

use crate::binaries::{Binaries, cargo};
use crate::error::{Doing, Result};
use crate::instructions::{self, Outcome};
use crate::sandbox::this_program;
use crate::scenario::SCENARIOS;
use crate::setup;
use crate::skips::{Circumstances, Skip};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// How much of a failed step's output is shown.
const LAST_LINES: usize = 60;

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

/// Runs everything. Exit code 1 if anything failed or was skipped that must not be.
///
/// # Errors
/// A step cannot even be started.
pub(crate) fn test(with_setup: bool, built: Option<&Path>) -> Result<ExitCode> {
    let circumstances = Circumstances::here(with_setup);
    let mut all = Tally::default();
    if with_setup {
        heading("setup");
        setup::setup(false)?;
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
    all.add(instructions()?);
    all.add(scenarios(built)?);

    println!();
    let mut forbidden = 0;
    for skip in &all.skips {
        let allowed = circumstances.allow(skip);
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
    let (passed, text) = run_quietly(command, name)?;
    if !passed {
        println!("{}", last_lines(&text));
    }
    print_result(name, passed, started);
    Ok(Tally {
        passed: usize::from(passed),
        failed: usize::from(!passed),
        skips: Vec::new(),
    })
}

/// Whether the command succeeds, and what it prints: standard output and error in the order they came.
fn run_quietly(command: &mut Command, name: &str) -> Result<(bool, String)> {
    let doing = || format!("run the step `{name}`");
    let (mut reader, writer) = io::pipe().doing(doing())?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().doing(doing())?)
        .stderr(writer)
        .env("CARGO_TERM_COLOR", "never")
        // Which test program it runs, cargo says only when it may talk.
        .env("CARGO_TERM_QUIET", "false");
    let mut child = command.spawn().doing(doing())?;
    // The command would hold its ends of the pipe open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut octets = Vec::new();
    reader.read_to_end(&mut octets).doing(doing())?;
    let status = child.wait().doing(doing())?;
    Ok((
        status.success(),
        String::from_utf8_lossy(&octets).into_owned(),
    ))
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
    let (passed, text) = run_quietly(&mut command, "unit tests")?;
    let mut tally = read_test_output(&text);
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
/// counts as skipped, not as passed. Skips are named after their program too: `packet_io::link::tests::x`.
fn read_test_output(text: &str) -> Tally {
    let mut tally = Tally::default();
    let mut program = "";
    let mut test = String::new();
    let mut said_so = 0;
    for line in text.lines() {
        if let Some(name) = program_of(line) {
            program = name;
            test.clear();
        } else if let Some(name) = between(line, "---- ", " stdout ----") {
            test = format!("{program}::{name}");
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
                name: format!("{program}::{name}"),
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

/// `tap` of `Running tests/tap.rs (target/debug/deps/tap-6ecbb78839bf89c0)`, and the like for examples in
/// documents.
fn program_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if let Some(documented) = line.strip_prefix("Doc-tests ") {
        return Some(documented);
    }
    let (_, file) = line.strip_prefix("Running ")?.rsplit_once('/')?;
    let (name, _hash) = file.strip_suffix(')')?.rsplit_once('-')?;
    Some(name)
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

/// What a frame costs, against the baseline.
fn instructions() -> Result<Tally> {
    heading("instructions");
    let started = Instant::now();
    let mut tally = Tally::default();
    match instructions::check_instructions()? {
        Outcome::Measured(text, holds) => {
            print!("{text}");
            tally.passed += usize::from(holds);
            tally.failed += usize::from(!holds);
            print_result("instructions", holds, started);
        }
        Outcome::Skipped(skip) => {
            println!("   skipped: {}", skip.reason);
            tally.skips.push(skip);
        }
    }
    Ok(tally)
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
                name: format!("scenario::{}", scenario.name),
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
                name: format!("scenario::{}", scenario.name),
                reason: "the scenario said so".to_owned(),
            }),
            _ => tally.failed += 1,
        }
        print_result(scenario.name, status.success(), started);
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_says_it_was_skipped_does_not_count_as_passed() {
        let tally = read_test_output(
            "     Running unittests src/lib.rs (target/debug/deps/some_crate-6ecbb78839bf89c0)\n\
             test a::works ... ok\n\
             test a::needs_root ... ok\n\
             test a::slow ... ignored, takes a day\n\
             ---- a::needs_root stdout ----\n\
             skipped: no root\n\
             test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
             \x20    Running tests/b.rs (/t/debug/deps/b-6ecbb78839bf89c0)\n\
             ---- c stdout ----\n\
             skipped: no root\n\
             \x20  Doc-tests some_crate\n\
             test some-crate/src/lib.rs - x (line 3) ... ignored\n\
             test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!((tally.passed, tally.failed), (4, 1));
        let names: Vec<_> = tally.skips.iter().map(|skip| &*skip.name).collect();
        assert_eq!(
            names,
            [
                "some_crate::a::slow",
                "some_crate::a::needs_root",
                "b::c",
                "some_crate::some-crate/src/lib.rs - x (line 3)"
            ]
        );
    }
}
