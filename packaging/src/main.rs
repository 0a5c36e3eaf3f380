//! `package`, which `cargo lab package` runs: builds the Debian packages of `iv` and `vis` from programs that are built.

mod contents;
mod deb;
mod documents;
mod elf;

use clap::Parser;
use contents::packages;
use deb::{DebError, write_deb};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Builds the Debian packages of `iv` and `vis`.
#[derive(Parser)]
#[command(name = "package", version)]
struct Arguments {
    /// The folder with the programs, built for release.
    #[arg(long, value_name = "FOLDER")]
    built: PathBuf,
    /// The folder with this project's documents and units.
    #[arg(long, value_name = "FOLDER")]
    sources: PathBuf,
    /// Where to put the packages.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("package: {error}");
            let mut cause = error.source();
            while let Some(because) = cause {
                eprintln!("  because: {because}");
                cause = because.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), DebError> {
    std::fs::create_dir_all(&arguments.to).map_err(DebError::file("make", &arguments.to))?;
    for package in packages() {
        let files = contents::files(&package, &arguments.built, &arguments.sources)?;
        let path = arguments.to.join(package.file_name());
        write_deb(&path, &package, &files, made_at())?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Of every file in a package, in seconds since 1970: `SOURCE_DATE_EPOCH`, so that two builds of one source are the same
/// octets, or now.
fn made_at() -> u64 {
    let told = std::env::var("SOURCE_DATE_EPOCH").ok();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    told.and_then(|told| told.parse().ok())
        .unwrap_or_else(|| now().map_or(0, |now| now.as_secs()))
}
