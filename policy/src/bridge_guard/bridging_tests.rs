use super::*;
use proptest::prelude::*;

const HOME: u16 = 1;
const V1: u16 = 5;
const V2: u16 = 8;
const MILLI: u64 = 1_000_000;

fn mac(n: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, n])
}

fn at(millis: u64) -> Time {
    Time::from_millis(1_000_000 + millis)
}

/// A forwarding table as far as a detector sees it.
struct Table {
    detector: Detector,
    place: Vec<(Mac, u16, Time)>,
    /// Moves are held back: an address stays where it is.
    holds: bool,
    found: Vec<Bridging>,
}

impl Table {
    fn new(holds: bool) -> Self {
        Self {
            detector: Detector::new(Seed(3, 4)),
            place: Vec::new(),
            holds,
            found: Vec::new(),
        }
    }

    fn frame(&mut self, mac: Mac, port: u16, now: Time) {
        match self.place.iter_mut().find(|place| place.0 == mac) {
            None => self.place.push((mac, port, now)),
            Some((_, held_by, seen)) if *held_by == port => *seen = now,
            Some((_, held_by, seen)) => {
                let sighting = Sighting {
                    vlan: VlanId::DEFAULT,
                    mac,
                    held_by: *held_by,
                    idle_seconds: (now.nanos_since(*seen) / Time::SECOND) as u32,
                    seen_at: port,
                };
                if !self.holds {
                    (*held_by, *seen) = (port, now);
                }
                self.found.extend(self.detector.sighted(sighting, now));
            }
        }
    }

    fn named(&self) -> Vec<((u16, u16), bool)> {
        let is_conflict = |evidence| matches!(evidence, Evidence::Conflict(..));
        self.found
            .iter()
            .map(|found| (found.ports, is_conflict(found.evidence)))
            .collect()
    }
}

#[test]
fn a_guest_that_bridges_two_ports_is_named_within_a_second_by_one_talker() {
    for holds in [false, true] {
        let mut table = Table::new(holds);
        // A broadcast each 250 ms; what is flooded to one port comes back by the other.
        for n in 0..4 {
            let sent = n * 250;
            table.frame(mac(1), HOME, at(sent));
            table.frame(mac(1), V2, at(sent + 1));
            table.frame(mac(1), V1, at(sent + 1));
        }
        assert_eq!(table.named(), [((V1, V2), false)], "{holds}");
    }
}

#[test]
fn a_loop_is_named_by_its_first_three_echoes() {
    let mut table = Table::new(false);
    table.frame(mac(1), HOME, at(0));
    for (n, port) in [V1, V2, V1].into_iter().enumerate() {
        assert_eq!(table.found, []);
        table.frame(mac(1), port, at(1 + n as u64));
    }
    assert_eq!(table.named(), [((V1, V2), false)]);
}

#[test]
fn only_the_two_ports_are_named_when_many_talk() {
    let mut table = Table::new(false);
    for n in 0..400 {
        let talker = (n % 7) as u8;
        let home = 100 + u16::from(talker);
        table.frame(mac(talker), home, at(n * 2));
        table.frame(mac(talker), V1, at(n * 2 + 1));
        table.frame(mac(talker), V2, at(n * 2 + 1));
    }
    assert_eq!(table.named(), [((V1, V2), false)]);
}

#[test]
fn a_bridge_is_named_by_its_bpdus_behind_two_ports() {
    let mut detector = Detector::new(Seed(3, 4));
    assert_eq!(detector.bpdu(77, V1, at(0)), None);
    assert_eq!(detector.bpdu(78, V2, at(0)), None);
    let found = Bridging {
        ports: (V1, V2),
        evidence: Evidence::BridgeId(77),
    };
    assert_eq!(detector.bpdu(77, V2, at(0)), Some(found));
    assert_eq!(detector.bpdu(77, V1, at(2_000)), None);
    assert_eq!(detector.bpdu(77, V2, at(12_000)), None);
    assert_eq!(detector.bpdu(77, V1, at(14_000)), Some(found));
}

#[test]
fn a_bridge_that_moves_to_another_port_is_not_behind_two() {
    let mut detector = Detector::new(Seed(3, 4));
    assert_eq!(detector.bpdu(77, V1, at(0)), None);
    assert_eq!(detector.bpdu(77, V2, at(6_001)), None);
}

#[test]
fn an_address_that_moves_once_is_no_bridge() {
    for holds in [false, true] {
        for idle in [10, 5_000] {
            let mut table = Table::new(holds);
            table.frame(mac(1), HOME, at(0));
            for n in 0..100 {
                table.frame(mac(1), V1, at(idle + n * 10));
            }
            assert_eq!(table.named(), []);
        }
    }
}

#[test]
fn two_with_one_address_are_a_conflict_and_no_bridge() {
    let mut table = Table::new(false);
    for n in 0..20 {
        table.frame(mac(1), HOME, at(n * 100));
        table.frame(mac(1), V1, at(n * 100 + 50));
    }
    assert_eq!(table.named(), [((HOME, V1), true)]);
}

#[test]
fn where_a_quiet_address_speaks_again_is_its_home() {
    let mut table = Table::new(false);
    // The loop has left the address behind V2; then it was quiet for three seconds.
    table.frame(mac(1), V2, at(0));
    for n in 0..3 {
        let sent = 3_000 + n * 100;
        table.frame(mac(1), HOME, at(sent));
        table.frame(mac(1), V1, at(sent + 1));
        table.frame(mac(1), V2, at(sent + 1));
    }
    assert_eq!(table.named(), [((V1, V2), false)]);
}

#[test]
fn where_a_loop_left_an_address_a_second_ago_is_not_its_home() {
    let mut table = Table::new(false);
    for sent in [0, 1_500, 1_600, 1_700] {
        table.frame(mac(1), HOME, at(sent));
        table.frame(mac(1), V1, at(sent + 1));
        table.frame(mac(1), V2, at(sent + 1));
    }
    assert_eq!(table.named(), [((V1, V2), false)]);
}

#[test]
fn a_pair_is_told_once_in_ten_seconds() {
    let mut table = Table::new(false);
    table.frame(mac(1), HOME, at(0));
    for n in 0..1_000 {
        table.frame(mac(1), V1, at(n * 20));
        table.frame(mac(1), V2, at(n * 20 + 10));
    }
    assert_eq!(table.found.len(), 2);
}

proptest! {
    /// Memory and results stay bounded whatever is seen.
    #[test]
    fn no_sightings_panic_and_ports_named_were_seen(
        sightings in prop::collection::vec((0u8..4, 0u16..6, 0u16..6, 0u32..4, 0u64..400), 0..300),
    ) {
        let mut detector = Detector::new(Seed(1, 1));
        let mut now = at(0);
        let mut ports = vec![];
        for (n, held_by, seen_at, idle_seconds, gap) in sightings {
            now = now.plus_nanos(gap * MILLI);
            ports.extend([held_by, seen_at]);
            let sighting = Sighting { vlan: VlanId::DEFAULT, mac: mac(n), held_by, idle_seconds, seen_at };
            if let Some(found) = detector.sighted(sighting, now) {
                prop_assert!(found.ports.0 < found.ports.1);
                prop_assert!(ports.contains(&found.ports.0) && ports.contains(&found.ports.1));
            }
        }
    }
}
