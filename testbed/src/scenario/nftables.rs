//! nftables as the judge of access lists: the same list in both languages, the same frames, the same count for each line.

use crate::binaries::Binaries;
use crate::endpoint::frame::Source;
use crate::error::{Doing, Result, check};
use crate::lab::{Host, Lab};
use crate::need;
use crate::report::Report;
use crate::sandbox;
use niv::Mac;
use policy::acl::{
    AccessList, Action, By, Compiled, Family, Flags, IpRule, MacPattern, MacRule, Network, Pattern,
    Ports, Rule, Subject, Transport, Upper, View,
};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// What the crate's own tests are made of.
#[path = "../../../policy/tests/acl/generate.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "part of a test, where these are allowed"
)]
mod generate;

const LISTS: u64 = 60;
const LONGEST_LIST: u64 = 60;
const FRAMES: usize = 1_000;
const DEVICE: &str = "eth0";

/// Frames that both languages can judge, line by line.
pub(super) fn access_lists(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["sender", "judge"] {
        lab.add_host(name)?;
    }
    lab.cable(("sender", DEVICE), ("judge", DEVICE))?;
    let [sender, judge] = [lab.host("sender")?, lab.host("judge")?];
    for host in [sender, judge] {
        host.silence(DEVICE)?;
    }
    let mut source = Source::open(&sender.netns, DEVICE)?;
    let mut dice = generate::Dice(1);
    let mut lines = 0;
    for round in 0..LISTS {
        let family = [Family::Ipv4, Family::Ipv6, Family::Mac][round as usize % 3];
        let rules = 1 + dice.below(LONGEST_LIST) as usize;
        let list = generate::list(&mut dice, family, rules);
        lines += rules;
        let ready = Compiled::new(&list);
        let mut ours = vec![0; rules + 1];
        install(judge, &list)?;
        let mut sent = 0;
        while sent < FRAMES {
            let frame = generate::frame(&mut dice, family);
            let Some(view) = judged_by_both(&frame, &list) else {
                continue;
            };
            let Some(verdict) = ready.judge(&view) else {
                continue;
            };
            let line = match verdict.by {
                By::Line(line) => usize::from(line),
                By::End => rules,
                By::Unreadable(_) => continue,
            };
            if let Some(count) = ours.get_mut(line) {
                *count += 1;
            }
            source.send(&frame)?;
            sent += 1;
        }
        let theirs = counters(judge)?;
        check(theirs == ours, || {
            format!("nftables counts {theirs:?}, we {ours:?}, by the lines of\n{list}")
        })?;
    }
    report.figure(
        &format!(
            "{} frames by {lines} lines of {LISTS} lists",
            LISTS as usize * FRAMES
        ),
        "nftables counts each line as we do",
    );
    Ok(())
}

/// What a list is asked about a frame, if nftables means the same by it: no VLAN tag (the kernel takes it off before),
/// nothing unreadable (nftables lets what it cannot read pass on to the next rule, a list of ours denies it), no later
/// fragment where a line denies by what that lacks (the same), no extension header that the kernel does not look behind.
fn judged_by_both(frame: &[u8], list: &AccessList) -> Option<View> {
    let (to, rest) = frame.split_first_chunk()?;
    let (from, rest) = rest.split_first_chunk()?;
    let (kind, packet) = rest.split_first_chunk()?;
    let kind = u16::from_be_bytes(*kind);
    if kind < 0x0600 || [0x8100, 0x88A8].contains(&kind) || packet.is_empty() {
        return None;
    }
    let view = View::of(&Subject {
        destination: Mac(*to),
        source: Mac(*from),
        bytes: frame,
        ethertype_at: 12,
    });
    if list.family() == Family::Mac {
        return Some(view);
    }
    let (later, transport) = match view.network {
        Network::Ipv4(packet) => (packet.later_fragment, packet.transport),
        Network::Ipv6(ip) => {
            // Mobility is the only generated one that the kernel takes for what is carried.
            if ip.protocol == 0 || packet.get(6) == Some(&135) || packet.get(40) == Some(&135) {
                return None;
            }
            (ip.later_fragment, ip.transport)
        }
        _ => return None,
    };
    let asks_behind = |rule: &Rule| match rule {
        Rule::Ipv4(rule) => !matches!(rule.upper, Upper::Any { .. }),
        Rule::Ipv6(rule) => !matches!(rule.upper, Upper::Any { .. }),
        Rule::Mac(_) => false,
    };
    let doubts = list
        .rules()
        .any(|rule| rule.action() == Action::Deny && asks_behind(rule));
    let unclear = if later {
        doubts
    } else {
        transport == Transport::Unknown
    };
    (!unclear).then_some(view)
}

/// Has nftables judge what comes in, by one rule for each line and one for the end.
fn install(host: &Host, list: &AccessList) -> Result<()> {
    let mut text = format!(
        "flush ruleset\ntable netdev judge {{\n chain lines {{\n  type filter hook ingress device {DEVICE} priority 0\n"
    );
    for rule in list.rules() {
        let _ = writeln!(text, "  {}", translated(rule));
    }
    let _ = writeln!(text, "  {} counter drop\n }}\n}}", all(list.family()));
    let file = Path::new(sandbox::FOLDER).join("judge.nft");
    fs::write(&file, text).doing("write the rules for nftables")?;
    let file = file.display().to_string();
    nft(host, &["-f", &file]).map(drop)
}

/// What each rule has counted, in order.
fn counters(host: &Host) -> Result<Vec<u64>> {
    let said = nft(host, &["-j", "list", "ruleset"])?;
    let said: Value = serde_json::from_str(&said).doing("read what nftables says")?;
    let rules = said["nftables"].as_array().into_iter().flatten();
    let expressions = rules.filter_map(|one| one["rule"]["expr"].as_array());
    Ok(expressions
        .filter_map(|all| {
            all.iter()
                .find_map(|one| one["counter"]["packets"].as_u64())
        })
        .collect())
}

fn nft(host: &Host, words: &[&str]) -> Result<String> {
    let output = host
        .netns
        .run(|| need::command("nft").args(words).output())
        .doing("enter the judge's namespace")?
        .doing("run nft")?;
    check(output.status.success(), || {
        format!("nft: {}", String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

const fn all(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "meta protocol ip",
        Family::Ipv6 => "meta protocol ip6",
        Family::Mac => "",
    }
}

/// A line in the language of nftables.
fn translated(rule: &Rule) -> String {
    let mut words = all(rule.family()).to_owned();
    match rule {
        Rule::Ipv4(rule) => {
            let address = |octets| Ipv4Addr::from(octets).to_string();
            ip(
                &mut words,
                rule,
                "ip",
                "icmp",
                "ip frag-off & 0x1fff != 0",
                address,
            );
        }
        Rule::Ipv6(rule) => {
            let address = |octets| Ipv6Addr::from(octets).to_string();
            ip(
                &mut words,
                rule,
                "ip6",
                "icmpv6",
                "frag frag-off > 0",
                address,
            );
        }
        Rule::Mac(rule) => mac(&mut words, rule),
    }
    let action = match rule.action() {
        Action::Permit => "accept",
        Action::Deny => "drop",
    };
    format!("{words} counter {action}")
}

fn masked<const N: usize>(
    words: &mut String,
    field: &str,
    pattern: Pattern<N>,
    address: impl Fn([u8; N]) -> String,
) {
    if pattern != Pattern::ANY {
        let mask = address(pattern.wildcard_bits().map(|octet| !octet));
        let _ = write!(words, " {field} & {mask} == {}", address(pattern.address()));
    }
}

fn mac(words: &mut String, rule: &MacRule) {
    let address = |octets| Mac(octets).to_string();
    let both: [(&str, MacPattern); 2] = [
        ("ether saddr", rule.source),
        ("ether daddr", rule.destination),
    ];
    for (field, pattern) in both {
        masked(words, field, pattern, address);
    }
    if let Some(kind) = rule.ethertype {
        let _ = write!(words, " meta protocol {kind:#06x}");
    }
}

fn ip<const N: usize>(
    words: &mut String,
    rule: &IpRule<Pattern<N>>,
    name: &str,
    icmp: &str,
    later: &str,
    address: impl Fn([u8; N]) -> String + Copy,
) {
    masked(words, &format!("{name} saddr"), rule.source, address);
    masked(words, &format!("{name} daddr"), rule.destination, address);
    if let Some(dscp) = rule.dscp {
        let _ = write!(words, " {name} dscp {}", dscp.get());
    }
    match rule.upper {
        Upper::Any {
            protocol,
            fragments,
        } => {
            if let Some(protocol) = protocol {
                let _ = write!(words, " meta l4proto {protocol}");
            }
            if fragments {
                let _ = write!(words, " {later}");
            }
        }
        Upper::Tcp {
            source,
            destination,
            flags,
        } => {
            ports(words, "tcp", source, destination);
            let _ = match flags {
                Flags::Any => Ok(()),
                Flags::Established => write!(words, " tcp flags & 0x14 != 0"),
                Flags::All { set, clear } => {
                    write!(words, " tcp flags & {:#x} == {set:#x}", set | clear)
                }
            };
        }
        Upper::Udp {
            source,
            destination,
        } => ports(words, "udp", source, destination),
        Upper::Sctp {
            source,
            destination,
        } => ports(words, "sctp", source, destination),
        Upper::Icmp { kind, code } => {
            let _ = write!(words, " {icmp} type {kind}");
            if let Some(code) = code {
                let _ = write!(words, " {icmp} code {code}");
            }
        }
    }
}

fn ports(words: &mut String, protocol: &str, source: Ports, destination: Ports) {
    for (field, ports) in [("sport", source), ("dport", destination)] {
        let asked = match ports {
            Ports::Any => continue,
            Ports::Eq(port) => format!("{port}"),
            Ports::Neq(port) => format!("!= {port}"),
            Ports::Lt(end) => format!("< {end}"),
            Ports::Gt(end) => format!("> {end}"),
            Ports::Range(range) => format!("{}-{}", range.first(), range.last()),
        };
        let _ = write!(words, " {protocol} {field} {asked}");
    }
}
