use super::*;
use crate::config::{
    About, Binding, InterfaceId, Membership, Origin, OriginatedLine, PrivateVlanType,
};
use crate::control::access_lists::{ShowAccessLists, ShownList};
use crate::control::counts::{Counts, KernelCounts};
use crate::control::explain::*;
use crate::control::niv::*;
use crate::control::plan::*;
use crate::control::private_vlan::*;
use crate::control::show::*;
use crate::control::switch::*;
use ::niv::{Anomaly, Counters, DropReason, Mac, Weight};

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

/// Nobody is gone.
fn balance(accounts: &[Account]) -> ShowConservation {
    let mut sum = Counters::default();
    accounts
        .iter()
        .for_each(|account| sum.merge(&account.counters));
    ShowConservation::balance(accounts, &sum)
}

fn interfaces() -> Answer {
    let counts = Counts::from(&counters());
    let first = Interface {
        interface: ethernet(1),
        name: ethernet(1).to_string(),
        description: Some("to host a".to_owned()),
        admin_up: true,
        oper_up: true,
        why_down: vec![],
        device: Some("eth1".to_owned()),
        io_mode: Some("af_packet".to_owned()),
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        binding: None,
        vnic: None,
        port_profile: None,
        mtu: Some(9216),
        membership: Membership::Vntag,
        counts,
        kernel: Some(KERNEL),
    };
    let second = Interface {
        interface: veth(3),
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
        vnic: None,
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
        secure: kind == MacKind::Static,
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
    let entry = |vlan: u16, name: &str, ports| VlanEntry {
        vlan: vlan.try_into().unwrap(),
        name: name.to_owned(),
        status: "active".to_owned(),
        ports,
    };
    Answer::Vlan(ShowVlan {
        schema: SCHEMA,
        vlans: vec![
            entry(
                1,
                "default",
                (1..=9).map(veth).chain([ethernet(1)]).collect(),
            ),
            entry(10, "web", vec![veth(3)]),
            entry(20, "VLAN0020", vec![]),
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
    let answer = balance(&accounts());
    insta::assert_snapshot!(text(&Answer::Conservation(answer)));
}

#[test]
fn everything_adds_up_or_is_unexplained() {
    let balanced = balance(&accounts());
    assert_eq!(balanced.unexplained.total(), 0);
    assert!(text(&Answer::Conservation(balanced)).ends_with("\nunexplained: 0\n"));

    // A frame that was read and counted nowhere.
    let mut lost = accounts();
    lost[0].kernel_received = 1;
    let lost = balance(&lost);
    assert_eq!(lost.unexplained.total(), 1);
    assert!(text(&Answer::Conservation(lost)).contains("UNEXPLAINED"));

    // A copy that was made and met no fate.
    let mut lost = accounts();
    lost[1].counters.ingress.copies += 1;
    assert_eq!(balance(&lost).unexplained.egress, 1);

    // One interface's surplus does not hide another's loss.
    let mut lost = accounts();
    lost[0].counters.ingress.forwarded += 1;
    lost[1].counters.ingress.forwarded -= 1;
    assert_eq!(balance(&lost).unexplained.ingress, 2);
}

fn vnic() -> Vnic {
    Vnic {
        uuid: "67e55044-10b1-426f-9247-bb680e5fe0c8".into(),
        name: "web1".into(),
        owner: Some("shop".into()),
        owner_uuid: None,
        mac: Mac([2, 0, 0, 1, 0, 1]),
        mtu: 1500,
        port_profile: "webservers".into(),
        counters: VnicCounters::default(),
    }
}

fn niv_answers() -> [Answer; 3] {
    let link = ethernet(1);
    let up = NivLink {
        link,
        state: "up".into(),
        since: 77,
        authentication: "key".into(),
        peer: Some(NivPeer {
            name: "host1".into(),
            identity: "00000000-0000-8000-8000-000000000001".into(),
            mac: Mac([2, 0, 0, 0, 0, 1]),
            software: Some("iv 0.1.0".into()),
            authenticated: true,
            mtu: 1510,
            hold: 900,
            max_vifs: 4095,
            max_lists: 4096,
        }),
        sessions: 2,
        lost: Some("hold_time: nothing was heard of the IV for 900 ms".into()),
        refused: 1,
        last_refusal: Some("02:00:00:00:00:09 by us, 5 s ago: wrong_key".into()),
        vnics_refused: 3,
        lists_refused: 4,
        mtu_proven: Some(1510),
        health: None,
        vifs: Used {
            used: 2,
            free: 4093,
        },
        lists: Used {
            used: 1,
            free: 4095,
        },
        frames: Some(NivFrames {
            sent: 40,
            taken: 39,
            not_taken: 2,
            unauthentic: 1,
        }),
        neighbours: vec![NivNeighbour {
            system: Some("host1".into()),
            description: Some("iv 0.1.0 (Network Interface Virtualization)".into()),
            chassis: "00000000-0000-8000-8000-000000000001".into(),
            port: "eth1".into(),
            mac: Mac([2, 0, 0, 0, 0, 1]),
            role: Some("iv".into()),
            frame_size: Some(1528),
            since: 78,
            expires: 100,
        }],
        advice: None,
    };
    let waiting = NivLink {
        link: ethernet(2),
        state: "waiting".into(),
        authentication: "unset".into(),
        peer: None,
        lost: None,
        last_refusal: None,
        frames: None,
        neighbours: vec![NivNeighbour {
            system: None,
            role: None,
            ..up.neighbours[0].clone()
        }],
        advice: Some("the neighbour does not speak VIC".into()),
        ..up.clone()
    };
    let with_vnic = NivVif {
        link: Some(link),
        vif: Some(7.try_into().unwrap()),
        veth: veth(3),
        state: "enabled".into(),
        since: Some(4),
        why_down: None,
        port_profile: Some("webservers".into()),
        vnic: Some(vnic()),
    };
    let chosen = NivVif {
        vif: Some(8.try_into().unwrap()),
        veth: veth(6),
        port_profile: Some("quarantine".into()),
        ..with_vnic.clone()
    };
    let by_hand = NivVif {
        vif: Some(17.try_into().unwrap()),
        veth: veth(4),
        state: "by_hand".into(),
        since: None,
        port_profile: Some("base".into()),
        vnic: None,
        ..with_vnic.clone()
    };
    let detached = NivVif {
        link: None,
        vif: None,
        veth: veth(5),
        state: "detached".into(),
        port_profile: None,
        ..with_vnic.clone()
    };
    let list = NivList {
        link,
        list: 9.try_into().unwrap(),
        state: "confirmed".into(),
        members: [1, 2, 3, 7, 9, 10]
            .map(|vif| vif.try_into().unwrap())
            .into(),
    };
    [
        Answer::NivLink(ShowNivLink {
            schema: SCHEMA,
            links: vec![up, waiting],
        }),
        Answer::NivVif(ShowNivVif {
            schema: SCHEMA,
            vifs: vec![with_vnic, chosen, by_hand, detached],
        }),
        Answer::NivList(ShowNivList {
            schema: SCHEMA,
            lists: vec![list],
        }),
    ]
}

#[test]
fn show_niv_text() {
    let [link, vif, list] = niv_answers();
    insta::assert_snapshot!("show_niv_link", text(&link));
    insta::assert_snapshot!("show_niv_vif", text(&vif));
    insta::assert_snapshot!("show_niv_list", text(&list));
}

fn tables() -> [Answer; 3] {
    let Answer::Interface(all) = interfaces() else {
        unreachable!();
    };
    [
        Answer::InterfaceStatus(all.status()),
        Answer::InterfaceBrief(all.brief()),
        Answer::InterfaceCounters(all.counters()),
    ]
}

#[test]
fn show_interface_tables_text() {
    let [status, brief, counters] = tables();
    insta::assert_snapshot!("show_interface_status", text(&status));
    insta::assert_snapshot!("show_interface_brief", text(&brief));
    insta::assert_snapshot!("show_interface_counters", text(&counters));
}

#[test]
fn a_name_is_cut_to_its_column_where_columns_are() {
    let [Answer::InterfaceStatus(mut status), ..] = tables() else {
        unreachable!();
    };
    status.interfaces[0].name = Some("front ends of the shop in Ulm".into());
    let text = text(&Answer::InterfaceStatus(status));
    assert!(text.contains(" front ends of the  "), "{text}");
}

fn mac_count() -> Answer {
    Answer::MacCount(ShowMacCount {
        schema: SCHEMA,
        dynamic: 17,
        r#static: 0,
        room: 65_536,
    })
}

fn modules() -> Answer {
    let switch = Module {
        module: 1,
        ports: 4,
        kind: "Virtual Interface Switch".into(),
        model: "vis".into(),
        status: "active *".into(),
        software: Some("0.1.0".into()),
        host: Some("vis-lab".into()),
        identity: None,
        link: None,
    };
    let up = Module {
        module: 3,
        ports: 2,
        kind: "Interface Virtualizer".into(),
        model: "iv".into(),
        status: "ok".into(),
        host: Some("host1".into()),
        identity: Some("00000000-0000-8000-8000-000000000001".into()),
        link: Some(ethernet(1)),
        ..switch.clone()
    };
    let away = Module {
        module: 66,
        ports: 0,
        model: "-".into(),
        status: "powered-dn".into(),
        software: None,
        host: None,
        identity: None,
        link: Some(ethernet(64)),
        ..up.clone()
    };
    Answer::Module(ShowModule {
        schema: SCHEMA,
        modules: vec![switch, up, away],
    })
}

fn lines() -> Vec<OriginatedLine> {
    vec![
        OriginatedLine {
            about: About::Mode,
            line: "switchport mode access".into(),
            origin: Origin::Default,
        },
        OriginatedLine {
            about: About::AccessVlan,
            line: "switchport access vlan 10".into(),
            origin: Origin::PortProfile {
                name: "server".parse().unwrap(),
                inherited_by: vec!["webservers".parse().unwrap()],
            },
        },
    ]
}

fn port_profiles() -> Answer {
    let server = PortProfile {
        name: "server".parse().unwrap(),
        description: Some("all of them".into()),
        ancestors: vec![],
        lines: vec!["switchport access vlan 10".into()],
        expanded: None,
        inherited_by: vec!["webservers".parse().unwrap()],
        assigned_to: vec![],
    };
    let webservers = PortProfile {
        name: "webservers".parse().unwrap(),
        description: None,
        ancestors: vec![server.name.clone()],
        lines: vec!["inherit port-profile server".into()],
        expanded: Some(lines()),
        inherited_by: vec![],
        assigned_to: vec![ethernet(3), veth(3)],
    };
    Answer::PortProfile(ShowPortProfile {
        schema: SCHEMA,
        profiles: vec![server, webservers],
    })
}

fn drops() -> Answer {
    let drops = |direction: &str, reason: DropReason| Drops {
        direction: direction.into(),
        reason: reason.to_string(),
        frames: 12,
        explanation: reason.explain().into(),
    };
    Answer::Drops(ShowDrops {
        schema: SCHEMA,
        interfaces: vec![InterfaceDrops {
            interface: veth(3),
            drops: vec![
                drops("in", DropReason::VlanNotAllowed),
                drops("out", DropReason::TxFull),
            ],
        }],
    })
}

fn explained() -> Answer {
    let stage = |name: &str, passes, says: &str, lines| Stage {
        stage: name.into(),
        passes,
        says: says.into(),
        lines,
    };
    let received = [0x5A_u8; 70];
    let sent = ExplainedCopy {
        to: vec![veth(4), veth(5)],
        list: Some(9.try_into().unwrap()),
        vlan: Some(10.try_into().unwrap()),
        stages: vec![stage("list", true, "one copy for all members", vec![])],
        sent_on: Some(ethernet(1)),
        octets: Some(Hex::from(&received[..])),
        reason: None,
    };
    let dropped = ExplainedCopy {
        to: vec![ethernet(3)],
        list: None,
        stages: vec![stage(
            "mtu",
            false,
            DropReason::MtuExceeded.explain(),
            vec![],
        )],
        sent_on: None,
        octets: None,
        reason: Some(DropReason::MtuExceeded.into()),
        ..sent.clone()
    };
    Answer::Explain(Box::new(ShowExplain {
        schema: SCHEMA,
        from: veth(3),
        received_on: ethernet(1),
        received: Hex::from(&received[..]),
        destination: Mac::BROADCAST,
        source: Mac([2, 0, 0, 0, 0, 1]),
        vntag: Some(ExplainedVnTag {
            from_bridge: false,
            pointer: false,
            dvif: 0,
            looped: false,
            reserved: false,
            version: 0,
            svif: 17,
        }),
        vlan_tag: Some(ExplainedVlanTag {
            tpid: 0x8100,
            vid: 10,
            priority: 3,
        }),
        owner: Some(veth(3)),
        stages: vec![stage("vlan", true, "it is in VLAN 10", lines())],
        verdict: Verdict::Flooded,
        reason: None,
        copies: vec![sent, dropped],
        more_copies: 2,
    }))
}

#[test]
fn explain_frame_text() {
    insta::assert_snapshot!(text(&explained()));
}

#[test]
fn a_dropped_frame_is_explained_with_its_reason() {
    let Answer::Explain(mut answer) = explained() else {
        unreachable!();
    };
    answer.verdict = Verdict::Dropped;
    answer.reason = Some(DropReason::VlanNotAllowed.into());
    answer.copies.clear();
    answer.more_copies = 0;
    let text = text(&Answer::Explain(answer));
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("dropped: vlan_not_allowed: "), "{text}");
}

#[test]
fn shows_about_the_switch_text() {
    insta::assert_snapshot!("show_mac_count", text(&mac_count()));
    insta::assert_snapshot!("show_module", text(&modules()));
    insta::assert_snapshot!("show_port_profile", text(&port_profiles()));
    insta::assert_snapshot!("show_drops", text(&drops()));
}

fn tech_support() -> Answer {
    Answer::TechSupport(ShowTechSupport {
        schema: SCHEMA,
        parts: vec![
            TechPart {
                command: "show version".into(),
                answer: version(),
                left_out: 0,
            },
            TechPart {
                command: "show vlan".into(),
                answer: vlans(),
                left_out: 3,
            },
        ],
    })
}

#[test]
fn show_tech_support_text() {
    insta::assert_snapshot!(text(&tech_support()));
}

fn plan() -> Answer {
    Answer::Plan(ShowPlan {
        schema: SCHEMA,
        interfaces: vec![
            PlannedInterface {
                interface: veth(3),
                before: Some("forwarding".into()),
                after: Some("profile_incomplete (VLAN 20 does not exist)".into()),
                lines: vec![
                    "-switchport access vlan 10 (port-profile web)".into(),
                    "+switchport access vlan 20 (port-profile web)".into(),
                ],
                because: vec!["it carries no frames any more of VLAN 10".into()],
            },
            PlannedInterface {
                interface: veth(4),
                before: Some("forwarding".into()),
                after: Some("forwarding".into()),
                lines: Vec::new(),
                because: Vec::new(),
            },
            PlannedInterface {
                interface: ethernet(2),
                before: None,
                after: Some("shut".into()),
                lines: vec!["+shutdown (interface Ethernet2)".into()],
                because: Vec::new(),
            },
        ],
        unchanged: 1,
        judged: 40,
        differ: 2,
        frames: vec![PlannedFrame {
            from: Some(veth(3)),
            what: "TCP 10.0.0.1 port 4000 to 10.0.0.2 port 80".into(),
            ago_ms: 12,
            before: "sent to Vethernet4".into(),
            after: "dropped: profile_incomplete".into(),
        }],
    })
}

#[test]
fn plan_text() {
    insta::assert_snapshot!(text(&plan()), @r"
    3 interfaces would change, 1 would not
      Vethernet3: now forwarding, then profile_incomplete (VLAN 20 does not exist)
        -switchport access vlan 10 (port-profile web)
        +switchport access vlan 20 (port-profile web)
        it carries no frames any more of VLAN 10
      Vethernet4: forwarding, as now
        what its lines refer to changes
      Ethernet2: now not there, then shut
        +shutdown (interface Ethernet2)
    of 40 frames that came lately, each of another flow, 2 would be judged otherwise
      TCP 10.0.0.1 port 4000 to 10.0.0.2 port 80 from Vethernet3, 12 ms ago
        now sent to Vethernet4
        then dropped: profile_incomplete
      and 1 more
    ");
}

/// One of each. A new kind of answer does not compile here until it is among them.
fn every_answer() -> Vec<Answer> {
    let [link, vif, list] = niv_answers();
    let [status, brief, counters] = tables();
    let running = Answer::RunningConfig(ShowRunningConfig {
        schema: SCHEMA,
        text: "vlan 10\n".into(),
    });
    let all = vec![
        Answer::Conservation(balance(&accounts())),
        explained(),
        interfaces(),
        drops(),
        brief,
        counters,
        status,
        mac_count(),
        modules(),
        port_profiles(),
        tech_support(),
        mac_address_table(),
        link,
        vif,
        list,
        running,
        version(),
        vlans(),
        Answer::Diff(ShowDiff {
            schema: SCHEMA,
            lines: vec!["+vlan 10".into()],
        }),
        Answer::History(ShowHistory {
            schema: SCHEMA,
            changes: vec![HistoryEntry {
                number: 1,
                at: 1_700_000_000,
                who: "ana".into(),
                how: "typed".into(),
                lines: vec!["+vlan 10".into()],
            }],
        }),
        plan(),
        Answer::AccessLists(ShowAccessLists {
            schema: SCHEMA,
            lists: vec![ShownList {
                name: "web".parse().unwrap(),
                family: policy::acl::Family::Ipv4,
                lines: Vec::new(),
                matched_none: 0,
                unreadable: 0,
                ports_in: 0,
                ports_out: 0,
            }],
        }),
        Answer::Policer(crate::control::rates::ShowPolicer {
            schema: SCHEMA,
            policers: Vec::new(),
        }),
        shut_by_guards(),
        private_vlans(),
    ];
    let mut met: Vec<usize> = all
        .iter()
        .map(|answer| match answer {
            Answer::Conservation(_) => 0,
            Answer::Explain(_) => 1,
            Answer::Interface(_) => 2,
            Answer::Drops(_) => 3,
            Answer::InterfaceBrief(_) => 4,
            Answer::InterfaceCounters(_) => 5,
            Answer::InterfaceStatus(_) => 6,
            Answer::MacCount(_) => 7,
            Answer::Module(_) => 8,
            Answer::PortProfile(_) => 9,
            Answer::TechSupport(_) => 10,
            Answer::MacAddressTable(_) => 11,
            Answer::NivLink(_) => 12,
            Answer::NivVif(_) => 13,
            Answer::NivList(_) => 14,
            Answer::RunningConfig(_) => 15,
            Answer::Version(_) => 16,
            Answer::Vlan(_) => 17,
            Answer::Diff(_) => 18,
            Answer::History(_) => 19,
            Answer::Plan(_) => 20,
            Answer::AccessLists(_) => 21,
            Answer::Policer(_) => 22,
            Answer::Guard(_) => 23,
            Answer::PrivateVlan(_) => 24,
        })
        .collect();
    met.sort_unstable();
    assert!(met.into_iter().eq(0..all.len()), "one of each");
    all
}

fn shut_by_guards() -> Answer {
    use crate::control::guard::{ShowGuard, ShowShut, ShutInterface};
    Answer::Guard(ShowGuard::Shut(ShowShut {
        schema: SCHEMA,
        interfaces: vec![ShutInterface {
            interface: InterfaceId::Veth(3.try_into().unwrap()),
            name: Some("web".into()),
            cause: "storm_control".into(),
            seconds: 4,
            left: Some(26),
        }],
    }))
}

#[test]
fn a_port_that_a_guard_has_shut_is_shown_with_why_and_how_long() {
    let shown = print(&shut_by_guards(), Format::Text).unwrap();
    let last = shown.lines().last().unwrap();
    assert_eq!(
        last,
        "Veth3         web                errDisabl  storm_control, comes back in 26 s"
    );
}

fn private_vlans() -> Answer {
    let vlan = |vid: u16| Some(vid.try_into().unwrap());
    let port = |id: u32| InterfaceId::Veth(id.try_into().unwrap());
    let entry = |primary, secondary, r#type, operational, ports| PrivateVlanEntry {
        primary,
        secondary,
        r#type,
        operational,
        ports,
    };
    Answer::PrivateVlan(ShowPrivateVlan {
        schema: SCHEMA,
        vlans: vec![
            entry(
                vlan(100),
                vlan(101),
                PrivateVlanType::Isolated,
                true,
                (1..=5).map(port).collect(),
            ),
            entry(vlan(200), None, PrivateVlanType::Primary, true, vec![]),
            entry(None, vlan(103), PrivateVlanType::Community, false, vec![]),
        ],
    })
}

#[test]
fn private_vlans_are_listed_by_primary_vlan() {
    assert_eq!(
        text(&private_vlans()),
        "Primary  Secondary  Type             Ports\n\
         -------  ---------  ---------------  -------------------------------------------\n\
         100      101        isolated         Veth1, Veth2, Veth3, Veth4\n\
         \x20                                    Veth5\n\
         200                 primary\n\
         \x20        103        non-operational\n"
    );
}

#[test]
fn every_show_has_text_and_json_that_names_its_schema() {
    for answer in every_answer() {
        let shown = print(&answer, Format::Text).unwrap();
        assert!(shown.ends_with('\n'), "{shown}");
        let json: serde_json::Value =
            serde_json::from_str(&print(&answer, Format::Json).unwrap()).unwrap();
        assert_eq!(json["schema"], 1);
    }
}
