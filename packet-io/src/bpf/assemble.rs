//! Instructions of the BPF machine (RFC 9669), as far as the programs here use them.

use super::kernel::{Memory, Table};
use std::os::fd::AsRawFd;

/// The machine's registers. R1 to R5 are lost by a call; R10 is the end of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they have no other names")]
pub enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
}

/// Octets that are loaded or stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 8 bits.
    One = 0x10,
    /// 16 bits.
    Two = 0x08,
    /// 32 bits.
    Four = 0x00,
    /// 64 bits.
    Eight = 0x18,
}

/// When to jump; numbers have no sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// Always; what is compared does not matter.
    Always = 0x00,
    /// The left one equals the right one.
    Equal = 0x10,
    /// The left one is greater.
    Greater = 0x20,
    /// The left one is greater, or they are equal.
    AtLeast = 0x30,
    /// They differ.
    Differs = 0x50,
}

/// A place to jump to, further on in the program.
#[derive(Clone, Copy, Debug)]
pub struct Label(usize);

/// A program in the making. Jumps go forward only: it ends.
#[derive(Debug, Default)]
pub struct Assembler {
    code: Vec<[u8; 8]>,
    /// Jumps whose target is not known yet: where, and to which label.
    open: Vec<(usize, usize)>,
    /// Where each label is.
    labels: Vec<Option<usize>>,
}

// Classes, sources and operations of RFC 9669, sections 3 to 5.
const LD: u8 = 0x00;
const LDX: u8 = 0x01;
const STX: u8 = 0x03;
const JMP: u8 = 0x05;
const ALU64: u8 = 0x07;
const ALU32: u8 = 0x04;
const MEM: u8 = 0x60;
const IMM64: u8 = 0x18;
const BY_REGISTER: u8 = 0x08;
const ADD: u8 = 0x00;
const SUB: u8 = 0x10;
const AND: u8 = 0x50;
const LSH: u8 = 0x60;
const RSH: u8 = 0x70;
const MOD: u8 = 0x90;
const MOV: u8 = 0xB0;
const END: u8 = 0xD0;
const CALL: u8 = 0x80;
const EXIT: u8 = 0x90;
/// The immediate is a map's descriptor, the next one an offset into its only value.
const PSEUDO_MAP_VALUE: u8 = 2;
/// The immediate is a map's descriptor.
const PSEUDO_MAP: u8 = 1;

impl Assembler {
    /// An empty program.
    pub fn new() -> Self {
        Self::default()
    }

    fn push(&mut self, opcode: u8, to: u8, from: u8, offset: i16, immediate: i32) {
        let [o0, o1] = offset.to_ne_bytes();
        let [i0, i1, i2, i3] = immediate.to_ne_bytes();
        // In memory the destination is the low half on little-endian machines, the high half on others.
        let registers = if cfg!(target_endian = "little") {
            to | from << 4
        } else {
            to << 4 | from
        };
        self.code.push([opcode, registers, o0, o1, i0, i1, i2, i3]);
    }

    fn by_value(&mut self, operation: u8, to: Register, value: i32) {
        self.push(ALU64 | operation, to as u8, 0, 0, value);
    }

    fn by_register(&mut self, operation: u8, to: Register, from: Register) {
        let opcode = ALU64 | BY_REGISTER | operation;
        self.push(opcode, to as u8, from as u8, 0, 0);
    }

    /// `to` = `value`.
    pub fn set(&mut self, to: Register, value: i32) {
        self.by_value(MOV, to, value);
    }

    /// `to` = `value`, its upper half 0.
    pub fn set_unsigned(&mut self, to: Register, value: u32) {
        self.push(ALU32 | MOV, to as u8, 0, 0, value.cast_signed());
    }

    /// `to` = `from`.
    pub fn copy(&mut self, to: Register, from: Register) {
        self.by_register(MOV, to, from);
    }

    /// `to` += `value`.
    pub fn add(&mut self, to: Register, value: i32) {
        self.by_value(ADD, to, value);
    }

    /// `to` += `from`.
    pub fn add_register(&mut self, to: Register, from: Register) {
        self.by_register(ADD, to, from);
    }

    /// `to` -= `from`.
    pub fn subtract(&mut self, to: Register, from: Register) {
        self.by_register(SUB, to, from);
    }

    /// `to` &= `value`.
    pub fn and(&mut self, to: Register, value: i32) {
        self.by_value(AND, to, value);
    }

    /// `to` %= `value`.
    pub fn modulo(&mut self, to: Register, value: i32) {
        self.by_value(MOD, to, value);
    }

    /// `to` <<= `bits`.
    pub fn shift_left(&mut self, to: Register, bits: i32) {
        self.by_value(LSH, to, bits);
    }

    /// `to` >>= `bits`.
    pub fn shift_right(&mut self, to: Register, bits: i32) {
        self.by_value(RSH, to, bits);
    }

    /// Makes the low 32 bits of `to` what they are in network order, and the others 0.
    pub fn to_network_order(&mut self, to: Register) {
        self.push(ALU32 | BY_REGISTER | END, to as u8, 0, 0, 32);
    }

    /// `to` = what is at `from` + `offset`.
    pub fn load(&mut self, width: Width, to: Register, from: Register, offset: i16) {
        self.push(LDX | MEM | width as u8, to as u8, from as u8, offset, 0);
    }

    /// What is at `to` + `offset` = `from`.
    pub fn store(&mut self, width: Width, to: Register, offset: i16, from: Register) {
        self.push(STX | MEM | width as u8, to as u8, from as u8, offset, 0);
    }

    /// `to` = the address of word `word` of the memory.
    pub fn memory(&mut self, to: Register, memory: &Memory, word: u16) {
        let map = memory.as_raw_fd();
        self.push(LD | IMM64, to as u8, PSEUDO_MAP_VALUE, 0, map);
        self.push(0, 0, 0, 0, i32::from(word) * 8);
    }

    /// `to` = the table, as calls want it.
    pub fn table(&mut self, to: Register, table: &Table) {
        self.push(LD | IMM64, to as u8, PSEUDO_MAP, 0, table.as_raw_fd());
        self.push(0, 0, 0, 0, 0);
    }

    /// Calls one of the kernel's functions by its number (`enum bpf_func_id`): R1 to R5 go in, R0 comes out.
    pub fn call(&mut self, function: i32) {
        self.push(JMP | CALL, 0, 0, 0, function);
    }

    /// Ends the program with what is in R0.
    pub fn exit(&mut self) {
        self.push(JMP | EXIT, 0, 0, 0, 0);
    }

    /// A label, to be jumped to and then put somewhere.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Puts a label here.
    pub fn place(&mut self, label: Label) {
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = Some(self.code.len());
        }
    }

    /// Jumps, if `left` and `value` are as `when` says.
    pub fn jump(&mut self, when: Jump, left: Register, value: i32, to: Label) {
        self.open.push((self.code.len(), to.0));
        let left = if when == Jump::Always { 0 } else { left as u8 };
        let value = if when == Jump::Always { 0 } else { value };
        self.push(JMP | when as u8, left, 0, 0, value);
    }

    /// Jumps, if `left` and `right` are as `when` says.
    pub fn jump_registers(&mut self, when: Jump, left: Register, right: Register, to: Label) {
        self.open.push((self.code.len(), to.0));
        let opcode = JMP | BY_REGISTER | when as u8;
        self.push(opcode, left as u8, right as u8, 0, 0);
    }

    /// The program. A jump to a label that was never put anywhere falls through: the kernel refuses a program that
    /// runs off its end.
    pub fn finish(mut self) -> Vec<[u8; 8]> {
        for (at, label) in self.open {
            let target = self.labels.get(label).copied().flatten();
            let distance = target.map_or(0, |target| target.saturating_sub(at + 1));
            let distance = i16::try_from(distance).unwrap_or(0);
            if let Some([_, _, low, high, ..]) = self.code.get_mut(at) {
                [*low, *high] = distance.to_ne_bytes();
            }
        }
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_goes_to_where_its_label_was_put() {
        let mut code = Assembler::new();
        let end = code.label();
        code.jump(Jump::Equal, Register::R1, 5, end);
        code.set(Register::R0, 2);
        code.place(end);
        code.exit();
        let code = code.finish();
        // if r1 == 5 goto +1; r0 = 2; exit (RFC 9669, section 4.3).
        assert_eq!(code[0], [0x15, 1, 1, 0, 5, 0, 0, 0]);
        assert_eq!(code[1], [0xB7, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(code[2], [0x95, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn loads_and_stores_name_their_registers_and_offset() {
        let mut code = Assembler::new();
        code.load(Width::Eight, Register::R3, Register::R2, 6);
        code.store(Width::Two, Register::R7, -2, Register::R4);
        assert_eq!(
            code.finish(),
            [
                [0x79, 0x23, 6, 0, 0, 0, 0, 0],
                [0x6B, 0x47, 254, 255, 0, 0, 0, 0]
            ]
        );
    }
}
