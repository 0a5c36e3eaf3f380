pub(crate) use super::super::checksum::tests::naive;
use super::*;
use crate::{Offload, RxFrame};
use etherparse::{IpFragOffset, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

/// An oversized frame as a kernel hands it over: lengths of the whole, checksum unfinished.
#[derive(Clone, Debug)]
pub(crate) struct Super {
    pub(crate) bytes: Vec<u8>,
    pub(crate) offload: Offload,
    pub(crate) payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) ipv6: bool,
    pub(crate) udp: bool,
    pub(crate) vlans: usize,
    pub(crate) size: u16,
}

pub(crate) fn oversized(shape: Shape, payload: Vec<u8>) -> Super {
    let ethernet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let ip = if shape.ipv6 {
        ethernet.ipv6([1; 16], [9; 16], 64)
    } else {
        ethernet.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
    };
    let mut bytes = Vec::new();
    let header = if shape.udp {
        ip.udp(1000, 2000).write(&mut bytes, &payload).unwrap();
        8
    } else {
        let mut tcp = etherparse::TcpHeader::new(1000, 2000, 0xFFFF_FF00, 77);
        (tcp.fin, tcp.psh, tcp.ack, tcp.cwr) = (true, true, true, true);
        tcp.set_options(&[
            etherparse::TcpOptionElement::Noop,
            etherparse::TcpOptionElement::Noop,
            etherparse::TcpOptionElement::Timestamp(5, 6),
        ])
        .unwrap();
        ip.tcp_header(tcp).write(&mut bytes, &payload).unwrap();
        32
    };
    for _ in 0..shape.vlans {
        bytes.splice(12..12, [0x81, 0, 0, 7]);
    }
    let start = bytes.len() - payload.len() - header;
    let kind = match (shape.udp, shape.ipv6) {
        (true, _) => SegmentationKind::Udp,
        (false, false) => SegmentationKind::Tcp4,
        (false, true) => SegmentationKind::Tcp6,
    };
    Super {
        bytes,
        payload,
        offload: Offload {
            checksum: Some(Checksum {
                start: start as u16,
                offset: if shape.udp { 6 } else { 16 },
            }),
            segmentation: Some(Segmentation {
                kind,
                size: shape.size,
                ecn: true,
            }),
        },
    }
}

impl Super {
    pub(crate) fn frame(&self) -> RxFrame<'_> {
        RxFrame {
            bytes: &self.bytes,
            vlan: None,
            offload: self.offload,
            original_length: self.bytes.len() as u32,
        }
    }

    fn segments(&self, head: &[u8], skip: usize, finish: bool) -> Vec<Vec<u8>> {
        let layout = Layout::parse(&self.bytes, 12).unwrap();
        layout
            .check(&self.bytes, self.bytes.len(), &self.offload)
            .unwrap();
        let segmentation = self.offload.segmentation.unwrap();
        let mut segments =
            Segments::new(&self.bytes, &layout, segmentation, head, skip, finish).unwrap();
        let mut room = [0; HEADER_ROOM];
        let mut frames = Vec::new();
        while let Some(segment) = segments.next(&mut room) {
            let mut frame = [&room[..segment.header], segment.payload].concat();
            if let Some(checksum) = segment.checksum {
                let (at, sum) = super::super::finish(&frame, checksum).unwrap();
                frame[at..at + 2].copy_from_slice(&sum);
            }
            frames.push(frame);
        }
        frames
    }
}

/// Checks one wire frame with routines that share nothing with those under test, and returns its
/// payload.
pub(crate) fn judged(frame: &[u8]) -> Vec<u8> {
    // The oracle looks behind three VLAN tags only.
    let mut frame = frame.to_vec();
    while frame[12..14] == [0x81, 0] {
        frame.drain(12..16);
    }
    let packet = SlicedPacket::from_ethernet(&frame).unwrap();
    let (pseudo, segment) = match packet.net.as_ref().unwrap() {
        NetSlice::Ipv4(ip) => {
            assert_eq!(naive(ip.header().slice()), 0, "IPv4 header checksum");
            assert_eq!(ip.header().fragments_offset(), IpFragOffset::ZERO);
            let addresses = [ip.header().source(), ip.header().destination()].concat();
            (addresses, ip.payload())
        }
        NetSlice::Ipv6(ip) => {
            let addresses = [ip.header().source(), ip.header().destination()].concat();
            (addresses, ip.payload())
        }
        NetSlice::Arp(_) => panic!("ARP"),
    };
    let length = segment.payload.len() as u32;
    let pseudo = [
        &pseudo[..],
        &length.to_be_bytes(),
        &[0, 0, 0, segment.ip_number.0],
        segment.payload,
    ]
    .concat();
    assert_eq!(naive(&pseudo), 0, "transport checksum");
    match packet.transport.unwrap() {
        TransportSlice::Tcp(tcp) => tcp.payload().to_vec(),
        TransportSlice::Udp(udp) => {
            assert_eq!(usize::from(udp.length()), segment.payload.len());
            udp.payload().to_vec()
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    (any::<bool>(), any::<bool>(), 0usize..=4, 500u16..2000).prop_map(|(ipv6, udp, vlans, size)| {
        Shape {
            ipv6,
            udp,
            vlans,
            size,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn segments_carry_the_payload_and_right_checksums(
        shape in shapes(),
        payload in proptest::collection::vec(any::<u8>(), 0..20_000),
        finish in any::<bool>(),
    ) {
        let frame = oversized(shape, payload);
        let segments = frame.segments(&frame.bytes[..12], 12, finish);
        let weight = frame.frame().weight(0).unwrap();
        prop_assert_eq!(weight.frames as usize, segments.len());
        let octets: usize = segments.iter().map(|s| s.len().max(60)).sum();
        prop_assert_eq!(weight.octets as usize, octets);
        let payload: Vec<u8> = segments.iter().flat_map(|s| judged(s)).collect();
        prop_assert_eq!(payload, frame.payload);
    }

    #[test]
    fn no_metadata_makes_the_check_panic_or_write_outside(
        shape in shapes(),
        header in any::<[u8; 10]>(),
        at in 12usize..90,
        octet in any::<u8>(),
        cut in 0usize..120,
    ) {
        let mut frame = oversized(shape, vec![1; 60]);
        frame.bytes[at] = octet;
        frame.bytes.truncate(cut.max(14));
        for offload in [Offload::from_virtio(&header), frame.offload] {
            let received = RxFrame { offload, ..frame.frame() };
            if received.weight(0).is_ok() && let Some(segmentation) = offload.segmentation {
                let layout = Layout::parse(&frame.bytes, 12).unwrap();
                let mut room = [0; HEADER_ROOM];
                let mut segments =
                    Segments::new(&frame.bytes, &layout, segmentation, &[0; 22], 12, true).unwrap();
                let mut octets = 0;
                while let Some(segment) = segments.next(&mut room) {
                    octets += segment.payload.len();
                }
                prop_assert_eq!(octets, frame.bytes.len() - layout.payload);
            }
        }
    }
}

#[test]
fn flags_numbers_and_identification_follow_the_segment() {
    let shape = Shape {
        ipv6: false,
        udp: false,
        vlans: 1,
        size: 1000,
    };
    let frame = oversized(shape, vec![3; 2500]);
    let segments = frame.segments(&frame.bytes[..12], 12, true);
    let seen: Vec<_> = segments
        .iter()
        .map(|segment| {
            let packet = SlicedPacket::from_ethernet(segment).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
                panic!()
            };
            let Some(NetSlice::Ipv4(ip)) = packet.net else {
                panic!()
            };
            (
                (tcp.cwr(), tcp.fin(), tcp.psh(), tcp.ack()),
                tcp.sequence_number(),
                ip.header().identification(),
            )
        })
        .collect();
    let first = seen[0].2;
    assert_eq!(
        seen,
        [
            ((true, false, false, true), 0xFFFF_FF00, first),
            ((false, false, false, true), 0x0000_02E8, first + 1),
            ((false, true, true, true), 0x0000_06D0, first + 2),
        ]
    );
}

#[test]
fn fresh_octets_stand_before_every_segment() {
    let shape = Shape {
        ipv6: true,
        udp: false,
        vlans: 1,
        size: 700,
    };
    let frame = oversized(shape, vec![3; 1500]);
    let head = [0xAA; 22];
    let segments = frame.segments(&head, 16, true);
    assert_eq!(segments.len(), 3);
    for segment in segments {
        assert_eq!(segment[..22], head);
        judged(&[&frame.bytes[..12], &segment[22..]].concat());
    }
}

fn refused(frame: &Super, offload: Offload) -> BadOffload {
    let received = RxFrame {
        offload,
        ..frame.frame()
    };
    received.weight(0).unwrap_err()
}

fn plain_udp() -> Super {
    let shape = Shape {
        ipv6: false,
        udp: true,
        vlans: 1,
        size: 1000,
    };
    let mut frame = oversized(shape, vec![0; 400]);
    frame.offload.segmentation = None;
    frame
}

#[test]
fn a_checksum_never_lands_in_what_policy_reads() {
    let frame = plain_udp();
    let length = frame.bytes.len() as u16;
    let own = frame.offload.checksum.unwrap();
    for start in 0..length {
        for offset in [0, 2, 6, 8, 16] {
            let checksum = Checksum { start, offset };
            let received = RxFrame {
                offload: Offload {
                    checksum: Some(checksum),
                    segmentation: None,
                },
                ..frame.frame()
            };
            let inner = start >= own.start + 8 && start + offset + 2 <= length;
            assert_eq!(
                received.weight(0).is_ok(),
                checksum == own || inner,
                "{checksum:?}"
            );
        }
    }
}

#[test]
fn a_checksum_never_lands_in_a_dhcp_message() {
    let mut frame = plain_udp();
    let own = frame.offload.checksum.unwrap();
    let port = usize::from(own.start) + 2;
    frame.bytes[port..port + 2].copy_from_slice(&67u16.to_be_bytes());
    let inner = Offload {
        checksum: Some(Checksum {
            start: own.start + 40,
            offset: 0,
        }),
        segmentation: None,
    };
    assert_eq!(refused(&frame, inner), BadOffload::Checksum);
    frame.frame().weight(0).unwrap();
}

#[test]
fn metadata_that_contradicts_the_frame_is_refused() {
    let shape = Shape {
        ipv6: false,
        udp: false,
        vlans: 0,
        size: 1000,
    };
    let frame = oversized(shape, vec![3; 2500]);
    let segmentation = frame.offload.segmentation.unwrap();
    let with = |segmentation| Offload {
        segmentation: Some(segmentation),
        ..frame.offload
    };
    let kind = |kind| {
        with(Segmentation {
            kind,
            ..segmentation
        })
    };
    assert_eq!(
        refused(&frame, kind(SegmentationKind::Tcp6)),
        BadOffload::Network
    );
    assert_eq!(
        refused(&frame, kind(SegmentationKind::Udp)),
        BadOffload::Transport
    );
    let size = |size| {
        with(Segmentation {
            size,
            ..segmentation
        })
    };
    for small in [0, 1, 7] {
        assert_eq!(refused(&frame, size(small)), BadOffload::Segmentation);
    }
    let mut shorter = frame.clone();
    shorter.bytes.pop();
    assert_eq!(refused(&shorter, frame.offload), BadOffload::Length);
    let mut fragment = frame.clone();
    fragment.bytes[20] = 0x20;
    assert_eq!(refused(&fragment, frame.offload), BadOffload::Transport);
    let mut arp = frame.clone();
    arp.bytes[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(refused(&arp, frame.offload), BadOffload::Network);
}

#[test]
fn too_many_datagrams_are_refused() {
    let shape = Shape {
        ipv6: false,
        udp: true,
        vlans: 0,
        size: 1,
    };
    let frame = oversized(shape, vec![3; 129]);
    assert_eq!(refused(&frame, frame.offload), BadOffload::Segmentation);
    let frame = oversized(shape, vec![3; 128]);
    assert_eq!(frame.frame().weight(0).unwrap().frames, 128);
}

#[test]
fn a_frame_weighs_its_vlan_tag_and_not_its_vntag() {
    let bytes = [0; 100];
    let mut frame = RxFrame {
        bytes: &bytes,
        vlan: None,
        offload: Offload::NONE,
        original_length: 100,
    };
    assert_eq!(frame.weight(6).unwrap().octets, 94);
    frame.vlan = Some(niv::VlanTag {
        tpid: 0x8100,
        tci: 5,
    });
    assert_eq!(frame.weight(0).unwrap().octets, 104);
}
