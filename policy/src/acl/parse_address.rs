//! Reading addresses: `any`, `host ADDRESS`, a prefix, or an address with a wildcard.

use super::pattern::{Ipv4Pattern, Ipv6Pattern, MacPattern, Pattern};
use super::words::{ParseError, Words};
use core::net::{Ipv4Addr, Ipv6Addr};
use niv::Mac;
use std::str::FromStr;

pub(super) fn ipv4_pattern(words: &mut Words<'_>) -> Result<Ipv4Pattern, ParseError> {
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

pub(super) fn ipv6_pattern(words: &mut Words<'_>) -> Result<Ipv6Pattern, ParseError> {
    const EXPECTED: [&str; 3] = ["any", "host", "<X:X::X/length>"];
    if let Some(pattern) = words.try_read(|word| prefix(word, |a: Ipv6Addr| a.octets())) {
        return Ok(pattern);
    }
    any_or_host(words, &EXPECTED, "<X:X::X>", |word| {
        Some(word.parse::<Ipv6Addr>().ok()?.octets())
    })
}

pub(super) fn mac_pattern(words: &mut Words<'_>) -> Result<MacPattern, ParseError> {
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
