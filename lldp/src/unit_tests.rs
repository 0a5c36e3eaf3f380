use super::*;
use crate::niv_end::{Dialects, KeyPolicy, Role};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const OUI: [u8; 3] = *b"NIV";
const SOURCE: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn words() -> impl Strategy<Value = Option<String>> {
    option::of("[a-z0-9äöü€]([ -~äöü€]{0,120}[a-z0-9äöü€])?")
}

prop_compose! {
    fn niv_end()(
        version: u8,
        vis: bool,
        key in prop::sample::select(vec![KeyPolicy::Open, KeyPolicy::Key, KeyPolicy::Unset]),
        subtype: u16,
        dialects: u16,
    ) -> NivEnd {
        let role = if vis { Role::Vis } else { Role::Iv };
        NivEnd { version, role, key, subtype, dialects: Dialects(dialects) }
    }
}

prop_compose! {
    fn lldpdu()(
        (chassis, port) in (vec(any::<u8>(), 2..=256), vec(any::<u8>(), 2..=256)),
        ttl: u16,
        (port_description, system_name, system_description) in (words(), words(), words()),
        capabilities in option::of((any::<u16>(), any::<u16>())),
        frame_size: Option<u16>,
        niv in option::of(niv_end()),
    ) -> Lldpdu {
        let station = Station {
            chassis: ChassisId::read(&chassis).unwrap(),
            port: PortName::read(&port).unwrap(),
        };
        let capabilities = capabilities.map(|(can, is)| (Capability(can), Capability(is)));
        Lldpdu {
            port_description, system_name, system_description, capabilities, frame_size, niv,
            ..Lldpdu::new(station, ttl)
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(unit in lldpdu()) {
        let frame = unit.to_frame(SOURCE, OUI);
        prop_assert!(frame.len() >= 60);
        prop_assert_eq!(Lldpdu::read(&frame, OUI), Ok((SOURCE, unit.clone())));
        // Another organisation's TLV is not ours.
        let other = Lldpdu { niv: None, ..unit };
        prop_assert_eq!(Lldpdu::read(&frame, [1, 2, 3]), Ok((SOURCE, other)));
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in vec(any::<u8>(), 0..200), cut in 0..400usize, unit in lldpdu()) {
        let _ = Lldpdu::read(&octets, OUI);
        let mut frame = unit.to_frame(SOURCE, OUI);
        let _ = Lldpdu::read(&frame[..cut.min(frame.len())], OUI);
        for (at, octet) in octets.iter().enumerate() {
            let place = 14 + (at * 7 + usize::from(*octet)) % (frame.len() - 14);
            frame[place] = *octet;
        }
        if let Ok((_, read)) = Lldpdu::read(&frame, OUI) {
            let again = read.to_frame(SOURCE, OUI);
            prop_assert_eq!(Lldpdu::read(&again, OUI), Ok((SOURCE, read)));
        }
    }
}

fn station() -> Station {
    Station {
        chassis: ChassisId::read(&[4, 2, 0, 0, 0, 0, 1]).unwrap(),
        port: PortName::interface("eth1"),
    }
}

/// A frame with these TLVs.
fn frame(tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let mut frame = [NEAREST_BRIDGE.0, SOURCE.0].concat();
    frame.extend(ETHERTYPE.to_be_bytes());
    for (kind, value) in tlvs {
        tlv::write(&mut frame, *kind, &[value]);
    }
    frame
}

const CHASSIS: (u8, &[u8]) = (1, &[4, 2, 0, 0, 0, 0, 1]);
const PORT: (u8, &[u8]) = (2, b"\x05eth1");
const TTL: (u8, &[u8]) = (3, &[0, 120]);

#[test]
fn chassis_port_and_time_to_live_stand_first_and_once() {
    let read = |tlvs: &[(u8, &[u8])]| Lldpdu::read(&frame(tlvs), OUI).map(|(_, unit)| unit);
    assert_eq!(read(&[CHASSIS, PORT, TTL]), Ok(Lldpdu::new(station(), 120)));
    assert_eq!(read(&[PORT, CHASSIS, TTL]), Err(Malformed::Order));
    assert_eq!(read(&[CHASSIS, PORT]), Err(Malformed::Order));
    assert_eq!(
        read(&[CHASSIS, PORT, (5, b"x"), TTL]),
        Err(Malformed::Order)
    );
    assert_eq!(read(&[CHASSIS, PORT, TTL, TTL]), Err(Malformed::Order));
    assert_eq!(read(&[(1, &[4]), PORT, TTL]), Err(Malformed::Length));
    assert_eq!(read(&[CHASSIS, PORT, (3, &[1])]), Err(Malformed::Length));
    let mut cut = frame(&[CHASSIS, PORT, TTL, (5, b"host")]);
    cut.pop();
    assert_eq!(Lldpdu::read(&cut, OUI), Err(Malformed::Overlong));
}

#[test]
fn unknown_tlvs_are_skipped_and_the_first_of_two_counts() {
    let tlvs: [(u8, &[u8]); 8] = [
        CHASSIS,
        PORT,
        TTL,
        (8, &[5, 1, 192, 0, 2, 1, 2, 0, 0, 0, 1, 0]),
        (99, &[1; 511]),
        (127, &[0, 0x12, 0x0F, 1, 3, 0, 0, 0, 0]),
        (5, b"one"),
        (5, b"two"),
    ];
    let (_, unit) = Lldpdu::read(&frame(&tlvs), OUI).unwrap();
    let expected = Lldpdu {
        system_name: Some("one".into()),
        ..Lldpdu::new(station(), 120)
    };
    assert_eq!(unit, expected);
    let mut ended = frame(&tlvs[..3]);
    ended.extend([0, 0, 0xFF, 0xFF, 0xFF]);
    assert_eq!(Lldpdu::read(&ended, OUI).map(|(_, unit)| unit.ttl), Ok(120));
}

#[test]
fn only_frames_for_the_nearest_bridge_from_somebody_are_ours() {
    let good = frame(&[CHASSIS, PORT, TTL]);
    let with = |place: core::ops::Range<usize>, octets: &[u8]| {
        let mut frame = good.clone();
        frame[place].copy_from_slice(octets);
        Lldpdu::read(&frame, OUI)
    };
    assert!(with(0..0, &[]).is_ok());
    for (place, octets) in [
        (0..6, [0x01, 0x80, 0xC2, 0, 0, 0].as_slice()),
        (0..6, &SOURCE.0),
        (6..12, &[0; 6]),
        (6..12, &[3, 0, 0, 0, 0, 1]),
        (12..14, &[0x89, 0x40]),
    ] {
        assert_eq!(with(place, octets), Err(Malformed::NotOurs));
    }
    assert_eq!(Lldpdu::read(&good[..13], OUI), Err(Malformed::NotOurs));
}
