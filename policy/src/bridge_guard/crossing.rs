//! Two VLANs that a guest joins.
//!
//! Nothing moves then: an address that is at home in one VLAN appears in another, behind the guest's port there; and one
//! that is at home in that appears in the first, behind the guest's other port. One of the two alone is any station with a
//! leg in two VLANs and one address. Both together may still be two such stations, and can be forged, so it is told and nobody
//! is blamed; joining VLANs makes no loop.
//!
//! Fed with addresses that are new in a VLAN, and with nothing else.

use super::bridging::{Blame, Bridging, Evidence};
use crate::{Seed, Time};
use niv::{Mac, VlanId};

/// Addresses of which it is remembered where they were new; a newer one takes an older one's place.
const HOMES: usize = 4_096;
/// Addresses that crossed, remembered at a time.
const CROSSED: usize = 16;
/// One way and the other this far apart say something together.
const TOGETHER: u64 = 10 * Time::SECOND;

/// An address that is at home in one VLAN was new in another.
#[derive(Clone, Copy, Debug)]
struct Crossed {
    from: VlanId,
    into: VlanId,
    /// Behind which port it was new.
    by: u16,
    at: Time,
}

/// Finds VLANs that are joined.
#[derive(Clone, Debug)]
pub(super) struct Crossings {
    homes: Box<[Option<(Mac, VlanId)>; HOMES]>,
    crossed: [Option<Crossed>; CROSSED],
}

impl Crossings {
    pub(super) fn new() -> Self {
        Self {
            homes: Box::new([None; HOMES]),
            crossed: [None; CROSSED],
        }
    }

    /// `mac` is new in `vlan`, behind `seen_at`. `holder` says behind which port the table has an address.
    pub(super) fn arrived(
        &mut self,
        seed: Seed,
        (vlan, mac): (VlanId, Mac),
        seen_at: u16,
        now: Time,
        holder: impl FnOnce(VlanId, Mac) -> Option<u16>,
    ) -> Option<Bridging> {
        let mut is_elsewhere = false;
        let holder = |from, mac| holder(from, mac).inspect(|_| is_elsewhere = true);
        let found = self.passed(seed, (vlan, mac), seen_at, now, holder);
        if !is_elsewhere && let Some(home) = self.homes.get_mut(place(seed, mac)) {
            *home = Some((mac, vlan));
        }
        found
    }

    /// As [`Crossings::arrived`], of an address that is not learned there: it is at home nowhere for that.
    pub(super) fn passed(
        &mut self,
        seed: Seed,
        (vlan, mac): (VlanId, Mac),
        seen_at: u16,
        now: Time,
        holder: impl FnOnce(VlanId, Mac) -> Option<u16>,
    ) -> Option<Bridging> {
        let home = *self.homes.get(place(seed, mac))?;
        let (_, from) = home.filter(|(known, from)| *known == mac && *from != vlan)?;
        // What is behind one port in several VLANs is what a trunk is for.
        let at_home = holder(from, mac)?;
        if at_home == seen_at {
            return None;
        }
        let new = Crossed {
            from,
            into: vlan,
            by: seen_at,
            at: now,
        };
        let is_way_back = |one: &&Crossed| {
            (one.from, one.into) == (vlan, from)
                && one.by != seen_at
                && now.nanos_since(one.at) <= TOGETHER
        };
        let back = self.crossed.iter().flatten().find(is_way_back).copied();
        // What is dropped crosses with each frame; it takes no more room for that.
        let is_same = |one: &Crossed| (one.from, one.into, one.by) == (from, vlan, seen_at);
        let age = |one: &Option<Crossed>| match one {
            Some(one) if is_same(one) => None,
            one => Some(one.map(|one| one.at)),
        };
        *self.crossed.iter_mut().min_by_key(|one| age(one))? = Some(new);
        let back = back?;
        let (first, second) = if back.by < seen_at {
            (back, new)
        } else {
            (new, back)
        };
        Some(Bridging {
            ports: (first.by, second.by),
            evidence: Evidence::Vlans(first.into, second.into),
            blame: Blame::Nobody,
        })
    }
}

/// Where it is remembered of which VLAN an address is.
fn place(seed: Seed, mac: Mac) -> usize {
    seed.scatter(mac.to_u64()) as usize % HOMES
}
