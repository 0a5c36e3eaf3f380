//! Ordinary Ethernet: the whole device is one bridge port. Tags of ours never enter (design.md section
//! 5.2), and [`super::depart`] writes none.

use super::opening::open;
use super::size::weigh;
use super::{Arrival, Content, Oddities};
use niv::DropReason;
use packet_io::RxFrame;
use vntag::ETHERTYPE_AT;

#[inline(always)]
pub(super) fn arrive<'a>(owner: u16, received: &RxFrame<'a>) -> Arrival<'a> {
    let (weight, content) = match open(received, ETHERTYPE_AT, DropReason::TagOnPlainPort) {
        Ok(frame) => (frame.weight, Content::Frame(frame)),
        Err(reason) => (weigh(received, 0), Content::Refused(reason)),
    };
    Arrival {
        owner: Some(owner),
        weight,
        odd: Oddities::default(),
        content,
    }
}
