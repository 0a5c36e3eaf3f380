//! Lists.

use super::{Dice, ETHERTYPES, ICMP, PROTOCOLS, ipv4, ipv6, mac, mac_there, port};
use niv::Mac;
use policy::Dscp;
use policy::acl::{
    AccessList, Action, Entry, Family, Flags, IpRule, Ipv4Pattern, Ipv6Pattern, Line, MacPattern,
    MacRule, Pattern, PortRange, Ports, Rule, Upper,
};

fn ports(dice: &mut Dice) -> Ports {
    match dice.below(9) {
        0 | 1 => Ports::Eq(port(dice)),
        2 => Ports::Neq(port(dice)),
        3 => Ports::Lt(port(dice).max(1)),
        4 => Ports::Gt(port(dice).min(65534)),
        5 => {
            let (a, b) = (port(dice), port(dice));
            Ports::Range(PortRange::new(a.min(b), a.max(b)).unwrap())
        }
        _ => Ports::Any,
    }
}

fn flags(dice: &mut Dice) -> Flags {
    match dice.below(4) {
        0 => Flags::Established,
        1 => {
            let set = 1 << dice.below(6);
            Flags::all(set, 0).unwrap()
        }
        2 => Flags::all(dice.below(8) as u8, 8 << dice.below(3)).unwrap(),
        _ => Flags::Any,
    }
}

fn upper(dice: &mut Dice) -> Upper {
    let (source, destination) = (ports(dice), ports(dice));
    let upper = match dice.below(8) {
        0 | 1 => Upper::Any {
            protocol: None,
            fragments: dice.once_in(3),
        },
        2 => Upper::Any {
            protocol: Some(dice.of(&PROTOCOLS)),
            fragments: dice.once_in(3),
        },
        3 | 4 => Upper::Tcp {
            source,
            destination,
            flags: flags(dice),
        },
        5 => Upper::Udp {
            source,
            destination,
        },
        6 => Upper::Sctp {
            source,
            destination,
        },
        _ => Upper::Icmp {
            kind: dice.of(&ICMP),
            code: dice.once_in(2).then(|| dice.below(4) as u8),
        },
    };
    upper.simplest()
}

fn action(dice: &mut Dice) -> Action {
    dice.of(&[Action::Permit, Action::Deny])
}

fn ip_rule<const N: usize>(
    dice: &mut Dice,
    pattern: fn(&mut Dice) -> Pattern<N>,
) -> IpRule<Pattern<N>> {
    IpRule {
        action: action(dice),
        source: pattern(dice),
        destination: pattern(dice),
        upper: upper(dice),
        dscp: dice
            .once_in(8)
            .then(|| Dscp::try_from(dice.of(&[0, 10, 46])).unwrap()),
        log: dice.once_in(4),
    }
}

fn ipv4_pattern(dice: &mut Dice) -> Ipv4Pattern {
    let address = ipv4(dice);
    match dice.below(6) {
        0 | 1 => Ipv4Pattern::ANY,
        2 => Ipv4Pattern::host(address),
        3 => {
            let wildcard = [0, 0, dice.below(4) as u8, dice.next() as u8 & 6];
            Ipv4Pattern::wildcard(address.into(), wildcard.into())
        }
        _ => Ipv4Pattern::prefix(address, dice.below(33) as u8).unwrap(),
    }
}

fn ipv6_pattern(dice: &mut Dice) -> Ipv6Pattern {
    let address = ipv6(dice);
    match dice.below(4) {
        0 | 1 => Ipv6Pattern::ANY,
        2 => Ipv6Pattern::host(address),
        _ => Ipv6Pattern::prefix(address, 56 + dice.below(73) as u8).unwrap(),
    }
}

fn mac_pattern(dice: &mut Dice, address: Mac) -> MacPattern {
    match dice.below(4) {
        0 | 1 => MacPattern::ANY,
        2 => MacPattern::host(address.0),
        _ => MacPattern::wildcard(address, Mac([0, 0, 0, 0, 1, dice.below(4) as u8])),
    }
}

pub(crate) fn rule(dice: &mut Dice, family: Family) -> Rule {
    match family {
        Family::Ipv4 => Rule::Ipv4(ip_rule(dice, ipv4_pattern)),
        Family::Ipv6 => Rule::Ipv6(ip_rule(dice, ipv6_pattern)),
        Family::Mac => Rule::Mac(MacRule {
            action: action(dice),
            source: {
                let address = mac(dice);
                mac_pattern(dice, address)
            },
            destination: {
                let address = mac_there(dice);
                mac_pattern(dice, address)
            },
            ethertype: dice.once_in(2).then(|| dice.of(&ETHERTYPES)),
            log: dice.once_in(4),
        }),
    }
}

pub(crate) fn list(dice: &mut Dice, family: Family, rules: usize) -> AccessList {
    let mut list = AccessList::new(family, "generated".parse().unwrap());
    for _ in 0..rules {
        let entry = Entry::Rule(rule(dice, family));
        let sequence = None;
        list.add(Line { sequence, entry }).unwrap();
    }
    list
}
