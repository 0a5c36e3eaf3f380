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
                    declared_at: None,
                    flooded: None,
                };
                if !self.holds {
                    (*held_by, *seen) = (port, now);
                }
                self.found.extend(self.detector.sighted(sighting, now));
            }
        }
    }

    /// Each pair, and whether it is a conflict.
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

const VLAN: Option<VlanId> = Some(VlanId::DEFAULT);

fn named(bridge: u64, ports: (u16, u16)) -> Option<Bridging> {
    Some(Bridging {
        ports,
        evidence: Evidence::BridgeId(bridge),
        blame: Blame::Nobody,
    })
}

#[test]
fn a_bridge_is_named_by_its_bpdus_behind_two_ports_and_nobody_is_blamed() {
    let mut detector = Detector::new(Seed(3, 4));
    assert_eq!(detector.bpdu(VLAN, 77, V1, at(0)), None);
    assert_eq!(detector.bpdu(VLAN, 78, V2, at(0)), None);
    assert_eq!(detector.bpdu(VLAN, 77, V2, at(0)), named(77, (V1, V2)));
    for hello in 1..6 {
        assert_eq!(detector.bpdu(VLAN, 77, V1, at(hello * 2_000)), None);
        let again = detector.bpdu(VLAN, 77, V2, at(hello * 2_000));
        assert_eq!(again, (hello == 5).then(|| named(77, (V1, V2))).flatten());
    }
}

#[test]
fn who_forges_bpdus_has_nobody_shut_for_them() {
    let mut detector = Detector::new(Seed(3, 4));
    let mut found = Vec::new();
    for n in 0..40 {
        found.extend(detector.bpdu(VLAN, 77, HOME, at(n * 2_000)));
        // So many of other bridges that the true one is forgotten, and then its own.
        for other in 0..1_500 {
            found.extend(detector.bpdu(VLAN, 1_000 + other, V1, at(n * 2_000 + 1_000)));
        }
        found.extend(detector.bpdu(VLAN, 77, V1, at(n * 2_000 + 1_001)));
    }
    assert!(!found.is_empty());
    assert!(found.iter().all(|one| one.blame == Blame::Nobody));
}

#[test]
fn one_bridge_in_two_vlans_is_behind_two_ports_of_neither() {
    let mut detector = Detector::new(Seed(3, 4));
    for n in 0..10 {
        assert_eq!(detector.bpdu(VLAN, 77, V1, at(n)), None);
        let other = Some(20.try_into().unwrap());
        assert_eq!(detector.bpdu(other, 77, V2, at(n)), None);
    }
}

#[test]
fn a_bridge_that_moves_to_another_port_is_not_behind_two() {
    let mut detector = Detector::new(Seed(3, 4));
    assert_eq!(detector.bpdu(VLAN, 77, V1, at(0)), None);
    for n in 0..10 {
        let now = at(6_001 + n * 2_000);
        assert_eq!(detector.bpdu(VLAN, 77, V2, now), None);
    }
}

#[test]
fn a_storm_of_bpdus_from_many_ports_is_told_a_bounded_number_of_times() {
    let mut detector = Detector::new(Seed(3, 4));
    let mut found = 0;
    for n in 0..300_000u64 {
        let port = (n * 7 % 10) as u16;
        // One id, and ids of its own.
        for bridge in [9, 1_000 + n / 20] {
            let told = detector.bpdu(VLAN, bridge, port, at(n / 60));
            found += usize::from(told.is_some());
        }
    }
    // Five seconds, and 64 places.
    assert!(found <= 6 * TOLD, "{found}");
    // Of another pair something is told within a second or two.
    let mut told = None;
    for n in 0..2_000u64 {
        for bridge in [9, 9_000_000 + n / 20] {
            detector.bpdu(VLAN, bridge, (n * 7 % 10) as u16, at(5_000 + n));
        }
        detector.bpdu(VLAN, 77, 40, at(5_000 + n));
        told = told.or(detector.bpdu(VLAN, 77, 41, at(5_000 + n)));
    }
    assert_eq!(told, named(77, (40, 41)));
}

#[test]
fn an_address_that_moves_once_is_no_bridge() {
    for idle in [10, 5_000] {
        let mut table = Table::new(false);
        table.frame(mac(1), HOME, at(0));
        for n in 0..100 {
            table.frame(mac(1), V1, at(idle + n * 10));
        }
        assert_eq!(table.named(), []);
    }
}

/// Of a station whose address no port declares.
fn flooded(held_by: u16, seen_at: u16, frame: &[u8]) -> Sighting {
    Sighting {
        vlan: VlanId::DEFAULT,
        mac: mac(1),
        held_by,
        idle_seconds: 0,
        seen_at,
        declared_at: None,
        flooded: Some(Fingerprint::of(frame)),
    }
}

#[test]
fn a_frame_of_a_guests_own_that_goes_round_is_named_and_the_port_that_is_not_its_declared_home_is_blamed()
 {
    // At first the address moves, and then the table keeps it at home, whichever the detector thinks that is.
    let ways = [(V1, V2), (V2, V1)];
    let homes = [Some(V1), Some(V2), None];
    for ((first, second), declared_at) in ways
        .into_iter()
        .flat_map(|way| homes.map(|home| (way, home)))
    {
        let mut detector = Detector::new(Seed(3, 4));
        let mut found = Vec::new();
        let mut see = |held_by, seen_at, millis, frame: &[u8]| {
            let seen = Sighting {
                declared_at,
                ..flooded(held_by, seen_at, frame)
            };
            found.extend(detector.sighted(seen, at(millis)));
        };
        see(first, second, 0, b"who has");
        see(second, first, 0, b"who has");
        see(first, second, 0, b"who has");
        // Several frames go round together.
        for n in 0..40 {
            see(
                first,
                second,
                1 + n,
                if n % 3 == 0 { b"who has" } else { b"join" },
            );
        }
        let (ports, blame) = match declared_at {
            Some(V1) => ((V1, V2), Blame::Second),
            Some(V2) => ((V2, V1), Blame::Second),
            _ => ((first, second), Blame::Nobody),
        };
        let expected = Bridging {
            ports,
            evidence: Evidence::Echo(VlanId::DEFAULT, mac(1)),
            blame,
        };
        assert!(found.contains(&expected), "{found:?}");
    }
}

#[test]
fn a_storm_of_one_frame_is_a_loop_whoever_declares_its_source() {
    let mut detector = Detector::new(Seed(3, 4));
    let mut found = Vec::new();
    for n in 0..1_000 {
        let seen = flooded(V1, V2, if n % 2 == 0 { b"who has" } else { b"another" });
        found.extend(detector.sighted(seen, at(n / 4)));
    }
    let blamed = found.iter().map(|one| (one.ports, one.blame));
    let expected = [((V1, V2), Blame::Nobody), ((V1, V2), Blame::Second)];
    assert_eq!(Vec::from_iter(blamed), expected);
}

/// The thief has it in the table, and the owner says one thing again and again: a station that asks for an address.
#[test]
fn who_has_taken_the_address_of_a_quiet_neighbour_does_not_get_that_one_blamed() {
    for declared_at in [None, Some(HOME)] {
        let mut detector = Detector::new(Seed(3, 4));
        let theft = Sighting {
            idle_seconds: 10,
            declared_at,
            ..flooded(HOME, V1, b"hello")
        };
        let mut found = Vec::from_iter(detector.sighted(theft, at(0)));
        // 500 a second.
        for n in 0..1_000 {
            let owner = Sighting {
                declared_at,
                ..flooded(V1, HOME, b"who has")
            };
            found.extend(detector.sighted(owner, at(2_000 + n * 2)));
        }
        let is_blamed = |found: &Bridging| match found.blame {
            Blame::Both => true,
            Blame::Second => found.ports.1 == HOME,
            Blame::Nobody => false,
        };
        assert!(!found.is_empty());
        assert!(!found.iter().any(is_blamed), "{found:?}");
    }
}

#[test]
fn what_two_stations_with_one_address_say_does_not_go_round() {
    let mut detector = Detector::new(Seed(3, 4));
    let mut found = Vec::new();
    for n in 0..1_000u32 {
        // A stream of multicasts, each another frame; and the same five times in a second.
        let mut see = |frame: &[u8], millis| {
            found.extend(detector.sighted(flooded(HOME, V1, frame), at(millis)));
        };
        see(&n.to_be_bytes(), u64::from(n));
        if n % 200 == 0 {
            (0..5).for_each(|k| see(b"took over", u64::from(n) + k));
        }
    }
    // A thousand of what is to one station go nowhere either.
    for n in 0..1_000 {
        let single = Sighting {
            flooded: None,
            ..flooded(HOME, V1, b"")
        };
        found.extend(detector.sighted(single, at(1_000 + n)));
    }
    assert!(
        found.iter().all(|one| one.blame == Blame::Nobody),
        "{found:?}"
    );
}

#[test]
fn who_sends_from_an_address_that_is_held_at_home_is_told_as_a_conflict() {
    let mut table = Table::new(true);
    for n in 0..20 {
        table.frame(mac(1), HOME, at(n * 100));
        table.frame(mac(1), V1, at(n * 100 + 50));
    }
    assert_eq!(table.named(), [((HOME, V1), true)]);
}

fn holder(place: &[(VlanId, Mac, u16)]) -> impl Fn(VlanId, Mac) -> Option<u16> {
    move |vlan, mac| {
        let held = place.iter().find(|one| (one.0, one.1) == (vlan, mac));
        held.map(|one| one.2)
    }
}

/// Two VLANs, and where the table has what is in them.
struct Joined {
    detector: Detector,
    place: Vec<(VlanId, Mac, u16)>,
}

impl Joined {
    fn new() -> Self {
        Self {
            detector: Detector::new(Seed(3, 4)),
            place: Vec::new(),
        }
    }

    /// Policy drops a broadcast of it.
    fn is_dropped(&mut self, vlan: u16, station: u8, port: u16, millis: u64) -> Option<Bridging> {
        let vlan = VlanId::try_from(vlan).unwrap();
        let holder = holder(&self.place);
        let dropped = Dropped {
            vlan,
            mac: mac(station),
            seen_at: port,
            is_elsewhere: holder(vlan, mac(station)).is_some(),
            flooded: Some(Fingerprint::of(&[station; 46])),
        };
        self.detector.dropped(dropped, at(millis), holder)
    }

    fn arrives(&mut self, vlan: u16, station: u8, port: u16, millis: u64) -> Option<Bridging> {
        let vlan = VlanId::try_from(vlan).unwrap();
        let holder = holder(&self.place);
        let found = self
            .detector
            .arrived((vlan, mac(station)), port, at(millis), holder);
        self.place.push((vlan, mac(station), port));
        found
    }
}

#[test]
fn a_guest_that_joins_two_vlans_is_told_by_what_crosses_both_ways_and_nobody_is_blamed() {
    let mut joined = Joined::new();
    // At home, an hour ago.
    assert_eq!(joined.arrives(10, 1, HOME, 0), None);
    assert_eq!(joined.arrives(20, 2, HOME + 1, 0), None);
    let hour = 3_600_000;
    assert_eq!(joined.arrives(20, 1, V2, hour), None);
    let found = Bridging {
        ports: (V1, V2),
        evidence: Evidence::Vlans(10.try_into().unwrap(), 20.try_into().unwrap()),
        blame: Blame::Nobody,
    };
    assert_eq!(joined.arrives(10, 2, V1, hour + 900), Some(found));
}

#[test]
fn what_is_dropped_crosses_too_and_takes_no_ones_place_or_home() {
    let mut joined = Joined::new();
    // At home nowhere: it was dropped.
    assert_eq!(joined.is_dropped(20, 1, V2, 0), None);
    assert_eq!(joined.arrives(10, 1, HOME, 1), None);
    assert_eq!(joined.arrives(20, 2, HOME + 1, 1), None);
    assert_eq!(joined.is_dropped(20, 1, V2, 2), None);
    // Somebody else forges one address all the time.
    for n in 0..100 {
        assert_eq!(joined.is_dropped(30, 2, V2 + 1, 3 + n), None);
    }
    let found = joined.is_dropped(10, 2, V1, 200).unwrap();
    assert_eq!(found.ports, (V1, V2));
}

#[test]
fn one_broadcast_that_is_dropped_at_two_ports_names_them_whatever_a_third_forges() {
    let mut joined = Joined::new();
    for station in 1..=200 {
        assert_eq!(joined.arrives(10, station, HOME, 0), None);
    }
    for second in 1..20 {
        let now = second * 10_500;
        for station in 2..=200 {
            assert_eq!(joined.is_dropped(10, station, V2 + 1, now), None);
        }
        assert_eq!(joined.is_dropped(10, 1, V1, now), None);
        for station in 2..=200 {
            assert_eq!(joined.is_dropped(10, station, V2 + 1, now), None);
        }
        let found = joined.is_dropped(10, 1, V2, now + 1).unwrap();
        assert_eq!((found.ports, found.blame), ((V1, V2), Blame::Nobody));
    }
}

#[test]
fn whatever_is_told_of_ports_that_are_not_blamed_no_port_that_is_goes_unnamed() {
    let mut table = Table::new(false);
    // BPDUs of many bridges by many ports take all places there are.
    for port in 100..1_000 {
        let _ = table.detector.bpdu(VLAN, port.into(), V1, at(0));
        let _ = table.detector.bpdu(VLAN, port.into(), port, at(0));
    }
    table.frame(mac(1), HOME, at(1));
    for n in 0..5 {
        table.frame(mac(1), V1, at(2 + 2 * n));
        table.frame(mac(1), V2, at(3 + 2 * n));
    }
    assert!(table.named().iter().any(|(ports, _)| *ports == (V1, V2)));
}

#[test]
fn what_is_told_of_a_pair_hides_nothing_else_of_it() {
    let mut joined = Joined::new();
    assert_eq!(joined.arrives(10, 1, HOME, 0), None);
    assert_eq!(joined.arrives(20, 2, HOME + 1, 0), None);
    assert_eq!(joined.detector.bpdu(VLAN, 77, V1, at(9)), None);
    let bpdus = joined.detector.bpdu(VLAN, 77, V2, at(9));
    assert_eq!(bpdus, named(77, (V1, V2)));
    assert_eq!(joined.arrives(20, 1, V2, 10), None);
    assert!(joined.arrives(10, 2, V1, 11).is_some());
}

#[test]
fn one_address_in_two_vlans_joins_none() {
    // A station with a leg in each, and one on a trunk.
    let mut joined = Joined::new();
    for millis in [0, 5_000] {
        assert_eq!(joined.arrives(10, 1, V1, millis), None);
        assert_eq!(joined.arrives(20, 1, V2, millis), None);
        assert_eq!(joined.arrives(10, 2, HOME, millis), None);
        assert_eq!(joined.arrives(20, 2, HOME, millis), None);
    }
    // One way now and the other an hour later.
    assert_eq!(joined.arrives(20, 3, V2, 10_000), None);
    assert_eq!(joined.arrives(10, 3, V1, 3_600_000), None);
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

/// In a second, so that ports that came back or are to be shut only now are.
#[test]
fn a_pair_is_told_once_in_ten_seconds_and_once_in_a_second_where_ports_are_blamed() {
    let mut table = Table::new(false);
    table.frame(mac(1), HOME, at(0));
    for n in 0..1_000 {
        table.frame(mac(1), V1, at(n * 20));
        table.frame(mac(1), V2, at(n * 20 + 10));
    }
    assert_eq!(table.found.len(), 20);
    let mut table = Table::new(false);
    for n in 0..1_000 {
        table.frame(mac(1), HOME, at(n * 20));
        table.frame(mac(1), V1, at(n * 20 + 10));
    }
    assert!(table.found.iter().all(|one| one.blame == Blame::Nobody));
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
            let flooded = (gap % 3 == 0).then(|| Fingerprint::of(&[n]));
            let sighting = Sighting { vlan: VlanId::DEFAULT, mac: mac(n), held_by, idle_seconds, seen_at, declared_at: (gap % 5 == 0).then_some(held_by), flooded };
            if let Some(found) = detector.sighted(sighting, now) {
                prop_assert!(ports.contains(&found.ports.0) && ports.contains(&found.ports.1));
            }
        }
    }
}
