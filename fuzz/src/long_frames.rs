//! Frames that come in on a link which carries long frames, up to those that guests are handed.

use crate::device::Device;
use crate::input::{Input, Received};
use crate::marks::{mark, mark_variant};
use niv::{DropReason, Gather, PortId, Weight};
use packet_io::dispatch::Dispatcher;
use packet_io::long::{LONGEST_PLAIN, admit};
use packet_io::{Capabilities, Outgoing, RxFrame};

/// `data` is an octet about the way on (1: the next device takes unfinished frames; 2: the next is a link, of
/// which the octet's upper six bits are how much it carries, in KiB) and one received frame.
///
/// # Panics
/// What is sent does not add up to what the trailer says, or a link gets a frame that it does not carry.
pub fn long_frames(data: &[u8]) {
    let mut input = Input::new(data);
    let Some([how]) = input.array() else { return };
    let Some(received) = Received::read(&mut input) else {
        return;
    };
    let mut frame = received.frame();
    let before = frame.bytes.len();
    admit(&mut frame, true);
    mark("admitted unfinished", !frame.offload.is_none());
    mark("shortened", frame.bytes.len() < before);
    assert!(frame.bytes.len() <= before);
    let is_link = how & 2 != 0;
    let stripped: u8 = 6;
    if frame.original_length as usize != frame.bytes.len() {
        return;
    }
    let weight = frame.weight(stripped);
    let Ok(gather) = Gather::new(frame.bytes, 18, None, frame.vlan) else {
        return;
    };
    let capabilities = Capabilities {
        mode: "memory",
        mtu: 65_535,
        offload: how & 1 != 0 && !is_link,
        long: if is_link { u32::from(how >> 2) << 10 } else { 0 },
    };
    let copy = Outgoing {
        port: PortId(0),
        account: 0,
        frame: 0,
        gather,
        uncounted: 0,
        edit: packet_io::Edit::NONE,
    };
    let mut device = Device::new(0);
    let mut fates: Vec<(Weight, Result<(), DropReason>)> = Vec::new();
    Dispatcher::new().send(
        &mut device,
        &capabilities,
        false,
        &[frame],
        &[copy],
        &mut |_, weight, fate| fates.push((weight, fate)),
    );
    for (_, fate) in &fates {
        match fate {
            Ok(()) => mark("sent on", if is_link { "a link" } else { "to a device" }),
            Err(why) => mark("dropped", why),
        }
    }
    mark_variant("weight", &weight);
    match weight {
        Ok(weight) => {
            let frames: u32 = fates.iter().map(|(weight, _)| weight.frames).sum();
            assert_eq!(frames, weight.frames, "weights do not add up");
        }
        Err(_) => {
            let fates: Vec<_> = fates.iter().map(|(_, fate)| *fate).collect();
            assert_eq!(fates, [Err(DropReason::BadOffload)]);
        }
    }
    // Kernels take no other tags off; behind another nobody looks for a packet.
    let is_known = frame.vlan.is_none_or(|tag| [0x8100, 0x88A8].contains(&tag.tpid));
    for sent in &device.handed {
        assert!(!is_link || sent.offload.is_none());
        if is_known && capabilities.long > 0 && sent.bytes.len() > LONGEST_PLAIN {
            // The next box reads it as one that is borne out, however long an only segment is.
            let mut again = RxFrame {
                bytes: &sent.bytes,
                vlan: None,
                offload: packet_io::Offload::NONE,
                original_length: sent.bytes.len() as u32,
            };
            admit(&mut again, true);
            mark("long", "on a link");
            assert!(again.weight(0).is_ok());
        }
    }
}
