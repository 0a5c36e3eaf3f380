//! Puts frames to access lists, compiled and line after line: `access_lists FRAMES`.
//!
//! Lists of all families, of none to 1,024 lines, and frames of every kind that lists know, half of them made for a
//! line, on the boundaries of what it asks. It ends at the first difference. All is drawn at random, and the same each
//! time.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

#[path = "../../../policy/tests/acl/generate/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests it is shared with draw more from it"
)]
mod generate;

use std::process::ExitCode;
use std::time::Instant;

/// Another number than the tests have.
const SEED: u64 = 2_867;

fn main() -> ExitCode {
    let frames = std::env::args().nth(1);
    let Some(frames) = frames.and_then(|word| word.parse::<u64>().ok()) else {
        eprintln!("usage: access_lists FRAMES");
        return ExitCode::FAILURE;
    };
    let begun = Instant::now();
    let met = generate::compare(SEED, frames);
    let seconds = begun.elapsed().as_secs_f64();
    println!("seed {SEED}");
    println!("{:>10} lists, with {} lines", met.lists, met.lines);
    println!("{frames:>10} frames in {seconds:.0} s");
    for (kind, count) in met.frames() {
        println!("{count:>10} {kind}");
    }
    println!("{:>10} of them judged otherwise line after line", 0);
    ExitCode::SUCCESS
}
