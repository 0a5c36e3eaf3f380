//! What the kernel says about a device.

use niv::Mac;
use rtnetlink::packet_route::link::{
    AfSpecInet6, AfSpecUnspec, LinkAttribute, LinkFlags, LinkInfo as Info, LinkLayerType,
    LinkMessage, Stats64,
};
use std::fmt;

/// The kernel's number for a device, unique in its namespace and not used again soon.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct LinkIndex(pub u32);

impl fmt::Display for LinkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "index {}", self.0)
    }
}

/// A device at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// Its number.
    pub index: LinkIndex,
    /// Its name.
    pub name: String,
    /// Its own address; `None` where it is not an Ethernet device.
    pub mac: Option<Mac>,
    /// The largest payload behind the Ethernet header, in octets.
    pub mtu: u32,
    /// The smallest MTU the driver takes.
    pub min_mtu: Option<u32>,
    /// The largest MTU the driver takes, where it says so.
    pub max_mtu: Option<u32>,
    /// The administrator wants it up (IFF_UP).
    pub up: bool,
    /// It is up and sees its peer (IFF_LOWER_UP).
    pub carrier: bool,
    /// How often that has changed, since the device was made.
    pub carrier_changes: u32,
    /// The administrator wants it promiscuous (IFF_PROMISC); sockets that ask for it do not show here.
    pub promiscuous: bool,
    /// How many ask for it to be promiscuous, sockets and bridges included.
    pub promiscuity: u32,
    /// The kernel speaks ARP on it.
    pub arp: bool,
    /// IPv6 is on (`disable_ipv6` is 0); `None` where the kernel has no IPv6 on this device.
    pub ipv6: Option<bool>,
    /// It is Ethernet (ARPHRD_ETHER), and not loopback.
    pub ethernet: bool,
    /// `veth`, `tun` (TAP devices too), `bridge`, `macvlan`...; `None` for hardware and loopback.
    pub kind: Option<String>,
    /// The bridge or bond it belongs to.
    pub master: Option<LinkIndex>,
    /// The device it is tied to: of a veth pair the other end, by its number in its own namespace.
    pub peer: Option<LinkIndex>,
    /// The kernel's counts.
    pub stats: LinkStats,
}

/// The kernel's counts of a device since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Frames received; an oversized one counts once.
    pub rx_packets: u64,
    /// Octets received.
    pub rx_octets: u64,
    /// Frames received and not wanted, by the device or by the stack. What an ingress hook drops is not
    /// among them.
    pub rx_dropped: u64,
    /// Damaged frames.
    pub rx_errors: u64,
    /// Frames sent; an oversized one counts once.
    pub tx_packets: u64,
    /// Octets sent.
    pub tx_octets: u64,
    /// Frames not sent.
    pub tx_dropped: u64,
    /// Frames that failed on the way out.
    pub tx_errors: u64,
}

impl LinkInfo {
    /// `None` for a message without a name, which the kernel does not send.
    pub(super) fn parse(message: &LinkMessage) -> Option<Self> {
        let header = &message.header;
        let has = |flag| header.flags.contains(flag);
        let ethernet = header.link_layer_type == LinkLayerType::Ether;
        let mut info = Self {
            index: LinkIndex(header.index),
            name: String::new(),
            mac: None,
            mtu: 0,
            min_mtu: None,
            max_mtu: None,
            up: has(LinkFlags::Up),
            carrier: has(LinkFlags::LowerUp),
            carrier_changes: 0,
            promiscuous: has(LinkFlags::Promisc),
            promiscuity: 0,
            arp: !has(LinkFlags::Noarp),
            ipv6: None,
            ethernet,
            kind: None,
            master: None,
            peer: None,
            stats: LinkStats::default(),
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => info.name.clone_from(name),
                LinkAttribute::Address(octets) if ethernet => {
                    info.mac = <[u8; 6]>::try_from(octets.as_slice()).ok().map(Mac);
                }
                LinkAttribute::Mtu(mtu) => info.mtu = *mtu,
                LinkAttribute::MinMtu(mtu) => info.min_mtu = Some(*mtu),
                // Zero: the driver states no limit.
                LinkAttribute::MaxMtu(mtu) => info.max_mtu = (*mtu != 0).then_some(*mtu),
                LinkAttribute::CarrierChanges(count) => info.carrier_changes = *count,
                LinkAttribute::Promiscuity(count) => info.promiscuity = *count,
                LinkAttribute::Link(index) => info.peer = Some(LinkIndex(*index)),
                LinkAttribute::Controller(index) => info.master = Some(LinkIndex(*index)),
                LinkAttribute::Stats64(stats) => info.stats = stats.into(),
                LinkAttribute::LinkInfo(parts) => {
                    info.kind = parts.iter().find_map(|part| match part {
                        Info::Kind(kind) => Some(kind.to_string()),
                        _ => None,
                    });
                }
                LinkAttribute::AfSpecUnspec(families) => {
                    info.ipv6 = families.iter().find_map(ipv6_enabled);
                }
                _ => {}
            }
        }
        (!info.name.is_empty()).then_some(info)
    }
}

fn ipv6_enabled(family: &AfSpecUnspec) -> Option<bool> {
    let AfSpecUnspec::Inet6(parts) = family else {
        return None;
    };
    parts.iter().find_map(|part| match part {
        AfSpecInet6::DevConf(settings) => Some(settings.disable_ipv6 == 0),
        _ => None,
    })
}

impl From<&Stats64> for LinkStats {
    fn from(stats: &Stats64) -> Self {
        Self {
            rx_packets: stats.rx_packets,
            rx_octets: stats.rx_bytes,
            rx_dropped: stats.rx_dropped,
            rx_errors: stats.rx_errors,
            tx_packets: stats.tx_packets,
            tx_octets: stats.tx_bytes,
            tx_dropped: stats.tx_dropped,
            tx_errors: stats.tx_errors,
        }
    }
}
