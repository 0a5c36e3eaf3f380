//! The commands of guards ([`super::guard`]).

use super::grammar::port;
use super::guard::{ErrdisableLine, GuardLine, RecoveryCause};
use super::guard_values::{
    BridgeGuard, SecureAgingType, SecureMac, SecureViolation, StationMac, StormAction, StormLevel,
};
use super::line::{Line, PortLine};
use super::tree::{Build, Node, Values, value, word};
use super::value::Kind;
use policy::storm::Class;

const fn guard(line: GuardLine) -> Option<Line> {
    port(PortLine::Guard(line))
}

pub(super) const STORM_CONTROL: Node =
    word("storm-control", "How much the port may flood").then(&[
        word("action", "What is done about more")
            .no(|_| guard(GuardLine::StormAction(None)))
            .then(&[
                word("drop", "It is dropped")
                    .line(|_| guard(GuardLine::StormAction(Some(StormAction::Drop))))
                    .no(|_| guard(GuardLine::StormAction(None))),
                word("shutdown", "The port is shut")
                    .line(|_| guard(GuardLine::StormAction(Some(StormAction::Shutdown))))
                    .no(|_| guard(GuardLine::StormAction(None))),
            ]),
        word("broadcast", "Of broadcasts")
            .no(|_| guard(GuardLine::Storm(Class::Broadcast, None)))
            .then(&[
                word("disable", "All of them pass, whatever the profile says")
                    .line(|_| guard(GuardLine::Storm(Class::Broadcast, Some(StormLevel::Off))))
                    .no(|_| guard(GuardLine::Storm(Class::Broadcast, None))),
                word("level", "How much of them passes")
                    .no(|_| guard(GuardLine::Storm(Class::Broadcast, None)))
                    .then(&[
                        word("bps", "In bits per second").then(&[value(
                            Kind::StormBits,
                            "Bits per second",
                        )
                        .line(|values| bits(Class::Broadcast, values))
                        .no(|_| guard(GuardLine::Storm(Class::Broadcast, None)))]),
                        word("pps", "In frames per second").then(&[value(
                            Kind::StormPackets,
                            "Frames per second; 0: none",
                        )
                        .line(|values| packets(Class::Broadcast, values))
                        .no(|_| guard(GuardLine::Storm(Class::Broadcast, None)))]),
                    ]),
            ]),
        word("multicast", "Of multicasts")
            .no(|_| guard(GuardLine::Storm(Class::Multicast, None)))
            .then(&[
                word("disable", "All of them pass, whatever the profile says")
                    .line(|_| guard(GuardLine::Storm(Class::Multicast, Some(StormLevel::Off))))
                    .no(|_| guard(GuardLine::Storm(Class::Multicast, None))),
                word("level", "How much of them passes")
                    .no(|_| guard(GuardLine::Storm(Class::Multicast, None)))
                    .then(&[
                        word("bps", "In bits per second").then(&[value(
                            Kind::StormBits,
                            "Bits per second",
                        )
                        .line(|values| bits(Class::Multicast, values))
                        .no(|_| guard(GuardLine::Storm(Class::Multicast, None)))]),
                        word("pps", "In frames per second").then(&[value(
                            Kind::StormPackets,
                            "Frames per second; 0: none",
                        )
                        .line(|values| packets(Class::Multicast, values))
                        .no(|_| guard(GuardLine::Storm(Class::Multicast, None)))]),
                    ]),
            ]),
        word("unicast", "Of unicasts to whom nobody knows")
            .no(|_| guard(GuardLine::Storm(Class::UnknownUnicast, None)))
            .then(&[
                word("disable", "All of them pass, whatever the profile says")
                    .line(|_| {
                        guard(GuardLine::Storm(
                            Class::UnknownUnicast,
                            Some(StormLevel::Off),
                        ))
                    })
                    .no(|_| guard(GuardLine::Storm(Class::UnknownUnicast, None))),
                word("level", "How much of them passes")
                    .no(|_| guard(GuardLine::Storm(Class::UnknownUnicast, None)))
                    .then(&[
                        word("bps", "In bits per second").then(&[value(
                            Kind::StormBits,
                            "Bits per second",
                        )
                        .line(|values| bits(Class::UnknownUnicast, values))
                        .no(|_| guard(GuardLine::Storm(Class::UnknownUnicast, None)))]),
                        word("pps", "In frames per second").then(&[value(
                            Kind::StormPackets,
                            "Frames per second; 0: none",
                        )
                        .line(|values| packets(Class::UnknownUnicast, values))
                        .no(|_| guard(GuardLine::Storm(Class::UnknownUnicast, None)))]),
                    ]),
            ]),
    ]);

fn bits(class: Class, values: &mut Values) -> Option<Line> {
    let level = StormLevel::Bits(values.take()?);
    guard(GuardLine::Storm(class, Some(level)))
}

fn packets(class: Class, values: &mut Values) -> Option<Line> {
    let level = StormLevel::Packets(values.take()?);
    guard(GuardLine::Storm(class, Some(level)))
}

const NO_BPDU_FILTER: Build = |_| guard(GuardLine::BpduFilter(None));
const NO_BPDU_GUARD: Build = |_| guard(GuardLine::BpduGuard(None));
pub(super) const SPANNING_TREE: Node = word(
    "spanning-tree",
    "Spanning tree, which the switch does not run",
)
.then(&[
    word("bpdufilter", "BPDUs from this port are dropped")
        .no(NO_BPDU_FILTER)
        .then(&[
            word("disable", "They are not")
                .line(|_| guard(GuardLine::BpduFilter(Some(false))))
                .no(NO_BPDU_FILTER),
            word("enable", "They are")
                .line(|_| guard(GuardLine::BpduFilter(Some(true))))
                .no(NO_BPDU_FILTER),
        ]),
    word("bpduguard", "A BPDU from this port shuts it")
        .no(NO_BPDU_GUARD)
        .then(&[
            word("disable", "It does not")
                .line(|_| guard(GuardLine::BpduGuard(Some(false))))
                .no(NO_BPDU_GUARD),
            word("enable", "It does")
                .line(|_| guard(GuardLine::BpduGuard(Some(true))))
                .no(NO_BPDU_GUARD),
        ]),
]);

const NO_BRIDGE_GUARD: Build = |_| guard(GuardLine::BridgeGuard(None));
pub(super) const BRIDGE_GUARD: Node = word(
    "bridge-guard",
    "A guest that bridges this port with another",
)
.no(NO_BRIDGE_GUARD)
.then(&[
    word("alarm", "It is named")
        .line(|_| guard(GuardLine::BridgeGuard(Some(BridgeGuard::Alarm))))
        .no(NO_BRIDGE_GUARD),
    word("shutdown", "It is named, and the port is shut")
        .line(|_| guard(GuardLine::BridgeGuard(Some(BridgeGuard::Shutdown))))
        .no(NO_BRIDGE_GUARD),
]);

/// Of a profile.
pub(super) const SECURITY: Node = security(&[AGING, DISABLE, MAC_STICKY, MAXIMUM, VIOLATION]);
/// Of an interface.
pub(super) const SECURITY_INTERFACE: Node =
    security(&[AGING, DISABLE, MAC_ADDRESS, MAXIMUM, VIOLATION]);

const NO_SECURITY: Build = |_| guard(GuardLine::Security(None));
const DISABLE: Node = word("disable", "Any, whatever the profile says")
    .line(|_| guard(GuardLine::Security(Some(false))))
    .no(NO_SECURITY);

const fn security(next: &'static [Node]) -> Node {
    word("port-security", "Which addresses the port may send from")
        .line(|_| guard(GuardLine::Security(Some(true))))
        .no(NO_SECURITY)
        .then(next)
}

const NO_AGING_TIME: Build = |_| guard(GuardLine::AgingTime(None));
const NO_AGING_TYPE: Build = |_| guard(GuardLine::AgingType(None));
const AGING: Node = word("aging", "When addresses that were learned are forgotten").then(&[
    word("time", "After how long")
        .no(NO_AGING_TIME)
        .then(&[value(Kind::SecureAging, "Minutes; 0: never")
            .line(|values| guard(GuardLine::AgingTime(Some(values.take()?))))
            .no(NO_AGING_TIME)]),
    word("type", "From when").no(NO_AGING_TYPE).then(&[
        word("absolute", "From when the address was learned")
            .line(|_| guard(GuardLine::AgingType(Some(SecureAgingType::Absolute))))
            .no(NO_AGING_TYPE),
        word("inactivity", "From its last frame")
            .line(|_| guard(GuardLine::AgingType(Some(SecureAgingType::Inactivity))))
            .no(NO_AGING_TYPE),
    ]),
]);

const NO_STICKY: Build = |_| guard(GuardLine::Sticky(None));
const STICKY: Node = word("sticky", "What is learned is kept, over restarts too")
    .line(|_| guard(GuardLine::Sticky(Some(true))))
    .no(NO_STICKY)
    .then(&[word("disable", "It is not, whatever the profile says")
        .line(|_| guard(GuardLine::Sticky(Some(false))))
        .no(NO_STICKY)]);
const MAC_STICKY: Node = word("mac-address", "Addresses it may send from").then(&[STICKY]);
const MAC_ADDRESS: Node = word("mac-address", "Addresses it may send from").then(&[
    STICKY,
    value(Kind::Station, "One of them")
        .line(|values| address(values, false, true))
        .no(|values| address(values, false, false))
        .then(&[
            word("vlan", "In which VLAN").then(&[value(Kind::Vlan, "The VLAN")
                .line(|values| address(values, true, true))
                .no(|values| address(values, true, false))]),
        ]),
]);

fn address(values: &mut Values, has_vlan: bool, on: bool) -> Option<Line> {
    let StationMac(mac) = values.take()?;
    let vlan = match has_vlan {
        true => Some(values.take()?),
        false => None,
    };
    guard(GuardLine::Address(SecureMac { mac, vlan }, on))
}

const NO_MAXIMUM: Build = |_| guard(GuardLine::Maximum(None));
const MAXIMUM: Node = word("maximum", "How many").no(NO_MAXIMUM).then(&[value(
    Kind::SecureMaximum,
    "Addresses, of all kinds together",
)
.line(|values| guard(GuardLine::Maximum(Some(values.take()?))))
.no(NO_MAXIMUM)]);

const NO_VIOLATION: Build = |_| guard(GuardLine::Violation(None));
const VIOLATION: Node = word("violation", "What is done about another address")
    .no(NO_VIOLATION)
    .then(&[
        word("protect", "Its frames are dropped")
            .line(|_| guard(GuardLine::Violation(Some(SecureViolation::Protect))))
            .no(NO_VIOLATION),
        word("restrict", "And it is told")
            .line(|_| guard(GuardLine::Violation(Some(SecureViolation::Restrict))))
            .no(NO_VIOLATION),
        word("shutdown", "And the port is shut")
            .line(|_| guard(GuardLine::Violation(Some(SecureViolation::Shutdown))))
            .no(NO_VIOLATION),
    ]);

const fn errdisable(line: ErrdisableLine) -> Option<Line> {
    Some(Line::Errdisable(line))
}

const NO_INTERVAL: Build = |_| errdisable(ErrdisableLine::Interval(None));
pub(super) const ERRDISABLE: Node =
    word("errdisable", "Ports that a guard has shut").then(&[word(
        "recovery",
        "When they come back by themselves",
    )
    .then(&[
        word("cause", "Those that were shut for this").then(&[
            word("all", "Whatever it was")
                .line(|_| errdisable(ErrdisableLine::Cause(None, true)))
                .no(|_| errdisable(ErrdisableLine::Cause(None, false))),
            word("bpduguard", "A spanning tree BPDU")
                .line(|_| cause(RecoveryCause::BpduGuard, true))
                .no(|_| cause(RecoveryCause::BpduGuard, false)),
            word("bridge-guard", "A guest that bridges")
                .line(|_| cause(RecoveryCause::BridgeGuard, true))
                .no(|_| cause(RecoveryCause::BridgeGuard, false)),
            word("psecure-violation", "An address that may not be there")
                .line(|_| cause(RecoveryCause::PortSecurity, true))
                .no(|_| cause(RecoveryCause::PortSecurity, false)),
            word("storm-control", "Too many floods")
                .line(|_| cause(RecoveryCause::StormControl, true))
                .no(|_| cause(RecoveryCause::StormControl, false)),
        ]),
        word("interval", "After how long")
            .no(NO_INTERVAL)
            .then(&[value(Kind::RecoveryInterval, "Seconds")
                .line(|values| errdisable(ErrdisableLine::Interval(Some(values.take()?))))
                .no(NO_INTERVAL)]),
    ])]);

const fn cause(cause: RecoveryCause, on: bool) -> Option<Line> {
    errdisable(ErrdisableLine::Cause(Some(cause), on))
}
