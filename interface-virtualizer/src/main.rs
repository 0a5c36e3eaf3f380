//! `iv`: see `iv --help`.

use clap::Parser;
use interface_virtualizer::args::{Cli, Command};
use interface_virtualizer::{client, daemon};
use std::error::Error;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(run) => {
            let filter =
                EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(std::io::stderr)
                .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
                .with_target(false)
                .init();
            daemon::run(run)
                .map(|()| ExitCode::SUCCESS)
                .map_err(Box::<dyn Error>::from)
        }
        Command::Show(show) => client::show(&show).map_err(Box::<dyn Error>::from),
    };
    result.unwrap_or_else(|error| {
        eprintln!("iv: {error}");
        ExitCode::FAILURE
    })
}
