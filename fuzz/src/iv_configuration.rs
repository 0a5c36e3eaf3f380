//! The configuration file of the interface virtualizer.

use interface_virtualizer::config::Config;
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
            let lines = text.matches('\n').count() + 1;
            assert!((1..=lines).contains(&error.line), "{error}");
            assert!(error.column >= 1 && !error.what.is_empty(), "{error}");
        }
    }
}
