//! Measures how many frames a second one thread takes in by a veth device and sends out of it again.
//!
//! ```text
//! cargo run --release -p packet-io --example hairpin -- [SIZE] [SECONDS] [--packet] | --cut | --merge | --checksum
//! ```
//!
//! In a network namespace of its own (needs root): a generator thread on one end sends bursts and counts what comes
//! back; the thread measured owns the other end, exchanges the addresses of each frame and hands it to the dispatcher.
//! `--packet` sends by packet sockets only, not by AF_XDP. `--checksum`, `--cut` and `--merge` measure without a device: the sum over 1448 octets, cutting a 64 KiB frame, and
//! merging the segments it is cut into.
#![allow(clippy::print_stdout, reason = "it is what a measuring tool is for")]

use arrayvec::ArrayVec;
use niv::{Gather, PortId};
use packet_io::afpacket::{self, PacketOptions};
use packet_io::dispatch::{Dispatcher, Outgoing};
use packet_io::offload::Sum;
use packet_io::{
    BURST, Capabilities, Checksum, Offload, Port, Refusal, RxFrame, Segmentation, SegmentationKind,
    Transmit, TxFrame,
};
use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Time this thread has spent on a core, which other threads do not add to.
fn core_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Default)]
struct Counters {
    offered: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    refused: AtomicU64,
    returned: AtomicU64,
    core_time: AtomicU64,
    stop: AtomicBool,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--checksum") => measure_checksum(),
        Some("--cut") => measure_cut(),
        Some("--merge") => measure_merge()?,
        size => {
            let size = size.map_or(Ok(64), str::parse)?;
            let seconds = arguments.get(1).map_or(Ok(3), |text| text.parse())?;
            let xdp = !arguments.iter().any(|word| word == "--packet");
            measure_hairpin(size, Duration::from_secs(seconds), xdp)?;
        }
    }
    Ok(())
}

fn measure_hairpin(size: usize, time: Duration, xdp: bool) -> Outcome<()> {
    if !(14..=1514).contains(&size) {
        return Err("SIZE is from 14 to 1514".into());
    }
    // SAFETY: nothing else runs yet, and no file descriptor is involved.
    #[expect(unsafe_code, reason = "the process enters a namespace of its own")]
    unsafe {
        rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET)?;
    }
    for arguments in [
        "link add va type veth peer name vb",
        "link set va up promisc on",
        "link set vb up promisc on",
    ] {
        if !Command::new("ip")
            .args(arguments.split(' '))
            .status()?
            .success()
        {
            return Err(format!("`ip {arguments}` failed").into());
        }
    }
    let options = PacketOptions {
        slots: 4096,
        xdp,
        ..PacketOptions::default()
    };
    let generator = afpacket::open("va", options)?;
    let hairpin = afpacket::open("vb", options)?;
    let mode = hairpin.capabilities.mode;
    let counters = Counters::default();
    thread::scope(|scope| {
        let generating = scope.spawn(|| generate(generator, size, &counters));
        let turning = scope.spawn(|| turn(hairpin, &counters));
        thread::sleep(Duration::from_millis(300));
        let read = || {
            [
                &counters.offered,
                &counters.received,
                &counters.sent,
                &counters.refused,
                &counters.returned,
                &counters.core_time,
            ]
            .map(|counter| counter.load(Relaxed))
        };
        let (start, before) = (Instant::now(), read());
        thread::sleep(time);
        let (elapsed, after) = (start.elapsed().as_secs_f64(), read());
        counters.stop.store(true, Relaxed);
        let names = ["offered", "received", "sent", "refused", "returned"];
        for ((name, before), after) in names.iter().zip(before).zip(after) {
            let rate = (after - before) as f64 / elapsed / 1000.0;
            println!("{size:5} octets  {name:9} {rate:9.1} thousand frames/s");
        }
        let [_, received, .., busy] = std::array::from_fn::<_, 6, _>(|n| {
            let [before, after] = [&before, &after].map(|counts| counts.get(n).copied());
            after.unwrap_or(0) - before.unwrap_or(0)
        });
        let each = busy as f64 / received.max(1) as f64;
        println!("{size:5} octets  sent by {mode}");
        println!("{size:5} octets  core time {each:9.1} ns for each frame turned");
        for thread in [generating, turning] {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

/// Sends bursts of test frames and counts what comes back.
fn generate(mut port: Port, size: usize, counters: &Counters) -> Outcome<()> {
    pin(0)?;
    let mut bytes = vec![0; size];
    for (octet, value) in bytes
        .iter_mut()
        .zip([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xB5])
    {
        *octet = value;
    }
    let frame = TxFrame::whole(&bytes);
    while !counters.stop.load(Relaxed) {
        port.tx.send(&[frame; BURST], &mut |_, _| {});
        counters.offered.fetch_add(BURST as u64, Relaxed);
        let mut burst = ArrayVec::new();
        port.rx.receive(&mut burst)?;
        counters.returned.fetch_add(burst.len() as u64, Relaxed);
    }
    Ok(())
}

/// The thread measured.
fn turn(mut port: Port, counters: &Counters) -> Outcome<()> {
    pin(1)?;
    let mut dispatcher = Dispatcher::new();
    let mut copies = ArrayVec::<Outgoing, BURST>::new();
    while !counters.stop.load(Relaxed) {
        let started = core_time();
        let mut burst = ArrayVec::<RxFrame<'_>, BURST>::new();
        port.rx.receive(&mut burst)?;
        if burst.is_empty() {
            continue;
        }
        copies.clear();
        for (n, frame) in burst.iter().enumerate() {
            let (Ok(_), Some((addresses, _))) =
                (frame.weight(0), frame.bytes.split_first_chunk::<12>())
            else {
                continue;
            };
            let mut turned = *addresses;
            turned.rotate_left(6);
            copies.push(Outgoing {
                port: PortId(0),
                account: 0,
                frame: n as u16,
                gather: Gather::new(&turned, 12, None, frame.vlan)?,
                uncounted: 0,
                edit: packet_io::Edit::NONE,
            });
        }
        let (mut sent, mut refused) = (0, 0);
        dispatcher.send(
            &mut *port.tx,
            &port.capabilities,
            true,
            &burst,
            &copies,
            &mut |_, weight, fate| match fate {
                Ok(()) => sent += u64::from(weight.frames),
                Err(_) => refused += u64::from(weight.frames),
            },
        );
        counters.received.fetch_add(burst.len() as u64, Relaxed);
        counters.sent.fetch_add(sent, Relaxed);
        counters.refused.fetch_add(refused, Relaxed);
        let busy = core_time() - started;
        counters
            .core_time
            .fetch_add(busy.as_nanos() as u64, Relaxed);
    }
    Ok(())
}

fn pin(core: usize) -> Outcome<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

fn measure_checksum() {
    let payload = vec![0xA5; 1448];
    let rounds = 2_000_000;
    let start = core_time();
    for _ in 0..rounds {
        black_box(Sum::of(black_box(&payload)).checksum());
    }
    let each = (core_time() - start).as_nanos() as f64 / f64::from(rounds);
    println!("checksum of 1448 octets: {each:.1} ns");
}

/// Takes everything.
struct Sink;

impl Transmit for Sink {
    fn send(&mut self, frames: &[TxFrame<'_>], _refused: &mut dyn FnMut(usize, Refusal)) {
        black_box(frames);
    }
}

/// Keeps what it is given.
#[derive(Default)]
struct Kept(Vec<Vec<u8>>);

impl Transmit for Kept {
    fn send(&mut self, frames: &[TxFrame<'_>], _refused: &mut dyn FnMut(usize, Refusal)) {
        let octets = |frame: &TxFrame<'_>| frame.pieces().flatten().copied().collect();
        self.0.extend(frames.iter().map(octets));
    }
}

fn measure_merge() -> Outcome<()> {
    let bytes = oversized_bytes();
    let copy = |bytes: &[u8], frame| -> Outcome<Outgoing> {
        Ok(Outgoing {
            port: PortId(0),
            account: 0,
            frame,
            gather: Gather::new(bytes, 12, None, None)?,
            uncounted: 0,
            edit: packet_io::Edit::NONE,
        })
    };
    let mut dispatcher = Dispatcher::new();
    let [cutting, merging] = [false, true].map(|offload| Capabilities {
        mode: "sink",
        mtu: 1500,
        offload,
        long: 0,
    });
    let mut kept = Kept::default();
    let frame = oversized_frame(&bytes);
    dispatcher.send(
        &mut kept,
        &cutting,
        true,
        &[frame],
        &[copy(&bytes, 0)?],
        &mut |_, _, _| {},
    );
    let burst: ArrayVec<_, BURST> = kept
        .0
        .iter()
        .map(|bytes| RxFrame {
            bytes,
            vlan: None,
            offload: Offload::NONE,
            original_length: bytes.len() as u32,
        })
        .collect();
    let copies: Vec<_> = (0..)
        .zip(&burst)
        .map(|(n, frame)| copy(frame.bytes, n))
        .collect::<Outcome<_>>()?;
    for (what, capabilities) in [("passing", cutting), ("merging", merging)] {
        let rounds = 20_000;
        let mut segments = 0u64;
        let start = core_time();
        for _ in 0..rounds {
            dispatcher.send(
                &mut Sink,
                &capabilities,
                true,
                &burst,
                &copies,
                &mut |_, weight, _| segments += u64::from(weight.frames),
            );
        }
        let each = (core_time() - start).as_nanos() as f64 / segments as f64;
        println!("{what}: {each:.1} ns for each of {segments} segments");
    }
    Ok(())
}

/// A TCP segment of 45 times 1448 octets, its checksum unfinished.
fn oversized_bytes() -> Vec<u8> {
    const PAYLOAD: usize = 45 * 1448;
    let length = (20 + 32 + PAYLOAD) as u16;
    let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    bytes.extend([0x45, 0, (length >> 8) as u8, length as u8, 0, 0, 0x40, 0]);
    bytes.extend([64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend([0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x18]);
    bytes.extend([0; 18]);
    bytes.extend([0x5A; PAYLOAD]);
    bytes
}

fn oversized_frame(bytes: &[u8]) -> RxFrame<'_> {
    RxFrame {
        bytes,
        vlan: None,
        offload: Offload {
            checksum: Some(Checksum {
                start: 34,
                offset: 16,
            }),
            segmentation: Some(Segmentation {
                kind: SegmentationKind::Tcp4,
                size: 1448,
                ecn: false,
            }),
        },
        original_length: bytes.len() as u32,
    }
}

fn measure_cut() {
    let bytes = oversized_bytes();
    let frame = oversized_frame(&bytes);
    let Ok(gather) = Gather::new(&bytes, 12, None, None) else {
        return;
    };
    let copies = [Outgoing {
        port: PortId(0),
        account: 0,
        frame: 0,
        gather,
        uncounted: 0,
        edit: packet_io::Edit::NONE,
    }];
    let mut dispatcher = Dispatcher::new();
    for offload in [false, true] {
        let capabilities = Capabilities {
            mode: "sink",
            mtu: 1500,
            offload,
            long: 0,
        };
        let what = if offload {
            "passing whole"
        } else {
            "cutting and finishing"
        };
        let rounds = 20_000;
        let mut segments = 0u64;
        let start = core_time();
        for _ in 0..rounds {
            dispatcher.send(
                &mut Sink,
                &capabilities,
                true,
                &[frame],
                &copies,
                &mut |_, weight, _| segments += u64::from(weight.frames),
            );
        }
        let each = (core_time() - start).as_nanos() as f64 / segments as f64;
        println!("{what}: {each:.1} ns for each of {segments} segments");
    }
    let start = core_time();
    let rounds = 10_000_000;
    for _ in 0..rounds {
        let _ = black_box(black_box(&frame).weight(0));
    }
    let each = (core_time() - start).as_nanos() as f64 / f64::from(rounds);
    println!("weighing an oversized frame: {each:.1} ns");
}
