//! Access lists in nftables' words.

use policy::acl::{
    AccessList, Action, Entry, Family, Flags, IpRule, MacRule, Pattern, Ports, Rule, Upper, flag,
};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The table and its chain.
pub(super) const TABLE: &str = "judge";
/// What counts frames that no line matched, and frames that the list does not judge.
pub(super) const NONE: &str = "none";
pub(super) const OTHERS: &str = "others";

/// Its chain for fragments other than the first.
const LATER: &str = "later";

/// What counts the frames that a line has decided.
pub(super) fn counter(sequence: u32) -> String {
    format!("line{sequence}")
}

/// A table that does with what comes in at `from` as a list says: what is permitted leaves by `to`.
pub(super) fn table(list: &AccessList, from: &str, to: &str) -> String {
    let rules: Vec<(u32, &Rule)> = list
        .lines()
        .filter_map(|(sequence, entry)| match entry {
            Entry::Rule(rule) => Some((sequence.get(), rule)),
            Entry::Remark(_) => None,
        })
        .collect();
    let mut text = format!("table netdev {TABLE} {{\n");
    let counters = rules.iter().map(|(sequence, _)| counter(*sequence));
    for name in counters.chain([NONE.to_owned(), OTHERS.to_owned()]) {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "  counter {name} {{ }}");
    }
    let (own, is_later) = match list.family() {
        Family::Ipv4 => ("ip", Some("ip frag-off & 0x1fff != 0")),
        Family::Ipv6 => ("ip6", Some("frag frag-off != 0")),
        Family::Mac => ("", None),
    };
    let chain = |text: &mut String, is_later: bool| {
        for (sequence, rule) in &rules {
            let fate = match rule.action() {
                Action::Permit => format!("fwd to \"{to}\""),
                Action::Deny => "drop".to_owned(),
            };
            if let Some(asked) = conditions(rule, is_later) {
                let counter = counter(*sequence);
                let _ = writeln!(text, "    {asked} counter name {counter} {fate}");
            }
        }
        let _ = writeln!(text, "    counter name {NONE} drop\n  }}");
    };
    if is_later.is_some() {
        let _ = writeln!(text, "  chain {LATER} {{");
        chain(&mut text, true);
    }
    let _ = writeln!(
        text,
        "  chain {TABLE} {{\n    type filter hook ingress device \"{from}\" priority 0; policy drop;"
    );
    if let Some(is_later) = is_later {
        let _ = writeln!(
            text,
            "    meta protocol != {own} counter name {OTHERS} fwd to \"{to}\"\n    {is_later} goto {LATER}"
        );
    }
    chain(&mut text, false);
    text.push_str("}\n");
    text
}

/// What a line asks of a fragment other than the first, or of another frame; `None`: no such frame is meant.
///
/// Where it asks for what stands behind the IP header, a later fragment does not say. To us that is no `permit`, and a
/// `deny`; nftables (1.0.6, Linux 6.18) reads ports at that place all the same.
fn conditions(rule: &Rule, is_later: bool) -> Option<String> {
    let asked = match rule {
        Rule::Mac(rule) => frame(rule),
        Rule::Ipv4(rule) => ip(rule, ["ip", "icmp", "icmp"], is_later, |octets| {
            Ipv4Addr::from(octets).to_string()
        })?,
        Rule::Ipv6(rule) => ip(rule, ["ip6", "icmpv6", "ipv6-icmp"], is_later, |octets| {
            Ipv6Addr::from(octets).to_string()
        })?,
    };
    Some(asked.join(" "))
}

fn frame(rule: &MacRule) -> Vec<String> {
    let written = |octets: [u8; 6]| niv::Mac(octets).to_string();
    let mut asked = Vec::new();
    asked.extend(address("ether saddr", &rule.source, written));
    asked.extend(address("ether daddr", &rule.destination, written));
    asked.extend(rule.ethertype.map(|kind| format!("ether type {kind:#06x}")));
    asked
}

/// `names`: of the protocol, and of its control messages, as a header and as a protocol.
fn ip<const N: usize>(
    rule: &IpRule<Pattern<N>>,
    names: [&str; 3],
    is_later: bool,
    written: fn([u8; N]) -> String,
) -> Option<Vec<String>> {
    let [name, messages, messages_protocol] = names;
    let mut asked = vec![format!("meta protocol {name}")];
    asked.extend(address(&format!("{name} saddr"), &rule.source, written));
    asked.extend(address(
        &format!("{name} daddr"),
        &rule.destination,
        written,
    ));
    asked.extend(rule.dscp.map(|dscp| format!("{name} dscp {}", dscp.get())));
    let (protocol, behind) = match rule.upper {
        Upper::Any {
            protocol,
            fragments,
        } => {
            asked.extend(protocol.map(|number| format!("meta l4proto {number}")));
            return (is_later || !fragments).then_some(asked);
        }
        Upper::Tcp {
            source,
            destination,
            flags,
        } => {
            let [source, destination] = both_ports("tcp", source, destination);
            ("tcp", [source, destination, tcp_flags(flags)])
        }
        Upper::Udp {
            source,
            destination,
        } => {
            let [source, destination] = both_ports("udp", source, destination);
            ("udp", [source, destination, None])
        }
        Upper::Sctp {
            source,
            destination,
        } => {
            let [source, destination] = both_ports("sctp", source, destination);
            ("sctp", [source, destination, None])
        }
        Upper::Icmp { kind, code } => {
            let code = code.map(|code| format!("{messages} code {code}"));
            let kind = format!("{messages} type {kind}");
            (messages_protocol, [Some(kind), code, None])
        }
    };
    asked.push(format!("meta l4proto {protocol}"));
    if is_later {
        return (rule.action == Action::Deny).then_some(asked);
    }
    asked.extend(behind.into_iter().flatten());
    Some(asked)
}

fn address<const N: usize>(
    what: &str,
    pattern: &Pattern<N>,
    written: fn([u8; N]) -> String,
) -> Option<String> {
    let mask = pattern.wildcard_bits().map(|octet| !octet);
    let value = written(pattern.address());
    (*pattern != Pattern::ANY).then(|| format!("{what} & {} == {value}", written(mask)))
}

fn both_ports(protocol: &str, source: Ports, destination: Ports) -> [Option<String>; 2] {
    [("sport", source), ("dport", destination)].map(|(which, asked)| {
        let asked = match asked {
            Ports::Any => return None,
            Ports::Eq(port) => port.to_string(),
            // Without a mask nft 1.0.6 makes one comparison of `!=` of two ports: not both of them.
            Ports::Neq(port) => format!("& 0xffff != {port}"),
            Ports::Lt(port) => format!("< {port}"),
            Ports::Gt(port) => format!("> {port}"),
            // Theirs has two ends.
            Ports::Range(range) if range.first() == range.last() => range.first().to_string(),
            Ports::Range(range) => format!("{}-{}", range.first(), range.last()),
        };
        Some(format!("{protocol} {which} {asked}"))
    })
}

fn tcp_flags(asked: Flags) -> Option<String> {
    match asked {
        Flags::Any => None,
        Flags::Established => Some(format!("tcp flags & {} != 0", flag::ACK | flag::RST)),
        Flags::All { set, clear } => Some(format!("tcp flags & {} == {set}", set | clear)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::acl::Line;

    fn said(family: Family, line: &str, is_later: bool) -> Option<String> {
        let Entry::Rule(rule) = Line::parse(family, line).unwrap().entry else {
            panic!("{line} is no rule");
        };
        conditions(&rule, is_later)
    }

    #[test]
    fn a_line_is_said_as_nftables_says_it() {
        let line = "permit tcp 10.0.0.0 0.0.1.255 neq 22 host 10.0.0.1 range 80 90 match-all +syn -ack dscp af11";
        assert_eq!(
            said(Family::Ipv4, line, false).unwrap(),
            "meta protocol ip ip saddr & 255.255.254.0 == 10.0.0.0 ip daddr & 255.255.255.255 == 10.0.0.1 \
             ip dscp 10 meta l4proto tcp tcp sport & 0xffff != 22 tcp dport 80-90 tcp flags & 18 == 2"
        );
        assert_eq!(
            said(
                Family::Mac,
                "deny any 0200.0000.0000 0000.0000.0001 0x806",
                false
            )
            .unwrap(),
            "ether daddr & ff:ff:ff:ff:ff:fe == 02:00:00:00:00:00 ether type 0x0806"
        );
    }

    #[test]
    fn a_later_fragment_is_denied_by_what_it_does_not_say_and_never_permitted() {
        let later = |line| said(Family::Ipv6, line, true);
        assert_eq!(later("permit udp any any gt 1023"), None);
        assert_eq!(
            later("deny udp any any gt 1023").unwrap(),
            "meta protocol ip6 meta l4proto udp"
        );
        assert!(later("permit udp any any fragments").is_some());
        assert_eq!(
            said(Family::Ipv6, "permit udp any any fragments", false),
            None
        );
    }
}
