//! `cargo lab soak fuzz`: every fuzz target for a while, one line each, and what they have run since ever.
//!
//! The fuzzers are built on stable Rust, as `cargo fuzz build -s none` does it but without the instrumentation of
//! comparisons, which would halve the speed. Assertions and overflow checks are on in our crates; those of others are as
//! users have them. What a run finds new stays in `target/fuzz/found/`, what it ends at in `target/fuzz/crashes/`, and the
//! totals in `target/fuzz/totals.tsv`, or the file that `--record` names. Ctrl-C ends it, and what was run by then counts.

mod run;
mod stop;
mod totals;

use crate::binaries::{build_release, cargo, run, said, workspace};
use crate::error::{Doing, LabError, Result, check};
use clap::Args;
use run::{Outcome, fuzz};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use stop::Stop;
use totals::{Totals, goal};

/// Coverage for libFuzzer.
const FLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
     -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-simplifycfg-branch-fold-threshold=0";
/// Assertions in our crates; others' fast, and as they are for users.
const PROFILE: [&str; 5] = [
    "debug-assertions=true",
    "overflow-checks=true",
    "package.\"*\".opt-level=3",
    "package.\"*\".debug-assertions=false",
    "package.\"*\".overflow-checks=false",
];
/// With `--goal`, a target runs for so long at a time: a machine that fails loses no more.
const TURN: Duration = Duration::from_secs(180);

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
    /// Only targets that lack executions to their goal, each until it has them; those first that lack the least time.
    #[arg(long)]
    goal: bool,
    /// The file with what all soaks ran, to which this one adds.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Afterwards, add inputs that reach something new to the corpora, and that to the floors.
    #[arg(long)]
    add: bool,
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
    let record = asked.record.clone().unwrap_or_else(|| folder("totals.tsv"));
    let totals = Totals::read(&record)?;
    let wanted = known.into_iter().filter(|name| {
        let named = asked.targets.is_empty() || asked.targets.contains(name);
        named && !(asked.goal && totals.lacks(name) == 0)
    });
    let targets: BTreeSet<String> = wanted.collect();
    if targets.is_empty() {
        println!("every target has run as often as it was to");
        return Ok(ExitCode::SUCCESS);
    }
    let programs = build(&targets)?;
    let time = Duration::from_secs_f64(asked.minutes.max(0.0) * 60.0);
    let rounds = targets.len().div_ceil(asked.jobs.max(1)) as u32;
    let queue = Queue {
        goal: asked.goal,
        record,
        end: Instant::now() + time,
        share: (time / rounds).max(Duration::from_secs(1)),
        stop: Stop::at_a_signal()?,
        state: Mutex::new(State {
            waiting: targets.clone(),
            totals,
            failed: Vec::new(),
        }),
    };
    println!("{}", heading());
    thread::scope(|scope| {
        let jobs: Vec<_> = (0..asked.jobs.max(1))
            .map(|_| scope.spawn(|| queue.work(&programs)))
            .collect();
        let ends = jobs.into_iter().map(|job| {
            let lost = LabError::Check("a thread of the soak panicked".into());
            job.join().unwrap_or(Err(lost))
        });
        ends.collect::<Result<Vec<()>>>()
    })?;
    let state = queue
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    println!("{}", state.totals.summary());
    if asked.add && !queue.stop.is_asked() {
        for name in &targets {
            add(&programs, name)?;
        }
    }
    for (name, input) in &state.failed {
        println!("FAILED: {name} at {}; once more:", input.display());
        println!("  cargo run -p fuzz --bin {name} -- {}", input.display());
    }
    Ok(match state.failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What is to be run, by any number of threads.
struct Queue {
    goal: bool,
    record: PathBuf,
    end: Instant,
    /// How long a target runs without a goal.
    share: Duration,
    stop: Stop,
    state: Mutex<State>,
}

struct State {
    waiting: BTreeSet<String>,
    totals: Totals,
    failed: Vec<(String, PathBuf)>,
}

impl Queue {
    fn work(&self, programs: &Path) -> Result<()> {
        while let Some((name, time, runs)) = self.next() {
            let outcome = fuzz(programs, &name, time, runs, &self.stop)?;
            let reached = reached(&name)?;
            let mut state = self.state();
            // Another soak may have added to it.
            state.totals = Totals::read(&self.record)?;
            state.totals.add(&name, &outcome);
            state.totals.write(&self.record)?;
            println!("{}", line(&name, &outcome, &reached, &state.totals));
            let inputs = outcome.crashes.iter().chain(&outcome.hangs);
            state
                .failed
                .extend(inputs.map(|path| (name.clone(), path.clone())));
            let goes_on = self.goal && outcome.is_sound() && state.totals.lacks(&name) > 0;
            if goes_on {
                state.waiting.insert(name);
            }
        }
        Ok(())
    }

    /// Which target now, for how long, and how many executions at most.
    fn next(&self) -> Option<(String, Duration, u64)> {
        let left = self.end.saturating_duration_since(Instant::now());
        if self.stop.is_asked() || (self.goal && left < Duration::from_secs(1)) {
            return None;
        }
        let mut state = self.state();
        let State {
            waiting, totals, ..
        } = &mut *state;
        if !self.goal {
            return Some((waiting.pop_first()?, self.share, u64::MAX));
        }
        let least = |one: &&String, other: &&String| {
            totals
                .seconds_lacking(one)
                .total_cmp(&totals.seconds_lacking(other))
        };
        let name = waiting.iter().min_by(least)?.clone();
        waiting.remove(&name);
        let runs = totals.lacks(&name);
        Some((name, left.min(TURN), runs))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
fn build(targets: &BTreeSet<String>) -> Result<PathBuf> {
    let compiler = said(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let host = compiler.trim();
    let mut command = cargo();
    command
        .env("RUSTFLAGS", FLAGS)
        .args(["build", "--release", "--quiet", "-p", "fuzz"]);
    // A target of its own keeps the flags away from build scripts.
    command.args(["--target", host, "--target-dir", "target/fuzz"]);
    for setting in PROFILE {
        command.args(["--config", &format!("profile.release.{setting}")]);
    }
    for name in targets {
        command.args(["--bin", name]);
    }
    run(&mut command)?;
    build_release(&["fuzz_marks"])?;
    Ok(folder(host).join("release"))
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
