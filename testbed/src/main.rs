//! `testbed`, run as `cargo lab`: labs in network namespaces, scenarios and third-party judges.

mod acl_stage;
mod bench;
mod binaries;
mod daemon;
mod demo;
mod endpoint;
mod error;
mod hold;
mod instructions;
mod iperf3;
mod lab;
mod memory;
mod need;
mod report;
mod sandbox;
mod scenario;
mod setup;
mod skips;
mod soak;
mod steps;
mod topology;
mod two_boxes;
mod unpacked;
mod vigil;

use ::topology::HostName;
use binaries::Binaries;
use clap::{Parser, Subcommand};
use error::LabError;
use instructions::Outcome;
use report::Report;
use sandbox::Place;
use scenario::Scenario;
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The lab of the demo.
const DEFAULT_LAB: &str = "two-boxes";

/// The exit code of a scenario that cannot run here, as automake has it.
const SKIPPED: u8 = 77;

/// Labs in network namespaces, scenarios and third-party judges.
#[derive(Parser)]
#[command(name = "cargo lab", version)]
struct Arguments {
    /// Use the `iv` and `vis` of this folder instead of building them.
    #[arg(long, global = true, value_name = "FOLDER")]
    built: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Brings a lab up, proves it, takes it down. No root needed.
    Demo,
    /// Runs every test: format, lints, unit and property tests, documents, scenarios, judges.
    Test {
        /// Get first what the judges need.
        #[arg(long)]
        setup: bool,
    },
    /// Gets what the judges need (Debian, Ubuntu; as root), or says what that is.
    Setup {
        /// And what the bench measures us against.
        #[arg(long)]
        bench: bool,
    },
    /// Measures our switch beside its peers; a run that was broken off goes on. As root, on a quiet machine.
    Bench(bench::Arguments),
    /// Runs one scenario and prints its figures; without a name, lists them.
    Scenario {
        /// Its name.
        name: Option<String>,
    },
    /// Counts what a frame costs in instructions, and holds it against the baseline.
    Instructions {
        /// Write the baseline anew; what changed gets this reason.
        #[arg(long, value_name = "REASON")]
        write: Option<String>,
    },
    /// Runs fuzz targets for a while, and adds up what they ran.
    Soak(soak::Soak),
    /// Brings up a lab, to stay: one that comes with this program (`list`), or that of a file (docs/lab.md).
    Up {
        /// The lab's name, or its file.
        #[arg(default_value = DEFAULT_LAB, value_name = "LAB|FILE.toml")]
        lab: String,
        /// What to call it, so that several are up side by side. Not said: as the file is called.
        #[arg(long)]
        name: Option<HostName>,
    },
    /// Lists the labs that are up, what others have left, and those that come with this program.
    List,
    /// Runs a command in a lab that is up: `[HOST] COMMAND...`.
    Exec {
        /// The lab, if several are up.
        #[arg(long, value_name = "NAME", env = "NIV_LAB")]
        lab: Option<HostName>,
        /// The host's name first, if not the switch's; then the command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<OsString>,
    },
    /// Opens a shell on a host of a lab that is up.
    Shell {
        /// The lab, if several are up.
        #[arg(long, value_name = "NAME", env = "NIV_LAB")]
        lab: Option<HostName>,
        /// The host.
        host: String,
    },
    /// Shows what goes over a device of a lab that is up, or writes it down.
    Capture(hold::Capture),
    /// Ends a lab that is up; of one that was killed, removes what it left.
    Down {
        /// Which, if there are several.
        name: Option<HostName>,
        /// All of them.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Builds the Debian packages of `iv` and `vis`.
    Package {
        /// Where to put them.
        #[arg(default_value = "target/packages", value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Keeps a lab; `up` starts this.
    #[command(hide = true)]
    Keep {
        /// Where its file is.
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) if is_skip(&arguments.action, &error) => {
            println!("skipped: {error}");
            ExitCode::from(SKIPPED)
        }
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(because) = cause {
                eprintln!("  because: {because}");
                cause = because.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// A scenario that lacks something did not fail; the list of allowed skips judges it.
fn is_skip(action: &Action, error: &LabError) -> bool {
    match error {
        LabError::Skip(_) => true,
        LabError::NoNamespaces { .. } => matches!(action, Action::Scenario { .. }),
        _ => false,
    }
}

fn run(arguments: &Arguments) -> error::Result<ExitCode> {
    let built = || Binaries::find(arguments.built.as_deref());
    match &arguments.action {
        Action::Demo => in_sandbox(&built()?, demo::demo),
        Action::Test { setup } => steps::test(*setup, arguments.built.as_deref()),
        Action::Setup { bench } => setup::setup(*bench).map(|()| ExitCode::SUCCESS),
        Action::Scenario { name: None } => {
            scenario::list();
            Ok(ExitCode::SUCCESS)
        }
        Action::Scenario { name: Some(name) } => {
            let scenario = Scenario::named(name)?;
            let binaries = built()?;
            in_sandbox(&binaries, |binaries| scenario.run(binaries, &Report::new()))
        }
        Action::Bench(arguments) => {
            arguments.check_names()?;
            run_bench(arguments, built)
        }
        Action::Instructions {
            write: Some(reason),
        } => instructions::write(reason).map(|()| ExitCode::SUCCESS),
        Action::Instructions { write: None } => match instructions::check_instructions()? {
            Outcome::Measured(text, holds) => {
                print!("{text}");
                Ok(if holds {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                })
            }
            Outcome::Skipped(skip) => {
                println!("skipped: {}", skip.reason);
                Ok(ExitCode::from(SKIPPED))
            }
        },
        Action::Soak(asked) => soak::soak(asked),
        Action::Up { lab, name } => hold::up(lab, name.as_ref(), built).map(|()| ExitCode::SUCCESS),
        Action::List => hold::list().map(|()| ExitCode::SUCCESS),
        Action::Exec { lab, words } => hold::exec(lab.as_ref(), words),
        Action::Shell { lab, host } => hold::shell(lab.as_ref(), host),
        Action::Capture(capture) => capture.run().map(|()| ExitCode::SUCCESS),
        Action::Down { name, all } => hold::down(name.as_ref(), *all).map(|()| ExitCode::SUCCESS),
        Action::Package { to } => {
            let built = built()?;
            let mut package = Command::new(built.path("package"));
            package.args(["--built".as_ref(), built.folder()]);
            package.args(["--sources".as_ref(), binaries::workspace().as_path()]);
            binaries::run(package.args(["--to".as_ref(), to.as_path()]))?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Keep { folder } => {
            let binaries = built()?;
            if sandbox::is_inside() {
                hold::keep_inside(&binaries, folder)
            } else {
                hold::keep(&binaries, folder)
            }
        }
    }
}

fn run_bench(
    arguments: &bench::Arguments,
    built: impl Fn() -> error::Result<Binaries>,
) -> error::Result<ExitCode> {
    if !arguments.needs_a_lab() {
        return bench::look(arguments).map(|()| ExitCode::SUCCESS);
    }
    let binaries = built()?;
    if !sandbox::is_inside() {
        bench::keep_kernel_threads_on_their_core();
    }
    in_sandbox(&binaries, |binaries| bench::bench(binaries, arguments))
}

/// Runs `work` in namespaces of its own, or waits for the process that does.
fn in_sandbox(
    binaries: &Binaries,
    work: impl FnOnce(&Binaries) -> error::Result<()>,
) -> error::Result<ExitCode> {
    match sandbox::enter(binaries)? {
        Place::Outside(code) => Ok(code),
        Place::Inside => work(binaries).map(|()| ExitCode::SUCCESS),
    }
}
