//! What access lists say of a frame, in words.

use super::{Words, name, refused, stage, with};
use crate::config::{About, Direction, InterfaceId, OriginatedLine, access_group};
use crate::control::explain::Stage;
use crate::switch::FilterStep;
use niv::DropReason;
use policy::acl::{Action, By, Family, ListName, Verdict};

impl Words<'_> {
    /// By the lists of `of`.
    pub(super) fn filtered(&self, step: FilterStep, of: Option<InterfaceId>) -> Stage {
        let (direction, words, reason) = if step.outward {
            (Direction::Out, "acl_out", DropReason::AclOut)
        } else {
            (Direction::In, "acl_in", DropReason::AclIn)
        };
        let decision = step.decision;
        let mac = decision.mac.map(|verdict| (Family::Mac, verdict));
        let (mut says, mut lines) = (Vec::new(), Vec::new());
        for (family, verdict) in mac.into_iter().chain(decision.ip) {
            let effective = of.and_then(|of| self.daemon.effective(of));
            let filters = effective.map(|effective| effective.filters);
            let list = filters.and_then(|all| all.of(direction).get(family).cloned());
            let Some(list) = list else { continue };
            says.push(self.said(&list, &verdict));
            lines.extend(self.group_line(of, family, direction, &list));
        }
        if decision.permits() {
            if says.is_empty() {
                says.push(format!("no access list of {} judges such frames", name(of)));
            }
            with(stage(words, true, says.join("; ")), lines)
        } else {
            let mut stage = refused(words, reason, lines);
            stage.says = format!("{} By {}.", stage.says, says.join("; "));
            stage
        }
    }

    /// What one list said.
    fn said(&self, name: &ListName, verdict: &Verdict) -> String {
        match verdict.by {
            By::End => format!("access-list {name}: no line matches"),
            By::Unreadable(why) => {
                format!(
                    "access-list {name}: the packet cannot be read: {}",
                    why.explain()
                )
            }
            By::Line(index) => {
                let list = self.daemon.config.lists.get(name);
                let number = list.and_then(|list| list.sequences().nth(index.into()));
                let entry = list.and_then(|list| list.entry(number?));
                match (number, entry) {
                    (Some(number), Some(entry)) => format!("access-list {name}: {number} {entry}"),
                    _ => match verdict.action {
                        Action::Permit => format!("access-list {name} permits it"),
                        Action::Deny => format!("access-list {name} denies it"),
                    },
                }
            }
        }
    }

    fn group_line(
        &self,
        of: Option<InterfaceId>,
        family: Family,
        direction: Direction,
        list: &ListName,
    ) -> Option<OriginatedLine> {
        let said = access_group(family, direction, list);
        let mut lines = self.lines(of, &[About::AccessGroup]);
        let at = lines.iter().position(|line| line.line == said)?;
        Some(lines.swap_remove(at))
    }
}
