//! What a frame costs in memory, from being received to being handed to a device: `cargo bench -p
//! benches --bench forwarding`.
//!
//! Frames come in bursts of 64 and every copy's fate is counted, as in a worker; the rate shown is
//! frames received, copies made (flood) or wire frames (cutting).
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that meets what it does not expect is to stop there"
)]

use benches::{
    Exchange, FAR_STATIONS, Host, NEAR, Nowhere, VLAN, WITH_OFFLOAD, WITHOUT_OFFLOAD, burst, down,
    down_to_list, ethernet, lent, mac, oversized, received, tagged, topology_with_lists, up,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use interface_virtualizer::core::{Account, VnicId};
use niv::{Gather, Mac, PortId, Slot, VlanSet};
use packet_io::dispatch::Dispatcher;
use packet_io::{BURST, Capabilities, Outgoing, RxFrame};
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use vis::switch::{Seed, Table, Time, VlanPolicy, list_sets};
use vntag::VnTag;

const FIRST_VNIC: Account = Account::Vnic(VnicId(0));

fn iv(c: &mut Criterion) {
    let mut group = c.benchmark_group("iv decision");
    let mut host = Host::new(16);
    let frames = burst(|_| ethernet(mac(2), mac(1), 60));
    let up = lent(&frames);
    group.throughput(Throughput::Elements(BURST as u64));
    group.bench_function("up", |b| {
        b.iter(|| black_box(host.receive(FIRST_VNIC, &up)).len());
    });
    let frames = burst(|n| tagged(down(1 + n % 16), &ethernet(mac(2), mac(1), 60)));
    let unicast = lent(&frames);
    group.bench_function("down", |b| {
        b.iter(|| black_box(host.receive(Account::Uplink, &unicast)).len());
    });
    let frame = tagged(down_to_list(1), &ethernet(Mac::BROADCAST, mac(1), 60));
    let list = [received(&frame)];
    group.throughput(Throughput::Elements(16));
    group.bench_function("down to a list of 16, each copy", |b| {
        b.iter(|| black_box(host.receive(Account::Uplink, &list)).len());
    });
    group.finish();

    let mut group = c.benchmark_group("iv decision and dispatch");
    group.throughput(Throughput::Elements(BURST as u64));
    let mut dispatcher = Dispatcher::new();
    group.bench_function("up", |b| {
        b.iter(|| host.pass_up(FIRST_VNIC, &up, &mut dispatcher));
    });
    group.finish();
}

/// To which station the frame of this number goes.
type Way = fn(u16) -> u32;

fn vis(c: &mut Criterion) {
    let mut group = c.benchmark_group("vis decision");
    group.throughput(Throughput::Elements(BURST as u64));
    let mut switch = Exchange::new(64, 64, 1 << 16);
    let to =
        |to: Way| burst(|n| tagged(up(n + 1), &ethernet(mac(to(n)), mac(u32::from(n) + 1), 60)));
    let ways: [(&str, Way); 3] = [
        ("hairpin", |n| u32::from((n + 1) % 64) + 1),
        ("host to host", |n| FAR_STATIONS + u32::from(n) + 1),
        ("to a plain port", |_| 0),
    ];
    for (name, way) in ways {
        let frames = to(way);
        let frames = lent(&frames);
        assert_eq!(switch.pass(NEAR, &frames), BURST);
        group.bench_function(name, |b| b.iter(|| switch.pass(NEAR, &frames)));
    }
    for members in [16, 1000] {
        let mut switch = Exchange::new(members, 0, 1 << 16);
        let frame = tagged(up(1), &ethernet(Mac::BROADCAST, mac(1), 60));
        let frame = [received(&frame)];
        // Everybody but the sender, and the plain port.
        assert_eq!(switch.pass(NEAR, &frame), usize::from(members));
        group.throughput(Throughput::Elements(members.into()));
        group.bench_function(format!("flood to {members}, each copy"), |b| {
            b.iter(|| switch.pass(NEAR, &frame));
        });
        let mut switch = Exchange::with_lists(members, 0, 1 << 16);
        // The list, and the plain port.
        assert_eq!(switch.pass(NEAR, &frame), 2);
        group.bench_function(format!("flood to {members} by list, each member"), |b| {
            b.iter(|| switch.pass(NEAR, &frame));
        });
    }
    group.finish();
}

/// What one attach costs control.
fn compile(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    let access = topology_with_lists(1000, 24);
    let mut trunks = access.clone();
    let all = Arc::new(VlanSet::ALL);
    for port in &mut trunks.ports {
        port.vlan = VlanPolicy::Trunk {
            allowed: Arc::clone(&all),
            native: Some(VLAN),
        };
    }
    trunks.vlans = VlanSet::ALL;
    for (name, topology) in [("access", access), ("trunk to all VLANs", trunks)] {
        group.bench_function(format!("1,024 vEths, {name}"), |b| {
            b.iter(|| topology.compile().unwrap());
        });
        group.bench_function(format!("list sets of 1,024 vEths, {name}"), |b| {
            b.iter(|| list_sets(&topology));
        });
    }
    group.finish();
}

fn table(c: &mut Criterion) {
    const OWNER: Slot = Slot {
        index: 0,
        generation: 0,
    };
    let now = Time::from_millis(1_000);
    let mut group = c.benchmark_group("table");
    group.throughput(Throughput::Elements(BURST as u64));
    for (size, name) in [(1u32 << 10, "1k"), (1 << 16, "64k"), (1 << 20, "1M")] {
        let mut table = Table::new(NonZeroU32::new(size).unwrap(), Seed(1, 2));
        table.open(OWNER);
        for number in 0..size {
            table.learn(VLAN, mac(number), OWNER, now);
        }
        // Far from the order they came in; an odd factor visits every one.
        let mut next = 0u32;
        let mut any = move || {
            next = next.wrapping_add(1);
            mac(next.wrapping_mul(0x9E37_79B1) >> 3 & (size - 1))
        };
        group.bench_function(format!("lookup in {name}"), |b| {
            b.iter(|| {
                for _ in 0..BURST {
                    black_box(table.lookup(VLAN, any(), now));
                }
            });
        });
        group.bench_function(format!("learn a known one in {name}"), |b| {
            b.iter(|| {
                for _ in 0..BURST {
                    black_box(table.learn(VLAN, any(), OWNER, now));
                }
            });
        });
        let mut new = size;
        group.bench_function(format!("learn a new one in a full {name}"), |b| {
            b.iter(|| {
                for _ in 0..BURST {
                    new = new.wrapping_add(1);
                    black_box(table.learn(VLAN, mac(new), OWNER, now));
                }
            });
        });
    }
    group.finish();
}

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("dispatch");
    let mut dispatcher = Dispatcher::new();
    let mut send = |capabilities: &Capabilities, frames: &[RxFrame<'_>], copies: &[Outgoing]| {
        let mut sent = 0;
        dispatcher.send(
            &mut Nowhere,
            capabilities,
            false,
            frames,
            copies,
            &mut |_, weight, fate| sent += u32::from(fate.is_ok()) * weight.frames,
        );
        sent
    };
    let copy = |index: usize, bytes: &[u8]| Outgoing {
        port: PortId(0),
        account: 0,
        frame: index as u16,
        gather: Gather::new(bytes, 12, Some(VnTag::from_word(up(1))), None).unwrap(),
        uncounted: 6,
    };
    let frames = burst(|_| ethernet(mac(2), mac(1), 60));
    let frames = lent(&frames);
    let copies = frames.iter().enumerate();
    let copies: Vec<_> = copies
        .map(|(index, frame)| copy(index, frame.bytes))
        .collect();
    group.throughput(Throughput::Elements(BURST as u64));
    group.bench_function("whole frames", |b| {
        b.iter(|| send(&WITH_OFFLOAD, &frames, &copies));
    });

    let (bytes, offload, segments) = oversized();
    let frame = [RxFrame {
        offload,
        ..received(&bytes)
    }];
    let cut = [copy(0, &bytes)];
    group.throughput(Throughput::Elements(segments.into()));
    for (name, capabilities) in [
        (
            "64 KiB of TCP cut and summed, each segment",
            WITHOUT_OFFLOAD,
        ),
        ("64 KiB of TCP cut, sums left, each segment", WITH_OFFLOAD),
    ] {
        assert_eq!(send(&capabilities, &frame, &cut), segments);
        group.bench_function(name, |b| b.iter(|| send(&capabilities, &frame, &cut)));
    }
    group.finish();
}

criterion_group!(benches, iv, vis, compile, table, dispatch);
criterion_main!(benches);
