//! From lines about rate and priority to the stages that enforce them, and what policers counted.

use super::run::Daemon;
use super::view::LookError;
use crate::config::{Exceed, InterfaceId, Police, RateLines, Trust};
use crate::control::rates::{PolicerCounts, PolicerShown, ShowPolicer};
use crate::control::show::SCHEMA;
use crate::switch::{RatePolicy, Way};
use niv::Slot;
use packet_io::supervise::SuperviseError;
use policy::marking::{CosRule, DscpRule, Markdown, Marking};
use policy::rate::{PerColor, PolicerState};
use policy::{Dscp, PortState};
use std::sync::Arc;

/// `None`: nothing is said, and nothing is asked.
pub(super) fn policy(lines: &RateLines) -> Option<Arc<RatePolicy>> {
    if *lines == RateLines::default() {
        return None;
    }
    Some(Arc::new(RatePolicy {
        police_in: lines.police_in.map(|police| police.policer()),
        police_out: lines.police_out.map(|police| police.policer()),
        marking: marking(lines),
    }))
}

fn marking(lines: &RateLines) -> Option<Marking> {
    let exceed = lines.police_in.map(|police| police.exceed());
    let markdown = match exceed {
        Some(Exceed::Markdown) => Some(Markdown::default()),
        Some(Exceed::SetDscp(dscp)) => Some(always(dscp.get())),
        Some(Exceed::Transmit | Exceed::Drop) | None => None,
    };
    let mut marking = match lines.trust {
        None => Marking::default(),
        Some(Trust::Cos) => Marking::trusting_cos(),
        Some(Trust::Dscp) => Marking::trusting_dscp(),
        Some(Trust::None) => Marking::untrusted(),
    };
    if let Some(cos) = lines.port_cos {
        marking.port_cos = cos.get();
        // Where nothing of what came is believed, every frame is one that has none.
        if !matches!(lines.trust, Some(Trust::Cos | Trust::Dscp)) {
            marking.cos = CosRule::Set(cos.get());
        }
    }
    if let Some(cos) = lines.set_cos {
        marking.cos = CosRule::Set(cos.get());
    }
    if let Some(dscp) = lines.set_dscp {
        marking.dscp = DscpRule::Set(dscp.get());
    }
    marking.markdown = markdown;
    (marking != Marking::default()).then_some(marking)
}

/// Every DSCP becomes this one.
fn always(to: Dscp) -> Markdown {
    let mut markdown = Markdown::default();
    for from in (0..64).filter_map(|number| Dscp::try_from(number).ok()) {
        markdown.set(from, to);
    }
    markdown
}

impl Daemon {
    /// Policers in force, ethernets first, by number; of one interface or all.
    pub(super) async fn policers(
        &self,
        one: Option<InterfaceId>,
    ) -> Result<ShowPolicer, LookError> {
        if let Some(one) = one
            && self.effective(one).is_none()
        {
            return Err(LookError::NoInterface(one));
        }
        let mut asked: Vec<(InterfaceId, Option<Slot>, Way, Police)> = Vec::new();
        for interface in self.interfaces() {
            let Some(effective) = self.effective(interface) else {
                continue;
            };
            if one.is_some_and(|one| one != interface) {
                continue;
            }
            let slot = self.slots.get(&interface);
            let ways = [
                (Way::In, effective.rates.police_in),
                (Way::Out, effective.rates.police_out),
            ];
            for (way, police) in ways {
                asked.extend(police.map(|police| (interface, slot, way, police)));
            }
        }
        let slots: Vec<Option<Slot>> = asked.iter().map(|(_, slot, ..)| *slot).collect();
        let kept: Vec<Option<PortState>> = self
            .worker
            .answer(move |worker| {
                let switch = &worker.forward.switch;
                let each = slots.iter().map(|slot| switch.policy_state((*slot)?));
                each.collect()
            })
            .await
            .map_err(SuperviseError::from)?;
        let policers = asked.into_iter().zip(kept);
        let policers = policers.map(|((interface, _, way, police), kept)| {
            let kept = kept.unwrap_or_default();
            let (direction, state) = match way {
                Way::In => ("input", kept.police_in),
                Way::Out => ("output", kept.police_out),
            };
            shown(interface, direction, &police, &state)
        });
        Ok(ShowPolicer {
            schema: SCHEMA,
            policers: policers.collect(),
        })
    }
}

fn shown(
    interface: InterfaceId,
    direction: &str,
    police: &Police,
    state: &PolicerState,
) -> PolicerShown {
    let PerColor { green, yellow, red } = state.metered;
    let counts = |total: niv::Total| PolicerCounts {
        frames: total.frames,
        octets: total.octets,
    };
    PolicerShown {
        interface,
        direction: direction.to_owned(),
        configured: police.to_string(),
        in_force: police.policer().to_string(),
        conformed: counts(green),
        exceeded: counts(yellow),
        violated: counts(red),
        dropped: counts(state.dropped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn policy_of(lines: &str) -> Option<Arc<RatePolicy>> {
        let text = format!("interface veth 1\n{lines}\n");
        let (config, _) = parse(&text, "t").unwrap();
        let veth = config.effective_veth(1u32.try_into().unwrap()).unwrap();
        policy(&veth.rates)
    }

    #[test]
    fn without_a_line_nothing_is_asked() {
        assert_eq!(policy_of(""), None);
        let inherited = "port-profile p\n police output rate 1 mbps\ninterface veth 1\n inherit port-profile p\n";
        let (config, _) = parse(inherited, "t").unwrap();
        let veth = config.effective_veth(1u32.try_into().unwrap()).unwrap();
        let policy = policy(&veth.rates).unwrap();
        assert!(policy.police_out.is_some() && policy.police_in.is_none());
        assert_eq!(policy.marking, None);
    }

    #[test]
    fn set_beats_trust_and_trust_beats_the_ports_own() {
        let marking = |lines| policy_of(lines).unwrap().marking.clone().unwrap();
        let cos = |number: u8| policy::Cos::try_from(number).unwrap();
        assert_eq!(marking(" qos trust cos"), Marking::trusting_cos());
        assert_eq!(marking(" qos cos 3").cos, CosRule::Set(cos(3)));
        let both = marking(" qos trust dscp\n qos cos 3\n");
        assert_eq!((both.cos, both.port_cos), (CosRule::FromDscp, cos(3)));
        let set = marking(" qos trust cos\n qos set dscp ef\n");
        assert_eq!(set.cos, CosRule::Trust);
        assert_eq!(set.dscp, DscpRule::Set(Dscp::try_from(46).unwrap()));
        let marks = marking(" police input cir 1 mbps exceed markdown");
        assert!(marks.markdown.is_some());
    }
}
