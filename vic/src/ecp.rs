//! ECP, the Edge Control Protocol as ratified in IEEE 802.1Qbg: header, and stop and wait.
//!
//! ```text
//!   octet 0            1            2       3
//!       +----+--+------------+------+-------+
//!       |ver |op| subtype(10)|  sequence(16)|      most significant bit first
//!       +----+--+------------+------+-------+
//!         4    2
//! ```
//!
//! The receiving half differs from the standard's in one thing, which a standard sender cannot tell: a
//! PDU is acknowledged when its authenticator holds, so a damaged one is sent again. What is new and
//! what is not is decided above ECP, by VIC's own sequence (design.md section 6).

use core::time::Duration;

/// What a PDU is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It carries something, and is to be acknowledged.
    Request,
    /// It acknowledges, and carries nothing.
    Acknowledgement,
}

/// The four octets after the EtherType.
///
/// ```
/// use vic::ecp::{Header, Operation};
///
/// let header = Header { operation: Operation::Request, subtype: 1008, sequence: 7 };
/// assert_eq!(header.to_bytes(), [0x13, 0xF0, 0x00, 0x07]);
/// assert_eq!(Header::from_bytes([0x13, 0xF0, 0x00, 0x07]), Some(header));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Request or acknowledgement.
    pub operation: Operation,
    /// 0..=1023: 1 is VDP, 2 is PE-CSP.
    pub subtype: u16,
    /// Of the sender; an acknowledgement repeats the request's.
    pub sequence: u16,
}

impl Header {
    /// Octets of a header.
    pub const LENGTH: usize = 4;

    /// Reads a header. `None` for a version other than 1 or an operation above 1.
    pub const fn from_bytes(octets: [u8; 4]) -> Option<Self> {
        let word = u32::from_be_bytes(octets);
        let operation = match (word >> 28, word >> 26 & 3) {
            (1, 0) => Operation::Request,
            (1, 1) => Operation::Acknowledgement,
            _ => return None,
        };
        Some(Self {
            operation,
            subtype: (word >> 16 & 0x3FF) as u16,
            sequence: word as u16,
        })
    }

    /// Writes a header. Bits of the subtype above the tenth are lost.
    pub const fn to_bytes(self) -> [u8; 4] {
        let operation = match self.operation {
            Operation::Request => 0,
            Operation::Acknowledgement => 1,
        };
        let word =
            1 << 28 | operation << 26 | (self.subtype as u32 & 0x3FF) << 16 | self.sequence as u32;
        word.to_be_bytes()
    }
}

/// The sending half of stop and wait: one PDU is out until it is acknowledged or given up.
///
/// ```
/// use core::time::Duration;
/// use vic::ecp::Sender;
///
/// let mut sender = Sender::new(Duration::from_millis(10), 1);
/// let now = Duration::ZERO;
/// let sequence = sender.next_sequence();
/// sender.send(now, vec![1, 2, 3]);
/// assert!(!sender.is_idle());
/// assert_eq!(sender.due(now + Duration::from_millis(10)), Some([1, 2, 3].as_slice()));
/// assert!(sender.acknowledge(sequence));
/// assert!(sender.is_idle());
/// ```
#[derive(Clone, Debug)]
pub struct Sender {
    timer: Duration,
    retries: u8,
    sequence: u16,
    out: Option<Out>,
    given_up: u64,
}

#[derive(Clone, Debug)]
struct Out {
    frame: Vec<u8>,
    again_at: Duration,
    left: u8,
}

impl Sender {
    /// A sender that waits `timer` for an acknowledgement, and repeats a PDU `retries` times.
    pub const fn new(timer: Duration, retries: u8) -> Self {
        Self {
            timer,
            retries,
            sequence: 1,
            out: None,
            given_up: 0,
        }
    }

    /// No PDU waits for its acknowledgement.
    pub const fn is_idle(&self) -> bool {
        self.out.is_none()
    }

    /// The sequence that the next PDU has to carry: 1 at the start, then one more each, never 0.
    pub const fn next_sequence(&self) -> u16 {
        self.sequence
    }

    /// Takes over a PDU that carries [`Self::next_sequence`] and has just been sent for the first time.
    /// A PDU that still waits is given up.
    pub fn send(&mut self, now: Duration, frame: Vec<u8>) {
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        let left = self.retries;
        let again_at = now + self.timer;
        self.out = Some(Out {
            frame,
            again_at,
            left,
        });
    }

    /// An acknowledgement came. Says whether it was for the PDU that waits.
    pub fn acknowledge(&mut self, sequence: u16) -> bool {
        let waits_for = match self.sequence {
            1 => u16::MAX,
            next => next - 1,
        };
        let matches = self.out.is_some() && sequence == waits_for;
        if matches {
            self.out = None;
        }
        matches
    }

    /// What is to be sent again at `now`, if anything. After the last repetition the PDU is given up.
    pub fn due(&mut self, now: Duration) -> Option<&[u8]> {
        let out = self.out.as_mut().filter(|out| out.again_at <= now)?;
        if out.left == 0 {
            self.out = None;
            self.given_up += 1;
            return None;
        }
        out.left -= 1;
        out.again_at = now + self.timer;
        self.out.as_ref().map(|out| out.frame.as_slice())
    }

    /// When [`Self::due`] wants to be asked next.
    pub fn timeout(&self) -> Option<Duration> {
        self.out.as_ref().map(|out| out.again_at)
    }

    /// How many PDUs were given up.
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_that_is_read_is_written_the_same() {
        let mut read = 0;
        for high in 0..=u16::MAX {
            let [a, b] = high.to_be_bytes();
            if let Some(header) = Header::from_bytes([a, b, 0xAB, 0xCD]) {
                assert_eq!(header.to_bytes(), [a, b, 0xAB, 0xCD]);
                assert_eq!(header.sequence, 0xABCD);
                read += 1;
            }
        }
        // One version, two operations, 1,024 subtypes.
        assert_eq!(read, 2048);
    }

    #[test]
    fn a_pdu_is_sent_once_and_repeated_r_times_then_given_up() {
        let timer = Duration::from_micros(10_240);
        let mut sender = Sender::new(timer, 5);
        sender.send(Duration::ZERO, vec![7]);
        let mut now = Duration::ZERO;
        for _ in 0..5 {
            assert_eq!(sender.due(now + timer / 2), None);
            now += timer;
            assert_eq!(sender.due(now), Some([7].as_slice()));
        }
        assert!(!sender.is_idle());
        assert_eq!(sender.due(now + timer), None);
        assert!(sender.is_idle());
        assert_eq!((sender.given_up(), sender.timeout()), (1, None));
    }

    #[test]
    fn a_sequence_starts_at_1_and_skips_0() {
        let mut sender = Sender::new(Duration::ZERO, 0);
        assert_eq!(sender.next_sequence(), 1);
        for _ in 0..u16::MAX - 1 {
            sender.send(Duration::ZERO, Vec::new());
        }
        assert_eq!(sender.next_sequence(), u16::MAX);
        sender.send(Duration::ZERO, Vec::new());
        assert_eq!(sender.next_sequence(), 1);
        assert!(sender.acknowledge(u16::MAX));
    }

    #[test]
    fn only_the_acknowledgement_of_the_pdu_that_waits_counts() {
        let mut sender = Sender::new(Duration::ZERO, 0);
        assert!(!sender.acknowledge(u16::MAX), "nothing waits");
        sender.send(Duration::ZERO, vec![1]);
        sender.send(Duration::ZERO, vec![2]);
        assert!(!sender.acknowledge(1));
        assert!(sender.acknowledge(2));
        assert!(!sender.acknowledge(2), "a second one finds nothing waiting");
    }
}
