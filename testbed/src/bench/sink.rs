//! The sink: an XDP program at the generator's end that looks at each frame that comes back, counts it, and drops it.

use super::shape::{MAGIC, Shape};
use crate::error::{Doing, Result};
use packet_io::bpf::{Assembler, Attached, Jump, Memory, Program, Register, Verdict, Width};
use packet_io::netns::NetNs;

/// `bpf_ktime_get_ns` of `enum bpf_func_id`: the monotonic clock, which senders read too.
const KTIME: i32 = 5;

// Words of the counts.
const FRAMES: u16 = 0;
const OCTETS: u16 = 1;
const LATE: u16 = 4;
const FOREIGN: u16 = 5;
const LONGEST: u16 = 6;
const LISTED: u16 = 7;
const SOURCES: u16 = 8;
/// For each of these, the highest number seen, plus 1.
const NEXT: u16 = 16;
const WORDS: u16 = 24;

/// Delays up to 2^20 ns are counted in steps of 64 ns, longer ones in steps of 16.4 us up to 67 ms.
const FINE_BITS: i32 = 6;
const FINE: u16 = 1 << 14;
const COARSE_BITS: i32 = 14;
const COARSE: u16 = 1 << 12;

/// What the sink has seen so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Ours.
    pub(super) frames: u64,
    /// Octets of these without FCS.
    pub(super) octets: u64,
    /// Frames with a number that is not above all before of the same source (by its lowest three bits): overtaken, or
    /// repeated. A switch may let frames of one flow overtake another's.
    pub(super) late: u64,
    /// Frames that are not ours.
    pub(super) foreign: u64,
    /// The longest delay, in nanoseconds.
    pub(super) longest: u64,
    /// Of ours, those with a VNTag that names a list.
    pub(super) listed: u64,
    /// Of ours, by the source's number modulo 8.
    pub(super) sources: [u64; 8],
}

/// A sink in place.
pub(super) struct Sink {
    counts: Memory,
    delays: Memory,
    _attached: Attached,
}

impl Sink {
    /// Puts one on the device with this index.
    pub(super) fn attach(netns: &NetNs, device: u32, shape: Shape) -> Result<Self> {
        let counts = Memory::new(u32::from(WORDS)).doing("make memory for a sink")?;
        let delays = Memory::new(u32::from(FINE + COARSE)).doing("make memory for a sink")?;
        let code = program(shape, &counts, &delays);
        let program = Program::load(&code, &counts).doing("load the sink")?;
        let attached = netns
            .run(|| program.attach(device))
            .doing("enter the generator's namespace")?
            .doing("put the sink on its device")?;
        Ok(Self {
            counts,
            delays,
            _attached: attached,
        })
    }

    /// What was seen since it was attached.
    pub(super) fn seen(&self) -> Result<Seen> {
        let words = self.counts.read().doing("read the sink")?;
        let word = |at: u16| words.get(usize::from(at)).copied().unwrap_or_default();
        let mut sources = [0; 8];
        for (source, at) in sources.iter_mut().zip(SOURCES..) {
            *source = word(at);
        }
        Ok(Seen {
            frames: word(FRAMES),
            octets: word(OCTETS),
            late: word(LATE),
            foreign: word(FOREIGN),
            longest: word(LONGEST),
            listed: word(LISTED),
            sources,
        })
    }

    /// How many frames had which delay: bounds in nanoseconds, and counts; empty ones left out.
    pub(super) fn delays(&self) -> Result<Vec<(u64, u64)>> {
        let words = self.delays.read().doing("read the sink's delays")?;
        let bound = |at: usize| {
            let fine = usize::from(FINE);
            match at.checked_sub(fine) {
                None => (at as u64 + 1) << FINE_BITS,
                Some(coarse) => (coarse as u64 + 1) << COARSE_BITS,
            }
        };
        let counted = words
            .into_iter()
            .enumerate()
            .filter(|&(_, count)| count > 0);
        Ok(counted.map(|(at, count)| (bound(at), count)).collect())
    }
}

/// Puts a program on a device that lets everything by.
pub(super) fn pass(netns: &NetNs, device: u32) -> Result<Attached> {
    let memory = Memory::new(1).doing("make a program's memory")?;
    let mut code = Assembler::new();
    code.set(Register::R0, Verdict::Pass as i32);
    code.exit();
    let program = Program::load(&code.finish(), &memory).doing("load a program")?;
    netns
        .run(|| program.attach(device))
        .doing("enter the generator's namespace")?
        .doing("put a program on the generator's device")
}

/// The delay that so many of a thousand frames do not exceed, in nanoseconds. 0: there were none.
pub(super) fn quantile(delays: &[(u64, u64)], of_thousand: u64) -> u64 {
    let all: u64 = delays.iter().map(|(_, count)| count).sum();
    let mut left = (all * of_thousand).div_ceil(1000);
    for &(bound, count) in delays {
        if count >= left {
            return bound;
        }
        left -= count;
    }
    0
}

fn program(shape: Shape, counts: &Memory, delays: &Memory) -> Vec<[u8; 8]> {
    use Register::{R0, R1, R2, R3, R4, R5, R7, R8, R9};
    let at = shape.offset();
    let mut code = Assembler::new();
    let (foreign, drop, in_order, ordered, coarse, have_place, is_longest) = (
        code.label(),
        code.label(),
        code.label(),
        code.label(),
        code.label(),
        code.label(),
        code.label(),
    );
    let count = |code: &mut Assembler, word: u16| {
        code.load(Width::Eight, R1, R7, word as i16 * 8);
        code.add(R1, 1);
        code.store(Width::Eight, R7, word as i16 * 8, R1);
    };
    code.load(Width::Four, R2, R1, 0);
    code.load(Width::Four, R3, R1, 4);
    code.memory(R7, counts, 0);
    code.copy(R1, R2);
    code.add(R1, i32::from(at) + 22);
    code.jump_registers(Jump::Greater, R1, R3, foreign);
    code.load(Width::Four, R1, R2, at + 2);
    code.set_unsigned(R4, MAGIC);
    code.jump_registers(Jump::Differs, R1, R4, foreign);
    count(&mut code, FRAMES);
    code.subtract(R3, R2);
    code.load(Width::Eight, R1, R7, OCTETS as i16 * 8);
    code.add_register(R1, R3);
    code.store(Width::Eight, R7, OCTETS as i16 * 8, R1);
    // The source's lowest bits.
    code.load(Width::One, R1, R2, 11);
    code.and(R1, 7);
    code.shift_left(R1, 3);
    code.copy(R9, R7);
    code.add_register(R9, R1);
    code.load(Width::Eight, R1, R9, SOURCES as i16 * 8);
    code.add(R1, 1);
    code.store(Width::Eight, R9, SOURCES as i16 * 8, R1);
    if shape.vifs.is_some() {
        let unlisted = code.label();
        code.load(Width::One, R1, R2, 14);
        code.and(R1, 0x40);
        code.jump(Jump::Equal, R1, 0, unlisted);
        count(&mut code, LISTED);
        code.place(unlisted);
    }
    // The order, within a source.
    code.load(Width::Eight, R4, R2, at + 6);
    code.load(Width::Eight, R5, R9, NEXT as i16 * 8);
    code.jump_registers(Jump::AtLeast, R4, R5, in_order);
    count(&mut code, LATE);
    code.jump(Jump::Always, R0, 0, ordered);
    code.place(in_order);
    code.add(R4, 1);
    code.store(Width::Eight, R9, NEXT as i16 * 8, R4);
    code.place(ordered);
    // The delay, if the frame says when it was sent.
    code.load(Width::Eight, R8, R2, at + 14);
    code.jump(Jump::Equal, R8, 0, drop);
    code.call(KTIME);
    code.subtract(R0, R8);
    code.load(Width::Eight, R1, R7, LONGEST as i16 * 8);
    code.jump_registers(Jump::AtLeast, R1, R0, is_longest);
    code.store(Width::Eight, R7, LONGEST as i16 * 8, R0);
    code.place(is_longest);
    code.memory(R9, delays, 0);
    code.copy(R1, R0);
    code.shift_right(R1, FINE_BITS);
    code.jump(Jump::AtLeast, R1, i32::from(FINE), coarse);
    code.jump(Jump::Always, R0, 0, have_place);
    code.place(coarse);
    code.copy(R1, R0);
    code.shift_right(R1, COARSE_BITS);
    let fits = code.label();
    code.jump(Jump::Greater, R1, i32::from(COARSE) - 1, fits);
    let small = code.label();
    code.jump(Jump::Always, R0, 0, small);
    code.place(fits);
    code.set(R1, i32::from(COARSE) - 1);
    code.place(small);
    code.add(R1, i32::from(FINE));
    code.place(have_place);
    code.shift_left(R1, 3);
    code.add_register(R9, R1);
    code.load(Width::Eight, R1, R9, 0);
    code.add(R1, 1);
    code.store(Width::Eight, R9, 0, R1);
    code.jump(Jump::Always, R0, 0, drop);
    code.place(foreign);
    count(&mut code, FOREIGN);
    code.place(drop);
    code.set(R0, Verdict::Drop as i32);
    code.exit();
    code.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::shape::{Size, Traffic};

    #[test]
    fn a_quantile_is_the_bound_that_so_many_do_not_exceed() {
        let delays = [(64, 900), (128, 90), (192, 9), (1000, 1)];
        let of = [500, 900, 901, 990, 999, 1000].map(|q| quantile(&delays, q));
        assert_eq!(of, [64, 64, 128, 128, 192, 1000]);
        assert_eq!(quantile(&[], 500), 0);
    }

    #[test]
    fn the_kernel_takes_the_sink_and_it_knows_ours_from_others() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: needs root");
            return;
        }
        let shape = Shape {
            size: Size::Octets(64),
            traffic: Traffic::Ring(2),
            vifs: None,
        };
        let counts = Memory::new(u32::from(WORDS)).unwrap();
        let delays = Memory::new(u32::from(FINE + COARSE)).unwrap();
        let program = Program::load(&program(shape, &counts, &delays), &counts).unwrap();
        let mut frame = shape.template();
        for number in [0, 1, 5, 4, 3] {
            shape.number(&mut frame, number, 1);
            program.run_live(&frame[..60], 1).unwrap();
        }
        program.run_live(&[0; 60], 3).unwrap();
        let words = counts.read().unwrap();
        assert_eq!(words[..2], [5, 300]);
        assert_eq!(words[4..6], [1, 3]);
        assert_eq!(words[8..10], [2, 3]);
        // Sent when the machine was started: all of them in the last place.
        assert_eq!(delays.read().unwrap().last(), Some(&5));
    }
}
