//! What one decision costs, in memory and on one core: no device, no copy of the payload.
//!
//! `cargo run --release -p vis --example decision_cost`
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that meets what it does not expect is to stop there"
)]

use niv::{Mac, PortId, Slot, VlanId};
use packet_io::dispatch::Outgoing;
use packet_io::{BURST, Offload, RxFrame};
use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Instant;
use vis::switch::{
    LinkKind, LinkPlan, PortPlan, PortPolicy, PortState, Seed, Snapshot, Switch, Table, Time,
    Topology, VlanPolicy,
};

fn main() {
    println!("nanoseconds each, best of 5 runs, one core");
    for veths in [2, 16, 1000] {
        hairpin(veths);
    }
    for members in [16, 1000] {
        flood(members);
    }
    for addresses in [1 << 10, 1 << 16, 1 << 20] {
        table(addresses);
    }
    for addresses in [1 << 16, 1 << 20] {
        attack(addresses);
    }
}

/// The shortest of 5 runs of `work`, which does `count` of something.
fn best(count: usize, mut work: impl FnMut()) -> f64 {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_nanos() as f64 / count as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn snapshot(veths: u16) -> Snapshot {
    let port = |index: u16| PortPlan {
        slot: Slot {
            index,
            generation: 0,
        },
        name: format!("veth{index}"),
        device: PortId(0),
        vif: Some((index + 1).try_into().unwrap()),
        vlan: VlanPolicy::Access(vlan()),
        state: PortState::Forwarding,
        mtu: 1500,
        policy: PortPolicy::default(),
    };
    let topology = Topology {
        epoch: 1,
        links: vec![LinkPlan {
            device: PortId(0),
            name: "ethernet 1".into(),
            kind: LinkKind::Niv,
        }],
        ports: (0..veths).map(port).collect(),
        vlans: "1".parse().unwrap(),
        ..Topology::default()
    };
    let start = Instant::now();
    let snapshot = topology.compile().unwrap();
    println!(
        "snapshot of {veths} vEths: compiled in {} us",
        start.elapsed().as_micros()
    );
    snapshot
}

/// Every vEth sends to its neighbour, in bursts, on a table that knows them all.
fn hairpin(veths: u16) {
    let snapshot = snapshot(veths);
    let frames: Vec<_> = (0..veths)
        .map(|from| uplink(from, mac(u32::from((from + 1) % veths))))
        .collect();
    let mut switch = Switch::new(NonZeroU32::new(1 << 16).unwrap(), Seed(1, 2));
    let mut out = Vec::with_capacity(BURST * usize::from(veths));
    for frame in &frames {
        receive(&mut switch, &snapshot, frame, &mut out);
        out.clear();
    }
    let count = 64 * 20_000;
    let cost = best(count, || {
        let mut next = frames.iter().cycle();
        for _ in 0..count / BURST {
            for frame in next.by_ref().take(BURST) {
                receive(&mut switch, &snapshot, frame, &mut out);
            }
            black_box(&out);
            out.clear();
        }
    });
    println!("hairpin between {veths} vEths: {cost:.1}");
}

fn flood(veths: u16) {
    let snapshot = snapshot(veths);
    let frame = uplink(0, Mac::BROADCAST);
    let mut switch = Switch::new(NonZeroU32::new(1 << 16).unwrap(), Seed(1, 2));
    let mut out = Vec::with_capacity(usize::from(veths));
    let count = 2_000;
    let cost = best(count * usize::from(veths - 1), || {
        for _ in 0..count {
            receive(&mut switch, &snapshot, &frame, &mut out);
            black_box(&out);
            out.clear();
        }
    });
    println!("flood to {veths} vEths, each copy: {cost:.1}");
}

fn table(addresses: u32) {
    let mut table = Table::new(NonZeroU32::new(addresses).unwrap(), Seed(1, 2));
    table.open(slot(0));
    let now = Time::from_millis(1_000);
    let macs: Vec<_> = (0..addresses)
        .map(|n| mac(n.wrapping_mul(2_654_435_761)))
        .collect();
    for &mac in &macs {
        table.learn(vlan(), mac, slot(0), now);
    }
    // In an order that is not that of insertion.
    let order: Vec<_> = (0..1 << 20u32)
        .map(|n: u32| macs[(n.wrapping_mul(747_796_405) >> 7) as usize % macs.len()])
        .collect();
    let hit = best(order.len(), || {
        for &mac in &order {
            black_box(table.lookup(vlan(), mac, now));
        }
    });
    let miss = best(order.len(), || {
        for &mac in &order {
            black_box(table.lookup(2.try_into().unwrap(), mac, now));
        }
    });
    let known = best(order.len(), || {
        for &mac in &order {
            black_box(table.learn(vlan(), mac, slot(0), now));
        }
    });
    println!(
        "table of {addresses}: lookup {hit:.1}, unknown {miss:.1}, learn a known one {known:.1}"
    );
}

/// A full table, and one bridge port that invents an address with every frame.
fn attack(addresses: u32) {
    let mut table = Table::new(NonZeroU32::new(addresses).unwrap(), Seed(1, 2));
    table.open(slot(0));
    let now = Time::from_millis(1_000);
    for number in 0..addresses {
        table.learn(vlan(), mac(number), slot(0), now);
    }
    let mut number = addresses;
    let count = 1 << 20;
    let cost = best(count, || {
        for _ in 0..count {
            black_box(table.learn(vlan(), mac(number), slot(0), now));
            number = number.wrapping_add(1);
        }
    });
    println!("full table of {addresses}: learn one more at another's expense {cost:.1}");
}

fn receive(switch: &mut Switch, snapshot: &Snapshot, frame: &[u8], out: &mut Vec<Outgoing>) {
    let received = RxFrame {
        bytes: frame,
        vlan: None,
        offload: Offload::NONE,
        original_length: frame.len() as u32,
    };
    let now = Time::from_millis(1_000);
    switch.receive(snapshot, now, PortId(0), 0, &received, out);
}

fn uplink(from: u16, to: Mac) -> Vec<u8> {
    let [a, b] = (from + 1).to_be_bytes();
    let mut frame = [to.0, mac(u32::from(from)).0].concat();
    frame.extend([0x89, 0x26, 0, 0, a, b, 0x08, 0x00]);
    frame.resize(66, 0);
    frame
}

fn mac(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([2, 0, a, b, c, d])
}

fn vlan() -> VlanId {
    VlanId::try_from(1).unwrap()
}

fn slot(index: u16) -> Slot {
    Slot {
        index,
        generation: 0,
    }
}
