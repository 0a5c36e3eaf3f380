//! Test frames: who sends to whom, what is in them, and whether one that came back is what was sent.
//!
//! ```text
//!  octet 0     6     12           16 or 18 if tagged       18 (24)     22 (28)            30 (36)            38 (44)
//!       | DA   | SA  | (VNTag)  | 88 B5 |                  magic     | number           | time, ns         | pattern ...
//! ```
//!
//! (The type is at octet 12, or 18 behind a VNTag; the fields follow it.) A station is a number; its address is
//! `02:00:00` and that number. Stations with even numbers are behind VIF 1, with odd ones behind VIF 2, and so on if
//! there are more VIFs.

use crate::error::{Doing, Result};
use packet_io::bpf::{Assembler, Jump, Memory, Program, Register, Verdict, Width};
use vntag::{Direction, VnTag};

/// Of our own frames, after the type.
pub(super) const MAGIC: u32 = 0x7E57_F4A3;
const EXPERIMENTAL: [u8; 2] = [0x88, 0xB5];
const BROADCAST: u32 = u32::MAX;
/// What one IMIX round consists of: 7 times 64 octets, 4 times 570, once 1518.
const IMIX: [u16; 12] = [64, 64, 64, 570, 64, 570, 64, 570, 64, 570, 64, 1518];
/// `bpf_redirect` and `bpf_xdp_adjust_tail` of `enum bpf_func_id`.
const REDIRECT: i32 = 23;
const ADJUST_TAIL: i32 = 65;

/// Octets of a test frame on the wire, FCS included, VNTag not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// All of one size, 64 to 1518.
    Octets(u16),
    /// 64, 570 and 1518 octets, 7 to 4 to 1.
    Imix,
}

impl Size {
    pub(super) fn name(self) -> String {
        match self {
            Self::Octets(octets) => octets.to_string(),
            Self::Imix => "IMIX".to_owned(),
        }
    }

    const fn largest(self) -> u16 {
        match self {
            Self::Octets(octets) => octets,
            Self::Imix => 1518,
        }
    }

    fn of(self, number: u64) -> u16 {
        match self {
            Self::Octets(octets) => octets,
            Self::Imix => {
                let turn = (number % IMIX.len() as u64) as usize;
                IMIX.get(turn).copied().unwrap_or(64)
            }
        }
    }
}

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    /// Each of so many (a power of two) to the next one, in turn.
    Ring(u32),
    /// Seven to the eighth.
    ManyToOne,
    /// Eight to everybody, in turn.
    Broadcast,
    /// Stations from the first number on, each once, to station 0: they introduce themselves (RFC 2889, section 5.8).
    Introduce(u32),
    /// Station 0 to stations from the first number on, each once.
    AskFor(u32),
}

/// The stations [`Traffic::ManyToOne`] and [`Traffic::Broadcast`] are about.
pub(super) const GROUP: u32 = 8;

/// All about the frames of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// How long they are.
    pub(super) size: Size,
    /// Who sends to whom.
    pub(super) traffic: Traffic,
    /// VIFs the stations are behind, if frames carry VNTags.
    pub(super) vifs: Option<u32>,
}

/// What the device under test does with a frame's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It leaves them.
    Forwards,
    /// It exchanges them: a reflector, and no switch.
    Exchanges,
}

impl Shape {
    /// Where the type is.
    const fn type_at(self) -> usize {
        if self.vifs.is_some() { 18 } else { 12 }
    }

    /// Octets of frame `number` without FCS.
    pub(super) fn length(self, number: u64) -> usize {
        usize::from(self.size.of(number)) - 4 + self.type_at() - 12
    }

    /// Octets of the longest without FCS.
    pub(super) fn longest(self) -> usize {
        usize::from(self.size.largest()) - 4 + self.type_at() - 12
    }

    /// Destination and source of frame `number`, as station numbers.
    fn stations(self, number: u64) -> (u32, u32) {
        let number = number as u32;
        match self.traffic {
            Traffic::Ring(stations) => {
                let mask = stations - 1;
                (number.wrapping_add(1) & mask, number & mask)
            }
            Traffic::ManyToOne => (GROUP - 1, number % (GROUP - 1)),
            Traffic::Broadcast => (BROADCAST, number % GROUP),
            Traffic::Introduce(first) => (0, first + number),
            Traffic::AskFor(first) => (first + number, 0),
        }
    }

    /// Sources, up to 8: frame `n` comes from source `n` modulo that, as far as its lowest bits go.
    pub(super) fn sources(self) -> u32 {
        match self.traffic {
            Traffic::Ring(stations) => stations.min(8),
            _ => 8,
        }
    }

    fn vif(self, station: u32) -> u32 {
        1 + station % self.vifs.unwrap_or(1)
    }

    /// A frame with nothing of its number in it: what the rest of every one is.
    pub(super) fn template(self) -> Vec<u8> {
        let mut frame: Vec<u8> = (0..self.longest()).map(|at| at as u8 ^ 0x5A).collect();
        if self.vifs.is_some() {
            put(&mut frame, 12, &vntag::ethertype::VNTAG.to_be_bytes());
        }
        put(&mut frame, self.type_at(), &EXPERIMENTAL);
        put(&mut frame, self.type_at() + 2, &MAGIC.to_ne_bytes());
        put(&mut frame, self.type_at() + 14, &[0; 8]);
        frame
    }

    /// Writes number and time into what was a template.
    #[inline]
    pub(super) fn number(self, frame: &mut [u8], number: u64, time: u64) {
        let (to, from) = self.stations(number);
        put(frame, 0, &address(to));
        put(frame, 6, &address(from));
        if self.vifs.is_some() {
            put(frame, 14, &self.vif(from).to_be_bytes());
        }
        let at = self.type_at() + 6;
        put(frame, at, &number.to_ne_bytes());
        put(frame, at + 8, &time.to_ne_bytes());
    }

    /// The number of a frame that came back, if it is one of ours.
    pub(super) fn number_of(self, frame: &[u8]) -> Option<u64> {
        let at = self.type_at() + 2;
        let magic = frame.get(at..at + 4)?;
        let number = frame.get(at + 4..at + 12)?;
        (magic == MAGIC.to_ne_bytes()).then(|| number.try_into().ok().map(u64::from_ne_bytes))?
    }

    /// Whether a frame that came back is, octet for octet, what its number says; `expected` is a template.
    pub(super) fn is_whole(
        self,
        frame: &[u8],
        number: u64,
        turn: Turn,
        expected: &mut [u8],
    ) -> bool {
        let at = self.type_at() + 14;
        let time = frame.get(at..at + 8).and_then(|time| time.try_into().ok());
        let time = time.map_or(0, u64::from_ne_bytes);
        self.number(expected, number, time);
        let (to, from) = self.stations(number);
        if turn == Turn::Exchanges {
            put(expected, 0, &address(from));
            put(expected, 6, &address(to));
        }
        if self.vifs.is_some() {
            let word = frame.get(14..18).and_then(|word| word.try_into().ok());
            let tag = VnTag::from_word(word.map_or(0, u32::from_be_bytes));
            let is_right = tag.direction == Direction::FromBridge
                && (to == BROADCAST || (!tag.pointer && u32::from(tag.dvif.get()) == self.vif(to)));
            if turn == Turn::Forwards && !is_right {
                return false;
            }
            put(expected, 14, &tag.to_word().to_be_bytes());
        }
        expected.get(..self.length(number)) == Some(frame)
    }

    /// The program that the kernel's own frames are run through: it makes them ours and sends them out of the device.
    /// Word 0 of `memory` is the next number.
    pub(super) fn overload(self, memory: &Memory, device: u32) -> Result<Program> {
        use Register::{R0, R1, R2, R3, R4, R5, R6, R7, R8, R9};
        let mut code = Assembler::new();
        let failed = code.label();
        code.copy(R6, R1);
        code.memory(R7, memory, 0);
        code.load(Width::Eight, R8, R7, 0);
        code.copy(R1, R8);
        code.add(R1, 1);
        code.store(Width::Eight, R7, 0, R1);
        if self.size == Size::Imix {
            self.cut(&mut code, failed);
        }
        code.load(Width::Four, R2, R6, 0);
        code.load(Width::Four, R3, R6, 4);
        let type_at = self.type_at() as i16;
        code.copy(R1, R2);
        code.add(R1, i32::from(type_at) + 22);
        code.jump_registers(Jump::Greater, R1, R3, failed);
        // R4 the destination, R9 the source.
        code.copy(R4, R8);
        code.copy(R9, R8);
        match self.traffic {
            Traffic::Ring(stations) => {
                let mask = (stations - 1).cast_signed();
                code.and(R9, mask);
                code.add(R4, 1);
                code.and(R4, mask);
            }
            Traffic::ManyToOne => {
                code.modulo(R9, (GROUP - 1).cast_signed());
                code.set(R4, (GROUP - 1).cast_signed());
            }
            Traffic::Broadcast => {
                code.modulo(R9, GROUP.cast_signed());
                code.set(R4, -1);
            }
            Traffic::Introduce(first) => {
                code.add(R9, first.cast_signed());
                code.set(R4, 0);
            }
            Traffic::AskFor(first) => {
                code.set(R9, 0);
                code.add(R4, first.cast_signed());
            }
        }
        code.copy(R5, R9);
        code.to_network_order(R4);
        code.to_network_order(R5);
        let to_all = self.traffic == Traffic::Broadcast;
        let prefix = i32::from(u16::from_ne_bytes([2, 0]));
        code.set(R1, if to_all { 0xFFFF } else { prefix });
        code.store(Width::Two, R2, 0, R1);
        code.store(Width::Four, R2, 2, R4);
        code.set(R1, prefix);
        code.store(Width::Two, R2, 6, R1);
        code.store(Width::Four, R2, 8, R5);
        if let Some(vifs) = self.vifs {
            let tpid = u16::from_ne_bytes(vntag::ethertype::VNTAG.to_be_bytes());
            code.set(R1, i32::from(tpid));
            code.store(Width::Two, R2, 12, R1);
            code.modulo(R9, vifs.cast_signed());
            code.add(R9, 1);
            code.to_network_order(R9);
            code.store(Width::Four, R2, 14, R9);
        }
        code.set(R1, i32::from(u16::from_ne_bytes(EXPERIMENTAL)));
        code.store(Width::Two, R2, type_at, R1);
        code.set_unsigned(R1, MAGIC);
        // Packet memory may be written at any place; the kernel knows that this machine can.
        code.store(Width::Four, R2, type_at + 2, R1);
        code.store(Width::Eight, R2, type_at + 6, R8);
        code.set(R1, 0);
        code.store(Width::Eight, R2, type_at + 14, R1);
        code.set(R1, device.cast_signed());
        code.set(R2, 0);
        code.call(REDIRECT);
        code.exit();
        code.place(failed);
        code.set(R0, Verdict::Aborted as i32);
        code.exit();
        Program::load(&code.finish(), memory).doing("load the program that makes frames")
    }

    /// Cuts the frame, which is as long as the longest, to its own length: R8 is its number.
    fn cut(self, code: &mut Assembler, failed: packet_io::bpf::Label) {
        use Register::{R0, R1, R2, R6, R8};
        let (cut, whole) = (code.label(), code.label());
        code.copy(R1, R8);
        code.modulo(R1, IMIX.len() as i32);
        for (turn, octets) in IMIX.into_iter().enumerate() {
            let other = code.label();
            code.jump(Jump::Differs, R1, turn as i32, other);
            code.set(R2, i32::from(octets) - i32::from(self.size.largest()));
            code.jump(Jump::Always, R0, 0, cut);
            code.place(other);
        }
        code.jump(Jump::Always, R0, 0, whole);
        code.place(cut);
        code.jump(Jump::Equal, R2, 0, whole);
        code.copy(R1, R6);
        code.call(ADJUST_TAIL);
        code.jump(Jump::Differs, R0, 0, failed);
        code.place(whole);
    }

    /// What the sink looks at: where type, number and time are.
    pub(super) const fn offset(self) -> i16 {
        self.type_at() as i16
    }
}

#[inline]
fn put(frame: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = frame.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}

/// The address of a station.
#[inline]
pub(super) fn address(station: u32) -> [u8; 6] {
    if station == BROADCAST {
        return [0xFF; 6];
    }
    let [_, high, middle, low] = station.to_be_bytes();
    [2, 0, 0, high, middle, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Shape = Shape {
        size: Size::Octets(64),
        traffic: Traffic::Ring(2),
        vifs: None,
    };

    fn frame(shape: Shape, number: u64) -> Vec<u8> {
        let mut frame = shape.template();
        shape.number(&mut frame, number, 77);
        frame.truncate(shape.length(number));
        frame
    }

    #[test]
    fn a_frame_is_whole_only_as_it_was_sent() {
        for size in [Size::Octets(64), Size::Imix] {
            let shape = Shape { size, ..PLAIN };
            let mut expected = shape.template();
            for number in 0..24 {
                let good = frame(shape, number);
                assert_eq!(shape.number_of(&good), Some(number));
                assert!(shape.is_whole(&good, number, Turn::Forwards, &mut expected));
                assert!(!shape.is_whole(&good, number, Turn::Exchanges, &mut expected));
                // The time is the sender's business; every other octet counts.
                for at in (0..26).chain(34..good.len()) {
                    let mut bad = good.clone();
                    bad[at] ^= 1;
                    assert!(
                        !shape.is_whole(&bad, number, Turn::Forwards, &mut expected),
                        "{at}"
                    );
                }
                let short = &good[..good.len() - 1];
                assert!(!shape.is_whole(short, number, Turn::Forwards, &mut expected));
            }
        }
    }

    #[test]
    fn a_tagged_frame_comes_back_with_its_destinations_vif() {
        let shape = Shape {
            vifs: Some(2),
            ..PLAIN
        };
        let mut expected = shape.template();
        let mut back = frame(shape, 0);
        assert_eq!(back.len(), 66);
        assert!(!shape.is_whole(&back, 0, Turn::Forwards, &mut expected));
        back[14..18].copy_from_slice(&0x8002_0000_u32.to_be_bytes());
        assert!(shape.is_whole(&back, 0, Turn::Forwards, &mut expected));
        back[14..18].copy_from_slice(&0x8001_0000_u32.to_be_bytes());
        assert!(!shape.is_whole(&back, 0, Turn::Forwards, &mut expected));
    }
}
