//! As many frames as go out of a device.

use super::trunk::open;
use crate::error::{Doing, Result};
use crate::lab::Host;
use arrayvec::ArrayVec;
use packet_io::{BURST, TxFrame};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// A thread that sends until this is dropped or told to stop.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    /// Sends `frame`, which is whole, out of a device of a host.
    ///
    /// # Errors
    /// No such device, or no thread.
    pub(crate) fn start(host: &Host, device: &str, frame: Vec<u8>) -> Result<Self> {
        let mut port = open(host, device)?;
        let (stop, taken) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&taken));
        let run = move || {
            let burst: ArrayVec<TxFrame<'_>, BURST> =
                (0..BURST).map(|_| TxFrame::whole(&frame)).collect();
            while !stopped.load(Ordering::Relaxed) {
                let mut refused = 0;
                port.tx.send(&burst, &mut |_, _| refused += 1);
                count.fetch_add(BURST as u64 - refused, Ordering::Relaxed);
            }
        };
        let thread = thread::Builder::new()
            .name("flood".to_owned())
            .spawn(run)
            .doing("start the thread of a flood")?;
        Ok(Self {
            stop,
            taken,
            thread: Some(thread),
        })
    }

    /// Frames the device took so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Ends it; frames the device took in all.
    pub(crate) fn stop(mut self) -> u64 {
        self.end();
        self.taken()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.end();
    }
}
