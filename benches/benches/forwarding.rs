//! What a frame costs in memory, from being received to being handed to a device: `cargo bench -p benches`.
//!
//! The cases are those of the instruction gate (`benches::cases`), and some that only time can tell apart. Frames
//! come in bursts of 64 and every copy's fate is counted, as in a worker; the rate shown is frames received,
//! copies made (flood) or wire frames (cutting).
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that meets what it does not expect is to stop there"
)]

use benches::cases::{TIMED_ONLY, gated};
use benches::{VLAN, topology_with_lists};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use niv::VlanSet;
use std::sync::Arc;
use vis::switch::{VlanPolicy, list_sets};

fn per_frame(c: &mut Criterion) {
    for case in gated().chain(TIMED_ONLY) {
        let (group, name) = case.name.split_once('/').unwrap();
        let mut group = c.benchmark_group(group);
        group.throughput(Throughput::Elements(case.each.into()));
        let mut round = None;
        group.bench_function(name, |b| b.iter(round.get_or_insert_with(case.ready)));
        group.finish();
    }
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

criterion_group!(benches, per_frame, compile);
criterion_main!(benches);
