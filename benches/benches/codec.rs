//! The tag codec, by the burst: `cargo bench -p benches --bench codec`.
//!
//! A burst is 64 frames, as the workers take them (design.md section 4.3); the rate shown is frames.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use vntag::{Frame, FrameMut, Gather, Truncated, VnTag, hidden_tag};

const BURST: usize = 64;
const DOWN: u32 = 0x8006_8005;

/// Frames of `length` octets in all, that start as `start` does behind their addresses. Sources
/// differ, so that no two frames are the same.
fn burst(start: &[u8], length: usize) -> Vec<Vec<u8>> {
    (0..BURST)
        .map(|n| {
            let mut frame = vec![2; 11];
            frame.push(n as u8);
            frame.extend(start);
            frame.resize(length, 0);
            frame
        })
        .collect()
}

fn tagged(length: usize) -> Vec<Vec<u8>> {
    burst(&[0x89, 0x26, 0, 0, 0, 5, 0x08, 0x00], length)
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(BURST as u64));
    let frames = tagged(66);
    let source = |octets: &[u8]| -> Result<u16, Truncated> {
        let view = Frame::new(octets)?.vntag().transpose()?;
        Ok(view.map_or(0, |view| view.tag().svif.get()))
    };
    group.bench_function("vntag", |b| {
        b.iter(|| {
            let frames = black_box(&frames).iter();
            frames
                .map(|frame| source(frame).unwrap_or(0))
                .fold(0, u16::wrapping_add)
        });
    });
    let kinds: [(&str, &[u8]); 3] = [
        ("hidden_tag, ipv4", &[0x08, 0x00]),
        ("hidden_tag, ipv6", &[0x86, 0xDD]),
        (
            "hidden_tag, vlan and ipv4",
            &[0x81, 0x00, 0, 10, 0x08, 0x00],
        ),
    ];
    for (name, start) in kinds {
        let frames = burst(start, 60);
        group.bench_function(name, |b| {
            b.iter(|| {
                for frame in black_box(&frames) {
                    black_box(hidden_tag(frame, 12, 0));
                }
            });
        });
    }
    group.finish();
}

/// What a worker does for a frame it passes on: fresh octets, nothing copied yet.
fn gather(c: &mut Criterion) {
    let mut group = c.benchmark_group("gather");
    group.throughput(Throughput::Elements(BURST as u64));
    let tag = Some(VnTag::from_word(DOWN));
    let edits = [("push", 12, tag), ("pop", 18, None), ("rewrite", 18, tag)];
    let frames = tagged(66);
    for (name, skip, tag) in edits {
        group.bench_function(name, |b| {
            b.iter(|| {
                for frame in black_box(&frames) {
                    let _ = black_box(Gather::new(frame, skip, black_box(tag), None));
                }
            });
        });
    }
    for length in [66, 1520] {
        let frames = tagged(length);
        let mut out = vec![0; 2048];
        group.bench_function(format!("rewrite and write out, {length} octets"), |b| {
            b.iter(|| {
                for frame in black_box(&frames) {
                    if let Ok(gather) = Gather::new(frame, 18, black_box(tag), None) {
                        let _ = black_box(gather.write_to(frame, &mut out));
                    }
                }
            });
        });
    }
    group.finish();
}

fn in_place(c: &mut Criterion) {
    let mut group = c.benchmark_group("in place");
    group.throughput(Throughput::Elements(BURST as u64));
    let plain = || {
        let frames = burst(&[0x08, 0x00], 60).into_iter();
        frames
            .map(|frame| [vec![0; 6], frame].concat())
            .collect::<Vec<_>>()
    };
    let tag = VnTag::from_word(DOWN);
    let edit = |buffers: &mut Vec<Vec<u8>>, headroom, edit: &dyn Fn(&mut FrameMut<'_>) -> bool| {
        for buffer in buffers {
            let done = FrameMut::new(buffer, headroom).map(|mut frame| edit(&mut frame));
            assert_eq!(done, Ok(true));
        }
    };
    group.bench_function("push", |b| {
        b.iter_batched_ref(
            plain,
            |buffers| edit(buffers, 6, &|frame| frame.push(black_box(tag)).is_ok()),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("pop", |b| {
        b.iter_batched_ref(
            || tagged(66),
            |buffers| edit(buffers, 0, &|frame| frame.pop::<VnTag>().is_ok()),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("rewrite", |b| {
        b.iter_batched_ref(
            || tagged(66),
            |buffers| edit(buffers, 0, &|frame| frame.rewrite(black_box(tag)).is_ok()),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, decode, gather, in_place);
criterion_main!(benches);
