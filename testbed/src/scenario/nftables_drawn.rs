//! Access lists and frames that are put to the switch and to nftables.

use crate::endpoint::frame::EXPERIMENTAL;
use crate::error::{LabError, Result};
use generate::{Dice, list, whole};
use policy::acl::{
    AccessList, Action, Entry, Family, IpRule, Line, MacPattern, Pattern, Rule, Sequence, Upper,
};

pub(super) use generate::{FAMILIES, view};

#[path = "../../../policy/tests/acl/generate/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests it is shared with draw more from it"
)]
mod generate;

/// Frames for each list.
const FRAMES: usize = 4_000;
/// Numbers of lines drawn.
const LINES: [usize; 6] = [1, 5, 20, 60, 120, 256];
/// The number of the line that lets through what ends a batch.
const FIRST: u32 = 1;

/// A list and frames, of which each is made for a line; one in 16 for one of another family.
pub(super) fn draw(seed: u64, family: Family) -> Result<(AccessList, Vec<Vec<u8>>)> {
    let mut dice = Dice(seed);
    let lines = dice.of(&LINES);
    let drawn = list(&mut dice, family, lines);
    let name = format!("drawn-{seed}").parse();
    let name = name.map_err(|why| LabError::Check(format!("{why}")))?;
    let mut list = AccessList::new(family, name);
    let add = |list: &mut AccessList, sequence: Option<u32>, entry: Entry| {
        let sequence = sequence.and_then(Sequence::new);
        let added = list.add(Line { sequence, entry });
        added.map_err(|why| LabError::Check(why.to_string()))
    };
    if family == Family::Mac {
        let line = Line::parse(family, &format!("permit any any {EXPERIMENTAL:#06x}"));
        let line = line.map_err(|why| LabError::Check(why.to_string()))?;
        add(&mut list, Some(FIRST), line.entry)?;
    }
    // One that asks for nothing hides all behind it.
    for rule in drawn.rules().filter(|rule| !asks_for_nothing(rule)) {
        add(&mut list, None, Entry::Rule(*rule))?;
    }
    let rules: Vec<_> = drawn.rules().collect();
    let others = FAMILIES.map(|family| generate::list(&mut dice, family, 8));
    let others: Vec<_> = others.iter().flat_map(AccessList::rules).collect();
    let mut frames = Vec::with_capacity(FRAMES);
    for rule in rules.iter().cycle() {
        let rule = if dice.once_in(16) {
            dice.of(&others)
        } else {
            rule
        };
        let frame = whole(&mut dice, rule);
        if is_for_the_other_port(&frame) {
            frames.push(frame);
        }
        if frames.len() == FRAMES {
            break;
        }
    }
    Ok((list, frames))
}

fn asks_for_nothing(rule: &Rule) -> bool {
    fn no_more<A: PartialEq>(rule: &IpRule<A>, any: A) -> bool {
        rule.source == any
            && rule.destination == any
            && rule.upper == Upper::ALL
            && rule.dscp.is_none()
    }
    match rule {
        Rule::Mac(rule) => {
            [rule.source, rule.destination] == [MacPattern::ANY; 2] && rule.ethertype.is_none()
        }
        Rule::Ipv4(rule) => no_more(rule, Pattern::ANY),
        Rule::Ipv6(rule) => no_more(rule, Pattern::ANY),
    }
}

/// The same list, and what its line of that number does is turned round.
pub(super) fn with_a_fault(list: &AccessList, place: Sequence) -> Result<AccessList> {
    let mut faulty = list.clone();
    if let Some(Entry::Rule(rule)) = faulty.remove(place) {
        let other = match rule.action() {
            Action::Permit => Action::Deny,
            Action::Deny => Action::Permit,
        };
        let line = Line {
            sequence: Some(place),
            entry: Entry::Rule(rule.with_action(other)),
        };
        let added = faulty.add(line);
        added.map_err(|why| LabError::Check(why.to_string()))?;
    }
    Ok(faulty)
}

/// Whether the switch sends such a frame to the only other port, if no list is asked: its source is a station's own, and
/// its destination nobody who sends.
fn is_for_the_other_port(frame: &[u8]) -> bool {
    let Some((to, rest)) = frame.split_first_chunk::<6>() else {
        return false;
    };
    let from = rest.first_chunk::<6>().copied().unwrap_or_default();
    let (is_group, sends) = (from[0] & 1 != 0, |address: &[u8; 6]| address[3] == 0);
    let is_reserved = to.starts_with(&[0x01, 0x80, 0xC2]);
    from != [0; 6] && !is_group && sends(&from) && !sends(to) && !is_reserved
}
