//! Reading what follows the addresses of an IP line.

use super::names;
use super::rule::{Flags, Ports, Upper, protocol};
use super::words::{END, ParseError, Problem, Words};
use crate::Dscp;

/// What may follow the addresses, in any order.
#[derive(Default)]
pub(super) struct Options {
    pub(super) message: Option<(u8, Option<u8>)>,
    established: bool,
    set: u8,
    clear: u8,
    pub(super) dscp: Option<Dscp>,
    fragments: bool,
    pub(super) log: bool,
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
    pub(super) fn read(
        &mut self,
        words: &mut Words<'_>,
        protocol: Option<u8>,
        ports: [Ports; 2],
    ) -> Result<(), ParseError> {
        while words.peek().is_some() {
            let choices = self.choices(protocol, ports);
            let before = words.clone();
            let Some(choice) = words.keyword(&choices)? else {
                let choices = choices.iter().map(|(name, _)| *name);
                return Err(before.expected(choices.chain([END])));
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

    pub(super) fn upper(&self, protocol: Option<u8>, [source, destination]: [Ports; 2]) -> Upper {
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
    let read = |number: u8| Dscp::try_from(number).ok();
    if let Some(dscp) = words.try_read(|word| read(word.parse().ok()?)) {
        return Ok(dscp);
    }
    let named = words.keyword(names::CODE_POINTS)?.and_then(read);
    named.ok_or_else(|| {
        let names = names::CODE_POINTS.iter().map(|(name, _)| *name);
        words.expected(names.chain(["<code point 0-63>"]))
    })
}
