use super::*;
use crate::config::{Binding, InterfaceId, Membership};
use crate::control::counts::{Counts, KernelCounts};
use crate::control::show::*;
use niv::{Anomaly, Counters, DropReason, Mac, Weight};

fn ethernet(id: u32) -> InterfaceId {
    InterfaceId::Ethernet(id.try_into().unwrap())
}

fn veth(id: u32) -> InterfaceId {
    InterfaceId::Veth(id.try_into().unwrap())
}

/// 6 received: 2 forwarded, 1 flooded to 3, 1 consumed, 2 dropped; 4 sent and 1 dropped.
fn counters() -> Counters {
    let frame = Weight::one(100);
    let mut counters = Counters::default();
    counters.forward(frame);
    counters.forward(frame);
    counters.flood(frame, 3);
    counters.consume(frame);
    counters.drop_received(DropReason::Runt, frame);
    counters.drop_received(DropReason::VifNotOwned, frame);
    for _ in 0..4 {
        counters.sent(frame);
    }
    counters.drop_copy(DropReason::TxFull, frame);
    counters.anomalies.add(Anomaly::ReservedBit);
    counters
}

const KERNEL: KernelCounts = KernelCounts {
    rx_packets: 7,
    rx_dropped: 0,
    tx_packets: 4,
    tx_dropped: 0,
    taken: 6,
    ring_dropped: 1,
    handed: 4,
};

fn interfaces() -> Answer {
    let counts = Counts::from(&counters());
    let first = Interface {
        name: ethernet(1).to_string(),
        description: Some("to host a".to_owned()),
        admin_up: true,
        oper_up: true,
        why_down: vec![],
        device: Some("eth1".to_owned()),
        io_mode: Some("af_packet".to_owned()),
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        binding: None,
        port_profile: None,
        mtu: Some(9216),
        membership: Membership::Vntag,
        counts,
        kernel: Some(KERNEL),
    };
    let second = Interface {
        name: veth(3).to_string(),
        description: None,
        oper_up: false,
        why_down: vec![
            "profile_incomplete".to_owned(),
            "VLAN 10 does not exist".to_owned(),
        ],
        device: None,
        io_mode: None,
        mac: None,
        binding: Some(Binding {
            ethernet: 1.try_into().unwrap(),
            channel: 17.try_into().unwrap(),
        }),
        port_profile: Some("webservers".to_owned()),
        mtu: None,
        membership: Membership::Trunk {
            native: 1.try_into().unwrap(),
            allowed: Box::new("10,20-30".parse().unwrap()),
        },
        counts: Counts::default(),
        kernel: None,
        ..first.clone()
    };
    Answer::Interface(ShowInterface {
        schema: SCHEMA,
        interfaces: vec![first, second],
    })
}

fn mac_address_table() -> Answer {
    let entry = |vlan: u16, last, kind, age, interface| MacEntry {
        vlan: vlan.try_into().unwrap(),
        mac: Mac([2, 0, 0, 0, 0, last]),
        kind,
        age,
        interface,
    };
    Answer::MacAddressTable(ShowMacAddressTable {
        schema: SCHEMA,
        entries: vec![
            entry(1, 10, MacKind::Dynamic, Some(0), veth(3)),
            entry(4094, 11, MacKind::Static, None, ethernet(64)),
        ],
    })
}

fn vlans() -> Answer {
    let entry = |vlan: u16, name: Option<&str>, ports| VlanEntry {
        vlan: vlan.try_into().unwrap(),
        name: name.map(str::to_owned),
        ports,
    };
    Answer::Vlan(ShowVlan {
        schema: SCHEMA,
        vlans: vec![
            entry(1, None, (1..=9).map(veth).chain([ethernet(1)]).collect()),
            entry(10, Some("web"), vec![veth(3)]),
            entry(20, None, vec![]),
        ],
    })
}

fn version() -> Answer {
    Answer::Version(ShowVersion {
        schema: SCHEMA,
        program: "vis".to_owned(),
        release: "0.1.0".to_owned(),
        hostname: "vis-lab".to_owned(),
        kernel: "Linux 6.1.0".to_owned(),
        pid: 4711,
        uptime: 93_784,
        kernel_uptime: 180_245,
    })
}

fn accounts() -> [Account; 2] {
    let mut link = Counters::default();
    link.drop_received(DropReason::Untagged, Weight::one(60));
    [
        Account {
            interface: ethernet(1),
            counters: link,
            kernel: Some(KERNEL),
            kernel_received: 0,
            kernel_sent: 0,
        },
        Account {
            interface: veth(3),
            counters: counters(),
            kernel: None,
            kernel_received: 0,
            kernel_sent: 0,
        },
    ]
}

#[test]
fn show_interface_text() {
    insta::assert_snapshot!(text(&interfaces()));
}

#[test]
fn show_interface_json() {
    insta::assert_snapshot!(print(&interfaces(), Format::Json).unwrap());
}

#[test]
fn show_mac_address_table_text() {
    insta::assert_snapshot!(text(&mac_address_table()));
}

#[test]
fn show_vlan_text() {
    insta::assert_snapshot!(text(&vlans()));
}

#[test]
fn show_version_text() {
    insta::assert_snapshot!(text(&version()));
}

#[test]
fn show_conservation_text() {
    let answer = ShowConservation::balance(&accounts());
    insta::assert_snapshot!(text(&Answer::Conservation(answer)));
}

#[test]
fn everything_adds_up_or_is_unexplained() {
    let balanced = ShowConservation::balance(&accounts());
    assert_eq!(balanced.unexplained.total(), 0);
    assert!(text(&Answer::Conservation(balanced)).ends_with("\nunexplained: 0\n"));

    // A frame that was read and counted nowhere.
    let mut lost = accounts();
    lost[0].kernel_received = 1;
    let lost = ShowConservation::balance(&lost);
    assert_eq!(lost.unexplained.total(), 1);
    assert!(text(&Answer::Conservation(lost)).contains("UNEXPLAINED"));

    // A copy that was made and met no fate.
    let mut lost = accounts();
    lost[1].counters.ingress.copies += 1;
    assert_eq!(ShowConservation::balance(&lost).unexplained.egress, 1);

    // One interface's surplus does not hide another's loss.
    let mut lost = accounts();
    lost[0].counters.ingress.forwarded += 1;
    lost[1].counters.ingress.forwarded -= 1;
    assert_eq!(ShowConservation::balance(&lost).unexplained.ingress, 2);
}

#[test]
fn json_names_its_schema() {
    for answer in [interfaces(), mac_address_table(), vlans(), version()] {
        let json: serde_json::Value =
            serde_json::from_str(&print(&answer, Format::Json).unwrap()).unwrap();
        assert_eq!(json["schema"], 1);
    }
}
