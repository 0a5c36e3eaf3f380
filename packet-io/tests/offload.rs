//! The kernel's own TCP, through two ports and the dispatcher: what is left undone is passed on or finished,
//! and the receiving kernel judges.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use arrayvec::ArrayVec;
use niv::{Gather, PortId, Weight};
use packet_io::afpacket::{PacketOptions, open};
use packet_io::dispatch::{Dispatcher, Outgoing};
use packet_io::{
    BURST, Capabilities, Checksum, Offload, Port, Refusal, Segmentation, SegmentationKind,
    Transmit, TxFrame, tap,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use support::{Namespace, no_tap, privileged};

const OCTETS: usize = 4 << 20;

#[derive(Default, Debug)]
struct Passed {
    buffers: u64,
    oversized: u64,
    unfinished: u64,
    frames: u64,
    sent: u64,
    refused: u64,
}

/// Passes one burst from `from` to `to`.
fn pass(
    from: &mut Port,
    to: &mut Port,
    capabilities: &Capabilities,
    dispatcher: &mut Dispatcher,
    passed: &mut Passed,
) {
    let mut burst = ArrayVec::new();
    from.rx.receive(&mut burst).unwrap();
    let mut copies = ArrayVec::<Outgoing, BURST>::new();
    for (n, frame) in burst.iter().enumerate() {
        assert_eq!(frame.original_length as usize, frame.bytes.len());
        let weight = frame.weight(0).unwrap();
        passed.buffers += 1;
        passed.oversized += u64::from(frame.offload.segmentation.is_some());
        passed.unfinished += u64::from(frame.offload.checksum.is_some());
        passed.frames += u64::from(weight.frames);
        copies.push(Outgoing {
            port: PortId(0),
            account: 0,
            frame: n as u16,
            gather: Gather::new(frame.bytes, 12, None, frame.vlan).unwrap(),
            uncounted: 0,
            edit: packet_io::Edit::NONE,
        });
    }
    let mut done = |_: &Outgoing, weight: Weight, fate: Result<(), niv::DropReason>| {
        match fate {
            Ok(()) => passed.sent += u64::from(weight.frames),
            Err(_) => passed.refused += u64::from(weight.frames),
        };
    };
    dispatcher.send(&mut *to.tx, capabilities, true, &burst, &copies, &mut done);
}

/// Sends 4 MiB by TCP from one namespace to another, through `left` and `right`.
fn transfer(
    client: &Namespace,
    server: &Namespace,
    mut left: Port,
    mut right: Port,
    offload: bool,
) -> Passed {
    let listener = server.run(|| TcpListener::bind("10.0.0.2:2000").unwrap());
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).unwrap();
        octets
    });
    let over = Arc::new(AtomicBool::new(false));
    let stop = over.clone();
    let worker = std::thread::spawn(move || {
        let mut dispatcher = Dispatcher::new();
        let (mut there, mut back) = (Passed::default(), Passed::default());
        let cap = |port: &Port| Capabilities {
            offload,
            ..port.capabilities
        };
        let (left_cap, right_cap) = (cap(&left), cap(&right));
        while !stop.load(Ordering::Relaxed) {
            pass(
                &mut left,
                &mut right,
                &right_cap,
                &mut dispatcher,
                &mut there,
            );
            pass(&mut right, &mut left, &left_cap, &mut dispatcher, &mut back);
            std::thread::yield_now();
        }
        there
    });
    let pattern: Vec<u8> = (0..OCTETS).map(|n| (n / 7) as u8).collect();
    let sent = pattern.clone();
    client.run(move || {
        let mut stream = TcpStream::connect("10.0.0.2:2000").unwrap();
        stream.write_all(&sent).unwrap();
    });
    assert!(receiver.join().unwrap() == pattern);
    over.store(true, Ordering::Relaxed);
    worker.join().unwrap()
}

/// Counts the frames on their way to a device.
struct Counting {
    tx: Box<dyn Transmit>,
    frames: Arc<AtomicU64>,
}

impl Transmit for Counting {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        self.frames
            .fetch_add(frames.len() as u64, Ordering::Relaxed);
        self.tx.send(frames, refused);
    }
}

/// Checksum errors the namespace's TCP has seen.
fn checksum_errors(namespace: &Namespace) -> u64 {
    namespace.run(|| {
        let text = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
        let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let at = names
            .split(' ')
            .position(|name| name == "InCsumErrors")
            .unwrap();
        values.split(' ').nth(at).unwrap().parse().unwrap()
    })
}

struct Lab {
    client: Namespace,
    middle: Namespace,
    server: Namespace,
}

/// A client on one veth, a server on another; the other ends in the middle.
fn lab() -> Lab {
    let (client, middle, server) = (Namespace::new(), Namespace::new(), Namespace::new());
    for (namespace, name, address) in [(&client, "vl", 1), (&server, "vr", 2)] {
        middle.add_veth_to(namespace, name, "v0");
        middle.set_up(name, true);
        namespace.add_address("v0", address);
        namespace.set_up("v0", true);
    }
    Lab {
        client,
        middle,
        server,
    }
}

fn transfer_over_veth(offload: bool) {
    let lab = lab();
    let (left, right) = lab.middle.run(|| {
        let options = PacketOptions::default();
        (open("vl", options).unwrap(), open("vr", options).unwrap())
    });
    let passed = transfer(&lab.client, &lab.server, left, right, offload);
    println!("offload {offload}: {passed:?}");
    assert_eq!(checksum_errors(&lab.server), 0);
    assert_eq!(checksum_errors(&lab.client), 0);
    assert!(passed.oversized > 0 && passed.unfinished >= passed.oversized);
    assert!(passed.frames > passed.buffers);
    assert_eq!(passed.frames, passed.sent + passed.refused);
}

#[test]
fn oversized_frames_pass_whole_between_devices_that_take_them() {
    privileged(|| {
        transfer_over_veth(true);
    });
}

#[test]
fn oversized_frames_are_cut_and_finished_for_a_device_that_does_not() {
    privileged(|| {
        transfer_over_veth(false);
    });
}

/// The way of a guest's frames: cut and finished for the link, merged for the guest they go to. Here the link is a
/// second pair of devices, over which nothing goes unfinished.
#[test]
fn segments_that_crossed_a_link_are_merged_for_the_device_they_go_to() {
    privileged(|| {
        let lab = lab();
        lab.middle.add_veth("near", "far", 1500);
        lab.middle.set_up("near", true);
        lab.middle.set_up("far", true);
        let [left, near, far, mut right] = ["vl", "near", "far", "vr"].map(|name| {
            lab.middle.run(|| {
                let options = PacketOptions {
                    slots: 4096,
                    ..PacketOptions::default()
                };
                open(name, options).unwrap()
            })
        });
        let frames = Arc::new(AtomicU64::new(0));
        right.tx = Box::new(Counting {
            tx: right.tx,
            frames: frames.clone(),
        });
        let over = Arc::new(AtomicBool::new(false));
        let stop = over.clone();
        let last = std::thread::spawn(move || {
            let (mut far, mut right) = (far, right);
            let (far_cap, right_cap) = (
                Capabilities {
                    offload: false,
                    ..far.capabilities
                },
                right.capabilities,
            );
            let mut dispatcher = Dispatcher::new();
            let (mut there, mut back) = (Passed::default(), Passed::default());
            while !stop.load(Ordering::Relaxed) {
                pass(
                    &mut far,
                    &mut right,
                    &right_cap,
                    &mut dispatcher,
                    &mut there,
                );
                pass(&mut right, &mut far, &far_cap, &mut dispatcher, &mut back);
                std::thread::yield_now();
            }
            there
        });
        let first = transfer(&lab.client, &lab.server, left, near, false);
        over.store(true, Ordering::Relaxed);
        let last = last.join().unwrap();
        let handed = frames.load(Ordering::Relaxed);
        println!("{first:?}\n{last:?}, in {handed} frames");
        assert!(first.oversized > 0 && last.oversized == 0 && last.unfinished == 0);
        assert!(last.buffers > OCTETS as u64 / 1448);
        assert!(handed * 2 < last.buffers);
        assert_eq!(last.frames, last.sent + last.refused);
        assert_eq!(checksum_errors(&lab.server), 0);
        assert_eq!(checksum_errors(&lab.client), 0);
    });
}

#[test]
fn oversized_frames_pass_whole_into_a_tap_and_out_of_it() {
    privileged(|| {
        if no_tap() {
            return;
        }
        let lab = lab();
        lab.client.delete("v0");
        let left = lab.client.run(|| tap::open("t0").unwrap());
        lab.client.add_address("t0", 1);
        lab.client.set_up("t0", true);
        let right = lab
            .middle
            .run(|| open("vr", PacketOptions::default()).unwrap());
        let passed = transfer(&lab.client, &lab.server, left.port, right, true);
        println!("{passed:?}");
        assert!(passed.oversized > 0);
        assert_eq!(checksum_errors(&lab.server), 0);
    });
}

/// A TCP frame with `payload` octets, behind a VNTag if asked for.
fn tcp_frame(tagged: bool, payload: usize) -> (Vec<u8>, Checksum) {
    let mut bytes = vec![255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1];
    if tagged {
        bytes.extend([0x89, 0x26, 0, 0, 0, 5]);
    }
    let length = (40 + payload) as u16;
    bytes.extend([8, 0, 0x45, 0, (length >> 8) as u8, length as u8]);
    bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let start = bytes.len() as u16;
    bytes.extend([0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x18, 0, 0]);
    bytes.extend(vec![0; 4 + payload]);
    (bytes, Checksum { start, offset: 16 })
}

/// Why the dispatcher cuts oversized frames that carry a VNTag, and leaves their checksums to the device.
#[test]
fn the_kernel_takes_an_unfinished_checksum_behind_a_vntag_but_no_oversized_frame() {
    privileged(|| {
        let namespace = Namespace::new();
        namespace.add_veth("va", "vb", 1500);
        namespace.set_up("va", true);
        namespace.set_up("vb", true);
        let (mut a, mut b) = namespace.run(|| {
            let options = PacketOptions::default();
            (open("va", options).unwrap(), open("vb", options).unwrap())
        });
        for tagged in [false, true] {
            for oversized in [false, true] {
                let (bytes, checksum) = tcp_frame(tagged, if oversized { 20_000 } else { 1000 });
                let offload = Offload {
                    checksum: Some(checksum),
                    segmentation: oversized.then_some(Segmentation {
                        kind: SegmentationKind::Tcp4,
                        size: 1000,
                        ecn: false,
                    }),
                };
                let frame = TxFrame {
                    parts: [&bytes, &[], &[]],
                    more: &[],
                    offload,
                };
                let mut refusal = None;
                a.tx.send(&[frame], &mut |_, why| refusal = Some(why));
                let seen = support::receive(&mut b).unwrap();
                if tagged && oversized {
                    assert!(refusal.is_some() && seen.is_empty());
                } else {
                    assert_eq!(refusal, None);
                    assert_eq!(seen.len(), 1);
                    assert_eq!((&seen[0].bytes, seen[0].offload), (&bytes, offload));
                }
            }
        }
    });
}
