//! `vis`: see `vis --help`.

use clap::Parser;
use control_socket::{print, report};
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tracing::{Level, warn};
use vis::cli::args::{self, Cli, Command, LoadError};
use vis::{client, daemon};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(options) => run(&options),
        Command::Show(show) => client::show(&show).map_err(Box::<dyn Error>::from),
        Command::Doctor(doctor) => Ok(doctor.run()),
        Command::Explain(explain) => client::explain(&explain).map_err(Box::<dyn Error>::from),
        Command::Check(check) => {
            args::load(&check.file)
                .map_err(Box::<dyn Error>::from)
                .map(|(_, warnings)| {
                    for warning in warnings {
                        print(&format!("{}: warning: {warning}\n", check.file.display()));
                    }
                    print(&format!("{}: no faults\n", check.file.display()));
                    ExitCode::SUCCESS
                })
        }
    };
    result.unwrap_or_else(|error| {
        if let Some(LoadError::Refused { faults, .. }) = error.downcast_ref() {
            // Without colours where nobody can see them.
            let unicode = std::io::stderr().is_terminal();
            let theme = if unicode {
                GraphicalTheme::unicode()
            } else {
                GraphicalTheme::none()
            };
            let handler = GraphicalReportHandler::new_themed(theme);
            for fault in faults {
                let mut text = String::new();
                if handler.render_report(&mut text, fault).is_ok() {
                    // A reader that has seen enough is no error.
                    let _ = std::io::stderr().write_all(text.as_bytes());
                }
            }
        }
        report("vis", error.as_ref());
        ExitCode::FAILURE
    })
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
    daemon::run(config, options.socket.as_deref(), options.state.as_deref())?;
    Ok(ExitCode::SUCCESS)
}
