//! A whole frame of VIC: Ethernet, ECP, envelope, messages, authenticator.
//!
//! ```text
//!   octet  0   destination address (6)     01-80-C2-00-00-00 or the peer's
//!          6   source address (6)
//!         12   EtherType 89 40
//!         14   ECP header (4)
//!         18   OUI (3)
//!         21   version (1): 1
//!         22   direction (1): 0 IV to VIS, 1 VIS to IV
//!         23   authenticator (1): 0 CRC-32C, 1 HMAC-SHA-256
//!         24   octets of messages, n (2)
//!         26   sender's nonce (8)
//!         34   receiver's nonce (8): 0 in Open
//!         42   sequence (8)
//!         50   messages (n)
//!       50+n   authenticator (4 or 32) of octets 0 to 50+n-1
//! ```
//!
//! What follows the authenticator is padding and not looked at. All numbers are big-endian.

use crate::authenticator::{Authenticator, Kind};
use crate::ecp::{self, Operation};
use crate::identity::Nonce;
use crate::parameters::{ETHERTYPE, MAX_FRAME, Parameters, VERSION};
use niv::Mac;
use thiserror::Error;

/// Where frames go before the peer's address is known: the nearest customer bridge.
pub const GROUP: Mac = Mac([0x01, 0x80, 0xC2, 0, 0, 0]);

/// Octets in front of the messages.
pub const HEADER: usize = 50;

/// Which way a frame goes. It is in every frame, so that none can be sent back to whom it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the IV to the VIS.
    Up,
    /// From the VIS to the IV.
    Down,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// What is in front of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Which way it goes.
    pub direction: Direction,
    /// Of who sent it. 0 only in a refusal by a VIS that has no session.
    pub sender: Nonce,
    /// Of who is to have it.
    pub receiver: Nonce,
    /// 0 in Open and its answer; then 1, 2, 3 for each end and session. A frame that ECP repeats keeps its own.
    pub sequence: u64,
}

/// A frame of ECP, read but not yet believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// The peer has the PDU of that sequence.
    Acknowledgement {
        /// Whose address it came from.
        source: Mac,
        /// Of the request that it is for.
        sequence: u16,
    },
    /// A PDU of VIC.
    Pdu(Pdu<'a>),
}

/// A PDU of VIC. Nothing in it may be believed before [`Pdu::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pdu<'a> {
    /// From this address.
    pub source: Mac,
    /// The header of ECP.
    pub ecp: ecp::Header,
    /// What is in front of the messages.
    pub envelope: Envelope,
    /// How it is authenticated.
    pub kind: Kind,
    authenticated: &'a [u8],
    authenticator: &'a [u8],
}

/// Why a frame was not taken, before its authenticator was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Another EtherType, subtype or OUI, or not for this address: somebody else's.
    #[error("not a frame of this protocol, or not for this box")]
    NotOurs,
    /// Another version. The nonces stand where they do in this version, in all versions to come.
    #[error("version {version} of the protocol, and this is version {VERSION}")]
    Version {
        /// The version it says.
        version: u8,
        /// Whose address it came from.
        address: Mac,
        /// Of who sent it.
        sender: Nonce,
        /// Whether it says it comes from an IV.
        direction: Direction,
    },
    /// Cut short, or a field holds a value it must not.
    #[error("a damaged frame")]
    Malformed,
}

/// Reads a frame that came in at a box whose address is `own`.
///
/// ```
/// use vic::frame::{FrameError, read};
/// use vic::{Mac, Parameters};
///
/// let nothing = read(&Parameters::default(), Mac([2, 0, 0, 0, 0, 1]), &[0; 60]);
/// assert_eq!(nothing, Err(FrameError::NotOurs));
/// ```
pub fn read<'a>(
    parameters: &Parameters,
    own: Mac,
    frame: &'a [u8],
) -> Result<Received<'a>, FrameError> {
    let mut rest = Cursor(frame);
    let (destination, source) = (Mac(rest.take()?), Mac(rest.take()?));
    if rest.take()? != ETHERTYPE.to_be_bytes() || !is_for(own, destination) || source.is_group() {
        return Err(FrameError::NotOurs);
    }
    let ecp = ecp::Header::from_bytes(rest.take()?).ok_or(FrameError::NotOurs)?;
    let subtypes = [parameters.subtype, parameters.unacknowledged_subtype];
    if !subtypes.contains(&ecp.subtype) {
        return Err(FrameError::NotOurs);
    }
    if ecp.operation == Operation::Acknowledgement {
        // Nothing but padding follows: a request with one bit changed is no acknowledgement.
        let padding = rest.0.iter().all(|&octet| octet == 0);
        return match ecp.subtype == parameters.subtype && padding {
            true => Ok(Received::Acknowledgement {
                source,
                sequence: ecp.sequence,
            }),
            false => Err(FrameError::NotOurs),
        };
    }
    if rest.take()? != parameters.oui {
        return Err(FrameError::NotOurs);
    }
    let [version, direction, kind] = rest.take()?;
    let direction = match direction {
        0 => Direction::Up,
        1 => Direction::Down,
        _ => return Err(FrameError::Malformed),
    };
    let messages = usize::from(u16::from_be_bytes(rest.take()?));
    let sender = Nonce(u64::from_be_bytes(rest.take()?));
    if version != VERSION {
        return Err(FrameError::Version {
            version,
            address: source,
            sender,
            direction,
        });
    }
    let envelope = Envelope {
        direction,
        sender,
        receiver: Nonce(u64::from_be_bytes(rest.take()?)),
        sequence: u64::from_be_bytes(rest.take()?),
    };
    let kind = Kind::from_number(kind).ok_or(FrameError::Malformed)?;
    let acknowledged = ecp.subtype == parameters.subtype;
    if acknowledged && HEADER + messages + kind.length() > MAX_FRAME {
        return Err(FrameError::Malformed);
    }
    let split = frame.split_at_checked(HEADER + messages);
    let (authenticated, rest) = split.ok_or(FrameError::Malformed)?;
    let authenticator = rest.get(..kind.length()).ok_or(FrameError::Malformed)?;
    Ok(Received::Pdu(Pdu {
        source,
        ecp,
        envelope,
        kind,
        authenticated,
        authenticator,
    }))
}

/// The group addresses that a Linux bridge in between does not forward, and the box's own.
fn is_for(own: Mac, destination: Mac) -> bool {
    let groups = [GROUP, nearest(0x03), nearest(0x0E)];
    destination == own || groups.contains(&destination)
}

const fn nearest(last: u8) -> Mac {
    Mac([0x01, 0x80, 0xC2, 0, 0, last])
}

impl<'a> Pdu<'a> {
    /// The messages, when the authenticator is that of this frame.
    pub fn verify(&self, authenticator: &Authenticator) -> Option<&'a [u8]> {
        let same = self.kind == authenticator.kind();
        let holds = same && authenticator.holds(self.authenticated, self.authenticator);
        let messages = self.authenticated.get(HEADER..);
        messages.filter(|_| holds)
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let split = self.0.split_first_chunk();
        let (first, rest) = split.ok_or(FrameError::Malformed)?;
        self.0 = rest;
        Ok(*first)
    }
}

/// Where a frame goes, and between whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Whose it is to be.
    pub destination: Mac,
    /// Whose it is.
    pub source: Mac,
}

/// Writes a frame. `messages` are at most [`room`] octets.
pub fn write(
    parameters: &Parameters,
    addresses: Addresses,
    ecp: ecp::Header,
    envelope: Envelope,
    messages: &[u8],
    authenticator: &Authenticator,
) -> Vec<u8> {
    let mut frame = ethernet(addresses, ecp);
    frame.extend_from_slice(&parameters.oui);
    let direction = match envelope.direction {
        Direction::Up => 0,
        Direction::Down => 1,
    };
    frame.extend_from_slice(&[VERSION, direction, authenticator.kind().number()]);
    frame.extend_from_slice(&(messages.len() as u16).to_be_bytes());
    frame.extend_from_slice(&envelope.sender.0.to_be_bytes());
    frame.extend_from_slice(&envelope.receiver.0.to_be_bytes());
    frame.extend_from_slice(&envelope.sequence.to_be_bytes());
    frame.extend_from_slice(messages);
    authenticator.seal(&mut frame);
    frame
}

/// Writes an acknowledgement: 18 octets.
pub fn acknowledgement(parameters: &Parameters, addresses: Addresses, sequence: u16) -> Vec<u8> {
    let header = ecp::Header {
        operation: Operation::Acknowledgement,
        subtype: parameters.subtype,
        sequence,
    };
    ethernet(addresses, header)
}

fn ethernet(addresses: Addresses, ecp: ecp::Header) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + 64);
    frame.extend_from_slice(&addresses.destination.0);
    frame.extend_from_slice(&addresses.source.0);
    frame.extend_from_slice(&ETHERTYPE.to_be_bytes());
    frame.extend_from_slice(&ecp.to_bytes());
    frame
}

/// Octets of messages that fit a frame on a link of `mtu` octets. Never more than fit [`MAX_FRAME`].
///
/// ```
/// use vic::authenticator::Kind;
/// use vic::frame::room;
///
/// assert_eq!(room(1500, Kind::Hmac), 1500 - 36 - 32);
/// assert_eq!(room(9000, Kind::Hmac), room(1500, Kind::Hmac));
/// ```
pub fn room(mtu: u16, kind: Kind) -> usize {
    let frame = (usize::from(mtu) + 14).min(MAX_FRAME);
    frame.saturating_sub(HEADER + kind.length())
}
