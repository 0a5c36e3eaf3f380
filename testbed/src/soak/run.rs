//! One fuzzer, from its start to what it says at its end.

use super::stop::{self, Stop};
use super::{corpus, folder};
use crate::binaries::workspace;
use crate::error::{Doing, Result, check};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// An input that takes longer is a hang: a thousand times what the slowest target takes for one.
const HANG_SECONDS: u32 = 2;
/// The memory with which a fuzzer ends.
const MEGABYTES: u32 = 2048;
/// libFuzzer's exit code after Ctrl-C.
const INTERRUPTED: i32 = 72;
/// How often an end, or Ctrl-C, is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What one run came to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) executions: u64,
    pub(super) seconds: f64,
    pub(super) edges: u64,
    pub(super) features: u64,
    /// Inputs that ended it.
    pub(super) crashes: Vec<PathBuf>,
    pub(super) hangs: Vec<PathBuf>,
}

impl Outcome {
    pub(super) fn is_sound(&self) -> bool {
        self.crashes.is_empty() && self.hangs.is_empty()
    }
}

/// Octets of the longest input to try, where longer ones say the same again and cost as much as they are longer.
/// `None`: as long as the longest in the corpus, and 4,096 at least.
fn longest(target: &str) -> Option<u32> {
    match target {
        "store_file" => Some(64),
        "command_line" => Some(128),
        "vis_pipeline" | "iv_core" | "vic_session" => Some(256),
        "configuration" | "lldp_agent" => Some(384),
        _ => None,
    }
}

/// Runs one target for at most `time` and `runs` executions, or until it is to stop.
pub(super) fn fuzz(
    programs: &Path,
    name: &str,
    time: Duration,
    runs: u64,
    stop: &Stop,
) -> Result<Outcome> {
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
    if let Some(octets) = longest(name) {
        command.arg(format!("-max_len={octets}"));
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
    let child = command
        .args([found, corpus(name)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .doing(format!("run the fuzz target {name}"))?;
    let status = wait(child, stop).doing(format!("wait for the fuzz target {name}"))?;
    let text = fs::read(&log).doing(format!("read {}", log.display()))?;
    let mut outcome = read_log(&String::from_utf8_lossy(&text));
    outcome.seconds = started.elapsed().as_secs_f64();
    let mut starved = false;
    for path in inputs(&crashes)?
        .into_iter()
        .filter(|path| !before.contains(path))
    {
        let is_hang = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("timeout"));
        if !is_hang {
            outcome.crashes.push(path);
        } else if hangs(programs, name, &path)? {
            outcome.hangs.push(path);
        } else {
            println!(
                "{name} waited for a processor with {}: no hang, as it was quick once more",
                path.display()
            );
            starved = true;
        }
    }
    let ended = status.success() || status.code() == Some(INTERRUPTED);
    let said_why = ended || starved || !outcome.is_sound();
    check(said_why, || {
        format!("{name} ended without an input: see {}", log.display())
    })?;
    Ok(outcome)
}

/// Whether an input takes too long again. The clock of a fuzzer runs on while others have its processor.
fn hangs(programs: &Path, name: &str, input: &Path) -> Result<bool> {
    let again = Command::new(programs.join(name))
        .arg(format!("-timeout={HANG_SECONDS}"))
        .arg(input)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .doing(format!("run the fuzz target {name} once more"))?;
    Ok(!again.success())
}

/// Until it ends. Asked to stop, it is told, once: it says what it ran, and ends.
fn wait(mut child: Child, stop: &Stop) -> io::Result<ExitStatus> {
    let mut told = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if stop.is_asked() && !told {
            told = true;
            stop::tell(&child);
        }
        sleep(LOOK_EVERY);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::process::ExitStatusExt as _;

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

    #[test]
    fn what_runs_when_it_is_to_stop_is_interrupted() {
        // Who started this may have had the signal ignored, which is handed on until `env` has undone it.
        let mut sleeps = Command::new("env");
        let script = "echo; exec sleep 600";
        sleeps.args(["--default-signal=INT", "sh", "-c", script]);
        let mut sleeps = sleeps.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = [0];
        let mut stdout = sleeps.stdout.take().unwrap();
        stdout.read_exact(&mut said).unwrap();
        let stop = Stop::asked();
        let status = wait(sleeps, &stop).unwrap();
        assert_eq!(status.signal(), Some(2));
    }
}
