//! Ctrl-C: what runs is told, and what it ran by then counts.

use crate::error::{Doing, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// Whether this process is to stop.
#[derive(Clone, Debug)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// It is to from the first SIGINT or SIGTERM on; neither ends it any more.
    ///
    /// # Errors
    /// The signals cannot be had.
    pub(super) fn at_a_signal() -> Result<Self> {
        let asked = Self(Arc::default());
        let told = asked.clone();
        let runtime: Runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .doing("wait for signals")?;
        let (mut interrupt, mut terminate) = {
            let _here = runtime.enter();
            let had = |kind| signal(kind).doing("wait for a signal");
            (had(SignalKind::interrupt())?, had(SignalKind::terminate())?)
        };
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            told.0.store(true, Ordering::Relaxed);
        });
        Ok(asked)
    }

    #[cfg(test)]
    pub(super) fn asked() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// As Ctrl-C does, where only this process has heard it.
pub(super) fn tell(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::INT);
    }
}
