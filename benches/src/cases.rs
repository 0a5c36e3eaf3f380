//! What is measured: a round of work on frames in memory, made ready once and repeated.

use crate::access_lists::{self, LINES};
use crate::policies::{POLICIES, datagram};
use crate::{
    Exchange, FAR_STATIONS, Host, NEAR, Nowhere, VLAN, WITH_OFFLOAD, WITHOUT_OFFLOAD, burst, down,
    down_to_list, ethernet, lent, mac, oversized, received, tagged, up,
};
use interface_virtualizer::core::{Account, VnicId};
use niv::{Gather, Mac, PortId, Slot};
use packet_io::dispatch::Dispatcher;
use packet_io::{BURST, Capabilities, Outgoing, RxFrame};
use policy::acl::Family;
use std::hint::black_box;
use std::num::NonZeroU32;
use vis::switch::{Seed, Table, Time};
use vntag::{Frame, FrameMut, VnTag, hidden_tag};

const FIRST_VNIC: Account = Account::Vnic(VnicId(0));

/// One thing that is measured.
pub struct Case {
    /// `group/what`.
    pub name: &'static str,
    /// Frames, copies or entries in a round: what the cost is divided by.
    pub each: u32,
    /// Makes it ready. What it returns does one round.
    pub ready: fn() -> Box<dyn FnMut()>,
}

pub(crate) const fn case(name: &'static str, each: u32, ready: fn() -> Box<dyn FnMut()>) -> Case {
    Case { name, each, ready }
}

/// What is timed, and counted in instructions for the regression gate.
pub fn gated() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(POLICIES)
}

const CASES: &[Case] = &[
    case("codec/parse", BURST as u32, parse),
    case("codec/push", BURST as u32, push),
    case("codec/pop", BURST as u32, pop),
    case("iv/up", BURST as u32, || {
        iv_receives(FIRST_VNIC, burst(|_| ethernet(mac(2), mac(1), 60)))
    }),
    case("iv/down", BURST as u32, || {
        let frame = |n| tagged(down(1 + n % 16), &ethernet(mac(2), mac(1), 60));
        iv_receives(Account::Uplink, burst(frame))
    }),
    case("iv/down to a list of 16, each copy", 16, || {
        let frame = tagged(down_to_list(1), &ethernet(Mac::BROADCAST, mac(1), 60));
        iv_receives(Account::Uplink, vec![frame])
    }),
    case("iv/up and dispatch", BURST as u32, iv_up_and_dispatch),
    case("vis/hairpin", BURST as u32, || {
        vis_passes(|n| u32::from((n + 1) % 64) + 1)
    }),
    case("vis/host to host", BURST as u32, || {
        vis_passes(|n| FAR_STATIONS + u32::from(n) + 1)
    }),
    case("vis/to a plain port", BURST as u32, || vis_passes(|_| 0)),
    case(
        "vis/hairpin from 64 ports, all counters kept",
        BURST as u32,
        vis_passes_and_keeps,
    ),
    case("vis/hairpin with an access list of 1 line", LINES, || {
        access_lists::hairpin(Family::Ipv4, 1, |_| 0)
    }),
    case(
        "vis/hairpin with an access list of 256 lines",
        LINES,
        || access_lists::hairpin(Family::Ipv4, 256, |n| n),
    ),
    case(
        "vis/hairpin with an access list of 256 lines, by its last",
        LINES,
        || access_lists::hairpin(Family::Ipv4, 256, |_| 255),
    ),
    case(
        "vis/hairpin with an IPv6 access list of 1 line",
        LINES,
        || access_lists::hairpin(Family::Ipv6, 1, |_| 0),
    ),
    case(
        "vis/hairpin with an IPv6 access list of 256 lines",
        LINES,
        || access_lists::hairpin(Family::Ipv6, 256, |n| n),
    ),
    case(
        "vis/hairpin with an IPv6 access list of 256 lines, by its last",
        LINES,
        || access_lists::hairpin(Family::Ipv6, 256, |_| 255),
    ),
    case(
        "vis/hairpin with a MAC access list of 1 line",
        LINES,
        || access_lists::hairpin(Family::Mac, 1, |_| 0),
    ),
    case(
        "vis/hairpin with a MAC access list of 256 lines",
        LINES,
        || access_lists::hairpin(Family::Mac, 256, |n| n),
    ),
    case(
        "vis/hairpin with a MAC access list of 256 lines, by its last",
        LINES,
        || access_lists::hairpin(Family::Mac, 256, |_| 255),
    ),
    case(
        "vis/hairpin of the dearest frames for an access list",
        LINES,
        || access_lists::dearest(Family::Ipv4, false),
    ),
    case(
        "vis/hairpin of the dearest frames, with an access list",
        LINES,
        || access_lists::dearest(Family::Ipv4, true),
    ),
    case(
        "vis/hairpin of the dearest frames for an IPv6 access list",
        LINES,
        || access_lists::dearest(Family::Ipv6, false),
    ),
    case(
        "vis/hairpin of the dearest frames, with an IPv6 access list",
        LINES,
        || access_lists::dearest(Family::Ipv6, true),
    ),
    case(
        "vis/hairpin of the dearest frames for a MAC access list",
        LINES,
        || access_lists::dearest(Family::Mac, false),
    ),
    case(
        "vis/hairpin of the dearest frames, with a MAC access list",
        LINES,
        || access_lists::dearest(Family::Mac, true),
    ),
    case("vis/flood to 16, each copy", 16, || vis_floods(16)),
    case("vis/flood to 1000, each copy", 1000, || vis_floods(1000)),
    case("table/lookup in 1k", BURST as u32, || table_lookup(1 << 10)),
    case("table/lookup in 64k", BURST as u32, || {
        table_lookup(1 << 16)
    }),
    case("table/learn a known one in 64k", BURST as u32, || {
        table_learn_known(1 << 16)
    }),
    case("table/learn a new one in a full 64k", BURST as u32, || {
        table_learn_new(1 << 16)
    }),
    case("dispatch/whole frames", BURST as u32, dispatch_whole),
    case("dispatch/cut and summed, each segment", SEGMENTS, || {
        dispatch_cut(&WITHOUT_OFFLOAD)
    }),
];

/// What is timed only: the same code as what is [`gated`], and what is of interest is how far caches reach.
pub const TIMED_ONLY: &[Case] = &[
    case("codec/hidden tag, vlan and ipv4", BURST as u32, hidden),
    case("codec/push and pop in place", BURST as u32, in_place),
    case(
        "codec/rewrite and write out, 66 octets",
        BURST as u32,
        || write_out(66),
    ),
    case(
        "codec/rewrite and write out, 1520 octets",
        BURST as u32,
        || write_out(1520),
    ),
    case("vis/flood to 16 by list, each member", 16, || {
        vis_floods_by_list(16)
    }),
    case("vis/flood to 1000 by list, each member", 1000, || {
        vis_floods_by_list(1000)
    }),
    case("dispatch/marked frames", BURST as u32, dispatch_marked),
    case("table/lookup in 1M", BURST as u32, || table_lookup(1 << 20)),
    case("table/learn a known one in 1k", BURST as u32, || {
        table_learn_known(1 << 10)
    }),
    case("table/learn a known one in 1M", BURST as u32, || {
        table_learn_known(1 << 20)
    }),
    case("table/learn a new one in a full 1k", BURST as u32, || {
        table_learn_new(1 << 10)
    }),
    case("table/learn a new one in a full 1M", BURST as u32, || {
        table_learn_new(1 << 20)
    }),
    case("dispatch/cut, sums left, each segment", SEGMENTS, || {
        dispatch_cut(&WITH_OFFLOAD)
    }),
];

/// Of the oversized frame.
const SEGMENTS: u32 = 46;

pub(crate) fn leak(frames: Vec<Vec<u8>>) -> &'static [RxFrame<'static>] {
    let frames: &'static [Vec<u8>] = frames.leak();
    lent(frames).leak()
}

fn parse() -> Box<dyn FnMut()> {
    let frames = leak(burst(|n| tagged(up(n + 1), &ethernet(mac(2), mac(1), 60))));
    Box::new(move || {
        for frame in frames {
            let frame = Frame::new(black_box(frame.bytes)).ok();
            let view = frame.and_then(|frame| frame.vntag()?.ok());
            black_box(view.map(|view| (view.tag(), view.inner_ethertype())));
        }
    })
}

fn push() -> Box<dyn FnMut()> {
    let frames = leak(burst(|_| ethernet(mac(2), mac(1), 60)));
    Box::new(move || {
        for frame in frames {
            let tag = Some(VnTag::from_word(up(1)));
            black_box(Gather::new(black_box(frame.bytes), 12, tag, None).ok());
        }
    })
}

fn pop() -> Box<dyn FnMut()> {
    let frames = leak(burst(|n| tagged(up(n + 1), &ethernet(mac(2), mac(1), 60))));
    Box::new(move || {
        for frame in frames {
            black_box(Gather::new(black_box(frame.bytes), 18, None, None).ok());
        }
    })
}

fn hidden() -> Box<dyn FnMut()> {
    let mut frame = ethernet(mac(2), mac(1), 60);
    frame.splice(12..12, [0x81, 0x00, 0, 10]);
    let frames = leak(burst(|_| frame.clone()));
    Box::new(move || {
        for frame in frames {
            black_box(hidden_tag(black_box(frame.bytes), 12, 0));
        }
    })
}

fn in_place() -> Box<dyn FnMut()> {
    let tag = VnTag::from_word(up(1));
    let mut buffers = burst(|_| [vec![0; VnTag::LEN], ethernet(mac(2), mac(1), 60)].concat());
    Box::new(move || {
        for buffer in &mut buffers {
            let pushed = FrameMut::new(buffer, VnTag::LEN)
                .is_ok_and(|mut frame| frame.push(black_box(tag)).is_ok());
            let popped =
                FrameMut::new(buffer, 0).is_ok_and(|mut frame| frame.pop::<VnTag>().is_ok());
            assert!(pushed && popped);
        }
    })
}

/// What a flat copy of a frame with a new tag costs.
fn write_out(length: usize) -> Box<dyn FnMut()> {
    let frames = leak(burst(|n| {
        let mut frame = tagged(up(n + 1), &ethernet(mac(2), mac(1), 60));
        frame.resize(length, 0);
        frame
    }));
    let tag = Some(VnTag::from_word(down(1)));
    let mut out = vec![0; 2048];
    Box::new(move || {
        for frame in frames {
            if let Ok(gather) = Gather::new(frame.bytes, 18, black_box(tag), None) {
                black_box(gather.write_to(frame.bytes, &mut out));
            }
        }
    })
}

fn iv_receives(account: Account, frames: Vec<Vec<u8>>) -> Box<dyn FnMut()> {
    let mut host = Host::new(16);
    let frames = leak(frames);
    Box::new(move || {
        black_box(host.receive(account, black_box(frames)));
    })
}

fn iv_up_and_dispatch() -> Box<dyn FnMut()> {
    let mut host = Host::new(16);
    let mut dispatcher = Dispatcher::new();
    let frames = leak(burst(|_| ethernet(mac(2), mac(1), 60)));
    Box::new(move || host.pass_up(FIRST_VNIC, black_box(frames), &mut dispatcher))
}

/// The most that there is to keep after a burst: every frame is of another vEth, and for another.
fn vis_passes_and_keeps() -> Box<dyn FnMut()> {
    let (mut switch, frames) = passing(|n| u32::from((n + 1) % 64) + 1);
    Box::new(move || {
        assert_eq!(switch.pass(NEAR, black_box(frames)), BURST);
        switch.keep();
    })
}

/// Frame `n` of a burst goes to the station `to` says.
fn vis_passes(to: fn(u16) -> u32) -> Box<dyn FnMut()> {
    let (mut switch, frames) = passing(to);
    Box::new(move || {
        assert_eq!(switch.pass(NEAR, black_box(frames)), BURST);
    })
}

fn passing(to: fn(u16) -> u32) -> (Exchange, &'static [RxFrame<'static>]) {
    let frame = |n: u16| {
        let (to, from) = (mac(to(n)), mac(u32::from(n) + 1));
        tagged(up(n + 1), &ethernet(to, from, 60))
    };
    (Exchange::new(64, 64, 1 << 16), leak(burst(frame)))
}

fn vis_floods(members: u16) -> Box<dyn FnMut()> {
    // Everybody but the sender, and the plain port.
    flood(Exchange::new(members, 0, 1 << 16), members.into())
}

fn vis_floods_by_list(members: u16) -> Box<dyn FnMut()> {
    // The list, and the plain port.
    flood(Exchange::with_lists(members, 0, 1 << 16), 2)
}

fn flood(mut switch: Exchange, copies: usize) -> Box<dyn FnMut()> {
    let frame = tagged(up(1), &ethernet(Mac::BROADCAST, mac(1), 60));
    let frame = leak(vec![frame]);
    Box::new(move || {
        assert_eq!(switch.pass(NEAR, black_box(frame)), copies);
    })
}

const OWNER: Slot = Slot {
    index: 0,
    generation: 0,
};

/// A full table, and addresses of it far from the order they came in.
fn full_table(size: u32) -> (Table, impl FnMut() -> Mac) {
    let now = Time::from_millis(1_000);
    let mut table = Table::new(NonZeroU32::new(size).unwrap_or(NonZeroU32::MIN), Seed(1, 2));
    table.open(OWNER);
    for number in 0..size {
        table.learn(VLAN, mac(number), OWNER, now);
    }
    // An odd factor visits every one.
    let mut next = 0u32;
    let any = move || {
        next = next.wrapping_add(1);
        mac(next.wrapping_mul(0x9E37_79B1) >> 3 & (size - 1))
    };
    (table, any)
}

fn table_lookup(size: u32) -> Box<dyn FnMut()> {
    let (table, mut any) = full_table(size);
    Box::new(move || {
        for _ in 0..BURST {
            black_box(table.lookup(VLAN, any(), Time::from_millis(1_000)));
        }
    })
}

fn table_learn_known(size: u32) -> Box<dyn FnMut()> {
    let (mut table, mut any) = full_table(size);
    Box::new(move || {
        for _ in 0..BURST {
            black_box(table.learn(VLAN, any(), OWNER, Time::from_millis(1_000)));
        }
    })
}

fn table_learn_new(size: u32) -> Box<dyn FnMut()> {
    let (mut table, _) = full_table(size);
    let mut new = size;
    Box::new(move || {
        for _ in 0..BURST {
            new = new.wrapping_add(1);
            black_box(table.learn(VLAN, mac(new), OWNER, Time::from_millis(1_000)));
        }
    })
}

fn copies(frames: &[RxFrame<'_>]) -> Vec<Outgoing> {
    let copy = |(index, frame): (usize, &RxFrame<'_>)| {
        let tag = Some(VnTag::from_word(up(1)));
        Some(Outgoing {
            port: PortId(0),
            account: 0,
            frame: index as u16,
            gather: Gather::new(frame.bytes, 12, tag, None).ok()?,
            uncounted: 6,
            edit: packet_io::Edit::NONE,
        })
    };
    frames.iter().enumerate().filter_map(copy).collect()
}

fn dispatch_marked() -> Box<dyn FnMut()> {
    let frames = leak(burst(|_| datagram(mac(2), mac(1), 9)));
    let mut copies = copies(frames);
    for copy in &mut copies {
        copy.edit.rewrite = Some(niv::Rewrite {
            at: 14,
            start: [0x45, 0],
            checksum: Some([0, 0]),
        });
    }
    let mut dispatcher = Dispatcher::new();
    Box::new(move || {
        let done = &mut |_: &Outgoing, weight, _| {
            black_box(weight);
        };
        dispatcher.send(&mut Nowhere, &WITH_OFFLOAD, false, frames, &copies, done);
    })
}

fn dispatch_whole() -> Box<dyn FnMut()> {
    let frames = leak(burst(|_| ethernet(mac(2), mac(1), 60)));
    let copies = copies(frames);
    let mut dispatcher = Dispatcher::new();
    Box::new(move || {
        let done = &mut |_: &Outgoing, weight, _| {
            black_box(weight);
        };
        dispatcher.send(&mut Nowhere, &WITH_OFFLOAD, false, frames, &copies, done);
    })
}

/// 64 KiB of TCP, cut.
fn dispatch_cut(capabilities: &'static Capabilities) -> Box<dyn FnMut()> {
    let (bytes, offload, segments) = oversized();
    assert_eq!(segments, SEGMENTS);
    let frame: &'static [RxFrame<'static>] = vec![RxFrame {
        offload,
        ..received(bytes.leak())
    }]
    .leak();
    let copies = copies(frame);
    let mut dispatcher = Dispatcher::new();
    Box::new(move || {
        let done = &mut |_: &Outgoing, weight, _| {
            black_box(weight);
        };
        dispatcher.send(&mut Nowhere, capabilities, false, frame, &copies, done);
    })
}
