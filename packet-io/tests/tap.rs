//! TAP against the kernel, in namespaces.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use niv::Mac;
use packet_io::tap::{self, TapError};
use packet_io::{PortError, Refusal};
use std::net::UdpSocket;
use support::{Namespace, frame, no_tap, privileged, receive, send, wait_for};

#[test]
fn a_tap_outlives_its_descriptor_and_is_adopted() {
    privileged(|| {
        if no_tap() {
            return;
        }
        let namespace = Namespace::new();
        drop(namespace.run(|| tap::open("t0").unwrap()));
        let before = namespace.shown("t0").unwrap().index;
        namespace.ask(async |links| links.set_mtu(before, 1400).await.unwrap());
        namespace.set_up("t0", true);
        let mut tap = namespace.run(|| tap::open("t0").unwrap());
        assert_eq!(tap.port.capabilities.mtu, 1400);
        assert_eq!(namespace.shown("t0").unwrap().index, before);
        send(&mut tap.port, &frame(60, 1)).unwrap();

        let busy = namespace.run(|| tap::open("t0").err());
        assert!(matches!(busy, Some(TapError::Busy { .. })), "{busy:?}");
        drop(tap);
        namespace.run(|| tap::remove("t0").unwrap());
        assert_eq!(namespace.shown("t0"), None);
    });
}

#[test]
fn a_tap_that_is_to_go_goes_with_its_descriptor() {
    privileged(|| {
        if no_tap() {
            return;
        }
        let namespace = Namespace::new();
        let tap = namespace.run(|| tap::open("t0").unwrap());
        tap.control.remove_when_closed().unwrap();
        assert!(namespace.shown("t0").is_some());
        drop(tap);
        assert_eq!(namespace.shown("t0"), None);
    });
}

#[test]
fn the_carrier_is_seen_on_the_other_side() {
    privileged(|| {
        if no_tap() {
            return;
        }
        let namespace = Namespace::new();
        let tap = namespace.run(|| tap::open("t0").unwrap());
        namespace.set_up("t0", true);
        for up in [false, true, false] {
            tap.control.set_carrier(up).unwrap();
            wait_for("the carrier", || {
                namespace.shown("t0").unwrap().carrier == up
            });
        }
    });
}

#[test]
fn frames_go_both_ways_with_their_unfinished_checksums() {
    privileged(|| {
        if no_tap() {
            return;
        }
        let namespace = Namespace::new();
        let mut tap = namespace.run(|| tap::open("t0").unwrap());
        assert!(tap.port.capabilities.offload);
        assert_eq!(send(&mut tap.port, &frame(60, 1)), Err(Refusal::Down));
        namespace.add_address("t0", 1);
        namespace.set_up("t0", true);
        let device = namespace.shown("t0").unwrap();
        namespace.ask(async |links| {
            let (address, mac) = ([10, 0, 0, 2].into(), Mac([2, 0, 0, 0, 0, 2]));
            links
                .set_neighbour(device.index, address, mac)
                .await
                .unwrap();
        });
        let socket = namespace.run(|| {
            let socket = UdpSocket::bind("10.0.0.1:1000").unwrap();
            socket.send_to(&[5; 100], "10.0.0.2:2000").unwrap();
            socket
        });
        let mut seen = Vec::new();
        wait_for("the datagram", || {
            seen.extend(receive(&mut tap.port).unwrap());
            seen.retain(|seen| seen.bytes[12..14] == [8, 0]);
            !seen.is_empty()
        });
        let checksum = seen[0].offload.checksum.unwrap();
        assert_eq!((checksum.start, checksum.offset), (34, 6));
        assert_eq!(seen[0].bytes.len(), 142);

        // Sent back with addresses and ports exchanged, the sum of the pseudo-header stays as it was, and
        // the kernel believes the metadata.
        let mut back = seen[0].bytes.clone();
        back[..6].copy_from_slice(&device.mac.unwrap().0);
        for n in 26..30 {
            back.swap(n, n + 4);
        }
        back.swap(34, 36);
        back.swap(35, 37);
        let frame = packet_io::TxFrame {
            parts: [&back[..20], &back[20..], &[]],
            more: &[],
            offload: seen[0].offload,
        };
        tap.port
            .tx
            .send(&[frame], &mut |_, why| unreachable!("{why:?}"));
        let mut buffer = [0; 200];
        socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(buffer[..length], [5; 100]);
        assert_eq!(from.to_string(), "10.0.0.2:2000");

        namespace.delete("t0");
        wait_for("the device to be gone", || {
            matches!(receive(&mut tap.port), Err(PortError::Gone))
        });
    });
}

#[test]
fn what_cannot_be_opened_as_a_tap_says_why() {
    privileged(|| {
        if no_tap() {
            return;
        }
        let namespace = Namespace::new();
        namespace.add_veth("va", "vb", 1500);
        for (name, expected) in [("", "not a name"), ("a/b", "not a name"), ("va", "adopted")] {
            let error = namespace.run(move || tap::open(name).err()).unwrap();
            assert!(error.to_string().contains(expected), "{error}");
        }
    });
}
