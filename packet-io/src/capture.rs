//! A port that writes down what goes through it, as pcapng.
//!
//! Each frame is one enhanced packet block with its direction; a frame the device refused has a comment with the
//! drop reason. Wireshark shows both. Written by the worker itself: for tests and for the hunt, not for full rate.

use crate::{
    BURST, Offload, Port, PortError, Receive, Refusal, RxFrame, RxStats, Transmit, TxFrame,
};
use arrayvec::ArrayVec;
use niv::{DropReason, VlanTag};
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// Which way a frame went: the low two bits of a packet block's flags (pcapng section 4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Received.
    Inbound = 1,
    /// Sent.
    Outbound = 2,
}

/// What tells the time of a capture: nanoseconds since 1970. Passed in, so that a simulation has its own.
pub type Clock = Box<dyn Fn() -> u64 + Send>;

const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
const LINKTYPE_ETHERNET: u32 = 1;
const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
/// Powers of ten: nanoseconds.
const NANOSECONDS: u8 = 9;

/// Writes pcapng with one interface.
pub struct Writer<W> {
    output: W,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Starts a capture of the interface `name`.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn new(output: W, name: &str) -> io::Result<Self> {
        let mut writer = Self {
            output,
            block: Vec::new(),
        };
        // Version 1.0; the length of the section is not known: all ones.
        writer.begin(SECTION);
        writer.word(BYTE_ORDER_MAGIC);
        writer.word(1);
        writer.word(u32::MAX);
        writer.word(u32::MAX);
        writer.end()?;
        writer.begin(INTERFACE);
        writer.word(LINKTYPE_ETHERNET);
        writer.word(0);
        writer.option(INTERFACE_NAME, name.as_bytes());
        writer.option(INTERFACE_RESOLUTION, &[NANOSECONDS]);
        writer.option(OPTION_END, &[]);
        writer.end()?;
        Ok(writer)
    }

    /// Writes one frame, whose octets are `parts` in order. `length` is what the frame had before it was cut.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn frame<'p>(
        &mut self,
        time: u64,
        direction: Direction,
        parts: impl Iterator<Item = &'p [u8]> + Clone,
        length: u32,
        comment: Option<&str>,
    ) -> io::Result<()> {
        let captured: usize = parts.clone().map(<[u8]>::len).sum();
        self.begin(ENHANCED_PACKET);
        self.word(0);
        self.word((time >> 32) as u32);
        self.word(time as u32);
        self.word(captured as u32);
        self.word(length);
        for part in parts {
            self.block.extend_from_slice(part);
        }
        self.pad();
        self.option(PACKET_FLAGS, &(direction as u32).to_ne_bytes());
        if let Some(comment) = comment {
            self.option(OPTION_COMMENT, comment.as_bytes());
        }
        self.option(OPTION_END, &[]);
        self.end()
    }

    /// Hands everything to the output's own destination.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.word(kind);
        // Its length, filled in at the end.
        self.word(0);
    }

    fn word(&mut self, word: u32) {
        self.block.extend_from_slice(&word.to_ne_bytes());
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let length = value.len().min(usize::from(u16::MAX));
        self.block.extend_from_slice(&code.to_ne_bytes());
        self.block.extend_from_slice(&(length as u16).to_ne_bytes());
        self.block
            .extend_from_slice(value.get(..length).unwrap_or_default());
        self.pad();
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn end(&mut self) -> io::Result<()> {
        let length = self.block.len() as u32 + 4;
        self.word(length);
        if let Some(place) = self.block.get_mut(4..8) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        self.output.write_all(&self.block)
    }
}

/// The writer both halves share, and the first error it met.
struct Shared<W> {
    writer: Writer<W>,
    clock: Clock,
    error: Option<io::Error>,
}

impl<W: Write> Shared<W> {
    fn note<'p>(
        &mut self,
        direction: Direction,
        parts: impl Iterator<Item = &'p [u8]> + Clone,
        length: usize,
        comment: Option<&str>,
    ) {
        if self.error.is_none() {
            let time = (self.clock)();
            let written = self
                .writer
                .frame(time, direction, parts, length as u32, comment);
            self.error = written.err();
        }
    }
}

/// The other end of a capture: says whether it went well.
pub struct Capture<W>(Arc<Mutex<Shared<W>>>);

impl<W: Write> Capture<W> {
    /// Flushes what was written so far.
    ///
    /// # Errors
    /// The output could not be written, now or at an earlier frame, from which on nothing was written. Told once.
    pub fn flush(&self) -> io::Result<()> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match shared.error.take() {
            Some(error) => Err(error),
            None => shared.writer.flush(),
        }
    }
}

/// Wraps `port` so that `output` gets a copy of every frame.
///
/// A VLAN tag in metadata is written where it belongs. A capture never stops traffic: when the output fails, it ends
/// and [`Capture::flush`] says why.
///
/// # Errors
/// The output cannot be written.
pub fn capture<W: Write + Send + 'static>(
    port: Port,
    name: &str,
    output: W,
    clock: Clock,
) -> io::Result<(Port, Capture<W>)> {
    let shared = Arc::new(Mutex::new(Shared {
        writer: Writer::new(output, name)?,
        clock,
        error: None,
    }));
    let wrapped = Port {
        rx: Box::new(CapturedReceive {
            inner: port.rx,
            shared: shared.clone(),
        }),
        tx: Box::new(CapturedTransmit {
            inner: port.tx,
            shared: shared.clone(),
        }),
        capabilities: port.capabilities,
    };
    Ok((wrapped, Capture(shared)))
}

struct CapturedReceive<W> {
    inner: Box<dyn Receive>,
    shared: Arc<Mutex<Shared<W>>>,
}

impl<W: Write + Send> Receive for CapturedReceive<W> {
    fn receive<'a>(
        &'a mut self,
        burst: &mut ArrayVec<RxFrame<'a>, BURST>,
    ) -> Result<(), PortError> {
        let first = burst.len();
        self.inner.receive(burst)?;
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in burst.iter().skip(first) {
            let (addresses, rest) = frame.bytes.split_at(frame.bytes.len().min(12));
            let tag = frame.vlan.map(VlanTag::to_bytes);
            let tag: &[u8] = tag.as_ref().map_or(&[], |tag| tag);
            let length = frame.original_length as usize + tag.len();
            shared.note(
                Direction::Inbound,
                [addresses, tag, rest].into_iter(),
                length,
                remark(frame.offload),
            );
        }
        Ok(())
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        self.inner.readiness()
    }

    fn stats(&mut self) -> RxStats {
        self.inner.stats()
    }
}

struct CapturedTransmit<W> {
    inner: Box<dyn Transmit>,
    shared: Arc<Mutex<Shared<W>>>,
}

impl<W: Write + Send> Transmit for CapturedTransmit<W> {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        for chunk in 0..frames.len().div_ceil(BURST) {
            let first = chunk * BURST;
            let Some(rest) = frames.get(first..) else {
                return;
            };
            let part = rest.get(..BURST).unwrap_or(rest);
            let mut refusals = [None; BURST];
            self.inner.send(part, &mut |index, why| {
                if let Some(refusal) = refusals.get_mut(index) {
                    *refusal = Some(why);
                }
                refused(first + index, why);
            });
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            for (frame, refusal) in part.iter().zip(refusals) {
                let comment = match refusal {
                    Some(why) => Some(DropReason::from(why).as_str()),
                    None => remark(frame.offload),
                };
                shared.note(Direction::Outbound, frame.pieces(), frame.len(), comment);
            }
        }
    }
}

/// Why a reader's checksum verdict means nothing.
fn remark(offload: Offload) -> Option<&'static str> {
    if offload.segmentation.is_some() {
        Some("oversized")
    } else if offload.checksum.is_some() {
        Some("checksum unfinished")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Wire, WireOptions};

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// Type and body of each block, its two lengths compared.
    fn blocks(mut bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            let length = word(bytes, 4) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(word(bytes, length - 4) as usize, length);
            blocks.push((word(bytes, 0), bytes[8..length - 4].to_vec()));
            bytes = &bytes[length..];
        }
        blocks
    }

    #[test]
    fn both_directions_and_refusals_are_written_down() {
        let output = Output::default();
        let wire = Wire::new(WireOptions::default()).unwrap();
        let (mut port, capture) =
            capture(wire.a, "eth1", output.clone(), Box::new(|| 0x1_0000_0002)).unwrap();
        let mut far = wire.b;
        let mut bytes = vec![3; 61];
        bytes[12..16].copy_from_slice(&[0x81, 0, 0, 9]);
        let frame = |bytes| TxFrame::whole(bytes);
        far.tx.send(&[frame(&bytes)], &mut |_, _| panic!());
        port.rx.receive(&mut ArrayVec::new()).unwrap();
        let mut refusals = Vec::new();
        let long = [0; 2000];
        port.tx.send(&[frame(&bytes), frame(&long)], &mut |n, why| {
            refusals.push((n, why));
        });
        assert_eq!(refusals, [(1, Refusal::TooBig)]);
        capture.flush().unwrap();

        let written = output.0.lock().unwrap().clone();
        let blocks = blocks(&written);
        let kinds: Vec<u32> = blocks.iter().map(|block| block.0).collect();
        assert_eq!(kinds, [SECTION, INTERFACE, 6, 6, 6]);
        for (block, direction) in [(2, 1u32), (3, 2)] {
            let body = &blocks[block].1;
            assert_eq!([word(body, 4), word(body, 8)], [1, 2], "time");
            assert_eq!([word(body, 12), word(body, 16)], [61, 61], "lengths");
            assert_eq!(body[20..81], bytes);
            assert_eq!(word(body, 84), u32::from(PACKET_FLAGS) | 4 << 16);
            assert_eq!(word(body, 88), direction);
        }
        let refused = &blocks[4].1;
        assert!(refused.windows(12).any(|text| text == b"mtu_exceeded"));
    }

    #[test]
    fn a_full_disk_ends_the_capture_and_not_the_traffic() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut wire = Wire::new(WireOptions::default()).unwrap();
        let (mut port, capture) = capture(wire.a, "eth1", Full(2), Box::new(|| 0)).unwrap();
        let frame = TxFrame::whole(&[0; 60]);
        port.tx.send(&[frame; 3], &mut |_, _| panic!());
        let mut burst = ArrayVec::new();
        wire.b.rx.receive(&mut burst).unwrap();
        assert_eq!(burst.len(), 3);
        assert_eq!(
            capture.flush().unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }
}
