//! The lists of one port and direction.

use super::compiled::{Compiled, Verdict};
use super::rule::{Action, Family};
use super::view::{Subject, View};
use std::sync::Arc;

/// Up to one list of each family. Without lists everything passes; with them, what every list permits that judges it.
///
/// So an IPv4 list alone stops no ARP and no IPv6, and a MAC list stops IP too.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Asked first.
    pub mac: Option<Arc<Compiled>>,
    /// Of IPv4 packets.
    pub ipv4: Option<Arc<Compiled>>,
    /// Of IPv6 packets.
    pub ipv6: Option<Arc<Compiled>>,
}

/// What the lists of a port said of a frame; `None`: no such list, or it does not judge such frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The MAC list.
    pub mac: Option<Verdict>,
    /// The IPv4 or IPv6 list; not asked when the MAC list has denied.
    pub ip: Option<(Family, Verdict)>,
}

impl Decision {
    /// Whether the frame goes on.
    #[inline]
    pub fn permits(&self) -> bool {
        let permits = |verdict: Verdict| verdict.action == Action::Permit;
        self.mac.is_none_or(permits) && self.ip.is_none_or(|(_, verdict)| permits(verdict))
    }
}

impl Filter {
    /// Whether there is no list, so that no frame needs to be read.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.mac.is_none() && self.ipv4.is_none() && self.ipv6.is_none()
    }

    /// Judges a frame.
    #[inline]
    pub fn judge(&self, subject: &Subject<'_>) -> Decision {
        if self.is_empty() {
            Decision::default()
        } else {
            self.judge_view(&View::of(subject))
        }
    }

    /// Judges a frame that has been read.
    #[inline]
    pub fn judge_view(&self, view: &View) -> Decision {
        let ask = |list: &Option<Arc<Compiled>>| list.as_ref().and_then(|list| list.judge(view));
        let mac = ask(&self.mac);
        if mac.is_some_and(|verdict| verdict.action == Action::Deny) {
            return Decision { mac, ip: None };
        }
        let named = |family| move |verdict| (family, verdict);
        let ip = ask(&self.ipv4).map(named(Family::Ipv4));
        let ip = match ip {
            Some((_, verdict)) if verdict.action == Action::Deny => ip,
            // Of a frame that cannot be read both have their say.
            _ => ask(&self.ipv6).map(named(Family::Ipv6)).or(ip),
        };
        Decision { mac, ip }
    }
}
