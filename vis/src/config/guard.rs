//! Guards in the language: storm control, BPDU guard, guests that bridge, port security, and when a port that a guard has
//! shut comes back. After nxos where it has the line; what is ours says so.

use super::guard_values::{
    BridgeGuard, RecoveryInterval, SecureAging, SecureAgingType, SecureMac, SecureMaximum,
    SecureViolation, StormAction, StormLevel,
};
use super::model::PortLines;
use super::origin::{About, Found};
use niv::{Mac, VlanId};
use policy::bridge_guard::BpduGuard;
use policy::err_disable::{Cause, Recovery};
use policy::rate::BitRate;
use policy::security::{Ageing, Mode, PortSecurity};
use policy::storm::{Action, Class, Level, StormControl};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// The lines of guards that a profile or interface has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardLines {
    /// `storm-control broadcast level ...`
    pub broadcast: Option<StormLevel>,
    /// `storm-control multicast level ...`
    pub multicast: Option<StormLevel>,
    /// `storm-control unicast level ...`: of unicasts whose destination is not known.
    pub unicast: Option<StormLevel>,
    /// `storm-control action ...`
    pub storm_action: Option<StormAction>,
    /// `spanning-tree bpduguard enable|disable`
    pub bpdu_guard: Option<bool>,
    /// `spanning-tree bpdufilter enable|disable`
    pub bpdu_filter: Option<bool>,
    /// `bridge-guard ...`
    pub bridge_guard: Option<BridgeGuard>,
    /// `switchport port-security [disable]`
    pub security: Option<bool>,
    /// `switchport port-security maximum N`
    pub maximum: Option<SecureMaximum>,
    /// `switchport port-security violation ...`
    pub violation: Option<SecureViolation>,
    /// `switchport port-security aging time N`
    pub aging_time: Option<SecureAging>,
    /// `switchport port-security aging type ...`
    pub aging_type: Option<SecureAgingType>,
    /// `switchport port-security mac-address sticky [disable]`
    pub sticky: Option<bool>,
    /// `switchport port-security mac-address H.H.H`. Of an interface: an address is on one port.
    pub addresses: BTreeSet<SecureMac>,
}

/// One of them. Where the value is optional, `None` is the line with `no` in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardLine {
    /// `storm-control CLASS level ...`, `storm-control CLASS disable`
    Storm(Class, Option<StormLevel>),
    /// `storm-control action ...`
    StormAction(Option<StormAction>),
    /// `spanning-tree bpduguard ...`
    BpduGuard(Option<bool>),
    /// `spanning-tree bpdufilter ...`
    BpduFilter(Option<bool>),
    /// `bridge-guard ...`
    BridgeGuard(Option<BridgeGuard>),
    /// `switchport port-security [disable]`
    Security(Option<bool>),
    /// `switchport port-security maximum N`
    Maximum(Option<SecureMaximum>),
    /// `switchport port-security violation ...`
    Violation(Option<SecureViolation>),
    /// `switchport port-security aging time N`
    AgingTime(Option<SecureAging>),
    /// `switchport port-security aging type ...`
    AgingType(Option<SecureAgingType>),
    /// `switchport port-security mac-address sticky [disable]`
    Sticky(Option<bool>),
    /// `switchport port-security mac-address H.H.H`; false: with `no` in front.
    Address(SecureMac, bool),
}

impl GuardLines {
    pub(super) fn apply(&mut self, line: GuardLine) {
        match line {
            GuardLine::Storm(class, level) => *self.level_mut(class) = level,
            GuardLine::StormAction(action) => self.storm_action = action,
            GuardLine::BpduGuard(on) => self.bpdu_guard = on,
            GuardLine::BpduFilter(on) => self.bpdu_filter = on,
            GuardLine::BridgeGuard(what) => self.bridge_guard = what,
            GuardLine::Security(on) => self.security = on,
            GuardLine::Maximum(maximum) => self.maximum = maximum,
            GuardLine::Violation(mode) => self.violation = mode,
            GuardLine::AgingTime(minutes) => self.aging_time = minutes,
            GuardLine::AgingType(kind) => self.aging_type = kind,
            GuardLine::Sticky(on) => self.sticky = on,
            GuardLine::Address(address, true) => {
                self.addresses.insert(address);
            }
            GuardLine::Address(address, false) => {
                self.addresses.remove(&address);
            }
        }
    }

    const fn level(&self, class: Class) -> Option<StormLevel> {
        match class {
            Class::Broadcast => self.broadcast,
            Class::Multicast => self.multicast,
            Class::UnknownUnicast => self.unicast,
        }
    }

    const fn level_mut(&mut self, class: Class) -> &mut Option<StormLevel> {
        match class {
            Class::Broadcast => &mut self.broadcast,
            Class::Multicast => &mut self.multicast,
            Class::UnknownUnicast => &mut self.unicast,
        }
    }

    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        for class in Class::ALL {
            if let Some(level) = self.level(class) {
                writeln!(out, "  storm-control {} {level}", typed(class))?;
            }
        }
        if let Some(action) = self.storm_action {
            writeln!(out, "  storm-control action {}", action.as_str())?;
        }
        for (what, on) in [
            ("bpduguard", self.bpdu_guard),
            ("bpdufilter", self.bpdu_filter),
        ] {
            if let Some(on) = on {
                let on = if on { "enable" } else { "disable" };
                writeln!(out, "  spanning-tree {what} {on}")?;
            }
        }
        if let Some(what) = self.bridge_guard {
            writeln!(out, "  bridge-guard {}", what.as_str())?;
        }
        const SECURITY: &str = "  switchport port-security";
        match self.security {
            Some(true) => writeln!(out, "{SECURITY}")?,
            Some(false) => writeln!(out, "{SECURITY} disable")?,
            None => {}
        }
        if let Some(maximum) = self.maximum {
            writeln!(out, "{SECURITY} maximum {maximum}")?;
        }
        if let Some(mode) = self.violation {
            writeln!(out, "{SECURITY} violation {}", mode.as_str())?;
        }
        if let Some(minutes) = self.aging_time {
            writeln!(out, "{SECURITY} aging time {minutes}")?;
        }
        if let Some(kind) = self.aging_type {
            writeln!(out, "{SECURITY} aging type {}", kind.as_str())?;
        }
        match self.sticky {
            Some(true) => writeln!(out, "{SECURITY} mac-address sticky")?,
            Some(false) => writeln!(out, "{SECURITY} mac-address sticky disable")?,
            None => {}
        }
        for SecureMac { mac, vlan } in &self.addresses {
            write!(out, "{SECURITY} mac-address {}", mac.dotted())?;
            match vlan {
                Some(vlan) => writeln!(out, " vlan {vlan}")?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    }

    /// Whether one of its addresses is that one, as far as can be told.
    pub(super) fn has(&self, address: &SecureMac) -> bool {
        self.addresses.iter().any(|one| one.overlaps(address))
    }
}

/// As a class is typed.
const fn typed(class: Class) -> &'static str {
    match class {
        Class::Broadcast => "broadcast",
        Class::Multicast => "multicast",
        Class::UnknownUnicast => "unicast",
    }
}

/// What guards ask of a port, once inheritance is resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// How much it may flood.
    pub storm: StormControl,
    /// What becomes of BPDUs it sends.
    pub bpdu: BpduGuard,
    /// It is shut where its guest bridges it with another.
    pub shuts_bridges: bool,
    /// Its port security.
    pub security: Option<Secured>,
}

/// Port security in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// The rule.
    pub rule: PortSecurity,
    /// What is configured.
    pub addresses: Vec<(VlanId, Mac)>,
}

impl Guards {
    /// Nothing is asked.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

/// Addresses that a port cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum AddressFault {
    /// There are more of them than it may have.
    TooMany { addresses: usize, maximum: u32 },
    /// One is of a VLAN that it does not use.
    Apart { vlan: VlanId, mac: Mac },
}

impl fmt::Display for AddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { addresses, maximum } => write!(
                f,
                "{addresses} secure addresses are configured and {maximum} may be: raise `switchport port-security \
                 maximum` or take one away"
            ),
            Self::Apart { vlan, mac } => write!(
                f,
                "{} is a secure address in VLAN {vlan}, which the port does not use: take it away, or say another VLAN",
                mac.dotted()
            ),
        }
    }
}

/// What guards ask of a port with these lines, the nearest first. `untagged`: the VLAN of its untagged frames.
pub(super) fn resolve(
    levels: &[&PortLines],
    untagged: VlanId,
    may_use: impl Fn(VlanId) -> bool,
) -> (Guards, Option<AddressFault>) {
    fn nearest<T>(levels: &[&PortLines], pick: impl Fn(&GuardLines) -> Option<T>) -> Option<T> {
        levels.iter().find_map(|lines| pick(&lines.guards))
    }
    let action = match nearest(levels, |lines| lines.storm_action) {
        Some(StormAction::Shutdown) => Action::Shut,
        Some(StormAction::Drop) | None => Action::Drop,
    };
    let mut storm = StormControl::new(Action::Drop);
    for class in Class::ALL {
        if let Some(level) = nearest(levels, |lines| lines.level(class)).and_then(level) {
            if storm.is_off() {
                storm = StormControl::new(action);
            }
            storm = storm.with(class, level);
        }
    }
    let is_guarded = nearest(levels, |lines| lines.bpdu_guard) == Some(true);
    let is_filtered = nearest(levels, |lines| lines.bpdu_filter) == Some(true);
    let bpdu = match (is_guarded, is_filtered) {
        (true, _) => BpduGuard::Shut,
        (false, true) => BpduGuard::Filter,
        (false, false) => BpduGuard::Off,
    };
    let bridges = nearest(levels, |lines| lines.bridge_guard);
    let mut guards = Guards {
        storm,
        bpdu,
        shuts_bridges: bridges == Some(BridgeGuard::Shutdown),
        security: None,
    };
    if nearest(levels, |lines| lines.security) != Some(true) {
        return (guards, None);
    }
    let seconds = nearest(levels, |lines| lines.aging_time).map_or(0, |minutes| minutes.get() * 60);
    let rule = PortSecurity {
        maximum: nearest(levels, |lines| lines.maximum).map_or(1, SecureMaximum::get),
        violation: nearest(levels, |lines| lines.violation)
            .map_or(Mode::Shutdown, SecureViolation::mode),
        ageing: match nearest(levels, |lines| lines.aging_type) {
            _ if seconds == 0 => Ageing::Never,
            Some(SecureAgingType::Inactivity) => Ageing::Inactivity(seconds),
            Some(SecureAgingType::Absolute) | None => Ageing::Absolute(seconds),
        },
        sticky: nearest(levels, |lines| lines.sticky) == Some(true),
    };
    let own = levels.first().map(|lines| &lines.guards.addresses);
    let own = own.into_iter().flatten();
    let addresses: BTreeSet<_> = own
        .map(|one| (one.vlan.unwrap_or(untagged), one.mac))
        .collect();
    let too_many = (addresses.len() > rule.maximum as usize).then_some(AddressFault::TooMany {
        addresses: addresses.len(),
        maximum: rule.maximum,
    });
    let apart = addresses.iter().find(|(vlan, _)| !may_use(*vlan));
    let apart = apart.map(|&(vlan, mac)| AddressFault::Apart { vlan, mac });
    guards.security = Some(Secured {
        rule,
        addresses: addresses.into_iter().collect(),
    });
    (guards, too_many.or(apart))
}

/// `None`: none. A text of another rate is no [`StormBits`](super::StormBits).
fn level(level: StormLevel) -> Option<Level> {
    match level {
        StormLevel::Off => None,
        StormLevel::Packets(packets) => Some(Level::Packets(packets.get())),
        StormLevel::Bits(bits) => BitRate::new(bits.0).ok().map(Level::Bits),
    }
}

/// What a line of guards is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AboutGuard {
    /// `storm-control`
    Storm,
    /// `spanning-tree bpduguard` and `bpdufilter`
    Bpdu,
    /// `bridge-guard`
    Bridge,
    /// `switchport port-security`
    Security,
}

type Pick = fn(&GuardLines) -> GuardLines;

/// Each line, and what it is about.
const LINES: &[(AboutGuard, Pick)] = &[
    (AboutGuard::Storm, |all| GuardLines {
        broadcast: all.broadcast,
        ..GuardLines::default()
    }),
    (AboutGuard::Storm, |all| GuardLines {
        multicast: all.multicast,
        ..GuardLines::default()
    }),
    (AboutGuard::Storm, |all| GuardLines {
        unicast: all.unicast,
        ..GuardLines::default()
    }),
    (AboutGuard::Storm, |all| GuardLines {
        storm_action: all.storm_action,
        ..GuardLines::default()
    }),
    (AboutGuard::Bpdu, |all| GuardLines {
        bpdu_guard: all.bpdu_guard,
        ..GuardLines::default()
    }),
    (AboutGuard::Bpdu, |all| GuardLines {
        bpdu_filter: all.bpdu_filter,
        ..GuardLines::default()
    }),
    (AboutGuard::Bridge, |all| GuardLines {
        bridge_guard: all.bridge_guard,
        ..GuardLines::default()
    }),
    (AboutGuard::Security, |all| GuardLines {
        security: all.security,
        ..GuardLines::default()
    }),
    (AboutGuard::Security, |all| GuardLines {
        maximum: all.maximum,
        ..GuardLines::default()
    }),
    (AboutGuard::Security, |all| GuardLines {
        violation: all.violation,
        ..GuardLines::default()
    }),
    (AboutGuard::Security, |all| GuardLines {
        aging_time: all.aging_time,
        ..GuardLines::default()
    }),
    (AboutGuard::Security, |all| GuardLines {
        aging_type: all.aging_type,
        ..GuardLines::default()
    }),
    (AboutGuard::Security, |all| GuardLines {
        sticky: all.sticky,
        ..GuardLines::default()
    }),
    (AboutGuard::Security, |all| GuardLines {
        addresses: all.addresses.clone(),
        ..GuardLines::default()
    }),
];

/// The lines of guards in force.
pub(super) fn origins(found: &mut Found<'_>) {
    for &(about, pick) in LINES {
        found.nearest(About::Guard(about), None, |all| PortLines {
            guards: pick(&all.guards),
            ..PortLines::default()
        });
    }
}

/// `errdisable recovery ...`: when ports come back that a guard has shut. Without a line they wait for `shutdown` and
/// `no shutdown`, as with nxos.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Errdisable {
    /// `errdisable recovery cause ...`
    pub causes: BTreeSet<RecoveryCause>,
    /// `errdisable recovery interval N`
    pub interval: Option<RecoveryInterval>,
}

/// Why a guard shut a port, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryCause {
    /// `bpduguard`
    BpduGuard,
    /// `bridge-guard`. Ours.
    BridgeGuard,
    /// `psecure-violation`
    PortSecurity,
    /// `storm-control`
    StormControl,
}

impl RecoveryCause {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::BpduGuard,
        Self::BridgeGuard,
        Self::PortSecurity,
        Self::StormControl,
    ];

    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BpduGuard => "bpduguard",
            Self::BridgeGuard => "bridge-guard",
            Self::PortSecurity => "psecure-violation",
            Self::StormControl => "storm-control",
        }
    }

    const fn cause(self) -> Cause {
        match self {
            Self::BpduGuard => Cause::BpduGuard,
            Self::BridgeGuard => Cause::BridgedPorts,
            Self::PortSecurity => Cause::PortSecurity,
            Self::StormControl => Cause::StormControl,
        }
    }
}

/// A line about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrdisableLine {
    /// `errdisable recovery cause CAUSE`, or `all`; false: with `no` in front.
    Cause(Option<RecoveryCause>, bool),
    /// `errdisable recovery interval N`
    Interval(Option<RecoveryInterval>),
}

impl Errdisable {
    pub(super) fn apply(&mut self, line: ErrdisableLine) {
        match line {
            ErrdisableLine::Cause(cause, on) => {
                let all = RecoveryCause::ALL.into_iter();
                for one in all.filter(|one| cause.is_none_or(|cause| cause == *one)) {
                    if on {
                        self.causes.insert(one);
                    } else {
                        self.causes.remove(&one);
                    }
                }
            }
            ErrdisableLine::Interval(interval) => self.interval = interval,
        }
    }

    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        if self.causes.len() == RecoveryCause::ALL.len() {
            writeln!(out, "errdisable recovery cause all")?;
        } else {
            for cause in &self.causes {
                writeln!(out, "errdisable recovery cause {}", cause.as_str())?;
            }
        }
        if let Some(interval) = self.interval {
            writeln!(out, "errdisable recovery interval {interval}")?;
        }
        Ok(())
    }

    /// How long each cause keeps a port shut.
    pub fn recovery(&self) -> Recovery {
        let seconds = self.interval.unwrap_or(RecoveryInterval::DEFAULT).get();
        RecoveryCause::ALL
            .into_iter()
            .fold(Recovery::default(), |recovery, cause| {
                let seconds = self.causes.contains(&cause).then_some(seconds);
                recovery.with(cause.cause(), seconds)
            })
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
