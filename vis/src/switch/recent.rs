//! A bounded sample of the frames that came lately, for whoever asks what a change would do to them.

use super::Time;
use crate::edge::{self, Content, Link};
use niv::{PortId, VlanTag};
use packet_io::{Offload, RxFrame};
use policy::acl::{Network, Packet, Subject, Transport, View};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Flows of which one frame is kept, at most (ours): a few hundred KiB.
pub const FLOWS: usize = 1024;
/// Of those, for each bridge port: so nobody's flows take the places of many others'.
const OF_A_PORT: usize = 32;
/// Octets kept of a frame: all headers that anything here asks about.
const HEAD: usize = 256;

/// A frame that came lately.
#[derive(Clone, Debug)]
pub struct Recent {
    /// Where it came in.
    pub device: PortId,
    /// When.
    pub at: Time,
    /// What it is.
    pub view: View,
    head: [u8; HEAD],
    length: u32,
    vlan: Option<VlanTag>,
    offload: Offload,
}

impl Recent {
    /// The frame, zeros in place of what was not kept; `room` is overwritten.
    pub fn frame<'a>(&self, room: &'a mut Vec<u8>) -> RxFrame<'a> {
        room.clear();
        room.extend_from_slice(&self.head);
        room.resize(self.length as usize, 0);
        RxFrame {
            bytes: room,
            vlan: self.vlan,
            offload: self.offload,
            original_length: self.length,
        }
    }
}

/// The sample: one frame of each flow, as far as flows do not fall on the same place. Bridge ports share groups of
/// 32 places, by their slot index.
#[derive(Clone, Debug)]
pub struct Sample {
    places: Box<[Option<Recent>]>,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            places: vec![None; FLOWS].into(),
        }
    }
}

impl Sample {
    /// Keeps a frame that came in on `device`, in place of the one its flow had before. One that no bridge port has sent,
    /// or that was cut short, is no sample of anything.
    #[cold]
    pub fn take(&mut self, link: Option<&Link>, device: PortId, frame: &RxFrame<'_>, at: Time) {
        let arrival = edge::arrive(link, frame);
        let (Content::Frame(read), Some(owner)) = (arrival.content, arrival.owner) else {
            return;
        };
        let view = View::of(&Subject {
            destination: read.destination,
            source: read.source,
            bytes: read.bytes,
            ethertype_at: read.skip.into(),
        });
        let group = usize::from(owner) % (FLOWS / OF_A_PORT);
        let place = group * OF_A_PORT + flow(owner, read.tag, &view) as usize % OF_A_PORT;
        let mut head = [0; HEAD];
        let kept = frame.bytes.len().min(HEAD);
        if let (Some(room), Some(octets)) = (head.get_mut(..kept), frame.bytes.get(..kept)) {
            room.copy_from_slice(octets);
        }
        if let Some(place) = self.places.get_mut(place) {
            *place = Some(Recent {
                device,
                at,
                view,
                head,
                length: frame.original_length,
                vlan: frame.vlan,
                offload: frame.offload,
            });
        }
    }

    /// What there is, in no order.
    pub fn frames(&self) -> impl Iterator<Item = &Recent> {
        self.places.iter().flatten()
    }
}

/// A number that frames of one flow have in common. Whoever sends may have flows fall together: those of their group are
/// then fewer in the sample, and nothing else.
fn flow(owner: u16, tag: Option<VlanTag>, view: &View) -> u64 {
    let mut hasher = DefaultHasher::new();
    let vid = tag.map_or(0, VlanTag::vid);
    (owner, vid, view.destination, view.source, view.ethertype).hash(&mut hasher);
    match &view.network {
        Network::Ipv4(packet) => of_packet(packet).hash(&mut hasher),
        Network::Ipv6(packet) => of_packet(packet).hash(&mut hasher),
        _ => {}
    }
    hasher.finish()
}

const fn of_packet<const N: usize>(packet: &Packet<N>) -> ([u8; N], [u8; N], u8, u16, u16) {
    let (source, destination) = match packet.transport {
        Transport::Tcp {
            source,
            destination,
            ..
        }
        | Transport::Ports {
            source,
            destination,
        } => (source, destination),
        _ => (0, 0),
    };
    (
        packet.source,
        packet.destination,
        packet.protocol,
        source,
        destination,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(source: u8) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, source, 0x88, 0xB5];
        bytes.resize(600, 0xA5);
        bytes
    }

    fn received(bytes: &[u8]) -> RxFrame<'_> {
        RxFrame {
            bytes,
            vlan: None,
            offload: Offload::NONE,
            original_length: bytes.len() as u32,
        }
    }

    #[test]
    fn a_flow_has_one_place_and_its_last_frame() {
        let link = Link::Plain(Some(0));
        let mut sample = Sample::default();
        for (source, at) in [(1, 1), (2, 2), (1, 3)] {
            let bytes = frame(source);
            let at = Time::from_millis(at);
            sample.take(Some(&link), PortId(0), &received(&bytes), at);
        }
        let mut kept: Vec<_> = sample.frames().map(|one| one.at.as_millis()).collect();
        kept.sort_unstable();
        assert_eq!(kept, [2, 3]);
    }

    #[test]
    fn one_port_with_very_many_flows_leaves_the_sample_of_others_alone() {
        let mut sample = Sample::default();
        let quiet = frame(1);
        let link = Link::Plain(Some(1));
        sample.take(Some(&link), PortId(1), &received(&quiet), Time::default());
        let link = Link::Plain(Some(0));
        for n in 0..10_000u32 {
            let mut bytes = frame(2);
            bytes[7..11].copy_from_slice(&n.to_be_bytes());
            sample.take(Some(&link), PortId(0), &received(&bytes), Time::default());
        }
        assert_eq!(sample.frames().count(), OF_A_PORT + 1);
        assert!(sample.frames().any(|one| one.device == PortId(1)));
    }

    #[test]
    fn a_frame_comes_back_as_long_as_it_was_with_its_headers() {
        let link = Link::Plain(Some(0));
        let mut sample = Sample::default();
        let bytes = frame(1);
        sample.take(Some(&link), PortId(0), &received(&bytes), Time::default());
        let mut room = Vec::new();
        let kept = sample.frames().next().unwrap().frame(&mut room);
        assert_eq!(kept.bytes.len(), bytes.len());
        assert_eq!(kept.bytes[..HEAD], bytes[..HEAD]);
        assert!(kept.bytes[HEAD..].iter().all(|&octet| octet == 0));
        let cut = RxFrame {
            original_length: 700,
            ..received(&bytes)
        };
        let mut sample = Sample::default();
        sample.take(Some(&link), PortId(0), &cut, Time::default());
        assert_eq!(sample.frames().count(), 0);
    }
}
