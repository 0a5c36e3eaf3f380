//! How lines are written. What is written is read back as the same ([`Line::parse`]).

use super::list::{AccessList, Entry, Line};
use super::names::{self, Messages, name_of};
use super::pattern::{Ipv4Pattern, Ipv6Pattern, MacPattern};
use super::rule::{Action, Flags, IpRule, MacRule, Ports, Rule, Upper, protocol};
use crate::Dscp;
use core::net::{Ipv4Addr, Ipv6Addr};
use niv::Mac;
use std::fmt::{self, Display, Formatter};

impl Display for AccessList {
    /// Its first line, as in `ip access-list web`, and its lines, two spaces in.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} access-list {}", self.family().as_str(), self.name())?;
        for (sequence, entry) in self.lines() {
            writeln!(f, "  {sequence} {entry}")?;
        }
        Ok(())
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.sequence {
            Some(sequence) => write!(f, "{sequence} {}", self.entry),
            None => self.entry.fmt(f),
        }
    }
}

impl Display for Entry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remark(text) => write!(f, "remark {text}"),
            Self::Rule(rule) => rule.fmt(f),
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(rule) => ip(f, rule, "ip", protocol::ICMP, names::ICMP),
            Self::Ipv6(rule) => ip(f, rule, "ipv6", protocol::ICMPV6, names::ICMPV6),
            Self::Mac(rule) => mac(f, rule),
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        })
    }
}

fn ip<A: Display>(
    f: &mut Formatter<'_>,
    rule: &IpRule<A>,
    family: &str,
    icmp: u8,
    messages: Messages,
) -> fmt::Result {
    let upper = rule.upper.simplest();
    write!(f, "{} ", rule.action)?;
    match upper {
        Upper::Any { protocol: None, .. } => f.write_str(family)?,
        Upper::Any {
            protocol: Some(number),
            ..
        } => match name_of(names::PROTOCOLS, number) {
            None if number == icmp => f.write_str("icmp")?,
            Some(name) => f.write_str(name)?,
            None => write!(f, "{number}")?,
        },
        Upper::Tcp { .. } => f.write_str("tcp")?,
        Upper::Udp { .. } => f.write_str("udp")?,
        Upper::Sctp { .. } => f.write_str("sctp")?,
        Upper::Icmp { .. } => f.write_str("icmp")?,
    }
    let (from, to) = match upper {
        Upper::Tcp {
            source,
            destination,
            ..
        }
        | Upper::Udp {
            source,
            destination,
        }
        | Upper::Sctp {
            source,
            destination,
        } => (source, destination),
        Upper::Any { .. } | Upper::Icmp { .. } => (Ports::Any, Ports::Any),
    };
    write!(f, " {}{from} {}{to}", rule.source, rule.destination)?;
    match upper {
        Upper::Icmp { kind, code } => message(f, messages, kind, code)?,
        Upper::Tcp { flags, .. } => flags.fmt(f)?,
        Upper::Any {
            fragments: true, ..
        } => f.write_str(" fragments")?,
        Upper::Any { .. } | Upper::Udp { .. } | Upper::Sctp { .. } => {}
    }
    if let Some(dscp) = rule.dscp {
        write!(f, " dscp {dscp}")?;
    }
    log(f, rule.log)
}

fn mac(f: &mut Formatter<'_>, rule: &MacRule) -> fmt::Result {
    write!(f, "{} {} {}", rule.action, rule.source, rule.destination)?;
    if let Some(kind) = rule.ethertype {
        write!(f, " 0x{kind:04x}")?;
    }
    log(f, rule.log)
}

fn log(f: &mut Formatter<'_>, log: bool) -> fmt::Result {
    f.write_str(if log { " log" } else { "" })
}

fn message(f: &mut Formatter<'_>, named: Messages, kind: u8, code: Option<u8>) -> fmt::Result {
    let is_it = |(_, k, c): &&(&str, u8, Option<u8>)| (*k, *c) == (kind, code);
    match (named.iter().find(is_it), code) {
        (Some((name, ..)), _) => write!(f, " {name}"),
        (None, None) => write!(f, " {kind}"),
        (None, Some(code)) => write!(f, " {kind} {code}"),
    }
}

/// With a space before it, or nothing.
impl Display for Ports {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Eq(port) => write!(f, " eq {port}"),
            Self::Neq(port) => write!(f, " neq {port}"),
            Self::Lt(port) => write!(f, " lt {port}"),
            Self::Gt(port) => write!(f, " gt {port}"),
            Self::Range(range) => write!(f, " range {} {}", range.first(), range.last()),
        }
    }
}

/// With a space before it, or nothing.
impl Display for Flags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Any => Ok(()),
            Self::Established => f.write_str(" established"),
            Self::All { set, clear: 0 } => {
                let mut named = names::FLAGS.iter().filter(|(_, bit)| set & bit != 0);
                named.try_for_each(|(name, _)| write!(f, " {name}"))
            }
            Self::All { set, clear } => {
                f.write_str(" match-all")?;
                names::FLAGS.iter().try_for_each(|(name, bit)| {
                    if set & bit != 0 {
                        write!(f, " +{name}")
                    } else if clear & bit != 0 {
                        write!(f, " -{name}")
                    } else {
                        Ok(())
                    }
                })
            }
        }
    }
}

impl Display for Dscp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match name_of(names::CODE_POINTS, self.get()) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.get()),
        }
    }
}

impl Display for Ipv4Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let address = Ipv4Addr::from(self.address());
        match self.prefix_len() {
            Some(0) => f.write_str("any"),
            Some(32) => write!(f, "host {address}"),
            Some(length) => write!(f, "{address}/{length}"),
            None => write!(f, "{address} {}", Ipv4Addr::from(self.wildcard_bits())),
        }
    }
}

impl Display for Ipv6Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.address());
        match self.prefix_len().unwrap_or(128) {
            0 => f.write_str("any"),
            128 => write!(f, "host {address}"),
            length => write!(f, "{address}/{length}"),
        }
    }
}

impl Display for MacPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let address = Mac(self.address()).dotted();
        match self.prefix_len() {
            Some(0) => f.write_str("any"),
            Some(48) => write!(f, "host {address}"),
            _ => write!(f, "{address} {}", Mac(self.wildcard_bits()).dotted()),
        }
    }
}
