//! TAP against the kernel, in namespaces.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use packet_io::tap::{self, TapError};
use packet_io::{PortError, Refusal};
use std::net::UdpSocket;
use std::process::Command;
use support::{Namespace, frame, receive, send, wait_for};

/// `ip -o link show t0`, empty if there is none.
fn shown(namespace: &Namespace) -> String {
    namespace.run(|| {
        let output = Command::new("ip")
            .args(["-o", "link", "show", "t0"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    })
}

#[test]
fn a_tap_outlives_its_descriptor_and_is_adopted() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    drop(namespace.run(|| tap::open("t0").unwrap()));
    namespace.ip("link set t0 mtu 1400 up");
    let before = shown(&namespace);
    let mut tap = namespace.run(|| tap::open("t0").unwrap());
    assert_eq!(tap.port.capabilities.mtu, 1400);
    let index = |text: &str| text.split(':').next().unwrap().to_owned();
    assert_eq!(index(&shown(&namespace)), index(&before));
    send(&mut tap.port, &frame(60, 1)).unwrap();

    let busy = namespace.run(|| tap::open("t0").err());
    assert!(matches!(busy, Some(TapError::Busy { .. })), "{busy:?}");
    drop(tap);
    namespace.run(|| tap::remove("t0").unwrap());
    assert_eq!(shown(&namespace), "");
}

#[test]
fn a_tap_that_is_to_go_goes_with_its_descriptor() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let tap = namespace.run(|| tap::open("t0").unwrap());
    tap.control.remove_when_closed().unwrap();
    assert_ne!(shown(&namespace), "");
    drop(tap);
    assert_eq!(shown(&namespace), "");
}

#[test]
fn the_carrier_is_seen_on_the_other_side() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let tap = namespace.run(|| tap::open("t0").unwrap());
    namespace.ip("link set t0 up");
    for up in [false, true, false] {
        tap.control.set_carrier(up).unwrap();
        wait_for("the carrier", || {
            shown(&namespace).contains("NO-CARRIER") != up
        });
    }
}

#[test]
fn frames_go_both_ways_with_their_unfinished_checksums() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let mut tap = namespace.run(|| tap::open("t0").unwrap());
    assert!(tap.port.capabilities.offload);
    assert_eq!(send(&mut tap.port, &frame(60, 1)), Err(Refusal::Down));
    namespace.ip("addr add 10.0.0.1/24 dev t0");
    namespace.ip("link set t0 up");
    namespace.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev t0 nud permanent");
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
    let device = shown(&namespace);
    let mac = device.split("link/ether ").nth(1).unwrap();
    for (octet, text) in back.iter_mut().zip(mac[..17].split(':')) {
        *octet = u8::from_str_radix(text, 16).unwrap();
    }
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

    namespace.ip("link del t0");
    wait_for("the device to be gone", || {
        matches!(receive(&mut tap.port), Err(PortError::Gone))
    });
}

#[test]
fn what_cannot_be_opened_says_why() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.ip("link add va type veth peer name vb");
    for (name, expected) in [("", "not a name"), ("a/b", "not a name"), ("va", "adopted")] {
        let error = namespace.run(move || tap::open(name).err()).unwrap();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
