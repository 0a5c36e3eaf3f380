//! `iv`: see `iv --help`.

use clap::Parser;
use interface_virtualizer::args::{Cli, Command};
use interface_virtualizer::{client, daemon};
use std::error::Error;
use std::process::ExitCode;
use tracing::Level;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(run) => {
            // `IV_LOG=debug` says more, `IV_LOG=warn` less.
            let level = std::env::var("IV_LOG")
                .ok()
                .and_then(|level| level.parse().ok());
            tracing_subscriber::fmt()
                .with_max_level(level.unwrap_or(Level::INFO))
                .with_writer(std::io::stderr)
                .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
                .with_target(false)
                .init();
            daemon::run(run)
                .map(|()| ExitCode::SUCCESS)
                .map_err(Box::<dyn Error>::from)
        }
        Command::Show(show) => client::show(&show).map_err(Box::<dyn Error>::from),
        Command::Profiles(show) => client::profiles(&show).map_err(Box::<dyn Error>::from),
        Command::Attach(attach) => client::attach(&attach).map_err(Box::<dyn Error>::from),
        Command::Doctor(doctor) => Ok(doctor.run()),
        Command::Detach(detach) => client::detach(&detach).map_err(Box::<dyn Error>::from),
    };
    result.unwrap_or_else(|error| {
        control_socket::report("iv", error.as_ref());
        ExitCode::FAILURE
    })
}
