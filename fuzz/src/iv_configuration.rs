//! The configuration file of the interface virtualizer.

use interface_virtualizer::config::Config;
use crate::marks::{is_looking, mark};
use std::collections::BTreeSet;

/// `data` is the file; what is no UTF-8 is refused before it gets here.
///
/// # Panics
/// A configuration is taken in which two vNICs are one, or a fault has no place.
pub fn iv_configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Config::parse(text) {
        Ok(config) => {
            if is_looking() {
                accepted(&config);
            }
            assert!(config.check().is_ok());
            let by_hand = || config.vnics.iter().filter_map(|vnic| vnic.vif());
            let vifs: BTreeSet<_> = by_hand().collect();
            assert_eq!(vifs.len(), by_hand().count());
            let names: BTreeSet<_> = config.vnics.iter().map(|vnic| &vnic.name).collect();
            assert_eq!(names.len(), config.vnics.len());
            for vnic in &config.vnics {
                assert!((68..=65_535).contains(&vnic.mtu));
                assert!(config.uplink_mtu() >= vnic.mtu + 10);
                assert!(vnic.mac.is_none_or(|mac| !mac.is_group() && !mac.is_zero()));
            }
        }
        Err(error) => {
            mark("fault", "placed");
            let lines = text.matches('\n').count() + 1;
            assert!((1..=lines).contains(&error.line), "{error}");
            assert!(error.column >= 1 && !error.what.is_empty(), "{error}");
        }
    }
}

fn accepted(config: &Config) {
    let said = [
        ("vic", config.vic.is_some()),
        ("key_file", config.key_file.is_some()),
        ("grace", config.grace.is_some()),
        ("long_frames", config.long_frames.is_some()),
        ("lists", !config.lists.is_empty()),
        ("no vNIC", config.vnics.is_empty()),
        ("two vNICs", config.vnics.len() > 1),
        ("by hand", config.vnics.iter().any(|vnic| vnic.vif().is_some())),
        ("by VIC", config.vnics.iter().any(|vnic| vnic.vif().is_none())),
        ("mac", config.vnics.iter().any(|vnic| vnic.mac.is_some())),
    ];
    for (name, _) in said.iter().filter(|(_, there)| *there) {
        mark("accepted", name);
    }
}
