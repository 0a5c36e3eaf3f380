//! The configuration file of the switch.

use crate::marks::{is_looking, mark, variant};
use vis::config::grammar::Mode;
use vis::config::tree::walk;
use vis::config::{Line, Diagnostic, MAX_DIAGNOSTICS, parse_bytes};

const NAME: &str = "fuzz.conf";

/// `data` is the file.
///
/// # Panics
/// A fault has no place in the file, or an accepted file, printed and read again, is another.
pub fn configuration(data: &[u8]) {
    match parse_bytes(data, NAME) {
        Ok((config, warnings)) => {
            if is_looking() {
                accepted(data);
                mark("with a warning", !warnings.is_empty());
            }
            for warning in &warnings {
                has_a_place(data, warning);
            }
            let printed = config.running_config();
            let again = parse_bytes(printed.as_bytes(), NAME);
            assert!(again.is_ok(), "{printed}\n{:?}", again.err());
            if let Ok((again, _)) = again {
                assert_eq!(again, config, "{printed}");
                assert_eq!(again.running_config(), printed);
            }
            for &id in config.veths.keys() {
                assert!(config.effective_veth(id).is_some());
            }
            for &id in config.ethernets.keys() {
                assert!(config.effective_ethernet(id).is_some());
            }
        }
        Err(faults) => {
            assert!((1..=MAX_DIAGNOSTICS).contains(&faults.len()));
            for fault in &faults {
                mark("fault", known_fault(&fault.to_string()));
                has_a_place(data, fault);
            }
        }
    }
}

/// Printed, it starts with file, line and column, and those are in the file.
fn has_a_place(data: &[u8], diagnostic: &Diagnostic) {
    let place = diagnostic.place.as_ref();
    assert!(place.is_some(), "{diagnostic}");
    let Some(place) = place else { return };
    let start = format!("{NAME}:{}:{}: ", place.line, place.column);
    assert!(diagnostic.to_string().starts_with(&start), "{diagnostic}");
    let mut lines = data.split(|&octet| octet == b'\n');
    let line = lines.nth(place.line.wrapping_sub(1));
    assert!(line.is_some(), "{diagnostic}");
    let length = line.map_or(0, |line| String::from_utf8_lossy(line).chars().count());
    assert!((1..=length + 1).contains(&place.column), "{diagnostic}");
}

/// Which lines there are in an accepted file.
fn accepted(data: &[u8]) {
    for line in String::from_utf8_lossy(data).lines() {
        let mut readings = Mode::CONFIGURATION.iter().map(|mode| walk(mode.commands(), line.trim()));
        match readings.find_map(Result::ok) {
            Some(Line::Port(line)) => mark("accepted Port", variant(&line)),
            Some(line) => mark("accepted", variant(&line)),
            None => {}
        }
    }
}

/// The words of a fault that are the same whatever is at fault.
fn known_fault(said: &str) -> &'static str {
    const KNOWN: [&str; 8] = [
        "unknown",
        "ambiguous",
        "incomplete",
        "is not a",
        "belongs",
        "UTF-8",
        "bound",
        "inherit",
    ];
    let known = KNOWN.iter().find(|part| said.contains(**part));
    known.copied().unwrap_or("other")
}
