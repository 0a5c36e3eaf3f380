//! An IP neighbour on a trunk, for kernels without VLAN devices.
//!
//! The neighbour has one device per VLAN. Each is joined to this program, which puts that VLAN's tag on
//! what the neighbour sends before it goes out on the trunk, and takes it off on the way back.

use crate::error::{Doing, LabError, Result};
use crate::lab::Lab;
use niv::{Gather, PortId, VlanTag};
use packet_io::afpacket::{self, PacketOptions};
use packet_io::dispatch::Dispatcher;
use packet_io::{BURST, Capabilities, Outgoing, Port, PortError, Receive, RxFrame, Transmit};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use vntag::ethertype;

/// How long the thread sleeps without a frame before it looks whether it is to end, in nanoseconds.
const NAP: i64 = 50_000_000;

/// The thread that adds and takes off tags; it ends when this is dropped.
pub(crate) struct Trunk {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Trunk {
    /// Gives `host` a device `vlanN` for each VLAN, joined to the trunk device of another namespace.
    ///
    /// # Errors
    /// The devices cannot be made or opened.
    pub(crate) fn start(
        lab: &Lab,
        (nic, trunk): (&str, &str),
        host: &str,
        vlans: &[u16],
    ) -> Result<Self> {
        // A TAP would do with one device less, but /dev/net/tun is root's alone on many machines.
        let mut names = vec![trunk.to_owned()];
        for vlan in vlans {
            let name = format!("vlan{vlan}");
            lab.cable((host, &name), (nic, &name))?;
            names.push(name);
        }
        let nic = lab.host(nic)?;
        let mut ports = Vec::new();
        for name in &names {
            nic.silence(name)?;
            ports.push(open(nic, name)?);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let splitter = Splitter::new(ports, vlans.to_vec());
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("trunk".to_owned())
            .spawn(move || splitter.run(&stopped))
            .doing("start the thread of a trunk")?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Trunk {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Opens a device of a host for frames, with packet-io's rings.
///
/// # Errors
/// No such device, or no raw socket to be had.
pub(crate) fn open(host: &crate::lab::Host, device: &str) -> Result<Port> {
    host.netns
        .run(|| afpacket::open(device, PacketOptions::default()))
        .doing("enter a namespace to open a device")?
        .map_err(|error| LabError::Link {
            doing: format!("open {device} of {}", host.name),
            source: Box::new(error),
        })
}

/// Port 0 is the trunk, port `i + 1` belongs to VLAN `i`.
struct Splitter {
    receivers: Vec<Box<dyn Receive>>,
    senders: Vec<(Box<dyn Transmit>, Capabilities)>,
    vlans: Vec<u16>,
    dispatcher: Dispatcher,
}

impl Splitter {
    fn new(ports: Vec<Port>, vlans: Vec<u16>) -> Self {
        let mut receivers = Vec::new();
        let mut senders = Vec::new();
        for Port {
            rx,
            tx,
            capabilities,
        } in ports
        {
            receivers.push(rx);
            // Whatever the neighbour's kernel left undone is done here: not every kernel takes an
            // oversized frame behind a VLAN tag from a raw socket.
            let offload = false;
            senders.push((
                tx,
                Capabilities {
                    offload,
                    ..capabilities
                },
            ));
        }
        Self {
            receivers,
            senders,
            vlans,
            dispatcher: Dispatcher::new(),
        }
    }

    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let moved = (0..self.receivers.len()).filter(|&i| self.turn(i)).count();
            if moved == 0 {
                self.sleep();
            }
        }
    }

    /// Moves one burst from a port; whether there was one.
    fn turn(&mut self, from: usize) -> bool {
        let Some(receiver) = self.receivers.get_mut(from) else {
            return false;
        };
        let mut burst = arrayvec::ArrayVec::<RxFrame<'_>, BURST>::new();
        match receiver.receive(&mut burst) {
            Ok(()) if burst.is_empty() => return false,
            Ok(()) => {}
            // A cut cable mends; a vanished device means that the lab is ending.
            Err(PortError::Down | PortError::Gone | PortError::Io(_)) => return false,
        }
        for (to, (sender, capabilities)) in self.senders.iter_mut().enumerate() {
            let copies: Vec<_> = burst
                .iter()
                .enumerate()
                .filter_map(|(i, frame)| {
                    let (port, gather) = retag(&self.vlans, from, frame)?;
                    (port == to).then_some(Outgoing {
                        port: PortId(to as u16),
                        account: 0,
                        frame: i as u16,
                        gather,
                        uncounted: 0,
                        edit: packet_io::Edit::NONE,
                    })
                })
                .collect();
            if !copies.is_empty() {
                let done = &mut |_: &Outgoing, _, _| ();
                self.dispatcher
                    .send(&mut **sender, capabilities, true, &burst, &copies, done);
            }
        }
        true
    }

    fn sleep(&self) {
        let mut ready: Vec<_> = self
            .receivers
            .iter()
            .filter_map(|receiver| receiver.readiness())
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let nap = Timespec {
            tv_sec: 0,
            tv_nsec: NAP,
        };
        // Interrupted or refused: the ports are asked again either way.
        let _ = poll(&mut ready, Some(&nap));
    }
}

/// Where a frame received on port `from` goes, and how it begins there; `None` for frames of VLANs the
/// neighbour is not in.
fn retag(vlans: &[u16], from: usize, frame: &RxFrame<'_>) -> Option<(usize, Gather)> {
    match from.checked_sub(1) {
        Some(place) => {
            let tci = *vlans.get(place)?;
            let tpid = ethertype::VLAN;
            if frame.vlan.is_some() {
                return None;
            }
            let gather = Gather::new(frame.bytes, 12, None, Some(VlanTag { tpid, tci })).ok()?;
            Some((0, gather))
        }
        None => {
            let (tag, skip) = match frame.vlan {
                Some(tag) => (tag, 12),
                None => (inline_tag(frame.bytes)?, 16),
            };
            let place = vlans.iter().position(|&vlan| vlan == tag.vid())?;
            Some((place + 1, Gather::new(frame.bytes, skip, None, None).ok()?))
        }
    }
}

fn inline_tag(frame: &[u8]) -> Option<VlanTag> {
    let [a, b, c, d] = *frame.get(12..16)?.first_chunk::<4>()?;
    let tpid = u16::from_be_bytes([a, b]);
    let tci = u16::from_be_bytes([c, d]);
    (tpid == ethertype::VLAN).then_some(VlanTag { tpid, tci })
}

#[cfg(test)]
mod tests {
    use super::*;
    use packet_io::Offload;

    fn frame(bytes: &[u8], vlan: Option<VlanTag>) -> RxFrame<'_> {
        RxFrame {
            bytes,
            vlan,
            offload: Offload::NONE,
            original_length: bytes.len() as u32,
        }
    }

    #[test]
    fn what_a_vlan_device_sends_gets_the_tag_and_loses_it_on_the_way_back() {
        let plain = [1; 60];
        let (port, gather) = retag(&[10, 20], 2, &frame(&plain, None)).unwrap();
        assert_eq!((port, gather.skip), (0, 12));
        assert_eq!(gather.head.as_bytes()[12..], [0x81, 0, 0, 20]);

        let tagged = [gather.head.as_bytes(), &plain[12..]].concat();
        let (port, gather) = retag(&[10, 20], 0, &frame(&tagged, None)).unwrap();
        assert_eq!((port, gather.skip), (2, 16));
        assert_eq!(gather.head.as_bytes(), &plain[..12]);

        let tag = VlanTag {
            tpid: 0x8100,
            tci: 10,
        };
        let (port, gather) = retag(&[10, 20], 0, &frame(&plain, Some(tag))).unwrap();
        assert_eq!((port, gather.skip), (1, 12));
    }

    #[test]
    fn frames_of_other_vlans_go_nowhere() {
        let plain = [1; 60];
        let tag = VlanTag {
            tpid: 0x8100,
            tci: 30,
        };
        assert!(retag(&[10, 20], 0, &frame(&plain, Some(tag))).is_none());
        assert!(retag(&[10, 20], 0, &frame(&plain, None)).is_none());
    }
}
