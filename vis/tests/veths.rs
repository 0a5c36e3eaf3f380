//! vEths of the control protocol, from the IV's attach to the switch and back, through restarts of either end.

mod hosts;

use hosts::{CONFIG, Hosts, ethernet, uuid, veth, vif};
use std::time::Duration;
use vic::Code;
use vic::session::iv::IvEvent;
use vis::veth::{MAX_DETACHED, Notice, Stage};

const SOON: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(30);

fn two() -> Hosts {
    let mut hosts = Hosts::new(CONFIG);
    hosts.attach(1, 1, "default");
    hosts.attach(1, 2, "web");
    hosts.run(SOON);
    hosts
}

#[test]
fn vnics_get_the_lowest_free_veths_and_floods_get_a_list() {
    let hosts = two();
    // vEth 2 and channel 2 are bound by hand.
    assert_eq!(hosts.passing(1, 1), Some((veth(1), vif(1))));
    assert_eq!(hosts.passing(1, 2), Some((veth(3), vif(3))));
    let all = vec![vif(1), vif(2), vif(3)];
    let lists: Vec<_> = hosts.published.lists.iter().collect();
    assert!(matches!(&lists[..], [(_, members, _)] if *members == all));
    let at_the_iv: Vec<Vec<_>> = hosts.hosts[&1]
        .lists
        .values()
        .map(|members| members.iter().collect())
        .collect();
    assert_eq!(at_the_iv, [all]);
    assert!(hosts.publications < 10, "{}", hosts.publications);
}

#[test]
fn a_vnic_is_told_why_it_gets_no_veth() {
    let mut hosts = Hosts::new(CONFIG);
    hosts.attach(2, 1, "trunk");
    hosts.attach(2, 2, "nobody");
    hosts.attach(1, 3, "nobody");
    hosts.run(SOON);
    let code = |host, n| hosts.refusal(host, n).unwrap().code;
    assert_eq!(code(2, 1), Code::PROFILE_NOT_ALLOWED);
    assert_eq!(code(2, 2), Code::PROFILE_NOT_ALLOWED);
    assert_eq!(code(1, 3), Code::UNKNOWN_PROFILE);
    assert!(
        hosts
            .refusal(1, 3)
            .unwrap()
            .to_string()
            .contains("`nobody`")
    );
    let told = |notice: &&Notice| matches!(notice, Notice::VnicRefused { .. });
    assert!(
        hosts
            .notices
            .iter()
            .any(|notice| told(&notice) && notice.is_alarm())
    );
    assert!(hosts.registry.records().next().is_none());
    // The catalogue says what would have been allowed.
    let names = |host: u32| -> Vec<String> {
        let catalogue = hosts.hosts[&host].iv.catalogue();
        catalogue.iter().map(|p| p.name.to_string()).collect()
    };
    assert_eq!(names(2), ["default", "web"]);
    assert_eq!(names(1).len(), 5);
}

#[test]
fn a_trunk_needs_room_for_a_tag() {
    let mut hosts = Hosts::new(CONFIG);
    hosts.attach(1, 1, "trunk");
    hosts.attach_long(1, 3, "trunk", 1501);
    hosts.attach_long(1, 4, "default", 1504);
    hosts.run(SOON);
    assert_eq!(hosts.refusal(1, 3).unwrap().code, Code::MTU);
    assert!(hosts.passing(1, 4).is_some(), "an access port sends no tag");
    assert!(
        hosts.passing(1, 1).is_some(),
        "1510 carry 1500 and both tags"
    );
}

#[test]
fn a_guest_is_told_why_its_veth_is_down() {
    let mut hosts = Hosts::new(CONFIG);
    hosts.attach(1, 1, "broken");
    hosts.attach(1, 2, "resting");
    hosts.attach(1, 3, "web");
    hosts.run(SOON);
    let status = |n: u8| {
        let mut told = hosts.hosts[&1].told.iter().rev();
        told.find_map(|event| match event {
            IvEvent::Status { uuid: of, up, why } if *of == uuid(n) => Some((*up, why.clone())),
            _ => None,
        })
    };
    let (up, why) = status(1).unwrap();
    let why = why.unwrap();
    assert!(!up && why.code == Code::PROFILE_INCOMPLETE);
    assert!(why.sentence.as_str().contains("VLAN 99"), "{why}");
    assert_eq!(status(2).unwrap().1.unwrap().code, Code::SHUT);
    assert_eq!(status(3), Some((true, None)));
}

#[test]
fn a_vnic_that_comes_back_is_the_same_veth_here_or_elsewhere() {
    let mut hosts = two();
    let before = hosts.passing(1, 2).unwrap();
    hosts.detach(1, 2);
    hosts.run(SOON);
    assert_eq!(hosts.record(2).stage, Stage::Detached);
    assert!(!hosts.published.carried.contains_key(&before.0));
    let lists: Vec<_> = hosts.published.lists.iter().map(|(_, m, _)| m).collect();
    assert_eq!(lists, [&vec![vif(1), vif(2)]], "the list shrank");
    hosts.attach(2, 3, "default");
    hosts.run(SOON);
    assert_eq!(hosts.passing(2, 3).unwrap().0, veth(4), "3 is kept");
    hosts.attach(2, 2, "web");
    hosts.run(SOON);
    assert_eq!(hosts.passing(2, 2).unwrap().0, before.0);
}

#[test]
fn a_vnic_that_lives_elsewhere_is_in_use_until_its_host_is_given_up() {
    let mut hosts = two();
    hosts.attach(2, 1, "default");
    hosts.run(SOON);
    assert_eq!(hosts.refusal(2, 1).unwrap().code, Code::IN_USE);
    assert!(
        hosts.passing(1, 1).is_some(),
        "where it lives nothing changed"
    );
    hosts.hosts.get_mut(&1).unwrap().cable = false;
    hosts.run(SOON);
    // Forwarding goes on: the IV keeps tagging.
    assert!(hosts.published.carried.contains_key(&veth(1)));
    assert_eq!(hosts.refusal(2, 1).unwrap().code, Code::IN_USE);
    hosts.run(GRACE);
    assert!(matches!(hosts.record(2).stage, Stage::Away(_)));
    assert!(!hosts.published.carried.contains_key(&veth(3)));
    assert!(hosts.published.lists.is_empty());
    hosts.detach(2, 1);
    hosts.run(SOON);
    hosts.attach(2, 1, "default");
    hosts.run(SOON);
    assert_eq!(hosts.passing(2, 1).unwrap().0, veth(1));
    // The other one was not allowed to come here with another profile.
    hosts.attach(2, 2, "trunk");
    hosts.run(SOON);
    assert_eq!(hosts.refusal(2, 2).unwrap().code, Code::PROFILE_NOT_ALLOWED);
}

#[test]
fn a_prepared_vnic_may_go_elsewhere() {
    let mut hosts = two();
    let now = hosts.now;
    let iv = &mut hosts.hosts.get_mut(&1).unwrap().iv;
    iv.prepare(now, uuid(1), None);
    hosts.run(SOON);
    hosts.attach(2, 1, "default");
    hosts.run(SOON);
    assert_eq!(hosts.passing(2, 1).unwrap().0, veth(1));
    assert_eq!(hosts.passing(1, 1), None);
    assert_eq!(hosts.refusal(1, 1).unwrap().code, Code::DETACHED);
}

#[test]
fn a_switch_that_was_killed_comes_back_with_its_ids_and_no_guest_loses_carrier() {
    let mut hosts = two();
    hosts.attach(2, 3, "default");
    hosts.run(SOON);
    let before: Vec<_> = [(1, 1), (1, 2), (2, 3)]
        .map(|(h, n)| hosts.passing(h, n))
        .into();
    hosts.hosts.values_mut().for_each(|host| host.told.clear());
    hosts.restart_vis();
    assert!(hosts.published.carried.is_empty());
    hosts.run(SOON);
    let after: Vec<_> = [(1, 1), (1, 2), (2, 3)]
        .map(|(h, n)| hosts.passing(h, n))
        .into();
    assert_eq!(after, before);
    assert!(after.iter().all(Option::is_some));
    assert_eq!(hosts.published.lists.len(), 1);
    for host in hosts.hosts.values() {
        for event in &host.told {
            let carrier_lost = matches!(
                event,
                IvEvent::Down { .. } | IvEvent::Status { up: false, .. }
            );
            assert!(!carrier_lost, "{event:?}");
        }
    }
}

#[test]
fn a_host_that_does_not_come_back_to_a_restarted_switch_is_given_up() {
    let mut hosts = two();
    hosts.hosts.get_mut(&1).unwrap().cable = false;
    hosts.restart_vis();
    hosts.run(SOON);
    assert!(matches!(hosts.record(1).stage, Stage::Absent { .. }));
    hosts.run(GRACE);
    assert!(matches!(hosts.record(1).stage, Stage::Away(_)));
    hosts.hosts.get_mut(&1).unwrap().cable = true;
    hosts.run(SOON);
    assert_eq!(hosts.passing(1, 1).unwrap().0, veth(1));
}

#[test]
fn a_host_that_was_killed_comes_back_with_its_ids() {
    let mut hosts = two();
    let before = (hosts.passing(1, 1), hosts.passing(1, 2));
    hosts.restart_iv(1);
    hosts.run(SOON);
    assert_eq!((hosts.passing(1, 1), hosts.passing(1, 2)), before);
    assert_eq!(hosts.published.lists.len(), 1);
}

#[test]
fn a_port_with_another_device_keeps_its_veths() {
    let mut hosts = two();
    let before = (hosts.passing(1, 1), hosts.passing(1, 2));
    hosts.replace_port(1);
    hosts.run(SOON);
    assert_eq!((hosts.passing(1, 1), hosts.passing(1, 2)), before);
    assert_eq!(hosts.published.lists.len(), 1);
    assert_eq!(hosts.hosts[&1].lists.len(), 1);
}

#[test]
fn another_host_on_the_cable_gets_nothing_of_the_one_before() {
    let mut hosts = two();
    hosts.replace_iv(1, 77);
    hosts.attach(1, 9, "default");
    hosts.run(SOON);
    assert_eq!(hosts.passing(1, 9).unwrap().0, veth(4));
    assert!(!hosts.published.carried.contains_key(&veth(1)));
    assert_eq!(hosts.record(1).home(), None);
}

#[test]
fn one_identity_has_one_link() {
    let mut hosts = two();
    hosts.replace_iv(2, 1);
    hosts.run(SOON);
    assert!(!hosts.hosts[&2].vis.is_up());
    let refused = |event: &IvEvent| match event {
        IvEvent::Refused(said) => said.refusal.code == Code::DUPLICATE_IDENTITY,
        _ => false,
    };
    assert!(hosts.hosts[&2].told.iter().any(refused));
}

#[test]
fn a_store_that_contradicts_the_configuration_yields() {
    let mut hosts = two();
    let by_hand = format!("{CONFIG}interface veth 1\n  bind interface ethernet 1 channel 3\n");
    hosts.said = std::sync::Arc::new(vis::config::parse(&by_hand, "t").unwrap().0);
    hosts.restart_vis();
    hosts.run(SOON);
    let renumbered = |notice: &Notice| matches!(notice, Notice::Renumbered { .. });
    assert!(hosts.notices.iter().any(renumbered));
    let (first, second) = (hosts.passing(1, 1).unwrap(), hosts.passing(1, 2).unwrap());
    assert_eq!((first.1, second.0), (vif(1), veth(3)));
    assert_ne!(first.0, veth(1));
    assert!(![vif(2), vif(3)].contains(&second.1));
}

#[test]
fn nothing_leaks_by_attaching_and_detaching() {
    let mut hosts = two();
    hosts.detach(1, 1);
    hosts.detach(1, 2);
    hosts.run(SOON);
    let free = hosts.hosts[&1].vis.free_ids();
    for round in 0..100 {
        let n = 10 + round % 7;
        hosts.attach(1, n, "default");
        hosts.attach(1, n + 10, "web");
        hosts.run(Duration::from_millis(500));
        assert!(hosts.passing(1, n + 10).is_some(), "round {round}");
        hosts.detach(1, n);
        hosts.detach(1, n + 10);
        hosts.run(Duration::from_millis(100));
    }
    hosts.run(SOON);
    assert_eq!(hosts.hosts[&1].vis.free_ids(), free);
    assert!(hosts.registry.lists().views().is_empty());
    assert!(hosts.hosts[&1].lists.is_empty());
    assert_eq!(hosts.hosts[&1].vis.vifs().count(), 0);
    assert_eq!(hosts.published.carried.len(), 1, "the one bound by hand");
    assert_eq!(hosts.stored.len(), hosts.registry.records().count());
    assert!(hosts.registry.records().count() <= MAX_DETACHED);
    assert!(hosts.registry.links().all(|(link, _)| link <= ethernet(2)));
}

fn counted(frames: u32) -> niv::Counters {
    let mut counters = niv::Counters::default();
    counters.forward(niv::Weight {
        frames,
        octets: 60 * frames,
    });
    counters.drop_copy(niv::DropReason::TxFull, niv::Weight::one(60));
    counters
}

#[test]
fn what_a_veth_counted_stays_through_restarts_detach_and_attach_elsewhere() {
    let mut hosts = two();
    let number = hosts.passing(1, 2).unwrap().0;
    hosts.registry.counted(uuid(2), &counted(10));
    hosts.run(SOON);
    hosts.restart_vis();
    assert_eq!(hosts.record(2).earlier, counted(10), "as the store says");
    hosts.run(SOON);
    // The new life counts from 0; what it says twice counts once.
    hosts.registry.counted(uuid(2), &counted(3));
    hosts.registry.counted(uuid(2), &counted(5));
    let total = counted(10).saturating_add(&counted(5));
    assert_eq!(hosts.record(2).counted(), total);
    hosts.detach(1, 2);
    hosts.run(SOON);
    assert_eq!(hosts.record(2).counted(), total);
    hosts.attach(2, 2, "web");
    hosts.run(SOON);
    assert_eq!(hosts.passing(2, 2).unwrap().0, number);
    assert_eq!(hosts.record(2).counted(), total);
    assert_eq!(hosts.record(1).counted(), niv::Counters::default());
    hosts.restart_vis();
    assert_eq!(hosts.record(2).earlier, total);
    // A kill: of the blocks that are left some are later than the store, and some are not.
    let later = total.saturating_add(&counted(1));
    let left = [(uuid(1), counted(4)), (uuid(2), later), (uuid(9), later)].into();
    hosts.registry.recall(&left);
    hosts.registry.recall(&[(uuid(2), counted(2))].into());
    assert_eq!(hosts.record(2).earlier, later);
    assert_eq!(hosts.record(1).earlier, counted(4));
    hosts.run(SOON);
    hosts.restart_vis();
    assert_eq!(
        hosts.record(2).earlier,
        later,
        "and the store has heard of it"
    );
    assert_eq!(hosts.registry.records().count(), 2, "nobody came by it");
}

#[test]
fn another_address_or_mtu_is_judged_again() {
    let mut hosts = Hosts::new(CONFIG);
    hosts.attach_long(1, 1, "trunk", 1400);
    hosts.attach_long(1, 2, "trunk", 1400);
    hosts.attach(1, 3, "web");
    hosts.attach(1, 4, "default");
    hosts.run(Duration::from_secs(2));
    let mut set = |n: u8, mac: Option<u8>, mtu| {
        let told = hosts.hosts[&1].told.len();
        let now = hosts.now;
        let mac = mac.map(|last| vic::Mac([2, 0, 0, 1, 0, last]));
        let iv = &mut hosts.hosts.get_mut(&1).unwrap().iv;
        iv.set(now, uuid(n), mac, mtu).unwrap();
        hosts.run(Duration::from_secs(1));
        let why = hosts.hosts[&1].told[told..]
            .iter()
            .find_map(|event| match event {
                IvEvent::SetRefused { why, .. } => Some(why.to_string()),
                _ => None,
            });
        let record = hosts.record(n);
        (why, record.mac.0[5], record.mtu)
    };
    assert_eq!(set(1, Some(9), None), (None, 9, 1400));
    let (why, mac, _) = set(1, Some(2), None);
    assert_eq!(
        (why.as_deref(), mac),
        (
            Some("in_use: Vethernet3 has the address 02:00:00:01:00:02, in VLAN 1 too"),
            9
        )
    );
    // Of another profile, but in a VLAN that the trunk carries.
    let (why, mac, _) = set(3, Some(2), None);
    assert!(why.unwrap().ends_with("in VLAN 10 too") && mac == 3);
    // In no VLAN of the other's.
    assert_eq!(set(4, Some(3), None), (None, 3, 1500));
    let (why, _, mtu) = set(1, None, Some(1501));
    let both = "mtu: the vNIC's MTU is 1501, and the link's of 1510 carries 1500 at most behind a VLAN tag";
    assert_eq!((why.as_deref(), mtu), (Some(both), 1400));
}

#[test]
fn an_address_belongs_to_one_veth_of_a_vlan_from_its_creation_on() {
    let mut hosts = Hosts::new(CONFIG);
    hosts.attach(1, 1, "web");
    hosts.run(SOON);
    let address = hosts.record(1).mac;
    // In the same VLAN, here or behind another host: not as long as the first one lives.
    hosts.attach_with(1, 2, "web", address);
    hosts.attach_with(2, 3, "web", address);
    // In another VLAN it is another station.
    hosts.attach_with(2, 4, "default", address);
    hosts.run(SOON);
    for (host, n) in [(1, 2), (2, 3)] {
        let why = hosts.refusal(host, n).unwrap();
        assert_eq!(why.code, Code::IN_USE);
        assert!(why.sentence.as_str().contains("in VLAN 10 too"), "{why}");
    }
    assert!(hosts.passing(1, 1).is_some() && hosts.passing(2, 4).is_some());
    hosts.detach(1, 1);
    hosts.detach(1, 2);
    hosts.run(Duration::from_secs(7));
    assert!(hosts.passing(2, 3).is_some(), "it asked again");
}

#[test]
fn a_veth_whose_profile_is_taken_from_its_port_is_disabled_and_comes_back_with_it() {
    let mut hosts = Hosts::new(CONFIG);
    hosts.attach(2, 1, "web");
    hosts.attach(2, 2, "web");
    hosts.attach(2, 3, "default");
    hosts.run(SOON);
    let before = hosts.passing(2, 1).unwrap();
    let other = hosts.passing(2, 3).unwrap();
    let text = CONFIG.replace("port-profile default web", "port-profile default");
    let narrow = vis::config::parse(&text, "t").unwrap().0;
    // As it would be, if it were said.
    let (stopped, again) = hosts.registry.permissions(&narrow);
    let of_web = [hosts.record(1).number, hosts.record(2).number];
    assert!(stopped.keys().copied().eq(of_web) && again.is_empty());
    hosts.configure(&text);
    hosts.run(SOON);
    let (stopped, again) = hosts.registry.permissions(&hosts.said);
    assert!(stopped.is_empty() && again.is_empty());
    let wide = vis::config::parse(CONFIG, "t").unwrap().0;
    let (stopped, again) = hosts.registry.permissions(&wide);
    assert!(stopped.is_empty() && again.into_iter().eq(of_web));
    assert!(
        matches!(&hosts.record(1).stage, Stage::Disabled(why) if why.code == Code::PROFILE_NOT_ALLOWED)
    );
    assert_eq!(
        (hosts.passing(2, 1), hosts.passing(2, 3)),
        (None, Some(other))
    );
    assert_eq!(hosts.refusal(2, 1).unwrap().code, Code::PROFILE_NOT_ALLOWED);
    let place = (ethernet(2), before.1);
    assert!(
        !hosts.published.taken.contains(&place),
        "nothing of it is taken any more"
    );
    assert!(
        !hosts
            .published
            .lists
            .iter()
            .any(|(link, members, _)| (*link, true) == (place.0, members.contains(&place.1)))
    );
    hosts.configure(CONFIG);
    hosts.run(SOON);
    assert_eq!(hosts.passing(2, 1), Some(before), "it had kept its id");
}

#[test]
fn a_refusal_that_goes_on_is_told_by_name_and_ever_more_rarely() {
    let mut hosts = Hosts::new(CONFIG);
    hosts.attach(1, 1, "nobody");
    hosts.attach(1, 2, "nobody");
    hosts.run(Duration::from_secs(3600));
    let of = |hosts: &Hosts, name: &str| -> Vec<String> {
        let all = hosts.notices.iter().map(ToString::to_string);
        all.filter(|said| said.contains(name)).collect()
    };
    for name in ["`tap1`", "`tap2`"] {
        let said = of(&hosts, name);
        // When it begins, after a minute and after ten more.
        assert_eq!(said.len(), 3, "{said:#?}");
        assert!(said[0].ends_with("there is no port-profile `nobody`"));
        assert!(said[1].ends_with("times since this was said last)"));
    }
    hosts.detach(1, 1);
    hosts.run(Duration::from_secs(120));
    let said = of(&hosts, "`tap1`");
    assert!(said[3].contains("is not refused any more"), "{said:#?}");
    assert_eq!((said.len(), of(&hosts, "`tap2`").len()), (4, 3));
}

#[test]
fn a_host_with_many_names_does_not_fill_the_log() {
    let mut hosts = Hosts::new(CONFIG);
    for n in 1..=200 {
        hosts.attach(1, n, "nobody");
    }
    hosts.run(Duration::from_secs(30));
    let alarms = hosts.notices.iter().filter(|notice| notice.is_alarm());
    // 64 by name, and the others as one.
    assert_eq!(alarms.count(), 65);
}
