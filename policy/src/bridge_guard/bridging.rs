//! A guest that bridges two ports, named by what is seen behind both.
//!
//! A frame that is flooded to both ports of such a guest comes back by the other one: its source is seen where it
//! is not at home, now behind the one, now behind the other. At home is where it was sent from before any of that; a
//! sighting there says nothing. An address seen behind one foreign port only is no bridge but two with one address, or a
//! forger, and is told as that. A bridge that speaks spanning tree is named by its id, seen behind two ports.
//!
//! An attacker with two ports of his own who knows when a quiet neighbour will speak can make that one look like a
//! third. So what is found is told, and ports are shut for it only where somebody configured that.
//!
//! Fed only with what the forwarding table found odd (a move, or one it held back) and with BPDUs: a frame that is
//! where it was costs nothing. Memory is fixed; a newer address takes an older one's place.

use crate::{Seed, Time};
use niv::{Mac, VlanId};

/// Sightings further apart than this say nothing together.
const WINDOW: u64 = Time::SECOND;
/// For so long where an address is at home is remembered: for longer than [`QUIET_SECONDS`], so that the place a loop
/// left it at is not taken for its home.
const HOME_KEPT: u64 = 4 * Time::SECOND;
/// An address whose last frame at its old place is older than this moved there and was not copied there.
const QUIET_SECONDS: u32 = 2;
/// Sightings behind the same one foreign port, each after one at home, that make a conflict.
const RETURNS: u8 = 3;
/// A pair of ports is told again after this.
const TOLD_FOR: u64 = 10 * Time::SECOND;
/// Addresses watched at a time, and pairs remembered as told.
const WATCHED: usize = 256;
const TOLD: usize = 16;

/// A source address that the forwarding table found elsewhere than it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The filtering id.
    pub vlan: VlanId,
    /// The address.
    pub mac: Mac,
    /// Slot index of where the table has it.
    pub held_by: u16,
    /// Seconds since its last frame there.
    pub idle_seconds: u32,
    /// Slot index of where it was seen.
    pub seen_at: u16,
}

/// Two ports that something is behind of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bridging {
    /// Slot indices, ascending.
    pub ports: (u16, u16),
    /// What says so.
    pub evidence: Evidence,
}

/// What says that something is behind two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// An address of a third came back by both: a bridge.
    Address(VlanId, Mac),
    /// BPDUs of one bridge came by both.
    BridgeId(u64),
    /// The address is at home behind one and was sent from behind the other: two with one address, a forger, or a bridge.
    Conflict(VlanId, Mac),
}

/// No port.
const NOBODY: u16 = u16::MAX;

#[derive(Clone, Copy, Debug)]
struct Watched {
    /// VLAN above, address below; or a bridge id. 0: nothing.
    key: u64,
    is_bridge: bool,
    home: u16,
    /// Foreign ports it was seen behind, the later one second.
    foreign: [u16; 2],
    last: Time,
    /// Since the window began, in which it was seen at the second foreign port and then at the first again.
    alternations: u8,
    returns: u8,
    at_home: bool,
}

const NOTHING: Watched = Watched {
    key: 0,
    is_bridge: false,
    home: NOBODY,
    foreign: [NOBODY; 2],
    last: Time::from_nanos(0),
    alternations: 0,
    returns: 0,
    at_home: true,
};

/// Finds guests that bridge. One for each worker that owns a forwarding table.
#[derive(Clone, Debug)]
pub struct Detector {
    seed: Seed,
    watched: Box<[Watched; WATCHED]>,
    told: [Option<(Bridging, Time)>; TOLD],
}

impl Detector {
    /// One that has seen nothing.
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            watched: Box::new([NOTHING; WATCHED]),
            told: [None; TOLD],
        }
    }

    /// An address was seen elsewhere. Returns the ports it gives away, each pair at most once in ten seconds.
    pub fn sighted(&mut self, sighting: Sighting, now: Time) -> Option<Bridging> {
        let Sighting {
            vlan,
            mac,
            held_by,
            idle_seconds,
            seen_at,
        } = sighting;
        let watched = self.watch(u64::from(vlan.get()) << 48 | mac.to_u64(), false, now);
        if watched.home == NOBODY {
            watched.home = if idle_seconds >= QUIET_SECONDS {
                seen_at
            } else {
                held_by
            };
        }
        if now.nanos_since(watched.last) > WINDOW {
            *watched = Watched {
                key: watched.key,
                home: watched.home,
                ..NOTHING
            };
        }
        watched.last = now;
        if seen_at == watched.home {
            watched.at_home = true;
            return None;
        }
        let returned = std::mem::replace(&mut watched.at_home, false);
        let other = match watched.foreign {
            [first, second] if second == seen_at => {
                watched.returns = watched.returns.saturating_add(u8::from(returned));
                first
            }
            [_, second] => {
                watched.foreign = [second, seen_at];
                watched.alternations = watched
                    .alternations
                    .saturating_add(u8::from(second != NOBODY));
                watched.returns = 1;
                second
            }
        };
        let found = if watched.alternations >= 2 && other != NOBODY {
            Bridging {
                ports: ascending(other, seen_at),
                evidence: Evidence::Address(vlan, mac),
            }
        } else if watched.alternations == 0 && watched.returns >= RETURNS {
            Bridging {
                ports: ascending(watched.home, seen_at),
                evidence: Evidence::Conflict(vlan, mac),
            }
        } else {
            return None;
        };
        self.tell(found, now)
    }

    /// A BPDU of `bridge` was seen at slot index `seen_at`.
    pub fn bpdu(&mut self, bridge: u64, seen_at: u16, now: Time) -> Option<Bridging> {
        let watched = self.watch(bridge, true, now);
        watched.last = now;
        let other = std::mem::replace(&mut watched.home, seen_at);
        if other == NOBODY || other == seen_at {
            return None;
        }
        let found = Bridging {
            ports: ascending(other, seen_at),
            evidence: Evidence::BridgeId(bridge),
        };
        self.tell(found, now)
    }

    /// The place of `key`, emptied when it was another's or is long past.
    fn watch(&mut self, key: u64, is_bridge: bool, now: Time) -> &mut Watched {
        let place = self.seed.scatter(key) as usize % WATCHED;
        // A bridge says hello every 2 seconds, and may miss some.
        let window = if is_bridge {
            3 * 2 * Time::SECOND
        } else {
            HOME_KEPT
        };
        #[expect(
            clippy::indexing_slicing,
            reason = "the place is less than the number of places"
        )]
        let watched = &mut self.watched[place];
        let is_past = now.nanos_since(watched.last) > window;
        if watched.key != key || watched.is_bridge != is_bridge || is_past {
            *watched = Watched {
                key,
                is_bridge,
                ..NOTHING
            };
        }
        watched
    }

    fn tell(&mut self, found: Bridging, now: Time) -> Option<Bridging> {
        let is_same = |told: &Bridging| {
            let is_conflict = |evidence| matches!(evidence, Evidence::Conflict(..));
            told.ports == found.ports && is_conflict(told.evidence) == is_conflict(found.evidence)
        };
        let is_fresh = |at: Time| now.nanos_since(at) < TOLD_FOR;
        let mut told = self.told.iter().flatten();
        if told.any(|(told, at)| is_same(told) && is_fresh(*at)) {
            return None;
        }
        let oldest = self
            .told
            .iter_mut()
            .min_by_key(|told| told.map(|(_, at)| at))?;
        *oldest = Some((found, now));
        Some(found)
    }
}

const fn ascending(a: u16, b: u16) -> (u16, u16) {
    if a < b { (a, b) } else { (b, a) }
}

#[cfg(test)]
#[path = "bridging_tests.rs"]
mod tests;
