//! `vis`: see `vis --help`.

use clap::Parser;
use control_socket::{print, report};
use std::error::Error;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use tracing::{Level, warn};
use vis::cli::args::{self, Cli, Command, LoadError};
use vis::shell::{editor, exec};
use vis::{client, daemon};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(options) => run(&options),
        Command::Show(show) => client::show(&show).map_err(Box::<dyn Error>::from),
        Command::Doctor(doctor) => Ok(doctor.run()),
        Command::Explain(explain) => client::explain(&explain).map_err(Box::<dyn Error>::from),
        Command::Shell(options) => shell(options.socket.as_deref()),
        Command::Exec(options) => {
            exec::exec(options.socket.as_deref(), &options.commands).map_err(Box::<dyn Error>::from)
        }
        Command::Reference => {
            print(&vis::shell::reference::reference());
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(check) => {
            args::load(&check.file)
                .map_err(Box::<dyn Error>::from)
                .map(|(config, warnings)| {
                    for warning in warnings {
                        print(&format!("{}: warning: {warning}\n", check.file.display()));
                    }
                    // The file may be meant for another box: no fault of it, but `vis run` would not start here.
                    for key in daemon::key_files(&config) {
                        if let Err(error) = link_control::key::load(&key) {
                            print(&format!("{}: warning: {error}\n", check.file.display()));
                        }
                    }
                    print(&format!("{}: no faults\n", check.file.display()));
                    ExitCode::SUCCESS
                })
        }
    };
    result.unwrap_or_else(|error| {
        if let Some(LoadError::Refused { faults, .. }) = error.downcast_ref() {
            vis::cli::faults::print(faults);
        }
        report("vis", error.as_ref());
        ExitCode::FAILURE
    })
}

/// A line editor for people, plain lines for scripts.
fn shell(socket: Option<&Path>) -> Result<ExitCode, Box<dyn Error>> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        Ok(editor::shell(socket)?)
    } else {
        Ok(exec::piped(socket)?)
    }
}

fn run(options: &args::Run) -> Result<ExitCode, Box<dyn Error>> {
    // `VIS_LOG=debug` says more, `VIS_LOG=warn` less.
    let level = std::env::var("VIS_LOG")
        .ok()
        .and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(Level::INFO))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    let (config, warnings) = options.configuration()?;
    if config.ethernets.is_empty() {
        return Err("there is nothing to switch between: name devices with --niv and --plain, or a file with --config".into());
    }
    for warning in warnings {
        warn!("{warning}");
    }
    daemon::run(
        config,
        options.config.as_deref(),
        options.socket.as_deref(),
        options.state.as_deref(),
    )?;
    Ok(ExitCode::SUCCESS)
}
