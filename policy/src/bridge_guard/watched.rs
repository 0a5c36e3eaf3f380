//! One source address that is seen where the forwarding table does not have it.

use super::Fingerprint;
use super::bridging::{Blame, Bridging, Evidence, NOBODY, Sighting};
use crate::Time;

/// Sightings further apart than this say nothing together.
const WINDOW: u64 = Time::SECOND;
/// For so long where an address is at home is remembered: for longer than [`QUIET_SECONDS`], so that the place a loop
/// left it at is not taken for its home.
const HOME_KEPT: u64 = 4 * Time::SECOND;
/// An address whose last frame at its old place is older than this moved there and was not copied there.
const QUIET_SECONDS: u32 = 2;
/// Sightings behind the same one foreign port, each after one at home, that make a conflict.
const RETURNS: u8 = 3;
/// One sighting in this time counts as one after one at home: so what goes round is found to, before it is taken for a conflict.
const RETURN_SPAN: u64 = Time::SECOND / 10;
/// So often the same flooded frame comes by a port that does not have its source, [`ECHO_SPAN`] at most after the first,
/// until it is one that goes round: a station says a thing of its own accord five times in a row at most (what virtual routers
/// repeat when they take over), and a loop thousands of times.
const ECHOES: u16 = 8;
const ECHO_SPAN: u64 = Time::SECOND / 4;
/// So often it comes in that time where nothing holds a loop back, and no station that is well says one thing so often.
const STORM: u16 = 256;

/// One flooded frame, as a sample of what goes round.
#[derive(Clone, Copy, Debug)]
struct Echo {
    print: Fingerprint,
    seen_at: u16,
    first: Time,
    times: u16,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    /// VLAN above, address below; 0: nothing.
    key: u64,
    home: u16,
    /// Foreign ports it was seen behind, the later one second.
    foreign: [u16; 2],
    last: Time,
    /// Since the window began, in which it was seen at the second foreign port and then at the first again.
    alternations: u8,
    returns: u8,
    at_home: bool,
    returned: Time,
    echo: Option<Echo>,
}

impl Watched {
    pub(super) const NOTHING: Self = Self {
        key: 0,
        home: NOBODY,
        foreign: [NOBODY; 2],
        last: Time::from_nanos(0),
        alternations: 0,
        returns: 0,
        at_home: true,
        returned: Time::from_nanos(0),
        echo: None,
    };

    /// Is another's, or long past.
    pub(super) fn is_free_for(&self, key: u64, now: Time) -> bool {
        self.key != key || now.nanos_since(self.last) > HOME_KEPT
    }

    pub(super) const fn of(key: u64) -> Self {
        Self {
            key,
            ..Self::NOTHING
        }
    }

    /// It was seen once more; what that says.
    pub(super) fn sighted(&mut self, sighting: &Sighting, now: Time) -> Option<Bridging> {
        if let Some(declared_at) = sighting.declared_at {
            self.home = declared_at;
        } else if self.home == NOBODY {
            self.home = if sighting.idle_seconds >= QUIET_SECONDS {
                sighting.seen_at
            } else {
                sighting.held_by
            };
        }
        if now.nanos_since(self.last) > WINDOW {
            *self = Self {
                home: self.home,
                ..Self::of(self.key)
            };
        }
        self.last = now;
        let echoes = self.echoes(sighting, now);
        match self.placed(sighting, now) {
            Some(found) if found.blame == Blame::Both => Some(found),
            _ if echoes >= ECHOES => Some(round(sighting, echoes)),
            found => found,
        }
    }

    /// What the ports say that it was seen behind, in their order.
    fn placed(&mut self, sighting: &Sighting, now: Time) -> Option<Bridging> {
        let Sighting {
            vlan,
            mac,
            held_by,
            idle_seconds,
            seen_at,
            ..
        } = *sighting;
        if seen_at == self.home {
            self.at_home = true;
            return None;
        }
        let was_at_home = std::mem::replace(&mut self.at_home, false);
        // While the table holds it at home nothing is heard of what is sent there but when that was.
        let is_held = held_by == self.home && idle_seconds == 0;
        let is_apart = now.nanos_since(self.returned) >= RETURN_SPAN;
        let returned = (was_at_home || is_held) && is_apart;
        if returned {
            self.returned = now;
        }
        let other = match self.foreign {
            [first, second] if second == seen_at => {
                self.returns = self.returns.saturating_add(u8::from(returned));
                first
            }
            [_, second] => {
                self.foreign = [second, seen_at];
                self.alternations = self.alternations.saturating_add(u8::from(second != NOBODY));
                self.returns = 1;
                second
            }
        };
        if self.alternations >= 2 && other != NOBODY {
            Some(Bridging {
                ports: (other.min(seen_at), other.max(seen_at)),
                evidence: Evidence::Address(vlan, mac),
                blame: Blame::Both,
            })
        } else if self.alternations == 0 && self.returns >= RETURNS {
            Some(Bridging {
                ports: (self.home, seen_at),
                evidence: Evidence::Conflict(vlan, mac),
                blame: Blame::Nobody,
            })
        } else {
            None
        }
    }

    /// How often a frame that may be going round has come there lately. Of several that do, one is counted.
    fn echoes(&mut self, sighting: &Sighting, now: Time) -> u16 {
        let Some(print) = sighting.flooded else {
            return 0;
        };
        let seen_at = sighting.seen_at;
        let begins = Echo {
            print,
            seen_at,
            first: now,
            times: 0,
        };
        let is_past =
            |echo: &Echo| echo.seen_at != seen_at || now.nanos_since(echo.first) > ECHO_SPAN;
        let echo = self.echo.get_or_insert(begins);
        if is_past(echo) {
            *echo = begins;
        }
        echo.times = echo.times.saturating_add(u16::from(echo.print == print));
        echo.times
    }
}

/// What a frame says that goes round. Without a declared home only a storm of it says who is to be shut: the table may have its
/// source where somebody put it while the owner was quiet, and the owner may say the same thing often.
fn round(sighting: &Sighting, echoes: u16) -> Bridging {
    let (held_by, seen_at) = (sighting.held_by, sighting.seen_at);
    let (ports, blame) = match sighting.declared_at {
        Some(home) if home == held_by => ((held_by, seen_at), Blame::Second),
        Some(home) if home == seen_at => ((seen_at, held_by), Blame::Second),
        _ if echoes >= STORM => ((held_by, seen_at), Blame::Second),
        _ => ((held_by, seen_at), Blame::Nobody),
    };
    Bridging {
        ports,
        evidence: Evidence::Echo(sighting.vlan, sighting.mac),
        blame,
    }
}
