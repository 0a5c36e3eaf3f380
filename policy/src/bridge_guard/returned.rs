//! What policy drops of a guest that bridges.
//!
//! A frame that is flooded to both ports of such a guest comes back by the other one. Where port security, an access list or
//! a policer drops it there nothing moves and nothing goes round, but the same frame of a third came by two ports, neither
//! of which is its home: one broadcast says it. Nobody is blamed: policy has broken the loop already, and who sends what
//! is dropped anyway, from whatever address, shall not have others shut by it.
//!
//! Each port is heard so often and not more, so that none takes the places of others.

use super::Fingerprint;
use super::bridging::{Blame, Bridging, Evidence};
use crate::{Seed, Time};
use niv::{Mac, VlanId};

/// Frames remembered at a time; a newer one takes an older one's place.
const REMEMBERED: usize = 256;
/// The two copies of a frame come back this far apart, at most.
const TOGETHER: u64 = Time::SECOND / 4;
/// Of one port so many are heard in each [`TURN`].
const HEARD: u8 = 8;
const TURN: u64 = Time::SECOND / 10;
/// Ports told apart; those beyond share turns with others.
const PORTS: usize = 8_192;

/// A frame that was dropped.
#[derive(Clone, Copy, Debug)]
struct Came {
    key: (VlanId, Mac, Fingerprint),
    /// By which port.
    by: u16,
    at: Time,
}

/// What of a port was heard in its last turn.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    turn: u32,
    frames: u8,
}

/// Finds ports by which the same frames come back.
#[derive(Clone, Debug)]
pub(super) struct Returned {
    came: Box<[Option<Came>]>,
    heard: Box<[Heard]>,
}

impl Returned {
    pub(super) fn new() -> Self {
        Self {
            came: vec![None; REMEMBERED].into(),
            heard: vec![Heard::default(); PORTS].into(),
        }
    }

    /// Whether a frame that came by the port at that slot index is to be heard of.
    pub(super) fn may_hear(&mut self, port: u16, now: Time) -> bool {
        // Wraps after 13 years.
        let turn = (now.as_nanos() / TURN) as u32;
        let Some(heard) = self.heard.get_mut(usize::from(port) % PORTS) else {
            return false;
        };
        if heard.turn != turn {
            *heard = Heard { turn, frames: 0 };
        }
        heard.frames = heard.frames.saturating_add(1);
        heard.frames <= HEARD
    }

    /// A flooded frame whose source is elsewhere came by that port, and was dropped.
    pub(super) fn came(
        &mut self,
        seed: Seed,
        key: (VlanId, Mac, Fingerprint),
        by: u16,
        now: Time,
    ) -> Option<Bridging> {
        let (vlan, mac, print) = key;
        let address = u64::from(vlan.get()) << 48 | mac.to_u64();
        let place = seed.scatter(address ^ print.to_u64()) as usize % REMEMBERED;
        let place = self.came.get_mut(place)?;
        match place {
            Some(first) if first.key == key && now.nanos_since(first.at) <= TOGETHER => {
                let (a, b) = (first.by.min(by), first.by.max(by));
                (a != b).then_some(Bridging {
                    ports: (a, b),
                    evidence: Evidence::Address(vlan, mac),
                    blame: Blame::Nobody,
                })
            }
            _ => {
                *place = Some(Came { key, by, at: now });
                None
            }
        }
    }
}
