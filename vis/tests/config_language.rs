//! The configuration language from outside: what is taken, and what it leads to.
#![expect(
    clippy::unwrap_used,
    reason = "what the tests stand on may fail loudly"
)]

use niv::{VlanId, VlanSet};
use vis::config::{
    Config, Context, Diagnostic, Effective, EthernetId, InterfaceId, Membership, State, VethId,
    VicAuthentication, Warning, parse,
};

fn read(text: &str) -> (Config, Vec<Warning>) {
    parse(text, "t.conf").unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(Diagnostic::to_string).collect();
        unreachable!("{faults:#?}")
    })
}

fn veth(config: &Config, id: u32) -> Effective {
    config
        .effective_veth(VethId::try_from(id).unwrap())
        .unwrap()
}

fn ethernet(config: &Config, id: u32) -> Effective {
    config
        .effective_ethernet(EthernetId::try_from(id).unwrap())
        .unwrap()
}

fn vlan(id: u16) -> VlanId {
    id.try_into().unwrap()
}

fn why(effective: &Effective) -> Vec<&str> {
    match &effective.state {
        State::ProfileIncomplete { why } => why.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// design.md section 7, character for character.
const LISTING: &str = "\
port-profile webservers
  switchport access vlan 10
  ip access-group 500 in
  inherit port-profile server
interface veth1
  inherit port-profile webservers
";

#[test]
fn the_listing_is_accepted_character_for_character_and_fails_closed() {
    let (config, warnings) = read(LISTING);
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "t.conf:2:3: VLAN 10 does not exist: what uses this stays down until it does \
             (profile_incomplete)",
            "t.conf:3:3: access-list 500 does not exist: what uses this stays down until it does \
             (profile_incomplete)",
            "t.conf:4:3: port-profile server does not exist: what uses this stays down until it does \
             (profile_incomplete)",
        ]
    );
    let veth = veth(&config, 1);
    assert_eq!(
        why(&veth),
        [
            "port-profile server does not exist",
            "VLAN 10 does not exist",
            "access-list 500 does not exist",
        ]
    );
    assert_eq!(veth.membership, Membership::Access { vlan: vlan(10) });
}

#[test]
fn a_veth_comes_up_when_everything_it_names_exists() {
    let text = LISTING.to_owned() + "ip access-list 500\n";
    assert_eq!(why(&veth(&read(&text).0, 1)).len(), 2);
    let text = text + "vlan 10\n";
    assert_eq!(why(&veth(&read(&text).0, 1)).len(), 1);
    let text = text + "port-profile server\n";
    let (config, warnings) = read(&text);
    assert!(warnings.is_empty());
    assert_eq!(veth(&config, 1).state, State::Forwarding);
}

#[test]
fn a_list_that_is_absent_or_of_another_family_holds_ports_down() {
    let text = "interface veth1\n  ipv6 access-group web in\n  mac access-group all out\n";
    let (config, warnings) = read(&format!("{text}ip access-list web\n"));
    assert_eq!(
        why(&veth(&config, 1)),
        [
            "`ipv6 access-group web in` names `ip access-list web`, which is of another family",
            "access-list all does not exist",
        ]
    );
    assert_eq!(warnings.len(), 2);
    let lists = "ipv6 access-list web\nmac access-list all\n";
    let (config, warnings) = read(&format!("{text}{lists}"));
    assert_eq!(veth(&config, 1).state, State::Forwarding);
    assert!(warnings.is_empty());
    // A NIV port's frames are its vEths'.
    let (config, _) = read(&format!(
        "{lists}interface ethernet 1\n  switchport mode vntag\n  mac access-group all in\n"
    ));
    let effective = config.effective_ethernet(1.try_into().unwrap()).unwrap();
    assert!(why(&effective)[0].contains("is for the ports of vNICs"));
}

#[test]
fn each_family_and_direction_is_inherited_by_itself() {
    let (config, _) = read(
        "port-profile base
           ip access-group a in
           ip access-group b out
           mac access-group m in
         interface veth1
           inherit port-profile base
           ip access-group c in
           ipv6 access-group d out
        ",
    );
    let filters = veth(&config, 1).filters;
    let named: Vec<String> = filters
        .named()
        .map(|(family, direction, name)| vis::config::access_group(family, direction, name))
        .collect();
    assert_eq!(
        named,
        [
            "ip access-group c in",
            "ip access-group b out",
            "ipv6 access-group d out",
            "mac access-group m in",
        ]
    );
}

#[test]
fn nearest_wins() {
    let (config, _) = read(
        "vlan 10,20,30
         port-profile grandparent
           switchport mode trunk
           switchport trunk allowed vlan 10,20
           mtu 9000
           shutdown
         port-profile parent
           inherit port-profile grandparent
           switchport trunk native vlan 20
           mtu 1400
         interface veth1
           inherit port-profile parent
           no shutdown
           switchport trunk allowed vlan add 30
           switchport trunk allowed vlan remove 10
         interface veth 2
           inherit port-profile parent
         interface veth 3
           inherit port-profile parent
           switchport mode access
           switchport access vlan 30
           no shutdown
         ",
    );
    let trunk = |allowed: &str| Membership::Trunk {
        native: vlan(20),
        allowed: Box::new(allowed.parse().unwrap()),
    };
    let one = veth(&config, 1);
    assert_eq!(one.state, State::Forwarding);
    assert_eq!(one.membership, trunk("20,30"));
    assert_eq!(one.mtu.unwrap().get(), 1400);
    let two = veth(&config, 2);
    assert_eq!(two.state, State::Shut);
    assert_eq!(two.membership, trunk("10,20"));
    let three = veth(&config, 3);
    assert_eq!(three.state, State::Forwarding);
    assert_eq!(three.membership, Membership::Access { vlan: vlan(30) });
}

#[test]
fn what_nobody_says_is_access_in_vlan_1() {
    let (config, warnings) = read("interface veth1\ninterface ethernet 1\n device eth0\n");
    assert!(warnings.is_empty());
    let default = Membership::Access { vlan: vlan(1) };
    assert_eq!(veth(&config, 1).membership, default);
    assert_eq!(veth(&config, 1).state, State::Forwarding);
    assert_eq!(ethernet(&config, 1).membership, default);
    assert_eq!(config.defined_vlans(), VlanSet::from(vlan(1)));
}

#[test]
fn a_binding_needs_a_link_that_speaks_vntag() {
    let text = "interface veth1\n bind interface ethernet 1 channel 17\n";
    assert_eq!(why(&veth(&read(text).0, 1)), ["Ethernet1 does not exist"]);
    let text = format!("{text}interface ethernet 1\n");
    assert_eq!(
        why(&veth(&read(&text).0, 1)),
        ["Ethernet1 is not in `switchport mode vntag`"]
    );
    let text = format!("{text} switchport mode vntag\n");
    let (config, warnings) = read(&text);
    assert!(warnings.is_empty());
    assert_eq!(veth(&config, 1).state, State::Forwarding);
    assert_eq!(ethernet(&config, 1).membership, Membership::Vntag);
}

#[test]
fn eight_levels_are_taken_and_nine_refused() {
    let chain = |levels: usize| {
        let mut text = String::from("port-profile p1\n");
        for level in 2..=levels {
            text += &format!(
                "port-profile p{level}\n inherit port-profile p{}\n",
                level - 1
            );
        }
        text + &format!("interface veth1\n inherit port-profile p{levels}\n")
    };
    let (config, _) = read(&chain(8));
    assert_eq!(veth(&config, 1).state, State::Forwarding);
    let faults = parse(&chain(9), "t.conf").unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(
        faults[0].to_string(),
        "t.conf:17:2: port-profile p9 would be level 9 of inheritance: expected 8 levels at most"
    );
}

#[test]
fn a_loop_is_refused_once_and_named() {
    let faults = parse(
        "port-profile a\n inherit port-profile b\nport-profile b\n inherit port-profile c\n\
         port-profile c\n inherit port-profile a\nport-profile d\n inherit port-profile a\n",
        "t.conf",
    )
    .unwrap_err();
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "t.conf:2:2: port-profile a inherits from itself: a -> b -> c -> a: expected profiles without a \
             loop"
        ]
    );
}

#[test]
fn words_may_be_short_glued_and_in_any_case() {
    let long = "hostname a\nvlan 10\n  name x\nport-profile p\n  switchport mode trunk\n\
                interface ethernet 1\n  device eth0\n  switchport mode vntag\n\
                interface vethernet 3\n  bind interface ethernet 1 channel 4\n  shutdown\n\
                mac address-table aging-time 60\n";
    let short = "ho a\nVLAN10\nna x\npo p\nsw m t\nint eth1\ndev eth0\nSW MO VN\n\
                 int Veth3\nbi in e1 ch4\nshut\nmac ad a 60\n";
    assert_eq!(read(long).0, read(short).0);
    let design =
        "interface veth1\ninterface Vethernet2\ninterface Ethernet 3\ninterface ethernet4\n";
    assert_eq!(read(design).0.veths.len(), 2);
    assert_eq!(read(design).0.ethernets.len(), 2);
}

#[test]
fn no_takes_a_line_away() {
    let (config, _) = read(
        "hostname a\nno hostname\nvlan 10-12\nno vlan 11\n\
         port-profile p\n mtu 1500\n no mtu\n switchport mode trunk\n no switchport mode\n\
         inherit port-profile x\n no inherit port-profile x\n ip access-group 5 in\n\
         no ip access-group 5 in\n description a b\n no description\n\
         interface veth1\ninterface veth2\nno interface veth1\nport-profile q\nno port-profile q\n",
    );
    let (expected, _) = read("vlan 10,12\nport-profile p\ninterface veth2\n");
    assert_eq!(config, expected);
}

#[test]
fn comments_blank_lines_and_line_ends_of_any_kind_mean_nothing() {
    let (config, _) =
        read("\u{FEFF}! a\r\n\r\n# b\r\n   ! c\r\nhostname a\r\n\t\r\nexit\r\nend\r\n! d\r\n");
    assert_eq!(config, read("hostname a").0);
}

#[test]
fn a_description_keeps_its_spaces_and_marks() {
    let (config, _) = read("interface veth1\n  description  the ! old   # one \n");
    let text = config.running_config();
    assert!(text.contains("  description the ! old   # one\n"), "{text}");
}

#[test]
fn without_a_file_there_is_one_profile_access_in_vlan_1() {
    assert_eq!(
        Config::without_file().running_config(),
        "port-profile default\n  switchport mode access\n  switchport access vlan 1\n"
    );
    assert_eq!(
        read(&Config::without_file().running_config()).0,
        Config::default()
    );
}

#[test]
fn a_port_says_for_itself_how_its_sessions_are_authenticated() {
    let text = "vic authentication key-file /etc/niv/key
        vic grace 60
        interface ethernet 1
          vic authentication none
          vic hold 500
          vic allowed port-profile web db
          vic allowed port-profile mail
        interface ethernet 2
          vic allowed port-profile web
          no vic allowed port-profile
        ";
    let (config, warnings) = read(text);
    assert!(warnings.is_empty());
    let key = VicAuthentication::KeyFile("/etc/niv/key".parse().unwrap());
    let authentication = |id: u32| config.vic_authentication(id.try_into().unwrap());
    assert_eq!(authentication(1), Some(&VicAuthentication::None));
    assert_eq!(authentication(2), Some(&key));
    // Below an interface too, hold and grace are the switch's.
    assert_eq!(config.vic.hold().as_millis(), 500);
    assert_eq!(config.vic.grace().as_secs(), 60);
    let allows = |id: u32, profile| {
        let id = EthernetId::try_from(id).unwrap();
        config.ethernets[&id].vic.allows(profile)
    };
    assert!(allows(1, "web") && allows(1, "mail") && !allows(1, "server"));
    assert!(allows(2, "server"));
    assert_eq!(Config::empty().vic.hold().as_millis(), 900);
    assert_eq!(Config::empty().vic.grace().as_secs(), 30);
}

#[test]
fn the_protocols_numbers_are_what_lines_say_and_else_the_defaults() {
    let lines = "vic subtype 600\nvic unacknowledged-subtype 601\nvic oui 00-1B-2c\nvic rte 12\nvic retries 8\n";
    let (config, warnings) = read(lines);
    assert!(warnings.is_empty());
    let numbers = config.vic.parameters();
    let expected = vic::Parameters {
        subtype: 600,
        unacknowledged_subtype: 601,
        oui: [0, 0x1B, 0x2C],
        rte: 12,
        retries: 8,
        ..vic::Parameters::default()
    };
    assert_eq!(numbers, expected);
    for line in lines.lines() {
        assert!(config.running_config().lines().any(|said| said == line));
    }
    // Taken back one by one, with the value or without.
    let taken_back = "no vic subtype\nno vic unacknowledged-subtype 601\nno vic oui\nno vic rte 12\nno vic retries\n";
    let (config, _) = read(&format!("{lines}{taken_back}"));
    assert_eq!(config, Config::empty());
    assert_eq!(config.vic.parameters(), vic::Parameters::default());
}

#[test]
fn the_two_subtypes_never_are_the_same() {
    for (lines, is_taken) in [
        ("vic unacknowledged-subtype 1010\nvic subtype 1009\n", true),
        ("vic subtype 700\nvic unacknowledged-subtype 700\n", false),
        ("vic subtype 7\nvic unacknowledged-subtype 1008\n", false),
        (
            "vic unacknowledged-subtype 7\nvic subtype 1009\nno vic unacknowledged-subtype\n",
            false,
        ),
    ] {
        assert_eq!(vis::config::parse(lines, "t").is_ok(), is_taken, "{lines}");
    }
}

#[test]
fn what_is_said_of_one_interface_or_profile_is_its_part_of_the_whole() {
    let profile = "port-profile web\n  switchport access vlan 10\n";
    let interface = "interface ethernet2\n  inherit port-profile web\n  device p2\n";
    let vnic = "interface veth3\n  inherit port-profile web\n";
    let (config, _) = read(&format!("vlan 10\n{profile}{interface}{vnic}"));
    for (part, text) in [
        (Context::Profile("web".parse().unwrap()), Some(profile)),
        (Context::Profile("db".parse().unwrap()), None),
        (
            Context::Interface(InterfaceId::Ethernet(2.try_into().unwrap())),
            Some(interface),
        ),
        (
            Context::Interface(InterfaceId::Veth(3.try_into().unwrap())),
            Some(vnic),
        ),
        (
            Context::Interface(InterfaceId::Veth(4.try_into().unwrap())),
            None,
        ),
        (
            Context::Vlan(Box::new("10".parse().unwrap())),
            Some("vlan 10\n"),
        ),
    ] {
        let said = config.running_config_of(&part);
        assert_eq!(said.as_deref(), text, "{part:?}");
        if let Some(said) = said {
            assert!(config.running_config().contains(&said), "{said}");
        }
    }
}

#[test]
fn no_takes_away_what_it_names_and_nothing_in_its_place() {
    let text = "port-profile web\n  inherit port-profile base\n  switchport mode trunk\n  \
        switchport trunk native vlan 5\n  mtu 1400\n  ip access-group 500 in\nvic grace 60\n";
    for (refused, said) in [
        ("no inherit port-profile other", "inherit port-profile base"),
        ("no switchport mode access", "switchport mode trunk"),
        (
            "no switchport trunk native vlan 6",
            "switchport trunk native vlan 5",
        ),
        ("no mtu 9000", "mtu 1400"),
        ("no ip access-group 999 in", "ip access-group 500 in"),
        ("no vic grace 5", "vic grace 60"),
    ] {
        let faults = parse(&format!("{text}port-profile web\n{refused}\n"), "t").unwrap_err();
        let fault = faults.first().unwrap().to_string();
        assert!(fault.contains(&format!("`{said}`")), "{refused}: {fault}");
    }
    // What it names, whatever there is, and what is not there.
    let all = "no inherit port-profile base\nno switchport mode trunk\nno switchport trunk native vlan\n\
        no mtu 1400\nno ip access-group 500 in\nno ip access-group 999 out\nno switchport access vlan 7\nno vic grace 60\n";
    let (config, _) = read(&format!("{text}port-profile web\n{all}"));
    assert_eq!(config.running_config(), "port-profile web\n");
}
