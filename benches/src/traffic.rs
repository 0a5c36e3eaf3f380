//! A device in memory that always has frames, and takes all that are sent.

use crate::{Nowhere, WITH_OFFLOAD, WITHOUT_OFFLOAD, received};
use arrayvec::ArrayVec;
use packet_io::{BURST, Port, PortError, Receive, RxFrame, RxStats};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// Such a device: every burst is the same `frames`, at most [`BURST`]. `offload`: it takes unfinished frames.
///
/// # Errors
/// The system gives no more descriptors.
pub fn traffic(frames: Vec<Vec<u8>>, offload: bool) -> io::Result<Port> {
    let (ready, other) = UnixStream::pair()?;
    // Of which the other end is closed: readable for ever.
    drop(other);
    Ok(Port {
        rx: Box::new(Traffic { frames, ready }),
        tx: Box::new(Nowhere),
        capabilities: if offload {
            WITH_OFFLOAD
        } else {
            WITHOUT_OFFLOAD
        },
    })
}

struct Traffic {
    frames: Vec<Vec<u8>>,
    ready: UnixStream,
}

impl Receive for Traffic {
    fn receive<'a>(
        &'a mut self,
        burst: &mut ArrayVec<RxFrame<'a>, BURST>,
    ) -> Result<(), PortError> {
        burst.extend(self.frames.iter().map(|frame| received(frame)));
        Ok(())
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        Some(self.ready.as_fd())
    }

    fn stats(&mut self) -> RxStats {
        RxStats::default()
    }
}
