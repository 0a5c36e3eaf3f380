//! The protocol's numbers can be others at a site: both ends that have them meet, and one that has not is not heard.

use super::vic::{DEVICE, GUESTS, attach_guest, taken};
use crate::binaries::Binaries;
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use serde_json::Value;
use std::thread::sleep;
use std::time::{Duration, Instant};

const VIS: &str = "vic authentication none\nvic subtype 600\nvic unacknowledged-subtype 601\nvic oui 00:1b:2c\n\
    vic rte 12\nvic retries 8\nvlan 10\nport-profile web\n  switchport access vlan 10\n\
    interface ethernet 1\n  device niv1\n  switchport mode vntag\n";

const NUMBERS: &str =
    "subtype = 600\nunacknowledged-subtype = 601\noui = \"00:1b:2c\"\nrte = 12\nretries = 8\n";

/// Twenty times what it takes to open a session.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

fn has_session(lab: &mut Lab) -> Result<bool> {
    let show = lab.daemon("h1")?.show_json(&[])?;
    let state = show.pointer("/session/state").and_then(Value::as_str);
    Ok(state == Some("up"))
}

fn lab(binaries: &Binaries, numbers: &str) -> Result<Lab> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "g1"] {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    lab.start("vis", "vis", VIS)?;
    let iv = format!("uplink = \"eth1\"\n[vic-numbers]\n{numbers}");
    lab.start("h1", "iv", &iv)?;
    Ok(lab)
}

/// Meet with the same numbers; do not with another subtype or OUI.
pub(super) fn numbers(binaries: &Binaries, report: &Report) -> Result<()> {
    {
        let mut lab = lab(binaries, NUMBERS)?;
        let [guest, _] = GUESTS;
        attach_guest(&mut lab, guest)?;
        let (_, _, took) = taken(&mut lab, guest.0)?;
        lab.host(guest.0)?.device(DEVICE)?;
        report.figure(
            "subtypes 600 and 601, OUI 00:1b:2c, RTE 12, R 8 at both ends",
            format!("vNIC enabled after {} ms", took.as_millis()),
        );
        lab.check_alive()?;
    }
    // Without them; and with one that is another.
    for numbers in ["", &NUMBERS.replace("2c", "2d")] {
        let mut lab = lab(binaries, numbers)?;
        let begun = Instant::now();
        while begun.elapsed() < LONG_ENOUGH {
            check(!has_session(&mut lab)?, || {
                format!("a session came about between different numbers: {numbers:?}")
            })?;
            sleep(Duration::from_millis(50));
        }
        lab.check_alive()?;
    }
    report.figure("sessions between different numbers", 0);
    Ok(())
}
