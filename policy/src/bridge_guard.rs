//! Guests that bridge: spanning tree BPDUs from where there is no bridge, and addresses that are seen behind two ports
//! at a time.
//!
//! Sources: BPDUs by IEEE 802.1Q clause 14 (format), 8.13.5 (group addresses) and, for PVST+, the SNAP encapsulation of
//! captures; what is concluded from them and from addresses is ours.

mod bridging;
mod crossing;
mod fingerprint;
mod returned;
mod watched;

pub use bridging::{Blame, Bridging, Detector, Dropped, Evidence, Sighting};
pub use fingerprint::Fingerprint;

use crate::err_disable::Cause;
use niv::Mac;
use vntag::{Inner, hidden_tag};

/// The bridge group address: 01-80-C2-00-00-00 (IEEE 802.1Q table 8-1).
const BRIDGES: u64 = 0x0180_C200_0000;
/// The provider bridge group address: 01-80-C2-00-00-08.
const PROVIDER_BRIDGES: u64 = 0x0180_C200_0008;
/// Where PVST+ sends: 01-00-0C-CC-CC-CD.
const PVST: u64 = 0x0100_0CCC_CCCD;

/// Which protocol a BPDU is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// IEEE 802.1D-1998, protocol version 0.
    Stp,
    /// RSTP, protocol version 2.
    Rstp,
    /// MSTP or SPB, protocol version 3 or more.
    Mstp,
    /// One tree for each VLAN.
    Pvst,
    /// To bridges, and nothing that is known.
    Unknown,
}

impl Protocol {
    /// The name logs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stp => "stp",
            Self::Rstp => "rstp",
            Self::Mstp => "mstp",
            Self::Pvst => "pvst+",
            Self::Unknown => "unknown",
        }
    }
}

/// A frame that only a bridge sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bpdu {
    /// Of which protocol.
    pub protocol: Protocol,
    /// Who sent it; `None` in a topology change notification, and in what is cut short.
    pub bridge: Option<u64>,
}

impl Bpdu {
    /// The BPDU in a frame to `destination` whose EtherType, behind its outer VLAN tag, stands at `skip` of `bytes`;
    /// `None`: it is none. What is sent to bridges with another header than a BPDU's counts: no guest has to.
    // Most frames are to a single station: one comparison.
    #[inline]
    pub fn find(destination: Mac, bytes: &[u8], skip: u16, has_tag: bool) -> Option<Self> {
        if destination.is_group() {
            Self::read(destination, bytes, skip, has_tag)
        } else {
            None
        }
    }

    fn read(destination: Mac, bytes: &[u8], skip: u16, has_tag: bool) -> Option<Self> {
        let is_pvst = match destination.to_u64() {
            BRIDGES | PROVIDER_BRIDGES => false,
            PVST => true,
            _ => return None,
        };
        let unknown = Self {
            protocol: Protocol::Unknown,
            bridge: None,
        };
        let payload = match hidden_tag(bytes, usize::from(skip), usize::from(has_tag)) {
            Inner::Plain { payload_at, .. } => bytes.get(payload_at..).unwrap_or_default(),
            _ => &[],
        };
        let body = if is_pvst {
            // Other protocols of the same maker share the address: VTP and such are none of a bridge's ports.
            payload.strip_prefix(&[0xAA, 0xAA, 3, 0, 0, 0x0C, 1, 0x0B])?
        } else {
            match payload.strip_prefix(&[0x42, 0x42, 3]) {
                Some(body) => body,
                None => return Some(unknown),
            }
        };
        let Some(&[0, 0, version, kind]) = body.first_chunk() else {
            return Some(unknown);
        };
        let protocol = match version {
            _ if is_pvst => Protocol::Pvst,
            0 => Protocol::Stp,
            2 => Protocol::Rstp,
            3.. => Protocol::Mstp,
            _ => Protocol::Unknown,
        };
        // Type, flags, root (8), cost (4), bridge (8). A topology change notification ends behind its type.
        let bridge = body
            .get(17..)
            .and_then(|rest| rest.first_chunk())
            .filter(|_| matches!(kind, 0 | 2))
            .map(|bridge| u64::from_be_bytes(*bridge));
        Some(Self { protocol, bridge })
    }
}

/// What a port does about BPDUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BpduGuard {
    /// Nothing: those to link-local addresses are consumed as all such frames are, PVST+ is flooded.
    #[default]
    Off,
    /// They are dropped.
    Filter,
    /// They are dropped, and the port is shut ([`Cause::BpduGuard`]).
    Shut,
}

/// What becomes of a BPDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// It goes on as any frame.
    Passes,
    /// It goes no further; and the port is to be shut for it.
    Dropped(Option<Cause>),
}

impl BpduGuard {
    /// What becomes of a BPDU.
    pub const fn judge(self) -> Guarded {
        match self {
            Self::Off => Guarded::Passes,
            Self::Filter => Guarded::Dropped(None),
            Self::Shut => Guarded::Dropped(Some(Cause::BpduGuard)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STP: Mac = Mac([0x01, 0x80, 0xC2, 0, 0, 0]);
    const CISCO: Mac = Mac([0x01, 0, 0x0C, 0xCC, 0xCC, 0xCD]);
    const BRIDGE: u64 = 0x8000_0200_0000_0001;

    /// A BPDU of 35 octets behind `llc`, in a frame whose EtherType is a length.
    fn frame(to: Mac, tags: usize, llc: &[u8], version: u8, kind: u8) -> Vec<u8> {
        let mut frame = to.0.to_vec();
        frame.extend([2, 0, 0, 0, 0, 1]);
        for _ in 0..tags {
            frame.extend([0x81, 0, 0, 10]);
        }
        frame.extend([0, 38]);
        frame.extend(llc);
        frame.extend([0, 0, version, kind, 0]);
        frame.extend([0x80, 0, 2, 0, 0, 0, 0, 9]); // root
        frame.extend([0, 0, 0, 4]); // cost
        frame.extend(BRIDGE.to_be_bytes());
        frame.extend([0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0]);
        frame
    }

    const LLC: [u8; 3] = [0x42, 0x42, 3];
    const SNAP: [u8; 8] = [0xAA, 0xAA, 3, 0, 0, 0x0C, 1, 0x0B];

    #[test]
    fn bpdus_are_told_by_version() {
        for (version, kind, protocol) in [
            (0, 0, Protocol::Stp),
            (2, 2, Protocol::Rstp),
            (3, 2, Protocol::Mstp),
            (4, 2, Protocol::Mstp),
        ] {
            for to in [STP, Mac([0x01, 0x80, 0xC2, 0, 0, 8])] {
                let expected = Bpdu {
                    protocol,
                    bridge: Some(BRIDGE),
                };
                let bytes = frame(to, 0, &LLC, version, kind);
                assert_eq!(Bpdu::find(to, &bytes, 12, false), Some(expected));
            }
        }
    }

    #[test]
    fn pvst_bpdus_are_told_behind_vlan_tags_too() {
        for tags in 0..=4 {
            let bytes = frame(CISCO, tags, &SNAP, 2, 2);
            let expected = Bpdu {
                protocol: Protocol::Pvst,
                bridge: Some(BRIDGE),
            };
            assert_eq!(Bpdu::find(CISCO, &bytes, 12, false), Some(expected));
        }
        // VTP, to 01-00-0C-CC-CC-CC, and UDLD are none.
        let vtp = [0xAA, 0xAA, 3, 0, 0, 0x0C, 0x20, 0x03];
        let bytes = frame(CISCO, 0, &vtp, 2, 2);
        assert_eq!(Bpdu::find(CISCO, &bytes, 12, false), None);
    }

    #[test]
    fn a_topology_change_notification_names_no_bridge() {
        let bytes = &frame(STP, 0, &LLC, 0, 0x80)[..21];
        let expected = Bpdu {
            protocol: Protocol::Stp,
            bridge: None,
        };
        assert_eq!(Bpdu::find(STP, bytes, 12, false), Some(expected));
    }

    #[test]
    fn whatever_is_sent_to_bridges_counts_and_nothing_else_does() {
        let bytes = frame(STP, 0, &[1, 2, 3], 0, 0);
        let unknown = Some(Bpdu {
            protocol: Protocol::Unknown,
            bridge: None,
        });
        assert_eq!(Bpdu::find(STP, &bytes, 12, false), unknown);
        for other in [
            Mac([0x01, 0x80, 0xC2, 0, 0, 3]),
            Mac([0x01, 0x80, 0xC2, 0, 0, 0x0E]),
            Mac::BROADCAST,
            Mac([2, 0, 0, 0, 0, 1]),
        ] {
            let bytes = frame(other, 0, &LLC, 0, 0);
            assert_eq!(Bpdu::find(other, &bytes, 12, false), None);
        }
    }

    #[test]
    fn filter_drops_and_shut_shuts() {
        assert_eq!(BpduGuard::Off.judge(), Guarded::Passes);
        assert_eq!(BpduGuard::Filter.judge(), Guarded::Dropped(None));
        let shut = Guarded::Dropped(Some(Cause::BpduGuard));
        assert_eq!(BpduGuard::Shut.judge(), shut);
    }

    proptest! {
        #[test]
        fn no_octets_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), skip in 0u16..70, tag: bool) {
            for to in [STP, CISCO] {
                Bpdu::find(to, &bytes, skip, tag);
                let whole = frame(to, 1, if to == STP { &LLC } else { &SNAP }, 2, 2);
                Bpdu::find(to, &whole[..bytes.len().min(whole.len())], skip, tag);
            }
        }
    }
}
