//! Access lists: what may pass a port, line by line; the first line that matches decides.
//!
//! - [`AccessList`] and [`Rule`]: a list as people write it, with its text form both ways
//!   ([`Line::parse`], `Display`).
//! - [`View`]: what a list can ask of a frame. Total: every frame has one.
//! - [`first_match`]: what a list says, line after line. The reference.
//! - [`Compiled`]: the same answer at a cost that hardly depends on the list or the frame.
//! - [`Filter`]: the lists of one port and direction. [`Hits`]: how often each line decided.
//!
//! # What matches
//!
//! A list ends with an unwritten `deny`. Each family of list judges frames of its kind: an IPv4 list IPv4 packets,
//! an IPv6 list IPv6 packets, a MAC list every frame. A frame of another kind is not judged by it.
//!
//! **A permit needs proof, a deny needs only doubt.** What a line asks of the octets behind the IP header (ports,
//! flags, ICMP type and code) cannot be answered for a fragment other than the first, nor where the first fragment or
//! a short packet ends before the header does. There a `permit` that asks does not match, and a `deny` that
//! asks matches if all else does. So no part of a packet passes that the whole would not:
//!
//! - a tiny first fragment, whose ports or flags come later (RFC 1858 section 3, RFC 3128), passes no line that asks
//!   for them: the whole header has to be in the first fragment (TCP 20 octets, UDP 8, SCTP 12, ICMP 4);
//! - a TCP fragment at offset 1, which could overwrite the flags of a first fragment that has passed (RFC 1858
//!   section 4), is unreadable, and so is every IPv6 fragment at offset 1, since what it says it carries is not what
//!   is put together (RFC 8200 section 4.5);
//! - an IPv6 fragment with an extension header behind its fragment header is unreadable: ports and flags stand behind that
//!   one, at whatever offset its sender likes, where a later fragment could overwrite them. A packet that says it is a
//!   fragment and is whole (RFC 6946) is not meant;
//! - later fragments of what such lines permit pass by a line of their own: `permit udp any any fragments`, or one that
//!   asks for addresses and protocol only. Other switches let them pass by the line that asks for ports; ours do not.
//!
//! **Unreadable** is a packet whose header says what cannot be ([`Unreadable`]): no IP list permits it.
//!
//! IP is found behind up to [`vntag::MAX_VLAN_TAGS`] VLAN tags and an RFC 1042 header, since a receiver may look behind
//! them too. It is not looked for inside PPPoE, MPLS or tunnels.

mod ask;
mod compiled;
mod display;
mod filter;
mod hits;
mod list;
mod names;
mod parse;
mod parse_address;
mod parse_ip;
mod parse_list;
mod parse_options;
mod pattern;
mod reference;
mod rule;
mod tables;
mod view;
mod words;

pub use compiled::{By, Compiled, Verdict};
pub use filter::{Decision, Filter};
pub use hits::{Hits, Shown};
pub use list::{AccessList, Entry, InvalidName, Line, ListError, ListName, MAX_LINES, Sequence};
pub use parse_list::{ListParseError, ParseListError};
pub use pattern::{Ipv4Pattern, Ipv6Pattern, MacPattern, Pattern};
pub use reference::first_match;
pub use rule::{Action, Family, Flags, IpRule, MacRule, PortRange, Ports, Rule, Upper, flag};
pub use view::{Network, Packet, Subject, Transport, Unreadable, View};
pub use words::{ParseError, Problem};
