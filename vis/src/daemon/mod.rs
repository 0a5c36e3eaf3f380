//! The edge of `vis`: devices, threads, signals and the control socket around the sans-IO switch.

mod alarm;
mod answer;
mod compile;
mod forward;
mod run;
mod view;

pub use run::{RunError, run};
