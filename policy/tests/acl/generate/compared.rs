//! What is compiled, beside what the lines say.

use super::aimed::aimed;
use super::{Dice, FAMILIES, frame, list};
use niv::Mac;
use policy::acl::{
    AccessList, By, Compiled, Flags, IpRule, Network, Ports, Rule, Subject, Unreadable, Upper,
    Verdict, View, first_match,
};

/// Frames that are put to one list.
const FRAMES_EACH: u64 = 2_000;

/// What frames met, so that a generator that makes none of a kind is found out. Numbers of frames, but for the first two.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub(crate) lists: u64,
    pub(crate) lines: u64,
    /// Made for a line, on its boundaries.
    pub(crate) aimed: u64,
    pub(crate) permitted: u64,
    pub(crate) denied: u64,
    /// Decided by a line that asks for ports.
    pub(crate) by_ports: u64,
    /// Decided by a line that asks for TCP flags.
    pub(crate) by_flags: u64,
    /// Decided by a line for fragments only.
    pub(crate) by_fragments: u64,
    /// Denied behind the last line.
    pub(crate) ends: u64,
    pub(crate) later_fragments: u64,
    pub(crate) truncated: u64,
    /// For another reason.
    pub(crate) unreadable: u64,
    pub(crate) not_judged: u64,
}

impl Met {
    /// Each kind of frame.
    pub(crate) fn frames(&self) -> [(&'static str, u64); 11] {
        [
            ("made for a line, on its boundaries", self.aimed),
            ("permitted by a line", self.permitted),
            ("denied by a line", self.denied),
            ("by a line that asks for ports", self.by_ports),
            ("by a line that asks for TCP flags", self.by_flags),
            ("by a line for fragments only", self.by_fragments),
            ("denied behind the last line", self.ends),
            ("later fragments", self.later_fragments),
            ("ending too early", self.truncated),
            ("unreadable otherwise", self.unreadable),
            ("not of the list's family", self.not_judged),
        ]
    }

    fn count(&mut self, list: &AccessList, view: &View, verdict: Option<Verdict>) {
        use policy::acl::Action::{Deny, Permit};
        match verdict.map(|verdict| (verdict.by, verdict.action)) {
            None => self.not_judged += 1,
            Some((By::Line(line), action)) => {
                match action {
                    Permit => self.permitted += 1,
                    Deny => self.denied += 1,
                }
                match list.rules().nth(line.into()) {
                    Some(Rule::Ipv4(rule)) => self.count_asked(rule),
                    Some(Rule::Ipv6(rule)) => self.count_asked(rule),
                    _ => {}
                }
            }
            Some((By::End, _)) => self.ends += 1,
            Some((By::Unreadable(Unreadable::Truncated), _)) => self.truncated += 1,
            Some((By::Unreadable(_), _)) => self.unreadable += 1,
        }
        self.later_fragments += u64::from(match view.network {
            Network::Ipv4(packet) => packet.later_fragment,
            Network::Ipv6(packet) => packet.later_fragment,
            _ => false,
        });
    }

    fn count_asked<A>(&mut self, rule: &IpRule<A>) {
        let (ports, flags) = match rule.upper {
            Upper::Tcp {
                source,
                destination,
                flags,
            } => ([source, destination], flags),
            Upper::Udp {
                source,
                destination,
            }
            | Upper::Sctp {
                source,
                destination,
            } => ([source, destination], Flags::Any),
            Upper::Any { fragments, .. } => {
                self.by_fragments += u64::from(fragments);
                return;
            }
            Upper::Icmp { .. } => return,
        };
        self.by_ports += u64::from(ports != [Ports::Any; 2]);
        self.by_flags += u64::from(flags != Flags::Any);
    }
}

/// What lists ask of a frame as it is on a cable.
pub(crate) fn view(bytes: &[u8]) -> View {
    let address = |at: usize| {
        Mac(bytes
            .get(at..at + 6)
            .map_or([0; 6], |mac| mac.try_into().unwrap()))
    };
    View::of(&Subject {
        destination: address(0),
        source: address(6),
        bytes,
        ethertype_at: 12,
    })
}

/// Puts so many frames to lists, compiled and line after line. Half are aimed at a line.
///
/// # Panics
/// At the first frame of which the two say different things.
pub(crate) fn compare(seed: u64, frames: u64) -> Met {
    let mut dice = Dice(seed);
    let mut met = Met::default();
    for round in 0..frames.div_ceil(FRAMES_EACH) {
        let family = FAMILIES[round as usize % 3];
        let rules = match dice.below(8) {
            0 => dice.below(3),
            1 => dice.of(&[64, 127, 128, 129, 255, 256, 257, 600, 1024]),
            _ => dice.below(40),
        };
        let list = list(&mut dice, family, rules as usize);
        let lines: Vec<&Rule> = list.rules().collect();
        let compiled = Compiled::new(&list);
        met.lists += 1;
        met.lines += rules;
        for n in 0..FRAMES_EACH.min(frames - round * FRAMES_EACH) {
            let bytes = if n % 2 == 0 || lines.is_empty() {
                frame(&mut dice, family)
            } else {
                met.aimed += 1;
                aimed(&mut dice, lines[(n / 2) as usize % lines.len()])
            };
            let view = view(&bytes);
            let expected = first_match(&list, &view);
            assert_eq!(compiled.judge(&view), expected, "{view:?}\n{list}");
            met.count(&list, &view, expected);
        }
    }
    met
}
