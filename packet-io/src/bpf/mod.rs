//! Small XDP programs for measuring: written instruction by instruction, loaded and run without a compiler.
//!
//! A [`Program`] shares one [`Memory`] with this process: words that the program changes frame by frame and that are
//! read here now and then. It is attached to a device ([`Program::attach`]), or run over frames of the kernel's own
//! making ([`Program::run_live`]), which is the cheapest source of frames there is. None of it is part of forwarding.

mod assemble;
mod kernel;

pub use assemble::{Assembler, Jump, Label, Register, Width};
pub use kernel::{Attached, Memory, Program, Table};

/// What an XDP program decides (`enum xdp_action` of `linux/bpf.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The frame is dropped as if the program had failed.
    Aborted = 0,
    /// The frame is dropped.
    Drop = 1,
    /// The frame goes on to the kernel.
    Pass = 2,
    /// The frame leaves by the device it came in by.
    Transmit = 3,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::NetNs;
    use crate::privileged::privileged;

    /// Counts in word 0, drops.
    fn counting(memory: &Memory) -> Vec<[u8; 8]> {
        let mut code = Assembler::new();
        code.memory(Register::R7, memory, 0);
        code.load(Width::Eight, Register::R1, Register::R7, 0);
        code.add(Register::R1, 1);
        code.store(Width::Eight, Register::R7, 0, Register::R1);
        code.set(Register::R0, Verdict::Drop as i32);
        code.exit();
        code.finish()
    }

    fn is_root() -> bool {
        let root = rustix::process::geteuid().is_root();
        if !root {
            println!("skipped: needs root");
        }
        root
    }

    #[test]
    fn a_program_counts_the_frames_it_is_run_over() {
        if !is_root() {
            return;
        }
        let memory = Memory::new(2).unwrap();
        let program = Program::load(&counting(&memory), &memory).unwrap();
        program.run_live(&[0; 64], 1000).unwrap();
        assert_eq!(memory.read().unwrap(), [1000, 0]);
    }

    #[test]
    fn what_is_written_to_the_memory_is_what_the_program_goes_on_with() {
        if !is_root() {
            return;
        }
        let memory = Memory::new(1).unwrap();
        let program = Program::load(&counting(&memory), &memory).unwrap();
        memory.write(&[41]).unwrap();
        program.run_live(&[0; 64], 1).unwrap();
        assert_eq!(memory.read().unwrap(), [42]);
        assert!(memory.write(&[1, 2]).is_err());
    }

    #[test]
    fn a_program_that_the_kernel_refuses_is_answered_with_its_reason() {
        if !is_root() {
            return;
        }
        let memory = Memory::new(1).unwrap();
        let mut code = Assembler::new();
        // Reads a register nobody has set.
        code.copy(Register::R0, Register::R5);
        code.exit();
        let error = Program::load(&code.finish(), &memory).unwrap_err();
        assert!(error.to_string().contains("R5 !read_ok"), "{error}");
    }

    #[test]
    fn an_attached_program_goes_with_its_holder() {
        if !is_root() {
            return;
        }
        privileged(|| {
            let ns = NetNs::create().unwrap();
            ns.run(|| {
                let memory = Memory::new(1).unwrap();
                let program = Program::load(&counting(&memory), &memory).unwrap();
                // A loopback device has no driver of its own to run programs in.
                assert!(program.attach(1).is_err());
                assert!(program.attach(99_999).is_err());
            })
            .unwrap();
        });
    }
}
