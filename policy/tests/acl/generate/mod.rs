//! Lists and frames made from few addresses and ports, so that they meet; one number makes the same ones again.
//!
//! Shared by path: the tests of this crate, `benches` and `testbed` draw from it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a generator that is wrong may end loudly"
)]

mod aimed;
mod compared;
mod frames;
mod lists;

pub(crate) use aimed::whole;
pub(crate) use compared::{compare, view};
pub(crate) use frames::frame;
pub(crate) use lists::list;

use niv::Mac;
use policy::acl::Family;

pub(crate) const FAMILIES: [Family; 3] = [Family::Ipv4, Family::Ipv6, Family::Mac];

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Once in `n`.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

const PORTS: [u16; 18] = [
    0, 1, 21, 22, 23, 53, 79, 80, 81, 255, 256, 257, 443, 1023, 1024, 2000, 65534, 65535,
];
const PROTOCOLS: [u8; 8] = [6, 17, 1, 132, 58, 47, 50, 253];
const ICMP: [u8; 6] = [0, 3, 8, 128, 135, 255];
const ETHERTYPES: [u16; 5] = [0x0806, 0x0800, 0x86DD, 0x88CC, 0x0801];

fn ipv4(dice: &mut Dice) -> [u8; 4] {
    let a = dice.of(&[10, 10, 10, 192]);
    [a, 0, dice.below(3) as u8, 1 + dice.below(5) as u8]
}

fn ipv6(dice: &mut Dice) -> [u8; 16] {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[0x20, 0x01, 0x0D, 0xB8]);
    address[7] = dice.below(3) as u8;
    address[15] = 1 + dice.below(4) as u8;
    address
}

/// Of who sends.
fn mac(dice: &mut Dice) -> Mac {
    Mac([2, 0, 0, 0, dice.below(2) as u8, dice.below(4) as u8])
}

/// Of who receives: nobody of those who send.
fn mac_there(dice: &mut Dice) -> Mac {
    if dice.once_in(8) {
        return Mac::BROADCAST;
    }
    Mac([2, 0, 0, 1, dice.below(2) as u8, dice.below(4) as u8])
}

fn port(dice: &mut Dice) -> u16 {
    if dice.once_in(8) {
        dice.next() as u16
    } else {
        dice.of(&PORTS)
    }
}
