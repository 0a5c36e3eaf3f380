//! Texts that are refused: each with its place and with what was expected there.

use vis::config::{MAX_DIAGNOSTICS, MAX_FILE, MAX_LINE, parse, parse_bytes, parse_show};

/// Below these lines, each of those is refused at that column, and says that it expected this.
type Group = (&'static str, &'static [(&'static str, usize, &'static str)]);

const VLAN: &str = "a VLAN from 1 to 4094";
const VLANS: &str = "a list of VLANs such as 10,20-30";
const NAME: &str = "a name of 1 to 80 letters";
const ETHERNET: &str = "the number of an ethernet interface from 1 to 64";
const VETH: &str = "the number of a vEth from 1 to 4096";
const CHANNEL: &str = "a channel (VIF id) from 1 to 4095";
const MTU: &str = "an MTU from 68 to 9216";
const END: &str = "the end of the line";
const VIC: &str = "`authentication`, `grace`, `hold`, `oui`, `retries`, `rte`, `subtype` or `unacknowledged-subtype`";
const DEVICE: &str = "a device name of 1 to 15 characters";
const AGING: &str = "seconds: 10 to 1000000, or 0 for never";
const KEY_FILE: &str = "an absolute path of 1 to 255 characters";
const MODES: &str = "`access`, `private-vlan` or `trunk`";
const GLOBAL: &str = "`end`, `errdisable`, `exit`, `hostname`, `interface`, `ip`, `ipv6`, `mac`, `port-profile`, `resequence`, `role`, `vic` or `vlan`";

const GROUPS: &[Group] = &[
    (
        "",
        &[
            ("hostnam3 a", 1, GLOBAL),
            ("x", 1, GLOBAL),
            ("switchport mode trunk", 1, GLOBAL),
            ("shutdown", 1, GLOBAL),
            ("mtu 1500", 1, GLOBAL),
            ("device eth0", 1, GLOBAL),
            ("bind interface ethernet 1 channel 1", 1, GLOBAL),
            ("name x", 1, GLOBAL),
            ("show version", 1, GLOBAL),
            ("configure terminal", 1, GLOBAL),
            ("é", 1, GLOBAL),
            ("=", 1, GLOBAL),
            ("10", 1, GLOBAL),
            ("e", 1, "`end`, `errdisable` or `exit`"),
            (
                "no",
                3,
                "`hostname`, `interface`, `ip`, `ipv6`, `mac`, `port-profile`, `role`, `vic` or `vlan`",
            ),
            (
                "no x",
                4,
                "`hostname`, `interface`, `ip`, `ipv6`, `mac`, `port-profile`, `role`, `vic` or `vlan`",
            ),
            ("no no hostname", 4, "`hostname`, `interface`"),
            ("no end", 4, "`hostname`, `interface`"),
            ("no exit", 4, "`hostname`, `interface`"),
            ("end now", 5, END),
            ("exit 1", 6, END),
            ("hostname", 9, "a host name"),
            ("hostname a b", 12, END),
            ("hostname -a", 10, "a host name"),
            ("hostname a_b", 10, "a host name"),
            ("hostname a..b", 10, "a host name"),
            ("hostname é", 10, "a host name"),
            ("no hostname a", 13, END),
            ("vic", 4, VIC),
            ("vic allowed port-profile a", 5, VIC),
            ("vic authentication", 19, "`key-file` or `none`"),
            ("vic authentication key secret", 24, KEY_FILE),
            ("vic authentication key-file", 28, KEY_FILE),
            ("vic authentication key-file key", 29, KEY_FILE),
            ("vic authentication key-file /a /b", 32, END),
            ("vic authentication none really", 25, END),
            ("no vic authentication none", 23, END),
            ("vic grace 0", 11, "seconds from 1 to 86400"),
            ("vic grace 86401", 11, "seconds from 1 to 86400"),
            ("vic hold 99", 10, "milliseconds from 100 to 60000"),
            ("vic hold 0.9", 10, "milliseconds from 100 to 60000"),
            ("no vic", 7, VIC),
            ("vic subtype 2", 13, "a subtype from 3 to 1023"),
            ("vic subtype 1024", 13, "a subtype from 3 to 1023"),
            (
                "vic subtype 1009",
                1,
                "another one, as the two subtypes must differ",
            ),
            ("vic unacknowledged-subtype 1008", 1, "another one"),
            ("vic oui 4e:49", 9, "three pairs of hexadecimal digits"),
            ("vic oui 4e:49:+6", 9, "three pairs of hexadecimal digits"),
            ("vic oui 4e:49:567", 9, "three pairs of hexadecimal digits"),
            ("vic rte 21", 9, "an exponent from 0 to 20"),
            ("vic retries 256", 13, "a number from 0 to 255"),
            ("vlan", 5, VLANS),
            ("vlan 0", 6, VLANS),
            ("vlan 4095", 6, VLANS),
            ("vlan 65537", 6, VLANS),
            ("vlan 99999999999999999999", 6, VLANS),
            ("vlan -1", 6, VLANS),
            ("vlan +1", 6, VLANS),
            ("vlan 1.5", 6, VLANS),
            ("vlan ten", 6, VLANS),
            ("vlan all", 6, VLANS),
            ("vlan none", 6, VLANS),
            ("vlan 10,", 9, VLANS),
            ("vlan ,10", 6, VLANS),
            ("vlan 10,,20", 9, VLANS),
            ("vlan 10-", 9, VLANS),
            ("vlan 10-5", 6, VLANS),
            ("vlan 10-20-30", 9, VLANS),
            ("vlan 10,20-4095", 12, VLANS),
            ("vlan 10, 20", 9, VLANS),
            ("vlan 10 20", 9, END),
            ("vlan 10 name x", 9, END),
            ("no vlan", 8, VLANS),
            ("no vlan 0", 9, VLANS),
            ("no vlan 1", 1, "other VLANs"),
            ("no vlan 1-4094", 1, "other VLANs"),
            ("vlan0", 5, VLANS),
            ("vlanx", 1, GLOBAL),
            ("port-profile", 13, NAME),
            ("port-profile a b", 16, END),
            ("port-profile a!b", 14, NAME),
            ("port-profile \"a\"", 14, NAME),
            ("port-profile ü", 14, NAME),
            ("port-profile a?", 14, NAME),
            ("port-profile a|b", 14, NAME),
            ("port-profile type vethernet x", 19, END),
            ("portprofile10", 1, GLOBAL),
            ("no port-profile", 16, NAME),
            ("interface", 10, "`ethernet` or `vethernet`"),
            ("interface x", 11, "`ethernet` or `vethernet`"),
            ("interface 1", 11, "`ethernet` or `vethernet`"),
            ("interface vlan 1", 11, "`ethernet` or `vethernet`"),
            ("interface tap0", 11, "`ethernet` or `vethernet`"),
            ("interface vethx1", 11, "`ethernet` or `vethernet`"),
            ("interface ethernet", 19, ETHERNET),
            ("interface ethernet 0", 20, ETHERNET),
            ("interface ethernet 65", 20, ETHERNET),
            ("interface ethernet 1/1", 20, ETHERNET),
            ("interface ethernet x", 20, ETHERNET),
            ("interface ethernet -1", 20, ETHERNET),
            ("interface ethernet 1-2", 20, ETHERNET),
            ("interface ethernet 1,2", 20, ETHERNET),
            ("interface ethernet 1 2", 22, END),
            ("interface ethernet0", 19, ETHERNET),
            ("interface ethernet1/1", 19, ETHERNET),
            ("interface Ethernet65", 19, ETHERNET),
            ("interface eth0", 14, ETHERNET),
            ("interface veth", 15, VETH),
            ("interface veth 0", 16, VETH),
            ("interface veth 4097", 16, VETH),
            ("interface veth 1 1", 18, END),
            ("interface veth0", 15, VETH),
            ("interface veth4097", 15, VETH),
            ("interface veth1.10", 15, VETH),
            ("interface Vethernet99999999999", 20, VETH),
            ("no interface", 13, "`ethernet` or `vethernet`"),
            ("no interface veth", 18, VETH),
            ("no interface veth0", 18, VETH),
            ("mac", 4, "`address-table`"),
            ("mac address", 12, "`aging-time`"),
            ("mac table", 5, "`address-table`"),
            ("mac address-table", 18, "`aging-time`"),
            ("mac address-table static", 19, "`aging-time`"),
            ("mac address-table aging-time", 29, AGING),
            ("mac address-table aging-time 9", 30, AGING),
            ("mac address-table aging-time 1000001", 30, AGING),
            ("mac address-table aging-time 4294967296", 30, AGING),
            ("mac address-table aging-time 5m", 30, AGING),
            ("mac address-table aging-time 60 vlan 1", 33, END),
            ("no mac", 7, "`address-table`"),
            ("hostname\u{b}a", 9, "printable text"),
            ("hostname a\u{1b}[2J", 11, "printable text"),
            ("hostname a\0", 11, "printable text"),
            ("! fine\nx", 1, GLOBAL),
        ],
    ),
    (
        "vlan 10",
        &[
            ("name", 5, "a name of 1 to 32 letters"),
            ("name a b", 8, END),
            ("name a!", 6, "a name of 1 to 32 letters"),
            (
                "name aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                6,
                "a name of 1 to 32 letters",
            ),
            ("nam", 4, "a name of 1 to 32 letters"),
            ("no name x", 9, END),
            ("shutdown now", 10, END),
            ("switchport mode access", 1, "`name`"),
            ("state", 6, "`active` or `suspend`"),
            ("state suspended", 7, "`active` or `suspend`"),
            (
                "private-vlan hidden",
                14,
                "`association`, `community`, `isolated` or `primary`",
            ),
            (
                "private-vlan association",
                25,
                "`add`, `remove` or a list of VLANs",
            ),
        ],
    ),
    ("vlan 10-11", &[("name x", 1, "`vlan N` with one number")]),
    (
        "port-profile p",
        &[
            (
                "device eth0",
                1,
                "`bridge-guard`, `description`, `inherit`, `ip`, `ipv6`, `mac`, `mtu`, `police`, `qos`, `shutdown`, `spanning-tree`, `storm-control`, `switchport`",
            ),
            ("bind interface ethernet 1 channel 1", 1, "`description`"),
            ("name x", 1, "`description`"),
            ("capability l3", 1, "`description`"),
            ("i", 1, "`inherit`, `ip`, `ipv6` or `interface`"),
            (
                "s",
                1,
                "`shutdown`, `spanning-tree`, `storm-control` or `switchport`",
            ),
            (
                "no s",
                4,
                "`shutdown`, `spanning-tree`, `storm-control` or `switchport`",
            ),
            ("description", 12, "a text of 1 to 254 octets"),
            ("inherit", 8, "`port-profile`"),
            ("inherit x", 9, "`port-profile`"),
            ("inherit port-profile", 21, NAME),
            ("inherit port-profile a b", 24, END),
            ("inherit port-profile a;b", 22, NAME),
            ("no inherit", 11, "`port-profile`"),
            ("ip", 3, "`access-group`"),
            ("ip address 10.0.0.1/24", 4, "`access-group`"),
            ("ip access-group", 16, "a name or number"),
            ("ip access-group 500", 20, "`in` or `out`"),
            ("ip access-group 500 both", 21, "`in` or `out`"),
            ("ip access-group 500 in out", 24, END),
            ("ip access-group in", 19, "`in` or `out`"),
            ("ip access-group a,b in", 17, "a name or number"),
            ("ipx access-group 500 in", 1, "`description`"),
            ("no ip access-group 500", 23, "`in` or `out`"),
            ("mtu", 4, MTU),
            ("mtu 67", 5, MTU),
            ("mtu 9217", 5, MTU),
            ("mtu 1500 octets", 10, END),
            ("mtu -1", 5, MTU),
            ("mtu jumbo", 5, MTU),
            ("mtu 1e3", 5, MTU),
            ("mtu 65536", 5, MTU),
            ("mtu1500", 1, "`mtu`"),
            ("police", 7, "`input` or `output`"),
            ("police input", 13, "`cir` or `rate`"),
            ("police input rate", 18, "a rate such as `10 mbps`"),
            ("police input rate fast", 19, "a rate such as `10 mbps`"),
            (
                "police input rate 1 gbps now",
                26,
                "a rate such as `10 mbps`",
            ),
            (
                "police input cir 2 mbps pir 1 mbps",
                29,
                "pir not less than cir",
            ),
            (
                "police output cir 1 mbps exceed markdown",
                33,
                "[exceed transmit|drop]",
            ),
            ("qos", 4, "`cos`, `set` or `trust`"),
            ("qos trust pcp", 11, "`cos`, `dscp` or `none`"),
            ("qos set cos 8", 13, "a CoS from 0 to 7"),
            ("qos set dscp af14", 14, "a DSCP from 0 to 63"),
            ("shutdown now", 10, END),
            ("no shutdown now", 13, END),
            (
                "switchport",
                11,
                "`access`, `mode`, `port-security`, `private-vlan` or `trunk`",
            ),
            (
                "switchport x",
                12,
                "`access`, `mode`, `port-security`, `private-vlan` or `trunk`",
            ),
            ("switchport mode", 16, MODES),
            ("switchport mode vntag", 17, MODES),
            ("switchport mode acess", 17, MODES),
            ("switchport mode hybrid", 17, MODES),
            ("switchport mode access 10", 24, END),
            ("switchport mode 1", 17, MODES),
            ("switchport access", 18, "`vlan`"),
            ("switchport access 10", 19, "`vlan`"),
            ("switchport access vlan", 23, VLAN),
            ("switchport access vlan 0", 24, VLAN),
            ("switchport access vlan 4095", 24, VLAN),
            ("switchport access vlan 10,20", 24, VLAN),
            ("switchport access vlan 10-20", 24, VLAN),
            ("switchport access vlan web", 24, VLAN),
            ("switchport access vlan 10 20", 27, END),
            ("switchport access vlan 0x10", 24, VLAN),
            (
                "no switchport",
                14,
                "`access`, `mode`, `port-security`, `private-vlan` or `trunk`",
            ),
            ("no switchport access", 21, "`vlan`"),
            ("no switchport mode access x", 27, END),
            ("switchport trunk", 17, "`allowed` or `native`"),
            ("switchport trunk x", 18, "`allowed` or `native`"),
            ("switchport trunk vlan 10", 18, "`allowed` or `native`"),
            ("switchport trunk native", 24, "`vlan`"),
            ("switchport trunk native 5", 25, "`vlan`"),
            ("switchport trunk native vlan", 29, VLAN),
            ("switchport trunk native vlan 5,6", 30, VLAN),
            ("switchport trunk native vlan tag", 30, VLAN),
            ("switchport trunk allowed", 25, "`vlan`"),
            ("switchport trunk allowed 10", 26, "`vlan`"),
            ("switchport trunk allowed vlan", 30, "`all`, `except`"),
            ("switchport trunk allowed vlan a", 31, "`add` or `all`"),
            ("switchport trunk allowed vlan x", 31, VLANS),
            ("switchport trunk allowed vlan 0", 31, VLANS),
            ("switchport trunk allowed vlan 10,x", 34, VLANS),
            ("switchport trunk allowed vlan 20-10", 31, VLANS),
            ("switchport trunk allowed vlan all 10", 35, END),
            ("switchport trunk allowed vlan none 10", 36, END),
            ("switchport trunk allowed vlan 10 add 20", 34, END),
            ("switchport trunk allowed vlan add", 34, VLANS),
            ("switchport trunk allowed vlan add all", 35, VLANS),
            ("switchport trunk allowed vlan add x", 35, VLANS),
            ("switchport trunk allowed vlan remove", 37, VLANS),
            ("switchport trunk allowed vlan remove none", 38, VLANS),
            ("switchport trunk allowed vlan except", 37, VLANS),
            ("switchport trunk allowed vlan except 4095", 38, VLANS),
            // It would not be clear what is taken back.
            ("no switchport trunk allowed vlan add 10", 34, END),
            ("no switchport trunk allowed vlan 10", 34, END),
        ],
    ),
    (
        "interface ethernet 1",
        &[
            ("bind interface ethernet 1 channel 1", 1, "`device`"),
            ("d", 1, "`description` or `device`"),
            ("device", 7, DEVICE),
            ("device a/b", 8, DEVICE),
            ("device a:1", 8, DEVICE),
            ("device .", 8, DEVICE),
            ("device ..", 8, DEVICE),
            ("device 1234567890123456", 8, DEVICE),
            ("device eth0 eth1", 13, END),
            ("device ëth0", 8, DEVICE),
            ("no device eth0", 11, END),
            (
                "switchport mode",
                16,
                "`access`, `private-vlan`, `trunk` or `vntag`",
            ),
            (
                "switchport mode vn-tag",
                17,
                "`access`, `private-vlan`, `trunk` or `vntag`",
            ),
            (
                "switchport mode fex-fabric",
                17,
                "`access`, `private-vlan`, `trunk` or `vntag`",
            ),
            ("channel-group 1", 1, "`device`"),
            ("speed 1000", 1, "`device`"),
            ("vic", 4, "`allowed`, `authentication`, `grace`, `hold`"),
            ("vic allowed", 12, "`port-profile`"),
            ("vic allowed port-profile", 25, "names of 1 to 80 letters"),
            (
                "vic allowed port-profile a b;c",
                28,
                "names of 1 to 80 letters",
            ),
            // It would not be clear whether taking the last one away allows none or all.
            (
                "no vic allowed port-profile a",
                1,
                "`vic allowed port-profile`",
            ),
        ],
    ),
    (
        "interface veth1",
        &[
            ("device eth0", 1, "`bind`"),
            ("switchport mode vntag", 17, MODES),
            ("bind", 5, "`interface`"),
            ("bind ethernet 1", 6, "`interface`"),
            ("bind interface", 15, "`ethernet`"),
            ("bind interface veth 1 channel 1", 16, "`ethernet`"),
            ("bind interface ethernet", 24, ETHERNET),
            ("bind interface ethernet 0 channel 1", 25, ETHERNET),
            ("bind interface ethernet 1", 26, "`channel`"),
            ("bind interface ethernet 1 17", 27, "`channel`"),
            ("bind interface ethernet 1 channel", 34, CHANNEL),
            ("bind interface ethernet 1 channel 0", 35, CHANNEL),
            ("bind interface ethernet 1 channel 4096", 35, CHANNEL),
            ("bind interface ethernet 1 channel 1-2", 35, CHANNEL),
            ("bind interface ethernet 1 channel 1 2", 37, END),
            ("bind interface ethernet1 channel0", 33, CHANNEL),
            ("no bind interface ethernet 1", 9, END),
        ],
    ),
    (
        "interface ethernet 1\n device a\ninterface ethernet 2",
        &[("device a", 1, "a device that no interface has")],
    ),
    (
        "interface veth 2\n bind interface ethernet 1 channel 7\ninterface veth 3",
        &[(
            "bind interface ethernet 1 channel 7",
            1,
            "a channel that no vEth has",
        )],
    ),
    (
        "end",
        &[
            ("hostname a", 1, "the end of the file"),
            ("x", 1, "the end of the file"),
        ],
    ),
];

#[test]
fn every_refusal_names_line_column_and_what_was_expected() {
    let mut wrong = Vec::new();
    for &(before, lines) in GROUPS {
        for &(bad, column, expected) in lines {
            let text = if before.is_empty() {
                bad.to_owned()
            } else {
                format!("{before}\n{bad}")
            };
            let line = text.lines().count();
            match parse(&text, "t") {
                Ok(_) => wrong.push(format!("taken: {text:?}")),
                Err(faults) => {
                    let fault = faults[0].to_string();
                    let place = format!("t:{line}:{column}: ");
                    let asked = fault.split_once("expected ").map_or("", |(_, asked)| asked);
                    if faults.len() != 1 || !fault.starts_with(&place) || !asked.contains(expected)
                    {
                        wrong.push(format!("{bad:?}: {fault}, not {place}... {expected}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_nearest_keyword_is_suggested() {
    for (text, help) in [
        ("hostnmae a", "did you mean `hostname`?"),
        ("interfaec veth1", "did you mean `interface`?"),
        ("port_profile x", "did you mean `port-profile`?"),
        (
            "interface veth1\n switchprot mode trunk",
            "did you mean `switchport`?",
        ),
        (
            "interface veth1\n switchport mode acess",
            "did you mean `access`?",
        ),
        ("shutdown", "this line belongs below `port-profile NAME`"),
        (
            "device eth0",
            "this line belongs below `interface ethernet N`",
        ),
        (
            "vlan 10\n bind interface ethernet 1 channel 1",
            "this line belongs below `interface veth N`",
        ),
    ] {
        let faults = parse(text, "t").unwrap_err();
        assert_eq!(faults[0].help.as_deref(), Some(help), "{text}");
    }
}

#[test]
fn a_fault_in_a_heading_is_reported_once_and_not_for_each_line_below() {
    let text = "interface vthe1\n  shutdown\n  mtu 1500\nhostname a_b\n";
    let faults: Vec<usize> = parse(text, "t")
        .unwrap_err()
        .iter()
        .map(|fault| fault.place.as_ref().unwrap().line)
        .collect();
    assert_eq!(faults, [1, 4]);
}

#[test]
fn sizes_are_bounded() {
    let long = format!(
        "hostname a\ninterface veth1\n description {}\n",
        "x".repeat(MAX_LINE)
    );
    let fault = parse(&long, "t").unwrap_err()[0].to_string();
    assert!(
        fault.starts_with("t:3:513: the line has 525 octets: expected 512"),
        "{fault}"
    );

    let large = "!\n".repeat(MAX_FILE / 2 + 1);
    let fault = parse(&large, "t").unwrap_err()[0].to_string();
    assert!(
        fault.starts_with("t:1:1: the file is too long: expected "),
        "{fault}"
    );

    let faulty = "x\n".repeat(10_000);
    assert_eq!(parse(&faulty, "t").unwrap_err().len(), MAX_DIAGNOSTICS);

    let profiles: String = (0..=1024).map(|n| format!("port-profile p{n}\n")).collect();
    let fault = parse(&profiles, "t").unwrap_err()[0].to_string();
    assert!(fault.starts_with("t:1025:1: there are 1024"), "{fault}");
}

#[test]
fn octets_that_are_no_text_are_refused_where_they_stand() {
    let fault = parse_bytes(b"hostname a\nhostname \xFF\n", "t").unwrap_err()[0].to_string();
    assert!(
        fault.starts_with("t:2:10: ") && fault.contains("expected UTF-8"),
        "{fault}"
    );
    // Of too long a file only a part is read, and what it is cut in the middle of is no fault.
    let mut long = "! \u{e9}".repeat(MAX_FILE / 4).into_bytes();
    long.push(0xC3);
    let fault = parse_bytes(&long, "t").unwrap_err()[0].to_string();
    assert!(fault.starts_with("t:1:1: the file is too long"), "{fault}");
}

#[test]
fn show_commands_are_understood_short_and_long() {
    use vis::config::InterfaceId;
    use vis::control::interfaces::InterfaceTable;
    use vis::control::show::ShowRequest as R;
    use vis::control::switch::{MacFilter, VlanFilter};
    let veth = Some(InterfaceId::Veth(3.try_into().unwrap()));
    for (command, request) in [
        ("show mac address-table", R::MacAddressTable(MacFilter::All)),
        ("sh mac addr", R::MacAddressTable(MacFilter::All)),
        ("mac address-table", R::MacAddressTable(MacFilter::All)),
        ("show interface", R::Interface { interface: None }),
        ("sh int Vethernet3", R::Interface { interface: veth }),
        ("int veth 3", R::Interface { interface: veth }),
        ("show conservation", R::Conservation),
        ("show vlan", R::Vlan(VlanFilter::All)),
        ("VLAN", R::Vlan(VlanFilter::All)),
        ("show vlan brief", R::Vlan(VlanFilter::All)),
        (
            "show vlan id 10,20-30",
            R::Vlan(VlanFilter::Ids(Box::new("10,20-30".parse().unwrap()))),
        ),
        (
            "sh vlan na web",
            R::Vlan(VlanFilter::Name("web".parse().unwrap())),
        ),
        ("show int status", R::InterfaceTable(InterfaceTable::Status)),
        (
            "sh mac addr vlan 10",
            R::MacAddressTable(MacFilter::Vlan(10.try_into().unwrap())),
        ),
        (
            "sh mac addr address 0200.0000.0001",
            R::MacAddressTable(MacFilter::Address("02:00:00:00:00:01".parse().unwrap())),
        ),
        ("show mac address-table count", R::MacCount),
        (
            "show port-profile web expand",
            R::PortProfile {
                name: Some("web".parse().unwrap()),
                expand: true,
            },
        ),
        ("show tech", R::TechSupport),
        ("sh mod", R::Module),
        ("show drops", R::Drops),
        (
            "explain frame 00ff from veth3",
            R::Explain(vis::control::explain::ExplainRequest {
                frame: "00ff".to_owned(),
                from: InterfaceId::Veth(3.try_into().unwrap()),
            }),
        ),
        ("version", R::Version),
        ("show run", R::RunningConfig),
    ] {
        assert_eq!(parse_show(command).unwrap(), request, "{command}");
    }
    for (command, expected) in [
        ("", "expected `access-lists`, `configuration`"),
        ("show", "expected `access-lists`, `configuration`"),
        ("show v", "expected `version` or `vlan`"),
        (
            "show interfaces",
            "expected `access-lists`, `configuration`",
        ),
        ("show interface veth", "expected the number of a vEth"),
        ("show vlan 10", "or the end of the line"),
        (
            "explain frame 00 from",
            "expected `ethernet` or `vethernet`",
        ),
        ("no show vlan", "expected"),
    ] {
        let fault = parse_show(command).unwrap_err().to_string();
        assert!(fault.contains(expected), "{command}: {fault}");
    }
}

#[test]
fn a_name_is_of_one_vlan() {
    let taken = "vlan 10\n name web\nvlan 20\n name web\n";
    let refused = parse(taken, "t").unwrap_err();
    let said = refused[0].to_string();
    assert!(said.contains("VLAN 10 is called web already"), "{said}");
    for (name, owner) in [("VLAN0010", "10"), ("default", "1")] {
        let refused = parse(&format!("vlan 20\n name {name}\n"), "t").unwrap_err();
        let said = refused[0].to_string();
        assert!(
            said.contains(&format!("`{name}` is the name of VLAN {owner}")),
            "{said}"
        );
    }
    for fine in ["VLAN0020", "VLAN20", "VLAN+010", "VLAN9999", "VLAN"] {
        assert!(
            parse(&format!("vlan 20\n name {fine}\n"), "t").is_ok(),
            "{fine}"
        );
    }
    // Said again of the same, and of another once it is free.
    let freed = "vlan 10\n name web\n name web\n no name\nvlan 20\n name web\n";
    assert!(parse(freed, "t").is_ok());
}
