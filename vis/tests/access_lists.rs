//! Access lists of bridge ports: what passes is what the lines say, one after the other, whatever kind the port is; what
//! they have decided is counted, and told within bounds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect is to stop there"
)]

#[allow(
    dead_code,
    unused_imports,
    reason = "the lists and frames of the crate that judges; each test program uses its own part"
)]
#[path = "../../policy/tests/acl/generate/mod.rs"]
mod generate;
mod lab;

use generate::{Dice, frame, list};
use lab::{Lab, broadcast, mac, plain, trunk, veth, whole};
use niv::{DropReason, Mac, PortId};
use policy::acl::{
    AccessList, Action, Decision, Family, ListName, Network, Subject, View, first_match,
};
use policy::marking::{DscpRule, Marking};
use std::sync::Arc;
use vis::switch::{
    Explanation, FilterList, FilterStep, Filters, ListPlan, PortPolicy, RatePolicy, Step, list_sets,
};

const FAMILIES: [Family; 3] = [Family::Ipv4, Family::Ipv6, Family::Mac];

fn ready(text: &str) -> FilterList {
    FilterList::new(text.parse().unwrap())
}

fn inward(list: FilterList) -> PortPolicy {
    PortPolicy {
        filters: Filters::new([list], []),
        ..PortPolicy::default()
    }
}

fn outward(list: FilterList) -> PortPolicy {
    PortPolicy {
        filters: Filters::new([], [list]),
        ..PortPolicy::default()
    }
}

/// As an interface virtualizer sends it.
fn uplink(vif: u16, frame: &[u8]) -> Vec<u8> {
    let [a, b] = vif.to_be_bytes();
    [&frame[..12], &[0x89, 0x26, 0, 0, a, b], &frame[12..]].concat()
}

/// UDP over IPv4 from station `from` to station `to`, for port `port`.
fn udp(to: [u8; 6], from: u8, port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    let mut frame = [&to[..], &mac(from), &[8, 0]].concat();
    frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, from]);
    frame.extend([10, 0, 0, to[5], 0, 1, high, low, 0, 8, 0, 0]);
    frame.resize(60, 0);
    frame
}

/// Two vEths on one link, VIFs 5 and 6, two plain ports.
fn lab() -> Lab {
    Lab::new(vec![veth(0, 0, 5), veth(1, 0, 6), plain(2, 2), plain(3, 3)])
}

fn hits(lab: &Lab, name: &str) -> Vec<u64> {
    let name: ListName = name.parse().unwrap();
    let mut all = lab.switch.hits();
    let (list, hits) = all.find(|(list, _)| *list.name() == name).unwrap();
    let lines = (0..).zip(list.rules()).map(|(index, _)| hits.line(index));
    lines.chain([hits.end()]).collect()
}

const WEB: &str = "ip access-list web\n10 permit udp any any eq 80\n20 deny udp any any eq 81\n";

#[test]
fn acl_in() {
    let mut lab = lab();
    lab.change(|topology| topology.ports[0].policy = inward(ready(WEB)));
    for port in [80, 81, 82] {
        lab.receive(0, &uplink(5, &udp(mac(9), 1, port)));
    }
    // An IPv4 list judges nothing else.
    lab.receive(0, &uplink(5, &broadcast(1)));
    assert_eq!(lab.port(0).ingress.dropped.get(DropReason::AclIn), 2);
    assert_eq!(lab.port(0).ingress.flooded, 2);
    assert_eq!(hits(&lab, "web"), [1, 1, 1]);
}

#[test]
fn acl_out() {
    let mut lab = lab();
    lab.change(|topology| topology.ports[2].policy = outward(ready(WEB)));
    for port in [80, 81, 82] {
        lab.receive(0, &uplink(5, &udp([0xFF; 6], 1, port)));
    }
    assert_eq!(lab.port(2).egress.dropped.get(DropReason::AclOut), 2);
    assert_eq!(lab.port(2).egress.sent.frames, 1);
    assert_eq!(lab.port(3).egress.sent.frames, 3);
    assert_eq!(lab.port(0).ingress.flooded, 3);
    assert_eq!(hits(&lab, "web"), [1, 1, 1]);
}

/// On the way in as it came, and on the way out as it leaves: marking stands between.
#[test]
fn a_dscp_is_judged_as_it_stands_where_the_list_does() {
    let ef = "ip access-list ef\n10 permit udp any any dscp ef\n";
    let others = "ip access-list others\n10 deny udp any any dscp ef\n20 permit ip any any\n";
    for (from, device, vif) in [(0, 0, Some(5)), (2, 2, None)] {
        let mut lab = lab();
        lab.change(|topology| {
            let marked = RatePolicy {
                marking: Some(Marking {
                    dscp: DscpRule::Set(46u8.try_into().unwrap()),
                    ..Marking::default()
                }),
                ..RatePolicy::default()
            };
            topology.ports[from].policy = PortPolicy {
                rates: Some(Arc::new(marked)),
                ..inward(ready(others))
            };
            topology.ports[1].policy = outward(ready(others));
            topology.ports[3].policy = outward(ready(ef));
        });
        let frame = udp([0xFF; 6], 1, 80);
        lab.receive(
            device,
            &vif.map_or(frame.clone(), |vif| uplink(vif, &frame)),
        );
        assert_eq!(lab.port(from as u16).ingress.flooded, 1);
        assert_eq!(lab.port(1).egress.dropped.get(DropReason::AclOut), 1);
        assert_eq!(lab.port(3).egress.sent.frames, 1);
        assert_eq!(hits(&lab, "ef"), [1, 0]);
    }
}

#[test]
fn nothing_is_learned_from_what_a_list_drops() {
    let mut lab = lab();
    lab.change(|topology| topology.ports[2].policy = inward(ready(WEB)));
    lab.receive(2, &udp(mac(9), 1, 81));
    assert_eq!(lab.addresses(), []);
    lab.receive(2, &udp(mac(9), 1, 80));
    assert_eq!(lab.addresses().len(), 1);
}

#[test]
fn a_port_whose_copies_are_judged_shares_none_and_others_still_do() {
    let mut lab = Lab::new(vec![
        veth(0, 0, 5),
        veth(1, 0, 6),
        veth(2, 0, 7),
        veth(3, 0, 8),
        plain(4, 2),
    ]);
    lab.change(|topology| {
        topology.ports[1].policy = outward(ready(WEB));
        let sets = list_sets(topology);
        let lists = sets.into_iter().zip(1u16..);
        topology.lists = lists
            .map(|((device, members), id)| ListPlan {
                device,
                id: id.try_into().unwrap(),
                members,
            })
            .collect();
    });
    assert_eq!(lab.topology.lists.len(), 1);
    assert_eq!(lab.topology.lists[0].members.len(), 3);
    lab.receive(2, &udp([0xFF; 6], 9, 81));
    assert_eq!(lab.sent.len(), 1);
    assert_eq!(lab.port(1).egress.dropped.get(DropReason::AclOut), 1);
    lab.sent.clear();
    lab.receive(2, &udp([0xFF; 6], 9, 80));
    assert_eq!(lab.sent.len(), 2);
    assert_eq!(lab.port(1).egress.sent.frames, 1);
    // What the port sends itself goes to all members of the list.
    lab.sent.clear();
    lab.receive(0, &uplink(6, &udp([0xFF; 6], 2, 80)));
    assert_eq!(lab.sent.len(), 2);
    for port in [0, 2, 3] {
        assert_eq!(lab.port(port).egress.listed.frames, 3, "{port}");
    }
    assert_eq!(lab.port(1).egress.listed.frames, 0);
}

#[test]
fn a_line_keeps_its_count_until_it_is_edited_or_cleared() {
    let mut lab = lab();
    lab.change(|topology| {
        topology.ports[0].policy = inward(ready(WEB));
        topology.ports[3].policy = inward(ready(WEB));
    });
    lab.receive(0, &uplink(5, &udp(mac(9), 1, 80)));
    lab.receive(3, &udp(mac(9), 2, 81));
    assert_eq!(hits(&lab, "web"), [1, 1, 0]);
    // Another port is changed.
    lab.change(|topology| topology.ports[2].mtu = 1400);
    assert_eq!(hits(&lab, "web"), [1, 1, 0]);
    let edited = WEB.replace("eq 81", "eq 82") + "5 permit udp any any eq 79\n";
    lab.change(|topology| {
        topology.ports[0].policy = inward(ready(&edited));
        topology.ports[3].policy = inward(ready(&edited));
    });
    assert_eq!(hits(&lab, "web"), [0, 1, 0, 0]);
    lab.receive(0, &uplink(5, &udp(mac(9), 1, 79)));
    lab.switch.clear_hits(Some(&"other".parse().unwrap()));
    assert_eq!(hits(&lab, "web"), [1, 1, 0, 0]);
    lab.switch.clear_hits(None);
    assert_eq!(hits(&lab, "web"), [0; 4]);
}

#[test]
fn an_oversized_frame_hits_with_each_of_its_segments() {
    use packet_io::{Checksum, Offload, Segmentation, SegmentationKind};
    let mut lab = lab();
    let list = "ip access-list all\n10 permit tcp any any established\n";
    lab.change(|topology| topology.ports[2].policy = inward(ready(list)));
    let mut frame = udp(mac(9), 1, 80);
    frame.resize(14 + 20 + 20 + 4000, 0);
    let total = (frame.len() - 14) as u16;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame[23] = 6;
    frame[34 + 12] = 0x50;
    frame[34 + 13] = 0x10;
    let offload = Offload {
        checksum: Some(Checksum {
            start: 34,
            offset: 16,
        }),
        segmentation: Some(Segmentation {
            kind: SegmentationKind::Tcp4,
            size: 1000,
            ecn: false,
        }),
    };
    lab.receive_with(2, &frame, offload);
    assert_eq!(hits(&lab, "all"), [4, 0]);
}

#[test]
fn what_is_told_of_is_bounded_and_the_rest_is_counted() {
    let mut lab = lab();
    let list = "mac access-list all\n10 deny host 0200.0000.0001 any log\n20 permit any any\n";
    lab.change(|topology| topology.ports[2].policy = inward(ready(list)));
    lab.wait(60_000);
    for _ in 0..100 {
        lab.receive(2, &broadcast(1));
        lab.receive(2, &broadcast(2));
    }
    let tale = lab.switch.take_told();
    assert_eq!(tale.told.len(), 5);
    let slot = lab.snapshot.port(2).unwrap().slot;
    assert_eq!(tale.left_out, [(slot, 95)]);
    let first = &tale.told[0];
    assert_eq!((first.port, first.outward), (slot, false));
    assert_eq!((first.sequence.get(), first.action), (10, Action::Deny));
    assert_eq!(first.view.source, Mac(mac(1)));
    assert!(lab.switch.take_told().is_empty());
}

fn explain(lab: &Lab, device: u16, frame: &[u8]) -> Explanation {
    let frame = whole(frame);
    lab.switch
        .explain(&lab.snapshot, lab.time(), PortId(device), &frame)
}

fn dropped(explanation: &Explanation) -> Option<DropReason> {
    let mut dropped = explanation.counters.ingress.dropped.iter();
    dropped.next().map(|(reason, _)| reason)
}

/// As a frame is read when it has no VNTag.
fn view(bytes: &[u8]) -> View {
    let address = |at: usize| Mac(bytes[at..at + 6].try_into().unwrap());
    View::of(&Subject {
        destination: address(0),
        source: address(6),
        bytes,
        ethertype_at: 12,
    })
}

/// The lists of a port line after line: all of them that judge the frame have to permit it.
fn permits(lists: &[AccessList], view: &View) -> bool {
    let mut said = lists.iter().filter_map(|list| first_match(list, view));
    said.all(|verdict| verdict.action == Action::Permit)
}

/// What is said of generated frames, from a vEth and from a plain port with the same lists, is what their lines say of
/// them; the same for their copies.
#[test]
fn what_passes_is_what_the_lines_say_for_veths_and_plain_ports_alike() {
    let mut dice = Dice(6);
    let ports = || {
        let mut ports = vec![veth(0, 0, 5), veth(1, 0, 6), plain(2, 2), plain(3, 3)];
        for port in &mut ports {
            port.vlan = trunk("10,20", Some(10));
        }
        ports
    };
    let open = Lab::new(ports());
    let mut met = [0u32; 4];
    for _ in 0..60 {
        let few = |dice: &mut Dice| -> Vec<AccessList> {
            let mut lists = Vec::new();
            for (family, name) in FAMILIES.into_iter().zip(["a", "b", "c"]) {
                if dice.once_in(2) {
                    let rules = dice.below(30) as usize;
                    let made = list(dice, family, rules).to_string();
                    let made = made.replace("list generated", &format!("list {name}{rules}"));
                    lists.push(made.parse().unwrap());
                }
            }
            lists
        };
        let (from, to) = (few(&mut dice), few(&mut dice));
        let ready = |lists: &[AccessList]| {
            let lists = lists.iter().cloned();
            lists.map(FilterList::new).collect::<Vec<_>>()
        };
        let mut held = Lab::new(ports());
        held.change(|topology| {
            for port in &mut topology.ports {
                port.policy.filters = match port.slot.index {
                    0 | 2 => Filters::new(ready(&from), []),
                    _ => Filters::new([], ready(&to)),
                };
            }
        });
        for _ in 0..1000 {
            let family = dice.of(&FAMILIES);
            let frame = frame(&mut dice, family);
            if frame.len() < 14 {
                continue;
            }
            let view = view(&frame);
            for (device, frame) in [(0, uplink(5, &frame)), (2, frame.clone())] {
                let (free, asked) = (
                    explain(&open, device, &frame),
                    explain(&held, device, &frame),
                );
                let refused = dropped(&free);
                // These are found after the lists are asked.
                let later = matches!(refused, Some(DropReason::SamePort | DropReason::NoMember));
                if refused.is_some() && (!later || permits(&from, &view)) {
                    assert_eq!(dropped(&asked), refused);
                    met[0] += 1;
                    continue;
                }
                if !permits(&from, &view) {
                    assert_eq!(dropped(&asked), Some(DropReason::AclIn), "{view:?}");
                    assert!(asked.copies.is_empty());
                    met[1] += 1;
                    continue;
                }
                assert_eq!(dropped(&asked), None, "{view:?}");
                for (free, asked) in free.copies.iter().zip(&asked.copies) {
                    assert_eq!(free.to, asked.to);
                    let judged = matches!(asked.to[..], [1] | [3]);
                    // VLANs and lengths are asked first.
                    if judged && free.fate.is_ok() && !permits(&to, &view) {
                        assert_eq!(asked.fate.as_ref().err(), Some(&DropReason::AclOut));
                        met[2] += 1;
                    } else {
                        assert_eq!(asked.fate.as_ref().err(), free.fate.as_ref().err());
                        met[3] += 1;
                    }
                }
            }
        }
    }
    assert!(met.iter().all(|&count| count > 1000), "{met:?}");
}

#[test]
fn explain_says_which_line_decided() {
    let mut lab = lab();
    lab.change(|topology| topology.ports[2].policy = inward(ready(WEB)));
    let explained = explain(&lab, 2, &udp(mac(9), 1, 81));
    let said = explained.steps.iter().find_map(|step| match step {
        Step::Filter(FilterStep {
            outward: false,
            decision: Decision { ip, .. },
        }) => *ip,
        _ => None,
    });
    let (family, verdict) = said.unwrap();
    assert_eq!((family, verdict.action), (Family::Ipv4, Action::Deny));
    assert_eq!(verdict.by, policy::acl::By::Line(1));
    assert!(matches!(
        view(&udp(mac(9), 1, 81)).network,
        Network::Ipv4(_)
    ));
    // Nothing was counted.
    assert_eq!(hits(&lab, "web"), [0, 0, 0]);
}
