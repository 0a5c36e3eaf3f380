//! Reading what lines ask of IP packets.

use super::names::{self, Messages};
use super::parse_address::{ipv4_pattern, ipv6_pattern};
use super::parse_options::Options;
use super::pattern::Pattern;
use super::rule::{Action, IpRule, PortRange, Ports, protocol};
use super::view::is_extension;
use super::words::{ParseError, Problem, Words};

const PORT: &str = "<port 0-65535>";

/// What tells the languages of IPv4 and IPv6 lists apart.
pub(super) struct Dialect<const N: usize> {
    /// Any protocol.
    all: &'static str,
    icmp: u8,
    messages: Messages,
    /// How numbers are said that are no words.
    number: &'static str,
    /// Those that no packet carries, and that no line can ask for.
    carries_not: fn(u8) -> bool,
    pattern: fn(&mut Words<'_>) -> Result<Pattern<N>, ParseError>,
}

pub(super) const IPV4: Dialect<4> = Dialect {
    all: "ip",
    icmp: protocol::ICMP,
    messages: names::ICMP,
    number: "<protocol 0-255>",
    carries_not: |_| false,
    pattern: ipv4_pattern,
};

pub(super) const IPV6: Dialect<16> = Dialect {
    all: "ipv6",
    icmp: protocol::ICMPV6,
    messages: names::ICMPV6,
    number: "<protocol 0-255, no extension header>",
    // What is asked is what stands behind all of them.
    carries_not: is_extension,
    pattern: ipv6_pattern,
};

pub(super) fn ip_rule<const N: usize>(
    words: &mut Words<'_>,
    action: Action,
    dialect: &Dialect<N>,
) -> Result<IpRule<Pattern<N>>, ParseError> {
    let protocol = carried(words, dialect)?;
    let has_ports = matches!(
        protocol,
        Some(protocol::TCP | protocol::UDP | protocol::SCTP)
    );
    let some_ports = |words: &mut Words<'_>| {
        if has_ports {
            ports(words)
        } else {
            Ok(Ports::Any)
        }
    };
    let source = (dialect.pattern)(words)?;
    let from = some_ports(words)?;
    let destination = (dialect.pattern)(words)?;
    let to = some_ports(words)?;
    let mut options = Options::default();
    if protocol == Some(dialect.icmp) {
        options.message = message(words, dialect.messages)?;
    }
    let ports = [from, to];
    options.read(words, protocol, ports)?;
    Ok(IpRule {
        action,
        source,
        destination,
        upper: options.upper(protocol, ports),
        dscp: options.dscp,
        log: options.log,
    })
}

/// The protocol; `None`: any.
fn carried<const N: usize>(
    words: &mut Words<'_>,
    dialect: &Dialect<N>,
) -> Result<Option<u8>, ParseError> {
    let mut known: Vec<(&'static str, Option<u8>)> = vec![(dialect.all, None)];
    known.push(("icmp", Some(dialect.icmp)));
    let carried = |number: &u8| !(dialect.carries_not)(*number);
    let some = names::PROTOCOLS
        .iter()
        .filter(|(_, number)| carried(number));
    known.extend(some.map(|(name, number)| (*name, Some(*number))));
    if let Some(number) = words.try_read(|word| word.parse().ok().filter(carried)) {
        return Ok(Some(number));
    }
    match words.keyword(&known)? {
        Some(protocol) => Ok(protocol),
        None => Err(words.expected(known.iter().map(|(name, _)| *name).chain([dialect.number]))),
    }
}

#[derive(Clone, Copy)]
enum Operator {
    Eq,
    Neq,
    Lt,
    Gt,
    Range,
}

const OPERATORS: &[(&str, Operator)] = &[
    ("eq", Operator::Eq),
    ("neq", Operator::Neq),
    ("lt", Operator::Lt),
    ("gt", Operator::Gt),
    ("range", Operator::Range),
];

/// A condition on a port, if one stands here. Operators are not cut short: an option may follow.
fn ports(words: &mut Words<'_>) -> Result<Ports, ParseError> {
    let operator = words.try_read(|word| {
        let found = OPERATORS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word))?;
        Some(found.1)
    });
    let before = words.clone();
    Ok(match operator {
        None => {
            words.offer(OPERATORS.iter().map(|(name, _)| *name));
            Ports::Any
        }
        Some(Operator::Eq) => Ports::Eq(port(words)?),
        Some(Operator::Neq) => Ports::Neq(port(words)?),
        Some(Operator::Lt) => match port(words)? {
            0 => return Err(before.error(Problem::Invalid("no port is less than 0"))),
            end => Ports::Lt(end),
        },
        Some(Operator::Gt) => match port(words)? {
            u16::MAX => {
                return Err(before.error(Problem::Invalid("no port is greater than 65535")));
            }
            end => Ports::Gt(end),
        },
        Some(Operator::Range) => {
            let range = PortRange::new(port(words)?, port(words)?);
            let problem = Problem::Invalid("the first port is greater than the last");
            Ports::Range(range.ok_or_else(|| before.error(problem))?)
        }
    })
}

fn port(words: &mut Words<'_>) -> Result<u16, ParseError> {
    if let Some(port) = words.try_read(|word| word.parse().ok()) {
        return Ok(port);
    }
    let port = words.keyword(names::PORTS)?;
    port.ok_or_else(|| words.expected([PORT, "<service name>"]))
}

/// An ICMP type and code, if one stands here.
fn message(words: &mut Words<'_>, named: Messages) -> Result<Option<(u8, Option<u8>)>, ParseError> {
    if let Some(kind) = words.try_read(|word| word.parse().ok()) {
        let code = words.try_read(|word| word.parse().ok());
        if code.is_none() {
            words.offer(["<ICMP code 0-255>"]);
        }
        return Ok(Some((kind, code)));
    }
    // Not cut short: an option may follow.
    let found = words.try_read(|word| {
        let mut named = named.iter();
        let found = named.find(|(name, ..)| name.eq_ignore_ascii_case(word))?;
        Some((found.1, found.2))
    });
    if found.is_none() {
        words.offer(
            named
                .iter()
                .map(|(name, ..)| *name)
                .chain(["<ICMP type 0-255>"]),
        );
    }
    Ok(found)
}
