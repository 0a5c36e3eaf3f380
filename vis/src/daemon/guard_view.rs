//! What `show` sees of guards.

use super::forward::Switching;
use super::guards::{Found, Held};
use super::run::Daemon;
use super::view::LookError;
use crate::config::{Effective, InterfaceId, RecoveryCause, RecoveryInterval, Secured, State};
use crate::control::guard::{
    Bridged, GuardRequest, Recovers, SecureEntry, SecuredInterface, ShowBridges, ShowGuard,
    ShowRecovery, ShowSecureAddresses, ShowSecurity, ShowSecurityOf, ShowShut, ShutInterface,
};
use crate::control::interfaces::ERR_DISABLED;
use crate::control::show::SCHEMA;
use crate::switch::{MAX_SECURE, PortState};
use niv::Slot;
use packet_io::supervise::SuperviseError;
use packet_io::worker::Worker;
use policy::bridge_guard::Evidence;
use policy::security::{Ageing, Kind, Mode, SecureAddress};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the worker knows of a port that is secured.
struct Known {
    addresses: Vec<SecureAddress>,
    violations: u64,
}

impl Daemon {
    pub(super) async fn guard_view(&self, request: GuardRequest) -> Result<ShowGuard, LookError> {
        if let GuardRequest::SecurityOf(interface) = request
            && self.effective(interface).is_none()
        {
            return Err(LookError::NoInterface(interface));
        }
        Ok(match request {
            GuardRequest::Bridges => ShowGuard::Bridges(self.bridges()),
            GuardRequest::Recovery => ShowGuard::Recovery(self.recovery()),
            GuardRequest::Shut => ShowGuard::Shut(self.shut_by_guards()),
            GuardRequest::Security => {
                let (known, _) = self.secure().await?;
                let interfaces = self.secured(&known, None);
                ShowGuard::Security(ShowSecurity {
                    schema: SCHEMA,
                    addresses: interfaces.iter().map(|one| one.current).sum(),
                    interfaces,
                    room: MAX_SECURE,
                })
            }
            GuardRequest::SecurityOf(interface) => {
                let (known, _) = self.secure().await?;
                ShowGuard::SecurityOf(ShowSecurityOf {
                    schema: SCHEMA,
                    interface: self.secured(&known, Some(interface)).pop(),
                })
            }
            GuardRequest::Addresses => ShowGuard::Addresses(self.secure_addresses().await?),
        })
    }

    /// Why a guard keeps an interface down, for `show interface`.
    pub(super) fn held_by_guards(&self, interface: InterfaceId) -> Vec<String> {
        if let Some(held) = self.guards.shut.get(&interface) {
            return vec![format!("{ERR_DISABLED} ({})", held.cause.as_str())];
        }
        if !self.lacks_room(interface) {
            return Vec::new();
        }
        let why = "there is no room for its secure addresses; lower the maximum of a port";
        vec!["profile_incomplete".to_owned(), why.to_owned()]
    }

    /// There is no room for its secure addresses.
    fn lacks_room(&self, interface: InterfaceId) -> bool {
        let slot = self.slots.get(&interface);
        let mut ports = self.topology.ports.iter();
        let port = ports.find(|port| Some(port.slot) == slot);
        let is_incomplete = port.is_some_and(|port| port.state == PortState::ProfileIncomplete);
        let is_said = |effective: Effective| effective.state != State::Forwarding;
        is_incomplete && !self.effective(interface).is_none_or(is_said)
    }

    fn bridges(&self) -> ShowBridges {
        let now = self.now();
        let one = |found: &Found| Bridged {
            interfaces: found.interfaces,
            evidence: match found.evidence {
                Evidence::Address(..) => "address",
                Evidence::Echo(..) => "echo",
                Evidence::BridgeId(_) => "bridge_id",
                Evidence::Conflict(..) => "conflict",
                Evidence::Vlans(..) => "vlans",
            }
            .to_owned(),
            says: found.words(),
            ago_ms: now.saturating_sub(found.at).as_millis() as u64,
        };
        ShowBridges {
            schema: SCHEMA,
            found: self.guards.found.iter().map(one).collect(),
        }
    }

    fn recovery(&self) -> ShowRecovery {
        let said = &self.said.errdisable;
        let causes = RecoveryCause::ALL.into_iter().map(|cause| Recovers {
            cause: cause.as_str().to_owned(),
            enabled: said.causes.contains(&cause),
        });
        ShowRecovery {
            schema: SCHEMA,
            causes: causes.collect(),
            interval: said.interval.unwrap_or(RecoveryInterval::DEFAULT).get(),
        }
    }

    fn shut_by_guards(&self) -> ShowShut {
        let now = self.now();
        let one = |(&interface, held): (&InterfaceId, &Held)| ShutInterface {
            interface,
            name: self.description(interface),
            cause: held.cause.as_str().to_owned(),
            seconds: now.saturating_sub(held.since).as_secs(),
            left: self
                .guards
                .due(held)
                .map(|due| seconds_up(due.saturating_sub(now))),
        };
        ShowShut {
            schema: SCHEMA,
            interfaces: self.guards.shut.iter().map(one).collect(),
        }
    }

    fn description(&self, interface: InterfaceId) -> Option<String> {
        let lines = match interface {
            InterfaceId::Ethernet(id) => &self.config.ethernets.get(&id)?.lines,
            InterfaceId::Veth(id) => &self.config.veths.get(&id)?.lines,
        };
        lines.description.as_ref().map(ToString::to_string)
    }

    /// By slot, and the time.
    async fn secure(&self) -> Result<(BTreeMap<Slot, Known>, policy::Time), SuperviseError> {
        let ask = |worker: &mut Worker<Switching>| {
            let now = worker.forward.now();
            let guards = worker.forward.switch.guards();
            let ports = guards.secure_addresses(now).into_iter();
            let known = ports.map(|(slot, addresses)| {
                let violations = guards.violations(slot);
                (
                    slot,
                    Known {
                        addresses,
                        violations,
                    },
                )
            });
            (known.collect(), now.into())
        };
        Ok(self.worker.answer(ask).await?)
    }

    /// Each interface that is secured by configuration, or that one.
    fn secured(
        &self,
        known: &BTreeMap<Slot, Known>,
        only: Option<InterfaceId>,
    ) -> Vec<SecuredInterface> {
        let wanted = self.interfaces().into_iter();
        let wanted = wanted.filter(|one| only.is_none_or(|only| only == *one));
        let secured = wanted.filter_map(|interface| {
            let Secured { rule, .. } = self.effective(interface)?.guards.security?;
            let known = self.slots.get(&interface).and_then(|slot| known.get(&slot));
            let addresses = known.map_or(&[][..], |known| &known.addresses);
            let of = |kind| addresses.iter().filter(|one| one.kind == kind).count();
            let (seconds, aging_type) = match rule.ageing {
                Ageing::Never => (0, "absolute"),
                Ageing::Absolute(seconds) => (seconds, "absolute"),
                Ageing::Inactivity(seconds) => (seconds, "inactivity"),
            };
            let status = if self.guards.shut.contains_key(&interface) {
                "shutdown"
            } else if self.lacks_room(interface) {
                "no_room"
            } else {
                "up"
            };
            Some(SecuredInterface {
                interface,
                status: status.to_owned(),
                violation: match rule.violation {
                    Mode::Protect => "protect",
                    Mode::Restrict => "restrict",
                    Mode::Shutdown => "shutdown",
                }
                .to_owned(),
                aging_minutes: seconds / 60,
                aging_type: aging_type.to_owned(),
                maximum: rule.maximum,
                current: addresses.len(),
                configured: of(Kind::Static),
                sticky: of(Kind::Sticky),
                violations: known.map_or(0, |known| known.violations),
            })
        });
        secured.collect()
    }

    async fn secure_addresses(&self) -> Result<ShowSecureAddresses, SuperviseError> {
        let (known, now) = self.secure().await?;
        let mut entries = Vec::new();
        // A vEth that is detached has its addresses, too, whether or not anything else is configured of it.
        let holders = self.slots.iter();
        let holders: BTreeMap<_, _> = holders
            .filter_map(|(&interface, slot)| Some((interface, known.get(&slot)?)))
            .collect();
        for (interface, known) in holders {
            let rule = self
                .effective(interface)
                .and_then(|one| one.guards.security);
            let ageing = rule.map_or(Ageing::Never, |secured| secured.rule.ageing);
            entries.extend(known.addresses.iter().map(|one| SecureEntry {
                vlan: one.vlan,
                mac: one.mac,
                kind: one.kind.as_str().to_owned(),
                interface,
                left: left(one, ageing, now),
            }));
        }
        Ok(ShowSecureAddresses {
            schema: SCHEMA,
            addresses: entries,
        })
    }
}

/// Seconds until an address is forgotten.
fn left(address: &SecureAddress, ageing: Ageing, now: policy::Time) -> Option<u64> {
    let (from, seconds) = match ageing {
        _ if address.kind != Kind::Dynamic => return None,
        Ageing::Never => return None,
        Ageing::Absolute(seconds) => (address.since, seconds),
        Ageing::Inactivity(seconds) => (address.seen, seconds),
    };
    let age = now.nanos_since(from);
    let whole = Duration::from_secs(seconds.into());
    Some(seconds_up(whole.saturating_sub(Duration::from_nanos(age))))
}

fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
