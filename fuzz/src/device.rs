//! The device copies are sent to: it keeps what it is handed, and has no room for some of it.

use packet_io::{Offload, Refusal, Transmit, TxFrame};

/// One frame handed over.
pub(crate) struct Handed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) offload: Offload,
    pub(crate) taken: bool,
}

/// In memory, and never blocking.
pub(crate) struct Device {
    pub(crate) handed: Vec<Handed>,
    refused_every: usize,
}

impl Device {
    /// Every `refused_every`th frame finds it full; 0: none does.
    pub(crate) const fn new(refused_every: u8) -> Self {
        Self {
            handed: Vec::new(),
            refused_every: refused_every as usize,
        }
    }
}

impl Transmit for Device {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        for (index, frame) in frames.iter().enumerate() {
            let number = self.handed.len() + 1;
            let taken = !number.is_multiple_of(self.refused_every);
            if !taken {
                refused(index, Refusal::Full);
            }
            self.handed.push(Handed {
                bytes: frame.parts.concat(),
                offload: frame.offload,
                taken,
            });
        }
    }
}
