//! Words for numbers: IANA's protocols, ports, ICMP types and codes, code points.

/// A word and what it stands for. The first word for a number is the one that is written.
pub(super) type Names = &'static [(&'static str, u8)];

/// Protocol numbers, in both IP families.
pub(super) const PROTOCOLS: Names = &[
    ("tcp", 6),
    ("udp", 17),
    ("sctp", 132),
    ("igmp", 2),
    ("gre", 47),
    ("esp", 50),
    ("ahp", 51),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
];

/// Code points (RFC 2474, RFC 2597, RFC 3246).
pub(super) const CODE_POINTS: Names = &[
    ("default", 0),
    ("cs1", 8),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("cs2", 16),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("cs3", 24),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("cs4", 32),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("cs5", 40),
    ("ef", 46),
    ("cs6", 48),
    ("cs7", 56),
];

/// TCP flags.
pub(super) const FLAGS: Names = &[
    ("fin", super::flag::FIN),
    ("syn", super::flag::SYN),
    ("rst", super::flag::RST),
    ("psh", super::flag::PSH),
    ("ack", super::flag::ACK),
    ("urg", super::flag::URG),
];

/// An ICMP type, and maybe one code of it.
pub(super) type Messages = &'static [(&'static str, u8, Option<u8>)];

/// ICMP (RFC 792 and later).
pub(super) const ICMP: Messages = &[
    ("echo", 8, None),
    ("echo-reply", 0, None),
    ("unreachable", 3, None),
    ("net-unreachable", 3, Some(0)),
    ("host-unreachable", 3, Some(1)),
    ("protocol-unreachable", 3, Some(2)),
    ("port-unreachable", 3, Some(3)),
    ("packet-too-big", 3, Some(4)),
    ("administratively-prohibited", 3, Some(13)),
    ("source-quench", 4, None),
    ("redirect", 5, None),
    ("router-advertisement", 9, None),
    ("router-solicitation", 10, None),
    ("time-exceeded", 11, None),
    ("ttl-exceeded", 11, Some(0)),
    ("reassembly-timeout", 11, Some(1)),
    ("parameter-problem", 12, None),
    ("timestamp-request", 13, None),
    ("timestamp-reply", 14, None),
    ("mask-request", 17, None),
    ("mask-reply", 18, None),
];

/// ICMPv6 (RFC 4443, RFC 4861 and later).
pub(super) const ICMPV6: Messages = &[
    ("echo-request", 128, None),
    ("echo-reply", 129, None),
    ("destination-unreachable", 1, None),
    ("no-route", 1, Some(0)),
    ("no-admin", 1, Some(1)),
    ("address-unreachable", 1, Some(3)),
    ("port-unreachable", 1, Some(4)),
    ("packet-too-big", 2, None),
    ("time-exceeded", 3, None),
    ("hop-limit", 3, Some(0)),
    ("parameter-problem", 4, None),
    ("mld-query", 130, None),
    ("mld-report", 131, None),
    ("mld-reduction", 132, None),
    ("mldv2-report", 143, None),
    ("router-solicitation", 133, None),
    ("router-advertisement", 134, None),
    ("nd-ns", 135, None),
    ("nd-na", 136, None),
    ("redirect", 137, None),
];

/// Ports that may be typed by name. They are written as numbers, since a name means another service elsewhere.
pub(super) const PORTS: &[(&str, u16)] = &[
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("http", 80),
    ("www", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ntp", 123),
    ("snmp", 161),
    ("snmptrap", 162),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("syslog", 514),
];

/// EtherTypes that may be typed by name.
pub(super) const ETHERTYPES: &[(&str, u16)] = &[
    ("arp", 0x0806),
    ("ip", 0x0800),
    ("ipv6", 0x86DD),
    ("mpls-unicast", 0x8847),
    ("mpls-multicast", 0x8848),
    ("lldp", 0x88CC),
];

/// The word that is written for `number`.
pub(super) fn name_of(names: Names, number: u8) -> Option<&'static str> {
    let (name, _) = names.iter().find(|(_, named)| *named == number)?;
    Some(name)
}
