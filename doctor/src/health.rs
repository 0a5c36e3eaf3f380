//! How the session of a link goes, as daemons say it in their shows.

use serde::{Deserialize, Serialize};

/// How the session of a link goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkHealth {
    /// So many milliseconds ago the last control frame of the other end was taken.
    pub silent_ms: u64,
    /// The MTU that both ends have, in octets behind the Ethernet header.
    pub mtu_wanted: u16,
    /// So much got through and was answered; 0: nothing yet.
    pub mtu_proven: u16,
    /// Nothing longer got through, however often it was tried.
    pub mtu_limit: u16,
    /// No search is under way.
    pub mtu_settled: bool,
}

impl From<vic::session::Health> for LinkHealth {
    fn from(health: vic::session::Health) -> Self {
        Self {
            silent_ms: u64::try_from(health.silent.as_millis()).unwrap_or(u64::MAX),
            mtu_wanted: health.mtu.wanted,
            mtu_proven: health.mtu.proven,
            mtu_limit: health.mtu.limit,
            mtu_settled: health.mtu.settled,
        }
    }
}

impl LinkHealth {
    /// Whether frames of `needed` octets get through; `None`: that is still being tried.
    pub fn carries(&self, needed: u32) -> Option<bool> {
        if u32::from(self.mtu_proven) >= needed {
            return Some(true);
        }
        let hopeless = self.mtu_settled || u32::from(self.mtu_limit) < needed;
        hopeless.then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(proven: u16, limit: u16, settled: bool) -> LinkHealth {
        LinkHealth {
            silent_ms: 0,
            mtu_wanted: 9000,
            mtu_proven: proven,
            mtu_limit: limit,
            mtu_settled: settled,
        }
    }

    #[test]
    fn a_search_under_way_decides_as_soon_as_it_can() {
        assert_eq!(health(0, 9000, false).carries(1510), None);
        assert_eq!(health(1510, 8999, false).carries(1510), Some(true));
        assert_eq!(health(0, 1509, false).carries(1510), Some(false));
        assert_eq!(health(1400, 1407, true).carries(1510), Some(false));
        assert_eq!(health(9000, 9000, true).carries(9010), Some(false));
    }
}
