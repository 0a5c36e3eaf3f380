//! What access lists cost a frame, of each family: by one line, by each of many in turn, and by the last of them.

use crate::cases::leak;
use crate::policies::datagram;
use crate::{Exchange, NEAR, mac, tagged, up};
use niv::Mac;
use packet_io::BURST;
use policy::acl::{AccessList, Family, Line};
use std::hint::black_box;
use vis::switch::FilterList;

/// Frames of a round: each line of the longest list is hit once.
pub(crate) const LINES: u32 = 256;

/// A list of so many lines is asked of each frame; frame `n` of a round hits the line that `hit` says.
pub(crate) fn hairpin(family: Family, lines: u16, hit: fn(u16) -> u16) -> Box<dyn FnMut()> {
    let mut switch = Exchange::with_access_list(64, 64, 1 << 16, &list(family, lines));
    let frame = |n: u16| {
        let from = n % 64;
        let (to, from) = (mac(u32::from((from + 1) % 64) + 1), from + 1);
        tagged(up(from), &hitting(family, hit(n), to, mac(from.into())))
    };
    let frames = leak((0..LINES as u16).map(frame).collect());
    Box::new(move || {
        for burst in frames.chunks(BURST) {
            assert_eq!(switch.pass(NEAR, black_box(burst)), burst.len());
        }
    })
}

/// Each of its lines can be hit.
pub(crate) fn list(family: Family, lines: u16) -> FilterList {
    let mut list = AccessList::new(family, "measured".parse().unwrap());
    for n in 0..lines {
        list.add(Line::parse(family, &line(family, n)).unwrap())
            .unwrap();
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
