//! A port that misbehaves as networks do, the same way every time for the same seed.
//!
//! Faults befall received frames, between the device and the worker. Delays count bursts, not time, so that nothing
//! here reads a clock. To make both directions of a wire bad, wrap both ends.

use crate::{BURST, Offload, Port, PortError, Receive, RxFrame, RxStats};
use arrayvec::ArrayVec;
use niv::VlanTag;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

/// How often each fault happens, in frames out of a thousand, and how it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Where the randomness starts.
    pub seed: u64,
    /// Frames lost.
    pub drop: u16,
    /// Frames delivered twice.
    pub duplicate: u16,
    /// Frames that let the next one pass.
    pub reorder: u16,
    /// Frames with one bit flipped.
    pub corrupt: u16,
    /// Frames held back for `delay_bursts`.
    pub delay: u16,
    /// How many calls of `receive` a delayed frame waits.
    pub delay_bursts: u16,
    /// After this many calls of `receive` the link goes down, or comes up again. 0: it stays up.
    pub flap_bursts: u32,
}

/// Wraps `port` so that its received frames suffer `faults`.
pub fn faults(port: Port, faults: Faults) -> Port {
    Port {
        rx: Box::new(FaultyReceive {
            inner: port.rx,
            random: Random(faults.seed),
            faults,
            now: 0,
            waiting: VecDeque::new(),
            lent: Vec::new(),
        }),
        ..port
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and good enough to roll dice.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn happens(&mut self, per_thousand: u16) -> bool {
        self.next() % 1000 < u64::from(per_thousand)
    }
}

#[derive(Clone)]
struct Held {
    /// The call of `receive` at which it may go on.
    due: u64,
    bytes: Vec<u8>,
    vlan: Option<VlanTag>,
    offload: Offload,
    original_length: u32,
}

struct FaultyReceive {
    inner: Box<dyn Receive>,
    faults: Faults,
    random: Random,
    /// Calls of `receive` so far.
    now: u64,
    waiting: VecDeque<Held>,
    lent: Vec<Held>,
}

impl FaultyReceive {
    fn take(&mut self) -> Result<(), PortError> {
        let mut burst = ArrayVec::<RxFrame<'_>, BURST>::new();
        let result = self.inner.receive(&mut burst);
        for frame in &burst {
            if self.random.happens(self.faults.drop) {
                continue;
            }
            let mut held = Held {
                due: self.now,
                bytes: frame.bytes.to_vec(),
                vlan: frame.vlan,
                offload: frame.offload,
                original_length: frame.original_length,
            };
            if self.random.happens(self.faults.corrupt) && !held.bytes.is_empty() {
                let bit = self.random.next() as usize % (held.bytes.len() * 8);
                if let Some(octet) = held.bytes.get_mut(bit / 8) {
                    *octet ^= 1 << (bit % 8);
                }
            }
            if self.random.happens(self.faults.delay) {
                held.due += u64::from(self.faults.delay_bursts);
            }
            if self.random.happens(self.faults.duplicate) {
                self.waiting.push_back(held.clone());
            }
            if self.random.happens(self.faults.reorder)
                && let Some(last) = self.waiting.pop_back()
            {
                self.waiting.push_back(held);
                self.waiting.push_back(last);
            } else {
                self.waiting.push_back(held);
            }
        }
        result
    }

    fn is_down(&self) -> bool {
        match u64::from(self.faults.flap_bursts) {
            0 => false,
            period => (self.now / period) % 2 == 1,
        }
    }
}

impl Receive for FaultyReceive {
    fn receive<'a>(
        &'a mut self,
        burst: &mut ArrayVec<RxFrame<'a>, BURST>,
    ) -> Result<(), PortError> {
        self.lent.clear();
        let down = self.is_down();
        let taken = self.take();
        self.now += 1;
        if down {
            // What arrives at a link that is down is lost.
            self.waiting.clear();
            return Err(PortError::Down);
        }
        let mut still = VecDeque::new();
        for held in self.waiting.drain(..) {
            if held.due < self.now && self.lent.len() < burst.remaining_capacity() {
                self.lent.push(held);
            } else {
                still.push_back(held);
            }
        }
        self.waiting = still;
        if self.lent.is_empty() {
            return taken;
        }
        burst.extend(self.lent.iter().map(|held| RxFrame {
            bytes: &held.bytes,
            vlan: held.vlan,
            offload: held.offload,
            original_length: held.original_length,
        }));
        Ok(())
    }

    /// `None` when frames may be held back, of which no descriptor tells: the worker has to ask.
    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        let held_back = self.faults.delay > 0 || self.faults.duplicate > 0;
        if held_back || self.faults.flap_bursts > 0 {
            None
        } else {
            self.inner.readiness()
        }
    }

    fn stats(&mut self) -> RxStats {
        self.inner.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TxFrame;
    use crate::wire::{Wire, WireOptions};

    /// What arrives of the frames 0, 1, ... 199, and how often the link was down.
    fn arrivals(spec: Faults) -> (Vec<Vec<u8>>, usize) {
        let mut wire = Wire::new(WireOptions::default()).unwrap();
        let mut bad = faults(wire.b, spec);
        let mut seen = Vec::new();
        let mut down = 0;
        for n in 0..220u8 {
            let bytes = [n; 60];
            let frame = TxFrame::whole(&bytes);
            if n < 200 {
                wire.a.tx.send(&[frame], &mut |_, _| panic!());
            }
            if n % 4 == 3 {
                let mut burst = ArrayVec::new();
                match bad.rx.receive(&mut burst) {
                    Ok(()) => seen.extend(burst.iter().map(|frame| frame.bytes.to_vec())),
                    Err(_) => down += 1,
                }
            }
        }
        (seen, down)
    }

    fn numbers(spec: Faults) -> Vec<u8> {
        arrivals(spec).0.iter().map(|bytes| bytes[0]).collect()
    }

    const NONE: Faults = Faults {
        seed: 7,
        drop: 0,
        duplicate: 0,
        reorder: 0,
        corrupt: 0,
        delay: 0,
        delay_bursts: 0,
        flap_bursts: 0,
    };

    #[test]
    fn without_faults_all_is_well() {
        assert_eq!(numbers(NONE), (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn the_same_seed_makes_the_same_faults() {
        let spec = Faults {
            drop: 100,
            duplicate: 100,
            reorder: 100,
            corrupt: 100,
            delay: 100,
            delay_bursts: 3,
            ..NONE
        };
        assert_eq!(arrivals(spec), arrivals(spec));
        assert_ne!(arrivals(spec), arrivals(Faults { seed: 8, ..spec }));
    }

    #[test]
    fn each_fault_does_what_its_name_says() {
        let all: Vec<u8> = (0..200).collect();
        let dropped = numbers(Faults { drop: 300, ..NONE });
        assert!(dropped.len() < 200 && dropped.is_sorted());

        let mut doubled = numbers(Faults {
            duplicate: 300,
            ..NONE
        });
        assert!(doubled.len() > 200);
        doubled.dedup();
        assert_eq!(doubled, all);

        for spec in [
            Faults {
                reorder: 300,
                ..NONE
            },
            Faults {
                delay: 300,
                delay_bursts: 2,
                ..NONE
            },
        ] {
            let mut moved = numbers(spec);
            assert_ne!(moved, all);
            moved.sort_unstable();
            assert_eq!(moved, all);
        }

        let (corrupt, _) = arrivals(Faults {
            corrupt: 300,
            ..NONE
        });
        let flipped = |n: usize, bytes: &[u8]| {
            let differing: u32 = bytes.iter().map(|b| (b ^ n as u8).count_ones()).sum();
            assert!(differing <= 1);
            differing as usize
        };
        let flips: usize = corrupt.iter().enumerate().map(|(n, b)| flipped(n, b)).sum();
        assert!(flips > 20 && flips < 120);
    }

    #[test]
    fn a_flapping_link_is_down_half_the_time() {
        let (seen, down) = arrivals(Faults {
            flap_bursts: 5,
            ..NONE
        });
        assert_eq!(down, 25);
        assert!(seen.len() < 200 && !seen.is_empty());
    }
}
