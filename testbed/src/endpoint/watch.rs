//! Watching a namespace's interfaces, with the choice of frames made in the kernel.
//!
//! A watch that looks for what must never be there sees every frame, at any rate: only offending frames
//! are queued, so that a full queue cannot hide one. The filters are classic BPF, which needs no rights
//! beyond the raw socket's.

use crate::error::{Doing, Result};
use packet_io::netns::NetNs;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io::{self, Read};
use std::time::{Duration, Instant, SystemTime};
use vntag::ethertype;

/// `ETH_P_ALL` of `linux/if_ether.h`, in the byte order the kernel wants it.
const ALL_PROTOCOLS: u16 = 3_u16.to_be();
/// Octets of kernel memory for the queue of a watch.
const QUEUE: usize = 4 << 20;
/// The longest frame there is: 64 KiB of payload (an oversized one), a VNTag, two VLAN tags.
const LONGEST: usize = 65_536 + 64;

// Classic BPF: `linux/bpf_common.h`, `linux/filter.h`.
const LOAD_HALF: u16 = 0x28;
const LOAD_WORD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const PACKET_TYPE: u32 = 0xFFFF_F000_u32 + 4;
const INTERFACE: u32 = 0xFFFF_F000_u32 + 8;
const VLAN_TAG: u32 = 0xFFFF_F000_u32 + 44;
const VLAN_TAG_PRESENT: u32 = 0xFFFF_F000_u32 + 48;
const OUTGOING: u32 = 4;
const TAKE_ALL: u32 = u32::MAX;

/// Which frames a watch takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    /// Received on this interface, all of them.
    Received {
        /// The interface's index.
        interface: u32,
    },
    /// Received on any interface with this EtherType at octet 12.
    ReceivedType(u16),
    /// The same, but only of this VLAN by its outermost tag, which the kernel takes out; 0: without one.
    ReceivedTypeIn {
        /// Behind that tag.
        ethertype: u16,
        /// 0..=4094
        vid: u16,
    },
    /// With a VNTag or E-TAG at octet 12, 16 or 20, in either direction: what no guest and no plain
    /// neighbour may ever see (design.md section 5.2). A VLAN tag that the kernel took out only moves
    /// the next tag to one of these places.
    Tagged,
    /// Received on this interface with neither a VNTag nor a link control EtherType: what no NIV link
    /// may carry.
    NotOnNivLinks {
        /// The interface's index.
        interface: u32,
    },
}

impl Choice {
    fn program(self) -> Vec<SockFilter> {
        let mut program = Vec::new();
        // A jump of 1 over the `RETURN 0` behind it: frames for which the comparison fails are refused.
        let only_if = |program: &mut Vec<SockFilter>, value: u32| {
            program.push(SockFilter::new(JUMP_IF_EQUAL, 1, 0, value));
            program.push(SockFilter::new(RETURN, 0, 0, 0));
        };
        let refuse_if = |program: &mut Vec<SockFilter>, value: u32| {
            program.push(SockFilter::new(JUMP_IF_EQUAL, 0, 1, value));
            program.push(SockFilter::new(RETURN, 0, 0, 0));
        };
        let take_if = |program: &mut Vec<SockFilter>, value: u16| {
            program.push(SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(value)));
            program.push(SockFilter::new(RETURN, 0, 0, TAKE_ALL));
        };
        if !matches!(self, Self::Tagged) {
            program.push(SockFilter::new(LOAD_WORD, 0, 0, PACKET_TYPE));
            refuse_if(&mut program, OUTGOING);
        }
        if let Self::Received { interface } | Self::NotOnNivLinks { interface } = self {
            program.push(SockFilter::new(LOAD_WORD, 0, 0, INTERFACE));
            only_if(&mut program, interface);
        }
        let verdict = match self {
            Self::Received { .. } => TAKE_ALL,
            Self::ReceivedType(ethertype) => {
                program.push(SockFilter::new(LOAD_HALF, 0, 0, 12));
                take_if(&mut program, ethertype);
                0
            }
            Self::ReceivedTypeIn { ethertype, vid } => {
                program.push(SockFilter::new(LOAD_WORD, 0, 0, VLAN_TAG_PRESENT));
                only_if(&mut program, u32::from(vid != 0));
                if vid != 0 {
                    program.push(SockFilter::new(LOAD_WORD, 0, 0, VLAN_TAG));
                    only_if(&mut program, u32::from(vid));
                }
                program.push(SockFilter::new(LOAD_HALF, 0, 0, 12));
                take_if(&mut program, ethertype);
                0
            }
            Self::Tagged => {
                // Loading beyond a short frame's end refuses it, which is right: no tag fits there.
                for octet in [12, 16, 20] {
                    program.push(SockFilter::new(LOAD_HALF, 0, 0, octet));
                    take_if(&mut program, ethertype::VNTAG);
                    take_if(&mut program, ethertype::ETAG);
                }
                0
            }
            Self::NotOnNivLinks { .. } => {
                program.push(SockFilter::new(LOAD_HALF, 0, 0, 12));
                for expected in [ethertype::VNTAG, ethertype::ECP, ethertype::LLDP] {
                    refuse_if(&mut program, u32::from(expected));
                }
                TAKE_ALL
            }
        };
        program.push(SockFilter::new(RETURN, 0, 0, verdict));
        program
    }
}

/// A frame and when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The wall clock, for captures.
    pub(crate) at: SystemTime,
    /// From the destination address on, without FCS.
    pub(crate) bytes: Vec<u8>,
}

/// A raw socket that takes only what it was told to.
#[derive(Debug)]
pub(crate) struct Watch {
    socket: Socket,
}

impl Watch {
    /// Begins to watch in the namespace.
    ///
    /// # Errors
    /// No raw socket to be had.
    pub(crate) fn open(netns: &NetNs, choice: Choice) -> Result<Self> {
        let open = || -> io::Result<Socket> {
            // Without a protocol the socket takes nothing; only with the filter in place is it bound to
            // all of them, which `SO_ATTACH_FILTER` after the fact could not promise.
            let protocol = Protocol::from(i32::from(ALL_PROTOCOLS));
            let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol))?;
            socket.attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])?;
            // What came before the filter is thrown away here; from now on nothing passes it.
            let mut early = [0; 64];
            while (&socket).read(&mut early).is_ok() {}
            if socket.set_recv_buffer_size(QUEUE).is_err() {
                // The limit of an ordinary user is enough for what the scenarios send.
            }
            socket.attach_filter(&choice.program())?;
            Ok(socket)
        };
        let socket = netns.run(open).doing("enter a namespace to watch")?;
        Ok(Self {
            socket: socket.doing("watch an interface")?,
        })
    }

    /// The next frame, if one is waiting.
    pub(crate) fn try_next(&self) -> Result<Option<Seen>> {
        let mut bytes = vec![0; LONGEST];
        loop {
            match (&self.socket).read(&mut bytes) {
                Ok(length) => {
                    bytes.truncate(length);
                    let at = SystemTime::now();
                    return Ok(Some(Seen { at, bytes }));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // An interface of the namespace went down: said once, to every socket.
                Err(e) if e.raw_os_error() == Some(rustix::io::Errno::NETDOWN.raw_os_error()) => {}
                Err(e) => return Err(e).doing("read a watched interface"),
            }
        }
    }

    /// Everything that waits now.
    pub(crate) fn drain(&self) -> Result<Vec<Seen>> {
        let mut seen = Vec::new();
        while let Some(frame) = self.try_next()? {
            seen.push(frame);
        }
        Ok(seen)
    }

    /// Frames until `enough` says so of what was gathered, or the time is over; what was gathered either
    /// way.
    pub(crate) fn gather(
        &self,
        within: Duration,
        mut enough: impl FnMut(&[Seen]) -> bool,
    ) -> Result<Vec<Seen>> {
        let end = Instant::now() + within;
        let mut seen = Vec::new();
        while !enough(&seen) && Instant::now() < end {
            match self.try_next()? {
                Some(frame) => seen.push(frame),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        Ok(seen)
    }
}
