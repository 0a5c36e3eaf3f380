//! Does rounds of one case, for a program that counts what they cost: `round CASE ROUNDS`. Without arguments it lists
//! the cases, each with what a round's cost is to be divided by.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use benches::cases::gated;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [] => {
            for case in gated() {
                println!("{}\t{}", case.each, case.name);
            }
            ExitCode::SUCCESS
        }
        [name, rounds] => {
            let case = gated().find(|case| case.name == name);
            let (Some(case), Ok(rounds)) = (case, rounds.parse::<u32>()) else {
                eprintln!(
                    "there is no case `{name}`, or `{rounds}` is no number; `round` lists the cases"
                );
                return ExitCode::FAILURE;
            };
            let mut round = (case.ready)();
            for _ in 0..rounds {
                round();
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: round [CASE ROUNDS]");
            ExitCode::FAILURE
        }
    }
}
