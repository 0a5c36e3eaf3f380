//! AF_PACKET against the kernel: in namespaces, over veth pairs.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use packet_io::afpacket::{Listener, OpenError, PacketOptions, open};
use packet_io::{Port, PortError, Refusal};
use support::{Namespace, frame, privileged, receive, receive_exactly, send, wait_for};

/// Ports on both ends of a veth pair.
fn pair(namespace: &Namespace, mtu: u32, options: PacketOptions) -> (Port, Port) {
    namespace.add_veth("va", "vb", mtu);
    namespace.set_up("va", true);
    namespace.set_up("vb", true);
    namespace.run(move || {
        (
            open("va", PacketOptions::default()).unwrap(),
            open("vb", options).unwrap(),
        )
    })
}

#[test]
fn what_is_sent_arrives_octet_for_octet() {
    privileged(|| {
        let namespace = Namespace::new();
        let (mut a, mut b) = pair(&namespace, 1500, PacketOptions::default());
        for length in [14, 60, 64, 1000, 1514] {
            send(&mut a, &frame(length, 7)).unwrap();
            let seen = receive_exactly(&mut b, 1);
            assert_eq!(seen[0].bytes, frame(length, 7));
            assert_eq!(seen[0].original_length as usize, length);
            assert!(seen[0].vlan.is_none() && seen[0].offload.is_none());
        }
        assert!(receive(&mut a).unwrap().is_empty(), "own frames were seen");
        assert_eq!(send(&mut a, &frame(1519, 7)), Err(Refusal::TooBig));
    });
}

#[test]
fn an_outer_vlan_tag_arrives_in_metadata() {
    privileged(|| {
        let namespace = Namespace::new();
        let (mut a, mut b) = pair(&namespace, 1500, PacketOptions::default());
        for tpid in [0x8100u16, 0x88A8] {
            let mut bytes = frame(104, 7);
            let inner = [0x81, 0x00, 0x00, 0x09];
            bytes.splice(12..12, inner);
            bytes.splice(12..12, [(tpid >> 8) as u8, tpid as u8, 0x60, 0x64]);
            send(&mut a, &bytes).unwrap();
            let seen = receive_exactly(&mut b, 1);
            let tag = niv::VlanTag { tpid, tci: 0x6064 };
            assert_eq!(seen[0].vlan, Some(tag));
            bytes.drain(12..16);
            assert_eq!(seen[0].bytes, bytes, "the inner tag stays where it was");
        }
    });
}

#[test]
fn a_ring_that_overflows_is_told_by_the_kernel() {
    privileged(|| {
        let namespace = Namespace::new();
        let options = PacketOptions {
            slots: 128,
            ..PacketOptions::default()
        };
        let (mut a, mut b) = pair(&namespace, 1500, options);
        let sent = 1000;
        for n in 0..sent {
            send(&mut a, &frame(60, n as u8)).unwrap();
        }
        wait_for("all frames to be accounted for", || {
            let stats = b.rx.stats();
            stats.buffers + stats.dropped == sent
        });
        let stats = b.rx.stats();
        assert!(stats.dropped > 0);
        let mut received = 0;
        loop {
            let burst = receive(&mut b).unwrap();
            if burst.is_empty() {
                break;
            }
            for seen in burst {
                assert_eq!(seen.bytes, frame(60, received as u8), "the first ones stay");
                received += 1;
            }
        }
        assert_eq!(received, stats.buffers);
        assert_eq!(b.rx.stats(), stats, "reading is not receiving");
        send(&mut a, &frame(60, 1)).unwrap();
        receive_exactly(&mut b, 1);
    });
}

#[test]
fn frames_longer_than_a_slot_arrive_whole_and_in_order() {
    privileged(|| {
        let namespace = Namespace::new();
        let options = PacketOptions {
            slots: 1024,
            slot_size: Some(512),
            ..PacketOptions::default()
        };
        let (mut a, mut b) = pair(&namespace, 60_000, options);
        let lengths = [60, 60_014, 100, 400, 420, 440, 9000, 60_000, 60, 50_000];
        let mut expected = Vec::new();
        for round in 0..20 {
            for length in lengths {
                let bytes = frame(length, round);
                send(&mut a, &bytes).unwrap();
                expected.push(bytes);
            }
            let seen = receive_exactly(&mut b, lengths.len());
            for (seen, expected) in seen.iter().zip(expected.drain(..)) {
                assert!(seen.bytes == expected, "{} octets", expected.len());
            }
        }
    });
}

#[test]
fn a_frame_the_kernel_could_not_keep_whole_is_lent_cut() {
    privileged(|| {
        let namespace = Namespace::new();
        let options = PacketOptions {
            slot_size: Some(512),
            ..PacketOptions::default()
        };
        let (mut a, mut b) = pair(&namespace, 60_000, options);
        let sent = 900;
        for _ in 0..sent {
            send(&mut a, &frame(60_000, 3)).unwrap();
        }
        let seen = receive_exactly(&mut b, sent);
        let (whole, cut): (Vec<_>, Vec<_>) = seen
            .iter()
            .partition(|seen| seen.bytes.len() == seen.original_length as usize);
        assert!(!whole.is_empty() && !cut.is_empty());
        for seen in whole.iter().chain(&cut) {
            assert_eq!(seen.original_length, 60_000);
            assert_eq!(seen.bytes, frame(60_000, 3)[..seen.bytes.len()]);
        }
    });
}

#[test]
fn a_device_that_comes_up_again_delivers_again() {
    privileged(|| {
        let namespace = Namespace::new();
        let (mut a, mut b) = pair(&namespace, 1500, PacketOptions::default());
        for _ in 0..2 {
            namespace.set_up("vb", false);
            wait_for("b to be down", || {
                matches!(receive(&mut b), Err(PortError::Down))
            });
            assert!(matches!(receive(&mut b), Err(PortError::Down)));
            assert_eq!(send(&mut b, &frame(60, 1)), Err(Refusal::Down));
            namespace.set_up("vb", true);
            wait_for("b to be up", || receive(&mut b).is_ok());
            send(&mut a, &frame(60, 1)).unwrap();
            send(&mut b, &frame(60, 1)).unwrap();
            receive_exactly(&mut b, 1);
            receive_exactly(&mut a, 1);
        }
        namespace.delete("vb");
        wait_for("b to be gone", || {
            matches!(receive(&mut b), Err(PortError::Gone))
        });
        assert!(matches!(receive(&mut b), Err(PortError::Gone)));
        assert_eq!(send(&mut b, &frame(60, 1)), Err(Refusal::Down));
    });
}

#[test]
fn a_device_that_is_down_can_be_opened() {
    privileged(|| {
        let namespace = Namespace::new();
        namespace.add_veth("va", "vb", 1500);
        let mut b = namespace.run(|| open("vb", PacketOptions::default()).unwrap());
        assert!(matches!(receive(&mut b), Err(PortError::Down)));
        namespace.set_up("va", true);
        namespace.set_up("vb", true);
        let mut a = namespace.run(|| open("va", PacketOptions::default()).unwrap());
        send(&mut a, &frame(60, 1)).unwrap();
        receive_exactly(&mut b, 1);
    });
}

#[test]
fn what_cannot_be_opened_says_why() {
    privileged(|| {
        let namespace = Namespace::new();
        let (nobody, loopback, odd) = namespace.run(|| {
            let options = PacketOptions::default();
            let odd = PacketOptions {
                slot_size: Some(1000),
                ..options
            };
            (
                open("nobody", options).err(),
                open("lo", options).err(),
                open("lo", odd).err(),
            )
        });
        assert!(matches!(nobody, Some(OpenError::NoDevice { .. })));
        assert!(nobody.unwrap().to_string().contains("ip link"));
        assert!(matches!(loopback, Some(OpenError::NotEthernet { .. })));
        assert!(matches!(odd, Some(OpenError::NotEthernet { .. })));
    });
}

#[test]
fn a_listener_hears_what_the_kernel_sends_and_what_comes() {
    privileged(|| {
        let namespace = Namespace::new();
        namespace.add_veth("va", "vb", 1500);
        namespace.add_address("va", 1);
        let (mut sender, mut deaf, mut receiver) = namespace.run(|| {
            let listen = |device, outgoing| Listener::open(device, outgoing).unwrap();
            (listen("va", true), listen("va", false), listen("vb", false))
        });
        namespace.set_up("va", true);
        namespace.set_up("vb", true);
        let since_1970 = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let before = since_1970();
        // Nobody has the address: the kernel asks for it by ARP.
        namespace.run(|| {
            let socket = std::net::UdpSocket::bind("10.0.0.1:0").unwrap();
            socket.send_to(b"anybody?", "10.0.0.2:9").unwrap();
        });
        let mut sent = Vec::new();
        for (listener, outgoing) in [(&mut sender, true), (&mut receiver, false)] {
            wait_for("the question to be heard", || {
                let Some(heard) = listener.hear().unwrap() else {
                    return false;
                };
                assert_eq!(heard.outgoing, outgoing);
                assert_eq!(heard.original_length as usize, heard.bytes.len());
                assert!((before..=since_1970()).contains(&heard.time));
                sent.push(heard.bytes.to_vec());
                true
            });
            assert_eq!(listener.take_missed().unwrap(), 0);
        }
        assert_eq!(sent[0][12..14], [0x08, 0x06]);
        assert_eq!(sent[0], sent[1]);
        assert!(deaf.hear().unwrap().is_none(), "own frames were heard");
        namespace.delete("va");
        assert!(matches!(receiver.hear(), Err(PortError::Gone)));
    });
}
