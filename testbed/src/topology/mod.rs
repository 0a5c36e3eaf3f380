//! Labs out of files (docs/lab.md): the ones that come with this program, putting one together, and holding it to what
//! its file promises.

mod build;
mod configuration;
mod promise;
mod shipped;

pub(crate) use build::Built;
pub(crate) use promise::Kept;
pub(crate) use shipped::{SHIPPED, Source, parse};
