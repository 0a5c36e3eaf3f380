//! Frames.

use super::{Dice, ETHERTYPES, ICMP, PROTOCOLS, ipv4, ipv6, mac, mac_there, port};
use policy::acl::Family;

/// IPv6 extension headers (IANA numbers).
pub(super) mod extension {
    pub(in super::super) const HOP_BY_HOP: u8 = 0;
    pub(in super::super) const ROUTING: u8 = 43;
    pub(in super::super) const FRAGMENT: u8 = 44;
    pub(in super::super) const AUTHENTICATION: u8 = 51;
    pub(in super::super) const DESTINATION: u8 = 60;
    pub(in super::super) const MOBILITY: u8 = 135;
}

use extension::{AUTHENTICATION, DESTINATION, FRAGMENT, HOP_BY_HOP, MOBILITY, ROUTING};

/// What an IP packet says.
pub(super) struct Fields<const N: usize> {
    pub(super) source: [u8; N],
    pub(super) destination: [u8; N],
    pub(super) dscp: u8,
    pub(super) protocol: u8,
    /// What is carried begins so: ports, or type and code.
    pub(super) begins: [u8; 4],
    /// Of TCP.
    pub(super) flags: u8,
    /// Octets carried, up to 20.
    pub(super) length: usize,
    /// An offset in units of 8 octets, and whether more follow.
    pub(super) fragment: (u16, bool),
}

impl<const N: usize> Fields<N> {
    /// Sometimes less is carried than there should be.
    pub(super) fn drawn(dice: &mut Dice, address: fn(&mut Dice) -> [u8; N]) -> Self {
        let protocol = dice.of(&PROTOCOLS);
        let begins = match protocol {
            1 | 58 => [dice.of(&ICMP), dice.below(4) as u8, 0, 0],
            _ => two_ports(port(dice), port(dice)),
        };
        let flags = if dice.once_in(2) {
            0x10
        } else {
            dice.next() as u8
        };
        let length = if dice.once_in(8) {
            dice.below(21) as usize
        } else {
            20
        };
        Self {
            source: address(dice),
            destination: address(dice),
            dscp: dice.of(&[0, 0, 10, 46]),
            protocol,
            begins,
            flags,
            length,
            fragment: fragment(dice),
        }
    }

    /// What is carried.
    fn payload(&self) -> Vec<u8> {
        let mut octets = self.begins.to_vec();
        octets.resize(20, 0);
        octets[12] = 0x50;
        octets[13] = self.flags;
        octets.truncate(self.length);
        octets
    }
}

pub(super) fn two_ports(source: u16, destination: u16) -> [u8; 4] {
    let ([s0, s1], [d0, d1]) = (source.to_be_bytes(), destination.to_be_bytes());
    [s0, s1, d0, d1]
}

/// An offset in units of 8 octets, and whether more follow.
pub(super) fn fragment(dice: &mut Dice) -> (u16, bool) {
    match dice.below(12) {
        0 => (0, true),
        1 => (1, true),
        2 => (dice.below(8192) as u16, false),
        3 => (185, dice.once_in(2)),
        _ => (0, false),
    }
}

/// With so many words of options.
pub(super) fn ipv4_packet(fields: &Fields<4>, options: u8) -> Vec<u8> {
    let payload = fields.payload();
    let total = 20 + u16::from(options) * 4 + payload.len() as u16;
    let (offset, more) = fields.fragment;
    let mut packet = vec![0x45 + options, fields.dscp << 2];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 7]);
    packet.extend((offset | u16::from(more) << 13).to_be_bytes());
    packet.extend([64, fields.protocol, 0, 0]);
    packet.extend(fields.source);
    packet.extend(fields.destination);
    packet.extend(vec![1; usize::from(options) * 4]);
    packet.extend(payload);
    packet
}

/// With these extension headers, the first one first.
pub(super) fn ipv6_packet(dice: &mut Dice, fields: &Fields<16>, extensions: &[u8]) -> Vec<u8> {
    let mut next = fields.protocol;
    let mut behind = fields.payload();
    for &kind in extensions.iter().rev() {
        let mut header = match kind {
            FRAGMENT => {
                let (offset, more) = fields.fragment;
                let field = (offset << 3 | u16::from(more)).to_be_bytes();
                vec![next, 0, field[0], field[1], 0, 0, 0, 7]
            }
            AUTHENTICATION => [vec![next, 4], vec![0; 22]].concat(),
            _ => {
                let units = dice.below(3) as u8;
                [vec![next, units], vec![0; 6 + 8 * usize::from(units)]].concat()
            }
        };
        header.extend(behind);
        behind = header;
        next = kind;
    }
    let class = fields.dscp << 2;
    let mut packet = vec![0x60 | class >> 4, class << 4, 0, 0];
    packet.extend((behind.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(fields.source);
    packet.extend(fields.destination);
    packet.extend(behind);
    packet
}

/// Words of options, most often none.
pub(super) fn options(dice: &mut Dice) -> u8 {
    if dice.once_in(8) {
        dice.below(11) as u8
    } else {
        0
    }
}

/// Extension headers in whatever order.
pub(super) fn extensions(dice: &mut Dice) -> Vec<u8> {
    const KINDS: [u8; 7] = [
        HOP_BY_HOP,
        ROUTING,
        FRAGMENT,
        FRAGMENT,
        AUTHENTICATION,
        DESTINATION,
        MOBILITY,
    ];
    let count = if dice.once_in(3) {
        dice.of(&[1, 1, 2, 3, 9])
    } else {
        0
    };
    (0..count).map(|_| dice.of(&KINDS)).collect()
}

/// A frame, most often one that a list of `family` judges; one in eight is spoiled.
pub(crate) fn frame(dice: &mut Dice, family: Family) -> Vec<u8> {
    let kind = if dice.once_in(8) {
        dice.of(&super::FAMILIES)
    } else {
        family
    };
    let (ethertype, packet) = match kind {
        Family::Ipv4 => {
            let fields = Fields::drawn(dice, ipv4);
            (0x0800, ipv4_packet(&fields, options(dice)))
        }
        Family::Ipv6 => {
            let fields = Fields::drawn(dice, ipv6);
            let extensions = extensions(dice);
            (0x86DD, ipv6_packet(dice, &fields, &extensions))
        }
        Family::Mac => (dice.of(&ETHERTYPES), vec![0; 46]),
    };
    let addresses = [mac_there(dice).0, mac(dice).0];
    let mut frame = tagged(dice, addresses, ethertype, &packet);
    spoil(dice, &mut frame);
    frame
}

/// Behind VLAN tags and an RFC 1042 header, or most often behind neither.
pub(super) fn tagged(
    dice: &mut Dice,
    addresses: [[u8; 6]; 2],
    ethertype: u16,
    packet: &[u8],
) -> Vec<u8> {
    let mut frame = addresses.concat();
    for _ in 0..dice.of(&[0, 0, 0, 0, 0, 1, 2, 5]) {
        frame.extend(dice.of(&[[0x81, 0, 0, 10], [0x88, 0xA8, 0, 20]]));
    }
    if dice.once_in(16) {
        frame.extend([0, 50, 0xAA, 0xAA, 3, 0, 0, dice.of(&[0, 0, 0xF8, 1])]);
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    if dice.once_in(2) {
        frame.resize(frame.len().max(60), 0);
    }
    frame
}

/// One in eight is cut short or has another octet somewhere.
pub(super) fn spoil(dice: &mut Dice, frame: &mut Vec<u8>) {
    match dice.below(16) {
        0 => frame.truncate(dice.below(frame.len() as u64 + 1) as usize),
        1 => {
            let at = dice.below(frame.len() as u64) as usize;
            frame[at] = dice.next() as u8;
        }
        _ => {}
    }
}
