//! Rate and priority in words.

use super::{Words, refused, stage, with};
use crate::config::{About, InterfaceId};
use crate::control::explain::Stage;
use crate::switch::{RateStep, Way};
use policy::marking::{Marked, Rewrite};
use policy::rate::Color;

impl Words<'_> {
    /// A step about the frame, or about a copy for `to`.
    pub(super) fn rate(&self, step: RateStep, to: Option<InterfaceId>) -> Stage {
        match step {
            RateStep::Policed {
                way,
                policed,
                segments,
                octets,
            } => {
                let (name, of, about) = match way {
                    Way::In => ("policer_in", self.owner, About::PoliceInput),
                    Way::Out => ("policer_out", to, About::PoliceOutput),
                };
                let lines = self.lines(of, &[about]);
                if let Some(reason) = step.refusal() {
                    return refused(name, reason, lines);
                }
                let color = match policed.color {
                    Color::Green => "conforms to",
                    Color::Yellow => "exceeds",
                    Color::Red => "violates",
                };
                let mut says = format!("with {octets} octets it {color} the rate, and passes");
                if policed.pass < segments {
                    let part = format!(": its first {} of {segments} segments", policed.pass);
                    says.push_str(&part);
                }
                with(stage(name, true, says), lines)
            }
            RateStep::Marked(marked) => {
                let lines = self.lines(self.owner, &[About::Qos, About::PoliceInput]);
                with(stage("marking", true, marking(&marked)), lines)
            }
        }
    }
}

/// What an IP header says that was rewritten.
pub(in crate::daemon) const fn dscp(rewrite: Rewrite) -> u8 {
    let [first, second] = rewrite.start;
    // Of IPv6 the class begins in the first octet.
    if first >> 4 == 6 {
        (first & 0xF) << 2 | second >> 6
    } else {
        second >> 2
    }
}

fn marking(marked: &Marked) -> String {
    let cos = marked.cos.get();
    let eligible = if marked.drop_eligible {
        ", drop eligible"
    } else {
        ""
    };
    let dscp = match marked.rewrite {
        None => "its DSCP stays as it is".to_owned(),
        Some(rewrite) => format!("its DSCP becomes {}", dscp(rewrite)),
    };
    format!("where it leaves with a VLAN tag its CoS is {cos}{eligible}; {dscp}")
}
