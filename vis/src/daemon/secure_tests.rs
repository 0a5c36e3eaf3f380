use super::*;
use crate::config::parse;
use crate::daemon::compile;

const SECURED: &str =
    "port-profile web\n  switchport port-security\n  switchport port-security maximum 1025\n";

fn veth(n: u32) -> InterfaceId {
    InterfaceId::Veth(n.try_into().unwrap())
}

fn address(n: u8) -> (VlanId, Mac) {
    (VlanId::DEFAULT, Mac([2, 0, 0, 0, 0, n]))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The switch of this text, with what is known of its secure addresses; and the names of ports that have no room.
fn marked(
    keeper: &mut SecureKeeper,
    slots: &mut Slots<InterfaceId>,
    text: &str,
) -> (Topology, Vec<String>) {
    let config = parse(text, "t").unwrap().0;
    let config = Arc::new(config);
    let registry = Registry::new(config.clone(), BTreeMap::new(), Duration::ZERO);
    let mut topology = compile::topology(&config, 1, slots, |_| true).unwrap();
    let claims = Claims::new(&config, &registry, &topology, slots);
    keeper.granted = keeper.mark(&mut topology, slots, claims);
    topology.compile().unwrap();
    let ports = topology.ports.iter();
    let down = ports.filter(|port| port.state == PortState::ProfileIncomplete);
    let down = down.map(|port| port.name.clone()).collect();
    (topology, down)
}

fn veths(numbers: impl Iterator<Item = u32>) -> String {
    let mut text = format!("interface ethernet 1\n  device a\n  switchport mode vntag\n{SECURED}");
    for n in numbers {
        text += &format!(
            "interface veth {n}\n  inherit port-profile web\n  bind interface ethernet 1 channel {n}\n"
        );
    }
    text
}

#[test]
fn who_has_room_keeps_it_and_who_comes_later_has_none() {
    let mut keeper = SecureKeeper::new(BTreeMap::new());
    let mut slots = Slots::new(100);
    let (_, down) = marked(&mut keeper, &mut slots, &veths(2..=64));
    assert!(down.is_empty());
    let (topology, down) = marked(&mut keeper, &mut slots, &veths(1..=64));
    assert_eq!(down, [veth(1).to_string()]);
    let secured = topology.ports.iter().filter(|port| {
        let guards = port.policy.guards.as_ref();
        guards.is_some_and(|guards| guards.security.is_some())
    });
    assert_eq!(secured.count(), 63);
    // And it is there as soon as another is gone.
    let (_, down) = marked(&mut keeper, &mut slots, &veths(1..=63));
    assert!(down.is_empty());
}

#[test]
fn an_interface_that_is_no_port_now_keeps_its_addresses() {
    let sticky = BTreeMap::from([(veth(1), vec![address(5)]), (veth(2), vec![address(6)])]);
    let mut keeper = SecureKeeper::new(sticky);
    let mut slots = Slots::new(100);
    // One is bound to nothing, and the profile of the other is not there.
    let text = "interface ethernet 1\n  device a\n  switchport mode vntag\ninterface veth 1\n  \
        switchport port-security\n  switchport port-security maximum 3\n  \
        switchport port-security mac-address sticky\n  \
        switchport port-security mac-address 0200.0000.0001\ninterface veth 2\n  inherit port-profile web\n  \
        bind interface ethernet 1 channel 5\n";
    let (topology, _) = marked(&mut keeper, &mut slots, text);
    let mut kept: Vec<_> = topology
        .away
        .iter()
        .map(|away| {
            let plan = away.guards.security.as_ref().unwrap();
            let known = plan.addresses.iter().chain(plan.recalled.0.iter());
            (away.slot, known.copied().collect::<Vec<_>>())
        })
        .collect();
    kept.sort();
    let mut expected = vec![
        (slots.get(&veth(1)).unwrap(), vec![address(1), address(5)]),
        (slots.get(&veth(2)).unwrap(), vec![address(6)]),
    ];
    expected.sort();
    assert_eq!(kept, expected);
}

#[test]
fn sticky_addresses_that_a_port_has_no_more_are_given_up_after_a_while() {
    let mut keeper = SecureKeeper::new(BTreeMap::new());
    let one = |list: &[_]| BTreeMap::from([(veth(1), list.to_vec())]);
    let kept = keeper.keep(one(&[address(1), address(2)]), seconds(1), false);
    assert_eq!(kept, [(veth(1), Some(vec![address(1), address(2)]))]);
    assert_eq!(keeper.due, None);
    assert_eq!(keeper.keep(one(&[address(2)]), seconds(5), false), []);
    assert_eq!(keeper.due, Some(seconds(65)));
    // Not while a commit may bring it back.
    keeper.due = None;
    assert_eq!(keeper.keep(one(&[address(2)]), seconds(70), true), []);
    assert!(keeper.due.is_some_and(|due| due > seconds(70)));
    let kept = keeper.keep(one(&[address(2)]), seconds(71), false);
    assert_eq!(kept, [(veth(1), Some(vec![address(2)]))]);
    // It is the port's again in time.
    assert_eq!(keeper.keep(one(&[]), seconds(80), false), []);
    assert_eq!(keeper.keep(one(&[address(2)]), seconds(90), false), []);
    assert_eq!(keeper.keep(one(&[]), seconds(145), false), []);
    // What an interface had that is no more is gone at once.
    let kept = keeper.keep(BTreeMap::new(), seconds(146), false);
    assert_eq!(kept, [(veth(1), None)]);
}

/// The records of two vNICs, as they stand in the store: one that is detached, and one whose IV is not heard of.
fn records() -> Vec<(vic::Uuid, crate::veth::Kept)> {
    let kept = |number: u8, place: &str, detached: bool| {
        let text = format!(
            r#"{{"version":"1","number":{number},"profile":"web","name":"g","owner_name":null,"owner_uuid":null,
            "mac":"02:00:00:00:00:0{number}","mtu":1500,"place":{place},"detached":{detached}}}"#
        );
        (
            vic::Uuid([number; 16]),
            serde_json::from_str(&text).unwrap(),
        )
    };
    let place = r#"{"ethernet":1,"channel":5}"#;
    vec![kept(1, "null", true), kept(2, place, false)]
}

#[test]
fn a_vnic_that_is_detached_keeps_its_sticky_addresses_and_one_that_may_come_back_its_own() {
    let text = "interface ethernet 1\n  device a\n  switchport mode vntag\nport-profile web\n  \
        switchport port-security mac-address sticky\n  switchport port-security\n";
    let config = Arc::new(parse(text, "t").unwrap().0);
    let registry = Registry::new(config.clone(), records(), Duration::ZERO);
    let mut slots = Slots::new(100);
    let overlaid = registry.overlay(&config);
    let mut topology = compile::topology(&overlaid, 1, &mut slots, |_| false).unwrap();
    let claims = Claims::new(&config, &registry, &topology, &slots);
    let keeper = SecureKeeper::new(BTreeMap::from([(veth(1), vec![address(5)])]));
    keeper.mark(&mut topology, &mut slots, claims);
    let away: Vec<_> = topology.away.iter().map(|away| away.slot).collect();
    assert_eq!(away, [slots.get(&veth(1)).unwrap()]);
    let (vlan, mac) = address(2);
    let slot = slots.get(&veth(2)).unwrap();
    assert_eq!(topology.declared, [Declared { vlan, mac, slot }]);
}
