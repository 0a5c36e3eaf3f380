use super::super::checksum::tests::naive;
use crate::dispatch::Dispatcher;
use crate::{Capabilities, Checksum, Offload, Outgoing, Refusal, RxFrame, Transmit, TxFrame};
use niv::{DropReason, Gather, PortId, VlanTag, Weight};
use proptest::prelude::*;

const CAPABILITIES: Capabilities = Capabilities {
    mode: "test",
    mtu: 1500,
    offload: true,
    long: 0,
};
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const FIN: u8 = 0x01;

/// What a device was given: the octets, what they left undone, and of how many copies they are made.
#[derive(Default)]
struct Device {
    frames: Vec<(Vec<u8>, Offload)>,
    groups: Vec<usize>,
    refuse: bool,
}

impl Transmit for Device {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        for (index, frame) in frames.iter().enumerate() {
            let bytes = frame.pieces().flatten().copied().collect();
            self.frames.push((bytes, frame.offload));
            self.groups.push(frame.more.len().max(1));
            if self.refuse {
                refused(index, Refusal::Full);
            }
        }
    }
}

/// The fields of a TCP segment that a run is about.
#[derive(Clone, Copy, Debug)]
struct Tcp {
    ipv6: bool,
    port: u16,
    id: u16,
    sequence: u32,
    flags: u8,
}

const TCP: Tcp = Tcp {
    ipv6: false,
    port: 2000,
    id: 0xFFFF,
    sequence: 0xFFFF_FF00,
    flags: ACK,
};
/// Where the IP and, behind IPv4, the TCP header of [`Tcp::frame`] start.
const IP: usize = 14;
const TCP4: usize = IP + 20;
const TCP6: usize = IP + 40;

impl Tcp {
    /// The `n`th segment of a stream of segments of `size` octets.
    fn nth(self, n: usize, size: usize) -> Self {
        Self {
            id: self.id.wrapping_add(n as u16),
            sequence: self.sequence.wrapping_add((n * size) as u32),
            ..self
        }
    }

    fn frame(self, payload: &[u8]) -> Vec<u8> {
        let length = 32 + payload.len();
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        if self.ipv6 {
            frame.extend([0x86, 0xDD, 0x61, 2, 3, 4]);
            frame.extend((length as u16).to_be_bytes());
            frame.extend([6, 64]);
            frame.extend([0x20; 16]);
            frame.extend([0x21; 16]);
        } else {
            frame.extend([8, 0, 0x45, 2]);
            frame.extend(((20 + length) as u16).to_be_bytes());
            frame.extend(self.id.to_be_bytes());
            frame.extend([0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        }
        frame.extend([3, 0xE8]);
        frame.extend(self.port.to_be_bytes());
        frame.extend(self.sequence.to_be_bytes());
        frame.extend([0, 0, 0, 9, 0x80, self.flags, 1, 0, 0, 0, 0, 0]);
        frame.extend([1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6]);
        frame.extend(payload);
        mend(&mut frame);
        frame
    }
}

/// Makes the checksums of an untagged frame right.
fn mend(frame: &mut [u8]) {
    let (addresses, tcp) = if frame[12] == 8 {
        frame[IP + 10..IP + 12].fill(0);
        let sum = naive(&frame[IP..TCP4]);
        frame[IP + 10..IP + 12].copy_from_slice(&sum.to_be_bytes());
        (IP + 12..IP + 20, TCP4)
    } else {
        (IP + 8..IP + 40, TCP6)
    };
    frame[tcp + 16..tcp + 18].fill(0);
    let length = (frame.len() - tcp) as u16;
    let pseudo = [
        &frame[addresses],
        &length.to_be_bytes(),
        &[0, 6],
        &frame[tcp..],
    ]
    .concat();
    // As the cutting of frames writes it: the two forms of zero are one number.
    let sum = match naive(&pseudo) {
        0 => 0xFFFF,
        sum => sum,
    };
    frame[tcp + 16..tcp + 18].copy_from_slice(&sum.to_be_bytes());
}

fn received(bytes: &[u8]) -> RxFrame<'_> {
    RxFrame {
        bytes,
        vlan: None,
        offload: Offload::NONE,
        original_length: bytes.len() as u32,
    }
}

fn copy(index: usize, frame: &RxFrame<'_>) -> Outgoing {
    Outgoing {
        port: PortId(0),
        account: 0,
        frame: index as u16,
        gather: Gather::new(frame.bytes, 12, None, frame.vlan).unwrap(),
        uncounted: 0,
        edit: crate::Edit::NONE,
    }
}

type Fates = Vec<(u16, Weight, Result<(), DropReason>)>;

fn send(device: &mut Device, capabilities: &Capabilities, burst: &[RxFrame<'_>]) -> Fates {
    let copies: Vec<_> = burst.iter().enumerate().map(|(n, f)| copy(n, f)).collect();
    send_copies(device, capabilities, burst, &copies)
}

fn send_copies(
    device: &mut Device,
    capabilities: &Capabilities,
    burst: &[RxFrame<'_>],
    copies: &[Outgoing],
) -> Fates {
    let mut fates = Vec::new();
    let mut done = |copy: &Outgoing, weight, fate| fates.push((copy.frame, weight, fate));
    Dispatcher::new().send(device, capabilities, false, burst, copies, &mut done);
    fates
}

/// Of how many copies each frame sent is made.
fn groups(frames: &[Vec<u8>]) -> Vec<usize> {
    let burst: Vec<_> = frames.iter().map(|frame| received(frame)).collect();
    let mut device = Device::default();
    send(&mut device, &CAPABILITIES, &burst);
    device.groups
}

/// Three segments that are one run.
fn three(ipv6: bool) -> Vec<Vec<u8>> {
    let tcp = Tcp { ipv6, ..TCP };
    (0..3).map(|n| tcp.nth(n, 100).frame(&[7; 100])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_was_merged_is_cut_into_the_same_frames_in_the_same_order(
        runs in proptest::collection::vec(
            (any::<bool>(), 0u16..2, 1usize..=24, 8usize..=1428, 1usize..=1428, 0usize..4),
            1..8,
        ),
        tag in any::<bool>(),
    ) {
        let mut flows = [TCP; 4];
        let mut frames = Vec::new();
        for &(ipv6, port, count, size, last, end) in &runs {
            let flow = &mut flows[usize::from(port) * 2 + usize::from(ipv6)];
            for n in 1..=count {
                let (length, flags) = match n == count {
                    true => (last.min(size), ACK | [0, PSH, FIN, FIN | PSH][end]),
                    false => (size, ACK),
                };
                let payload: Vec<u8> = (0..length).map(|n| (n ^ count) as u8).collect();
                frames.push(Tcp { ipv6, port, flags, ..*flow }.frame(&payload));
                *flow = Tcp { id: flow.id.wrapping_add(1), ..flow.nth(0, 0) };
                flow.sequence = flow.sequence.wrapping_add(length as u32);
            }
        }
        let vlan = tag.then_some(VlanTag { tpid: 0x8100, tci: 0x2007 });
        let burst: Vec<_> = frames.iter().map(|f| RxFrame { vlan, ..received(f) }).collect();
        let mut device = Device::default();
        let fates = send(&mut device, &CAPABILITIES, &burst);

        // Each copy has its own fate, and its weight is that of its own frame.
        let tags = if tag { 4 } else { 0 };
        let expected: Fates = frames
            .iter()
            .zip(0..)
            .map(|(frame, n)| (n, Weight::one(frame.len() + tags), Ok(())))
            .collect();
        prop_assert_eq!(fates, expected);
        // All that could merge did: a run ends where the flow, the size or a flag says so, or with the room of a batch.
        prop_assert!(device.groups.len() <= runs.len() + frames.len() / 63);

        // The merged frames pass the check that every received frame has to pass, and are cut.
        let merged: Vec<_> = device
            .frames
            .iter()
            .map(|(bytes, offload)| RxFrame { offload: *offload, ..received(bytes) })
            .collect();
        for frame in &merged {
            prop_assert!(frame.bytes.len() <= 65_535);
            prop_assert!(frame.weight(0).is_ok());
        }
        let mut wire = Device::default();
        send(&mut wire, &Capabilities { offload: false, ..CAPABILITIES }, &merged);
        let sent: Vec<_> = wire.frames.into_iter().map(|(bytes, _)| bytes).collect();
        let given: Vec<_> = frames
            .iter()
            .map(|frame| match vlan {
                Some(vlan) => [&frame[..12], &vlan.to_bytes(), &frame[12..]].concat(),
                None => frame.clone(),
            })
            .collect();
        prop_assert!(sent == given);
    }

    #[test]
    fn no_octet_that_differs_gets_lost(ipv6 in any::<bool>(), at in 0usize..86, flip in 1u8..) {
        // Whatever the difference is, and though its checksums are right: merged or not, it is there after cutting.
        let mut frames = three(ipv6);
        frames[1][at] ^= flip;
        if frames[1][12..15] == frames[0][12..15] {
            mend(&mut frames[1]);
        }
        let burst: Vec<_> = frames.iter().map(|frame| received(frame)).collect();
        let mut device = Device::default();
        send(&mut device, &CAPABILITIES, &burst);
        let merged: Vec<_> = device
            .frames
            .iter()
            .map(|(bytes, offload)| RxFrame { offload: *offload, ..received(bytes) })
            .collect();
        let mut wire = Device::default();
        send(&mut wire, &Capabilities { offload: false, ..CAPABILITIES }, &merged);
        let sent: Vec<_> = wire.frames.into_iter().map(|(bytes, _)| bytes).collect();
        prop_assert!(sent == frames);
    }
}

#[test]
fn a_merged_frame_is_a_gather_with_work_left_undone() {
    for ipv6 in [false, true] {
        let frames = three(ipv6);
        let burst: Vec<_> = frames.iter().map(|frame| received(frame)).collect();
        let mut device = Device::default();
        send(&mut device, &CAPABILITIES, &burst);
        assert_eq!(device.groups, [3]);
        let (bytes, offload) = &device.frames[0];
        let start = if ipv6 { TCP6 } else { TCP4 };
        assert_eq!(bytes.len(), start + 32 + 300);
        let segmentation = offload.segmentation.unwrap();
        assert_eq!((segmentation.size, segmentation.ecn), (100, false));
        let checksum = Checksum {
            start: start as u16,
            offset: 16,
        };
        assert_eq!(offload.checksum, Some(checksum));
    }
}

#[test]
fn a_segment_that_differs_in_what_segments_share_is_not_merged() {
    // Offset, what is changed there, and whose rule it is.
    let ipv4 = [
        (0, 1, "destination address"),
        (6, 1, "source address"),
        (IP + 1, 1, "type of service"),
        (IP + 5, 1, "identification"),
        (IP + 6, 0x40, "don't fragment"),
        (IP + 6, 0x20, "more fragments"),
        (IP + 7, 1, "fragment offset"),
        (IP + 6, 0x80, "reserved flag"),
        (IP + 8, 1, "time to live"),
        (IP + 15, 1, "source"),
        (IP + 19, 1, "destination"),
    ];
    let ipv6 = [
        (IP, 1, "traffic class"),
        (IP + 1, 0x10, "explicit congestion notification"),
        (IP + 3, 1, "flow label"),
        (IP + 7, 1, "hop limit"),
        (IP + 23, 1, "source"),
        (IP + 39, 1, "destination"),
    ];
    let tcp = [
        (1, 1, "source port"),
        (3, 1, "destination port"),
        (7, 1, "sequence number"),
        (11, 1, "acknowledgement"),
        (12, 1, "reserved bits"),
        (13, 0x80, "CWR"),
        (13, 0x40, "ECE"),
        (13, 0x20, "URG"),
        (13, 0x10, "no ACK"),
        (13, 0x04, "RST"),
        (13, 0x02, "SYN"),
        (15, 1, "window"),
        (19, 1, "urgent pointer"),
        (27, 1, "timestamp"),
    ];
    let cases = |network: &[(usize, u8, &'static str)], start: usize| {
        let tcp = tcp.iter().map(|&(at, flip, rule)| (start + at, flip, rule));
        network.iter().copied().chain(tcp).collect::<Vec<_>>()
    };
    for (is_ipv6, cases) in [(false, cases(&ipv4, TCP4)), (true, cases(&ipv6, TCP6))] {
        for (at, flip, rule) in cases {
            let mut frames = three(is_ipv6);
            frames[1][at] ^= flip;
            mend(&mut frames[1]);
            assert_eq!(groups(&frames), [1, 1, 1], "IPv6 {is_ipv6}: {rule}");
        }
    }
}

#[test]
fn a_wrong_checksum_is_never_merged_and_never_mended() {
    for ipv6 in [false, true] {
        for wrong in 0..3 {
            let mut frames = three(ipv6);
            *frames[wrong].last_mut().unwrap() ^= 1;
            let burst: Vec<_> = frames.iter().map(|frame| received(frame)).collect();
            let mut device = Device::default();
            send(&mut device, &CAPABILITIES, &burst);
            let expected: &[usize] = [&[1, 2][..], &[1, 1, 1], &[2, 1]][wrong];
            assert_eq!(device.groups, expected);
            assert!(
                device
                    .frames
                    .contains(&(frames[wrong].clone(), Offload::NONE))
            );
        }
    }
    let mut frames = three(false);
    frames[1][IP + 10] ^= 1;
    assert_eq!(groups(&frames), [1, 1, 1]);
}

#[test]
fn a_shorter_segment_a_push_and_a_fin_end_a_run() {
    let payload = [7; 100];
    let run = |lengths: [usize; 4], flags: [u8; 4]| {
        let mut tcp = TCP;
        let frames: Vec<_> = lengths
            .iter()
            .zip(flags)
            .map(|(&length, flags)| {
                let frame = Tcp { flags, ..tcp }.frame(&payload[..length]);
                tcp = tcp.nth(1, length);
                frame
            })
            .collect();
        groups(&frames)
    };
    let ack = [ACK; 4];
    assert_eq!(run([50, 50, 50, 50], ack), [4]);
    assert_eq!(run([50, 49, 50, 50], ack), [2, 2]);
    assert_eq!(run([50, 51, 50, 50], ack), [1, 2, 1]);
    assert_eq!(run([50, 50, 50, 1], ack), [4]);
    assert_eq!(run([50; 4], [ACK, ACK | PSH, ACK, ACK]), [2, 2]);
    assert_eq!(run([50; 4], [ACK, ACK, ACK | PSH | FIN, ACK]), [3, 1]);
    assert_eq!(run([50, 0, 50, 50], ack), [1, 1, 2], "no payload");
    assert_eq!(run([7; 4], ack), [1; 4], "too small to be segments");
    assert_eq!(run([8; 4], ack), [4]);
}

#[test]
fn a_padded_a_fragmented_and_an_optioned_segment_are_not_merged() {
    let mut padded = three(false);
    padded.iter_mut().for_each(|frame| frame.push(0));
    let mut options = three(false);
    for frame in &mut options {
        frame.splice(TCP4..TCP4, [1, 1, 1, 1]);
        frame[IP] = 0x46;
        frame[IP + 3] += 4;
        frame[IP + 10..IP + 12].fill(0);
        let sum = naive(&frame[IP..TCP4 + 4]);
        frame[IP + 10..IP + 12].copy_from_slice(&sum.to_be_bytes());
    }
    let mut extended = three(true);
    for frame in &mut extended {
        frame.splice(TCP6..TCP6, [6, 0, 1, 4, 0, 0, 0, 0]);
        frame[IP + 6] = 60;
        frame[IP + 5] += 8;
    }
    let mut udp = three(false);
    for frame in &mut udp {
        frame[IP + 9] = 17;
        mend(frame);
    }
    for frames in [padded, options, extended, udp] {
        assert_eq!(groups(&frames), [1, 1, 1]);
    }
}

#[test]
fn only_copies_of_one_account_and_tag_without_vntag_merge() {
    let frames = three(false);
    let burst: Vec<_> = frames.iter().map(|frame| received(frame)).collect();
    let alike: Vec<_> = burst.iter().enumerate().map(|(n, f)| copy(n, f)).collect();
    let groups = |burst: &[RxFrame<'_>], copies: &[Outgoing], capabilities| {
        let mut device = Device::default();
        send_copies(&mut device, &capabilities, burst, copies);
        device.groups
    };
    assert_eq!(groups(&burst, &alike, CAPABILITIES), [3]);

    let mut copies = alike.clone();
    copies[2].account = 1;
    assert_eq!(groups(&burst, &copies, CAPABILITIES), [2, 1]);

    let mut copies = alike.clone();
    let vlan = VlanTag {
        tpid: 0x8100,
        tci: 7,
    };
    copies[2].gather = Gather::new(burst[2].bytes, 12, None, Some(vlan)).unwrap();
    assert_eq!(groups(&burst, &copies, CAPABILITIES), [2, 1]);

    let mut copies = alike.clone();
    for copy in &mut copies {
        let tag = Some(vntag::VnTag::from_word(5));
        copy.gather = Gather::new(&frames[0], 12, tag, None).unwrap();
        copy.uncounted = 6;
    }
    assert_eq!(groups(&burst, &copies, CAPABILITIES), [1, 1, 1]);

    let none = Capabilities {
        offload: false,
        ..CAPABILITIES
    };
    assert_eq!(groups(&burst, &alike, none), [1, 1, 1]);
    // 14 + 20 + 32 + 100 octets: one too many.
    let short = Capabilities {
        mtu: 151,
        ..CAPABILITIES
    };
    assert_eq!(groups(&burst, &alike, short), [1, 1, 1]);

    let mut unfinished = burst.clone();
    unfinished[1].offload.checksum = Some(Checksum {
        start: TCP4 as u16,
        offset: 16,
    });
    assert_eq!(groups(&unfinished, &alike, CAPABILITIES), [1, 1, 1]);
    let mut cut = burst;
    cut[1].original_length += 1;
    assert_eq!(groups(&cut, &alike, CAPABILITIES), [1, 1, 1]);
}

#[test]
fn segments_behind_a_vlan_tag_in_the_frame_merge() {
    let mut frames = three(true);
    for frame in &mut frames {
        frame.splice(12..12, [0x81, 0, 0, 7]);
    }
    assert_eq!(groups(&frames), [3]);
    frames[1][15] = 8;
    assert_eq!(groups(&frames), [1, 1, 1]);
}

#[test]
fn a_merged_frame_is_no_longer_than_devices_take() {
    let frames: Vec<_> = (0..64)
        .map(|n| TCP.nth(n, 1448).frame(&[7; 1448]))
        .collect();
    assert_eq!(groups(&frames), [45, 19]);
}

#[test]
fn a_refused_merged_frame_refuses_all_its_copies() {
    let frames = three(false);
    let burst: Vec<_> = frames.iter().map(|frame| received(frame)).collect();
    let mut device = Device {
        refuse: true,
        ..Device::default()
    };
    let fates = send(&mut device, &CAPABILITIES, &burst);
    assert_eq!(device.groups, [3]);
    let weight = Weight::one(frames[0].len());
    let refused = |n| (n, weight, Err(DropReason::TxFull));
    assert_eq!(fates, [refused(0), refused(1), refused(2)]);
}

#[test]
fn frames_between_those_of_a_flow_keep_their_place() {
    let a = three(false);
    let other: Vec<_> = (0..3)
        .map(|n| Tcp { port: 9, ..TCP }.nth(n, 100).frame(&[7; 100]))
        .collect();
    let arp = vec![0xFF; 60];
    let frames = [&a[0], &other[0], &a[1], &a[2], &arp, &other[1], &other[2]];
    let frames: Vec<_> = frames.into_iter().cloned().collect();
    assert_eq!(groups(&frames), [1, 1, 2, 1, 2]);
}

#[test]
fn segments_marked_alike_are_merged_as_if_they_had_come_so() {
    for ipv6 in [false, true] {
        let frames = three(ipv6);
        let start = if ipv6 { [0x6B, 0x80] } else { [0x45, 0xB8] };
        let marked = |start: [u8; 2]| niv::Rewrite {
            at: IP as u16,
            start,
            // Whatever it is: the merged header's is made anew.
            checksum: (!ipv6).then_some([1, 2]),
        };
        let burst: Vec<_> = frames.iter().map(|frame| received(frame)).collect();
        let leave = |starts: [[u8; 2]; 3]| {
            let each = burst.iter().enumerate().zip(starts);
            let copies: Vec<_> = each
                .map(|((n, frame), start)| Outgoing {
                    edit: crate::Edit {
                        rewrite: Some(marked(start)),
                        segments: None,
                    },
                    ..copy(n, frame)
                })
                .collect();
            let mut device = Device::default();
            send_copies(&mut device, &CAPABILITIES, &burst, &copies);
            device
        };
        let others: Vec<_> = frames
            .iter()
            .map(|frame| {
                let mut frame = frame.clone();
                frame[IP..IP + 2].copy_from_slice(&start);
                mend(&mut frame);
                frame
            })
            .collect();
        let others: Vec<_> = others.iter().map(|frame| received(frame)).collect();
        let mut expected = Device::default();
        send(&mut expected, &CAPABILITIES, &others);
        let merged = leave([start; 3]);
        assert_eq!(
            (&merged.groups[..], merged.frames),
            (&[3][..], expected.frames)
        );
        let other = [start[0], start[1] ^ 0x40];
        assert_eq!(leave([start, other, start]).groups, [1, 1, 1]);
    }
}
