//! Guards in the language.

use super::super::guard_values::StormBits;
use super::*;
use crate::config::{Config, InterfaceId, State, parse};

const TEXT: &str = "\
vlan 10
errdisable recovery cause bpduguard
errdisable recovery interval 60
port-profile base
  switchport access vlan 10
  storm-control broadcast level pps 100
  storm-control action shutdown
  switchport port-security
  switchport port-security maximum 3
port-profile guest
  inherit port-profile base
  storm-control broadcast level bps 10m
  storm-control unicast level pps 0
  spanning-tree bpduguard enable
interface veth 1
  inherit port-profile guest
  spanning-tree bpduguard disable
  switchport port-security aging time 2
  switchport port-security aging type inactivity
  switchport port-security mac-address 0200.0000.0001
  switchport port-security mac-address 0200.0000.0002 vlan 10
";

fn config(text: &str) -> Config {
    parse(text, "t").unwrap().0
}

fn guards(config: &Config) -> Guards {
    config.effective_veth(1.try_into().unwrap()).unwrap().guards
}

#[test]
fn bpdus_are_dropped_where_a_filter_is_and_shut_the_port_where_a_guard_is_too() {
    for (lines, expected) in [
        ("", BpduGuard::Off),
        ("  spanning-tree bpdufilter enable\n", BpduGuard::Filter),
        ("  spanning-tree bpdufilter disable\n", BpduGuard::Off),
        (
            "  spanning-tree bpdufilter enable\n  spanning-tree bpduguard enable\n",
            BpduGuard::Shut,
        ),
        (
            "  spanning-tree bpduguard disable\n  spanning-tree bpdufilter enable\n",
            BpduGuard::Filter,
        ),
    ] {
        let text = format!("interface veth 1\n{lines}");
        assert_eq!(guards(&config(&text)).bpdu, expected, "{lines}");
    }
}

#[test]
fn of_each_line_the_nearest_is_in_force() {
    let config = config(TEXT);
    let guards = guards(&config);
    let mac = |last| Mac([2, 0, 0, 0, 0, last]);
    let vlan = |n: u16| n.try_into().unwrap();
    let bits = Level::Bits(BitRate::new(10_000_000).unwrap());
    let storm = StormControl::new(Action::Shut)
        .with(Class::Broadcast, bits)
        .with(Class::UnknownUnicast, Level::Packets(0));
    assert_eq!(guards.storm, storm);
    assert_eq!(guards.bpdu, BpduGuard::Off);
    let rule = PortSecurity {
        maximum: 3,
        violation: Mode::Shutdown,
        ageing: Ageing::Inactivity(120),
        sticky: false,
    };
    let addresses = vec![(vlan(10), mac(1)), (vlan(10), mac(2))];
    assert_eq!(guards.security, Some(Secured { rule, addresses }));
}

#[test]
fn each_line_says_where_it_stands() {
    let config = config(TEXT);
    let origins = config.origins(InterfaceId::Veth(1.try_into().unwrap()));
    let of = |about| {
        let lines = origins
            .iter()
            .filter(move |one| one.about == About::Guard(about));
        let said = lines.map(|one| format!("{} <- {}", one.line, one.origin));
        said.collect::<Vec<_>>()
    };
    assert_eq!(
        of(AboutGuard::Storm),
        [
            "storm-control broadcast level bps 10m <- port-profile guest",
            "storm-control unicast level pps 0 <- port-profile guest",
            "storm-control action shutdown <- port-profile base, inherited by guest",
        ]
    );
    assert_eq!(
        of(AboutGuard::Bpdu),
        ["spanning-tree bpduguard disable <- interface Vethernet1"]
    );
    assert_eq!(of(AboutGuard::Security).len(), 6);
}

#[test]
fn without_the_line_itself_no_port_is_secured() {
    let text = "interface veth 1\n  switchport port-security maximum 3\n";
    assert_eq!(guards(&config(text)).security, None);
    assert!(guards(&config(text)).is_off());
}

#[test]
fn more_addresses_than_may_be_are_an_incomplete_profile() {
    let line = "  switchport port-security mac-address 0200.0000.000";
    let text = format!("interface veth 1\n  switchport port-security\n{line}1\n{line}2\n");
    let config = config(&text);
    let effective = config.effective_veth(1.try_into().unwrap()).unwrap();
    assert!(matches!(effective.state, State::ProfileIncomplete { .. }));
}

#[test]
fn an_address_of_a_vlan_that_the_port_does_not_use_is_an_incomplete_profile() {
    let text = |vlan| {
        format!(
            "vlan 10\ninterface veth 1\n  switchport access vlan 10\n  switchport port-security\n  \
             switchport port-security mac-address 0200.0000.0001 vlan {vlan}\n"
        )
    };
    for (vlan, is_whole) in [(10, true), (999, false)] {
        let effective = config(&text(vlan)).effective_veth(1.try_into().unwrap());
        let state = effective.unwrap().state;
        assert_eq!(state == State::Forwarding, is_whole, "{state:?}");
    }
}

#[test]
fn what_no_station_sends_from_is_no_secure_address() {
    for address in ["0000.0000.0000", "ffff.ffff.ffff", "0100.5e00.0001"] {
        let line = format!("  switchport port-security mac-address {address}\n");
        let refused = parse(&format!("interface veth 1\n{line}"), "t");
        assert!(refused.is_err(), "{address}");
    }
}

#[test]
fn what_a_profile_asks_can_be_undone_on_an_interface() {
    let text = "port-profile base\n  storm-control broadcast level pps 100\n  switchport port-security\n  \
        switchport port-security mac-address sticky\ninterface veth 1\n  inherit port-profile base\n";
    let sticky = guards(&config(&format!(
        "{text}  switchport port-security mac-address sticky disable\n"
    )));
    assert!(!sticky.security.unwrap().rule.sticky);
    let lines = "  storm-control broadcast disable\n  switchport port-security disable\n";
    let all = config(&format!("{text}{lines}"));
    assert!(guards(&all).is_off());
    assert!(all.running_config().contains(lines));
    let taken_back = format!("{text}{lines}  no switchport port-security disable\n");
    assert!(guards(&config(&taken_back)).security.is_some());
}

#[test]
fn an_address_is_secure_on_one_interface() {
    let line = "  switchport port-security mac-address 0200.0000.0001\n";
    let text = format!("interface ethernet 1\n{line}interface veth 1\n{line}");
    assert!(parse(&text, "t").is_err());
}

#[test]
fn ports_come_back_for_the_causes_that_are_said() {
    let recovery = config(TEXT).errdisable.recovery();
    assert_eq!(recovery.seconds(Cause::BpduGuard), Some(60));
    assert_eq!(recovery.seconds(Cause::StormControl), None);
    let all = config("errdisable recovery cause all\nno errdisable recovery cause bpduguard\n");
    let recovery = all.errdisable.recovery();
    assert_eq!(recovery.seconds(Cause::BpduGuard), None);
    assert_eq!(recovery.seconds(Cause::BridgedPorts), Some(300));
}

#[test]
fn bits_are_read_with_units_and_printed_with_the_largest() {
    for (text, bits, printed) in [
        ("1", 1, "1"),
        ("64K", 64_000, "64k"),
        ("10m", 10_000_000, "10m"),
        ("1500000", 1_500_000, "1500k"),
        ("2000m", 2_000_000_000, "2g"),
    ] {
        let read: StormBits = text.parse().unwrap();
        assert_eq!((read.0, read.to_string().as_str()), (bits, printed));
    }
    for text in [
        "",
        "0",
        "k",
        "-1",
        "1.5m",
        "2000000000000",
        "99999999999999999999g",
        "1t",
    ] {
        assert!(text.parse::<StormBits>().is_err(), "{text}");
    }
}
