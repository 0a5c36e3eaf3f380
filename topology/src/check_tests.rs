//! Files that are taken, and files that are not.

use crate::{Program, parse};

const GOOD: &str = r#"
about = "a switch, a host, a guest"
cables = [["vis:niv1", "h1:eth1"], ["vis:p1", "core:up"]]

[host.vis]
vis = '''
interface ethernet 1
'''

[host.h1]
iv = 'uplink = "eth1"'

[host.g1]
vnics = [{ on = "h1", profile = "web", mac = "02:00:00:00:00:01" }]
addresses.eth0 = ["10.0.0.1/24", "fd00::1/64"]

[host.core]
trunk = { device = "up", vlans = [10, 20] }
addresses.vlan10 = ["10.0.0.2/24"]

[reach]
web = ["g1", "core"]
"#;

#[test]
fn what_is_written_is_there() {
    let topology = parse(GOOD).unwrap();
    assert_eq!(topology.about, "a switch, a host, a guest");
    assert_eq!(topology.hosts.len(), 4);
    assert_eq!(topology.cables.len(), 2);
    let host = |name: &str| &topology.hosts[&name.parse().unwrap()];
    let (program, text) = host("vis").program.as_ref().unwrap();
    assert_eq!(*program, Program::Vis);
    assert_eq!(text, "interface ethernet 1\n");
    let vnic = &host("g1").vnics[0];
    assert_eq!((&*vnic.name, vnic.device.as_str()), ("g1", "eth0"));
    assert_eq!(host("core").trunk.as_ref().unwrap().vlans, [10, 20]);
    let web: Vec<_> = topology.reach["web"]
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(web, ["g1:eth0", "core:vlan10"]);
}

/// What is said of the good file with `old` replaced by `new`.
fn fault(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    match parse(&GOOD.replacen(old, new, 1)) {
        Ok(topology) => panic!("{new} is taken: {topology:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_fault_has_its_place_and_says_what_was_expected() {
    for (old, new, said) in [
        (
            "about",
            "abuot",
            "2:1: unknown field `abuot`, expected one of `about`, `cables`, `host`, `reach`",
        ),
        (
            "\"a switch, a host, a guest\"",
            "7",
            "2:9: invalid type: integer `7`, expected a string",
        ),
        (
            "\"a switch, ",
            "\"a\\n",
            "2:9: `about` is `a\\na host, a guest`: expected 1 to 200 octets, on one line",
        ),
        (
            "\"h1:eth1\"",
            "\"h2:eth1\"",
            "3:24: there is no host h2: expected one that has a table [host.h2]",
        ),
        (
            "\"h1:eth1\"",
            "\"h1\"",
            "3:24: `h1` names no device: expected HOST:DEVICE",
        ),
        (
            "\"vis:p1\"",
            "\"vis:niv1\"",
            "3:37: vis:niv1 is there already: expected a device with no other use",
        ),
        (
            "[host.h1]\niv",
            "[host.h1]\nvis",
            "14:17: h1 runs no `iv`: expected a host that does",
        ),
        (
            "iv = 'uplink",
            "vis = ''\niv = 'uplink",
            "12:6: h1 has `vis` too: expected one daemon",
        ),
        (
            "[host.g1]",
            "[host.G1]",
            "13:7: `G1` is no name: expected 1 to 32 of the characters a-z, 0-9 and -, the first of them a letter",
        ),
        (
            "02:00:00:00:00:01",
            "01:00:00:00:00:01",
            "14:46: 01:00:00:00:00:01 is no station's: expected the address of one",
        ),
        (
            "02:00:00:00:00:01",
            "02:00",
            "14:46: a MAC address is written 02:00:00:00:00:0a, 02-00-00-00-00-0a or 0200.0000.000a",
        ),
        (
            "profile = \"web\"",
            "profile = \"\"",
            "14:33: a profile's name is ``: expected 1 to 64 octets, on one line",
        ),
        (
            "profile = \"web\"",
            "profile = \"web\", mtu = 9",
            "14:46: an MTU of 9: expected 68 to 65535",
        ),
        (
            "addresses.eth0",
            "addresses.eth1",
            "15:11: g1 has no eth1: expected the end of a cable, a vNIC, or a VLAN of its trunk",
        ),
        (
            "fd00::1/64",
            "10.0.0.1/8",
            "15:34: 10.0.0.1 is said twice: expected it once",
        ),
        (
            "fd00::1/64",
            "fd00::1",
            "15:34: `fd00::1` is no address with its network: expected one such as 10.0.0.1/24 or fd00::1/64",
        ),
        (
            "\"up\", vlans",
            "\"uq\", vlans",
            "18:20: no cable ends at core:uq: expected one in `cables`",
        ),
        (
            "20] }",
            "4095] }",
            "18:39: 4095 is no VLAN: expected 1 to 4094",
        ),
        (
            "20] }",
            "10] }",
            "18:39: core:vlan10 is there already: expected a device with no other use",
        ),
        (
            "addresses.vlan10",
            "addresses.up",
            "19:11: up is a trunk: expected one of its VLANs, such as `vlan10`",
        ),
        (
            "\"g1\", \"core\"]",
            "\"g1\", \"vis\"]",
            "22:14: vis has no address: expected one in `addresses`",
        ),
        (
            "\"g1\", \"core\"]",
            "\"g1\", \"g1\"]",
            "22:14: g1:eth0 is in this group already: expected it once",
        ),
        ("[reach]", "[reach", "21:7: unclosed table, expected `]`"),
    ] {
        assert_eq!(fault(old, new), said, "{new}");
    }
}

#[test]
fn a_lab_has_bounds() {
    let hosts = |count: usize| {
        (0..count)
            .map(|i| format!("[host.h{i}]\n"))
            .collect::<String>()
    };
    assert!(parse(&hosts(256)).is_ok());
    let said = parse(&hosts(257)).unwrap_err().what;
    assert_eq!(said, "too many hosts: expected at most 256");

    let addresses: String = (1..=17).map(|i| format!("\"10.0.0.{i}/24\",")).collect();
    let said = parse(&format!("[host.h]\niv = ''\naddresses.a = [{addresses}]")).unwrap_err();
    assert_eq!(
        said.what,
        "too many addresses of one device: expected at most 16"
    );

    let long = format!("#{}", "x".repeat(256 * 1024));
    let said = parse(&long).unwrap_err().to_string();
    assert_eq!(
        said,
        "1:1: the file has 262145 octets: expected at most 262144"
    );
}

#[test]
fn a_file_of_nothing_is_a_lab_of_nothing() {
    assert!(parse("").unwrap().hosts.is_empty());
}

#[test]
fn nesting_ends_somewhere() {
    let deep = format!("about = {}", "[".repeat(100_000));
    assert!(parse(&deep).is_err());
}
