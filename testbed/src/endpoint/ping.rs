//! ICMP and ICMPv6 echo from inside many namespaces at once, so that no `ping` program is needed.

use crate::error::{Doing, Result};
use etherparse::{IcmpEchoHeader, Icmpv4Type, Icmpv6Type};
use packet_io::netns::NetNs;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Between two requests to a destination that has not answered.
const AGAIN: Duration = Duration::from_millis(400);

/// The ICMP identifier of the next asker. Each call has its own: requests that waited for a neighbour to
/// appear may still be answered when a later call is listening.
static NEXT_ID: AtomicU16 = AtomicU16::new(1);

/// One direction of the matrix: who asks whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    /// Index of the asker in the list of askers.
    pub(crate) from: usize,
    /// Whom it asks.
    pub(crate) to: IpAddr,
}

/// What became of one pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Requests sent.
    pub(crate) sent: u16,
    /// Answers received with every byte as sent.
    pub(crate) answered: u16,
    /// Answers with other bytes.
    pub(crate) damaged: u16,
}

impl Outcome {
    /// Answered, and no request answered twice.
    pub(crate) const fn is_clean(self) -> bool {
        self.answered > 0 && self.answered <= self.sent && self.damaged == 0
    }
}

/// The sockets of one asker.
struct Asker {
    v4: Socket,
    v6: Socket,
    id: u16,
}

impl Asker {
    fn open(netns: &NetNs, id: u16) -> Result<Self> {
        let open = || -> io::Result<Self> {
            let raw = Type::RAW.nonblocking();
            let v4 = Socket::new(Domain::IPV4, raw, Some(Protocol::ICMPV4))?;
            let v6 = Socket::new(Domain::IPV6, raw, Some(Protocol::ICMPV6))?;
            Ok(Self { v4, v6, id })
        };
        netns
            .run(open)
            .doing("enter a namespace to ping from")?
            .doing("open a socket to ping with")
    }

    fn request(&self, to: IpAddr, seq: u16, payload: &[u8]) -> io::Result<()> {
        let echo = IcmpEchoHeader { id: self.id, seq };
        let (socket, mut message) = match to {
            IpAddr::V4(_) => {
                let header =
                    etherparse::Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(echo), payload);
                (&self.v4, header.to_bytes().to_vec())
            }
            // The kernel fills in the checksum of ICMPv6 (RFC 3542 section 3.1).
            IpAddr::V6(_) => {
                let header = etherparse::Icmpv6Header::new(Icmpv6Type::EchoRequest(echo));
                (&self.v6, header.to_bytes().to_vec())
            }
        };
        message.extend_from_slice(payload);
        socket.send_to(&message, &SocketAddr::new(to, 0).into())?;
        Ok(())
    }

    /// The next waiting echo reply to this asker: its sequence number and its payload.
    fn next_reply(&self) -> Option<(u16, Vec<u8>)> {
        let mut buffer = vec![0; 65_536];
        while let Ok(length) = (&self.v4).read(&mut buffer) {
            // A raw IPv4 socket delivers the IP header too.
            let header = usize::from(buffer.first().map_or(0, |b| b & 0xF)) * 4;
            if let Some(reply) = echo_reply(buffer.get(header..length), 0, self.id) {
                return Some(reply);
            }
        }
        while let Ok(length) = (&self.v6).read(&mut buffer) {
            if let Some(reply) = echo_reply(buffer.get(..length), 129, self.id) {
                return Some(reply);
            }
        }
        None
    }
}

/// Takes an echo reply of ICMP type `kind` apart: type, code, checksum, id, sequence number, payload.
fn echo_reply(message: Option<&[u8]>, kind: u8, id: u16) -> Option<(u16, Vec<u8>)> {
    let (&[t, _, _, _, i1, i2, s1, s2], payload) = message?.split_first_chunk::<8>()?;
    (t == kind && u16::from_be_bytes([i1, i2]) == id)
        .then(|| (u16::from_be_bytes([s1, s2]), payload.to_vec()))
}

/// How to ping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Octets behind the ICMP header.
    pub(crate) payload: usize,
    /// Ask again until answered, so long at most.
    pub(crate) within: Duration,
    /// Go on listening after the last answer: for second answers, and for those that must not come.
    pub(crate) linger: Duration,
}

/// Every pair at the same time: asks, asks again where no answer came, and counts the answers.
///
/// # Errors
/// No raw socket to be had. An unreachable destination is no error but an outcome.
pub(crate) fn ping_all(
    askers: &[&NetNs],
    pairs: &[Pair],
    patience: Patience,
) -> Result<BTreeMap<Pair, Outcome>> {
    let sockets = askers
        .iter()
        .map(|netns| Asker::open(netns, NEXT_ID.fetch_add(1, Ordering::Relaxed)))
        .collect::<Result<Vec<_>>>()?;
    let payload: Vec<u8> = super::stream::pattern(0, patience.payload);
    let mut outcomes: BTreeMap<Pair, Outcome> = BTreeMap::new();
    outcomes.extend(pairs.iter().map(|&pair| (pair, Outcome::default())));

    let end = Instant::now() + patience.within;
    let mut ask_at = Instant::now();
    let mut last_answer = Instant::now();
    loop {
        let now = Instant::now();
        let open = outcomes.values().filter(|o| o.answered == 0).count();
        if open == 0 && now > last_answer + patience.linger {
            break;
        }
        if now > end + patience.linger {
            break;
        }
        if open > 0 && now >= ask_at && now < end {
            ask_at = now + AGAIN;
            for (index, pair) in pairs.iter().enumerate() {
                let Some(outcome) = outcomes.get_mut(pair).filter(|o| o.answered == 0) else {
                    continue;
                };
                if let (Some(asker), Ok(seq)) = (sockets.get(pair.from), u16::try_from(index)) {
                    // No route and no neighbour are answers too: the pair stays unanswered.
                    if asker.request(pair.to, seq, &payload).is_ok() {
                        outcome.sent += 1;
                    }
                }
            }
        }
        let mut idle = true;
        for (from, asker) in sockets.iter().enumerate() {
            while let Some((seq, bytes)) = asker.next_reply() {
                idle = false;
                last_answer = Instant::now();
                let pair = pairs.get(usize::from(seq)).filter(|p| p.from == from);
                if let Some(outcome) = pair.and_then(|pair| outcomes.get_mut(pair)) {
                    if bytes == payload {
                        outcome.answered += 1;
                    } else {
                        outcome.damaged += 1;
                    }
                }
            }
        }
        if idle {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(outcomes)
}
