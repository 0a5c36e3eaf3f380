//! Frames aimed at a line: what it asks stands on its boundaries, most often within, now and then one beside.

use super::frames::{
    Fields, extension, extensions, fragment, ipv4_packet, ipv6_packet, options, spoil, tagged,
    two_ports,
};
use super::{Dice, ETHERTYPES, ipv4, ipv6, mac, mac_there, port};
use policy::acl::{Flags, IpRule, MacRule, Pattern, Ports, Rule, Upper, flag};

/// Behind tags, cut short or spoiled like any frame.
pub(crate) fn aimed(dice: &mut Dice, rule: &Rule) -> Vec<u8> {
    let (addresses, ethertype, packet) = match rule {
        Rule::Ipv4(rule) => {
            let fields = fields(dice, rule, ipv4, 1);
            (anybody(dice), 0x0800, ipv4_packet(&fields, options(dice)))
        }
        Rule::Ipv6(rule) => {
            let fields = fields(dice, rule, ipv6, 58);
            let mut extensions = extensions(dice);
            if fields.fragment != (0, false) {
                extensions.push(extension::FRAGMENT);
            }
            let packet = ipv6_packet(dice, &fields, &extensions);
            (anybody(dice), 0x86DD, packet)
        }
        Rule::Mac(rule) => {
            let (addresses, ethertype) = header(dice, rule);
            (addresses, ethertype, vec![0; 46])
        }
    };
    let mut frame = tagged(dice, addresses, ethertype, &packet);
    spoil(dice, &mut frame);
    frame
}

/// With nothing in it that two honest readers take for different things: no tag, nothing cut short, no fragment that
/// overwrites what another says, and of IPv6 only extension headers that everybody looks behind, in their order.
pub(crate) fn whole(dice: &mut Dice, rule: &Rule) -> Vec<u8> {
    let (addresses, ethertype, packet) = match rule {
        Rule::Ipv4(rule) => {
            let fields = as_everybody_reads(fields(dice, rule, ipv4, 1));
            (anybody(dice), 0x0800, ipv4_packet(&fields, options(dice)))
        }
        Rule::Ipv6(rule) => {
            use extension::{DESTINATION, FRAGMENT, HOP_BY_HOP, ROUTING};
            let mut fields = as_everybody_reads(fields(dice, rule, ipv6, 58));
            if fields.protocol == HOP_BY_HOP {
                fields.protocol = 47;
            }
            let mut extensions = vec![HOP_BY_HOP, DESTINATION, ROUTING];
            extensions.retain(|_| dice.once_in(8));
            if fields.fragment != (0, false) || dice.once_in(16) {
                extensions.push(FRAGMENT);
            }
            let packet = ipv6_packet(dice, &fields, &extensions);
            (anybody(dice), 0x86DD, packet)
        }
        Rule::Mac(rule) => {
            let (addresses, ethertype) = header(dice, rule);
            (addresses, ethertype, whole_packet(ethertype))
        }
    };
    [&addresses.concat()[..], &ethertype.to_be_bytes(), &packet].concat()
}

/// A packet that is what the EtherType says, if that is IP.
fn whole_packet(ethertype: u16) -> Vec<u8> {
    let mut packet = vec![0; 46];
    match ethertype {
        0x0800 => {
            packet[0] = 0x45;
            packet[3] = 46;
        }
        0x86DD => {
            packet[0] = 0x60;
            packet[5] = 6;
            packet[6] = 59;
        }
        _ => {}
    }
    packet
}

fn as_everybody_reads<const N: usize>(mut fields: Fields<N>) -> Fields<N> {
    fields.length = 20;
    let (offset, more) = fields.fragment;
    fields.fragment = match offset {
        0 => (0, more),
        1 => (2, more),
        _ => (offset.min(8000), more),
    };
    fields
}

fn anybody(dice: &mut Dice) -> [[u8; 6]; 2] {
    [mac_there(dice).0, mac(dice).0]
}

/// Addresses, to whom first, and the EtherType.
fn header(dice: &mut Dice, rule: &MacRule) -> ([[u8; 6]; 2], u16) {
    let [to, from] = anybody(dice);
    let addresses = [
        address(dice, &rule.destination, to),
        address(dice, &rule.source, from),
    ];
    let drawn = dice.of(&ETHERTYPES);
    let ethertype = rule.ethertype.filter(|_| !dice.once_in(24));
    (addresses, ethertype.unwrap_or(drawn))
}

fn fields<const N: usize>(
    dice: &mut Dice,
    rule: &IpRule<Pattern<N>>,
    any: fn(&mut Dice) -> [u8; N],
    icmp: u8,
) -> Fields<N> {
    let mut fields = Fields::drawn(dice, any);
    fields.source = address(dice, &rule.source, fields.source);
    fields.destination = address(dice, &rule.destination, fields.destination);
    if let Some(dscp) = rule.dscp {
        fields.dscp = dscp.get() ^ u8::from(dice.once_in(24));
    }
    fields.fragment = if dice.once_in(4) {
        fragment(dice)
    } else {
        (0, false)
    };
    let drawn = fields.protocol;
    match rule.upper {
        Upper::Any {
            protocol,
            fragments,
        } => {
            fields.protocol = protocol.unwrap_or(drawn);
            if fragments && !dice.once_in(8) {
                fields.fragment = (2 + dice.below(300) as u16, dice.once_in(2));
            }
        }
        Upper::Tcp {
            source,
            destination,
            flags,
        } => {
            fields.protocol = 6;
            fields.begins = two_ports(port_at(dice, source), port_at(dice, destination));
            fields.flags = flags_at(dice, flags, fields.flags);
        }
        Upper::Udp {
            source,
            destination,
        } => {
            fields.protocol = 17;
            fields.begins = two_ports(port_at(dice, source), port_at(dice, destination));
        }
        Upper::Sctp {
            source,
            destination,
        } => {
            fields.protocol = 132;
            fields.begins = two_ports(port_at(dice, source), port_at(dice, destination));
        }
        Upper::Icmp { kind, code } => {
            fields.protocol = icmp;
            let kind = kind.wrapping_add(u8::from(dice.once_in(24)));
            let code = code.unwrap_or(dice.below(4) as u8);
            let code = code.wrapping_add(u8::from(dice.once_in(24)));
            fields.begins = [kind, code, 0, 0];
        }
    }
    if dice.once_in(24) {
        fields.protocol = drawn;
    }
    fields
}

/// The first or last of the addresses, or one between; now and then one bit beside.
fn address<const N: usize>(dice: &mut Dice, pattern: &Pattern<N>, drawn: [u8; N]) -> [u8; N] {
    let free = match dice.below(8) {
        0 => [0; N],
        1 => [0xFF; N],
        _ => drawn,
    };
    let mut address = pattern.address();
    for ((octet, free), wildcard) in address.iter_mut().zip(free).zip(pattern.wildcard_bits()) {
        *octet |= free & wildcard;
    }
    if dice.once_in(24) {
        address[dice.below(N as u64) as usize] ^= 1 << dice.below(8);
    }
    address
}

/// One at an end of what is asked, or one beside it; most often one that is meant.
fn port_at(dice: &mut Dice, asked: Ports) -> u16 {
    let mut drawn = port(dice);
    for _ in 0..16 {
        let end = match asked {
            Ports::Any => return drawn,
            Ports::Eq(end) | Ports::Neq(end) | Ports::Lt(end) | Ports::Gt(end) => end,
            Ports::Range(range) => dice.of(&[range.first(), range.last()]),
        };
        drawn = end.wrapping_add(dice.of(&[0, 1, u16::MAX]));
        if asked.contains(drawn) || dice.once_in(16) {
            break;
        }
    }
    drawn
}

fn flags_at(dice: &mut Dice, asked: Flags, drawn: u8) -> u8 {
    let meant = match asked {
        Flags::Any => drawn,
        Flags::Established => drawn | dice.of(&[flag::ACK, flag::RST]),
        Flags::All { set, clear } => (drawn | set) & !clear,
    };
    if dice.once_in(12) {
        meant ^ 1 << dice.below(6)
    } else {
        meant
    }
}
