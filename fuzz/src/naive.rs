//! Frames read the slow and obvious way, so that the judge shares nothing with the judged.

const VNTAG: u16 = 0x8926;
const ETAG: u16 = 0x893F;
const VLANS: [u16; 2] = [0x8100, 0x88A8];

pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Where the EtherType behind all VLAN tags stands, the first of which may stand at `at`.
pub(crate) fn behind_vlans(bytes: &[u8], mut at: usize) -> usize {
    while word(bytes, at).is_some_and(|ethertype| VLANS.contains(&ethertype)) {
        at += 4;
    }
    at
}

/// Whether a NIV tag stands at `at`, or behind however many VLAN tags that stand there.
pub(crate) fn hides_a_tag(bytes: &[u8], at: usize) -> bool {
    word(bytes, behind_vlans(bytes, at)).is_some_and(|found| [VNTAG, ETAG].contains(&found))
}

/// A VNTag, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) d: bool,
    pub(crate) p: bool,
    pub(crate) dvif: u16,
    pub(crate) l: bool,
    pub(crate) r: bool,
    pub(crate) ver: u8,
    pub(crate) svif: u16,
}

/// The VNTag at octet 12.
pub(crate) fn tag(bytes: &[u8]) -> Option<Tag> {
    if word(bytes, 12)? != VNTAG {
        return None;
    }
    let (high, low) = (word(bytes, 14)?, word(bytes, 16)?);
    Some(Tag {
        d: high & 0x8000 != 0,
        p: high & 0x4000 != 0,
        dvif: high & 0x3FFF,
        l: low & 0x8000 != 0,
        r: low & 0x4000 != 0,
        ver: (low >> 12 & 3) as u8,
        svif: low & 0xFFF,
    })
}

/// The checksum of RFC 1071 section 4.1, one word at a time.
pub(crate) fn checksum(pieces: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for pair in pieces.concat().chunks(2) {
        let [high, low] = match *pair {
            [high, low] => [high, low],
            [high] => [high, 0],
            _ => [0, 0],
        };
        sum += u32::from(u16::from_be_bytes([high, low]));
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IP packet's headers, by their offsets in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) network: usize,
    pub(crate) ipv6: bool,
    pub(crate) transport: usize,
    pub(crate) protocol: u8,
    pub(crate) payload: usize,
    /// Where the packet ends, as its IP header says.
    pub(crate) end: usize,
}

/// The TCP or UDP packet whose EtherType, or first VLAN tag, stands at `at`.
pub(crate) fn packet(bytes: &[u8], at: usize) -> Option<Packet> {
    let at = behind_vlans(bytes, at);
    let network = at + 2;
    let ipv6 = match word(bytes, at)? {
        0x0800 => false,
        0x86DD => true,
        _ => return None,
    };
    let stated = usize::from(word(bytes, network + if ipv6 { 4 } else { 2 })?);
    let (mut protocol, mut transport) = if ipv6 {
        (*bytes.get(network + 6)?, network + 40)
    } else {
        let words = usize::from(bytes.get(network)? & 0xF);
        (*bytes.get(network + 9)?, network + 4 * words)
    };
    while ipv6 && [0, 43, 60].contains(&protocol) {
        protocol = *bytes.get(transport)?;
        transport += 8 * (1 + usize::from(*bytes.get(transport + 1)?));
    }
    let header = match protocol {
        6 => 4 * usize::from(bytes.get(transport + 12)? >> 4),
        17 => 8,
        _ => return None,
    };
    Some(Packet {
        network,
        ipv6,
        transport,
        protocol,
        payload: transport + header,
        end: network + stated + if ipv6 { 40 } else { 0 },
    })
}

impl Packet {
    /// Whether every checksum in the packet is right.
    pub(crate) fn is_sound(&self, bytes: &[u8]) -> Option<bool> {
        let (addresses, header) = if self.ipv6 {
            (self.network + 8..self.network + 40, None)
        } else {
            let length = 4 * usize::from(bytes.get(self.network)? & 0xF);
            let header = bytes.get(self.network..self.network + length)?;
            (self.network + 12..self.network + 20, Some(header))
        };
        let segment = bytes.get(self.transport..self.end)?;
        let length = (segment.len() as u32).to_be_bytes();
        let protocol = [0, 0, 0, self.protocol];
        let pseudo = [bytes.get(addresses)?, &length, &protocol, segment];
        let network = header.is_none_or(|header| checksum(&[header]) == 0);
        Some(network && checksum(&pseudo) == 0)
    }
}
