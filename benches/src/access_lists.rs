//! What access lists cost a frame, of each family: by one line, by each of many in turn, by the last of them, and of the
//! frame that is dearest to read.

use crate::cases::leak;
use crate::policies::datagram;
use crate::{Exchange, NEAR, VLAN, mac, tagged, topology, up};
use niv::{Mac, VlanSet};
use packet_io::BURST;
use policy::acl::{AccessList, Family, Line};
use std::hint::black_box;
use std::sync::Arc;
use vis::switch::{FilterList, Filters, VlanPolicy};

/// Frames of a round: each line of the longest list is hit once.
pub(crate) const LINES: u32 = 256;

/// A list of so many lines is asked of each frame; frame `n` of a round hits the line that `hit` says.
pub(crate) fn hairpin(family: Family, lines: u16, hit: fn(u16) -> u16) -> Box<dyn FnMut()> {
    let switch = Exchange::with_access_list(64, 64, 1 << 16, &list(family, lines));
    passes(switch, |n, to, from| hitting(family, hit(n), to, from))
}

/// The frames that cost a list most, all of them: they hit its last line, which wants to be told of them, and stand
/// behind as much as is looked behind. With such a list of [`LINES`] lines; or without, for what else they cost.
pub(crate) fn dearest(family: Family, with_list: bool) -> Box<dyn FnMut()> {
    let filters = if with_list {
        let list = list_of(family, (0..LINES as u16).map(|n| line(family, n) + " log"));
        Filters::new([list], [])
    } else {
        Filters::default()
    };
    let mut topology = topology(64, 64);
    for port in topology.ports.iter_mut().filter(|port| port.vif.is_some()) {
        port.policy.filters = filters.clone();
        // Only a trunk takes and gives more than one tag.
        port.vlan = VlanPolicy::Trunk {
            allowed: Arc::new(VlanSet::from(VLAN)),
            native: None,
        };
    }
    let switch = Exchange::with(&topology, 64, 64, 1 << 16);
    passes(switch, |_, to, from| {
        behind_everything(family, &hitting(family, LINES as u16 - 1, to, from))
    })
}

/// A round of [`LINES`] frames between neighbours; `frame` makes the `n`th one, to and from these.
fn passes(mut switch: Exchange, frame: impl Fn(u16, Mac, Mac) -> Vec<u8>) -> Box<dyn FnMut()> {
    let frame = |n: u16| {
        let from = n % 64;
        let (to, from) = (mac(u32::from((from + 1) % 64) + 1), from + 1);
        tagged(up(from), &frame(n, to, mac(from.into())))
    };
    let frames = leak((0..LINES as u16).map(frame).collect());
    // On a trunk the stations are not known yet.
    switch.pass(NEAR, frames);
    Box::new(move || {
        for burst in frames.chunks(BURST) {
            assert_eq!(switch.pass(NEAR, black_box(burst)), burst.len());
        }
    })
}

/// Each of its lines can be hit.
pub(crate) fn list(family: Family, lines: u16) -> FilterList {
    list_of(family, (0..lines).map(|n| line(family, n)))
}

fn list_of(family: Family, lines: impl Iterator<Item = String>) -> FilterList {
    let mut list = AccessList::new(family, "measured".parse().unwrap());
    for line in lines {
        list.add(Line::parse(family, &line).unwrap()).unwrap();
    }
    FilterList::new(list)
}

/// A port of a line's own.
pub(crate) const fn port(line: u16) -> u16 {
    1000 + 3 * line
}

/// An EtherType of a line's own, and no tag's. The first is that of the frames by which stations become known.
const fn ethertype(line: u16) -> u16 {
    match line {
        0 => 0x88B5,
        line => 0x9000 + line,
    }
}

fn line(family: Family, n: u16) -> String {
    match family {
        Family::Ipv4 => format!("permit udp any 10.0.0.0/8 eq {}", port(n)),
        Family::Ipv6 => format!("permit udp any 2001:db8::/32 eq {}", port(n)),
        Family::Mac => format!(
            "permit 0200.0000.0000 0000.ffff.ffff any {:#06x}",
            ethertype(n)
        ),
    }
}

/// A frame that hits a line.
fn hitting(family: Family, line: u16, to: Mac, from: Mac) -> Vec<u8> {
    let mut frame = [to.0, from.0].concat();
    match family {
        Family::Ipv4 => return datagram(to, from, port(line)),
        Family::Ipv6 => {
            frame.extend([0x86, 0xDD, 0x60, 0, 0, 0, 0, 8, 17, 64]);
            for station in 1..=2 {
                frame.extend([0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0]);
                frame.extend([0, 0, 0, 0, 0, 0, 0, station]);
            }
            let [high, low] = port(line).to_be_bytes();
            frame.extend([0, 9, high, low, 0, 8, 0, 0]);
        }
        Family::Mac => frame.extend(ethertype(line).to_be_bytes()),
    }
    frame.resize(frame.len().max(60), 0);
    frame
}

/// `frame` behind four VLAN tags, and what its family has besides: eight IPv6 extension headers, an RFC 1042 header.
fn behind_everything(family: Family, frame: &[u8]) -> Vec<u8> {
    let (addresses, packet) = frame.split_at(12);
    let tags = [0x81, 0, 0, VLAN.get() as u8].repeat(4);
    let packet = match family {
        Family::Ipv4 => packet.to_vec(),
        Family::Ipv6 => behind_extensions(packet),
        Family::Mac => [&[0, 60, 0xAA, 0xAA, 3, 0, 0, 0], packet].concat(),
    };
    [addresses, &tags, &packet].concat()
}

/// An IPv6 packet, its EtherType in front: hop-by-hop options, six times destination options, and a fragment header of a
/// packet that is whole.
fn behind_extensions(packet: &[u8]) -> Vec<u8> {
    const DESTINATION: u8 = 60;
    const FRAGMENT: u8 = 44;
    let (header, upper) = packet.split_at(2 + 40);
    let mut header = header.to_vec();
    let length = header.get_mut(7).unwrap();
    *length += 8 * 8;
    let protocol = std::mem::replace(header.get_mut(8).unwrap(), 0);
    let follows = [[DESTINATION; 6].as_slice(), &[FRAGMENT, protocol]].concat();
    let extensions = follows.iter().flat_map(|next| [*next, 0, 0, 0, 0, 0, 0, 0]);
    header.extend(extensions);
    header.extend(upper);
    header
}
