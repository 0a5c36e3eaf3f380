//! Who was heard on a link, and until when that holds.

use crate::station::Station;
use crate::unit::Lldpdu;
use core::fmt;
use core::time::Duration;
use niv::Mac;

/// Neighbours kept for one link. A cable has one; more say that there is something in between, and then eight are enough
/// to say so.
pub const MOST_NEIGHBOURS: usize = 8;

/// A port of another box that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The address its LLDPDUs come from.
    pub mac: Mac,
    /// What it said last.
    pub said: Lldpdu,
    /// When it was heard first.
    pub since: Duration,
    /// Until when that holds.
    pub until: Duration,
}

/// `host1 (port eth1, 02:00:00:00:00:01)`
impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.said.system_name {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{}", self.said.station.chassis)?,
        }
        write!(f, " (port {}, {})", self.said.station.port, self.mac)
    }
}

/// Why a neighbour is no longer known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It said so.
    Goodbye,
    /// It was not heard for as long as it said it should be.
    Silence,
    /// The device lost its link.
    LinkDown,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Goodbye => "it said so",
            Self::Silence => "it was not heard any more",
            Self::LinkDown => "the link is down",
        })
    }
}

/// What an LLDPDU was to the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Of one that was not known.
    New(Neighbour),
    /// It says something else than before.
    Changed(Neighbour),
    /// It is still there.
    Again,
    /// It goes.
    Gone(Neighbour),
    /// It goes, and was not known.
    Unknown,
    /// There is no room for it.
    Full,
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    neighbours: Vec<Neighbour>,
}

impl Table {
    pub(crate) fn neighbours(&self) -> &[Neighbour] {
        &self.neighbours
    }

    pub(crate) fn hear(&mut self, now: Duration, mac: Mac, said: Lldpdu) -> Heard {
        let known = self.place(&said.station);
        if said.ttl == 0 {
            return known.map_or(Heard::Unknown, |at| Heard::Gone(self.neighbours.remove(at)));
        }
        let until = now + Duration::from_secs(said.ttl.into());
        if let Some(known) = known.and_then(|at| self.neighbours.get_mut(at)) {
            known.until = until;
            if (known.mac, &known.said) == (mac, &said) {
                return Heard::Again;
            }
            (known.mac, known.said) = (mac, said);
            return Heard::Changed(known.clone());
        }
        if self.neighbours.len() >= MOST_NEIGHBOURS {
            return Heard::Full;
        }
        let since = now;
        let new = Neighbour {
            mac,
            said,
            since,
            until,
        };
        self.neighbours.push(new.clone());
        Heard::New(new)
    }

    fn place(&self, station: &Station) -> Option<usize> {
        self.neighbours
            .iter()
            .position(|known| known.said.station == *station)
    }

    /// Takes out one that was silent for too long.
    pub(crate) fn age(&mut self, now: Duration) -> Option<Neighbour> {
        let old = self.neighbours.iter().position(|n| n.until <= now)?;
        Some(self.neighbours.remove(old))
    }

    /// When the next one will have been silent for too long.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.neighbours.iter().map(|n| n.until).min()
    }

    pub(crate) fn take_all(&mut self) -> Vec<Neighbour> {
        core::mem::take(&mut self.neighbours)
    }
}
