//! Reading lines, as people type them.

use super::list::{AccessList, Entry, InvalidName, LONGEST_REMARK, Line, ListError, Sequence};
use super::names::{self, Messages};
use super::pattern::{Ipv4Pattern, Ipv6Pattern, MacPattern, Pattern};
use super::rule::{
    Action, Dscp, Family, Flags, IpRule, MacRule, PortRange, Ports, Rule, Upper, protocol,
};
use super::words::{LONGEST_LINE, ParseError, Problem, Words};
use niv::Mac;
use core::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use thiserror::Error;

const PORT: &str = "<port 0-65535>";

impl Line {
    /// Reads `[NUMBER] remark TEXT` or `[NUMBER] permit|deny ...`; words may be cut short as long as they are unambiguous.
    ///
    /// ```
    /// use policy::acl::{Family, Line};
    ///
    /// let line = Line::parse(Family::Ipv4, "10 permit tcp any host 10.0.0.1 range 80 90 est log")?;
    /// assert_eq!(line.to_string(), "10 permit tcp any host 10.0.0.1 range 80 90 established log");
    ///
    /// let error = Line::parse(Family::Ipv4, "permit tcp any hots 10.0.0.1").unwrap_err();
    /// assert_eq!(error.column, 15);
    /// # Ok::<(), policy::acl::ParseError>(())
    /// ```
    ///
    /// # Errors
    /// Where it is not such a line, and what should stand there.
    pub fn parse(family: Family, text: &str) -> Result<Self, ParseError> {
        let mut words = Words::new(text);
        if text.len() > LONGEST_LINE {
            return Err(words.error(Problem::Invalid("a line has 512 characters at most")));
        }
        let sequence = match words.peek() {
            Some(word) if word.starts_with(|first: char| first.is_ascii_digit()) => {
                Some(sequence(&mut words)?)
            }
            _ => None,
        };
        let entry = entry(family, &mut words, sequence.is_some())?;
        Ok(Self { sequence, entry })
    }
}

fn sequence(words: &mut Words<'_>) -> Result<Sequence, ParseError> {
    let number = words.try_read(|word| Sequence::new(word.parse().ok()?));
    number.ok_or_else(|| words.expected(["<line number 1-4294967295>"]))
}

#[derive(Clone, Copy)]
enum Kind {
    Remark,
    Rule(Action),
}

const KINDS: &[(&str, Kind)] = &[
    ("permit", Kind::Rule(Action::Permit)),
    ("deny", Kind::Rule(Action::Deny)),
    ("remark", Kind::Remark),
];

fn entry(family: Family, words: &mut Words<'_>, numbered: bool) -> Result<Entry, ParseError> {
    let Some(kind) = words.keyword(KINDS)? else {
        let number = (!numbered).then_some("<line number 1-4294967295>");
        return Err(words.expected(["permit", "deny", "remark"].into_iter().chain(number)));
    };
    let action = match kind {
        Kind::Remark => return remark(words),
        Kind::Rule(action) => action,
    };
    let rule = match family {
        Family::Ipv4 => Rule::Ipv4(ip_rule(words, action, &IPV4)?),
        Family::Ipv6 => Rule::Ipv6(ip_rule(words, action, &IPV6)?),
        Family::Mac => Rule::Mac(mac_rule(words, action)?),
    };
    if words.peek().is_some() {
        return Err(words.expected(["<end of line>"]));
    }
    Ok(Entry::Rule(rule))
}

fn remark(words: &Words<'_>) -> Result<Entry, ParseError> {
    let text = words.rest();
    if text.is_empty() {
        Err(words.expected(["<text>"]))
    } else if text.chars().count() > LONGEST_REMARK {
        Err(words.error(Problem::Invalid("a remark has 100 characters at most")))
    } else if text.chars().any(char::is_control) {
        Err(words.error(Problem::Invalid("a remark has no control characters")))
    } else {
        Ok(Entry::Remark(text.into()))
    }
}

/// What tells the languages of IPv4 and IPv6 lists apart.
struct Dialect<const N: usize> {
    /// Any protocol.
    all: &'static str,
    icmp: u8,
    messages: Messages,
    pattern: fn(&mut Words<'_>) -> Result<Pattern<N>, ParseError>,
}

const IPV4: Dialect<4> = Dialect {
    all: "ip",
    icmp: protocol::ICMP,
    messages: names::ICMP,
    pattern: ipv4_pattern,
};

const IPV6: Dialect<16> = Dialect {
    all: "ipv6",
    icmp: protocol::ICMPV6,
    messages: names::ICMPV6,
    pattern: ipv6_pattern,
};

fn ip_rule<const N: usize>(
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
    known.extend(
        names::PROTOCOLS
            .iter()
            .map(|(name, number)| (*name, Some(*number))),
    );
    if let Some(number) = words.try_read(|word| word.parse().ok()) {
        return Ok(Some(number));
    }
    match words.keyword(&known)? {
        Some(protocol) => Ok(protocol),
        None => Err(words.expected(
            known
                .iter()
                .map(|(name, _)| *name)
                .chain(["<protocol 0-255>"]),
        )),
    }
}

fn ipv4_pattern(words: &mut Words<'_>) -> Result<Ipv4Pattern, ParseError> {
    const EXPECTED: [&str; 4] = ["any", "host", "<A.B.C.D/length>", "<A.B.C.D> <wildcard>"];
    if let Some(pattern) = words.try_read(|word| prefix(word, |a: Ipv4Addr| a.octets())) {
        return Ok(pattern);
    }
    if let Some(address) = words.try_read(|word| word.parse::<Ipv4Addr>().ok()) {
        let wildcard = words.try_read(|word| word.parse().ok());
        let wildcard = wildcard.ok_or_else(|| words.expected(["<wildcard A.B.C.D>"]))?;
        return Ok(Ipv4Pattern::wildcard(address, wildcard));
    }
    any_or_host(words, &EXPECTED, "<A.B.C.D>", |word| {
        Some(word.parse::<Ipv4Addr>().ok()?.octets())
    })
}

fn ipv6_pattern(words: &mut Words<'_>) -> Result<Ipv6Pattern, ParseError> {
    const EXPECTED: [&str; 3] = ["any", "host", "<X:X::X/length>"];
    if let Some(pattern) = words.try_read(|word| prefix(word, |a: Ipv6Addr| a.octets())) {
        return Ok(pattern);
    }
    any_or_host(words, &EXPECTED, "<X:X::X>", |word| {
        Some(word.parse::<Ipv6Addr>().ok()?.octets())
    })
}

fn mac_pattern(words: &mut Words<'_>) -> Result<MacPattern, ParseError> {
    const EXPECTED: [&str; 3] = ["any", "host", "<XXXX.XXXX.XXXX> <wildcard>"];
    if let Some(address) = words.try_read(|word| word.parse::<Mac>().ok()) {
        let wildcard = words.try_read(|word| word.parse().ok());
        let wildcard = wildcard.ok_or_else(|| words.expected(["<wildcard XXXX.XXXX.XXXX>"]))?;
        return Ok(MacPattern::wildcard(address, wildcard));
    }
    any_or_host(words, &EXPECTED, "<XXXX.XXXX.XXXX>", |word| {
        Some(word.parse::<Mac>().ok()?.0)
    })
}

/// `ADDRESS/LENGTH`.
fn prefix<A: FromStr, const N: usize>(word: &str, octets: fn(A) -> [u8; N]) -> Option<Pattern<N>> {
    let (address, length) = word.split_once('/')?;
    let is_number = !length.is_empty() && length.bytes().all(|digit| digit.is_ascii_digit());
    let length = length.parse().ok().filter(|_| is_number)?;
    Pattern::prefix(octets(address.parse().ok()?), length)
}

fn any_or_host<const N: usize>(
    words: &mut Words<'_>,
    expected: &[&'static str],
    address: &'static str,
    read: impl FnOnce(&str) -> Option<[u8; N]>,
) -> Result<Pattern<N>, ParseError> {
    match words.keyword(&[("any", false), ("host", true)])? {
        None => Err(words.expected(expected.iter().copied())),
        Some(false) => Ok(Pattern::ANY),
        Some(true) => match words.try_read(read) {
            Some(octets) => Ok(Pattern::host(octets)),
            None => Err(words.expected([address])),
        },
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
        None => Ports::Any,
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
        return Ok(Some((kind, code)));
    }
    // Whole words first, so that no option is taken for a type.
    Ok(words.try_read(|word| {
        let found = named
            .iter()
            .find(|(name, ..)| name.eq_ignore_ascii_case(word))?;
        Some((found.1, found.2))
    }))
}

/// What may follow the addresses, in any order.
#[derive(Default)]
struct Options {
    message: Option<(u8, Option<u8>)>,
    established: bool,
    set: u8,
    clear: u8,
    dscp: Option<Dscp>,
    fragments: bool,
    log: bool,
}

#[derive(Clone, Copy)]
enum Choice {
    Established,
    Flag(u8),
    MatchAll,
    Dscp,
    Fragments,
    Log,
}

impl Options {
    fn read(
        &mut self,
        words: &mut Words<'_>,
        protocol: Option<u8>,
        ports: [Ports; 2],
    ) -> Result<(), ParseError> {
        while words.peek().is_some() {
            let choices = self.choices(protocol, ports);
            let before = words.clone();
            let Some(choice) = words.keyword(&choices)? else {
                let message = (protocol == Some(protocol::ICMP)
                    || protocol == Some(protocol::ICMPV6))
                    && self.message.is_none();
                let message = message.then_some("<ICMP type 0-255>");
                let choices = choices.iter().map(|(name, _)| *name).chain(message);
                return Err(before.expected(choices.chain(["<end of line>"])));
            };
            match choice {
                Choice::Established => self.established = true,
                Choice::Flag(bit) => self.set |= bit,
                Choice::MatchAll => self.match_all(words)?,
                Choice::Dscp => self.dscp = Some(dscp(words)?),
                Choice::Fragments => self.fragments = true,
                Choice::Log => self.log = true,
            }
        }
        Ok(())
    }

    /// What may still follow.
    fn choices(&self, protocol: Option<u8>, ports: [Ports; 2]) -> Vec<(&'static str, Choice)> {
        let mut choices = Vec::new();
        let asks_behind =
            ports != [Ports::Any; 2] || self.established || self.set != 0 || self.clear != 0;
        if protocol == Some(protocol::TCP) && !self.fragments && !self.established {
            if self.set == 0 && self.clear == 0 {
                choices.push(("established", Choice::Established));
                choices.push(("match-all", Choice::MatchAll));
            }
            if self.clear == 0 {
                let left = names::FLAGS.iter().filter(|(_, bit)| self.set & bit == 0);
                choices.extend(left.map(|(name, bit)| (*name, Choice::Flag(*bit))));
            }
        }
        if self.dscp.is_none() {
            choices.push(("dscp", Choice::Dscp));
        }
        if !self.fragments && !asks_behind && self.message.is_none() {
            choices.push(("fragments", Choice::Fragments));
        }
        if !self.log {
            choices.push(("log", Choice::Log));
        }
        choices
    }

    /// `+FLAG` and `-FLAG`, at least one.
    fn match_all(&mut self, words: &mut Words<'_>) -> Result<(), ParseError> {
        let signed = |word: &str| {
            let (sign, name) = word.split_at_checked(1)?;
            let named = names::FLAGS
                .iter()
                .find(|(flag, _)| flag.eq_ignore_ascii_case(name));
            let (_, bit) = named?;
            match sign {
                "+" => Some((*bit, 0)),
                "-" => Some((0, *bit)),
                _ => None,
            }
        };
        loop {
            let before = words.clone();
            let Some((set, clear)) = words.try_read(signed) else {
                break;
            };
            self.set |= set;
            self.clear |= clear;
            if self.set & self.clear != 0 {
                let both = Problem::Invalid("a flag cannot be both set and clear");
                return Err(before.error(both));
            }
        }
        if self.set | self.clear == 0 {
            return Err(words.expected(["<+flag>", "<-flag>"]));
        }
        Ok(())
    }

    fn upper(&self, protocol: Option<u8>, [source, destination]: [Ports; 2]) -> Upper {
        let any = Upper::Any {
            protocol,
            fragments: self.fragments,
        };
        let upper = match (protocol, self.message) {
            _ if self.fragments => any,
            (_, Some((kind, code))) => Upper::Icmp { kind, code },
            (Some(protocol::TCP), _) => Upper::Tcp {
                source,
                destination,
                flags: if self.established {
                    Flags::Established
                } else {
                    Flags::all(self.set, self.clear).unwrap_or(Flags::Any)
                },
            },
            (Some(protocol::UDP), _) => Upper::Udp {
                source,
                destination,
            },
            (Some(protocol::SCTP), _) => Upper::Sctp {
                source,
                destination,
            },
            _ => any,
        };
        upper.simplest()
    }
}

fn dscp(words: &mut Words<'_>) -> Result<Dscp, ParseError> {
    if let Some(dscp) = words.try_read(|word| Dscp::new(word.parse().ok()?)) {
        return Ok(dscp);
    }
    let named = words.keyword(names::CODE_POINTS)?.and_then(Dscp::new);
    named.ok_or_else(|| {
        let names = names::CODE_POINTS.iter().map(|(name, _)| *name);
        words.expected(names.chain(["<code point 0-63>"]))
    })
}

fn mac_rule(words: &mut Words<'_>, action: Action) -> Result<MacRule, ParseError> {
    let source = mac_pattern(words)?;
    let destination = mac_pattern(words)?;
    let log = [("log", true)];
    let number = |word: &str| {
        let digits = word
            .strip_prefix("0x")
            .or_else(|| word.strip_prefix("0X"))?;
        let all = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| all)
    };
    let mut ethertype = words.try_read(number);
    let mut logged = false;
    if ethertype.is_none() && words.peek().is_some() {
        logged = words
            .try_read(|word| word.eq_ignore_ascii_case("log").then_some(()))
            .is_some();
        if !logged {
            ethertype = words.keyword(names::ETHERTYPES)?;
            if ethertype.is_none() {
                let names = names::ETHERTYPES.iter().map(|(name, _)| *name);
                let more = ["<EtherType 0x0000-0xffff>", "log", "<end of line>"];
                return Err(words.expected(names.chain(more)));
            }
        }
    }
    logged = logged || words.keyword(&log)?.is_some();
    Ok(MacRule {
        action,
        source,
        destination,
        ethertype,
        log: logged,
    })
}

/// Why text is no list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct ParseListError {
    /// Which line of the text, from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub problem: ListParseError,
}

/// What is wrong with a line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListParseError {
    /// The first line.
    #[error(
        "a list begins with 'ip access-list NAME', 'ipv6 access-list NAME' or 'mac access-list NAME'"
    )]
    Head,
    /// The name in it.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A line is no line.
    #[error(transparent)]
    Line(#[from] ParseError),
    /// The list does not take it.
    #[error(transparent)]
    List(#[from] ListError),
}

impl FromStr for AccessList {
    type Err = ParseListError;

    /// Reads what `Display` writes. Empty lines are left out.
    fn from_str(text: &str) -> Result<Self, ParseListError> {
        let mut lines = text
            .lines()
            .zip(1..)
            .filter(|(text, _)| !text.trim().is_empty());
        let at = |line| move |problem| ParseListError { line, problem };
        let (first, number) = lines.next().unwrap_or(("", 1));
        let mut list = head(first).map_err(at(number))?;
        for (text, number) in lines {
            let line = Line::parse(list.family(), text);
            let line = line.map_err(ListParseError::Line).map_err(at(number))?;
            list.add(line)
                .map_err(ListParseError::List)
                .map_err(at(number))?;
        }
        Ok(list)
    }
}

fn head(text: &str) -> Result<AccessList, ListParseError> {
    let words: Vec<&str> = text.split_whitespace().take(4).collect();
    let [family, "access-list", name] = words[..] else {
        return Err(ListParseError::Head);
    };
    let all = [Family::Ipv4, Family::Ipv6, Family::Mac];
    let family = all.into_iter().find(|known| known.as_str() == family);
    Ok(AccessList::new(
        family.ok_or(ListParseError::Head)?,
        name.parse()?,
    ))
}
