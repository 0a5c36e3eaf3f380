//! `cargo lab soak fuzz`: every fuzz target for a while, one line each, and what they have run since ever.
//!
//! The fuzzers are built on stable Rust, as `cargo fuzz build -s none` does it but without the instrumentation of
//! comparisons, which would halve the speed. What a run finds new stays in `target/fuzz/found/`, what it ends at in
//! `target/fuzz/crashes/`, and the totals in `target/fuzz/totals.tsv`.

mod totals;

use crate::binaries::{build_release, cargo, run, said, workspace};
use crate::error::{Doing, LabError, Result, check};
use clap::Args;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use totals::{Totals, goal};

/// Coverage for libFuzzer; assertions and overflow checks stay on.
const FLAGS: &str = "--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module \
     -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-simplifycfg-branch-fold-threshold=0";
/// An input that takes longer is a hang: a thousand times what the slowest target takes for one.
const HANG_SECONDS: u32 = 2;
/// The memory with which a fuzzer ends.
const MEGABYTES: u32 = 2048;

/// What `cargo lab soak` is asked.
#[derive(Args, Debug)]
pub(crate) struct Soak {
    /// What to soak.
    #[arg(value_parser = ["fuzz"])]
    what: String,
    /// How long in all, build not counted.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Only these targets.
    #[arg(long = "target", value_name = "TARGET")]
    targets: Vec<String>,
    /// How many at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Only targets that lack executions to their goal, and each until it has them.
    #[arg(long)]
    goal: bool,
    /// Afterwards, add inputs that reach something new to the corpora, and that to the floors.
    #[arg(long)]
    add: bool,
}

/// What one run came to.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    executions: u64,
    seconds: f64,
    edges: u64,
    features: u64,
    /// Inputs that ended it.
    crashes: Vec<PathBuf>,
    hangs: Vec<PathBuf>,
}

/// Builds the fuzzers and runs them. Exit code 1 when one crashed or hung.
///
/// # Errors
/// They do not build, there is no target of that name, or a run cannot be started.
pub(crate) fn soak(asked: &Soak) -> Result<ExitCode> {
    let known = known_targets()?;
    for name in &asked.targets {
        check(known.contains(name), || {
            format!(
                "there is no fuzz target {name}; there are: {}",
                known.join(", ")
            )
        })?;
    }
    let mut totals = Totals::read(&folder("totals.tsv"))?;
    let wanted = known.into_iter().filter(|name| {
        let named = asked.targets.is_empty() || asked.targets.contains(name);
        named && !(asked.goal && totals.lacks(name) == 0)
    });
    let targets: Vec<String> = wanted.collect();
    if targets.is_empty() {
        println!("every target has run as often as it was to");
        return Ok(ExitCode::SUCCESS);
    }
    let programs = build(&targets)?;
    let rounds = targets.len().div_ceil(asked.jobs.max(1));
    let share = Duration::from_secs_f64((asked.minutes.max(0.0) * 60.0 / rounds as f64).max(1.0));
    println!("{}", heading());
    let next = AtomicUsize::new(0);
    let shown = Mutex::new((&mut totals, Vec::new()));
    let work = || -> Result<()> {
        while let Some(name) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            let lacks = Totals::read(&folder("totals.tsv"))?.lacks(name);
            let runs = if asked.goal { lacks } else { u64::MAX };
            let outcome = fuzz(&programs, name, share, runs)?;
            let reached = reached(name)?;
            let Ok(mut shown) = shown.lock() else { break };
            let (totals, failed) = &mut *shown;
            totals.add(name, &outcome);
            totals.write(&folder("totals.tsv"))?;
            println!("{}", line(name, &outcome, &reached, totals));
            let inputs = outcome.crashes.iter().chain(&outcome.hangs);
            failed.extend(inputs.map(|path| (name.clone(), path.clone())));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let jobs: Vec<_> = (0..asked.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let ends = jobs.into_iter().map(|job| {
            let lost = LabError::Check("a thread of the soak panicked".into());
            job.join().unwrap_or(Err(lost))
        });
        ends.collect::<Result<Vec<()>>>()
    })?;
    let failed = shown
        .into_inner()
        .map(|(_, failed)| failed)
        .unwrap_or_default();
    println!("{}", totals.summary());
    if asked.add {
        for name in &targets {
            add(&programs, name)?;
        }
    }
    for (name, input) in &failed {
        println!("FAILED: {name} at {}; once more:", input.display());
        println!("  cargo run -p fuzz --bin {name} -- {}", input.display());
    }
    Ok(match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// A file or folder of the soak.
fn folder(name: &str) -> PathBuf {
    workspace().join("target/fuzz").join(name)
}

fn corpus(target: &str) -> PathBuf {
    workspace().join("fuzz/corpus").join(target)
}

/// The targets, in the order of their names.
fn known_targets() -> Result<Vec<String>> {
    let folder = workspace().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).doing(format!("read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.doing("read the fuzz targets")?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

/// Builds the fuzzers, and the program that tells what inputs reach. Returns the folder of the fuzzers.
fn build(targets: &[String]) -> Result<PathBuf> {
    let compiler = said(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let host = compiler.trim();
    let mut command = cargo();
    command
        .env("RUSTFLAGS", FLAGS)
        .args(["build", "--release", "--quiet", "-p", "fuzz"]);
    // A target of its own keeps the flags away from build scripts.
    command.args(["--target", host, "--target-dir", "target/fuzz"]);
    command.args(["--config", "profile.release.package.\"*\".opt-level=3"]);
    for name in targets {
        command.args(["--bin", name]);
    }
    run(&mut command)?;
    build_release(&["fuzz_marks"])?;
    Ok(folder(host).join("release"))
}

/// Runs one target for at most `time` and `runs` executions.
fn fuzz(programs: &Path, name: &str, time: Duration, runs: u64) -> Result<Outcome> {
    let found = folder("found").join(name);
    let crashes = folder("crashes").join(name);
    for folder in [&found, &crashes, &folder("logs")] {
        fs::create_dir_all(folder).doing(format!("make {}", folder.display()))?;
    }
    let before = inputs(&crashes)?;
    let log = folder("logs").join(name).with_extension("log");
    let file = File::create(&log).doing(format!("write {}", log.display()))?;
    let mut command = Command::new("nice");
    command.args(["-n", "10"]).arg(programs.join(name));
    command.arg(format!("-max_total_time={}", time.as_secs().max(1)));
    if let Ok(runs) = i32::try_from(runs) {
        command.arg(format!("-runs={runs}"));
    }
    command.arg(format!("-timeout={HANG_SECONDS}"));
    command.arg(format!("-rss_limit_mb={MEGABYTES}"));
    command.arg(format!("-artifact_prefix={}/", crashes.display()));
    command.arg("-print_final_stats=1");
    let words = workspace()
        .join("fuzz/dictionaries")
        .join(name)
        .with_extension("dict");
    if words.exists() {
        command.arg(format!("-dict={}", words.display()));
    }
    let started = Instant::now();
    let status = command
        .args([found, corpus(name)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .status()
        .doing(format!("run the fuzz target {name}"))?;
    let text = fs::read(&log).doing(format!("read {}", log.display()))?;
    let mut outcome = read_log(&String::from_utf8_lossy(&text));
    outcome.seconds = started.elapsed().as_secs_f64();
    for path in inputs(&crashes)?
        .into_iter()
        .filter(|path| !before.contains(path))
    {
        let is_hang = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("timeout"));
        match is_hang {
            true => outcome.hangs.push(path),
            false => outcome.crashes.push(path),
        }
    }
    let said_why = status.success() || !(outcome.crashes.is_empty() && outcome.hangs.is_empty());
    check(said_why, || {
        format!("{name} ended without an input: see {}", log.display())
    })?;
    Ok(outcome)
}

fn inputs(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).doing(format!("read {}", folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths
        .collect::<io::Result<_>>()
        .doing(format!("read {}", folder.display()))
}

/// What libFuzzer says: of its status lines the last counts.
fn read_log(text: &str) -> Outcome {
    let number = |line: &str, key: &str| -> Option<u64> {
        let (_, rest) = line.split_once(key)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let mut outcome = Outcome::default();
    for line in text.lines() {
        if let Some(executions) = number(line, "stat::number_of_executed_units:") {
            outcome.executions = executions;
        } else if let Some(rest) = line.strip_prefix('#') {
            let so_far = rest
                .split_whitespace()
                .next()
                .and_then(|word| word.parse().ok());
            outcome.executions = outcome.executions.max(so_far.unwrap_or(0));
            outcome.edges = number(line, " cov: ").unwrap_or(outcome.edges);
            outcome.features = number(line, " ft: ").unwrap_or(outcome.features);
        }
    }
    outcome
}

/// Of the marks that the floor of a target has, how many the corpus and what was found reach: `24 of 24`.
fn reached(name: &str) -> Result<String> {
    let said = said(
        marks()?
            .arg(name)
            .arg(corpus(name))
            .arg(folder("found").join(name)),
    )?;
    let news = said
        .lines()
        .filter(|line| line.starts_with("new: "))
        .count();
    let mut text = said.lines().last().unwrap_or_default().to_owned();
    if news > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, " +{news}");
    }
    Ok(text)
}

fn marks() -> Result<Command> {
    let program = crate::sandbox::this_program()?;
    let folder = program.parent().and_then(Path::parent).map(Path::to_owned);
    Ok(Command::new(
        folder.unwrap_or_default().join("release/fuzz_marks"),
    ))
}

/// Makes what was found small, and adds what reaches something new to the corpus and the floor.
fn add(programs: &Path, name: &str) -> Result<()> {
    let small = folder("minimised").join(name);
    fs::create_dir_all(&small).doing(format!("make {}", small.display()))?;
    let mut command = Command::new(programs.join(name));
    command
        .arg("-set_cover_merge=1")
        .args([&small, &corpus(name), &folder("found").join(name)]);
    said(&mut command)?;
    print!(
        "{}",
        said(marks()?.args(["--add", name]).arg(corpus(name)).arg(small))?
    );
    Ok(())
}

fn heading() -> String {
    format!(
        "{:<17} {:>13} {:>9} {:>7} {:>8} {:>9} {:>3} {:>3} {:>14} {:>12}",
        "target",
        "executions",
        "a second",
        "edges",
        "features",
        "marks",
        "!",
        "?",
        "since ever",
        "to its goal"
    )
}

/// `!` are crashes, `?` hangs.
fn line(name: &str, outcome: &Outcome, reached: &str, totals: &Totals) -> String {
    let rate = outcome.executions as f64 / outcome.seconds.max(0.001);
    let lacks = totals.lacks(name);
    let to_go = match lacks {
        0 => "reached".to_owned(),
        lacks => format!("{:.1} min", lacks as f64 / rate.max(1.0) / 60.0),
    };
    format!(
        "{name:<17} {:>13} {rate:>9.0} {:>7} {:>8} {reached:>9} {:>3} {:>3} {:>14} {to_go:>12}",
        outcome.executions,
        outcome.edges,
        outcome.features,
        outcome.crashes.len(),
        outcome.hangs.len(),
        format!(
            "{:.2e}/{:.0e}",
            totals.executions(name) as f64,
            goal(name) as f64
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_fuzzer_counts_even_if_it_crashes() {
        let cut = "INFO: Seed: 1\n#2\tINITED cov: 90 ft: 91 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                   #4096\tpulse  cov: 120 ft: 300 corp: 9/80b lim: 4 exec/s: 2048 rss: 31Mb\n==7== ERROR: libFuzzer: deadly signal\n";
        let outcome = read_log(cut);
        assert_eq!(
            (outcome.executions, outcome.edges, outcome.features),
            (4096, 120, 300)
        );
        let whole = format!("{cut}stat::number_of_executed_units: 5000\n");
        assert_eq!(read_log(&whole).executions, 5000);
    }
}
