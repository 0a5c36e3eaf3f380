//! An in-memory wire: two connected ports, for tests, simulations and replay.
//!
//! It behaves as a pair of kernel devices does: queues are bounded, a frame that is too long is refused, an
//! outer VLAN tag arrives in metadata, and work left undone travels along. Frames are copied in under a
//! lock, once per burst: it is not meant to be fast.

use crate::{
    BURST, Capabilities, Offload, Port, PortError, Receive, Refusal, RxFrame, RxStats, Transmit,
    TxFrame,
};
use arrayvec::ArrayVec;
use niv::VlanTag;
use rustix::event::{EventfdFlags, eventfd};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a wire behaves.
#[derive(Clone, Copy, Debug)]
pub struct WireOptions {
    /// Frames waiting in one direction, at most.
    pub capacity: usize,
    /// The largest payload behind the Ethernet header; a VLAN tag may come on top.
    pub mtu: u32,
    /// Whether work left undone is carried along.
    pub offload: bool,
    /// Whether an outer VLAN tag is moved into metadata, as kernels do.
    pub strip_vlan: bool,
}

impl Default for WireOptions {
    fn default() -> Self {
        Self {
            capacity: 1024,
            mtu: 1500,
            offload: true,
            strip_vlan: true,
        }
    }
}

/// Two connected ports, and the hand on the plug.
pub struct Wire {
    /// One end.
    pub a: Port,
    /// The other.
    pub b: Port,
    /// Takes the wire down and up.
    pub carrier: Carrier,
}

impl Wire {
    /// Connects two ports.
    ///
    /// # Errors
    /// The kernel has no file descriptor left for the readiness of a queue.
    pub fn new(options: WireOptions) -> io::Result<Self> {
        let to_a = Direction::new(options)?;
        let to_b = Direction::new(options)?;
        let port = |from: &Arc<Direction>, to: &Arc<Direction>| Port {
            rx: Box::new(WireReceive {
                from: from.clone(),
                lent: VecDeque::new(),
                taken: 0,
            }),
            tx: Box::new(WireTransmit { to: to.clone() }),
            capabilities: Capabilities {
                mode: "memory",
                mtu: options.mtu,
                offload: options.offload,
                long: 0,
            },
        };
        Ok(Self {
            a: port(&to_a, &to_b),
            b: port(&to_b, &to_a),
            carrier: Carrier([to_a, to_b]),
        })
    }
}

/// Takes a [`Wire`] down and up.
#[derive(Clone)]
pub struct Carrier([Arc<Direction>; 2]);

impl Carrier {
    /// While the wire is down, both ends say so and refuse frames; what was queued is still delivered when
    /// it is up again.
    pub fn set_up(&self, up: bool) {
        for direction in &self.0 {
            direction.lock().down = !up;
            direction.wake();
        }
    }
}

struct Direction {
    options: WireOptions,
    queue: Mutex<Queue>,
    /// Readable while the queue has something to say.
    ready: OwnedFd,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Queued>,
    down: bool,
    buffers: u64,
}

struct Queued {
    bytes: Vec<u8>,
    vlan: Option<VlanTag>,
    offload: Offload,
}

impl Direction {
    fn new(options: WireOptions) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            options,
            queue: Mutex::default(),
            ready: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A queue of whole frames is consistent whatever panicked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // The counter can only be full, and then the descriptor is readable already.
        let _ = rustix::io::write(&self.ready, &1u64.to_ne_bytes());
    }

    fn sleep(&self) {
        // Nothing to read means that it was not readable in the first place.
        let _ = rustix::io::read(&self.ready, &mut [0u8; 8]);
    }

    fn accept(&self, queue: &mut Queue, frame: &TxFrame<'_>) -> Result<(), Refusal> {
        let mut bytes: Vec<u8> = frame.pieces().flatten().copied().collect();
        let mut offload = frame.offload;
        if queue.down {
            return Err(Refusal::Down);
        }
        if !self.options.offload && !offload.is_none() {
            return Err(Refusal::Error);
        }
        if bytes.len() < 14 {
            return Err(Refusal::Error);
        }
        let tag = outer_tag(&bytes);
        let allowed = self.options.mtu as usize + 14 + if tag.is_some() { 4 } else { 0 };
        if bytes.len() > allowed && offload.segmentation.is_none() {
            return Err(Refusal::TooBig);
        }
        if queue.frames.len() >= self.options.capacity {
            return Err(Refusal::Full);
        }
        let vlan = tag.filter(|_| self.options.strip_vlan);
        if vlan.is_some() {
            bytes.drain(12..16);
            offload = offload.shifted(-4);
        }
        queue.buffers += 1;
        queue.frames.push_back(Queued {
            bytes,
            vlan,
            offload,
        });
        Ok(())
    }
}

fn outer_tag(bytes: &[u8]) -> Option<VlanTag> {
    match bytes.get(12..16) {
        Some(&[a, b, c, d]) if matches!((a, b), (0x81, 0x00) | (0x88, 0xA8)) => Some(VlanTag {
            tpid: u16::from_be_bytes([a, b]),
            tci: u16::from_be_bytes([c, d]),
        }),
        _ => None,
    }
}

struct WireReceive {
    from: Arc<Direction>,
    lent: VecDeque<Queued>,
    /// Of `lent`, those already lent out.
    taken: usize,
}

impl Receive for WireReceive {
    fn receive<'a>(
        &'a mut self,
        burst: &mut ArrayVec<RxFrame<'a>, BURST>,
    ) -> Result<(), PortError> {
        self.lent.drain(..self.taken);
        self.taken = 0;
        let mut queue = self.from.lock();
        let down = queue.down;
        if !down {
            let wanted = BURST.saturating_sub(self.lent.len());
            let there = queue.frames.len();
            self.lent.extend(queue.frames.drain(..there.min(wanted)));
        }
        if queue.frames.is_empty() || down {
            self.from.sleep();
        }
        drop(queue);
        if down && self.lent.is_empty() {
            return Err(PortError::Down);
        }
        let room = burst.remaining_capacity();
        for frame in self.lent.iter().take(room) {
            burst.push(RxFrame {
                bytes: &frame.bytes,
                vlan: frame.vlan,
                offload: frame.offload,
                original_length: frame.bytes.len() as u32,
            });
            self.taken += 1;
        }
        Ok(())
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        Some(self.from.ready.as_fd())
    }

    fn stats(&mut self) -> RxStats {
        // A full queue refuses the sender, so that nothing is ever dropped behind its back.
        RxStats {
            buffers: self.from.lock().buffers,
            dropped: 0,
        }
    }
}

struct WireTransmit {
    to: Arc<Direction>,
}

impl Transmit for WireTransmit {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        let mut queue = self.to.lock();
        for (index, frame) in frames.iter().enumerate() {
            if let Err(refusal) = self.to.accept(&mut queue, frame) {
                refused(index, refusal);
            }
        }
        if !queue.frames.is_empty() {
            self.to.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(port: &mut Port, bytes: &[u8]) -> Option<Refusal> {
        let frame = TxFrame::whole(bytes);
        let mut refusal = None;
        port.tx.send(&[frame], &mut |_, why| refusal = Some(why));
        refusal
    }

    type Arrived = Vec<(Vec<u8>, Option<VlanTag>)>;

    fn received(port: &mut Port) -> Result<Arrived, PortError> {
        let mut burst = ArrayVec::new();
        port.rx.receive(&mut burst)?;
        Ok(burst.iter().map(|f| (f.bytes.to_vec(), f.vlan)).collect())
    }

    #[test]
    fn frames_arrive_once_and_in_order() {
        let mut wire = Wire::new(WireOptions::default()).unwrap();
        for n in 0..100 {
            assert_eq!(send(&mut wire.a, &[n; 60]), None);
        }
        let mut seen = received(&mut wire.b).unwrap();
        assert_eq!(seen.len(), BURST);
        seen.extend(received(&mut wire.b).unwrap());
        assert!(received(&mut wire.b).unwrap().is_empty());
        assert!(received(&mut wire.a).unwrap().is_empty());
        for (n, (bytes, vlan)) in seen.iter().enumerate() {
            assert_eq!((bytes[0], bytes.len(), *vlan), (n as u8, 60, None));
        }
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn an_outer_vlan_tag_arrives_in_metadata() {
        let mut wire = Wire::new(WireOptions::default()).unwrap();
        let mut bytes = [9; 64];
        bytes[12..16].copy_from_slice(&[0x81, 0, 0x20, 5]);
        send(&mut wire.a, &bytes);
        let seen = received(&mut wire.b).unwrap();
        let tag = VlanTag {
            tpid: 0x8100,
            tci: 0x2005,
        };
        assert_eq!(seen, [(vec![9; 60], Some(tag))]);
    }

    #[test]
    fn a_full_wire_a_long_frame_and_a_cut_wire_refuse() {
        let options = WireOptions {
            capacity: 1,
            ..WireOptions::default()
        };
        let mut wire = Wire::new(options).unwrap();
        assert_eq!(send(&mut wire.a, &[0; 1515]), Some(Refusal::TooBig));
        assert_eq!(send(&mut wire.a, &[0; 1514]), None);
        assert_eq!(send(&mut wire.a, &[0; 60]), Some(Refusal::Full));
        wire.carrier.set_up(false);
        assert_eq!(send(&mut wire.b, &[0; 60]), Some(Refusal::Down));
        assert!(matches!(received(&mut wire.b), Err(PortError::Down)));
        wire.carrier.set_up(true);
        assert_eq!(received(&mut wire.b).unwrap().len(), 1);
    }
}
