//! An address that is seen elsewhere than it is known: it moves, and is damped where it moves too often (design.md section 5.6).

use super::records::{Record, key};
use super::{Learned, Table};
use crate::switch::Time;
use niv::{Mac, Slot, VlanId};

/// Moves of one address that are taken within a second (design.md section 5.6).
const MOVES_A_SECOND: u8 = 3;
/// In place of the number of moves: the address is being held where it is.
const HELD: u8 = u8::MAX;

/// Where an address was when it was last seen elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Away {
    /// Slot index of where it was then.
    pub held_by: u16,
    /// Seconds since its last frame there.
    pub idle_seconds: u32,
}

/// What a move of an address comes to.
pub(super) enum Move {
    /// It is being held where it is.
    Held,
    /// It moves, and a new second of moves begins.
    First,
    /// It moves, and had moved before in that second.
    Further,
    /// It is held from now on: at home.
    OneTooMany,
}

impl Table {
    /// As [`Table::learn`] for a slot whose the address is: it moves there even if it is held elsewhere, and is at home there. The move
    /// counts as any, so that who takes it away again and again is damped.
    pub fn claim(&mut self, vlan: VlanId, mac: Mac, slot: Slot, now: Time) -> Learned {
        if let (Some(tenure), Ok(at)) = (self.tenure_of(slot), self.find(key(vlan, mac))) {
            let record = self.records[at];
            if self.is_live(&record, now) && record.owner != slot.index {
                let judged = self.judge_move(&record, now);
                self.left(&record, now);
                let record = &mut self.records[at];
                if matches!(judged, Move::First | Move::Held) {
                    record.since = now.low_millis();
                }
                record.moves = match judged {
                    Move::First => 1,
                    Move::Further => record.moves + 1,
                    Move::Held | Move::OneTooMany => MOVES_A_SECOND,
                };
                record.home = slot.index;
                record.home_tenure = tenure as u8;
                self.give(at, slot.index, now);
                return Learned::Moved;
            }
        }
        self.learn(vlan, mac, slot, now)
    }

    /// Where the address was that [`Table::learn`] last said of that it moved or is held.
    pub const fn away(&self) -> Away {
        self.away
    }

    pub(super) fn judge_move(&self, record: &Record, now: Time) -> Move {
        let elapsed = now.low_millis().wrapping_sub(record.since);
        match record.moves {
            HELD if elapsed < self.parameters.hold_millis => Move::Held,
            moves if moves == 0 || moves == HELD || elapsed >= 1000 => Move::First,
            moves if moves < MOVES_A_SECOND => Move::Further,
            _ => Move::OneTooMany,
        }
    }

    pub(super) fn move_to(&mut self, at: usize, to: u16, now: Time) -> Learned {
        let record = self.records[at];
        let judged = self.judge_move(&record, now);
        self.left(&record, now);
        let home = self.home_of(&record);
        let record = &mut self.records[at];
        let holder = match judged {
            Move::Held => return Learned::Held,
            Move::First => {
                record.moves = 1;
                record.since = now.low_millis();
                record.home = record.owner;
                record.home_tenure = record.tenure as u8;
                to
            }
            Move::Further => {
                record.moves += 1;
                to
            }
            Move::OneTooMany => {
                record.moves = HELD;
                record.since = now.low_millis();
                home
            }
        };
        if holder != record.owner {
            self.give(at, holder, now);
        }
        if holder == to {
            Learned::Moved
        } else {
            Learned::Held
        }
    }

    /// Keeps where an address was, for [`Table::away`].
    pub(super) fn left(&mut self, record: &Record, now: Time) {
        self.away = Away {
            held_by: record.owner,
            idle_seconds: now.seconds().saturating_sub(record.seen),
        };
    }

    /// Who had it before it began to move; if that one is gone, who has it.
    pub(super) fn home_of(&self, record: &Record) -> u16 {
        let home = &self.owners[usize::from(record.home)];
        if home.slot.is_some() && home.tenure as u8 == record.home_tenure {
            record.home
        } else {
            record.owner
        }
    }
}
