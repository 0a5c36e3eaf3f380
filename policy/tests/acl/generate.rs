//! Lists and frames made from few addresses and ports, so that they meet; one number makes the same ones again.

use niv::Mac;
use policy::Dscp;
use policy::acl::{
    AccessList, Action, Entry, Family, Flags, IpRule, Ipv4Pattern, Ipv6Pattern, Line, MacPattern,
    MacRule, Pattern, PortRange, Ports, Rule, Upper,
};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Once in `n`.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

const PORTS: [u16; 18] = [
    0, 1, 21, 22, 23, 53, 79, 80, 81, 255, 256, 257, 443, 1023, 1024, 2000, 65534, 65535,
];
const PROTOCOLS: [u8; 8] = [6, 17, 1, 132, 58, 47, 50, 0];
const ICMP: [u8; 6] = [0, 3, 8, 128, 135, 255];
const ETHERTYPES: [u16; 5] = [0x0806, 0x0800, 0x86DD, 0x88CC, 0x0801];

fn ipv4(dice: &mut Dice) -> [u8; 4] {
    let a = dice.of(&[10, 10, 10, 192]);
    [a, 0, dice.below(3) as u8, 1 + dice.below(5) as u8]
}

fn ipv6(dice: &mut Dice) -> [u8; 16] {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[0x20, 0x01, 0x0D, 0xB8]);
    address[7] = dice.below(3) as u8;
    address[15] = 1 + dice.below(4) as u8;
    address
}

fn mac(dice: &mut Dice) -> Mac {
    Mac([2, 0, 0, 0, dice.below(2) as u8, dice.below(4) as u8])
}

fn port(dice: &mut Dice) -> u16 {
    if dice.once_in(8) {
        dice.next() as u16
    } else {
        dice.of(&PORTS)
    }
}

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

fn mac_pattern(dice: &mut Dice) -> MacPattern {
    let address = mac(dice);
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
            source: mac_pattern(dice),
            destination: mac_pattern(dice),
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

/// A frame, most often one that a list of `family` judges; one in eight is spoiled.
pub(crate) fn frame(dice: &mut Dice, family: Family) -> Vec<u8> {
    let mut frame = [mac(dice).0, mac(dice).0].concat();
    for _ in 0..dice.of(&[0, 0, 0, 0, 0, 1, 2, 5]) {
        frame.extend(dice.of(&[[0x81, 0, 0, 10], [0x88, 0xA8, 0, 20]]));
    }
    if dice.once_in(16) {
        frame.extend([0, 50, 0xAA, 0xAA, 3, 0, 0, dice.of(&[0, 0, 0xF8, 1])]);
    }
    let kind = if dice.once_in(8) {
        dice.of(&[Family::Ipv4, Family::Ipv6, Family::Mac])
    } else {
        family
    };
    match kind {
        Family::Ipv4 => {
            frame.extend([8, 0]);
            frame.extend(ipv4_packet(dice));
        }
        Family::Ipv6 => {
            frame.extend([0x86, 0xDD]);
            frame.extend(ipv6_packet(dice));
        }
        Family::Mac => {
            frame.extend(dice.of(&ETHERTYPES).to_be_bytes());
            frame.extend([0; 46]);
        }
    }
    if dice.once_in(2) {
        frame.resize(frame.len().max(60), 0);
    }
    match dice.below(16) {
        0 => frame.truncate(dice.below(frame.len() as u64 + 1) as usize),
        1 => {
            let at = dice.below(frame.len() as u64) as usize;
            frame[at] = dice.next() as u8;
        }
        _ => {}
    }
    frame
}

/// What stands behind an IP header; sometimes less than there should be.
fn payload(dice: &mut Dice, protocol: u8) -> Vec<u8> {
    let mut octets = match protocol {
        1 | 58 => vec![dice.of(&ICMP), dice.below(4) as u8],
        _ => [port(dice).to_be_bytes(), port(dice).to_be_bytes()].concat(),
    };
    octets.resize(20, 0);
    octets[12] = 0x50;
    octets[13] = if dice.once_in(2) {
        0x10
    } else {
        dice.next() as u8
    };
    if dice.once_in(8) {
        octets.truncate(dice.below(21) as usize);
    }
    octets
}

/// An offset in units of 8 octets, and whether more follow.
fn fragment(dice: &mut Dice) -> (u16, bool) {
    match dice.below(12) {
        0 => (0, true),
        1 => (1, true),
        2 => (dice.below(8192) as u16, false),
        3 => (185, dice.once_in(2)),
        _ => (0, false),
    }
}

fn ipv4_packet(dice: &mut Dice) -> Vec<u8> {
    let protocol = dice.of(&PROTOCOLS);
    let options = if dice.once_in(8) {
        4 * dice.below(11)
    } else {
        0
    };
    let payload = payload(dice, protocol);
    let total = 20 + options as u16 + payload.len() as u16;
    let (offset, more) = fragment(dice);
    let mut packet = vec![0x45 + (options / 4) as u8, dice.of(&[0, 0, 40, 184])];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 7]);
    packet.extend((offset | u16::from(more) << 13).to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(ipv4(dice));
    packet.extend(ipv4(dice));
    packet.extend(vec![1; options as usize]);
    packet.extend(payload);
    packet
}

fn ipv6_packet(dice: &mut Dice) -> Vec<u8> {
    let protocol = dice.of(&PROTOCOLS);
    let mut next = protocol;
    let mut behind = payload(dice, protocol);
    if dice.once_in(3) {
        for _ in 0..dice.of(&[1, 1, 2, 3, 9]) {
            let kind = dice.of(&[0, 43, 44, 44, 51, 60, 135]);
            let mut header = match kind {
                44 => {
                    let (offset, more) = fragment(dice);
                    let field = (offset << 3 | u16::from(more)).to_be_bytes();
                    vec![next, 0, field[0], field[1], 0, 0, 0, 7]
                }
                51 => [vec![next, 4], vec![0; 22]].concat(),
                _ => {
                    let units = dice.below(3) as u8;
                    [vec![next, units], vec![0; 6 + 8 * usize::from(units)]].concat()
                }
            };
            header.extend(behind);
            behind = header;
            next = kind;
        }
    }
    let class = dice.of(&[0_u8, 0, 40, 184]);
    let mut packet = vec![0x60 | class >> 4, class << 4, 0, 0];
    packet.extend((behind.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(ipv6(dice));
    packet.extend(ipv6(dice));
    packet.extend(behind);
    packet
}
