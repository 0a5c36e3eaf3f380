//! docs/vic.md says what is announced.

use lldp::{KeyPolicy, Lldpdu, NivEnd, PortName, Role, Station};
use niv::Mac;
use std::path::Path;
use vic::{Parameters, Uuid};

#[test]
fn the_documents_numbers_are_those_that_are_sent() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vic.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## 12. LLDP").nth(1).unwrap();
    let parameters = Parameters::default();
    let unit = Lldpdu {
        niv: Some(NivEnd::new(Role::Vis, KeyPolicy::Key, &parameters)),
        ..Lldpdu::new(
            Station {
                chassis: lldp::ChassisId::identity(Uuid([1; 16])),
                port: PortName::interface("eth1"),
            },
            121,
        )
    };
    let frame = unit.to_frame(Mac([2, 0, 0, 0, 0, 1]), parameters.oui);
    // The values that the table of our own TLV names, from its OUI on.
    let ours = [
        &[0x4E, 0x49, 0x56, 1, 1, 1, 1, 0][..],
        &1008_u16.to_be_bytes(),
        &[0, 1],
    ]
    .concat();
    assert!(frame.windows(ours.len()).any(|octets| octets == ours));
    for said in [
        "**0x88CC**",
        "01-80-C2-00-00-0E",
        "127, 4E-49-56 subtype 1",
        "| 4 | 1 | version of VIC: 1 |",
        "role: 0 IV, 1 VIS",
        "key: 0 none, whoever is there is taken; 1 a key is wanted; 2 told neither",
        "| 8 | 2 | ECP subtype of acknowledged PDUs: 1008 |",
        "bit 0 VNTag, bit 1 E-TAG",
        "subtype 7 (locally assigned)",
        "subtype 5 (interface name)",
    ] {
        assert!(section.contains(said), "section 12 does not say {said:?}");
    }
    assert_eq!(lldp::ETHERTYPE, 0x88CC);
    let lengths = (unit.station.chassis.parts().0, unit.station.port.parts().0);
    assert_eq!(lengths, (7, 5));
}
