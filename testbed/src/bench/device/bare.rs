//! The best of user space: our own packet I/O, which receives, exchanges addresses and sends. With a fault built in, it
//! shows that generator and sink notice.

use super::Running;
use crate::bench::bed::{Bed, DUT, DUT_CORE, pin};
use crate::endpoint::trunk::open;
use crate::error::{Doing, Result};
use arrayvec::ArrayVec;
use packet_io::{BURST, Port, RxFrame, TxFrame};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// What is done to every thousandth frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Fault {
    /// Nothing.
    None,
    /// It is kept.
    Lose,
    /// It is sent twice.
    Repeat,
    /// It is sent after the next one.
    Reorder,
    /// Its last octet is another one.
    Alter,
}

/// A thread at work, until this is dropped.
pub(in crate::bench) struct Turning {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Turning {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its own thread.
            let _ = thread.join();
        }
    }
}

pub(super) fn start(bed: &Bed) -> Result<Running> {
    let (mode, turning) = turn(bed, Fault::None)?;
    Ok(Running::reflector(mode, turning))
}

/// Starts the thread; says how it moves frames.
pub(in crate::bench) fn turn(bed: &Bed, fault: Fault) -> Result<(String, Turning)> {
    let port = open(bed.device()?, DUT.1)?;
    let mode = format!("{}, spinning", port.capabilities.mode);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let run = move || {
        let _the_table_says_where_it_was_meant_to_be = pin(DUT_CORE);
        turn_frames(port, fault, &stopped);
    };
    let thread = thread::Builder::new()
        .name("turn".to_owned())
        .spawn(run)
        .doing("start a thread that turns frames")?;
    Ok((
        mode,
        Turning {
            stop,
            thread: Some(thread),
        },
    ))
}

fn turn_frames(mut port: Port, fault: Fault, stop: &AtomicBool) {
    let mut number = 0u64;
    // The frame that the next one overtakes.
    let mut kept = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut burst = ArrayVec::<RxFrame<'_>, BURST>::new();
        if port.rx.receive(&mut burst).is_err() || burst.is_empty() {
            std::hint::spin_loop();
            continue;
        }
        let mut headers = [[0u8; 12]; BURST];
        for (header, frame) in headers.iter_mut().zip(&burst) {
            if let Some(([to, from], _)) = frame.bytes.as_chunks::<6>().0.split_first_chunk::<2>() {
                header[..6].copy_from_slice(from);
                header[6..].copy_from_slice(to);
            }
        }
        let mut out: ArrayVec<TxFrame<'_>, { 2 * BURST }> = ArrayVec::new();
        for (header, frame) in headers.iter().zip(&burst) {
            let turned = TxFrame {
                parts: [header, frame.bytes.get(12..).unwrap_or_default(), &[]],
                ..TxFrame::whole(&[])
            };
            number += 1;
            if fault == Fault::None || number % 1000 != 500 {
                out.push(turned);
                if fault == Fault::Reorder && number % 1000 == 501 {
                    for frame in &out {
                        port.tx.send(&[*frame], &mut |_, _| {});
                    }
                    out.clear();
                    port.tx.send(&[TxFrame::whole(&kept)], &mut |_, _| {});
                }
                continue;
            }
            match fault {
                Fault::None => out.push(turned),
                Fault::Reorder => kept = turned.pieces().flatten().copied().collect(),
                Fault::Lose => {}
                Fault::Repeat => out.extend([turned, turned]),
                Fault::Alter => {
                    let rest = frame.bytes.get(12..frame.bytes.len() - 1);
                    let parts = [&header[..], rest.unwrap_or_default(), &[0x11]];
                    out.push(TxFrame { parts, ..turned });
                }
            }
        }
        for burst in out.chunks(BURST) {
            port.tx.send(burst, &mut |_, _| {});
        }
    }
}
