//! Sending by AF_XDP against the kernel, and against packet sockets: over veth pairs in namespaces.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use packet_io::afpacket::{PacketOptions, open};
use packet_io::{BURST, Port, Refusal, TxFrame};
use support::{Namespace, frame, privileged, receive, receive_exactly, wait_for};

/// Ports on both ends of a veth pair; the second one's options are given.
fn pair(namespace: &Namespace, options: PacketOptions) -> (Port, Port) {
    namespace.add_veth("va", "vb", 1500);
    namespace.set_up("va", true);
    namespace.set_up("vb", true);
    namespace.run(move || {
        (
            open("va", PacketOptions::default()).unwrap(),
            open("vb", options).unwrap(),
        )
    })
}

/// Sends a burst; which frames were refused, and why.
fn burst(port: &mut Port, frames: &[Vec<u8>]) -> Vec<(usize, Refusal)> {
    let frames: Vec<_> = frames.iter().map(|bytes| TxFrame::whole(bytes)).collect();
    let mut refused = Vec::new();
    port.tx
        .send(&frames, &mut |index, why| refused.push((index, why)));
    refused
}

#[test]
fn every_frame_arrives_once_and_in_order_by_either_way_of_sending() {
    privileged(|| {
        for xdp in [true, false] {
            let namespace = Namespace::new();
            let options = PacketOptions {
                xdp,
                ..PacketOptions::default()
            };
            let (mut a, mut b) = pair(&namespace, options);
            assert_eq!(b.capabilities.mode.contains("af_xdp"), xdp);
            for round in 0..50 {
                let frames: Vec<_> = (0..BURST)
                    .map(|n| frame(14 + (round * 30 + n * 23) % 1501, n as u8))
                    .collect();
                assert_eq!(burst(&mut b, &frames), []);
                let seen = receive_exactly(&mut a, BURST);
                assert!(
                    seen.iter()
                        .zip(&frames)
                        .all(|(seen, sent)| seen.bytes == *sent)
                );
            }
        }
    });
}

#[test]
fn a_frame_made_of_pieces_arrives_in_one() {
    privileged(|| {
        let namespace = Namespace::new();
        let (mut a, mut b) = pair(&namespace, PacketOptions::default());
        let whole = frame(300, 5);
        let payloads = [&whole[30..40], &whole[40..]];
        let pieces = TxFrame {
            parts: [&whole[..12], &[], &whole[12..30]],
            more: &payloads,
            ..TxFrame::whole(&[])
        };
        b.tx.send(&[pieces], &mut |_, why| panic!("{why:?}"));
        assert_eq!(receive_exactly(&mut a, 1)[0].bytes, whole);
    });
}

#[test]
fn a_frame_refused_while_the_device_was_down_is_never_sent_later() {
    privileged(|| {
        let namespace = Namespace::new();
        let (mut a, mut b) = pair(&namespace, PacketOptions::default());
        for _ in 0..3 {
            namespace.set_up("vb", false);
            wait_for("b to be down", || receive(&mut b).is_err());
            // More than the rings and the chunks hold.
            for round in 0..20 {
                let frames: Vec<_> = (0..BURST).map(|_| frame(60, round)).collect();
                let refused = burst(&mut b, &frames);
                let expected: Vec<_> = (0..BURST).map(|index| (index, Refusal::Down)).collect();
                assert_eq!(refused, expected);
            }
            namespace.set_up("vb", true);
            wait_for("b to be up", || receive(&mut b).is_ok());
            let frames: Vec<_> = (0..BURST).map(|n| frame(100, n as u8)).collect();
            for _ in 0..10 {
                assert_eq!(burst(&mut b, &frames), []);
                let seen = receive_exactly(&mut a, BURST);
                assert!(
                    seen.iter()
                        .zip(&frames)
                        .all(|(seen, sent)| seen.bytes == *sent)
                );
            }
        }
    });
}

#[test]
fn what_the_device_drops_is_refused_frame_by_frame() {
    privileged(|| {
        let namespace = Namespace::new();
        let (mut a, mut b) = pair(&namespace, PacketOptions::default());
        let frames: Vec<_> = (0..BURST).map(|n| frame(60, n as u8)).collect();
        // b is up and has no carrier.
        namespace.set_up("va", false);
        for _ in 0..10 {
            let refused = burst(&mut b, &frames);
            let expected: Vec<_> = (0..BURST).map(|index| (index, Refusal::Full)).collect();
            assert_eq!(refused, expected);
        }
        namespace.set_up("va", true);
        wait_for("a to be up", || receive(&mut a).is_ok());
        wait_for("the carrier", || burst(&mut b, &frames[..1]).is_empty());
        wait_for("that frame", || !receive(&mut a).unwrap().is_empty());
        assert_eq!(burst(&mut b, &frames), []);
        receive_exactly(&mut a, BURST);
    });
}
