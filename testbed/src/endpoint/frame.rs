//! Frames by hand: building, sending, reading out loud, and keeping for other programs to read.

use super::watch::Seen;
use crate::error::{Doing, LabError, Result};
use etherparse::{
    EtherType, IcmpEchoHeader, Icmpv4Type, Icmpv6Type, LaxSlicedPacket, TransportSlice,
};
use niv::Mac;
use packet_io::netns::NetNs;
use pnet::datalink::{self, Channel, DataLinkSender, NetworkInterface};
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;
use vntag::{Direction, VnTag, ethertype};

/// IEEE Std 802 local experimental EtherType 1: what our own test frames carry.
pub(crate) const EXPERIMENTAL: u16 = 0x88B5;

/// Sends frames as they are, from one interface, through `pnet`: a frame per system call, portable and
/// easy to read. The high-rate scenarios use packet-io's rings instead.
pub(crate) struct Source {
    sender: Box<dyn DataLinkSender>,
    /// The interface's address.
    pub(crate) mac: Mac,
}

impl Source {
    /// Opens the interface of that name in the namespace.
    ///
    /// # Errors
    /// No such interface, or no raw socket to be had.
    pub(crate) fn open(netns: &NetNs, name: &str) -> Result<Self> {
        let interface = interface(netns, name)?;
        let channel = netns
            .run(|| datalink::channel(&interface, datalink::Config::default()))
            .doing("enter a namespace to send from")?
            .doing(format!("open {name}"))?;
        let mac = interface.mac.map_or(Mac::default(), |m| Mac(m.octets()));
        match channel {
            Channel::Ethernet(sender, _) => Ok(Self { sender, mac }),
            _ => Err(LabError::Check(format!("{name} is no Ethernet interface"))),
        }
    }

    /// Sends one frame, header and all.
    ///
    /// # Errors
    /// The interface is down, or the frame too long for it.
    pub(crate) fn send(&mut self, frame: &[u8]) -> Result<()> {
        match self.sender.send_to(frame, None) {
            Some(result) => result.doing(format!("send a frame of {} octets", frame.len())),
            None => Err(LabError::Check("the send buffer is too small".to_owned())),
        }
    }
}

/// An interface of a namespace, by name.
///
/// # Errors
/// There is none of that name.
pub(crate) fn interface(netns: &NetNs, name: &str) -> Result<NetworkInterface> {
    interfaces(netns)?
        .into_iter()
        .find(|interface| interface.name == name)
        .ok_or_else(|| LabError::Unknown {
            kind: "interface",
            name: name.to_owned(),
            known: "what the kernel lists".to_owned(),
        })
}

/// All interfaces of a namespace, with their addresses.
///
/// # Errors
/// The namespace cannot be entered.
pub(crate) fn interfaces(netns: &NetNs) -> Result<Vec<NetworkInterface>> {
    netns
        .run(datalink::interfaces)
        .doing("enter a namespace to list its interfaces")
}

/// An untagged Ethernet frame.
pub(crate) fn ethernet(to: Mac, from: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + payload.len());
    frame.extend_from_slice(&to.0);
    frame.extend_from_slice(&from.0);
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The same frame with a VNTag behind its addresses.
pub(crate) fn tagged(frame: &[u8], tag: VnTag) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(frame.len().min(12));
    let mut tagged = addresses.to_vec();
    tagged.extend_from_slice(&ethertype::VNTAG.to_be_bytes());
    tagged.extend_from_slice(&tag.to_word().to_be_bytes());
    tagged.extend_from_slice(rest);
    tagged
}

/// The VNTag at octet 12, if there is one, and the frame without it.
pub(crate) fn untag(frame: &[u8]) -> Option<(VnTag, Vec<u8>)> {
    let (addresses, rest) = frame.split_at_checked(12)?;
    let (kind, rest) = rest.split_first_chunk::<2>()?;
    let (word, rest) = rest.split_first_chunk::<4>()?;
    (u16::from_be_bytes(*kind) == ethertype::VNTAG).then(|| {
        let tag = VnTag::from_word(u32::from_be_bytes(*word));
        (tag, [addresses, rest].concat())
    })
}

/// One line that says what a frame of a NIV link is, in columns.
pub(crate) fn describe(frame: &[u8]) -> String {
    let Some((tag, inner)) = untag(frame) else {
        return format!("{} octets without a VNTag: {}", frame.len(), packet(frame));
    };
    let way = match tag.direction {
        Direction::ToBridge => "up",
        Direction::FromBridge => "down",
    };
    // On the way up there is no destination, which is 0.
    let to = if tag.pointer {
        format!("list {}", tag.dvif.get())
    } else {
        tag.dvif.get().to_string()
    };
    format!(
        "{way:<4} {:>4} octets  d={} p={} dvif={to:<4} l={} r={} ver={} svif={:<4}  {}",
        frame.len(),
        u8::from(tag.direction == Direction::FromBridge),
        u8::from(tag.pointer),
        u8::from(tag.looped),
        u8::from(tag.reserved),
        tag.version.get(),
        tag.svif.get(),
        packet(&inner),
    )
}

fn packet(frame: &[u8]) -> String {
    let Some((addresses, rest)) = frame.split_first_chunk::<12>() else {
        return "cut short".to_owned();
    };
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *addresses;
    let (to, from) = (Mac([a, b, c, d, e, f]), Mac([g, h, i, j, k, l]));
    let Some((kind, payload)) = rest.split_first_chunk::<2>() else {
        return format!("{from} > {to}");
    };
    let kind = u16::from_be_bytes(*kind);
    let sliced = LaxSlicedPacket::from_ether_type(EtherType(kind), payload);
    let network = match sliced.net {
        Some(etherparse::LaxNetSlice::Ipv4(ip)) => format!(
            "{} > {}",
            ip.header().source_addr(),
            ip.header().destination_addr()
        ),
        Some(etherparse::LaxNetSlice::Ipv6(ip)) => format!(
            "{} > {}",
            ip.header().source_addr(),
            ip.header().destination_addr()
        ),
        Some(etherparse::LaxNetSlice::Arp(_)) => "ARP".to_owned(),
        None => format!("EtherType {kind:#06x}"),
    };
    let transport = sliced
        .transport
        .map_or_else(String::new, |inside| format!("  {}", message(&inside)));
    format!("{from} > {to}  {network}{transport}")
}

/// What is inside an IP packet, in a few words.
fn message(transport: &TransportSlice) -> String {
    let ping =
        |what: &str, echo: IcmpEchoHeader| format!("{what}, id {}, number {}", echo.id, echo.seq);
    match transport {
        TransportSlice::Icmpv4(icmp) => match icmp.icmp_type() {
            Icmpv4Type::EchoRequest(echo) => ping("echo request", echo),
            Icmpv4Type::EchoReply(echo) => ping("echo reply", echo),
            _ => format!("ICMP type {} code {}", icmp.type_u8(), icmp.code_u8()),
        },
        TransportSlice::Icmpv6(icmp) => match icmp.icmp_type() {
            Icmpv6Type::EchoRequest(echo) => ping("echo request", echo),
            Icmpv6Type::EchoReply(echo) => ping("echo reply", echo),
            _ => format!("ICMPv6 type {} code {}", icmp.type_u8(), icmp.code_u8()),
        },
        TransportSlice::Udp(udp) => {
            format!("UDP {} > {}", udp.source_port(), udp.destination_port())
        }
        TransportSlice::Tcp(tcp) => {
            format!("TCP {} > {}", tcp.source_port(), tcp.destination_port())
        }
        TransportSlice::Igmp(_) => "IGMP".to_owned(),
    }
}

/// The ICMP echo inside, if that is what an untagged frame is: whether it asks, and its sequence number.
pub(crate) fn echo(frame: &[u8]) -> Option<(bool, u16)> {
    let payload = frame.get(14..)?;
    let [a, b] = *frame.get(12..14)?.first_chunk::<2>()?;
    let sliced = LaxSlicedPacket::from_ether_type(EtherType(u16::from_be_bytes([a, b])), payload);
    match sliced.transport? {
        TransportSlice::Icmpv4(icmp) => match icmp.icmp_type() {
            Icmpv4Type::EchoRequest(echo) => Some((true, echo.seq)),
            Icmpv4Type::EchoReply(echo) => Some((false, echo.seq)),
            _ => None,
        },
        _ => None,
    }
}

/// Writes a capture that every other tool reads (pcap, microseconds, LINKTYPE_ETHERNET), by time.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_pcap(path: &Path, mut frames: Vec<Seen>) -> Result<()> {
    frames.sort_by_key(|frame| frame.at);
    let mut file = Vec::new();
    file.extend_from_slice(&0xA1B2_C3D4_u32.to_le_bytes());
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&4_u16.to_le_bytes());
    for word in [0_u32, 0, 262_144, 1] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for frame in &frames {
        let since = frame.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let length = frame.bytes.len() as u32;
        for word in [
            since.as_secs() as u32,
            since.subsec_micros(),
            length,
            length,
        ] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&frame.bytes);
    }
    fs::write(path, file).doing(format!("write {}", path.display()))
}

/// Whether a frame's IPv4 or IPv6 TCP or UDP checksum is right; `None` when it has none to check.
pub(crate) fn checksum_is_right(frame: &[u8]) -> Option<bool> {
    let [a, b] = *frame.get(12..14)?.first_chunk::<2>()?;
    let payload = frame.get(14..)?;
    let kind = EtherType(u16::from_be_bytes([a, b]));
    let sliced = etherparse::SlicedPacket::from_ether_type(kind, payload).ok()?;
    match (sliced.net?, sliced.transport?) {
        (etherparse::NetSlice::Ipv4(ip), TransportSlice::Tcp(tcp)) => {
            let expected = tcp
                .to_header()
                .calc_checksum_ipv4(&ip.header().to_header(), tcp.payload());
            Some(expected.ok()? == tcp.checksum())
        }
        (etherparse::NetSlice::Ipv6(ip), TransportSlice::Tcp(tcp)) => {
            let expected = tcp
                .to_header()
                .calc_checksum_ipv6(&ip.header().to_header(), tcp.payload());
            Some(expected.ok()? == tcp.checksum())
        }
        (etherparse::NetSlice::Ipv4(ip), TransportSlice::Udp(udp)) => {
            let expected = udp
                .to_header()
                .calc_checksum_ipv4(&ip.header().to_header(), udp.payload());
            Some(expected.ok()? == udp.checksum())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vntag::{Dvif, Svif, Version};

    #[test]
    fn a_tag_put_on_comes_off_again() {
        let plain = ethernet(
            Mac::BROADCAST,
            Mac([2, 0, 0, 0, 0, 1]),
            EXPERIMENTAL,
            &[7; 46],
        );
        let tag = VnTag {
            direction: Direction::FromBridge,
            pointer: true,
            dvif: Dvif::truncate(1023),
            looped: true,
            reserved: false,
            version: Version::ZERO,
            svif: Svif::truncate(3),
        };
        let frame = tagged(&plain, tag);
        assert_eq!(frame.len(), plain.len() + 6);
        assert_eq!(untag(&frame), Some((tag, plain.clone())));
        assert_eq!(untag(&plain), None);
        assert!(describe(&frame).starts_with("down   66 octets  d=1 p=1 dvif=list 1023 l=1"));
    }

    #[test]
    fn a_frame_is_described_in_columns_and_words() {
        let payload = [7; 8];
        let echo = IcmpEchoHeader { id: 33, seq: 1 };
        let (from, to) = ([10, 0, 10, 1], [10, 0, 10, 2]);
        let mut packet = Vec::new();
        etherparse::PacketBuilder::ipv4(from, to, 64)
            .icmpv4(Icmpv4Type::EchoRequest(echo))
            .write(&mut packet, &payload)
            .unwrap();
        let (a, b) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let plain = ethernet(b, a, 0x0800, &packet);
        let up = VnTag {
            direction: Direction::ToBridge,
            pointer: false,
            dvif: Dvif::truncate(0),
            looped: false,
            reserved: false,
            version: Version::ZERO,
            svif: Svif::truncate(1),
        };
        let down = VnTag {
            direction: Direction::FromBridge,
            dvif: Dvif::truncate(1002),
            looped: true,
            ..up
        };
        let lines = [up, down].map(|tag| describe(&tagged(&plain, tag)));
        let inside = "02:00:00:00:00:01 > 02:00:00:00:00:02  10.0.10.1 > 10.0.10.2  \
                      echo request, id 33, number 1";
        assert_eq!(
            lines,
            [
                format!("up     56 octets  d=0 p=0 dvif=0    l=0 r=0 ver=0 svif=1     {inside}"),
                format!("down   56 octets  d=1 p=0 dvif=1002 l=1 r=0 ver=0 svif=1     {inside}"),
            ]
        );
    }
}
