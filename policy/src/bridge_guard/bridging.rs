//! A guest that bridges two ports, named by what is seen behind both.
//!
//! A frame that is flooded to both ports of such a guest comes back by the other one: its source is seen where it
//! is not at home, now behind the one, now behind the other. At home is where it was sent from before any of that. A
//! frame of the guest's own goes round between its two ports, at home behind one of them: the same frame comes by the other
//! again and again. An address that is seen behind one foreign port and at home, and is no such frame, is two with one address,
//! or a forger, and is told as that. A bridge that speaks spanning tree is named by its id, seen behind two ports of a VLAN.
//! A guest that joins two VLANs is named by addresses that cross both ways ([`super::crossing`]).
//!
//! Who can be framed is not blamed ([`Blame`]): whoever has one port can send again what others send, and BPDUs with another's id. So
//! for BPDUs no port is to be shut, and for a frame that goes round the one of the two that is not the declared home of its
//! source, or, where there is none, the one by which it comes so often as no station that is well repeats itself. An attacker
//! with two ports of his own can make a neighbour whose address nobody declares look like a third. So what is found is
//! told, and ports are shut for it only where somebody configured that.
//!
//! Fed only with what the forwarding table found odd (a move, one it held back, or an address new in its VLAN), with what policy
//! dropped ([`super::returned`]) and with BPDUs: a frame that is where it was costs nothing. Memory is fixed; a newer address takes an older one's place.

use super::Fingerprint;
use super::crossing::Crossings;
use super::returned::Returned;
use super::watched::Watched;
use crate::{Seed, Time};
use niv::{Mac, VlanId};

/// A bridge says hello every 2 seconds, and may miss some.
const HELLO_KEPT: u64 = 3 * 2 * Time::SECOND;
/// A pair of ports of which nobody is blamed is told again after this, for the same kind of evidence.
const TOLD_FOR: u64 = 10 * Time::SECOND;
/// Any other is told again after this; and a pair that was told keeps its place from others for so long. So no more than
/// [`TOLD`] pairs of which nobody is blamed are told in a second, and as many others.
const TOLD_ALONE: u64 = Time::SECOND;
/// Addresses and bridges watched at a time, and pairs remembered as told.
const WATCHED: usize = 256;
const BRIDGES: usize = 64;
const TOLD: usize = 64;

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
    /// Slot index of the one port that says it is its own: at home there, whatever was seen before.
    pub declared_at: Option<u16>,
    /// Of a frame to a group; `None`: to one station.
    pub flooded: Option<Fingerprint>,
}

/// A frame that policy dropped before its source was learned, which the forwarding table does not have at that port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The filtering id.
    pub vlan: VlanId,
    /// Its source.
    pub mac: Mac,
    /// Slot index of where it was seen.
    pub seen_at: u16,
    /// The forwarding table has its source, elsewhere.
    pub is_elsewhere: bool,
    /// Of a frame to a group; `None`: to one station.
    pub flooded: Option<Fingerprint>,
}

/// Two ports that something is behind of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bridging {
    /// Slot indices: that of its home first; where it is at home behind neither, ascending.
    pub ports: (u16, u16),
    /// What says so.
    pub evidence: Evidence,
    /// Which of them may be shut for it.
    pub blame: Blame,
}

/// What says that something is behind two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// An address of a third came back by both: a bridge.
    Address(VlanId, Mac),
    /// A frame of an address that is at home behind the first comes by the second again and again: a loop.
    Echo(VlanId, Mac),
    /// BPDUs of one bridge came by both.
    BridgeId(u64),
    /// The address is at home behind one and was sent from behind the other: two with one address, a forger, or a bridge.
    Conflict(VlanId, Mac),
    /// Addresses of the one VLAN came by the first into it from the other, and by the second the other way: the VLANs the
    /// first and the second port have them in.
    Vlans(VlanId, VlanId),
}

impl Evidence {
    /// A number for each kind, 0..=4.
    const fn kind(self) -> u8 {
        match self {
            Self::Address(..) => 0,
            Self::Echo(..) => 1,
            Self::BridgeId(_) => 2,
            Self::Conflict(..) => 3,
            Self::Vlans(..) => 4,
        }
    }
}

/// Which of two ports is to be shut, where that is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Both: neither is the home of what came by them.
    Both,
    /// The one that is not its home. That breaks a loop; who sends again what another sends hits himself.
    Second,
    /// None: it need not be a bridge, or is no loop, or might be another's doing.
    Nobody,
}

/// No port.
pub(super) const NOBODY: u16 = u16::MAX;

/// A bridge that says hello.
#[derive(Clone, Copy, Debug)]
struct Hello {
    vlan: Option<VlanId>,
    bridge: u64,
    home: u16,
    /// When it was seen there.
    last: Time,
}

/// Finds guests that bridge. One for each worker that owns a forwarding table.
#[derive(Clone, Debug)]
pub struct Detector {
    seed: Seed,
    watched: Box<[Watched; WATCHED]>,
    bridges: [Option<Hello>; BRIDGES],
    crossings: Crossings,
    returned: Returned,
    told: [Option<(Bridging, Time)>; TOLD],
}

impl Detector {
    /// One that has seen nothing.
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            watched: Box::new([Watched::NOTHING; WATCHED]),
            bridges: [None; BRIDGES],
            crossings: Crossings::new(),
            returned: Returned::new(),
            told: [None; TOLD],
        }
    }

    /// An address was seen elsewhere. Returns the ports it gives away, each pair at most once in a second for each kind of evidence.
    pub fn sighted(&mut self, sighting: Sighting, now: Time) -> Option<Bridging> {
        let key = u64::from(sighting.vlan.get()) << 48 | sighting.mac.to_u64();
        let place = self.seed.scatter(key) as usize % WATCHED;
        let watched = self.watched.get_mut(place)?;
        if watched.is_free_for(key, now) {
            *watched = Watched::of(key);
        }
        let found = watched.sighted(&sighting, now)?;
        self.tell(found, now)
    }

    /// A BPDU of `bridge` was seen at slot index `seen_at`, in the VLAN of filtering id `vlan`; `None`: the port takes no such frames.
    pub fn bpdu(
        &mut self,
        vlan: Option<VlanId>,
        bridge: u64,
        seen_at: u16,
        now: Time,
    ) -> Option<Bridging> {
        let at = vlan.map_or(0, |vlan| u64::from(vlan.get()) << 48);
        let place = self.seed.scatter(bridge ^ at) as usize % BRIDGES;
        let hello = self.bridges.get_mut(place)?;
        let known = hello.filter(|known| {
            (known.vlan, known.bridge) == (vlan, bridge)
                && now.nanos_since(known.last) <= HELLO_KEPT
        });
        match known {
            Some(Hello { home, .. }) if home != seen_at => {
                let found = Bridging {
                    ports: (home, seen_at),
                    evidence: Evidence::BridgeId(bridge),
                    blame: Blame::Nobody,
                };
                self.tell(found, now)
            }
            _ => {
                *hello = Some(Hello {
                    vlan,
                    bridge,
                    home: seen_at,
                    last: now,
                });
                None
            }
        }
    }

    /// `mac` is new in the VLAN of filtering id `vlan`, behind slot index `seen_at`. `holder` says behind which the forwarding table
    /// has an address.
    pub fn arrived(
        &mut self,
        (vlan, mac): (VlanId, Mac),
        seen_at: u16,
        now: Time,
        holder: impl FnOnce(VlanId, Mac) -> Option<u16>,
    ) -> Option<Bridging> {
        let seed = self.seed;
        let found = self
            .crossings
            .arrived(seed, (vlan, mac), seen_at, now, holder)?;
        self.tell(found, now)
    }

    /// Policy dropped a frame. `holder` as for [`Detector::arrived`].
    pub fn dropped(
        &mut self,
        dropped: Dropped,
        now: Time,
        holder: impl FnOnce(VlanId, Mac) -> Option<u16>,
    ) -> Option<Bridging> {
        let Dropped {
            vlan,
            mac,
            seen_at,
            is_elsewhere,
            flooded,
        } = dropped;
        if !self.returned.may_hear(seen_at, now) {
            return None;
        }
        let seed = self.seed;
        let found = if is_elsewhere {
            self.returned
                .came(seed, (vlan, mac, flooded?), seen_at, now)
        } else {
            self.crossings
                .passed(seed, (vlan, mac), seen_at, now, holder)
        };
        self.tell(found?, now)
    }

    fn tell(&mut self, found: Bridging, now: Time) -> Option<Bridging> {
        let (a, b) = pair(&found);
        let what = (found.evidence.kind(), found.blame);
        let key = u64::from(a) << 24 | u64::from(b) << 8 | u64::from(what.0) << 4 | what.1 as u64;
        let place = self.seed.scatter(key) as usize % TOLD;
        let told = self.told.get_mut(place)?;
        if let Some((before, at)) = told {
            let is_same = pair(before) == (a, b) && (before.evidence.kind(), before.blame) == what;
            // What somebody is to be shut for is told for as long as it goes on: they may be open again, or to be shut only now.
            let is_word = is_same && found.blame == Blame::Nobody;
            let quiet = if is_word { TOLD_FOR } else { TOLD_ALONE };
            // Nobody's word holds back what a port is to be shut for.
            let yields = before.blame == Blame::Nobody && found.blame != Blame::Nobody;
            if !yields && now.nanos_since(*at) < quiet {
                return None;
            }
        }
        *told = Some((found, now));
        Some(found)
    }
}

/// Its ports, ascending.
fn pair(found: &Bridging) -> (u16, u16) {
    let (a, b) = found.ports;
    (a.min(b), a.max(b))
}

#[cfg(test)]
#[path = "bridging_tests.rs"]
mod tests;
