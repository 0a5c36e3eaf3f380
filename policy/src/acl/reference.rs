//! What a list says of a frame, line after line: slow, obvious, and what [`Compiled`](super::Compiled) has to equal.

use super::compiled::{By, Verdict};
use super::list::AccessList;
use super::pattern::Pattern;
use super::rule::{Action, Family, Flags, IpRule, MacRule, Ports, Rule, Upper, protocol};
use super::view::{Network, Packet, Transport, View};

/// How well a line's question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    /// The frame does not say.
    Unknown,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// What the first line that matches says; `None`: `list` does not judge such frames.
pub fn first_match(list: &AccessList, view: &View) -> Option<Verdict> {
    let unreadable = match (list.family(), &view.network) {
        (_, Network::Hidden(why))
        | (Family::Ipv4, Network::BadIpv4(why))
        | (Family::Ipv6, Network::BadIpv6(why)) => Some(*why),
        (Family::Mac, _) | (Family::Ipv4, Network::Ipv4(_)) | (Family::Ipv6, Network::Ipv6(_)) => {
            None
        }
        _ => return None,
    };
    if let Some(why) = unreadable {
        return Some(Verdict::unreadable(why));
    }
    let decides = |rule: &&Rule| match (rule.action(), answer(rule, view)) {
        (Action::Permit, answer) => answer == Answer::Yes,
        (Action::Deny, answer) => answer != Answer::No,
    };
    let found = list.rules().enumerate().find(|(_, rule)| decides(rule));
    Some(match found {
        None => Verdict::END,
        Some((index, rule)) => Verdict {
            action: rule.action(),
            by: By::Line(index as u16),
            log: rule.log(),
        },
    })
}

fn answer(rule: &Rule, view: &View) -> Answer {
    match (rule, &view.network) {
        (Rule::Mac(rule), _) => frame(rule, view).into(),
        (Rule::Ipv4(rule), Network::Ipv4(packet)) => ip(rule, packet, protocol::ICMP),
        (Rule::Ipv6(rule), Network::Ipv6(packet)) => ip(rule, packet, protocol::ICMPV6),
        _ => Answer::No,
    }
}

fn frame(rule: &MacRule, view: &View) -> bool {
    rule.source.contains(view.source.0)
        && rule.destination.contains(view.destination.0)
        && rule.ethertype.is_none_or(|kind| kind == view.ethertype)
}

fn ip<const N: usize>(rule: &IpRule<Pattern<N>>, packet: &Packet<N>, icmp: u8) -> Answer {
    let header = rule.source.contains(packet.source)
        && rule.destination.contains(packet.destination)
        && rule.dscp.is_none_or(|dscp| dscp.get() == packet.dscp);
    if header {
        upper(rule.upper, packet, icmp)
    } else {
        Answer::No
    }
}

fn upper<const N: usize>(asked: Upper, packet: &Packet<N>, icmp: u8) -> Answer {
    let (number, transport) = (packet.protocol, packet.transport);
    match asked {
        Upper::Any {
            protocol,
            fragments,
        } => {
            let carried = protocol.is_none_or(|protocol| protocol == number);
            (carried && (!fragments || packet.later_fragment)).into()
        }
        Upper::Tcp {
            source: Ports::Any,
            destination: Ports::Any,
            flags: Flags::Any,
        } => (number == protocol::TCP).into(),
        Upper::Tcp { .. } if number != protocol::TCP => Answer::No,
        Upper::Tcp {
            source,
            destination,
            flags,
        } => match transport {
            Transport::Tcp {
                source: s,
                destination: d,
                flags: f,
            } => (source.contains(s) && destination.contains(d) && flags.matches(f)).into(),
            _ => Answer::Unknown,
        },
        Upper::Udp {
            source,
            destination,
        } => ports(number == protocol::UDP, source, destination, transport),
        Upper::Sctp {
            source,
            destination,
        } => ports(number == protocol::SCTP, source, destination, transport),
        Upper::Icmp { .. } if number != icmp => Answer::No,
        Upper::Icmp { kind, code } => match transport {
            Transport::Icmp { kind: k, code: c } => {
                (k == kind && code.is_none_or(|code| code == c)).into()
            }
            _ => Answer::Unknown,
        },
    }
}

fn ports(carried: bool, source: Ports, destination: Ports, transport: Transport) -> Answer {
    match transport {
        _ if !carried => Answer::No,
        _ if source == Ports::Any && destination == Ports::Any => Answer::Yes,
        Transport::Ports {
            source: s,
            destination: d,
        } => (source.contains(s) && destination.contains(d)).into(),
        _ => Answer::Unknown,
    }
}
