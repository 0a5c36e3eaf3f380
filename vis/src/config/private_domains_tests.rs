use super::*;
use crate::config::{InterfaceId, State, parse};

const TEXT: &str = "\
vlan 101
  private-vlan isolated
vlan 102
  private-vlan community
vlan 100
  private-vlan primary
  private-vlan association 101,102
port-profile tenant
  switchport mode private-vlan host
  switchport private-vlan host-association 100 102
interface veth 1
  inherit port-profile tenant
interface veth 2
  inherit port-profile tenant
  switchport private-vlan host-association 100 101
interface veth 3
  switchport mode private-vlan promiscuous
  switchport private-vlan mapping 100 101-102
interface veth 4
  switchport mode private-vlan trunk promiscuous
  switchport private-vlan mapping trunk 100 102
  switchport private-vlan trunk allowed vlan 1
";

fn read(text: &str) -> Config {
    parse(text, "t").unwrap().0
}

fn vlan(vid: u16) -> VlanId {
    vid.try_into().unwrap()
}

fn veth(id: u32) -> InterfaceId {
    InterfaceId::Veth(id.try_into().unwrap())
}

/// Why vEth `id` is down.
fn why(config: &Config, id: u32) -> Vec<String> {
    match config.effective_veth(id.try_into().unwrap()).unwrap().state {
        State::ProfileIncomplete { why } => why,
        State::Forwarding => Vec::new(),
        State::Shut => vec!["shut".to_owned()],
    }
}

#[test]
fn a_private_vlan_that_is_whole_holds_nobody_down() {
    let config = read(TEXT);
    for id in 1..=4 {
        assert_eq!(why(&config, id), [""; 0], "veth{id}");
    }
    let [domain] = &config.private_vlans()[..] else {
        panic!("{:?}", config.private_vlans());
    };
    assert_eq!(domain.primary, vlan(100));
    assert_eq!(domain.isolated, Some(vlan(101)));
    assert_eq!(domain.communities, [vlan(102)]);
    assert_eq!(config.carrying_vlans().to_string(), "1,100-102");
    assert_eq!(read(&config.running_config()), config);
}

#[test]
fn what_is_not_whole_is_named_and_holds_down_who_names_it() {
    let cases = [
        ("no vlan 102\n", 1, "VLAN 102 does not exist"),
        ("no vlan 100\n", 1, "VLAN 100 does not exist"),
        (
            "vlan 100\n no private-vlan\n",
            2,
            "VLAN 100 is no primary VLAN",
        ),
        (
            "vlan 102\n no private-vlan\n",
            1,
            "VLAN 102 is neither isolated nor a community",
        ),
        (
            "vlan 100\n private-vlan association remove 102\n",
            1,
            "VLAN 102 is not associated with VLAN 100",
        ),
        (
            "vlan 200\n private-vlan primary\n private-vlan association 102\n",
            1,
            "VLAN 102 is associated with both VLAN 100 and VLAN 200",
        ),
        (
            "vlan 103\n private-vlan isolated\nvlan 100\n private-vlan association add 103\n",
            2,
            "VLANs 101 and 103 are both isolated",
        ),
        (
            "vlan 102\n private-vlan primary\n",
            3,
            "VLAN 102 is neither isolated nor a community",
        ),
        ("no vlan 102\n", 4, "VLAN 102 does not exist"),
        (
            "interface veth 4\n switchport private-vlan trunk allowed vlan 1,101\n",
            4,
            "VLAN 101 is a private VLAN",
        ),
        (
            "interface veth 4\n switchport private-vlan trunk native vlan 9\n",
            4,
            "VLAN 9 does not exist",
        ),
        (
            "interface veth 3\n no switchport private-vlan mapping\n",
            3,
            "`switchport private-vlan mapping` is missing",
        ),
        (
            "interface veth 3\n switchport mode access\n switchport access vlan 101\n",
            3,
            "VLAN 101 is a private VLAN, which only ports",
        ),
    ];
    for (line, id, expected) in cases {
        let config = read(&format!("{TEXT}{line}"));
        let why = why(&config, id);
        assert!(
            why.iter().any(|one| one.starts_with(expected)),
            "{line}: {why:?}"
        );
        assert!(!config.incomplete(veth(id)).is_empty(), "{line}");
        assert_eq!(read(&config.running_config()), config, "{line}");
    }
}

#[test]
fn vlans_that_are_suspended_or_have_no_whole_carry_nothing() {
    let carrying = |line: &str| {
        read(&format!("{TEXT}vlan 7\n{line}"))
            .carrying_vlans()
            .to_string()
    };
    assert_eq!(carrying(""), "1,7,100-102");
    assert_eq!(carrying("vlan 7\n state suspend\n"), "1,100-102");
    assert_eq!(carrying("vlan 7\n shutdown\n"), "1,100-102");
    assert_eq!(
        carrying("vlan 7\n state suspend\n state active\n"),
        "1,7,100-102"
    );
    // Without its primary VLAN a secondary one carries nothing either.
    assert_eq!(carrying("vlan 100\n state suspend\n"), "1,7");
    assert_eq!(carrying("vlan 7\n private-vlan isolated\n"), "1,100-102");
    assert_eq!(carrying("vlan 101\n shutdown\n"), "1,7,100,102");
}

#[test]
fn vlan_1_is_always_active_and_ordinary_and_an_association_is_of_one_vlan() {
    for (text, expected) in [
        ("vlan 1\n state suspend\n", "VLAN 1 is always active"),
        ("vlan 1\n private-vlan primary\n", "VLAN 1 is always active"),
        (
            "vlan 5,6\n private-vlan association 7\n",
            "secondary VLANs belong to one VLAN",
        ),
    ] {
        let faults = parse(text, "t").map(|_| ()).unwrap_err();
        assert!(faults[0].message.starts_with(expected), "{faults:?}");
    }
}

#[test]
fn the_lines_that_decide_are_those_of_the_mode_in_force_and_of_the_vlans() {
    let config = read(TEXT);
    let said = |lines: Vec<OriginatedLine>| {
        let each = lines
            .into_iter()
            .map(|line| format!("{} <- {}", line.line, line.origin));
        each.collect::<Vec<_>>()
    };
    let private = |id| {
        let mut lines = config.origins(veth(id));
        lines.retain(|line| line.about == About::PrivateVlan);
        said(lines)
    };
    assert_eq!(
        private(1),
        ["switchport private-vlan host-association 100 102 <- port-profile tenant"]
    );
    assert_eq!(
        private(2),
        ["switchport private-vlan host-association 100 101 <- interface Vethernet2"]
    );
    assert_eq!(
        private(4),
        [
            "switchport private-vlan mapping trunk 100 102 <- interface Vethernet4",
            "switchport private-vlan trunk allowed vlan 1 <- interface Vethernet4",
        ]
    );
    assert_eq!(
        said(config.vlan_origins(vlan(101))),
        [
            "private-vlan isolated <- vlan 101",
            "private-vlan primary <- vlan 100",
            "private-vlan association 101-102 <- vlan 100",
        ]
    );
}
