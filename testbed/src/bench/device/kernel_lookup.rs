//! What the kernel can do at best: an XDP program that looks the destination and the source up, as a learning switch
//! has to, rewrites the VNTag and sends the frame back. It learns nothing, counts nothing, floods nothing.

use super::Running;
use crate::bench::bed::{Bed, DUT};
use crate::bench::shape::{Turn, address};
use crate::error::{Doing, Result};
use packet_io::bpf::{Assembler, Jump, Memory, Program, Register, Table, Verdict, Width};

/// `bpf_map_lookup_elem` of `enum bpf_func_id`.
const LOOKUP: i32 = 1;

pub(super) fn start(bed: &Bed, stations: u32, vifs: u32) -> Result<Running> {
    let table = Table::new(stations.max(8) * 2).doing("make a table")?;
    for station in 0..stations.max(8) {
        let [a, b, c, d, e, f] = address(station);
        let key = u64::from_ne_bytes([a, b, c, d, e, f, 0, 0]);
        let vif = 1 + station % vifs;
        table.insert(key, u64::from(vif)).doing("fill a table")?;
    }
    let memory = Memory::new(1).doing("make a program's memory")?;
    let program = Program::load(&code(&table), &memory).doing("load the kernel's best switch")?;
    let host = bed.device()?;
    let index = host.index(DUT.1)?.0;
    let attached = host
        .netns
        .run(|| program.attach(index))
        .doing("enter the device's namespace")?
        .doing("put the kernel's best switch on its device")?;
    Ok(Running {
        mode: "XDP in the driver, softirq on the generator's core".to_owned(),
        turn: Turn::Forwards,
        vifs: Some(vifs),
        _guard: Box::new((attached, table)),
    })
}

fn code(table: &Table) -> Vec<[u8; 8]> {
    use Register::{R0, R1, R2, R3, R4, R6, R7, R8, R9, R10};
    let mut code = Assembler::new();
    let drop = code.label();
    code.load(Width::Four, R6, R1, 0);
    code.load(Width::Four, R3, R1, 4);
    code.copy(R1, R6);
    code.add(R1, 18);
    code.jump_registers(Jump::Greater, R1, R3, drop);
    code.load(Width::Two, R1, R6, 12);
    let tpid = u16::from_ne_bytes(vntag::ethertype::VNTAG.to_be_bytes());
    code.jump(Jump::Differs, R1, i32::from(tpid), drop);
    // Keys on the stack: an address and two octets of 0.
    for (at, from) in [(-8i16, 0i16), (-16, 6)] {
        code.load(Width::Four, R1, R6, from);
        code.store(Width::Four, R10, at, R1);
        code.load(Width::Two, R1, R6, from + 4);
        code.store(Width::Four, R10, at + 4, R1);
    }
    for (at, keep) in [(-8i32, R7), (-16, R8)] {
        code.table(R1, table);
        code.copy(R2, R10);
        code.add(R2, at);
        code.call(LOOKUP);
        code.jump(Jump::Equal, R0, 0, drop);
        code.load(Width::Eight, keep, R0, 0);
    }
    // d=1, the destination's VIF, the source's.
    code.load(Width::Four, R9, R6, 14);
    code.to_network_order(R9);
    code.and(R9, 0xFFF);
    code.jump_registers(Jump::Differs, R9, R8, drop);
    code.and(R7, 0x3FFF);
    code.shift_left(R7, 16);
    code.set_unsigned(R4, 1 << 31);
    code.add_register(R4, R7);
    code.to_network_order(R4);
    code.store(Width::Four, R6, 14, R4);
    code.set(R0, Verdict::Transmit as i32);
    code.exit();
    code.place(drop);
    code.set(R0, Verdict::Drop as i32);
    code.exit();
    code.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_takes_it() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: needs root");
            return;
        }
        let table = Table::new(8).unwrap();
        Program::load(&code(&table), &Memory::new(1).unwrap()).unwrap();
    }
}
