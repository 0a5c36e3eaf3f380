//! What guards say of a frame, in words.

use super::{Words, refused, stage, with};
use crate::config::{About, AboutGuard};
use crate::control::explain::Stage;
use crate::switch::GuardStep;
use policy::security::{Admission, Kind, Why};
use policy::storm::Class;

/// Everything that can shut a port.
const SHUTS: &[About] = &[
    About::Guard(AboutGuard::Storm),
    About::Guard(AboutGuard::Bpdu),
    About::Guard(AboutGuard::Bridge),
    About::Guard(AboutGuard::Security),
];

impl Words<'_> {
    pub(super) fn guard(&self, step: GuardStep) -> Stage {
        let lines = |about| self.lines(self.owner, &[About::Guard(about)]);
        match step {
            GuardStep::Standing(Ok(())) => stage("guard", true, "no guard has shut the port"),
            GuardStep::Standing(Err(reason)) => {
                let mut stage = refused("guard", reason, self.lines(self.owner, SHUTS));
                let held = self
                    .owner
                    .and_then(|owner| self.daemon.guards.shut.get(&owner));
                if let Some(held) = held {
                    stage.says = format!("{} Why: {}.", stage.says, held.cause.as_str());
                }
                stage
            }
            GuardStep::Bpdu(Ok(())) => {
                let says = "it is a spanning tree BPDU, and no guard asks for those here";
                with(stage("bpdu", true, says), lines(AboutGuard::Bpdu))
            }
            GuardStep::Bpdu(Err(reason)) => refused("bpdu", reason, lines(AboutGuard::Bpdu)),
            GuardStep::Source(admission, result) => {
                let lines = lines(AboutGuard::Security);
                let says = self.admission(admission);
                match result {
                    Ok(()) => with(stage("port_security", true, says), lines),
                    Err(reason) => {
                        let mut stage = refused("port_security", reason, lines);
                        stage.says = format!("{} Here: {says}.", stage.says);
                        if let Admission::Violation(violation) = admission
                            && violation.shut().is_some()
                        {
                            stage.says.push_str(" The port is shut for such a frame.");
                        }
                        stage
                    }
                }
            }
            GuardStep::Storm(class, result) => {
                let lines = lines(AboutGuard::Storm);
                match result {
                    Ok(()) => {
                        let class = match class {
                            Class::Broadcast => "a broadcast",
                            Class::Multicast => "a multicast",
                            Class::UnknownUnicast => "an unknown unicast",
                        };
                        let says = format!("{class}, of which the level lets one more pass");
                        with(stage("storm_control", true, says), lines)
                    }
                    Err(reason) => refused("storm_control", reason, lines),
                }
            }
        }
    }

    fn admission(&self, admission: Admission) -> String {
        match admission {
            Admission::NotSecured => "its port security is not in force".to_owned(),
            Admission::Known => "the source is a secure address of the port".to_owned(),
            Admission::Learned(kind) => {
                let kind = if kind == Kind::Sticky {
                    "sticky"
                } else {
                    "dynamic"
                };
                format!("the source is new, and would be a {kind} secure address of the port")
            }
            Admission::Violation(violation) => match violation.why {
                Why::Maximum => "the port has as many secure addresses as it may".to_owned(),
                Why::Elsewhere(at) => match self.interfaces.get(&at) {
                    Some(other) => format!("the source is a secure address of {other}"),
                    None => "the source is a secure address of another port".to_owned(),
                },
                Why::InUse(at) => match self.interfaces.get(&at) {
                    Some(other) => format!("{other} uses the source address"),
                    None => "another port uses the source address".to_owned(),
                },
            },
        }
    }
}
