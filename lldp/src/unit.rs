//! An LLDPDU: what a box says of itself and of one of its ports.

use crate::niv_end::NivEnd;
use crate::station::{ChassisId, PortName, Station};
use crate::text;
use crate::tlv::{self, kind};
use crate::{ETHERTYPE, NEAREST_BRIDGE};
use niv::Mac;
use thiserror::Error;

/// The OUI of IEEE 802.3, and its subtype for the size of frames (IEEE 802.3, 79.3.4).
const FRAME_SIZE: [u8; 4] = [0x00, 0x12, 0x0F, 4];

/// The least Ethernet frame without FCS.
const SHORTEST: usize = 60;

/// What a box can be (IEEE 802.1AB, table 8-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability(pub u16);

impl Capability {
    /// None of those that have a name.
    pub const OTHER: Self = Self(1);
    /// A bridge.
    pub const BRIDGE: Self = Self(1 << 2);
}

/// What one LLDPDU says, as far as it is understood here. TLVs that are not are skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lldpdu {
    /// Who says it.
    pub station: Station,
    /// For how many seconds it holds; 0: no longer.
    pub ttl: u16,
    /// What the port is, for people. All text: at most 255 octets, safe to print.
    pub port_description: Option<String>,
    /// What the box is called.
    pub system_name: Option<String>,
    /// What the box is, for people.
    pub system_description: Option<String>,
    /// What the box can be, and what it is.
    pub capabilities: Option<(Capability, Capability)>,
    /// The longest frame the port takes, in octets with header and FCS.
    pub frame_size: Option<u16>,
    /// What it says of itself as an end of a NIV link.
    pub niv: Option<NivEnd>,
}

/// An LLDPDU that cannot be read: nothing of it is believed (IEEE 802.1AB, 9.2.8.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Not from one box's own address to the group of the nearest bridge.
    #[error("not an LLDP frame for the nearest bridge")]
    NotOurs,
    /// It does not begin with chassis, port and time to live, or names one of them twice.
    #[error("chassis, port and time to live do not stand first, once each")]
    Order,
    /// An id or a time to live of a length that cannot be.
    #[error("an id or the time to live has an impossible length")]
    Length,
    /// A TLV is longer than what is left of the frame.
    #[error("a TLV is longer than the frame")]
    Overlong,
}

impl Lldpdu {
    /// What a station says with nothing but the three TLVs that must be there.
    pub const fn new(station: Station, ttl: u16) -> Self {
        Self {
            station,
            ttl,
            port_description: None,
            system_name: None,
            system_description: None,
            capabilities: None,
            frame_size: None,
            niv: None,
        }
    }

    /// As a whole frame from `source`, without FCS. `oui` is VIC's.
    pub fn to_frame(&self, source: Mac, oui: [u8; 3]) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend(NEAREST_BRIDGE.0);
        out.extend(source.0);
        out.extend(ETHERTYPE.to_be_bytes());
        let (subtype, octets) = self.station.chassis.parts();
        tlv::write(&mut out, kind::CHASSIS, &[&[subtype], octets]);
        let (subtype, octets) = self.station.port.parts();
        tlv::write(&mut out, kind::PORT, &[&[subtype], octets]);
        tlv::write(&mut out, kind::TIME_TO_LIVE, &[&self.ttl.to_be_bytes()]);
        let texts = [
            (kind::PORT_DESCRIPTION, &self.port_description),
            (kind::SYSTEM_NAME, &self.system_name),
            (kind::SYSTEM_DESCRIPTION, &self.system_description),
        ];
        for (kind, said) in texts {
            if let Some(said) = said {
                tlv::write(&mut out, kind, &[text::clipped(said).as_bytes()]);
            }
        }
        if let Some((can, is)) = self.capabilities {
            let (can, is) = (can.0.to_be_bytes(), is.0.to_be_bytes());
            tlv::write(&mut out, kind::CAPABILITIES, &[&can, &is]);
        }
        if let Some(size) = self.frame_size {
            tlv::write(
                &mut out,
                kind::ORGANISATION,
                &[&FRAME_SIZE, &size.to_be_bytes()],
            );
        }
        if let Some(niv) = self.niv {
            tlv::write(&mut out, kind::ORGANISATION, &[&niv.to_bytes(oui)]);
        }
        tlv::write(&mut out, kind::END, &[]);
        out.resize(out.len().max(SHORTEST), 0);
        out
    }

    /// Of a whole frame, and the address it came from.
    ///
    /// # Errors
    /// It is none, or cannot be believed.
    pub fn read(frame: &[u8], oui: [u8; 3]) -> Result<(Mac, Self), Malformed> {
        let (addresses, rest) = frame.split_first_chunk::<12>().ok_or(Malformed::NotOurs)?;
        let (ethertype, mut rest) = rest.split_first_chunk::<2>().ok_or(Malformed::NotOurs)?;
        let [a, b, c, d, e, f, source @ ..] = *addresses;
        let (destination, source) = (Mac([a, b, c, d, e, f]), Mac(source));
        let ours = destination == NEAREST_BRIDGE && u16::from_be_bytes(*ethertype) == ETHERTYPE;
        if !ours || source.is_group() || source.is_zero() {
            return Err(Malformed::NotOurs);
        }
        let mut first = |kind| match tlv::next(&mut rest) {
            Some(Ok(tlv)) if tlv.kind == kind => Ok(tlv.value),
            Some(Err(_)) => Err(Malformed::Overlong),
            Some(Ok(_)) | None => Err(Malformed::Order),
        };
        let chassis = ChassisId::read(first(kind::CHASSIS)?).ok_or(Malformed::Length)?;
        let port = PortName::read(first(kind::PORT)?).ok_or(Malformed::Length)?;
        let ttl = first(kind::TIME_TO_LIVE)?;
        let ttl = u16::from_be_bytes(*ttl.first_chunk().ok_or(Malformed::Length)?);
        let mut unit = Self::new(Station { chassis, port }, ttl);
        while let Some(tlv) = tlv::next(&mut rest) {
            let tlv = tlv.map_err(|_| Malformed::Overlong)?;
            unit.take(tlv, oui)?;
        }
        Ok((source, unit))
    }

    /// What stands twice and should not, counts the first time.
    fn take(&mut self, tlv: tlv::Tlv<'_>, oui: [u8; 3]) -> Result<(), Malformed> {
        let value = tlv.value;
        match tlv.kind {
            kind::CHASSIS | kind::PORT | kind::TIME_TO_LIVE => return Err(Malformed::Order),
            kind::PORT_DESCRIPTION => keep(&mut self.port_description, value),
            kind::SYSTEM_NAME => keep(&mut self.system_name, value),
            kind::SYSTEM_DESCRIPTION => keep(&mut self.system_description, value),
            kind::CAPABILITIES => {
                if let (None, Some(&[a, b, c, d])) = (self.capabilities, value.first_chunk::<4>()) {
                    let word = |high, low| Capability(u16::from_be_bytes([high, low]));
                    self.capabilities = Some((word(a, b), word(c, d)));
                }
            }
            kind::ORGANISATION => match value.strip_prefix(&FRAME_SIZE) {
                Some(size) => {
                    let size = size.first_chunk().map(|size| u16::from_be_bytes(*size));
                    self.frame_size = self.frame_size.or(size);
                }
                None => self.niv = self.niv.or_else(|| NivEnd::read(oui, value)),
            },
            _ => {}
        }
        Ok(())
    }
}

fn keep(place: &mut Option<String>, value: &[u8]) {
    let words = text::cleaned(value);
    if place.is_none() && !words.is_empty() {
        *place = Some(words);
    }
}

#[cfg(test)]
#[path = "unit_tests.rs"]
mod tests;
